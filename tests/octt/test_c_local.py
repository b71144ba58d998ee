"""Block C: tokens presented at the reader that the CSMS does not accept, or that are not the transaction's."""

from __future__ import annotations

import pytest

from tests.octt.harness import ANY, Octt, case

#: How long (s) the test system waits where nothing may come.
MESSAGE_TIMEOUT = 60
OTHER = {"idToken": "T-0002", "type": "ISO14443"}


@pytest.mark.parametrize(
    "status",
    [
        pytest.param("Invalid", marks=pytest.mark.covers("TC_C_02_CS")),
        pytest.param("Blocked", marks=pytest.mark.covers("TC_C_06_CS")),
        pytest.param("Expired", marks=pytest.mark.covers("TC_C_07_CS")),
        pytest.param("Unknown", marks=pytest.mark.covers("TC_C_56_CS")),
    ],
)
@case()
async def test_a_token_that_the_csms_does_not_accept_starts_nothing(octt: Octt, status: str) -> None:
    """The token is asked for; whatever the CSMS has against it, no transaction comes of it and no energy."""
    await octt.configure({"AuthCtrlr.Enabled": True, "AuthCtrlr.DisableRemoteAuthorization": False})
    octt.tokens[octt.token["idToken"]] = status
    await octt.ev_connected_pre_session()
    answer = await octt.present()
    await octt.expect("Authorize", idToken=octt.token)
    await octt.never("TransactionEvent", MESSAGE_TIMEOUT)
    assert (answer["outcome"], answer["status"]) == ("denied", status)
    assert octt.unit().power_w == 0


@pytest.mark.covers("TC_C_04_CS")
@case()
async def test_another_token_does_not_stop_a_transaction(octt: Octt) -> None:
    """A good token of somebody else, without a common group, is asked for, and changes nothing."""
    await octt.configure({"AuthCtrlr.Enabled": True, "AuthCtrlr.DisableRemoteAuthorization": False})
    await octt.energy_transfer_started(local=True)
    answer = await octt.present(OTHER)
    await octt.expect("Authorize", idToken=OTHER)
    await octt.never("TransactionEvent", MESSAGE_TIMEOUT, idToken=ANY)
    await octt.never("TransactionEvent", eventType="Ended")
    assert answer["outcome"] == "denied"
    assert octt.unit().power_w > 0


@case()
async def test_a_second_token_while_the_first_is_asked_for_is_turned_away(octt: Octt) -> None:
    """Two people at one reader: whoever the CSMS answers first has it (C01.FR.23 goes on from there)."""
    await octt.ev_connected_pre_session()
    first = await octt.present()
    second = await octt.present(OTHER)
    assert (first["outcome"], second["outcome"]) == ("accepted", "denied")
    events = [event for event in octt.all_of("TransactionEvent") if event.get("idToken")]
    assert [event["idToken"] for event in events] == [octt.token]
