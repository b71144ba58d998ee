"""The contract of the site's grid connection, shared by all that charges behind it (K12.FR.01, K14.FR.01 in the small).

What the guard leaves for charging is divided among the stations, and each takes its part as an external limit: so it
is in force, in the composite schedule and told to the CSMS by the same way as every other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import structlog

from bridge.charger.gridguard import ContractGuard, ContractRules
from bridge.charger.measuring import MeterPort
from bridge.clock import Clock
from bridge.evse import ChargingState, Reading
from bridge.gateway.config import ReceivingPointConfig
from bridge.station.composite import share
from bridge.station.position import Position
from bridge.station.station import Station
from bridge.station.timer import Timer

_log = structlog.get_logger(__name__)

#: More (mW) than anything draws: what a station wishes of which nobody knows what it can.
_ENDLESS: Final = 10**12


class Contract:
    """Ties the grid meter, the units and the stations of a site together."""

    def __init__(self, rules: ContractRules, meter: MeterPort, stations: Iterable[Station], clock: Clock) -> None:
        self._guard = ContractGuard(rules)
        self._rules = rules
        self._meter = meter
        self._stations = {station.id: station for station in stations}
        self._clock = clock
        self._timer = Timer(clock, self.look)
        self.matters = False  # somebody wants to charge, so that the meter must be read often
        self._looking = False
        self._trouble: str | None = None
        meter.listen(self.look)
        for station in self._stations.values():
            station.wishes.external.on_change = self.look
            for position in station.positions.values():
                position.evse.listen(lambda seen, happened: self.look())
        self.look()

    @property
    def bound(self) -> int | None:
        """What all charging together may have now (mW); None until the meter has told."""
        return self._guard.bound

    @property
    def trouble(self) -> str | None:
        """Why that is but a fallback."""
        return self._guard.trouble(self._clock.monotonic())

    def look(self) -> None:
        """Take what is measured and wished now, and let the stations follow."""
        if self._looking:
            return
        self._looking = True
        try:
            now = self._clock.monotonic()
            demands = {name: station.wishes.external.demand() for name, station in self._stations.items()}
            told = self._meter.measures
            self.matters = any(each != 0 for each in demands.values())
            self._guard.look(told.power if told else None, self._powers(now), now, busy=self.matters)
            self._divide([_ENDLESS if each is None else each for each in demands.values()])
            self._timer.set_at(self._guard.due(now))
            self._say(self._guard.trouble(now))
        finally:
            self._looking = False

    def cancel(self) -> None:
        """Look no longer."""
        self._timer.cancel()

    # -- inside

    def _powers(self, now: int) -> dict[str, Reading | None]:
        return {
            f"{name} {position.evse_id}": _power(position, now)
            for name, station in self._stations.items()
            for position in station.positions.values()
        }

    def _divide(self, demands: Sequence[int]) -> None:
        """Each station may have what it would get if it wished all, and the others what they wish: what a station
        does not use another has, and one that begins finds its part at once."""
        for number, station in enumerate(self._stations.values()):
            external = station.wishes.external
            if self._guard.bound is None:  # the meter has not told yet: the last limit stands
                if not external.bound_by_grid:
                    external.set_by_grid(self._rules.without_meter)
                continue
            part = share(self._guard.bound, {**dict(enumerate(demands)), number: _ENDLESS})[number]
            most = [position.course.most for position in station.positions.values()]
            external.set_by_grid(None if all(most) and sum(most) <= part else part)

    def _say(self, trouble: str | None) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            if trouble is not None:
                _log.warning("contract not watched", why=trouble)
            else:
                _log.info("contract watched", bound_mw=self._guard.bound)


def contract_rules(point: ReceivingPointConfig | None) -> ContractRules | None:
    """What the site says of its contract; None where it says nothing."""
    if point is None or point.contract_power is None:
        return None
    return ContractRules(
        contract=point.contract_power, margin=point.contract_margin * 1000, without_meter=point.without_meter * 1000
    )


def _power(position: Position, now: int) -> Reading | None:
    """What a unit draws: measured, or else what it was allowed while it charges. What we do not steer is the
    house's."""
    seen = position.seen
    if position.hands_off or not position.session.wants_energy:
        return Reading(0, seen.power.at if seen.power is not None else now)
    if seen.power is not None:
        return seen.power
    return seen.offered if seen.charging_state is ChargingState.CHARGING else None
