"""The sessions of one station's EVSEs, moved by what the units show, by what people do, and by time.

What a session makes of it goes to `Transactions`, which makes it durable; what it wishes goes to the unit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from bridge.evse import Evse, Happening, HappeningKind, Mode, Observed
from bridge.policies import LocalPolicy
from bridge.station.device_model_table import Key
from bridge.station.messages import IdToken, Reason, TriggerReason, TxPoint
from bridge.station.position import EvseSettings, Position
from bridge.station.session import Emission, Session, SessionRules
from bridge.station.targets import Target, reached_by, set_target
from bridge.station.timer import Timer

if TYPE_CHECKING:
    from bridge.station.station import Station


class Sessions:
    """Ties each EVSE's session to its unit."""

    def __init__(self, station: Station) -> None:
        self._station = station

    def make_position(self, settings: EvseSettings, evse: Evse) -> Position:
        """An EVSE of the station, with nothing going on."""
        position: Position
        clock = self._station.clock
        session = Session(SessionRules(frozenset(), frozenset(), 0), self._new_id)
        sampling = Timer(clock, lambda: self._station.transactions.sample(position))
        deadline = Timer(clock, lambda: self._due(position))
        position = Position(settings, evse, session, sampling, deadline)
        return position

    def apply_model(self) -> None:
        """Let the device model's values count."""
        model = self._station.model
        rules = SessionRules(
            start_points=frozenset(TxPoint(point) for point in model.members(Key.TX_START_POINT)),
            stop_points=frozenset(TxPoint(point) for point in model.members(Key.TX_STOP_POINT)),
            ev_connection_timeout=model.integer(Key.EV_CONNECTION_TIME_OUT) * 1000,
            stop_on_ev_side_disconnect=model.boolean(Key.STOP_TX_ON_EV_SIDE_DISCONNECT),
        )
        for position in self._station.positions.values():
            position.session.rules = rules

    # -- from the units

    def listener(self, position: Position) -> Callable[[Observed, tuple[Happening, ...]], None]:
        """What an EVSE's unit is to call."""
        return lambda seen, happened: self.observe(position, seen, happened)

    def observe(self, position: Position, seen: Observed, happened: tuple[Happening, ...]) -> None:
        """A unit has shown something new. Without the CSMS's time nothing is told (no time stamp is invented)."""
        station, session = self._station, position.session
        connected = session.state.connected
        self._first_look(position, seen)
        if position.stopping and seen.confirmed and position.wanted.mode is Mode.STOP:
            position.stopping = False
        if station.time.known:
            made = session.observe(seen, station.clock.monotonic())
            for happening in happened:
                made += self._on_happening(position, happening)
            station.transactions.emit(position, made)
        for happening in happened:
            station.wishes.external.happened(position, happening)
        if session.state.connected != connected:
            station.notes.put({f"evse.{position.evse_id}.connected": str(session.state.connected)})
        station.reader.look(position, came=session.state.connected and not connected)
        self._follow(position)

    def _first_look(self, position: Position, seen: Observed) -> None:
        """A unit that is found discharging without a transaction is stopped at once: nobody bounds it."""
        if position.met or not seen.reachable or seen.power is None:
            return
        position.met = True
        if seen.power.value < 0 and position.session.transaction_id is None and not position.hands_off:
            log = self._station.log
            log.warning("discharging without a transaction", evse=position.evse_id, power_mw=seen.power.value)
            position.stopping = True

    def _on_happening(self, position: Position, happening: Happening) -> list[Emission]:
        """What somebody did at the unit (AIF-1-2), by the site's policy."""
        station = self._station
        station.log.info("happened", evse=position.evse_id, kind=str(happening.kind), text=happening.text)
        idle = position.session.transaction_id is None
        report = position.settings.local is LocalPolicy.REPORT
        now = station.clock.monotonic()
        if happening.kind is HappeningKind.LOCAL_START and idle and report and not position.inoperative:
            return position.session.authorize(station.settings.local_token, None, now, local=True)
        if happening.kind is HappeningKind.AMOUNT_REACHED:
            if not position.session.refused:
                return position.session.amount_reached(*reached_by(position.session.state, position.seen))
            position.session.suspend()  # E05.FR.02: MaxEnergyOnInvalidId has moved
        if happening.kind is HappeningKind.LOCAL_STOP and position.session.state.local:
            return position.session.deauthorize(TriggerReason.STOP_AUTHORIZED, Reason.LOCAL, now)
        return []

    # -- from the CSMS and from people

    async def authorize(
        self,
        position: Position,
        token: IdToken,
        remote_start_id: int | None,
        *,
        group: str | None = None,
        target: Target | None = None,
    ) -> None:
        """A token (of a `group`, if known) may have energy at an EVSE, up to a `target`. Returns when what it began is
        durable."""
        station = self._station
        made = position.session.authorize(token, remote_start_id, station.clock.monotonic(), group=group)
        position.authorized = position.session.state.authorized
        if target is not None:
            set_target(position.session.state, target)
        station.transactions.note_power_path(position)
        await station.transactions.durable(station.transactions.emit(position, made))
        position.deadline.set_at(position.session.next_deadline())
        station.wishes.reconsider()

    def deauthorize(
        self, position: Position, trigger: TriggerReason, reason: Reason, *, token: IdToken | None = None
    ) -> list[asyncio.Task[None]]:
        """End the right to energy, and stop. `token` is what a person has shown for that."""
        made = position.session.deauthorize(trigger, reason, self._station.clock.monotonic(), token=token)
        return self.changed(position, made)

    def stop_locally(self, evse_id: int) -> bool:
        """End the right to energy as a person at the unit would; whether there was one."""
        position = self._station.positions[evse_id]
        running = position.session.state.authorized
        self.deauthorize(position, TriggerReason.STOP_AUTHORIZED, Reason.LOCAL)
        self._station.spawn(self._station.transactions.keep_state(position))
        return running

    def changed(self, position: Position, made: list[Emission]) -> list[asyncio.Task[None]]:
        """A session was changed from outside: let its wish count, and record what it has made."""
        self._follow(position)
        return self._station.transactions.emit(position, made)

    def trigger_events(self, chosen: Iterable[Position]) -> None:
        """F06.FR.07: a TransactionEvent of each open transaction."""
        for position in chosen:
            self._station.transactions.emit(position, position.session.periodic(TriggerReason.TRIGGER))

    # -- inside

    def _follow(self, position: Position) -> None:
        """What follows any change of a session: the connector's status, its wish and its next deadline."""
        station = self._station
        station.statuses.show(position)
        station.transactions.note_power_path(position)
        station.wishes.external.follow(position)
        self._forget_start(position)
        # What the unit can do is known only when it has been read: a discharge goes on after a restart. An EVSE that
        # wants energy again was left out meanwhile, and what it does not want any more others may have.
        if position.considered != (position.course if position.session.wants_energy else None):
            station.wishes.reconsider()
        else:
            position.apply()
        station.wishes.rates.look(position)
        station.resets.consider()
        # Before there is a time no event can be made; the acceptance comes back here.
        position.deadline.set_at(position.session.next_deadline() if station.time.known else None)

    def _forget_start(self, position: Position) -> None:
        """A right to energy has ended of which no transaction came: so does the profile of its start (K05)."""
        before, position.authorized = position.authorized, position.session.state.authorized
        if before and not position.authorized and position.session.transaction_id is None:
            self._station.spawn(self._station.charging.forget_starts(position.evse_id))

    def _due(self, position: Position) -> None:
        station = self._station
        if station.time.known:
            station.transactions.emit(position, position.session.tick(station.clock.monotonic()))
        self._follow(position)

    def _new_id(self) -> str:
        return str(UUID(int=self._station.clock.random.getrandbits(128), version=4))
