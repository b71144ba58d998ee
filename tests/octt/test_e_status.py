"""Block E of Part 6, GetTransactionStatus (E14): TC_E_28 to 34 (errata 2025-09 applied)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.octt.harness import Never, Octt, case

#: How long (s) the CSMS stays away, and how often (s) values are taken meanwhile.
AWAY, VALUES = 30, 10
QUEUE = {
    "SampledDataCtrlr.TxUpdatedInterval": VALUES,
    "OCPPCommCtrlr.OfflineThreshold": AWAY + 60,
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": AWAY,
    "OCPPCommCtrlr.RetryBackOffRandomRange": 0,
}


async def status(octt: Octt, transaction: str | None = None) -> dict[str, Any]:
    """What GetTransactionStatus says, of a transaction or of all."""
    return await octt.call("GetTransactionStatus", **({} if transaction is None else {"transactionId": transaction}))


async def come_back_and_ask(octt: Octt, transaction: str | None) -> dict[str, Any]:
    """The CSMS takes the connection again and asks before it answers any event; then everything goes its way."""
    octt.answer("TransactionEvent", Never())
    octt.online()
    await octt.reconnected()
    said = await status(octt, transaction)
    octt.answer("TransactionEvent")
    return said


async def queue_values(octt: Octt) -> None:
    """Energy flows, and the CSMS is gone long enough for values to wait."""
    await octt.energy_transfer_started()
    octt.clear()
    await octt.offline()
    await octt.wait(AWAY)


async def values_arrive(octt: Octt) -> None:
    """What waited comes: Updated events with values, all marked offline, before anything of now."""
    queued = 0
    while True:
        event = await octt.expect("TransactionEvent", 300, eventType="Updated")
        if "offline" not in event:
            break
        assert event["offline"] is True
        assert event["meterValue"][0]["sampledValue"]
        queued += 1
    assert queued >= AWAY // VALUES - 1


@pytest.mark.covers("TC_E_28_CS")
@case()
async def test_an_unknown_transaction_goes_not_on_and_nothing_waits(octt: Octt) -> None:
    """An id that was never used: both are false."""
    assert await status(octt, "never-used") == {"ongoingIndicator": False, "messagesInQueue": False}


@pytest.mark.covers("TC_E_29_CS")
@case(variables=QUEUE)
async def test_a_transaction_that_goes_on_and_has_messages_waiting(octt: Octt) -> None:
    """Asked the moment the connection is back, while values wait: both are true."""
    await queue_values(octt)
    said = await come_back_and_ask(octt, octt.transaction())
    assert said == {"ongoingIndicator": True, "messagesInQueue": True}
    await values_arrive(octt)


@pytest.mark.covers("TC_E_30_CS")
@case()
async def test_a_transaction_that_goes_on_with_nothing_waiting(octt: Octt) -> None:
    """All its events have been answered."""
    await octt.energy_transfer_started()
    assert await status(octt, octt.transaction()) == {"ongoingIndicator": True, "messagesInQueue": False}


@pytest.mark.covers("TC_E_31_CS")
@pytest.mark.parametrize("local", [True, False])
@case(variables=QUEUE)
async def test_a_transaction_that_has_ended_and_has_messages_waiting(octt: Octt, local: bool) -> None:
    """Ended while the CSMS was gone, by the token, or (a remote start) by the vehicle: it waits to be told."""
    await octt.energy_transfer_started(local=local)
    octt.clear()
    await octt.offline()
    if local:
        await octt.present()
    else:
        octt.ev_suspends()
    await octt.wait(40)
    octt.unplug()
    await octt.wait(20)
    said = await come_back_and_ask(octt, octt.transaction())
    assert said == {"ongoingIndicator": False, "messagesInQueue": True}
    ended = await octt.seek("TransactionEvent", 300, eventType="Ended")
    told = octt.all_of("TransactionEvent")
    if local:
        assert ended["triggerReason"] == "StopAuthorized"
        assert ended["transactionInfo"]["stoppedReason"] == "Local"
    else:
        assert any(event["transactionInfo"].get("chargingState") == "SuspendedEV" for event in told)
        assert (ended["triggerReason"], ended["transactionInfo"]["chargingState"]) == ("EVCommunicationLost", "Idle")
    assert ended["offline"] is True
    await octt.wait(180)  # what was not answered at first is tried again
    assert await status(octt, octt.transaction()) == {"ongoingIndicator": False, "messagesInQueue": False}


@pytest.mark.covers("TC_E_32_CS")
@case()
async def test_a_transaction_that_has_ended_with_nothing_waiting(octt: Octt) -> None:
    """It is over and told."""
    await octt.energy_transfer_started()
    await octt.parking_bay_unoccupied()
    assert await status(octt, octt.transaction()) == {"ongoingIndicator": False, "messagesInQueue": False}


@pytest.mark.covers("TC_E_33_CS")
@case(variables=QUEUE)
async def test_without_an_id_messages_that_wait_are_told(octt: Octt) -> None:
    """No id, no ongoingIndicator; that something waits is said all the same."""
    await queue_values(octt)
    assert await come_back_and_ask(octt, None) == {"messagesInQueue": True}
    await values_arrive(octt)


@pytest.mark.covers("TC_E_34_CS")
@case()
async def test_without_an_id_and_nothing_waiting(octt: Octt) -> None:
    """No id, nothing waits."""
    assert await status(octt) == {"messagesInQueue": False}
