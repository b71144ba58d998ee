"""The CSMS's time. OCPP time stamps are never invented: before the first answer there is none.

The offset between the CSMS's clock and the machine's monotonic clock is all that is kept, so a wall clock that jumps
moves no time stamp. A reading taken at a monotonic instant is stamped with that instant, however late it is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from bridge.clock import Clock

#: From here on a correction is a jump, which others have to know of (A04: SettingSystemTime; ClockCtrlr's default).
JUMP: Final = timedelta(seconds=20)
#: By so much an edge of a schedule may be late (within 1 s of its time, translation.md "Limits").
CORRECTION: Final = timedelta(milliseconds=100)
#: The name in the store of the CSMS's time and the machine's at one instant; kept anew when so much has changed.
_TOLD: Final = "csms.time"
_MOVED: Final = timedelta(seconds=1)
_OLD: Final = timedelta(hours=1)


class CsmsTime:
    """UTC as the CSMS tells it (B01.FR.06, G02.FR.06: BootNotification and Heartbeat set it).

    `keep` makes settings durable soon.
    """

    def __init__(self, clock: Clock, keep: Callable[[Mapping[str, str]], None] = lambda _: None) -> None:
        self._clock = clock
        self._keep = keep
        self._zero: datetime | None = None  # the CSMS's UTC at monotonic 0
        self._told: tuple[datetime, datetime] | None = None  # ... and the machine's at the same instant, as kept
        self._born = clock.monotonic()
        self._listeners: list[Callable[[timedelta], None]] = []
        self.on_correction: Callable[[], None] = lambda: None  # called after each from `CORRECTION` to a jump

    def restore(self, settings: Mapping[str, str]) -> None:
        """What the CSMS told an earlier life."""
        if _TOLD in settings:
            utc, wall = map(datetime.fromisoformat, settings[_TOLD].split())
            self._told = utc, wall

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
        self._note(self._zero + timedelta(milliseconds=now), self._clock.wall())
        by = timedelta(0) if before is None else self._zero - before
        if abs(by) >= JUMP:
            for listener in self._listeners:
                listener(by)
        elif abs(by) >= CORRECTION:
            self.on_correction()

    def utc(self, monotonic: int | None = None) -> datetime | None:
        """The CSMS's time now, or at a monotonic instant (ms); None before its first answer."""
        if self._zero is None:
            return None
        return self._zero + timedelta(milliseconds=self._clock.monotonic() if monotonic is None else monotonic)

    def presumed(self) -> datetime | None:
        """The CSMS's time now, or before its first answer what it most likely is: for limits, which must not wait for a
        CSMS that is away, and never for a time stamp. None: no CSMS has ever told a time.

        The machine's clock has gone on since the last life. Where it was set back (no battery, no network) the time is
        at least what was told last, and goes on from there.
        """
        if self._zero is not None or self._told is None:
            return self.utc()
        utc, wall = self._told
        lived = timedelta(milliseconds=self._clock.monotonic() - self._born)
        return utc + max(self._clock.wall() - wall, lived)

    def _note(self, utc: datetime, wall: datetime) -> None:
        if self._told is not None:
            passed = utc - self._told[0]
            if abs(passed - (wall - self._told[1])) < _MOVED and passed < _OLD:
                return
        self._told = utc, wall
        self._keep({_TOLD: f"{utc.isoformat()} {wall.isoformat()}"})

    def monotonic(self, utc: datetime) -> int | None:
        """The monotonic instant (ms) of a UTC time; None before the CSMS's first answer."""
        if self._zero is None:
            return None
        return round((utc - self._zero) / timedelta(milliseconds=1))
