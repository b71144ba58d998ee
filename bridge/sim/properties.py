"""What a simulated 0x027E knows of its properties, by Appendix release: codes, modes, ranges, maps.

A dictionary of the simulation's own, taken from the facts of Appendix 1.3.1, so that a mistake in the gateway's
dictionary meets something that does not share it. Releases are letters; there is no Release O.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

CLASS_CODE = 0x027E
LATEST = "R"


class Epc(IntEnum):
    """Property codes, named as in the Appendix."""

    OPERATION_STATUS = 0x80
    INSTALLATION_LOCATION = 0x81
    PROTOCOL = 0x82
    ID = 0x83
    FAULT_STATUS = 0x88
    FAULT_DESCRIPTION = 0x89
    MANUFACTURER = 0x8A
    PRODUCT_CODE = 0x8C
    INF_MAP = 0x9D
    SET_MAP = 0x9E
    GET_MAP = 0x9F
    DISCHARGEABLE_CAPACITY_1 = 0xC0
    DISCHARGEABLE_CAPACITY_2 = 0xC1
    REMAINING_DISCHARGEABLE_1 = 0xC2
    REMAINING_DISCHARGEABLE_2 = 0xC3
    REMAINING_DISCHARGEABLE_3 = 0xC4
    RATED_CHARGE_POWER = 0xC5
    RATED_DISCHARGE_POWER = 0xC6
    CONNECTION = 0xC7
    CHARGE_POWER_RANGE = 0xC8
    DISCHARGE_POWER_RANGE = 0xC9
    CHARGE_CURRENT_RANGE = 0xCA
    DISCHARGE_CURRENT_RANGE = 0xCB
    EQUIPMENT_TYPE = 0xCC
    CONFIRM_CONNECTION = 0xCD
    CHARGEABLE_CAPACITY = 0xCE
    REMAINING_CHARGEABLE = 0xCF
    USED_CAPACITY_1 = 0xD0
    USED_CAPACITY_2 = 0xD1
    RATED_VOLTAGE = 0xD2
    POWER = 0xD3
    CURRENT = 0xD4
    VOLTAGE = 0xD5
    DISCHARGED_ENERGY = 0xD6
    RESET_DISCHARGED = 0xD7
    CHARGED_ENERGY = 0xD8
    RESET_CHARGED = 0xD9
    OPERATION_MODE = 0xDA
    INTERCONNECTION = 0xDB
    CHARGING_METHOD = 0xDC
    DISCHARGING_METHOD = 0xDD
    V2G_POWER = 0xE0
    ACTUAL_MODE = 0xE1
    REMAINING_1 = 0xE2
    REMAINING_2 = 0xE3
    REMAINING_3 = 0xE4
    VEHICLE_ID = 0xE6
    CHARGE_AMOUNT = 0xE7
    DISCHARGE_AMOUNT = 0xEA
    CHARGE_POWER = 0xEB
    DISCHARGE_POWER = 0xEC
    CHARGE_CURRENT = 0xED
    DISCHARGE_CURRENT = 0xEE


class Mode(IntEnum):
    """0xDA and 0xE1."""

    OTHER = 0x40
    RAPID = 0x41
    CHARGE = 0x42
    DISCHARGE = 0x43
    STANDBY = 0x44
    TEST = 0x45
    CHARGE_DISCHARGE = 0x46
    STOP = 0x47
    PREPARE = 0x48
    AUTO = 0x49


class Connection(IntEnum):
    """0xC7."""

    NONE = 0x30
    NEITHER = 0x40
    CHARGEABLE = 0x41
    DISCHARGEABLE = 0x42
    BOTH = 0x43
    UNKNOWN = 0x44
    UNDETERMINED = 0xFF


class Method(IntEnum):
    """0xDC and 0xDD. 0x02 is surplus for charging, load following for discharging."""

    OTHER = 0x00
    MAXIMUM = 0x01
    FOLLOW = 0x02
    POWER = 0x03
    CURRENT = 0x04
    PURCHASE = 0x05
    V2G = 0x06


@dataclass(frozen=True, slots=True)
class TypeTraits:
    """What an equipment type (0xCC) can do. `blind`: 0xC7 may say nothing for ever."""

    charges: bool
    discharges: bool
    ac: bool
    must_ask: bool


def _dc(family: int) -> dict[int, TypeTraits]:
    must_ask = family == 0x20
    return {
        family + 1: TypeTraits(True, False, False, must_ask),
        family + 2: TypeTraits(True, True, False, must_ask),
        family + 3: TypeTraits(False, True, False, must_ask),
    }


#: 0xCC: AC_CPLT, AC_HLC, and the DC types AA, BB, EE, FF. AA must be asked by 0xCD (AIF 3.2.1).
TYPES: dict[int, TypeTraits] = {
    0x11: TypeTraits(True, False, True, False),
    0x12: TypeTraits(True, False, True, False),
    0x13: TypeTraits(True, True, True, False),
    **_dc(0x20),
    **_dc(0x30),
    **_dc(0x40),
    **_dc(0x50),
}
AC_CPLT = 0x11

_MODES: tuple[tuple[str, frozenset[int]], ...] = (
    ("D", frozenset({0x40, 0x41, 0x42, 0x43, 0x44, 0x45})),
    ("G", frozenset({0x40, 0x42, 0x43, 0x44, 0x47})),
    ("N", frozenset({0x40, 0x42, 0x43, 0x44, 0x46, 0x47})),
    ("P", frozenset({0x40, 0x42, 0x43, 0x44, 0x46, 0x47, 0x48, 0x49})),
)


def modes(release: str) -> frozenset[int]:
    """The values that 0xDA has in a release."""
    return [values for first, values in _MODES if first <= release][-1]


#: Modes in which energy may flow.
ENERGY_MODES = frozenset({Mode.RAPID, Mode.CHARGE, Mode.DISCHARGE, Mode.CHARGE_DISCHARGE, Mode.AUTO})

#: Modes that AIF 3.2.1(3) makes the unit refuse where nothing can be charged or discharged.
GATED_MODES = frozenset({0x42, 0x43, 0x44, 0x46, 0x47, 0x49})

#: Refused by Get_SNA while no battery is known (AIF 2.4.6).
BATTERY_PROPERTIES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xCE, 0xCF, 0xD0, 0xD1, 0xE2, 0xE3, 0xE4})

_GET_SINCE: tuple[tuple[str, frozenset[int]], ...] = (
    (
        "D",
        frozenset({0x80, 0x81, 0x82, 0x83, 0x88, 0x89, 0x8A, 0x8C, 0x9D, 0x9E, 0x9F})
        | frozenset({0xC0, 0xC2, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xCB})
        | frozenset({0xD0, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD8, 0xDA, 0xDB})
        | frozenset({0xE2, 0xE4, 0xEB, 0xEC, 0xED, 0xEE}),
    ),
    ("G", frozenset({0xCC})),
    ("J", frozenset({0xCE, 0xCF, 0xE6, 0xEA})),
    ("N", frozenset({0xDC, 0xDD})),
    ("P", frozenset({0xE0})),
    ("Q", frozenset({0xE1})),
)
#: Optional from G on, in D to F one of each pair in Wh and Ah is asked for.
_ONLY_BEFORE_G = frozenset({0xC1, 0xC3, 0xD1, 0xE3})


def gettable(release: str) -> frozenset[int]:
    """What a fully equipped unit of a release can be asked."""
    found = frozenset[int]().union(*(codes for first, codes in _GET_SINCE if first <= release))
    return found | _ONLY_BEFORE_G if release < "G" else found


_NOTIFIES = frozenset({0x80, 0x81, 0x88, 0xC7, 0xDA, 0xDC, 0xDD, 0xE1})


def notified(release: str) -> frozenset[int]:
    """What a unit of a release announces when it changes."""
    return _NOTIFIES & gettable(release)


@dataclass(frozen=True, slots=True)
class Range:
    """What may be written: `size` bytes, signed or not, between two values or one of `values`."""

    size: int
    low: int = 0
    high: int = 0
    values: frozenset[int] | None = None
    signed: bool = False

    def contains(self, edt: bytes) -> bool:
        """Whether the data has the right size and a value within."""
        if len(edt) != self.size:
            return False
        number = int.from_bytes(edt, "big", signed=self.signed)
        return number in self.values if self.values is not None else self.low <= number <= self.high


_POWER = Range(4, 0, 999_999_999)
_CURRENT = Range(2, 0, 65_533)
_RESET = Range(1, values=frozenset({0x00}))
_METHODS_N = Range(1, values=frozenset(range(6)))
_METHODS_P = Range(1, values=frozenset(range(7)))

#: Properties that can be written: from which release, and what.
_SETTINGS: dict[int, tuple[tuple[str, Range], ...]] = {
    0x81: (("A", Range(1, 0, 255)),),
    0xCD: (("G", Range(1, values=frozenset({0x10}))),),
    0xD7: (("D", _RESET),),
    0xD9: (("D", _RESET),),
    0xDC: (("N", _METHODS_N), ("P", _METHODS_P)),
    0xDD: (("N", _METHODS_N), ("P", _METHODS_P)),
    0xDE: (("N", _POWER),),
    0xDF: (("N", Range(1, values=frozenset({0x41, 0x42}))),),
    0xE0: (("P", Range(4, -999_999_999, 999_999_999, signed=True)),),
    0xE7: (("D", _POWER),),
    0xE9: (("D", Range(2, 0, 32_766)),),
    0xEA: (("J", _POWER),),
    0xEB: (("D", _POWER),),
    0xEC: (("D", _POWER),),
    0xED: (("D", _CURRENT),),
    0xEE: (("D", _CURRENT),),
}


def write_range(release: str, epc: int) -> Range | None:
    """What a unit of a release takes for a property; None if it cannot be written at all."""
    if epc == Epc.OPERATION_MODE:
        return Range(1, values=modes(release))
    known = [limits for first, limits in _SETTINGS.get(epc, ()) if first <= release]
    return known[-1] if known else None


#: What a unit lets be written if nobody says otherwise (those that exist in its release).
DEFAULT_SETTABLE = frozenset({0x81, 0xDA, 0xDC, 0xDD, 0xEB, 0xEC, 0xED, 0xEE})
