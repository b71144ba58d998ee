"""A CSMS that is away for long: everything is kept, and delivered in order. The whole week: `tests/bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.clock import run_virtual
from tests.tools.long_offline import long_offline

HOUR = 60


@pytest.mark.parametrize(("minutes", "killed"), [(12 * HOUR, False), (2 * HOUR, True)])
def test_hours_offline_are_delivered_whole_and_in_order(tmp_path: Path, minutes: int, killed: bool) -> None:
    path = tmp_path / "store.sqlite3" if killed else Path(":memory:")
    found: dict[str, Any] = run_virtual(long_offline(path, minutes, killed=killed))
    assert found["faults"] == []  # no number skipped or twice, no time that goes back, `offline` where it belongs
    assert found["waiting"] >= minutes
    assert found["restored"] >= found["waiting"]
    assert found["offline"] >= found["waiting"]
    assert found["values"] >= minutes
    assert found["last_number"] == found["events"] - 1
    assert (found["left"], found["repeats"]) == ([], 0)
