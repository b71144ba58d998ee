"""Where a measured value comes from: the unit, a meter in front of the EVSE, or what was counted up; in this order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.evse import ChargingState, Connector, Plug, Reading, Source, Wanted
from bridge.mapping.decision import Fact, Measures, View
from tests.tools.mapping_views import NOW, table, view

CLASSES = pytest.mark.parametrize("code", [0x027E, 0x02A1], ids=hex)


def told(value: int, at: int = NOW, origin: str = "", source: Source = Source.READ) -> Reading:
    return Reading(value, at, source, origin)


def beside(**sides: Any) -> View:
    return view("C7=41", "CC=31", **sides)


METER = Measures(
    power=told(2_900_000, origin="instantaneousElectricPower"),
    current=told(14_500, origin="instantaneousCurrent"),
    voltage=told(201_000, origin="instantaneousVoltage"),
    energy_in=told(5_000_000, origin="normalDirectionCumulativeElectricEnergy"),
    energy_out=told(1_000_000, origin="reverseDirectionCumulativeElectricEnergy"),
)
FROM_POWER = Measures(energy_in=told(4_000_000, origin="power x time"), energy_out=told(900_000, origin="power x time"))
FROM_SOC = Measures(energy_in=told(3_000_000, origin="state of charge x capacity"))


@CLASSES
def test_energy_comes_from_the_first_source_that_tells_and_says_which(code: int) -> None:
    unit = beside(meter=METER, from_power=FROM_POWER, from_soc=FROM_SOC)
    own = replace(unit, facts={**unit.facts, **view("D8=00002EE0").facts})
    energies = [
        table(code).decide(seen).measures.energy_in
        for seen in (
            own,
            unit,
            replace(unit, meter=None),
            replace(unit, meter=Measures()),
            replace(unit, meter=None, from_power=None),
            replace(unit, meter=None, from_power=None, from_soc=None),
        )
    ]
    assert [(energy.value, energy.origin) if energy else None for energy in energies] == [
        (12_000_000, "cumulativeChargingElectricEnergy"),
        (5_000_000, "meter: normalDirectionCumulativeElectricEnergy"),
        (4_000_000, "power x time"),
        (4_000_000, "power x time"),
        (3_000_000, "state of charge x capacity"),
        None,
    ]


def test_each_direction_has_its_own_source() -> None:
    """A register that counts one way only does not hide what is known of the other."""
    measures = table().decide(view("C7=43", "D8=00002EE0", meter=METER)).measures
    assert measures.energy_in is not None
    assert measures.energy_out is not None
    assert (measures.energy_in.value, measures.energy_out.value) == (12_000_000, 1_000_000)


@CLASSES
def test_power_current_and_voltage_of_the_meter_stand_in_for_the_unit_s(code: int) -> None:
    measures = table(code).decide(beside(meter=METER)).measures
    readings = (measures.power, measures.current, measures.voltage)
    assert [reading.value for reading in readings if reading] == [2_900_000, 14_500, 201_000]
    own = table(code).decide(replace(beside(meter=METER), facts=view("C7=41", "D3=00000064").facts)).measures
    assert own.power == told(100_000, origin="instantaneousElectricPower")


@CLASSES
def test_a_reading_of_the_meter_keeps_its_age_and_its_source(code: int) -> None:
    old = Measures(power=told(2_900_000, NOW - 5_000, "x", Source.LAST_KNOWN))
    assert table(code).decide(beside(meter=old)).measures.power == told(
        2_900_000, NOW - 5_000, "meter: x", Source.LAST_KNOWN
    )


@CLASSES
@pytest.mark.parametrize("code_of_type", ["11", "12"])
def test_a_blind_type_shows_its_vehicle_by_the_meter(code: int, code_of_type: str) -> None:
    """Decision table A row 6 and B row 3."""
    unit = view("C7=FF", f"CC={code_of_type}", wanted=Wanted(authorized=True), meter=METER)
    decision = table(code).decide(unit)
    assert decision.plug.value is Plug.BLIND
    assert (decision.connector.value, decision.charging_state.value) == (Connector.OCCUPIED, ChargingState.CHARGING)
    assert decision.flowing is True


@CLASSES
def test_an_old_word_of_the_meter_says_nothing_about_the_vehicle(code: int) -> None:
    def at(age: int) -> View:
        meter = replace(METER, power=told(2_900_000, NOW - age))
        return view("C7=FF", "CC=11", wanted=Wanted(), meter=meter)

    assert table(code).decide(at(180_000)).connector.value is Connector.OCCUPIED
    assert table(code).decide(at(180_001)).connector.value is Connector.AVAILABLE
    assert table(code).decide(at(180_001)).flowing is None


@CLASSES
def test_the_battery_s_capacity_is_told(code: int) -> None:
    capacity = table(code).decide(view("C7=41", "D0=00009C40")).measures.capacity
    assert capacity == told(40_000_000, origin="usedCapacity1")


def test_a_ratio_is_as_old_as_its_older_part_and_tells_the_worse_source() -> None:
    unit = view("C7=41", "E2=00003A98", "D0=00004E20")
    facts = {**unit.facts, 0xD0: Fact(bytes.fromhex("00004E20"), NOW - 9_000, notified=True)}
    soc = table().decide(replace(unit, facts=facts)).measures.soc
    assert soc == told(75_000, NOW - 9_000, "remainingCapacity1/usedCapacity1", Source.NOTIFIED)
    more = {**unit.facts, 0xE2: Fact(bytes.fromhex("00004E21"), NOW)}
    assert table().decide(replace(unit, facts=more)).measures.soc is None
