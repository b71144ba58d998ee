"""Plays a dump against a table: what the table says at moments of it is held against what is expected.

A dump tells what the unit told and when; what only a gateway knows (what is wanted, who is authorized) is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bridge.authoring.words import ExampleError, Outcome, changed_view, compare, outcome_of_view
from bridge.echonet.dump import CONTROLLER, Dump, DumpError, Record, read_dump
from bridge.echonet.frame import Service
from bridge.echonet.wellknown import STANDARD_VERSION
from bridge.mapping.decision import Fact, View
from bridge.mapping.model import ReplayModel
from bridge.mapping.quantity import milliseconds
from bridge.mapping.table import CompiledTable, TableSource
from bridge.mapping.yamlfile import Document, Path_, Problems

#: The time (monotonic ms) of a dump's first moment: what had been told before it is as old as it.
START: Final = 1_000_000
_WRITES: Final = frozenset({Service.SET_I, Service.SET_C, Service.SET_GET})
_ANNOUNCES: Final = frozenset({Service.INF, Service.INFC})
_OWN: Final = ("at", "given", "receive")


class Playback:
    """A dump as views, moment by moment. Views go forward only; `seen` is kept over them as a gateway does."""

    def __init__(self, table: CompiledTable, dump: Dump) -> None:
        self._table = table
        self._records = list(dump.records)
        self._next = 0
        told = dump.values_at().get(STANDARD_VERSION, b"")
        self._view = View(
            now=START,
            release=table.release(told) or dump.header.release,
            gettable=dump.header.maps.get("get", frozenset()),
            settable=dump.header.maps.get("set", frozenset()),
            announced=dump.header.maps.get("inf", frozenset()),
        )

    def at(self, t: int) -> View:
        """The view `t` ms after the dump's beginning."""
        while self._next < len(self._records) and self._records[self._next].t <= t:
            self._take(self._records[self._next])
            self._next += 1
        self._view = replace(self._view, now=START + t)
        return self._view

    def _take(self, record: Record) -> None:
        at = START + record.t
        view = self._view
        frame = record.frame
        wrote = dict(view.wrote)
        if frame is not None and record.sender == CONTROLLER and frame.service in _WRITES:
            wrote.update({epc: at for epc, edt in frame.properties if edt})
        announced = frame is not None and frame.service in _ANNOUNCES
        facts = {epc: fact for epc, fact in view.facts.items() if epc not in record.refused}
        facts.update({epc: Fact(edt, at, announced) for epc, edt in record.values.items()})
        refused = (view.refused | record.refused) - record.values.keys()
        after = replace(view, now=at, facts=facts, refused=frozenset(refused), wrote=wrote)
        self._view = replace(after, seen=after.seen | self._table.decide(after).seen)


@dataclass(frozen=True)
class Replayed:
    """One moment of a replay: where it stands, and what the table said."""

    path: Path_
    t: int
    outcome: Outcome


def run_replay(
    source: TableSource, document: Document, path: Path_, model: ReplayModel, folder: Path, problems: Problems
) -> list[Replayed]:
    """One replay; what is otherwise than expected goes to `problems`. Dumps lie in `folder` or below it."""
    try:
        dump = read_dump(_confined(folder, model.dump))
    except DumpError as error:
        problems.add(document, (*path, "dump"), "DUMP", str(error))
        return []
    return play(source, document, path, model, dump, problems)


def play(
    source: TableSource, document: Document, path: Path_, model: ReplayModel, dump: Dump, problems: Problems
) -> list[Replayed]:
    """The same with a dump that has been read."""
    if dump.header.class_code != source.table.class_code:
        text = f"the dump is of class 0x{dump.header.class_code:04X}, this is for 0x{source.table.class_code:04X}"
        problems.add(document, (*path, "dump"), "DUMP-CLASS", text)
        return []
    end = max((record.t for record in dump.records), default=0)
    playback, done = Playback(source.table, dump), []
    last = 0
    for index, moment in enumerate(model.expect):
        where: Path_ = (*path, "expect", index)
        t = _moment(moment, end, document, where, problems)
        if t is None:
            continue
        if t < last:
            text = f"{moment['at']} is before the moment above it - sort by time"
            problems.add(document, (*where, "at"), "REPLAY-ORDER", text)
            continue
        last = t
        outcome = _outcome(source, playback.at(t), model, moment, document, where, problems)
        if outcome is not None:
            expect = {key: value for key, value in moment.items() if key not in _OWN}
            compare(document, where, expect, outcome, problems)
            done.append(Replayed(where, t, outcome))
    return done


def _outcome(
    source: TableSource,
    view: View,
    model: ReplayModel,
    moment: Mapping[str, Any],
    document: Document,
    where: Path_,
    problems: Problems,
) -> Outcome | None:
    given = [*_parts(model.given), *_parts(moment.get("given", ()))]
    try:
        return outcome_of_view(source, changed_view(source, view, given, moment.get("receive")))
    except (ExampleError, AttributeError, TypeError) as error:
        problems.add(document, where, "EXAMPLE", str(error))
        return None


def _moment(moment: Mapping[str, Any], end: int, document: Document, where: Path_, problems: Problems) -> int | None:
    """When (ms); None if the time is none, which is noted."""
    at = moment.get("at")
    if at is None:
        return end
    try:
        return milliseconds(str(at))
    except ValueError as error:
        problems.add(document, (*where, "at"), "QUANTITY", str(error))
        return None


def _parts(given: Any) -> Iterator[Any]:
    yield from given if isinstance(given, list | tuple) else [given]


def _confined(folder: Path, name: str) -> Path:
    """A file in a folder or below it.

    Raises:
        DumpError: it lies elsewhere.
    """
    root = folder.resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise DumpError(f"{name}: lies outside {folder} - keep dumps in that folder or below it")
    return path


def moments(dump: Dump) -> Iterable[int]:
    """When (ms) something was told: for those who want to see the whole dump."""
    return dict.fromkeys(record.t for record in dump.records)
