"""OCPP 2.1 beside 2.0.1: what the two adapters say of the same, and a station that speaks whichever is agreed."""

import asyncio
import json
import subprocess
import sys
from dataclasses import fields, replace
from datetime import UTC, datetime
from importlib.resources import files

import pytest

from bridge.clock import Clock, run_virtual
from bridge.errors import ConfigError
from bridge.evse import ChargingState, Reading
from bridge.gateway.config import load_config
from bridge.sim.csms import DemoCsms
from bridge.station import messages as m
from bridge.station.link import Link
from bridge.station.link_memory import MemoryConnection, MemoryDialer
from bridge.station.messages import v21, v201
from bridge.station.messages.text import from_text, to_text
from bridge.station.messages.wire import CLASSES
from bridge.station.outbox import from_kept, to_kept
from tests.station.test_messages import CUSTOM, sample
from tests.tools.station_house import STATION, profile, stage

OLD, NEW = v201.Adapter(), v21.Adapter()
BOTH = ("2.1", "2.0.1")
NOW = datetime(2026, 1, 5, 3, 17, tzinfo=UTC)


def schema(name):
    return json.loads((files("ocpp") / "v21" / "schemas" / f"{name}.json").read_text(encoding="utf-8-sig"))


def translated(adapter, name, payload):
    """Through our classes and back."""
    if name.endswith("Request"):
        message = adapter.decode_request(name.removesuffix("Request"), payload)
        return message, adapter.encode_request(message)[1]
    message = adapter.decode_response(name.removesuffix("Response"), payload)
    return message, adapter.encode_response(message)


# -- the adapters


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


def event(**more):
    info = m.Transaction(
        "tx", m.ChargingState.CHARGING, operation_mode=m.OperationMode.CENTRAL_SETPOINT,
        transaction_limit=m.TransactionLimit(max_energy=5000.0, max_soc=80),
    )  # fmt: skip
    told = m.TransactionEventRequest(
        m.TransactionEvent.UPDATED, NOW, m.TriggerReason.OPERATION_MODE_CHANGED, 3, info, evse=m.Evse(1)
    )
    return replace(told, **more)


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


# -- the link


class Recorder:
    """A CSMS's end that answers every heartbeat, and notes what it was asked."""

    def __init__(self):
        self.texts, self.connections = [], []

    def accept(self, connection):
        self.connections.append(connection)


class Silent:
    def __init__(self):
        self.connected = asyncio.Queue()

    def on_connected(self):
        self.connected.put_nowait(True)

    def on_disconnected(self, why):
        pass

    async def on_call(self, request):
        raise AssertionError


def test_each_connection_has_the_version_that_the_csms_has_chosen():
    async def play():
        recorder = Recorder()
        dialer = MemoryDialer(recorder.accept, "ocpp2.1")
        link = Link(dialer, (NEW, OLD), Clock(1))
        assert link.subprotocol == "ocpp2.1"
        handler = Silent()
        running = asyncio.ensure_future(link.run(handler))
        for version, action in (("ocpp2.1", "OperationModeChanged"), ("ocpp2.0.1", "ChargingRateChanged")):
            await handler.connected.get()
            assert link.subprotocol == version
            calling = asyncio.ensure_future(link.call(event()))
            texts = recorder.connections[-1].__aiter__()
            sent = json.loads(await anext(texts))
            assert sent[3]["triggerReason"] == action
            await recorder.connections[-1].send(json.dumps([3, sent[1], {}]))
            assert await calling == m.TransactionEventResponse()
            dialer.subprotocol = "ocpp2.0.1"
            await recorder.connections[-1].close()
        running.cancel()

    run_virtual(play())


@pytest.mark.parametrize("chosen", ["ocpp1.6", "", None])
def test_a_csms_that_chooses_none_of_them_is_left(chosen):
    class Lax:
        """Like the library: a connection without an agreed subprotocol is a success to it."""

        async def dial(self, subprotocols):
            assert subprotocols == ("ocpp2.1", "ocpp2.0.1")
            ours, self.theirs = MemoryConnection.pair(chosen)
            return ours

    async def play():
        dialer = Lax()
        clock = Clock(1)
        link = Link(dialer, (NEW, OLD), clock)
        running = asyncio.ensure_future(link.run(Silent()))
        await clock.sleep(100)
        assert not link.connected
        assert link.trouble == "the CSMS agrees to none of ocpp2.1, ocpp2.0.1"
        assert dialer.theirs.ended == "1002 no common subprotocol"
        running.cancel()

    run_virtual(play())


# -- a whole station


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_the_same_configuration_serves_a_csms_of_either_version(version):
    """Booted, reported, charged by a profile, stopped: with every frame held against that version's schemas."""

    async def play():
        csms = DemoCsms(Clock(1), version=version)
        async with stage(csms=csms, versions=BOTH) as scene:
            assert scene.station.link.subprotocol == f"ocpp{version}"
            assert await scene.call("GetBaseReport", requestId=1, reportBase="FullInventory") == {"status": "Accepted"}
            await scene.wait("NotifyReport", tbc=False)
            scene.evse.plug()
            assert (await scene.start(chargingProfile=profile(3000)))["status"] == "Accepted"
            await scene.wait("TransactionEvent", eventType="Started")
            scene.evse.flow(3000)
            assert scene.evse.wish.target == 3_000_000
            told = await scene.call("GetCompositeSchedule", evseId=1, duration=60)
            assert told["schedule"]["chargingSchedulePeriod"][0]["limit"] == 3000
            await scene.call("GetChargingProfiles", requestId=2, chargingProfile={"stackLevel": 0})
            await scene.wait("ReportChargingProfiles")
            transaction = scene.events[0]["transactionInfo"]["transactionId"]
            assert await scene.call("RequestStopTransaction", transactionId=transaction) == {"status": "Accepted"}
            scene.evse.unplug()
            await scene.wait("TransactionEvent", eventType="Ended")
            assert csms.violations == []

    run_virtual(play())


@pytest.mark.parametrize(("before", "after"), [("2.1", "2.0.1"), ("2.0.1", "2.1")])
def test_events_that_wait_are_delivered_under_the_other_version(before, after):
    async def play():
        csms = DemoCsms(Clock(1), version=before)
        async with stage(csms=csms, versions=BOTH, discharge=("ocpp2.1", "negative-limit")) as scene:
            scene.evse.plug()
            await scene.start(chargingProfile=profile(3000))
            await scene.wait("TransactionEvent", eventType="Started")
            await csms.go_dark()
            await scene.clock.sleep(500)
            scene.evse.flow(3000)
            await scene.clock.sleep(20_000)
            csms.version = after
            scene.station.network._dialer.subprotocol = f"ocpp{after}"
            csms.come_back()
            told = await scene.wait("TransactionEvent", offline=True)
            assert told["transactionInfo"]["chargingState"] == "Charging"
            assert scene.station.link.subprotocol == f"ocpp{after}"
            assert csms.gaps() == {}
            assert csms.violations == []

    run_virtual(play())


def test_what_came_with_21_survives_a_restart_under_201():
    """A profile of 2.1 that is kept means the same afterwards, and is told in older words."""

    async def play():
        csms = DemoCsms(Clock(1), version="2.1")
        async with stage(csms=csms, versions=BOTH, discharge=("ocpp2.1",)) as scene:
            said = profile(0, "TxDefaultProfile", stackLevel=3)
            said["chargingSchedule"][0]["chargingSchedulePeriod"] = [
                {"startPeriod": 0, "operationMode": "CentralSetpoint", "setpoint": -2000, "limit": 4000}
            ]
            assert await scene.call("SetChargingProfile", evseId=1, chargingProfile=said) == {"status": "Accepted"}
            store = scene.store
        older = DemoCsms(Clock(1))
        async with stage(csms=older, store=store, versions=BOTH, discharge=("ocpp2.1",)) as scene:
            (kept,) = scene.station.charging.installed
            (period,) = kept.profile.charging_schedule[0].charging_schedule_period
            assert (period.operation_mode, period.setpoint, period.limit) == ("CentralSetpoint", -2000, 4000)
            await scene.call("GetChargingProfiles", requestId=2, chargingProfile={"stackLevel": 3})
            told = await scene.wait("ReportChargingProfiles")
            assert told["chargingProfile"][0]["chargingSchedule"][0]["chargingSchedulePeriod"] == [
                {"startPeriod": 0, "limit": -2000}
            ]
            assert older.violations == []

    run_virtual(play())


def period_of(**said):
    given = profile(0, "TxDefaultProfile", id=7)
    given["chargingSchedule"][0]["chargingSchedulePeriod"] = [{"startPeriod": 0, **said}]
    return given


ALLOWED = ("ocpp2.1",)
MODES = [
    ({"operationMode": "CentralSetpoint", "setpoint": -2000.0}, ALLOWED, None),
    ({"operationMode": "CentralFrequency", "setpoint": 2000.0}, ALLOWED, None),
    ({"operationMode": "CentralSetpoint", "setpoint": 900.0, "limit": 1000.0, "dischargeLimit": -500.0}, ALLOWED, None),
    ({"operationMode": "Idle"}, ALLOWED, None),
    ({"operationMode": "ChargingOnly", "limit": 2000.0}, ALLOWED, None),
    ({"operationMode": "ChargingOnly", "limit": 2000.0}, (), None),
    ({"limit": -2000.0}, ("negative-limit",), None),
    ({"limit": -2000.0}, ALLOWED, "InvalidSchedule"),
    ({"operationMode": "ChargingOnly", "limit": -2000.0}, ALLOWED, "InvalidSchedule"),
    ({"operationMode": "ChargingOnly"}, ALLOWED, "InvalidSchedule"),
    ({"setpoint": -2000.0}, ALLOWED, "InvalidSchedule"),
    ({"operationMode": "CentralSetpoint"}, ALLOWED, "InvalidSchedule"),
    ({"operationMode": "CentralSetpoint", "setpoint": -2000.0}, (), "InvalidOperationMode"),
    ({"operationMode": "CentralSetpoint", "setpoint": -2000.0}, ("negative-limit",), "InvalidOperationMode"),
    ({"operationMode": "Idle", "limit": 0.0}, ALLOWED, "InvalidSchedule"),
    ({"operationMode": "Idle", "setpoint": 0.0}, ALLOWED, "InvalidSchedule"),
    ({"operationMode": "LocalLoadBalancing"}, ALLOWED, "UnsupportedParam"),  # Q09.FR.01: no grid meter here
    ({"operationMode": "LocalFrequency"}, ALLOWED, "InvalidOperationMode"),
    ({"operationMode": "ExternalSetpoint"}, ALLOWED, "InvalidOperationMode"),
    ({"operationMode": "ExternalLimits"}, ALLOWED, "InvalidOperationMode"),
    ({"operationMode": "CentralSetpoint", "setpoint": -750.0, "limit": 1000.0, "dischargeLimit": -500.0}, ALLOWED,
     "InvalidSchedule"),  # the example of V2X.05
    ({"operationMode": "CentralSetpoint", "setpoint": -1.0, "setpointReactive": 5.0}, ALLOWED, "UnsupportedParam"),
    ({"operationMode": "CentralSetpoint", "setpoint": -1.0, "setpoint_L2": -1.0}, ALLOWED, "PhaseConflict"),
    ({"operationMode": "Idle", "evseSleep": True}, ALLOWED, "InvalidSchedule"),
    ({"operationMode": "Idle", "evseSleep": False}, ALLOWED, None),
]  # fmt: skip


@pytest.mark.parametrize(("said", "ways", "reason"), MODES, ids=str)
def test_operation_modes_are_taken_where_the_site_allows_them(said, ways, reason):
    async def play():
        async with stage(csms=DemoCsms(Clock(1), version="2.1"), versions=BOTH, discharge=ways) as scene:
            answer = await scene.call("SetChargingProfile", evseId=1, chargingProfile=period_of(**said))
            assert answer.get("statusInfo", {}).get("reasonCode") == reason, answer
            assert answer["status"] == ("Rejected" if reason else "Accepted")

    run_virtual(play())


def test_a_setpoint_is_an_order_between_its_bounds():
    async def play():
        async with stage(csms=DemoCsms(Clock(1), version="2.1"), versions=BOTH, discharge=ALLOWED) as scene:
            scene.evse.plug()
            await scene.start()
            wanted = []
            for said in (
                {"operationMode": "CentralSetpoint", "setpoint": -2000.0},
                {"operationMode": "CentralFrequency", "setpoint": 2500.0},
                {"operationMode": "Idle"},
                {"operationMode": "ChargingOnly", "limit": 1500.0},
            ):
                answer = await scene.call("SetChargingProfile", evseId=1, chargingProfile=period_of(**said))
                assert answer["status"] == "Accepted"
                wanted.append((str(scene.evse.wish.mode), scene.evse.wish.target))
            assert wanted == [("discharge", -2_000_000), ("charge", 2_500_000), ("pause", None), ("charge", 1_500_000)]
            # V2X.03: another profile's limit caps the setpoint, and is none for a discharge
            bound = profile(1000, "ChargingStationMaxProfile", id=9, chargingProfileKind="Absolute")
            bound["chargingSchedule"][0]["startSchedule"] = "2020-01-01T00:00:00Z"
            assert (await scene.call("SetChargingProfile", evseId=0, chargingProfile=bound))["status"] == "Accepted"
            for setpoint, target in ((-2000.0, -2_000_000), (2500.0, 1_000_000)):
                said = period_of(operationMode="CentralSetpoint", setpoint=setpoint)
                await scene.call("SetChargingProfile", evseId=1, chargingProfile=said)
                assert scene.evse.wish.target == target

    run_virtual(play())


def test_what_a_unit_without_iso_15118_cannot_have_is_said():
    async def play():
        async with stage(csms=DemoCsms(Clock(1), version="2.1"), versions=BOTH) as scene:
            scene.evse.plug()
            await scene.start(chargingProfile=profile(3000))
            transaction = (await scene.wait("TransactionEvent"))["transactionInfo"]["transactionId"]

            async def reason(action, **payload):
                answer = await scene.call(action, **payload)
                assert answer["status"] == "Rejected"
                return answer["statusInfo"]["reasonCode"]

            allow = {"allowedEnergyTransfer": ["DC_BPT"]}
            assert await reason("NotifyAllowedEnergyTransfer", transactionId="?", **allow) == "TxNotFound"
            assert (
                await reason("NotifyAllowedEnergyTransfer", transactionId=transaction, **allow) == "UnsupportedRequest"
            )
            for number in (1, 99):
                update = {"chargingProfileId": number, "scheduleUpdate": {"limit": 1.0}}
                assert await reason("UpdateDynamicSchedule", **update) == "InvalidProfile"
            assert (await scene.call("Reset", type="ImmediateAndResume"))["status"] == "Rejected"
            trigger = {"requestedMessage": "CustomTrigger", "customTrigger": "x"}
            assert (await scene.call("TriggerMessage", **trigger))["status"] == "NotImplemented"
            assert scene.csms.violations == []

    run_virtual(play())


def test_messages_that_21_added_are_not_answered():
    async def play():
        async with stage(csms=DemoCsms(Clock(1), version="2.1"), versions=BOTH) as scene:
            await scene.clock.sleep(1_000)
            seen = len(scene.csms.messages)
            await scene.csms.send_raw(STATION, json.dumps([5, "x", "FormatViolation", "", {}]))
            await scene.csms.send_raw(STATION, json.dumps([6, "y", "NotifyPeriodicEventStream", {}]))
            await scene.clock.sleep(1_000)
            assert [one for one in scene.csms.messages[seen:] if one.direction == "in"] == []
        async with stage(csms=DemoCsms(Clock(1)), versions=BOTH) as scene:
            await scene.csms.send_raw(STATION, json.dumps([6, "y", "NotifyPeriodicEventStream", {}]))
            (answer,) = await scene.csms.wait_for(
                lambda: [one for one in scene.csms.messages if one.frame[0] == 4 and one.direction == "in"]
            )
            assert answer.frame[2] == "MessageTypeNotSupported"

    run_virtual(play())


# -- operation modes, limits of a transaction, profiles without a CSMS


def later_stage(csms=None, **more):
    return stage(csms=csms or DemoCsms(Clock(1), version="2.1"), versions=BOTH, discharge=ALLOWED, **more)


async def charging(scene, **start):
    """A transaction in which energy flows; its id."""
    scene.evse.plug()
    assert (await scene.start(**start))["status"] == "Accepted"
    started = await scene.wait("TransactionEvent", eventType="Started")
    scene.evse.flow(3000)
    return started["transactionInfo"]["transactionId"]


def told_modes(scene):
    events = [event for event in scene.events if event["triggerReason"] == "OperationModeChanged"]
    assert all("operationMode" in event["transactionInfo"] for event in events)
    return [event["transactionInfo"]["operationMode"] for event in events]


def test_a_change_of_the_operation_mode_is_told():
    """K01.FR.110: at the edges of a schedule, with a new profile, and when the profile has gone; once each."""

    async def play():
        async with later_stage() as scene:
            await charging(scene)
            said = period_of()
            said["chargingSchedule"][0] |= {
                "duration": 300,
                "chargingSchedulePeriod": [
                    {"startPeriod": 0, "operationMode": "CentralSetpoint", "setpoint": 1000},
                    {"startPeriod": 60, "operationMode": "CentralSetpoint", "setpoint": -1000},
                    {"startPeriod": 120, "operationMode": "Idle"},
                    {"startPeriod": 180, "operationMode": "ChargingOnly", "limit": 2000},
                    {"startPeriod": 240, "operationMode": "CentralFrequency", "setpoint": 500},
                ],
            }
            assert (await scene.call("SetChargingProfile", evseId=1, chargingProfile=said))["status"] == "Accepted"
            await scene.clock.sleep(400_000)
            assert told_modes(scene) == [
                "CentralSetpoint", "Idle", "ChargingOnly", "CentralFrequency", "ChargingOnly",
            ]  # fmt: skip
            assert scene.csms.gaps() == {}
            assert scene.csms.violations == []

    run_virtual(play())


def test_a_csms_of_201_is_told_no_modes():
    async def play():
        async with later_stage() as scene:
            said = period_of(operationMode="CentralSetpoint", setpoint=1000)
            assert (await scene.call("SetChargingProfile", evseId=1, chargingProfile=said))["status"] == "Accepted"
            store = scene.store
        async with stage(store=store, versions=BOTH, discharge=ALLOWED) as scene:
            await charging(scene)
            await scene.clock.sleep(60_000)
            assert scene.evse.wish.target == 1_000_000
            assert {event["triggerReason"] for event in scene.events} == {"RemoteStart", "ChargingStateChanged"}
            assert scene.csms.violations == []

    run_virtual(play())


def test_a_mode_that_was_told_is_not_told_again_after_a_restart():
    async def play():
        async with later_stage() as scene:
            await charging(scene)
            said = period_of(operationMode="CentralSetpoint", setpoint=1000)
            await scene.call("SetChargingProfile", evseId=1, chargingProfile=said)
            await scene.wait("TransactionEvent", triggerReason="OperationModeChanged")
            await scene.clock.sleep(5_000)
            store = scene.store
        async with later_stage(store=store, wait_boot=False) as scene:
            scene.evse.plug()
            scene.evse.flow(1000)
            await scene.clock.sleep(60_000)
            assert scene.evse.wish.target == 1_000_000
            assert told_modes(scene) == []

    run_virtual(play())


def limited(limit, times=1):
    """An answer to TransactionEvents that sets a limit, so many times."""
    return [{"transactionLimit": limit, "idTokenInfo": {"status": "Accepted"}}] * times


def test_a_limit_of_a_transaction_is_confirmed_and_becomes_the_chargers():
    """E16.FR.03: what is supported is told once; a cost is not (E16.FR.13)."""

    async def play():
        async with later_stage() as scene:
            scene.csms.respond["TransactionEvent"] = limited({"maxEnergy": 5000.0, "maxSoC": 80, "maxCost": 3.0})
            await charging(scene)
            told = await scene.wait("TransactionEvent", triggerReason="LimitSet")
            assert told["transactionInfo"]["transactionLimit"] == {"maxEnergy": 5000.0, "maxSoC": 80}
            amount = scene.evse.wish.amount
            assert (amount.energy, amount.soc) == (5_000_000, 80_000)
            await scene.clock.sleep(60_000)
            assert sum("transactionLimit" in event["transactionInfo"] for event in scene.events) == 1
            assert scene.csms.violations == []

    run_virtual(play())


def test_a_cost_alone_cannot_be_limited():
    async def play():
        async with later_stage() as scene:
            scene.csms.respond["TransactionEvent"] = limited({"maxCost": 3.0})
            await charging(scene)
            await scene.clock.sleep(60_000)
            assert not [event for event in scene.events if event["triggerReason"] == "LimitSet"]
            assert scene.evse.wish.amount is None

    run_virtual(play())


def test_a_limit_counts_what_has_moved_before():
    async def play():
        async with later_stage() as scene:
            scene.evse.show(energy_in=Reading(10_000_000, 0))
            transaction = await charging(scene)
            scene.evse.show(energy_in=Reading(12_000_000, 0))
            position = scene.station.positions[1]

            async def answered(most):
                limit = m.TransactionLimit(max_energy=most)
                response = m.TransactionEventResponse(transaction_limit=limit)
                await scene.station._event_answered(event(transaction_info=m.Transaction(transaction)), response)

            await answered(5000.0)
            assert scene.evse.wish.amount.energy == 3_000_000
            await answered(1000.0)
            assert scene.evse.wish.amount.energy == 0
            assert position.session.state.most_energy == 1_000_000

    run_virtual(play())


def test_time_ends_the_energy_and_more_time_lets_it_flow_again():
    """E16.FR.05, E16.FR.09, E16.FR.14."""

    async def play():
        async with later_stage() as scene:
            scene.csms.respond["TransactionEvent"] = limited({"maxTime": 100})
            transaction = await charging(scene)
            await scene.wait("TransactionEvent", triggerReason="LimitSet")
            await scene.clock.sleep(95_000)
            assert str(scene.evse.wish.mode) == "charge"
            await scene.clock.sleep(6_000)
            assert str(scene.evse.wish.mode) == "pause"
            scene.evse.show(charging_state=ChargingState.SUSPENDED_EVSE, power=None, confirmed=True)
            told = await scene.wait("TransactionEvent", triggerReason="TimeLimitReached")
            assert told["transactionInfo"]["chargingState"] == "SuspendedEVSE"
            await scene.station._event_answered(
                event(transaction_info=m.Transaction(transaction)),
                m.TransactionEventResponse(transaction_limit=m.TransactionLimit(max_time=1000)),
            )
            assert str(scene.evse.wish.mode) == "charge"
            assert scene.csms.violations == []

    run_virtual(play())


def test_the_time_counts_on_in_a_gateway_that_comes_back_and_finds_no_csms():
    async def play():
        async with later_stage() as scene:
            scene.csms.respond["TransactionEvent"] = limited({"maxTime": 100})
            await charging(scene)
            await scene.wait("TransactionEvent", triggerReason="LimitSet")
            await scene.clock.sleep(30_000)
            store, csms = scene.store, scene.csms
            await csms.go_dark()
        async with later_stage(csms=csms, store=store, wait_boot=False) as scene:
            scene.evse.plug()
            scene.evse.flow(3000)
            await scene.clock.sleep(55_000)
            assert str(scene.evse.wish.mode) == "charge"
            await scene.clock.sleep(16_000)
            assert str(scene.evse.wish.mode) == "pause"
            scene.evse.show(charging_state=ChargingState.SUSPENDED_EVSE, power=None, confirmed=True)
            csms.come_back()
            await scene.wait("TransactionEvent", triggerReason="TimeLimitReached")
            assert scene.csms.violations == []

    run_virtual(play())


def offline_profile(number, stack, setpoint, **more):
    said = period_of(operationMode="CentralSetpoint", setpoint=setpoint)
    return said | {"id": number, "stackLevel": stack, **more}


@pytest.mark.parametrize("for_good", [False, True])
def test_a_profile_counts_only_so_long_without_a_csms(for_good):
    """K01.FR.101 to FR.103, Q11, Q12: the next lower one leads meanwhile; back again it counts, or never again."""

    async def play():
        async with later_stage() as scene:
            await charging(scene)
            short = {"maxOfflineDuration": 60, "invalidAfterOfflineDuration": for_good}
            for profile in (offline_profile(1, 0, 500), offline_profile(2, 1, 2000, **short)):
                answer = await scene.call("SetChargingProfile", evseId=1, chargingProfile=profile)
                assert answer["status"] == "Accepted", answer
            assert scene.evse.wish.target == 2_000_000
            await scene.csms.go_dark()
            await scene.clock.sleep(59_000)
            assert scene.evse.wish.target == 2_000_000
            await scene.clock.sleep(2_000)
            assert scene.evse.wish.target == 500_000
            scene.csms.come_back()
            await scene.clock.sleep(200_000)
            assert scene.station.online
            assert scene.evse.wish.target == (500_000 if for_good else 2_000_000)
            kept = {row.profile_id for row in await scene.store.profiles(STATION)}
            assert kept == ({1} if for_good else {1, 2})

    run_virtual(play())


def test_the_device_model_says_what_of_21_there_is():
    async def play():
        async with later_stage() as scene:

            async def value(component, variable, **place):
                data = {"component": {"name": component, **place}, "variable": {"name": variable}}
                (result,) = (await scene.call("GetVariables", getVariableData=[data]))["getVariableResult"]
                return result["attributeValue"]

            assert await value("TxCtrlr", "SupportedLimits") == "maxEnergy,maxTime,maxSoC"
            evse = {"evse": {"id": 1}}
            modes = await value("V2XChargingCtrlr", "SupportedOperationModes", **evse)
            assert set(modes.split(",")) == {"ChargingOnly", "CentralSetpoint", "CentralFrequency", "Idle"}
            assert await value("V2XChargingCtrlr", "SupportedEnergyTransferModes", **evse) == "DC"

    run_virtual(play())


@pytest.mark.parametrize(
    ("version", "said", "status"),
    [
        ("2.1", {}, "Accepted"),  # it says nothing of the version: that is settled by the handshake
        ("2.1", {"ocppVersion": "OCPP21"}, "Accepted"),
        ("2.1", {"ocppVersion": "OCPP16"}, "Rejected"),
        ("2.1", {"identity": "another"}, "Rejected"),
        ("2.1", {"basicAuthPassword": "a password of its own"}, "Rejected"),
        ("2.0.1", {"ocppVersion": "OCPP20"}, "Accepted"),
        ("2.0.1", {"ocppVersion": "OCPP16"}, "Rejected"),
    ],
)
def test_network_profiles_of_either_version(version, said, status):
    async def play():
        async with stage(csms=DemoCsms(Clock(1), version=version), versions=BOTH) as scene:
            data = {
                "ocppTransport": "JSON", "ocppCsmsUrl": "ws://x/ocpp", "messageTimeout": 30, "securityProfile": 1,
                "ocppInterface": "Wired0", **said,
            }  # fmt: skip
            answer = await scene.call("SetNetworkProfile", configurationSlot=2, connectionData=data)
            assert answer["status"] == status

    run_virtual(play())


@pytest.mark.parametrize(
    ("written", "versions"),
    [
        ("", ("2.0.1",)),
        ("versions: [2.1, 2.0.1]", ("2.1", "2.0.1")),
        ("versions: ['2.1']", ("2.1",)),
        ("versions: [2.2]", None),
        ("versions: []", None),
    ],
)
def test_the_site_says_which_versions_are_offered(written, versions, tmp_path):
    file = tmp_path / "site.yaml"
    file.write_text(
        "config: 1\nstate_dir: s\nnetworks: {n: {bind: 10.0.0.1}}\nunits: {u: {}}\nstations:\n"
        f"  - id: S\n    csms:\n      url: ws://h/o\n      security_profile: 0\n      {written}\n"
        "    evses: [{id: 1, unit: u}]\n"
    )
    if versions is None:
        with pytest.raises(ConfigError, match="versions"):
            load_config(file)
    else:
        assert load_config(file).stations[0].csms.versions == versions


def test_a_token_of_a_kind_that_only_21_has_is_kept_over_a_restart():
    async def play():
        async with later_stage() as scene:
            scene.evse.plug()
            token = {"idToken": "WMI1234567890", "type": "VIN"}
            answer = await scene.call("RequestStartTransaction", evseId=1, remoteStartId=7, idToken=token)
            assert answer["status"] == "Accepted"
            assert (await scene.wait("TransactionEvent"))["idToken"] == token
            await scene.clock.sleep(5_000)
            store = scene.store
        async with stage(store=store, wait_boot=False, versions=BOTH, discharge=ALLOWED) as scene:
            scene.evse.plug()
            await scene.clock.sleep(5_000)
            assert scene.station.positions[1].session.start_token == m.IdToken("WMI1234567890", "VIN")

    run_virtual(play())


@pytest.mark.parametrize("version", BOTH)
def test_the_composite_schedule_is_told_in_the_words_of_the_version(version):
    async def play():
        async with stage(csms=DemoCsms(Clock(1), version="2.1"), versions=BOTH, discharge=ALLOWED) as scene:
            said = period_of()
            said["chargingSchedule"][0]["chargingSchedulePeriod"] = [
                {"startPeriod": 0, "operationMode": "CentralSetpoint", "setpoint": -1000},
                {"startPeriod": 60, "operationMode": "Idle"},
                {"startPeriod": 120, "operationMode": "ChargingOnly", "limit": 2000},
            ]
            assert (await scene.call("SetChargingProfile", evseId=1, chargingProfile=said))["status"] == "Accepted"
            store = scene.store
        csms = DemoCsms(Clock(1), version=version)
        async with stage(csms=csms, store=store, versions=BOTH, discharge=ALLOWED) as scene:
            answer = await scene.call("GetCompositeSchedule", evseId=1, duration=180)
            told = answer["schedule"]["chargingSchedulePeriod"]
            if version == "2.1":
                assert told == [
                    {"startPeriod": 0, "operationMode": "CentralSetpoint", "setpoint": -1000.0},
                    {"startPeriod": 60, "operationMode": "Idle"},
                    {"startPeriod": 120, "limit": 2000.0},
                ]
            else:
                assert [(one["startPeriod"], one["limit"]) for one in told] == [(0, -1000.0), (60, 0.0), (120, 2000.0)]
            assert csms.violations == []

    run_virtual(play())
