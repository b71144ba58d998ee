"""The changes that `table_mutants.py` makes to tables: each row and each value, one at a time, on the plain data.

A change is named by where it is made and what it does (`setpoints.charge.ways.power.when.gettable: drop`), so that its
name outlives the lines: rows by their ids, steps by the property that they write, sources by what they read.

Not changed are words that only people read (titles, reasons, why, ids, names), what the file is (`mapping`, `kind`,
`class`), and the examples themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from bridge.echonet.dictionary import RELEASES, DeviceClass
from bridge.echonet.metering import ScaleCodec
from bridge.echonet.values import IntegerCodec, StructCodec
from bridge.evse import ChargingState, Connector, Mode, Plug, StopReason, Trigger
from bridge.mapping.conditions import FLOWS, state_names
from bridge.mapping.logic import OFFERS, WORDS

Path = tuple[str | int, ...]

#: Kinds of changes, as the result counts them.
DROP, LESS, MORE, SWAP, OTHER, NUMBER, FLIP, RELEASE, READ_BACK, GROUP = (
    "key, row or entry dropped", "list without one", "list with one more", "neighbours swapped", "another name",
    "number or time up or down", "true and false", "release range by one", "read-back dropped", "all, any, not",
)  # fmt: skip

_LEFT_ALONE: Final = frozenset(
    {"mapping", "kind", "class", "title", "reason", "why", "name", "id", "pauseFirst", "examples", "exampleUnit"}
    | {"replays", "override", "add", "remove", "en", "ja"}
)
#: Lists whose order decides.
_ORDERED: Final = frozenset(
    {"plug", "StatusNotification", "chargingState", "require", "ways", "ensure", "volts", "first", "spacing", "code"}
    | {"description"}
)
_READ_BACKS: Final = frozenset({"gettable", "fresh", "read", "then", "readBack"})
_CONDITIONS: Final = frozenset({"when", "unless", "if", "directCurrent"})
_PROPERTIES: Final = frozenset(
    {"property", "ratio", "rated", "power", "current", "code", "description", "read", "then", "fresh", "manufacturer"}
    | {"productCode", "attributes", "release", "list", "range", "digits"}
)
_TOLD: Final = ("start_transaction", "stop_transaction")
_METERS: Final = ("power", "current", "voltage", "energyIn", "energyOut")
_MEASURANDS: Final = ("Power.Active.Import", "Current.Export", "SoC", "Energy.Active.Export.Register")
#: What a word of a table may be besides, by its key outside conditions.
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "connector": (*Connector, "keep"),
    "atBoot": tuple(Connector),
    "chargingState": (*ChargingState, "keep"),
    "plug": tuple(Plug),
    "triggerReason": tuple(Trigger),
    "stoppedReason": tuple(StopReason),
    "wants": tuple(Mode),
    "limit": ("positive", "zero", "negative"),
    "tell": _TOLD,
    "meter": _METERS,
    "integral": ("power", "soc"),
    "measurand": _MEASURANDS,
    "plus": _MEASURANDS,
    "minus": _MEASURANDS,
    "if": ("settable", "gettable", "announced"),
}
_QUANTITY: Final = re.compile(r"([-+]?\d+)(\.\d+)?( ?[A-Za-z%]+)")
_RANGE: Final = re.compile(r"([A-Z])(-?)([A-Z]?)")
#: So many other names are tried in the place of one.
_OTHERS: Final = 3


@dataclass(frozen=True)
class Change:
    """One change: where, what, and the data with it."""

    path: Path
    kind: str
    key: str
    make: Callable[[], Any]


class Words:
    """What may stand in the place of a name, for one class."""

    def __init__(self, device: DeviceClass, terms: Mapping[str, Any]) -> None:
        self.states: dict[str, tuple[str, ...]] = {}
        self.sorts: dict[str, str] = {}
        self.settable: set[str] = set()
        self.releases = device.releases
        parts: dict[str, tuple[str, ...]] = {}
        for prop in device.all_properties:
            names = state_names(prop.codec)
            self.states[prop.name] = (*self.states.get(prop.name, ()), *sorted(names))
            self.sorts[prop.name] = prop.codec.unit.removeprefix("k") if isinstance(prop.codec, IntegerCodec) else (
                "scale" if isinstance(prop.codec, ScaleCodec) else type(prop.codec).__name__)  # fmt: skip
            if prop.set.possible:
                self.settable.add(prop.name)
            if isinstance(prop.codec, StructCodec):
                parts[prop.name] = tuple(name for name, _ in prop.codec.fields)
        self.states = {name: tuple(dict.fromkeys(values)) for name, values in self.states.items()}
        self.parts = parts
        self.terms = {name: self._term(spec) for name, spec in terms.items()}

    def _term(self, spec: Mapping[str, Any]) -> tuple[str, ...]:
        if "threshold" in spec:
            return (*sorted(FLOWS), "flowing")
        names = [name for source in spec.get("first", ()) for name in self.states.get(source.get("property"), ())]
        return tuple(dict.fromkeys(names))

    def in_condition(self, key: str) -> tuple[str, ...]:
        """The names that a condition may compare with."""
        if key in self.terms:
            return self.terms[key]
        if key in WORDS:
            return tuple(sorted(WORDS[key][0]))
        if key in OFFERS:
            return tuple(sorted(self.settable)) if key in ("settable", "refused", "readBack") else tuple(self.sorts)
        if self.states.get(key):
            return (*self.states[key], "absent")
        return ()

    def properties(self, like: str, key: str) -> tuple[str, ...]:
        """Other properties that could be meant: of the same sort; in requests any."""
        if key in ("read", "then", "fresh", "attributes", "code", "description"):
            return tuple(sorted(self.sorts))
        return tuple(sorted(name for name, sort in self.sorts.items() if sort == self.sorts.get(like)))


def changes(data: Any, words: Words, base: Path = (), name: str = "") -> Iterator[Change]:
    """All changes of a table or a meter, in its order."""
    yield from _Walk(data, words).at(base, data, (), name)


def overlay_changes(data: Any, words: Words, rows: Callable[[str], Sequence[str]]) -> Iterator[Change]:
    """All changes of an overlay: who it is for, and each of its changes. `rows`: the ids of a list in the table."""
    walk = _Walk(data, words)
    for key, value in data["match"].items():
        yield walk.change(("match",), DROP, f"match.{key}: drop", lambda old, key=key: _without(old, key))
        if key == "release":
            yield from walk.at((), value, ("match", key), "match.release", key="release", condition=True)
        elif isinstance(value, str):
            other = "0xFFFFFD" if value.startswith("0x") else f"X{value}"
            yield walk.change(("match", key), OTHER, f"match.{key}: {other}", lambda _, other=other: other)
    for index, change in enumerate(data["changes"]):
        target = str(change.get("override") or change.get("add") or change.get("remove"))
        path, label = ("changes", index), f"changes.{target}"
        yield walk.change(("changes",), DROP, f"{label}: drop", lambda old, index=index: _without(old, index))
        for other in rows(target.rpartition(".")[0]) if "before" in change else ():
            if other != change["before"]:
                yield walk.change((*path, "before"), OTHER, f"{label}.before: {other}", lambda _, other=other: other)
        if "with" in change:
            yield from walk.at(tuple(target.split(".")), change["with"], (*path, "with"), f"{label}.with")


def edited(data: Any, path: Path, edit: Callable[[Any], Any]) -> Any:
    """The data with the value at a path changed; what is beside it is shared."""
    if not path:
        return edit(data)
    step, *rest = path
    copy = dict(data) if isinstance(data, Mapping) else list(data)
    copy[step] = edited(copy[step], tuple(rest), edit)  # type: ignore[index]
    return copy


def _without(old: Any, step: Any) -> Any:
    if isinstance(old, Mapping):
        return {key: value for key, value in old.items() if key != step}
    return [value for index, value in enumerate(old) if index != step]


def _swapped(old: Sequence[Any], index: int) -> list[Any]:
    return [*old[:index], old[index + 1], old[index], *old[index + 2 :]]


def labels(items: Sequence[Any]) -> list[str]:
    """What the items of a list are called: by id, by value, or by what they are about; a number where that is the
    same."""
    found: list[str] = []
    for item in items:
        label = _label(item)
        same = sum(other == label or other.startswith(f"{label}#") for other in found)
        found.append(f"{label}#{same + 1}" if same else label)
    return found


def _label(item: Any) -> str:
    if not isinstance(item, Mapping):
        return _label_of_list(item) if isinstance(item, list) else str(item)
    for key in ("id", "property", "list", "meter", "integral", "ratio", "variable", "limit"):
        if isinstance(item.get(key), str):
            return str(item[key])
    return next(iter(item), "-")


def _label_of_list(item: Sequence[Any]) -> str:
    return str(item[0]) if item else "-"


class _Walk:
    """Goes through the data. `path` is where something would stand in a table, `real` where it stands in this file."""

    def __init__(self, data: Any, words: Words) -> None:
        self._data = data
        self._words = words

    def change(self, real: Path, kind: str, key: str, edit: Callable[[Any], Any]) -> Change:
        return Change(real, kind, key, lambda: edited(self._data, real, edit))

    def at(
        self, path: Path, value: Any, real: Path, name: str, *, key: str = "", condition: bool = False
    ) -> Iterator[Change]:
        """All changes below a value. `key`: the word that says what it is; `condition`: whether it is part of one."""
        key = key or next((step for step in reversed(path) if isinstance(step, str)), "")
        if isinstance(value, Mapping):
            yield from self._mapping(path, value, real, name, key, condition)
        elif isinstance(value, list):
            yield from self._list(path, value, real, name, key, condition)
        else:
            yield from self._scalar(path, value, real, name, key, condition)

    # Mappings

    def _mapping(
        self, path: Path, value: Mapping[str, Any], real: Path, name: str, key: str, condition: bool
    ) -> Iterator[Change]:
        for step, part in value.items():
            if step in _LEFT_ALONE and not condition:
                continue
            label = f"{name}.{step}" if name else str(step)
            kind = READ_BACK if step in _READ_BACKS else DROP
            yield self.change(real, kind, f"{label}: drop", lambda old, step=step: _without(old, step))
            inner = condition or step in _CONDITIONS
            if inner and step in ("any", "all") and len(part) > 1:
                other = {"any": "all", "all": "any"}[step]
                yield self.change(real, GROUP, f"{label}: {other}", lambda old, s=step, o=other: _renamed(old, s, o))
            if inner and step == "not":
                yield self.change(real, GROUP, f"{label}: holds", lambda old: _renamed(old, "not", "all", [old["not"]]))
            yield from self.at((*path, step), part, (*real, step), label, condition=inner)

    # Lists

    def _list(self, path: Path, value: list[Any], real: Path, name: str, key: str, condition: bool) -> Iterator[Change]:
        names = labels(value)
        plain = all(isinstance(item, str) for item in value)
        kind = READ_BACK if key in _READ_BACKS else LESS if plain else DROP
        for index, label in enumerate(names):
            yield self.change(real, kind, f"{name}: without {label}", lambda old, index=index: _without(old, index))
        if key in _ORDERED and not condition:
            for index, (one, two) in enumerate(pairwise(names)):
                text = f"{name}: {two} before {one}"
                yield self.change(real, SWAP, text, lambda old, index=index: _swapped(old, index))
        if plain:
            for other in self._more(value, key, condition):
                yield self.change(real, MORE, f"{name}: with {other}", lambda old, other=other: [*old, other])
            return
        for index, (label, item) in enumerate(zip(names, value, strict=True)):
            inner = key if isinstance(item, list) else ""
            yield from self.at((*path, index), item, (*real, index), f"{name}.{label}", key=inner, condition=condition)

    def _more(self, value: Sequence[str], key: str, condition: bool) -> Iterable[str]:
        if condition or key == "values":
            known = self._words.in_condition(key)
            wide = {"charging", "discharging"} if "flowing" in value else set()
            return [other for other in known if other not in value and other not in wide and key not in OFFERS]
        if key in _PROPERTIES:
            return [other for other in self._words.properties(value[0], key) if other not in value][:1]
        return ()

    # Single values

    def _scalar(self, path: Path, value: Any, real: Path, name: str, key: str, condition: bool) -> Iterator[Change]:
        if isinstance(value, bool):
            yield self.change(real, FLIP, f"{name}: {str(not value).lower()}", lambda _: not value)
        elif isinstance(value, int):
            for other in (value + 1, value - 1):
                if other >= 0:
                    yield self.change(real, NUMBER, f"{name}: {other}", lambda _, other=other: other)
        elif isinstance(value, str):
            yield from self._text(path, value, real, name, key, condition)

    def _text(self, path: Path, value: str, real: Path, name: str, key: str, condition: bool) -> Iterator[Change]:
        found = _QUANTITY.fullmatch(value)
        if found:
            for other in _moved(found):
                yield self.change(real, NUMBER, f"{name}: {other}", lambda _, other=other: other)
            return
        if key == "release" and condition:
            for other in self._shifted(value):
                yield self.change(real, RELEASE, f"{name}: {other}", lambda _, other=other: other)
            return
        others = list(self._others(path, value, key, condition))
        for other in others[:_OTHERS]:
            yield self.change(real, OTHER, f"{name}: {other}", lambda _, other=other: other)
        if condition and key not in OFFERS:
            wide = {"charging", "discharging"} if value == "flowing" else set()
            for other in others:
                if other not in wide:
                    yield self.change(real, MORE, f"{name}: with {other}", lambda _, other=other: [value, other])

    def _others(self, path: Path, value: str, key: str, condition: bool) -> Iterable[str]:
        """The names after it, then those before it."""
        words = self._words
        if condition and key not in ("if",):
            known: Sequence[str] = words.in_condition(key)
        elif key in _WORDS and not (key in ("limit", "plug") and "setpoints" in path and key != "if"):
            known = _WORDS[key]
        elif path and path[0] == "local" and len(path) > 2:
            known = _TOLD
        elif key in words.states and words.states[key] and ("ensure" in path or "write" in path):
            known = words.states[key]
        elif key == "otherwise":
            known = words.states.get("operationMode", ())
        elif key in ("component", "variable"):
            known = (f"{value}X",)
        elif key in ("field", "sum", "mean"):
            known = next((parts for parts in words.parts.values() if value in parts), ())
        elif key in _PROPERTIES or (key in ("power", "current") and "limit" in path):
            known = words.properties(value, key)
        elif value in ("required", "optional"):
            known = ("required", "optional")
        else:
            known = ()
        place = known.index(value) + 1 if value in known else 0
        return [other for other in (*known[place:], *known[:place]) if other != value]

    def _shifted(self, value: str) -> Iterator[str]:
        """Each end one release earlier and later, within what the class has."""
        found = _RANGE.fullmatch(value)
        if found is None:
            return
        first, dash, last = found.groups()
        for step in (-1, 1):
            if (moved := self._letter(first, step)) and (not last or moved <= last):
                yield f"{moved}{dash}{last}"
            if last and (moved := self._letter(last, step)) and first <= moved:
                yield f"{first}{dash}{moved}"

    def _letter(self, letter: str, step: int) -> str:
        place = RELEASES.index(letter) + step
        moved = RELEASES[place] if 0 <= place < len(RELEASES) else ""
        return moved if moved in self._words.releases else ""


def _renamed(old: Mapping[str, Any], key: str, other: str, value: Any = None) -> dict[str, Any]:
    """A condition in which one group has become another; if the other stands there too, they are put together."""
    changed = {k: v for k, v in old.items() if k != key}
    changed[other] = [*changed.get(other, ()), *(value if value is not None else old[key])]
    return changed


def _moved(found: re.Match[str]) -> Iterator[str]:
    """A number by one of its last digit, up and down."""
    whole, fraction, unit = found.groups()
    digits = len(fraction) - 1 if fraction else 0
    number = int(f"{whole}{(fraction or '')[1:]}")
    for other in (number + 1, number - 1):
        text = f"{'-' if other < 0 else ''}{abs(other):0{digits + 1}d}"
        yield f"{text[:-digits]}.{text[-digits:]}{unit}" if digits else f"{text}{unit}"


__all__ = ["Change", "Words", "changes", "edited", "labels", "overlay_changes"]
