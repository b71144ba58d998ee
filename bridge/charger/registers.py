"""Energy registers that only grow, whatever the unit's own do: resets, wraps, exchanged units, another source."""

from __future__ import annotations

from dataclasses import replace

from bridge.evse import Reading


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
