"""How much a transaction is to move at most, or up to which state of charge (AIF 5.2; translation.md, "Amount").

A target comes with the start (customData under our vendorId), as a variable of the device model, or by the local API.
It has a direction: what is to be charged says nothing of a discharge in the same transaction. Energy counts from when
the target is set, and goes on over restarts, because the target is a part of what is kept of the session; the charger
counts. Reached is told as EnergyLimitReached, or as a change of the charging state, with SOCLimitReached as the reason
of an end that comes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from bridge.errors import BridgeError
from bridge.evse import Amount, Counted, Mode, Observed
from bridge.records import dataclass
from bridge.station.device_model import Change
from bridge.station.device_model_table import Key
from bridge.station.messages import Reason, StatusInfo, TriggerReason
from bridge.station.reason_codes import ReasonCode
from bridge.station.v2x import VENDOR_ID

if TYPE_CHECKING:
    from bridge.station.position import Position
    from bridge.station.session import SessionState
    from bridge.station.station import Station

#: More (Wh) than any vehicle's battery takes.
MOST_ENERGY: Final = 1_000_000


class TargetError(BridgeError):
    """What was asked for is no target; the message says what is wrong with it."""


class Direction(StrEnum):
    """Which way a target counts."""

    CHARGE = "charge"
    DISCHARGE = "discharge"


_MODE: Final = {Direction.CHARGE: Mode.CHARGE, Direction.DISCHARGE: Mode.DISCHARGE}


@dataclass(frozen=True, slots=True)
class Target:
    """Whichever comes first: `energy` (mWh) that has moved, or a state of charge (0.001 %)."""

    direction: Direction = Direction.CHARGE
    energy: int | None = None
    soc: int | None = None

    @classmethod
    def of(cls, state: SessionState) -> Target | None:
        """The target of a session."""
        kept = state.target
        return None if kept is None else cls(Direction(kept["direction"]), kept["energy"], kept["soc"])


_ENERGY: Final = "energy"
_SOC: Final = "soc"
_DIRECTION: Final = "direction"


def target_of(words: Mapping[str, Any]) -> Target:
    """`{"energy": 5000}` in Wh, `{"soc": 80}` in %, or both; `"direction": "discharge"` where it is not to charge.

    Raises:
        TargetError: neither is there, or a number is out of its range.
    """
    told = words.get(_DIRECTION, Direction.CHARGE)
    direction = next((each for each in Direction if each == told), None)
    if direction is None:
        raise TargetError(f'"{_DIRECTION}" is one of {", ".join(Direction)}')
    if words.get(_ENERGY) is None and words.get(_SOC) is None:
        raise TargetError(f'a target has "{_ENERGY}" (Wh) or "{_SOC}" (%)')
    return Target(direction, _number(words, _ENERGY, 1, MOST_ENERGY), _number(words, _SOC, 0, 100))


def target_of_start(data: Mapping[str, Any] | None) -> Target | StatusInfo | None:
    """The target in the customData of a RequestStartTransactionRequest; what is wrong with it; None where none is."""
    if data is None or data.get("vendorId") != VENDOR_ID or not data.keys() & {_ENERGY, _SOC, _DIRECTION}:
        return None
    try:
        return target_of(data)
    except TargetError as error:
        return StatusInfo(ReasonCode.INVALID_VALUE, str(error))


def _number(words: Mapping[str, Any], name: str, low: int, high: int) -> int | None:
    """In thousandths."""
    value: Any = words.get(name)
    if value is None:
        return None
    right = not isinstance(value, bool) and isinstance(value, int | float) and low <= value <= high and isfinite(value)
    if not right:
        raise TargetError(f'"{name}" is a number from {low} to {high}')
    return round(Decimal(value) * 1000)


# -- of a session


def set_target(state: SessionState, target: Target | None) -> None:
    """Give a session a target in place of the one before, or (None) none. It counts from now on."""
    state.targets += 1
    state.target = None
    if target is not None:
        state.target = {"direction": target.direction.value, "energy": target.energy, "soc": target.soc}


def amount_of(state: SessionState, mode: Mode) -> Amount | None:
    """How much may still move while a mode is wanted: for a token that the CSMS does not accept (E05.FR.03), or by the
    target. The lower counts."""
    if state.transaction_id is None:
        return None
    target = Target.of(state)
    meant = target if target is not None and _MODE[target.direction] is mode else None
    if state.energy_left is not None:
        return Amount(state.transaction_id, state.energy_left, None if meant is None else meant.soc)
    return None if meant is None else Amount(_key(state), meant.energy, meant.soc)


def left_of(state: SessionState, left: int, counted: Counted | None) -> int:
    """What may still be charged (mWh) of `left`, where the target leaves less."""
    target = Target.of(state)
    if target is None or target.energy is None or target.direction is not Direction.CHARGE:
        return left
    moved = counted.energy if counted is not None and counted.key == _key(state) else 0
    return min(left, max(target.energy - moved, 0))


def reached_by(state: SessionState, seen: Observed) -> tuple[TriggerReason, Reason]:
    """How a target that has been reached is told, and why a transaction ends that ends by it."""
    target, counted = Target.of(state), seen.counted
    if target is not None and target.energy is not None and counted is not None and counted.energy >= target.energy:
        return TriggerReason.ENERGY_LIMIT_REACHED, Reason.ENERGY_LIMIT_REACHED
    return TriggerReason.SOC_LIMIT_REACHED, Reason.SOC_LIMIT_REACHED  # 2.0.1: ChargingStateChanged


def _key(state: SessionState) -> str:
    """The charger counts on as long as this is the same: it is one target's of one transaction."""
    return f"{state.transaction_id}/{state.targets}"


# -- of a station

#: The variables of the device model, by what they set; 0 is none.
_VARIABLES: Final = {
    Key.EVSE_TARGET_ENERGY_CHARGE: (Direction.CHARGE, _ENERGY),
    Key.EVSE_TARGET_SOC_CHARGE: (Direction.CHARGE, _SOC),
    Key.EVSE_TARGET_ENERGY_DISCHARGE: (Direction.DISCHARGE, _ENERGY),
    Key.EVSE_TARGET_SOC_DISCHARGE: (Direction.DISCHARGE, _SOC),
}


class Targets:
    """The targets of a station's running transactions."""

    def __init__(self, station: Station) -> None:
        self._station = station

    def bind(self) -> None:
        """Let the device model show and set them; without a transaction there is nothing that could have one."""
        model = self._station.model
        for key in _VARIABLES:
            model.on_change(self._changed, key)
            for position in self._station.positions.values():
                model.bind(key, partial(_shown, position, key), position.evse_id)
                model.guard(key, partial(_refusal, position), position.evse_id)

    async def set(self, evse_id: int, target: Target | None) -> None:
        """Give the running transaction another target, or none, and keep that.

        Raises:
            TargetError: there is no transaction.
        """
        position = self._station.positions[evse_id]
        if refused := _refusal(position):
            raise TargetError(refused[1])
        self._set(position, target)
        await self._station.transactions.keep_state(position)

    def _set(self, position: Position, target: Target | None) -> None:
        set_target(position.session.state, target)
        position.occasion += 1
        self._station.log.info("target set", evse=position.evse_id, target=str(target))
        position.apply()

    def _changed(self, change: Change) -> None:
        """A CSMS has set a variable: the other one of its direction stays, a target of the other direction goes."""
        position = self._station.positions[change.place.evse_id]
        if position.session.transaction_id is None:  # it has ended meanwhile
            return
        direction, word = _VARIABLES[change.place.key]
        before = Target.of(position.session.state)
        if before is None or before.direction is not direction:
            before = Target(direction)
        value = round(float(change.value) * 1000) or None
        energy, soc = (value, before.soc) if word == _ENERGY else (before.energy, value)
        self._set(position, None if energy is soc is None else Target(direction, energy, soc))
        self._station.spawn(self._station.transactions.keep_state(position))


def _shown(position: Position, key: Key) -> str:
    target, (direction, word) = Target.of(position.session.state), _VARIABLES[key]
    value = getattr(target, word) if target is not None and target.direction is direction else None
    return f"{(value or 0) / 1000:.3f}".rstrip("0").rstrip(".")


def _refusal(position: Position, _: str = "") -> tuple[ReasonCode, str] | None:
    if position.session.transaction_id is not None:
        return None
    return ReasonCode.TX_NOT_FOUND, f"EVSE {position.evse_id} has no transaction that could have a target"
