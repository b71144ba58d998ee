"""Energy where nobody counts it: from measured power, and from the state of charge and the battery's capacity.

Both only grow, each direction apart, and invent nothing: between two readings that are too far apart nothing is known,
so nothing is counted. What they come to is shown through a growing register, which also takes them over restarts.
"""

from __future__ import annotations

from typing import Final

from bridge.evse import Reading, Source
from bridge.mapping.decision import Measures

#: A power reading says nothing about the time more than so many ms after it: the longest pause between two polls of an
#: idle unit, and one that was lost.
POWER_LASTS: Final = 150_000
#: ... and a state of charge, which changes slowly and is asked for rarely.
SOC_LASTS: Final = 300_000
#: The state of charge flickers by its last digit (0.001 %): beyond this alone a change of direction counts.
FLICKER: Final = 1_000

#: What the sources are called in samples.
POWER_ORIGIN: Final = "power x time"
SOC_ORIGIN: Final = "state of charge x capacity"
ORIGINS: Final = frozenset({POWER_ORIGIN, SOC_ORIGIN})

_MS_PER_HOUR: Final = 3_600_000
_FULL: Final = 100_000  # 100 % in 0.001 %


class PowerIntegral:
    """Energies (mWh) from readings of power (mW), by the mean of each two that follow each other."""

    def __init__(self) -> None:
        self._last: Reading | None = None
        self._in = self._out = 0  # mW ms
        self._shown: Measures | None = None  # asked for with every view, and another only with another reading
        self._shown_for: Reading | None = None

    def read(self, power: Reading | None) -> None:
        """Take the next reading; none, one of a lost unit or of another origin ends the integration."""
        last = self._last
        if power is None or power.source is Source.LAST_KNOWN:
            self._last = None
            return
        if last is not None and power.at <= last.at and power.origin == last.origin:
            return  # seen already
        self._last = power
        if last is None or power.origin != last.origin or power.at - last.at > POWER_LASTS:
            return
        span = power.at - last.at
        self._in += (max(last.value, 0) + max(power.value, 0)) * span // 2
        self._out += (max(-last.value, 0) + max(-power.value, 0)) * span // 2

    @property
    def measures(self) -> Measures | None:
        """The energies as of the last reading; None while power is not measured."""
        if self._last is None:
            return None
        if self._shown is None or self._shown_for is not self._last:
            self._shown = _energies(self._in // _MS_PER_HOUR, self._out // _MS_PER_HOUR, self._last, POWER_ORIGIN)
            self._shown_for = self._last
        return self._shown


class SocIntegral:
    """Energies (mWh) from changes of the state of charge (0.001 %) of a battery of known capacity (mWh)."""

    def __init__(self) -> None:
        self._last: Reading | None = None
        self._mark = 0  # up to here it has been counted
        self._rising: bool | None = None
        self._in = self._out = 0  # 0.001 % x mWh
        self._shown: Measures | None = None
        self._shown_for: Reading | None = None

    def another_vehicle(self) -> None:
        """A vehicle came or went: what it did meanwhile is not this unit's energy."""
        self._last = None

    def read(self, soc: Reading | None, capacity: Reading | None) -> None:
        """Take the next reading; without a capacity nothing is counted."""
        if soc is None or soc.source is Source.LAST_KNOWN or capacity is None or capacity.value <= 0:
            self._last = None
            return
        last, self._last = self._last, soc
        if last is None or soc.origin != last.origin or soc.at - last.at > SOC_LASTS:
            self._mark, self._rising = soc.value, None
            return
        change = soc.value - self._mark
        if change == 0 or (self._rising is not None and (change > 0) is not self._rising and abs(change) <= FLICKER):
            return
        self._rising = change > 0
        self._mark = soc.value
        if change > 0:
            self._in += change * capacity.value
        else:
            self._out -= change * capacity.value

    @property
    def measures(self) -> Measures | None:
        """The energies as of the last reading; None while they are not to be had."""
        if self._last is None:
            return None
        if self._shown is None or self._shown_for is not self._last:
            self._shown = _energies(self._in // _FULL, self._out // _FULL, self._last, SOC_ORIGIN)
            self._shown_for = self._last
        return self._shown


def _energies(energy_in: int, energy_out: int, last: Reading, origin: str) -> Measures:
    return Measures(
        energy_in=Reading(energy_in, last.at, last.source, origin),
        energy_out=Reading(energy_out, last.at, last.source, origin),
    )
