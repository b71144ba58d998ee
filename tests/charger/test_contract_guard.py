"""What the house leaves of the contract: the bound alone, with a house, units that ramp, and a meter."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.charger.gridguard import CHARGE_MORE_EVERY, ContractGuard, ContractRules
from bridge.evse import Reading, Source

WATT = 1_000
CONTRACT, MARGIN = 6_000, 300
METER = 10_000


def reading(watts: int, at: int, source: Source = Source.READ) -> Reading:
    return Reading(watts * WATT, at, source)


@dataclass
class House:
    """A house with one unit that follows the bound at once; its meter is read every 10 s."""

    load: int
    wish: int = 6_000
    guard: ContractGuard = field(default_factory=lambda: ContractGuard(ContractRules(CONTRACT * WATT, MARGIN * WATT)))
    now: int = 1_000_000
    charging: int = 0

    @property
    def grid(self) -> int:
        return self.load + self.charging

    def step(self, every: int = METER) -> None:
        """The unit obeys, is read, and then the meter is."""
        bound = self.guard.bound
        self.charging = min(self.wish, 0 if bound is None else bound // WATT)
        self.now += every
        self.look(reading(self.grid, self.now))

    def look(self, grid: Reading | None) -> None:
        self.guard.look(grid, {"u": reading(self.charging, self.now)}, self.now, busy=self.wish > 0)

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.step()

    @property
    def bound(self) -> int:
        assert self.guard.bound is not None
        return self.guard.bound // WATT


def test_the_first_word_of_the_meter_is_the_bound() -> None:
    house = House(load=1_500)
    assert house.guard.bound is None
    house.step()
    assert house.bound == CONTRACT - MARGIN - 1_500
    house.steps(30)
    assert house.bound == CONTRACT - MARGIN - 1_500
    assert house.charging == house.bound


def test_more_load_lowers_it_with_the_next_word_of_the_meter() -> None:
    house = House(load=1_000)
    house.steps(5)
    house.load = 3_000
    house.step()
    assert house.grid > CONTRACT
    house.step()
    assert house.grid <= CONTRACT - MARGIN


def test_less_load_raises_it_after_a_minute_and_only_then() -> None:
    house = House(load=3_000)
    house.steps(20)
    low = house.bound
    house.load = 500
    house.steps(5)
    assert house.bound == low
    house.steps(3)
    assert house.bound == CONTRACT - MARGIN - 500
    house.load = 3_000
    house.steps(2)
    house.load = 500
    house.steps(5)
    assert house.bound == low  # a kettle: the least of the last minute counts


def test_a_unit_that_ramps_is_not_taken_for_load() -> None:
    """The meter sees it before the unit tells it."""
    house = House(load=2_000)
    house.step()
    house.steps(8)
    before = house.bound
    house.charging = 0
    house.now += METER
    house.look(reading(house.load, house.now))
    house.now += METER
    house.guard.look(
        reading(house.load + before, house.now), {"u": reading(0, house.now - 9_000)}, house.now, busy=True
    )
    assert house.bound == before


def test_what_discharges_does_not_make_room() -> None:
    guard = ContractGuard(ContractRules(CONTRACT * WATT, MARGIN * WATT))
    guard.look(reading(0, 1_000), {"a": reading(-2_000, 900), "b": None}, 1_000, busy=True)
    assert guard.bound == (CONTRACT - MARGIN - 2_000) * WATT


def test_a_house_above_its_contract_leaves_nothing() -> None:
    house = House(load=7_000)
    house.steps(3)
    assert house.bound == 0


def test_a_meter_that_tells_nothing_leaves_the_fallback_and_says_so() -> None:
    house = House(load=1_000, guard=ContractGuard(ContractRules(CONTRACT * WATT, MARGIN * WATT, 1_000 * WATT)))
    house.steps(4)
    assert house.guard.trouble(house.now + 30_000) is None
    late = house.guard.due(house.now)
    assert late is not None
    house.now += 30_001
    house.look(reading(1_000, house.now - 1, Source.LAST_KNOWN))
    assert house.bound == 1_000
    assert "30 s: charging has 1000 W" in (house.guard.trouble(house.now) or "")
    house.step()
    assert house.guard.trouble(house.now) is None
    assert house.bound == 1_000  # raised as slowly as ever
    house.steps(CHARGE_MORE_EVERY // METER + 1)
    assert house.bound == CONTRACT - MARGIN - 1_000


def test_while_nobody_charges_the_last_word_stands() -> None:
    house = House(load=1_000, wish=0)
    house.step()
    bound = house.bound
    house.now += 600_000
    house.look(None)
    assert house.bound == bound
    assert house.guard.trouble(house.now) is None
    house.wish = 6_000
    house.look(None)
    assert house.bound == bound
    house.now += 30_001
    house.look(None)
    assert house.bound == 0


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 6_500), st.integers(1, 12), st.integers(0, 6_000)), min_size=1, max_size=12))
def test_whatever_the_load_does_too_much_import_lasts_for_one_reading_at_most(
    course: list[tuple[int, int, int]],
) -> None:
    """The house's own load is nobody's to lower: what is asked is that charging adds nothing above the contract."""
    house = House(load=1_000)
    house.step()
    for load, steps, wish in course:
        house.load, house.wish = load, wish
        house.step()  # the change is seen only now
        for _ in range(steps):
            house.step()
            assert house.grid <= max(CONTRACT, house.load)
