"""The part of an overlay's page that a table's page does not have: which units it is for, and what it changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from bridge.authoring.docsexamples import written
from bridge.authoring.page import Break, Code, Japanese, Line, Link, Page, joined, line, row
from bridge.authoring.phrases import range_text
from bridge.mapping.overlay import OverlaySource
from bridge.mapping.overlaymodel import ChangeModel, MatchModel, OwnPropertyModel

_VERBS = ("override", "add", "remove")
#: A value that is longer is left to the file.
_LONGEST = 300


def overlay_name(source: OverlaySource) -> str:
    """The name of an overlay's page."""
    return f"overlay-{source.header.id}"


def add_overlay(page: Page, source: OverlaySource) -> None:
    """Which units an overlay is for, on what it stands, and each of its changes."""
    model = source.overlay
    page.heading(2, "Which units it is for", "match")
    page.paragraph("An overlay on the table of ", Link(f"table-{model.class_code}", f"class {model.class_code}"),
                   *_parents(source), ". Below stands what comes of it as a whole.")  # fmt: skip
    page.bullets(_match(model.match))
    page.heading(2, "What it changes", "changes")
    rows = [
        row(Code(next(str(path) for verb in _VERBS if (path := getattr(each, verb)) is not None)),
            _change(each), each.why or "", _place(source, index))
        for index, each in enumerate(model.changes)
    ]  # fmt: skip
    page.table("Changes", ("What", "Change", "Why", "Rule"), rows)
    own = [row(Code(each.add or each.override or ""), _own(each), each.why or "") for each in model.properties]
    page.table("Properties of its own", ("Property", "Form", "Why"), own)


def _parents(source: OverlaySource) -> Iterator[str | Code | Link]:
    for parent in source.chain[:-1]:
        yield ", and on "
        yield Link(f"overlay-{parent}", Code(parent))


def _match(match: MatchModel) -> Iterator[Line]:
    """Nothing for a key that is not given."""
    if match.manufacturer is not None:
        yield line("maker ", Code(match.manufacturer), " (0x8A)")
    if match.product_code is not None:
        codes = match.product_code if isinstance(match.product_code, list) else [match.product_code]
        yield line("product ", joined([(Code(code),) for code in codes], ", ", " or "), " (0x8C)")
    if match.release is not None:
        yield (range_text(match.release),)
    if match.firmware is not None:
        yield line("firmware ", Code(match.firmware))


def _change(change: ChangeModel) -> Line:
    placed = [f"{key} {value}" for key in ("before", "after") if (value := getattr(change, key)) is not None]
    place = ", ".join([*placed, *(["last"] if change.last else [])])
    if change.remove is not None:
        return ("is taken out",)
    verb = "becomes" if change.override is not None else "is added"
    text = written(change.value) if change.value is not None else ""
    shown: Line = (Code(text),) if len(text) <= _LONGEST else ("see the file",)
    return line(verb, f" {place}" if place else "", *((": ", *shown) if text else ()))


def _own(model: OwnPropertyModel) -> Line:
    names = [str(model.value[key]) for key in ("epc", "en") if key in model.value]
    japanese = (Break(), Japanese(str(model.value["ja"]))) if "ja" in model.value else ()
    return line(", ".join(names), *japanese)


def _place(source: OverlaySource, index: int) -> Line:
    number = source.own.position(("changes", index))[0]
    return (Code(f"{PurePath(source.own.file).name}:{number}"),)
