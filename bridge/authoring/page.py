"""A page for people as data: headings, paragraphs, lists and tables, whatever it is written in afterwards.

Text is never marked up by hand: renderers (`pagemarkdown`, `pagehtml`) escape all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Code:
    """A name, a value or bytes, as they are written."""

    text: str


@dataclass(frozen=True, slots=True)
class Japanese:
    """Words in Japanese."""

    text: str


@dataclass(frozen=True, slots=True)
class Strong:
    """Words that matter most."""

    text: str


@dataclass(frozen=True, slots=True)
class Break:
    """A new line within a cell or a paragraph."""


@dataclass(frozen=True, slots=True)
class Link:
    """A way to an anchor of this page (`#power`) or to another page (`0x0000`, without its ending)."""

    target: str
    label: Code | str


Inline: TypeAlias = str | Code | Japanese | Strong | Break | Link
#: A piece of running text.
Line: TypeAlias = tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; `anchor` is what links to it name."""

    level: int
    text: Line
    anchor: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    text: Line


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list."""

    items: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """Lines as they are, in letters of one width."""

    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """Cells; `anchor` where links lead to it."""

    cells: tuple[Line, ...]
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under column heads; the first cell of a row is its head."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...]


Block: TypeAlias = Heading | Paragraph | Bullets | Listing | Table


@dataclass
class Page:
    """A page while it is put together. `name` is its file's name without an ending."""

    name: str
    title: str
    blocks: list[Block] = field(default_factory=list)

    def heading(self, level: int, text: Line | str, anchor: str) -> None:
        """Begin a section."""
        self.blocks.append(Heading(level, line(text), anchor))

    def paragraph(self, *parts: Inline | Line) -> None:
        """Say something; nothing where there is nothing to say."""
        if text := line(*parts):
            self.blocks.append(Paragraph(text))

    def bullets(self, items: Iterable[Line]) -> None:
        """A list; nothing where it is empty."""
        if found := tuple(items):
            self.blocks.append(Bullets(found))

    def table(self, caption: str, heads: Sequence[str], rows: Iterable[Row]) -> None:
        """A table; nothing where it has no rows."""
        if found := tuple(rows):
            self.blocks.append(Table(caption, tuple(heads), found))

    def sections(self) -> list[Heading]:
        """The headings of the second level."""
        return [block for block in self.blocks if isinstance(block, Heading) and block.level == 2]


def line(*parts: Inline | Line) -> Line:
    """One piece of text out of several."""
    found: list[Inline] = []
    for part in parts:
        found.extend(part if isinstance(part, tuple) else (part,))
    return tuple(part for part in found if part != "")


def joined(parts: Iterable[Line], between: Inline, last: Inline | None = None) -> Line:
    """`a, b and c`: `last` stands before the last one."""
    found = list(parts)
    result: list[Inline] = []
    for index, part in enumerate(found):
        if index:
            result.append(last if last is not None and index == len(found) - 1 else between)
        result.extend(part)
    return tuple(result)


def row(*cells: Inline | Line, anchor: str = "") -> Row:
    """A row of a table."""
    return Row(tuple(line(cell) for cell in cells), anchor)
