"""Which vehicle is at which EVSE: read by the unit, or bound from outside; and commands that name a vehicle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.clock import run_virtual
from bridge.gateway.config import SiteConfig
from bridge.gateway.vehicles import VEHICLES, VehicleError
from bridge.sim.battery import VehicleConfig
from bridge.sim.unit import SimUnitConfig
from bridge.store.sqlite import open_store
from tests.tools.house import MINUTE, STATION, UNITS, House, house, run, site

ONE, TWO = (STATION, 1), (STATION, 2)
SILENT = SimUnitConfig(vehicle=VehicleConfig(vehicle_id=b""), hidden=frozenset({0xE6}))
READS = SimUnitConfig(vehicle=VehicleConfig(vehicle_id=b"EV-READ"))


def _two() -> SiteConfig:
    evses = [{"id": 1, "unit": "a"}, {"id": 2, "unit": "b"}]
    stations = [{"id": STATION, "csms": {"url": "ws://in.memory/"}, "evses": evses}]
    return site(units={"a": {"address": UNITS[0]}, "b": {"address": UNITS[1]}}, stations=stations)


async def _settled(here: House) -> None:
    await here.settle(2 * MINUTE)


@pytest.mark.covers("CEL-4.2", "CEL-4.3")
def test_what_a_unit_reads_finds_the_evse() -> None:
    async def play(here: House) -> None:
        vehicles = here.gateway.vehicles
        assert vehicles.find("EV-READ") is None
        here.units[1].plug()
        await _settled(here)
        assert vehicles.find("EV-READ") == TWO
        assert vehicles.find(" ev-read ") == TWO
        here.units[1].unplug()
        await _settled(here)
        assert vehicles.find("EV-READ") is None

    run(play, config=_two(), units={UNITS[0]: READS, UNITS[1]: READS})


@pytest.mark.covers("CEL-4.4", "CEL-4.5")
@pytest.mark.parametrize("before", [True, False], ids=["bound before it comes", "bound while it is there"])
def test_a_binding_from_outside_lasts_until_the_vehicle_is_unplugged(before: bool) -> None:
    async def play(here: House) -> None:
        vehicles = here.gateway.vehicles
        if before:
            await vehicles.bind(*TWO, "EV-1")
            await _settled(here)
            assert vehicles.find("EV-1") == TWO
        here.units[1].plug()
        await _settled(here)
        if not before:
            await vehicles.bind(*TWO, "EV-1")
        await _settled(here)
        assert vehicles.find("EV-1") == TWO
        assert here.gateway.units.runners["b"].unit.observed.vehicle_id == "EV-1"
        [row] = vehicles.all()
        assert (row.station, row.evse, row.vehicle_id, row.bound, row.contradiction) == (*TWO, "EV-1", "EV-1", None)
        here.units[1].unplug()
        await _settled(here)
        assert vehicles.find("EV-1") is None
        assert vehicles.all() == ()
        assert await here.store.settings(VEHICLES) == {}

    run(play, config=_two(), units={UNITS[0]: SILENT, UNITS[1]: SILENT})


async def _store(folder: Path) -> Any:
    return await open_store(folder / "gateway.sqlite3", inline=True)


@pytest.mark.covers("CEL-4.4")
@pytest.mark.parametrize("meanwhile", ["stays", "leaves", "has not come"])
def test_a_binding_is_kept_over_a_restart(meanwhile: str, tmp_path: Path) -> None:
    async def main() -> None:
        units = {UNITS[0]: SILENT, UNITS[1]: SILENT}
        async with house(config=_two(), units=units, store=await _store(tmp_path)) as here:
            if meanwhile != "has not come":
                here.units[0].plug()
            await here.gateway.vehicles.bind(*ONE, "EV-1")
            await _settled(here)
        async with house(config=_two(), units=units, store=await _store(tmp_path), start_nodes=False) as here:
            if meanwhile == "stays":
                here.units[0].plug()
            for node, address in zip(here.nodes, UNITS, strict=False):
                node.attach(here.lan.join(address))
                await node.start()
            await _settled(here)
            assert here.gateway.vehicles.find("EV-1") == (None if meanwhile == "leaves" else ONE)
            here.units[0].plug()
            await _settled(here)
            shown = here.gateway.units.runners["a"].unit.observed.vehicle_id
            assert shown == (None if meanwhile == "leaves" else "EV-1")

    run_virtual(main())


@pytest.mark.covers("CEL-4.2")
def test_what_the_unit_reads_counts_for_more_and_a_contradiction_is_told() -> None:
    async def play(here: House) -> None:
        vehicles = here.gateway.vehicles
        here.units[0].plug()
        await _settled(here)
        await vehicles.bind(*ONE, "EV-BOUND")
        [row] = vehicles.all()
        assert (row.vehicle_id, row.told, row.bound) == ("EV-READ", "EV-READ", "EV-BOUND")
        assert row.contradiction == "the unit reads 'EV-READ', bound was 'EV-BOUND': what the unit reads counts"
        assert vehicles.find("EV-READ") == ONE
        assert vehicles.find("EV-BOUND") is None
        with pytest.raises(
            VehicleError, match="'EV-BOUND' was bound to EVSE 1 of CS-1, but the unit there reads 'EV-READ'"
        ):
            vehicles.resolve("EV-BOUND")

    run(play, config=_two(), units={UNITS[0]: READS, UNITS[1]: READS})


@pytest.mark.covers("CEL-4.2")
def test_a_vehicle_that_is_read_elsewhere_than_it_was_bound_is_where_it_is_read() -> None:
    async def play(here: House) -> None:
        vehicles = here.gateway.vehicles
        await vehicles.bind(*ONE, "EV-READ")
        here.units[1].plug()
        await _settled(here)
        assert vehicles.find("EV-READ") == TWO
        rows = {(row.station, row.evse): row.contradiction for row in vehicles.all()}
        assert "was bound to EVSE 1 of CS-1" in str(rows[TWO])

    run(play, config=_two(), units={UNITS[0]: SILENT, UNITS[1]: READS})


@pytest.mark.covers("CEL-2.2")
def test_a_command_that_names_a_vehicle_finds_its_evse_or_says_why_not() -> None:
    async def play(here: House) -> None:
        vehicles = here.gateway.vehicles
        here.units[1].plug()
        await vehicles.bind(*ONE, "EV-1")
        await _settled(here)
        assert vehicles.resolve("EV-1") == ONE
        assert vehicles.resolve("EV-READ") == TWO
        with pytest.raises(VehicleError, match=r"'EV-2' is at no EVSE \(known here: 'EV-1', 'EV-READ'\): bind it"):
            vehicles.resolve("EV-2")

    run(play, config=_two(), units={UNITS[0]: SILENT, UNITS[1]: READS})


def test_a_vehicle_is_at_one_evse_only_and_an_evse_has_one_vehicle() -> None:
    async def play(here: House) -> None:
        vehicles = here.gateway.vehicles
        await vehicles.bind(*ONE, "EV-1")
        await vehicles.bind(*TWO, "ev-1")
        assert vehicles.find("EV-1") == TWO
        await vehicles.bind(*TWO, "EV-2")
        assert vehicles.find("EV-1") is None
        assert len(await here.store.settings(VEHICLES)) == 1
        await vehicles.unbind(*TWO)
        assert vehicles.all() == ()
        assert await here.store.settings(VEHICLES) == {}

    run(play, config=_two(), units={UNITS[0]: SILENT, UNITS[1]: SILENT})


@pytest.mark.parametrize(
    ("evse", "vehicle", "why"),
    [
        ((STATION, 9), "EV", "there is no EVSE 9 of CS-1: known are EVSE 1 of CS-1"),
        (("CS-9", 1), "EV", "there is no EVSE 1 of CS-9"),
        (ONE, " ", "1 to 255 printable characters"),
        (ONE, "x" * 256, "1 to 255 printable characters"),
        (ONE, "a\nb", "1 to 255 printable characters"),
    ],
)
def test_what_cannot_be_bound_is_told(evse: tuple[str, int], vehicle: str, why: str) -> None:
    async def play(here: House) -> None:
        with pytest.raises(VehicleError, match=why):
            await here.gateway.vehicles.bind(*evse, vehicle)
        assert here.gateway.vehicles.all() == ()

    run(play)


def test_a_binding_that_cannot_be_read_binds_nothing() -> None:
    async def main() -> None:
        store = await open_store(Path(":memory:"), inline=True)
        await store.put_settings(VEHICLES, {f"1 {STATION}": "{"})
        async with house(store=store) as here:
            assert here.gateway.vehicles.all() == ()

    run_virtual(main())
