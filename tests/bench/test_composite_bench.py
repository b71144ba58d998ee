"""The composite schedule's bounds. Runs with `pytest --bench`, on a machine that does nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench import composite_bench

pytestmark = pytest.mark.bench

REPORT = Path(__file__).parents[2] / "build" / "bench.json"


def test_a_day_of_fifty_profiles_is_composed_in_five_milliseconds() -> None:
    figures = composite_bench.measure()
    REPORT.parent.mkdir(exist_ok=True)
    known = json.loads(REPORT.read_text()) if REPORT.exists() else {}
    REPORT.write_text(json.dumps(known | {"composite": figures}, indent=1) + "\n")
    assert figures["stacked"][50]["wall_ms"] <= 5
    # Nobody is answered 4,800 periods (MOST_EDGES); to find them takes no longer all the same.
    assert figures["seen"][50]["wall_ms"] <= 5
    for name in ("stacked", "seen"):
        assert figures[f"{name}-growth"]["exponent"] <= figures[f"{name}-growth"]["n_log_n"] + 0.1
