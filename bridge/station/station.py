"""One OCPP charging station: the blocks put together, and the way of every event through the store.

What the CSMS asks and what a unit shows both end in the same two things: transaction events, which are durable before
anything is done about them, and a wish, which the charger carries out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from bridge.clock import Clock
from bridge.evse import Evse, Happening, HappeningKind, Mode, Observed
from bridge.policies import LocalPolicy
from bridge.station.authorization_block import AuthorizationBlock
from bridge.station.availability import Availability
from bridge.station.csms_time import CsmsTime
from bridge.station.delivery import Delivery
from bridge.station.device_model import Change, DeviceModel
from bridge.station.device_model_index import Place
from bridge.station.device_model_table import Key
from bridge.station.dispatch import Dispatch
from bridge.station.link import Answer, Link
from bridge.station.local_authorization import Reader
from bridge.station.messages import (
    BootReason,
    ChargingRateUnit,
    ChargingStation,
    IdToken,
    IdTokenKind,
    Reason,
    Request,
    SecurityEvent,
    StatusNotificationRequest,
    TriggerReason,
    TxPoint,
)
from bridge.station.messages import Evse as EvseId
from bridge.station.messages.v201 import Adapter
from bridge.station.meter_values import MeterValues
from bridge.station.network import Network
from bridge.station.outbox import Outbox, from_kept
from bridge.station.position import EvseSettings, Position
from bridge.station.profiles import ProfileRules
from bridge.station.provisioning import Provisioning
from bridge.station.reset import BOOT_REASON, Resets
from bridge.station.security_events import SecurityEvents
from bridge.station.session import Emission, Session, SessionRules
from bridge.station.smart_charging import SmartCharging
from bridge.station.timer import Timer
from bridge.station.transactions import Transactions
from bridge.store.port import Store, TransactionRow

_log = structlog.get_logger(__name__)


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
        clock: Clock,
        model: DeviceModel,
        evses: Mapping[int, Evse],
    ) -> None:
        self.settings, self.link, self.store, self.clock, self.model = settings, link, store, clock, model
        self.network = network
        self.id = settings.station_id
        self.adapter = adapter
        self.time = CsmsTime(clock)
        self.charging = SmartCharging(self.id, store, self.time, adapter)
        self.availability = Availability(self.time, self._tell_status)
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
            answered=lambda request, response: self.authorization.event_answered(request, response),
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
        self.positions: dict[int, Position] = {
            evse.evse_id: self._make_position(evse, evses[evse.evse_id]) for evse in settings.evses
        }
        self.dispatch = Dispatch(self)
        self._rate_units: frozenset[ChargingRateUnit] = frozenset()
        self._edge = Timer(clock, self.reconsider)
        self._lost_at: int | None = None  # monotonic ms, when the CSMS was last out of reach
        self._lives = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.log = _log.bind(station=self.id)

    # -- life

    async def restore(self) -> None:
        """Take up everything that an earlier life of the gateway has left, before anything is said or done."""
        settings = await self.store.settings(self.id)
        self.apply_model()
        await self.authorization.restore(settings)
        await self.charging.restore()
        await self.delivery.restore()
        for position in self.positions.values():
            known = settings.get(f"evse.{position.evse_id}.connected")
            position.session.state.connected = known == str(True)
        rows = await self.store.transactions(self.id)
        for row in rows:
            self._resume(row)
        self.availability.restore(self.positions.keys(), self._busy(), settings)
        self.meter_values.restore(settings)
        await self.charging.resume({row.evse_id: row.transaction_id for row in rows})
        for position in self.positions.values():  # here, since `run` may be begun again after a failure
            position.inoperative = self.availability.inoperative(position.evse_id)
            position.evse.listen(self._listener(position))
        if changes := self.resets.restore(settings):
            await self.store.put_settings(self.id, changes)
        self.security.booted(self.provisioning.reason)

    async def run(self) -> None:
        """Serve for ever; cancel to end."""
        self._lives += 1
        if self._lives > 1:  # begun again after a failure
            self.booted(BootReason.APPLICATION_RESET)
        self.reconsider()
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
            self._edge.cancel()
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
        self.provisioning.disconnected()
        self.delivery.closed()

    async def on_call(self, request: Request[Any]) -> Answer:
        """A CALL of the CSMS."""
        return await self.dispatch.answer(request)

    @property
    def online(self) -> bool:
        """Whether the CSMS takes messages now."""
        return self.link.connected and self.provisioning.accepted

    async def _on_accepted(self, heartbeat_interval: int) -> None:
        if heartbeat_interval:  # B01.FR.03: the interval that comes with Accepted is the heartbeat's
            seconds = str(heartbeat_interval // 1000)
            self.model.publish(Key.HEARTBEAT_INTERVAL, seconds)
            self.spawn(self.store.put_settings(self.id, {Key.HEARTBEAT_INTERVAL: seconds, BOOT_REASON: None}))
        else:
            self.spawn(self.store.put_settings(self.id, {BOOT_REASON: None}))
        self.security.release()
        self.availability.forget_told()
        self.transactions.end_orphans()
        for position in self.positions.values():  # what happened before there was a time
            self.observe(position, position.seen, ())
        await self._online()

    async def _online(self) -> None:
        threshold = self.model.integer(Key.OFFLINE_THRESHOLD) * 1000
        if self._lost_at is not None and self.clock.monotonic() - self._lost_at > threshold:  # B04.FR.01
            self.availability.forget_told()
        self._lost_at = None
        await self.tell_statuses()
        self.delivery.opened()
        self.reader.online()
        self.meter_values.arm()
        self.reconsider()

    # -- from the units

    def observe(self, position: Position, seen: Observed, happened: tuple[Happening, ...]) -> None:
        """A unit has shown something new. Without the CSMS's time nothing is told (no time stamp is invented)."""
        session = position.session
        connected = session.state.connected
        self._first_look(position, seen)
        if position.stopping and seen.confirmed and position.wanted.mode is Mode.STOP:
            position.stopping = False
        if self.time.known:
            now = self.clock.monotonic()
            made = session.observe(seen, now)
            for happening in happened:
                made += self._on_happening(position, happening)
            self.transactions.emit(position, made)
        if session.state.connected != connected:
            self._remember(position)
        self.reader.look(position, came=session.state.connected and not connected)
        self._show(position)
        self._after(position)

    def _first_look(self, position: Position, seen: Observed) -> None:
        """A unit that is found discharging without a transaction is stopped at once: nobody bounds it."""
        if position.met or not seen.reachable or seen.power is None:
            return
        position.met = True
        if seen.power.value < 0 and position.session.transaction_id is None and not position.hands_off:
            self.log.warning("discharging without a transaction", evse=position.evse_id, power_mw=seen.power.value)
            position.stopping = True

    def _on_happening(self, position: Position, happening: Happening) -> list[Emission]:
        """What somebody did at the unit (AIF-1-2), by the site's policy."""
        self.log.info("happened", evse=position.evse_id, kind=str(happening.kind), text=happening.text)
        idle = position.session.transaction_id is None
        report = position.settings.local is LocalPolicy.REPORT
        now = self.clock.monotonic()
        if happening.kind is HappeningKind.LOCAL_START and idle and report and not position.inoperative:
            return position.session.authorize(self.settings.local_token, None, now, local=True)
        if happening.kind is HappeningKind.AMOUNT_REACHED and position.session.refused:
            position.session.suspend()  # E05.FR.02: MaxEnergyOnInvalidId has moved
        if happening.kind is HappeningKind.LOCAL_STOP and position.session.state.local:
            return position.session.deauthorize(TriggerReason.STOP_AUTHORIZED, Reason.LOCAL, now)
        return []

    # -- what is wanted

    def session_changed(self, position: Position, made: list[Emission]) -> list[asyncio.Task[None]]:
        """A session was changed from outside: let its wish count, and record what it has made."""
        self._show(position)
        self._after(position)
        return self.transactions.emit(position, made)

    def deauthorize(
        self, position: Position, trigger: TriggerReason, reason: Reason, *, token: IdToken | None = None
    ) -> list[asyncio.Task[None]]:
        """End the right to energy, and stop. `token` is what a person has shown for that."""
        made = position.session.deauthorize(trigger, reason, self.clock.monotonic(), token=token)
        return self.session_changed(position, made)

    async def authorize(
        self, position: Position, token: IdToken, remote_start_id: int | None, *, group: str | None = None
    ) -> None:
        """A token (of a `group`, if known) may have energy at an EVSE. Returns when what it began is durable."""
        made = position.session.authorize(token, remote_start_id, self.clock.monotonic(), group=group)
        self.transactions.note_power_path(position)
        tasks = self.transactions.emit(position, made)
        if tasks:
            await asyncio.gather(*tasks)
        self._show(position)
        position.deadline.set_at(position.session.next_deadline())
        self.reconsider()

    def reconsider(self) -> None:
        """Compute what is wanted of every EVSE anew, and again at the schedule's next edge (within 1 s of it)."""
        active = {evse_id: p.course for evse_id, p in self.positions.items() if p.session.wants_energy}
        limits, holds = self.charging.limits(active)
        for evse_id, limit in limits.items():
            self.positions[evse_id].limit = limit
        for position in self.positions.values():
            position.apply()
        self._edge.set_at(None if holds is None else self.clock.monotonic() + holds)

    def profile_rules(self) -> ProfileRules:
        """What counts when a profile is judged."""
        return ProfileRules(
            {evse_id: position.rules for evse_id, position in self.positions.items()},
            self._rate_units,
            max_stack_level=self.model.integer(Key.SMART_PROFILE_STACK_LEVEL),
            max_periods=self.model.integer(Key.SMART_PERIODS_PER_SCHEDULE),
        )

    def set_hands_off(self, evse_id: int, on: bool) -> None:
        """Leave a unit alone until that is lifted, by whoever; kept over a restart."""
        self.positions[evse_id].hands_off = on
        if self.model.boolean(Key.EVSE_HANDS_OFF, evse_id) is not on:  # the CSMS's own change is kept already
            value = str(on).lower()
            self.model.publish(Key.EVSE_HANDS_OFF, value, evse_id)
            self.spawn(self.store.put_settings(self.id, {str(Place(Key.EVSE_HANDS_OFF, evse_id)): value}))
        self.reconsider()

    def stop_locally(self, evse_id: int) -> bool:
        """End the right to energy as a person at the unit would; whether there was one."""
        position = self.positions[evse_id]
        running = position.session.state.authorized
        self.deauthorize(position, TriggerReason.STOP_AUTHORIZED, Reason.LOCAL)
        self.spawn(self.transactions.keep_state(position))
        return running

    # -- what the CSMS asks to hear

    async def tell_statuses(self) -> None:
        """Report every connector whose status has changed."""
        for evse_id in self.positions:
            await self.availability.report(evse_id)

    async def tell_status_again(self, chosen: Iterable[Position]) -> None:
        """F06: report connectors whether or not anything has changed."""
        for position in chosen:
            self.availability.forget_told(position.evse_id)
            await self.availability.report(position.evse_id)

    def trigger_events(self, chosen: Iterable[Position]) -> None:
        """F06.FR.07: a TransactionEvent of each open transaction."""
        for position in chosen:
            self.transactions.emit(position, position.session.periodic(TriggerReason.TRIGGER))

    async def set_operative(self, evse: EvseId | None, operative: bool) -> bool:
        """G03, G04: of the station (None), an EVSE or its connector; whether a transaction delays it."""
        await self.store.put_settings(self.id, self.availability.kept(evse, operative))
        scheduled = self.availability.change(evse, operative, self.positions.keys(), self._busy())
        for position in self.positions.values():
            position.inoperative = self.availability.inoperative(position.evse_id)
            if position.inoperative:  # nor may a vehicle that is still awaited have energy
                self.deauthorize(position, TriggerReason.DEAUTHORIZED, Reason.OTHER)
        self.reconsider()
        return scheduled

    def _busy(self) -> set[int]:
        return {evse_id for evse_id, p in self.positions.items() if p.session.transaction_id is not None}

    async def transaction_ended(self, position: Position) -> None:
        """What waited for the end takes effect."""
        self.availability.idle(position.evse_id)
        position.inoperative = self.availability.inoperative(position.evse_id)
        await self.availability.report(position.evse_id)
        self.reconsider()

    def _on_jump(self, by: timedelta) -> None:
        """The CSMS's clock has jumped: schedules follow it, and it is told (A04)."""
        self.log.warning("the CSMS's clock has jumped", seconds=by.total_seconds())
        for position in self.positions.values():
            self.transactions.shift_power_path(position, by)
        self.security.report(SecurityEvent.SETTING_SYSTEM_TIME, f"by {by.total_seconds():+.0f} s, as the CSMS told")
        self.reconsider()

    # -- settings

    async def change_settings(self, settings: Mapping[str, str], changes: Iterable[Change]) -> None:
        """Keep changed variables, then let them count (B05)."""
        if settings:
            await self.store.put_settings(self.id, dict(settings))
        self.model.announce(changes)
        self.apply_model()

    def apply_model(self) -> None:
        """Let the device model's values count."""
        self._rate_units = frozenset(ChargingRateUnit(unit) for unit in self.model.members(Key.SMART_RATE_UNIT))
        rules = self._session_rules()
        for position in self.positions.values():
            position.session.rules = rules
        self.delivery.attempts = self.model.integer(Key.MESSAGE_ATTEMPTS)
        self.delivery.interval = self.model.integer(Key.MESSAGE_ATTEMPT_INTERVAL) * 1000

    def _session_rules(self) -> SessionRules:
        return SessionRules(
            start_points=frozenset(TxPoint(point) for point in self.model.members(Key.TX_START_POINT)),
            stop_points=frozenset(TxPoint(point) for point in self.model.members(Key.TX_STOP_POINT)),
            ev_connection_timeout=self.model.integer(Key.EV_CONNECTION_TIME_OUT) * 1000,
            stop_on_ev_side_disconnect=self.model.boolean(Key.STOP_TX_ON_EV_SIDE_DISCONNECT),
        )

    # -- inside

    def _make_position(self, settings: EvseSettings, evse: Evse) -> Position:
        position: Position
        session = Session(SessionRules(frozenset(), frozenset(), 0), self._new_id)
        sampling = Timer(self.clock, lambda: self.transactions.sample(position))
        deadline = Timer(self.clock, lambda: self._due(position))
        position = Position(settings, evse, session, sampling, deadline)
        return position

    def _listener(self, position: Position) -> Callable[[Observed, tuple[Happening, ...]], None]:
        return lambda seen, happened: self.observe(position, seen, happened)

    def _resume(self, row: TransactionRow) -> None:
        position = self.positions.get(row.evse_id)
        if position is None:
            self.transactions.orphaned(row)
        else:
            self.transactions.resume(position, row)

    def _after(self, position: Position) -> None:
        """What follows any change of a session: its wish and its next deadline."""
        self.transactions.note_power_path(position)
        if position.session.wants_energy and position.limit is None:
            self.reconsider()
        else:
            position.apply()
        self.resets.consider()
        # Before there is a time no event can be made; the acceptance comes back here.
        position.deadline.set_at(position.session.next_deadline() if self.time.known else None)

    def _show(self, position: Position) -> None:
        """Let the connector's status follow what is seen and whether a vehicle is awaited."""
        awaiting = position.session.awaits_vehicle
        self.availability.see(position.evse_id, position.seen, awaiting_vehicle=awaiting)
        if self.provisioning.accepted:
            self.spawn(self.availability.report(position.evse_id))

    def _due(self, position: Position) -> None:
        if self.time.known:
            self.transactions.emit(position, position.session.tick(self.clock.monotonic()))
        self._show(position)
        self._after(position)

    async def _tell_status(self, request: StatusNotificationRequest) -> bool:
        if self.online:
            known = {f"evse.{request.evse_id}.connector": self._connector(request.evse_id)}
            self.spawn(self.store.put_settings(self.id, known))
        return await self.outbox.tell(request)

    def _connector(self, evse_id: int) -> str | None:
        seen = self.availability.connector(evse_id)
        return None if seen is None else seen.value

    def _remember(self, position: Position) -> None:
        connected = str(position.session.state.connected)
        self.spawn(self.store.put_settings(self.id, {f"evse.{position.evse_id}.connected": connected}))

    def _new_id(self) -> str:
        return str(UUID(int=self.clock.random.getrandbits(128), version=4))

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.log.error("a task failed", error=str(error), exc_info=error)
