"""CEL chapter 4 and 2.2: which vehicle is at which charger, and commands that name the one or the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.gateway.config import SiteConfig
from bridge.gateway.vehicles import VehicleError
from bridge.sim.battery import Battery, VehicleConfig
from bridge.sim.unit import SimUnitConfig
from tests.cel.kinds import Kind, every
from tests.tools.house import MINUTE, STATION, UNITS, House, run, site

ONE, TWO = (STATION, 1), (STATION, 2)
NAMED = VehicleConfig(vehicle_id=b"EV-7")
#: A unit that reads no vehicle id.
SILENT = SimUnitConfig(vehicle=VehicleConfig(vehicle_id=b""))


def _two() -> SiteConfig:
    evses = [{"id": 1, "unit": "a"}, {"id": 2, "unit": "b"}]
    stations = [{"id": STATION, "csms": {"url": "ws://in.memory/"}, "evses": evses}]
    return site(units={"a": {"address": UNITS[0]}, "b": {"address": UNITS[1]}}, stations=stations)


def _shown(house: House) -> str | None:
    return house.gateway.units.runners["car"].unit.observed.vehicle_id


async def _told_to_the_csms(house: House) -> str:
    asked = {"component": {"name": "ConnectedEV", "evse": {"id": 1}}, "variable": {"name": "VehicleID"}}
    answer = await house.call("GetVariables", getVariableData=[asked])
    return str(answer["getVariableResult"][0].get("attributeValue"))


@pytest.mark.covers("CEL-4.2")
@every(lambda kind: not kind.blind and kind.release >= "J")
def test_the_unit_reads_the_vehicle_and_the_gateway_the_unit(kind: Kind) -> None:
    """0xE6 is asked for once a vehicle is there; the place is known by the vehicle until it leaves."""

    async def play(house: House) -> None:
        assert _shown(house) is None
        house.unit.plug()
        await house.told("StatusNotification", connectorStatus="Occupied")
        await house.settle(MINUTE)
        assert _shown(house) == "EV-7"
        assert house.gateway.vehicles.resolve("EV-7") == ONE
        assert await _told_to_the_csms(house) == "EV-7"
        since = house.now
        house.unit.unplug()
        await house.told("StatusNotification", since, connectorStatus="Available")
        assert _shown(house) is None
        assert house.gateway.vehicles.find("EV-7") is None

    run(play, **kind.house(sim={"vehicle": NAMED}))


@pytest.mark.covers("CEL-4.3")
@every(lambda kind: not kind.blind and kind.release == "R")
def test_a_terminal_tells_the_unit_the_vehicle_later(kind: Kind) -> None:
    """The unit has no id (one byte of zero) until somebody shows a card at it; then the next reading has it."""

    async def play(house: House) -> None:
        house.unit.plug()
        await house.told("StatusNotification", connectorStatus="Occupied")
        await house.settle(2 * MINUTE)
        assert _shown(house) is None
        core = house.unit.core
        core.battery = Battery(replace(core.battery.config, vehicle_id=b"EV-CARD"), core.battery.soc_percent)
        await house.settle(MINUTE)
        assert _shown(house) == "EV-CARD"
        assert house.gateway.vehicles.resolve("EV-CARD") == ONE

    run(play, **kind.house(sim={"vehicle": VehicleConfig(vehicle_id=b"")}))


@pytest.mark.covers("CEL-4.4", "CEL-4.5")
@pytest.mark.parametrize("first", ["bound first", "plugged in first"])
def test_a_binding_from_outside_names_the_place_until_the_vehicle_leaves(first: str) -> None:
    """A terminal (4.4) or the vehicle's server (4.5) tells our side: vehicle and charger belong together."""

    async def play(house: House) -> None:
        bound, other = house.units[1], house.units[0]
        if first == "bound first":
            await house.gateway.vehicles.bind(*TWO, "EV-9")
        bound.plug()
        other.plug()
        await house.told("StatusNotification", evseId=2, connectorStatus="Occupied")
        await house.told("StatusNotification", evseId=1, connectorStatus="Occupied")
        if first == "plugged in first":
            await house.gateway.vehicles.bind(*TWO, "EV-9")
        await house.settle(MINUTE)
        assert house.gateway.vehicles.resolve("EV-9") == TWO
        assert house.gateway.units.runners["b"].unit.observed.vehicle_id == "EV-9"
        assert house.gateway.units.runners["a"].unit.observed.vehicle_id is None
        since = house.now
        other.unplug()
        await house.told("StatusNotification", since, evseId=1, connectorStatus="Available")
        assert house.gateway.vehicles.resolve("EV-9") == TWO
        bound.unplug()
        await house.told("StatusNotification", since, evseId=2, connectorStatus="Available")
        await house.settle(5_000)
        assert house.gateway.vehicles.find("EV-9") is None

    run(play, config=_two(), units={UNITS[0]: SILENT, UNITS[1]: SILENT})


@pytest.mark.covers("CEL-2.2")
@pytest.mark.parametrize("named", ["charger", "vehicle that was read", "vehicle that was bound"])
def test_a_command_reaches_the_place_by_charger_and_by_vehicle(named: str) -> None:
    """Stop, as a person at the page orders it: by the place's number, or by the vehicle that is there."""

    async def play(house: House) -> None:
        for number, unit in enumerate(house.units, 1):
            unit.plug()
            await house.told("StatusNotification", evseId=number, connectorStatus="Occupied")
            token = {"idToken": f"T-{number}", "type": "Central"}
            await house.call("RequestStartTransaction", evseId=number, remoteStartId=number, idToken=token)
            await unit.until(lambda one: one.power_w > 0)
        if named == "vehicle that was bound":
            await house.gateway.vehicles.bind(*TWO, "EV-9")
        await house.settle(MINUTE)
        station, evse = _place(house, named)
        assert (station, evse) == TWO
        assert house.gateway.stations[station].sessions.stop_locally(evse)
        await house.units[1].until(lambda one: one.power_w == 0)
        assert house.units[0].power_w > 0

    units = {UNITS[0]: SILENT, UNITS[1]: SimUnitConfig(vehicle=NAMED) if named == "vehicle that was read" else SILENT}
    run(play, config=_two(), units=units)


def _place(house: House, named: str) -> Any:
    ask = {"charger": TWO, "vehicle that was read": "EV-7", "vehicle that was bound": "EV-9"}[named]
    return ask if isinstance(ask, tuple) else house.gateway.vehicles.resolve(ask)


@pytest.mark.covers("CEL-2.2")
def test_a_vehicle_that_is_nowhere_moves_nothing() -> None:
    async def play(house: House) -> None:
        await house.start(3000)
        with pytest.raises(VehicleError, match="'EV-404' is at no EVSE"):
            house.gateway.vehicles.resolve("EV-404")
        assert house.unit.power_w > 0

    run(play)
