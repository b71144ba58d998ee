"""The CSMS's time. OCPP time stamps are never invented: before the first answer there is none.

The offset between the CSMS's clock and the machine's monotonic clock is all that is kept, so a wall clock that jumps
moves no time stamp. A reading taken at a monotonic instant is stamped with that instant, however late it is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from bridge.clock import Clock

#: From here on a correction is a jump, which others have to know of (A04: SettingSystemTime; ClockCtrlr's default).
JUMP: Final = timedelta(seconds=20)


class CsmsTime:
    """UTC as the CSMS tells it (B01.FR.06, G02.FR.06: BootNotification and Heartbeat set it)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._zero: datetime | None = None  # the CSMS's UTC at monotonic 0
        self._listeners: list[Callable[[timedelta], None]] = []

    @property
    def known(self) -> bool:
        """Whether the CSMS has told the time since the gateway started."""
        return self._zero is not None

    def on_jump(self, listener: Callable[[timedelta], None]) -> None:
        """Be called when the CSMS's clock has jumped by `JUMP` or more, with how far (plus: forward)."""
        self._listeners.append(listener)

    def synchronise(self, current_time: datetime, asked: int | None = None) -> None:
        """Take the CSMS's time. A naive one is a habit in the field and means UTC.

        `asked` is when it was asked for (monotonic ms): it was told at some instant between then and now. What is known
        already is corrected only as far as that shows it wrong: a question may have waited for its turn, and an answer
        be slow. The first one was most likely told midway.
        """
        told = current_time if current_time.tzinfo else current_time.replace(tzinfo=UTC)
        now = self._clock.monotonic()
        first, last = now if asked is None else asked, now
        before = self._zero
        if before is None:
            self._zero = told - timedelta(milliseconds=(first + last) // 2)
        else:
            self._zero = min(max(before, told - timedelta(milliseconds=last)), told - timedelta(milliseconds=first))
        if before is not None and abs(self._zero - before) >= JUMP:
            for listener in self._listeners:
                listener(self._zero - before)

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
