"""The list of mutants fits the tree as it is; whether the tests notice them is shown by running `mutants.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.catalogue import catalogue
from tests.tools.mutants import Mutant, covered, mutants

KINDS = ("echonet-requirement", "echonet-scenario")
WANTED = [id_ for id_, one in catalogue().items() if one.kind in KINDS]
MUTANTS = mutants()


@pytest.mark.parametrize("id_", WANTED)
def test_every_id_has_a_mutant(id_: str) -> None:
    assert [mutant for mutant in MUTANTS if mutant.id == id_]


def test_no_mutant_is_of_an_unknown_id() -> None:
    assert {mutant.id for mutant in MUTANTS} <= set(WANTED)


@pytest.mark.parametrize("mutant", MUTANTS, ids=[f"{number}-{m.id}" for number, m in enumerate(MUTANTS)])
def test_a_mutant_applies(mutant: Mutant) -> None:
    """Its text stands once in its file, and its tests exist and are marked with its id."""
    assert list(mutant.faults()) == []
    assert mutant.file.startswith(("bridge/", "mappings/"))


def test_marks_are_read_from_the_source(tmp_path: Path) -> None:
    module = tmp_path / "test_it.py"
    module.write_text(
        'import pytest\n@pytest.mark.covers("A", "B")\n@other\ndef test_one(): ...\ndef test_two(): ...\n'
    )
    assert covered(module) == {"test_one": {"A", "B"}, "test_two": frozenset()}


def test_a_mutant_that_does_not_fit_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\nx = 1\n")
    twice = Mutant("A", "", "a.py", "x = 1", "x = 2", ("test_a.py::test_one",))
    assert [fault.partition(": ")[2][:20] for fault in twice.faults(tmp_path)] == [
        "found 2 times in a.p",
        "there is no test tes",
    ]
