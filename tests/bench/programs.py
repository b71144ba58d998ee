"""The programs that the benchmarks measure from outside, each in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_PAGE = os.sysconf("SC_PAGE_SIZE")

#: The command itself; at its end it writes down which modules it had loaded.
GATEWAY = """
import sys
from bridge.cli.main import main
code = main(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write("\\n".join(list(sys.modules)))
sys.exit(code)
"""

#: Imports what it is told to, says so, and waits.
LIBRARIES = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
sys.stdout.write("imported\\n")
sys.stdout.flush()
sys.stdin.read()
"""


@dataclass(slots=True)
class Program:
    """A running Python; `born` is when it was asked for (s, `time.perf_counter`)."""

    process: asyncio.subprocess.Process
    born: float

    @property
    def rss(self) -> int:
        """What it holds of the machine's memory, in bytes."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * _PAGE

    async def end(self) -> None:
        """Ask it to end, and see that it does."""
        if self.process.returncode is None:
            self.process.terminate()
        async with asyncio.timeout(10):
            await self.process.wait()


@asynccontextmanager
async def python(*arguments: str, stderr: Path | None = None, limit: int = 2**16) -> AsyncIterator[Program]:
    """Run Python with these arguments until the block's end; its lines have at most `limit` bytes."""
    born = time.perf_counter()
    with open(stderr or os.devnull, "ab") as errors:  # noqa: ASYNC230 - before anything is measured
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            limit=limit,
        )
    program = Program(process, born)
    try:
        yield program
    finally:
        await program.end()


@asynccontextmanager
async def gateway(config: Path) -> AsyncIterator[Program]:
    """`ocpp-echonet run`; its log and (at its end) the names of its modules lie beside the configuration."""
    async with python(
        "-c",
        GATEWAY,
        str(config.with_name("modules.txt")),
        "run",
        "--config",
        str(config),
        stderr=config.with_name("log.txt"),
    ) as program:
        yield program


@asynccontextmanager
async def libraries(names: Sequence[str]) -> AsyncIterator[tuple[Program, float]]:
    """A process that has imported these and nothing else of ours, and how long (s) that took from its birth on."""
    async with python("-c", LIBRARIES, *names) as program:
        assert program.process.stdout is not None
        async with asyncio.timeout(30):
            line = await program.process.stdout.readline()
        took = time.perf_counter() - program.born
        assert line == b"imported\n", f"not all of {names} can be imported"
        yield program, took


def loaded(config: Path) -> list[str]:
    """The modules that a gateway had loaded when it ended, in the order in which it did."""
    return config.with_name("modules.txt").read_text().split("\n")


def foreign(modules: Sequence[str]) -> list[str]:
    """Those that are not ours: Python's own and the dependencies'."""
    return [name for name in modules if name.partition(".")[0] not in {"bridge", "__main__", ""}]


def site(folder: Path, csms_url: str, own: str, unit: str, group: str) -> Path:
    """Write the configuration of a gateway with one station and one unit."""
    config = {
        "config": 1,
        "state_dir": str(folder / "state"),
        "networks": {"home": {"bind": own, "group": group}},
        "units": {"garage": {"address": unit}},
        "echonet": {"gap": 0},
        "stations": [
            {
                "id": "BENCH",
                "csms": {"url": csms_url},
                "evses": [{"id": 1, "unit": "garage", "discharge": ["negative-limit"]}],
            }
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "site.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML too
    return path
