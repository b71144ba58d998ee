"""Simulated meters on a simulated network: what flows is counted and shown in the meter's units."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.clock import Clock, run_virtual
from bridge.sim.codec import Esv, read_property_map
from bridge.sim.control import SimUnit
from bridge.sim.lan import SimLan
from bridge.sim.meter import BOARD, SMART_METER, SimMeter, SimMeterConfig
from bridge.sim.node import SimNode
from bridge.sim.unit import SimUnitConfig
from tests.tools.sim_controller import SimController

HOUR = 3_600_000
MINUTE = 60_000
AT = "192.168.1.30"
METER = 0x028801
BOARD_AT = 0x028701


class Metered:
    """A meter on a network, and a controller that asks it."""

    def __init__(self, **config: Any) -> None:
        self.clock = Clock(1)
        self.lan = SimLan(self.clock)
        self.controller = SimController(self.lan.join("192.168.1.2"))
        self.meter = SimMeter(self.clock, SimMeterConfig(**config))
        self.node = SimNode(self.clock, b"meter", [self.meter])
        self.node.attach(self.lan.join(AT))
        self.own = self.node.eojs[0]

    async def get(self, *epcs: int) -> dict[int, bytes]:
        return await self.controller.get(AT, *epcs, deoj=self.own)

    async def number(self, epc: int) -> int:
        return int.from_bytes((await self.get(epc))[epc], "big", signed=True)


@pytest.mark.parametrize("unit_class", [SMART_METER, BOARD])
def test_everything_in_the_map_is_answered(unit_class: int) -> None:
    async def main() -> None:
        channels: dict[str, Any] = (
            {}
            if unit_class == SMART_METER
            else {
                "channels": {1: lambda now: 100.0, 4: lambda now: 200.0},
                "two_way": {2: lambda now: -300.0},
            }
        )
        here = Metered(unit_class=unit_class, **channels)
        codes = sorted(read_property_map((await here.get(0x9F))[0x9F]))
        answers = {epc: (await here.get(epc))[epc] for epc in codes}
        assert [epc for epc, edt in answers.items() if not edt] == []
        assert (await here.get(0xBF))[0xBF] == b""
        await here.node.close()

    run_virtual(main())


def test_energy_is_counted_in_each_direction() -> None:
    async def main() -> None:
        here = Metered(power_w=lambda now: 3_000 if now < 2 * HOUR else -1_500)
        await here.clock.sleep(3 * HOUR)
        assert await here.number(0xE0) == pytest.approx(60, abs=1)
        assert await here.number(0xE3) == pytest.approx(15, abs=1)
        assert await here.number(0xE7) == -1_500
        assert (await here.get(0xE8))[0xE8] == (-75).to_bytes(2, "big", signed=True) * 2
        assert (here.meter.bought_wh, here.meter.sold_wh) == (pytest.approx(6_000, abs=5), pytest.approx(1_500, abs=5))
        await here.node.close()

    run_virtual(main())


@pytest.mark.parametrize(
    ("unit", "coefficient", "shown"),
    [
        (0x00, 1, 12),
        (0x01, 1, 123),
        (0x03, 1, 12_345),
        (0x04, 1, 123_450),
        (0x0A, 1, 1),
        (0x01, 10, 12),
        (0x02, None, 1_234),
    ],
)
def test_a_register_is_in_counts_of_its_unit(unit: int, coefficient: int | None, shown: int) -> None:
    async def main() -> None:
        here = Metered(unit=unit, coefficient=coefficient, bought_wh=12_345)
        assert await here.number(0xE0) == shown
        assert (await here.get(0xE1))[0xE1] == bytes([unit])
        assert ((await here.get(0xD3))[0xD3] == b"") == (coefficient is None)
        await here.node.close()

    run_virtual(main())


def test_a_register_begins_again_after_its_digits() -> None:
    async def main() -> None:
        here = Metered(digits=5, bought_wh=9_999_950, power_w=lambda now: 1_000)
        assert await here.number(0xE0) == 99_999
        await here.clock.sleep(HOUR)
        assert await here.number(0xE0) == 9
        await here.node.close()

    run_virtual(main())


def test_a_meter_without_data_says_so() -> None:
    async def main() -> None:
        here = Metered(power_w=lambda now: 700)
        here.meter.no_data = True
        assert await here.get(0xE0, 0xE3, 0xE7, 0xE8) == {
            0xE0: b"\xff\xff\xff\xfe",
            0xE3: b"\xff\xff\xff\xfe",
            0xE7: b"\x7f\xff\xff\xfe",
            0xE8: b"\x7f\xfe\x7f\xfe",
        }
        here.meter.no_data = False
        assert await here.number(0xE7) == 700
        await here.node.close()

    run_virtual(main())


def test_two_wires_have_no_t_phase_and_some_meters_no_reverse_direction() -> None:
    async def main() -> None:
        here = Metered(phases=1, voltage_v=100, reverse=False, power_w=lambda now: 1_000)
        assert (await here.get(0xE8))[0xE8] == b"\x00\x64\x7f\xfe"
        assert (await here.get(0xE3))[0xE3] == b""
        await here.node.close()

    run_virtual(main())


def test_each_half_hour_is_kept_and_can_be_asked_for() -> None:
    async def main() -> None:
        here = Metered(power_w=lambda now: 2_000, unit=0x03)
        start = here.clock.wall()
        assert (start.hour, start.minute) == (3, 17)
        await here.clock.sleep(60 * MINUTE)
        fixed = (await here.get(0xEA))[0xEA]
        assert fixed[:7] == start.year.to_bytes(2, "big") + bytes([start.month, start.day, 4, 0, 0])
        assert int.from_bytes(fixed[7:], "big") == pytest.approx(2_000 * 43 / 60, abs=1)
        day = (await here.get(0xE2))[0xE2]
        assert len(day) == 2 + 48 * 4
        known = [n for n in range(48) if day[2 + 4 * n : 6 + 4 * n] != b"\xff\xff\xff\xfe"]
        assert known == [6, 7, 8]
        await here.node.close()

    run_virtual(main())


def test_a_day_that_was_is_chosen_by_writing_it() -> None:
    async def main() -> None:
        here = Metered()
        answer = await here.controller.ask(AT, Esv.SETC, (0xE5, b"\x01"), deoj=here.own)
        assert answer.esv == Esv.SET_RES
        day = (await here.get(0xE2))[0xE2]
        assert day == b"\x00\x01" + b"\xff\xff\xff\xfe" * 48
        await here.node.close()

    run_virtual(main())


# ---- the board --------------------------------------------------------------------------------------------------


def test_a_board_lists_its_channels() -> None:
    async def main() -> None:
        here = Metered(
            unit_class=BOARD,
            power_w=lambda now: 900,
            channels={1: lambda now: 400, 3: lambda now: 500},
            two_way={1: lambda now: -2_000},
        )
        got = await here.get(0xB1, 0xB7, 0xB8, 0xBE)
        no_power = b"\x7f\xff\xff\xfe"
        assert got[0xB1] == b"\x03"
        assert got[0xB7] == b"\x01\x03" + (400).to_bytes(4, "big") + no_power + (500).to_bytes(4, "big")
        assert got[0xB8] == b"\x01"
        assert got[0xBE] == b"\x01\x01" + (-2_000).to_bytes(4, "big", signed=True)
        assert await here.number(0xC6) == 900
        answer = await here.controller.ask(AT, Esv.SETC, (0xB6, b"\x03\x01"), deoj=here.own)
        assert answer.esv == Esv.SET_RES
        assert (await here.get(0xB7))[0xB7] == b"\x03\x01" + (500).to_bytes(4, "big")
        await here.node.close()

    run_virtual(main())


def test_a_boards_channels_count_energy() -> None:
    async def main() -> None:
        here = Metered(unit_class=BOARD, unit=0x03, channels={2: lambda now: 1_200}, two_way={1: lambda now: -600})
        await here.clock.sleep(HOUR)
        channel = (await here.get(0xD1))[0xD1]
        assert int.from_bytes(channel[:4], "big") == pytest.approx(1_200, abs=1)
        assert channel[4:] == b"\x00\x3c\x00\x3c"
        assert (await here.get(0xD0))[0xD0] == b""
        both = (await here.get(0xBA))[0xBA]
        assert int.from_bytes(both[2:6], "big") == 0
        assert int.from_bytes(both[6:10], "big") == pytest.approx(600, abs=1)
        await here.node.close()

    run_virtual(main())


def test_a_meter_follows_a_charger_beside_it() -> None:
    async def main() -> None:
        clock = Clock(1)
        lan = SimLan(clock)
        controller = SimController(lan.join("192.168.1.2"))
        unit = SimUnit(clock, SimUnitConfig(plugged=True, soc_percent=60))
        meter = SimMeter(clock, SimMeterConfig(power_w=lambda now: 400 + unit.power_w, unit=0x03))
        node = SimNode(clock, b"both", [unit, meter])
        node.attach(lan.join(AT))
        assert node.eojs == (0x027E01, METER)
        unit.panel("discharge")
        await clock.sleep(HOUR)
        assert meter.power_w == -5_600
        register = (await controller.get(AT, 0xE3, deoj=METER))[0xE3]
        given = unit.core.discharged_wms / HOUR
        assert int.from_bytes(register, "big") == pytest.approx(given - 400, rel=0.01)
        await node.close()

    run_virtual(main())


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"unit_class": 0x027E}, "no meter"),
        ({"unit": 0x05}, "unit 0x05"),
        ({"digits": 9}, "digits"),
        ({"channels": {1: lambda now: 0}}, "only a board"),
        ({"unit_class": BOARD, "channels": {0: lambda now: 0}}, "1 to 252"),
    ],
)
def test_what_is_no_meter_is_refused(config: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        SimMeterConfig(**config)


def test_a_silent_meter_counts_on() -> None:
    async def main() -> None:
        here = Metered(power_w=lambda now: 1_000)
        here.meter.silence()
        with pytest.raises(TimeoutError):
            await here.get(0xE7)
        await here.clock.sleep(HOUR)
        here.meter.silence(False)
        assert await here.number(0xE0) == 10
        await here.node.close()

    run_virtual(main())
