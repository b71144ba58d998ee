"""Nothing flows back at the receiving point: the bound alone, and a unit that follows the load of its house."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.charger.gridguard import RAISE_BY, RAISE_EVERY, GridGuard, GridRules
from bridge.clock import Clock, run_virtual
from bridge.evse import Mode, Reading, Source
from bridge.mapping.decision import Measures
from bridge.sim.unit import SimUnitConfig
from tests.charger.fakes import DISCHARGE, MODE, OUT_LIMIT, STANDBY, bench, limit
from tests.charger.site import site
from tests.charger.test_real_table import table

WATT = 1_000


def reading(watts: int, at: int, source: Source = Source.READ) -> Reading:
    return Reading(watts * WATT, at, source)


@dataclass
class House:
    """A house, a unit that follows its bound at once, and a meter that is read every `every` ms."""

    load: int
    guard: GridGuard = field(default_factory=lambda: GridGuard(GridRules()))
    now: int = 1_000_000
    discharge: int = 0
    most: int = 6_000
    lowest: int = 10**6

    def step(self, every: int = 3_000) -> None:
        self.now += every
        grid = self.load - self.discharge
        self.lowest = min(self.lowest, grid)
        self.guard.look(reading(grid, self.now), reading(-self.discharge, self.now), self.now, discharging=True)
        self.discharge = min(self.guard.bound // WATT, self.most)

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.step()


def test_discharge_rises_slowly_to_the_load_less_the_margin_and_stays() -> None:
    house = House(load=3_000)
    house.steps(3)
    assert house.discharge * WATT <= RAISE_BY
    house.steps(100)
    assert 2_700 <= house.discharge <= 2_900
    bound = house.guard.bound
    house.steps(100)
    assert house.guard.bound == bound  # a steady load wears nothing
    assert house.lowest >= 100


def test_less_load_lowers_the_bound_at_once() -> None:
    house = House(load=4_000)
    house.steps(120)
    assert house.discharge > 3_500
    house.load = 1_000
    house.step()
    assert house.discharge <= 900
    house.lowest = 10**6
    house.steps(3)
    assert house.lowest >= 0


def test_load_below_the_margin_leaves_nothing() -> None:
    house = House(load=80)
    house.steps(50)
    assert house.guard.bound == 0


def test_meter_that_tells_nothing_or_nothing_new_ends_it() -> None:
    house = House(load=3_000)
    house.steps(100)
    assert house.guard.trouble(house.now + 30_000) is None
    late = house.now + 30_001
    assert "30 s" in (house.guard.trouble(late) or "")
    house.guard.look(reading(100, house.now), reading(-2_900, late), late, discharging=True)
    assert house.guard.bound == 0
    lost = GridGuard(GridRules())
    assert "does not tell" in (lost.trouble(0) or "")
    lost.look(reading(5_000, 0, Source.LAST_KNOWN), None, 0, discharging=True)
    assert lost.bound == 0


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 6_000), st.integers(1, 20)), min_size=1, max_size=12))
def test_whatever_the_load_does_reverse_flow_lasts_for_one_reading_at_most(loads: list[tuple[int, int]]) -> None:
    house = House(load=2_000)
    for load, steps in loads:
        house.load = load
        house.step()  # the change is seen only now
        for _ in range(steps):
            house.step()
            assert house.load - house.discharge >= 0


def test_bound_rises_at_most_once_in_a_while() -> None:
    house = House(load=6_000)
    bounds = []
    for _ in range(60):
        house.step(1_000)
        bounds.append((house.now, house.guard.bound))
    raises = [at for (_, before), (at, after) in itertools.pairwise(bounds) if after > before]
    assert len(raises) >= 3
    assert all(later - sooner >= RAISE_EVERY for sooner, later in itertools.pairwise(raises))


# In the loop


class Port:
    """A grid meter as a unit sees it."""

    def __init__(self) -> None:
        self.measures: Measures | None = None
        self.listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        self.listeners.append(listener)

    def tell(self, watts: int, at: int) -> None:
        self.measures = Measures(power=reading(watts, at))
        for listener in self.listeners:
            listener()


async def house_meter(port: Port, clock: Clock, draws: Callable[[], int], every: int = 3_000) -> None:
    while True:
        port.tell(draws(), clock.monotonic())
        await clock.sleep(every)


def test_unit_of_the_shipped_table_follows_the_house() -> None:
    async def main() -> None:
        port = Port()
        load = [3_000]
        config = SimUnitConfig(release="P", plugged=True, soc_percent=80)
        async with site(config, table=table(), discharge_allowed=True, grid=port) as s:
            flows: list[int] = []

            def draws() -> int:
                flows.append(load[0] + int(s.unit.power_w))
                return flows[-1]

            meter = asyncio.create_task(house_meter(port, s.clock, draws))
            s.want(Mode.DISCHARGE, target=-6_000_000, authorized=True, in_transaction=True)
            await s.seconds(300)
            assert -2_900 <= s.unit.power_w <= -2_400
            load[0] = 1_500
            await s.seconds(20)
            assert -1_400 <= s.unit.power_w <= -500
            seen = len(flows)
            await s.seconds(300)
            assert min(flows[seen:]) >= 0
            assert s.writes.count("DA=43") == 1  # settings follow, contactors do not
            meter.cancel()
            await s.seconds(60)
            assert s.unit.power_w == 0
            assert s.writes[-1] == "DA=44"
            assert "grid meter" in (s.runner.unit.observed.trouble or "")
            assert not s.runner.unit.observed.confirmed
            meter = asyncio.create_task(house_meter(port, s.clock, draws))
            await s.seconds(120)
            assert s.unit.power_w < -500
            assert s.runner.unit.observed.trouble is None
            meter.cancel()

    run_virtual(main())


def test_without_a_word_of_the_grid_meter_discharge_does_not_begin_and_charging_does() -> None:
    async def main() -> None:
        async with bench(discharge_allowed=True, grid=Port()) as b:
            b.want(Mode.DISCHARGE)
            await b.seconds(60)
            assert DISCHARGE.hex() not in "".join(b.unit.writes)
            assert b.unit.values[MODE] == STANDBY
            assert "might flow back" in b.evse.observed.trouble
            assert b.kinds == []
            b.want(Mode.CHARGE)
            await b.seconds(30)
            assert b.evse.observed.confirmed
            assert b.evse.observed.trouble is None

    run_virtual(main())


def test_where_power_may_flow_back_the_grid_meter_binds_nothing() -> None:
    async def main() -> None:
        async with bench(discharge_allowed=True, grid=Port(), reverse_flow_allowed=True) as b:
            b.want(Mode.DISCHARGE)
            await b.seconds(30)
            assert b.unit.values[MODE] == DISCHARGE

    run_virtual(main())


def test_bound_of_the_station_counts_where_it_is_the_lower_one() -> None:
    async def main() -> None:
        port = Port()
        async with bench(discharge_allowed=True, grid=port) as b:
            meter = asyncio.create_task(house_meter(port, b.clock, lambda: 5_000))
            b.want(Mode.DISCHARGE, discharge_bound=1_200_000)
            await b.seconds(200)
            assert b.unit.values[OUT_LIMIT] == limit(1_200_000)
            meter.cancel()

    run_virtual(main())
