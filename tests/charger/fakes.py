"""A small table and a small unit, with which the charger is tried without any mapping file and without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bridge.charger.runner import UnitRunner
from bridge.clock import Clock
from bridge.echonet.frame import encode_property_map
from bridge.echonet.session import Priority
from bridge.errors import NoAnswerError
from bridge.evse import (
    Abilities,
    ChargingState,
    Connector,
    Fault,
    HappeningKind,
    Mode,
    Plug,
    Reading,
    Source,
    Variable,
    Wanted,
)
from bridge.mapping.decision import (
    Answer,
    Ask,
    Decision,
    LocalChange,
    Measures,
    PollGroup,
    Recipe,
    Refusal,
    Spacing,
    Step,
    View,
)

ADDRESS = "192.0.2.7"
EOJ = 0x027E01

PLUG, MODE, LIMIT, METHOD, POWER, ENERGY, CONFIRM = 0xC7, 0xDA, 0xEB, 0xDC, 0xD3, 0xD8, 0xCD
CAPACITY, ENERGY_OUT, OUT_LIMIT, SOC, VEHICLE, FAULT = 0xD0, 0xD6, 0xEC, 0xE4, 0xE6, 0x88
FREE, CONNECTED, CHARGEABLE, BOTH, UNDEFINED = b"\x30", b"\x40", b"\x41", b"\x43", b"\xff"
CHARGE, DISCHARGE, STANDBY, STOPPED = b"\x42", b"\x43", b"\x44", b"\x47"
MODES = {CHARGE: "charge", DISCHARGE: "discharge", STANDBY: "standby", STOPPED: "idle"}


def limit(milliwatts: int) -> bytes:
    return (milliwatts // 1000).to_bytes(4, "big")


def mode_step(edt: bytes) -> Step:
    return Step(MODE, edt, f"operationMode={MODES[edt]}")


@dataclass
class FakeTable:
    """The rules of a DC unit in miniature. `hold` applies to leaving Occupied."""

    class_code: int = 0x027E
    content_hash: str = "fake"
    max_opc: int = 8
    attributes: tuple[tuple[int, ...], ...] = ((0x83, 0xC5, 0xCC),)
    hold: int = 0
    active: int = 10_000
    idle: int = 60_000
    attempts: int = 3
    confirm_within: int = 180_000
    spacing: Spacing = field(default_factory=Spacing)
    discharge: bool = True
    stops_when_still: bool = False  # a stop or pause is confirmed only when no power flows

    def release(self, edt_82: bytes) -> str:
        return chr(edt_82[2])

    def wants(self, wanted: Wanted) -> Mode:
        return wanted.mode

    def variables(self, view: View) -> tuple[Variable, ...]:
        return ()

    def decide(self, view: View) -> Decision:
        power = self._power(view)
        flowing = None if power is None else abs(power.value) >= 100_000
        plug = {FREE: Plug.NO, UNDEFINED: None, None: None}.get(_edt(view, PLUG), Plug.YES)
        return Decision(
            plug=Answer(plug, f"fake:1 {plug}"),
            connector=self._connector(view, plug),
            charging_state=self._state(view, plug, flowing),
            measures=Measures(
                power=power,
                energy_in=_first(self._counter(view, ENERGY), view, "energy_in"),
                energy_out=_first(self._counter(view, ENERGY_OUT), view, "energy_out"),
                soc=self._soc(view),
                capacity=self._counter(view, CAPACITY),
                vehicle_id=self._vehicle(view) if plug is Plug.YES else None,
            ),
            fault=Fault("fault") if _edt(view, 0x88) == b"\x41" else None,
            flowing=flowing,
        )

    def _connector(self, view: View, plug: Plug | None) -> Answer:
        if not view.reachable:
            return Answer(Connector.UNAVAILABLE if view.lost_for >= 60_000 else None, "fake:2 lost")
        if plug is Plug.YES:
            return Answer(Connector.OCCUPIED, "fake:3 plugged")
        return Answer(Connector.AVAILABLE if plug is Plug.NO else None, "fake:4 free", self.hold)

    def _state(self, view: View, plug: Plug | None, flowing: bool | None) -> Answer:
        if not view.reachable:
            return Answer(None, "fake:5 lost")
        if plug is Plug.NO:
            return Answer(ChargingState.IDLE, "fake:6 free")
        return Answer(ChargingState.CHARGING if flowing else ChargingState.EV_CONNECTED, "fake:7")

    def _power(self, view: View) -> Reading | None:
        fact = view.facts.get(POWER)
        if fact is None:
            return None
        source = Source.NOTIFIED if fact.notified else Source.READ
        return Reading(int.from_bytes(fact.edt, "big", signed=True) * 1000, fact.at, source, "power")

    def _counter(self, view: View, epc: int) -> Reading | None:
        fact = view.facts.get(epc)
        value = 0 if fact is None else int.from_bytes(fact.edt, "big") * 1000
        return None if fact is None else Reading(value, fact.at, Source.READ, f"{epc:02X}")

    def _soc(self, view: View) -> Reading | None:
        fact = view.facts.get(SOC)
        return None if fact is None else Reading(fact.edt[0] * 1000, fact.at, Source.READ, "E4")

    def _vehicle(self, view: View) -> str | None:
        edt = _edt(view, VEHICLE)
        return edt[1 : 1 + edt[0]].hex() or None if edt else None

    def recipe(self, view: View) -> Recipe | Ask | Refusal:
        wanted = view.wanted
        if wanted.mode is Mode.STOP:
            return Recipe(Mode.STOP, (mode_step(STOPPED),), attempts=0, otherwise=(mode_step(STANDBY),))
        if wanted.mode is Mode.PAUSE:
            return Recipe(Mode.PAUSE, (mode_step(STANDBY),), attempts=0, otherwise=(mode_step(STOPPED),))
        status = _edt(view, PLUG)
        if status == UNDEFINED:
            return Ask(Step(CONFIRM, b"\x10", "vehicleConnectionConfirmation"), (PLUG,), 30_000, "fake:8 ask")
        if status not in (CHARGEABLE, BOTH):
            return Refusal("no vehicle that can be charged", "fake:9 refuse")
        if wanted.mode is Mode.DISCHARGE:
            if wanted.discharge_bound is not None and wanted.discharge_bound < 500_000:
                return Recipe(Mode.PAUSE, (mode_step(STANDBY),), attempts=0, otherwise=(mode_step(STOPPED),))
            if wanted.discharge_bound is not None:
                step = Step(OUT_LIMIT, limit(wanted.discharge_bound), f"limit=-{wanted.discharge_bound}")
                return Recipe(Mode.DISCHARGE, (step, mode_step(DISCHARGE)), target=-wanted.discharge_bound)
            return self._towards(Mode.DISCHARGE, mode_step(DISCHARGE), wanted.target)
        if wanted.target is not None and wanted.target < 500_000:
            return Recipe(Mode.PAUSE, (mode_step(STANDBY),), attempts=0, otherwise=(mode_step(STOPPED),))
        if wanted.target is not None:
            return self._towards(Mode.CHARGE, mode_step(CHARGE), wanted.target)
        return self._towards(Mode.CHARGE, mode_step(CHARGE), wanted.charge_bound)

    def _towards(self, mode: Mode, last: Step, bound: int | None) -> Recipe:
        settings: tuple[Step, ...] = ()
        if bound is not None:
            settings = (Step(METHOD, b"\x03", "chargingMethod"), Step(LIMIT, limit(abs(bound)), f"limit={bound}"))
        return Recipe(
            mode,
            (*settings, last),
            target=bound,
            fresh=(PLUG,),
            attempts=self.attempts,
            confirm_within=self.confirm_within,
            spacing=self.spacing,
        )

    def confirmed(self, view: View) -> bool:
        told = _edt(view, MODE)
        if view.wanted.mode in (Mode.STOP, Mode.PAUSE):
            return told in (STANDBY, STOPPED) and not (self.stops_when_still and self.decide(view).flowing)
        return told == (CHARGE if view.wanted.mode is Mode.CHARGE else DISCHARGE) and self.decide(view).flowing is True

    def refusal(self, view: View, mode: Mode) -> Refusal | None:
        if mode is Mode.DISCHARGE and not view.discharge_allowed:
            return Refusal("the site does not allow it", "fake:10")
        return None

    def abilities(self, view: View) -> Abilities:
        return Abilities(charge_max=6_000_000, modes=frozenset({Mode.CHARGE}))

    def polls(self, view: View) -> tuple[PollGroup, ...]:
        groups = (("state", (PLUG, MODE, 0x88)), ("power", (POWER, ENERGY)), ("settings", (METHOD, LIMIT)))
        groups += (("battery", (SOC, CAPACITY, VEHICLE, ENERGY_OUT)),)
        plan = ((name, tuple(epc for epc in epcs if epc in view.gettable)) for name, epcs in groups)
        return tuple(PollGroup(name, epcs, self.active, self.idle, 3 * self.idle) for name, epcs in plan)

    def local_changes(self, before: View, after: View, ours: frozenset[int]) -> tuple[LocalChange, ...]:
        changes = []
        for epc in (MODE, LIMIT):
            old, new = _edt(before, epc), _edt(after, epc)
            if old is None or new is None or old == new or epc in ours:
                continue
            if epc == LIMIT:
                value = int.from_bytes(new, "big") * 1000
                if new < old:
                    changes.append(LocalChange(HappeningKind.FOREIGN_LIMIT, "limit lowered", value, epc))
            elif new in (CHARGE, DISCHARGE):
                changes.append(LocalChange(HappeningKind.LOCAL_START, "started at the unit"))
            elif old in (CHARGE, DISCHARGE):
                changes.append(LocalChange(HappeningKind.LOCAL_STOP, "stopped at the unit"))
        return tuple(changes)

    def describe(self, epc: int, edt: bytes, release: str) -> str:
        return f"{epc:02X}={edt.hex().upper()}"


def _first(own: Reading | None, view: View, name: str) -> Reading | None:
    """The unit's own register, then a meter's, then an integral."""
    others = (getattr(source, name) for source in (view.meter, view.from_power, view.from_soc) if source is not None)
    return own or next((reading for reading in others if reading is not None), None)


def _edt(view: View, epc: int) -> bytes | None:
    fact = view.facts.get(epc)
    return None if fact is None else fact.edt


@dataclass(frozen=True)
class Got:
    values: dict[int, bytes]
    refused: frozenset[int] = frozenset()
    missing: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Wrote:
    accepted: frozenset[int]
    refused: frozenset[int]


@dataclass(frozen=True)
class Told:
    address: str
    eoj: int
    values: dict[int, bytes]


@dataclass
class Sent:
    """One request as the unit received it."""

    at: int
    kind: str  # "get" or "set"
    epcs: tuple[int, ...]
    edt: bytes = b""
    priority: Priority = Priority.POLL

    def __str__(self) -> str:
        return f"{self.kind} {self.epcs[0]:02X}={self.edt.hex().upper()}" if self.edt else f"get {_codes(self.epcs)}"


def _codes(epcs: Sequence[int]) -> str:
    return " ".join(f"{epc:02X}" for epc in epcs)


@dataclass
class FakeUnit:
    """A unit on a wire of its own. Its faults are fields."""

    clock: Clock
    values: dict[int, bytes] = field(default_factory=dict)
    delay: int = 20
    dead: bool = False
    silent_on: set[int] = field(default_factory=set)  # no answer to a request with one of these
    stuck: set[int] = field(default_factory=set)  # takes a write, and nothing changes
    refusing: set[bytes] = field(default_factory=set)  # modes that are answered SetC_SNA
    clamp: int | None = None
    apart: bool = False  # refuses every request of more than one property, but the first of AIF 3.1.3
    halving: bool = False  # answers half of what is asked
    sna: set[int] = field(default_factory=set)
    follows: bool = True  # power follows the mode
    tells: bool = False  # INF of the mode
    announces: frozenset[int] = frozenset({PLUG, MODE, FAULT})
    at_most: int = 99  # answers so many properties of a request
    log: list[Sent] = field(default_factory=list)
    callbacks: list[Callable[[Any], None]] = field(default_factory=list)
    open: int = 0

    def __post_init__(self) -> None:
        readable = (0x82, 0x83, 0x88, 0x9D, 0x9E, 0x9F, 0xC5, PLUG, 0xCC, POWER, ENERGY, MODE, METHOD, LIMIT)
        defaults = {
            0x82: b"\x00\x00P\x00",
            0x83: b"\xfe" + bytes(16),
            0x88: b"\x42",
            0x9D: encode_property_map(self.announces),
            0x9E: encode_property_map({MODE, LIMIT, METHOD, CONFIRM}),
            0x9F: encode_property_map({*readable, *self.values}),
            0xC5: limit(6_000_000),
            0xCC: b"\x32",
            PLUG: BOTH,
            MODE: STANDBY,
            METHOD: b"\x01",
            LIMIT: limit(6_000_000),
            POWER: bytes(4),
            ENERGY: bytes(4),
        }
        self.values = {**defaults, **self.values}

    # Wire

    async def get(self, address: str, eoj: int, epcs: Sequence[int], priority: Priority) -> Got:
        await self._request(Sent(self.clock.monotonic(), "get", tuple(epcs), b"", priority), address)
        if self.apart and len(epcs) > 1 and 0x82 not in epcs:
            return Got({}, frozenset(epcs))
        asked = epcs[: (len(epcs) + 1) // 2] if self.halving else epcs[: self.at_most]
        values = {epc: self.values[epc] for epc in asked if epc in self.values and epc not in self.sna}
        return Got(values, frozenset(asked) - values.keys(), frozenset(epcs) - frozenset(asked))

    async def set(self, address: str, eoj: int, writes: Sequence[tuple[int, bytes]], priority: Priority) -> Wrote:
        [(epc, edt)] = writes
        await self._request(Sent(self.clock.monotonic(), "set", (epc,), edt, priority), address)
        if edt in self.refusing:
            return Wrote(frozenset(), frozenset({epc}))
        if epc not in self.stuck:
            self.change(epc, edt, tell=self.tells)
        return Wrote(frozenset({epc}), frozenset())

    def on_notification(self, callback: Callable[[Any], None]) -> None:
        self.callbacks.append(callback)

    async def _request(self, sent: Sent, address: str) -> None:
        self.log.append(sent)
        if self.dead or address != ADDRESS or self.silent_on & set(sent.epcs):
            await self.clock.sleep(20_000)
            raise NoAnswerError("no answer")
        await self.clock.sleep(self.delay)

    # The unit itself, and people at it

    def change(self, epc: int, edt: bytes, *, tell: bool = True) -> None:
        if epc == LIMIT and self.clamp is not None:
            edt = min(edt, limit(self.clamp))
        self.values[epc] = edt
        if epc == MODE and self.follows:
            self.values[POWER] = {CHARGE: 3000, DISCHARGE: -2000}.get(edt, 0).to_bytes(4, "big", signed=True)
        if tell:
            self.tell(epc)

    def tell(self, *epcs: int) -> None:
        for callback in self.callbacks:
            callback(Told(ADDRESS, EOJ, {epc: self.values[epc] for epc in epcs}))

    @property
    def writes(self) -> list[str]:
        return [str(sent)[4:] for sent in self.log if sent.kind == "set"]

    def acts(self, mark: int) -> list[str]:
        return [str(sent) for sent in self.log[mark:] if sent.priority is not Priority.POLL]

    def since(self, mark: int) -> list[str]:
        return [str(sent) for sent in self.log[mark:]]


@dataclass
class Bench:
    """A runner with its unit, and what the station heard."""

    clock: Clock
    unit: FakeUnit
    runner: UnitRunner
    heard: list[Any] = field(default_factory=list)
    happened: list[Any] = field(default_factory=list)

    @property
    def evse(self) -> Any:
        return self.runner.unit

    def want(self, mode: Mode, **more: Any) -> None:
        self.evse.want(Wanted(mode, **more))

    async def seconds(self, count: float) -> None:
        await self.clock.sleep(int(count * 1000))

    @property
    def kinds(self) -> list[HappeningKind]:
        return [happening.kind for happening in self.happened]


@asynccontextmanager
async def bench(table: FakeTable | None = None, *, address: str | None = ADDRESS, settle: bool = True, **more: Any):  # type: ignore[no-untyped-def]
    """A running unit; `more` goes to the runner, but for `unit`: a dict of the unit's fields."""
    clock = Clock(1)
    unit = FakeUnit(clock, **more.pop("unit", {}))
    runner = UnitRunner(unit, clock, table or FakeTable(), name="u1", eoj=EOJ, address=address, **more)
    made = Bench(clock, unit, runner)

    def listen(observed: Any, happenings: tuple[Any, ...]) -> None:
        made.heard.append((clock.monotonic(), observed))
        made.happened.extend(happenings)

    runner.unit.listen(listen)
    task = asyncio.create_task(runner.run())
    try:
        if settle:
            await made.seconds(5)
        yield made
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def run(main: Coroutine[Any, Any, None]) -> None:
    from bridge.clock import run_virtual

    run_virtual(main)
