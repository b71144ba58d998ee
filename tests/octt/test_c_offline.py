"""Block C: tokens presented while the CSMS is out of reach, and what it says of them afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.octt.fields import ABSENT
from tests.octt.harness import TOKEN, Octt, case

BACK_OFF = 30
CACHED = {
    "AuthCacheCtrlr.Enabled": True,
    "AuthCtrlr.LocalPreAuthorize": True,
    "AuthCtrlr.LocalAuthorizeOffline": True,
    "AuthCtrlr.OfflineTxForUnknownIdEnabled": True,
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": BACK_OFF,
    "OCPPCommCtrlr.RetryBackOffRandomRange": 0,
    "OCPPCommCtrlr.OfflineThreshold": BACK_OFF + 60,
}
METERED = {"SampledDataCtrlr.TxUpdatedMeasurands": "Energy.Active.Import.Register"}


def register(event: Mapping[str, Any]) -> float:
    """The energy register (Wh) that an event tells."""
    values = [value for meter in event["meterValue"] for value in meter["sampledValue"]]
    told = [value for value in values if value["measurand"] == "Energy.Active.Import.Register" and "phase" not in value]
    unit = told[-1].get("unitOfMeasure", {})
    assert unit.get("unit", "Wh") == "Wh", told
    return float(told[-1]["value"]) * 10.0 ** unit.get("multiplier", 0)


async def charged_offline(octt: Octt, seconds: float) -> dict[str, Any]:
    """A cached token starts out of the CSMS's reach; when the CSMS is back it calls the token Invalid.

    Gives back the transaction's first event; the queued ones are judged.
    """
    await octt.id_token_cached()
    octt.clear()
    await octt.ev_connected_pre_session()
    await octt.offline()
    await octt.wait(2)  # the station has noticed
    assert (await octt.present())["outcome"] == "accepted"
    await octt.wait(seconds)
    octt.tokens[TOKEN["idToken"]] = "Invalid"
    octt.online()
    started = await octt.event(
        1, 300, eventType="Started", triggerReason="Authorized", idToken=octt.token, offline=True
    )
    octt.bay().authorized = True
    await octt.event(1, triggerReason="ChargingStateChanged", transactionInfo__chargingState="Charging", offline=True)
    await octt.never("Authorize")
    return started


@pytest.mark.covers("TC_C_15_CS")
@case(variables=METERED)
async def test_an_invalid_token_may_still_move_max_energy_on_invalid_id(octt: Octt) -> None:
    """StopTxOnInvalidId is off and 10 kWh are granted: energy goes on, and stops when they have moved since the start,
    those before the CSMS's answer among them."""
    await octt.configure(CACHED | {"TxCtrlr.StopTxOnInvalidId": False, "TxCtrlr.MaxEnergyOnInvalidId": 10_000})
    started = await charged_offline(octt, 300)
    await octt.never("TransactionEvent", 60, triggerReason="Deauthorized")
    await octt.never("TransactionEvent", transactionInfo__chargingState="SuspendedEVSE")
    assert octt.unit().power_w > 0
    suspended = await octt.seek("TransactionEvent", 4 * 3600, transactionInfo__chargingState="SuspendedEVSE")
    assert (suspended["eventType"], suspended["triggerReason"]) == ("Updated", "ChargingStateChanged")
    moved = register(suspended) - register(started)
    assert 10_000 <= moved <= 10_200
    await octt.wait(600)
    assert octt.unit().power_w == 0


@pytest.mark.covers("TC_C_16_CS")
@case()
async def test_an_invalid_token_ends_the_transaction(octt: Octt) -> None:
    """StopTxOnInvalidId: the right to energy ends with the CSMS's answer."""
    await octt.configure(CACHED | {"TxCtrlr.StopTxOnInvalidId": True, "TxCtrlr.MaxEnergyOnInvalidId": 0})
    await charged_offline(octt, 5)
    await octt.event(1, eventType="Ended", triggerReason="Deauthorized", transactionInfo__stoppedReason="DeAuthorized")
    await octt.wait(20)
    assert octt.unit().power_w == 0


@pytest.mark.covers("TC_C_18_CS")
@case()
async def test_stop_tx_on_invalid_id_counts_before_the_energy_that_is_granted(octt: Octt) -> None:
    """MaxEnergyOnInvalidId says nothing where StopTxOnInvalidId ends the transaction; and that is told online."""
    await octt.configure(CACHED | {"TxCtrlr.StopTxOnInvalidId": True, "TxCtrlr.MaxEnergyOnInvalidId": 500})
    await charged_offline(octt, 20)
    await octt.event(1, eventType="Ended", triggerReason="Deauthorized", offline={ABSENT, False})
    await octt.wait(20)
    assert octt.unit().power_w == 0


@pytest.mark.covers("TC_C_17_CS")
@case()
async def test_an_invalid_token_keeps_its_transaction_without_energy(octt: Octt) -> None:
    """StopTxOnInvalidId is off and nothing is granted: energy stops, the transaction stays."""
    await octt.configure(CACHED | {"TxCtrlr.StopTxOnInvalidId": False, "TxCtrlr.MaxEnergyOnInvalidId": 0})
    await charged_offline(octt, 5)
    await octt.event(
        1,
        eventType="Updated",
        triggerReason="ChargingStateChanged",
        transactionInfo__chargingState="SuspendedEVSE",
    )
    await octt.never("TransactionEvent", 60)
    assert octt.unit().power_w == 0
    assert not octt.bay().ended


@pytest.mark.covers("TC_C_26_CS")
@case()
async def test_an_unknown_token_may_charge_while_the_csms_is_away(octt: Octt) -> None:
    """OfflineTxForUnknownIdEnabled: it starts; the CSMS then calls it Invalid, and only energy stops."""
    await octt.configure(
        {
            "AuthCtrlr.LocalPreAuthorize": True,
            "AuthCtrlr.OfflineTxForUnknownIdEnabled": True,
            "AuthCtrlr.LocalAuthorizeOffline": True,
            "TxCtrlr.MaxEnergyOnInvalidId": 0,
            "TxCtrlr.StopTxOnInvalidId": False,
        }
    )
    await octt.offline_transaction()
    octt.tokens[TOKEN["idToken"]] = "Invalid"
    octt.online()
    await octt.expect("StatusNotification", 300, evseId=1, connectorId=1, connectorStatus="Occupied")
    bay = octt.bay()
    bay.connected = bay.authorized = bay.local = True
    await octt.event(1, eventType="Started", triggerReason="Authorized", idToken=octt.token, offline=True)
    await octt.event(1, triggerReason="ChargingStateChanged", transactionInfo__chargingState="Charging", offline=True)
    await octt.event(
        1, triggerReason="ChargingStateChanged", transactionInfo__chargingState="SuspendedEVSE", offline=ABSENT
    )
    await octt.stop_authorized(local=True)
    await octt.ev_disconnected(local=True)
    await octt.never("Authorize")


@case()
async def test_an_unknown_token_charges_nothing_without_leave(octt: Octt) -> None:
    """OfflineTxForUnknownIdEnabled is off (C15): the token is turned away, and nothing is queued."""
    await octt.configure({"AuthCtrlr.OfflineTxForUnknownIdEnabled": False})
    await octt.ev_connected_pre_session()
    await octt.offline()
    await octt.wait(2)  # the station has noticed
    answer = await octt.present()
    assert answer["outcome"] == "denied"
    await octt.wait(60)
    octt.online()
    await octt.never("TransactionEvent", 120)
    assert octt.unit().power_w == 0


@case()
async def test_a_cached_token_charges_nothing_offline_without_leave(octt: Octt) -> None:
    """LocalAuthorizeOffline is off: what is cached does not count, though it is no unknown token either."""
    await octt.configure(CACHED | {"AuthCtrlr.LocalAuthorizeOffline": False})
    await octt.id_token_cached()
    octt.clear()
    await octt.ev_connected_pre_session()
    await octt.offline()
    await octt.wait(2)  # the station has noticed
    assert (await octt.present())["outcome"] == "denied"
    octt.online()
    await octt.never("TransactionEvent", 120)
