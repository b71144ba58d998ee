"""The simulated vehicle's battery."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.sim.battery import WMS_PER_WH, Battery, VehicleConfig

HOUR = 3_600_000


def test_energy_flows_exactly() -> None:
    battery = Battery(VehicleConfig(capacity_wh=40_000), 50)
    battery.flow(3_000, HOUR)
    assert battery.energy_wh == 23_000
    battery.flow(-6_000, HOUR // 2)
    assert battery.energy_wh == 20_000


def test_it_tapers_near_the_cap_and_stops_there() -> None:
    battery = Battery(VehicleConfig(max_charge_w=6_000, taper_from_percent=80, taper_end_w=500), 80)
    assert battery.charge_limit_w() == 6_000
    battery.set_soc(90)
    assert battery.charge_limit_w() == 3_250
    battery.set_soc(100)
    assert battery.charge_limit_w() == 0


def test_full_holds_until_some_is_taken() -> None:
    battery = Battery(VehicleConfig(capacity_wh=40_000), 99.9)
    battery.flow(1_000, HOUR)
    assert battery.at_cap
    battery.flow(-400, HOUR)
    assert battery.at_cap
    battery.flow(-500, HOUR)
    assert not battery.at_cap


def test_empty_holds_until_some_is_given() -> None:
    battery = Battery(VehicleConfig(capacity_wh=40_000, discharge_floor_percent=20), 20.1)
    battery.flow(-1_000, HOUR)
    assert battery.at_floor
    assert battery.discharge_limit_w() == 0
    battery.flow(2_000, HOUR)
    assert not battery.at_floor


def test_the_capacities_fit_together() -> None:
    battery = Battery(VehicleConfig(capacity_wh=40_000, discharge_floor_percent=20, charge_cap_percent=90), 50)
    assert battery.dischargeable_wh == 32_000
    assert battery.remaining_dischargeable_wh == 12_000
    assert battery.chargeable_wh == 36_000
    assert battery.remaining_chargeable_wh == 16_000


@given(st.lists(st.tuples(st.integers(-10_000, 10_000), st.integers(0, HOUR)), max_size=20))
def test_it_never_holds_more_than_it_can_nor_less_than_nothing(flows: list[tuple[int, int]]) -> None:
    battery = Battery(VehicleConfig(), 50)
    for power, elapsed in flows:
        battery.flow(power, elapsed)
        assert 0 <= battery.soc_percent <= 100
        assert not (battery.at_cap and battery.at_floor)


def test_the_bend_is_where_a_limit_changes() -> None:
    battery = Battery(VehicleConfig(capacity_wh=40_000, taper_from_percent=80), 50)
    until = battery.ms_until_bend(6_000)
    assert until == 12_000 * WMS_PER_WH // 6_000
    battery.set_soc(85)
    assert battery.ms_until_bend(6_000) is None
