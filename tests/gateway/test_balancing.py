"""Load balancing (OCPP 2.1, Q09) with a whole gateway: a house, its meter, and a vehicle that follows its load."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bridge.clock import Clock, run_virtual
from bridge.gateway.api import ControlApi
from bridge.gateway.config import SiteConfig
from bridge.sim.control import SimUnit
from bridge.sim.csms import DemoCsms
from bridge.sim.device import SimDevice
from bridge.sim.meter import SimMeter
from bridge.sim.meter_config import SimMeterConfig
from bridge.sim.node import SimNode
from bridge.sim.unit import SimUnitConfig
from bridge.store.sqlite import open_store
from tests.tools.fault_house import FaultHouse, fault_house
from tests.tools.fault_store import Faults
from tests.tools.house import MINUTE, TOKEN, UNITS, House, house, profile, run, site

METER = "10.0.0.20"
UPPER, LOWER = 3_000, 500  # W
#: What is not corrected, W.
STILL = 100
#: A reading (every 10 s), a pause between two directions, a write, its reading back, the ramp, the meter's next words.
CORRECTED = 2 * MINUTE
NAMES = ("UpperThreshold", "LowerThreshold", "UpperOffset", "LowerOffset")


class Load:
    """What the house draws beside the vehicles, W; minus is what its roof gives."""

    def __init__(self, watts: float = 1_000) -> None:
        self.watts = watts
        self.grid: Callable[[], float] = lambda: 0.0

    def beside(self) -> Callable[[Clock, Sequence[SimUnit]], Mapping[str, Sequence[SimDevice]]]:
        def made(clock: Clock, units: Sequence[SimUnit]) -> Mapping[str, Sequence[SimDevice]]:
            self.grid = lambda: self.watts + sum(unit.power_w for unit in units)
            return {METER: [SimMeter(clock, SimMeterConfig(power_w=lambda now: self.grid()))]}

        return made

    @property
    def balanced(self) -> bool:
        return LOWER - STILL <= self.grid() <= UPPER + STILL


def thresholds(evse: int = 1, **values: float) -> dict[str, Any]:
    told = {"UpperThreshold": UPPER, "LowerThreshold": LOWER} | values
    return {f"V2XChargingCtrlr.LocalLoadBalancing[{name}]@{evse}": value for name, value in told.items()}


def balanced(way: str = "custom-data", **more: Any) -> SiteConfig:
    """A site with a grid meter, thresholds, and a vehicle that may give the house what it needs."""
    parts: dict[str, Any] = {
        "meters": {"front": {"class": "0x0288", "address": METER}},
        "receiving_point": {"meter": "front", "reverse_flow": True},
        "evse": {"discharge": [way], **more.pop("evse", {})},
        "variables": thresholds() | more.pop("variables", {}),
    }
    return site(**(parts | more))


def asked(way: str = "custom-data", **words: float) -> dict[str, Any]:
    """The profile, in either way of saying it; `limit` and `dischargeLimit` bound it."""
    made = profile(words.pop("limit", 6_000))
    (period,) = made["chargingSchedule"][0]["chargingSchedulePeriod"]
    if way == "custom-data":
        period["customData"] = {"vendorId": "ocpp-echonet", "operationMode": "LocalLoadBalancing", **words}
    else:
        period |= {"operationMode": "LocalLoadBalancing", **words}
    return made


async def balance(here: House, transaction: str, made: dict[str, Any] | None = None) -> dict[str, Any]:
    return await here.call(
        "SetChargingProfile", evseId=1, chargingProfile=(made or asked()) | {"transactionId": transaction}
    )


async def ask(here: House, **request: Any) -> Any:
    answer = await ControlApi(here.gateway).answer(json.dumps({"api": 1, **request}), lambda _: None)
    json.dumps(answer)
    return answer.get("result", answer.get("error"))


async def trouble(here: House) -> Any:
    return (await ask(here, do="status"))["balancing"]["trouble"]


CAR = {UNITS[0]: SimUnitConfig(soc_percent=60)}


@pytest.mark.parametrize("way", ["custom-data", "ocpp2.1"])
def test_the_grid_stays_between_the_thresholds_whatever_the_house_draws(way: str) -> None:
    """2.1 Q09.FR.03, Q09.FR.04: the vehicle discharges and charges as much as that takes, and no more."""
    load = Load()
    version = "2.1" if way == "ocpp2.1" else "2.0.1"
    config = balanced(way)
    if way == "ocpp2.1":
        csms = config.stations[0].csms.model_copy(update={"versions": ("2.1",)})
        config = config.model_copy(update={"stations": (config.stations[0].model_copy(update={"csms": csms}),)})

    async def play(here: House) -> None:
        transaction = await here.start(1_000)
        assert (await balance(here, transaction, asked(way)))["status"] == "Accepted"
        for watts, power in ((5_000, -2_000), (7_500, -4_500), (2_000, 0), (-2_500, 3_000), (-4_000, 4_500)):
            load.watts = watts
            await here.settle(CORRECTED)
            assert load.balanced, (watts, load.grid())
            if power:
                assert here.unit.power_w == pytest.approx(power, abs=2 * STILL), watts
            writes = len(here.writes())
            await here.settle(5 * MINUTE)
            assert load.balanced, (watts, load.grid())
            assert len(here.writes()) == writes, watts  # nothing swings
        if way == "ocpp2.1":
            await here.told("TransactionEvent", triggerReason="OperationModeChanged")

    run(play, config=config, beside=load.beside(), units=CAR, csms_of=lambda clock: DemoCsms(clock, version=version))


async def balancing(here: House, made: dict[str, Any] | None = None) -> str:
    """A transaction in the mode."""
    transaction = await here.start(1_000)
    answer = await balance(here, transaction, made)
    assert answer["status"] == "Accepted", answer
    return transaction


async def variable(here: House, name: str, value: str | None = None, instance: str | None = None) -> Any:
    """The value of a variable of EVSE 1's, or the status of setting it."""
    of = {"component": {"name": "V2XChargingCtrlr", "evse": {"id": 1}}, "variable": {"name": name}}
    if instance is not None:
        of["variable"]["instance"] = instance
    if value is None:
        [told] = (await here.call("GetVariables", getVariableData=[of]))["getVariableResult"]
        return told.get("attributeValue", told["attributeStatus"])
    [told] = (await here.call("SetVariables", setVariableData=[{**of, "attributeValue": value}]))["setVariableResult"]
    return told["attributeStatus"]


# What bounds it


def test_limits_of_the_period_cap_what_is_computed_and_nothing_winds_up() -> None:
    """2.1 Q09.FR.05."""
    load = Load()

    async def play(here: House) -> None:
        await balancing(here, asked(limit=2_000, dischargeLimit=-1_500))
        for watts, power in ((20_000, -1_500), (-20_000, 2_000)):
            load.watts = watts
            await here.settle(CORRECTED)
            assert here.unit.power_w == power
            await here.settle(20 * MINUTE)
            load.watts = 1_750
            await here.settle(25_000)  # the next reading is enough, however long the cap has held
            assert load.balanced, load.grid()

    run(play, config=balanced(), beside=load.beside(), units=CAR)


def test_what_the_unit_can_at_most_does_not_wind_up() -> None:
    load = Load(30_000)

    async def play(here: House) -> None:
        await balancing(here, asked(limit=50_000))
        await here.settle(10 * MINUTE)
        assert here.unit.power_w == -6_000
        load.watts = 7_000
        await here.settle(25_000)
        assert load.balanced, load.grid()

    run(play, config=balanced(), beside=load.beside(), units=CAR)


def test_less_than_the_unit_can_is_not_added_up() -> None:
    """200 W are missing, and the unit does 500 W or nothing: nothing flows, and nothing is written again and again."""
    load = Load()

    async def play(here: House) -> None:
        await balancing(here)
        load.watts = 3_000
        await here.settle(CORRECTED)
        load.watts = 300
        await here.settle(CORRECTED)
        writes = len(here.writes())
        await here.settle(10 * MINUTE)
        assert here.unit.power_w == 0
        assert len(here.writes()) == writes
        assert here.station.positions[1].limit == 200_000
        load.watts = -2_500
        await here.settle(CORRECTED)
        assert load.grid() == pytest.approx(LOWER, abs=STILL)

    run(play, config=balanced(), beside=load.beside(), units=CAR)


def test_the_floor_of_the_charge_ends_it_and_nothing_winds_up() -> None:
    load = Load()

    async def play(here: House) -> None:
        await balancing(here)
        load.watts = 6_000
        await here.unit.until(lambda unit: unit.power_w < -2_900, 3 * MINUTE)
        here.unit.core.battery.set_soc(29)
        await here.unit.until(lambda unit: unit.power_w == 0, 3 * MINUTE)
        await here.settle(10 * MINUTE)
        assert here.unit.power_w == 0
        load.watts = 2_000
        await here.settle(CORRECTED)
        here.unit.core.battery.set_soc(60)
        await here.settle(5 * MINUTE)
        assert here.unit.power_w == 0  # nothing is owed from before
        load.watts = 6_000
        await here.unit.until(lambda unit: unit.power_w < -2_900, 3 * MINUTE)

    run(play, config=balanced(unit={"soc_floor": 30}), beside=load.beside(), units=CAR)


def test_nothing_flows_back_where_the_site_does_not_allow_it() -> None:
    """Whatever the thresholds ask for: GridGuard stays in force."""
    load = Load(2_000)
    config = balanced(
        receiving_point={"meter": "front"}, variables=thresholds(UpperThreshold=-1_000, LowerThreshold=-2_000)
    )

    async def play(here: House) -> None:
        await balancing(here)
        await here.settle(5 * MINUTE)
        assert here.unit.power_w < -1_500
        for _ in range(60):
            assert load.grid() >= 0
            await here.settle(10_000)

    run(play, config=config, beside=load.beside(), units=CAR)


def test_others_limits_cap_it_and_hands_off_ends_it() -> None:
    """The local API's limit, the CSMS's own switch of discharge, and a unit that is to be left alone."""
    load = Load()

    async def play(here: House) -> None:
        await balancing(here)
        load.watts = -4_000
        await here.unit.until(lambda unit: unit.power_w > 4_000, 3 * MINUTE)
        await ask(here, do="limit_set", station="CS-1", evse=1, watts=1_000)
        await here.settle(CORRECTED)
        assert here.unit.power_w == pytest.approx(1_000, abs=20)
        await ask(here, do="limit_clear", station="CS-1", evse=1)
        await here.settle(CORRECTED)
        assert load.balanced
        load.watts = 6_000
        await here.unit.until(lambda unit: unit.power_w < -2_900, 3 * MINUTE)
        assert await variable(here, "Enabled", "false") == "Accepted"
        await here.settle(MINUTE)
        assert here.unit.power_w == 0
        assert await variable(here, "Enabled", "true") == "Accepted"
        await here.unit.until(lambda unit: unit.power_w < -2_900, 3 * MINUTE)
        writes = len(here.writes())
        await ask(here, do="hands_off", station="CS-1", evse=1, on=True)
        load.watts = 0
        await here.settle(3 * MINUTE)
        assert here.writes()[writes:] == []
        assert (await ask(here, do="status"))["balancing"] == {"setpoints_mw": {}, "trouble": None}
        await ask(here, do="hands_off", station="CS-1", evse=1, on=False)
        await here.settle(CORRECTED)
        assert load.balanced

    run(play, config=balanced(), beside=load.beside(), units=CAR)


def test_the_contract_counts_for_what_is_charged() -> None:
    load = Load()
    point = {"meter": "front", "reverse_flow": True, "contract": "20 A"}
    config = balanced(receiving_point=point, variables=thresholds(UpperThreshold=9_000, LowerThreshold=8_000))

    async def play(here: House) -> None:
        await balancing(here)
        await here.settle(5 * MINUTE)
        assert load.grid() <= 2_000
        assert here.unit.power_w >= 500

    run(play, config=config, beside=load.beside(), units=CAR)


# The meter


def test_a_meter_that_is_lost_idles_it_and_says_so() -> None:
    """On its return it begins anew from what flows."""
    load = Load()

    async def play(here: House) -> None:
        await balancing(here)
        load.watts = 6_000
        await here.unit.until(lambda unit: unit.power_w < -2_900, 3 * MINUTE)
        assert await trouble(here) is None
        assert (await ask(here, do="status"))["balancing"]["setpoints_mw"] == {"CS-1 1": -3_000_000}
        here.nodes[1].mute()
        await here.settle(MINUTE)
        assert here.unit.power_w == 0
        assert "grid meter" in await trouble(here)
        writes = len(here.writes())
        await here.settle(10 * MINUTE)
        assert len(here.writes()) == writes
        await here.nodes[1].start()
        await here.settle(5 * MINUTE)
        assert load.balanced
        assert await trouble(here) is None

    run(play, config=balanced(), beside=load.beside(), units=CAR)


@pytest.mark.parametrize("way", ["custom-data", "ocpp2.1"])
def test_without_a_meter_it_is_refused(way: str) -> None:
    """2.1 Q09.FR.01."""

    async def play(here: House) -> None:
        transaction = await here.start(1_000)
        if way == "custom-data":
            answer = await balance(here, transaction)
            assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "UnsupportedParam")
        assert "LocalLoadBalancing" not in await variable(here, "SupportedOperationModes")
        assert await variable(here, "LocalLoadBalancing", instance="UpperThreshold") == "UnknownVariable"
        assert (await ask(here, do="status"))["balancing"] is None

    run(play, config=site(evse={"discharge": [way]}))


@pytest.mark.parametrize("discharge", [[], ["negative-limit"]])
def test_where_no_words_of_modes_are_open_it_is_not_had(discharge: list[str]) -> None:
    load = Load()
    config = site(
        meters={"front": {"class": "0x0288", "address": METER}},
        receiving_point={"meter": "front"},
        evse={"discharge": discharge},
    )

    async def play(here: House) -> None:
        transaction = await here.start(1_000)
        answer = await balance(here, transaction)
        assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "UnsupportedParam")
        assert await variable(here, "SupportedOperationModes") == "ChargingOnly"
        assert here.gateway.balancing is None
        assert here.station.positions[1].balancing is None

    run(play, config=config, beside=load.beside())


# The thresholds


def test_thresholds_come_from_the_site_or_the_csms_and_without_them_it_is_refused(tmp_path: Path) -> None:
    """2.1 Q09.FR.02; what the CSMS has set is kept, and counts at once."""
    load = Load()
    bare = site(
        meters={"front": {"class": "0x0288", "address": METER}},
        receiving_point={"meter": "front", "reverse_flow": True},
        evse={"discharge": ["custom-data"]},
    )

    async def main() -> None:
        store = await open_store(tmp_path / "gateway.sqlite3", inline=True)
        async with house(config=bare, beside=load.beside(), units=CAR, store=store) as here:
            assert "LocalLoadBalancing" in (await variable(here, "SupportedOperationModes")).split(",")
            assert [await variable(here, "LocalLoadBalancing", instance=name) for name in NAMES] == ["", "", "0", "0"]
            transaction = await here.start(1_000)

            async def refused() -> str:
                answer = await balance(here, transaction)
                if answer["status"] == "Accepted":
                    return "Accepted"
                assert answer["statusInfo"]["reasonCode"] == "MissingDevModelInfo"
                return str(answer["statusInfo"]["additionalInfo"])

            assert "UpperThreshold" in await refused()
            assert await variable(here, "LocalLoadBalancing", "3000.0", "UpperThreshold") == "Accepted"
            assert "LowerThreshold" in await refused()
            assert await variable(here, "LocalLoadBalancing", "a lot", "LowerThreshold") == "Rejected"
            assert await variable(here, "LocalLoadBalancing", "3000", "LowerThreshold") == "Accepted"
            assert "not greater" in await refused()
            assert await variable(here, "LocalLoadBalancing", "500", "LowerThreshold") == "Accepted"
            assert await refused() == "Accepted"
            load.watts = 6_000
            await here.unit.until(lambda unit: unit.power_w < -2_900, 3 * MINUTE)
            # what is set while it goes on
            assert await variable(here, "LocalLoadBalancing", "-500", "UpperOffset") == "Accepted"
            assert await variable(here, "LocalLoadBalancing", "2000", "UpperThreshold") == "Accepted"
            await here.settle(CORRECTED)
            assert load.grid() == pytest.approx(1_500, abs=STILL)
            assert await variable(here, "LocalLoadBalancing", "100", "UpperThreshold") == "Accepted"
            await here.settle(MINUTE)
            assert here.unit.power_w == 0
            assert "not greater" in await trouble(here)
            assert await variable(here, "LocalLoadBalancing", "2500", "UpperThreshold") == "Accepted"
            await here.settle(CORRECTED)
            assert load.grid() == pytest.approx(2_000, abs=STILL)
            assert await trouble(here) is None
        store = await open_store(tmp_path / "gateway.sqlite3", inline=True)
        async with house(config=bare, beside=load.beside(), units=CAR, store=store) as here:
            values = [await variable(here, "LocalLoadBalancing", instance=name) for name in NAMES]
            assert values == ["2500", "500", "-500", "0"]

    run_virtual(main())


def test_a_site_says_by_itself_what_is_not_to_be_passed() -> None:
    """The contract is the upper threshold, and where nothing may flow back the margin is the lower one."""
    load = Load()
    config = site(
        meters={"front": {"class": "0x0288", "address": METER}},
        receiving_point={"meter": "front", "contract": "60 A", "margin": 200},
        evse={"discharge": ["custom-data"]},
    )

    async def play(here: House) -> None:
        values = [await variable(here, "LocalLoadBalancing", instance=name) for name in NAMES]
        assert values == ["5700", "200", "0", "0"]
        await balancing(here)

    run(play, config=config, beside=load.beside())


# Restarts, and a CSMS that is away


def test_a_restart_in_the_middle_goes_on_from_what_flows(tmp_path: Path) -> None:
    """Nothing is written that the unit has already, whether the CSMS is there or not."""
    load = Load()

    async def main() -> None:
        parts: dict[str, Any] = {
            "meters": {"front": {"class": "0x0288", "address": METER}},
            "receiving_point": {"meter": "front", "reverse_flow": True},
            "evse": {"discharge": ["custom-data"]},
        }
        faults = Faults()
        async with fault_house(tmp_path, faults, off_for=20_000, parts=parts, variables=thresholds()) as here:
            [meter] = load.beside()(here.clock, [here.unit])[METER]
            node = SimNode(here.clock, b"meter", [meter])
            node.attach(here.lan.join(METER))
            await node.start()
            transaction = await here.begin()
            made = asked() | {"transactionId": transaction}
            assert (await here.call("SetChargingProfile", evseId=1, chargingProfile=made))["status"] == "Accepted"
            load.watts = 6_000
            await here.clock.sleep(3 * MINUTE)
            assert here.unit.power_w == -3_000
            for dark in (False, True):
                if dark:
                    await here.csms.go_dark()
                faults.cut()
                least = await _least_flow(here, 3 * MINUTE)
                assert least == 3_000, "it was paused, or changed"
                assert load.balanced
            assert here.lives == 3
            load.watts = 5_000
            await here.clock.sleep(CORRECTED)
            assert load.balanced
            await node.close()

    run_virtual(main())


async def _least_flow(here: FaultHouse, ms: int) -> int:
    """The least power, of either direction, that is seen in so long."""
    least = abs(here.unit.power_w)
    for _ in range(ms // 500):
        await here.clock.sleep(500)
        least = min(least, abs(here.unit.power_w))
    return least


def test_without_a_csms_nothing_is_discharged_for_long_and_charging_goes_on() -> None:
    """`max_offline_discharge` stays in force."""
    load = Load()

    async def play(here: House) -> None:
        await balancing(here)
        load.watts = 6_000
        await here.unit.until(lambda unit: unit.power_w < -2_900, 3 * MINUTE)
        await here.csms.go_dark()
        await here.settle(4 * MINUTE)
        assert here.unit.power_w == -3_000
        await here.settle(4 * MINUTE)
        assert here.unit.power_w == 0
        load.watts = -3_000
        await here.settle(CORRECTED)
        assert load.balanced
        load.watts = 6_000
        await here.settle(CORRECTED)
        assert here.unit.power_w == 0

    run(play, config=balanced(evse={"max_offline_discharge": 300}), beside=load.beside(), units=CAR, strict=False)


# What is told of it


def test_what_is_told_is_the_mode_and_its_bounds_and_no_invented_setpoint() -> None:
    load = Load()
    config = balanced("ocpp2.1")
    csms = config.stations[0].csms.model_copy(update={"versions": ("2.1",)})
    config = config.model_copy(update={"stations": (config.stations[0].model_copy(update={"csms": csms}),)})

    async def play(here: House) -> None:
        transaction = await balancing(here, asked("ocpp2.1", limit=4_000, dischargeLimit=-2_500))
        load.watts = 5_000
        await here.settle(CORRECTED)
        assert here.unit.power_w == -2_000
        told = await here.call("GetCompositeSchedule", evseId=1, duration=600)
        [period] = told["schedule"]["chargingSchedulePeriod"]
        assert {name: period.get(name) for name in ("operationMode", "limit", "dischargeLimit", "setpoint")} == {
            "operationMode": "LocalLoadBalancing",
            "limit": 4_000,
            "dischargeLimit": -2_500,
            "setpoint": None,
        }
        asked_for = await ask(here, do="schedule", station="CS-1", evse=1)
        piece = asked_for["pieces"][0]
        assert piece["limit_w"] == 4_000
        assert "between the EVSE's thresholds" in piece["lead"]["words"]
        since = here.now
        await here.call("ClearChargingProfile", chargingProfileId=1)
        event = await here.told("TransactionEvent", since=since, triggerReason="OperationModeChanged")
        assert event["transactionInfo"]["operationMode"] == "ChargingOnly"
        assert event["transactionInfo"]["transactionId"] == transaction
        await here.settle(MINUTE)
        assert here.unit.power_w == 6_000
        assert (await ask(here, do="status"))["balancing"]["setpoints_mw"] == {}

    run(play, config=config, beside=load.beside(), units=CAR, csms_of=lambda clock: DemoCsms(clock, version="2.1"))


def test_an_older_csms_is_told_what_may_be_charged() -> None:
    load = Load()

    async def play(here: House) -> None:
        await balancing(here, asked(limit=4_000))
        load.watts = 5_000
        await here.settle(CORRECTED)
        told = await here.call("GetCompositeSchedule", evseId=1, duration=600)
        [period] = told["schedule"]["chargingSchedulePeriod"]
        assert (period["limit"], "setpoint" in period) == (4_000, False)

    run(play, config=balanced(), beside=load.beside(), units=CAR)


# Several


def test_two_evses_behind_one_meter_share_each_correction() -> None:
    """Never twice the same watts."""
    load = Load()
    config = balanced(variables=thresholds(evse=2))
    station = config.stations[0]
    second = station.evses[0].model_copy(update={"id": 2, "unit": "van"})
    station = station.model_copy(update={"evses": (station.evses[0], second)})
    units = {**config.units, "van": config.units["car"].model_copy(update={"address": UNITS[1]})}
    config = config.model_copy(update={"stations": (station,), "units": units})
    sims = {UNITS[0]: SimUnitConfig(soc_percent=60), UNITS[1]: SimUnitConfig(soc_percent=60, plugged=True)}

    async def play(here: House) -> None:
        await balancing(here)
        answer = await here.call(
            "RequestStartTransaction", evseId=2, remoteStartId=8, idToken=TOKEN, chargingProfile=asked() | {"id": 2}
        )
        assert answer["status"] == "Accepted", answer
        await here.settle(MINUTE)
        assert here.station.positions[2].session.transaction_id is not None
        for watts in (9_000, 12_000, 3_000, -6_000, 9_000):
            load.watts = watts
            await here.settle(3 * MINUTE)
            powers = [unit.power_w for unit in here.units]
            assert load.balanced, (watts, powers)
            assert abs(powers[0] - powers[1]) <= 1_200, (watts, powers)
            assert min(powers) * max(powers) >= 0, (watts, powers)  # neither feeds the other
        assert (await ask(here, do="status"))["balancing"]["setpoints_mw"].keys() == {"CS-1 1", "CS-1 2"}

    run(play, config=config, units=sims, beside=load.beside())
