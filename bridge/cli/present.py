"""`ocpp-echonet present`: show a running gateway an id token, as a reader at its station would."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from bridge.cli.way import EXIT_CODES, FAILED, OK, Way, only_through_gateway, perform


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "present",
        help="show a running gateway's station an id token",
        description="Plays the reader: the token starts a transaction, stops the one that it (or its group) has begun, "
        "or is turned away. The token is read from standard input where it is left out or `-`, so that it need not "
        "stand in the list of processes.",
        epilog=f"{EXIT_CODES}. A token that is turned away is 1.",
    )
    parser.add_argument("token", nargs="?", default="-", metavar="TOKEN", help="what the token says (default: -)")
    parser.add_argument("--type", metavar="TYPE", help="its type in OCPP's words (without: a card, ISO14443)")
    parser.add_argument("--station", required=True, metavar="ID", help="the charging station's id")
    parser.add_argument("--evse", type=int, metavar="N", help="the EVSE of the reader; without: the station's reader")
    only_through_gateway(parser, run)


def run(options: argparse.Namespace) -> int:
    """Ask the gateway."""
    from bridge.station.messages.enums import IdTokenKind

    text = sys.stdin.readline().strip() if options.token == "-" else options.token
    token = {"idToken": text, "type": options.type or IdTokenKind.ISO14443.value}
    request: dict[str, Any] = {"do": "present", "station": options.station, "token": token}
    if options.evse is not None:
        request["evse"] = options.evse

    async def main(way: Way) -> int:
        result = await way.ask(request, lambda event: None)
        if options.format == "json":
            print(json.dumps(result, ensure_ascii=False))
        else:
            where = f" at EVSE {', '.join(map(str, result['evses']))}" if result["evses"] else ""
            print(f"{result['outcome']}{where}: {result['reason']}")
        return FAILED if result["outcome"] == "denied" else OK

    return perform(options, main)
