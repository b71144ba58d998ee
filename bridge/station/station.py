"""One OCPP charging station: the blocks put together, and the way of every event through the store.

What the CSMS asks and what a unit shows both end in the same two things: transaction events, which are durable before
anything is done about them, and a wish, which the charger carries out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog

from bridge.clock import Clock
from bridge.errors import CsmsError
from bridge.evse import Evse, Happening, HappeningKind, Mode, Observed
from bridge.policies import LocalPolicy
from bridge.station.availability import Availability
from bridge.station.csms_time import CsmsTime
from bridge.station.delivery import Delivery
from bridge.station.device_model import Change, DeviceModel, Place
from bridge.station.device_model_table import Key
from bridge.station.dispatch import Dispatch
from bridge.station.link import Answer, Link
from bridge.station.messages import (
    AuthorizationStatus,
    AuthorizeRequest,
    ChargingRateUnit,
    ChargingStation,
    IdToken,
    IdTokenKind,
    OperationalStatus,
    Reason,
    Request,
    StatusNotificationRequest,
    TransactionEventRequest,
    TransactionEventResponse,
    TriggerReason,
    TxPoint,
)
from bridge.station.messages.text import from_text
from bridge.station.messages.v201 import Adapter
from bridge.station.position import EvseSettings, Position
from bridge.station.profiles import ProfileRules
from bridge.station.provisioning import Provisioning
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
        adapter: Adapter,
        store: Store,
        clock: Clock,
        model: DeviceModel,
        evses: Mapping[int, Evse],
    ) -> None:
        self.settings, self.link, self.store, self.clock, self.model = settings, link, store, clock, model
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
            decode=lambda text: from_text(adapter, TransactionEventRequest, text),
            answered=self._on_event_answered,
        )
        self.transactions = Transactions(self)
        self.positions: dict[int, Position] = {
            evse.evse_id: self._make_position(evse, evses[evse.evse_id]) for evse in settings.evses
        }
        self.dispatch = Dispatch(self)
        self._rate_units: frozenset[ChargingRateUnit] = frozenset()
        self._edge = Timer(clock, self.reconsider)
        self._tasks: set[asyncio.Task[None]] = set()
        self.log = _log.bind(station=self.id)

    # -- life

    async def restore(self) -> None:
        """Take up everything that an earlier life of the gateway has left, before anything is said or done."""
        settings = await self.store.settings(self.id)
        self._apply_model()
        await self.charging.restore()
        await self.delivery.restore()
        for position in self.positions.values():
            self.availability.restore(position.evse_id, settings)
            known = settings.get(f"evse.{position.evse_id}.connected")
            position.session.state.connected = known == str(True)
        rows = await self.store.transactions(self.id)
        for row in rows:
            self._resume(row)
        await self.charging.resume({row.evse_id: row.transaction_id for row in rows})
        for position in self.positions.values():  # here, since `run` may be begun again after a failure
            position.inoperative = position.evse_id in self.availability.inoperative
            position.evse.listen(self._listener(position))

    async def run(self) -> None:
        """Serve for ever; cancel to end."""
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
            self._edge.cancel()
            for position in self.positions.values():
                position.deadline.cancel()
                position.sampling.cancel()
            for task in tuple(self._tasks):
                task.cancel()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside; its failure is logged, never lost."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    # -- the connection

    def on_connected(self) -> None:
        """The link stands."""
        self.provisioning.connected()
        if self.provisioning.accepted:
            self.spawn(self._online())

    def on_disconnected(self, why: str) -> None:
        """The link is gone; the units go on under the last schedule."""
        self.log.info("disconnected", why=why)
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
            await self.store.put_settings(self.id, {Key.HEARTBEAT_INTERVAL: seconds})
        self.availability.forget_told()
        for position in self.positions.values():  # what happened before there was a time
            self.observe(position, position.seen, ())
        await self._online()

    async def _online(self) -> None:
        await self.tell_statuses()
        self.delivery.opened()
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
        if happening.kind is HappeningKind.LOCAL_STOP and position.session.state.local:
            return position.session.deauthorize(TriggerReason.STOP_AUTHORIZED, Reason.LOCAL, now)
        return []

    async def _on_event_answered(self, request: TransactionEventRequest, response: TransactionEventResponse) -> None:
        """E05: a token that the CSMS does not accept ends the right to energy."""
        info = response.id_token_info
        if info is None or info.status is AuthorizationStatus.ACCEPTED:
            return
        for position in self.positions.values():
            if position.session.transaction_id == request.transaction_info.transaction_id:
                self.deauthorize(position, TriggerReason.DEAUTHORIZED, Reason.DE_AUTHORIZED)
                await self.transactions.keep_state(position)

    # -- what is wanted

    def deauthorize(self, position: Position, trigger: TriggerReason, reason: Reason) -> list[asyncio.Task[None]]:
        """End the right to energy, and stop."""
        made = position.session.deauthorize(trigger, reason, self.clock.monotonic())
        self._after(position)
        return self.transactions.emit(position, made)

    async def authorize(self, position: Position, token: IdToken, remote_start_id: int | None) -> None:
        """A token may have energy at an EVSE. Returns when what it began is durable."""
        made = position.session.authorize(token, remote_start_id, self.clock.monotonic())
        self.transactions.note_power_path(position)
        tasks = self.transactions.emit(position, made)
        if tasks:
            await asyncio.gather(*tasks)
        self._show(position)
        position.deadline.set_at(position.session.next_deadline())
        self.reconsider()

    async def ask_authorization(self, token: IdToken) -> bool:
        """C01, F01.FR.01: whether the CSMS accepts a token; out of reach counts as no."""
        try:
            response = await self.link.call(AuthorizeRequest(id_token=token))
        except CsmsError as error:
            self.log.warning("authorize failed", why=str(error))
            return False
        return response.id_token_info.status is AuthorizationStatus.ACCEPTED

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
        return ProfileRules({evse_id: position.rules for evse_id, position in self.positions.items()}, self._rate_units)

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

    async def set_operative(self, chosen: Iterable[Position], operative: bool) -> bool:
        """G03: keep and apply it; whether a transaction delays it."""
        status = OperationalStatus.OPERATIVE if operative else OperationalStatus.INOPERATIVE
        positions = list(chosen)
        await self.store.put_settings(self.id, {f"evse.{p.evse_id}.operational": status for p in positions})
        scheduled = False
        for position in positions:
            busy = not operative and position.session.transaction_id is not None
            scheduled = scheduled or busy
            self.availability.set_operative(position.evse_id, operative, when_idle=busy)
            position.inoperative = position.evse_id in self.availability.inoperative
        self.reconsider()
        return scheduled

    async def transaction_ended(self, position: Position) -> None:
        """What waited for the end takes effect."""
        self.availability.idle(position.evse_id)
        position.inoperative = position.evse_id in self.availability.inoperative
        await self.availability.report(position.evse_id)
        self.reconsider()

    # -- settings

    async def change_settings(self, settings: Mapping[str, str], changes: Iterable[Change]) -> None:
        """Keep changed variables, then let them count (B05)."""
        if settings:
            await self.store.put_settings(self.id, dict(settings))
        self.model.announce(changes)
        self._apply_model()

    def _apply_model(self) -> None:
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
            self.log.error("open transaction of an EVSE that is gone", transaction=row.transaction_id)
        else:
            self.transactions.resume(position, row)

    def _after(self, position: Position) -> None:
        """What follows any change of a session: its wish and its next deadline."""
        self.transactions.note_power_path(position)
        if position.session.wants_energy and position.limit is None:
            self.reconsider()
        else:
            position.apply()
        # Before there is a time no event can be made; the acceptance comes back here.
        position.deadline.set_at(position.session.next_deadline() if self.time.known else None)

    def _show(self, position: Position) -> None:
        """Let the connector's status follow what is seen and whether a vehicle is awaited."""
        awaiting = position.session.authorization_until is not None
        self.availability.see(position.evse_id, position.seen, awaiting_vehicle=awaiting)
        if self.provisioning.accepted:
            self.spawn(self.availability.report(position.evse_id))

    def _due(self, position: Position) -> None:
        if self.time.known:
            self.transactions.emit(position, position.session.tick(self.clock.monotonic()))
        self._show(position)
        self._after(position)

    async def _tell_status(self, request: StatusNotificationRequest) -> bool:
        if not self.online:
            return False
        self.spawn(
            self.store.put_settings(self.id, {f"evse.{request.evse_id}.connector": self._connector(request.evse_id)})
        )
        try:
            await self.link.call(request)
        except CsmsError as error:
            self.log.info("status not delivered", why=str(error))
            return False
        return True

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
