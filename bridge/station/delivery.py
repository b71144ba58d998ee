"""Messages that must arrive, from the store to the CSMS: one at a time, in order, until each is answered.

A message is appended when it is durable and deleted when its answer has come. What happens in between (a lost link, a
killed process, a store that cannot delete) only delays it; a repeated event keeps its seqNo and content, and is marked
offline once the link was lost (E11.FR.07). What an answer means is durable before its event is deleted: a kill in
between repeats both.

E13 alone makes the station discard a message, after MessageAttempts failures "to process" it: a CALLERROR, an answer
that is no OCPP, or none within MessageTimeout (TC_E_41, TC_E_50). A connection that is lost before the answer, or that
does not stand, is the link's failure and not the CSMS's: it costs no attempt, however often it happens. What is
discarded is told in the log with its contents, and in `given_up` (the API's `status`), over restarts.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from typing import Any, Final

import structlog

from bridge.clock import Clock
from bridge.errors import CsmsError, StoreError
from bridge.records import dataclass
from bridge.station.backlog import Backlog, Waiting
from bridge.station.link import LinkDown
from bridge.station.messages import TransactionEventRequest, TransactionEventResponse
from bridge.station.messages.base import Request, action_of
from bridge.station.redact import redact
from bridge.station.shedding import to_shed, worth_of
from bridge.store.port import QueuedEvent, Store

_log = structlog.get_logger(__name__)

Send = Callable[[Request[Any]], Awaitable[Any]]
Answered = Callable[[TransactionEventRequest, TransactionEventResponse], Awaitable[None]]

#: Pauses (ms) between attempts to delete an answered event: doubled each time, up to the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 1_000, 60_000
#: How many messages may wait: twice the 10,080 of seven days at 60 s, and some.
MOST_WAITING: Final = 25_000


#: Under which name the store keeps what was given up.
GIVEN_UP: Final = "delivery.given-up"


@dataclass(frozen=True, slots=True)
class GivenUp:
    """How many messages were discarded by E13.FR.04 in all, and the last of them, without its secrets."""

    number: int = 0
    transaction_id: str = ""
    seq_no: int = 0
    why: str = ""
    message: str = ""

    @classmethod
    def from_text(cls, text: str | None) -> GivenUp:
        """From the store; what cannot be read counts as nothing."""
        try:
            return cls(**json.loads(text)) if text else cls()
        except (ValueError, TypeError) as error:
            _log.error("what was given up cannot be read", error=str(error))
            return cls()


class Delivery:
    """The queue of one station's transaction events, and with QueueAllMessages of all that it has to say.

    `attempts` and `interval` (ms) are MessageAttempts and MessageAttemptInterval: a message that the CSMS refuses or
    does not answer within MessageTimeout is tried so often, with pauses that grow by the interval (E13.FR.02 to
    E13.FR.04). `most` bounds the queue (`shedding`). `answered` gets each answer to an event before that is deleted.
    """

    def __init__(
        self,
        station: str,
        store: Store,
        clock: Clock,
        *,
        send: Send,
        decode: Callable[[str], Request[Any]],
        answered: Answered,
        most: int = MOST_WAITING,
    ) -> None:
        self._station, self._store, self._clock = station, store, clock
        self._send, self._decode, self._answered = send, decode, answered
        self._queue = Backlog()
        self._shed: list[int] = []  # keys that are still to be deleted
        self._open = False
        self._lost_at = -1  # the last key that waited when the link was lost
        self._wake = asyncio.Event()  # there may be something to deliver or to delete
        self._turned = asyncio.Event()  # the link came or went
        self.attempts = 3
        self.interval = 60_000
        self.most = most
        self.given_up = GivenUp()

    async def restore(self) -> None:
        """Take up what an earlier life of the gateway has left; it was offline in between (E11.FR.07)."""
        self.given_up = GivenUp.from_text((await self._store.settings(self._station)).get(GIVEN_UP))
        for event in await self._store.pending(self._station):
            self._take(event)
        self._mark_offline()
        self._bound()

    def append(self, event: QueuedEvent) -> None:
        """Send a message that is durable by now, after all that came before it.

        The sending begins a turn of the loop later: what the event has led to goes to the unit first.
        """
        self._take(event)
        self._bound()
        asyncio.get_running_loop().call_soon(self._wake.set)

    def pending(self, transaction_id: str | None = None) -> bool:
        """Whether events of a transaction (or any) wait for their answer (E14)."""
        return self._queue.has(transaction_id)

    @property
    def waiting(self) -> int:
        """How many messages wait for their answer."""
        return len(self._queue)

    def opened(self) -> None:
        """The CSMS takes messages now."""
        self._open = True
        self._wake.set()
        self._turned.set()

    def closed(self) -> None:
        """The CSMS is out of reach."""
        self._open = False
        self._mark_offline()
        self._turned.set()

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            if self._shed:
                await self._delete_what_was_shed()
            elif self._open and self._queue:
                await self._deliver(self._queue.first)
            else:
                self._wake.clear()
                await self._wake.wait()

    # -- the queue

    def _take(self, event: QueuedEvent) -> None:
        self._queue.append(event, worth_of(event.transaction_id, event.payload))

    def _mark_offline(self) -> None:
        if self._queue:
            self._lost_at = self._queue.last_key

    def _bound(self) -> None:
        """Give up what is worth least where too much waits (E04.FR.07, E04.FR.08)."""
        if len(self._queue) <= self.most:
            return
        gone = to_shed(self._queue.marks(), self.most)
        if not gone:
            return
        _log.error("the queue is full: messages given up", station=self._station, waiting=self.waiting, lost=len(gone))
        self._shed += self._queue.thin_out(gone)
        self._wake.set()

    async def _delete_what_was_shed(self) -> None:
        """From the store as well. A kill before that brings them back, and they are given up again.

        While the store does not take it nothing is sent: what is answered could not be deleted either.
        """
        keys, self._shed = self._shed, []
        deleted = await asyncio.gather(
            *(self._store.answered(self._station, key) for key in keys), return_exceptions=True
        )
        if failures := [key for key, result in zip(keys, deleted, strict=True) if isinstance(result, StoreError)]:
            _log.error("messages given up are not deleted yet", station=self._station, number=len(failures))
            self._shed += failures
            await self._clock.sleep(_LONGEST_PAUSE)

    # -- one message

    async def _deliver(self, waiting: Waiting) -> None:
        """Send one message until it is answered, given up, or the link is gone."""
        request = await self._read(waiting)
        if request is None:
            self._set_aside(waiting)
            return
        while self._open:
            try:
                response = await self._send(self._marked(waiting, request))
            except LinkDown as error:
                _log.info("message not delivered yet", station=self._station, seq_no=waiting.seq_no, why=str(error))
                await self._pause(max(self.interval, _FIRST_PAUSE))
            except CsmsError as error:
                await self._failed(waiting, error)
                if waiting.tries >= self.attempts:
                    await self._give_up(waiting, request, error)
                    return
                await self._pause(self.interval * waiting.tries)
            except ValueError as error:  # the link refuses what the schema does not allow
                _log.error("message cannot be sent", station=self._station, seq_no=waiting.seq_no, error=str(error))
                self._set_aside(waiting)
                return
            else:
                await self._heed(request, response)
                await self._remove(waiting)
                return

    async def _read(self, waiting: Waiting) -> Request[Any] | None:
        try:
            text = waiting.text if waiting.text is not None else await self._store.event(self._station, waiting.key)
            return self._decode(text)
        except StoreError as error:
            _log.error("message cannot be read", station=self._station, seq_no=waiting.seq_no, error=str(error))
            return None

    def _marked(self, waiting: Waiting, request: Request[Any]) -> Request[Any]:
        """With `offline` where the link was lost while the event waited (E11.FR.07)."""
        if waiting.key <= self._lost_at and isinstance(request, TransactionEventRequest):
            return replace(request, offline=True)
        return request

    async def _failed(self, waiting: Waiting, error: CsmsError) -> None:
        """The CSMS has refused it, or has not answered in time; the count outlasts the connection and the process."""
        waiting.tries += 1
        _log.warning(
            "message failed",
            station=self._station,
            transaction=waiting.transaction_id,
            seq_no=waiting.seq_no,
            tries=waiting.tries,
            why=str(error),
        )
        try:
            await self._store.attempted(self._station, waiting.key)
        except StoreError as trouble:
            _log.error("attempt not noted", station=self._station, seq_no=waiting.seq_no, error=str(trouble))

    async def _give_up(self, waiting: Waiting, request: Request[Any], error: CsmsError) -> None:
        """E13.FR.04: it is discarded, and whoever runs the gateway is told what it said."""
        message = redact(waiting.text if waiting.text is not None else await self._text(waiting))
        _log.error(
            "message given up: the CSMS has refused it as often as MessageAttempts allows",
            station=self._station,
            action=action_of(request),
            transaction=waiting.transaction_id,
            seq_no=waiting.seq_no,
            tries=waiting.tries,
            why=str(error),
            message=message,
        )
        number = self.given_up.number + 1
        self.given_up = GivenUp(number, waiting.transaction_id, waiting.seq_no, str(error), message)
        try:
            await self._store.put_settings(self._station, {GIVEN_UP: json.dumps(asdict(self.given_up))})
        except StoreError as trouble:
            _log.error("what was given up is not noted", station=self._station, error=str(trouble))
        await self._remove(waiting)

    async def _text(self, waiting: Waiting) -> str:
        try:
            return await self._store.event(self._station, waiting.key)
        except StoreError:
            return ""

    def _set_aside(self, waiting: Waiting) -> None:
        """It stays in the store, for a gateway that can read it; those after it shall not wait for that."""
        _log.error("message set aside", station=self._station, transaction=waiting.transaction_id, no=waiting.seq_no)
        self._queue.remove_first()

    async def _heed(self, request: Request[Any], response: Any) -> None:
        """Let the answer to an event count. A mistake there is logged; it must not stop the delivery."""
        if not isinstance(request, TransactionEventRequest):
            return
        try:
            await self._answered(request, response)
        except Exception as error:
            _log.exception("an answer could not be heeded", action=action_of(request), error=str(error))

    async def _remove(self, waiting: Waiting) -> None:
        """Delete a message that is done with. Until that works nothing else is sent, so the order stays.

        It leaves the queue first: who is cancelled here does not take the deletion back, and must not send it again.
        """
        self._queue.remove_first()
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._store.answered(self._station, waiting.key)
                return
            except StoreError as error:
                _log.error("answered event not deleted", station=self._station, no=waiting.seq_no, error=str(error))
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
