"""B07, B08: base and custom reports (TC_B_12 to 14, 16 to 18, 53 to 56)."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from tests.octt.fields import mismatches
from tests.octt.harness import ABSENT, ANY, Octt, case

LISTS = {"OptionList", "SequenceList", "MemberList"}
WRITABLE = {"ReadWrite", "WriteOnly"}
Row = dict[str, Any]


def _standard() -> list[dict[str, str]]:
    """The standard's variables of the features that we have: names, types, units, mutabilities."""
    with (Path(__file__).parent / "standard_variables.csv").open(encoding="utf-8", newline="") as file:
        return [*csv.DictReader(file)]


def _name(row: Row) -> tuple[str, str, str]:
    return row["component"]["name"], row["variable"]["name"], row["variable"].get("instance", "")


def _actual(row: Row) -> Row:
    (attribute,) = row["variableAttribute"]  # no variable of ours has any other
    assert attribute.get("type", "Actual") == "Actual"
    return dict(attribute)


async def report(octt: Octt, action: str, **payload: Any) -> list[Row]:
    """Ask for a report and take its parts: the request's id, the time, seqNo from 0 by 1, while tbc is true; none has
    more variables than ItemsPerMessage."""
    most = int(await octt.get_variable("DeviceDataCtrlr.ItemsPerMessage[GetReport]"))
    request_id = 700 + len(octt.frames)
    answer = await octt.call(action, requestId=request_id, **payload)
    assert answer["status"] == "Accepted", answer
    assert not mismatches(answer, {"statusInfo__reasonCode": {ABSENT, "NoError"}}), answer
    rows: list[Row] = []
    seq_no, more = 0, True
    while more:
        wanted = {"requestId": request_id, "generatedAt": octt.near(), "seqNo": seq_no, "tbc": ANY}
        part = await octt.expect("NotifyReport", **wanted)
        told = part.get("reportData", [])
        assert len(told) <= most, f"{len(told)} variables in one message"
        rows += told
        seq_no, more = seq_no + 1, part["tbc"]
    await octt.never("NotifyReport", 5)
    for row in rows:
        shape = row["variableCharacteristics"]
        assert shape["dataType"] not in LISTS or shape.get("valuesList"), row
    names = [(_name(row), str(row["component"].get("evse"))) for row in rows]
    assert len(names) == len(set(names)), "a variable stands twice in the report"
    return rows


async def base(octt: Octt, kind: str) -> list[Row]:
    return await report(octt, "GetBaseReport", reportBase=kind)


@pytest.mark.covers("TC_B_12_CS")
@case(evses=2)
async def test_the_configuration_inventory(octt: Octt) -> None:
    """All that can be set is reported, and nothing else; the required settings of our features are among it."""
    rows = await base(octt, "ConfigurationInventory")
    assert {_actual(row)["mutability"] for row in rows} <= WRITABLE
    required = {
        (row["component"], row["variable"], row["instance"])
        for row in _standard()
        if row["required"] == "yes" and row["mutability"] == "ReadWrite"
    }
    assert len(required) > 20
    assert required - {_name(row) for row in rows} == set()


@pytest.mark.covers("TC_B_13_CS")
@case(evses=2)
async def test_the_full_inventory(octt: Octt) -> None:
    """All variables are reported with their characteristics, required ones of the EVSEs and connectors for each."""
    rows = await base(octt, "FullInventory")
    required = [row for row in _standard() if row["required"] == "yes"]
    names = {(row["component"], row["variable"], row["instance"]) for row in required}
    assert names - {_name(row) for row in rows} == set()
    for component, tiers in (("EVSE", [{"id": 1}, {"id": 2}]), ("Connector", [_plug(1), _plug(2)])):
        for wanted in (row for row in required if row["component"] == component):
            found = [row["component"].get("evse") for row in rows if _name(row)[:2] == (component, wanted["variable"])]
            assert found == tiers, wanted
    settings = await base(octt, "ConfigurationInventory")
    assert [row for row in rows if _actual(row)["mutability"] in WRITABLE] == settings


def _plug(evse: int) -> dict[str, int]:
    return {"id": evse, "connectorId": 1}


@pytest.mark.covers("TC_B_14_CS")
@case(evses=2)
async def test_the_summary_inventory(octt: Octt) -> None:
    """Availability of the station and its EVSEs, and of a component with a problem what the problem is."""
    quiet = await base(octt, "SummaryInventory")
    told = {(*_name(row)[:2], row["component"].get("evse", {}).get("id")): _actual(row)["value"] for row in quiet}
    available = {("ChargingStation", "AvailabilityState", None), *(("EVSE", "AvailabilityState", n) for n in (1, 2))}
    assert told == dict.fromkeys(available, "Available")  # the connectors' do not differ from the EVSEs'
    octt.unit(2).fault(True)
    await octt.seek("StatusNotification", evse=2, connectorStatus="Faulted")
    rows = await base(octt, "SummaryInventory")
    told = {(*_name(row)[:2], row["component"].get("evse", {}).get("id")): _actual(row)["value"] for row in rows}
    assert told["EVSE", "AvailabilityState", 2] == "Faulted"
    assert told["EVSE", "AvailabilityState", 1] == "Available"
    assert told["EVSE", "Problem", 2] == "true"
    assert told["EVSE", "Trouble", 2]
    assert ("EVSE", "Problem", 1) not in told


def _judge(row: Row, standard: dict[str, str]) -> list[str]:
    """What is not as the standard has the variable."""
    shape, attribute = row["variableCharacteristics"], _actual(row)
    wrong = []
    if shape["dataType"] != standard["data_type"]:
        wrong.append(f"dataType {shape['dataType']}")
    if standard["unit"] and shape.get("unit") not in standard["unit"].split("/"):
        wrong.append(f"unit {shape.get('unit')}")
    if standard["mutability"] and attribute["mutability"] not in standard["mutability"].split("/"):
        wrong.append(f"mutability {attribute['mutability']}")
    return [f"{'.'.join(_name(row))}: {text}" for text in wrong]


@pytest.mark.covers("TC_B_53_CS")
@case(evses=2)
async def test_all_variables_are_as_the_standard_has_them(octt: Octt) -> None:
    """Required variables are there; every standard one has its type, unit and mutability; lists name their values, and
    the value is of them; every value is given but those that may only be written (errata 6.2.19), and EVSE.Power has
    its limit."""
    octt.plug()
    await octt.seek("StatusNotification", connectorStatus="Occupied")
    rows = await base(octt, "FullInventory")
    standard = {(row["component"], row["variable"], row["instance"]): row for row in _standard()}
    required = {name for name, row in standard.items() if row["required"] == "yes"}
    assert required - {_name(row) for row in rows} == set()
    wrong = []
    for row in rows:
        known = standard.get(_name(row)) or standard.get(("*", *_name(row)[1:]))
        wrong += _judge(row, known) if known else []
        attribute, shape = _actual(row), row["variableCharacteristics"]
        if attribute["mutability"] == "WriteOnly":
            wrong += [f"{_name(row)} has a value"] if "value" in attribute else []
            continue
        if "value" not in attribute:
            wrong.append(f"{_name(row)} has no value")
        elif shape["dataType"] in LISTS:
            members = [one for one in attribute["value"].split(",") if one]
            if not shape.get("valuesList") or not set(members) <= set(shape["valuesList"].split(",")):
                wrong.append(f"{_name(row)}: {attribute['value']} is not of {shape.get('valuesList')}")
    assert wrong == []
    limits = [row["variableCharacteristics"].get("maxLimit", 0) for row in rows if _name(row)[:2] == ("EVSE", "Power")]
    assert len(limits) == 2
    assert min(limits) > 1000
    for name in (("SecurityCtrlr", "CertificateEntries", ""), ("SmartChargingCtrlr", "Entries", "ChargingProfiles")):
        assert all("maxLimit" in row["variableCharacteristics"] for row in rows if _name(row) == name)


# B08: not asked of Core, and there all the same


AVAILABILITY = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "AvailabilityState"}}
STATES = "Available,Occupied,Reserved,Unavailable,Faulted"


def _is_availability(row: Row) -> None:
    assert {key: row[key] for key in AVAILABILITY} == AVAILABILITY
    wanted = {"dataType": "OptionList", "valuesList": lambda text: set(text.split(",")) == set(STATES.split(","))}
    assert not mismatches(row["variableCharacteristics"], wanted)
    assert _actual(row)["mutability"] == "ReadOnly"


@pytest.mark.covers("TC_B_16_CS")
@case(variables={"AuthCtrlr.Enabled": True, "AlignedDataCtrlr.Enabled": False})
async def test_components_that_are_enabled(octt: Octt) -> None:
    """Every component that is enabled is reported, none that is disabled; GetVariables says the same of each variable,
    but for those that may only be written (errata 6.2.12)."""
    rows = await report(octt, "GetReport", componentCriteria=["Enabled"])
    told = {row["component"]["name"] for row in rows if _name(row)[1] == "Enabled"}
    full = [row for row in await base(octt, "FullInventory") if _name(row)[1] == "Enabled"]
    assert told == {row["component"]["name"] for row in full if _actual(row)["value"] == "true"}
    assert "AlignedDataCtrlr" not in {row["component"]["name"] for row in rows}
    for row in rows:
        asked = {"component": row["component"], "variable": row["variable"]}
        result = (await octt.call("GetVariables", getVariableData=[asked]))["getVariableResult"][0]
        if _actual(row)["mutability"] == "WriteOnly":
            assert not mismatches(result, {"attributeStatus": "Rejected", "attributeValue": ABSENT})
        else:
            assert result["attributeStatus"] == "Accepted"
            assert _name(row)[1] == "DateTime" or result["attributeValue"] == _actual(row)["value"]


@pytest.mark.covers("TC_B_17_CS")
@case(evses=2)
async def test_one_variable_of_one_evse(octt: Octt) -> None:
    """Exactly the variable that is named is reported."""
    (row,) = await report(octt, "GetReport", componentVariable=[AVAILABILITY])
    _is_availability(row)


@pytest.mark.covers("TC_B_18_CS")
@case(evses=2)
async def test_criteria_and_names_together(octt: Octt) -> None:
    """An available EVSE's variable is reported; as the EVSE has no problem, nothing is found under that criterion."""
    (row,) = await report(octt, "GetReport", componentCriteria=["Available"], componentVariable=[AVAILABILITY])
    _is_availability(row)
    answer = await octt.call("GetReport", requestId=9, componentCriteria=["Problem"], componentVariable=[AVAILABILITY])
    assert answer["status"] == "EmptyResultSet"
    assert not mismatches(answer, {"statusInfo__reasonCode": {ABSENT, "NotFound"}}), answer
    await octt.never("NotifyReport", 5)


ITEMS = {"component": {"name": "DeviceDataCtrlr"}, "variable": {"name": "ItemsPerMessage"}}


@pytest.mark.covers("TC_B_54_CS")
@case()
async def test_without_an_instance_all_instances_come(octt: Octt) -> None:
    """B08.FR.21."""
    rows = await report(octt, "GetReport", componentVariable=[ITEMS])
    assert {_name(row)[:2] for row in rows} == {("DeviceDataCtrlr", "ItemsPerMessage")}
    assert {_name(row)[2] for row in rows} == {"GetReport", "GetVariables", "SetVariables"}


@pytest.mark.covers("TC_B_55_CS")
@case()
async def test_with_an_instance_only_that_comes(octt: Octt) -> None:
    """One instance is named, one is reported."""
    asked = {**ITEMS, "variable": {**ITEMS["variable"], "instance": "GetReport"}}
    (row,) = await report(octt, "GetReport", componentVariable=[asked])
    assert _name(row) == ("DeviceDataCtrlr", "ItemsPerMessage", "GetReport")


@pytest.mark.covers("TC_B_56_CS")
@case(evses=2)
async def test_without_an_evse_all_evses_come(octt: Octt) -> None:
    """B08.FR.23."""
    asked = {"component": {"name": "EVSE"}, "variable": {"name": "AvailabilityState"}}
    rows = await report(octt, "GetReport", componentVariable=[asked])
    assert {_name(row)[:2] for row in rows} == {("EVSE", "AvailabilityState")}
    assert [row["component"]["evse"]["id"] for row in rows] == [1, 2]


@case()
async def test_an_evse_shows_what_its_unit_tells(octt: Octt) -> None:
    """Not of Part 6: the unit's maker, and which mapping table serves it and that none is missing."""
    rows = await report(octt, "GetReport", componentVariable=[{"component": {"name": "MappingTable"}}])
    told = {_name(row)[1]: row for row in rows}
    assert set(told) == {"Hash", "Overlays", "Why", "Trouble", "Problem"}
    assert {str(row["component"]["evse"]) for row in rows} == {"{'id': 1}"}
    assert _actual(told["Hash"])["value"]
    assert _actual(told["Problem"])["value"] == "false"
    assert told["Problem"]["variableCharacteristics"]["dataType"] == "boolean"
    assert {_actual(row)["mutability"] for row in rows} == {"ReadOnly"}
    assert await octt.get_variable("MappingTable.Hash", evse=1) == _actual(told["Hash"])["value"]
    assert await octt.get_variable("EVSE.Manufacturer", evse=1)


@case()
async def test_an_unknown_criterion_is_against_the_schema(octt: Octt) -> None:
    """Every criterion of the schema is supported, so that nothing is left for TC_B_19 but what is no criterion."""
    code = await octt.call_error("GetReport", requestId=1, componentCriteria=["Available", "Sunny"], check=False)
    assert code == "PropertyConstraintViolation"
    await octt.never("NotifyReport", 5)
