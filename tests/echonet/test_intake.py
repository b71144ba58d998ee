"""How much of what nobody asked for is let in, and how often it is spoken of."""

from __future__ import annotations

import pytest

from bridge.echonet.intake import (
    OWN_BURST,
    OWN_RATE,
    SAY_AGAIN,
    STRANGERS_BURST,
    STRANGERS_RATE,
    Oddities,
    Sluice,
)

KNOWN, OTHER = "192.0.2.7", "192.0.2.8"
SECONDS = 10


def flood(sluice: Sluice, address: str, now: int, count: int) -> int:
    return sum(sluice.admits(address, now) for _ in range(count))


def test_a_burst_passes_and_then_what_the_rate_allows():
    sluice = Sluice({KNOWN}.__contains__)
    assert flood(sluice, KNOWN, 0, 10_000) == OWN_BURST
    assert flood(sluice, KNOWN, 1_000, 10_000) == OWN_RATE
    assert flood(sluice, KNOWN, 3_600_000, 10_000) == OWN_BURST  # it fills no further


def test_a_known_node_is_heard_while_strangers_flood():
    sluice = Sluice({KNOWN}.__contains__)
    let_in = 0
    for millisecond in range(0, SECONDS * 1000, 10):
        let_in += sum(sluice.admits(f"10.{n}.{millisecond % 250}.1", millisecond) for n in range(100))
        if millisecond % 100 == 0:
            assert sluice.admits(KNOWN, millisecond)
    assert let_in == pytest.approx(STRANGERS_BURST + SECONDS * STRANGERS_RATE, rel=0.01)


def test_many_senders_take_no_room():
    strangers, known = Sluice(lambda _: False), Sluice(lambda _: True)
    for number in range(5_000):
        strangers.admits(str(number), 0)
        known.admits(str(number), 0)
    assert len(strangers._measures) == 1
    assert len(known._measures) <= 1024


def test_an_oddity_is_told_once_then_with_the_number_of_those_between():
    told = []
    oddities = Oddities(lambda text, **details: told.append((text, details)))
    for now in range(0, SAY_AGAIN, 10):
        oddities.seen("late", now, "late answer", address=KNOWN)
    oddities.seen("other", 5, "something else")
    assert told == [("late answer", {"address": KNOWN}), ("something else", {})]
    oddities.seen("late", SAY_AGAIN, "late answer", address=OTHER)
    assert told[2:] == [("late answer", {"address": OTHER, "unsaid": SAY_AGAIN // 10 - 1})]
