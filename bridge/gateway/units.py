"""The southern side put together: networks, controllers, and a runner for each unit of the site."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

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
        self._claimed: dict[tuple[str, str, int], str] = {}
        self._asking: set[asyncio.Task[None]] = set()

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
            for runner in self.runners.values():
                group.create_task(runner.run())
            for name, controller in self.controllers.items():
                controller.on_found(self._on_found(name, group))
                await controller.start()

    async def close(self) -> None:
        """Leave all networks."""
        for controller in self.controllers.values():
            await controller.close()

    def _on_found(self, network: str, group: asyncio.TaskGroup) -> Callable[[Found], None]:
        def found(what: Found) -> None:
            group.create_task(self._assign(network, what))

        return found

    async def _assign(self, network: str, what: Found) -> None:
        """Which unit of the configuration an object on the network is: by address, by identity, or the first free."""
        key = (network, what.address, what.eoj)
        if key in self._claimed:
            self.runners[self._claimed[key]].found(what.address)
            return
        name = await self._name_of(network, what)
        if name is None:
            _log.info("object not configured", network=network, address=what.address, object=f"{what.eoj:06X}")
            return
        for old in [k for k, claimed in self._claimed.items() if claimed == name]:
            del self._claimed[old]
        self._claimed[key] = name
        self.runners[name].found(what.address)

    async def _name_of(self, network: str, what: Found) -> str | None:
        open_units = [
            (name, unit)
            for name, unit in self._site.units.items()
            if self._site.network_of(unit) == network and unit.eoj == what.eoj
        ]
        for name, unit in open_units:
            if unit.address == what.address:
                return name
        identified = {unit.identity.lower(): name for name, unit in open_units if unit.identity and not unit.address}
        if identified:
            identity = await self._identity(network, what)
            if identity in identified:
                return identified[identity]
        taken = set(self._claimed.values())
        free = (name for name, unit in open_units if not unit.address and not unit.identity and name not in taken)
        return next(free, None)

    async def _identity(self, network: str, what: Found) -> str | None:
        """The device's own 0x83, else its node's."""
        for eoj in (what.eoj, NODE_PROFILE):
            try:
                answer = await self.controllers[network].get(what.address, eoj, (IDENTIFICATION,), Priority.POLL)
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
