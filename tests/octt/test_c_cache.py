"""Block C: the authorization cache, filled, used, cleared, and over."""

from __future__ import annotations

import pytest

from tests.octt.harness import TOKEN, Octt, case

MESSAGE_TIMEOUT = 60
#: The Configuration State of most of these cases.
CACHED = {
    "AuthCacheCtrlr.Enabled": True,
    "AuthCtrlr.LocalPreAuthorize": True,
    "AuthCacheCtrlr.DisablePostAuthorize": False,
}


async def cached_as(octt: Octt, status: str) -> None:
    """Memory state IdTokenCached for a token that the CSMS does not accept."""
    octt.tokens[TOKEN["idToken"]] = status
    await octt.present()
    await octt.expect("Authorize", idToken=octt.token)
    await octt.never("TransactionEvent", 5)
    octt.clear()


async def is_asked_for(octt: Octt, status: str) -> None:
    """The token is presented and asked for; the CSMS says `status`, and nothing comes of it."""
    octt.tokens[TOKEN["idToken"]] = status
    answer = await octt.present()
    await octt.expect("Authorize", idToken=octt.token)
    assert (answer["outcome"], answer["status"]) == ("denied", status)
    await octt.never("TransactionEvent", 5)


@pytest.mark.covers("TC_C_08_CS")
@case()
async def test_a_cached_token_starts_unasked(octt: Octt) -> None:
    """The CSMS has accepted the token before: energy flows without an Authorize."""
    await octt.configure(CACHED)
    await octt.id_token_cached()
    octt.clear()
    await octt.ev_connected_pre_session()
    await octt.authorized(local=True, cached=True)
    await octt.energy_transfer_started()
    await octt.never("Authorize")
    assert octt.unit().power_w > 0


@pytest.mark.covers("TC_C_13_CS")
@case(variables={"TxCtrlr.TxStartPoint": "Authorized"})
async def test_a_cached_token_may_come_before_the_cable(octt: Octt) -> None:
    """The transaction begins with the token, unasked; energy waits for the cable."""
    await octt.configure(CACHED)
    await octt.id_token_cached()
    octt.clear()
    await octt.authorized(local=True, cached=True)
    await octt.wait(10)
    assert octt.unit().power_w == 0
    await octt.ev_connected_pre_session()
    await octt.energy_transfer_started()
    await octt.never("Authorize")
    assert octt.unit().power_w > 0


@pytest.mark.parametrize(
    "status",
    [
        pytest.param("Invalid", marks=pytest.mark.covers("TC_C_09_CS")),
        pytest.param("Blocked", marks=pytest.mark.covers("TC_C_10_CS")),
        pytest.param("Expired", marks=pytest.mark.covers("TC_C_11_CS")),
    ],
)
@case()
async def test_a_token_that_is_cached_as_not_good_is_asked_for_again(octt: Octt, status: str) -> None:
    """The CSMS may have changed its mind; here it has not."""
    await octt.configure(CACHED)
    await cached_as(octt, status)
    await octt.ev_connected_pre_session()
    await is_asked_for(octt, status)


@pytest.mark.covers("TC_C_12_CS")
@case()
async def test_the_csms_may_have_changed_its_mind(octt: Octt) -> None:
    """Cached as Invalid, asked for again, accepted now: energy flows."""
    await octt.configure(CACHED)
    await cached_as(octt, "Invalid")
    await octt.ev_connected_pre_session()
    octt.tokens[TOKEN["idToken"]] = "Accepted"
    await octt.authorized(local=True)
    await octt.energy_transfer_started()
    assert octt.unit().power_w > 0


@pytest.mark.covers("TC_C_57_CS")
@case()
async def test_a_token_that_is_cached_as_not_good_need_not_be_asked_for(octt: Octt) -> None:
    """DisablePostAuthorize: what the cache says against a token is the last word."""
    await octt.configure(CACHED)
    await octt.set_variable("AuthCacheCtrlr.DisablePostAuthorize", True)
    await cached_as(octt, "Invalid")
    octt.tokens[TOKEN["idToken"]] = "Accepted"
    await octt.ev_connected_pre_session()
    answer = await octt.present()
    await octt.never("Authorize", MESSAGE_TIMEOUT)
    await octt.never("TransactionEvent")
    assert (answer["outcome"], answer["status"]) == ("denied", "Invalid")
    assert octt.unit().power_w == 0


@pytest.mark.covers("TC_C_32_CS")
@pytest.mark.parametrize("reset", [True, False])
@case(variables={"TxCtrlr.TxStartPoint": "Authorized"})
async def test_the_cache_survives_a_reboot(octt: Octt, reset: bool) -> None:
    """After a Reset, and after the power has been off, the token still needs no Authorize."""
    await octt.configure({"AuthCacheCtrlr.Enabled": True})
    await octt.set_variable("AuthCtrlr.LocalPreAuthorize", True)
    await octt.id_token_cached()
    await octt.booted(reset=reset)
    await octt.wait(10)  # the unit is found again
    await octt.authorized(local=True, cached=True)
    await octt.ev_connected_pre_session()
    await octt.energy_transfer_started()
    await octt.never("Authorize")


@pytest.mark.covers("TC_C_33_CS")
@pytest.mark.parametrize("silent", [False, True])
@case()
async def test_the_answer_to_an_authorize_fills_the_cache(octt: Octt, silent: bool) -> None:
    """The second session with the same token needs no Authorize, though the CSMS has turned against it meanwhile.

    `silent`: its answers to events say nothing of the token, so that only the answer to Authorize can be remembered.
    """
    await octt.configure({"AuthCacheCtrlr.Enabled": True})
    await octt.set_variable("AuthCtrlr.LocalPreAuthorize", True)
    if silent:
        octt.answer("TransactionEvent", {})
    await octt.ev_connected_pre_session()
    await octt.authorized(local=True)
    await octt.energy_transfer_started()
    await octt.ev_connected_post_session(local=True)
    await octt.ev_disconnected()
    await octt.parking_bay_unoccupied()
    octt.clear()
    octt.answer("TransactionEvent")
    octt.tokens[TOKEN["idToken"]] = "Invalid"
    await octt.ev_connected_pre_session()
    await octt.authorized(local=True, cached=True)
    await octt.never("Authorize", 5)


@pytest.mark.covers("TC_C_34_CS")
@case()
async def test_the_answer_to_a_transaction_event_changes_the_cache(octt: Octt) -> None:
    """What was cached as good is refused in the answer to an event: next time it is asked for."""
    await octt.configure({"AuthCacheCtrlr.Enabled": True, "TxCtrlr.MaxEnergyOnInvalidId": 0})
    await octt.set_variable("AuthCtrlr.LocalPreAuthorize", True)
    await octt.set_variable("TxCtrlr.StopTxOnInvalidId", True)
    await octt.id_token_cached()
    octt.clear()
    octt.tokens[TOKEN["idToken"]] = "Invalid"
    await octt.authorized(local=True, cached=True)
    await octt.deauthorized()
    await octt.never("Authorize")
    await octt.ev_disconnected()
    await octt.parking_bay_unoccupied()
    await is_asked_for(octt, "Invalid")


@pytest.mark.covers("TC_C_36_CS")
@case()
async def test_without_local_pre_authorize_the_cache_does_not_count(octt: Octt) -> None:
    """The token is cached as good, and asked for all the same."""
    await octt.set_variable("AuthCacheCtrlr.Enabled", True)
    await octt.set_variable("AuthCtrlr.LocalPreAuthorize", False)
    await octt.id_token_cached()
    octt.clear()
    await is_asked_for(octt, "Invalid")


@pytest.mark.covers("TC_C_37_CS")
@case()
async def test_a_cleared_cache_knows_nobody(octt: Octt) -> None:
    """ClearCache is accepted, and the token has to be asked for again."""
    await octt.configure(CACHED)
    await octt.id_token_cached()
    octt.clear()
    assert (await octt.call("ClearCache"))["status"] == "Accepted"
    await octt.ev_connected_pre_session()
    await octt.authorized(local=True)
    await octt.energy_transfer_started()


@pytest.mark.covers("TC_C_37_CS")
@case()
async def test_a_cleared_cache_stays_clear_over_a_reboot(octt: Octt) -> None:
    """What was cleared does not come back from the store."""
    await octt.configure(CACHED)
    await octt.id_token_cached()
    assert (await octt.call("ClearCache"))["status"] == "Accepted"
    await octt.reboot()
    await octt.seek("StatusNotification", 180, connectorStatus="Available")
    await octt.wait(10)  # the unit is found again
    octt.clear()
    await octt.authorized(local=True)


@pytest.mark.covers("TC_C_38_CS")
@case()
async def test_a_cache_that_is_off_is_not_cleared(octt: Octt) -> None:
    """ClearCache is rejected, and what was cached is still there when the cache is on again."""
    await octt.configure(CACHED)
    await octt.id_token_cached()
    await octt.set_variable("AuthCacheCtrlr.Enabled", False)
    assert (await octt.call("ClearCache"))["status"] == "Rejected"
    await octt.set_variable("AuthCacheCtrlr.Enabled", True)
    octt.clear()
    await octt.authorized(local=True, cached=True)
    await octt.never("Authorize", 5)


@pytest.mark.covers("TC_C_46_CS")
@case()
async def test_a_cached_token_has_its_life_time(octt: Octt) -> None:
    """When AuthCacheLifeTime is over the token has to be asked for again."""
    life_time = 20
    await octt.configure({"AuthCtrlr.LocalPreAuthorize": True})
    await octt.set_variable("AuthCacheCtrlr.LifeTime", life_time)
    await octt.id_token_cached()
    octt.clear()
    await octt.ev_connected_pre_session()
    await octt.wait(life_time)
    await octt.authorized(local=True)


@case()
async def test_the_storage_of_the_cache_is_told(octt: Octt) -> None:
    """AuthCacheCtrlr.Storage grows with a token and is empty after ClearCache."""
    assert int(await octt.get_variable("AuthCacheCtrlr.Storage")) == 0
    await octt.id_token_cached()
    assert 0 < int(await octt.get_variable("AuthCacheCtrlr.Storage")) < 500
    assert (await octt.call("ClearCache"))["status"] == "Accepted"
    assert int(await octt.get_variable("AuthCacheCtrlr.Storage")) == 0
