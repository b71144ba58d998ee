"""What the installed profiles want of each EVSE, and what GetCompositeSchedule tells of them."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from bridge.station.composite import Grid
from bridge.station.limits import InstalledProfile
from bridge.station.messages import (
    ChargingProfile,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingSchedule,
    ChargingSchedulePeriod,
    GetCompositeScheduleRequest,
    RecurrencyKind,
)
from bridge.station.profiles import EvseRules, ProfileRules
from bridge.station.smart_charging import Course, SmartCharging

NOW = datetime(2026, 6, 1, 12, 0, 0, 250_000, tzinfo=UTC)
W = ChargingRateUnit.W
RULES = ProfileRules({1: EvseRules(), 2: EvseRules()})
COURSES = {number: Course("tx", 0, Grid(), 6_000_000) for number in (1, 2)}


def profile(number, purpose, *periods, evse=1, daily=False, least=None):
    schedule = ChargingSchedule(
        id=1,
        charging_rate_unit=W,
        charging_schedule_period=tuple(ChargingSchedulePeriod(*period) for period in periods),
        start_schedule=NOW.replace(microsecond=0),
        min_charging_rate=least,
    )
    kind = ChargingProfileKind.RECURRING if daily else ChargingProfileKind.ABSOLUTE
    recurrency = RecurrencyKind.DAILY if daily else None
    return InstalledProfile(
        evse, ChargingProfile(number, number, ChargingProfilePurpose(purpose), kind, (schedule,), recurrency)
    )


def holding(*profiles, now=NOW):
    charging = SmartCharging("CS-1", None, SimpleNamespace(utc=lambda: now, presumed=lambda: now, known=True), None)
    charging.installed = profiles
    return charging


def asked(charging, evse_id, duration=300, unit=None, courses=COURSES):
    answer = charging.composite_schedule(GetCompositeScheduleRequest(duration, evse_id, unit), courses, RULES)
    told = answer.schedule and [(p.start_period, p.limit) for p in answer.schedule.charging_schedule_period]
    return answer, told


@pytest.mark.parametrize("purpose", ["ChargingStationMaxProfile", "ChargingStationExternalConstraints"])
def test_what_bounds_the_station_is_shared(purpose):
    """K04.FR.05, K12.FR.01: together they take no more."""
    charging = holding(
        profile(1, purpose, (0, 5000), (60, 3000), evse=0),
        profile(2, "TxDefaultProfile", (0, 1500), evse=2),
    )
    assert charging.limits(COURSES) == ({1: 3_500_000, 2: 1_500_000}, 59_750)


def test_a_part_below_the_minimum_goes_to_the_others():
    courses = {number: Course("tx", 0, Grid(), 6_000_000, 2_000_000) for number in (1, 2)}
    bound = profile(1, "ChargingStationMaxProfile", (0, 3000), evse=0)
    assert holding(bound).limits(courses)[0] == {1: 3_000_000, 2: 0}
    asking = profile(2, "TxDefaultProfile", (0, 6000), evse=0, least=1600.0)
    assert holding(bound, asking).limits(COURSES)[0] == {1: 3_000_000, 2: 0}


def test_a_discharge_takes_no_part_of_the_stations_bound():
    charging = holding(
        profile(1, "ChargingStationMaxProfile", (0, 4000), evse=0),
        profile(2, "TxDefaultProfile", (0, -3000), evse=2),
    )
    assert charging.limits(COURSES)[0] == {1: 4_000_000, 2: -3_000_000}


def test_a_schedule_is_told_from_the_whole_second_on():
    charging = holding(profile(1, "TxDefaultProfile", (0, 2000), (60, 1000)))
    answer, told = asked(charging, 1)
    assert (answer.status, told) == ("Accepted", [(0, 2000), (60, 1000)])
    assert answer.schedule.schedule_start == NOW.replace(microsecond=0)


def test_of_evse_0_the_sum_is_told():
    """K08.FR.03."""
    charging = holding(profile(1, "TxDefaultProfile", (0, 2000), (60, 1000), evse=0))
    assert asked(charging, 0)[1] == [(0, 4000), (60, 2000)]
    bounded = holding(*charging.installed, profile(2, "ChargingStationExternalConstraints", (0, 2500), evse=0))
    assert asked(bounded, 0)[1] == [(0, 2500), (60, 2000)]


def test_without_profiles_the_most_is_told():
    assert asked(holding(), 0)[1] == [(0, 12000)]
    assert asked(holding(), 1)[1] == [(0, 6000)]


@pytest.mark.parametrize(
    ("evse_id", "duration", "unit", "reason"),
    [
        (3, 300, None, "UnknownEvse"),
        (1, -1, None, "ValuePositiveOnly"),
        (1, 300, ChargingRateUnit.A, "UnsupportedRateUnit"),
        (1, 2**31 - 1, None, "ValueTooHigh"),
        (0, 2**31 - 1, None, "ValueTooHigh"),
    ],
)
def test_what_cannot_be_told_is_rejected(evse_id, duration, unit, reason):
    """K08.FR.05, K08.FR.07."""
    charging = holding(profile(1, "TxDefaultProfile", (0, 2000), (60, 1000), evse=0, daily=True))
    answer, told = asked(charging, evse_id, duration, unit)
    assert (answer.status, told) == ("Rejected", None)
    assert answer.status_info.reason_code == reason


def test_what_is_expected_is_prepared_when_it_comes():
    charging = holding(profile(1, "TxDefaultProfile", (0, 2000)))
    charging.expect([Grid(), Grid(230_000, 3, False)])
    (item,) = charging.installed
    assert item.plan(Grid()) is item.plan(Grid())
    assert item.plan(Grid()) is not item.plan(Grid(230_000, 3, False))
