"""What a unit may do about an order once it is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from bridge.evse import Mode
from bridge.mapping.context import ABSENT
from bridge.mapping.proof.diagram import EVERYTHING, NOTHING, Set
from bridge.mapping.proof.meaning import Meaning
from bridge.mapping.proof.situation import Situations
from bridge.mapping.proof.space import UNKNOWN_RELEASE
from bridge.mapping.steps import WriteStep

#: What power does when the unit follows.
FLOW: Final[Mapping[Mode, tuple[str, ...]]] = {
    Mode.CHARGE: ("charging",),
    Mode.DISCHARGE: ("discharging",),
    Mode.AUTO: ("charging", "discharging"),
    Mode.PAUSE: ("still",),
    Mode.STOP: ("still",),
}
STILL: Final = "still"
_UNMEASURED: Final = 0  # the place of what cannot be told: of power as of any property


def situations(meaning: Meaning) -> Situations:
    """The table's situations, as they are shown to people; made once."""
    found = meaning.shared.get(Situations)
    if found is None:
        found = meaning.shared[Situations] = Situations(meaning)
    assert isinstance(found, Situations)
    return found


def index_of(meaning: Meaning, name: str) -> int | None:
    """The variable of a signal; None where no condition of the table looks at it."""
    return meaning.space.index.get(("signal", name))


def signal(meaning: Meaning, name: str, word: str = "yes") -> Set:
    """Where a signal says a word; everywhere if the table does not look at it."""
    index = index_of(meaning, name)
    return EVERYTHING if index is None else meaning.word(index, frozenset({word}))


def known_release(meaning: Meaning) -> Set:
    """Where the unit's release is one that the dictionary knows."""
    return meaning.sets.complement(meaning.releases([UNKNOWN_RELEASE]))


def ages_of(meaning: Meaning, epc: int) -> dict[int, Iterable[int]]:
    """A property is fresh, where its age matters."""
    age = meaning.space.index.get(("age", epc))
    return {} if age is None else {age: (0,)}


@dataclass(frozen=True)
class _Answer:
    """A variable that answers an order: where it tells anything, it comes to one of some values."""

    index: int
    allowed: tuple[int, ...]
    fresh: Mapping[int, Iterable[int]]


class World:
    """What a unit may do after a setpoint's last write: power flows or ceases, and it tells so.

    Besides power, the properties that answer are those that nobody can set and whose values are called as the written
    one's: 0xE1 tells what the unit makes of 0xDA.
    """

    def __init__(self, meaning: Meaning, mode: Mode, last: WriteStep) -> None:
        self.meaning = meaning
        self.mode = mode
        self.last = last
        self.power = meaning.space.index[("term", meaning.table.power_term)]
        self.echoes = tuple(self._echoes())

    def flowing(self) -> Set:
        """Where power does what is wanted."""
        return self.meaning.word(self.power, frozenset(FLOW[self.mode]))

    def told(self) -> Set:
        """Where the unit tells in some other way that it follows."""
        return self.meaning.sets.any(self.meaning.sets.where(echo.index, echo.allowed) for echo in self.echoes)

    def dumb(self) -> Set:
        """Where nothing tells whether it follows."""
        sets = self.meaning.sets
        return sets.all(sets.where(each.index, (_UNMEASURED,)) for each in (self._power(FLOW[self.mode]), *self.echoes))

    def variables(self) -> set[int]:
        """What changes while the unit follows."""
        confirmed = index_of(self.meaning, "confirmed")
        answers = (self._power(()), *self.echoes)
        found = {index for each in answers for index in (each.index, *each.fresh)}
        return found | ({confirmed} if confirmed is not None else set())

    def flows(self, where: Set) -> Set:
        """The same, whether it is known already that the goal is reached or not."""
        confirmed = index_of(self.meaning, "confirmed")
        return where if confirmed is None else self.meaning.sets.freed(where, (confirmed,))

    def follows(self, where: Set, *flow: str) -> Set:
        """What comes of situations in which the unit follows; power does what `flow` says, as far as it is measured."""
        for answer in self._answers(flow):
            where = self._after(where, answer)
        return self.meaning.sets.both(where, self.meaning.possible)

    def some(self, good: Set) -> Set:
        """From where the unit can come to one of some good situations by following."""
        found = self.meaning.sets.both(good, self.meaning.possible)
        for answer in self._answers(FLOW[self.mode]):
            found = self._before(found, answer)
        return found

    def _answers(self, flow: tuple[str, ...]) -> tuple[_Answer, ...]:
        return (self._power(flow or FLOW[self.mode]), *self.echoes)

    def _power(self, flow: tuple[str, ...]) -> _Answer:
        values = self.meaning.space.variables[self.power].values
        return _Answer(self.power, tuple(values.index(word) for word in flow), {})

    def _echoes(self) -> Iterable[_Answer]:
        device = self.meaning.table.device
        settable = {prop.epc for prop in device.all_properties if prop.set.possible}
        index = self.meaning.space.index.get(("value", self.last.epc))
        if index is None:
            return
        written = self.meaning.space.variables[index]
        names = {name for values in self.last.values.values() for _, name in values}
        for place, variable in enumerate(self.meaning.space.variables):
            epc = variable.key[1]
            alike = set(variable.values) & set(written.values) - {ABSENT}
            if variable.key[0] == "value" and epc not in settable and alike:
                tells = [value for value, name in enumerate(variable.values) if name in names]
                every = range(1, len(variable.values))
                yield _Answer(place, tuple(tells or every), ages_of(self.meaning, int(epc)))

    def _after(self, where: Set, answer: _Answer) -> Set:
        sets = self.meaning.sets
        silent = sets.where(answer.index, (_UNMEASURED,))
        moved = sets.after(sets.without(where, silent), {answer.index: answer.allowed, **answer.fresh})
        return sets.either(sets.both(where, silent), moved)

    def _before(self, good: Set, answer: _Answer) -> Set:
        sets = self.meaning.sets
        silent = sets.where(answer.index, (_UNMEASURED,))
        come = sets.all(
            [good, sets.where(answer.index, answer.allowed), *(sets.where(i, v) for i, v in answer.fresh.items())]
        )
        freed = sets.freed(come, {answer.index, *answer.fresh}) if come != NOTHING else NOTHING
        return sets.either(sets.both(good, silent), sets.without(freed, silent))
