"""Every set of start points with every set of stop points, through random lives: what holds whatever happens."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, combinations
from typing import Any

import pytest

from bridge.clock import Clock
from bridge.evse import ChargingState as Seen
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
from bridge.station.session import Emission, Session, SessionRules, SessionState
from bridge.station.tx_points import ENDED_AS, HANGS_ON, HOLDS

POINTS = tuple(HOLDS)
SETS = [frozenset(some) for some in chain.from_iterable(combinations(POINTS, n) for n in range(1, len(POINTS) + 1))]
TOKEN = IdToken("T-1", IdTokenKind.CENTRAL)
STEPS = 60
STOPS = (
    (TriggerReason.REMOTE_STOP, Reason.REMOTE),
    (TriggerReason.STOP_AUTHORIZED, Reason.LOCAL),
    (TriggerReason.STOP_AUTHORIZED, Reason.MASTER_PASS),
    (TriggerReason.DEAUTHORIZED, Reason.DE_AUTHORIZED),
)
AFTER_PLUG = (Seen.EV_CONNECTED, Seen.CHARGING, Seen.SUSPENDED_EV, Seen.SUSPENDED_EVSE, None)


class Life:
    """A session to which anything may happen."""

    def __init__(self, chance: Any, rules: SessionRules) -> None:
        self.chance, self.rules, self.now, self.number = chance, rules, 0, 0
        self.seen = Observed(reachable=True, plug=Plug.NO)
        self.session = self._new(SessionState())
        self.told: list[Emission] = []

    def _new(self, state: SessionState) -> Session:
        return Session(self.rules, self._id, state)

    def _id(self) -> str:
        self.number += 1
        return f"tx-{self.number}"

    def step(self) -> None:
        chance, session = self.chance, self.session
        match chance.choice(["plug", "plug", "state", "state", "state", "authorize", "authorize", "stop", "time",
                             "confirm", "periodic", "suspend", "restart", "abort", "silence"]):  # fmt: skip
            case "plug":
                plug = chance.choice([Plug.YES, Plug.NO, Plug.UNDETERMINED])
                self.seen = replace(self.seen, plug=plug, confirmed=False, charging_state=None)
                self._observe()
            case "state":
                state = chance.choice(AFTER_PLUG) if self.session.state.connected else Seen.IDLE
                self.seen = replace(self.seen, charging_state=state)
                self._observe()
            case "authorize" if not session.state.authorized and not session.ending:
                self.told += session.authorize(TOKEN, chance.choice([None, 7]), self.now)
            case "stop":
                self.told += session.deauthorize(*chance.choice(STOPS), self.now)
            case "time":
                self.now += chance.choice([1_000, 10_000, 60_000])
                self.told += session.tick(self.now)
            case "confirm":
                self.seen = replace(self.seen, confirmed=True)
                self._observe()
            case "periodic":
                self.told += session.periodic(TriggerReason.METER_VALUE_PERIODIC)
            case "suspend" if session.state.authorized:
                session.suspend()
            case "restart":
                self._restart()
            case "abort" if chance.random() < 0.2:
                self.told += session.abort(TriggerReason.RESET_COMMAND, Reason.IMMEDIATE_RESET)
            case "silence":
                self.told += session.observe(replace(self.seen, reachable=False), self.now)

    def _observe(self) -> None:
        self.told += self.session.observe(self.seen, self.now)

    def _restart(self) -> None:
        before = self.session.state
        open_transaction = before.transaction_id is not None
        self.session = self._new(SessionState(connected=before.connected))
        if open_transaction:
            self.session.resume(SessionState.from_json(before.to_json()), self.now)


def _judge(told: list[Emission]) -> None:
    """Started first and once, Ended last and once, one transaction after the other; each word where it belongs."""
    open_id: str | None = None
    evse_told = False
    for event in told:
        if event.event is TransactionEvent.STARTED:
            assert open_id is None, "two at a time (E01.FR.14)"
            open_id, evse_told = event.transaction_id, False
        assert event.transaction_id == open_id, "an event of a transaction that is not open"
        evse_told = evse_told or event.with_evse
        assert event.charging_state is not None
        assert event.charging_state is ChargingState.IDLE or evse_told, "a vehicle, and no EVSE named (E01.FR.16)"
        assert (event.stopped_reason is None) is (event.event is not TransactionEvent.ENDED)
        if event.stopped_reason is not None:
            assert event.stopped_reason in ENDED_AS[event.trigger], (event.trigger, event.stopped_reason)
            assert event.charging_state in (ChargingState.IDLE, ChargingState.EV_CONNECTED)
            open_id = None
        if event.trigger is TriggerReason.REMOTE_START:
            assert event.remote_start_id == 7
            assert event.id_token == TOKEN
        if event.remote_start_id is not None and event.event is not TransactionEvent.ENDED:
            assert event.trigger is TriggerReason.REMOTE_START


@pytest.mark.parametrize("start", SETS, ids=lambda points: "+".join(sorted(points)))
def test_whatever_happens_the_story_is_right(start: frozenset[TxPoint]) -> None:
    for number, stop in enumerate(SETS):
        for ev_side in (True, False):
            seed = number * 2 + ev_side
            chance = Clock(seed=seed * 1009 + len(start)).random
            life = Life(chance, SessionRules(start, stop, 120_000, ev_side))
            for _ in range(8 * STEPS):
                life.step()
                session = life.session
                if session.wants_energy:
                    assert session.state.authorized
                    assert session.ending is None
                if session.transaction_id is None:
                    assert session.ending is None
            _judge(life.told)
            assert len({e.transaction_id for e in life.told}) == life.number


def test_the_tables_know_every_point_that_a_unit_can_have() -> None:
    """Without a parking bay detector and a meter that signs (TxPoint has the others for CSMSs that ask for them)."""
    known = {TxPoint.EV_CONNECTED, TxPoint.AUTHORIZED, TxPoint.POWER_PATH_CLOSED, TxPoint.ENERGY_TRANSFER}
    assert set(HOLDS) == set(HANGS_ON) == known


def test_the_random_lives_go_through_every_way_to_end() -> None:
    """Or the judgement above would say little: each pair that the session itself can tell occurs."""
    seen: set[tuple[TriggerReason, Reason]] = set()
    for seed in range(60):
        chance = Clock(seed=seed).random
        life = Life(chance, SessionRules(chance.choice(SETS), chance.choice(SETS), 120_000, chance.random() < 0.5))
        for _ in range(10 * STEPS):
            life.step()
        seen |= {(e.trigger, e.stopped_reason) for e in life.told if e.stopped_reason is not None}
    assert {
        (TriggerReason.REMOTE_STOP, Reason.REMOTE),
        (TriggerReason.STOP_AUTHORIZED, Reason.LOCAL),
        (TriggerReason.STOP_AUTHORIZED, Reason.MASTER_PASS),
        (TriggerReason.DEAUTHORIZED, Reason.DE_AUTHORIZED),
        (TriggerReason.EV_CONNECT_TIMEOUT, Reason.TIMEOUT),
        (TriggerReason.EV_COMMUNICATION_LOST, Reason.EV_DISCONNECTED),
        (TriggerReason.EV_COMMUNICATION_LOST, Reason.REMOTE),
        (TriggerReason.CHARGING_STATE_CHANGED, Reason.STOPPED_BY_EV),
        (TriggerReason.CHARGING_STATE_CHANGED, Reason.OTHER),
        (TriggerReason.ABNORMAL_CONDITION, Reason.POWER_LOSS),
        (TriggerReason.RESET_COMMAND, Reason.IMMEDIATE_RESET),
    } <= seen
