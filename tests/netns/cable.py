"""Two machines, as far as the kernel can pretend: two network namespaces, a cable between them, programs in them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
#: Each family's address of the gateway and of the unit. The last one differs by the card that has it only.
PLACES = {
    "IPv4": ("10.77.7.1", "10.77.7.2"),
    "IPv6": ("fd00:77::1", "fd00:77::2"),
    "IPv6 link-local": ("fe80::77:1", "fe80::77:2"),
}


@dataclass(frozen=True)
class Cable:
    """Two namespaces and the card that each has at the cable's ends."""

    spaces: tuple[str, str]
    cards: tuple[str, str]


def ip(*arguments: str, within: str | None = None) -> None:
    """Run iproute2; `RuntimeError` with what it says."""
    command = ["ip", *(("-n", within) if within else ()), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except OSError as error:
        raise RuntimeError(f"{' '.join(command)}: {error}") from error
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def lay(cable: Cable) -> None:
    """Make namespaces, cable, addresses and the routes that multicast needs."""
    for space in cable.spaces:
        ip("netns", "add", space)
    first, second = cable.cards
    ip("link", "add", first, "netns", cable.spaces[0], "type", "veth", "peer", second, "netns", cable.spaces[1])
    for number, (space, card) in enumerate(zip(cable.spaces, cable.cards, strict=True)):
        ip("link", "set", "lo", "up", within=space)
        for addresses in PLACES.values():
            own = addresses[number]
            length, more = ("24", ()) if "." in own else ("64", ("nodad",))
            ip("address", "add", f"{own}/{length}", "dev", card, *more, within=space)
        ip("link", "set", card, "up", within=space)
        ip("route", "add", "224.0.0.0/4", "dev", card, within=space)


@contextmanager
def laid_cable() -> Iterator[Cable]:
    """A cable between two namespaces of this run; where that is not allowed the test is skipped, with the reason."""
    if shutil.which("ip") is None:
        pytest.skip("network namespaces need iproute2, and there is no `ip`")
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    tag = f"{os.getpid() % 100_000}"
    laid = Cable((f"echonet-a{tag}", f"echonet-b{tag}"), (f"eca{tag}", f"ecb{tag}"))
    try:
        try:
            lay(laid)
        except RuntimeError as error:
            pytest.skip(f"network namespaces are not allowed here: {error}")
        yield laid
    finally:
        for space in laid.spaces:
            subprocess.run(["ip", "netns", "delete", space], capture_output=True)


class Program:
    """A program in a namespace; its lines are JSON."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process, self._log = process, log

    async def say(self, text: str) -> None:
        """One line into it."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n".encode())
        await self._process.stdin.drain()

    async def until(self, patience: float = 90, **fields: Any) -> dict[str, Any]:
        """The next line with these fields."""
        assert self._process.stdout is not None
        async with asyncio.timeout(patience):
            while line := await self._process.stdout.readline():
                told: dict[str, Any] = json.loads(line)
                if "error" in told:
                    break
                if fields.items() <= told.items():
                    return told
        raise AssertionError(f"{line.decode() or 'it has ended'}; its log: {self._log.read_text()[-2000:]}")

    async def do(self, step: str, patience: float = 90) -> None:
        """A step of the session, until it is done."""
        await self.say(step)
        await self.until(patience, event=step)

    async def end(self) -> None:
        """End it, and those that it has started."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(15):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def within(space: str, log: Path, *program: str) -> AsyncIterator[Program]:
    """Run a program in a namespace."""
    command = ("ip", "netns", "exec", space, *program)
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    running = Program(process, log)
    try:
        yield running
    finally:
        await running.end()
