"""`ocpp-echonet dump`: what a unit tells and what passes, in a file that can be shared and replayed."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping
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
        with _Out(options.out) as out:

            def heard(event: Mapping[str, Any]) -> None:
                if event["event"] == "line":
                    out.write(event["line"])
                elif event["event"] == "trouble":
                    note(str(event["text"]))

            try:
                result = await way.ask(request, heard)
            except asyncio.CancelledError:
                note(f"\n{out.told(options.raw)}; it is shorter than it would have been")
                raise
        note(out.told(not result["redacted"]))
        if result["left_out"]:
            note(f"{result['left_out']} datagrams that are no frames were left out: what is private in them is unknown")
        return OK

    return perform(options, main)


def _unwritable(path: Path) -> str | None:
    """Why there can be no file, as far as that is seen before it is made."""
    if path.is_dir():
        return "it is a folder"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    return None if os.access(path if path.exists() else path.parent, os.W_OK) else "permission denied"


class _Out:
    """Where the lines go. A file is made with the first of them, so that a mistake costs nobody an earlier dump."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._lines = 0
        if path is not None and (why := _unwritable(path)) is not None:
            raise WayError(f"{path} cannot be written: {why}; choose another --out")

    def __enter__(self) -> _Out:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, line: Any) -> None:
        """One line, at once."""
        text = json.dumps(line, ensure_ascii=False) + "\n"
        self._lines += 1
        if self._path is None:
            sys.stdout.write(text)
            sys.stdout.flush()
            return
        try:
            self._file = self._file or self._path.open("w", encoding="utf-8")
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            raise WayError(f"{self._path} cannot be written: {error.strerror}; choose another --out") from error

    def told(self, raw: bool) -> str:
        """What was written, for a person."""
        where = f" to {self._path}" if self._path is not None else ""
        kind = "NOT redacted: it names this device and the car, do not share it" if raw else "redacted"
        return f"{self._lines} lines{where}, {kind}"
