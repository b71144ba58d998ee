"""A node that is reached over IPv4 and IPv6 at once is asked one thing at a time, over both together (AIF 2.4.1).

The checker counts by node and not by address; each test here ends with its count, which must be zero.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from bridge.gateway.api import ControlApi
from bridge.sim.codec import Esv, SimFrame, decode
from bridge.sim.control import SimUnit
from bridge.sim.lan import Datagram
from bridge.sim.node import NodeConfig, SimNode
from bridge.sim.unit import SimUnitConfig
from tests.tools.house import GATEWAY, MINUTE, STATION, UNITS, BothPorts, House, run, site

OURS_SIX = "fe80::1"
NODE_SIX = "fe80::2"
SIX = {"six": OURS_SIX}
NETWORKS = {"home": {"bind": GATEWAY}, "six": {"bind": OURS_SIX}}
FIRST = pytest.mark.parametrize("first", ["home", "six"])

#: Answers take so long (ms) that whatever could overlap does.
SLOW = 900


def play_on_two(play: Callable[[House], Awaitable[None]], *, first: str = "home", **options: Any) -> None:
    """In a house whose gateway is on both networks; nodes come when the test lets them."""
    networks = NETWORKS if first == "home" else dict(reversed(NETWORKS.items()))
    config = options.pop("config", None) or site(unit={"address": None}, networks=networks)
    options = {
        "node": NodeConfig(answer_delay_ms=SLOW),
        "start_nodes": False,
        "wait": False,
        "other_networks": SIX,
        **options,
    }
    run(play, config=config, **options)


class TwoWays:
    """The house's first node, which can be on either network, and what passes on the second one."""

    def __init__(self, here: House, first: str) -> None:
        self.here = here
        ports = {"home": here.lan.join(UNITS[0]), "six": here.other_lans["six"].join(NODE_SIX)}
        self.order = [ports.pop(first), *ports.values()]
        self.both = BothPorts(*self.order)
        self.datagrams: list[Datagram] = []
        here.lan.tap(self.datagrams.append)
        here.other_lans["six"].tap(self.datagrams.append)

    async def on_one(self) -> None:
        """The node is there on the first network only, and is served."""
        self.both.dead.add(self.order[1].address)
        node = self.here.nodes[0]
        node.attach(self.both)
        self.order[1].attach(lambda data, source: None)
        await node.start()
        await self.here.ready()

    async def on_two(self) -> None:
        """The second network comes up, and the node says so on both."""
        self.both.dead.clear()
        self.here.nodes[0].attach(self.both)
        await self.here.nodes[0].start()

    def asked(self, address: str, since: int = 0) -> list[tuple[int, SimFrame]]:
        """What the gateway has asked there since a time."""
        return [
            (d.at, decode(d.data))
            for d in self.datagrams
            if d.source in (GATEWAY, OURS_SIX) and d.destination == address and d.at >= since
        ]

    def known(self) -> set[str]:
        """The addresses that the gateway knows to be the unit's."""
        whereabouts = self.here.gateway.units.whereabouts("car")
        places = [whereabouts.at, *whereabouts.others] if whereabouts.at is not None else []
        return {place.address for place in places if place is not None}

    def exercised(self, since: int) -> None:
        """Both ways have been asked since then: the checker's zero says something."""
        for address in (UNITS[0], NODE_SIX):
            assert self.asked(address, since), f"nothing was asked at {address}"


# -- while the second way is found and identified


@FIRST
@pytest.mark.covers("AIF-2.4.1-1", "AIF-1-3")
@pytest.mark.parametrize("after", range(0, 3_000, 370))
def test_polls_go_on_while_the_second_way_is_found(first: str, after: int) -> None:
    async def play(here: House) -> None:
        ways = TwoWays(here, first)
        await ways.on_one()
        await here.start(3000)
        await here.settle(after)
        since = here.clock.monotonic()
        await ways.on_two()
        await here.settle(30_000)
        ways.exercised(since)
        assert ways.known() == {UNITS[0], NODE_SIX}
        assert here.unit.power_w == pytest.approx(3000, rel=0.05)

    play_on_two(play, first=first)


@FIRST
@pytest.mark.covers("AIF-2.4.1-1")
@pytest.mark.parametrize("after", range(0, 5_000, 610))
def test_a_start_under_way_and_the_second_way(first: str, after: int) -> None:
    async def play(here: House) -> None:
        ways = TwoWays(here, first)
        await ways.on_one()
        since = here.clock.monotonic()
        starting = asyncio.ensure_future(here.start(3000))
        await here.settle(after)
        await ways.on_two()
        await starting
        await here.settle(30_000)
        ways.exercised(since)
        assert here.unit.power_w == pytest.approx(3000, rel=0.05)

    play_on_two(play, first=first)


@FIRST
@pytest.mark.covers("AIF-2.4.1-1")
@pytest.mark.parametrize("after", range(0, 4_500, 530))
@pytest.mark.parametrize("delay", [SLOW, 5_000])
def test_a_stop_goes_out_in_two_seconds_while_the_second_way_is_found(first: str, after: int, delay: int) -> None:
    async def play(here: House) -> None:
        ways = TwoWays(here, first)
        await ways.on_one()
        transaction = await here.start(3000)
        here.nodes[0].config.answer_delay_ms = delay
        await ways.on_two()
        await here.settle(after)
        ordered = here.clock.monotonic()
        await here.call("RequestStopTransaction", transactionId=transaction)
        await here.settle(MINUTE)
        stops = [at for address in (UNITS[0], NODE_SIX) for at, f in ways.asked(address, ordered) if f.esv == Esv.SETC]
        assert min(stops) - ordered <= 2_200  # 2 s, and the way from the CSMS
        ways.exercised(ordered - after)
        assert here.unit.power_w == 0

    play_on_two(play, first=first)


@FIRST
@pytest.mark.covers("AIF-2.4.1-1")
def test_both_ways_from_the_first_moment(first: str) -> None:
    async def play(here: House) -> None:
        ways = TwoWays(here, first)
        await ways.on_two()
        await here.ready()
        await here.start(3000)
        await here.settle(MINUTE)
        ways.exercised(0)
        assert ways.known() == {UNITS[0], NODE_SIX}

    play_on_two(play, first=first)


@pytest.mark.covers("AIF-2.4.1-1")
@pytest.mark.parametrize("quiet", [False, True], ids=["told", "not told"])
def test_two_units_of_one_node_each_served_on_a_network_of_its_own(quiet: bool) -> None:
    """One of them is asked over IPv4 and the other over IPv6, for ever; with no 0x83 nothing says that they are one."""

    async def play(here: House) -> None:
        sims = [SimUnit(here.clock, SimUnitConfig(unit_class=code, has_id=not quiet)) for code in (0x027E, 0x02A1)]
        node = SimNode(here.clock, b"both", sims, NodeConfig(answer_delay_ms=300))
        if quiet:
            node.ident = node.ident[:4] + bytes(13)
        node.attach(BothPorts(here.lan.join(UNITS[1]), here.other_lans["six"].join(NODE_SIX)))
        await node.start()
        await here.settle(30_000)
        units = here.gateway.units
        assert [units.whereabouts(name).at.network for name in "ab"] == ["home", "six"]  # type: ignore[union-attr]
        for number, sim in enumerate(sims):
            sim.plug()
            await here.told("StatusNotification", evseId=number + 1, connectorStatus="Occupied")
        await here.settle(5 * MINUTE)
        assert units.trouble("a") is units.trouble("b") is None
        await node.close()

    evses = [{"id": number, "unit": name} for number, name in ((1, "a"), (2, "b"))]
    config = site(
        units={"a": {"network": "home"}, "b": {"class": "0x02A1", "network": "six"}},
        networks=NETWORKS,
        stations=[{"id": STATION, "csms": {"url": "ws://in.memory/"}, "evses": evses}],
    )
    play_on_two(play, config=config)


# -- commands while units are served


@FIRST
@pytest.mark.covers("AIF-2.4.1-1")
@pytest.mark.parametrize("known", [True, False], ids=["known", "not yet known"])
def test_discover_and_probe_on_one_network_while_the_unit_is_served_on_the_other(first: str, known: bool) -> None:
    async def play(here: House) -> None:
        ways = TwoWays(here, first)
        await ways.on_one()
        await here.start(3000)
        api, since = ControlApi(here.gateway), here.clock.monotonic()
        await ways.on_two()
        await here.settle(30_000 if known else 0)
        second = ways.order[1].address
        for request in ({"do": "discover", "seconds": 2}, {"do": "probe", "unit": f"[{second}]:027E01"}):
            answer = await api.answer(json.dumps({"api": 1, **request}), lambda _: None)
            assert "error" not in answer, answer
        ways.exercised(since)
        assert len(ways.asked(second, since)) > 20
        assert here.unit.power_w == pytest.approx(3000, rel=0.05)

    play_on_two(play, first=first)


# -- nobody else pays for a newcomer


@pytest.mark.parametrize("order", ["stop", "limit"])
def test_a_newcomer_that_never_answers_delays_a_stop_by_two_seconds_and_others_by_its_timer(order: str) -> None:
    async def play(here: House) -> None:
        ways = TwoWays(here, "home")
        await ways.on_one()
        transaction = await here.start(3000)
        mute = SimNode(here.clock, b"mute", [SimUnit(here.clock)], NodeConfig(answers_never=True))
        mute.attach(here.other_lans["six"].join("fe80::9"))
        await mute.start()
        await here.settle(1_500)
        asked = here.clock.monotonic()
        assert ways.asked("fe80::9")
        if order == "stop":
            await here.call("RequestStopTransaction", transactionId=transaction)
        else:
            await here.limit(1500, transaction)
        await here.settle(MINUTE)
        writes = [at for at, frame in ways.asked(UNITS[0], asked) if frame.esv == Esv.SETC]
        assert min(writes) - asked <= (2_200 if order == "stop" else 21_000)
        assert here.unit.power_w == (0 if order == "stop" else pytest.approx(1500, rel=0.05))
        await mute.close()

    play_on_two(play)


def test_who_is_known_not_to_answer_delays_nobody() -> None:
    async def play(here: House) -> None:
        ways = TwoWays(here, "home")
        await ways.on_one()
        await here.start(3000)
        await here.settle(2 * MINUTE)  # the other unit's address has been asked in vain by now
        since = here.clock.monotonic()
        await here.settle(5 * MINUTE)
        assert ways.asked("fe80::9", since)
        polls = [at for at, _ in ways.asked(UNITS[0], since)]
        assert max(b - a for a, b in pairwise(polls)) < 15_000

    units = {"car": {"network": "home"}, "gone": {"address": "fe80::9", "network": "six"}}
    evses = [{"id": 1, "unit": "car"}, {"id": 2, "unit": "gone"}]
    stations = [{"id": STATION, "csms": {"url": "ws://in.memory/"}, "evses": evses}]
    play_on_two(play, config=site(units=units, networks=NETWORKS, stations=stations))


def test_on_a_single_network_nobody_is_asked_more_than_before() -> None:
    async def play(here: House) -> None:
        await here.settle(MINUTE)
        asked = [frame.deoj for frame in here.sent() if frame.esv == Esv.GET and frame.props[0].epc == 0x83]
        assert set(asked) == {0x027E01}

    run(play)
