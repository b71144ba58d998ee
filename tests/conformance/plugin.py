"""After a run: which of the catalogue's requirements its tests have proved (`build/conformance.json` and `.md`).

An id has passed only if every test of the run that covers it has passed. One failure makes it failed; a test that was
skipped, expected to fail, or did not come to run leaves it missing. Tests of a group that was not asked for are no part
of the run. A run that was narrowed or broken off in any other way writes `conformance.partial.*` instead.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import selection
from tests.conformance.catalogue import Requirement, catalogue
from tests.conformance.groups import left_out

#: Options that narrow what is looked at without a trace among the collected tests.
NARROWING = ("lf", "ignore", "ignore_glob")


@dataclass
class Run:
    """What is known of a run; a worker of xdist sends its share to the controller."""

    #: The tests that cover an id, whether they came to run or not.
    covers: dict[str, list[str]] = field(default_factory=dict)
    selected: set[str] = field(default_factory=set)
    narrowed: bool = False
    #: Test to "passed", "failed" or "missing"; absent if it did not come to run.
    outcomes: dict[str, str] = field(default_factory=dict)

    def share(self) -> dict[str, Any]:
        """What another process must know; plain data."""
        return {"covers": self.covers, "selected": sorted(self.selected), "narrowed": self.narrowed}

    def add(self, share: dict[str, Any]) -> None:
        """Take in a worker's share."""
        self.covers.update(share["covers"])
        self.selected.update(share["selected"])
        self.narrowed |= share["narrowed"]

    def see(self, report: pytest.TestReport) -> None:
        """Take in one phase (setup, call, teardown) of a test: the worst counts."""
        proved = report.passed and not hasattr(report, "wasxfail")
        now = "failed" if report.failed else "passed" if proved else "missing"
        before = self.outcomes.get(report.nodeid, "passed")
        self.outcomes[report.nodeid] = next(one for one in ("failed", "missing", "passed") if one in (before, now))

    def outcome(self, tests: Iterable[str]) -> str:
        """Of an id, from all tests that cover it."""
        seen = {self.outcomes.get(test, "missing") for test in tests}
        if "failed" in seen:
            return "failed"
        return "passed" if seen == {"passed"} else "missing"

    def results(self) -> list[dict[str, Any]]:
        """The report's content: one entry for each id of the catalogue."""
        tests: dict[str, list[str]] = {}
        for test, ids in self.covers.items():
            for id_ in ids:
                tests.setdefault(id_, []).append(test)
        return [
            {"id": id_, "title": one.title, "outcome": self.outcome(tests.get(id_, ())), "tests": tests.get(id_, [])}
            for id_, one in catalogue().items()
        ]


class Conformance:
    """The plugin's hooks, around one `Run`."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.run = Run()
        self.written = ""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, None, None]:
        """Look before anything is deselected, and again after."""
        offered = [item for item in items if not left_out(item)]
        faults = [fault for item in items for fault in unknown_ids(item)]
        if faults:
            raise pytest.UsageError("covers: " + "; ".join(faults))
        self.run.covers = {item.nodeid: ids for item in offered if (ids := covered_ids(item))}
        yield
        self.run.selected = {item.nodeid for item in items}
        self.run.narrowed |= any(item.nodeid not in self.run.selected for item in offered)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that cannot be collected hides its tests."""
        self.run.narrowed |= report.failed

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Each phase of each test; the controller hears of its workers' too."""
        self.run.see(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker of xdist has ended."""
        share = getattr(node, "workeroutput", {}).get("conformance")
        if share is None:
            self.run.narrowed = True
        else:
            self.run.add(share)

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, exitstatus: int) -> Generator[None, None, None]:
        """Write, or hand over to the controller."""
        if hasattr(self.config, "workeroutput"):  # before the others: xdist's own part sends it off
            self.config.workeroutput["conformance"] = self.run.share()
            return (yield)
        yield
        if not self.config.option.collectonly:
            broken_off = exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
            partial = broken_off or self.run.narrowed or narrowed_by_options(self.config)
            partial = partial or not self.run.selected <= self.run.outcomes.keys()
            self.written = write(self.run.results(), self.config.rootpath / "build", partial)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """One line that says where the report is and what stands in it."""
        if self.written:
            terminalreporter.write_line(self.written)


def pytest_configure(config: pytest.Config) -> None:
    """Start with an empty run."""
    config.addinivalue_line("markers", "covers(*ids): the catalogue's ids that this test proves")
    config.pluginmanager.register(Conformance(config), "conformance")


def covered_ids(item: pytest.Item) -> list[str]:
    """The ids of all of a test's `covers` markers."""
    return sorted({id_ for marker in item.iter_markers("covers") for id_ in marker.args})


def unknown_ids(item: pytest.Item) -> list[str]:
    """What is wrong with a test's `covers` markers."""
    faults = [f"{item.nodeid} covers {id_!r}, which the catalogue lacks" for id_ in covered_ids(item) if
              id_ not in catalogue()]  # fmt: skip
    if any(not marker.args or marker.kwargs for marker in item.iter_markers("covers")):
        faults.append(f"{item.nodeid} has a covers marker that names no id")
    return faults


def narrowed_by_options(config: pytest.Config) -> bool:
    """Whether the command line lets this run see less than all tests."""
    if any(config.getoption(name, None) for name in NARROWING):
        return True
    if config.args_source != pytest.Config.ArgsSource.ARGS:
        return False
    here = config.invocation_params.dir
    asked = [(here / argument).resolve() for argument in config.args]
    all_tests = [(config.rootpath / path).resolve() for path in config.getini("testpaths")] or [config.rootpath]
    return not all(any(path == one or path in one.parents for path in asked) for one in all_tests)


def write(results: list[dict[str, Any]], folder: Path, partial: bool) -> str:
    """Write both forms of the report; gives back a line about them."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = "conformance.partial" if partial else "conformance"
    (folder / f"{stem}.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / f"{stem}.md").write_text(as_markdown(results, partial), encoding="utf-8")
    counted = Counter(result["outcome"] for result in results)
    numbers = ", ".join(f"{counted[outcome]} {outcome}" for outcome in ("passed", "failed", "missing"))
    return f"conformance{' (partial run)' if partial else ''}: {numbers}; see {folder.name}/{stem}.md"


def as_markdown(results: list[dict[str, Any]], partial: bool) -> str:
    """The same for people: numbers for each profile, then every id."""
    lines = ["# Conformance" + (" (partial run: says nothing about what it left out)" if partial else ""), ""]
    lines += ["| kind | profile | passed | failed | missing |", "| --- | --- | --: | --: | --: |"]
    table: dict[tuple[str, str], Counter[str]] = {}
    for result in results:
        one: Requirement = catalogue()[result["id"]]
        for profile in one.profile.split(";"):
            table.setdefault((one.kind, profile), Counter())[result["outcome"]] += 1
    for (kind, profile), counted in table.items():
        lines.append(f"| {kind} | {profile} | {counted['passed']} | {counted['failed']} | {counted['missing']} |")
    lines += ["", *for_a_laboratory({result["id"]: result for result in results})]
    lines += ["", "## All ids", "", "| id | | outcome | tests | title |", "| --- | --- | --- | --: | --- |"]
    for result in results:
        obligation = catalogue()[result["id"]].obligation
        lines.append(
            f"| {result['id']} | {obligation} | {result['outcome']} | {len(result['tests'])} | {result['title']} |"
        )
    return "\n".join(lines) + "\n"


def for_a_laboratory(results: dict[str, dict[str, Any]]) -> list[str]:
    """The cases of a charging station as a test laboratory reads them: what we state, what applies, what came."""
    cases = selection.stated_cases()
    blocks = ", ".join(selection.blocks())
    lines = [f"## OCPP 2.0.1 {', '.join(selection.certification())}: charging station", ""]
    lines += [
        f"Test cases of Part 6 (edition 3) of the blocks {blocks}, chosen by the conditions of Part 5, with the errata"
    ]
    lines += [
        "of 2025-09 applied to both. The ids are Part 6's, the titles our words; several runs of a test are counted.",
        "",
    ]
    lines += [
        "| profile | obligation | cases | not applicable | passed | failed | missing |",
        "| --- | --- | --: | --: | --: | --: | --: |",
    ]
    for profile in (*selection.certification(), *selection.not_sought()):
        own = selection.cases_of(profile)
        for letter, name in _OBLIGATIONS:
            if chosen := [one for one in own if one.obligation == letter]:
                lines.append(_counted(f"{profile} | {name}", chosen, results))
    lines += ["", "### Cases", ""]
    lines += ["| id | Part 6 | title | profile | condition (Part 5) | selected | result | tests |", "| --- " * 8 + "|"]
    lines += [_for_a_laboratory(case, results[case.id]) for case in cases]
    lines += ["", "### Feature statement", "", "What we state of the features that conditions name, and why:", ""]
    lines += ["| feature | | why |", "| --- | --- | --- |"]
    lines += [_stated(one) for one in selection.statement().values()]
    return lines


_OBLIGATIONS = (("M", "mandatory"), ("C", "conditional"))


def _counted(name: str, cases: list[Requirement], results: dict[str, dict[str, Any]]) -> str:
    counted = Counter(results[one.id]["outcome"] for one in cases if selection.verdict(one).selected)
    left = len(cases) - counted.total()
    return f"| {name} | {len(cases)} | {left} | {counted['passed']} | {counted['failed']} | {counted['missing']} |"


def _for_a_laboratory(case: Requirement, result: dict[str, Any]) -> str:
    """One line of the table: what it is, whether it applies and by what, what came, and of which tests."""
    verdict, erratum = selection.verdict(case), selection.errata().get(case.id)
    section = f"2.{2 + ord(selection.block_of(case)) - ord('A')}"
    profile = f"{selection.profile_of(case)} {case.obligation}"
    condition = (case.codes if case.obligation == "C" else "") + (f" (erratum {erratum.erratum})" if erratum else "")
    selected = f"yes: {verdict.reason}" if verdict.selected else f"no: {verdict.reason}"
    told = result["outcome"] if verdict.selected else "not applicable"
    if not verdict.selected and result["outcome"] != "missing":
        told += f" ({result['outcome']} all the same)"
    tests = Counter(test.partition("[")[0] for test in result["tests"])
    nodes = "<br>".join(f"`{node}`" + (f" ({count})" if count > 1 else "") for node, count in tests.items())
    return f"| {case.id} | {section} | {case.title} | {profile} | {condition} | {selected} | {told} | {nodes} |"


def _stated(feature: selection.Feature) -> str:
    return f"| {feature.name} | {'yes' if feature.has else 'no'} | {feature.why} |"
