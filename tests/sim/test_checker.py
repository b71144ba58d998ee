"""The checker of the AIF counts what a controller does wrong, and nothing else."""

from __future__ import annotations

from bridge.clock import run_virtual
from bridge.sim.checker import AifChecker
from bridge.sim.codec import Esv, Prop, SimFrame, encode
from bridge.sim.node import NodeConfig
from bridge.sim.unit import SimUnitConfig
from tests.tools.sim_controller import CONTROLLER, UNIT, House

SECOND = 1_000


class Watched(House):
    """A house with the checker on its network."""

    def __init__(self, config: SimUnitConfig | None = None, node_config: NodeConfig | None = None) -> None:
        super().__init__(config, node_config)
        self.checker = AifChecker(self.CONTROLLER_AT)
        self.lan.tap(self.checker)

    def throw(self, tid: int, esv: Esv, *props: Prop, deoj: int = UNIT) -> None:
        """Send without waiting."""
        frame = SimFrame(tid, CONTROLLER, deoj, esv, props)
        self.controller.port.send(encode(frame), self.UNIT_AT)

    @property
    def broken(self) -> dict[str, int]:
        return dict(self.checker.count())


def test_a_session_as_it_should_be_breaks_nothing() -> None:
    async def main() -> None:
        house = Watched(SimUnitConfig(plugged=True))
        await house.node.start()
        await house.get(0x82, 0x9D, 0x9E, 0x9F)
        for epc, edt in ((0xDC, b"\x03"), (0xEB, (3_000).to_bytes(4, "big")), (0xDA, b"\x42")):
            await house.set(epc, edt)
            await house.get(epc)
        assert house.broken == {}
        assert house.checker.requests == 7

    run_virtual(main())


def test_a_request_before_the_answer_is_counted_per_node() -> None:
    async def main() -> None:
        house = Watched(node_config=NodeConfig(answer_delay_ms=500))
        house.throw(1, Esv.GET, Prop(0x80))
        await house.clock.sleep(100)
        house.throw(2, Esv.GET, Prop(0x80), deoj=0x0EF001)
        assert house.broken == {"AIF-2.4.1-1": 1}

    run_virtual(main())


def test_after_the_answer_or_the_timer_the_next_may_go() -> None:
    async def main() -> None:
        house = Watched()
        house.throw(1, Esv.GET, Prop(0x80))
        await house.clock.sleep(100)
        house.unit.silence()
        house.throw(2, Esv.GET, Prop(0x80))
        await house.clock.sleep(19_990)
        house.throw(3, Esv.GET, Prop(0x80))
        await house.clock.sleep(20_000)
        house.throw(4, Esv.GET, Prop(0x80))
        assert house.broken == {"AIF-2.4.1-1": 1}

    run_virtual(main())


def test_an_answer_that_was_lost_leaves_the_request_outstanding() -> None:
    async def main() -> None:
        house = Watched(node_config=NodeConfig(answer_delay_ms=500))
        house.throw(1, Esv.GET, Prop(0x80))
        await house.clock.sleep(100)
        house.lan.cut(house.CONTROLLER_AT)
        await house.clock.sleep(1_000)
        house.lan.mend(house.CONTROLLER_AT)
        house.throw(2, Esv.GET, Prop(0x80))
        assert house.broken == {"AIF-2.4.1-1": 1}

    run_virtual(main())


def test_an_early_stop_is_counted_apart_but_not_one_too_early() -> None:
    async def main() -> None:
        house = Watched(node_config=NodeConfig(answer_delay_ms=10_000))
        house.throw(1, Esv.GET, Prop(0x80))
        await house.clock.sleep(1_900)
        house.throw(2, Esv.SETC, Prop(0xDA, b"\x47"))
        assert (house.broken, len(house.checker.early_stops)) == ({"AIF-2.4.1-1": 1}, 0)
        await house.clock.sleep(2_100)
        house.throw(3, Esv.SETC, Prop(0xDA, b"\x47"))
        assert (house.broken, len(house.checker.early_stops)) == ({"AIF-2.4.1-1": 1}, 1)

    run_virtual(main())


def test_a_tid_that_was_not_answered_must_not_come_again() -> None:
    async def main() -> None:
        house = Watched()
        house.unit.silence()
        house.throw(7, Esv.GET, Prop(0x80))
        await house.clock.sleep(20_000)
        house.throw(7, Esv.GET, Prop(0x80))
        assert house.broken == {"AIF-2.4.3-1": 1}

    run_virtual(main())


def test_more_than_eight_properties_or_none_are_counted() -> None:
    async def main() -> None:
        house = Watched()
        await house.get(*range(0xC0, 0xC8))
        assert house.broken == {}
        await house.get(*range(0xC0, 0xC9))
        house.throw(99, Esv.GET)
        assert house.broken == {"AIF-2.4.4-1": 2}

    run_virtual(main())


def test_values_out_of_the_releases_range_are_counted() -> None:
    async def main() -> None:
        house = Watched(SimUnitConfig(release="G", plugged=True))
        await house.get(0x82)
        await house.set(0xDA, 0x42)
        assert house.broken == {}
        await house.set(0xDA, 0x46)
        await house.set(0xDC, 0x03)
        await house.set(0xEB, 0x10)
        assert house.broken == {"AIF-2.4.5-1": 3}

    run_virtual(main())


def test_bytes_that_are_no_frame_are_counted() -> None:
    async def main() -> None:
        house = Watched()
        house.controller.port.send(b"\x10\x81", house.UNIT_AT)
        assert house.broken == {"frame": 1}

    run_virtual(main())


def test_a_search_of_all_nodes_asks_none_in_particular() -> None:
    async def main() -> None:
        house = Watched()
        house.controller.port.multicast(encode(SimFrame(1, CONTROLLER, 0x027E00, Esv.GET, (Prop(0x80),))))
        house.throw(2, Esv.GET, Prop(0x80))
        assert house.broken == {}

    run_virtual(main())
