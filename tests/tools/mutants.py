"""Breaks the product one rule at a time and shows that the rule's test notices (`mutants.yaml`).

Each mutant is applied in a copy of the tree, never in the checkout. Before any is, all the tests named must pass.

    python tests/tools/mutants.py [--only ID ...] [--jobs N] [--survey]

`--only` takes names with wildcards too: `--only 'TC_*'` are the test cases of OCPP, `--only 'AIF-*' 'CEL-*'` the rest.
`--survey` runs, for each mutant, every test that claims to cover the id, and lists those that do not notice: not each
must (an id has several sides), but one that notices no mutant at all deserves a look.
Exit code 0: every mutant is killed. The outcome stands in `build/mutants.json`.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_name("mutants.yaml")
RESULT = ROOT / "build" / "mutants.json"

#: What a copy needs; neither history nor anything built.
COPIED = ("bridge", "mappings", "config", "tests", "pyproject.toml", "README.md")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "node_modules", "*.pyc", ".pytest_cache")

#: Where the examples of a mapping table begin: they say the same again, and are no rule.
EXAMPLES = "\nexamples:\n"
#: A test that hangs notices too, but as a failure of its own: within so many seconds (s).
PATIENCE_S = 300
#: The same for all tests together, before any mutant.
PATIENCE_WITH_ALL_S = 3_600

#: What only the station's own modules and those above them load.
OF_THE_STATION = "bridge/station/"

#: pytest's own exit codes: all passed, some failed. Anything else is no verdict.
PASSED, FAILED = 0, 1


@dataclass(frozen=True)
class Mutant:
    """One edit that breaks a rule, and the tests of which at least one has to fail."""

    id: str
    breaks: str
    file: str
    find: str
    replace: str
    tests: tuple[str, ...]

    def faults(self, root: Path = ROOT) -> Iterator[str]:
        """Why it does not apply to a tree."""
        path = root / self.file
        if not path.is_file():
            yield f"{self.id}: there is no {self.file}"
            return
        count = path.read_text(encoding="utf-8").partition(EXAMPLES)[0].count(self.find)
        if count != 1:
            yield f"{self.id}: found {count} times in {self.file} instead of once: {self.find!r}"
        if self.find == self.replace or not self.tests:
            yield f"{self.id}: changes nothing, or names no test"
        for test in self.tests:
            yield from self._faults_of_test(root, test)

    def _faults_of_test(self, root: Path, test: str) -> Iterator[str]:
        name, _, function = test.partition("::")
        marks = covered(root / name).get(function.partition("[")[0]) if (root / name).is_file() else None
        if marks is None:
            yield f"{self.id}: there is no test {test}"
        elif self.id not in marks:
            yield f"{self.id}: {test} is not marked as covering it"


@dataclass
class Verdict:
    """What became of a mutant. `why` is what the first failure said, by which one can see that it noticed this very
    rule; `unnoticed`: covering tests that passed all the same (survey only)."""

    mutant: Mutant
    outcome: str
    seconds: float = 0.0
    failed: list[str] = field(default_factory=list)
    why: str = ""
    unnoticed: list[str] = field(default_factory=list)
    output: str = ""


def mutants(path: Path = FILE) -> list[Mutant]:
    """All entries of the file, in its order."""
    entries = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return [
        Mutant(
            id=id_,
            breaks=entry["breaks"],
            file=entry["file"],
            find=entry["find"],
            replace=entry.get("replace") or "",
            tests=tuple([entry["test"]] if isinstance(entry["test"], str) else entry["test"]),
        )
        for id_, listed in entries.items()
        for entry in (listed if isinstance(listed, list) else [listed])
    ]


def covered(path: Path) -> dict[str, frozenset[str]]:
    """The ids that each test function of a module is marked with, itself or in one of its parameters."""
    found: dict[str, frozenset[str]] = {}
    lists: dict[str, ast.expr] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            lists[node.targets[0].id] = node.value
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            found[node.name] = frozenset(id_ for decorator in node.decorator_list for id_ in _marks(decorator, lists))
    return found


def _marks(decorator: ast.expr, lists: Mapping[str, ast.expr]) -> Iterator[str]:
    """In a decorator; parameters may stand in a list of the module that it names."""
    for node in ast.walk(decorator):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.covers":
            yield from (one.value for one in node.args if isinstance(one, ast.Constant))
        elif isinstance(node, ast.Name) and node.id in lists:
            yield from _marks(lists[node.id], {})


def covering(id_: str, root: Path = ROOT) -> list[str]:
    """Every test that claims to cover an id."""
    return [
        f"{path.relative_to(root)}::{name}"
        for path in sorted((root / "tests").rglob("test_*.py"))
        if "node_modules" not in path.parts
        for name, ids in covered(path).items()
        if id_ in ids
    ]


# A copy of the tree -----------------------------------------------------------------------------------------------


class Tree:
    """A copy in which mutants live, one at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._edits = 0
        self._warm: subprocess.Popen[str] | None = None
        cache = str(folder / "build" / "cache")
        self._environment = os.environ | {"PYTHONPATH": str(folder), "OCTT_CACHE": cache, "COLUMNS": "400"}
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=LEFT_OUT)
            elif source.exists():
                shutil.copy2(source, folder / name)
        (folder / "build").mkdir(exist_ok=True)

    def test(
        self, tests: Sequence[str], *, all_of_them: bool = False, warm: bool = False, patience: int = PATIENCE_S
    ) -> tuple[int, list[str], str]:
        """Run tests here: pytest's exit code, what failed (`test - why`), and its last words.

        `warm`: nothing but the station was edited, so all below it need not be loaded again (see `warm.py`).
        """
        options = ["-q", "-p", "no:cacheprovider", "-n", "0", "-p", "no:randomly", "--tb=line", "--no-header", "-rf"]
        options += [] if all_of_them else ["-x"]
        options.append("--soak")  # the test that is named runs, however rarely others play it
        code, text = (self._forked if warm else self._started)([*options, *tests], patience)
        lines = text.splitlines()
        failed = [line.removeprefix("FAILED ") for line in lines if line.startswith("FAILED ")]
        return code, failed, "\n".join(lines[-12:])

    def _started(self, arguments: Sequence[str], patience: int) -> tuple[int, str]:
        """A Python of its own: its exit code and all that it has said."""
        command = [sys.executable, "-m", "pytest", *arguments]
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=patience,
            )
        except subprocess.TimeoutExpired:
            return -1, f"not done within {patience} s"
        return done.returncode, done.stdout

    def _forked(self, arguments: Sequence[str], patience: int) -> tuple[int, str]:
        """A fork of one that has loaded most: its exit code and all that it has said."""
        if self._warm is None:
            command = [sys.executable, "-P", "tests/tools/warm.py"]
            self._warm = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._warm.stdin is not None
        assert self._warm.stdout is not None
        output = self.folder / "build" / "output"
        print(json.dumps([arguments, str(output), patience]), file=self._warm.stdin, flush=True)
        answer = self._warm.stdout.readline()
        return (int(answer), output.read_text(encoding="utf-8", errors="replace")) if answer else (-1, "it has ended")

    def close(self) -> None:
        """Nothing more is asked."""
        if self._warm is not None:
            self._warm.communicate()

    def judge(self, mutant: Mutant, tests: Sequence[str], *, survey: bool = False) -> Verdict:
        """Apply a mutant, run tests, and put everything back."""
        path = self.folder / mutant.file
        original = path.read_text(encoding="utf-8")
        began = time.monotonic()
        try:
            self._write(path, original.replace(mutant.find, mutant.replace, 1))
            code, failed, output = self.test(tests, all_of_them=survey, warm=mutant.file.startswith(OF_THE_STATION))
        finally:
            self._write(path, original)
        verdict = Verdict(mutant, {FAILED: "killed", PASSED: "survived"}.get(code, "no verdict"))
        verdict.seconds = round(time.monotonic() - began, 1)
        verdict.failed = [one.partition(" - ")[0] for one in failed]
        verdict.why = failed[0].partition(" - ")[2] if failed else ""
        verdict.output = "" if verdict.outcome == "killed" else output
        if survey:
            noticed = {one.partition("[")[0] for one in verdict.failed}
            verdict.unnoticed = [one for one in tests if one not in noticed]
        return verdict

    def _write(self, path: Path, text: str) -> None:
        """With a time of its own: Python takes a compiled module by time and size, and both could be the same."""
        path.write_text(text, encoding="utf-8")
        self._edits += 1
        os.utime(path, (1_000_000_000 + 2 * self._edits,) * 2)


# The run ----------------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script; gives back its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="ID", nargs="+", help="only these ids, wildcards allowed")
    parser.add_argument("--jobs", type=int, default=1, help="so many at a time, each in a copy of its own (1)")
    parser.add_argument("--survey", action="store_true", help="run every test that covers the id, and name the others")
    given = parser.parse_args(arguments)
    wanted = given.only or ["*"]
    chosen = [mutant for mutant in mutants() if any(fnmatchcase(mutant.id, pattern) for pattern in wanted)]
    faults = [fault for mutant in chosen for fault in mutant.faults()]
    if unknown := [pattern for pattern in wanted if not any(fnmatchcase(mutant.id, pattern) for mutant in chosen)]:
        faults.append(f"no mutant for {', '.join(unknown)}: see {FILE.name}")
    if faults:
        print(*faults, sep="\n", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trees = [Tree(Path(folder) / str(number)) for number in range(max(1, given.jobs))]
        all_tests = sorted({test for mutant in chosen for test in mutant.tests})
        code, failed, output = trees[0].test(all_tests, patience=PATIENCE_WITH_ALL_S)
        if code != PASSED:
            print(f"without any mutant these fail already: {failed}\n{output}", file=sys.stderr)
            return 2
        verdicts = list(_judge_all(chosen, trees, survey=given.survey))
        for tree in trees:
            tree.close()
    _report(verdicts, partial=bool(given.only))
    return 0 if all(verdict.outcome == "killed" for verdict in verdicts) else 1


def _judge_all(chosen: Iterable[Mutant], trees: Sequence[Tree], *, survey: bool) -> Iterator[Verdict]:
    free: queue.SimpleQueue[Tree] = queue.SimpleQueue()
    for tree in trees:
        free.put(tree)

    def judge(mutant: Mutant) -> Verdict:
        tree = free.get()
        try:
            tests = covering(mutant.id, tree.folder) if survey else mutant.tests
            return tree.judge(mutant, tests, survey=survey)
        finally:
            free.put(tree)

    with ThreadPoolExecutor(len(trees)) as pool:
        for verdict in pool.map(judge, chosen):
            print(f"{verdict.mutant.id:14} {verdict.outcome:10} {verdict.seconds:6.1f} s  {verdict.mutant.breaks}")
            print(*(f"{'':14} not noticed by {test}" for test in verdict.unnoticed), sep="\n", end="", flush=True)
            print("\n" if verdict.unnoticed else "", end="")
            if verdict.outcome != "killed":
                print(verdict.output)
            yield verdict


def _report(verdicts: Sequence[Verdict], *, partial: bool) -> None:
    killed = sum(verdict.outcome == "killed" for verdict in verdicts)
    print(f"{killed} of {len(verdicts)} mutants killed, of {len({v.mutant.id for v in verdicts})} ids")
    if partial:
        return
    RESULT.parent.mkdir(exist_ok=True)
    content = {
        "mutants": len(verdicts),
        "killed": killed,
        "ids": len({verdict.mutant.id for verdict in verdicts}),
        "results": [
            {**asdict(v.mutant), "outcome": v.outcome, "seconds": v.seconds, "failed": v.failed, "why": v.why}
            for v in verdicts
        ],
    }
    RESULT.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
