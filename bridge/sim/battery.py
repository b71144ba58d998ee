"""An electric vehicle as a unit sees it: a battery with limits of its own. Pure: time is handed in by its user.

Energy is counted in watt-milliseconds, so that nothing is lost to rounding over days.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Watt-milliseconds in a watt-hour.
WMS_PER_WH = 3_600_000

#: How far (percent) a full or empty battery must move before it counts as chargeable or dischargeable again.
_HYSTERESIS_PERCENT = 2


@dataclass(frozen=True, slots=True)
class VehicleConfig:
    """A vehicle. Powers in W, capacity in Wh, states of charge in percent.

    `taper_from_percent`: from here to `charge_cap_percent` the accepted power falls in a line to `taper_end_w`.
    `speaks_hlc`: tells an AC_HLC unit its state (AIF 3.2.1); DC types always know.
    """

    capacity_wh: int = 40_000
    max_charge_w: int = 50_000
    max_discharge_w: int = 10_000
    taper_from_percent: int = 80
    taper_end_w: int = 500
    charge_cap_percent: int = 100
    discharge_floor_percent: int = 20
    vehicle_id: bytes = b"SIM-EV-0001"
    speaks_hlc: bool = True


class Battery:
    """The charge in a vehicle, and what it takes and gives at it."""

    def __init__(self, config: VehicleConfig, soc_percent: float = 50) -> None:
        self.config = config
        self._full = config.capacity_wh * WMS_PER_WH
        self._energy = 0
        self.at_cap = False
        self.at_floor = False
        self.set_soc(soc_percent)

    @property
    def soc_percent(self) -> float:
        """State of charge, 0 to 100."""
        return self._energy * 100 / self._full

    @property
    def energy_wh(self) -> int:
        """What is in it."""
        return self._energy // WMS_PER_WH

    @property
    def dischargeable_wh(self) -> int:
        """What may be taken from a full one (0xC0)."""
        return self.config.capacity_wh - self._floor_wh

    @property
    def remaining_dischargeable_wh(self) -> int:
        """What may still be taken down to the floor (0xC2)."""
        return max(0, self.energy_wh - self._floor_wh)

    @property
    def chargeable_wh(self) -> int:
        """What fits into an empty one up to the cap (0xCE)."""
        return self.config.capacity_wh * self.config.charge_cap_percent // 100

    @property
    def remaining_chargeable_wh(self) -> int:
        """What still fits up to the cap (0xCF)."""
        return max(0, self.chargeable_wh - self.energy_wh)

    @property
    def _floor_wh(self) -> int:
        return self.config.capacity_wh * self.config.discharge_floor_percent // 100

    def set_soc(self, percent: float) -> None:
        """As if it had been driven: another state of charge at once."""
        self._energy = round(self._full * min(max(percent, 0), 100) / 100)
        self.at_cap = self.at_floor = False
        self._latch()

    def flow(self, power_w: int, elapsed_ms: int) -> None:
        """Let a power (plus = into the battery) flow for a time."""
        self._energy = min(max(self._energy + power_w * elapsed_ms, 0), self._full)
        self._latch()

    def charge_limit_w(self) -> int:
        """What it accepts now: its maximum, less near the cap, nothing at the cap."""
        if self.at_cap:
            return 0
        c = self.config
        over = self.soc_percent - c.taper_from_percent
        span = c.charge_cap_percent - c.taper_from_percent
        if over <= 0 or span <= 0:
            return c.max_charge_w
        return max(c.taper_end_w, round(c.max_charge_w - (c.max_charge_w - c.taper_end_w) * over / span))

    def discharge_limit_w(self) -> int:
        """What it gives now: its maximum, nothing at the floor."""
        return 0 if self.at_floor else self.config.max_discharge_w

    def ms_until_bend(self, power_w: int) -> int | None:
        """How long a power may flow until a limit changes: taper, cap, or floor. None where it already changes."""
        if power_w > 0:
            percent = min(self.config.taper_from_percent, self.config.charge_cap_percent)
            left = self._full * percent // 100 - self._energy
        else:
            left = self._energy - self._full * self.config.discharge_floor_percent // 100
        return left // abs(power_w) if power_w and left > 0 else None

    def _latch(self) -> None:
        """Full and empty hold until the charge has moved a little, or the unit would flap around the edge."""
        cap, floor = self.config.charge_cap_percent, self.config.discharge_floor_percent
        soc = self.soc_percent
        self.at_cap = soc >= cap or (self.at_cap and soc > cap - _HYSTERESIS_PERCENT)
        self.at_floor = soc <= floor or (self.at_floor and soc < floor + _HYSTERESIS_PERCENT)
