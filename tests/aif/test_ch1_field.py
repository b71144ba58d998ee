"""AIF chapter 1: several devices, several controllers, the releases, IPv4 and IPv6."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from bridge.echonet.udp import UdpLan, open_udp
from bridge.gateway.config import SiteConfig
from bridge.sim.control import SimUnit
from bridge.sim.node import SimNode
from bridge.sim.unit import SimUnitConfig
from tests.tools.house import GATEWAY, MINUTE, TOKEN, UNITS, House, run, site
from tests.tools.tables import shipped

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])


def _three() -> SiteConfig:
    units = {
        "a": {"address": UNITS[0], "instance": 1},
        "b": {"address": UNITS[0], "instance": 2},
        "c": {"address": UNITS[1], "instance": 1},
    }
    evses = [{"id": number, "unit": unit} for number, unit in enumerate(units, 1)]
    return site(units=units, stations=[{"id": "CS-1", "csms": {"url": "ws://in.memory/"}, "evses": evses}])


@pytest.mark.covers("AIF-1-1")
def test_several_devices_and_several_objects_of_one_node_are_served_apart() -> None:
    """Two objects of one node and a third of another: what one tells or is told concerns no other."""

    async def play(house: House) -> None:
        sims = [SimUnit(house.clock), SimUnit(house.clock), SimUnit(house.clock)]
        nodes = [SimNode(house.clock, b"both", sims[:2]), SimNode(house.clock, b"third", sims[2:])]
        for node, address in zip(nodes, UNITS, strict=False):
            node.attach(house.lan.join(address))
            await node.start()
        for number in (1, 2, 3):
            await house.told("StatusNotification", evseId=number, connectorStatus="Available")
        for number in (2, 3, 1):
            since = house.now
            sims[number - 1].plug()
            status = await house.told("StatusNotification", since)
            assert (status["evseId"], status["connectorStatus"]) == (number, "Occupied")
        for number, watts in ((2, 1000), (3, 2000), (1, 3000)):
            sent = house.now
            answer = await house.call(
                "RequestStartTransaction",
                evseId=number,
                remoteStartId=number,
                idToken=TOKEN,
                chargingProfile=_profile(number, watts),
            )
            assert answer["status"] == "Accepted"
            event = await house.told("TransactionEvent", sent, transactionInfo__chargingState="Charging")
            assert event["transactionInfo"]["remoteStartId"] == number if event["eventType"] == "Started" else True
            await sims[number - 1].until(lambda unit, watts=watts: unit.power_w == watts)  # type: ignore[misc]
        assert [unit.power_w for unit in sims] == [3000, 1000, 2000]
        for node in nodes:
            await node.close()

    run(play, config=_three(), start_nodes=False, wait=False, units={UNITS[2]: SimUnitConfig()})


def _profile(number: int, watts: int) -> dict[str, object]:
    periods = [{"startPeriod": 0, "limit": watts}]
    return {
        "id": number,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [{"id": number, "chargingRateUnit": "W", "chargingSchedulePeriod": periods}],
    }


@pytest.mark.covers("AIF-1-2")
@pytest.mark.parametrize("who", ["another controller", "a person at the unit"])
def test_the_mode_that_somebody_else_sets_holds_and_is_told(who: str) -> None:
    """The write that arrives last wins; the CSMS hears of it, and the bridge does not fight."""

    async def play(house: House) -> None:
        await house.start(3000)
        since, written = house.now, len(house.writes())
        if who == "another controller":
            assert house.unit.foreign_write(0xDA, b"\x44")
        else:
            assert house.unit.panel("standby")
        assert house.unit.mode == 0x44
        event = await house.told("TransactionEvent", since, triggerReason="ChargingStateChanged")
        assert event["transactionInfo"]["chargingState"] == "SuspendedEVSE"
        await house.settle(5 * MINUTE)
        assert house.unit.mode == 0x44
        assert house.writes()[written:] == []

    run(play)


@pytest.mark.covers("AIF-1-2")
def test_a_start_by_somebody_else_is_told() -> None:
    async def play(house: House) -> None:
        house.unit.plug()
        await house.told("StatusNotification", connectorStatus="Occupied")
        since = house.now
        assert house.unit.foreign_write(0xDA, b"\x42")
        event = await house.told("TransactionEvent", since, eventType="Started")
        assert event["transactionInfo"].get("remoteStartId") is None
        await house.told("TransactionEvent", since, transactionInfo__chargingState="Charging")

    run(play)


#: What each release of the two EV classes defines anew (facts of Appendix 1.3.1): property, value, its name.
NEW_VALUES = [
    (0x027E, 0xDA, 0x41, "rapidCharge", "DEF"),
    (0x027E, 0xDA, 0x45, "test", "DEF"),
    (0x027E, 0xDA, 0x47, "idle", "GHIJKLMNPQR"),
    (0x027E, 0xDA, 0x46, "chargingDischarging", "NPQR"),
    (0x027E, 0xDA, 0x48, "preparation", "PQR"),
    (0x027E, 0xDA, 0x49, "automatic", "PQR"),
    (0x027E, 0xC7, 0xFF, "undefined", "GHIJKLMNPQR"),
    (0x027E, 0xC7, 0x44, "unknown", "JKLMNPQR"),
    (0x027E, 0xDC, 0x03, "designatedElectricPower", "NPQR"),
    (0x027E, 0xDC, 0x06, "v2G", "PQR"),
    (0x027E, 0xE1, 0x42, "charge", "QR"),
    (0x02A1, 0xDA, 0x42, "charge", "GHIJKLMNPQR"),
    (0x02A1, 0xDA, 0x47, "idle", "GHIJKLMNPQR"),
    (0x02A1, 0xC7, 0x44, "unknown", "JKLMNPQR"),
    (0x02A1, 0xCC, 0x11, "ac_cplt", "GHIJKLMNPQR"),
]


@pytest.mark.covers("AIF-1.2-1")
@pytest.mark.parametrize(("code", "epc", "value", "meaning", "releases"), NEW_VALUES)
def test_a_value_means_what_its_release_says_and_else_nothing(
    code: int, epc: int, value: int, meaning: str, releases: str
) -> None:
    device = shipped().classes[code]
    first = "D" if code == 0x027E else "G"
    for letter in "DEFGHIJKLMNPQR":
        if letter >= first:
            decoded = device.at(letter).decode(epc, bytes([value]))
            assert (getattr(decoded, "name", None) == meaning) == (letter in releases), letter


@pytest.mark.covers("AIF-1.2-1")
def test_a_unit_of_a_release_that_nobody_knows_is_read_and_never_started() -> None:
    """Unknown stays unknown: the fault is understood (super class), the mode is not guessed, nothing is ordered."""

    async def play(house: House) -> None:
        await house.settle(10_000)
        await house.call("RequestStartTransaction", evseId=1, remoteStartId=1, idToken=TOKEN)
        await house.settle(2 * MINUTE)
        assert house.writes() == []
        house.unit.fault()
        await house.told("StatusNotification", connectorStatus="Faulted")

    run(play, units={UNITS[0]: SimUnitConfig(plugged=True, answers={0x82: b"\x00\x00S\x00"})}, wait=False)


@pytest.mark.covers("AIF-1-3")
async def test_ipv4_and_ipv6_take_and_send_at_the_same_time() -> None:
    """One process, both families, the same port: datagrams come in with their sender's address and go out."""
    port = 37_300 + WORKER
    four = await open_udp(f"127.78.{WORKER}.2", port=port, group=f"239.78.{WORKER}.1")
    six = await open_udp("::1", port=port, interface="lo")
    try:
        assert await _arrives(four, socket.AF_INET, f"127.78.{WORKER}.3", (f"127.78.{WORKER}.2", port))
        assert await _arrives(six, socket.AF_INET6, "::1", ("::1", port))
    finally:
        await four.close()
        await six.close()
    for family, bind, peer in (
        (socket.AF_INET, f"127.78.{WORKER}.2", f"127.78.{WORKER}.3"),
        (socket.AF_INET6, "::", "::1"),
    ):
        assert await _leaves(family, bind, peer, port + 50) == b"to you"


async def _arrives(lan: UdpLan, family: socket.AddressFamily, source: str, to: tuple[str, int]) -> bool:
    came: asyncio.Queue[tuple[bytes, str]] = asyncio.Queue()
    lan.attach(lambda data, address: came.put_nowait((data, address)))
    with socket.socket(family, socket.SOCK_DGRAM) as other:
        other.bind((source, 0))
        other.sendto(b"hello", to)
        async with asyncio.timeout(5):
            return await came.get() == (b"hello", source)


async def _leaves(family: socket.AddressFamily, bind: str, peer: str, port: int) -> bytes:
    with socket.socket(family, socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((peer, port))
        other.settimeout(5)
        more = {"group": f"239.78.{WORKER}.1"} if family is socket.AF_INET else {"interface": "lo"}
        lan = await open_udp(bind, port=port, **more)
        try:
            lan.send(b"to you", peer)
            return await asyncio.to_thread(other.recv, 100)
        finally:
            await lan.close()


@pytest.mark.covers("AIF-1-3")
def test_a_gateway_serves_units_on_an_ipv4_and_an_ipv6_network_at_once() -> None:
    async def play(house: House) -> None:
        unit = SimUnit(house.clock)
        node = SimNode(house.clock, b"six", [unit])
        node.attach(house.other_lans["six"].join("fe80::20"))
        await node.start()
        for number in (1, 2):
            await house.told("StatusNotification", evseId=number, connectorStatus="Available")
        for number, plugged in ((2, unit), (1, house.unit)):
            since = house.now
            plugged.plug()
            assert (await house.told("StatusNotification", since, connectorStatus="Occupied"))["evseId"] == number
            await house.call("RequestStartTransaction", evseId=number, remoteStartId=number, idToken=TOKEN)
            await plugged.until(lambda one: one.power_w > 0)
        await node.close()

    units = {"four": {"address": UNITS[0], "network": "home"}, "six": {"address": "fe80::20", "network": "six"}}
    evses = [{"id": 1, "unit": "four"}, {"id": 2, "unit": "six"}]
    config = site(
        networks={"home": {"bind": GATEWAY}, "six": {"bind": "fe80::1", "interface": "lan"}},
        units=units,
        stations=[{"id": "CS-1", "csms": {"url": "ws://in.memory/"}, "evses": evses}],
    )
    run(play, config=config, other_networks={"six": "fe80::1"}, wait=False)
