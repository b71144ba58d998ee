"""OCPP 2.1 beside 2.0.1: a station that speaks whichever is agreed."""

import asyncio
import json

import pytest

from bridge.clock import Clock, run_virtual
from bridge.errors import ConfigError
from bridge.gateway.config import load_config
from bridge.sim.csms import DemoCsms
from bridge.station import messages as m
from bridge.station.link import Link
from bridge.station.link_memory import MemoryConnection, MemoryDialer
from tests.tools.station_house import STATION, profile, stage
from tests.tools.v21 import ALLOWED, BOTH, NEW, OLD, event, later_stage, period_of

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
