"""A day in a house, played on the virtual clock: the simulated house around a whole gateway, looked at every 10 s."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from bridge.cli.demo_house import GATEWAY_ADDRESS, UNIT_ADDRESS
from bridge.clock import Clock
from bridge.errors import ConfigError
from bridge.evse import Reading
from bridge.gateway.config import SiteConfig
from bridge.gateway.gateway import Gateway
from bridge.mapping.decision import PollGroup
from bridge.mapping.load import Mappings, load_mappings
from bridge.mapping.overlay import Overlays
from bridge.sim.classes import CLASSES
from bridge.sim.control import SimUnit
from bridge.sim.csms import DemoCsms
from bridge.sim.csms_memory import acceptor
from bridge.sim.day import BEGINS, CAPACITY_WH, CONTRACT_W, DAY, FLOOR, Day, Household, Sample, discharges, load_w
from bridge.sim.lan import SimLan
from bridge.sim.meter import SimMeter, SimMeterConfig
from bridge.sim.node import NodeConfig, SimNode
from bridge.sim.unit import SimUnitConfig
from bridge.station.composite import epoch_ms
from bridge.station.link import LinkDown
from bridge.station.link_memory import MemoryDialer
from bridge.store.sqlite import open_store

STATION: Final = "HOME-1"
_UNIT: Final = "car"
_METER_ADDRESS: Final = "127.61.0.3"
_BEFORE: Final = timedelta(minutes=10)
_LOOK_EVERY: Final = 10_000
_READY: Final = 5 * 60_000
#: How often units and meters are asked in this house (ms: while energy flows, else). Their tables ask several times
#: as often; a day would take a minute then, and look the same.
_POLLS: Final = {"state": (60_000, 600_000), "power": (25_000, 600_000), "battery": (45_000, 600_000)}
_OTHER_POLLS: Final = (300_000, 1_800_000)
_METER_POLLS: Final = {"power": (25_000, 300_000)}
_METER_SAMPLES: Final = 5_000


@dataclass
class DayHouse:
    """All that lives in the house."""

    clock: Clock
    lan: SimLan
    unit: SimUnit
    meter: SimMeter
    csms: DemoCsms
    gateway: Gateway
    day: Day


#: Hears every datagram.
Tap = Callable[..., None]


async def play_day(
    unit_class: int, taps: Callable[[SimLan], Sequence[Tap]] = lambda lan: (), mappings: Mappings | None = None
) -> Day:
    """The whole day; what was seen of it."""
    async with day_house(unit_class, taps, mappings) as house:
        await live(house)
        return house.day


async def live(house: DayHouse) -> None:
    """Live the day in a house that is ready."""
    home = Household(house.clock, house.unit, house.csms, STATION, house.day)
    looking = asyncio.ensure_future(_look(house, home))
    try:
        await home.live()
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


@asynccontextmanager
async def day_house(
    unit_class: int, taps: Callable[[SimLan], Sequence[Tap]] = lambda lan: (), mappings: Mappings | None = None
) -> AsyncIterator[DayHouse]:
    """The house at ten minutes to midnight, with its unit known and nobody at home.

    Raises:
        ConfigError: there is no such class of units.
    """
    if unit_class not in CLASSES:
        known = " or ".join(f"0x{code:04X}" for code in sorted(CLASSES))
        raise ConfigError(f"no unit has the class 0x{unit_class:04X}; it is {known}")
    clock = Clock(seed=6)
    await clock.sleep(int((BEGINS - _BEFORE - clock.wall()) / timedelta(milliseconds=1)))
    lan, csms = SimLan(clock), DemoCsms(clock)
    for tap in taps(lan):
        lan.tap(tap)
    midnight = clock.monotonic() + int(_BEFORE / timedelta(milliseconds=1))
    unit = SimUnit(clock, SimUnitConfig(unit_class=unit_class, capacity_wh=CAPACITY_WH))
    meter = SimMeter(clock, _meter_config(midnight, unit))
    nodes = [SimNode(clock, b"day-unit", [unit]), SimNode(clock, b"day-meter", [meter], NodeConfig(answer_delay_ms=25))]
    for node, address in zip(nodes, (UNIT_ADDRESS, _METER_ADDRESS), strict=True):
        node.attach(lan.join(address))
        await node.start()
    dialer = MemoryDialer(acceptor(csms, STATION, LinkDown))
    gateway = await Gateway.build(
        day_site(unit_class),
        lans={"home": lan.join(GATEWAY_ADDRESS)},
        dialer_of=lambda _: dialer,
        store=await open_store(Path(":memory:"), inline=True),
        mappings=slower(mappings or load_mappings()),
        clock=clock,
    )
    running = asyncio.ensure_future(gateway.run())
    try:
        await csms.wait_for(lambda: gateway.units.runners[_UNIT].unit.started and csms.connected(STATION), _READY)
        await clock.sleep(midnight - clock.monotonic())
        yield DayHouse(clock, lan, unit, meter, csms, gateway, Day(unit_class))
    finally:
        gateway.ended.set()
        await running
        for node in nodes:
            await node.close()


def day_site(unit_class: int) -> SiteConfig:
    """The site configuration of the house."""
    evse = {"id": 1, "unit": _UNIT, "discharge": ["negative-limit"] if discharges(unit_class) else []}
    return SiteConfig.model_validate(
        {
            "config": 1,
            "state_dir": ".",
            "networks": {"home": {"bind": GATEWAY_ADDRESS}},
            "units": {_UNIT: {"address": UNIT_ADDRESS, "class": f"0x{unit_class:04X}", "soc_floor": FLOOR}},
            "meters": {"front": {"address": _METER_ADDRESS, "class": "0x0288"}},
            "receiving_point": {"meter": "front", "contract": f"{CONTRACT_W // 100} A"},
            "echonet": {"gap": 0},
            "stations": [{"id": STATION, "csms": {"url": "ws://in.memory/"}, "evses": [evse]}],
        }
    )


def slower(mappings: Mappings) -> Mappings:
    """The tables with polls as seldom as this house needs; nothing else of them changes."""
    tables = {c: replace(each, poll_groups=_rarer(each.poll_groups, _POLLS)) for c, each in mappings.tables.items()}
    meters = {
        c: replace(each, poll_groups=_rarer(each.poll_groups, _METER_POLLS)) for c, each in mappings.meters.items()
    }
    return replace(mappings, tables=tables, meters=meters, sources=(), meter_sources=(), overlays=Overlays())


def _rarer(groups: Iterable[PollGroup], every: Mapping[str, tuple[int, int]]) -> tuple[PollGroup, ...]:
    found = []
    for group in groups:
        active, idle = every.get(group.name, _OTHER_POLLS)
        rest = max(group.announced, idle)
        found.append(replace(group, active=max(group.active, active), idle=max(group.idle, idle), announced=rest))
    return tuple(found)


def _meter_config(midnight: int, unit: SimUnit) -> SimMeterConfig:
    """In the grid connection, before the house and the unit."""
    return SimMeterConfig(power_w=lambda now: load_w(now - midnight) + unit.power_w, sample_ms=_METER_SAMPLES)


# -- looking


async def _look(house: DayHouse, home: Household) -> None:
    while home.now < DAY:
        house.day.samples.append(_sample(house, home.now))
        await house.clock.sleep(_LOOK_EVERY)


def _sample(house: DayHouse, t: int) -> Sample:
    station = house.gateway.stations[STATION]
    position = station.positions[1]
    utc, wants = station.time.utc(), position.session.wants_energy
    schedule = None
    if utc is not None and wants:
        now = epoch_ms(utc)
        own = [item for item in station.charging.installed if not item.external]
        schedule = station.charging.composite(1, {1: position.course}, now, own).limit_at(now)
    real = house.unit.power_w
    return Sample(
        t=t,
        schedule=None if schedule is None else schedule / 1000,
        limit=None if position.limit is None or not wants else position.limit / 1000,
        granted=_watts(position.seen.offered),
        measured=_watts(position.seen.power),
        real=real,
        load=load_w(t),
        soc=house.unit.core.battery.soc_percent,
        plugged=house.unit.core.plugged,
        online=house.csms.connected(STATION),
        transaction=position.session.transaction_id,
    )


def _watts(reading: Reading | None) -> float | None:
    return None if reading is None else reading.value / 1000
