"""Laws about writes: they are allowed (4), can be read back (5), and none lets energy flow without its limit (3).

A write is judged where it is made: where its way is taken and its own condition holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from bridge.echonet.dictionary import Access, Property
from bridge.echonet.values import IntegerCodec
from bridge.evse import Mode
from bridge.mapping.logic import RELEASE
from bridge.mapping.proof.diagram import NOTHING, Set
from bridge.mapping.proof.finding import Finding, Law
from bridge.mapping.proof.laws_rows import way_taken
from bridge.mapping.proof.meaning import Meaning
from bridge.mapping.proof.situation import Situations
from bridge.mapping.proof.space import UNKNOWN_RELEASE
from bridge.mapping.recipe import AskStep
from bridge.mapping.steps import WriteStep
from bridge.mapping.yamlfile import Path_


@dataclass(frozen=True)
class Write:
    """One write of a table: where it stands, where it is made, and the row, way or gate that it belongs to."""

    path: Path_
    step: WriteStep
    where: Set
    owner: Path_
    ask: AskStep | None = None
    wanted: Mode | None = None


def writes(meaning: Meaning) -> Iterator[Write]:
    """All writes of a table."""
    sets = meaning.sets
    for mode, setpoint in meaning.table.setpoints.items():
        base: Path_ = ("setpoints", mode.value)
        for place, way in enumerate(setpoint.ways):
            taken = way_taken(meaning, mode, place)
            if way.pause_first is not None:
                continue  # it pauses instead
            for index, step in enumerate(way.steps):
                where = sets.both(taken, meaning.applies(mode, place, index, step))
                yield Write((*base, "ways", place, "ensure", index), step, where, (*base, "ways", place), wanted=mode)
        for place, (require, shut) in enumerate(zip(setpoint.requires, meaning.refusals(mode), strict=True)):
            if require.ask is not None:
                owner: Path_ = (*base, "require", place)
                where = sets.both(shut, meaning.possible)
                yield Write((*owner, "ask"), require.ask.write, where, owner, require.ask, mode)
    for place, (row, win) in enumerate(zip(meaning.table.status_rows, meaning.wins("StatusNotification"), strict=True)):
        if row.ask is not None:
            owner = ("StatusNotification", place)
            yield Write((*owner, "ask"), row.ask.write, sets.both(win, meaning.possible), owner, row.ask)


def allowed(meaning: Meaning) -> Iterable[Finding]:
    """4: every write is to a property that may be set there, with a value that it has there."""
    situations = Situations(meaning)
    for write in writes(meaning):
        guard = _where(meaning, "settable", write.step.epc)
        unsure = NOTHING
        for letters in _met(meaning, write.where):
            here = meaning.sets.both(write.where, meaning.releases(letters[:1]))
            found = _definitions(meaning, letters[0], write.step.name)
            if not found or not all(prop.set.possible for prop in found):
                if write.ask is not None or letters[0] == UNKNOWN_RELEASE:
                    yield _not_there(situations, write, here, letters)
            elif not _has_value(write.step, letters[0], found):
                yield _no_such_value(situations, write, here, letters)
            elif not all(prop.set is Access.REQUIRED for prop in found):
                unsure = meaning.sets.either(unsure, meaning.sets.without(here, guard))
        if unsure != NOTHING:
            name = write.step.name
            text = f'"{name}" is written though the unit may not let it be set: nothing asks for "settable: {name}"'
            mend = f'add "if: settable" to the step, or "settable: {name}" to the condition around it'
            yield situations.finding(
                "NOT-ALLOWED", write.path, text, unsure, others=(write.owner,), mend=mend, wanted=write.wanted
            )


def _met(meaning: Meaning, where: Set) -> list[tuple[str, ...]]:
    """The groups of releases that a set reaches."""
    index = meaning.space.index[(RELEASE, "")]
    return [
        letters
        for place, letters in enumerate(meaning.space.groups)
        if meaning.sets.both(where, meaning.sets.where(index, (place,))) != NOTHING
    ]


def _definitions(meaning: Meaning, letter: str, name: str) -> list[Property]:
    """How a release defines a property; of a unit whose release is not known every release must allow it."""
    device = meaning.table.device
    letters = sorted(device.releases) if letter == UNKNOWN_RELEASE else [letter]
    found = [device.at(each).by_name.get(name) for each in letters]
    return [prop for prop in found if prop is not None] if None not in found else []


def _has_value(step: WriteStep, letter: str, definitions: Iterable[Property]) -> bool:
    if step.limits:
        return all(isinstance(prop.codec, IntegerCodec) for prop in definitions)
    wanted = step.values.get(step.key(letter), ())
    if letter != UNKNOWN_RELEASE:
        return bool(wanted)
    return bool(wanted) and all(
        step.values.get(each, ())[:1] == wanted[:1] for prop in definitions for each in prop.releases
    )


def _not_there(situations: Situations, write: Write, here: Set, letters: tuple[str, ...]) -> Finding:
    text = f'"{write.step.name}" is written, and {_releases(letters)} cannot set it'
    mend = "let the condition ask for the releases that can (release: ...)"
    return situations.finding(
        "NOT-ALLOWED", write.path, text, here, others=(write.owner,), mend=mend, wanted=write.wanted
    )


def _no_such_value(situations: Situations, write: Write, here: Set, letters: tuple[str, ...]) -> Finding:
    known = sorted({str(name) for pairs in write.step.values.values() for _, name in pairs[:1]})
    value = known[0] if known else "a number"
    number = value.lstrip("-").isdigit()
    do = "do" if len(letters) > 1 else "does"
    text = f'"{write.step.name}" is set to {value}, which {_releases(letters)} {do} not {"allow" if number else "know"}'
    mend = "let the condition ask for the releases that do (release: ...), or write another value"
    code = "RANGE" if number else "NOT-ALLOWED"
    return situations.finding(code, write.path, text, here, others=(write.owner,), mend=mend, wanted=write.wanted)


def _releases(letters: tuple[str, ...]) -> str:
    if letters[0] == UNKNOWN_RELEASE:
        return "a unit whose release is not known"
    return f"Release {letters[0]}" if len(letters) == 1 else f"Releases {letters[0]} to {letters[-1]}"


def verified(meaning: Meaning) -> Iterable[Finding]:
    """5: every write is read back; of what cannot be, another property is read that answers."""
    situations = Situations(meaning)
    for write in writes(meaning):
        if write.ask is not None:
            yield from _answered(meaning, situations, write, write.ask)
            continue
        never, unsure = _unread(meaning, write.where, write.step.name, write.step.epc)
        name = write.step.name
        if never != NOTHING:
            text = f'"{name}" can never be read back: nobody would know whether the write was taken'
            mend = 'write it as an "ask", whose "then" names the property that answers'
            yield situations.finding(
                "UNVERIFIED", write.path, text, never, others=(write.owner,), mend=mend, wanted=write.wanted
            )
        elif unsure != NOTHING:
            text = (
                f'"{name}" is written though the unit may not let it be read back: nothing asks for "gettable: {name}"'
            )
            mend = f'add "gettable: {name}" to the condition of the step or of the way'
            yield situations.finding(
                "UNVERIFIED", write.path, text, unsure, others=(write.owner,), mend=mend, wanted=write.wanted
            )


def _answered(meaning: Meaning, situations: Situations, write: Write, ask: AskStep) -> Iterable[Finding]:
    path = (*write.path, "then")
    if not ask.then:
        text = f'the answer to "{write.step.name}" is never read: "then" is empty'
        yield Finding("UNVERIFIED", path, text, others=(write.owner,), mend='name what it changes under "then"')
        return
    device = meaning.table.device
    lost = write.where
    for epc in ask.then:
        name = next(prop.name for prop in reversed(device.all_properties) if prop.epc == epc)
        never, unsure = _unread(meaning, write.where, name, epc)
        lost = meaning.sets.both(lost, meaning.sets.either(never, unsure))
    if lost != NOTHING:
        text = f'nothing that "then" names has to be readable where "{write.step.name}" is written'
        mend = 'name a property that every unit lets be read, or ask for "gettable: ..."'
        yield situations.finding("UNVERIFIED", path, text, lost, others=(write.owner,), mend=mend, wanted=write.wanted)


def _unread(meaning: Meaning, where: Set, name: str, epc: int) -> tuple[Set, Set]:
    """Where a property can never be read, and where it may be that it cannot."""
    sets, never, unsure = meaning.sets, NOTHING, NOTHING
    guard = _where(meaning, "gettable", epc)
    for letters in _met(meaning, where):
        here = sets.both(where, meaning.releases(letters[:1]))
        found = _definitions(meaning, letters[0], name)
        if not found or not all(prop.get.possible for prop in found):
            never = sets.either(never, here)
        elif not all(prop.get is Access.REQUIRED for prop in found):
            unsure = sets.either(unsure, sets.without(here, guard))
    return never, unsure


def _where(meaning: Meaning, word: str, epc: int) -> Set:
    """Where a unit offers something; nowhere known where no condition asks."""
    index = meaning.space.index.get(("offer", word, epc))
    return NOTHING if index is None else meaning.sets.where(index, (1,))


def limited(meaning: Meaning) -> Iterable[Finding]:
    """3: where a setpoint has a limit, a way either writes it or says that it only switches on and off."""
    sets, situations = meaning.sets, Situations(meaning)
    for mode, setpoint in meaning.table.setpoints.items():
        for place, way in enumerate(setpoint.ways):
            if setpoint.bounds is None or way.on_off or way.pause_first is not None:
                continue
            kept = sets.any(
                meaning.applies(mode, place, index, step) for index, step in enumerate(way.steps) if step.is_limit
            )
            open_ = sets.without(way_taken(meaning, mode, place), kept)
            if open_ != NOTHING:
                path: Path_ = ("setpoints", mode.value, "ways", place)
                name = meaning.source.model.setpoints[mode].ways[place].id
                text = f'the way "{name}" may {mode.value} without any limit: no step that writes it is due'
                mend = "let the way ask for what its limit needs (release, settable)"
                yield situations.finding("NO-LIMIT", path, text, open_, mend=mend, wanted=mode)


def ordered(meaning: Meaning) -> Iterable[Finding]:
    """3: the limit stands before the order that lets energy flow, so the last write of a way is never a setting."""
    for mode, setpoint in meaning.table.setpoints.items():
        for place, way in enumerate(setpoint.ways):
            limits = [index for index, step in enumerate(way.steps) if step.limits]
            fixed = [index for index, step in enumerate(way.steps) if not step.limits]
            if limits and (not fixed or limits[-1] > fixed[-1]):
                path: Path_ = ("setpoints", mode.value, "ways", place, "ensure", limits[-1])
                text = f'"{way.steps[limits[-1]].name}" is written last: energy would flow before its limit stands'
                yield Finding("LATE-LIMIT", path, text, mend="write what starts the energy last")


LAWS: Final[tuple[Law, ...]] = (allowed, verified, limited, ordered)
