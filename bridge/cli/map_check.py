"""`ocpp-echonet map check`: proves tables and overlays over all situations, and runs their examples."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from bridge.mapping.load import Mappings
    from bridge.mapping.proof.prove import Proof, Shown
    from bridge.mapping.table import TableSource
    from bridge.mapping.yamlfile import Problem

#: Of the JSON document; it grows with keys that change their meaning.
_VERSION: Final = 1
_NO_EXAMPLE: Final = "NO-EXAMPLE"
_LINE: Final = re.compile(r"(?P<file>.+?):(?P<line>\d+):(?P<column>\d+): (?P<code>[A-Z][A-Z0-9-]+) (?P<message>.*)")
_DESCRIPTION: Final = """\
Proves that tables and overlays (each laid over its table) are right in every situation that can be, not in samples:
each has an answer, no row is dead, no write leaves its range, all are allowed and read back, every wait ends, every
value is thought of, a stop is always possible, goals can be reached, requests are short enough. Then runs the examples.
What is wrong is told as file:line:col: CODE message, with the situation in which it shows, as values and on the wire,
the rows that have to do with it, what to mend, and an example to paste."""


def register(tools: Any) -> None:
    """Add the tool to the parser."""
    parser = tools.add_parser(
        "check",
        help="prove that tables and overlays are right in every situation",
        description=_DESCRIPTION,
        epilog="exit codes: 0 all is proved, 1 something is wrong, 2 wrong command line. The codes are explained by "
        "`ocpp-echonet map docs --codes`.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files, or a folder (default: the shipped)")
    parser.add_argument(
        "--format", choices=("text", "json", "github"), default="text", help="github: annotations of a workflow"
    )
    parser.add_argument("--quiet", action="store_true", help="only what is wrong, a line each")
    parser.set_defaults(run=run)


@dataclass(frozen=True)
class Checked:
    """All that was found, and over how much."""

    shown: tuple[Shown, ...] = ()
    proofs: tuple[Proof, ...] = ()
    tables: int = 0
    overlays: int = 0
    meters: int = 0
    examples: int = 0
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """For machines; the keys are stable."""
        return {
            "check": _VERSION,
            "ok": not self.shown,
            "problems": [each.as_json() for each in self.shown],
            "proved": {
                "tables": self.tables,
                "overlays": self.overlays,
                "meters": self.meters,
                "rows": sum(proof.rows for proof in self.proofs),
                "situations": sum(proof.situations for proof in self.proofs),
                "examples": self.examples,
                "seconds": round(self.seconds, 2),
                "files": [
                    {"file": p.file, "rows": p.rows, "situations": p.situations, "times": list(p.times)}
                    for p in self.proofs
                ],
            },
        }


def run(options: argparse.Namespace) -> int:
    """Check; 1 if anything is wrong."""
    checked = check(options.paths)
    lines = {"json": _as_json, "github": _as_github, "text": _as_text}[options.format](checked, options.quiet)
    for line in lines:
        print(line)
    return 1 if checked.shown else 0


def check(paths: Sequence[Path]) -> Checked:
    """Load, prove and try. Files that cannot be loaded are not proved: their mistakes are what is found."""
    from bridge.clock import stopwatch
    from bridge.errors import MappingError
    from bridge.mapping.load import load_paths
    from bridge.mapping.overlay import OverlaySource
    from bridge.mapping.proof.prove_all import asked_sources, prove_all

    seconds = stopwatch()
    try:
        mappings = load_paths(paths)
    except MappingError as reason:
        return Checked(tuple(_mistakes(str(reason))), seconds=seconds())
    sources = asked_sources(mappings)
    proofs = prove_all(mappings, sources)
    tried, examples = _examples(mappings, sources)
    overlays = sum(isinstance(source, OverlaySource) for source in sources)
    return Checked(
        tuple(_once([each for proof in proofs for each in proof.shown] + tried)),
        tuple(proofs),
        tables=len(sources) - overlays,
        overlays=overlays,
        meters=sum(meter.document.file in mappings.asked for meter in mappings.meter_sources),
        examples=examples,
        seconds=seconds(),
    )


def _mistakes(text: str) -> Iterator[Shown]:
    """What could not be loaded: a line each, of which those with a place are told by it."""
    from bridge.mapping.proof.prove import Shown
    from bridge.mapping.yamlfile import Problem

    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            yield Shown(Problem(line.partition(": ")[0], 1, 1, "FILE", line.partition(": ")[2] or line))
        else:
            place = int(found["line"]), int(found["column"])
            yield Shown(Problem(found["file"], *place, found["code"], found["message"]))


def _examples(mappings: Mappings, sources: Iterable[TableSource]) -> tuple[list[Shown], int]:
    """What examples say otherwise, and how many there are. Of an overlay's rows only its own need one."""
    from bridge.mapping.examples import run_examples
    from bridge.mapping.meterexamples import run_meter_examples
    from bridge.mapping.overlay import OverlaySource
    from bridge.mapping.proof.prove import Shown

    found, count = [], 0
    for source in sources:
        own = source.own.file if isinstance(source, OverlaySource) else source.document.file
        count += len(source.overlay.examples if isinstance(source, OverlaySource) else source.model.examples)
        found += [each for each in run_examples(source) if each.code != _NO_EXAMPLE or each.file == own]
    for meter in mappings.meter_sources:
        if meter.document.file in mappings.asked:
            count += len(meter.model.examples)
            found += run_meter_examples(meter)
    return [Shown(problem) for problem in found], count


def _once(shown: Iterable[Shown]) -> list[Shown]:
    """What an overlay has from its table is told of the table alone."""
    known: dict[Problem, Shown] = {}
    for each in shown:
        bare = replace(each.problem, message=each.problem.message.partition(" (with the overlay ")[0])
        known.setdefault(bare, each)
    return sorted(known.values(), key=lambda each: each.problem)


# How it is told -------------------------------------------------------------------------------------------------


def _as_text(checked: Checked, quiet: bool) -> Iterator[str]:
    for each in checked.shown:
        yield str(each.problem)
        if not quiet:
            yield from (f"    {line}" for line in _explained(each))
    if quiet:
        return
    told: set[str] = set()  # an overlay's times only where they are others than its table's
    for proof in checked.proofs:
        yield from (f"{proof.file}: {line}" for line in proof.times if line not in told)
        told.update(proof.times)
    yield summary(checked)


def _explained(each: Shown) -> Iterator[str]:
    situation = each.situation
    if situation is not None:
        if situation.values:
            yield f"situation: {situation.shown}"
        yield f"on the wire: {situation.frames}"
        if situation.unlike:
            yield f"(as near as a unit can be: it cannot be given {', '.join(situation.unlike)})"
    for place, row in each.rows:
        yield f"row: {place} {row}"
    if each.mend:
        yield f"mend: {each.mend}"
    if each.example:
        yield f"example: {each.example}"


def summary(checked: Checked) -> str:
    """One line that says what was proved."""
    found = len(checked.shown)
    verdict = "all is well" if not found else f"{found} thing{'s' if found > 1 else ''} to mend"
    if not checked.proofs and not checked.meters:
        return f"{verdict}; nothing was proved in {checked.seconds:.1f} s"
    situations = sum(proof.situations for proof in checked.proofs)
    rows = sum(proof.rows for proof in checked.proofs)
    parts = ((checked.tables, "table"), (checked.overlays, "overlay"), (checked.meters, "meter"))
    what = ", ".join(f"{number} {name}{'s' if number > 1 else ''}" for number, name in parts if number)
    return (
        f"{verdict}: {what} ({rows} rows, ways and gates) over {situations:.2g} situations, and {checked.examples} "
        f"examples, in {checked.seconds:.1f} s"
    )


def _as_json(checked: Checked, quiet: bool) -> Iterator[str]:
    del quiet  # it is one document
    yield json.dumps(checked.as_json(), ensure_ascii=False, indent=2)


def _as_github(checked: Checked, quiet: bool) -> Iterator[str]:
    for each in checked.shown:
        problem = each.problem
        text = "\n".join([problem.message, *([] if quiet else _explained(each))])
        yield (
            f"::error file={_property(problem.file)},line={problem.line},col={problem.column},"
            f"title={_property(problem.code)}::{_message(text)}"
        )
    if not quiet:
        yield f"::notice title=map check::{_message(summary(checked))}"


def _message(text: str) -> str:
    """As the commands of a GitHub workflow want it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
