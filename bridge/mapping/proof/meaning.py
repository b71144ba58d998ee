"""What a table means, as sets of situations: when a condition holds, which row wins, what a setpoint comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from bridge.evse import Mode
from bridge.mapping.context import ABSENT
from bridge.mapping.decide import Row
from bridge.mapping.logic import RELEASE, All, Always, Among, Between, Flag, Kind, Lacking, Node, Not, Some, Subject
from bridge.mapping.model import SourceModel
from bridge.mapping.proof.diagram import EVERYTHING, NOTHING, Diagrams, Set
from bridge.mapping.proof.space import Key, Space, names_of, number_range
from bridge.mapping.recipe import Funds, Room, Setpoint, Way
from bridge.mapping.steps import WriteStep
from bridge.mapping.table import TableSource
from bridge.mapping.yamlfile import Path_

#: What a setpoint may come to besides its own mode and a pause.
REFUSED: Final = "refused"
ASK: Final = "ask"
#: The sections that decide, by the name of the rows in a compiled table.
SECTIONS: Final[Mapping[str, str]] = {
    "plug": "plug_rows",
    "StatusNotification": "status_rows",
    "chargingState": "charging_rows",
}


class Meaning:
    """One table, read as sets. Everything is worked out once.

    `space` and `sets` are given where two tables are read over the same variables (`bridge.mapping.proof.joint`).
    `releases`: the letters of the units that it is for, where an overlay says so; None: all, and units that tell none.
    """

    def __init__(
        self,
        source: TableSource,
        space: Space | None = None,
        sets: Diagrams | None = None,
        *,
        releases: frozenset[str] | None = None,
    ) -> None:
        self.source = source
        self._for = releases
        self.table = source.table
        self.space = space or Space(source)
        self.sets = sets or Diagrams([len(variable.values) for variable in self.space.variables])
        self._nodes: dict[Node, Set] = {}
        self._wins: dict[str, tuple[Set, ...]] = {}
        self._outcomes: dict[Mode, dict[str, Set]] = {}
        #: What laws have worked out and share, by a key of their own.
        self.shared: dict[object, Any] = {}

    # Conditions

    def at(self, path: Path_) -> Set:
        """Where the condition that stands at a path holds; everywhere if there is none."""
        node = self.source.nodes.get(path)
        return EVERYTHING if node is None else self.of(node)

    def of(self, node: Node) -> Set:
        """Where a condition holds."""
        found = self._nodes.get(node)
        if found is None:
            found = self._nodes[node] = self._work_out(node)
        return found

    def _work_out(self, node: Node) -> Set:
        sets = self.sets
        match node:
            case Always():
                return EVERYTHING
            case All(parts):
                return sets.all(self.of(part) for part in parts)
            case Some(parts):
                return sets.any(self.of(part) for part in parts)
            case Not(part):
                return sets.complement(self.of(part))
            case Among(subject, names):
                return self._among(subject, names)
            case Flag(subject):
                return self._flag(subject)
            case Between(subject, lowest, highest):
                variable = self.space.variables[self._index(subject)]
                inside = (
                    place
                    for place, bounds in enumerate(variable.bounds)
                    if bounds is not None and lowest <= bounds[0] and bounds[1] <= highest
                )
                return sets.where(self._index(subject), inside)
            case Lacking(subject):
                return sets.where(self._index(subject), (0,))

    def _index(self, subject: Subject) -> int:
        key: Key
        if subject.kind in (Kind.NAME, Kind.NUMBER):
            key = ("value", subject.epc)
        elif subject.kind is Kind.OFFER:
            key = ("offer", subject.word, subject.epc)
        else:
            key = (subject.kind.value, subject.name)
        return self.space.index[key]

    def _among(self, subject: Subject, names: frozenset[str]) -> Set:
        if subject.kind is Kind.SIGNAL and subject.name == RELEASE:
            groups = (place for place, letters in enumerate(self.space.groups) if letters[0] in names)
            return self.sets.where(self.space.index[(RELEASE, "")], groups)
        if subject.kind is Kind.SIGNAL and subject.name == "plug":
            return self.sets.any(
                win
                for row, win in zip(self.table.plug_rows, self.wins("plug"), strict=True)
                if row.answer.value in names
            )
        if subject.kind is Kind.SIGNAL and subject.name == "comesTo":
            return self.sets.any(self.comes_to(name) for name in names)
        if subject.kind is Kind.TERM and ("term", subject.name) not in self.space.index:
            return self._alias(self.source.model.terms[subject.name].first or [], names)
        return self.word(self._index(subject), names)

    def word(self, index: int, names: frozenset[str]) -> Set:
        """Where a variable has one of some values by their names."""
        values = self.space.variables[index].values
        return self.sets.where(index, (place for place, value in enumerate(values) if value in names))

    def _flag(self, subject: Subject) -> Set:
        if subject.kind is Kind.TERM:
            return self.at(("terms", subject.name, "when"))
        return self.sets.where(self._index(subject), (1,))

    def _alias(self, sources: Sequence[SourceModel], names: frozenset[str]) -> Set:
        """Where the first property that tells says one of some names."""
        sets, found, silent = self.sets, NOTHING, EVERYTHING
        for source in sources:
            index = self.space.index[("value", self.table.device.epc_of(source.property or "") or 0)]
            tells = sets.both(sets.complement(self.word(index, frozenset({ABSENT}))), self._fresh(source))
            found = sets.either(found, sets.all((silent, tells, self.word(index, names))))
            silent = sets.without(silent, tells)
        return sets.either(found, silent) if ABSENT in names else found

    def _fresh(self, source: SourceModel) -> Set:
        if source.within is None:
            return EVERYTHING
        epc = self.table.device.epc_of(source.property or "") or 0
        limits = sorted(self.space.withins(epc))
        return self.sets.where(self.space.index[("age", epc)], range(limits.index(source.within) + 1))

    # Rows

    def wins(self, section: str) -> tuple[Set, ...]:
        """For each row of a section where it decides: its condition holds and none above it does."""
        if section not in self._wins:
            rows: Sequence[Row] = getattr(self.table, SECTIONS[section])
            conditions = (self.at((section, place, "when")) for place in range(len(rows)))
            self._wins[section] = self._first(conditions)
        return self._wins[section]

    def _first(self, conditions: Iterable[Set]) -> tuple[Set, ...]:
        left, found = EVERYTHING, []
        for condition in conditions:
            found.append(self.sets.both(left, condition))
            left = self.sets.without(left, condition)
        return tuple(found)

    # Setpoints

    def comes_to(self, outcome: str) -> Set:
        """Where the wanted setpoint comes to a mode, `refused` or `ask`."""
        sets, found = self.sets, NOTHING
        for mode in Mode:
            found = sets.either(found, sets.both(self.wanted(mode), self.outcomes(mode).get(outcome, NOTHING)))
        return found

    def wanted(self, mode: Mode) -> Set:
        """Where a mode is wanted."""
        return self.word(self.space.index[("signal", "wanted")], frozenset({mode.value}))

    def outcomes(self, mode: Mode) -> Mapping[str, Set]:
        """What a setpoint comes to where, if it is wanted."""
        if mode not in self._outcomes:
            self._outcomes[mode] = self._all_outcomes(mode)
        return self._outcomes[mode]

    def _all_outcomes(self, mode: Mode) -> dict[str, Set]:
        setpoint = self.table.setpoints.get(mode)
        if mode is Mode.HANDS_OFF:
            return {mode.value: EVERYTHING}
        if setpoint is None:
            return {REFUSED: EVERYTHING}
        sets, found = self.sets, {REFUSED: NOTHING, ASK: NOTHING}
        for require, stops in zip(setpoint.requires, self.refusals(mode), strict=True):
            word = REFUSED if require.ask is None else ASK
            found[word] = sets.either(found[word], stops)
        for outcome, where in self._carried_out(setpoint, self.passed(mode)).items():
            found[outcome] = sets.either(found.get(outcome, NOTHING), where)
        return found

    def refusals(self, mode: Mode) -> tuple[Set, ...]:
        """For each gate of a setpoint where it is the first that does not hold."""
        return self._first(
            self.sets.complement(self.at(("setpoints", mode.value, "require", place, "when")))
            for place in range(len(self.table.setpoints[mode].requires))
        )

    def passed(self, mode: Mode) -> Set:
        """Where all gates of a setpoint hold."""
        return self.sets.complement(self.sets.any(self.refusals(mode)))

    def _carried_out(self, setpoint: Setpoint, where: Set) -> dict[str, Set]:
        """What comes of a setpoint where its gates hold."""
        sets, paused = self.sets, self.sets.both(where, self.broke(setpoint))
        found = {REFUSED: sets.both(where, self.stuck(setpoint.mode)), setpoint.mode.value: NOTHING}
        for place, way in enumerate(setpoint.ways):
            taken = sets.both(where, self.taken(setpoint.mode, place))
            pauses = self.pauses(setpoint, place, way)
            paused = sets.either(paused, sets.both(taken, pauses))
            runs = sets.without(taken, pauses)
            impossible = self.impossible(setpoint.mode, place)
            found[REFUSED] = sets.either(found[REFUSED], sets.both(runs, impossible))
            done = sets.without(runs, impossible)
            found[setpoint.mode.value] = sets.either(found[setpoint.mode.value], done)
        if setpoint.mode is Mode.PAUSE:  # what cannot even be paused comes to nothing
            found[REFUSED] = sets.either(found[REFUSED], paused)
        elif paused != NOTHING:
            for outcome, there in self._carried_out(self.table.setpoints[Mode.PAUSE], paused).items():
                found[outcome] = sets.either(found.get(outcome, NOTHING), there)
        return found

    def broke(self, setpoint: Setpoint) -> Set:
        """Where the limit of a setpoint is zero."""
        return self._limit(setpoint.mode, Funds.NONE)

    def _limit(self, mode: Mode, word: Funds) -> Set:
        index = self.space.index.get(("limit", mode.value))
        return NOTHING if index is None else self.word(index, frozenset({word.value}))

    def taken(self, mode: Mode, place: int) -> Set:
        """Where a way of a setpoint is the first that fits (its gates set aside)."""
        setpoint = self.table.setpoints[mode]
        fits = self._first(self.fits(setpoint, each, way) for each, way in enumerate(setpoint.ways))
        return self.sets.without(fits[place], self.broke(setpoint))

    def stuck(self, mode: Mode) -> Set:
        """Where no way of a setpoint fits."""
        setpoint = self.table.setpoints[mode]
        fits = (self.fits(setpoint, each, way) for each, way in enumerate(setpoint.ways))
        return self.sets.without(self.sets.complement(self.sets.any(fits)), self.broke(setpoint))

    def fits(self, setpoint: Setpoint, place: int, way: Way) -> Set:
        """Where a way's own condition holds and what it writes is known (the ways above it set aside)."""
        when = self.at(("setpoints", setpoint.mode.value, "ways", place, "when"))
        if not any(step.is_limit for step in way.steps):
            return when
        return self.sets.without(when, self._limit(setpoint.mode, Funds.UNKNOWN))

    def pauses(self, setpoint: Setpoint, place: int, way: Way) -> Set:
        """Where a way that is taken comes to a pause."""
        if way.pause_first is not None:
            return EVERYTHING
        return self._no_room(setpoint.mode, place)

    def impossible(self, mode: Mode, place: int) -> Set:
        """Where a way writes what the release does not know."""
        way = self.table.setpoints[mode].ways[place]
        return self.sets.any(self._unwritable(mode, place, each, step) for each, step in enumerate(way.steps))

    def _unwritable(self, mode: Mode, way: int, place: int, step: WriteStep) -> Set:
        if step.limits:
            return NOTHING
        return self.sets.both(
            self.releases(letter for letter in self._letters() if not step.values.get(step.key(letter))),
            self.applies(mode, way, place, step),
        )

    def applies(self, mode: Mode, way: int, place: int, step: WriteStep) -> Set:
        """Where a step of a way is to be done (as far as conditions tell)."""
        condition = self.at(("setpoints", mode.value, "ways", way, "ensure", place, "if"))
        return self.sets.both(
            self.releases(letter for letter in self._letters() if step.key(letter) in step.defined), condition
        )

    def _letters(self) -> list[str]:
        return [letters[0] for letters in self.space.groups]

    def releases(self, letters: Iterable[str]) -> Set:
        """Where the release is one of some letters ('' is the one that is not known)."""
        wanted = frozenset(letters)
        groups = (place for place, group in enumerate(self.space.groups) if group[0] in wanted)
        return self.sets.where(self.space.index[(RELEASE, "")], groups)

    # What can be

    @cached_property
    def possible(self) -> Set:
        """All places at which a view of a unit can lie that the table is for."""
        if self._for is None:
            return self.conceivable
        letters = (group[0] for group in self.space.groups if self._for & frozenset(group))
        return self.sets.both(self.conceivable, self.releases(letters))

    def letter(self, group: Sequence[str]) -> str:
        """The newest release of a group of equal ones that the table is for."""
        meant = [letter for letter in group if self._for is None or letter in self._for]
        return (meant or list(group))[-1]

    @cached_property
    def conceivable(self) -> Set:
        """All places at which any view can lie: what a release does not define is never read."""
        return self.sets.all([*self._value_laws(), *self._signal_laws(), *self._limit_laws()])

    def _value_laws(self) -> list[Set]:
        laws = []
        for key, index in self.space.index.items():
            if key[0] != "value":
                continue
            epc = int(key[1])
            for letters in self.space.groups:
                allowed = [0, *self._values_in(index, epc, letters[0])]
                law = self.sets.where(index, allowed)
                laws.append(self.sets.either(self.sets.complement(self.releases(letters)), law))
            refused = self.space.index.get(("offer", "refused", epc))
            if refused is not None:  # a refused property has no value
                absent = self.sets.where(index, (0,))
                laws.append(self.sets.either(self.sets.where(refused, (0,)), absent))
        return laws

    def _values_in(self, index: int, epc: int, release: str) -> list[int]:
        variable, device = self.space.variables[index], self.table.device
        if variable.bounds:
            limits = number_range(device, epc, release)
            if limits is None:
                return []
            return [
                place
                for place, bounds in enumerate(variable.bounds)
                if bounds is not None and bounds[0] <= limits[1] and limits[0] <= bounds[1]
            ]
        names = names_of(device, epc, release)
        known = epc in device.at(release).by_epc
        return [place for place, value in enumerate(variable.values) if value in names or (value == "value" and known)]

    def _signal_laws(self) -> list[Set]:
        """A unit that answers is not lost; one whose release is unknown is understood only where all releases agree."""
        reachable, lost = self.space.index.get(("signal", "reachable")), self.space.index.get(("signal", "lostFor"))
        if reachable is None or lost is None:
            return []
        return [self.sets.either(self.sets.where(reachable, (0,)), self.sets.where(lost, (0,)))]

    def _limit_laws(self) -> Iterable[Set]:
        """A limit is zero only where one is set; a way runs out of room only below a limit or an amount."""
        sets, bounded = self.sets, self.space.index.get(("signal", "bounded"))
        for mode, setpoint in self.table.setpoints.items():
            broke, unknown = self._limit(mode, Funds.NONE), self._limit(mode, Funds.UNKNOWN)
            if bounded is not None:
                yield sets.complement(sets.both(broke, sets.where(bounded, (0,))))
            for place, way in enumerate(setpoint.ways):
                unbound = sets.either(broke, self._nothing_asked(way, unknown))
                free = EVERYTHING if way.pause_first is not None else unbound
                yield sets.complement(sets.both(free, self._no_room(mode, place)))

    def _nothing_asked(self, way: Way, unknown: Set) -> Set:
        """Where neither a limit nor an amount bounds a way."""
        if not any(step.is_amount for step in way.steps):
            return unknown
        amount = self.space.index.get(("signal", "amountWanted"))
        return NOTHING if amount is None else self.sets.both(unknown, self.sets.where(amount, (0,)))

    def _no_room(self, mode: Mode, place: int) -> Set:
        index = self.space.index.get(("room", mode.value, place))
        return NOTHING if index is None else self.word(index, frozenset({Room.NONE.value}))
