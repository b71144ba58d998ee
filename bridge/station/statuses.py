"""The statuses of one station's connectors on their way: when the CSMS hears of them, and what changes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bridge.station.messages import Evse as EvseId
from bridge.station.messages import Reason, StatusNotificationRequest, TriggerReason

if TYPE_CHECKING:
    from bridge.station.position import Position
    from bridge.station.station import Station


class Statuses:
    """Tells what `Availability` knows."""

    def __init__(self, station: Station) -> None:
        self._station = station

    async def tell(self) -> None:
        """Report every connector whose status has changed."""
        for evse_id in self._station.positions:
            await self._station.availability.report(evse_id)

    async def tell_again(self, chosen: Iterable[Position]) -> None:
        """F06: report connectors whether or not anything has changed."""
        availability = self._station.availability
        for position in chosen:
            availability.forget_told(position.evse_id)
            await availability.report(position.evse_id)

    def show(self, position: Position) -> None:
        """Let the connector's status follow what is seen."""
        station = self._station
        station.availability.see(position.evse_id, position.seen)
        if station.provisioning.accepted:
            station.spawn(station.availability.report(position.evse_id))

    async def send(self, request: StatusNotificationRequest) -> bool:
        """Send one; whether the CSMS has heard it or will. What it hears is known again after a restart."""
        station = self._station
        if station.online:
            seen = station.availability.connector(request.evse_id)
            station.notes.put({f"evse.{request.evse_id}.connector": None if seen is None else seen.value})
        return await station.outbox.tell(request)

    async def set_operative(self, evse: EvseId | None, operative: bool) -> bool:
        """G03, G04: of the station (None), an EVSE or its connector; whether a transaction delays it.

        Raises `StoreError` where that cannot be kept over a restart; then nothing has changed.
        """
        station = self._station
        await station.notes.write(station.availability.kept(evse, operative))
        scheduled = station.availability.change(evse, operative, station.positions.keys(), self.busy())
        for position in station.positions.values():
            position.inoperative = station.availability.inoperative(position.evse_id)
            if position.inoperative:  # nor may a vehicle that is still awaited have energy
                station.sessions.deauthorize(position, TriggerReason.DEAUTHORIZED, Reason.OTHER)
        station.wishes.reconsider()
        return scheduled

    async def transaction_ended(self, position: Position) -> None:
        """What waited for the end takes effect."""
        availability = self._station.availability
        availability.idle(position.evse_id)
        position.inoperative = availability.inoperative(position.evse_id)
        await availability.report(position.evse_id)
        self._station.wishes.reconsider()

    def busy(self) -> set[int]:
        """The EVSEs where a transaction goes on."""
        return {evse_id for evse_id, p in self._station.positions.items() if p.session.transaction_id is not None}
