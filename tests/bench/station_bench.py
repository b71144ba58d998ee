"""SetChargingProfile of 24 periods through the real station: judged, merged and answered; without a store and with one.

`rpc_bench` measures the link alone, beside the `ocpp` package's ChargePoint with a handler that does nothing. Here the
station does all that it does of an evening: the rules of K01, the device model, the composite schedule.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from bridge.clock import Clock
from bridge.gateway.config import StationConfig
from bridge.gateway.stations import make_station
from bridge.station.link_memory import MemoryConnection, MemoryDialer
from bridge.store.keeper import Keeper
from bridge.store.port import ProfileRow, QueuedEvent, Store, TransactionRow
from bridge.store.sqlite import open_store
from tests.bench.rpc_bench import message, theirs
from tests.tools.station_house import HandEvse


class NoStore:
    """Keeps nothing, at no cost: what is left is the station's own time."""

    async def record(self, station: str, transaction: TransactionRow, event: str, *, ends: bool = False) -> QueuedEvent:
        return QueuedEvent(1, transaction.transaction_id, transaction.seq_no, event)

    async def update_transaction(self, station: str, transaction: TransactionRow) -> None:
        pass

    async def transactions(self, station: str) -> Sequence[TransactionRow]:
        return ()

    async def pending(self, station: str) -> Sequence[QueuedEvent]:
        return ()

    async def attempted(self, station: str, key: int) -> None:
        pass

    async def answered(self, station: str, key: int) -> None:
        pass

    async def put_profile(self, station: str, profile: ProfileRow, replaces: Sequence[int] = ()) -> None:
        pass

    async def delete_profiles(self, station: str, profile_ids: Sequence[int]) -> None:
        pass

    async def profiles(self, station: str) -> Sequence[ProfileRow]:
        return ()

    async def put_settings(self, station: str, settings: Mapping[str, str | None]) -> None:
        pass

    async def settings(self, station: str) -> Mapping[str, str]:
        return {}

    async def put_authorizations(self, station: str, changed: Mapping[str, str | None]) -> None:
        pass

    async def clear_authorizations(self, station: str) -> None:
        pass

    async def authorizations(self, station: str) -> Mapping[str, str]:
        return {}

    async def close(self) -> None:
        pass


async def rate(store: Store, amount: int) -> float:
    """Messages per second, one after the other, after a warm-up."""
    ends: list[MemoryConnection] = []
    clock = Clock(1)
    config = StationConfig.model_validate(
        {"id": "BENCH", "csms": {"url": "ws://in.memory"}, "evses": [{"id": 1, "unit": "u"}]}
    )
    station = await make_station(
        config, {1: HandEvse(clock)}, dialer=MemoryDialer(ends.append), store=store, keeper=Keeper(store), clock=clock
    )
    running = asyncio.ensure_future(station.run())
    try:
        while not ends:  # noqa: ASYNC110 - the dialer has no event, and it takes but a few turns of the loop
            await asyncio.sleep(0)
        csms = ends[0]
        heard = aiter(csms)
        while not station.online:
            await _answer(csms, json.loads(await anext(heard)))
            await asyncio.sleep(0)
        numbers = count()
        await _exchange(csms, heard, [message(f"w{next(numbers)}") for _ in range(50)])
        texts = [message(f"m{next(numbers)}") for _ in range(amount)]
        started = time.perf_counter()
        await _exchange(csms, heard, texts)
        return amount / (time.perf_counter() - started)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def _exchange(csms: MemoryConnection, heard: Any, texts: list[str]) -> None:
    for text in texts:
        await csms.send(text)
        while not (answer := await anext(heard)).startswith("[3,"):
            await _answer(csms, json.loads(answer))
        assert '"Accepted"' in answer, answer


async def _answer(csms: MemoryConnection, call: list[Any]) -> None:
    """What a CSMS says to what a station tells."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    boot = {"currentTime": now, "interval": 3600, "status": "Accepted"}
    await csms.send(json.dumps([3, call[1], boot if call[2] == "BootNotification" else {}]))


async def measure(folder: Path, amount: int = 2_000) -> dict[str, float]:
    """Rates (1/s) of the station without a store and with one on disk, and of the package's ChargePoint.

    In turns, and the best of each: neighbours only slow.
    """
    gc.collect()
    gc.freeze()  # as the gateway does when it is up: a test run's own objects are not to be looked through
    bare, stored, peer = 0.0, 0.0, 0.0
    for number in range(4):
        bare = max(bare, await rate(NoStore(), amount))
        peer = max(peer, await theirs(amount // 4))
        store = await open_store(folder / f"rate-{number}.sqlite3")
        try:
            stored = max(stored, await rate(store, amount // 4))
        finally:
            await store.close()
    gc.unfreeze()
    return {"ours_per_s": bare, "with_store_per_s": stored, "peer_per_s": peer, "ratio": bare / peer}
