"""Runs what stands in tables and overlays as tests: inline examples, and dumps that are replayed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bridge.authoring.replay import Playback, moments, run_replay
from bridge.authoring.words import outcome_of_view
from bridge.echonet.dump import Dump
from bridge.mapping.examples import run_examples
from bridge.mapping.load import Mappings, default_folder
from bridge.mapping.meterexamples import run_meter_examples
from bridge.mapping.overlay import OverlaySource
from bridge.mapping.table import TableSource
from bridge.mapping.yamlfile import Document, Problem, Problems

#: Beside the folders of tables and overlays, a folder may hold their dumps here.
DUMPS: Final = "dumps"
_NO_EXAMPLE: Final = "NO-EXAMPLE"
_PARTS: Final = frozenset({"tables", "vendors"})


@dataclass(frozen=True)
class Tested:
    """One file: how many tests stand in it, and what is wrong."""

    file: str
    examples: int
    replays: int
    moments: int
    problems: tuple[Problem, ...]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "file": self.file,
            "examples": self.examples,
            "replays": self.replays,
            "moments": self.moments,
            "problems": [
                {"file": p.file, "line": p.line, "column": p.column, "code": p.code, "message": p.message}
                for p in self.problems
            ],
        }


def run_tests(mappings: Mappings) -> Iterator[Tested]:
    """Every file that was asked for, in the order of their names."""
    for source in sorted(mappings.sources, key=lambda each: each.document.file):
        if source.document.file in mappings.asked:
            yield _table(source, mappings)
    for header in sorted(mappings.overlays.headers.values(), key=lambda each: each.file):
        if header.file in mappings.asked:
            yield _overlay(mappings.overlays.source(header.id), mappings)
    for meter in sorted(mappings.meter_sources, key=lambda each: each.document.file):
        if meter.document.file in mappings.asked:
            found = run_meter_examples(meter)
            yield Tested(meter.document.file, len(meter.model.examples), 0, 0, tuple(found))


def _table(source: TableSource, mappings: Mappings) -> Tested:
    file, model = source.document.file, source.model
    done, failed = run_replays(source, source.document, model.replays, mappings)
    problems = sorted([*run_examples(source), *failed])
    return Tested(file, len(model.examples), len(model.replays), done, tuple(problems))


def _overlay(source: OverlaySource, mappings: Mappings) -> Tested:
    """An overlay's own tests. Of the rows only its own need an example: the others have theirs in the table."""
    own, model = source.own.file, source.overlay
    found = [problem for problem in run_examples(source) if problem.code != _NO_EXAMPLE or problem.file == own]
    done, failed = run_replays(source, source.own, model.replays, mappings)
    return Tested(own, len(model.examples), len(model.replays), done, tuple(sorted([*found, *failed])))


def run_replays(
    source: TableSource, document: Document, replays: Iterable[Any], mappings: Mappings
) -> tuple[int, list[Problem]]:
    """The replays of one file against a table: how many moments were looked at, and what is wrong."""
    problems = Problems()
    done = 0
    for index, replay in enumerate(replays):
        folder = folder_of(document.file, replay.dump, mappings)
        done += len(run_replay(source, document, ("replays", index), replay, folder, problems))
    return done, problems.found


def folder_of(file: str, dump: str, mappings: Mappings) -> Path:
    """Where a file's dump lies: beside it, or in the `dumps/` of its folder."""
    path = real_path(file, mappings)
    shared = path.parent.parent / DUMPS
    if path.parent.name in _PARTS and not (path.parent / dump).exists() and (shared / dump).exists():
        return shared
    return path.parent


def real_path(file: str, mappings: Mappings) -> Path:
    """The path of a file that goes by its short name where it is a shipped one."""
    short = Path(file)
    if not short.exists() and mappings.folder == default_folder() and len(short.parts) == len(("", "", "")):
        return mappings.folder.joinpath(*short.parts[1:])
    return short


@dataclass(frozen=True)
class Said:
    """What a table says from one moment of a dump on: only what differs from the moment before."""

    t: int
    words: dict[str, tuple[str, str]]  # answer and rule, by section


def walk_through(source: TableSource, dump: Dump) -> Iterator[Said]:
    """What a table says all through a dump, as if nothing were wanted of the unit."""
    playback = Playback(source.table, dump)
    before: dict[str, tuple[str, str]] = {}
    for t in moments(dump):
        outcome = outcome_of_view(source, playback.at(t))
        decision = outcome.decision
        answers = {
            "plug": decision.plug,
            "connector": decision.connector,
            "chargingState": decision.charging_state,
        }
        now = {name: (str(each.value or "keep"), each.rule) for name, each in answers.items()}
        if decision.fault is not None:
            now["fault"] = (decision.fault.code, decision.fault.description)
        changed = {name: said for name, said in now.items() if before.get(name) != said}
        if changed:
            yield Said(t, changed)
        before = now
