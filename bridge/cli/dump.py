"""`ocpp-echonet dump`: what a unit tells and what passes, in a file that can be shared and replayed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TextIO

from bridge.cli.probe import add_unit
from bridge.cli.way import EXIT_CODES, OK, Way, WayError, add_options, note, perform


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "dump",
        help="write what a unit tells into a file, redacted and replayable",
        description="Reads everything from a unit, listens for a while, and writes each frame as a line of JSON. What "
        "names a person, a car or this one device (identification numbers, serial numbers, vehicle id, position, "
        "addresses) is replaced, the same by the same, unless --raw. Nothing is written to the unit.",
        epilog=f"{EXIT_CODES}. The first line says what the unit is; the format stands in bridge/echonet/dump.py.",
    )
    add_unit(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write here instead of to standard output")
    parser.add_argument("--seconds", type=float, default=10, metavar="N", help="how long to listen (default 10)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--redact", dest="raw", action="store_false", help="replace what is private (the default)")
    how.add_argument("--raw", dest="raw", action="store_true", help="leave everything as it is: do not share it")
    add_options(parser)
    parser.set_defaults(run=run, raw=False)


def run(options: argparse.Namespace) -> int:
    """Record and write."""

    async def main(way: Way) -> int:
        note(f"recording {options.unit} for {options.seconds:g} s {way.described}")
        request = {
            "do": "dump",
            "unit": options.unit,
            "network": options.network,
            "seconds": options.seconds,
            "raw": options.raw,
        }
        with _opened(options.out) as out:

            def write(event: Mapping[str, Any]) -> None:
                if event["event"] == "line":
                    out.write(json.dumps(event["line"], ensure_ascii=False) + "\n")
                    out.flush()
                elif event["event"] == "trouble":
                    note(str(event["text"]))

            result = await way.ask(request, write)
        where = f" to {options.out}" if options.out is not None else ""
        kind = "redacted" if result["redacted"] else "NOT redacted: it names this device and the car, do not share it"
        note(f"{result['lines']} lines{where}, {kind}")
        if result["left_out"]:
            note(f"{result['left_out']} datagrams that are no frames were left out: what is private in them is unknown")
        return OK

    return perform(options, main)


def _opened(path: Path | None) -> Any:
    if path is None:
        return nullcontext(sys.stdout)
    try:
        out: TextIO = path.open("w", encoding="utf-8")
    except OSError as error:
        raise WayError(f"{path} cannot be written: {error.strerror}; choose another --out") from error
    return out
