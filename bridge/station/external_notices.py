"""What the CSMS is told of external limits: NotifyChargingLimit and ClearedChargingLimit (K11.FR.02, K12.FR.02,
K13.FR.02).

Messages know a limit by its source and EVSE. What the CSMS knows is compared with what holds, whenever either changes:
so a message that was lost, a CSMS that was away and a restart are one case. A house's load moves all the time: what
the grid connection leaves is told when it falls, and when it rises at most once a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from bridge.station.device_model_table import Key
from bridge.station.messages import (
    ChargingLimit,
    ChargingLimitSource,
    ClearedChargingLimitRequest,
    NotifyChargingLimitRequest,
)
from bridge.station.timer import Timer

if TYPE_CHECKING:
    from bridge.station.external_limits import ExternalLimit
    from bridge.station.station import Station

#: Whose limit, and at which EVSE (0: the station's).
Place: TypeAlias = tuple[ChargingLimitSource, int]

#: A limit that moves by itself is told to be higher, or gone, at most once in so many ms.
RISES_EVERY: Final = 60_000
#: After a CSMS has refused a message it is left in peace so long (ms), and twice as long each time up to the longest.
FIRST_PAUSE: Final = 60_000
LONGEST_PAUSE: Final = 3_600_000
#: Names of settings in the store begin so.
_TOLD: Final = "external.told."


def changed_much(before: int, now: int, percent: float) -> bool:
    """LimitChangeSignificance: a smaller change need not be told (SC.03)."""
    return abs(now - before) * 100 > before * percent


class Notices:
    """Those of one station; `limits` gives the lowest limit of each place."""

    def __init__(self, station: Station, limits: Callable[[], Mapping[Place, ExternalLimit]]) -> None:
        self._station = station
        self._limits = limits
        self._told: dict[Place, int] = {}  # mW, what the CSMS knows
        self._moving: set[Place] = set()  # ... of them those that move by themselves
        self._not_before: dict[Place, int] = {}
        self._pauses: dict[Place, int] = {}
        self._flying: set[Place] = set()
        self._timer = Timer(station.clock, self.consider)

    def restore(self, name: str, text: str) -> bool:
        """Take up a setting if it is one of what the CSMS has been told."""
        if not name.startswith(_TOLD):
            return False
        source, _, evse_id = name.removeprefix(_TOLD).partition(".")
        if source in list(ChargingLimitSource) and evse_id.isdigit() and text.isdigit():
            self._told[ChargingLimitSource(source), int(evse_id)] = int(text)
        return True

    def cancel(self) -> None:
        """Wait for nothing more."""
        self._timer.cancel()

    def consider(self) -> None:
        """Tell what the CSMS does not know yet. Call it whenever limits have changed or the CSMS is back."""
        if not self._station.online:
            return
        now = self._station.clock.monotonic()
        limits = self._limits()
        later: list[int] = []
        for place in {**self._told, **limits}:
            limit = limits.get(place)
            if place in self._flying or not self._news(place, limit):
                continue
            at = max(self._not_before.get(place, now) if self._patient(place, limit) else now, self._refused(place))
            if at > now:
                later.append(at)
            else:
                self._flying.add(place)
                self._station.spawn(self._tell(place, limit))
        self._timer.set_at(min(later, default=None))

    # -- inside

    def _news(self, place: Place, limit: ExternalLimit | None) -> bool:
        told = self._told.get(place)
        if told is None or limit is None:
            return (told is None) is not (limit is None)
        percent = self._station.model.decimal(Key.SMART_LIMIT_CHANGE_SIGNIFICANCE)
        return changed_much(told, limit.power, percent)

    def _patient(self, place: Place, limit: ExternalLimit | None) -> bool:
        """Whether what is to be told is that a limit that moves by itself has risen or gone."""
        told = self._told.get(place)
        rises = told is not None and (limit is None or limit.power > told)
        return rises and place in self._moving and (limit is None or limit.moves)

    def _refused(self, place: Place) -> int:
        return self._not_before[place] if place in self._pauses else 0

    async def _tell(self, place: Place, limit: ExternalLimit | None) -> None:
        station, clock = self._station, self._station.clock
        heard = await station.outbox.tell(self._message(place, limit))
        self._flying.discard(place)
        now = clock.monotonic()
        if heard:
            self._pauses.pop(place, None)
            self._not_before[place] = now + RISES_EVERY
            self._note(place, limit)
        elif station.online:  # it was refused, or not answered
            pause = self._pauses[place] = min(self._pauses.get(place, FIRST_PAUSE // 2) * 2, LONGEST_PAUSE)
            self._not_before[place] = now + pause
        self.consider()

    def _note(self, place: Place, limit: ExternalLimit | None) -> None:
        source, evse_id = place
        if limit is None:
            self._told.pop(place, None)
        else:
            self._told[place] = limit.power
        if limit is not None and limit.moves:
            self._moving.add(place)
        else:
            self._moving.discard(place)
        self._station.notes.put({f"{_TOLD}{source}.{evse_id}": None if limit is None else str(limit.power)})

    def _message(
        self, place: Place, limit: ExternalLimit | None
    ) -> NotifyChargingLimitRequest | ClearedChargingLimitRequest:
        """K11.FR.03: with the schedule only where the CSMS wants that. The station's own limit names no EVSE."""
        source, evse_id = place
        if limit is None:
            return ClearedChargingLimitRequest(source, evse_id or None)
        schedules = None
        if self._station.model.boolean(Key.SMART_NOTIFY_WITH_SCHEDULES):
            schedules = self._station.wishes.external.profile_of(limit).charging_schedule
        return NotifyChargingLimitRequest(ChargingLimit(source), schedules, evse_id or None)
