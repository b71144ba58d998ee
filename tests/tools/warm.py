"""Runs pytest in forks of a Python that has loaded already what no edit of the station can touch.

    python -P tests/tools/warm.py

What is loaded here lies below the station in the layers of `pyproject.toml`, so nothing of it imports the station; each
fork loads the station, the tests and all else anew from the folder that it is in. A request is a line of JSON on stdin,
`[pytest's arguments, the file for its output, seconds until it is given up]`; a line on stdout answers with its exit
code. `mutants.py` saves most of each mutant's time by it.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

#: Of other packages what the tests need, and the layers below the station.
LOADED: Final = (
    "pytest",
    "pytest_asyncio",
    "hypothesis",
    "jsonschema_rs",
    "pydantic",
    "structlog",
    "websockets.asyncio.client",
    "websockets.asyncio.server",
    "bridge.mapping.load",
    "bridge.store.sqlite",
    "bridge.charger.runner",
)
#: What may be edited: it must not be loaded here.
EDITED: Final = "bridge.station"


def run(arguments: Sequence[str], output: Path, seconds: int) -> int:
    """One pytest in a fork of its own: its exit code, less than 0 where it had to be ended."""
    child = os.fork()
    if child == 0:
        code = 3  # pytest's own for a fault of itself
        try:
            signal.alarm(seconds)
            with output.open("wb") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            code = _pytest(arguments)
        finally:
            sys.stdout.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _pytest(arguments: Sequence[str]) -> int:
    import pytest

    importlib.invalidate_caches()
    return int(pytest.main([*arguments]))


def main() -> None:
    """Serve until stdin ends."""
    for name in LOADED:
        importlib.import_module(name)
    early = [name for name in sys.modules if name.startswith(EDITED)]
    if early:
        sys.exit(f"loaded too early, an edit of it would not count: {', '.join(early)}")
    for line in sys.stdin:
        arguments, output, seconds = json.loads(line)
        print(run(arguments, Path(output), seconds), flush=True)


if __name__ == "__main__":
    main()
