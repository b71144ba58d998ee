"""The list of mutants fits the tree as it is; whether the tests notice them is shown by running `mutants.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.catalogue import catalogue
from tests.conformance.selection import block_of
from tests.tools.mutants import FAILED, PASSED, ROOT, Mutant, covered, mutants

KINDS = ("echonet-requirement", "echonet-scenario")
WANTED = [id_ for id_, one in catalogue().items() if one.kind in KINDS]
CASES = [one for one in catalogue().values() if one.kind == "ocpp-test-case"]
MUTANTS = mutants()


@pytest.mark.parametrize("id_", WANTED)
def test_every_id_has_a_mutant(id_: str) -> None:
    assert [mutant for mutant in MUTANTS if mutant.id == id_]


def test_no_mutant_is_of_an_unknown_id() -> None:
    assert {mutant.id for mutant in MUTANTS} <= set(WANTED) | {one.id for one in CASES}


@pytest.mark.parametrize(("block", "least"), [("B", 25), ("C", 15), ("E", 20), ("F", 10), ("G", 8), ("J", 8), ("P", 2)])
def test_cases_of_every_block_have_mutants(block: str, least: int) -> None:
    """Issue 5 asks for thirty cases of them all."""
    own = {one.id for one in CASES if block_of(one) == block}
    assert len(own & {mutant.id for mutant in MUTANTS}) >= least


@pytest.mark.parametrize("mutant", MUTANTS, ids=[f"{number}-{m.id}" for number, m in enumerate(MUTANTS)])
def test_a_mutant_applies(mutant: Mutant) -> None:
    """Its text stands once in its file, and its tests exist and are marked with its id."""
    assert list(mutant.faults()) == []
    assert mutant.file.startswith(("bridge/", "mappings/"))


def test_marks_are_read_from_the_source(tmp_path: Path) -> None:
    module = tmp_path / "test_it.py"
    module.write_text(
        'import pytest\n@pytest.mark.covers("A", "B")\n@other\ndef test_one(): ...\ndef test_two(): ...\n'
        'MANY = [pytest.param(1, marks=pytest.mark.covers("C")), pytest.param(2, marks=pytest.mark.covers("D"))]\n'
        '@pytest.mark.parametrize("x", MANY)\n@pytest.mark.parametrize("y", [pytest.param(1, marks='
        'pytest.mark.covers("E"))])\ndef test_three(x, y): ...\n'
    )
    assert covered(module) == {"test_one": {"A", "B"}, "test_two": frozenset(), "test_three": {"C", "D", "E"}}


def test_a_mutant_that_does_not_fit_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\nx = 1\n")
    twice = Mutant("A", "", "a.py", "x = 1", "x = 2", ("test_a.py::test_one",))
    assert [fault.partition(": ")[2][:20] for fault in twice.faults(tmp_path)] == [
        "found 2 times in a.p",
        "there is no test tes",
    ]


def test_a_warm_python_runs_each_test_in_a_fork(tmp_path: Path) -> None:
    """It has loaded nothing of the station (else it ends with a word on that), and tells pytest's own exit codes."""
    (tmp_path / "test_it.py").write_text(
        "import sys\n\ndef test_good(): assert 'bridge.station' not in sys.modules\n\ndef test_bad(): assert 1 > 2\n"
    )
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(tmp_path)]
    requests = [
        json.dumps([[*options, f"{tmp_path}/test_it.py::{name}"], str(tmp_path / name), 60])
        for name in ("test_good", "test_bad")
    ]
    done = subprocess.run(
        [sys.executable, "-P", "tests/tools/warm.py"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        input="\n".join(requests),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == ([str(PASSED), str(FAILED)], "")
    assert "assert 1 > 2" in (tmp_path / "test_bad").read_text()
