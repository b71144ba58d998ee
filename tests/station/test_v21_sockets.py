"""A station before CSMSs of either version, over real WebSockets: what is offered, what is agreed, what is spoken."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from websockets.asyncio.server import serve

from bridge.clock import Clock
from bridge.gateway.config import StationConfig
from bridge.gateway.stations import dialer_for, make_station
from bridge.sim.csms import DemoCsms
from bridge.store.keeper import Keeper
from bridge.store.sqlite import open_store
from tests.tools.station_house import STATION, HandEvse, profile

BOTH = ["2.1", "2.0.1"]


@contextlib.asynccontextmanager
async def running(port, versions):
    """The same configuration whoever is there."""
    clock = Clock(seed=3)
    store = await open_store(Path(":memory:"), inline=True)
    config = StationConfig.model_validate(
        {
            "id": STATION,
            "csms": {"url": f"ws://127.0.0.1:{port}/ocpp", "versions": versions},
            "evses": [{"id": 1, "unit": "u", "discharge": ["ocpp2.1"]}],
            "variables": {"OCPPCommCtrlr.RetryBackOffWaitMinimum": 1, "OCPPCommCtrlr.RetryBackOffRandomRange": 0},
        }
    )
    evse = HandEvse(clock)
    station = await make_station(
        config, {1: evse}, dialer=dialer_for(config), store=store, keeper=Keeper(store), clock=clock
    )
    task = asyncio.ensure_future(station.run())
    try:
        yield station, evse
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.close()


async def use(csms, station, evse):
    """From booting to the end of a transaction."""

    async def told(action, **fields):
        return await csms.wait_message(action, lambda p: all(p.get(name) == value for name, value in fields.items()))

    await told("StatusNotification")
    assert station.link.subprotocol == f"ocpp{csms.version}"
    assert await csms.call(STATION, "GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}) == {
        "status": "Accepted"
    }
    await told("NotifyReport", tbc=False)
    evse.plug()
    start = {"evseId": 1, "remoteStartId": 7, "idToken": {"idToken": "T", "type": "Central"}}
    assert (await csms.call(STATION, "RequestStartTransaction", start | {"chargingProfile": profile(3000)}))[
        "status"
    ] == "Accepted"
    started = await told("TransactionEvent", eventType="Started")
    evse.flow(3000)
    transaction = {"transactionId": started["transactionInfo"]["transactionId"]}
    assert (await csms.call(STATION, "RequestStopTransaction", transaction))["status"] == "Accepted"
    evse.unplug()
    await told("TransactionEvent", eventType="Ended")
    assert csms.violations == []


@pytest.mark.parametrize("version", BOTH)
async def test_a_csms_that_speaks_one_version_only_gets_a_working_station(version):
    csms = DemoCsms(Clock(1), version=version)
    port = await csms.serve()
    try:
        async with running(port, BOTH) as (station, evse):
            await use(csms, station, evse)
    finally:
        await csms.close()


async def test_the_csms_is_exchanged_for_one_of_the_other_version():
    """The same address, first a CSMS of 2.1, then one of 2.0.1: the next connection has the other version."""
    later, older = DemoCsms(Clock(1), version="2.1"), DemoCsms(Clock(1))
    port = await later.serve()
    try:
        async with running(port, BOTH) as (station, evse):
            await use(later, station, evse)
            await later.close()
            older.stations = later.stations  # it knows the station, which has not booted anew
            assert await older.serve(port=port) == port
            evse.plug()
            await older.wait_message("StatusNotification")
            assert station.link.subprotocol == "ocpp2.0.1"
            assert older.violations == []
    finally:
        await later.close()
        await older.close()


@pytest.mark.parametrize(
    ("versions", "offered"),
    [(["2.0.1"], ["ocpp2.0.1"]), (BOTH, ["ocpp2.1", "ocpp2.0.1"]), (BOTH[::-1], ["ocpp2.0.1", "ocpp2.1"])],
)
async def test_versions_are_offered_in_the_order_of_the_site(versions, offered):
    seen = asyncio.Queue()

    async def handle(socket):
        seen.put_nowait((socket.request.headers["Sec-WebSocket-Protocol"], socket.subprotocol))
        await socket.wait_closed()

    async with serve(handle, "127.0.0.1", 0, subprotocols=["ocpp2.0.1", "ocpp2.1"]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with running(port, versions) as (station, _):
            header, agreed = await asyncio.wait_for(seen.get(), 10)
            assert [name.strip() for name in header.split(",")] == offered
            assert agreed in offered
            for _ in range(200):
                if station.link.connected:
                    break
                await asyncio.wait_for(asyncio.ensure_future(station.clock.sleep(10)), 5)
            assert station.link.subprotocol == agreed


async def test_a_server_that_chooses_none_is_left_as_ever():
    closed = asyncio.Queue()

    async def handle(socket):
        await socket.wait_closed()
        closed.put_nowait((socket.close_code, socket.close_reason))

    async with serve(handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with running(port, BOTH) as (station, _):
            assert await asyncio.wait_for(closed.get(), 10) == (1002, "no common subprotocol")
            assert not station.link.connected
