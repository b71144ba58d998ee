"""Connector status (G01 to G04): what the tables see, overlaid by what the station knows better.

The order is that of table A: a fault or a lost unit before Inoperative, Inoperative before Reserved before the plug.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from bridge.evse import Connector, Observed
from bridge.station.csms_time import CsmsTime
from bridge.station.messages import ConnectorStatus, OperationalStatus, StatusNotificationRequest

#: What the unit says that the station does not overlay.
_STRONGER = {Connector.UNAVAILABLE, Connector.FAULTED}


class Availability:
    """The connector status of every EVSE, and which of them the CSMS has been told."""

    def __init__(self, time: CsmsTime, tell: Callable[[StatusNotificationRequest], Awaitable[bool]]) -> None:
        self._time, self._tell = time, tell
        self._seen: dict[int, Connector] = {}
        self._awaiting: set[int] = set()
        self._told: dict[int, ConnectorStatus] = {}
        self.inoperative: set[int] = set()
        self._scheduled: set[int] = set()  # inoperative as soon as their transaction ends

    def restore(self, evse_id: int, settings: Mapping[str, str]) -> None:
        """What was known before the restart: whether an EVSE is inoperative, and its connector's last status."""
        if settings.get(f"evse.{evse_id}.operational") == OperationalStatus.INOPERATIVE:
            self.inoperative.add(evse_id)
        last = settings.get(f"evse.{evse_id}.connector")
        if last:
            self._seen[evse_id] = Connector(last)

    def see(self, evse_id: int, seen: Observed, *, awaiting_vehicle: bool) -> None:
        """Take what was observed. An undecided connector keeps what it was."""
        if seen.connector is not None:
            self._seen[evse_id] = seen.connector
        (self._awaiting.add if awaiting_vehicle else self._awaiting.discard)(evse_id)

    def connector(self, evse_id: int) -> Connector | None:
        """The unit's own status as last decided."""
        return self._seen.get(evse_id)

    def status(self, evse_id: int) -> ConnectorStatus | None:
        """What the CSMS is to be told; None while nothing is known."""
        seen = self._seen.get(evse_id)
        if seen is None:
            return None
        if seen in _STRONGER:
            return ConnectorStatus(seen.value)
        if evse_id in self.inoperative:
            return ConnectorStatus.UNAVAILABLE
        if evse_id in self._awaiting:
            return ConnectorStatus.OCCUPIED
        return ConnectorStatus(seen.value)

    def set_operative(self, evse_id: int, operative: bool, *, when_idle: bool = False) -> None:
        """G03, G04: Inoperative takes effect at once, or (`when_idle`) at the end of the transaction."""
        self._scheduled.discard(evse_id)
        if operative:
            self.inoperative.discard(evse_id)
        else:
            (self._scheduled if when_idle else self.inoperative).add(evse_id)

    def idle(self, evse_id: int) -> None:
        """A transaction has ended: what was scheduled takes effect."""
        if evse_id in self._scheduled:
            self.set_operative(evse_id, False)

    def forget_told(self, evse_id: int | None = None) -> None:
        """The CSMS must hear it again (B01.FR.05, B04.FR.01): of one EVSE, or all of it."""
        if evse_id is None:
            self._told.clear()
        else:
            self._told.pop(evse_id, None)

    async def report(self, evse_id: int) -> None:
        """Send a StatusNotification where the status is another than was told (G01.FR.01)."""
        status = self.status(evse_id)
        stamp = self._time.utc()
        if status is None or stamp is None or self._told.get(evse_id) is status:
            return
        before = self._told.get(evse_id)
        self._told[evse_id] = status
        request = StatusNotificationRequest(timestamp=stamp, connector_status=status, evse_id=evse_id, connector_id=1)
        if not await self._tell(request) and self._told.get(evse_id) is status:
            if before is None:
                self._told.pop(evse_id, None)
            else:
                self._told[evse_id] = before
