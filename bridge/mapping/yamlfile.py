"""YAML 1.2 with positions: what a person wrote, and where. A mistake is told as `file:line:col: CODE message`.

The values are built from the parser's events, not by a YAML library's constructor: so duplicate keys, anchors, aliases,
merge keys and tags are refused where they stand, nothing in a file can run code or grow without bound, and all
mistakes come out at once. The same reader serves mapping tables, dictionaries and the site configuration.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from bridge.errors import BridgeError, MappingError
from bridge.mapping.shape import names_at

#: No file that a person writes is larger; a bound keeps a wrong path (a log, a device) from being read whole.
MAX_BYTES = 1_000_000
MAX_DEPTH = 32

Path_ = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a file. Lines and columns count from 1; `code` is stable and explained by the documentation."""

    file: str
    line: int
    column: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.code} {self.message}"


@dataclass(slots=True)
class Document:
    """A file's content as plain dicts, lists and scalars, with the place of each value and of each key."""

    file: str
    data: Any = None
    values: dict[Path_, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Path_, tuple[int, int]] = field(default_factory=dict)
    source: dict[Path_, str] = field(default_factory=dict)
    text: str = ""

    def position(self, path: Iterable[str | int]) -> tuple[int, int]:
        """Line and column (from 1) of the value at `path`, or of the nearest thing around it."""
        return self._place(path, self.values)

    def key_position(self, path: Iterable[str | int]) -> tuple[int, int]:
        """Line and column of the key at `path`; of the value where it is an item of a list."""
        return self._place(path, self.keys)

    def _place(self, path: Iterable[str | int], first: Mapping[Path_, tuple[int, int]]) -> tuple[int, int]:
        found = _existing(self, path)
        if found in first:
            return first[found]
        return self.values.get(found, (1, 1))

    def place(self, path: Iterable[str | int]) -> str:
        """`file:line`, for naming a rule."""
        return f"{self.file}:{self.position(path)[0]}"

    def problem(self, path: Iterable[str | int], code: str, message: str, *, at_key: bool = False) -> Problem:
        """A mistake at a path."""
        line, column = self.key_position(path) if at_key else self.position(path)
        return Problem(self.file, line, column, code, message)


def _existing(document: Document, path: Iterable[str | int]) -> Path_:
    """The part of a path that stands in the file; what does not (a union's member, a missing key) is left out."""
    found: Path_ = ()
    for step in path:
        if (*found, step) in document.values:
            found = (*found, step)
    return found


class Problems:
    """Collects mistakes, so that all of them are told at once."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(
        self, document: Document, path: Iterable[str | int], code: str, message: str, *, at_key: bool = False
    ) -> None:
        """Note a mistake."""
        self.found.append(document.problem(path, code, message, at_key=at_key))

    def raise_as(self, error: type[BridgeError]) -> None:
        """Raise all that was found, in the order of the files' lines, or nothing if all is well."""
        if self.found:
            raise error("\n".join(str(problem) for problem in sorted(set(self.found))))


def nearest(name: str, names: Iterable[str]) -> str:
    """` - did you mean "x"?`, or nothing where no name is near."""
    known = {known.lower(): known for known in names}
    close = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return f' - did you mean "{known[close[0]]}"?' if close else ""


def load_yaml(
    path: Path | str, *, error: type[BridgeError] = MappingError, name: str | None = None, without: str | None = None
) -> Document:
    """Read a file. `error` is raised with every mistake in it; `name` is what messages call the file.

    `without`: a section that is not wanted; nothing of it is kept.
    """
    file = Path(path)
    shown = name or str(path)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise error(f"{shown}:1:1: YAML-SIZE the file is larger than {MAX_BYTES} bytes")
        raw = file.read_bytes()
    except OSError as reason:
        raise error(f"{shown}:1:1: FILE cannot be read: {reason.strerror or reason}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as reason:
        line = raw.count(b"\n", 0, reason.start) + 1
        raise error(f"{shown}:{line}:1: YAML-ENCODING not UTF-8: byte {reason.start}") from None
    return parse_yaml(text, shown, error=error, without=without)


def parse_yaml(
    text: str, name: str, *, error: type[BridgeError] = MappingError, without: str | None = None
) -> Document:
    """Read YAML from a string; see `load_yaml`."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise error(f"{name}:1:1: YAML-SIZE the text is larger than {MAX_BYTES} bytes")
    builder = _Builder(Document(name, text=text), without)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
            if builder.hopeless:
                break
    except MarkedYAMLError as reason:
        mark = reason.problem_mark or reason.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = " ".join(part for part in (reason.context, reason.problem) if part)
        builder.problems.found.append(Problem(name, line, column, "YAML-SYNTAX", what))
    except YAMLError as reason:
        builder.problems.found.append(Problem(name, 1, 1, "YAML-SYNTAX", " ".join(str(reason).split())))
    builder.problems.raise_as(error)
    return builder.document


def validate(document: Document, model: type[Model], *, error: type[BridgeError] = MappingError) -> Model:
    """A document as a pydantic model; `error` lists every mistake with its place."""
    problems = Problems()
    checked = check(document, model, problems)
    problems.raise_as(error)
    assert checked is not None  # without problems there is a model
    return checked


def check(document: Document, model: type[Model], problems: Problems) -> Model | None:
    """As `validate`, but mistakes are only collected; None if there are any."""
    try:
        return model.model_validate(document.data)
    except ValidationError as reason:
        for details in reason.errors(include_url=False):
            problems.found.append(_explain(document, model, details))
    return None


_CODES = {
    "extra_forbidden": "UNKNOWN-KEY",
    "missing": "MISSING-KEY",
    "literal_error": "WRONG-VALUE",
    "enum": "WRONG-VALUE",
    "greater_than": "OUT-OF-RANGE",
    "greater_than_equal": "OUT-OF-RANGE",
    "less_than": "OUT-OF-RANGE",
    "less_than_equal": "OUT-OF-RANGE",
    "string_pattern_mismatch": "WRONG-VALUE",
    "value_error": "WRONG-VALUE",
}


def _explain(document: Document, model: type[BaseModel], details: Any) -> Problem:
    """A pydantic error in our words."""
    path: Path_ = tuple(details["loc"])
    kind: str = details["type"]
    known_code = _CODES.get(kind)
    if kind == "extra_forbidden":
        names = names_at(model, path[:-1])
        message = f'unknown key "{path[-1]}"{nearest(str(path[-1]), names)}'
        if names and not nearest(str(path[-1]), names):
            message += f" - known here: {', '.join(sorted(names))}"
        return document.problem(path, "UNKNOWN-KEY", message, at_key=True)
    if kind == "missing":
        return document.problem(path[:-1], "MISSING-KEY", f'the key "{path[-1]}" is missing')
    if known_code is None and kind.endswith(("_type", "_parsing")):
        known_code = "WRONG-TYPE"
    if known_code is None:
        # A validator of ours names its own code (PydanticCustomError); anything else is a wrong value.
        known_code = kind if kind.isupper() else "WRONG-VALUE"
    message = _wording(document, path, details)
    return document.problem(path, known_code, message)


_QUOTED = re.compile(r"'([^']*)'")


def _wording(document: Document, path: Path_, details: Any) -> str:
    kind: str = details["type"]
    message = str(details["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:] if not message[:2].isupper() else message
    if kind in ("literal_error", "enum"):
        expected = _QUOTED.findall(str(details.get("ctx", {}).get("expected", "")))
        return f"{message}{nearest(str(details['input']), expected)}"
    if kind == "string_type" and (written := document.source.get(_existing(document, path))) is not None:
        return f'{message} - quote it: "{written}"'
    return message


class _Builder:
    """Builds a document from parser events; the stack holds (path, container, the key that waits for its value)."""

    def __init__(self, document: Document, without: str | None = None) -> None:
        self.document = document
        self.problems = Problems()
        self._without = without
        self._left_out: int | None = None  # how deep we are in the section that is not wanted
        self.hopeless = False
        self._stack: list[_Open] = []
        self._documents = 0

    def take(self, event: Event) -> None:
        """One event."""
        self._refuse_node_properties(event)
        if self._left_out is not None:
            self._leave_out(event)
        elif isinstance(event, DocumentStartEvent):
            self._start_document(event)
        elif isinstance(event, MappingStartEvent):
            self._open({}, event)
        elif isinstance(event, SequenceStartEvent):
            self._open([], event)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._stack.pop()
        elif isinstance(event, AliasEvent):
            self._problem(event, "YAML-ALIAS", f'aliases ("*{event.anchor}") are not allowed - write the value out')
            self._put(None, event, None)
        elif isinstance(event, ScalarEvent):
            self._scalar(event)

    def _leave_out(self, event: Event) -> None:
        assert self._left_out is not None
        if isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._left_out += 1
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._left_out -= 1
        if not self._left_out:
            self._left_out = None
            self._stack[-1].key = None

    def _start_document(self, event: DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            self._problem(event, "YAML-SYNTAX", "only one document in a file")
            self.hopeless = True

    def _refuse_node_properties(self, event: Event) -> None:
        if not isinstance(event, MappingStartEvent | SequenceStartEvent | ScalarEvent):
            return
        if event.anchor:
            self._problem(event, "YAML-ANCHOR", f'anchors ("&{event.anchor}") are not allowed - write the value out')
        tag = getattr(event, "tag", None)
        if tag:
            self._problem(event, "YAML-TAG", f'tags ("{tag}") are not allowed')

    def _scalar(self, event: ScalarEvent) -> None:
        top = self._stack[-1] if self._stack else None
        plain = event.style is None and bool(event.implicit[0])
        if top is not None and isinstance(top.container, dict) and top.key is None:
            self._key(event, top, str(event.value), plain)
            return
        value = resolve(event.value) if plain else event.value
        self._put(value, event, str(event.value) if plain else None)

    def _key(self, event: ScalarEvent, top: _Open, name: str, plain: bool) -> None:
        if name == "<<" and plain:
            self._problem(event, "YAML-MERGE", 'merge keys ("<<") are not allowed - write the keys out')
        if name in top.container:
            line = self.document.keys[(*top.path, name)][0]
            self._problem(event, "YAML-DUPLICATE", f'the key "{name}" stands in line {line} already')
            name = f"{name}\0{event.start_mark.line}"
        top.key = name
        self.document.keys[(*top.path, name)] = _mark(event)
        if len(self._stack) == 1 and name == self._without:
            self._left_out = 0

    def _open(self, container: dict[str, Any] | list[Any], event: Event) -> None:
        if len(self._stack) >= MAX_DEPTH:
            self._problem(event, "YAML-DEPTH", f"nested deeper than {MAX_DEPTH} levels")
            self.hopeless = True
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.container, dict) and top.key is None:
            self._problem(event, "YAML-KEY", "a key must be a plain word, not a list or a mapping")
            self.hopeless = True
        path = self._put(container, event, None)
        self._stack.append(_Open(path, container))

    def _put(self, value: Any, event: Event, written: str | None) -> Path_:
        """Set a value where it belongs; gives back its path."""
        path: Path_ = ()
        if self._stack:
            top = self._stack[-1]
            if isinstance(top.container, list):
                path = (*top.path, len(top.container))
                top.container.append(value)
            elif top.key is not None:
                path = (*top.path, top.key)
                top.container[top.key] = value
                top.key = None
        else:
            self.document.data = value
        self.document.values[path] = _mark(event)
        if written is not None and not isinstance(value, str):
            self.document.source[path] = written
        return path

    def _problem(self, event: Event, code: str, message: str) -> None:
        line, column = _mark(event)
        self.problems.found.append(Problem(self.document.file, line, column, code, message))


@dataclass(slots=True)
class _Open:
    """A list or mapping that has begun and not ended."""

    path: Path_
    container: Any
    key: str | None = None


def _mark(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


_INTEGER = re.compile(r"[-+]?[0-9]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_OCTAL = re.compile(r"0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def resolve(plain: str) -> str | int | float | bool | None:
    """A plain scalar by YAML 1.2's core schema: `no`, `off` and `12:30` are strings, `02E1` is the float 20.0."""
    if plain in _WORDS:
        return _WORDS[plain]
    if _INTEGER.fullmatch(plain):
        return int(plain) if len(plain) < 40 else plain
    if _HEX.fullmatch(plain):
        return int(plain, 16)
    if _OCTAL.fullmatch(plain):
        return int(plain[2:], 8)
    if _FLOAT.fullmatch(plain):
        return float(plain)
    return plain
