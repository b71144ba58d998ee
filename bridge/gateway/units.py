"""The southern side put together: networks, controllers, and a runner for each unit of the site."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import structlog

from bridge.charger.runner import UnitRunner
from bridge.clock import Clock
from bridge.echonet.controller import Controller
from bridge.echonet.discovery import Found
from bridge.echonet.lan import Lan
from bridge.echonet.session import Priority
from bridge.echonet.wellknown import IDENTIFICATION, NODE_PROFILE
from bridge.errors import ConfigError, UnitError
from bridge.gateway.config import SiteConfig, UnitConfig
from bridge.mapping.load import Mappings

_log = structlog.get_logger(__name__)

#: Where an object is: network, address, object code.
_Place: TypeAlias = tuple[str, str, int]

#: While a unit of the configuration is missing, all nodes are asked again after so many ms, then ever more rarely.
SEARCH_FIRST: Final = 60_000
SEARCH_LONGEST: Final = 600_000
#: With every unit there, a search is only for one that has taken another address without a word.
SEARCH_IDLE: Final = 3_600_000
#: A unit whose runner failed (a bug of ours) is left alone for so many ms; it grows.
QUARANTINE: Final = 10_000
QUARANTINE_LONGEST: Final = 600_000


class Units:
    """All units of a site, by the names that the configuration gives them."""

    def __init__(
        self, site: SiteConfig, lans: Mapping[str, Lan], mappings: Mappings, clock: Clock, unique_id: bytes
    ) -> None:
        self._site = site
        classes = frozenset(unit.class_code for unit in site.units.values())
        self.controllers = {
            name: Controller(
                lan,
                clock,
                unique_id=unique_id,
                response_timeout=site.echonet.response_timeout * 1000,
                gap=site.echonet.gap,
                classes=classes,
            )
            for name, lan in lans.items()
        }
        self.runners: dict[str, UnitRunner] = {}
        for name, unit in site.units.items():
            self.runners[name] = self._runner(name, unit, mappings, clock)
        self._clock = clock
        self._claimed: dict[_Place, str] = {}
        self._assigning: set[_Place] = set()

    def _runner(self, name: str, unit: UnitConfig, mappings: Mappings, clock: Clock) -> UnitRunner:
        table = mappings.table(unit.class_code)
        discharge = any(
            evse.unit == name and evse.discharge for station in self._site.stations for evse in station.evses
        )
        return UnitRunner(
            self.controllers[self._site.network_of(unit)],
            clock,
            table,
            name=name,
            eoj=unit.eoj,
            address=unit.address,
            control=unit.control,
            discharge_allowed=discharge,
            soc_floor=unit.soc_floor * 1000,
        )

    async def run(self) -> None:
        """Search and serve for ever."""
        async with asyncio.TaskGroup() as group:
            for name, runner in self.runners.items():
                group.create_task(self._supervise(name, runner))
            for network, controller in self.controllers.items():
                controller.on_found(self._on_found(network, group))
                await controller.start()
                group.create_task(self._search(network, controller))

    async def _supervise(self, name: str, runner: UnitRunner) -> None:
        """A bug that one unit brings out costs this unit a pause, and the others nothing."""
        structlog.contextvars.bind_contextvars(unit=name)  # for all that is logged in this task and below
        pause = QUARANTINE
        while True:
            began = self._clock.monotonic()
            try:
                await runner.run()
            except Exception as error:
                _log.exception("unit failed", unit=name, error=str(error), again_in_ms=pause)
            self._quarantine(name, runner)
            if self._clock.monotonic() - began > QUARANTINE_LONGEST:
                pause = QUARANTINE
            await self._clock.sleep(pause)
            pause = min(pause * 2, QUARANTINE_LONGEST)

    def _quarantine(self, name: str, runner: UnitRunner) -> None:
        """Nobody looks at the unit now, so nothing that was seen of it may pass for fresh."""
        try:
            runner.unit.lost()
        except Exception as error:  # the same bug, perhaps
            _log.exception("unit cannot be shown as lost", unit=name, error=str(error))

    async def _search(self, network: str, controller: Controller) -> None:
        """Look for what is missing: a unit may be switched on, or come back elsewhere, without announcing itself."""
        pause = SEARCH_FIRST
        searched = self._clock.monotonic()
        while True:
            await self._clock.sleep(pause)
            missing = self._missing(network)
            if missing:
                _log.info("searching", network=network, missing=missing)
            elif self._clock.monotonic() - searched < SEARCH_IDLE:
                pause = SEARCH_FIRST
                continue
            controller.search()
            searched = self._clock.monotonic()
            pause = min(pause * 2, SEARCH_LONGEST) if missing else SEARCH_FIRST

    def _missing(self, network: str) -> list[str]:
        """The units on a network that have not been found, or do not answer."""
        return [
            name
            for name, unit in self._site.units.items()
            if self._site.network_of(unit) == network and not self.runners[name].unit.observed.reachable
        ]

    async def close(self) -> None:
        """Leave all networks."""
        for controller in self.controllers.values():
            await controller.close()

    def _on_found(self, network: str, group: asyncio.TaskGroup) -> Callable[[Found], None]:
        def found(what: Found) -> None:
            place = (network, what.address, what.eoj)
            if place in self._claimed:
                self.runners[self._claimed[place]].found(what.address)
            elif place not in self._assigning:  # it may be seen twice before it has told who it is
                self._assigning.add(place)
                group.create_task(self._assign(place))

        return found

    async def _assign(self, place: _Place) -> None:
        """Find out which unit of the configuration an object is, and tell its runner."""
        network, address, eoj = place
        try:
            name = await self._name_of(place)
        except Exception as error:  # a bug here must not end the gateway
            _log.exception("object not assigned", network=network, address=address, error=str(error))
            return
        finally:
            self._assigning.discard(place)
        if name is None:
            _log.info("object not configured", network=network, address=address, object=f"{eoj:06X}")
            return
        for old in [k for k, claimed in self._claimed.items() if claimed == name]:
            del self._claimed[old]
        self._claimed[place] = name
        self.runners[name].found(address)

    async def _name_of(self, place: _Place) -> str | None:
        """By address, by identity, as a unit that has moved, or as the first that is still free."""
        network, address, eoj = place
        candidates = {
            name: unit
            for name, unit in self._site.units.items()
            if self._site.network_of(unit) == network and unit.eoj == eoj
        }
        for name, unit in candidates.items():
            if unit.address == address:
                return name
        roaming = {name: unit for name, unit in candidates.items() if unit.address is None}
        taken = {name for name in roaming if name in self._claimed.values()}
        by_identity = {unit.identity.lower(): name for name, unit in roaming.items() if unit.identity}
        if by_identity or taken:
            identity = await self._identity(network, address, eoj)
            if identity in by_identity:
                return by_identity[identity]
            for name in taken:
                if identity is not None and self._known_identity(name) == identity:
                    return name
        taken = set(self._claimed.values())
        return next((name for name, unit in roaming.items() if not unit.identity and name not in taken), None)

    def _known_identity(self, name: str) -> str | None:
        """What a unit that we serve has told of itself (0x83)."""
        fact = self.runners[name].unit.facts.by_epc.get(IDENTIFICATION)
        return fact.edt.hex() if fact is not None else None

    async def _identity(self, network: str, address: str, eoj: int) -> str | None:
        """The device's own 0x83, else its node's."""
        for asked in (eoj, NODE_PROFILE):
            try:
                answer = await self.controllers[network].get(address, asked, (IDENTIFICATION,), Priority.POLL)
            except UnitError:
                return None
            if IDENTIFICATION in answer.values:
                return answer.values[IDENTIFICATION].hex()
        return None


def check_networks(site: SiteConfig, lans: Mapping[str, Lan]) -> None:
    """Every network of the configuration is there."""
    missing = set(site.networks) - set(lans)
    if missing:
        raise ConfigError(f"no way to the networks {sorted(missing)}")
