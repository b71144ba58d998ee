"""GetChargingProfiles of a CSMS that asks on and on, and answers nothing (K09)."""

import pytest

from bridge.clock import run_virtual
from bridge.sim.csms_behaviour import Never
from bridge.sim.csms_parts import StationCallError
from bridge.station.smart_charging_calls import MOST_REPORTS
from tests.tools.dynamic import house, put
from tests.tools.station_house import profile


async def ask(scene, number):
    return await scene.call("GetChargingProfiles", requestId=number, chargingProfile={"stackLevel": 0})


def test_reports_that_nobody_answers_are_bounded_and_asked_for_again_later():
    async def play():
        async with house() as scene:
            await put(scene, profile(6000, "TxDefaultProfile"))
            scene.csms.respond = {"ReportChargingProfiles": Never()}
            for number in range(MOST_REPORTS):
                assert (await ask(scene, number))["status"] == "Accepted"
            with pytest.raises(StationCallError, match=f"GenericError: {MOST_REPORTS} reports are under way"):
                await ask(scene, 99)
            nothing = {"requestId": 100, "chargingProfile": {"stackLevel": 3}}
            assert (await scene.call("GetChargingProfiles", **nothing))["status"] == "NoProfiles"
            scene.csms.respond = {}
            await scene.clock.sleep(MOST_REPORTS * 60_000)
            assert (await ask(scene, 101))["status"] == "Accepted"
            await scene.wait("ReportChargingProfiles", requestId=101)

    run_virtual(play())
