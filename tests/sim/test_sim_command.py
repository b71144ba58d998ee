"""`ocpp-echonet sim` as a process: started, steered by lines, ended by a signal."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import Any

import pytest

from bridge.sim.quirks import QUIRKS
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

    async def output(self) -> tuple[int, str, str]:
        """Wait for the end: its code, and what it printed."""
        async with asyncio.timeout(20):
            out, err = await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode, out.decode(), err.decode()

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


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2 plug", "there is no device 2: there is one device only, number 1"),
        ("plug 200", "200 is not 0 to 100; it is: plug [SOC]"),
        ("write DA", "incomplete; it is: write EPC EDT"),
    ],
)
async def test_a_wrong_line_is_told_with_the_mend(line: str, said: str) -> None:
    process = await Process.start("--bind", loopback(2, net=95))
    await process.event("ready")
    await process.say(line)
    assert said in (await process.event("error", line=line))["text"]
    assert await process.end() == 0


@pytest.mark.parametrize("line", ["1 plug 40", "1 write DC 03"])
async def test_a_number_names_the_unit(line: str) -> None:
    process = await Process.start("--address", loopback(2, net=81))
    await process.event("ready")
    await process.say(line)
    await process.event(line.split()[1])
    assert await process.end() == 0


async def test_units_of_different_kinds_and_a_meter_live_together() -> None:
    first = loopback(2, net=86)
    both = loopback(30, net=86)
    process = await Process.start(
        *("--address", first, "--soc", "60", "--load", "700", "--meter", "0x0288", "--meter", "0x0287"),
        *("--unit", "release=Q plugged", "--unit", "class=0x02A1 type=0x21 release=R soc=20 quirk=inf-doubled"),
        *("--unit", f"instance=5 address={both}", "--unit", f"class=0x02A1 address={both}"),
    )
    events = [await process.event("ready") for _ in range(6)]
    assert [event["eoj"] for event in events] == ["027E01", "02A101", "027E05", "02A101", "028801", "028701"]
    assert [event["soc"] for event in events[:3]] == [60, 20, 60]
    assert [event["unit"] for event in events[2:4]] == [both, both]
    await process.say("1 panel discharge", "2 plug", "5 load 900", "5 status", "5 plug", "1 power off", "1 power on")
    assert (await process.event("panel", taken=True))["mode"] == "43"
    assert (await process.event("plug"))["connection"] == "FF"
    assert (await process.event("status"))["power_w"] == 900
    assert "a meter does not do that" in (await process.event("error", line="5 plug"))["text"]
    await process.event("sent", unit=first, text="INF 0EF001>0EF001 D5=01027E01")
    assert await process.end() == 0


async def test_another_controller_fights() -> None:
    process = await Process.start("--address", loopback(2, net=87), "--plugged", "--hems", "DA=44")
    await process.event("ready", hems=["DA=44"])
    await process.event("sent", text="SET_RES 027E01>05FF01 DA")
    await process.event("sent", text="INF 027E01>0EF001 DA=44")
    assert await process.end() == 0


async def test_the_quirks_are_listed_and_the_help_suffices() -> None:
    code, out, _ = await (await Process.start("--quirk", "help")).output()
    assert code == 0
    assert [line.split("[")[0].split()[0] for line in out.splitlines()] == list(QUIRKS)
    code, out, _ = await (await Process.start("--help")).output()
    assert code == 0
    for word in ("0x02A1", "--quirk help", "--unit", "--meter", "--hems", "surplus W", "examples:"):
        assert word in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--quirk", "slow-answer"], "quirk 'slow-answer' is not known: did you mean slow-answers?"),
        (["--class", "0x02A1", "--release", "F"], "release 'F' does not have class 0x02A1"),
        (["--class", "0x02A1", "--type", "0x32"], "equipment type 0x32 is not known to class 0x02A1"),
        (["--type", "big"], "type: 'big' is no number"),
        (["--instance", "0x80"], "instance: 0x80 is not 1 to 0x7F"),
        (["--capacity", "3"], "capacity: 3 Wh is not"),
        (["--unit", "socket=3"], "'socket' is none of class, release"),
        (["--unit", "soc=3", "--count", "2"], "not both"),
        (["--unit", "instance=2 address=127.0.0.9", "--unit", "instance=2 address=127.0.0.9"], "want instance 2"),
        (["--hems", "DA"], "'DA' is not EPC=EDT"),
    ],
)
async def test_what_is_wrong_is_told(arguments: list[str], says: str) -> None:
    code, _, err = await (await Process.start("--address", loopback(2, net=88), *arguments)).output()
    assert code == 2
    assert says in err
