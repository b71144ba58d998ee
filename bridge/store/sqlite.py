"""The store in one SQLite file (`bridge.store.port.Store`).

All work is done by one writer, in the order in which it was asked for; what waits while a commit is under way shares
the next one. A caller that is cancelled while it waits does not take its change back.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, cast

from bridge.errors import StoreError
from bridge.store.database import Database, Job, make_folder
from bridge.store.lock import StoreLock
from bridge.store.port import ProfileRow, QueuedEvent, Store, TransactionRow

MEMORY = Path(":memory:")


async def open_store(path: Path, *, inline: bool = False) -> SqliteStore:
    """Open (or make) the store at `path` for this process alone.

    `inline` does the work in the event loop's own thread, as the virtual clock needs it; `Path(":memory:")` keeps
    nothing. Raises `StoreError` when another gateway uses the file, when a newer one wrote it, when it is damaged, or
    when the disk does not let us.
    """
    lock = None
    if path != MEMORY:
        make_folder(path)
        lock = StoreLock(path)
    try:
        # Opened in this thread: nothing else runs yet, and what opening takes is not held by a second one.
        database = Database(str(path))
        pool = None if inline else ThreadPoolExecutor(1, thread_name_prefix="store")
        writer: _Writer = ThreadWriter(database, pool) if pool else InlineWriter(database)
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    return SqliteStore(writer, lock)


class _Writer(Protocol):
    @property
    def trouble(self) -> str | None:
        """See `Database.trouble`."""

    async def do(self, job: Job) -> Any:
        """Do a job; returns when it is durable, raises what it raised."""

    async def close(self) -> None:
        """Finish what was asked for, and close."""


class InlineWriter:
    """Works in the caller's thread: each job its own commit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def trouble(self) -> str | None:
        """See `Database.trouble`."""
        return self._database.trouble

    async def do(self, job: Job) -> Any:
        """See `_Writer`."""
        [result] = self._database.run([job])
        if isinstance(result, Exception):
            raise result
        return result

    async def close(self) -> None:
        """See `_Writer`."""
        self._database.close()


class ThreadWriter:
    """Works in a thread of its own. Callbacks, not tasks: the end of a program cancels tasks, and this must go on."""

    def __init__(self, database: Database, pool: ThreadPoolExecutor) -> None:
        self._database = database
        self._pool = pool
        self._waiting: list[tuple[Job, asyncio.Future[Any]]] = []
        self._running: asyncio.Future[Any] | None = None

    @property
    def trouble(self) -> str | None:
        """See `Database.trouble`."""
        return self._database.trouble

    async def do(self, job: Job) -> Any:
        """See `_Writer`."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, answer))
        self._go_on()
        return await answer

    def _go_on(self) -> None:
        if self._running is not None or not self._waiting:
            return
        batch, self._waiting = self._waiting, []
        jobs = [job for job, _ in batch]
        self._running = asyncio.get_running_loop().run_in_executor(self._pool, self._database.run, jobs)
        self._running.add_done_callback(lambda done: self._finished(batch, done))

    def _finished(self, batch: list[tuple[Job, asyncio.Future[Any]]], done: asyncio.Future[Any]) -> None:
        self._running = None
        error = done.exception()
        results = [error] * len(batch) if error is not None else done.result()
        for (_, answer), result in zip(batch, results, strict=True):
            if answer.done():  # its caller was cancelled
                continue
            if isinstance(result, BaseException):
                answer.set_exception(result)
            else:
                answer.set_result(result)
        if self._waiting:  # after those who have waited for this one: a write to a unit may be among what they do
            asyncio.get_running_loop().call_soon(self._go_on)

    async def close(self) -> None:
        """See `_Writer`."""
        while self._running is not None or self._waiting:
            self._go_on()
            if self._running is not None:
                await asyncio.wait([self._running])
        await asyncio.get_running_loop().run_in_executor(self._pool, self._database.close)
        self._pool.shutdown(wait=False)


class SqliteStore:
    """What `open_store` gives: see `bridge.store.port.Store` for the promises of each method."""

    def __init__(self, writer: _Writer, lock: StoreLock | None) -> None:
        self._writer = writer
        self._lock = lock
        self._closed = False

    @property
    def trouble(self) -> str | None:
        """What the last change failed by; None once one is durable again."""
        return self._writer.trouble

    async def _do(self, job: Job) -> Any:
        if self._closed:
            raise StoreError("the store is closed: nothing may be kept after the gateway's end")
        return await self._writer.do(job)

    async def record(self, station: str, transaction: TransactionRow, event: str, *, ends: bool = False) -> QueuedEvent:
        """Append the event and move the transaction's numbering on (or end it), in one commit.

        Refuses (`StoreError`) a number that is not the transaction's next one: a gap would be durable.
        """
        return cast(QueuedEvent, await self._do(lambda db: _record(db, station, transaction, event, ends)))

    async def update_transaction(self, station: str, transaction: TransactionRow) -> None:
        """Keep a transaction's state; its numbering stays as it is. Refuses one that is not (or no longer) open."""
        await self._do(lambda db: _update_transaction(db, station, transaction))

    async def transactions(self, station: str) -> Sequence[TransactionRow]:
        """The open ones."""
        query = "SELECT transaction_id, evse_id, seq_no, state FROM open_transaction WHERE station = ? ORDER BY 1"
        return [TransactionRow(*row) for row in await self._rows(query, station)]

    async def pending(self, station: str) -> Sequence[QueuedEvent]:
        """Events not answered yet, in order."""
        query = "SELECT key, transaction_id, seq_no, payload, attempts FROM event WHERE station = ? ORDER BY key"
        return [QueuedEvent(*row) for row in await self._rows(query, station)]

    async def enqueue(self, station: str, payload: str) -> QueuedEvent:
        """Append a message that belongs to no transaction."""
        return cast(QueuedEvent, await self._do(lambda db: _enqueue(db, station, payload)))

    async def event(self, station: str, key: int) -> str:
        """The payload of a message that waits. Refuses (`StoreError`) a key that is not there (any more)."""
        return cast(str, await self._do(lambda db: _payload(db, station, key)))

    async def attempted(self, station: str, key: int) -> None:
        """One more attempt to deliver an event; one that is gone already stays gone."""
        await self._change("UPDATE event SET attempts = attempts + 1 WHERE station = ? AND key = ?", station, key)

    async def answered(self, station: str, key: int) -> None:
        """The event may go; one that is gone already stays gone."""
        await self._change("DELETE FROM event WHERE station = ? AND key = ?", station, key)

    async def put_profile(self, station: str, profile: ProfileRow, replaces: Sequence[int] = ()) -> None:
        """Keep a profile, as the newest; one of the same id, and those named by `replaces`, go in the same commit."""
        await self._do(lambda db: _put_profile(db, station, profile, replaces))

    async def delete_profiles(self, station: str, profile_ids: Sequence[int]) -> None:
        """Forget profiles; unknown ids do not matter."""
        await self._do(lambda db: _delete_profiles(db, station, profile_ids))

    async def profiles(self, station: str) -> Sequence[ProfileRow]:
        """All profiles, in the order in which they came."""
        query = "SELECT profile_id, evse_id, transaction_id, payload FROM profile WHERE station = ? ORDER BY arrival"
        return [ProfileRow(*row) for row in await self._rows(query, station)]

    async def put_settings(self, station: str, settings: Mapping[str, str | None]) -> None:
        """Keep (or, None, delete) settings by name, all in one commit."""
        kept = dict(settings)  # the caller may change its own before the writer comes to it
        await self._do(lambda db: _put_settings(db, station, kept))

    async def settings(self, station: str) -> Mapping[str, str]:
        """All settings of a station."""
        return dict(await self._rows("SELECT name, value FROM setting WHERE station = ? ORDER BY name", station))

    async def put_authorizations(self, station: str, changed: Mapping[str, str | None]) -> None:
        """Keep (or, None, delete) what is known of tokens, all in one commit."""
        kept = dict(changed)
        await self._do(lambda db: _put_authorizations(db, station, kept))

    async def clear_authorizations(self, station: str) -> None:
        """Forget all that is known of a station's tokens."""
        await self._change("DELETE FROM authorization WHERE station = ?", station)

    async def authorizations(self, station: str) -> Mapping[str, str]:
        """All that is known of a station's tokens."""
        return dict(await self._rows("SELECT token, payload FROM authorization WHERE station = ? ORDER BY 1", station))

    async def close(self) -> None:
        """Checkpoint, close and let go of the lock. A second time does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            await self._writer.close()
        finally:
            if self._lock is not None:
                self._lock.release()

    async def _rows(self, query: str, station: str) -> list[tuple[Any, ...]]:
        return cast("list[tuple[Any, ...]]", await self._do(lambda db: db.execute(query, (station,)).fetchall()))

    async def _change(self, statement: str, *values: Any) -> None:
        await self._do(lambda db: _execute(db, statement, values))


def _execute(db: sqlite3.Connection, statement: str, values: tuple[Any, ...]) -> None:
    db.execute(statement, values)


def _record(db: sqlite3.Connection, station: str, transaction: TransactionRow, event: str, ends: bool) -> QueuedEvent:
    key = (station, transaction.transaction_id)
    known = db.execute("SELECT seq_no FROM open_transaction WHERE station = ? AND transaction_id = ?", key).fetchone()
    due = known[0] if known else 0
    if transaction.seq_no != due:
        raise StoreError(
            f"station {station}, transaction {transaction.transaction_id}: event number {transaction.seq_no} where "
            f"{due} comes next; nothing was kept"
        )
    cursor = db.execute(
        "INSERT INTO event (station, transaction_id, seq_no, payload) VALUES (?, ?, ?, ?)", (*key, due, event)
    )
    if ends:
        db.execute("DELETE FROM open_transaction WHERE station = ? AND transaction_id = ?", key)
    else:
        db.execute(
            "INSERT OR REPLACE INTO open_transaction (station, transaction_id, evse_id, seq_no, state) "
            "VALUES (?, ?, ?, ?, ?)",
            (*key, transaction.evse_id, due + 1, transaction.state),
        )
    return QueuedEvent(cast(int, cursor.lastrowid), transaction.transaction_id, due, event)


def _enqueue(db: sqlite3.Connection, station: str, payload: str) -> QueuedEvent:
    newest = db.execute("SELECT max(seq_no) FROM event WHERE station = ? AND transaction_id = ''", (station,))
    number = cast(int, (newest.fetchone()[0] or 0) + 1)
    cursor = db.execute(
        "INSERT INTO event (station, transaction_id, seq_no, payload) VALUES (?, '', ?, ?)", (station, number, payload)
    )
    return QueuedEvent(cast(int, cursor.lastrowid), "", number, payload)


def _payload(db: sqlite3.Connection, station: str, key: int) -> str:
    row = db.execute("SELECT payload FROM event WHERE station = ? AND key = ?", (station, key)).fetchone()
    if row is None:
        raise StoreError(f"station {station}: no message {key} waits any more")
    return cast(str, row[0])


def _update_transaction(db: sqlite3.Connection, station: str, transaction: TransactionRow) -> None:
    changed = db.execute(
        "UPDATE open_transaction SET evse_id = ?, state = ? WHERE station = ? AND transaction_id = ?",
        (transaction.evse_id, transaction.state, station, transaction.transaction_id),
    )
    if changed.rowcount == 1:
        return
    if transaction.seq_no != 0:
        raise StoreError(f"station {station}, transaction {transaction.transaction_id}: is not open; nothing was kept")
    db.execute(
        "INSERT INTO open_transaction (station, transaction_id, evse_id, seq_no, state) VALUES (?, ?, ?, 0, ?)",
        (station, transaction.transaction_id, transaction.evse_id, transaction.state),
    )


def _put_profile(db: sqlite3.Connection, station: str, profile: ProfileRow, replaces: Sequence[int]) -> None:
    _delete_profiles(db, station, [*replaces, profile.profile_id])
    db.execute(
        "INSERT INTO profile (station, profile_id, evse_id, transaction_id, payload) VALUES (?, ?, ?, ?, ?)",
        (station, profile.profile_id, profile.evse_id, profile.transaction_id, profile.payload),
    )


def _delete_profiles(db: sqlite3.Connection, station: str, profile_ids: Sequence[int]) -> None:
    rows = [(station, profile_id) for profile_id in profile_ids]
    db.executemany("DELETE FROM profile WHERE station = ? AND profile_id = ?", rows)


def _put_settings(db: sqlite3.Connection, station: str, settings: Mapping[str, str | None]) -> None:
    for name, value in settings.items():
        if value is None:
            db.execute("DELETE FROM setting WHERE station = ? AND name = ?", (station, name))
        else:
            db.execute("INSERT OR REPLACE INTO setting (station, name, value) VALUES (?, ?, ?)", (station, name, value))


def _put_authorizations(db: sqlite3.Connection, station: str, changed: Mapping[str, str | None]) -> None:
    gone = [(station, token) for token, payload in changed.items() if payload is None]
    kept = [(station, token, payload) for token, payload in changed.items() if payload is not None]
    db.executemany("DELETE FROM authorization WHERE station = ? AND token = ?", gone)
    db.executemany("INSERT OR REPLACE INTO authorization (station, token, payload) VALUES (?, ?, ?)", kept)


def _keeps_the_port(store: SqliteStore) -> Store:
    """Proof for the type checker."""
    return store
