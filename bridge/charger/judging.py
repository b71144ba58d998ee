"""Which facts may be believed when a write is saved, or made, because of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bridge.charger.facts import NEVER
from bridge.mapping.decision import Recipe, Step, View

#: A fact that is older (ms) than this when something new is wanted is read again before it saves a write.
TRUSTED_FOR: Final = 10_000


class Judge:
    """What is believed of one unit. `looked_at` says when the unit last told or refused a property."""

    def __init__(self, looked_at: Callable[[int], int]) -> None:
        self.looked_at = looked_at
        self._trusted_since = 0
        self._plugged_at = NEVER
        self._yielded: dict[int, bytes] = {}
        self._ordered: dict[int, tuple[Step, Recipe]] = {}
        self._highest: dict[int, int] = {}  # target (mW) of what was written since the setting was read back last
        self._unread: set[int] = set()  # written, and not read back

    def goal(self, now: int) -> None:
        """Something new is wanted."""
        self._trusted_since = max(self._trusted_since, now - TRUSTED_FOR)
        self._yielded.clear()

    def rearm(self, now: int, *, plugged: bool) -> None:
        """Nothing that was read before counts; `plugged`: another session, for which every setting is written anew."""
        self._trusted_since = now
        self._yielded.clear()
        if plugged:
            self._plugged_at = now

    def yields(self, epc: int, edt: bytes) -> None:
        """Somebody else set a lower limit: it is left until something is wanted anew."""
        self._yielded[epc] = edt

    def orders(self, step: Step, recipe: Recipe) -> None:
        """A step is written."""
        if recipe.target is not None:
            self._highest[step.epc] = max(abs(recipe.target), self._highest.get(step.epc, 0))
        self._unread.add(step.epc)
        self._ordered[step.epc] = (step, recipe)

    def stands(self, step: Step, recipe: Recipe) -> None:
        """A step was read back."""
        self._ordered[step.epc] = (step, recipe)
        if recipe.target is not None:
            self._highest[step.epc] = abs(recipe.target)
        self._unread.discard(step.epc)

    def may_stand_higher(self, step: Step, recipe: Recipe) -> bool:
        """Whether a setting may stand above what a step makes of it."""
        ordered = self._ordered.get(step.epc)
        if ordered is None or recipe.target is None or ordered[1].mode is not recipe.mode:
            return False
        if ordered[0].edt == step.edt and step.epc not in self._unread:
            return False
        return self._highest.get(step.epc, 0) > abs(recipe.target)

    def lowers(self, step: Step, recipe: Recipe, view: View, *, below_granted: bool) -> bool:
        """Whether a setting comes to less than the unit may stand at: what was written last, and, unless that is known
        to stand, what was granted before."""
        ordered, before = self._ordered.get(step.epc, (step, recipe))
        if before.mode is not recipe.mode or recipe.target is None:
            return below_granted
        if before.target is None or abs(recipe.target) < abs(before.target):
            return True
        fact = view.facts.get(step.epc)
        stands = fact is not None and fact.edt == ordered.edt and abs(recipe.target) > abs(before.target)
        return below_granted and not stands

    def differs(self, step: Step, view: View) -> bool:
        """Whether a property is not what a step makes of it, or what somebody else may have made of it."""
        fact = view.facts.get(step.epc)
        if fact is None:
            return True
        return fact.edt not in (step.edt, self._yielded.get(step.epc, step.edt))

    def unwritten(self, step: Step, view: View) -> bool:
        """Whether a setting is still the last session's: units keep it, and may take it for this one's or not."""
        return view.wrote.get(step.epc, NEVER) < self._plugged_at

    def trusts(self, epc: int, view: View) -> bool:
        """Whether a property was looked at since it may have changed."""
        if view.gettable and epc not in view.gettable:
            return True
        return self.looked_at(epc) >= max(self._trusted_since, view.wrote.get(epc, 0))

    def overwritten(self, epc: int, view: View) -> bool:
        """Whether we have written a property since the unit last told it at all: what it told is what was before."""
        fact = view.facts.get(epc)
        return fact is not None and fact.at <= view.wrote.get(epc, NEVER)

    def doubts(self, step: Step, view: View) -> bool:
        """Whether a fact could wrongly save, or cause, a write: an equal one that is old, or one from before our own
        last write."""
        if self.looked_at(step.epc) < view.wrote.get(step.epc, 0):
            return True
        return not self.differs(step, view) and not self.trusts(step.epc, view)

    def rests(self, step: Step, recipe: Recipe, view: View) -> bool:
        """Whether the unit is in the other mode that means the same, which is the maker's choice."""
        fact = view.facts.get(step.epc)
        if fact is None or not self.trusts(step.epc, view):
            return False
        return any(fact.edt == other.edt and step.epc == other.epc for other in recipe.otherwise)
