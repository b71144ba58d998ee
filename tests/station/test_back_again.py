"""What was not looked at meanwhile: limits of EVSEs that want energy again, starts that came to nothing, the time."""

import json
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from bridge.clock import Clock, run_virtual
from bridge.evse import Abilities, ChargingState
from bridge.sim.csms import DemoCsms
from bridge.sim.csms_behaviour import Late
from bridge.station.messages import SetChargingProfileRequest
from bridge.station.messages.text import from_text
from bridge.station.messages.v201 import Adapter
from tests.tools.dynamic import charging, house, put, reported
from tests.tools.station_house import STATION, profile, stage

STAYS = {"TxCtrlr__StopTxOnEVSideDisconnect": False, "TxCtrlr__TxStopPoint": "Authorized"}


def stepped(scene, *periods):
    """An absolute default profile that begins now."""
    said = profile(0, "TxDefaultProfile", chargingProfileKind="Absolute")
    said["chargingSchedule"][0] |= {
        "startSchedule": scene.csms.utc().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "chargingSchedulePeriod": [{"startPeriod": at, "limit": watts} for at, watts in periods],
    }
    return said


@asynccontextmanager
async def away():
    """A vehicle that has left within its transaction, which goes on."""
    async with stage(**STAYS) as scene:
        scene.evse.plug()
        await scene.start()
        await scene.clock.sleep(5_000)
        scene.evse.flow(3000)
        scene.evse.show(charging_state=ChargingState.IDLE)
        scene.evse.unplug()
        await scene.clock.sleep(10_000)
        yield scene


def test_a_vehicle_that_comes_back_is_bounded_by_what_was_said_meanwhile():
    """K01.FR.12, K11.FR.01."""

    async def play():
        async with away() as scene:
            await put(scene, profile(1000, "TxDefaultProfile"))
            await scene.station.wishes.external.set_by_api(0, 500_000, None)
            begun = len(scene.evse.wishes)
            scene.evse.plug()
            await scene.clock.sleep(30_000)
            assert {wish.target for wish in scene.evse.wishes[begun:] if str(wish.mode) == "charge"} == {500_000}

    run_virtual(play())


def test_an_edge_that_passed_while_a_vehicle_was_away_counts_when_it_is_back():
    async def play():
        async with away() as scene:
            await put(scene, stepped(scene, (0, 6000), (60, 1000)))
            await scene.clock.sleep(90_000)
            begun = len(scene.evse.wishes)
            scene.evse.plug()
            await scene.clock.sleep(30_000)
            assert {wish.target for wish in scene.evse.wishes[begun:] if str(wish.mode) == "charge"} == {1_000_000}

    run_virtual(play())


def test_more_time_brings_the_limit_of_now_and_not_the_one_that_was():
    """E16.FR.14."""
    limits = [60]

    def respond(request):
        return {"transactionLimit": {"maxTime": limits.pop()}} if limits else {}

    async def play():
        async with house(respond={"TransactionEvent": respond}) as scene:
            await put(scene, stepped(scene, (0, 6000), (600, 1000)))
            await charging(scene)
            scene.evse.flow(3000)
            await scene.clock.sleep(1_000_000)
            assert str(scene.evse.wish.mode) == "pause"
            limits.append(100_000)
            begun = len(scene.evse.wishes)
            scene.evse.show(charging_state=ChargingState.SUSPENDED_EVSE)
            await scene.clock.sleep(30_000)
            assert {wish.target for wish in scene.evse.wishes[begun:] if str(wish.mode) == "charge"} == {1_000_000}

    run_virtual(play())


def test_a_limit_that_is_repeated_in_every_answer_is_confirmed_once():
    """E16.FR.03, of a CSMS that does not keep to E16.FR.02."""

    async def play():
        limit = {"transactionLimit": {"maxEnergy": 1e306, "maxTime": 5000}}
        async with house(respond={"TransactionEvent": lambda request: limit}) as scene:
            await charging(scene)
            await scene.clock.sleep(60_000)
            assert [event["triggerReason"] for event in scene.events].count("LimitSet") == 1
            assert scene.evse.wish.amount.energy == 1_000_000_000

    run_virtual(play())


@pytest.mark.parametrize("most", [0, 1, -1])
def test_a_profile_that_counts_for_no_time_without_a_csms_costs_nothing_while_there_is_one(most):
    """K01.FR.101."""

    async def play():
        async with house() as scene:
            await charging(scene)
            await put(scene, profile(3000, "TxDefaultProfile", maxOfflineDuration=most))
            looks = []
            reconsider = scene.station.wishes.reconsider
            scene.station.wishes.reconsider = lambda: (looks.append(1), reconsider())
            await scene.clock.sleep(10_000)
            assert len(looks) <= 20
            assert scene.evse.wish.target == 3_000_000
            await scene.csms.go_dark()
            await scene.clock.sleep(3_000)
            assert scene.evse.wish.target is None

    run_virtual(play())


def test_a_site_that_discharges_for_no_time_without_a_csms_looks_rarely():
    async def play():
        async with stage(site_evse={"max_offline_discharge": 0}) as scene:
            scene.evse.plug()
            await scene.start()
            await put(scene, profile(-3000, "TxDefaultProfile"))
            before = scene.evse.wish
            looks = []
            reconsider = scene.station.wishes.reconsider
            scene.station.wishes.reconsider = lambda: (looks.append(1), reconsider())
            await scene.clock.sleep(10_000)
            assert len(looks) <= 20
            assert scene.evse.wish == before

    run_virtual(play())


@pytest.mark.parametrize("for_good", [False, True])
def test_how_long_the_csms_is_away_is_not_forgotten_over_a_restart(for_good):
    """K01.FR.101, K01.FR.102."""

    async def play():
        async with house() as scene:
            await charging(scene)
            await put(scene, profile(3000, "TxDefaultProfile"))
            last = {"maxOfflineDuration": 600, "invalidAfterOfflineDuration": for_good}
            await put(scene, profile(5000, "TxDefaultProfile", id=6, stackLevel=1, **last))
            store, csms = scene.store, scene.csms
            await csms.go_dark()
            await scene.clock.sleep(900_000)
            assert scene.evse.wish.target == 3_000_000
        async with house(csms=csms, store=store, wait_boot=False) as scene:
            scene.evse.plug()
            await scene.clock.sleep(30_000)
            assert scene.evse.wish.target == 3_000_000
            csms.come_back()
            await scene.clock.sleep(60_000)
            assert scene.evse.wish.target == (3_000_000 if for_good else 5_000_000)

    run_virtual(play())


# -- starts that came to nothing


async def lapsed(scene):
    await scene.clock.sleep(600_000)


async def reset(scene):
    assert (await scene.call("Reset", type="Immediate", evseId=1))["status"] == "Accepted"
    await scene.clock.sleep(60_000)


async def inoperative(scene):
    for status in ("Inoperative", "Operative"):
        await scene.call("ChangeAvailability", operationalStatus=status)
        await scene.clock.sleep(30_000)


@pytest.mark.parametrize("end", [lapsed, reset, inoperative])
def test_the_profile_of_a_start_that_came_to_nothing_goes(end):
    """K05: it must not bound another transaction, nor stand in its way."""

    async def play():
        async with stage() as scene:
            assert (await scene.start(chargingProfile=profile(1500, id=9)))["status"] == "Accepted"
            assert await reported(scene, 9)
            await end(scene)
            assert await reported(scene, 9) is None
            assert [row.profile_id for row in await scene.store.profiles(STATION)] == []
            scene.evse.plug()
            assert (await scene.start(chargingProfile=profile(2500, id=10)))["status"] == "Accepted"
            await scene.clock.sleep(20_000)
            assert scene.evse.wish.target == 2_500_000

    run_virtual(play())


def test_a_profile_that_took_the_place_of_a_starts_outlives_it():
    async def play():
        csms = DemoCsms(Clock(1), respond={"Authorize": Late(5000, {"idTokenInfo": {"status": "Blocked"}})})
        async with stage(csms=csms, AuthCtrlr__AuthorizeRemoteStart=True) as scene:
            assert (await scene.start(chargingProfile=profile(1500)))["status"] == "Accepted"
            await put(scene, profile(2000, "TxDefaultProfile"))
            await scene.clock.sleep(30_000)
            assert (await reported(scene, 1))["chargingProfilePurpose"] == "TxDefaultProfile"
            answer = await scene.start(chargingProfile=profile(1500))
            assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "InvalidProfile")

    run_virtual(play())


def test_a_profile_that_is_not_durable_yet_is_cleared_too():
    async def play():
        async with house() as scene:
            put_profile, clock = scene.store.put_profile, scene.clock

            async def slow(*arguments):
                await clock.sleep(5_000)
                await put_profile(*arguments)

            scene.station.charging._store.put_profile = slow
            setting = profile(1500, "TxDefaultProfile")
            text = json.dumps({"evseId": 1, "chargingProfile": setting})
            request = from_text(Adapter(), SetChargingProfileRequest, text)
            late = scene.station.spawn(_set(scene, request))
            await scene.clock.sleep(100)
            assert (await scene.call("ClearChargingProfile", chargingProfileId=1))["status"] == "Accepted"
            await late
            assert await reported(scene, 1) is None

    run_virtual(play())


async def _set(scene, request):
    await scene.station.charging.set_profile(request, scene.station.wishes.profile_rules())


# -- the time, and what cannot be told


def test_an_edge_follows_a_clock_that_is_corrected_a_little():
    """Within 1 s of its time."""

    async def play():
        async with stage() as scene:
            scene.evse.plug()
            await scene.start()
            await put(scene, stepped(scene, (0, 6000), (120, 1000)))
            await scene.clock.sleep(60_000)
            scene.station.time.synchronise(scene.station.time.utc() + timedelta(seconds=15))
            await scene.clock.sleep(46_500)
            assert scene.evse.wish.target == 1_000_000

    run_virtual(play())


def test_a_schedule_of_years_is_refused_at_once():
    """K08.FR.05."""

    async def play():
        async with stage() as scene:
            said = profile(0, "TxDefaultProfile", chargingProfileKind="Recurring", recurrencyKind="Daily")
            said["chargingSchedule"][0] |= {
                "startSchedule": "2020-01-01T00:00:00Z",
                "chargingSchedulePeriod": [{"startPeriod": at * 80, "limit": 1000 + at % 2} for at in range(1024)],
            }
            await put(scene, said)
            answer = await scene.call("GetCompositeSchedule", evseId=1, duration=19_000 * 86_400)
            assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "ValueTooHigh")
            assert "120000" in answer["statusInfo"]["additionalInfo"]

    run_virtual(play())


def test_nothing_is_told_of_a_power_that_nobody_knows():
    """K08.FR.05: no limit, of an EVSE that has not told what it can do."""

    async def play():
        async with stage() as scene:
            scene.evse.abilities = Abilities()
            for evse in (0, 1):
                assert (await scene.call("GetCompositeSchedule", evseId=evse, duration=60))["status"] == "Rejected"
            await put(scene, profile(3000, "TxDefaultProfile"))
            for evse in (0, 1):
                told = await scene.call("GetCompositeSchedule", evseId=evse, duration=60)
                assert told["schedule"]["chargingSchedulePeriod"][0]["limit"] == 3000

    run_virtual(play())


def test_a_kept_profile_that_cannot_be_read_is_left_out_and_the_station_serves():
    async def play():
        async with stage() as scene:
            await put(scene, profile(3000, "TxDefaultProfile"))
            await put(scene, profile(2000, "TxDefaultProfile", id=2, stackLevel=1))
            store = scene.store
            (row,) = [row for row in await store.profiles(STATION) if row.profile_id == 2]
            damaged = row.__class__(2, 1, None, row.payload.replace("TxDefaultProfile", "OfALaterVersion"))
            await store.put_profile(STATION, damaged, ())
        async with stage(store=store) as scene:
            scene.evse.plug()
            await scene.start()
            assert scene.evse.wish.target == 3_000_000

    run_virtual(play())
