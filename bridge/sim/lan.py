"""A network in memory under the virtual clock: latency, loss, duplicates, reordering, cut cables, and taps on it all.

A `SimPort` has the shape of the product's `Lan` port, so a gateway and simulated nodes meet here without a socket.
Randomness is the clock's: the same seed gives the same run.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from bridge.clock import Clock

#: Called with each datagram and the address it came from.
Receiver = Callable[[bytes, str], None]


@dataclass(frozen=True, slots=True)
class Datagram:
    """What a tap sees when a datagram is sent.

    `destination` is None for a multicast. `arrivals`: each address it reaches and when (ms), more than once if it was
    duplicated; empty if it was lost.
    """

    at: int
    source: str
    destination: str | None
    data: bytes
    arrivals: tuple[tuple[str, int], ...]


Tap = Callable[[Datagram], None]


class Taps:
    """A list of observers that can be left again."""

    def __init__(self) -> None:
        self._taps: list[Tap] = []

    def add(self, tap: Tap) -> Callable[[], None]:
        """Observe from now on; call the result to stop."""
        self._taps.append(tap)
        return lambda: self._taps.remove(tap)

    def tell(self, datagram: Datagram) -> None:
        """Show a datagram to all."""
        for tap in tuple(self._taps):
            tap(datagram)


@dataclass(slots=True)
class LanFaults:
    """How bad the network is. Probabilities 0 to 1 for each receiver, times in ms; may be changed while it runs.

    `jitter_ms` is added at random but keeps the order between two addresses; `reorder` is how often a datagram is held
    back by `held_ms`, so that later ones overtake it.
    """

    latency_ms: int = 1
    jitter_ms: int = 0
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    held_ms: int = 200


class SimLan:
    """One network. `faults` may be changed at any time."""

    def __init__(self, clock: Clock, faults: LanFaults | None = None) -> None:
        self._clock = clock
        self.faults = faults or LanFaults()
        self._ports: dict[str, SimPort] = {}
        self._cut: set[str] = set()
        self._mute: set[str] = set()
        self._taps = Taps()
        self._flight: list[tuple[int, int, str, str, bytes]] = []
        self._number = 0
        self._last: dict[tuple[str, str], int] = {}

    def join(self, address: str) -> SimPort:
        """A port at an address of its own. Raises ValueError if the address is taken."""
        if address in self._ports:
            raise ValueError(f"{address} is already on this network")
        port = self._ports[address] = SimPort(self, address)
        return port

    def free_after(self, address: str) -> str:
        """The next address that nobody has."""
        candidate = ip_address(address) + 1
        while str(candidate) in self._ports:
            candidate += 1
        return str(candidate)

    def node_at(self, address: str) -> object | None:
        """Who lives at an address: the same object for all addresses of a node, on all networks. None: nobody."""
        port = self._ports.get(address)
        return port.owner if port is not None else None

    def tap(self, tap: Tap) -> Callable[[], None]:
        """Observe each datagram as it is sent; call the result to stop."""
        return self._taps.add(tap)

    def cut(self, address: str) -> None:
        """Pull the cable of an address: nothing gets out or in."""
        self._cut.add(address)

    def mute(self, address: str) -> None:
        """Break one way of its cable: what it is told arrives, what it says does not."""
        self._mute.add(address)

    def mend(self, address: str) -> None:
        """Plug the cable in again."""
        self._cut.discard(address)
        self._mute.discard(address)

    def is_cut(self, address: str) -> bool:
        """Whether its cable is pulled."""
        return address in self._cut

    def leave(self, address: str) -> None:
        """Take a port off the network."""
        self._ports.pop(address, None)

    def carry(self, data: bytes, source: str, destination: str | None) -> None:
        """Take a datagram from a port on its way; destination None is all others."""
        if source not in self._ports:
            return
        now = self._clock.monotonic()
        receivers = [destination] if destination is not None else [a for a in self._ports if a != source]
        arrivals = [(to, at) for to in receivers for at in self._arrivals(now, source, to)]
        for to, at in arrivals:
            self._number += 1
            heapq.heappush(self._flight, (at, self._number, source, to, data))
            self._clock.call_at(at, self._deliver_due)
        self._taps.tell(Datagram(now, source, destination, data, tuple(arrivals)))

    def _arrivals(self, now: int, source: str, to: str) -> list[int]:
        chance, faults = self._clock.random.random, self.faults
        if to not in self._ports or source in self._cut | self._mute or to in self._cut:
            return []
        if faults.loss and chance() < faults.loss:
            return []
        at = now + faults.latency_ms
        if faults.jitter_ms:
            at += self._clock.random.randrange(faults.jitter_ms + 1)
        if faults.reorder and chance() < faults.reorder:
            at += faults.held_ms
        else:
            at = self._last[source, to] = max(at, self._last.get((source, to), 0))
        return [at, at + 1] if faults.duplicate and chance() < faults.duplicate else [at]

    def _deliver_due(self) -> None:
        """Deliver in the order of arrival: timers of the same instant may fire in any order."""
        now = self._clock.monotonic()
        while self._flight and self._flight[0][0] <= now:
            _, _, source, to, data = heapq.heappop(self._flight)
            port = self._ports.get(to)
            if port is not None and to not in self._cut:
                port.take(data, source)


class SimPort:
    """One address on a simulated network."""

    def __init__(self, lan: SimLan, address: str) -> None:
        self._lan = lan
        self.address = address
        self._receiver: Receiver | None = None

    def send(self, data: bytes, address: str) -> None:
        """Send a datagram to port 3610 of a node."""
        self._lan.carry(data, self.address, address)

    def multicast(self, data: bytes) -> None:
        """Send a datagram to all other nodes."""
        self._lan.carry(data, self.address, None)

    def attach(self, receiver: Receiver) -> None:
        """Take what arrives. Replaces the earlier receiver."""
        self._receiver = receiver

    @property
    def owner(self) -> object | None:
        """The node that has attached itself here."""
        return getattr(self._receiver, "__self__", self._receiver)

    async def close(self) -> None:
        """Leave the network."""
        self._receiver = None
        self._lan.leave(self.address)

    async def moved(self, to: str | None = None) -> SimPort:
        """A port at another address in place of this one: `to`, or the next that is free."""
        new = to or self._lan.free_after(self.address)
        if new != self.address:
            await self.close()
            return self._lan.join(new)
        return self

    def take(self, data: bytes, source: str) -> None:
        """What the network delivers."""
        if self._receiver is not None:
            self._receiver(data, source)
