"""Which charging profiles may be installed, and why not: a table of rules, each with its clauses and its reason (K01).

Pure: a profile, those installed and what the station takes in; a verdict out. What the profiles then mean at an instant
is `composite`'s subject, what is replaced, cleared and reported is `profile_store`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import field
from datetime import UTC, datetime
from itertools import pairwise
from math import isfinite
from typing import TypeAlias

from bridge.policies import DischargeWay
from bridge.records import dataclass
from bridge.station.dynamic_profiles import is_dynamic, shape_problem
from bridge.station.limits import DEFAULT_PHASES, InstalledProfile
from bridge.station.messages import (
    ChargingProfile,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingProfileStatus,
    ChargingRateUnit,
    ChargingSchedule,
    ChargingSchedulePeriod,
    OperationMode,
    StatusInfo,
)
from bridge.station.operation_modes import FEATURES, Feature
from bridge.station.reason_codes import ReasonCode
from bridge.station.v2x import SUPPORTED, WITH_METER, balances, problem_of, speaks, words_of

_Purpose = ChargingProfilePurpose
_Kind = ChargingProfileKind
_LONGEST_INFO = 512
_ALWAYS_BEGUN = datetime.min.replace(tzinfo=UTC)
_NEVER_OVER = datetime.max.replace(tzinfo=UTC)
_PHASES = (1, 2, 3)
_DEFAULT_MODE = OperationMode.CHARGING_ONLY


@dataclass(frozen=True, slots=True)
class EvseRules:
    """What counts at one EVSE now. `phase` is the phase that a single-phase EVSE stands on. `negative_limit` and
    `custom_data` are ways to order a discharge that the site has opened; `can_discharge` is the unit's word. Whether it
    balances the load of the site (`balancing`), and why it cannot as long as its thresholds are as they are."""

    direct_current: bool = True
    phases: int = 1
    negative_limit: bool = False
    custom_data: bool = False
    ocpp_21: bool = False
    can_discharge: bool = True
    transaction_id: str | None = None
    phase_switching: bool = False
    phase: int = 1
    balancing: bool = False
    no_thresholds: str | None = None


@dataclass(frozen=True, slots=True)
class ProfileRules:
    """What the station takes; the numbers are those of SmartChargingCtrlr."""

    evses: Mapping[int, EvseRules]
    rate_units: frozenset[ChargingRateUnit] = frozenset({ChargingRateUnit.W})
    max_stack_level: int = 99
    max_periods: int = 1024
    max_profiles: int = 200

    def of(self, evse_id: int) -> tuple[EvseRules, ...]:
        """The rules of one EVSE, or of all (0)."""
        return tuple(self.evses.values()) if evse_id == 0 else (self.evses[evse_id],)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a profile is taken, why (not), by which clauses, and the ids of the installed profiles that it
    replaces."""

    status: ChargingProfileStatus
    reason: ReasonCode | None = None
    info: str = ""
    replaces: tuple[int, ...] = ()
    clauses: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether it is taken."""
        return self.status is ChargingProfileStatus.ACCEPTED

    @property
    def status_info(self) -> StatusInfo | None:
        """For the response."""
        return StatusInfo(self.reason, self.info[:_LONGEST_INFO] or None) if self.reason else None


@dataclass(frozen=True, slots=True)
class Case:
    """A profile under test, with everything that is looked at."""

    evse_id: int
    profile: ChargingProfile
    rules: ProfileRules
    installed: Sequence[InstalledProfile] = ()
    starting: bool = False  # it comes with RequestStartTransaction
    others: tuple[InstalledProfile, ...] = field(init=False)

    def __post_init__(self) -> None:
        others = tuple(item for item in self.installed if item.profile.id != self.profile.id)
        object.__setattr__(self, "others", others)

    @property
    def purpose(self) -> ChargingProfilePurpose:
        """What the profile is for."""
        return self.profile.charging_profile_purpose

    @property
    def schedule(self) -> ChargingSchedule:
        """Its (first) schedule."""
        return self.profile.charging_schedule[0]

    @property
    def periods(self) -> tuple[ChargingSchedulePeriod, ...]:
        """The schedule's periods."""
        return self.schedule.charging_schedule_period

    @property
    def alternating(self) -> tuple[EvseRules, ...]:
        """The AC EVSEs that it acts on; on DC phases are let go by (K01.FR.44)."""
        return tuple(evse for evse in self.rules.of(self.evse_id) if not evse.direct_current)

    @property
    def acts_on(self) -> str | None:
        """The transaction that a TxProfile is for, if that is known by now."""
        given = self.profile.transaction_id
        return self.rules.evses[self.evse_id].transaction_id if given is None else given


#: What is wrong, in words, or None.
Check: TypeAlias = Callable[[Case], str | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """One way in which a profile can be wrong: the clauses that say so, and the reason of the answer (Rejected)."""

    clauses: tuple[str, ...]
    reason: ReasonCode
    check: Check


def check_profile(
    evse_id: int, profile: ChargingProfile, installed: Sequence[InstalledProfile], rules: ProfileRules
) -> Verdict:
    """Judge a SetChargingProfileRequest (K01). A transaction is known if it is that of the EVSE named."""
    return _judge(Case(evse_id, profile, rules, installed))


def check_start_profile(
    evse_id: int, profile: ChargingProfile, installed: Sequence[InstalledProfile], rules: ProfileRules
) -> Verdict:
    """Judge the profile of a RequestStartTransactionRequest (F01.FR.08-11, F01.FR.26, K05): a TxProfile without a
    transactionId, which is given its transaction when that begins."""
    return _judge(Case(evse_id, profile, rules, installed, starting=True))


def check_update(evse_id: int, profile: ChargingProfile, rules: ProfileRules) -> Verdict:
    """Judge a dynamic profile with the values of an update (2.1 K28.FR.06): what it says. Where it belongs was judged
    when it was set."""
    return _judge(Case(evse_id, profile, rules), _OF_VALUES)


def _judge(case: Case, table: Sequence[Rule] | None = None) -> Verdict:
    for rule in RULES if table is None else table:
        if said := rule.check(case):
            return Verdict(ChargingProfileStatus.REJECTED, rule.reason, said, clauses=rule.clauses)
    replaces = tuple(item.profile.id for item in case.installed if item.profile.id == case.profile.id)
    warning = _phase_warning(case)
    reason = ReasonCode.NO_ERROR if warning else None
    return Verdict(ChargingProfileStatus.ACCEPTED, reason, warning, replaces)


def _phase_warning(case: Case) -> str:
    """K01.FR.45, K01.FR.49: more phases are presumed than there are, which makes less power than a reader expects."""
    real = min((evse.phases for evse in case.alternating), default=None)
    presumed = max(period.number_phases or DEFAULT_PHASES for period in case.periods)
    if real is None or presumed <= real:
        return ""
    return f"numberPhases {presumed} is presumed, {real} exist: the limit per phase is applied to those"


# -- whom it is for


def _unknown_evse(case: Case) -> str | None:
    known = case.evse_id == 0 or case.evse_id in case.rules.evses
    return None if known else f"there is no EVSE {case.evse_id}"


def _check(feature: Feature) -> Check:
    return lambda case: feature.refusal(case.profile)


def _external_purpose(case: Case) -> str | None:
    external = case.purpose is _Purpose.CHARGING_STATION_EXTERNAL_CONSTRAINTS
    return "external constraints are not set by a CSMS" if external else None


def _start_purpose(case: Case) -> str | None:
    wrong = case.starting and case.purpose is not _Purpose.TX_PROFILE
    return "a transaction is started with a TxProfile only" if wrong else None


def _tx_on_station(case: Case) -> str | None:
    wrong = case.purpose is _Purpose.TX_PROFILE and case.evse_id == 0
    return "a TxProfile belongs to an EVSE above 0" if wrong else None


def _max_on_evse(case: Case) -> str | None:
    wrong = case.purpose is _Purpose.CHARGING_STATION_MAX_PROFILE and case.evse_id != 0
    return "a ChargingStationMaxProfile belongs to EVSE 0" if wrong else None


def _stack_level(case: Case) -> str | None:
    most = case.rules.max_stack_level
    return None if 0 <= case.profile.stack_level <= most else f"the stack level must be 0 to {most}"


def _needless_transaction(case: Case) -> str | None:
    binds = case.purpose is _Purpose.TX_PROFILE and not case.starting
    return None if binds or case.profile.transaction_id is None else "a transactionId has no place here"


def _no_transaction(case: Case) -> str | None:
    if not _binds(case) or case.rules.evses[case.evse_id].transaction_id is not None:
        return None
    return f"EVSE {case.evse_id} has no transaction"


def _missing_transaction(case: Case) -> str | None:
    return "a TxProfile needs a transactionId" if _binds(case) and case.profile.transaction_id is None else None


def _unknown_transaction(case: Case) -> str | None:
    if not _binds(case) or case.rules.evses[case.evse_id].transaction_id == case.profile.transaction_id:
        return None
    return f"EVSE {case.evse_id} has no such transaction"


def _binds(case: Case) -> bool:
    return case.purpose is _Purpose.TX_PROFILE and not case.starting


# -- what it says of time


def _dynamic_shape(case: Case) -> str | None:
    return shape_problem(case.profile)


def _several_schedules(case: Case) -> str | None:
    return None if len(case.profile.charging_schedule) == 1 else "exactly one chargingSchedule is taken"


def _no_recurrency(case: Case) -> str | None:
    wrong = case.profile.charging_profile_kind is _Kind.RECURRING and case.profile.recurrency_kind is None
    return "a recurring profile needs a recurrencyKind" if wrong else None


def _relative_max(case: Case) -> str | None:
    relative = case.profile.charging_profile_kind is _Kind.RELATIVE
    wrong = relative and case.purpose is _Purpose.CHARGING_STATION_MAX_PROFILE
    return "a ChargingStationMaxProfile cannot be relative" if wrong else None


def _no_start(case: Case) -> str | None:
    right = _starts_by_itself(case) or case.schedule.start_schedule is not None
    return None if right else "startSchedule must be given here"


def _needless_start(case: Case) -> str | None:
    wrong = _starts_by_itself(case) and case.schedule.start_schedule is not None
    return "startSchedule must be absent here" if wrong else None


def _starts_by_itself(case: Case) -> bool:
    return case.profile.charging_profile_kind is _Kind.RELATIVE or is_dynamic(case.profile)


def _validity(case: Case) -> str | None:
    begin, end = _span(case.profile)
    return "validTo must be after validFrom" if end <= begin else None


def _duration(case: Case) -> str | None:
    duration = case.schedule.duration
    return "the duration is negative" if duration is not None and duration < 0 else None


def _too_many_periods(case: Case) -> str | None:
    most = case.rules.max_periods
    return f"at most {most} periods are taken" if len(case.periods) > most else None


def _first_period(case: Case) -> str | None:
    right = bool(case.periods) and case.periods[0].start_period == 0
    return None if right else "the first period must start at 0"


def _period_order(case: Case) -> str | None:
    wrong = any(later.start_period <= earlier.start_period for earlier, later in pairwise(case.periods))
    return "the periods must stand in order" if wrong else None


# -- what it says of power


def _rate_unit(case: Case) -> str | None:
    unit = case.schedule.charging_rate_unit
    return None if unit in case.rules.rate_units else f"limits in {unit} are not taken"


def _no_number(case: Case) -> str | None:
    least = case.schedule.min_charging_rate
    numbers = (*(p.limit for p in case.periods if p.limit is not None), *(() if least is None else (least,)))
    return None if all(isfinite(number) for number in numbers) else "a limit is a finite number"


def _minimum(case: Case) -> str | None:
    return "minChargingRate is negative" if (case.schedule.min_charging_rate or 0) < 0 else None


def _negative_bound(case: Case) -> str | None:
    wrong = case.purpose is _Purpose.CHARGING_STATION_MAX_PROFILE and _orders_discharge(case)
    return "a ChargingStationMaxProfile bounds charging; it cannot order a discharge" if wrong else None


def _discharge(case: Case) -> str | None:
    """By its own limit; whether the EVSE takes other words is `_steering`'s subject."""
    if not _orders_discharge(case):
        return None
    evses = case.rules.of(case.evse_id)
    if not all(evse.negative_limit for evse in evses):
        return f"negative limits are not allowed on EVSE {case.evse_id}"
    return _unable(case)


def _words(case: Case) -> str | None:
    """What is wrong with OCPP 2.1's words in a period's customData (2.1 K01.FR.115, Q10.FR.02)."""
    for period in case.periods:
        if speaks(period) and (said := problem_of(period)):
            return f"period at {period.start_period}: {said}"
    return None


def _steering(case: Case) -> str | None:
    """Whether the EVSE takes operation modes, and orders to discharge among them."""
    told = [words_of(period) for period in case.periods if speaks(period)]
    steering = [words for words in told if words is not None and words.steers]
    if not steering:
        return None
    mode = steering[0].mode
    if case.purpose is _Purpose.CHARGING_STATION_MAX_PROFILE:
        return f"InvalidOperationMode: {mode} has no place in a ChargingStationMaxProfile"
    if any(words.way is DischargeWay.CUSTOM_DATA for words in steering) and not all(
        evse.custom_data for evse in case.rules.of(case.evse_id)
    ):
        return f"InvalidOperationMode: {mode} in customData is not allowed on EVSE {case.evse_id}"
    return _unable(case) if any(words.discharges for words in steering) else None


def _unable(case: Case) -> str | None:
    able = all(evse.can_discharge for evse in case.rules.of(case.evse_id))
    return None if able else f"EVSE {case.evse_id} cannot discharge"


def _orders_discharge(case: Case) -> bool:
    return any(period.limit is not None and period.limit < 0 for period in case.periods)


def _operation_mode(case: Case) -> str | None:
    """2.1's own field: ChargingOnly everywhere, else what the EVSE has, in what is said of one transaction."""
    asked = {period.operation_mode or _DEFAULT_MODE for period in case.periods} - {_DEFAULT_MODE}
    if not asked:
        return None
    if _bounds(case.purpose):
        return f"a {case.purpose} has no operationMode but {_DEFAULT_MODE}"
    evses = case.rules.of(case.evse_id)
    had: Set[OperationMode] = WITH_METER if all(evse.balancing for evse in evses) else SUPPORTED
    if not all(evse.ocpp_21 for evse in evses):
        had = {_DEFAULT_MODE}
    wrong = sorted(asked - had)
    return f"operationMode {wrong[0]} is none of {', '.join(sorted(had))} here" if wrong else None


def _no_balancing(case: Case) -> str | None:
    if not any(balances(period) for period in case.periods) or all(e.balancing for e in case.rules.of(case.evse_id)):
        return None
    return f"load balancing is not had at EVSE {case.evse_id}: it takes a grid meter, and a unit that may discharge"


def _no_thresholds(case: Case) -> str | None:
    if not any(balances(period) for period in case.periods):
        return None
    return next((evse.no_thresholds for evse in case.rules.of(case.evse_id) if evse.no_thresholds), None)


# -- phases, of AC


def _number_phases(case: Case) -> str | None:
    wrong = case.alternating and any(p.number_phases not in (None, *_PHASES) for p in case.periods)
    return "numberPhases must be 1 to 3" if wrong else None


def _phase_to_use(case: Case) -> str | None:
    used = [period for period in case.periods if period.phase_to_use is not None]
    wrong = case.alternating and any(p.number_phases != 1 or p.phase_to_use not in _PHASES for p in used)
    return "phaseToUse must be 1 to 3, with numberPhases 1" if wrong else None


def _fewer_phases(case: Case) -> str | None:
    fewest = min((period.number_phases or DEFAULT_PHASES for period in case.periods), default=DEFAULT_PHASES)
    fixed = (evse.phases for evse in case.alternating if fewest < evse.phases and not evse.phase_switching)
    return next((f"{phases} phases are used, fewer cannot be ensured" for phases in fixed), None)


def _other_phase(case: Case) -> str | None:
    wanted = {period.phase_to_use for period in case.periods} - {None}
    fixed = (evse.phase for evse in case.alternating if not evse.phase_switching and wanted - {evse.phase})
    return next((f"phase {phase} is used and cannot be switched" for phase in fixed), None)


def _phase_conflict(case: Case) -> str | None:
    """Between a bound of the station and what is charged by; where they would meet is not looked at, as a relative
    profile may begin at any time."""
    wanted = {period.phase_to_use for period in case.periods} - {None}
    if not wanted or not case.alternating:
        return None
    for other in case.others:
        if _bounds(other.purpose) == _bounds(case.purpose) or not _meet(case.evse_id, other.evse_id):
            continue
        used = {period.phase_to_use for period in other.profile.charging_schedule[0].charging_schedule_period} - {None}
        if used and len(used | wanted) > 1:
            return f"profile {other.profile.id} uses another phase"
    return None


def _bounds(purpose: ChargingProfilePurpose) -> bool:
    return purpose not in (_Purpose.TX_PROFILE, _Purpose.TX_DEFAULT_PROFILE)


def _meet(one: int, other: int) -> bool:
    return 0 in (one, other) or one == other


# -- what is there already


def _external_id(case: Case) -> str | None:
    taken = any(item.external and item.profile.id == case.profile.id for item in case.installed)
    return f"{case.profile.id} is the id of an external constraint" if taken else None


def _start_id(case: Case) -> str | None:
    """A start may come to nothing: what its profile had replaced would be lost."""
    taken = case.starting and any(
        item.profile.id == case.profile.id and item.purpose is not _Purpose.TX_PROFILE for item in case.installed
    )
    return f"{case.profile.id} is the id of a profile of another purpose" if taken else None


def _duplicate(case: Case) -> str | None:
    for other in case.others:
        same = other.purpose is case.purpose and other.profile.stack_level == case.profile.stack_level
        if same and _collide(case, other):
            return f"profile {other.profile.id} has this purpose and stack level"
    return None


def _collide(case: Case, other: InstalledProfile) -> bool:
    if case.purpose is _Purpose.TX_PROFILE:
        if other.waits:
            return case.starting and other.evse_id == case.evse_id
        return other.profile.transaction_id == case.acts_on
    if other.evse_id == case.evse_id:
        return _overlap(case.profile, other.profile)
    # The station's TxDefaultProfile acts on every EVSE, whatever the validity (K01.FR.52, K01.FR.53).
    return 0 in (case.evse_id, other.evse_id)


def _span(profile: ChargingProfile) -> tuple[datetime, datetime]:
    return profile.valid_from or _ALWAYS_BEGUN, profile.valid_to or _NEVER_OVER


def _overlap(one: ChargingProfile, other: ChargingProfile) -> bool:
    (begin, end), (other_begin, other_end) = _span(one), _span(other)
    return begin < other_end and other_begin < end


def _room(case: Case) -> str | None:
    most = case.rules.max_profiles
    return f"{most} profiles are installed" if len(case.others) >= most else None


_OF_FEATURES = tuple(Rule(feature.clauses, feature.reason, _check(feature)) for feature in FEATURES)
#: What a period may say of power.
_OF_POWER: tuple[Rule, ...] = (
    Rule(("ChargingSchedulePeriodType.limit",), ReasonCode.INVALID_SCHEDULE, _no_number),
    Rule(("ChargingScheduleType.minChargingRate",), ReasonCode.INVALID_SCHEDULE, _minimum),
    Rule(("2.1 Q09.FR.01",), ReasonCode.UNSUPPORTED_PARAM, _no_balancing),
    Rule(("2.1 K01.FR.114", "2.1 K01.FR.115"), ReasonCode.INVALID_OPERATION_MODE, _operation_mode),
    Rule(("2.1 K01.FR.115", "2.1 Q10.FR.02", "2.1 V2X.05"), ReasonCode.INVALID_SCHEDULE, _words),
    Rule(("K 3.2", "translation.md, Discharge"), ReasonCode.INVALID_SCHEDULE, _negative_bound),
    Rule(("translation.md, Discharge",), ReasonCode.INVALID_SCHEDULE, _discharge),
    Rule(("2.1 K01.FR.115", "translation.md, Discharge"), ReasonCode.INVALID_SCHEDULE, _steering),
)
#: What an update of a dynamic profile can make wrong.
_OF_VALUES = (*_OF_FEATURES, *_OF_POWER)

#: What is looked at, in order; the first that has something to say is the answer.
RULES: tuple[Rule, ...] = (
    Rule(("K01.FR.28",), ReasonCode.UNKNOWN_EVSE, _unknown_evse),
    *_OF_FEATURES,
    Rule(("K01.FR.22", "K02.FR.07", "K03.FR.08"), ReasonCode.INVALID_PROFILE, _external_purpose),
    Rule(("F01.FR.09", "K05.FR.02"), ReasonCode.INVALID_PROFILE, _start_purpose),
    Rule(("K01.FR.16",), ReasonCode.INVALID_PROFILE, _tx_on_station),
    Rule(("K 3.2", "K04.FR.03"), ReasonCode.INVALID_PROFILE, _max_on_evse),
    Rule(("ProfileStackLevel",), ReasonCode.INVALID_STACK_LEVEL, _stack_level),
    Rule(("ChargingProfileType.transactionId", "F01.FR.11"), ReasonCode.INVALID_PROFILE, _needless_transaction),
    Rule(("K01.FR.09",), ReasonCode.TX_NOT_FOUND, _no_transaction),
    Rule(("K01.FR.03",), ReasonCode.MISSING_PARAM, _missing_transaction),
    Rule(("K01.FR.33",), ReasonCode.TX_NOT_FOUND, _unknown_transaction),
    Rule(("2.1 K28.FR.01", "2.1 K28.FR.02", "2.1 K28.FR.03"), ReasonCode.INVALID_SCHEDULE, _dynamic_shape),
    Rule(("K01.FR.34", "ChargingProfileType.chargingSchedule"), ReasonCode.INVALID_PROFILE, _several_schedules),
    Rule(("K 3.3",), ReasonCode.INVALID_PROFILE, _no_recurrency),
    Rule(("K01.FR.38",), ReasonCode.INVALID_PROFILE, _relative_max),
    Rule(("K01.FR.40",), ReasonCode.INVALID_SCHEDULE, _no_start),
    Rule(("K01.FR.41", "2.1 K28.FR.02"), ReasonCode.INVALID_SCHEDULE, _needless_start),
    Rule(("K01.FR.36", "K01.FR.37"), ReasonCode.INVALID_PROFILE, _validity),
    Rule(("ChargingScheduleType.duration",), ReasonCode.INVALID_SCHEDULE, _duration),
    Rule(("PeriodsPerSchedule",), ReasonCode.TOO_MANY_ELEMENTS, _too_many_periods),
    Rule(("K01.FR.31",), ReasonCode.INVALID_SCHEDULE, _first_period),
    Rule(("K01.FR.35",), ReasonCode.INVALID_SCHEDULE, _period_order),
    Rule(("K01.FR.26",), ReasonCode.UNSUPPORTED_RATE_UNIT, _rate_unit),
    *_OF_POWER,
    Rule(("2.1 Q09.FR.02",), ReasonCode.MISSING_DEV_MODEL_INFO, _no_thresholds),
    Rule(("ChargingSchedulePeriodType.numberPhases",), ReasonCode.INVALID_SCHEDULE, _number_phases),
    Rule(("K01.FR.19",), ReasonCode.INVALID_SCHEDULE, _phase_to_use),
    Rule(("K01.FR.43",), ReasonCode.UNSUPPORTED_PARAM, _fewer_phases),
    Rule(("K01.FR.20", "K01.FR.48"), ReasonCode.UNSUPPORTED_PARAM, _other_phase),
    Rule(("K 3.7 (errata 2025-09, 2.36)",), ReasonCode.INVALID_SCHEDULE, _phase_conflict),
    Rule(("K01.FR.05",), ReasonCode.INVALID_PROFILE, _external_id),
    Rule(("F01.FR.26",), ReasonCode.INVALID_PROFILE, _start_id),
    Rule(("K01.FR.06", "K01.FR.39", "K01.FR.52", "K01.FR.53"), ReasonCode.DUPLICATE_PROFILE, _duplicate),
    Rule(("ChargingProfileEntries",), ReasonCode.OUT_OF_STORAGE, _room),
)
