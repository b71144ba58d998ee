"""The maths of load balancing (OCPP 2.1, Q09), against units that lag and a meter that does, and what is refused."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.evse import Reading, Source
from bridge.station.composite import Composite, Grid
from bridge.station.limits import InstalledProfile
from bridge.station.load_balancing import (
    DEAD_BAND,
    FOLLOWS_WITHIN,
    METER_SHOWS,
    STALE_AFTER,
    Balancer,
    Band,
    Part,
    spread,
)
from bridge.station.messages import (
    ChargingProfile,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingSchedule,
    ChargingSchedulePeriod,
    OperationMode,
)
from bridge.station.profiles import EvseRules, ProfileRules, check_profile
from bridge.station.v2x import balances, problem_of, words_of

KW = 1_000_000
BAND = Band(3 * KW, 500_000)


# The correction


@pytest.mark.parametrize(
    ("band", "load", "correction"),
    [
        (Band(3_000, 1_000), 4_000, -1_000),
        (Band(3_000, 1_000), 3_000, 0),
        (Band(3_000, 1_000), 2_000, 0),
        (Band(3_000, 1_000), 1_000, 0),
        (Band(3_000, 1_000), -500, 1_500),
        (Band(10_000, -5_000, 1_000, -1_000), 12_000, -1_000),
        (Band(10_000, -5_000, 1_000, -1_000), -9_000, 3_000),
        (Band(-1_000, -2_000), 0, -1_000),
        (Band(3_000, 1_000, -500), 4_000, -1_500),
    ],
)
def test_the_correction_is_the_standards(band: Band, load: int, correction: int) -> None:
    """2.1 Q09.FR.04, and the examples of its introduction."""
    assert band.correction(load) == correction


@given(
    st.integers(-9_000, 9_000),
    st.integers(1, 9_000),
    st.integers(-20_000, 20_000),
    st.integers(-20_000, 20_000),
    st.integers(-99_000, 99_000),
)
@example(1_000, 1_000, -5_000, 5_000, 4_000)
def test_no_offsets_make_it_swing(lower: int, width: int, upper_offset: int, lower_offset: int, load: int) -> None:
    """A load that is corrected once needs no other correction, unless an offset aims where a threshold is passed on the
    same side: then it stays on that side."""
    band = Band(lower + width, lower, upper_offset, lower_offset)
    first = band.correction(load)
    second = band.correction(load + first)
    assert second == 0


# Several


Bounds = tuple[int, int]


@st.composite
def evses(draw: st.DrawFn) -> tuple[dict[str, int], dict[str, int], dict[str, Bounds]]:
    names = "abc"[: draw(st.integers(1, 3))]
    bounds = {name: (draw(st.integers(-6_000, 0)), draw(st.integers(0, 6_000))) for name in names}
    setpoints = {name: draw(st.integers(*bounds[name])) for name in names}
    sign = draw(st.sampled_from((-1, 1)))
    wishes = {name: sign * draw(st.integers(0, 15_000)) for name in names}
    return wishes, setpoints, bounds


@given(evses())
def test_together_they_correct_what_is_wished_once_and_as_far_as_they_can(
    given_: tuple[dict[str, int], dict[str, int], dict[str, Bounds]],
) -> None:
    wishes, setpoints, bounds = given_
    found = spread(wishes, setpoints, bounds)
    moved = {name: found[name] - setpoints[name] for name in found}
    most = max(wishes.values(), key=abs)
    assert all(bounds[name][0] <= found[name] <= bounds[name][1] for name in found)
    assert all(moved[name] * most >= 0 for name in found)
    assert all(moved[name] == 0 for name, wish in wishes.items() if wish == 0)
    assert abs(sum(moved.values())) <= abs(most)
    keenest = [name for name in wishes if wishes[name] == most]
    room = {n: bounds[n][1] - setpoints[n] if most > 0 else setpoints[n] - bounds[n][0] for n in wishes}
    if sum(moved.values()) != most:  # then none of those that wish that much has anything left
        assert all(abs(moved[name]) == room[name] for name in keenest)


def test_they_share_equally_and_give_up_first_what_works_against_it() -> None:
    free = {"a": (-6_000, 6_000), "b": (-6_000, 6_000)}
    assert spread({"a": -3_000, "b": -3_000}, {"a": 0, "b": 0}, free) == {"a": -1_500, "b": -1_500}
    assert spread({"a": -3_000, "b": -3_000}, {"a": 0, "b": 0}, free | {"b": (-500, 0)}) == {"a": -2_500, "b": -500}
    assert spread({"a": 3_000, "b": 3_000}, {"a": -2_000, "b": 1_000}, free) == {"a": 500, "b": 1_500}
    assert spread({"a": -1_000, "b": -3_000}, {"a": 0, "b": 0}, free) == {"a": -500, "b": -2_500}
    assert spread({"a": -1_000, "b": 1_000}, {"a": 0, "b": 0}, free) == {"a": 0, "b": 0}
    assert spread({"a": -3_000, "b": -3_000}, {"a": 0, "b": 0}, free, {"b"}) == {"a": 0, "b": -3_000}
    assert spread({"a": -9_000, "b": -9_000}, {"a": 0, "b": 0}, free, {"b"}) == {"a": -3_000, "b": -6_000}
    assert spread({}, {"a": 9_000, "b": 0}, free) == {"a": 6_000, "b": 0}


# In time


@dataclass
class Unit:
    """Follows an order after a while, by a ramp, as far as it can; is measured every few seconds."""

    dead: int  # s
    ramp: int  # mW in a second
    least: int = 0  # below this nothing flows
    most: int = 6 * KW
    scale: float = 1.0  # what it makes of an order
    flow: int = 0
    ordered: int = 0
    orders: list[tuple[int, int]] = field(default_factory=list)
    seen: Reading | None = None

    def step(self, now: int) -> None:
        past = [order for at, order in self.orders if at <= now - self.dead * 1000]
        aim = past[-1] if past else 0
        aim = 0 if abs(aim) < self.least else round(max(-self.most, min(self.most, aim)) * self.scale)
        self.flow += max(-self.ramp, min(self.ramp, aim - self.flow))

    def order(self, setpoint: int, now: int) -> None:
        if setpoint != self.ordered:
            self.ordered = setpoint
            self.orders.append((now, setpoint))


@dataclass
class World:
    """A house, its meter, units behind it, and what is made of it, second by second."""

    units: dict[str, Unit]
    lag: int = 0  # s, of the meter
    band: Band = BAND
    house: int = KW
    now: int = 1_000
    balancer: Balancer = field(default_factory=Balancer)
    load: Reading | None = None
    shown: deque[int] = field(default_factory=deque)
    bounds: Bounds = (-6 * KW, 6 * KW)

    @property
    def grid(self) -> int:
        return self.house + sum(unit.flow for unit in self.units.values())

    @property
    def orders(self) -> int:
        return sum(len(unit.orders) for unit in self.units.values())

    def run(self, seconds: int, *, meter: bool = True) -> None:
        for _ in range(seconds):
            self.now += 1_000
            for unit in self.units.values():
                unit.step(self.now)
                if self.now % 5_000 == 0:
                    unit.seen = Reading(unit.flow, self.now)
            self.shown.append(self.grid)
            while len(self.shown) > self.lag + 1:
                self.shown.popleft()
            if meter and self.now % 10_000 == 0:
                self.load = Reading(self.shown[0], self.now)
            if self.now % 5_000 == 0:
                self.look()

    def look(self) -> None:
        parts = {n: Part(self.band, u.seen, u.ordered, lambda: self.bounds) for n, u in self.units.items()}
        self.balancer.hear(self.load, parts, self.now)
        low, high = self.bounds
        for name, unit in self.units.items():
            unit.order(max(low, min(high, self.balancer.setpoint(name))), self.now)


units = st.builds(
    Unit,
    dead=st.integers(0, 8),
    ramp=st.sampled_from((300_000, KW, 6 * KW)),
    least=st.sampled_from((0, 0, 500_000)),
    scale=st.sampled_from((1.0, 0.97, 1.02)),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(units, min_size=1, max_size=3),
    st.integers(0, METER_SHOWS // 1000),
    st.lists(st.integers(-9, 14), min_size=1, max_size=5),
    st.sampled_from((BAND, Band(2 * KW, -2 * KW, 500_000, -500_000), Band(KW, 0, -300_000, 300_000), Band(1, 0))),
)
def test_nothing_swings_whatever_the_units_and_the_meter_take_for_it(
    given_: list[Unit], lag: int, houses: list[int], band: Band
) -> None:
    """After each change of the house the load is brought where it belongs, as far as the units can, and then nothing is
    ordered any more."""
    world = World({str(number): unit for number, unit in enumerate(given_)}, lag, band)
    for kilowatts in houses:
        world.house = kilowatts * KW + 123_000
        begun = world.orders
        world.run(400)
        corrections = world.orders - begun
        assert corrections <= 6 * len(given_), corrections
        settled = world.orders
        world.run(200)
        assert world.orders == settled
        wrong = band.correction(world.grid)
        tolerated = sum(max(DEAD_BAND, unit.least) for unit in given_)
        at_end = all(unit.ordered in world.bounds for unit in given_)
        assert abs(wrong) <= tolerated or at_end, (wrong, [unit.ordered for unit in given_])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 8),
    st.integers(0, METER_SHOWS // 1000),
    st.lists(st.integers(-6_000, 9_000), min_size=20, max_size=60),
)
def test_a_restless_house_is_followed_and_never_made_worse(dead: int, lag: int, houses: list[int]) -> None:
    """A load that changes with every reading: what flows is never more than some reading has asked for."""
    world = World({"a": Unit(dead, 2 * KW)}, lag)
    asked = [0]
    for watts in houses:
        world.house = watts * 1_000
        asked.append(world.band.correction(world.house))
        world.run(10)
        assert min(asked) - DEAD_BAND <= world.units["a"].ordered <= max(asked) + DEAD_BAND


def test_it_begins_with_what_flows_and_a_reading_counts_once() -> None:
    balancer, load = Balancer(), Reading(5 * KW, 1_500)
    part = Part(BAND, Reading(2 * KW, 900), 0, lambda: (-6 * KW, 6 * KW))
    balancer.join({"a": part}, 1_000)
    assert balancer.setpoint("a") == 2 * KW
    part = Part(BAND, Reading(2 * KW, 900), 2 * KW, lambda: (-6 * KW, 6 * KW))
    balancer.hear(load, {"a": part}, 2_000)
    assert balancer.setpoint("a") == 0
    still = Part(BAND, Reading(0, 2_500), 0, lambda: (-6 * KW, 6 * KW))
    for now in range(3_000, 30_000, 1_000):
        balancer.hear(load, {"a": still}, now)
        assert balancer.setpoint("a") == 0
    balancer.hear(Reading(5 * KW, 30_000), {"a": still}, 30_000)
    assert balancer.setpoint("a") == -2 * KW


def test_a_reading_of_before_it_began_does_not_count() -> None:
    balancer = Balancer()
    part = Part(BAND, None, 0, lambda: (-6 * KW, 6 * KW))
    balancer.join({"a": part}, 1_000)
    balancer.hear(Reading(9 * KW, 900), {"a": part}, 1_100)
    assert balancer.setpoint("a") == 0
    balancer.hear(Reading(9 * KW, 1_200), {"a": part}, 1_200)
    assert balancer.setpoint("a") == -6 * KW


def test_a_unit_that_does_not_follow_is_waited_for_but_not_for_ever() -> None:
    """What it cannot do does not add up."""
    world = World({"a": Unit(0, KW, most=0)}, house=5 * KW)
    world.run(20)
    assert world.units["a"].orders[0][1] == -2 * KW
    first = world.units["a"].orders[0][0]
    world.house = 7 * KW
    world.run((FOLLOWS_WITHIN + 15_000) // 1000)
    second = world.units["a"].orders[1]
    assert second[0] - first >= FOLLOWS_WITHIN
    assert second[1] == -4 * KW  # from what flows, not from what was ordered
    world.house = 2 * KW
    world.run(60)
    assert world.units["a"].ordered == 0


def test_without_the_meter_nothing_flows_and_it_begins_anew_with_it() -> None:
    world = World({"a": Unit(1, 2 * KW)}, house=5 * KW)
    world.run(60)
    assert world.grid == 3 * KW
    assert world.balancer.trouble(world.now) is None
    world.run(STALE_AFTER // 1000 + 15, meter=False)
    assert world.units["a"].ordered == 0
    assert "grid meter" in str(world.balancer.trouble(world.now))
    assert world.balancer.due(world.now) is None
    world.run(60)
    assert world.balancer.trouble(world.now) is None
    assert world.grid == 3 * KW
    world.load = Reading(9 * KW, world.now, Source.LAST_KNOWN)
    world.look()
    assert world.units["a"].ordered == -2 * KW


def test_who_leaves_has_no_setpoint_and_without_anybody_the_meter_may_be_silent() -> None:
    world = World({"a": Unit(0, 6 * KW)}, house=5 * KW)
    world.run(30)
    assert world.balancer.setpoint("a") == -2 * KW
    assert world.balancer.due(world.now) is not None
    world.balancer.join({}, world.now)
    assert world.balancer.setpoint("a") == 0
    assert world.balancer.due(world.now) is None
    assert world.balancer.trouble(world.now + 10 * STALE_AFTER) is None


def test_without_thresholds_it_idles() -> None:
    world = World({"a": Unit(0, 6 * KW)}, house=5 * KW)
    world.run(30)
    world.band = None  # type: ignore[assignment]
    world.run(10)
    assert world.units["a"].ordered == 0


# In the composite schedule


def period(**said: object) -> ChargingSchedulePeriod:
    return ChargingSchedulePeriod(0, operation_mode=OperationMode.LOCAL_LOAD_BALANCING, **said)  # type: ignore[arg-type]


def custom(most: float, /, **said: object) -> ChargingSchedulePeriod:
    words = {"vendorId": "ocpp-echonet", "operationMode": "LocalLoadBalancing", **said}
    return ChargingSchedulePeriod(0, most, custom_data=words)


def profile(*periods: ChargingSchedulePeriod, purpose: str = "TxDefaultProfile") -> ChargingProfile:
    schedule = ChargingSchedule(1, ChargingRateUnit.W, periods)
    return ChargingProfile(
        1, 0, ChargingProfilePurpose(purpose), ChargingProfileKind.RELATIVE, charging_schedule=(schedule,)
    )


def bound(watts: float) -> InstalledProfile:
    made = profile(ChargingSchedulePeriod(0, watts), purpose="ChargingStationExternalConstraints")
    return InstalledProfile(1, made, since=0)


@pytest.mark.parametrize("grid", [Grid(), Grid(phases=2), Grid(phases=3, direct_current=False)])
@pytest.mark.parametrize(
    ("said", "others", "balance", "limit"),
    [
        (period(), (), -4_321_987, -4_321_987),
        (period(), (), 4_321_987, 4_321_987),
        (period(), (), 0, 0),
        (period(limit=3_000.0), (), 4 * KW, 3 * KW),
        (period(limit=3_000.0), (), -4 * KW, -4 * KW),
        (period(discharge_limit=-3_000.0), (), -4 * KW, -3 * KW),
        (period(discharge_limit=-3_000.0), (), 4 * KW, 4 * KW),
        (custom(3_000, dischargeLimit=-2_000), (), 4 * KW, 3 * KW),
        (custom(3_000, dischargeLimit=-2_000, limit=1_000), (), 4 * KW, KW),
        (custom(3_000, dischargeLimit=-2_000), (), -4 * KW, -2 * KW),
        (period(), (bound(1_500),), 4 * KW, 1_500_000),
        (period(), (bound(1_500),), -4 * KW, -4 * KW),
        (period(limit=3_000.0), (), None, 3 * KW),
        (period(), (bound(1_500),), None, 1_500_000),
        (period(), (), None, None),
    ],
)
def test_the_composite_schedule_has_the_setpoint_between_all_bounds(
    said: ChargingSchedulePeriod,
    others: tuple[InstalledProfile, ...],
    balance: int | None,
    limit: int | None,
    grid: Grid,
) -> None:
    """2.1 Q09.FR.05: and no bound of one direction becomes an order of the other."""
    items = (InstalledProfile(1, profile(said)), *others)
    composite = Composite(items, 1, grid, now=0, balance=balance)
    assert composite.limit_at(5) == limit
    assert composite.pieces(5, 6)[0].limit == limit


def test_where_the_site_has_withdrawn_its_leave_nothing_is_discharged() -> None:
    items = (InstalledProfile(1, profile(period())),)
    for balance, limit in ((-KW, 0), (KW, KW)):
        composite = Composite(items, 1, Grid(), now=0, balance=balance, may_discharge=False)
        assert composite.limit_at(5) == limit


def test_nobody_who_says_no_setpoint_gets_any_energy() -> None:
    assert Composite((InstalledProfile(1, profile(period(limit=3_000.0))),), 1, Grid(), now=0).limit_at(5) == 0


# Words, and what is refused


@pytest.mark.parametrize("said", [period(), period(limit=1.0, discharge_limit=-1.0), custom(5, dischargeLimit=-5)])
def test_it_may_have_bounds_and_no_setpoint(said: ChargingSchedulePeriod) -> None:
    words = words_of(said)
    assert words is not None
    assert (words.balances, words.steers, words.discharges, balances(said)) == (True, True, False, True)


@pytest.mark.parametrize(
    "said",
    [
        period(setpoint=1.0),
        custom(5, setpoint=-5),
        period(limit=-1.0),
        custom(-5),
        period(discharge_limit=1.0),
        custom(5, dischargeLimit=5),
    ],
)
def test_a_setpoint_and_bounds_of_the_wrong_sign_are_refused(said: ChargingSchedulePeriod) -> None:
    assert problem_of(said)


HAD = EvseRules(custom_data=True, ocpp_21=True, balancing=True)


@pytest.mark.parametrize("said", [period(), custom(5)])
@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({1: HAD}, None),
        ({1: EvseRules(custom_data=True, ocpp_21=True)}, "UnsupportedParam"),
        ({1: EvseRules()}, "UnsupportedParam"),
        ({1: EvseRules(balancing=True)}, "InvalidSchedule or InvalidOperationMode"),
        ({1: EvseRules(custom_data=True, ocpp_21=True, balancing=True, no_thresholds="x")}, "MissingDevModelInfo"),
    ],
)
def test_it_is_refused_with_the_standards_reasons(
    said: ChargingSchedulePeriod, rules: dict[int, EvseRules], reason: str | None
) -> None:
    """2.1 Q09.FR.01, Q09.FR.02."""
    verdict = check_profile(1, profile(said), (), ProfileRules(rules))
    assert verdict.accepted is (reason is None)
    assert reason is None or (verdict.reason is not None and verdict.reason.value in reason)


def test_on_evse_0_all_of_them_must_have_it() -> None:
    other = EvseRules(custom_data=True, ocpp_21=True)
    assert not check_profile(0, profile(period()), (), ProfileRules({1: HAD, 2: other})).accepted
    assert check_profile(0, profile(period()), (), ProfileRules({1: HAD, 2: HAD})).accepted


def test_it_is_no_bound_of_the_station() -> None:
    made = profile(period(limit=5.0), purpose="ChargingStationMaxProfile")
    verdict = check_profile(0, made, (), ProfileRules({1: HAD}))
    assert verdict.reason is not None
    assert not verdict.accepted
