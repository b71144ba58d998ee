"""The demo's house: a simulated unit, a real gateway and a demo CSMS, over sockets or on the virtual clock."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.clock import Clock
from bridge.echonet.lan import Lan
from bridge.gateway.config import SiteConfig
from bridge.gateway.gateway import Gateway
from bridge.gateway.stations import dialer_for
from bridge.mapping.decision import Table
from bridge.mapping.load import load_mappings
from bridge.sim.codec import SimFrame
from bridge.sim.control import SimUnit
from bridge.sim.csms import DemoCsms
from bridge.sim.node import SimNode
from bridge.sim.scenario import Scene
from bridge.sim.timeline import Row, Timeline
from bridge.sim.unit import SimUnitConfig
from bridge.store.port import Store

STATION = "DEMO-STATION"
CLASS = 0x027E
GATEWAY_ADDRESS = "127.61.0.1"
UNIT_ADDRESS = "127.61.0.2"
_SEED = b"demo-house-01"


@dataclass(frozen=True, slots=True)
class Net:
    """The demo's network: loopback addresses and a multicast group of its own, so that it disturbs no other node of
    this machine (another demo, say) and is not disturbed."""

    gateway: str = GATEWAY_ADDRESS
    unit: str = UNIT_ADDRESS
    group: str | None = None

    @classmethod
    def own(cls) -> Net:
        """One for this process."""
        high, low = divmod(os.getpid() % 0xFFFF, 256)
        return cls(
            f"127.61.{low}.{1 + high // 2 * 2 % 250}", f"127.61.{low}.{2 + high // 2 * 2 % 250}", f"239.61.{high}.{low}"
        )


def site(csms_url: str, state_dir: Path, net: Net) -> SiteConfig:
    """The site configuration of the demo."""
    return SiteConfig.model_validate(
        {
            "config": 1,
            "state_dir": str(state_dir),
            "networks": {"home": {"bind": net.gateway, "group": net.group}},
            "units": {"garage": {"address": net.unit}},
            "echonet": {"gap": 0},
            "stations": [
                {
                    "id": STATION,
                    "csms": {"url": csms_url},
                    "evses": [{"id": 1, "unit": "garage", "discharge": ["negative-limit"]}],
                    "variables": {
                        "OCPPCommCtrlr.RetryBackOffWaitMinimum": 1,
                        "OCPPCommCtrlr.RetryBackOffRandomRange": 1,
                    },
                }
            ],
        }
    )


@asynccontextmanager
async def over_sockets(folder: Path, show: Callable[[Row], None]) -> AsyncIterator[Scene]:
    """The house on loopback: UDP 3610 on 127.61.x.y, a WebSocket on 127.0.0.1, a store in `folder`."""
    from bridge.echonet.udp import open_udp
    from bridge.sim.udp import GROUP, open_udp_port
    from bridge.store.sqlite import open_store

    clock = Clock()
    net = Net.own()
    port = await open_udp_port(net.unit, clock, group=net.group or GROUP)
    lan = await open_udp(net.gateway, group=net.group)
    csms = DemoCsms(clock)
    url = f"ws://127.0.0.1:{await csms.serve()}/"
    store = await open_store(folder / "demo.sqlite3")
    try:
        async with _house(clock, port, lan, csms, store, site(url, folder, net), dialer_for, show) as scene:
            yield scene
    finally:
        await csms.close()
        await port.close()


@asynccontextmanager
async def in_memory(show: Callable[[Row], None]) -> AsyncIterator[Scene]:
    """The same house on the running loop's virtual clock: no sockets, no threads, no files."""
    from bridge.sim.csms_memory import acceptor
    from bridge.sim.lan import SimLan
    from bridge.station.link import LinkDown
    from bridge.station.link_memory import MemoryDialer
    from bridge.store.sqlite import open_store

    clock = Clock(seed=1)
    network = SimLan(clock)
    csms = DemoCsms(clock)
    store = await open_store(Path(":memory:"), inline=True)
    dialer = MemoryDialer(acceptor(csms, STATION, LinkDown))
    config = site("ws://in.memory/", Path("."), Net())
    port, lan = network.join(UNIT_ADDRESS), network.join(GATEWAY_ADDRESS)
    async with _house(clock, port, lan, csms, store, config, lambda _: dialer, show, tap=network) as scene:
        yield scene


@asynccontextmanager
async def _house(
    clock: Clock,
    port: Any,
    lan: Lan,
    csms: DemoCsms,
    store: Store,
    config: SiteConfig,
    dialer_of: Any,
    show: Callable[[Row], None],
    tap: Any = None,
) -> AsyncIterator[Scene]:
    mappings = load_mappings()
    timeline = Timeline(clock, show, meaning=_meaning(mappings.table(CLASS)))
    unit = SimUnit(clock, SimUnitConfig())
    node = SimNode(clock, unique=_SEED, units=[unit])
    (tap or port).tap(lambda d: timeline.datagram(d.source, d.destination or "all nodes", d.data))
    csms.on_message.append(
        lambda m: timeline.message(*(_WAYS[m.direction]), m.frame, m.action)  # as it crossed the wire
    )
    node.attach(port)
    await node.start()
    gateway = await Gateway.build(
        config, lans={"home": lan}, dialer_of=dialer_of, store=store, mappings=mappings, clock=clock
    )
    running = asyncio.ensure_future(gateway.run())
    try:
        yield Scene(clock, unit, csms, STATION, timeline)
    finally:
        gateway.ended.set()
        await running
        await node.close()


_WAYS = {"in": ("gateway", "CSMS"), "out": ("CSMS", "gateway")}


def _meaning(table: Table) -> Callable[[SimFrame], str]:
    """What a frame says, in the words of the property dictionary."""
    release = "P"

    def told(frame: SimFrame) -> str:
        other = frame.deoj if frame.deoj >> 8 == CLASS else frame.seoj
        if other >> 8 != CLASS:
            return "about the node"
        return ", ".join(table.describe(p.epc, p.edt, release) for p in frame.props)

    return told
