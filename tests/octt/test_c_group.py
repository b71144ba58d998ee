"""Block C: tokens of one group, and master passes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.octt.fields import ABSENT
from tests.octt.harness import TOKEN, Octt, case

MESSAGE_TIMEOUT = 60
MATE = {"idToken": "T-0002", "type": "ISO14443"}
MASTER = {"idToken": "M-0001", "type": "ISO14443"}
GROUP = {"idToken": "FAMILY", "type": "Central"}
MASTERS = {"idToken": "POLICE", "type": "Central"}


def info(status: str = "Accepted", group: Mapping[str, Any] = GROUP) -> dict[str, Any]:
    """What the CSMS says of a token of a group."""
    return {"status": status, "groupIdToken": dict(group)}


async def stopped_by(octt: Octt, token: Mapping[str, Any], evse: int = 1, **fields: Any) -> None:
    """The token is presented, and its StopAuthorized comes; then EVConnectedPostSession and EVDisconnected."""
    answer = await octt.present(token, evse)
    assert answer["outcome"] == "stopped"
    await octt.event(
        evse,
        eventType={"Updated", "Ended"},
        triggerReason="StopAuthorized",
        idToken__idToken=token["idToken"],
        idToken__type=token["type"],
        **fields,
    )
    bay = octt.bay(evse)
    bay.authorized, bay.stopped = False, True
    await octt.ev_disconnected(evse)
    await octt.parking_bay_unoccupied(evse)


@pytest.mark.covers("TC_C_39_CS")
@case()
async def test_a_token_of_the_same_group_stops(octt: Octt) -> None:
    """One of the family starts, another of the family (asked for first) stops."""
    octt.tokens.update({TOKEN["idToken"]: info(), MATE["idToken"]: info()})
    await octt.ev_connected_pre_session()
    await octt.energy_transfer_started(local=True)
    octt.clear("Authorize")
    await stopped_by(octt, MATE)
    await octt.expect("Authorize", idToken=MATE)


@pytest.mark.covers("TC_C_42_CS")
@case()
async def test_an_invalid_token_of_the_same_group_does_not_stop(octt: Octt) -> None:
    """To be of the group is not enough: the CSMS has to accept the token."""
    octt.tokens.update({TOKEN["idToken"]: info(), MATE["idToken"]: info("Invalid")})
    await octt.ev_connected_pre_session()
    await octt.energy_transfer_started(local=True)
    answer = await octt.present(MATE)
    await octt.expect("Authorize", idToken=MATE)
    await octt.never("TransactionEvent", MESSAGE_TIMEOUT)
    assert (answer["outcome"], answer["status"]) == ("denied", "Invalid")
    assert octt.unit().power_w > 0


@pytest.mark.covers("TC_C_41_CS")
@case()
async def test_a_cached_token_of_the_same_group_stops_unasked(octt: Octt) -> None:
    """Both tokens and their group are known to the station: neither start nor stop needs the CSMS's word."""
    octt.tokens.update({TOKEN["idToken"]: info(), MATE["idToken"]: info()})
    await octt.configure({"AuthCacheCtrlr.Enabled": True, "AuthCtrlr.LocalPreAuthorize": True})
    await octt.id_token_cached()
    await octt.id_token_cached(token=MATE)
    octt.clear()
    await octt.ev_connected_pre_session()
    await octt.authorized(local=True, cached=True)
    await octt.energy_transfer_started()
    await stopped_by(octt, MATE)
    await octt.never("Authorize")


@case()
async def test_a_cached_token_of_the_same_group_stops_unasked_whatever_may_start(octt: Octt) -> None:
    """C09.FR.07 knows no LocalPreAuthorize: what is cached as good of the group stops without an Authorize."""
    octt.tokens.update({TOKEN["idToken"]: info(), MATE["idToken"]: info()})
    await octt.configure({"AuthCacheCtrlr.Enabled": True, "AuthCtrlr.LocalPreAuthorize": False})
    await octt.id_token_cached(token=MATE)
    await octt.energy_transfer_started(local=True)
    octt.clear()
    await stopped_by(octt, MATE)
    await octt.never("Authorize")


@pytest.mark.covers("TC_C_44_CS")
@case()
async def test_a_cached_invalid_token_of_the_same_group_is_asked_for(octt: Octt) -> None:
    """The cache says that it was not good: the CSMS is asked anew, and the transaction goes on."""
    octt.tokens.update({TOKEN["idToken"]: info(), MATE["idToken"]: info("Invalid")})
    await octt.configure(
        {
            "AuthCacheCtrlr.Enabled": True,
            "AuthCtrlr.LocalPreAuthorize": True,
            "AuthCacheCtrlr.DisablePostAuthorize": False,
        }
    )
    await octt.id_token_cached()
    await octt.present(MATE)
    octt.clear()
    await octt.ev_connected_pre_session()
    await octt.authorized(local=True, cached=True)
    await octt.energy_transfer_started()
    await octt.never("Authorize")
    await octt.present(MATE)
    await octt.expect("Authorize", idToken=MATE)
    await octt.never("TransactionEvent", MESSAGE_TIMEOUT)
    assert octt.unit().power_w > 0


@pytest.mark.covers("TC_C_45_CS")
@pytest.mark.parametrize("start", ["Authorized", "PowerPathClosed"])
@case()
async def test_a_master_pass_starts_nothing(octt: Octt, start: str) -> None:
    """Accepted by the CSMS, and of the master passes' group: no transaction, before and after the cable is in."""
    await octt.set_variable("TxCtrlr.TxStartPoint", start)
    await octt.set_variable("AuthCtrlr.MasterPassGroupId", MASTERS["idToken"])
    octt.tokens[MASTER["idToken"]] = info(group=MASTERS)
    answer = await octt.present(MASTER)
    await octt.expect("Authorize", idToken=MASTER)
    await octt.ev_connected_pre_session()
    await octt.never("TransactionEvent", MESSAGE_TIMEOUT)
    assert answer["outcome"] == "denied"
    assert octt.unit().power_w == 0


@pytest.mark.covers("TC_C_49_CS")
@case(evses=2)
async def test_a_master_pass_stops_all_transactions(octt: Octt) -> None:
    """Without a display to choose from, one master pass at one EVSE ends the transactions of all."""
    await octt.set_variable("AuthCtrlr.MasterPassGroupId", MASTERS["idToken"])
    octt.tokens[MASTER["idToken"]] = info(group=MASTERS)
    await octt.energy_transfer_started(1, local=True)
    octt.token = MATE
    await octt.energy_transfer_started(2, local=True)
    octt.clear("Authorize")
    answer = await octt.present(MASTER, 1)
    assert (answer["outcome"], answer["evses"]) == ("stopped", [1, 2])
    await octt.expect("Authorize", idToken=MASTER)
    for evse in (1, 2):
        event = await octt.event(
            evse,
            eventType="Ended",
            triggerReason="StopAuthorized",
            transactionInfo__stoppedReason="MasterPass",
            idToken__idToken={ABSENT, MASTER["idToken"]},
            idToken__type={ABSENT, MASTER["type"]},
        )
        assert event["transactionInfo"]["transactionId"] == octt.transaction(evse)
        bay = octt.bay(evse)
        bay.authorized, bay.stopped = False, True
    for evse in (1, 2):
        await octt.ev_disconnected(evse)
        await octt.parking_bay_unoccupied(evse)


@pytest.mark.covers("TC_C_14_CS")
@case()
async def test_a_cached_master_pass_stops_unasked(octt: Octt) -> None:
    """Part 6 has this case, Part 5 does not list it: a master pass that is in the cache stops without an Authorize."""
    await octt.configure(
        {
            "AuthCacheCtrlr.Enabled": True,
            "AuthCtrlr.LocalPreAuthorize": True,
            "AuthCtrlr.MasterPassGroupId": MASTERS["idToken"],
        }
    )
    octt.tokens[MASTER["idToken"]] = info(group=MASTERS)
    assert (await octt.present(MASTER))["outcome"] == "denied"
    octt.clear()
    await octt.energy_transfer_started(local=True)
    octt.clear()
    await stopped_by(octt, MASTER, transactionInfo__stoppedReason="MasterPass")
    await octt.never("Authorize")
