"""The controller on a network in memory, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from bridge.clock import Clock, run_virtual
from bridge.echonet.controller import ALL_NODES, Controller, Notification, Traffic
from bridge.echonet.discovery import Found
from bridge.echonet.frame import TWO_BLOCKS, Defect, Frame, Service, encode
from bridge.echonet.session import Priority
from bridge.errors import ConfigError, NoAnswerError
from tests.tools.wire import ALL, UNIT, WireLan, answer, inform

NODE = "192.0.2.7"
PROFILE = 0x0EF001


class Bench:
    """A started controller, its network and what it told."""

    def __init__(self, peer=None, **options) -> None:
        self.lan = WireLan(peer)
        self.clock = Clock(seed=1)
        options = {"unique_id": bytes(13), "classes": frozenset({0x027E})} | options
        self.controller = Controller(self.lan, self.clock, **options)
        self.notified: list[Notification] = []
        self.found: list[Found] = []
        self.traffic: list[Traffic] = []
        self.controller.on_notification(self.notified.append)
        self.controller.on_found(self.found.append)
        self.controller.on_traffic(self.traffic.append)

    async def __aenter__(self) -> Bench:
        await self.controller.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.controller.close()

    def asked(self, address: str = NODE) -> list[Frame]:
        return [frame for to, frame in self.lan.sent if to == address]


def obliging(bench: Bench):
    """A peer that answers every Get with 01 and takes every write."""

    def peer(address: str, frame: Frame) -> None:
        if address != ALL and frame.service is Service.GET:
            bench.lan.deliver(answer(frame, Service.GET_RES, *((epc, b"\1") for epc, _ in frame.properties)), address)
        elif address != ALL and frame.service is Service.SET_C:
            bench.lan.deliver(answer(frame, Service.SET_RES, *((epc, b"") for epc, _ in frame.properties)), address)

    return peer


@pytest.mark.covers("AIF-3.1.1-0", "AIF-3.1.2-1")
def test_at_start_it_announces_itself_and_searches():
    async def run() -> None:
        async with Bench() as bench:
            (_, told), (_, search) = bench.lan.sent
            assert [to for to, _ in bench.lan.sent] == [ALL, ALL]
            assert (told.service, told.seoj, told.deoj) == (Service.INF, PROFILE, PROFILE)
            assert told.properties == ((0xD5, bytes.fromhex("0105FF01")),)
            assert (search.service, search.seoj, search.deoj) == (Service.GET, 0x05FF01, PROFILE)
            assert search.properties == ((0xD6, b""),)

    run_virtual(run())


@pytest.mark.covers("AIF-3.1.2-1")
def test_it_searches_by_class_once_more_while_something_is_missing():
    async def run() -> None:
        async with Bench() as bench:
            await bench.clock.sleep(19_990)
            assert len(bench.lan.sent) == 2
            await bench.clock.sleep(100_000)
            (_, again) = bench.lan.sent[-1]
            assert len(bench.lan.sent) == 3
            assert (again.deoj, again.properties) == (0x027E00, ((0x80, b""),))
            bench.lan.deliver(answer(again, Service.GET_RES, (0x80, b"0"), seoj=0x027E1F), NODE)
        async with Bench() as bench:
            search = bench.lan.sent[-1][1]
            bench.lan.deliver(answer(search, Service.GET_RES, (0xD6, bytes.fromhex("01027E01"))), NODE)
            assert bench.found == [Found(NODE, UNIT, new=True, started=False)]
            await bench.clock.sleep(100_000)
            assert len(bench.lan.sent) == 2

    run_virtual(run())


@pytest.mark.covers("AIF-3.1.1-1")
def test_notifications_find_objects_and_are_passed_on():
    async def run() -> None:
        async with Bench() as bench:
            bench.lan.deliver(inform(PROFILE, (0xD5, bytes.fromhex("02027E01027E02"))), NODE)
            bench.lan.deliver(inform(UNIT, (0xC7, b"\x41"), (0xDA, b"")), NODE)
            assert [found.eoj for found in bench.found] == [0x027E01, 0x027E02]
            assert bench.notified[1] == Notification(NODE, UNIT, {0xC7: b"\x41"}, Service.INF, 0)

    run_virtual(run())


def test_an_answer_that_nobody_asked_for_finds_nothing():
    async def run() -> None:
        async with Bench() as bench:
            bench.lan.deliver(Frame(0, UNIT, 0x05FF01, Service.GET_RES, ((0x80, b"0"),)), NODE)
            assert bench.found == []
            assert bench.controller.strays == {"unknown": 1}

    run_virtual(run())


def test_an_infc_is_passed_on_and_acknowledged():
    async def run() -> None:
        async with Bench() as bench:
            frame = Frame(77, UNIT, 0x05FF01, Service.INFC, ((0xDA, b"\x42"),))
            bench.lan.deliver(frame, NODE)
            assert bench.notified[0].service is Service.INFC
            assert bench.asked() == [Frame(77, 0x05FF01, UNIT, Service.INFC_RES, ((0xDA, b""),))]

    run_virtual(run())


def test_requests_to_us_are_answered_where_they_came_from():
    async def run() -> None:
        async with Bench() as bench:
            bench.lan.deliver(Frame(5, 0x05FF01, PROFILE, Service.GET, ((0xD6, b""),)), NODE)
            assert bench.asked() == [Frame(5, PROFILE, 0x05FF01, Service.GET_RES, ((0xD6, bytes.fromhex("0105FF01")),))]
            bench.lan.deliver(Frame(6, 0x05FF01, PROFILE, Service.INF_REQ, ((0xD5, b""),)), NODE)
            assert bench.lan.sent[-1][0] == ALL

    run_virtual(run())


def test_get_and_set_bring_what_was_answered():
    async def run() -> None:
        bench = Bench()
        bench.lan.peer = obliging(bench)
        async with bench:
            got = await bench.controller.get(NODE, UNIT, (0xDA, 0xC7))
            assert (got.values, got.refused, got.missing) == ({0xDA: b"\1", 0xC7: b"\1"}, set(), set())
            done = await bench.controller.set(NODE, UNIT, [(0xDA, b"\x42")])
            assert (done.accepted, done.refused, done.missing) == ({0xDA}, set(), set())
            assert bench.asked()[1].properties == ((0xDA, b"\x42"),)

    run_virtual(run())


def test_partial_and_refused_answers():
    async def run() -> None:
        bench = Bench()

        def peer(address: str, frame: Frame) -> None:
            if frame.service is Service.GET and address == NODE:
                bench.lan.deliver(answer(frame, Service.GET_SNA, (0xE4, b""), (0xDA, b"\x42")), NODE)
            elif frame.service is Service.SET_C:
                bench.lan.deliver(answer(frame, Service.SET_C_SNA, *frame.properties), NODE)

        bench.lan.peer = peer
        async with bench:
            got = await bench.controller.get(NODE, UNIT, (0xDA, 0xE4, 0xC7))
            assert (got.values, got.refused, got.missing) == ({0xDA: b"\x42"}, {0xE4}, {0xC7})
            done = await bench.controller.set(NODE, UNIT, [(0xDA, b"\x42")])
            assert (done.accepted, done.refused) == (set(), {0xDA})

    run_virtual(run())


def test_a_malformed_refusal_ends_the_request_and_is_counted():
    async def run() -> None:
        bench = Bench()

        def peer(address: str, frame: Frame) -> None:
            if frame.service is Service.SET_C:
                whole = encode(answer(frame, Service.SET_C_SNA, (0xEB, bytes(4))))
                bench.lan.deliver(whole[:-3], NODE)

        bench.lan.peer = peer
        async with bench:
            done = await bench.controller.set(NODE, UNIT, [(0xEB, bytes(4))])
            assert done.refused == {0xEB}
            assert bench.controller.malformed == {Defect.TRUNCATED: 1}
            assert "truncated" in bench.traffic[-1].note

    run_virtual(run())


@pytest.mark.covers("AIF-2.4.1-1", "AIF-2.4.2-1", "AIF-2.4.3-1")
def test_silence_ends_after_the_timer_and_the_next_request_has_another_tid():
    async def run() -> None:
        async with Bench() as bench:
            begin = bench.clock.monotonic()
            first = asyncio.create_task(bench.controller.get(NODE, UNIT, (0xDA,)))
            second = asyncio.create_task(bench.controller.get(NODE, UNIT, (0xDA,)))
            with pytest.raises(NoAnswerError, match=r"192\.0\.2\.7 027E01 GET DA: no answer within 20000 ms"):
                await first
            assert bench.clock.monotonic() - begin in range(20_000, 20_003)
            with pytest.raises(NoAnswerError):
                await second
            one, two = bench.asked()
            assert one.tid != two.tid
            assert bench.clock.monotonic() - begin in range(40_000, 40_005)

    run_virtual(run())


def test_late_answers_are_noted_and_not_used():
    async def run() -> None:
        async with Bench() as bench:
            with pytest.raises(NoAnswerError):
                await bench.controller.get(NODE, UNIT, (0xDA,))
            late = answer(bench.asked()[0], Service.GET_RES, (0xDA, b"\x42"))
            again = asyncio.create_task(bench.controller.get(NODE, UNIT, (0xDA,)))
            await bench.clock.sleep(10)
            bench.lan.deliver(late, NODE)
            assert bench.traffic[-1].note == "late"
            assert bench.controller.strays == {"late": 1}
            bench.lan.deliver(answer(bench.asked()[1], Service.GET_RES, (0xDA, b"\x47")), NODE)
            assert (await again).values == {0xDA: b"\x47"}

    run_virtual(run())


def test_a_stop_overtakes_and_does_not_wait_for_a_silent_unit():
    async def run() -> None:
        async with Bench() as bench:
            slow = asyncio.create_task(bench.controller.get(NODE, UNIT, (0xDA,)))
            later = asyncio.create_task(bench.controller.get(NODE, UNIT, (0xC7,)))
            await bench.clock.sleep(0)
            stop = asyncio.create_task(bench.controller.set(NODE, UNIT, [(0xDA, b"\x47")], Priority.STOP))
            await bench.clock.sleep(1_990)
            assert len(bench.asked()) == 1
            await bench.clock.sleep(20)
            ask, early = bench.asked()
            assert early.properties == ((0xDA, b"\x47"),)
            bench.lan.deliver(answer(early, Service.SET_RES, (0xDA, b"")), NODE)
            assert (await stop).accepted == {0xDA}
            bench.lan.deliver(answer(ask, Service.GET_RES, (0xDA, b"\x42")), NODE)
            assert (await slow).values == {0xDA: b"\x42"}
            await bench.clock.sleep(1)
            assert bench.asked()[-1].properties == ((0xC7, b""),)
            later.cancel()

    run_virtual(run())


def test_who_is_cancelled_leaves_nothing_behind():
    async def run() -> None:
        async with Bench() as bench:
            out = asyncio.create_task(bench.controller.get(NODE, UNIT, (0xDA,)))
            waiting = asyncio.create_task(bench.controller.get(NODE, UNIT, (0xC7,)))
            await bench.clock.sleep(1)
            for task in (out, waiting):
                task.cancel()
            await asyncio.gather(out, waiting, return_exceptions=True)
            bench.lan.deliver(answer(bench.asked()[0], Service.GET_RES, (0xDA, b"\x42")), NODE)
            await bench.clock.sleep(50_000)
            assert len(bench.asked()) == 1
            bench.lan.peer = obliging(bench)
            assert (await bench.controller.get(NODE, UNIT, (0xE4,))).values == {0xE4: b"\1"}

    run_virtual(run())


def test_garbage_is_counted_noted_and_harmless():
    async def run() -> None:
        bench = Bench()
        bench.lan.peer = obliging(bench)
        async with bench:
            for data in (b"", b"\x10", b"GET / HTTP/1.1", bytes.fromhex("1082"), bytes(8000), b"\x10\x81" * 700):
                bench.lan.deliver(data, NODE)
                bench.lan.deliver(data, NODE)
            assert bench.controller.malformed.total() == 12
            assert bench.controller.malformed[Defect.FREE_FORMAT] == 2
            assert all(each.note for each in bench.traffic if not each.outgoing)
            assert (await bench.controller.get(NODE, UNIT, (0xDA,))).values

    run_virtual(run())


def test_a_failing_callback_does_not_cost_the_others_theirs():
    async def run() -> None:
        bench = Bench()
        second: list[Notification] = []

        def fails(_: Notification) -> None:
            raise RuntimeError("a bug")

        bench.controller.on_notification(fails)
        bench.controller.on_notification(second.append)
        async with bench:
            bench.lan.deliver(inform(UNIT, (0xDA, b"\x42")), NODE)
            assert len(second) == 1

    run_virtual(run())


def test_traffic_shows_everything_in_its_order():
    async def run() -> None:
        bench = Bench()
        bench.lan.peer = obliging(bench)
        async with bench:
            await bench.controller.get(NODE, UNIT, (0xDA,))
            assert [(each.outgoing, each.address) for each in bench.traffic] == [
                (True, ALL_NODES),
                (True, ALL_NODES),
                (True, NODE),
                (False, NODE),
            ]
            assert bench.traffic[2].data == encode(bench.asked()[0])

    run_virtual(run())


def test_closing_ends_what_waits():
    async def run() -> None:
        bench = Bench()
        async with bench:
            waiting = asyncio.create_task(bench.controller.get(NODE, UNIT, (0xDA,)))
            await bench.clock.sleep(1)
        with pytest.raises(NoAnswerError, match="closed"):
            await waiting
        assert bench.lan.closed
        with pytest.raises(NoAnswerError, match="not running"):
            await bench.controller.get(NODE, UNIT, (0xDA,))
        before = len(bench.lan.sent)
        bench.lan.deliver(Frame(5, 0x05FF01, PROFILE, Service.GET, ((0xD6, b""),)), NODE)
        assert len(bench.lan.sent) == before

    run_virtual(run())


@pytest.mark.covers("AIF-2.2-1")
@pytest.mark.parametrize("deoj", [0x05FF01, 0x05FF00, PROFILE, UNIT])
def test_no_service_upsets_it(deoj):
    async def run() -> None:
        bench = Bench()
        bench.lan.peer = obliging(bench)
        async with bench:
            for service in Service:
                for tid in (0, bench.lan.sent[-1][1].tid):
                    second = ((0x80, b""),) if service in TWO_BLOCKS else ()
                    for epc in (0x80, 0x81, 0xD5, 0xD6, 0xDA):
                        bench.lan.deliver(Frame(tid, UNIT, deoj, service, ((epc, b"\x08"),), second), NODE)
            assert (await bench.controller.get(NODE, UNIT, (0xDA,))).values == {0xDA: b"\1"}
            assert (await bench.controller.set(NODE, UNIT, [(0xDA, b"\x42")])).accepted == {0xDA}

    run_virtual(run())


@pytest.mark.covers("AIF-2.4.2-1")
def test_a_short_response_timer_is_refused():
    with pytest.raises(ConfigError):
        Bench(response_timeout=5_000)
