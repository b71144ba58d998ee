"""How long all shipped mappings take to load and compile in a fresh process, and what memory that takes.

`none`: without a cache; `cold`: with one that is empty; `cached`: with one that holds everything. `one_*` is the same
for a gateway that has only units of class 0x027E. Imports are not counted, but for those that only parsing needs.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
from pathlib import Path
from typing import Any

from tests.bench.programs import ROOT

REPEATS = 5
_PROGRAM = """
import json, resource, sys, time
from pathlib import Path
from bridge.gateway.config import load_config
from bridge.mapping.cache import DocumentCache
from bridge.mapping.load import load_mappings

def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20

before = rss()
started = time.perf_counter()
cache = DocumentCache(Path(sys.argv[1])) if sys.argv[1] else None
mappings = load_mappings(None, {0x027E} if sys.argv[2] else None, cache)
took = time.perf_counter() - started
print(json.dumps({
    "seconds": took,
    "mib": rss() - before,
    "tables": len(mappings.tables) + len(mappings.meters),
    "trouble": cache.trouble if cache else None,
}))
"""


async def measure(folder: Path) -> dict[str, Any]:
    """By way the least seconds (more are the neighbours') and the median MiB, in processes of their own, in turns."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for number in range(REPEATS):
        for prefix, only in (("", ""), ("one_", "x")):
            place = str(folder / f"{prefix}{number}")
            for way, cache in (("none", ""), ("cold", place), ("cached", place)):
                runs.setdefault(prefix + way, []).append(await _load(cache, only))
    found: dict[str, Any] = {"tables": runs["none"][0]["tables"], "troubles": []}
    for way, results in runs.items():
        found[f"{way}_s"] = min(run["seconds"] for run in results)
        found[f"{way}_mib"] = statistics.median(run["mib"] for run in results)
        found["troubles"] += [run["trouble"] for run in results if run["trouble"]]
    return found


async def _load(cache: str, only: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROGRAM, cache, only, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(out)
    return found
