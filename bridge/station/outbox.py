"""What is said outside of transactions: at once, or kept until the CSMS has heard it, as QueueAllMessages has it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import structlog

from bridge.errors import CsmsError, StoreError
from bridge.station.delivery import Delivery
from bridge.station.link import Link
from bridge.station.messages import TransactionEventRequest
from bridge.station.messages.base import Request, action_of
from bridge.station.messages.call_error import CallError
from bridge.station.messages.text import from_text
from bridge.station.messages.v201 import Adapter
from bridge.store.port import Store

_log = structlog.get_logger(__name__)


class Outbox:
    """The messages of one station that are no transaction events. `online`: the CSMS takes messages now."""

    def __init__(
        self,
        station: str,
        store: Store,
        adapter: Adapter,
        link: Link,
        delivery: Delivery,
        *,
        online: Callable[[], bool],
        queue_all: Callable[[], bool],
    ) -> None:
        self._station, self._store, self._adapter = station, store, adapter
        self._link, self._delivery = link, delivery
        self._online, self._queue_all = online, queue_all

    async def tell(self, request: Request[Any]) -> bool:
        """Send a message, or keep it; whether the CSMS has heard it or will.

        With QueueAllMessages what waits goes first, so that the CSMS hears everything in its order.
        """
        if self._queue_all() and (self._delivery.waiting or not self._online()):
            return await self._keep(request)
        if not self._online():
            return False
        try:
            await self._link.call(request)
        except CsmsError as error:
            _log.info("not delivered", station=self._station, action=action_of(request), why=str(error))
            return self._queue_all() and await self._keep(request)
        return True

    async def keep(self, request: Request[Any]) -> bool:
        """Keep a message that must arrive, whatever QueueAllMessages says; whether the store has taken it."""
        return await self._keep(request)

    async def _keep(self, request: Request[Any]) -> bool:
        try:
            kept = await self._store.enqueue(self._station, to_kept(self._adapter, request))
        except StoreError as error:
            _log.error("message not kept", station=self._station, action=action_of(request), why=str(error))
            return False
        self._delivery.append(kept)
        return True


def to_kept(adapter: Adapter, request: Request[Any]) -> str:
    """A message of any action as text: `["Action",{...}]`."""
    return f'["{action_of(request)}",{adapter.text_of(request)}]'


def from_kept(adapter: Adapter, text: str) -> Request[Any]:
    """What the queue holds: a TransactionEvent's payload, or what `to_kept` wrote. Raises StoreError."""
    if not text.startswith("["):
        return from_text(adapter, TransactionEventRequest, text)
    try:
        action, payload = json.loads(text)
        return adapter.request_of(action, payload)
    except (ValueError, TypeError, CallError) as error:
        raise StoreError(f"the store holds a message that cannot be read: {error}") from error
