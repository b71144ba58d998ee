"""What becomes of a setpoint when its writes are made: one after the other, the recipe worked out anew after each.

A written property is read back: it has its written value, is fresh and not refused. Numbers (limits, amounts) are no
variables; whether they stand is kept beside the set, as a mark of what was written last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bridge.echonet.values import Quantity
from bridge.evse import Mode
from bridge.mapping.proof.diagram import EVERYTHING, NOTHING, Set
from bridge.mapping.proof.laws_setpoints_world import ages_of, index_of
from bridge.mapping.proof.meaning import Meaning
from bridge.mapping.proof.space import UNKNOWN_RELEASE
from bridge.mapping.steps import WriteStep

#: What was written to properties that are no variables, and whether an amount fits a unit's form of its property.
Marks = frozenset[tuple[int, str]]
#: A step of a way, by their places.
Spot = tuple[int, int]
_LIMIT, _AMOUNT, _UNFIT = "limit", "amount", "unfit"


@dataclass
class Trace:
    """What came of it.

    `settled`: by way and marks, where nothing is left to be written; `left`: by the last write, where the recipe does
    not hold any more; `turning`: the writes that go on for ever, and where; `first`: the first writes, and where
    they are made; `written`: the later ones.
    """

    settled: dict[tuple[int, Marks], Set] = field(default_factory=lambda: defaultdict(lambda: NOTHING))
    left: dict[Spot, Set] = field(default_factory=lambda: defaultdict(lambda: NOTHING))
    turning: dict[Spot, Set] = field(default_factory=lambda: defaultdict(lambda: NOTHING))
    first: dict[Spot, Set] = field(default_factory=lambda: defaultdict(lambda: NOTHING))
    written: dict[Spot, Set] = field(default_factory=lambda: defaultdict(lambda: NOTHING))


class Course:
    """The writes of one setpoint while the situation stays `inside`."""

    def __init__(self, meaning: Meaning, mode: Mode, inside: Set) -> None:
        self.meaning = meaning
        self.mode = mode
        self.inside = inside
        self.ways = meaning.table.setpoints[mode].ways
        self._runs = [self._running(place) for place in range(len(self.ways))]

    def runs(self, way: int) -> Set:
        """Where a way is carried out."""
        return self._runs[way]

    def run(self, start: Mapping[Marks, Set]) -> Trace:
        """Write until nothing is left to be written, or for ever."""
        trace, frontier = Trace(), dict(start)
        # Every write changes one property to what its step says: more writes than steps are a circle.
        rounds = 2 * sum(len(way.steps) for way in self.ways) + 1
        for turn in range(rounds):
            if turn == rounds // 2 + 1:
                trace.written.clear()
            frontier = self._round(frontier, trace)
            if turn == 0:
                trace.first = dict(trace.written)
        if frontier:
            trace.turning = trace.written
        return trace

    def touched(self) -> set[int]:
        """The variables that writes change."""
        index = self.meaning.space.index
        found = set()
        for way in self.ways:
            for step in way.steps:
                epc = step.epc
                keys = (("value", epc), ("age", epc), ("offer", "readBack", epc), ("offer", "refused", epc))
                found |= {index[key] for key in keys if key in index}
        foreign = index_of(self.meaning, "foreign")
        return found | ({foreign} if foreign is not None else set())

    def _running(self, place: int) -> Set:
        meaning, sets = self.meaning, self.meaning.sets
        taken = sets.all((meaning.possible, self.inside, meaning.taken(self.mode, place)))
        way = self.ways[place]
        pauses = meaning.pauses(meaning.table.setpoints[self.mode], place, way)
        return sets.without(sets.without(taken, pauses), meaning.impossible(self.mode, place))

    def _round(self, frontier: Mapping[Marks, Set], trace: Trace) -> dict[Marks, Set]:
        """One write more in every situation that still needs one."""
        sets = self.meaning.sets
        after: dict[Marks, Set] = defaultdict(lambda: NOTHING)
        for marks, where in frontier.items():
            for way in range(len(self.ways)):
                there = sets.both(where, self._runs[way])
                for spot, kept, come in self._next(way, marks, there, trace):
                    stays = sets.both(come, sets.any(self._runs))
                    trace.left[spot] = sets.either(trace.left[spot], sets.without(come, stays))
                    if stays != NOTHING:
                        trace.written[spot] = sets.either(trace.written[spot], stays)
                        after[kept] = sets.either(after[kept], stays)
        return dict(after)

    def _next(self, way: int, marks: Marks, where: Set, trace: Trace) -> Iterator[tuple[Spot, Marks, Set]]:
        """The first write that is missing, by situations; where none is, it is settled."""
        return self._from(way, 0, marks, where, trace)

    def _from(self, way: int, place: int, marks: Marks, where: Set, trace: Trace) -> Iterator[tuple[Spot, Marks, Set]]:
        sets, steps = self.meaning.sets, self.ways[way].steps
        if where == NOTHING:
            return
        if place == len(steps):
            key = (way, marks)
            trace.settled[key] = sets.either(trace.settled[key], where)
            return
        step = steps[place]
        does = sets.both(where, self._does(way, place, step, marks))
        yield from self._from(way, place + 1, marks, sets.without(where, does), trace)
        if step.is_amount and (step.epc, _UNFIT) not in marks and (step.epc, _AMOUNT) not in marks:
            yield from self._from(way, place + 1, marks | {(step.epc, _UNFIT)}, does, trace)
        for letter, there in self._by_release(does):
            stands, kept = self._stands(step, letter, marks, there)
            yield from self._from(way, place + 1, kept, stands, trace)
            if not (stands == there and kept == marks):  # a number that we have not written may stand, or not
                differs = there if kept != marks else sets.without(there, stands)
                if differs != NOTHING:
                    yield (way, place), self._marked(step, letter, marks), self.written(step, letter, differs)

    def _does(self, way: int, place: int, step: WriteStep, marks: Marks) -> Set:
        """Where a step is to be done."""
        applies = self.meaning.applies(self.mode, way, place, step)
        if not step.is_amount:
            return applies
        if (step.epc, _UNFIT) in marks:
            return NOTHING
        wanted = index_of(self.meaning, "amountWanted")
        return applies if wanted is None else self.meaning.sets.both(applies, self.meaning.sets.where(wanted, (1,)))

    def _by_release(self, where: Set) -> Iterator[tuple[str, Set]]:
        for letters in self.meaning.space.groups:
            there = self.meaning.sets.both(where, self.meaning.releases(letters))
            if there != NOTHING:
                yield letters[0], there

    def _stands(self, step: WriteStep, letter: str, marks: Marks, where: Set) -> tuple[Set, Marks]:
        """Where a step needs no write, and what is known then."""
        places = self.places(step, letter)
        if places is not None and not step.limits:
            index = self.meaning.space.index[("value", step.epc)]
            return self.meaning.sets.both(where, self.meaning.sets.where(index, places)), marks
        kept = self._marked(step, letter, marks)
        others = [text for epc, text in marks if epc == step.epc and text != _UNFIT]
        if others and kept != marks:
            return NOTHING, marks  # we have written something else
        return where, kept

    def _marked(self, step: WriteStep, letter: str, marks: Marks) -> Marks:
        told_apart = not step.limits and self.places(step, letter) is not None
        rest = frozenset(each for each in marks if each[0] != step.epc or each[1] == _UNFIT)
        if told_apart:
            return rest
        text = _AMOUNT if step.is_amount else _LIMIT if step.limits else step.values[step.key(letter)][0][1]
        return rest | {(step.epc, text)}

    def places(self, step: WriteStep, letter: str, alternative: int = 0) -> tuple[int, ...] | None:
        """The places of a written value among a variable's; None where it is none that can be told apart."""
        index = self.meaning.space.index.get(("value", step.epc))
        if index is None or letter == UNKNOWN_RELEASE:
            return None
        variable = self.meaning.space.variables[index]
        if step.limits:
            return tuple(place for place, bounds in enumerate(variable.bounds) if bounds is not None) or None
        values = step.values.get(step.key(letter), ())
        if alternative >= len(values):
            return ()
        edt, name = values[alternative]
        if variable.bounds:
            value = self.meaning.table.device.at(letter).decode(step.epc, edt)
            milli = value.milli if isinstance(value, Quantity) else None
            return tuple(
                place
                for place, bounds in enumerate(variable.bounds)
                if bounds is not None and milli is not None and bounds[0] <= milli <= bounds[1]
            )
        shown = name if name in variable.values else "value"
        return (variable.values.index(shown),) if shown in variable.values else None

    def written(self, step: WriteStep, letter: str, where: Set, alternative: int = 0) -> Set:
        """What comes of situations of one release in which a step is written and read back."""
        meaning, index = self.meaning, self.meaning.space.index
        values: dict[int, tuple[int, ...]] = {}
        places = self.places(step, letter, alternative)
        if places:
            values[index[("value", step.epc)]] = places
        values.update({age: tuple(fresh) for age, fresh in ages_of(meaning, step.epc).items()})
        for word, place in (("readBack", 1), ("refused", 0)):
            offer = index.get(("offer", word, step.epc))
            if offer is not None:
                values[offer] = (place,)
        foreign = index_of(meaning, "foreign")
        if foreign is not None:
            values[foreign] = (0,)
        return meaning.sets.both(meaning.sets.after(where, values), meaning.possible if places else EVERYTHING)
