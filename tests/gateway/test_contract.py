"""The contract of the grid connection, with a whole gateway: a house, its smart meter, one or two units."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.clock import Clock, run_virtual
from bridge.gateway.api import ControlApi
from bridge.gateway.config import SiteConfig
from bridge.sim.control import SimUnit
from bridge.sim.device import SimDevice
from bridge.sim.meter import SimMeter
from bridge.sim.meter_config import SimMeterConfig
from bridge.store.sqlite import open_store
from tests.tools.house import MINUTE, House, house, profile, run, site

METER = "10.0.0.20"
CONTRACT = 6_000  # W: 60 A
#: A meter is read every 10 s; then a write, its reading back, and the unit's ramp.
CORRECTED = 25_000


class Load:
    """What the house draws besides, W."""

    def __init__(self, watts: float = 500) -> None:
        self.watts = watts

    def beside(self) -> Callable[[Clock, Sequence[SimUnit]], Mapping[str, Sequence[SimDevice]]]:
        def made(clock: Clock, units: Sequence[SimUnit]) -> Mapping[str, Sequence[SimDevice]]:
            grid = SimMeterConfig(power_w=lambda now: self.watts + sum(unit.power_w for unit in units))
            return {METER: [SimMeter(clock, grid)]}

        return made


def contract(**point: Any) -> SiteConfig:
    receiving = {"meter": "front", "contract": "60 A", **point}
    meters = {"front": {"class": "0x0288", "address": METER}}
    return site(meters=meters, receiving_point=receiving)


def watts_of(here: House) -> float:
    return here.unit.power_w


async def ask(here: House, **request: Any) -> Any:
    answer = await ControlApi(here.gateway).answer(json.dumps({"api": 1, **request}), lambda _: None)
    json.dumps(answer)
    return answer.get("result", answer.get("error"))


def test_charging_has_what_the_house_leaves_of_the_contract() -> None:
    """K12.FR.01, K11.FR.01, K11.FR.02: source EMS, no EVSE."""
    load = Load(2_000)

    async def play(here: House) -> None:
        await here.start(6000)
        await here.settle(2 * MINUTE)
        assert 3_500 <= watts_of(here) <= 3_700
        told = await here.told("NotifyChargingLimit")
        assert told == {"chargingLimit": {"chargingLimitSource": "EMS"}}
        schedule = await here.call("GetCompositeSchedule", evseId=1, duration=60)
        assert schedule["schedule"]["chargingSchedulePeriod"][0]["limit"] == pytest.approx(3_700, abs=20)
        load.watts = 4_000
        await here.settle(CORRECTED)
        assert load.watts + watts_of(here) <= CONTRACT
        load.watts = 1_000
        await here.settle(30_000)
        assert watts_of(here) <= 1_700
        await here.settle(2 * MINUTE)
        assert 4_500 <= watts_of(here) <= 4_700
        assert len(here.csms.received("NotifyChargingLimit")) <= 5

    run(play, config=contract(), beside=load.beside())


def test_a_steady_house_wears_nothing_and_tells_nothing() -> None:
    load = Load(2_000)

    async def play(here: House) -> None:
        await here.start(6000)
        await here.settle(5 * MINUTE)
        writes, told = len(here.writes()), here.now
        for step in range(60):
            load.watts = 2_000 + step % 3 * 40
            await here.settle(30_000)
        assert len(here.writes()) - writes <= 6
        messages = [m for m in here.csms.messages[told:] if m.action == "NotifyChargingLimit"]
        assert len(messages) <= 6  # three limits, with their answers

    run(play, config=contract(), beside=load.beside())


def test_a_house_that_takes_all_pauses_charging_until_it_takes_less() -> None:
    load = Load(1_000)

    async def play(here: House) -> None:
        await here.start(3000)
        load.watts = 6_000
        await here.settle(MINUTE)
        assert watts_of(here) == 0
        load.watts = 1_000
        await here.settle(10 * MINUTE)
        assert 2_900 <= watts_of(here) <= 3_000

    run(play, config=contract(), beside=load.beside())


@pytest.mark.parametrize(("point", "watts"), [({}, 0), ({"without_meter": 1500}, 1500)])
def test_a_meter_that_is_lost_leaves_the_fallback_and_says_so(point: dict[str, Any], watts: int) -> None:
    load = Load(1_000)

    async def play(here: House) -> None:
        await here.start(3000)
        await here.settle(2 * MINUTE)
        assert watts_of(here) >= 2_900
        here.nodes[1].mute()
        await here.settle(2 * MINUTE)
        assert watts_of(here) <= watts
        assert watts_of(here) >= watts * 0.9
        status = await ask(here, do="status")
        assert status["contract"]["charging_mw"] == watts * 1000
        assert "grid meter" in status["contract"]["trouble"]
        await here.nodes[1].start()
        await here.settle(10 * MINUTE)
        assert watts_of(here) >= 2_900
        assert (await ask(here, do="status"))["contract"]["trouble"] is None

    run(play, config=contract(**point), beside=load.beside())


def test_without_a_contract_nothing_is_limited() -> None:
    load = Load(5_000)

    async def play(here: House) -> None:
        await here.start(3000)
        await here.settle(2 * MINUTE)
        assert watts_of(here) >= 2_900
        assert here.csms.received("NotifyChargingLimit") == []
        assert (await ask(here, do="status"))["contract"] is None

    meters = {"front": {"class": "0x0288", "address": METER}}
    run(play, config=site(meters=meters, receiving_point={"meter": "front"}), beside=load.beside())


def test_a_contract_that_the_site_has_no_more_is_cleared_and_told(tmp_path: Path) -> None:
    """K13.FR.02, over a restart."""
    load = Load(2_000)

    async def main() -> None:
        store = await open_store(tmp_path / "gateway.sqlite3", inline=True)
        async with house(config=contract(), beside=load.beside(), store=store) as here:
            await here.settle(2 * MINUTE)
            await here.told("NotifyChargingLimit")
        store = await open_store(tmp_path / "gateway.sqlite3", inline=True)
        async with house(beside=load.beside(), store=store) as here:
            cleared = await here.told("ClearedChargingLimit")
            assert cleared == {"chargingLimitSource": "EMS"}

    run_virtual(main())


# Property: safety over histories


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.integers(0, 5_500),
            st.sampled_from([0, 1000, 3000, 6000]),
            st.sampled_from([None, 500, 2000, 4000]),
            st.integers(1, 6),
        ),
        min_size=2,
        max_size=6,
    )
)
def test_what_the_unit_is_ordered_never_stays_above_the_lowest_limit(
    course: list[tuple[int, int, int | None, int]],
) -> None:
    """K11.FR.01 and the contract: house load, the CSMS's profile and the local API's limit change at random. At the end
    of each write's time the order is under the lowest limit in force, and the house under its contract."""
    load = Load(500)

    async def play(here: House) -> None:
        transaction = await here.start(6000)
        await here.settle(MINUTE)
        external = here.station.wishes.external
        for watts, theirs, ours, stay in course:
            load.watts = watts
            answer = await here.call(
                "SetChargingProfile", evseId=1, chargingProfile=profile(theirs) | {"transactionId": transaction}
            )
            assert answer["status"] == "Accepted"
            if ours is None:
                await external.clear_by_api(1)
            else:
                await external.set_by_api(1, ours * 1000, None)
            await here.settle(CORRECTED)
            for _ in range(stay):
                ordered = here.unit.setting(0xEB) if here.unit.mode == 0x42 else 0
                lowest = min([theirs, *(limit.power / 1000 for limit in external.all())])
                assert ordered <= lowest, (ordered, lowest)
                assert watts + here.unit.power_w <= max(CONTRACT, watts)
                await here.settle(10_000)

    run(play, config=contract(), beside=load.beside())


# Others at the unit, with the shipped table


def test_somebody_lowers_the_setting_at_the_unit_and_raises_it_again() -> None:
    """K11.FR.01, K11.FR.02, K11.FR.04, K13.FR.01, K13.FR.02, K13.FR.03, with what really happens at a unit."""

    async def play(here: House) -> None:
        await here.start(3000)
        await here.settle(2 * MINUTE)
        before = len(here.writes())
        here.unit.foreign_write(0xEB, (1000).to_bytes(4, "big"))
        told = await here.told("NotifyChargingLimit")
        assert told == {"chargingLimit": {"chargingLimitSource": "Other"}, "evseId": 1}
        await here.told("TransactionEvent", triggerReason="ChargingRateChanged")
        await here.settle(10 * MINUTE)
        assert watts_of(here) == pytest.approx(1_000, abs=20)
        assert not [w for w in here.writes()[before:] if w.startswith("EB=") and w != "EB=000003E8"]
        here.unit.foreign_write(0xEB, (6000).to_bytes(4, "big"))
        await here.told("ClearedChargingLimit", evseId=1)
        await here.settle(2 * MINUTE)
        assert watts_of(here) == pytest.approx(3_000, abs=20)
        rates = [event for event in here.csms.events() if event["triggerReason"] == "ChargingRateChanged"]
        assert len(rates) == 2

    run(play)


def test_a_foreign_limit_and_its_transaction_outlive_a_restart(tmp_path: Path) -> None:
    """K11.FR.01: the unit is not raised again because the gateway was away."""

    async def main() -> None:
        store = await open_store(tmp_path / "gateway.sqlite3", inline=True)
        async with house(store=store) as here:
            await here.start(3000)
            await here.settle(MINUTE)
            here.unit.foreign_write(0xEB, (1000).to_bytes(4, "big"))
            await here.told("NotifyChargingLimit")
            assert [limit["watts"] for limit in (await ask(here, do="status"))["stations"]["CS-1"]["limits"]] == [1000]
        store = await open_store(tmp_path / "gateway.sqlite3", inline=True)
        async with house(store=store) as here:
            here.unit.plug()
            await here.settle(MINUTE)
            assert here.station.positions[1].limit == 1_000_000

    run_virtual(main())


# The local API


def test_the_api_sets_and_clears_a_limit() -> None:
    """K12.FR.02, K13.FR.02; kept, and shown."""

    async def play(here: House) -> None:
        await here.start(6000)
        await here.settle(MINUTE)
        answer = await ask(here, do="limit_set", station="CS-1", evse=1, watts=2000, seconds=600)
        assert answer["limits"] == [
            {"evse": 1, "by": "api", "source": "EMS", "direction": "charge", "watts": 2000.0, "seconds_left": 600}
        ]
        assert await here.told("NotifyChargingLimit") == {"chargingLimit": {"chargingLimitSource": "EMS"}, "evseId": 1}
        await here.settle(MINUTE)
        assert watts_of(here) == pytest.approx(2_000, abs=20)
        await ask(here, do="limit_set", station="CS-1", watts=1000)
        await here.settle(MINUTE)
        assert watts_of(here) == pytest.approx(1_000, abs=20)
        answer = await ask(here, do="limit_clear", station="CS-1")
        assert answer["cleared"] is True
        assert [limit["evse"] for limit in answer["limits"]] == [1]
        assert (await ask(here, do="limit_clear", station="CS-1"))["cleared"] is False
        await here.settle(11 * MINUTE)
        assert watts_of(here) >= 5_900
        assert len(here.csms.received("ClearedChargingLimit")) == 2
        assert (await ask(here, do="status"))["stations"]["CS-1"]["limits"] == []

    run(play)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({}, '"station" is one of CS-1'),
        ({"station": ["CS-1"]}, '"station" is one of CS-1'),
        ({"station": "CS-1", "evse": 2, "watts": 1}, '"evse" is one of [1], or left out'),
        ({"station": "CS-1", "evse": True, "watts": 1}, '"evse" is one of [1], or left out'),
        ({"station": "CS-1", "evse": 0, "watts": 1}, '"evse" is one of [1], or left out'),
        ({"station": "CS-1"}, '"watts" is a number from 0'),
        ({"station": "CS-1", "watts": -1}, '"watts" is a number from 0'),
        ({"station": "CS-1", "watts": "1000"}, '"watts" is a number from 0'),
        ({"station": "CS-1", "watts": True}, '"watts" is a number from 0'),
        ({"station": "CS-1", "watts": 1e9}, '"watts" is a number from 0'),
        ({"station": "CS-1", "watts": float("nan")}, '"watts" is a number from 0'),
        ({"station": "CS-1", "watts": 1, "seconds": 0}, '"seconds" is a whole number from 1'),
        ({"station": "CS-1", "watts": 1, "seconds": 1.5}, '"seconds" is a whole number from 1'),
        ({"station": "CS-1", "watts": 1, "seconds": True}, '"seconds" is a whole number from 1'),
    ],
)
def test_what_is_no_limit_is_told_and_nothing_happens(request_: dict[str, Any], said: str) -> None:
    async def play() -> None:
        async with house() as here:
            answer = await ask(here, do="limit_set", **request_)
            assert isinstance(answer, str)
            assert said in answer
            assert here.station.wishes.external.all() == ()

    run_virtual(play())


def test_two_stations_share_a_contract() -> None:
    """What one does not use the other has; one that begins finds its part at once."""
    load = Load(1_700)

    async def main() -> None:
        config = contract()
        second = config.stations[0].model_copy(
            update={"id": "CS-2", "evses": (config.stations[0].evses[0].model_copy(update={"unit": "van"}),)}
        )
        units = {**config.units, "van": config.units["car"].model_copy(update={"address": "10.0.0.3"})}
        config = config.model_copy(update={"stations": (*config.stations, second), "units": units})
        from bridge.sim.unit import SimUnitConfig

        sims = {"10.0.0.2": SimUnitConfig(), "10.0.0.3": SimUnitConfig()}
        async with house(config=config, units=sims, beside=load.beside()) as here:
            one, two = here.gateway.stations["CS-1"], here.gateway.stations["CS-2"]
            await here.settle(MINUTE)
            parts = [station.wishes.external.all()[0].power // 1000 for station in (one, two)]
            assert parts == [4_000, 4_000]  # nobody charges: each could have all
            await here.start(6000)
            await here.settle(MINUTE)
            parts = [station.wishes.external.all()[0].power // 1000 for station in (one, two)]
            assert parts[0] >= 3_900
            assert parts[1] == parts[0] // 2

    run_virtual(main())
