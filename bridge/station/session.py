"""One EVSE's transaction, without I/O: (what happened, now) in, transaction events and the wish for energy out.

A transaction begins and ends at points (TxStartPoint, TxStopPoint; E01, E06), which stand as tables in `tx_points`. It
starts where something begins, a vehicle comes, a token is accepted, energy flows, and one of the start points holds
then; so a vehicle that stays plugged in after a remote stop does not begin the next transaction by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bridge.evse import ChargingState as SeenState
from bridge.evse import Observed, Plug
from bridge.records import dataclass
from bridge.station import tx_points
from bridge.station.messages import (
    ChargingState,
    IdToken,
    OperationMode,
    Reason,
    TransactionEvent,
    TransactionLimit,
    TriggerReason,
    TxPoint,
    token_kind,
)
from bridge.station.tx_points import Facts, Loss

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
    operation_mode: OperationMode | None = None
    limit: TransactionLimit | None = None


@dataclass(slots=True)
class Ending:
    """Energy is being stopped: it is told as soon as the unit has confirmed that, or at `deadline`.

    What is told is Ended or, where no stop point hangs on the authorization, an Updated (`ends` false). `token` is
    what a person has shown to stop.
    """

    trigger: TriggerReason
    reason: Reason
    deadline: int
    ends: bool = True
    token: IdToken | None = None


@dataclass(slots=True)
class SessionState:
    """What survives a restart.

    `stop_trigger` and `stop_reason` say how the authorization has ended, until there is a new one. `away`: the vehicle
    has left within the transaction and may come back to it (E10). `suspended`: authorized, but without a right to
    energy now (E05.FR.02). `starter` is the token that has the authorization (`token` may be one that was shown to
    stop), `group` its group as the authorization block knows groups. `energy_before` is the register at the start, and
    `energy_left` what may still move of it for a token that the CSMS does not accept (E05.FR.03), both in mWh.
    """

    transaction_id: str | None = None
    token: dict[str, Any] | None = None
    token_told: bool = True
    remote_start_id: int | None = None
    charging_state: str | None = None
    evse_told: bool = False
    authorized: bool = False
    connected: bool = False
    away: bool = False
    suspended: bool = False
    stop_trigger: str | None = None
    stop_reason: str | None = None
    starter: dict[str, Any] | None = None
    group: str | None = None
    energy_before: int | None = None
    energy_left: int | None = None
    power_path_closed: int | None = None
    target: dict[str, Any] | None = None  # what is to be moved, see `targets`
    targets: int = 0  # how many have been set
    most_energy: int | None = None  # mWh (then 0.001 %, s): limits of the transaction, see `transaction_limits`
    most_soc: int | None = None
    most_time: int | None = None
    time_over: bool = False
    began: int | None = None  # the transaction, ms since 1970
    operation_mode: str | None = None  # the one that the CSMS has been told
    discharged_by: int | None = None  # the profile that discharged last, where something hangs on that
    local: bool = False  # begun by a person at the unit: what he chose is left to him
    remote: bool = False  # authorized by a RequestStartTransaction

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
        self._resumed = False
        self._reached: tuple[TriggerReason, Reason] | None = None  # told with the state that comes of it

    @property
    def transaction_id(self) -> str | None:
        """The open transaction."""
        return self.state.transaction_id

    @property
    def start_token(self) -> IdToken | None:
        """The token that has, or last had, the authorization of what goes on."""
        starter = self.state.starter
        return IdToken(starter["id_token"], token_kind(starter["type"])) if starter else None

    @property
    def refused(self) -> bool:
        """Whether the CSMS has not accepted the token, and the transaction goes on all the same (E05, C15)."""
        return self.state.suspended or self.state.energy_left is not None

    @property
    def entitled(self) -> bool:
        """Whether somebody has the right to energy, and his vehicle has not gone away from it (E10)."""
        return self.state.authorized and not self.state.away

    @property
    def wants_energy(self) -> bool:
        """Whether energy may flow for this session. It must where only its flow starts the transaction (E01.FR.06)."""
        begun = self.state.transaction_id is not None or TxPoint.ENERGY_TRANSFER in self.rules.start_points
        held = self.state.suspended or self.state.time_over
        return self.entitled and not held and begun and self.ending is None

    # -- what people and the CSMS do

    def authorize(
        self, token: IdToken, remote_start_id: int | None, now: int, *, local: bool = False, group: str | None = None
    ) -> list[Emission]:
        """A token was accepted for this EVSE (F01, F02; E02.FR.01, E03.FR.01), or a person has started the unit."""
        state = self.state
        state.local = local
        state.remote = remote_start_id is not None
        state.remote_start_id = remote_start_id
        state.authorized = True
        state.suspended = False
        state.energy_left = None
        if state.transaction_id is None:
            state.target = None  # of a start that nothing came of
        state.stop_trigger = state.stop_reason = None
        state.group = group
        self._show_token(token)
        state.starter = state.token
        if not state.connected:
            self._await_vehicle(now)
        trigger = TriggerReason.AUTHORIZED if remote_start_id is None else TriggerReason.REMOTE_START
        return self._begun(trigger)

    def deauthorize(
        self, trigger: TriggerReason, reason: Reason, now: int, *, token: IdToken | None = None
    ) -> list[Emission]:
        """The right to energy ends: by RequestStopTransaction (F03), a token (E05, E07), or the vehicle (E09).

        `token` is what a person has shown to stop; it is told with the event (E07.FR.02).
        """
        state = self.state
        if not state.authorized and self.ending is None and trigger != TriggerReason.REMOTE_STOP:
            return []
        state.authorized = state.suspended = False
        self.authorization_until = None
        if state.transaction_id is None:
            return []
        if self.ending is not None:
            return []
        state.stop_trigger, state.stop_reason = trigger.value, reason.value
        return self._stop(Ending(trigger, reason, now + STOP_CONFIRMATION, token=token))

    def suspend(self) -> None:
        """The token has turned out invalid, and the CSMS wants the transaction kept (E05.FR.02): no more energy.

        The event comes of itself when the unit shows that it has stopped.
        """
        self.state.suspended = True

    def amount_reached(self, trigger: TriggerReason, reason: Reason) -> list[Emission]:
        """What was wanted has moved, and the energy is being stopped. It is told when that has happened, with `reason`
        where the transaction ends by it; at once where none flows."""
        if self.state.transaction_id is None or self.ending is not None:
            return []
        if self._energy:
            self._reached = trigger, reason
            return []
        return [self._emit(TransactionEvent.UPDATED, trigger)]

    def abort(self, trigger: TriggerReason, reason: Reason) -> list[Emission]:
        """End at once, without waiting for the unit (an immediate reset, B12.FR.04)."""
        return self._end(trigger, reason) if self.state.transaction_id else []

    def end_soon(self, trigger: TriggerReason, reason: Reason, now: int) -> list[Emission]:
        """End whatever the stop points say, as soon as the energy has stopped (an immediate reset, B12.FR.04)."""
        state = self.state
        if state.transaction_id is None:
            return []
        state.authorized = state.suspended = False
        self.authorization_until = None
        state.stop_trigger, state.stop_reason = trigger.value, reason.value
        if not state.connected:
            return self._end(trigger, reason)
        self.ending = Ending(trigger, reason, now + STOP_CONFIRMATION)
        return []

    def forget(self) -> None:
        """The station or the EVSE was reset: an authorization that no transaction came of is gone."""
        if self.state.transaction_id is None:
            self.state = SessionState(connected=self.state.connected)
            self.ending = self.authorization_until = None

    def periodic(self, trigger: TriggerReason) -> list[Emission]:
        """An event that only carries meter values (E02.FR.10) or was asked for (F06)."""
        return [self._emit(TransactionEvent.UPDATED, trigger)] if self.state.transaction_id else []

    def resume(self, state: SessionState, now: int) -> None:
        """Go on after a restart. A transaction that was being ended is ended now."""
        self.state = state
        self._resumed = True
        self._energy = state.charging_state == ChargingState.CHARGING
        if state.stop_trigger and state.stop_reason and tx_points.ends(self.rules.stop_points, (Loss.AUTHORIZATION,)):
            trigger, reason = TriggerReason(state.stop_trigger), Reason(state.stop_reason)
            self.ending = Ending(trigger, reason, now + STOP_CONFIRMATION)
        elif state.authorized and not state.connected:
            self._await_vehicle(now)

    # -- what the unit shows, and the time

    def observe(self, seen: Observed, now: int) -> list[Emission]:
        """What the unit shows: plugging (E01, E09), charging state (E02.FR.13), a confirmed stop."""
        if not seen.reachable:
            return self.tick(now)
        made: list[Emission] = []
        connected = self._connected(seen)
        if connected != self.state.connected:
            self.state.connected = connected
            trigger = tx_points.plug_trigger(seen)
            made += self._plugged(trigger) if connected else self._unplugged(trigger, now)
        made += self._charging_state_seen(seen)
        if self.ending and seen.confirmed:
            made += self._conclude(self.ending)
        self._resumed = False
        return made + self.tick(now)

    def tick(self, now: int) -> list[Emission]:
        """What the time alone decides: EVConnectionTimeOut (F02.FR.07) and a stop that is not confirmed."""
        if self.ending and now >= self.ending.deadline:
            return self._conclude(self.ending)
        if self.authorization_until is not None and now >= self.authorization_until and not self.state.connected:
            return self._lapse()
        return []

    def next_deadline(self) -> int | None:
        """When `tick` has something to do next (monotonic ms)."""
        times = [t for t in (self.authorization_until, self.ending.deadline if self.ending else None) if t is not None]
        return min(times, default=None)

    # -- the rules

    def _connected(self, seen: Observed) -> bool:
        """Whether a vehicle is there. A type that cannot tell counts as connected while it was authorized or draws."""
        if seen.plug is Plug.BLIND:
            return self.state.authorized or self.ending is not None or seen.charging_state is SeenState.CHARGING
        return self.state.connected if seen.plug is Plug.UNDETERMINED else seen.plug is Plug.YES

    def _await_vehicle(self, now: int) -> None:
        if self.rules.ev_connection_timeout:
            self.authorization_until = now + self.rules.ev_connection_timeout

    def _lapse(self) -> list[Emission]:
        """No vehicle has come within EVConnectionTimeOut: the authorization ends (C01.FR.26, E10.FR.02).

        The transaction ends with it after a remote start, whatever the stop points say (F02.FR.07, TC_F_04), where
        Authorized is one of them (TC_E_05, TC_E_39), and where a vehicle had been there (E10, TC_E_27). After a local
        start without that stop point it goes on, and the next token continues it: E03.FR.05 only says that it SHOULD
        end, and TC_E_05 wants an Updated. E06.FR.06 does not end it either: a power path that was never closed is not
        opened.
        """
        state = self.state
        ends = state.remote or state.away or TxPoint.AUTHORIZED in self.rules.stop_points
        self.authorization_until = None
        state.authorized = state.away = False
        if ends or state.transaction_id is None:
            return self._end(TriggerReason.EV_CONNECT_TIMEOUT, Reason.TIMEOUT)
        return [self._emit(TransactionEvent.UPDATED, TriggerReason.EV_CONNECT_TIMEOUT)]

    def _begun(self, trigger: TriggerReason) -> list[Emission]:
        """Something has just begun: it starts a transaction, or is told within the one that is open."""
        state = self.state
        if state.transaction_id is None:
            facts = Facts(state.connected, state.authorized, self._energy)
            return self._start(trigger) if tx_points.starts(self.rules.start_points, facts) else []
        if state.connected and state.charging_state in (None, ChargingState.IDLE):
            state.charging_state = ChargingState.EV_CONNECTED
        return [self._emit(TransactionEvent.UPDATED, trigger)]

    def _plugged(self, trigger: TriggerReason | None) -> list[Emission]:
        self.authorization_until = None
        self.state.away = False
        return self._begun(trigger or TriggerReason.CABLE_PLUGGED_IN)

    def _unplugged(self, told: TriggerReason | None, now: int) -> list[Emission]:
        """The vehicle has left: with it goes the energy and, where the CSMS wants that, the authorization (E09)."""
        state, trigger = self.state, told or TriggerReason.EV_COMMUNICATION_LOST
        losses = {Loss.VEHICLE} | ({Loss.ENERGY} if self._energy else set())
        self._energy = False
        if self.rules.stop_on_ev_side_disconnect and state.authorized:
            losses.add(Loss.AUTHORIZATION)
            state.authorized = state.suspended = False
            self.authorization_until = None
        elif state.authorized:
            self._await_vehicle(now)
        if state.transaction_id is None:
            return []
        if tx_points.ends(self.rules.stop_points, losses) or (self.ending and self.ending.ends):
            self._show_token(self.ending.token if self.ending else None)
            return self._end(trigger, Reason(state.stop_reason or Reason.EV_DISCONNECTED))
        self.ending = None
        state.away = state.authorized
        state.charging_state = ChargingState.IDLE
        return [self._emit(TransactionEvent.UPDATED, trigger)]

    def _charging_state_seen(self, seen: Observed) -> list[Emission]:
        """E02.FR.13; where a transaction starts or ends with the energy, that (E01.FR.06, E06.FR.07)."""
        state, shown = self.state, seen.charging_state
        flowed, self._energy = self._energy, shown is SeenState.CHARGING or (shown is None and self._energy)
        if state.transaction_id is None:
            points = self.rules.start_points & {TxPoint.ENERGY_TRANSFER}
            begins = tx_points.starts(points, Facts(state.connected, state.authorized, self._energy))
            return self._start(tx_points.state_trigger(seen)) if begins else []
        if shown is None or self.ending:
            return []
        reached, self._reached = self._reached, self._reached if self._energy else None
        if flowed and not self._energy and tx_points.ends(self.rules.stop_points, (Loss.ENERGY,)):
            if self._resumed:  # it has stopped while nobody was looking
                return self._end(TriggerReason.ABNORMAL_CONDITION, Reason.POWER_LOSS)
            return self._end(*(reached or (tx_points.state_trigger(seen), tx_points.energy_reason(seen))))
        now_seen = ChargingState(shown.value)
        if now_seen == state.charging_state or now_seen is ChargingState.IDLE:  # Idle is what unplugging tells
            return []
        state.charging_state = now_seen
        stopped_so = reached is not None and not self._energy
        trigger = reached[0] if reached is not None and stopped_so else tx_points.state_trigger(seen)
        return [self._emit(TransactionEvent.UPDATED, trigger)]

    def _stop(self, ending: Ending) -> list[Emission]:
        """The authorization has ended within a transaction: told now, or together with the stop of the energy."""
        ending.ends = tx_points.ends(self.rules.stop_points, (Loss.AUTHORIZATION,))
        flows = self.state.connected  # else nothing can, and nobody need confirm that it has stopped
        # E05.FR.09: an Updated of Deauthorized is told together with the state that comes of it.
        if flows and (ending.ends or ending.trigger is TriggerReason.DEAUTHORIZED):
            self.ending = ending
            return []
        self._show_token(ending.token)
        if ending.ends:
            return self._end(ending.trigger, ending.reason)
        return [self._emit(TransactionEvent.UPDATED, ending.trigger)]

    def _conclude(self, ending: Ending) -> list[Emission]:
        """Energy has stopped, or has been given time enough to."""
        self.ending = None
        self._show_token(ending.token)
        if ending.ends:
            return self._end(ending.trigger, ending.reason)
        self.state.charging_state = tx_points.resting_state(self.state.connected)
        return [self._emit(TransactionEvent.UPDATED, ending.trigger)]

    def _start(self, trigger: TriggerReason) -> list[Emission]:
        state = self.state
        state.transaction_id = self._new_id()
        self._reached = None
        state.evse_told = False
        state.charging_state = ChargingState.CHARGING if self._energy else tx_points.resting_state(state.connected)
        return [self._emit(TransactionEvent.STARTED, trigger)]

    def _end(self, trigger: TriggerReason, reason: Reason) -> list[Emission]:
        state = self.state
        if state.transaction_id is None:
            return []
        state.charging_state = tx_points.resting_state(state.connected)
        emission = self._emit(TransactionEvent.ENDED, trigger, reason)
        self.ending = None
        self.authorization_until = None
        self.state = SessionState(connected=state.connected)
        return [emission]

    def _show_token(self, token: IdToken | None) -> None:
        """The next event tells this token (E02.FR.01, E07.FR.02)."""
        if token is not None:
            self.state.token = {"id_token": token.id_token, "type": token.type}
            self.state.token_told = False

    def _emit(self, event: TransactionEvent, trigger: TriggerReason, reason: Reason | None = None) -> Emission:
        """Each optional field once, as Part 2 E "optional fields" has it: evse, idToken, remoteStartId."""
        state = self.state
        if state.transaction_id is None:
            raise AssertionError("an event needs a transaction")
        token = (
            None
            if state.token_told or state.token is None
            else IdToken(id_token=state.token["id_token"], type=token_kind(state.token["type"]))
        )
        told_evse = state.connected and not state.evse_told
        remote_start_id, state.remote_start_id = state.remote_start_id, None
        if remote_start_id is not None and event is not TransactionEvent.ENDED:
            trigger = TriggerReason.REMOTE_START  # F01.FR.19, F02.FR.21: even when plugging in starts it
        state.token_told = True
        state.evse_told = state.evse_told or told_evse
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
