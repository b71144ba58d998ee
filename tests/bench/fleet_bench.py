"""What 25 to 200 stations in one gateway cost while every one of them has a transaction running.

Three programs: the gateway (`ocpp-echonet run`, as it is shipped), the units (`unit_nodes.py`, real UDP on the
loopback) and a strict CSMS (`fleet_csms.py`, real WebSockets). Each station has a link, a queue, a device model and
one EVSE with a unit behind it. Processor time and memory are those of the gateway's process and hold both sides: the
station, and the unit that it polls (whose share `units_bench` measures by itself).
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.programs import Program, gateway, python
from tests.bench.unit_nodes import node_address
from tests.bench.units_bench import line_of

OWN, GROUP = "127.62.9.2", "239.62.9.2"
HERE = Path(__file__).parent
PASSWORD = "of-"
#: After the starts units are watched more closely for 30 s; from then on (s) transactions just run.
_STARTED = 40.0
KIB = 1024
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Plan:
    """A fleet: how many, over what, how often each tells its meter values (s), and how far apart (ms) the requests to
    one unit are at least."""

    stations: int
    tls: bool = False
    compression: bool = False
    interval: int = 60
    units: bool = True
    gap: int = 100
    variables: tuple[tuple[str, Any], ...] = ()


@dataclass(slots=True)
class Fleet:
    """The programs of a run."""

    plan: Plan
    gateway: Program
    csms: Program
    nodes: Program | None = None

    async def ask(self, order: dict[str, Any], patience: float = 120) -> Any:
        """One line to the CSMS, and the line that it answers."""
        return await _ask(self.csms, order, patience)

    async def set_at(self, epc: int) -> list[float]:
        """When each unit's setting was last written (s since 1970)."""
        assert self.nodes is not None
        counted = await _ask(self.nodes, {"count": True}, 60)
        return [counted[node_address(number)]["set_at"][f"{epc:02X}"] for number in range(self.plan.stations)]

    async def told(self) -> dict[str, Any]:
        """What has come of all stations; nothing of it may be wrong."""
        told: dict[str, Any] = await self.ask({"told": True})
        assert told["faults"] == [], told["faults"]
        return told

    async def until(self, what: str, at_least: int, patience: float = 120) -> None:
        """Wait until every station has told so many of something."""
        async with asyncio.timeout(patience):
            while True:
                stations = (await self.told())["stations"].values()
                if len(stations) == self.plan.stations and all(one[what] >= at_least for one in stations):
                    return
                await asyncio.sleep(0.5)

    @property
    def cpu(self) -> float:
        """Processor time of the gateway so far, user and system (s)."""
        fields = Path(f"/proc/{self.gateway.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    @property
    def pss(self) -> int:
        """What the gateway holds of the memory, with its share of what it shares (bytes)."""
        lines = Path(f"/proc/{self.gateway.process.pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) * KIB for line in lines if line.startswith("Pss:"))


async def _ask(program: Program, order: dict[str, Any], patience: float) -> Any:
    assert program.process.stdin is not None
    program.process.stdin.write(json.dumps(order).encode() + b"\n")
    await program.process.stdin.drain()
    return await line_of(program, patience)


@asynccontextmanager
async def fleet(folder: Path, plan: Plan) -> AsyncIterator[Fleet]:
    """Stations that are all connected, with a transaction running at each."""
    log = _made(folder) / "programs.txt"
    for_nodes = {"units": plan.stations, "group": GROUP, "manners": {}}
    for_csms = {"password": PASSWORD, "tls": plan.tls, "compression": plan.compression}
    nodes_run = None
    async with AsyncExitStack() as stack:
        if plan.units:
            nodes = python(str(HERE / "unit_nodes.py"), json.dumps(for_nodes), stderr=log, limit=2**26)
            await line_of(nodes_run := await stack.enter_async_context(nodes))
        listening = python(str(HERE / "fleet_csms.py"), json.dumps(for_csms), stderr=log, limit=2**26)
        csms = await stack.enter_async_context(listening)
        told = await line_of(csms)
        config = _configuration(folder, plan, told["url"], told["root"])
        here = Fleet(plan, await stack.enter_async_context(_program(plan, config)), csms, nodes_run)
        await here.until("occupied", 1)  # the unit has been read
        accepted = await here.ask({"start": True})
        assert accepted == plan.stations, f"{accepted} of {plan.stations} have started"
        await here.until("with_values", 1)
        yield here


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _program(plan: Plan, config: Path) -> AbstractAsyncContextManager[Program]:
    """The gateway, or its northern half."""
    if plan.units:
        return gateway(config)
    return python(str(HERE / "fleet_site.py"), str(config), stderr=config.with_name("log.txt"))


def _configuration(folder: Path, plan: Plan, url: str, root: str) -> Path:
    """As a person would write it: a unit, a station and a password for each home."""
    names = [f"S{number:03}" for number in range(plan.stations)]
    csms: dict[str, Any] = {"url": url, "security_profile": 2 if plan.tls else 1, "compression": plan.compression}
    if plan.tls:
        (folder / "root.pem").write_text(root)
        csms["ca_file"] = "root.pem"
    for name in names:
        secret = folder / f"{name}.password"
        secret.write_text(PASSWORD + name)
        secret.chmod(0o600)
    variables = {"SampledDataCtrlr.TxUpdatedInterval": plan.interval, **dict(plan.variables)}
    site = {
        "config": 1,
        "state_dir": "state",
        "networks": {"home": {"bind": OWN, "group": GROUP}},
        "echonet": {"gap": plan.gap},
        "units": {name: {"address": node_address(number)} for number, name in enumerate(names)},
        "stations": [
            {
                "id": name,
                "csms": {**csms, "password_file": f"{name}.password"},
                "evses": [{"id": 1, "unit": name}],
                "variables": variables,
            }
            for name in names
        ],
    }
    path = folder / "site.yaml"
    path.write_text(json.dumps(site))  # JSON is YAML too
    return path


async def cost(folder: Path, plan: Plan, window: float) -> dict[str, Any]:
    """Share of one core over `window` (s) and memory (bytes) at its end."""
    async with fleet(folder, plan) as here:
        await asyncio.sleep(_STARTED)
        before, cpu, began = await here.told(), here.cpu, time.monotonic()
        await asyncio.sleep(window)
        spent, wall = here.cpu - cpu, time.monotonic() - began
        after = await here.told()
        rss, pss = here.gateway.rss, here.pss
    sampled = [after["stations"][name]["sampled"] - told["sampled"] for name, told in before["stations"].items()]
    return {
        "stations": plan.stations,
        "wall_s": wall,
        "cpu_s": spent,
        "share": spent / wall,
        "rss": rss,
        "pss": pss,
        "fewest_samples": min(sampled),
        "calls_per_s": sum(one["calls"] for one in after["stations"].values()) / wall
        - sum(one["calls"] for one in before["stations"].values()) / wall,
        "connected": after["connected"],
    }


async def measure(folder: Path, sizes: Sequence[int] = (1, 25, 50, 100, 200), window: float = 60.0) -> dict[str, Any]:
    """Fleets of these sizes over ws:// and wss://, and the smallest and the largest without what units take.

    In a window of 60 s every station tells its values once, and everything of a unit that is active is read.
    """
    found: dict[str, Any] = {}
    for name, plan, of in (
        ("ws", Plan(0), sizes),
        ("wss", Plan(0, tls=True), sizes),
        ("north_ws", Plan(0, units=False), (sizes[0], sizes[-1])),
        ("north_wss", Plan(0, units=False, tls=True), (sizes[0], sizes[-1])),
    ):
        sites = [await cost(folder / f"{name}-{stations}", replace(plan, stations=stations), window) for stations in of]
        first, last = sites[0], sites[-1]
        for site in sites[1:]:
            site["kib_per_station"] = (site["rss"] - first["rss"]) / (site["stations"] - first["stations"]) / KIB
        found[name] = {"sites": sites, "share": last["share"], "kib_per_station": last["kib_per_station"]}
    return found


def spread(times: Sequence[float]) -> dict[str, float]:
    """Finishing times (s)."""
    ordered = sorted(times)
    return {"first": ordered[0], "p50": ordered[len(ordered) // 2], "last": ordered[-1]}


async def outage(folder: Path, slow: dict[str, int], stations: int = 200, events: int = 100) -> dict[str, Any]:
    """The CSMS goes away until every station has `events` in its queue, and comes back; `slow` are stations that it
    answers only after so long (ms). When each has delivered what happened meanwhile, by its own connection."""
    plan = Plan(stations, interval=1, units=False, variables=_IMPATIENT)
    async with fleet(folder, plan) as here:
        for name, milliseconds in slow.items():
            await here.ask({"slow": name, "ms": milliseconds})
        await here.ask({"dark": True})
        cpu, began = here.cpu, time.monotonic()
        await asyncio.sleep(events * 1.25)  # one event a second, but a machine that is busy elsewhere loses some
        dark_s, dark_cpu = time.monotonic() - began, here.cpu - cpu
        await here.ask({"dark": False})
        cpu, back = here.cpu, time.monotonic()
        told = await _all_delivered(here, patience=events * max(slow.values(), default=0) / 1000 + 180)
        deliver_cpu = here.cpu - cpu
    per_station = {
        name: one["last_offline_at"] - one["booted_at"] for name, one in told["stations"].items() if name not in slow
    }
    ended = [one["last_offline_at"] for name, one in told["stations"].items() if name not in slow]
    return {
        "stations": stations,
        "queued_at_least": min(one["offline"] for one in told["stations"].values()),
        "enqueued_per_s": sum(one["offline"] for one in told["stations"].values()) / dark_s,
        "share_while_dark": dark_cpu / dark_s,
        "cpu_ms_per_delivered": deliver_cpu * 1000 / sum(one["offline"] for one in told["stations"].values()),
        "from_connection_s": spread(list(per_station.values())),
        "all_s": max(ended) - told["back_at"],
        "slow_s": {
            name: told["stations"][name]["last_offline_at"] - told["stations"][name]["booted_at"] for name in slow
        },
        "repeats": sum(one["repeats"] for one in told["stations"].values()),
        "waited_s": time.monotonic() - back,
    }


#: The CSMS is dialled every 5 to 10 s, so that what is measured is the delivery.
_IMPATIENT = (
    ("OCPPCommCtrlr.RetryBackOffWaitMinimum", 5),
    ("OCPPCommCtrlr.RetryBackOffRandomRange", 5),
    ("OCPPCommCtrlr.RetryBackOffRepeatTimes", 0),
)


async def _all_delivered(here: Fleet, patience: float) -> dict[str, Any]:
    """Until every station has told something that happened after it was connected again: the rest stood before it."""
    async with asyncio.timeout(patience):
        while True:
            told = await here.told()
            if told["connected"] == here.plan.stations and all(
                one["offline"] and one["newest"] > one["connected_at"] for one in told["stations"].values()
            ):
                return told
            await asyncio.sleep(1)


async def edges(folder: Path, gap: int, stations: int = 200, apart: float = 0.1) -> dict[str, Any]:
    """How late (ms) the edge of a schedule reaches the unit, with all stations in the process and a transaction at
    each; the edges come one after the other, and once all at the same instant. With a gap, a unit that has just been
    asked something waits for it."""
    async with fleet(folder, Plan(stations, gap=gap)) as here:
        names = [f"S{number:03}" for number in range(stations)]
        # All booted in one second, so that the answers were slow: each asks for the time once more.
        beats = {name: {"requestedMessage": "Heartbeat"} for name in names}
        assert await here.ask({"call": "TriggerMessage", "with": beats}) == stations
        await asyncio.sleep(5)
        return {
            "stations": stations,
            "one_by_one_ms": await _late(here, names, apart, 4000),
            "at_once_ms": await _late(here, names, 0.0, 3000),
        }


async def _late(here: Fleet, names: Sequence[str], apart: float, watts: int) -> dict[str, float]:
    """Lower the limit of each at its own time."""
    first = time.time() + 20
    times = [round(first + number * apart, 3) for number in range(len(names))]
    profiles = {name: _lowered(at, watts) for name, at in zip(names, times, strict=True)}
    assert await here.ask({"call": "SetChargingProfile", "with": profiles}) == len(names)
    assert time.time() < first - 5, "the profiles came too late for this"
    await asyncio.sleep(times[-1] + 3 - time.time())
    late = sorted((at - due) * 1000 for at, due in zip(await here.set_at(0xEB), times, strict=True))
    return {"first": late[0], "p50": late[len(late) // 2], "p95": late[len(late) * 95 // 100], "last": late[-1]}


def _lowered(at: float, watts: int) -> dict[str, Any]:
    """To `watts` at a time (s since 1970), a minute after 1000 W more."""
    start = datetime.fromtimestamp(at - 60, UTC).isoformat(timespec="milliseconds")
    periods = [{"startPeriod": 0, "limit": watts + 1000}, {"startPeriod": 60, "limit": watts}]
    schedule = {"id": 1, "chargingRateUnit": "W", "startSchedule": start, "chargingSchedulePeriod": periods}
    profile = {"id": 1, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile"}
    return {
        "evseId": 1,
        "chargingProfile": profile | {"chargingProfileKind": "Absolute", "chargingSchedule": [schedule]},
    }
