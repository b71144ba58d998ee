"""What a simulated node needs of a network, and of the objects that it carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from bridge.sim.codec import Prop
from bridge.sim.lan import Receiver

#: Sends an INF of one object's properties to all.
Announce = Callable[[tuple[Prop, ...]], None]


class Port(Protocol):
    """Where a node is on a network: a `SimPort`, a `UdpPort`, or the product's own `Lan`."""

    def send(self, data: bytes, address: str) -> None:
        """Send to one node."""

    def multicast(self, data: bytes) -> None:
        """Send to all nodes."""

    def attach(self, receiver: Receiver) -> None:
        """Take what arrives."""

    async def close(self) -> None:
        """Leave the network."""


@runtime_checkable
class Movable(Protocol):
    """A port whose node can get another address."""

    async def moved(self, to: str | None) -> Port:
        """Leave, and join again at `to`, or at the next free address."""


class SimDevice(Protocol):
    """A device object that a node can carry."""

    @property
    def class_code(self) -> int:
        """Class group and class."""

    @property
    def wanted_instance(self) -> int | None:
        """The instance it insists on; None takes the next free one."""

    @property
    def quirks(self) -> Mapping[str, object]:
        """Its quirks; those of nodes among them are taken by the node that carries it."""

    @property
    def silent(self) -> bool:
        """Whether it hears and says nothing."""

    def bind(self, own_eoj: int, ident: bytes, announce: Announce) -> None:
        """Told once by the node: its object, its 0x83, and how to announce."""

    def read(self, epc: int) -> bytes | None:
        """A property's data; None = refused."""

    def write(self, epc: int, edt: bytes, source: str) -> bool:
        """Take a property's data; False = refused."""

    def close(self) -> None:
        """Stop all timers."""
