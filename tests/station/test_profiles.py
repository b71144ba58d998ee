"""Which profiles are taken, and what they replace."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bridge.station.limits import InstalledProfile
from bridge.station.messages import (
    ChargingProfile,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingSchedule,
    ChargingSchedulePeriod,
    LimitAtSoc,
    OperationMode,
)
from bridge.station.profile_store import install
from bridge.station.profiles import RULES, EvseRules, ProfileRules, check_profile, check_start_profile
from bridge.station.reason_codes import ReasonCode

T0 = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)
MODE = OperationMode
RULES_OF_SITE = ProfileRules(
    {
        1: EvseRules(transaction_id="tx"),
        2: EvseRules(negative_limit=True),
        3: EvseRules(False, 3, phase_switching=False),
    },
    frozenset({ChargingRateUnit.W, ChargingRateUnit.A}),
    max_stack_level=5,
    max_periods=3,
    max_profiles=4,
)
ONLY_W = ProfileRules({1: EvseRules(negative_limit=True)})


def schedule(*periods, unit="W", start=T0, duration=None, least=None):
    return ChargingSchedule(
        id=1,
        charging_rate_unit=ChargingRateUnit(unit),
        start_schedule=start,
        duration=duration,
        min_charging_rate=least,
        charging_schedule_period=tuple(
            period if isinstance(period, ChargingSchedulePeriod) else ChargingSchedulePeriod(*period)
            for period in periods or [(0, 3000)]
        ),
    )


def profile(number=1, purpose="TxDefaultProfile", *schedules, kind="Absolute", stack=0, **more):
    return ChargingProfile(
        id=number,
        stack_level=stack,
        charging_profile_purpose=ChargingProfilePurpose(purpose),
        charging_profile_kind=ChargingProfileKind(kind),
        charging_schedule=schedules or (schedule(),),
        **more,
    )


def default(number=1, *schedules, **more):
    return profile(number, "TxDefaultProfile", *schedules, **more)


def station_max(number=1, *schedules, **more):
    return profile(number, "ChargingStationMaxProfile", *schedules, **more)


def of_tx(number=1, *schedules, **more):
    return profile(number, "TxProfile", *schedules, **({"transaction_id": "tx"} | more))


def period(start, limit, phases=None, use=None):
    return ChargingSchedulePeriod(start, limit, phases, use)


def said(start, limit, **words):
    """A period in OCPP 2.1's words."""
    return ChargingSchedulePeriod(start, limit, custom_data={"vendorId": "ocpp-echonet"} | words)


def later(**said):
    """A schedule of one period, in OCPP 2.1's own fields."""
    return schedule(ChargingSchedulePeriod(0, **said))


R = ReasonCode


WRONG = [
    (9, default(), R.UNKNOWN_EVSE, "K01.FR.28"),
    (1, profile(1, "ChargingStationExternalConstraints"), R.INVALID_PROFILE, "K01.FR.22"),
    (0, of_tx(), R.INVALID_PROFILE, "K01.FR.16"),
    (1, station_max(), R.INVALID_PROFILE, "K04.FR.03"),
    (1, default(stack=6), R.INVALID_STACK_LEVEL, "ProfileStackLevel"),
    (1, default(stack=-1), R.INVALID_STACK_LEVEL, "ProfileStackLevel"),
    (1, default(transaction_id="tx"), R.INVALID_PROFILE, "ChargingProfileType.transactionId"),
    (2, of_tx(), R.TX_NOT_FOUND, "K01.FR.09"),
    (2, of_tx(transaction_id=None), R.TX_NOT_FOUND, "K01.FR.09"),
    (1, of_tx(transaction_id=None), R.MISSING_PARAM, "K01.FR.03"),
    (1, of_tx(transaction_id="nobody's"), R.TX_NOT_FOUND, "K01.FR.33"),
    (1, default(1, schedule(), schedule()), R.INVALID_PROFILE, "K01.FR.34"),
    (1, of_tx(1, schedule(), schedule(), schedule()), R.INVALID_PROFILE, "K01.FR.34"),
    (1, default(kind="Recurring"), R.INVALID_PROFILE, "K 3.3"),
    (0, station_max(1, schedule(start=None), kind="Relative"), R.INVALID_PROFILE, "K01.FR.38"),
    (1, default(1, schedule(start=None)), R.INVALID_SCHEDULE, "K01.FR.40"),
    (1, default(1, schedule(start=None), kind="Recurring", recurrency_kind="Daily"), R.INVALID_SCHEDULE, "K01.FR.40"),
    (1, default(kind="Relative"), R.INVALID_SCHEDULE, "K01.FR.41"),
    (1, default(valid_from=T0 + DAY, valid_to=T0), R.INVALID_PROFILE, "K01.FR.37"),
    (1, default(valid_from=T0, valid_to=T0), R.INVALID_PROFILE, "K01.FR.37"),
    (1, default(1, schedule(duration=-1)), R.INVALID_SCHEDULE, "ChargingScheduleType.duration"),
    (1, default(1, schedule((0, 5), (1, 6), (2, 6), (3, 6))), R.TOO_MANY_ELEMENTS, "PeriodsPerSchedule"),
    (1, default(1, schedule((1, 5))), R.INVALID_SCHEDULE, "K01.FR.31"),
    (1, default(1, schedule((0, 5), (9, 5), (7, 5))), R.INVALID_SCHEDULE, "K01.FR.35"),
    (1, default(1, schedule((0, 5), (0, 6))), R.INVALID_SCHEDULE, "K01.FR.35"),
    (1, default(1, schedule((0, float("nan")))), R.INVALID_SCHEDULE, "ChargingSchedulePeriodType.limit"),
    (1, default(1, schedule((0, float("inf")))), R.INVALID_SCHEDULE, "ChargingSchedulePeriodType.limit"),
    (1, default(1, schedule(least=float("nan"))), R.INVALID_SCHEDULE, "ChargingSchedulePeriodType.limit"),
    (1, default(1, schedule(least=-1.0)), R.INVALID_SCHEDULE, "ChargingScheduleType.minChargingRate"),
    (0, station_max(1, schedule((0, -1))), R.INVALID_SCHEDULE, "translation.md, Discharge"),
    (1, default(1, schedule((0, -1))), R.INVALID_SCHEDULE, "translation.md, Discharge"),
    (0, default(1, schedule((0, -1))), R.INVALID_SCHEDULE, "translation.md, Discharge"),
    (1, of_tx(1, schedule((0, 5), (5, -1))), R.INVALID_SCHEDULE, "translation.md, Discharge"),
    (1, default(1, schedule(said(0, 0, operationMode="LocalFrequency"))), R.INVALID_SCHEDULE, "2.1 Q10.FR.02"),
    (1, default(1, schedule(said(0, 0, operationMode="Idle"))), R.INVALID_SCHEDULE, "2.1 K01.FR.115"),
    (1, profile(1, "PriorityCharging"), R.UNSUPPORTED_PURPOSE, "2.1 K01.FR.120"),
    (1, profile(1, "LocalGeneration"), R.UNSUPPORTED_PURPOSE, "2.1 K01.FR.120"),
    (1, default(1, schedule(), schedule(), kind="Dynamic"), R.INVALID_SCHEDULE, "2.1 K28.FR.01"),
    (1, default(1, schedule((0, 1), (5, 1), start=None), kind="Dynamic"), R.INVALID_SCHEDULE, "2.1 K28.FR.01"),
    (1, default(1, schedule((5, 1), start=None), kind="Dynamic"), R.INVALID_SCHEDULE, "2.1 K28.FR.02"),
    (1, default(kind="Dynamic"), R.INVALID_SCHEDULE, "2.1 K28.FR.02"),
    (1, default(dyn_update_interval=30), R.INVALID_PROFILE, "2.1 K01.FR.122"),
    (1, default(dyn_update_time=T0), R.INVALID_PROFILE, "2.1 K28.FR.04"),
    (1, default(1, replace(schedule(), use_local_time=True)), R.INVALID_SCHEDULE, "2.1 K01.FR.123"),
    (1, default(1, replace(schedule(), randomized_delay=9)), R.INVALID_SCHEDULE, "2.1 K01.FR.124"),
    (1, default(1, replace(schedule(), limit_at_soc=LimitAtSoc(80, 5.0))), R.INVALID_SCHEDULE, "2.1 K01.FR.125"),
    (1, default(1, later(limit=5, others={"evseSleep": True})), R.INVALID_SCHEDULE, "2.1 K01.FR.126"),
    (1, default(1, later(limit=5, others={"limit_L2": 5.0})), R.PHASE_CONFLICT, "2.1 K01.FR.144"),
    (1, default(1, later(setpoint=5, others={"setpointReactive": 5.0})), R.UNSUPPORTED_PARAM, "2.1 Q03"),
    (
        1,
        default(1, later(setpoint=5, operation_mode=MODE.CENTRAL_SETPOINT)),
        R.INVALID_OPERATION_MODE,
        "2.1 K01.FR.115",
    ),
    (0, station_max(1, later(operation_mode=MODE.IDLE)), R.INVALID_OPERATION_MODE, "2.1 K01.FR.114"),
    (3, default(1, schedule(period(0, 5, 4))), R.INVALID_SCHEDULE, "ChargingSchedulePeriodType.numberPhases"),
    (3, default(1, schedule(period(0, 5, 3, 1))), R.INVALID_SCHEDULE, "K01.FR.19"),
    (3, default(1, schedule(period(0, 5, 1))), R.UNSUPPORTED_PARAM, "K01.FR.43"),
]


@pytest.mark.parametrize(("evse", "given", "reason", "clause"), WRONG)
def test_a_wrong_profile_is_rejected_with_a_reason(evse, given, reason, clause):
    verdict = check_profile(evse, given, (), RULES_OF_SITE)
    assert not verdict.accepted
    assert verdict.status_info.reason_code == reason
    assert clause in verdict.clauses
    assert verdict.info


@pytest.mark.parametrize(
    ("evse", "given"),
    [
        (1, default()),
        (0, default()),
        (0, station_max()),
        (1, of_tx()),
        (1, default(1, schedule(start=None), kind="Relative")),
        (1, default(1, schedule(start=None), kind="Dynamic")),
        (0, station_max(1, schedule(start=None), kind="Dynamic", dyn_update_interval=30, dyn_update_time=T0)),
        (1, default(kind="Recurring", recurrency_kind="Daily")),
        (2, default(1, schedule((0, -3000)))),
        (1, default(1, schedule(unit="A"))),
        (1, default(1, schedule(period(0, 5, 3, 2)))),  # DC: the phases are let go by
        (3, default(1, schedule(period(0, 5, 3)))),
    ],
)
def test_a_right_profile_is_accepted(evse, given):
    assert check_profile(evse, given, (), RULES_OF_SITE).accepted


def test_amperes_are_refused_where_only_watts_are_offered():
    verdict = check_profile(1, default(1, schedule(unit="A")), (), ONLY_W)
    assert verdict.reason is R.UNSUPPORTED_RATE_UNIT


def test_discharge_for_all_evses_needs_the_leave_of_all():
    assert check_profile(0, default(1, schedule((0, -1))), (), ONLY_W).accepted
    assert not check_profile(0, station_max(1, schedule((0, -1))), (), ONLY_W).accepted


def test_more_phases_than_exist_are_taken_with_a_warning():
    rules = ProfileRules({1: EvseRules(direct_current=False, phases=1)})
    verdict = check_profile(1, default(), (), rules)
    assert verdict.accepted
    assert verdict.status_info.reason_code == "NoError"
    assert "numberPhases 3" in verdict.info
    assert check_profile(1, default(1, schedule(period(0, 5, 1))), (), rules).status_info is None
    assert check_profile(1, default(1, schedule(period(0, 5, 1, 1))), (), rules).accepted
    assert check_profile(1, default(1, schedule(period(0, 5, 1, 2))), (), rules).reason is R.UNSUPPORTED_PARAM


@pytest.mark.parametrize(
    ("there", "evse", "given", "taken"),
    [
        (InstalledProfile(1, default(1)), 1, default(1, stack=3), True),  # the same id replaces
        (InstalledProfile(1, default(1)), 1, default(2), False),
        (InstalledProfile(1, default(1)), 1, default(2, stack=1), True),
        (InstalledProfile(1, default(1)), 2, default(2), True),
        (InstalledProfile(1, default(1)), 0, default(2), False),  # K01.FR.52
        (InstalledProfile(0, default(1)), 1, default(2), False),  # K01.FR.53
        (InstalledProfile(0, default(1)), 1, default(1), True),
        (InstalledProfile(1, default(1, valid_to=T0)), 1, default(2, valid_from=T0), True),
        (InstalledProfile(1, default(1, valid_to=T0 + DAY)), 1, default(2, valid_from=T0), False),
        (InstalledProfile(0, station_max(1)), 0, station_max(2), False),
        (InstalledProfile(0, station_max(1)), 0, default(2), True),
        (InstalledProfile(1, of_tx(1)), 1, of_tx(2), False),
        (InstalledProfile(1, of_tx(1)), 1, default(2), True),
        (InstalledProfile(1, of_tx(1, transaction_id="old")), 1, of_tx(2), True),
        (InstalledProfile(1, profile(-1, "ChargingStationExternalConstraints")), 1, default(-1), False),
        (InstalledProfile(1, profile(-1, "ChargingStationExternalConstraints")), 1, default(1), True),
    ],
)
def test_duplicates_and_replacements(there, evse, given, taken):
    verdict = check_profile(evse, given, (there,), RULES_OF_SITE)
    assert verdict.accepted is taken
    if taken:
        assert verdict.replaces == ((given.id,) if given.id == there.profile.id else ())
        after = install((there,), InstalledProfile(evse, given))
        assert [item.profile for item in after if item.profile.id == given.id] == [given]
    elif not there.external:
        assert verdict.reason is R.DUPLICATE_PROFILE


def test_there_is_room_for_so_many_only():
    full = tuple(InstalledProfile(2, default(number, stack=number)) for number in range(1, 5))
    assert check_profile(1, default(9), full, RULES_OF_SITE).reason is R.OUT_OF_STORAGE
    assert check_profile(1, default(4), full, RULES_OF_SITE).accepted


def test_a_start_brings_a_tx_profile_without_a_transaction():
    assert check_start_profile(2, of_tx(transaction_id=None), (), RULES_OF_SITE).accepted
    assert check_start_profile(2, of_tx(), (), RULES_OF_SITE).reason is R.INVALID_PROFILE
    assert check_start_profile(2, default(), (), RULES_OF_SITE).reason is R.INVALID_PROFILE
    assert (
        check_start_profile(1, of_tx(1, schedule((1, 5)), transaction_id=None), (), RULES_OF_SITE).reason
        is R.INVALID_SCHEDULE
    )


def test_a_start_that_joins_a_transaction_does_not_double_its_profile():
    """K01.FR.39: on EVSE 1 a transaction goes on, to which the profile of the start will belong."""
    there = (InstalledProfile(1, of_tx(1)),)
    assert check_start_profile(1, of_tx(2, transaction_id=None), there, RULES_OF_SITE).reason is R.DUPLICATE_PROFILE
    assert check_start_profile(1, of_tx(1, transaction_id=None), there, RULES_OF_SITE).accepted
    assert check_start_profile(1, of_tx(2, transaction_id=None, stack=1), there, RULES_OF_SITE).accepted


def test_two_starts_that_wait_do_not_share_a_stack_level():
    there = (InstalledProfile(2, of_tx(1, transaction_id=None)),)
    assert check_start_profile(2, of_tx(2, transaction_id=None), there, RULES_OF_SITE).reason is R.DUPLICATE_PROFILE


def test_a_bound_and_a_profile_never_ask_for_two_phases():
    """Errata 2025-09, 2.36: what cannot be excluded is rejected."""
    switching = ProfileRules({1: EvseRules(False, 3, phase_switching=True), 2: EvseRules()})
    bound = InstalledProfile(0, station_max(1, schedule(period(0, 5, 1, 2))))
    for evse, given in ((1, default(2, schedule(period(0, 5, 1, 3)))), (0, default(2, schedule(period(0, 5, 1, 3))))):
        verdict = check_profile(evse, given, (bound,), switching)
        assert (verdict.reason, verdict.clauses[0][:5]) == (R.INVALID_SCHEDULE, "K 3.7")
    for evse, given in (
        (1, default(2, schedule(period(0, 5, 1, 2)))),
        (1, default(2, schedule(period(0, 5, 1)))),
        (2, default(2, schedule(period(0, 5, 1, 3)))),  # DC
    ):
        assert check_profile(evse, given, (bound,), switching).accepted
    other = InstalledProfile(1, default(1, schedule(period(0, 5, 1, 3))))
    assert check_profile(1, default(2, schedule(period(0, 5, 1, 2)), stack=1), (other,), switching).accepted


def test_every_rule_has_rejected_something():
    """The tests of this file leave no rule out."""
    phase = ProfileRules({1: EvseRules(False, 1)})
    switching = ProfileRules({1: EvseRules(False, 1, phase_switching=True)})
    bound = InstalledProfile(0, station_max(1, schedule(period(0, 5, 1, 2))))
    external = InstalledProfile(1, profile(-1, "ChargingStationExternalConstraints"))
    balancing = default(1, later(operation_mode=MODE.LOCAL_LOAD_BALANCING))
    meter = EvseRules(ocpp_21=True, balancing=True, no_thresholds="UpperThreshold is not set")
    verdicts = [
        *(check_profile(evse, given, (), RULES_OF_SITE) for evse, given, _, _ in WRONG),
        check_start_profile(2, default(), (), RULES_OF_SITE),
        check_start_profile(2, of_tx(1, transaction_id=None), (InstalledProfile(2, default(1)),), RULES_OF_SITE),
        check_profile(1, default(1, schedule(unit="A")), (), ONLY_W),
        check_profile(1, default(1, schedule(period(0, 5, 1, 2))), (), phase),
        check_profile(1, default(2, schedule(period(0, 5, 1, 3))), (bound,), switching),
        check_profile(1, default(-1), (external,), RULES_OF_SITE),
        check_profile(1, default(2), (InstalledProfile(1, default(1)),), RULES_OF_SITE),
        check_profile(1, default(1), (), ProfileRules({1: EvseRules()}, max_profiles=0)),
        check_profile(1, balancing, (), RULES_OF_SITE),
        check_profile(1, balancing, (), ProfileRules({1: meter})),
    ]
    assert not any(verdict.accepted for verdict in verdicts)
    assert {verdict.clauses for verdict in verdicts} == {rule.clauses for rule in RULES}
