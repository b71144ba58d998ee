"""Block K: the schedule that results from all profiles (K08)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.octt.harness import DEVIATION, Octt, case
from tests.octt.smart_charging import (
    OF_STATION,
    OF_TRANSACTION,
    SECOND_ID,
    THIRD_ID,
    WATTS,
    Rate,
    agrees,
    composite,
    in_both_units,
    install,
    profile,
    schedule,
    stamp,
)


@pytest.mark.covers("TC_K_39_CS")
@in_both_units
@case(evses=2)
async def test_without_any_profile(octt: Octt, rate: Rate) -> None:
    """One period with what the station can do, from now on."""
    told = await composite(octt, rate, 0, 300)
    assert len(told["chargingSchedulePeriod"]) == 1
    assert told["chargingSchedulePeriod"][0]["limit"] > 0


@pytest.mark.covers("TC_K_40_CS")
@in_both_units
@case()
async def test_stack_levels(octt: Octt, rate: Rate) -> None:
    """The higher level leads for as long as it lasts, whatever it says; both begin at one time (errata 6.2.72)."""
    assert int(await octt.get_variable("SmartChargingCtrlr.ProfileStackLevel")) > 0
    assert int(await octt.get_variable("SmartChargingCtrlr.PeriodsPerSchedule")) > 2
    starts = octt.now() - timedelta(seconds=DEVIATION)
    low = schedule(rate, (0, 6), (100, 8), (200, 10), duration=400 + DEVIATION, startSchedule=stamp(starts))
    high = schedule(rate, (0, 7), (100, 9), duration=150 + DEVIATION, startSchedule=stamp(starts))
    await install(octt, 1, profile(octt, rate, chargingSchedule=[low]))
    await install(octt, 1, profile(octt, rate, id=SECOND_ID, stackLevel=1, chargingSchedule=[high]))
    told = await composite(octt, rate, 1, 350)
    agrees(told, rate, starts, (0, 7), (100, 9), (150 + DEVIATION, 8), (200, 10))


@pytest.mark.covers("TC_K_41_CS")
@in_both_units
@case()
async def test_purposes(octt: Octt, rate: Rate) -> None:
    """The transaction's profile takes the default's place while it lasts; the station's bound holds with both."""
    await octt.energy_transfer_started()
    starts = octt.now() - timedelta(seconds=DEVIATION)
    begins = {"startSchedule": stamp(starts)}
    bound = profile(octt, rate, OF_STATION, chargingSchedule=[schedule(rate, (0, 10), duration=86_400, **begins)])
    del bound["validFrom"], bound["validTo"]
    await install(octt, 0, bound)
    usual = schedule(rate, (0, 6), (60, 10), (120, 8), (180, 15), (260, 8), duration=300 + DEVIATION, **begins)
    await install(octt, 1, profile(octt, rate, id=SECOND_ID, chargingSchedule=[usual]))
    own = schedule(rate, (0, 8), (50, 11), (140, 16), (200, 6), (240, 12), duration=260 + DEVIATION, **begins)
    of_transaction = {"id": THIRD_ID, "transactionId": octt.transaction(), "chargingSchedule": [own]}
    await install(octt, 1, profile(octt, rate, OF_TRANSACTION, **of_transaction))
    told = await composite(octt, rate, 1, 400)
    edges = [(0, 8), (50, 10), (200, 6), (240, 10), (260 + DEVIATION, 8), (300 + DEVIATION, 10)]
    agrees(told, rate, starts, *edges)


@pytest.mark.covers("TC_K_42_CS")
@case(variables={"SmartChargingCtrlr.RateUnit": "W"})
async def test_in_a_unit_that_is_not_offered(octt: Octt) -> None:
    """Rejected, with no schedule (K08.FR.07)."""
    answer = await octt.call("GetCompositeSchedule", evseId=0, duration=300, chargingRateUnit="A")
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "UnsupportedRateUnit")
    assert "schedule" not in answer
    await composite(octt, WATTS, 0, 300)


@pytest.mark.covers("TC_K_47_CS")
@case(evses=2)
async def test_of_an_evse_that_is_not_there(octt: Octt) -> None:
    """Rejected, with no schedule (K08.FR.05)."""
    answer = await octt.call("GetCompositeSchedule", evseId=3, duration=300, chargingRateUnit="W")
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "UnknownEvse")
    assert "schedule" not in answer
