"""What one charging profile says, in the power of one EVSE: exact integers, and the times of K01 in ms since 1970.

Amperes and watts of different profiles meet as power per phase, because only so the lowest of two limits is the lowest
on every wire when the profiles presume different phases (K01.FR.50, K01.FR.51; errata 2025-09, 2.36).
"""

from __future__ import annotations

from dataclasses import field
from datetime import UTC, datetime, timedelta

from bridge.records import dataclass
from bridge.station.dynamic_profiles import is_dynamic
from bridge.station.messages import (
    ChargingLimitSource,
    ChargingProfile,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingSchedule,
    ChargingSchedulePeriod,
    RecurrencyKind,
)
from bridge.station.sweep import Plan
from bridge.station.v2x import MOST, Words, WordsError, speaks, words_of

_Purpose = ChargingProfilePurpose
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
#: K01.FR.49: what an absent numberPhases means on AC.
DEFAULT_PHASES = 3
#: A limit beyond this (W or A; no grid has it) counts as this: what is computed with it stays an integer of some size.
_MOST_LIMIT = 1e9
#: A rate is a power per phase in sixths of a uW: so a third, a half and a product of mA and mV are whole.
RATES_IN_MILLIWATT = 6000
_RATES_IN_MICROWATT = 6
_CYCLE = {RecurrencyKind.DAILY: 86_400_000, RecurrencyKind.WEEKLY: 7 * 86_400_000}
#: Only these order a discharge by a limit below zero; the others are bounds on charging.
_ORDERING = frozenset({_Purpose.TX_PROFILE, _Purpose.TX_DEFAULT_PROFILE})


def epoch_ms(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return (moment - _EPOCH) // _MILLISECOND


def from_epoch_ms(milliseconds: int) -> datetime:
    """The UTC time of `epoch_ms`."""
    return _EPOCH + milliseconds * _MILLISECOND


def toward_zero(number: int, divisor: int) -> int:
    """The whole part of a quotient: a limit never grows by rounding."""
    quotient = abs(number) // divisor
    return quotient if number >= 0 else -quotient


@dataclass(frozen=True, slots=True)
class Grid:
    """What an EVSE (or the station) is connected to: the configured voltage of a phase (mV), the real phases (1 to 3),
    and whether the vehicle gets DC. Used to turn amperes into watts (K01.FR.50, K01.FR.51); nothing is measured."""

    voltage: int = 200_000
    phases: int = 1
    direct_current: bool = True

    def used_phases(self, number_phases: int | None) -> int:
        """The phases that a period's limit is applied to: those that exist of those that it presumes. On DC the
        profile's are not looked at (K01.FR.44, K01.FR.45)."""
        return self.phases if self.direct_current else min(_presumed(number_phases), self.phases)

    def rate(self, unit: ChargingRateUnit, limit: float, number_phases: int | None = None) -> int:
        """The power per phase that a limit means. Signed.

        On AC watts are shared by the phases that the profile presumes (3 if it names none, K01.FR.49), not by those
        that exist; amperes are per phase (K01.FR.51).
        """
        thousandths = round(max(-_MOST_LIMIT, min(limit, _MOST_LIMIT)) * 1000)
        if unit is ChargingRateUnit.A:
            return thousandths * self.voltage * _RATES_IN_MICROWATT
        presumed = self.phases if self.direct_current else _presumed(number_phases)
        return thousandths * RATES_IN_MILLIWATT // presumed

    def power(self, unit: ChargingRateUnit, limit: float, number_phases: int | None = None) -> int:
        """A limit in mW, rounded toward zero. Signed."""
        return power_of(self.rate(unit, limit, number_phases), self.used_phases(number_phases))

    def limit(self, unit: ChargingRateUnit, power: int, phases: int | None = None) -> float:
        """A power (mW) in W, or in A per phase, to a tenth and rounded toward zero."""
        if unit is ChargingRateUnit.A:
            return toward_zero(power * 10, self.voltage * (phases or self.phases)) / 10
        return toward_zero(power, 100) / 10


def _presumed(number_phases: int | None) -> int:
    """1 to 3, whatever stands there: what is divided by it stays whole."""
    return DEFAULT_PHASES if number_phases is None else max(1, min(number_phases, DEFAULT_PHASES))


def power_of(rate: int, phases: int) -> int:
    """The power (mW) of a rate on so many phases, rounded toward zero."""
    return toward_zero(rate * phases, RATES_IN_MILLIWATT)


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """What a profile says from one instant to the next, as rates per phase: `most` bounds charging, `least` (zero or
    below) bounds discharging, and `order` is a power that is to flow, as far as bounds let it; where it `balances` that
    is computed from the load (Q09). Charging below `efficient` is of little use (minChargingRate). `period` says it in
    the words of the `profile` (its id); `alone` is the limit (mW) while nobody else says anything, and its phases:
    together and only once, since most of a composite is of such words."""

    profile: int
    period: ChargingSchedulePeriod
    alone: tuple[int, int]
    order: int | None = None
    most: int | None = None
    least: int | None = None
    efficient: int = 0
    balances: bool = False

    @property
    def phases(self) -> int:
        """How many phases its rates are for."""
        return self.alone[1]


def terms_of(profile: ChargingProfile, schedule: ChargingSchedule, period: ChargingSchedulePeriod, grid: Grid) -> Terms:
    """The one place that knows what a period means: a limit bounds charging; one below zero orders a discharge where
    the purpose can order, else it forbids charging and asks for nothing; OCPP 2.1's words order or bound by themselves
    (translation.md, "Discharge")."""
    unit = schedule.charging_rate_unit
    orders = profile.charging_profile_purpose in _ORDERING
    phases = grid.used_phases(period.number_phases)
    limit = period.limit
    if speaks(period):
        try:
            words = words_of(period)
        except WordsError:  # nobody takes such a profile; what cannot be understood moves nothing
            return Terms(profile.id, period, (0, phases), order=0, most=0)
        if words is not None and words.steers and orders:
            return _ordered(profile, period, unit, words, grid)
        limit = limit if words is None else words.limit
    rate = grid.rate(unit, MOST if limit is None else limit, period.number_phases)
    if rate < 0 and orders:
        return Terms(profile.id, period, _alone(rate, phases), order=rate)
    efficient = grid.rate(unit, schedule.min_charging_rate or 0, period.number_phases)
    most = max(0, rate)
    return Terms(profile.id, period, _alone(most, phases), most=most, efficient=efficient)


def _alone(rate: int, phases: int) -> tuple[int, int]:
    return power_of(rate, phases), phases


def _ordered(
    profile: ChargingProfile, period: ChargingSchedulePeriod, unit: ChargingRateUnit, words: Words, grid: Grid
) -> Terms:
    """A setpoint between its own bounds (2.1 Q03; a limit caps it), bounds alone for one that is computed (Q09.FR.05),
    or none at all: to be idle is to move nothing."""
    phases = grid.used_phases(period.number_phases)

    def rate(number: float) -> int:
        return grid.rate(unit, number, period.number_phases)

    least = None if words.discharge_limit is None else rate(words.discharge_limit)
    if words.balances:
        bound = None if words.limit is None else rate(words.limit)
        return Terms(profile.id, period, _alone(bound or 0, phases), None, bound, least, balances=True)
    if words.setpoint is None:
        return Terms(profile.id, period, (0, phases), order=0, most=0)
    order, most = rate(words.setpoint), rate(MOST if words.limit is None else words.limit)
    rate_alone = min(order, most) if least is None else max(min(order, most), least)
    return Terms(profile.id, period, _alone(rate_alone, phases), order, most, least)


def compile_plan(profile: ChargingProfile, grid: Grid) -> Plan[Terms]:
    """A profile, ready for the sweep: K01.FR.10 to FR.13, FR.35 to FR.37. Without ISO 15118 there is one schedule to a
    profile (K01.FR.34)."""
    schedule = profile.charging_schedule[0]
    cycle = _cycle(profile)
    lapse, valid_to = _lapse(profile), None if profile.valid_to is None else epoch_ms(profile.valid_to)
    return Plan(
        starts=tuple(period.start_period * 1000 for period in schedule.charging_schedule_period),
        values=tuple(terms_of(profile, schedule, period, grid) for period in schedule.charging_schedule_period),
        length=_length(schedule, cycle) if lapse is None else None,
        cycle=cycle,
        valid_from=None if profile.valid_from is None else epoch_ms(profile.valid_from),
        valid_to=min((end for end in (valid_to, lapse) if end is not None), default=None),
    )


def _lapse(profile: ChargingProfile) -> int | None:
    """Until when (ms since 1970) a dynamic profile is valid without another update (2.1 K28.FR.13, K28.FR.15)."""
    duration = profile.charging_schedule[0].duration
    if not is_dynamic(profile) or profile.dyn_update_time is None or duration is None:
        return None
    return epoch_ms(profile.dyn_update_time) + duration * 1000


def _cycle(profile: ChargingProfile) -> int | None:
    if profile.charging_profile_kind is not ChargingProfileKind.RECURRING or profile.recurrency_kind is None:
        return None
    return _CYCLE[profile.recurrency_kind]


def _length(schedule: ChargingSchedule, cycle: int | None) -> int | None:
    """A schedule that is longer than its cycle begins anew all the same; what is past the cycle is never reached."""
    if schedule.duration is None or (cycle is not None and schedule.duration * 1000 >= cycle):
        return None
    return max(0, schedule.duration * 1000)


@dataclass(frozen=True, slots=True)
class InstalledProfile:
    """A profile and the EVSE that owns it (0: the station). `source` is who set it, `since` (ms since 1970) when, if
    that is known. What is computed from it once for a grid is kept."""

    evse_id: int
    profile: ChargingProfile
    source: ChargingLimitSource = ChargingLimitSource.CSO
    since: int | None = None
    _plans: dict[Grid, Plan[Terms]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def purpose(self) -> ChargingProfilePurpose:
        """What it is for."""
        return self.profile.charging_profile_purpose

    @property
    def external(self) -> bool:
        """Whether no CSMS may replace or clear it (K01.FR.05, K10.FR.04)."""
        return self.purpose is _Purpose.CHARGING_STATION_EXTERNAL_CONSTRAINTS

    @property
    def waits(self) -> bool:
        """Whether it came with a start whose transaction has not begun (K05)."""
        return self.purpose is _Purpose.TX_PROFILE and self.profile.transaction_id is None

    def plan(self, grid: Grid) -> Plan[Terms]:
        """The profile as the EVSEs with this grid follow it."""
        plan = self._plans.get(grid)
        if plan is None:
            plan = self._plans[grid] = compile_plan(self.profile, grid)
        return plan

    def begin(self, energy_ready: int) -> int:
        """Where the schedule begins (ms since 1970): at its startSchedule (K01.FR.30, K01.FR.40), and a relative one
        when the EVSE is ready to deliver energy (K01.FR.42; section K 3.3). One that comes from outside belongs to no
        transaction: it begins when it came (K01.FR.41). A dynamic one is in force whatever its dynUpdateTime says
        (2.1 K28.FR.02): a clock that is set back must not take it away."""
        profile = self.profile
        if is_dynamic(profile) and profile.dyn_update_time is not None:
            return 0
        start = profile.charging_schedule[0].start_schedule
        if profile.charging_profile_kind is ChargingProfileKind.RELATIVE or start is None:
            return self.since if self.external and self.since is not None else energy_ready
        return epoch_ms(start)
