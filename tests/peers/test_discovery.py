"""Our gateway finds, reads and switches npm's echonet-lite, on IPv4 and on IPv6."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.peers.programs import Program, address
from tests.peers.site import Place, Site, profile, running

pytestmark = pytest.mark.peers


def own_ipv6() -> str | None:
    """An IPv6 address of this machine beside ::1; nothing is sent to find it out."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("2001:db8::1", 9))
        except OSError:
            return None
        found = str(probe.getsockname()[0])
    return found if found != "::1" else None


@asynccontextmanager
async def device_at(*place: str) -> AsyncIterator[Program]:
    """The device on an address (and a card)."""
    program = await Program.node("device.js", *place)
    try:
        await program.event("ready")
        yield program
    finally:
        await program.stop()


async def read_and_switched(site: Site) -> None:
    """The device is read, charged under a limit, and stopped."""
    heard = {epc for line in site.device.lines if line["event"] == "heard" for epc in line["properties"]}
    assert {"82", "9f", "c7", "da", "cc"} <= heard
    transaction = await site.start()
    await site.mode("42")
    limit = {"evseId": 1, "chargingProfile": profile(2500, transaction)}
    assert (await site.call("SetChargingProfile", limit))["status"] == "Accepted"
    await site.device.event("changed", epc="eb", edt="000009c4")
    await site.device.event("changed", epc="d3", edt="000009c4")
    assert (await site.call("RequestStopTransaction", {"transactionId": transaction}))["status"] == "Accepted"
    await site.mode("47")
    await site.transaction("Ended")
    assert site.complaints() == []


@pytest.mark.covers("AIF-1-3", "AIF-3.1.2-1")
async def test_over_ipv4_it_is_found_by_multicast(packages: None, tmp_path: Path) -> None:
    async with device_at(address(2)) as device, running(tmp_path, device, Place(unit={})) as site:
        await read_and_switched(site)


@pytest.mark.covers("AIF-1-3")
async def test_over_ipv6_it_is_found_at_its_address(packages: None, tmp_path: Path) -> None:
    """On the loopback there is no IPv6 multicast, so no news but by polls: see `tests/netns`."""
    own = own_ipv6()
    if own is None:
        pytest.skip("two nodes on one machine need two IPv6 addresses, and this one has only ::1")
    place = Place(network={"bind": "::1", "interface": "lo"}, unit={"address": own})
    async with device_at(own, "lo") as device:
        await device.command("plug 50")
        async with running(tmp_path, device, place, "Occupied") as site:
            await read_and_switched(site)
