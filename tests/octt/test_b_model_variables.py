"""B05, B06: reading and writing variables (TC_B_06, 07, 09 to 11, 32 to 37, 39)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.octt.fields import Variable, mismatches
from tests.octt.harness import ABSENT, Octt, case

THRESHOLD = "OCPPCommCtrlr.OfflineThreshold"
OFFLINE = "AuthCtrlr.LocalAuthorizeOffline"


def _no_complaint(result: dict[str, Any]) -> None:
    """Part 6: the info is absent, or says that there is no error."""
    info = result.get("attributeStatusInfo")
    assert info is None or info["reasonCode"] == "NoError", result


def _one(answer: dict[str, Any], name: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """The only result; it is of that variable, and as wanted."""
    results = answer.get("getVariableResult") or answer["setVariableResult"]
    assert len(results) == 1, results
    _of(results[0], name)
    assert not mismatches(results[0], wanted), results[0]
    return dict(results[0])


def _of(result: dict[str, Any], name: str) -> None:
    named = Variable.parse(name).as_json()
    assert {key: result[key] for key in named} == named


async def _get(octt: Octt, *names: str, attribute: str | None = None) -> dict[str, Any]:
    more = {"attributeType": attribute} if attribute else {}
    return await octt.call("GetVariables", getVariableData=[Variable.parse(name).as_json() | more for name in names])


async def _set(octt: Octt, values: dict[str, str], attribute: str | None = None) -> dict[str, Any]:
    more = {"attributeType": attribute} if attribute else {}
    data = [{**Variable.parse(name).as_json(), **more, "attributeValue": value} for name, value in values.items()]
    return await octt.call("SetVariables", setVariableData=data)


@pytest.mark.covers("TC_B_06_CS")
@case(variables={THRESHOLD: 300})
async def test_one_variable_is_read(octt: Octt) -> None:
    """A variable of the site's configuration is read back, with the attribute type that was asked for."""
    wanted = {"attributeStatus": "Accepted", "attributeType": "Actual", "attributeValue": "300"}
    _no_complaint(_one(await _get(octt, THRESHOLD, attribute="Actual"), THRESHOLD, wanted))
    _one(await _get(octt, THRESHOLD), THRESHOLD, wanted)  # B06.FR.11: without a type it is Actual


@pytest.mark.covers("TC_B_07_CS")
@case(variables={THRESHOLD: 300, OFFLINE: True})
async def test_several_variables_are_read(octt: Octt) -> None:
    """Two variables in one request bring two results, one for each, in whatever order."""
    results = (await _get(octt, THRESHOLD, OFFLINE, attribute="Actual"))["getVariableResult"]
    assert len(results) == 2
    by_name = {result["variable"]["name"]: result for result in results}
    for name, value in ((THRESHOLD, "300"), (OFFLINE, "true")):
        result = by_name[name.partition(".")[2]]
        _of(result, name)
        wanted = {"attributeStatus": "Accepted", "attributeType": "Actual", "attributeValue": value}
        assert not mismatches(result, wanted), result
        _no_complaint(result)


@pytest.mark.covers("TC_B_09_CS")
@case()
async def test_one_variable_is_set(octt: Octt) -> None:
    """A variable takes the value, says so, and keeps it over a power cut."""
    wanted = {"attributeStatus": "Accepted", "attributeType": "Actual"}
    _no_complaint(_one(await _set(octt, {THRESHOLD: "300"}, "Actual"), THRESHOLD, wanted))
    _one(await _set(octt, {THRESHOLD: "301"}), THRESHOLD, wanted)  # B05.FR.12
    assert await octt.get_variable(THRESHOLD) == "301"
    await octt.reboot()
    await octt.expect("BootNotification", 180)
    assert await octt.get_variable(THRESHOLD) == "301"


@pytest.mark.covers("TC_B_10_CS")
@case(variables={OFFLINE: False})
async def test_several_variables_are_set(octt: Octt) -> None:
    """Two variables of different components in one request are both set."""
    results = (await _set(octt, {THRESHOLD: "300", OFFLINE: "true"}, "Actual"))["setVariableResult"]
    assert len(results) == 2
    by_name = {result["variable"]["name"]: result for result in results}
    for name in (THRESHOLD, OFFLINE):
        result = by_name[name.partition(".")[2]]
        _of(result, name)
        assert not mismatches(result, {"attributeStatus": "Accepted", "attributeType": "Actual"}), result
        _no_complaint(result)
    assert (await octt.get_variable(THRESHOLD), await octt.get_variable(OFFLINE)) == ("300", "true")


#: Which of the five values of TC_B_11 each variable may take.
TAKES = {
    THRESHOLD: {"60"},
    "SmartChargingCtrlr.LimitChangeSignificance": {"60", "60.1"},
    "AuthCtrlr.AuthorizeRemoteStart": {"true"},
}


@pytest.mark.covers("TC_B_11_CS")
@case(variables={THRESHOLD: 60})
async def test_what_is_badly_written_is_rejected(octt: Octt) -> None:
    """Each of five values is tried on variables of three types; what is not of its type is rejected and changes
    nothing. ClockCtrlr.NextTimeOffsetTransitionDateTime is not implemented: the case leaves steps 7 and 8 out then."""
    absent = "ClockCtrlr.NextTimeOffsetTransitionDateTime"
    _one(await _get(octt, absent), absent, {"attributeStatus": "UnknownVariable"})
    for value in ("60", "60.1", "true", octt.csms.now_text(), "abc"):
        for name, takes in TAKES.items():
            before = await octt.get_variable(name)
            status = "Accepted" if value in takes else "Rejected"
            result = _one(await _set(octt, {name: value}), name, {"attributeStatus": status, "attributeType": "Actual"})
            if status == "Rejected":
                assert result["attributeStatusInfo"]["reasonCode"] == "InvalidValue"
            assert await octt.get_variable(name) == (value if status == "Accepted" else before)


UNKNOWN_COMPONENT = "UnknownComponent.OfflineThreshold"
UNKNOWN_VARIABLE = "OCPPCommCtrlr.UnknownVariable"


@pytest.mark.covers("TC_B_32_CS")
@case()
async def test_an_unknown_component_cannot_be_read(octt: Octt) -> None:
    """The result names what was asked for, and has no value."""
    wanted = {"attributeStatus": "UnknownComponent", "attributeValue": ABSENT}
    _one(await _get(octt, UNKNOWN_COMPONENT), UNKNOWN_COMPONENT, wanted)


@pytest.mark.covers("TC_B_33_CS")
@case()
async def test_an_unknown_variable_cannot_be_read(octt: Octt) -> None:
    """The component is known, the variable is not; there is no value."""
    wanted = {"attributeStatus": "UnknownVariable", "attributeValue": ABSENT}
    _one(await _get(octt, UNKNOWN_VARIABLE), UNKNOWN_VARIABLE, wanted)


@pytest.mark.covers("TC_B_34_CS")
@case()
async def test_another_attribute_cannot_be_read(octt: Octt) -> None:
    """A setting has no target; the result repeats the attribute type that was asked for."""
    for attribute in ("Target", "MinSet", "MaxSet"):
        wanted = {
            "attributeStatus": "NotSupportedAttributeType",
            "attributeType": attribute,
            "attributeValue": ABSENT,
        }
        _one(await _get(octt, THRESHOLD, attribute=attribute), THRESHOLD, wanted)


@pytest.mark.covers("TC_B_35_CS")
@case()
async def test_an_unknown_component_cannot_be_set(octt: Octt) -> None:
    """The result names what was asked for."""
    answer = await _set(octt, {UNKNOWN_COMPONENT: "300"})
    _one(answer, UNKNOWN_COMPONENT, {"attributeStatus": "UnknownComponent"})


@pytest.mark.covers("TC_B_36_CS")
@case()
async def test_an_unknown_variable_cannot_be_set(octt: Octt) -> None:
    """The component is known, the variable is not."""
    _one(await _set(octt, {UNKNOWN_VARIABLE: "300"}), UNKNOWN_VARIABLE, {"attributeStatus": "UnknownVariable"})


@pytest.mark.covers("TC_B_37_CS")
@case()
async def test_another_attribute_cannot_be_set(octt: Octt) -> None:
    """A setting has no target; the value that counts stays."""
    before = await octt.get_variable(THRESHOLD)
    wanted = {"attributeStatus": "NotSupportedAttributeType", "attributeType": "Target"}
    _one(await _set(octt, {THRESHOLD: "300"}, "Target"), THRESHOLD, wanted)
    assert await octt.get_variable(THRESHOLD) == before != "300"


@pytest.mark.covers("TC_B_39_CS")
@case()
async def test_what_is_read_only_cannot_be_set(octt: Octt) -> None:
    """The message timeout belongs to the network profile; the result names the instance too."""
    name = "OCPPCommCtrlr.MessageTimeout[Default]"
    before = await octt.get_variable(name)
    _one(await _set(octt, {name: "7"}), name, {"attributeStatus": "Rejected"})
    assert await octt.get_variable(name) == before != "7"
