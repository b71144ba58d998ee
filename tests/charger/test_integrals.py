"""Energy by integration: it only grows, and nothing is invented for time of which nothing is known."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bridge.charger.integrals import FLICKER, POWER_LASTS, SOC_LASTS, PowerIntegral, SocIntegral
from bridge.charger.memory import REGISTERS, InMemory
from bridge.charger.registers import KEPT_EVERY, Meter
from bridge.clock import run_virtual
from bridge.evse import Mode, Reading, Source
from bridge.mapping.decision import Measures
from tests.charger.fakes import CAPACITY, ENERGY, POWER, SOC, bench

HOUR = 3_600_000
KW = 1_000_000


def power(value: int, at: int, origin: str = "D3", source: Source = Source.READ) -> Reading:
    return Reading(value, at, source, origin)


def told(integral: PowerIntegral | SocIntegral) -> tuple[int, int]:
    measures = integral.measures
    assert measures is not None
    assert measures.energy_in is not None
    assert measures.energy_out is not None
    return measures.energy_in.value, measures.energy_out.value


# Power


def test_power_is_integrated_by_the_mean_of_two_readings_each_direction_apart() -> None:
    integral = PowerIntegral()
    for at, value in ((0, 0), (36_000, 2 * KW), (72_000, 2 * KW), (108_000, -KW)):
        integral.read(power(value, at))
    assert told(integral) == (10_000 + 20_000 + 10_000, 5_000)


def test_same_reading_counts_once() -> None:
    integral = PowerIntegral()
    for _ in range(3):
        integral.read(power(KW, 0))
        integral.read(power(KW, 36_000))
    assert told(integral)[0] == 10_000


def test_gap_a_loss_and_another_source_are_not_counted() -> None:
    integral = PowerIntegral()
    integral.read(power(KW, 0))
    integral.read(power(KW, POWER_LASTS + 1))
    assert told(integral)[0] == 0
    integral.read(power(KW, POWER_LASTS + 100, source=Source.LAST_KNOWN))
    assert integral.measures is None
    integral.read(power(KW, POWER_LASTS + 200))
    integral.read(None)
    integral.read(power(KW, POWER_LASTS + 300))
    integral.read(power(KW, POWER_LASTS + 400, origin="meter"))
    assert told(integral)[0] == 0
    integral.read(power(KW, POWER_LASTS + 36_400, origin="meter"))
    assert told(integral)[0] == 10_000


@given(st.lists(st.tuples(st.integers(0, 300_000), st.integers(-6 * KW, 6 * KW)), max_size=30))
def test_power_integral_never_goes_back_nor_beyond_the_highest_power(steps: list[tuple[int, int]]) -> None:
    integral, at = PowerIntegral(), 0
    seen = [(0, 0)]
    for pause, value in steps:
        at += pause
        integral.read(power(value, at))
        if integral.measures is not None:
            seen.append(told(integral))
    assert all(a[0] <= b[0] and a[1] <= b[1] for a, b in pairwise(seen))
    assert sum(seen[-1]) <= 6 * KW * at // HOUR + 1


# State of charge


def soc(percent: float, at: int) -> Reading:
    return Reading(int(percent * 1000), at, Source.READ, "E4")


BATTERY = Reading(40_000_000, 0)  # 40 kWh


def test_charge_level_times_capacity() -> None:
    integral = SocIntegral()
    for index, percent in enumerate((50, 51, 52, 52, 49)):
        integral.read(soc(percent, index * 60_000), BATTERY)
    assert told(integral) == (800_000, 1_200_000)


def test_flickering_charge_level_counts_no_energy() -> None:
    integral = SocIntegral()
    integral.read(soc(50, 0), BATTERY)
    for index in range(1, 200):
        integral.read(soc(51 - index % 2, index * 1000), BATTERY)
    assert told(integral) == (400_000, 0)
    assert FLICKER == 1_000


def test_another_vehicle_a_gap_and_an_unknown_capacity_count_nothing() -> None:
    integral = SocIntegral()
    integral.read(soc(20, 0), BATTERY)
    integral.another_vehicle()
    integral.read(soc(80, 1_000), BATTERY)
    assert told(integral) == (0, 0)
    integral.read(soc(90, 1_000 + SOC_LASTS + 1), BATTERY)
    assert told(integral) == (0, 0)
    integral.read(soc(92, SOC_LASTS + 2_000), None)
    assert integral.measures is None
    integral.read(soc(95, SOC_LASTS + 3_000), BATTERY)
    assert told(integral) == (0, 0)


# Registers over restarts


def show(meter: Meter, value: int, origin: str = "D8", now: int = 0) -> int:
    shown = meter.show(Measures(energy_in=Reading(value, now, Source.READ, origin)), reachable=True)
    meter.keep(now)
    assert shown.energy_in is not None
    return shown.energy_in.value


def test_register_of_the_unit_goes_on_over_a_restart_with_what_it_counted_meanwhile() -> None:
    memory = InMemory()
    meter = Meter(memory)
    assert show(meter, 5_000) == 5_000
    assert show(meter, 20, now=1) == 5_020  # the unit's register went back: that is kept at once
    again = Meter(memory)
    assert show(again, 500) == 5_500


@given(st.lists(st.tuples(st.integers(0, 10**9), st.sampled_from(("D8", "power x time")), st.booleans()), max_size=40))
def test_energy_never_goes_back_whatever_restarts_between(steps: list[tuple[int, str, bool]]) -> None:
    memory = InMemory()
    meter, shown = Meter(memory), []
    for now, (value, origin, restart) in enumerate(steps):
        if restart:
            meter = Meter(memory)
        shown.append(show(meter, value, origin, now * KEPT_EVERY))
    assert shown == sorted(shown)


def test_another_unit_after_a_restart_begins_where_the_last_one_ended() -> None:
    memory = InMemory()
    meter = Meter(memory)
    assert not meter.identified(b"\x01")
    show(meter, 700)
    again = Meter(memory)
    assert again.identified(b"\x02")
    assert show(again, 90_000) == 700
    assert show(again, 90_010) == 710


def test_register_that_only_grows_is_kept_rarely_and_an_integral_always() -> None:
    memory = InMemory()
    meter = Meter(memory)
    show(meter, 1, now=0)
    first = memory.values[REGISTERS]
    show(meter, 2, now=KEPT_EVERY - 1)
    assert memory.values[REGISTERS] == first
    show(meter, 3, now=KEPT_EVERY)
    assert memory.values[REGISTERS] != first
    kept = memory.values[REGISTERS]
    show(meter, 0, "power x time", now=KEPT_EVERY + 1)
    show(meter, 5, "power x time", now=KEPT_EVERY + 2)
    assert memory.values[REGISTERS] != kept
    assert show(Meter(memory), 0, "power x time") == 8


# In the loop


def test_unit_without_registers_is_counted_by_its_power() -> None:
    async def main() -> None:
        async with bench(unit={"sna": {ENERGY}}) as b:
            b.want(Mode.CHARGE)
            await b.seconds(720)
            counted = b.evse.observed.energy_in
            assert counted.origin == "power x time"
            assert 570_000 <= counted.value <= 600_000  # 3 kW for 12 minutes
            b.unit.dead = True
            await b.seconds(3_600)
            assert b.evse.observed.energy_in.source is Source.LAST_KNOWN
            b.unit.dead = False
            b.unit.tell(0xC7)
            await b.seconds(30)
            later = b.evse.observed.energy_in
            assert counted.value <= later.value <= counted.value + 100_000  # nothing for the hour that nobody saw

    run_virtual(main())


def test_unit_without_power_is_counted_by_its_battery() -> None:
    async def main() -> None:
        values = {SOC: b"\x32", CAPACITY: (40_000).to_bytes(4, "big")}
        async with bench(unit={"sna": {ENERGY, POWER}, "values": values}) as b:
            b.want(Mode.CHARGE)
            await b.seconds(100)
            b.unit.change(SOC, b"\x35", tell=False)
            await b.seconds(100)
            counted = b.evse.observed.energy_in
            assert counted.origin == "state of charge x capacity"
            assert counted.value == 1_200_000

    run_virtual(main())
