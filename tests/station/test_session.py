"""One EVSE's transaction logic, moved by hand: points, losses, words, deadlines. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bridge.evse import ChargingState as Seen
from bridge.evse import Observed, Plug, StopReason, Trigger
from bridge.station.messages import (
    ChargingState,
    IdToken,
    IdTokenKind,
    Reason,
    TransactionEvent,
    TriggerReason,
    TxPoint,
)
from bridge.station.session import STOP_CONFIRMATION, Emission, Session, SessionRules, SessionState

TOKEN = IdToken("T-1", IdTokenKind.CENTRAL)
OTHER = IdToken("T-2", IdTokenKind.CENTRAL)
CONNECTED, AUTHORIZED = TxPoint.EV_CONNECTED, TxPoint.AUTHORIZED
CLOSED, ENERGY = TxPoint.POWER_PATH_CLOSED, TxPoint.ENERGY_TRANSFER
TIMEOUT = 120_000


@dataclass
class Stand:
    """A session and what it has told."""

    session: Session
    now: int = 0
    told: list[Emission] = field(default_factory=list)
    seen: Observed = field(default_factory=lambda: Observed(reachable=True, plug=Plug.NO))

    def take(self, made: Iterable[Emission]) -> Stand:
        self.told += made
        return self

    def show(self, **changes: Any) -> Stand:
        self.seen = replace(self.seen, **changes)
        return self.take(self.session.observe(self.seen, self.now))

    def plug(self) -> Stand:
        return self.show(plug=Plug.YES, charging_state=Seen.EV_CONNECTED, confirmed=False)

    def unplug(self) -> Stand:
        return self.show(plug=Plug.NO, charging_state=Seen.IDLE, confirmed=False)

    def flow(self) -> Stand:
        return self.show(charging_state=Seen.CHARGING)

    def authorize(self, remote: int | None = None) -> Stand:
        return self.take(self.session.authorize(TOKEN, remote, self.now))

    def stop(self, trigger: TriggerReason = TriggerReason.REMOTE_STOP, reason: Reason = Reason.REMOTE) -> Stand:
        return self.take(self.session.deauthorize(trigger, reason, self.now))

    def pass_time(self, milliseconds: int) -> Stand:
        self.now += milliseconds
        return self.take(self.session.tick(self.now))

    @property
    def last(self) -> Emission:
        return self.told[-1]

    @property
    def story(self) -> list[tuple[str, str, str | None]]:
        return [(e.event.value, e.trigger.value, e.charging_state and e.charging_state.value) for e in self.told]


def stand(
    start: Iterable[TxPoint] = (CLOSED,),
    stop: Iterable[TxPoint] = (AUTHORIZED, CONNECTED),
    *,
    ev_side: bool = True,
    timeout: int = TIMEOUT,
) -> Stand:
    numbers = iter(range(1000))
    rules = SessionRules(frozenset(start), frozenset(stop), timeout, ev_side)
    return Stand(Session(rules, lambda: f"tx-{next(numbers)}"))


# Where it starts (E01)


@pytest.mark.parametrize(
    ("point", "when"),
    [(CONNECTED, "plug"), (AUTHORIZED, "authorize"), (CLOSED, "authorize"), (ENERGY, "flow")],
)
def test_cable_first_each_point_starts_at_its_own_moment(point: TxPoint, when: str) -> None:
    made = stand([point])
    for step, do in (("plug", made.plug), ("authorize", made.authorize), ("flow", made.flow)):
        before = len(made.told)
        do()
        started = any(e.event is TransactionEvent.STARTED for e in made.told[before:])
        assert started is (step == when), step
    assert made.last.charging_state is ChargingState.CHARGING


@pytest.mark.parametrize(
    ("point", "when"),
    [(CONNECTED, "plug"), (AUTHORIZED, "authorize"), (CLOSED, "plug"), (ENERGY, "flow")],
)
def test_token_first_each_point_starts_at_its_own_moment(point: TxPoint, when: str) -> None:
    made = stand([point])
    for step, do in (("authorize", made.authorize), ("plug", made.plug), ("flow", made.flow)):
        before = len(made.told)
        do()
        started = any(e.event is TransactionEvent.STARTED for e in made.told[before:])
        assert started is (step == when), step


def test_of_several_points_the_first_that_is_reached_starts() -> None:
    assert stand([AUTHORIZED, CONNECTED]).plug().story[0] == ("Started", "CablePluggedIn", "EVConnected")
    assert stand([AUTHORIZED, CONNECTED]).authorize().story[0] == ("Started", "Authorized", "Idle")


def test_energy_that_starts_a_transaction_is_told_as_charging_with_token_and_evse() -> None:
    made = stand([ENERGY]).plug().authorize()
    assert made.session.wants_energy, "or it would never flow"
    assert made.told == []
    made.flow()
    assert made.story == [("Started", "ChargingStateChanged", "Charging")]
    assert (made.last.id_token, made.last.with_evse) == (TOKEN, True)


def test_without_the_point_nobody_gets_energy_before_the_transaction() -> None:
    assert not stand([CONNECTED]).authorize().session.wants_energy


def test_energy_that_nobody_has_asked_for_starts_nothing() -> None:
    assert stand([ENERGY]).plug().flow().told == []


def test_a_vehicle_that_stays_after_a_stop_starts_the_next_only_with_a_token() -> None:
    made = stand([CONNECTED], [AUTHORIZED]).plug().authorize().flow().stop()
    made.show(charging_state=Seen.EV_CONNECTED, confirmed=True)
    assert made.last.event is TransactionEvent.ENDED
    made.show(confirmed=False)
    assert made.last.event is TransactionEvent.ENDED
    made.authorize()
    assert made.story[-1] == ("Started", "Authorized", "EVConnected")
    assert made.told[-1].transaction_id != made.told[0].transaction_id


def test_a_remote_start_is_told_by_whatever_event_comes_next() -> None:
    made = stand([CONNECTED]).authorize(remote=7).plug()
    assert (made.last.trigger, made.last.remote_start_id) == (TriggerReason.REMOTE_START, 7)
    made.flow()
    assert made.last.remote_start_id is None


def test_what_is_told_once_is_told_once() -> None:
    made = stand([AUTHORIZED]).authorize().plug().flow().take([])
    made.take(made.session.periodic(TriggerReason.METER_VALUE_PERIODIC))
    assert [e.id_token for e in made.told] == [TOKEN, None, None, None]
    assert [e.with_evse for e in made.told] == [False, True, False, False]


def test_a_vehicle_that_is_there_is_never_told_as_idle() -> None:
    made = stand([AUTHORIZED]).authorize().show(plug=Plug.YES, charging_state=Seen.IDLE)
    assert [e.charging_state for e in made.told] == [ChargingState.IDLE, ChargingState.EV_CONNECTED]


# Where it ends (E06)

BY_AUTHORIZATION = {AUTHORIZED, CLOSED, ENERGY}
BY_VEHICLE = {CONNECTED, CLOSED}


@pytest.mark.parametrize("point", [CONNECTED, AUTHORIZED, CLOSED, ENERGY])
@pytest.mark.parametrize(
    ("trigger", "reason"),
    [
        (TriggerReason.REMOTE_STOP, Reason.REMOTE),
        (TriggerReason.STOP_AUTHORIZED, Reason.LOCAL),
        (TriggerReason.DEAUTHORIZED, Reason.DE_AUTHORIZED),
    ],
)
def test_the_end_of_the_authorization(point: TxPoint, trigger: TriggerReason, reason: Reason) -> None:
    made = stand(stop=[point]).plug().authorize().flow().stop(trigger, reason)
    assert not made.session.wants_energy
    made.show(charging_state=Seen.EV_CONNECTED, confirmed=True)
    if point in BY_AUTHORIZATION:
        assert made.story[-1] == ("Ended", trigger.value, "EVConnected")
        assert made.last.stopped_reason is reason
        assert made.session.transaction_id is None
    else:
        assert made.last.charging_state is ChargingState.EV_CONNECTED
        assert trigger in {e.trigger for e in made.told}
        made.unplug()
        assert made.story[-1] == ("Ended", "EVCommunicationLost", "Idle")
        assert made.last.stopped_reason is reason, "who has stopped counts for more than that the vehicle left"


def test_an_updated_deauthorized_comes_with_the_state_that_comes_of_it() -> None:
    made = stand(stop=[CONNECTED]).plug().authorize().flow()
    before = len(made.told)
    made.stop(TriggerReason.DEAUTHORIZED, Reason.DE_AUTHORIZED)
    assert made.told[before:] == []
    made.show(charging_state=Seen.EV_CONNECTED, confirmed=True)
    assert made.story[before:] == [("Updated", "Deauthorized", "EVConnected")]


def test_a_stop_that_the_unit_does_not_confirm_is_told_after_ten_seconds() -> None:
    made = stand().plug().authorize().flow().stop()
    assert made.last.event is TransactionEvent.UPDATED
    assert made.session.next_deadline() == STOP_CONFIRMATION
    made.pass_time(STOP_CONFIRMATION - 1)
    assert made.last.event is TransactionEvent.UPDATED
    made.pass_time(1)
    assert (made.last.event, made.last.stopped_reason) == (TransactionEvent.ENDED, Reason.REMOTE)


def test_without_a_vehicle_a_stop_waits_for_nobody() -> None:
    made = stand([AUTHORIZED]).authorize().stop()
    assert made.story == [("Started", "Authorized", "Idle"), ("Ended", "RemoteStop", "Idle")]


def test_the_token_that_stops_is_told_with_the_stop_and_not_before() -> None:
    made = stand().plug().authorize().flow()
    made.take(made.session.deauthorize(TriggerReason.STOP_AUTHORIZED, Reason.LOCAL, 0, token=OTHER))
    made.take(made.session.periodic(TriggerReason.METER_VALUE_PERIODIC))
    assert made.last.id_token is None
    made.show(confirmed=True)
    assert (made.last.event, made.last.id_token) == (TransactionEvent.ENDED, OTHER)


def test_a_second_stop_changes_nothing() -> None:
    made = stand().plug().authorize().flow().stop(TriggerReason.STOP_AUTHORIZED, Reason.LOCAL).stop()
    made.show(confirmed=True)
    assert made.last.stopped_reason is Reason.LOCAL


@pytest.mark.parametrize("point", [CONNECTED, AUTHORIZED, CLOSED, ENERGY])
@pytest.mark.parametrize("ev_side", [True, False])
def test_a_vehicle_that_leaves_while_energy_flows(point: TxPoint, ev_side: bool) -> None:
    made = stand(stop=[point], ev_side=ev_side).plug().authorize().flow().unplug()
    ends = point is not AUTHORIZED or ev_side
    assert made.story[-1] == ("Ended" if ends else "Updated", "EVCommunicationLost", "Idle")
    assert made.last.stopped_reason is (Reason.EV_DISCONNECTED if ends else None)
    assert not made.session.wants_energy


def test_by_energy_alone_a_vehicle_that_has_not_charged_does_not_end_it() -> None:
    made = stand([CONNECTED], [ENERGY], ev_side=False).plug().unplug()
    assert made.story[-1] == ("Updated", "EVCommunicationLost", "Idle")


@pytest.mark.parametrize(
    ("shown", "table", "reason"),
    [
        (Seen.SUSPENDED_EV, None, Reason.STOPPED_BY_EV),
        (Seen.SUSPENDED_EVSE, None, Reason.OTHER),
        (Seen.SUSPENDED_EVSE, StopReason.GROUND_FAULT, Reason.GROUND_FAULT),
        (Seen.EV_CONNECTED, StopReason.LOCAL, Reason.LOCAL),
    ],
)
def test_energy_that_stops(shown: Seen, table: StopReason | None, reason: Reason) -> None:
    made = stand(stop=[ENERGY]).plug().authorize().flow().show(charging_state=shown, stopped_reason=table)
    assert made.story[-1] == ("Ended", "ChargingStateChanged", "EVConnected")
    assert made.last.stopped_reason is reason
    assert not made.session.wants_energy


def test_a_pause_ends_nothing_by_the_other_points() -> None:
    made = stand(stop=[CONNECTED, AUTHORIZED, CLOSED]).plug().authorize().flow().show(charging_state=Seen.SUSPENDED_EV)
    assert made.story[-1] == ("Updated", "ChargingStateChanged", "SuspendedEV")


def test_a_fault_that_ends_it_is_an_abnormal_condition() -> None:
    made = stand(stop=[ENERGY]).plug().authorize().flow()
    made.show(charging_state=Seen.SUSPENDED_EVSE, state_trigger=Trigger.ABNORMAL_CONDITION)
    assert made.story[-1] == ("Ended", "AbnormalCondition", "EVConnected")


def test_a_reset_ends_it_at_once() -> None:
    made = stand().plug().authorize().flow()
    made.take(made.session.abort(TriggerReason.RESET_COMMAND, Reason.IMMEDIATE_RESET))
    assert made.story[-1] == ("Ended", "ResetCommand", "EVConnected")
    assert made.session.abort(TriggerReason.RESET_COMMAND, Reason.IMMEDIATE_RESET) == []


# The EV's side of the cable (E09, E10) and the time-out (E03.FR.05, F02.FR.07)


def test_with_e09_a_vehicle_that_comes_back_gets_no_energy() -> None:
    made = stand([CONNECTED], [AUTHORIZED]).plug().authorize().flow().unplug().plug()
    assert made.story[-2:] == [
        ("Ended", "EVCommunicationLost", "Idle"),
        ("Started", "CablePluggedIn", "EVConnected"),
    ]
    assert not made.session.wants_energy


def test_with_e10_the_transaction_waits_for_its_vehicle_and_goes_on() -> None:
    made = stand(stop=[AUTHORIZED], ev_side=False).plug().authorize().flow().unplug()
    assert made.story[-1] == ("Updated", "EVCommunicationLost", "Idle")
    assert (made.session.wants_energy, made.session.entitled) == (False, False)
    made.pass_time(TIMEOUT - 1)
    made.plug()
    assert made.story[-1] == ("Updated", "CablePluggedIn", "EVConnected")
    assert made.session.wants_energy
    made.pass_time(TIMEOUT)
    assert made.session.wants_energy
    made.flow()
    assert len({e.transaction_id for e in made.told}) == 1


@pytest.mark.parametrize("stop", [[AUTHORIZED], [ENERGY]])
def test_with_e10_a_vehicle_that_does_not_come_back_ends_it(stop: list[TxPoint]) -> None:
    made = stand(stop=stop, ev_side=False).plug().authorize().show(charging_state=Seen.SUSPENDED_EVSE).unplug()
    made.pass_time(TIMEOUT)
    assert made.story[-1] == ("Ended", "EVConnectTimeout", "Idle")
    assert made.last.stopped_reason is Reason.TIMEOUT


def test_a_token_whose_vehicle_does_not_come_lapses() -> None:
    made = stand([CONNECTED]).authorize()
    assert made.session.authorization_until == TIMEOUT
    made.pass_time(TIMEOUT)
    assert (made.told, made.session.state.authorized) == ([], False)
    made.plug()
    assert made.story == [("Started", "CablePluggedIn", "EVConnected")]
    assert not made.session.wants_energy


def test_a_token_whose_vehicle_leaves_before_anything_began_lapses_with_it() -> None:
    made = stand([ENERGY]).plug().authorize().unplug().plug().flow()
    assert made.told == []


@pytest.mark.parametrize("remote", [None, 7])
@pytest.mark.parametrize("stop", [[AUTHORIZED], [CONNECTED], [CLOSED], [ENERGY], [CONNECTED, AUTHORIZED]])
def test_what_a_vehicle_that_never_comes_ends(stop: list[TxPoint], remote: int | None) -> None:
    """A remote start always (F02.FR.07), a local one where Authorized is a stop point (TC_E_05)."""
    made = stand([AUTHORIZED], stop).authorize(remote)
    made.pass_time(TIMEOUT)
    if remote or AUTHORIZED in stop:
        assert made.story[-1] == ("Ended", "EVConnectTimeout", "Idle")
        assert made.last.stopped_reason is Reason.TIMEOUT
        assert made.session.transaction_id is None
        return
    assert made.story[-1] == ("Updated", "EVConnectTimeout", "Idle")
    made.plug()
    assert not made.session.wants_energy
    made.authorize()
    assert made.session.wants_energy
    assert made.story[-1] == ("Updated", "Authorized", "EVConnected")
    assert len({e.transaction_id for e in made.told}) == 1


def test_who_has_started_it_remotely_is_known_after_a_restart() -> None:
    made = _restart(stand([AUTHORIZED], [CONNECTED]).authorize(7))
    made.pass_time(TIMEOUT)
    assert made.story == [("Ended", "EVConnectTimeout", "Idle")]


def test_no_time_out_where_it_is_zero() -> None:
    made = stand([AUTHORIZED], timeout=0).authorize()
    assert made.session.next_deadline() is None


# What a token that is not accepted leaves (E05.FR.02), units that cannot tell, restarts


def test_a_suspended_session_has_no_energy_until_somebody_is_authorized_anew() -> None:
    made = stand().plug().authorize().flow()
    made.session.suspend()
    assert not made.session.wants_energy
    made.show(charging_state=Seen.SUSPENDED_EVSE)
    assert made.story[-1] == ("Updated", "ChargingStateChanged", "SuspendedEVSE")
    made.authorize()
    assert made.session.wants_energy


def test_a_blind_unit_ends_by_the_stop_and_not_by_a_vehicle_that_nobody_saw_leave() -> None:
    made = stand().show(plug=Plug.BLIND).authorize().show().flow().stop()
    made.show(charging_state=None)
    made.show(confirmed=True)
    assert (made.last.trigger, made.last.stopped_reason) == (TriggerReason.REMOTE_STOP, Reason.REMOTE)


def test_a_unit_that_is_not_heard_changes_nothing() -> None:
    made = stand().plug().authorize().flow()
    before = len(made.told)
    made.show(reachable=False, plug=Plug.NO, charging_state=Seen.IDLE)
    assert made.told[before:] == []


def _restart(made: Stand) -> Stand:
    again = stand()
    again.session.rules, again.seen = made.session.rules, made.seen
    again.session.resume(SessionState.from_json(made.session.state.to_json()), 0)
    return again


def test_after_a_restart_the_transaction_goes_on_and_says_nothing_twice() -> None:
    made = _restart(stand().plug().authorize().flow()).show()
    assert made.told == []
    assert made.session.wants_energy
    made.show(charging_state=Seen.SUSPENDED_EV)
    assert (made.last.id_token, made.last.with_evse) == (None, False)


@pytest.mark.parametrize(
    ("trigger", "reason"),
    [(TriggerReason.REMOTE_STOP, Reason.REMOTE), (TriggerReason.STOP_AUTHORIZED, Reason.LOCAL)],
)
def test_a_stop_that_was_under_way_is_finished_after_a_restart(trigger: TriggerReason, reason: Reason) -> None:
    made = _restart(stand().plug().authorize().flow().stop(trigger, reason))
    assert not made.session.wants_energy
    made.pass_time(STOP_CONFIRMATION)
    assert (made.last.trigger, made.last.stopped_reason) == (trigger, reason)


def test_energy_that_stopped_while_nobody_looked_is_a_power_loss_where_that_ends_it() -> None:
    made = _restart(stand(stop=[ENERGY]).plug().authorize().flow()).show(charging_state=Seen.EV_CONNECTED)
    assert made.story == [("Ended", "AbnormalCondition", "EVConnected")]
    assert made.last.stopped_reason is Reason.POWER_LOSS


def test_a_vehicle_that_left_while_nobody_looked_ends_it_as_always() -> None:
    made = _restart(stand().plug().authorize().flow()).unplug()
    assert made.story == [("Ended", "EVCommunicationLost", "Idle")]
    assert made.last.stopped_reason is Reason.EV_DISCONNECTED


def test_a_vehicle_that_is_awaited_is_awaited_after_a_restart_and_not_for_ever() -> None:
    made = _restart(stand([AUTHORIZED]).authorize())
    made.pass_time(TIMEOUT)
    assert made.story == [("Ended", "EVConnectTimeout", "Idle")]


def test_a_state_of_an_older_gateway_is_read() -> None:
    old = {"transaction_id": "t", "authorized": True, "connected": True, "stopped_remotely": False}
    assert SessionState.from_json(old).transaction_id == "t"
