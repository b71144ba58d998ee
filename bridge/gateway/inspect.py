"""What the commands of site operators look at: networks, the objects on them, and how one of them is named.

The same code serves a command that has opened the network itself and one that goes through a running gateway: both
hand in a `Ground`. What an operation finds goes back as plain JSON data.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.charger.reader import Reader
from bridge.charger.runner import UnitRunner
from bridge.clock import Clock
from bridge.echonet.controller import Controller, Traffic
from bridge.echonet.frame import FrameError, decode_instance_list
from bridge.echonet.session import Priority
from bridge.echonet.wellknown import INSTANCE_LIST, NODE_PROFILE, class_of, instance_of
from bridge.errors import BridgeError, NoAnswerError
from bridge.gateway.class_names import class_name
from bridge.gateway.config import SiteConfig, UnitConfig
from bridge.gateway.identity import Place
from bridge.mapping.load import Mappings
from bridge.mapping.yamlfile import nearest
from bridge.policies import Control

#: After the network was opened its nodes may still be answering the search, and ignore what else is asked (AIF 2.4.1).
SETTLING: Final = 500
#: Properties in one request that every class takes (AIF 2.4.4: 4 for 0x02A1, 8 for 0x027E).
FEW: Final = 4
#: How long (ms) a unit may take to tell everything that its runner wants to know first.
INTRODUCTION: Final = 90_000

_EOJ = re.compile(r"(?:0x)?([0-9A-Fa-f]{6})")

#: Takes what an operation has to say while it goes on: `{"event": "...", ...}`.
Tell = Callable[[dict[str, Any]], None]
#: One operation: the request as it came, and where to say what happens. Gives back the result.
Operation = Callable[["Ground", Mapping[str, Any], Tell], Awaitable[dict[str, Any]]]


class InspectError(BridgeError):
    """Something that was asked for cannot be done; the message says what, where, and the mend."""


@dataclass(frozen=True, slots=True)
class Target:
    """One object that is looked at. `name` is the configuration's, or the address where it has none."""

    name: str
    network: str
    address: str
    eoj: int
    config: UnitConfig | None = None


@dataclass
class Ground:
    """Where operations look. `runners`, `place_of` and `reserved` are a running gateway's; a command has none.

    `place_of` says where a configured unit is. `reserved` says why a unit may not be moved now, None if it may.
    `bound` is our own address in each network.
    """

    clock: Clock
    controllers: Mapping[str, Controller]
    mappings: Mappings
    bound: Mapping[str, str] = field(default_factory=dict)
    site: SiteConfig | None = None
    runners: Mapping[str, UnitRunner] | None = None
    place_of: Callable[[str], Place | None] = lambda _: None
    reserved: Callable[[str], str | None] = lambda _: None
    _ears: dict[str, list[Callable[[Traffic], None]]] = field(default_factory=dict)
    _started: bool = False

    @property
    def of_gateway(self) -> bool:
        """Whether a gateway runs here, whose networks and units these are."""
        return self.runners is not None

    async def start(self) -> bool:
        """Begin to listen and to search, where no gateway has done so before; whether that was now."""
        if self.of_gateway or self._started:
            return False
        self._started = True
        for controller in self.controllers.values():
            await controller.start()
        await self.clock.sleep(SETTLING)
        return True

    @contextmanager
    def hear(self, network: str, ear: Callable[[Traffic], None]) -> Iterator[None]:
        """Be called with every datagram of a network for a while.

        A controller's callbacks are for ever, so that it gets one of ours, which costs nothing while nobody listens.
        """
        if network not in self._ears:
            self._ears[network] = []
            self.controllers[network].on_traffic(lambda traffic: self._heard(network, traffic))
        self._ears[network].append(ear)
        try:
            yield
        finally:
            self._ears[network].remove(ear)

    def _heard(self, network: str, traffic: Traffic) -> None:
        for ear in tuple(self._ears[network]):
            ear(traffic)

    def reader(self, target: Target, take: Callable[[dict[int, bytes], frozenset[int]], None]) -> Reader:
        """Reads properties with as few requests as the object lets us; `take` is told what came."""
        controller = self.controllers[target.network]

        async def ask(epcs: Sequence[int], priority: Priority) -> Any:
            return await controller.get(target.address, target.eoj, epcs, priority)

        return Reader(ask, take, self.clock.monotonic, FEW)

    async def read(self, target: Target, epcs: Sequence[int]) -> dict[int, bytes]:
        """The values of some properties; what is refused is absent. Raises `NoAnswerError`."""
        values: dict[int, bytes] = {}
        await self.reader(target, lambda told, _: values.update(told)).read(epcs, Priority.POLL)
        return values

    def runner_of(self, target: Target) -> UnitRunner | None:
        """The runner that a gateway keeps for an object, if it keeps one."""
        return (self.runners or {}).get(target.name) if target.config is not None else None

    @asynccontextmanager
    async def driven(self, target: Target, *, discharge: bool = False) -> AsyncIterator[UnitRunner]:
        """A runner that has read its unit: the gateway's, or one for as long as this lasts.

        `discharge` allows one of our own to discharge; a gateway's follows its configuration.
        """
        existing = self.runner_of(target)
        if existing is not None:
            await self._introduced(existing, target)
            yield existing
            return
        runner = self._make_runner(target, discharge)
        running = asyncio.ensure_future(runner.run())
        try:
            await self._introduced(runner, target)
            yield runner
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def _make_runner(self, target: Target, discharge: bool) -> UnitRunner:
        config = target.config
        return UnitRunner(
            self.controllers[target.network],
            self.clock,
            self.mappings.table(class_of(target.eoj)),
            name=target.name,
            eoj=target.eoj,
            address=target.address,
            control=Control.ON if config is None else config.control,
            discharge_allowed=discharge,
            soc_floor=(UnitConfig().soc_floor if config is None else config.soc_floor) * 1000,
        )

    async def _introduced(self, runner: UnitRunner, target: Target) -> None:
        end = self.clock.monotonic() + INTRODUCTION
        while not runner.unit.started:
            if self.clock.monotonic() >= end:
                raise InspectError(
                    f"{target.name}: the unit at {target.address} does not answer; "
                    "is it switched on, and is this its address? `discover` shows what is there"
                )
            await self.clock.sleep(100)


# -- which object is meant


async def find_target(ground: Ground, request: Mapping[str, Any]) -> Target:
    """The object that `"unit"` names: a unit of the configuration, `ADDRESS`, or `ADDRESS:EOJ`."""
    text = request.get("unit")
    if not isinstance(text, str) or not text:
        raise InspectError('"unit" is the name of a unit in the configuration, or ADDRESS, or ADDRESS:EOJ')
    units = ground.site.units if ground.site is not None else {}
    if text in units:
        return await _configured(ground, text, units[text])
    place = parse_place(text)
    if place is None:
        known = f"; units: {', '.join(units)}" if units else "; to use a unit's name, give its --config"
        raise InspectError(
            f"{text!r} is neither a unit of the configuration nor an address{nearest(text, units)}{known}"
        )
    address, eoj = place
    network = _network(ground, address, request.get("network"))
    if eoj is None:
        eoj = await _only_object(ground, network, address)
    return _named(ground, network, address, eoj)


def parse_place(text: str) -> tuple[str, int | None] | None:
    """Address and object of `192.0.2.20`, `192.0.2.20:027E01` or `[fe80::1%eth0]:027E01`; None if it is neither."""
    for address, eoj in (_split(text), (text, None)):  # six digits are never a part of an address
        bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
        try:
            ipaddress.ip_address(bare)
        except ValueError:
            continue
        return bare, eoj
    return None


def _split(text: str) -> tuple[str, int | None]:
    address, _, code = text.rpartition(":")
    match = _EOJ.fullmatch(code)
    return (address, int(match[1], 16)) if match else ("", None)


async def _configured(ground: Ground, name: str, unit: UnitConfig) -> Target:
    """Where a unit of the configuration is: a gateway knows it, otherwise it is at its address or searched for."""
    assert ground.site is not None
    if ground.of_gateway:
        place = ground.place_of(name)
        if place is None:
            raise InspectError(
                f"unit {name!r} has not been found yet: is it switched on? `discover` shows what is there"
            )
        return Target(name, *place, unit)
    networks = [network for network in ground.site.networks_of(unit) if network in ground.controllers]
    if not networks:
        raise InspectError(f"unit {name!r} is on a network that is not open: leave --bind and --interface out")
    if unit.address is not None and unit.instance is not None:
        return Target(name, networks[0], unit.address, unit.eoj, unit)
    if unit.address is not None:
        await ground.start()
        listed = await instance_list(ground, networks[0], unit.address)
        fitting = [eoj for eoj in listed if class_of(eoj) == unit.class_code]
        if not fitting:
            raise InspectError(f"unit {name!r}: there is no object of class 0x{unit.class_code:04X} at {unit.address}")
        return Target(name, networks[0], unit.address, fitting[0], unit)
    from bridge.gateway.inspect_discover import locate

    place = await locate(ground, networks, name, unit)
    return Target(name, *place, unit)


def configured_name(ground: Ground, place: Place, identity: str | None = None) -> str | None:
    """The name that the configuration gives an object: by a gateway's own knowledge, else by address or identity."""
    for name, unit in (ground.site.units if ground.site is not None else {}).items():
        if ground.of_gateway:
            if ground.place_of(name) == place:
                return name
            continue
        fits = class_of(place.eoj) == unit.class_code and unit.instance in (None, instance_of(place.eoj))
        here = unit.address == place.address or (identity is not None and (unit.identity or "").lower() == identity)
        if fits and here:
            return name
    return None


def _named(ground: Ground, network: str, address: str, eoj: int) -> Target:
    """An object that was given by its place may be a unit of the configuration all the same."""
    place = Place(network, address, eoj)
    name = configured_name(ground, place)
    if name is None or ground.site is None:
        return Target(f"{address}:{eoj:06X}", *place)
    return Target(name, *place, ground.site.units[name])


def _network(ground: Ground, address: str, wanted: Any) -> str:
    names = list(ground.controllers)
    if wanted is not None:
        if wanted not in names:
            raise InspectError(f"there is no network {wanted!r}; networks: {', '.join(names)}")
        return str(wanted)
    version = ipaddress.ip_address(address).version
    fitting = [name for name in names if name not in ground.bound or _version(ground.bound[name]) in (version, None)]
    if not fitting:
        raise InspectError(f"no network here is IPv{version}, as {address} is")
    if len(fitting) > 1:
        raise InspectError(f"{address} may be on several networks ({', '.join(fitting)}): say which with --network")
    return fitting[0]


def _version(address: str) -> int | None:
    try:
        return ipaddress.ip_address(address).version
    except ValueError:
        return None


async def _only_object(ground: Ground, network: str, address: str) -> int:
    """The object at an address where none was named: the only one, or the only one that a table serves."""
    await ground.start()
    listed = await instance_list(ground, network, address)
    served = [eoj for eoj in listed if class_of(eoj) in ground.mappings.tables]
    for choice in (served, listed):
        if len(choice) == 1:
            return choice[0]
    if not listed:
        raise InspectError(f"{address} has no device object: its instance list is empty or is refused")
    shown = ", ".join(f"{address}:{eoj:06X} ({class_name(ground.mappings, class_of(eoj))})" for eoj in listed)
    raise InspectError(f"{address} has several objects, name one: {shown}")


async def instance_list(ground: Ground, network: str, address: str) -> tuple[int, ...]:
    """The device objects that a node lists (0xD6). Raises `InspectError` if the node does not answer."""
    try:
        values = await ground.read(Target(address, network, address, NODE_PROFILE), (INSTANCE_LIST,))
    except NoAnswerError as error:
        raise InspectError(str(error)) from error
    try:
        return tuple(dict.fromkeys(decode_instance_list(values.get(INSTANCE_LIST, b"\x00"))))
    except FrameError as error:
        raise InspectError(f"{address}: bad instance list ({error}); name the object, ADDRESS:EOJ") from error
