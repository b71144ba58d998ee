"""One OCPP charging station: its blocks put together, its life and its connection.

What the CSMS asks (`dispatch`) and what a unit shows (`sessions`) both end in the same two things: transaction events,
which are durable before anything is done about them (`transactions`), and a wish, which the charger carries out
(`wishes`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any

import structlog

from bridge.clock import Clock
from bridge.evse import Evse
from bridge.records import dataclass
from bridge.station.authorization_block import AuthorizationBlock
from bridge.station.availability import Availability
from bridge.station.csms_time import CsmsTime
from bridge.station.delivery import Delivery
from bridge.station.device_model import Change, DeviceModel
from bridge.station.device_model_table import Key
from bridge.station.dispatch import Dispatch
from bridge.station.link import Answer, Link
from bridge.station.local_authorization import Reader
from bridge.station.messages import (
    BootReason,
    ChargingStation,
    IdToken,
    IdTokenKind,
    Request,
    SecurityEvent,
    TransactionEventRequest,
    TransactionEventResponse,
)
from bridge.station.messages.v201 import Adapter
from bridge.station.meter_values import MeterValues
from bridge.station.network import Network
from bridge.station.outbox import Outbox, from_kept
from bridge.station.position import EvseSettings, Position
from bridge.station.provisioning import Provisioning
from bridge.station.reset import BOOT_REASON, Resets
from bridge.station.security_events import SecurityEvents
from bridge.station.sessions import Sessions
from bridge.station.smart_charging import SmartCharging
from bridge.station.statuses import Statuses
from bridge.station.transactions import Transactions
from bridge.station.wishes import Wishes
from bridge.store.keeper import Keeper, Notes
from bridge.store.port import Store, TransactionRow

_log = structlog.get_logger(__name__)


#: The name in the store of the time at which the CSMS went, as long as it is away.
_ALONE = "csms.alone"


@dataclass(frozen=True, slots=True)
class StationSettings:
    """What the site says of a station."""

    station_id: str
    evses: tuple[EvseSettings, ...]
    identity: ChargingStation
    local_token: IdToken = field(default_factory=lambda: IdToken("", IdTokenKind.NO_AUTHORIZATION))


class Station:
    """Ties the link, the store, the device model and the EVSEs together."""

    def __init__(
        self,
        settings: StationSettings,
        *,
        link: Link,
        network: Network,
        adapter: Adapter,
        store: Store,
        keeper: Keeper,
        clock: Clock,
        model: DeviceModel,
        evses: Mapping[int, Evse],
    ) -> None:
        self.settings, self.link, self.store, self.clock, self.model = settings, link, store, clock, model
        self.network = network
        self.notes = Notes(keeper, settings.station_id)
        self.adapter = adapter
        self.time = CsmsTime(clock, self.notes.put)
        self.charging = SmartCharging(self.id, store, self.time, adapter)
        self.statuses = Statuses(self)
        self.availability = Availability(self.time, self.statuses.send)
        self.provisioning = Provisioning(
            clock,
            self.time,
            link.call,
            settings.identity,
            accepted=self._on_accepted,
            heartbeat_interval=lambda: self.model.integer(Key.HEARTBEAT_INTERVAL) * 1000 or 86_400_000,
        )
        self.delivery = Delivery(
            self.id,
            store,
            clock,
            send=link.call,
            decode=lambda text: from_kept(adapter, text),
            answered=self._event_answered,
        )
        self.outbox = Outbox(
            self.id,
            store,
            adapter,
            link,
            self.delivery,
            online=lambda: self.online,
            queue_all=lambda: self.model.boolean(Key.QUEUE_ALL_MESSAGES),
        )
        self.security = SecurityEvents(clock, self.time, self.outbox, self.spawn)
        network.told = self.security.report_once
        self.time.on_jump(self._on_jump)
        model.on_change(lambda _: self.provisioning.interval_changed(), Key.HEARTBEAT_INTERVAL)
        self.resets = Resets(self)
        self.authorization = AuthorizationBlock(self)
        self.reader = Reader(self)
        self.transactions = Transactions(self)
        self.meter_values = MeterValues(self)
        self.sessions = Sessions(self)
        self.wishes = Wishes(self)
        self.time.on_correction = lambda: self.wishes.reconsider()
        self.positions: dict[int, Position] = {
            evse.evse_id: self.sessions.make_position(evse, evses[evse.evse_id]) for evse in settings.evses
        }
        self.dispatch = Dispatch(self)
        self._lost_at: int | None = None  # monotonic ms, when the CSMS was last out of reach
        self._lives = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.log = _log.bind(station=self.id)

    @property
    def id(self) -> str:
        """Its identity, as the CSMS knows it."""
        return self.settings.station_id

    # -- life

    async def restore(self) -> None:
        """Take up everything that an earlier life of the gateway has left, before anything is said or done."""
        settings = await self.store.settings(self.id)
        self.time.restore(settings)
        self.provisioning.restore(datetime.fromisoformat(settings[_ALONE]) if _ALONE in settings else None)
        self.apply_model()
        await self.authorization.restore(settings)
        await self.charging.restore()
        self.charging.expect(position.grid for position in self.positions.values())
        await self.delivery.restore()
        for position in self.positions.values():
            known = settings.get(f"evse.{position.evse_id}.connected")
            position.session.state.connected = known == str(True)
        rows = await self.store.transactions(self.id)
        for row in rows:
            self._resume(row)
        self.availability.restore(self.positions.keys(), self.statuses.busy(), settings)
        self.meter_values.restore(settings)
        await self.charging.resume({row.evse_id: row.transaction_id for row in rows})
        for position in self.positions.values():  # here, since `run` may be begun again after a failure
            position.inoperative = self.availability.inoperative(position.evse_id)
            position.evse.listen(self.sessions.listener(position))
        if changes := self.resets.restore(settings):
            await self.notes.write(changes)
        self.security.booted(self.provisioning.reason)

    async def run(self) -> None:
        """Serve for ever; cancel to end."""
        self._lives += 1
        if self._lives > 1:  # begun again after a failure
            self.booted(BootReason.APPLICATION_RESET)
        self.wishes.reconsider()
        for position in self.positions.values():
            position.deadline.set_at(position.session.next_deadline())
            self.transactions.arm(position)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.delivery.run())
                group.create_task(self.link.run(self))
        finally:
            self.provisioning.disconnected()
            self.meter_values.cancel()
            self.wishes.cancel()
            for position in self.positions.values():
                position.deadline.cancel()
                position.sampling.cancel()
            for task in tuple(self._tasks):
                task.cancel()

    def booted(self, reason: BootReason) -> None:
        """The station is as just booted: nobody has taken it in, and its first dial comes first (B01.FR.03)."""
        self.provisioning.start_over(reason)
        self.network.restart()
        self.security.booted(reason)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside; its failure is logged, never lost."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    # -- the connection

    def on_connected(self) -> None:
        """The link stands. Another CSMS has not taken the station in yet (B10.FR.10)."""
        if self.network.switched:
            self.provisioning.start_over()
        self.security.connected()
        self.provisioning.connected()
        if self.provisioning.accepted:
            self.spawn(self._online())

    def on_disconnected(self, why: str) -> None:
        """The link is gone; the units go on under the last schedule."""
        self.log.info("disconnected", why=why)
        if self.provisioning.accepted:
            self._lost_at = self.clock.monotonic()
            self.notes.put({_ALONE: utc.isoformat() if (utc := self.time.utc()) is not None else None})
        self.provisioning.disconnected()
        self.delivery.closed()

    async def on_call(self, request: Request[Any]) -> Answer:
        """A CALL of the CSMS."""
        return await self.dispatch.answer(request)

    @property
    def online(self) -> bool:
        """Whether the CSMS takes messages now."""
        return self.link.connected and self.provisioning.accepted

    async def _event_answered(self, request: TransactionEventRequest, response: TransactionEventResponse) -> None:
        await self.authorization.event_answered(request, response)
        await self.wishes.transaction_limits.answered(request, response)

    async def _on_accepted(self, heartbeat_interval: int) -> None:
        if heartbeat_interval:  # B01.FR.03: the interval that comes with Accepted is the heartbeat's
            seconds = str(heartbeat_interval // 1000)
            self.model.publish(Key.HEARTBEAT_INTERVAL, seconds)
            self.notes.put({Key.HEARTBEAT_INTERVAL: seconds})
        self.notes.put({BOOT_REASON: None})
        self.security.release()
        self.availability.forget_told()
        self.transactions.end_orphans()
        for position in self.positions.values():  # what happened before there was a time
            self.sessions.observe(position, position.seen, ())
        await self._online()

    async def _online(self) -> None:
        threshold = self.model.integer(Key.OFFLINE_THRESHOLD) * 1000
        if self._lost_at is not None and self.clock.monotonic() - self._lost_at > threshold:  # B04.FR.01
            self.availability.forget_told()
        self._lost_at = None
        self.notes.put({_ALONE: None})
        await self.statuses.tell()
        self.delivery.opened()
        self.reader.online()
        self.meter_values.arm()
        self.wishes.reconsider()

    def _on_jump(self, by: timedelta) -> None:
        """The CSMS's clock has jumped: schedules follow it, and it is told (A04)."""
        self.log.warning("the CSMS's clock has jumped", seconds=by.total_seconds())
        for position in self.positions.values():
            self.transactions.shift_power_path(position, by)
        self.security.report(SecurityEvent.SETTING_SYSTEM_TIME, f"by {by.total_seconds():+.0f} s, as the CSMS told")
        self.wishes.reconsider()

    # -- settings

    async def change_settings(self, settings: Mapping[str, str], changes: Iterable[Change]) -> None:
        """Keep changed variables, then let them count (B05)."""
        if settings:
            await self.notes.write(settings)
        self.model.announce(changes)
        self.apply_model()

    def apply_model(self) -> None:
        """Let the device model's values count."""
        self.wishes.apply_model()
        self.sessions.apply_model()
        self.delivery.attempts = self.model.integer(Key.MESSAGE_ATTEMPTS)
        self.delivery.interval = self.model.integer(Key.MESSAGE_ATTEMPT_INTERVAL) * 1000

    # -- inside

    def _resume(self, row: TransactionRow) -> None:
        position = self.positions.get(row.evse_id)
        if position is None:
            self.transactions.orphaned(row)
        else:
            self.transactions.resume(position, row)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.log.error("a task failed", error=str(error), exc_info=error)
