"""`ocpp-echonet map coverage`: what of a class its table uses, ignores or never mentions, and what is tested of it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.mapping.load import Mappings
    from bridge.mapping.table import TableSource

_DESCRIPTION = """\
Tells for every table, by release of the Appendix, which properties and values it uses (and where), ignores (and why:
its section `ignored`) or does not mention; and for every row, gate and way the examples that it answers. With --dump,
tells what a unit has told that the table of its class cannot decode."""


def register(tools: Any) -> None:
    """Add the tool to the parser."""
    parser = tools.add_parser(
        "coverage",
        help="tell what of a class its table uses, ignores, or never mentions",
        description=_DESCRIPTION,
        epilog="exit codes: 0 well, 1 a dump holds what cannot be decoded (or a file is wrong), 2 wrong command line",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files, or a folder (default: the shipped)")
    parser.add_argument("--release", metavar="LETTER", help="one release only, with all places")
    parser.add_argument("--dump", action="append", default=[], type=Path, metavar="FILE", help="what it cannot decode")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Tell it; 1 if a dump holds what cannot be decoded."""
    from bridge.authoring.coverage import as_text, coverage_of
    from bridge.mapping.load import load_paths

    mappings = load_paths(options.paths)
    if options.dump:
        return _dumps(options, mappings)
    try:
        found = [coverage_of(source, options.release) for source in _asked(mappings, options.release)]
    except ValueError as reason:
        print(reason, file=sys.stderr)
        return 2
    if options.format == "json":
        print(json.dumps({"tables": [each.as_json() for each in found]}, ensure_ascii=False, indent=2))
        return 0
    for number, each in enumerate(found):
        print(*([""] if number else []), *as_text(each, detailed=options.release is not None), sep="\n")
    return 0


def _asked(mappings: Mappings, release: str | None) -> list[TableSource]:
    """The tables and overlays that were asked for; without files only those of classes that have the release."""
    sources = [source for source in (*mappings.sources, *mappings.overlay_sources) if _file(source) in mappings.asked]
    having = [source for source in sources if release is None or release in source.table.device.releases]
    return having or sources


def _file(source: TableSource) -> str:
    return source.document.file


def _dumps(options: argparse.Namespace, mappings: Mappings) -> int:
    from bridge.authoring.tables import source_of
    from bridge.authoring.undecoded import undecoded
    from bridge.echonet.dump import read_dump

    told = {}
    for path in options.dump:
        dump = read_dump(path)
        told[str(path)] = list(undecoded(source_of(mappings, dump.header.class_code), dump))
    if options.format == "json":
        print(
            json.dumps({"dumps": {path: [each.as_json() for each in found] for path, found in told.items()}}, indent=2)
        )
    else:
        for path, found in told.items():
            print(f"{path}: {len(found)} values that the table cannot decode")
            for each in found:
                print(f"  {each.text} (first {each.t / 1000:.3f} s from the beginning)")
    return 1 if any(told.values()) else 0
