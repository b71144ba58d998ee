"""What a unit measures, as it may be shown: energy registers that only grow whatever the unit's own do (resets, wraps,
exchanged units, another source, a restart of ours), and nothing of a lost unit shown as fresh."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from bridge.charger.integrals import ORIGINS
from bridge.charger.memory import REGISTERS, Memory, pack, recall, whole
from bridge.evse import Reading, Source
from bridge.mapping.decision import Measures

#: How often (ms) registers of the unit's own are kept while they only grow: after a restart they are read again.
KEPT_EVERY: Final = 60_000


class GrowingRegister:
    """One direction's energy (mWh). No energy is invented: after a reset or a wrap it grows on from where it was, and
    what was counted before the unit's register went back and was never read is lost."""

    def __init__(self, kept: object = None) -> None:
        self.shown: Reading | None = None
        self._origin: str | None = None
        self._raw = self._offset = 0
        self._rebase = False
        self._restore(kept)

    def exchanged(self) -> None:
        """Another unit answers from now on: its register has nothing to do with the last one's."""
        self._rebase = self._origin is not None

    def read(self, raw: Reading | None) -> Reading | None:
        """The grown reading for what the unit tells; None stays None."""
        if raw is None:
            return None
        if self._origin is not None:
            if self._rebase or raw.origin != self._origin:
                self._offset += self._raw - raw.value
            elif raw.value < self._raw:
                self._offset += self._raw
        self._rebase = False
        self._raw, self._origin = raw.value, raw.origin
        self.shown = replace(raw, value=raw.value + self._offset) if self._offset else raw
        return self.shown

    @property
    def exact(self) -> bool:
        """Whether what was read cannot be read again after a restart, so that every step has to be kept."""
        return self._origin in ORIGINS

    def kept(self) -> list[Any] | None:
        """What a restart must not forget."""
        return None if self._origin is None else [self._origin, self._raw, self._offset]

    def _restore(self, kept: object) -> None:
        if not isinstance(kept, list) or len(kept) != 3 or not isinstance(kept[0], str):
            return
        raw, offset = whole(kept[1]), whole(kept[2])
        if raw is not None and offset is not None:
            self._origin, self._raw, self._offset = kept[0], raw, offset


class Meter:
    """One unit's measures. `memory` takes the registers over restarts."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        kept = recall(memory, REGISTERS)
        self._energy_in, self._energy_out = GrowingRegister(kept.get("in")), GrowingRegister(kept.get("out"))
        self._identity = kept["unit"] if isinstance(kept.get("unit"), str) else None
        self._kept = kept
        self._kept_at: int | None = None

    def identified(self, identity: bytes) -> bool:
        """The unit has told who it is (0x83). Whether it is another one than before, whose registers begin anew."""
        told = identity.hex()
        another = self._identity is not None and told != self._identity
        self._identity = told
        if another:
            self._energy_in.exchanged()
            self._energy_out.exchanged()
        return another

    def show(self, measures: Measures, *, reachable: bool) -> Measures:
        """What the table reads off the unit, with grown registers; while it is lost, the last known."""
        if reachable:
            return replace(
                measures,
                energy_in=self._energy_in.read(measures.energy_in),
                energy_out=self._energy_out.read(measures.energy_out),
            )
        shown = replace(measures, energy_in=self._energy_in.shown, energy_out=self._energy_out.shown)
        return last_known(shown)

    def keep(self, now: int) -> bool:
        """Make the registers survive a restart, where it is time for that; whether it was."""
        state = {"unit": self._identity, "in": self._energy_in.kept(), "out": self._energy_out.kept()}
        if state == self._kept:
            return False
        patient = self._kept_at is not None and now < self._kept_at + KEPT_EVERY
        if patient and not (self._energy_in.exact or self._energy_out.exact or self._moved(state)):
            return False
        self._kept, self._kept_at = state, now
        self._memory.keep({REGISTERS: pack(state)})
        return True

    def _moved(self, state: dict[str, Any]) -> bool:
        """Whether more has changed than that a register has grown."""
        if state["unit"] != self._kept.get("unit"):
            return True
        for way in ("in", "out"):
            now, before = state[way], self._kept.get(way)
            if now is not None and (before is None or (now[0], now[2]) != (before[0], before[2])):
                return True
        return False


def last_known(measures: Measures) -> Measures:
    """The same, with nothing passed off as fresh."""
    return replace(
        measures,
        power=_last_known(measures.power),
        current=_last_known(measures.current),
        voltage=_last_known(measures.voltage),
        energy_in=_last_known(measures.energy_in),
        energy_out=_last_known(measures.energy_out),
        soc=_last_known(measures.soc),
        offered=_last_known(measures.offered),
    )


def _last_known(reading: Reading | None) -> Reading | None:
    return None if reading is None else replace(reading, source=Source.LAST_KNOWN)
