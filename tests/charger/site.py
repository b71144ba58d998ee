"""A site on the simulated network: a simulated unit, the real controller, a runner, and the AIF checker watching."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bridge.charger.runner import UnitRunner
from bridge.clock import Clock
from bridge.echonet.controller import Controller
from bridge.evse import HappeningKind, Mode, Wanted
from bridge.mapping.decision import Table
from bridge.sim.checker import AifChecker
from bridge.sim.codec import Esv, decode
from bridge.sim.control import SimUnit
from bridge.sim.lan import Datagram, LanFaults, SimLan
from bridge.sim.node import NodeConfig, SimNode
from bridge.sim.unit import SimUnitConfig
from tests.charger.fakes import EOJ, FakeTable

UNIT_AT, OURS = "192.168.1.20", "192.168.1.2"


@dataclass
class Site:
    """One unit, its runner, and what passed between them."""

    clock: Clock
    lan: SimLan
    unit: SimUnit
    node: SimNode
    runner: UnitRunner
    checker: AifChecker
    happened: list[HappeningKind] = field(default_factory=list)
    sets: list[tuple[int, str]] = field(default_factory=list)

    def want(self, mode: Mode, **more: Any) -> None:
        self.runner.unit.want(Wanted(mode, **more))

    async def seconds(self, count: float) -> None:
        await self.clock.sleep(int(count * 1000))

    def tap(self, datagram: Datagram) -> None:
        if datagram.source != OURS:
            return
        frame = decode(datagram.data)
        if frame.esv == Esv.SETC:
            [prop] = frame.props
            self.sets.append((datagram.at, f"{prop.epc:02X}={prop.edt.hex().upper()}"))

    @property
    def writes(self) -> list[str]:
        return [write for _, write in self.sets]


@asynccontextmanager
async def site(
    config: SimUnitConfig | None = None,
    faults: LanFaults | None = None,
    seed: int = 1,
    *,
    node: NodeConfig | None = None,
    table: Table | None = None,
    **runner: Any,
) -> AsyncIterator[Site]:
    clock = Clock(seed)
    lan = SimLan(clock, faults)
    checker = AifChecker(OURS)
    lan.tap(checker)
    unit = SimUnit(clock, config or SimUnitConfig(plugged=True))
    sim_node = SimNode(clock, b"site", [unit], node)
    sim_node.attach(lan.join(UNIT_AT))
    controller = Controller(lan.join(OURS), clock, unique_id=bytes(13), classes=frozenset({0x027E}))
    made_runner = UnitRunner(
        controller, clock, table or FakeTable(active=3_000), name="u1", eoj=EOJ, address=None, **runner
    )
    controller.on_found(lambda found: made_runner.found(found.address))
    made = Site(clock, lan, unit, sim_node, made_runner, checker)
    lan.tap(made.tap)
    made_runner.unit.listen(lambda observed, happenings: made.happened.extend(each.kind for each in happenings))
    task = asyncio.create_task(made_runner.run())
    await controller.start()
    await sim_node.start()
    try:
        await made.seconds(3)
        yield made
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await controller.close()
    checker.assert_clean()
