"""Reading properties with as few requests as the unit lets us: together where it can, one by one where it cannot, and
rarely what it lists in its map and never answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from bridge.charger.wire import GetAnswer
from bridge.echonet.session import Priority

#: What was learnt about a unit's ways of answering is tried anew after so many ms.
LEARNT_FOR: Final = 600_000
#: A property that was refused so many times in a row is polled no more ...
REFUSALS: Final = 3
#: ... for so many ms, or until something changes.
RARELY: Final = 600_000

#: Sends one Get; raises `NoAnswerError`.
Ask = Callable[[Sequence[int], Priority], Awaitable[GetAnswer]]
#: Takes what came of it.
Tell = Callable[[dict[int, bytes], frozenset[int]], None]
#: Waits until a poll may send its next request.
Turn = Callable[[], Awaitable[None]]


class Reader:
    """Gets of one unit. Not every combination need be supported by a unit: a request that is refused in whole, or
    answered with fewer properties than asked, is split down to one property (AIF 2.4.4).

    What was learnt by splitting is remembered, so that no poll costs twice. Only polls are spared what is always
    refused; what is asked on purpose is asked.
    """

    def __init__(
        self, ask: Ask, tell: Tell, monotonic: Callable[[], int], max_opc: int, turn: Turn | None = None
    ) -> None:
        self._ask = ask
        self._tell = tell
        self._monotonic = monotonic
        self._max_opc = max_opc
        self._turn = turn
        self._at_most = max_opc  # as many as the unit answers at once
        self._at_most_until = 0
        self._apart: set[tuple[int, ...]] = set()
        self._refused_apart: dict[tuple[int, ...], int] = {}
        self._refusals: dict[int, int] = {}
        self._rare_until: dict[int, int] = {}

    def forget(self) -> None:
        """The situation is another one (a vehicle came, energy flows): what was refused may work now."""
        self._apart.clear()
        self._refused_apart.clear()
        self._refusals.clear()
        self._rare_until.clear()

    def renew(self) -> None:
        """The unit itself may be another one, or has restarted."""
        self.forget()
        self._at_most = self._max_opc

    def works(self, epcs: Iterable[int]) -> None:
        """These have a value, be it that the unit told it by itself."""
        for epc in epcs:
            self._refusals.pop(epc, None)
            self._rare_until.pop(epc, None)

    async def read(self, epcs: Sequence[int], priority: Priority) -> None:
        """Read properties and tell each answer as it comes. `NoAnswerError` ends it."""
        if priority is Priority.POLL:
            epcs = [epc for epc in epcs if not self._rare(epc)]
        rest = list(epcs)
        while rest:
            size = self._size()
            await self._read(tuple(rest[:size]), priority)
            del rest[:size]

    async def _read(self, epcs: tuple[int, ...], priority: Priority) -> None:
        if len(epcs) > 1 and epcs in self._apart:
            await self._one_by_one(epcs, priority)
            return
        answer = await self._request(epcs, priority)
        if len(epcs) == 1:
            self._take(answer, answer.refused | answer.missing)
        elif answer.values or answer.missing:
            self._take(answer, answer.refused)
            if answer.missing:
                self._answers_at_most(len(answer.values) + len(answer.refused))
            await self._one_by_one([epc for epc in epcs if epc in answer.missing], priority)
        elif self._refused_lately(epcs):
            self._take(answer, answer.refused)
        elif await self._one_by_one(epcs, priority):
            self._apart.add(epcs)
        else:
            self._refused_apart[epcs] = self._monotonic()

    async def _one_by_one(self, epcs: Iterable[int], priority: Priority) -> bool:
        """Whether any of them had a value."""
        any_value = False
        for epc in epcs:
            answer = await self._request((epc,), priority)
            self._take(answer, answer.refused | answer.missing)
            any_value = any_value or bool(answer.values)
        return any_value

    async def _request(self, epcs: tuple[int, ...], priority: Priority) -> GetAnswer:
        if self._turn is not None and priority is Priority.POLL:
            await self._turn()
        return await self._ask(epcs, priority)

    def _take(self, answer: GetAnswer, refused: frozenset[int]) -> None:
        self.works(answer.values)
        for epc in refused:
            self._refusals[epc] = self._refusals.get(epc, 0) + 1
            if self._refusals[epc] >= REFUSALS:
                self._rare_until[epc] = self._monotonic() + RARELY
        self._tell(dict(answer.values), refused)

    def _rare(self, epc: int) -> bool:
        until = self._rare_until.get(epc)
        return until is not None and self._monotonic() < until

    def _size(self) -> int:
        """How many to ask for at once."""
        if self._at_most < self._max_opc and self._monotonic() >= self._at_most_until:
            self._at_most = self._max_opc
        return self._at_most

    def _answers_at_most(self, count: int) -> None:
        self._at_most = max(1, min(count, self._max_opc))
        self._at_most_until = self._monotonic() + LEARNT_FOR

    def _refused_lately(self, epcs: tuple[int, ...]) -> bool:
        at = self._refused_apart.get(epcs)
        return at is not None and self._monotonic() - at < LEARNT_FOR
