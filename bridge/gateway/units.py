"""The southern side put together: networks, controllers, and a runner for each unit and meter of the site."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final

import structlog

from bridge.charger.gridguard import GridRules
from bridge.charger.meter import MeterRunner
from bridge.charger.polling import Pace
from bridge.charger.runner import UnitRunner
from bridge.clock import Clock
from bridge.echonet.controller import Controller
from bridge.echonet.lan import Lan
from bridge.echonet.turns import Turns
from bridge.errors import ConfigError
from bridge.evse import Mode
from bridge.gateway.config import EvseConfig, MeterUse, ObjectConfig, SiteConfig, UnitConfig
from bridge.gateway.finding import Finder
from bridge.gateway.identity import Identity, Place, Thing, Whereabouts
from bridge.gateway.keeping import StoreMemory
from bridge.gateway.tables import Reloaded, SiteTables
from bridge.mapping.load import Mappings
from bridge.store.keeper import Keeper

_log = structlog.get_logger(__name__)

#: A unit whose runner failed (a bug of ours) is left alone for so many ms; it grows.
QUARANTINE: Final = 10_000
QUARANTINE_LONGEST: Final = 600_000
#: Settings of a unit or a meter are kept in the store under these and its name.
UNIT: Final = "unit:"
METER: Final = "meter:"
#: Names of settings: who it is, and what the configuration said of it when that was learnt.
IDENTITY: Final = "identity"
LEARNT_FOR: Final = "identity_learnt_for"

_ENERGY: Final = frozenset({Mode.CHARGE, Mode.DISCHARGE, Mode.AUTO})

#: A meter as it is used: its name, the channel, and whether that is duplex.
_Use = tuple[str, int | None, bool]


class Units:
    """All units and meters of a site, by the names that the configuration gives them.

    `kept`: what the store holds under each owner's key (`owners`).
    """

    def __init__(
        self,
        site: SiteConfig,
        lans: Mapping[str, Lan],
        mappings: Mappings,
        clock: Clock,
        unique_id: bytes,
        keeper: Keeper,
        kept: Mapping[str, Mapping[str, str]],
        tables: SiteTables,
    ) -> None:
        self._site = site
        self._mappings = mappings
        self.tables = tables
        self._clock = clock
        self._keeper = keeper
        self._quarantined: dict[str, str] = {}
        self.contract_matters: Callable[[], bool] = lambda: False  # somebody wants what a contract holds back
        self.balancing_matters: Callable[[], bool] = lambda: False  # somebody follows the load of the site
        self._owner = dict(_owners(site))
        self._turns = Turns()
        self.controllers = {name: self._controller(name, lan, unique_id) for name, lan in lans.items()}
        self.finder = Finder(_things(site), self.controllers, clock, self)
        self.meters: dict[_Use, MeterRunner] = {use: self._meter(use) for use in _uses(site)}
        self.runners = {
            name: self._runner(name, unit, kept.get(self._owner[name], {})) for name, unit in site.units.items()
        }
        for name in self._owner:
            self._recall(name, kept.get(self._owner[name], {}))

    @property
    def grid(self) -> MeterRunner | None:
        """The meter at the receiving point, where the site has one."""
        point = self._site.receiving_point
        return self.meters[_use(point)] if point is not None else None

    async def run(self) -> None:
        """Search and serve for ever."""
        async with asyncio.TaskGroup() as group:
            for name, runner in self.runners.items():
                group.create_task(self._supervise(name, runner.run, runner.unit.lost))
            for use, meter in self.meters.items():
                group.create_task(self._supervise(use[0], meter.run, lambda: None))
            group.create_task(self.finder.run())

    async def close(self) -> None:
        """Leave all networks."""
        for controller in self.controllers.values():
            await controller.close()

    # What is known of them, for whoever shows it

    def whereabouts(self, name: str) -> Whereabouts:
        """Who a unit or meter is, where it is, and on which other ways it is reached."""
        return self.finder.register.of[name]

    def trouble(self, name: str) -> str | None:
        """Why a unit or meter is not served now, for a person; None if it is."""
        if name in self._quarantined:
            return self._quarantined[name]
        way = self.finder.ways[name]
        if way.place is None:
            return self.whereabouts(name).trouble or way.why
        if name in self.runners and (reason := self.runners[name].served.quarantine):
            return f"no mapping table is right for it: {reason}"
        return f"no answer from {way.place}" if way.silent else None

    @property
    def strangers(self) -> Mapping[Place, Identity]:
        """Objects of the site's classes that are nobody of the configuration."""
        register = self.finder.register
        return {place: identity for place, identity in register.seen.items() if register.holder(place) is None}

    async def reload(self) -> Reloaded:
        """Read the mapping tables anew and let every unit go on by its own: each wholly or not at all."""
        reloaded = await self.tables.reload()
        if reloaded.error is None:
            for runner in self.runners.values():
                runner.choose(self.tables)
        return reloaded

    # Followers of the finder

    def found(self, name: str, place: Place) -> None:
        """A unit or meter has been seen there: its node is spaced as configured, its runner goes there."""
        what = self._site.units.get(name) or self._site.meters[name]
        self.controllers[place.network].set_gap(place.address, self._site.gap_of(place.network, what))
        for runner in self._runners_of(name):
            runner.found(place.address)

    def left(self, name: str) -> None:
        """A unit is not served any more until it is found again: nothing that was seen of it is fresh."""
        if name in self.runners:
            self.runners[name].unit.lost()

    def learnt(self, name: str, identity: Identity | None) -> None:
        """Keep who a unit is, so that it is recognised after a restart at whatever address."""
        described = self.finder.register.things[name].described
        kept = {IDENTITY: identity.key, LEARNT_FOR: described} if identity else {IDENTITY: None, LEARNT_FOR: None}
        self._keeper.put(self._owner[name], kept)

    # Making them

    def _controller(self, network: str, lan: Lan, unique_id: bytes) -> Controller:
        things = (*self._site.units.values(), *self._site.meters.values())
        return Controller(
            lan,
            self._clock,
            unique_id=unique_id,
            response_timeout=self._site.echonet.response_timeout * 1000,
            gap=self._site.gap_of(network),
            classes=frozenset(what.class_code for what in things),
            turns=self._turns,
        )

    def _runner(self, name: str, unit: UnitConfig, kept: Mapping[str, str]) -> UnitRunner:
        evse = next((e for s in self._site.stations for e in s.evses if e.unit == name), None)
        point = self._site.receiving_point
        return UnitRunner(
            self.finder.ways[name],
            self._clock,
            self._mappings.table(unit.class_code),
            name=name,
            eoj=unit.eoj,
            address=None,
            chooser=self.tables,
            control=unit.control,
            discharge_allowed=evse is not None and bool(evse.discharge),
            soc_floor=unit.soc_floor * 1000,
            soc_ceiling=unit.soc_ceiling * 1000,
            memory=StoreMemory(self._keeper, self._owner[name], kept),
            meter=self._meter_of(evse),
            grid=self.grid,
            reverse_flow_allowed=point is not None and point.reverse_flow,
            grid_rules=GridRules(margin=point.margin * 1000) if point is not None else None,
        )

    def _meter(self, use: _Use) -> MeterRunner:
        """A runner for each channel that is used: a meter that two EVSEs look at is read once."""
        name, channel, duplex = use
        config = self._site.meters[name]
        table = self._mappings.meter(config.class_code)
        way = self.finder.ways[name]
        return MeterRunner(
            way, self._clock, table, name, config.eoj, None, channel, duplex=duplex, busy=lambda: self._busy(use)
        )

    def _busy(self, use: _Use) -> bool:
        """Whether energy flows, or is wanted to, at a unit that is measured, or guarded, by a meter."""
        point = self._site.receiving_point
        everybody = point is not None and _use(point) == use
        if everybody and (self.contract_matters() or self.balancing_matters()):
            return True
        units = (
            self.runners[evse.unit].unit
            for station in self._site.stations
            for evse in station.evses
            if everybody or (evse.meter is not None and _use(evse.meter) == use)
        )
        return any(unit.pace is not Pace.IDLE or unit.wanted.mode in _ENERGY for unit in units)

    def _meter_of(self, evse: EvseConfig | None) -> MeterRunner | None:
        return self.meters[_use(evse.meter)] if evse is not None and evse.meter is not None else None

    def _recall(self, name: str, kept: Mapping[str, str]) -> None:
        """Who it was, unless the configuration has since described it otherwise."""
        key = kept.get(IDENTITY)
        if key is not None and kept.get(LEARNT_FOR) == self.finder.register.things[name].described:
            self.finder.remember(name, Identity.from_key(key))

    def _runners_of(self, name: str) -> list[UnitRunner | MeterRunner]:
        if name in self.runners:
            return [self.runners[name]]
        return [meter for use, meter in self.meters.items() if use[0] == name]

    # A unit's trouble stays its own

    async def _supervise(
        self, name: str, run: Callable[[], Coroutine[Any, Any, None]], lost: Callable[[], None]
    ) -> None:
        """A bug that one unit brings out costs this unit a pause, and the others nothing."""
        structlog.contextvars.bind_contextvars(unit=name)  # for all that is logged in this task and below
        pause = QUARANTINE
        while True:
            began = self._clock.monotonic()
            error: Exception | None = None
            try:
                await run()
            except Exception as failure:
                error = failure
                _log.exception("unit failed", unit=name, error=str(error), again_in_ms=pause)
            self._quarantine(name, lost, error)
            if self._clock.monotonic() - began > QUARANTINE_LONGEST:
                pause = QUARANTINE
            await self._clock.sleep(pause)
            self._quarantined.pop(name, None)
            pause = min(pause * 2, QUARANTINE_LONGEST)

    def _quarantine(self, name: str, lost: Callable[[], None], why: Exception | None) -> None:
        """Nobody looks at the unit now, so nothing that was seen of it may pass for fresh."""
        self._quarantined[name] = f"a failure of the gateway's own, left alone for a while: {_innermost(why)}"
        try:
            lost()
        except Exception as error:  # the same bug, perhaps
            _log.exception("unit cannot be shown as lost", unit=name, error=str(error))


def owners(site: SiteConfig) -> tuple[str, ...]:
    """The keys in the store under which something is kept of the units and meters of a site."""
    return tuple(owner for _, owner in _owners(site))


def _owners(site: SiteConfig) -> Iterable[tuple[str, str]]:
    yield from ((name, UNIT + name) for name in site.units)
    yield from ((name, METER + name) for name in site.meters)


def _things(site: SiteConfig) -> Iterable[Thing]:
    configured: dict[str, ObjectConfig] = {**site.units, **site.meters}
    for name, what in configured.items():
        networks = site.networks_of(what)
        yield Thing(name, what.class_code, networks, what.address, what.identity, what.instance)


def _uses(site: SiteConfig) -> Iterable[_Use]:
    """All meters and channels that somebody looks at."""
    wanted = [evse.meter for station in site.stations for evse in station.evses]
    return dict.fromkeys(_use(use) for use in [*wanted, site.receiving_point] if use is not None)


def _use(use: MeterUse) -> _Use:
    return use.meter, use.channel, use.duplex


def _innermost(error: BaseException | None) -> str:
    """What went wrong, without the groups around it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if error is not None else "it ended by itself"


def check_networks(site: SiteConfig, lans: Mapping[str, Lan]) -> None:
    """Every network of the configuration is there."""
    missing = set(site.networks) - set(lans)
    if missing:
        raise ConfigError(f"no way to the networks {sorted(missing)}")
