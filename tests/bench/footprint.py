"""What the gateway costs before it does anything: memory while idle, and the time from `run` to BootNotification.

Both are compared with a process that imports the same libraries and does nothing else.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from pathlib import Path
from typing import Any

from bridge.clock import Clock
from bridge.sim.checker import AifChecker
from bridge.sim.control import SimUnit
from bridge.sim.node import SimNode
from bridge.sim.udp import open_udp_port
from bridge.sim.unit import SimUnitConfig
from tests.bench.csms import BenchCsms
from tests.bench.programs import foreign, gateway, libraries, loaded, site

OWN, UNIT, GROUP = "127.62.1.1", "127.62.1.2", "239.62.1.1"
#: No gateway needs them: the simulation, other people's OCPP and ECHONET Lite, and what only tests use.
NOT_NEEDED = ("bridge.sim", "bridge.cli.demo_house", "ocpp.v201", "pychonet", "jsonschema", "pytest", "hypothesis")
#: So long (s) a gateway that has found its unit is left alone before its memory is looked at.
IDLE = 3.0
MIB = 1024 * 1024


async def measure(folder: Path, repeats: int = 5) -> dict[str, Any]:
    """Memory in MiB and times in s: medians of several starts, gateway and libraries in turns."""
    clock = Clock(1)
    csms = BenchCsms()
    url = await csms.serve()
    port = await open_udp_port(UNIT, clock, group=GROUP)
    node = SimNode(clock, b"footprint", units=[SimUnit(clock, SimUnitConfig(plugged=True))])
    port.tap(checker := AifChecker(OWN))
    node.attach(port)
    try:
        await _run_once(csms, site(folder / "first", url, OWN, UNIT, GROUP))  # compiles what was never compiled
        modules = loaded(folder / "first" / "site.yaml")
        names = foreign(modules)
        starts, imports, memory, bare = [], [], [], []
        for number in range(repeats):
            async with libraries(names) as (program, took):
                imports.append(took)
                bare.append(program.rss / MIB)
            last = number == repeats - 1
            config = site(folder / str(number), url, OWN, UNIT, GROUP)
            started, held = await _run_once(csms, config, idle=IDLE if last else 0.5)
            starts.append(started)
            memory.append(held / MIB)
    finally:
        await node.close()
        await csms.close()
    checker.assert_clean()
    start, libraries_start = statistics.median(starts), statistics.median(imports)
    return {
        "boot_s": start,
        "import_s": libraries_start,
        "boot_beyond_imports_s": start - libraries_start,
        "rss_mib": memory[-1],
        "libraries_rss_mib": statistics.median(bare),
        "rss_beyond_libraries_mib": memory[-1] - statistics.median(bare),
        "rss_ratio": memory[-1] / statistics.median(bare),
        "not_needed": [name for name in modules if any(name == no or name.startswith(f"{no}.") for no in NOT_NEEDED)],
        "libraries": sorted({name.partition(".")[0] for name in names} - sys.stdlib_module_names),
    }


async def _run_once(csms: BenchCsms, config: Path, idle: float = 0.0) -> tuple[float, int]:
    """One life of a gateway: how long it took to BootNotification (s), and its memory when it has been idle (bytes)."""
    seen = len(csms.calls)
    async with gateway(config) as program:
        _, at = await csms.wait("BootNotification", seen)
        await csms.wait("StatusNotification", seen, connectorStatus="Occupied")  # the unit has been read
        await asyncio.sleep(idle)
        return at - program.born, program.rss
