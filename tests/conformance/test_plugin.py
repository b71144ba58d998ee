"""The conformance report tells no more than what a run has proved; tried on small runs of their own."""

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = ("-p", "no:asyncio", "-p", "tests.conformance.groups", "-p", "tests.conformance.plugin")
ID, OTHER, THIRD = "AIF-1-1", "AIF-1-2", "TC_B_01_CS"
PASSING = f"""
import pytest
@pytest.mark.covers("{ID}")
def test_one(): pass
@pytest.mark.covers("{ID}", "{OTHER}")
def test_two(): pass
"""

BROKEN_FIXTURES = """
import pytest
@pytest.fixture
def broken_before(): raise OSError
@pytest.fixture
def broken_after():
    yield
    raise OSError
"""


class Project:
    """A small project of its own with the two plugins."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        pytester.makepyprojecttoml('[tool.pytest.ini_options]\ntestpaths = ["."]\naddopts = "--strict-markers"')

    def run(self, *arguments: str) -> pytest.RunResult:
        return self.pytester.runpytest_inprocess(*PLUGINS, *arguments)

    def report(self, stem: str = "conformance") -> dict[str, dict[str, Any]]:
        entries = json.loads((self.pytester.path / "build" / f"{stem}.json").read_text())
        return {entry["id"]: entry for entry in entries}

    def outcomes(self, stem: str = "conformance") -> tuple[str, str]:
        report = self.report(stem)
        return report[ID]["outcome"], report[OTHER]["outcome"]

    def wrote_full(self) -> bool:
        return (self.pytester.path / "build" / "conformance.json").exists()

    def wrote_partial(self) -> bool:
        return (self.pytester.path / "build" / "conformance.partial.json").exists()


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.syspath_prepend(ROOT)
    return Project(pytester)


def test_all_passed(project: Project) -> None:
    project.pytester.makepyfile(PASSING)
    result = project.run()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["conformance: 2 passed, 0 failed, * missing; see build/conformance.md"])
    report = project.report()
    assert len(report) == 482
    assert report[ID] == {
        "id": ID,
        "title": report[ID]["title"],
        "outcome": "passed",
        "tests": ["test_all_passed.py::test_one", "test_all_passed.py::test_two"],
    }
    assert report[THIRD]["outcome"] == "missing"
    assert report[THIRD]["tests"] == []
    assert not project.wrote_partial()
    assert f"| {ID} | M | passed | 2 |" in (project.pytester.path / "build" / "conformance.md").read_text()


@pytest.mark.parametrize(
    ("second", "outcome"),
    [
        ("def test_two(): assert False", "failed"),
        ("def test_two(): pytest.skip('not today')", "missing"),
        ("def test_two(): pytest.xfail('known')", "missing"),
        ("@pytest.mark.skip\ndef test_two(): pass", "missing"),
        ("@pytest.mark.xfail\ndef test_two(): assert False", "missing"),
        ("@pytest.mark.xfail(strict=False)\ndef test_two(): pass", "missing"),
        ("@pytest.mark.xfail(strict=True)\ndef test_two(): pass", "failed"),
        ("def test_two(broken_before): pass", "failed"),
        ("def test_two(broken_after): pass", "failed"),
    ],
)
def test_one_that_did_not_pass_spoils_the_id(project: Project, second: str, outcome: str) -> None:
    project.pytester.makeconftest(BROKEN_FIXTURES)
    project.pytester.makepyfile(
        f'import pytest\n@pytest.mark.covers("{ID}")\ndef test_one(): pass\n@pytest.mark.covers("{ID}")\n{second}'
    )
    project.run()
    assert project.report()[ID]["outcome"] == outcome


@pytest.mark.parametrize(
    "arguments",
    [
        ("-k", "one"),
        ("-m", "not covers"),
        ("test_mine.py",),
        ("test_mine.py::test_one",),
        ("--deselect", "test_mine.py::test_two"),
        ("--ignore", "nothing"),
        ("--ignore-glob", "nothing"),
        ("--last-failed",),
    ],
    ids=" ".join,
)
def test_a_narrowed_run_writes_another_file(project: Project, arguments: tuple[str, ...]) -> None:
    project.pytester.makepyfile(test_mine=PASSING)
    project.run(*arguments)
    assert not project.wrote_full()
    assert project.wrote_partial()


def test_what_a_narrowed_run_left_out_is_not_passed(project: Project) -> None:
    project.pytester.makepyfile(test_mine=PASSING)
    project.run("-k", "one")
    assert project.outcomes("conformance.partial") == ("missing", "missing")


def test_a_run_that_was_broken_off_writes_another_file(project: Project) -> None:
    project.pytester.makepyfile("def test_a(): assert False\ndef test_b(): pass")
    project.run("-x")
    assert not project.wrote_full()
    assert project.wrote_partial()


def test_a_module_that_cannot_be_collected_makes_the_run_partial(project: Project) -> None:
    project.pytester.makepyfile(test_good=PASSING, test_bad="import nothing_of_the_kind")
    project.run("--continue-on-collection-errors")
    project.run()
    assert not project.wrote_full()


def test_naming_the_whole_folder_is_no_narrowing(project: Project) -> None:
    project.pytester.makepyfile(PASSING)
    project.run(".")
    assert project.wrote_full()
    assert not project.wrote_partial()


def test_collecting_alone_writes_nothing(project: Project) -> None:
    project.pytester.makepyfile(PASSING)
    project.run("--collect-only")
    assert not (project.pytester.path / "build").exists()


GROUPED = (
    PASSING
    + f"""
@pytest.mark.peers
@pytest.mark.covers("{ID}")
def test_with_peer(): assert False
@pytest.mark.soak
@pytest.mark.covers("{THIRD}")
def test_long(): pass
"""
)


def test_groups_are_deselected_and_do_not_make_a_run_partial(project: Project) -> None:
    project.pytester.makepyfile(GROUPED)
    result = project.run()
    result.assert_outcomes(passed=2, deselected=2)
    assert project.outcomes() == ("passed", "passed")
    assert project.report()[THIRD]["outcome"] == "missing"


def test_a_group_that_is_asked_for_counts(project: Project) -> None:
    project.pytester.makepyfile(GROUPED)
    project.run("--peers").assert_outcomes(passed=2, failed=1, deselected=1)
    assert project.outcomes() == ("failed", "passed")
    project.run("--soak").assert_outcomes(passed=3, deselected=1)
    assert project.report()[THIRD]["outcome"] == "passed"


@pytest.mark.parametrize("marker", ['covers("TC_X_99_CS")', "covers()", 'covers(id="AIF-1-1")'])
def test_a_marker_with_no_known_id_is_an_error(project: Project, marker: str) -> None:
    project.pytester.makepyfile(f"import pytest\n@pytest.mark.{marker}\ndef test_one(): pass")
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: covers: test_a_marker*::test_one *"])
    assert not project.wrote_full()


def test_under_xdist(project: Project) -> None:
    project.pytester.makepyfile(GROUPED + f'@pytest.mark.covers("{OTHER}")\ndef test_bad(): assert False')
    project.run("-n", "2").assert_outcomes(passed=2, failed=1)
    assert project.outcomes() == ("passed", "failed")
    assert len(project.report()[ID]["tests"]) == 2
    assert not project.wrote_partial()
    project.run("-n", "2", "-k", "one")
    assert project.wrote_partial()


def test_under_xdist_an_unknown_id_is_an_error(project: Project) -> None:
    project.pytester.makepyfile('import pytest\n@pytest.mark.covers("X")\ndef test_one(): pass')
    assert project.run("-n", "2").ret != 0
    assert not project.wrote_full()


def test_a_worker_that_dies_leaves_nothing_proved(project: Project) -> None:
    project.pytester.makepyfile(
        f'import os, pytest\n@pytest.mark.covers("{ID}")\ndef test_one(): os._exit(1)\n'
        f'@pytest.mark.covers("{OTHER}")\ndef test_two(): pass'
    )
    assert project.run("-n", "1", "--max-worker-restart", "0").ret != 0
    assert not project.wrote_full() or project.outcomes()[0] != "passed"
