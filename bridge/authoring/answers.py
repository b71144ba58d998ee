"""What a table answers in each of its sections, as sets of situations with a label that says all that matters of it.

Two answers with the same label are the same to a charger, whatever their rows are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from bridge.evse import Mode
from bridge.mapping.decide import Row
from bridge.mapping.model import AskModel, SourceModel, ToldModel
from bridge.mapping.proof.diagram import EVERYTHING, NOTHING, Set
from bridge.mapping.proof.joint import Joint
from bridge.mapping.proof.meaning import Meaning
from bridge.mapping.recipe import Require, Setpoint
from bridge.mapping.steps import WriteStep
from bridge.mapping.table import TableSource
from bridge.mapping.yamlfile import Path_

_REFUSED: Final = "refused"
_KEEP: Final = "keep"


@dataclass(frozen=True)
class Answer:
    """What is answered where, by which row. `path` is where that stands in the file."""

    label: str
    row: str
    path: Path_
    where: Set


def sections_of(joint: Joint) -> list[str]:
    """All sections of two tables, by names that `answers_of` takes."""
    modes = [mode for mode in Mode if any(mode in each.table.setpoints for each in (joint.one, joint.other))]
    both = [mode for mode in modes if all(mode in each.table.setpoints for each in (joint.one, joint.other))]
    measures = dict.fromkeys(name for each in (joint.one, joint.other) for name, _ in _measures(each.source))
    return [
        *_ROWS,
        *(f"setpoints {mode}" for mode in modes),
        *(f"{word} {mode}" for mode in both for word in ("confirm", "early", "lasting", "adjustable")),
        *(f"MeterValues {name}" for name in measures),
        "NotifyEvent fault",
        "abilities directCurrent",
        "spacing",
        *(f"local {name}" for name in _local_names(joint)),
    ]


def answers_of(meaning: Meaning, section: str) -> list[Answer]:
    """What a table answers there: one answer for each row and label; together they are all situations."""
    word, _, about = section.partition(" ")
    make: Callable[[Meaning], Iterable[Answer]] = (
        partial(_rows, section=word) if word in _ROWS else partial(_SECTIONS[word], about=about)
    )
    joined: dict[tuple[str, str, Path_], Set] = {}
    for answer in make(meaning):
        key = (answer.label, answer.row, answer.path)
        joined[key] = meaning.sets.either(joined.get(key, NOTHING), answer.where)
    return [Answer(*key, where) for key, where in joined.items() if where != NOTHING]


# Rows -----------------------------------------------------------------------------------------------------------


def _rows(meaning: Meaning, section: str) -> Iterator[Answer]:
    rows: Sequence[Row] = getattr(meaning.table, _ROWS[section])
    told = {"plug": meaning.source.model.told.plug, "chargingState": meaning.source.model.told.charging}
    asks = {row.id: row.ask for row in meaning.source.model.status} if section == "StatusNotification" else {}
    for place, (row, win) in enumerate(zip(rows, meaning.wins(section), strict=True)):
        parts = [
            str(row.answer.value or _KEEP),
            f"held {row.answer.hold / 1000:g} s" if row.answer.hold else "",
            f"at boot {row.answer.at_boot}" if row.answer.at_boot else "",
            f"remembers {row.sees}" if row.sees else "",
            _ask(asks.get(row.id)),
            *_told(told.get(section, {}).get(row.id)),
        ]
        yield Answer(", ".join(filter(None, parts)), row.id, (section, place), win)


def _ask(model: AskModel | None) -> str:
    if model is None:
        return ""
    write = ", ".join(f"{name}={value}" for name, value in model.write.items())
    return f"asks {write}, then {'+'.join(model.then)}, every {model.pause / 1000:g} s"


def _told(model: ToldModel | None) -> Iterator[str]:
    if model is not None:
        yield f"triggerReason {model.trigger}" if model.trigger else ""
        yield f"stoppedReason {model.stopped}" if model.stopped else ""


# Setpoints ------------------------------------------------------------------------------------------------------


def _setpoint(meaning: Meaning, about: str) -> Iterator[Answer]:
    mode, sets = Mode(about), meaning.sets
    setpoint = meaning.table.setpoints.get(mode)
    if setpoint is None:
        yield Answer(_REFUSED, "", ("setpoints",), EVERYTHING)
        return
    path: Path_ = ("setpoints", mode.value)
    models = meaning.source.model.setpoints[mode].require
    for place, (gate, where) in enumerate(zip(models, meaning.refusals(mode), strict=True)):
        label = _ask(gate.ask) or (f"{_REFUSED}, once {'+'.join(gate.read)} is read" if gate.read else _REFUSED)
        yield Answer(label, gate.id, (*path, "require", place), where)
    passed = meaning.passed(mode)
    yield Answer(_REFUSED, "", (*path, "ways"), sets.both(passed, meaning.stuck(mode)))
    broke = sets.both(passed, meaning.broke(setpoint))
    yield from _paused(meaning, broke, "", path)
    for place, way in enumerate(setpoint.ways):
        name = _name(meaning, mode, place)
        here: Path_ = (*path, "ways", place)
        taken = sets.both(passed, meaning.taken(mode, place))
        pauses = sets.both(taken, meaning.pauses(setpoint, place, way))
        yield from _paused(meaning, pauses, name, here)
        yield from _carried_out(meaning, mode, place, sets.without(taken, pauses), name, here)


def _name(meaning: Meaning, mode: Mode, place: int) -> str:
    return meaning.source.model.setpoints[mode].ways[place].id


def _paused(meaning: Meaning, where: Set, row: str, path: Path_) -> Iterator[Answer]:
    """Where something else comes to a pause: its writes, told at the way that made it so."""
    if where == NOTHING or Mode.PAUSE not in meaning.table.setpoints:
        return
    sets = meaning.sets
    yield Answer(_REFUSED, row, path, sets.both(where, meaning.stuck(Mode.PAUSE)))
    for place in range(len(meaning.table.setpoints[Mode.PAUSE].ways)):
        taken = sets.both(where, meaning.taken(Mode.PAUSE, place))
        yield from _carried_out(meaning, Mode.PAUSE, place, taken, row, path)


def _carried_out(meaning: Meaning, mode: Mode, place: int, where: Set, row: str, path: Path_) -> Iterator[Answer]:
    sets = meaning.sets
    impossible = sets.both(where, meaning.impossible(mode, place))
    yield Answer(_REFUSED, row, path, impossible)
    for texts, there in _writes(meaning, mode, place, sets.without(where, impossible)).items():
        yield Answer(f"{mode}: {', '.join(texts) or 'nothing is written'}", row, path, there)


def _writes(meaning: Meaning, mode: Mode, place: int, where: Set) -> dict[tuple[str, ...], Set]:
    """The writes of a way, by what they are in which situations."""
    sets = meaning.sets
    found: dict[tuple[str, ...], Set] = {(): where}
    for each, step in enumerate(meaning.table.setpoints[mode].ways[place].steps):
        grown: dict[tuple[str, ...], Set] = {}
        applies = meaning.applies(mode, place, each, step)
        for texts, there in found.items():
            parts: list[tuple[tuple[str, ...], Set]] = [((), sets.without(there, applies))]
            parts += [((text,), sets.both(there, at)) for text, at in _values(meaning, step, applies)]
            for more, part in parts:
                if part != NOTHING:
                    key = (*texts, *more)
                    grown[key] = sets.either(grown.get(key, NOTHING), part)
        found = grown
    return found


def _values(meaning: Meaning, step: WriteStep, applies: Set) -> Iterator[tuple[str, Set]]:
    if step.limits:
        word = "amount, if one is wanted" if step.is_amount else "limit"
        yield f"{step.name}={word}{f' (kept if up to {step.tolerate} below)' if step.tolerate else ''}", applies
        return
    for letters in meaning.space.groups:
        names = [name for _, name in step.values.get(step.key(letters[0]), ())]
        if names:
            value = " or ".join(names)
            yield f"{step.name}={value}", meaning.sets.both(applies, meaning.releases(letters))


def _confirm(meaning: Meaning, about: str) -> Iterator[Answer]:
    path: Path_ = ("setpoints", about, "confirm", "when")
    yield from _yes_or_no(meaning, meaning.at(path), path, ("reached", "not reached"))


def _yes_or_no(meaning: Meaning, where: Set, path: Path_, words: tuple[str, str]) -> Iterator[Answer]:
    yield Answer(words[0], "", path, where)
    yield Answer(words[1], "", path, meaning.sets.complement(where))


def _early(meaning: Meaning, about: str) -> Iterator[Answer]:
    """What is refused before anything is tried."""
    mode, sets, left = Mode(about), meaning.sets, EVERYTHING
    models = meaning.source.model.setpoints[mode].require
    for place, model in enumerate(models):
        if model.early is None:
            continue
        path: Path_ = ("setpoints", mode.value, "require", place)
        shut = sets.without(meaning.at((*path, "early", "when")), meaning.at((*path, "when")))
        hold = f" after {model.early.hold / 1000:g} s" if model.early.hold else ""
        yield Answer(f"refused beforehand{hold}", model.id, path, sets.both(left, shut))
        left = sets.without(left, shut)
    yield Answer("may be tried", "", ("setpoints", mode.value, "require"), left)


def _lasting(meaning: Meaning, about: str) -> Iterator[Answer]:
    """Whether a unit of this kind can do it at all."""
    path: Path_ = ("setpoints", about, "require")
    requires: Sequence[Require] = meaning.table.setpoints[Mode(about)].requires
    able = meaning.sets.all(
        meaning.at((*path, place, "when")) for place, require in enumerate(requires) if require.lasting
    )
    yield from _yes_or_no(meaning, able, path, ("a unit of this kind can", "a unit of this kind cannot"))


def _adjustable(meaning: Meaning, about: str) -> Iterator[Answer]:
    """Whether its power can be set, by the first way that holds."""
    sets, left = meaning.sets, EVERYTHING
    path: Path_ = ("setpoints", about, "ways")
    setpoint: Setpoint = meaning.table.setpoints[Mode(about)]
    for place, way in enumerate(setpoint.ways):
        holds = meaning.at((*path, place, "when"))
        label = "only on and off" if way.on_off else "adjustable"
        yield Answer(label, _name(meaning, Mode(about), place), (*path, place), sets.both(left, holds))
        left = sets.without(left, holds)
    yield Answer("only on and off", "", path, left)


# The rest -------------------------------------------------------------------------------------------------------


def _measures(source: TableSource) -> Iterator[tuple[str, Sequence[SourceModel]]]:
    info = type(source.model.meter_values).model_fields
    for name, spec in info.items():
        model = getattr(source.model.meter_values, name)
        if model is not None:
            yield spec.alias or name, model.first


def source_text(source: SourceModel) -> str:
    """Where a value is read, on one line."""
    what = next(
        text
        for given, text in (
            (source.property, str(source.property)),
            (source.ratio, "/".join(source.ratio or ())),
            (source.meter, f"meter {source.meter}"),
            (source.integral, f"integral of {source.integral}"),
            (True, "nothing"),
        )
        if given
    )
    age = f" within {source.within / 1000:g} s" if source.within is not None else ""
    return f"{'-' if source.negate else ''}{what}{age}"


def _measure(meaning: Meaning, about: str) -> Iterator[Answer]:
    """The sources that may tell, in order, by the conditions of each."""
    sets = meaning.sets
    found: dict[tuple[str, ...], Set] = {(): EVERYTHING}
    path: Path_ = ("MeterValues", about)
    for place, source in enumerate(dict(_measures(meaning.source)).get(about, ())):
        holds = meaning.at((*path, "first", place, "when"))
        grown: dict[tuple[str, ...], Set] = {}
        for texts, there in found.items():
            for key, part in (
                (texts, sets.without(there, holds)),
                ((*texts, source_text(source)), sets.both(there, holds)),
            ):
                if part != NOTHING:
                    grown[key] = sets.either(grown.get(key, NOTHING), part)
        found = grown
    for texts, where in found.items():
        yield Answer(" else ".join(texts) or "nothing", "", path, where)


def _fault(meaning: Meaning, about: str) -> Iterator[Answer]:
    path: Path_ = ("NotifyEvent", about, "when")
    yield from _yes_or_no(meaning, meaning.at(path), path, ("a fault", "no fault"))


def _direct_current(meaning: Meaning, about: str) -> Iterator[Answer]:
    path: Path_ = ("abilities", about)
    yield from _yes_or_no(meaning, meaning.at(path), path, ("direct current", "alternating current"))


def _spacing(meaning: Meaning, about: str) -> Iterator[Answer]:
    sets, left = meaning.sets, EVERYTHING
    for place, row in enumerate(meaning.source.model.spacing):
        holds = meaning.at(("spacing", place, "when"))
        label = f"modes {row.mode / 1000:g} s apart, settings {row.setting / 1000:g} s"
        yield Answer(label, about, ("spacing", place), sets.both(left, holds))
        left = sets.without(left, holds)
    yield Answer("modes 0 s apart, settings 0 s", about, ("spacing",), left)


def _local_names(joint: Joint) -> list[str]:
    """The properties, and their values, of which a change by others is told."""
    names = []
    for each in (joint.one, joint.other):
        for name, spec in each.source.model.local.items():
            names += [name] if isinstance(spec, str) else [f"{name}={value}" for value in spec]
    return list(dict.fromkeys(names))


def _local(meaning: Meaning, about: str) -> Iterator[Answer]:
    name, _, value = about.partition("=")
    spec = meaning.source.model.local.get(name)
    path: Path_ = ("local", name, value) if value else ("local", name)
    word: Any = spec.get(value) if isinstance(spec, Mapping) else spec
    if word is None or isinstance(word, str):
        yield Answer(str(word or "nothing is told"), "", path, EVERYTHING)
        return
    unless = meaning.at((*path, "unless"))
    yield Answer("nothing is told", "", path, unless)
    yield Answer(word.tell, "", path, meaning.sets.complement(unless))


_ROWS: Final[Mapping[str, str]] = {
    "plug": "plug_rows",
    "StatusNotification": "status_rows",
    "chargingState": "charging_rows",
}
_SECTIONS: Final[Mapping[str, Callable[..., Iterable[Answer]]]] = {
    "setpoints": _setpoint,
    "confirm": _confirm,
    "early": _early,
    "lasting": _lasting,
    "adjustable": _adjustable,
    "MeterValues": _measure,
    "NotifyEvent": _fault,
    "abilities": _direct_current,
    "spacing": _spacing,
    "local": _local,
}
