"""What a full queue gives up, and what never."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from bridge.station.shedding import Worth, to_shed, worth_of

V, U, E, O, I = Worth.VALUES, Worth.UPDATED, Worth.ESSENTIAL, Worth.OTHER, Worth.IDLE_VALUES  # noqa: E741


def _event(**fields: Any) -> str:
    usual = {"eventType": "Updated", "triggerReason": "MeterValuePeriodic", "transactionInfo": {"transactionId": "t"}}
    return json.dumps(usual | fields)


@pytest.mark.parametrize(
    ("payload", "worth"),
    [
        (_event(), V),
        (_event(triggerReason="MeterValueClock"), V),
        (_event(triggerReason="ChargingStateChanged"), U),
        (_event(eventType="Started"), E),
        (_event(eventType="Ended"), E),
        (_event(idToken={"idToken": "T", "type": "Central"}), E),
        (_event(evse={"id": 1}), E),
        (_event(transactionInfo={"transactionId": "t", "remoteStartId": 7}), E),
        ("{", E),
        ("[]", E),
        ("{}", E),
    ],
)
def test_what_an_event_is_worth(payload: str, worth: Worth) -> None:
    assert worth_of("t", payload) is worth


def test_what_other_messages_are_worth() -> None:
    assert worth_of("", '["MeterValues",{"evseId":1}]') is I
    assert worth_of("", '["StatusNotification",{}]') is O


def shed(queue: list[Worth], most: int) -> list[int]:
    """The places that are given up, where the messages are numbered as they stand."""
    return to_shed(list(enumerate(queue)), most)


def test_every_second_goes_from_the_first_that_may() -> None:
    assert shed([E] + [V] * 7, 7) == [1, 3, 5, 7]


def test_nothing_goes_where_there_is_room() -> None:
    assert shed([V] * 7, 7) == []


def test_transaction_events_go_last_and_values_before_what_has_happened() -> None:
    queue = [E, V, U, O, V, I, U, V, I, O]
    assert shed(queue, 9) == [5]
    assert shed(queue, 8) == [5, 8]
    assert shed(queue, 6) == [3, 5, 8, 9]
    assert shed(queue, 4) == [1, 3, 5, 7, 8, 9]
    assert shed(queue, 3) == [1, 3, 4, 5, 7, 8, 9]
    assert shed(queue, 2) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_what_is_essential_stays_even_if_it_is_too_much() -> None:
    assert shed([E, V, E, E, U, E], 1) == [1, 4]
    assert shed([E] * 5, 1) == []


def test_the_one_that_may_be_on_its_way_stays() -> None:
    assert shed([V, V], 1) == [1]
    assert shed([V], 0) == []


@pytest.mark.parametrize("most", [100, 101, 777])
def test_a_month_offline_is_told_ever_more_coarsely_and_whole(most: int) -> None:
    """One value after the other into a queue that is full: what stays lies evenly over the whole time."""
    queue: list[tuple[int, Worth]] = [(0, E)]
    for number in range(1, 20_000):
        queue.append((number, V))
        if len(queue) > most:
            gone = set(to_shed(queue, most))
            queue = [one for place, one in enumerate(queue) if place not in gone]
    numbers = [number for number, _ in queue]
    assert numbers[0] == 0
    assert numbers[-1] > 19_999 - 2 * 20_000 / most
    assert most / 3 < len(numbers) <= most
    assert max(later - earlier for earlier, later in pairwise(numbers)) <= 4 * 20_000 / most
