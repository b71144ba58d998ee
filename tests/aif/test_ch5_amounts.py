"""AIF 5.2: an amount of energy that is ordered is kept, counted and ends with a stop."""

from __future__ import annotations

import pytest

from bridge.clock import run_virtual
from bridge.evse import Amount, Mode
from bridge.sim.unit import SimUnitConfig
from tests.charger.site import site
from tests.tools.tables import shipped

KWH = 1_000_000  # mWh


@pytest.mark.covers("AIF-5.2-1")
@pytest.mark.parametrize("wh", [250, 600])
@pytest.mark.parametrize(("mode", "start"), [(Mode.CHARGE, "DA=42"), (Mode.DISCHARGE, "DA=43")])
@pytest.mark.parametrize("measured", ["by registers", "by power"])
def test_an_ordered_amount_is_started_counted_and_stopped(mode: Mode, start: str, wh: int, measured: str) -> None:
    """0xDA starts it, what the unit (or its power) tells is counted, 0x47 is written when it is reached."""
    hidden = frozenset({0xD6, 0xD8}) if measured == "by power" else frozenset[int]()
    config = SimUnitConfig(plugged=True, release="R", soc_percent=60, hidden=hidden)

    async def main() -> None:
        async with site(config, table=shipped().table(0x027E), discharge_allowed=True) as s:
            before = s.unit.soc
            target = 3_000_000 if mode is Mode.CHARGE else -3_000_000
            amount = Amount("tx-1", energy=wh * 1_000)
            s.want(mode, target=target, authorized=True, in_transaction=True, amount=amount)
            await s.seconds(wh * 3_600 // 3_000 - 60)
            assert start in s.writes
            assert s.unit.power_w == target // 1_000
            counted = s.runner.unit.observed.counted
            assert counted is not None
            assert not counted.reached
            await s.seconds(150)
            assert s.writes[-1] == "DA=47"
            assert s.unit.power_w == 0
            counted = s.runner.unit.observed.counted
            assert counted is not None
            assert counted.reached
            moved = abs(s.unit.soc - before) * 400  # Wh of a battery of 40 kWh
            assert wh <= moved <= wh + 60
            await s.seconds(1_800)
            assert s.writes[-1] == "DA=47"
            assert s.unit.power_w == 0
            assert not s.checker.violations

    run_virtual(main())
