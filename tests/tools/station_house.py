"""A station on virtual time: the demo CSMS to the north, an EVSE that a test moves by hand to the south."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bridge.clock import Clock
from bridge.evse import (
    Abilities,
    ChargingState,
    Connector,
    Happening,
    Listener,
    Mode,
    Observed,
    Plug,
    Reading,
    Wanted,
)
from bridge.gateway.config import StationConfig
from bridge.gateway.stations import make_station
from bridge.sim.csms import DemoCsms
from bridge.sim.csms_memory import acceptor
from bridge.station.link import LinkDown
from bridge.station.link_memory import MemoryDialer
from bridge.station.station import Station
from bridge.store.keeper import Keeper
from bridge.store.port import Store
from bridge.store.sqlite import open_store

STATION = "CS-1"


@dataclass
class HandEvse:
    """An EVSE that does what the test says; it obeys nothing by itself."""

    clock: Clock
    observed: Observed = field(
        default_factory=lambda: Observed(reachable=True, connector=Connector.AVAILABLE, plug=Plug.NO)
    )
    abilities: Abilities = field(default_factory=lambda: Abilities(charge_max=6_000_000, discharge_max=6_000_000))
    wishes: list[Wanted] = field(default_factory=list)
    why_not: str | None = None
    _listeners: list[Listener] = field(default_factory=list)

    def want(self, wanted: Wanted) -> None:
        self.wishes.append(wanted)
        self.observed = replace(self.observed, confirmed=False)

    def refusal(self, mode: Mode) -> str | None:
        return self.why_not

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def show(self, *happened: Happening, **changes: Any) -> None:
        self.observed = replace(self.observed, **changes)
        for listener in self._listeners:
            listener(self.observed, happened)

    def plug(self) -> None:
        self.show(plug=Plug.YES, connector=Connector.OCCUPIED, charging_state=ChargingState.EV_CONNECTED)

    def unplug(self) -> None:
        self.show(plug=Plug.NO, connector=Connector.AVAILABLE, charging_state=ChargingState.IDLE)

    def flow(self, watts: int) -> None:
        reading = Reading(watts * 1000, self.clock.monotonic())
        self.show(charging_state=ChargingState.CHARGING, power=reading, confirmed=True)

    @property
    def wish(self) -> Wanted:
        return self.wishes[-1]


@dataclass
class Stage:
    """Everything a station test touches."""

    clock: Clock
    csms: DemoCsms
    evse: HandEvse
    station: Station
    store: Store

    async def call(self, action: str, **payload: Any) -> dict[str, Any]:
        return await self.csms.call(STATION, action, payload)

    async def wait(self, action: str, **fields: Any) -> dict[str, Any]:
        """The next (or an earlier) message of an action whose payload has these fields."""

        def found() -> Any:
            return next(
                (p for p in self.csms.received(action) if all(_dig(p, k) == v for k, v in fields.items())), None
            )

        result = await self.csms.wait_for(found, 60_000)
        assert isinstance(result, dict)
        return result

    async def start(self, **more: Any) -> dict[str, Any]:
        token = {"idToken": "T-1", "type": "Central"}
        return await self.call("RequestStartTransaction", evseId=1, remoteStartId=7, idToken=token, **more)

    @property
    def events(self) -> list[dict[str, Any]]:
        return self.csms.events(STATION)


def _dig(payload: Any, path: str) -> Any:
    for name in path.split("__"):
        payload = payload.get(name) if isinstance(payload, dict) else None
    return payload


@asynccontextmanager
async def stage(
    *,
    store: Store | None = None,
    csms: DemoCsms | None = None,
    wait_boot: bool = True,
    versions: tuple[str, ...] = ("2.0.1",),
    discharge: tuple[str, ...] = ("negative-limit",),
    site_evse: Mapping[str, Any] | None = None,
    **variables: Any,
) -> AsyncIterator[Stage]:
    """A station that has booted, and has offered these versions.

    Ends by cancelling it, as a killed process would; the store stays open.
    """
    clock = Clock(seed=3)
    csms = csms or DemoCsms(clock)
    store = store or await open_store(Path(":memory:"), inline=True)
    evse = HandEvse(clock)
    config = StationConfig.model_validate(
        {
            "id": STATION,
            "csms": {"url": "ws://in.memory", "versions": versions},
            "evses": [{"id": 1, "unit": "u", "discharge": discharge, **(site_evse or {})}],
            "variables": {
                "OCPPCommCtrlr.RetryBackOffWaitMinimum": 1,
                "OCPPCommCtrlr.RetryBackOffRandomRange": 0,
                **{name.replace("__", "."): value for name, value in variables.items()},
            },
        }
    )
    dialer = MemoryDialer(acceptor(csms, STATION, LinkDown), f"ocpp{csms.version}")
    station = await make_station(config, {1: evse}, dialer=dialer, store=store, keeper=Keeper(store), clock=clock)
    running = asyncio.ensure_future(station.run())
    scene = Stage(clock, csms, evse, station, store)
    try:
        if wait_boot:
            await scene.wait("StatusNotification")
        yield scene
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        station.wishes.cancel()  # a process that is gone has no timers
        for position in station.positions.values():
            position.sampling.cancel()
            position.deadline.cancel()


def profile(limit: float, purpose: str = "TxProfile", **more: Any) -> dict[str, Any]:
    """A charging profile of one period in W."""
    return {
        "id": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
        "chargingSchedule": [
            {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}
        ],
        **more,
    }
