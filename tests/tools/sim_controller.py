"""A controller of a few lines for tests of simulated units: asks, awaits the answer, remembers what was announced."""

from __future__ import annotations

import asyncio
import os

from bridge.clock import Clock
from bridge.sim.codec import Esv, Prop, SimFrame, decode, encode
from bridge.sim.control import SimUnit
from bridge.sim.lan import LanFaults, SimLan
from bridge.sim.node import NodeConfig, Port, SimNode
from bridge.sim.unit import SimUnitConfig

CONTROLLER = 0x05FF01
UNIT = 0x027E01
PROFILE = 0x0EF001


class SimController:
    """One controller at a port."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self.infs: list[tuple[str, SimFrame]] = []
        self.frames: list[tuple[str, SimFrame]] = []
        self._tid = 0
        self._waiting: dict[int, asyncio.Future[SimFrame]] = {}
        self._infs_came = asyncio.Event()
        port.attach(self._receive)

    async def ask(
        self, address: str, esv: Esv, *props: tuple[int, bytes] | int, deoj: int = UNIT, second: tuple[int, ...] = ()
    ) -> SimFrame:
        """Send a request and wait for its answer, at most 20 s."""
        frame = self.frame(esv, *props, deoj=deoj, second=second)
        future = self._waiting[frame.tid] = asyncio.get_running_loop().create_future()
        self.port.send(encode(frame), address)
        async with asyncio.timeout(20):
            return await future

    def frame(
        self, esv: Esv, *props: tuple[int, bytes] | int, deoj: int = UNIT, second: tuple[int, ...] = ()
    ) -> SimFrame:
        """A request with a new TID."""
        self._tid += 1
        made = tuple(Prop(p) if isinstance(p, int) else Prop(*p) for p in props)
        return SimFrame(self._tid, CONTROLLER, deoj, esv, made, tuple(Prop(p) for p in second))

    async def get(self, address: str, *epcs: int, deoj: int = UNIT) -> dict[int, bytes]:
        """The data of properties; empty for refused ones."""
        answer = await self.ask(address, Esv.GET, *epcs, deoj=deoj)
        return {prop.epc: prop.edt for prop in answer.props}

    async def set(self, address: str, epc: int, edt: bytes | int) -> Esv:
        """Write a property; the service of the answer."""
        data = bytes([edt]) if isinstance(edt, int) else edt
        return (await self.ask(address, Esv.SETC, (epc, data))).esv

    async def inf(self, address: str, epc: int, timeout_s: float = 10) -> bytes:
        """Wait until a property has been announced by an address; its latest announced data."""
        async with asyncio.timeout(timeout_s):
            while (found := self.announced(address, epc)) is None:
                self._infs_came.clear()
                await self._infs_came.wait()
        return found

    def announced(self, address: str, epc: int) -> bytes | None:
        """The latest announced data of a property, if any."""
        found = [p.edt for source, frame in self.infs for p in frame.props if source == address and p.epc == epc]
        return found[-1] if found else None

    def _receive(self, data: bytes, source: str) -> None:
        frame = decode(data)
        self.frames.append((source, frame))
        if frame.esv == Esv.INF:
            self.infs.append((source, frame))
            self._infs_came.set()
        future = self._waiting.pop(frame.tid, None) if frame.deoj == CONTROLLER else None
        if future is not None and not future.done():
            future.set_result(frame)


class House:
    """A simulated LAN with one unit at `.20` and a controller at `.2`."""

    UNIT_AT = "192.168.1.20"
    CONTROLLER_AT = "192.168.1.2"

    def __init__(
        self,
        config: SimUnitConfig | None = None,
        node_config: NodeConfig | None = None,
        faults: LanFaults | None = None,
        seed: int = 1,
    ) -> None:
        self.clock = Clock(seed)
        self.lan = SimLan(self.clock, faults)
        self.controller = SimController(self.lan.join(self.CONTROLLER_AT))
        self.unit = SimUnit(self.clock, config)
        self.node = SimNode(self.clock, b"house", [self.unit], node_config)
        self.node.attach(self.lan.join(self.UNIT_AT))

    async def get(self, *epcs: int, deoj: int = UNIT) -> dict[int, bytes]:
        """Get properties of the unit."""
        return await self.controller.get(self.UNIT_AT, *epcs, deoj=deoj)

    async def set(self, epc: int, edt: bytes | int) -> Esv:
        """Write a property of the unit."""
        return await self.controller.set(self.UNIT_AT, epc, edt)

    async def ask(self, esv: Esv, *props: tuple[int, bytes] | int, deoj: int = UNIT) -> SimFrame:
        """Send any request to the unit."""
        return await self.controller.ask(self.UNIT_AT, esv, *props, deoj=deoj)

    def announced(self, epc: int) -> bytes | None:
        """What the unit announced last of a property."""
        return self.controller.announced(self.UNIT_AT, epc)


def loopback(host: int, net: int = 77) -> str:
    """A loopback address that no other test worker uses."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return f"127.{net}.{int(worker) + 1}.{host}"
