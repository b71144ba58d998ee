"""The schema of one class: that of its kind of table, with the names of its properties and of their values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from copy import deepcopy

from bridge.authoring.schema import situation, step
from bridge.authoring.schemaforms import Schema, bounds, condition, one_or_more
from bridge.echonet.dictionary import DeviceClass, Property
from bridge.echonet.values import IntegerCodec
from bridge.mapping.conditions import state_names, unit_of
from bridge.mapping.context import ABSENT
from bridge.mapping.model import NUMBER

#: So many properties that differ only by a number at their end have a name with `#`.
_NUMBERED_FROM = 8


def class_schema(base: Schema, device: DeviceClass) -> Schema:
    """`base` narrowed to a class."""
    schema = deepcopy(base)
    by_name = properties_of(device)
    definitions = schema["$defs"]
    schema["title"] = f"{base['title']} for 0x{device.code:04X}, {device.name_en}"
    schema["properties"]["class"] = {**schema["properties"]["class"], "const": f"0x{device.code:04X}"}
    forms = {
        "PropertyName": {
            "title": "Property",
            "description": f"A property of {device.name_en}.",
            "enum": sorted([*by_name, *_numbered(by_name)]),
        },
        "Condition": condition(words={name: _looked_at(found) for name, found in by_name.items()}),
        "Step": step({name: _written(found) for name, found in by_name.items() if _settable(found)}),
        "Situation": situation({name: {"description": _text(found)} for name, found in by_name.items()}),
    }
    definitions.update({name: form for name, form in forms.items() if name in definitions})
    return schema


def properties_of(device: DeviceClass) -> dict[str, list[Property]]:
    """The definitions of each property, by its name; the class' own in place of the parent's of the same code."""
    found: dict[str, list[Property]] = {}
    for prop in sorted(device.all_properties, key=lambda each: each.epc):
        found.setdefault(prop.name, []).append(prop)
    return found


def _numbered(names: Iterable[str]) -> list[str]:
    counted = Counter(re.sub(r"\d+$", NUMBER, name) for name in names)
    return [name for name, times in counted.items() if name.endswith(NUMBER) and times >= _NUMBERED_FROM]


def _text(found: list[Property]) -> str:
    """0xC7 Vehicle connection ... 車両接続 ... (D-F, G-I, J-)."""
    latest = found[-1]
    return f"0x{latest.epc:02X} {latest.name_en} / {latest.name_ja}"


def _looked_at(found: list[Property]) -> Schema:
    names = sorted({name for prop in found for name in state_names(prop.codec)})
    unit = next((unit for prop in found if (unit := unit_of(prop.codec)) is not None), None)
    if unit is not None and not names:
        form: Schema = bounds(unit) if unit else {"anyOf": [{"const": ABSENT}, {"type": "object"}]}
    else:
        form = one_or_more({"enum": [*names, ABSENT]})
    return {**form, "description": _text(found)}


def _settable(found: list[Property]) -> bool:
    return any(prop.set.possible for prop in found)


def _written(found: list[Property]) -> Schema:
    writable = [prop for prop in found if prop.set.possible]
    names = sorted({name for prop in writable for name in state_names(prop.codec)})
    numbers = [prop.codec for prop in writable if isinstance(prop.codec, IntegerCodec)]
    forms: list[Schema] = [{"enum": names}] if names else []
    for codec in numbers[:1]:
        figured = {"W": "limit", "A": "limit", "Wh": "amount"}.get(codec.unit)
        forms += [{"const": figured}] if figured else []
        forms.append({"type": "integer", "minimum": codec.minimum, "maximum": codec.maximum})
    return {**({"anyOf": forms} if forms else {}), "description": _text(found)}
