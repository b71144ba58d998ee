"""A smart meter or a channel of a distribution board on the network: found, introduced, polled by plan, lost, found
again. It is only read; the one write there may be is a board's range of channels, without which it does not tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from bridge.charger.facts import Facts
from bridge.charger.introduction import FIRST_SEARCH, SETTLING, Maps, read_attributes, read_maps
from bridge.charger.polling import Pace, Plan
from bridge.charger.reader import Reader
from bridge.charger.registers import last_known
from bridge.charger.waiting import search_pause, wait_for
from bridge.charger.wire import GetAnswer, Notification, Wire
from bridge.clock import Clock
from bridge.echonet.session import Priority
from bridge.errors import NoAnswerError, UnitError
from bridge.mapping.decision import Measures, MeterTable, PollGroup, View

_log = structlog.get_logger(__name__)

#: A channel range that the board has not taken is written again after so many ms.
PREPARE_AGAIN: Final = 600_000
#: So often (ms) it is looked whether something has begun to flow, so that the meter is read faster.
LOOK_AGAIN: Final = 5_000


class MeterRunner:
    """One meter's tasks. `address` None: wait until `found`. `run` ends only when it is cancelled.

    `channel`: of a board, from 1; `duplex`: whether that channel measures both directions. `busy` says whether energy
    flows, or is about to, at a unit that is measured by it.
    """

    def __init__(
        self,
        wire: Wire,
        clock: Clock,
        table: MeterTable,
        name: str,
        eoj: int,
        address: str | None,
        channel: int | None = None,
        *,
        duplex: bool = False,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self.name = name
        self.maps = Maps()
        self.facts = Facts()
        self.started = False
        self._wire = wire
        self._clock = clock
        self._table = table
        self._eoj = eoj
        self._address = address
        self._channel = channel
        self._duplex = duplex
        self._busy = busy
        self._measures: Measures | None = None
        self._log = _log.bind(meter=name)
        self._reader = Reader(self._get, self._answered, clock.monotonic, table.max_opc)
        self._plan = Plan()
        self._prepared_at: int | None = None
        self._listeners: list[Callable[[], None]] = []
        self._sign = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._life: asyncio.Task[None] | None = None
        wire.on_notification(self._notified)

    @property
    def measures(self) -> Measures | None:
        """What it told last, marked as last known while it does not answer; None before it ever has."""
        return self._measures

    @property
    def reachable(self) -> bool:
        """Whether it answers."""
        return self.started

    def listen(self, listener: Callable[[], None]) -> None:
        """Be called whenever it has told something, and when it is lost."""
        self._listeners.append(listener)

    def found(self, address: str) -> None:
        """The meter's address has been learnt or has changed."""
        if address == self._address:
            self._sign.set()
            return
        self._log.info("meter found", address=address)
        self._address = address
        if self._tasks is not None and self._life is not None:
            self._life.cancel()
            self._life = self._tasks.create_task(self._live())

    async def run(self) -> None:
        """Live with the meter until cancelled. What is no `UnitError` is a bug and ends it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._life = tasks.create_task(self._live())
                await asyncio.get_running_loop().create_future()  # until cancelled
        finally:
            self._tasks = self._life = None
            self._lost()

    async def _live(self) -> None:
        tries = 0
        await self._clock.sleep(SETTLING)
        while True:
            self._sign.clear()
            try:
                await self._introduce()
                tries = 0
                await self._poll()
            except UnitError as error:
                self._log.info("meter not reached", reason=str(error))
            self._lost()
            tries += 1
            await wait_for(self._sign, search_pause(tries, FIRST_SEARCH))

    async def _introduce(self) -> None:
        """The start sequence of AIF 3.1, as for a unit."""
        if self._address is None:
            raise NoAnswerError("the meter's address is not known yet")
        self._reader.renew()
        self._plan.everything()
        self._prepared_at = None
        self.maps = await read_maps(self._reader, self.facts, self._table.release)
        await read_attributes(self._reader, self.maps, self._table.attributes)
        await self._prepare()
        for group in self._groups():
            await self._poll_group(group)
        self.started = True
        self._log.info("meter read", release=self.maps.release)
        self._tell()

    async def _poll(self) -> None:
        """Poll by the table's plan until the meter is lost: two silences in a row."""
        while self.started:
            pace = Pace.ACTIVE if self._busy() else Pace.IDLE
            group, at = self._plan.next(self._groups(), self.maps.announced, pace, self._clock.monotonic())
            pause = at - self._clock.monotonic()
            if group is None or pause > 0:
                await wait_for(self._sign, min(pause, LOOK_AGAIN) if group is not None else None)
                self._sign.clear()
                continue
            try:
                await self._prepare()
                await self._poll_group(group)
            except NoAnswerError:
                self._plan.again(group)
                if self.facts.silent():
                    raise

    async def _poll_group(self, group: PollGroup) -> None:
        self._plan.polled(group, self._clock.monotonic())
        await self._reader.read(group.epcs, Priority.POLL)

    async def _prepare(self) -> None:
        """Set a board's range of channels to what is wanted of it, and look whether it took that (AIF 2.4.5)."""
        now = self._clock.monotonic()
        if self._address is None or (self._prepared_at is not None and now - self._prepared_at < PREPARE_AGAIN):
            return
        for step in self._table.prepare(self._view(), self._channel, duplex=self._duplex):
            fact = self.facts.by_epc.get(step.epc)
            if step.epc not in self.maps.settable or (fact is not None and fact.edt == step.edt):
                continue
            self._log.info("prepared", write=step.text)
            self._prepared_at = now
            await self._wire.set(self._address, self._eoj, ((step.epc, step.edt),), Priority.POLL)
            await self._reader.read((step.epc,), Priority.READBACK)

    def _groups(self) -> tuple[PollGroup, ...]:
        return self._table.polls(self._view(), self._channel, duplex=self._duplex)

    def _view(self) -> View:
        return View(
            now=self._clock.monotonic(),
            release=self.maps.release,
            facts=self.facts.by_epc,
            refused=self.facts.refused,
            gettable=self.maps.gettable,
            settable=self.maps.settable,
            announced=self.maps.announced,
            reachable=self.started,
        )

    async def _get(self, epcs: Sequence[int], priority: Priority) -> GetAnswer:
        if self._address is None:
            raise NoAnswerError("the meter's address is not known yet")
        return await self._wire.get(self._address, self._eoj, epcs, priority)

    # What comes in

    def _answered(self, values: dict[int, bytes], refused: frozenset[int]) -> None:
        self.facts.answered(values, refused, self._clock.monotonic())
        if self.started:
            self._tell()

    def _notified(self, notification: Notification) -> None:
        if self._tasks is None or (notification.address, notification.eoj) != (self._address, self._eoj):
            return
        values = dict(notification.values)
        self._reader.works(values)
        self.facts.notified(values, self._clock.monotonic())
        self._sign.set()
        if self.started:
            self._tell()

    def _lost(self) -> None:
        """What it told is the last known from now on."""
        was, self.started = self.started, False
        if was:
            self._log.warning("meter lost")
        if was and self._measures is not None:
            self._measures = last_known(self._measures)
            self._call()

    def _tell(self) -> None:
        measures = self._table.measures(self._view(), self._channel, duplex=self._duplex)
        if measures != self._measures:
            self._measures = measures
            self._call()

    def _call(self) -> None:
        for listener in tuple(self._listeners):
            listener()
