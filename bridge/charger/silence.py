"""A unit that is not heard: for how long, and what that forbids.

A floor is kept by fresh values only, and silence tells none. So a unit that discharges and cannot be read is not asked
first: it is told to pause, again and again, until it says that it does. It discharges again only by what it has told
since; where that happens often, only after a growing time, as contactors wear.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bridge.charger.facts import NEVER, Facts
from bridge.charger.orders import DISCHARGES
from bridge.evse import Mode, Wanted
from bridge.mapping.decision import Refusal, Table, View

#: So long (ms) a unit that was never met may take to tell whether it may discharge; it may do so when the gateway
#: starts, in a transaction that goes on.
TO_BE_MET: Final = 60_000

#: A second discharge that ended so within `_QUIET` ms is not resumed for so many ms, a third for twice as many ...
FIRST_HOLD: Final = 120_000
LONGEST_HOLD: Final = 1_800_000
_QUIET: Final = 3_600_000

#: While a unit is not heard, how often (ms) the tables are asked anew: at first, and after `_LONG_LOST`.
_TICK: Final = 1_000
_SLOW_TICK: Final = 30_000
_LONG_LOST: Final = 120_000


class Silence:
    """One unit's silence. `born` (ms) is when it was first looked for.

    `started` is everywhere whether everything has been read since the unit was found.
    """

    def __init__(self, table: Table, facts: Facts, born: int) -> None:
        self.trouble: str | None = None  # why nothing may be discharged
        self._table = table
        self._facts = facts
        self._born = born
        self._since: int | None = None  # it has been forbidden
        self._until = 0  # it is forbidden at least
        self._count = 0  # how often it was, one soon after the other
        self._last = NEVER

    def lasts(self, now: int) -> int:
        """For how long (ms) nothing has been heard; at least 1."""
        return max(1, self._facts.silence(now) or now - self._born)

    def due(self, now: int, *, started: bool) -> int | None:
        """When (ms) to look again, though nothing is heard; None: whenever something is."""
        if self._heard(started):
            return self._until if self._since is not None and now < self._until else None
        return now + (_TICK if self.lasts(now) < _LONG_LOST else _SLOW_TICK)

    def look(self, wish: Wanted, view: View, *, started: bool, met: bool) -> None:
        """Take what is wanted; `met`: the unit has been there at least once."""
        heard = self._heard(started)
        refusal = self._refusal(wish, view) if self._since is not None or not heard else None
        if self._since is None:
            if refusal is None or not (met or view.now >= self._born + TO_BE_MET):
                return
            self._forbid(view.now)
        if refusal is not None and not (heard and self._told(refusal, view)):
            self.trouble = f"the unit is not heard: {refusal.reason}"
        elif view.now < self._until and wish.mode in DISCHARGES:
            self.trouble = "the unit has fallen silent too often: a discharge waits"
        else:
            self._since = self.trouble = None

    def _forbid(self, now: int) -> None:
        self._count = self._count + 1 if now < self._last + _QUIET else 1
        self._since = self._last = now
        self._until = now + (min(FIRST_HOLD << min(self._count - 2, 8), LONGEST_HOLD) if self._count > 1 else 0)

    def _heard(self, started: bool) -> bool:
        """Whether the unit is there and answered what it was last asked."""
        return started and not self._facts.misses

    def _refusal(self, wish: Wanted, view: View) -> Refusal | None:
        """Why what was told last does not allow the discharge, as if the unit could be reached."""
        if wish.mode not in DISCHARGES:
            return None
        proposal = self._table.recipe(replace(view, wanted=wish, reachable=True))
        if not isinstance(proposal, Refusal):
            return None
        pause = replace(wish, mode=Mode.PAUSE, target=None)
        paused = self._table.recipe(replace(view, wanted=pause, reachable=True))
        return None if isinstance(paused, Refusal) else proposal  # a unit that feeds the house on its own is let be

    def _told(self, refusal: Refusal, view: View) -> bool:
        """Whether the unit has told since what the refusal hangs on: from then on it is the table's own word."""
        asked = (epc for epc in refusal.read if epc in view.gettable)
        return all(self._facts.looked_at(epc) > (self._since or NEVER) for epc in asked)
