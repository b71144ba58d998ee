"""Programs of others, started and spoken with: lines of JSON out of them, lines into them."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
#: How long to wait for a program that is alive (s).
PATIENCE = 30

Line = dict[str, Any]


def address(host: int) -> str:
    """A loopback address that no other test worker uses."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return f"127.97.{int(worker) + 1}.{host}"


def install_packages() -> None:
    """Have npm's packages; one process installs, the others wait for it. No lock file: it would name a registry."""
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("--peers needs Node and npm")
    with (Path(tempfile.gettempdir()) / "ocpp-echonet-peers.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all((HERE / "node_modules" / name).is_dir() for name in ("echonet-lite", "date-utils", "ocpp-rpc")):
            quiet = ["--package-lock=false", "--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run([npm, "install", *quiet], cwd=HERE, check=True, timeout=300)


class Program:
    """A running program. Its lines that are no JSON are kept in `other`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._changed = asyncio.Event()
        self._reading = asyncio.get_running_loop().create_task(self._read())
        self.lines: list[Line] = []
        self.other: list[str] = []
        self._calls = 0

    @classmethod
    async def start(cls, *command: str, **more: Any) -> Program:
        """Start it."""
        pipe = asyncio.subprocess.PIPE
        return cls(
            await asyncio.create_subprocess_exec(
                *command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT, cwd=HERE, limit=2**22, **more
            )
        )

    @classmethod
    async def node(cls, script: str, *args: str) -> Program:
        """Start one of the scripts beside this file."""
        return await cls.start("node", script, *args)

    @classmethod
    async def python(cls, *args: str) -> Program:
        """Start a Python module of ours, such as the gateway's command."""
        paths = os.pathsep.join([str(HERE.parent.parent), os.environ.get("PYTHONPATH", "")])
        return await cls.start(sys.executable, "-m", *args, env={**os.environ, "PYTHONPATH": paths})

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while text := await self._process.stdout.readline():
            try:
                line = json.loads(text)
            except ValueError:
                line = None
            if isinstance(line, dict):
                self.lines.append(line)
            else:
                self.other.append(text.decode(errors="replace").rstrip())
            self._notify()
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def say(self, text: str) -> None:
        """One line into it."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n".encode())
        await self._process.stdin.drain()

    async def wait(self, match: Callable[[Line], bool], since: int = 0, patience: float = PATIENCE) -> Line:
        """The first line from number `since` on that matches. Raises AssertionError, with what was said instead."""
        try:
            async with asyncio.timeout(patience):
                while True:
                    changed = self._changed
                    for line in self.lines[since:]:
                        if match(line):
                            return line
                    assert not self._reading.done(), f"it has ended: {self.lines[-5:]} {self.other[-20:]}"
                    await changed.wait()
        except TimeoutError:
            raise AssertionError(f"no such line; the last: {self.lines[-8:]} {self.other[-20:]}") from None

    async def event(self, name: str, since: int = 0, patience: float = PATIENCE, **fields: Any) -> Line:
        """The first line with this event and these fields."""
        wanted = {"event": name, **fields}
        return await self.wait(lambda line: wanted.items() <= line.items(), since, patience)

    async def command(self, text: str) -> None:
        """A command to the device, until it is done."""
        since = len(self.lines)
        await self.say(text)
        await self.event("done", since, command=text)

    async def call(self, method: str, params: Line, **more: Any) -> Line:
        """An OCPP call by `csms.js` or `station.js`: the line with `result` or `error`."""
        self._calls += 1
        await self.say(json.dumps({"id": self._calls, "method": method, "params": params, **more}))
        return await self.event("result", id=self._calls)

    async def stop(self) -> int:
        """End it (SIGTERM, then SIGKILL) and give back its code."""
        if self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(10):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
        await self._process.wait()
        await self._reading
        return self._process.returncode or 0
