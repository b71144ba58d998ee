"""A whole gateway as a test laboratory has it on its bench: the station under test, units, networks and power.

This is what `tests/octt/harness.py` stands on, and the only place that knows how a gateway is put together. On virtual
time; the CSMSs are reached in memory or, with `wire`, over real WebSockets on the loopback.

With OCTT_CACHE, a folder, the mapping tables are parsed once for many processes (`mutants.py` starts one per mutant).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import selectors
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bridge.clock import Clock, VirtualLoop
from bridge.gateway.api import ControlApi
from bridge.gateway.config import SiteConfig, StationConfig
from bridge.gateway.gateway import Gateway
from bridge.gateway.stations import dialer_for
from bridge.mapping.cache import DocumentCache
from bridge.mapping.load import load_mappings
from bridge.sim.checker import AifChecker
from bridge.sim.control import SimUnit
from bridge.sim.csms import DemoCsms
from bridge.sim.csms_memory import acceptor
from bridge.sim.lan import SimLan
from bridge.sim.node import SimNode
from bridge.sim.unit import SimUnitConfig
from bridge.station.link import Connection, LinkDown
from bridge.station.link_memory import MemoryConnection
from bridge.station.link_websocket import WebSocketDialer
from bridge.store.sqlite import open_store

STATION = "CS-1"
GATEWAY = "10.0.0.1"
#: The first CSMS's name; others are added by name.
HOME = "csms.example"
#: How long (s, real) a loop on virtual time listens for the wire before it lets time jump.
_PATIENCE = 0.002

_CACHE = os.environ.get("OCTT_CACHE")
_MAPPINGS = load_mappings(cache=DocumentCache(Path(_CACHE)) if _CACHE else None)

#: Changes the site configuration (plain data) before it is read; the folder is the site's own.
SiteEdit = Callable[[dict[str, Any], Path], None]


class WireLoop(VirtualLoop):
    """Virtual time beside real sockets of this process: time jumps only when the wire has been quiet for a moment."""

    def __init__(self) -> None:
        super().__init__()
        jump = self._jumping.select

        def select(timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            patient = timeout is None or timeout > 0
            return (patient and selectors.SelectSelector.select(self._jumping, _PATIENCE)) or jump(timeout)

        self._jumping.select = select  # type: ignore[method-assign]


def run(main: Coroutine[Any, Any, None], *, wire: bool) -> None:
    """Run on virtual time, with real sockets or without."""
    with asyncio.Runner(loop_factory=WireLoop if wire else VirtualLoop) as runner:
        runner.run(main)


@dataclass(frozen=True, slots=True)
class Dial:
    """One attempt of the station to connect: when (monotonic ms) and whither."""

    at: int
    url: str


class BenchDialer:
    """The station's way out, watched. Its `settings` may be replaced as a `WebSocketDialer`'s; in memory their URL's
    host names the CSMS, and the password is looked at as a handshake would."""

    def __init__(self, bench: Bench, real: WebSocketDialer) -> None:
        self._bench, self._real = bench, real

    @property
    def settings(self) -> Any:
        return self._real.settings

    @settings.setter
    def settings(self, settings: Any) -> None:
        self._real.settings = settings

    async def dial(self, subprotocols: tuple[str, ...]) -> Connection:
        bench = self._bench
        bench.dials.append(Dial(bench.clock.monotonic(), self.settings.url))
        if bench.without_network:
            raise LinkDown("there is no network")
        if bench.wire:
            return await self._real.dial(subprotocols)
        csms = bench.csmss.get(urlsplit(self.settings.url).hostname or "")
        if csms is None:
            raise LinkDown(f"no such host: {self.settings.url}")
        if csms.password is not None and csms.password != self.settings.password:
            raise LinkDown("the CSMS answered with HTTP status 401")
        ours, theirs = MemoryConnection.pair(subprotocols[0])
        acceptor(csms, self.settings.identity, LinkDown)(theirs)
        return ours


@dataclass
class Bench:
    """The station under test and everything around it. `start` powers up, `kill` is `kill -9`, `end` is SIGTERM."""

    units: Sequence[SimUnitConfig]
    variables: Mapping[str, Any]
    edit: SiteEdit | None
    wire: bool
    folder: Path
    clock: Clock = field(default_factory=lambda: Clock(seed=5))
    csmss: dict[str, DemoCsms] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    dials: list[Dial] = field(default_factory=list)
    without_network: bool = False
    lives: int = 0

    async def build(self) -> None:
        """The LAN with its units, and the first CSMS; nothing of the gateway yet."""
        self.lan = SimLan(self.clock)
        self.checker = AifChecker(GATEWAY, node_at=self.lan.node_at)
        self.lan.tap(self.checker)
        self.sims = [SimUnit(self.clock, config) for config in self.units]
        self.nodes = []
        for number, sim in enumerate(self.sims):
            node = SimNode(self.clock, f"unit-{number}".encode(), [sim])
            node.attach(self.lan.join(f"10.0.0.{number + 2}"))
            await node.start()
            self.nodes.append(node)
        await self.add_csms(HOME)
        self.site = self._site()
        self._running: asyncio.Task[None] | None = None
        self.gateway: Gateway | None = None

    async def add_csms(self, name: str, **options: Any) -> DemoCsms:
        """One more CSMS, reached at `urls[name]`; `tls` (an SSL context) makes it wss:// on the wire."""
        tls = options.pop("tls", None)
        csms = self.csmss[name] = DemoCsms(self.clock, **options)
        scheme = "ws" if tls is None else "wss"
        if self.wire:
            address = f"127.0.0.{len(self.csmss)}"
            port = await csms.serve(address, tls=tls)
            self.urls[name] = f"{scheme}://{address}:{port}/ocpp"
        else:
            self.urls[name] = f"{scheme}://{name}/ocpp"
        return csms

    def _site(self) -> SiteConfig:
        count = len(self.units)
        site: dict[str, Any] = {
            "config": 1,
            "state_dir": str(self.folder),
            "networks": {"home": {"bind": GATEWAY}},
            "units": {f"unit{n + 1}": {"address": f"10.0.0.{n + 2}"} for n in range(count)},
            "echonet": {"gap": 0},
            "stations": [
                {
                    "id": STATION,
                    "csms": {"url": self.urls[HOME]},
                    "evses": [{"id": n + 1, "unit": f"unit{n + 1}"} for n in range(count)],
                    "variables": dict(self.variables),
                }
            ],
        }
        for number, unit in enumerate(self.units):
            site["units"][f"unit{number + 1}"]["class"] = f"0x{unit.unit_class:04X}"
        if self.edit is not None:
            self.edit(site, self.folder)
        return SiteConfig.model_validate(site)

    async def start(self) -> None:
        """Power up: a gateway on the store that is there. One that ends by itself is started again, as systemd does."""
        started = asyncio.Event()
        self._running = asyncio.ensure_future(self._keep_running(started))
        waits = asyncio.ensure_future(started.wait())
        await asyncio.wait({waits, self._running}, return_when=asyncio.FIRST_COMPLETED)
        waits.cancel()
        if self._running.done():
            self._running.result()

    async def _keep_running(self, started: asyncio.Event) -> None:
        while True:
            store = await open_store(self.folder / "state.db", inline=True)
            self.gateway = await Gateway.build(
                self.site,
                lans={"home": self.lan.join(GATEWAY)},
                dialer_of=self._dialer,
                store=store,
                mappings=_MAPPINGS,
                clock=self.clock,
            )
            self.lives += 1
            started.set()
            await self.gateway.run()
            if self.gateway.ended.is_set():
                return
            await self.clock.sleep(1_000)

    def _dialer(self, config: StationConfig) -> Any:
        return BenchDialer(self, dialer_for(config))

    async def kill(self) -> None:
        """The process is gone from one moment to the next; its connections break."""
        if self._running is None:
            return
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running
        self._running = self.gateway = None
        await asyncio.gather(*(csms.drop(STATION) for csms in self.csmss.values() if csms.connected(STATION)))

    async def end(self) -> None:
        """SIGTERM, and the end of everything else."""
        if self._running is not None and self.gateway is not None:
            self.gateway.ended.set()
            await asyncio.wait_for(self._running, 60)
        for node in self.nodes:
            await node.close()
        for csms in self.csmss.values():
            await csms.close()

    async def api(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One request to the gateway's local API, as it goes over its socket."""
        if self.gateway is None:
            raise ConnectionError("the gateway does not run")
        return await ControlApi(self.gateway).answer(json.dumps({"api": 1, **request}), lambda _: None)


@contextlib.asynccontextmanager
async def bench(units: Sequence[SimUnitConfig], variables: Mapping[str, Any], edit: SiteEdit | None, wire: bool) -> Any:
    """A bench that has been built; the gateway is started by `start`. Cleared away at the end."""
    with tempfile.TemporaryDirectory() as folder:
        here = Bench(units, variables, edit, wire, Path(folder))
        await here.build()
        try:
            yield here
        finally:
            await here.end()
