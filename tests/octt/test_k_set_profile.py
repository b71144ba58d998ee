"""Block K: profiles that a CSMS sets, and what becomes of them (K01, K05)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.octt.fields import ANY
from tests.octt.harness import DEVIATION, Octt, case
from tests.octt.smart_charging import (
    DEFAULT,
    FIRST_ID,
    OF_STATION,
    OF_TRANSACTION,
    WATTS,
    Rate,
    agrees,
    composite,
    in_both_units,
    install,
    profile,
    refused,
    relative,
    reported,
    schedule,
    stamp,
)


@pytest.mark.covers("TC_K_01_CS")
@in_both_units
@case(evses=2)
async def test_a_default_of_one_evse(octt: Octt, rate: Rate) -> None:
    """It is reported as it was set, of that EVSE."""
    sent = await install(octt, 2, profile(octt, rate))
    (await reported(octt, chargingProfileId=[FIRST_ID])).shows((2, sent))


@pytest.mark.covers("TC_K_10_CS")
@in_both_units
@case(evses=2)
async def test_a_default_of_all_evses(octt: Octt, rate: Rate) -> None:
    """It is reported as it was set, of EVSE 0 and once; nothing is left to come."""
    sent = await install(octt, 0, profile(octt, rate))
    told = await reported(octt, chargingProfileId=[FIRST_ID])
    told.shows((0, sent))
    assert [message["tbc"] for message in told.messages] == [False]


@pytest.mark.covers("TC_K_60_CS")
@in_both_units
@case()
async def test_a_profile_for_the_transaction_that_goes_on(octt: Octt, rate: Rate) -> None:
    """It is reported as it was set, and the unit keeps to it."""
    await octt.energy_transfer_started()
    before = octt.unit().power_w
    sent = await install(octt, 1, relative(octt, rate, transactionId=octt.transaction()))
    (await reported(octt, chargingProfileId=[FIRST_ID])).shows((1, sent))
    await octt.wait(30)
    assert 0 < octt.unit().power_w <= 6 * 230 < before


@pytest.mark.covers("TC_K_02_CS")
@case()
async def test_a_transactions_profile_without_a_transaction(octt: Octt) -> None:
    """Rejected: there is none that it could be for (K01.FR.09)."""
    wrong = profile(octt, WATTS, OF_TRANSACTION, transactionId="UNKNOWN-TRANSACTION-ID")
    assert await refused(octt, 1, wrong) == "TxNotFound"


@pytest.mark.covers("TC_K_11_CS")
@pytest.mark.parametrize("running", [False, True])
@case()
async def test_a_transactions_profile_for_all_evses(octt: Octt, running: bool) -> None:
    """Rejected whether a transaction goes on or not (K01.FR.16)."""
    if running:
        await octt.energy_transfer_started()
    transaction = {"transactionId": octt.transaction()} if running else {}
    assert await refused(octt, 0, profile(octt, WATTS, OF_TRANSACTION, **transaction)) == "InvalidProfile"


@pytest.mark.covers("TC_K_03_CS")
@in_both_units
@case(evses=2)
async def test_a_bound_of_the_station(octt: Octt, rate: Rate) -> None:
    """It is reported as it was set, of EVSE 0."""
    sent = await install(octt, 0, profile(octt, rate, OF_STATION))
    (await reported(octt, chargingProfileId=[FIRST_ID])).shows((0, sent))


@pytest.mark.covers("TC_K_19_CS")
@pytest.mark.parametrize("recurs", ["Daily", "Weekly"])
@pytest.mark.parametrize("purpose", [DEFAULT, OF_STATION])
@case()
async def test_a_recurring_profile(octt: Octt, recurs: str, purpose: str) -> None:
    """Daily and weekly ones are taken, with both purposes that may recur."""
    recurring = {"chargingProfileKind": "Recurring", "recurrencyKind": recurs}
    await install(octt, 0, profile(octt, WATTS, purpose, **recurring))


@pytest.mark.covers("TC_K_12_CS")
@case(variables={"SmartChargingCtrlr.RateUnit": "W"})
async def test_a_unit_that_is_not_offered(octt: Octt) -> None:
    """Where a site leaves amperes out (DC units count in watts), they are rejected."""
    assert await octt.get_variable("SmartChargingCtrlr.RateUnit") == "W"
    assert await refused(octt, 1, profile(octt, Rate("A", 1))) == "UnsupportedRateUnit"
    await install(octt, 1, profile(octt, WATTS))


@pytest.mark.covers("TC_K_13_CS")
@pytest.mark.parametrize("by_reset", [True, False], ids=["reset", "mains"])
@in_both_units
@case()
async def test_a_profile_outlives_a_reboot(octt: Octt, rate: Rate, by_reset: bool) -> None:
    """By a Reset, and by the mains that fail."""
    sent = await install(octt, 1, profile(octt, rate))
    await octt.booted(reset=by_reset)
    (await reported(octt, chargingProfileId=[FIRST_ID])).shows((1, sent))


@pytest.mark.covers("TC_K_14_CS")
@case(evses=2)
async def test_an_evse_that_is_not_there(octt: Octt) -> None:
    """The number after the last one is rejected (K01.FR.28)."""
    assert await refused(octt, 3, profile(octt, WATTS)) == "UnknownEvse"


@pytest.mark.covers("TC_K_28_CS")
@in_both_units
@case(variables={"SmartChargingCtrlr.LimitChangeSignificance": 1.0})
async def test_a_default_while_a_transaction_goes_on(octt: Octt, rate: Rate) -> None:
    """It counts at once (K01.FR.32): in the schedule, and in what flows."""
    await octt.energy_transfer_started()
    before = octt.unit().power_w
    await install(octt, 1, profile(octt, rate))
    agrees(await composite(octt, rate, 1, 300), rate, octt.now(), (0, 6))
    await octt.wait(30)
    assert 0 < octt.unit().power_w <= 6 * 230 < before


@pytest.mark.covers("TC_K_16_CS")
@case()
async def test_a_transaction_that_is_not_known(octt: Octt) -> None:
    """Another one goes on; the profile for the unknown one is rejected (K01.FR.33)."""
    await octt.energy_transfer_started()
    wrong = profile(octt, WATTS, OF_TRANSACTION, transactionId="UNKNOWN-TRANSACTION-ID")
    assert await refused(octt, 1, wrong) == "TxNotFound"


@pytest.mark.covers("TC_K_21_CS")
@in_both_units
@case()
async def test_a_profile_begins_with_valid_from(octt: Octt, rate: Rate) -> None:
    """A relative default that is valid in five minutes: until then the station's own limit counts."""
    now = octt.now()
    await install(octt, 1, relative(octt, rate, DEFAULT, validFrom=stamp(now + timedelta(seconds=300))))
    agrees(await composite(octt, rate, 1, 400), rate, now, (0, None), (300, 6))


@pytest.mark.covers("TC_K_22_CS")
@in_both_units
@case(evses=3)
async def test_a_profile_ends_with_valid_to(octt: Octt, rate: Rate) -> None:
    """A default of all EVSEs that is valid for five minutes: at EVSE 0 the limits of all are one sum."""
    now = octt.now()
    ends = stamp(now + timedelta(seconds=300))
    sent = profile(octt, rate, validFrom=stamp(now - timedelta(seconds=DEVIATION)), validTo=ends)
    await install(octt, 0, sent | {"chargingSchedule": [schedule(rate, (0, 6), startSchedule=stamp(now))]})
    agrees(await composite(octt, rate, 0, 400), rate, now, (0, 6 * 3), (300, None))
    for evse in (1, 2, 3):
        agrees(await composite(octt, rate, evse, 400), rate, now, (0, 6), (300, None))


@pytest.mark.covers("TC_K_23_CS")
@in_both_units
@case()
async def test_a_profile_begins_with_its_schedule(octt: Octt, rate: Rate) -> None:
    """An absolute default whose schedule starts in a minute; as errata 6.2.67 have it."""
    now = octt.now()
    starts = now + timedelta(seconds=60)
    sent = profile(octt, rate, chargingSchedule=[schedule(rate, (0, 6), startSchedule=stamp(starts))])
    del sent["validFrom"], sent["validTo"]
    await install(octt, 1, sent)
    agrees(await composite(octt, rate, 1, 300), rate, now, (0, None), (60, 6))


@pytest.mark.covers("TC_K_04_CS")
@in_both_units
@case()
async def test_a_profile_of_the_same_id_replaces(octt: Octt, rate: Rate) -> None:
    """Only the second one is reported."""
    await install(octt, 1, profile(octt, rate))
    second = await install(octt, 1, profile(octt, rate, limit=10))
    (await reported(octt, chargingProfileId=[FIRST_ID])).shows((1, second))
    (await reported(octt)).shows((1, second))


@pytest.mark.covers("TC_K_37_CS")
@pytest.mark.parametrize("point", ["PowerPathClosed", "Authorized", "EVConnected", "EnergyTransfer"])
@in_both_units
@case()
async def test_a_profile_comes_with_a_remote_start(octt: Octt, rate: Rate, point: str) -> None:
    """It is kept for the transaction that begins (K05.FR.03), bounds it from the first, and ends with it (K02.FR.05).

    The report names the transaction that the profile belongs to now; else it is as it was sent.
    """
    await octt.configure({"AuthCtrlr.AuthorizeRemoteStart": True, "TxCtrlr.TxStartPoint": point})
    await octt.ev_connected_pre_session()
    sent = relative(octt, rate)
    await octt.authorized(chargingProfile=sent)
    await octt.energy_transfer_started()
    (await reported(octt, chargingProfilePurpose=OF_TRANSACTION)).shows(
        (1, sent | {"transactionId": octt.transaction()})
    )
    assert 0 < octt.unit().power_w <= 6 * 230
    await octt.stop_authorized()
    await octt.wait(60)
    answer = await octt.call("GetChargingProfiles", requestId=9, chargingProfile={})
    assert answer["status"] == "NoProfiles", answer


@case()
async def test_a_start_with_a_profile_that_is_wrong_is_rejected(octt: Octt) -> None:
    """F01.FR.26: nothing begins, and nothing is kept of it."""
    await octt.ev_connected_pre_session()
    wrong = relative(octt, WATTS, chargingProfilePurpose=DEFAULT)
    start = {"idToken": octt.token, "remoteStartId": 7, "evseId": 1, "chargingProfile": wrong}
    answer = await octt.call("RequestStartTransaction", start)
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "InvalidProfile")
    await octt.never("TransactionEvent", 30, idToken=ANY)
    answer = await octt.call("GetChargingProfiles", requestId=9, chargingProfile={})
    assert answer["status"] == "NoProfiles", answer
