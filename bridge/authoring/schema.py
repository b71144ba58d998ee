"""JSON Schemas of the files of mappings, for completion in editors; generated from the models, never written by hand.

What the models leave open (conditions, steps, examples) is described as far as a schema can. The schema of a class
also knows the names of its properties and of their values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from inspect import cleandoc
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from bridge.authoring.keytexts import KEY_TEXTS
from bridge.authoring.schemaforms import Schema, condition, described, duration_text, one_or_more
from bridge.mapping.expected import EXPECTED
from bridge.mapping.metermodel import MeterTableModel
from bridge.mapping.model import DevicesModel, TableModel
from bridge.mapping.overlaymodel import OverlayModel

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
#: The models of the kinds of files, and what a file of the kind is.
KINDS: Final[Mapping[str, tuple[type[BaseModel], str]]] = {
    "devices": (DevicesModel, "The property dictionary of a class of devices."),
    "table": (TableModel, "The translation of a class between ECHONET Lite and OCPP."),
    "overlay": (OverlayModel, "What is otherwise for the units of a maker, a product, a release or a firmware."),
    "meter": (MeterTableModel, "What a meter measures; it is only read."),
}
_NAME: Final = r"^[A-Za-z][A-Za-z0-9_]*$"
_NUMBERED: Final = r"^[A-Za-z][A-Za-z0-9_]*#?$"
#: The keys under which names of properties stand, by the model.
PROPERTY_PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "Source": ("property", "ratio"),
    "Volts": ("property",),
    "Limit": ("rated", "power", "current"),
    "Require": ("read",),
    "Ask": ("write", "then"),
    "Setpoint": ("fresh",),
    "Poll": ("read",),
    "Variable": ("property",),
    "Fault": ("code", "description"),
    "Table": ("release", "attributes", "local"),
    "MeterTable": ("release", "attributes"),
    "Identity": ("manufacturer", "productCode", "firmware"),
    "MeterSource": ("property", "list", "range", "times", "digits"),
    "MeterPoll": ("read",),
}
#: What stands where the models leave the form open.
_REF: Final = "#/$defs/"
OPEN_PLACES: Final[Mapping[str, str]] = {
    "when": "Condition",
    "unless": "Condition",
    "directCurrent": "Condition",
    "ensure": "Step",
    "given": "Given",
    "MeterExample.given": "GivenPart",
    "Replay.expect": "Moment",
    "OwnProperty.with": "OwnForm",
    "exampleUnit": "Situation",
    "receive": "Received",
    "expect": "Expected",
}


def schema_of(kind: str) -> Schema:
    """The schema of one kind of file."""
    model, text = KINDS[kind]
    raw = model.model_json_schema(by_alias=True, schema_generator=_Generator)
    root: Schema = _renamed(raw, _short_names(raw))
    definitions: Schema = root.pop("$defs", {})
    for name, part in (*definitions.items(), (_short(model.__name__), root)):
        _improve(name, part)
    while missing := _used(root, definitions) - set(definitions):
        definitions.update({name: _FORMS[name]() for name in missing})
    root["title"], root["description"] = f"Mappings: {kind}", text
    head = {"$schema": DIALECT, **{key: root.pop(key) for key in ("title", "description", "type")}}
    return {**head, **root, "$defs": {name: definitions[name] for name in sorted(_used(root, definitions))}}


def text_of(schema: Schema) -> str:
    """A schema as it stands in its file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


class _Generator(GenerateJsonSchema):
    """Asks the validators of the models what they take, and leaves out titles that only repeat a key."""

    schema_dialect = DIALECT

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        """A validator that reads a text: a quantity."""
        if self._of_a_model(schema["schema"]) or schema["schema"]["type"] == "literal":
            return super().function_before_schema(schema)  # a literal says itself what it takes
        return described(schema["function"]["function"])

    def function_after_schema(self, schema: core_schema.AfterValidatorFunctionSchema) -> JsonSchemaValue:
        """A validator that checks a text, or several: a range of releases, a product's code."""
        inner = super().function_after_schema(schema)
        if not self._of_a_model(schema["schema"]):
            form = described(schema["function"]["function"])
            for part in list(_walk(inner)):
                if part.get("type") == "string":
                    part.update(form)
        return inner

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never: `atBoot` is no better as "Atboot"."""
        return False

    @staticmethod
    def _of_a_model(schema: CoreSchema) -> bool:
        return schema["type"] in ("model", "model-fields", "definition-ref")


def _short_names(raw: Schema) -> Mapping[str, str]:
    """The definitions' names without the word Model, but where a plain word has the same name."""
    names = set(raw.get("$defs", {}))
    return {name: name if (short := _short(name)) in names else short for name in names}


def _short(name: str) -> str:
    return name.removesuffix("Model")


def _renamed(raw: Any, names: Mapping[str, str]) -> Any:
    """Definitions and references by their short names; nothing that belongs to no JSON Schema."""
    if isinstance(raw, list):
        return [_renamed(item, names) for item in raw]
    if not isinstance(raw, dict):
        return raw
    found: Schema = {}
    for key, value in raw.items():
        if key == "discriminator":
            continue
        if key == "$defs":
            found[key] = {names[name]: _renamed(part, names) for name, part in value.items()}
        elif key == "$ref":
            found[key] = _REF + names[str(value).rpartition("/")[2]]
        else:
            found[key] = _renamed(value, names)
    return found


def _improve(name: str, part: Schema) -> None:
    """One model's schema: texts, keys, names of properties, and what was left open."""
    part["title"] = part["title"].removesuffix("Model") if part.get("title") else name
    said = " ".join(part.get("description", "").split())
    if "description" in part:
        part["description"] = " ".join(cleandoc(part["description"]).split())
    for key, value in part.get("properties", {}).items():
        opened = _opened(name, key, value)
        _close_keys(opened)
        if key in PROPERTY_PLACES.get(name, ()):
            _name_properties(opened)
        _readable_default(opened)
        texts = (KEY_TEXTS.get(f"{name}.{key}") or KEY_TEXTS.get(key) or _said_of(key, said), opened.get("description"))
        if any(texts):
            opened["description"] = " ".join(text for text in texts if text)
        part["properties"][key] = opened


def _said_of(key: str, docstring: str) -> str:
    """What a model's own words say of a key: "`minus`: what is taken away"."""
    found = re.search(rf"`{key}`(?:: |, )(.*?)(?:[.;] |[.;]?$)", docstring)
    return found[1][:1].upper() + found[1][1:] + "." if found else ""


def _opened(name: str, key: str, value: Schema) -> Schema:
    """What the models leave open, described."""
    if not any(_is_open(part) for part in _walk(value)):
        return value
    form = OPEN_PLACES.get(f"{name}.{key}") or OPEN_PLACES.get(key)
    if form is None:
        raise LookupError(f"{name}.{key} leaves its form open: say in OPEN_PLACES what stands there")
    reference = {"$ref": _REF + form}
    if value.get("type") == "array":
        bounds = {name: value[name] for name in ("minItems",) if name in value}
        return {"type": "array", "items": reference, **bounds}
    if any(part.get("type") == "null" for part in value.get("anyOf", ())):
        return {"anyOf": [reference, {"type": "null"}]}
    return {**reference, **({"minProperties": value["minProperties"]} if "minProperties" in value else {})}


def _is_open(part: Schema) -> bool:
    return part.get("additionalProperties") is True or part.get("items") == {}


def _close_keys(value: Schema) -> None:
    """A mapping whose keys have a pattern takes no others."""
    for part in list(_walk(value)):
        patterns = part.pop("patternProperties", None)
        if patterns is not None:
            ((pattern, item),) = patterns.items()
            part["propertyNames"] = {"pattern": pattern}
            part["additionalProperties"] = item


def _name_properties(value: Schema) -> None:
    for part in list(_walk(value)):
        for key in ("items", "propertyNames"):
            if isinstance(part.get(key), dict) and part[key].get("pattern") in (_NAME, _NUMBERED):
                part[key] = {"$ref": _REF + "PropertyName"}
        for key in ("anyOf", "prefixItems"):
            for index, item in enumerate(part.get(key, ())):
                if item.get("pattern") in (_NAME, _NUMBERED):
                    part[key][index] = {"$ref": _REF + "PropertyName"}
    if value.get("pattern") in (_NAME, _NUMBERED):
        value.pop("pattern")
        value.pop("type")
        value["$ref"] = _REF + "PropertyName"


def _readable_default(value: Schema) -> None:
    default = value.get("default")
    if default is None:
        value.pop("default", None)
    elif value.get("type") == "string" and isinstance(default, int):
        value["default"] = duration_text(default)


def _walk(value: Any) -> Iterator[Schema]:
    """All schemas in a schema, itself first."""
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from _walk(part)
    elif isinstance(value, list):
        for part in value:
            yield from _walk(part)


def _used(root: Schema, definitions: Schema) -> set[str]:
    """The definitions that are referred to from the root on."""
    found: set[str] = set()
    waiting: list[Any] = [root]
    while waiting:
        for part in _walk(waiting.pop()):
            name = str(part.get("$ref", "")).removeprefix(_REF)
            if name and name not in found:
                found.add(name)
                waiting.append(definitions.get(name, {}))
    return found


# What the models leave open -------------------------------------------------------------------------------------


def _property_name() -> Schema:
    return {"title": "Property", "description": "A property's name in the dictionary.", "pattern": _NUMBERED,
            "type": "string"}  # fmt: skip


def step(properties: Schema | None = None) -> Schema:
    """A write: one property with its value, and how it is meant."""
    value = {"type": ["string", "integer", "boolean", "object"]}
    offers = {"enum": ["announced", "gettable", "settable"]}
    amount: Schema = {"type": "string", "description": "A number below the wanted one by so much is left as it is."}
    return {
        "title": "Step",
        "description": "A write: a property and its value. `limit` is what the limit comes to, `amount` what is left "
        "of the wanted energy.",
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": _NAME},
        "properties": {
            **(properties or {}),
            "if": {
                "anyOf": [offers, {"$ref": _REF + "Condition"}],
                "description": "Only then; `settable`: if the unit lets this property be set.",
            },
            "otherwise": {"description": "The value to try where the first is refused or unknown."},
            "tolerate": amount,
        },
        "additionalProperties": value if properties is None else False,
    }


def situation(properties: Schema | None = None) -> Schema:
    """What an example gives by names."""
    return {
        "title": "Situation",
        "description": "What is given, by names: properties, signals and what is wanted. Several values in a list, or "
        "a range of releases, are so many situations, each of which has to be answered so.",
        "type": "object",
        "propertyNames": {"pattern": _NAME},
        **({"properties": properties} if properties else {}),
    }


def _given() -> Schema:
    return {
        "title": "Given",
        "description": "The situation of an example: names, or frames as on the wire, or both in a list.",
        "anyOf": [{"$ref": _REF + "Situation"}, {"type": "array", "items": {"$ref": _REF + "GivenPart"}}],
    }


def _given_part() -> Schema:
    frame = {"type": "string", "pattern": r"^[0-9A-Fa-f]{1,2}=\S*$", "description": 'A frame\'s property: "C7=43".'}
    return {"title": "Part", "anyOf": [frame, {"$ref": _REF + "Situation"}]}


def _received() -> Schema:
    payload = {
        "type": "object",
        "properties": {
            "limit": {"type": ["number", "string"], "description": "The composite limit; negative is out of the car."},
            "unit": {"enum": ["W", "A"], "default": "W"},
        },
    }
    return {
        "title": "Received",
        "description": "An OCPP message, as the table's sections are called, and what it says.",
        "type": "object",
        "additionalProperties": payload,
    }


def _expected() -> Schema:
    frames = one_or_more({"type": "string", "pattern": "^[0-9A-F]{2}=(?:[0-9A-F]{2})*$"})
    return {
        "title": "Expected",
        "description": "What the table has to answer; each key is compared.",
        "type": "object",
        "properties": {
            **{word: {"description": meant.about} for word, meant in EXPECTED.items()},
            "writes": {**frames, "description": EXPECTED["writes"].about},
            "otherwise": {**frames, "description": EXPECTED["otherwise"].about},
        },
    }


def _moment() -> Schema:
    return {
        "title": "Moment",
        "description": "What must be said at a moment of a dump; it may give or receive something from then on.",
        "type": "object",
        "minProperties": 1,
        "properties": {
            "at": {"type": "string", "description": "Since the dump's beginning; without it: at its end."},
            "given": {"$ref": _REF + "Given"},
            "receive": {"$ref": _REF + "Received"},
            **_expected()["properties"],
        },
    }


def _own_form() -> Schema:
    return {
        "title": "Property",
        "description": "As in a dictionary file.",
        "type": "object",
        "properties": {
            "epc": {"type": "string", "description": "The property's code, quoted."},
            "en": {"type": "string", "description": "The English name."},
            "ja": {"type": "string", "description": "The Japanese name."},
            "definitions": {"type": "array", "minItems": 1, "description": "What it means, by release."},
        },
    }


_FORMS: Final[Mapping[str, Callable[[], Schema]]] = {
    "Condition": condition,
    "Step": step,
    "Given": _given,
    "GivenPart": _given_part,
    "Situation": situation,
    "Received": _received,
    "Expected": _expected,
    "PropertyName": _property_name,
    "Moment": _moment,
    "OwnForm": _own_form,
}
