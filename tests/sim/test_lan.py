"""The simulated network."""

from __future__ import annotations

import pytest

from bridge.clock import Clock, run_virtual
from bridge.sim.lan import Datagram, LanFaults, SimLan

A, B, C = "192.168.1.1", "192.168.1.2", "192.168.1.3"


class Net:
    """Three ports that remember what arrives and when."""

    def __init__(self, faults: LanFaults | None = None, seed: int = 1) -> None:
        self.clock = Clock(seed)
        self.lan = SimLan(self.clock, faults)
        self.got: list[tuple[int, str, str, bytes]] = []
        self.ports = {address: self.lan.join(address) for address in (A, B, C)}
        for address, port in self.ports.items():
            port.attach(
                lambda data, source, to=address: self.got.append((self.clock.monotonic(), source, to, data))  # type: ignore[misc]
            )

    async def sent(self, count: int = 1, step_ms: int = 1) -> list[int]:
        """Send numbered datagrams from A to B; the numbers in the order of arrival."""
        for number in range(count):
            self.ports[A].send(number.to_bytes(2, "big"), B)
            await self.clock.sleep(step_ms)
        await self.clock.sleep(1_000)
        return [int.from_bytes(data, "big") for _, _, to, data in self.got if to == B]


def test_a_datagram_arrives_after_the_latency_with_its_sender() -> None:
    async def main() -> None:
        net = Net(LanFaults(latency_ms=30))
        net.ports[A].send(b"hello", B)
        await net.clock.sleep(100)
        assert net.got == [(30, A, B, b"hello")]

    run_virtual(main())


def test_a_multicast_reaches_all_others() -> None:
    async def main() -> None:
        net = Net()
        net.ports[A].multicast(b"all")
        await net.clock.sleep(10)
        assert [(source, to) for _, source, to, _ in net.got] == [(A, B), (A, C)]

    run_virtual(main())


def test_without_faults_the_order_is_kept_even_at_one_instant() -> None:
    async def main() -> None:
        assert await Net(LanFaults(jitter_ms=50)).sent(100, step_ms=0) == list(range(100))

    run_virtual(main())


def test_loss_duplicates_and_reordering_come_from_the_seed() -> None:
    async def run(seed: int) -> list[int]:
        faults = LanFaults(loss=0.2, duplicate=0.2, reorder=0.1, jitter_ms=5)
        return await Net(faults, seed).sent(200)

    first, again, other = (run_virtual(run(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert set(first) < set(range(200))
    assert len(first) > len(set(first))
    assert first != sorted(first)


def test_a_cut_cable_carries_nothing_either_way() -> None:
    async def main() -> None:
        net = Net()
        net.lan.cut(B)
        assert await net.sent() == []
        net.ports[B].send(b"x", A)
        await net.clock.sleep(10)
        assert net.got == []
        net.lan.mend(B)
        assert await net.sent() == [0]

    run_virtual(main())


def test_taps_see_what_is_sent_and_whether_it_arrives() -> None:
    async def main() -> None:
        net = Net()
        seen: list[Datagram] = []
        leave = net.lan.tap(seen.append)
        net.ports[A].send(b"1", B)
        net.lan.cut(C)
        net.ports[A].multicast(b"2")
        net.ports[A].send(b"3", "192.168.1.77")
        leave()
        net.ports[A].send(b"4", B)
        assert [(d.data, d.destination, d.arrivals) for d in seen] == [
            (b"1", B, ((B, 1),)),
            (b"2", None, ((B, 1),)),
            (b"3", "192.168.1.77", ()),
        ]

    run_virtual(main())


def test_an_address_is_joined_once_and_free_after_closing() -> None:
    async def main() -> None:
        net = Net()
        with pytest.raises(ValueError, match="already"):
            net.lan.join(A)
        await net.ports[A].close()
        net.ports[A].send(b"gone", B)
        await net.clock.sleep(10)
        assert net.got == []
        net.lan.join(A)

    run_virtual(main())
