"""Limits that others than the CSMS set: they cap, they are told, no CSMS can lift them, and they outlive a restart."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.clock import run_virtual
from bridge.evse import ChargingState, Happening, HappeningKind, Mode, Reading, Source
from bridge.sim.csms import CALL, DemoCsms
from bridge.sim.csms_behaviour import Never, Refuse
from bridge.station.external_notices import RISES_EVERY
from bridge.station.messages import ChargingProfileCriterion, ChargingProfilePurpose, GetChargingProfilesRequest
from bridge.store.sqlite import open_store
from tests.tools.station_house import STATION, Stage, profile, stage

MINUTE = 60_000
EXTERNAL = "ChargingStationExternalConstraints"


def on_stage(body: Callable[[Stage], Awaitable[None]], **options: Any) -> None:
    """Run a test body on virtual time, and hold the CSMS's strict rules against what it saw."""

    async def play() -> None:
        async with stage(**options) as scene:
            await body(scene)
            assert scene.csms.violations == []
            assert not any(scene.csms.gaps().values())

    run_virtual(play())


async def charging(scene: Stage, limit: float | None = None) -> str:
    """A transaction in which energy flows as allowed; its id."""
    scene.evse.plug()
    more = {} if limit is None else {"chargingProfile": profile(limit, id=10)}
    assert (await scene.start(**more))["status"] == "Accepted"
    started = await scene.wait("TransactionEvent", eventType="Started")
    obey(scene)
    await scene.wait("TransactionEvent", transactionInfo__chargingState="Charging")
    return str(started["transactionInfo"]["transactionId"])


def obey(scene: Stage) -> None:
    """The unit does what is wanted of it, and tells what it grants."""
    wish, evse = scene.evse.wish, scene.evse
    if wish.mode is Mode.CHARGE:
        granted = 6_000_000 if wish.target is None else wish.target
        now = scene.clock.monotonic()
        offered = Reading(granted, now, Source.ASSUMED)
        evse.show(charging_state=ChargingState.CHARGING, power=Reading(granted, now), offered=offered, confirmed=True)
    else:
        evse.show(charging_state=ChargingState.SUSPENDED_EVSE, offered=None, confirmed=True)


def foreign(scene: Stage, watts: int, kind: HappeningKind = HappeningKind.FOREIGN_LIMIT) -> None:
    scene.evse.show(Happening(kind, "setting", watts * 1000))


def notices(scene: Stage) -> list[tuple[str, Any]]:
    """What was told of limits, in order: (source, watts or "cleared")."""
    found: list[tuple[str, Any]] = []
    for message in scene.csms.messages:
        if message.direction != "in" or message.frame[0] != CALL:
            continue
        if message.action == "NotifyChargingLimit":
            schedules = message.payload.get("chargingSchedule")
            watts = schedules[0]["chargingSchedulePeriod"][0]["limit"] if schedules else "limit"
            found.append((message.payload["chargingLimit"]["chargingLimitSource"], watts))
        elif message.action == "ClearedChargingLimit":
            found.append((message.payload["chargingLimitSource"], "cleared"))
    return found


async def reported(scene: Stage) -> list[dict[str, Any]]:
    """The external constraints that a report of all profiles holds, with source and EVSE."""
    criterion = ChargingProfileCriterion(ChargingProfilePurpose.CHARGING_STATION_EXTERNAL_CONSTRAINTS)
    _, messages = scene.station.charging.report(GetChargingProfilesRequest(1, criterion))
    pages = [scene.station.adapter.encode_request(message)[1] for message in messages]
    return [
        {**one, "source": page["chargingLimitSource"], "evseId": page["evseId"]}
        for page in pages
        for one in page["chargingProfile"]
    ]


WITH_SCHEDULES = {"SmartChargingCtrlr__NotifyChargingLimitWithSchedules": True}


def test_a_setting_that_somebody_lowers_becomes_a_limit_of_the_evse_and_is_told() -> None:
    """K11.FR.01, K11.FR.02, K11.FR.03, K11.FR.05, K11.FR.06."""

    async def body(scene: Stage) -> None:
        await charging(scene, 3000)
        assert scene.evse.wish.target == 3_000_000
        foreign(scene, 1000)
        assert scene.evse.wish.target == 1_000_000
        told = await scene.wait("NotifyChargingLimit")
        assert told["evseId"] == 1
        assert told["chargingLimit"] == {"chargingLimitSource": "Other"}
        [schedule] = told["chargingSchedule"]
        assert schedule["chargingRateUnit"] == "W"
        assert [(p["startPeriod"], p["limit"]) for p in schedule["chargingSchedulePeriod"]] == [(0, 1000)]
        [one] = await reported(scene)
        assert one["id"] < 0
        assert (one["source"], one["evseId"], one["chargingProfilePurpose"]) == ("Other", 1, EXTERNAL)
        schedule = await scene.call("GetCompositeSchedule", evseId=1, duration=600)
        assert schedule["schedule"]["chargingSchedulePeriod"][0]["limit"] == 1000

    on_stage(body, **WITH_SCHEDULES)


def test_without_the_variable_the_notice_has_no_schedule() -> None:
    """K11.FR.03: only where NotifyChargingLimitWithSchedules is true."""

    async def body(scene: Stage) -> None:
        await charging(scene, 3000)
        foreign(scene, 1000)
        assert "chargingSchedule" not in await scene.wait("NotifyChargingLimit")

    on_stage(body)


def test_a_unit_of_a_hems_is_limited_by_an_ems() -> None:
    """K11.FR.05."""

    async def body(scene: Stage) -> None:
        position = scene.station.positions[1]
        position.settings = replace(position.settings, hems=True)
        await charging(scene, 3000)
        foreign(scene, 1000)
        assert (await scene.wait("NotifyChargingLimit"))["chargingLimit"] == {"chargingLimitSource": "EMS"}

    on_stage(body)


def test_the_rate_that_changes_by_it_is_told_with_the_transaction() -> None:
    """K11.FR.04, K13.FR.02, K13.FR.03."""

    async def body(scene: Stage) -> None:
        await charging(scene, 3000)
        await scene.clock.sleep(MINUTE)
        assert rates(scene) == 0
        foreign(scene, 1000)
        obey(scene)
        await scene.clock.sleep(MINUTE)
        assert rates(scene) == 1
        foreign(scene, 5000, HappeningKind.FOREIGN_LIMIT_CLEARED)
        assert scene.evse.wish.target == 3_000_000
        obey(scene)
        cleared = await scene.wait("ClearedChargingLimit")
        assert cleared == {"chargingLimitSource": "Other", "evseId": 1}
        await scene.clock.sleep(2 * MINUTE)
        assert rates(scene) == 2
        assert await reported(scene) == []

    on_stage(body)


def rates(scene: Stage) -> int:
    return sum(event["triggerReason"] == "ChargingRateChanged" for event in scene.events)


def test_what_the_vehicle_does_not_take_is_told_once_and_not_with_every_second() -> None:
    """CEL 3.7: the vehicle's own limit is seen in what is offered; SC.03: small changes are not told."""

    async def body(scene: Stage) -> None:
        await charging(scene, 4000)
        for second in range(300):
            granted = 3_000_000 - 5_000 * second
            scene.evse.show(offered=Reading(granted, scene.clock.monotonic()), confirmed=True)
            await scene.clock.sleep(1_000)
        assert 4 <= rates(scene) <= 6
        before = rates(scene)
        for second in range(300):
            scene.evse.show(offered=Reading(1_505_000 + second % 2 * 10_000, scene.clock.monotonic()))
            await scene.clock.sleep(1_000)
        assert rates(scene) - before <= 1

    on_stage(body)


def test_what_the_csms_changes_itself_it_is_not_told() -> None:
    """SC.02 is about limits that are not the CSMS's own."""

    async def body(scene: Stage) -> None:
        transaction = await charging(scene, 4000)
        for watts in (2000, 5000, 1500):
            await scene.call(
                "SetChargingProfile", evseId=1, chargingProfile=profile(watts, id=10, transactionId=transaction)
            )
            await scene.clock.sleep(2_000)
            obey(scene)
            await scene.clock.sleep(2 * MINUTE)
        assert rates(scene) == 0

    on_stage(body)


def test_a_limit_ends_with_its_transaction() -> None:
    """translation.md, External limits."""

    async def body(scene: Stage) -> None:
        transaction = await charging(scene, 3000)
        foreign(scene, 1000)
        await scene.wait("NotifyChargingLimit")
        await scene.call("RequestStopTransaction", transactionId=transaction)
        scene.evse.show(charging_state=ChargingState.EV_CONNECTED, confirmed=True)
        await scene.wait("ClearedChargingLimit", evseId=1)
        assert await reported(scene) == []

    on_stage(body)


def test_a_limit_ends_after_the_time_that_the_site_gives_it() -> None:
    """translation.md, External limits."""

    async def body(scene: Stage) -> None:
        position = scene.station.positions[1]
        position.settings = replace(position.settings, foreign_limit_lasts=30 * MINUTE)
        await charging(scene, 3000)
        foreign(scene, 1000)
        await scene.clock.sleep(29 * MINUTE)
        assert scene.evse.wish.target == 1_000_000
        schedule = await scene.call("GetCompositeSchedule", evseId=1, duration=600)
        limits = [period["limit"] for period in schedule["schedule"]["chargingSchedulePeriod"]]
        assert limits == [1000, 3000]
        await scene.clock.sleep(2 * MINUTE)
        assert scene.evse.wish.target == 3_000_000
        await scene.wait("ClearedChargingLimit", evseId=1)

    on_stage(body)


def test_a_limit_that_rises_below_what_is_ours_is_still_a_limit() -> None:
    """K11.FR.02: the new one is told."""

    async def body(scene: Stage) -> None:
        await charging(scene, 3000)
        foreign(scene, 1000)
        await scene.clock.sleep(MINUTE)
        foreign(scene, 2000, HappeningKind.FOREIGN_LIMIT_CLEARED)
        assert scene.evse.wish.target == 2_000_000
        await scene.clock.sleep(2 * MINUTE)
        assert notices(scene) == [("Other", 1000), ("Other", 2000)]
        foreign(scene, 3000, HappeningKind.FOREIGN_LIMIT_CLEARED)
        assert scene.evse.wish.target == 3_000_000

    on_stage(body, **WITH_SCHEDULES)


def test_a_raise_where_nobody_had_lowered_is_none_of_the_csmss_business() -> None:
    async def body(scene: Stage) -> None:
        await charging(scene, 3000)
        foreign(scene, 5000, HappeningKind.FOREIGN_LIMIT_CLEARED)
        await scene.clock.sleep(MINUTE)
        assert notices(scene) == []
        assert scene.evse.wish.target == 3_000_000

    on_stage(body)


def test_what_happens_without_a_transaction_is_no_limit() -> None:
    """The next session writes every setting anew (CEL 3.7)."""

    async def body(scene: Stage) -> None:
        foreign(scene, 1000)
        await scene.clock.sleep(MINUTE)
        assert notices(scene) == []
        assert await reported(scene) == []

    on_stage(body)


def test_a_lowered_discharge_is_followed_and_no_bound_of_charging_comes_of_it() -> None:
    async def body(scene: Stage) -> None:
        scene.evse.plug()
        assert (await scene.start(chargingProfile=profile(-3000, id=10)))["status"] == "Accepted"
        await scene.wait("TransactionEvent", eventType="Started")
        scene.evse.flow(-3000)
        assert scene.evse.wish.mode is Mode.DISCHARGE
        foreign(scene, -1000)
        assert scene.evse.wish.discharge_bound == 1_000_000
        assert scene.evse.wish.target == -3_000_000
        assert await reported(scene) == []
        foreign(scene, -3000, HappeningKind.FOREIGN_LIMIT_CLEARED)
        assert scene.evse.wish.discharge_bound is None

    on_stage(body)


def test_no_csms_can_replace_or_clear_it() -> None:
    """K01.FR.05, K01.FR.22, K10.FR.08, K10.FR.09."""

    async def body(scene: Stage) -> None:
        await charging(scene, 3000)
        foreign(scene, 1000)
        [one] = await reported(scene)
        theirs = profile(9000, "TxDefaultProfile", id=one["id"])
        answer = await scene.call("SetChargingProfile", evseId=1, chargingProfile=theirs)
        assert answer["status"] == "Rejected"
        answer = await scene.call("SetChargingProfile", evseId=1, chargingProfile=profile(9000, EXTERNAL, id=77))
        assert answer["status"] == "Rejected"
        for criteria in (
            {"chargingProfileId": one["id"]},
            {"chargingProfileCriteria": {"chargingProfilePurpose": EXTERNAL}},
            {"chargingProfileCriteria": {"evseId": 1, "stackLevel": one["stackLevel"]}},
        ):
            await scene.call("ClearChargingProfile", **criteria)
            assert len(await reported(scene)) == 1
        assert (scene.evse.wish.target or 0) <= 1_000_000

    on_stage(body)


def test_an_id_that_the_csms_has_taken_is_passed_over() -> None:
    """K01.FR.05: ids are unique in the station."""

    async def body(scene: Stage) -> None:
        for taken in range(-9, 0):
            more = {"id": taken, "stackLevel": -taken, "chargingProfileKind": "Relative"}
            answer = await scene.call(
                "SetChargingProfile", evseId=1, chargingProfile=profile(5000, "TxDefaultProfile", **more)
            )
            assert answer["status"] == "Accepted"
        await charging(scene)
        await scene.station.wishes.external.set_by_api(1, 2_000_000, None)
        await scene.station.wishes.external.set_by_api(0, 4_000_000, None)
        ids = {one["id"] for one in await reported(scene)}
        assert len(ids) == 2
        assert not ids & set(range(-9, 0))
        assert all(number < 0 for number in ids)

    on_stage(body)


# The local API's and the grid's


def test_a_limit_of_the_station_bounds_all_and_names_no_evse() -> None:
    """K12.FR.01, K12.FR.02, K12.FR.04, K12.FR.05, TC_K_52's report."""

    async def body(scene: Stage) -> None:
        await scene.station.wishes.external.set_by_api(0, 2_000_000, None)
        told = await scene.wait("NotifyChargingLimit")
        assert told == {"chargingLimit": {"chargingLimitSource": "EMS"}}
        [one] = await reported(scene)
        assert (one["evseId"], one["source"]) == (0, "EMS")
        await charging(scene, 3000)
        assert scene.evse.wish.target == 2_000_000
        assert await scene.station.wishes.external.clear_by_api(0)
        assert not await scene.station.wishes.external.clear_by_api(0)
        assert scene.evse.wish.target == 3_000_000
        assert await scene.wait("ClearedChargingLimit") == {"chargingLimitSource": "EMS"}

    on_stage(body)


def test_of_several_limits_the_lowest_counts_whoever_came_last() -> None:
    """K11.FR.01."""

    async def body(scene: Stage) -> None:
        external = scene.station.wishes.external
        await charging(scene, 5000)
        await external.set_by_api(1, 1_000_000, None)
        foreign(scene, 2000)
        assert scene.evse.wish.target == 1_000_000
        await external.set_by_api(0, 500_000, 10 * MINUTE)
        external.set_by_grid(3_000_000)
        assert scene.evse.wish.target == 500_000
        await scene.clock.sleep(11 * MINUTE)
        assert scene.evse.wish.target == 1_000_000
        await external.clear_by_api(1)
        assert scene.evse.wish.target == 2_000_000
        foreign(scene, 6000, HappeningKind.FOREIGN_LIMIT_CLEARED)
        assert scene.evse.wish.target == 3_000_000
        assert {one["stackLevel"] for one in await reported(scene)} == {0}

    on_stage(body)


def test_small_changes_are_not_told_and_count_all_the_same() -> None:
    """K12.FR.02: LimitChangeSignificance."""

    async def body(scene: Stage) -> None:
        external = scene.station.wishes.external
        for watts in (2000, 2100, 1900, 1700, 2000):
            await external.set_by_api(0, watts * 1000, None)
            await scene.clock.sleep(5_000)
            [one] = await reported(scene)
            assert one["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"] == watts
        assert notices(scene) == [("EMS", 2000), ("EMS", 1700), ("EMS", 2000)]

    on_stage(body, SmartChargingCtrlr__LimitChangeSignificance=10, **WITH_SCHEDULES)


def test_what_the_grid_leaves_is_told_when_it_falls_and_else_once_a_minute() -> None:
    """K12.FR.02, SC.03: messages stay few."""

    async def body(scene: Stage) -> None:
        external = scene.station.wishes.external
        for step in range(120):
            external.set_by_grid(3_000_000 + (step % 12) * 200_000)
            await scene.clock.sleep(10_000)
        told = [watts for _, watts in notices(scene)]
        assert len(told) <= 20 + 12
        falls = sum(later < earlier for earlier, later in itertools.pairwise(told))
        assert falls >= 9
        external.set_by_grid(1_000_000)
        await scene.clock.sleep(100)
        assert notices(scene)[-1] == ("EMS", 1000)
        external.set_by_grid(None)
        await scene.clock.sleep(1_000)
        assert notices(scene)[-1] == ("EMS", 1000)
        await scene.clock.sleep(RISES_EVERY)
        assert notices(scene)[-1] == ("EMS", "cleared")

    on_stage(body, **WITH_SCHEDULES)


def test_what_the_csms_missed_it_is_told_when_it_is_back() -> None:
    """K11.FR.02, K13.FR.02, whatever happened meanwhile: only what is still so."""

    async def body(scene: Stage) -> None:
        external = scene.station.wishes.external
        await external.set_by_api(1, 3_000_000, None)
        await scene.wait("NotifyChargingLimit")
        await scene.csms.go_dark()
        await external.set_by_api(0, 2_000_000, None)
        await external.clear_by_api(1)
        await external.set_by_api(1, 1_000_000, None)
        await scene.clock.sleep(5 * MINUTE)
        scene.csms.come_back()
        await scene.clock.sleep(5 * MINUTE)
        assert sorted(notices(scene)) == [("EMS", 1000), ("EMS", 2000), ("EMS", 3000)]

    on_stage(body, **WITH_SCHEDULES)


def test_a_csms_that_refuses_the_message_is_left_in_peace() -> None:
    async def body(scene: Stage) -> None:
        scene.csms.respond["NotifyChargingLimit"] = Refuse("NotImplemented")
        await scene.station.wishes.external.set_by_api(1, 1_000_000, None)
        await scene.clock.sleep(60 * MINUTE)
        assert 2 <= len(scene.csms.received("NotifyChargingLimit")) <= 8

    on_stage(body)


def test_before_the_csms_has_told_the_time_a_limit_holds() -> None:
    """K11.FR.01 does not ask whether anybody is online."""

    async def play() -> None:
        store = await open_store(Path(":memory:"), inline=True)
        async with stage(store=store) as scene:
            await charging(scene, 3000)
            foreign(scene, 1000)
            await scene.wait("NotifyChargingLimit")
            await scene.clock.sleep(5_000)
        csms = DemoCsms(scene.clock, respond={"BootNotification": Never()})
        async with stage(store=store, csms=csms, wait_boot=False) as scene:
            scene.evse.plug()
            await scene.clock.sleep(5_000)
            assert scene.evse.wish.target == 1_000_000

    run_virtual(play())


def test_limits_outlive_a_restart_with_their_ends() -> None:
    """Part 2, K11 to K13, with a power cut between: taken up again, or cleared and told."""

    async def play() -> None:
        store = await open_store(Path(":memory:"), inline=True)
        async with stage(store=store, **WITH_SCHEDULES) as scene:
            external = scene.station.wishes.external
            await charging(scene, 3000)
            foreign(scene, 1000)
            await external.set_by_api(0, 2_000_000, 30 * MINUTE)
            await external.set_by_api(1, 1_500_000, 5 * MINUTE)
            external.set_by_grid(4_000_000)
            await scene.clock.sleep(MINUTE)
            assert {watts for _, watts in notices(scene)} == {1000, 2000, 1500}
            csms = scene.csms
        heard = len(csms.messages)
        await scene.clock.sleep(6 * MINUTE)
        async with stage(store=store, csms=csms, **WITH_SCHEDULES) as scene:
            scene.evse.plug()
            await scene.clock.sleep(10_000)
            assert scene.evse.wish.target == 1_000_000
            assert [one["evseId"] for one in await reported(scene)] == [0, 1]
            later = [m for m in csms.messages[heard:] if m.direction == "in" and m.frame[0] == CALL]
            cleared = [m.payload for m in later if m.action == "ClearedChargingLimit"]
            assert cleared == [{"chargingLimitSource": "EMS", "evseId": 1}]
            assert not [m for m in later if m.action == "NotifyChargingLimit"]  # it knows the others
            await scene.clock.sleep(24 * MINUTE)
            await scene.wait("ClearedChargingLimit", evseId=None)

    run_virtual(play())


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"origin":"moon"}', '{"origin":"api","evse":7,"power":1}', "\x00"])
def test_a_kept_limit_that_cannot_be_read_is_let_go(text: str) -> None:
    async def play() -> None:
        store = await open_store(Path(":memory:"), inline=True)
        await store.put_settings(STATION, {"external.api.7": text, "external.told.EMS.x": "y"})
        async with stage(store=store) as scene:
            assert await reported(scene) == []
            assert "external.api.7" not in await store.settings(STATION)

    run_virtual(play())


def test_watts_are_watts_on_alternating_current_too() -> None:
    """K01.FR.49: without numberPhases three phases would be presumed, and a single-phase unit would get a third."""

    async def body(scene: Stage) -> None:
        await scene.station.wishes.external.set_by_api(1, 2_000_000, None)
        scene.evse.abilities = replace(scene.evse.abilities, direct_current=False)  # told after the limit came
        await charging(scene)
        assert scene.evse.wish.target == 2_000_000
        [one] = await reported(scene)
        assert one["chargingSchedule"][0]["chargingSchedulePeriod"][0]["numberPhases"] == 1

    on_stage(body)


def test_a_clock_that_jumps_moves_no_limit() -> None:
    """Neither backwards nor forwards: the machine's own time ends it."""

    async def body(scene: Stage) -> None:
        await charging(scene, 3000)
        await scene.station.wishes.external.set_by_api(1, 1_000_000, 60 * MINUTE)
        await scene.station.wishes.external.set_by_api(0, 2_000_000, None)
        for hours in (-5, 5, 24):
            scene.csms.habits.clock_offset = hours * 60 * MINUTE
            await scene.clock.sleep(10 * MINUTE)
            assert scene.evse.wish.target == 1_000_000
        await scene.clock.sleep(31 * MINUTE)
        assert scene.evse.wish.target == 2_000_000

    async def play() -> None:
        async with stage() as scene:
            await body(scene)

    run_virtual(play())


@pytest.mark.parametrize("seconds", [1, 30, 600])
def test_a_station_that_is_begun_again_lets_limits_end_all_the_same(seconds: int) -> None:
    """Its timers end with its run."""

    async def body(scene: Stage) -> None:
        await charging(scene, 3000)
        await scene.station.wishes.external.set_by_api(1, 1_000_000, seconds * 1000)
        scene.station.wishes.cancel()
        await scene.clock.sleep(20_000)
        scene.station.wishes.reconsider()
        await scene.clock.sleep(max(0, seconds * 1000 - 20_000) + 1_000)
        assert scene.evse.wish.target == 3_000_000

    on_stage(body)
