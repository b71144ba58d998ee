"""What a unit measures, as it may be shown: energy registers that only grow whatever the unit's own do (resets, wraps,
exchanged units, another source), and nothing of a lost unit shown as fresh."""

from __future__ import annotations

from dataclasses import replace

from bridge.evse import Reading, Source
from bridge.mapping.decision import Measures


class GrowingRegister:
    """One direction's energy (mWh). No energy is invented: after a reset or a wrap it grows on from where it was, and
    what was counted before the unit's register went back and was never read is lost."""

    def __init__(self) -> None:
        self._last: Reading | None = None
        self._offset = 0
        self._rebase = False

    def exchanged(self) -> None:
        """Another unit answers from now on: its register has nothing to do with the last one's."""
        self._rebase = self._last is not None

    def read(self, raw: Reading | None) -> Reading | None:
        """The grown reading for what the unit tells; None stays None."""
        if raw is None:
            return None
        last = self._last
        if last is not None:
            if self._rebase or raw.origin != last.origin:
                self._offset += last.value - raw.value
            elif raw.value < last.value:
                self._offset += last.value
        self._rebase = False
        self._last = raw
        return replace(raw, value=raw.value + self._offset) if self._offset else raw


class Meter:
    """One unit's measures."""

    def __init__(self) -> None:
        self._energy_in, self._energy_out = GrowingRegister(), GrowingRegister()

    def exchanged(self) -> None:
        """Another unit answers from now on."""
        self._energy_in.exchanged()
        self._energy_out.exchanged()

    def show(self, measures: Measures, *, reachable: bool) -> Measures:
        """What the table reads off the unit, with grown registers; marked as last known while it is lost."""
        grown = replace(
            measures,
            energy_in=self._energy_in.read(measures.energy_in),
            energy_out=self._energy_out.read(measures.energy_out),
        )
        if reachable:
            return grown
        return replace(
            grown,
            power=_last_known(grown.power),
            current=_last_known(grown.current),
            voltage=_last_known(grown.voltage),
            energy_in=_last_known(grown.energy_in),
            energy_out=_last_known(grown.energy_out),
            soc=_last_known(grown.soc),
            offered=_last_known(grown.offered),
        )


def _last_known(reading: Reading | None) -> Reading | None:
    return None if reading is None else replace(reading, source=Source.LAST_KNOWN)
