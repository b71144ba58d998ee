"""OCPP 2.1's words for a period of a charging schedule: its own fields, or, as OCPP 2.0.1 lets a CSMS say them, in the
period's customData.

`{"vendorId": "ocpp-echonet", "operationMode": "CentralSetpoint", "setpoint": -3000, "dischargeLimit": -4000}`; numbers
are in the schedule's rate unit. A limit bounds charging and is not below zero, a dischargeLimit bounds discharging and
is not above zero, a setpoint is a power that is to flow, minus out of the vehicle. Data of other vendors say nothing
here. Pure: a period in, words or what is wrong with them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from bridge.policies import DischargeWay
from bridge.records import dataclass
from bridge.station.messages import ChargingSchedulePeriod, OperationMode

#: Whose customData are meant for this station.
VENDOR_ID: Final = "ocpp-echonet"
#: A power beyond this (W or A) no grid has: whoever writes it means something else.
MOST: Final = 1e9


_MODE: Final = "operationMode"
_SETPOINT: Final = "setpoint"
_LIMIT: Final = "limit"
_DISCHARGE_LIMIT: Final = "dischargeLimit"
_NUMBERS: Final = (_SETPOINT, _LIMIT, _DISCHARGE_LIMIT)
#: The modes that a unit without ISO 15118 can have, the numbers that each takes (2.1 K 3.4, Q10.FR.01), and which of
#: them it must have.
_TAKES: Final[Mapping[OperationMode, tuple[frozenset[str], frozenset[str]]]] = {
    OperationMode.CHARGING_ONLY: (frozenset({_LIMIT}), frozenset()),
    OperationMode.CENTRAL_SETPOINT: (frozenset(_NUMBERS), frozenset({_SETPOINT})),
    OperationMode.CENTRAL_FREQUENCY: (frozenset(_NUMBERS), frozenset({_SETPOINT})),
    OperationMode.IDLE: (frozenset(), frozenset()),
    OperationMode.LOCAL_LOAD_BALANCING: (frozenset({_LIMIT, _DISCHARGE_LIMIT}), frozenset()),
}


class WordsError(ValueError):
    """What a period says under our vendorId cannot be followed; the text says why."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a period says: `limit` is the lower of the period's own and that of the customData. `way` is how."""

    mode: OperationMode
    limit: float | None
    setpoint: float | None = None
    discharge_limit: float | None = None
    way: DischargeWay = DischargeWay.CUSTOM_DATA

    @property
    def steers(self) -> bool:
        """Whether they say more than a limit of OCPP 2.0.1 does."""
        return self.mode is not OperationMode.CHARGING_ONLY

    @property
    def balances(self) -> bool:
        """Whether what flows is computed here, from the load at the grid connection (Q09)."""
        return self.mode is OperationMode.LOCAL_LOAD_BALANCING

    @property
    def discharges(self) -> bool:
        """Whether they order that power flows out of the vehicle."""
        return self.setpoint is not None and self.setpoint < 0


def words_of(period: ChargingSchedulePeriod) -> Words | None:
    """What a period says in OCPP 2.1's words; None where it says none of them to us.

    Raises:
        WordsError: an unknown mode, a number that is none or has no place, or the wrong sign.
    """
    if period.operation_mode is not None or period.limit is None or _beside_limit(period):
        return _own_words(period)
    data = period.custom_data
    if data is None or data.get("vendorId") != VENDOR_ID or not any(name in data for name in (_MODE, *_NUMBERS)):
        return None
    mode = _mode(data)
    numbers = {name: _number(name, data[name]) for name in _NUMBERS if name in data}
    takes, needs = _TAKES[mode]
    for name in (*numbers, *needs):
        if name not in takes:
            raise WordsError(f"{name} has no place with operationMode {mode} (2.1 K 3.4, Q10.FR.02)")
        if name not in numbers:
            raise WordsError(f"operationMode {mode} needs a {name}")
    if period.limit < 0 or numbers.get(_LIMIT, 0) < 0:
        raise WordsError(f"a limit is not below zero with operationMode {mode}: to discharge is said by a setpoint")
    if numbers.get(_DISCHARGE_LIMIT, 0) > 0:
        raise WordsError("a dischargeLimit is zero or below")
    if mode is OperationMode.IDLE and period.limit != 0:
        raise WordsError("a period of operationMode Idle has the limit 0, which OCPP 2.0.1 cannot leave out")
    limit = min(period.limit, numbers.get(_LIMIT, period.limit))
    return Words(mode, limit, numbers.get(_SETPOINT), numbers.get(_DISCHARGE_LIMIT))


def _beside_limit(period: ChargingSchedulePeriod) -> bool:
    return period.setpoint is not None or period.discharge_limit is not None


def _own_words(period: ChargingSchedulePeriod) -> Words:
    """What OCPP 2.1's own fields say. A limit below zero is one of 2.0.1's words, which ChargingOnly has kept."""
    mode = period.operation_mode or OperationMode.CHARGING_ONLY
    if mode not in _TAKES:
        raise WordsError(f"operationMode {mode} is none of {', '.join(_TAKES)}")
    takes, needs = _TAKES[mode]
    if mode is OperationMode.CHARGING_ONLY:
        needs = takes
    said = {_LIMIT: period.limit, _SETPOINT: period.setpoint, _DISCHARGE_LIMIT: period.discharge_limit}
    numbers = {name: _number(name, value) for name, value in said.items() if value is not None}
    for name in (*numbers, *needs):
        if name not in takes:
            raise WordsError(f"{name} has no place with operationMode {mode} (2.1 K 3.4, Q10.FR.02)")
        if name not in numbers:
            raise WordsError(f"operationMode {mode} needs a {name}")
    if numbers.get(_LIMIT, 0) < 0 and mode is not OperationMode.CHARGING_ONLY:
        raise WordsError(f"a limit is not below zero with operationMode {mode}: to discharge is said by a setpoint")
    if numbers.get(_DISCHARGE_LIMIT, 0) > 0:
        raise WordsError("a dischargeLimit is zero or below")
    setpoint = numbers.get(_SETPOINT, 0.0)
    if not numbers.get(_DISCHARGE_LIMIT, -MOST) <= setpoint <= numbers.get(_LIMIT, MOST):
        raise WordsError("a setpoint lies between dischargeLimit and limit (V2X.05)")
    return Words(mode, period.limit, period.setpoint, period.discharge_limit, DischargeWay.OCPP_2_1)


def first_power(period: ChargingSchedulePeriod) -> float:
    """What is to flow, or may flow at most, by a period that is in order; minus is out of the vehicle."""
    words = words_of(period) if speaks(period) else None
    if words is not None and words.setpoint is not None:
        return words.setpoint
    return period.limit or 0.0


def speaks(period: ChargingSchedulePeriod) -> bool:
    """Whether it may say any of them: a period of 2.0.1 alone is asked nothing more."""
    told = period.custom_data is not None or period.operation_mode is not None or period.limit is None
    return told or _beside_limit(period)


#: As SupportedOperationModes has them; load balancing only where the site has a grid meter.
WITH_METER: Final = frozenset(_TAKES)
SUPPORTED: Final = WITH_METER - {OperationMode.LOCAL_LOAD_BALANCING}


def balances(period: ChargingSchedulePeriod) -> bool:
    """Whether it asks for load balancing, by whatever words; what else it says may be wrong."""
    told = period.operation_mode
    data = period.custom_data
    if told is None and period.limit is not None and data is not None and data.get("vendorId") == VENDOR_ID:
        told = data.get(_MODE)
    return told == OperationMode.LOCAL_LOAD_BALANCING


def problem_of(period: ChargingSchedulePeriod) -> str | None:
    """What is wrong with a period's words, or None."""
    try:
        words_of(period)
    except WordsError as error:
        return str(error)
    return None


def _mode(data: Mapping[str, Any]) -> OperationMode:
    told = data.get(_MODE, OperationMode.CHARGING_ONLY)
    try:
        return next(mode for mode in _TAKES if mode == told)
    except StopIteration:
        known = ", ".join(_TAKES)
        raise WordsError(f"InvalidOperationMode: {str(told)[:40]!r} is none of {known}") from None


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WordsError(f"{name} is a number")
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if not isfinite(number) or abs(number) > MOST:
        raise WordsError(f"{name} is a finite number of at most {MOST:.0f}")
    return number
