"""What a person has stopped at the unit, or the vehicle, nothing restarts by itself (decision table B, row 10)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.charger.memory import InMemory
from bridge.clock import run_virtual
from bridge.evse import ChargingState, Mode
from tests.charger.site import UNIT_AT, Site, site
from tests.charger.test_gridguard import Port
from tests.charger.test_real_table import MINUTE, table, want
from tests.charger.test_silence import CHARGING, DISCHARGING, FAST, STANDBY

STOPPED = 0x47


async def feed(s: Site, port: Port, seconds: int, *, told: bool = True) -> None:
    """The house draws 5 kW beside what the unit gives."""
    for _ in range(seconds // 5):
        if told:
            port.tell(5_000 + min(0, s.unit.power_w), s.clock.monotonic())
        await s.seconds(5)


def test_a_stop_at_the_unit_outlives_a_grid_meter_that_was_silent() -> None:
    async def main() -> None:
        port = Port()
        async with site(FAST, table=table(), discharge_allowed=True, grid=port) as s:
            want(s, Mode.DISCHARGE, target=-3_000_000)
            await feed(s, port, 240)
            assert s.unit.mode == DISCHARGING
            s.unit.foreign_write(0xDA, b"\x47")
            await feed(s, port, 240)
            await feed(s, port, 60, told=False)
            await feed(s, port, 240)
            assert s.unit.mode == STOPPED
            want(s, Mode.DISCHARGE, target=-2_000_000, occasion=1)  # wanted anew
            await feed(s, port, 60)
            assert s.unit.mode == DISCHARGING

    run_virtual(main())


@pytest.mark.parametrize("seconds", [25, 100])
@pytest.mark.parametrize("mode", [Mode.CHARGE, Mode.DISCHARGE])
def test_a_stop_at_the_unit_outlives_a_silence(mode: Mode, seconds: int) -> None:
    async def main() -> None:
        async with site(FAST, table=table(), discharge_allowed=True) as s:
            want(s, mode, target=3_000_000 if mode is Mode.CHARGE else -3_000_000)
            await s.seconds(2 * MINUTE)
            s.unit.foreign_write(0xDA, b"\x47")
            await s.seconds(5 * MINUTE)
            s.lan.cut(UNIT_AT)
            await s.seconds(seconds)
            s.lan.mend(UNIT_AT)
            await s.seconds(10 * MINUTE)
            assert s.unit.mode == STOPPED

    run_virtual(main())


def energies(s: Site) -> list[str]:
    return [write for write in s.writes if write in ("DA=42", "DA=43")]


async def stopped_by_hand(s: Site) -> None:
    want(s, Mode.CHARGE, target=3_000_000)
    await s.seconds(2 * MINUTE)
    assert s.unit.mode == CHARGING
    s.unit.foreign_write(0xDA, b"\x47")
    await s.seconds(MINUTE)
    s.sets.clear()


#: What a schedule, a share of the station's maximum or load balancing may want while somebody has ended the charge.
COURSES: dict[str, tuple[tuple[Mode, int | None], ...]] = {
    "another limit": ((Mode.CHARGE, 2_000_000), (Mode.CHARGE, 4_000_000)),
    "as much as may be": ((Mode.CHARGE, None),),
    "a pause between": ((Mode.PAUSE, None), (Mode.CHARGE, 3_000_000)),
    "less than the unit can, between": ((Mode.CHARGE, 1_000), (Mode.CHARGE, 3_000_000)),
}


@pytest.mark.parametrize("course", COURSES)
def test_an_edge_restarts_nothing(course: str) -> None:
    async def main() -> None:
        async with site(FAST, table=table()) as s:
            await stopped_by_hand(s)
            for mode, target in COURSES[course]:
                want(s, mode, target=target)
                await s.seconds(5 * MINUTE)
                assert energies(s) == []
            assert s.runner.unit.observed.charging_state is ChargingState.SUSPENDED_EVSE
            mode, target = COURSES[course][-1]
            want(s, mode, target=target, occasion=1)
            await s.seconds(2 * MINUTE)
            assert s.unit.mode == CHARGING
            assert energies(s) == ["DA=42"]

    run_virtual(main())


@pytest.mark.parametrize("course", COURSES)
@pytest.mark.parametrize("paused", [False, True])
def test_an_edge_restarts_nothing_after_a_fault(course: str, paused: bool) -> None:
    """Nor what was paused while the unit had it."""

    async def main() -> None:
        async with site(FAST, table=table()) as s:
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(2 * MINUTE)
            if paused:
                want(s, Mode.PAUSE)
                await s.seconds(MINUTE)
            s.unit.fault()
            await s.seconds(MINUTE)
            s.unit.clear_fault()
            await s.seconds(MINUTE)
            s.sets.clear()
            for mode, target in COURSES[course]:
                want(s, mode, target=target)
                await s.seconds(5 * MINUTE)
                assert energies(s) == []
            assert "it is not started again by itself" in (s.runner.unit.observed.trouble or "")
            mode, target = COURSES[course][-1]
            want(s, mode, target=target, occasion=1)
            await s.seconds(2 * MINUTE)
            assert s.unit.mode == CHARGING

    run_virtual(main())


def test_a_person_who_starts_again_what_he_ended_has_the_limit_of_now() -> None:
    async def main() -> None:
        async with site(FAST, table=table()) as s:
            await stopped_by_hand(s)
            want(s, Mode.CHARGE, target=2_000_000)
            await s.seconds(5 * MINUTE)
            s.unit.foreign_write(0xDA, b"\x42")
            await s.seconds(30)
            assert s.unit.mode == CHARGING
            assert s.unit.power_w <= 2_000
            want(s, Mode.CHARGE, target=1_500_000)  # nobody has ended this one
            await s.seconds(30)
            assert s.unit.power_w <= 1_500

    run_virtual(main())


def test_a_person_who_starts_while_the_limit_is_too_low_is_paused() -> None:
    async def main() -> None:
        async with site(FAST, table=table()) as s:
            await stopped_by_hand(s)
            want(s, Mode.CHARGE, target=1_000)
            await s.seconds(5 * MINUTE)
            s.unit.foreign_write(0xDA, b"\x42")
            await s.seconds(30)
            assert s.unit.mode != CHARGING
            assert s.unit.power_w == 0

    run_virtual(main())


def test_what_was_charged_to_the_end_is_charged_again_after_a_discharge() -> None:
    async def main() -> None:
        async with site(FAST, table=table(), discharge_allowed=True) as s:
            await stopped_by_hand(s)
            want(s, Mode.DISCHARGE, target=-3_000_000)
            await s.seconds(5 * MINUTE)
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(5 * MINUTE)
            assert energies(s) == ["DA=43", "DA=42"]

    run_virtual(main())


def test_the_next_transaction_is_no_matter_of_the_last_one() -> None:
    async def main() -> None:
        async with site(FAST, table=table()) as s:
            await stopped_by_hand(s)
            s.want(Mode.STOP)
            await s.seconds(MINUTE)
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(2 * MINUTE)
            assert s.unit.mode == CHARGING

    run_virtual(main())


@pytest.mark.parametrize("by", ["hand", "fault"])
@pytest.mark.parametrize(("first", "again"), [(Mode.CHARGE, False), (Mode.PAUSE, False), (Mode.HANDS_OFF, True)])
def test_a_restart_of_the_gateway_starts_nothing_again_within_a_transaction(by: str, first: Mode, again: bool) -> None:
    memory = InMemory()

    async def before() -> None:
        async with site(FAST, table=table(), memory=memory) as s:
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(2 * MINUTE)
            if by == "hand":
                s.unit.foreign_write(0xDA, b"\x47")
            else:
                s.unit.fault()
            await s.seconds(MINUTE)

    async def after() -> None:
        async with site(replace(FAST, mode=0x47), table=table(), memory=memory) as s:
            want(s, first, occasion=1) if first is not Mode.HANDS_OFF else s.want(first)
            await s.seconds(2 * MINUTE)
            assert energies(s) == []
            want(s, Mode.CHARGE, target=3_000_000, occasion=1)
            await s.seconds(2 * MINUTE)
            assert energies(s) == (["DA=42"] if again else [])
            want(s, Mode.CHARGE, target=3_000_000, occasion=2)
            await s.seconds(2 * MINUTE)
            assert s.unit.mode == CHARGING

    run_virtual(before())
    run_virtual(after())


def test_a_restart_of_the_gateway_goes_on_with_what_nobody_has_ended() -> None:
    memory = InMemory()

    async def main(before: int) -> None:
        async with site(replace(FAST, mode=before), table=table(), memory=memory) as s:
            want(s, Mode.CHARGE, target=3_000_000, occasion=1)
            await s.seconds(2 * MINUTE)
            assert s.unit.mode == CHARGING

    run_virtual(main(STANDBY))
    run_virtual(main(STANDBY))


def test_a_new_occasion_writes_nothing_where_nobody_has_ended_anything() -> None:
    async def main() -> None:
        async with site(FAST, table=table()) as s:
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(2 * MINUTE)
            s.sets.clear()
            goal = s.runner.unit.goal
            want(s, Mode.CHARGE, target=3_000_000, occasion=1)
            await s.seconds(2 * MINUTE)
            assert (s.writes, s.runner.unit.goal) == ([], goal)
            assert s.runner.unit.observed.confirmed

    run_virtual(main())


def test_a_unit_that_lost_its_mode_while_it_was_not_heard_is_started_again() -> None:
    """It has restarted; nobody has stopped it."""

    async def main() -> None:
        async with site(FAST, table=table()) as s:
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(2 * MINUTE)
            s.lan.cut(UNIT_AT)
            await s.seconds(MINUTE)
            s.unit.foreign_write(0xDA, b"\x44")
            await s.seconds(10)
            s.lan.mend(UNIT_AT)
            await s.seconds(5 * MINUTE)
            assert s.unit.mode == CHARGING

    run_virtual(main())
