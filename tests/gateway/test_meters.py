"""Meters of the site: found as units are, handed to the EVSE they stand before, and to the receiving point's guard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bridge.clock import Clock, run_virtual
from bridge.gateway.config import SiteConfig
from bridge.sim.control import SimUnit
from bridge.sim.device import SimDevice
from bridge.sim.meter import SimMeter
from bridge.sim.meter_config import BOARD, SimMeterConfig
from bridge.sim.unit import SimUnitConfig
from bridge.store.sqlite import open_store
from tests.tools.house import MINUTE, House, house, run, site

SMART, PANEL, SAME = "10.0.0.20", "10.0.0.21", "10.0.0.22"
#: A unit that measures nothing by itself.
BLIND = SimUnitConfig(hidden=frozenset({0xD3, 0xD4, 0xD6, 0xD8}))


def _behind(units: Sequence[SimUnit], number: int = 0) -> Any:
    """What a meter before a unit measures."""
    return lambda now: units[number].power_w


def _with_meter(evse: dict[str, Any] | None = None, **more: Any) -> SiteConfig:
    meters = {"front": {"class": "0x0288", "address": SMART}, "panel": {"class": "0x0287"}}
    return site(meters=meters, evse=evse or {}, **more)


def _house_load(load_w: float) -> Any:
    def beside(clock: Clock, units: Sequence[SimUnit]) -> Mapping[str, Sequence[SimDevice]]:
        return {SMART: [SimMeter(clock, SimMeterConfig(power_w=lambda now: load_w + units[0].power_w))]}

    return beside


@pytest.mark.covers("AIF-1-1")
def test_a_channel_of_a_board_tells_the_energy_of_the_evse_behind_it() -> None:
    def beside(clock: Clock, units: Sequence[SimUnit]) -> Mapping[str, Sequence[SimDevice]]:
        config = SimMeterConfig(unit_class=BOARD, channels={1: lambda now: 500.0, 3: _behind(units)}, unit=0x03)
        return {PANEL: [SimMeter(clock, config)]}

    async def play(here: House) -> None:
        await here.start(3000)
        await here.settle(60 * MINUTE)
        seen = here.gateway.units.runners["car"].unit.observed
        assert seen.energy_in is not None
        assert seen.energy_in.value == pytest.approx(3_000_000, rel=0.1)  # mWh: an hour at 3 kW
        assert here.gateway.units.trouble("panel") is None
        assert here.gateway.units.whereabouts("panel").at.address == PANEL  # type: ignore[union-attr]

    evse = {"meter": {"meter": "panel", "channel": 3}}
    run(play, config=_with_meter(evse), units={"10.0.0.2": BLIND}, beside=beside)


def test_a_meter_is_read_once_for_all_who_look_at_it() -> None:
    async def play(here: House) -> None:
        await here.settle(MINUTE)
        runner = here.gateway.units.runners["car"].unit
        assert len(here.gateway.units.meters) == 1
        [meter] = here.gateway.units.meters.values()
        assert meter.reachable
        assert runner._grid is meter
        assert runner._measuring._meter is meter

    config = _with_meter({"meter": {"meter": "front"}}, receiving_point={"meter": "front"})
    run(play, config=config, beside=_house_load(800))


@pytest.mark.parametrize(
    ("point", "least", "most"),
    [
        ({"margin": 200}, 1_600, 1_801),
        ({"margin": 200, "reverse_flow": True}, 2_999, 3_001),
        (None, 2_999, 3_001),
    ],
    ids=["no reverse flow", "reverse flow allowed", "no receiving point"],
)
def test_discharge_follows_the_house_where_nothing_may_flow_back(
    point: dict[str, Any] | None, least: float, most: float
) -> None:
    """The house draws 2 kW; 3 kW of discharge are wanted."""

    async def play(here: House) -> None:
        await _discharge(here)
        await here.settle(5 * MINUTE)
        assert least <= -here.unit.power_w <= most
        await here.settle(5 * MINUTE)
        assert least <= -here.unit.power_w <= most

    more = {"receiving_point": {"meter": "front", **point}} if point is not None else {}
    run(play, config=_with_meter(**more), units={"10.0.0.2": SimUnitConfig(soc_percent=80)}, beside=_house_load(2_000))


async def _discharge(here: House) -> None:
    transaction = await here.start(3000)
    answer = await here.limit(-3000, transaction)
    assert answer["status"] == "Accepted"


def test_a_meter_that_is_lost_pauses_discharge_where_nothing_may_flow_back() -> None:
    async def play(here: House) -> None:
        await _discharge(here)
        await here.settle(5 * MINUTE)
        assert here.unit.power_w < 0
        here.nodes[1].mute()
        await here.settle(5 * MINUTE)
        assert here.unit.power_w == 0
        assert "no answer from 10.0.0.20" in str(here.gateway.units.trouble("front"))
        await here.nodes[1].start()
        await here.settle(5 * MINUTE)
        assert here.unit.power_w < 0

    config = _with_meter(receiving_point={"meter": "front"})
    run(play, config=config, units={"10.0.0.2": SimUnitConfig(soc_percent=80)}, beside=_house_load(2_000))


def test_counted_energy_goes_on_after_a_restart(tmp_path: Path) -> None:
    """The unit measures power only: what was counted from it must not begin anew."""

    async def main() -> None:
        units = {"10.0.0.2": SimUnitConfig(hidden=frozenset({0xD6, 0xD8}))}
        async with house(units=units, store=await _store(tmp_path)) as here:
            await here.start(3000)
            await here.settle(30 * MINUTE)
            seen = here.gateway.units.runners["car"].unit.observed
            assert seen.energy_in is not None
            before = seen.energy_in.value
            assert before == pytest.approx(1_500_000, rel=0.1)
        async with house(units=units, store=await _store(tmp_path)) as here:
            await here.settle(MINUTE)
            seen = here.gateway.units.runners["car"].unit.observed
            assert seen.energy_in is not None
            assert seen.energy_in.value >= before

    run_virtual(main())


async def _store(folder: Path) -> Any:
    return await open_store(folder / "gateway.sqlite3", inline=True)
