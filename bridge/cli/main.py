"""The command `ocpp-echonet`: the parser, and what an error looks like."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from bridge import __version__
from bridge.errors import BridgeError

#: Each a module of its own, in the order in which the help names them.
COMMANDS: Final = (
    "run",
    "check",
    "reload",
    "status",
    "present",
    "limit",
    "target",
    "profile",
    "map",
    "discover",
    "probe",
    "ramp",
    "dump",
    "demo",
    "sim",
)
#: Exit codes: 0 all well, 1 something is wrong that the message explains, 2 the command line itself.
FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser(given).parse_args(given)
    try:
        return int(options.run(options))
    except BridgeError as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more when it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _parser(asked: list[str]) -> argparse.ArgumentParser:
    """The parser of one command where it is named at once, else of all: a gateway has no use for the others."""
    parser = argparse.ArgumentParser(
        prog="ocpp-echonet", description="OCPP charging stations out of ECHONET Lite V2H units and EV chargers"
    )
    parser.add_argument("--version", action="version", version=f"ocpp-echonet {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name in asked[:1] if asked and asked[0] in COMMANDS else COMMANDS:
        register = import_module(f"bridge.cli.{name}").register
        register(commands, *([asked[1:]] if name == "map" else []))
    return parser


if __name__ == "__main__":
    sys.exit(main())
