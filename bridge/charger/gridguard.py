"""No power flows back at the receiving point: discharge follows what the house draws, less a margin. Pure.

What may be discharged is what is discharged now and what is drawn from the grid besides. The bound is lowered at once
and raised slowly: the two figures are never of quite the same instant, and other units may follow the same meter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bridge.evse import Reading, Source

#: The bound is raised at most once in so many ms, by at most so much (mW), to what was possible all that time.
RAISE_EVERY: Final = 15_000
RAISE_BY: Final = 500_000
#: So long (ms) after it was raised the unit is still on its way up, and only a real lack at the meter lowers it.
RISES_WITHIN: Final = 10_000


@dataclass(frozen=True, slots=True)
class GridRules:
    """What the site says: how much (mW) stays drawn from the grid, and how old (ms) its meter's word may be."""

    margin: int = 100_000
    stale_after: int = 30_000


class GridGuard:
    """One unit behind a grid meter. Powers in mW: the grid's plus is drawn, the unit's minus is discharged."""

    def __init__(self, rules: GridRules) -> None:
        self._rules = rules
        self._grid: Reading | None = None
        self._powers: deque[tuple[int, int]] = deque()
        self._possible: deque[tuple[int, int]] = deque()
        self._bound = 0
        self._raised: int | None = None

    @property
    def bound(self) -> int:
        """The most (mW, not negative) that may be discharged now; 0 while nothing is known."""
        return self._bound

    def trouble(self, now: int) -> str | None:
        """Why nothing may be discharged, where the grid meter does not tell."""
        if self._grid is None:
            return "the grid meter does not tell the power at the receiving point: no discharge, it might flow back"
        if self._stale(now):
            return f"the grid meter has told no power for more than {self._rules.stale_after // 1000} s: no discharge"
        return None

    def due(self, now: int) -> int | None:
        """When (ms) the last word of the meter will be too old, or the bound may be raised."""
        if self._grid is None or self._stale(now):
            return None
        stale = self._grid.at + self._rules.stale_after + 1
        raised = None if self._raised is None else self._raised + RAISE_EVERY
        return min(stale, raised) if raised is not None and raised > now else stale

    def look(self, grid: Reading | None, power: Reading | None, now: int, *, discharging: bool) -> None:
        """Take what is measured; `discharging`: that is wanted, so that the bound is followed."""
        known = self._grid.at if self._grid is not None else None
        if grid is None or grid.source is not Source.LAST_KNOWN:
            self._grid = grid
        if power is not None and power.source is not Source.LAST_KNOWN:
            self._powers.append((power.at, power.value))
        _forget(self._powers, now)
        if self._grid is None or self._stale(now):
            self._possible.clear()
            self._bound, self._raised = 0, None
            return
        if self._grid.at != known:  # the unit's own answer to our last write must not be taken for the house's
            possible = max(self._discharge(self._grid.at) + self._grid.value - self._rules.margin, 0)
            self._possible.append((now, possible))
        _forget(self._possible, now)
        if not discharging:
            self._bound, self._raised = 0, None
        else:
            self._follow(self._grid, now, new=self._grid.at != known)

    def _follow(self, grid: Reading, now: int, *, new: bool) -> None:
        """Within half the margin nothing is changed: house load is never quite still, and settings wear too."""
        _, possible = self._possible[-1]
        lacking = grid.value < self._rules.margin // 2
        rising = self._raised is not None and now < self._raised + RISES_WITHIN
        if new and possible < self._bound and (lacking or (not rising and possible < self._bound - self._rules.margin)):
            self._bound = possible
        elif self._raised is None or now >= self._raised + RAISE_EVERY:
            raised = min(_least(self._possible), self._bound + RAISE_BY)
            if raised > self._bound + self._rules.margin:
                self._bound, self._raised = raised, now

    def _discharge(self, at: int) -> int:
        """What was discharged (mW) when the grid was measured: the last that was known then."""
        told = [power for since, power in self._powers if since <= at] or [power for _, power in self._powers]
        return max(-told[-1], 0) if told else 0

    def _stale(self, now: int) -> bool:
        return self._grid is None or now - self._grid.at > self._rules.stale_after


def _least(values: Iterable[tuple[int, int]]) -> int:
    return min(value for _, value in values)


def _forget(values: deque[tuple[int, int]], now: int) -> None:
    """Let go what is older than counts, but for the last."""
    while len(values) > 1 and values[0][0] < now - RAISE_EVERY:
        values.popleft()
