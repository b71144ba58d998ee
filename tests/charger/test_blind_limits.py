"""A silent unit is told what is less than it may have been told, whatever was confirmed before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bridge.clock import run_virtual
from bridge.evse import Mode
from bridge.sim.classes import DEFAULT_SETTABLE
from tests.charger.site import UNIT_AT, Site, site
from tests.charger.test_real_table import MINUTE, table, want
from tests.charger.test_silence import FAST


@pytest.mark.parametrize(("granted", "then"), [(1_000_000, 2_000_000), (3_000_000, 3_000_000)])
def test_a_raise_that_was_not_heard_of_is_lowered_again(granted: int, then: int) -> None:
    """5 kW were written and arrived; that was not heard."""

    async def main() -> None:
        async with site(FAST, table=table()) as s:
            want(s, Mode.CHARGE, target=granted)
            await s.seconds(2 * MINUTE)
            s.lan.mute(UNIT_AT)
            want(s, Mode.CHARGE, target=5_000_000)
            await s.seconds(MINUTE)
            assert s.unit.power_w == 5_000
            want(s, Mode.CHARGE, target=then)
            await s.seconds(2 * MINUTE)
            assert s.unit.power_w == then // 1000

    run_virtual(main())


@pytest.mark.parametrize("after", [0.1, 0.5, 1, 3, 5])
def test_a_start_that_was_not_confirmed_is_lowered_too(after: float) -> None:
    async def main() -> None:
        async with site(FAST, table=table()) as s:
            want(s, Mode.CHARGE, target=5_000_000)
            await s.seconds(after)
            s.lan.mute(UNIT_AT)
            await s.seconds(90)
            want(s, Mode.CHARGE, target=2_000_000)
            await s.seconds(5 * MINUTE)
            assert s.unit.power_w <= 2_000

    run_virtual(main())


def test_nothing_is_written_where_nothing_is_wanted_anew() -> None:
    """Amperes hang on a voltage that grows old; a limit that stays is no reason to write."""

    async def main() -> None:
        amperes = replace(FAST, settable=DEFAULT_SETTABLE - {0xEB, 0xEC})
        async with site(amperes, table=table()) as s:
            want(s, Mode.CHARGE, target=5_000_000)
            await s.seconds(5 * MINUTE)
            s.sets.clear()
            s.lan.mute(UNIT_AT)
            await s.seconds(10 * MINUTE)
            assert s.writes == []

    run_virtual(main())


def test_a_setting_that_does_not_take_ends_in_a_pause_unheard() -> None:
    """What failed its verification is paused, also where the pause itself was lost."""

    async def main() -> None:
        async with site(FAST, table=table()) as s:
            want(s, Mode.CHARGE, target=5_000_000)
            await s.seconds(2 * MINUTE)
            _ignores_settings(s)
            _cuts_when(s, lambda: s.runner.unit._reconciler._must_pause is not None)
            want(s, Mode.CHARGE, target=2_000_000)
            await s.seconds(90)
            s.lan.mend(UNIT_AT)
            s.lan.mute(UNIT_AT)
            await s.seconds(10 * MINUTE)
            assert s.unit.power_w == 0

    run_virtual(main())


def _ignores_settings(s: Site) -> None:
    core = s.unit.core
    write = core.write
    core.write = lambda now, epc, edt: True if epc == 235 else write(now, epc, edt)


def _cuts_when(s: Site, happened: Callable[[], bool]) -> None:
    unit = s.runner.unit
    read_back = unit.read_back

    def watched(goal: int, step: object, edt: bytes | None) -> None:
        read_back(goal, step, edt)  # type: ignore[arg-type]
        if happened():
            s.lan.cut(UNIT_AT)

    unit.read_back = watched
