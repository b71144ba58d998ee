"""The examples and proofs notice nearly every change of a table: a sample of `tests/tools/table_mutants.py`.

The whole takes minutes: `pytest --soak tests/tables/test_mutation.py`, or the script itself.
"""

from __future__ import annotations

import re

import pytest

from tests.tools import table_mutants as tool

#: Changes that are judged in every run; others for each day would make a failure hard to see again.
SAMPLE = 40
SEED = 20
LISTED = 15


def test_most_of_a_sample_is_noticed_and_the_others_are_listed() -> None:
    verdicts = [tool.judge(mutant) for mutant in tool.sample(SAMPLE, SEED)]
    assert tool.faults(verdicts, whole=False) == []
    assert sum(verdict.outcome != tool.SURVIVED for verdict in verdicts) >= 0.85 * SAMPLE


def test_the_list_names_changes_that_there_are_each_with_a_reason() -> None:
    known, accepted = {mutant.key for mutant in tool.mutants()}, tool.accepted()
    assert accepted.keys() - known == set()
    assert all(len(why) > 20 for why in accepted.values())
    assert len(accepted) <= (1 - tool.WANTED) * len(known)


def test_no_listed_change_is_caught_by_an_example() -> None:
    """A part of the list: their proofs are left to the whole run."""
    accepted = tool.accepted()
    listed = [mutant for mutant in tool.mutants() if mutant.key in accepted]
    part = listed[:: max(1, len(listed) // LISTED)]
    assert [verdict for verdict in (tool.judge(mutant, proofs=False) for mutant in part) if verdict.told] == []


def test_the_last_result_is_in_the_project_and_good_enough() -> None:
    text = tool.RESULT.read_text(encoding="utf-8")
    found = re.search(r"\*\*([\d.]+)%\*\* of (\d+) changes are caught", text)
    assert found is not None
    assert float(found[1]) >= 100 * tool.WANTED
    assert "no reason is given" not in text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("0x027E setpoints.discharge.require: without floor", "example"),
        ("0x027E StatusNotification.lost.when.lostFor.min: 61s", "example"),
        ("0x02A1 setpoints.charge.ways.power.ensure: operationMode before chargingElectricPower", "example"),
        ("0x027E ignored.equipmentType.values: drop", "proof"),
        ("0x027E plug: drop", "form"),
        ("example-signed-power match.release: N-", "example"),
        ("0x0288 measures.energyIn.normalDirectionCumulativeElectricEnergy.digits: drop", "example"),
    ],
)
def test_a_change_is_noticed_by(text: str, kind: str) -> None:
    [mutant] = [mutant for mutant in tool.mutants() if mutant.key == text]
    assert tool.judge(mutant).outcome == kind


def test_without_a_change_nobody_objects() -> None:
    """Else everything would be caught."""
    for source in tool.mappings().sources:
        assert tool._failing(source) == []


@pytest.mark.soak
def test_all_changes() -> None:
    verdicts = list(tool.judge_all(tool.mutants(), 2))
    assert tool.faults(verdicts, whole=True) == []
    assert sum(verdict.outcome != tool.SURVIVED for verdict in verdicts) >= tool.WANTED * len(verdicts)
