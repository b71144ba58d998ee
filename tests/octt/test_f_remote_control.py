"""Block F: remote start and stop, and messages that the CSMS asks for (F01 to F06)."""

from __future__ import annotations

import pytest

from tests.octt.fields import ABSENT, ANY
from tests.octt.harness import Late, Octt, case

#: What a home's V2H unit can have as TxStartPoint; the cases hold for each.
START_POINTS = ("PowerPathClosed", "Authorized", "EVConnected", "EnergyTransfer")


async def start_at(octt: Octt, point: str) -> None:
    """Remote authorization, as the block's cases want it, with a start point."""
    await octt.configure(
        {
            "AuthCtrlr.Enabled": True,
            "AuthCtrlr.DisableRemoteAuthorization": False,
            "TxCtrlr.TxStartPoint": point,
        }
    )


@pytest.mark.covers("TC_F_01_CS")
@pytest.mark.parametrize("point", START_POINTS)
@case()
async def test_the_cable_first_and_then_a_remote_start(octt: Octt, point: str) -> None:
    """A vehicle is plugged in, the CSMS starts, energy flows; a transaction that was there already is told back."""
    await start_at(octt, point)
    await octt.ev_connected_pre_session()
    await octt.authorized()
    await octt.energy_transfer_started()


@pytest.mark.covers("TC_F_02_CS")
@pytest.mark.parametrize("point", START_POINTS)
@case()
async def test_a_remote_start_first_that_asks_for_the_token(octt: Octt, point: str) -> None:
    """With AuthorizeRemoteStart the station asks for the token by an Authorize; nothing begins before the answer, for
    which the CSMS takes its time here."""
    await start_at(octt, point)
    await octt.set_variable("AuthCtrlr.AuthorizeRemoteStart", True)
    octt.answer("Authorize", Late(5_000, {"idTokenInfo": {"status": "Accepted"}}))
    await octt.authorized(authorize=True)
    for event in octt.all_of("TransactionEvent"):
        assert octt.near(seconds=2)(event["timestamp"]), "it began before the answer"
    await octt.wait(6)
    await octt.energy_transfer_started()


@pytest.mark.covers("TC_F_03_CS")
@pytest.mark.parametrize("point", START_POINTS)
@case()
async def test_a_remote_start_first_that_takes_the_token_as_it_is(octt: Octt, point: str) -> None:
    """Without AuthorizeRemoteStart no Authorize is sent, neither before nor after."""
    await start_at(octt, point)
    await octt.set_variable("AuthCtrlr.AuthorizeRemoteStart", False)
    await octt.authorized(authorize=False)
    await octt.energy_transfer_started()
    await octt.never("Authorize")


@pytest.mark.covers("TC_F_04_CS")
@case()
async def test_a_remote_start_whose_vehicle_does_not_come(octt: Octt) -> None:
    """After EVConnectionTimeOut the transaction ends, not before; the EVSE takes the next start."""
    await start_at(octt, "Authorized")
    await octt.set_variable("TxCtrlr.EVConnectionTimeOut", 30)
    await octt.authorized()
    await octt.never("TransactionEvent", 28)
    ended = await octt.event(1, 6, eventType="Ended", triggerReason="EVConnectTimeout")
    assert ended["transactionInfo"]["stoppedReason"] == "Timeout"
    octt.bay().authorized = False
    await octt.wait(2)
    await octt.authorized()


@pytest.mark.covers("TC_F_08_CS")
@pytest.mark.parametrize("points", ["Authorized", "EVConnected", "PowerPathClosed", "EnergyTransfer"])
@case()
async def test_a_remote_stop(octt: Octt, points: str) -> None:
    """A transaction is stopped by its id: told as RemoteStop, and ended with Remote where authorization ends it."""
    await octt.set_variable("TxCtrlr.TxStopPoint", points)
    await octt.energy_transfer_started()
    await octt.stop_authorized()
    await octt.unit().until(lambda unit: unit.power_w == 0)


@pytest.mark.covers("TC_F_09_CS")
@case()
async def test_a_remote_stop_of_another_transaction(octt: Octt) -> None:
    """An id that is no transaction's is refused, and the one that goes on is not touched."""
    await octt.energy_transfer_started()
    answer = await octt.call("RequestStopTransaction", transactionId=octt.transaction()[:-1] + "*")
    assert answer["status"] == "Rejected"
    await octt.never("TransactionEvent", 20)
    assert octt.unit().power_w > 0


# -- TriggerMessage


async def trigger(octt: Octt, message: str, evse: int | None = None, connector: int | None = None) -> str:
    """Ask for a message; the answer comes before it (F06.FR.04)."""
    octt.clear()
    where = {} if evse is None else {"evse": {"id": evse} | ({} if connector is None else {"connectorId": connector})}
    before = len(octt.frames)
    answer = await octt.call("TriggerMessage", requestedMessage=message, **where)
    frames = octt.frames[before:]
    answered = next(at for at, one in enumerate(frames) if one.action == "TriggerMessage" and one.frame[0] == 3)
    assert not [one for one in frames[:answered] if one.action == message], "the message came before the answer"
    return str(answer["status"])


@pytest.mark.covers("TC_F_11_CS")
@case(evses=2)
async def test_meter_values_of_one_evse_are_asked_for(octt: Octt) -> None:
    """One MeterValues comes, of that EVSE, with the measurands of AlignedDataMeasurands and context Trigger."""
    assert await trigger(octt, "MeterValues", evse=2) == "Accepted"
    told = await octt.expect("MeterValues", evseId=2, meterValue__0__timestamp=octt.near())
    assert {value["context"] for value in told["meterValue"][0]["sampledValue"]} == {"Trigger"}
    wanted = (await octt.get_variable("AlignedDataCtrlr.Measurands")).split(",")
    found = {value.get("measurand") for value in told["meterValue"][0]["sampledValue"]}
    assert found <= set(wanted)
    assert "Energy.Active.Import.Register" in found
    await octt.never("MeterValues", 10)


@pytest.mark.covers("TC_F_12_CS")
@case(evses=2)
async def test_meter_values_of_all_evses_are_asked_for(octt: Octt) -> None:
    """Without an EVSE one MeterValues comes for each."""
    assert await trigger(octt, "MeterValues") == "Accepted"
    for evse in (1, 2):
        await octt.expect("MeterValues", evse=evse, meterValue__0__sampledValue__0__context="Trigger")
    await octt.never("MeterValues", 10)


@pytest.mark.covers("TC_F_13_CS")
@case(evses=2)
async def test_a_transaction_event_of_one_evse_is_asked_for(octt: Octt) -> None:
    """It says how it stands: charging, with what is measured now."""
    await octt.energy_transfer_started(1)
    await octt.energy_transfer_started(2)
    assert await trigger(octt, "TransactionEvent", evse=1) == "Accepted"
    event = await octt.event(
        1,
        triggerReason="Trigger",
        evse__id={ABSENT, 1},
        transactionInfo__chargingState="Charging",
        transactionInfo__transactionId=octt.transaction(1),
        meterValue__0__sampledValue__0__context="Trigger",
    )
    told = {value["measurand"]: value["value"] for value in event["meterValue"][0]["sampledValue"]}
    assert set(told) <= set((await octt.get_variable("SampledDataCtrlr.TxUpdatedMeasurands")).split(","))
    assert told["Power.Active.Import"] > 0
    await octt.never("TransactionEvent", 10)


@pytest.mark.covers("TC_F_14_CS")
@case(evses=2)
async def test_a_transaction_event_of_all_evses_is_asked_for(octt: Octt) -> None:
    """Without an EVSE one comes of every transaction."""
    await octt.energy_transfer_started(1)
    await octt.energy_transfer_started(2)
    assert await trigger(octt, "TransactionEvent") == "Accepted"
    for evse in (1, 2):
        await octt.event(
            evse,
            triggerReason="Trigger",
            transactionInfo__chargingState="Charging",
            transactionInfo__transactionId=octt.transaction(evse),
            meterValue__0__sampledValue__0__context="Trigger",
        )


@pytest.mark.covers("TC_F_20_CS")
@case()
async def test_a_heartbeat_is_asked_for(octt: Octt) -> None:
    """A Heartbeat comes at once, long before its interval has passed."""
    assert await trigger(octt, "Heartbeat") == "Accepted"
    await octt.expect("Heartbeat", 5)


@pytest.mark.covers("TC_F_23_CS")
@case(evses=2)
async def test_the_status_of_a_free_connector_is_asked_for(octt: Octt) -> None:
    """It is told although nothing has changed, and only of that connector."""
    assert await trigger(octt, "StatusNotification", evse=2, connector=1) == "Accepted"
    await octt.expect("StatusNotification", connectorStatus="Available", evseId=2, connectorId=1, timestamp=octt.near())
    await octt.never("StatusNotification", 10)


@pytest.mark.covers("TC_F_24_CS")
@case()
async def test_the_status_of_an_occupied_connector_is_asked_for(octt: Octt) -> None:
    """It is told although nothing has changed."""
    await octt.ev_connected_pre_session()
    assert await trigger(octt, "StatusNotification", evse=1, connector=1) == "Accepted"
    await octt.expect("StatusNotification", connectorStatus="Occupied", evseId=1, connectorId=1)


@pytest.mark.covers("TC_F_26_CS")
@case()
async def test_a_boot_notification_is_refused_once_it_was_accepted(octt: Octt) -> None:
    """F06.FR.17."""
    assert await trigger(octt, "BootNotification") == "Rejected"
    await octt.never("BootNotification", 30)


@pytest.mark.covers("TC_F_27_CS")
@case()
async def test_what_is_not_implemented_is_called_so(octt: Octt) -> None:
    """SignCombinedCertificate is; so are all others that this station cannot send."""
    assert await trigger(octt, "SignCombinedCertificate") == "NotImplemented"
    for message in ("LogStatusNotification", "FirmwareStatusNotification", "PublishFirmwareStatusNotification"):
        assert await trigger(octt, message) == "NotImplemented"


@case(evses=2)
async def test_there_is_no_main_power_meter_to_ask(octt: Octt) -> None:
    """EVSE 0 of MeterValues is the main power meter, which this station has not: neither asked for nor by the clock."""
    assert await trigger(octt, "MeterValues", evse=0) == "Rejected"
    await octt.set_variable("AlignedDataCtrlr.Interval", 60)
    await octt.wait(130)
    assert {told["evseId"] for told in octt.all_of("MeterValues")} == {1, 2}


@case(evses=2)
async def test_what_cannot_be_sent_is_rejected(octt: Octt) -> None:
    """An EVSE, connector or transaction that is not there, and a measurement that nobody has configured."""
    assert await trigger(octt, "StatusNotification", evse=3) == "Rejected"
    assert await trigger(octt, "StatusNotification", evse=1, connector=2) == "Rejected"
    assert await trigger(octt, "TransactionEvent", evse=1) == "Rejected"
    await octt.set_variable("AlignedDataCtrlr.Measurands", "")
    assert await trigger(octt, "MeterValues") == "Rejected"
    assert await trigger(octt, "Heartbeat", evse=2) == "Accepted"  # F06.FR.03: the EVSE is not relevant
    await octt.expect("Heartbeat", 5)
    await octt.never("TransactionEvent", 5)


@case()
async def test_an_unlock_says_that_the_cable_is_the_units(octt: Octt) -> None:
    """F05: the unit alone locks its cable; an authorized transaction comes first, an unknown connector is named so."""
    unlock = {"evseId": 1, "connectorId": 1}
    assert (await octt.call("UnlockConnector", unlock))["status"] == "UnlockFailed"
    assert (await octt.call("UnlockConnector", unlock | {"connectorId": 999}))["status"] == "UnknownConnector"
    await octt.energy_transfer_started()
    assert (await octt.call("UnlockConnector", unlock))["status"] == "OngoingAuthorizedTransaction"
    await octt.never("TransactionEvent", 10, eventType="Ended")


@case(evses=2)
async def test_a_start_that_names_no_evse_takes_a_plugged_in_vehicle(octt: Octt) -> None:
    """F01.FR.20: the station chooses; a second one gets the EVSE that is left, a third is refused."""
    await octt.ev_connected_pre_session(2)
    start = {"idToken": octt.token, "remoteStartId": 7}
    assert (await octt.call("RequestStartTransaction", start))["status"] == "Accepted"
    await octt.expect("TransactionEvent", evse=2, triggerReason="RemoteStart", transactionInfo__remoteStartId=7)
    assert (await octt.call("RequestStartTransaction", start | {"remoteStartId": 8}))["status"] == "Accepted"
    answer = await octt.call("RequestStartTransaction", start | {"remoteStartId": 9})
    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == "TxInProgress"


@case()
async def test_a_start_at_an_evse_that_cannot_is_rejected(octt: Octt) -> None:
    """F01.FR.23, F01.FR.24: unknown, inoperative, and occupied by an authorized transaction."""
    start = {"idToken": octt.token, "remoteStartId": 7}
    assert (await octt.call("RequestStartTransaction", start | {"evseId": 9}))["status"] == "Rejected"
    await octt.unavailable(1)
    assert (await octt.call("RequestStartTransaction", start | {"evseId": 1}))["status"] == "Rejected"
    answer = await octt.call("ChangeAvailability", operationalStatus="Operative", evse={"id": 1})
    assert answer["status"] == "Accepted"
    await octt.expect("StatusNotification", connectorStatus="Available")
    await octt.energy_transfer_started()
    answer = await octt.call("RequestStartTransaction", start | {"evseId": 1})
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "TxInProgress")
    await octt.never("TransactionEvent", 10, idToken=ANY)
