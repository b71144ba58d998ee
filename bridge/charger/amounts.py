"""How much a session has moved, and whether that is all that it may (AIF 5.2). Pure: measures in, a count out."""

from __future__ import annotations

from typing import Any, Final

from bridge.charger.memory import AMOUNT, Memory, pack, recall, whole
from bridge.evse import Counted, Happening, HappeningKind, Mode, Reading, Source, Wanted
from bridge.mapping.decision import Measures
from bridge.records import dataclass

#: A state of charge that is older (ms) decides nothing: it may be another vehicle's (CEL 3.4).
SOC_LASTS: Final = 60_000
_WH: Final = 1_000


@dataclass(slots=True)
class _Way:
    """One direction: what has moved (mWh), and the register up to which that was counted."""

    moved: int = 0
    register: int | None = None

    def read(self, reading: Reading | None) -> None:
        if reading is None or reading.source is Source.LAST_KNOWN:
            return
        if self.register is not None:
            self.moved += max(reading.value - self.register, 0)
        self.register = reading.value

    def kept(self) -> list[int | None]:
        return [self.moved, self.register]

    @classmethod
    def of(cls, kept: object) -> _Way:
        moved, register = kept if isinstance(kept, list) and len(kept) == 2 else (0, None)
        return cls(max(whole(moved) or 0, 0), whole(register))


class AmountCounter:
    """Counts one key at a time: the energy moved since the key began, by registers that only grow.

    Reached is reached: under the same key nothing starts again, whatever the amount is changed to.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        kept = recall(memory, AMOUNT)
        self._key: str | None = kept["key"] if isinstance(kept.get("key"), str) else None
        self._in, self._out = _Way.of(kept.get("in")), _Way.of(kept.get("out"))
        self._mode = next((mode for mode in (Mode.DISCHARGE, Mode.AUTO) if mode == kept.get("mode")), Mode.CHARGE)
        self._reached = kept.get("reached") is True

    def reached(self, wanted: Wanted) -> bool:
        """Whether the wanted amount has moved already."""
        return wanted.amount is not None and wanted.amount.key == self._key and self._reached

    def counted(self, wanted: Wanted) -> Counted | None:
        """How far the wanted amount has come; None where none is wanted."""
        if wanted.amount is None:
            return None
        if wanted.amount.key != self._key:
            return Counted(wanted.amount.key)
        return Counted(wanted.amount.key, self._energy, self._reached)

    def look(self, wanted: Wanted, measures: Measures, now: int) -> Happening | None:
        """Count on; what happened when the amount has just been reached, once for a key."""
        amount = wanted.amount
        if amount is None:
            return None
        if amount.key != self._key:
            self._begin(amount.key)
        if wanted.mode in (Mode.CHARGE, Mode.DISCHARGE, Mode.AUTO):
            self._mode = wanted.mode
        self._in.read(measures.energy_in)
        self._out.read(measures.energy_out)
        if self._reached:
            return None
        text = self._why(wanted, measures, now)
        if text is None:
            return None
        self._reached = True
        self.keep()
        return Happening(HappeningKind.AMOUNT_REACHED, text)

    def uncountable(self, wanted: Wanted) -> bool:
        """Whether energy is to be counted and nothing counts it."""
        way = self._out if wanted.mode is Mode.DISCHARGE else self._in
        amount = wanted.amount
        return amount is not None and amount.energy is not None and amount.key == self._key and way.register is None

    def keep(self) -> None:
        """Make the count survive a restart."""
        if self._key is not None:
            self._memory.keep({AMOUNT: pack(self._kept())})

    @property
    def _energy(self) -> int:
        if self._mode is Mode.AUTO:
            return self._in.moved + self._out.moved
        return (self._out if self._mode is Mode.DISCHARGE else self._in).moved

    def _begin(self, key: str) -> None:
        self._key = key
        self._in, self._out = _Way(), _Way()
        self._reached = False
        self.keep()

    def _why(self, wanted: Wanted, measures: Measures, now: int) -> str | None:
        amount, soc = wanted.amount, measures.soc
        if amount is None:
            return None
        if amount.energy is not None and self._energy >= amount.energy:
            return f"{self._energy // _WH} Wh of {amount.energy // _WH} Wh have moved"
        if amount.soc is None or soc is None or soc.source is Source.LAST_KNOWN or now - soc.at > SOC_LASTS:
            return None
        charged = wanted.mode is Mode.CHARGE and soc.value >= amount.soc
        discharged = wanted.mode is Mode.DISCHARGE and soc.value <= amount.soc
        return f"the state of charge is {soc.value / 1000:g} %" if charged or discharged else None

    def _kept(self) -> dict[str, Any]:
        return {
            "key": self._key,
            "in": self._in.kept(),
            "out": self._out.kept(),
            "mode": self._mode.value,
            "reached": self._reached,
        }
