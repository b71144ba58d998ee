"""Which lowered settings are somebody's limit: only a verified value of ours that changes without our write."""

from __future__ import annotations

from bridge.charger.ownwrites import OwnWrites
from bridge.clock import run_virtual
from bridge.evse import HappeningKind, Mode, Source
from bridge.mapping.decision import Fact
from tests.charger.fakes import LIMIT, METHOD, bench, limit

LOWERED = HappeningKind.FOREIGN_LIMIT


def test_what_the_unit_clamps_and_clamps_further_is_nobodys_limit() -> None:
    async def main() -> None:
        async with bench(unit={"clamp": 2_000_000}) as b:
            b.want(Mode.CHARGE, charge_bound=3_000_000)
            await b.seconds(60)
            b.unit.change(LIMIT, limit(1_000_000))
            await b.seconds(60)
            assert LOWERED not in b.kinds

    run_virtual(main())


def test_a_value_that_we_only_found_right_is_ours_too() -> None:
    """After a restart of the gateway nothing has been written, and still somebody lowers what we want."""

    async def main() -> None:
        async with bench(unit={"values": {LIMIT: limit(3_000_000), METHOD: b"\x03"}}) as b:
            b.want(Mode.CHARGE, charge_bound=3_000_000)
            await b.seconds(60)
            mark = len(b.unit.writes)
            b.unit.change(LIMIT, limit(1_000_000))
            await b.seconds(60)
            assert b.happened[-1].kind is LOWERED
            assert b.unit.writes[mark:] == []

    run_virtual(main())


def test_each_lowering_is_told_a_raise_to_less_than_ours_is_not_a_lowering() -> None:
    async def main() -> None:
        async with bench() as b:
            b.want(Mode.CHARGE, charge_bound=3_000_000)
            await b.seconds(60)
            for watts in (2_000_000, 1_000_000):
                b.unit.change(LIMIT, limit(watts))
                await b.seconds(60)
            assert [each.value for each in b.happened if each.kind is LOWERED] == [2_000_000, 1_000_000]

    run_virtual(main())


def test_settings_that_nobody_of_us_has_set_are_no_limits() -> None:
    async def main() -> None:
        async with bench(unit={"values": {LIMIT: limit(6_000_000)}}) as b:
            b.want(Mode.CHARGE)
            await b.seconds(60)
            b.unit.change(LIMIT, limit(1_000_000))
            await b.seconds(60)
            assert LOWERED not in b.kinds

    run_virtual(main())


def test_own_writes_know_what_was_verified() -> None:
    own = OwnWrites()
    own.write(LIMIT, limit(3_000_000), 1_000)
    assert not own.lowers(LIMIT, limit(1_000_000))  # not read back yet
    own.close(LIMIT)
    own.ours({LIMIT: Fact(limit(3_000_000), 500, Source.READ)})
    assert not own.lowers(LIMIT, limit(1_000_000))  # read before the write
    own.ours({LIMIT: Fact(limit(3_000_000), 1_500, Source.READ)})
    assert own.lowers(LIMIT, limit(1_000_000))
    assert not own.lowers(LIMIT, limit(3_000_000))
    assert not own.lowers(LIMIT, limit(4_000_000))
    own.write(LIMIT, limit(4_000_000), 2_000)
    assert not own.lowers(LIMIT, limit(1_000_000))
