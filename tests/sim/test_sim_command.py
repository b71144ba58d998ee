"""`ocpp-echonet sim` as a process: started, steered by lines, ended by a signal."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import Any

import pytest

from tests.tools.sim_controller import loopback

_PROGRAM = """
import argparse, sys
from bridge.cli import sim
parser = argparse.ArgumentParser()
sim.register(parser.add_subparsers())
args = parser.parse_args()
sys.exit(args.run(args))
"""


class Process:
    """The command and the events that it prints."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, *args: str) -> Process:
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                _PROGRAM,
                "sim",
                *args,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        )

    async def say(self, *lines: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        await self._process.stdin.drain()

    async def event(self, name: str, **wanted: Any) -> dict[str, Any]:
        """The next event of a name with these values."""
        assert self._process.stdout is not None
        async with asyncio.timeout(20):
            while line := await self._process.stdout.readline():
                event: dict[str, Any] = json.loads(line)
                if event["event"] == name and all(event.get(key) == value for key, value in wanted.items()):
                    return event
        raise AssertionError(f"the command ended without {name} {wanted}")

    async def end(self) -> int:
        self._process.send_signal(signal.SIGINT)
        return await self.code()

    async def code(self) -> int:
        async with asyncio.timeout(20):
            await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode


async def test_units_are_steered_by_lines() -> None:
    first, second = loopback(2, net=80), loopback(3, net=80)
    process = await Process.start("--address", first, "--count", "2", "--soc", "60", "--release", "Q")
    await process.event("sent", unit=first, text="INF 0EF001>0EF001 D5=01027E01")
    assert (await process.event("ready", unit=second))["soc"] == 60
    await process.say("2 plug", "2 panel discharge", "2 fault 0x3E9", "status", "panel warp", "jump")
    assert (await process.event("plug"))["connection"] == "43"
    assert (await process.event("panel", taken=True))["mode"] == "43"
    assert (await process.event("fault"))["fault"] == 0x03E9
    assert (await process.event("status"))["unit"] == first
    assert "panel has no" in (await process.event("error", line="panel warp"))["text"]
    assert "commands:" in (await process.event("error", line="jump"))["text"]
    await process.event("sent", unit=second, text="INF 027E01>0EF001 88=41")
    assert await process.end() == 0


async def test_its_values_are_checked() -> None:
    for wrong in (["--type", "0x99"], ["--soc", "120"], ["--release", "O"], ["--address", "here"], ["--count", "0"]):
        process = await Process.start(*wrong)
        assert await process.code() == 2


@pytest.mark.parametrize("line", ["1 plug 40", "1 write DC 03"])
async def test_a_number_names_the_unit(line: str) -> None:
    process = await Process.start("--address", loopback(2, net=81))
    await process.event("ready")
    await process.say(line)
    await process.event(line.split()[1])
    assert await process.end() == 0
