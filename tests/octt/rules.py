"""Part 6, 2.1: what holds in every case, judged over all that has crossed the wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bridge.sim.csms import CALL, RESULT, Message


def broken(frames: Iterable[Message]) -> list[str]:
    """The general validations that do not hold."""
    frames = list(frames)
    return [*_transactions(frames), *_remote_starts(frames)]


def _events(frames: Iterable[Message]) -> Iterator[dict[str, Any]]:
    for message in frames:
        if message.direction == "in" and message.frame[0] == CALL and message.action == "TransactionEvent":
            yield message.payload


def _transactions(frames: Iterable[Message]) -> Iterator[str]:
    """By transaction, in the order of seqNo: Started is first and only first, Ended only last; the EVSE is named."""
    by_id: dict[str, dict[int, dict[str, Any]]] = {}
    for event in _events(frames):
        by_id.setdefault(event["transactionInfo"]["transactionId"], {})[event["seqNo"]] = event
    for transaction, numbered in by_id.items():
        events = [numbered[number] for number in sorted(numbered)]
        kinds = [event["eventType"] for event in events]
        if kinds[0] != "Started" or "Started" in kinds[1:]:
            yield f"transaction {transaction}: the first event is Started, and no other ({', '.join(kinds)})"
        if "Ended" in kinds[:-1]:
            yield f"transaction {transaction}: nothing comes after Ended ({', '.join(kinds)})"
        yield from _names_evse(transaction, events)


def _names_evse(transaction: str, events: list[dict[str, Any]]) -> Iterator[str]:
    """The first event with a connected vehicle has named evse and connectorId."""
    named = False
    for event in events:
        evse = event.get("evse") or {}
        named = named or bool(evse.get("id") and evse.get("connectorId"))
        state = event["transactionInfo"].get("chargingState")
        if state not in (None, "Idle") and not named:
            yield f"transaction {transaction}: seqNo {event['seqNo']} has a vehicle and names no connector"
            return


def _remote_starts(frames: list[Message]) -> Iterator[str]:
    """After an accepted RequestStartTransaction the first event with its id says RemoteStart, and carries the token."""
    asked = {m.frame[1]: m.payload for m in frames if m.direction == "out" and m.frame[0] == CALL
             and m.action == "RequestStartTransaction"}  # fmt: skip
    accepted = [asked[m.frame[1]] for m in frames if m.direction == "in" and m.frame[0] == RESULT
                and m.frame[1] in asked and m.payload.get("status") == "Accepted"]  # fmt: skip
    for request in accepted:
        number = request["remoteStartId"]
        told = next((e for e in _events(frames) if e["transactionInfo"].get("remoteStartId") == number), None)
        if told is None:
            continue  # no transaction came of it: a case's own matter
        if told["triggerReason"] != "RemoteStart":
            yield f"remoteStartId {number} is told with {told['triggerReason']}, not RemoteStart"
        if (told.get("idToken") or {}).get("idToken") != request["idToken"]["idToken"]:
            yield f"the event with remoteStartId {number} carries another idToken: {told.get('idToken')}"
