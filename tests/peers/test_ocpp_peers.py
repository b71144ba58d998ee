"""The demo CSMS against a strict station that we did not write: npm's ocpp-rpc."""

import pytest

from bridge.clock import Clock
from bridge.sim.csms import DemoCsms, StationCallError
from bridge.sim.csms_behaviour import Late, Refuse
from tests.peers.programs import Program

pytestmark = pytest.mark.peers

BOOT = {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}}
STARTED = {
    "eventType": "Started",
    "timestamp": "2026-01-05T03:17:00Z",
    "triggerReason": "Authorized",
    "seqNo": 0,
    "transactionInfo": {"transactionId": "t1"},
    "idToken": {"idToken": "AA", "type": "Local"},
}


async def test_the_demo_csms_speaks_with_a_strict_station(packages):
    csms = DemoCsms(Clock(seed=1), password="a password of enough letters")
    port = await csms.serve()
    station = await Program.node("station.js", f"ws://127.0.0.1:{port}/ocpp", "CS 1", "a password of enough letters")
    try:
        assert (await station.event("open"))["protocol"] == "ocpp2.0.1"
        assert (await station.call("BootNotification", BOOT))["result"]["status"] == "Accepted"
        assert (await station.call("TransactionEvent", STARTED))["result"] == {"idTokenInfo": {"status": "Accepted"}}
        csms.respond["Heartbeat"] = [Late(200), Refuse("InternalError", "no")]
        assert "currentTime" in (await station.call("Heartbeat", {}))["result"]
        assert (await station.call("Heartbeat", {}))["error"] == "InternalError"
        assert await csms.call("CS 1", "Reset", {"type": "OnIdle"}) == {"status": "Accepted"}
        with pytest.raises(StationCallError, match="NotSupported"):
            await csms.call("CS 1", "ClearCache", {})
        assert csms.violations == []
        assert not [line for line in station.lines if line["event"] in ("strict", "bad")]
        await csms.go_dark()
        await station.event("disconnected")
    finally:
        await station.stop()
        await csms.close()
