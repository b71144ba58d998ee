"""The words of the simulated chargers: property codes, modes, connection states, methods, and ranges of values.

What each class makes of them, release by release, stands in `bridge.sim.classes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

#: EV charger/discharger and EV charger.
CLASS_CODE = 0x027E
CHARGER_CODE = 0x02A1


class Epc(IntEnum):
    """Property codes, named as in the Appendix."""

    OPERATION_STATUS = 0x80
    INSTALLATION_LOCATION = 0x81
    PROTOCOL = 0x82
    ID = 0x83
    MAKER_FAULT = 0x86
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
    PURCHASE_POWER = 0xDE
    RECONNECTION = 0xDF
    V2G_POWER = 0xE0
    ACTUAL_MODE = 0xE1
    REMAINING_1 = 0xE2
    REMAINING_2 = 0xE3
    REMAINING_3 = 0xE4
    MAINTENANCE = 0xE5
    VEHICLE_ID = 0xE6
    CHARGE_AMOUNT = 0xE7
    CHARGE_AMOUNT_2 = 0xE9
    DISCHARGE_AMOUNT = 0xEA
    CHARGE_POWER = 0xEB
    DISCHARGE_POWER = 0xEC
    CHARGE_CURRENT = 0xED
    DISCHARGE_CURRENT = 0xEE
    INDEPENDENT_VOLTAGE = 0xEF


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
    """What an equipment type (0xCC) can do.

    `must_ask`: says nothing in 0xC7 until 0xCD was written (type AA). `since`: the release that has the type.
    """

    charges: bool
    discharges: bool
    ac: bool
    must_ask: bool = False
    since: str = "D"


#: Modes in which energy may flow.
ENERGY_MODES = frozenset({Mode.RAPID, Mode.CHARGE, Mode.DISCHARGE, Mode.CHARGE_DISCHARGE, Mode.AUTO})


@dataclass(frozen=True, slots=True)
class Range:
    """What may be written: `size` bytes, signed or not, between two values or one of `values`.

    `also`: another size, in which anything is right.
    """

    size: int
    low: int = 0
    high: int = 0
    values: frozenset[int] | None = None
    signed: bool = False
    also: int | None = None

    def contains(self, edt: bytes) -> bool:
        """Whether the data has the right size and a value within."""
        if len(edt) != self.size:
            return len(edt) == self.also
        number = int.from_bytes(edt, "big", signed=self.signed)
        return number in self.values if self.values is not None else self.low <= number <= self.high
