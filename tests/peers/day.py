"""A whole day of the real gateway in seconds: its clock jumps, and stands still while the wire to a real CSMS is busy.

The gateway, its store, its control socket and the simulated units run in this process on virtual time; the CSMS is
`day_csms.js`, another process behind a real WebSocket. It reads the time of day from a file, and before time jumps it
is asked whether it has dealt with everything, so that the machine's speed changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import select
import selectors
import struct
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bridge.clock import VIRTUAL_EPOCH, Clock, VirtualLoop, VirtualTimeError
from bridge.gateway.api import SOCKET, ControlApi
from bridge.gateway.config import SiteConfig
from bridge.gateway.gateway import Gateway
from bridge.gateway.stations import dialer_for
from bridge.mapping.load import load_mappings
from bridge.sim.control import SimUnit
from bridge.sim.lan import SimLan
from bridge.sim.node import SimNode
from bridge.sim.unit import SimUnitConfig
from bridge.store.sqlite import open_store
from tests.peers.programs import HERE, PATIENCE, Line

GATEWAY = "10.0.0.1"
PASSWORD = "a password of enough letters"
HOUR = 3_600_000
MINUTE = 60_000


class DayCsms:
    """The strict CSMS's process, spoken with while time stands still. Its lines come in order to `lines`."""

    def __init__(self, folder: Path, protocol: str) -> None:
        self._clock_file = (folder / "clock").open("wb", buffering=0)
        self.wake(0.0)
        self._process = subprocess.Popen(
            ["node", "day_csms.js", "127.0.0.1", str(folder / "clock"), PASSWORD, protocol],
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self.lines: list[Line] = []
        self.alarms: list[float] = []  # when it wants to be woken, in virtual seconds
        self._syncs = self._calls = 0
        self._rest = b""
        self._changed = asyncio.Event()

    def wake(self, now: float) -> None:
        """Something may come to it: it gets to know what time it is (virtual seconds)."""
        self.busy = True
        at = (VIRTUAL_EPOCH + timedelta(seconds=now)).timestamp() * 1000
        self._clock_file.seek(0)
        self._clock_file.write(struct.pack("<d", at))

    def say(self, do: str, now: float | None = None, **more: Any) -> None:
        """A command; `now` where no loop runs that tells the time."""
        self.wake(asyncio.get_running_loop().time() if now is None else now)
        self._write({"do": do, **more})

    def _write(self, command: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    def sync(self) -> bool:
        """Wait, in real time, until it has dealt with everything; whether it has said anything meanwhile."""
        before = len(self.lines)
        self._syncs += 1
        self._write({"do": "sync", "n": self._syncs})
        self.busy = False
        while self._read() != {"event": "synced", "n": self._syncs}:
            pass
        del self.lines[-1]
        if len(self.lines) > before:
            self._changed.set()
            self._changed = asyncio.Event()
        return len(self.lines) > before

    def _read(self) -> Line:
        assert self._process.stdout is not None
        while b"\n" not in self._rest:
            if not select.select([self._process.stdout], [], [], PATIENCE)[0]:
                raise AssertionError("the CSMS's process says nothing")
            some = self._process.stdout.read(2**16)
            if not some:
                raise AssertionError("the CSMS's process has ended")
            self._rest += some
        text, self._rest = self._rest.split(b"\n", 1)
        line: Line = json.loads(text)
        if line["event"] == "alarm":
            self.alarms.append(line["at"] / 1000 - VIRTUAL_EPOCH.timestamp())
        self.lines.append(line)
        return line

    async def wait(self, match: Callable[[Line], bool], since: int = 0, within: float = 120) -> Line:
        """The first line from number `since` on that matches; `within` so many (virtual) seconds."""
        try:
            async with asyncio.timeout(within):
                while True:
                    changed = self._changed
                    for line in self.lines[since:]:
                        if match(line):
                            return line
                    await changed.wait()
        except TimeoutError:
            raise AssertionError(f"no such line; the last: {self.lines[-8:]}") from None

    async def event(self, name: str, since: int = 0, within: float = 120, **fields: Any) -> Line:
        """The first line with this event and these fields."""
        wanted = {"event": name, **fields}
        return await self.wait(lambda line: wanted.items() <= line.items(), since, within)

    async def call(self, identity: str, method: str, params: Mapping[str, Any]) -> Line:
        """A CALL to a station: the line with `result` or `error`."""
        self._calls += 1
        since = len(self.lines)
        self.say("call", id=self._calls, identity=identity, method=method, params=params)
        return await self.event("result", since, id=self._calls)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.communicate(timeout=10)
        self._clock_file.close()


class DayLoop(VirtualLoop):
    """Virtual time beside real sockets: it jumps only when nothing is under way on them, on neither side."""

    def __init__(self) -> None:
        super().__init__()
        self.csms: DayCsms | None = None
        jumping = self._jumping

        def look() -> list[tuple[selectors.SelectorKey, int]]:
            if found := selectors.SelectSelector.select(jumping, 0):
                self.wire_used()
            return found

        def select(timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            csms = self.csms
            if (found := look()) or timeout == 0:
                return found
            if csms is not None and csms.busy and (csms.sync() or (found := look())):
                return found
            due = min(csms.alarms, default=None) if csms is not None else None
            if csms is not None and due is not None and (timeout is None or due <= jumping.now + timeout):
                csms.alarms.remove(due)
                jumping.now = max(due, jumping.now) + 0.001
                csms.say("tick", jumping.now)
                return []
            if timeout is None:
                raise VirtualTimeError("every task waits, no timer is set, and the CSMS has nothing to do")
            jumping.now += max(timeout, 0)
            return []

        jumping.select = select  # type: ignore[method-assign]

    def wire_used(self) -> None:
        """The CSMS may have something to do."""
        if self.csms is not None and not self.csms.busy:
            self.csms.wake(self.time())

    def _make_socket_transport(self, *args: Any, **more: Any) -> Any:
        transport = super()._make_socket_transport(*args, **more)  # type: ignore[misc]
        write = transport.write

        def watched(data: bytes) -> None:
            self.wire_used()
            write(data)

        transport.write = watched
        return transport


class Day:
    """The gateway's process and what is around it, as a test uses them."""

    def __init__(self, folder: Path, csms: DayCsms, clock: Clock, config: Mapping[str, Any]) -> None:
        self.folder, self.csms, self.clock = folder, csms, clock
        self._config = config
        self.lan = SimLan(clock)
        self.units: dict[str, SimUnit] = {}
        self._nodes: list[SimNode] = []
        self._running: asyncio.Task[None] | None = None
        self._gateway: Gateway | None = None
        self._api: ControlApi | None = None
        self._mappings = load_mappings()

    @property
    def now(self) -> datetime:
        """The virtual time."""
        return self.clock.wall()

    def mark(self) -> int:
        """For `since`: only what the CSMS says from here on."""
        self.csms.sync()
        self.csms.busy = True  # what it has sent meanwhile may call for an answer
        return len(self.csms.lines)

    async def add_unit(self, name: str, address: str, config: SimUnitConfig) -> None:
        """A unit on the LAN."""
        self.units[name] = SimUnit(self.clock, config)
        node = SimNode(self.clock, name.encode(), [self.units[name]])
        node.attach(self.lan.join(address))
        await node.start()
        self._nodes.append(node)

    # -- the gateway's process

    async def power_on(self) -> None:
        """The process starts, on the store that is there."""
        store = await open_store(self.folder / "state.db", inline=True)
        self._gateway = await Gateway.build(
            SiteConfig.model_validate(self._config),
            lans={"home": self.lan.join(GATEWAY)},
            dialer_of=dialer_for,
            store=store,
            mappings=self._mappings,
            clock=self.clock,
        )
        self._api = ControlApi(self._gateway)
        await self._api.serve(self.folder / SOCKET)
        gc.collect()
        gc.freeze()  # as the process does
        self._running = asyncio.ensure_future(self._gateway.run())

    async def power_off(self) -> None:
        """The power is gone: no order, no word."""
        assert self._running is not None
        assert self._api is not None
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running
        await self._api.close()
        self._running = None

    async def end(self) -> None:
        """SIGTERM, and the end of the rest."""
        if self._running is not None and self._gateway is not None and self._api is not None:
            self._gateway.ended.set()
            await asyncio.wait_for(self._running, 60)
            await self._api.close()
        for node in self._nodes:
            await node.close()
        gc.unfreeze()

    async def api(self, do: str, **fields: Any) -> Line:
        """A request to the local API, over its socket: the result."""
        reader, writer = await asyncio.open_unix_connection(self.folder / SOCKET)
        writer.write(json.dumps({"api": 1, "do": do, **fields}).encode() + b"\n")
        answer: Line = json.loads(await reader.readline())
        writer.close()
        assert "error" not in answer, answer
        result: Line = answer["result"]
        return result

    # -- time

    async def until(self, hours: float) -> None:
        """Let time pass to an hour of the day, counted from its begin."""
        left = round(hours * HOUR) - self.clock.monotonic()
        assert left >= 0, f"it is later than {hours} h already: {self.clock.monotonic() / HOUR:.2f}"
        await self.clock.sleep(left)

    async def minutes(self, minutes: float) -> None:
        """Let time pass."""
        await self.clock.sleep(round(minutes * MINUTE))

    # -- the CSMS

    async def call(self, station: str, method: str, **params: Any) -> Line:
        """A CALL; the answer's payload."""
        line = await self.csms.call(station, method, params)
        assert "error" not in line, (method, params, line)
        result: Line = line["result"]
        return result

    async def refused(self, station: str, method: str, **params: Any) -> str:
        """A CALL that the station refuses; the CALLERROR's code."""
        line = await self.csms.call(station, method, params)
        assert "error" in line, (method, params, line)
        return str(line["error"])

    async def told(
        self,
        station: str,
        method: str,
        match: Callable[[Line], bool] = lambda _: True,
        *,
        since: int = 0,
        within: float = 120,
    ) -> Line:
        """What a station has told."""
        line = await self.csms.wait(
            lambda line: (
                (line["event"], line.get("identity"), line.get("method")) == ("call", station, method)
                and match(line["params"])
            ),
            since,
            within,
        )
        params: Line = line["params"]
        return params

    async def status(self, station: str, evse: int, status: str, since: int = 0, within: float = 120) -> None:
        """A StatusNotification."""
        wanted = {"evseId": evse, "connectorStatus": status}
        await self.told(
            station, "StatusNotification", lambda told: wanted.items() <= told.items(), since=since, within=within
        )

    async def transaction(
        self, station: str, kind: str, since: int = 0, within: float = 120, **info: Any
    ) -> tuple[str, Line]:
        """A TransactionEvent of a kind, with this in its transactionInfo: its transaction's id, and the event."""
        event = await self.told(
            station,
            "TransactionEvent",
            lambda event: event["eventType"] == kind and info.items() <= event["transactionInfo"].items(),
            since=since,
            within=within,
        )
        return str(event["transactionInfo"]["transactionId"]), event

    def habit(self, action: str, *answers: Any) -> None:
        """How the CSMS answers the next CALLs of an action."""
        self.csms.say("habit", action=action, **{"as": list(answers)})

    async def report(self) -> Line:
        """What the CSMS found, and what came to pass."""
        self.csms.say("report", frames=str(self.folder / "frames.jsonl"))
        return await self.csms.event("report")


def run_day(
    folder: Path,
    config: Callable[[int], Mapping[str, Any]],
    play: Callable[[Day], Coroutine[Any, Any, None]],
    *,
    protocol: str = "ocpp2.0.1",
) -> None:
    """Play a day; `config` makes the site's configuration, given the port of the CSMS, which speaks one `protocol`."""
    with asyncio.Runner(loop_factory=DayLoop) as runner:
        runner.run(_play(folder, config, play, protocol))


async def _play(
    folder: Path,
    config: Callable[[int], Mapping[str, Any]],
    play: Callable[[Day], Coroutine[Any, Any, None]],
    protocol: str,
) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, DayLoop)
    async with _csms(folder, loop, protocol) as csms:
        port = (await csms.event("listening"))["port"]
        day = Day(folder, csms, Clock(seed=5), config(port))
        try:
            await play(day)
        finally:
            await day.end()


@contextlib.asynccontextmanager
async def _csms(folder: Path, loop: DayLoop, protocol: str) -> AsyncIterator[DayCsms]:
    loop.csms = csms = DayCsms(folder, protocol)
    try:
        yield csms
    finally:
        loop.csms = None
        csms.close()
