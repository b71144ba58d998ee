"""The tables of the store and the way from each older form of them to the newest.

`PRAGMA user_version` holds the number of migrations that a file has had. A migration that was ever released is never
changed: a new one is appended.
"""

from __future__ import annotations

import sqlite3

from bridge.errors import StoreError

#: Written into the file's header, so that somebody else's SQLite file is not taken for ours ("OEB1").
APPLICATION_ID = 0x4F454231

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE open_transaction (
            station TEXT NOT NULL, transaction_id TEXT NOT NULL, evse_id INTEGER NOT NULL,
            seq_no INTEGER NOT NULL CHECK (seq_no >= 0), state TEXT NOT NULL,
            PRIMARY KEY (station, transaction_id)) WITHOUT ROWID""",
        # AUTOINCREMENT: a key that was given out never comes again, so keys are in the order of the events.
        """CREATE TABLE event (
            key INTEGER PRIMARY KEY AUTOINCREMENT, station TEXT NOT NULL, transaction_id TEXT NOT NULL,
            seq_no INTEGER NOT NULL, payload TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
            UNIQUE (station, transaction_id, seq_no))""",
        "CREATE INDEX event_by_station ON event (station, key)",
        """CREATE TABLE profile (
            arrival INTEGER PRIMARY KEY AUTOINCREMENT, station TEXT NOT NULL, profile_id INTEGER NOT NULL,
            evse_id INTEGER NOT NULL, transaction_id TEXT, payload TEXT NOT NULL,
            UNIQUE (station, profile_id))""",
        """CREATE TABLE setting (
            station TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
            PRIMARY KEY (station, name)) WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE authorization (
            station TEXT NOT NULL, token TEXT NOT NULL, payload TEXT NOT NULL,
            PRIMARY KEY (station, token)) WITHOUT ROWID""",
    ),
)


def version_of(connection: sqlite3.Connection) -> int:
    """How many migrations the file has had; a fresh file has had none."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def refuse_foreign(connection: sqlite3.Connection, where: str) -> None:
    """Raise a `StoreError` if the file is another program's, or a newer gateway's. Changes nothing."""
    found = version_of(connection)
    if found > len(MIGRATIONS):
        raise StoreError(
            f"{where}: written by a newer gateway (schema {found}; this one knows up to {len(MIGRATIONS)}): "
            "run that newer version, or restore the copy made before the upgrade"
        )
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    used = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] > 0
    if used and application != APPLICATION_ID:
        raise StoreError(f"{where}: is an SQLite file of another program: name another file, or another state_dir")


def migrate(connection: sqlite3.Connection) -> tuple[int, int]:
    """Bring the file to the newest form, each migration in a commit of its own; gives back (from, to)."""
    before = version_of(connection)
    for number, statements in enumerate(MIGRATIONS[before:], start=before + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return before, len(MIGRATIONS)
