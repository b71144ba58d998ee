"""From version 0 of the language to version 1.

Version 0 was what the first tables were sketched in. It differs so:

- `states:` and `charging:` are today's `StatusNotification:` and `chargingState:`;
- a row may be a bare list, `[condition, answer]`, and has no id;
- properties and their values stand as codes (`"0xDA": "0x42"`), not by their names;
- times are numbers of seconds, without a unit;
- a setpoint has its `ensure:` itself, not under `ways:`, and `confirm:` holds the condition beside `within:`;
- a polling group has no `announced:`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from ruamel.yaml.comments import CommentedMap

from bridge.authoring.codenames import Names
from bridge.authoring.schemaforms import duration_text

_RENAMED: Final[Mapping[str, str]] = {"states": "StatusNotification", "charging": "chargingState"}
#: Of a class: by the codes of its properties the names of their values, and under "" their own.
Known: TypeAlias = Mapping[str, Mapping[str, str]]
#: The key of the answer of a section's rows.
_ANSWERS: Final[Mapping[str, str]] = {
    "plug": "plug",
    "StatusNotification": "connector",
    "chargingState": "chargingState",
}
#: Keys whose number is a number of seconds.
_TIMES: Final = frozenset({"hold", "within", "active", "idle", "announced", "pause", "freshFor"})
_FOR_EVER: Final = frozenset({"pause", "stop"})
_ATTEMPTS: Final = 3


def zero_to_one(data: Mapping[str, Any], names: Names) -> Mapping[str, Any]:
    """The content of a file in version 1; what is given stays as it is."""
    found: Any = copy.deepcopy(data)
    known = names.of(str(found.get("class")))
    for old, new in _RENAMED.items():
        _rename(found, old, new)
    for section in _ANSWERS:
        for index, row in enumerate(found.get(section) or ()):
            found[section][index] = _row(section, index, row)
    for mode, setpoint in (found.get("setpoints") or {}).items():
        _setpoint(str(mode), setpoint)
    for group in (found.get("polling") or {}).values():
        if isinstance(group, dict) and "idle" in group:
            group.setdefault("announced", group["idle"])
    _each_mapping(found, lambda part: _named(part, known))
    _each_mapping(found, _timed)
    found["mapping"] = 1
    return found  # type: ignore[no-any-return]


def _rename(mapping: Any, old: str, new: str) -> None:
    """Another name for a key, in its place and with its comments."""
    if old not in mapping:
        return
    keys = list(mapping)
    comments = getattr(getattr(mapping, "ca", None), "items", None)
    kept = comments.pop(old, None) if comments is not None else None
    for key in keys[keys.index(old) :]:
        held = comments.pop(key, None) if comments is not None else None
        mapping[new if key == old else key] = mapping.pop(key)
        if comments is not None and held is not None:
            comments[key] = held
    if comments is not None and kept is not None:
        comments[new] = kept


def _row(section: str, index: int, row: Any) -> Any:
    """A row with an id; one that is a bare list gets its keys."""
    if isinstance(row, list):
        condition, answer = (row[0], row[1]) if len(row) > 1 else ({}, row[0])
        fresh: Any = CommentedMap() if hasattr(row, "fa") else {}
        fresh["id"] = _id(answer, index)
        if condition:
            fresh["when"] = condition
        fresh[_ANSWERS[section]] = answer
        if isinstance(fresh, CommentedMap):
            fresh.fa.set_flow_style()
        return fresh
    if isinstance(row, dict) and "id" not in row:
        _first(row, "id", _id(row.get(_ANSWERS[section]), index))
    return row


def _id(answer: object, index: int) -> str:
    """`3-Occupied` would begin with a number: `Occupied-3`."""
    return f"{answer}-{index + 1}"


def _first(mapping: Any, key: str, value: object) -> None:
    """A key in front of all others."""
    if hasattr(mapping, "insert"):
        mapping.insert(0, key, value)
        return
    rest = dict(mapping)
    mapping.clear()
    mapping[key] = value
    mapping.update(rest)


def _setpoint(mode: str, setpoint: Any) -> None:
    if "ensure" in setpoint:
        _rename(setpoint, "ensure", "ways")
        setpoint["ways"] = [{"id": "only", "ensure": setpoint["ways"]}]
    confirm = setpoint.get("confirm")
    if isinstance(confirm, dict) and "when" not in confirm:
        condition = {key: confirm.pop(key) for key in list(confirm) if key not in ("within", "attempts")}
        _first(confirm, "when", condition)
        confirm.setdefault("attempts", 0 if mode in _FOR_EVER else _ATTEMPTS)


def _each_mapping(data: Any, change: Callable[[Any], None]) -> None:
    """Change all mappings, from the inside to the outside."""
    if isinstance(data, dict):
        for value in data.values():
            _each_mapping(value, change)
        change(data)
    elif isinstance(data, list):
        for value in data:
            _each_mapping(value, change)


def _named(part: Any, known: Known) -> None:
    """Codes become names: keys, the values under them, and codes of properties wherever they stand."""
    otherwise = part.get("otherwise")
    for key in list(part):
        value = part[key]
        if isinstance(key, str) and key in known:
            _values(part, key, known[key])
            if otherwise is not None:  # what is tried instead is a value of the same property
                _put(part, "otherwise", known[key].get(str(otherwise), otherwise))
            _rename(part, key, known[key][""])
        elif isinstance(value, str) and value in known:
            _put(part, key, known[value][""])
        elif isinstance(value, list):
            _name_items(value, known)


def _name_items(items: Any, known: Known) -> None:
    for index, item in enumerate(items):
        if isinstance(item, str) and item in known:
            _put(items, index, known[item][""])
        elif isinstance(item, list):
            _name_items(item, known)


def _values(container: Any, key: Any, names: Mapping[str, str]) -> None:
    """A property's value by its name: alone, in a list, or as the keys of a mapping (`local`)."""
    value = container[key]
    if isinstance(value, str) and value in names and value:
        _put(container, key, names[value])
    elif isinstance(value, list):
        for index in range(len(value)):
            _values(value, index, names)
    elif isinstance(value, dict):
        for code in [each for each in value if each in names]:
            _rename(value, code, names[code])


def _put(container: Any, key: Any, text: object) -> None:
    """Another value. A text that takes the place of a quoted one would be quoted too: a name needs no quotes."""
    container[key] = None
    container[key] = text


def _timed(part: Any) -> None:
    """Seconds get their unit."""
    for key, value in part.items():
        if key in _TIMES and isinstance(value, int | float) and not isinstance(value, bool):
            part[key] = duration_text(round(value * 1000))
