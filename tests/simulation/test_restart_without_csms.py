"""A gateway that comes back and finds no CSMS: the last profiles hold, by the time that it most likely is."""

from __future__ import annotations

from pathlib import Path

from bridge.clock import run_virtual
from tests.tools.fault_house import FaultHouse, fault_house
from tests.tools.fault_store import Faults
from tests.tools.house import MINUTE


async def _max_profile(house: FaultHouse, *periods: tuple[int, int]) -> None:
    start = house.csms.now_text()
    made = [{"startPeriod": at, "limit": watts} for at, watts in periods]
    schedule = {"id": 1, "chargingRateUnit": "W", "startSchedule": start, "chargingSchedulePeriod": made}
    answer = await house.call(
        "SetChargingProfile",
        evseId=0,
        chargingProfile={
            "id": 9,
            "stackLevel": 0,
            "chargingProfilePurpose": "ChargingStationMaxProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": [schedule],
        },
    )
    assert answer["status"] == "Accepted"


def test_the_last_profiles_hold_and_their_edges_come_in_time(tmp_path: Path) -> None:
    async def main() -> None:
        async with fault_house(tmp_path, Faults(), off_for=30_000) as house:
            await house.begin()
            await _max_profile(house, (0, 1500), (600, 700), (1200, 2000))
            began = house.clock.monotonic()
            await house.clock.sleep(MINUTE)
            await house.csms.go_dark()
            house.faults.cut()
            await house.clock.sleep(2 * MINUTE)
            assert house.lives == 2
            assert house.unit.power_w == 1500
            for second, watts in ((600, 700), (1200, 2000)):
                await house.clock.sleep(began + second * 1000 + 3_000 - house.clock.monotonic())
                assert house.unit.power_w == watts
            known = len(house.csms.messages)
            house.csms.come_back()
            await house.clock.sleep(5 * MINUTE)
            assert len(house.csms.messages) > known
            assert house.unit.power_w == 2000
            assert house.judge() == [] or all("Updated" in wrong for wrong in house.judge())  # it has not ended

    run_virtual(main())
