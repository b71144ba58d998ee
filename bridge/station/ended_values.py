"""The values that a transaction's Ended event will carry (J01, J02): kept while it goes on, and over a restart.

They grow with the transaction. Past a bound every second one goes, the first never, so that what is billed stays
(J02.FR.20, E06.FR.13).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import Final

import structlog

from bridge.errors import StoreError
from bridge.records import dataclass
from bridge.station.messages import MeterValue, MeterValuesRequest
from bridge.station.messages.text import from_text, to_text
from bridge.station.messages.v201 import Adapter

_log = structlog.get_logger(__name__)

#: So many values of a kind are kept; with one more it is half as many, and from then on every second comes.
MOST_VALUES: Final = 128
_PREFIX: Final = "ended_value"

#: Keeps settings of the station; None deletes.
Keep = Callable[[Mapping[str, str | None]], Awaitable[None]]


@dataclass(slots=True)
class _Kind:
    """The values of one context: `offered` so far, of which every `stride`-th is kept, by its number."""

    offered: int = 0
    stride: int = 1
    values: dict[int, MeterValue] = field(default_factory=dict)


class EndedValues:
    """The kept values of one EVSE's transaction, by their context."""

    def __init__(self, evse_id: int, adapter: Adapter, keep: Keep) -> None:
        self._evse_id, self._adapter, self._keep = evse_id, adapter, keep
        self._kinds: dict[str, _Kind] = {}
        self._transaction: str | None = None
        self._over: dict[str, list[str]] = {}  # names in the store, by the transaction that is over

    @property
    def first(self) -> MeterValue | None:
        """The earliest."""
        return min(self._all(), key=lambda value: value.timestamp, default=None)

    def begin(self, transaction_id: str) -> None:
        """A transaction has started: nothing is kept of it yet."""
        self._transaction, self._kinds = transaction_id, {}

    async def add(self, value: MeterValue) -> None:
        """Keep a value, in memory at once and durably as soon as the store has it."""
        context = str(value.sampled_value[0].context)
        kind = self._kinds.setdefault(context, _Kind())
        number = kind.offered
        kind.offered += 1
        if number % kind.stride:
            return
        kind.values[number] = value
        text = to_text(self._adapter, MeterValuesRequest(self._evse_id, (value,)))
        changes: dict[str, str | None] = {self._name(context, number): text}
        if len(kind.values) > MOST_VALUES:
            changes |= self._thin(context, kind)
        await self._put(changes)

    def finish(self) -> tuple[MeterValue, ...]:
        """All of them in the order of their time, for the Ended event; the store keeps them until `forget`."""
        values = tuple(sorted(self._all(), key=lambda value: value.timestamp))
        if self._transaction is not None:
            names = [self._name(context, number) for context, kind in self._kinds.items() for number in kind.values]
            self._over[self._transaction] = names
        self._transaction, self._kinds = None, {}
        return values

    async def forget(self, transaction_id: str) -> None:
        """The transaction's Ended event is durable: the store need not keep its values any longer."""
        await self._put(dict.fromkeys(self._over.pop(transaction_id, ())))

    def restore(self, settings: Mapping[str, str], transaction_id: str | None) -> list[str]:
        """Take up what an earlier life kept of the open transaction; the names of what is of no use any more."""
        useless = []
        if transaction_id is not None:
            self.begin(transaction_id)
        for name in sorted(name for name in settings if name.startswith(f"{_PREFIX}.{self._evse_id}.")):
            prefix, _, context = name.partition("/")
            value = self._read(name, settings[name]) if prefix == self._prefix() else None
            if value is None:
                useless.append(name)
                continue
            context, _, number = context.partition("/")
            kind = self._kinds.setdefault(context, _Kind())
            if kind.values:
                kind.stride = int(number) - max(kind.values)
            kind.values[int(number)] = value
            kind.offered = int(number) + 1
        return useless

    def _read(self, name: str, text: str) -> MeterValue | None:
        try:
            return from_text(self._adapter, MeterValuesRequest, text).meter_value[0]
        except StoreError as error:
            _log.error("kept values cannot be read", name=name, error=str(error))
            return None

    def _all(self) -> list[MeterValue]:
        return [value for kind in self._kinds.values() for value in kind.values.values()]

    def _thin(self, context: str, kind: _Kind) -> dict[str, str | None]:
        kind.stride *= 2
        gone = [number for number in kind.values if number % kind.stride]
        for number in gone:
            del kind.values[number]
        return {self._name(context, number): None for number in gone}

    def _prefix(self) -> str:
        return f"{_PREFIX}.{self._evse_id}.{self._transaction}"

    def _name(self, context: str, number: int) -> str:
        return f"{self._prefix()}/{context}/{number:08}"

    async def _put(self, changes: Mapping[str, str | None]) -> None:
        if not changes:
            return
        try:
            await self._keep(changes)
        except StoreError as error:  # they are in memory: only a restart would lose them
            _log.error("values not kept", evse=self._evse_id, error=str(error))
