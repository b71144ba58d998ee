"""A gateway in a storm: 10,000 datagrams a second that nobody asked for, while the CSMS starts and stops the unit.

The gateway, the storm and (here) unit and CSMS are processes of their own; the datagrams are real UDP on the loopback.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bridge.clock import Clock
from bridge.sim.checker import AifChecker
from bridge.sim.codec import Esv, SimFrameError, decode
from bridge.sim.control import SimUnit
from bridge.sim.lan import Datagram
from bridge.sim.node import NodeConfig, SimNode
from bridge.sim.power import PowerConfig
from bridge.sim.udp import open_udp_port
from bridge.sim.unit import SimUnitConfig
from tests.bench.csms import BenchCsms
from tests.bench.programs import Program, gateway, python, site

OWN, UNIT, GROUP = "127.62.3.1", "127.62.3.2", "239.62.3.1"
RATE = 10_000
_MODE = 0xDA
_TOKEN = {"idToken": "BENCH", "type": "Central"}


class Writes:
    """The modes that the gateway at `own` has ordered of the unit, and when (s)."""

    def __init__(self, own: str) -> None:
        self._own = own
        self.got: list[tuple[int, float]] = []
        self._news = asyncio.Event()

    def take(self, datagram: Datagram) -> None:
        """A tap on the unit's port."""
        if datagram.source != self._own:
            return
        try:
            frame = decode(datagram.data)
        except SimFrameError:
            return
        modes = [prop.edt[0] for prop in frame.props if prop.epc == _MODE and prop.edt]
        if frame.esv is Esv.SETC and modes:
            self.got.append((modes[0], time.perf_counter()))
            self._news.set()

    async def next(self, mode: int, since: int) -> float:
        """When a mode was ordered, of the orders from index `since` on."""
        async with asyncio.timeout(30):
            while True:
                for ordered, at in self.got[since:]:
                    if ordered == mode:
                        return at
                self._news.clear()
                await self._news.wait()


async def measure(
    folder: Path, seconds: float = 10.0, own: str = OWN, unit: str = UNIT, group: str = GROUP
) -> dict[str, Any]:
    """Commands through the storm (s), memory (bytes) before, in and after it, and what the log said how often."""
    csms, writes = BenchCsms(), Writes(own)
    config = site(folder, await csms.serve(), own, unit, group)
    async with _unit(own, unit, group, writes), gateway(config) as program:
        await csms.wait("StatusNotification", connectorStatus="Occupied")
        calm = [await _session(csms, writes, number) for number in (1, 2)]
        before, peak, commands = program.rss, 0, []
        cpu = _cpu(program)
        async with python(
            str(Path(__file__).with_name("storm_sender.py")), own, unit, str(RATE), str(seconds)
        ) as storm:
            ended = asyncio.ensure_future(_line(storm))
            while not ended.done():
                commands.append(await _session(csms, writes, 10 + len(commands)))
                peak = max(peak, program.rss)
            sent = await ended
        cpu = _cpu(program) - cpu
        await asyncio.sleep(1)
        after = program.rss
    await csms.close()
    said = Counter(_said(config, unit))
    return {
        "sent": sent["sent"],
        "per_s": sent["sent"] / sent["seconds"],
        "commands": len(commands),
        "slowest_command_s": max(took for pair in commands for took in pair),
        "slowest_before_s": max(took for pair in calm for took in pair),
        "rss_before": before,
        "rss_peak": peak,
        "rss_after": after,
        "cpu_share": cpu / sent["seconds"],
        "log_lines_of_a_kind": max(said.values(), default=0),
        "kinds_in_the_log": sorted({kind for kind, _ in said}),
    }


def _cpu(program: Program) -> float:
    """Processor time (s) of a process."""
    fields = Path(f"/proc/{program.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _said(config: Path, unit: str) -> list[tuple[str, str]]:
    """What the log says of datagrams: kind, and of whom (strangers are one)."""
    kinds = []
    for line in config.with_name("log.txt").read_text().splitlines():
        told = json.loads(line) if line.startswith("{") else {}
        if told.get("level") == "warning" and "address" in told:
            reason = told.get("why") or str(told.get("reason", "")).partition(":")[0]
            kinds.append((f"{told['event']}: {reason}".rstrip(": "), "unit" if told["address"] == unit else ""))
    return kinds


async def _line(program: Program) -> Any:
    assert program.process.stdout is not None
    return json.loads(await program.process.stdout.readline())


async def _session(csms: BenchCsms, writes: Writes, number: int) -> tuple[float, float]:
    """Start and stop remotely: how long each took until the unit was ordered."""
    told, since = len(csms.calls), len(writes.got)
    request = {"evseId": 1, "remoteStartId": number, "idToken": _TOKEN}
    sent, answer = await csms.call("RequestStartTransaction", request)
    assert answer["status"] == "Accepted", answer
    start = await writes.next(0x42, since) - sent
    event, _ = await csms.wait("TransactionEvent", told, eventType="Started")
    transaction = event["transactionInfo"]["transactionId"]
    sent, answer = await csms.call("RequestStopTransaction", {"transactionId": transaction})
    assert answer["status"] == "Accepted", answer
    stop = await writes.next(0x47, since) - sent
    await csms.wait("TransactionEvent", told, eventType="Ended")
    return start, stop


@asynccontextmanager
async def _unit(own: str, address: str, group: str, writes: Writes) -> Any:
    clock = Clock(1)
    port = await open_udp_port(address, clock, group=group)
    power = PowerConfig(start_delay_ms=0, ramp_w_per_s=1_000_000, stop_ramp_w_per_s=1_000_000)
    unit = SimUnit(clock, SimUnitConfig(plugged=True, power=power, inf_delay_ms=10))
    node = SimNode(clock, b"storm", units=[unit], config=NodeConfig(answer_delay_ms=5))
    port.tap(writes.take)
    port.tap(checker := AifChecker(own))
    node.attach(port)
    try:
        yield
    finally:
        await node.close()
    checker.assert_clean()
