"""Connector status (G01 to G04): what the tables see, overlaid by what the station knows better.

The order is that of table A: a fault or a lost unit before Inoperative, Inoperative before Reserved before the plug.
The station, an EVSE and its connector are made inoperative each by itself, and are so over restarts (G03.FR.08,
G04.FR.09); a transaction that goes on delays what is asked for its EVSE until it ends (G03.FR.05, G04.FR.06).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from bridge.errors import StoreError
from bridge.evse import Connector, Observed
from bridge.station.csms_time import CsmsTime
from bridge.station.link import Answer
from bridge.station.messages import (
    ChangeAvailabilityRequest,
    ChangeAvailabilityResponse,
    ChangeAvailabilityStatus,
    ConnectorStatus,
    Evse,
    OperationalStatus,
    Request,
    StatusInfo,
    StatusNotificationRequest,
)
from bridge.station.reason_codes import ReasonCode

if TYPE_CHECKING:
    from bridge.station.station import Station

#: What the unit says that the station does not overlay.
_STRONGER = {Connector.UNAVAILABLE, Connector.FAULTED}
#: Under which names the store keeps who is inoperative.
_STATION: Final = "station.operational"


class Availability:
    """The connector status of every EVSE, and which of them the CSMS has been told."""

    def __init__(self, time: CsmsTime, tell: Callable[[StatusNotificationRequest], Awaitable[bool]]) -> None:
        self._time, self._tell = time, tell
        self._seen: dict[int, Connector] = {}
        self._told: dict[int, ConnectorStatus] = {}
        self._inoperative: set[str] = set()  # who was made so, by the names in the store
        self._delayed: set[int] = set()  # EVSEs whose transaction goes on before that counts

    def restore(self, evse_ids: Collection[int], busy: Collection[int], settings: Mapping[str, str]) -> None:
        """What was known before the restart: who is inoperative, and each connector's last status.

        `busy` are the EVSEs whose transaction goes on.
        """
        for evse_id in evse_ids:
            self._inoperative |= {name for name in _names(evse_id) if _is_inoperative(settings.get(name))}
            last = settings.get(f"evse.{evse_id}.connector")
            if last:
                self._seen[evse_id] = Connector(last)
        self._delayed = {evse_id for evse_id in busy if self._asked_inoperative(evse_id)}

    def see(self, evse_id: int, seen: Observed) -> None:
        """Take what was observed. An undecided connector keeps what it was.

        Whether somebody is authorized changes nothing: Occupied comes with the plug (G01.FR.03, F02 step 6a; the errata
        of 2025-09, 6.2.116, have taken it out of Part 6's Authorized, and EVConnectedPreSession waits for it).
        """
        if seen.connector is not None:
            self._seen[evse_id] = seen.connector

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
        if self.inoperative(evse_id):
            return ConnectorStatus.UNAVAILABLE
        return ConnectorStatus(seen.value)

    # -- operative and inoperative

    def inoperative(self, evse_id: int) -> bool:
        """Whether an EVSE may not be used: it, its connector or the station is inoperative, and nothing delays that."""
        return evse_id not in self._delayed and self._asked_inoperative(evse_id)

    def change(self, evse: Evse | None, operative: bool, evse_ids: Iterable[int], busy: Collection[int]) -> bool:
        """G03, G04: of an EVSE, of a connector, or (None) of the station with the EVSEs `evse_ids`.

        Gives back whether a transaction (at one of `busy`) delays it. What `kept` names is to be durable before.
        """
        meant = set(evse_ids) if evse is None else {evse.id}
        already = {evse_id for evse_id in meant if self.inoperative(evse_id)}
        (self._inoperative.discard if operative else self._inoperative.add)(_name(evse))
        waits = set() if operative else (meant & set(busy)) - already
        self._delayed = {evse_id for evse_id in self._delayed | waits if self._asked_inoperative(evse_id)}
        return bool(waits)

    @staticmethod
    def kept(evse: Evse | None, operative: bool) -> dict[str, str]:
        """The setting that keeps a change over restarts."""
        status = OperationalStatus.OPERATIVE if operative else OperationalStatus.INOPERATIVE
        return {_name(evse): status.value}

    def idle(self, evse_id: int) -> None:
        """A transaction has ended: what was scheduled takes effect."""
        self._delayed.discard(evse_id)

    def _asked_inoperative(self, evse_id: int) -> bool:
        return not self._inoperative.isdisjoint(_names(evse_id))

    # -- what the CSMS knows

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


def answers(station: Station) -> dict[type[Request[Any]], Callable[[Any], Awaitable[Answer]]]:
    """The handler of one station."""

    async def change(request: ChangeAvailabilityRequest) -> Answer:
        """G03, G04: kept before it is answered, applied at once where no transaction goes on.

        Who asks for what is so already (G03.FR.03, G04.FR.04) is told every connector's status all the same: nothing in
        Part 2 is against it, and TC_G_10, 12, 13, 15, 16 and 18 wait for it.
        """
        info = _refusal(request.evse, station.positions)
        if info is not None:
            return ChangeAvailabilityResponse(ChangeAvailabilityStatus.REJECTED, info)
        operative = request.operational_status is OperationalStatus.OPERATIVE
        before = [station.availability.status(evse_id) for evse_id in station.positions]
        try:
            scheduled = await station.statuses.set_operative(_evse(request.evse), operative)
        except StoreError as error:  # a promise over restarts (G03.FR.08) that cannot be kept is not made
            info = StatusInfo(ReasonCode.OUT_OF_STORAGE, str(error)[:512])
            return ChangeAvailabilityResponse(ChangeAvailabilityStatus.REJECTED, info)
        status = ChangeAvailabilityStatus.SCHEDULED if scheduled else ChangeAvailabilityStatus.ACCEPTED
        same = not scheduled and before == [station.availability.status(evse_id) for evse_id in station.positions]

        def tell() -> None:
            statuses = station.statuses
            station.spawn(statuses.tell_again(station.positions.values()) if same else statuses.tell())

        return ChangeAvailabilityResponse(status), tell

    return {ChangeAvailabilityRequest: change}


def _refusal(evse: Evse | None, evse_ids: Collection[int]) -> StatusInfo | None:
    if evse is None or evse.id == 0:
        return None
    if evse.id not in evse_ids:
        return StatusInfo(ReasonCode.UNKNOWN_EVSE, f"there is no EVSE {evse.id}")
    if evse.connector_id not in (None, 1):
        return StatusInfo(ReasonCode.UNKNOWN_CONNECTOR_ID, f"EVSE {evse.id} has connector 1 only")
    return None


def _evse(evse: Evse | None) -> Evse | None:
    """EVSE 0 is the station."""
    return None if evse is None or evse.id == 0 else evse


def _names(evse_id: int) -> tuple[str, str, str]:
    """Whose being inoperative makes an EVSE so."""
    return _STATION, f"evse.{evse_id}.operational", f"evse.{evse_id}.connector.1.operational"


def _name(evse: Evse | None) -> str:
    if evse is None:
        return _STATION
    return _names(evse.id)[1 if evse.connector_id is None else 2]


def _is_inoperative(kept: str | None) -> bool:
    return kept == OperationalStatus.INOPERATIVE
