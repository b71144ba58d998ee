"""What must hold of a unit whatever happens, judged from outside: its settings and its mode against what was allowed.

Knows nothing of the gateway. What the CSMS and the local API may believe to be in force is kept as promises; a request
that was never answered leaves two possibilities, and what either allows is no fault. The limit of a moment is the
oracle's (`composite_oracle.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product
from typing import Final

from bridge.clock import Clock
from bridge.sim.codec import Esv, SimFrameError, decode
from bridge.sim.control import SimUnit
from bridge.sim.lan import Datagram
from tests.tools.composite_oracle import Bay, Held, House

#: The name that profiles of whatever transaction runs have here; and the slot of whether one runs.
RUNNING: Final = "running"
CHARGE, DISCHARGE = 0x42, 0x43
STOPS: Final = (b"\x47", b"\x44")
ENERGY: Final = {0x41: 1, CHARGE: 1, DISCHARGE: -1, 0x46: 0, 0x49: 0}
#: W: below this nothing flows (the tables' word).
STILL: Final = 100
#: How often the watch looks (ms).
EVERY: Final = 250


class Promises:
    """What may be in force, slot by slot: one thing, or several while nobody knows whether a request was taken."""

    def __init__(self) -> None:
        self._slots: dict[str, tuple[Held | bool | None, ...]] = {RUNNING: (False,)}

    def maybe(self, slot: str, what: Held | bool | None) -> None:
        """It was asked for."""
        self._slots[slot] = (*self._slots.get(slot, (None,)), what)

    def settled(self, slot: str, what: Held | bool | None) -> None:
        """It was answered: this and nothing else."""
        self._slots[slot] = (what,)

    def undo(self, slot: str, before: tuple[Held | bool | None, ...]) -> None:
        """It was refused."""
        self._slots[slot] = before

    def held(self, slot: str) -> tuple[Held | bool | None, ...]:
        """All that may be in a slot."""
        return self._slots.get(slot, (None,))

    def limits(self, moment: datetime, bay: Bay, most: int) -> Iterator[int]:
        """Every limit (mW, below zero to discharge) that may be in force."""
        bay = Bay(bay.wires, RUNNING, None, 0, bay.may_discharge)
        others = [held for slot, held in self._slots.items() if slot != RUNNING]
        for running in set(self._slots[RUNNING]):
            if not running:
                yield 0
                continue
            for chosen in product(*others):
                held = tuple(one for one in chosen if isinstance(one, Held))
                limit = House(moment, held, {1: bay}).at(1, moment)
                yield most if limit is None else min(limit, most)


@dataclass(frozen=True)
class Patience:
    """What the gateway may take (ms of time in which it could act)."""

    write: int = 3_000
    write_in_loss: int = 180_000
    after_trouble: int = 30_000
    after_trouble_in_loss: int = 5 * 60_000
    floor: int = 75_000
    stop: int = 5_000


@dataclass
class SafetyWatch:
    """Looks at a unit every quarter of a second and at each datagram; `wrong` is what must not have been.

    `alive` is the number of the gateway's life, or None while there is none; `reachable`: whether a datagram could
    pass; `losing`: whether some are lost.
    """

    clock: Clock
    unit: SimUnit
    promises: Promises
    bay: Bay
    floor: float
    gateway: str
    alive: Callable[[], int | None]
    reachable: Callable[[], bool]
    losing: Callable[[], bool]
    patience: Patience = field(default_factory=Patience)
    wrong: list[str] = field(default_factory=list)
    orders: set[str] = field(default_factory=set)
    slowest_stop: int | None = None

    def __post_init__(self) -> None:
        self._counted = 0  # ms in which the gateway could act
        self._free_from = 0  # not counted before this instant
        self._lossy_until = 0
        self._allowed: deque[tuple[int, int, int]] = deque()
        self._below_since: int | None = None
        self._stops: list[tuple[int, int]] = []  # asked at, in which life
        self._stopped_at = -1  # when the last stop went out
        self._told_in: int | None = None  # the life in which the unit has told its release, which names its stop

    # -- what is ordered

    def ordered_w(self) -> float:
        """What the unit's mode and its settings ask for at most, in W, as the simulation obeys it; below 0 out of the
        car. Amperes count at the side where the unit measures them, with its real voltage."""
        core = self.unit.core
        mode = self.unit.mode
        if mode not in ENERGY or not self.unit.plugged:
            return 0
        if mode not in (CHARGE, DISCHARGE):
            return ENERGY[mode] * core.config.rated_charge_w
        charging = mode == CHARGE
        rated = core.config.rated_charge_w if charging else core.config.rated_discharge_w
        asked = core._settings.wanted_w(charging, core.voltage_v, core.surplus_w)
        return min(asked, rated) if charging else -min(asked, rated)

    # -- looking

    async def look_on(self) -> None:
        """For ever; cancel to end."""
        while True:
            self.look()
            await self.clock.sleep(EVERY)

    def look(self) -> None:
        """One look."""
        now = self.clock.monotonic()
        self._count(now)
        self._note_limits()
        self._judge_order(now)
        self._judge_floor(now)
        self._judge_stops(now)

    def _note_limits(self) -> None:
        limits = list(self.promises.limits(self.clock.wall(), self.bay, self.unit.config.rated_charge_w * 1000))
        self._allowed.append((self._counted, min(0, *limits), max(0, *limits)))

    def _count(self, now: int) -> None:
        if self.losing():
            self._lossy_until = now + self.patience.write_in_loss
        if self.alive() is None or not self.reachable():
            lossy, patience = now < self._lossy_until, self.patience
            self._free_from = now + (patience.after_trouble_in_loss if lossy else patience.after_trouble)
        if now >= self._free_from:
            self._counted += EVERY

    def _judge_order(self, now: int) -> None:
        window = self.patience.write_in_loss if now < self._lossy_until else self.patience.write
        while len(self._allowed) > 1 and self._allowed[1][0] < self._counted - self.patience.write_in_loss:
            self._allowed.popleft()
        seen = [(low, high) for at, low, high in self._allowed if at >= self._counted - window]
        ordered = self.ordered_w()
        if ordered:
            self.orders.add("charge" if ordered > 0 else "discharge")
        low, high = min(low for low, _ in seen), max(high for _, high in seen)
        if not low - 1000 < ordered * 1000 < high + 1000:
            self._blame(now, f"{ordered:.0f} W are ordered where {low / 1000:.0f} to {high / 1000:.0f} W were allowed")

    def _judge_floor(self, now: int) -> None:
        if self.unit.mode != DISCHARGE or self.unit.soc > self.floor - 1:
            self._below_since = None
        elif self._below_since is None:
            self._below_since = self._counted
        elif self._counted - self._below_since > self.patience.floor:
            self._blame(now, f"discharging at {self.unit.soc:.1f} %, the floor is {self.floor} %")

    def _judge_stops(self, now: int) -> None:
        if self.unit.mode not in ENERGY or not self.unit.plugged:
            self._stops.clear()
        for at, life in list(self._stops):
            if self.alive() != life:
                self._stops.remove((at, life))
            elif now - at > self.patience.stop:
                self._stops.remove((at, life))
                self._blame(now, f"no stop went out for {now - at} ms")

    # -- hearing

    def stop_was_taken(self, asked: int) -> None:
        """The CSMS has been told that the stop is accepted that it `asked` for at that time."""
        life = self.alive()
        if self._stopped_at >= asked:  # before the answer
            self._stop_took(self._stopped_at - asked)
        elif life is not None and life == self._told_in:
            self._stops.append((asked, life))

    def _stop_took(self, took: int) -> None:
        self.slowest_stop = max(self.slowest_stop or 0, took)

    def __call__(self, datagram: Datagram) -> None:
        """A datagram goes out: of the gateway's writes of 0xDA none turns the direction."""
        try:
            frame = decode(datagram.data)
        except SimFrameError:
            return
        if datagram.source != self.gateway:
            if frame.seoj == self.unit.eoj and datagram.arrivals and any(p.epc == 0x9F for p in frame.props):
                self._told_in = self.alive()
            return
        if frame.esv not in (Esv.SETC, Esv.SETI, Esv.SETGET):
            return
        self._note_limits()  # one may be over before the next look
        for prop in frame.props:
            if prop.epc == 0xDA:
                self._mode_goes_out(prop.edt)

    def _mode_goes_out(self, edt: bytes) -> None:
        now, mode, power = self.clock.monotonic(), self.unit.mode, self.unit.power_w
        if edt in STOPS:
            self._stopped_at = now
            for at, _ in self._stops:
                self._stop_took(now - at)
            self._stops.clear()
        elif mode not in ENERGY:
            self._stops.clear()  # there was nothing to stop, and what starts now is judged by what is allowed
        other: Mapping[bytes, int] = {b"\x42": DISCHARGE, b"\x43": CHARGE}
        turned = -power if edt == b"\x42" else power
        if edt in other and (mode == other[edt] or turned >= STILL):
            self._blame(now, f"0xDA = {edt.hex()} goes out in mode {mode:02X} at {power} W")

    def _blame(self, now: int, what: str) -> None:
        if len(self.wrong) < 20:
            self.wrong.append(f"{now / 1000:.1f} s: {what}")
