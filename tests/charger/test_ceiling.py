"""The site's ceiling of the state of charge: charging ends at it, and begins anew some way below, by fresh values."""

from __future__ import annotations

import pytest

from bridge.charger.ceiling import Ceiling
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
