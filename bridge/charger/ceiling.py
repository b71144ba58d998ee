"""The site's ceiling of the state of charge: charging ends at it, and begins anew only some way below. Pure.

A value that is too old, or only the last one that the vehicle said, decides nothing (CEL 3.4). A vehicle of which none
is told is charged all the same: unlike the floor this spares a battery and protects nobody. Over a restart it is
remembered that the ceiling was reached, lest every restart charge a vehicle up to it again.
"""

from __future__ import annotations

from typing import Final

from bridge.charger.amounts import SOC_LASTS
from bridge.charger.memory import CEILING, InMemory, Memory, pack, recall
from bridge.evse import Reading, Source

#: So far (0.001 %) below the ceiling charging begins anew.
HYSTERESIS: Final = 3_000
_FULL: Final = 100_000


class Ceiling:
    """Whether one unit's vehicle has as much as the site wants it to have. 100 % is no ceiling."""

    def __init__(self, ceiling: int = _FULL, memory: Memory | None = None) -> None:
        self._ceiling = ceiling
        self._memory = memory or InMemory()
        self._closed = recall(self._memory, CEILING).get("reached") == ceiling

    @property
    def trouble(self) -> str | None:
        """Why nothing is charged now, or None."""
        return f"the state of charge is at the ceiling of {self._ceiling / 1000:g} %" if self._closed else None

    def look(self, soc: Reading | None, now: int) -> None:
        """Take what is measured (0.001 %)."""
        if self._ceiling >= _FULL or soc is None or soc.source is Source.LAST_KNOWN or now - soc.at > SOC_LASTS:
            return
        if soc.value >= self._ceiling:
            self._close(True)
        elif soc.value <= self._ceiling - HYSTERESIS and soc.source is Source.READ:
            self._close(False)

    def vehicle_left(self) -> None:
        """The next one is another matter."""
        self._close(False)

    def _close(self, closed: bool) -> None:
        if closed is not self._closed:
            self._closed = closed
            self._memory.keep({CEILING: pack({"reached": self._ceiling if closed else None})})
