"""The handle of a simulated unit: what a test, the demo or a person at the command line does with it.

It gives the state machine a clock, announces what changes, and remembers what was written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.clock import Clock
from bridge.errors import UnitError
from bridge.sim.battery import VehicleConfig
from bridge.sim.codec import Prop
from bridge.sim.device import Announce
from bridge.sim.properties import Epc, Mode
from bridge.sim.readings import read
from bridge.sim.unit import SimUnitConfig, UnitCore

#: Names of modes at the wall panel.
PANEL_MODES = {
    "charge": Mode.CHARGE,
    "discharge": Mode.DISCHARGE,
    "standby": Mode.STANDBY,
    "stop": Mode.STOP,
    "auto": Mode.AUTO,
    "rapid": Mode.RAPID,
}

#: Who writes when another controller does.
FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class WriteRecord:
    """One property of a SetC that the unit received: when (ms), from which address, and whether it was refused."""

    at: int
    source: str
    epc: int
    edt: bytes
    accepted: bool


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """A notified property that took a new value, whether or not the INF arrived."""

    at: int
    epc: int
    edt: bytes


class SimUnit:
    """A unit with a vehicle to plug, a wall panel, faults, and another controller beside ours.

    Must be made while the event loop runs. `inf_delay_ms` and `inf_copies` may be changed at any time.
    """

    def __init__(self, clock: Clock, config: SimUnitConfig | None = None) -> None:
        self._clock = clock
        self.core = UnitCore(config or SimUnitConfig(), clock.monotonic())
        self.config = self.core.config
        self.inf_delay_ms = self.config.inf_delay_ms
        self.inf_copies = self.config.inf_copies
        self.log: list[WriteRecord] = []
        self.changes: list[ChangeRecord] = []
        self.on_change: Callable[[ChangeRecord], None] | None = None
        self._silent = False
        self._ident = b""
        self.eoj = 0
        self._announce: Announce | None = None
        self._due: dict[int, int] = {}
        self._told = self._notified()
        self._pumped_at: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._pump()

    # ---- what a node asks -------------------------------------------------------------------------------------

    @property
    def class_code(self) -> int:
        """0x027E or 0x02A1."""
        return self.config.unit_class

    @property
    def wanted_instance(self) -> int | None:
        """The configured instance."""
        return self.config.instance

    @property
    def quirks(self) -> Mapping[str, object]:
        """Faults of its own and of the node that carries it, by name."""
        return self.config.quirks

    @property
    def silent(self) -> bool:
        """Whether it hears and says nothing."""
        return self._silent

    def bind(self, own_eoj: int, ident: bytes, announce: Announce) -> None:
        """Told by the node that carries it."""
        self.eoj, self._ident, self._announce = own_eoj, ident, announce

    def read(self, epc: int) -> bytes | None:
        """A property's data now; None = refused."""
        if self._pumped_at != self._clock.monotonic():  # of one request all properties are of one moment
            self._pump()
        if epc == Epc.ID and epc in self.core.get_map - self.core.withheld:
            return self._ident
        return read(self.core, epc)

    def write(self, epc: int, edt: bytes, source: str) -> bool:
        """One property of a SetC from an address."""
        now = self._clock.monotonic()
        accepted = self.core.write(now, epc, edt)
        self.log.append(WriteRecord(now, source, epc, edt, accepted))
        self._pump()
        return accepted

    def close(self) -> None:
        """Stop all timers."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    # ---- what a person does -----------------------------------------------------------------------------------

    def plug(self, soc_percent: float | None = None, vehicle: VehicleConfig | None = None) -> None:
        """Plug a vehicle in: the last one, at another state of charge, or another one."""
        self.core.plug(self._clock.monotonic(), soc_percent, vehicle)
        self._pump()

    def unplug(self) -> None:
        """Take the vehicle away."""
        self.core.unplug(self._clock.monotonic())
        self._pump()

    def panel(self, mode: str | int) -> bool:
        """Choose a mode at the wall panel, by name ("charge", "stop") or value. False if the unit cannot."""
        if isinstance(mode, str) and mode not in PANEL_MODES:
            raise UnitError(f"the panel has no {mode!r}; it has {', '.join(PANEL_MODES)}")
        taken = self.core.panel(self._clock.monotonic(), PANEL_MODES[mode] if isinstance(mode, str) else mode)
        self._pump()
        return taken

    def fault(self, code: int = 0x000A) -> None:
        """A fault appears (0x88 = 41, 0x89 = code)."""
        self.core.set_fault(self._clock.monotonic(), code)
        self._pump()

    def clear_fault(self) -> None:
        """The fault is over."""
        self.core.clear_fault(self._clock.monotonic())
        self._pump()

    def foreign_write(self, epc: int, edt: bytes) -> bool:
        """Another controller writes a property. False if the unit refuses."""
        return self.write(epc, edt, FOREIGN)

    def silence(self, silent: bool = True) -> None:
        """The unit is dead to the network (and alive otherwise), or back again."""
        self._silent = silent

    def ev_pauses(self, pauses: bool = True) -> None:
        """The vehicle takes and gives no power, while the mode stays."""
        self.core.advance(self._clock.monotonic())
        self.core.ev_pauses = pauses
        self._pump()

    def ev_ends(self) -> None:
        """The vehicle ends charging or discharging; the unit changes its mode."""
        self.core.ev_ends(self._clock.monotonic())
        self._pump()

    def set_surplus(self, watts: int) -> None:
        """The house's surplus (plus) or need (minus), which automatic modes and methods follow."""
        self.core.advance(self._clock.monotonic())
        self.core.surplus_w = watts
        self._pump()

    def set_interconnection(self, value: int) -> None:
        """0xDB: 00 grid with reverse flow, 01 independent (a blackout), 02 grid without reverse flow."""
        self.core.advance(self._clock.monotonic())
        self.core.interconnection = value
        self._pump()

    def override_connection(self, value: int | None) -> None:
        """Make 0xC7 say something whatever is so; None ends it."""
        self.core.advance(self._clock.monotonic())
        self.core.connection_override = value
        self._pump()

    # ---- what is so -------------------------------------------------------------------------------------------

    @property
    def power_w(self) -> int:
        """Power now in W, plus = into the car."""
        return self._now().power_w

    @property
    def soc(self) -> float:
        """State of charge in percent."""
        return self._now().battery.soc_percent

    @property
    def mode(self) -> int:
        """0xDA."""
        return self._now().mode

    @property
    def actual_mode(self) -> int:
        """What 0xE1 says, or would say."""
        return self._now().actual_mode

    @property
    def connection(self) -> int:
        """0xC7."""
        return self._now().connection

    @property
    def plugged(self) -> bool:
        """Whether a vehicle is there, whatever the unit knows."""
        return self.core.plugged

    def setting(self, epc: int) -> int:
        """A setting's number."""
        return self._now().setting(epc)

    def writes(self, epc: int | None = None) -> list[tuple[int, bytes]]:
        """The accepted writes in order, all or of one property, as (code, data)."""
        return [(w.epc, w.edt) for w in self.log if w.accepted and epc in (None, w.epc)]

    async def until(self, what: Callable[[SimUnit], bool], timeout_ms: int = 60_000) -> None:
        """Wait until something is so of the unit. Raises TimeoutError."""
        end = self._clock.monotonic() + timeout_ms
        while not what(self):
            if self._clock.monotonic() >= end:
                raise TimeoutError(f"not within {timeout_ms} ms: {self.status()}")
            await self._clock.sleep(20)

    def status(self) -> dict[str, object]:
        """The unit in a few words, for logs and the command line."""
        core = self._now()
        return {
            "eoj": f"{self.eoj:06X}",
            "plugged": core.plugged,
            "connection": f"{core.connection:02X}",
            "mode": f"{core.mode:02X}",
            "actual": f"{core.actual_mode:02X}",
            "power_w": core.power_w,
            "soc": round(core.battery.soc_percent, 2),
            "fault": core.fault,
        }

    # ---- time and announcements -------------------------------------------------------------------------------

    def _now(self) -> UnitCore:
        self.core.advance(self._clock.monotonic())
        return self.core

    def _notified(self) -> dict[int, bytes]:
        return {epc: edt for epc in sorted(self.core.inf_map) if (edt := read(self.core, epc)) is not None}

    def _pump(self) -> None:
        """Let time pass, note what changed, announce what is due, and set the timer for what comes next."""
        now = self._pumped_at = self._clock.monotonic()
        self.core.advance(now)
        state = self._notified()
        for epc, edt in state.items():
            if self._told.get(epc) != edt:
                self._changed(ChangeRecord(now, epc, edt))
        self._told = state
        self._announce_due(now)
        self._set_timer(now)

    def _changed(self, change: ChangeRecord) -> None:
        self.changes.append(change)
        self._due.setdefault(change.epc, change.at + self.inf_delay_ms)
        if self.on_change is not None:
            self.on_change(change)

    def _announce_due(self, now: int) -> None:
        for epc in [epc for epc, at in self._due.items() if at <= now]:
            del self._due[epc]
            for _ in range(self.inf_copies):
                if self._announce is not None:
                    self._announce((Prop(epc, self._told[epc]),))

    def _set_timer(self, now: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        pending = [*self._due.values()]
        upcoming = self.core.next_event()
        if upcoming is not None:
            pending.append(upcoming)
        if pending and not self._closed:
            self._timer = self._clock.call_at(max(min(pending), now + 1), self._pump)
