"""What a CSMS asks of smart charging (block K): each changes what is wanted, or tells it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from bridge.station.link import Answer
from bridge.station.messages import (
    ChargingProfileStatus,
    ClearChargingProfileRequest,
    ClearChargingProfileStatus,
    GetChargingProfilesRequest,
    GetCompositeScheduleRequest,
    ReportChargingProfilesRequest,
    Request,
    SetChargingProfileRequest,
    UpdateDynamicScheduleRequest,
    UpdateDynamicScheduleResponse,
)
from bridge.station.messages.call_error import CallError, ErrorCode
from bridge.station.timer import Timer
from bridge.station.under_way import UnderWay

if TYPE_CHECKING:
    from bridge.station.station import Station

#: What is wanted is computed for each change at once, but not more often than this in so many ms: with all profiles
#: installed it takes some ms, and no unit follows faster.
MOST_AT_ONCE: Final = 10
FLOOD_WITHIN: Final = 1_000
#: So many GetChargingProfiles may be reported at a time.
MOST_REPORTS: Final = 8


def answers(station: Station) -> dict[type[Request[Any]], Callable[[Any], Awaitable[Answer]]]:
    """The handlers of one station."""
    calls = _SmartChargingCalls(station)
    return {
        SetChargingProfileRequest: calls.set_profile,
        ClearChargingProfileRequest: calls.clear_profile,
        GetChargingProfilesRequest: calls.profiles,
        GetCompositeScheduleRequest: calls.composite,
        UpdateDynamicScheduleRequest: calls.update_schedule,
    }


class _SmartChargingCalls:
    def __init__(self, station: Station) -> None:
        self._station = station
        self._changes: tuple[int, ...] = ()  # when what is wanted was computed anew
        self._later = Timer(station.clock, self._reconsider)
        self._reports = UnderWay(station, MOST_REPORTS)

    async def set_profile(self, request: SetChargingProfileRequest) -> Answer:
        """K01."""
        station = self._station
        profile = request.charging_profile
        before = station.charging.find(profile.id)
        response = await station.charging.set_profile(request, station.wishes.profile_rules())
        if response.status is ChargingProfileStatus.ACCEPTED:
            anew = before is None or before.profile != profile
            station.wishes.told(request.evse_id, profile.charging_profile_purpose, anew=anew)
            await self._changed()
        return response

    async def update_schedule(self, request: UpdateDynamicScheduleRequest) -> Answer:
        """2.1 K28.FR.06, K28.FR.11."""
        verdict = await self._station.wishes.dynamic.update(request.charging_profile_id, request.schedule_update)
        if verdict.accepted:
            await self._changed()
        return UpdateDynamicScheduleResponse(verdict.status, verdict.status_info)

    async def clear_profile(self, request: ClearChargingProfileRequest) -> Answer:
        """K10."""
        response = await self._station.charging.clear(request)
        if response.status is ClearChargingProfileStatus.ACCEPTED:
            await self._changed()
        return response

    async def _changed(self) -> None:
        """What is wanted is another at once; of a flood of changes, all together in turn.

        The answer is written a turn of the loop later: what the change leads to goes to the unit first.
        """
        now = self._station.clock.monotonic()
        if len(self._changes) == MOST_AT_ONCE and now < self._changes[0] + FLOOD_WITHIN:
            self._later.set_at(self._changes[0] + FLOOD_WITHIN)
        else:
            self._reconsider()
            await self._station.clock.sleep(0)

    def _reconsider(self) -> None:
        self._later.cancel()
        self._changes = (*self._changes, self._station.clock.monotonic())[-MOST_AT_ONCE:]
        self._station.wishes.reconsider()

    async def profiles(self, request: GetChargingProfilesRequest) -> Answer:
        """K09: the reports follow the answer (K09.FR.02), which has no word for too many of them."""
        response, pages = self._station.charging.report(request)
        if not pages:
            return response
        if refusal := self._reports.refusal:
            raise CallError(ErrorCode.GENERIC_ERROR, f"{refusal}: ask again after them")
        return response, self._reports.begin(lambda: self._tell(pages))

    async def composite(self, request: GetCompositeScheduleRequest) -> Answer:
        """K08."""
        station = self._station
        courses = {evse_id: position.course for evse_id, position in station.positions.items()}
        response = station.charging.composite_schedule(request, courses, station.wishes.profile_rules())
        if response.schedule is None:
            return response
        return replace(response, schedule=station.wishes.operation_modes.in_words(response.schedule))

    async def _tell(self, pages: Iterable[ReportChargingProfilesRequest]) -> None:
        for page in pages:
            await self._station.outbox.tell(page)
