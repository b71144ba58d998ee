"""The head of an overlay file: what it is for. It is read without the changes, which a gateway mostly does not need."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field, replace
from pathlib import PurePath
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.errors import MappingError
from bridge.mapping.files import VendorFile
from bridge.mapping.model import ClassCode
from bridge.mapping.overlaymatch import Match, match_of
from bridge.mapping.overlaymodel import MatchModel, OverlayId
from bridge.mapping.packed import pack, unpack
from bridge.mapping.yamlfile import Document, Path_, Problem, Problems, check, parse_yaml
from bridge.records import dataclass

_HEAD: Final = frozenset({"mapping", "kind", "id", "class", "title", "parent", "match"})
_TOP_KEY: Final = re.compile(r"""["']?([A-Za-z]+)["']?\s*:""")
_CLASS: Final = re.compile(r"""^class:\s*["']?0x([0-9A-Fa-f]{4})\b""", re.MULTILINE)


class _HeadModel(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, defer_build=True)
    kind: Literal["overlay"]
    id: OverlayId
    class_code: ClassCode = Field(alias="class")
    parent: OverlayId | None = None
    match: MatchModel


@dataclass(frozen=True)
class Header:
    """What an overlay is for. `errors`: what is wrong with it; `unsure`: it may be for more or for other units.

    `place` is where its `match` stands. `content` is the file, as far as it is known: parsed, packed, or its text of
    which only the head has been read (`head`).
    """

    id: str
    file: str
    class_code: int | None
    parent: str | None
    match: Match
    place: str
    content: Document | str | bytes = field(repr=False)
    head: Document | None = field(default=None, repr=False)
    errors: tuple[str, ...] = ()
    unsure: bool = False

    def whole(self) -> Document:
        """The file with its places.

        Raises:
            MappingError: it is no YAML.
        """
        if isinstance(self.content, bytes):
            return unpack(self.content)
        return parse_yaml(self.content, self.file) if isinstance(self.content, str) else self.content

    def light(self) -> Header:
        """As small as it can be kept."""
        content = pack(self.content) if isinstance(self.content, Document) else self.content
        return replace(self, content=content, head=None)

    def problem(self, path: Path_, code: str, message: str) -> Problem:
        """A mistake in the head; where nothing can be read it is at the beginning."""
        document = self.head
        with suppress(MappingError):
            document = document or self.whole()
        return (document or Document(self.file)).problem(path, code, message)


def read_header(file: VendorFile) -> Header:
    """The head of a file; what cannot be read of it stands in `errors`, and the rest is still told.

    A mistake in what is not the head is not seen where the file has not been parsed, which takes much less time.
    """
    if file.document is not None:
        return _header(file.document)
    header = _head_alone(file.text, file.file)
    if file.errors:
        return replace(header, errors=file.errors)
    if header.errors:  # perhaps it is only laid out in another way
        with suppress(MappingError):
            return _header(parse_yaml(file.text, file.file))
    return header


def _head_alone(text: str, file: str) -> Header:
    try:
        return replace(_header(parse_yaml(head_of(text), file)), content=text)
    except MappingError as reason:
        found = _CLASS.search(text)
        number = int(found[1], 16) if found else None
        name = PurePath(file).stem
        return Header(
            name,
            file,
            number,
            None,
            Match(),
            f"{file}:1",
            text,
            None,
            tuple(str(reason).splitlines()),
            unsure=True,
        )


def _header(document: Document) -> Header:
    problems = Problems()
    model = check(document, _HeadModel, problems)
    errors = [str(problem) for problem in sorted(set(problems.found))]
    if model is None:
        return _as_far_as_readable(document, errors)
    match = match_of(model.match)
    if not match.keys:
        errors.append(str(document.problem(("match",), "MISSING-KEY", "it needs a key at least: for which units?")))
    code = int(model.class_code, 16)
    return Header(
        model.id,
        document.file,
        code,
        model.parent,
        match,
        document.place(("match",)),
        document,
        document,
        tuple(errors),
        unsure=not match.keys,
    )


def head_of(text: str) -> str:
    """The text with the lines of all other keys left empty, so that the places stay as they are."""
    kept, keep = [], True
    for line in text.splitlines():
        key = _TOP_KEY.match(line)
        if key is not None:
            keep = key[1] in _HEAD
        kept.append(line if keep else "")
    return "\n".join(kept)


def _as_far_as_readable(document: Document, errors: list[str]) -> Header:
    data: Mapping[str, Any] = document.data if isinstance(document.data, dict) else {}
    wrong = _wrong_keys(_HeadModel, data)
    match = data.get("match")
    readable: dict[str, Any] = {}
    if isinstance(match, dict):
        wrong_below = _wrong_keys(MatchModel, match)
        readable = {key: value for key, value in match.items() if key not in wrong_below}
    name = data.get("id")
    return Header(
        name if isinstance(name, str) and "id" not in wrong else PurePath(document.file).stem,
        document.file,
        None if "class" in wrong else int(data["class"], 16),
        None if "parent" in wrong else data.get("parent"),
        match_of(MatchModel.model_validate(readable)),
        document.place(("match",)),
        document,
        document,
        tuple(errors),
        unsure=True,
    )


def _wrong_keys(model: type[BaseModel], data: Mapping[str, Any]) -> set[object]:
    """The keys on which a model's validation fails."""
    try:
        model.model_validate(data)
    except ValidationError as reason:
        return {error["loc"][0] for error in reason.errors(include_url=False) if error["loc"]}
    return set()
