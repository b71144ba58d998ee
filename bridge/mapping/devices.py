"""Builds the property dictionaries of `bridge.echonet` from their YAML files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bridge.echonet.dictionary import DeviceClass, Property
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
    ArrayModel,
    CountedModel,
    DevicesModel,
    NumberModel,
    OneOfModel,
    PlainModel,
    PropertyModel,
    RawModel,
    StateModel,
    StructModel,
    releases,
)
from bridge.mapping.yamlfile import Document, Problems, nearest

_PLAIN: Mapping[str, Codec] = {"release": ReleaseCodec(), "date": DateCodec(), "time": TimeCodec()}


def build_classes(files: Iterable[tuple[Document, DevicesModel]], problems: Problems) -> dict[int, DeviceClass]:
    """All device classes by their code, each with its parent's properties behind its own."""
    by_code: dict[str, tuple[Document, DevicesModel]] = {}
    for document, model in files:
        if model.class_code in by_code:
            other = by_code[model.class_code][0].file
            problems.add(document, ("class",), "DUPLICATE-CLASS", f"{model.class_code} is described in {other} already")
        by_code[model.class_code] = (document, model)
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
        if model.parent not in by_code or model.parent in (*below, code):
            hint = nearest(model.parent, by_code)
            problems.add(document, ("parent",), "UNKNOWN-CLASS", f"there is no class {model.parent} above it{hint}")
        else:
            parent = _build(model.parent, by_code, built, problems, (*below, code))
    properties = tuple(prop for index in range(len(model.properties)) for prop in _definitions(document, index, model))
    _check(document, model, problems)
    built[number] = DeviceClass(number, model.name, model.en, model.ja, properties, parent)
    return built[number]


def _definitions(document: Document, index: int, model: DevicesModel) -> Iterable[Property]:
    source = model.properties[index]
    for definition in source.definitions:
        letters = releases(definition.release)
        access = definition.access
        yield Property(
            epc=int(source.epc, 16),
            name=source.name,
            name_en=source.en,
            name_ja=source.ja,
            get=access.get,
            set=access.set,
            inf=access.inf,
            codec=codec_of(definition.encoding),
            first=letters[0],
            last=letters[-1],
        )


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
        case OneOfModel():
            return OneOfCodec(tuple(codec_of(option) for option in model.options))
    raise TypeError(f"no codec for {model!r}")


def _code(text: str, name: str) -> tuple[int, int, str]:
    first, _, last = text.partition("-")
    return int(first, 16), int(last or first, 16), name


def _size(model: NumberModel | StateModel) -> int:
    return model.size if isinstance(model, StateModel) else int(model.type.lstrip("uint")) // 8


def _check(document: Document, model: DevicesModel, problems: Problems) -> None:
    """What the model alone cannot see: overlapping releases, names used twice, ranges that do not fit."""
    seen: dict[tuple[str, str], int] = {}
    for index, prop in enumerate(model.properties):
        for number, definition in enumerate(prop.definitions):
            path = ("properties", index, "definitions", number)
            _check_encoding(document, (*path, "encoding"), definition.encoding, problems)
            for key in {(what, letter) for letter in releases(definition.release) for what in (prop.epc, prop.name)}:
                if key in seen:
                    line = document.position(("properties", seen[key]))[0]
                    text = f"{key[0]} in Release {key[1]} is defined in line {line} already"
                    problems.add(document, (*path, "release"), "OVERLAP", text)
                    break
            else:
                seen |= _keys(prop, definition.release, index)


def _keys(prop: PropertyModel, release: str, index: int) -> dict[tuple[str, str], int]:
    return {(what, letter): index for letter in releases(release) for what in (prop.epc, prop.name)}


def _check_encoding(document: Document, path: tuple[str | int, ...], model: object, problems: Problems) -> None:
    match model:
        case NumberModel():
            bits = int(model.type.lstrip("uint"))
            lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if model.type[0] == "i" else (0, (1 << bits) - 1)
            low, high = model.range
            if not lowest <= low <= high <= highest:
                text = f"{low}..{high} is no range within {model.type} ({lowest}..{highest})"
                problems.add(document, (*path, "range"), "OUT-OF-RANGE", text)
        case StateModel():
            _check_codes(document, path, model, problems)
        case StructModel():
            for name, field in model.fields.items():
                _check_encoding(document, (*path, "fields", name), field, problems)
        case OneOfModel():
            for index, option in enumerate(model.options):
                _check_encoding(document, (*path, "options", index), option, problems)


def _check_codes(document: Document, path: tuple[str | int, ...], model: StateModel, problems: Problems) -> None:
    taken: set[int] = set()
    for text, name in model.values.items():
        first, last, _ = _code(text, name)
        codes = set(range(first, last + 1))
        if not codes or last >= 1 << (8 * model.size) or codes & taken:
            message = f"{text} does not fit into {model.size} byte or overlaps another value"
            problems.add(document, (*path, "values", text), "OUT-OF-RANGE", message, at_key=True)
        taken |= codes
