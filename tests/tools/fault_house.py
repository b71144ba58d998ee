"""A whole gateway on virtual time whose power or store fails somewhere in one session, and a judge of what came of it.

The CSMS and the resident go by what they see, so that the session goes on wherever the fault falls: what had no answer
is asked again. What is judged: every event that was durable has come, in order, each number once; nothing came before
Started or after Ended; and no register tells more energy than has really flowed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from bridge.clock import Clock
from bridge.errors import StoreError
from bridge.gateway.gateway import Gateway
from bridge.mapping.load import load_mappings
from bridge.sim.control import SimUnit
from bridge.sim.csms import DemoCsms, NotConnectedError, StationCallError, StationTimeoutError
from bridge.sim.csms_memory import acceptor
from bridge.sim.lan import SimLan, SimPort
from bridge.sim.node import SimNode
from bridge.sim.unit import SimUnitConfig
from bridge.station.link import LinkDown
from bridge.station.link_memory import MemoryDialer
from bridge.store.port import Store
from bridge.store.recovery import Damage, open_or_set_aside
from tests.tools.energy_watch import EnergyWatch, gone_back
from tests.tools.fault_store import Faults, FaultStore
from tests.tools.house import GATEWAY, MINUTE, STATION, TOKEN, UNITS, profile, site

_MAPPINGS = load_mappings()
#: How long (ms) anything may take, a power cut and its restart included.
_PATIENCE: Final = 20 * MINUTE
Number = tuple[str, int]


@dataclass
class FaultHouse:
    """A gateway that is started again on what was durable whenever its power has gone."""

    folder: Path
    faults: Faults
    seed: int = 1
    off_for: int = 20_000
    variables: dict[str, Any] = field(default_factory=dict)
    sim: SimUnitConfig = field(default_factory=SimUnitConfig)
    parts: dict[str, Any] = field(default_factory=dict)  # of the site's configuration, as `site` takes them
    gateway: Gateway | None = None  # while one lives
    lives: int = 0
    durable: set[Number] = field(default_factory=set)
    kept: list[list[Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    between: Callable[[], None] = lambda: None  # what happens to the folder while the power is off

    async def open(self) -> None:
        """Everything but the gateway."""
        self.clock = Clock(seed=self.seed)
        self.lan = SimLan(self.clock)
        self.csms = DemoCsms(self.clock)
        self.unit = SimUnit(self.clock, self.sim)
        self.energy = EnergyWatch(self.unit)
        self.csms.on_message.append(self.energy)
        self.node = SimNode(self.clock, b"unit-0", [self.unit])
        self.node.attach(self.lan.join(UNITS[0]))
        await self.node.start()
        self.config = site(variables={"SampledDataCtrlr.TxUpdatedInterval": 20, **self.variables}, **self.parts)

    async def serve(self) -> None:
        """Life after life, for ever; cancel to end."""
        while True:
            await self._one_life()
            self.between()
            await self.clock.sleep(self.off_for)

    async def _one_life(self) -> None:
        """Until the power goes, or the gateway gives up (what starts it then, starts it again)."""
        real, damage = await open_or_set_aside(self.folder / "state.db", inline=True)
        store, cut = FaultStore(real, self.faults), asyncio.Event()
        self.faults.cut = cut.set
        self.lives += 1
        await self._note_durable(real)
        port = self.lan.join(GATEWAY)
        running = asyncio.ensure_future(self._gateway(cast(Store, store), port, damage))
        power = asyncio.ensure_future(cut.wait())
        try:
            await asyncio.wait({running, power}, return_when=asyncio.FIRST_COMPLETED)
            if running.done() and not isinstance(running.exception(), StoreError):
                running.result()
        finally:
            self.gateway = None
            await _gone(self.clock, store, running, power)
            await real.close()
            await port.close()
            with contextlib.suppress(NotConnectedError):
                await self.csms.drop(STATION)

    async def _gateway(self, store: Store, port: SimPort, damage: Damage | None) -> None:
        dialer = MemoryDialer(acceptor(self.csms, STATION, LinkDown))
        gateway = await Gateway.build(
            self.config,
            lans={"home": port},
            dialer_of=lambda _: dialer,
            store=store,
            mappings=_MAPPINGS,
            clock=self.clock,
        )
        if damage is not None:
            gateway.store_was_damaged(str(damage))
        self.gateway = gateway
        await gateway.run()

    async def _note_durable(self, store: Store) -> None:
        """What an earlier life has left must come."""
        for event in await store.pending(STATION):
            if event.transaction_id:
                self.durable.add((event.transaction_id, event.seq_no))
            else:
                self.kept.append(json.loads(event.payload))

    # -- one session

    def for_a_while(self, milliseconds: int) -> None:
        """Let writes fail from the first one on that may, for so long."""
        began: list[int] = []

        def failing() -> bool:
            began.append(self.clock.monotonic())
            return began[-1] - began[0] < milliseconds

        self.faults.failing = failing

    async def session(self) -> None:
        """Charge, an outage of the CSMS, discharge, stop, unplug; each step asked for until it is so."""
        transaction = await self.begin()
        await self.clock.sleep(45_000)
        if self.unit.power_w > 3000:
            self.wrong.append(f"{self.unit.power_w} W are charged where the start's profile allows 3000 W")
        await self.csms.go_dark()
        await self.clock.sleep(45_000)
        self.csms.come_back()
        await self.insist(lambda: self._limit(transaction, -2000), lambda: self.unit.power_w < -1000, "discharging")
        await self.clock.sleep(25_000)
        await self.insist(lambda: self._limit(transaction, 3000), lambda: self.unit.power_w > 1000, "charging again")
        await self.clock.sleep(25_000)
        await self.insist(lambda: self._stop(transaction), lambda: self._ended(transaction), "stopping")
        self.unit.unplug()
        await self.until(lambda: self.csms.station(STATION).connectors.get((1, 1)) == "Available", "unplugging")
        await self.until(self._all_here, "the last event")
        await self.clock.sleep(5_000)

    async def begin(self, but: Collection[str] = ()) -> str:
        """Plug, and start one that is none of those; its id when energy flows."""
        await self.until(self.ready, "the first status")
        self.unit.plug()
        await self.insist(self._start, lambda: self.open_transaction(but) is not None, "starting")
        await self.until(lambda: self.unit.power_w > 1000, "charging")
        return cast(str, self.open_transaction(but))

    async def insist(self, ask: Callable[[], Any], reached: Callable[[], bool], what: str) -> None:
        """Ask again and again until it is so."""
        end = self.clock.monotonic() + _PATIENCE
        while not reached():
            assert self.clock.monotonic() < end, what
            if self.ready():
                with contextlib.suppress(NotConnectedError, StationCallError, StationTimeoutError):
                    await ask()
            for _ in range(20):
                if reached():
                    return
                await self.clock.sleep(1_000)

    async def until(self, reached: Callable[[], Any], what: str) -> None:
        """Wait until it is so."""
        end = self.clock.monotonic() + _PATIENCE
        while not reached():
            assert self.clock.monotonic() < end, what
            await self.clock.sleep(500)

    async def call(self, action: str, **payload: Any) -> dict[str, Any]:
        """A CALL of the CSMS."""
        return await self.csms.call(STATION, action, payload)

    async def _start(self) -> None:
        await self.call(
            "RequestStartTransaction", evseId=1, remoteStartId=7, idToken=TOKEN, chargingProfile=profile(3000)
        )

    async def _limit(self, transaction: str, watts: float) -> None:
        await self.call("SetChargingProfile", evseId=1, chargingProfile=profile(watts, transactionId=transaction))

    async def _stop(self, transaction: str) -> None:
        await self.call("RequestStopTransaction", transactionId=transaction)

    def ready(self) -> bool:
        """Whether the CSMS has taken the station in and knows of its connector."""
        record = self.csms.station(STATION)
        return self.csms.connected(STATION) and record.status == "Accepted" and (1, 1) in record.connectors

    def open_transaction(self, but: Collection[str] = ()) -> str | None:
        """One that has not ended, as far as the CSMS knows."""
        ledger = self.csms.station(STATION).ledger
        return next((key for key, record in ledger.transactions.items() if not record.ended and key not in but), None)

    def _ended(self, transaction: str) -> bool:
        return self.csms.station(STATION).ledger.transactions[transaction].ended

    def _all_here(self) -> bool:
        others = all(payload in self.csms.received(action) for action, payload in self.kept)
        return others and not self.csms.station(STATION).ledger.open() and self.durable <= self.delivered()

    def delivered(self) -> set[Number]:
        """Events that the CSMS has seen."""
        return {(event["transactionInfo"]["transactionId"], event["seqNo"]) for event in self.csms.events()}

    # -- the judgement

    def judge(self) -> list[str]:
        """Everything that is wrong; empty if nothing was lost or invented."""
        wrong = [*self.wrong, *self.energy.wrong, *self.csms.violations]
        wrong += [f"{key}: {missing} missing" for key, missing in self.csms.gaps().items()]
        wrong += [f"{key} {no} was durable and never came" for key, no in sorted(self.durable - self.delivered())]
        for key, record in self.csms.station(STATION).ledger.transactions.items():
            events = [record.events[number] for number in sorted(record.events)]
            kinds = [event["eventType"] for event in events]
            if kinds[0] != "Started" or kinds[-1] != "Ended" or set(kinds[1:-1]) - {"Updated"}:
                wrong.append(f"{key}: {kinds}")
            wrong += gone_back(key, record)
        return wrong


async def _gone(clock: Clock, store: FaultStore, *tasks: asyncio.Future[Any]) -> None:
    """End them as a process ends that is killed: nothing more becomes durable."""
    store.dead = True
    for task in tasks:
        task.cancel()
    for _ in range(20):  # all that can be cancelled has been before the write that hangs is let go
        await clock.sleep(0)
    store.bury()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def fault_house(folder: Path, faults: Faults, **options: Any) -> AsyncIterator[FaultHouse]:
    """A house whose gateway runs; ended as a killed process is."""
    house = FaultHouse(folder, faults, **options)
    await house.open()
    serving = asyncio.ensure_future(house.serve())
    try:
        yield house
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await house.node.close()
