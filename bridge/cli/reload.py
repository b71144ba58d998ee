"""`ocpp-echonet reload`: let a running gateway read its mapping tables anew."""

from __future__ import annotations

import argparse
import json
from typing import Any

from bridge.cli.way import EXIT_CODES, FAILED, OK, Way, only_through_gateway, perform


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "reload",
        help="let the running gateway read its mapping tables anew",
        description="Reads dictionaries, tables and overlays anew, as SIGHUP does. Transactions go on. With a mistake "
        "in a dictionary or in a class's table nothing is exchanged; an overlay with a mistake leaves its units with "
        "the last good table.",
        epilog=f"{EXIT_CODES}. Prove tables first: ocpp-echonet map check FOLDER",
    )
    only_through_gateway(parser, run, hint="it reads its tables when it starts")


def run(options: argparse.Namespace) -> int:
    """Ask the gateway."""

    async def main(way: Way) -> int:
        result = await way.ask({"do": "reload"}, lambda event: None)
        if options.format == "json":
            print(json.dumps(result, ensure_ascii=False))
        else:
            print(f"read anew: tables {result['tables']}")
            for name, mistakes in result["broken"].items():
                print(f"overlay {name} cannot be used:\n  " + "\n  ".join(mistakes))
        return FAILED if result["broken"] else OK

    return perform(options, main)
