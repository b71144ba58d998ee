"""A CSMS that forgives nothing and costs little: every payload by its schema, every event by its number and its time.

It shares no code with the station. `bridge.sim.csms.DemoCsms` judges more, but keeps every message and looks through
all events of a transaction at each new one; here a station of a week, or two hundred of them, cost what one does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.sim import csms_schemas

CALL, RESULT, ERROR = 2, 3, 4
#: A time stamp may be ahead of ours by so much, and around a loss the two sides may see it differently by so much.
MARGIN = timedelta(seconds=2)


LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Ledger:
    """One transaction: what its events were, and what comes next."""

    next: int = 0
    last: datetime = LONG_AGO
    ended: bool = False
    evse: bool = False
    contents: dict[int, int] = field(default_factory=dict)  # by seqNo, all but `offline`


@dataclass(slots=True)
class Told:
    """What has come of a station, when it last did, and how many events had what."""

    occupied: int = 0
    events: int = 0
    offline: int = 0
    repeats: int = 0
    with_values: int = 0
    sampled: int = 0
    calls: int = 0
    bytes: int = 0
    last_offline_at: float = 0.0
    connected_at: float = 0.0  # by the wall clock, as the next
    newest: float = 0.0  # when the last of its events happened


class StrictStation:
    """One station as this CSMS sees it. `faults` must stay empty."""

    def __init__(self, name: str, utc: Callable[[], datetime], seconds: Callable[[], float]) -> None:
        self.name, self._utc, self._seconds = name, utc, seconds
        self.faults: list[str] = []
        self.told = Told()
        self.transactions: dict[str, Ledger] = {}
        self.accepted = False
        self.booted_at = 0.0  # seconds, when the CSMS began to take its messages
        self._connected_at: datetime | None = None
        self._lost_at: datetime | None = None
        self._ids: set[int] = set()
        self._open = ""

    def connected(self) -> None:
        """A connection stands."""
        self._connected_at, self._open = self._utc(), ""
        self.told.connected_at = self._connected_at.timestamp()
        self.booted_at = self._seconds()

    def lost(self) -> None:
        """It is gone."""
        self._lost_at, self._open = self._utc(), ""

    def blame(self, fault: str) -> None:
        """Note what is wrong."""
        if len(self.faults) < 50:
            self.faults.append(f"{self.name}: {fault}")

    def take(self, text: str) -> list[Any] | None:
        """Judge a message; the answer to a CALL, else None (the frame is an answer to ours). To be `answered`."""
        self.told.bytes += len(text)
        frame = json.loads(text)
        if frame[0] != CALL:
            return None
        _, message_id, action, payload = frame
        self.told.calls += 1
        if self._open:
            self.blame(f"{action} while {self._open} is open (Part 4, 4.1.1)")
        if hash(message_id) in self._ids or len(message_id) > 36:
            self.blame(f"message id {message_id} came before, or is too long (4.1.4)")
        self._ids.add(hash(message_id))
        self._open = action
        for fault in csms_schemas.faults(action, "Request", payload):
            self.blame(fault)
        if action == "BootNotification":
            self.accepted = True
        elif not self.accepted:
            self.blame(f"{action} before the BootNotification (B01)")
        if action == "TransactionEvent":
            self._event(payload)
        self.told.occupied += payload.get("connectorStatus") == "Occupied"
        return [RESULT, message_id, self._answer(action)]

    def answered(self) -> None:
        """The answer goes out now."""
        self._open = ""

    def _answer(self, action: str) -> dict[str, Any]:
        now = self._utc().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        if action == "BootNotification":
            return {"currentTime": now, "interval": 300, "status": "Accepted"}
        return {"currentTime": now} if action == "Heartbeat" else {}

    def _event(self, event: dict[str, Any]) -> None:
        info, number = event["transactionInfo"], event["seqNo"]
        ledger = self.transactions.setdefault(info["transactionId"], Ledger())
        content = hash(json.dumps({key: value for key, value in event.items() if key != "offline"}, sort_keys=True))
        if number < ledger.next:
            self.told.repeats += 1
            if ledger.contents[number] != content:
                self.blame(f"seqNo {number} came again with other content")
            return
        self._in_order(ledger, event)
        ledger.contents[number] = content
        ledger.next = number + 1
        ledger.ended = event["eventType"] == "Ended"
        ledger.evse |= "evse" in event
        if not ledger.evse and info.get("chargingState", "Idle") != "Idle":
            self.blame(f"seqNo {number}: {info['chargingState']}, and no event has named the EVSE")
        self.told.events += 1
        self.told.newest = ledger.last.timestamp()
        self.told.with_values += "meterValue" in event
        self.told.sampled += event["triggerReason"] == "MeterValuePeriodic"
        if event.get("offline"):
            self.told.offline += 1
            self.told.last_offline_at = self._seconds()

    def _in_order(self, ledger: Ledger, event: dict[str, Any]) -> None:
        """E01 to E06, and E04 for what happened while the station was cut off."""
        number, stamp = event["seqNo"], datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00"))
        if number != ledger.next:
            self.blame(f"seqNo {number} where {ledger.next} was due")
        if (event["eventType"] == "Started") != (number == 0) or ledger.ended:
            self.blame(f"seqNo {number} is {event['eventType']}")
        if stamp < ledger.last or stamp > self._utc() + MARGIN:
            self.blame(f"seqNo {number} of {stamp.isoformat()} after {ledger.last.isoformat()}")
        ledger.last = stamp
        if self._lost_at is None or self._connected_at is None or event.get("offline"):
            return
        if self._lost_at + MARGIN < stamp < self._connected_at - MARGIN:
            self.blame(f"seqNo {number} of {stamp.isoformat()} is not marked offline (E04.FR.01)")
