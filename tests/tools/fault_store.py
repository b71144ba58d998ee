"""A store whose writes fail, or stop with the whole machine, at a boundary that a test names.

Every method of the port (`bridge.store.port.Store`) that changes something is a boundary; each has a number, counted
over all lives of the gateway, and a name that tells what is written.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from bridge.errors import StoreError
from bridge.store.port import TransactionRow
from bridge.store.sqlite import SqliteStore

_WRITES: Final = frozenset(
    {
        "record", "update_transaction", "enqueue", "attempted", "answered", "put_profile", "delete_profiles",
        "put_settings", "put_authorizations", "clear_authorizations",
    }
)  # fmt: skip
#: What SQLite says in each kind of trouble (`bridge.store.database`).
TROUBLES: Final = {
    "disk full": "state.db: the disk is full (database or disk is full): free some space on it",
    "read-only": "state.db: it cannot be written (attempt to write a readonly database): make the file writable",
    "I/O error": "state.db: the disk failed (disk I/O error): look at the system's log and check the disk",
}


def seeded(seed: int | str) -> Random:
    """Chance that is the same in every run; seeds are printed by who uses it."""
    return Random(seed)


@dataclass(slots=True)
class Faults:
    """What is to happen, over all lives: the power goes at `cut_at` (before or after that write is durable), or writes
    from `fail_from` on fail while `failing` says so."""

    cut_at: int | None = None
    after: bool = False
    fail_from: int | None = None
    failing: Callable[[], bool] = lambda: True
    trouble: str = TROUBLES["disk full"]
    writes: list[str] = field(default_factory=list)
    failed: int = 0
    cut: Callable[[], None] = lambda: None


class FaultStore:
    """One life's store. It has all methods of the port."""

    def __init__(self, store: SqliteStore, faults: Faults) -> None:
        self.real, self._faults = store, faults
        self.dead = False
        self._buried = asyncio.Event()

    def bury(self) -> None:
        """The process is gone: what still waits for the write that the cut has swallowed may go too."""
        self.dead = True
        self._buried.set()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.real, name)
        if name not in _WRITES:
            return method

        async def write(*arguments: Any, **options: Any) -> Any:
            return await self._write(_label(name, arguments), lambda: method(*arguments, **options))

        return write

    async def _write(self, label: str, do: Callable[[], Any]) -> Any:
        faults = self._faults
        if self.dead:
            raise StoreError("the power is gone")
        number = len(faults.writes)
        faults.writes.append(label)
        if faults.fail_from is not None and number >= faults.fail_from and faults.failing():
            faults.failed += 1
            raise StoreError(faults.trouble)
        if number != faults.cut_at:
            return await do()
        if faults.after:
            await do()
        self.dead = True
        faults.cut()
        await self._buried.wait()  # nobody hears of it any more
        raise StoreError("the power is gone")


def _label(name: str, arguments: tuple[Any, ...]) -> str:
    """What is written, for a person: `record Started 0`, `answered`, `put_settings evse.1.connected`."""
    if name == "record":
        event = json.loads(arguments[2])
        return f"record {event['eventType']} {event['seqNo']} {event['triggerReason']}"
    if name in ("put_settings", "put_authorizations"):
        return f"{name} {','.join(sorted(arguments[1]))}"
    rest = [one for one in arguments[1:] if isinstance(one, int | str | TransactionRow)]
    return f"{name} {rest[0] if rest and not isinstance(rest[0], TransactionRow) else ''}".rstrip()
