"""OCPP messages in short: what a timeline shows of them, and how a script writes those of a CSMS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bridge.station.messages.enums import (
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    IdTokenKind,
    Measurand,
)

#: What is shown of a message, by its action: paths with dots, and the word before each.
_SHOWN: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "BootNotification": (("reason", ""), ("status", "")),
    "StatusNotification": (("evseId", "EVSE"), ("connectorStatus", "")),
    "TransactionEvent": (
        ("eventType", ""),
        ("triggerReason", "by"),
        ("transactionInfo.chargingState", ""),
        ("transactionInfo.stoppedReason", "stopped by"),
    ),
    "RequestStartTransaction": (("evseId", "EVSE"), ("status", ""), ("statusInfo.reasonCode", "")),
    "RequestStopTransaction": (("status", ""), ("statusInfo.reasonCode", "")),
    "NotifyChargingLimit": (("chargingLimit.chargingLimitSource", "by"),),
    "ClearedChargingLimit": (("chargingLimitSource", "by"),),
}
_PERIODS: Final = ("chargingProfile", "chargingSchedule")
_TOKEN: Final = {"idToken": "TOKEN", "type": IdTokenKind.CENTRAL}


def summary(action: str, payload: Mapping[str, Any]) -> str:
    """A message's fields that matter, in words."""
    words = [_word(payload, path, label) for path, label in _SHOWN.get(action, (("status", ""),))]
    limit = _limit(payload)
    measured = _measured(payload) if action == "TransactionEvent" else ""
    events = _events(payload) if action == "NotifyEvent" else ""
    return ", ".join(word for word in (*words, limit, measured, events) if word)


def _word(payload: Mapping[str, Any], path: str, label: str) -> str:
    found: Any = payload
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return "" if found is None else f"{label} {found}".strip()


def _limit(payload: Mapping[str, Any]) -> str:
    """The limits of a profile or of a notified limit."""
    holder = payload.get("chargingProfile", payload)
    schedules = holder.get("chargingSchedule", []) if isinstance(holder, Mapping) else []
    listed = schedules if isinstance(schedules, list) else [schedules]
    return "; ".join(
        f"{period['limit']:g} {schedule['chargingRateUnit']}" + (f" from {period['startPeriod']} s" * bool(number))
        for schedule in listed
        for number, period in enumerate(schedule["chargingSchedulePeriod"])
        if "limit" in period
    )


def _measured(payload: Mapping[str, Any]) -> str:
    """The last sample of each measurand."""
    last = {
        sample.get("measurand", Measurand.ENERGY_ACTIVE_IMPORT_REGISTER): (
            f"{sample['value']:g}" + (f" {sample['unitOfMeasure']['unit']}" if "unitOfMeasure" in sample else "")
        )
        for value in payload.get("meterValue", [])
        for sample in value["sampledValue"]
    }
    return "; ".join(f"{name}={value}" for name, value in sorted(last.items()))


def _events(payload: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{event['component']['name']}.{event['variable']['name']}={event['actualValue']}"
        for event in payload.get("eventData", [])
    )


def call_of(action: str, given: Mapping[str, Any], transaction: str) -> tuple[str, dict[str, Any]]:
    """A CSMS's message from what a script says of it; what it leaves out is filled in for the one EVSE.

    `SetChargingProfile: {limit: 3000, unit: W}` makes a TxProfile of the running transaction; a payload that has a
    `chargingProfile` is sent as it is.
    """
    payload = dict(given)
    if action == "RequestStartTransaction":
        profile = _profile(payload, "") if "limit" in payload else None
        payload = {"evseId": 1, "remoteStartId": 1, "idToken": _TOKEN, **payload}
        return action, payload | ({"chargingProfile": profile} if profile else {})
    if action == "RequestStopTransaction":
        return action, {"transactionId": transaction, **payload}
    if action == "SetChargingProfile" and "limit" in payload:
        return action, {"evseId": 1, "chargingProfile": _profile(payload, transaction)}
    return action, payload


def _profile(payload: dict[str, Any], transaction: str) -> dict[str, Any]:
    period = {"startPeriod": 0, "limit": payload.pop("limit")}
    schedule = {
        "id": 1,
        "chargingRateUnit": payload.pop("unit", ChargingRateUnit.W),
        "chargingSchedulePeriod": [period],
    }
    return {
        "id": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": ChargingProfilePurpose.TX_PROFILE,
        "chargingProfileKind": ChargingProfileKind.RELATIVE,
        "chargingSchedule": [schedule],
        **({"transactionId": transaction} if transaction else {}),
    }
