"""Proves a table: runs all laws over all situations, and makes of what they find something that a person can mend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Final

from bridge.mapping.overlay import OverlaySource
from bridge.mapping.proof import (
    laws_rows,
    laws_rows_sources,
    laws_setpoints,
    laws_values,
    laws_values_range,
    laws_values_volts,
    laws_writes,
    laws_writes_waits,
)
from bridge.mapping.proof.finding import Finding, Law
from bridge.mapping.proof.meaning import SECTIONS, Meaning
from bridge.mapping.proof.situation import Situation, Situations
from bridge.mapping.table import TableSource
from bridge.mapping.yamlfile import Path_, Problem

#: All of them; the number of the property of the design stands in each law's docstring.
LAWS: Final[tuple[Law, ...]] = (
    *laws_rows.LAWS,
    *laws_rows_sources.LAWS,
    *laws_values_range.LAWS,
    *laws_values_volts.LAWS,
    *laws_writes.LAWS,
    *laws_writes_waits.LAWS,
    *laws_values.LAWS,
    *laws_setpoints.LAWS,
)


@dataclass(frozen=True)
class Shown:
    """A finding as it is told: where and what, the counter-example, the rows that have to do with it, and the mend."""

    problem: Problem
    situation: Situation | None = None
    example: str = ""
    rows: tuple[tuple[str, str], ...] = ()  # (file:line, what stands there)
    mend: str = ""

    def as_json(self) -> dict[str, Any]:
        """For machines; the keys are stable."""
        found: dict[str, Any] = {
            "file": self.problem.file,
            "line": self.problem.line,
            "column": self.problem.column,
            "code": self.problem.code,
            "message": self.problem.message,
            "mend": self.mend,
            "rows": [{"place": place, "row": row} for place, row in self.rows],
            "situation": None,
        }
        if self.situation is not None:
            found["situation"] = {
                "values": dict(self.situation.values),
                "given": list(self.situation.given),
                "unlike": list(self.situation.unlike),
                "example": self.example,
            }
        return found


@dataclass(frozen=True)
class Proof:
    """What was found of one table, and over how much: so many rows, ways and gates, so many situations."""

    file: str
    shown: tuple[Shown, ...]
    situations: int
    rows: int
    times: tuple[str, ...] = ()


def prove(source: TableSource, releases: frozenset[str] | None = None) -> list[Finding]:
    """All that is wrong with a table. `releases`: of the units that it is for; None: all."""
    return _findings(Meaning(source, releases=releases))


def _findings(meaning: Meaning) -> list[Finding]:
    return [finding for law in LAWS for finding in law(meaning)]


def proof_of(source: TableSource, releases: frozenset[str] | None = None) -> Proof:
    """The same, to be told."""
    meaning = Meaning(source, releases=releases)
    situations = Situations(meaning)
    shown = [show(situations, finding) for finding in _findings(meaning)]
    rows = sum(len(getattr(source.table, rows)) for rows in SECTIONS.values())
    rows += sum(len(setpoint.ways) + len(setpoint.requires) for setpoint in source.table.setpoints.values())
    return Proof(
        source.document.file,
        tuple(sorted(shown, key=lambda each: each.problem)),
        prod(len(variable.values) for variable in meaning.space.variables),
        rows,
        tuple(laws_writes_waits.times(source)),
    )


def as_problems(source: TableSource, findings: Iterable[Finding]) -> list[Problem]:
    """Findings as `file:line:col: CODE message`, in the order of the lines."""
    return sorted(_problem(source, finding) for finding in findings)


def show(situations: Situations, finding: Finding) -> Shown:
    """One finding with its counter-example and its rows."""
    source = situations.meaning.source
    situation = situations.show(finding)
    return Shown(
        _problem(source, finding),
        situation,
        situation.example(_expected(source, finding, situation)) if situation is not None else "",
        tuple(_row(source, path) for path in _rows(finding)),
        finding.mend,
    )


def _problem(source: TableSource, finding: Finding) -> Problem:
    """What shows in the table below is still the overlay's."""
    problem = source.document.problem(finding.path, finding.code, finding.text)
    if isinstance(source, OverlaySource) and problem.file != source.own.file:
        text = f'{problem.message} (with the overlay "{source.header.id}", {source.own.file})'
        return replace(problem, message=text)
    return problem


def _rows(finding: Finding) -> Sequence[Path_]:
    return list(dict.fromkeys(path for path in finding.others if path != finding.path))


def _row(source: TableSource, path: Path_) -> tuple[str, str]:
    here = source.document.problem(path, "", "")
    return f"{here.file}:{here.line}", name_of(source, path)


def name_of(source: TableSource, path: Path_) -> str:
    """A path as a person says it: rows by their ids, `setpoints.charge.ways.power`."""
    data, parts = source.document.data, []
    for step in path:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            data = None
        name = data.get("id") if isinstance(step, int) and isinstance(data, dict) else None
        parts.append(str(name or step))
    return ".".join(parts)


#: What an example of a section expects, by the first step of a finding's path.
_KEYS: Final = {"plug": "plug", "StatusNotification": "connector", "chargingState": "chargingState"}


def _expected(source: TableSource, finding: Finding, situation: Situation) -> str:
    """What the table says now, to be changed by the author; where it says nothing, `keep`."""
    from bridge.errors import BridgeError
    from bridge.mapping.context import Context

    table, section = source.table, str(finding.path[0])
    key = _KEYS.get(section)
    try:
        if key == "plug":
            return f'{{plug: "{table.plug_answer(Context(table, situation.view)).answer.value or "undetermined"}"}}'
        if key is not None:
            decision = table.decide(situation.view)
            value = decision.connector.value if key == "connector" else decision.charging_state.value
            return f"{{{key}: {value or 'keep'}}}"
        answer = table.recipe(situation.view)
    except BridgeError:
        return "{plug: undetermined}" if key == "plug" else f"{{{key or 'connector'}: keep}}"
    mode = getattr(answer, "mode", None)
    return f"{{mode: {mode.value}}}" if mode is not None else "{writes: []}"
