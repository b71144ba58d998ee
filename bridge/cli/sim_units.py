"""The units of `ocpp-echonet sim`: on the network, obeying lines, printing what happens."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from bridge.cli.sim import USAGE
from bridge.clock import Clock
from bridge.errors import BridgeError, ConfigError
from bridge.sim.codec import SimFrameError, decode
from bridge.sim.control import ChangeRecord, SimUnit
from bridge.sim.lan import Datagram
from bridge.sim.node import SimNode
from bridge.sim.udp import start_units_udp
from bridge.sim.unit import SimUnitConfig

Emit = Callable[[dict[str, Any]], None]
Command = Callable[[SimUnit, list[str]], object]


def print_line(event: dict[str, Any]) -> None:
    """An event as a line of JSON."""
    sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
    sys.stdout.flush()


async def run_units(args: argparse.Namespace, emit: Emit) -> None:
    """Put the units on their addresses and serve until a signal."""
    clock = Clock()
    addresses = _addresses(args.address, args.count)
    config = SimUnitConfig(
        release=args.release,
        equipment_type=args.type,
        soc_percent=args.soc,
        capacity_wh=args.capacity,
        plugged=args.plugged,
    )
    units = {address: SimUnit(clock, config) for address in addresses}
    nodes = {address: SimNode(clock, address.encode(), [unit]) for address, unit in units.items()}
    await start_units_udp(nodes, clock, lambda address: _frame_printer(address, emit))
    for address, unit in units.items():
        unit.on_change = _change_printer(address, emit)
        emit({"at": clock.monotonic(), "unit": address, "event": "ready", **unit.status()})
    stop = asyncio.Event()
    _on_signals(stop)
    _on_lines(lambda line: _obey(line, list(units.items()), clock, emit))
    try:
        await stop.wait()
    finally:
        for node in nodes.values():
            await node.close()


def _on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)


def _on_lines(take: Callable[[str], None]) -> None:
    """Hand over each line of the standard input; its end leaves the units running."""
    loop = asyncio.get_running_loop()
    rest = b""

    def readable() -> None:
        nonlocal rest  # read from the descriptor: a buffered file would keep lines that no event tells of
        data = os.read(sys.stdin.fileno(), 4096)
        if not data:
            loop.remove_reader(sys.stdin)
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if line.strip():
                take(line.decode("utf-8", "replace").strip())

    try:
        loop.add_reader(sys.stdin, readable)
    except (OSError, ValueError):
        pass  # a file or nothing at all: no commands


def _addresses(first: str, count: int) -> list[str]:
    try:
        start = ipaddress.IPv4Address(first)
    except ValueError:
        raise ConfigError(f"--address: {first!r} is not an IPv4 address") from None
    if not 1 <= count <= 100:
        raise ConfigError("--count: 1 to 100 units")
    return [str(start + number) for number in range(count)]


# ---- commands -----------------------------------------------------------------------------------------------------


def _number(words: list[str], fallback: int) -> int:
    return int(words[0], 0) if words else fallback


def _property(unit: SimUnit, words: list[str]) -> bool:
    return unit.foreign_write(int(words[0], 16), bytes.fromhex(words[1]))


_COMMANDS: dict[str, Command] = {
    "plug": lambda unit, words: unit.plug(float(words[0]) if words else None),
    "unplug": lambda unit, words: unit.unplug(),
    "panel": lambda unit, words: unit.panel(words[0]),
    "fault": lambda unit, words: unit.fault(_number(words, 0x000A)),
    "clear": lambda unit, words: unit.clear_fault(),
    "write": _property,
    "silence": lambda unit, words: unit.silence(words[:1] != ["off"]),
    "pause": lambda unit, words: unit.ev_pauses(words[:1] != ["off"]),
    "end": lambda unit, words: unit.ev_ends(),
    "status": lambda unit, words: None,
}


def _obey(line: str, units: list[tuple[str, SimUnit]], clock: Clock, emit: Emit) -> None:
    """Carry out one line for one unit, or for all if it names none."""
    words = line.split()
    chosen = units
    if words[0].isdigit():
        chosen = units[int(words[0]) - 1 : int(words[0])]
        words = words[1:]
    command = _COMMANDS.get(words[0]) if words else None
    if command is None or not chosen:
        emit({"event": "error", "line": line, "text": f"commands: {', '.join(USAGE.values())}"})
        return
    for address, unit in chosen:
        try:
            result = command(unit, words[1:])
        except (BridgeError, ValueError, IndexError) as error:
            emit({"event": "error", "unit": address, "line": line, "text": str(error) or USAGE[words[0]]})
        else:
            taken = {"taken": result} if isinstance(result, bool) else {}
            emit({"at": clock.monotonic(), "unit": address, "event": words[0], **taken, **unit.status()})


# ---- what happens -------------------------------------------------------------------------------------------------


def _frame_printer(address: str, emit: Emit) -> Callable[[Datagram], None]:
    def show(datagram: Datagram) -> None:
        try:
            text = decode(datagram.data).describe()
        except SimFrameError as error:
            text = f"no frame: {error}"
        emit(
            {
                "at": datagram.at,
                "unit": address,
                "event": "sent" if datagram.source == address else "received",
                "from": datagram.source,
                "to": datagram.destination or "all",
                "frame": datagram.data.hex().upper(),
                "text": text,
            }
        )

    return show


def _change_printer(address: str, emit: Emit) -> Callable[[ChangeRecord], None]:
    def show(change: ChangeRecord) -> None:
        emit(
            {
                "at": change.at,
                "unit": address,
                "event": "changed",
                "property": f"{change.epc:02X}",
                "value": change.edt.hex().upper(),
            }
        )

    return show
