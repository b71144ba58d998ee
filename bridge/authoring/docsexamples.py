"""The part of a page with worked cases: the examples of a table, each with the rows that answer it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bridge.authoring.page import Break, Code, Line, Link, Page, Row, joined, line, row
from bridge.authoring.phrases import Phrases
from bridge.mapping.examples import ExampleError, Outcome, outcomes_of
from bridge.mapping.model import ExampleModel
from bridge.mapping.table import TableSource

_SECTIONS = ("plug", "StatusNotification", "chargingState")


def add_examples(page: Page, source: TableSource, phrases: Phrases) -> None:
    """All examples of a table, as they are tested."""
    if not source.model.examples:
        return
    page.heading(2, "Worked cases", "examples")
    page.paragraph("Each of them is tested. What a case does not give is as in the table's example unit: ",
                   given_line(source.model.example_unit, phrases), ".")  # fmt: skip
    rows = [_row(source, index, example, phrases) for index, example in enumerate(source.model.examples)]
    page.table("Cases", ("Given", "Received", "Expected", "Answered by", "Rule"), rows)


def _row(source: TableSource, index: int, example: ExampleModel, phrases: Phrases) -> Row:
    parts = example.given if isinstance(example.given, list) else [example.given]
    name = (f"{example.name}: ",) if example.name else ()
    given = joined([given_line(part, phrases) for part in parts], ", ")
    rule = Code(source.document.place(("examples", index)).rpartition("/")[2])
    received = joined(
        [line(Code(message), _payload(said)) for message, said in (example.receive or {}).items()], Break()
    )
    return row(line(name, given), received, expected_line(example.expect), _answered(source, example), rule)


def given_line(part: Any, phrases: Phrases) -> Line:
    """What is given, by names with what that is on the wire, or as a frame."""
    if not isinstance(part, Mapping):
        return (Code(str(part)),)
    return joined([_given(str(name), value, phrases) for name, value in part.items()], ", ")


def _given(name: str, value: Any, phrases: Phrases) -> Line:
    shown = line(Code(name), " = ", Code(written(value)))
    frames = phrases.frames(name, [value]) if phrases.epc(name) and not isinstance(value, dict | list) else ""
    return line(shown, " (", Code(frames), ")") if frames else shown


def _payload(said: Mapping[str, Any]) -> str:
    return f" ({', '.join(f'{key} {written(value)}' for key, value in said.items())})" if said else ""


def expected_line(expect: Mapping[str, Any]) -> Line:
    """What is expected."""
    return joined([line(f"{key}: ", Code(written(value))) for key, value in expect.items()], Break())


def _answered(source: TableSource, example: ExampleModel) -> Line:
    """The rows that decide, as links."""
    try:
        rows = dict.fromkeys(row for outcome in outcomes_of(source, example) for row in _rows(outcome))
    except ExampleError as reason:
        return (str(reason),)
    links = (line(Link(f"#{section}-{row}", f"{section}: {row}")) for section, row in sorted(rows, key=_place))
    return joined(links, Break())


def _place(row: tuple[str, str]) -> int:
    return _SECTIONS.index(row[0])


def _rows(outcome: Outcome) -> Iterable[tuple[str, str]]:
    decision = outcome.decision
    for section, answer in zip(_SECTIONS, (decision.plug, decision.connector, decision.charging_state), strict=True):
        yield section, answer.rule.rpartition(" ")[2]


def written(value: Any) -> str:
    """A value as it stands in a table."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {written(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(written(part) for part in value) + "]"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
