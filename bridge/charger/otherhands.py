"""What others do at a unit: noticed, told, and answered with patience (AIF-1-2)."""

from __future__ import annotations

from dataclasses import field

from bridge.charger.contest import Contest
from bridge.charger.course import growing
from bridge.charger.ownwrites import OwnWrites
from bridge.charger.reconcile import Reconciler
from bridge.evse import Happening, HappeningKind
from bridge.mapping.decision import LocalChange, Table, View
from bridge.records import dataclass


@dataclass(slots=True)
class OtherHands:
    """Compares what a unit shows with what we wrote. `before` is the view of the last look at a unit that answered."""

    table: Table
    reconciler: Reconciler
    own: OwnWrites = field(default_factory=OwnWrites)
    contest: Contest = field(default_factory=Contest)
    foreign: bool = False  # the mode that is in force was written by somebody else
    before: View | None = None
    _settlements: int = 0

    @property
    def settled(self) -> bool:
        """Whether something wanted was reached since the last look."""
        return self.reconciler.settlements != self._settlements

    def look(self, view: View, *, started: bool) -> list[Happening]:
        """What somebody else has changed since the last look, and what follows from it for the loop."""
        if self.settled:
            self._settlements = self.reconciler.settlements
            self.foreign = self.foreign and self.reconciler.ended  # else what is in force now is what we wanted
            self.own.verified(self.reconciler.stood)
        before = self.before
        ours = self.own.ours(view.facts)
        if before is None or before.facts is view.facts or not started:
            return []
        happenings: list[Happening] = []
        for change in self.table.local_changes(before, view, ours):
            if change.kind is HappeningKind.LOCAL_STOP and self.reconciler.busy:
                continue  # falling back while it is being started is a start that fails, not a decision of anybody
            if change.kind is HappeningKind.FOREIGN_LIMIT and not self._lowers(change, view):
                continue  # the unit's own clamp, or a value of nobody's (translation.md, "External limits")
            happenings.append(Happening(change.kind, change.text, change.value))
            happenings += self._respond(change, before, view, ours)
        return happenings

    def _lowers(self, change: LocalChange, view: View) -> bool:
        fact = view.facts.get(change.epc) if change.epc is not None else None
        return fact is not None and change.epc is not None and self.own.lowers(change.epc, fact.edt)

    def _respond(self, change: LocalChange, before: View, view: View, ours: frozenset[int]) -> list[Happening]:
        if change.kind is HappeningKind.FOREIGN_LIMIT:
            for epc, fact in view.facts.items():
                old = before.facts.get(epc)
                if epc not in ours and old is not None and old.edt != fact.edt:
                    self.reconciler.locally_set(epc, fact.edt)
            return []
        if change.kind not in (HappeningKind.LOCAL_START, HappeningKind.LOCAL_STOP):
            return []
        reversal = self._settlements > 0 and not self.foreign
        self.foreign = True
        if change.kind is HappeningKind.LOCAL_START:
            self.reconciler.locally_started()
        if not reversal:
            return []
        contested = self.contest.reversed(view.now)
        self.reconciler.hold_back(view.now + self._patience(view.now))
        return [Happening(HappeningKind.CONTESTED, "another controller keeps changing the mode")] if contested else []

    def _patience(self, now: int) -> int:
        """How long (ms) an answer to somebody else's write waits: not at all the first time, then longer and longer."""
        count = self.contest.recent(now)
        return growing(count) if count > 1 else 0
