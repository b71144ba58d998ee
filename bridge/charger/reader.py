"""Reading properties with as few requests as the unit lets us: together where it can, one by one where it cannot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from bridge.charger.wire import GetAnswer
from bridge.echonet.session import Priority

#: After so many ms a request that was refused property by property is split again.
SPLIT_AGAIN: Final = 600_000

#: Sends one Get; raises `NoAnswerError`.
Ask = Callable[[Sequence[int], Priority], Awaitable[GetAnswer]]
#: Takes what came of it.
Tell = Callable[[dict[int, bytes], frozenset[int]], None]


class Reader:
    """Gets of one unit. Not every combination need be supported by a unit: a request that is refused in whole, or
    answered with fewer properties than asked, is split down to one property (AIF 2.4.4).

    What was learnt by splitting is remembered, so that no poll costs twice.
    """

    def __init__(self, ask: Ask, tell: Tell, monotonic: Callable[[], int], max_opc: int) -> None:
        self._ask = ask
        self._tell = tell
        self._monotonic = monotonic
        self._max_opc = max_opc
        self._apart: set[tuple[int, ...]] = set()
        self._refused_apart: dict[tuple[int, ...], int] = {}

    def forget(self) -> None:
        """The situation is another one (a vehicle came, the unit restarted): what was refused may work now."""
        self._apart.clear()
        self._refused_apart.clear()

    async def read(self, epcs: Sequence[int], priority: Priority) -> None:
        """Read properties and tell each answer as it comes. `NoAnswerError` ends it."""
        for start in range(0, len(epcs), self._max_opc):
            await self._read(tuple(epcs[start : start + self._max_opc]), priority)

    async def _read(self, epcs: tuple[int, ...], priority: Priority) -> None:
        if len(epcs) > 1 and epcs in self._apart:
            await self._one_by_one(epcs, priority)
            return
        answer = await self._ask(epcs, priority)
        if len(epcs) == 1:
            self._tell(dict(answer.values), answer.refused | answer.missing)
        elif answer.values or answer.missing:
            self._tell(dict(answer.values), answer.refused)
            await self._one_by_one([epc for epc in epcs if epc in answer.missing], priority)
        elif self._refused_lately(epcs):
            self._tell({}, answer.refused)
        elif await self._one_by_one(epcs, priority):
            self._apart.add(epcs)
        else:
            self._refused_apart[epcs] = self._monotonic()

    async def _one_by_one(self, epcs: Iterable[int], priority: Priority) -> bool:
        """Whether any of them had a value."""
        any_value = False
        for epc in epcs:
            answer = await self._ask((epc,), priority)
            self._tell(dict(answer.values), answer.refused | answer.missing)
            any_value = any_value or bool(answer.values)
        return any_value

    def _refused_lately(self, epcs: tuple[int, ...]) -> bool:
        at = self._refused_apart.get(epcs)
        return at is not None and self._monotonic() - at < SPLIT_AGAIN
