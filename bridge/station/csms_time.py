"""The CSMS's time. OCPP time stamps are never invented: before the first answer there is none.

The offset between the CSMS's clock and the machine's monotonic clock is all that is kept, so a wall clock that jumps
moves no time stamp. A reading taken at a monotonic instant is stamped with that instant, however late it is sent.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bridge.clock import Clock


class CsmsTime:
    """UTC as the CSMS tells it (B01.FR.06, B08: BootNotification and Heartbeat set it)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._zero: datetime | None = None  # the CSMS's UTC at monotonic 0

    @property
    def known(self) -> bool:
        """Whether the CSMS has told the time since the gateway started."""
        return self._zero is not None

    def synchronise(self, current_time: datetime) -> None:
        """Take the CSMS's time. A naive one is a habit in the field and means UTC."""
        told = current_time if current_time.tzinfo else current_time.replace(tzinfo=UTC)
        self._zero = told - timedelta(milliseconds=self._clock.monotonic())

    def utc(self, monotonic: int | None = None) -> datetime | None:
        """The CSMS's time now, or at a monotonic instant (ms); None before its first answer."""
        if self._zero is None:
            return None
        return self._zero + timedelta(milliseconds=self._clock.monotonic() if monotonic is None else monotonic)

    def monotonic(self, utc: datetime) -> int | None:
        """The monotonic instant (ms) of a UTC time; None before the CSMS's first answer."""
        if self._zero is None:
            return None
        return round((utc - self._zero) / timedelta(milliseconds=1))
