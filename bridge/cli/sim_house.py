"""The devices of `ocpp-echonet sim`: built from the command line, and steered by lines."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bridge.cli.sim import USAGE
from bridge.cli.sim_specs import addresses_from, unit_specs
from bridge.clock import Clock
from bridge.errors import BridgeError, ConfigError, UnitError
from bridge.sim.control import SimUnit
from bridge.sim.meter import BOARD, SimMeter, SimMeterConfig
from bridge.sim.node import SimNode
from bridge.sim.unit import SimUnitConfig

Emit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Placed:
    """A device and where it is."""

    address: str
    node: SimNode
    device: SimUnit | SimMeter


@dataclass
class House:
    """All devices in the order of the command line. `load_w`: what the house takes besides them."""

    next_address: Callable[[], str]
    load_w: int = 0
    nodes: dict[str, SimNode] = field(default_factory=dict)
    devices: list[Placed] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def power_w(self, now: int) -> float:
        """At the receiving point: the load and every unit."""
        return self.load_w + sum(each.device.power_w for each in self.devices if isinstance(each.device, SimUnit))


def build(args: argparse.Namespace, clock: Clock) -> House:
    """The house of a command line. Raises `ConfigError`."""
    house = House(addresses_from(args.address), args.load)
    homes: dict[str, list[SimUnit | SimMeter]] = {}
    for spec in unit_specs(args):
        homes.setdefault(spec.address or house.next_address(), []).append(_unit(clock, spec.config))
    units = [device for devices in homes.values() for device in devices if isinstance(device, SimUnit)]
    for code in args.meter:
        homes[house.next_address()] = [SimMeter(clock, _meter_config(int(code, 16), house, units))]
    for address, devices in homes.items():
        try:
            house.nodes[address] = SimNode(clock, address.encode(), devices)
        except ValueError as error:
            raise ConfigError(f"--instance: {error} at {address}") from None
        house.devices += [Placed(address, house.nodes[address], device) for device in devices]
    return house


def _unit(clock: Clock, config: SimUnitConfig) -> SimUnit:
    try:
        return SimUnit(clock, config)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _meter_config(code: int, house: House, units: list[SimUnit]) -> SimMeterConfig:
    """A meter at the receiving point; a board also has a channel for each unit, one-way and both-way."""
    if code != BOARD:
        return SimMeterConfig(power_w=house.power_w)
    return SimMeterConfig(
        unit_class=BOARD,
        power_w=house.power_w,
        channels={number: _taken(unit) for number, unit in enumerate(units, 1)},
        two_way={number: _flowing(unit) for number, unit in enumerate(units, 1)},
    )


def _taken(unit: SimUnit) -> Callable[[int], float]:
    return lambda now: max(unit.power_w, 0)


def _flowing(unit: SimUnit) -> Callable[[int], float]:
    return lambda now: unit.power_w


# ---- lines --------------------------------------------------------------------------------------------------------


def _number(words: list[str], fallback: int) -> int:
    return int(words[0], 0) if words else fallback


def _percent(word: str) -> float:
    percent = float(word)
    if not 0 <= percent <= 100:
        raise ValueError(f"{word} is not 0 to 100")
    return percent


def _write(unit: SimUnit, words: list[str]) -> bool:
    return unit.foreign_write(int(words[0], 16), bytes.fromhex(words[1]))


#: What a line does to a unit.
_UNIT: dict[str, Callable[[SimUnit, list[str]], object]] = {
    "plug": lambda unit, words: unit.plug(_percent(words[0]) if words else None),
    "unplug": lambda unit, words: unit.unplug(),
    "panel": lambda unit, words: unit.panel(words[0]),
    "fault": lambda unit, words: unit.fault(_number(words, 0x000A)),
    "clear": lambda unit, words: unit.clear_fault(),
    "write": _write,
    "pause": lambda unit, words: unit.ev_pauses(words[:1] != ["off"]),
    "end": lambda unit, words: unit.ev_ends(),
    "surplus": lambda unit, words: unit.set_surplus(int(words[0])),
    "grid": lambda unit, words: unit.set_interconnection(int(words[0], 0)),
}


def _obey_unit(placed: Placed, name: str, words: list[str]) -> object:
    if not isinstance(placed.device, SimUnit):
        raise UnitError(f"{name}: a meter does not do that")
    return _UNIT[name](placed.device, words)


def _power(house: House, placed: Placed, words: list[str]) -> None:
    """Off: the node hears and says nothing. On: it announces itself, perhaps from another address."""
    if words[:1] == ["off"]:
        placed.node.mute()
    elif words[:1] == ["on"]:
        task = asyncio.ensure_future(placed.node.start())
        house.tasks.add(task)
        task.add_done_callback(house.tasks.discard)
    else:
        raise IndexError


def _load(house: House, placed: Placed, words: list[str]) -> None:
    house.load_w = int(words[0])


#: What a line does to a device of any kind, or to the house.
_ANY: dict[str, Callable[[House, Placed, list[str]], None]] = {
    "power": _power,
    "load": _load,
    "silence": lambda house, placed, words: placed.device.silence(words[:1] != ["off"]),
    "status": lambda house, placed, words: None,
}


def _carry_out(house: House, placed: Placed, name: str, words: list[str]) -> object:
    if name in _ANY:
        _ANY[name](house, placed, words)
        return None
    return _obey_unit(placed, name, words)


def _wrong(error: ValueError | IndexError) -> str:
    return "incomplete" if isinstance(error, IndexError) else str(error) or "wrong"


def obey(line: str, house: House, clock: Clock, emit: Emit) -> None:
    """Carry out one line for one device, or for all if it names none: all units, where only units can."""
    words = line.split()
    chosen = house.devices
    if words[0].isdigit():
        number, words = int(words[0]), words[1:]
        if not 1 <= number <= len(house.devices):
            there = "there is one device only, number 1" if len(chosen) == 1 else f"devices are 1 to {len(chosen)}"
            emit({"event": "error", "line": line, "text": f"there is no device {number}: {there}"})
            return
        chosen = chosen[number - 1 : number]
    elif words[0] in _UNIT:
        chosen = [each for each in chosen if isinstance(each.device, SimUnit)]
    if not words or words[0] not in USAGE or not chosen:
        emit({"event": "error", "line": line, "text": f"commands: {', '.join(USAGE.values())}"})
        return
    name = words[0]
    for placed in chosen:
        try:
            result = _carry_out(house, placed, name, words[1:])
        except (BridgeError, ValueError, IndexError) as error:
            text = str(error) if isinstance(error, BridgeError) else f"{_wrong(error)}; it is: {USAGE[name]}"
            emit({"event": "error", "unit": placed.address, "line": line, "text": text})
        else:
            taken = {"taken": result} if isinstance(result, bool) else {}
            status = placed.device.status()
            emit({"at": clock.monotonic(), "unit": placed.address, "event": name, **taken, **status})
