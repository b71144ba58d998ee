"""B11, B12: Reset of one EVSE (TC_B_25 to 27)."""

from __future__ import annotations

import pytest

from tests.octt.harness import Octt, case

ENDS_ON_STOP = {"TxCtrlr.TxStartPoint": "PowerPathClosed", "TxCtrlr.TxStopPoint": "EVConnected,Authorized"}


@pytest.mark.covers("TC_B_25_CS")
@case(evses=2)
async def test_an_idle_evse_resets_at_once(octt: Octt) -> None:
    """Accepted, and the station does not boot: the connection stays, the EVSE's connector is told again."""
    assert await octt.get_variable("EVSE.AllowReset", evse=1) == "true"
    dials = len(octt.dials)
    answer = await octt.call("Reset", type="OnIdle", evseId=1)
    assert answer["status"] == "Accepted", answer
    await octt.expect("StatusNotification", 10, evse=1, connectorStatus="Available")
    await octt.never("BootNotification", 120)
    await octt.never("StatusNotification", evse=2)
    assert len(octt.dials) == dials


@pytest.mark.covers("TC_B_25_CS")
@case(evses=2)
async def test_the_other_evse_goes_on(octt: Octt) -> None:
    """A transaction at another EVSE neither delays the reset nor notices it."""
    await octt.energy_transfer_started(2)
    answer = await octt.call("Reset", type="OnIdle", evseId=1)
    assert answer["status"] == "Accepted", answer
    await octt.never("TransactionEvent", 60, evse=2)
    await octt.stop_authorized(2)


@pytest.mark.covers("TC_B_26_CS")
@case(evses=2, variables=ENDS_ON_STOP)
async def test_a_reset_on_idle_waits_for_the_evses_transaction(octt: Octt) -> None:
    """Scheduled; the transaction ends as ever, nothing boots, and the EVSE takes starts again afterwards."""
    await octt.energy_transfer_started()
    answer = await octt.call("Reset", type="OnIdle", evseId=1)
    assert answer["status"] == "Scheduled", answer
    await octt.stop_authorized()
    await octt.expect("StatusNotification", evse=1, connectorStatus="Occupied")  # the EVSE has been reset
    await octt.ev_connected_post_session()
    await octt.ev_disconnected()
    await octt.parking_bay_unoccupied()
    await octt.never("BootNotification", 60)
    octt.clear()
    await octt.energy_transfer_started()


@pytest.mark.covers("TC_B_27_CS")
@case(evses=2)
async def test_an_immediate_reset_ends_the_evses_transaction(octt: Octt) -> None:
    """Accepted; Ended by the reset, and the transaction of the other EVSE goes on."""
    await octt.energy_transfer_started(1)
    await octt.energy_transfer_started(2)
    answer = await octt.call("Reset", type="Immediate", evseId=1)
    assert answer["status"] == "Accepted", answer
    await octt.event(
        1,
        eventType="Ended",
        triggerReason="ResetCommand",
        transactionInfo__chargingState="EVConnected",
        transactionInfo__stoppedReason="ImmediateReset",
    )
    await octt.never("BootNotification", 60)
    await octt.never("TransactionEvent", evse=2)
    await octt.stop_authorized(2)


@case(evses=2)
async def test_an_evse_that_is_not_there_cannot_be_reset(octt: Octt) -> None:
    """Rejected, and the answer says why."""
    for evse in (0, 3):
        answer = await octt.call("Reset", type="Immediate", evseId=evse)
        assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "UnknownEvse"), answer
    await octt.never("BootNotification", 30)
