"""Load balancing at the site's grid connection (OCPP 2.1, Q09): the meter's word, brought to the EVSEs in that mode.

Which these are the profiles say, station by station; the meter is one, so that all of them share each correction. A
setpoint is no more than one: what profiles, external limits, the site and the unit's guards allow counts as always.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Final

import structlog

from bridge.charger.measuring import METER_FRESH, MeterPort
from bridge.clock import Clock
from bridge.evse import Reading, Source
from bridge.station.composite import epoch_ms
from bridge.station.load_balancing import Balancer, Balancing, Part, Range
from bridge.station.messages import OperationMode
from bridge.station.position import Position
from bridge.station.station import Station
from bridge.station.timer import Timer

_log = structlog.get_logger(__name__)

#: More (mW) than anything moves: what is left of it are the bounds of a setpoint.
_ENDLESS: Final = 10**12


class LoadBalancing:
    """Ties the grid meter to the EVSEs of a site that may be asked to balance its load."""

    def __init__(self, meter: MeterPort, stations: Iterable[Station], clock: Clock) -> None:
        self._meter, self._clock = meter, clock
        self._balancer = Balancer()
        self._timer = Timer(clock, self.look)
        self._members: dict[str, tuple[Station, Position, Balancing]] = {}  # those whose profiles ask for it now
        self._looking = False
        self._trouble: str | None = None
        meter.listen(self.look)
        for station in stations:
            station.wishes.balance = partial(self._consider, station)
            for position in station.positions.values():
                if position.balancing is not None:
                    position.evse.listen(lambda seen, happened: self.look())

    @property
    def matters(self) -> bool:
        """Whether anybody is in the mode, so that the meter must be read often."""
        return bool(self._taking())

    @property
    def setpoints(self) -> dict[str, int]:
        """What is to flow (mW) of each that is in the mode now, by station and EVSE."""
        return {name: self._balancer.setpoint(name) for name in self._taking()}

    @property
    def trouble(self) -> str | None:
        """Why nothing is balanced, though it is asked for."""
        if (told := self._balancer.trouble(self._clock.monotonic())) is not None:
            return told
        missing = [each.trouble for _, _, each in self._taking().values() if each.trouble is not None]
        return f"load balancing idles: {'; '.join(missing)}" if missing else None

    def look(self) -> None:
        """Take what is measured now, and let the stations follow."""
        if self._looking or not self._members:
            return
        self._looking = True
        try:
            told = self._meter.measures
            now = self._clock.monotonic()
            self._balancer.hear(told.power if told else None, self._parts(), now)
            for station in self._follow():
                station.wishes.reconsider()
            self._timer.set_at(self._balancer.due(now))
            self._say()
        finally:
            self._looking = False

    def cancel(self) -> None:
        """Look no longer."""
        self._timer.cancel()

    # -- inside

    def _consider(self, station: Station) -> None:
        """A station computes anew what is wanted: who of it is in the mode now?"""
        utc = station.time.presumed()
        for position in station.positions.values():
            if position.balancing is None:
                continue
            name = f"{station.id} {position.evse_id}"
            asked = utc is not None and _wants(position) and _in_mode(station, position, epoch_ms(utc))
            if asked and name not in self._members:
                self._members[name] = station, position, position.balancing
            elif not asked and self._members.pop(name, None) is not None:
                position.balancing.setpoint = 0
        now = self._clock.monotonic()
        self._balancer.join(self._parts(), now)
        self._follow(station)
        self._timer.set_at(self._balancer.due(now))
        self._say()

    def _taking(self) -> dict[str, tuple[Station, Position, Balancing]]:
        return {name: member for name, member in self._members.items() if _wants(member[1])}

    def _parts(self) -> dict[str, Part]:
        now = self._clock.monotonic()
        return {
            name: Part(
                balancing.band,
                _flow(position, now),
                position.limit or 0,
                partial(_bounds, station, position),
                position.seen.reachable,
            )
            for name, (station, position, balancing) in self._taking().items()
        }

    def _follow(self, only: Station | None = None) -> list[Station]:
        """Hand out the setpoints; the stations that have another one now."""
        changed = []
        for name, (station, _, balancing) in self._members.items():
            setpoint = self._balancer.setpoint(name)
            if setpoint != balancing.setpoint and only in (None, station):
                balancing.setpoint = setpoint
                changed.append(station)
        return list(dict.fromkeys(changed))

    def _say(self) -> None:
        trouble = self.trouble
        if trouble != self._trouble:
            self._trouble = trouble
            if trouble is not None:
                _log.warning("load not balanced", why=trouble)
            else:
                _log.info("load balanced", setpoints_mw=self.setpoints)


def _wants(position: Position) -> bool:
    return position.session.wants_energy and not position.hands_off


def _in_mode(station: Station, position: Position, now: int) -> bool:
    return station.wishes.operation_modes.mode_of(position, now) is OperationMode.LOCAL_LOAD_BALANCING


def _flow(position: Position, now: int) -> Reading | None:
    """What flows, as far as it is measured."""
    power = position.seen.power
    if power is None or power.source is Source.LAST_KNOWN or now - power.at > METER_FRESH:
        return None
    return power


def _bounds(station: Station, position: Position) -> Range:
    """Between which setpoints (mW) profiles, external limits, the site and the unit let one be."""
    active = {evse_id: p.course for evse_id, p in station.positions.items() if p.session.wants_energy}
    ends = []
    for end in (-_ENDLESS, _ENDLESS):
        asked = {
            evse_id: course if station.positions[evse_id].balancing is None else replace(course, balance=end)
            for evse_id, course in active.items()
        }
        ends.append(station.charging.limits(asked)[0].get(position.evse_id) or 0)
    low, high = ends
    abilities = position.evse.abilities
    lowest = [each for each in (abilities.discharge_max, position.discharge_bound) if each is not None]
    low = max([low, *(-each for each in lowest)])
    return low, high if abilities.charge_max is None else min(high, abilities.charge_max)
