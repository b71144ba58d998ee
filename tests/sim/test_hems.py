"""Another controller that reads and fights, on the simulated network."""

from __future__ import annotations

from bridge.clock import run_virtual
from bridge.sim.codec import Esv, decode
from bridge.sim.hems import Contradict, Habit, Reading, Rewrite, SimHems
from bridge.sim.lan import Datagram
from bridge.sim.properties import Mode
from bridge.sim.unit import SimUnitConfig
from tests.tools.sim_controller import House

SECOND = 1_000
MINUTE = 60_000
HEMS_AT = "192.168.1.3"
UNIT_AT = House.UNIT_AT


class Fought(House):
    """A house with another controller; `theirs` is what that one sends."""

    def __init__(self, *habits: Habit, rude: bool = False, quirks: dict[str, object] | None = None) -> None:
        super().__init__(SimUnitConfig(plugged=True, quirks=quirks or {}))
        self.theirs: list[Datagram] = []
        self.lan.tap(lambda d: self.theirs.append(d) if d.source == HEMS_AT else None)
        self.hems = SimHems(self.clock, self.lan.join(HEMS_AT), habits, rude=rude)


def test_it_says_who_it_is_and_reads_every_so_often() -> None:
    async def main() -> None:
        house = Fought(Reading(UNIT_AT, (0xDA, 0xE4), 10 * SECOND))
        await house.hems.start()
        await house.clock.sleep(61 * SECOND)
        assert decode(house.theirs[0].data).describe() == "INF 0EF001>0EF001 D5=0105FF01"
        assert [decode(d.data).describe() for d in house.theirs[1:]] == ["GET 05FF01>027E01 DA E4"] * 7
        assert (house.hems.reads, house.hems.unanswered) == (7, 0)
        await house.hems.close()

    run_virtual(main())


def test_it_writes_again_and_again() -> None:
    async def main() -> None:
        house = Fought(Rewrite(UNIT_AT, 0xDA, b"\x44", 30 * SECOND))
        await house.hems.start()
        await house.clock.sleep(5 * SECOND)
        assert house.unit.mode == Mode.STANDBY
        await house.set(0xDA, 0x42)
        assert house.unit.mode == Mode.CHARGE
        await house.clock.sleep(30 * SECOND)
        assert house.unit.mode == Mode.STANDBY
        assert house.hems.writes == 2
        await house.hems.close()
        await house.clock.sleep(5 * MINUTE)
        assert house.hems.writes == 2

    run_virtual(main())


def test_it_answers_each_announced_change_once() -> None:
    async def main() -> None:
        house = Fought(Contradict(UNIT_AT, 0xDA, b"\x47", after_ms=2 * SECOND))
        await house.hems.start()
        for _ in range(3):
            await house.set(0xDA, 0x42)
            await house.clock.sleep(500)
            assert house.unit.mode == Mode.CHARGE
            await house.clock.sleep(10 * SECOND)
            assert house.unit.mode == Mode.STOP
        assert house.hems.writes == 3
        await house.hems.close()

    run_virtual(main())


def test_it_tires() -> None:
    async def main() -> None:
        house = Fought(Contradict(UNIT_AT, 0xDA, b"\x47", times=1))
        await house.hems.start()
        for _ in range(2):
            await house.set(0xDA, 0x42)
            await house.clock.sleep(10 * SECOND)
        assert (house.hems.writes, house.unit.mode) == (1, Mode.CHARGE)
        await house.hems.close()

    run_virtual(main())


def test_it_finds_a_setting_that_is_not_announced_by_looking() -> None:
    async def main() -> None:
        house = Fought(Contradict(UNIT_AT, 0xEB, (6_000).to_bytes(4, "big"), look_ms=5 * SECOND))
        await house.hems.start()
        await house.clock.sleep(SECOND)  # the unit serves one request at a time
        await house.set(0xEB, (2_000).to_bytes(4, "big"))
        assert house.unit.setting(0xEB) == 2_000
        await house.clock.sleep(10 * SECOND)
        assert house.unit.setting(0xEB) == 6_000
        await house.hems.close()

    run_virtual(main())


def test_it_waits_for_an_answer_unless_it_is_rude() -> None:
    async def main() -> None:
        sent = {}
        for rude in (False, True):
            house = Fought(Reading(UNIT_AT, (0xDA,), SECOND), rude=rude, quirks={"never-answers": True})
            await house.hems.start()
            await house.clock.sleep(30 * SECOND)
            sent[rude] = len(house.theirs) - 1
            await house.hems.close()
        assert sent == {False: 2, True: 30}

    run_virtual(main())


def test_refusals_are_counted() -> None:
    async def main() -> None:
        house = Fought(Rewrite(UNIT_AT, 0xD3, bytes(4), MINUTE))
        await house.hems.start()
        await house.clock.sleep(SECOND)
        assert (house.hems.writes, house.hems.refusals) == (1, 1)
        assert [w.accepted for w in house.unit.log if w.source == HEMS_AT] == [False]
        assert decode(house.theirs[-1].data).esv == Esv.SETC
        await house.hems.close()

    run_virtual(main())
