"""Another controller on the LAN: it reads the same units and wants something else of them (AIF 1: the last write wins).

It speaks for itself from an address of its own. It waits for an answer before it asks the same node again, unless it is
rude; what it asks may still meet the gateway's request, since a node may serve one at a time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from bridge.clock import Clock
from bridge.sim.codec import ANSWERS, Esv, Prop, SimFrame, SimFrameError, decode, encode
from bridge.sim.device import Port

_CONTROLLER = 0x05FF01
_PROFILE = 0x0EF001
_INSTANCE_LIST = 0xD5

#: How long it waits for an answer (AIF 2.4.2).
_TIMER_MS = 20_000


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Writes a property every so often (ms), whatever it is."""

    address: str
    epc: int
    edt: bytes
    every_ms: int = 60_000
    eoj: int = 0x027E01


@dataclass(frozen=True, slots=True)
class Contradict:
    """Answers each change: as soon as it hears, or reads, that a property is otherwise, it writes its own value.

    `after_ms`: how long it thinks. `look_ms`: how often it reads the property, for changes that are not announced; 0
    trusts announcements. `times`: how often it does so; None never tires.
    """

    address: str
    epc: int
    edt: bytes
    after_ms: int = 1_000
    look_ms: int = 0
    times: int | None = None
    eoj: int = 0x027E01


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads properties in one request every so often (ms)."""

    address: str
    epcs: tuple[int, ...] = (0x80, 0xC7, 0xDA, 0xD3)
    every_ms: int = 10_000
    eoj: int = 0x027E01


Habit = Rewrite | Contradict | Reading


class SimHems:
    """A controller with habits, from `start` to `close`. `writes`, `reads`, `refusals` and `unanswered` are counts."""

    def __init__(self, clock: Clock, port: Port, habits: Sequence[Habit], *, rude: bool = False) -> None:
        self._clock = clock
        self._port = port
        self._habits = tuple(habits)
        self._rude = rude
        self._tid = 0
        self._queues: dict[str, deque[SimFrame]] = {}
        self._asked: dict[str, SimFrame] = {}
        self._timers: dict[object, asyncio.TimerHandle] = {}
        self._closed = False
        self._fought: dict[Contradict, int] = {}
        self.writes = self.reads = self.refusals = self.unanswered = 0
        port.attach(self._receive)

    async def start(self) -> None:
        """Say who is here, and begin."""
        self._tid += 1
        here = Prop(_INSTANCE_LIST, b"\x01" + _CONTROLLER.to_bytes(3, "big"))
        self._port.multicast(encode(SimFrame(self._tid, _PROFILE, _PROFILE, Esv.INF, (here,))))
        for habit in self._habits:
            self._repeat(habit)

    async def close(self) -> None:
        """Stop, and leave the network."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        await self._port.close()

    # ---- habits -----------------------------------------------------------------------------------------------

    def _repeat(self, habit: Habit) -> None:
        if isinstance(habit, Rewrite):
            self._write(habit)
            every = habit.every_ms
        elif isinstance(habit, Reading):
            self._ask(habit, Esv.GET, tuple(Prop(epc) for epc in habit.epcs))
            every = habit.every_ms
        else:
            every = habit.look_ms
            if not every:
                return
            self._ask(habit, Esv.GET, (Prop(habit.epc),))
        self._after(every, ("again", habit), partial(self._repeat, habit))

    def _write(self, habit: Rewrite | Contradict) -> None:
        self._ask(habit, Esv.SETC, (Prop(habit.epc, habit.edt),))

    def _learns(self, source: str, frame: SimFrame) -> None:
        """A value that is not as wanted is answered, once a thought."""
        for habit in self._habits:
            if not isinstance(habit, Contradict) or (habit.address, habit.eoj) != (source, frame.seoj):
                continue
            otherwise = any(prop.epc == habit.epc and prop.edt not in (b"", habit.edt) for prop in frame.props)
            tired = habit.times is not None and self._fought.get(habit, 0) >= habit.times
            if otherwise and not tired and ("fight", habit) not in self._timers:
                self._fought[habit] = self._fought.get(habit, 0) + 1
                self._after(habit.after_ms, ("fight", habit), partial(self._write, habit))

    # ---- requests ---------------------------------------------------------------------------------------------

    def _ask(self, habit: Habit, esv: Esv, props: tuple[Prop, ...]) -> None:
        self._tid = (self._tid + 1) & 0xFFFF
        self._queues.setdefault(habit.address, deque(maxlen=8)).append(
            SimFrame(self._tid, _CONTROLLER, habit.eoj, esv, props)
        )
        self._next(habit.address)

    def _next(self, address: str) -> None:
        queue = self._queues.get(address)
        if not queue or self._closed or (address in self._asked and not self._rude):
            return
        frame = self._asked[address] = queue.popleft()
        if frame.esv == Esv.SETC:
            self.writes += 1
        else:
            self.reads += 1
        self._port.send(encode(frame), address)
        self._after(_TIMER_MS, ("answer", address), partial(self._give_up, address))

    def _give_up(self, address: str) -> None:
        self._asked.pop(address, None)
        self.unanswered += 1
        self._next(address)

    def _receive(self, data: bytes, source: str) -> None:
        try:
            frame = decode(data)
        except SimFrameError:
            return
        asked = self._asked.get(source)
        if (
            asked is not None
            and frame.tid == asked.tid
            and frame.seoj == asked.deoj
            and frame.esv in ANSWERS[asked.esv]
        ):
            self.refusals += frame.esv == ANSWERS[asked.esv][1]
            del self._asked[source]
            self._drop(("answer", source))
        if frame.esv in (Esv.INF, Esv.GET_RES, Esv.GET_SNA):
            self._learns(source, frame)
        self._next(source)

    # ---- time -------------------------------------------------------------------------------------------------

    def _after(self, ms: int, key: object, then: partial[None]) -> None:
        self._drop(key)

        def fire() -> None:
            del self._timers[key]
            then()

        if not self._closed:
            self._timers[key] = self._clock.call_at(self._clock.monotonic() + ms, fire)

    def _drop(self, key: object) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()


def _answers(frame: SimFrame, asked: SimFrame) -> bool:
    return frame.tid == asked.tid and frame.seoj == asked.deoj and frame.esv in ANSWERS[asked.esv]
