"""Runs the examples of an overlay: its own, against the table with it on. What it changes needs one."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.mapping.examples import ExampleError, outcomes_of, run_examples
from bridge.mapping.overlay import OverlaySource
from bridge.mapping.yamlfile import Path_, Problem, Problems

_NO_EXAMPLE = "NO-EXAMPLE"
_ANSWERS = ("writes", "otherwise", "mode", "way", "refused", "ask")


def run_overlay_examples(source: OverlaySource) -> list[Problem]:
    """All of its examples that fail, and all rows, ways and requirements of its own that no example asks for.

    The examples of the tables below it are not run: they say what a unit does that is none of its own.
    """
    own = source.own.file
    found = [problem for problem in run_examples(source) if problem.code != _NO_EXAMPLE or problem.file == own]
    found += _unasked(source)
    return sorted(set(found))


def _unasked(source: OverlaySource) -> list[Problem]:
    """Ways and requirements that the overlay has made and that no example's answer comes from."""
    document, problems, answered = source.document, Problems(), _answers(source)
    for path, word, name in _recipes(source):
        if document.problem(path, "", "").file != source.own.file:
            continue
        if f"{document.place(path)} {name}" not in answered:
            problems.add(document, path, _NO_EXAMPLE, f'no example is answered by the {word} "{name}"')
    return problems.found


def _answers(source: OverlaySource) -> set[str]:
    """The rules from which the examples' answers come that they say something about."""
    found = set()
    for example in source.model.examples:
        if not any(key in example.expect for key in _ANSWERS):
            continue
        try:
            found |= {outcome.answer.rule for outcome in outcomes_of(source, example)}
        except ExampleError:
            continue  # it has been told
    return found


def _recipes(source: OverlaySource) -> Iterator[tuple[Path_, str, str]]:
    for mode, setpoint in source.model.setpoints.items():
        for index, require in enumerate(setpoint.require):
            yield ("setpoints", mode.value, "require", index), "requirement", require.id
        for index, way in enumerate(setpoint.ways):
            yield ("setpoints", mode.value, "ways", index), "way", way.id
