"""What OCPP 2.1 lets a charging profile say beyond 2.0.1, and what of it a station without ISO 15118 refuses (K01).

A table of features, each with the clauses that let a station refuse it, the reason, and how it shows in a profile. What
the operation modes themselves mean is `v2x`'s subject, what is already refused of 2.0.1 that of `profiles`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from bridge.station.dynamic_profiles import is_dynamic
from bridge.station.messages import (
    ChargingProfile,
    ChargingProfilePurpose,
    ChargingSchedule,
    ChargingSchedulePeriod,
)
from bridge.station.reason_codes import ReasonCode


class Feature(NamedTuple):
    """Something of 2.1 that is not had here: why a profile with it is refused, and whether a profile has it."""

    clauses: tuple[str, ...]
    reason: ReasonCode
    text: str
    shows: Callable[[ChargingProfile], bool]

    def refusal(self, profile: ChargingProfile) -> str | None:
        """What is wrong with a profile, in words, or None."""
        return self.text if self.shows(profile) else None


_Purpose = ChargingProfilePurpose
_PHASES: Final = ("_L2", "_L3")
#: What else a period may have that nothing here can follow.
_REACTIVE: Final = "setpointReactive"
_SLEEP: Final = "evseSleep"


def _has(profile: ChargingProfile, told: Callable[[ChargingSchedule], object]) -> bool:
    return any(bool(told(schedule)) for schedule in profile.charging_schedule)


def _says(profile: ChargingProfile, told: Callable[[str, object], bool]) -> bool:
    """Whether any period has such a further field."""
    periods: list[ChargingSchedulePeriod] = [
        period for schedule in profile.charging_schedule for period in schedule.charging_schedule_period
    ]
    return any(told(name, value) for period in periods if period.others for name, value in period.others.items())


def _additional(profile: ChargingProfile) -> bool:
    return profile.charging_profile_purpose in (_Purpose.PRIORITY_CHARGING, _Purpose.LOCAL_GENERATION)


def _updated(profile: ChargingProfile) -> bool:
    told = profile.dyn_update_interval is not None or profile.dyn_update_time is not None
    return told and not is_dynamic(profile)


def _single_phases(profile: ChargingProfile) -> bool:
    return _says(profile, lambda name, _: name.endswith(_PHASES))


def _asleep(profile: ChargingProfile) -> bool:
    return _says(profile, lambda name, value: name == _SLEEP and value is True)


def _reactive(profile: ChargingProfile) -> bool:
    return _says(profile, lambda name, _: name == _REACTIVE)


_SCHEDULE: Final = ReasonCode.INVALID_SCHEDULE

FEATURES: Final[tuple[Feature, ...]] = (
    Feature(("2.1 K01.FR.120",), ReasonCode.UNSUPPORTED_PURPOSE, "no additional purposes are supported", _additional),
    Feature(
        ("2.1 K01.FR.122", "2.1 K28.FR.04"),
        ReasonCode.INVALID_PROFILE,
        "only a dynamic profile is updated",
        _updated,
    ),
    Feature(
        ("2.1 K01.FR.123",),
        _SCHEDULE,
        "local time is not supported: times are UTC",
        lambda profile: _has(profile, lambda schedule: schedule.use_local_time),
    ),
    Feature(
        ("2.1 K01.FR.124",),
        _SCHEDULE,
        "randomizedDelay is not supported",
        lambda profile: _has(profile, lambda schedule: schedule.randomized_delay),
    ),
    Feature(
        ("2.1 K01.FR.125",),
        _SCHEDULE,
        "limitAtSoC is not supported",
        lambda profile: _has(profile, lambda schedule: schedule.limit_at_soc),
    ),
    Feature(("2.1 K01.FR.126",), _SCHEDULE, "evseSleep is not supported", _asleep),
    Feature(("2.1 K01.FR.144", "2.1 V2X.10"), ReasonCode.PHASE_CONFLICT, "phases cannot be set apart", _single_phases),
    Feature(("2.1 Q03",), ReasonCode.UNSUPPORTED_PARAM, "reactive power cannot be set", _reactive),
)
