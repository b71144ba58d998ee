"""Text in columns for terminals: widths as they are shown, where a Japanese character takes two."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

#: What fits on a line of a terminal of usual width.
WIDTH: Final = 100


def width_of(text: str) -> int:
    """How many columns a text takes."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)


def cut(text: str, width: int) -> str:
    """A text that takes at most so many columns, with a mark where something is missing."""
    return text if width_of(text) <= width else _head(text, width - 1) + "…"


def _head(text: str, width: int) -> str:
    """As much of the beginning as fits."""
    taken = 0
    for number, character in enumerate(text):
        taken += width_of(character)
        if taken > width:
            return text[:number]
    return text


def pad(text: str, width: int, *, right: bool = False) -> str:
    """A text that takes exactly so many columns."""
    text = cut(text, width)
    blank = " " * (width - width_of(text))
    return blank + text if right else text + blank


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most so many columns, broken between words; a longer word is broken where it has to be."""
    lines = [""]
    for word in text.split():
        while width_of(word) > width:
            head = _head(word, width) or word[0]
            lines.append(head)
            word = word[len(head) :]
        joined = f"{lines[-1]} {word}".strip()
        if width_of(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(word)
    return [line for line in lines if line] or [""]


def labelled(label: str, text: str, indent: int = 4, column: int = 12) -> Iterator[str]:
    """A label and its text, the text's further lines under its first."""
    for number, line in enumerate(wrap(text, WIDTH - indent - column)):
        yield " " * indent + pad(label if number == 0 else "", column) + line


def table(rows: Sequence[Sequence[str]], widths: Sequence[int], right: Sequence[int] = ()) -> Iterator[str]:
    """Rows in columns, two blanks between them; the columns of `right` are flush right."""
    for row in rows:
        cells = [pad(cell, width, right=n in right) for n, (cell, width) in enumerate(zip(row, widths, strict=True))]
        yield "  ".join(cells).rstrip()


def duration(milliseconds: float) -> str:
    """A time for people."""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 120_000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds / 60_000:.0f} min"
