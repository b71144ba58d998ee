"""Block E of Part 6, the cable pulled at the vehicle (E09, E10): TC_E_20, 25, 26, 27, 37, 54 (errata applied).

The cable belongs to the unit: pulling it at the vehicle is the only way to pull it, and UnlockOnEVSideDisconnect is
read-only and false.
"""

from __future__ import annotations

import pytest

from tests.octt.harness import Octt, case

TIMEOUT = 40


def points(stop: str, *, deauthorizes: bool) -> dict[str, object]:
    """First values."""
    return {
        "TxCtrlr.TxStopPoint": stop,
        "TxCtrlr.StopTxOnEVSideDisconnect": deauthorizes,
        "TxCtrlr.EVConnectionTimeOut": TIMEOUT,
    }


async def _pull_the_cable(octt: Octt, **fields: object) -> None:
    octt.clear("StatusNotification")
    octt.unplug()
    octt.bays[1].connected = False
    await octt.event(1, triggerReason="EVCommunicationLost", transactionInfo__chargingState="Idle", **fields)


@pytest.mark.covers("TC_E_20_CS", "TC_E_54_CS")
@case(variables=points("EVConnected", deauthorizes=False))
async def test_a_lost_vehicle_ends_a_transaction_that_hangs_on_it(octt: Octt) -> None:
    """With EVConnected the transaction ends with the connection, even if that need not end the authorization."""
    await octt.energy_transfer_suspended()
    await _pull_the_cable(octt, eventType="Ended", transactionInfo__stoppedReason="EVDisconnected")


@pytest.mark.covers("TC_E_37_CS")
@case(variables=points("PowerPathClosed", deauthorizes=False))
async def test_a_lost_vehicle_opens_the_power_path(octt: Octt) -> None:
    """With PowerPathClosed it is the same."""
    await octt.energy_transfer_suspended()
    await _pull_the_cable(octt, eventType="Ended", transactionInfo__stoppedReason={"EVDisconnected", "StoppedByEV"})


@pytest.mark.covers("TC_E_25_CS")
@pytest.mark.parametrize("stop", ["Authorized", "EVConnected", "EVConnected,Authorized"])
@case(variables=points("Authorized", deauthorizes=True))
async def test_a_lost_vehicle_ends_the_authorization(octt: Octt, stop: str) -> None:
    """E09: told at once; the connector is free, and a vehicle that comes back gets no energy."""
    await octt.set_variable("TxCtrlr.TxStopPoint", stop)
    await octt.energy_transfer_suspended()
    await _pull_the_cable(octt, eventType="Ended")
    await octt.expect("StatusNotification", connectorStatus="Available", evseId=1, connectorId=1)
    octt.plug()
    await octt.never("TransactionEvent", 60, transactionInfo__chargingState="Charging")


@pytest.mark.covers("TC_E_26_CS")
@pytest.mark.parametrize("local", [True, False])
@case(variables=points("Authorized", deauthorizes=False))
async def test_a_vehicle_that_comes_back_in_time_goes_on_charging(octt: Octt, local: bool) -> None:
    """E10: the transaction is kept, the connector told as Available, and energy flows again after plugging in."""
    await octt.energy_transfer_suspended(local=local)
    await _pull_the_cable(octt, eventType="Updated")
    await octt.expect("StatusNotification", connectorStatus="Available", evseId=1, connectorId=1)
    await octt.wait(TIMEOUT / 2)
    octt.plug()
    await octt.expect("StatusNotification", connectorStatus="Occupied", evseId=1, connectorId=1)
    await octt.event(
        1, eventType="Updated", triggerReason="CablePluggedIn", transactionInfo__chargingState="EVConnected"
    )
    await octt.event(
        1, 120, eventType="Updated", triggerReason="ChargingStateChanged", transactionInfo__chargingState="Charging"
    )
    await octt.never("TransactionEvent", TIMEOUT, triggerReason="EVConnectTimeout")


@pytest.mark.covers("TC_E_27_CS")
@pytest.mark.parametrize("local", [True, False])
@case(variables=points("Authorized", deauthorizes=False))
async def test_a_vehicle_that_does_not_come_back_ends_the_transaction(octt: Octt, local: bool) -> None:
    """E10: without a vehicle the authorization, and with it the transaction, ends after EVConnectionTimeOut."""
    await octt.energy_transfer_suspended(local=local)
    await _pull_the_cable(octt, eventType="Updated")
    await octt.expect("StatusNotification", connectorStatus="Available", evseId=1, connectorId=1)
    await octt.event(
        1,
        TIMEOUT + 5,
        eventType="Ended",
        triggerReason="EVConnectTimeout",
        transactionInfo__stoppedReason="Timeout",
    )
