"""The gateway as a process: sockets, files and signals around `Gateway`."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack

import structlog

from bridge import __version__
from bridge.clock import Clock
from bridge.echonet.udp import open_udp
from bridge.errors import ConfigError
from bridge.gateway.api import SOCKET, ControlApi
from bridge.gateway.config import SiteConfig
from bridge.gateway.gateway import Gateway
from bridge.gateway.stations import dialer_for
from bridge.gateway.tables import Reloaded, SiteTables
from bridge.mapping.load import Mappings
from bridge.store.recovery import open_or_set_aside

_log = structlog.get_logger(__name__)

STORE = "gateway.sqlite3"


async def serve(site: SiteConfig, mappings: Mappings, load: Callable[[], Mappings]) -> None:
    """Run the gateway of a site until SIGTERM or SIGINT; then give the units their last orders and end within 5 s.

    `load` reads the mapping tables anew, at SIGHUP or on command.
    """
    clock = Clock()
    _log.info("starting", version=__version__)
    _make_state_dir(site)
    async with AsyncExitStack() as stack:
        store, damage = await open_or_set_aside(site.state_dir / STORE)
        stack.push_async_callback(store.close)
        lans = {}
        for name, network in site.networks.items():
            lans[name] = await open_udp(network.bind, interface=network.interface, group=network.group)
            stack.push_async_callback(lans[name].close)
        gateway = await Gateway.build(
            site,
            lans=lans,
            dialer_of=dialer_for,
            store=store,
            mappings=mappings,
            clock=clock,
            tables=SiteTables(mappings, load, asyncio.to_thread),
        )
        if damage is not None:
            gateway.store_was_damaged(str(damage))
        api = ControlApi(gateway)
        await api.serve(site.state_dir / SOCKET)
        stack.push_async_callback(api.close)
        _on_signals(gateway)
        gc.collect()
        gc.freeze()
        _give_back()
        await gateway.run()
    _log.info("ended")


def _give_back() -> None:
    """Let the system have the memory in which the tables were read; what C libraries free they keep otherwise."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # the GNU C library has it, others need none
    if trim is not None:
        trim(0)


def _make_state_dir(site: SiteConfig) -> None:
    try:
        site.state_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"state_dir {site.state_dir} cannot be made: {error}") from error
    if not os.access(site.state_dir, os.W_OK):
        raise ConfigError(f"state_dir {site.state_dir} cannot be written: give it to the user that runs the gateway")


def _on_signals(gateway: Gateway) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, gateway.ended.set)
    reloads: set[asyncio.Task[Reloaded]] = set()  # a task that nobody holds may be let go before its end

    def reloaded(task: asyncio.Task[Reloaded]) -> None:
        reloads.discard(task)
        _give_back()

    def reload() -> None:
        task = loop.create_task(gateway.units.reload())
        reloads.add(task)
        task.add_done_callback(reloaded)

    loop.add_signal_handler(signal.SIGHUP, reload)
