"""How far the bridge has come with one goal: the memory between two looks at a unit, and the growing pauses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final

from bridge.echonet.session import Priority
from bridge.evse import Mode, Urgency, Wanted
from bridge.mapping.decision import Fact, Recipe, Step
from bridge.records import dataclass

ENERGY: Final = frozenset({Mode.CHARGE, Mode.DISCHARGE, Mode.AUTO})
QUIET: Final = frozenset({Mode.STOP, Mode.PAUSE})

FIRST_PAUSE: Final = 2_000
LONGEST_PAUSE: Final = 300_000


def growing(count: int, first: int = FIRST_PAUSE) -> int:
    """The pause (ms) after so many failures: doubled each time, at most `LONGEST_PAUSE`."""
    return min(first << min(max(count - 1, 0), 20), LONGEST_PAUSE)


@dataclass(frozen=True, slots=True)
class Settled:
    """What stood when a goal was reached; as long as it stands, nothing is done."""

    mode: Mode
    target: int | None
    steps: tuple[Step, ...]
    values: Mapping[int, bytes]

    @classmethod
    def of(cls, recipe: Recipe, facts: Mapping[int, Fact]) -> Settled:
        """Remember the properties that a recipe governs as they are."""
        values = {step.epc: facts[step.epc].edt for step in recipe.steps if step.epc in facts}
        return cls(recipe.mode, recipe.target, recipe.steps, values)

    def stands(self, recipe: Recipe, facts: Mapping[int, Fact]) -> bool:
        """Whether neither the goal nor the unit has moved. What is refused for the moment has not."""
        if (recipe.mode, recipe.steps) != (self.mode, self.steps):
            return False
        return all(facts[epc].edt == edt for epc, edt in self.values.items() if epc in facts)

    @property
    def governed(self) -> Mapping[int, bytes]:
        """The properties that were read as the steps make them."""
        return {step.epc: step.edt for step in self.steps if self.values.get(step.epc) == step.edt}

    def left(self, recipe: Recipe, facts: Mapping[int, Fact]) -> bool:
        """Whether the unit has left the mode by itself or by other hands (the last step is the mode's)."""
        if recipe.mode is not self.mode or not recipe.steps:
            return False
        last = recipe.steps[-1]
        fact = facts.get(last.epc)
        return fact is not None and fact.edt not in (last.edt, self.values.get(last.epc, fact.edt))


@dataclass(slots=True)
class Verification:
    """A write that has been taken and waits to be read back; `due` (ms) is when to look again."""

    step: Step
    due: int = 0
    looks: int = 0
    refused: bool = False


@dataclass(slots=True)
class Course:
    """One goal's progress. A new wish begins a new course."""

    recipe: Recipe | None = None  # the one that was last pursued
    begun: bool = False  # the first write has gone out
    verification: Verification | None = None
    standing_since: int | None = None  # all steps stood; now the unit has to follow
    settled: Settled | None = None
    reached: bool = False  # ... at least once
    failures: int = 0
    starts: int = 0  # failed ones
    not_before: int = 0
    patient_until: int = 0  # somebody else's write is not answered sooner
    lowering: tuple[Step, ...] = ()  # what makes energy less that does not stop
    lowered: set[Step] = field(default_factory=set)  # ... and has been tried
    other: bool = False  # `otherwise` instead of the last step
    force: bool = False  # write the last step although it stands
    gave_up: bool = False
    yielded: bool = False  # the resident has decided otherwise
    enforce: bool = False  # ... and may not
    refused_at: int | None = None  # a stop was refused; judged after a look at everything
    looked: bool = False
    told: set[str] = field(default_factory=set)

    def rearm(self, *, yielded: bool = False) -> None:
        """Look at everything as if for the first time."""
        self.settled = self.standing_since = self.refused_at = None
        self.begun = self.gave_up = self.enforce = self.other = self.force = False
        self.reached = self.yielded = yielded
        self.failures = self.starts = self.not_before = self.patient_until = 0

    def failed(self, now: int) -> None:
        """This try is over; the next one comes after a growing pause."""
        self.failures += 1
        self.not_before = now + growing(self.failures)
        self.begun = self.looked = False
        self.verification = self.standing_since = self.refused_at = None

    def steps(self, recipe: Recipe) -> tuple[Step, ...]:
        """The recipe's steps, with the alternative in the last one's place where that did not take."""
        if self.other and recipe.otherwise:
            return recipe.steps[:-1] + recipe.otherwise
        return recipe.steps


def priority_of(wanted: Wanted, mode: Mode, *, last: bool) -> Priority:
    """Stop before limits before other commands; the last step of a recipe is the mode."""
    if mode is Mode.STOP or (mode is Mode.PAUSE and wanted.urgency is Urgency.SAFETY):
        return Priority.STOP
    if mode is Mode.PAUSE or not last:
        return Priority.LIMIT
    return Priority.COMMAND
