"""How long connector status and charging state of one unit take by the table of 0x027E, beside an if-ladder.

Both are asked the same about the same views: those of all examples of the table, and variations of them in which one
fact is missing, older, notified or another. They must give the same answers.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bridge.evse import Mode
from bridge.mapping.context import Context, Decoder
from bridge.mapping.decide import first_row
from bridge.mapping.decision import View
from bridge.mapping.examples import view_of
from bridge.mapping.load import load_mappings
from bridge.mapping.table import CompiledTable
from tests.bench.decision_ladder import Answer, decide

CLASS = 0x027E
ROUNDS = 400
VARIATIONS = 4_000


def measure() -> dict[str, Any]:
    """Medians over all views of the median time (us) of one decision, the ratio, and the whole `Table.decide`."""
    source = next(source for source in load_mappings().sources if source.table.class_code == CLASS)
    table, by_hand = source.table, Decoder(source.table.device).decode
    views = [view_of(source, example) for example in source.model.examples]

    def by_table(view: View) -> Answer:
        return answer(table, view)

    def by_ladder(view: View) -> Answer:
        return decide(by_hand, view)

    different = [view for view in everything(views) if by_table(view) != by_ladder(view)]
    times = _medians({"table": by_table, "ladder": by_ladder, "whole": table.decide}, views)
    ours, peer = statistics.median(times["table"]), statistics.median(times["ladder"])
    return {
        "views": len(views),
        "different_answers": len(different),
        "table_us": ours,
        "table_us_p90": statistics.quantiles(times["table"], n=10)[-1],
        "ladder_us": peer,
        "ladder_us_p90": statistics.quantiles(times["ladder"], n=10)[-1],
        "ratio": ours / peer,
        "ratio_of_sums": sum(times["table"]) / sum(times["ladder"]),
        "with_measures_us": statistics.median(times["whole"]),
    }


def answer(table: CompiledTable, view: View) -> Answer:
    """What the table says, and nothing else: no measures, no fault's text, no request."""
    context = Context(table, view)
    connector: Any = first_row(table.status_rows, context).answer.value
    charging: Any = first_row(table.charging_rows, context).answer.value
    return connector, charging


def everything(views: Sequence[View]) -> Iterator[View]:
    """Those of the examples, and variations."""
    yield from views
    yield from varied(views)


def varied(views: Sequence[View]) -> Iterator[View]:
    """Views beside the examples, always the same ones."""
    dice = random.Random(1)
    edts = sorted({(epc, fact.edt) for view in views for epc, fact in view.facts.items()})
    everything = sorted({epc for epc, _ in edts})
    for _ in range(VARIATIONS):
        view = dice.choice(views)
        facts = dict(view.facts)
        for epc in dice.sample(everything, 3):
            other = dice.choice([edt for code, edt in edts if code == epc])
            like = next(iter(facts.values()), None)
            if dice.random() < 0.3 or like is None:
                facts.pop(epc, None)
            else:
                at = view.now - dice.choice((0, 0, 61_000, 181_000, 201_000))
                facts[epc] = replace(like, edt=other, at=at, notified=dice.random() < 0.2)
        yield replace(view, facts=facts, **_otherwise(view, dice))


def _otherwise(view: View, dice: random.Random) -> Mapping[str, Any]:
    wanted = replace(
        view.wanted,
        mode=dice.choice(list(Mode)),
        authorized=dice.random() < 0.9,
        target=dice.choice((None, view.wanted.target, 0, 500, 3_000_000, -3_000_000)),
        charge_bound=dice.choice((None, None, 2_000_000)),
    )
    return {
        "wanted": wanted,
        "release": dice.choice((view.release, "D", "F", "G", "M", "N", "P", "R")),
        "confirmed": dice.random() < 0.5,
        "contested": dice.random() < 0.1,
        "foreign": dice.random() < 0.2,
        "settable": dice.choice((view.settable, frozenset(), frozenset({0xEB, 0xEC}), frozenset({0xED, 0xEE, 0xCD}))),
    }


def _medians(ways: Mapping[str, Callable[[View], object]], views: Sequence[View]) -> dict[str, list[float]]:
    """For each way the median (us) of each view; all ways in turns, so that all have the same neighbours."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for view in views:
        took: dict[str, list[int]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                started = time.perf_counter_ns()
                way(view)
                took[name].append(time.perf_counter_ns() - started)
        for name, each in took.items():
            found[name].append(statistics.median(each) / 1000)
    return found
