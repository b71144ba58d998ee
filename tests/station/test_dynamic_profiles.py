"""Dynamic charging profiles (OCPP 2.1, K28), as a CSMS sees them: set, told, and out of date."""

from datetime import timedelta

import pytest

from bridge.clock import run_virtual
from bridge.sim.csms import StationCallError
from tests.tools.dynamic import charging, dynamic, house, near, put, reported, update, updated_at
from tests.tools.station_house import STATION, profile

# -- set
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
