"""One SQLite connection: opened with its checks, worked in batches that are one durable commit each.

A `Database` belongs to one thread. One connection does all writes and all checkpoints: SQLite before 3.51.3 can corrupt
a WAL when several do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from bridge.errors import StoreError
from bridge.store import schema

#: One step of work inside a commit; what it returns is handed to whoever asked, once the commit is durable.
Job = Callable[[sqlite3.Connection], Any]

_AT_A_START = "start the gateway anew: it saves what is whole of it and sets it aside; then check the disk"

#: The beginning of SQLite's own name of an error: (what is wrong, the mend). The first that fits is taken.
_EXPLAINED = (
    ("SQLITE_FULL", "the disk is full", "free some space on it"),
    ("SQLITE_READONLY", "it cannot be written", "make the file and its folder writable for the gateway's user"),
    ("SQLITE_CANTOPEN", "it cannot be opened", "make its folder exist and writable for the gateway's user"),
    ("SQLITE_CORRUPT", "it is damaged", _AT_A_START),
    ("SQLITE_NOTADB", "it is no SQLite file", _AT_A_START),
    ("SQLITE_BUSY", "another program holds it", "close the program that reads or writes it"),
    ("SQLITE_IOERR", "the disk failed", "look at the system's log and check the disk"),
)


#: Beginnings of the names of errors that say that what the file holds is no good any more.
_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


class StoreDamaged(StoreError):  # noqa: N818 - a state
    """The file's contents are broken, not the way to it."""


def explain(error: sqlite3.Error, where: str) -> StoreError:
    """SQLite's error as ours: what, where, and the mend."""
    name = getattr(error, "sqlite_errorname", None) or ""
    for beginning, what, mend in _EXPLAINED:
        if name.startswith(beginning):
            kind = StoreDamaged if beginning in _DAMAGE else StoreError
            return kind(f"{where}: {what} ({error}): {mend}")
    return StoreError(f"{where}: {error} ({name or type(error).__name__})")


class Database:
    """The file at `path` (or ":memory:"), checked and brought to the newest schema."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.trouble: str | None = None  # what SQLite said of the last change, in words, if that was not kept
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise explain(error, path) from error
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._connection.close()
            raise explain(error, path) from error
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        connection = self._connection
        schema.refuse_foreign(connection, self.path)
        flaw = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if flaw != "ok":
            raise explain(_damaged(" ".join(flaw.split())), self.path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        before, after = schema.migrate(connection)
        structlog.get_logger().info(
            "store opened", path=self.path, sqlite=sqlite3.sqlite_version, schema=after, schema_before=before
        )

    def run(self, jobs: Sequence[Job]) -> list[Any]:
        """Do all jobs in one commit. Each one's result, or the exception that took back its part alone.

        If the commit itself fails, nothing has happened and every result is the `StoreError`.
        """
        results: list[Any] = []
        changes, trouble = self._connection.total_changes, self.trouble
        try:
            self._connection.execute("BEGIN")
            for job in jobs:
                results.append(self._step(job))
            self.commit()
        except sqlite3.Error as error:
            self._abandon()
            return [self._explain(error)] * len(jobs)
        if self.trouble is trouble and self._connection.total_changes != changes:
            self.trouble = None  # none is new, and something was kept: it is over
        return results

    def _explain(self, error: sqlite3.Error) -> StoreError:
        explained = explain(error, self.path)
        self.trouble = str(explained)
        return explained

    def commit(self) -> None:
        """The point of no return of a batch: before it nothing has happened, after it nothing can get lost."""
        self._connection.execute("COMMIT")

    def _step(self, job: Job) -> Any:
        connection = self._connection
        connection.execute("SAVEPOINT job")
        try:
            result = job(connection)
        except Exception as error:
            if not connection.in_transaction:  # a full disk makes SQLite take the whole batch back
                raise
            connection.execute("ROLLBACK TO job")
            result = self._explain(error) if isinstance(error, sqlite3.Error) else error
        connection.execute("RELEASE job")
        return result

    def _abandon(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # the error that led here is the one to tell

    def close(self) -> None:
        """Bring everything from the log into the file, and close."""
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            structlog.get_logger().warning("checkpoint failed", path=self.path, error=str(error))
        self._connection.close()


def _damaged(flaw: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(flaw)
    error.sqlite_errorname = "SQLITE_CORRUPT"
    return error


def make_folder(path: Path) -> None:
    """Make the folder that a store lies in, for the gateway's user alone."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path.parent}: {error.strerror}: name a state_dir that the gateway may make") from error
