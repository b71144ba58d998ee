"""The shipped dictionaries hold what the Appendix says: each property's releases, access, size, range, scale, values.

`properties.csv` holds the facts (Appendix Release R) in a notation of its own. Both sides are brought into the same
plain form and compared release by release.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from bridge.echonet.dictionary import RELEASES, Property
from bridge.echonet.metering import ChannelListCodec, ScaleCodec
from bridge.echonet.values import (
    ArrayCodec,
    Codec,
    CountedCodec,
    DateCodec,
    IntegerCodec,
    OneOfCodec,
    RawCodec,
    ReleaseCodec,
    StateCodec,
    StructCodec,
    TimeCodec,
    Unknown,
)
from tests.tools.tables import shipped

CLASSES = shipped().classes
FACTS = list(csv.DictReader((Path(__file__).parent / "properties.csv").open(encoding="utf-8")))
COMPLETE = ("0x0000", "0x0EF0", "0x027E", "0x02A1")
METERS = ("0x0287", "0x0288")
#: What meters do without: logs of past values, and who the meter belongs to.
LEFT_OUT = re.compile(r"Log\d?$|^dayFor|AtEvery30Min$|AtEveryMinute$|^routeBId$")

#: Where our names are not the Appendix' short names: those have none, misspell or are no names.
NAMES = {
    ("0x0000", "0x97"): "currentTime",
    ("0x0000", "0x98"): "currentDate",
    ("0x0EF0", "0x8A"): "manufacturer",
    **{(kind, "0x9D"): "announcementPropertyMap" for kind in ("0x0000", "0x0EF0")},
    **{(kind, "0x9E"): "setPropertyMap" for kind in ("0x0000", "0x0EF0")},
    **{(kind, "0x9F"): "getPropertyMap" for kind in ("0x0000", "0x0EF0")},
}
VALUES = {
    "trunOffOrUnplug": "turnOffOrUnplug",
    "recoverOperationNoReuired": "recoveryOperationNotRequired",
    "repairLocationUnkown": "repairLocationUnknown",
}
#: `true` and `false` are said in words of their own.
SAID = {
    "0x80": {0x30: "on", 0x31: "off"},
    "0x88": {0x41: "fault", 0x42: "noFault"},
    "0x8F": {0x41: "saving", 0x42: "normal"},
    "0x93": {
        0x41: "notThroughPublicNetwork",
        0x42: "throughPublicNetwork",
        0x61: "communicationNormal",
        0x62: "communicationUnavailable",
    },
}

Form = Any


def letters(row: dict[str, str]) -> str:
    last = RELEASES[-1] if row["to_release"] == "latest" else row["to_release"]
    return RELEASES[RELEASES.index(row["from_release"]) : RELEASES.index(last) + 1]


# The facts' notation ---------------------------------------------------------------------------------------------


def split(text: str, by: str) -> list[str]:
    """At the separators that stand in no brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in "{[") - (char in "}]")
        if char == by and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]


def form_of(text: str, epc: str) -> Form:
    if found := re.fullmatch(r"array\[\.\.(\d+)\] of (.*)", text):
        return ("array", int(found[1]), form_of(found[2], epc))
    options = split(text, "|")
    if len(options) > 1:
        return ("oneOf", tuple(form_of(option, epc) for option in options))
    if text.startswith("{"):
        fields = [tuple(part.strip() for part in field.split(":", 1)) for field in split(text[1:-1], ";")]
        return struct_of([(name, form_of(kind, epc)) for name, kind in fields])
    return simple_form(text, epc)


def simple_form(text: str, epc: str) -> Form:
    if found := re.fullmatch(r"(u?)int(\d+) (-?\d+)\.\.(-?\d+)(?: x([\d.]+))?(?: (\S+))?", text):
        unit = "" if found[6] in (None, "digit") else found[6]
        scale = Fraction(found[5] or 1)
        return ("number", int(found[2]) // 8, not found[1], int(found[3]), int(found[4]), scale, unit)
    if found := re.fullmatch(r"state(\d)B (.*)", text):
        return ("state", int(found[1]), frozenset(code_of(part, epc) for part in found[2].split()))
    if found := re.fullmatch(r"scale1B (.*)", text):
        pairs = (part.split("=") for part in found[1].split())
        return ("scale", frozenset((int(code, 16), Fraction(value)) for code, value in pairs))
    if found := re.fullmatch(r"raw (\d+)\.\.(\d+)B", text):
        return ("raw", int(found[1]), int(found[2]))
    return {"date 4B": "date", "time 2B": "time"}[text]


def code_of(text: str, epc: str) -> tuple[int, int, str]:
    codes, name = text.split("=")
    first, _, last = codes.partition("...")
    if name in ("true", "false"):
        name = SAID[epc][int(first, 16)]
    return int(first, 16), int(last or first, 16), VALUES.get(name, name)


def struct_of(fields: list[tuple[str, Form]]) -> Form:
    """Counted bytes and lists are told apart from structures by what stands in them."""
    kinds = [form[0] for _, form in fields]
    if kinds == ["number", "raw"] and fields[0][1][4] == fields[1][1][2]:
        return ("counted", fields[1][1][2])
    if kinds == ["number", "array"]:
        return ("counted array", fields[1][1][1], fields[1][1][2])
    if kinds[-1] == "array" and fields[0][0] == "startChannel":
        return ("channels", fields[0][1], fields[1][1], fields[2][1][2])
    return ("struct", tuple(fields))


# Our codecs ------------------------------------------------------------------------------------------------------


def form_of_codec(codec: Codec) -> Form:
    match codec:
        case IntegerCodec(size, signed, low, high, numerator, denominator, unit):
            return ("number", size, signed, low, high, Fraction(numerator, denominator), unit)
        case StateCodec(size, codes):
            return ("state", size, frozenset(codes))
        case ScaleCodec(scales):
            return ("scale", frozenset((code, Fraction(n, d)) for code, n, d in scales))
        case RawCodec(low, high):
            return ("raw", low, high)
        case ReleaseCodec():
            return ("raw", 4, 4)
        case DateCodec():
            return "date"
        case TimeCodec():
            return "time"
        case CountedCodec(high):
            return ("counted", high)
        case ArrayCodec(item, _, high):
            return ("counted array", high, form_of_codec(item))
        case ChannelListCodec(start, count, item, _):
            return ("channels", form_of_codec(start), form_of_codec(count), form_of_codec(item))
        case StructCodec(fields, _):
            return ("struct", tuple((name, form_of_codec(part)) for name, part in fields))
        case OneOfCodec(options):
            return ("oneOf", tuple(form_of_codec(option) for option in options))
    raise AssertionError(codec)


def sizes(form: Form) -> int:
    """The bytes of a form of fixed size."""
    match form:
        case ("number" | "state", size, *_):
            return int(size)
        case ("struct", fields):
            return sum(sizes(part) for _, part in fields)
        case ("oneOf", options):
            return sizes(options[0])
        case ("raw", low, high) if low == high:
            return int(low)
    raise AssertionError(form)


def own(kind: str, epc: int, letter: str) -> list[Property]:
    return [prop for prop in CLASSES[int(kind, 16)].properties if prop.epc == epc and letter in prop.releases]


def rows(*kinds: str) -> list[Any]:
    return list(_rows(kinds))


def _rows(kinds: tuple[str, ...]) -> Iterator[Any]:
    for row in FACTS:
        if row["class"] in kinds and not (row["class"] in METERS and LEFT_OUT.search(row["short_name"])):
            yield pytest.param(row, id=f"{row['class']}-{row['epc']}-{row['from_release']}")


@pytest.mark.covers("AIF-1.2-1")
@pytest.mark.parametrize("row", rows(*COMPLETE, *METERS))
def test_each_definition_is_as_the_appendix_has_it(row: dict[str, str]) -> None:
    expected = (
        NAMES.get((row["class"], row["epc"]), row["short_name"]),
        tuple(row[key] for key in ("get", "set", "inf")),
        form_of(row["encoding"], row["epc"]),
    )
    for letter in letters(row):
        found = own(row["class"], int(row["epc"], 16), letter)
        assert len(found) == 1, (letter, found)
        prop = found[0]
        assert (prop.name, (prop.get, prop.set, prop.inf), form_of_codec(prop.codec)) == expected, letter


@pytest.mark.covers("AIF-1.2-1")
@pytest.mark.parametrize("kind", [*COMPLETE, *METERS])
def test_there_is_no_definition_that_the_appendix_has_not(kind: str) -> None:
    known = {(int(row["epc"], 16), letter) for row in FACTS if row["class"] == kind for letter in letters(row)}
    ours = {(prop.epc, letter) for prop in CLASSES[int(kind, 16)].properties for letter in prop.releases}
    assert ours - known == set()
    if kind in COMPLETE:
        assert known - ours == set()


@pytest.mark.parametrize("kind", [*COMPLETE, *METERS])
def test_structures_know_the_sizes_of_their_parts(kind: str) -> None:
    for prop in CLASSES[int(kind, 16)].properties:
        match prop.codec:
            case StructCodec(fields, told):
                assert told == tuple(sizes(form_of_codec(part)) for _, part in fields), prop.name
            case ChannelListCodec(_, _, item, told):
                assert told == sizes(form_of_codec(item)), prop.name
            case ArrayCodec(item, told, _):
                assert told == sizes(form_of_codec(item)), prop.name


@pytest.mark.covers("AIF-1.2-1")
@pytest.mark.parametrize("kind", COMPLETE)
def test_what_is_not_listed_is_kept_raw(kind: str) -> None:
    """Every code of every enumerated property of every release: a name where the Appendix has one, else the bytes."""
    checked = 0
    for row in FACTS:
        form = form_of(row["encoding"], row["epc"]) if row["class"] == kind else None
        if form is None or form[0] != "state":
            continue
        listed = {code for first, last, _ in form[2] for code in range(first, last + 1)}
        for prop in own(kind, int(row["epc"], 16), letters(row)[0]):
            for code in range(256 ** form[1]):
                edt = code.to_bytes(form[1], "big")
                assert (prop.codec.decode(edt) == Unknown(edt)) is (code not in listed)
            checked += 1
    assert checked


@pytest.mark.parametrize("code", [0x0000, 0x0287, 0x0288, 0x027E, 0x02A1, 0x0EF0])
def test_every_property_has_its_name_in_both_languages(code: int) -> None:
    for prop in CLASSES[code].all_properties:
        assert prop.name_en
        assert any(ord(char) > 0x3000 for char in prop.name_ja), prop.name
