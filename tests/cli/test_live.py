"""The commands as a person calls them: real sockets, with a gateway that runs and without one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.layout import WIDTH, width_of
from bridge.cli.main import main
from bridge.clock import Clock
from bridge.echonet.dump import parse_dump, read_dump
from bridge.gateway.config import load_config
from bridge.sim.checker import AifChecker
from bridge.sim.control import SimUnit
from bridge.sim.csms import DemoCsms
from bridge.sim.node import SimNode
from bridge.sim.udp import open_udp_port
from bridge.sim.unit import SimUnitConfig
from tests.tools.tables import fill

ROOT = Path(__file__).parents[2]
PATIENCE = 60

# One net per test process, so that tests beside this one are not met.
_HIGH, _LOW = divmod(os.getpid() % 0xFFFF, 256)
OWN = f"127.63.{_LOW}.{1 + _HIGH % 120 * 2}"
UNIT = f"127.63.{_LOW}.{2 + _HIGH % 120 * 2}"
GROUP = f"239.63.{_HIGH}.{_LOW}"
WHERE = ("--bind", OWN, "--group", GROUP)


@asynccontextmanager
async def unit(**config: Any) -> AsyncIterator[SimUnit]:
    clock = Clock()
    port = await open_udp_port(UNIT, clock, group=GROUP)
    port.tap(checker := AifChecker(OWN))
    sim = SimUnit(clock, SimUnitConfig(**{"plugged": True, **config}))
    node = SimNode(clock, b"live-test", [sim])
    node.attach(port)
    await node.start()
    try:
        yield sim
    finally:
        await node.close()
    checker.assert_clean()


async def start(*arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bridge.cli.main", *arguments,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe,
    )  # fmt: skip


async def call(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command; never a traceback, never too wide."""
    process = await start(*arguments)
    return await finished(process)


async def finished(process: asyncio.subprocess.Process) -> tuple[int, str, str]:
    async with asyncio.timeout(PATIENCE):
        out, err = (text.decode() for text in await process.communicate())
    assert "Traceback" not in err, err
    assert process.returncode is not None
    return process.returncode, out, err


def fits(text: str) -> bool:
    return all(width_of(line) <= WIDTH for line in text.splitlines())


def site(folder: Path, url: str = "ws://127.0.0.1:9/", **unit_: Any) -> Path:
    config = {
        "config": 1,
        "state_dir": "state",
        "networks": {"home": {"bind": OWN, "group": GROUP}},
        "units": {"car": {"address": UNIT, **unit_}},
        "stations": [{"id": "CS-1", "csms": {"url": url}, "evses": [{"id": 1, "unit": "car"}]}],
        "log": {"level": "warning"},
    }
    path = folder / "site.yaml"
    path.write_text(json.dumps(config))
    fill(folder / "state" / "cache")
    return path


@asynccontextmanager
async def gateway(folder: Path, **unit_: Any) -> AsyncIterator[Path]:
    """A gateway with its CSMS; gives back the configuration once its socket answers and its unit is read."""
    csms = DemoCsms(Clock())
    url = f"ws://127.0.0.1:{await csms.serve()}/"
    config = site(folder, url, **unit_)
    process = await start("run", "--config", str(config))
    try:
        await csms.wait_message("StatusNotification", lambda p: p["connectorStatus"] == "Occupied", timeout_ms=30_000)
        yield config
    finally:
        if process.returncode is None:
            process.terminate()
        assert (await finished(process))[0] == 0
        await csms.close()


# -- without a gateway


async def test_discover_shows_a_table_json_and_a_snippet_that_can_be_pasted(tmp_path: Path) -> None:
    async with unit() as sim:
        code, out, err = await call("discover", "--seconds", "2", *WHERE)
        assert (code, fits(out)) == (0, True)
        assert UNIT in out
        assert "EV charger/discharger" in out
        assert "1 object at 1 address, 1 supported." in out
        assert "no gateway runs here" in err

        code, out, _ = await call("discover", "--seconds", "2", "--format", "json", *WHERE)
        [row] = json.loads(out)["found"]
        assert (code, row["address"], row["supported"]) == (0, UNIT, True)

        code, out, _ = await call("discover", "--seconds", "2", "--format", "config", *WHERE)
        assert code == 0
        assert sim.log == []
    stations = (
        'config: 1\nstate_dir: state\nstations: [{id: CS-1, csms: {url: "ws://127.0.0.1:9/"}, '
        "evses: [{id: 1, unit: unit1}]}]\n"
    )
    (tmp_path / "site.yaml").write_text(stations + out)
    pasted = load_config(tmp_path / "site.yaml")
    assert pasted.units["unit1"].identity == row["identity"]
    assert pasted.units["unit1"].control.value == "observe"
    assert pasted.networks["net"].bind == OWN


async def test_nothing_found_is_told_with_what_may_be_wrong() -> None:
    code, out, _ = await call("discover", "--seconds", "0.5", *WHERE)
    assert code == 1
    assert f"Nothing answered from {OWN}" in out
    assert "multicast" in out


async def test_probe_shows_a_table_of_everything() -> None:
    async with unit(withheld=frozenset({0xD8})):
        code, out, _ = await call("probe", UNIT, *WHERE)
        assert (code, fits(out)) == (0, True)
        names = ("車両接続・充放電可否状態", "chargeDischargeStatus", "chargeableDischargeable")
        for shown in (*names, "D8", "refused (SNA)", "mappings/tables/0x027E.yaml", "up to 6000 W"):
            assert shown in out


async def test_a_dump_is_written_and_read_again(tmp_path: Path) -> None:
    async with unit() as sim:
        path = tmp_path / "unit.jsonl"
        code, out, err = await call("dump", UNIT, "--out", str(path), "--seconds", "1", *WHERE)
        assert (code, out) == (0, "")
        assert "redacted" in err
        dump = read_dump(path)
        assert dump.values_at()[0xC7] == b"\x43"
        assert dump.values_at()[0x83] != sim.read(0x83)
        code, out, err = await call("dump", UNIT, "--raw", "--seconds", "1", *WHERE)
        assert (code, "NOT redacted" in err) == (0, True)
        assert json.loads(out.splitlines()[0])["address"] == UNIT
        code, _, err = await call("dump", UNIT, "--out", str(tmp_path), *WHERE)
        assert (code, "cannot be written" in err) == (1, True)


async def test_a_dump_that_could_not_be_made_leaves_an_earlier_one_alone(tmp_path: Path) -> None:
    path = tmp_path / "unit.jsonl"
    path.write_text("an earlier dump\n")
    code, _, err = await call("dump", UNIT, "--out", str(path), "--seconds", "0", *WHERE)
    assert (code, "from 0.5 to 3600" in err) == (1, True)
    code, _, err = await call("dump", "car", "--out", str(path), *WHERE)
    assert (code, "to use a unit's name" in err) == (1, True)
    assert path.read_text() == "an earlier dump\n"


async def _interrupted_dump(*where: str) -> None:
    process = await start("dump", UNIT, "--seconds", "600", *where)
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        lines = [(await process.stdout.readline()).decode() for _ in range(8)]
    process.send_signal(signal.SIGINT)
    code, out, err = await finished(process)
    lines += out.splitlines(keepends=True)
    assert (code, f"{len(lines)} lines, redacted" in err) == (130, True)
    assert parse_dump(lines).values_at()


async def test_an_interrupted_dump_keeps_what_it_has() -> None:
    async with unit():
        await _interrupted_dump(*WHERE)


async def test_an_interrupted_dump_through_a_gateway_does_too(tmp_path: Path) -> None:
    async with unit(), gateway(tmp_path) as config:
        await _interrupted_dump("--config", str(config))


async def test_a_ramp_asks_first_steps_and_ends_stopped() -> None:
    async with unit() as sim:
        code, _, err = await call("ramp", UNIT, *WHERE)
        assert (code, sim.log) == (1, [])
        assert "1500 W, 3000 W, 4500 W, 6000 W" in err
        assert "add --yes" in err
        code, out, _ = await call("ramp", UNIT, "--steps", "1500,3000", "--hold", "1", "--yes", *WHERE)
        assert (code, fits(out), sim.power_w) == (0, True, 0)
        assert "chargingElectricPower=3000 W" in out
        assert out.rstrip().endswith("The unit is stopped.")
        code, out, err = await call("ramp", UNIT, "--steps", "9000", "--yes", *WHERE)
        assert (code, out) == (1, "")
        assert "at most 6000 W" in err


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGHUP])
async def test_an_interrupted_ramp_leaves_the_unit_stopped(end: signal.Signals) -> None:
    async with unit() as sim:
        process = await start("ramp", UNIT, "--steps", "3000", "--hold", "600", "--yes", *WHERE)
        async with asyncio.timeout(PATIENCE):
            await sim.until(lambda sim: sim.power_w == 3000)
        process.send_signal(end)
        process.send_signal(signal.SIGINT)
        code, out, _ = await finished(process)
        assert (code, sim.power_w) == (130, 0)
        assert "The unit is stopped." in out


async def test_a_ramp_whose_reader_goes_away_leaves_the_unit_stopped() -> None:
    async with unit() as sim:
        process = await start("ramp", UNIT, "--steps", "3000,1500", "--hold", "1", "--yes", "--format", "json", *WHERE)
        assert process.stdout is not None
        process.stdout._transport.close()  # type: ignore[attr-defined]  # as `| head -0` would
        code, _, _ = await finished(process)
        assert code == 1
        assert sim.power_w == 0
        assert sim.mode in (0x44, 0x47)


async def test_an_interrupted_search_ends_at_once() -> None:
    process = await start("discover", "--seconds", "600", *WHERE)
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE):
        await process.stderr.readline()
    process.send_signal(signal.SIGINT)
    code, _, err = await finished(process)
    assert (code, "interrupted" in err) == (130, True)


async def test_an_address_that_is_taken_names_the_mend() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as a gateway has it
        taken.bind((OWN, 3610))
        code, _, err = await call("probe", UNIT, *WHERE)
    assert code == 1
    assert "--config" in err


# -- through a gateway


async def test_commands_go_through_a_gateway_that_runs(tmp_path: Path) -> None:
    async with unit() as sim, gateway(tmp_path) as config:
        where = ("--config", str(config))
        code, out, err = await call("discover", "--seconds", "2", *where)
        assert code == 0
        assert "configured as car" in out
        assert f"through the gateway that runs with {config}" in err

        code, out, _ = await call("probe", "car", "--format", "json", *where)
        assert code == 0
        assert json.loads(out)["through_gateway"] is True

        code, _, err = await call("dump", "car", "--seconds", "1", "--out", str(tmp_path / "d"), *where)
        assert code == 0
        assert read_dump(tmp_path / "d").values_at()[0xC7] == b"\x43"

        code, out, err = await call("ramp", "car", "--steps", "2000", "--hold", "1", "--yes", *where)
        assert (code, sim.power_w) == (0, 0), err
        assert "The unit is stopped." in out

        code, _, err = await call("probe", "cra", *where)
        assert (code, 'did you mean "car"' in err) == (1, True)
        code, _, err = await call("probe", "car", "--bind", OWN, *where)
        assert (code, "leave --bind out" in err) == (1, True)


async def test_an_interrupted_ramp_through_a_gateway_is_stopped_by_it(tmp_path: Path) -> None:
    async with unit() as sim, gateway(tmp_path) as config:
        process = await start("ramp", "car", "--steps", "3000", "--hold", "600", "--yes", "--config", str(config))
        async with asyncio.timeout(PATIENCE):
            await sim.until(lambda sim: sim.power_w == 3000)
        process.send_signal(signal.SIGINT)
        code, out, _ = await finished(process)
        assert (code, sim.power_w) == (130, 0)
        assert "The unit is stopped." in out

        process = await start("ramp", "car", "--steps", "3000", "--hold", "600", "--yes", "--config", str(config))
        async with asyncio.timeout(PATIENCE):
            await sim.until(lambda sim: sim.power_w == 3000)
            process.kill()  # nobody is left to say that it is over
            await sim.until(lambda sim: sim.power_w == 0)
        await process.communicate()


async def test_a_configuration_without_its_gateway_is_used_directly(tmp_path: Path) -> None:
    async with unit() as sim:
        config = str(site(tmp_path, control="observe"))
        code, out, err = await call("probe", "car", "--config", config)
        assert (code, "no gateway runs here" in err) == (0, True)
        assert out.startswith("car: ")
        code, _, err = await call("ramp", "car", "--yes", "--config", config)
        assert (code, "control: observe" in err, sim.log) == (1, True, [])


# -- words


@pytest.mark.parametrize("command", ["discover", "probe", "ramp", "dump"])
def test_help_tells_exit_codes_and_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    for word in ("exit codes: 0 done", "--config", "--bind"):
        assert word in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("probe", "nonsense", *WHERE), "neither a unit of the configuration nor an address"),
        (("probe", UNIT, "--config", "/nonexistent.yaml"), "/nonexistent.yaml"),
        (("probe", UNIT, "--bind", "192.0.2.77"), "192.0.2.77"),
        (("probe", UNIT, "--bind", "no address"), "no address"),
        (("probe", UNIT, "--mappings", "/nonexistent", *WHERE), "no such folder"),
        (("discover", "--interface", "nonesuch0"), "nonesuch0"),
        (("discover", "--seconds", "0", *WHERE), '"seconds" is a number'),
        (("discover", "--group", "10.0.0.1", "--bind", OWN), "multicast group"),
        (("probe", "2001:db8::1", *WHERE), "IPv6"),
        (("dump", UNIT, "--out", "/nonexistent/x", *WHERE), "cannot be written"),
    ],
)
def test_errors_say_what_is_wrong(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.gateway.logs.set_up_logs", lambda _: None)  # this process' logs are pytest's
    assert main(arguments) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err


@pytest.mark.parametrize("arguments", [["--steps", "a"], ["--hold"], ["--format", "xml"], []])
def test_a_wrong_command_line_is_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["ramp", *([UNIT, *arguments] if arguments else [])])
    assert ended.value.code == 2
    assert "usage: ocpp-echonet ramp" in capsys.readouterr().err
