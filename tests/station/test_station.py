"""The station against a strict CSMS on virtual time: boot, remote start and stop, limits, loss of the link, restart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.clock import Clock, run_virtual
from bridge.evse import ChargingState, Connector, Happening, HappeningKind, Mode, Plug, Reading
from bridge.sim.csms import DemoCsms
from bridge.sim.csms_behaviour import Never, Refuse
from bridge.store.sqlite import open_store
from tests.tools.station_house import STATION, Stage, profile, stage


def on_stage(body: Callable[[Stage], Awaitable[None]], **variables: Any) -> None:
    """Run a test body on virtual time, and hold the CSMS's strict rules against what it saw."""

    async def play() -> None:
        async with stage(**variables) as scene:
            await body(scene)
            assert scene.csms.violations == []
            assert not any(scene.csms.gaps().values())

    run_virtual(play())


async def _charging(scene: Stage, **more: Any) -> str:
    """A transaction in which energy flows; its id."""
    scene.evse.plug()
    assert (await scene.start(**more))["status"] == "Accepted"
    started = await scene.wait("TransactionEvent", eventType="Started")
    scene.evse.flow(3000)
    await scene.wait("TransactionEvent", transactionInfo__chargingState="Charging")
    return str(started["transactionInfo"]["transactionId"])


@pytest.mark.covers("TC_B_01_CS")
def test_cold_boot_tells_who_it_is_and_every_connector() -> None:
    async def body(scene: Stage) -> None:
        boot = scene.csms.received("BootNotification")
        assert len(boot) == 1
        assert boot[0]["reason"] == "PowerUp"
        status = scene.csms.received("StatusNotification")
        assert [(s["evseId"], s["connectorId"], s["connectorStatus"]) for s in status] == [(1, 1, "Available")]

    on_stage(body)


def test_heartbeats_come_at_the_interval_that_the_csms_gave() -> None:
    async def body(scene: Stage) -> None:
        await scene.clock.sleep(3 * 300_000 + 1_000)
        assert len(scene.csms.received("Heartbeat")) == 3

    on_stage(body)


def test_plugging_is_told_within_a_second() -> None:
    async def body(scene: Stage) -> None:
        scene.evse.plug()
        before = scene.clock.monotonic()
        await scene.wait("StatusNotification", connectorStatus="Occupied")
        assert scene.clock.monotonic() - before < 1000

    on_stage(body)


def test_remote_start_joins_the_plugged_vehicle_and_asks_for_charge() -> None:
    async def body(scene: Stage) -> None:
        scene.evse.plug()
        answer = await scene.start()
        assert answer["status"] == "Accepted"
        started = await scene.wait("TransactionEvent", eventType="Started")
        assert started["triggerReason"] == "RemoteStart"
        assert started["seqNo"] == 0
        assert started["transactionInfo"]["remoteStartId"] == 7
        assert started["transactionInfo"]["chargingState"] == "EVConnected"
        assert started["idToken"] == {"idToken": "T-1", "type": "Central"}
        assert started["evse"] == {"id": 1, "connectorId": 1}
        assert scene.evse.wish.mode is Mode.CHARGE
        assert scene.evse.wish.authorized

    on_stage(body)


def test_charging_is_told_and_carries_the_measured_power() -> None:
    async def body(scene: Stage) -> None:
        await _charging(scene)
        event = await scene.wait("TransactionEvent", transactionInfo__chargingState="Charging")
        assert event["triggerReason"] == "ChargingStateChanged"
        sampled = event["meterValue"][0]["sampledValue"]
        assert {"Power.Active.Import": 3000}.items() <= {s["measurand"]: s["value"] for s in sampled}.items()

    on_stage(body)


def test_a_second_start_is_refused_while_one_is_authorized() -> None:
    async def body(scene: Stage) -> None:
        await _charging(scene)
        answer = await scene.start()
        assert answer["status"] == "Rejected"
        assert answer["statusInfo"]["reasonCode"] == "TxInProgress"

    on_stage(body)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"reachable": False}, "Unspecified"),
        ({"connector": Connector.FAULTED}, "Unspecified"),
        ({"connector": Connector.UNAVAILABLE}, "Unspecified"),
    ],
)
def test_a_start_that_cannot_work_is_refused_at_once(change: dict[str, Any], reason: str) -> None:
    async def body(scene: Stage) -> None:
        scene.evse.show(**change)
        answer = await scene.start()
        assert answer["status"] == "Rejected"
        assert answer["statusInfo"]["reasonCode"] == reason
        assert scene.events == []

    on_stage(body)


def test_a_start_on_an_evse_that_is_not_there_is_refused() -> None:
    async def body(scene: Stage) -> None:
        token = {"idToken": "T", "type": "Central"}
        answer = await scene.call("RequestStartTransaction", evseId=9, remoteStartId=1, idToken=token)
        assert answer["status"] == "Rejected"
        assert answer["statusInfo"]["reasonCode"] == "UnknownEvse"

    on_stage(body)


def test_start_before_the_plug_waits_for_the_vehicle() -> None:
    async def body(scene: Stage) -> None:
        assert (await scene.start())["status"] == "Accepted"
        await scene.clock.sleep(5_000)
        # Errata 2025-09, 6.2.116: Occupied comes with the plug.
        assert scene.csms.received("StatusNotification")[-1]["connectorStatus"] == "Available"
        scene.evse.plug()
        await scene.wait("StatusNotification", connectorStatus="Occupied")
        started = await scene.wait("TransactionEvent", eventType="Started")
        assert started["triggerReason"] == "RemoteStart"
        assert started["transactionInfo"]["remoteStartId"] == 7

    on_stage(body)


def test_an_authorization_that_nobody_uses_ends_by_itself() -> None:
    async def body(scene: Stage) -> None:
        await scene.start()
        await scene.clock.sleep(121_000)
        scene.evse.plug()
        await scene.clock.sleep(5_000)
        assert scene.events == []
        assert all(wish.mode is not Mode.CHARGE for wish in scene.evse.wishes)

    on_stage(body)


def test_a_transaction_that_nobody_plugs_into_times_out() -> None:
    async def body(scene: Stage) -> None:
        await scene.start()
        await scene.clock.sleep(119_000)
        assert not [e for e in scene.events if e["eventType"] == "Ended"]
        ended = await scene.wait("TransactionEvent", eventType="Ended")
        assert ended["triggerReason"] == "EVConnectTimeout"
        assert ended["transactionInfo"]["stoppedReason"] == "Timeout"

    on_stage(body, TxCtrlr__TxStartPoint="Authorized")


def test_remote_stop_ends_when_the_unit_has_confirmed() -> None:
    async def body(scene: Stage) -> None:
        transaction = await _charging(scene)
        answer = await scene.call("RequestStopTransaction", transactionId=transaction)
        assert answer["status"] == "Accepted"
        assert scene.evse.wish.mode is Mode.STOP
        await scene.clock.sleep(3_000)
        assert not [e for e in scene.events if e["eventType"] == "Ended"]
        scene.evse.show(confirmed=True, charging_state=ChargingState.EV_CONNECTED)
        ended = await scene.wait("TransactionEvent", eventType="Ended")
        assert ended["triggerReason"] == "RemoteStop"
        assert ended["transactionInfo"]["stoppedReason"] == "Remote"
        await scene.clock.sleep(60_000)
        assert scene.evse.wish.mode is Mode.HANDS_OFF

    on_stage(body)


def test_remote_stop_ends_after_ten_seconds_without_a_confirmation() -> None:
    async def body(scene: Stage) -> None:
        transaction = await _charging(scene)
        await scene.call("RequestStopTransaction", transactionId=transaction)
        before = scene.clock.monotonic()
        await scene.wait("TransactionEvent", eventType="Ended")
        assert 9_900 < scene.clock.monotonic() - before < 11_000
        assert scene.evse.wish.mode is Mode.STOP

    on_stage(body)


def test_stop_of_an_unknown_transaction_is_refused() -> None:
    async def body(scene: Stage) -> None:
        answer = await scene.call("RequestStopTransaction", transactionId="nothing")
        assert answer["status"] == "Rejected"

    on_stage(body)


def test_stop_without_a_stop_point_keeps_the_transaction() -> None:
    async def body(scene: Stage) -> None:
        transaction = await _charging(scene)
        await scene.call("RequestStopTransaction", transactionId=transaction)
        event = await scene.wait("TransactionEvent", triggerReason="RemoteStop")
        assert event["eventType"] == "Updated"
        scene.evse.unplug()
        ended = await scene.wait("TransactionEvent", eventType="Ended")
        assert ended["transactionInfo"]["stoppedReason"] == "Remote"

    on_stage(body, TxCtrlr__TxStopPoint="EVConnected")


def test_a_vehicle_that_leaves_ends_the_transaction() -> None:
    async def body(scene: Stage) -> None:
        await _charging(scene)
        scene.evse.unplug()
        ended = await scene.wait("TransactionEvent", eventType="Ended")
        assert ended["triggerReason"] == "EVCommunicationLost"
        assert ended["transactionInfo"]["stoppedReason"] == "EVDisconnected"
        assert ended["transactionInfo"]["chargingState"] == "Idle"
        await scene.wait("StatusNotification", connectorStatus="Available", timestamp=ended["timestamp"])

    on_stage(body)


def test_a_vehicle_left_plugged_does_not_begin_the_next_transaction() -> None:
    async def body(scene: Stage) -> None:
        transaction = await _charging(scene)
        await scene.call("RequestStopTransaction", transactionId=transaction)
        scene.evse.show(confirmed=True)
        await scene.wait("TransactionEvent", eventType="Ended")
        scene.evse.show(charging_state=ChargingState.EV_CONNECTED)
        await scene.clock.sleep(60_000)
        assert len([e for e in scene.events if e["eventType"] == "Started"]) == 1

    on_stage(body, TxCtrlr__TxStartPoint="EVConnected")


def test_a_lost_unit_is_no_end() -> None:
    async def body(scene: Stage) -> None:
        await _charging(scene)
        scene.evse.show(reachable=False, connector=Connector.UNAVAILABLE, plug=Plug.UNDETERMINED)
        await scene.wait("StatusNotification", connectorStatus="Unavailable")
        await scene.clock.sleep(600_000)
        assert not [e for e in scene.events if e["eventType"] == "Ended"]

    on_stage(body)


async def _start_with_card(scene: Stage) -> dict[str, Any]:
    """With a token that the CSMS has not made up itself: those (Central) are never asked for (C05.FR.01)."""
    card = {"idToken": "AABBCCDD", "type": "ISO14443"}
    return await scene.call("RequestStartTransaction", evseId=1, remoteStartId=7, idToken=card)


def test_authorize_first_where_the_csms_wants_it() -> None:
    async def body(scene: Stage) -> None:
        scene.evse.plug()
        assert (await _start_with_card(scene))["status"] == "Accepted"
        await scene.wait("Authorize")
        await scene.wait("TransactionEvent", eventType="Started")

    on_stage(body, AuthCtrlr__AuthorizeRemoteStart=True)


def test_a_token_that_is_not_accepted_gets_no_energy() -> None:
    async def body(scene: Stage) -> None:
        scene.csms.respond["Authorize"] = lambda _: {"idTokenInfo": {"status": "Blocked"}}
        scene.evse.plug()
        await _start_with_card(scene)
        await scene.wait("Authorize")
        await scene.clock.sleep(10_000)
        assert scene.events == []
        assert all(wish.mode is not Mode.CHARGE for wish in scene.evse.wishes)

    on_stage(body, AuthCtrlr__AuthorizeRemoteStart=True)


def test_a_token_that_turns_out_invalid_ends_the_transaction() -> None:
    async def body(scene: Stage) -> None:
        scene.csms.respond["TransactionEvent"] = lambda _: {"idTokenInfo": {"status": "Invalid"}}
        scene.evse.plug()
        await scene.start()
        ended = await scene.wait("TransactionEvent", eventType="Ended")
        assert ended["triggerReason"] == "Deauthorized"
        assert ended["transactionInfo"]["stoppedReason"] == "DeAuthorized"
        assert scene.evse.wish.mode is Mode.STOP

    on_stage(body)


@pytest.mark.parametrize(
    ("limit", "mode", "target"),
    [(3000, Mode.CHARGE, 3_000_000), (0, Mode.PAUSE, None), (-2000, Mode.DISCHARGE, -2_000_000)],
)
def test_the_sign_of_the_limit_chooses_the_direction(limit: int, mode: Mode, target: int | None) -> None:
    async def body(scene: Stage) -> None:
        transaction = await _charging(scene)
        answer = await scene.call(
            "SetChargingProfile", evseId=1, chargingProfile=profile(limit, transactionId=transaction)
        )
        assert answer["status"] == "Accepted", answer
        assert (scene.evse.wish.mode, scene.evse.wish.target) == (mode, target)

    on_stage(body)


def test_a_start_with_a_profile_begins_under_its_limit() -> None:
    async def body(scene: Stage) -> None:
        await _charging(scene, chargingProfile=profile(3000))
        energy = [wish for wish in scene.evse.wishes if wish.mode is Mode.CHARGE]
        assert {wish.target for wish in energy} == {3_000_000}

    on_stage(body)


def test_each_period_is_applied_at_its_time() -> None:
    async def body(scene: Stage) -> None:
        steps = profile(3000)
        periods = [{"startPeriod": 0, "limit": 3000}, {"startPeriod": 600, "limit": 1500}]
        steps["chargingSchedule"][0]["chargingSchedulePeriod"] = periods
        await _charging(scene, chargingProfile=steps)
        await scene.clock.sleep(590_000)
        assert scene.evse.wish.target == 3_000_000
        await scene.clock.sleep(11_000)
        assert scene.evse.wish.target == 1_500_000

    on_stage(body)


def test_a_cleared_profile_lets_go() -> None:
    async def body(scene: Stage) -> None:
        await _charging(scene, chargingProfile=profile(3000))
        answer = await scene.call("ClearChargingProfile", chargingProfileId=1)
        assert answer["status"] == "Accepted"
        assert scene.evse.wish.target is None

    on_stage(body)


def test_the_composite_schedule_tells_what_is_wanted() -> None:
    async def body(scene: Stage) -> None:
        await _charging(scene, chargingProfile=profile(3000))
        answer = await scene.call("GetCompositeSchedule", evseId=1, duration=300)
        assert answer["status"] == "Accepted"
        assert [p["limit"] for p in answer["schedule"]["chargingSchedulePeriod"]] == [3000]

    on_stage(body)


def test_events_wait_for_the_csms_and_come_in_order_marked_offline() -> None:
    async def body(scene: Stage) -> None:
        await _charging(scene)
        await scene.csms.go_dark()
        await scene.clock.sleep(5_000)
        scene.evse.show(charging_state=ChargingState.SUSPENDED_EV)
        await scene.clock.sleep(60_000)
        scene.evse.flow(2000)
        await scene.clock.sleep(60_000)
        scene.csms.come_back()
        await scene.wait("TransactionEvent", offline=True, transactionInfo__chargingState="Charging")
        assert [e["seqNo"] for e in scene.events] == list(range(len(scene.events)))
        assert len(scene.csms.received("BootNotification")) == 1

    on_stage(body)


def test_an_event_that_is_never_answered_is_sent_again_as_it_was() -> None:
    async def body(scene: Stage) -> None:
        scene.csms.respond["TransactionEvent"] = [Never()]
        scene.evse.plug()
        await scene.start()
        await scene.clock.sleep(400_000)
        first = [e for e in scene.events if e["seqNo"] == 0]
        assert len(first) >= 2
        assert all(event == first[0] for event in first)

    on_stage(body)


def test_an_event_that_is_refused_does_not_stop_the_queue() -> None:
    async def body(scene: Stage) -> None:
        scene.csms.respond["TransactionEvent"] = [Refuse("InternalError")] * 3
        scene.evse.plug()
        await scene.start()
        scene.evse.flow(3000)
        await scene.clock.sleep(400_000)
        await scene.wait("TransactionEvent", transactionInfo__chargingState="Charging")

    on_stage(body)


def test_a_killed_gateway_goes_on_where_it_stood() -> None:
    async def play() -> None:
        store = await open_store(Path(":memory:"), inline=True)
        csms = DemoCsms(Clock(seed=3))
        async with stage(store=store, csms=csms) as scene:
            transaction = await _charging(scene, chargingProfile=profile(3000))
            last = scene.events[-1]["seqNo"]
        await csms.drop(STATION) if csms.connected(STATION) else None
        async with stage(store=store, csms=csms, wait_boot=False) as scene:
            scene.evse.plug()
            await csms.wait_for(lambda: len(csms.received("BootNotification")) == 2, 60_000)
            scene.evse.flow(3000)
            await scene.clock.sleep(1_000)
            assert scene.evse.wish.mode is Mode.CHARGE
            assert scene.evse.wish.target == 3_000_000
            answer = await scene.call("RequestStopTransaction", transactionId=transaction)
            assert answer["status"] == "Accepted"
            ended = await scene.wait("TransactionEvent", eventType="Ended")
            assert ended["seqNo"] > last
            assert ended["transactionInfo"]["transactionId"] == transaction
        assert not any(csms.gaps().values())

    run_virtual(play())


def test_a_vehicle_that_left_while_the_gateway_was_down_ends_its_transaction() -> None:
    async def play() -> None:
        store = await open_store(Path(":memory:"), inline=True)
        csms = DemoCsms(Clock(seed=3))
        async with stage(store=store, csms=csms) as scene:
            await _charging(scene)
        await csms.drop(STATION) if csms.connected(STATION) else None
        async with stage(store=store, csms=csms, wait_boot=False) as scene:
            ended = await scene.wait("TransactionEvent", eventType="Ended")
            assert ended["triggerReason"] == "EVCommunicationLost"

    run_virtual(play())


def test_meter_values_come_at_the_interval_until_the_end() -> None:
    async def body(scene: Stage) -> None:
        await _charging(scene)
        await scene.clock.sleep(305_000)
        periodic = [e for e in scene.events if e["triggerReason"] == "MeterValuePeriodic"]
        assert len(periodic) == 5
        assert all(e["meterValue"][0]["sampledValue"][0]["context"] == "Sample.Periodic" for e in periodic)

    on_stage(body, SampledDataCtrlr__TxUpdatedInterval=60)


def test_a_transaction_makes_an_inoperative_evse_wait() -> None:
    async def body(scene: Stage) -> None:
        await _charging(scene)
        answer = await scene.call("ChangeAvailability", operationalStatus="Inoperative", evse={"id": 1})
        assert answer["status"] == "Scheduled"
        scene.evse.unplug()
        await scene.wait("StatusNotification", connectorStatus="Unavailable")
        assert (await scene.start())["status"] == "Rejected"
        answer = await scene.call("ChangeAvailability", operationalStatus="Operative", evse={"id": 1})
        assert answer["status"] == "Accepted"
        await scene.clock.sleep(1_000)
        assert scene.csms.received("StatusNotification")[-1]["connectorStatus"] == "Available"

    on_stage(body)


def test_variables_are_read_set_and_kept() -> None:
    async def play() -> None:
        store = await open_store(Path(":memory:"), inline=True)
        csms = DemoCsms(Clock(seed=3))
        data = {"component": {"name": "TxCtrlr"}, "variable": {"name": "EVConnectionTimeOut"}}
        async with stage(store=store, csms=csms) as scene:
            answer = await scene.call("SetVariables", setVariableData=[{**data, "attributeValue": "33"}])
            assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"
            assert scene.station.positions[1].session.rules.ev_connection_timeout == 33_000
        await csms.drop(STATION) if csms.connected(STATION) else None
        async with stage(store=store, csms=csms, wait_boot=False) as scene:
            await csms.wait_for(lambda: len(csms.received("BootNotification")) == 2, 60_000)
            answer = await scene.call("GetVariables", getVariableData=[data])
            assert answer["getVariableResult"][0]["attributeValue"] == "33"

    run_virtual(play())


def test_the_base_report_follows_its_answer_in_pages() -> None:
    async def body(scene: Stage) -> None:
        answer = await scene.call("GetBaseReport", requestId=5, reportBase="FullInventory")
        assert answer["status"] == "Accepted"
        await scene.wait("NotifyReport", tbc=False)
        pages = scene.csms.received("NotifyReport")
        assert [page["seqNo"] for page in pages] == list(range(len(pages)))
        assert sum(len(page["reportData"]) for page in pages) > 60

    on_stage(body)


def test_pending_is_asked_again_after_the_interval() -> None:
    async def play() -> None:
        csms = DemoCsms(Clock(seed=3))
        csms.habits.boot = ["Pending", "Rejected"]
        async with stage(csms=csms, wait_boot=False) as scene:
            await scene.clock.sleep(600_500)
            assert len(csms.received("BootNotification")) == 3
            assert csms.violations == []

    run_virtual(play())


def test_a_start_at_the_unit_is_told_as_a_local_transaction_and_left_alone() -> None:
    async def body(scene: Stage) -> None:
        scene.evse.plug()
        scene.evse.show(Happening(HappeningKind.LOCAL_START, "operationMode=discharge"))
        started = await scene.wait("TransactionEvent", eventType="Started")
        assert started["triggerReason"] == "Authorized"
        assert started["idToken"]["type"] == "NoAuthorization"
        scene.evse.flow(-2000)
        await scene.wait("TransactionEvent", transactionInfo__chargingState="Charging")
        assert {wish.mode for wish in scene.evse.wishes} == {Mode.HANDS_OFF}
        scene.evse.show(Happening(HappeningKind.LOCAL_STOP, "operationMode=idle"))
        scene.evse.show(confirmed=True)
        ended = await scene.wait("TransactionEvent", eventType="Ended")
        assert ended["transactionInfo"]["stoppedReason"] == "Local"

    on_stage(body)


def test_a_start_at_the_unit_stays_under_a_limit_in_force() -> None:
    async def body(scene: Stage) -> None:
        limit = profile(1000, "TxDefaultProfile")
        assert (await scene.call("SetChargingProfile", evseId=1, chargingProfile=limit))["status"] == "Accepted"
        scene.evse.plug()
        scene.evse.show(Happening(HappeningKind.LOCAL_START, "operationMode=charge"))
        await scene.wait("TransactionEvent", eventType="Started")
        scene.evse.flow(3000)
        await scene.wait("TransactionEvent", transactionInfo__chargingState="Charging")
        assert (scene.evse.wish.mode, scene.evse.wish.target) == (Mode.CHARGE, 1_000_000)

    on_stage(body)


def test_a_unit_found_discharging_without_a_transaction_is_stopped() -> None:
    async def body(scene: Stage) -> None:
        reading = Reading(-3_000_000, scene.clock.monotonic())
        scene.evse.show(plug=Plug.YES, connector=Connector.OCCUPIED, power=reading)
        assert scene.evse.wish.mode is Mode.STOP
        scene.evse.show(confirmed=True, power=Reading(0, scene.clock.monotonic()))
        await scene.clock.sleep(1_000)
        assert scene.evse.wish.mode is Mode.HANDS_OFF

    on_stage(body)


def test_an_inoperative_evse_is_kept_stopped() -> None:
    async def body(scene: Stage) -> None:
        await scene.call("ChangeAvailability", operationalStatus="Inoperative")
        scene.evse.plug()
        scene.evse.show(Happening(HappeningKind.LOCAL_START, "operationMode=charge"))
        await scene.clock.sleep(1_000)
        assert scene.evse.wish.mode is Mode.STOP
        assert scene.events == []

    on_stage(body)


def test_a_stop_that_a_kill_interrupted_is_finished_after_the_restart() -> None:
    async def play() -> None:
        store = await open_store(Path(":memory:"), inline=True)
        csms = DemoCsms(Clock(seed=3))
        async with stage(store=store, csms=csms) as scene:
            transaction = await _charging(scene)
            await scene.call("RequestStopTransaction", transactionId=transaction)
        await csms.drop(STATION) if csms.connected(STATION) else None
        async with stage(store=store, csms=csms, wait_boot=False) as scene:
            scene.evse.plug()
            ended = await scene.wait("TransactionEvent", eventType="Ended")
            assert ended["transactionInfo"]["stoppedReason"] == "Remote"
            assert scene.evse.wish.mode is Mode.STOP
        assert not any(csms.gaps().values())

    run_virtual(play())
