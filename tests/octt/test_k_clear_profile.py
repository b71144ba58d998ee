"""Block K: profiles that a CSMS clears (K10)."""

from __future__ import annotations

import pytest

from tests.octt.harness import Octt, case
from tests.octt.smart_charging import (
    DEFAULT,
    FIRST_ID,
    OF_STATION,
    OF_TRANSACTION,
    SECOND_ID,
    WATTS,
    Rate,
    agrees,
    composite,
    in_both_units,
    install,
    none_reported,
    profile,
    reported,
)


async def clear(octt: Octt, number: int | None = None, **criteria: object) -> str:
    """Clear by an id, or by criteria; the status."""
    asked: dict[str, object] = {} if number is None else {"chargingProfileId": number}
    asked |= {"chargingProfileCriteria": criteria} if criteria else {}
    return str((await octt.call("ClearChargingProfile", asked))["status"])


@pytest.mark.covers("TC_K_05_CS")
@in_both_units
@case()
async def test_by_its_id(octt: Octt, rate: Rate) -> None:
    """It is there no more, also after a reboot; another one stays."""
    await install(octt, 1, profile(octt, rate))
    other = await install(octt, 1, profile(octt, rate, id=SECOND_ID, stackLevel=1))
    assert await clear(octt, FIRST_ID) == "Accepted"
    await none_reported(octt, chargingProfileId=[FIRST_ID])
    await octt.booted(reset=False)
    (await reported(octt)).shows((1, other))


@pytest.mark.covers("TC_K_06_CS")
@pytest.mark.parametrize("purpose", [DEFAULT, OF_TRANSACTION, OF_STATION])
@case()
async def test_by_purpose_and_stack_level(octt: Octt, purpose: str) -> None:
    """While a transaction goes on. What has another stack level stays."""
    await octt.energy_transfer_started()
    evse = 0 if purpose == OF_STATION else 1
    transaction = {"transactionId": octt.transaction()} if purpose == OF_TRANSACTION else {}
    await install(octt, evse, profile(octt, WATTS, purpose, stackLevel=2, **transaction))
    other = await install(octt, evse, profile(octt, WATTS, purpose, id=SECOND_ID, stackLevel=3, **transaction))
    assert await clear(octt, chargingProfilePurpose=purpose, stackLevel=2) == "Accepted"
    await none_reported(octt, chargingProfilePurpose=purpose, stackLevel=2)
    (await reported(octt)).shows((evse, other))


@pytest.mark.covers("TC_K_07_CS")
@case()
async def test_by_what_no_profile_has(octt: Octt) -> None:
    """Nothing has both the purpose and the stack level: Unknown, and what is there stays."""
    there = await install(octt, 1, profile(octt, WATTS, stackLevel=1))
    assert await clear(octt, chargingProfilePurpose=OF_STATION, stackLevel=0) == "Unknown"
    assert await clear(octt, chargingProfilePurpose=DEFAULT, stackLevel=0) == "Unknown"
    assert await clear(octt, chargingProfilePurpose=OF_STATION, stackLevel=1) == "Unknown"
    (await reported(octt)).shows((1, there))


@pytest.mark.covers("TC_K_08_CS")
@case()
async def test_where_none_is_installed(octt: Octt) -> None:
    """Unknown."""
    assert await clear(octt, FIRST_ID) == "Unknown"


@pytest.mark.covers("TC_K_09_CS")
@in_both_units
@case(variables={"SmartChargingCtrlr.LimitChangeSignificance": 1.0})
async def test_the_default_of_a_transaction_that_goes_on(octt: Octt, rate: Rate) -> None:
    """Until it is cleared it bounds the transaction, then the station's own limit does (K10.FR.07): what flows too."""
    sent = profile(octt, rate)
    del sent["validFrom"], sent["validTo"]  # errata 6.2.66
    await install(octt, 1, sent)
    await octt.energy_transfer_started()
    agrees(await composite(octt, rate, 1, 300), rate, octt.now(), (0, 6))
    await octt.unit().until(lambda unit: 0 < unit.power_w <= 6 * 230)
    assert await clear(octt, chargingProfilePurpose=DEFAULT) == "Accepted"
    agrees(await composite(octt, rate, 1, 300), rate, octt.now(), (0, None))
    await octt.unit().until(lambda unit: unit.power_w > 6 * 230)


@pytest.mark.covers("TC_K_24_CS")
@pytest.mark.parametrize("level", [0, 7])
@case(evses=2)
async def test_several_by_purpose_and_stack_level(octt: Octt, level: int) -> None:
    """Those of both EVSEs go with one request."""
    await install(octt, 1, profile(octt, WATTS, stackLevel=level))
    await install(octt, 2, profile(octt, WATTS, id=SECOND_ID, stackLevel=level))
    assert await clear(octt, chargingProfilePurpose=DEFAULT, stackLevel=level) == "Accepted"
    await none_reported(octt, chargingProfilePurpose=DEFAULT, stackLevel=level)
    await none_reported(octt)
