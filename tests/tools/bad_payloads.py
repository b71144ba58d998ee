"""Payloads made from the JSON schemas of OCPP 2.0.1: right ones, ones with a single rule broken, ones at the edges.

A rule of a definition that a message uses in several places is broken at the first of them only: `customData` stands
in every object. The schemas are read from the `ocpp` package by this module alone; it knows nothing of the station.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final

Schema = dict[str, Any]
Path = tuple[str | int, ...]

_FOLDER = files("ocpp") / "v201" / "schemas"
MOMENT: Final = "2026-01-05T04:00:00Z"

#: Part 4, 4.3, table 8: which code belongs to which broken rule.
CODES: Final = {
    "required": "OccurrenceConstraintViolation",
    "too few": "OccurrenceConstraintViolation",
    "too many": "OccurrenceConstraintViolation",
    "type": "TypeConstraintViolation",
    "null": "TypeConstraintViolation",
    "fraction": "TypeConstraintViolation",
    "enum": "PropertyConstraintViolation",
    "too long": "PropertyConstraintViolation",
    "too low": "PropertyConstraintViolation",
    "too high": "PropertyConstraintViolation",
    "no time": "PropertyConstraintViolation",
    "33 bits": "PropertyConstraintViolation",
    "additional": "FormatViolation",
}
#: For each JSON type, values that are of another.
_WRONG: Final[dict[str, tuple[Any, ...]]] = {
    "string": (1, True, [], {}),
    "integer": ("1", True, [], {}),
    "number": ("1", True, [], {}),
    "boolean": ("true", 1, [], {}),
    "array": ("x", 1, {}),
    "object": ("x", 1, []),
}
#: Integers and numbers that schemas take and that mean little.
_INTEGERS: Final = (-(2**31), -1, 0, 1, 2, 99, 2**31 - 1)
_NUMBERS: Final = (-1e308, -1.0, -0.0, 0.0, 5e-324, 0.1, 1e308)
_TIMES: Final = ("0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2026-01-05T04:00:00.123456789+09:00",
                 "9999-12-31T23:59:59.999Z")  # fmt: skip
#: Texts that are no names of anything: empty, controls, beyond the BMP, what SQL and shells would read.
_TEXTS: Final = ("", " ", "\x00", "\r\n", "𝕏é", "'; DROP TABLE event; --", "../../etc/passwd", "%s%n{0}")


#: Stands for a value that is not there.
_GONE: Final = object()


@dataclass(frozen=True, slots=True)
class Case:
    """One payload: what was done to it, where, and the code that it calls for (None: the schema takes it)."""

    rule: str
    path: Path
    payload: Any
    code: str | None

    def __str__(self) -> str:
        return f"{self.rule} at {'/'.join(map(str, self.path)) or 'payload'}"


def actions() -> list[str]:
    """All CALLs of OCPP 2.0.1."""
    names = (entry.name for entry in _FOLDER.iterdir())
    return sorted(name.removesuffix("Request.json") for name in names if name.endswith("Request.json"))


@cache
def _schema(action: str) -> Schema:
    read: Schema = json.loads((_FOLDER / f"{action}Request.json").read_text(encoding="utf-8-sig"))
    return read


@dataclass(slots=True)
class _Maker:
    """Payloads of one action."""

    root: Schema
    seen: set[str] = field(default_factory=set)

    def resolve(self, node: Schema) -> tuple[Schema, str]:
        """A node's schema, and the definition's name where it refers to one."""
        name = str(node.get("$ref", "")).removeprefix("#/definitions/")
        return (self.root["definitions"][name], name) if name else (node, "")

    def value(self, node: Schema, full: bool) -> Any:
        """A value that the schema takes, with all optional parts or none."""
        node, name = self.resolve(node)
        kind = node.get("type", "string")  # DataTransfer's data may be anything
        if "enum" in node:
            return node["enum"][0]
        if kind == "object":
            wanted = node.get("required", ())
            made = {key: self.value(part, full) for key, part in node.get("properties", {}).items()
                    if key in wanted or full}  # fmt: skip
            return made if made or name != "CustomDataType" else {"vendorId": "v"}
        if kind == "array":
            return [self.value(node["items"], full) for _ in range(max(node.get("minItems", 1), 1))]
        if kind == "string":
            return MOMENT if node.get("format") == "date-time" else "x"
        return {"integer": 1, "number": 1.5, "boolean": False}[kind]

    def places(self, node: Schema, here: Any, path: Path = ()) -> Iterator[tuple[Path, Schema, Any]]:
        """Every value of a payload with its place and schema; a definition's inside once."""
        node, name = self.resolve(node)
        yield path, node, here
        if name in self.seen or "type" not in node:
            return
        if name:
            self.seen.add(name)
        if node["type"] == "object":
            for key, part in node.get("properties", {}).items():
                if key in here:
                    yield from self.places(part, here[key], (*path, key))
        elif node["type"] == "array" and here:
            yield from self.places(node["items"], here[0], (*path, 0))


def right(action: str) -> list[Any]:
    """The smallest payload and the fullest."""
    maker = _Maker(_schema(action))
    return [maker.value(maker.root, False), maker.value(maker.root, True)]


def broken(action: str) -> list[Case]:
    """The fullest payload with one rule of the schema broken, for every rule."""
    return [Case(rule, path, payload, CODES[rule]) for rule, path, payload in _edits(action, _breaks)]


def edges(action: str) -> list[Case]:
    """Payloads that the schema takes: every number, text and time of the fullest at its edges, the smallest, all."""
    small, full = right(action)
    made = [Case("smallest", (), small, None), Case("fullest", (), full, None)]
    return made + [Case(rule, path, payload, None) for rule, path, payload in _edits(action, _edges)]


def edges_of(action: str, payload: Any) -> list[Case]:
    """A payload of one's own, which makes sense, with each of its values at its edges."""
    return [Case(rule, path, made, None) for rule, path, made in _edits(action, _edges, payload)]


def _edits(action: str, rules: Any, payload: Any = None) -> Iterator[tuple[str, Path, Any]]:
    maker = _Maker(_schema(action))
    full = maker.value(maker.root, True) if payload is None else payload
    for path, node, here in maker.places(maker.root, full):
        for rule, where, value in rules(node, path, here):
            yield rule, where, _with(full, where, value)


def _breaks(node: Schema, path: Path, here: Any) -> Iterator[tuple[str, Path, Any]]:
    kind = node.get("type")
    if path and kind:
        yield from (("type", path, wrong) for wrong in _WRONG[kind])
        yield "null", path, None
    if kind == "object":
        yield from (("required", (*path, key), _GONE) for key in node.get("required", ()))
        if node.get("additionalProperties") is False:
            yield "additional", (*path, "notInTheSchema"), 1
    elif kind == "array":
        if node.get("minItems"):
            yield "too few", path, here[: node["minItems"] - 1]
        if "maxItems" in node:
            yield "too many", path, (here * (node["maxItems"] + 1))[: node["maxItems"] + 1]
    elif "enum" in node:
        yield from (("enum", path, wrong) for wrong in ("", "NoSuchValue", node["enum"][0].swapcase()))
    elif kind == "string":
        if "maxLength" in node:
            yield from (("too long", path, "x" * (node["maxLength"] + more)) for more in (1, 1000))
        if node.get("format") == "date-time":
            yield from (("no time", path, wrong) for wrong in ("", "now", "2026-13-01T00:00:00Z", "1767585600"))
    elif kind in ("integer", "number"):
        yield from _broken_numbers(node, kind, path)


def _broken_numbers(node: Schema, kind: str, path: Path) -> Iterator[tuple[str, Path, Any]]:
    if "minimum" in node:
        yield "too low", path, node["minimum"] - 1
    if "maximum" in node:
        yield "too high", path, node["maximum"] + 1
    if kind == "integer":
        yield "fraction", path, 1.5
        for wide in (2**31, 2**63, 2**64, 10**30):
            yield "33 bits", path, wide
            if "minimum" not in node:
                yield "33 bits", path, -wide - 1


def _edges(node: Schema, path: Path, here: Any) -> Iterator[tuple[str, Path, Any]]:
    kind = node.get("type")
    if "enum" in node:
        yield from ((f"{value}", path, value) for value in node["enum"])
    elif kind in ("integer", "number"):
        low, high = node.get("minimum", float("-inf")), node.get("maximum", float("inf"))
        values = _INTEGERS if kind == "integer" else _NUMBERS
        yield from ((f"{value!r}", path, value) for value in values if low <= value <= high)
    elif kind == "boolean":
        yield "true", path, True
    elif kind == "string" and node.get("format") == "date-time":
        yield from ((text, path, text) for text in _TIMES)
    elif kind == "string":
        most = node.get("maxLength", 10_000)
        yield from ((ascii(text), path, text) for text in _TEXTS if len(text) <= most)
        yield "longest", path, "x" * most
    elif kind == "array":
        yield "as many as may be", path, here * node.get("maxItems", 100)


def _at(payload: Any, path: Path) -> Any:
    """What stands at a place."""
    for step in path:
        payload = payload[step]
    return payload


def _with(payload: Any, path: Path, value: Any) -> Any:
    """A copy with another value at a place, or without it."""
    if not path:
        return copy.deepcopy(value)
    made = copy.deepcopy(payload)
    inner = _at(made, path[:-1])
    if value is _GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = copy.deepcopy(value)
    return made
