"""Block E of Part 6, transactions without a CSMS (E04, E08, E11, E12): TC_E_40, 43, 44, 45 (errata 2025-09 applied)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.octt.harness import Never, Octt, case

AWAY, VALUES = 40, 10
RECONNECT = {
    "OCPPCommCtrlr.OfflineThreshold": AWAY + 60,
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": AWAY,
    "OCPPCommCtrlr.RetryBackOffRandomRange": 0,
}
SAMPLED = RECONNECT | {"SampledDataCtrlr.TxUpdatedInterval": VALUES}


async def what_waited(octt: Octt, seconds: float = 30) -> list[dict[str, Any]]:
    """Everything that comes once the CSMS is back; all of it must be marked offline."""
    octt.clear()
    octt.online()
    await octt.reconnected()
    await octt.wait(seconds)
    events = octt.waiting("TransactionEvent")
    queued = [event for event in events if "offline" in event]
    assert queued
    assert all(event["offline"] is True for event in queued)
    assert events[: len(queued)] == queued, "an event of now came before one that waited"
    return queued


@pytest.mark.covers("TC_E_40_CS")
@pytest.mark.parametrize("local", [False, True])
@case(variables=SAMPLED)
async def test_values_taken_while_the_csms_is_away_come_later(octt: Octt, local: bool) -> None:
    """The connection is lost in a transaction: each value taken meanwhile comes, as Updated, marked offline."""
    await octt.energy_transfer_started(local=local)
    await octt.offline()
    await octt.wait(AWAY)
    queued = await what_waited(octt, 5)
    assert len(queued) >= AWAY // VALUES - 1
    for event in queued:
        assert event["eventType"] == "Updated"
        assert event["meterValue"][0]["sampledValue"]


@pytest.mark.covers("TC_E_43_CS")
@case(variables={"AuthCtrlr.OfflineTxForUnknownIdEnabled": True, "OCPPCommCtrlr.OfflineThreshold": 600})
async def test_a_whole_transaction_without_the_csms(octt: Octt) -> None:
    """Begun and ended by a token that was known from before, while nobody listened: told from Started to Ended."""
    await octt.id_token_cached()
    octt.bays[1].transaction = None
    await octt.offline_transaction(ended=True)
    queued = await what_waited(octt)
    assert [queued[0]["eventType"], queued[-1]["eventType"]] == ["Started", "Ended"]
    assert [event["seqNo"] for event in queued] == list(range(len(queued)))


@pytest.mark.covers("TC_E_44_CS")
@case(variables=RECONNECT)
async def test_a_stop_without_the_csms(octt: Octt) -> None:
    """The token that started stops without anybody's leave; the Ended waits."""
    await octt.energy_transfer_started(local=True)
    await octt.offline()
    await octt.wait(2)
    await octt.present()
    await octt.wait(20)
    octt.unplug()
    await octt.wait(5)
    queued = await what_waited(octt)
    assert queued[-1]["eventType"] == "Ended"
    assert (queued[-1]["triggerReason"], queued[-1]["idToken"]) == ("StopAuthorized", octt.token)


@pytest.mark.covers("TC_E_45_CS")
@case(variables=RECONNECT)
async def test_a_stop_without_the_csms_by_a_token_of_the_same_group(octt: Octt) -> None:
    """Another token that is cached with the same group stops it as well, and is named."""
    group = {"idToken": "G-1", "type": "Central"}
    second = {"idToken": "T-0002", "type": "ISO14443"}
    for token in (octt.token, second):
        octt.tokens[token["idToken"]] = {"status": "Accepted", "groupIdToken": group}
    await octt.id_token_cached(token=second)
    octt.bays[1].transaction = None
    await octt.energy_transfer_started(local=True)
    await octt.offline()
    await octt.wait(2)
    await octt.present(second)
    await octt.wait(20)
    octt.unplug()
    await octt.wait(5)
    queued = await what_waited(octt)
    assert queued[-1]["eventType"] == "Ended"
    assert (queued[-1]["triggerReason"], queued[-1]["idToken"]) == ("StopAuthorized", second)


@case(variables=SAMPLED)
async def test_an_event_on_its_way_when_the_link_breaks_is_told_as_offline(octt: Octt) -> None:
    """E11.FR.07: what is still in the queue when the station goes offline is marked so, its content is the same."""
    await octt.energy_transfer_started()
    octt.clear()
    octt.answer("TransactionEvent", Never())
    first = await octt.expect("TransactionEvent", VALUES + 5)
    assert "offline" not in first
    await octt.drop()
    octt.answer("TransactionEvent")
    again = await octt.expect("TransactionEvent", 120, seqNo=first["seqNo"], offline=True)
    assert again == first | {"offline": True}


@case(variables=SAMPLED)
async def test_what_waits_outlasts_a_power_cut(octt: Octt) -> None:
    """Events that nobody has heard are told after the restart, in order; the transaction goes on with its numbers."""
    await octt.energy_transfer_started()
    last = octt.all_of("TransactionEvent")[-1]["seqNo"]
    await octt.offline()
    await octt.wait(AWAY)
    await octt.power_off()
    octt.clear()
    octt.online()
    await octt.power_on()
    await octt.expect("BootNotification", 180)
    await octt.wait(60)
    events = octt.waiting("TransactionEvent")
    assert [event["seqNo"] for event in events] == list(range(last + 1, last + 1 + len(events)))
    assert {event["transactionInfo"]["transactionId"] for event in events} == {octt.transaction()}
    assert len(events) > AWAY // VALUES
    assert "offline" not in events[-1]
    octt.clear()
    await octt.call("RequestStopTransaction", transactionId=octt.transaction())
    ended = await octt.seek("TransactionEvent", eventType="Ended")
    assert ended["seqNo"] == len(octt.all_of("TransactionEvent")) - 1, "each number once"


@case(variables={"OCPPCommCtrlr.QueueAllMessages": True, "OCPPCommCtrlr.OfflineThreshold": 600})
async def test_with_queue_all_messages_the_csms_hears_everything_in_its_order(octt: Octt) -> None:
    """Plugging and unplugging without a CSMS: both connector statuses come later, with the time of their happening."""
    await octt.offline()
    await octt.wait(10)
    octt.plug()
    await octt.wait(30)
    plugged = octt.now()
    octt.unplug()
    await octt.wait(30)
    octt.clear()
    octt.online()
    await octt.reconnected()
    await octt.expect("StatusNotification", connectorStatus="Occupied", timestamp=octt.near(plugged, 31))
    await octt.expect("StatusNotification", connectorStatus="Available", timestamp=octt.near(plugged, 5))


@case(variables={"OCPPCommCtrlr.QueueAllMessages": False, "OCPPCommCtrlr.OfflineThreshold": 600})
async def test_without_it_only_what_is_so_now_is_told(octt: Octt) -> None:
    """The default: what came and went while nobody listened is not told."""
    await octt.offline()
    await octt.wait(10)
    octt.plug()
    await octt.wait(30)
    octt.unplug()
    await octt.wait(30)
    octt.clear()
    octt.online()
    await octt.reconnected()
    await octt.never("StatusNotification", 30, connectorStatus="Occupied")
