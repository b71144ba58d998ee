"""Block K: profiles that a CSMS asks for (K09)."""

from __future__ import annotations

import pytest

from tests.octt.harness import Octt, case
from tests.octt.smart_charging import (
    DEFAULT,
    FIRST_ID,
    OF_STATION,
    Rate,
    in_both_units,
    install,
    none_reported,
    profile,
    reported,
    station_and_evse,
)


@pytest.mark.covers("TC_K_29_CS")
@in_both_units
@case(evses=2)
async def test_those_of_evse_0(octt: Octt, rate: Rate) -> None:
    """Only what belongs to the station itself (K09.FR.05)."""
    of_station, _ = await station_and_evse(octt, rate)
    (await reported(octt, 0)).shows((0, of_station))


@pytest.mark.covers("TC_K_30_CS")
@in_both_units
@case(evses=2)
async def test_those_of_an_evse(octt: Octt, rate: Rate) -> None:
    """Only what was set for that EVSE (K09.FR.04); another one has none."""
    _, of_evse = await station_and_evse(octt, rate)
    (await reported(octt, 1)).shows((1, of_evse))
    await none_reported(octt, 2)


@pytest.mark.covers("TC_K_31_CS")
@in_both_units
@case(evses=2)
async def test_those_of_all(octt: Octt, rate: Rate) -> None:
    """Without an EVSE both come (K09.FR.06), in a message for each; the first says that more follows."""
    of_station, of_evse = await station_and_evse(octt, rate)
    told = await reported(octt)
    told.shows((0, of_station), (1, of_evse))
    assert [message["tbc"] for message in told.messages] == [True, False]


@pytest.mark.covers("TC_K_32_CS")
@in_both_units
@case()
async def test_one_by_its_id(octt: Octt, rate: Rate) -> None:
    """Only that one."""
    of_station, _ = await station_and_evse(octt, rate)
    (await reported(octt, chargingProfileId=[FIRST_ID])).shows((0, of_station))
    await none_reported(octt, chargingProfileId=[99])


@pytest.mark.covers("TC_K_33_CS")
@in_both_units
@case()
async def test_those_of_an_evse_and_a_stack_level(octt: Octt, rate: Rate) -> None:
    """Both have to be so; the station's profile of that level is another's."""
    _, of_evse = await station_and_evse(octt, rate, station_level=2, evse_level=3)
    (await reported(octt, 1, stackLevel=3)).shows((1, of_evse))
    await none_reported(octt, 1, stackLevel=2)


@pytest.mark.covers("TC_K_34_CS")
@in_both_units
@case()
async def test_those_of_an_evse_and_a_source(octt: Octt, rate: Rate) -> None:
    """What a CSMS sets is the CSO's; of another source there is none."""
    sent = await install(octt, 1, profile(octt, rate, stackLevel=1))
    (await reported(octt, 1, chargingLimitSource=["CSO"])).shows((1, sent))
    for other in ("EMS", "SO", "Other"):
        await none_reported(octt, 1, chargingLimitSource=[other])


@pytest.mark.covers("TC_K_35_CS")
@in_both_units
@case()
async def test_those_of_an_evse_and_a_purpose(octt: Octt, rate: Rate) -> None:
    """While a transaction goes on (errata 6.2.70)."""
    _, of_evse = await station_and_evse(octt, rate)
    await octt.energy_transfer_started()
    (await reported(octt, 1, chargingProfilePurpose=DEFAULT)).shows((1, of_evse))
    await none_reported(octt, 1, chargingProfilePurpose=OF_STATION)


@pytest.mark.covers("TC_K_36_CS")
@in_both_units
@case()
async def test_those_of_an_evse_a_purpose_and_a_stack_level(octt: Octt, rate: Rate) -> None:
    """All three have to be so."""
    _, of_evse = await station_and_evse(octt, rate, station_level=3, evse_level=3)
    other = await install(octt, 1, profile(octt, rate, id=77, stackLevel=4))
    (await reported(octt, 1, chargingProfilePurpose=DEFAULT, stackLevel=3)).shows((1, of_evse))
    (await reported(octt, 1, chargingProfilePurpose=DEFAULT, stackLevel=4)).shows((1, other))
    await none_reported(octt, 1, chargingProfilePurpose=DEFAULT, stackLevel=5)
