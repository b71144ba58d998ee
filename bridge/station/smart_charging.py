"""Smart charging (block K) of one station: the installed profiles, and what they want of each EVSE now.

Whatever changes the composite schedule (a profile, its clearing, an edge in time, a transaction) only changes what is
wanted; the charger brings the unit there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from functools import reduce

import structlog

from bridge.errors import StoreError
from bridge.records import dataclass
from bridge.station.composite import (
    Composite,
    Grid,
    StationComposite,
    TooManyEdges,
    UnknownPowerError,
    epoch_ms,
    from_epoch_ms,
    schedule_periods,
    share,
    station_grid,
)
from bridge.station.csms_time import CsmsTime
from bridge.station.dynamic_profiles import is_dynamic, stamped, updated
from bridge.station.limits import InstalledProfile
from bridge.station.messages import (
    ChargingProfile,
    ChargingProfilePurpose,
    ChargingProfileStatus,
    ChargingRateUnit,
    ChargingScheduleUpdate,
    ClearChargingProfileRequest,
    ClearChargingProfileResponse,
    ClearChargingProfileStatus,
    CompositeSchedule,
    GenericStatus,
    GetChargingProfilesRequest,
    GetChargingProfilesResponse,
    GetCompositeScheduleRequest,
    GetCompositeScheduleResponse,
    ReportChargingProfilesRequest,
    SetChargingProfileRequest,
    SetChargingProfileResponse,
    StatusInfo,
)
from bridge.station.messages.text import from_text, to_text
from bridge.station.messages.v201 import Adapter
from bridge.station.profile_store import clear, install, report, without_transaction
from bridge.station.profiles import ProfileRules, Verdict, check_profile, check_start_profile, check_update
from bridge.station.reason_codes import ReasonCode
from bridge.store.port import ProfileRow, Store

_log = structlog.get_logger(__name__)
#: In characters, with room for every word of PeriodsPerSchedule periods; it is customData that could be longer.
LONGEST_PROFILE = 2**18
#: So long (ms) a limit is believed at most while no CSMS has told the time since the start.
_LOOK_AGAIN = 60_000
#: ... and after it has: corrections of the clock too small to be told add up until a far edge.
_LONGEST_WAIT = 600_000


@dataclass(frozen=True, slots=True)
class Course:
    """Where one EVSE's transaction stands, as far as profiles look at it. `power_path_closed` in ms since 1970."""

    transaction_id: str | None = None
    power_path_closed: int | None = None
    grid: Grid = field(default_factory=Grid)
    most: int = 0  # mW, what the unit can draw at most; 0 unknown
    least: int = 0  # mW, below this the unit pauses; 0 unknown
    may_discharge: bool = True  # whether the site still allows what profiles order
    balance: int | None = 0  # mW, the setpoint of load balancing (Q09); None: what may be charged, not what flows


class SmartCharging:
    """The profiles of a station. Every change is durable before it counts."""

    def __init__(self, station: str, store: Store, time: CsmsTime, adapter: Adapter) -> None:
        self._station, self._store, self._time, self._adapter = station, store, time, adapter
        self.installed: tuple[InstalledProfile, ...] = ()
        self.invalid: frozenset[int] = frozenset()  # ids of those that do not count now (maxOfflineDuration)
        self._coming: tuple[InstalledProfile, ...] = ()  # accepted, and not durable yet
        self._going: list[Sequence[int]] = []  # ids that are being cleared
        self._grids: set[Grid] = set()

    def expect(self, grids: Iterable[Grid]) -> None:
        """Prepare what is installed, and whatever will be, for EVSEs with these grids: to ask is quick then."""
        self._grids |= set(grids)
        for item in self.installed:
            self._prepare(item)

    def _prepare(self, item: InstalledProfile) -> InstalledProfile:
        for grid in self._grids:
            item.plan(grid)
        return item

    async def restore(self) -> None:
        """Take up the profiles that were installed before the restart."""
        for row in await self._store.profiles(self._station):
            try:
                request = from_text(self._adapter, SetChargingProfileRequest, row.payload)
            except StoreError as error:
                _log.error("profile left out", profile=row.profile_id, why=str(error))
                continue
            restored = InstalledProfile(request.evse_id, request.charging_profile)
            self.installed = install(self.installed, self._prepare(restored))

    async def resume(self, transactions: Mapping[int, str]) -> None:
        """Finish what a kill has cut short: TxProfiles belong to the open `transactions` (by EVSE), or go (K02.FR.05).

        One that waits for its transaction gets the one that has begun; a start that did not come so far is forgotten.
        """
        for evse_id, transaction_id in transactions.items():
            await self.begin(evse_id, transaction_id)
        stale = [
            item.profile.id
            for item in self.installed
            if item.profile.charging_profile_purpose is ChargingProfilePurpose.TX_PROFILE
            and item.profile.transaction_id not in transactions.values()
        ]
        if stale:
            await self._store.delete_profiles(self._station, stale)
            self.installed = tuple(item for item in self.installed if item.profile.id not in stale)

    # -- messages

    async def set_profile(self, request: SetChargingProfileRequest, rules: ProfileRules) -> SetChargingProfileResponse:
        """K01: judge it, keep it, and only then accept it."""
        verdict = check_profile(request.evse_id, request.charging_profile, self._accepted(), rules)
        if verdict.accepted:
            try:
                await self._keep(request.evse_id, self._stamped(request.charging_profile), verdict.replaces)
            except StoreError as error:
                info = StatusInfo(ReasonCode.OUT_OF_STORAGE, str(error)[:512])
                return SetChargingProfileResponse(ChargingProfileStatus.REJECTED, info)
        return SetChargingProfileResponse(verdict.status, verdict.status_info)

    async def update_schedule(self, profile_id: int, update: ChargingScheduleUpdate, rules: ProfileRules) -> Verdict:
        """2.1 K28.FR.06, K28.FR.08: judge what a dynamic profile is to say from now on, keep it, and only then let it
        count. What is not accepted changes nothing."""
        cleared = any(profile_id in ids for ids in self._going)
        item = next((one for one in self._accepted() if one.profile.id == profile_id and not cleared), None)
        if item is None or not is_dynamic(item.profile):
            return _not_dynamic(f"there is no profile {profile_id}" if item is None else f"{profile_id} is not dynamic")
        if item.evse_id not in (0, *rules.evses):
            return _not_dynamic(f"profile {profile_id} is of an EVSE that is no more")
        profile = updated(item.profile, update, self._now())
        verdict = check_update(item.evse_id, profile, rules)
        if verdict.accepted:
            try:
                await self._keep(item.evse_id, profile, (), renews=True)
            except StoreError as error:
                return Verdict(ChargingProfileStatus.REJECTED, ReasonCode.OUT_OF_STORAGE, str(error))
            if not any(one.profile is profile for one in self.installed):
                return _not_dynamic(f"profile {profile_id} has ended")
        return verdict

    def find(self, profile_id: int) -> InstalledProfile | None:
        """The installed profile of an id."""
        return next((item for item in self.installed if item.profile.id == profile_id), None)

    def judge_start(self, evse_id: int, profile: ChargingProfile, rules: ProfileRules) -> Verdict:
        """F01.FR.26: the profile of a RequestStartTransactionRequest."""
        return check_start_profile(evse_id, profile, self._accepted(), rules)

    async def bind_start(
        self, evse_id: int, profile: ChargingProfile, transaction_id: str | None
    ) -> Callable[[], Awaitable[None]]:
        """Keep the profile of a start that was accepted, for its transaction as soon as that has an id (K05). What is
        returned lets it go again where the start comes to nothing."""
        bound = _with_transaction(self._stamped(profile), transaction_id)
        await self._keep(evse_id, bound, ())
        return lambda: self._drop([item for item in self.installed if item.profile is bound])

    async def forget_starts(self, evse_id: int) -> None:
        """No transaction comes of what was authorized at an EVSE: what waited for it must not bound another one."""
        await self._drop([item for item in self.installed if item.evse_id == evse_id and item.waits])

    async def _drop(self, gone: Sequence[InstalledProfile]) -> None:
        """At once, and in the store; what has taken a profile's place meanwhile stays."""
        going = set(map(id, gone))
        self.installed = tuple(item for item in self.installed if id(item) not in going)
        try:
            if gone:
                await self._store.delete_profiles(self._station, [item.profile.id for item in gone])
        except StoreError as error:  # `resume` deletes them after a restart
            _log.error("profiles of a start not deleted", profiles=[one.profile.id for one in gone], why=str(error))

    async def begin(self, evse_id: int, transaction_id: str) -> None:
        """A transaction has begun: the profile that waited for it is its own now."""
        for item in self._accepted():
            if item.evse_id == evse_id and item.waits:
                bound = _with_transaction(item.profile, transaction_id)
                try:
                    await self._keep(evse_id, bound, ())
                except StoreError as error:  # it bounds the energy all the same; `resume` binds it after a restart
                    _log.error("profile not kept for its transaction", profile=bound.id, why=str(error))
                    self.installed = install(self.installed, InstalledProfile(evse_id, bound))

    async def clear(self, request: ClearChargingProfileRequest) -> ClearChargingProfileResponse:
        """K10: by id, or by all criteria given."""
        _, _, gone = clear(self._accepted(), request)
        if not gone:
            return ClearChargingProfileResponse(ClearChargingProfileStatus.UNKNOWN)
        self._going.append(gone)
        try:
            return await self._cleared(gone)
        finally:
            self._going.remove(gone)

    async def _cleared(self, gone: Sequence[int]) -> ClearChargingProfileResponse:
        await self._store.delete_profiles(self._station, gone)
        self.installed = tuple(item for item in self.installed if item.external or item.profile.id not in gone)
        self._coming = tuple(item for item in self._coming if item.profile.id not in gone)
        return ClearChargingProfileResponse(ClearChargingProfileStatus.ACCEPTED)

    def constrain(self, profiles: Iterable[InstalledProfile]) -> None:
        """Let these be all external constraints that there are (K11, K12, K13)."""
        self.installed = (*(item for item in self.installed if not item.external), *profiles)

    def report(
        self, request: GetChargingProfilesRequest
    ) -> tuple[GetChargingProfilesResponse, tuple[ReportChargingProfilesRequest, ...]]:
        """K09: the answer, and the messages that follow it."""
        return report(self.installed, request)

    async def end(self, transaction_id: str) -> None:
        """K02.FR.05: a transaction's profiles end with it."""
        self.installed, gone = without_transaction(self.installed, transaction_id)
        self._coming, never = without_transaction(self._coming, transaction_id)
        replaced = {item.profile.id for item in self._coming}  # what replaces them stays
        stale = [number for number in (*gone, *never) if number not in replaced]
        if not stale:
            return
        try:
            await self._store.delete_profiles(self._station, stale)
        except StoreError as error:  # `resume` deletes them after a restart
            _log.error("profiles of an ended transaction not deleted", profiles=stale, why=str(error))

    def composite_schedule(
        self, request: GetCompositeScheduleRequest, courses: Mapping[int, Course], rules: ProfileRules
    ) -> GetCompositeScheduleResponse:
        """K08: the limits of the next `duration` s, in the unit asked for."""
        try:
            return self._composite_schedule(request, courses, rules)
        except TooManyEdges as error:  # K08.FR.05; to follow 68 years of a daily profile would take hours
            info = StatusInfo(ReasonCode.VALUE_TOO_HIGH, str(error))
            return GetCompositeScheduleResponse(GenericStatus.REJECTED, info)
        except UnknownPowerError as error:
            info = StatusInfo(ReasonCode.UNSPECIFIED, str(error))
            return GetCompositeScheduleResponse(GenericStatus.REJECTED, info)

    def _composite_schedule(
        self, request: GetCompositeScheduleRequest, courses: Mapping[int, Course], rules: ProfileRules
    ) -> GetCompositeScheduleResponse:
        now = self._time.utc()
        unit = request.charging_rate_unit or ChargingRateUnit.W
        courses = {evse_id: replace(course, balance=None) for evse_id, course in courses.items()}
        refusal = self._cannot_tell(request, unit, courses, rules)
        if now is None or refusal:
            return GetCompositeScheduleResponse(GenericStatus.REJECTED, refusal)
        start = epoch_ms(now) // 1000 * 1000  # so that edges at whole seconds are told exactly
        end = start + request.duration * 1000
        if request.evse_id == 0:
            pieces = self._of_station(courses, start).pieces(start, end)
            known = all(course.most for course in courses.values())
            most = sum(course.most for course in courses.values()) if known else 0
            grid = station_grid(course.grid for course in courses.values())
        else:
            pieces = self.composite(request.evse_id, courses, start).pieces(start, end)
            most, grid = courses[request.evse_id].most, courses[request.evse_id].grid
        schedule = CompositeSchedule(
            charging_schedule_period=schedule_periods(pieces, unit, grid, most),
            evse_id=request.evse_id,
            duration=request.duration,
            schedule_start=from_epoch_ms(start),
            charging_rate_unit=unit,
        )
        return GetCompositeScheduleResponse(GenericStatus.ACCEPTED, schedule=schedule)

    # -- what is wanted

    @property
    def valid(self) -> tuple[InstalledProfile, ...]:
        """Those that count now, if it is their time."""
        if not self.invalid:
            return self.installed
        return tuple(item for item in self.installed if item.profile.id not in self.invalid)

    def composite(
        self, evse_id: int, courses: Mapping[int, Course], now: int, profiles: Sequence[InstalledProfile] | None = None
    ) -> Composite:
        """All profiles of one EVSE, merged; or only those that are given."""
        course = courses[evse_id]
        self._grids.add(course.grid)
        closed = course.power_path_closed
        if closed is not None:  # a clock that was set back a little must not leave the vehicle without a bound
            closed = min(closed, now)
        return Composite(
            self.valid if profiles is None else profiles,
            evse_id,
            course.grid,
            now=now,
            transaction_id=course.transaction_id,
            power_path_closed=closed,
            pending_start=course.transaction_id is None,
            may_discharge=course.may_discharge,
            balance=course.balance,
        )

    def _of_station(self, courses: Mapping[int, Course], now: int) -> StationComposite:
        evses = {evse_id: self.composite(evse_id, courses, now) for evse_id in courses}
        return StationComposite(evses, self._bounds(courses, now), {i: course.most for i, course in courses.items()})

    def _bounds(
        self, courses: Mapping[int, Course], now: int, profiles: Sequence[InstalledProfile] | None = None
    ) -> Composite:
        """What bounds all EVSEs together."""
        profiles = self.valid if profiles is None else profiles
        return Composite(profiles, 0, station_grid(course.grid for course in courses.values()), now=now)

    def limits(
        self, active: Mapping[int, Course], without: Container[int] = ()
    ) -> tuple[dict[int, int | None], int | None]:
        """The limit (mW, signed, None: none) of each EVSE that may have energy, and how long (ms) it holds.

        As it would be `without` the profiles of these ids. The CSMS's last profiles hold whether or not it is there to
        tell the time; before any time was told only what comes from outside counts.
        """
        utc = self._time.presumed()
        profiles = tuple(
            item for item in self.valid if item.profile.id not in without and (utc is not None or item.external)
        )
        if not active or not profiles:
            return dict.fromkeys(active), None
        now = 0 if utc is None else epoch_ms(utc)
        composites = {evse_id: self.composite(evse_id, active, now, profiles) for evse_id in active}
        found = {evse_id: composite.limit_at(now) for evse_id, composite in composites.items()}
        of_station = [item for item in profiles if item.evse_id == 0]
        bound = self._bounds(active, now, of_station).station_bound_at(now) if of_station else None
        if bound is not None:
            minimums = {i: max(c.minimum_at(now), active[i].least) for i, c in composites.items()}
            found |= _shared(bound, found, active, minimums)
        edge = min((e for c in composites.values() if (e := c.next_edge(now)) is not None), default=None)
        left = None if edge is None else min(max(edge - now, 1), _LONGEST_WAIT)
        if not self._time.known and utc is not None:  # the machine's clock may be corrected without a word
            left = min(left or _LOOK_AGAIN, _LOOK_AGAIN)
        return found, left

    # -- inside

    def _accepted(self) -> tuple[InstalledProfile, ...]:
        """What is installed as soon as everything that was accepted is durable: the next one is judged against that,
        for a CSMS need not wait for an answer before it sends the next profile."""
        return reduce(install, self._coming, self.installed)

    def _text(self, evse_id: int, profile: ChargingProfile) -> str:
        """As the store keeps it. Raises StoreError for what is too large, or its customData nested too deeply."""
        try:
            text = to_text(self._adapter, SetChargingProfileRequest(evse_id, profile))
        except ValueError as error:
            raise StoreError(f"profile {profile.id} cannot be kept: {error}") from error
        if len(text) > LONGEST_PROFILE:
            raise StoreError(f"profile {profile.id} has {len(text)} characters; {LONGEST_PROFILE} can be kept")
        return text

    def _now(self) -> datetime | None:
        """To the ms, as the store keeps it."""
        utc = self._time.presumed()
        return None if utc is None else from_epoch_ms(epoch_ms(utc))

    def _stamped(self, profile: ChargingProfile) -> ChargingProfile:
        return stamped(profile, self._now())

    async def _keep(
        self, evse_id: int, profile: ChargingProfile, replaces: Sequence[int], *, renews: bool = False
    ) -> None:
        """Durable, then installed; one that `renews` only where the profile is there still."""
        item = InstalledProfile(evse_id, profile)
        row = ProfileRow(profile.id, evse_id, profile.transaction_id, self._text(evse_id, profile))
        self._coming = (*self._coming, item)
        try:
            await self._store.put_profile(self._station, row, replaces)
            there = not renews or self.find(profile.id) is not None
            if there and any(one is item for one in self._coming):  # else its transaction has ended meanwhile
                self.installed = install(self.installed, self._prepare(item))
        finally:
            self._coming = tuple(one for one in self._coming if one is not item)

    @staticmethod
    def _cannot_tell(
        request: GetCompositeScheduleRequest,
        unit: ChargingRateUnit,
        courses: Mapping[int, Course],
        rules: ProfileRules,
    ) -> StatusInfo | None:
        """K08.FR.05, K08.FR.07: an unknown EVSE, no time at all, a unit that is not offered."""
        if request.evse_id not in (0, *courses):
            return StatusInfo(ReasonCode.UNKNOWN_EVSE, f"there is no EVSE {request.evse_id}")
        if request.duration < 0:
            return StatusInfo(ReasonCode.VALUE_POSITIVE_ONLY, "a duration is 0 s or longer")
        if unit not in rules.rate_units:
            return StatusInfo(ReasonCode.UNSUPPORTED_RATE_UNIT, f"limits are told in {sorted(rules.rate_units)}")
        return None


def _shared(
    bound: int, found: Mapping[int, int | None], courses: Mapping[int, Course], minimums: Mapping[int, int]
) -> dict[int, int | None]:
    """The station's bound divided among the EVSEs that charge; a discharge asks nothing of it."""
    charging = {
        evse_id: limit if limit is not None else (courses[evse_id].most or bound)
        for evse_id, limit in found.items()
        if limit is None or limit > 0
    }
    return dict(share(bound, charging, minimums))


def _not_dynamic(why: str) -> Verdict:
    return Verdict(ChargingProfileStatus.REJECTED, ReasonCode.INVALID_PROFILE, why, clauses=("2.1 K28.FR.11",))


def _with_transaction(profile: ChargingProfile, transaction_id: str | None) -> ChargingProfile:
    return replace(profile, transaction_id=transaction_id)
