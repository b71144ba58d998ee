"""Which profiles are taken, and what they replace."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.station.messages import (
    ChargingLimitSource,
    ChargingProfile,
    ChargingProfileCriterion,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingSchedule,
    ChargingSchedulePeriod,
    ClearChargingProfile,
    ClearChargingProfileRequest,
)
from bridge.station.profiles import (
    EvseRules,
    InstalledProfile,
    ProfileRules,
    check_profile,
    check_start_profile,
    clear,
    install,
    matching,
    without_transaction,
)
from bridge.station.reason_codes import ReasonCode

T0 = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)
RULES = ProfileRules(
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


def schedule(*periods, unit="W", start=T0, duration=None):
    return ChargingSchedule(
        id=1,
        charging_rate_unit=ChargingRateUnit(unit),
        start_schedule=start,
        duration=duration,
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


R = ReasonCode


@pytest.mark.parametrize(
    ("evse", "given", "reason"),
    [
        (9, default(), R.UNKNOWN_EVSE),
        (1, profile(1, "ChargingStationExternalConstraints"), R.INVALID_PROFILE),
        (0, of_tx(), R.INVALID_PROFILE),
        (1, station_max(), R.INVALID_PROFILE),
        (1, default(stack=6), R.INVALID_STACK_LEVEL),
        (1, default(stack=-1), R.INVALID_STACK_LEVEL),
        (1, of_tx(transaction_id=None), R.MISSING_PARAM),
        (1, of_tx(transaction_id="nobody's"), R.TX_NOT_FOUND),
        (2, of_tx(), R.TX_NOT_FOUND),
        (1, default(transaction_id="tx"), R.INVALID_PROFILE),
        (1, default(1, schedule(), schedule()), R.INVALID_PROFILE),
        (0, station_max(1, schedule(start=None), kind="Relative"), R.INVALID_PROFILE),
        (1, default(1, schedule(start=None)), R.INVALID_SCHEDULE),
        (1, default(kind="Relative"), R.INVALID_SCHEDULE),
        (1, default(kind="Recurring"), R.INVALID_PROFILE),
        (1, default(valid_from=T0 + DAY, valid_to=T0), R.INVALID_PROFILE),
        (1, default(1, schedule((1, 5))), R.INVALID_SCHEDULE),
        (1, default(1, schedule((0, 5), (9, 5), (7, 5))), R.INVALID_SCHEDULE),
        (1, default(1, schedule((0, 5), (0, 6))), R.INVALID_SCHEDULE),
        (1, default(1, schedule((0, 5), (1, 6), (2, 6), (3, 6))), R.TOO_MANY_ELEMENTS),
        (1, default(1, schedule(duration=-1)), R.INVALID_SCHEDULE),
        (1, default(1, schedule((0, -1))), R.INVALID_SCHEDULE),
        (0, default(1, schedule((0, -1))), R.INVALID_SCHEDULE),
        (0, station_max(1, schedule((0, -1))), R.INVALID_SCHEDULE),
        (1, of_tx(1, schedule((0, 5), (5, -1))), R.INVALID_SCHEDULE),
        (3, default(1, schedule(period(0, 5, 1))), R.UNSUPPORTED_PARAM),
        (3, default(1, schedule(period(0, 5, 3, 1))), R.INVALID_SCHEDULE),
        (3, default(1, schedule(period(0, 5, 4))), R.INVALID_SCHEDULE),
    ],
)
def test_a_wrong_profile_is_rejected_with_a_reason(evse, given, reason):
    verdict = check_profile(evse, given, (), RULES)
    assert not verdict.accepted
    assert verdict.status_info.reason_code == reason
    assert verdict.info


@pytest.mark.parametrize(
    ("evse", "given"),
    [
        (1, default()),
        (0, default()),
        (0, station_max()),
        (1, of_tx()),
        (1, default(1, schedule(start=None), kind="Relative")),
        (1, default(kind="Recurring", recurrency_kind="Daily")),
        (2, default(1, schedule((0, -3000)))),
        (1, default(1, schedule(unit="A"))),
        (1, default(1, schedule(period(0, 5, 3, 2)))),  # DC: the phases are let go by
        (3, default(1, schedule(period(0, 5, 3)))),
    ],
)
def test_a_right_profile_is_accepted(evse, given):
    assert check_profile(evse, given, (), RULES).accepted


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
    verdict = check_profile(evse, given, (there,), RULES)
    assert verdict.accepted is taken
    if taken:
        assert verdict.replaces == ((given.id,) if given.id == there.profile.id else ())
        after = install((there,), InstalledProfile(evse, given))
        assert [item.profile for item in after if item.profile.id == given.id] == [given]
    elif not there.external:
        assert verdict.reason is R.DUPLICATE_PROFILE


def test_there_is_room_for_so_many_only():
    full = tuple(InstalledProfile(2, default(number, stack=number)) for number in range(1, 5))
    assert check_profile(1, default(9), full, RULES).reason is R.OUT_OF_STORAGE
    assert check_profile(1, default(4), full, RULES).accepted


def test_a_start_brings_a_tx_profile_without_a_transaction():
    assert check_start_profile(2, of_tx(transaction_id=None), (), RULES).accepted
    assert check_start_profile(2, of_tx(), (), RULES).reason is R.INVALID_PROFILE
    assert check_start_profile(2, default(), (), RULES).reason is R.INVALID_PROFILE
    assert (
        check_start_profile(1, of_tx(1, schedule((1, 5)), transaction_id=None), (), RULES).reason is R.INVALID_SCHEDULE
    )


ALL = (
    InstalledProfile(0, station_max(1)),
    InstalledProfile(1, default(2)),
    InstalledProfile(2, default(3, stack=1)),
    InstalledProfile(1, of_tx(4)),
    InstalledProfile(1, profile(-1, "ChargingStationExternalConstraints"), ChargingLimitSource.EMS),
)


@pytest.mark.parametrize(
    ("number", "criteria", "gone"),
    [
        (2, None, (2,)),
        (2, ClearChargingProfile(evse_id=0), (2,)),  # K10.FR.03: the id decides
        (-1, None, ()),
        (77, None, ()),
        (None, ClearChargingProfile(evse_id=1), (2, 4)),
        (None, ClearChargingProfile(evse_id=0), (1,)),
        (None, ClearChargingProfile(stack_level=0), (1, 2, 4)),
        (None, ClearChargingProfile(charging_profile_purpose=ChargingProfilePurpose.TX_DEFAULT_PROFILE), (2, 3)),
        (None, ClearChargingProfile(1, ChargingProfilePurpose.TX_DEFAULT_PROFILE, 1), ()),
        (
            None,
            ClearChargingProfile(charging_profile_purpose=ChargingProfilePurpose.CHARGING_STATION_EXTERNAL_CONSTRAINTS),
            (),
        ),
        (None, None, (1, 2, 3, 4)),
    ],
)
def test_clearing(number, criteria, gone):
    status, left, went = clear(ALL, ClearChargingProfileRequest(number, criteria))
    assert went == gone
    assert status == ("Accepted" if gone else "Unknown")
    assert [item.profile.id for item in left] == [item.profile.id for item in ALL if item.profile.id not in gone]


@pytest.mark.parametrize(
    ("criterion", "evse", "found"),
    [
        (ChargingProfileCriterion(charging_profile_id=(1, 3)), None, [1, 3]),
        (ChargingProfileCriterion(stack_level=1), None, [3]),
        (ChargingProfileCriterion(charging_profile_purpose=ChargingProfilePurpose.TX_DEFAULT_PROFILE), 1, [2]),
        (ChargingProfileCriterion(charging_limit_source=("EMS",)), None, [-1]),
        (ChargingProfileCriterion(charging_limit_source=("CSO",)), 1, [2, 4]),
    ],
)
def test_reporting(criterion, evse, found):
    assert [item.profile.id for item in matching(ALL, criterion, evse)] == found


def test_tx_profiles_go_with_their_transaction():
    left, gone = without_transaction(ALL, "tx")
    assert gone == (4,)
    assert len(left) == 4
