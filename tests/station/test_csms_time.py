"""The CSMS's clock as the station keeps it: midway of the question, and never silently hours off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bridge.clock import Clock, run_virtual
from bridge.station.csms_time import CsmsTime

NOON = datetime(2030, 6, 1, 12, tzinfo=UTC)


def test_a_slow_answer_is_taken_for_its_middle() -> None:
    async def main() -> None:
        clock = Clock()
        time = CsmsTime(clock)
        asked = clock.monotonic()
        await clock.sleep(10_000)
        time.synchronise(NOON, asked)
        assert time.utc() == NOON + timedelta(seconds=5)
        assert time.utc(asked) == NOON - timedelta(seconds=5)
        assert time.monotonic(NOON) == 5_000

    run_virtual(main())


def test_a_slow_answer_does_not_spoil_what_is_known() -> None:
    """A Heartbeat that waited for its turn, or whose answer was late: the time was right, and stays so."""

    async def main() -> None:
        clock = Clock()
        time = CsmsTime(clock)
        time.synchronise(NOON)
        for told_after in (0, 15_000, 30_000):
            asked, expected = clock.monotonic(), time.utc()
            assert expected is not None
            await clock.sleep(30_000)
            time.synchronise(expected + timedelta(milliseconds=told_after), asked)
            assert time.utc(asked) == expected
        asked, expected = clock.monotonic(), time.utc()
        assert expected is not None
        await clock.sleep(1_000)
        time.synchronise(expected + timedelta(seconds=5), asked)  # it cannot have been told before it was asked for
        assert time.utc() == expected + timedelta(seconds=5)

    run_virtual(main())


def test_a_jump_is_told_and_a_correction_is_not() -> None:
    async def main() -> None:
        clock = Clock()
        time = CsmsTime(clock)
        jumps: list[timedelta] = []
        time.on_jump(jumps.append)
        assert time.utc() is None
        time.synchronise(NOON)
        time.synchronise(NOON + timedelta(seconds=19))
        assert jumps == []
        time.synchronise(NOON - timedelta(hours=3))
        assert jumps == [timedelta(hours=-3, seconds=-19)]
        time.synchronise(NOON.replace(tzinfo=None))  # a naive one is UTC
        assert jumps[1:] == [timedelta(hours=3)]
        assert time.utc() == NOON

    run_virtual(main())


class _SetBack(Clock):
    """A machine without a battery for its clock."""

    by = timedelta(0)

    def wall(self) -> datetime:
        return super().wall() - self.by


def test_before_its_first_answer_the_time_is_presumed_and_never_told() -> None:
    """For limits alone: by the machine, or where it was set back from the last time on."""

    async def main() -> None:
        clock, kept = _SetBack(), dict[str, str]()
        first = CsmsTime(clock, kept.update)
        assert first.presumed() is None
        first.synchronise(NOON)
        assert first.presumed() == first.utc() == NOON
        await clock.sleep(600_000)
        for by, presumed in ((timedelta(0), 600), (timedelta(days=9), 0)):
            clock.by = by
            second = CsmsTime(clock)
            second.restore(kept)
            assert second.utc() is None
            assert second.presumed() == NOON + timedelta(seconds=presumed)
        await clock.sleep(30_000)
        assert second.presumed() == NOON + timedelta(seconds=30)
        second.synchronise(NOON)
        assert second.presumed() == second.utc() == NOON

    run_virtual(main())


def test_what_is_told_is_kept_when_it_has_changed_and_hourly() -> None:
    async def main() -> None:
        clock = Clock()
        kept: list[object] = []
        time = CsmsTime(clock, kept.append)
        for minute in range(121):
            time.synchronise(NOON + timedelta(minutes=minute))
            await clock.sleep(60_000)
        assert len(kept) == 3
        time.synchronise(NOON)
        assert len(kept) == 4

    run_virtual(main())
