"""One OCPP charging station: the blocks put together, and the way of every event through the store.

What the CSMS asks and what a unit shows both end in the same two things: transaction events, which are durable before
anything is done about them, and a wish, which the charger carries out.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog

from bridge.clock import Clock
from bridge.errors import CsmsError
from bridge.evse import Evse, Happening, HappeningKind, Mode, Observed
from bridge.station import metering
from bridge.station.availability import Availability
from bridge.station.composite import epoch_ms
from bridge.station.csms_time import CsmsTime
from bridge.station.delivery import Delivery
from bridge.station.device_model import Change, DeviceModel
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
    ReadingContext,
    Reason,
    Request,
    StatusNotificationRequest,
    TransactionEvent,
    TransactionEventRequest,
    TransactionEventResponse,
    TriggerReason,
    TxPoint,
)
from bridge.station.messages import Evse as EvseId
from bridge.station.messages import Transaction as TransactionInfo
from bridge.station.messages.text import from_text, to_text
from bridge.station.messages.v201 import Adapter
from bridge.station.position import EvseSettings, LocalPolicy, Position
from bridge.station.profiles import ProfileRules
from bridge.station.provisioning import Provisioning
from bridge.station.session import Emission, Session, SessionRules, SessionState
from bridge.station.smart_charging import SmartCharging
from bridge.station.timer import Timer
from bridge.store.port import Store, TransactionRow

_log = structlog.get_logger(__name__)

_CONTEXT = {
    TransactionEvent.STARTED: (ReadingContext.TRANSACTION_BEGIN, Key.SAMPLED_TX_STARTED_MEASURANDS),
    TransactionEvent.UPDATED: (ReadingContext.SAMPLE_PERIODIC, Key.SAMPLED_TX_UPDATED_MEASURANDS),
    TransactionEvent.ENDED: (ReadingContext.TRANSACTION_END, Key.SAMPLED_TX_ENDED_MEASURANDS),
}


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
        self.positions: dict[int, Position] = {
            evse.evse_id: self._make_position(evse, evses[evse.evse_id]) for evse in settings.evses
        }
        self.dispatch = Dispatch(self)
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
        for row in await self.store.transactions(self.id):
            self._resume(row)
        for position in self.positions.values():
            position.inoperative = position.evse_id in self.availability.inoperative
            position.evse.listen(self._listener(position))

    async def run(self) -> None:
        """Serve for ever; cancel to end."""
        self.reconsider()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.delivery.run())
                group.create_task(self.link.run(self))
        finally:
            self.provisioning.disconnected()
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
            self.emit(position, made)
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

    # -- transaction events

    def emit(self, position: Position, made: Iterable[Emission]) -> list[asyncio.Task[None]]:
        """Record events in order. Each task ends when its event is durable; then it is on its way.

        What an event says is fixed here, at once; the tasks hand it to the store in the order in which they were made.
        """
        return [self.spawn(self._record(position, *self._fix(position, emission))) for emission in made]

    def _fix(self, position: Position, emission: Emission) -> tuple[TransactionRow, TransactionEventRequest]:
        if emission.event is TransactionEvent.STARTED:
            position.seq_no = 0
            position.sampling.set_in(self._sample_interval())
        self._note_power_path(position)
        request = self._request(position, emission, position.seq_no)
        row = TransactionRow(emission.transaction_id, position.evse_id, position.seq_no, self._state_text(position))
        position.seq_no += 1
        if emission.event is TransactionEvent.ENDED:
            position.sampling.cancel()
            position.stopping = not position.seen.confirmed
            position.power_path_closed = position.limit = None
        return row, request

    async def _record(self, position: Position, row: TransactionRow, request: TransactionEventRequest) -> None:
        ends = request.event_type is TransactionEvent.ENDED
        self.delivery.append(await self.store.record(self.id, row, to_text(self.adapter, request), ends=ends))
        if request.event_type is TransactionEvent.STARTED:
            await self.charging.begin(position.evse_id, row.transaction_id)
            self.reconsider()
        if ends:
            await self.charging.end(row.transaction_id)
            self.availability.idle(position.evse_id)
            position.inoperative = position.evse_id in self.availability.inoperative
            await self.availability.report(position.evse_id)
            self.reconsider()

    def _request(self, position: Position, emission: Emission, seq_no: int) -> TransactionEventRequest:
        stamp = self.time.utc()
        if stamp is None:
            raise AssertionError("no event is made before the CSMS has told the time")
        context, measurands = _CONTEXT[emission.event]
        with_values = emission.event is not TransactionEvent.UPDATED or emission.trigger in _CARRIES_VALUES
        wanted = metering.parse_measurands(self.model.text(measurands)) if with_values else ()
        return TransactionEventRequest(
            event_type=emission.event,
            timestamp=stamp,
            trigger_reason=emission.trigger,
            seq_no=seq_no,
            transaction_info=TransactionInfo(
                transaction_id=emission.transaction_id,
                charging_state=emission.charging_state,
                stopped_reason=emission.stopped_reason,
                remote_start_id=emission.remote_start_id,
            ),
            meter_value=metering.meter_value(position.seen, wanted, context, self.time),
            offline=None if self.online else True,
            evse=EvseId(position.evse_id, 1) if emission.with_evse else None,
            id_token=emission.id_token,
        )

    def _on_event_answered(self, request: TransactionEventRequest, response: TransactionEventResponse) -> None:
        """E05: a token that the CSMS does not accept ends the right to energy."""
        info = response.id_token_info
        if info is None or info.status is AuthorizationStatus.ACCEPTED:
            return
        for position in self.positions.values():
            if position.session.transaction_id == request.transaction_info.transaction_id:
                self.deauthorize(position, TriggerReason.DEAUTHORIZED, Reason.DE_AUTHORIZED)

    # -- what is wanted

    def deauthorize(self, position: Position, trigger: TriggerReason, reason: Reason) -> list[asyncio.Task[None]]:
        """End the right to energy, and stop."""
        made = position.session.deauthorize(trigger, reason, self.clock.monotonic())
        self._after(position)
        return self.emit(position, made)

    async def authorize(self, position: Position, token: IdToken, remote_start_id: int | None) -> None:
        """A token may have energy at an EVSE. Returns when what it began is durable."""
        made = position.session.authorize(token, remote_start_id, self.clock.monotonic())
        self._note_power_path(position)
        tasks = self.emit(position, made)
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
        courses = {evse_id: position.course for evse_id, position in self.positions.items()}
        active = [evse_id for evse_id, position in self.positions.items() if position.session.wants_energy]
        limits, holds = self.charging.limits(active, courses)
        for evse_id, limit in limits.items():
            self.positions[evse_id].limit = limit
        for position in self.positions.values():
            position.apply()
        self._edge.set_at(None if holds is None else self.clock.monotonic() + holds)

    def profile_rules(self) -> ProfileRules:
        """What counts when a profile is judged."""
        units = frozenset(ChargingRateUnit(unit) for unit in self.model.members(Key.SMART_RATE_UNIT))
        return ProfileRules({evse_id: position.rules for evse_id, position in self.positions.items()}, units)

    async def keep_state(self, position: Position) -> None:
        """Make durable what a session knows beside its events (that it was stopped, say)."""
        if position.session.transaction_id is not None:
            row = TransactionRow(
                position.session.transaction_id, position.evse_id, position.seq_no, self._state_text(position)
            )
            await self.store.update_transaction(self.id, row)

    def set_hands_off(self, evse_id: int, on: bool) -> None:
        """Leave a unit alone until that is lifted."""
        self.positions[evse_id].hands_off = on
        self.reconsider()

    def stop_locally(self, evse_id: int) -> bool:
        """End the right to energy as a person at the unit would; whether there was one."""
        position = self.positions[evse_id]
        running = position.session.state.authorized
        self.deauthorize(position, TriggerReason.STOP_AUTHORIZED, Reason.LOCAL)
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
            self.emit(position, position.session.periodic(TriggerReason.TRIGGER))

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

    # -- settings

    async def change_settings(self, settings: Mapping[str, str], changes: Iterable[Change]) -> None:
        """Keep changed variables, then let them count (B05)."""
        if settings:
            await self.store.put_settings(self.id, dict(settings))
        self.model.announce(changes)
        self._apply_model()

    def _apply_model(self) -> None:
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
        sampling = Timer(self.clock, lambda: self._sample(position))
        deadline = Timer(self.clock, lambda: self._due(position))
        position = Position(settings, evse, session, sampling, deadline)
        return position

    def _listener(self, position: Position) -> Callable[[Observed, tuple[Happening, ...]], None]:
        return lambda seen, happened: self.observe(position, seen, happened)

    def _resume(self, row: TransactionRow) -> None:
        """An open transaction goes on where it stood; its vehicle may have left meanwhile."""
        position = self.positions.get(row.evse_id)
        if position is None:
            self.log.error("open transaction of an EVSE that is gone", transaction=row.transaction_id)
            return
        position.session.state = SessionState.from_json(json.loads(row.state))
        position.seq_no = row.seq_no
        position.power_path_closed = position.session.state.power_path_closed
        position.sampling.set_in(self._sample_interval())
        self.log.info("transaction resumed", transaction=row.transaction_id, seq_no=row.seq_no)

    def _after(self, position: Position) -> None:
        """What follows any change of a session: its wish and its next deadline."""
        self._note_power_path(position)
        if position.session.wants_energy and position.limit is None:
            self.reconsider()
        else:
            position.apply()
        position.deadline.set_at(position.session.next_deadline())

    def _note_power_path(self, position: Position) -> None:
        """Relative schedules begin when power can flow (K01.FR.41)."""
        session = position.session
        utc = self.time.utc()
        if position.power_path_closed is None and session.wants_energy and session.state.connected and utc:
            position.power_path_closed = session.state.power_path_closed = epoch_ms(utc)

    def _show(self, position: Position) -> None:
        """Let the connector's status follow what is seen and whether a vehicle is awaited."""
        awaiting = position.session.authorization_until is not None
        self.availability.see(position.evse_id, position.seen, awaiting_vehicle=awaiting)
        if self.provisioning.accepted:
            self.spawn(self.availability.report(position.evse_id))

    def _due(self, position: Position) -> None:
        if self.time.known:
            self.emit(position, position.session.tick(self.clock.monotonic()))
        self._show(position)
        self._after(position)

    def _sample(self, position: Position) -> None:
        """E02.FR.10: meter values at every interval."""
        if self.time.known:
            self.emit(position, position.session.periodic(TriggerReason.METER_VALUE_PERIODIC))
        position.sampling.set_in(self._sample_interval())

    def _sample_interval(self) -> int:
        return (self.model.integer(Key.SAMPLED_TX_UPDATED_INTERVAL) or 86_400) * 1000

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

    def _state_text(self, position: Position) -> str:
        return json.dumps(position.session.state.to_json(), separators=(",", ":"))

    def _new_id(self) -> str:
        return str(UUID(int=self.clock.random.getrandbits(128), version=4))

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.log.error("a task failed", error=str(error), exc_info=error)


#: The triggers on which an Updated event carries meter values.
_CARRIES_VALUES = {TriggerReason.METER_VALUE_PERIODIC, TriggerReason.TRIGGER, TriggerReason.CHARGING_STATE_CHANGED}
