"""Real sockets on the loopback: unicast, multicast, foreign source ports, what cannot be sent or bound."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator

import pytest

from bridge.clock import Clock
from bridge.echonet.controller import Controller, Notification
from bridge.echonet.discovery import Found
from bridge.echonet.frame import Frame, Service, encode
from bridge.echonet.udp import UdpLan, open_udp
from bridge.errors import ConfigError, NoAnswerError

#: Workers that run at the same time have addresses, groups and (on IPv6) ports of their own.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
GROUP = f"239.77.{WORKER}.1"
IPV6_PORT = 36_100 + WORKER


def address(host: int) -> str:
    return f"127.77.{WORKER}.{host}"


class Box:
    """What arrived at one node."""

    def __init__(self, lan: UdpLan) -> None:
        self.lan = lan
        self.queue: asyncio.Queue[tuple[bytes, str]] = asyncio.Queue()
        lan.attach(lambda data, source: self.queue.put_nowait((data, source)))

    async def next(self) -> tuple[bytes, str]:
        async with asyncio.timeout(5):
            return await self.queue.get()


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Box, Box]]:
    first = await open_udp(address(2), group=GROUP)
    second = await open_udp(address(3), group=GROUP)
    yield Box(first), Box(second)
    await first.close()
    await second.close()


async def test_unicast_reaches_one_node_with_the_senders_address(pair):
    one, two = pair
    one.lan.send(b"to two", address(3))
    assert await two.next() == (b"to two", address(2))
    two.lan.send(b"to one", address(2))
    assert await one.next() == (b"to one", address(3))
    assert one.lan.address == address(2)


async def test_multicast_reaches_the_others_and_not_ourselves(pair):
    one, two = pair
    one.lan.multicast(b"to all")
    assert await two.next() == (b"to all", address(2))
    two.lan.send(b"end", address(2))
    assert await one.next() == (b"end", address(3))  # and nothing of our own before it


async def test_answers_may_come_from_another_port(pair):
    one, _ = pair
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((address(9), 0))
        other.sendto(b"hello", (address(2), 3610))
    assert await one.next() == (b"hello", address(9))


async def test_what_cannot_be_sent_is_counted_and_harmless(pair):
    one, two = pair
    for bad in ("::1", "no address", "example.invalid", ""):
        one.lan.send(b"x", bad)
    assert one.lan.dropped.total() == 4
    one.lan.send(bytes(70_000), address(3))
    assert one.lan.dropped.total() == 5
    one.lan.send(b"nobody listens", address(200))
    one.lan.send(b"still there", address(3))
    assert await two.next() == (b"still there", address(2))


async def test_the_largest_of_floods_is_taken_in_bursts(pair):
    one, two = pair
    for number in range(100):
        one.lan.send(bytes([number]), address(3))
    assert [(await two.next())[0][0] for _ in range(100)] == list(range(100))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when a datagram came")
async def test_what_lies_in_both_sockets_is_handed_on_in_the_order_in_which_it_came(pair):
    """The two sockets would else decide which of an answer and a notification is the newer word."""
    one, two = pair
    for number in range(120):
        data = bytes((number,))
        if number % 5 == 4 or number > 100:
            one.lan.multicast(data)
        else:
            one.lan.send(data, address(3))
    assert [(await two.next())[0][0] for _ in range(120)] == list(range(120))


async def test_after_closing_nothing_is_sent_and_the_address_is_free():
    lan = await open_udp(address(4), group=GROUP, reuse=False)
    await lan.close()
    await lan.close()
    lan.send(b"x", address(3))
    again = await open_udp(address(4), group=GROUP, reuse=False)
    await again.close()


async def test_an_address_in_use_is_said_with_the_mend():
    lan = await open_udp(address(5), group=GROUP, reuse=False)
    with pytest.raises(ConfigError, match=r"another program has it.*address of its own"):
        await open_udp(address(5), group=GROUP, reuse=False)
    await lan.close()


@pytest.mark.parametrize(
    ("bind", "options", "says"),
    [
        ("203.0.113.7", {}, "no such address"),
        ("localhost", {}, "write the address"),
        ("127.0.0.1", {"group": "192.0.2.1"}, "not an IPv4 multicast group"),
        ("127.0.0.1", {"group": "ff02::1"}, "not an IPv4 multicast group"),
        ("::1", {}, "add the interface"),
        ("::1", {"interface": "none9"}, "no network card 'none9'.*it has .*lo"),
    ],
)
async def test_what_cannot_be_bound_is_a_configuration_error(bind, options, says):
    with pytest.raises(ConfigError, match=says):
        await open_udp(bind, **options)


async def test_ipv6_takes_and_sends():
    """The loopback has one IPv6 address and no multicast route: the other node is a bare socket at another port."""
    box = Box(await open_udp("::1", interface="lo", port=IPV6_PORT))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
        other.bind(("::1", 0))
        other.sendto(b"hello", ("::1", IPV6_PORT))
        assert await box.next() == (b"hello", "::1")
    await box.lan.close()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("::1", IPV6_PORT + 500))
        other.settimeout(5)
        lan = await open_udp("::", interface="lo", port=IPV6_PORT + 500)
        lan.send(b"to you", "::1")
        assert (await asyncio.to_thread(other.recv, 100)) == b"to you"
        await lan.close()


@pytest.mark.covers("AIF-3.1.1-0", "AIF-3.1.2-1")
async def test_two_controllers_read_each_other_over_real_sockets():
    seen: asyncio.Queue[Notification] = asyncio.Queue()
    found: asyncio.Queue[Found] = asyncio.Queue()
    controllers = []
    for host in (6, 7):
        lan = await open_udp(address(host), group=GROUP)
        controllers.append(Controller(lan, Clock(), unique_id=bytes([host] * 13), classes=frozenset({0x05FF}), gap=0))
    one, two = controllers
    one.on_notification(seen.put_nowait)
    two.on_found(found.put_nowait)
    await one.start()
    await two.start()
    async with asyncio.timeout(5):
        told = await seen.get()
        assert (told.address, told.eoj, told.values) == (address(7), 0x0EF001, {0xD5: bytes.fromhex("0105FF01")})
        hit = await found.get()  # the answer to the second one's search
        assert (hit.address, hit.eoj) == (address(6), 0x05FF01)
        got = await two.get(address(6), 0x0EF001, (0x83, 0xD5))
        assert got.values == {0x83: b"\xfe\xff\xff\xff" + bytes([6] * 13)}
        assert got.refused == {0xD5}
        done = await two.set(address(6), 0x05FF01, [(0x81, b"\x08")])
        assert done.accepted == {0x81}
    await one.close()
    waiting = asyncio.create_task(two.get(address(6), 0x0EF001, (0x83,)))
    await asyncio.wait([waiting], timeout=0.05)
    await two.close()
    with pytest.raises(NoAnswerError):
        await waiting


async def test_garbage_on_the_socket_leaves_the_node_answering(pair):
    _, two = pair
    lan = await open_udp(address(8), group=GROUP)
    controller = Controller(lan, Clock(), unique_id=bytes(13), classes=frozenset())
    await controller.start()
    for data in (b"", b"\x10", os.urandom(1400), b"\x10\x81" + bytes(60)):
        two.lan.send(data, address(8))
    two.lan.send(encode(Frame(3, 0x05FF01, 0x0EF001, Service.GET, ((0x80, b""),))), address(8))
    while (await two.next())[0] != encode(Frame(3, 0x0EF001, 0x05FF01, Service.GET_RES, ((0x80, b"\x30"),))):
        pass
    assert controller.malformed.total() == 4
    await controller.close()
