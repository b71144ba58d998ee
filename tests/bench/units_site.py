"""A gateway with many units, as a program that measures itself: python units_site.py SETTINGS (JSON).

It is `Gateway` itself on a real socket, with a station that has an EVSE for each unit and a CSMS that is not there;
only the plan of the polls is another: every group of it every 10 s. Lines on the standard input and output are JSON:

    {"measure": 20}   processor time of so many s
    {"latencies": 1}  how long (s) requests have taken by unit, and when which news came and which status was decided,
                      since the last time
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections import defaultdict, deque
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from bridge.clock import Clock
from bridge.echonet.udp import open_udp
from bridge.gateway.config import LogConfig, SiteConfig
from bridge.gateway.gateway import Gateway
from bridge.gateway.logs import set_up_logs
from bridge.mapping.load import Mappings, load_mappings
from bridge.station.link import LinkDown
from bridge.store.sqlite import open_store
from tests.bench.unit_nodes import PLUGGED, node_address

POLL = 10_000


class NoCsms:
    """A CSMS that cannot be reached."""

    async def dial(self, _: tuple[str, ...]) -> NoReturn:
        """Never."""
        raise LinkDown("there is none")


def every_ten_seconds(mappings: Mappings) -> Mappings:
    """The same with a plan that reads everything every 10 s, whatever happens."""
    for table in mappings.tables.values():
        table.poll_groups = tuple(replace(group, active=POLL, idle=POLL, announced=POLL) for group in table.poll_groups)
    return mappings


def site(settings: dict[str, Any]) -> SiteConfig:
    """A site with so many units, all on one network, each an EVSE of one station."""
    names = [f"u{number:03}" for number in range(settings["units"])]
    return SiteConfig.model_validate(
        {
            "config": 1,
            "state_dir": settings["folder"],
            "networks": {"home": {"bind": settings["own"], "group": settings["group"]}},
            "units": {name: {"address": node_address(number)} for number, name in enumerate(names)},
            "echonet": {"gap": settings["gap"]},
            "stations": [
                {
                    "id": "BENCH",
                    "csms": {"url": "ws://127.0.0.1:1"},
                    "evses": [{"id": number + 1, "unit": name} for number, name in enumerate(names)],
                }
            ],
        }
    )


class Arrivals(deque[Any]):
    """Stands for what has been taken from the group's socket; notes when the system got each notification."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[tuple[str, bool, float]] = []

    def append(self, datagram: Any) -> None:
        """One more: when, what, and where from."""
        (seconds, nanoseconds), data, source = datagram
        if data[10] == 0x73 and data[12] == 0xC7:
            self.came.append((source[0], data[14:] == PLUGGED, seconds + nanoseconds / 1e9))
        super().append(datagram)


class Watch:
    """Notes what a run is asked for."""

    def __init__(self, gateway: Gateway, lan: Any) -> None:
        self.gateway = gateway
        self.news = lan._inboxes[1].taken = Arrivals()
        self.took: dict[str, list[float]] = defaultdict(list)
        self.decided: list[tuple[str, str, float]] = []
        station = gateway.stations["BENCH"]
        for number, runner in enumerate(gateway.units.runners.values()):
            runner.unit.listen(self._listener(station, number + 1, node_address(number)))

    def _listener(self, station: Any, evse_id: int, address: str) -> Any:
        last: list[Any] = [None]

        def changed(*_: object) -> None:
            status = station.availability.status(evse_id)
            if status is not last[0]:
                last[0] = status
                self.decided.append((address, str(status), time.time()))  # the clock of the system's time stamps

        return changed

    def time_requests(self) -> None:
        """Note how long each Get takes from the moment it is wanted; not while the processor is measured."""
        controller: Any = self.gateway.units.controllers["home"]
        get = controller.get

        async def timed(address: str, *args: Any, **more: Any) -> Any:
            began = time.perf_counter()
            try:
                return await get(address, *args, **more)
            finally:
                self.took[address].append(time.perf_counter() - began)

        controller.get = timed

    def reachable(self) -> int:
        """How many units have been read."""
        return sum(runner.unit.observed.reachable for runner in self.gateway.units.runners.values())


def tell(what: Any) -> None:
    """One line."""
    print(json.dumps(what), flush=True)


async def measure(seconds: float) -> dict[str, float]:
    """What this process does in so many s."""
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    wall, spent = time.perf_counter() - began, time.process_time() - cpu
    return {"wall_s": wall, "cpu_s": spent, "share": spent / wall}


async def main(settings: dict[str, Any]) -> None:
    """Serve until the standard input ends."""
    clock = Clock(1)
    set_up_logs(LogConfig(level="warning"))
    config = site(settings)
    lan = await open_udp(settings["own"], group=settings["group"])
    store = await open_store(Path(settings["folder"]) / "store.sqlite3")
    mappings = every_ten_seconds(load_mappings().without_sources())
    gateway = await Gateway.build(
        config, lans={"home": lan}, dialer_of=lambda _: NoCsms(), store=store, mappings=mappings, clock=clock
    )
    watch = Watch(gateway, lan)
    if settings["time_requests"]:
        watch.time_requests()
    gc.collect()
    gc.freeze()
    running = asyncio.ensure_future(gateway.run())
    while watch.reachable() < settings["good"] and not running.done():  # noqa: ASYNC110 - it has no one event
        await asyncio.sleep(0.1)
    tell({"reachable": watch.reachable()})
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        if "measure" in order:
            tell(await measure(order["measure"]))
        else:
            tell({"took": watch.took, "news": watch.news.came, "decided": watch.decided})
            watch.took.clear()
            watch.news.came.clear()
            watch.decided.clear()
    gateway.ended.set()
    await running


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
