"""Which charging profiles may be installed, what they replace, and which a request clears or reports (K01, K09, K10).

Pure: a profile, those installed and the rules of the station in; a verdict or a new set out. What the profiles then
mean at an instant is `composite`'s subject.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import TypeAlias

from bridge.station.messages import (
    ChargingLimitSource,
    ChargingProfile,
    ChargingProfileCriterion,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingProfileStatus,
    ChargingRateUnit,
    ChargingSchedule,
    ClearChargingProfileRequest,
    ClearChargingProfileStatus,
    StatusInfo,
)
from bridge.station.reason_codes import ReasonCode

_Purpose = ChargingProfilePurpose
#: K01.FR.49: what an absent numberPhases means on AC.
DEFAULT_PHASES = 3
_LONGEST_INFO = 512
_ALWAYS_BEGUN = datetime.min.replace(tzinfo=UTC)
_NEVER_OVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class InstalledProfile:
    """A profile and the EVSE that owns it (0: the station). `source` is who set it."""

    evse_id: int
    profile: ChargingProfile
    source: ChargingLimitSource = ChargingLimitSource.CSO

    @property
    def external(self) -> bool:
        """Whether no CSMS may replace or clear it (K01.FR.05, K10.FR.04)."""
        return self.profile.charging_profile_purpose is _Purpose.CHARGING_STATION_EXTERNAL_CONSTRAINTS


@dataclass(frozen=True, slots=True)
class EvseRules:
    """What counts at one EVSE now. `phase` is the phase that a single-phase EVSE stands on."""

    direct_current: bool = True
    phases: int = 1
    negative_limit: bool = False
    transaction_id: str | None = None
    phase_switching: bool = False
    phase: int = 1


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
    """Whether a profile is taken, why (not), and the ids of the installed profiles that it replaces."""

    status: ChargingProfileStatus
    reason: ReasonCode | None = None
    info: str = ""
    replaces: tuple[int, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether it is taken."""
        return self.status is ChargingProfileStatus.ACCEPTED

    @property
    def status_info(self) -> StatusInfo | None:
        """For the response."""
        return StatusInfo(self.reason, self.info[:_LONGEST_INFO] or None) if self.reason else None


@dataclass(frozen=True, slots=True)
class _Case:
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
        return self.profile.charging_profile_purpose

    @property
    def schedule(self) -> ChargingSchedule:
        return self.profile.charging_schedule[0]


_Complaint: TypeAlias = tuple[ReasonCode, str] | None


def check_profile(
    evse_id: int, profile: ChargingProfile, installed: Sequence[InstalledProfile], rules: ProfileRules
) -> Verdict:
    """Judge a SetChargingProfileRequest (K01). A transaction is known if it is that of the EVSE named."""
    return _judge(_Case(evse_id, profile, rules, installed))


def check_start_profile(
    evse_id: int, profile: ChargingProfile, installed: Sequence[InstalledProfile], rules: ProfileRules
) -> Verdict:
    """Judge the profile of a RequestStartTransactionRequest (F01.FR.08-11, F01.FR.26, K05): a TxProfile without a
    transactionId, which is given its transaction when that begins."""
    return _judge(_Case(evse_id, profile, rules, installed, starting=True))


def install(installed: Sequence[InstalledProfile], new: InstalledProfile) -> tuple[InstalledProfile, ...]:
    """The set with a profile that was accepted; one of the same id goes (K01.FR.05)."""
    return (*(item for item in installed if item.profile.id != new.profile.id), new)


def without_transaction(
    installed: Sequence[InstalledProfile], transaction_id: str
) -> tuple[tuple[InstalledProfile, ...], tuple[int, ...]]:
    """The set after a transaction has ended, and the ids that went: its TxProfiles (K02.FR.05)."""
    gone = tuple(
        item.profile.id
        for item in installed
        if item.profile.charging_profile_purpose is _Purpose.TX_PROFILE
        and item.profile.transaction_id == transaction_id
    )
    return tuple(item for item in installed if item.profile.id not in gone), gone


def clear(
    installed: Sequence[InstalledProfile], request: ClearChargingProfileRequest
) -> tuple[ClearChargingProfileStatus, tuple[InstalledProfile, ...], tuple[int, ...]]:
    """Carry out a ClearChargingProfileRequest (K10): the status, the set that is left and the ids that went.

    An id alone decides when it is given (K10.FR.03), else all criteria together (K10.FR.04). External constraints
    never match (K10.FR.08, K10.FR.09).
    """
    gone = tuple(item.profile.id for item in installed if not item.external and _cleared(item, request))
    left = tuple(item for item in installed if item.external or item.profile.id not in gone)
    status = ClearChargingProfileStatus.ACCEPTED if gone else ClearChargingProfileStatus.UNKNOWN
    return status, left, gone


def _cleared(item: InstalledProfile, request: ClearChargingProfileRequest) -> bool:
    if request.charging_profile_id is not None:
        return item.profile.id == request.charging_profile_id
    wanted = request.charging_profile_criteria
    if wanted is None:
        return True
    return (
        wanted.evse_id in (None, item.evse_id)
        and wanted.stack_level in (None, item.profile.stack_level)
        and wanted.charging_profile_purpose in (None, item.profile.charging_profile_purpose)
    )


def matching(
    installed: Iterable[InstalledProfile], criterion: ChargingProfileCriterion, evse_id: int | None = None
) -> tuple[InstalledProfile, ...]:
    """What a GetChargingProfilesRequest asks for (K09): by id, or by all other criteria together."""

    def matches(item: InstalledProfile) -> bool:
        if evse_id is not None and item.evse_id != evse_id:
            return False
        if criterion.charging_profile_id is not None:
            return item.profile.id in criterion.charging_profile_id
        sources = criterion.charging_limit_source
        return (
            criterion.stack_level in (None, item.profile.stack_level)
            and criterion.charging_profile_purpose in (None, item.profile.charging_profile_purpose)
            and (sources is None or item.source in sources)
        )

    return tuple(item for item in installed if matches(item))


def _judge(case: _Case) -> Verdict:
    for rule in _RULES:
        if complaint := rule(case):
            return Verdict(ChargingProfileStatus.REJECTED, *complaint)
    replaces = tuple(item.profile.id for item in case.installed if item.profile.id == case.profile.id)
    warning = _phase_warning(case)
    reason = ReasonCode.NO_ERROR if warning else None
    return Verdict(ChargingProfileStatus.ACCEPTED, reason, warning, replaces)


def _evse(case: _Case) -> _Complaint:
    """K01.FR.28."""
    if case.evse_id == 0 or case.evse_id in case.rules.evses:
        return None
    return ReasonCode.UNKNOWN_EVSE, f"there is no EVSE {case.evse_id}"


def _purpose(case: _Case) -> _Complaint:
    """K01.FR.16, K01.FR.22; section K 3.2 for ChargingStationMaxProfile; F01 for a start."""
    if case.purpose is _Purpose.CHARGING_STATION_EXTERNAL_CONSTRAINTS:
        return ReasonCode.INVALID_PROFILE, "external constraints are not set by a CSMS"
    if case.starting and case.purpose is not _Purpose.TX_PROFILE:
        return ReasonCode.INVALID_PROFILE, "a transaction is started with a TxProfile only"
    if case.purpose is _Purpose.TX_PROFILE and case.evse_id == 0:
        return ReasonCode.INVALID_PROFILE, "a TxProfile belongs to an EVSE above 0"
    if case.purpose is _Purpose.CHARGING_STATION_MAX_PROFILE and case.evse_id != 0:
        return ReasonCode.INVALID_PROFILE, "a ChargingStationMaxProfile belongs to EVSE 0"
    return None


def _stack_level(case: _Case) -> _Complaint:
    if 0 <= case.profile.stack_level <= case.rules.max_stack_level:
        return None
    return ReasonCode.INVALID_STACK_LEVEL, f"the stack level must be 0 to {case.rules.max_stack_level}"


def _transaction(case: _Case) -> _Complaint:
    """K01.FR.03, K01.FR.09, K01.FR.33."""
    given = case.profile.transaction_id
    if case.purpose is not _Purpose.TX_PROFILE or case.starting:
        return (ReasonCode.INVALID_PROFILE, "a transactionId has no place here") if given is not None else None
    if given is None:
        return ReasonCode.MISSING_PARAM, "a TxProfile needs a transactionId"
    if case.rules.evses[case.evse_id].transaction_id != given:
        return ReasonCode.TX_NOT_FOUND, f"EVSE {case.evse_id} has no such transaction"
    return None


def _kind(case: _Case) -> _Complaint:
    """K01.FR.34, K01.FR.38, K01.FR.40, K01.FR.41."""
    kind, profile = case.profile.charging_profile_kind, case.profile
    if len(profile.charging_schedule) != 1:
        return ReasonCode.INVALID_PROFILE, "exactly one chargingSchedule is taken"
    if kind is ChargingProfileKind.RECURRING and profile.recurrency_kind is None:
        return ReasonCode.INVALID_PROFILE, "a recurring profile needs a recurrencyKind"
    relative = kind is ChargingProfileKind.RELATIVE
    if relative and case.purpose is _Purpose.CHARGING_STATION_MAX_PROFILE:
        return ReasonCode.INVALID_PROFILE, "a ChargingStationMaxProfile cannot be relative"
    if relative != (case.schedule.start_schedule is None):
        return ReasonCode.INVALID_SCHEDULE, f"startSchedule must be {'absent' if relative else 'given'} here"
    return None


def _validity(case: _Case) -> _Complaint:
    begin, end = _span(case.profile)
    return (ReasonCode.INVALID_PROFILE, "validTo must be after validFrom") if end <= begin else None


def _rate_unit(case: _Case) -> _Complaint:
    """K01.FR.26."""
    unit = case.schedule.charging_rate_unit
    if unit in case.rules.rate_units:
        return None
    return ReasonCode.UNSUPPORTED_RATE_UNIT, f"limits in {unit} are not taken"


def _periods(case: _Case) -> _Complaint:
    """K01.FR.31, K01.FR.35."""
    starts = [period.start_period for period in case.schedule.charging_schedule_period]
    if len(starts) > case.rules.max_periods:
        return ReasonCode.TOO_MANY_ELEMENTS, f"at most {case.rules.max_periods} periods are taken"
    if not starts or starts[0] != 0:
        return ReasonCode.INVALID_SCHEDULE, "the first period must start at 0"
    if any(later <= earlier for earlier, later in pairwise(starts)):
        return ReasonCode.INVALID_SCHEDULE, "the periods must stand in order"
    if case.schedule.duration is not None and case.schedule.duration < 0:
        return ReasonCode.INVALID_SCHEDULE, "the duration is negative"
    return None


def _negative(case: _Case) -> _Complaint:
    """A negative limit orders a discharge: only where the site allows it, and never as a bound."""
    if min(period.limit for period in case.schedule.charging_schedule_period) >= 0:
        return None
    if case.purpose is _Purpose.CHARGING_STATION_MAX_PROFILE:
        return ReasonCode.INVALID_SCHEDULE, "a ChargingStationMaxProfile bounds charging; it cannot order a discharge"
    if all(evse.negative_limit for evse in case.rules.of(case.evse_id)):
        return None
    return ReasonCode.INVALID_SCHEDULE, f"negative limits are not allowed on EVSE {case.evse_id}"


def _phases(case: _Case) -> _Complaint:
    """K01.FR.19, K01.FR.20, K01.FR.43-48. On DC the phases are let go by (K01.FR.44)."""
    for evse in case.rules.of(case.evse_id):
        if evse.direct_current:
            continue
        for period in case.schedule.charging_schedule_period:
            if said := _phase_fault(period.number_phases, period.phase_to_use, evse):
                return said
    return None


def _phase_fault(number: int | None, use: int | None, evse: EvseRules) -> _Complaint:
    if number is not None and number not in (1, 2, 3):
        return ReasonCode.INVALID_SCHEDULE, "numberPhases must be 1 to 3"
    if use is not None and (number != 1 or use not in (1, 2, 3)):
        return ReasonCode.INVALID_SCHEDULE, "phaseToUse must be 1 to 3, with numberPhases 1"
    if number is not None and number < evse.phases and not evse.phase_switching:
        return ReasonCode.UNSUPPORTED_PARAM, f"{evse.phases} phases are used, fewer cannot be ensured"
    if use is not None and not evse.phase_switching and use != evse.phase:
        return ReasonCode.UNSUPPORTED_PARAM, f"phase {evse.phase} is used and cannot be switched"
    return None


def _external(case: _Case) -> _Complaint:
    """K01.FR.05."""
    if any(item.external and item.profile.id == case.profile.id for item in case.installed):
        return ReasonCode.INVALID_PROFILE, f"{case.profile.id} is the id of an external constraint"
    return None


def _duplicate(case: _Case) -> _Complaint:
    """K01.FR.06, K01.FR.39, K01.FR.52, K01.FR.53."""
    for other in case.others:
        if (
            other.profile.charging_profile_purpose is case.purpose
            and other.profile.stack_level == case.profile.stack_level
            and _collide(case, other)
        ):
            return ReasonCode.DUPLICATE_PROFILE, f"profile {other.profile.id} has this purpose and stack level"
    return None


def _collide(case: _Case, other: InstalledProfile) -> bool:
    if case.purpose is _Purpose.TX_PROFILE:
        same_start = case.starting and other.evse_id == case.evse_id and other.profile.transaction_id is None
        return same_start or (
            other.profile.transaction_id is not None and other.profile.transaction_id == case.profile.transaction_id
        )
    if other.evse_id == case.evse_id:
        return _overlap(case.profile, other.profile)
    # The station's TxDefaultProfile acts on every EVSE, whatever the validity (K01.FR.52, K01.FR.53).
    return 0 in (case.evse_id, other.evse_id)


def _span(profile: ChargingProfile) -> tuple[datetime, datetime]:
    """K01.FR.10, K01.FR.36, K01.FR.37."""
    return profile.valid_from or _ALWAYS_BEGUN, profile.valid_to or _NEVER_OVER


def _overlap(one: ChargingProfile, other: ChargingProfile) -> bool:
    (begin, end), (other_begin, other_end) = _span(one), _span(other)
    return begin < other_end and other_begin < end


def _room(case: _Case) -> _Complaint:
    if len(case.others) < case.rules.max_profiles:
        return None
    return ReasonCode.OUT_OF_STORAGE, f"{case.rules.max_profiles} profiles are installed"


def _phase_warning(case: _Case) -> str:
    """K01.FR.45, K01.FR.49: more phases are presumed than there are, which makes less power than a reader expects."""
    real = min((evse.phases for evse in case.rules.of(case.evse_id) if not evse.direct_current), default=None)
    if real is None:
        return ""
    presumed = max(period.number_phases or DEFAULT_PHASES for period in case.schedule.charging_schedule_period)
    if presumed <= real:
        return ""
    return f"numberPhases {presumed} is presumed, {real} exist: the limit per phase is applied to those"


#: What is looked at, in order; the first complaint is the answer. Each names its clauses.
_RULES: tuple[Callable[[_Case], _Complaint], ...] = (
    _evse,
    _purpose,
    _stack_level,
    _transaction,
    _kind,
    _validity,
    _rate_unit,
    _periods,
    _negative,
    _phases,
    _external,
    _duplicate,
    _room,
)
