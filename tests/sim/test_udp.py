"""Simulated nodes over real UDP on loopback addresses."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from bridge.clock import Clock
from bridge.errors import ConfigError
from bridge.sim.codec import Esv, Prop, SimFrame, encode
from bridge.sim.control import SimUnit
from bridge.sim.lan import Datagram
from bridge.sim.node import SimNode
from bridge.sim.udp import open_udp_port, start_units_udp
from bridge.sim.unit import SimUnitConfig
from tests.tools.sim_controller import SimController, loopback


async def test_two_nodes_in_one_process_are_found_read_written_and_heard() -> None:
    clock = Clock(1)
    addresses = [loopback(2), loopback(3)]
    units = {address: SimUnit(clock, SimUnitConfig(inf_delay_ms=10)) for address in addresses}
    nodes = {address: SimNode(clock, address.encode(), [unit]) for address, unit in units.items()}
    async with AsyncExitStack() as stack:
        controller_port = await open_udp_port(loopback(9), clock)
        stack.push_async_callback(controller_port.close)
        controller = SimController(controller_port)
        await start_units_udp(nodes, clock)
        for node in nodes.values():
            stack.push_async_callback(node.close)
        for address, unit in units.items():
            assert await controller.inf(address, 0xD5) == bytes.fromhex("01027E01")
            assert await controller.get(address, 0xC7, 0xE4) == {0xC7: b"\x30", 0xE4: b""}
            unit.plug()
            assert await controller.inf(address, 0xC7) == b"\x43"
            assert await controller.set(address, 0xDA, 0x42) == Esv.SET_RES
            assert await controller.inf(address, 0xDA) == b"\x42"
            assert [write.source for write in unit.log] == [loopback(9)]


async def test_a_search_over_the_group_is_answered() -> None:
    clock = Clock(1)
    address = loopback(2, net=78)
    node = SimNode(clock, b"x", [SimUnit(clock)])
    async with AsyncExitStack() as stack:
        ports = await start_units_udp({address: node}, clock)
        stack.push_async_callback(node.close)
        controller_port = await open_udp_port(loopback(9, net=78), clock)
        stack.push_async_callback(controller_port.close)
        controller = SimController(controller_port)
        seen: list[Datagram] = []
        ports[address].tap(seen.append)
        controller_port.multicast(encode(controller.frame(Esv.INF_REQ, 0xD5, deoj=0x0EF001)))
        assert await controller.inf(address, 0xD5) == bytes.fromhex("01027E01")
        ours = [d for d in seen if loopback(9, net=78) in (d.source, d.destination) or d.source == address]
        assert [d.destination for d in ours[:2]] == [None, None]


async def test_an_address_that_is_taken_or_not_ours_is_told() -> None:
    address = loopback(2, net=79)
    port = await open_udp_port(address)
    try:
        with pytest.raises(ConfigError, match="another unit"):
            await open_udp_port(address)
        with pytest.raises(ConfigError, match=r"192\.0\.2\.1"):
            await open_udp_port("192.0.2.1")
    finally:
        await port.close()
    again = await open_udp_port(address)
    await again.close()
    again.send(b"after closing", address)


async def test_answers_may_leave_from_another_port() -> None:
    clock = Clock(1)
    address = loopback(2, net=83)
    node = SimNode(clock, b"x", [SimUnit(clock, SimUnitConfig(quirks={"other-port": True}))])
    ports: list[tuple[str, int]] = []
    heard = asyncio.Event()

    class Socket(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            ports.append(addr)
            heard.set()

    async with AsyncExitStack() as stack:
        await start_units_udp({address: node}, clock)
        stack.push_async_callback(node.close)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            Socket, local_addr=(loopback(9, net=83), 3610)
        )
        stack.callback(transport.close)
        transport.sendto(encode(SimFrame(1, 0x05FF01, 0x027E01, Esv.GET, (Prop(0x80),))), (address, 3610))
        async with asyncio.timeout(10):
            await heard.wait()
        assert ports == [(address, 23_610)]


async def test_a_node_may_come_back_at_another_address() -> None:
    clock = Clock(1)
    first, taken, free = (loopback(host, net=84) for host in (2, 3, 4))
    node = SimNode(clock, b"x", [SimUnit(clock, SimUnitConfig(quirks={"new-address": True}))])
    seen: list[Datagram] = []
    async with AsyncExitStack() as stack:
        for address in (taken, loopback(9, net=84)):
            port = await open_udp_port(address, clock)
            stack.push_async_callback(port.close)
        controller = SimController(port)
        await start_units_udp({first: node}, clock, lambda _: seen.append)
        stack.push_async_callback(node.close)
        ident = (await controller.get(first, 0x83))[0x83]
        node.mute()
        await node.start()
        assert await controller.inf(free, 0xD5) == bytes.fromhex("01027E01")
        assert (await controller.get(free, 0x83))[0x83] == ident
        assert {datagram.source for datagram in seen} >= {first, free}


async def test_a_node_that_must_move_to_a_taken_address_says_so() -> None:
    clock = Clock(1)
    async with AsyncExitStack() as stack:
        for host in (2, 3):
            port = await open_udp_port(loopback(host, net=85), clock)
            stack.push_async_callback(port.close)
        with pytest.raises(ConfigError, match=f"cannot open {loopback(2, net=85)}"):
            await port.moved(loopback(2, net=85))
