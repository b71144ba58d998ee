"""The installed charging profiles as a set in memory: what is replaced, cleared, reported, and what ends with a
transaction (K01, K09, K10). Pure: a set and a request in, a new set or messages out; keeping it is `smart_charging`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from bridge.station.limits import InstalledProfile
from bridge.station.messages import (
    ChargingLimitSource,
    ChargingProfile,
    ChargingProfileCriterion,
    ChargingProfilePurpose,
    ClearChargingProfile,
    ClearChargingProfileRequest,
    ClearChargingProfileStatus,
    GetChargingProfilesRequest,
    GetChargingProfilesResponse,
    GetChargingProfileStatus,
    ReportChargingProfilesRequest,
    StatusInfo,
)
from bridge.station.reason_codes import ReasonCode

Installed: TypeAlias = tuple[InstalledProfile, ...]
#: One message of a report carries at most so many profiles, with so many periods together (or one profile).
MOST_PROFILES = 10
MOST_PERIODS = 1024


def install(installed: Sequence[InstalledProfile], new: InstalledProfile) -> Installed:
    """The set with a profile that was accepted; one of the same id goes (K01.FR.05)."""
    return (*(item for item in installed if item.profile.id != new.profile.id), new)


def without_transaction(
    installed: Sequence[InstalledProfile], transaction_id: str
) -> tuple[Installed, tuple[int, ...]]:
    """The set after a transaction has ended, and the ids that went: its TxProfiles (K02.FR.05)."""

    def ended(item: InstalledProfile) -> bool:
        return item.purpose is ChargingProfilePurpose.TX_PROFILE and item.profile.transaction_id == transaction_id

    return _parted(installed, tuple(item for item in installed if ended(item)))


def clear(
    installed: Sequence[InstalledProfile], request: ClearChargingProfileRequest
) -> tuple[ClearChargingProfileStatus, Installed, tuple[int, ...]]:
    """Carry out a ClearChargingProfileRequest (K10): the status, the set that is left and the ids that went.

    An id alone decides when it is given (K10.FR.03), else all criteria together (K10.FR.04). External constraints
    never match (K10.FR.08, K10.FR.09); nothing that matches is Unknown (K10.FR.01).
    """
    left, gone = _parted(installed, tuple(item for item in installed if not item.external and _cleared(item, request)))
    return (ClearChargingProfileStatus.ACCEPTED if gone else ClearChargingProfileStatus.UNKNOWN), left, gone


def _parted(
    installed: Sequence[InstalledProfile], leaving: Sequence[InstalledProfile]
) -> tuple[Installed, tuple[int, ...]]:
    going = set(map(id, leaving))
    left = tuple(item for item in installed if id(item) not in going)
    return left, tuple(item.profile.id for item in leaving)


def _cleared(item: InstalledProfile, request: ClearChargingProfileRequest) -> bool:
    if request.charging_profile_id is not None:
        return item.profile.id == request.charging_profile_id
    wanted = request.charging_profile_criteria or ClearChargingProfile()
    return (
        wanted.evse_id in (None, item.evse_id)
        and wanted.stack_level in (None, item.profile.stack_level)
        and wanted.charging_profile_purpose in (None, item.purpose)
    )


def matching(
    installed: Iterable[InstalledProfile], criterion: ChargingProfileCriterion, evse_id: int | None = None
) -> Installed:
    """What a GetChargingProfilesRequest asks for: of one EVSE (K09.FR.04), of the station itself (0, K09.FR.05) or of
    all (K09.FR.06), whatever meets all criteria that are given (filters of equal importance, K09.FR.03)."""
    ids, sources = criterion.charging_profile_id, criterion.charging_limit_source
    return tuple(
        item
        for item in installed
        if evse_id in (None, item.evse_id)
        and (ids is None or item.profile.id in ids)
        and criterion.stack_level in (None, item.profile.stack_level)
        and criterion.charging_profile_purpose in (None, item.purpose)
        and (sources is None or item.source in sources)
    )


def report(
    installed: Sequence[InstalledProfile], request: GetChargingProfilesRequest
) -> tuple[GetChargingProfilesResponse, tuple[ReportChargingProfilesRequest, ...]]:
    """Answer a GetChargingProfilesRequest (K09): the response, and the messages that follow it.

    A message tells profiles of one source and one EVSE; each has the request's id (K09.FR.01), all but the last say
    that more is to come (K09.FR.02).
    """
    found = matching(installed, request.charging_profile, request.evse_id)
    if not found:
        info = StatusInfo(ReasonCode.NOT_FOUND, "no installed profile matches")
        return GetChargingProfilesResponse(GetChargingProfileStatus.NO_PROFILES, info), ()
    pages = list(_pages(found))
    messages = tuple(
        ReportChargingProfilesRequest(request.request_id, source, profiles, evse_id, tbc=number < len(pages))
        for number, (source, evse_id, profiles) in enumerate(pages, start=1)
    )
    return GetChargingProfilesResponse(GetChargingProfileStatus.ACCEPTED), messages


_Page: TypeAlias = tuple[ChargingLimitSource, int, tuple[ChargingProfile, ...]]


def _pages(found: Iterable[InstalledProfile]) -> Iterator[_Page]:
    groups: dict[tuple[ChargingLimitSource, int], list[ChargingProfile]] = {}
    for item in found:
        groups.setdefault((item.source, item.evse_id), []).append(item.profile)
    for (source, evse_id), profiles in groups.items():
        for page in _cut(profiles):
            yield source, evse_id, page


def _cut(profiles: Iterable[ChargingProfile]) -> Iterator[tuple[ChargingProfile, ...]]:
    page: list[ChargingProfile] = []
    periods = 0
    for profile in profiles:
        more = sum(len(schedule.charging_schedule_period) for schedule in profile.charging_schedule)
        if page and (len(page) == MOST_PROFILES or periods + more > MOST_PERIODS):
            yield tuple(page)
            page, periods = [], 0
        page.append(profile)
        periods += more
    if page:
        yield tuple(page)
