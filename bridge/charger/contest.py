"""Two controllers that undo each other's writes: noticed, and left alone for a while (AIF-1-2)."""

from __future__ import annotations

from typing import Final

#: So many reversals of what we had written ...
REVERSALS: Final = 3
#: ... within so many ms ...
WITHIN: Final = 600_000
#: ... make a unit contested for so many ms: nothing is started or raised.
CONTESTED_FOR: Final = 1_800_000


class Contest:
    """Counts reversals. Times are monotonic (ms)."""

    def __init__(self) -> None:
        self.until: int | None = None
        self._reversals: tuple[int, ...] = ()

    def reversed(self, now: int) -> bool:
        """Somebody undid what we had written. Whether the unit has become contested by that."""
        self._reversals = (*self._reversals, now)
        if self.recent(now) < REVERSALS:
            return False
        started = not self.contested(now)
        self.until = now + CONTESTED_FOR
        return started

    def contested(self, now: int) -> bool:
        """Whether only stops and lowerings may go out."""
        return self.until is not None and now < self.until

    def recent(self, now: int) -> int:
        """How often it happened lately."""
        self._reversals = tuple(at for at in self._reversals if at > now - WITHIN)
        return len(self._reversals)
