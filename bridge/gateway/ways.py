"""The way to each unit: one wire over all networks, which follows the unit and asks who is there before it trusts.

A runner asks for "its unit". Where that is, on which network, and whether it is still the one that is meant, is known
here; so a unit that has moved is reached again without its runner losing anything, and a stranger at its old address
gets none of its commands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from bridge.echonet.controller import Controller, GetAnswer, Notification, SetAnswer
from bridge.echonet.frame import Property
from bridge.echonet.session import Priority
from bridge.errors import NoAnswerError
from bridge.gateway.identity import Place

T = TypeVar("T")

#: So many requests in a row without an answer, and the unit counts as gone from where it was.
SILENT: Final = 2
#: So many notifications wait while it is being asked who is there.
_HELD: Final = 16


class Way:
    """The `Wire` of one unit or meter, whose object its runner calls `eoj` wherever it really is.

    `confirm` asks who is at the way's place and returns if it is the unit that is meant; `NoAnswerError` otherwise.
    `unanswered` is called after each request that was not answered; it may `turn_to` another way to the unit.
    """

    def __init__(
        self,
        controllers: Mapping[str, Controller],
        eoj: int,
        confirm: Callable[[Priority], Awaitable[None]],
        unanswered: Callable[[], None],
    ) -> None:
        self._controllers = controllers
        self._eoj = eoj
        self._confirm = confirm
        self._unanswered = unanswered
        self.place: Place | None = None
        self.why = "the unit has not been found yet"
        self.misses = 0
        self._sure = False
        self._asking = asyncio.Lock()
        self._on_the_way: set[asyncio.Task[Any]] = set()  # who asks now
        self._turned: set[asyncio.Task[Any]] = set()  # ... and shall ask again elsewhere
        self._held: list[Notification] = []
        self._listeners: list[Callable[[Notification], None]] = []

    # For the runner: charger.wire.Wire

    async def get(self, address: str, eoj: int, epcs: Sequence[int], priority: Priority = Priority.POLL) -> GetAnswer:
        """Read properties of the unit, wherever it is."""
        return await self._ask(lambda at, to: self._controllers[at.network].get(at.address, to, epcs, priority),
                               eoj, priority)  # fmt: skip

    async def set(
        self, address: str, eoj: int, writes: Sequence[Property], priority: Priority = Priority.COMMAND
    ) -> SetAnswer:
        """Write properties of the unit, wherever it is."""
        return await self._ask(lambda at, to: self._controllers[at.network].set(at.address, to, writes, priority),
                               eoj, priority)  # fmt: skip

    def on_notification(self, callback: Callable[[Notification], None]) -> None:
        """Be called with what the unit tells by itself."""
        self._listeners.append(callback)

    # For who finds the units

    @property
    def silent(self) -> bool:
        """Whether nothing can be had of the unit where it was last."""
        return self.place is None or self.misses >= SILENT

    def follow(self, place: Place) -> None:
        """The unit is there, for sure. What is on its way to the old place is asked again at the new one."""
        moved = self.place is not None and self.place != place
        self.place, self.misses, self._sure = place, 0, True
        if moved:
            self._turn_back()

    def turn_to(self, place: Place) -> None:
        """The unit may be reached there as well; whether it is, will be asked."""
        self.place, self._sure = place, False

    def leave(self, why: str) -> None:
        """The unit is not there any more, or not alone; nothing is sent until it is found."""
        self.place, self.why, self._sure = None, why, False
        self._held.clear()
        self._turn_back()

    def doubt(self) -> None:
        """It may be another unit by now: it is asked before anything else is sent. A stop does not wait for that."""
        self._sure = False

    async def make_sure(self, priority: Priority = Priority.POLL) -> None:
        """Ask who is there, unless that is known. Raises `NoAnswerError` where it is not the unit."""
        if self._sure:
            return
        async with self._asking:
            place = self.place
            if self._sure or place is None:
                return
            try:
                await self._confirm(priority)
            except NoAnswerError:
                self._missed(place)
                if not self._sure:
                    raise  # else it has been found elsewhere meanwhile
        self._sure = self.place is not None
        held, self._held = self._held, []
        for notification in held if self._sure else ():
            self._tell(notification)

    def notified(self, notification: Notification) -> bool:
        """Something was told at one of the unit's places; whether it counts at once."""
        if self._sure:
            self._tell(notification)
        elif self.place is not None and len(self._held) < _HELD:
            self._held.append(notification)
        return self._sure

    def _tell(self, notification: Notification) -> None:
        if self.place is None:
            return
        if notification.address != self.place.address or notification.eoj != self._eoj:
            notification = replace(notification, address=self.place.address, eoj=self._eoj)
        for listener in self._listeners:
            listener(notification)

    # Asking

    async def _ask(self, request: Callable[[Place, int], Coroutine[Any, Any, T]], eoj: int, priority: Priority) -> T:
        """Ask at the unit's place; where it moves meanwhile, ask again there."""
        while True:
            if not self._sure and priority is not Priority.STOP:
                await self.make_sure(priority)
            place = self.place
            if place is None:
                raise NoAnswerError(self.why)
            asker = asyncio.current_task()
            assert asker is not None
            self._on_the_way.add(asker)
            try:
                # In the asker's own task: one more would let everything else that waits go first.
                answer = await request(place, place.eoj if eoj == self._eoj else eoj)
            except asyncio.CancelledError:
                if asker not in self._turned or asker.uncancel() > 0:
                    raise
                continue  # it has moved
            except NoAnswerError:
                self._missed(place)
                if self.place == place or self.silent:
                    raise
                continue  # there is another way to it
            finally:
                self._on_the_way.discard(asker)
                self._turned.discard(asker)
            self.misses = 0
            return answer

    def _missed(self, place: Place) -> None:
        if place != self.place:
            return
        self._sure = False
        self.misses += 1
        self._unanswered()

    def _turn_back(self) -> None:
        for asker in self._on_the_way - self._turned:
            self._turned.add(asker)
            asker.cancel()
