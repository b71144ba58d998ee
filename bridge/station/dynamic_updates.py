"""The updates of dynamic charging profiles (OCPP 2.1, K28): those that the CSMS sends, and those that are asked for.

A profile with a dynUpdateInterval is asked for that long after its dynUpdateTime (K28.FR.10), by a CSMS of 2.1 that
takes messages; what has become due without one is asked for once when there is one again. What is not answered with
values leaves the profile as it is, and is asked again an interval later. A station asks for one profile after the
other, `PULL_SPACING` apart, whatever the intervals are: a CALL that has to be sent waits for no more than one of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.errors import CsmsError
from bridge.station.block_q import WITHOUT_MODES
from bridge.station.dynamic_profiles import period_of
from bridge.station.link import LinkDown
from bridge.station.messages import (
    ChargingProfileStatus,
    ChargingScheduleUpdate,
    PullDynamicScheduleUpdateRequest,
    PullDynamicScheduleUpdateResponse,
)
from bridge.station.timer import Timer

if TYPE_CHECKING:
    from bridge.station.messages import ChargingProfile
    from bridge.station.profiles import Verdict
    from bridge.station.station import Station

#: So many ms are between two questions of a station at least: each answer is made durable.
PULL_SPACING: Final = 250
_SECOND: Final = 1000


class DynamicUpdates:
    """Those of one station. Without a profile that wants to be asked for there is no timer."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._timer: Timer | None = None
        self._asked: dict[int, int] = {}  # when (monotonic ms) each profile was last asked for
        self._open = False  # whether one is asked for now
        self._free = 0  # before this (monotonic ms) none is asked for
        self._told: set[int] = set()  # those whose trouble was told

    async def update(self, profile_id: int, update: ChargingScheduleUpdate) -> Verdict:
        """Let a profile say this from now on; durable, and in the composite schedule, before this ends. What is wanted
        is to be considered after it."""
        station = self._station
        before = station.charging.find(profile_id)
        verdict = await station.charging.update_schedule(profile_id, update, station.wishes.profile_rules())
        after = station.charging.find(profile_id)
        if verdict.accepted and before and after and period_of(before.profile) != period_of(after.profile):
            station.wishes.told(after.evse_id, after.purpose, anew=False)
        return verdict

    def look(self) -> None:
        """Profiles, the time or the connection may have changed: ask when the next one is due."""
        due = self._due()
        if self._timer is None and due:
            self._timer = Timer(self._station.clock, self._turn)
        if self._timer is not None:
            self._timer.set_at(max(min(due.values()), self._free) if due else None)

    def cancel(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()

    # -- inside

    def _due(self) -> dict[int, int]:
        """When (monotonic ms) the profiles that can be asked for are to be; none while one is."""
        wanting = [item.profile for item in self._station.charging.installed if item.profile.dyn_update_interval]
        if self._asked.keys() - {profile.id for profile in wanting}:
            self._forget({profile.id for profile in wanting})
        station = self._station
        if not wanting or self._open or not station.online or station.link.subprotocol == WITHOUT_MODES:
            return {}
        due = {profile.id: self._due_at(profile) for profile in wanting}
        return {number: at for number, at in due.items() if at is not None}

    def _due_at(self, profile: ChargingProfile) -> int | None:
        """One that will never count again is not asked for. A dynUpdateTime ahead (a clock was set back) counts as now,
        so that it silences nobody."""
        time, interval = self._station.time, (profile.dyn_update_interval or 0) * _SECOND
        utc, now = time.utc(), self._station.clock.monotonic()
        if utc is None or interval <= 0 or (profile.valid_to is not None and profile.valid_to <= utc):
            return None
        last = None if profile.dyn_update_time is None else time.monotonic(profile.dyn_update_time)
        if last is not None and last > now:
            last = self._asked.setdefault(profile.id, now)
        known = [at for at in (last, self._asked.get(profile.id)) if at is not None]
        return max(known) + interval if known else 0

    def _forget(self, wanting: set[int]) -> None:
        self._asked = {number: at for number, at in self._asked.items() if number in wanting}
        self._told &= wanting

    def _turn(self) -> None:
        """Ask for what has been due for longest."""
        due = self._due()
        number = min(due, key=lambda each: due[each], default=None)
        now = self._station.clock.monotonic()
        if number is None or due[number] > now:
            self.look()
            return
        self._open, self._free = True, now + PULL_SPACING
        self._asked[number] = now
        self._station.spawn(self._ask(number))

    async def _ask(self, number: int) -> None:
        try:
            answer = await self._station.link.call(PullDynamicScheduleUpdateRequest(number))
            self._tell(number, await self._taken(number, answer))
        except LinkDown:  # the next connection is asked at once
            self._asked.pop(number, None)
        except (CsmsError, ValueError) as error:  # a CSMS that has come back in 2.0.1 cannot be asked
            self._tell(number, str(error))
        finally:
            self._open = False
        self._station.wishes.reconsider()

    async def _taken(self, number: int, answer: PullDynamicScheduleUpdateResponse) -> str | None:
        """Why an answer changes nothing; None: it is in force."""
        if answer.status is not ChargingProfileStatus.ACCEPTED:
            info = answer.status_info
            return "rejected" if info is None else f"rejected: {info.reason_code} {info.additional_info or ''}".rstrip()
        if answer.schedule_update is None:
            return "accepted, and no values told"
        verdict = await self.update(number, answer.schedule_update)
        return None if verdict.accepted else f"{verdict.reason}: {verdict.info}"

    def _tell(self, number: int, trouble: str | None) -> None:
        """Each trouble once, until there is an update again."""
        if trouble is None:
            self._told.discard(number)
        elif number not in self._told:
            self._told.add(number)
            self._station.log.warning("dynamic profile not updated", profile=number, why=trouble[:200])
