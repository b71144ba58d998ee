"""How long the table of 0x027E takes to decide, for a unit that charges under a limit."""

from __future__ import annotations

import timeit
from collections.abc import Callable

from bridge.mapping.decision import View
from bridge.mapping.examples import view_of
from bridge.mapping.load import load_mappings

ROUNDS = 2_000
REPEATS = 7


def measure() -> dict[str, float]:
    """Time (µs) over all examples of one decision (plug, status, state, measures) and of one recipe."""
    source = load_mappings().sources[0]
    views = [view_of(source, example) for example in source.model.examples]
    table = source.table

    def micros(work: Callable[[View], object]) -> float:
        rounds = max(ROUNDS // len(views), 1)
        return (
            min(timeit.repeat(lambda: [work(view) for view in views], number=rounds, repeat=REPEATS))
            / (rounds * len(views))
            * 1e6
        )

    return {"decide_us": micros(table.decide), "recipe_us": micros(table.recipe)}
