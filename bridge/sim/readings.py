"""How each property of a simulated unit is read: a table from the property's code to its data."""

from __future__ import annotations

from collections.abc import Callable

from bridge.sim.battery import WMS_PER_WH
from bridge.sim.codec import property_map
from bridge.sim.properties import CHARGER_CODE, Connection, Epc
from bridge.sim.unit import UnitCore

Reading = Callable[[UnitCore], bytes]

#: Cumulative energy wraps here (Wh).
_REGISTER_MAX = 999_999_999


def _u8(value: int) -> bytes:
    return value.to_bytes(1, "big")


def _u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def _ah(core: UnitCore, wh: int) -> bytes:
    """Tenths of ampere-hours at the battery's voltage."""
    return _u16(wh * 10 // core.config.battery_voltage_v)


def _soc(core: UnitCore) -> bytes:
    return _u8(round(core.battery_read.soc_percent))


def _remaining_dischargeable_percent(core: UnitCore) -> bytes:
    total = core.battery_read.dischargeable_wh
    return _u8(round(core.battery_read.remaining_dischargeable_wh * 100 / total) if total else 0)


def _power(core: UnitCore) -> bytes:
    """Signed in 0x027E, unsigned in 0x02A1."""
    return core.power_w.to_bytes(4, "big", signed=core.facts.code != CHARGER_CODE)


def _current(core: UnitCore) -> bytes:
    return round(core.power_w * 10 / core.voltage_v).to_bytes(2, "big", signed=True)


def _voltage(core: UnitCore) -> bytes:
    return (core.voltage_v if core.power_w or core.traits.ac else 0).to_bytes(2, "big", signed=True)


def _vehicle_id(core: UnitCore) -> bytes:
    ident = core.battery.config.vehicle_id[:24]
    known = core.battery_known and core.connection in range(Connection.NEITHER, Connection.UNKNOWN + 1)
    return _u8(len(ident)) + ident if known else b"\x00"


def _register(wms: int) -> bytes:
    return _u32(wms // WMS_PER_WH % (_REGISTER_MAX + 1))


READINGS: dict[int, Reading] = {
    Epc.OPERATION_STATUS: lambda u: b"\x30" if u.operating else b"\x31",
    Epc.MAKER_FAULT: lambda u: b"\x02" + u.config.maker + _u16(u.fault or 0),
    Epc.PROTOCOL: lambda u: b"\x00\x00" + u.config.release.encode("ascii") + b"\x00",
    Epc.FAULT_STATUS: lambda u: b"\x42" if u.fault is None else b"\x41",
    Epc.FAULT_DESCRIPTION: lambda u: _u16(u.fault or 0),
    Epc.MANUFACTURER: lambda u: u.config.maker,
    Epc.PRODUCT_CODE: lambda u: u.config.product[:12].ljust(12, b"\x00"),
    Epc.INF_MAP: lambda u: property_map(u.inf_map),
    Epc.SET_MAP: lambda u: property_map(u.set_map),
    Epc.GET_MAP: lambda u: property_map(u.get_map),
    Epc.DISCHARGEABLE_CAPACITY_1: lambda u: _u32(u.battery_read.dischargeable_wh),
    Epc.DISCHARGEABLE_CAPACITY_2: lambda u: _ah(u, u.battery_read.dischargeable_wh),
    Epc.REMAINING_DISCHARGEABLE_1: lambda u: _u32(u.battery_read.remaining_dischargeable_wh),
    Epc.REMAINING_DISCHARGEABLE_2: lambda u: _ah(u, u.battery_read.remaining_dischargeable_wh),
    Epc.REMAINING_DISCHARGEABLE_3: _remaining_dischargeable_percent,
    Epc.RATED_CHARGE_POWER: lambda u: _u32(u.config.rated_charge_w),
    Epc.RATED_DISCHARGE_POWER: lambda u: _u32(u.config.rated_discharge_w),
    Epc.CONNECTION: lambda u: _u8(u.connection),
    Epc.CHARGE_POWER_RANGE: lambda u: b"".join(map(_u32, u.config.charge_range_w)),
    Epc.DISCHARGE_POWER_RANGE: lambda u: b"".join(map(_u32, u.config.discharge_range_w)),
    Epc.CHARGE_CURRENT_RANGE: lambda u: b"".join(map(_u16, u.config.charge_range_da)),
    Epc.DISCHARGE_CURRENT_RANGE: lambda u: b"".join(map(_u16, u.config.discharge_range_da)),
    Epc.EQUIPMENT_TYPE: lambda u: _u8(u.config.equipment_type),
    Epc.CHARGEABLE_CAPACITY: lambda u: _u32(u.battery_read.chargeable_wh),
    Epc.REMAINING_CHARGEABLE: lambda u: _u32(u.battery_read.remaining_chargeable_wh),
    Epc.USED_CAPACITY_1: lambda u: _u32(u.battery_read.config.capacity_wh),
    Epc.USED_CAPACITY_2: lambda u: _ah(u, u.battery_read.config.capacity_wh),
    Epc.RATED_VOLTAGE: lambda u: _u16(u.config.grid_voltage_v),
    Epc.POWER: _power,
    Epc.CURRENT: _current,
    Epc.VOLTAGE: _voltage,
    Epc.DISCHARGED_ENERGY: lambda u: _register(u.discharged_wms),
    Epc.CHARGED_ENERGY: lambda u: _register(u.charged_wms),
    Epc.OPERATION_MODE: lambda u: _u8(u.mode),
    Epc.INTERCONNECTION: lambda u: _u8(u.interconnection),
    Epc.ACTUAL_MODE: lambda u: _u8(u.actual_mode),
    Epc.REMAINING_1: lambda u: _u32(u.battery_read.energy_wh),
    Epc.REMAINING_2: lambda u: _ah(u, u.battery_read.energy_wh),
    Epc.REMAINING_3: _soc,
    Epc.MAINTENANCE: lambda u: b"\x42",
    Epc.VEHICLE_ID: _vehicle_id,
    Epc.INDEPENDENT_VOLTAGE: lambda u: _u16(u.config.grid_voltage_v),
}


def read(core: UnitCore, epc: int) -> bytes | None:
    """A property's data now; None if it is refused (not in the map, withheld, or no battery is known: AIF 2.4.6)."""
    if epc not in core.get_map or epc in core.withheld:
        return None
    if epc in core.facts.battery and not core.battery_known:
        return None
    if epc in core.config.answers:
        return core.config.answers[epc]
    if epc in core.settings:
        return core.settings[epc]
    reading = READINGS.get(epc)
    return reading(core) if reading else None
