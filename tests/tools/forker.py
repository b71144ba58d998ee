"""Processes of the gateway that begin with all modules imported: each is forked from one that has done so once.

They are processes like any other, with memory, files and signals of their own, and die of SIGKILL like any other. What
is saved is the second of the processor that every start costs otherwise.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """A process that runs, and the code that it ends with (a signal's number below zero)."""

    pid: int
    code: asyncio.Future[int]

    async def wait(self) -> int:
        """Its code, when it has ended; who waits may be cancelled."""
        return await asyncio.shield(self.code)

    async def kill(self) -> None:
        """End it now, if it has not ended by itself."""
        if not self.code.done():
            os.kill(self.pid, signal.SIGKILL)
        await self.wait()


class Forker:
    """Starts processes; made by `open`, ended by `close` with all that it has started."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._begun: dict[int, asyncio.Future[int]] = {}
        self._ended: dict[int, asyncio.Future[int]] = {}
        self._reading = asyncio.ensure_future(self._read())
        self._count = 0

    @classmethod
    async def open(cls) -> Forker:
        """Start the process that the others are forked from, and wait until it has imported everything."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", __name__, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        if not await process.stdout.readline():
            raise OSError("the process that forks the gateways does not start")
        return cls(process)

    async def start(self, command: Sequence[str], out: Path, err: Path) -> Child:
        """Run `ocpp-echonet COMMAND`, or `tests.tools.killpoint` if that is its first word."""
        self._count += 1
        number, loop = self._count, asyncio.get_running_loop()
        self._begun[number], self._ended[number] = loop.create_future(), loop.create_future()
        order = {"number": number, "command": list(command), "out": str(out), "err": str(err)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return Child(await self._begun[number], self._ended[number])

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            what, number, value = json.loads(line)
            (self._begun if what == "begun" else self._ended)[number].set_result(value)
        for waiting in (*self._begun.values(), *self._ended.values()):  # it is gone, and all that it has started
            if not waiting.done():
                waiting.set_exception(OSError("the process that forks the gateways has ended"))

    async def close(self) -> None:
        """End it and all that it has started."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)


# -- within the process that forks


def _serve() -> None:
    commands = _import_all()
    gc.freeze()
    os.write(1, b"ready\n")
    woken, wakes = socket.socketpair()
    woken.setblocking(False)
    wakes.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes.fileno())
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(woken, selectors.EVENT_READ)
    numbers: dict[int, int] = {}
    rest = b""
    while True:
        for key, _ in selector.select():
            if key.fd != 0:
                woken.recv(1024)
                _tell_ends(numbers)
                continue
            read = os.read(0, 65536)
            if not read:
                return
            *lines, rest = (rest + read).split(b"\n")
            for line in lines:
                order = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    _become(order, commands)
                numbers[pid] = order["number"]
                _tell("begun", order["number"], pid)


def _import_all() -> dict[str, Callable[[Sequence[str]], int]]:
    import bridge.gateway.config
    import bridge.gateway.process
    import bridge.mapping.cache  # noqa: F401 - for those that are forked
    from bridge.cli.main import main
    from tests.tools import killpoint

    return {"killpoint": killpoint.main, "": main}


def _tell(what: str, number: int, value: int) -> None:
    os.write(1, json.dumps([what, number, value]).encode() + b"\n")


def _tell_ends(numbers: dict[int, int]) -> None:
    while numbers:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        _tell("ended", numbers.pop(pid), os.waitstatus_to_exitcode(status))


def _become(order: dict[str, Any], commands: dict[str, Callable[[Sequence[str]], int]]) -> None:
    """What was forked runs its command and ends with its code."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, path in ((0, os.devnull), (1, order["out"]), (2, order["err"])):
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            os.dup2(file, number)
            os.close(file)
        first, *words = order["command"]
        code = commands[first](words) if first in commands else commands[""](order["command"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
