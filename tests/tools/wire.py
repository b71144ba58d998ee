"""A network in memory on which tests play the other nodes, datagram by datagram."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bridge.echonet.frame import Frame, Property, Service, decode, encode
from bridge.echonet.lan import Receiver
from bridge.echonet.wellknown import CONTROLLER

UNIT = 0x027E01
ALL = "*"


class WireLan:
    """The `Lan` of the node under test. What it sends is kept in `sent`; `peer` is called with it, one turn later."""

    def __init__(self, peer: Callable[[str, Frame], None] | None = None) -> None:
        self.sent: list[tuple[str, Frame]] = []
        self.peer = peer
        self.closed = False
        self._receiver: Receiver | None = None

    def send(self, data: bytes, address: str) -> None:
        frame = decode(data)
        self.sent.append((address, frame))
        if self.peer is not None:
            asyncio.get_running_loop().call_soon(self.peer, address, frame)

    def multicast(self, data: bytes) -> None:
        self.send(data, ALL)

    def attach(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def close(self) -> None:
        self.closed = True

    def deliver(self, data: bytes | Frame, address: str) -> None:
        """Let a datagram arrive from a node."""
        assert self._receiver is not None
        self._receiver(encode(data) if isinstance(data, Frame) else data, address)


def answer(frame: Frame, service: Service, *properties: Property, seoj: int | None = None) -> Frame:
    """The answer to a request that was sent; with its own object unless another is named."""
    return Frame(frame.tid, frame.deoj if seoj is None else seoj, CONTROLLER, service, properties)


def inform(seoj: int, *properties: Property, service: Service = Service.INF, tid: int = 0) -> Frame:
    """A notification of an object."""
    return Frame(tid, seoj, 0x0EF001, service, properties)
