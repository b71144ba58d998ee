"""What 2.1 has changed in the messages that we speak: every difference between the two sets of schemas is known."""

import json
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

import pytest

from bridge.station.messages import csms_calls, datatypes, enums, security_types, station_calls, v201
from bridge.station.messages.wire import CLASSES

BOTH = sorted(n for n in CLASSES if n.removesuffix("Request").removesuffix("Response") not in v201.LATER_ACTIONS)
#: Words that say nothing about what is allowed.
DESCRIBE = {"description", "javaType", "comment", "$id", "$schema", "title", "default"}
#: Types whose parts nothing here looks into: they stay what came in.
OPAQUE = {
    "absolutePriceSchedule", "priceLevelSchedule", "tariff", "costDetails", "v2xFreqWattCurve", "v2xSignalWattCurve",
}  # fmt: skip


@cache
def schema(version: str, name: str) -> dict[str, Any]:
    return json.loads((files("ocpp") / version / "schemas" / f"{name}.json").read_text(encoding="utf-8-sig"))


def rules(version: str, name: str) -> dict[tuple[str, str], Any]:
    """Every rule of a schema, by the type (or message) and field it is for, and by its keyword."""
    found: dict[tuple[str, str], Any] = {}
    own = schema(version, name)

    def walk(node: dict[str, Any], place: str, seen: frozenset[str]) -> None:
        if "$ref" in node:
            kind = node["$ref"].rsplit("/", 1)[1]
            found[place, "$ref"] = kind
            if kind not in seen:
                walk(own["definitions"][kind], kind, seen | {kind})
            return
        for word, value in node.items():
            if word in ("properties", "items", "definitions") or word in DESCRIBE:
                continue
            found[place, word] = frozenset(value) if word in ("required", "enum") else value
        for field, part in node.get("properties", {}).items():
            found[place, f"has {field}"] = True
            if field not in OPAQUE:
                walk(part, f"{place}.{field}", seen)
        if "items" in node:
            walk(node["items"], f"{place}[]", seen)

    walk(own, name, frozenset())
    return found


def differences() -> Iterator[tuple[str, str, Any, Any]]:
    """(place, keyword, what 2.0.1 says, what 2.1 says) of all messages that both have, each once."""
    told = set()
    for name in BOTH:
        older, later = rules("v201", name), rules("v21", name)
        for key in sorted(older.keys() | later.keys()):
            if older.get(key) != later.get(key) and key not in told:
                told.add(key)
                yield (*key, older.get(key), later.get(key))


DIFFERENCES = list(differences())
OLD_TYPES = {place for name in BOTH for place, _ in rules("v201", name)}

#: What 2.1 asks and 2.0.1 does not, of fields that both have: numbers that only a mistake would put beyond these
#: bounds, but for the phases of a period, which v21 fits.
FITTED = {"ChargingSchedulePeriodType.numberPhases", "ChargingSchedulePeriodType.phaseToUse"}
#: Enumerations that have become open lists of words, at most so long.
OPENED = {"ChargingLimitSourceEnumType": 20, "IdTokenEnumType": 20}


def ours(kind: str) -> type[Any]:
    """Our class for a type of the schemas."""
    bare = kind.removesuffix("Type").replace("EVSE", "Evse").replace("OCSP", "Ocsp").replace("VPN", "Vpn")
    bare = bare.replace("APN", "Apn")
    for module in (datatypes, security_types, station_calls, csms_calls):
        if bare in vars(module):
            return vars(module)[bare]
    raise LookupError(kind)


def wire_names(kind: type[Any]) -> dict[str, str]:
    """Wire name to field, as the class writes it."""
    from pydantic import TypeAdapter

    described = TypeAdapter(kind).json_schema(by_alias=True)
    names = list(described.get("properties", described.get("$defs", {}).get(kind.__name__, {}).get("properties", {})))
    return dict(zip(names, kind.__dataclass_fields__, strict=True))


def test_there_are_differences():
    assert len(DIFFERENCES) > 100


@pytest.mark.parametrize(
    ("place", "word", "older", "later"), DIFFERENCES, ids=[f"{place}-{word}" for place, word, *_ in DIFFERENCES]
)
def test_every_difference_is_provided_for(place, word, older, later):
    kind, _, field = place.partition(".")
    if kind not in OLD_TYPES:  # a type that only 2.1 has is reached only through a field that only 2.1 has
        assert any(w == "$ref" and value == kind for _, w, _, value in DIFFERENCES) or place.endswith("[]")
    elif word.startswith("has "):
        assert older is None, "2.1 has taken nothing away"
        name = word.removeprefix("has ")
        assert known_since_21(kind, name)
    elif f"has {field.partition('[')[0]}" in {w for p, w, old, _ in DIFFERENCES if p == kind and old is None}:
        assert older is None  # a rule for a field that only 2.1 has
    elif word == "required":
        assert older - later in ({"limit"}, {"ocppVersion"}, {"publicKey", "signingMethod"})
        assert later <= older
    elif word == "enum" and later is not None:
        assert older < later
        assert all(said_otherwise(kind, value) for value in later - older)
    elif kind in OPENED or older in OPENED:
        assert later is None
    elif word == "maxLength":
        assert older is None or older < later
    elif word in ("minimum", "maximum"):
        assert older is None
        assert place in FITTED or (word, later) in {("minimum", 0.0), ("minimum", 1.0), ("maximum", 3.0)}
    else:
        assert (place.rsplit(".", 1)[-1].strip("[]"), word) in {("chargingLimitSource", "type"), ("type", "type")}
        assert later == "string"


def known_since_21(kind: str, name: str) -> bool:
    """Whether our class has the field, and v201 knows that it came later."""
    cls = ours(kind)
    fields = wire_names(cls)
    if name in fields:
        return fields[name] in v201.LATER_FIELDS[cls]
    return kind == "ChargingSchedulePeriodType" and "others" in v201.LATER_FIELDS[cls]


#: Enumerations whose newer words no station says to a CSMS of 2.0.1: they come from a CSMS of 2.1, which is refused
#: where we cannot do it, or stand in what only comes in.
ONLY_HEARD = {
    "ChargingProfilePurposeEnumType", "GetCertificateIdUseEnumType", "InstallCertificateUseEnumType",
    "MessageFormatEnumType", "MessageTriggerEnumType", "OCPPInterfaceEnumType", "OCPPVersionEnumType", "ResetEnumType",
}  # fmt: skip


def said_otherwise(kind: str, value: str) -> bool:
    if kind in ONLY_HEARD:
        return True
    if kind == "MeasurandEnumType":
        return enums.Measurand(value) in v201.LATER_MEASURANDS
    cls = vars(enums)[kind.removesuffix("EnumType")]
    return cls(value) in v201.OLDER_WORDS[cls]


def test_no_older_word_counts_as_later():
    defined: dict[str, set[str]] = {}
    for name in BOTH:
        for kind, node in schema("v201", name)["definitions"].items():
            defined.setdefault(kind, set()).update(node.get("enum", ()))
    assert not {one.value for one in v201.LATER_MEASURANDS} & defined["MeasurandEnumType"]
    for cls, words in v201.OLDER_WORDS.items():
        known = defined[f"{cls.__name__}EnumType"]
        assert not {str(word) for word in words} & known
        assert {str(word) for word in words.values()} <= known


def test_the_later_fields_are_fields_that_201_has_not():
    for cls, names in v201.LATER_FIELDS.items():
        assert names <= set(cls.__dataclass_fields__)
        kinds = {place for place in OLD_TYPES if "." not in place and "[" not in place}
        (kind,) = (one for one in kinds if _is(one, cls))
        older = {word for name in BOTH for place, word in rules("v201", name) if place == kind}
        aliases = {field: wire for wire, field in wire_names(cls).items()}
        assert not [name for name in names if f"has {aliases[name]}" in older]


def _is(kind: str, cls: type[Any]) -> bool:
    try:
        return ours(kind) is cls
    except LookupError:
        return False


def test_the_later_actions_are_those_of_21():
    for action in v201.LATER_ACTIONS:
        assert (files("ocpp") / "v21" / "schemas" / f"{action}Request.json").is_file()
        assert not (files("ocpp") / "v201" / "schemas" / f"{action}Request.json").is_file()


def test_all_enumerations_are_enumerations():
    assert all(issubclass(cls, StrEnum) for cls in v201.OLDER_WORDS)
