"""The whole gateway as a process, between a device and a CSMS that we did not write."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pychonet import ECHONETAPIClient
from pychonet.lib.udpserver import UDPServer

from tests.peers.programs import Program, address

pytestmark = pytest.mark.peers

STATION = "PEER-1"
PASSWORD = "a password of enough letters"
TOKEN = {"idToken": "AA", "type": "Central"}


def site_config(folder: Path, port: int) -> Path:
    """A site with the device at `address(2)`, and the gateway at `address(1)`."""
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o600)
    config = {
        "config": 1,
        "state_dir": str(folder / "state"),
        "networks": {"home": {"bind": address(1)}},
        "units": {"car": {"address": address(2)}},
        "stations": [
            {
                "id": STATION,
                "csms": {
                    "url": f"ws://127.0.0.1:{port}/ocpp",
                    "security_profile": 1,
                    "password_file": str(folder / "password"),
                },
                "evses": [{"id": 1, "unit": "car", "discharge": ["negative-limit"]}],
                "variables": {"SampledDataCtrlr.TxUpdatedInterval": 1},
            }
        ],
    }
    path = folder / "site.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML too
    return path


class Site:
    """The three programs, and what a test asks of them."""

    def __init__(self, gateway: Program, device: Program, csms: Program) -> None:
        self.gateway, self.device, self.csms = gateway, device, csms

    async def call(self, method, params):
        """A call of the CSMS, answered."""
        line = await self.csms.call(method, params, identity=STATION)
        assert "error" not in line, line
        return line["result"]

    async def told(self, method, match=lambda params: True, since=0):
        """What the gateway has told the CSMS."""
        line = await self.csms.wait(
            lambda line: line["event"] == "call" and line["method"] == method and match(line["params"]), since
        )
        return line["params"]

    async def status(self, status, since=0):
        """A StatusNotification."""
        await self.told("StatusNotification", lambda params: params["connectorStatus"] == status, since)

    async def transaction(self, kind, match=lambda params: True):
        """A TransactionEvent."""
        return await self.told("TransactionEvent", lambda params: params["eventType"] == kind and match(params))

    async def start(self, **more):
        """Plug in and start remotely; gives back the transaction's id."""
        await self.device.command("plug 50")
        await self.status("Occupied")
        request = {"evseId": 1, "remoteStartId": 7, "idToken": TOKEN, **more}
        assert (await self.call("RequestStartTransaction", request))["status"] == "Accepted"
        started = await self.transaction("Started")
        return started["transactionInfo"]["transactionId"]

    async def mode(self, edt):
        """The device has taken a mode."""
        await self.device.event("changed", epc="da", edt=edt)

    def complaints(self):
        """What the strict CSMS did not like."""
        return [line for line in self.csms.lines if line["event"] in ("strict", "bad", "refused")]


@pytest.fixture
async def site(packages, tmp_path: Path, device: Program) -> AsyncIterator[Site]:
    csms = await Program.node("csms.js", "127.0.0.1", PASSWORD)
    port = (await csms.event("listening"))["port"]
    gateway = await Program.python("bridge.cli.main", "run", "--config", str(site_config(tmp_path, port)))
    running = Site(gateway, device, csms)
    try:
        await gateway.event("store opened")
        await csms.event("connected", identity=STATION, protocol="ocpp2.0.1")
        await running.status("Available")
        yield running
    except AssertionError as error:
        raise AssertionError(f"{error}; the gateway: {gateway.lines[-5:]} {gateway.other[-5:]}") from None
    finally:
        await gateway.stop()
        await csms.stop()


def profile(limit, transaction_id, number=1):
    """A TxProfile with one limit (W)."""
    schedule = {
        "id": 1,
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
    }
    return {
        "id": number,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "transactionId": transaction_id,
        "chargingSchedule": [schedule],
    }


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
