"""The link on virtual time, over connections in memory."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bridge.clock import Clock, run_virtual
from bridge.station.backoff import BackOffSettings
from bridge.station.link import BadAnswer, CallErrorReceived, CallTimeout, Link, LinkDown, LinkSettings
from bridge.station.link_memory import MemoryConnection, MemoryDialer
from bridge.station.messages import (
    CallError,
    ClearCacheRequest,
    ClearCacheResponse,
    ClearCacheStatus,
    ErrorCode,
    HeartbeatRequest,
    HeartbeatResponse,
    ResetResponse,
    ResetStatus,
)
from bridge.station.messages.v201 import Adapter

TIME = "2026-01-05T03:17:00.000Z"
BEAT = HeartbeatResponse(datetime(2026, 1, 5, 3, 17, tzinfo=UTC))
SETTINGS = LinkSettings(call_timeout=60_000, back_off=BackOffSettings(10_000, 0, 2))
CLEARED = ClearCacheResponse(ClearCacheStatus.ACCEPTED)


class Station:
    """A handler that notes what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.up = asyncio.Event()
        self.on_request: Callable = lambda request: CLEARED

    def on_connected(self) -> None:
        self.up.set()
        self.notes.append("connected")

    def on_disconnected(self, why: str) -> None:
        self.notes.append(f"disconnected {why}")

    async def on_call(self, request):
        self.notes.append(type(request).__name__)
        answer = self.on_request(request)
        return await answer if asyncio.iscoroutine(answer) else answer


class Bench:
    """A link, its station, and the CSMS's ends of its connections."""

    def __init__(self, settings: LinkSettings = SETTINGS) -> None:
        self.clock = Clock(seed=1)
        self.station = Station()
        self.ends: list[MemoryConnection] = []
        self.dialled_at: list[int] = []
        self.refuse = False
        self.traffic: list[tuple[bool, str]] = []
        self.dialer = MemoryDialer(self.accept)
        self.link = Link(
            self.dialer, Adapter(), self.clock, settings=settings, on_traffic=lambda *seen: self.traffic.append(seen)
        )
        self.task = asyncio.create_task(self.link.run(self.station))

    def accept(self, end: MemoryConnection) -> None:
        self.dialled_at.append(self.clock.monotonic())
        if self.refuse:
            raise LinkDown("the CSMS answered with HTTP status 401")
        self.ends.append(end)

    async def connected(self) -> MemoryConnection:
        while not self.link.connected or self.ends[-1].ended:
            self.station.up.clear()
            await self.station.up.wait()
        return self.ends[-1]

    async def receive(self):
        async with asyncio.timeout(5):
            return json.loads(await anext(aiter(self.ends[-1])))

    async def answer_heartbeat(self) -> None:
        message = await self.receive()
        assert message[2] == "Heartbeat"
        await self.ends[-1].send(json.dumps([3, message[1], {"currentTime": TIME}]))


def virtual(test):
    """Run an async test on virtual time, with a bench that is taken down afterwards."""

    async def main() -> None:
        bench = Bench()
        try:
            await test(bench)
        finally:
            bench.task.cancel()
            await asyncio.wait([bench.task])
            assert bench.task.cancelled()

    def run() -> None:
        run_virtual(main())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


# -- dialling


@virtual
async def test_dials_at_once_and_tells_the_station(bench):
    await bench.connected()
    assert bench.dialled_at == [0]
    assert bench.station.notes == ["connected"]
    assert bench.link.trouble is None


@virtual
async def test_waits_longer_after_every_failed_dial_and_never_gives_up(bench):
    bench.refuse = True
    await bench.clock.sleep(200_000)
    waits = [later - earlier for earlier, later in zip(bench.dialled_at, bench.dialled_at[1:], strict=False)]
    assert waits == [10_000, 20_000, 40_000, 40_000, 40_000, 40_000]
    assert "401" in bench.link.trouble
    assert not bench.link.connected
    bench.refuse = False
    await bench.connected()


@virtual
async def test_backs_off_after_every_lost_connection_and_begins_anew_after_success(bench):
    end = await bench.connected()
    await end.close(1011, "overload")
    await bench.clock.sleep(9_990)
    assert len(bench.dialled_at) == 1
    end = await bench.connected()
    bench.refuse = True
    await end.close()
    await bench.clock.sleep(10_000 + 20_000 + 40_000 - 1_000)
    bench.refuse = False
    end = await bench.connected()
    await end.close()
    await bench.connected()
    waits = [later - earlier for earlier, later in zip(bench.dialled_at, bench.dialled_at[1:], strict=False)]
    assert waits == [10_000, 10_000, 20_000, 40_000, 10_000]
    assert bench.station.notes[:3] == ["connected", "disconnected 1011 overload", "connected"]


@virtual
async def test_a_subprotocol_that_was_not_offered_is_no_connection(bench):
    end = await bench.connected()
    bench.dialer.subprotocol = "ocpp1.6"
    await end.close()
    await bench.clock.sleep(15_000)
    assert not bench.link.connected
    assert "ocpp1.6" in bench.link.trouble


@virtual
async def test_reconnect_closes_first_and_dials_at_once_if_asked(bench):
    first = await bench.connected()
    await bench.link.reconnect("a new password", at_once=True)
    assert first.ended == "1000 a new password"
    await bench.clock.sleep(10)
    assert len(bench.ends) == 2
    assert bench.dialled_at[1] < 100
    await bench.link.reconnect("a new password")
    await bench.clock.sleep(5_000)
    assert not bench.link.connected
    await bench.link.reconnect("no more patience", at_once=True)
    await bench.clock.sleep(10)
    assert bench.link.connected


@virtual
async def test_cancelling_closes_the_connection(bench):
    end = await bench.connected()
    bench.task.cancel()
    await bench.clock.sleep(1)
    assert end.ended.startswith("1001")


@virtual
async def test_a_dead_callback_does_not_stop_the_link(bench):
    def fail(*_) -> None:
        raise RuntimeError("a mistake")

    bench.station.on_connected = bench.station.on_disconnected = bench.link.on_traffic = fail
    await bench.clock.sleep(1)
    await bench.ends[-1].close()
    await bench.clock.sleep(20_000)
    assert bench.link.connected
    await bench.ends[-1].send(CLEAR)
    assert (await bench.receive())[:2] == [3, "a"]


# -- our calls


@virtual
async def test_a_call_and_its_answer(bench):
    await bench.connected()
    call = asyncio.create_task(bench.link.call(HeartbeatRequest()))
    await bench.answer_heartbeat()
    assert await call == BEAT
    assert [(outgoing, json.loads(text)[0]) for outgoing, text in bench.traffic] == [(True, 2), (False, 3)]


@virtual
async def test_calls_queue_one_at_a_time_in_order(bench):
    await bench.connected()
    calls = [asyncio.create_task(bench.link.call(request)) for request in (HeartbeatRequest(), ClearCacheRequest())]
    await bench.clock.sleep(1_000)
    assert len(bench.traffic) == 1
    await bench.answer_heartbeat()
    second = await bench.receive()
    assert second[2] == "ClearCache"
    await bench.ends[-1].send(json.dumps([3, second[1], {"status": "Rejected"}]))
    assert await calls[0] == BEAT
    assert await calls[1] == ClearCacheResponse(ClearCacheStatus.REJECTED)


@virtual
async def test_a_call_times_out_the_next_goes_and_the_late_answer_is_ignored(bench):
    await bench.connected()
    with pytest.raises(CallTimeout, match="Heartbeat"):
        await bench.link.call(HeartbeatRequest())
    assert bench.clock.monotonic() == 60_000
    late = await bench.receive()
    again = asyncio.create_task(bench.link.call(HeartbeatRequest()))
    await bench.clock.sleep(1)
    await bench.ends[-1].send(json.dumps([3, late[1], {"currentTime": "2020-01-01T00:00:00Z"}]))
    await bench.answer_heartbeat()
    assert await again == BEAT
    assert bench.link.connected


@virtual
async def test_a_changed_timeout_holds_for_the_next_call(bench):
    await bench.connected()
    bench.link.settings = LinkSettings(call_timeout=5_000)
    with pytest.raises(CallTimeout):
        await bench.link.call(HeartbeatRequest())
    assert bench.clock.monotonic() == 5_000


@virtual
async def test_a_lost_connection_fails_open_and_queued_calls_at_once(bench):
    end = await bench.connected()
    calls = [asyncio.create_task(bench.link.call(HeartbeatRequest())) for _ in range(3)]
    await bench.clock.sleep(1_000)
    await end.close(1006)
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [LinkDown] * 3
    assert bench.clock.monotonic() == 1_000
    with pytest.raises(LinkDown, match="1006"):
        await bench.link.call(HeartbeatRequest())


@virtual
async def test_an_answer_from_before_a_reconnect_is_ignored(bench):
    """A stack that was seen to hang: an answer that comes when nothing is in flight."""
    end = await bench.connected()
    call = asyncio.create_task(bench.link.call(HeartbeatRequest()))
    await bench.clock.sleep(1)
    old = await bench.receive()
    await end.close()
    with pytest.raises(LinkDown):
        await call
    end = await bench.connected()
    await end.send(json.dumps([3, old[1], {"currentTime": TIME}]))
    again = asyncio.create_task(bench.link.call(HeartbeatRequest()))
    await bench.answer_heartbeat()
    assert await again == BEAT


@virtual
async def test_a_call_error_and_a_bad_answer(bench):
    end = await bench.connected()
    call = asyncio.create_task(bench.link.call(HeartbeatRequest()))
    await end.send(json.dumps([4, (await bench.receive())[1], "NotSupported", "no", {}]))
    with pytest.raises(CallErrorReceived, match="NotSupported: no"):
        await call
    call = asyncio.create_task(bench.link.call(HeartbeatRequest()))
    await end.send(json.dumps([3, (await bench.receive())[1], {"currentTime": "soon"}]))
    with pytest.raises(BadAnswer):
        await call


@virtual
async def test_a_cancelled_caller_does_not_let_the_next_call_go_early(bench):
    await bench.connected()
    first = asyncio.create_task(bench.link.call(HeartbeatRequest()))
    second = asyncio.create_task(bench.link.call(HeartbeatRequest()))
    await bench.clock.sleep(1_000)
    first.cancel()
    await bench.clock.sleep(1_000)
    assert len(bench.traffic) == 1
    await bench.answer_heartbeat()
    await bench.answer_heartbeat()
    assert await second == BEAT
    third = asyncio.create_task(bench.link.call(HeartbeatRequest()))
    fourth = asyncio.create_task(bench.link.call(HeartbeatRequest()))
    await bench.clock.sleep(1_000)
    third.cancel()
    fourth.cancel()
    with pytest.raises(CallTimeout):
        await asyncio.gather(bench.link.call(HeartbeatRequest()))
    assert bench.clock.monotonic() == 2_000 + 1_000 + 59_000 + 60_000


@virtual
async def test_a_cancelled_caller_and_then_a_lost_connection(bench):
    end = await bench.connected()
    first = asyncio.create_task(bench.link.call(HeartbeatRequest()))
    await bench.clock.sleep(1_000)
    first.cancel()
    await bench.clock.sleep(1_000)
    await end.close()
    await bench.clock.sleep(1)
    await bench.connected()
    again = asyncio.create_task(bench.link.call(HeartbeatRequest()))
    await bench.answer_heartbeat()
    assert await again == BEAT


# -- their calls


CLEAR = '[2,"a","ClearCache",{}]'


@virtual
async def test_a_call_is_answered_and_what_comes_after_runs_after(bench):
    end = await bench.connected()
    seen: list = []
    bench.station.on_request = lambda request: (CLEARED, lambda: seen.append(len(bench.traffic)))
    await end.send(CLEAR)
    assert await bench.receive() == [3, "a", {"status": "Accepted"}]
    assert seen == [2]


@virtual
async def test_a_handler_that_calls_is_no_deadlock(bench):
    end = await bench.connected()

    async def call_first(request):
        assert await bench.link.call(HeartbeatRequest()) == BEAT
        return CLEARED

    bench.station.on_request = call_first
    await end.send(CLEAR)
    await bench.answer_heartbeat()
    assert await bench.receive() == [3, "a", {"status": "Accepted"}]


@virtual
async def test_a_call_is_answered_while_ours_is_open(bench):
    end = await bench.connected()
    call = asyncio.create_task(bench.link.call(HeartbeatRequest()))
    beat = await bench.receive()
    await end.send(CLEAR)
    assert (await bench.receive())[:2] == [3, "a"]
    await end.send(json.dumps([3, beat[1], {"currentTime": TIME}]))
    assert await call == BEAT


@virtual
async def test_the_caller_goes_on_before_a_call_that_came_right_behind_its_answer(bench):
    """A CSMS that accepts a boot and asks for a report in the same breath finds the station booted."""
    end = await bench.connected()

    async def boot() -> None:
        await bench.link.call(HeartbeatRequest())
        bench.station.notes.append("booted")

    booting = asyncio.create_task(boot())
    beat = await bench.receive()
    await end.send(json.dumps([3, beat[1], {"currentTime": TIME}]))
    await end.send(CLEAR)
    await booting
    await bench.receive()
    assert bench.station.notes == ["connected", "booted", "ClearCacheRequest"]


def _raise(error: Exception):
    def handler(request):
        raise error

    return handler


@pytest.mark.parametrize(
    ("handler", "code"),
    [
        (_raise(CallError(ErrorCode.NOT_SUPPORTED, "not here")), "NotSupported"),
        (_raise(CallError(ErrorCode.SECURITY_ERROR, "not yet accepted")), "SecurityError"),
        (_raise(RuntimeError("a mistake")), "InternalError"),
        (_raise(LinkDown("a call of the handler's own")), "InternalError"),
        (lambda request: None, "InternalError"),
        (lambda request: ResetResponse(ResetStatus.ACCEPTED), "InternalError"),
    ],
)
def test_a_handler_that_fails_still_answers(handler, code):
    @virtual
    async def test(bench):
        end = await bench.connected()
        bench.station.on_request = handler
        await end.send(CLEAR)
        answer = await bench.receive()
        assert answer[:3] == [4, "a", code]
        assert "mistake" not in answer[3]
        bench.station.on_request = lambda request: CLEARED
        await end.send(CLEAR)
        assert (await bench.receive())[:2] == [3, "a"]

    test()


@virtual
async def test_an_answer_that_comes_too_late_for_its_connection_goes_nowhere(bench):
    end = await bench.connected()
    ran: list = []

    async def slow(request):
        await bench.clock.sleep(30_000)
        return CLEARED, lambda: ran.append(1)

    bench.station.on_request = slow
    await end.send(CLEAR)
    await bench.clock.sleep(1_000)
    await end.close()
    await bench.connected()
    await bench.clock.sleep(60_000)
    assert ran == [1]
    bench.station.on_request = lambda request: CLEARED
    await bench.ends[-1].send('[2,"b","ClearCache",{}]')
    assert (await bench.receive())[1] == "b"


@virtual
async def test_garbage_is_refused_and_the_connection_goes_on(bench):
    end = await bench.connected()
    for garbage, message_id in (("{", "-1"), (b"\xff", "-1"), ('[2,"x","Nothing",{}]', "x"), ('[2,"y"]', "y")):
        await end.send(garbage)
        assert (await bench.receive())[:2] == [4, message_id]
    await end.send('[3,"nothing",{}]')
    await end.send('[4,"nothing","InternalError","",{}]')
    await end.send(CLEAR)
    assert (await bench.receive())[:2] == [3, "a"]
    assert bench.link.connected


def test_the_same_seed_gives_the_same_messages():
    async def texts() -> list:
        bench = Bench()
        await bench.connected()
        for _ in range(2):
            call = asyncio.create_task(bench.link.call(HeartbeatRequest()))
            await bench.answer_heartbeat()
            await call
        bench.task.cancel()
        return bench.traffic

    first, second = run_virtual(texts()), run_virtual(texts())
    assert first == second
    assert len({json.loads(text)[1] for _, text in first}) == 2
