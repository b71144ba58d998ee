"""The checker of the AIF counts what a controller does wrong, and nothing else."""

from __future__ import annotations

import pytest

from bridge.clock import run_virtual
from bridge.sim.checker import AifChecker
from bridge.sim.codec import Esv, Prop, SimFrame, encode
from bridge.sim.control import SimUnit
from bridge.sim.lan import SimLan
from bridge.sim.node import NodeConfig, SimNode
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


# ---- both classes, and meters -----------------------------------------------------------------------------------

CHARGER = 0x02A101


def test_a_charger_takes_four_properties() -> None:
    async def main() -> None:
        house = Watched(SimUnitConfig(unit_class=0x02A1))
        await house.get(0x80, 0xC7, 0xCC, 0xDA, deoj=CHARGER)
        assert house.broken == {}
        await house.get(0x80, 0xC7, 0xCC, 0xDA, 0xC5, deoj=CHARGER)
        assert house.broken == {"AIF-2.4.4-1": 1}

    run_virtual(main())


@pytest.mark.parametrize(
    ("epc", "edt", "fine"),
    [
        (0xDA, b"\x42", True),
        (0xDA, b"\x47", True),
        (0xDA, b"\x43", False),
        (0xDA, b"\x48", False),
        (0xCD, b"\x10", True),
        (0xCD, b"\x11", False),
        (0xEB, bytes(4), True),
        (0xEB, b"\xff\xff\xff\xff", False),
        (0xEC, bytes(4), False),
        (0xDC, b"\x03", False),
        (0xE7, bytes(4), True),
        (0xEA, bytes(4), False),
        (0x80, b"\x30", True),
        (0x80, b"\x32", False),
    ],
)
def test_what_may_be_written_to_a_charger(epc: int, edt: bytes, fine: bool) -> None:
    async def main() -> None:
        house = Watched(SimUnitConfig(unit_class=0x02A1, release="R"))
        await house.get(0x82, deoj=CHARGER)
        await house.ask(Esv.SETC, (epc, edt), deoj=CHARGER)
        assert house.broken == ({} if fine else {"AIF-2.4.5-1": 1})

    run_virtual(main())


@pytest.mark.parametrize(
    ("release", "epc", "edt", "fine"),
    [
        ("F", 0xDA, b"\x41", True),
        ("F", 0xDA, b"\x47", False),
        ("G", 0xDA, b"\x41", False),
        ("M", 0xDA, b"\x46", False),
        ("N", 0xDA, b"\x46", True),
        ("N", 0xDA, b"\x49", False),
        ("P", 0xDA, b"\x49", True),
        ("M", 0xDC, b"\x03", False),
        ("N", 0xDC, b"\x06", False),
        ("P", 0xDC, b"\x06", True),
        ("I", 0xEA, bytes(4), False),
        ("J", 0xEA, bytes(4), True),
        ("J", 0xEA, bytes(2), False),
    ],
)
def test_what_may_be_written_depends_on_the_release(release: str, epc: int, edt: bytes, fine: bool) -> None:
    async def main() -> None:
        house = Watched(SimUnitConfig(release=release))
        await house.get(0x82)
        await house.ask(Esv.SETC, (epc, edt))
        assert house.broken == ({} if fine else {"AIF-2.4.5-1": 1})

    run_virtual(main())


def test_each_object_is_judged_by_its_own_release() -> None:
    async def main() -> None:
        house = Watched()
        units = [SimUnit(house.clock, SimUnitConfig(release=release)) for release in "FP"]
        SimNode(house.clock, b"two", units).attach(house.lan.join("192.168.1.40"))
        for own in (0x027E01, 0x027E02):
            await house.controller.get("192.168.1.40", 0x82, deoj=own)
            await house.controller.ask("192.168.1.40", Esv.SETC, (0xDA, b"\x47"), deoj=own)
        assert [violation.text.split(":")[0] for violation in house.checker.violations] == [
            "47 is out of the range of DA in Release F of 027E"
        ]

    run_virtual(main())


def test_a_unit_that_was_never_read_is_judged_by_all_releases() -> None:
    async def main() -> None:
        house = Watched(SimUnitConfig(release="F"))
        await house.set(0xDA, 0x47)
        assert house.broken == {}
        await house.set(0xDA, 0x99)
        assert house.broken == {"AIF-2.4.5-1": 1}

    run_virtual(main())


@pytest.mark.parametrize(
    ("own", "epc", "edt", "fine"),
    [
        (0x028801, 0xE5, b"\x63", True),
        (0x028801, 0xE5, b"\x64", False),
        (0x028801, 0xE0, bytes(4), False),
        (0x028701, 0xB6, b"\x01\x3c", True),
        (0x028701, 0xB6, b"\x00\x01", False),
        (0x028701, 0xB9, b"\x01\x3c", False),
    ],
)
def test_what_may_be_written_to_meters(own: int, epc: int, edt: bytes, fine: bool) -> None:
    async def main() -> None:
        house = Watched()
        house.throw(1, Esv.SETC, Prop(epc, edt), deoj=own)
        assert house.broken == ({} if fine else {"AIF-2.4.5-1": 1})

    run_virtual(main())


def test_an_answer_that_cannot_be_read_is_still_an_answer() -> None:
    async def main() -> None:
        house = Watched(SimUnitConfig(quirks={"malformed-refusal": True}))
        house.controller.port.attach(lambda data, source: None)
        house.throw(1, Esv.SETC, Prop(0xDA, b"\x42"))
        await house.clock.sleep(SECOND)
        house.throw(2, Esv.GET, Prop(0x80))
        assert house.broken == {}

    run_virtual(main())


def test_it_is_asserted_in_words_and_a_test_may_let_something_pass() -> None:
    async def main() -> None:
        house = Watched()
        house.checker.assert_clean()
        await house.set(0xEB, 0x10)
        with pytest.raises(AssertionError, match=r"AIF-2\.4\.5-1 192\.168\.1\.20: 10 is out of the range of EB"):
            house.checker.assert_clean()
        house.checker.assert_clean(but=lambda violation: violation.clause == "AIF-2.4.5-1")
        assert len(house.checker.broken()) == 1

    run_virtual(main())


def test_a_node_is_one_on_all_its_networks() -> None:
    async def main() -> None:
        house = Watched(node_config=NodeConfig(answer_delay_ms=500))
        other = SimLan(house.clock)
        checker = AifChecker(house.CONTROLLER_AT, node_at=house.lan.node_at)
        house.lan.tap(checker)
        other.tap(checker.also_on("fe80::1", other.node_at))
        ours, theirs = other.join("fe80::1"), other.join("fe80::2")
        theirs.attach(house.node._receive)
        stranger = SimNode(house.clock, b"stranger", [SimUnit(house.clock)])
        stranger.attach(other.join("fe80::3"))
        request = encode(SimFrame(2, CONTROLLER, UNIT, Esv.GET, (Prop(0x80),)))
        house.throw(1, Esv.GET, Prop(0x80))
        ours.send(request, "fe80::3")
        assert checker.violations == []
        ours.send(request, "fe80::2")
        assert [(v.clause, v.address) for v in checker.violations] == [("AIF-2.4.1-1", "fe80::2")]

    run_virtual(main())
