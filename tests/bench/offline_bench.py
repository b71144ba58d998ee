"""Seven days without a CSMS at 60 s values: what is kept, what that takes, and what is delivered afterwards."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from bridge.clock import run_virtual
from bridge.station.backlog import Backlog
from bridge.station.shedding import Worth
from bridge.store.port import QueuedEvent
from tests.tools.long_offline import long_offline

#: In minutes; beside their values there are those of every quarter of an hour.
A_WEEK = 7 * 24 * 60
_KIB = 1024


def measure(folder: Path) -> dict[str, Any]:
    """A week on a store on disk (virtual time, each event durable), delivered by the same life and by the next one."""
    return {
        "week": run_virtual(long_offline(folder / "week.sqlite3", A_WEEK)),
        "week_then_killed": run_virtual(long_offline(folder / "killed.sqlite3", A_WEEK, killed=True)),
        "kib_of_a_week_in_memory": _in_memory() / _KIB,
    }


def _in_memory() -> int:
    """What a queue of a week holds beside the store (bytes)."""
    backlog = Backlog()
    for number in range(A_WEEK + A_WEEK // 15):
        backlog.append(QueuedEvent(number, "t" * 36, number, "x" * 480), Worth.VALUES)
    return sum(sys.getsizeof(part) for part in vars(backlog).values())
