"""One EVSE's transaction, without I/O: (what happened, now) in, transaction events and the wish for energy out.

A transaction begins and ends at points (TxStartPoint, TxStopPoint; E01, E06). Each point is a condition that is true or
false; a transaction starts where one of the start points *becomes* true and ends where one of the stop points becomes
false. So a vehicle that stays plugged in after a remote stop does not begin the next transaction by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.evse import ChargingState as SeenState
from bridge.evse import Observed, Plug
from bridge.station.messages import (
    ChargingState,
    IdToken,
    IdTokenKind,
    Reason,
    TransactionEvent,
    TriggerReason,
    TxPoint,
)

#: Ended waits so long for the unit to confirm the stop (translation.md, "Stop").
STOP_CONFIRMATION = 10_000


@dataclass(frozen=True, slots=True)
class SessionRules:
    """What the device model says about transactions; `ev_connection_timeout` in ms, 0 = none."""

    start_points: frozenset[TxPoint]
    stop_points: frozenset[TxPoint]
    ev_connection_timeout: int
    stop_on_ev_side_disconnect: bool = True


@dataclass(frozen=True, slots=True)
class Emission:
    """A transaction event to be recorded: what the session knows of it. The station adds time, number, meter values."""

    transaction_id: str
    event: TransactionEvent
    trigger: TriggerReason
    charging_state: ChargingState | None = None
    stopped_reason: Reason | None = None
    id_token: IdToken | None = None
    remote_start_id: int | None = None
    with_evse: bool = False


@dataclass(slots=True)
class Ending:
    """A transaction that is over as soon as the unit has confirmed the stop, or at `deadline`."""

    trigger: TriggerReason
    reason: Reason
    deadline: int


@dataclass(slots=True)
class SessionState:
    """What survives a restart; `points` are the conditions' last values."""

    transaction_id: str | None = None
    token: dict[str, Any] | None = None
    token_told: bool = True
    remote_start_id: int | None = None
    charging_state: str | None = None
    evse_told: bool = False
    authorized: bool = False
    connected: bool = False
    stopped_remotely: bool = False
    power_path_closed: int | None = None
    local: bool = False  # begun by a person at the unit: what he chose is left to him

    def to_json(self) -> dict[str, Any]:
        """As plain data for the store."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SessionState:
        """From the store; names that an older gateway did not have keep their defaults."""
        known = cls.__dataclass_fields__
        return cls(**{name: value for name, value in data.items() if name in known})


class Session:
    """The transaction logic of one EVSE. Every method gives back the events that it made, in order."""

    def __init__(self, rules: SessionRules, new_id: Callable[[], str], state: SessionState | None = None) -> None:
        self.rules = rules
        self.state = state or SessionState()
        self._new_id = new_id
        self.ending: Ending | None = None
        self.authorization_until: int | None = None
        self._energy = False

    @property
    def transaction_id(self) -> str | None:
        """The open transaction."""
        return self.state.transaction_id

    @property
    def wants_energy(self) -> bool:
        """Whether energy may flow for this session."""
        state = self.state
        return state.authorized and state.transaction_id is not None and self.ending is None

    def authorize(
        self, token: IdToken, remote_start_id: int | None, now: int, *, local: bool = False
    ) -> list[Emission]:
        """A token was accepted for this EVSE (F01, F02; E02.FR.01, E03.FR.01), or a person has started the unit."""
        state = self.state
        state.local = local
        state.token = {"id_token": token.id_token, "type": token.type}
        state.token_told = False
        state.remote_start_id = remote_start_id
        state.authorized = True
        state.stopped_remotely = False
        if not state.connected and self.rules.ev_connection_timeout:
            self.authorization_until = now + self.rules.ev_connection_timeout
        trigger = TriggerReason.AUTHORIZED if remote_start_id is None else TriggerReason.REMOTE_START
        return self._after_change(trigger, started=(TxPoint.AUTHORIZED,))

    def deauthorize(self, trigger: TriggerReason, reason: Reason, now: int) -> list[Emission]:
        """The right to energy ends: by RequestStopTransaction (F03), an invalid token (E05) or the vehicle (E09)."""
        state = self.state
        if not state.authorized and self.ending is None and trigger != TriggerReason.REMOTE_STOP:
            return []
        state.authorized = False
        self.authorization_until = None
        state.stopped_remotely = trigger == TriggerReason.REMOTE_STOP
        if state.transaction_id is None:
            return []
        if self.rules.stop_points & {TxPoint.AUTHORIZED, TxPoint.POWER_PATH_CLOSED}:
            self.ending = self.ending or Ending(trigger, reason, now + STOP_CONFIRMATION)
            return []
        return [self._emit(TransactionEvent.UPDATED, trigger)]

    def resume(self, state: SessionState, now: int) -> None:
        """Go on after a restart. A transaction that was being ended is ended now."""
        self.state = state
        ended = state.token is not None and not state.authorized
        if ended and self.rules.stop_points & {TxPoint.AUTHORIZED, TxPoint.POWER_PATH_CLOSED}:
            trigger = TriggerReason.REMOTE_STOP if state.stopped_remotely else TriggerReason.DEAUTHORIZED
            reason = Reason.REMOTE if state.stopped_remotely else Reason.DE_AUTHORIZED
            self.ending = Ending(trigger, reason, now + STOP_CONFIRMATION)

    def observe(self, seen: Observed, now: int) -> list[Emission]:
        """What the unit shows: plugging (E01, E09), charging state (E02.FR.13), a confirmed stop."""
        if not seen.reachable:
            return self.tick(now)
        made: list[Emission] = []
        self._energy = seen.charging_state is SeenState.CHARGING
        connected = self._connected(seen)
        if connected != self.state.connected:
            self.state.connected = connected
            trigger = TriggerReason(seen.plug_trigger.value) if seen.plug_trigger else None
            made += self._plugged(trigger) if connected else self._unplugged(trigger, now)
        made += self._charging_state_seen(seen)
        if self.ending and seen.confirmed:
            made += self._end(self.ending.trigger, self.ending.reason)
        return made + self.tick(now)

    def tick(self, now: int) -> list[Emission]:
        """What the time alone decides: EVConnectionTimeOut (F02.FR.07) and a stop that is not confirmed."""
        if self.ending and now >= self.ending.deadline:
            return self._end(self.ending.trigger, self.ending.reason)
        if self.authorization_until is not None and now >= self.authorization_until and not self.state.connected:
            self.authorization_until = None
            self.state.authorized = False
            if self.state.transaction_id:
                return self._end(TriggerReason.EV_CONNECT_TIMEOUT, Reason.TIMEOUT)
        return []

    def next_deadline(self) -> int | None:
        """When `tick` has something to do next (monotonic ms)."""
        times = [t for t in (self.authorization_until, self.ending.deadline if self.ending else None) if t is not None]
        return min(times, default=None)

    def periodic(self, trigger: TriggerReason) -> list[Emission]:
        """An event that only carries meter values (E02.FR.10) or was asked for (F06)."""
        return [self._emit(TransactionEvent.UPDATED, trigger)] if self.state.transaction_id else []

    def abort(self, trigger: TriggerReason, reason: Reason) -> list[Emission]:
        """End at once, without waiting for the unit (an immediate reset, B12.FR.04)."""
        return self._end(trigger, reason) if self.state.transaction_id else []

    # -- the rules

    def _points(self) -> dict[TxPoint, bool]:
        state = self.state
        return {
            TxPoint.EV_CONNECTED: state.connected,
            TxPoint.AUTHORIZED: state.authorized,
            TxPoint.POWER_PATH_CLOSED: state.authorized and state.connected,
            TxPoint.ENERGY_TRANSFER: self._energy,
        }

    def _connected(self, seen: Observed) -> bool:
        """Whether a vehicle is there. A type that cannot tell counts as connected while it was authorized or draws."""
        if seen.plug is Plug.BLIND:
            return self.state.authorized or seen.charging_state is SeenState.CHARGING
        return self.state.connected if seen.plug is Plug.UNDETERMINED else seen.plug is Plug.YES

    def _plugged(self, trigger: TriggerReason | None) -> list[Emission]:
        self.authorization_until = None
        return self._after_change(trigger or TriggerReason.CABLE_PLUGGED_IN, started=(TxPoint.EV_CONNECTED,))

    def _unplugged(self, told: TriggerReason | None, now: int) -> list[Emission]:
        state, trigger = self.state, told or TriggerReason.EV_COMMUNICATION_LOST
        if state.transaction_id is None:
            return []
        if self.rules.stop_points & {TxPoint.EV_CONNECTED, TxPoint.POWER_PATH_CLOSED} or self.ending:
            remote = state.stopped_remotely or (self.ending and self.ending.reason is Reason.REMOTE)
            reason = Reason.REMOTE if remote else Reason.EV_DISCONNECTED
            return self._end(trigger, reason, ChargingState.IDLE)
        state.charging_state = ChargingState.IDLE
        made = [self._emit(TransactionEvent.UPDATED, trigger)]
        if self.rules.stop_on_ev_side_disconnect:
            made += self.deauthorize(trigger, Reason.EV_DISCONNECTED, now)
        return made

    def _charging_state_seen(self, seen: Observed) -> list[Emission]:
        state = self.state
        made: list[Emission] = []
        if state.transaction_id is None:
            if self._energy and TxPoint.ENERGY_TRANSFER in self.rules.start_points and state.authorized:
                made += self._start(TriggerReason.CHARGING_STATE_CHANGED)
            return made
        if seen.charging_state is None or self.ending:
            return made
        now_seen = ChargingState(seen.charging_state.value)
        if now_seen != state.charging_state and not (now_seen is ChargingState.IDLE and not state.connected):
            was, state.charging_state = state.charging_state, now_seen
            trigger = _trigger(seen)
            if was is ChargingState.CHARGING and TxPoint.ENERGY_TRANSFER in self.rules.stop_points:
                return [*made, *self._end(trigger, _stopped(seen), now_seen)]
            made.append(self._emit(TransactionEvent.UPDATED, trigger))
        return made

    def _after_change(self, trigger: TriggerReason, started: tuple[TxPoint, ...]) -> list[Emission]:
        """A point has become true: it starts a transaction, or is told within the one that is open."""
        points = self._points()
        became_true = {*started, TxPoint.POWER_PATH_CLOSED}
        if self.state.transaction_id is None:
            if any(points.get(point) for point in self.rules.start_points & became_true):
                return self._start(trigger)
            return []
        if self.state.connected and self.state.charging_state in (None, ChargingState.IDLE):
            self.state.charging_state = ChargingState.EV_CONNECTED
        return [self._emit(TransactionEvent.UPDATED, trigger)]

    def _start(self, trigger: TriggerReason) -> list[Emission]:
        state = self.state
        state.transaction_id = self._new_id()
        state.evse_told = False
        state.charging_state = ChargingState.EV_CONNECTED if state.connected else ChargingState.IDLE
        return [self._emit(TransactionEvent.STARTED, trigger)]

    def _end(self, trigger: TriggerReason, reason: Reason, last: ChargingState | None = None) -> list[Emission]:
        state = self.state
        if state.transaction_id is None:
            return []
        state.charging_state = last or (ChargingState.EV_CONNECTED if state.connected else ChargingState.IDLE)
        emission = self._emit(TransactionEvent.ENDED, trigger, reason)
        self.ending = None
        self.authorization_until = None
        self.state = SessionState(connected=state.connected)
        return [emission]

    def _emit(self, event: TransactionEvent, trigger: TriggerReason, reason: Reason | None = None) -> Emission:
        """Each optional field once, as Part 2 E "optional fields" has it: evse, idToken, remoteStartId."""
        state = self.state
        token = (
            None
            if state.token_told or state.token is None
            else IdToken(id_token=state.token["id_token"], type=IdTokenKind(state.token["type"]))
        )
        told_evse = state.connected and not state.evse_told
        remote_start_id, state.remote_start_id = state.remote_start_id, None
        if remote_start_id is not None and event is not TransactionEvent.ENDED:
            trigger = TriggerReason.REMOTE_START  # F01.FR.19, F02.FR.21: even when plugging in starts it
        state.token_told = True
        state.evse_told = state.evse_told or told_evse
        if state.transaction_id is None:
            raise AssertionError("an event needs a transaction")
        return Emission(
            transaction_id=state.transaction_id,
            event=event,
            trigger=trigger,
            charging_state=ChargingState(state.charging_state) if state.charging_state else None,
            stopped_reason=reason,
            id_token=token,
            remote_start_id=remote_start_id,
            with_evse=told_evse,
        )


def _trigger(seen: Observed) -> TriggerReason:
    """How a change of the charging state is told: as the unit's table has it, else as usual."""
    return TriggerReason(seen.state_trigger.value) if seen.state_trigger else TriggerReason.CHARGING_STATE_CHANGED


def _stopped(seen: Observed) -> Reason:
    """Why a transaction ends that ends with the energy (E06.FR.07)."""
    return Reason(seen.stopped_reason.value) if seen.stopped_reason else Reason.OTHER
