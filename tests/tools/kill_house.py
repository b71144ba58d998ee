"""A gateway that is killed: the real process, a simulated unit over UDP, a demo CSMS over a WebSocket, one session.

The session is driven by conditions, from the CSMS's side and the resident's, so that it goes on wherever the kill
falls: what had no answer is asked again, what has been reached is not.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.clock import Clock
from bridge.gateway.process import STORE
from bridge.sim.checker import AifChecker
from bridge.sim.control import SimUnit
from bridge.sim.csms import DemoCsms, NotConnectedError, StationCallError, StationTimeoutError
from bridge.sim.node import SimNode
from bridge.sim.power import PowerConfig
from bridge.sim.udp import open_udp_port
from bridge.sim.unit import SimUnitConfig

ROOT = Path(__file__).parents[2]
STATION = "KILL-1"
TOKEN = {"idToken": "K-1", "type": "Central"}
#: How long anything may take before the run counts as stuck (s), the machine being busy.
PATIENCE = 60
#: Sessions until the kill has come.
MOST_SESSIONS = 4

Number = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Instant:
    """When to kill: at the nth passage of a phase, or so many ms after the start."""

    number: int
    phase: str
    nth: int

    @property
    def arguments(self) -> tuple[str, ...]:
        """For `tests.tools.killpoint`."""
        if self.phase == "time":
            return ("--after-ms", str(self.nth))
        return ("--phase", self.phase, "--nth", str(self.nth))


@dataclass(slots=True)
class Outcome:
    """What came of one instant; `faults` is empty if nothing was lost."""

    instant: Instant
    hit: str = ""
    pending_at_kill: list[Number] = field(default_factory=list)
    repeated: list[Number] = field(default_factory=list)
    events: int = 0
    transactions: int = 0
    faults: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """For the report."""
        return {
            "number": self.instant.number,
            "phase": self.instant.phase,
            "nth": self.instant.nth,
            "hit": self.hit,
            "pending_at_kill": self.pending_at_kill,
            "repeated": self.repeated,
            "events": self.events,
            "transactions": self.transactions,
            "faults": self.faults,
        }


class KillHouse:
    """One gateway, its unit and its CSMS, until the gateway has been killed and the session has ended."""

    def __init__(self, instant: Instant, folder: Path) -> None:
        self.outcome = Outcome(instant)
        self._instant, self._folder = instant, folder
        self._clock = Clock(seed=instant.number)
        self._csms = DemoCsms(self._clock)
        self._process: asyncio.subprocess.Process | None = None
        self._killed = asyncio.Event()
        self._checker: AifChecker | None = None
        self._life = 0
        self._dark: list[int] = []  # where the CSMS went, in its messages
        self._step = ""

    async def play(self) -> Outcome:
        """Run it all; whatever goes wrong is a fault of the outcome."""
        async with AsyncExitStack() as stack:
            unit = await self._open(stack)
            watching: asyncio.Task[None] | None = None
            try:
                watching = asyncio.ensure_future(self._gateway())
                stack.push_async_callback(self._end, watching)
                await self._sessions(unit, watching)
                await self._until(self._all_ended, "every transaction has ended")
            except (TimeoutError, AssertionError, OSError) as error:
                self.outcome.faults.append(f"while {self._step}: {error or type(error).__name__}; {self._last_words()}")
            self._judge()
        return self.outcome

    # -- the parts

    async def _open(self, stack: AsyncExitStack) -> SimUnit:
        number = self._instant.number
        net = f"127.{64 + os.getpid() % 128}.{number}"
        group = f"239.{64 + os.getpid() % 128}.{number}.1"
        port = await open_udp_port(f"{net}.2", self._clock, group=group)
        stack.push_async_callback(port.close)
        self._checker = AifChecker(f"{net}.1")
        port.tap(self._checker)
        power = PowerConfig(start_delay_ms=200, ramp_w_per_s=20_000, stop_ramp_w_per_s=40_000)
        unit = SimUnit(self._clock, SimUnitConfig(power=power, inf_delay_ms=50))
        node = SimNode(self._clock, unique=b"kill-house-%02d" % number, units=[unit])
        node.attach(port)
        await node.start()
        stack.push_async_callback(node.close)
        url = f"ws://127.0.0.1:{await self._csms.serve()}/"
        stack.push_async_callback(self._csms.close)
        self._write_config(url, f"{net}.1", f"{net}.2", group)
        return unit

    def _write_config(self, url: str, gateway: str, unit: str, group: str) -> None:
        config = {
            "config": 1,
            "state_dir": str(self._folder / "state"),
            "networks": {"home": {"bind": gateway, "group": group}},
            "units": {"car": {"address": unit}},
            "echonet": {"gap": 0},
            "stations": [
                {
                    "id": STATION,
                    "csms": {"url": url},
                    "evses": [{"id": 1, "unit": "car", "discharge": ["negative-limit"]}],
                    "variables": {
                        "SampledDataCtrlr.TxUpdatedInterval": 1,
                        "OCPPCommCtrlr.RetryBackOffWaitMinimum": 1,
                        "OCPPCommCtrlr.RetryBackOffRandomRange": 0,
                    },
                }
            ],
        }
        (self._folder / "site.yaml").write_text(json.dumps(config))  # JSON is YAML too

    async def _gateway(self) -> None:
        """The first life, which the kill ends; then the second."""
        await self._start("-m", "tests.tools.killpoint", *self._instant.arguments, "--")
        assert self._process is not None
        code = await self._process.wait()
        assert code == -9, f"the gateway ended by itself with code {code}"
        said = (self._folder / "stderr-0").read_text().splitlines()
        self.outcome.hit = next((line for line in said if line.startswith("killpoint: ")), "")
        await self._csms.wait_for(lambda: not self._csms.connected(STATION), PATIENCE * 1000)
        self.outcome.pending_at_kill = self._stored()
        self._life += 1
        self._csms.station(STATION).restarted()
        await self._start("-m", "bridge.cli.main")
        self._killed.set()
        code = await self._process.wait()
        raise AssertionError(f"the second life ended by itself with code {code}")

    async def _start(self, *program: str) -> None:
        command = [sys.executable, *program, "run", "--config", str(self._folder / "site.yaml")]
        with (
            (self._folder / f"stdout-{self._life}").open("wb") as out,
            (self._folder / f"stderr-{self._life}").open("wb") as err,
        ):
            self._process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=out, stderr=err)

    async def _end(self, watching: asyncio.Task[None]) -> None:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        process = self._process
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    def _stored(self) -> list[Number]:
        """What waits for an answer in the store that the dead process has left. Read from a copy: opening the file
        would finish its log, and that is for the second life to do."""
        if not (self._folder / "state").exists():  # killed before it had made its folder
            return []
        copy = self._folder / "left"
        shutil.copytree(self._folder / "state", copy, ignore=lambda _, names: {n for n in names if STORE not in n})
        if not (copy / STORE).exists():
            return []
        store = sqlite3.connect(copy / STORE)
        try:
            return store.execute("SELECT transaction_id, seq_no FROM event ORDER BY key").fetchall()
        except sqlite3.OperationalError:  # killed before it had tables
            return []
        finally:
            store.close()

    def _last_words(self) -> str:
        logs = sorted(self._folder.glob("std*-*"))
        return " | ".join(line for log in logs for line in log.read_text().splitlines()[-4:])

    # -- the session

    async def _sessions(self, unit: SimUnit, watching: asyncio.Task[None]) -> None:
        """Sessions until one of them has met the kill, and one whole after it if it came before the first."""
        for _ in range(MOST_SESSIONS):
            playing = asyncio.ensure_future(self._session(unit))
            try:
                await asyncio.wait({playing, watching}, return_when=asyncio.FIRST_COMPLETED)
                if watching.done():
                    watching.result()
                await playing
            finally:
                playing.cancel()
                await asyncio.gather(playing, return_exceptions=True)
            if self._killed.is_set():
                return
        raise AssertionError(f"the kill did not come within {MOST_SESSIONS} sessions")

    async def _session(self, unit: SimUnit) -> None:
        """Plug, start, charge, discharge, an outage, stop, unplug."""
        known = set(self._transactions())
        unit.plug()
        await self._insist(self._begin, lambda: self._begun(known), "starting")
        transaction = self._begun(known)
        assert transaction is not None
        await self._until(lambda: self._since(transaction, _charging), "charging")
        await self._limit(transaction, -2000)
        await self._reach(unit, lambda: unit.power_w < -1000 or self._over(transaction), "discharging")
        await self._outage(transaction)
        await self._limit(transaction, 3000)
        await self._reach(unit, lambda: unit.power_w > 1000 or self._over(transaction), "charging again")
        await self._samples(transaction, 1)
        await self._insist(
            lambda: self._call("RequestStopTransaction", transactionId=transaction),
            lambda: self._over(transaction),
            "stopping",
        )
        unit.unplug()
        await self._until(lambda: self._csms.station(STATION).connectors.get((1, 1)) == "Available", "unplugging")

    async def _begin(self) -> None:
        await self._call(
            "RequestStartTransaction", evseId=1, remoteStartId=1, idToken=TOKEN, chargingProfile=_profile(3000)
        )

    async def _limit(self, transaction: str, watts: int) -> None:
        """Set a limit, again where the kill has swallowed the answer."""
        done = False

        async def ask() -> None:
            nonlocal done
            profile = _profile(watts) | {"transactionId": transaction}
            done = await self._call("SetChargingProfile", evseId=1, chargingProfile=profile)

        await self._insist(ask, lambda: done or self._over(transaction), f"limiting to {watts} W")

    async def _outage(self, transaction: str) -> None:
        """The CSMS goes while samples are due, and comes back; what was made meanwhile arrives."""
        await self._samples(transaction, 1)
        self._dark.append(len(self._csms.messages))
        await self._csms.go_dark()
        try:
            await asyncio.wait_for(self._killed.wait(), 1.5)  # by then a sample was taken; a kill may fall here too
        except TimeoutError:
            pass
        self._csms.come_back()
        await self._until(lambda: self._csms.connected(STATION), "coming back")
        await self._samples(transaction, 2)

    async def _samples(self, transaction: str, count: int) -> None:
        first = len(self._events(transaction))
        await self._until(
            lambda: len(self._events(transaction)) >= first + count or self._over(transaction), "waiting for samples"
        )

    async def _insist(self, ask: Callable[[], Awaitable[Any]], reached: Callable[[], Any], what: str) -> None:
        """Ask until it is so. After a refusal or a lost answer the state decides, so it is looked at again."""
        self._step = what
        async with asyncio.timeout(PATIENCE):
            while not reached():
                seen = len(self._csms.messages)
                await ask()
                try:
                    await self._csms.wait_for(reached, 3_000)
                except TimeoutError:
                    await self._csms.wait_for(lambda: len(self._csms.messages) > seen or reached(), PATIENCE * 1000)  # noqa: B023 - awaited at once

    async def _call(self, action: str, **payload: Any) -> bool:
        """Whether the station, when it is there and accepted, has accepted it."""
        record = self._csms.station(STATION)
        await self._until(
            lambda: self._csms.connected(STATION) and record.status == "Accepted" and (1, 1) in record.connectors,
            self._step,
        )
        try:
            answer = await self._csms.call(STATION, action, payload, 10_000)
        except (StationTimeoutError, NotConnectedError, StationCallError):
            return False
        return answer.get("status") == "Accepted"

    async def _reach(self, unit: SimUnit, reached: Callable[[], Any], what: str) -> None:
        self._step = what
        await unit.until(lambda _: bool(reached()), PATIENCE * 1000)

    async def _until(self, reached: Callable[[], Any], what: str) -> None:
        self._step = what
        await self._csms.wait_for(reached, PATIENCE * 1000)

    # -- what the CSMS has

    def _transactions(self) -> list[str]:
        return list(self._csms.station(STATION).ledger.transactions)

    def _begun(self, known: set[str]) -> str | None:
        ledger = self._csms.station(STATION).ledger
        new = [key for key in self._transactions() if key not in known and not ledger.transactions[key].ended]
        return new[-1] if new else None

    def _over(self, transaction: str) -> bool:
        return self._csms.station(STATION).ledger.transactions[transaction].ended

    def _events(self, transaction: str) -> dict[int, dict[str, Any]]:
        return self._csms.station(STATION).ledger.transactions[transaction].events

    def _since(self, transaction: str, match: Callable[[dict[str, Any]], bool]) -> bool:
        return any(match(event) for event in self._events(transaction).values())

    def _all_ended(self) -> bool:
        ledger = self._csms.station(STATION).ledger
        delivered = {_number(event) for event in self._csms.events()}
        return not ledger.open() and delivered >= set(self.outcome.pending_at_kill)

    # -- the judgement

    def _judge(self) -> None:
        outcome, events = self.outcome, self._csms.events()
        outcome.events, outcome.transactions = len(events), len(self._transactions())
        outcome.repeated = self._repeats()
        outcome.faults += [f"{key}: {missing} missing" for key, missing in self._csms.gaps().items()]
        outcome.faults += [f"{key}: never ended" for key in self._csms.station(STATION).ledger.open()]
        outcome.faults += self._csms.violations
        outcome.faults += self._checker.broken() if self._checker is not None else ["the AIF was not watched"]
        lost = set(outcome.pending_at_kill) - {_number(event) for event in events}
        outcome.faults += [f"{key} seqNo {no} was committed and never sent" for key, no in sorted(lost)]
        again = [number for number in outcome.repeated if number not in self._in_flight_at_dark()]
        outcome.faults += [
            f"{key} seqNo {no} came again although its answer was stored"
            for key, no in again
            if (key, no) not in outcome.pending_at_kill
        ]
        if len(again) > 1:  # events go one at a time: only one answer can have been on its way
            outcome.faults.append(f"{len(again)} events came again: {again}")

    def _repeats(self) -> list[Number]:
        seen: set[Number] = set()
        repeats = []
        for event in self._csms.events():
            number = _number(event)
            if number in seen:
                repeats.append(number)
            seen.add(number)
        return repeats

    def _in_flight_at_dark(self) -> set[Number]:
        """The last event before each outage: its answer may have been lost with the connection."""
        found = set()
        for index in self._dark:
            events = [m for m in self._csms.messages[:index] if _is_event(m)]
            found |= {_number(m.payload) for m in events[-1:]}
        return found


def _is_event(message: Any) -> bool:
    return message.direction == "in" and message.action == "TransactionEvent"


def _number(event: dict[str, Any]) -> Number:
    return event["transactionInfo"]["transactionId"], event["seqNo"]


def _charging(event: dict[str, Any]) -> bool:
    return event["transactionInfo"].get("chargingState") == "Charging"


def _profile(watts: int) -> dict[str, Any]:
    return {
        "id": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [
            {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": watts}]}
        ],
    }


def draw(seed: int, ranges: dict[str, tuple[int, int]], count: int) -> list[Instant]:
    """So many instants, every phase in turn, each somewhere in its range."""
    chance = random.Random(seed)
    phases = list(ranges)
    return [
        Instant(number, phase := phases[number % len(phases)], chance.randint(*ranges[phase]))
        for number in range(count)
    ]
