"""Block C at a site without a reader: what counts as presented when a vehicle is plugged in. And what no case shows."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bridge.sim.battery import VehicleConfig
from tests.octt.harness import Late, Never, Octt, case

SITE_TOKEN = {"idToken": "HOME-1", "type": "Local"}
VEHICLE = {"idToken": "SIM-EV-0001", "type": "Local"}
MATE = {"idToken": "T-0002", "type": "ISO14443"}
FAMILY = {"idToken": "FAMILY", "type": "Central"}


def plug_token(value: Any) -> Any:
    """The site names what counts as presented."""

    def edit(site: dict[str, Any], _: Path) -> None:
        for evse in site["stations"][0]["evses"]:
            evse["plug_token"] = value

    return edit


@case(site=plug_token({"id": "HOME-1"}))
async def test_plugging_in_presents_the_sites_token(octt: Octt) -> None:
    """Plug and charge for everybody: asked for as any token is, and unplugging ends it."""
    octt.plug()
    await octt.expect("Authorize", idToken=SITE_TOKEN)
    await octt.event(1, eventType="Started", idToken=SITE_TOKEN)
    await octt.event(1, triggerReason="ChargingStateChanged", transactionInfo__chargingState="Charging")
    octt.unplug()
    await octt.event(1, eventType="Ended", transactionInfo__stoppedReason="EVDisconnected")


@case(site=plug_token({"id": "HOME-1"}))
async def test_a_sites_token_that_is_refused_is_not_tried_for_ever(octt: Octt) -> None:
    """One question for one vehicle; the next vehicle is another question."""
    octt.tokens["HOME-1"] = "Blocked"
    octt.plug()
    await octt.expect("Authorize", idToken=SITE_TOKEN)
    await octt.never("Authorize", 600)
    await octt.never("TransactionEvent")
    octt.unplug()
    octt.tokens.clear()
    await octt.wait(10)
    octt.plug()
    await octt.expect("Authorize", idToken=SITE_TOKEN)
    await octt.event(1, eventType="Started")


@case(site=plug_token({"id": "HOME-1"}))
async def test_a_vehicle_that_came_while_the_csms_was_away_is_asked_for_afterwards(octt: Octt) -> None:
    """Nothing may start on an unknown token offline; when the CSMS is back the vehicle that waits gets its energy."""
    await octt.offline()
    await octt.wait(2)
    octt.plug()
    await octt.wait(60)
    assert octt.unit().power_w == 0
    octt.online()
    await octt.expect("Authorize", 120, idToken=SITE_TOKEN)
    await octt.event(1, eventType="Started", idToken=SITE_TOKEN)


@case(site=plug_token({"id": "HOME-1"}))
async def test_a_stop_is_a_stop_as_long_as_the_vehicle_stays(octt: Octt) -> None:
    """Neither a remote stop nor a reboot presents the token of a vehicle that has been plugged in all the time."""
    octt.plug()
    started = await octt.event(1, eventType="Started", idToken=SITE_TOKEN)
    await octt.event(1, transactionInfo__chargingState="Charging")
    await octt.call("RequestStopTransaction", transactionId=started["transactionInfo"]["transactionId"])
    await octt.event(1, eventType="Ended", transactionInfo__stoppedReason="Remote")
    octt.clear()
    await octt.reboot()
    await octt.seek("StatusNotification", 180, connectorStatus="Occupied")
    await octt.never("TransactionEvent", 120)
    await octt.never("Authorize")


@case(site=plug_token("vehicle-id"))
async def test_the_vehicles_own_id_is_its_token_where_the_site_says_so(octt: Octt) -> None:
    """The id that the unit tells of the vehicle is asked for."""
    octt.plug()
    await octt.expect("Authorize", idToken=VEHICLE)
    await octt.event(1, eventType="Started", idToken=VEHICLE)


@pytest.mark.parametrize("length", [36, 37])
@case(site=plug_token("vehicle-id"))
async def test_a_vehicle_id_that_is_too_long_for_a_token_starts_nothing(octt: Octt, length: int) -> None:
    """A token has at most 36 characters; an id that somebody has told the gateway may have more."""
    await octt.api("bind", station="CS-1", evse=1, vehicle="V" * length)
    octt.unit().plug(vehicle=VehicleConfig(vehicle_id=b""))
    if length == 36:
        await octt.expect("Authorize", idToken={"idToken": "V" * 36, "type": "Local"})
    else:
        await octt.never("Authorize", 60)
        await octt.never("TransactionEvent")


@case()
async def test_without_the_sites_word_a_vehicles_id_authorizes_nothing(octt: Octt) -> None:
    """The gateway knows the vehicle, and asks nobody about it."""
    octt.plug()
    await octt.never("Authorize", 60)
    await octt.never("TransactionEvent")


@case(variables={"AuthCtrlr.Enabled": False})
async def test_without_authorization_plugging_in_is_enough(octt: Octt) -> None:
    """AuthCtrlr.Enabled off: no Authorize, and an empty token of nobody; a token that is shown is told."""
    octt.plug()
    await octt.event(1, eventType="Started", idToken={"idToken": "", "type": "NoAuthorization"})
    await octt.event(1, transactionInfo__chargingState="Charging")
    octt.unplug()
    await octt.event(1, eventType="Ended")
    await octt.present()
    octt.plug()
    await octt.event(1, eventType="Started", idToken=octt.token)
    await octt.never("Authorize")


# -- what the cases of Part 6 leave open


@case(evses=2)
async def test_a_token_may_count_at_some_evses_only(octt: Octt) -> None:
    """C01.FR.21: accepted for EVSE 2, it starts nothing at EVSE 1."""
    octt.tokens[octt.token["idToken"]] = {"status": "Accepted", "evseId": [2]}
    octt.plug(1)
    octt.plug(2)
    await octt.wait(5)
    answer = await octt.present(evse=1)
    assert answer["outcome"] == "denied"
    assert "EVSE 1" in answer["reason"]
    assert (await octt.present(evse=2))["evses"] == [2]
    await octt.wait(1)
    assert [event["evse"]["id"] for event in octt.all_of("TransactionEvent")] == [2]


@case(evses=2)
async def test_the_stations_reader_serves_where_there_is_no_doubt(octt: Octt) -> None:
    """Without an EVSE: the one with a vehicle; where several come into question the answer says so."""
    answer = await octt.present(evse=None)
    assert (answer["outcome"], answer["reason"][:9]) == ("denied", "EVSEs 1, ")
    octt.plug(2)
    await octt.wait(5)
    assert (await octt.present(evse=None))["evses"] == [2]
    octt.plug(1)
    await octt.wait(5)
    assert (await octt.present(MATE, evse=None))["evses"] == [1]
    stopped = await octt.present(evse=None)
    assert (stopped["outcome"], stopped["evses"]) == ("stopped", [2])


@case(evses=2)
async def test_one_token_may_charge_twice_and_then_has_to_say_what_it_stops(octt: Octt) -> None:
    """The same token at both EVSEs: presented at one of them it stops that one only."""
    for evse in (1, 2):
        octt.plug(evse)
        await octt.wait(5)
        assert (await octt.present(evse=evse))["outcome"] == "accepted"
    assert (await octt.present(evse=None))["outcome"] == "denied"
    assert (await octt.present(evse=2))["evses"] == [2]
    assert octt.unit(1).plugged


@case()
async def test_the_same_token_again_takes_an_authorization_back(octt: Octt) -> None:
    """Token first, then again before any cable: nothing is left of it, and the connector is as it was."""
    await octt.present()
    assert (await octt.present())["outcome"] == "stopped"
    octt.plug()
    await octt.never("TransactionEvent", 60)
    octt.unplug()
    await octt.wait(5)
    assert octt.connector_status() == "Available"


@case()
async def test_the_answer_to_an_event_tells_the_group(octt: Octt) -> None:
    """A remote start asks nobody; whose group it is comes with the answer to its first event (C09.FR.12)."""
    told = {"status": "Accepted", "groupIdToken": FAMILY}
    octt.tokens.update({octt.token["idToken"]: told, MATE["idToken"]: told})
    await octt.energy_transfer_started()
    answer = await octt.present(MATE)
    assert answer["outcome"] == "stopped"
    await octt.event(1, eventType="Ended", triggerReason="StopAuthorized", idToken=MATE)


@case()
async def test_the_group_survives_a_power_cut(octt: Octt) -> None:
    """After the station has come back, a token of the group still stops."""
    told = {"status": "Accepted", "groupIdToken": FAMILY}
    octt.tokens.update({octt.token["idToken"]: told, MATE["idToken"]: told})
    await octt.energy_transfer_started(local=True)
    await octt.reboot()
    await octt.seek("StatusNotification", 180, connectorStatus="Occupied")
    await octt.wait(20)
    octt.clear()
    assert (await octt.present(MATE))["outcome"] == "stopped"
    await octt.event(1, triggerReason="StopAuthorized", eventType="Ended", idToken=MATE)


@case(variables={"AuthCtrlr.AuthorizeRemoteStart": True, "AuthCtrlr.LocalPreAuthorize": True})
async def test_a_remote_start_is_authorized_by_the_same_rules(octt: Octt) -> None:
    """F01.FR.01: asked for where the token is unknown, not where it is cached, and never where the CSMS made it up."""
    await octt.id_token_cached()
    octt.clear()
    await octt.energy_transfer_started(cached=True)
    await octt.stop_authorized()
    await octt.ev_disconnected()
    await octt.never("Authorize")
    octt.token = {"idToken": "X-1", "type": "Central"}
    await octt.energy_transfer_started(authorize=False)
    await octt.never("Authorize")


@case(variables={"AuthCtrlr.AuthorizeRemoteStart": True, "AuthCtrlr.MasterPassGroupId": "FAMILY"})
async def test_a_remote_start_with_a_master_pass_starts_nothing(octt: Octt) -> None:
    """C16.FR.03 holds whoever brings the token."""
    octt.tokens[octt.token["idToken"]] = {"status": "Accepted", "groupIdToken": FAMILY}
    octt.plug()
    await octt.call("RequestStartTransaction", idToken=octt.token, remoteStartId=1, evseId=1)
    await octt.expect("Authorize")
    await octt.never("TransactionEvent", 60)


@case(variables={"OCPPCommCtrlr.MessageTimeout[Default]": 60})
async def test_a_csms_that_does_not_answer_accepts_nothing(octt: Octt) -> None:
    """Online and silent: the token is denied, and said why; a late answer starts nothing either."""
    octt.answer("Authorize", Never())
    octt.plug()
    answer = await octt.present()
    assert answer["outcome"] == "denied"
    assert "no answer" in answer["reason"]
    octt.answer("Authorize", Late(70_000, {"idTokenInfo": {"status": "Accepted"}}))
    assert (await octt.present())["outcome"] == "denied"
    await octt.never("TransactionEvent", 60)


@case(variables={"AuthCtrlr.OfflineTxForUnknownIdEnabled": True})
async def test_a_csms_that_goes_while_it_is_asked_leaves_the_offline_rules(octt: Octt) -> None:
    """The link breaks between Authorize and its answer: from then on the station is offline."""
    octt.answer("Authorize", Never())
    octt.plug()
    await octt.wait(5)

    async def breaks() -> None:
        await octt.expect("Authorize")
        await octt.offline()

    async def presents() -> Any:
        return await octt.present()

    answer, _ = await asyncio.gather(presents(), breaks())
    assert answer["outcome"] == "accepted"


@case(variables={"AuthCtrlr.LocalPreAuthorize": True})
async def test_the_csms_may_keep_a_token_out_of_the_cache(octt: Octt) -> None:
    """C10.FR.13: a cacheExpiryDateTime that has passed; such a token is asked for every time."""
    octt.tokens[octt.token["idToken"]] = {"status": "Accepted", "cacheExpiryDateTime": "2000-01-01T00:00:00Z"}
    await octt.id_token_cached()
    assert await octt.get_variable("AuthCacheCtrlr.Storage") == "0"
    octt.clear()
    await octt.authorized(local=True)


@pytest.mark.parametrize("kind", ["NoAuthorization", "Central"])
@case(variables={"AuthCtrlr.LocalPreAuthorize": True})
async def test_tokens_of_nobody_and_of_the_csms_are_not_cached(octt: Octt, kind: str) -> None:
    """C02.FR.03, C03.FR.02, C05.FR.02."""
    octt.token = {"idToken": "" if kind == "NoAuthorization" else "X", "type": kind}
    await octt.energy_transfer_started(authorize=False)
    await octt.stop_authorized()
    assert await octt.get_variable("AuthCacheCtrlr.Storage") == "0"
