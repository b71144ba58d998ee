"""How far a transaction goes: targets of energy and state of charge, from every side, and what is told of them."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.clock import run_virtual
from bridge.evse import Amount, ChargingState, Counted, Happening, HappeningKind, Mode, Reading
from bridge.station.messages import IdToken, IdTokenKind, StatusInfo
from bridge.station.session import SessionState
from bridge.station.targets import (
    Direction,
    Target,
    TargetError,
    amount_of,
    left_of,
    set_target,
    target_of,
    target_of_start,
)
from tests.tools.station_house import Stage, profile, stage

OURS = "ocpp-echonet"
CHARGE, DISCHARGE = Direction.CHARGE, Direction.DISCHARGE


async def running(scene: Stage, target: Target | None = None) -> str:
    """A transaction that charges, started with a target."""
    scene.evse.plug()
    token = IdToken("T-1", IdTokenKind.CENTRAL)
    await scene.station.sessions.authorize(scene.station.positions[1], token, 7, target=target)
    scene.evse.flow(3_000)
    event = await scene.wait("TransactionEvent")
    return str(event["transactionInfo"]["transactionId"])


async def set_variable(scene: Stage, name: str, instance: str, value: str) -> dict[str, Any]:
    component = {"name": "EVSE", "evse": {"id": 1}}
    asked = {"component": component, "variable": {"name": name, "instance": instance}, "attributeValue": value}
    (answer,) = (await scene.call("SetVariables", setVariableData=[asked]))["setVariableResult"]
    return dict(answer)


async def variable(scene: Stage, name: str, instance: str) -> str:
    asked = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": name, "instance": instance}}
    (answer,) = (await scene.call("GetVariables", getVariableData=[asked]))["getVariableResult"]
    return str(answer["attributeValue"])


def amount(scene: Stage) -> tuple[int | None, int | None] | None:
    found = scene.evse.wish.amount
    return None if found is None else (found.energy, found.soc)


def reach(scene: Stage, energy: int = 0) -> None:
    """What the charger tells when the amount has moved, and then stops."""
    key = scene.evse.wish.amount.key
    counted = Counted(key, energy, reached=True)
    scene.evse.show(Happening(HappeningKind.AMOUNT_REACHED, "reached"), counted=counted)
    stopped = Reading(0, scene.clock.monotonic())
    scene.evse.show(charging_state=ChargingState.SUSPENDED_EVSE, power=stopped, confirmed=True)


# The words


@pytest.mark.parametrize(
    ("words", "target"),
    [
        ({"energy": 5000}, Target(CHARGE, 5_000_000)),
        ({"soc": 80}, Target(CHARGE, None, 80_000)),
        ({"soc": 79.5, "energy": 0.001 + 1}, Target(CHARGE, 1_001, 79_500)),
        ({"soc": 30, "direction": "discharge"}, Target(DISCHARGE, None, 30_000)),
        ({"soc": 0, "direction": "discharge", "energy": None}, Target(DISCHARGE, None, 0)),
    ],
)
def test_what_is_a_target(words: dict[str, Any], target: Target) -> None:
    assert target_of(words) == target
    assert target_of_start({"vendorId": OURS, **words}) == target
    assert target_of_start({"vendorId": "com.example", **words}) is None


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({}, "a target has"),
        ({"direction": "charge"}, "a target has"),
        ({"energy": 0}, "1 to 1000000"),
        ({"energy": -5}, "1 to 1000000"),
        ({"energy": 1_000_001}, "1 to 1000000"),
        ({"energy": 10**400}, "1 to 1000000"),
        ({"energy": float("nan")}, "1 to 1000000"),
        ({"energy": float("inf")}, "1 to 1000000"),
        ({"energy": "5000"}, "is a number"),
        ({"energy": True}, "is a number"),
        ({"energy": [5]}, "is a number"),
        ({"soc": 101}, "0 to 100"),
        ({"soc": -1}, "0 to 100"),
        ({"soc": 80, "direction": "sideways"}, "charge, discharge"),
        ({"soc": 80, "direction": []}, "charge, discharge"),
    ],
)
def test_what_is_none(words: dict[str, Any], why: str) -> None:
    with pytest.raises(TargetError, match=why):
        target_of(words)
    if words:
        refused = target_of_start({"vendorId": OURS, **words})
        assert isinstance(refused, StatusInfo)
        assert refused.reason_code == "InvalidValue"


# Of a session


def test_a_target_says_nothing_of_the_other_direction() -> None:
    state = SessionState(transaction_id="tx")
    set_target(state, Target(CHARGE, 5_000_000, 80_000))
    assert amount_of(state, Mode.CHARGE) == Amount("tx/1", 5_000_000, 80_000)
    for mode in (Mode.DISCHARGE, Mode.PAUSE, Mode.STOP, Mode.HANDS_OFF):
        assert amount_of(state, mode) is None
    set_target(state, Target(DISCHARGE, None, 30_000))
    assert amount_of(state, Mode.DISCHARGE) == Amount("tx/2", None, 30_000)
    set_target(state, None)
    assert amount_of(state, Mode.DISCHARGE) is None
    set_target(state, Target(DISCHARGE, None, 30_000))
    assert amount_of(state, Mode.DISCHARGE) == Amount("tx/4", None, 30_000)  # what was reached before is over


def test_before_the_transaction_nothing_is_counted() -> None:
    state = SessionState()
    set_target(state, Target(CHARGE, 5_000_000))
    assert amount_of(state, Mode.CHARGE) is None


@pytest.mark.parametrize(
    ("target", "moved", "left"),
    [
        (None, 0, 4_000),
        (Target(CHARGE, None, 80_000), 0, 4_000),
        (Target(CHARGE, 9_000), 1_000, 4_000),
        (Target(CHARGE, 9_000), 6_000, 3_000),
        (Target(CHARGE, 9_000), 9_500, 0),
        (Target(DISCHARGE, 1_000), 900, 4_000),
    ],
)
def test_of_what_an_invalid_token_may_have_and_the_target_the_lower_counts(
    target: Target | None, moved: int, left: int
) -> None:
    """E05.FR.03, MaxEnergyOnInvalidId."""
    state = SessionState(transaction_id="tx")
    if target is not None:
        set_target(state, target)
    state.energy_left = left_of(state, 4_000, Counted("tx/1", moved))
    soc = target.soc if target is not None else None
    assert amount_of(state, Mode.CHARGE) == Amount("tx", left, soc)


# Of a station


def test_a_start_brings_its_target() -> None:
    async def main() -> None:
        async with stage() as scene:
            await running(scene, Target(CHARGE, 5_000_000))
            assert amount(scene) == (5_000_000, None)
            assert await variable(scene, "TargetEnergy", "Charge") == "5000"
            assert await variable(scene, "TargetEnergy", "Discharge") == "0"

    run_virtual(main())


def test_a_target_ends_with_its_transaction() -> None:
    async def main() -> None:
        async with stage() as scene:
            await running(scene, Target(CHARGE, 5_000_000))
            scene.evse.unplug()
            await scene.wait("TransactionEvent", eventType="Ended")
            assert await variable(scene, "TargetEnergy", "Charge") == "0"
            await running(scene)
            assert amount(scene) is None

    run_virtual(main())


def test_the_device_model_sets_and_ends_a_target_of_the_running_transaction() -> None:
    """AIF 5.2: by a variable per EVSE; of the same direction the other word stays."""

    async def main() -> None:
        async with stage() as scene:
            refused = await set_variable(scene, "TargetSoC", "Charge", "80")
            assert refused["attributeStatus"] == "Rejected"
            assert refused["attributeStatusInfo"]["reasonCode"] == "TxNotFound"
            transaction = await running(scene)
            for name, instance, value, expected in (
                ("TargetSoC", "Charge", "80", (None, 80_000)),
                ("TargetEnergy", "Charge", "7500.5", (7_500_500, 80_000)),
                ("TargetSoC", "Charge", "0", (7_500_500, None)),
                ("TargetSoC", "Discharge", "30", None),
                ("TargetSoC", "Discharge", "0", None),
            ):
                assert (await set_variable(scene, name, instance, value))["attributeStatus"] == "Accepted"
                assert amount(scene) == expected
            assert (await set_variable(scene, "TargetSoC", "Charge", "101"))["attributeStatus"] == "Rejected"
            assert (await set_variable(scene, "TargetEnergy", "Charge", "x"))["attributeStatus"] == "Rejected"
            await set_variable(scene, "TargetSoC", "Discharge", "30")
            answer = profile(-3000, transactionId=transaction)
            await scene.call("SetChargingProfile", evseId=1, chargingProfile=answer)
            assert (scene.evse.wish.mode, amount(scene)) == (Mode.DISCHARGE, (None, 30_000))
            assert await variable(scene, "TargetSoC", "Discharge") == "30"
            assert await variable(scene, "TargetEnergy", "Charge") == "0"

    run_virtual(main())


def test_energy_that_has_moved_is_told() -> None:
    """TransactionEvent Updated, EnergyLimitReached, with the state that comes of it; once."""

    async def main() -> None:
        async with stage() as scene:
            transaction = await running(scene, Target(CHARGE, 5_000_000))
            reach(scene, 5_000_200)
            event = await scene.wait("TransactionEvent", triggerReason="EnergyLimitReached")
            assert event["eventType"] == "Updated"
            assert event["transactionInfo"] == {"transactionId": transaction, "chargingState": "SuspendedEVSE"}
            scene.evse.flow(3_000)
            scene.evse.show(charging_state=ChargingState.SUSPENDED_EV)
            await scene.wait("TransactionEvent", transactionInfo__chargingState="SuspendedEV")
            assert [each["triggerReason"] for each in scene.events].count("EnergyLimitReached") == 1

    run_virtual(main())


def test_a_state_of_charge_that_is_reached_is_a_change_of_the_charging_state() -> None:
    async def main() -> None:
        async with stage() as scene:
            await running(scene, Target(CHARGE, 50_000_000, 80_000))
            reach(scene, 5_000_000)
            event = await scene.wait("TransactionEvent", transactionInfo__chargingState="SuspendedEVSE")
            assert (event["eventType"], event["triggerReason"]) == ("Updated", "ChargingStateChanged")

    run_virtual(main())


@pytest.mark.parametrize(
    ("target", "trigger", "reason"),
    [
        (Target(CHARGE, 5_000_000), "EnergyLimitReached", "EnergyLimitReached"),
        (Target(CHARGE, None, 80_000), "ChargingStateChanged", "SOCLimitReached"),
    ],
)
def test_a_transaction_that_ends_with_the_energy_says_why(target: Target, trigger: str, reason: str) -> None:
    """E06.FR.07, with TxStopPoint EnergyTransfer."""

    async def main() -> None:
        async with stage(TxCtrlr__TxStopPoint="EnergyTransfer") as scene:
            await running(scene, target)
            reach(scene, 5_000_000)
            event = await scene.wait("TransactionEvent", eventType="Ended")
            assert (event["triggerReason"], event["transactionInfo"]["stoppedReason"]) == (trigger, reason)

    run_virtual(main())


def test_a_target_that_is_reached_at_once_is_told_at_once() -> None:
    async def main() -> None:
        async with stage() as scene:
            await running(scene)
            scene.evse.show(charging_state=ChargingState.SUSPENDED_EV, power=Reading(0, scene.clock.monotonic()))
            await scene.station.wishes.targets.set(1, Target(CHARGE, 1_000))
            counted = Counted(scene.evse.wish.amount.key, 1_000, reached=True)
            scene.evse.show(Happening(HappeningKind.AMOUNT_REACHED), counted=counted)
            await scene.wait("TransactionEvent", triggerReason="EnergyLimitReached")

    run_virtual(main())


def test_a_target_outlives_a_restart_with_its_count() -> None:
    """The key, by which the charger counts on, is the same."""

    async def main() -> None:
        async with stage() as scene:
            await running(scene)
            await scene.station.wishes.targets.set(1, Target(CHARGE, 5_000_000))
            before = scene.evse.wish.amount
        async with stage(store=scene.store, wait_boot=False) as again:
            again.evse.plug()
            await again.clock.sleep(10_000)
            assert again.evse.wish.amount == before
            assert before.key.endswith("/1")

    run_virtual(main())


def test_without_a_transaction_there_is_no_target() -> None:
    async def main() -> None:
        async with stage() as scene:
            with pytest.raises(TargetError, match="EVSE 1 has no transaction"):
                await scene.station.wishes.targets.set(1, Target(CHARGE, 5_000_000))

    run_virtual(main())
