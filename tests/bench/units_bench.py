"""What 200 units on one LAN cost, how soon their news are decided, and what units in trouble do to the others.

The gateway is a process of its own (`units_site.py`), and so are the units (`unit_nodes.py`); between them is real UDP
on the loopback. Processor time and memory are the gateway's alone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.programs import Program, python
from tests.bench.unit_nodes import node_address

OWN, GROUP = "127.62.9.1", "239.62.9.1"
HERE = Path(__file__).parent
#: The units in trouble: one never answers, one answers garbage, one answers 19 s late.
TROUBLE = {3: "silent", 50: "garbage", 120: "late"}
#: So long (s) a share of the processor, and latencies, are measured; polls come every 10 s.
WINDOW = 20.0
#: Plugging in and out, so many times a second and for so long (s): every unit four times a minute, far beyond any life.
NEWS = 50.0 / 4
NEWS_WINDOW = 40.0


@dataclass(slots=True)
class Site:
    """The two programs."""

    gateway: Program
    nodes: Program
    units: int

    async def ask(self, program: Program, order: dict[str, Any], patience: float = 60) -> Any:
        """One line to a program, and the line that it answers."""
        assert program.process.stdin is not None
        program.process.stdin.write(json.dumps(order).encode() + b"\n")
        await program.process.stdin.drain()
        return await line_of(program, patience)


async def line_of(program: Program, patience: float = 60) -> Any:
    """The next line of a program."""
    assert program.process.stdout is not None
    async with asyncio.timeout(patience):
        line = await program.process.stdout.readline()
    if not line:
        raise AssertionError("a program has ended; its log lies in the folder")
    return json.loads(line)


@asynccontextmanager
async def site(
    folder: Path, units: int, *, trouble: dict[int, str] | None = None, gap: int = 100, time_requests: bool = False
) -> AsyncIterator[Site]:
    """Units and a gateway that has read all of them that can be read."""
    manners = {number: manner for number, manner in (trouble or {}).items() if number < units}
    for_nodes = {"units": units, "group": GROUP, "manners": manners}
    for_gateway = {
        "units": units,
        "good": units - len(manners),
        "own": OWN,
        "group": GROUP,
        "folder": str(_made(folder)),
        "gap": gap,
        "time_requests": time_requests,
    }
    log = folder / "log.txt"
    async with (
        python(str(HERE / "unit_nodes.py"), json.dumps(for_nodes), stderr=log, limit=2**26) as nodes,
        python(str(HERE / "units_site.py"), json.dumps(for_gateway), stderr=log, limit=2**26) as gateway,
    ):
        await line_of(nodes)
        await line_of(gateway)
        yield Site(gateway, nodes, units)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def cost(folder: Path, units: int) -> dict[str, float]:
    """Share of one core, memory (bytes) and Gets of a second, while everything of each unit is read every 10 s."""
    async with site(folder, units) as here:
        await asyncio.sleep(2)  # what the start has piled up
        await here.ask(here.nodes, {"count": True})
        measured = await here.ask(here.gateway, {"measure": WINDOW})
        asked = await here.ask(here.nodes, {"count": True})
        rss = here.gateway.rss
    rounds = WINDOW / 10
    read_often = [sum(count >= int(rounds) for count in told["asked"].values()) for told in asked.values()]
    return {
        "units": units,
        "share": measured["share"],
        "rss": rss,
        "gets_per_s": sum(told["reads"] for told in asked.values()) / WINDOW,
        "properties_read": min(read_often),
    }


async def latencies(folder: Path, units: int, trouble: dict[int, str] | None = None) -> dict[str, dict[str, float]]:
    """Of the units that are not in trouble: how long Gets take, and from an INF in the socket to the decided status."""
    troubled = {node_address(number) for number in trouble or {}}
    async with site(folder, units, trouble=trouble, gap=0, time_requests=True) as here:
        await here.ask(here.gateway, {"latencies": 1})
        told = await here.ask(here.nodes, {"inform": NEWS, "seconds": NEWS_WINDOW})
        await asyncio.sleep(1)
        seen = await here.ask(here.gateway, {"latencies": 1})
        asked = await here.ask(here.nodes, {"count": True})
    assert {address: one["too_early"] for address, one in asked.items() if one["too_early"]} == {}  # AIF 2.4.1
    requests = [took for address, all_of_it in seen["took"].items() if address not in troubled for took in all_of_it]
    assert len(seen["news"]) == told, f"{told} news were sent, {len(seen['news'])} came"
    return {"request_ms": spread(requests), "status_ms": spread(until_decided(seen["news"], seen["decided"]))}


def until_decided(news: list[Any], decided: list[Any]) -> list[float]:
    """How long (s) each plugging in and out took to be the connector's status."""
    taken: dict[tuple[str, str], list[float]] = {}
    for address, status, at in decided:
        taken.setdefault((address, status), []).append(at)
    spans = []
    for address, plugged, at in news:
        status = "Occupied" if plugged else "Available"
        after = [when for when in taken.get((address, status), ()) if when >= at]
        assert after, f"{status} at {address} has never been decided"
        spans.append(min(after) - at)
    return spans


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """A distribution, in ms."""
    ordered = sorted(seconds)
    at = {f"p{per_mille / 10:g}": ordered[len(ordered) * per_mille // 1000] * 1000 for per_mille in (500, 900, 990)}
    return {"count": len(ordered), **at, "max": ordered[-1] * 1000}


async def measure_cost(folder: Path, sizes: Sequence[int] = (50, 100, 200, 400)) -> dict[str, Any]:
    """Cost by number of units; what one more unit costs, between the smallest and the largest site and on the way."""
    found = [await cost(folder / str(units), units) for units in sizes]
    first, last = found[0], found[-1]
    share = {site["units"]: site["share"] for site in found}
    return {
        "sites": found,
        "share_of_200": share[200],
        "share_of_400_to_200": share[400] / share[200],
        "kb_per_unit": (last["rss"] - first["rss"]) / (last["units"] - first["units"]) / 1000,
        "share_per_unit": (last["share"] - first["share"]) / (last["units"] - first["units"]),
    }


async def measure_latencies(folder: Path, units: int = 200) -> dict[str, Any]:
    """All units well, and three in trouble, side by side."""
    well = await latencies(folder / "well", units)
    troubled = await latencies(folder / "troubled", units, TROUBLE)
    return {"units": units, "all_well": well, "three_in_trouble": troubled}
