"""The whole gateway as a process, between a device and a CSMS that we did not write."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pychonet import ECHONETAPIClient
from pychonet.lib.udpserver import UDPServer

from tests.peers.programs import Program, address
from tests.peers.site import STATION, Place, Site, profile, running

pytestmark = pytest.mark.peers


@pytest.fixture
async def site(packages, tmp_path: Path, device: Program) -> AsyncIterator[Site]:
    async with running(tmp_path, device, Place()) as here:
        yield here


async def test_a_whole_session(site: Site):
    transaction = await site.start()
    await site.mode("42")
    await site.transaction("Updated", lambda event: event["transactionInfo"].get("chargingState") == "Charging")
    answer = await site.call("SetChargingProfile", {"evseId": 1, "chargingProfile": profile(2500, transaction)})
    assert answer["status"] == "Accepted"
    await site.device.event("changed", epc="eb", edt="000009c4")
    await site.device.event("changed", epc="d3", edt="000009c4")
    assert (await site.call("RequestStopTransaction", {"transactionId": transaction}))["status"] == "Accepted"
    await site.mode("47")
    ended = await site.transaction("Ended")
    assert ended["transactionInfo"]["stoppedReason"] == "Remote"
    numbers = [
        line["params"]["seqNo"]
        for line in site.csms.lines
        if line["event"] == "call" and line["method"] == "TransactionEvent"
    ]
    assert numbers == list(range(len(numbers)))
    since = len(site.csms.lines)
    await site.device.command("unplug")
    await site.status("Available", since)
    assert site.complaints() == []


async def test_a_negative_limit_discharges(site: Site):
    transaction = await site.start()
    await site.mode("42")
    request = {"evseId": 1, "chargingProfile": profile(-1500, transaction)}
    assert (await site.call("SetChargingProfile", request))["status"] == "Accepted"
    await site.device.event("changed", epc="ec", edt="000005dc", patience=90)
    await site.device.event("changed", epc="da", edt="43", patience=90)
    assert site.complaints() == []


async def test_a_full_report_passes_the_strict_validator(site: Site):
    answer = await site.call("GetBaseReport", {"requestId": 3, "reportBase": "FullInventory"})
    assert answer["status"] == "Accepted"
    last = await site.told("NotifyReport", lambda report: not report.get("tbc", False))
    assert last["requestId"] == 3
    wanted = {"component": {"name": "TxCtrlr"}, "variable": {"name": "TxStartPoint"}}
    got = await site.call("GetVariables", {"getVariableData": [wanted]})
    assert got["getVariableResult"][0]["attributeStatus"] == "Accepted"
    assert site.complaints() == []


async def test_it_comes_back_after_the_connection_was_closed(site: Site):
    since = len(site.csms.lines)
    await site.csms.say(json.dumps({"close": STATION}))
    await site.csms.event("disconnected", since)
    await site.csms.event("connected", since, patience=60)
    assert site.complaints() == []


async def test_another_controller_beside_us(site: Site):
    """pychonet stops the charging; the CSMS is told, and the gateway does not start it again."""
    await site.start()
    await site.transaction("Updated", lambda event: event["transactionInfo"].get("chargingState") == "Charging")
    server = UDPServer(local_ip=address(3))
    server.run(address(3), 3610, loop=asyncio.get_running_loop())
    client = ECHONETAPIClient(server)
    client._logger = lambda _: None
    try:
        await client.discover(address(2))
        stop = [{"EPC": 0xDA, "PDC": 1, "EDT": 0x44}]
        await client.echonetMessage(address(2), 0x02, 0x7E, 0x01, 0x61, stop)
        await site.mode("44")
        await site.transaction(
            "Updated", lambda event: event["transactionInfo"].get("chargingState") in ("SuspendedEVSE", "SuspendedEV")
        )
        assert [line["edt"] for line in site.device.lines if line.get("epc") == "da"][-1] == "44"
    finally:
        server.close()
    assert site.complaints() == []


async def test_sigterm_pauses_the_car_and_ends_the_process(site: Site):
    await site.start()
    await site.mode("42")
    assert await site.gateway.stop() == 0
    await site.device.wait(lambda line: line["event"] == "changed" and line["epc"] == "da" and line["edt"] != "42")
