"""The site's ceiling of the state of charge: charging ends at it, and begins anew some way below, by fresh values."""

from __future__ import annotations

import pytest

from bridge.charger.ceiling import Ceiling
from bridge.charger.memory import CEILING, InMemory
from bridge.charger.orders import Hindrances, order
from bridge.evse import Mode, Reading, Source, Wanted

NOW = 1_000_000


def soc(percent: float, age: int = 0, source: Source = Source.READ) -> Reading:
    return Reading(round(percent * 1000), NOW - age, source)


@pytest.mark.parametrize(
    ("readings", "closed"),
    [
        ([], False),
        ([soc(79.9)], False),
        ([soc(80)], True),
        ([soc(80), soc(77.1)], True),
        ([soc(80), soc(77)], False),
        ([soc(80), None], True),
        ([soc(80, age=60_001)], False),
        ([soc(80, age=60_000)], True),
        ([soc(80, source=Source.LAST_KNOWN)], False),
        ([soc(80, source=Source.NOTIFIED)], True),
        ([soc(80), soc(50, age=60_001)], True),
        ([soc(80), soc(50, source=Source.LAST_KNOWN)], True),
        ([soc(80), soc(50, source=Source.NOTIFIED)], True),
        ([soc(80), soc(50), soc(79)], False),
    ],
)
def test_charging_ends_at_the_ceiling_and_begins_anew_below_it(readings: list[Reading | None], closed: bool) -> None:
    ceiling = Ceiling(80_000)
    for reading in readings:
        ceiling.look(reading, NOW)
    assert (ceiling.trouble is not None) is closed
    if closed:
        assert "80 %" in str(ceiling.trouble)


def test_that_it_was_reached_is_remembered_over_a_restart() -> None:
    memory = InMemory()
    ceiling = Ceiling(80_000, memory)
    ceiling.look(soc(80), NOW)
    assert Ceiling(80_000, memory).trouble is not None
    assert Ceiling(90_000, memory).trouble is None  # the site has another one now
    again = Ceiling(80_000, memory)
    again.look(soc(77), NOW)
    assert again.trouble is None
    assert Ceiling(80_000, memory).trouble is None


def test_a_vehicle_that_leaves_takes_it_along() -> None:
    memory = InMemory()
    ceiling = Ceiling(80_000, memory)
    ceiling.look(soc(80), NOW)
    ceiling.vehicle_left()
    assert ceiling.trouble is None
    assert Ceiling(80_000, memory).trouble is None


@pytest.mark.parametrize("kept", ["[]", "{", '{"reached": "80"}'])
def test_what_cannot_be_read_of_the_memory_is_as_good_as_nothing(kept: str) -> None:
    assert Ceiling(80_000, InMemory({CEILING: kept})).trouble is None


def test_a_hundred_percent_is_no_ceiling() -> None:
    ceiling = Ceiling()
    ceiling.look(soc(100), NOW)
    assert ceiling.trouble is None


@pytest.mark.parametrize(
    ("mode", "becomes"),
    [(Mode.CHARGE, Mode.PAUSE), (Mode.AUTO, Mode.PAUSE), (Mode.DISCHARGE, Mode.DISCHARGE), (Mode.STOP, Mode.STOP)],
)
def test_only_what_could_charge_is_paused(mode: Mode, becomes: Mode) -> None:
    assert order(Wanted(mode), Hindrances(ceiling="full enough")).wanted.mode is becomes
