"""The broken dictionaries, tables and overlays of tests/broken, and what `ocpp-echonet map check` says of them.

`python -m tests.tools.broken --write [NAME ...]` writes what is said now as what is expected; read it before you keep
it. How a case is written stands in tests/broken/README.md.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from os import environ
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from bridge.cli.main import main as command

BROKEN = Path(__file__).parent.parent / "broken"
BASE = BROKEN / "base"
CASES = BROKEN / "cases"
#: What a case may say.
KEYS = {"wrong", "change", "files", "ask", "tool"}
#: How long it took is not the same each time.
_SECONDS = re.compile(r"in \d+\.\d s$", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    """A case: what is `wrong` in a sentence, and how the broken folder is made of the base."""

    name: str
    wrong: str
    changes: Mapping[str, Sequence[Mapping[str, str]]]
    files: Mapping[str, Any]
    ask: Sequence[str]
    tool: str

    @property
    def expected(self) -> Path:
        """The file with what is said of it."""
        return CASES / f"{self.name}.txt"

    def said(self, scratch: Path) -> tuple[int, str]:
        """The exit code, and all that is printed; files are called as they are in the folder of the case."""
        folder = scratch / "case"
        shutil.copytree(BASE, folder)
        for file, changes in self.changes.items():
            _change(self.name, folder / file, changes)
        for file, content in self.files.items():
            _write(folder, file, content)
        paths = [str(folder / path) for path in self.ask] or [str(folder)]
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(printed):
            code = command(["map", self.tool, *paths])
        text = printed.getvalue().replace(f"{folder}/", "").replace(str(folder), "case")
        return code, _SECONDS.sub("in N s", text.replace(f"{scratch}/", "../"))


def _change(name: str, path: Path, changes: Sequence[Mapping[str, str]]) -> None:
    text = path.read_text("utf-8")
    for change in changes:
        if text.count(change["old"]) != 1:
            raise ValueError(f"{name}: {path.name} has {text.count(change['old'])} times {change['old']!r}")
        text = text.replace(change["old"], change["new"])
    path.write_text(text, "utf-8")


def _write(folder: Path, file: str, content: Any) -> None:
    """A text; or `{text, times, encoding}`, `{link}` or `{folder: true}`; nothing takes the file away."""
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        path.unlink()
    elif isinstance(content, str):
        path.write_text(content, "utf-8")
    elif "link" in content:
        path.symlink_to(content["link"])
    elif "folder" in content:
        path.mkdir()
    else:
        text = "".join(content["text"].replace("{n}", str(n)) for n in range(content.get("times", 1)))
        path.write_bytes((content.get("before", "") + text).encode(content.get("encoding", "utf-8")))


def all_cases() -> Iterator[Case]:
    """Every case, in the order of their names."""
    for path in sorted(CASES.glob("*/*.yaml")):
        yield read_case(path)


def read_case(path: Path) -> Case:
    """The case that a file describes."""
    told = YAML(typ="safe").load(path.read_text("utf-8"))
    if unknown := told.keys() - KEYS:
        raise ValueError(f"{path}: unknown {', '.join(sorted(unknown))}")
    name = str(path.relative_to(CASES).with_suffix(""))
    return Case(
        name,
        told["wrong"],
        told.get("change", {}),
        told.get("files", {}),
        told.get("ask", ()),
        told.get("tool", "check"),
    )


def said_of(case: Case) -> tuple[int, str]:
    """What is said of a case, in a folder of its own that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ocpp-echonet-broken-") as scratch:
        return case.said(Path(scratch).resolve())


def main() -> int:
    """Write, or show, what is said of the cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases, or groups of them (default: all)")
    parser.add_argument("--write", action="store_true", help="as what is expected from now on")
    options = parser.parse_args()
    environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="ocpp-echonet-broken-cache-")
    for case in all_cases():
        if options.names and not {case.name, case.name.partition("/")[0]} & set(options.names):
            continue
        try:
            code, text = said_of(case)
        except ValueError as reason:
            print("!!!", reason)
            continue
        print(f"=== {case.name}: {case.wrong}" + ("" if code == 1 else f"   !!! exit code {code}"))
        print(text)
        if options.write:
            case.expected.write_text(text, "utf-8")
    shutil.rmtree(environ["XDG_CACHE_HOME"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
