"""The demo CSMS takes the connections of the station's own dialer."""

import asyncio
import json

import pytest

from bridge.clock import Clock, run_virtual
from bridge.sim.csms import DemoCsms
from bridge.sim.csms_memory import MemoryClosedError, acceptor, memory_pair
from bridge.station.link import LinkDown
from bridge.station.link_memory import MemoryDialer

BOOT = {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}}


def test_the_stations_own_memory_dialer_reaches_it():
    async def play():
        csms = DemoCsms(Clock(seed=1))
        dialer = MemoryDialer(acceptor(csms, "CS1", LinkDown))
        line = await dialer.dial(("ocpp2.0.1",))
        await line.send(json.dumps([2, "1", "BootNotification", BOOT]))
        answer = json.loads(await anext(aiter(line)))
        assert answer[2]["status"] == "Accepted"
        await line.send(b"\x00")
        await csms.wait_for(lambda: csms.violations)
        await csms.go_dark()
        assert [message async for message in line] == []
        with pytest.raises(LinkDown):
            await dialer.dial(("ocpp2.0.1",))
        csms.come_back()
        line = await dialer.dial(("ocpp2.0.1",))
        await csms.wait_for(lambda: csms.connected("CS1"))
        await line.close()
        await csms.wait_for(lambda: not csms.connected("CS1"))

    run_virtual(play())


def test_a_memory_connection_keeps_order_and_latency_and_can_be_cut():
    async def play():
        clock = Clock(seed=1)
        near, far = memory_pair(clock, latency=100)
        for number in range(20):
            await near.send(str(number))
        assert [await far.recv() for _ in range(20)] == [str(number) for number in range(20)]
        assert clock.monotonic() == 100
        near.cut = True
        await near.send("lost")
        near.cut = False
        await near.send("last")
        await near.close()
        assert await far.recv() == "last"
        with pytest.raises(MemoryClosedError):
            await asyncio.wait_for(far.recv(), 1)
        with pytest.raises(MemoryClosedError):
            await far.send("x")

    run_virtual(play())
