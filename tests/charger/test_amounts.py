"""Amounts: counted, reached once, never started again under the same key, and all of that over restarts (AIF 5.2)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.charger.amounts import AmountCounter
from bridge.charger.memory import AMOUNT, InMemory
from bridge.clock import run_virtual
from bridge.evse import Amount, HappeningKind, Mode, Reading, Source, Wanted
from bridge.mapping.decision import Measures
from bridge.sim.unit import SimUnitConfig
from tests.charger.fakes import CHARGE, DISCHARGE, ENERGY, ENERGY_OUT, MODE, SOC, STANDBY, STOPPED, bench
from tests.charger.site import site

KWH = 1_000_000


def wish(mode: Mode = Mode.CHARGE, key: str = "tx1", **amount: int) -> Wanted:
    return Wanted(mode, amount=Amount(key, **amount))


def energies(into: int = 0, out: int = 0, soc: int | None = None, at: int = 0, **more: Source) -> Measures:
    state = None if soc is None else Reading(soc, at, **more)
    return Measures(energy_in=Reading(into, at, **more), energy_out=Reading(out, at, **more), soc=state)


# The count alone


def test_energy_is_counted_from_where_the_register_stood_when_the_key_began() -> None:
    counter = AmountCounter(InMemory())
    wanted = wish(energy=2_000)
    assert counter.look(wanted, energies(500_000), 0) is None
    assert counter.look(wanted, energies(501_999), 1) is None
    told = counter.counted(wanted)
    assert told is not None
    assert (told.energy, told.reached) == (1_999, False)
    happening = counter.look(wanted, energies(502_000), 2)
    assert happening is not None
    assert happening.kind is HappeningKind.AMOUNT_REACHED
    assert counter.look(wanted, energies(503_000), 3) is None  # told once
    assert counter.reached(wanted)


def test_each_direction_is_counted_apart_and_automatic_counts_both() -> None:
    for mode, expected in ((Mode.CHARGE, 300), (Mode.DISCHARGE, 40), (Mode.AUTO, 340)):
        counter = AmountCounter(InMemory())
        wanted = wish(mode, energy=KWH)
        counter.look(wanted, energies(1_000, 1_000), 0)
        counter.look(wanted, energies(1_300, 1_040), 1)
        told = counter.counted(wanted)
        assert told is not None
        assert told.energy == expected


def test_pause_between_goes_on_counting_the_same_direction() -> None:
    counter = AmountCounter(InMemory())
    counter.look(wish(Mode.DISCHARGE, energy=KWH), energies(0, 0), 0)
    counter.look(wish(Mode.PAUSE, energy=KWH), energies(0, 70), 1)
    told = counter.counted(wish(Mode.PAUSE, energy=KWH))
    assert told is not None
    assert told.energy == 70


def test_what_is_last_known_begins_nothing() -> None:
    counter = AmountCounter(InMemory())
    wanted = wish(energy=KWH)
    counter.look(wanted, energies(1_000, source=Source.LAST_KNOWN), 0)
    assert counter.uncountable(wanted)
    counter.look(wanted, energies(9_000), 1)
    counter.look(wanted, energies(9_100), 2)
    told = counter.counted(wanted)
    assert told is not None
    assert told.energy == 100


@pytest.mark.parametrize(
    ("mode", "soc", "at", "reached"),
    [
        (Mode.CHARGE, 79_999, 100_000, False),
        (Mode.CHARGE, 80_000, 100_000, True),
        (Mode.CHARGE, 80_000, 39_999, False),  # too old: perhaps another vehicle's
        (Mode.DISCHARGE, 80_000, 100_000, True),
        (Mode.DISCHARGE, 80_001, 100_000, False),
        (Mode.PAUSE, 90_000, 100_000, False),
    ],
)
def test_state_of_charge_is_reached_from_below_or_from_above(mode: Mode, soc: int, at: int, reached: bool) -> None:
    counter = AmountCounter(InMemory())
    happening = counter.look(wish(mode, soc=80_000), energies(soc=soc, at=at), 100_000)
    assert (happening is not None) is reached


def test_reached_stays_reached_under_the_same_key_and_another_key_begins_anew() -> None:
    memory = InMemory()
    counter = AmountCounter(memory)
    counter.look(wish(energy=10), energies(0), 0)
    assert counter.look(wish(energy=10), energies(10), 1)
    assert counter.reached(wish(energy=1_000))
    again = AmountCounter(memory)
    assert again.reached(wish(energy=10))
    assert not again.reached(wish(key="tx2", energy=10))
    assert again.look(wish(key="tx2", energy=10), energies(50), 2) is None
    assert not again.reached(wish(key="tx2", energy=10))


@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=30), st.sets(st.integers(0, 29)))
def test_restarts_change_nothing_in_the_count(steps: list[int], restarts: set[int]) -> None:
    memory = InMemory()
    counter = AmountCounter(memory)
    wanted = wish(energy=10**9)
    register = 123_456
    counter.look(wanted, energies(register), 0)
    counter.keep()
    for index, step in enumerate(steps):
        if index in restarts:
            counter = AmountCounter(memory)  # what was last kept may be old: the register catches it up
        register += step
        counter.look(wanted, energies(register), index)
        if index % 3 == 0:
            counter.keep()
    told = counter.counted(wanted)
    assert told is not None
    assert told.energy == sum(steps)


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"key": 7}', '{"key": "tx1", "in": "x", "out": [1]}', "null"])
def test_memory_that_cannot_be_read_begins_anew(text: str) -> None:
    counter = AmountCounter(InMemory({AMOUNT: text}))
    assert counter.look(wish(energy=5), energies(100), 0) is None
    assert not counter.reached(wish(energy=5))
    assert counter.look(wish(energy=5), energies(105), 1)


# In the loop


def energy(watt_hours: int) -> bytes:
    return watt_hours.to_bytes(4, "big")


@pytest.mark.covers("AIF-5.2-1")
def test_amount_stops_the_unit_tells_it_once_and_nothing_restarts() -> None:
    async def main() -> None:
        async with bench(unit={"values": {ENERGY: energy(700)}}) as b:
            amount = Amount("tx1", energy=2 * KWH)
            b.want(Mode.CHARGE, amount=amount)
            await b.seconds(30)
            assert b.unit.writes == ["DA=42"]
            b.unit.change(ENERGY, energy(2_699), tell=False)
            await b.seconds(30)
            assert b.evse.observed.counted.energy == 1_999_000
            assert not b.evse.observed.counted.reached
            b.unit.change(ENERGY, energy(2_700), tell=False)
            await b.seconds(30)
            assert b.unit.writes == ["DA=42", "DA=47"]
            assert b.evse.observed.counted.reached
            assert b.evse.observed.confirmed
            assert b.evse.observed.trouble is None
            b.want(Mode.PAUSE, amount=amount)
            await b.seconds(30)
            b.want(Mode.CHARGE, amount=amount)
            await b.seconds(300)
            assert b.unit.values[MODE] in (STANDBY, STOPPED)
            assert b.kinds.count(HappeningKind.AMOUNT_REACHED) == 1
            b.want(Mode.CHARGE, amount=Amount("tx2", energy=2 * KWH))
            await b.seconds(30)
            assert b.unit.values[MODE] == CHARGE

    run_virtual(main())


@pytest.mark.covers("AIF-5.2-1")
def test_discharged_amount_is_counted_by_its_own_register() -> None:
    async def main() -> None:
        values = {ENERGY_OUT: energy(50)}
        async with bench(unit={"values": values}, discharge_allowed=True) as b:
            b.want(Mode.DISCHARGE, amount=Amount("tx1", energy=KWH))
            await b.seconds(30)
            assert b.unit.values[MODE] == DISCHARGE
            b.unit.change(ENERGY_OUT, energy(1_050), tell=False)
            await b.seconds(30)
            assert b.unit.writes[-1] == "DA=47"
            assert b.evse.observed.counted.reached

    run_virtual(main())


def test_state_of_charge_ends_a_session() -> None:
    async def main() -> None:
        async with bench(unit={"values": {SOC: b"\x4e"}}) as b:
            b.want(Mode.CHARGE, amount=Amount("tx1", soc=80_000))
            await b.seconds(30)
            b.unit.change(SOC, b"\x50", tell=False)
            await b.seconds(30)
            assert b.unit.writes == ["DA=42", "DA=47"]
            assert "80 %" in b.happened[-1].text or "80 %" in b.happened[-2].text

    run_virtual(main())


def test_energy_that_nothing_counts_is_told() -> None:
    async def main() -> None:
        async with bench(unit={"sna": {ENERGY, 0xD3}}) as b:
            b.want(Mode.CHARGE, amount=Amount("tx1", energy=KWH))
            await b.seconds(5)
            assert "counts the energy" in (b.evse.observed.trouble or "")

    run_virtual(main())


@pytest.mark.covers("AIF-5.2-1")
@pytest.mark.parametrize("hidden", [frozenset(), frozenset({ENERGY})], ids=["register", "integral"])
def test_amount_of_a_simulated_vehicle_survives_a_restart(hidden: frozenset[int]) -> None:
    """Half of it before the restart of the gateway, the rest after; by the unit's register, and by integration."""

    async def main() -> None:
        memory = InMemory()
        config = SimUnitConfig(plugged=True, hidden=hidden)
        amount = Amount("tx1", energy=2 * KWH)
        async with site(config, memory=memory) as s:
            s.want(Mode.CHARGE, amount=amount)
            await s.seconds(600)
            half = s.runner.unit.observed
            assert half.counted is not None
            assert 900_000 < half.counted.energy < 1_010_000
            battery = s.unit.soc
        assert json.loads(memory.values[AMOUNT])["key"] == "tx1"
        async with site(SimUnitConfig(plugged=True, hidden=hidden, soc_percent=battery), memory=memory) as s:
            s.want(Mode.CHARGE, amount=amount)
            await s.seconds(60)
            on = s.runner.unit.observed
            assert on.energy_in is not None
            assert half.energy_in is not None
            assert on.energy_in.value >= half.energy_in.value
            await s.seconds(900)
            done = s.runner.unit.observed
            assert done.counted is not None
            assert done.counted.reached
            assert 2 * KWH <= done.counted.energy < 2 * KWH + 20_000
            assert s.writes[-1] == "DA=47"
            assert s.unit.power_w == 0

    run_virtual(main())
