"""Block P: vendors' own messages and data (P01, P02)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.octt.harness import Octt, case

CUSTOM: dict[str, Any] = {"vendorId": "org.openchargealliance.octt", "snake_case": {"Nested_Key": [1, None, "三"]}}


@pytest.mark.covers("TC_P_01_CS")
@pytest.mark.parametrize("message", [{}, {"messageId": "octt-unused"}, {"messageId": "x", "data": {"any": ["thing"]}}])
@case()
async def test_a_vendor_that_nobody_knows(octt: Octt, message: dict[str, Any]) -> None:
    """The station speaks no vendor's dialect and says so (P01.FR.05), whatever the message carries."""
    answer = await octt.call("DataTransfer", message | {"vendorId": "org.openchargealliance.octt"})
    assert answer["status"] == "UnknownVendorId"
    assert "data" not in answer


@pytest.mark.covers("TC_P_03_CS")
@case()
async def test_custom_data_is_taken(octt: Octt) -> None:
    """customData, at the message and within it, changes nothing about what is set and read."""
    where = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "OfflineThreshold"}}
    data = [{**where, "attributeValue": "200", "attributeType": "Actual", "customData": CUSTOM}]
    answer = await octt.call("SetVariables", setVariableData=data, customData=CUSTOM)
    assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"
    asked = [{**where, "attributeType": "Actual", "customData": CUSTOM}]
    result = (await octt.call("GetVariables", getVariableData=asked, customData=CUSTOM))["getVariableResult"][0]
    assert result["attributeStatus"] == "Accepted"
    assert result.get("attributeType", "Actual") == "Actual"
    assert result["attributeValue"] == "200"


@case()
async def test_custom_data_in_answers_is_taken(octt: Octt) -> None:
    """A CSMS may put it into every answer; a whole session goes on as without it."""
    octt.answer("TransactionEvent", {"customData": CUSTOM, "idTokenInfo": {"status": "Accepted", "customData": CUSTOM}})
    octt.answer("StatusNotification", {"customData": CUSTOM})
    octt.answer("Heartbeat", lambda _: {"currentTime": octt.csms.now_text(), "customData": CUSTOM})
    await octt.energy_transfer_started()
    await octt.parking_bay_unoccupied()


@case()
async def test_custom_data_names_its_vendor(octt: Octt) -> None:
    """customData without a vendorId is against the schema: refused, and nothing is changed."""
    where = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "OfflineThreshold"}}
    before = await octt.get_variable("OCPPCommCtrlr.OfflineThreshold")
    data = [{**where, "attributeValue": "201", "customData": {"x": 1}}]
    code = await octt.call_error("SetVariables", setVariableData=data, check=False)
    assert code == "OccurrenceConstraintViolation"
    assert await octt.get_variable("OCPPCommCtrlr.OfflineThreshold") == before


@case()
async def test_a_long_data_transfer_is_answered(octt: Octt) -> None:
    """P01.FR.04 leaves the length open: 200 kB are taken, and the link goes on."""
    answer = await octt.call("DataTransfer", vendorId="org.example", data="x" * 200_000)
    assert answer["status"] == "UnknownVendorId"
    await octt.call(
        "GetVariables", getVariableData=[{"component": {"name": "ClockCtrlr"}, "variable": {"name": "DateTime"}}]
    )
