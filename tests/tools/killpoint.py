"""Run a command of `ocpp-echonet` in this process, with a SIGKILL planted at a certain instant.

    python -m tests.tools.killpoint --phase after-commit --nth 3 -- run --config site.yaml
    python -m tests.tools.killpoint --phase in-commit --nth 3 --delay-us 800 -- run --config site.yaml
    python -m tests.tools.killpoint --after-ms 1500 -- run --config site.yaml

The phases lie around what must survive: the commit of a transaction event, its way over the WebSocket, its deletion
from the store, and the datagrams. The product has no hooks for this: its methods are wrapped from outside. What kills
is said on stderr (`killpoint: <phase>, passage <n>`) just before; if nothing did, the command's own exit code stands.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from bridge.cli.main import main as command
from bridge.echonet.udp import UdpLan
from bridge.station.link_websocket import WebSocketConnection
from bridge.store import schema, sqlite
from bridge.store.database import Database

#: Each phase and what has just happened, or is just about to, at it.
PHASES = {
    "before-commit": "a transaction event is written but not committed",
    "in-commit": "the commit is begun; it goes on for --delay-us, in whatever system call SQLite then is",
    "after-commit": "it is committed; nobody has been told yet",
    "before-send": "the TransactionEvent is about to be sent",
    "after-send": "it is sent; no answer is here",
    "after-answer": "the answer is here; the event still stands in the store",
    "before-delete-commit": "its deletion is written but not committed",
    "in-delete-commit": "that commit is begun; it goes on for --delay-us",
    "after-delete": "it is deleted",
    "opening": "the store is opened and its tables are about to be made; that goes on for --delay-us",
    "before-datagram": "a datagram is about to be sent",
    "after-datagram": "a datagram is sent",
    "before-write": "a datagram that writes (SetC) is about to be sent",
    "after-write": "a datagram that writes (SetC) is sent",
}
#: Where the service stands in a frame, and the one that writes.
_ESV, _SETC = 10, 0x61


class Killer:
    """Counts passages of the phase and kills at the nth."""

    def __init__(self, phase: str | None, nth: int, delay_us: int = 0) -> None:
        self.phase, self.nth, self.delay_us = phase, nth, delay_us
        self.passed = 0
        self._lock = threading.Lock()  # the store passes in its own thread

    def passage(self, phase: str) -> None:
        """The program passes a phase."""
        if phase != self.phase:
            return
        with self._lock:
            self.passed += 1
            if self.passed != self.nth:
                return
        if self.delay_us:
            _later(self.delay_us / 1_000_000, f"{phase}, passage {self.nth}, {self.delay_us} us later")
        else:
            kill(f"{phase}, passage {self.nth}")


def kill(why: str) -> None:
    """End this process as a power cut would: no handler, no buffer, no farewell."""
    os.write(2, f"killpoint: {why}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


def _later(seconds: float, why: str) -> None:
    """Kill in so many seconds, from a thread: the work goes on meanwhile."""
    timer = threading.Timer(seconds, kill, [why])
    timer.daemon = True
    timer.start()


def plant(killer: Killer) -> None:
    """Wrap the product's methods."""
    _plant_in_store(killer)
    _plant_in_link(killer)
    _plant_in_network(killer)


def _plant_in_store(killer: Killer) -> None:
    holds = {"event": False, "deletion": False}  # of the batch at work; there is one at a time
    record, execute, commit, answered = sqlite._record, sqlite._execute, Database.commit, sqlite.SqliteStore.answered
    migrate = schema.migrate

    def noting_record(*arguments: Any) -> Any:
        holds["event"] = True
        return record(*arguments)

    def noting_execute(db: Any, statement: str, values: tuple[Any, ...]) -> None:
        holds["deletion"] |= statement.startswith("DELETE FROM event")
        execute(db, statement, values)

    def killing_commit(self: Database) -> None:
        batch = dict(holds)
        holds.update(event=False, deletion=False)
        if batch["event"]:
            killer.passage("before-commit")
            killer.passage("in-commit")
        if batch["deletion"]:
            killer.passage("before-delete-commit")
            killer.passage("in-delete-commit")
        commit(self)
        if batch["event"]:
            killer.passage("after-commit")

    @functools.wraps(answered)
    async def killing_answered(self: sqlite.SqliteStore, station: str, key: int) -> None:
        killer.passage("after-answer")
        await answered(self, station, key)
        killer.passage("after-delete")

    def killing_migrate(connection: Any) -> tuple[int, int]:
        killer.passage("opening")
        return migrate(connection)

    schema.migrate = killing_migrate
    sqlite._record = noting_record
    sqlite._execute = noting_execute
    Database.commit = killing_commit  # type: ignore[method-assign]
    sqlite.SqliteStore.answered = killing_answered  # type: ignore[method-assign]


def _plant_in_link(killer: Killer) -> None:
    send: Callable[[WebSocketConnection, str], Awaitable[None]] = WebSocketConnection.send

    @functools.wraps(send)
    async def killing_send(self: WebSocketConnection, text: str) -> None:
        is_event = _action_of(text) == "TransactionEvent"
        if is_event:
            killer.passage("before-send")
        await send(self, text)
        if is_event:
            killer.passage("after-send")

    WebSocketConnection.send = killing_send  # type: ignore[method-assign]


def _action_of(text: str) -> str:
    """The action of a CALL; "" of everything else."""
    try:
        message = json.loads(text)
    except ValueError:
        return ""
    return str(message[2]) if isinstance(message, list) and len(message) == 4 and message[0] == 2 else ""


def _plant_in_network(killer: Killer) -> None:
    send = UdpLan._send

    @functools.wraps(send)
    def killing_send(self: UdpLan, data: bytes, target: tuple[Any, ...]) -> None:
        writes = len(data) > _ESV and data[_ESV] == _SETC
        killer.passage("before-datagram")
        if writes:
            killer.passage("before-write")
        send(self, data, target)
        killer.passage("after-datagram")
        if writes:
            killer.passage("after-write")

    UdpLan._send = killing_send  # type: ignore[method-assign]


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant, run, and give back the command's exit code if nothing killed it."""
    phases = "\n".join(f"  {name:22}{what}" for name, what in PHASES.items())
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"phases:\n{phases}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    instant = parser.add_mutually_exclusive_group(required=True)
    instant.add_argument("--phase", choices=PHASES, metavar="PHASE")
    instant.add_argument("--after-ms", type=int, metavar="N", help="milliseconds after the start of the command")
    parser.add_argument("--nth", type=int, default=1, help="at which passage of the phase (default: the first)")
    parser.add_argument("--delay-us", type=int, default=0, metavar="N", help="let it go on for so many microseconds")
    parser.add_argument("command", nargs="+", help="the command and its arguments, after --")
    options = parser.parse_args(arguments)
    killer = Killer(options.phase, options.nth, options.delay_us)
    plant(killer)
    if options.after_ms is not None:
        _later(options.after_ms / 1000, f"after {options.after_ms} ms")
    code = command(options.command)
    os.write(2, f"killpoint: not reached; {killer.passed} passages of {killer.phase or 'time'}\n".encode())
    return code


if __name__ == "__main__":
    sys.exit(main())
