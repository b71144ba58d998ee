"""Provisioning (block B): BootNotification until the CSMS accepts, and the heartbeat that keeps its time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from bridge.clock import Clock
from bridge.errors import CsmsError
from bridge.station.csms_time import CsmsTime
from bridge.station.messages import (
    BootNotificationRequest,
    BootNotificationResponse,
    BootReason,
    ChargingStation,
    HeartbeatRequest,
    HeartbeatResponse,
    RegistrationStatus,
    Request,
)

_log = structlog.get_logger(__name__)

#: What is waited where the CSMS names no interval for the next BootNotification (B02.FR.07, B03.FR.05), ms; and how
#: much longer at most, by chance, so that all stations of a CSMS in trouble do not ask at once.
DEFAULT_BOOT_INTERVAL: Final = 30_000
_BOOT_SPREAD: Final = 10_000

Call = Callable[[Request[Any]], Awaitable[Any]]


class Provisioning:
    """Whether the CSMS has taken the station in, and the messages that keep it so.

    A boot is due when the station starts, when it is restarted, and when it has gone to another CSMS (B10.FR.10); a
    connection that was lost and stands again needs none (Part 4, 5.3). `reason` is told with the next one.
    """

    def __init__(
        self,
        clock: Clock,
        time: CsmsTime,
        call: Call,
        identity: ChargingStation,
        *,
        accepted: Callable[[int], Awaitable[None]],
        heartbeat_interval: Callable[[], int],
    ) -> None:
        self.status: RegistrationStatus | None = None
        self.reason = BootReason.POWER_UP
        self._clock, self._time, self._call, self._identity = clock, time, call, identity
        self._accepted, self._heartbeat_interval = accepted, heartbeat_interval
        self._task: asyncio.Task[None] | None = None
        self._poke = asyncio.Event()
        self._triggered = False
        self._next_boot = 0  # monotonic ms: not before, unless triggered (B02.FR.04, B03.FR.02)
        self._last_beat = 0
        #: Since when (monotonic ms, below 0: in an earlier life) no CSMS takes what is told; None while one does.
        self.alone_since: int | None = clock.monotonic()

    @property
    def accepted(self) -> bool:
        """Whether messages other than BootNotification may be sent (B01, B02.FR.02)."""
        return self.status is RegistrationStatus.ACCEPTED

    def restore(self, alone_since: datetime | None) -> None:
        """No CSMS has been there since that time, in an earlier life of the gateway."""
        now = self._time.presumed()
        if alone_since is not None and now is not None and alone_since < now:
            self.alone_since = self._clock.monotonic() - (now - alone_since) // timedelta(milliseconds=1)

    def connected(self) -> None:
        """A connection stands: boot, or go on after an interruption (B04)."""
        self.disconnected()
        if self.accepted:
            self.alone_since = None
        self._task = asyncio.ensure_future(self._keep())

    def disconnected(self) -> None:
        """The connection is gone."""
        self._alone()
        if self._task:
            self._task.cancel()
            self._task = None

    def boot_now(self) -> None:
        """The CSMS asks for the BootNotification before its time (F06)."""
        if not self.accepted:
            self._triggered = True
            self._poke.set()

    def start_over(self, reason: BootReason | None = None) -> None:
        """The station has rebooted, or gone to another CSMS: nobody has taken it in, and it boots when connected."""
        self.status = None
        self.reason = reason or self.reason
        self._next_boot, self._triggered = 0, False
        self._alone()

    def _alone(self) -> None:
        if self.alone_since is None:
            self.alone_since = self._clock.monotonic()

    def interval_changed(self) -> None:
        """HeartbeatInterval has been set: it counts from the last heartbeat on."""
        if self.accepted:
            self._poke.set()

    async def _keep(self) -> None:
        while not self.accepted:
            if await self._until(lambda: self._next_boot) or self._triggered:
                await self._boot()
        self._triggered = False
        self._last_beat = self._clock.monotonic()
        while True:
            if await self._until(lambda: self._last_beat + self._heartbeat_interval()):
                await self.heartbeat()
                self._last_beat = self._clock.monotonic()

    async def _boot(self) -> None:
        """One BootNotification, and when the next one may come."""
        reason = BootReason.TRIGGERED if self._triggered else self.reason
        self._triggered = False
        asked = self._clock.monotonic()
        try:
            response: BootNotificationResponse = await self._call(BootNotificationRequest(self._identity, reason))
        except CsmsError as error:
            _log.warning("boot notification failed", why=str(error))
            self._next_boot = self._clock.monotonic() + self._own_interval()
            return
        self.status = response.status
        interval = response.interval * 1000
        _log.info("boot notification answered", status=str(response.status), interval=response.interval)
        self._time.synchronise(response.current_time, asked)
        if self.accepted:
            self.alone_since = None
            await self._accepted(interval)
        else:
            self._next_boot = self._clock.monotonic() + (interval if interval > 0 else self._own_interval())

    async def heartbeat(self) -> None:
        """Ask the CSMS for its time (G02)."""
        asked = self._clock.monotonic()
        try:
            response: HeartbeatResponse = await self._call(HeartbeatRequest())
        except CsmsError as error:
            _log.info("heartbeat failed", why=str(error))
        else:
            self._time.synchronise(response.current_time, asked)

    def _own_interval(self) -> int:
        return DEFAULT_BOOT_INTERVAL + self._clock.random.randint(0, _BOOT_SPREAD)

    async def _until(self, due: Callable[[], int]) -> bool:
        """Wait for an instant (monotonic ms) that may move meanwhile; False where something else has ended the wait."""
        if self._triggered:
            return False
        self._poke.clear()
        if self._clock.monotonic() >= due():
            return True
        timer = self._clock.call_at(due(), self._poke.set)
        try:
            await self._poke.wait()
        finally:
            timer.cancel()
        return self._clock.monotonic() >= due()
