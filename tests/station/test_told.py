"""How a transaction event is told when the unit's table has a word of its own for it."""

from dataclasses import replace

import pytest

from bridge.evse import ChargingState as Seen
from bridge.evse import Observed, Plug, StopReason, Trigger
from bridge.station.messages import IdToken, IdTokenKind, Reason, TransactionEvent, TriggerReason, TxPoint
from bridge.station.session import Session, SessionRules

TOKEN = IdToken(id_token="T1", type=IdTokenKind.CENTRAL)


def charging(stop: TxPoint) -> tuple[Session, Observed]:
    """A session in which energy flows."""
    session = Session(SessionRules(frozenset({TxPoint.EV_CONNECTED}), frozenset({stop}), 0), lambda: "tx-1")
    seen = Observed(reachable=True, plug=Plug.YES, charging_state=Seen.EV_CONNECTED)
    session.observe(seen, 0)
    session.authorize(TOKEN, None, 0)
    seen = replace(seen, charging_state=Seen.CHARGING)
    session.observe(seen, 0)
    return session, seen


@pytest.mark.parametrize(("told", "trigger"), [(None, "CablePluggedIn"), (Trigger.EV_DETECTED, "EVDetected")])
def test_plugging_is_told_as_the_table_has_it(told: Trigger | None, trigger: str) -> None:
    rules = SessionRules(frozenset({TxPoint.EV_CONNECTED}), frozenset({TxPoint.EV_CONNECTED}), 0)
    session = Session(rules, lambda: "tx-1")
    seen = Observed(reachable=True, plug=Plug.YES, charging_state=Seen.EV_CONNECTED, plug_trigger=told)
    [started] = session.observe(seen, 0)
    assert (started.event, started.trigger.value) == (TransactionEvent.STARTED, trigger)


@pytest.mark.parametrize(("told", "trigger"), [(None, "EVCommunicationLost"), (Trigger.EV_DEPARTED, "EVDeparted")])
def test_unplugging_too(told: Trigger | None, trigger: str) -> None:
    session, seen = charging(TxPoint.EV_CONNECTED)
    [ended] = session.observe(replace(seen, plug=Plug.NO, charging_state=Seen.IDLE, plug_trigger=told), 0)
    assert (ended.event, ended.trigger.value) == (TransactionEvent.ENDED, trigger)


def test_a_state_is_told_by_the_row_that_decided_it() -> None:
    session, seen = charging(TxPoint.AUTHORIZED)
    faulty = replace(seen, charging_state=Seen.SUSPENDED_EVSE, state_trigger=Trigger.ABNORMAL_CONDITION)
    [updated] = session.observe(faulty, 0)
    assert (updated.event, updated.trigger) == (TransactionEvent.UPDATED, TriggerReason.ABNORMAL_CONDITION)


@pytest.mark.parametrize(
    ("state", "told", "reason"),
    [
        (Seen.SUSPENDED_EV, StopReason.STOPPED_BY_EV, Reason.STOPPED_BY_EV),
        (Seen.SUSPENDED_EVSE, StopReason.LOCAL, Reason.LOCAL),
        (Seen.SUSPENDED_EVSE, None, Reason.OTHER),
    ],
)
def test_a_transaction_that_ends_with_the_energy_says_why(state: Seen, told: StopReason | None, reason: Reason) -> None:
    session, seen = charging(TxPoint.ENERGY_TRANSFER)
    [ended] = session.observe(replace(seen, charging_state=state, stopped_reason=told), 0)
    assert (ended.event, ended.stopped_reason) == (TransactionEvent.ENDED, reason)
    assert ended.trigger is TriggerReason.CHARGING_STATE_CHANGED
    assert session.transaction_id is None
