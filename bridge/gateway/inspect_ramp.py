"""`ramp`: a unit taken through several settings, with what each of them really did, and stopped at the end.

It orders by the charger's own loop (`ChargerUnit.want`), so that every limit, gate and read-back of the tables holds.
Whatever ends it - the last step, an error, a lost unit, Ctrl-C, the gateway's end - the unit is stopped; only where a
CSMS has begun to use the unit meanwhile it is left to that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.charger.runner import UnitRunner
from bridge.charger.unit import ChargerUnit
from bridge.clock import Clock
from bridge.echonet.wellknown import OPERATION_STATUS, class_of
from bridge.errors import BridgeError, NoAnswerError
from bridge.evse import Mode, Plug, Urgency, Wanted
from bridge.gateway.inspect import Ground, InspectError, Target, Tell, find_target
from bridge.mapping.decision import Recipe, Refusal
from bridge.policies import Control

#: How long (s) a setting is held once the unit follows it, and the least and most that may be asked for.
HOLD: Final = 20.0
_HOLDS: Final = (1.0, 3600.0)
_MOST_STEPS: Final = 50
#: How often (ms) the unit is looked at.
_LOOK: Final = 200
#: How long (ms) a setting may take until the unit follows it; handshake and contactors take their time.
_FOLLOWS_WITHIN: Final = 180_000
#: An order that the table refuses for so long (ms) is given up.
_REFUSED_FOR: Final = 15_000
#: How long (ms) the last stop is waited for. The loop goes on trying in a gateway.
STOPS_WITHIN: Final = 120_000
#: Power below this (mW) is none; an order is reached within this, or within 5 %.
_STILL: Final = 100_000
#: The settings that are tried where none are named, in percent of the unit's range.
_PERCENT: Final = (25, 50, 75, 100)
_ROUND: Final = 100_000
_QUIET: Final = frozenset({Mode.STOP, Mode.PAUSE})
_ENERGY: Final = frozenset({Mode.CHARGE, Mode.DISCHARGE, Mode.AUTO})


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done. Steps in mW, plus into the car; `hold` in ms."""

    steps: tuple[int, ...]
    hold: int
    adjustable: Mapping[Mode, bool]


@dataclass(slots=True)
class _Effect:
    """What one setting did, as far as it is known."""

    ordered: int
    begun: int
    confirmed_at: int | None = None
    reached_at: int | None = None
    powers: list[int] = field(default_factory=list)


class _TakenOverError(Exception):
    """Somebody else steers the unit now."""


async def ramp(ground: Ground, request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """`{"do": "ramp", "unit": "car", "steps": [1500, 3000], "hold": 20, "discharge": false, "yes": false}`.

    Steps in W, minus out of the car, which needs `discharge`. Without `"yes": true` only the plan comes back and
    nothing moves. Cancelling ends it early, stopped; the result comes all the same.
    """
    target = await find_target(ground, request)
    discharge = _flag(request, "discharge")
    _may_steer(ground, target, discharge)
    await ground.start()
    tell({"event": "reading", "unit": target.name, "address": target.address})
    await _is_there(ground, target)
    async with ground.driven(target, discharge=discharge) as runner:
        plan = _plan(runner.unit, request, discharge)
        told = _told(runner.unit, target, plan)
        if not _flag(request, "yes"):
            return {"plan": told, "ran": False}
        _ready(runner.unit, target, plan)
        tell({"event": "plan", **told})
        outcome = await _Ramp(ground, target, runner, plan, tell).run()
        return {"plan": told, "ran": True, **outcome}


def _flag(request: Mapping[str, Any], name: str) -> bool:
    value = request.get(name, False)
    if not isinstance(value, bool):
        raise InspectError(f'"{name}" is true or false')
    return value


# -- before anything moves


def _may_steer(ground: Ground, target: Target, discharge: bool) -> None:
    """What the site says of it. Raises `InspectError` with the mend."""
    code = class_of(target.eoj)
    if code not in ground.mappings.tables:
        known = ", ".join(f"0x{each:04X}" for each in sorted(ground.mappings.tables))
        raise InspectError(f"{target.name}: there is no table to steer class 0x{code:04X} by (only for {known})")
    config = target.config
    if ground.of_gateway and config is None:
        raise InspectError(f"{target.name} is not a unit of the gateway that runs here: add it to its configuration")
    if config is not None and config.control is not Control.ON:
        raise InspectError(
            f"unit {target.name!r} has control: {config.control.value}, so that nothing may be ordered of it; "
            "write control: on and restart the gateway"
        )
    if discharge and config is not None and not _discharge_allowed(ground, target):
        raise InspectError(
            f"the configuration does not let {target.name!r} discharge: its EVSE needs discharge: [negative-limit]"
        )
    if (why := ground.reserved(target.name)) is not None:
        raise InspectError(why)


async def _is_there(ground: Ground, target: Target) -> None:
    """A runner would wait for long at an address or an object that is not there. Raises `InspectError`."""
    if ground.runner_of(target) is not None:
        return
    try:
        await ground.read(target, (OPERATION_STATUS,))
    except NoAnswerError as error:
        raise InspectError(f"{error} `discover` shows which objects are there") from error


def _discharge_allowed(ground: Ground, target: Target) -> bool:
    stations = ground.site.stations if ground.site is not None else ()
    return any(evse.unit == target.name and evse.discharge for station in stations for evse in station.evses)


def _plan(unit: ChargerUnit, request: Mapping[str, Any], discharge: bool) -> Plan:
    """The steps, each within the unit's own range."""
    hold = request.get("hold", HOLD)
    if isinstance(hold, bool) or not isinstance(hold, int | float) or not _HOLDS[0] <= hold <= _HOLDS[1]:
        raise InspectError(f'"hold" is a number of seconds from {_HOLDS[0]:g} to {_HOLDS[1]:g}')
    able = unit.abilities
    adjustable = {Mode.CHARGE: able.charge_adjustable, Mode.DISCHARGE: able.discharge_adjustable}
    wanted = request.get("steps")
    steps = _default_steps(unit, discharge) if wanted is None else _steps(wanted)
    for step in steps:
        _check_step(unit, step, discharge, adjustable)
    return Plan(steps, int(hold * 1000), adjustable)


def _steps(wanted: Any) -> tuple[int, ...]:
    whole = isinstance(wanted, list) and all(type(step) is int for step in wanted)
    if not whole or not 1 <= len(wanted) <= _MOST_STEPS:
        raise InspectError(
            f'"steps" are 1 to {_MOST_STEPS} whole numbers of W: plus charges, minus discharges, 0 pauses'
        )
    return tuple(step * 1000 for step in wanted)


def _default_steps(unit: ChargerUnit, discharge: bool) -> tuple[int, ...]:
    able = unit.abilities
    ways = [(1, Mode.CHARGE, able.charge_max, able.charge_adjustable)]
    if discharge:
        ways.append((-1, Mode.DISCHARGE, able.discharge_max, able.discharge_adjustable))
    steps: list[int] = []
    for sign, mode, most, adjustable in ways:
        if mode not in able.modes:
            continue
        full = _known(most, mode)
        parts = [full * percent // 100 // _ROUND * _ROUND for percent in _PERCENT[:-1]] if adjustable else []
        steps += [sign * part for part in (*parts, full) if part]
    if not steps:
        raise InspectError("the unit can neither charge nor discharge as asked; `probe` shows what it says of itself")
    return tuple(steps)


def _known(most: int | None, mode: Mode) -> int:
    if most is None:
        raise InspectError(f"the unit does not tell how much it can {mode}, so that nothing is ordered; see `probe`")
    return most


def _check_step(unit: ChargerUnit, step: int, discharge: bool, adjustable: Mapping[Mode, bool]) -> None:
    if step == 0:
        return
    mode = _mode(step)
    able = unit.abilities
    if mode is Mode.DISCHARGE and not discharge:
        raise InspectError(f"step {step // 1000} W discharges the vehicle: say --discharge if that is meant")
    if mode not in able.modes:
        raise InspectError(f"step {step // 1000} W: this unit cannot {mode}; `probe` shows what it says of itself")
    most = _known(able.charge_max if step > 0 else able.discharge_max, mode)
    if abs(step) > most:
        raise InspectError(
            f"step {step // 1000} W is beyond the unit's range: it can {mode} with at most {most // 1000} W"
        )
    if not adjustable[mode] and abs(step) < most:
        raise InspectError(
            f"step {step // 1000} W: this unit can only {mode} with all it has ({most // 1000} W); leave --steps out"
        )


def _ready(unit: ChargerUnit, target: Target, plan: Plan) -> None:
    """What is known to be impossible is not begun."""
    if unit.observed.plug is Plug.NO:
        raise InspectError(f"{target.name}: no vehicle is plugged in; plug one in and call again")
    if (power := unit.observed.power) is not None and abs(power.value) > _STILL:
        raise InspectError(
            f"{target.name} moves {_watts(power.value)} already, by another's order: stop it first, then call again"
        )
    for mode in dict.fromkeys(_mode(step) for step in plan.steps if step):
        if (why := unit.refusal(mode)) is not None:
            raise InspectError(f"{target.name} cannot {mode} now: {why}")


def _told(unit: ChargerUnit, target: Target, plan: Plan) -> dict[str, Any]:
    """The plan as JSON."""
    seen, able = unit.observed, unit.abilities
    return {
        "unit": target.name,
        "address": target.address,
        "object": f"{target.eoj:06X}",
        "steps_w": [step // 1000 for step in plan.steps],
        "hold_s": plan.hold / 1000,
        "charge_max_w": None if able.charge_max is None else able.charge_max // 1000,
        "discharge_max_w": None if able.discharge_max is None else able.discharge_max // 1000,
        "vehicle": str(seen.plug),
        "soc_percent": None if seen.soc is None else seen.soc.value / 1000,
    }


def _mode(step: int) -> Mode:
    return Mode.CHARGE if step > 0 else Mode.DISCHARGE if step < 0 else Mode.PAUSE


# -- while it goes on


class _Ramp:
    """One ramp on one unit."""

    def __init__(self, ground: Ground, target: Target, runner: UnitRunner, plan: Plan, tell: Tell) -> None:
        self._clock: Clock = ground.clock
        self._reserved: Callable[[str], str | None] = ground.reserved
        self._target = target
        self._runner = runner
        self._unit = runner.unit
        self._plan = plan
        self._tell = tell
        self._before = runner.unit.wanted
        self._mine = self._before
        self._results: list[dict[str, Any]] = []

    async def run(self) -> dict[str, Any]:
        """All steps, then the stop; the stop also instead of whatever goes wrong."""
        ended, why = "done", None
        try:
            for number, step in enumerate(self._plan.steps):
                if not await self._step(number, step):
                    ended, why = "failed", self._results[-1]["trouble"]
                    break
        except asyncio.CancelledError:
            _take_back()
            ended, why = "interrupted", "it was interrupted"
        except _TakenOverError as error:
            ended, why = "taken over", str(error)
        except BridgeError as error:
            ended, why = "failed", str(error)
        except Exception:
            await self._stopped()
            raise
        stopped, trouble = await self._stopped()
        return {"steps": self._results, "ended": ended, "why": why, "stopped": stopped, "stop_trouble": trouble}

    async def _step(self, number: int, step: int) -> bool:
        """Order one setting, wait until the unit follows, hold it; whether it did."""
        effect = _Effect(step, self._clock.monotonic())
        self._want(Wanted(mode=_mode(step), target=step or None, authorized=True, occasion=number + 1))
        self._tell({"event": "ordered", "step": number + 1, "of": len(self._plan.steps), "ordered_w": step // 1000})
        trouble = await self._follows(effect)
        if trouble is None:
            trouble = await self._hold(effect)
        result = self._result(number, effect, trouble)
        self._results.append(result)
        self._tell({"event": "step", **result})
        return trouble is None

    async def _follows(self, effect: _Effect) -> str | None:
        """Wait until the setting is confirmed and the power is what was ordered; why it is not."""
        refused_since = None
        while (waited := self._clock.monotonic() - effect.begun) < _FOLLOWS_WITHIN:
            self._look(effect)
            if effect.confirmed_at is not None and (effect.reached_at is not None or waited > _FOLLOWS_WITHIN // 3):
                return None  # a vehicle may take less than it is offered: the result shows it
            refusal = self._refusal()
            refused_since = None if refusal is None else refused_since or self._clock.monotonic()
            if refused_since is not None and self._clock.monotonic() - refused_since > _REFUSED_FOR:
                return refusal
            await self._clock.sleep(_LOOK)
        return self._unit.observed.trouble or "the unit did not follow in time"

    async def _hold(self, effect: _Effect) -> str | None:
        """Keep the setting for a while and note what flows."""
        end = self._clock.monotonic() + self._plan.hold
        effect.powers.clear()
        while self._clock.monotonic() < end:
            self._look(effect)
            await self._clock.sleep(_LOOK)
        self._look(effect)
        return None

    def _look(self, effect: _Effect) -> None:
        """Note what the unit shows. Raises `_TakenOverError`, `InspectError` for a lost unit."""
        if self._unit.wanted != self._mine:
            raise _TakenOverError(
                self._reserved(self._target.name) or "the gateway has ordered something else of the unit"
            )
        seen = self._unit.observed
        if not seen.reachable:
            raise InspectError(f"{self._target.name} does not answer any more")
        now = self._clock.monotonic()
        if seen.confirmed and effect.confirmed_at is None:
            effect.confirmed_at = now
        if seen.power is None or seen.power.at < effect.begun:
            return
        effect.powers.append(seen.power.value)
        near = abs(seen.power.value - effect.ordered) <= max(_STILL, abs(effect.ordered) // 20)
        if near and effect.reached_at is None:
            effect.reached_at = seen.power.at

    def _refusal(self) -> str | None:
        """Why the table does not carry the order out now."""
        answer = self._runner.table.recipe(self._unit.view())
        return answer.reason if isinstance(answer, Refusal) else None

    def _want(self, wanted: Wanted) -> None:
        self._mine = wanted
        self._unit.want(wanted)

    def _result(self, number: int, effect: _Effect, trouble: str | None) -> dict[str, Any]:
        seen, powers = self._unit.observed, effect.powers
        fresh = seen.power is not None and seen.power.at >= effect.begun
        return {
            "step": number + 1,
            "of": len(self._plan.steps),
            "ordered_w": effect.ordered // 1000,
            "read_back": self._read_back(),
            "confirmed_after_s": _after(effect.confirmed_at, effect.begun),
            "reached_after_s": _after(effect.reached_at, effect.begun),
            "power_w": seen.power.value // 1000 if fresh and seen.power is not None else None,
            "lowest_w": min(powers) // 1000 if powers else None,
            "highest_w": max(powers) // 1000 if powers else None,
            "soc_percent": None if seen.soc is None else seen.soc.value / 1000,
            "trouble": trouble,
        }

    def _read_back(self) -> list[str]:
        """What the properties that carry the order say now, in the table's words."""
        view, table = self._unit.view(), self._runner.table
        recipe = table.recipe(view)
        steps = recipe.steps if isinstance(recipe, Recipe) else ()
        facts = ((step.epc, view.facts.get(step.epc)) for step in steps)
        return [
            f"{table.describe(epc, b'', view.release)} not told" if fact is None
            else table.describe(epc, fact.edt, view.release)
            for epc, fact in facts
        ]  # fmt: skip

    # -- the end

    async def _stopped(self) -> tuple[bool, str | None]:
        """Stop, whatever comes, and wait for it; a gateway then wants again what it wanted before."""
        stopping = asyncio.ensure_future(self._stop())
        while True:
            try:
                return await asyncio.shield(stopping)
            except asyncio.CancelledError:
                if stopping.done():
                    return False, "the program ended before the unit had confirmed the stop"
                _take_back()  # a second Ctrl-C must not leave energy flowing

    async def _stop(self) -> tuple[bool, str | None]:
        unit = self._unit
        if unit.wanted != self._mine and unit.wanted.mode in _ENERGY:
            return False, "the gateway steers the unit for its CSMS now and was left to it"
        before = self._before if unit.wanted == self._mine else unit.wanted
        stop = Wanted(mode=Mode.STOP, urgency=Urgency.SAFETY)
        self._want(stop)
        self._say({"event": "stopping"})
        end = self._clock.monotonic() + STOPS_WITHIN
        while self._clock.monotonic() < end:
            seen = unit.observed
            still = seen.power is None or abs(seen.power.value) <= _STILL
            if unit.wanted == stop and seen.confirmed and still:
                if before.mode not in _ENERGY:
                    unit.want(before)
                self._say({"event": "stopped"})
                return True, None
            if unit.wanted != stop and unit.wanted.mode not in _QUIET:
                return False, "the gateway steers the unit for its CSMS now and was left to it"
            await self._clock.sleep(_LOOK)
        return False, unit.observed.trouble or "the unit did not confirm the stop"

    def _say(self, event: dict[str, Any]) -> None:
        """The listener may be gone by now; the stop goes on."""
        try:
            self._tell(event)
        except Exception:
            pass


def _take_back() -> None:
    """The cancellation has been dealt with: what is awaited next must not end at once."""
    task = asyncio.current_task()
    if task is not None:
        while task.cancelling():
            task.uncancel()


def _after(at: int | None, begun: int) -> float | None:
    return None if at is None else max(0, at - begun) / 1000


def _watts(milliwatts: int) -> str:
    return f"{milliwatts // 1000} W"
