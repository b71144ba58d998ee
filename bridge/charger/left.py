"""Which mode of energy a person or the vehicle has left: nothing goes back to it by itself (decision table B, row 10).

It is remembered over a restart, after which the unit alone could not tell whether it was stopped or never started.
"""

from __future__ import annotations

from bridge.charger.course import ENERGY
from bridge.charger.memory import LEFT, InMemory, Memory, pack, recall
from bridge.evse import Mode


class Left:
    """The one of one unit; `mode` is None while nobody has left any."""

    def __init__(self, memory: Memory | None = None) -> None:
        self._memory = memory or InMemory()
        told = recall(self._memory, LEFT).get("mode")
        self.mode: Mode | None = next((mode for mode in ENERGY if mode == told), None)

    def leave(self, mode: Mode | None) -> None:
        """Somebody has left this one; None: nobody's leaving counts any more."""
        if mode is not self.mode:
            self.mode = mode
            self._memory.keep({LEFT: pack({"mode": mode})})
