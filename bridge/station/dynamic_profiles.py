"""Dynamic charging profiles (OCPP 2.1, K28): one period, whose values the CSMS exchanges while it runs.

Such a profile is in force as soon as it is there (K28.FR.02), without a start of its own. With a duration it is until
so long after its last update, its dynUpdateTime (K28.FR.13, K28.FR.15), and again with the next one (K28.FR.14). Pure:
profiles in, profiles or what is wrong with them out. How updates come is `dynamic_updates`' subject.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from bridge.station.messages import ChargingProfile, ChargingProfileKind, ChargingSchedulePeriod, ChargingScheduleUpdate

_UPDATABLE: Final = ("limit", "discharge_limit", "setpoint")


def is_dynamic(profile: ChargingProfile) -> bool:
    """Whether its values may be updated."""
    return profile.charging_profile_kind is ChargingProfileKind.DYNAMIC


def shape_problem(profile: ChargingProfile) -> str | None:
    """What makes it another thing than one period that begins at once (K28.FR.01, K28.FR.02), or None."""
    if not is_dynamic(profile):
        return None
    schedules = profile.charging_schedule
    periods = [period for schedule in schedules for period in schedule.charging_schedule_period]
    if len(schedules) != 1 or len(periods) != 1:
        return "a dynamic profile has one chargingSchedule with one period"
    return None if periods[0].start_period == 0 else "the period of a dynamic profile starts at 0"


def period_of(profile: ChargingProfile) -> ChargingSchedulePeriod:
    """What a dynamic profile says."""
    return profile.charging_schedule[0].charging_schedule_period[0]


def stamped(profile: ChargingProfile, now: datetime | None) -> ChargingProfile:
    """A profile as it is kept: a dynamic one that tells no dynUpdateTime was updated by coming (K28.FR.05)."""
    if not is_dynamic(profile) or profile.dyn_update_time is not None:
        return profile
    return replace(profile, dyn_update_time=now)


def updated(profile: ChargingProfile, update: ChargingScheduleUpdate, now: datetime | None) -> ChargingProfile:
    """A dynamic profile that says what an update tells, and what it said before of all else, from now on (K28.FR.06,
    K28.FR.08, K28.FR.09)."""
    period = period_of(profile)
    told = {name: value for name in _UPDATABLE if (value := getattr(update, name)) is not None}
    others = {**(period.others or {}), **(update.others or {})} or None
    schedule = replace(profile.charging_schedule[0], charging_schedule_period=(replace(period, others=others, **told),))
    return replace(profile, charging_schedule=(schedule,), dyn_update_time=now or profile.dyn_update_time)
