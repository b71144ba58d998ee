"""How a wanted setpoint is reached on this unit now: gates, the limit in the unit's own terms, and the writes.

Every limit is an upper bound: it is clamped down and rounded toward zero, never up, and below the unit's minimum it
comes to a pause. All codes, values and conditions are the table's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Final

from bridge.evse import Abilities, Mode
from bridge.mapping.context import Context
from bridge.mapping.decision import Ask, Recipe, Refusal, Spacing, Step
from bridge.mapping.logic import Test
from bridge.mapping.steps import ImpossibleError, WriteStep
from bridge.records import dataclass


@dataclass(frozen=True)
class AskStep:
    """A write that makes the unit look again."""

    write: WriteStep
    then: tuple[int, ...]
    pause: int
    rule: str

    def answer(self, context: Context) -> Ask:
        """As the charger takes it."""
        return Ask(self.write.fixed(context)[0], self.then, self.pause, self.rule)


@dataclass(frozen=True)
class Require:
    """A gate. `early` says when its refusal is known before anything is tried (after `hold` ms)."""

    test: Test
    reason: str
    rule: str
    lasting: bool = False
    early: Test | None = None
    hold: int = 0
    read: tuple[int, ...] = ()
    ask: AskStep | None = None


@dataclass(frozen=True)
class Volts:
    """A voltage (mV): an assumed one, or a measured one that is fresh and plausible."""

    test: Test
    epc: int | None = None
    minimum: int = 1
    within: int | None = None
    assume: int = 0

    def read(self, context: Context) -> int | None:
        """The voltage, if this row tells one."""
        if not self.test(context):
            return None
        if self.epc is None:
            return self.assume
        milli = context.milli(self.epc) if context.fresh(self.epc, self.within) else None
        return milli if milli is not None and milli >= self.minimum else None


@dataclass(frozen=True)
class Bounds:
    """What the unit says it can do in one direction; `minimum` and `maximum` are the fields of one property."""

    rated: int
    power: int
    current: int
    volts: tuple[Volts, ...]

    def cap(self, context: Context) -> int | None:
        """The most that it can do now (mW); None while nothing is known."""
        return min(self._told(context), default=None)

    def full(self, context: Context) -> int | None:
        """What it may do while nothing governs it (mW): the higher of the two, since nobody says which one rules."""
        return max(self._told(context), default=None)

    def _told(self, context: Context) -> list[int]:
        told = (context.milli(self.rated), context.field_milli(self.power, 1))
        return [value for value in told if value is not None]

    def voltage(self, context: Context) -> int:
        """The voltage (mV) that turns a power into a current."""
        for row in self.volts:
            voltage = row.read(context)
            if voltage is not None:
                return voltage
        return self.volts[-1].assume  # compile has seen that the last row assumes one


@dataclass(frozen=True)
class Way:
    """One way to carry a setpoint out."""

    test: Test
    steps: tuple[WriteStep, ...]
    on_off: bool
    rule: str
    pause_first: str | None = None  # why energy has to be paused before anything else

    def passable(self, limit: Limit) -> bool:
        """Whether a limit is known where one has to be written."""
        return limit.value is not None or not any(step.is_limit for step in self.steps)


@dataclass(frozen=True)
class Setpoint:
    """A compiled setpoint."""

    mode: Mode
    requires: tuple[Require, ...]
    bounds: Bounds | None
    ways: tuple[Way, ...]
    fresh: tuple[int, ...]
    fresh_for: int
    confirm: Test
    confirm_within: int
    attempts: int
    rule: str

    @property
    def sign(self) -> int:
        """+1 for power into the car, -1 for power out of it."""
        return -1 if self.mode is Mode.DISCHARGE else 1


Setpoints = Mapping[Mode, Setpoint]


def recipe(context: Context, setpoints: Setpoints) -> Recipe | Ask | Refusal:
    """What `Table.recipe` answers."""
    mode = context.view.wanted.mode
    if mode is Mode.HANDS_OFF:
        return Recipe(mode, (), attempts=0, rule="hands off")
    setpoint = setpoints.get(mode)
    if setpoint is None:
        return Refusal(f"this class has no setpoint {mode}", "setpoints")
    for require in setpoint.requires:
        if not require.test(context):
            if require.ask is not None:
                return require.ask.answer(context)
            return Refusal(require.reason, require.rule, require.read)
    try:
        return _carry_out(context, setpoint, setpoints)
    except ImpossibleError as reason:
        return Refusal(str(reason), setpoint.rule)


def confirmed(context: Context, setpoints: Setpoints) -> bool:
    """What `Table.confirmed` answers: the settings stand as the recipe has them, and the unit follows."""
    answer = recipe(context, setpoints)
    if not isinstance(answer, Recipe):
        return False
    if answer.mode is Mode.HANDS_OFF:
        return True
    if context.release not in context.table.device.releases:
        return all(_stands(context, step) for step in answer.steps)  # nothing can be decoded: the bytes decide
    return all(_stands(context, step) for step in answer.steps[:-1]) and setpoints[answer.mode].confirm(context)


def _stands(context: Context, step: Step) -> bool:
    fact = context.facts.get(step.epc)
    return fact is not None and fact.edt == step.edt


def refusal(context: Context, setpoints: Setpoints) -> Refusal | None:
    """What `Table.refusal` answers for the mode in the context's view."""
    mode = context.view.wanted.mode
    if mode is Mode.HANDS_OFF:
        return None
    setpoint = setpoints.get(mode)
    if setpoint is None:
        return Refusal(f"this class has no setpoint {mode}", "setpoints")
    for require in setpoint.requires:
        if require.early is not None and not require.test(context) and require.early(context):
            return Refusal(require.reason, require.rule, require.read, require.hold)
    return None


#: What lets energy flow; its writes are spaced, a stop's or pause's never.
ENERGY: Final = frozenset({Mode.CHARGE, Mode.DISCHARGE, Mode.AUTO})


class Funds(StrEnum):
    """What is known of the limit of a setpoint."""

    UNKNOWN = "unknown"
    NONE = "none"
    KNOWN = "known"


class Room(StrEnum):
    """Whether a way can run below the limit (and the wanted amount), or comes to a pause."""

    ENOUGH = "enough"
    NONE = "none"


@dataclass(frozen=True)
class Limit:
    """The limit (mW) for one recipe: what was asked for, and what that comes to within what the unit can do."""

    asked: int | None
    value: int | None

    @property
    def funds(self) -> Funds:
        """How much is known of it."""
        if self.asked is not None and self.asked <= 0:
            return Funds.NONE
        return Funds.UNKNOWN if self.value is None else Funds.KNOWN


def limit_of(context: Context, setpoint: Setpoint) -> Limit:
    """The limit in force; of a setpoint without one there is none."""
    if setpoint.bounds is None:
        return Limit(None, None)
    asked, cap = _asked(context, setpoint), setpoint.bounds.cap(context)
    known = [value for value in (asked, cap) if value is not None]
    return Limit(asked, min(known) if known else None)


def room(context: Context, setpoint: Setpoint, setpoints: Setpoints, way: Way) -> Room:
    """Whether a way that is taken can run; for proofs, which do not calculate with watts."""
    limit = limit_of(context, setpoint)
    if way.pause_first is not None or limit.funds is Funds.NONE or not way.passable(limit):
        return Room.ENOUGH
    try:
        answer = _take(context, setpoint, setpoints, way, limit)
    except ImpossibleError:
        return Room.ENOUGH
    return Room.ENOUGH if isinstance(answer, Recipe) and answer.mode is setpoint.mode else Room.NONE


def trial(context: Context, setpoint: Setpoint, setpoints: Setpoints, way: Way) -> Recipe | Refusal:
    """What comes of a way if it is taken now, whatever its gates and its condition say; for proofs.

    Raises:
        ImpossibleError: it writes what the release does not have.
    """
    return _take(context, setpoint, setpoints, way, limit_of(context, setpoint))


def _carry_out(context: Context, setpoint: Setpoint, setpoints: Setpoints) -> Recipe | Refusal:
    """The first way that fits, with the limit in it."""
    limit = limit_of(context, setpoint)
    if limit.funds is Funds.NONE:
        return _pause(context, setpoints, "the limit is zero")
    for way in setpoint.ways:
        if way.test(context) and way.passable(limit):
            return _take(context, setpoint, setpoints, way, limit)
    return Refusal(f"the unit offers no way to {setpoint.mode}", setpoint.rule)


def _asked(context: Context, setpoint: Setpoint) -> int | None:
    """The limit in force (mW, not negative while it may run); None: as much as the unit may."""
    wanted = context.view.wanted
    bound = wanted.discharge_bound if setpoint.mode is Mode.DISCHARGE else wanted.charge_bound
    target = None if wanted.target is None else wanted.target * setpoint.sign
    known = [value for value in (target, bound) if value is not None]
    return min(known) if known else None


def _take(context: Context, setpoint: Setpoint, setpoints: Setpoints, way: Way, limits: Limit) -> Recipe | Refusal:
    bounds, asked, limit = setpoint.bounds, limits.asked, limits.value
    if way.pause_first is not None:
        return _pause(context, setpoints, way.pause_first)
    if bounds is not None and limit is not None:
        too_low = _too_low(context, bounds, way, asked, limit)
        if too_low:
            return _pause(context, setpoints, too_low)
    steps: list[Step] = []
    otherwise: tuple[Step, ...] = ()
    granted = limit
    for step in way.steps:
        if not step.applies(context):
            continue
        if step.is_limit and bounds is not None and limit is not None:
            raw = _in_unit(context, bounds, step, limit)
            if raw is None:
                return _pause(context, setpoints, f"{_watts(limit)} is below what the unit can be set to")
            steps.append(step.limited(context, raw))
            granted = limit if step.unit != "W" else limit // 1000 * 1000
        elif step.is_amount:
            raw = _left(context, step)
            if raw is None:
                return _pause(context, setpoints, "nothing is left of the wanted amount")
            steps.append(step.limited(context, raw))
        else:
            first, *rest = step.fixed(context)
            steps.append(first)
            otherwise = tuple(rest)
    return Recipe(
        setpoint.mode,
        tuple(steps),
        target=None if granted is None or bounds is None else granted * setpoint.sign,
        fresh=setpoint.fresh,
        fresh_for=setpoint.fresh_for,
        confirm_within=setpoint.confirm_within,
        attempts=setpoint.attempts,
        otherwise=otherwise,
        rule=way.rule,
        spacing=context.table.spacing(context) if setpoint.mode in ENERGY else Spacing(),
    )


def _too_low(context: Context, bounds: Bounds, way: Way, asked: int | None, limit: int) -> str:
    """Why the unit cannot be kept under the limit, or nothing."""
    if limit < 1000:
        return "no power is left to the unit"
    if way.on_off:
        full = bounds.full(context)
        if asked is not None and (full is None or asked < full):
            known = "of unknown power" if full is None else f"of {_watts(full)}"
            return f"{_watts(asked)} cannot be kept: the unit {known} is only switched on and off"
        return ""
    minimum = context.field_milli(bounds.power, 0)
    if minimum is not None and limit // 1000 * 1000 < minimum:
        return f"{_watts(limit)} is below the unit's minimum of {_watts(minimum)}"
    return ""


def _in_unit(context: Context, bounds: Bounds, step: WriteStep, limit: int) -> int | None:
    """The limit as the property's raw number, within the unit's own range; None: below it."""
    codec = step.codec(context)
    if codec is None:
        raise ImpossibleError(f"Release {context.release} has no {step.name}")
    minimum = 0
    if step.unit == "A":
        milliamperes = limit * 1000 // bounds.voltage(context)
        least, most = context.field_milli(bounds.current, 0), context.field_milli(bounds.current, 1)
        if most is not None:
            milliamperes = min(milliamperes, most)
        minimum = least or 0
        if milliamperes < minimum:
            return None
        raw = codec.from_milli(milliamperes)
        if raw < -(-minimum * codec.denominator // (codec.numerator * 1000)):
            return None
    else:
        raw = codec.from_milli(limit)
    lowest, highest = step.range(codec)
    raw = min(raw, highest)
    return raw if raw >= max(lowest, 1) else None


def _left(context: Context, step: WriteStep) -> int | None:
    """What is left of the wanted amount as the property's raw number, rounded toward zero; None: nothing that could be
    written (a zero may mean that there is no bound)."""
    codec, amount = step.codec(context), context.view.wanted.amount
    if codec is None or amount is None or amount.energy is None:
        raise ImpossibleError(f"there is no amount for {step.name}")
    raw = min(codec.from_milli(amount.energy - context.view.counted), codec.maximum)
    return raw if raw >= max(codec.minimum, 1) else None


def _pause(context: Context, setpoints: Setpoints, note: str) -> Recipe | Refusal:
    """The same view, with a pause instead."""
    setpoint = setpoints[Mode.PAUSE]
    answer = _carry_out(context, setpoint, setpoints)
    return replace(answer, note=note) if isinstance(answer, Recipe) else answer


def _watts(milliwatts: int) -> str:
    return f"{milliwatts // 1000} W"


def abilities(context: Context, setpoints: Setpoints, direct_current: bool, phases: int) -> Abilities:
    """What `Table.abilities` answers."""
    able = {Mode.HANDS_OFF}
    for mode, setpoint in setpoints.items():
        if all(require.test(context) for require in setpoint.requires if require.lasting):
            able.add(mode)
    charge, discharge = setpoints.get(Mode.CHARGE), setpoints.get(Mode.DISCHARGE)
    return Abilities(
        charge_max=_most(context, charge) if Mode.CHARGE in able else 0,
        discharge_max=_most(context, discharge) if Mode.DISCHARGE in able else 0,
        charge_adjustable=Mode.CHARGE in able and _adjustable(context, charge),
        discharge_adjustable=Mode.DISCHARGE in able and _adjustable(context, discharge),
        phases=phases,
        direct_current=direct_current,
        modes=frozenset(able),
    )


def _most(context: Context, setpoint: Setpoint | None) -> int | None:
    return setpoint.bounds.cap(context) if setpoint and setpoint.bounds else None


def _adjustable(context: Context, setpoint: Setpoint | None) -> bool:
    way = next((way for way in setpoint.ways if way.test(context)), None) if setpoint else None
    return way is not None and not way.on_off
