"""Runs the examples that stand in a meter's table; each source of each measure needs one that it answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from bridge.evse import Reading
from bridge.mapping.decision import View
from bridge.mapping.examples import ExampleError, meter_view
from bridge.mapping.expected import frames, names_of, narrowed, number_of, polls_of
from bridge.mapping.meter import CompiledMeter, MeterSource
from bridge.mapping.metermodel import MeterExampleModel
from bridge.mapping.yamlfile import Path_, Problem, Problems, nearest

#: What may be expected besides measures: the writes that choose a board's channels, the polling plan, what is read at
#: start.
_BESIDE: Final = ("prepare", "polls", "atStart")
#: Words of an example and the measures they are about.
_MEASURES: Final[Mapping[str, str]] = {
    "power": "power",
    "current": "current",
    "voltage": "voltage",
    "energyIn": "energy_in",
    "energyOut": "energy_out",
}


def run_meter_examples(source: MeterSource) -> list[Problem]:
    """All examples that fail, and all sources that no example asks for; empty if all is well."""
    problems, document, table = Problems(), source.document, source.table
    answered: set[tuple[str, str, str]] = set()
    for index, example in enumerate(source.model.examples):
        path: Path_ = ("examples", index)
        try:
            view = meter_view(table, example.given)
        except ExampleError as reason:
            problems.add(document, (*path, "given"), "EXAMPLE", str(reason))
            continue
        for key, expected in example.expect.items():
            where: Path_ = (*path, "expect", key)
            if key not in _BESIDE and key not in _MEASURES:
                text = f'unknown expectation "{key}"{nearest(key, (*_MEASURES, *_BESIDE))}'
                problems.add(document, where, "UNKNOWN-KEY", text, at_key=True)
                continue
            wanted = number_of(expected)
            found, origin = _found(table, view, example, key)
            found = narrowed(found, wanted)
            if found != wanted:
                problems.add(document, where, "EXAMPLE", f"{key} is {found}, not {wanted}")
            elif origin:
                answered.add((_circuit(example), key, origin))
    for path, wanted in _sources(table):
        if wanted not in answered:
            text = f'no example reads {wanted[1]} from "{wanted[2]}"'
            problems.add(document, path, "NO-EXAMPLE", text)
    return sorted(problems.found)


def _found(table: CompiledMeter, view: View, example: MeterExampleModel, key: str) -> tuple[Any, str]:
    """What the table says, and from which source."""
    if key == "prepare":
        return frames(table.prepare(view, example.channel, duplex=example.duplex)), ""
    if key == "polls":
        return polls_of(table, view.release, table.polls(view, example.channel, duplex=example.duplex)), ""
    if key == "atStart":
        return [names_of(table, view.release, request) for request in table.attributes], ""
    measures = table.measures(view, example.channel, duplex=example.duplex)
    reading: Reading | None = getattr(measures, _MEASURES[key])
    return (None, "") if reading is None else (reading.value, reading.origin)


def _circuit(example: MeterExampleModel) -> str:
    if example.channel is None:
        return "measures"
    return "duplex" if example.duplex else "simplex"


def _sources(table: CompiledMeter) -> Iterable[tuple[Path_, tuple[str, str, str]]]:
    circuits = (("measures", table.whole), ("simplex", table.simplex), ("duplex", table.duplex))
    for word, circuit in circuits:
        path: Path_ = ("measures",) if word == "measures" else ("channels", word)
        for key, name in _MEASURES.items():
            for index, source in enumerate((circuit or {}).get(name, ())):
                yield (*path, key, index), (word, key, source.name)
