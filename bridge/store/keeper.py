"""Small things on their way into the store, from those who cannot wait for it, and those who do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from bridge.errors import StoreError
from bridge.store.port import Store

_log = structlog.get_logger(__name__)

#: What changes with every answer of a unit is written at most once in so many ms: so much counting a power cut costs.
KEEP_EVERY: Final = 5_000
#: After a failure of the store it is tried again after so many ms.
_AGAIN: Final = 10_000


class Keeper:
    """Takes settings at once and makes them durable soon, in the order in which they came; the last value counts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, dict[str, str | None]] = {}
        self._flying: dict[str, dict[str, str | None]] = {}
        self._writer: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._closing = False

    def put(self, owner: str, values: Mapping[str, str | None], *, soon: bool = True) -> None:
        """Keep (None: delete) settings under an owner's key; `soon`: with the next commit, not with the next round."""
        self._waiting.setdefault(owner, {}).update(values)
        if soon:
            self._hurry.set()
        if self._writer is None and not self._closing:
            self._writer = asyncio.ensure_future(self._write())

    async def write(self, owner: str, values: Mapping[str, str | None]) -> None:
        """Make settings durable before anything else is done. Raises `StoreError`; then it is as if not asked for.

        What waits under the same names is older: it does not come after these.
        """
        superseded: dict[str, str | None] = {}
        for older in self._older(owner):
            superseded |= {name: older.pop(name) for name in values if name in older}
        try:
            await self._store.put_settings(owner, values)
        except StoreError:
            newer = self._waiting.get(owner, {})
            self.put(owner, {name: value for name, value in superseded.items() if name not in newer})
            raise

    async def close(self) -> None:
        """Write all that waits."""
        self._closing = True
        self._hurry.set()
        if self._writer is not None:
            await asyncio.wait([self._writer])
        await self._round()

    def _older(self, owner: str) -> list[dict[str, str | None]]:
        """What is not durable yet: on its way, and waiting."""
        return [batch[owner] for batch in (self._flying, self._waiting) if owner in batch]

    async def _write(self) -> None:
        while self._waiting and not self._closing:
            await self._pause(KEEP_EVERY)
            if not await self._round() and not self._closing:
                await self._pause(_AGAIN)
        self._writer = None

    async def _pause(self, milliseconds: int) -> None:
        try:
            async with asyncio.timeout(milliseconds / 1000):
                await self._hurry.wait()
        except TimeoutError:
            pass
        self._hurry.clear()

    async def _round(self) -> bool:
        """Write everything, in one commit where the store can; what fails waits on. Whether nothing failed."""
        batch, self._waiting = self._waiting, {}
        self._flying = batch
        done = await asyncio.gather(
            *(self._store.put_settings(owner, dict(values)) for owner, values in batch.items()), return_exceptions=True
        )
        good = True
        for (owner, values), failure in zip(batch.items(), done, strict=True):
            if isinstance(failure, StoreError):
                good = False
                _log.error("not kept yet", owner=owner, error=str(failure), again_in_ms=_AGAIN)
                self._waiting[owner] = {**values, **self._waiting.get(owner, {})}
            elif failure is not None:  # a bug, which the next try would only repeat
                _log.error("not kept", owner=owner, error=repr(failure), exc_info=failure)
        self._flying = {}
        return good


class Notes:
    """The settings of one owner."""

    def __init__(self, keeper: Keeper, owner: str) -> None:
        self._keeper, self._owner = keeper, owner

    def put(self, values: Mapping[str, str | None]) -> None:
        """Keep (None: delete) settings soon, however often the store must be asked."""
        self._keeper.put(self._owner, values)

    async def write(self, values: Mapping[str, str | None]) -> None:
        """Make settings durable now. Raises `StoreError`."""
        await self._keeper.write(self._owner, values)
