"""`ocpp-echonet sim`: simulated units and meters over real UDP, steered by lines on the standard input.

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
    "surplus": "surplus W (of the house, for automatic modes)",
    "grid": "grid 0|1|2 (0xDB: with reverse flow, blackout, without)",
    "power": "power off|on (a power cut of the whole node)",
    "load": "load W (of the house, at a meter)",
    "status": "status",
}

_DESCRIPTION = """\
Puts simulated units on addresses of this machine and runs until interrupted. Prints what they send, receive and do, one
JSON object a line. A unit is an EV charger/discharger (class 0x027E, Releases D to R), or an EV charger (class 0x02A1,
Releases G to R).

Options that describe a unit hold for all; --unit describes one of several that differ."""

_EPILOG = """\
lines on the standard input, for all devices, or for the one whose number (from 1) comes first:
  {usage}

examples:
  a bidirectional unit with a car:   ocpp-echonet sim --plugged --soc 70
  a charger with control pilot only: ocpp-echonet sim --class 0x02A1 --type 0x11 --release R
  a slow unit that loses its INFs:   ocpp-echonet sim --quirk slow-answers=19000 --quirk inf-never
  two that differ, and a meter:      ocpp-echonet sim --unit "soc=80 plugged" --unit "class=0x02A1 quirk=garbage" \\
                                       --meter 0x0288 --load 700
  the list of quirks:                ocpp-echonet sim --quirk help"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "sim",
        help="run simulated chargers (0x027E, 0x02A1) and meters on this machine",
        description=_DESCRIPTION,
        epilog=_EPILOG.format(usage="\n  ".join(USAGE.values())),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_unit_options(parser.add_argument_group("a unit"))
    house = parser.add_argument_group("the house")
    house.add_argument(
        "--address",
        "--bind",
        default="127.0.0.2",
        help="the first address, one of this machine's (any 127.x.y.z is one); others follow (default %(default)s)",
    )
    house.add_argument("--count", default=1, type=int, help="equal units, each on its address (default 1)")
    house.add_argument(
        "--unit",
        action="append",
        default=[],
        metavar="SPEC",
        help="one unit, instead of --count: words as `class=0x02A1 type=0x11 release=R instance=2 soc=80 "
        "capacity=40000 plugged quirk=NAME=VALUE address=127.0.0.9`; units of one address share a node; repeatable",
    )
    house.add_argument(
        "--meter",
        action="append",
        default=[],
        metavar="CLASS",
        choices=["0x0288", "0x0287"],
        help="a smart meter (0x0288), or a board (0x0287) with a channel for each unit, on the next address",
    )
    house.add_argument("--load", default=500, type=int, metavar="W", help="what the house takes besides (default 500)")
    house.add_argument(
        "--hems",
        action="append",
        default=[],
        metavar="EPC=EDT[@SECONDS]",
        help="another controller that writes this (hex) to every unit each SECONDS, or, without them, whenever it is "
        "otherwise",
    )
    parser.set_defaults(run=run)


def _add_unit_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--class", dest="unit_class", default="0x027E", choices=["0x027E", "0x02A1"], help="default %(default)s"
    )
    group.add_argument("--release", default="P", choices=list(_RELEASES), help="Appendix release (default P)")
    group.add_argument(
        "--type", metavar="CODE", help="equipment type, 0xCC: 0x11-0x13 AC, 0x21-0x53 DC (default 0x32, 0x02A1: 0x31)"
    )
    group.add_argument("--instance", metavar="N", help="instance 1 to 0x7F (default: the next free one)")
    group.add_argument("--soc", default="50", metavar="PERCENT", help="state of charge (default 50)")
    group.add_argument("--capacity", default="40000", metavar="WH", help="the vehicle's battery (default 40000)")
    group.add_argument("--plugged", action="store_true", help="start with the vehicle plugged in")
    group.add_argument(
        "--quirk",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="a fault of the field; may be repeated; `--quirk help` lists them",
    )


def run(args: argparse.Namespace) -> int:
    """Run the units until SIGINT or SIGTERM. 0 = ended so, 2 = could not start."""
    from bridge.cli.sim_units import print_line, run_units
    from bridge.sim.quirks import describe

    if "help" in args.quirk:
        print(describe())
        return 0
    try:
        asyncio.run(run_units(args, print_line))
    except BridgeError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        pass
    return 0
