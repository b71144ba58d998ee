"""The gateway as a process, from one configuration, before a strict CSMS of OCPP 2.1 and before one of 2.0.1."""

from pathlib import Path

import pytest

from tests.peers.programs import Program
from tests.peers.site import Place, profile, running

pytestmark = pytest.mark.peers

BOTH = Place(csms={"versions": [2.1, "2.0.1"]}, discharge=("ocpp2.1", "negative-limit"))  # 2.1: as YAML reads it


@pytest.mark.parametrize("protocol", ["ocpp2.1", "ocpp2.0.1"])
async def test_a_session_in_both_directions(protocol: str, packages, tmp_path: Path, device: Program):
    async with running(tmp_path, device, BOTH, protocol=protocol) as site:
        transaction = await site.start()
        await site.mode("42")
        order = profile(-1500, transaction)
        if protocol == "ocpp2.1":
            order["chargingSchedule"][0]["chargingSchedulePeriod"] = [
                {"startPeriod": 0, "operationMode": "CentralSetpoint", "setpoint": -1500}
            ]
        answer = await site.call("SetChargingProfile", {"evseId": 1, "chargingProfile": order})
        assert answer["status"] == "Accepted"
        await site.device.event("changed", epc="ec", edt="000005dc", patience=90)
        await site.device.event("changed", epc="da", edt="43", patience=90)
        if protocol == "ocpp2.1":
            told = await site.transaction("Updated", lambda event: event["triggerReason"] == "OperationModeChanged")
            assert told["transactionInfo"]["operationMode"] == "CentralSetpoint"
        report = await site.call("GetBaseReport", {"requestId": 3, "reportBase": "FullInventory"})
        assert report["status"] == "Accepted"
        await site.told("NotifyReport", lambda part: not part.get("tbc", False))
        assert (await site.call("RequestStopTransaction", {"transactionId": transaction}))["status"] == "Accepted"
        await site.transaction("Ended")
        assert site.complaints() == []
