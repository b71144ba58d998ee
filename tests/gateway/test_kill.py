"""`kill -9` at instants drawn over time and over what the gateway does: no transaction event is lost, none is invented.

10 instants with plain `pytest`, all 50 with `--soak`. What came of each is written to `build/kill-report.json`.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.tools.kill_house import ROOT, Instant, KillHouse, Outcome, draw

SEED = 20_260
#: The phases, those that matter most first, with the passages (or, for time, ms) that one session has.
RANGES = {
    "after-commit": (1, 12),
    "after-answer": (1, 12),
    "time": (700, 12_000),
    "after-send": (1, 12),
    "before-commit": (1, 12),
    "before-delete-commit": (1, 12),
    "after-delete": (1, 12),
    "after-write": (1, 8),
    "before-datagram": (5, 120),
    "before-send": (1, 12),
    "after-datagram": (5, 120),
    "before-write": (1, 8),
}
INSTANTS = draw(SEED, RANGES, 50)
#: Gateways at the same time.
AT_ONCE = 10


async def run_all(instants: Sequence[Instant], folder: Path, name: str) -> list[Outcome]:
    """Play the instants, a few beside each other, and write the report."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(instant: Instant) -> Outcome:
        async with slots:
            place = folder / f"{instant.number:02}"
            place.mkdir()
            return await KillHouse(instant, place).play()

    outcomes = await asyncio.gather(*(one(instant) for instant in instants))
    hit = Counter(outcome.instant.phase for outcome in outcomes if outcome.hit)
    report = {"seed": SEED, "phases": dict(hit), "instants": [outcome.to_json() for outcome in outcomes]}
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
async def test_nothing_is_lost_at_fifty_instants(tmp_path: Path) -> None:
    outcomes = await run_all(INSTANTS, tmp_path, "kill-report.json")
    assert faults(outcomes) == []
    assert {outcome.instant.phase for outcome in outcomes if outcome.hit} == set(RANGES)
