"""What a CSMS asks of smart charging (block K): each changes what is wanted, or tells it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from bridge.station.link import Answer
from bridge.station.messages import (
    ClearChargingProfileRequest,
    GetChargingProfilesRequest,
    GetCompositeScheduleRequest,
    ReportChargingProfilesRequest,
    Request,
    SetChargingProfileRequest,
)

if TYPE_CHECKING:
    from bridge.station.station import Station


def answers(station: Station) -> dict[type[Request[Any]], Callable[[Any], Awaitable[Answer]]]:
    """The handlers of one station."""
    calls = _SmartChargingCalls(station)
    return {
        SetChargingProfileRequest: calls.set_profile,
        ClearChargingProfileRequest: calls.clear_profile,
        GetChargingProfilesRequest: calls.profiles,
        GetCompositeScheduleRequest: calls.composite,
    }


class _SmartChargingCalls:
    def __init__(self, station: Station) -> None:
        self._station = station

    async def set_profile(self, request: SetChargingProfileRequest) -> Answer:
        """K01."""
        station = self._station
        response = await station.charging.set_profile(request, station.wishes.profile_rules())
        station.wishes.reconsider()
        return response

    async def clear_profile(self, request: ClearChargingProfileRequest) -> Answer:
        """K10."""
        response = await self._station.charging.clear(request)
        self._station.wishes.reconsider()
        return response

    async def profiles(self, request: GetChargingProfilesRequest) -> Answer:
        """K09: the reports follow the answer (K09.FR.02)."""
        response, pages = self._station.charging.report(request)
        return response, lambda: _spawn(self._station, pages)

    async def composite(self, request: GetCompositeScheduleRequest) -> Answer:
        """K08."""
        station = self._station
        courses = {evse_id: position.course for evse_id, position in station.positions.items()}
        return station.charging.composite_schedule(request, courses, station.wishes.profile_rules())


def _spawn(station: Station, pages: Iterable[ReportChargingProfilesRequest]) -> None:
    async def send() -> None:
        for page in pages:
            await station.outbox.tell(page)

    station.spawn(send())
