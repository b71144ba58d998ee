"""A WebSocket's stand-in for the virtual clock: two ends in memory, in order, with a latency if one is wanted."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Protocol

from bridge.clock import Clock

if TYPE_CHECKING:
    from bridge.sim.csms import DemoCsms


class MemoryClosedError(ConnectionError):
    """The other end, or this one, has closed."""


class MemoryConnection:
    """One end. What `send` takes comes out of the peer's `recv`, `latency` ms later."""

    def __init__(self, clock: Clock, latency: int = 0) -> None:
        self._clock = clock
        self._latency = latency
        self._incoming: asyncio.Queue[str | None] = asyncio.Queue()
        self._under_way: deque[str | None] = deque()
        self._peer: MemoryConnection | None = None
        self._open = True
        self.cut = False  # what is sent gets lost, and nobody notices

    def join(self, peer: MemoryConnection) -> None:
        """Make `peer` the other end."""
        self._peer = peer

    async def send(self, text: str) -> None:
        """Hand a frame over.

        Raises:
            MemoryClosedError: one of the ends has closed.
        """
        if not self._open or self._peer is None:
            raise MemoryClosedError("the connection is closed")
        if not self.cut:
            self._pass(text)
        await self._clock.sleep(0)

    async def recv(self) -> str:
        """The next frame.

        Raises:
            MemoryClosedError: one of the ends has closed.
        """
        if not self._open and self._incoming.empty():
            raise MemoryClosedError("the connection is closed")
        text = await self._incoming.get()
        if text is None:
            self._open = False
            self._incoming.put_nowait(None)
            raise MemoryClosedError("the connection is closed")
        return text

    async def close(self) -> None:
        """Close both ways; closing twice is no error."""
        if not self._open:
            return
        self._open = False
        self._incoming.put_nowait(None)
        self._pass(None)

    def _pass(self, text: str | None) -> None:
        peer = self._peer
        if peer is None:
            return
        # The loop may run timers of one instant in any order, so the frames keep their own.
        peer._under_way.append(text)
        if self._latency:
            self._clock.call_at(self._clock.monotonic() + self._latency, peer._arrive)
        else:
            peer._arrive()

    def _arrive(self) -> None:
        self._incoming.put_nowait(self._under_way.popleft())


def memory_pair(clock: Clock, latency: int = 0) -> tuple[MemoryConnection, MemoryConnection]:
    """Two joined ends; `latency` in ms each way."""
    one, other = MemoryConnection(clock, latency), MemoryConnection(clock, latency)
    one.join(other)
    other.join(one)
    return one, other


class MemoryNetwork:
    """Dials a demo CSMS in memory, as a station would over the net."""

    def __init__(self, clock: Clock, csms: DemoCsms, latency: int = 0) -> None:
        self._clock = clock
        self._csms = csms
        self._latency = latency
        self._serving: set[asyncio.Task[None]] = set()
        self.dials: list[int] = []  # when somebody dialled, monotonic ms

    async def dial(self, station_id: str, password: str | None = None) -> MemoryConnection:
        """A connection for a station.

        Raises:
            ConnectionRefusedError: the CSMS is dark, or the password is wrong.
        """
        self.dials.append(self._clock.monotonic())
        await self._clock.sleep(self._latency)
        self._csms.admit(station_id, password)
        near, far = memory_pair(self._clock, self._latency)
        task = asyncio.get_running_loop().create_task(self._csms.accept(far, station_id))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        return near


class _Iterated(Protocol):
    """The far end of a station's own kind of memory connection: it is iterated, and closed with a code."""

    async def send(self, text: str) -> None: ...

    def __aiter__(self) -> AsyncIterator[str | bytes]: ...

    async def close(self, code: int = 1000, reason: str = "") -> None: ...


class IteratedConnection:
    """Such a connection as the CSMS wants it: `recv`, and `ConnectionError` when it is closed."""

    def __init__(self, far: _Iterated) -> None:
        self._far = far
        self._incoming = far.__aiter__()

    async def send(self, text: str) -> None:
        """Send one frame."""
        try:
            await self._far.send(text)
        except Exception as error:  # whatever the station's side calls a closed connection
            raise MemoryClosedError(str(error)) from error

    async def recv(self) -> str:
        """The next frame; bytes come as text that is no OCPP message."""
        try:
            frame = await anext(self._incoming)
        except StopAsyncIteration:
            raise MemoryClosedError("the connection is closed") from None
        return frame if isinstance(frame, str) else frame.hex()

    async def close(self) -> None:
        """Close it."""
        await self._far.close()


def acceptor(csms: DemoCsms, station_id: str, refusal: type[Exception]) -> Callable[[_Iterated], None]:
    """What a station's dialer in memory hands the CSMS's end to. `refusal` is raised while the CSMS is dark."""
    serving: set[asyncio.Task[None]] = set()

    def accept(far: _Iterated) -> None:
        if csms.dark:
            raise refusal("the CSMS is dark")
        task = asyncio.get_running_loop().create_task(csms.accept(IteratedConnection(far), station_id))
        serving.add(task)
        task.add_done_callback(serving.discard)

    return accept
