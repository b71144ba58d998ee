"""The composite schedule: examples of the texts, and properties against a sampler that knows no edges."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.station.composite import (
    Composite,
    Grid,
    Piece,
    StationComposite,
    epoch_ms,
    from_epoch_ms,
    schedule_periods,
    share,
)
from bridge.station.messages import (
    ChargingProfile,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingSchedule,
    ChargingSchedulePeriod,
    RecurrencyKind,
)
from bridge.station.profiles import InstalledProfile

T0 = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)
NOW = epoch_ms(T0)
DC = Grid()
P = ChargingProfilePurpose
TX, DEFAULT, MAX, EXTERNAL = (
    P.TX_PROFILE,
    P.TX_DEFAULT_PROFILE,
    P.CHARGING_STATION_MAX_PROFILE,
    P.CHARGING_STATION_EXTERNAL_CONSTRAINTS,
)


def profile(
    periods,
    purpose=DEFAULT,
    *,
    evse=1,
    stack=0,
    kind=ChargingProfileKind.ABSOLUTE,
    recurrency=None,
    start=0,
    duration=None,
    valid=(None, None),
    unit=ChargingRateUnit.W,
    phases=None,
    tx=None,
):
    """A profile; times in seconds from T0, periods as (start, limit)."""
    relative = kind is ChargingProfileKind.RELATIVE
    moment = [None if second is None else T0 + timedelta(seconds=second) for second in (start, *valid)]
    return InstalledProfile(
        evse,
        ChargingProfile(
            id=1,
            stack_level=stack,
            charging_profile_purpose=purpose,
            charging_profile_kind=kind,
            recurrency_kind=recurrency,
            valid_from=moment[1],
            valid_to=moment[2],
            transaction_id=tx or ("tx" if purpose is TX else None),
            charging_schedule=(
                ChargingSchedule(
                    id=1,
                    start_schedule=None if relative else moment[0],
                    duration=duration,
                    charging_rate_unit=unit,
                    charging_schedule_period=tuple(ChargingSchedulePeriod(s, lim, phases) for s, lim in periods),
                ),
            ),
        ),
    )


def composite(*profiles, evse=1, grid=DC, now=NOW, tx="tx", closed=None):
    return Composite(profiles, evse, grid, now=now, transaction_id=tx, power_path_closed=closed)


def watts(pieces):
    """(second from T0, W) of pieces."""
    return [((p.start - NOW) // 1000, None if p.limit is None else p.limit / 1000) for p in pieces]


def until(found, seconds):
    return watts(found.pieces(NOW, NOW + seconds * 1000))


def test_higher_stack_levels_lead_while_they_say_something():
    found = composite(
        profile([(0, 6000), (100, 8000), (200, 10000)], duration=400),
        profile([(0, 7000), (100, 9000)], stack=1, duration=150),
    )
    assert until(found, 350) == [(0, 7000), (100, 9000), (150, 8000), (200, 10000)]
    assert until(found, 500)[-1] == (400, None)


def test_purposes_are_combined_by_the_lowest_and_the_tx_profile_overrules_the_default():
    found = composite(
        profile([(0, 10000)], MAX, evse=0, duration=86400),
        profile([(0, 6000), (60, 10000), (120, 8000), (180, 15000), (260, 8000)], duration=300),
        profile([(0, 8000), (50, 11000), (140, 16000), (200, 6000), (240, 12000)], TX, duration=260),
    )
    assert until(found, 400) == [(0, 8000), (50, 10000), (200, 6000), (240, 10000), (260, 8000), (300, 10000)]


def test_a_schedule_in_the_future_and_one_out_of_its_validity_say_nothing():
    assert until(composite(profile([(0, 5000)], start=60, valid=(90, 120))), 200) == [
        (0, None),
        (90, 5000),
        (120, None),
    ]
    assert until(composite(profile([(0, 5000)], start=60)), 200) == [(0, None), (60, 5000)]


@pytest.mark.parametrize(("kind", "day"), [(RecurrencyKind.DAILY, 86400), (RecurrencyKind.WEEKLY, 7 * 86400)])
def test_a_recurring_schedule_begins_again_and_falls_back_after_its_duration(kind, day):
    found = composite(
        profile([(0, 1000)], stack=0),
        profile(
            [(0, 3000), (600, 2000)],
            stack=1,
            kind=ChargingProfileKind.RECURRING,
            recurrency=kind,
            start=-10 * day,
            duration=3600,
        ),
    )
    cycle = [(0, 3000), (600, 2000), (3600, 1000)]
    assert until(found, 2 * day) == cycle + [(day + second, limit) for second, limit in cycle]


def test_a_relative_schedule_begins_when_energy_can_flow():
    relative = profile([(0, 3000), (60, 2000)], kind=ChargingProfileKind.RELATIVE)
    assert until(composite(relative, closed=NOW - 30_000), 100) == [(0, 3000), (30, 2000)]
    assert until(composite(relative, tx=None), 100) == [(0, 3000), (60, 2000)]


def test_tx_profiles_belong_to_their_transaction_and_defaults_of_evse_0_to_all():
    profiles = [profile([(0, 1000)], TX, tx="other"), profile([(0, 4000)], evse=0), profile([(0, 2000)], evse=2)]
    assert composite(*profiles).limit_at(NOW) == 4_000_000
    assert composite(*profiles, tx="other").limit_at(NOW) == 1_000_000
    assert composite(*profiles, evse=2, tx=None).limit_at(NOW) in (2_000_000, 4_000_000)


def test_no_bound_becomes_an_order_of_the_other_direction():
    discharge = profile([(0, -5000)], TX)
    bound = profile([(0, 1000)], MAX, evse=0)
    outside = profile([(0, -3000)], EXTERNAL, evse=1)
    assert composite(discharge, bound).limit_at(NOW) == -5_000_000
    assert composite(profile([(0, 5000)], TX), outside).limit_at(NOW) == 0
    assert composite(discharge, outside).limit_at(NOW) == -5_000_000


@pytest.mark.parametrize(
    ("grid", "unit", "limit", "phases", "power"),
    [
        (Grid(200_000, 1, True), "A", 16, None, 3_200_000),
        (Grid(200_000, 1, True), "W", 6000, None, 6_000_000),
        (Grid(200_000, 1, False), "W", 6000, None, 2_000_000),
        (Grid(200_000, 1, False), "W", 6000, 1, 6_000_000),
        (Grid(230_000, 3, False), "A", 8.1, None, 5_589_000),
        (Grid(230_000, 3, False), "A", 10, 1, 2_300_000),
        (Grid(200_000, 1, False), "W", -1000, None, -333_333),
        (Grid(), "W", 8.1, None, 8_100),
    ],
)
def test_amperes_and_phases_become_milliwatts_toward_zero(grid, unit, limit, phases, power):
    assert grid.power(ChargingRateUnit(unit), limit, phases) == power


def test_a_composite_schedule_is_told_in_either_unit_and_never_empty():
    found = composite(profile([(0, 6), (100, 20)], unit=ChargingRateUnit.A))
    told = schedule_periods(found.pieces(NOW, NOW + 300_000), ChargingRateUnit.A, DC, 3_000_000)
    assert [(period.start_period, period.limit) for period in told] == [(0, 6.0), (100, 15.0)]
    told = schedule_periods(found.pieces(NOW, NOW), ChargingRateUnit.W, DC, 3_000_000)
    assert [(period.start_period, period.limit) for period in told] == [(0, 1200.0)]


def test_the_station_sums_its_evses_under_its_own_bound():
    bound = profile([(0, 9000), (60, 4000)], MAX, evse=0)
    low = profile([(0, 3000)])
    evses = {number: composite(bound, low, evse=number, tx=None) for number in (1, 2)}
    station = StationComposite(evses, composite(bound, evse=0, tx=None), {1: 6_000_000, 2: 5_000_000})
    assert watts(station.pieces(NOW, NOW + 90_000)) == [(0, 8000), (60, 4000)]


def test_an_edge_lets_a_timer_be_set():
    found = composite(profile([(0, 1000), (60, 2000)], duration=90, valid=(None, 80)))
    assert [found.next_edge(NOW + second * 1000) for second in (0, 60, 80)] == [NOW + 60_000, NOW + 80_000, None]


def test_times_survive_the_round_trip():
    assert from_epoch_ms(NOW + 123) == T0 + timedelta(milliseconds=123)


@given(st.integers(-10, 10**7), st.dictionaries(st.integers(1, 9), st.integers(-100, 10**7), max_size=9))
def test_shares_are_never_more_than_the_whole_nor_than_the_wish(total, wishes):
    parts = share(total, wishes)
    assert sum(parts.values()) <= max(0, total)
    assert all(0 <= parts[key] <= max(0, wish) for key, wish in wishes.items())
    if sum(max(0, wish) for wish in wishes.values()) >= max(0, total):
        assert sum(parts.values()) == max(0, total) or not wishes


# A sampler written anew: it asks each profile at one instant, in seconds, in the plainest way.

HORIZON = 3 * 3600
seconds = st.integers(-4 * 3600, HORIZON)


@st.composite
def random_profile(draw):
    purpose = draw(st.sampled_from([TX, DEFAULT, MAX, EXTERNAL]))
    kinds = [ChargingProfileKind.ABSOLUTE, ChargingProfileKind.RECURRING, ChargingProfileKind.RELATIVE]
    kind = draw(st.sampled_from(kinds[:2] if purpose is MAX else kinds))
    starts = [0, *sorted(draw(st.sets(st.integers(1, HORIZON), max_size=4)))]
    lowest = -9000 if purpose in (TX, DEFAULT) else 0
    return profile(
        [(start, draw(st.integers(lowest, 9000))) for start in starts],
        purpose,
        evse=0 if purpose is MAX else draw(st.sampled_from([0, 1]) if purpose is not TX else st.just(1)),
        stack=draw(st.integers(0, 10**6)),
        kind=kind,
        recurrency=draw(st.sampled_from(RecurrencyKind)) if kind is ChargingProfileKind.RECURRING else None,
        start=draw(seconds) - draw(st.sampled_from([0, 86400, 86400 * 7])),
        duration=draw(st.none() | st.integers(0, HORIZON)),
        valid=(draw(st.none() | seconds), draw(st.none() | seconds)),
        tx=draw(st.sampled_from(["tx", "other"])) if purpose is TX else None,
    )


def sampled(profiles, second, closed):
    """The limit in W at a second from T0."""
    moment = T0 + timedelta(seconds=second)
    best: dict[P, tuple[int, float]] = {}
    for item in profiles:
        said = said_by(item.profile, moment, closed)
        purpose = item.profile.charging_profile_purpose
        if said is None or (purpose is TX and item.profile.transaction_id != "tx"):
            continue
        if purpose not in best or item.profile.stack_level > best[purpose][0]:
            best[purpose] = (item.profile.stack_level, said)
    if TX in best:
        best.pop(DEFAULT, None)
    return min((limit for _, limit in best.values()), default=None)


def said_by(item, moment, closed):
    if (item.valid_from and moment < item.valid_from) or (item.valid_to and moment >= item.valid_to):
        return None
    schedule = item.charging_schedule[0]
    begin = schedule.start_schedule or T0 + timedelta(seconds=closed)
    if moment < begin:
        return None
    if item.recurrency_kind is not None:
        step = timedelta(days=1 if item.recurrency_kind is RecurrencyKind.DAILY else 7)
        while begin + step <= moment:
            begin += step
    gone = (moment - begin).total_seconds()
    if schedule.duration is not None and gone >= schedule.duration:
        return None
    return [period.limit for period in schedule.charging_schedule_period if period.start_period <= gone][-1]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(random_profile(), max_size=6, unique_by=lambda item: item.profile.stack_level),
    st.integers(-3600, 0),
    st.lists(st.integers(0, HORIZON - 1), min_size=1, max_size=30),
)
def test_it_agrees_with_the_sampler_everywhere(profiles, closed, instants):
    found = composite(*profiles, closed=NOW + closed * 1000)
    pieces = found.pieces(NOW, NOW + HORIZON * 1000)
    edges = [(piece.start - NOW) // 1000 for piece in pieces]
    for second in {*instants, *edges, *(edge - 1 for edge in edges[1:])}:
        truth = sampled(profiles, second, closed)
        at = NOW + second * 1000
        assert piece_at(pieces, at) == found.limit_at(at) == (None if truth is None else truth * 1000)
    assert all(one.limit != other.limit for one, other in pairwise(pieces))


@settings(max_examples=200, deadline=None)
@given(st.lists(random_profile(), max_size=4, unique_by=lambda item: item.profile.stack_level), seconds)
def test_nothing_changes_before_the_next_edge(profiles, second):
    found = composite(*profiles, closed=NOW)
    at = NOW + second * 1000
    edge = found.next_edge(at)
    end = at + 3600_000 if edge is None else edge
    assert edge is None or edge > at
    assert {found.limit_at(at + (end - 1 - at) * step // 7) for step in range(8)} == {found.limit_at(at)}


def piece_at(pieces: tuple[Piece, ...], at):
    return [piece.limit for piece in pieces if piece.start <= at][-1]
