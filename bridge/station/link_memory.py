"""Connections in memory, for virtual time: what one end sends, the other receives, in order and at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from bridge.station.link import LinkDown


class MemoryConnection:
    """One end of a connection; `pair` makes both."""

    def __init__(self) -> None:
        self.subprotocol: str | None = None
        self.ended = ""
        self._inbox: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self._peer: MemoryConnection = self

    @classmethod
    def pair(cls, subprotocol: str | None = None) -> tuple[MemoryConnection, MemoryConnection]:
        """Two ends that are connected to each other."""
        one, other = cls(), cls()
        one._peer, other._peer = other, one
        one.subprotocol = other.subprotocol = subprotocol
        return one, other

    async def send(self, text: str | bytes) -> None:
        """Hand a message to the other end. Raises LinkDown when the connection is closed."""
        if self.ended:
            raise LinkDown(f"the connection is closed: {self.ended}")
        self._peer._inbox.put_nowait(text)

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """What the other end sends, until either end closes; what was sent before is still received."""
        while (message := await self._inbox.get()) is not None:
            yield message

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close both ends."""
        if self.ended:
            return
        self.ended = self._peer.ended = f"{code} {reason}".rstrip()
        self._inbox.put_nowait(None)
        self._peer._inbox.put_nowait(None)


#: Takes the CSMS's end of a new connection. May raise LinkDown to refuse it.
Acceptor = Callable[[MemoryConnection], None]


class MemoryDialer:
    """Dials an acceptor instead of a CSMS on the network; `subprotocol` is what that CSMS agrees to."""

    def __init__(self, accept: Acceptor, subprotocol: str | None = None) -> None:
        self.accept = accept
        self.subprotocol = subprotocol
        self.dials = 0

    async def dial(self, subprotocols: tuple[str, ...]) -> MemoryConnection:
        """A new connection, whose other end the acceptor has. Raises LinkDown."""
        self.dials += 1
        agreed = self.subprotocol or subprotocols[0]
        if agreed not in subprotocols:
            raise LinkDown(f"the CSMS agrees to {agreed}, not to {', '.join(subprotocols)}")
        ours, theirs = MemoryConnection.pair(agreed)
        self.accept(theirs)
        return ours
