"""`ocpp-echonet check`: everything that can be known to be wrong before anything runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("check", help="check a site configuration and its mapping tables, offline")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the site configuration")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Load all; mistakes are raised with file:line:column."""
    from bridge.gateway.checking import check_site

    for line in check_site(options.config):
        print(line)
    return 0
