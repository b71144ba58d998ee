"""Changes each row and each value of the shipped tables, one at a time, and asks who notices: the mutation score.

A change is caught if the table no longer compiles (`form`), if one of its own examples fails (`example`), or if a proof
of `map check` objects (`proof`). What nobody notices must stand in `table_mutants.yaml` with the reason why it is the
same table, or why that is accepted; what stands there and is caught, or is no change any more, is an error too.

    python tests/tools/table_mutants.py [--jobs N] [--only TEXT ...] [--sample N] [--quick]

`--quick` leaves the proofs out; `--only` takes changes whose name holds a text. A whole run writes
`table_mutants.result.md`. Exit code 0: at least 95 % are caught, and the list of the others is right.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bridge.errors import BridgeError
from bridge.mapping import examples
from bridge.mapping.compile import compile_table
from bridge.mapping.examples import run_examples
from bridge.mapping.files import VendorFile
from bridge.mapping.identity import identity_of
from bridge.mapping.load import Mappings, load_mappings
from bridge.mapping.meter import MeterSource
from bridge.mapping.metercompile import compile_meter_table
from bridge.mapping.meterexamples import run_meter_examples
from bridge.mapping.metermodel import MeterTableModel
from bridge.mapping.model import TableModel
from bridge.mapping.overlay import Overlays, OverlaySource
from bridge.mapping.overlaycheck import misplaced, ties
from bridge.mapping.overlayexamples import run_overlay_examples
from bridge.mapping.overlayheader import read_header
from bridge.mapping.proof.meaning import Meaning
from bridge.mapping.proof.prove import LAWS
from bridge.mapping.table import TableSource
from bridge.mapping.yamlfile import Document, Problem, Problems, check
from tests.tools.table_mutations import Change, Words, changes, labels, overlay_changes

HERE = Path(__file__).resolve().parent
LIST = HERE / "table_mutants.yaml"
RESULT = HERE / "table_mutants.result.md"
WANTED = 0.95

SURVIVED, FORM, EXAMPLE, PROOF = "survived", "form", "example", "proof"
#: Laws that walk through all situations, and the sections that they look at: what is changed elsewhere is not shown to
#: them. (If one looked further, more would be caught than is counted here.)
_ROWS = frozenset({"plug", "terms", "StatusNotification", "chargingState"})
_SETPOINTS = frozenset({"plug", "terms", "setpoints"})
_SLOW = {
    "total": _ROWS,
    "in_range": _SETPOINTS,
    "orders_stand": _SETPOINTS,
    "rest_is_told": _SETPOINTS | {"chargingState"},
    "energy_is_told": _SETPOINTS | {"chargingState"},
}
#: So many examples that have failed last are asked first.
_SHARP = 40


@dataclass(frozen=True)
class Mutant:
    """A change of one file. `key` is its name for ever."""

    file: str
    change: Change

    @property
    def key(self) -> str:
        return f"{Path(self.file).stem} {self.change.key}"


@dataclass(frozen=True)
class Verdict:
    """Who noticed: one of the words above, and what was said."""

    key: str
    kind: str
    outcome: str
    told: str = ""
    seconds: float = 0.0


# The mutants ------------------------------------------------------------------------------------------------------


@cache
def mappings() -> Mappings:
    """The shipped ones."""
    return load_mappings()


@cache
def mutants() -> tuple[Mutant, ...]:
    """All of them, in the order of the files."""
    found = [*_of_tables(), *_of_meters(), *_of_overlays()]
    return tuple({mutant.key: mutant for mutant in found}.values())


def _of_tables() -> Iterator[Mutant]:
    for source in mappings().sources:
        data = source.document.data
        words = Words(source.table.device, data.get("terms", {}))
        yield from (Mutant(source.document.file, change) for change in changes(data, words))


def _of_meters() -> Iterator[Mutant]:
    for source in mappings().meter_sources:
        words = Words(source.table.device, {})
        yield from (Mutant(source.document.file, change) for change in changes(source.document.data, words))


def _of_overlays() -> Iterator[Mutant]:
    for source in mappings().overlay_sources:
        data = source.document.data
        words = Words(source.table.device, data.get("terms", {}))
        found = overlay_changes(source.own.data, words, lambda path, data=data: _ids(data, path))
        yield from (Mutant(source.own.file, change) for change in found)


def _ids(data: Any, path: str) -> list[str]:
    for step in path.split("."):
        data = data[labels(data).index(step)] if isinstance(data, list) else data[step]
    return labels(data)


# Judging ----------------------------------------------------------------------------------------------------------


def judge(mutant: Mutant, *, proofs: bool = True) -> Verdict:
    """Who notices a change."""
    began = time.perf_counter()
    outcome, told = _noticed(mutant, proofs)
    return Verdict(mutant.key, mutant.change.kind, outcome, told, round(time.perf_counter() - began, 3))


def _noticed(mutant: Mutant, proofs: bool) -> tuple[str, str]:
    known = mappings()
    for meter in known.meter_sources:
        if meter.document.file == mutant.file:
            return _judge_meter(meter, mutant)
    for source in known.sources:
        if source.document.file == mutant.file:
            return _judge_table(source, mutant, proofs)
    overlay = next(source for source in known.overlay_sources if source.own.file == mutant.file)
    return _judge_overlay(overlay, mutant, proofs)


def _document(document: Document, data: Any) -> Document:
    return Document(document.file, data, document.values, document.keys, document.source, document.text)


def _judge_meter(source: MeterSource, mutant: Mutant) -> tuple[str, str]:
    document, problems = _document(source.document, mutant.change.make()), Problems()
    model = check(document, MeterTableModel, problems)
    table = compile_meter_table(document, model, source.table.device, "", problems) if model else None
    if model is None or table is None:
        return FORM, _first(problems.found)
    found = run_meter_examples(MeterSource(table, model, document))
    return (EXAMPLE, _first(found)) if found else (SURVIVED, "")


def _judge_table(source: TableSource, mutant: Mutant, proofs: bool) -> tuple[str, str]:
    document, problems = _document(source.document, mutant.change.make()), Problems()
    model = check(document, TableModel, problems)
    if model is None:
        return FORM, _first(problems.found)
    nodes: dict[Any, Any] = {}
    identity_of(document, model.identity, source.table.device, problems)
    table = compile_table(document, model, source.table.device, "", problems, nodes)
    if table is None or problems.found:
        return FORM, _first(problems.found)
    return _asked(TableSource(table, model, document, nodes), mutant, _failing, None, proofs)


#: The examples that have failed last, which are asked first: neighbours are often caught by the same.
_sharp: dict[str, list[int]] = {}


def _failing(source: TableSource) -> list[Problem]:
    """The first example that fails; as `run_examples` else."""
    sharp = _sharp.setdefault(source.document.file, [])
    for index in sharp:
        problems = Problems()
        examples._run(source, ("examples", index), source.model.examples[index], problems)
        if problems.found:
            sharp.remove(index)
            sharp.insert(0, index)
            return problems.found
    answered: set[tuple[str, str]] = set()
    for index, example in enumerate(source.model.examples):
        problems = Problems()
        answered |= examples._run(source, ("examples", index), example, problems)
        if problems.found:
            sharp.insert(0, index)
            del sharp[_SHARP:]
            return problems.found
    return (
        []
        if answered >= {(section, row) for section, _, row in examples._row_ids(source.table)}
        else run_examples(source)
    )


def _judge_overlay(source: OverlaySource, mutant: Mutant, proofs: bool) -> tuple[str, str]:
    known = mappings().overlays
    document = _document(source.own, mutant.change.make())
    headers = {**known.headers, source.header.id: read_header(VendorFile(document.file, document.text, document))}
    overlays = Overlays(headers.values(), known.bases)
    wrong = [problem for _, problem in misplaced(overlays, mappings().classes, list(headers))]
    wrong += ties(overlays, mappings().classes)
    try:
        changed = overlays.source(source.header.id)
    except BridgeError as reason:
        return FORM, str(reason).splitlines()[0]
    if wrong:
        return FORM, _first(wrong)
    return _asked(changed, mutant, run_overlay_examples, overlays.match(source.header.id).release, proofs)


def _asked(
    source: Any,
    mutant: Mutant,
    run: Callable[[Any], list[Problem]],
    releases: frozenset[str] | None,
    proofs: bool,
) -> tuple[str, str]:
    try:
        found = run(source)
    except BridgeError as reason:  # a section that has no row for an example
        return EXAMPLE, str(reason)
    if found:
        return EXAMPLE, _first(found)
    meaning = Meaning(source, releases=releases)
    for law in _laws(mutant) if proofs else ():
        if finding := next(iter(law(meaning)), None):
            return PROOF, f"{finding.code} {finding.text}"
    return SURVIVED, ""


def _laws(mutant: Mutant) -> Iterable[Any]:
    """Quick ones first; of those that walk through everything only those that look there."""
    section = _section(mutant.key)
    laws = [law for law in LAWS if section in _SLOW.get(law.__name__, {section})]
    return sorted(laws, key=lambda law: law.__name__ in _SLOW)


def _first(found: Sequence[Problem]) -> str:
    return str(found[0]) if found else ""


# The list of those that nobody notices ----------------------------------------------------------------------------


def accepted() -> dict[str, str]:
    """The changes that nobody has to notice, each with its reason."""
    found: dict[str, str] = {}
    for group in YAML(typ="safe").load(LIST.read_text(encoding="utf-8")) or ():
        for key in group["changes"]:
            if key in found:
                raise SystemExit(f"{LIST.name}: {key} stands there twice")
            found[key] = group["why"].strip()
    return found


def faults(verdicts: Sequence[Verdict], *, whole: bool) -> list[str]:
    """What is wrong with the list."""
    known = accepted()
    found = [f"nobody notices {v.key}" for v in verdicts if v.outcome == SURVIVED and v.key not in known]
    found += [
        f"{v.key} is caught now, but stands in {LIST.name}: {v.told}"
        for v in verdicts
        if v.outcome != SURVIVED and v.key in known
    ]
    if whole:
        gone = known.keys() - {v.key for v in verdicts}
        found += [f"{key} is no change any more, but stands in {LIST.name}" for key in sorted(gone)]
    return found


# The run ----------------------------------------------------------------------------------------------------------


def judge_all(chosen: Sequence[Mutant], jobs: int, *, proofs: bool = True) -> Iterator[Verdict]:
    """Each of them; the processes are forks, which have all tables already."""
    mappings()
    if jobs < 2:
        yield from (judge(mutant, proofs=proofs) for mutant in chosen)
        return
    _chosen[:] = [(mutant, proofs) for mutant in chosen]
    with ProcessPoolExecutor(jobs, mp_context=get_context("fork")) as pool:
        yield from pool.map(_judge, range(len(chosen)), chunksize=8)


_chosen: list[tuple[Mutant, bool]] = []


def _judge(number: int) -> Verdict:
    mutant, proofs = _chosen[number]
    return judge(mutant, proofs=proofs)


def sample(count: int, seed: int) -> list[Mutant]:
    """Some of them, the same ones for the same seed."""
    return random.Random(seed).sample(mutants(), count)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script; gives back its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1, help="so many processes (1)")
    parser.add_argument("--only", nargs="+", metavar="TEXT", default=[], help="changes whose name holds one of these")
    parser.add_argument("--sample", type=int, metavar="N", help="only so many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="without the proofs")
    given = parser.parse_args(arguments)
    chosen = sample(given.sample, given.seed) if given.sample else list(mutants())
    chosen = [mutant for mutant in chosen if not given.only or any(text in mutant.key for text in given.only)]
    whole = not (given.only or given.sample or given.quick)
    verdicts = []
    for number, verdict in enumerate(judge_all(chosen, given.jobs, proofs=not given.quick), 1):
        verdicts.append(verdict)
        if verdict.outcome == SURVIVED:
            print(f"{number:5} survived  {verdict.key}", flush=True)
    wrong = [] if given.quick else faults(verdicts, whole=whole)
    for fault in wrong:
        print(fault)
    score = _score(verdicts)
    print(f"{len(verdicts)} changes, {score:.2%} caught: {dict(Counter(v.outcome for v in verdicts))}")
    if whole:
        RESULT.write_text(report(verdicts), encoding="utf-8")
    return 0 if score >= WANTED and not wrong else 1


def _score(verdicts: Sequence[Verdict]) -> float:
    return sum(v.outcome != SURVIVED for v in verdicts) / max(1, len(verdicts))


# The result -------------------------------------------------------------------------------------------------------


def report(verdicts: Sequence[Verdict]) -> str:
    """The last result, for people."""
    meant = [v for v in verdicts if v.outcome != FORM]
    lines = [
        "# Mutation score of the shipped tables",
        "",
        "Made by `python tests/tools/table_mutants.py --jobs 2`: each row and each value of the shipped tables, meters "
        "and overlays",
        "changed one at a time. `form`: the table is refused as it is written; `example`: one of its examples fails; "
        "`proof`: `map check`",
        "objects. What is left is listed with its reason in `table_mutants.yaml`.",
        "",
        f"**{_score(verdicts):.2%}** of {len(verdicts)} changes are caught; of the {len(meant)} that are well-formed "
        f"tables still {_score(meant):.2%}.",
        "",
        *_counts("Table", verdicts, lambda v: v.key.partition(" ")[0]),
        "",
        *_counts("Change", verdicts, lambda v: v.kind),
        "",
        *_counts("Section", verdicts, lambda v: _section(v.key)),
        "",
        "## Not caught",
        "",
        *_survivors(verdicts),
    ]
    return "\n".join(lines) + "\n"


def _section(key: str) -> str:
    """The section of a table in which something is changed, by an overlay too."""
    return key.partition(" ")[2].removeprefix("changes.").replace(":", ".").partition(".")[0]


def _counts(title: str, verdicts: Sequence[Verdict], group: Callable[[Verdict], str]) -> Iterator[str]:
    by: dict[str, Counter[str]] = {}
    for verdict in verdicts:
        by.setdefault(group(verdict), Counter())[verdict.outcome] += 1
    yield f"| {title} | changes | form | example | proof | not caught |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for name, count in by.items():
        numbers = " | ".join(str(count[word]) for word in (FORM, EXAMPLE, PROOF, SURVIVED))
        yield f"| {name} | {count.total()} | {numbers} |"


def _survivors(verdicts: Sequence[Verdict]) -> Iterator[str]:
    known = accepted()
    by_reason: dict[str, list[str]] = {}
    for verdict in verdicts:
        if verdict.outcome == SURVIVED:
            by_reason.setdefault(known.get(verdict.key, "no reason is given"), []).append(verdict.key)
    for reason, keys in by_reason.items():
        yield f"- {' '.join(reason.split())}"
        yield from (f"  - `{key}`" for key in keys)


__all__ = ["Mutant", "Verdict", "judge", "judge_all", "mutants", "sample"]

if __name__ == "__main__":
    sys.exit(main())
