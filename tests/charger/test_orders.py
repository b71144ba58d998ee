"""What is left of a wish: faults, contests, blackouts, failed stops, and hands off."""

from __future__ import annotations

import pytest

from bridge.charger.lowering import lowest_settings
from bridge.charger.orders import FaultLatch, Hindrances, order
from bridge.clock import run_virtual
from bridge.evse import Amount, HappeningKind, Mode, Urgency, Wanted
from bridge.mapping.decision import Step
from bridge.policies import Control
from bridge.sim.unit import SimUnitConfig
from tests.charger.fakes import (
    BOTH,
    CHARGE,
    DISCHARGE,
    FAULT,
    FREE,
    LIMIT,
    METHOD,
    MODE,
    STANDBY,
    STOPPED,
    UNDEFINED,
    FakeTable,
    bench,
    limit,
)
from tests.charger.site import UNIT_AT, site
from tests.charger.test_real_table import table, want

FAULTY, SOUND = b"\x41", b"\x42"
ALL = Hindrances("a fault", True, True, "no grid", 0)


# The order alone


@pytest.mark.parametrize("mode", [Mode.STOP, Mode.PAUSE, Mode.HANDS_OFF])
def test_what_is_no_energy_stays_as_it_is(mode: Mode) -> None:
    assert order(Wanted(mode), ALL).wanted == Wanted(mode)


@pytest.mark.parametrize(
    ("mode", "against", "becomes"),
    [
        (Mode.CHARGE, Hindrances(), Mode.CHARGE),
        (Mode.CHARGE, Hindrances(latched="a fault"), Mode.PAUSE),
        (Mode.CHARGE, Hindrances(amount_reached=True), Mode.STOP),
        (Mode.CHARGE, Hindrances(contested=True, grid="no grid", grid_bound=0), Mode.CHARGE),
        (Mode.DISCHARGE, Hindrances(contested=True), Mode.PAUSE),
        (Mode.DISCHARGE, Hindrances(grid="no grid"), Mode.PAUSE),
        (Mode.AUTO, Hindrances(contested=True), Mode.PAUSE),
        (Mode.CHARGE, Hindrances(silence="not heard"), Mode.CHARGE),
        (Mode.DISCHARGE, Hindrances(silence="not heard", contested=True), Mode.PAUSE),
        (Mode.AUTO, Hindrances(silence="not heard"), Mode.PAUSE),
        (Mode.DISCHARGE, Hindrances(latched="a fault", amount_reached=True), Mode.PAUSE),
    ],
)
def test_first_hindrance_decides(mode: Mode, against: Hindrances, becomes: Mode) -> None:
    wish = Wanted(mode, target=-1_000 if mode is Mode.DISCHARGE else None, amount=Amount("k", 5))
    made = order(wish, against)
    assert made.wanted.mode is becomes
    assert made.wanted.amount == wish.amount
    assert made.wanted.target is (None if becomes in (Mode.PAUSE, Mode.STOP) else wish.target)
    assert (made.trouble is None) is (becomes is not Mode.PAUSE)
    assert (made.wanted.urgency is Urgency.SAFETY) is (made.trouble == "not heard")


@pytest.mark.parametrize(("own", "grid", "bound"), [(None, 700, 700), (500, 700, 500), (900, 700, 700)])
def test_bounds_are_never_raised(own: int | None, grid: int, bound: int) -> None:
    made = order(Wanted(Mode.DISCHARGE, discharge_bound=own), Hindrances(grid_bound=grid))
    assert made.wanted.discharge_bound == bound
    assert made.trouble is None


@pytest.mark.parametrize("mode", [Mode.STOP, Mode.HANDS_OFF])
def test_latch_holds_after_the_fault_and_a_pause_and_lets_go_when_energy_is_given_up(mode: Mode) -> None:
    latch = FaultLatch()
    latch.look(Wanted(Mode.CHARGE), fault=True, now=0)
    latch.look(Wanted(Mode.CHARGE, target=5), fault=False, now=10**9)
    latch.look(Wanted(Mode.PAUSE), fault=False, now=10**9)
    latch.look(Wanted(Mode.CHARGE), fault=False, now=10**9)
    assert latch.trouble
    latch.look(Wanted(mode), fault=False, now=10**9)
    latch.look(Wanted(Mode.CHARGE), fault=False, now=10**9)
    assert latch.trouble is None


def test_latch_lets_go_after_the_delay_of_the_site_unless_the_fault_comes_back() -> None:
    latch = FaultLatch(60_000)
    latch.look(Wanted(Mode.CHARGE), fault=True, now=0)
    latch.look(Wanted(Mode.CHARGE), fault=False, now=1_000)
    latch.look(Wanted(Mode.CHARGE), fault=True, now=2_000)
    latch.look(Wanted(Mode.CHARGE), fault=False, now=3_000)
    assert latch.due == 63_000
    latch.look(Wanted(Mode.CHARGE), fault=False, now=62_999)
    assert latch.trouble
    latch.look(Wanted(Mode.CHARGE), fault=False, now=63_000)
    assert latch.trouble is None


# Faults


def test_fault_pauses_and_nothing_restarts_until_energy_is_wanted_anew() -> None:
    async def main() -> None:
        async with bench() as b:
            b.want(Mode.CHARGE)
            await b.seconds(30)
            b.unit.change(FAULT, FAULTY)
            await b.seconds(10)
            assert b.unit.writes == ["DA=42", "DA=44"]
            assert "fault" in b.evse.observed.trouble
            assert not b.evse.observed.confirmed
            b.unit.change(FAULT, SOUND)
            await b.seconds(3_600)
            b.want(Mode.CHARGE, charge_bound=2_000_000)  # the schedule's next period is no new start
            await b.seconds(600)
            assert b.unit.writes == ["DA=42", "DA=44"]
            assert b.kinds == [HappeningKind.CONFIRMED]
            b.want(Mode.PAUSE)  # nor is the one after a pause
            await b.seconds(10)
            b.want(Mode.CHARGE)
            await b.seconds(600)
            assert b.unit.writes == ["DA=42", "DA=44"]
            b.want(Mode.CHARGE, occasion=1)
            await b.seconds(30)
            assert b.unit.writes[2:] == ["DA=42"]
            assert b.evse.observed.trouble is None

    run_virtual(main())


def test_unit_restarts_after_a_fault_where_the_site_says_so() -> None:
    async def main() -> None:
        async with bench(restart_after_fault=300_000) as b:
            b.want(Mode.CHARGE)
            await b.seconds(30)
            b.unit.change(FAULT, FAULTY)
            await b.seconds(10)
            b.unit.change(FAULT, SOUND)
            await b.seconds(290)
            assert b.unit.values[MODE] == STANDBY
            await b.seconds(30)
            assert b.unit.values[MODE] == CHARGE
            assert b.evse.observed.confirmed

    run_virtual(main())


@pytest.mark.covers("AIF-1-2")
def test_person_at_the_unit_may_restart_after_a_fault() -> None:
    async def main() -> None:
        async with bench() as b:
            b.want(Mode.CHARGE)
            await b.seconds(30)
            b.unit.change(FAULT, FAULTY)
            await b.seconds(30)
            b.unit.change(FAULT, SOUND)
            await b.seconds(30)
            mark = len(b.unit.writes)
            b.unit.change(MODE, CHARGE)
            await b.seconds(60)
            assert b.unit.writes[mark:] == []
            assert b.unit.values[MODE] == CHARGE
            assert b.evse.observed.confirmed

    run_virtual(main())


# Contests


@pytest.mark.covers("AIF-1-2")
def test_discharge_of_a_contested_unit_is_paused() -> None:
    async def main() -> None:
        async with bench(discharge_allowed=True) as b:
            b.want(Mode.DISCHARGE)
            await b.seconds(60)
            for _ in range(3):
                b.unit.change(MODE, CHARGE)
                await b.seconds(100)
            assert HappeningKind.CONTESTED in b.kinds
            assert b.unit.values[MODE] == STANDBY
            assert "contests" in b.evse.observed.trouble
            await b.seconds(1_900)
            assert b.unit.values[MODE] == DISCHARGE

    run_virtual(main())


def test_setting_that_somebody_raises_is_lowered_at_once_even_on_a_contested_unit() -> None:
    async def main() -> None:
        async with bench() as b:
            b.want(Mode.CHARGE, charge_bound=3_000_000)
            await b.seconds(30)
            for mode in (DISCHARGE, CHARGE, DISCHARGE, CHARGE, DISCHARGE, CHARGE):
                b.unit.change(MODE, mode)
                await b.seconds(20)
            assert HappeningKind.CONTESTED in b.kinds
            mark = len(b.unit.writes)
            b.unit.change(LIMIT, limit(6_000_000))
            await b.seconds(1)
            assert b.unit.writes[mark:] == ["EB=00000BB8"]
            assert HappeningKind.FOREIGN_LIMIT not in b.kinds

    run_virtual(main())


def test_raised_setting_does_not_wait_as_an_answer_to_a_changed_mode_does() -> None:
    async def main() -> None:
        async with bench() as b:
            b.want(Mode.CHARGE, charge_bound=3_000_000)
            await b.seconds(30)
            b.unit.change(MODE, DISCHARGE)
            await b.seconds(20)
            mark = len(b.unit.writes)
            b.unit.change(MODE, DISCHARGE)  # the second time the answer is given 4 s
            await b.seconds(0.5)
            b.unit.change(LIMIT, limit(6_000_000))
            b.unit.change(MODE, CHARGE)
            await b.seconds(1)
            assert b.unit.writes[mark:] == ["EB=00000BB8"]
            b.unit.change(MODE, DISCHARGE)
            await b.seconds(1)
            assert b.unit.writes[mark:] == ["EB=00000BB8"]

    run_virtual(main())


# Plugging in


@pytest.mark.covers("CEL-3.7-3")
def test_every_setting_is_written_anew_for_every_vehicle_even_if_it_reads_the_same() -> None:
    async def main() -> None:
        async with bench(unit={"values": {METHOD: b"\x03", LIMIT: limit(3_000_000)}}) as b:
            b.want(Mode.CHARGE, charge_bound=3_000_000)
            await b.seconds(30)
            assert b.unit.writes == ["DA=42"]  # the vehicle was there before us, and what it has is what is wanted
            b.unit.change(MODE, STOPPED)
            b.unit.change(0xC7, FREE)
            await b.seconds(5)
            b.unit.change(0xC7, BOTH)
            await b.seconds(20)
            assert b.unit.writes[1:] == ["DC=03", "EB=00000BB8", "DA=42"]
            assert b.evse.observed.confirmed

    run_virtual(main())


# Stops that fail


def test_refused_stop_lowers_the_settings_while_power_flows() -> None:
    async def main() -> None:
        async with bench() as b:
            b.want(Mode.CHARGE, charge_bound=3_000_000)
            await b.seconds(30)
            b.unit.refusing |= {STOPPED, STANDBY}
            mark = len(b.unit.writes)
            b.want(Mode.STOP)
            await b.seconds(1)
            assert b.unit.writes[mark:] == ["DA=47", "DA=44", "EB=000001F4"]  # 500 W is the least it can do
            assert b.unit.values[LIMIT] == limit(500_000)
            assert b.kinds[-1] is HappeningKind.CANNOT
            b.unit.refusing.clear()
            await b.seconds(60)
            assert b.evse.observed.confirmed
            assert b.unit.values[MODE] == STOPPED

    run_virtual(main())


def test_stop_that_is_taken_while_power_goes_on_lowers_the_settings_and_is_tried_on() -> None:
    async def main() -> None:
        async with bench(FakeTable(stops_when_still=True)) as b:
            b.want(Mode.CHARGE, charge_bound=3_000_000)
            await b.seconds(30)
            b.unit.follows = False
            mark = len(b.unit.writes)
            b.want(Mode.PAUSE)
            await b.seconds(31)
            assert b.unit.writes[mark:] == ["DA=44", "EB=000001F4"]
            await b.seconds(600)
            assert {"DA=44", "DA=47"} <= set(b.unit.writes[mark + 2 :])
            assert HappeningKind.CANNOT in b.kinds
            assert not b.evse.observed.confirmed
            b.unit.values[0xD3] = bytes(4)
            await b.seconds(310)
            assert b.evse.observed.confirmed

    run_virtual(main())


def test_least_setting_of_the_shipped_table_is_the_least_of_the_units_range() -> None:
    async def main() -> None:
        config = SimUnitConfig(release="P", plugged=True, charge_range_w=(1_200, 6_000))
        async with site(config, table=table()) as s:
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(60)
            s.want(Mode.STOP)
            view = s.runner.unit.view()
            assert [step.text.split(" (")[1] for step in lowest_settings(table(), view)] == ["DC=03)", "EB=000004B0)"]
            await s.seconds(60)
            assert lowest_settings(table(), s.runner.unit.view()) == ()  # no power, nothing to lower

    run_virtual(main())


def test_lowering_that_is_refused_too_delays_no_stop() -> None:
    async def main() -> None:
        async with bench() as b:
            b.want(Mode.CHARGE, charge_bound=3_000_000)
            await b.seconds(30)
            b.unit.refusing |= {STOPPED, STANDBY, limit(500_000)}
            b.want(Mode.STOP)
            await b.seconds(600)
            stops = [sent for sent in b.unit.log if sent.kind == "set" and sent.edt == STOPPED]
            assert len(stops) >= 4
            b.unit.refusing.clear()
            await b.seconds(310)
            assert b.evse.observed.confirmed

    run_virtual(main())


# Blackout


def test_house_that_the_unit_feeds_is_left_alone_but_for_a_stop_for_safety() -> None:
    async def main() -> None:
        async with site(SimUnitConfig(release="P", plugged=True), table=table(), discharge_allowed=True) as s:
            want(s, Mode.DISCHARGE, target=-2_000_000)
            await s.seconds(60)
            assert s.writes[-1] == "DA=43"
            s.unit.core.interconnection = 0x01
            await s.seconds(70)
            mark = len(s.writes)
            want(s, Mode.DISCHARGE, target=-1_000_000)
            await s.seconds(60)
            want(s, Mode.PAUSE)
            await s.seconds(60)
            want(s, Mode.STOP)
            await s.seconds(60)
            assert s.writes[mark:] == []
            assert "independent" in (s.runner.unit.observed.trouble or "")

    run_virtual(main())


# Hands off


@pytest.mark.covers("CEL-3.2")
@pytest.mark.parametrize(
    ("wish", "control", "asked"),
    [
        (Wanted(Mode.HANDS_OFF), Control.ON, True),
        (Wanted(Mode.HANDS_OFF, left_alone=True), Control.ON, False),
        (Wanted(Mode.HANDS_OFF), Control.OBSERVE, False),
        (Wanted(Mode.CHARGE, authorized=True), Control.OBSERVE, False),
    ],
)
def test_unit_that_is_left_alone_is_not_even_asked(wish: Wanted, control: Control, asked: bool) -> None:
    async def main() -> None:
        config = SimUnitConfig(equipment_type=0x22, plugged=False)
        async with site(config, table=table(), control=control) as s:
            s.runner.unit.want(wish)
            s.unit.plug()
            s.sets.clear()
            await s.seconds(600)
            assert ("CD=10" in s.writes) is asked
            assert set(s.writes) <= {"CD=10"}

    run_virtual(main())


def test_undefined_plug_of_a_unit_that_is_left_alone_stays_undefined() -> None:
    async def main() -> None:
        async with bench(unit={"values": {0xC7: UNDEFINED}}) as b:
            b.want(Mode.HANDS_OFF, left_alone=True)
            await b.seconds(600)
            assert b.unit.writes == []

    run_virtual(main())


def test_a_fault_that_has_gone_is_waited_for_also_while_the_unit_is_lost() -> None:
    """Without spinning: the time at which the latch lets go passes while nobody can look."""

    async def main() -> None:
        async with site(SimUnitConfig(plugged=True), table=table(), restart_after_fault=120_000) as s:
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(60)
            s.unit.fault()
            await s.seconds(30)
            s.unit.clear_fault()
            await s.seconds(10)
            s.lan.cut(UNIT_AT)
            looks = []
            timed = s.runner._timed
            s.runner._timed = lambda: (looks.append(1), timed() if len(looks) < 1000 else None)
            await s.seconds(300)
            assert len(looks) < 1000
            s.lan.mend(UNIT_AT)
            await s.seconds(300)
            assert s.unit.mode == 0x42

    run_virtual(main())


@pytest.mark.parametrize("mode", [Mode.PAUSE, Mode.STOP])
def test_energy_that_begins_to_flow_in_a_pause_or_stop_is_fought_and_told(mode: Mode) -> None:
    """A rescue charge, of a vehicle that was not yet so low when the pause was reached."""

    async def main() -> None:
        config = SimUnitConfig(release="P", plugged=True, soc_percent=60, quirks={"rescue-charge": 50})
        async with site(config, table=table()) as s:
            want(s, Mode.CHARGE)
            await s.seconds(120)
            want(s, mode)
            await s.seconds(600)
            assert s.runner.unit.observed.confirmed
            s.sets.clear()
            await s.seconds(600)
            assert s.sets == []
            s.unit.core.battery.set_soc(5)
            await s.seconds(300)
            modes = [write for write in s.writes if write.startswith("DA=")]
            assert set(modes) == {"DA=44", "DA=47"}
            assert not s.runner.unit.observed.confirmed
            assert HappeningKind.CANNOT in s.happened
            s.sets.clear()
            await s.seconds(3600)
            assert len([write for write in s.writes if write.startswith("DA=")]) <= 13  # ever more rarely
            s.unit.core.battery.set_soc(60)
            await s.seconds(600)
            assert s.runner.unit.observed.confirmed
            s.sets.clear()
            await s.seconds(600)
            assert s.sets == []

    run_virtual(main())


@pytest.mark.parametrize("mode", [Mode.PAUSE, Mode.STOP])
def test_a_dry_run_tells_each_mode_once_that_would_not_end_the_energy(mode: Mode) -> None:
    """Power flows in standby: a rescue charge."""

    async def main() -> None:
        config = SimUnitConfig(release="P", plugged=True, soc_percent=5, quirks={"rescue-charge": 10}, mode=0x44)
        async with site(config, table=table(), control=Control.DRY_RUN) as s:
            await s.seconds(150)
            told: list[str] = []

            def tell(step: Step, dry: bool) -> None:
                told.append(step.text)
                assert len(told) < 100

            s.runner.unit.watch_writes(tell)
            want(s, mode)
            await s.seconds(3600)
            assert len(told) == len(set(told))

    run_virtual(main())
