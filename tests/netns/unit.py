"""A simulated unit on a network of its own: python unit.py ADDRESS INTERFACE CLASS

It speaks through the product's `UdpLan`, which is IPv6 too. Lines on the standard input: plug, unplug. Lines of JSON on
the standard output: ready, and each property that has changed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from bridge.clock import Clock
from bridge.echonet.udp import open_udp
from bridge.sim.control import SimUnit
from bridge.sim.node import SimNode
from bridge.sim.power import PowerConfig
from bridge.sim.unit import SimUnitConfig


def tell(**what: Any) -> None:
    """One line."""
    print(json.dumps(what), flush=True)


async def main(address: str, interface: str, unit_class: str) -> None:
    """Serve until the standard input ends."""
    clock = Clock(1)
    power = PowerConfig(start_delay_ms=0, ramp_w_per_s=1_000_000, stop_ramp_w_per_s=1_000_000)
    config = SimUnitConfig(unit_class=int(unit_class, 16), inf_delay_ms=10, handshake_ms=0, power=power)
    unit = SimUnit(clock, config)
    unit.on_change = lambda change: tell(event="changed", epc=f"{change.epc:02X}", edt=change.edt.hex().upper())
    node = SimNode(clock, b"netns", [unit])
    node.attach(await open_udp(address, interface=interface))
    await node.start()
    tell(event="ready", address=address)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().strip():
        {"plug": unit.plug, "unplug": unit.unplug}[line]()
    await node.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
