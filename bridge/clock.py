"""The only clock. Time and randomness are handed in, so that the whole gateway also runs on virtual time.

`Clock` asks the running event loop, and the loop decides what time it is: the system's, or the virtual one of
`VirtualLoop`, which jumps to the next timer as soon as nothing else is left to do. So library code that waits with
asyncio's own means is on virtual time too. Monotonic times are integers in milliseconds.
"""

from __future__ import annotations

import asyncio
import random
import selectors
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

#: Where virtual time begins. Any instant would do; one that is no round number shows mistakes sooner.
VIRTUAL_EPOCH = datetime(2026, 1, 5, 3, 17, 0, tzinfo=UTC)


class Clock:
    """Monotonic time, the machine's wall clock, timers and seeded randomness.

    `wall` is what the machine believes. OCPP time stamps are the CSMS's time: `bridge.station.csms_time` makes them.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.random = random.Random(seed)

    def monotonic(self) -> int:
        """Milliseconds that only grow; their zero means nothing."""
        return int(asyncio.get_running_loop().time() * 1000)

    def wall(self) -> datetime:
        """The machine's own UTC, which may be wrong or jump."""
        loop = asyncio.get_running_loop()
        if isinstance(loop, VirtualLoop):
            return VIRTUAL_EPOCH + timedelta(seconds=loop.time())
        return datetime.now(UTC)

    async def sleep(self, milliseconds: int) -> None:
        """Wait; 0 lets others run once."""
        await asyncio.sleep(milliseconds / 1000)

    def call_at(self, monotonic_ms: int, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Run `callback` at a monotonic time (ms); cancel the handle to prevent it."""
        return asyncio.get_running_loop().call_at(monotonic_ms / 1000 + 0.0005, callback)


def stopwatch() -> Callable[[], float]:
    """How many seconds of real time have passed since this call: for what a command says about itself."""
    start = time.perf_counter()
    return lambda: time.perf_counter() - start


class VirtualTimeError(Exception):
    """Something in a virtual-time run reached for the outside, or waits for what can never come."""


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting, move the virtual clock to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise VirtualTimeError("every task waits and no timer is set: the run can never go on")
        self.now += max(timeout, 0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps. No threads and no sockets: both would make a run unrepeatable."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now

    def run_in_executor(  # type: ignore[override]  # it never returns, so its type does not matter
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> NoReturn:
        """Refused: a thread's end is not on the virtual clock."""
        raise VirtualTimeError(f"{func!r} wants a thread, which has no place on the virtual clock")


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on virtual time and give back its result."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
