"""Block E of Part 6, events that the CSMS does not take (E13): TC_E_41, 42, 50, 51, and what a CSMS does wrong besides.

The n-th repetition comes MessageAttemptInterval times n after the failure before it, and a CALL that nobody answers has
failed after MessageTimeout. A repetition is a new CALL with the same content.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.octt.harness import STATION, Call, Drop, Late, Never, Octt, Raw, Refuse, Twice, case

ATTEMPTS, INTERVAL, TIMEOUT = 3, 10, 60
FIRST = {
    "OCPPCommCtrlr.MessageAttempts[TransactionEvent]": ATTEMPTS,
    "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": INTERVAL,
    "TxCtrlr.TxStartPoint": "EVConnected",
}
OK: dict[str, Any] = {}


def sendings(octt: Octt) -> list[Call]:
    """Every sending of the first event that waits, the others left out."""
    events = octt.waiting_calls("TransactionEvent")
    assert events, "no event has come"
    return [call for call in events if call.payload["seqNo"] == events[0].payload["seqNo"]]


def judge(calls: list[Call], number: int, before_retry: float) -> None:
    """So many sendings with equal content, in the intervals that E13.FR.03 has."""
    assert len(calls) == number
    assert len({str(call.payload) for call in calls}) == 1
    gaps = [(later.at - earlier.at) / 1000 for earlier, later in pairwise(calls)]
    assert gaps == pytest.approx([before_retry + INTERVAL * (n + 1) for n in range(number - 1)], abs=1)


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize(
    ("failure", "before_retry"),
    [
        pytest.param(Never, TIMEOUT, marks=pytest.mark.covers("TC_E_41_CS")),
        pytest.param(lambda: Refuse("InternalError"), 0, marks=pytest.mark.covers("TC_E_50_CS")),
    ],
)
@case(variables=FIRST)
async def test_an_event_is_tried_so_often_and_then_given_up(
    octt: Octt, failure: Callable[[], Any], before_retry: float, local: bool
) -> None:
    """As many sendings as MessageAttempts says, in growing intervals; after the last one there is no more."""
    await octt.ev_connected_pre_session()
    await octt.authorized(local=local)
    octt.clear()
    octt.answer("TransactionEvent", failure())
    await octt.until(lambda: octt.waiting("TransactionEvent"), 120)
    await octt.wait(ATTEMPTS * (TIMEOUT + INTERVAL * ATTEMPTS) + INTERVAL * (ATTEMPTS + 1))
    judge(sendings(octt), ATTEMPTS, before_retry)
    octt.answer("TransactionEvent")
    await octt.wait(300)
    judge(sendings(octt), ATTEMPTS, before_retry)


@pytest.mark.parametrize(
    ("failure", "before_retry"),
    [
        pytest.param(Never, TIMEOUT, marks=pytest.mark.covers("TC_E_42_CS")),
        pytest.param(lambda: Refuse("InternalError"), 0, marks=pytest.mark.covers("TC_E_51_CS")),
    ],
)
@case(variables=FIRST)
async def test_an_event_that_is_taken_at_the_second_time_is_not_sent_a_third(
    octt: Octt, failure: Callable[[], Any], before_retry: float
) -> None:
    """The first sending fails, the second is answered: there is no third."""
    await octt.ev_connected_pre_session()
    await octt.authorized()
    octt.clear()
    octt.answer("TransactionEvent", failure(), None)
    await octt.until(lambda: octt.waiting("TransactionEvent"), 120)
    await octt.wait(ATTEMPTS * (TIMEOUT + INTERVAL * ATTEMPTS) + INTERVAL * (ATTEMPTS + 1))
    judge(sendings(octt), 2, before_retry)


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        (Late(30_000, OK), 1),
        (Late((TIMEOUT + 5) * 1000, OK), 2),
        (Twice(), 1),
        (Drop(), 2),
        (Raw("[3"), 2),
    ],
)
@case(variables=FIRST, allow=("came again",))
async def test_whatever_a_csms_does_with_one_event_all_arrive_in_order(octt: Octt, answer: Any, sent: int) -> None:
    """Late, too late, twice, closed in between, no OCPP at all: sent again where it must be, lost never."""
    await octt.ev_connected_pre_session()
    await octt.authorized()
    octt.clear()
    octt.answer("TransactionEvent", answer, None)
    await octt.until(lambda: octt.waiting("TransactionEvent"), 120)
    await octt.wait(200)
    assert len(sendings(octt)) == sent
    octt.unplug()
    ended = await octt.seek("TransactionEvent", eventType="Ended")
    assert {event["seqNo"] for event in octt.all_of("TransactionEvent")} == set(range(ended["seqNo"] + 1))


async def given_up(octt: Octt) -> dict[str, Any]:
    """What `status` says of events that were given up."""
    return dict((await octt.api("status"))["stations"][STATION]["events_given_up"])


@case(variables=FIRST)
async def test_a_connection_that_is_lost_costs_no_attempt(octt: Octt) -> None:
    """E13 speaks of a CSMS that fails to process; three times as many lost connections as attempts lose nothing."""
    await octt.ev_connected_pre_session()
    await octt.authorized()
    octt.clear()
    octt.answer("TransactionEvent", *[Drop()] * (3 * ATTEMPTS), None)
    await octt.until(lambda: len(octt.waiting("TransactionEvent")) > 3 * ATTEMPTS, 600)
    sent = octt.waiting("TransactionEvent")
    assert {event["seqNo"] for event in sent[: 3 * ATTEMPTS + 1]} == {sent[0]["seqNo"]}
    assert (await given_up(octt))["number"] == 0


@pytest.mark.parametrize("failure", [Never, lambda: Refuse("InternalError"), lambda: Raw("{}")])
@case(variables=FIRST)
async def test_lost_connections_between_failures_leave_the_count_as_it_is(
    octt: Octt, failure: Callable[[], Any]
) -> None:
    """Failures and lost connections in turn: only the failures count, and the last one allowed is answered."""
    await octt.ev_connected_pre_session()
    await octt.authorized()
    octt.clear()
    octt.answer("TransactionEvent", Drop(), failure(), Drop(), failure(), Drop(), None)
    await octt.until(lambda: octt.waiting("TransactionEvent"), 120)
    await octt.wait(600)
    assert (await given_up(octt))["number"] == 0
    octt.unplug()
    ended = await octt.seek("TransactionEvent", eventType="Ended")
    assert {event["seqNo"] for event in octt.all_of("TransactionEvent")} == set(range(ended["seqNo"] + 1))


@case(variables=FIRST)
async def test_what_is_given_up_is_told_with_its_contents(octt: Octt) -> None:
    """E13.FR.04: it is discarded, but whoever runs the gateway can read what it said, also after a restart."""
    assert (await given_up(octt))["number"] == 0
    octt.answer("TransactionEvent", *[Refuse("InternalError")] * ATTEMPTS, None)
    await octt.ev_connected_pre_session()
    await octt.wait(120)
    told = await given_up(octt)
    lost = octt.all_of("TransactionEvent")[0]
    assert (told["number"], told["transaction_id"], told["seq_no"]) == (1, octt.transaction(), lost["seqNo"])
    assert json.loads(told["message"]) == lost
    assert "InternalError" in told["why"]
    await octt.reboot()
    await octt.expect("BootNotification", 180)
    assert await given_up(octt) == told


@case(variables=FIRST)
async def test_attempts_are_counted_over_a_restart(octt: Octt) -> None:
    """One failure before and two after the power cut are three: it is given up, and the next event goes its way."""
    await octt.ev_connected_pre_session()
    await octt.authorized()
    octt.clear()
    octt.answer("TransactionEvent", Refuse("InternalError"))
    await octt.until(lambda: octt.waiting("TransactionEvent"), 120)
    await octt.wait(1)
    assert len(sendings(octt)) == 1
    number = sendings(octt)[0].payload["seqNo"]
    await octt.reboot()
    await octt.wait(120)
    assert len([e for e in octt.all_of("TransactionEvent") if e["seqNo"] == number]) == ATTEMPTS
