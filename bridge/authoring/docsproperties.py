"""The part of a page about properties: names in two languages, codes, releases, access, units, ranges, values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bridge.authoring.page import Break, Code, Japanese, Line, Page, Row, joined, line, row
from bridge.authoring.phrases import anchor_of, release_text
from bridge.echonet.dictionary import DeviceClass, Property
from bridge.echonet.metering import ChannelListCodec, ScaleCodec
from bridge.echonet.values import (
    ArrayCodec,
    Codec,
    CountedCodec,
    DateCodec,
    IntegerCodec,
    OneOfCodec,
    Quantity,
    RawCodec,
    ReleaseCodec,
    StateCodec,
    StructCodec,
    TimeCodec,
)

_HEADS = ("Property", "EPC", "English", "Japanese", "Releases", "Get / Set / Inf", "Value")


def add_properties(page: Page, device: DeviceClass, names: Iterable[str] | None, caption: str) -> None:
    """A row for each definition. `names`: only these (else all that are the class' own)."""
    shown = device.properties if names is None else device.all_properties
    wanted = None if names is None else set(names)
    own = {prop.name for prop in device.properties}
    seen: set[str] = set()
    rows: list[Row] = []
    for prop in sorted(shown, key=lambda each: (each.epc, each.first)):
        if wanted is not None and prop.name not in wanted:
            continue
        if prop.name in own and prop not in device.properties:
            continue  # the class has its own definition in place of the parent's
        anchor = "" if prop.name in seen else anchor_of(prop.name)
        seen.add(prop.name)
        rows.append(_row(prop, anchor))
    page.table(caption, _HEADS, rows)
    page.paragraph(
        "Get, Set and Inf: R a unit must offer it, R* it must unless it offers another, O it may, - it never does."
    )


def _row(prop: Property, anchor: str) -> Row:
    return row(
        Code(prop.name),
        Code(f"0x{prop.epc:02X}"),
        prop.name_en,
        Japanese(prop.name_ja),
        release_text(prop.releases),
        f"{prop.get.value} / {prop.set.value} / {prop.inf.value}",
        line(form_of(prop.codec), *_limits(prop)),
        anchor=anchor,
    )


def _limits(prop: Property) -> Iterator[Line]:
    """What says how much a setting may be."""
    for direction, names in prop.limited_by:
        yield line(Break(), f"to {direction}, limited by ", joined([(Code(name),) for name in names], ", ", " and "))


def form_of(codec: Codec) -> Line:
    """What a value looks like, in words."""
    match codec:
        case IntegerCodec():
            return (_number(codec),)
        case StateCodec():
            width = 2 * codec.size
            return joined([line(Code(_code(first, last, width)), f" {name}") for first, last, name in codec.codes],
                          Break())  # fmt: skip
        case ScaleCodec():
            scales = [(code, Quantity(1, "", numerator, denominator)) for code, numerator, denominator in codec.scales]
            return joined([line(Code(f"{code:02X}"), f" times {factor}") for code, factor in scales], Break())
        case RawCodec():
            return (_bytes(codec.minimum, codec.maximum),)
        case CountedCodec():
            return (f"a count, then up to {codec.maximum} bytes",)
        case ReleaseCodec():
            return ("the letter of the release",)
        case DateCodec():
            return ("year, month, day",)
        case TimeCodec():
            return ("hour, minute",)
        case StructCodec():
            return joined([line(Code(name), ": ", form_of(part)) for name, part in codec.fields], Break())
        case OneOfCodec():
            return joined([form_of(option) for option in codec.options], Break())
        case ArrayCodec():
            return line(f"a count, then up to {codec.maximum} of: ", form_of(codec.item))
        case ChannelListCodec():
            return line("the first channel, how many, then for each: ", form_of(codec.item))
    return ("other",)


def _number(codec: IntegerCodec) -> str:
    low, high = (
        Quantity(raw, codec.unit, codec.numerator, codec.denominator) for raw in (codec.minimum, codec.maximum)
    )
    sign = "signed, " if codec.signed else ""
    return f"{low} to {high} ({sign}{codec.size} byte{'s' if codec.size > 1 else ''})"


def _code(first: int, last: int, width: int) -> str:
    return f"{first:0{width}X}" if first == last else f"{first:0{width}X}-{last:0{width}X}"


def _bytes(least: int, most: int) -> str:
    return f"{least} byte{'s' if least > 1 else ''}" if least == most else f"{least} to {most} bytes"
