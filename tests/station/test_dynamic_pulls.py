"""Values of dynamic charging profiles that the station asks for (OCPP 2.1, K28: PullDynamicScheduleUpdate)."""

from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from bridge.clock import run_virtual
from bridge.sim.csms_behaviour import Late, Never, Refuse
from bridge.station.dynamic_updates import PULL_SPACING
from tests.tools.dynamic import PULL, charging, dynamic, house, near, period, put, reported, update, updated_at
from tests.tools.station_house import STATION, profile


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
