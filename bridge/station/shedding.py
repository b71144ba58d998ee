"""What a full queue gives up first, and what never (E04.FR.07, E04.FR.08, E11.FR.04, E12.FR.04, QueueAllMessages).

A queue is thinned out, not cut: of what is worth least every second message goes, the 1st, the 3rd, the 5th by their
numbers, and only when all that is left is so sparse, every second of those. So the whole time is told, ever more
coarsely. What is told only once stays.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Final

from bridge.station.messages import TransactionEvent, TriggerReason


class Worth(IntEnum):
    """What a queued message is worth; the least goes first. `ESSENTIAL` is never given up."""

    IDLE_VALUES = 0  # MeterValues outside of transactions
    OTHER = 1  # what QueueAllMessages keeps besides; TransactionEvents go last
    VALUES = 2  # an Updated event that only carries meter values
    UPDATED = 3  # an Updated event that says what has happened
    ESSENTIAL = 4  # Started, Ended, and what is told only once: token, EVSE, remote start, reservation


_ONLY_VALUES: Final = frozenset({TriggerReason.METER_VALUE_PERIODIC.value, TriggerReason.METER_VALUE_CLOCK.value})
#: Fields of an event that no later event says again (Part 2, E, "Clarification for optional fields").
_TOLD_ONCE: Final = ("idToken", "evse", "reservationId")


#: How the text of a kept MeterValues begins (`outbox`).
_METER_VALUES: Final = '["MeterValues",'


def worth_of(transaction_id: str, payload: str) -> Worth:
    """The worth of a queued message, by its text. One that cannot be read is nothing that is given up lightly."""
    if not transaction_id:
        return Worth.IDLE_VALUES if payload.startswith(_METER_VALUES) else Worth.OTHER
    try:
        event: Any = json.loads(payload)
        if event["eventType"] != TransactionEvent.UPDATED.value:
            return Worth.ESSENTIAL
        told_once = any(name in event for name in _TOLD_ONCE) or "remoteStartId" in event["transactionInfo"]
        only_values = event["triggerReason"] in _ONLY_VALUES
    except (ValueError, KeyError, TypeError):
        return Worth.ESSENTIAL
    if told_once:
        return Worth.ESSENTIAL
    return Worth.VALUES if only_values else Worth.UPDATED


def to_shed(queue: Sequence[tuple[int, Worth]], most: int) -> list[int]:
    """The places of what is to be given up of a queue (number and worth, in order) in which only `most` may stay.

    It is as much as whole passes give, first over the least worth, then, if that is not enough, over the next. Less
    than needed where all that is left is essential. The first message stays, as it may be on its way.
    """
    gone: set[int] = set()
    for worth in list(Worth)[: Worth.ESSENTIAL]:
        left = [place for place, (_, found) in enumerate(queue) if found is worth and place]
        stride = 2
        while left and len(queue) - len(gone) > most:
            dropped = {place for place in left if queue[place][0] % stride}
            last = stride > max(queue[place][0] for place in left)  # no number is sparser: all that is left goes
            gone |= set(left) if last else dropped
            left = [place for place in left if place not in gone]
            stride *= 2
    return sorted(gone)
