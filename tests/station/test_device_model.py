"""The device model: what is read, what may be written, what is reported."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigError
from bridge.station.device_model import DeviceModel, EvseTraits, Place
from bridge.station.device_model_table import TABLE, ConnectorKind, Key, Scope
from bridge.station.device_model_values import complaint, normal
from bridge.station.messages import (
    Attribute,
    Component,
    Evse,
    GetVariableData,
    Mutability,
    ReportBase,
    SetVariableData,
    Variable,
)

EVSES = {1: EvseTraits(6_000_000), 2: EvseTraits(3_000_000, 1, ConnectorKind.TYPE_1)}


@pytest.fixture
def model():
    return DeviceModel(EVSES)


def named(name, evse=None):
    component, _, rest = name.partition(".")
    variable, _, instance = rest.partition("[")
    return Component(component, evse), Variable(variable, instance.rstrip("]") or None)


def get(model, name, evse=None, attribute=None):
    return model.get([GetVariableData(*named(name, evse), attribute)])[0]


def put(model, name, value, evse=None, attribute=None):
    return model.set([SetVariableData(value, *named(name, evse), attribute)])


@pytest.mark.parametrize(
    ("name", "evse", "attribute", "status", "value"),
    [
        ("OCPPCommCtrlr.HeartbeatInterval", None, None, "Accepted", "300"),
        ("ocppcommctrlr.HEARTBEATINTERVAL", None, Attribute.ACTUAL, "Accepted", "300"),
        ("OCPPCommCtrlr.MessageTimeout[default]", None, None, "Accepted", "60"),
        ("OCPPCommCtrlr.MessageTimeout", None, None, "UnknownVariable", None),
        ("OCPPCommCtrlr.Nothing", None, None, "UnknownVariable", None),
        ("Nothing.Nothing", None, None, "UnknownComponent", None),
        ("TxCtrlr.TxStartPoint", Evse(1), None, "UnknownComponent", None),
        ("EVSE.Available", Evse(1), None, "Accepted", "true"),
        ("EVSE.Available", None, None, "UnknownComponent", None),
        ("EVSE.Available", Evse(9), None, "UnknownComponent", None),
        ("EVSE.Available", Evse(1, 1), None, "UnknownComponent", None),
        ("Connector.ConnectorType", Evse(2, 1), None, "Accepted", "cType1"),
        ("Connector.SupplyPhases", Evse(2, 1), None, "Accepted", "1"),
        ("SecurityCtrlr.OrganizationName", None, None, "Accepted", ""),
        ("SecurityCtrlr.BasicAuthPassword", None, None, "Rejected", None),
        ("OCPPCommCtrlr.HeartbeatInterval", None, Attribute.TARGET, "NotSupportedAttributeType", None),
    ],
)
def test_reading(model, name, evse, attribute, status, value):
    result = get(model, name, evse, attribute)
    assert (result.attribute_status, result.attribute_value) == (status, value)
    assert result.attribute_type == (attribute or Attribute.ACTUAL)
    assert (result.component, result.variable) == named(name, evse)


@pytest.mark.parametrize(
    ("name", "value", "status", "reason"),
    [
        ("OCPPCommCtrlr.HeartbeatInterval", "10", "Accepted", None),
        ("OCPPCommCtrlr.HeartbeatInterval", "0", "Rejected", "ValueTooLow"),
        ("OCPPCommCtrlr.HeartbeatInterval", "99999999", "Rejected", "ValueTooHigh"),
        ("OCPPCommCtrlr.HeartbeatInterval", "1.5", "Rejected", "InvalidValue"),
        ("OCPPCommCtrlr.HeartbeatInterval", "ten", "Rejected", "InvalidValue"),
        ("OCPPCommCtrlr.HeartbeatInterval", "", "Rejected", "InvalidValue"),
        ("OCPPCommCtrlr.MessageTimeout[Default]", "30", "Rejected", "ReadOnly"),
        ("OCPPCommCtrlr.Nothing", "1", "UnknownVariable", None),
        ("Nothing.Nothing", "1", "UnknownComponent", None),
        ("TxCtrlr.StopTxOnInvalidId", "false", "Accepted", None),
        ("TxCtrlr.StopTxOnInvalidId", "no", "Rejected", "InvalidValue"),
        ("TxCtrlr.TxStartPoint", "Authorized, EVConnected", "Accepted", None),
        ("TxCtrlr.TxStartPoint", "Authorized,Authorized", "Rejected", "InvalidValue"),
        ("TxCtrlr.TxStartPoint", "ParkingBayOccupancy", "Rejected", "InvalidValue"),
        ("TxCtrlr.TxStartPoint", "", "Rejected", "InvalidValue"),
        ("AlignedDataCtrlr.Measurands", "", "Accepted", None),
        ("AlignedDataCtrlr.Measurands", "SoC,Voltage", "Accepted", None),
        ("AlignedDataCtrlr.Measurands", "Frequency", "Rejected", "InvalidValue"),
        ("SmartChargingCtrlr.LimitChangeSignificance", "2.5", "Accepted", None),
        ("SmartChargingCtrlr.LimitChangeSignificance", "101", "Rejected", "ValueTooHigh"),
        ("SecurityCtrlr.BasicAuthPassword", "short", "Rejected", "ValueOutOfRange"),
        ("SecurityCtrlr.BasicAuthPassword", "long enough to be taken", "Accepted", None),
    ],
)
def test_writing(model, name, value, status, reason):
    outcome = put(model, name, value)
    result = outcome.results[0]
    assert result.attribute_status == status
    assert (result.attribute_status_info and result.attribute_status_info.reason_code) == reason
    assert result.attribute_type == Attribute.ACTUAL
    assert set(outcome.settings) == ({name} if status == "Accepted" else set())


def test_a_target_cannot_be_written(model):
    outcome = put(model, "OCPPCommCtrlr.HeartbeatInterval", "5", attribute=Attribute.TARGET)
    assert outcome.results[0].attribute_status == "NotSupportedAttributeType"
    assert outcome.results[0].attribute_type == "Target"


def test_each_of_several_is_answered_for_itself_and_in_order(model):
    outcome = model.set(
        [
            SetVariableData("5", *named("OCPPCommCtrlr.HeartbeatInterval")),
            SetVariableData("x", *named("OCPPCommCtrlr.OfflineThreshold")),
            SetVariableData("true", *named("EVSE.HandsOff", Evse(2))),
        ]
    )
    assert [result.attribute_status for result in outcome.results] == ["Accepted", "Rejected", "Accepted"]
    assert outcome.settings == {"OCPPCommCtrlr.HeartbeatInterval": "5", "EVSE.HandsOff@2": "true"}
    assert model.boolean(Key.EVSE_HANDS_OFF, 2)
    assert not model.boolean(Key.EVSE_HANDS_OFF, 1)


def test_listeners_hear_of_changes_when_they_are_announced(model):
    every, one = [], []
    model.on_change(every.append)
    model.on_change(one.append, Key.OFFLINE_THRESHOLD)
    outcome = put(model, "OCPPCommCtrlr.HeartbeatInterval", "5")
    assert every == []
    model.announce(outcome.changes)
    assert [(change.place, change.value) for change in every] == [(Place(Key.HEARTBEAT_INTERVAL), "5")]
    assert one == []


def test_what_needs_a_restart_is_told_but_does_not_count_yet():
    model = DeviceModel(EVSES, table=[_two_slots(row) for row in TABLE])
    outcome = put(model, "OCPPCommCtrlr.NetworkConfigurationPriority", "1,0")
    assert outcome.results[0].attribute_status == "RebootRequired"
    assert get(model, "OCPPCommCtrlr.NetworkConfigurationPriority").attribute_value == "1,0"
    assert model.members(Key.NETWORK_CONFIGURATION_PRIORITY) == ("0",)
    model.restarted()
    assert model.members(Key.NETWORK_CONFIGURATION_PRIORITY) == ("1", "0")


def _two_slots(row):
    from dataclasses import replace

    return replace(row, values=("0", "1")) if row.key is Key.NETWORK_CONFIGURATION_PRIORITY else row


def test_a_guard_may_refuse(model):
    model.guard(Key.ORGANIZATION_NAME, lambda value: ("InvalidValue", "no") if "!" in value else None)
    assert put(model, "SecurityCtrlr.OrganizationName", "a!").results[0].attribute_status == "Rejected"
    assert put(model, "SecurityCtrlr.OrganizationName", "a").results[0].attribute_status == "Accepted"


def test_first_values_and_kept_values():
    kept = put(DeviceModel(EVSES), "TxCtrlr.TxStopPoint", "Authorized , EVConnected").settings
    stored = {**kept, "session.1": "{}", "OCPPCommCtrlr.ResetRetries": "999", "EVSE.Available@1": "false"}
    model = DeviceModel(EVSES, {"OCPPCommCtrlr.HeartbeatInterval": "7", "TxCtrlr.TxStopPoint": "Authorized"}, stored)
    assert model.integer(Key.HEARTBEAT_INTERVAL) == 7
    assert model.members(Key.TX_STOP_POINT) == ("Authorized", "EVConnected")
    assert model.boolean(Key.EVSE_AVAILABLE, 1)
    assert model.decimal(Key.SMART_LIMIT_CHANGE_SIGNIFICANCE) == 1.0
    assert model.dropped == ["OCPPCommCtrlr.ResetRetries: the most is 100"]
    with pytest.raises(ConfigError, match=r"Nobody\.Knows: there is no such variable; TxCtrlr\.TxStopPoint: x is not"):
        DeviceModel(EVSES, {"Nobody.Knows": "1", "TxCtrlr.TxStopPoint": "x"})


def test_live_values_are_asked_for(model):
    model.bind(Key.EVSE_POWER, lambda: "1234.5", 1)
    model.publish(Key.EVSE_AVAILABILITY_STATE, "Occupied", 1)
    assert get(model, "EVSE.Power", Evse(1)).attribute_value == "1234.5"
    assert get(model, "EVSE.AvailabilityState", Evse(1)).attribute_value == "Occupied"
    assert get(model, "EVSE.AvailabilityState", Evse(2)).attribute_value == "Unavailable"


def test_base_reports(model):
    full = model.report(ReportBase.FULL_INVENTORY)
    places = {Scope.STATION: 1, Scope.EVSE: 2, Scope.CONNECTOR: 2}
    assert len(full) == sum(places[row.scope] for row in TABLE)
    settable = model.report(ReportBase.CONFIGURATION_INVENTORY)
    assert {row.variable_attribute[0].mutability for row in settable} == {Mutability.READ_WRITE, Mutability.WRITE_ONLY}
    assert [row.component.name for row in model.report(ReportBase.SUMMARY_INVENTORY)] == [
        *["ChargingStation", "EVSE", "EVSE", "Connector", "Connector"]
    ]
    power = next(row for row in full if row.variable.name == "Power")
    assert power.variable_characteristics.max_limit == 6000
    password = next(row for row in full if row.variable.name == "BasicAuthPassword")
    assert password.variable_attribute[0].value is None


def test_reports_are_cut_into_messages(model):
    parts = model.report_messages(42, ReportBase.FULL_INVENTORY, datetime(2026, 1, 5, tzinfo=UTC))
    assert [part.seq_no for part in parts] == list(range(len(parts)))
    assert [part.tbc for part in parts] == [True] * (len(parts) - 1) + [False]
    assert {part.request_id for part in parts} == {42}
    assert max(len(part.report_data) for part in parts) == model.integer(Key.ITEMS_GET_REPORT)
    assert sum((part.report_data for part in parts), ()) == model.report(ReportBase.FULL_INVENTORY)


REQUIRED = {
    "OCPPCommCtrlr": "FileTransferProtocols MessageTimeout MessageAttemptInterval MessageAttempts "
    "NetworkConfigurationPriority NetworkProfileConnectionAttempts OfflineThreshold ResetRetries "
    "UnlockOnEVSideDisconnect",
    "TxCtrlr": "EVConnectionTimeOut StopTxOnEVSideDisconnect StopTxOnInvalidId TxStartPoint TxStopPoint",
    "DeviceDataCtrlr": "ItemsPerMessage BytesPerMessage",
    "ClockCtrlr": "DateTime TimeSource",
    "SecurityCtrlr": "CertificateEntries OrganizationName SecurityProfile",
    "SampledDataCtrlr": "TxEndedInterval TxEndedMeasurands TxStartedMeasurands TxUpdatedInterval TxUpdatedMeasurands",
    "AlignedDataCtrlr": "Interval Measurands TxEndedInterval TxEndedMeasurands",
    "AuthCtrlr": "AuthorizeRemoteStart LocalAuthorizeOffline LocalPreAuthorize",
    "SmartChargingCtrlr": "Entries LimitChangeSignificance PeriodsPerSchedule ProfileStackLevel RateUnit",
    "ChargingStation": "AvailabilityState Available SupplyPhases",
    "EVSE": "AvailabilityState Available Power SupplyPhases",
    "Connector": "Available ConnectorType SupplyPhases",
}


def test_what_ocpp_requires_is_there():
    have = {(key.component, key.variable) for key in Key}
    required = {(component, name) for component, names in REQUIRED.items() for name in names.split()}
    assert required - have == set()


def test_the_table_is_right_in_itself():
    assert sorted(row.key for row in TABLE) == sorted(Key)
    for row in TABLE:
        empty = row.live or row.mutability is Mutability.WRITE_ONLY
        assert empty or complaint(row, row.default) is None, row.key
        assert len(",".join(row.values)) <= 1000


@given(st.sampled_from(TABLE), st.text(max_size=60) | st.integers().map(str) | st.floats().map(str))
def test_whatever_is_accepted_is_read_back_as_a_right_value(row, text):
    if complaint(row, text) is None:
        assert complaint(row, normal(row, text)) is None
        assert normal(row, normal(row, text)) == normal(row, text)
