"""Builds the property dictionaries of `bridge.echonet` from their YAML files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bridge.echonet.dictionary import DeviceClass, Property
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
)
from bridge.mapping.model import (
    NUMBER,
    ArrayModel,
    ChannelsModel,
    CountedModel,
    DevicesModel,
    NumberModel,
    OneOfModel,
    PlainModel,
    PropertyModel,
    RawModel,
    ScaleModel,
    StateModel,
    StructModel,
    releases,
)
from bridge.mapping.quantity import UNITS
from bridge.mapping.yamlfile import Document, Problems, nearest

#: Channels count from 1 to 252; a unit that measures none says so (Appendix, class 0x0287).
_NO_CHANNEL = StateCodec(1, ((253, 253, "undefined"),))
_FIRST_CHANNEL = OneOfCodec((IntegerCodec(1, False, 1, 252, 1, 1), _NO_CHANNEL))
#: A property's value counts its bytes in one (PDC).
MOST_BYTES = 255
_PLAIN: Mapping[str, Codec] = {"release": ReleaseCodec(), "date": DateCodec(), "time": TimeCodec()}


def build_classes(files: Iterable[tuple[Document, DevicesModel]], problems: Problems) -> dict[int, DeviceClass]:
    """All device classes by their code, each with its parent's properties behind its own."""
    by_code: dict[str, tuple[Document, DevicesModel]] = {}
    for document, model in files:
        if model.class_code in by_code:
            other = by_code[model.class_code][0].file
            problems.add(document, ("class",), "DUPLICATE-CLASS", f"{model.class_code} is described in {other} already")
        by_code.setdefault(model.class_code, (document, model))
    built: dict[int, DeviceClass] = {}
    for code in by_code:
        _build(code, by_code, built, problems, ())
    return built


def _build(
    code: str,
    by_code: Mapping[str, tuple[Document, DevicesModel]],
    built: dict[int, DeviceClass],
    problems: Problems,
    below: tuple[str, ...],
) -> DeviceClass | None:
    number = int(code, 16)
    if number in built:
        return built[number]
    document, model = by_code[code]
    parent = None
    if model.parent is not None:
        if model.parent in (*below, code):
            ring = " -> ".join((*below, code, model.parent))
            problems.add(document, ("parent",), "UNKNOWN-CLASS", f"the class would stand above itself: {ring}")
        elif model.parent not in by_code:
            known = sorted(each for each in by_code if each != code)
            hint = nearest(model.parent, known) or f" - known here: {', '.join(known) or 'none'}"
            text = f"no dictionary describes {model.parent}{hint}"
            problems.add(document, ("parent",), "UNKNOWN-CLASS", text)
        else:
            parent = _build(model.parent, by_code, built, problems, (*below, code))
    properties = tuple(prop for index in range(len(model.properties)) for prop in _definitions(document, index, model))
    _check(document, model, problems)
    built[number] = DeviceClass(
        number, model.name, model.en, model.ja, properties, parent, model.max_properties, model.battery_voltage
    )
    return built[number]


def _definitions(document: Document, index: int, model: DevicesModel) -> Iterable[Property]:
    source = model.properties[index]
    for definition in source.definitions:
        letters = releases(definition.release)
        access, codec = definition.access, codec_of(definition.encoding)
        for number, epc in enumerate(_codes(source.epc), 1):
            yield Property(
                epc=epc,
                name=source.name.replace(NUMBER, str(number)),
                name_en=source.en.replace(NUMBER, str(number)),
                name_ja=source.ja.replace(NUMBER, str(number)),
                get=access.get,
                set=access.set,
                inf=access.inf,
                codec=codec,
                first=letters[0],
                last=letters[-1],
                limited_by=tuple((way, tuple(names)) for way, names in source.limited_by.items()),
            )


def _codes(text: str) -> range:
    """The codes of `0xD0` or `0xD0-0xEF`."""
    first, _, last = text.partition("-")
    return range(int(first, 16), int(last or first, 16) + 1)


def codec_of(model: object) -> Codec:
    """The codec that an `encoding:` describes."""
    match model:
        case NumberModel():
            numerator, denominator = (int(part) for part in model.scale.split("/"))
            size = int(model.type.lstrip("uint")) // 8
            signed = model.type.startswith("int")
            return IntegerCodec(size, signed, *model.range, numerator, denominator, model.unit)
        case StateModel():
            return StateCodec(model.size, tuple(_code(text, name) for text, name in model.values.items()))
        case RawModel():
            return RawCodec(*model.bytes)
        case PlainModel():
            return _PLAIN[model.type]
        case CountedModel():
            return CountedCodec(model.max)
        case StructModel():
            fields = tuple((name, codec_of(field)) for name, field in model.fields.items())
            return StructCodec(fields, tuple(_size(field) for field in model.fields.values()))
        case ArrayModel():
            return ArrayCodec(codec_of(model.of), model.of.bytes[1], model.max)
        case ChannelsModel():
            count = OneOfCodec((IntegerCodec(1, False, 1, model.max, 1, 1), _NO_CHANNEL))
            return ChannelListCodec(_FIRST_CHANNEL, count, codec_of(model.of), _size(model.of))
        case OneOfModel():
            return OneOfCodec(tuple(codec_of(option) for option in model.options))
        case ScaleModel():
            return ScaleCodec(tuple(_scale(code, factor) for code, factor in model.values.items()))
    raise TypeError(f"no codec for {model!r}")


def _code(text: str, name: str) -> tuple[int, int, str]:
    first, _, last = text.partition("-")
    return int(first, 16), int(last or first, 16), name


def _scale(code: str, factor: str) -> tuple[int, int, int]:
    numerator, denominator = factor.split("/")
    return int(code, 16), int(numerator), int(denominator)


def _size(model: object) -> int:
    """The bytes of a form whose size is fixed."""
    match model:
        case NumberModel():
            return int(model.type.lstrip("uint")) // 8
        case StateModel():
            return model.size
        case RawModel():
            return model.bytes[1]
        case StructModel():
            return sum(_size(field) for field in model.fields.values())
        case OneOfModel():
            return _size(model.options[0])
    raise TypeError(f"{model!r} has no fixed size")


def _check(document: Document, model: DevicesModel, problems: Problems) -> None:
    """What the model alone cannot see: overlapping releases, names used twice, ranges that do not fit."""
    seen: dict[tuple[str, str], int] = {}
    for index, prop in enumerate(model.properties):
        if not _codes(prop.epc) or (len(_codes(prop.epc)) > 1) is not prop.name.endswith(NUMBER):
            text = f'"{prop.name}" with {prop.epc}: a range of codes goes with a {NUMBER} for the number, and no other'
            problems.add(document, ("properties", index, "epc"), "EPC", text)
        _check_limits(document, index, prop, {each.name for each in model.properties}, problems)
        for number, definition in enumerate(prop.definitions):
            path = ("properties", index, "definitions", number)
            _check_encoding(document, (*path, "encoding"), definition.encoding, problems)
            keys = _keys(prop, definition.release, index)
            for key in keys:
                if key in seen:
                    line = document.position(("properties", seen[key]))[0]
                    text = f"{key[0]} in Release {key[1]} is defined in line {line} already"
                    problems.add(document, (*path, "release"), "OVERLAP", text)
                    break
            else:
                seen |= keys


def _check_limits(document: Document, index: int, prop: PropertyModel, known: set[str], problems: Problems) -> None:
    for way, names in prop.limited_by.items():
        for place, name in enumerate(names):
            if name not in known:
                path = ("properties", index, "limitedBy", way, place)
                text = f'there is no "{name}" in this file{nearest(name, known)}'
                problems.add(document, path, "UNKNOWN-PROPERTY", text)


def _keys(prop: PropertyModel, release: str, index: int) -> dict[tuple[str, str], int]:
    whats = (prop.name, *(f"0x{epc:02X}" for epc in _codes(prop.epc)))
    return {(what, letter): index for letter in releases(release) for what in whats}


def _check_encoding(document: Document, path: tuple[str | int, ...], model: object, problems: Problems) -> None:
    match model:
        case NumberModel():
            bits = int(model.type.lstrip("uint"))
            lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if model.type[0] == "i" else (0, (1 << bits) - 1)
            low, high = model.range
            if not lowest <= low <= high <= highest:
                text = f"{low}..{high} is no range within {model.type} ({lowest}..{highest})"
                problems.add(document, (*path, "range"), "OUT-OF-RANGE", text)
            if model.unit and model.unit not in UNITS:
                text = f'"{model.unit}" is no unit that tables know{nearest(model.unit, UNITS)}'
                problems.add(document, (*path, "unit"), "UNIT", f"{text} - known: {', '.join(UNITS)}")
        case RawModel():
            least, most = model.bytes
            if not 0 <= least <= most <= MOST_BYTES:
                text = f"{least} to {most} bytes cannot be (at most {MOST_BYTES}, the least first)"
                problems.add(document, (*path, "bytes"), "OUT-OF-RANGE", text)
        case StateModel():
            _check_codes(document, path, model, problems)
        case StructModel():
            for name, field in model.fields.items():
                _check_encoding(document, (*path, "fields", name), field, problems)
        case OneOfModel():
            for index, option in enumerate(model.options):
                _check_encoding(document, (*path, "options", index), option, problems)
        case ChannelsModel():
            _check_encoding(document, (*path, "of"), model.of, problems)


def _check_codes(document: Document, path: tuple[str | int, ...], model: StateModel, problems: Problems) -> None:
    taken: set[int] = set()
    for text, name in model.values.items():
        first, last, _ = _code(text, name)
        codes = set(range(first, last + 1))
        if not codes or last >= 1 << (8 * model.size) or codes & taken:
            message = f"{text} does not fit into {model.size} byte or overlaps another value"
            problems.add(document, (*path, "values", text), "OUT-OF-RANGE", message, at_key=True)
        taken |= codes
