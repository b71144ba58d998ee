"""`ocpp-echonet sim`: simulated units over real UDP, steered by lines on the standard input.

Prints one JSON object a line: what the units send, receive and do. Only the parser is here: the other commands import
nothing of the simulation.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from bridge.errors import BridgeError

_RELEASES = "DEFGHIJKLMNPQR"

#: How each command of a line is written.
USAGE = {
    "plug": "plug [SOC]",
    "unplug": "unplug",
    "panel": "panel charge|discharge|standby|stop|auto|rapid",
    "fault": "fault [CODE]",
    "clear": "clear",
    "write": "write EPC EDT (hex, as another controller)",
    "silence": "silence [off]",
    "pause": "pause [off] (the vehicle takes no power)",
    "end": "end (the vehicle ends)",
    "status": "status",
}


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "sim",
        help="run simulated charger/dischargers (0x027E) on this machine",
        description="Runs until interrupted. Reads commands, one a line: "
        + ", ".join(USAGE.values())
        + ". A number before a command names the unit, counted from 1.",
    )
    parser.add_argument("--address", default="127.0.0.2", help="the first unit's address (default %(default)s)")
    parser.add_argument("--release", default="P", choices=list(_RELEASES), help="Appendix release (default P)")
    parser.add_argument("--type", default=0x32, type=_equipment_type, help="equipment type, 0xCC (default 0x32)")
    parser.add_argument("--soc", default=50.0, type=_percent, help="state of charge in percent (default 50)")
    parser.add_argument("--capacity", default=40_000, type=int, help="battery in Wh (default 40000)")
    parser.add_argument("--plugged", action="store_true", help="start with the vehicle plugged in")
    parser.add_argument("--count", default=1, type=int, help="units, on addresses that follow each other (default 1)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the units until SIGINT or SIGTERM. 0 = ended so, 2 = could not start."""
    from bridge.cli.sim_units import print_line, run_units

    try:
        asyncio.run(run_units(args, print_line))
    except BridgeError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        pass
    return 0


def _equipment_type(text: str) -> int:
    from bridge.sim.properties import TYPES

    value = int(text, 0)
    if value not in TYPES:
        raise argparse.ArgumentTypeError(f"one of {', '.join(f'{code:#04x}' for code in TYPES)}")
    return value


def _percent(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError("0 to 100")
    return value
