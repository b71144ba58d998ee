"""A gateway that is killed: the real process, a simulated unit over UDP, a demo CSMS over a WebSocket, one session.

The session is driven by conditions, from the CSMS's side and the resident's, so that it goes on wherever the kill
falls: what had no answer is asked again, what has been reached is not.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from bridge.clock import Clock
from bridge.gateway.process import STORE
from bridge.sim.checker import RESPONSE_TIMER_MS, AifChecker, Violation
from bridge.sim.control import SimUnit
from bridge.sim.csms import DemoCsms, NotConnectedError, StationCallError, StationTimeoutError
from bridge.sim.node import SimNode
from bridge.sim.power import PowerConfig
from bridge.sim.udp import open_udp_port
from bridge.sim.unit import SimUnitConfig
from tests.tools.energy_watch import EnergyWatch, gone_back
from tests.tools.forker import Child, Forker

ROOT = Path(__file__).parents[2]
STATION = "KILL-1"
TOKEN = {"idToken": "K-1", "type": "Central"}
#: How long anything may take before the run counts as stuck (s), the machine being busy.
PATIENCE = 60
#: How much later (ms) than it was sent a datagram may be seen here.
_LATENESS = 200
#: Sessions until the kill has come.
MOST_SESSIONS = 4

Number = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Instant:
    """When to kill: at the nth passage of a phase (or so long after it), or so many ms after the start."""

    number: int
    phase: str
    nth: int
    delay_us: int = 0

    @property
    def arguments(self) -> tuple[str, ...]:
        """For `tests.tools.killpoint`."""
        if self.phase == "time":
            return ("--after-ms", str(self.nth))
        return ("--phase", self.phase, "--nth", str(self.nth), "--delay-us", str(self.delay_us))


@dataclass(slots=True)
class Outcome:
    """What came of one instant; `faults` is empty if nothing was lost."""

    instant: Instant
    hit: str = ""
    pending: dict[Number, dict[str, Any]] = field(default_factory=dict)  # the events left in the store, in order
    repeated: list[Number] = field(default_factory=list)
    events: int = 0
    transactions: int = 0
    registers: int = 0  # how many energy registers were told
    faults: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """For the report."""
        return {
            "number": self.instant.number,
            "phase": self.instant.phase,
            "nth": self.instant.nth,
            "delay_us": self.instant.delay_us,
            "hit": self.hit,
            "pending_at_kill": list(self.pending),
            "repeated": self.repeated,
            "events": self.events,
            "transactions": self.transactions,
            "registers": self.registers,
            "faults": self.faults,
        }


class KillHouse:
    """One gateway, its unit and its CSMS, until the gateway has been killed and the session has ended.

    `forker` starts the gateway's processes. `cache` is a folder for what is read from the mapping tables.
    """

    def __init__(self, instant: Instant, folder: Path, forker: Forker, cache: Path) -> None:
        self.outcome = Outcome(instant)
        self._instant, self._folder, self._forker, self._cache = instant, folder, forker, cache
        self._clock = Clock(seed=instant.number)
        self._csms = DemoCsms(self._clock)
        self._process: Child | None = None
        self._killed = asyncio.Event()
        self._checker: AifChecker | None = None
        self._energy: EnergyWatch | None = None
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
                self.outcome.faults.append(
                    f"while {self._step}: {str(error) or type(error).__name__}; {self._last_words()}"
                )
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
        self._energy = EnergyWatch(unit)
        self._csms.on_message.append(self._energy)
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
        (self._folder / "state").mkdir()
        (self._folder / "state" / "cache").symlink_to(self._cache)

    async def _gateway(self) -> None:
        """The first life, which the kill ends; then the second."""
        first = await self._start("killpoint", *self._instant.arguments, "--")
        code = await first.wait()
        assert code == -9, f"the gateway ended by itself with code {code}"
        said = (self._folder / "stderr-0").read_text().splitlines()
        self.outcome.hit = next((line for line in said if line.startswith("killpoint: ")), "")
        await self._csms.wait_for(lambda: not self._csms.connected(STATION), PATIENCE * 1000)
        self.outcome.pending = self._stored()
        self._life += 1
        self._csms.station(STATION).restarted()
        second = await self._start()
        self._killed.set()
        code = await second.wait()
        raise AssertionError(f"the second life ended by itself with code {code}")

    async def _start(self, *killing: str) -> Child:
        command = [*killing, "run", "--config", str(self._folder / "site.yaml")]
        out, err = self._folder / f"stdout-{self._life}", self._folder / f"stderr-{self._life}"
        self._process = await self._forker.start(command, out, err)
        return self._process

    async def _end(self, watching: asyncio.Task[None]) -> None:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        if self._process is not None:
            await self._process.kill()

    def _stored(self) -> dict[Number, dict[str, Any]]:
        """What waits for an answer in the store that the dead process has left, in its order. Read from a copy: opening
        the file would finish its log, and that is for the second life to do."""
        copy = self._folder / "left"
        shutil.copytree(self._folder / "state", copy, ignore=lambda _, names: {n for n in names if STORE not in n})
        if not (copy / STORE).exists():
            return {}
        store = sqlite3.connect(copy / STORE)
        try:
            rows = store.execute(
                "SELECT transaction_id, seq_no, payload FROM event WHERE transaction_id != '' ORDER BY key"
            )
            return {(key, number): json.loads(payload) for key, number, payload in rows}
        except sqlite3.OperationalError:  # killed before it had tables
            return {}
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
        await self._csms.go_dark()
        self._dark.append(len(self._csms.messages))  # what has come until now may have lost its answer
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
        return not ledger.open() and delivered >= set(self.outcome.pending)

    # -- the judgement

    def _judge(self) -> None:
        outcome, events = self.outcome, self._csms.events()
        outcome.events, outcome.transactions = len(events), len(self._transactions())
        outcome.faults += self._lost() + self._out_of_order() + self._numbered_badly() + self._invented()
        outcome.faults += self._csms.violations
        outcome.faults += ["the AIF was not watched"] if self._checker is None else self._checker.broken(_late_here)

    def _lost(self) -> list[str]:
        """Events that were made and never came; transactions that never ended."""
        came = {_number(event) for event in self._csms.events()}
        found = [f"{key}: {missing} missing" for key, missing in self._csms.gaps().items()]
        found += [f"{key}: never ended" for key in self._csms.station(STATION).ledger.open()]
        found += [f"{key} seqNo {no} was committed and never sent" for key, no in self.outcome.pending.keys() - came]
        return found

    def _out_of_order(self) -> list[str]:
        """Within a transaction the CSMS has looked; what the store held comes in its order, and no transaction of the
        one EVSE comes into another."""
        first = list(dict.fromkeys(_number(event) for event in self._csms.events()))
        held = [number for number in first if number in self.outcome.pending]
        found = (
            [] if held == list(self.outcome.pending) else [f"{held} came, where {list(self.outcome.pending)} waited"]
        )
        turns = [key for key, _ in groupby(first, lambda number: number[0])]
        return found + [f"{key} goes on after another has begun" for key, n in Counter(turns).items() if n > 1]

    def _numbered_badly(self) -> list[str]:
        """Numbers that were used for two events, or came again without need."""
        outcome = self.outcome
        outcome.repeated = self._repeats()
        found = []
        for event in self._csms.events():
            kept = outcome.pending.get(_number(event))
            if kept is not None and _but_offline(kept) != _but_offline(event):
                found.append(f"{_number(event)} was kept as {kept} and came as {event}")
        again = [number for number in outcome.repeated if number not in self._in_flight_at_dark()]
        found += [
            f"{number} came again although its answer was stored" for number in again if number not in outcome.pending
        ]
        if len(again) > 1:  # events go one at a time: only one answer can have been on its way
            found.append(f"{len(again)} events came again: {again}")
        return found

    def _invented(self) -> list[str]:
        """Energy that never flowed, or that was there and is not any more."""
        if self._energy is None:
            return ["the energy was not watched"]
        self.outcome.registers = self._energy.told
        found = list(self._energy.wrong)
        for key, record in self._csms.station(STATION).ledger.transactions.items():
            found += gone_back(key, record)
        return found if self._energy.told else [*found, "no register was told at all"]

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


def _late_here(violation: Violation) -> bool:
    """The checker sees a datagram when it has arrived, some ms after it was sent where the machine is loaded: a
    response timer (AIF 2.4.2) that has run out in the gateway has nearly run out here."""
    waited = re.search(r"outstanding for (\d+) ms", violation.text)
    return waited is not None and int(waited[1]) >= RESPONSE_TIMER_MS - _LATENESS


def _is_event(message: Any) -> bool:
    return message.direction == "in" and message.action == "TransactionEvent"


def _number(event: dict[str, Any]) -> Number:
    return event["transactionInfo"]["transactionId"], event["seqNo"]


def _but_offline(event: dict[str, Any]) -> dict[str, Any]:
    """`offline` may be set later (E11.FR.07); nothing else of an event changes once it is kept."""
    return {name: value for name, value in event.items() if name != "offline"}


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


def draw(seed: int, ranges: dict[str, tuple[int, int]], delays: dict[str, int], count: int) -> list[Instant]:
    """So many instants, every phase in turn, each somewhere in its range, and up to so many us later."""
    chance = random.Random(seed)
    phases = list(ranges)
    return [
        Instant(number, phase := phases[number % len(phases)], chance.randint(*ranges[phase]),
                chance.randint(1, delays[phase]) if phase in delays else 0)
        for number in range(count)
    ]  # fmt: skip
