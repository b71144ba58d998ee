"""Which vehicle is where: read by the unit, or bound from outside until it is unplugged (CEL 4.2 to 4.5)."""

from __future__ import annotations

import pytest

from bridge.charger.vehicle import Vehicle
from bridge.clock import run_virtual
from bridge.evse import Mode, Plug
from bridge.mapping.decision import Fact, View
from bridge.sim.unit import SimUnitConfig
from tests.charger.fakes import BOTH, FREE, PLUG, VEHICLE, bench
from tests.charger.site import site
from tests.charger.test_real_table import table

OURS, OTHER = b"\x02\xab\xcd", b"\x02\x12\x34"


def test_binding_lasts_until_the_vehicle_leaves() -> None:
    vehicle, ended = Vehicle(), []
    vehicle.on_unbound.append(lambda: ended.append(True))
    vehicle.plug(Plug.NO, 0, in_transaction=False)
    vehicle.bind("car")  # scanned before it is plugged in
    vehicle.plug(Plug.NO, 1, in_transaction=False)
    assert vehicle.id(None) is None
    vehicle.plug(Plug.YES, 2, in_transaction=False)
    vehicle.read()
    assert vehicle.id(None) == "car"
    assert vehicle.id("told") == "told"
    vehicle.plug(Plug.UNDETERMINED, 3, in_transaction=False)
    assert vehicle.id(None) == "car"
    vehicle.plug(Plug.NO, 4, in_transaction=False)
    assert ended == [True]
    assert vehicle.bound is None
    vehicle.plug(Plug.YES, 5, in_transaction=False)
    assert vehicle.id(None) is None


def test_on_a_unit_that_cannot_tell_the_transaction_ends_it() -> None:
    vehicle = Vehicle()
    vehicle.plug(Plug.BLIND, 0, in_transaction=False)
    vehicle.bind("car")
    vehicle.plug(Plug.BLIND, 1, in_transaction=True)
    assert vehicle.id(None) == "car"
    vehicle.plug(Plug.BLIND, 2, in_transaction=False)
    assert vehicle.id(None) is None


def test_binding_is_taken_back() -> None:
    vehicle = Vehicle()
    vehicle.plug(Plug.YES, 0, in_transaction=False)
    vehicle.bind("car")
    vehicle.bind(None)
    assert vehicle.id(None) is None


@pytest.mark.covers("CEL-4.4", "CEL-4.5")
def test_unit_shows_the_bound_vehicle_and_says_when_it_has_left() -> None:
    async def main() -> None:
        async with bench() as b:
            ended: list[int] = []
            b.evse.on_unbound(lambda: ended.append(b.clock.monotonic()))
            b.evse.bind_vehicle("JTDKB20U")
            assert b.evse.observed.vehicle_id == "JTDKB20U"
            assert b.heard[-1][1].vehicle_id == "JTDKB20U"
            b.unit.change(PLUG, FREE)
            assert ended == [b.clock.monotonic()]
            assert b.evse.observed.vehicle_id is None
            b.unit.change(PLUG, BOTH)
            await b.seconds(30)
            assert b.evse.observed.vehicle_id is None

    run_virtual(main())


@pytest.mark.covers("CEL-4.2", "CEL-4.3", "AIF-2.3-6")
def test_what_the_unit_reads_counts_for_more_and_only_while_it_is_plugged_in() -> None:
    async def main() -> None:
        async with bench(unit={"values": {VEHICLE: OURS}}) as b:
            b.evse.bind_vehicle("bound")
            assert b.evse.observed.vehicle_id == "abcd"
            b.unit.change(PLUG, FREE)
            assert b.evse.observed.vehicle_id is None

    run_virtual(main())


@pytest.mark.covers("AIF-2.3-6")
def test_id_of_the_last_vehicle_is_not_taken_for_the_next_one() -> None:
    async def main() -> None:
        async with bench(unit={"values": {VEHICLE: OURS}}) as b:
            b.unit.change(PLUG, FREE)
            await b.seconds(5)
            b.unit.change(VEHICLE, OTHER, tell=False)
            b.unit.change(PLUG, BOTH)
            shown = []
            for _ in range(30):
                shown.append(b.evse.observed.vehicle_id)
                await b.seconds(0.1)
            assert set(shown) == {None, "1234"}
            assert shown[-1] == "1234"  # and soon: a new vehicle makes everything be read at once

    run_virtual(main())


@pytest.mark.covers("AIF-2.3-6")
@pytest.mark.parametrize("told", [b"\x00", b"\x00" + bytes(8)])
def test_length_zero_is_no_vehicle_known(told: bytes) -> None:
    async def main() -> None:
        async with bench(unit={"values": {VEHICLE: told}}) as b:
            assert b.evse.observed.vehicle_id is None
            b.evse.bind_vehicle("bound")
            assert b.evse.observed.vehicle_id == "bound"

    run_virtual(main())


@pytest.mark.covers("AIF-2.3-6")
@pytest.mark.parametrize(
    ("plug", "told", "vehicle"),
    [
        ("43", "024142", "AB"),
        ("40", "024142", "AB"),
        ("30", "024142", None),
        ("FF", "024142", None),
        ("43", "00", None),
        ("43", "0041", None),
    ],
)
def test_shipped_table_believes_an_id_only_while_a_vehicle_is_there(plug: str, told: str, vehicle: str | None) -> None:
    facts = {0xC7: Fact(bytes.fromhex(plug), 0), VEHICLE: Fact(bytes.fromhex(told), 0), 0xCC: Fact(b"\x32", 0)}
    assert table().decide(View(now=0, release="P", facts=facts)).measures.vehicle_id == vehicle


@pytest.mark.covers("CEL-4.2")
def test_shipped_table_reads_the_id_of_a_simulated_vehicle() -> None:
    async def main() -> None:
        async with site(SimUnitConfig(plugged=False), table=table()) as s:
            s.want(Mode.HANDS_OFF)
            assert s.runner.unit.observed.vehicle_id is None
            s.unit.plug()
            await s.seconds(120)
            told = s.runner.unit.observed.vehicle_id
            s.unit.unplug()
            await s.seconds(10)
            assert s.runner.unit.observed.vehicle_id is None
            assert told

    run_virtual(main())
