"""Law 7: energy can always be stopped and paused, and it starts only where it may.

`IRREVERSIBLE`: a stop or a pause that does not come to itself, or asks more of a unit than its release requires.
`UNGATED`: energy would be let flow where nobody may have it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bridge.echonet.dictionary import Access
from bridge.evse import Mode, Urgency
from bridge.mapping.proof.diagram import NOTHING, Set
from bridge.mapping.proof.finding import Finding, Law
from bridge.mapping.proof.laws_setpoints_world import index_of, signal, situations
from bridge.mapping.proof.meaning import Meaning
from bridge.mapping.steps import WriteStep
from bridge.mapping.yamlfile import Path_

IRREVERSIBLE: Final = "IRREVERSIBLE"
UNGATED: Final = "UNGATED"
QUIET: Final = (Mode.STOP, Mode.PAUSE)
ENERGY: Final = (Mode.CHARGE, Mode.DISCHARGE, Mode.AUTO)
#: Modes in which energy may leave the vehicle: the site, the EVSE and the vehicle have to permit them.
_OUTWARD: Final = frozenset({Mode.DISCHARGE, Mode.AUTO})


def quiet_is_never_denied(meaning: Meaning) -> Iterator[Finding]:
    """In every situation in which the unit answers, an urgent stop or pause passes all gates."""
    sets = meaning.sets
    urgent = sets.all((meaning.possible, signal(meaning, "reachable"), signal(meaning, "urgency", Urgency.SAFETY)))
    for mode in QUIET:
        if mode not in meaning.table.setpoints:
            continue
        setpoint = meaning.source.model.setpoints[mode]
        for place, denied in enumerate(meaning.refusals(mode)):
            where = sets.both(denied, urgent)
            if where != NOTHING:
                gate = setpoint.require[place]
                verb = "asks before" if gate.ask is not None else "refuses"
                text = f'the gate "{gate.id}" {verb} {mode} even with urgency safety'
                mend = "let the urgent one pass: {any: [..., {urgency: safety}]}"
                path: Path_ = ("setpoints", mode.value, "require", place, "when")
                yield _found(meaning, IRREVERSIBLE, path, text, _wanting(meaning, mode, where), mend)


def quiet_comes_to_itself(meaning: Meaning) -> Iterator[Finding]:
    """Behind its gates a stop or pause is carried out in every release, and writes something."""
    for mode in QUIET:
        if mode in meaning.table.setpoints:
            yield from _stuck(meaning, mode)
            for place in range(len(meaning.table.setpoints[mode].ways)):
                yield from _way(meaning, mode, place)


def _stuck(meaning: Meaning, mode: Mode) -> Iterator[Finding]:
    sets = meaning.sets
    where = sets.both(meaning.possible, meaning.stuck(mode))
    if where != NOTHING:
        text, path = f"no way of {mode} fits here", ("setpoints", mode.value, "ways")
        mend = "let the last way hold always"
        yield _found(meaning, IRREVERSIBLE, path, text, _wanting(meaning, mode, where), mend)


def _way(meaning: Meaning, mode: Mode, place: int) -> Iterator[Finding]:
    sets, setpoint = meaning.sets, meaning.table.setpoints[mode]
    way, model = setpoint.ways[place], meaning.source.model.setpoints[mode].ways[place]
    path: Path_ = ("setpoints", mode.value, "ways", place)
    taken = sets.both(meaning.possible, meaning.taken(mode, place))
    impossible = sets.both(taken, meaning.impossible(mode, place))
    if impossible != NOTHING:
        text = f'the way "{model.id}" of {mode} writes what this release does not know'
        mend = "say for which releases it is (when: {release: ...}), and add another way"
        yield _found(meaning, IRREVERSIBLE, path, text, _wanting(meaning, mode, impossible), mend)
    written = sets.any(meaning.applies(mode, place, each, step) for each, step in enumerate(way.steps))
    idle = sets.without(taken, written)
    if idle != NOTHING:
        text = f'the way "{model.id}" of {mode} writes nothing here: energy would go on'
        yield _found(meaning, IRREVERSIBLE, path, text, _wanting(meaning, mode, idle))
    for each, step in enumerate(way.steps):
        needs = sets.all((taken, meaning.applies(mode, place, each, step), _not_required(meaning, step)))
        if needs != NOTHING:
            text = f"{mode} needs to set {step.name}, which a unit of this release may not let be set"
            where = _wanting(meaning, mode, needs)
            yield _found(meaning, IRREVERSIBLE, (*path, "ensure", each), text, where, 'add "if: settable"')


def _not_required(meaning: Meaning, step: WriteStep) -> Set:
    """Where a unit need not let a property be set, and does not."""
    sets, device = meaning.sets, meaning.table.device
    letters = []
    for group in meaning.space.groups:
        prop = device.at(step.key(group[0])).by_epc.get(step.epc)
        if prop is not None and prop.set is not Access.REQUIRED:
            letters.append(group[0])
    settable = meaning.space.index.get(("offer", "settable", step.epc))
    offered = NOTHING if settable is None else sets.where(settable, (1,))
    return sets.without(meaning.releases(letters), offered)


# Gates before energy flows --------------------------------------------------------------------------------------


def energy_has_gates(meaning: Meaning) -> Iterator[Finding]:
    """Energy flows only where the unit answers, without a fault, for somebody; out of the car only where allowed."""
    for mode in ENERGY:
        if mode in meaning.table.setpoints:
            for what, allowed in _permissions(meaning, mode):
                where = meaning.sets.without(_runs(meaning, mode), allowed)
                if where != NOTHING:
                    text = f"{mode} lets energy flow although {what}"
                    path: Path_ = ("setpoints", mode.value, "require")
                    yield _found(meaning, UNGATED, path, text, _wanting(meaning, mode, where), "add a gate")


def _runs(meaning: Meaning, mode: Mode) -> Set:
    return meaning.sets.both(meaning.possible, meaning.outcomes(mode).get(mode.value, NOTHING))


def _permissions(meaning: Meaning, mode: Mode) -> Iterator[tuple[str, Set]]:
    yield "the unit does not answer", _needed(meaning, "reachable")
    yield "nobody is authorized", _needed(meaning, "authorized")
    yield "the unit reports a fault", meaning.sets.complement(meaning.at(("NotifyEvent", "fault", "when")))
    if mode in _OUTWARD:
        yield "discharging is not allowed here", _needed(meaning, "dischargeAllowed")


def _needed(meaning: Meaning, name: str) -> Set:
    """Where a signal holds; nowhere if no condition of the table looks at it."""
    return NOTHING if index_of(meaning, name) is None else signal(meaning, name)


# Findings -------------------------------------------------------------------------------------------------------


def _wanting(meaning: Meaning, mode: Mode, where: Set) -> Set:
    wanted = meaning.sets.both(where, meaning.wanted(mode))
    return where if wanted == NOTHING else wanted


def _found(meaning: Meaning, code: str, path: Path_, text: str, where: Set, mend: str = "") -> Finding:
    return situations(meaning).finding(code, path, text, where, mend=mend)


LAWS: Final[tuple[Law, ...]] = (quiet_is_never_denied, quiet_comes_to_itself, energy_has_gates)
