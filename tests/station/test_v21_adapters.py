"""What the adapters of OCPP 2.1 and 2.0.1 say of the same."""

import json
import subprocess
import sys
from dataclasses import fields, replace
from importlib.resources import files

import pytest

from bridge.station import messages as m
from bridge.station.messages.text import from_text, to_text
from bridge.station.messages.wire import CLASSES
from bridge.station.outbox import from_kept, to_kept
from tests.station.test_messages import CUSTOM, sample
from tests.tools.v21 import NEW, NOW, OLD, event


def schema(name):
    return json.loads((files("ocpp") / "v21" / "schemas" / f"{name}.json").read_text(encoding="utf-8-sig"))


def translated(adapter, name, payload):
    """Through our classes and back."""
    if name.endswith("Request"):
        message = adapter.decode_request(name.removesuffix("Request"), payload)
        return message, adapter.encode_request(message)[1]
    message = adapter.decode_response(name.removesuffix("Response"), payload)
    return message, adapter.encode_response(message)


@pytest.mark.parametrize("name", sorted(CLASSES))
@pytest.mark.parametrize("full", [True, False])
def test_every_field_of_21_survives_the_round_trip(name, full):
    own = schema(name)
    payload = sample(own, own["definitions"], full)
    if full and name == "SetChargingProfileRequest":
        assert "limit_L2" in json.dumps(payload)
        assert "v2xFreqWattCurve" in json.dumps(payload)
    message, back = translated(NEW, name, payload)
    assert back == payload
    if full:
        assert all(getattr(message, field.name) is not None for field in fields(message))


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_what_is_kept_as_text_is_of_no_version(name):
    """Whatever can be said in 2.1 is read back from the store whole, whichever adapter wrote and reads it."""
    if not name.endswith("Request"):
        return
    action, own = name.removesuffix("Request"), schema(name)
    request = NEW.decode_request(action, sample(own, own["definitions"], True))
    assert from_text(OLD, type(request), to_text(NEW, request)) == request
    assert from_text(NEW, type(request), to_text(OLD, request)) == request
    if action != "TransactionEvent":
        assert from_kept(OLD, to_kept(NEW, request)) == request


OLD_REQUESTS = sorted(
    name for name in CLASSES if name.endswith("Request") and OLD.supports(name.removesuffix("Request"))
)


@pytest.mark.parametrize("name", OLD_REQUESTS)
def test_whatever_201_says_21_says_too(name):
    own = json.loads((files("ocpp") / "v201" / "schemas" / f"{name}.json").read_text(encoding="utf-8-sig"))
    for full in (True, False):
        payload = sample(own, own["definitions"], full)
        request = OLD.decode_request(name.removesuffix("Request"), payload)
        if name == "TransactionEventRequest":
            request = replace(request, number_of_phases_used=3)  # the sample's 7 are beyond 2.1's bound
            payload = OLD.encode_request(request)[1]
        said = NEW.encode_request(request)[1]
        assert said == payload or (full and "numberPhases" in json.dumps(payload))  # as above: it is left out


def period(**said):
    return m.ChargingSchedulePeriod(0, **said)


def report(*periods):
    schedule = m.ChargingSchedule(
        1, m.ChargingRateUnit.W, periods, use_local_time=False, limit_at_soc=m.LimitAtSoc(80, 1.0)
    )
    told = m.ChargingProfile(
        1, 0, m.ChargingProfilePurpose.TX_PROFILE, m.ChargingProfileKind.DYNAMIC, (schedule,), max_offline_duration=60
    )
    return m.ReportChargingProfilesRequest(1, m.ChargingLimitSource.CSO, (told,), 1)


def test_a_profile_of_21_is_reported_in_the_words_of_201():
    request = report(
        period(operation_mode=m.OperationMode.CENTRAL_SETPOINT, setpoint=-3000.0, discharge_limit=-4000.0),
        period(operation_mode=m.OperationMode.IDLE),
        period(limit=5000.0, others={"limit_L2": 1.0}),
        period(),
    )
    (told,) = OLD.encode_request(request)[1]["chargingProfile"]
    assert told["chargingProfileKind"] == "Relative"
    assert told.keys() == {"id", "stackLevel", "chargingProfilePurpose", "chargingProfileKind", "chargingSchedule"}
    (schedule,) = told["chargingSchedule"]
    assert schedule.keys() == {"id", "chargingRateUnit", "chargingSchedulePeriod"}
    assert [one["limit"] for one in schedule["chargingSchedulePeriod"]] == [-3000.0, 0.0, 5000.0, 1_000_000.0]
    assert all(one.keys() == {"startPeriod", "limit"} for one in schedule["chargingSchedulePeriod"])
    (whole,) = NEW.encode_request(request)[1]["chargingProfile"]
    assert whole["maxOfflineDuration"] == 60
    assert whole["chargingSchedule"][0]["chargingSchedulePeriod"][0] == {
        "startPeriod": 0, "operationMode": "CentralSetpoint", "setpoint": -3000.0, "dischargeLimit": -4000.0,
    }  # fmt: skip
    assert whole["chargingSchedule"][0]["chargingSchedulePeriod"][2]["limit_L2"] == 1.0


def test_an_event_of_21_is_told_under_201_without_what_that_has_not():
    values = (
        m.SampledValue(1.0, measurand=m.Measurand.POWER_ACTIVE_SETPOINT),
        m.SampledValue(2.0, measurand=m.Measurand.POWER_ACTIVE_IMPORT, location=m.Location.UPSTREAM),
    )
    only_later = m.MeterValue(values[:1], NOW)
    token = m.IdToken("AA", "VIN", (m.AdditionalInfo("x" * 200, "y"), m.AdditionalInfo("z", "y")))
    request = event(meter_value=(m.MeterValue(values, NOW), only_later), id_token=token, evse_sleep=False)
    payload = OLD.encode_request(request)[1]
    assert payload["triggerReason"] == "ChargingRateChanged"
    assert payload["transactionInfo"] == {"transactionId": "tx", "chargingState": "Charging"}
    (sampled,) = payload["meterValue"]
    assert [(one["value"], one["location"]) for one in sampled["sampledValue"]] == [(2.0, "Inlet")]
    assert payload["idToken"] == {
        "idToken": "AA", "type": "Central", "additionalInfo": [{"additionalIdToken": "z", "type": "y"}],
    }  # fmt: skip
    assert "evseSleep" not in payload
    whole = NEW.encode_request(request)[1]
    assert whole["triggerReason"] == "OperationModeChanged"
    assert whole["transactionInfo"]["transactionLimit"] == {"maxEnergy": 5000.0, "maxSoC": 80}
    assert whole["idToken"]["type"] == "VIN"


def test_a_token_too_long_for_201_leaves_the_event_and_goes():
    payload = OLD.encode_request(event(id_token=m.IdToken("x" * 200, "EVCCID")))[1]
    assert "idToken" not in payload
    assert payload["transactionInfo"]["transactionId"] == "tx"
    assert OLD.encode_request(event(id_token=m.IdToken("AB", "EVCCID")))[1]["idToken"]["type"] == "MacAddress"
    with pytest.raises(ValueError, match="idToken"):
        OLD.encode_request(m.AuthorizeRequest(m.IdToken("x" * 37, "Central")))


def test_a_mistake_of_ours_is_one_under_both():
    wrong = m.ResetResponse(m.ResetStatus.REJECTED, m.StatusInfo("x" * 21))
    for adapter in (OLD, NEW):
        with pytest.raises(ValueError, match="statusInfo/reasonCode"):
            adapter.encode_response(wrong)


def test_phases_beyond_its_bounds_are_not_told_to_21():
    request = report(period(limit=5.0, number_phases=7, phase_to_use=-1))
    (told,) = NEW.encode_request(request)[1]["chargingProfile"]
    assert told["chargingSchedule"][0]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 5.0}]


@pytest.mark.parametrize("kind", ["Central", "VIN", "DirectPayment", "something of next year"])
def test_the_kind_of_a_token_is_an_open_word_in_21(kind):
    payload = {"idToken": {"idToken": "AA", "type": kind}, "remoteStartId": 1}
    request, back = translated(NEW, "RequestStartTransactionRequest", payload) if len(kind) <= 20 else (None, None)
    if request is None:
        with pytest.raises(m.CallError):
            NEW.decode_request("RequestStartTransaction", payload)
        return
    assert back == payload
    assert isinstance(request.id_token.type, m.IdTokenKind) is (kind == "Central")
    if kind != "Central":
        with pytest.raises(m.CallError):
            OLD.decode_request("RequestStartTransaction", payload)


LATER = [
    ("UpdateDynamicSchedule", {"chargingProfileId": 1, "scheduleUpdate": {"limit": 1.0}}, "NotImplemented"),
    ("AFRRSignal", {}, "NotImplemented"),
    ("Reset", {"type": "ImmediateAndResume"}, "PropertyConstraintViolation"),
    ("TriggerMessage", {"requestedMessage": "CustomTrigger", "customTrigger": "x"}, "FormatViolation"),
]


@pytest.mark.parametrize(("action", "payload", "code"), LATER)
def test_what_came_with_21_is_refused_under_201(action, payload, code):
    with pytest.raises(m.CallError) as caught:
        OLD.decode_request(action, payload)
    assert caught.value.code == code
    if action == "AFRRSignal":
        with pytest.raises(m.CallError, match="not supported"):
            NEW.decode_request(action, payload)
    else:
        assert translated(NEW, f"{action}Request", payload)[1] == payload


def test_201_has_no_words_for_later_actions():
    with pytest.raises(ValueError, match="has no PullDynamicScheduleUpdateRequest"):
        OLD.encode_request(m.PullDynamicScheduleUpdateRequest(1))


def test_custom_data_come_through_21_as_they_are():
    payload = {"chargingProfileId": 1, "scheduleUpdate": {"setpoint": 1.0, "setpoint_L2": 2.0, "customData": CUSTOM}}
    request, back = translated(NEW, "UpdateDynamicScheduleRequest", payload)
    assert back == payload
    assert (request.schedule_update.setpoint, request.schedule_update.others) == (1.0, {"setpoint_L2": 2.0})


def test_schemas_are_read_only_when_a_message_needs_them():
    code = """
import sys
from bridge.gateway.stations import adapters_for
from bridge.gateway.config import CsmsConfig
from bridge.station.messages import wire
adapters = adapters_for(CsmsConfig(url="ws://x"))
validators, shapes = wire._validator.cache_info, wire._shape.cache_info
print([a.subprotocol for a in adapters], "bridge.station.messages.v21" in sys.modules, validators().currsize)
adapters[0].decode_request("Heartbeat", {})
print(validators().currsize, shapes().currsize, [name for name in sys.modules if name.startswith("ocpp.")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['ocpp2.0.1'] False 0\n1 1 []\n"
