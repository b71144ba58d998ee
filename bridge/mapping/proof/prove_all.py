"""Proves several tables at once, each in a process of its own where the machine can do that."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_all_start_methods, get_context
from typing import Final

from bridge.mapping.load import Mappings
from bridge.mapping.overlay import OverlaySource
from bridge.mapping.proof.prove import Proof, proof_of
from bridge.mapping.table import TableSource

_MOST_WORKERS: Final = 4
#: What the workers prove: compiled conditions cannot be sent to another process, but a fork has them already.
_tasks: list[tuple[TableSource, frozenset[str] | None]] = []


def asked_sources(mappings: Mappings) -> list[TableSource]:
    """The tables that were asked for, and the overlays, each laid over its table."""
    tables = [source for source in mappings.sources if source.document.file in mappings.asked]
    return [*tables, *(source for source in mappings.overlay_sources if source.own.file in mappings.asked)]


def prove_all(mappings: Mappings, sources: Sequence[TableSource]) -> list[Proof]:
    """The proofs, in the order of the tables."""
    tasks = [(source, releases_of(mappings, source)) for source in sources]
    workers = min(len(tasks), os.cpu_count() or 1, _MOST_WORKERS)
    if workers < 2 or "fork" not in get_all_start_methods():
        return [proof_of(*task) for task in tasks]
    _tasks[:] = tasks
    try:
        with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
            return list(pool.map(_prove, range(len(tasks))))
    finally:
        _tasks.clear()


def _prove(number: int) -> Proof:
    return proof_of(*_tasks[number])


def releases_of(mappings: Mappings, source: TableSource) -> frozenset[str] | None:
    """The releases of the units that an overlay and its parents are for."""
    return mappings.overlays.match(source.header.id).release if isinstance(source, OverlaySource) else None
