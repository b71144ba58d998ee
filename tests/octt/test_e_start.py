"""Block E of Part 6, where a transaction starts: TC_E_01 to TC_E_05, 09, 10, 13, 39, 52 (errata 2025-09 applied)."""

from __future__ import annotations

import pytest

from tests.octt.harness import ABSENT, Octt, case

#: The time in which a vehicle has to come (s).
TIMEOUT = 30


#: The Configuration State of every case with a local start.
LOCAL = {"AuthCtrlr.Enabled": True, "AuthCtrlr.DisableRemoteAuthorization": False}


def start_at(*points: str) -> dict[str, object]:
    """First values: these start points alone."""
    return {"TxCtrlr.TxStartPoint": ",".join(points)}


@pytest.mark.covers("TC_E_01_CS")
@pytest.mark.parametrize("local", [False, True])
@case(variables=start_at("PowerPathClosed"))
async def test_a_closed_power_path_starts_a_transaction(octt: Octt, local: bool) -> None:
    """With PowerPathClosed a token alone starts nothing; the cable that follows does, and then energy flows."""
    await octt.authorized(local=local)
    await octt.never("TransactionEvent", 5)
    await octt.ev_connected_pre_session()
    await octt.energy_transfer_started()


@pytest.mark.covers("TC_E_02_CS")
@pytest.mark.parametrize("local", [False, True])
@case(variables=start_at("EnergyTransfer"))
async def test_energy_that_flows_starts_a_transaction(octt: Octt, local: bool) -> None:
    """With EnergyTransfer neither token nor cable is told as an event; the first event says that energy flows."""
    await octt.authorized(local=local)
    await octt.never("TransactionEvent", 5)
    octt.plug()
    await octt.expect("StatusNotification", evseId=1, connectorId=1, connectorStatus="Occupied")
    event = await octt.event(
        1,
        120,
        eventType="Started",
        triggerReason={"ChargingStateChanged", "Authorized"} if local else "RemoteStart",
        evse__id=1,
        evse__connectorId=1,
        transactionInfo__chargingState="Charging",
    )
    assert event["idToken"] == octt.token


@pytest.mark.covers("TC_E_03_CS")
@pytest.mark.parametrize("points", ["EVConnected", "PowerPathClosed", "EVConnected,Authorized", "EnergyTransfer"])
@case()
async def test_a_local_start_with_the_cable_first(octt: Octt, points: str) -> None:
    """Plug in, then show a token: the CSMS is asked, and energy flows, whatever the start point is."""
    await octt.configure(LOCAL)
    await octt.set_variable("TxCtrlr.TxStartPoint", points)
    await octt.ev_connected_pre_session()
    await octt.energy_transfer_started(local=True)


@pytest.mark.covers("TC_E_04_CS")
@pytest.mark.parametrize("points", ["EVConnected", "Authorized", "PowerPathClosed", "EVConnected,Authorized"])
@case()
async def test_a_local_start_with_the_token_first(octt: Octt, points: str) -> None:
    """Show a token, then plug in: the CSMS is asked, and energy flows, whatever the start point is."""
    await octt.configure(LOCAL)
    await octt.set_variable("TxCtrlr.TxStartPoint", points)
    await octt.energy_transfer_started(local=True)


@pytest.mark.covers("TC_E_05_CS")
@pytest.mark.parametrize("stop", ["Authorized", "EVConnected,Authorized", "EVConnected", "EnergyTransfer"])
@pytest.mark.parametrize("start", ["Authorized", "PowerPathClosed"])
@case(variables={"TxCtrlr.EVConnectionTimeOut": TIMEOUT})
async def test_a_token_lapses_without_a_vehicle_and_the_evse_can_be_used_again(
    octt: Octt, start: str, stop: str
) -> None:
    """No cable within EVConnectionTimeOut ends what has started where Authorized is a stop point, else it is told as
    Updated; the next driver is served as ever, in a transaction of his own or in the one that goes on."""
    await octt.configure(LOCAL | {"AuthCacheCtrlr.Enabled": False, "AuthCtrlr.LocalPreAuthorize": False})
    await octt.set_variable("TxCtrlr.TxStartPoint", start)
    await octt.set_variable("TxCtrlr.TxStopPoint", stop)
    await octt.authorized(local=True)
    if start == "Authorized":
        ends = "Authorized" in stop
        await octt.event(
            1,
            TIMEOUT + 5,
            eventType="Ended" if ends else "Updated",
            triggerReason="EVConnectTimeout",
            transactionInfo__stoppedReason="Timeout" if ends else ABSENT,
        )
    else:
        await octt.never("TransactionEvent", TIMEOUT + 5)
    octt.bays[1].authorized = octt.bays[1].token_due = False
    await octt.never("StatusNotification", 5)  # it has been Available all the time
    await octt.energy_transfer_started(local=True)


@pytest.mark.covers("TC_E_09_CS")
@case(variables=start_at("EVConnected"))
async def test_a_connected_vehicle_starts_a_transaction(octt: Octt) -> None:
    """With EVConnected the cable alone starts it, naming EVSE and connector; the token comes with a later event."""
    await octt.ev_connected_pre_session()
    first = octt.bay().first
    assert first is not None
    assert first["triggerReason"] in {"CablePluggedIn", "ChargingStateChanged"}
    assert first["transactionInfo"]["chargingState"] == "EVConnected"
    assert "idToken" not in first
    await octt.authorized()
    await octt.energy_transfer_started()


@pytest.mark.covers("TC_E_10_CS")
@case(variables=start_at("Authorized"))
async def test_a_token_at_the_reader_starts_a_transaction(octt: Octt) -> None:
    """With Authorized a token that the CSMS accepts starts it, without any vehicle."""
    await octt.configure(LOCAL)
    await octt.authorized(local=True)
    first = octt.bay().first
    assert first is not None
    assert (first["triggerReason"], first["idToken"]) == ("Authorized", octt.token)
    await octt.ev_connected_pre_session()
    await octt.energy_transfer_started()


@pytest.mark.covers("TC_E_13_CS")
@case(variables=start_at("Authorized"))
async def test_a_remote_start_starts_a_transaction(octt: Octt) -> None:
    """With Authorized a RequestStartTransaction starts it, told as RemoteStart with the CSMS's number."""
    await octt.configure(LOCAL)
    await octt.authorized()
    first = octt.bay().first
    assert first is not None
    assert first["triggerReason"] == "RemoteStart"
    assert first["transactionInfo"]["remoteStartId"] == 1
    await octt.ev_connected_pre_session()
    await octt.energy_transfer_started()


@pytest.mark.covers("TC_E_39_CS")
@pytest.mark.parametrize("local", [False, True])
@case(
    variables={
        "TxCtrlr.TxStartPoint": "Authorized",
        "TxCtrlr.TxStopPoint": "Authorized",
        "TxCtrlr.EVConnectionTimeOut": TIMEOUT,
    }
)
async def test_a_vehicle_that_comes_too_late_gets_no_energy(octt: Octt, local: bool) -> None:
    """After EVConnectionTimeOut the transaction is over; plugging in then shows on the connector and starts nothing."""
    await octt.configure(LOCAL)
    await octt.authorized(local=local)
    await octt.event(
        1,
        TIMEOUT + 5,
        eventType="Ended",
        triggerReason="EVConnectTimeout",
        transactionInfo__stoppedReason="Timeout",
    )
    octt.plug()
    await octt.expect("StatusNotification", connectorStatus="Occupied", evseId=1, connectorId=1)
    await octt.never("TransactionEvent", 60)
    assert octt.unit().power_w == 0


@pytest.mark.covers("TC_E_52_CS")
@case(variables={"AuthCtrlr.DisableRemoteAuthorization": True})
async def test_with_remote_authorization_disabled_an_unknown_token_is_refused_unasked(octt: Octt) -> None:
    """A token that is neither cached nor listed is refused without an Authorize; the cable then brings no energy."""
    await octt.configure({"AuthCtrlr.Enabled": True})
    assert (await octt.present())["outcome"] == "denied"
    await octt.never("Authorize", 5)
    await octt.ev_connected_pre_session()
    await octt.never("TransactionEvent", 60, transactionInfo__chargingState="Charging")
    await octt.never("Authorize")


@case(variables=start_at("EVConnected") | {"TxCtrlr.TxStopPoint": "Authorized"})
async def test_a_vehicle_that_stayed_can_be_charged_again(octt: Octt) -> None:
    """E01.FR.02: a car that was never unplugged starts no transaction by itself, but one with the next remote start."""
    await octt.ev_connected_pre_session()
    await octt.energy_transfer_started()
    await octt.stop_authorized()
    first = octt.transaction()
    octt.clear()
    await octt.never("TransactionEvent", 30)
    answer = await octt.call("RequestStartTransaction", evseId=1, remoteStartId=9, idToken=octt.token)
    assert answer == {"status": "Accepted"}
    event = await octt.expect("TransactionEvent", eventType="Started", triggerReason="RemoteStart", seqNo=0)
    assert event["transactionInfo"]["transactionId"] != first
    assert event["transactionInfo"]["remoteStartId"] == 9
    await octt.seek("TransactionEvent", 120, transactionInfo__chargingState="Charging", idToken=ABSENT)
