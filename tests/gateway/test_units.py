"""Which object on the network is which unit of the configuration; that units are followed; that they end as ordered."""

from __future__ import annotations

import pytest

from bridge.clock import run_virtual
from bridge.errors import ConfigError
from bridge.gateway.config import SiteConfig
from bridge.gateway.gateway import SHUTDOWN_TIME
from bridge.gateway.units import check_networks
from bridge.sim.control import SimUnit
from bridge.sim.node import SimNode
from bridge.sim.unit import SimUnitConfig
from tests.tools.house import MINUTE, UNITS, House, house, run, site

TWO = {UNITS[0]: SimUnitConfig(soc_percent=30), UNITS[1]: SimUnitConfig(soc_percent=70)}


def _two(first: dict[str, str], second: dict[str, str]) -> SiteConfig:
    evses = [{"id": 1, "unit": "a"}, {"id": 2, "unit": "b"}]
    station = {"id": "CS-1", "csms": {"url": "ws://in.memory/"}, "evses": evses}
    return site(units={"a": first, "b": second}, stations=[station])


def _addresses(here: House) -> dict[str, str | None]:
    return {name: runner._address for name, runner in here.gateway.units.runners.items()}


async def _identity(number: int) -> str:
    async with house(units=TWO, wait=False) as here:
        return here.nodes[number]._device_ident(0x027E01).hex().upper()


def test_by_address() -> None:
    async def play(here: House) -> None:
        await here.settle(5_000)
        assert _addresses(here) == {"a": UNITS[1], "b": UNITS[0]}
        assert all(runner.unit.observed.reachable for runner in here.gateway.units.runners.values())

    run(play, config=_two({"address": UNITS[1]}, {"address": UNITS[0]}), units=TWO)


@pytest.mark.covers("AIF-1-1")
def test_two_objects_of_one_node_are_two_units() -> None:
    async def play(here: House) -> None:
        sims = [SimUnit(here.clock), SimUnit(here.clock)]
        node = SimNode(here.clock, b"both", sims)
        node.attach(here.lan.join(UNITS[2]))
        await node.start()
        sims[1].plug()
        await here.told("StatusNotification", evseId=2, connectorStatus="Occupied")
        await here.told("StatusNotification", evseId=1, connectorStatus="Available")
        token = {"idToken": "T-1", "type": "Central"}
        answer = await here.call("RequestStartTransaction", evseId=2, remoteStartId=1, idToken=token)
        assert answer["status"] == "Accepted"
        await sims[1].until(lambda unit: unit.power_w > 0)
        assert sims[0].power_w == 0
        assert sims[0].log == []
        await node.close()

    config = _two({"address": UNITS[2]}, {"address": UNITS[2], "instance": 2})
    run(play, config=config, units=TWO, start_nodes=False, wait=False)


def test_by_identity_and_the_rest_is_free() -> None:
    identity = run_virtual(_identity(1))

    async def play(here: House) -> None:
        await here.settle(60_000)
        assert _addresses(here) == {"a": UNITS[1], "b": UNITS[0]}

    run(play, config=_two({"identity": identity}, {}), units=TWO)


def test_the_first_that_is_found_and_then_the_next() -> None:
    async def play(here: House) -> None:
        await here.settle(5_000)
        assert sorted(str(address) for address in _addresses(here).values()) == list(UNITS[:2])

    run(play, config=_two({}, {}), units=TWO)


def test_a_third_unit_is_nobodys() -> None:
    async def play(here: House) -> None:
        await here.settle(60_000)
        assert _addresses(here) == {"car": UNITS[0]}
        assert not [d for d in here.datagrams if d.destination == UNITS[1] and d.data[10] in (0x60, 0x61)]

    run(play, units=TWO)


@pytest.mark.parametrize("by", ["identity", "nothing"])
def test_a_unit_that_takes_another_address_is_followed(by: str) -> None:
    identity = run_virtual(_identity(0))
    unit = {"address": None} | ({"identity": identity} if by == "identity" else {})

    async def play(here: House) -> None:
        await here.start(3000)
        here.nodes[0].mute()
        await here.told("StatusNotification", connectorStatus="Unavailable", timeout_ms=10 * MINUTE)
        here.lan.leave(UNITS[0])
        here.nodes[0].attach(here.lan.join("10.0.0.77"))
        since = here.now
        await here.nodes[0].start()
        await here.told("StatusNotification", since, connectorStatus="Occupied", timeout_ms=10 * MINUTE)
        assert _addresses(here) == {"car": "10.0.0.77"}

    run(play, config=site(unit=unit))


@pytest.mark.parametrize(("order", "writes"), [("keep", []), ("pause", ["DA=44"]), ("stop", ["DA=47"])])
def test_the_last_order(order: str, writes: list[str]) -> None:
    async def play() -> None:
        async with house(config=site(evse={"on_shutdown": order})) as here:
            await here.start(3000)
            await here.settle()
            before, written = here.clock.monotonic(), len(here.writes())
        assert here.clock.monotonic() - before <= SHUTDOWN_TIME + 1_000
        assert here.writes()[written:] == writes
        assert here.checker.violations == []

    run_virtual(play())


def test_a_dead_unit_does_not_hold_up_the_end() -> None:
    async def play() -> None:
        async with house() as here:
            await here.start(3000)
            here.unit.silence()
            before = here.clock.monotonic()
        assert here.clock.monotonic() - before <= SHUTDOWN_TIME + 1_000

    run_virtual(play())


def test_a_unit_without_energy_gets_no_last_order() -> None:
    async def play() -> None:
        async with house() as here:
            here.unit.plug()
            await here.settle()
        assert here.writes() == []

    run_virtual(play())


def test_a_network_without_a_way_to_it_is_told() -> None:
    with pytest.raises(ConfigError, match=r"no way to the networks \['home'\]"):
        check_networks(site(), {})
