"""Storms of datagrams that nobody asked for: bounded memory, logged once per kind, and commands get through."""

from __future__ import annotations

import itertools
import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.clock import Clock, run_virtual
from bridge.echonet.controller import Controller, GetAnswer, SetAnswer
from bridge.echonet.discovery import Discovery
from bridge.echonet.frame import Frame, Service, encode
from bridge.echonet.intake import STRANGERS_BURST
from bridge.echonet.session import Priority
from tests.bench import storm_bench
from tests.tools.memory import held
from tests.tools.wire import ALL, UNIT, WireLan, answer

NODE, OTHER_UNIT = "192.0.2.7", 0x027E02
WE, PROFILE = 0x05FF01, 0x0EF001
STORM = 10_000
#: At 10,000 a second: so many ms pass per datagram.
PACE = 0.1

Datagram = tuple[bytes, str]


def forged() -> Iterator[str]:
    return (f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in itertools.count())


def frames(seoj: int, service: Service, *properties: tuple[int, bytes], deoj: int = WE) -> Iterator[bytes]:
    """The same frame with one TID after the other: sooner or later it is that of an open request."""
    return (encode(Frame(n & 0xFFFF, seoj, deoj, service, properties)) for n in itertools.count(1))


#: Each kind of storm: its datagrams.
STORMS: dict[str, Callable[[], Iterator[Datagram]]] = {
    "answers from other addresses": lambda: zip(frames(UNIT, Service.GET_RES, (0xDA, b"B")), forged(), strict=True),
    "answers of another object": lambda: ((data, NODE) for data in frames(OTHER_UNIT, Service.SET_RES, (0xDA, b""))),
    "answers of another service": lambda: ((data, NODE) for data in frames(UNIT, Service.INFC_RES, (0xDA, b""))),
    "notifications of strangers": lambda: zip(
        frames(0x013001, Service.INF, (0x80, b"0"), deoj=PROFILE), forged(), strict=True
    ),
    "notifications of the unit": lambda: (
        (data, NODE) for data in frames(UNIT, Service.INF, (0xC7, b"C"), deoj=PROFILE)
    ),
    "INFC to us": lambda: zip(frames(UNIT, Service.INFC, (0xC7, b"C")), forged(), strict=True),
    "requests to us": lambda: zip(frames(WE, Service.GET, (0x9F, b""), deoj=PROFILE), forged(), strict=True),
    "garbage": lambda: zip((n.to_bytes(4) * (n % 9) for n in itertools.count()), forged(), strict=True),
    "cut frames": lambda: ((data[:-1], NODE) for data in frames(UNIT, Service.GET_RES, (0xDA, b"B"))),
}


class Site:
    """A controller and one unit that answers after 30 ms, which is what takes place between the storm's datagrams."""

    def __init__(self) -> None:
        self.lan = WireLan(self._asked)
        self.clock = Clock(seed=1)
        self.controller = Controller(self.lan, self.clock, unique_id=bytes(13), classes=frozenset({0x027E}))
        self.commands: list[SetAnswer] = []
        self.reads: list[GetAnswer] = []

    def _asked(self, address: str, frame: Frame) -> None:
        if address == NODE and frame.service in (Service.GET, Service.SET_C):
            full = {Service.GET: (Service.GET_RES, b"B"), Service.SET_C: (Service.SET_RES, b"")}[frame.service]
            reply = answer(frame, full[0], *((epc, full[1]) for epc, _ in frame.properties))
            self.clock.call_at(self.clock.monotonic() + 30, lambda: self.lan.deliver(reply, NODE))

    async def command(self) -> None:
        """Write and read back."""
        self.commands.append(await self.controller.set(NODE, UNIT, ((0xDA, b"B"),), Priority.COMMAND))
        self.reads.append(await self.controller.get(NODE, UNIT, (0xDA,), Priority.READBACK))

    async def storm(self, datagrams: Iterator[Datagram], count: int) -> None:
        for burst in range(count // 100):
            for data, address in itertools.islice(datagrams, 100):
                self.lan.deliver(data, address)
            self.lan.sent.clear()
            await self.clock.sleep(int(100 * PACE))
            if burst % 10 == 0:
                await self.command()


@pytest.mark.parametrize("kind", STORMS)
def test_a_storm_is_bounded_told_once_and_stops_no_command(kind: str):
    async def main() -> None:
        site = Site()
        await site.controller.start()
        await site.command()
        datagrams = STORMS[kind]()
        tracemalloc.start()
        try:
            with capture_logs() as logs:
                await site.storm(datagrams, STORM // 2)
                before = held("*/bridge/*")
                await site.storm(datagrams, STORM // 2)
                grown = held("*/bridge/*") - before
        finally:
            tracemalloc.stop()
        assert grown < 20_000
        assert len(site.commands) == len(site.reads) == 1 + STORM // 1000
        assert all(told.accepted == {0xDA} for told in site.commands)
        assert all(told.values == {0xDA: b"B"} for told in site.reads)
        texts = [(log["event"], log.get("why") or log.get("reason", "")[:9]) for log in logs]
        assert texts, "nothing was said of it"
        assert len(texts) == len(set(texts))
        assert site.controller.flooded > STORM // 2
        assert site.controller.gap(NODE) == 0  # nobody else's datagrams are this node's trouble
        await site.controller.close()

    run_virtual(main())


def test_what_a_known_unit_tells_is_heard_while_strangers_storm():
    async def main() -> None:
        site = Site()
        await site.controller.start()
        await site.command()
        heard = []
        site.controller.on_notification(lambda told: heard.append(told.values) if told.address == NODE else None)
        strangers = STORMS["notifications of strangers"]()
        for number in range(50):
            await site.storm(strangers, 1_000)
            site.lan.deliver(Frame(0, UNIT, PROFILE, Service.INF, ((0xE4, bytes((number + 1,))),)), NODE)
        assert [values[0xE4][0] for values in heard] == list(range(1, 51))
        await site.controller.close()

    run_virtual(main())


def test_answers_to_a_search_are_let_in_by_measure_too():
    async def main() -> None:
        site = Site()
        found = []
        site.controller.on_found(found.append)
        await site.controller.start()
        search = next(frame for to, frame in reversed(site.lan.sent) if to == ALL)
        reply = answer(search, Service.GET_RES, (0xD6, bytes.fromhex("01027E01")))
        for _, address in zip(range(STORM), forged(), strict=False):
            site.lan.deliver(reply, address)
        assert len(found) == STRANGERS_BURST
        assert site.controller.flooded == STORM - len(found)
        await site.controller.close()

    run_virtual(main())


def test_forged_instance_lists_do_not_fill_the_memory_and_a_forgotten_unit_is_found_again():
    discovery = Discovery(frozenset({0x027E}))
    announcement = Frame(0, PROFILE, PROFILE, Service.INF, ((0xD5, bytes.fromhex("01027E01")),))
    assert [found.new for found in discovery.take(NODE, announcement)] == [True]
    for _, address in zip(range(STORM), forged(), strict=False):
        discovery.take(address, announcement)
    assert len(discovery.known) <= 1024
    assert (NODE, UNIT) not in discovery.known
    assert [found.new for found in discovery.take(NODE, announcement)] == [True]
    assert discovery.known[-1] == (NODE, UNIT)


async def test_a_whole_gateway_obeys_its_csms_in_a_real_storm(tmp_path: Path) -> None:
    """Two seconds of what `--bench` does for ten: real sockets, a process that sends 10,000 datagrams a second."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    net = f"127.{64 + worker}"
    figures = await storm_bench.measure(
        tmp_path, seconds=2, own=f"{net}.3.1", unit=f"{net}.3.2", group=f"239.{64 + worker}.3.1"
    )
    assert figures["sent"] >= 10_000
    assert figures["commands"] >= 1
    assert figures["slowest_command_s"] <= 10
    assert figures["rss_peak"] - figures["rss_before"] <= 4_000_000
    assert figures["log_lines_of_a_kind"] == 1
    assert any("too many" in kind for kind in figures["kinds_in_the_log"])
