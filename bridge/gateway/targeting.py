"""The local API as one who says how far a transaction goes (AIF 5.2).

`{"do": "target_set", "station": "...", "evse": 1, "energy": 5000}`: the running transaction charges 5 kWh from now on
and is paused then; `"soc": 80` up to a state of charge (%), both whichever comes first; `"direction": "discharge"`
counts what is discharged. It takes the place of the target before, outlives a restart of the gateway, and ends with the
transaction. `{"do": "target_clear", "station": "...", "evse": 1}` ends it sooner.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bridge.station.targets import Target, TargetError, target_of

if TYPE_CHECKING:
    from bridge.station.station import Station


async def set_target(stations: Mapping[str, Station], request: Mapping[str, Any]) -> dict[str, Any]:
    """Set one. Raises `TargetError`."""
    station, evse_id = _where(stations, request)
    await station.wishes.targets.set(evse_id, target_of(request))
    return {"target": shown_target(station, evse_id)}


async def clear_target(stations: Mapping[str, Station], request: Mapping[str, Any]) -> dict[str, Any]:
    """End one; `cleared` is whether there was any. Raises `TargetError`."""
    station, evse_id = _where(stations, request)
    there = shown_target(station, evse_id) is not None
    if there:
        await station.wishes.targets.set(evse_id, None)
    return {"cleared": there}


def shown_target(station: Station, evse_id: int) -> dict[str, Any] | None:
    """The target of the running transaction, and how far it has come."""
    position = station.positions[evse_id]
    target, counted = Target.of(position.session.state), position.seen.counted
    if target is None:
        return None
    return {
        "direction": target.direction.value,
        "energy": None if target.energy is None else target.energy / 1000,
        "soc": None if target.soc is None else target.soc / 1000,
        "moved": None if counted is None else counted.energy / 1000,
        "reached": counted is not None and counted.reached,
    }


def _where(stations: Mapping[str, Station], request: Mapping[str, Any]) -> tuple[Station, int]:
    station, evse_id = stations.get(str(request.get("station"))), request.get("evse")
    if station is None:
        raise TargetError(f'"station" is one of {", ".join(sorted(stations))}')
    if type(evse_id) is not int or evse_id not in station.positions:
        raise TargetError(f'"evse" is one of {sorted(station.positions)}')
    return station, evse_id
