"""Security events (A04), as far as block B makes them: they are queued, so that none is lost (A04.FR.02).

What happens before the CSMS has told the time is held back until it has: its time stamp is that of the happening.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from bridge.clock import Clock
from bridge.station.csms_time import CsmsTime
from bridge.station.messages import BootReason, SecurityEvent, SecurityEventNotificationRequest
from bridge.station.outbox import Outbox

#: SecurityEventNotificationRequest.techInfo.
_LONGEST: Final = 255
#: Why the station has booted, as a security event; every other reason is a start.
_RESETS: Final = frozenset({BootReason.REMOTE_RESET, BootReason.SCHEDULED_RESET, BootReason.LOCAL_RESET})


class SecurityEvents:
    """The security events of one station. `spawn` runs what cannot be waited for."""

    def __init__(
        self, clock: Clock, time: CsmsTime, outbox: Outbox, spawn: Callable[[Coroutine[Any, Any, None]], object]
    ) -> None:
        self._clock, self._time, self._outbox, self._spawn = clock, time, outbox, spawn
        self._held: list[tuple[SecurityEvent, str, int]] = []
        self._told: set[tuple[SecurityEvent, str]] = set()

    def report(self, event: SecurityEvent, text: str = "") -> None:
        """Something has happened now."""
        self._held.append((event, text, self._clock.monotonic()))
        self.release()

    def report_once(self, event: SecurityEvent, text: str) -> None:
        """The same of what a station meets at every dial, once until it is connected."""
        if (event, text) not in self._told:
            self._told.add((event, text))
            self.report(event, text)

    def booted(self, reason: BootReason) -> None:
        """The station has booted now."""
        event = SecurityEvent.RESET_OR_REBOOT if reason in _RESETS else SecurityEvent.STARTUP_OF_THE_DEVICE
        self.report(event, f"boot reason {reason}")

    def connected(self) -> None:
        """What is met from here on is worth telling again."""
        self._told.clear()

    def release(self) -> None:
        """Queue what was held back, if the time is known by now."""
        if not self._time.known:
            return
        held, self._held = self._held, []
        for event, text, at in held:
            stamp = self._time.utc(at)
            if stamp is not None:
                request = SecurityEventNotificationRequest(event.value, stamp, text[:_LONGEST] or None)
                self._spawn(self._keep(request))

    async def _keep(self, request: SecurityEventNotificationRequest) -> None:
        await self._outbox.keep(request)
