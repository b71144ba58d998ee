"""Waits between dials (Part 4, 5.3)."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.station.backoff import SHORTEST_WAIT, BackOff, BackOffSettings


def waits(settings: BackOffSettings, count: int, randint=lambda low, high: low) -> list[int]:
    back_off = BackOff(settings, randint)
    return [back_off.next() for _ in range(count)]


def test_doubles_as_often_as_repeat_times_says_and_then_stays():
    assert waits(BackOffSettings(10_000, 0, 3), 6) == [10_000, 20_000, 40_000, 80_000, 80_000, 80_000]


def test_no_doubling_at_all():
    assert waits(BackOffSettings(10_000, 0, 0), 3) == [10_000, 10_000, 10_000]


def test_every_increase_has_a_new_random_part():
    parts = iter([1_000, 2_000, 3_000])
    got = waits(BackOffSettings(10_000, 5_000, 2), 4, lambda low, high: next(parts))
    assert got == [11_000, 24_000, 51_000, 51_000]


def test_begins_anew_after_a_connection():
    back_off = BackOff(BackOffSettings(10_000, 0, 3), lambda low, high: low)
    assert [back_off.next(), back_off.next()] == [10_000, 20_000]
    back_off.reset()
    assert back_off.next() == 10_000


def test_new_settings_take_effect_at_the_next_wait():
    back_off = BackOff(BackOffSettings(10_000, 0, 0), lambda low, high: low)
    back_off.next()
    back_off.settings = BackOffSettings(10_000, 0, 1)
    assert back_off.next() == 20_000


def test_never_hammers_the_csms():
    assert waits(BackOffSettings(0, 0, 3), 4) == [SHORTEST_WAIT] * 4


@given(st.integers(0, 10**6), st.integers(0, 10**5), st.integers(0, 6), st.randoms(use_true_random=False))
def test_waits_never_shrink_and_stay_within_the_bounds(minimum, spread, repeat, random):
    got = waits(BackOffSettings(minimum, spread, repeat), repeat + 3, random.randint)
    assert got == sorted(got)
    assert got[0] >= minimum
    assert got[-1] == got[-2] == got[repeat]
    assert got[-1] <= max(SHORTEST_WAIT, minimum * 2**repeat + spread * (2 ** (repeat + 1) - 1))
