"""The guide for mapping authors: its commands are run again, and say what stands there.

`python tests/authoring/test_guide.py` writes the real output into the guide.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "mappings" / "README.md"
_PARTS = re.compile(
    r"```console\n(?P<console>.*?)```"
    r"|<!-- file: (?P<file>\S+) -->\n```yaml\n(?P<text>.*?)```"
    r"|<!-- replace: (?P<in>\S+): (?P<old>.*?) -> (?P<new>.*?) -->",
    re.DOTALL,
)
# One net per test process, so that others beside this one are not met.
_HIGH, _LOW = divmod(os.getpid() % 0xFFFF, 256)
_NET = {"127.0.0.1": f"127.64.{_LOW}.{1 + _HIGH % 120 * 2}", "127.0.0.2": f"127.64.{_LOW}.{2 + _HIGH % 120 * 2}"}
#: What differs from run to run, and with every edit of the tables.
_VARIES = (
    (re.compile(r"\d+(?:\.\d+)? (?:ms|s) old"), "N old"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "HASH"),
    (re.compile(r"\.yaml:\d+ "), ".yaml:N "),
    (re.compile(r"\d+ lines"), "N lines"),
    (re.compile(r"\d+ examples"), "N examples"),
    (re.compile(r"\bin \d+\.\d+ s\b"), "in N s"),
    (re.compile(r"\s+"), " "),
)


@dataclass
class Ran:
    """One command of the guide: what the guide shows, and what came."""

    command: str
    shown: str
    output: str


class Bench:
    """A folder in which the guide is followed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sims: list[subprocess.Popen[str]] = []
        shutil.copytree(ROOT / "mappings", folder / "mappings")

    def follow(self, guide: str) -> Iterator[Ran]:
        """Every step, in order."""
        for part in _PARTS.finditer(guide):
            if part["console"] is not None:
                for step in re.split(r"^(?=\$ )", part["console"], flags=re.MULTILINE):
                    if step:
                        first, _, shown = step.partition("\n")
                        yield Ran(first, shown, self._run(first.removeprefix("$ ")))
            elif part["file"] is not None:
                (self._folder / part["file"]).write_text(part["text"], "utf-8")
            else:
                path = self._folder / part["in"]
                text = path.read_text("utf-8")
                assert part["old"] in text, part["old"]
                path.write_text(text.replace(part["old"], part["new"]), "utf-8")

    def end(self) -> None:
        """Switch the units off."""
        for sim in self._sims:
            sim.terminate()
            sim.wait(20)

    def _run(self, command: str) -> str:
        for ours, own in _NET.items():
            command = command.replace(ours, own)
        line = command.replace("ocpp-echonet", f'"{sys.executable}" -m bridge.cli.main', 1)
        options = {"cwd": self._folder, "env": {**os.environ, "PYTHONPATH": str(ROOT)}, "text": True}
        if line.endswith(" &"):
            sim = subprocess.Popen(  # type: ignore[call-overload]
                f"exec {line[:-2]}", shell=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, **options
            )
            self._sims.append(sim)
            assert any('"ready"' in told for told in sim.stdout)  # the lines until then
            threading.Thread(target=sim.stdout.read, daemon=True).start()  # it must never wait for a reader
            return ""
        done = subprocess.run(  # type: ignore[call-overload]
            line,
            shell=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            timeout=90,
            check=False,
            **options,
        )
        output = str(done.stdout)
        assert "Traceback" not in output, output
        for ours, own in _NET.items():
            output = output.replace(own, ours)
        return output


def steady(text: str) -> str:
    for pattern, word in _VARIES:
        text = pattern.sub(word, text)
    return text.strip()


def test_the_guide_shows_what_really_happens(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    ran = []
    try:
        for step in bench.follow(GUIDE.read_text("utf-8")):
            ran.append(step.command)
            assert steady(step.output) == steady(step.shown), f"{step.command}\n{step.output}"
    finally:
        bench.end()
    used = {
        word
        for command in ran
        for word in ("scaffold", "test", "check", "explain", "simulate")
        if f"map {word}" in command
    }
    assert used == {"scaffold", "test", "check", "explain", "simulate"}


def write_anew() -> None:
    """Put the real output into the guide."""
    text = GUIDE.read_text("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        try:
            for step in bench.follow(text):
                before, after = f"{step.command}\n{step.shown}", f"{step.command}\n{step.output}"
                at = text.index(before, getattr(write_anew, "at", 0))
                text = text[:at] + after + text[at + len(before) :]
                write_anew.at = at + len(after)  # type: ignore[attr-defined]
        finally:
            bench.end()
    GUIDE.write_text(text, "utf-8")


if __name__ == "__main__":
    write_anew()
