"""A meter on the network: introduced, polled by plan, lost and found; and a unit that is counted by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from bridge.charger.measuring import METER_FRESH
from bridge.charger.meter import MeterRunner
from bridge.clock import Clock, run_virtual
from bridge.echonet.frame import encode_property_map
from bridge.evse import Mode, Reading, Source
from bridge.mapping.decision import Measures, MeterTable, PollGroup, Step, View
from tests.charger.fakes import ADDRESS, ENERGY, FakeUnit, Told, bench

METER = 0x028801
BOARD_RANGE, DRAWN, CHANNELS = 0xB9, 0xE7, 0xBA


@dataclass
class FakeMeterTable:
    """A meter that tells its power in one property, or in a list of channels that starts where it was told to."""

    class_code: int = 0x0288
    content_hash: str = "fake"
    max_opc: int = 8
    attributes: tuple[tuple[int, ...], ...] = ((0x83,),)
    idle: int = 10_000

    def release(self, edt_82: bytes) -> str:
        return chr(edt_82[2])

    def measures(self, view: View, channel: int | None = None, *, duplex: bool = False) -> Measures:
        fact = view.facts.get(DRAWN if channel is None else CHANNELS)
        if fact is None:
            return Measures()
        source = Source.READ if view.reachable else Source.LAST_KNOWN
        value = int.from_bytes(fact.edt[:4], "big", signed=True)
        power = Reading(value * 1000, fact.at, source, "meter")
        return Measures(power=power, energy_in=Reading(abs(value) * 1000, fact.at, source, "meter"))

    def prepare(self, view: View, channel: int | None = None, *, duplex: bool = False) -> tuple[Step, ...]:
        return () if channel is None else (Step(BOARD_RANGE, bytes((channel, 1)), f"range={channel}"),)

    def polls(self, view: View, channel: int | None = None, *, duplex: bool = False) -> tuple[PollGroup, ...]:
        epcs = tuple(epc for epc in (DRAWN, CHANNELS) if epc in view.gettable)
        return (PollGroup("power", epcs, self.idle, self.idle, 3 * self.idle),)


@dataclass
class Rig:
    clock: Clock
    device: FakeUnit
    runner: MeterRunner
    told: list[tuple[int, Measures | None]] = field(default_factory=list)

    async def seconds(self, count: float) -> None:
        await self.clock.sleep(int(count * 1000))


@asynccontextmanager
async def rig(table: MeterTable | None = None, address: str | None = ADDRESS, **more: Any) -> AsyncIterator[Rig]:
    clock = Clock(1)
    values = {
        DRAWN: (1_500).to_bytes(4, "big"),
        0x9D: encode_property_map(set()),
        0x9E: encode_property_map({BOARD_RANGE}),
        **more.pop("values", {}),
    }
    values[0x9F] = encode_property_map({0x82, 0x83, 0x9D, 0x9E, 0x9F, *values})
    device = FakeUnit(clock, values)
    runner = MeterRunner(device, clock, table or FakeMeterTable(), "m1", METER, address, **more)
    made = Rig(clock, device, runner)
    runner.listen(lambda: made.told.append((clock.monotonic(), runner.measures)))
    task = asyncio.create_task(runner.run())
    try:
        await made.seconds(5)
        yield made
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def power_of(measures: Measures | None) -> Reading:
    assert measures is not None
    assert measures.power is not None
    return measures.power


@pytest.mark.covers("AIF-3.1.3-1")
def test_meter_is_introduced_as_every_object_and_then_polled_by_plan() -> None:
    async def main() -> None:
        async with rig() as r:
            assert r.device.since(0) == ["get 82 9D 9E 9F", "get 83", "get E7"]
            assert power_of(r.runner.measures).value == 1_500_000
            await r.seconds(60)
            assert r.device.since(0).count("get E7") == 7
            assert r.device.writes == []

    run_virtual(main())


def test_change_is_told_and_the_same_again_moves_only_the_time() -> None:
    async def main() -> None:
        async with rig() as r:
            r.device.values[DRAWN] = (-200).to_bytes(4, "big", signed=True)
            await r.seconds(11)
            assert power_of(r.runner.measures).value == -200_000
            assert power_of(r.told[-1][1]).value == -200_000
            at = power_of(r.runner.measures).at
            await r.seconds(11)
            assert power_of(r.runner.measures).at > at

    run_virtual(main())


def test_notification_counts_at_once() -> None:
    async def main() -> None:
        async with rig() as r:
            r.device.values[DRAWN] = (7).to_bytes(4, "big")
            for callback in r.device.callbacks:
                callback(Told(ADDRESS, METER, {DRAWN: r.device.values[DRAWN]}))
                callback(Told("192.0.2.99", METER, {DRAWN: bytes(4)}))  # somebody else's
            assert power_of(r.runner.measures).value == 7_000

    run_virtual(main())


def test_silent_meter_is_lost_its_last_word_marked_and_it_comes_back() -> None:
    async def main() -> None:
        async with rig() as r:
            r.device.dead = True
            await r.seconds(60)
            assert not r.runner.reachable
            assert power_of(r.runner.measures).source is Source.LAST_KNOWN
            assert power_of(r.told[-1][1]).source is Source.LAST_KNOWN
            r.device.dead = False
            await r.seconds(60)
            assert r.runner.reachable
            assert power_of(r.runner.measures).source is Source.READ

    run_virtual(main())


def test_one_lost_datagram_loses_nothing() -> None:
    async def main() -> None:
        async with rig() as r:
            r.device.dead = True
            await r.seconds(12)
            r.device.dead = False
            await r.seconds(60)
            assert r.runner.reachable
            assert all(power_of(measures).source is Source.READ for _, measures in r.told)

    run_virtual(main())


def test_address_may_come_later_and_may_change() -> None:
    async def main() -> None:
        async with rig(address=None) as r:
            assert r.device.log == []
            assert r.runner.measures is None
            r.runner.found("192.0.2.99")
            await r.seconds(1)
            r.runner.found(ADDRESS)
            await r.seconds(5)
            assert r.runner.reachable

    run_virtual(main())


def test_range_of_a_board_is_set_where_it_differs_and_read_back() -> None:
    async def main() -> None:
        values = {BOARD_RANGE: b"\x01\x01", CHANNELS: (900).to_bytes(4, "big")}
        async with rig(values=values, channel=5) as r:
            assert r.device.writes == ["B9=0501"]
            assert r.device.since(0)[2:4] == ["set B9=0501", "get B9"]
            assert power_of(r.runner.measures).value == 900_000
            await r.seconds(3_600)
            assert r.device.writes == ["B9=0501"]
            r.device.values[BOARD_RANGE] = b"\x01\x01"  # another controller wants another range
            for callback in r.device.callbacks:
                callback(Told(ADDRESS, METER, {BOARD_RANGE: b"\x01\x01"}))
            await r.seconds(30)
            assert r.device.writes == ["B9=0501"] * 2

    run_virtual(main())


# A unit behind a meter


class Port:
    def __init__(self, measures: Measures | None = None) -> None:
        self.measures = measures
        self.listeners: list[Any] = []

    def listen(self, listener: Any) -> None:
        self.listeners.append(listener)

    def tell(self, watt_hours: int, at: int) -> None:
        self.measures = Measures(energy_in=Reading(watt_hours * 1000, at, Source.READ, "meter"))
        for listener in self.listeners:
            listener()


def test_unit_is_refreshed_by_its_meter_and_goes_on_without_it_when_it_is_too_old() -> None:
    async def main() -> None:
        port = Port()
        async with bench(unit={"sna": {ENERGY}}, meter=port) as b:
            b.want(Mode.CHARGE)
            await b.seconds(20)
            assert b.evse.observed.energy_in.origin == "power x time"
            before = b.evse.observed.energy_in.value
            port.tell(70_000, b.clock.monotonic())
            assert b.evse.observed.energy_in.origin == "meter"
            assert b.evse.observed.energy_in.value == before  # no jump: another source begins where the last one ended
            port.tell(70_500, b.clock.monotonic())
            assert b.evse.observed.energy_in.value == before + 500_000
            await b.seconds(METER_FRESH / 1000 + 15)
            assert b.evse.observed.energy_in.origin == "power x time"
            assert b.evse.observed.energy_in.value >= before + 500_000

    run_virtual(main())


def test_last_word_of_a_lost_meter_is_not_taken() -> None:
    async def main() -> None:
        port = Port()
        async with bench(unit={"sna": {ENERGY}}, meter=port) as b:
            stale = Reading(5_000_000, b.clock.monotonic(), Source.LAST_KNOWN, "meter")
            port.measures = Measures(energy_in=stale)
            b.evse.refresh()
            assert b.evse.observed.energy_in is None or b.evse.observed.energy_in.origin != "meter"

    run_virtual(main())
