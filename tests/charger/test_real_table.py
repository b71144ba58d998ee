"""The shipped table of 0x027E with the real controller on the simulated network."""

from __future__ import annotations

import functools

import pytest

from bridge.clock import run_virtual
from bridge.evse import ChargingState, Connector, HappeningKind, Mode, Plug
from bridge.mapping.decision import Table
from bridge.sim.unit import SimUnitConfig
from tests.charger.site import Site, site
from tests.tools.tables import shipped

CLASS = 0x027E
MINUTE = 60


@functools.cache
def table() -> Table:
    return shipped().table(CLASS)


def want(s: Site, mode: Mode, **more: int | None) -> None:
    s.want(mode, authorized=True, in_transaction=True, **more)


@pytest.mark.covers("CEL-3.5", "CEL-3.7-3", "CEL-3.9", "AIF-3.2-2")
@pytest.mark.parametrize("release", ["N", "P", "Q", "R"])
def test_charge_limit_pause_and_stop(release: str) -> None:
    async def main() -> None:
        async with site(SimUnitConfig(release=release, plugged=True), table=table()) as s:
            evse = s.runner.unit
            assert evse.observed.connector is Connector.OCCUPIED
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(MINUTE)
            assert s.writes == ["DC=03", "EB=00000BB8", "DA=42"]
            assert evse.observed.confirmed
            assert evse.observed.charging_state is ChargingState.CHARGING
            want(s, Mode.CHARGE, target=2_000_000)
            await s.seconds(MINUTE)
            assert s.writes[3:] == ["EB=000007D0"]
            assert evse.observed.power is not None
            assert 1_900_000 <= evse.observed.power.value <= 2_000_000
            want(s, Mode.PAUSE)
            await s.seconds(30)
            assert s.writes[4:] == ["DA=44"]
            assert evse.observed.charging_state is ChargingState.SUSPENDED_EVSE
            want(s, Mode.CHARGE, target=2_000_000)
            await s.seconds(MINUTE)
            want(s, Mode.STOP)
            await s.seconds(30)
            assert s.writes[5:] == ["DA=42", "DA=47"]
            assert evse.observed.confirmed
            s.want(Mode.HANDS_OFF)
            s.unit.unplug()
            await s.seconds(5)
            assert evse.observed.connector is Connector.AVAILABLE
            assert not s.checker.violations, s.checker.violations
            kinds = set(s.happened)
            assert kinds == {HappeningKind.CONFIRMED}, kinds

    run_virtual(main())


@pytest.mark.covers("CEL-3.6")
def test_discharge_keeps_to_its_limit_and_to_the_floor() -> None:
    async def main() -> None:
        config = SimUnitConfig(release="P", plugged=True, soc_percent=46)
        async with site(config, table=table(), discharge_allowed=True, soc_floor=40_000) as s:
            evse = s.runner.unit
            want(s, Mode.DISCHARGE, target=-3_000_000)
            await s.seconds(2 * MINUTE)
            assert s.writes == ["DD=03", "EC=00000BB8", "DA=43"]
            assert evse.observed.confirmed
            assert evse.observed.power is not None
            assert evse.observed.power.value < -2_500_000
            await s.seconds(60 * MINUTE)
            assert s.writes[3:] == ["DA=44"]  # 6 % of 40 kWh are gone after 48 minutes
            assert s.unit.soc >= 39.5
            assert "floor" in (evse.observed.trouble or "")

    run_virtual(main())


def test_discharge_that_is_not_allowed_writes_nothing() -> None:
    async def main() -> None:
        async with site(SimUnitConfig(plugged=True), table=table()) as s:
            assert "not allowed" in (s.runner.unit.refusal(Mode.DISCHARGE) or "")
            want(s, Mode.DISCHARGE, target=-3_000_000)
            await s.seconds(5 * MINUTE)
            assert s.writes == []

    run_virtual(main())


def test_reversal_goes_through_the_settings() -> None:
    async def main() -> None:
        async with site(SimUnitConfig(plugged=True), table=table(), discharge_allowed=True) as s:
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(MINUTE)
            want(s, Mode.DISCHARGE, target=-2_000_000)
            await s.seconds(2 * MINUTE)
            assert s.writes[-1] == "DA=43"
            assert s.unit.power_w == -2_000
            assert s.runner.unit.observed.confirmed

    run_virtual(main())


@pytest.mark.covers("AIF-1-2")
def test_stop_at_the_wall_is_told_and_respected() -> None:
    async def main() -> None:
        async with site(SimUnitConfig(plugged=True), table=table()) as s:
            want(s, Mode.CHARGE)
            await s.seconds(MINUTE)
            s.unit.panel(0x44)
            await s.seconds(5 * MINUTE)
            assert s.happened.count(HappeningKind.LOCAL_STOP) == 1
            assert s.writes == ["DC=03", "DA=42"]
            assert s.runner.unit.observed.charging_state is ChargingState.SUSPENDED_EVSE

    run_virtual(main())


@pytest.mark.covers("CEL-3.8")
def test_full_vehicle_suspends_and_nothing_restarts_by_itself() -> None:
    async def main() -> None:
        async with site(SimUnitConfig(plugged=True, soc_percent=99.5), table=table()) as s:
            want(s, Mode.CHARGE)
            await s.seconds(60 * MINUTE)
            assert s.writes == ["DC=03", "DA=42"]
            assert s.runner.unit.observed.charging_state is ChargingState.SUSPENDED_EV

    run_virtual(main())


@pytest.mark.covers("CEL-3.2", "AIF-3.2.1-3")
def test_unit_that_has_to_be_asked_is_asked_and_then_tells() -> None:
    async def main() -> None:
        config = SimUnitConfig(equipment_type=0x22, plugged=False)
        async with site(config, table=table()) as s:
            s.want(Mode.HANDS_OFF)
            s.unit.plug()
            await s.seconds(5 * MINUTE)
            assert set(s.writes) == {"CD=10"}
            assert s.runner.unit.observed.plug is Plug.YES
            asked = len(s.writes)
            want(s, Mode.CHARGE)
            await s.seconds(MINUTE)
            assert s.writes[asked:] == ["DC=03", "EB=00001770", "DA=42"]  # a vehicle came: every setting is written
            assert s.runner.unit.observed.confirmed

    run_virtual(main())


@pytest.mark.covers("AIF-3.2.1-1")
def test_everything_is_noticed_without_any_notification() -> None:
    async def main() -> None:
        async with site(SimUnitConfig(plugged=False, inf_copies=0), table=table()) as s:
            s.want(Mode.HANDS_OFF)
            s.unit.plug()
            await s.seconds(61)
            assert s.runner.unit.observed.connector is Connector.OCCUPIED
            want(s, Mode.CHARGE)
            await s.seconds(MINUTE)
            assert s.runner.unit.observed.confirmed
            s.want(Mode.HANDS_OFF)
            s.unit.unplug()
            await s.seconds(61)
            assert s.runner.unit.observed.connector is Connector.AVAILABLE

    run_virtual(main())


@pytest.mark.covers("AIF-3.3.1-1")
def test_fault_is_told_and_cleared() -> None:
    async def main() -> None:
        async with site(SimUnitConfig(plugged=True), table=table()) as s:
            s.unit.fault()
            await s.seconds(5)
            assert s.runner.unit.observed.connector is Connector.FAULTED
            assert s.runner.unit.observed.fault is not None
            s.unit.clear_fault()
            await s.seconds(5)
            assert s.runner.unit.observed.connector is Connector.OCCUPIED
            assert s.runner.unit.observed.fault is None

    run_virtual(main())


@pytest.mark.parametrize("release", ["G", "J", "M"])
def test_older_releases_charge_and_stop(release: str) -> None:
    async def main() -> None:
        async with site(SimUnitConfig(release=release, plugged=True), table=table()) as s:
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(2 * MINUTE)
            assert s.writes[-1] == "DA=42"
            assert s.runner.unit.observed.confirmed
            want(s, Mode.STOP)
            await s.seconds(MINUTE)
            assert s.writes[-1] == "DA=47"
            assert s.runner.unit.observed.confirmed

    run_virtual(main())


def test_ampere_setting_that_the_unit_clamps_does_not_start() -> None:
    """A setting above the unit's own range is never written, so that nothing needs to be clamped."""

    async def main() -> None:
        async with site(SimUnitConfig(plugged=True, clamps=True), table=table()) as s:
            want(s, Mode.CHARGE, target=20_000_000)
            await s.seconds(2 * MINUTE)
            assert s.runner.unit.observed.confirmed
            assert s.unit.power_w <= 6_000

    run_virtual(main())
