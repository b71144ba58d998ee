"""What a CSMS gets of the device model of a running station: limits, live values, what is kept, several reports."""

import json
from pathlib import Path

import pytest

from bridge.clock import run_virtual
from bridge.errors import ConfigError, StoreError
from bridge.evse import Fault, Reading, ValueKind, Variable
from bridge.gateway.first_values import read_first_values
from bridge.sim.csms import StationCallError
from bridge.store.sqlite import open_store
from tests.tools.station_house import STATION, stage

EVSE_1 = {"id": 1}


def asked(name, evse=None):
    component, _, variable = name.partition(".")
    variable, _, instance = variable.rstrip("]").partition("[")
    return {
        "component": {"name": component, **({"evse": evse} if evse else {})},
        "variable": {"name": variable, **({"instance": instance} if instance else {})},
    }


async def read(scene, name, evse=None):
    answer = await scene.call("GetVariables", getVariableData=[asked(name, evse)])
    return answer["getVariableResult"][0].get("attributeValue")


async def write(scene, name, value):
    data = [{**asked(name), "attributeValue": value}]
    return (await scene.call("SetVariables", setVariableData=data))["setVariableResult"][0]["attributeStatus"]


async def report(scene, request_id, action, **payload):
    """The rows of the report that a request brings."""
    answer = await scene.call(action, requestId=request_id, **payload)
    assert answer["status"] == "Accepted", answer
    await scene.wait("NotifyReport", requestId=request_id, tbc=False)
    parts = [one for one in scene.csms.received("NotifyReport") if one["requestId"] == request_id]
    assert [one["seqNo"] for one in parts] == list(range(len(parts)))
    return [row for one in parts for row in one["reportData"]]


def test_live_values_are_what_is_so_now():
    async def main():
        async with stage() as scene:
            assert await read(scene, "SecurityCtrlr.Identity") == STATION
            assert await read(scene, "ChargingStation.Model") == "V2H gateway"
            assert (await read(scene, "ClockCtrlr.DateTime")).startswith(scene.csms.now_text()[:16])
            assert await read(scene, "EVSE.Power", EVSE_1) == ""
            scene.evse.show(power=Reading(-1_234_500, scene.clock.monotonic()))
            scene.evse.show(soc=Reading(54_500, scene.clock.monotonic()), vehicle_id="V-1")
            assert await read(scene, "EVSE.Power", EVSE_1) == "-1234.5"
            assert await read(scene, "ConnectedEV.StateOfCharge", EVSE_1) == "54.5"
            assert await read(scene, "ConnectedEV.VehicleID", EVSE_1) == "V-1"
            assert await read(scene, "EVSE.AvailabilityState", EVSE_1) == "Available"
            assert await read(scene, "EVSE.Problem", EVSE_1) == "false"
            assert await read(scene, "Connector.SupplyPhases", {"id": 1, "connectorId": 1}) == "0"  # CHAdeMO is DC
            scene.evse.show(fault=Fault("E-7", "hot"))
            assert await read(scene, "EVSE.Problem", EVSE_1) == "true"
            assert await read(scene, "EVSE.Trouble", EVSE_1) == "E-7 hot"
            assert await read(scene, "ChargingStation.Problem") == "true"
            scene.evse.show(fault=None, reachable=False)
            assert await read(scene, "EVSE.Trouble", EVSE_1) == "the unit cannot be reached"

    run_virtual(main())


def test_what_a_mapping_table_shows_is_in_reports():
    async def main():
        async with stage() as scene:
            quarantined = (
                Variable("EVSE", "Model", "X1"),
                Variable("MappingTable", "Hash", "abc"),
                Variable("MappingTable", "Problem", "true", ValueKind.FLAG),
            )
            scene.evse.show(variables=quarantined)
            assert await read(scene, "EVSE.Model", EVSE_1) == "X1"
            rows = await report(scene, 1, "GetReport", componentCriteria=["Problem"])
            found = {(row["component"]["name"], row["variable"]["name"]): row for row in rows}
            assert set(found) == {("MappingTable", "Hash"), ("MappingTable", "Problem")}
            assert found["MappingTable", "Problem"]["variableCharacteristics"]["dataType"] == "boolean"
            assert found["MappingTable", "Problem"]["component"]["evse"] == {"id": 1}

    run_virtual(main())


@pytest.mark.parametrize(
    ("action", "items", "instance"),
    [("GetVariables", "getVariableData", "GetVariables"), ("SetVariables", "setVariableData", "SetVariables")],
)
def test_more_items_than_may_be_are_refused(action, items, instance):
    """B06.FR.16: nothing of such a message counts."""

    async def main():
        async with stage(**{f"DeviceDataCtrlr__ItemsPerMessage[{instance}]": 3}) as scene:
            one = asked("OCPPCommCtrlr.OfflineThreshold")
            if action == "SetVariables":
                one["attributeValue"] = "7"
            await scene.call(action, **{items: [one] * 3})
            with pytest.raises(StationCallError) as refused:
                await scene.call(action, **{items: [one | {"attributeValue": "8"} if len(one) > 2 else one] * 4})
            assert refused.value.code == "OccurrenceConstraintViolation"
            assert await read(scene, "OCPPCommCtrlr.OfflineThreshold") == ("7" if len(one) > 2 else "60")

    run_virtual(main())


def test_a_custom_report_has_a_limit_too():
    """B08.FR.17."""

    async def main():
        async with stage(**{"DeviceDataCtrlr__ItemsPerMessage[GetReport]": 2}) as scene:
            wanted = [asked("EVSE.Available")] * 3
            with pytest.raises(StationCallError) as refused:
                await scene.call("GetReport", requestId=1, componentVariable=wanted)
            assert refused.value.code == "OccurrenceConstraintViolation"
            assert len(await report(scene, 2, "GetReport", componentVariable=wanted[:2])) == 1

    run_virtual(main())


@pytest.mark.parametrize("letter", ["x", "語"])
def test_a_longer_message_than_may_be_is_refused(letter):
    """B06.FR.17: bytes count, not characters."""

    async def main():
        async with stage(**{"DeviceDataCtrlr__BytesPerMessage[SetVariables]": 300}) as scene:
            assert await write(scene, "SecurityCtrlr.OrganizationName", letter * 20) == "Accepted"
            with pytest.raises(StationCallError) as refused:
                await write(scene, "SecurityCtrlr.OrganizationName", letter * (64 if letter == "語" else 200))
            assert refused.value.code == "FormatViolation"
            assert await read(scene, "SecurityCtrlr.OrganizationName") == letter * 20

    run_virtual(main())


def test_reports_are_paged_by_bytes():
    async def main():
        async with stage(**{"DeviceDataCtrlr__BytesPerMessage[GetReport]": 3000}) as scene:
            sizes = []
            scene.csms.on_message.append(lambda message: sizes.append(_size(message)))
            await report(scene, 1, "GetBaseReport", reportBase="FullInventory")
            assert len([size for size in sizes if size]) > 10
            assert max(sizes) <= 3000

    run_virtual(main())


def _size(message):
    named = message.direction == "in" and message.action == "NotifyReport" and message.frame[0] == 2
    return len(json.dumps(message.frame, ensure_ascii=False, separators=(",", ":")).encode()) if named else 0


def test_values_survive_a_restart(tmp_path: Path):
    async def main():
        store = await open_store(tmp_path / "store", inline=True)
        try:
            async with stage(store=store) as scene:
                assert await write(scene, "OCPPCommCtrlr.OfflineThreshold", "77") == "Accepted"
                assert await write(scene, "OCPPCommCtrlr.OfflineThreshold", "no") == "Rejected"
                rows = await report(scene, 1, "GetReport", componentVariable=[asked("EVSE.Power")])
                assert rows[0]["variableCharacteristics"]["maxLimit"] == 6000
            async with stage(store=store, wait_boot=False) as scene:
                scene.evse.abilities = type(scene.evse.abilities)()  # the unit has not answered yet
                await scene.wait("StatusNotification")
                assert await read(scene, "OCPPCommCtrlr.OfflineThreshold") == "77"
                rows = await report(scene, 2, "GetReport", componentVariable=[asked("EVSE.Power")])
                assert rows[0]["variableCharacteristics"]["maxLimit"] == 6000
        finally:
            await store.close()

    run_virtual(main())


def test_what_cannot_be_kept_is_rejected_and_does_not_count():
    """B05.FR.09."""

    async def main():
        async with stage() as scene:
            keep, heard = scene.store.put_settings, []
            scene.station.model.on_change(heard.append)

            async def full(station, settings):
                raise StoreError("the disk is full")

            scene.station.store.put_settings = full
            assert await write(scene, "OCPPCommCtrlr.OfflineThreshold", "77") == "Rejected"
            scene.station.store.put_settings = keep
            assert await read(scene, "OCPPCommCtrlr.OfflineThreshold") == "60"
            assert heard == []
            assert await write(scene, "OCPPCommCtrlr.OfflineThreshold", "78") == "Accepted"
            assert [change.value for change in heard] == ["78"]

    run_virtual(main())


def test_reports_are_not_heaped_up():
    """B07.FR.13: a CSMS that asks faster than it takes is put off; afterwards it is served again."""

    async def main():
        async with stage() as scene:
            scene.csms.respond["NotifyReport"] = _late(scene.clock)
            answers = [
                (await scene.call("GetBaseReport", requestId=n, reportBase="FullInventory"))["status"] for n in range(6)
            ]
            assert answers == ["Accepted"] * 4 + ["Rejected"] * 2
            custom = await scene.call("GetReport", requestId=9)
            assert custom["status"] == "Rejected"
            del scene.csms.respond["NotifyReport"]
            for n in range(4):
                await scene.wait("NotifyReport", requestId=n, tbc=False)
            await scene.clock.sleep(1000)
            await report(scene, 10, "GetBaseReport", reportBase="FullInventory")

    run_virtual(main())


def _late(clock):
    from bridge.sim.csms_behaviour import Late

    return Late(2000)


def test_a_report_ends_with_its_connection():
    async def main():
        async with stage() as scene:
            scene.csms.respond["NotifyReport"] = _late(scene.clock)
            await scene.call("GetBaseReport", requestId=1, reportBase="FullInventory")
            await scene.wait("NotifyReport", requestId=1)
            await scene.csms.drop(STATION)
            del scene.csms.respond["NotifyReport"]
            await scene.clock.sleep(30_000)
            assert not [one for one in scene.csms.received("NotifyReport") if one["tbc"] is False]
            rows = await report(scene, 2, "GetBaseReport", reportBase="FullInventory")
            assert len(rows) > 80

    run_virtual(main())


def test_nothing_found_is_no_report():
    """B08.FR.15."""

    async def main():
        async with stage() as scene:
            answer = await scene.call("GetReport", requestId=1, componentCriteria=["Problem"])
            assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("EmptyResultSet", "NotFound")
            await scene.clock.sleep(5000)
            assert scene.csms.received("NotifyReport") == []

    run_virtual(main())


# First values of a site


def test_a_file_of_first_values(tmp_path: Path):
    path = tmp_path / "values.yaml"
    path.write_text(
        "OCPPCommCtrlr.OfflineThreshold: 300\nTxCtrlr.TxStopPoint: [Authorized, EVConnected]\n"
        "EVSE.HandsOff@2: true\nOCPPCommCtrlr.MessageAttempts[TransactionEvent]: 5\n"
    )
    assert read_first_values(path, [1, 2]) == {
        "OCPPCommCtrlr.OfflineThreshold": "300",
        "TxCtrlr.TxStopPoint": "Authorized,EVConnected",
        "EVSE.HandsOff@2": "true",
        "OCPPCommCtrlr.MessageAttempts[TransactionEvent]": "5",
    }
    with pytest.raises(ConfigError, match=r"values\.yaml:3:\d+: CONFIG-VARIABLE EVSE\.HandsOff@2: there is no such"):
        read_first_values(path, [1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("OCPPCommCtrlr.OfflineThreshold: -1\n", r":1:\d+: CONFIG-VARIABLE .*: the least is 0"),
        ("A.B: 1\n\nClockCtrlr.DateTime: x\n", r"(?s):1:.*A\.B: there is no such.*:3:\d+: .*running gateway"),
        ("- a\n", r":1:\d+: "),
        ("OCPPCommCtrlr.OfflineThreshold: {a: 1}\n", r":1:\d+: "),
        ("OCPPCommCtrlr.OfflineThreshold:\n", r":2:\d+: "),
        ("a: [\n", r":\d+:\d+: "),
    ],
)
def test_mistakes_in_a_file_of_first_values_are_told_with_their_place(tmp_path: Path, text, said):
    path = tmp_path / "values.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_first_values(path, [1])
