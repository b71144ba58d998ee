"""YAML 1.2 with positions: what a person wrote, and where. A mistake is told as `file:line:col: CODE message`.

The values are built from the parser's events, not by a YAML library's constructor: so duplicate keys, anchors, aliases,
merge keys and tags are refused where they stand, nothing in a file can run code or grow without bound, and all
mistakes come out at once. The same reader serves mapping tables, dictionaries and the site configuration.
"""

from __future__ import annotations

import difflib
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import cache
from itertools import zip_longest
from math import isfinite
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from bridge.errors import BridgeError, MappingError
from bridge.mapping.rawfile import RawError, read_raw
from bridge.records import dataclass

MAX_DEPTH: Final = 32
#: So many mistakes of one file are told at once.
MAX_PROBLEMS: Final = 100
#: A name that is longer is no misspelt one, and comparing it would take long.
_LONGEST_NAME: Final = 80
_HEX_CODE: Final = "0x"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may hold: a wrong path (a log, a device) or a hostile file is refused soon and takes no memory.

    `nodes` counts keys and values, those around others too; `scalar` is the longest text of one, in characters.
    """

    bytes: int
    nodes: int
    scalar: int


#: No table that a person writes is larger; refusing one that is takes less than a second.
OF_A_TABLE: Final = Limits(bytes=500_000, nodes=20_000, scalar=4_000)
#: A site's configuration is its owner's own, and may be written by a program.
OF_A_SITE: Final = Limits(bytes=1_000_000, nodes=200_000, scalar=100_000)

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
        self._told: dict[str, int] = {}

    def add(
        self, document: Document, path: Iterable[str | int], code: str, message: str, *, at_key: bool = False
    ) -> None:
        """Note a mistake; of one file only so many."""
        told = self._told[document.file] = self._told.get(document.file, 0) + 1
        if told < MAX_PROBLEMS:
            self.found.append(document.problem(path, code, message, at_key=at_key))
        elif told == MAX_PROBLEMS:
            text = f"there are at least {MAX_PROBLEMS} mistakes; the rest is not told - mend these first"
            self.found.append(document.problem(path, "TOO-MANY-MISTAKES", text, at_key=at_key))

    def raise_as(self, error: type[BridgeError]) -> None:
        """Raise all that was found, in the order of the files' lines, or nothing if all is well."""
        if self.found:
            raise error("\n".join(str(problem) for problem in sorted(set(self.found))))


def nearest(name: str, names: Iterable[str]) -> str:
    """` - did you mean "x"?`, or nothing where no name is near."""
    if len(name) > _LONGEST_NAME:
        return ""
    if name.startswith(_HEX_CODE):  # all codes look alike: one is meant by another only where a digit differs
        alike = [each for each in names if _differing(name, each) == 1]
        return f' - did you mean "{difflib.get_close_matches(name, alike, n=1, cutoff=0)[0]}"?' if alike else ""
    known = {known.lower(): known for known in names if len(known) > 1}
    close = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return f' - did you mean "{known[close[0]]}"?' if close else ""


def _differing(one: str, other: str) -> int:
    """In how many characters two names differ."""
    return sum(a != b for a, b in zip_longest(one, other))


def load_yaml(
    path: Path | str,
    *,
    error: type[BridgeError] = MappingError,
    name: str | None = None,
    without: str | None = None,
    limits: Limits = OF_A_TABLE,
) -> Document:
    """Read a file. `error` is raised with every mistake in it; `name` is what messages call the file.

    `without`: a section that is not wanted; nothing of it is kept.
    """
    shown = name or str(path)
    raw = raw_yaml(path, shown, error=error, limits=limits)
    return parse_yaml(text_of(raw, shown, error=error), shown, error=error, without=without, limits=limits)


def raw_yaml(path: Path | str, name: str, *, error: type[BridgeError] = MappingError, limits: Limits) -> bytes:
    """A file as it is; `error` where it is none, cannot be read or is too large."""
    try:
        return read_raw(Path(path), limits.bytes)
    except RawError as reason:
        raise error(f"{name}:1:1: {reason.code} {reason}") from None


def text_of(raw: bytes, name: str, *, error: type[BridgeError] = MappingError) -> str:
    """A file's bytes as text; `error` where they are not UTF-8."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as reason:
        line = raw.count(b"\n", 0, reason.start) + 1
        what = "this is UTF-16" if raw[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else f"byte {reason.start} is not UTF-8"
        raise error(f"{name}:{line}:1: YAML-ENCODING {what} - save it as UTF-8") from None


def parse_yaml(
    text: str,
    name: str,
    *,
    error: type[BridgeError] = MappingError,
    without: str | None = None,
    limits: Limits = OF_A_TABLE,
) -> Document:
    """Read YAML from a string; see `load_yaml`."""
    from bridge.mapping.yamlbuild import build  # with the parser, which what is cached does not need

    if len(text) > limits.bytes:
        raise error(f"{name}:1:1: YAML-SIZE the text is larger than {limits.bytes} bytes")
    document = Document(name, text=text)
    build(document, limits, without).raise_as(error)
    return document


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
        checked: Model = _checker(model).validate_python(document.data)
        return checked
    except ValidationError as reason:
        from bridge.mapping.wording import explained  # only a file with mistakes needs the words for them

        found = reason.errors(include_url=False, include_context=True)
        problems.found += explained(document, model, found[:MAX_PROBLEMS])
        if len(found) > MAX_PROBLEMS:
            text = f"{len(found) - MAX_PROBLEMS} mistakes more than are told here - mend these first"
            problems.found.append(document.problem(found[MAX_PROBLEMS]["loc"], "TOO-MANY-MISTAKES", text))
    return None


@cache
def _checker(model: type[Model]) -> TypeAdapter[Model]:
    """What checks a model's documents. The class itself would keep it for ever."""
    return TypeAdapter(model)


def forget_checkers() -> None:
    """Let go what documents were checked with; it takes as much memory as a table, and is soon made again."""
    _checker.cache_clear()


#: Digits; what is longer is text.
_LONGEST_NUMBER: Final = 39
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
    if len(plain) > _LONGEST_NUMBER:
        return plain
    if _INTEGER.fullmatch(plain):
        return int(plain)
    if _HEX.fullmatch(plain):
        return int(plain, 16)
    if _OCTAL.fullmatch(plain):
        return int(plain[2:], 8)
    if _FLOAT.fullmatch(plain) and isfinite(float(plain)):
        return float(plain)
    return plain
