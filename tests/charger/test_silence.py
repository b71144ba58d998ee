"""A discharging unit that is not heard: the floor is kept by fresh values only, so it is paused blindly (CEL 3.4)."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from bridge.clock import run_virtual
from bridge.evse import HappeningKind, Mode
from bridge.policies import Control
from bridge.sim.unit import SimUnitConfig
from tests.charger.site import OURS, UNIT_AT, Site, site
from tests.charger.test_real_table import MINUTE, table, want

STANDBY, CHARGING, DISCHARGING = 0x44, 0x42, 0x43
FAST = SimUnitConfig(release="P", plugged=True, soc_percent=60, rated_discharge_w=6_000)


async def discharging(s: Site) -> None:
    want(s, Mode.DISCHARGE, target=-3_000_000)
    await s.seconds(2 * MINUTE)
    assert s.unit.mode == DISCHARGING
    s.sets.clear()


def modes(s: Site) -> list[str]:
    return [write for write in s.writes if write.startswith("DA=")]


@pytest.mark.covers("CEL-3.6")
def test_a_discharge_that_is_not_heard_is_paused_when_its_state_of_charge_is_a_minute_old() -> None:
    async def main() -> None:
        async with site(FAST, table=table(), discharge_allowed=True) as s:
            await discharging(s)
            since = s.clock.monotonic()
            s.lan.mute(UNIT_AT)
            await s.seconds(39)
            assert s.unit.mode == DISCHARGING  # what was read last is still good: contactors wear
            await s.seconds(36)
            assert s.unit.mode == STANDBY
            assert s.sets[0][1] == "DA=44"
            assert 40_000 <= s.sets[0][0] - since <= 65_000
            assert "not heard" in (s.runner.unit.observed.trouble or "")

    run_virtual(main())


def test_the_pause_is_repeated_until_it_is_read_back_and_the_discharge_goes_on_by_fresh_values() -> None:
    async def main() -> None:
        async with site(FAST, table=table(), discharge_allowed=True) as s:
            await discharging(s)
            s.lan.cut(UNIT_AT)
            await s.seconds(5 * MINUTE)
            assert s.unit.mode == DISCHARGING  # nothing arrives
            assert modes(s).count("DA=44") >= 4
            assert set(modes(s)) == {"DA=44"}
            s.lan.mend(UNIT_AT)
            s.lan.mute(UNIT_AT)
            await s.seconds(2 * MINUTE)
            assert s.unit.mode == STANDBY
            s.lan.mend(UNIT_AT)
            await s.seconds(6 * MINUTE)
            assert s.unit.mode == DISCHARGING
            assert s.runner.unit.observed.confirmed
            assert s.runner.unit.observed.trouble is None

    run_virtual(main())


def test_a_unit_that_fell_to_its_floor_unheard_is_not_started_again() -> None:
    async def main() -> None:
        async with site(FAST, table=table(), discharge_allowed=True, soc_floor=57_000) as s:
            want(s, Mode.DISCHARGE)
            await s.seconds(MINUTE)
            s.lan.cut(UNIT_AT)
            await s.seconds(30 * MINUTE)
            assert s.unit.soc < 57
            s.lan.mend(UNIT_AT)
            await s.seconds(10 * MINUTE)
            assert s.unit.mode == STANDBY
            assert "floor" in (s.runner.unit.observed.trouble or "")

    run_virtual(main())


def test_one_lost_answer_pauses_nothing() -> None:
    async def main() -> None:
        async with site(FAST, table=table(), discharge_allowed=True) as s:
            await discharging(s)
            for _ in range(5):
                s.lan.cut(UNIT_AT)
                await s.seconds(6)
                s.lan.mend(UNIT_AT)
                await s.seconds(50)
            assert s.writes == []
            assert s.unit.mode == DISCHARGING

    run_virtual(main())


def test_a_charge_that_is_not_heard_goes_on() -> None:
    async def main() -> None:
        async with site(FAST, table=table(), discharge_allowed=True) as s:
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(MINUTE)
            s.sets.clear()
            s.lan.mute(UNIT_AT)
            await s.seconds(10 * MINUTE)
            assert s.unit.mode == CHARGING
            assert s.writes == []

    run_virtual(main())


def test_a_pause_reaches_a_unit_that_was_met_and_is_not_heard() -> None:
    """The station ends a discharge by itself where the CSMS is away too long; a silent unit has to be told as well."""

    async def main() -> None:
        async with site(FAST, table=table(), discharge_allowed=True) as s:
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(MINUTE)
            s.lan.mute(UNIT_AT)
            await s.seconds(2 * MINUTE)
            assert not s.runner.unit.observed.reachable
            want(s, Mode.PAUSE)
            await s.seconds(30)
            assert s.unit.mode == STANDBY

    run_virtual(main())


def test_a_gateway_that_comes_back_gives_a_bad_network_a_minute_before_it_pauses() -> None:
    """The unit discharges in a transaction that goes on; the gateway can ask its release and not its battery."""

    async def main() -> None:
        async with site(FAST, table=table(), discharge_allowed=True) as s:
            s.unit.foreign_write(0xDA, b"\x43")
            await s.seconds(5)
            s.runner.unit.started = s.runner.unit.met = False
            want(s, Mode.DISCHARGE, target=-3_000_000)
            s.lan.mute(UNIT_AT)
            await s.seconds(50)
            assert s.unit.mode == DISCHARGING
            await s.seconds(40)
            assert s.unit.mode == STANDBY

    run_virtual(main())


def test_a_lower_limit_reaches_a_unit_that_is_not_heard_and_a_higher_one_waits() -> None:
    async def main() -> None:
        async with site(FAST, table=table(), discharge_allowed=True) as s:
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(2 * MINUTE)
            assert s.runner.unit.observed.confirmed
            s.sets.clear()
            s.lan.mute(UNIT_AT)
            await s.seconds(45)
            assert not s.runner.unit.observed.reachable
            want(s, Mode.CHARGE, target=5_000_000)
            await s.seconds(30)
            assert s.writes == []
            want(s, Mode.CHARGE, target=1_000_000)
            await s.seconds(30)
            assert s.writes[0] == "EB=000003E8"
            assert s.unit.power_w == 1_000
            s.lan.mend(UNIT_AT)
            await s.seconds(2 * MINUTE)
            assert s.unit.power_w == 1_000
            assert set(s.writes) == {"EB=000003E8"}
            assert s.runner.unit.observed.confirmed

    run_virtual(main())


def test_a_dry_run_tells_once_what_a_silent_unit_would_be_told() -> None:
    async def main() -> None:
        async with site(FAST, table=table(), discharge_allowed=True, control=Control.DRY_RUN) as s:
            for epc, edt in ((0xDC, "03"), (0xEB, "00000BB8"), (0xDA, "42")):
                s.unit.foreign_write(epc, bytes.fromhex(edt))
            await s.seconds(30)
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(MINUTE)
            assert s.runner.unit.observed.confirmed
            s.lan.mute(UNIT_AT)
            await s.seconds(MINUTE)
            told: list[str] = []
            s.runner.unit.watch_writes(lambda step, dry: told.append(step.text))
            want(s, Mode.CHARGE, target=1_000_000)
            await s.seconds(5 * MINUTE)
            assert told == ["chargingElectricPower=1000 W (EB=000003E8)"]
            assert s.writes == []

    run_virtual(main())


def test_a_limit_below_what_the_unit_can_do_pauses_it_unheard() -> None:
    async def main() -> None:
        async with site(FAST, table=table(), discharge_allowed=True) as s:
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(MINUTE)
            s.lan.mute(UNIT_AT)
            await s.seconds(MINUTE)
            want(s, Mode.CHARGE, target=100_000)
            await s.seconds(30)
            assert s.unit.mode == STANDBY

    run_virtual(main())


def test_a_lowered_limit_is_repeated_until_it_is_read_back() -> None:
    async def main() -> None:
        async with site(FAST, table=table(), discharge_allowed=True) as s:
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(MINUTE)
            s.sets.clear()
            s.lan.cut(UNIT_AT)
            await s.seconds(MINUTE)
            want(s, Mode.CHARGE, target=1_000_000)
            await s.seconds(4 * MINUTE)
            assert s.writes.count("EB=000003E8") >= 3
            s.lan.mend(UNIT_AT)
            await s.seconds(3 * MINUTE)
            assert s.unit.power_w == 1_000
            assert s.runner.unit.observed.confirmed

    run_virtual(main())


def test_who_falls_silent_again_and_again_discharges_ever_more_rarely() -> None:
    """Contactors wear."""

    async def main() -> None:
        async with site(FAST, table=table(), discharge_allowed=True) as s:
            await discharging(s)
            starts = []
            for _ in range(4):
                s.lan.mute(UNIT_AT)
                await s.seconds(90)
                assert s.unit.mode == STANDBY
                s.lan.mend(UNIT_AT)
                mended = s.clock.monotonic()
                while s.unit.mode != DISCHARGING:
                    await s.seconds(1)
                starts.append((s.clock.monotonic() - mended) // 1000)
            assert starts[0] < 60
            assert [later - earlier > 60 for earlier, later in pairwise(starts)] == [True, True, True]
            await s.seconds(2 * 60 * MINUTE)
            s.lan.mute(UNIT_AT)
            await s.seconds(90)
            s.lan.mend(UNIT_AT)
            await s.seconds(MINUTE)
            assert s.unit.mode == DISCHARGING  # it was quiet for long enough

    run_virtual(main())


def test_a_house_on_its_own_is_not_switched_off_because_its_unit_is_not_heard() -> None:
    """Blackout: no mode is written (0xDB)."""

    async def main() -> None:
        async with site(FAST, table=table(), discharge_allowed=True) as s:
            await discharging(s)
            s.unit.set_interconnection(1)
            await s.seconds(90)
            s.sets.clear()
            s.lan.mute(UNIT_AT)
            await s.seconds(5 * MINUTE)
            assert s.writes == []
            assert s.unit.mode == DISCHARGING

    run_virtual(main())


def test_a_charge_that_is_refused_ends_a_discharge_unheard() -> None:
    """The wish is no discharge, and the pause that it comes to was lost."""

    async def main() -> None:
        charges_not = replace(FAST, equipment_type=0x33)
        async with site(charges_not, table=table(), discharge_allowed=True) as s:
            await discharging(s)
            s.lan.cut(UNIT_AT)
            await s.seconds(1)
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(90)
            s.lan.mend(UNIT_AT)
            s.lan.mute(UNIT_AT)
            await s.seconds(10 * MINUTE)
            assert s.unit.mode == STANDBY

    run_virtual(main())


def test_a_verified_pause_is_not_judged_by_the_power_of_before() -> None:
    async def main() -> None:
        async with site(FAST, table=table(), discharge_allowed=True) as s:
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(2 * MINUTE)
            s.sets.clear()
            want(s, Mode.STOP)
            await s.seconds(0.1)
            s.lan.mute(UNIT_AT)
            await s.seconds(60 * MINUTE)
            assert set(s.writes) == {"DA=47"}
            assert HappeningKind.CANNOT not in s.happened

    run_virtual(main())


@pytest.mark.parametrize("mode", [Mode.STOP, Mode.PAUSE])
def test_a_silent_unit_that_rests_already_is_asked_ever_more_rarely(mode: Mode) -> None:
    async def main() -> None:
        async with site(FAST, table=table()) as s:
            want(s, Mode.CHARGE, target=3_000_000)
            await s.seconds(MINUTE)
            want(s, Mode.PAUSE)
            await s.seconds(MINUTE)
            s.lan.cut(UNIT_AT)
            await s.seconds(3 * MINUTE)
            want(s, Mode.CHARGE, target=1_000_000)
            await s.seconds(MINUTE)
            want(s, mode)
            await s.seconds(60 * MINUTE)
            sent: list[int] = []
            s.lan.tap(lambda datagram: sent.append(datagram.at) if datagram.source == OURS else None)
            await s.seconds(60 * MINUTE)
            assert len(sent) <= 40

    run_virtual(main())
