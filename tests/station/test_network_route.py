"""Which network profile is dialled next: exactly N attempts of each, and nobody is ever stranded."""

from __future__ import annotations

import pytest

from bridge.station.network_route import Route


def route(*priority: int, attempts: int = 2, last: int | None = None) -> Route:
    return Route(lambda: priority, lambda: attempts, last)


def fails(way: Route, count: int) -> list[int]:
    dialled = []
    for _ in range(count):
        dialled.append(way.next())
        way.failed()
    return dialled


@pytest.mark.parametrize("attempts", [1, 2, 3, 7])
def test_each_slot_has_exactly_so_many_attempts(attempts: int) -> None:
    way = route(2, 1, 3, attempts=attempts)
    assert fails(way, 3 * attempts) == [2] * attempts + [1] * attempts + [3] * attempts


def test_after_a_reboot_the_first_of_the_list_comes_first_whatever_was_connected_before() -> None:
    assert fails(route(2, 1, last=1), 2) == [2, 2]


def test_after_a_whole_round_the_last_good_one_comes_first_and_the_others_are_not_forgotten() -> None:
    """B10.FR.07, then B10.FR.08, for ever (B10.FR.09)."""
    way = route(2, 1, attempts=1, last=1)
    assert fails(way, 6) == [2, 1, 1, 2, 1, 2]


def test_without_any_good_one_the_list_begins_again() -> None:
    assert fails(route(2, 1, attempts=1), 5) == [2, 1, 2, 1, 2]


def test_a_lost_connection_is_dialled_again_where_it_stood() -> None:
    way = route(2, 1, attempts=2, last=None)
    fails(way, 2)
    assert way.next() == 1
    assert way.connected()
    assert fails(way, 5) == [1, 1, 2, 2, 1]


def test_a_connection_forgets_the_attempts_before_it() -> None:
    way = route(1, 2, attempts=3, last=1)
    fails(way, 2)
    assert not way.connected()
    assert fails(way, 4) == [1, 1, 1, 2]


def test_a_reboot_forgets_the_attempts_before_it() -> None:
    way = route(2, 1, attempts=2, last=1)
    fails(way, 3)
    way.restart()
    assert fails(way, 3) == [2, 2, 1]


def test_it_knows_whether_it_goes_elsewhere() -> None:
    way = route(2, 1, attempts=1, last=1)
    assert way.migrating
    way.failed()
    assert not way.migrating
    assert not route(1).migrating  # nothing stood before


def test_a_last_good_slot_that_has_left_the_list_is_not_dialled() -> None:
    assert fails(route(2, attempts=1, last=1), 3) == [2, 2, 2]
