"""The gateway as a process: real sockets, real signals, one store for one gateway, and no secret in its log."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.clock import Clock
from bridge.mapping.load import default_folder
from bridge.sim.checker import AifChecker
from bridge.sim.control import SimUnit
from bridge.sim.csms import DemoCsms
from bridge.sim.node import SimNode
from bridge.sim.udp import open_udp_port
from bridge.sim.unit import SimUnitConfig
from tests.tools.house import profile
from tests.tools.tables import fill

ROOT = Path(__file__).parents[2]
STATION = "CS-1"
PASSWORD = "a-password-nobody-may-read"
TOKEN = "TOKEN-NOBODY-MAY-READ"
#: Seconds that anything may take; SIGTERM has its own.
PATIENCE = 20
ENDS_WITHIN = 5

# One net per test process and test, so that tests beside this one are not met.
_HIGH, _LOW = divmod(os.getpid() % 0xFFFF, 256)
GATEWAY = f"127.62.{_LOW}.{1 + _HIGH % 120 * 2}"
UNIT = f"127.62.{_LOW}.{2 + _HIGH % 120 * 2}"
GROUP = f"239.62.{_HIGH}.{_LOW}"


def write_config(folder: Path, url: str, level: str = "info", **csms: Any) -> Path:
    """A site with the unit of this module."""
    secret = folder / "secret"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    profile_ = 2 if url.startswith("wss") else 1
    config = {
        "config": 1,
        "state_dir": "state",
        "networks": {"home": {"bind": GATEWAY, "group": GROUP}},
        "units": {"car": {"address": UNIT}},
        "stations": [
            {
                "id": STATION,
                "csms": {"url": url, "security_profile": profile_, "password_file": "secret", **csms},
                "evses": [{"id": 1, "unit": "car"}],
                "variables": {
                    "OCPPCommCtrlr.RetryBackOffWaitMinimum": 1,
                    "OCPPCommCtrlr.RetryBackOffRandomRange": 1,
                },
            }
        ],
        "log": {"level": level},
    }
    path = folder / "site.yaml"
    path.write_text(json.dumps(config))
    fill(folder / "state" / "cache")
    return path


async def start(config: Path, log: Path) -> asyncio.subprocess.Process:
    """Start a gateway; its log goes to a file."""
    with log.open("wb") as out:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bridge.cli.main", "run", "--config", str(config),
            cwd=config.parent, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=out, stderr=out,
        )  # fmt: skip


@asynccontextmanager
async def gateway(config: Path, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await start(config, log)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def unit() -> AsyncIterator[SimUnit]:
    clock = Clock()
    port = await open_udp_port(UNIT, clock, group=GROUP)
    checker = AifChecker(GATEWAY)
    port.tap(checker)
    sim = SimUnit(clock, SimUnitConfig(plugged=True))
    node = SimNode(clock, b"process-test", [sim])
    node.attach(port)
    await node.start()
    try:
        yield sim
    finally:
        await node.close()
    checker.assert_clean()


@asynccontextmanager
async def csms_at(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[DemoCsms, str]]:
    csms = DemoCsms(Clock(), password=PASSWORD)
    port = await csms.serve(tls=tls)
    try:
        yield csms, f"{'wss' if tls else 'ws'}://127.0.0.1:{port}/ocpp"
    finally:
        await csms.close()


async def end(process: asyncio.subprocess.Process) -> int:
    """SIGTERM; it must end within 5 s."""
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(ENDS_WITHIN):
        return await process.wait()


async def session(csms: DemoCsms, sim: SimUnit) -> None:
    await csms.wait_message(
        "StatusNotification", lambda p: p["connectorStatus"] == "Occupied", timeout_ms=PATIENCE * 1000
    )
    answer = await csms.call(
        STATION,
        "RequestStartTransaction",
        {
            "evseId": 1,
            "remoteStartId": 1,
            "idToken": {"idToken": TOKEN, "type": "Central"},
            "chargingProfile": profile(3000),
        },
    )
    assert answer["status"] == "Accepted"
    await csms.wait_message(
        "TransactionEvent",
        lambda p: p["transactionInfo"].get("chargingState") == "Charging",
        timeout_ms=PATIENCE * 1000,
    )
    assert sim.power_w > 0


@pytest.mark.parametrize("level", ["info", "debug"])
async def test_a_session_over_real_sockets_its_end_and_its_log(tmp_path: Path, level: str) -> None:
    log = tmp_path / "log"
    async with unit() as sim, csms_at() as (csms, url), gateway(write_config(tmp_path, url, level), log) as process:
        await session(csms, sim)
        reader, writer = await asyncio.open_unix_connection(tmp_path / "state" / "control.sock")
        writer.write(b'{"api": 1, "do": "status"}\n')
        status = await asyncio.wait_for(reader.readline(), PATIENCE)
        assert json.loads(status)["result"]["stations"][STATION]["online"] is True
        writer.close()
        assert await end(process) == 0
        assert sim.mode == 0x44  # on_shutdown: pause
        assert csms.violations == []
    said = log.read_text()
    lines = [json.loads(line) for line in said.splitlines()]
    assert {"starting", "written", "ended"} <= {line["event"] for line in lines}
    dials = [line for line in lines if line["event"] in ("boot notification answered", "disconnected")]
    assert dials
    assert all(line["station"] == STATION for line in dials)
    for secret in (PASSWORD, TOKEN, "Basic "):
        assert secret not in said
        assert secret.encode() not in status


async def test_a_second_gateway_on_the_same_state_is_refused(tmp_path: Path) -> None:
    async with unit() as sim, csms_at() as (csms, url):
        config = write_config(tmp_path, url)
        async with gateway(config, tmp_path / "log") as first:
            await csms.wait_message("StatusNotification", timeout_ms=PATIENCE * 1000)
            second = await start(config, tmp_path / "log2")
            assert await asyncio.wait_for(second.wait(), PATIENCE) == 1
            said = (tmp_path / "log2").read_text()
            assert "Traceback" not in said
            assert "another" in said.splitlines()[-1]
            # The first goes on: its socket is still its own, its unit still served.
            reader, writer = await asyncio.open_unix_connection(tmp_path / "state" / "control.sock")
            writer.write(b'{"api": 1, "do": "status"}\n')
            assert b'"result"' in await asyncio.wait_for(reader.readline(), PATIENCE)
            writer.close()
            sim.unplug()
            await csms.wait_message("StatusNotification", lambda p: p["connectorStatus"] == "Available")
            assert await end(first) == 0


async def test_a_csms_that_wants_another_password_is_dialled_on_and_the_end_comes_in_time(tmp_path: Path) -> None:
    async with unit(), csms_at() as (csms, url):
        csms.password = "another one"
        async with gateway(write_config(tmp_path, url), tmp_path / "log") as process:
            async with asyncio.timeout(PATIENCE):
                while "401" not in (tmp_path / "log").read_text():
                    await Clock().sleep(50)
            assert csms.messages == []
            assert await end(process) == 0
    assert PASSWORD not in (tmp_path / "log").read_text()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root of our own, and what it vouches for: the loopback address."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test root", "-days", "2")
    (folder / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("req", *key, "-keyout", "csms.key", "-out", "csms.csr", "-subj", "/CN=csms")
    openssl("x509", "-req", "-in", "csms.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", "csms.pem", "-days", "2", "-extfile", "ext")  # fmt: skip
    return folder


async def test_wss_with_a_root_of_ones_own(tmp_path: Path, certificates: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates / "csms.pem", certificates / "csms.key")
    async with unit(), csms_at(tls) as (csms, url):
        config = write_config(tmp_path, url, ca_file=str(certificates / "ca.pem"))
        async with gateway(config, tmp_path / "log") as process:
            await csms.wait_message("StatusNotification", timeout_ms=PATIENCE * 1000)
            assert await end(process) == 0


async def test_wss_without_its_root_is_not_trusted(tmp_path: Path, certificates: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates / "csms.pem", certificates / "csms.key")
    async with unit(), csms_at(tls) as (csms, url), gateway(write_config(tmp_path, url), tmp_path / "log") as process:
        async with asyncio.timeout(PATIENCE):
            while "certificate is not trusted" not in (tmp_path / "log").read_text():
                await Clock().sleep(50)
        assert csms.messages == []
        assert await end(process) == 0


async def test_an_address_that_is_taken_or_not_ours_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((GATEWAY, 3610))
        process = await start(write_config(tmp_path, "ws://127.0.0.1:9/ocpp"), tmp_path / "log")
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 1
    said = (tmp_path / "log").read_text()
    assert GATEWAY in said
    assert "Traceback" not in said


OVERLAY = """\
mapping: 1
kind: overlay
id: test-power
class: "0x027E"
match: {productCode: "SIM-*"}
changes:
  - {override: setpoints.pause.ways, with: [{id: mode, ensure: [{operationMode: idle}]}], why: a test}
"""


async def command(config: Path, *words: str) -> tuple[int, str]:
    """A command beside the gateway: its exit code, and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bridge.cli.main", *words, "--config", str(config),
        cwd=config.parent, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_tables_are_read_anew_at_sighup_and_on_command(tmp_path: Path) -> None:
    others = shutil.ignore_patterns("schema", "dumps", "vendors")
    shutil.copytree(default_folder(), tmp_path / "mappings", ignore=others)
    vendors = tmp_path / "mappings" / "vendors"
    vendors.mkdir()
    log = tmp_path / "log"
    async with csms_at() as (csms, url), unit():
        config = write_config(tmp_path, url)
        config.write_text(json.dumps(json.loads(config.read_text()) | {"mappings": "mappings"}))
        async with gateway(config, log) as process:
            await csms.wait_message("StatusNotification", timeout_ms=PATIENCE * 1000)
            (vendors / "test.yaml").write_text(OVERLAY)
            process.send_signal(signal.SIGHUP)
            await until_logged(log, "test-power")
            (vendors / "test.yaml").write_text(OVERLAY.replace("kind: overlay", "kind: overlaid"))
            code, said = await command(config, "reload")
            assert code == 1
            assert "WRONG-VALUE" in said
            (vendors / "test.yaml").unlink()
            code, said = await command(config, "reload")
            assert (code, said[:18]) == (0, "read anew: tables ")
            assert await end(process) == 0
        code, said = await command(config, "reload")
        assert code == 1
        assert said.startswith("no gateway runs with ")


async def until_logged(log: Path, text: str) -> None:
    """Wait until the gateway's log says it."""
    async with asyncio.timeout(PATIENCE):
        while text not in log.read_text():  # noqa: ASYNC240 - a small file
            await Clock().sleep(20)
