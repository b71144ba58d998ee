"""External limits (K11, K12, K13): what others than the CSMS allow of charging, here and now.

Three have a say: who lowers a setting at a unit (its resident, another controller), the site's grid connection, and who
asks by the local API. Each limit is a profile of purpose ChargingStationExternalConstraints with a negative id, which
no CSMS can replace or clear; so it is in the composite schedule, in reports, and in what is wanted of the units.
What of it the CSMS is told, and when, is `external_notices`' subject. All of it outlives a restart.

A profile bounds charging alone: OCPP 2.0.1 has no word for a lowered discharge, which is followed all the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from bridge.evse import Happening, HappeningKind
from bridge.records import dataclass
from bridge.station.compact import compact
from bridge.station.composite import Grid, station_grid, toward_zero
from bridge.station.external_notices import Notices
from bridge.station.limits import InstalledProfile
from bridge.station.messages import (
    ChargingLimitSource,
    ChargingProfile,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingSchedule,
    ChargingSchedulePeriod,
)
from bridge.station.timer import Timer

if TYPE_CHECKING:
    from bridge.station.position import Position
    from bridge.station.station import Station

#: Names of settings in the store begin so.
_KEPT: Final = "external."
#: The ids of our profiles, downwards from -1; one that a CSMS has taken is passed over.
_ID_STEP: Final = 1_000


class Origin(StrEnum):
    """Who has set a limit."""

    UNIT = "unit"
    GRID = "grid"
    API = "api"


_ORDER: Final = tuple(Origin)


@dataclass(frozen=True, slots=True)
class ExternalLimit:
    """At most `power` (mW) into an EVSE, or into all of the station together (0), until a monotonic time (ms) or until
    it is cleared. `bounds_discharge`: it is about the other direction."""

    origin: Origin
    evse_id: int
    power: int
    source: ChargingLimitSource
    until: int | None = None
    bounds_discharge: bool = False

    @property
    def key(self) -> tuple[Origin, int]:
        """One origin sets one limit of an EVSE."""
        return self.origin, self.evse_id

    @property
    def moves(self) -> bool:
        """Whether it moves by itself, as the load of the house does."""
        return self.origin is Origin.GRID


class ExternalLimits:
    """Those of one station. `on_change` is called when what the EVSEs wish of the grid may be another."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._limits: dict[tuple[Origin, int], ExternalLimit] = {}
        self._ids: dict[tuple[Origin, int], int] = {}  # of the profiles
        self._worded: tuple[bool, tuple[Grid, ...]] = (False, ())  # what the profiles were made for
        self._expiry = Timer(station.clock, self._expire)
        self.notices = Notices(station, self.of_source)
        self.on_change: Callable[[], None] = lambda: None
        station.time.on_jump(lambda _: self._changed() if self._limits else None)

    # -- life

    def restore(self, settings: Mapping[str, str], *, grid: bool) -> None:
        """Take up what an earlier life of the gateway has left, after its transactions; `grid`: whether the site's
        connection has a limit still. What does not hold any more is cleared, and told when the CSMS listens."""
        gone: dict[str, str | None] = {}
        for name, text in settings.items():
            if name.startswith(_KEPT) and not self.notices.restore(name, text):
                limit = self._kept(text)
                if limit is None or not self._still_holds(limit, grid=grid):
                    gone[name] = None
                else:
                    self._limits[limit.key] = limit
        if gone:
            self._station.notes.put(gone)
        self._install()

    def cancel(self) -> None:
        """Wait for nothing more."""
        self._expiry.cancel()
        self.notices.cancel()

    # -- who sets and clears

    async def set_by_api(self, evse_id: int, power: int, lasts: int | None) -> None:
        """The site's own energy management, or an app, allows so much (mW), for so long (ms; None: until cleared).
        Durable before it counts. Raises `StoreError`."""
        until = None if lasts is None else self._station.clock.monotonic() + lasts
        limit = ExternalLimit(Origin.API, evse_id, power, ChargingLimitSource.EMS, until)
        await self._station.notes.write({_name(limit.key): self._text(limit)})
        self._limits[limit.key] = limit
        self._changed()

    async def clear_by_api(self, evse_id: int) -> bool:
        """Whether there was one. Raises `StoreError`."""
        key = Origin.API, evse_id
        if key not in self._limits:
            return False
        await self._station.notes.write({_name(key): None})
        self._limits.pop(key, None)
        self._changed()
        return True

    def set_by_grid(self, power: int | None) -> None:
        """The grid connection leaves the station so much (mW); None: more than it can draw."""
        key = Origin.GRID, 0
        before = self._limits.get(key)
        if power is None:
            if before is not None:
                self._clear([key])
        elif before is None or before.power != power:
            self._limits[key] = ExternalLimit(*key, power, ChargingLimitSource.EMS)
            self._station.notes.put({_name(key): self._text(self._limits[key])})
            self._changed()

    def happened(self, position: Position, happening: Happening) -> None:
        """Somebody else has lowered a verified setting at the unit, or raised it again."""
        power = happening.value
        if happening.kind not in (HappeningKind.FOREIGN_LIMIT, HappeningKind.FOREIGN_LIMIT_CLEARED):
            return
        if power is None or position.session.transaction_id is None or position.hands_off:
            return
        key = Origin.UNIT, position.evse_id
        known = self._limits.get(key)
        discharging = power < 0 or (power == 0 and (position.limit or 0) < 0)
        if happening.kind is HappeningKind.FOREIGN_LIMIT_CLEARED and (
            known is None or known.bounds_discharge is not discharging
        ):
            return  # above what is ours: it is set back
        own = self._limit_but_for_unit(position)
        if happening.kind is HappeningKind.FOREIGN_LIMIT_CLEARED and (own is None or abs(power) >= abs(own)):
            self._clear([key])
            return
        self._limits[key] = self._of_unit(position, abs(power), bounds_discharge=discharging)
        self._station.notes.put({_name(key): self._text(self._limits[key])})
        self._changed()

    def follow(self, position: Position) -> None:
        """What somebody has set at the unit ends with the transaction (translation.md, "External limits")."""
        key = Origin.UNIT, position.evse_id
        if key in self._limits and position.session.transaction_id is None:
            self._clear([key])

    # -- what is asked

    def of_source(self) -> dict[tuple[ChargingLimitSource, int], ExternalLimit]:
        """The lowest limit of each source and EVSE, which is all that messages can tell."""
        lowest: dict[tuple[ChargingLimitSource, int], ExternalLimit] = {}
        for limit in self._charging():
            key = limit.source, limit.evse_id
            if key not in lowest or limit.power < lowest[key].power:
                lowest[key] = limit
        return lowest

    def all(self) -> tuple[ExternalLimit, ...]:
        """Every limit in force."""
        return tuple(self._limits[key] for key in sorted(self._limits, key=lambda key: (key[1], _ORDER.index(key[0]))))

    @property
    def bound_by_grid(self) -> bool:
        """Whether the grid connection limits the station now."""
        return (Origin.GRID, 0) in self._limits

    def demand(self) -> int | None:
        """What the station would draw now (mW) if the grid connection had no limit; None: nobody knows."""
        station = self._station
        active = {evse_id: p.course for evse_id, p in station.positions.items() if p.session.wants_energy}
        limits, _ = station.charging.limits(active, self._of(Origin.GRID))
        total = 0
        for evse_id, limit in limits.items():
            known = [power for power in (limit, active[evse_id].most or None) if power is not None]
            if not known:
                return None
            total += max(0, min(known))
        return total

    def own_limit(self, position: Position) -> int | None:
        """What an EVSE would be allowed (mW, signed; None: all) if there were no external limits at all."""
        if not self._ids:
            return position.limit
        return self._limit_without(position, set(self._ids.values()))

    def look(self) -> None:
        """Before what is wanted is computed anew: the CSMS has told the time, so that ends can be told; a unit has told
        what current it gives, so that phases count."""
        station = self._station
        worded = (station.time.known, tuple(position.grid for position in station.positions.values()))
        if self._limits and worded != self._worded:
            self._worded = worded
            self._constrain()
        self._arm()  # a station that is begun again has let go its timers

    def considered(self) -> None:
        """After what is wanted was computed anew: the CSMS may have to hear of limits, the grid's of wishes."""
        self.notices.consider()
        self.on_change()

    # -- inside

    def _changed(self) -> None:
        """Let the limits count."""
        self._install()
        self._station.wishes.reconsider()

    def _install(self) -> None:
        self._constrain()
        for position in self._station.positions.values():
            limit = self._limits.get((Origin.UNIT, position.evse_id))
            position.discharge_bound = limit.power if limit is not None and limit.bounds_discharge else None
        self._arm()

    def _arm(self) -> None:
        self._expiry.set_at(min((each.until for each in self._limits.values() if each.until is not None), default=None))

    def _clear(self, keys: Iterable[tuple[Origin, int]]) -> None:
        for key in keys:
            del self._limits[key]
            self._station.notes.put({_name(key): None})
        self._changed()

    def _expire(self) -> None:
        now = self._station.clock.monotonic()
        self._clear([key for key, limit in self._limits.items() if limit.until is not None and limit.until <= now])

    def _charging(self) -> list[ExternalLimit]:
        return [limit for limit in self._limits.values() if not limit.bounds_discharge]

    def _constrain(self) -> None:
        """Install the profiles. Of several for one EVSE the lowest leads: stack levels say that (K01.FR.17)."""
        taken = {item.profile.id for item in self._station.charging.installed if not item.external}
        ranked = sorted(self._charging(), key=lambda limit: (limit.evse_id, -limit.power, _ORDER.index(limit.origin)))
        levels: dict[int, int] = {}
        profiles = []
        self._ids.clear()
        for limit in ranked:
            level = levels[limit.evse_id] = levels.get(limit.evse_id, -1) + 1
            number = -1 - limit.evse_id * len(_ORDER) - _ORDER.index(limit.origin)
            while number in taken:
                number -= _ID_STEP
            self._ids[limit.key] = number
            profiles.append(InstalledProfile(limit.evse_id, self.profile_of(limit, number, level), limit.source))
        self._station.charging.constrain(profiles)

    def profile_of(self, limit: ExternalLimit, number: int = -1, level: int = 0) -> ChargingProfile:
        """Relative, so that no clock that is set back can take it out of force; its end only says what is expected,
        for a timer of our own ends it."""
        grids = [p.grid for p in self._station.positions.values() if limit.evse_id in (0, p.evse_id)]
        grid = station_grid(grids)
        watts = toward_zero(limit.power, 100) / 10
        period = ChargingSchedulePeriod(0, watts, None if grid.direct_current else grid.phases)
        return ChargingProfile(
            id=number,
            stack_level=level,
            charging_profile_purpose=ChargingProfilePurpose.CHARGING_STATION_EXTERNAL_CONSTRAINTS,
            charging_profile_kind=ChargingProfileKind.RELATIVE,
            charging_schedule=(ChargingSchedule(1, ChargingRateUnit.W, (period,)),),
            valid_to=None if limit.until is None else self._station.time.utc(limit.until),
        )

    def _of_unit(self, position: Position, power: int, *, bounds_discharge: bool) -> ExternalLimit:
        """K11.FR.05: never CSO. Who steers the unit beside us only the site knows."""
        lasts = position.settings.foreign_limit_lasts
        until = None if lasts is None else self._station.clock.monotonic() + lasts
        source = ChargingLimitSource.EMS if position.settings.hems else ChargingLimitSource.OTHER
        return ExternalLimit(Origin.UNIT, position.evse_id, power, source, until, bounds_discharge)

    def _limit_but_for_unit(self, position: Position) -> int | None:
        """What an EVSE would be allowed but for what was set at its unit: at most what it can; None: nobody knows."""
        number = self._ids.get((Origin.UNIT, position.evse_id))
        ids = set() if number is None else {number}
        limit = self._limit_without(position, ids)
        return limit if limit is not None else position.course.most or None

    def _limit_without(self, position: Position, ids: set[int]) -> int | None:
        station = self._station
        active = {evse_id: p.course for evse_id, p in station.positions.items() if p.session.wants_energy}
        active.setdefault(position.evse_id, position.course)
        return station.charging.limits(active, ids)[0][position.evse_id]

    def _of(self, origin: Origin) -> set[int]:
        """The ids of the profiles that come from there."""
        return {number for key, number in self._ids.items() if key[0] is origin}

    def _still_holds(self, limit: ExternalLimit, *, grid: bool) -> bool:
        """After a restart: its time is not over, and what it belongs to is still there."""
        if limit.until is not None and limit.until <= self._station.clock.monotonic():
            return False
        position = self._station.positions.get(limit.evse_id)
        if limit.evse_id != 0 and position is None:
            return False
        if limit.origin is Origin.UNIT:
            return position is not None and position.session.transaction_id is not None
        return limit.origin is Origin.API or grid

    # -- in the store

    def _text(self, limit: ExternalLimit) -> str:
        """Ends are kept in the machine's own time: the CSMS's is not known after a restart."""
        kept: dict[str, Any] = {
            "origin": limit.origin.value,
            "evse": limit.evse_id,
            "power": limit.power,
            "source": limit.source.value,
            "discharge": limit.bounds_discharge,
        }
        if limit.until is not None:
            left = limit.until - self._station.clock.monotonic()
            kept |= {"left": left, "until": (self._station.clock.wall() + timedelta(milliseconds=left)).isoformat()}
        return compact(kept)

    def _kept(self, text: str) -> ExternalLimit | None:
        """What `_text` wrote; None if it cannot be read. No clock that was set back makes it last longer than it did
        when it was written."""
        try:
            kept = json.loads(text)
            limit = ExternalLimit(
                Origin(kept["origin"]),
                int(kept["evse"]),
                int(kept["power"]),
                ChargingLimitSource(kept["source"]),
                bounds_discharge=bool(kept["discharge"]),
            )
            if "until" not in kept:
                return limit
            left = (datetime.fromisoformat(kept["until"]) - self._station.clock.wall()) // timedelta(milliseconds=1)
            return replace(limit, until=self._station.clock.monotonic() + min(left, int(kept["left"])))
        except (ValueError, KeyError, TypeError) as error:
            self._station.log.error("a kept limit cannot be read; it is gone", kept=text, why=str(error))
            return None


def _name(key: tuple[Origin, int]) -> str:
    origin, evse_id = key
    return f"{_KEPT}{origin}.{evse_id}"
