"""The whole gateway beside a unit with each quirk, for some minutes: it breaks no clause of the AIF, and does not stop.

`house` itself asserts that the checker counted nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bridge.clock import Clock
from bridge.sim.codec import Esv
from bridge.sim.control import SimUnit
from bridge.sim.meter import SimMeter, SimMeterConfig
from bridge.sim.quirks import QUIRKS
from bridge.sim.unit import SimUnitConfig
from tests.tools.house import GATEWAY, MINUTE, UNITS, House, run

METER_AT = "10.0.0.8"


@pytest.mark.parametrize("name", QUIRKS)
def test_a_quirk_makes_the_gateway_break_no_clause(name: str) -> None:
    async def play(house: House) -> None:
        await house.settle(MINUTE)
        house.unit.plug()
        await house.settle(MINUTE)
        await house.call(
            "RequestStartTransaction", evseId=1, remoteStartId=7, idToken={"idToken": "T", "type": "Central"}
        )
        await house.settle(2 * MINUTE)
        house.unit.unplug()
        await house.settle(MINUTE)
        asked = [d for d in house.datagrams if d.source == GATEWAY and d.destination == UNITS[0]]
        assert asked, "the gateway never asked the unit anything"

    run(play, units={UNITS[0]: SimUnitConfig(quirks={name: True})}, wait=False)


def test_a_meter_lives_beside_the_units() -> None:
    meters: list[SimMeter] = []

    async def play(house: House) -> None:
        await house.start()
        await house.settle(MINUTE)
        assert meters[0].power_w == 500 + house.unit.power_w
        assert house.unit.power_w > 0
        assert any(frame.esv == Esv.GET for frame in house.sent())

    def beside(clock: Clock, units: Sequence[SimUnit]) -> dict[str, list[SimMeter]]:
        meters.append(SimMeter(clock, SimMeterConfig(power_w=lambda now: 500 + units[0].power_w)))
        return {METER_AT: meters}

    run(play, beside=beside)
