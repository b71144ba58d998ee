"""Laws about time and requests: every wait is bounded (5), what is looked at is read (5), no request is too long (9).

`times` says how long things take at worst, beside the timers of the standards: for a person to judge, not a law.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bridge.echonet.dictionary import Access
from bridge.evse import Mode
from bridge.mapping.logic import Kind, leaves
from bridge.mapping.proof.finding import Finding, Law
from bridge.mapping.proof.meaning import Meaning
from bridge.mapping.recipe import ENERGY, Setpoint
from bridge.mapping.table import TableSource
from bridge.mapping.yamlfile import Path_

_SECOND: Final = 1000
_MINUTE: Final = 60 * _SECOND
#: An answer may take so long (AIF 2.4.2), and a mode that a unit changes by itself is announced so late (AIF 3.2).
ANSWER: Final = 20 * _SECOND
ANNOUNCED: Final = 3 * _MINUTE
#: So long another answer is waited for before a stop goes out all the same.
STOP_WAITS: Final = 2 * _SECOND
#: More starts than these wear contactors and try a car's patience.
_STARTS: Final = 10


@dataclass(frozen=True)
class _Wait:
    """Bounds of a sort of wait (ms), and why there are any."""

    least: int
    most: int
    why: str


_CONFIRM: Final = _Wait(_SECOND, 10 * _MINUTE, "a unit shows a change of its mode within 3 min (AIF 3.2)")
_HOLD: Final = _Wait(0, ANNOUNCED, "a status that is true is told soon")
_EARLY: Final = _Wait(0, 10 * _MINUTE, "a person stands there and waits for a refusal")
_PAUSE: Final = _Wait(_SECOND, ANNOUNCED, "a unit is asked again, but not without a break")
_FRESH: Final = _Wait(_SECOND, _MINUTE, "what a start is built on is no older than a minute")
_POLL: Final = _Wait(
    _SECOND, 10 * _MINUTE, "polling and announcements are both needed (AIF 3.2.1), a node takes one request at a time"
)
_SPACING: Final = _Wait(0, 10 * _MINUTE, "a limit that rises is followed some day")


def bounded(meaning: Meaning) -> Iterable[Finding]:
    """5: every wait ends, and none is so short that it only makes noise."""
    for path, milliseconds, wait in _waits(meaning):
        if milliseconds > wait.most:
            text = f"{_time(milliseconds)} is too long, {_time(wait.most)} is the most: {wait.why}"
            yield Finding("UNBOUNDED", path, text, mend=f"write {_time(wait.most)} or less")
        elif milliseconds < wait.least:
            text = f"{_time(milliseconds)} is too short, {_time(wait.least)} is the least: {wait.why}"
            yield Finding("HASTY", path, text, mend=f"write {_time(wait.least)} or more")
    for mode, setpoint in meaning.table.setpoints.items():
        path = ("setpoints", mode.value, "confirm", "attempts")
        if mode in ENERGY and not 1 <= setpoint.attempts <= _STARTS:
            text = f"{setpoint.attempts or 'endless'} attempts to {mode.value}: each start wears the contactors"
            yield Finding("UNBOUNDED", path, text, mend=f"write 1 to {_STARTS}")
        elif mode not in ENERGY and setpoint.attempts:
            text = (
                f"after {setpoint.attempts} attempts to {mode.value} nobody would try again, and energy may still flow"
            )
            yield Finding("GIVES-UP", path, text, mend="write 0: for ever, at growing intervals")


def _waits(meaning: Meaning) -> Iterator[tuple[Path_, int, _Wait]]:
    model = meaning.source.model
    for section, rows in (
        ("plug", model.plug),
        ("StatusNotification", model.status),
        ("chargingState", model.charging),
    ):
        yield from (((section, place, "hold"), row.hold, _HOLD) for place, row in enumerate(rows))
    for place, status in enumerate(model.status):
        if status.ask is not None:
            yield ("StatusNotification", place, "ask", "pause"), status.ask.pause, _PAUSE
    for mode, setpoint in model.setpoints.items():
        base: Path_ = ("setpoints", mode.value)
        yield (*base, "confirm", "within"), setpoint.confirm.within, _CONFIRM
        yield (*base, "freshFor"), setpoint.fresh_for, _FRESH
        for place, gate in enumerate(setpoint.require):
            if gate.early is not None:
                yield (*base, "require", place, "early", "hold"), gate.early.hold, _EARLY
            if gate.ask is not None:
                yield (*base, "require", place, "ask", "pause"), gate.ask.pause, _PAUSE
    for name, group in model.polling.items():
        for key in ("active", "idle", "announced"):
            yield ("polling", name, key), getattr(group, key), _POLL
    for place, spacing in enumerate(model.spacing):
        yield ("spacing", place, "mode"), spacing.mode, _SPACING
        yield ("spacing", place, "setting"), spacing.setting, _SPACING


# What is looked at is read --------------------------------------------------------------------------------------


def read(meaning: Meaning) -> Iterable[Finding]:
    """5: what a table looks at is polled, or at least read at start; and often enough for how old it may be."""
    model = meaning.source.model
    periods = {
        name: max(group.active, group.idle, group.announced) for group in model.polling.values() for name in group.read
    }
    once = {name for names in model.attributes for name in names} | {model.release}
    told: set[str] = set()
    for name, path, within in _looked_at(meaning):
        if name in told:
            continue
        if name not in periods and name in once and _changes(meaning, name):
            told.add(name)
            text = f'"{name}" is looked at and read only at start: units announce its changes, and one may be missed'
            yield Finding("UNREAD", path, text, mend='add it to a group of "polling"')
        elif name not in periods and name not in once:
            told.add(name)
            text = f'"{name}" is looked at and never read: it would always be absent'
            yield Finding("UNREAD", path, text, mend='add it to a group of "polling"')
        elif within is not None and name in periods and periods[name] > within:
            text = (
                f'"{name}" counts for {_time(within)}, is read every {_time(periods[name])} and would often be absent'
            )
            yield Finding(
                "UNREAD", path, text, mend='shorten "idle" and "announced" of its group, or lengthen "within"'
            )
        elif within is not None and name not in periods and name in once:
            text = f'"{name}" counts for {_time(within)} and is read only at start: it would be absent from then on'
            yield Finding("UNREAD", path, text, mend='add it to a group of "polling"')


def _changes(meaning: Meaning, name: str) -> bool:
    """Whether a property changes while a unit runs: it has to announce that."""
    return any(prop.name == name and prop.inf is Access.REQUIRED for prop in meaning.table.device.all_properties)


def _looked_at(meaning: Meaning) -> Iterator[tuple[str, Path_, int | None]]:
    """The properties that a table looks at: their names, where, and how old they may be (ms)."""
    model = meaning.source.model
    for name, term in model.terms.items():
        for place, source in enumerate(term.first or ()):
            if source.property is not None:
                yield source.property, ("terms", name, "first", place), source.within
        if term.measure is not None and model.meter_values.soc is not None:
            for source in model.meter_values.soc.first:
                for each in (source.property, *(source.ratio or ())):
                    if each is not None:
                        yield each, ("terms", name), term.within
    for key, info in type(model.meter_values).model_fields.items():
        measure = getattr(model.meter_values, key)
        for place, source in enumerate(measure.first if measure is not None else ()):
            for each in (source.property, *(source.ratio or ())):
                if each is not None:
                    yield each, ("MeterValues", info.alias or key, "first", place), source.within
    for mode, setpoint in model.setpoints.items():
        limit, path = setpoint.limit, ("setpoints", mode.value, "limit")
        if limit is not None:
            yield from (
                (name, (*path, key), None)
                for key, name in (("rated", limit.rated), ("power", limit.power), ("current", limit.current))
            )
            for place, row in enumerate(limit.volts):
                if row.property is not None:
                    yield row.property, (*path, "volts", place), row.within
    fault = model.notify_event.fault
    for key, names in (("code", fault.code), ("description", fault.description)):
        yield from ((name, ("NotifyEvent", "fault", key, place), None) for place, name in enumerate(names))
    yield from ((spec.property, ("variables", place), None) for place, spec in enumerate(model.variables))
    yield from _in_conditions(meaning)


def _in_conditions(meaning: Meaning) -> Iterator[tuple[str, Path_, int | None]]:
    for path, node in meaning.source.nodes.items():
        for leaf in leaves(node):
            if leaf.subject.kind in (Kind.NAME, Kind.NUMBER):
                yield leaf.subject.name, path, None


# Requests -------------------------------------------------------------------------------------------------------


def short_enough(meaning: Meaning) -> Iterable[Finding]:
    """9: no list that is read in one request is longer than the class allows."""
    model, most = meaning.source.model, meaning.table.device.most_properties
    if most is not None and model.max_properties > most:
        text = f"a request to this class may hold {most} properties, not {model.max_properties} (AIF 2.4.4)"
        yield Finding("TOO-MANY", ("maxProperties",), text, mend=f"write {most} or less")
    for path, names in _lists(meaning):
        if len(names) > model.max_properties:
            text = f"{len(names)} properties are more than a request may hold ({model.max_properties})"
            yield Finding("TOO-MANY", path, text, mend="leave out what the decision does not need")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            text = f'"{twice[0]}" stands twice in one request'
            yield Finding("TOO-MANY", path, text, mend="take one of them out")


def _lists(meaning: Meaning) -> Iterator[tuple[Path_, list[str]]]:
    model = meaning.source.model
    yield from ((("attributes", place), names) for place, names in enumerate(model.attributes))
    yield from ((("polling", name, "read"), group.read) for name, group in model.polling.items())
    for place, row in enumerate(model.status):
        if row.ask is not None:
            yield ("StatusNotification", place, "ask", "then"), row.ask.then
    for mode, setpoint in model.setpoints.items():
        base: Path_ = ("setpoints", mode.value)
        yield (*base, "fresh"), setpoint.fresh
        for place, gate in enumerate(setpoint.require):
            yield (*base, "require", place, "read"), gate.read
            if gate.ask is not None:
                yield (*base, "require", place, "ask", "then"), gate.ask.then


# Worst-case times -----------------------------------------------------------------------------------------------


def times(source: TableSource) -> Iterator[str]:
    """How long starts, stops, pauses and questions take at worst, each beside the timer that it has to do with."""
    for mode, setpoint in source.table.setpoints.items():
        yield _mode_time(mode, setpoint, source.table.max_opc)
    pauses = sorted(set(_asks(source)))
    for pause in pauses:
        yield (
            f"ask: {_time(2 * ANSWER)} to write and read the answer, again after {_time(pause)} and then at growing "
            f"intervals; a change is announced within {_time(ANNOUNCED)} (AIF 3.2.1)"
        )


def _asks(source: TableSource) -> Iterator[int]:
    yield from (row.ask.pause for row in source.model.status if row.ask is not None)
    for setpoint in source.model.setpoints.values():
        yield from (gate.ask.pause for gate in setpoint.require if gate.ask is not None)


def _mode_time(mode: Mode, setpoint: Setpoint, most: int) -> str:
    """Each write is a request and its read-back another; an answer may take 20 s (AIF 2.4.2)."""
    steps = max(len(way.steps) for way in setpoint.ways)
    fresh = -(-len(setpoint.fresh) // most)
    others = max(
        (len(pairs) - 1 for way in setpoint.ways for step in way.steps for pairs in step.values.values()), default=0
    )
    first = (0 if mode in ENERGY else STOP_WAITS) + (fresh + 2 * steps) * ANSWER
    text = (
        f"{mode.value}: {fresh + 2 * steps} requests of at most {_time(ANSWER)} (AIF 2.4.2), sent within {_time(first)}"
    )
    seen = f"{text}, seen within {_time(setpoint.confirm_within)}"
    if mode in ENERGY:
        whole = setpoint.attempts * (first + setpoint.confirm_within)
        return f"{seen}, {setpoint.attempts} attempts: at most {_time(whole)}"
    other = f"; otherwise the other value, {_time(2 * ANSWER)} later" if others else ""
    ended = ", Ended is told after 10 s all the same" if mode is Mode.STOP else ""
    return f"{seen}{other}, then for ever{ended}"


_UNITS: Final[Mapping[str, int]] = {"min": _MINUTE, "s": _SECOND, "ms": 1}


def _time(milliseconds: int) -> str:
    """As it is written in tables."""
    if milliseconds >= _MINUTE and milliseconds % _MINUTE:
        minutes, rest = divmod(milliseconds, _MINUTE)
        return f"{minutes} min {rest / _SECOND:g} s"
    unit = next(
        name for name, size in _UNITS.items() if milliseconds % size == 0 and (milliseconds >= size or name == "ms")
    )
    return f"{milliseconds // _UNITS[unit]} {unit}" if milliseconds else "0 s"


LAWS: Final[tuple[Law, ...]] = (bounded, read, short_enough)
