"""CEL 3.4: what the service hears of the battery while the unit talks with the vehicle, after that, and without one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cel.kinds import Kind, every, said
from tests.cel.test_steps import begin, limit, sampled
from tests.tools.house import MINUTE, House, run


def level(house: House) -> int | None:
    """The state of charge that the gateway knows (%)."""
    soc = house.gateway.units.runners["car"].unit.observed.soc
    return None if soc is None else soc.value // 1000


async def periodic(house: House) -> dict[str, Any]:
    """The next meter values of the transaction."""
    return await house.told("TransactionEvent", house.now, triggerReason="MeterValuePeriodic")


@pytest.mark.covers("CEL-3.4-2")
@every(lambda kind: kind.charges and not kind.blind)
def test_without_talk_the_last_values_are_told_and_then_live_ones_again(kind: Kind) -> None:
    """Paused, the unit answers what it read last, whatever the vehicle uses meanwhile; charging makes it live again."""

    async def play(house: House) -> None:
        transaction = await begin(house, kind, 3000)
        await house.settle(30_000)
        await limit(house, 0, transaction)
        await house.unit.until(lambda unit: unit.power_w == 0)
        await house.settle(MINUTE)
        before = level(house)
        assert before is not None
        assert before >= 50
        house.unit.core.battery.set_soc(30)  # the vehicle heats
        await house.settle(MINUTE)
        assert level(house) == before
        assert sampled(await periodic(house), "SoC") == before
        await limit(house, 3000, transaction)
        await house.unit.until(lambda unit: unit.power_w == 3000)
        await house.settle(40_000)
        assert sampled(await periodic(house), "SoC") == pytest.approx(house.unit.soc, abs=3)

    run(play, **kind.house(sim={"last_known": True, "capacity_wh": 5_000, "soc_percent": 50}))


@pytest.mark.covers("CEL-3.4-2")
@every(lambda kind: kind.discharges and kind.release == "R")
def test_last_values_alone_start_no_discharge_for_long(kind: Kind) -> None:
    """The unit shows 50 %, the vehicle has 21 %: once the talk shows that, the floor of 40 % ends the discharge."""

    async def play(house: House) -> None:
        transaction = await begin(house, kind, -2000)
        await limit(house, 0, transaction)
        await house.unit.until(lambda unit: unit.power_w == 0)
        await house.settle(MINUTE)
        house.unit.core.battery.set_soc(35)
        assert level(house) in (49, 50)
        await limit(house, -2000, transaction)
        await house.settle(3 * MINUTE)
        assert house.unit.power_w == 0
        assert house.unit.soc > 33

    unit = {"soc_floor": 40}
    run(play, **kind.house(sim={"last_known": True, "soc_percent": 50}, site={"unit": unit}))


@pytest.mark.covers("CEL-3.4-3")
@every(lambda kind: not kind.blind)
def test_without_a_vehicle_the_mode_alone_is_answered(kind: Kind) -> None:
    """The battery is SNA, which is normal; nothing of it is told, and the mode is read on."""

    async def play(house: House) -> None:
        house.unit.plug()
        await house.told("StatusNotification", connectorStatus="Occupied")
        await house.settle(MINUTE)
        assert level(house) == 50
        since = house.now
        house.unit.unplug()
        await house.told("StatusNotification", since, connectorStatus="Available")
        await house.settle(MINUTE)
        assert level(house) is None
        left = house.clock.monotonic()
        await house.settle(3 * MINUTE)
        answers = [word for word in said(house) if word.done == "told" and word.at > left]
        battery = {word.epc for word in answers if word.epc in (0xD0, 0xE2, 0xE4, 0xCF, 0xC2, 0xC4)}
        assert battery
        assert not any(word.edt for word in answers if word.epc in battery)
        assert any(word.epc == 0xDA and word.edt for word in answers)
        assert level(house) is None

    run(play, **kind.house())
