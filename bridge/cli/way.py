"""The way from a command to the units: through the gateway that runs here, or over the network by itself.

While a gateway runs, port 3610 and the one request that a node may have outstanding belong to it (AIF 2.4.1), so that a
command asks it through its Unix socket. Either way the same operations answer, with the same events and results.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from bridge.errors import BridgeError, ConfigError

if TYPE_CHECKING:
    from bridge.gateway.config import SiteConfig
    from bridge.gateway.inspect import Ground

#: Exit codes of the commands that use a way, as their help tells them.
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
EXIT_CODES: Final = (
    "exit codes: 0 done, 1 it could not be done (the message says why), 2 wrong command line, 130 interrupted"
)
_VERSION: Final = 1
#: What a gateway answers where a cancelled operation has no result.
CANCELLED: Final = "it was cancelled"
_LONGEST_LINE: Final = 16_000_000

OnEvent = Callable[[dict[str, Any]], None]


class WayError(BridgeError):
    """What was asked for could not be done; the message is the operation's own, or says what broke on the way."""


class Way(Protocol):
    """How operations are asked for."""

    described: str

    async def ask(self, request: Mapping[str, Any], on_event: OnEvent) -> dict[str, Any]:
        """Carry an operation out; `on_event` hears what it says meanwhile. Raises `BridgeError`.

        When the task that waits is cancelled the operation is ended in order first, and its result still comes.
        """


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that say where to look."""
    group = parser.add_argument_group("where to look")
    group.add_argument(
        "--config", type=Path, metavar="FILE", help="the site configuration; while its gateway runs, it is asked"
    )
    group.add_argument(
        "--bind",
        action="append",
        metavar="ADDRESS",
        help="this machine's own address in the units' network; repeatable",
    )
    group.add_argument("--interface", metavar="IF", help="the network card, where the address is not enough (IPv6)")
    group.add_argument("--group", metavar="G", help="the multicast group, if not ECHONET Lite's own")
    group.add_argument("--network", metavar="NAME", help="the network of the configuration that an ADDRESS is on")
    group.add_argument("--mappings", type=Path, metavar="DIR", help="another folder of dictionaries and tables")


def only_through_gateway(
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], int],
    hint: str = "start it first: ocpp-echonet run",
    **defaults: Any,
) -> None:
    """Finish the parser of a command that only a running gateway can carry out; `hint` is told where none runs."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the gateway's site configuration")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    nothing = {"bind": None, "interface": None, "group": None, "mappings": None}
    parser.set_defaults(run=run, gateway_only=hint, **nothing, **defaults)


@asynccontextmanager
async def open_way(options: argparse.Namespace) -> AsyncIterator[Way]:
    """The way that the options and the machine's state ask for. Raises `BridgeError`."""
    from bridge.gateway.config import LogConfig
    from bridge.gateway.logs import set_up_logs

    set_up_logs(LogConfig(format="console", level="error"))
    site = None
    if options.config is not None:
        from bridge.gateway.config import load_config

        site = load_config(options.config)
        connection = await _connect(site)
        if connection is not None:
            async with _through_gateway(options, *connection) as way:
                yield way
            return
        if hint := getattr(options, "gateway_only", None):
            raise WayError(f"no gateway runs with {options.config}; {hint}")
    async with AsyncExitStack() as stack:
        ground = await _open_ground(options, site, stack)
        yield _Own(ground)


# -- through a gateway


async def _connect(site: SiteConfig) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    """The socket of the gateway of this site; None if none runs."""
    from bridge.gateway.api import SOCKET

    path = site.state_dir / SOCKET
    try:
        return await asyncio.open_unix_connection(path, limit=_LONGEST_LINE)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        return None
    except PermissionError as error:
        raise WayError(f"{path} belongs to another user: run this command as the user that runs the gateway") from error
    except OSError as error:
        raise WayError(f"{path} cannot be reached: {error.strerror or error}") from error


@asynccontextmanager
async def _through_gateway(
    options: argparse.Namespace, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> AsyncIterator[Way]:
    try:
        ignored = [f"--{name}" for name in ("bind", "interface", "group", "mappings") if getattr(options, name)]
        if ignored:
            raise WayError(
                f"a gateway runs with {options.config} and has networks and tables: leave {', '.join(ignored)} out"
            )
        yield _Socket(reader, writer, f"through the gateway that runs with {options.config}")
    finally:
        writer.close()


class _Socket:
    """Through the Unix socket of a gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, described: str) -> None:
        self._reader, self._writer = reader, writer
        self.described = described

    async def ask(self, request: Mapping[str, Any], on_event: OnEvent) -> dict[str, Any]:
        """See `Way`."""
        self._write({"api": _VERSION, **request})
        answering = asyncio.ensure_future(self._answer(on_event))
        cancelled = False
        while True:
            try:
                return await asyncio.shield(answering)
            except asyncio.CancelledError:
                if answering.done():
                    raise
                self._write({"api": _VERSION, "do": "cancel"})
                take_back()
                cancelled = True
            except WayError as error:
                if cancelled and str(error) == CANCELLED:
                    raise asyncio.CancelledError from None
                raise

    async def _answer(self, on_event: OnEvent) -> dict[str, Any]:
        try:
            while line := await self._reader.readline():
                answer = json.loads(line)
                if "event" in answer:
                    on_event({name: value for name, value in answer.items() if name != "api"})
                elif "error" in answer:
                    raise WayError(str(answer["error"]))
                else:
                    return dict(answer["result"])
        except (ConnectionError, ValueError) as error:
            raise WayError(f"the gateway broke off: {error}; its log tells why") from error
        raise WayError("the gateway has ended meanwhile; it stops what a command has begun before it ends")

    def _write(self, request: Mapping[str, Any]) -> None:
        self._writer.write(json.dumps(request).encode() + b"\n")


# -- by ourselves


class _Own:
    """Over the network, without a gateway."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        bound = ", ".join(ground.bound.values())
        self.described = f"over the network from {bound}; no gateway runs here"

    async def ask(self, request: Mapping[str, Any], on_event: OnEvent) -> dict[str, Any]:
        """See `Way`."""
        from bridge.gateway.operations import OPERATIONS

        return await OPERATIONS[str(request["do"])](self._ground, request, on_event)


async def _open_ground(options: argparse.Namespace, site: SiteConfig | None, stack: AsyncExitStack) -> Ground:
    """Open the networks: those that the options name, else the configuration's, else what this machine has."""
    from bridge.clock import Clock
    from bridge.echonet.controller import Controller
    from bridge.echonet.turns import Turns
    from bridge.echonet.udp import open_udp
    from bridge.gateway.inspect import Ground
    from bridge.mapping.cache import cache_of_tools
    from bridge.mapping.load import load_mappings

    folder = options.mappings or (site.mappings if site is not None else None)
    mappings = load_mappings(folder, cache=cache_of_tools()).without_sources()
    clock, turns = Clock(), Turns()
    controllers, bound = {}, {}
    for name, bind, interface, group in _networks(options, site):
        try:
            lan = await open_udp(bind, interface=interface, group=group, reuse=False)
        except ConfigError as error:
            raise WayError(f"{error}; if a gateway runs here, name its configuration with --config") from error
        stack.push_async_callback(lan.close)
        controllers[name] = Controller(
            lan,
            clock,
            unique_id=_own_id(),
            gap=_GAP,
            classes=frozenset({*mappings.tables, *mappings.meters}),
            turns=turns,
        )
        stack.push_async_callback(controllers[name].close)
        bound[name] = bind
    return Ground(clock=clock, controllers=controllers, mappings=mappings, bound=bound, site=site)


#: The least time (ms) between two requests to a node, as a gateway has it by default.
_GAP: Final = 100


def _networks(options: argparse.Namespace, site: SiteConfig | None) -> list[tuple[str, str, str | None, str | None]]:
    """Name, own address, interface and group of each network to open."""
    if options.bind:
        return [
            (f"net{number}" if number > 1 else "net", address, options.interface, options.group)
            for number, address in enumerate(dict.fromkeys(options.bind), 1)
        ]
    if site is not None:
        return [(name, one.bind, one.interface, one.group) for name, one in site.networks.items()]
    from bridge.cli.cards import own_addresses, way_to

    unit = getattr(options, "unit", None)
    toward = way_to(unit) if unit else None
    if toward is not None:
        return [("net", toward, options.interface, options.group)]
    cards = own_addresses(options.interface)
    if not cards:
        raise WayError(
            f"{f'the network card {options.interface!r}' if options.interface else 'this machine'} has no IPv4 address "
            "to search from: name one with --bind (IPv6: --bind fe80::1%eth0), or a site with --config"
        )
    return [(card, address, card, options.group) for card, address in cards]


def _own_id() -> bytes:
    """13 bytes of 0x83 that are this machine's, and not those of a gateway on it."""
    import hashlib
    import socket

    return hashlib.sha256(b"ocpp-echonet command at " + socket.gethostname().encode()).digest()[:13]


# -- running a command


def ask_and_tell(
    options: argparse.Namespace,
    request: Mapping[str, Any],
    lines: Callable[[Mapping[str, Any]], list[str]],
    nothing: str,
) -> int:
    """Set or clear something in a running gateway, and print what there is now; `nothing` where there was none to
    clear, which is a failure."""

    async def main(way: Way) -> int:
        result = await way.ask(request, lambda event: None)
        missing = result.get("cleared") is False
        told = [json.dumps(result, ensure_ascii=False)]
        if options.format != "json":
            told = [nothing] * missing + lines(result)
        for line in told:
            print(line)
        return FAILED if missing else OK

    return perform(options, main)


def perform(options: argparse.Namespace, main: Callable[[Way], Awaitable[int]]) -> int:
    """Run a command on its way; its exit code. Ctrl-C ends it in order, and a second one does not hurry it."""
    try:
        return asyncio.run(_perform(options, main))
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more when it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


async def _perform(options: argparse.Namespace, main: Callable[[Way], Awaitable[int]]) -> int:
    task = asyncio.current_task()
    assert task is not None
    times = 0

    def interrupted() -> None:
        nonlocal times
        times += 1
        if times == 1:
            task.cancel()
        else:
            print("ending in order, please wait", file=sys.stderr, flush=True)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupted)
    try:
        async with open_way(options) as way:
            code = await main(way)
        return INTERRUPTED if times else code
    except asyncio.CancelledError:
        take_back()
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def take_back() -> None:
    """A cancellation has been dealt with: what is awaited next must not end at once."""
    task = asyncio.current_task()
    if task is not None:
        while task.cancelling():
            task.uncancel()


def note(text: str) -> None:
    """Something beside the result: for people, so it goes to standard error."""
    print(text, file=sys.stderr, flush=True)
