"""Dynamic charging profiles (OCPP 2.1, K28), as a CSMS sees them: set, updated, asked for, and out of date."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bridge.clock import Clock, run_virtual
from bridge.errors import StoreError
from bridge.evse import Abilities, Mode
from bridge.sim.csms import DemoCsms, StationCallError
from bridge.sim.csms_behaviour import Late, Never, Refuse
from bridge.station.dynamic_profiles import period_of, updated
from bridge.station.dynamic_updates import PULL_SPACING
from bridge.station.limits import InstalledProfile
from bridge.station.messages import (
    ChargingProfile,
    ChargingProfileKind,
    ChargingRateUnit,
    ChargingSchedule,
    ChargingSchedulePeriod,
    ChargingScheduleUpdate,
    OperationMode,
)
from bridge.station.messages import ChargingProfilePurpose as P
from bridge.station.profiles import EvseRules, ProfileRules, check_profile, check_update
from tests.tools.station_house import STATION, profile, stage

BOTH = ("2.1", "2.0.1")
WAYS = ("ocpp2.1", "negative-limit")
PULL = "PullDynamicScheduleUpdate"
T0 = datetime(2026, 1, 5, tzinfo=UTC)


def house(version="2.1", respond=None, discharge=WAYS, **more):
    csms = DemoCsms(Clock(1), version=version, respond=respond)
    return stage(csms=csms, versions=BOTH, discharge=discharge, **more)


def dynamic(number=5, purpose="TxDefaultProfile", *, duration=None, unit="W", period=None, **more):
    """A dynamic profile of one period; 3 kW where nothing else is said."""
    said = profile(0, purpose, id=number, chargingProfileKind="Dynamic", **more)
    schedule = said["chargingSchedule"][0]
    schedule |= {
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [{"startPeriod": 0, **(period or {"limit": 3000})}],
    }
    if duration is not None:
        schedule["duration"] = duration
    return said


async def put(scene, said, evse=1):
    answer = await scene.call("SetChargingProfile", evseId=evse, chargingProfile=said)
    assert answer["status"] == "Accepted", answer


async def update(scene, number=5, **values):
    return await scene.call("UpdateDynamicSchedule", chargingProfileId=number, scheduleUpdate=values)


async def reported(scene, number=5):
    """A profile as GetChargingProfiles tells it; None where there is none."""
    request = len(scene.csms.received("ReportChargingProfiles")) + 100
    asked = {"requestId": request, "chargingProfile": {"chargingProfileId": [number]}}
    if (await scene.call("GetChargingProfiles", **asked))["status"] == "NoProfiles":
        return None
    (told,) = (await scene.wait("ReportChargingProfiles", requestId=request))["chargingProfile"]
    return told


async def period(scene, number=5):
    told = await reported(scene, number)
    return told["chargingSchedule"][0]["chargingSchedulePeriod"][0]


def at(text):
    return datetime.fromisoformat(text)


async def updated_at(scene, number=5):
    return at((await reported(scene, number))["dynUpdateTime"])


def near(moment, other, seconds=1.0):
    return abs((moment - other).total_seconds()) <= seconds


async def charging(scene, **start):
    scene.evse.plug()
    assert (await scene.start(**start))["status"] == "Accepted"
    event = await scene.wait("TransactionEvent", eventType="Started")
    return event["transactionInfo"]["transactionId"]


# -- set


def test_it_counts_at_once_and_tells_when_it_was_updated():
    """K28.FR.02, K28.FR.05; in the composite schedule and in reports."""

    async def play():
        async with house() as scene:
            await charging(scene)
            await scene.clock.sleep(5_000)
            before = scene.csms.utc()
            await put(scene, dynamic())
            assert scene.evse.wish.target == 3_000_000
            assert near(await updated_at(scene), before)
            told = (await scene.call("GetCompositeSchedule", evseId=1, duration=60))["schedule"]
            assert told["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 3000}]
            assert scene.csms.violations == []

    run_virtual(play())


def test_a_time_of_the_last_update_that_is_told_is_kept():
    """K28.FR.05 is about a profile that tells none; K28.FR.13 counts from the one that is told."""

    async def play():
        async with house() as scene:
            await charging(scene)
            then = (scene.csms.utc() - timedelta(seconds=50)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            await put(scene, dynamic(duration=60, dynUpdateTime=then))
            assert (await reported(scene))["dynUpdateTime"] == then
            assert scene.evse.wish.target == 3_000_000
            await scene.clock.sleep(11_000)
            assert scene.evse.wish.target != 3_000_000

    run_virtual(play())


def test_it_is_in_force_even_if_its_update_lies_ahead():
    """K28.FR.02: the CSMS's clock may go back; the limit stays."""

    async def play():
        async with house() as scene:
            await charging(scene)
            await put(scene, dynamic())
            scene.csms.habits.clock_offset = -3_600_000
            await scene.call("TriggerMessage", requestedMessage="Heartbeat")
            await scene.clock.sleep(5_000)
            assert await updated_at(scene) > scene.csms.utc() + timedelta(minutes=59)
            assert scene.evse.wish.target == 3_000_000

    run_virtual(play())


TWO_PERIODS = dynamic()
TWO_PERIODS["chargingSchedule"][0]["chargingSchedulePeriod"].append({"startPeriod": 60, "limit": 5})
LATE_PERIOD = dynamic(period={"startPeriod": 5, "limit": 1})
STARTED = dynamic()
STARTED["chargingSchedule"][0]["startSchedule"] = "2020-01-01T00:00:00Z"
WRONG = [
    (dynamic() | {"chargingSchedule": dynamic()["chargingSchedule"] * 2}, "InvalidSchedule"),  # K28.FR.01
    (TWO_PERIODS, "InvalidSchedule"),  # K28.FR.01
    (LATE_PERIOD, "InvalidSchedule"),  # K28.FR.02
    (STARTED, "InvalidSchedule"),  # K28.FR.02: it has no start of its own
    (dynamic(duration=-1), "InvalidSchedule"),
    (profile(5, "TxDefaultProfile", dynUpdateInterval=60), "InvalidProfile"),  # K28.FR.04, K01.FR.122
    (profile(5, "TxDefaultProfile", dynUpdateTime="2026-01-01T00:00:00Z"), "InvalidProfile"),  # K01.FR.122
    (dynamic(period={"operationMode": "ExternalLimits", "limit": 5}), "InvalidOperationMode"),  # K29: nobody is there
]


@pytest.mark.parametrize(("said", "reason"), WRONG)
def test_what_is_no_dynamic_profile_is_refused(said, reason):
    """K28.FR.03, K28.FR.04."""

    async def play():
        async with house() as scene:
            answer = await scene.call("SetChargingProfile", evseId=1, chargingProfile=said)
            assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", reason)
            assert await reported(scene, said["id"]) is None
            assert scene.csms.violations == []

    run_virtual(play())


def test_201_has_no_such_profiles():
    async def play():
        async with house("2.0.1") as scene:
            for action, payload in (
                ("SetChargingProfile", {"evseId": 1, "chargingProfile": dynamic()}),
                ("UpdateDynamicSchedule", {"chargingProfileId": 5, "scheduleUpdate": {"limit": 1}}),
            ):
                with pytest.raises(StationCallError):
                    await scene.csms.call(STATION, action, payload, check=False)
            assert await reported(scene) is None

    run_virtual(play())


def test_a_start_may_bring_one():
    """K05 with K28.FR.05: it waits for its transaction, and is updated there."""

    async def play():
        async with house() as scene:
            before = scene.csms.utc()
            assert (await scene.start(chargingProfile=dynamic(purpose="TxProfile")))["status"] == "Accepted"
            assert near(await updated_at(scene), before)
            assert await update(scene, limit=2000) == {"status": "Accepted"}  # still without a transaction
            scene.evse.plug()
            await scene.wait("TransactionEvent", eventType="Started")
            await scene.clock.sleep(1_000)
            assert scene.evse.wish.target == 2_000_000
            assert await update(scene, limit=1000) == {"status": "Accepted"}
            assert scene.evse.wish.target == 1_000_000
            transaction = scene.events[0]["transactionInfo"]["transactionId"]
            assert (await reported(scene))["transactionId"] == transaction

    run_virtual(play())


@pytest.mark.parametrize(
    ("name", "instance"),
    [
        ("SupportsFeature", "DynamicProfiles"),
        ("SupportsFeature", "MaxOfflineDuration"),
        ("ChargingProfilePersistence", "TxProfile"),
        ("ChargingProfilePersistence", "ChargingStationExternalConstraints"),
    ],
)
def test_the_device_model_says_so(name, instance):
    """K01.FR.55, K01.FR.121."""

    async def play():
        async with house() as scene:
            variable = {"name": name, "instance": instance}
            asked = [{"component": {"name": "SmartChargingCtrlr"}, "variable": variable}]
            (told,) = (await scene.call("GetVariables", getVariableData=asked))["getVariableResult"]
            assert told["attributeValue"] == "true"

    run_virtual(play())


# -- updated


def test_an_update_counts_at_once():
    """K28.FR.06, K28.FR.09; what it does not tell stays."""

    async def play():
        async with house() as scene:
            await charging(scene)
            await put(scene, dynamic(period={"operationMode": "CentralSetpoint", "setpoint": 1000, "limit": 4000}))
            await scene.clock.sleep(30_000)
            for values, target in (
                ({"setpoint": -2000}, -2_000_000),
                ({"dischargeLimit": -2500}, -2_000_000),
                ({"setpoint": 3500, "limit": 5000}, 3_500_000),
                ({}, 3_500_000),
            ):
                now = scene.csms.utc()
                assert await update(scene, **values) == {"status": "Accepted"}
                assert scene.evse.wish.target == target
                assert near(await updated_at(scene), now, 0.1)
                await scene.clock.sleep(30_000)
            assert await period(scene) == {
                "startPeriod": 0, "operationMode": "CentralSetpoint",
                "setpoint": 3500, "limit": 5000, "dischargeLimit": -2500,
            }  # fmt: skip
            assert scene.csms.violations == []

    run_virtual(play())


def test_a_bound_of_the_station_may_be_dynamic():
    async def play():
        async with house() as scene:
            await charging(scene)
            await put(scene, dynamic(6, "ChargingStationMaxProfile", unit="A", period={"limit": 10}), evse=0)
            assert scene.evse.wish.target == 2_000_000
            assert await update(scene, 6, limit=5) == {"status": "Accepted"}
            assert scene.evse.wish.target == 1_000_000
            answer = await update(scene, 6, limit=-5)
            assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "InvalidSchedule")
            assert scene.evse.wish.target == 1_000_000

    run_virtual(play())


SETPOINT = {"operationMode": "CentralSetpoint", "setpoint": 1000, "limit": 4000}
REFUSED = [
    (WAYS, {"limit": 3000}, {"setpoint": 5}, "InvalidSchedule"),
    (WAYS, {"limit": 3000}, {"dischargeLimit": -5}, "InvalidSchedule"),
    (WAYS, {"operationMode": "Idle"}, {"limit": 0}, "InvalidSchedule"),
    (WAYS, SETPOINT, {"limit": -1}, "InvalidSchedule"),
    (WAYS, SETPOINT, {"setpoint": 4001}, "InvalidSchedule"),
    (WAYS, SETPOINT, {"limit": 999}, "InvalidSchedule"),
    (WAYS, SETPOINT, {"setpoint": -5, "dischargeLimit": -4}, "InvalidSchedule"),
    (WAYS, SETPOINT, {"setpoint": 1e12}, "InvalidSchedule"),
    (WAYS, SETPOINT, {"setpoint_L2": 5}, "PhaseConflict"),
    (WAYS, SETPOINT, {"setpointReactive": 5}, "UnsupportedParam"),
    (("ocpp2.1",), {"limit": 3000}, {"limit": -1}, "InvalidSchedule"),
    (("negative-limit",), {"limit": 3000}, {"limit": -1}, None),
]  # fmt: skip


@pytest.mark.parametrize(("ways", "said", "values", "reason"), REFUSED, ids=str)
def test_an_update_that_would_make_it_wrong_changes_nothing(ways, said, values, reason):
    """K28.FR.06 within what any profile may say here (K01.FR.115, Q10.FR.02, V2X.05; which way energy may go)."""

    async def play():
        async with house(discharge=ways) as scene:
            await charging(scene)
            await put(scene, dynamic(period=said))
            before, target = await reported(scene), scene.evse.wish.target
            await scene.clock.sleep(10_000)
            answer = await update(scene, **values)
            assert answer.get("statusInfo", {}).get("reasonCode") == reason, answer
            if reason is not None:
                assert answer["statusInfo"]["additionalInfo"]
                assert (await reported(scene), scene.evse.wish.target) == (before, target)
            else:
                assert scene.evse.wish.target == -1_000

    run_virtual(play())


def test_an_order_to_discharge_is_refused_where_the_unit_cannot():
    async def play():
        async with house() as scene:
            scene.evse.abilities = Abilities(charge_max=6_000_000, modes=frozenset({Mode.CHARGE, Mode.PAUSE}))
            await put(scene, dynamic(period=SETPOINT))
            answer = await update(scene, setpoint=-1)
            assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "InvalidSchedule")

    run_virtual(play())


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", '"5"'])
def test_no_number_is_no_update(number):
    async def play():
        async with house() as scene:
            await put(scene, dynamic())
            before = await reported(scene)
            text = f'[2,"x","UpdateDynamicSchedule",{{"chargingProfileId":5,"scheduleUpdate":{{"limit":{number}}}}}]'
            await scene.csms.send_raw(STATION, text)
            await scene.clock.sleep(1_000)
            answers = [one.frame for one in scene.csms.messages if one.direction == "in" and one.frame[0] == 4]
            assert [frame[1] for frame in answers] in (["x"], ["-1"])
            assert await reported(scene) == before

    run_virtual(play())


@pytest.mark.parametrize("there", [True, False])
def test_what_is_not_dynamic_is_not_updated(there):
    """K28.FR.11, and the same of what is not there."""

    async def play():
        async with house() as scene:
            if there:
                await put(scene, profile(3000, "TxDefaultProfile", id=5))
            answer = await update(scene, limit=1)
            assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "InvalidProfile")
            assert answer["statusInfo"]["additionalInfo"] == ("5 is not dynamic" if there else "there is no profile 5")
            assert scene.csms.violations == []

    run_virtual(play())


class SlowStore:
    """A store whose profiles are durable when the test says so, or never."""

    def __init__(self, store):
        self._store, self.free, self.trouble = store, asyncio.Event(), False
        self.free.set()

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def put_profile(self, *arguments):
        await self.free.wait()
        if self.trouble:
            raise StoreError("the disk is full")
        await self._store.put_profile(*arguments)


def slowed(scene):
    """The scene's store, from now on slow."""
    store = scene.station.charging._store = SlowStore(scene.store)
    return store


def test_an_update_is_durable_before_it_is_answered_and_counts():
    async def play():
        async with house() as scene:
            await charging(scene)
            await put(scene, dynamic())
            store = slowed(scene)
            store.free.clear()
            answer = asyncio.ensure_future(update(scene, limit=1000))
            await scene.clock.sleep(5_000)
            assert (answer.done(), scene.evse.wish.target) == (False, 3_000_000)
            store.free.set()
            assert await answer == {"status": "Accepted"}
            assert scene.evse.wish.target == 1_000_000

    run_virtual(play())


def test_an_update_is_of_what_was_accepted_last():
    """A CSMS need not wait for an answer: what is set, is bound to its transaction and is updated comes in order."""

    async def play():
        async with house() as scene:
            assert (await scene.start(chargingProfile=dynamic(purpose="TxProfile")))["status"] == "Accepted"
            updates, store = scene.station.wishes.dynamic, slowed(scene)
            store.free.clear()
            first = asyncio.ensure_future(updates.update(5, ChargingScheduleUpdate(limit=2000)))
            await scene.clock.sleep(100)
            scene.evse.plug()
            await scene.clock.sleep(1_000)
            store.free.set()
            assert (await first).accepted
            await scene.clock.sleep(1_000)
            transaction = scene.events[0]["transactionInfo"]["transactionId"]
            assert (await reported(scene))["transactionId"] == transaction
            assert scene.evse.wish.target == 2_000_000
            store.free.clear()
            said = dynamic(purpose="TxProfile", transactionId=transaction, period=SETPOINT)
            setting = asyncio.ensure_future(put(scene, said))
            await scene.clock.sleep(100)
            second = asyncio.ensure_future(updates.update(5, ChargingScheduleUpdate(setpoint=500)))
            await scene.clock.sleep(100)
            store.free.set()
            await setting
            assert (await second).accepted
            assert await period(scene) == {"startPeriod": 0, **SETPOINT, "setpoint": 500}

    run_virtual(play())


def test_what_cannot_be_kept_is_refused():
    async def play():
        async with house() as scene:
            await charging(scene)
            await put(scene, dynamic())
            before, store = await reported(scene), slowed(scene)
            store.trouble = True
            answer = await update(scene, limit=1000)
            assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "OutOfStorage")
            assert (await reported(scene), scene.evse.wish.target) == (before, 3_000_000)

    run_virtual(play())


def test_it_survives_a_restart_with_its_values():
    async def play():
        async with house() as scene:
            await put(scene, dynamic(duration=600))
            await scene.clock.sleep(60_000)
            assert await update(scene, limit=1500) == {"status": "Accepted"}
            before, store = await reported(scene), scene.store
            assert near(at(before["dynUpdateTime"]), scene.csms.utc())
            await scene.clock.sleep(60_000)
        async with house(store=store) as scene:
            assert await reported(scene) == before
            await charging(scene)
            assert scene.evse.wish.target == 1_500_000
            await scene.clock.sleep(530_000)
            assert scene.evse.wish.target == 1_500_000
            await scene.clock.sleep(20_000)  # 10 min after the update, not after the restart
            assert scene.evse.wish.target != 1_500_000
        async with house("2.0.1", store=store) as scene:  # in older words
            assert (await reported(scene))["chargingProfileKind"] == "Relative"
            assert scene.csms.violations == []

    run_virtual(play())


# -- out of date


def test_without_an_update_the_next_valid_profile_counts_until_there_is_one():
    """K28.FR.13, K28.FR.15, K28.FR.14; and it is foretold."""

    async def play():
        async with house() as scene:
            await charging(scene)
            await put(scene, profile(2000, "TxDefaultProfile", id=1))
            await put(scene, dynamic(stackLevel=1, duration=60))
            told = (await scene.call("GetCompositeSchedule", evseId=1, duration=120))["schedule"]
            assert [(one["startPeriod"], one["limit"]) for one in told["chargingSchedulePeriod"]] in (
                [(0, 3000), (60, 2000)],
                [(0, 3000), (61, 2000)],  # it was asked within the second after
            )
            for limit in (None, 2500):
                if limit is not None:
                    assert await update(scene, limit=limit) == {"status": "Accepted"}
                expected = (limit or 3000) * 1000
                assert scene.evse.wish.target == expected
                await scene.clock.sleep(59_000)
                assert scene.evse.wish.target == expected
                await scene.clock.sleep(2_000)
                assert scene.evse.wish.target == 2_000_000
            assert (await reported(scene))["id"] == 5  # it is there still

    run_virtual(play())


# -- asked for


def pulls(scene):
    """The ids of the profiles that were asked for."""
    return [asked["chargingProfileId"] for asked in scene.csms.received(PULL)]


def told(**values):
    return {"status": "Accepted", "scheduleUpdate": values}


def test_the_csms_is_asked_an_interval_after_each_update():
    """K28.FR.10, K28.FR.08, K28.FR.09."""

    async def play():
        answers = [told(limit=2500), told(limit=-1500), told(limit=1000)]
        async with house(respond={PULL: answers}) as scene:
            await charging(scene)
            await put(scene, dynamic(dynUpdateInterval=60))
            for count, target in ((0, 3_000_000), (1, 2_500_000), (2, -1_500_000)):
                assert (len(pulls(scene)), scene.evse.wish.target) == (count, target)
                before = await updated_at(scene)
                assert near(before, scene.csms.utc(), 2)
                await scene.clock.sleep(59_000)
                assert len(pulls(scene)) == count
                await scene.clock.sleep(1_500)
            assert scene.evse.wish.target == 1_000_000
            await scene.clock.sleep(30_000)
            assert await update(scene, limit=900) == {"status": "Accepted"}
            await scene.clock.sleep(50_000)
            assert len(pulls(scene)) == 3  # the update has put it off
            await scene.clock.sleep(11_000)
            assert pulls(scene) == [5] * 4
            assert scene.csms.violations == []

    run_virtual(play())


TROUBLE = [
    {"status": "Rejected"},
    {"status": "Rejected", "statusInfo": {"reasonCode": "InvalidProfile", "additionalInfo": "not here"}},
    {"status": "Accepted"},
    told(setpoint=1),
    told(limit_L2=1),
    Refuse("NotImplemented"),
    Never(),
]


@pytest.mark.parametrize("answer", TROUBLE, ids=str)
def test_an_answer_without_usable_values_changes_nothing_and_is_told_once(answer):
    async def play():
        async with house(respond={PULL: answer}) as scene:
            await charging(scene)
            await put(scene, dynamic(dynUpdateInterval=120))
            before = await reported(scene)
            with capture_logs() as logs:
                await scene.clock.sleep(500_000)
            assert pulls(scene) == [5] * 4
            assert (await reported(scene), scene.evse.wish.target) == (before, 3_000_000)
            warned = [log for log in logs if log["event"] == "dynamic profile not updated"]
            assert [log["profile"] for log in warned] == [5]
            scene.csms.respond[PULL] = told(limit=1000)
            await scene.clock.sleep(120_000)
            assert scene.evse.wish.target == 1_000_000
            scene.csms.respond[PULL] = answer
            for again in (dynamic(dynUpdateInterval=120), None):  # after an update, and of another profile of the id
                with capture_logs() as logs:
                    await scene.clock.sleep(360_000)
                assert [log["event"] for log in logs].count("dynamic profile not updated") == 1
                if again is not None:
                    await scene.call("ClearChargingProfile", chargingProfileId=5)
                    await put(scene, again)

    run_virtual(play())


def test_without_a_csms_nobody_is_asked_and_once_when_it_is_back():
    async def play():
        async with house(respond={PULL: told(limit=1000)}) as scene:
            await charging(scene)
            await put(scene, dynamic(dynUpdateInterval=60))
            await scene.clock.sleep(30_000)
            await scene.csms.go_dark()
            await scene.clock.sleep(600_000)
            assert (pulls(scene), scene.evse.wish.target) == ([], 3_000_000)
            scene.csms.come_back()
            await scene.wait(PULL)
            await scene.clock.sleep(30_000)
            assert (pulls(scene), scene.evse.wish.target) == ([5], 1_000_000)

    run_virtual(play())


def test_a_clock_that_is_set_back_silences_nobody():
    async def play():
        async with house(respond={PULL: told(limit=1000)}) as scene:
            await put(scene, dynamic(dynUpdateInterval=60))
            scene.csms.habits.clock_offset = -3_600_000
            await scene.call("TriggerMessage", requestedMessage="Heartbeat")
            await scene.clock.sleep(50_000)
            assert pulls(scene) == []
            await scene.clock.sleep(15_000)
            assert pulls(scene) == [5]
            assert near(await updated_at(scene), scene.csms.utc(), 10)

    run_virtual(play())


def test_a_csms_that_goes_while_it_is_asked_is_asked_again():
    async def play():
        async with house(respond={PULL: [Never(), told(limit=1000)]}) as scene:
            await charging(scene)
            await put(scene, dynamic(dynUpdateInterval=60))
            await scene.clock.sleep(62_000)
            assert pulls(scene) == [5]
            await scene.csms.drop(STATION)
            await scene.clock.sleep(20_000)
            assert (pulls(scene), scene.evse.wish.target) == ([5, 5], 1_000_000)

    run_virtual(play())


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
def test_before_the_station_is_accepted_nobody_is_asked(status):
    """B02.FR.02, B03.FR.02."""

    async def play():
        async with house() as scene:
            await put(scene, dynamic(dynUpdateInterval=60))
            store = scene.store
        now = "2026-01-05T00:00:00Z"
        boot = {"BootNotification": {"status": status, "currentTime": now, "interval": 3600}}
        async with house(respond=boot, store=store, wait_boot=False) as scene:
            await scene.clock.sleep(900_000)
            assert [one for one in scene.station.charging.installed if one.profile.id == 5]
            if status == "Pending":
                await put(scene, dynamic(6, stackLevel=1, dynUpdateInterval=60))
                await scene.clock.sleep(900_000)
            assert pulls(scene) == []

    run_virtual(play())


def test_a_csms_of_201_is_not_asked():
    async def play():
        async with house() as scene:
            await put(scene, dynamic(dynUpdateInterval=60))
            store = scene.store
        async with house("2.0.1", store=store) as scene:
            with capture_logs() as logs:
                await scene.clock.sleep(300_000)
            assert [log for log in logs if log["log_level"] == "warning"] == []
            assert pulls(scene) == []
            assert scene.csms.violations == []
        async with house(store=store, respond={PULL: told(limit=1000)}) as scene:
            await scene.clock.sleep(5_000)
            assert pulls(scene) == [5]  # it is due since long
            assert (await period(scene))["limit"] == 1000

    run_virtual(play())


def test_short_intervals_flood_nobody():
    """One question at a time, `PULL_SPACING` apart, and each profile in its turn."""

    async def play():
        async with house(respond={PULL: told(limit=1000)}) as scene:
            for number in range(8):
                await put(scene, dynamic(number + 1, stackLevel=number, dynUpdateInterval=1))
            since = len(pulls(scene))
            await scene.clock.sleep(60_000)
            asked = pulls(scene)[since:]
            assert 60_000 // PULL_SPACING * 0.8 < len(asked) <= 60_000 // PULL_SPACING + 1
            assert {asked.count(number + 1) for number in range(8)} <= {29, 30, 31}
            assert scene.csms.violations == []

    run_virtual(play())


def test_one_question_is_open_at_a_time():
    """None waits behind one that the CSMS takes long for: CALLs go out one by one."""

    async def play():
        slow = Late(20_000, told(limit=1000))
        async with house(respond={PULL: [slow] + [told(limit=900)] * 99}) as scene:
            await put(scene, dynamic(dynUpdateInterval=1))
            await scene.clock.sleep(5_000)
            assert await update(scene, limit=800) == {"status": "Accepted"}  # due anew in a second
            await scene.clock.sleep(16_500)
            assert pulls(scene) == [5]
            await scene.clock.sleep(3_000)
            assert len(pulls(scene)) in (3, 4)

    run_virtual(play())


@pytest.mark.parametrize("interval", [None, 0, -5])
def test_without_an_interval_nobody_is_asked_and_no_timer_runs(interval):
    async def play():
        more = {} if interval is None else {"dynUpdateInterval": interval}
        async with house() as scene:
            await put(scene, dynamic(**more))
            await scene.clock.sleep(600_000)
            assert pulls(scene) == []
            assert scene.station.wishes.dynamic._timer is None

    run_virtual(play())


def test_who_has_gone_is_not_asked_for():
    """Cleared, replaced, ended with its transaction, or past its validTo."""

    async def play():
        async with house() as scene:
            transaction = await charging(scene)
            past = (scene.csms.utc() + timedelta(seconds=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
            await put(scene, dynamic(1, dynUpdateInterval=60))
            await put(scene, dynamic(2, stackLevel=1, dynUpdateInterval=60))
            await put(scene, dynamic(3, "TxProfile", transactionId=transaction, dynUpdateInterval=60))
            await put(scene, dynamic(4, stackLevel=2, dynUpdateInterval=60, validTo=past))
            assert (await scene.call("ClearChargingProfile", chargingProfileId=1))["status"] == "Accepted"
            await put(scene, profile(500, "TxDefaultProfile", id=2, stackLevel=1))
            scene.evse.unplug()
            await scene.wait("TransactionEvent", eventType="Ended")
            await scene.clock.sleep(200_000)
            assert pulls(scene) == []

    run_virtual(play())


def test_what_is_cleared_while_it_is_updated_does_not_come_back():
    """K10: whatever the store takes longer for."""

    async def play():
        async with house() as scene:
            await put(scene, dynamic())
            store = slowed(scene)
            store.free.clear()
            late = asyncio.ensure_future(scene.station.wishes.dynamic.update(5, ChargingScheduleUpdate(limit=1000)))
            await scene.clock.sleep(100)
            clearing = asyncio.ensure_future(scene.call("ClearChargingProfile", chargingProfileId=5))
            await scene.clock.sleep(100)
            store.free.set()
            assert (await clearing)["status"] == "Accepted"
            await late
            assert await reported(scene) is None

    run_virtual(play())


def test_an_update_of_what_is_being_cleared_is_refused():
    async def play():
        async with house() as scene:
            await put(scene, dynamic())
            free = asyncio.Event()
            delete = scene.store.delete_profiles

            class Slow(SlowStore):
                async def delete_profiles(self, *arguments):
                    await free.wait()
                    await delete(*arguments)

            scene.station.charging._store = Slow(scene.store)
            clearing = asyncio.ensure_future(scene.call("ClearChargingProfile", chargingProfileId=5))
            await scene.clock.sleep(100)
            verdict = await scene.station.wishes.dynamic.update(5, ChargingScheduleUpdate(limit=1000))
            assert verdict.reason == "InvalidProfile"
            free.set()
            assert (await clearing)["status"] == "Accepted"
            assert await reported(scene) is None
            assert [row for row in await scene.store.profiles(STATION) if row.profile_id == 5] == []

    run_virtual(play())


# -- after a discharge


def test_only_something_new_is_followed_after_a_discharge():
    """`after_discharge: pause` waits for the CSMS's next word; values that are told again are none."""

    async def play():
        site = {"after_discharge": "pause"}
        async with house(site_evse=site) as scene:
            await charging(scene)
            await put(scene, dynamic(1, period={"limit": 2000}))
            await put(scene, dynamic(2, stackLevel=1, duration=60, period={"limit": -1000}))
            assert scene.evse.wish.target == -1_000_000
            await scene.clock.sleep(62_000)
            paused = scene.evse.wish
            assert str(paused.mode) == "pause"
            assert await update(scene, 1, limit=2000) == {"status": "Accepted"}
            assert str(scene.evse.wish.mode) == "pause"
            assert await update(scene, 1, limit=2100) == {"status": "Accepted"}
            assert scene.evse.wish.target == 2_100_000

    run_virtual(play())


# -- what an update may say


NUMBERS = st.none() | st.sampled_from([-4001.0, -4000.0, -1.0, 0.0, 1.0, 2000.0, 4000.0, 1e12])
SITE = ProfileRules({1: EvseRules(negative_limit=True, ocpp_21=True), 2: EvseRules()})
WORDS = st.sampled_from(
    [
        {"limit": 3000.0},
        {"limit": 4000.0, "operation_mode": OperationMode.CHARGING_ONLY},
        {"limit": -1.0},
        {"setpoint": 1.0, "operation_mode": OperationMode.CENTRAL_FREQUENCY},
        {"setpoint": -1.0, "operation_mode": OperationMode.CENTRAL_SETPOINT},
        {"setpoint": 0.0, "limit": 1.0, "discharge_limit": -1.0, "operation_mode": OperationMode.CENTRAL_SETPOINT},
        {"operation_mode": OperationMode.IDLE},
    ]
)


@given(st.data(), WORDS, st.sampled_from([1, 2]), st.sampled_from(["W", "A"]))
def test_an_update_is_taken_where_a_profile_that_says_it_would_be(data, words, evse, unit):
    """K28.FR.06: an update leads nowhere where a SetChargingProfile does not."""
    numbers = st.fixed_dictionaries(dict.fromkeys(("limit", "setpoint", "discharge_limit"), NUMBERS))
    now_said = ChargingSchedulePeriod(0, **words)
    schedule = ChargingSchedule(1, ChargingRateUnit(unit), (now_said,))
    purpose = data.draw(st.sampled_from([P.TX_DEFAULT_PROFILE, P.CHARGING_STATION_MAX_PROFILE]))
    before = ChargingProfile(5, 0, purpose, ChargingProfileKind.DYNAMIC, (schedule,), dyn_update_time=T0)
    place = 0 if purpose is P.CHARGING_STATION_MAX_PROFILE else evse
    rules = replace(SITE, rate_units=frozenset(ChargingRateUnit))
    assume(check_profile(place, before, (), rules).accepted)
    told_now = data.draw(numbers)
    after = updated(before, ChargingScheduleUpdate(**told_now), T0 + timedelta(seconds=5))
    for name, value in told_now.items():
        kept = getattr(now_said, name) if value is None else value
        assert getattr(period_of(after), name) == kept
    assert replace(after, charging_schedule=before.charging_schedule, dyn_update_time=T0) == before
    installed = (InstalledProfile(place, before),)
    anew = check_profile(place, after, installed, rules)
    verdict = check_update(place, after, rules)
    assert (verdict.accepted, verdict.reason) == (anew.accepted, anew.reason)
