"""What a person has stopped within a transaction, through the whole gateway: edges, a bound, a power cut (table B)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.clock import run_virtual
from tests.tools.fault_house import FaultHouse, fault_house
from tests.tools.fault_store import Faults
from tests.tools.house import MINUTE

CHARGE, STOPPED = 0x42, 0x47


async def _put(house: FaultHouse, number: int, purpose: str, *periods: tuple[int, int], evse: int = 1) -> None:
    made = [{"startPeriod": at, "limit": watts} for at, watts in periods]
    start: dict[str, Any] = {"startSchedule": house.csms.now_text()}
    schedule = {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": made, **start}
    profile = {"id": number, "stackLevel": 5, "chargingProfilePurpose": purpose, "chargingProfileKind": "Absolute"}
    answer = await house.call(
        "SetChargingProfile", evseId=evse, chargingProfile={**profile, "chargingSchedule": [schedule]}
    )
    assert answer["status"] == "Accepted", answer


@pytest.mark.parametrize("cut", [False, True])
def test_it_stays_ended_until_the_csms_says_something_new(tmp_path: Path, cut: bool) -> None:
    async def main() -> None:
        async with fault_house(tmp_path, Faults(), off_for=30_000) as house:
            await house.begin()
            await _put(house, 20, "TxDefaultProfile", (0, 3000), (300, 2000), (600, 0), (900, 2500))
            await house.clock.sleep(MINUTE)
            assert house.unit.mode == CHARGE
            house.unit.foreign_write(0xDA, b"\x47")
            await house.clock.sleep(MINUTE)
            if cut:
                house.faults.cut()
                await house.clock.sleep(2 * MINUTE)
                assert house.lives == 2
            await _put(house, 21, "ChargingStationMaxProfile", (0, 2200), (1000, 1500), evse=0)
            for _ in range(20):
                await house.clock.sleep(MINUTE)
                assert house.unit.mode == STOPPED
            await _put(house, 20, "TxDefaultProfile", (0, 3000))
            await house.clock.sleep(MINUTE)
            assert house.unit.mode == CHARGE
            assert house.unit.power_w == 1500

    run_virtual(main())
