"""The bare forwarder with one durable commit in between, as the gateway makes it for a transaction's first event.

What it takes longer than the bare one is the commit's share of the latency, in a process as cold as the gateway.
"""

import asyncio
import sys
from itertools import count
from pathlib import Path

from bridge.store.port import TransactionRow
from bridge.store.sqlite import open_store
from tests.bench.bare_forwarder import forward


async def main(path, *where):
    """Open the store, and forward for ever."""
    store, numbers = await open_store(Path(path)), count()

    async def commit() -> None:
        await store.record("BENCH", TransactionRow("T", 1, next(numbers), "{}"), "x" * 400)

    await forward(*where, between=commit)


asyncio.run(main(*sys.argv[1:]))
