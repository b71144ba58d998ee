"""`ocpp-echonet map diff A B`: where two tables decide differently."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.mapping.table import TableSource

_DESCRIPTION = """\
Compares two tables of one class over every situation that either can tell apart: plug, connector status, charging
state, what each setpoint comes to and writes, when it is confirmed, what is measured and polled. A and B are files of
tables or overlays, or folders laid out like mappings/ (then every class that both hold is compared); of an overlay it
is the table with the overlay on it. With A alone an overlay is compared with its parent, a table with the shipped one.
What differs only in words (ids, reasons, line numbers) is no difference."""


def register(tools: Any) -> None:
    """Add the tool to the parser."""
    parser = tools.add_parser(
        "diff",
        help="show where two tables decide differently",
        description=_DESCRIPTION,
        epilog="exit codes: 0 they always decide the same, 1 they differ (or one has mistakes), 2 wrong command line",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("a", type=Path, metavar="A", help="a file or a folder")
    parser.add_argument("b", type=Path, metavar="B", nargs="?", help="the other (default: A's parent)")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compare; 1 if anything differs."""
    from bridge.authoring.diff import diff, pair_of

    mine = _sources(options.a)
    pairs = pair_of(mine, _sources(options.b)) if options.b is not None else [(_parent(each), each) for each in mine]
    found = [diff(one, other) for one, other in pairs]
    if options.format == "json":
        print(json.dumps({"tables": [each.as_json() for each in found]}, ensure_ascii=False, indent=2))
    else:
        for each in found:
            for line in each.as_text():
                print(line)
    return 0 if all(each.same for each in found) else 1


def _sources(path: Path) -> list[TableSource]:
    """The tables that a path stands for: those of a folder, or the one of a file."""
    from bridge.mapping.load import load_paths

    mappings = load_paths([path])
    asked = [
        source for source in (*mappings.overlay_sources, *mappings.sources) if source.document.file in mappings.asked
    ]
    return list(mappings.sources) if path.is_dir() else asked


def _parent(source: TableSource) -> TableSource:
    """What an overlay stands on; of a table the shipped one for its class."""
    from bridge.authoring.tables import source_of
    from bridge.mapping.load import load_mappings
    from bridge.mapping.overlay import OverlaySource

    shipped = load_mappings()
    above = source.chain[-2] if isinstance(source, OverlaySource) and len(source.chain) > 1 else None
    if above is not None:
        return shipped.overlays.source(above)
    return source_of(shipped, source.table.class_code)
