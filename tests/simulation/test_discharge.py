"""Discharge in a whole house: the words that order it, floor and ceiling, reversals, amounts, and nobody there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bridge.clock import Clock
from bridge.sim.codec import Esv, decode
from bridge.sim.lan import Datagram, LanFaults
from bridge.sim.unit import SimUnitConfig
from bridge.sim.unit_config import VehicleConfig
from tests.tools.house import GATEWAY, MINUTE, UNITS, House, profile, run, site

CHARGING, DISCHARGING = b"\x42", b"\x43"
SOC = (0xD0, 0xE2, 0xE4)
NEVER_FLIPS = 100  # W; below this the table calls it still


def watch_modes(house: House) -> list[tuple[int, bytes, bytes, int]]:
    """When which mode goes out, which one the unit has at that moment, and what flows then."""
    seen: list[tuple[int, bytes, bytes, int]] = []

    def tap(datagram: Datagram) -> None:
        frame = decode(datagram.data)
        if datagram.source == GATEWAY and frame.esv in (Esv.SETC, Esv.SETI):
            for prop in frame.props:
                if prop.epc == 0xDA:
                    now = bytes([house.unit.mode])
                    seen.append((house.clock.monotonic(), prop.edt, now, house.unit.power_w))

    house.lan.tap(tap)
    return seen


def hide(house: House, *codes: int) -> Callable[[], None]:
    """The unit refuses these properties, until what is given back is called."""
    unit, read = house.unit, house.unit.read
    unit.read = lambda epc: None if epc in codes else read(epc)  # type: ignore[method-assign]

    def show() -> None:
        unit.read = read  # type: ignore[method-assign]

    return show


def steered(limit: float, **words: Any) -> dict[str, Any]:
    made = profile(limit)
    (period,) = made["chargingSchedule"][0]["chargingSchedulePeriod"]
    period["customData"] = {"vendorId": "ocpp-echonet", **words}
    return made


# The words


def test_a_setpoint_in_custom_data_is_what_flows() -> None:
    """translation.md, "Discharge" 2: from the CSMS's words to the unit's settings, in both directions."""

    async def play(house: House) -> None:
        transaction = await house.start(3000)
        for setpoint in (-2500, -1500, 2000):
            words = steered(6000, operationMode="CentralSetpoint", setpoint=setpoint) | {"transactionId": transaction}
            answer = await house.call("SetChargingProfile", evseId=1, chargingProfile=words)
            assert answer["status"] == "Accepted"
            await house.unit.until(lambda unit, watts=setpoint: unit.power_w == watts, 5 * MINUTE)  # type: ignore[misc]
        idle = steered(0, operationMode="Idle") | {"transactionId": transaction}
        await house.call("SetChargingProfile", evseId=1, chargingProfile=idle)
        await house.unit.until(lambda unit: unit.power_w == 0, 2 * MINUTE)

    run(play, config=site(evse={"discharge": ["custom-data"]}))


@pytest.mark.parametrize("ways", [[], ["negative-limit"]])
def test_a_setpoint_that_is_not_allowed_writes_nothing(ways: list[str]) -> None:
    async def play(house: House) -> None:
        transaction = await house.start(3000)
        before = house.writes()
        words = steered(6000, operationMode="CentralSetpoint", setpoint=-2500) | {"transactionId": transaction}
        answer = await house.call("SetChargingProfile", evseId=1, chargingProfile=words)
        assert answer["status"] == "Rejected"
        await house.settle(3 * MINUTE)
        assert house.writes() == before

    run(play, config=site(evse={"discharge": ways}))


# Reversals


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("loss", [0.0, 0.1])
def test_the_direction_never_flips_but_through_a_pause(seed: int, loss: float) -> None:
    """translation.md, "Reversal": whatever is wanted when, on a good network and a bad one: a mode of one direction
    goes out only when nothing flows in the other, and after a pause of that."""
    random = Clock(seed=seed).random

    async def play(house: House) -> None:
        modes = watch_modes(house)
        transaction = await house.start(3000)
        house.lan.faults = LanFaults(loss=loss)
        for _ in range(14):
            watts = random.choice((-4000, -2000, -1500, 0, 1500, 3000, 6000))
            assert (await house.limit(watts, transaction))["status"] == "Accepted"
            await house.settle(random.choice((200, 2_000, 9_000, 40_000, 2 * MINUTE)))
        house.lan.faults = LanFaults()
        await house.settle(5 * MINUTE)
        assert {CHARGING, DISCHARGING} <= {mode for _, mode, _, _ in modes}
        for at, mode, before, power in modes:
            if mode == CHARGING:
                assert (before != DISCHARGING, power > -NEVER_FLIPS) == (True, True), (at, power)
            elif mode == DISCHARGING:
                assert (before != CHARGING, power < NEVER_FLIPS) == (True, True), (at, power)

    run(play, strict=False)


# Floor and ceiling


def test_a_discharge_without_a_fresh_state_of_charge_is_paused_and_goes_on_with_one() -> None:
    """translation.md, "Floor": from a successful Get at most 60 s old; refused or older: that mode is left."""

    async def play(house: House) -> None:
        transaction = await house.start(3000)
        await house.limit(-2000, transaction)
        await house.unit.until(lambda unit: unit.power_w == -2000, 5 * MINUTE)
        show = hide(house, *SOC)
        refused_at = house.clock.monotonic()
        await house.unit.until(lambda unit: unit.power_w == 0, 2 * MINUTE)
        assert house.clock.monotonic() - refused_at <= 75_000
        written = len(house.writes())
        await house.settle(10 * MINUTE)
        assert "DA=43" not in house.writes()[written:]
        show()
        await house.unit.until(lambda unit: unit.power_w == -2000, 5 * MINUTE)

    run(play, units={UNITS[0]: SimUnitConfig(soc_percent=80)})


def test_no_discharge_begins_without_a_fresh_state_of_charge() -> None:
    async def play(house: House) -> None:
        transaction = await house.start(3000)
        hide(house, *SOC)
        await house.settle(2 * MINUTE)
        await house.limit(-2000, transaction)
        await house.settle(15 * MINUTE)
        assert "DA=43" not in house.writes()
        assert house.unit.power_w == 0

    run(play, units={UNITS[0]: SimUnitConfig(soc_percent=80)})


def test_after_the_floor_it_begins_anew_only_some_way_above() -> None:
    """translation.md, "Floor": start again only at floor + 3 %."""

    async def play(house: House) -> None:
        transaction = await house.start(3000)
        await house.limit(-6000, transaction)
        await house.unit.until(lambda unit: unit.power_w < -1000, 5 * MINUTE)
        await house.unit.until(lambda unit: unit.power_w == 0, 3 * 60 * MINUTE)
        for percent, flows in ((42.0, False), (43.6, True)):
            house.unit.core.battery.set_soc(percent)
            await house.settle(4 * MINUTE)
            assert (house.unit.power_w < 0) is flows, percent

    run(
        play,
        config=site(unit={"soc_floor": 40}),
        units={UNITS[0]: SimUnitConfig(soc_percent=44, vehicle=VehicleConfig(discharge_floor_percent=10))},
    )


def test_charging_ends_at_the_ceiling_and_begins_anew_below_it() -> None:
    async def play(house: House) -> None:
        transaction = await house.start(6000)
        await house.unit.until(lambda unit: unit.power_w == 0, 60 * MINUTE)
        assert 59.4 <= house.unit.soc <= 60.5  # it is told in whole percents
        await house.told("TransactionEvent", transactionInfo__chargingState="SuspendedEVSE")
        component = {"name": "EVSE", "evse": {"id": 1}}
        asked = [{"component": component, "variable": {"name": "Trouble"}}]
        answer = await house.call("GetVariables", getVariableData=asked)
        assert "ceiling of 60 %" in answer["getVariableResult"][0]["attributeValue"]
        await house.settle(30 * MINUTE)
        assert house.unit.power_w == 0
        await house.limit(-3000, transaction)  # a discharge is no matter of the ceiling
        await house.unit.until(lambda unit: unit.soc < 58, 120 * MINUTE)
        await house.limit(6000, transaction)
        await house.settle(3 * MINUTE)
        assert house.unit.power_w == 0
        house.unit.core.battery.set_soc(56.5)
        await house.unit.until(lambda unit: unit.power_w == 6000, 5 * MINUTE)
        await house.unit.until(lambda unit: unit.power_w == 0, 60 * MINUTE)
        assert house.unit.soc <= 60.5

    run(play, config=site(unit={"soc_ceiling": 60}), units={UNITS[0]: SimUnitConfig(soc_percent=58)})


# Others at the unit


def test_a_contested_unit_begins_no_discharge() -> None:
    """translation.md, "Changes made elsewhere": after three reversals of what we wrote within ten minutes."""

    async def play(house: House) -> None:
        transaction = await house.start(3000)
        await house.limit(-2000, transaction)
        await house.unit.until(lambda unit: unit.power_w < 0, 5 * MINUTE)
        for _ in range(3):
            house.unit.foreign_write(0xDA, CHARGING)
            await house.settle(45_000)
            await house.limit(-2000 if house.unit.power_w else -2100, transaction)
            await house.settle(45_000)
        contested_from = len(house.writes())
        await house.settle(MINUTE)
        await house.limit(-1800, transaction)
        await house.settle(15 * MINUTE)
        assert "DA=43" not in house.writes()[contested_from:]
        assert house.unit.power_w >= 0

    run(play, units={UNITS[0]: SimUnitConfig(soc_percent=60)}, strict=False)


# Nobody there


def test_without_a_csms_the_car_is_not_emptied() -> None:
    """translation.md, "A dead gateway or CSMS must not empty a car": 900 s, then pause; both directions are metered."""

    async def play(house: House) -> None:
        transaction = await house.start(3000)
        await house.settle(5 * MINUTE)
        await house.limit(-3000, transaction)
        await house.unit.until(lambda unit: unit.power_w == -3000, 5 * MINUTE)
        await house.csms.go_dark()
        begun = house.clock.monotonic()
        await house.settle(14 * MINUTE)
        assert house.unit.power_w == -3000
        await house.unit.until(lambda unit: unit.power_w == 0, 2 * MINUTE)
        assert 900_000 <= house.clock.monotonic() - begun <= 905_000
        await house.settle(60 * MINUTE)
        assert house.unit.power_w == 0
        house.csms.come_back()
        await house.unit.until(lambda unit: unit.power_w == -3000, 5 * MINUTE)
        since = house.now
        await house.call("RequestStopTransaction", transactionId=transaction)
        ended = await house.told("TransactionEvent", since, eventType="Ended")
        registers = {
            sample["measurand"]: sample["value"]
            for value in ended["meterValue"][-1:]
            for sample in value["sampledValue"]
            if sample["measurand"].endswith(".Register")
        }
        core = house.unit.core
        for measurand, real in (
            ("Energy.Active.Import.Register", core.charged_wms),
            ("Energy.Active.Export.Register", core.discharged_wms),
        ):
            assert registers[measurand] > 100
            assert registers[measurand] == pytest.approx(real / 3_600_000, abs=30)

    run(play, units={UNITS[0]: SimUnitConfig(soc_percent=80)})


# Amounts


@pytest.mark.covers("AIF-5.2-1")
@pytest.mark.parametrize(
    ("watts", "words", "trigger"),
    [
        (3000, {"direction": "charge", "energy": 500}, "EnergyLimitReached"),
        (-3000, {"direction": "discharge", "energy": 500}, "EnergyLimitReached"),
        (3000, {"direction": "charge", "soc": 61}, "ChargingStateChanged"),
        (-3000, {"direction": "discharge", "soc": 58}, "ChargingStateChanged"),
    ],
)
@pytest.mark.parametrize("stop_point", ["EVConnected,Authorized", "EnergyTransfer"])
def test_a_target_ends_the_flow_and_is_told(watts: int, words: dict[str, Any], trigger: str, stop_point: str) -> None:
    """AIF 5.2, in both directions; the energy by the unit's registers, the state of charge as it tells it."""

    async def play(house: House) -> None:
        from bridge.station.targets import target_of

        transaction = await house.start(watts)
        core = house.unit.core
        before, level = core.charged_wms + core.discharged_wms, house.unit.soc
        since = house.now
        await house.station.wishes.targets.set(1, target_of(words))
        ends = stop_point == "EnergyTransfer"
        event = await house.told(
            "TransactionEvent",
            since,
            60 * MINUTE,
            eventType="Ended" if ends else "Updated",
            triggerReason=trigger,
        )
        reason = "EnergyLimitReached" if "energy" in words else "SOCLimitReached"
        assert event["transactionInfo"].get("stoppedReason") == (reason if ends else None)
        await house.settle(5 * MINUTE)
        assert house.unit.power_w == 0
        if "energy" in words:
            assert 500 <= (core.charged_wms + core.discharged_wms - before) / 3_600_000 <= 560
        else:
            assert house.unit.soc == pytest.approx(words["soc"], abs=0.6)
            assert house.unit.soc != level
        if not ends:
            assert event["transactionInfo"]["transactionId"] == transaction

    run(
        play,
        config=site(variables={"TxCtrlr.TxStopPoint": stop_point}),
        units={UNITS[0]: SimUnitConfig(soc_percent=60)},
    )


def test_a_target_for_charging_does_not_hold_back_the_discharge_after_it() -> None:
    async def play(house: House) -> None:
        from bridge.station.targets import Target

        transaction = await house.start(6000)
        await house.station.wishes.targets.set(1, Target(soc=61_000))
        await house.unit.until(lambda unit: unit.power_w == 0, 60 * MINUTE)
        await house.limit(-2000, transaction)
        await house.unit.until(lambda unit: unit.power_w == -2000, 5 * MINUTE)
        await house.unit.until(lambda unit: unit.soc < 59, 60 * MINUTE)
        await house.limit(6000, transaction)
        await house.settle(5 * MINUTE)
        assert house.unit.power_w == 0  # reached is reached, until another target is set

    run(play, units={UNITS[0]: SimUnitConfig(soc_percent=60)})
