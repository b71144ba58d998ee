"""Provisioning (block B): BootNotification until the CSMS accepts, and the heartbeat that keeps its time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

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

#: What is waited where the CSMS names no interval for the next BootNotification (B01.FR.04, B02.FR.07, B03.FR.05), ms.
DEFAULT_BOOT_INTERVAL = 30_000

Call = Callable[[Request[Any]], Awaitable[Any]]


class Provisioning:
    """Whether the CSMS has taken the station in, and the messages that keep it so."""

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

    @property
    def accepted(self) -> bool:
        """Whether messages other than BootNotification may be sent (B01, B02.FR.02)."""
        return self.status is RegistrationStatus.ACCEPTED

    def connected(self) -> None:
        """A connection stands: boot, or go on after an interruption (B04)."""
        self.disconnected()
        self._task = asyncio.ensure_future(self._keep())

    def disconnected(self) -> None:
        """The connection is gone."""
        if self._task:
            self._task.cancel()
            self._task = None

    def boot_now(self) -> None:
        """The CSMS asks for the BootNotification before its time (F06)."""
        self._poke.set()

    async def _keep(self) -> None:
        while not self.accepted:
            await self._wait(await self._boot())
        while True:
            await self._wait(self._heartbeat_interval())
            await self.heartbeat()

    async def _boot(self) -> int:
        """One BootNotification; how long (ms) to wait before the next message."""
        request = BootNotificationRequest(charging_station=self._identity, reason=self.reason)
        try:
            response: BootNotificationResponse = await self._call(request)
        except CsmsError as error:
            _log.warning("boot notification failed", why=str(error))
            return DEFAULT_BOOT_INTERVAL
        self.status = response.status
        _log.info("boot notification answered", status=str(response.status), interval=response.interval)
        interval = response.interval * 1000
        if not self.accepted:
            return interval or DEFAULT_BOOT_INTERVAL
        self._time.synchronise(response.current_time)
        await self._accepted(interval)
        return 0

    async def heartbeat(self) -> None:
        """Ask the CSMS for its time (B08, G02)."""
        try:
            response: HeartbeatResponse = await self._call(HeartbeatRequest())
        except CsmsError as error:
            _log.info("heartbeat failed", why=str(error))
        else:
            self._time.synchronise(response.current_time)

    async def _wait(self, milliseconds: int) -> None:
        self._poke.clear()
        timer = self._clock.call_at(self._clock.monotonic() + milliseconds, self._poke.set)
        try:
            await self._poke.wait()
        finally:
            timer.cancel()
