"""The running of `ocpp-echonet sim`: units on the network, lines read, what happens printed."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from bridge.cli.sim_house import Emit, House, build, obey
from bridge.cli.sim_specs import habits
from bridge.clock import Clock
from bridge.sim.codec import SimFrameError, decode
from bridge.sim.control import ChangeRecord, SimUnit
from bridge.sim.hems import SimHems
from bridge.sim.lan import Datagram
from bridge.sim.node import SimNode
from bridge.sim.udp import UdpPort, open_udp_port, start_units_udp


def print_line(event: dict[str, Any]) -> None:
    """An event as a line of JSON."""
    sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
    sys.stdout.flush()


async def run_units(args: argparse.Namespace, emit: Emit) -> None:
    """Put the units on their addresses and serve until a signal."""
    clock = Clock()
    house = build(args, clock)
    ports = await start_units_udp(
        house.nodes, clock, lambda address: _frame_printer(house.nodes[address], address, emit)
    )
    for device in house.devices:
        if isinstance(device.device, SimUnit):
            device.device.on_change = _change_printer(device.address, emit)
        emit({"at": clock.monotonic(), "unit": device.address, "event": "ready", **device.device.status()})
    hems = await _start_hems(args, house, clock, emit)
    stop = asyncio.Event()
    _on_signals(stop)
    _on_lines(lambda line: obey(line, house, clock, emit))
    try:
        await stop.wait()
    finally:
        if hems is not None:
            await hems.close()
        for node in house.nodes.values():
            await node.close()
        for port in ports.values():
            await port.close()


async def _start_hems(args: argparse.Namespace, house: House, clock: Clock, emit: Emit) -> SimHems | None:
    """The other controller, if one is wanted, on the address after all others."""
    if not args.hems:
        return None
    targets = [(each.address, each.device.eoj) for each in house.devices if isinstance(each.device, SimUnit)]
    address = house.next_address()
    hems = SimHems(clock, await open_udp_port(address, clock), habits(args.hems, targets))
    await hems.start()
    emit({"at": clock.monotonic(), "unit": address, "event": "ready", "hems": args.hems})
    return hems


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


# ---- what happens -------------------------------------------------------------------------------------------------


def _frame_printer(node: SimNode, first: str, emit: Emit) -> Callable[[Datagram], None]:
    def show(datagram: Datagram) -> None:
        address = node.port.address if isinstance(node.port, UdpPort) else first
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
