"""Block E of Part 6, where a transaction stops: TC_E_06 to 08, 14 to 17, 21, 22, 35 (errata 2025-09 applied)."""

from __future__ import annotations

import pytest

from tests.octt.harness import ABSENT, Octt, case

#: The Configuration State of the cases with a local stop.
LOCAL = {"AuthCtrlr.Enabled": True, "AuthCtrlr.DisableRemoteAuthorization": False}


def stop_at(*points: str, **more: object) -> dict[str, object]:
    """First values: these stop points alone."""
    return {"TxCtrlr.TxStopPoint": ",".join(points), **{name.replace("__", "."): value for name, value in more.items()}}


@pytest.mark.covers("TC_E_06_CS")
@pytest.mark.parametrize("points", ["Authorized", "EVConnected", "PowerPathClosed", "EnergyTransfer"])
@case()
async def test_a_local_stop_by_the_token_that_started(octt: Octt, points: str) -> None:
    """The same token stops the energy without asking the CSMS; what is told until the bay is empty fits the points."""
    await octt.configure(LOCAL)
    await octt.set_variable("TxCtrlr.TxStopPoint", points)
    await octt.energy_transfer_started(local=True)
    octt.clear("Authorize")
    await octt.stop_authorized(local=True)
    await octt.never("Authorize")
    await octt.ev_connected_post_session(local=True)
    await octt.ev_disconnected(local=True)
    await octt.parking_bay_unoccupied(local=True)
    assert octt.bay().ended


@pytest.mark.covers("TC_E_07_CS")
@case(variables=stop_at("PowerPathClosed"))
async def test_a_local_stop_opens_the_power_path(octt: Octt) -> None:
    """With PowerPathClosed the end of the authorization ends the transaction, told as a local stop."""
    await octt.energy_transfer_started(local=True)
    await octt.stop_authorized(local=True)
    assert octt.bay().ended


@pytest.mark.covers("TC_E_08_CS")
@pytest.mark.parametrize("local", [True, False])
@case(variables=stop_at("EnergyTransfer"))
async def test_a_stop_ends_the_energy_and_with_it_the_transaction(octt: Octt, local: bool) -> None:
    """With EnergyTransfer a stop by token or by the CSMS ends the transaction when the unit has stopped."""
    await octt.energy_transfer_started(local=local)
    await octt.stop_authorized(local=local)
    assert octt.bay().ended


@pytest.mark.covers("TC_E_14_CS")
@pytest.mark.parametrize("local", [True, False])
@case(variables=stop_at("EVConnected"))
async def test_unplugging_after_the_stop_ends_the_transaction(octt: Octt, local: bool) -> None:
    """With EVConnected the transaction lasts until the cable is out, and says who had stopped the energy."""
    await octt.energy_transfer_started(local=local)
    await octt.ev_connected_post_session(local=local)
    assert octt.bay().started
    octt.clear("StatusNotification")
    octt.unplug()
    await octt.expect("StatusNotification", connectorStatus="Available", evseId=1, connectorId=1)
    await octt.event(
        1,
        eventType="Ended",
        triggerReason="EVCommunicationLost",
        transactionInfo__chargingState="Idle",
        transactionInfo__stoppedReason={"Local", "EVDisconnected", ABSENT} if local else {"Remote", "EVDisconnected"},
    )


@pytest.mark.covers("TC_E_15_CS")
@case(variables=stop_at("Authorized"))
async def test_a_token_at_the_reader_ends_the_transaction(octt: Octt) -> None:
    """With Authorized the token that started it ends it: StopAuthorized, Local."""
    await octt.energy_transfer_started(local=True)
    await octt.wait(20)
    await octt.present()
    await octt.event(
        1, eventType="Ended", triggerReason="StopAuthorized", transactionInfo__stoppedReason="Local",
        idToken__idToken=octt.token["idToken"],
    )  # fmt: skip


@pytest.mark.covers("TC_E_16_CS")
@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("points", ["Authorized", "PowerPathClosed", "Authorized,EVConnected"])
@case(variables={"OCPPCommCtrlr.OfflineThreshold": 600})
async def test_a_token_accepted_offline_that_the_csms_calls_invalid_ends_the_transaction(
    octt: Octt, points: str, cached: bool
) -> None:
    """What was begun offline, by a token that was known or by one that was not, is told as offline; the answer Invalid
    ends it: Deauthorized, DeAuthorized, online."""
    await octt.configure(LOCAL | {"AuthCtrlr.OfflineTxForUnknownIdEnabled": True})
    await octt.set_variable("TxCtrlr.StopTxOnInvalidId", True)
    await octt.set_variable("TxCtrlr.TxStopPoint", points)
    if cached:
        await octt.id_token_cached()
    await octt.offline_transaction()
    octt.clear()
    octt.tokens[octt.token["idToken"]] = "Invalid"
    octt.online()
    await octt.expect("TransactionEvent", 120, eventType="Started", offline=True, idToken=octt.token)
    while (event := await octt.expect("TransactionEvent", 120))["eventType"] != "Ended":
        assert event["offline"] is True, event
    assert "offline" not in event
    assert event["triggerReason"] == "Deauthorized"
    assert event["transactionInfo"]["stoppedReason"] == "DeAuthorized"
    await octt.wait(20)
    assert octt.unit().power_w == 0


@pytest.mark.covers("TC_E_17_CS")
@pytest.mark.parametrize("local", [True, False])
@case(variables=stop_at("Authorized", TxCtrlr__StopTxOnEVSideDisconnect=True))
async def test_unplugging_at_the_vehicle_ends_the_authorization_and_the_transaction(octt: Octt, local: bool) -> None:
    """With Authorized and StopTxOnEVSideDisconnect one event says all: vehicle lost, Idle, EVDisconnected, Ended."""
    await octt.configure(LOCAL | {"OCPPCommCtrlr.UnlockOnEVSideDisconnect": False})
    await octt.energy_transfer_started(local=local)
    await octt.energy_transfer_suspended(local=local)
    octt.clear("StatusNotification")
    octt.unplug()
    await octt.event(
        1,
        eventType="Ended",
        triggerReason="EVCommunicationLost",
        transactionInfo__chargingState="Idle",
        transactionInfo__stoppedReason="EVDisconnected",
    )
    await octt.expect("StatusNotification", connectorStatus="Available", evseId=1, connectorId=1)


@pytest.mark.covers("TC_E_21_CS")
@case(variables=stop_at("Authorized"))
async def test_a_remote_stop_ends_the_transaction(octt: Octt) -> None:
    """With Authorized a RequestStopTransaction is accepted and then told: RemoteStop, Remote, Ended."""
    await octt.energy_transfer_started()
    await _remote_stop(octt)


@pytest.mark.covers("TC_E_35_CS")
@case(variables=stop_at("PowerPathClosed"))
async def test_a_remote_stop_opens_the_power_path(octt: Octt) -> None:
    """With PowerPathClosed a RequestStopTransaction ends it likewise: RemoteStop, Remote, Ended."""
    await octt.energy_transfer_started()
    await _remote_stop(octt)


async def _remote_stop(octt: Octt) -> None:
    answer = await octt.call("RequestStopTransaction", transactionId=octt.transaction())
    assert answer["status"] == "Accepted"
    await octt.event(1, eventType="Ended", triggerReason="RemoteStop", transactionInfo__stoppedReason="Remote")


@pytest.mark.covers("TC_E_22_CS")
@pytest.mark.parametrize("local", [True, False])
@case(variables=stop_at("EnergyTransfer"))
async def test_a_vehicle_that_takes_no_more_ends_the_transaction(octt: Octt, local: bool) -> None:
    """With EnergyTransfer a car that suspends ends it: ChargingStateChanged, EVConnected, StoppedByEV."""
    await octt.energy_transfer_started(local=local)
    octt.ev_suspends()
    await octt.event(
        1,
        180,
        eventType="Ended",
        triggerReason="ChargingStateChanged",
        transactionInfo__chargingState="EVConnected",
        transactionInfo__stoppedReason="StoppedByEV",
    )


@case(evses=2, variables=stop_at("Authorized"))
async def test_transactions_of_two_evses_do_not_touch_each_other(octt: Octt) -> None:
    """Each has its own id and its own numbers from 0; ending one leaves the other as it is."""
    await octt.energy_transfer_started(1)
    await octt.energy_transfer_started(2)
    await octt.stop_authorized(1)
    await octt.never("TransactionEvent", 20, evse=2, eventType="Ended")
    status = await octt.call("GetTransactionStatus", transactionId=octt.transaction(2))
    assert status["ongoingIndicator"] is True
    await octt.stop_authorized(2)
    for evse in (1, 2):
        numbers = [event["seqNo"] for event in octt.all_of("TransactionEvent", evse)]
        assert numbers == list(range(len(numbers)))
