"""`ocpp-echonet limit`: let a running gateway charge with no more than so much, for a time, and end that again."""

from __future__ import annotations

import argparse
from typing import Any

from bridge.cli.way import EXIT_CODES, ask_and_tell, only_through_gateway


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "limit",
        help="limit the charging of a running gateway's station or EVSE",
        description="A limit of the site's own, as a home's energy management sets one. It bounds charging whatever "
        "the CSMS wants, is told to the CSMS, and outlives a restart of the gateway.",
        epilog=f"{EXIT_CODES}. To clear a limit that is not there is 1.",
    )
    doing = parser.add_subparsers(title="what to do", required=True, metavar="WHAT")
    set_ = doing.add_parser("set", help="set the limit, in place of the one before")
    _place(set_)
    set_.add_argument("watts", type=float, metavar="W", help="at most so many watts may flow into the vehicles")
    set_.add_argument("--for", type=int, dest="seconds", metavar="S", help="for so long, s (without: until cleared)")
    clear = doing.add_parser("clear", help="end the limit")
    _place(clear)
    only_through_gateway(set_, run, do="limit_set")
    only_through_gateway(clear, run, do="limit_clear")


def _place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("station", metavar="STATION", help="the charging station's id")
    parser.add_argument("evse", nargs="?", type=int, metavar="EVSE", help="one EVSE; without: the whole station")


def run(options: argparse.Namespace) -> int:
    """Ask the gateway."""
    request: dict[str, Any] = {"do": options.do, "station": options.station}
    if options.evse is not None:
        request["evse"] = options.evse
    if options.do == "limit_set":
        request["watts"] = options.watts
        if options.seconds is not None:
            request["seconds"] = options.seconds
    return ask_and_tell(
        options, request, lambda result: [_line(limit) for limit in result["limits"]], "there was no such limit"
    )


def _line(limit: dict[str, Any]) -> str:
    where = f"EVSE {limit['evse']}" if limit["evse"] else "station"
    left = "" if limit["seconds_left"] is None else f", {limit['seconds_left']} s more"
    return f"{where}: {limit['direction']} at most {limit['watts']:g} W (by {limit['by']}, {limit['source']}{left})"
