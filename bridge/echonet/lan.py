"""The port to a network: UDP in the product, memory under the virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

#: Called with each datagram and the address of the node it came from (no port: replies always go to 3610).
Receiver = Callable[[bytes, str], None]


class Lan(Protocol):
    """One network on which ECHONET Lite nodes are reached by address."""

    def send(self, data: bytes, address: str) -> None:
        """Send a datagram to port 3610 of a node. Never blocks, never raises for a network's trouble."""

    def multicast(self, data: bytes) -> None:
        """Send a datagram to all nodes."""

    def attach(self, receiver: Receiver) -> None:
        """Take what arrives. Replaces the earlier receiver."""

    async def close(self) -> None:
        """Leave the network."""
