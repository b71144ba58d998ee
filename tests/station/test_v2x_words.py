"""OCPP 2.1's words in a period's customData: what is taken, what is refused and why, and what they come to."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from bridge.clock import run_virtual
from bridge.evse import Abilities, Mode
from bridge.sim.csms_parts import StationCallError
from bridge.station.messages import ChargingSchedulePeriod
from bridge.station.v2x import WordsError, words_of
from tests.tools.station_house import Stage, profile, stage

OURS = "ocpp-echonet"
WORDS = {"discharge": ["custom-data"]}
EVSE_1 = {"name": "V2XChargingCtrlr", "evse": {"id": 1}}


def said(at_most: float = 0, purpose: str = "TxDefaultProfile", **words: Any) -> dict[str, Any]:
    """A profile of one period in OCPP 2.1's words."""
    made = profile(at_most, purpose)
    if purpose == "ChargingStationMaxProfile":
        made["chargingProfileKind"] = "Absolute"
        made["chargingSchedule"][0]["startSchedule"] = "2026-01-01T00:00:00Z"
    (period,) = made["chargingSchedule"][0]["chargingSchedulePeriod"]
    period["customData"] = {"vendorId": OURS, **words}
    return made


async def put(scene: Stage, given: dict[str, Any]) -> dict[str, Any]:
    evse = 0 if given["chargingProfilePurpose"] == "ChargingStationMaxProfile" else 1
    return await scene.call("SetChargingProfile", evseId=evse, chargingProfile=given)


async def charging(scene: Stage) -> None:
    scene.evse.plug()
    assert (await scene.start())["status"] == "Accepted"
    scene.evse.flow(3_000)


@pytest.mark.parametrize(
    ("limit", "words", "mode", "watts"),
    [
        (0, {"operationMode": "CentralSetpoint", "setpoint": -3000}, Mode.DISCHARGE, -3000),
        (0, {"operationMode": "CentralFrequency", "setpoint": -3000}, Mode.DISCHARGE, -3000),
        (6000, {"operationMode": "CentralSetpoint", "setpoint": -3000}, Mode.DISCHARGE, -3000),
        (0, {"operationMode": "CentralSetpoint", "setpoint": -3000, "dischargeLimit": -2000}, Mode.DISCHARGE, -2000),
        (0, {"operationMode": "CentralSetpoint", "setpoint": -3000, "dischargeLimit": 0}, Mode.PAUSE, None),
        (6000, {"operationMode": "CentralSetpoint", "setpoint": 3000}, Mode.CHARGE, 3000),
        (2000, {"operationMode": "CentralSetpoint", "setpoint": 3000}, Mode.CHARGE, 2000),
        (6000, {"operationMode": "CentralSetpoint", "setpoint": 3000, "limit": 1500}, Mode.CHARGE, 1500),
        (6000, {"operationMode": "CentralSetpoint", "setpoint": 0}, Mode.PAUSE, None),
        (0, {"operationMode": "Idle"}, Mode.PAUSE, None),
        (2000, {"operationMode": "ChargingOnly"}, Mode.CHARGE, 2000),
        (2000, {"operationMode": "ChargingOnly", "limit": 1500}, Mode.CHARGE, 1500),
        (2000, {"something": "else"}, Mode.CHARGE, 2000),
    ],
)
def test_what_the_words_come_to(limit: float, words: dict[str, Any], mode: Mode, watts: int | None) -> None:
    """2.1 Q03, Q10.FR.01, Q01.FR.31; with CentralSetpoint a limit caps (translation.md, "Discharge")."""

    async def main() -> None:
        async with stage(site_evse=WORDS) as scene:
            await charging(scene)
            assert await put(scene, said(limit, **words)) == {"status": "Accepted"}
            wish = scene.evse.wish
            assert (wish.mode, wish.target) == (mode, None if watts is None else watts * 1000)

    run_virtual(main())


WRONG = [
    (0, {"operationMode": "LocalFrequency"}, "InvalidOperationMode"),
    (0, {"operationMode": "ExternalSetpoint", "setpoint": 5}, "InvalidOperationMode"),
    (0, {"operationMode": "centralsetpoint", "setpoint": 5}, "InvalidOperationMode"),
    (0, {"operationMode": 7}, "InvalidOperationMode"),
    (0, {"operationMode": ["CentralSetpoint"]}, "InvalidOperationMode"),
    (0, {"operationMode": "CentralSetpoint"}, "needs a setpoint"),
    (0, {"operationMode": "CentralSetpoint", "setpoint": -1e10}, "finite"),
    (0, {"operationMode": "CentralSetpoint", "setpoint": 10**400}, "finite"),
    (0, {"operationMode": "CentralSetpoint", "setpoint": "-3000"}, "is a number"),
    (0, {"operationMode": "CentralSetpoint", "setpoint": True}, "is a number"),
    (0, {"operationMode": "CentralSetpoint", "setpoint": None}, "is a number"),
    (0, {"operationMode": "CentralSetpoint", "setpoint": -5, "dischargeLimit": 5}, "zero or below"),
    (0, {"operationMode": "CentralSetpoint", "setpoint": -5, "limit": -1}, "below zero"),
    (-1, {"operationMode": "CentralSetpoint", "setpoint": -5}, "below zero"),
    (0, {"setpoint": -3000}, "no place"),
    (0, {"dischargeLimit": -3000}, "no place"),
    (0, {"operationMode": "ChargingOnly", "setpoint": 5}, "no place"),
    (0, {"operationMode": "Idle", "setpoint": 0}, "no place"),
    (0, {"operationMode": "Idle", "limit": 0}, "no place"),
    (5, {"operationMode": "Idle"}, "limit 0"),
]


@pytest.mark.parametrize(("limit", "words", "why"), WRONG)
def test_words_that_cannot_be_followed_are_rejected_and_change_nothing(limit: float, words: Any, why: str) -> None:
    """2.1 K01.FR.115, Q10.FR.02: InvalidSchedule, and why; nothing is wanted otherwise, nothing is kept."""

    async def main() -> None:
        async with stage(site_evse=WORDS) as scene:
            await charging(scene)
            before = len(scene.evse.wishes)
            answer = await put(scene, said(limit, **words))
            assert answer["status"] == "Rejected"
            assert answer["statusInfo"]["reasonCode"] == "InvalidSchedule"
            assert why in answer["statusInfo"]["additionalInfo"]
            assert len(scene.evse.wishes) == before
            assert not await scene.store.profiles("CS-1")

    run_virtual(main())


@pytest.mark.parametrize("number", [nan, inf, -inf])
@pytest.mark.parametrize("name", ["setpoint", "limit", "dischargeLimit"])
def test_no_number_is_no_word(name: str, number: float) -> None:
    """JSON has no such numbers, and a CALL with one is refused as a whole; the words do not rely on that."""
    words = {"operationMode": "CentralSetpoint", "setpoint": -5, name: number}
    with pytest.raises(WordsError, match=f"{name} is a finite number"):
        words_of(ChargingSchedulePeriod(0, 0.0, custom_data={"vendorId": OURS, **words}))

    async def main() -> None:
        async with stage(site_evse=WORDS) as scene:
            with pytest.raises(StationCallError):
                await put(scene, said(**words))
            assert not await scene.store.profiles("CS-1")

    run_virtual(main())


@pytest.mark.parametrize("discharge", [[], ["negative-limit"]])
def test_without_the_switch_the_words_are_refused(discharge: list[str]) -> None:
    """translation.md, "Discharge": each way is opened by itself."""

    async def main() -> None:
        async with stage(site_evse={"discharge": discharge}) as scene:
            for words in ({"operationMode": "CentralSetpoint", "setpoint": -3000}, {"operationMode": "Idle"}):
                answer = await put(scene, said(**words))
                assert answer["status"] == "Rejected"
                assert answer["statusInfo"]["reasonCode"] == "InvalidSchedule"
                assert "not allowed on EVSE 1" in answer["statusInfo"]["additionalInfo"]
            assert (await put(scene, said(2000, operationMode="ChargingOnly")))["status"] == "Accepted"

    run_virtual(main())


def test_the_switch_of_the_words_does_not_open_negative_limits() -> None:
    async def main() -> None:
        async with stage(site_evse=WORDS) as scene:
            answer = await put(scene, profile(-3000, "TxDefaultProfile"))
            assert answer["statusInfo"]["reasonCode"] == "InvalidSchedule"

    run_virtual(main())


def test_words_of_other_vendors_say_nothing() -> None:
    async def main() -> None:
        async with stage() as scene:
            made = said(2000, operationMode="CentralSetpoint", setpoint=-3000)
            made["chargingSchedule"][0]["chargingSchedulePeriod"][0]["customData"]["vendorId"] = "com.example"
            await charging(scene)
            assert (await put(scene, made))["status"] == "Accepted"
            assert (scene.evse.wish.mode, scene.evse.wish.target) == (Mode.CHARGE, 2_000_000)

    run_virtual(main())


def test_a_bound_of_the_station_takes_no_operation_mode() -> None:
    """2.1 K, table 95: a ChargingStationMaxProfile is ChargingOnly."""

    async def main() -> None:
        async with stage(site_evse=WORDS) as scene:
            wrong = said(0, "ChargingStationMaxProfile", operationMode="CentralSetpoint", setpoint=-3000)
            assert (await put(scene, wrong))["status"] == "Rejected"
            assert (await put(scene, said(5000, "ChargingStationMaxProfile")))["status"] == "Accepted"

    run_virtual(main())


def test_a_setpoint_is_bounded_by_what_bounds_charging_and_never_made_a_larger_discharge() -> None:
    """translation.md, "Discharge": a bound of one direction never becomes an order of the other."""

    async def main() -> None:
        async with stage(site_evse=WORDS) as scene:
            await charging(scene)
            bound = said(1500, "ChargingStationMaxProfile") | {"id": 2}
            assert (await put(scene, bound))["status"] == "Accepted"
            for setpoint, mode, target in ((3000, Mode.CHARGE, 1_500_000), (-3000, Mode.DISCHARGE, -3_000_000)):
                answer = await put(scene, said(9000, operationMode="CentralSetpoint", setpoint=setpoint))
                assert answer["status"] == "Accepted"
                assert (scene.evse.wish.mode, scene.evse.wish.target) == (mode, target)

    run_virtual(main())


def test_a_unit_that_cannot_discharge_is_not_told_to() -> None:
    async def main() -> None:
        async with stage(site_evse=WORDS) as scene:
            scene.evse.abilities = Abilities(charge_max=6_000_000, modes=frozenset({Mode.CHARGE, Mode.PAUSE}))
            answer = await put(scene, said(operationMode="CentralSetpoint", setpoint=-3000))
            assert "cannot discharge" in answer["statusInfo"]["additionalInfo"]
            assert (await put(scene, said(operationMode="CentralSetpoint", setpoint=3000)))["status"] == "Accepted"
            assert await variable(scene, "Available") == "false"

    run_virtual(main())


def test_the_words_are_reported_as_they_came() -> None:
    """K09: customData and all; they are kept so over a restart, too."""

    async def main() -> None:
        async with stage(site_evse=WORDS) as scene:
            given = said(operationMode="CentralSetpoint", setpoint=-3000, dischargeLimit=-4000, note="mine")
            assert (await put(scene, given))["status"] == "Accepted"
            await scene.call("GetChargingProfiles", requestId=3, chargingProfile={})
            (told,) = (await scene.wait("ReportChargingProfiles", requestId=3))["chargingProfile"]
            period = told["chargingSchedule"][0]["chargingSchedulePeriod"]
            assert period == given["chargingSchedule"][0]["chargingSchedulePeriod"]
        async with stage(site_evse=WORDS, store=scene.store) as again:
            await charging(again)
            assert (again.evse.wish.mode, again.evse.wish.target) == (Mode.DISCHARGE, -3_000_000)

    run_virtual(main())


async def variable(scene: Stage, name: str) -> str:
    asked = [{"component": EVSE_1, "variable": {"name": name}}]
    (answer,) = (await scene.call("GetVariables", getVariableData=asked))["getVariableResult"]
    assert answer["attributeStatus"] == "Accepted", answer
    return str(answer["attributeValue"])


async def set_variable(scene: Stage, name: str, value: str) -> str:
    asked = [{"component": EVSE_1, "variable": {"name": name}, "attributeValue": value}]
    (answer,) = (await scene.call("SetVariables", setVariableData=asked))["setVariableResult"]
    return str(answer["attributeStatus"])


@pytest.mark.parametrize(
    ("discharge", "available", "modes"),
    [
        ([], "false", "ChargingOnly"),
        (["negative-limit"], "true", "ChargingOnly"),
        (["custom-data"], "true", "Idle,ChargingOnly,CentralSetpoint,CentralFrequency"),
    ],
)
def test_v2x_charging_controller_tells_what_there_is(discharge: list[str], available: str, modes: str) -> None:
    """2.1 V2XChargingCtrlr, Q01.FR.31: what the site has opened and a unit without ISO 15118 can have."""

    async def main() -> None:
        async with stage(site_evse={"discharge": discharge}) as scene:
            assert await variable(scene, "Available") == available
            assert await variable(scene, "SupportedOperationModes") == modes
            assert await variable(scene, "Enabled") == "true"
            assert await set_variable(scene, "Available", "true") == "Rejected"

    run_virtual(main())


def test_the_csms_switches_discharge_off_and_on_and_that_is_kept() -> None:
    """2.1 V2XChargingCtrlr.Enabled: a running discharge is paused, a new one refused; both over a restart."""

    async def main() -> None:
        async with stage() as scene:
            await charging(scene)
            assert (await put(scene, profile(-3000, "TxDefaultProfile")))["status"] == "Accepted"
            assert scene.evse.wish.mode is Mode.DISCHARGE
            assert await set_variable(scene, "Enabled", "false") == "Accepted"
            assert scene.evse.wish.mode is Mode.PAUSE
            assert (await put(scene, profile(-2000, "TxDefaultProfile")))["status"] == "Rejected"
        async with stage(store=scene.store) as again:
            await charging(again)
            assert Mode.DISCHARGE not in {wish.mode for wish in again.evse.wishes}
            assert await set_variable(again, "Enabled", "true") == "Accepted"
            assert again.evse.wish.mode is Mode.DISCHARGE

    run_virtual(main())
