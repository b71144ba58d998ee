"""The tool that kills the gateway at a chosen instant does so there, on the real store, link and network classes."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Records two events and answers the first; sends on a socket and on the network that are not there.
DRIVER = """
import asyncio, sys
from pathlib import Path
from tests.tools import killpoint
from bridge.echonet.udp import UdpLan
from bridge.station.link_websocket import WebSocketConnection
from bridge.store.port import TransactionRow
from bridge.store.sqlite import open_store

class Socket:
    async def send(self, text): print("sent", flush=True)

async def drive(path):
    store = await open_store(Path(path))
    for seq_no in range(2):
        event = await store.record("A", TransactionRow("t", 1, seq_no, "{}"), "e")
        await WebSocketConnection(Socket()).send('[2,"1","Heartbeat",{}]')
        await WebSocketConnection(Socket()).send('[2,"1","TransactionEvent",{}]')
        await store.answered("A", event.key)
    lan = UdpLan.__new__(UdpLan)
    lan._open = False
    lan._send(bytes.fromhex("108100010ef001027e01620180"), ("127.0.0.1", 3610))
    lan._send(bytes.fromhex("108100010ef001027e016101da0142"), ("127.0.0.1", 3610))

def command(arguments):
    asyncio.run(drive(*arguments))
    return 7

killpoint.command = command
sys.exit(killpoint.main())
"""
#: What the store holds after a kill at the second passage: pending numbers, next number.
HELD_AT_SECOND = {
    "before-commit": ([], 1),
    "after-commit": ([1], 2),
    "before-send": ([1], 2),
    "after-send": ([1], 2),
    "after-answer": ([1], 2),
    "before-delete-commit": ([1], 2),
    "after-delete": ([], 2),
}


def run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", DRIVER, *arguments, "--", str(tmp_path / "store.db")]
    environment = {"PYTHONPATH": str(ROOT)}
    return subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("phase", HELD_AT_SECOND)
async def test_the_store_holds_what_the_phase_says(tmp_path: Path, phase: str) -> None:
    from bridge.store.sqlite import open_store

    done = run(tmp_path, "--phase", phase, "--nth", "2")
    assert done.returncode == -9, done.stderr
    assert f"killpoint: {phase}, passage 2\n" in done.stderr
    store = await open_store(tmp_path / "store.db")
    pending = [event.seq_no for event in await store.pending("A")]
    [transaction] = await store.transactions("A")
    assert (pending, transaction.seq_no) == HELD_AT_SECOND[phase]
    await store.close()


@pytest.mark.parametrize(
    ("phase", "passages"), [("before-datagram", 2), ("after-datagram", 2), ("before-write", 1), ("after-write", 1)]
)
def test_datagrams(tmp_path: Path, phase: str, passages: int) -> None:
    assert run(tmp_path, "--phase", phase, "--nth", str(passages)).returncode == -9
    late = run(tmp_path / "other", "--phase", phase, "--nth", str(passages + 1))
    assert late.returncode == 7
    assert f"killpoint: not reached; {passages} passages of {phase}" in late.stderr


def test_a_kill_by_time(tmp_path: Path) -> None:
    done = run(tmp_path, "--after-ms", "0")
    assert done.returncode == -9
    assert "killpoint: after 0 ms" in done.stderr
