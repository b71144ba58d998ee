"""The harness itself: a session through every state, both ways of travelling, and that it judges."""

from __future__ import annotations

import pytest

from tests.octt.fields import ABSENT, ANY, mismatches
from tests.octt.harness import Octt, case


async def a_session(octt: Octt) -> None:
    await octt.ev_connected_pre_session()
    await octt.energy_transfer_started()
    await octt.energy_transfer_suspended()
    await octt.stop_authorized()
    await octt.parking_bay_unoccupied()


@case()
async def test_a_session_goes_through_all_states(octt: Octt) -> None:
    await a_session(octt)
    assert octt.bay().ended


@case(wire=True)
async def test_the_same_over_a_web_socket(octt: Octt) -> None:
    await a_session(octt)
    assert octt.bay().ended


@case(evses=2)
async def test_two_evses_are_told_apart(octt: Octt) -> None:
    await octt.energy_transfer_started(2)
    await octt.energy_transfer_started(1)
    await octt.stop_authorized(2)
    await octt.stop_authorized(1)
    assert octt.transaction(1) != octt.transaction(2)


@case()
async def test_a_station_comes_back_on_what_it_has_kept(octt: Octt) -> None:
    await octt.energy_transfer_started()
    octt.clear()
    await octt.reboot()
    await octt.expect("BootNotification", 180)
    await octt.seek("StatusNotification", 180, connectorStatus="Occupied")
    await octt.stop_authorized()


@case()
async def test_what_comes_is_judged(octt: Octt) -> None:
    octt.plug()
    with pytest.raises(AssertionError, match="connectorStatus is 'Occupied', not 'Faulted'"):
        await octt.expect("StatusNotification", connectorStatus="Faulted")
    with pytest.raises(AssertionError, match="not within 2 s: Authorize"):
        await octt.expect("Authorize", 2)
    octt.unplug()
    with pytest.raises(AssertionError, match="should not come"):
        await octt.never("StatusNotification", 10)


def test_fields_are_paths() -> None:
    payload = {"a": {"b": [{"c": 1}]}}
    assert mismatches(payload, {"a__b__0__c": {1, 2}, "a__d": ABSENT, "a": ANY}) == []
    assert mismatches(payload, {"a__b__0__c": 2, "a__b": ABSENT, "e": ANY}) != []
