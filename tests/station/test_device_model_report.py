"""Which variables a report tells, and how it is cut into messages."""

from datetime import UTC, datetime

import pytest

from bridge.evse import ValueKind
from bridge.evse import Variable as Shown
from bridge.station.device_model import DeviceModel, EvseTraits
from bridge.station.device_model_table import TABLE, Key, Scope
from bridge.station.messages import Component, ComponentCriterion, ComponentVariable, Evse, ReportBase, Variable
from bridge.station.messages.v201 import Adapter
from bridge.station.report import base_report, custom_report, report_data, report_messages

NOW = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def model():
    return DeviceModel({1: EvseTraits(6_000_000), 2: EvseTraits(3_000_000, 1)})


def names(entries):
    """`Component.Variable[Instance]@evse.connector` of each."""
    at = {1: "@1", 2: "@2", 0: ""}
    return [f"{one.row.key}{at[one.evse_id]}{'.1' if one.connector_id else ''}" for one in entries]


def wanted(component, variable=None, evse=None, instance=None):
    named = Variable(variable, instance) if variable else None
    return ComponentVariable(Component(component, evse), named)


def size(message):
    return len(Adapter().text_of(message).encode())


def cut(entries, items=20, most_bytes=65_536):
    return report_messages(entries, request_id=42, generated_at=NOW, items=items, most_bytes=most_bytes, size=size)


# Base reports


def test_the_full_inventory_tells_everything(model):
    model.bind_shown(2, lambda: (Shown("EVSE", "Model", "X1"),))
    full = names(base_report(model, ReportBase.FULL_INVENTORY))
    places = {Scope.STATION: 1, Scope.EVSE: 2, Scope.CONNECTOR: 2}
    assert len(full) == len(set(full)) == sum(places[row.scope] for row in TABLE) + 1
    assert {"EVSE.Power@2", "Connector.ConnectorType@1.1", "EVSE.Model@2"} <= set(full)


def test_the_configuration_tells_what_can_be_set(model):
    told = [report_data(one) for one in base_report(model, ReportBase.CONFIGURATION_INVENTORY)]
    assert {one.variable_attribute[0].mutability for one in told} == {"ReadWrite", "WriteOnly"}
    assert "OfflineThreshold" in {one.variable.name for one in told}


def test_the_summary_tells_states_and_problems(model):
    model.publish(Key.CONNECTOR_AVAILABILITY_STATE, "Faulted", 2, 1)
    quiet = names(base_report(model, ReportBase.SUMMARY_INVENTORY))
    states = ["ChargingStation.AvailabilityState", "EVSE.AvailabilityState@1", "EVSE.AvailabilityState@2"]
    assert quiet == [*states, "Connector.AvailabilityState@2.1"]  # of EVSE 1 it says no more than the EVSE's
    model.publish(Key.EVSE_PROBLEM, "true", 2)
    model.publish(Key.EVSE_TROUBLE, "it burns", 2)
    flag = Shown("MappingTable", "Problem", "true", ValueKind.FLAG)
    model.bind_shown(1, lambda: (Shown("MappingTable", "Trouble", "no table"), flag, Shown("EVSE", "Model", "X")))
    found = set(names(base_report(model, ReportBase.SUMMARY_INVENTORY))) - set(quiet)
    assert found == {"EVSE.Problem@2", "EVSE.Trouble@2", "MappingTable.Trouble@1", "MappingTable.Problem@1"}


# Custom reports (B08)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ([wanted("EVSE", "AvailabilityState", Evse(1))], ["EVSE.AvailabilityState@1"]),
        ([wanted("evse", "AVAILABILITYSTATE")], ["EVSE.AvailabilityState@1", "EVSE.AvailabilityState@2"]),
        ([wanted("Connector", "Available", Evse(2))], ["Connector.Available@2.1"]),
        ([wanted("Connector", "Available", Evse(2, 1))], ["Connector.Available@2.1"]),
        ([wanted("Connector", "Available", Evse(2, 2))], []),
        ([wanted("EVSE", "Available", Evse(1, 1))], []),
        (
            [wanted("DeviceDataCtrlr", "ItemsPerMessage")],
            [f"DeviceDataCtrlr.ItemsPerMessage[{one}]" for one in ("GetReport", "GetVariables", "SetVariables")],
        ),
        (
            [wanted("DeviceDataCtrlr", "ItemsPerMessage", instance="getreport")],
            ["DeviceDataCtrlr.ItemsPerMessage[GetReport]"],
        ),
        ([wanted("ConnectedEV", evse=Evse(1))], ["ConnectedEV.VehicleID@1", "ConnectedEV.StateOfCharge@1"]),
        (
            [wanted("ConnectedEV", "StateOfCharge", Evse(1)), wanted("connectedev", evse=Evse(1))],
            ["ConnectedEV.StateOfCharge@1", "ConnectedEV.VehicleID@1"],
        ),
        ([wanted("ClockCtrlr", "Nothing"), wanted("Nothing")], []),
        ([ComponentVariable(Component("EVSE", None, "left"), Variable("Available"))], []),
    ],
)
def test_what_is_named_is_told(model, asked, told):
    assert names(custom_report(model, (), asked)) == told


def test_without_anything_named_everything_is_told(model):
    assert custom_report(model, (), ()) == base_report(model, ReportBase.FULL_INVENTORY)


def components(entries):
    return {one.row.key.component for one in entries}


def test_criteria_choose_components(model):
    """B08.FR.07 to FR.10: a component without the variable counts as met, but never as having a problem."""
    every = components(model.entries())
    model.publish(Key.AUTH_ENABLED, "false")
    model.publish(Key.EVSE_PROBLEM, "true", 2)
    assert components(custom_report(model, [ComponentCriterion.ACTIVE], ())) == every
    able = every - {"V2XChargingCtrlr"}  # no unit has told yet that it is
    assert components(custom_report(model, [ComponentCriterion.AVAILABLE], ())) == able
    assert components(custom_report(model, [ComponentCriterion.ENABLED], ())) == every - {"AuthCtrlr"}
    problems = custom_report(model, [ComponentCriterion.PROBLEM], ())
    assert {(one.row.key.component, one.evse_id) for one in problems} == {("EVSE", 2)}
    assert "EVSE.Power@2" in names(problems)  # the whole component


def test_one_criterion_of_several_is_enough(model):
    model.publish(Key.AUTH_ENABLED, "false")
    both = [ComponentCriterion.PROBLEM, ComponentCriterion.ENABLED]
    assert components(custom_report(model, both, ())) == components(model.entries()) - {"AuthCtrlr"}


def test_criteria_and_names_both_count(model):
    asked = [wanted("EVSE", "AvailabilityState", Evse(1))]
    assert names(custom_report(model, [ComponentCriterion.AVAILABLE], asked)) == ["EVSE.AvailabilityState@1"]
    assert custom_report(model, [ComponentCriterion.PROBLEM], asked) == []


# What is told of a variable


def test_a_variable_is_told_with_its_characteristics(model):
    told = {one.row.key: report_data(one) for one in model.entries() if one.evse_id in (0, 1)}
    power = told[Key.EVSE_POWER]
    assert (power.component, power.variable) == (Component("EVSE", Evse(1)), Variable("Power"))
    shape = power.variable_characteristics
    assert (shape.data_type, shape.unit, shape.max_limit, shape.supports_monitoring) == ("decimal", "W", 6000, False)
    attribute = power.variable_attribute[0]
    assert (attribute.type, attribute.mutability, attribute.persistent, attribute.constant) == (
        *("Actual", "ReadOnly"),
        *(False, False),
    )
    assert told[Key.BASIC_AUTH_PASSWORD].variable_attribute[0].value is None
    assert told[Key.TX_START_POINT].variable_characteristics.values_list.startswith("EVConnected,")
    assert told[Key.CONNECTOR_TYPE].component == Component("Connector", Evse(1, 1))


def test_every_row_is_ocpp(model):
    """The strictest judge there is here: each page passes the schema."""
    model.bind_shown(1, lambda: (Shown("x" * 60, "y" * 60, "z" * 3000), Shown("EVSE", "日本", "語" * 3000)))
    for message in cut(base_report(model, ReportBase.FULL_INVENTORY)):
        Adapter().encode_request(message)


# Paging


@pytest.mark.parametrize("items", [1, 7, 20, 10_000])
def test_messages_hold_as_many_as_may_be(model, items):
    rows = base_report(model, ReportBase.FULL_INVENTORY)
    parts = cut(rows, items, 10**9)
    assert [len(part.report_data) for part in parts[:-1]] == [items] * (len(parts) - 1)
    assert 0 < len(parts[-1].report_data) <= items
    _is_whole(parts, rows)


@pytest.mark.parametrize("most_bytes", [1500, 4096, 65_536])
def test_messages_are_no_longer_than_may_be(model, most_bytes):
    model.bind_shown(1, lambda: (Shown("EVSE", "Model", "語" * 200),))
    rows = base_report(model, ReportBase.FULL_INVENTORY)
    parts = cut(rows, 10_000, most_bytes)
    frame = 2 + 38 + 16 + 8
    singles = [part for part in parts if size(part) + frame > most_bytes]
    assert all(len(part.report_data) == 1 for part in singles)
    assert len(singles) <= 6  # lists of measurands are long
    _is_whole(parts, rows)


def test_what_is_too_long_goes_alone(model):
    model.bind_shown(1, lambda: (Shown("EVSE", "Model", "x" * 2000),))
    rows = custom_report(model, (), [wanted("EVSE", evse=Evse(1))])
    parts = cut(rows, 100, 2000)
    lengths = [len(part.report_data) for part in parts if "Model" in {row.variable.name for row in part.report_data}]
    assert lengths == [1]
    _is_whole(parts, rows)


def test_a_report_of_nothing_is_one_message(model):
    (part,) = cut([])
    assert (part.seq_no, part.tbc, part.report_data) == (0, False, None)


def _is_whole(parts, rows):
    assert [part.seq_no for part in parts] == list(range(len(parts)))
    assert [part.tbc for part in parts] == [True] * (len(parts) - 1) + [False]
    assert {(part.request_id, part.generated_at) for part in parts} == {(42, NOW)}
    assert [row for part in parts for row in part.report_data] == [report_data(row) for row in rows]
