"""Runs the examples that stand in a table: each one is a test, and every row needs one.

An example gives a situation by names (`chargeDischargeStatus: chargeable`) or by frames (`"C7=43"`), perhaps a message
that is received, and what is expected of it: `bridge.mapping.given` and `bridge.mapping.expected` have the words. What
it does not give is as in the table's `exampleUnit`. Several values in a list (`equipmentType: [ac_cplt,
ac_hlc_charge]`, `release: G-M`) are so many examples in one: each has to be answered so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from bridge.mapping.decide import TableGapError
from bridge.mapping.decision import Decision, Recipe, Refusal, View
from bridge.mapping.expected import EXPECTED, Outcome, id_of, narrowed, number_of
from bridge.mapping.given import ExampleError, Situation, cases_of, give, listed, take, wants
from bridge.mapping.identity import Identity, told
from bridge.mapping.meter import CompiledMeter
from bridge.mapping.model import ExampleModel
from bridge.mapping.steps import ImpossibleError
from bridge.mapping.table import CompiledTable, TableSource
from bridge.mapping.yamlfile import Document, Path_, Problem, Problems, nearest

__all__ = [
    "ExampleError",
    "Outcome",
    "meter_view",
    "outcome_of",
    "outcome_of_view",
    "outcomes_of",
    "run_examples",
    "view_of",
]


def view_of(source: TableSource, example: ExampleModel) -> View:
    """The view that an example describes; of one that stands for several the first.

    Raises:
        ExampleError: it names something that does not exist.
    """
    return _situation(source, next(cases_of(example))[1]).build()


def _situation(source: TableSource, example: ExampleModel) -> Situation:
    situation = Situation(source.table)
    give(situation, source.model.example_unit)
    if example.receive is not None:
        situation.wanted |= {"authorized": True, "in_transaction": True}
        for message, payload in example.receive.items():
            situation.wanted |= wants(source.model, message, payload)
    take(situation, listed(example.given))
    return situation


def meter_view(table: CompiledMeter, given: Iterable[Any]) -> View:
    """The view that an example of a meter describes.

    Raises:
        ExampleError: it names something that does not exist.
    """
    situation = Situation(table)
    take(situation, given)
    return situation.build()


def outcome_of(source: TableSource, example: ExampleModel) -> Outcome:
    """Let the table answer an example; of one that stands for several the first.

    Raises:
        ExampleError: it names something that does not exist.
    """
    return next(outcomes_of(source, example))


def outcomes_of(source: TableSource, example: ExampleModel) -> Iterator[Outcome]:
    """Let the table answer each case of an example.

    Raises:
        ExampleError: it names something that does not exist.
    """
    for _, case in cases_of(example):
        yield _outcome(source, case)


def _outcome(source: TableSource, case: ExampleModel) -> Outcome:
    situation = _situation(source, case)
    view = situation.build()
    outcome = outcome_of_view(source.table, view, situation.earlier())
    return replace(outcome, is_for=source.is_for(view), tells=_tells(source, view))


def _tells(source: TableSource, view: View) -> dict[str, str]:
    """What overlays are chosen by, as far as the unit tells it."""
    names, facts = source.model.identity, {epc: fact.edt for epc, fact in view.facts.items()}
    fields = {name: getattr(names, name) for name in type(names).model_fields}
    codes = {name: source.table.device.epc_of(given) for name, given in fields.items() if given is not None}
    found = {name: told(name, Identity(**codes), source.table.device, view.release, facts) for name in codes}
    aliases = {name: info.alias or name for name, info in type(names).model_fields.items()}
    return {aliases[name]: _as_text(value) for name, value in found.items() if value is not None}


def _as_text(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex().upper()
    return ".".join(str(part) for part in value) if isinstance(value, tuple) else str(value)


def outcome_of_view(table: CompiledTable, view: View, before: View | None = None) -> Outcome:
    """What a table says of a view. `before`: the view from which local changes are told."""
    decision = table.decide(view)
    seen = replace(view, seen=view.seen | decision.seen)
    return Outcome(view, decision, table.recipe(seen), table.confirmed(seen), table, before)


_SECTIONS: Final[Mapping[str, tuple[str, Callable[[Decision], str]]]] = {
    "plug": ("plug", lambda d: d.plug.rule),
    "StatusNotification": ("connector", lambda d: d.connector.rule),
    "chargingState": ("chargingState", lambda d: d.charging_state.rule),
}


def run_examples(source: TableSource) -> list[Problem]:
    """All examples that fail, and all rows that no example asks for; empty if all is well."""
    problems, document = Problems(), source.document
    answered: set[tuple[str, str]] = set()
    for index, example in enumerate(source.model.examples):
        answered |= _run(source, ("examples", index), example, problems)
    for section, index, row_id in _row_ids(source.table):
        if (section, row_id) not in answered:
            text = f'no example is answered by the row "{row_id}"'
            problems.add(document, (section, index), "NO-EXAMPLE", text)
    return sorted(problems.found)


def _run(source: TableSource, path: Path_, example: ExampleModel, problems: Problems) -> set[tuple[str, str]]:
    """All cases of an example up to the first that fails; gives back the rows that have answered."""
    document, answered = source.document, set()
    try:
        for name, case in cases_of(example):
            outcome, before = _outcome(source, case), len(problems.found)
            _compare(document, (*path, "expect"), case, outcome, problems, name)
            answered |= {
                (section, id_of(rule(outcome.decision)))
                for section, (key, rule) in _SECTIONS.items()
                if key in example.expect
            }
            if len(problems.found) > before:
                break
    except (ExampleError, ImpossibleError) as reason:
        problems.add(document, (*path, "given"), "EXAMPLE", str(reason))
    except TableGapError as gap:
        problems.add(document, (*path, "given"), "EXAMPLE", f'no row of "{gap.section}" holds in this situation')
    return answered


def _row_ids(table: CompiledTable) -> Iterable[tuple[str, int, str]]:
    for section, rows in zip(_SECTIONS, (table.plug_rows, table.status_rows, table.charging_rows), strict=True):
        yield from ((section, index, row.id) for index, row in enumerate(rows))


def _compare(
    document: Document, path: Path_, example: ExampleModel, outcome: Outcome, problems: Problems, case: str = ""
) -> None:
    for key, expected in example.expect.items():
        word = EXPECTED.get(key)
        if word is None:
            hint = nearest(key, EXPECTED)
            problems.add(document, (*path, key), "UNKNOWN-KEY", f'unknown expectation "{key}"{hint}', at_key=True)
            continue
        wanted = number_of(expected)
        found = narrowed(word.read(outcome), wanted)
        if found != wanted:
            rules = ", ".join(id_of(rule(outcome.decision)) for _, rule in _SECTIONS.values())
            text = f"{key} is {found}, not {wanted} (rows {rules}{_why(outcome)}){case}"
            problems.add(document, (*path, key), "EXAMPLE", text)


def _why(outcome: Outcome) -> str:
    answer = outcome.answer
    if isinstance(answer, Refusal):
        return f"; refused: {answer.reason}"
    return f"; {answer.note}" if isinstance(answer, Recipe) and answer.note else ""
