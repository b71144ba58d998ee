"""What may start again what a person or the vehicle has ended (decision table B, row 10): a start, a new profile from
the CSMS, another target. No edge of a schedule, no bound, no repetition."""

import pytest

from bridge.clock import run_virtual
from bridge.evse import Mode
from bridge.station.targets import Target
from tests.station.test_back_again import stepped
from tests.tools.dynamic import charging, dynamic, house, put, update
from tests.tools.station_house import profile


def occasion(scene):
    return scene.evse.wish.occasion


def test_without_a_transaction_a_unit_hears_so_after_a_restart():
    """What it remembers of the last one counts no more."""

    async def play():
        async with house() as scene:
            assert [wish.mode for wish in scene.evse.wishes] == [Mode.HANDS_OFF]

    run_virtual(play())


def test_an_edge_of_a_schedule_is_none():
    async def play():
        async with house() as scene:
            await charging(scene)
            await put(scene, stepped(scene, (0, 6000), (60, 3000), (120, 0), (180, 6000)))
            before, begun = occasion(scene), len(scene.evse.wishes)
            await scene.clock.sleep(200_000)
            seen = [wish for wish in scene.evse.wishes[begun:] if wish.mode in (Mode.CHARGE, Mode.PAUSE)]
            assert [(wish.mode, wish.target) for wish in seen] == [
                (Mode.CHARGE, 3_000_000), (Mode.PAUSE, None), (Mode.CHARGE, 6_000_000)
            ]  # fmt: skip
            assert {wish.occasion for wish in seen} == {before}

    run_virtual(play())


@pytest.mark.parametrize("purpose", ["TxDefaultProfile", "TxProfile"])
@pytest.mark.parametrize("evse", [0, 1])
def test_a_new_profile_is_one_and_its_repetition_is_none(purpose, evse):
    async def play():
        async with house() as scene:
            transaction = await charging(scene)
            said = profile(6000, purpose)
            if purpose == "TxProfile":
                if evse == 0:
                    return  # K01.FR.16: it is of one EVSE
                said["transactionId"] = transaction
            before = occasion(scene)
            await put(scene, said, evse)
            assert occasion(scene) == before + 1
            await put(scene, said, evse)
            assert occasion(scene) == before + 1
            said["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"] = 5000
            await put(scene, said, evse)
            assert occasion(scene) == before + 2

    run_virtual(play())


def test_a_bound_of_the_station_and_the_end_of_a_profile_are_none():
    async def play():
        async with house() as scene:
            await charging(scene)
            await put(scene, profile(6000, "TxDefaultProfile", id=7))
            before = occasion(scene)
            await put(scene, dynamic(8, "ChargingStationMaxProfile"), 0)
            await scene.station.wishes.external.set_by_api(0, 500_000, None)
            await scene.call("ClearChargingProfile", chargingProfileId=7)
            assert scene.evse.wish.target == 500_000
            assert occasion(scene) == before

    run_virtual(play())


def test_what_is_updated_of_a_dynamic_profile_is_none():
    """It may come every second."""

    async def play():
        async with house() as scene:
            await charging(scene)
            await put(scene, dynamic())
            before = occasion(scene)
            assert (await update(scene, limit=2000))["status"] == "Accepted"
            assert scene.evse.wish.target == 2_000_000
            assert occasion(scene) == before

    run_virtual(play())


def test_another_target_is_one():
    async def play():
        async with house() as scene:
            await charging(scene)
            before = occasion(scene)
            await scene.station.wishes.targets.set(1, Target(energy=5_000_000))
            assert occasion(scene) == before + 1

    run_virtual(play())


def test_more_of_a_transaction_is_one():
    """E16.FR.14."""
    limits = [{"maxEnergy": 5000}]

    def respond(request):
        return {"transactionLimit": limits.pop()} if limits else {}

    async def play():
        async with house(respond={"TransactionEvent": respond}) as scene:
            await charging(scene)
            await scene.clock.sleep(5_000)
            assert scene.evse.wish.amount.energy == 5_000_000
            before = occasion(scene)
            limits.append({"maxEnergy": 9000})
            scene.evse.flow(3000)
            await scene.clock.sleep(60_000)
            assert scene.evse.wish.amount.energy == 9_000_000
            assert occasion(scene) == before + 1

    run_virtual(play())


def test_every_start_is_one():
    async def play():
        async with house() as scene:
            await charging(scene)
            first = occasion(scene)
            transaction = scene.events[0]["transactionInfo"]["transactionId"]
            await scene.call("RequestStopTransaction", transactionId=transaction)
            await scene.clock.sleep(30_000)
            assert (await scene.start())["status"] == "Accepted"
            await scene.clock.sleep(10_000)
            assert scene.evse.wish.mode is Mode.CHARGE
            assert occasion(scene) == first + 1

    run_virtual(play())
