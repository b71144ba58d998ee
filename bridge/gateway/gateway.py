"""The whole gateway: units to the south, stations to the north, the store between them, and an orderly end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from bridge.charger.runner import UnitRunner
from bridge.clock import Clock
from bridge.echonet.lan import Lan
from bridge.evse import Mode
from bridge.gateway.config import SiteConfig, StationConfig
from bridge.gateway.contract import Contract, contract_rules
from bridge.gateway.stations import balances, make_station
from bridge.gateway.tables import SiteTables
from bridge.gateway.units import Units, check_networks, owners
from bridge.gateway.vehicles import VEHICLES, Vehicles
from bridge.mapping.load import Mappings
from bridge.policies import OnShutdown
from bridge.station.link import Dialer
from bridge.station.messages import SecurityEvent
from bridge.station.station import Station
from bridge.store.keeper import Keeper
from bridge.store.port import Store

if TYPE_CHECKING:
    from bridge.gateway.balancing import LoadBalancing

_log = structlog.get_logger(__name__)

#: How long the end waits for units to take their last order (SIGTERM ends within 5 s), ms.
SHUTDOWN_TIME = 3_000
#: ... and before that, how long what goes on at the API may take to stop its unit, ms.
VISITS_TIME = 1_500
#: Settings that belong to the gateway, not to a station, are kept under this name.
GATEWAY = "*gateway"
_UNIQUE_ID = "unique_id"
_LAST_WISH = {OnShutdown.PAUSE: Mode.PAUSE, OnShutdown.STOP: Mode.STOP}


class Gateway:
    """Everything that runs. Made by `build`; `run` serves until cancelled or `ended` is set."""

    def __init__(
        self,
        site: SiteConfig,
        *,
        units: Units,
        stations: Mapping[str, Station],
        vehicles: Vehicles,
        mappings: Mappings,
        store: Store,
        keeper: Keeper,
        clock: Clock,
    ) -> None:
        self.site, self.units, self.stations, self.vehicles = site, units, stations, vehicles
        self.mappings, self.store, self.clock = mappings, store, clock
        self._keeper = keeper
        self.damage: str | None = None  # of the store, as it was found at the start
        self.contract: Contract | None = None
        self.balancing: LoadBalancing | None = None
        self.before_end: list[Callable[[], Awaitable[None]]] = []  # what has to end while units still listen
        self.ended = asyncio.Event()

    @classmethod
    async def build(
        cls,
        site: SiteConfig,
        *,
        lans: Mapping[str, Lan],
        dialer_of: Callable[[StationConfig], Dialer],
        store: Store,
        mappings: Mappings,
        clock: Clock,
        tables: SiteTables | None = None,
    ) -> Gateway:
        """Compose a gateway from its site configuration and its ways to the outside.

        `tables` reads the mapping tables anew; without it they stay as they are.
        """
        check_networks(site, lans)
        keeper = Keeper(store)
        kept = {owner: await store.settings(owner) for owner in owners(site)}
        tables = tables or SiteTables(mappings)
        units = Units(site, lans, mappings, clock, await _unique_id(store, clock), keeper, kept, tables)
        vehicles = await _vehicles(site, units, store, keeper)
        rules = contract_rules(site.receiving_point)
        stations = {}
        for config in site.stations:
            evses = {evse.id: units.runners[evse.unit].unit for evse in config.evses}
            dialer = dialer_of(config)
            stations[config.id] = await make_station(
                config,
                evses,
                dialer=dialer,
                store=store,
                keeper=keeper,
                clock=clock,
                grid=rules is not None,
                point=site.receiving_point,
            )
        gateway = cls(
            site,
            units=units,
            stations=stations,
            vehicles=vehicles,
            mappings=mappings,
            store=store,
            keeper=keeper,
            clock=clock,
        )
        if rules is not None and units.grid is not None:
            gateway.contract = contract = Contract(rules, units.grid, stations.values(), clock)
            units.contract_matters = lambda: contract.matters
        balanced = [stations[config.id] for config in site.stations if balances(config)]
        if units.grid is not None and balanced:
            from bridge.gateway.balancing import LoadBalancing  # few sites have it

            gateway.balancing = balancing = LoadBalancing(units.grid, balanced, clock)
            units.balancing_matters = lambda: balancing.matters
        return gateway

    def store_was_damaged(self, what: str) -> None:
        """Something that was kept may be lost: every CSMS shall hear of it (A04), and who asks for the status."""
        self.damage = what
        for station in self.stations.values():
            station.security.report(SecurityEvent.STORE_DAMAGED, what)

    async def run(self) -> None:
        """Serve until `ended` is set, then end in order: units get their last order, the rest is closed."""
        serving = asyncio.ensure_future(self._serve())
        ended = asyncio.ensure_future(self.ended.wait())
        try:
            await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done() and not serving.done():
                await self._last_orders()
        finally:
            ended.cancel()
            serving.cancel()
            try:
                await serving
            except asyncio.CancelledError:
                pass
            finally:
                if self.contract is not None:
                    self.contract.cancel()
                if self.balancing is not None:
                    self.balancing.cancel()
                await self.units.close()
                await self._keeper.close()
                await self.store.close()

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.units.run())
            for station in self.stations.values():
                group.create_task(self._supervise(station))

    async def _supervise(self, station: Station) -> None:
        """A station in trouble does not stop the others: it is begun again after a pause."""
        structlog.contextvars.bind_contextvars(station=station.id)  # for all that is logged in this task and below
        while True:
            try:
                await station.run()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                _log.exception("station failed", station=station.id, error=str(error))
            await self.clock.sleep(10_000)

    async def _last_orders(self) -> None:
        """`on_shutdown`: a gateway that is gone must not leave a car to be emptied."""
        await self._end_visits()
        waits = [
            self._order(self.units.runners[evse.unit], _LAST_WISH[evse.on_shutdown])
            for station in self.site.stations
            for evse in station.evses
            if evse.on_shutdown in _LAST_WISH
        ]
        await asyncio.gather(*waits)

    async def _end_visits(self) -> None:
        try:
            async with asyncio.timeout(VISITS_TIME / 1000):
                await asyncio.gather(*(end() for end in self.before_end))
        except TimeoutError:
            _log.error("what was going on at the API did not end in time")

    async def _order(self, runner: UnitRunner, mode: Mode) -> None:
        """Order a unit that delivers or takes energy, and wait until it has obeyed or the time is up."""
        unit = runner.unit
        power = unit.observed.power
        if not unit.observed.reachable or unit.wanted.mode not in (Mode.CHARGE, Mode.DISCHARGE, Mode.AUTO):
            return
        done = asyncio.Event()
        unit.listen(lambda seen, _: done.set() if seen.confirmed else None)
        unit.want(replace(unit.wanted, mode=mode, target=None))
        try:
            async with asyncio.timeout(SHUTDOWN_TIME / 1000):
                await done.wait()
        except TimeoutError:
            _log.error("unit did not confirm its last order", mode=str(mode), power=power and power.value)


async def _vehicles(site: SiteConfig, units: Units, store: Store, keeper: Keeper) -> Vehicles:
    evses = {
        (station.id, evse.id): units.runners[evse.unit].unit for station in site.stations for evse in station.evses
    }
    return Vehicles(
        evses, partial(store.put_settings, VEHICLES), partial(keeper.put, VEHICLES), await store.settings(VEHICLES)
    )


async def _unique_id(store: Store, clock: Clock) -> bytes:
    """Our own node's 13 bytes of 0x83, made once and kept for ever."""
    kept = (await store.settings(GATEWAY)).get(_UNIQUE_ID)
    if kept is not None:
        return bytes.fromhex(kept)
    made = clock.random.randbytes(13)
    await store.put_settings(GATEWAY, {_UNIQUE_ID: made.hex()})
    return made
