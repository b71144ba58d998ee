"""Two controllers that undo each other's writes: noticed, and left alone for a while (AIF-1-2)."""

from __future__ import annotations

from collections import deque
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
        self._reversals: deque[int] = deque()

    def reversed(self, now: int) -> bool:
        """Somebody undid what we had written. Whether the unit has become contested by that."""
        self._reversals.append(now)
        self._forget(now)
        if len(self._reversals) < REVERSALS:
            return False
        started = not self.contested(now)
        self.until = now + CONTESTED_FOR
        return started

    def contested(self, now: int) -> bool:
        """Whether only stops and lowerings may go out."""
        return self.until is not None and now < self.until

    def recent(self, now: int) -> int:
        """How often it happened lately."""
        self._forget(now)
        return len(self._reversals)

    def _forget(self, now: int) -> None:
        while self._reversals and self._reversals[0] <= now - WITHIN:
            self._reversals.popleft()
