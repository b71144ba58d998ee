"""`ocpp-echonet run`: the gateway."""

from __future__ import annotations

import argparse
import asyncio
import gc
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("run", help="run the gateway of a site")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the site configuration")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM."""
    import structlog

    from bridge.gateway.config import load_config
    from bridge.gateway.logs import set_up_logs
    from bridge.mapping.cache import DocumentCache
    from bridge.mapping.load import Mappings, load_mappings
    from bridge.mapping.yamlfile import forget_checkers

    site = load_config(options.config)
    set_up_logs(site.log, lasting=True)
    cache = DocumentCache(site.state_dir / "cache")

    def load() -> Mappings:
        found = load_mappings(site.mappings, site.classes, cache, lenient=True).without_sources()
        forget_checkers()
        return found

    mappings = load()
    if cache.trouble is not None:
        structlog.get_logger(__name__).debug("mapping tables are read without a cache", reason=cache.trouble)
    gc.collect()
    # Imported only now: these many modules take the memory in which the tables were read.
    from bridge.gateway.process import serve

    asyncio.run(serve(site, mappings, load))
    return 0
