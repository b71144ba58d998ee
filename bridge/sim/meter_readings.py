"""How each property of a simulated meter is read: a table per class from the property's code to its data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from bridge.sim.codec import property_map
from bridge.sim.meter_config import BOARD, COUNT_TENTHS_WH, SMART_METER, Counter

if TYPE_CHECKING:
    from bridge.sim.meter import SimMeter

Reading = Callable[["SimMeter"], bytes]

_NO_ENERGY = b"\xff\xff\xff\xfe"
_NO_POWER = b"\x7f\xff\xff\xfe"
_NO_CURRENT = b"\x7f\xfe"

#: Watt-milliseconds in 0.1 Wh.
_WMS_PER_TENTH = 360_000

_HALF_HOUR = timedelta(minutes=30)


def _u8(value: int) -> bytes:
    return value.to_bytes(1, "big")


def _energy(meter: SimMeter, wms: int) -> bytes:
    """A register: counts of the unit times the coefficient, beginning again after its digits."""
    if meter.no_data:
        return _NO_ENERGY
    c = meter.config
    factor = c.coefficient if c.unit_class == SMART_METER and c.coefficient else 1
    counts: int = wms // (COUNT_TENTHS_WH[c.unit] * _WMS_PER_TENTH * factor)
    end: int = 10**c.digits
    return (counts % end).to_bytes(4, "big")


def _watts(meter: SimMeter, watts: int) -> bytes:
    return _NO_POWER if meter.no_data else min(max(watts, -(2**31) + 1), 2**31 - 3).to_bytes(4, "big", signed=True)


def _amperes(meter: SimMeter, watts: int) -> bytes:
    """R and T phase in 0.1 A; with two wires there is no T phase."""
    c = meter.config
    if meter.no_data:
        return _NO_CURRENT * 2
    tenths = min(max(round(watts * 10 / c.voltage_v), -32_767), 32_765).to_bytes(2, "big", signed=True)
    return tenths + (tenths if c.phases == 2 else _NO_CURRENT)


def _stamp(at: datetime) -> bytes:
    """Year, month, day, hour, minute, second."""
    return at.year.to_bytes(2, "big") + bytes([at.month, at.day, at.hour, at.minute, at.second])


def _at_half_hour(meter: SimMeter, direction: int) -> bytes:
    at = next(reversed(meter.half_hours))
    return _stamp(at) + _energy(meter, meter.half_hours[at][direction])


def _day(meter: SimMeter, epc: int, direction: int) -> bytes:
    """48 registers of the day that was asked for, 0 = today; no data where the meter did not run."""
    days_ago = meter.settings[epc][0]
    midnight = meter.wall().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days_ago)
    found = [meter.half_hours.get(midnight + number * _HALF_HOUR) for number in range(48)]
    return days_ago.to_bytes(2, "big") + b"".join(_energy(meter, f[direction]) if f else _NO_ENERGY for f in found)


_COMMON: dict[int, Reading] = {
    0x80: lambda m: b"\x30",
    0x81: lambda m: b"\x00",
    0x82: lambda m: b"\x00\x00" + m.config.release.encode("ascii") + b"\x00",
    0x83: lambda m: m.ident,
    0x88: lambda m: b"\x42",
    0x8A: lambda m: m.config.maker,
    0x9D: lambda m: property_map(sorted({0x80, 0x81, 0x88} | ({0xEA, 0xEB} & readable(m)))),
    0x9E: lambda m: property_map(m.settings),
    0x9F: lambda m: property_map(readable(m)),
}

_SMART_METER: dict[int, Reading] = {
    0xD3: lambda m: (m.config.coefficient or 1).to_bytes(4, "big"),
    0xD7: lambda m: _u8(m.config.digits),
    0xE0: lambda m: _energy(m, m.total.bought_wms),
    0xE1: lambda m: _u8(m.config.unit),
    0xE2: lambda m: _day(m, 0xE5, 0),
    0xE3: lambda m: _energy(m, m.total.sold_wms),
    0xE4: lambda m: _day(m, 0xE5, 1),
    0xE5: lambda m: m.settings[0xE5],
    0xE7: lambda m: _watts(m, m.total.power_w),
    0xE8: lambda m: _amperes(m, m.total.power_w),
    0xEA: lambda m: _at_half_hour(m, 0),
    0xEB: lambda m: _at_half_hour(m, 1),
}

#: What a meter without the reverse direction lacks; a board has to have 0xC1.
_REVERSE = {SMART_METER: frozenset({0xE3, 0xE4, 0xEB}), BOARD: frozenset({0xC4})}


# ---- the board's lists ------------------------------------------------------------------------------------------

#: One channel's part of a list; a channel that is not there has no data.
Part = Callable[["SimMeter", Counter | None], bytes]


def _part_energy(meter: SimMeter, counter: Counter | None) -> bytes:
    return _energy(meter, counter.bought_wms) if counter else _NO_ENERGY


def _part_both(meter: SimMeter, counter: Counter | None) -> bytes:
    return _part_energy(meter, counter) + (_energy(meter, counter.sold_wms) if counter else _NO_ENERGY)


def _part_current(meter: SimMeter, counter: Counter | None) -> bytes:
    return _amperes(meter, counter.power_w) if counter else _NO_CURRENT * 2


def _part_power(meter: SimMeter, counter: Counter | None) -> bytes:
    return _watts(meter, counter.power_w) if counter else _NO_POWER


#: Each list: the range that chooses its channels, whether those are both-way, and what it has of each.
_LISTS: dict[int, tuple[int, bool, Part]] = {
    0xB3: (0xB2, False, _part_energy),
    0xB5: (0xB4, False, _part_current),
    0xB7: (0xB6, False, _part_power),
    0xBA: (0xB9, True, _part_both),
    0xBC: (0xBB, True, _part_current),
    0xBE: (0xBD, True, _part_power),
}


def _list(epc: int) -> Reading:
    chooser, two_way, part = _LISTS[epc]

    def reading(meter: SimMeter) -> bytes:
        first, count = meter.settings[chooser]
        counters = meter.two_way if two_way else meter.channels
        return bytes([first, count]) + b"".join(part(meter, counters.get(first + n)) for n in range(count))

    return reading


def _setting(epc: int) -> Reading:
    return lambda meter: meter.settings[epc]


def _channel(number: int) -> Reading:
    """0xD0 to 0xEF: energy, then currents, of one one-way channel."""
    return lambda m: _part_energy(m, m.channels[number]) + _part_current(m, m.channels[number])


def _count(numbers: Mapping[int, Counter]) -> bytes:
    return _u8(max(numbers))


_BOARD: dict[int, Reading] = {
    0xB0: lambda m: _u8(m.config.rated_a),
    0xB1: lambda m: _count(m.channels),
    0xB8: lambda m: _count(m.two_way),
    **{epc: _list(epc) for epc in _LISTS},
    **{chooser: _setting(chooser) for chooser, _, _ in _LISTS.values()},
    0xC0: lambda m: _energy(m, m.total.bought_wms),
    0xC1: lambda m: _energy(m, m.total.sold_wms),
    0xC2: lambda m: _u8(m.config.unit),
    0xC3: lambda m: _day(m, 0xC5, 0),
    0xC4: lambda m: _day(m, 0xC5, 1),
    0xC5: _setting(0xC5),
    0xC6: lambda m: _watts(m, m.total.power_w),
    0xC7: lambda m: _amperes(m, m.total.power_w),
    0xC8: lambda m: (m.config.voltage_v * 5).to_bytes(2, "big") * 2,
    **{0xCF + number: _channel(number) for number in range(1, 33)},
}

_TABLES: dict[int, dict[int, Reading]] = {
    SMART_METER: {**_COMMON, **_SMART_METER},
    BOARD: {**_COMMON, **_BOARD},
}


def readable(meter: SimMeter) -> frozenset[int]:
    """0x9F: what the class has, less what this meter lacks."""
    c = meter.config
    missing = set(c.hidden)
    if not c.reverse:
        missing |= _REVERSE[c.unit_class]
    if c.unit_class == SMART_METER and c.coefficient is None:
        missing.add(0xD3)
    if c.unit_class == BOARD:
        missing |= {0xCF + number for number in range(1, 33) if number not in meter.channels}
        missing |= set() if meter.channels else set(range(0xB1, 0xB8))
        missing |= set() if meter.two_way else set(range(0xB8, 0xBF))
    return frozenset(_TABLES[c.unit_class]) - missing


def read(meter: SimMeter, epc: int) -> bytes | None:
    """A property's data now; None if it is refused: not in the map, or withheld."""
    if epc not in readable(meter) or epc in meter.config.withheld:
        return None
    return _TABLES[meter.config.unit_class][epc](meter)
