"""The local API as one who limits: a home's energy management, or an app (K11, K12).

`{"do": "limit_set", "station": "...", "evse": 1, "watts": 2000, "seconds": 3600}`: at most so much may flow into the
EVSE, or without `evse` into all of the station together; without `seconds` until it is cleared. It is kept over a
restart, told to the CSMS with source EMS, and no CSMS can lift it. `{"do": "limit_clear", "station": "...", "evse": 1}`
ends it. Limits of other origin it leaves alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from bridge.errors import BridgeError

if TYPE_CHECKING:
    from bridge.station.station import Station

#: More (W) than any home's connection, and longer (s) than anybody means who says how long.
MOST_WATTS: Final = 1_000_000
LONGEST: Final = 366 * 86_400


class LimitError(BridgeError):
    """What was asked for is no limit; the message says what is wrong with it."""


async def set_limit(stations: Mapping[str, Station], request: Mapping[str, Any]) -> dict[str, Any]:
    """Set one. Raises `LimitError`, `StoreError`."""
    station, evse_id = _where(stations, request)
    watts, seconds = request.get("watts"), request.get("seconds")
    if isinstance(watts, bool) or not isinstance(watts, int | float) or not 0 <= watts <= MOST_WATTS:
        raise LimitError(f'"watts" is a number from 0 to {MOST_WATTS}')
    if seconds is not None and (type(seconds) is not int or not 1 <= seconds <= LONGEST):
        raise LimitError(f'"seconds" is a whole number from 1 to {LONGEST}, or left out')
    lasts = None if seconds is None else seconds * 1000
    await station.wishes.external.set_by_api(evse_id, int(watts * 1000), lasts)
    return {"limits": limits_of(station)}


async def clear_limit(stations: Mapping[str, Station], request: Mapping[str, Any]) -> dict[str, Any]:
    """End one; `cleared` is whether there was any. Raises `LimitError`, `StoreError`."""
    station, evse_id = _where(stations, request)
    cleared = await station.wishes.external.clear_by_api(evse_id)
    return {"cleared": cleared, "limits": limits_of(station)}


def limits_of(station: Station) -> list[dict[str, Any]]:
    """All external limits in force, whoever has set them; `evse` 0 is the station."""
    now = station.clock.monotonic()
    return [
        {
            "evse": limit.evse_id,
            "by": limit.origin.value,
            "source": limit.source.value,
            "direction": "discharge" if limit.bounds_discharge else "charge",
            "watts": limit.power / 1000,
            "seconds_left": None if limit.until is None else max(0, limit.until - now) // 1000,
        }
        for limit in station.wishes.external.all()
    ]


def _where(stations: Mapping[str, Station], request: Mapping[str, Any]) -> tuple[Station, int]:
    station = stations.get(str(request.get("station")))
    if station is None:
        raise LimitError(f'"station" is one of {", ".join(sorted(stations))}')
    evse_id = request.get("evse")
    if evse_id is None:
        return station, 0
    if type(evse_id) is not int or evse_id not in station.positions:
        raise LimitError(f'"evse" is one of {sorted(station.positions)}, or left out for the whole station')
    return station, evse_id
