"""A page as one self-contained HTML file: no script, nothing from elsewhere, readable on paper and in the dark."""

from __future__ import annotations

from html import escape
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

_STYLE: Final = """
:root { color-scheme: light dark; --line: #c9ced6; --soft: #f3f5f8; --link: #0b57a4; --text: #1b1f24; --back: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --line: #424a55; --soft: #20262e; --link: #86b9f4; --text: #e3e7ec; --back: #14181d; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); margin: 0 auto;
       max-width: 76rem; padding: 1rem 1.5rem 4rem; }
h1, h2, h3 { line-height: 1.25; }
h2 { margin-top: 2.5rem; border-bottom: 2px solid var(--line); padding-bottom: .25rem; }
a { color: var(--link); }
a:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
code, pre { font: .9em ui-monospace, monospace; background: var(--soft); border-radius: 3px; }
code { padding: .05em .25em; overflow-wrap: break-word; }
pre { padding: .75rem; overflow-x: auto; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; list-style: none; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .93em; }
caption { text-align: left; font-weight: 600; padding: .4rem 0; }
th, td { border: 1px solid var(--line); padding: .35rem .55rem; text-align: left; vertical-align: top; }
thead th { background: var(--soft); }
tbody th { font-weight: 600; }
:target { background: var(--soft); outline: 2px solid var(--link); }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; }
  .wide { overflow: visible; }
  code { overflow-wrap: anywhere; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; }
}
""".strip()


def html(page: Page) -> str:
    """The whole file."""
    contents = "\n".join(
        f'<li><a href="#{escape(section.anchor)}">{_line(section.text)}</a></li>' for section in page.sections()
    )
    body = "\n".join(_block(block) for block in page.blocks)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>{escape(page.title)}</title>
<style>
{_STYLE}
</style>
</head>
<body>
<header><h1>{escape(page.title)}</h1></header>
<nav aria-label="Contents"><ul>
{contents}
</ul></nav>
<main>
{body}
</main>
</body>
</html>
"""


def _block(block: Block) -> str:
    match block:
        case Heading(level, text, anchor):
            return f'<h{level} id="{escape(anchor)}">{_line(text)}</h{level}>'
        case Paragraph(text):
            return f"<p>{_line(text)}</p>"
        case Bullets(items):
            return "<ul>\n" + "\n".join(f"<li>{_line(item)}</li>" for item in items) + "\n</ul>"
        case Listing(text):
            return f'<pre tabindex="0">{escape(text)}</pre>'
        case Table():
            return _table(block)


def _table(table: Table) -> str:
    heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in table.heads)
    rows = []
    for each in table.rows:
        identity = f' id="{escape(each.anchor)}"' if each.anchor else ""
        first, *others = (_line(cell) for cell in each.cells)
        cells = f'<th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in others)
        rows.append(f"<tr{identity}>{cells}</tr>")
    body = "\n".join(rows)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(table.caption)}"><table>\n'
        f"<caption>{escape(table.caption)}</caption>\n<thead><tr>{heads}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _line(parts: Line) -> str:
    return "".join(_inline(part) for part in parts)


def _inline(part: Inline) -> str:
    match part:
        case str():
            return escape(part)
        case Code(text):
            return f"<code>{escape(text)}</code>"
        case Japanese(text):
            return f'<span lang="ja">{escape(text)}</span>'
        case Strong(text):
            return f"<strong>{escape(text)}</strong>"
        case Break():
            return "<br/>"
        case Link(target, label):
            return f'<a href="{escape(_page(target))}">{_inline(label)}</a>'


def _page(target: str) -> str:
    if target.startswith("#"):
        return target
    name, sign, anchor = target.partition("#")
    return f"{name}.html{sign}{anchor}"
