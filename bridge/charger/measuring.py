"""What can be said about a unit's power and energy: the unit's own word, a meter's in front of it, and integrals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from bridge.charger.integrals import PowerIntegral, SocIntegral
from bridge.charger.memory import Memory
from bridge.charger.registers import Meter
from bridge.evse import Reading, Source
from bridge.mapping.decision import Measures

#: What a meter told counts for so many ms.
METER_FRESH: Final = 60_000


class MeterPort(Protocol):
    """A meter as a unit sees it; `bridge.charger.meter.MeterRunner` is one."""

    @property
    def measures(self) -> Measures | None:
        """What it told last; None before it ever has."""

    def listen(self, listener: Callable[[], None]) -> None:
        """Be called when it tells something new, and when it is lost."""


class Measuring:
    """The measures of one unit. Which source a value comes from is the table's choice (`MeterValues`)."""

    def __init__(self, memory: Memory, meter: MeterPort | None = None) -> None:
        self.registers = Meter(memory)
        self._meter = meter
        self._power = PowerIntegral()
        self._soc = SocIntegral()

    def meter(self, now: int) -> Measures | None:
        """What the meter in front of the unit tells, as far as it is fresh."""
        return fresh(self._meter.measures, now, METER_FRESH) if self._meter is not None else None

    @property
    def from_power(self) -> Measures | None:
        """Energies integrated from power."""
        return self._power.measures

    @property
    def from_soc(self) -> Measures | None:
        """Energies integrated from the state of charge."""
        return self._soc.measures

    def show(self, measures: Measures, *, reachable: bool) -> Measures:
        """What the table reads off a view, integrated and grown. Where it chose an integral, that is brought up to the
        power that was measured just now."""
        if not reachable:
            self._power.read(None)
            self._soc.another_vehicle()
            return self.registers.show(measures, reachable=False)
        before = (self.from_power, self.from_soc)
        self._power.read(measures.power)
        self._soc.read(measures.soc, measures.capacity)
        for old, new in zip(before, (self.from_power, self.from_soc), strict=True):
            if old is not None and new is not None:
                measures = _brought_up(measures, old, new)
        return self.registers.show(measures, reachable=True)

    def another_vehicle(self) -> None:
        """A vehicle came or went."""
        self._soc.another_vehicle()


def fresh(measures: Measures | None, now: int, within: int) -> Measures | None:
    """Only what is no older than `within` ms and not from before a loss; None if nothing is left."""
    if measures is None:
        return None
    kept = Measures(
        power=_fresh(measures.power, now, within),
        current=_fresh(measures.current, now, within),
        voltage=_fresh(measures.voltage, now, within),
        energy_in=_fresh(measures.energy_in, now, within),
        energy_out=_fresh(measures.energy_out, now, within),
    )
    return kept if kept != Measures() else None


def _fresh(reading: Reading | None, now: int, within: int) -> Reading | None:
    if reading is None or reading.source is Source.LAST_KNOWN or now - reading.at > within:
        return None
    return reading


def _brought_up(measures: Measures, old: Measures, new: Measures) -> Measures:
    """The newer value of an integral wherever its older one was chosen."""
    return replace(
        measures,
        energy_in=new.energy_in if measures.energy_in == old.energy_in else measures.energy_in,
        energy_out=new.energy_out if measures.energy_out == old.energy_out else measures.energy_out,
    )


def assumed_offer(granted: int | None, shown: Reading | None, now: int) -> Reading | None:
    """Where a unit does not tell what it grants: what it was set to (mW), which is an assumption; the same again is
    what was shown before."""
    if granted is None:
        return None
    if shown is not None and shown.value == granted and shown.source is Source.ASSUMED:
        return shown
    return Reading(granted, now, Source.ASSUMED, "setpoint")
