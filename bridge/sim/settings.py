"""The settings of a simulated charger: what was written, and what power those that govern ask for."""

from __future__ import annotations

from bridge.sim.properties import Epc, Method, Range
from bridge.sim.unit_config import SimUnitConfig


class Settings:
    """Bytes as they read back, by code. They last beyond a session (CEL 3.7)."""

    def __init__(self, config: SimUnitConfig) -> None:
        self.config = config
        self.values = _first_values(config)
        facts, release = config.facts, config.release
        wanted = config.settable | {Epc.OPERATION_MODE}
        if config.traits.must_ask:
            wanted |= {Epc.CONFIRM_CONNECTION}
        self.settable = frozenset(epc for epc in wanted if facts.write_range(release, epc)) - config.hidden

    def number(self, epc: int) -> int:
        """A setting's number."""
        return int.from_bytes(self.values[epc], "big", signed=epc == Epc.V2G_POWER)

    def takes(self, epc: int, edt: bytes) -> bool:
        """Whether data are in the range of a property in the unit's class and release."""
        limits = self.config.facts.write_range(self.config.release, epc)
        if epc == Epc.DISCHARGE_AMOUNT and self.config.short_amount:
            limits = Range(2, 0, 65_533)
        return limits is not None and limits.contains(edt)

    def store(self, epc: int, edt: bytes) -> None:
        """Keep what was written; a unit that clamps keeps the nearest that it can do."""
        c = self.config
        limits = {
            Epc.CHARGE_POWER: c.charge_range_w,
            Epc.DISCHARGE_POWER: c.discharge_range_w,
            Epc.CHARGE_CURRENT: c.charge_range_da,
            Epc.DISCHARGE_CURRENT: c.discharge_range_da,
        }
        if c.clamps and epc in limits:
            low, high = limits[Epc(epc)]
            edt = min(max(int.from_bytes(edt, "big"), low), high).to_bytes(len(edt), "big")
        self.values[epc] = edt

    def method(self, charging: bool) -> int | None:
        """0xDC or 0xDD; None where the class and the release have no methods."""
        epc = Epc.CHARGING_METHOD if charging else Epc.DISCHARGING_METHOD
        return self.number(epc) if self.config.facts.row(self.config.release, epc) else None

    def wanted_w(self, charging: bool, voltage_v: int, surplus_w: int) -> int:
        """What the settings ask for (W). Where there are methods, settings govern only if the method names them."""
        c = self.config
        rated = c.rated_charge_w if charging else c.rated_discharge_w
        power_epc = Epc.CHARGE_POWER if charging else Epc.DISCHARGE_POWER
        current_epc = Epc.CHARGE_CURRENT if charging else Epc.DISCHARGE_CURRENT
        power = self.number(power_epc)
        current = self.number(current_epc) * voltage_v // 10
        method = self.method(charging)
        if method is None:
            by_power = power if power_epc in self.settable else rated
            return min(rated, by_power, current if current_epc in self.settable else rated)
        surplus = surplus_w if charging else -surplus_w
        governs = {Method.POWER: power, Method.CURRENT: current, Method.FOLLOW: max(0, surplus)}
        return governs.get(Method(method), rated)


def _first_values(config: SimUnitConfig) -> dict[int, bytes]:
    """What a new unit is set to: all it can, by the method of the maximum."""
    return {
        Epc.INSTALLATION_LOCATION: b"\x00",
        Epc.CHARGING_METHOD: bytes([Method.MAXIMUM]),
        Epc.DISCHARGING_METHOD: bytes([Method.MAXIMUM]),
        Epc.PURCHASE_POWER: bytes(4),
        Epc.RECONNECTION: b"\x42",
        Epc.V2G_POWER: bytes(4),
        Epc.CHARGE_AMOUNT: bytes(4),
        Epc.CHARGE_AMOUNT_2: bytes(2),
        Epc.DISCHARGE_AMOUNT: bytes(2 if config.short_amount else 4),
        Epc.CHARGE_POWER: config.rated_charge_w.to_bytes(4, "big"),
        Epc.DISCHARGE_POWER: config.rated_discharge_w.to_bytes(4, "big"),
        Epc.CHARGE_CURRENT: config.charge_range_da[1].to_bytes(2, "big"),
        Epc.DISCHARGE_CURRENT: config.discharge_range_da[1].to_bytes(2, "big"),
    }
