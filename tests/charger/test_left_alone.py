"""What a person has stopped at the unit, or the vehicle, nothing restarts by itself (decision table B, row 10)."""

from __future__ import annotations

import pytest

from bridge.clock import run_virtual
from bridge.evse import Mode
from tests.charger.site import UNIT_AT, Site, site
from tests.charger.test_gridguard import Port
from tests.charger.test_real_table import MINUTE, table, want
from tests.charger.test_silence import CHARGING, DISCHARGING, FAST

STOPPED = 0x47


async def feed(s: Site, port: Port, seconds: int, *, told: bool = True) -> None:
    """The house draws 5 kW beside what the unit gives."""
    for _ in range(seconds // 5):
        if told:
            port.tell(5_000 + min(0, s.unit.power_w), s.clock.monotonic())
        await s.seconds(5)


def test_a_stop_at_the_unit_outlives_a_grid_meter_that_was_silent() -> None:
    async def main() -> None:
        port = Port()
        async with site(FAST, table=table(), discharge_allowed=True, grid=port) as s:
            want(s, Mode.DISCHARGE, target=-3_000_000)
            await feed(s, port, 240)
            assert s.unit.mode == DISCHARGING
            s.unit.foreign_write(0xDA, b"\x47")
            await feed(s, port, 240)
            await feed(s, port, 60, told=False)
            await feed(s, port, 240)
            assert s.unit.mode == STOPPED
            want(s, Mode.DISCHARGE, target=-2_000_000)  # wanted anew
            await feed(s, port, 60)
            assert s.unit.mode == DISCHARGING

    run_virtual(main())


@pytest.mark.parametrize("seconds", [25, 100])
@pytest.mark.parametrize("mode", [Mode.CHARGE, Mode.DISCHARGE])
def test_a_stop_at_the_unit_outlives_a_silence(mode: Mode, seconds: int) -> None:
    async def main() -> None:
        async with site(FAST, table=table(), discharge_allowed=True) as s:
            want(s, mode, target=3_000_000 if mode is Mode.CHARGE else -3_000_000)
            await s.seconds(2 * MINUTE)
            s.unit.foreign_write(0xDA, b"\x47")
            await s.seconds(5 * MINUTE)
            s.lan.cut(UNIT_AT)
            await s.seconds(seconds)
            s.lan.mend(UNIT_AT)
            await s.seconds(10 * MINUTE)
            assert s.unit.mode == STOPPED

    run_virtual(main())


def test_a_unit_that_lost_its_mode_while_it_was_not_heard_is_started_again() -> None:
    """It has restarted; nobody has stopped it."""

    async def main() -> None:
        async with site(FAST, table=table()) as s:
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(2 * MINUTE)
            s.lan.cut(UNIT_AT)
            await s.seconds(MINUTE)
            s.unit.foreign_write(0xDA, b"\x44")
            await s.seconds(10)
            s.lan.mend(UNIT_AT)
            await s.seconds(5 * MINUTE)
            assert s.unit.mode == CHARGING

    run_virtual(main())
