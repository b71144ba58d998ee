"""Updates of dynamic charging profiles (OCPP 2.1, K28): what they may say, and that they are kept."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bridge.clock import run_virtual
from bridge.evse import Abilities, Mode
from bridge.station.dynamic_profiles import period_of, updated
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
from tests.tools.dynamic import (
    T0,
    WAYS,
    SlowStore,
    at,
    charging,
    dynamic,
    house,
    near,
    period,
    put,
    reported,
    slowed,
    update,
    updated_at,
)
from tests.tools.station_house import STATION, profile


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
