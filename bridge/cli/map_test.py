"""`ocpp-echonet map test`: the examples and replays that stand in tables and overlays."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.authoring.testing import Tested
    from bridge.mapping.load import Mappings

_DESCRIPTION = """\
Runs every example that stands in the tables and overlays, and replays the dumps that they name (`replays:`). What is
otherwise than expected is told as file:line:col with what was found and which rows decided. With --dump, shows what the
tables say all through a dump; nothing is expected of it."""


def register(tools: Any) -> None:
    """Add the tool to the parser."""
    parser = tools.add_parser(
        "test",
        help="run the examples and the replays of tables and overlays",
        description=_DESCRIPTION,
        epilog="exit codes: 0 all as expected, 1 something is not, 2 wrong command line",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files, or a folder (default: the shipped)")
    parser.add_argument("--dump", action="append", default=[], type=Path, metavar="FILE", help="walk through a dump")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run them; 1 if anything is otherwise than expected."""
    from bridge.authoring.testing import run_tests
    from bridge.mapping.load import load_paths

    mappings = load_paths(options.paths)
    if options.dump:
        return _walk(options, mappings)
    tested = list(run_tests(mappings))
    lines = _as_json(tested) if options.format == "json" else _as_text(tested)
    for line in lines:
        print(line)
    return 1 if any(each.problems for each in tested) else 0


def _as_json(tested: Sequence[Tested]) -> Iterator[str]:
    failed = sum(len(each.problems) for each in tested)
    yield json.dumps({"files": [each.as_json() for each in tested], "failed": failed}, ensure_ascii=False, indent=2)


def _as_text(tested: Sequence[Tested]) -> Iterator[str]:
    for each in tested:
        for problem in each.problems:
            yield str(problem)
    for each in tested:
        counts = f"{each.examples} examples"
        if each.replays:
            counts += f", {each.replays} replays at {each.moments} moments"
        yield f"{'FAILED' if each.problems else 'ok':<7} {each.file}: {counts}" + (
            f", {len(each.problems)} not as expected" if each.problems else ""
        )
    if not tested:
        yield "nothing to test: no table or overlay among these files"


def _walk(options: argparse.Namespace, mappings: Mappings) -> int:
    from bridge.authoring.tables import source_for_dump
    from bridge.authoring.testing import walk_through
    from bridge.echonet.dump import read_dump

    for path in options.dump:
        dump = read_dump(path)
        source = source_for_dump(mappings, dump)
        if options.format == "text":
            print(f"{path}: class 0x{dump.header.class_code:04X}, Release {dump.header.release}")
        for said in walk_through(source, dump):
            if options.format == "json":
                words = {name: {"answer": answer, "rule": rule} for name, (answer, rule) in said.words.items()}
                print(json.dumps({"dump": str(path), "t": said.t, **words}, ensure_ascii=False))
                continue
            for name, (answer, rule) in said.words.items():
                print(f"{said.t / 1000:9.3f}  {name:<14} {answer:<14} {rule}")
    return 0
