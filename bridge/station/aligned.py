"""Clock-aligned instants (J01): where a day's slots lie in a time zone, and a timer that fires at them.

A value of an aligned instant carries that instant exactly. The CSMS's clock may be corrected while the timer runs: an
instant that has not come yet is waited for again, one that a jump has passed by more than a slot is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bridge.clock import Clock
from bridge.station.csms_time import CsmsTime
from bridge.station.timer import Timer

_DAY = timedelta(days=1)
#: Timers count in whole milliseconds, instants in finer ones.
_TOLERANCE = timedelta(milliseconds=2)


@lru_cache(maxsize=16)
def zone_of(name: str) -> tzinfo:
    """The time zone of a name such as `Asia/Tokyo`; none is UTC. Raises ValueError where there is no such zone."""
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone that is known here; write it as Asia/Tokyo") from error


def next_slot(after: datetime, interval: int, zone: tzinfo) -> datetime:
    """The first aligned instant (UTC) later than `after`.

    A day is broken into slots of `interval` seconds from the zone's midnight on (AlignedDataCtrlr.Interval); where they
    do not fill it, the last one is short. The days on which clocks change are as long as they are.
    """
    today = after.astimezone(zone).date()
    midnight = _midnight(datetime.combine(today, time()), zone)
    width = timedelta(seconds=interval)
    slot = midnight + ((after - midnight) // width + 1) * width
    return min(slot, _midnight(datetime.combine(today, time()) + _DAY, zone))


def _midnight(day: datetime, zone: tzinfo) -> datetime:
    return day.replace(tzinfo=zone).astimezone(UTC)


class AlignedTimer:
    """Calls back with each aligned instant. `interval` (s; 0: never) and `zone` are asked whenever it is armed."""

    def __init__(
        self,
        clock: Clock,
        csms_time: CsmsTime,
        interval: Callable[[], int],
        zone: Callable[[], tzinfo],
        callback: Callable[[datetime], None],
    ) -> None:
        self._clock, self._time, self._interval, self._zone, self._callback = clock, csms_time, interval, zone, callback
        self._timer = Timer(clock, self._due)
        self._slot: datetime | None = None
        self._last: datetime | None = None

    def arm(self) -> None:
        """Wait for the next instant; no harm if that goes on already. Without the CSMS's time there is none."""
        now, interval = self._time.utc(), self._interval()
        if now is None or interval <= 0:
            self._slot = None
            self._timer.cancel()
            return
        if self._slot is not None and self._slot <= now:  # a correction of the clock has carried us beyond it
            self._tell(self._slot, now)
        # Told already, but the clock was set back a little since: not twice.
        told = self._last is not None and timedelta() <= self._last - now < timedelta(seconds=interval)
        self._slot = next_slot(self._last if told and self._last else now, interval, self._zone())
        self._timer.set_at(self._time.monotonic(self._slot))

    def cancel(self) -> None:
        """Do not fire."""
        self._timer.cancel()

    def _due(self) -> None:
        now, slot = self._time.utc(), self._slot
        if now is not None and slot is not None and slot - _TOLERANCE <= now:
            self._tell(slot, now)
        self.arm()

    def _tell(self, slot: datetime, now: datetime) -> None:
        self._slot = None
        if now < slot + timedelta(seconds=self._interval()):  # else a jump has passed it by
            self._last = slot
            self._callback(slot)
