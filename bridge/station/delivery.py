"""Transaction events, from the store to the CSMS: one at a time, in order, until each is answered.

An event is appended when it is durable and deleted when its answer has come. What happens in between (a lost link, a
killed process, a CSMS that does not answer, a store that cannot delete) only delays it; a repeated event keeps its
seqNo and content (E13). What an answer means is durable before its event is deleted: a kill in between repeats both.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import structlog

from bridge.clock import Clock
from bridge.errors import CsmsError, StoreError
from bridge.station.link import BadAnswer, CallErrorReceived
from bridge.station.messages import TransactionEventRequest, TransactionEventResponse
from bridge.store.port import QueuedEvent, Store

_log = structlog.get_logger(__name__)

Send = Callable[[TransactionEventRequest], Awaitable[TransactionEventResponse]]
Answered = Callable[[TransactionEventRequest, TransactionEventResponse], Awaitable[None]]

#: Pauses (ms) between attempts to delete an answered event: doubled each time, up to the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 1_000, 60_000


class Delivery:
    """The queue of one station's transaction events.

    `attempts` and `interval` (ms) are MessageAttempts and MessageAttemptInterval: after an answer that is none (a
    CALLERROR, say) an event is tried so often, with pauses that grow by the interval (E13.FR.02, E13.FR.03); a link
    that is down costs no attempt. `answered` gets each answer before its event is deleted.
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
        self._wake = asyncio.Event()  # there may be something to deliver
        self._turned = asyncio.Event()  # the link came or went
        self.attempts = 3
        self.interval = 60_000

    async def restore(self) -> None:
        """Take up what an earlier life of the gateway has left."""
        self._events.extend(await self._store.pending(self._station))

    def append(self, event: QueuedEvent) -> None:
        """Send an event that is durable by now, after all that came before it.

        The sending begins a turn of the loop later: what the event has led to goes to the unit first.
        """
        self._events.append(event)
        asyncio.get_running_loop().call_soon(self._wake.set)

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
        self._turned.set()

    def closed(self) -> None:
        """The CSMS is out of reach."""
        self._open = False
        self._turned.set()

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            while not (self._open and self._events):
                self._wake.clear()
                await self._wake.wait()
            await self._deliver(self._events[0])

    async def _deliver(self, event: QueuedEvent) -> None:
        """Send one event until it is answered, given up, or the link is gone."""
        request = self._read(event)
        if request is None:
            self._set_aside(event)
            return
        tries = 0
        while self._open:
            try:
                response = await self._send(request)
            except (CallErrorReceived, BadAnswer) as error:
                tries += 1
                _log.warning("event refused", station=self._station, seq_no=event.seq_no, tries=tries, error=str(error))
                await self._note_attempt(event)
                if tries >= max(self.attempts, 1):
                    await self._remove(event)
                    return
            except CsmsError as error:
                tries = max(tries, 1)
                _log.info("event not delivered yet", station=self._station, seq_no=event.seq_no, why=str(error))
            except ValueError as error:  # the link refuses what the schema does not allow
                _log.error("event cannot be sent", station=self._station, seq_no=event.seq_no, error=str(error))
                self._set_aside(event)
                return
            else:
                await self._heed(request, response)
                await self._remove(event)
                return
            await self._pause(self.interval * tries)

    def _read(self, event: QueuedEvent) -> TransactionEventRequest | None:
        try:
            return self._decode(event.payload)
        except StoreError as error:
            _log.error("event cannot be read", station=self._station, seq_no=event.seq_no, error=str(error))
            return None

    def _set_aside(self, event: QueuedEvent) -> None:
        """It stays in the store, for a gateway that can read it; those after it shall not wait for that."""
        _log.error("event set aside", station=self._station, transaction=event.transaction_id, seq_no=event.seq_no)
        self._events.popleft()

    async def _heed(self, request: TransactionEventRequest, response: TransactionEventResponse) -> None:
        """Let the answer count. A mistake there is logged; it must not stop the delivery."""
        try:
            await self._answered(request, response)
        except Exception as error:
            _log.exception("an answer could not be heeded", station=self._station, error=str(error))

    async def _note_attempt(self, event: QueuedEvent) -> None:
        try:
            await self._store.attempted(self._station, event.key)
        except StoreError as error:
            _log.error("attempt not noted", station=self._station, seq_no=event.seq_no, error=str(error))

    async def _remove(self, event: QueuedEvent) -> None:
        """Delete an event that is done with. Until that works nothing else is sent, so the order stays.

        It leaves the queue first: who is cancelled here does not take the deletion back, and must not send it again.
        """
        self._events.popleft()
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._store.answered(self._station, event.key)
                return
            except StoreError as error:
                _log.error("answered event not deleted", station=self._station, seq_no=event.seq_no, error=str(error))
            await self._clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _pause(self, milliseconds: int) -> None:
        """Wait before the next attempt; a link that goes or comes back ends the wait."""
        if not self._open:
            return
        self._turned.clear()
        timer = self._clock.call_at(self._clock.monotonic() + milliseconds, self._turned.set)
        try:
            await self._turned.wait()
        finally:
            timer.cancel()
