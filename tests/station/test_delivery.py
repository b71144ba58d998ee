"""The delivery of transaction events, on virtual time: each trouble on the way delays an event and loses none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bridge.clock import Clock, run_virtual
from bridge.errors import StoreError
from bridge.station.delivery import Delivery
from bridge.station.link import BadAnswer, CallErrorReceived, CallTimeout, LinkDown
from bridge.station.messages import (
    Transaction,
    TransactionEvent,
    TransactionEventRequest,
    TransactionEventResponse,
    TriggerReason,
)
from bridge.station.messages.call_error import ErrorCode
from bridge.station.messages.text import from_text, to_text
from bridge.station.messages.v201 import Adapter
from bridge.store.port import QueuedEvent, TransactionRow
from bridge.store.sqlite import SqliteStore, open_store

STATION = "CS-1"
ADAPTER = Adapter()
INTERVAL = 60_000
REFUSED = CallErrorReceived(ErrorCode.INTERNAL_ERROR, "not today", {})


def event(seq_no: int) -> TransactionEventRequest:
    return TransactionEventRequest(
        event_type=TransactionEvent.UPDATED,
        timestamp=datetime(2026, 1, 5, tzinfo=UTC),
        trigger_reason=TriggerReason.METER_VALUE_PERIODIC,
        seq_no=seq_no,
        transaction_info=Transaction(transaction_id="t"),
    )


@dataclass
class Bench:
    """A delivery with a real store, and a CSMS that does what `says` lists before it answers well."""

    clock: Clock
    store: SqliteStore
    says: list[Exception | Callable[[], Awaitable[Any]]] = field(default_factory=list)
    tried: list[tuple[int, int]] = field(default_factory=list)
    offline: list[bool | None] = field(default_factory=list)
    heeded: list[int] = field(default_factory=list)
    stored_when_heeded: list[int] = field(default_factory=list)
    delivery: Delivery = field(init=False)

    def __post_init__(self) -> None:
        self.delivery = Delivery(
            STATION,
            self.store,
            self.clock,
            send=self._send,
            decode=lambda text: from_text(ADAPTER, TransactionEventRequest, text),
            answered=self._answered,
        )

    async def _send(self, request: Any) -> TransactionEventResponse:
        self.tried.append((request.seq_no, self.clock.monotonic() // 1000))
        self.offline.append(request.offline)
        if self.says:
            said = self.says.pop(0)
            if isinstance(said, Exception):
                raise said
            await said()
        return TransactionEventResponse()

    async def _answered(self, request: TransactionEventRequest, response: TransactionEventResponse) -> None:
        self.heeded.append(request.seq_no)
        self.stored_when_heeded.append(len(await self.store.pending(STATION)))

    async def add(self, text: str | None = None) -> QueuedEvent:
        rows = await self.store.transactions(STATION)
        number = rows[0].seq_no if rows else 0
        row = TransactionRow("t", 1, number, "{}")
        queued = await self.store.record(STATION, row, text or to_text(ADAPTER, event(number)))
        self.delivery.append(queued)
        return queued

    async def left(self) -> list[int]:
        return [queued.seq_no for queued in await self.store.pending(STATION)]

    async def settle(self, seconds: int = 1) -> None:
        await self.clock.sleep(seconds * 1000)

    @property
    def numbers(self) -> list[int]:
        return [seq_no for seq_no, _ in self.tried]


class Failing:
    """A store whose chosen method fails so many times."""

    def __init__(self, store: SqliteStore, method: str, times: int) -> None:
        self._store, self._method, self.times = store, method, times

    def __getattr__(self, name: str) -> Any:
        return self._fail if name == self._method and self.times else getattr(self._store, name)

    async def _fail(self, *arguments: Any) -> None:
        self.times -= 1
        raise StoreError("the disk is full")


@asynccontextmanager
async def bench(
    says: Sequence[Exception | Callable[[], Awaitable[Any]]] = (), *, failing: tuple[str, int] | None = None
) -> AsyncIterator[Bench]:
    store: Any = await open_store(Path(":memory:"), inline=True)
    made = Bench(Clock(seed=1), Failing(store, *failing) if failing else store, list(says))
    running = asyncio.ensure_future(made.delivery.run())
    try:
        yield made
        assert not running.done(), "the delivery has ended"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def virtual(play: Callable[[], Any]) -> Callable[[], None]:
    def test() -> None:
        run_virtual(play())

    test.__name__, test.__doc__ = play.__name__, play.__doc__
    return test


@virtual
async def test_events_go_in_order_and_only_when_the_link_is_open() -> None:
    async with bench() as made:
        for _ in range(3):
            await made.add()
        await made.settle()
        assert (made.tried, made.delivery.waiting) == ([], 3)
        made.delivery.opened()
        await made.settle()
        assert made.numbers == [0, 1, 2]
        assert await made.left() == []
        assert not made.delivery.pending()


@virtual
async def test_an_answer_counts_before_its_event_is_deleted() -> None:
    async with bench() as made:
        await made.add()
        made.delivery.opened()
        await made.settle()
        assert (made.heeded, made.stored_when_heeded) == ([0], [1])


@pytest.mark.parametrize("trouble", [REFUSED, BadAnswer("no object")])
def test_a_refused_event_is_tried_again_with_growing_pauses_and_then_given_up(trouble: Exception) -> None:
    async def play() -> None:
        async with bench([trouble] * 3) as made:
            await made.add()
            made.delivery.opened()
            await made.settle()
            began = made.tried[0][1]
            await made.add()  # what is appended meanwhile must not hurry it
            await made.settle(400)
            times = [at - began for seq_no, at in made.tried if seq_no == 0]
            assert times == pytest.approx([0, 60, 180], abs=1)
            assert made.numbers[-1] == 1
            assert made.heeded == [1]
            assert await made.left() == []

    run_virtual(play())


@pytest.mark.covers("TC_E_41_CS")
@virtual
async def test_an_event_without_an_answer_is_tried_as_often_as_the_csms_wants() -> None:
    async with bench([CallTimeout("none")] * 3) as made:
        await made.add()
        await made.add()
        made.delivery.opened()
        await made.settle(60 + 120 + 5)
        assert made.numbers == [0, 0, 0, 1]
        assert made.heeded == [1]
        assert await made.left() == []


@virtual
async def test_a_link_that_is_down_costs_no_attempt() -> None:
    async with bench(
        [LinkDown("gone"), REFUSED, LinkDown("gone"), LinkDown("gone"), REFUSED, LinkDown("gone")]
    ) as made:
        await made.add()
        for _ in range(7):
            made.delivery.opened()
            await made.settle()
            made.delivery.closed()
            await made.settle()
        assert made.numbers == [0] * 7
        assert made.heeded == [0]


@virtual
async def test_attempts_are_counted_over_connections_and_over_restarts() -> None:
    async with bench([REFUSED, REFUSED]) as made:
        await made.add()
        made.delivery.opened()
        await made.settle()
        made.delivery.closed()
        await made.settle()
        made.delivery.opened()
        await made.settle()
        assert made.numbers == [0, 0]
        store = made.store
        made.delivery.closed()
        await made.settle(1)
    again = Bench(made.clock, store, [REFUSED])
    await again.delivery.restore()
    again.delivery.opened()
    running = asyncio.ensure_future(again.delivery.run())
    await again.settle()
    running.cancel()
    assert again.numbers == [0]
    assert await again.left() == []
    assert again.heeded == []


@virtual
async def test_what_waits_when_the_link_is_lost_is_told_as_offline() -> None:
    async with bench([LinkDown("gone")]) as made:
        await made.add()
        made.delivery.opened()
        await made.settle()
        await made.add()
        made.delivery.closed()
        await made.settle()
        made.delivery.opened()
        await made.settle()
        await made.add()
        await made.settle()
        assert made.numbers == [0, 0, 1, 2]
        assert made.offline == [None, True, True, None]


@virtual
async def test_what_a_restart_finds_is_told_as_offline() -> None:
    async with bench() as made:
        await made.add()
        store = made.store
    again = Bench(made.clock, store)
    await again.delivery.restore()
    again.delivery.opened()
    running = asyncio.ensure_future(again.delivery.run())
    await again.settle()
    running.cancel()
    assert again.offline == [True]


@virtual
async def test_a_week_offline_keeps_few_texts_in_memory_and_arrives_whole_and_in_order() -> None:
    async with bench() as made:
        for _ in range(300):
            await made.add()
        assert 0 < len(made.delivery._queue._texts) < 50
        made.delivery.opened()
        await made.settle()
        assert made.numbers == list(range(300))
        assert await made.left() == []


@virtual
async def test_a_full_queue_gives_up_every_second_meter_value_and_nothing_else() -> None:
    async with bench() as made:
        made.delivery.most = 20
        for number in range(21):
            kind = TriggerReason.CHARGING_STATE_CHANGED if number in (0, 7) else TriggerReason.METER_VALUE_PERIODIC
            await made.add(to_text(ADAPTER, replace(event(number), trigger_reason=kind)))
        await made.settle()
        kept = [0, 2, 4, 6, 7, 8, 10, 12, 14, 16, 18, 20]
        assert await made.left() == kept
        made.delivery.opened()
        await made.settle()
        assert made.numbers == kept


@virtual
async def test_what_a_full_queue_gives_up_is_deleted_even_if_the_store_fails_at_first() -> None:
    async with bench(failing=("answered", 3)) as made:
        made.delivery.most = 5
        for _ in range(6):
            await made.add()
        await made.settle(1)
        assert len(await made.left()) == 6
        await made.settle(61)
        assert await made.left() == [0, 2, 4]


@virtual
async def test_a_link_that_comes_back_ends_the_pause() -> None:
    async with bench([LinkDown("gone")]) as made:
        await made.add()
        made.delivery.opened()
        await made.settle()
        made.delivery.closed()
        await made.settle(5)
        assert made.numbers == [0]
        made.delivery.opened()
        await made.settle()
        assert made.numbers == [0, 0]
        assert await made.left() == []


@virtual
async def test_a_store_that_cannot_delete_holds_the_queue_up_and_loses_nothing() -> None:
    async with bench(failing=("answered", 3)) as made:
        await made.add()
        await made.add()
        made.delivery.opened()
        await made.settle(2)
        assert made.numbers == [0]
        assert await made.left() == [0, 1]
        await made.settle(10)
        assert made.numbers == [0, 1]
        assert made.heeded == [0, 1]
        assert await made.left() == []


@virtual
async def test_a_store_that_cannot_count_attempts_does_not_stop_the_delivery() -> None:
    async with bench([REFUSED], failing=("attempted", 1)) as made:
        await made.add()
        made.delivery.opened()
        await made.settle(70)
        assert made.numbers == [0, 0]
        assert await made.left() == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"seqNo":0}'])
def test_an_event_that_cannot_be_read_is_set_aside_and_kept(text: str) -> None:
    async def play() -> None:
        async with bench() as made:
            await made.add(text or " ")
            await made.add()
            made.delivery.opened()
            await made.settle()
            assert made.numbers == [1]
            assert await made.left() == [0]
            assert not made.delivery.pending()

    run_virtual(play())


@virtual
async def test_an_event_that_the_link_refuses_to_send_is_set_aside_and_kept() -> None:
    async with bench([ValueError("against the schema")]) as made:
        await made.add()
        await made.add()
        made.delivery.opened()
        await made.settle()
        assert made.numbers == [0, 1]
        assert await made.left() == [0]


@virtual
async def test_a_mistake_in_heeding_an_answer_does_not_stop_the_delivery() -> None:
    async with bench() as made:

        async def fail(*_: Any) -> None:
            raise RuntimeError("a bug")

        made.delivery._answered = fail
        await made.add()
        await made.add()
        made.delivery.opened()
        await made.settle()
        assert made.numbers == [0, 1]
        assert await made.left() == []


def test_a_delivery_that_was_cancelled_goes_on_where_it_stood() -> None:
    async def play() -> None:
        made = Bench(Clock(seed=1), await open_store(Path(":memory:"), inline=True), [asyncio.Event().wait])
        await made.add()
        await made.add()
        made.delivery.opened()
        for expected in ([0], [0, 0, 1]):
            running = asyncio.ensure_future(made.delivery.run())
            await made.settle()
            assert made.numbers == expected
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert running.cancelled()
        assert await made.left() == []

    run_virtual(play())


def test_cancelled_while_the_deletion_is_retried_it_is_not_sent_again_in_this_life() -> None:
    async def play() -> None:
        store: Any = Failing(await open_store(Path(":memory:"), inline=True), "answered", 1)
        made = Bench(Clock(seed=1), store)
        await made.add()
        made.delivery.opened()
        running = asyncio.ensure_future(made.delivery.run())
        await made.clock.sleep(500)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert (made.numbers, made.delivery.waiting, await made.left()) == ([0], 0, [0])
        again = Bench(made.clock, store)  # the next life sends it again, with the same number
        await again.delivery.restore()
        again.delivery.opened()
        running = asyncio.ensure_future(again.delivery.run())
        await again.settle()
        running.cancel()
        assert (again.numbers, await again.left()) == ([0], [])

    run_virtual(play())
