"""Which rows, gates and ways of a table are the answer of which examples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bridge.evse import Mode
from bridge.mapping.examples import ExampleError, Outcome, outcomes_of
from bridge.mapping.table import TableSource


@dataclass(frozen=True)
class Tested:
    """A row, gate or way, and the places (`file:line`) of the examples that it answers."""

    label: str
    place: str
    examples: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {"row": self.label, "place": self.place, "examples": list(self.examples)}


def tested_rows(source: TableSource) -> Iterator[Tested]:
    """All of a table, in the order of its file. Examples that are broken answer nothing."""
    answered = _answered(source)
    for label, rule in _rules(source):
        yield Tested(label, rule.rpartition(" ")[0], tuple(answered.get(rule, ())))


def _answered(source: TableSource) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for index, example in enumerate(source.model.examples):
        try:
            rules = {rule for outcome in outcomes_of(source, example) for rule in _deciding(outcome, example.expect)}
        except ExampleError:
            continue
        place = source.document.place(("examples", index))
        for rule in rules:
            if place not in found[rule]:
                found[rule].append(place)
    return found


def _deciding(outcome: Outcome, expect: dict[str, Any]) -> Iterator[str]:
    """The rules behind what an example expects."""
    decision, answer = outcome.decision, outcome.answer
    if "plug" in expect:
        yield decision.plug.rule
    if "connector" in expect:
        yield decision.connector.rule
    if "chargingState" in expect:
        yield decision.charging_state.rule
    if expect.keys() & {"writes", "otherwise", "mode", "way", "refused", "ask", "confirmed"}:
        yield answer.rule


def _rules(source: TableSource) -> Iterator[tuple[str, str]]:
    """What each is called, and its rule (`file:line id`)."""
    table = source.table
    sections = (
        ("plug", table.plug_rows),
        ("StatusNotification", table.status_rows),
        ("chargingState", table.charging_rows),
    )
    for section, rows in sections:
        yield from ((f"{section}/{row.id}", row.answer.rule) for row in rows)
    for mode in Mode:
        setpoint = table.setpoints.get(mode)
        if setpoint is not None:
            rules = [*(gate.rule for gate in setpoint.requires), *(way.rule for way in setpoint.ways)]
            yield from ((f"setpoints/{mode}/{rule.rpartition(' ')[2]}", rule) for rule in rules)
