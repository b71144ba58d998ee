"""The receiving point: no power flows back into the grid, and no more is drawn than the contract says. Pure.

Discharge follows what the house draws, less a margin. What may be discharged is what is discharged now and what is
drawn from the grid besides. The bound is lowered at once and raised slowly: the two figures are never of quite the same
instant, and other units may follow the same meter. Charging has what the house leaves of the contract, alike.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from bridge.evse import Reading, Source
from bridge.records import dataclass

#: The bound is raised at most once in so many ms, by at most so much (mW), to what was possible all that time.
RAISE_EVERY: Final = 15_000
RAISE_BY: Final = 500_000
#: So long (ms) after it was raised the unit is still on its way up, and only a real lack at the meter lowers it.
RISES_WITHIN: Final = 10_000
#: What charging may have of the contract is raised at most once in so many ms, to what was possible all that time.
CHARGE_MORE_EVERY: Final = 60_000


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


@dataclass(frozen=True, slots=True)
class ContractRules:
    """What the site says (mW): its contract, what of it charging leaves alone, and what all charging may have while the
    meter's word is older than `stale_after` (ms)."""

    contract: int
    margin: int = 300_000
    without_meter: int = 0
    stale_after: int = 30_000


class ContractGuard:
    """All units behind one grid connection. Powers in mW: the grid's plus is drawn, a unit's plus is charged.

    Lowered at once when more is drawn than the contract, less half the margin. Before that a second word of the meter
    is waited for: a unit that ramps is seen by the meter sooner than by itself.
    """

    def __init__(self, rules: ContractRules) -> None:
        self._rules = rules
        self._grid: Reading | None = None
        self._powers: dict[str, deque[tuple[int, int]]] = {}
        self._possible: deque[tuple[int, int]] = deque()
        self._bound: int | None = None
        self._raised: int | None = None
        self._busy_since: int | None = None

    @property
    def bound(self) -> int | None:
        """The most (mW, not negative) that all units together may charge with; None until anything is known."""
        return self._bound

    def trouble(self, now: int) -> str | None:
        """Why charging has but a fallback, where the grid meter does not tell."""
        if not self._stale(now):
            return None
        left = self._rules.without_meter
        what = f"charging has {left // 1000} W" if left else "no charging"
        return f"the grid meter has told no power for more than {self._rules.stale_after // 1000} s: {what}"

    def due(self, now: int) -> int | None:
        """When (ms) the last word of the meter will be too old, or the bound may be raised."""
        times = [] if self._raised is None else [self._raised + CHARGE_MORE_EVERY]
        if self._busy_since is not None:
            times.append(self._heard(self._busy_since) + self._rules.stale_after + 1)
        return min((at for at in times if at > now), default=None)

    def look(self, grid: Reading | None, powers: Mapping[str, Reading | None], now: int, *, busy: bool) -> None:
        """Take what is measured; `busy`: somebody charges or wants to, so that the meter has to tell. `powers` are the
        units'."""
        self._busy_since = None if not busy else now if self._busy_since is None else self._busy_since
        for name, power in powers.items():
            told = self._powers.setdefault(name, deque())
            if power is not None and (not told or told[-1] != (power.at, power.value)):
                told.append((power.at, power.value))
            _forget(told, now)
        known = self._grid.at if self._grid is not None else None
        if grid is not None and grid.source is not Source.LAST_KNOWN:
            self._grid = grid
        if self._stale(now):
            self._possible.clear()
            self._bound, self._raised = self._rules.without_meter, now
        elif self._grid is not None:
            if self._grid.at != known:
                self._possible.append((now, self._left(self._grid)))
                self._lower(self._grid, now)
            _forget(self._possible, now, CHARGE_MORE_EVERY)
            self._raise(now)

    def _left(self, grid: Reading) -> int:
        """What the house leaves of the contract: what units discharge counts as the house's."""
        ours = sum(_told_at(told, grid.at) for told in self._powers.values())
        return max(self._rules.contract - self._rules.margin - (grid.value - ours), 0)

    def _lower(self, grid: Reading, now: int) -> None:
        _, possible = self._possible[-1]
        if self._bound is None:
            self._bound = possible
            return
        excess = grid.value > self._rules.contract - self._rules.margin // 2
        rising = self._raised is not None and now < self._raised + RISES_WITHIN
        seen = [value for _, value in self._possible][-2:]
        if excess:
            self._bound = min(self._bound, possible)
        elif not rising and len(seen) == 2 and max(seen) < self._bound - self._rules.margin // 2:
            self._bound = max(seen)

    def _raise(self, now: int) -> None:
        if not self._possible or self._bound is None:
            return
        if self._raised is None or now >= self._raised + CHARGE_MORE_EVERY:
            raised = _least(self._possible)
            if raised > self._bound + self._rules.margin // 2:
                self._bound, self._raised = raised, now

    def _heard(self, since: int) -> int:
        return since if self._grid is None else max(self._grid.at, since)

    def _stale(self, now: int) -> bool:
        """While nobody charges the meter is read seldom, and its last word stands."""
        return self._busy_since is not None and now - self._heard(self._busy_since) > self._rules.stale_after


def _told_at(told: Iterable[tuple[int, int]], at: int) -> int:
    """What a unit measured last before an instant, or else first after it."""
    known = list(told)
    before = [power for since, power in known if since <= at]
    return before[-1] if before else known[0][1] if known else 0


def _least(values: Iterable[tuple[int, int]]) -> int:
    return min(value for _, value in values)


def _forget(values: deque[tuple[int, int]], now: int, window: int = RAISE_EVERY) -> None:
    """Let go what is older than counts (ms), but for the last."""
    while len(values) > 1 and values[0][0] < now - window:
        values.popleft()
