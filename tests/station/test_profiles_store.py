"""The installed profiles as a set: what is cleared, what is reported and in how many messages."""

from datetime import UTC, datetime

import pytest

from bridge.station.limits import InstalledProfile
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
    GetChargingProfilesRequest,
)
from bridge.station.profile_store import clear, matching, report, without_transaction

DEFAULT = "TxDefaultProfile"


def profile(number, purpose=DEFAULT, *, stack=0, periods=1, tx=None):
    return ChargingProfile(
        id=number,
        stack_level=stack,
        charging_profile_purpose=ChargingProfilePurpose(purpose),
        charging_profile_kind=ChargingProfileKind.ABSOLUTE,
        charging_schedule=(
            ChargingSchedule(
                id=1,
                charging_rate_unit=ChargingRateUnit.W,
                start_schedule=datetime(2026, 1, 5, tzinfo=UTC),
                charging_schedule_period=tuple(ChargingSchedulePeriod(second, 3000) for second in range(periods)),
            ),
        ),
        transaction_id=tx,
    )


ALL = (
    InstalledProfile(0, profile(1, "ChargingStationMaxProfile")),
    InstalledProfile(1, profile(2)),
    InstalledProfile(2, profile(3, stack=1)),
    InstalledProfile(1, profile(4, "TxProfile", tx="tx")),
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
        (ChargingProfileCriterion(charging_profile_id=(1, 3)), 2, [3]),
        (ChargingProfileCriterion(charging_profile_id=(1, 3), stack_level=1), None, [3]),  # all that is given
        (ChargingProfileCriterion(), 0, [1]),
        (ChargingProfileCriterion(), None, [1, 2, 3, 4, -1]),
        (ChargingProfileCriterion(stack_level=1), None, [3]),
        (ChargingProfileCriterion(charging_profile_purpose=ChargingProfilePurpose.TX_DEFAULT_PROFILE), 1, [2]),
        (ChargingProfileCriterion(charging_limit_source=(ChargingLimitSource.EMS,)), None, [-1]),
        (ChargingProfileCriterion(charging_limit_source=(ChargingLimitSource.CSO,)), 1, [2, 4]),
    ],
)
def test_reporting(criterion, evse, found):
    assert [item.profile.id for item in matching(ALL, criterion, evse)] == found


def test_tx_profiles_go_with_their_transaction():
    left, gone = without_transaction(ALL, "tx")
    assert gone == (4,)
    assert [item.profile.id for item in left] == [1, 2, 3, -1]


def asked(evse_id=None, **criteria):
    return GetChargingProfilesRequest(77, ChargingProfileCriterion(**criteria), evse_id)


def test_a_report_has_a_message_for_each_source_and_evse():
    response, messages = report(ALL, asked())
    assert response.status == "Accepted"
    told = [(m.charging_limit_source, m.evse_id, [p.id for p in m.charging_profile], m.tbc) for m in messages]
    assert told == [
        ("CSO", 0, [1], True),
        ("CSO", 1, [2, 4], True),
        ("CSO", 2, [3], True),
        ("EMS", 1, [-1], False),
    ]
    assert {message.request_id for message in messages} == {77}


def test_nothing_to_report_is_said_at_once():
    response, messages = report(ALL, asked(evse_id=2, stack_level=9))
    assert (response.status, response.status_info.reason_code, messages) == ("NoProfiles", "NotFound", ())


@pytest.mark.parametrize(
    ("sizes", "pages"),
    [
        ([1] * 10, [10]),
        ([1] * 21, [10, 10, 1]),
        ([1024, 1, 1023, 1], [1, 2, 1]),
        ([512] * 4, [2, 2]),
    ],
)
def test_a_message_carries_only_so_much(sizes, pages):
    many = tuple(InstalledProfile(1, profile(number, periods=size)) for number, size in enumerate(sizes))
    _, messages = report(many, asked(evse_id=1))
    assert [len(message.charging_profile) for message in messages] == pages
    assert [message.tbc for message in messages] == [True] * (len(pages) - 1) + [False]
    assert [p.id for message in messages for p in message.charging_profile] == list(range(len(sizes)))
