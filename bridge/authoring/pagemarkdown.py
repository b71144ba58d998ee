"""A page as Markdown (GitHub's)."""

from __future__ import annotations

import re
from typing import Final

from bridge.authoring.page import (
    Block,
    Break,
    Bullets,
    Code,
    Heading,
    Inline,
    Japanese,
    Line,
    Link,
    Listing,
    Page,
    Paragraph,
    Strong,
    Table,
)

#: What would be read as markup. A dash or a number matters only where a line begins.
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>|~#])")
_AT_START: Final = re.compile(r"^(\s*\d*)([-+=.)])")


def markdown(page: Page) -> str:
    """The whole file."""
    blocks = [f"# {_text(page.title)}", _GENERATED, _contents(page), *(_block(block) for block in page.blocks)]
    return "\n\n".join(block for block in blocks if block) + "\n"


_GENERATED: Final = "<!-- Made by `ocpp-echonet map docs`; changes are lost. -->"


def _contents(page: Page) -> str:
    return " · ".join(f"[{_line(section.text)}](#{section.anchor})" for section in page.sections())


def _block(block: Block) -> str:
    match block:
        case Heading(level, text, anchor):
            return f'<a id="{anchor}"></a>\n\n{"#" * level} {_line(text)}'
        case Paragraph(text):
            return _begun(text)
        case Bullets(items):
            return "\n".join(f"- {_begun(item)}" for item in items)
        case Listing(text):
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
            return f"{fence}\n{text}\n{fence}"
        case Table():
            return _table(block)


def _table(table: Table) -> str:
    heads = "| " + " | ".join(_text(head) for head in table.heads) + " |"
    rule = "| " + " | ".join("---" for _ in table.heads) + " |"
    rows = []
    for each in table.rows:
        anchor = f'<a id="{each.anchor}"></a>' if each.anchor else ""
        rows.append(f"| {anchor}" + " | ".join(_line(cell) for cell in each.cells) + " |")
    return "\n".join([heads, rule, *rows])


def _begun(parts: Line) -> str:
    """Text with which a line begins: `1.` and `-` would begin a list there."""
    return _AT_START.sub(r"\1\\\2", _line(parts))


def _line(parts: Line) -> str:
    return "".join(_inline(part) for part in parts)


def _inline(part: Inline) -> str:
    match part:
        case str():
            return _text(part)
        case Code(text):
            return _code(text)
        case Japanese(text):
            return f'<span lang="ja">{_text(text)}</span>'
        case Strong(text):
            return f"**{_text(text)}**"
        case Break():
            return "<br>"
        case Link(target, label):
            shown = _inline(label)
            return f"[{shown}]({target if target.startswith('#') else _page(target)})"


def _page(target: str) -> str:
    name, sign, anchor = target.partition("#")
    return f"{name}.md{sign}{anchor}"


def _text(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split("\n"))).replace("&", "&amp;")


def _code(text: str) -> str:
    """A code span; in tables a bar has to be escaped even there."""
    flat = " ".join(text.split("\n")).replace("|", "\\|")
    longest = max((len(run) for run in re.findall(r"`+", flat)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if flat[:1] == "`" or flat[-1:] == "`" else ""
    return f"{fence}{pad}{flat}{pad}{fence}" if flat else ""
