"""`ocpp-echonet target`: let a running transaction go so far and no further, by energy or state of charge."""

from __future__ import annotations

import argparse
from typing import Any

from bridge.cli.way import EXIT_CODES, ask_and_tell, only_through_gateway


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "target",
        help="say how far the running transaction of an EVSE goes",
        description="The energy that may move from now on, or the state of charge at which it ends; whichever comes "
        "first. Then the transaction is paused, and the CSMS is told. A target ends with its transaction.",
        epilog=f"{EXIT_CODES}. To clear a target that is not there is 1.",
    )
    doing = parser.add_subparsers(title="what to do", required=True, metavar="WHAT")
    set_ = doing.add_parser("set", help="set the target, in place of the one before")
    clear = doing.add_parser("clear", help="end the target")
    for one, do in ((set_, "target_set"), (clear, "target_clear")):
        one.add_argument("station", metavar="STATION", help="the charging station's id")
        one.add_argument("evse", type=int, metavar="EVSE", help="the EVSE's number")
        only_through_gateway(one, run, do=do)
    set_.add_argument("--energy", type=float, metavar="WH", help="so much energy, Wh")
    set_.add_argument("--soc", type=float, metavar="%", help="up to this state of charge, %%")
    set_.add_argument("--discharge", action="store_true", help="of what is discharged, not of what is charged")


def run(options: argparse.Namespace) -> int:
    """Ask the gateway."""
    request: dict[str, Any] = {"do": options.do, "station": options.station, "evse": options.evse}
    if options.do == "target_set":
        request |= {name: getattr(options, name) for name in ("energy", "soc") if getattr(options, name) is not None}
        request["direction"] = "discharge" if options.discharge else "charge"
    return ask_and_tell(
        options, request, lambda result: [_line(each) for each in [result.get("target")] if each], "there was no target"
    )


def _line(target: dict[str, Any]) -> str:
    parts = [] if target["energy"] is None else [f"{target['energy']:g} Wh"]
    parts += [] if target["soc"] is None else [f"{target['soc']:g} %"]
    return f"{target['direction']}: {' or '.join(parts)}"
