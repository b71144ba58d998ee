"""Units are found, recognised, followed and kept apart, whatever addresses they have (AIF 3.1)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bridge.clock import run_virtual
from bridge.gateway.config import SiteConfig
from bridge.gateway.finding import MEETINGS, SEARCH_FIRST, SEARCH_IDLE
from bridge.gateway.units import IDENTITY
from bridge.sim.codec import Esv, Prop, SimFrame, decode, encode
from bridge.sim.control import SimUnit
from bridge.sim.lan import SimPort
from bridge.sim.node import SimNode
from bridge.sim.unit import SimUnitConfig
from bridge.store.sqlite import open_store
from tests.tools.house import GATEWAY, MINUTE, STATION, UNITS, BothPorts, House, house, run, site

NEW = "10.0.0.77"
ROAMING = {"address": None}
ONE = {UNITS[0]: SimUnitConfig()}
TWO = ONE | {UNITS[1]: SimUnitConfig()}


def place(here: House, name: str = "car") -> str | None:
    """Where a unit is believed to be."""
    at = here.gateway.units.whereabouts(name).at
    return at.address if at is not None else None


def reached(here: House, name: str = "car") -> bool:
    return here.gateway.units.runners[name].unit.observed.reachable


def written_to(here: House, address: str, since: int = 0) -> list[str]:
    """What the gateway has written to an address since datagram number `since`."""
    frames = [decode(d.data) for d in here.datagrams[since:] if d.source == GATEWAY and d.destination == address]
    return [f"{p.epc:02X}={p.edt.hex().upper()}" for f in frames if f.esv in (Esv.SETC, Esv.SETI) for p in f.props]


async def move(here: House, number: int, address: str, *, announced: bool = True) -> None:
    """A node takes another address; the old one is free then."""
    port = here.nodes[number].port
    assert isinstance(port, SimPort)
    here.lan.leave(port.address)
    here.nodes[number].attach(here.lan.join(address))
    if announced:
        await here.nodes[number].start()


def tell_list(here: House, address: str, *eojs: int) -> None:
    """An instance list notification, true or not."""
    edt = bytes([len(eojs)]) + b"".join(eoj.to_bytes(3, "big") for eoj in eojs)
    frame = SimFrame(1, 0x0EF001, 0x0EF001, Esv.INF, (Prop(0xD5, edt),))
    here.lan.join(address).multicast(encode(frame))
    here.lan.leave(address)


# -- finding


@pytest.mark.covers("AIF-3.1.1-1")
def test_a_unit_that_is_switched_on_later_is_found_by_its_instance_list() -> None:
    async def play(here: House) -> None:
        await here.settle(5_000)
        assert place(here) is None
        here.nodes[0].attach(here.lan.join(NEW))
        await here.nodes[0].start()
        await here.settle(3_000)
        assert place(here) == NEW
        assert reached(here)

    run(play, config=site(unit=ROAMING), start_nodes=False, wait=False)


@pytest.mark.covers("AIF-3.1.2-1")
@pytest.mark.parametrize("deaf_to", [0xD6, 0x80], ids=["no 0xD6", "no class search"])
def test_a_node_that_answers_only_one_kind_of_search_is_found(deaf_to: int) -> None:
    """It announces nothing: the search by instance list or the one by class has to find it, at start or after."""

    async def play(here: House) -> None:
        _filter(here, lambda frame: frame.esv == Esv.GET and frame.props[0].epc == deaf_to)
        here.nodes[0].attach(here.lan.join(UNITS[0]))
        await here.settle(3 * MINUTE)
        assert place(here) == UNITS[0]
        assert reached(here)

    run(play, config=site(unit=ROAMING), start_nodes=False, wait=False)


def _filter(here: House, lost: Callable[[SimFrame], bool], *, multicast_only: bool = True) -> None:
    """Multicasts of this kind do not pass."""
    carry = here.lan.carry

    def carrying(data: bytes, source: str, destination: str | None) -> None:
        if (destination is None or not multicast_only) and lost(decode(data)):
            return
        carry(data, source, destination)

    here.lan.carry = carrying  # type: ignore[method-assign]


def test_a_configured_address_is_asked_directly_where_multicast_does_not_pass() -> None:
    async def play(here: House) -> None:
        _filter(here, lambda frame: True)
        await here.settle(5_000)
        assert reached(here)

    run(play, start_nodes=True, wait=False)


def test_a_configured_unit_that_is_switched_on_later_is_found_without_multicast() -> None:
    async def play(here: House) -> None:
        _filter(here, lambda frame: True)
        await here.settle(10 * MINUTE)
        assert "no answer from 10.0.0.2" in str(here.gateway.units.trouble("car"))
        here.nodes[0].attach(here.lan.join(UNITS[0]))
        await here.settle(3 * MINUTE)
        assert reached(here)
        assert here.gateway.units.trouble("car") is None

    run(play, start_nodes=False, wait=False)


def test_a_node_without_an_instance_list_is_asked_for_the_object_itself() -> None:
    async def play(here: House) -> None:
        _filter(here, lambda frame: frame.deoj == 0x0EF001 or frame.seoj == 0x0EF001, multicast_only=False)
        await here.settle(2 * MINUTE)
        assert reached(here)
        assert here.gateway.units.whereabouts("car").known.told  # type: ignore[union-attr]  # of the device itself

    run(play, wait=False)


@pytest.mark.covers("AIF-2.1-1")
def test_an_instance_other_than_the_first_is_found_and_controlled() -> None:
    async def play(here: House) -> None:
        assert here.nodes[0].eojs == (0x027E05,)
        await here.start(3000)
        assert here.unit.power_w > 0
        assert here.gateway.units.whereabouts("car").at.eoj == 0x027E05  # type: ignore[union-attr]

    run(play, units={UNITS[0]: SimUnitConfig(instance=5)})


def test_an_object_that_is_not_there_is_told_with_those_that_are() -> None:
    async def play(here: House) -> None:
        await here.settle(5_000)
        assert here.gateway.units.trouble("car") == "the node at 10.0.0.2 has 027E01, but not 027E02"

    run(play, config=site(unit={"instance": 2}), wait=False)


@pytest.mark.covers("AIF-2.1-1", "AIF-1-1")
def test_both_classes_and_several_objects_of_a_node_are_units_of_their_own() -> None:
    async def play(here: House) -> None:
        sims = [SimUnit(here.clock, SimUnitConfig(unit_class=code)) for code in (0x027E, 0x02A1, 0x027E)]
        node = SimNode(here.clock, b"all", sims)
        node.attach(here.lan.join(NEW))
        await node.start()
        await here.settle(10_000)
        assert [reached(here, name) for name in "abc"] == [True, True, True]
        sims[1].plug()
        await here.told("StatusNotification", evseId=2, connectorStatus="Occupied")
        assert here.gateway.units.runners["c"].unit.observed.connector == "Available"
        await node.close()

    units = {"a": {}, "b": {"class": "0x02A1"}, "c": {"instance": 2}}
    run(play, config=_site_of(units), start_nodes=False, wait=False)


def _site_of(units: dict[str, Any], **more: Any) -> SiteConfig:
    evses = [{"id": number + 1, "unit": name} for number, name in enumerate(units)]
    stations = [{"id": STATION, "csms": {"url": "ws://in.memory/"}, "evses": evses}]
    return site(units=units, stations=stations, **more)


# -- identity


def test_after_a_restart_a_unit_is_recognised_at_another_address(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(config=site(unit=ROAMING), units=TWO, store=await _store(tmp_path)) as here:
            await here.settle(5_000)
            assert place(here) == UNITS[0]
        exchanged = {UNITS[1]: SimUnitConfig(), UNITS[0]: SimUnitConfig()}  # the first node is the same one
        async with house(config=site(unit=ROAMING), units=exchanged, store=await _store(tmp_path)) as here:
            await here.settle(5_000)
            assert place(here) == UNITS[1]
        async with house(
            config=site(unit=ROAMING), units=ONE, store=await _store(tmp_path), start_nodes=False, wait=False
        ) as here:
            stranger = SimNode(here.clock, b"another", [SimUnit(here.clock)])
            stranger.attach(here.lan.join(UNITS[0]))
            await stranger.start()
            await here.settle(20 * MINUTE)
            assert place(here) is None  # its place is its own

    run_virtual(main())


def test_a_configuration_that_says_otherwise_makes_what_was_learnt_void(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(units=TWO, store=await _store(tmp_path)) as here:
            await here.settle(5_000)
            assert place(here) == UNITS[0]
        async with house(config=site(unit={"address": UNITS[1]}), units=TWO, store=await _store(tmp_path)) as here:
            await here.settle(5_000)
            assert place(here) == UNITS[1]

    run_virtual(main())


async def _store(folder: Path) -> Any:
    return await open_store(folder / "gateway.sqlite3", inline=True)


NO_DEVICE_ID = SimUnitConfig(has_id=False)


def test_a_device_without_an_identity_is_known_by_its_node(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(
            config=site(unit=ROAMING), units={UNITS[0]: NO_DEVICE_ID}, store=await _store(tmp_path)
        ) as here:
            known = here.gateway.units.whereabouts("car").known
            assert known is not None
            assert known.told == here.nodes[0].ident.hex()
            await here.start(3000)
            await move(here, 0, NEW)
            await here.settle(2 * MINUTE)
            assert place(here) == NEW
            assert here.state() == "Charging"
            assert (await here.store.settings("unit:car"))[IDENTITY] == known.key

    run_virtual(main())


def test_a_unit_that_tells_no_identity_at_all_is_served_at_its_address() -> None:
    async def play(here: House) -> None:
        here.nodes[0].ident = here.nodes[0].ident[:4] + bytes(13)  # zeros are no number of its own
        here.nodes[0].attach(here.lan.join(UNITS[0]))
        await here.nodes[0].start()
        await here.ready()
        known = here.gateway.units.whereabouts("car").known
        assert known is not None
        assert known.weak
        await here.start(3000)

    run(play, units={UNITS[0]: NO_DEVICE_ID}, start_nodes=False, wait=False)


# -- moving


@pytest.mark.parametrize("unit", [{}, ROAMING], ids=["address", "first of its class"])
@pytest.mark.parametrize("announced", [True, False])
def test_a_unit_with_another_address_keeps_its_transaction(unit: dict[str, Any], announced: bool) -> None:
    async def play(here: House) -> None:
        transaction = await here.start(3000)
        await move(here, 0, NEW, announced=announced)
        since = len(here.datagrams)
        answer = await here.limit(2000, transaction)
        assert answer["status"] == "Accepted"
        await here.settle(4 * MINUTE)
        assert place(here) == NEW
        assert "EB=000007D0" in written_to(here, NEW, since)
        assert here.unit.power_w == pytest.approx(2000, rel=0.05)
        assert [event["transactionInfo"]["transactionId"] for event in here.csms.events()] == [transaction] * len(
            here.csms.events()
        )
        assert here.state() == "Charging"

    run(play, config=site(unit=unit), units=ONE)


@pytest.mark.parametrize("unit", [{}, ROAMING], ids=["address", "first of its class"])
@pytest.mark.parametrize("quiet", [True, False], ids=["without a word", "announced"])
def test_a_stranger_at_the_old_address_gets_no_command(unit: dict[str, Any], quiet: bool) -> None:
    async def play(here: House) -> None:
        transaction = await here.start(3000)
        here.units[1].plug()
        await move(here, 0, NEW, announced=not quiet)
        await here.settle(30_000)  # some request is not answered meanwhile
        since = len(here.datagrams)
        await move(here, 1, UNITS[0], announced=not quiet)
        await here.limit(2000, transaction)
        await here.settle(10 * MINUTE)
        assert place(here) == NEW
        assert written_to(here, UNITS[0], since) == []
        assert here.units[1].log == [] or here.units[1].power_w == 0
        assert here.unit.power_w == pytest.approx(2000, rel=0.05)
        assert here.state() == "Charging"

    run(play, config=site(unit=unit), units=TWO)


def test_another_unit_at_a_configured_address_is_served_after_a_while_and_told() -> None:
    async def play(here: House) -> None:
        await here.nodes[0].close()
        await here.settle(2 * MINUTE)
        await move(here, 1, UNITS[0])
        await here.settle(2 * MINUTE)
        assert not reached(here)
        assert "another unit" in str(here.gateway.units.trouble("car"))
        await here.settle(15 * MINUTE)
        assert reached(here)
        here.units[1].plug()
        await here.told("StatusNotification", connectorStatus="Occupied")

    run(play, units=TWO)


def test_a_silent_exchange_is_noticed_by_the_hourly_search() -> None:
    async def play(here: House) -> None:
        here.lan.leave(UNITS[0])
        await move(here, 1, UNITS[0], announced=False)
        await here.settle(SEARCH_IDLE + 2 * SEARCH_FIRST)
        assert not reached(here)
        assert "another unit" in str(here.gateway.units.trouble("car"))

    run(play, units=TWO)


def test_answers_that_are_lost_make_no_other_unit_of_it() -> None:
    """Its own 0x83 is lost again and again on a bad network, where its node's passes: it is still who it was."""

    async def play(here: House) -> None:
        here.nodes[0].mute()
        await here.settle(3 * MINUTE)
        assert not reached(here)
        bad = True
        _filter(here, lambda f: bad and f.seoj == here.unit.eoj and f.props[0].epc == 0x83, multicast_only=False)
        await here.nodes[0].start()
        await here.settle(5 * MINUTE)
        assert "another unit" not in str(here.gateway.units.trouble("car"))
        assert here.gateway.units.whereabouts("car").known == known
        bad = False
        await here.settle(2 * MINUTE)
        assert reached(here)

    known = None

    async def learn(here: House) -> None:
        nonlocal known
        known = here.gateway.units.whereabouts("car").known
        await play(here)

    run(learn, units=ONE)


# -- two that claim to be one


@pytest.mark.parametrize("unit", [{}, ROAMING], ids=["address", "first of its class"])
def test_two_that_claim_one_identity_are_named_and_neither_is_controlled(unit: dict[str, Any]) -> None:
    async def play(here: House) -> None:
        transaction = await here.start(3000)
        clone = SimUnit(here.clock)
        clone.plug()
        node = SimNode(here.clock, b"unit-0", [clone])
        node.attach(here.lan.join(NEW))
        await node.start()
        await here.settle(5_000)
        since, told = len(here.datagrams), here.now
        trouble = str(here.gateway.units.trouble("car"))
        assert f"{UNITS[0]} 027E01 (home) and {NEW} 027E01 (home) claim the same identity" in trouble
        await here.limit(1000, transaction)
        await here.told("StatusNotification", told, connectorStatus="Unavailable")
        assert written_to(here, UNITS[0], since) == []
        assert clone.log == []
        await node.close()
        since = here.now
        await here.told("StatusNotification", since, connectorStatus="Occupied", timeout_ms=10 * MINUTE)
        await here.settle(MINUTE)
        assert place(here) == UNITS[0]
        assert here.gateway.units.trouble("car") is None
        assert here.unit.power_w == pytest.approx(1000, rel=0.05)

    run(play, config=site(unit=unit), units=ONE)


def test_two_units_of_the_configuration_that_claim_one_identity_are_both_named() -> None:
    async def play(here: House) -> None:
        clone = SimNode(here.clock, b"unit-0", [SimUnit(here.clock)])
        clone.attach(here.lan.join(UNITS[1]))
        await clone.start()
        await here.settle(5_000)
        assert not reached(here, "a")
        assert not reached(here, "b")
        for name in "ab":
            trouble = str(here.gateway.units.trouble(name))
            assert UNITS[0] in trouble
            assert UNITS[1] in trouble
        here.nodes[0].mute()
        await here.settle(10 * MINUTE)
        assert not reached(here, "a")
        assert reached(here, "b")
        await clone.close()

    run(play, config=_site_of({"a": {"address": UNITS[0]}, "b": {"address": UNITS[1]}}), units=ONE, wait=False)


# -- several networks


SIX = {"six": "fe80::1"}
NETWORKS = {"home": {"bind": GATEWAY}, "six": {"bind": "fe80::1"}}


@pytest.mark.covers("AIF-1-3")
@pytest.mark.parametrize("first", ["home", "six"])
def test_one_unit_on_two_networks_is_one_unit_and_is_reached_on_the_other(first: str) -> None:
    async def play(here: House) -> None:
        both = BothPorts(here.lan.join(UNITS[0]), here.other_lans["six"].join("fe80::2"))
        here.nodes[0].attach(both)
        await here.nodes[0].start()
        await here.ready()
        transaction = await here.start(3000)
        await here.settle(MINUTE)
        whereabouts = here.gateway.units.whereabouts("car")
        assert whereabouts.at is not None
        assert {whereabouts.at.address, *(other.address for other in whereabouts.others)} == {UNITS[0], "fe80::2"}
        both.dead.add(whereabouts.at.address)
        here.lan.cut(whereabouts.at.address)
        here.other_lans["six"].cut(whereabouts.at.address)
        since = here.now
        await here.limit(2000, transaction)
        await here.settle(5 * MINUTE)
        assert reached(here)
        assert here.unit.power_w == pytest.approx(2000, rel=0.05)
        assert here.csms.received("StatusNotification")[-1]["connectorStatus"] == "Occupied"
        assert not [s for s in here.csms.messages[since:] if "Unavailable" in str(s)]

    networks = NETWORKS if first == "home" else dict(reversed(NETWORKS.items()))
    run(play, config=site(unit=ROAMING, networks=networks), other_networks=SIX, start_nodes=False, wait=False)


@pytest.mark.covers("AIF-1-3")
def test_units_on_ipv4_and_on_ipv6_are_served_side_by_side() -> None:
    async def play(here: House) -> None:
        six = SimUnit(here.clock)
        node = SimNode(here.clock, b"six", [six])
        node.attach(here.other_lans["six"].join("fe80::2"))
        await node.start()
        await here.settle(10_000)
        assert place(here, "a") == UNITS[0]
        assert place(here, "b") == "fe80::2"
        six.plug()
        await here.told("StatusNotification", evseId=2, connectorStatus="Occupied")
        await node.close()

    config = _site_of({"a": {"network": "home"}, "b": {"address": "fe80::2"}}, networks=NETWORKS)
    run(play, config=config, other_networks=SIX, wait=False)


# -- a gap of its own, and floods


def test_a_unit_of_its_own_gap_is_spaced_by_it() -> None:
    async def play(here: House) -> None:
        await here.settle(MINUTE)
        times = [d.at for d in here.datagrams if d.source == GATEWAY and d.destination == UNITS[0]]
        after_first = times[2:]  # the first two ask who it is, before it is known whose gap counts
        assert min(b - a for a, b in pairwise(after_first)) >= 700

    run(play, config=site(unit={"gap": 700}))


def test_forged_instance_lists_cost_neither_memory_nor_the_real_unit() -> None:
    async def play(here: House) -> None:
        for number in range(2 * MEETINGS):
            tell_list(here, f"10.9.{number // 250}.{number % 250 + 1}", 0x027E01)
        assert len(here.gateway.units.finder._meeting) <= MEETINGS
        await here.start(3000)
        assert place(here) == UNITS[0]

    run(play, config=site(unit=ROAMING), units=ONE)


# -- a failure of one unit


def test_a_unit_whose_runner_fails_is_named_and_the_other_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(here: House) -> None:
        runner = here.gateway.units.runners["a"]
        monkeypatch.setattr(runner.unit, "polls", lambda: 1 / 0)
        here.nodes[0].mute()
        await here.settle(5 * MINUTE)
        await here.nodes[0].start()
        await here.settle(30_000)
        assert "ZeroDivisionError" in str(here.gateway.units.trouble("a"))
        assert here.gateway.units.trouble("b") is None
        assert reached(here, "b")
        monkeypatch.undo()
        await here.settle(20 * MINUTE)
        assert reached(here, "a")
        assert here.gateway.units.trouble("a") is None

    config = _site_of({"a": {"address": UNITS[0]}, "b": {"address": UNITS[1]}})
    run(play, config=config, units=TWO)
