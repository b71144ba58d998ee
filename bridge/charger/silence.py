"""A unit that is not heard: for how long, and what that forbids.

A floor is kept by fresh values only, and silence tells none. So a unit that discharges and cannot be read is not asked
first: it is told to pause, again and again, until it says that it does. It discharges again only by what it has told
since.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bridge.charger.facts import Facts
from bridge.charger.orders import DISCHARGES
from bridge.evse import Wanted
from bridge.mapping.decision import Refusal, Table, View

#: So long (ms) a unit that was never met may take to tell whether it may discharge; it may do so when the gateway
#: starts, in a transaction that goes on.
TO_BE_MET: Final = 60_000

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

    def lasts(self, now: int) -> int:
        """For how long (ms) nothing has been heard; at least 1."""
        return max(1, self._facts.silence(now) or now - self._born)

    def due(self, now: int, *, started: bool) -> int | None:
        """When (ms) to look again, though nothing is heard; None: whenever something is."""
        if self._heard(started):
            return None
        return now + (_TICK if self.lasts(now) < _LONG_LOST else _SLOW_TICK)

    def look(self, wish: Wanted, view: View, *, started: bool, met: bool) -> None:
        """Take what is wanted; `met`: the unit has been there at least once."""
        heard = self._heard(started)
        refusal = self._refusal(wish, view) if self._since is not None or not heard else None
        if refusal is None or (heard and self._told(refusal, view)):
            self._since = self.trouble = None
        elif self._since is not None or met or view.now >= self._born + TO_BE_MET:
            self._since = view.now if self._since is None else self._since
            self.trouble = f"the unit is not heard: {refusal.reason}"

    def _heard(self, started: bool) -> bool:
        """Whether the unit is there and answered what it was last asked."""
        return started and not self._facts.misses

    def _refusal(self, wish: Wanted, view: View) -> Refusal | None:
        """Why what was told last does not allow the discharge, as if the unit could be reached."""
        if wish.mode not in DISCHARGES:
            return None
        proposal = self._table.recipe(replace(view, wanted=wish, reachable=True))
        return proposal if isinstance(proposal, Refusal) else None

    def _told(self, refusal: Refusal, view: View) -> bool:
        """Whether the unit has told since what the refusal hangs on: from then on it is the table's own word."""
        asked = (epc for epc in refusal.read if epc in view.gettable)
        return self._since is None or all(self._facts.looked_at(epc) > self._since for epc in asked)
