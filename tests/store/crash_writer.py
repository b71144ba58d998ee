"""A process that records events without end, to be killed in the middle of it: `python crash_writer.py FILE`.

It prints a line for each event that the store has promised to keep, and one for each that it has let go.
"""

import asyncio
import sys
from pathlib import Path

from bridge.store.port import TransactionRow
from bridge.store.sqlite import SqliteStore, open_store

STATION = "CS-1"


async def drive(store: SqliteStore, name: str) -> None:
    """One transaction of many events; every third event is answered."""
    for seq_no in range(1_000_000):
        kept = await store.record(STATION, TransactionRow(name, 1, seq_no, "{}"), f"{name}/{seq_no}")
        print("kept", name, kept.seq_no, flush=True)
        if seq_no % 3 == 2:
            await store.answered(STATION, kept.key)
            print("gone", name, kept.seq_no, flush=True)


async def main() -> None:
    """Several transactions at once, so that commits are shared."""
    store = await open_store(Path(sys.argv[1]))
    await asyncio.gather(*(drive(store, name) for name in ("a", "b", "c")))


if __name__ == "__main__":
    asyncio.run(main())
