"""CALLs that every schema takes and that mean nothing here: answered, never an exception, and refused without a trace.

The cases are the fullest and the smallest payload of each CALL with every number, text, time and enum at its edges
(`tests/tools/bad_payloads.py`), and a table of requests that are nonsense by meaning.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest

from bridge.clock import run_virtual
from bridge.sim import csms_schemas
from tests.tools import bad_payloads
from tests.tools.bad_payloads import Case
from tests.tools.call_bench import CallBench, Told, call_bench, difference, freeze
from tests.tools.house import TOKEN
from tests.tools.station_house import profile

#: What these answer says that they were carried out (or that there is nothing to say: no status at all).
_DONE = {"Accepted", "Scheduled", "RebootRequired"}
#: What may take the connection away: a reset does.
_ENDS_THE_LINK = {"Reset"}


def _refused(told: Told) -> bool:
    """Whether nothing was accepted, so that nothing may have changed."""
    if told.payload is None:
        return True
    statuses = [told.payload.get("status")]
    statuses += [one["attributeStatus"] for one in told.payload.get("setVariableResult", [])]
    return not _DONE & set(statuses)


async def _calls(action: str, cases: list[Case]) -> None:
    """All edges of an action; a station that has taken one over is exchanged for a new one."""
    wrong: list[str] = []

    while cases:
        async with AsyncExitStack() as life:
            bench = await life.enter_async_context(call_bench())
            before = freeze(bench.fingerprint)
            while cases and bench.fingerprint() == before:
                case = cases.pop(0)
                told = await bench.send(action, case.payload)
                await bench.here.clock.sleep(1_000)
                wrong += [f"{case}: {fault}" for fault in _faults(bench, action, told, before)]
                if bench.complaints():
                    break
    assert not wrong, "\n".join(wrong)


def _faults(bench: CallBench, action: str, told: Told, before: list[object]) -> list[str]:
    found = [each[:1500] for each in bench.complaints()]
    if told.code == "InternalError":
        found.append(f"InternalError: {told.description}")
    if told.payload is not None:
        found += csms_schemas.faults(action, "Response", told.payload)
    if _refused(told) and bench.fingerprint() != before:
        found.append(f"refused ({told}), and changed: {difference(before, bench.fingerprint())}")
    if not bench.up and action not in _ENDS_THE_LINK:
        found.append("the link is gone")
    return found


@pytest.mark.parametrize("action", bad_payloads.actions())
def test_edges_of_every_call_are_answered(action: str) -> None:
    run_virtual(_calls(action, bad_payloads.edges(action)))


_VARIABLE = {"component": {"name": "AlignedDataCtrlr"}, "variable": {"name": "Interval"}}
_EVSE_POWER = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
_SCHEDULE = {
    "id": 1,
    "chargingRateUnit": "W",
    "startSchedule": "2026-01-05T03:17:00Z",
    "duration": 3600,
    "minChargingRate": 100.0,
    "chargingSchedulePeriod": [
        {"startPeriod": 0, "limit": 2000.0, "numberPhases": 1},
        {"startPeriod": 60, "limit": -1000.0, "phaseToUse": 1},
    ],
}
_PROFILE = profile(
    3000, "TxDefaultProfile", chargingProfileKind="Recurring", recurrencyKind="Daily", chargingSchedule=[_SCHEDULE],
    validFrom="2026-01-05T03:17:00Z", validTo="2026-01-09T03:17:00Z",
)  # fmt: skip
#: A right request of each kind, as near to its limits as may be; each value of it is then moved to its edges.
SENSE: list[tuple[str, dict[str, Any]]] = [
    ("ChangeAvailability", {"operationalStatus": "Inoperative", "evse": {"id": 1, "connectorId": 1}}),
    ("ClearChargingProfile", {"chargingProfileId": 1}),
    ("ClearChargingProfile", {"chargingProfileCriteria": {
        "evseId": 1, "chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 0}}),
    ("DataTransfer", {"vendorId": "x", "messageId": "y", "data": {"a": [1]}}),
    ("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}),
    ("GetCompositeSchedule", {"evseId": 1, "duration": 3600, "chargingRateUnit": "W"}),
    ("GetReport", {"requestId": 1, "componentCriteria": ["Enabled"], "componentVariable": [_VARIABLE]}),
    ("GetTransactionStatus", {"transactionId": "x"}),
    ("GetVariables", {"getVariableData": [{**_VARIABLE, "attributeType": "Actual"}, _EVSE_POWER]}),
    ("RequestStartTransaction", {"evseId": 1, "remoteStartId": 7, "idToken": TOKEN, "groupIdToken": TOKEN,
                                 "chargingProfile": _PROFILE | {"chargingProfilePurpose": "TxProfile"}}),
    ("RequestStopTransaction", {"transactionId": "x"}),
    ("Reset", {"type": "OnIdle", "evseId": 1}),
    ("SetChargingProfile", {"evseId": 1, "chargingProfile": _PROFILE}),
    ("SetChargingProfile", {"evseId": 0, "chargingProfile": _PROFILE | {
        "chargingProfilePurpose": "ChargingStationMaxProfile", "chargingProfileKind": "Absolute"}}),
    ("SetNetworkProfile", {"configurationSlot": 1, "connectionData": {
        "ocppVersion": "OCPP20", "ocppTransport": "JSON", "ocppCsmsUrl": "ws://other/", "messageTimeout": 30,
        "securityProfile": 1, "ocppInterface": "Wired0"}}),
    ("SetVariables", {"setVariableData": [{**_VARIABLE, "attributeType": "Actual", "attributeValue": "60"}]}),
    ("TriggerMessage", {"requestedMessage": "MeterValues", "evse": {"id": 1, "connectorId": 1}}),
    ("UnlockConnector", {"evseId": 1, "connectorId": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("action", "payload"), SENSE, ids=[f"{n}-{a}" for n, (a, _) in enumerate(SENSE)])
def test_edges_of_right_calls_are_answered(action: str, payload: dict[str, Any]) -> None:
    assert csms_schemas.faults(action, "Request", payload) == []
    cases = bad_payloads.edges_of(action, payload)
    assert len(cases) > 5
    run_virtual(_calls(action, cases))


_FOREIGN = {"component": {"name": "EVSE", "evse": {"id": 9}}, "variable": {"name": "Power"}}
_AGES = profile(
    0, "TxDefaultProfile", id=77, chargingProfileKind="Recurring", recurrencyKind="Daily",
    chargingSchedule=[{
        "id": 1, "chargingRateUnit": "W", "startSchedule": "2026-01-05T00:00:00Z",
        "chargingSchedulePeriod": [{"startPeriod": n * 60, "limit": n % 3 * 1000.0} for n in range(1000)],
    }],
)  # fmt: skip
#: Right by schema, and nonsense here: what is asked, and a part of the answer. None of it changes anything.
NONSENSE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("ChangeAvailability", {"operationalStatus": "Inoperative", "evse": {"id": 2}}, {"status": "Rejected"}),
    ("ChangeAvailability", {"operationalStatus": "Inoperative", "evse": {"id": -1}}, {"status": "Rejected"}),
    ("ChangeAvailability", {"operationalStatus": "Inoperative", "evse": {"id": 1, "connectorId": 2}},
     {"status": "Rejected"}),
    ("ClearChargingProfile", {"chargingProfileId": 99}, {"status": "Unknown"}),
    ("ClearChargingProfile", {"chargingProfileCriteria": {"evseId": 9}}, {"status": "Unknown"}),
    ("DataTransfer", {"vendorId": "nobody"}, {"status": "UnknownVendorId"}),
    ("GetCompositeSchedule", {"evseId": 9, "duration": 60}, {"status": "Rejected"}),
    ("GetCompositeSchedule", {"evseId": 1, "duration": -60}, {"status": "Rejected"}),
    ("GetTransactionStatus", {"transactionId": "another's"}, {"ongoingIndicator": False, "messagesInQueue": False}),
    ("GetVariables", {"getVariableData": [_FOREIGN]},
     {"getVariableResult": [{**_FOREIGN, "attributeStatus": "UnknownComponent", "attributeType": "Actual"}]}),
    ("RequestStartTransaction", {"evseId": 2, "remoteStartId": 1, "idToken": TOKEN}, {"status": "Rejected"}),
    ("RequestStartTransaction", {"evseId": -1, "remoteStartId": 1, "idToken": TOKEN}, {"status": "Rejected"}),
    ("RequestStartTransaction", {"evseId": 0, "remoteStartId": 1, "idToken": TOKEN}, {"status": "Rejected"}),
    ("RequestStartTransaction", {"evseId": 1, "remoteStartId": 1, "idToken": TOKEN}, {"status": "Rejected"}),
    ("RequestStartTransaction", {"evseId": 2, "remoteStartId": 1, "idToken": TOKEN,
                                 "chargingProfile": profile(1000)}, {"status": "Rejected"}),
    ("RequestStopTransaction", {"transactionId": "another's"}, {"status": "Rejected"}),
    ("RequestStopTransaction", {"transactionId": ""}, {"status": "Rejected"}),
    ("Reset", {"type": "Immediate", "evseId": 9}, {"status": "Rejected"}),
    ("Reset", {"type": "OnIdle", "evseId": -1}, {"status": "Rejected"}),
    ("SetChargingProfile", {"evseId": 9, "chargingProfile": profile(1000)}, {"status": "Rejected"}),
    ("SetChargingProfile", {"evseId": 1, "chargingProfile": profile(1000)}, {"status": "Rejected"}),
    ("SetChargingProfile", {"evseId": 1, "chargingProfile": profile(1000, transactionId="another's")},
     {"status": "Rejected"}),
    ("SetChargingProfile", {"evseId": 1, "chargingProfile": profile(1000, "ChargingStationMaxProfile")},
     {"status": "Rejected"}),
    ("SetChargingProfile", {"evseId": 1, "chargingProfile": profile(1000, "ChargingStationExternalConstraints")},
     {"status": "Rejected"}),
    ("SetChargingProfile", {"evseId": 1, "chargingProfile": profile(1000, "TxDefaultProfile", stackLevel=2**31 - 1)},
     {"status": "Rejected"}),
    ("SetChargingProfile", {"evseId": 1, "chargingProfile": profile(
        1000, "TxDefaultProfile", validFrom="2026-02-01T00:00:00Z", validTo="2026-01-01T00:00:00Z")},
     {"status": "Rejected"}),
    ("SetNetworkProfile", {"configurationSlot": -1, "connectionData": {
        "ocppVersion": "OCPP20", "ocppTransport": "JSON", "ocppCsmsUrl": "ws://other/", "messageTimeout": 30,
        "securityProfile": 1, "ocppInterface": "Wired0"}}, {"status": "Rejected"}),
    ("SetNetworkProfile", {"configurationSlot": 1, "connectionData": {
        "ocppVersion": "OCPP20", "ocppTransport": "JSON", "ocppCsmsUrl": "gopher://\x00", "messageTimeout": 30,
        "securityProfile": 1, "ocppInterface": "Wired0"}}, {"status": "Rejected"}),
    ("TriggerMessage", {"requestedMessage": "MeterValues", "evse": {"id": 9}}, {"status": "Rejected"}),
    ("TriggerMessage", {"requestedMessage": "StatusNotification", "evse": {"id": 1, "connectorId": 3}},
     {"status": "Rejected"}),
    ("TriggerMessage", {"requestedMessage": "BootNotification"}, {"status": "Rejected"}),
    ("UnlockConnector", {"evseId": 9, "connectorId": 1}, {"status": "UnknownConnector"}),
    ("UnlockConnector", {"evseId": 1, "connectorId": 2**31 - 1}, {"status": "UnknownConnector"}),
]  # fmt: skip


def test_what_means_nothing_is_refused_without_a_trace() -> None:
    async def main() -> None:
        async with call_bench() as bench:
            before = freeze(bench.fingerprint)
            wrong = []
            for action, payload, wanted in NONSENSE:
                assert csms_schemas.faults(action, "Request", payload) == []
                told = await bench.send(action, payload)
                await bench.here.clock.sleep(1_000)
                answer = told.payload or {"code": told.code}
                if any(answer.get(key) != value for key, value in wanted.items()):
                    wrong.append(f"{action} {payload}: {told}, not {wanted}")
                if (after := bench.fingerprint()) != before:
                    wrong.append(f"{action} {payload} has changed: {difference(before, after)}")
                    before = freeze(bench.fingerprint)
            assert not wrong, "\n".join(wrong)
            assert bench.complaints() == []
            assert bench.up

    run_virtual(main())


#: Variables with values that their tables forbid; none is taken.
VALUES = [
    ("HeartbeatInterval", "OCPPCommCtrlr", "-1"),
    ("HeartbeatInterval", "OCPPCommCtrlr", "9" * 40),
    ("HeartbeatInterval", "OCPPCommCtrlr", "1e3"),
    ("HeartbeatInterval", "OCPPCommCtrlr", ""),
    ("HeartbeatInterval", "OCPPCommCtrlr", "\u0663"),
    ("TxUpdatedInterval", "SampledDataCtrlr", "-60"),
    ("Interval", "AlignedDataCtrlr", "-900"),
    ("Interval", "AlignedDataCtrlr", "0x10"),
    ("TxUpdatedMeasurands", "SampledDataCtrlr", "Energy.Of.The.Stars"),
    ("TxStartPoint", "TxCtrlr", "Whenever"),
    ("TimeZone", "ClockCtrlr", "../../etc/passwd"),
    ("TimeZone", "ClockCtrlr", "Asia/Nowhere"),
    ("LocalPreAuthorize", "AuthCtrlr", "yes"),
    ("EVConnectionTimeOut", "TxCtrlr", "-1"),
]


def test_no_variable_takes_a_value_that_means_nothing() -> None:
    async def main() -> None:
        async with call_bench() as bench:
            before = freeze(bench.fingerprint)
            for variable, component, value in VALUES:
                data = {"component": {"name": component}, "variable": {"name": variable}, "attributeValue": value}
                told = await bench.send("SetVariables", {"setVariableData": [data]})
                assert told.payload is not None, told
                [result] = told.payload["setVariableResult"]
                assert result["attributeStatus"] == "Rejected", (data, result)
                assert bench.fingerprint() == before
            assert bench.complaints() == []

    run_virtual(main())


@pytest.mark.parametrize("limit", [1e308, -1e308])
def test_a_limit_beyond_all_grids_neither_breaks_the_station_nor_its_next_start(limit: float) -> None:
    async def main() -> None:
        async with call_bench() as bench:
            told = await bench.send(
                "SetChargingProfile", {"evseId": 1, "chargingProfile": profile(limit, "TxDefaultProfile")}
            )
            assert told.payload is not None
            assert told.payload["status"] in ("Accepted", "Rejected")
            told = await bench.send("GetCompositeSchedule", {"evseId": 1, "duration": 60})
            assert told.payload is not None
            assert bench.complaints() == []

    run_virtual(main())


def test_a_composite_schedule_of_ages_holds_up_nobody() -> None:
    async def main() -> None:
        async with call_bench() as bench:
            told = await bench.send("SetChargingProfile", {"evseId": 1, "chargingProfile": _AGES})
            assert told.payload == {"status": "Accepted"}
            for evse_id in (0, 1):
                told = await bench.send("GetCompositeSchedule", {"evseId": evse_id, "duration": 2**31 - 1})
                assert told.payload is not None
                assert told.payload["status"] == "Rejected"
                told = await bench.send("GetCompositeSchedule", {"evseId": evse_id, "duration": 86_400})
                assert told.payload is not None
                assert told.payload["status"] == "Accepted"
            assert bench.complaints() == []

    run_virtual(main())
