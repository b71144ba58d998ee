"""Stations that nobody hears for days, on virtual time: a store on disk, and a strict CSMS in memory that goes away."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.clock import Clock
from bridge.gateway.config import StationConfig
from bridge.gateway.stations import make_station
from bridge.station.link import LinkDown
from bridge.station.link_memory import MemoryConnection, MemoryDialer
from bridge.station.station import Station
from bridge.store.keeper import Keeper
from bridge.store.sqlite import SqliteStore, open_store
from tests.bench.strict_csms import CALL, StrictStation
from tests.tools.plain_evse import PlainEvse

MINUTE = 60_000
NAME = "CS-1"


@dataclass
class MemoryCsms:
    """A strict CSMS of one station, which can be away, and slow."""

    clock: Clock
    name: str = NAME
    wait: int = 0  # ms, before it answers
    away: bool = False
    strict: StrictStation = field(init=False)
    _here: MemoryConnection | None = None
    _answers: dict[str, asyncio.Future[Any]] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.strict = StrictStation(self.name, self.clock.wall, lambda: self.clock.monotonic() / 1000)

    def accept(self, connection: MemoryConnection) -> None:
        """Take a connection, or refuse it."""
        if self.away:
            raise LinkDown("the CSMS is away")
        self._here = connection
        task = asyncio.ensure_future(self._serve(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: MemoryConnection) -> None:
        self.strict.connected()
        async for text in connection:
            answer = self.strict.take(str(text))
            if answer is None:
                frame = json.loads(text)
                self._answers.pop(frame[1]).set_result(frame)
                continue
            if self.wait:
                await self.clock.sleep(self.wait)
            self.strict.answered()
            if not connection.ended:
                await connection.send(json.dumps(answer))
        self.strict.lost()

    async def go(self) -> None:
        """Be away."""
        self.away = True
        if self._here is not None:
            await self._here.close(1001, "away")

    async def call(self, action: str, payload: dict[str, Any]) -> list[Any]:
        """Ask the station something; gives back the whole answer."""
        assert self._here is not None
        self._answers[action] = answer = asyncio.get_running_loop().create_future()
        await self._here.send(json.dumps([CALL, action, action, payload]))
        frame: list[Any] = await answer
        return frame

    async def start(self) -> None:
        """Have the station begin a transaction, when it has told that a vehicle is there."""
        while not self.strict.told.occupied:
            await self.clock.sleep(1_000)
        token = {"idToken": "T", "type": "Central"}
        answer = await self.call("RequestStartTransaction", {"evseId": 1, "remoteStartId": 1, "idToken": token})
        assert answer[2]["status"] == "Accepted", answer


@asynccontextmanager
async def life(clock: Clock, csms: MemoryCsms, evse: PlainEvse, store: SqliteStore) -> AsyncIterator[Station]:
    """One life of a station, from its start until it is cut off as by a kill."""
    config = StationConfig.model_validate(
        {
            "id": csms.name,
            "csms": {"url": "ws://in.memory"},
            "evses": [{"id": 1, "unit": "u"}],
            "variables": {"SampledDataCtrlr.TxUpdatedInterval": 60},
        }
    )
    station = await make_station(
        config, {1: evse}, dialer=MemoryDialer(csms.accept), store=store, keeper=Keeper(store), clock=clock
    )
    running = asyncio.ensure_future(station.run())
    try:
        yield station
        assert not running.done(), "the station has ended"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def long_offline(path: Path, minutes: int, *, killed: bool = False) -> dict[str, Any]:
    """So many minutes without a CSMS, and what it hears when it is back; `killed`: from another life of the gateway.

    Times (s) are of this process' processor. Nothing that is heard may be wrong.
    """
    clock = Clock(seed=5)
    csms, evse = MemoryCsms(clock), PlainEvse(clock, news=MINUTE)
    showing = asyncio.ensure_future(evse.run())
    store = await open_store(path, inline=True)
    try:
        async with life(clock, csms, evse, store) as station:
            await csms.start()
            await clock.sleep(2 * MINUTE)
            rss, cpu = memory(), time.process_time()
            await csms.go()
            await clock.sleep(minutes * MINUTE)
            away = {
                "waiting": station.delivery.waiting,
                "rss_growth": memory() - rss,
                "cpu_s": time.process_time() - cpu,
            }
            size = sum(file.stat().st_size for file in path.parent.glob(path.name + "*"))
            if not killed:
                back = await _come_back(csms, station)
        if killed:
            await store.close()
            store = await open_store(path, inline=True)
            async with life(clock, csms, evse, store) as station:
                back = await _come_back(csms, station)
        left = [event.seq_no for event in await store.pending(NAME)]
    finally:
        showing.cancel()
        await store.close()
    [ledger] = csms.strict.transactions.values()
    told = csms.strict.told
    return {
        "minutes": minutes,
        "waiting": away["waiting"],
        "rss_growth": away["rss_growth"],
        "enqueue_ms": away["cpu_s"] * 1000 / minutes,
        "store_bytes": size,
        "bytes_per_event": size / away["waiting"],
        **back,
        "offline": told.offline,
        "values": told.sampled,
        "events": told.events,
        "last_number": ledger.next - 1,
        "repeats": told.repeats,
        "left": left,
        "faults": csms.strict.faults,
    }


async def _come_back(csms: MemoryCsms, station: Station) -> dict[str, float]:
    """The CSMS takes messages again, until the queue is empty."""
    waiting, cpu = station.delivery.waiting, time.process_time()
    csms.away = False
    while csms.strict.told.offline < waiting or station.delivery.waiting:
        await station.clock.sleep(MINUTE // 2)
    return {"restored": waiting, "deliver_ms": (time.process_time() - cpu) * 1000 / waiting}


def memory() -> int:
    """What this process holds (bytes)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
