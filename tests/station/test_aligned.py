"""Where a day's aligned instants lie, in zones of all kinds (J01, AlignedDataCtrlr.Interval)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from bridge.clock import Clock, run_virtual
from bridge.station.aligned import AlignedTimer, next_slot, zone_of
from bridge.station.csms_time import CsmsTime

ZONES = ["Asia/Tokyo", "Asia/Kolkata", "America/New_York", "Europe/Oslo", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]
INTERVALS = [1, 7, 60, 300, 900, 3600, 7200, 25_200, 86_400, 100_000]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("after", "interval", "zone", "slot"),
    [
        ("2026-01-05T03:17:00Z", 900, "UTC", "2026-01-05T03:30:00Z"),
        ("2026-01-05T03:30:00Z", 900, "UTC", "2026-01-05T03:45:00Z"),
        ("2026-01-05T03:29:59.999Z", 900, "UTC", "2026-01-05T03:30:00Z"),
        ("2026-01-05T03:17:00Z", 7200, "Asia/Tokyo", "2026-01-05T05:00:00Z"),
        ("2026-01-05T14:59:00Z", 86_400, "Asia/Tokyo", "2026-01-05T15:00:00Z"),
        ("2026-01-05T15:00:00Z", 86_400, "Asia/Tokyo", "2026-01-06T15:00:00Z"),
        ("2026-01-05T03:17:00Z", 3600, "Asia/Kolkata", "2026-01-05T03:30:00Z"),
        # The last slot of a day that is not filled is short.
        ("2026-01-05T22:00:00Z", 25_200, "UTC", "2026-01-06T00:00:00Z"),
        # Clocks go forward at 01:00 UTC: the local day has 23 hours, its slots go on counting what passes.
        ("2026-03-29T00:30:00Z", 7200, "Europe/Oslo", "2026-03-29T01:00:00Z"),
        ("2026-03-29T21:30:00Z", 7200, "Europe/Oslo", "2026-03-29T22:00:00Z"),
        # ... and back: it has 25.
        ("2026-10-25T22:30:00Z", 7200, "Europe/Oslo", "2026-10-25T23:00:00Z"),
    ],
)
def test_slots(after: str, interval: int, zone: str, slot: str) -> None:
    assert next_slot(at(after), interval, zone_of(zone)) == at(slot)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("interval", INTERVALS)
def test_slots_go_forward_and_meet_every_midnight(zone: str, interval: int) -> None:
    rng = Clock(seed=interval).random
    for _ in range(50):
        after = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.uniform(0, 365 * 86_400))
        slot = next_slot(after, interval, zone_of(zone))
        assert after < slot <= after + timedelta(seconds=interval)
        local = slot.astimezone(ZoneInfo(zone))
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
        assert (slot - midnight) % timedelta(seconds=interval) == timedelta()
        assert after.astimezone(ZoneInfo(zone)).date() == local.date() or slot == midnight


@pytest.mark.parametrize("name", ["Asia/Edo", "../etc/passwd", "Tokyo/", "\x00"])
def test_a_zone_that_is_not_there(name: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        zone_of(name)


def test_a_timer_tells_each_instant_once_though_the_clock_is_corrected() -> None:
    """The CSMS's clock is corrected by up to 300 ms either way, every few seconds: each instant is told once."""

    async def play() -> None:
        clock = Clock(seed=1)
        rng = clock.random
        csms_time = CsmsTime(clock)
        told: list[datetime] = []
        timer = AlignedTimer(clock, csms_time, lambda: 10, lambda: UTC, told.append)
        timer.arm()
        zero = datetime(2026, 1, 5, 3, 17, tzinfo=UTC)
        for _ in range(200):
            shift = timedelta(milliseconds=rng.randint(-300, 300))
            csms_time.synchronise(zero + timedelta(milliseconds=clock.monotonic()) + shift)
            timer.arm()
            await clock.sleep(rng.randint(500, 9_000))
        timer.cancel()
        assert len(told) > 80
        assert {b - a for a, b in pairwise(told)} == {timedelta(seconds=10)}

    run_virtual(play())
