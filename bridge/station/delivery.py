"""Transaction events, from the store to the CSMS: one at a time, in order, until each is answered.

An event is appended when it is durable and deleted when its answer has come. What happens in between (a lost link, a
killed process, a CSMS that does not answer) only delays it; a repeated event keeps its seqNo and content (E13).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import structlog

from bridge.clock import Clock
from bridge.errors import CsmsError
from bridge.station.link import CallErrorReceived
from bridge.station.messages import TransactionEventRequest, TransactionEventResponse
from bridge.store.port import QueuedEvent, Store

_log = structlog.get_logger(__name__)

Send = Callable[[TransactionEventRequest], Awaitable[TransactionEventResponse]]
Answered = Callable[[TransactionEventRequest, TransactionEventResponse], None]


class Delivery:
    """The queue of one station's transaction events.

    `attempts` and `interval` (ms) are MessageAttempts and MessageAttemptInterval: after a CALLERROR an event is tried
    so often, with pauses that grow by the interval (E13.FR.02, E13.FR.03); a link that is down costs no attempt.
    """

    def __init__(
        self,
        station: str,
        store: Store,
        clock: Clock,
        *,
        send: Send,
        decode: Callable[[str], TransactionEventRequest],
        answered: Answered,
    ) -> None:
        self._station, self._store, self._clock = station, store, clock
        self._send, self._decode, self._answered = send, decode, answered
        self._events: deque[QueuedEvent] = deque()
        self._open = False
        self._wake = asyncio.Event()
        self.attempts = 3
        self.interval = 60_000

    async def restore(self) -> None:
        """Take up what an earlier life of the gateway has left."""
        self._events.extend(await self._store.pending(self._station))

    def append(self, event: QueuedEvent) -> None:
        """Send an event that is durable by now, after all that came before it."""
        self._events.append(event)
        self._wake.set()

    def pending(self, transaction_id: str | None = None) -> bool:
        """Whether events of a transaction (or any) wait for their answer (E14)."""
        return any(transaction_id in (None, event.transaction_id) for event in self._events)

    @property
    def waiting(self) -> int:
        """How many events wait for their answer."""
        return len(self._events)

    def opened(self) -> None:
        """The CSMS takes messages now."""
        self._open = True
        self._wake.set()

    def closed(self) -> None:
        """The CSMS is out of reach."""
        self._open = False

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            while not (self._open and self._events):
                self._wake.clear()
                await self._wake.wait()
            await self._deliver(self._events[0])

    async def _deliver(self, event: QueuedEvent) -> None:
        request = self._decode(event.payload)
        tries = 0
        while True:
            try:
                response = await self._send(request)
            except CallErrorReceived as error:
                tries += 1
                await self._store.attempted(self._station, event.key)
                _log.warning("event refused", station=self._station, seq_no=event.seq_no, tries=tries, error=str(error))
                if tries >= max(self.attempts, 1):
                    await self._remove(event)
                    return
            except CsmsError as error:
                tries = max(tries, 1)
                _log.info("event not delivered yet", station=self._station, seq_no=event.seq_no, why=str(error))
            else:
                await self._remove(event)
                self._answered(request, response)
                return
            await self._pause(self.interval * tries)
            if not self._open:
                return

    async def _remove(self, event: QueuedEvent) -> None:
        await self._store.answered(self._station, event.key)
        self._events.popleft()

    async def _pause(self, milliseconds: int) -> None:
        """Wait before the next attempt; a link that comes back ends the wait."""
        if not self._open:
            return
        self._wake.clear()
        timer = self._clock.call_at(self._clock.monotonic() + milliseconds, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()
