"""What OCPP 2.1 adds to a transaction: operation modes, limits, and profiles that count only so long without a CSMS."""

import pytest

from bridge.clock import run_virtual
from bridge.evse import ChargingState, Reading
from bridge.station import messages as m
from tests.tools.station_house import STATION, stage
from tests.tools.v21 import ALLOWED, BOTH, event, later_stage, period_of


async def charging(scene, **start):
    """A transaction in which energy flows; its id."""
    scene.evse.plug()
    assert (await scene.start(**start))["status"] == "Accepted"
    started = await scene.wait("TransactionEvent", eventType="Started")
    scene.evse.flow(3000)
    return started["transactionInfo"]["transactionId"]


def told_modes(scene):
    events = [event for event in scene.events if event["triggerReason"] == "OperationModeChanged"]
    assert all("operationMode" in event["transactionInfo"] for event in events)
    return [event["transactionInfo"]["operationMode"] for event in events]


def test_a_change_of_the_operation_mode_is_told():
    """K01.FR.110: at the edges of a schedule, with a new profile, and when the profile has gone; once each."""

    async def play():
        async with later_stage() as scene:
            await charging(scene)
            said = period_of()
            said["chargingSchedule"][0] |= {
                "duration": 300,
                "chargingSchedulePeriod": [
                    {"startPeriod": 0, "operationMode": "CentralSetpoint", "setpoint": 1000},
                    {"startPeriod": 60, "operationMode": "CentralSetpoint", "setpoint": -1000},
                    {"startPeriod": 120, "operationMode": "Idle"},
                    {"startPeriod": 180, "operationMode": "ChargingOnly", "limit": 2000},
                    {"startPeriod": 240, "operationMode": "CentralFrequency", "setpoint": 500},
                ],
            }
            assert (await scene.call("SetChargingProfile", evseId=1, chargingProfile=said))["status"] == "Accepted"
            await scene.clock.sleep(400_000)
            assert told_modes(scene) == [
                "CentralSetpoint", "Idle", "ChargingOnly", "CentralFrequency", "ChargingOnly",
            ]  # fmt: skip
            assert scene.csms.gaps() == {}
            assert scene.csms.violations == []

    run_virtual(play())


def test_a_csms_of_201_is_told_no_modes():
    async def play():
        async with later_stage() as scene:
            said = period_of(operationMode="CentralSetpoint", setpoint=1000)
            assert (await scene.call("SetChargingProfile", evseId=1, chargingProfile=said))["status"] == "Accepted"
            store = scene.store
        async with stage(store=store, versions=BOTH, discharge=ALLOWED) as scene:
            await charging(scene)
            await scene.clock.sleep(60_000)
            assert scene.evse.wish.target == 1_000_000
            assert {event["triggerReason"] for event in scene.events} == {"RemoteStart", "ChargingStateChanged"}
            assert scene.csms.violations == []

    run_virtual(play())


def test_a_mode_that_was_told_is_not_told_again_after_a_restart():
    async def play():
        async with later_stage() as scene:
            await charging(scene)
            said = period_of(operationMode="CentralSetpoint", setpoint=1000)
            await scene.call("SetChargingProfile", evseId=1, chargingProfile=said)
            await scene.wait("TransactionEvent", triggerReason="OperationModeChanged")
            await scene.clock.sleep(5_000)
            store = scene.store
        async with later_stage(store=store, wait_boot=False) as scene:
            scene.evse.plug()
            scene.evse.flow(1000)
            await scene.clock.sleep(60_000)
            assert scene.evse.wish.target == 1_000_000
            assert told_modes(scene) == []

    run_virtual(play())


def limited(limit, times=1):
    """An answer to TransactionEvents that sets a limit, so many times."""
    return [{"transactionLimit": limit, "idTokenInfo": {"status": "Accepted"}}] * times


def test_a_limit_of_a_transaction_is_confirmed_and_becomes_the_chargers():
    """E16.FR.03: what is supported is told once; a cost is not (E16.FR.13)."""

    async def play():
        async with later_stage() as scene:
            scene.csms.respond["TransactionEvent"] = limited({"maxEnergy": 5000.0, "maxSoC": 80, "maxCost": 3.0})
            await charging(scene)
            told = await scene.wait("TransactionEvent", triggerReason="LimitSet")
            assert told["transactionInfo"]["transactionLimit"] == {"maxEnergy": 5000.0, "maxSoC": 80}
            amount = scene.evse.wish.amount
            assert (amount.energy, amount.soc) == (5_000_000, 80_000)
            await scene.clock.sleep(60_000)
            assert sum("transactionLimit" in event["transactionInfo"] for event in scene.events) == 1
            assert scene.csms.violations == []

    run_virtual(play())


def test_a_cost_alone_cannot_be_limited():
    async def play():
        async with later_stage() as scene:
            scene.csms.respond["TransactionEvent"] = limited({"maxCost": 3.0})
            await charging(scene)
            await scene.clock.sleep(60_000)
            assert not [event for event in scene.events if event["triggerReason"] == "LimitSet"]
            assert scene.evse.wish.amount is None

    run_virtual(play())


def test_a_limit_counts_what_has_moved_before():
    async def play():
        async with later_stage() as scene:
            scene.evse.show(energy_in=Reading(10_000_000, 0))
            transaction = await charging(scene)
            scene.evse.show(energy_in=Reading(12_000_000, 0))
            position = scene.station.positions[1]

            async def answered(most):
                limit = m.TransactionLimit(max_energy=most)
                response = m.TransactionEventResponse(transaction_limit=limit)
                await scene.station._event_answered(event(transaction_info=m.Transaction(transaction)), response)

            await answered(5000.0)
            assert scene.evse.wish.amount.energy == 3_000_000
            await answered(1000.0)
            assert scene.evse.wish.amount.energy == 0
            assert position.session.state.most_energy == 1_000_000

    run_virtual(play())


def test_time_ends_the_energy_and_more_time_lets_it_flow_again():
    """E16.FR.05, E16.FR.09, E16.FR.14."""

    async def play():
        async with later_stage() as scene:
            scene.csms.respond["TransactionEvent"] = limited({"maxTime": 100})
            transaction = await charging(scene)
            await scene.wait("TransactionEvent", triggerReason="LimitSet")
            await scene.clock.sleep(95_000)
            assert str(scene.evse.wish.mode) == "charge"
            await scene.clock.sleep(6_000)
            assert str(scene.evse.wish.mode) == "pause"
            scene.evse.show(charging_state=ChargingState.SUSPENDED_EVSE, power=None, confirmed=True)
            told = await scene.wait("TransactionEvent", triggerReason="TimeLimitReached")
            assert told["transactionInfo"]["chargingState"] == "SuspendedEVSE"
            await scene.station._event_answered(
                event(transaction_info=m.Transaction(transaction)),
                m.TransactionEventResponse(transaction_limit=m.TransactionLimit(max_time=1000)),
            )
            assert str(scene.evse.wish.mode) == "charge"
            assert scene.csms.violations == []

    run_virtual(play())


def test_the_time_counts_on_in_a_gateway_that_comes_back_and_finds_no_csms():
    async def play():
        async with later_stage() as scene:
            scene.csms.respond["TransactionEvent"] = limited({"maxTime": 100})
            await charging(scene)
            await scene.wait("TransactionEvent", triggerReason="LimitSet")
            await scene.clock.sleep(30_000)
            store, csms = scene.store, scene.csms
            await csms.go_dark()
        async with later_stage(csms=csms, store=store, wait_boot=False) as scene:
            scene.evse.plug()
            scene.evse.flow(3000)
            await scene.clock.sleep(55_000)
            assert str(scene.evse.wish.mode) == "charge"
            await scene.clock.sleep(16_000)
            assert str(scene.evse.wish.mode) == "pause"
            scene.evse.show(charging_state=ChargingState.SUSPENDED_EVSE, power=None, confirmed=True)
            csms.come_back()
            await scene.wait("TransactionEvent", triggerReason="TimeLimitReached")
            assert scene.csms.violations == []

    run_virtual(play())


def offline_profile(number, stack, setpoint, **more):
    said = period_of(operationMode="CentralSetpoint", setpoint=setpoint)
    return said | {"id": number, "stackLevel": stack, **more}


@pytest.mark.parametrize("for_good", [False, True])
def test_a_profile_counts_only_so_long_without_a_csms(for_good):
    """K01.FR.101 to FR.103, Q11, Q12: the next lower one leads meanwhile; back again it counts, or never again."""

    async def play():
        async with later_stage() as scene:
            await charging(scene)
            short = {"maxOfflineDuration": 60, "invalidAfterOfflineDuration": for_good}
            for profile in (offline_profile(1, 0, 500), offline_profile(2, 1, 2000, **short)):
                answer = await scene.call("SetChargingProfile", evseId=1, chargingProfile=profile)
                assert answer["status"] == "Accepted", answer
            assert scene.evse.wish.target == 2_000_000
            await scene.csms.go_dark()
            await scene.clock.sleep(59_000)
            assert scene.evse.wish.target == 2_000_000
            await scene.clock.sleep(2_000)
            assert scene.evse.wish.target == 500_000
            scene.csms.come_back()
            await scene.clock.sleep(200_000)
            assert scene.station.online
            assert scene.evse.wish.target == (500_000 if for_good else 2_000_000)
            kept = {row.profile_id for row in await scene.store.profiles(STATION)}
            assert kept == ({1} if for_good else {1, 2})

    run_virtual(play())


def test_the_device_model_says_what_of_21_there_is():
    async def play():
        async with later_stage() as scene:

            async def value(component, variable, **place):
                data = {"component": {"name": component, **place}, "variable": {"name": variable}}
                (result,) = (await scene.call("GetVariables", getVariableData=[data]))["getVariableResult"]
                return result["attributeValue"]

            assert await value("TxCtrlr", "SupportedLimits") == "maxEnergy,maxTime,maxSoC"
            evse = {"evse": {"id": 1}}
            modes = await value("V2XChargingCtrlr", "SupportedOperationModes", **evse)
            assert set(modes.split(",")) == {"ChargingOnly", "CentralSetpoint", "CentralFrequency", "Idle"}
            assert await value("V2XChargingCtrlr", "SupportedEnergyTransferModes", **evse) == "DC"

    run_virtual(play())
