"""From a RequestStartTransaction on the socket to the first datagram of the recipe, and from a SetChargingProfile to
the datagram of the setting, beside a bare forwarder.

The programs run in processes of their own and are asked in turns, each after the same silence, so that all are as
cold. Where there are two cores they have one, and the CSMS and the unit the other: else it is measured now and then
which of two processes on one core gets its turn first. Each of the two makes one durable commit before anything goes
out; its share is what the forwarder takes longer with one.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from bridge.clock import Clock
from bridge.sim.checker import AifChecker
from bridge.sim.codec import Esv, decode
from bridge.sim.control import SimUnit
from bridge.sim.lan import Datagram
from bridge.sim.node import NodeConfig, SimNode
from bridge.sim.power import PowerConfig
from bridge.sim.udp import open_udp_port
from bridge.sim.unit import SimUnitConfig
from tests.bench.csms import BenchCsms
from tests.bench.programs import gateway, python, site

OWN, UNIT, GROUP = "127.62.2.1", "127.62.2.2", "239.62.2.1"
_STATE, _CHARGE_POWER = 0xC7, 0xEB
_TOKEN = {"idToken": "BENCH", "type": "Central"}
_CORES = sorted(os.sched_getaffinity(0))
_Forward: TypeAlias = Callable[[str, dict[str, Any]], Awaitable[float]]
#: So long (s) after the last datagram a node counts as idle, and so long its state counts as fresh here.
_QUIET = 0.2
_FRESH = 5.0


@dataclass(slots=True)
class _Wire:
    """What reaches the unit, and when."""

    got: list[tuple[float, Esv, frozenset[int]]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, datagram: Datagram) -> None:
        at = time.perf_counter()
        if datagram.source == OWN:
            frame = decode(datagram.data)
            self.got.append((at, frame.esv, frozenset(p.epc for p in frame.props)))
            self.news.set()

    async def first(self, since: int, *services: Esv) -> tuple[float, Esv, frozenset[int]]:
        """The first datagram from index `since` on, of these services where some are named."""
        async with asyncio.timeout(10):
            while True:
                for one in self.got[since:]:
                    if not services or one[1] in services:
                        return one
                self.news.clear()
                await self.news.wait()

    async def idle(self) -> None:
        """Until nothing has been asked for a moment, and the state not long ago."""
        async with asyncio.timeout(70):
            while True:
                read = max((at for at, service, epcs in self.got if service is Esv.GET and _STATE in epcs), default=0.0)
                now = time.perf_counter()
                if now - read < _FRESH and now - self.got[-1][0] >= _QUIET:
                    return
                await asyncio.sleep(_QUIET / 4)


async def measure(folder: Path, rounds: int = 30) -> dict[str, Any]:
    """Medians in µs, and the ratio that counts; `profile_us` is a start that brings a charging profile."""
    csms, wire = BenchCsms(), _Wire()
    config = site(folder, await csms.serve(), OWN, UNIT, GROUP)
    plain, profiled, bare, committing, reads_first = [], [], [], [], 0
    async with (
        _unit(wire),
        _on(-1),
        gateway(config),
        _forwarder("bare_forwarder.py") as forward,
        _forwarder("committing_forwarder.py", str(folder / "commits.sqlite3")) as commit_and_forward,
        _on(0),
    ):
        await csms.wait("StatusNotification", connectorStatus="Occupied")
        request = _start(0)
        for number in range(rounds):
            with_profile = number % 2 == 1  # so that each start has a setting to write: the mode waits for its spacing
            spent, read_first = await _start_and_stop(csms, wire, number + 1, with_profile)
            reads_first += read_first
            (profiled if with_profile else plain).append(spent)
            await asyncio.sleep(_QUIET)
            bare.append(await forward("RequestStartTransaction", request))
            await asyncio.sleep(_QUIET)
            committing.append(await commit_and_forward("RequestStartTransaction", request))
    await csms.close()
    more = {"profile_us": statistics.median(profiled) * 1e6, "reads_first": reads_first}
    return _figures(plain, bare, committing) | more


async def measure_profiles(folder: Path, rounds: int = 30) -> dict[str, Any]:
    """The same of profiles that lower the limit of a running transaction, each a little further."""
    csms, wire = BenchCsms(), _Wire()
    config = site(folder, await csms.serve(), OWN, UNIT, GROUP)
    ours, bare, committing, reads_first = [], [], [], 0
    async with (
        _unit(wire),
        _on(-1),
        gateway(config),
        _forwarder("bare_forwarder.py") as forward,
        _forwarder("committing_forwarder.py", str(folder / "commits.sqlite3")) as commit_and_forward,
        _on(0),
    ):
        await csms.wait("StatusNotification", connectorStatus="Occupied")
        await csms.call("RequestStartTransaction", _start(1) | {"chargingProfile": _profile(1, 6000)})
        event, _ = await csms.wait("TransactionEvent", eventType="Started")
        transaction = event["transactionInfo"]["transactionId"]
        await asyncio.sleep(3)
        for number in range(rounds):
            await wire.idle()
            since = len(wire.got)
            made = _profile(1, 5900 - 100 * number) | {"transactionId": transaction}
            request = {"evseId": 1, "chargingProfile": made}
            sent, answer = await csms.call("SetChargingProfile", request)
            assert answer["status"] == "Accepted", answer
            at, _, epcs = await wire.first(since, Esv.SETC)
            assert epcs == {_CHARGE_POWER}
            reads_first += wire.got[since][1] is Esv.GET
            ours.append(at - sent)
            await asyncio.sleep(_QUIET)
            bare.append(await forward("SetChargingProfile", request))
            await asyncio.sleep(_QUIET)
            committing.append(await commit_and_forward("SetChargingProfile", request))
    await csms.close()
    return _figures(ours, bare, committing) | {"reads_first": reads_first}


def _figures(ours: list[float], bare: list[float], committing: list[float]) -> dict[str, Any]:
    total, base, with_commit = (statistics.median(times) * 1e6 for times in (ours, bare, committing))
    less = total - (with_commit - base)
    return {
        "total_us": total,
        "commit_us": with_commit - base,
        "ours_us": less,
        "bare_us": base,
        "ratio": less / base,
        "rounds": len(ours),
    }


async def _start_and_stop(csms: BenchCsms, wire: _Wire, number: int, with_profile: bool) -> tuple[float, bool]:
    """One start on an idle unit whose state has just been read; how long it took, and whether a read went first."""
    await wire.idle()
    since, told = len(wire.got), len(csms.calls)
    request = _start(number)
    if with_profile:
        request["chargingProfile"] = _profile(number, 2000 + 10 * number)
    sent, answer = await csms.call("RequestStartTransaction", request)
    assert answer["status"] == "Accepted", answer
    at, service, _ = await wire.first(since)
    event, _ = await csms.wait("TransactionEvent", told, eventType="Started")
    await asyncio.sleep(0.3)  # the rest of the recipe
    transaction = event["transactionInfo"]["transactionId"]
    await csms.call("RequestStopTransaction", {"transactionId": transaction})
    await csms.wait("TransactionEvent", told, eventType="Ended")
    return at - sent, service is Esv.GET


def _start(number: int) -> dict[str, Any]:
    return {"evseId": 1, "remoteStartId": number, "idToken": _TOKEN}


def _profile(number: int, watts: int) -> dict[str, Any]:
    schedule = {
        "id": 1,
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": watts}],
    }
    return {
        "id": number,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [schedule],
    }


@asynccontextmanager
async def _unit(wire: _Wire) -> Any:
    """A unit that answers at once."""
    clock = Clock(1)
    port = await open_udp_port(UNIT, clock, group=GROUP)
    power = PowerConfig(start_delay_ms=0, ramp_w_per_s=1_000_000, stop_ramp_w_per_s=1_000_000)
    unit = SimUnit(clock, SimUnitConfig(plugged=True, power=power, inf_delay_ms=10))
    node = SimNode(clock, b"latency", units=[unit], config=NodeConfig(answer_delay_ms=0))
    port.tap(wire.take)
    port.tap(checker := AifChecker(OWN))
    node.attach(port)
    try:
        yield unit
    finally:
        await node.close()
    checker.assert_clean()


@asynccontextmanager
async def _on(place: int) -> AsyncIterator[None]:
    """This program, and what it starts meanwhile, runs on one core: the first (0) or the last (-1)."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {_CORES[place]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class _Target(asyncio.DatagramProtocol):
    """Where a forwarder's datagrams arrive."""

    def __init__(self) -> None:
        self.at: asyncio.Future[float] | None = None

    def datagram_received(self, data: bytes, address: Any) -> None:
        """Note when."""
        if self.at is not None and not self.at.done():
            self.at.set_result(time.perf_counter())


@asynccontextmanager
async def _forwarder(program: str, *arguments: str) -> AsyncIterator[_Forward]:
    """Run a forwarder of this folder; what is given sends a CALL through it and says how long that took (s)."""
    csms, target = BenchCsms(), _Target()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: target, local_addr=(UNIT, 0))
    port = transport.get_extra_info("sockname")[1]
    path = str(Path(__file__).with_name(program))

    async def once(action: str, payload: dict[str, Any]) -> float:
        target.at = asyncio.get_running_loop().create_future()
        sent = await csms.send(action, payload)
        async with asyncio.timeout(10):
            return await target.at - sent

    async with python(path, *arguments, await csms.serve(), OWN, UNIT, str(port)):
        await csms.connected.wait()
        yield once
    transport.close()
    await csms.close()
