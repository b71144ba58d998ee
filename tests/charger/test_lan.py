"""A runner with the real controller and simulated units on the simulated network, watched by the AIF checker."""

from __future__ import annotations

import pytest

from bridge.clock import run_virtual
from bridge.evse import ChargingState, Connector, HappeningKind, Mode
from bridge.sim.lan import LanFaults
from bridge.sim.node import NodeConfig
from bridge.sim.unit import SimUnitConfig
from tests.charger.fakes import MODE
from tests.charger.site import site


@pytest.mark.covers("CEL-3.5", "CEL-3.7-3", "CEL-3.9", "AIF-3.2-2")
def test_session_from_plug_to_unplug_keeps_to_the_aif() -> None:
    async def main() -> None:
        async with site(SimUnitConfig(plugged=False)) as s:
            evse = s.runner.unit
            assert evse.observed.connector is Connector.AVAILABLE
            s.unit.plug()
            await s.seconds(2)
            assert evse.observed.connector is Connector.OCCUPIED
            s.want(Mode.CHARGE, charge_bound=3_000_000)
            await s.seconds(60)
            assert evse.observed.confirmed
            assert evse.observed.charging_state is ChargingState.CHARGING
            assert evse.observed.power is not None
            assert 2_800_000 <= evse.observed.power.value <= 3_000_000
            s.want(Mode.STOP)
            await s.seconds(20)
            assert evse.observed.confirmed
            s.unit.unplug()
            await s.seconds(5)
            assert evse.observed.connector is Connector.AVAILABLE
            assert s.writes == ["DC=03", "EB=00000BB8", "DA=42", "DA=47"]
            assert not s.checker.violations, s.checker.violations

    run_virtual(main())


def test_stop_overtakes_an_outstanding_poll_of_a_unit_that_is_slow() -> None:
    async def main() -> None:
        async with site() as s:
            s.want(Mode.CHARGE)
            await s.seconds(30)
            s.node.config.answer_delay_ms = 15_000
            await s.seconds(4)  # a poll is outstanding
            asked = s.clock.monotonic()
            s.want(Mode.STOP)
            await s.seconds(2.1)
            assert s.writes[-1] == "DA=47"
            assert s.sets[-1][0] - asked <= 2_000

    run_virtual(main())


@pytest.mark.covers("AIF-1-2")
def test_person_at_the_unit_is_noticed() -> None:
    async def main() -> None:
        async with site() as s:
            s.want(Mode.CHARGE)
            await s.seconds(30)
            s.unit.panel(0x44)
            await s.seconds(60)
            assert s.happened == [HappeningKind.CONFIRMED, HappeningKind.LOCAL_STOP]
            assert s.writes == ["DA=42"]

    run_virtual(main())


@pytest.mark.parametrize("seed", range(8))
def test_bad_network_delays_but_never_changes_the_outcome(seed: int) -> None:
    async def main() -> None:
        faults = LanFaults(latency_ms=30, jitter_ms=200, loss=0.05, duplicate=0.1, reorder=0.1)
        async with site(SimUnitConfig(plugged=True), faults, seed) as s:
            await s.seconds(600)
            s.want(Mode.CHARGE, charge_bound=2_000_000)
            await s.seconds(1800)
            assert s.unit.core.mode == 0x42
            assert s.unit.core.power_w == 2_000
            assert s.runner.unit.observed.confirmed
            s.want(Mode.STOP)
            await s.seconds(900)
            assert s.unit.core.mode == 0x47
            assert s.runner.unit.observed.confirmed
            assert not [each for each in s.checker.violations if each.clause != "AIF-2.4.1-1"], s.checker.violations

    run_virtual(main())


def test_unit_that_loses_its_power_comes_back_at_another_address() -> None:
    async def main() -> None:
        async with site() as s:
            s.want(Mode.CHARGE)
            await s.seconds(30)
            s.node.mute()
            await s.seconds(60)
            assert not s.runner.unit.observed.reachable
            s.unit.panel(0x44)  # what a cold start leaves it in
            s.node.attach(s.lan.join("192.168.1.99"))
            await s.node.start()
            await s.seconds(60)
            assert s.runner.unit.observed.reachable
            assert s.unit.core.mode == 0x42
            assert s.runner.unit.observed.confirmed

    run_virtual(main())


def test_unit_that_answers_fewer_properties_than_asked_is_read_all_the_same() -> None:
    async def main() -> None:
        async with site(node=NodeConfig(answer_at_most=1)) as s:
            assert s.runner.unit.observed.reachable
            assert s.runner.unit.view().facts[MODE].edt == b"\x47"

    run_virtual(main())
