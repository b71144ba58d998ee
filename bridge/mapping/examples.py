"""Runs the examples that stand in a table: each one is a test, and every row needs one.

An example gives a situation by names (`chargeDischargeStatus: chargeable`) or by frames (`"C7=43"`), perhaps a message
that is received, and what is expected of it (`bridge.mapping.expected` has the words). What it does not give is as in
the table's `exampleUnit`. Several values in a list (`equipmentType: [ac_cplt, ac_hlc_charge]`, `release: G-M`) are so
many examples in one: each has to be answered so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import product
from math import prod
from typing import Any, Final, TypeVar

from bridge.echonet.dictionary import RELEASES
from bridge.echonet.values import IntegerCodec, PropertyValueError
from bridge.evse import Amount, Mode, Reading, Urgency, Wanted
from bridge.mapping.decide import TableGapError
from bridge.mapping.decision import Decision, Fact, Measures, Recipe, Refusal, View
from bridge.mapping.expected import EXPECTED, Outcome, id_of, narrowed, number_of
from bridge.mapping.meter import CompiledMeter
from bridge.mapping.model import ExampleModel, TableModel, releases
from bridge.mapping.quantity import quantity
from bridge.mapping.steps import ImpossibleError
from bridge.mapping.table import CompiledTable, TableSource
from bridge.mapping.yamlfile import Document, Path_, Problem, Problems, nearest

__all__ = [
    "ExampleError",
    "Outcome",
    "meter_view",
    "number_of",
    "outcome_of",
    "outcome_of_view",
    "outcomes_of",
    "run_examples",
    "view_of",
]
_NOW: Final = 10_000_000
_WROTE: Final = 1000  # ms before now
_MOST_CASES: Final = 500  # in one example


_Word = TypeVar("_Word", bound=StrEnum)


class ExampleError(Exception):
    """An example that cannot be understood; its text says why."""


@dataclass
class _Situation:
    """A view while it is put together."""

    table: CompiledTable | CompiledMeter
    release: str = RELEASES[-1]
    values: dict[int, tuple[str, Any]] = field(default_factory=dict)  # bytes in hex, or a value by its name
    view: dict[str, Any] = field(default_factory=dict)
    wanted: dict[str, Any] = field(default_factory=dict)
    maps: dict[str, frozenset[int]] = field(default_factory=dict)
    taken: dict[str, frozenset[int]] = field(default_factory=dict)
    ages: dict[int, int] = field(default_factory=dict)
    notified: frozenset[int] = frozenset()
    wrote: frozenset[int] = frozenset()
    before: list[Any] | None = None

    def epc(self, name: object) -> int:
        found = self.table.device.epc_of(name) if isinstance(name, str) else None
        if found is None:
            known = {prop.name for prop in self.table.device.all_properties} | set(_GIVEN)
            raise ExampleError(f'"{name}" is no property and nothing else that can be given{nearest(str(name), known)}')
        return found

    def epcs(self, names: Any) -> frozenset[int]:
        return frozenset(self.epc(name) for name in names)

    def build(self) -> View:
        """The view; maps that are not given hold what the release allows, but for what is taken out of them."""
        properties = self.table.device.at(self.release).by_epc
        maps: dict[str, Any] = {
            "gettable": frozenset(epc for epc, prop in properties.items() if prop.get.possible),
            "settable": frozenset(epc for epc, prop in properties.items() if prop.set.possible),
            "announced": frozenset(),
        } | self.maps
        maps |= {name: maps[name] - taken for name, taken in self.taken.items()}
        facts = {epc: self._fact(epc, form, value) for epc, (form, value) in self.values.items() if value != "absent"}
        return View(
            now=_NOW,
            release=self.release,
            facts=facts,
            wanted=Wanted(**self.wanted),
            wrote=dict.fromkeys(self.wrote, _NOW - _WROTE),
            **maps,
            **self.view,
        )

    def earlier(self) -> View | None:
        """The view before, if the example gives one: what it does not give was as it is now."""
        if self.before is None:
            return None
        situation = replace(self, values=dict(self.values), view=dict(self.view), wanted=dict(self.wanted))
        _take(situation, self.before)
        return situation.build()

    def _fact(self, epc: int, form: str, value: Any) -> Fact:
        edt = bytes.fromhex(value) if form == "hex" else self._encode(epc, value)
        return Fact(edt, _NOW - self.ages.get(epc, 0), epc in self.notified)

    def _encode(self, epc: int, value: Any) -> bytes:
        prop = self.table.device.at(self.release).by_epc.get(epc) or self.table.device.latest.by_epc.get(epc)
        if prop is None:
            raise ExampleError(f"Release {self.release} has no property {epc:02X}")
        found = quantity(value) if isinstance(value, str) else None
        if isinstance(prop.codec, IntegerCodec) and found is not None:
            value = prop.codec.from_milli(found[0])
        try:
            return prop.codec.encode(value)
        except PropertyValueError as reason:
            raise ExampleError(f"{prop.name}: {reason}") from None


def _milli(value: Any) -> int:
    found = quantity(value) if isinstance(value, str) else None
    if found is None:
        raise ExampleError(f'"{value}" is no quantity like 3000 W')
    return found[0]


def _one_of(kind: type[_Word]) -> Callable[[Any], _Word]:
    """The word of an enumeration."""

    def convert(value: Any) -> _Word:
        words = [word.value for word in kind]
        if value not in words:
            raise ValueError(f'"{value}" is none of {", ".join(words)}{nearest(str(value), words)}')
        return kind(value)

    return convert


def _set(
    target: str, key: str, convert: Callable[[Any], Any] = lambda value: value
) -> Callable[[_Situation, Any], None]:
    def setter(situation: _Situation, value: Any) -> None:
        getattr(situation, target)[key] = convert(value)

    return setter


def _map(key: str) -> Callable[[_Situation, Any], None]:
    def setter(situation: _Situation, value: Any) -> None:
        situation.maps[key] = situation.epcs(value)

    return setter


def _release(situation: _Situation, value: Any) -> None:
    situation.release = value


def _ages(situation: _Situation, value: Any) -> None:
    situation.ages |= {situation.epc(name): _milli(age) for name, age in value.items()}


def _notified(situation: _Situation, value: Any) -> None:
    situation.notified = situation.epcs(value)


def _wrote(situation: _Situation, value: Any) -> None:
    situation.wrote = situation.epcs(value)


def _without(map_: str) -> Callable[[_Situation, Any], None]:
    def setter(situation: _Situation, value: Any) -> None:
        situation.taken[map_] = situation.taken.get(map_, frozenset()) | situation.epcs(value)

    return setter


def _beside(side: str) -> Callable[[_Situation, Any], None]:
    """What is known beside the unit, as measures, perhaps some time old: `meter: {power: 3 kW, age: 10s}`."""

    def setter(situation: _Situation, value: Any) -> None:
        at = _NOW - _milli(value["age"]) if "age" in value else _NOW
        told = {name: text for name, text in value.items() if name != "age"}
        readings = {name: Reading(_milli(text), at, origin="example") for name, text in told.items()}
        situation.view[side] = Measures(**readings)  # type: ignore[arg-type]

    return setter


def _refused(situation: _Situation, value: Any) -> None:
    situation.view["refused"] = situation.epcs(value)


def _before(situation: _Situation, value: Any) -> None:
    situation.before = _listed(value)


#: What may be given besides properties. `before`: what was otherwise just before, for local changes.
_GIVEN: Final[Mapping[str, Callable[[_Situation, Any], None]]] = {
    "release": _release,
    "wanted": _set("wanted", "mode", _one_of(Mode)),
    "urgency": _set("wanted", "urgency", _one_of(Urgency)),
    "target": _set("wanted", "target", _milli),
    "chargeBound": _set("wanted", "charge_bound", _milli),
    "dischargeBound": _set("wanted", "discharge_bound", _milli),
    "authorized": _set("wanted", "authorized"),
    "inTransaction": _set("wanted", "in_transaction"),
    "amount": _set("wanted", "amount", lambda value: Amount("example", energy=_milli(value))),
    "counted": _set("view", "counted", _milli),
    "reachable": _set("view", "reachable"),
    "lostFor": _set("view", "lost_for", _milli),
    "confirmed": _set("view", "confirmed"),
    "contested": _set("view", "contested"),
    "foreign": _set("view", "foreign"),
    "dischargeAllowed": _set("view", "discharge_allowed"),
    "socFloor": _set("view", "soc_floor", _milli),
    "seen": _set("view", "seen", frozenset),
    "settable": _map("settable"),
    "gettable": _map("gettable"),
    "announced": _map("announced"),
    "notSettable": _without("settable"),
    "notGettable": _without("gettable"),
    "refused": _refused,
    "meter": _beside("meter"),
    "fromPower": _beside("from_power"),
    "fromSoc": _beside("from_soc"),
    "ages": _ages,
    "notified": _notified,
    "wrote": _wrote,
    "before": _before,
}


#: Words of `given` for which a list is one value.
_LISTED: Final = frozenset(
    {
        "settable",
        "gettable",
        "notSettable",
        "notGettable",
        "announced",
        "refused",
        "notified",
        "wrote",
        "seen",
        "before",
    }
)


def cases_of(example: ExampleModel) -> Iterator[tuple[str, ExampleModel]]:
    """An example for each combination of the values that stand in lists, and what it is called; mostly only itself.

    Raises:
        ExampleError: there are too many.
    """
    parts = _listed(example.given)
    choices = [
        (place, key, found)
        for place, part in enumerate(parts)
        if isinstance(part, Mapping)
        for key, value in part.items()
        if (found := _choices(key, value)) != [value]
    ]
    if not choices:
        yield "", example
        return
    if prod(len(found) for _, _, found in choices) > _MOST_CASES:
        raise ExampleError(f"these are more than {_MOST_CASES} combinations: make several examples of them")
    for chosen in product(*(found for _, _, found in choices)):
        given = [dict(part) if isinstance(part, Mapping) else part for part in parts]
        for (place, key, _), value in zip(choices, chosen, strict=True):
            given[place][key] = value
        said = (f"{key} {value}" for (_, key, _), value in zip(choices, chosen, strict=True))
        yield f" with {', '.join(said)}", example.model_copy(update={"given": given})


def _choices(key: str, value: Any) -> list[Any]:
    """The values that a word of `given` takes one after the other."""
    if key == "release" and isinstance(value, str) and "-" in value:
        try:
            return list(releases(value))
        except ValueError:
            raise ExampleError(f'release: "{value}" is no range like G-M') from None
    return value if isinstance(value, list) and key not in _LISTED else [value]


def view_of(source: TableSource, example: ExampleModel) -> View:
    """The view that an example describes; of one that stands for several the first.

    Raises:
        ExampleError: it names something that does not exist.
    """
    return _situation(source, next(cases_of(example))[1]).build()


def _situation(source: TableSource, example: ExampleModel) -> _Situation:
    situation = _Situation(source.table)
    _give(situation, source.model.example_unit)
    if example.receive is not None:
        situation.wanted |= {"authorized": True, "in_transaction": True}
        for message, payload in example.receive.items():
            situation.wanted |= _wants(source.model, message, payload)
    _take(situation, _listed(example.given))
    return situation


def _listed(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


def meter_view(table: CompiledMeter, given: Iterable[Any]) -> View:
    """The view that an example of a meter describes.

    Raises:
        ExampleError: it names something that does not exist.
    """
    situation = _Situation(table)
    _take(situation, given)
    return situation.build()


def _take(situation: _Situation, parts: Iterable[Any]) -> None:
    for part in parts:
        if isinstance(part, str):
            _frame(situation, part)
        elif isinstance(part, Mapping):
            _give(situation, part)
        else:
            raise ExampleError(f'"{part}" is neither a frame like "C7=43" nor a mapping')


def _give(situation: _Situation, part: Mapping[str, Any]) -> None:
    for key, value in part.items():
        setter = _GIVEN.get(key)
        if setter is None:
            situation.values[situation.epc(key)] = ("name", value)
            continue
        try:
            setter(situation, value)
        except (ValueError, TypeError, AttributeError) as reason:
            raise ExampleError(f"{key}: {reason}") from None


def _frame(situation: _Situation, text: str) -> None:
    """`C7=43`; the release property also takes its letter (`82=P`)."""
    code, _, value = text.partition("=")
    try:
        epc = int(code, 16)
        if epc == situation.table.release_epc:
            letter = value if len(value) == 1 else situation.table.release(bytes.fromhex(value))
            situation.release = letter if letter in situation.table.device.releases else ""
        else:
            bytes.fromhex(value)
            situation.values[epc] = ("hex", value)
    except ValueError:
        raise ExampleError(f'"{text}" is no property like "C7=43"') from None


def _wants(model: TableModel, message: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """What a message wants, by the table's own sections."""
    info = {field.alias: name for name, field in type(model).model_fields.items()}
    section = getattr(model, info.get(message) or "", None)
    if section is None:
        raise ExampleError(
            f'the table has no section for the message "{message}"{nearest(message, filter(None, info))}'
        )
    if not isinstance(section, list):
        return {"mode": section.wants}
    limit = _milli(f"{payload.get('limit')} {payload.get('unit', 'W')}")
    sign = "zero" if limit == 0 else "positive" if limit > 0 else "negative"
    mode = next((row.wants for row in section if row.limit == sign), None)
    if mode is None:
        raise ExampleError(f"{message} says nothing about a limit that is {sign}")
    return {"mode": mode, "target": limit}


def outcome_of(source: TableSource, example: ExampleModel) -> Outcome:
    """Let the table answer an example; of one that stands for several the first.

    Raises:
        ExampleError: it names something that does not exist.
    """
    return next(outcomes_of(source, example))


def outcomes_of(source: TableSource, example: ExampleModel) -> Iterator[Outcome]:
    """Let the table answer each case of an example.

    Raises:
        ExampleError: it names something that does not exist.
    """
    for _, case in cases_of(example):
        yield _outcome(source, case)


def _outcome(source: TableSource, case: ExampleModel) -> Outcome:
    situation = _situation(source, case)
    view = situation.build()
    return replace(outcome_of_view(source.table, view, situation.earlier()), is_for=source.is_for(view))


def outcome_of_view(table: CompiledTable, view: View, before: View | None = None) -> Outcome:
    """What a table says of a view. `before`: the view from which local changes are told."""
    decision = table.decide(view)
    seen = replace(view, seen=view.seen | decision.seen)
    return Outcome(view, decision, table.recipe(seen), table.confirmed(seen), table, before)


_SECTIONS: Final[Mapping[str, tuple[str, Callable[[Decision], str]]]] = {
    "plug": ("plug", lambda d: d.plug.rule),
    "StatusNotification": ("connector", lambda d: d.connector.rule),
    "chargingState": ("chargingState", lambda d: d.charging_state.rule),
}


def run_examples(source: TableSource) -> list[Problem]:
    """All examples that fail, and all rows that no example asks for; empty if all is well."""
    problems, document = Problems(), source.document
    answered: set[tuple[str, str]] = set()
    for index, example in enumerate(source.model.examples):
        answered |= _run(source, ("examples", index), example, problems)
    for section, index, row_id in _row_ids(source.table):
        if (section, row_id) not in answered:
            text = f'no example is answered by the row "{row_id}"'
            problems.add(document, (section, index), "NO-EXAMPLE", text)
    return sorted(problems.found)


def _run(source: TableSource, path: Path_, example: ExampleModel, problems: Problems) -> set[tuple[str, str]]:
    """All cases of an example up to the first that fails; gives back the rows that have answered."""
    document, answered = source.document, set()
    try:
        for name, case in cases_of(example):
            outcome, before = _outcome(source, case), len(problems.found)
            _compare(document, (*path, "expect"), case, outcome, problems, name)
            answered |= {
                (section, id_of(rule(outcome.decision)))
                for section, (key, rule) in _SECTIONS.items()
                if key in example.expect
            }
            if len(problems.found) > before:
                break
    except (ExampleError, ImpossibleError) as reason:
        problems.add(document, (*path, "given"), "EXAMPLE", str(reason))
    except TableGapError as gap:
        problems.add(document, (*path, "given"), "EXAMPLE", f'no row of "{gap.section}" holds in this situation')
    return answered


def _row_ids(table: CompiledTable) -> Iterable[tuple[str, int, str]]:
    for section, rows in zip(_SECTIONS, (table.plug_rows, table.status_rows, table.charging_rows), strict=True):
        yield from ((section, index, row.id) for index, row in enumerate(rows))


def _compare(
    document: Document, path: Path_, example: ExampleModel, outcome: Outcome, problems: Problems, case: str = ""
) -> None:
    for key, expected in example.expect.items():
        word = EXPECTED.get(key)
        if word is None:
            hint = nearest(key, EXPECTED)
            problems.add(document, (*path, key), "UNKNOWN-KEY", f'unknown expectation "{key}"{hint}', at_key=True)
            continue
        wanted = number_of(expected)
        found = narrowed(word.read(outcome), wanted)
        if found != wanted:
            rules = ", ".join(id_of(rule(outcome.decision)) for _, rule in _SECTIONS.values())
            text = f"{key} is {found}, not {wanted} (rows {rules}{_why(outcome)}){case}"
            problems.add(document, (*path, key), "EXAMPLE", text)


def _why(outcome: Outcome) -> str:
    answer = outcome.answer
    if isinstance(answer, Refusal):
        return f"; refused: {answer.reason}"
    return f"; {answer.note}" if isinstance(answer, Recipe) and answer.note else ""
