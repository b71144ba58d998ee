"""A whole gateway on virtual time: simulated units to the south, the demo CSMS to the north, and the AIF's checker.

`house` gives everything that a test may touch, and asks at its end that the gateway broke no clause of the AIF; `run`
plays a coroutine in it and asks as well that the CSMS found no message to blame.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bridge.clock import Clock, run_virtual
from bridge.gateway.config import SiteConfig
from bridge.gateway.gateway import Gateway
from bridge.gateway.tables import SiteTables
from bridge.mapping.load import Mappings
from bridge.sim.checker import AifChecker, Violation
from bridge.sim.codec import Esv, SimFrame, decode
from bridge.sim.control import SimUnit
from bridge.sim.csms import DemoCsms
from bridge.sim.csms_memory import acceptor
from bridge.sim.device import SimDevice
from bridge.sim.lan import Datagram, LanFaults, Receiver, SimLan, SimPort
from bridge.sim.node import NodeConfig, SimNode
from bridge.sim.unit import SimUnitConfig
from bridge.station.link import LinkDown
from bridge.station.link_memory import MemoryDialer
from bridge.station.station import Station
from bridge.store.port import Store
from bridge.store.sqlite import open_store
from tests.tools.tables import shipped

STATION = "CS-1"
GATEWAY = "10.0.0.1"
UNITS = ("10.0.0.2", "10.0.0.3", "10.0.0.4")
TOKEN = {"idToken": "T-1", "type": "Central"}
MINUTE = 60_000

_MAPPINGS = shipped()

#: Makes further objects, by address: meters, say. An address of a unit puts them on its node.
Beside = Callable[[Clock, Sequence[SimUnit]], Mapping[str, Sequence[SimDevice]]]


@dataclass
class House:
    """Everything that a test touches."""

    clock: Clock
    lan: SimLan
    units: list[SimUnit]
    nodes: list[SimNode]
    csms: DemoCsms
    gateway: Gateway
    store: Store
    checker: AifChecker
    datagrams: list[Datagram] = field(default_factory=list)
    other_lans: dict[str, SimLan] = field(default_factory=dict)

    @property
    def unit(self) -> SimUnit:
        return self.units[0]

    @property
    def station(self) -> Station:
        return self.gateway.stations[STATION]

    async def call(self, action: str, **payload: Any) -> dict[str, Any]:
        return await self.csms.call(STATION, action, payload)

    async def told(self, action: str, since: int = 0, timeout_ms: int = 2 * MINUTE, **fields: Any) -> dict[str, Any]:
        """A CALL of the gateway with these fields (`a__b` for b in a), from index `since` of the CSMS's messages on."""
        return await self.csms.wait_message(
            action,
            lambda payload: all(dig(payload, path) == value for path, value in fields.items()),
            since=since,
            timeout_ms=timeout_ms,
        )

    @property
    def now(self) -> int:
        """For `told(since=...)`: only what comes from here on."""
        return len(self.csms.messages)

    async def ready(self) -> None:
        """The unit has been read and the CSMS told that it is free (or occupied)."""
        for status in await self.csms.wait_for(lambda: self.csms.received("StatusNotification"), 2 * MINUTE):
            if status["connectorStatus"] in ("Available", "Occupied"):
                return
        await self.csms.wait_message(
            "StatusNotification", lambda p: p["connectorStatus"] in ("Available", "Occupied"), timeout_ms=2 * MINUTE
        )

    async def start(self, limit: float | None = None, evse: int = 1) -> str:
        """Plug in, start remotely and wait for energy; the transaction's id."""
        if not self.unit.plugged:
            self.unit.plug()
            await self.told("StatusNotification", connectorStatus="Occupied")
        more = {} if limit is None else {"chargingProfile": profile(limit)}
        answer = await self.call("RequestStartTransaction", evseId=evse, remoteStartId=7, idToken=TOKEN, **more)
        assert answer["status"] == "Accepted", answer
        event = await self.told("TransactionEvent", transactionInfo__chargingState="Charging")
        return str(event["transactionInfo"]["transactionId"])

    async def limit(self, watts: float, transaction: str) -> dict[str, Any]:
        return await self.call(
            "SetChargingProfile", evseId=1, chargingProfile=profile(watts) | {"transactionId": transaction}
        )

    def writes(self) -> list[str]:
        """Everything that the gateway has written, as `DA=42`, whatever became of it."""
        return [
            f"{prop.epc:02X}={prop.edt.hex().upper()}"
            for frame in self.sent()
            if frame.esv in (Esv.SETC, Esv.SETI, Esv.SETGET)
            for prop in frame.props
        ]

    def sent(self) -> list[SimFrame]:
        """Every frame of the gateway."""
        return [decode(d.data) for d in self.datagrams if d.source == GATEWAY]

    def state(self) -> str | None:
        """The chargingState that the CSMS knows."""
        states = [event["transactionInfo"].get("chargingState") for event in self.csms.events()]
        return next((state for state in reversed(states) if state), None)

    async def settle(self, ms: int = 30_000) -> None:
        await self.clock.sleep(ms)


class BothPorts:
    """A node on two networks: it announces on both, and answers on the one it was asked on."""

    def __init__(self, *ports: SimPort) -> None:
        self.ports = ports
        self.dead: set[str] = set()

    def send(self, data: bytes, address: str) -> None:
        for port in self.ports:
            if (":" in port.address) is (":" in address) and port.address not in self.dead:
                port.send(data, address)

    def multicast(self, data: bytes) -> None:
        for port in self.ports:
            if port.address not in self.dead:
                port.multicast(data)

    def attach(self, receiver: Receiver) -> None:
        for port in self.ports:
            port.attach(receiver)

    async def close(self) -> None:
        for port in self.ports:
            await port.close()


def dig(payload: Any, path: str) -> Any:
    for name in path.split("__"):
        payload = payload.get(name) if isinstance(payload, dict) else None
    return payload


def site(**more: Any) -> SiteConfig:
    """One unit at `UNITS[0]`, one station. `unit`, `evse`, `variables` add to their parts; the rest replaces."""
    config = {
        "config": 1,
        "state_dir": ".",
        "networks": {"home": {"bind": GATEWAY}},
        "units": {"car": {"address": UNITS[0], **more.pop("unit", {})}},
        "echonet": {"gap": 0},
        "stations": [
            {
                "id": STATION,
                "csms": {"url": "ws://in.memory/"},
                "evses": [{"id": 1, "unit": "car", "discharge": ["negative-limit"], **more.pop("evse", {})}],
                "variables": {
                    "OCPPCommCtrlr.RetryBackOffWaitMinimum": 1,
                    "OCPPCommCtrlr.RetryBackOffRandomRange": 1,
                    **more.pop("variables", {}),
                },
            }
        ],
    }
    return SiteConfig.model_validate(config | more)


@asynccontextmanager
async def house(
    *,
    config: SiteConfig | None = None,
    units: Mapping[str, SimUnitConfig] | None = None,
    node: NodeConfig | None = None,
    faults: LanFaults | None = None,
    store: Store | None = None,
    start_nodes: bool = True,
    wait: bool = True,
    csms_of: Callable[[Clock], DemoCsms] = DemoCsms,
    beside: Beside = lambda clock, units: {},
    other_networks: Mapping[str, str] | None = None,
    but: Callable[[Violation], bool] = lambda _: False,
    tables: Callable[[], Mappings] = lambda: _MAPPINGS,
) -> AsyncIterator[House]:
    """The house; `units` are the simulated ones by address, `beside` what else lives there. Ends as SIGTERM would.

    `other_networks`: names of networks beside `home`, and the gateway's address in each. `tables` reads the mapping
    tables, at the start and whenever they are to be read anew.

    At the end the gateway must have broken no clause of the AIF; `but` says what a test lets pass, and has to say why.
    """
    clock = Clock(seed=5)
    lan = SimLan(clock, faults)
    checker = AifChecker(GATEWAY, node_at=lan.node_at)
    csms = csms_of(clock)
    store = store or await open_store(Path(":memory:"), inline=True)
    datagrams: list[Datagram] = []
    lan.tap(checker)
    lan.tap(datagrams.append)
    configs = units or {UNITS[0]: SimUnitConfig()}
    sims = [SimUnit(clock, sim_config) for sim_config in configs.values()]
    devices: dict[str, list[SimDevice]] = {address: [sim] for address, sim in zip(configs, sims, strict=True)}
    for address, more in beside(clock, sims).items():
        devices.setdefault(address, []).extend(more)
    nodes = []
    for number, (address, here_too) in enumerate(devices.items()):
        own = node or NodeConfig()
        own = replace(own, answer_delay_ms=own.answer_delay_ms + number)  # who answers first is no matter of chance
        nodes.append(SimNode(clock, f"unit-{number}".encode(), here_too, own))
        if start_nodes:
            nodes[-1].attach(lan.join(address))
            await nodes[-1].start()
    other_lans = {name: SimLan(clock) for name in other_networks or {}}
    for name, other in other_lans.items():
        other.tap(checker.also_on((other_networks or {})[name], other.node_at))
    dialer = MemoryDialer(acceptor(csms, STATION, LinkDown), f"ocpp{csms.version}")
    gateway = await Gateway.build(
        config or site(),
        lans={"home": lan.join(GATEWAY)}
        | {name: other_lans[name].join(address) for name, address in (other_networks or {}).items()},
        dialer_of=lambda _: dialer,
        store=store,
        mappings=(mappings := tables()),
        clock=clock,
        tables=SiteTables(mappings, tables),
    )
    running = asyncio.ensure_future(gateway.run())
    here = House(clock, lan, sims, nodes, csms, gateway, store, checker, datagrams, other_lans)
    try:
        if wait:
            await here.ready()
        yield here
    finally:
        gateway.ended.set()
        await asyncio.wait_for(running, 60)
        for one in nodes:
            await one.close()
    checker.assert_clean(but)


def run(
    play: Callable[[House], Awaitable[None]],
    *,
    strict: bool = True,
    but: Callable[[Violation], bool] = lambda _: False,
    **options: Any,
) -> None:
    """Play in a house on virtual time; `strict` asks that the CSMS saw nothing wrong.

    The AIF is always asked for; `but` says what a test lets pass of it, and has to say why.
    """

    async def main() -> None:
        async with house(but=but, **options) as here:
            await play(here)
            if strict:
                assert here.csms.violations == []
                assert not any(here.csms.gaps().values())

    run_virtual(main())


def profile(limit: float, **more: Any) -> dict[str, Any]:
    """A TxProfile with one limit in W."""
    return {
        "id": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [
            {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}
        ],
        **more,
    }
