"""A discharge without a CSMS, and what comes after one (translation.md, "Discharge")."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.clock import run_virtual
from bridge.evse import Mode
from bridge.station.messages import format_time
from tests.tools.station_house import Stage, profile, stage

MINUTE = 60_000
TX = {"id": 5, "stackLevel": 3}


async def running(scene: Stage, **more: Any) -> str:
    scene.evse.plug()
    assert (await scene.start(**more))["status"] == "Accepted"
    scene.evse.flow(1_000)
    event = await scene.wait("TransactionEvent")
    return str(event["transactionInfo"]["transactionId"])


async def put(scene: Stage, given: dict[str, Any]) -> None:
    answer = await scene.call("SetChargingProfile", evseId=1, chargingProfile=given)
    assert answer["status"] == "Accepted", answer


async def let(scene: Stage, minutes: float) -> None:
    await scene.clock.sleep(int(minutes * MINUTE))


async def gone(scene: Stage) -> None:
    """The CSMS is out of reach from now on."""
    await scene.csms.go_dark()
    await scene.clock.sleep(100)
    assert not scene.station.online


def absolute(scene: Stage, *periods: tuple[int, float], lasts: int | None = None, **more: Any) -> dict[str, Any]:
    """A profile that begins now; periods as (s, W)."""
    now = scene.station.time.utc()
    assert now is not None
    schedule = {
        "id": 1,
        "chargingRateUnit": "W",
        "startSchedule": format_time(now),
        "chargingSchedulePeriod": [{"startPeriod": start, "limit": limit} for start, limit in periods],
    }
    if lasts is not None:
        schedule["duration"] = lasts
    return profile(0) | {"chargingProfileKind": "Absolute", "chargingSchedule": [schedule], **more}


# Without a CSMS


@pytest.mark.parametrize(("site", "minutes"), [({}, 15), ({"max_offline_discharge": 60}, 1)])
def test_a_discharge_without_a_csms_is_paused_in_time_and_goes_on_with_it(site: dict[str, Any], minutes: int) -> None:
    """A dead CSMS must not empty a car: `max_offline_discharge`, 900 s by default."""

    async def main() -> None:
        async with stage(site_evse=site) as scene:
            transaction = await running(scene)
            await put(scene, profile(-3000, transactionId=transaction))
            assert scene.evse.wish.mode is Mode.DISCHARGE
            await let(scene, 3 * minutes)  # with a CSMS it lasts
            assert scene.evse.wish.mode is Mode.DISCHARGE
            await gone(scene)
            await let(scene, minutes - 0.1)
            assert scene.evse.wish.mode is Mode.DISCHARGE
            await let(scene, 0.2)
            assert scene.evse.wish.mode is Mode.PAUSE
            assert scene.station.positions[1].session.transaction_id == transaction
            scene.csms.come_back()
            await let(scene, 5)
            assert scene.station.online
            assert (scene.evse.wish.mode, scene.evse.wish.target) == (Mode.DISCHARGE, -3_000_000)

    run_virtual(main())


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 4_000), min_size=1, max_size=5))
def test_no_absence_is_too_long_whatever_was_before(absences: list[int]) -> None:
    """`absences` (s): times without a CSMS, each after a while with one; a discharge never lasts longer into one."""

    async def main() -> None:
        async with stage() as scene:
            await put(scene, profile(-3000, "TxDefaultProfile"))
            await running(scene)
            for absence in absences:
                assert scene.evse.wish.mode is Mode.DISCHARGE
                await gone(scene)
                if absence > 900:
                    await scene.clock.sleep(900_000)
                    assert scene.evse.wish.mode is Mode.PAUSE
                    await scene.clock.sleep((absence - 900) * 1000)
                else:
                    await scene.clock.sleep(absence * 1000 - 200)
                    assert scene.evse.wish.mode is Mode.DISCHARGE
                scene.csms.come_back()
                while not scene.station.online:
                    await scene.clock.sleep(1_000)
                await scene.clock.sleep(absence * 500)

    run_virtual(main())


def test_charging_goes_on_without_a_csms() -> None:
    async def main() -> None:
        async with stage() as scene:
            transaction = await running(scene)
            await put(scene, profile(3000, transactionId=transaction))
            await gone(scene)
            await let(scene, 120)
            assert (scene.evse.wish.mode, scene.evse.wish.target) == (Mode.CHARGE, 3_000_000)

    run_virtual(main())


def test_without_an_end_a_discharge_lasts() -> None:
    async def main() -> None:
        async with stage(site_evse={"max_offline_discharge": None}) as scene:
            transaction = await running(scene)
            await put(scene, profile(-3000, transactionId=transaction))
            await gone(scene)
            await let(scene, 600)
            assert scene.evse.wish.mode is Mode.DISCHARGE

    run_virtual(main())


def test_a_discharge_that_becomes_due_without_a_csms_does_not_begin() -> None:
    async def main() -> None:
        async with stage() as scene:
            transaction = await running(scene)
            await put(scene, absolute(scene, (0, 2000), (3600, -3000), transactionId=transaction))
            await gone(scene)
            await let(scene, 90)
            assert Mode.DISCHARGE not in {wish.mode for wish in scene.evse.wishes}
            assert scene.evse.wish.mode is Mode.PAUSE

    run_virtual(main())


# After a discharge


def modes(scene: Stage) -> tuple[Mode, int | None]:
    return scene.evse.wish.mode, scene.evse.wish.target


@pytest.mark.parametrize(("after", "then"), [("fallback", (Mode.CHARGE, None)), ("pause", (Mode.PAUSE, None))])
@pytest.mark.parametrize("default", [False, True])
def test_what_follows_when_the_profile_that_discharged_has_ended(after: str, then: Any, default: bool) -> None:
    """K02.FR.08: it falls back to the default limit, or to none, unless the site wants a pause instead."""

    async def main() -> None:
        async with stage(site_evse={"after_discharge": after}) as scene:
            if default:
                await put(scene, profile(4000, "TxDefaultProfile") | {"id": 9})
            transaction = await running(scene)
            await put(scene, absolute(scene, (0, -3000), lasts=3600, transactionId=transaction))
            assert modes(scene) == (Mode.DISCHARGE, -3_000_000)
            await let(scene, 61)
            assert modes(scene) == ((Mode.CHARGE, 4_000_000) if default and after == "fallback" else then)

    run_virtual(main())


def test_the_pause_ends_with_the_next_word_of_the_csms() -> None:
    async def main() -> None:
        async with stage(site_evse={"after_discharge": "pause"}) as scene:
            transaction = await running(scene)
            await put(scene, absolute(scene, (0, -3000), lasts=60, transactionId=transaction))
            await let(scene, 2)
            assert modes(scene) == (Mode.PAUSE, None)
            await put(scene, absolute(scene, (0, 2500), transactionId=transaction))
            assert modes(scene) == (Mode.CHARGE, 2_500_000)

    run_virtual(main())


def test_a_bound_of_the_station_is_no_word_on_charging() -> None:
    async def main() -> None:
        async with stage(site_evse={"after_discharge": "pause"}) as scene:
            transaction = await running(scene)
            await put(scene, absolute(scene, (0, -3000), lasts=60, transactionId=transaction))
            await let(scene, 2)
            bound = absolute(scene, (0, 5000), id=4, chargingProfilePurpose="ChargingStationMaxProfile")
            answer = await scene.call("SetChargingProfile", evseId=0, chargingProfile=bound)
            assert answer["status"] == "Accepted"
            assert modes(scene) == (Mode.PAUSE, None)

    run_virtual(main())


def test_clearing_the_profile_that_discharges_is_its_end() -> None:
    """K10: what would be fallen back to is nobody's wish either."""

    async def main() -> None:
        async with stage(site_evse={"after_discharge": "pause"}) as scene:
            transaction = await running(scene)
            await put(scene, profile(-3000, transactionId=transaction))
            await scene.call("ClearChargingProfile", chargingProfileId=1)
            assert modes(scene) == (Mode.PAUSE, None)

    run_virtual(main())


def test_what_the_same_profile_says_next_is_no_fallback() -> None:
    async def main() -> None:
        async with stage(site_evse={"after_discharge": "pause"}) as scene:
            transaction = await running(scene)
            mixed = absolute(scene, (0, -3000), (60, 0), (120, 2000), lasts=180, transactionId=transaction)
            await put(scene, mixed)
            await let(scene, 1.5)
            assert modes(scene) == (Mode.PAUSE, None)
            await let(scene, 1)
            assert modes(scene) == (Mode.CHARGE, 2_000_000)
            await let(scene, 1)
            assert modes(scene) == (Mode.CHARGE, None)  # what it falls back to now has followed a charge

    run_virtual(main())


def test_a_pause_between_makes_no_difference() -> None:
    async def main() -> None:
        async with stage(site_evse={"after_discharge": "pause"}) as scene:
            transaction = await running(scene)
            await put(scene, absolute(scene, (0, -3000), (60, 0), lasts=120, transactionId=transaction))
            await let(scene, 2.5)
            assert scene.station.positions[1].held
            assert modes(scene) == (Mode.PAUSE, None)

    run_virtual(main())


def test_every_day_anew() -> None:
    """A daily default that discharges in the evening, over one that charges: the nights stay paused."""

    async def main() -> None:
        async with stage(site_evse={"after_discharge": "pause"}) as scene:
            await put(scene, profile(4000, "TxDefaultProfile") | {"id": 9})
            evening = absolute(scene, (0, -3000), lasts=7200) | {
                "id": 8,
                "stackLevel": 1,
                "chargingProfilePurpose": "TxDefaultProfile",
                "chargingProfileKind": "Recurring",
                "recurrencyKind": "Daily",
            }
            await put(scene, evening)
            await running(scene)
            for _ in range(2):
                assert modes(scene) == (Mode.DISCHARGE, -3_000_000)
                await let(scene, 180)
                assert modes(scene) == (Mode.PAUSE, None)
                await let(scene, 21 * 60 + 0.1)

    run_virtual(main())


def test_the_next_transaction_begins_as_ever() -> None:
    async def main() -> None:
        async with stage(site_evse={"after_discharge": "pause"}) as scene:
            transaction = await running(scene)
            await put(scene, absolute(scene, (0, -3000), lasts=60, transactionId=transaction))
            await let(scene, 2)
            scene.evse.unplug()
            await let(scene, 1)
            await running(scene)
            assert modes(scene) == (Mode.CHARGE, None)

    run_virtual(main())


def test_the_pause_after_a_discharge_outlives_a_restart() -> None:
    async def main() -> None:
        async with stage(site_evse={"after_discharge": "pause"}) as scene:
            transaction = await running(scene)
            await put(scene, absolute(scene, (0, -3000), lasts=60, transactionId=transaction))
            await let(scene, 2)
            assert modes(scene) == (Mode.PAUSE, None)
        (row,) = await scene.store.transactions("CS-1")
        assert '"discharged_by":1' in row.state
        async with stage(store=scene.store, site_evse={"after_discharge": "pause"}, wait_boot=False) as again:
            again.evse.plug()
            await again.clock.sleep(10_000)
            assert again.station.positions[1].session.transaction_id == transaction
            assert {wish.mode for wish in again.evse.wishes} == {Mode.PAUSE}

    run_virtual(main())


def test_a_discharge_goes_on_when_the_unit_has_told_again_that_it_can() -> None:
    """After a restart a unit that has not been read yet can nothing; what was ordered is not lost by that."""

    async def play() -> None:
        async with stage() as scene:
            scene.evse.plug()
            await scene.start(chargingProfile=profile(-2000))
            able = replace(scene.evse.abilities, modes=frozenset({Mode.CHARGE, Mode.DISCHARGE}))
            scene.evse.abilities = replace(able, modes=frozenset({Mode.CHARGE}))
            scene.evse.show()
            assert scene.evse.wish.mode is Mode.PAUSE
            scene.evse.abilities = able
            scene.evse.show()
            assert (scene.evse.wish.mode, scene.evse.wish.target) == (Mode.DISCHARGE, -2_000_000)

    run_virtual(play())
