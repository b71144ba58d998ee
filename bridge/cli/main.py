"""The command `ocpp-echonet`: the parser, and what an error looks like."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from bridge import __version__
from bridge.errors import BridgeError

#: Exit codes: 0 all well, 1 something is wrong that the message explains, 2 the command line itself.
FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except BridgeError as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    from bridge.cli import check, demo, run, sim

    parser = argparse.ArgumentParser(
        prog="ocpp-echonet", description="OCPP charging stations out of ECHONET Lite V2H units and EV chargers"
    )
    parser.add_argument("--version", action="version", version=f"ocpp-echonet {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in (run, check, demo, sim):
        module.register(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
