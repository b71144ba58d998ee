"""`ocpp-echonet map scaffold`: an overlay and a dump to begin with, from a unit on the bench."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bridge.cli.way import EXIT_CODES, OK, Way, add_options, note, perform
from bridge.errors import MappingError

_DESCRIPTION = """\
Reads everything that a unit tells (its release, maker and product code, its property maps and all values), listens for
a while, and writes two files: a redacted dump that can be replayed, and an overlay with what was found. What is certain
is a change in it, what somebody has to decide is a comment with a proposal. Both pass `map test` at once; then correct
what the overlay expects, and change it until it passes again. Nothing is written to the unit."""


def register(tools: Any) -> None:
    """Add the tool to the parser."""
    parser = tools.add_parser(
        "scaffold",
        help="write an overlay and a dump to begin with, from a live unit",
        description=_DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "unit", nargs="?", metavar="UNIT", help="a unit of the configuration, ADDRESS or ADDRESS:OBJECT"
    )
    parser.add_argument("--dump", type=Path, metavar="FILE", help="no unit: begin from a dump that was made before")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="write here (default: this folder)")
    parser.add_argument("--id", metavar="NAME", help="the overlay's id (default: after maker and product code)")
    parser.add_argument("--seconds", type=float, default=5, metavar="N", help="how long to listen (default 5)")
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read and write."""
    if (options.unit is None) == (options.dump is None):
        raise MappingError("scaffold: name a UNIT, or give --dump FILE")
    if options.dump is not None:
        return _write(options, options.dump.read_text("utf-8").splitlines() if options.dump.exists() else [])

    async def main(way: Way) -> int:
        note(f"reading {options.unit} for {options.seconds:g} s {way.described}")
        lines: list[str] = []

        def take(event: Mapping[str, Any]) -> None:
            if event["event"] == "line":
                lines.append(json.dumps(event["line"], ensure_ascii=False))
            elif event["event"] == "trouble":
                note(str(event["text"]))

        request = {"do": "dump", "unit": options.unit, "network": options.network, "seconds": options.seconds}
        await way.ask({**request, "raw": False}, take)
        return _write(options, lines)

    return perform(options, main)


def _write(options: argparse.Namespace, lines: list[str]) -> int:
    from bridge.authoring.scaffold import checked_id, default_id, overlay_text
    from bridge.authoring.tables import source_for_dump
    from bridge.echonet.dump import parse_dump
    from bridge.mapping.load import load_paths

    dump = parse_dump(lines, str(options.dump or options.unit))
    name = checked_id(options.id or default_id(dump))
    mappings = load_paths([options.mappings] if options.mappings else [])
    source = source_for_dump(mappings, dump, without=name)
    overlay, record = options.out / f"{name}.yaml", options.out / f"{name}.jsonl"
    taken = [str(path) for path in (overlay, record) if path.exists() and not options.force]
    if taken:
        raise MappingError(f"{', '.join(taken)}: exists already; choose another --id or --out, or say --force")
    text = overlay_text(source, dump, name, record.name)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        record.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        overlay.write_text(text, "utf-8")
    except OSError as error:
        raise MappingError(f"{options.out}: cannot be written to: {error.strerror}") from error
    print(f"wrote {overlay}: {_counted(text)}")
    print(f"wrote {record}: {len(lines)} lines, {'redacted' if dump.header.redacted else 'NOT redacted'}")
    print(f"next: ocpp-echonet map check {overlay} && ocpp-echonet map test {overlay}")
    return OK


def _counted(text: str) -> str:
    findings = len(re.findall(r"^# \d+\. ", text, re.MULTILINE))
    made = len(re.findall(r"^  - (?:add|override|remove): ", text, re.MULTILINE))
    return f"{findings} findings, {made} of them changes already"
