"""A document put together from several files, in which every value still knows where it was written.

`tree` turns a document into nodes that carry their own place, so that parts of several files can be put side by side;
`flatten` turns the result back into a `Document`. What is built from that names, for each rule and each mistake, the
file and the line in which it really stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any, NamedTuple

from bridge.mapping.yamlfile import Document, Path_, Problem
from bridge.records import dataclass


class Place(NamedTuple):
    """Where something was written; line and column count from 1."""

    file: str
    line: int
    column: int


@dataclass(slots=True)
class Node:
    """A value with its place: a scalar, or nodes by key or in order. `key` is the place of the key before it."""

    value: Any
    at: Place
    key: Place | None = None
    written: str | None = None

    def plain(self) -> Any:
        """The value alone."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def copy(self) -> Node:
        """Another tree of the same content, which can be changed alone."""
        value = self.value
        if isinstance(value, dict):
            value = {name: node.copy() for name, node in value.items()}
        elif isinstance(value, list):
            value = [node.copy() for node in value]
        return Node(value, self.at, self.key, self.written)


@dataclass(slots=True)
class Layered(Document):
    """A document whose values stand in several files. `file` and `text` are those of the last file laid over.

    `files`: the file of each value; `key_files`: of each key. `texts`: the content of every file that has a part in it.
    """

    files: dict[Path_, str] = field(default_factory=dict)
    key_files: dict[Path_, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    def file_at(self, path: Iterable[str | int]) -> str:
        """The file in which the value at a path stands, or the nearest thing around it."""
        return self.files.get(self._found(path), self.file)

    def place(self, path: Iterable[str | int]) -> str:
        """As `Document.place`, with the value's own file."""
        steps = tuple(path)
        return f"{self.file_at(steps)}:{self.position(steps)[0]}"

    def problem(self, path: Iterable[str | int], code: str, message: str, *, at_key: bool = False) -> Problem:
        """As `Document.problem`, with the value's own file."""
        steps = tuple(path)
        line, column = self.key_position(steps) if at_key else self.position(steps)
        found = self._found(steps)
        file = self.key_files[found] if at_key and found in self.keys else self.files.get(found, self.file)
        return Problem(file, line, column, code, message)

    def _found(self, path: Iterable[str | int]) -> Path_:
        """The part of a path that exists; a step that does not (a union's member) is left out."""
        found: Path_ = ()
        for step in path:
            if (*found, step) in self.values:
                found = (*found, step)
        return found


def tree(document: Document) -> Node:
    """A document as nodes."""
    files = document.files if isinstance(document, Layered) else {}
    key_files = document.key_files if isinstance(document, Layered) else {}
    file, values, keys, written = document.file, document.values, document.keys, document.source.get

    def node(path: Path_, data: Any) -> Node:
        value = data
        if isinstance(data, dict):
            value = {name: node((*path, name), part) for name, part in data.items()}
        elif isinstance(data, list):
            value = [node((*path, index), part) for index, part in enumerate(data)]
        at = Place(files.get(path, file), *values.get(path, (1, 1)))  # of an empty file there is no place
        key = Place(key_files.get(path, file), *keys[path]) if path in keys else None
        return Node(value, at, key, written(path))

    return node((), document.data)


def flatten(root: Node, file: str, texts: Mapping[str, str]) -> Layered:
    """Nodes as a document that is called `file`, which must be among `texts`."""
    layered = Layered(file, root.plain(), text=texts[file], texts=texts)
    for path, node in _walk((), root):
        layered.values[path] = (node.at.line, node.at.column)
        layered.files[path] = node.at.file
        if node.key is not None:
            layered.keys[path] = (node.key.line, node.key.column)
            layered.key_files[path] = node.key.file
        if node.written is not None:
            layered.source[path] = node.written
    return layered


def _walk(path: Path_, node: Node) -> Iterator[tuple[Path_, Node]]:
    yield path, node
    if isinstance(node.value, dict):
        for name, part in node.value.items():
            yield from _walk((*path, name), part)
    elif isinstance(node.value, list):
        for index, part in enumerate(node.value):
            yield from _walk((*path, index), part)
