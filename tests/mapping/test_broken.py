"""Every broken dictionary, table and overlay of tests/broken is refused with exactly the words that stand beside it."""

import re
from pathlib import Path

import pytest

from bridge.cli.main import main as command
from bridge.mapping.codes import CODES, Subject
from tests.tools.broken import BASE, CASES, Case, all_cases, said_of

_CASES = {case.name: case for case in all_cases()}
_CODE = re.compile(r":\d+:\d+: ([A-Z][A-Z0-9-]+) ")
#: Codes of what `map check` and `map test` do not look at, and where they are tested.
_ELSEWHERE = {
    **{code: "tests/gateway/test_config.py" for code, told in CODES.items() if told.subject is Subject.SITE},
    "DIFF": "tests/authoring/test_diff.py",  # told by `map diff`, of which each difference is one
    "SCRIPT": "tests/authoring/test_simulate.py",
    "SCRIPT-ORDER": "tests/authoring/test_simulate.py",
}


def test_the_base_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["map", "check", str(BASE)]) == 0, capsys.readouterr().out
    assert command(["map", "test", str(BASE)]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("case", _CASES.values(), ids=_CASES.keys())
def test_what_is_said_of_a_broken_file(case: Case) -> None:
    code, text = said_of(case)
    assert text == case.expected.read_text("utf-8")
    assert code == 1


def test_there_are_as_many_cases_as_were_asked_for() -> None:
    assert len(_CASES) >= 60


def test_every_expectation_has_its_case() -> None:
    assert {path.relative_to(CASES).with_suffix("").as_posix() for path in CASES.glob("*/*.txt")} == set(_CASES)


def test_every_case_says_what_is_wrong_in_a_sentence() -> None:
    assert [name for name, case in _CASES.items() if not (case.wrong.endswith(".") and len(case.wrong) > 20)] == []


def test_every_code_is_told_by_some_case() -> None:
    told = {code for case in _CASES.values() for code in _CODE.findall(case.expected.read_text("utf-8"))}
    assert sorted(CODES.keys() - told - _ELSEWHERE.keys()) == []
    assert sorted(told - CODES.keys()) == [], "codes that the documentation does not explain"


def test_codes_that_are_told_elsewhere_are_tested_there() -> None:
    root = Path(__file__).parent.parent.parent
    for code, file in _ELSEWHERE.items():
        assert (root / file).is_file(), file
        if code.startswith("SCRIPT"):
            assert code in (root / file).read_text("utf-8"), f"{code} is not in {file}"


def test_no_message_speaks_python() -> None:
    """An author knows the unit, not the program."""
    words = re.compile(r"Traceback|<class|NoneType|pydantic|Model\b|dict\b|\bErrno\b|valid (string|integer|dictionary)")
    assert [n for n, case in _CASES.items() if words.search(case.expected.read_text("utf-8"))] == []
