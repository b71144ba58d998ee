"""How long to wait before the next dial (Part 4, 5.3): RetryBackOffWaitMinimum, RandomRange and RepeatTimes."""

from __future__ import annotations

from collections.abc import Callable

from bridge.records import dataclass

#: A CSMS is never dialled more often than this (ms), however small the device model's values are.
SHORTEST_WAIT = 1_000


@dataclass(frozen=True, slots=True)
class BackOffSettings:
    """The device model's three variables; times in ms."""

    wait_minimum: int = 30_000
    random_range: int = 10_000
    repeat_times: int = 5


class BackOff:
    """Gives the wait before each dial after a connection was lost or could not be made.

    `randint(a, b)` is a random integer from a to b. `settings` may be replaced at any time.
    """

    def __init__(self, settings: BackOffSettings, randint: Callable[[int, int], int]) -> None:
        self.settings = settings
        self._randint = randint
        self._doubled = 0
        self._last: int | None = None

    def next(self) -> int:
        """The next wait (ms): the least at first, then twice the last; each with a new random part.

        After RepeatTimes doublings the last wait stays as it is, random part included.
        """
        settings = self.settings
        if self._last is None:
            self._last = settings.wait_minimum + self._spread()
        elif self._doubled < settings.repeat_times:
            self._doubled += 1
            self._last = 2 * self._last + self._spread()
        return max(self._last, SHORTEST_WAIT)

    def reset(self) -> None:
        """A connection stands: begin anew when it is lost."""
        self._doubled = 0
        self._last = None

    def _spread(self) -> int:
        return self._randint(0, self.settings.random_range)
