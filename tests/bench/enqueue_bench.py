"""How many transaction events a second become durable, beside bare SQLite that commits as much.

`burst`: every station of a gateway has an event at the same time, again and again, as when the power comes back: what
waits while a commit is under way shares the next one. `one_by_one`: one station, one commit an event. fsync is on, as
in production.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge.station.messages import (
    Measurand,
    MeterValue,
    ReadingContext,
    SampledValue,
    Transaction,
    TransactionEvent,
    TransactionEventRequest,
    TriggerReason,
)
from bridge.station.messages.text import to_text
from bridge.station.messages.v201 import Adapter
from bridge.store import schema
from bridge.store.port import TransactionRow
from bridge.store.sqlite import SqliteStore, open_store

_STATE = json.dumps({"transaction_id": "t" * 36, "charging_state": "Charging", "authorized": True, "connected": True})
_STAMP = datetime(2026, 1, 5, 3, 17, tzinfo=UTC)


def text_of(adapter: Adapter, number: int) -> str:
    """An Updated event with the values of a minute."""
    values = tuple(
        SampledValue(float(number), context=ReadingContext.SAMPLE_PERIODIC, measurand=measurand)
        for measurand in (Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, Measurand.POWER_ACTIVE_IMPORT, Measurand.SOC)
    )
    event = TransactionEventRequest(
        event_type=TransactionEvent.UPDATED,
        timestamp=_STAMP,
        trigger_reason=TriggerReason.METER_VALUE_PERIODIC,
        seq_no=number,
        transaction_info=Transaction(transaction_id="t" * 36),
        meter_value=(MeterValue(values, _STAMP),),
    )
    return to_text(adapter, event)


async def _station(store: SqliteStore, name: str, events: int) -> None:
    """One event after the other, each made, kept and durable before the next."""
    adapter = Adapter()
    for number in range(events):
        await store.record(name, TransactionRow("t" * 36, 1, number, _STATE), text_of(adapter, number))


async def rate(folder: Path, stations: int, events: int) -> dict[str, float]:
    """Durable events a second of so many stations at the same time, and what one costs of the processor (us)."""
    store = await open_store(folder / f"{stations}.sqlite3")
    try:
        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(_station(store, f"S{number:03}", events) for number in range(stations)))
        took, spent = time.perf_counter() - began, time.process_time() - cpu
        kept = [len(await store.pending(f"S{number:03}")) for number in range(stations)]
    finally:
        await store.close()
    assert kept == [events] * stations
    return {"per_s": stations * events / took, "cpu_us": spent * 1e6 / (stations * events)}


def floor(path: Path, batch: int, batches: int, text: str) -> dict[str, float]:
    """The same rows by bare SQLite: so many in a commit."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        schema.migrate(connection)
        began, cpu = time.perf_counter(), time.process_time()
        for number in range(batches):
            connection.execute("BEGIN")
            for station in range(batch):
                name = f"S{station:03}"
                connection.execute(
                    "INSERT INTO event (station, transaction_id, seq_no, payload) VALUES (?, ?, ?, ?)",
                    (name, "t" * 36, number, text),
                )
                connection.execute(
                    "INSERT OR REPLACE INTO open_transaction (station, transaction_id, evse_id, seq_no, state) "
                    "VALUES (?, ?, 1, ?, ?)",
                    (name, "t" * 36, number + 1, _STATE),
                )
            connection.execute("COMMIT")
        took, spent = time.perf_counter() - began, time.process_time() - cpu
    return {"per_s": batch * batches / took, "cpu_us": spent * 1e6 / (batch * batches)}


async def measure(folder: Path, rounds: int = 3) -> dict[str, Any]:
    """In turns, and the best of each: neighbours only slow."""
    text = text_of(Adapter(), 1)
    found: dict[str, dict[str, Any]] = {}
    for name, stations, events in (("burst", 200, 50), ("one_by_one", 1, 1_000)):
        ours, bare = [], []
        for number in range(rounds):
            here = folder / f"{name}-{number}"
            here.mkdir(parents=True)
            ours.append(await rate(here, stations, events))
            bare.append(floor(here / "bare.sqlite3", stations, events, text))
        found[name] = {"ours": _best(ours), "bare": _best(bare)}
    return {"bytes": len(text), **found}


def _best(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    return {"per_s": max(run["per_s"] for run in runs), "cpu_us": min(run["cpu_us"] for run in runs)}
