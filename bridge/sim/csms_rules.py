"""What a station may send when: the rules of booting and of one CALL at a time (B01-B03, Part 4 section 4)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bridge.sim.csms_ledger import Ledger

#: What a triggered or asked-for message is called on the wire, by what the CSMS sent (B02.FR.02, B02.FR.09).
_ALLOWED_BY = {
    "GetBaseReport": "NotifyReport",
    "GetReport": "NotifyReport",
    "GetMonitoringReport": "NotifyMonitoringReport",
    "CustomerInformation": "NotifyCustomerInformation",
    "GetLog": "LogStatusNotification",
}
_TRIGGERS = {
    "SignChargingStationCertificate": "SignCertificate",
    "SignV2GCertificate": "SignCertificate",
    "SignCombinedCertificate": "SignCertificate",
}
#: Timers of the station may fire this much early (ms).
_TOLERANCE = 50


@dataclass(slots=True)
class StationRecord:
    """What the CSMS remembers of one station, across connections."""

    station_id: str
    status: str | None = None
    boot_due: int | None = None  # monotonic ms before which no BootNotification may come
    allowed: Counter[str] = field(default_factory=Counter)
    message_ids: set[str] = field(default_factory=set)
    ledger: Ledger = field(default_factory=Ledger)
    connectors: dict[tuple[int, int], str] = field(default_factory=dict)
    report: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    lost_at: int | None = None

    def restarted(self) -> None:
        """The station was restarted: the next thing must be a BootNotification."""
        self.status, self.boot_due = None, None
        self.allowed.clear()

    def asked(self, action: str, payload: dict[str, Any]) -> None:
        """The CSMS sent something that permits a message although the station is not accepted."""
        if action == "TriggerMessage":
            wanted = str(payload["requestedMessage"])
            self.allowed[_TRIGGERS.get(wanted, wanted)] += 1
        elif action in _ALLOWED_BY:
            self.allowed[_ALLOWED_BY[action]] += 1

    def faults_of_call(self, message_id: str, action: str, now: int) -> list[str]:
        """What is wrong with a CALL's coming at all, at monotonic `now`."""
        faults = []
        if message_id in self.message_ids:
            faults.append(f"message id {message_id} of {action} was used before")
        if len(message_id) > 36:
            faults.append(f"message id {message_id!r} is longer than 36 characters")
        self.message_ids.add(message_id)
        if action == "BootNotification":
            faults += self._faults_of_boot(now)
        elif self.status != "Accepted" and not self.allowed[action]:
            faults.append(f"{action} before the BootNotification was accepted (status {self.status})")
        return faults

    def _faults_of_boot(self, now: int) -> list[str]:
        early = self.boot_due is not None and now < self.boot_due - _TOLERANCE
        if early and not self.allowed["BootNotification"]:
            return [f"BootNotification {(self.boot_due or 0) - now} ms before the interval has passed"]
        return []

    def learn(self, action: str, payload: dict[str, Any]) -> None:
        """Keep what reports and notifications say."""
        if action == "StatusNotification":
            self.connectors[payload["evseId"], payload["connectorId"]] = payload["connectorStatus"]
        elif action == "NotifyReport":
            for row in payload.get("reportData", []):
                self.report[_key(row["component"], row["variable"])] = row


def _key(component: dict[str, Any], variable: dict[str, Any]) -> tuple[str, ...]:
    evse = component.get("evse", {})
    parts = (component["name"], component.get("instance"), evse.get("id"), evse.get("connectorId"))
    return tuple("" if part is None else str(part) for part in (*parts, variable["name"], variable.get("instance")))
