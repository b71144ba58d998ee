"""A timer that can be set again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bridge.clock import Clock


class Timer:
    """Calls back once at the time it was last set to."""

    def __init__(self, clock: Clock, callback: Callable[[], None]) -> None:
        self._clock, self._callback = clock, callback
        self._handle: asyncio.TimerHandle | None = None
        self.at: int | None = None  # when it was last set to fire (monotonic ms)

    def set_in(self, milliseconds: int) -> None:
        """Fire so many ms from now."""
        self.set_at(self._clock.monotonic() + milliseconds)

    def set_at(self, monotonic: int | None) -> None:
        """Fire at a monotonic time (ms); None: not at all."""
        self.cancel()
        self.at = monotonic
        if monotonic is not None:
            self._handle = self._clock.call_at(monotonic, self._fire)

    def cancel(self) -> None:
        """Do not fire."""
        if self._handle:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self._handle = None
        self._callback()
