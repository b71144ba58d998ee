"""What the product's own modules hold, by tracemalloc: a worker's other threads allocate too, at any time."""

from __future__ import annotations

import gc
import tracemalloc


def held(*modules: str) -> int:
    """Bytes that these modules (`*/bridge/station/*`) allocated since the tracing began, and that are held still."""
    gc.collect()
    theirs = [tracemalloc.Filter(True, pattern) for pattern in modules]
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces(theirs).traces)
