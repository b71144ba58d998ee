"""What examples may give: a situation, put together from names, frames and messages.

Several values in a list (`equipmentType: [ac_cplt, ac_hlc_charge]`, `release: G-M`) are so many situations.
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
from bridge.mapping.decision import Fact, Measures, View
from bridge.mapping.meter import CompiledMeter
from bridge.mapping.model import ExampleModel, TableModel, releases
from bridge.mapping.quantity import quantity
from bridge.mapping.table import CompiledTable
from bridge.mapping.yamlfile import nearest

_NOW: Final = 10_000_000
_WROTE: Final = 1000  # ms before now
_MOST_CASES: Final = 500  # in one example
_Word = TypeVar("_Word", bound=StrEnum)


class ExampleError(Exception):
    """An example that cannot be understood; its text says why."""


@dataclass
class Situation:
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
        """The code of a property; `ExampleError` if there is none of this name."""
        found = self.table.device.epc_of(name) if isinstance(name, str) else None
        if found is None:
            known = {prop.name for prop in self.table.device.all_properties} | set(GIVEN)
            raise ExampleError(f'"{name}" is no property and nothing else that can be given{nearest(str(name), known)}')
        return found

    def epcs(self, names: Any) -> frozenset[int]:
        """The codes of several."""
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
        take(situation, self.before)
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


def milli(value: Any) -> int:
    """A quantity in thousandths (a time in ms).

    Raises:
        ExampleError: it is none.
    """
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
) -> Callable[[Situation, Any], None]:
    def setter(situation: Situation, value: Any) -> None:
        getattr(situation, target)[key] = convert(value)

    return setter


def _map(key: str) -> Callable[[Situation, Any], None]:
    def setter(situation: Situation, value: Any) -> None:
        situation.maps[key] = situation.epcs(value)

    return setter


def _release(situation: Situation, value: Any) -> None:
    situation.release = value


def _ages(situation: Situation, value: Any) -> None:
    situation.ages |= {situation.epc(name): milli(age) for name, age in value.items()}


def _notified(situation: Situation, value: Any) -> None:
    situation.notified = situation.epcs(value)


def _wrote(situation: Situation, value: Any) -> None:
    situation.wrote = situation.epcs(value)


def _without(map_: str) -> Callable[[Situation, Any], None]:
    def setter(situation: Situation, value: Any) -> None:
        situation.taken[map_] = situation.taken.get(map_, frozenset()) | situation.epcs(value)

    return setter


def _beside(side: str) -> Callable[[Situation, Any], None]:
    """What is known beside the unit, as measures, perhaps some time old: `meter: {power: 3 kW, age: 10s}`."""

    def setter(situation: Situation, value: Any) -> None:
        at = _NOW - milli(value["age"]) if "age" in value else _NOW
        told = {name: text for name, text in value.items() if name != "age"}
        readings = {name: Reading(milli(text), at, origin="example") for name, text in told.items()}
        situation.view[side] = Measures(**readings)  # type: ignore[arg-type]

    return setter


def _refused(situation: Situation, value: Any) -> None:
    situation.view["refused"] = situation.epcs(value)


def _before(situation: Situation, value: Any) -> None:
    situation.before = listed(value)


#: What may be given besides properties. `before`: what was otherwise just before, for local changes.
GIVEN: Final[Mapping[str, Callable[[Situation, Any], None]]] = {
    "release": _release,
    "wanted": _set("wanted", "mode", _one_of(Mode)),
    "urgency": _set("wanted", "urgency", _one_of(Urgency)),
    "target": _set("wanted", "target", milli),
    "chargeBound": _set("wanted", "charge_bound", milli),
    "dischargeBound": _set("wanted", "discharge_bound", milli),
    "authorized": _set("wanted", "authorized"),
    "inTransaction": _set("wanted", "in_transaction"),
    "amount": _set("wanted", "amount", lambda value: Amount("example", energy=milli(value))),
    "counted": _set("view", "counted", milli),
    "reachable": _set("view", "reachable"),
    "lostFor": _set("view", "lost_for", milli),
    "confirmed": _set("view", "confirmed"),
    "contested": _set("view", "contested"),
    "foreign": _set("view", "foreign"),
    "dischargeAllowed": _set("view", "discharge_allowed"),
    "socFloor": _set("view", "soc_floor", milli),
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
LISTED: Final = frozenset(
    {"settable", "gettable", "notSettable", "notGettable", "announced", "refused", "notified", "wrote", "seen"}
    | {"before"}
)


def cases_of(example: ExampleModel) -> Iterator[tuple[str, ExampleModel]]:
    """An example for each combination of the values that stand in lists, and what it is called; mostly only itself.

    Raises:
        ExampleError: there are too many.
    """
    parts = listed(example.given)
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
    return value if isinstance(value, list) and key not in LISTED else [value]


def listed(given: Any) -> list[Any]:
    """What is given as a list: a single mapping is one part."""
    return given if isinstance(given, list) else [given]


def take(situation: Situation, parts: Iterable[Any]) -> None:
    """Put what is given into a situation: frames (`"C7=43"`) and mappings of words, one after the other.

    Raises:
        ExampleError: something is neither, or names what does not exist.
    """
    for part in parts:
        if isinstance(part, str):
            _frame(situation, part)
        elif isinstance(part, Mapping):
            give(situation, part)
        else:
            raise ExampleError(f'"{part}" is neither a frame like "C7=43" nor a mapping')


def give(situation: Situation, part: Mapping[str, Any]) -> None:
    """Put words into a situation: properties by name, and what a gateway knows besides.

    Raises:
        ExampleError: there is no such word, or it does not take the value.
    """
    for key, value in part.items():
        setter = GIVEN.get(key)
        if setter is None:
            situation.values[situation.epc(key)] = ("name", value)
            continue
        try:
            setter(situation, value)
        except (ValueError, TypeError, AttributeError) as reason:
            raise ExampleError(f"{key}: {reason}") from None


def _frame(situation: Situation, text: str) -> None:
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


def wants(model: TableModel, message: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """What a message wants, by the table's own sections, as fields of `Wanted`.

    Raises:
        ExampleError: the table does not know the message, or says nothing about such a limit.
    """
    info = {field.alias: name for name, field in type(model).model_fields.items()}
    section = getattr(model, info.get(message) or "", None)
    if section is None:
        raise ExampleError(
            f'the table has no section for the message "{message}"{nearest(message, filter(None, info))}'
        )
    if not isinstance(section, list):
        return {"mode": section.wants}
    limit = milli(f"{payload.get('limit')} {payload.get('unit', 'W')}")
    sign = "zero" if limit == 0 else "positive" if limit > 0 else "negative"
    mode = next((row.wants for row in section if row.limit == sign), None)
    if mode is None:
        raise ExampleError(f"{message} says nothing about a limit that is {sign}")
    return {"mode": mode, "target": limit}
