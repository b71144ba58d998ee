"""`kill -9` at instants drawn over time and over what the gateway does.

After each: no transaction event is lost, none comes out of order, no seqNo is skipped or used twice, and no register
tells energy that has not flowed (`tests/tools/kill_house.py` judges). 10 instants with plain `pytest`, all 200 with
`--soak`. What came of each is written to `build/kill-report.json`.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from bridge.clock import Clock
from tests.tools.forker import ROOT, Forker
from tests.tools.kill_house import Instant, KillHouse, Outcome, draw

SEED = 20_260
#: The phases, those that matter most first, with the passages (or, for time, ms) that one session has.
RANGES = {
    "after-commit": (1, 20),
    "after-answer": (1, 20),
    "time": (1, 9_000),
    "in-commit": (1, 20),
    "after-send": (1, 20),
    "before-commit": (1, 20),
    "before-delete-commit": (1, 20),
    "after-delete": (1, 20),
    "after-write": (1, 8),
    "before-datagram": (5, 120),
    "opening": (1, 1),
    "in-delete-commit": (1, 20),
    "before-send": (1, 20),
    "after-datagram": (5, 120),
    "before-write": (1, 8),
}
#: How long (us) a commit, or the making of the tables, may go on before the kill.
DELAYS = {"in-commit": 4_000, "in-delete-commit": 4_000, "opening": 20_000}
INSTANTS = draw(SEED, RANGES, DELAYS, 200)
#: Gateways at the same time.
AT_ONCE = 10


async def run_all(instants: Sequence[Instant], folder: Path, name: str) -> list[Outcome]:
    """Play the instants, a few beside each other, and write the report."""
    slots, forker, began = asyncio.Semaphore(AT_ONCE), await Forker.open(), Clock().monotonic()
    cache = folder / "cache"
    cache.mkdir()

    async def one(instant: Instant) -> Outcome:
        async with slots:
            place = folder / f"{instant.number:03}"
            place.mkdir()
            return await KillHouse(instant, place, forker, cache).play()

    try:
        outcomes = await asyncio.gather(*(one(instant) for instant in instants))
    finally:
        await forker.close()
    hit = Counter(outcome.instant.phase for outcome in outcomes if outcome.hit)
    report = {
        "seed": SEED,
        "seconds": (Clock().monotonic() - began) / 1000,
        "phases": dict(hit),
        "events": sum(outcome.events for outcome in outcomes),
        "repeated": sum(len(outcome.repeated) for outcome in outcomes),
        "registers": sum(outcome.registers for outcome in outcomes),
        "instants": [outcome.to_json() for outcome in outcomes],
    }
    print({name: value for name, value in report.items() if name != "instants"})
    path = ROOT / "build" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    return outcomes


def faults(outcomes: Sequence[Outcome]) -> list[str]:
    """What went wrong, with the instant that shows it."""
    return [f"{o.instant} ({o.hit}): {fault}" for o in outcomes for fault in o.faults]


async def test_nothing_is_lost_at_ten_instants(tmp_path: Path) -> None:
    outcomes = await run_all(INSTANTS[:10], tmp_path, "kill-report.json")
    assert faults(outcomes) == []
    assert all(outcome.hit for outcome in outcomes)


@pytest.mark.soak
async def test_nothing_is_lost_at_two_hundred_instants(tmp_path: Path) -> None:
    outcomes = await run_all(INSTANTS, tmp_path, "kill-report.soak.json")
    assert faults(outcomes) == []
    assert all(outcome.hit for outcome in outcomes)
    assert {outcome.instant.phase for outcome in outcomes} == set(RANGES)
