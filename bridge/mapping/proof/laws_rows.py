"""Laws about rows: every situation has an answer (1, total), and every row can be the answer (2, no dead row).

A row that is hidden is no matter of taste: its author believes that it decides something, and it does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from bridge.evse import Mode
from bridge.mapping.proof.diagram import EVERYTHING, NOTHING, Set
from bridge.mapping.proof.finding import Finding, Law
from bridge.mapping.proof.meaning import SECTIONS, Meaning
from bridge.mapping.proof.situation import Situations
from bridge.mapping.yamlfile import Path_

DEAD: Final = "DEAD-ROW"
_TAKE_OUT: Final = "take it out, or let it look at what those above it leave"
_NEVER: Final = "mend the condition, or take the row out"


def total(meaning: Meaning) -> Iterable[Finding]:
    """1: a section in which some possible situation gets no row."""
    sets, situations = meaning.sets, Situations(meaning)
    for section in SECTIONS:
        left, rows = EVERYTHING, len(meaning.wins(section))
        for place in range(rows):
            left = sets.without(left, meaning.at((section, place, "when")))
        gap = sets.both(meaning.possible, left)
        if gap != NOTHING:
            last: Path_ = (section, rows - 1)
            text = f'there are situations in which no row of "{section}" holds; this is one'
            mend = 'leave the "when" of the last row out, or add a row for this situation'
            yield situations.finding("NOT-TOTAL", last, text, gap, mend=mend)


@dataclass(frozen=True)
class Rival:
    """One of several of which the first that holds wins; `hides` is where nothing below it is looked at any more.

    `wins`: where it is the first, if that is known already.
    """

    path: Path_
    name: str
    holds: Set
    hides: Set
    wins: Set = NOTHING

    @property
    def ref(self) -> str:
        """As messages name it."""
        return f'"{self.name}"'


def dead_rows(meaning: Meaning) -> Iterable[Finding]:
    """2: a row, a way or a gate that can never be the first to hold."""
    for rivals, what, where in _contests(meaning):
        yield from dead(meaning, rivals, what, where)


def among(meaning: Meaning, path: Path_) -> Set:
    """The situations in which a row has to be of use: of an overlay's own row, those of the units that it is for.

    What stands in the table below is also there for other units.
    """
    document = meaning.source.document
    return meaning.possible if document.problem(path, "", "").file == document.file else meaning.conceivable


def _contests(meaning: Meaning) -> Iterable[tuple[list[Rival], str, Set]]:
    sets, model = meaning.sets, meaning.source.model
    for section, rows in (
        ("plug", model.plug),
        ("StatusNotification", model.status),
        ("chargingState", model.charging),
    ):
        holds = [meaning.at((section, place, "when")) for place in range(len(rows))]
        wins = meaning.wins(section)
        rivals = [Rival((section, i), row.id, holds[i], holds[i], wins[i]) for i, row in enumerate(rows)]
        yield rivals, "row", EVERYTHING
    for mode, setpoint in meaning.table.setpoints.items():
        path: Path_ = ("setpoints", mode.value)
        ways = [
            Rival((*path, "ways", i), model.setpoints[mode].ways[i].id, fits, fits, meaning.taken(mode, i))
            for i, way in enumerate(setpoint.ways)
            for fits in [meaning.fits(setpoint, i, way)]
        ]
        # a pause is also what other setpoints come to, whatever its own gates say
        where = EVERYTHING if mode is Mode.PAUSE else meaning.passed(mode)
        yield ways, "way", sets.without(where, meaning.broke(setpoint))


def dead(meaning: Meaning, rivals: Sequence[Rival], what: str, where: Set = EVERYTHING) -> Iterable[Finding]:
    """Those of a list that never win, each with the fewest rivals that hide it; only `where` they are looked at."""
    sets = meaning.sets
    for place, rival in enumerate(rivals):
        here = sets.both(where, among(meaning, rival.path))
        if sets.meets(rival.wins, here):
            continue
        holds = sets.both(rival.holds, here)
        above = rivals[:place]
        if holds == NOTHING:
            text = f"the {what} {rival.ref} can never hold: nothing that can be meets its condition"
            yield Finding(DEAD, rival.path, text, mend=_NEVER)
            continue
        if not sets.within(holds, sets.any(each.hides for each in above)):
            continue
        hiding = _fewest(meaning, holds, above)
        names = " and ".join(f"{each.ref} (line {_line(meaning, each.path, rival.path)})" for each in hiding)
        verb = "hides it: it holds" if len(hiding) == 1 else "hide it: one of them holds"
        text = f"the {what} {rival.ref} can never win: {names} {verb} wherever this one does"
        yield Finding(DEAD, rival.path, text, others=tuple(each.path for each in hiding), mend=_TAKE_OUT)


def _fewest(meaning: Meaning, holds: Set, above: Sequence[Rival]) -> list[Rival]:
    """One or two that hide it; else the smallest set that is found by leaving out what can be spared."""
    sets = meaning.sets
    rivals = [each for each in above if sets.both(holds, each.hides) != NOTHING]
    for number in (1, 2):
        for some in combinations(rivals, number):
            if sets.within(holds, sets.any(each.hides for each in some)):
                return list(some)
    kept = list(rivals)
    for each in rivals:
        fewer = [other for other in kept if other is not each]
        if sets.within(holds, sets.any(other.hides for other in fewer)):
            kept = fewer
    return kept


def _line(meaning: Meaning, path: Path_, told_at: Path_) -> str:
    """The line of a row, with its file where that is another one than the finding's."""
    problem = meaning.source.document.problem(path, "", "")
    here = meaning.source.document.problem(told_at, "", "").file
    return str(problem.line) if problem.file == here else f"{problem.line} of {problem.file}"


def dead_gates(meaning: Meaning) -> Iterable[Finding]:
    """2: a gate that never keeps anything out: neither now, nor early, nor as what the unit is."""
    sets = meaning.sets
    for mode in meaning.table.setpoints:
        models = meaning.source.model.setpoints[mode].require
        path: Path_ = ("setpoints", mode.value, "require")
        here = [among(meaning, (*path, i)) for i in range(len(models))]
        refusals = [sets.both(one, other) for one, other in zip(meaning.refusals(mode), here, strict=True)]
        shut = [sets.without(here[i], meaning.at((*path, i, "when"))) for i in range(len(models))]
        early = [
            sets.both(shut[i], meaning.at((*path, i, "early", "when"))) if model.early is not None else NOTHING
            for i, model in enumerate(models)
        ]
        lasting = [shut[i] if model.lasting else NOTHING for i, model in enumerate(models)]
        for place, model in enumerate(models):
            at, others = (*path, place), range(place)
            if shut[place] == NOTHING:
                text = f'the gate "{model.id}" of "{mode.value}" is never shut: its condition always holds'
                yield Finding(DEAD, at, text, mend=_NEVER)
                continue
            if model.early is not None and early[place] == NOTHING:
                text = (
                    f'the gate "{model.id}" of "{mode.value}" is never known to be shut early: "early" cannot hold then'
                )
                yield Finding(DEAD, (*at, "early"), text, mend='mend "early", or take it out')
            refuses = refusals[place] != NOTHING
            known_early = not sets.within(early[place], sets.any(early[i] for i in others))
            others_last = sets.any(each for i, each in enumerate(lasting) if i != place)
            if refuses or known_early or not sets.within(lasting[place], others_last):
                continue
            rivals = [Rival((*path, i), models[i].id, shut[i], shut[i]) for i in others]
            hiding = _fewest(meaning, shut[place], rivals)
            names = " and ".join(f"{each.ref} (line {_line(meaning, each.path, at)})" for each in hiding)
            verb = "refuses" if len(hiding) == 1 else "refuse"
            text = (
                f'the gate "{model.id}" of "{mode.value}" never refuses: {names} {verb} before it wherever it is shut'
            )
            yield Finding(DEAD, at, text, others=tuple(each.path for each in hiding), mend=_TAKE_OUT)


def dead_steps(meaning: Meaning) -> Iterable[Finding]:
    """2: a write that is never made, because its way is never taken where the write is due."""
    sets = meaning.sets
    for mode, setpoint in meaning.table.setpoints.items():
        for place, way in enumerate(setpoint.ways):
            taken = _carried_out(meaning, mode, place)
            if sets.both(taken, meaning.conceivable) == NOTHING:
                continue  # the way itself is told
            for index, step in enumerate(way.steps):
                path: Path_ = ("setpoints", mode.value, "ways", place, "ensure", index)
                if sets.all((taken, among(meaning, path), meaning.applies(mode, place, index, step))) == NOTHING:
                    text = (
                        f'"{step.name}" is never written: on this way nothing that can be meets its "if" and releases'
                    )
                    yield Finding(DEAD, path, text, mend='mend the "if", or take the step out')


def way_taken(meaning: Meaning, mode: Mode, place: int) -> Set:
    """Where a way is carried out; that of a pause also where another setpoint comes to it."""
    return meaning.sets.both(_carried_out(meaning, mode, place), meaning.possible)


def _carried_out(meaning: Meaning, mode: Mode, place: int) -> Set:
    taken = meaning.taken(mode, place)
    return taken if mode is Mode.PAUSE else meaning.sets.both(taken, meaning.passed(mode))


def dead_exceptions(meaning: Meaning) -> Iterable[Finding]:
    """2: an `unless` of a local change that can never hold."""
    sets = meaning.sets
    for name, words in meaning.source.model.local.items():
        for value in words if isinstance(words, dict) else ():
            path: Path_ = ("local", name, value, "unless")
            if path in meaning.source.nodes and sets.both(meaning.at(path), among(meaning, path)) == NOTHING:
                yield Finding(DEAD, path, f'the "unless" of {name}={value} can never hold', mend=_NEVER)


LAWS: Final[tuple[Law, ...]] = (total, dead_rows, dead_gates, dead_steps, dead_exceptions)
