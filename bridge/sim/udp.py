"""Simulated nodes over real UDP: each on an address of its own, 127.x.y.z:3610 by default, several in one process.

A port has two sockets: one bound to its address for what is sent to it alone and for all it sends, and one bound to the
group for multicasts, with membership on that address' interface.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Callable
from functools import partial

from bridge.clock import Clock
from bridge.errors import ConfigError
from bridge.sim.lan import Datagram, Receiver, Tap, Taps
from bridge.sim.node import SimNode

PORT = 3610
GROUP = "224.0.23.0"

#: How many addresses are tried for a node that moves.
_TRIES = 16

#: Linux: without this a socket also gets what comes for groups that other sockets joined. Not in `socket`.
_IP_MULTICAST_ALL = 49


class UdpPort:
    """One address on a real network, with the same shape as `SimPort`."""

    def __init__(
        self, clock: Clock, address: str, group: str = GROUP, reuse: bool = False, answer_port: int | None = None
    ) -> None:
        self._clock = clock
        self.address = address
        self._group = group
        self._reuse = reuse
        self._answer_port = answer_port
        self._receiver: Receiver | None = None
        self._transports: list[asyncio.DatagramTransport] = []
        self._taps = Taps()

    def tap(self, tap: Tap) -> Callable[[], None]:
        """Observe each datagram that leaves or reaches this port; call the result to stop."""
        return self._taps.add(tap)

    def send(self, data: bytes, address: str) -> None:
        """Send a datagram to port 3610 of a node."""
        self._send(data, address, address)

    def multicast(self, data: bytes) -> None:
        """Send a datagram to all other nodes."""
        self._send(data, self._group, None)

    def attach(self, receiver: Receiver) -> None:
        """Take what arrives. Replaces the earlier receiver."""
        self._receiver = receiver

    async def close(self) -> None:
        """Leave the network."""
        self._receiver = None
        for transport in self._transports:
            transport.close()
        self._transports = []
        await self._clock.sleep(0)

    async def moved(self, to: str | None = None) -> UdpPort:
        """A port at another address in place of this one: `to`, or the next one above that is free."""
        await self.close()
        candidate = ipaddress.ip_address(to or self.address) + (to is None)
        for number in range(1 if to else _TRIES):
            try:
                port = await self._opened_at(str(candidate + number))
            except ConfigError:
                if to or number == _TRIES - 1:
                    raise
            else:
                port._taps = self._taps
                return port
        raise AssertionError("unreachable")

    async def _opened_at(self, address: str) -> UdpPort:
        return await open_udp_port(
            address, self._clock, reuse=self._reuse, group=self._group, answer_port=self._answer_port
        )

    def _send(self, data: bytes, to: str, destination: str | None) -> None:
        if not self._transports:
            return
        # the last socket is the one of the other port, where there is one
        self._transports[-1 if destination and self._answer_port else 0].sendto(data, (to, PORT))
        now = self._clock.monotonic()
        self._taps.tell(Datagram(now, self.address, destination, data, ((to, now),)))

    def take(self, data: bytes, source: str, destination: str | None) -> None:
        """What the network delivers. Our own multicasts come back to us and are dropped."""
        if source == self.address:
            return
        now = self._clock.monotonic()
        self._taps.tell(Datagram(now, source, destination, data, ((self.address, now),)))
        if self._receiver is not None:
            self._receiver(data, source)

    def add_transport(self, transport: asyncio.DatagramTransport) -> None:
        """The first one is also the one that sends."""
        self._transports.append(transport)


class _Endpoint(asyncio.DatagramProtocol):
    """One socket of a port."""

    def __init__(self, port: UdpPort, destination: str | None) -> None:
        self._port = port
        self._destination = destination

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._port.take(data, addr[0], self._destination)


async def open_udp_port(
    address: str,
    clock: Clock | None = None,
    *,
    reuse: bool = False,
    group: str = GROUP,
    answer_port: int | None = None,
) -> UdpPort:
    """Open a port at an IPv4 address of this machine.

    Nodes of one `group` hear each other. `reuse` lets another program bind all addresses of port 3610 beside it.
    `answer_port`: what is sent to one node leaves from this port, as in the field (quirk `other-port`).
    Raises `ConfigError` if the address is not this machine's or is taken.
    """
    port = UdpPort(clock or Clock(), address, group, reuse, answer_port)
    loop = asyncio.get_running_loop()
    sockets: list[socket.socket] = []
    try:
        sockets.append(_unicast_socket(address, reuse))
        sockets.append(_group_socket(address, group))
        if answer_port is not None:
            sockets.append(_unicast_socket(address, reuse, answer_port))
    except OSError as error:
        for opened in sockets:
            opened.close()
        mend = (
            "this machine has no such address; every 127.x.y.z is one"
            if error.errno == errno.EADDRNOTAVAIL
            else "is another unit running there?"
        )
        raise ConfigError(f"cannot open {address}:{PORT}: {error.strerror}; {mend}") from error
    for opened, destination in zip(sockets, (address, None, address), strict=False):
        transport, _ = await loop.create_datagram_endpoint(partial(_Endpoint, port, destination), sock=opened)
        port.add_transport(transport)
    return port


def _unicast_socket(address: str, reuse: bool, port: int = PORT) -> socket.socket:
    opened = _new_socket()
    try:
        if reuse:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
        opened.bind((address, port))
    except OSError:
        opened.close()
        raise
    return opened


def _group_socket(address: str, group: str) -> socket.socket:
    opened = _new_socket()
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        membership = socket.inet_aton(group) + socket.inet_aton(address)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        opened.bind((group, PORT))
    except OSError:
        opened.close()
        raise
    return opened


def _new_socket() -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setblocking(False)
    return opened


async def start_units_udp(
    nodes: dict[str, SimNode], clock: Clock | None = None, tap_of: Callable[[str], Tap] | None = None
) -> dict[str, UdpPort]:
    """Put each node on its address and let it announce itself. If one cannot open, none stays open.

    `tap_of` makes a tap for an address that sees all from the first datagram on.
    """
    ports: dict[str, UdpPort] = {}
    try:
        for address, node in nodes.items():
            ports[address] = await open_udp_port(address, clock, answer_port=node.config.answer_port)
    except ConfigError:
        for port in ports.values():
            await port.close()
        raise
    for address, node in nodes.items():
        if tap_of is not None:
            ports[address].tap(tap_of(address))
        node.attach(ports[address])
        await node.start()
    return ports
