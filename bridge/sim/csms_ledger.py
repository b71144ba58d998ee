"""What the demo CSMS knows of transactions, and what a station may not do with their events (E01-E12)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

#: A station that stamps before this has invented the time.
_PLAUSIBLE = datetime(2020, 1, 1, tzinfo=UTC)
#: How far a station's clock may be ahead of ours.
_AHEAD = timedelta(seconds=5)
#: What never changes between a retry and its first try.
_RETRY_MAY_CHANGE = frozenset({"offline"})


def parse_time(text: str) -> datetime:
    """An RFC 3339 time; a naive one counts as UTC."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(slots=True)
class TransactionRecord:
    """One transaction's events by seqNo."""

    transaction_id: str
    events: dict[int, dict[str, Any]] = field(default_factory=dict)
    evse: dict[str, Any] | None = None
    ended: bool = False
    repeats: int = 0

    def gaps(self) -> list[int]:
        """The numbers that are missing, from 0 to the highest seen."""
        return [number for number in range(max(self.events, default=-1)) if number not in self.events]

    @property
    def last(self) -> dict[str, Any]:
        """The event with the highest number."""
        return self.events[max(self.events)]


class Ledger:
    """All transactions of one station: (transactionId, seqNo) with contents."""

    def __init__(self) -> None:
        self.transactions: dict[str, TransactionRecord] = {}

    def gaps(self) -> dict[str, list[int]]:
        """The missing numbers of each transaction that misses any."""
        return {key: missing for key, record in self.transactions.items() if (missing := record.gaps())}

    def open(self) -> list[str]:
        """The transactions that have not ended."""
        return [key for key, record in self.transactions.items() if not record.ended]

    def entries(self) -> dict[tuple[str, int], dict[str, Any]]:
        """Every event by transaction and number."""
        return {(key, no): event for key, record in self.transactions.items() for no, event in record.events.items()}

    def take(self, event: dict[str, Any], now: datetime) -> list[str]:
        """Enter an event whose schema is right; gives back what is wrong with it."""
        key, number = event["transactionInfo"]["transactionId"], event["seqNo"]
        record = self.transactions.get(key)
        faults = []
        if record is None:
            record = self.transactions[key] = TransactionRecord(key)
            if event["eventType"] != "Started":
                faults.append(f"the first event is {event['eventType']} and not Started")
        if number in record.events:
            record.repeats += 1
            return [f"{key}: seqNo {number} came again with other content"] if _differ(record, event) else []
        faults += _faults_of_order(record, event)
        faults += _faults_of_time(record, event, now)
        record.events[number] = event
        record.evse = event.get("evse", record.evse)
        record.ended |= event["eventType"] == "Ended"
        faults += _faults_of_evse(record, event)
        return [f"{key} seqNo {number}: {fault}" for fault in faults]


def _differ(record: TransactionRecord, event: dict[str, Any]) -> bool:
    before = record.events[event["seqNo"]]
    keys = (before.keys() | event.keys()) - _RETRY_MAY_CHANGE
    return any(before.get(key) != event.get(key) for key in keys)


def _faults_of_order(record: TransactionRecord, event: dict[str, Any]) -> list[str]:
    faults = []
    expected = max(record.events, default=-1) + 1
    if event["seqNo"] != expected:
        faults.append(f"seqNo {expected} was due")
    if record.ended:
        faults.append("the transaction had already ended")
    if record.events and event["eventType"] == "Started":
        faults.append("Started a second time")
    return faults


def _faults_of_time(record: TransactionRecord, event: dict[str, Any], now: datetime) -> list[str]:
    faults = []
    moment = parse_time(event["timestamp"])
    earlier = [parse_time(known["timestamp"]) for number, known in record.events.items() if number < event["seqNo"]]
    if earlier and moment < max(earlier):
        faults.append(f"time went back from {max(earlier).isoformat()} to {event['timestamp']}")
    if moment < _PLAUSIBLE:
        faults.append(f"the time {event['timestamp']} is invented")
    if moment > now + _AHEAD:
        faults.append(f"the time {event['timestamp']} has not come yet")
    return faults


def _faults_of_evse(record: TransactionRecord, event: dict[str, Any]) -> list[str]:
    """The EVSE must be known as soon as a vehicle is there, with its connector."""
    state = event["transactionInfo"].get("chargingState", "Idle")
    if state == "Idle":
        return []
    if record.evse is None:
        return [f"chargingState {state}, and no event has named the EVSE"]
    return [] if "connectorId" in record.evse else ["the EVSE stands without its connector"]
