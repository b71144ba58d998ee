"""ECHONET Lite with stacks that we did not write: npm's echonet-lite as a device, pychonet as a controller."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

import pytest
from pychonet import ECHONETAPIClient
from pychonet.lib.udpserver import UDPServer

from bridge.clock import Clock
from bridge.echonet.frame import Frame, Property, Service, decode, decode_property_map, encode
from bridge.echonet.udp import open_udp
from bridge.sim.control import SimUnit
from bridge.sim.node import SimNode
from bridge.sim.udp import start_units_udp
from bridge.sim.unit import SimUnitConfig
from tests.peers.programs import Program, address

pytestmark = pytest.mark.peers

UNIT, NODE, WE = 0x027E01, 0x0EF001, 0x05FF01


class Ear:
    """Our frames over our UDP, and nothing else of ours."""

    def __init__(self, lan) -> None:
        self._lan = lan
        self._heard: asyncio.Queue[Frame] = asyncio.Queue()
        self._tid = 0
        lan.attach(lambda data, _: self._heard.put_nowait(decode(data)))

    async def ask(self, service: Service, eoj: int, *properties: Property) -> Frame:
        """Send a request to the device and take its answer, dropping what it announces meanwhile."""
        self._tid += 1
        self._lan.send(encode(Frame(self._tid, WE, eoj, service, properties)), address(2))
        return await self.hear(lambda frame: frame.tid == self._tid and frame.service is not Service.INF)

    async def get(self, epc: int, eoj: int = UNIT) -> bytes:
        return (await self.ask(Service.GET, eoj, (epc, b""))).properties[0][1]

    async def hear(self, match) -> Frame:
        async with asyncio.timeout(20):
            while not match(frame := await self._heard.get()):
                pass
        return frame


@pytest.fixture
async def ear() -> AsyncIterator[Ear]:
    lan = await open_udp(address(1))
    try:
        yield Ear(lan)
    finally:
        await lan.close()


async def test_the_device_tells_itself_and_its_maps(device: Program, ear: Ear):
    assert await ear.get(0xD6, NODE) == bytes.fromhex("01027e01")
    assert (await ear.get(0x83, NODE))[:4] == bytes.fromhex("fe000077")
    readable = decode_property_map(await ear.get(0x9F))
    assert {0x80, 0xC7, 0xDA, 0xEB, 0x9D, 0x9E, 0x9F} <= readable
    answer = await ear.ask(Service.GET, UNIT, *((epc, b"") for epc in sorted(readable)))
    assert answer.service is Service.GET_RES
    assert {epc for epc, _ in answer.properties} == readable


async def test_the_device_obeys_refuses_and_announces(device: Program, ear: Ear):
    charge = (0xDA, b"\x42")
    refused = await ear.ask(Service.SET_C, UNIT, charge)
    assert (refused.service, refused.properties) == (Service.SET_C_SNA, (charge,))
    await device.command("plug 80")
    told = await ear.hear(lambda frame: frame.service is Service.INF and frame.properties[0][0] == 0xC7)
    assert told.properties[0][1] == b"\x43"
    power = (0xEB, (3000).to_bytes(4, "big"))
    method = (0xDC, b"\x03")
    for setting in (method, power, charge):
        assert (await ear.ask(Service.SET_C, UNIT, setting)).service is Service.SET_RES
    assert int.from_bytes(await ear.get(0xD3), "big", signed=True) == 3000
    assert (await ear.get(0xE4)) == bytes([80])
    missing = await ear.ask(Service.GET, UNIT, (0xDA, b""), (0xF0, b""))
    assert missing.service is Service.GET_SNA
    assert [len(edt) for _, edt in missing.properties] == [1, 0]
    await device.command("unplug")
    assert await ear.get(0xDA) == b"\x47"


@pytest.fixture
async def pychonet_at_3() -> AsyncIterator[ECHONETAPIClient]:
    """Another controller, at `address(3)`."""
    server = UDPServer(local_ip=address(3))
    server.run(address(3), 3610, loop=asyncio.get_running_loop())
    client = ECHONETAPIClient(server)
    client._logger = lambda _: None
    # It takes announcements of nodes that it has not asked yet for bugs of its own.
    client._state = defaultdict(lambda: None, client._state)
    try:
        yield client
    finally:
        server.close()


async def reaches(client: ECHONETAPIClient, host: str) -> None:
    """Discover a node at a known address."""
    await client.discover(host)
    for _ in range(400):
        if (client._state[host] or {}).get("discovered"):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{host} has not been discovered")


async def test_pychonet_reads_and_writes_the_device(device: Program, pychonet_at_3: ECHONETAPIClient):
    await reaches(pychonet_at_3, address(2))
    await pychonet_at_3.getAllPropertyMaps(address(2), 0x02, 0x7E, 0x01)
    await device.command("plug")
    standby = [{"EPC": 0xDA, "PDC": 1, "EDT": 0x44}]
    assert await pychonet_at_3.echonetMessage(address(2), 0x02, 0x7E, 0x01, 0x61, standby)
    await device.event("changed", epc="da", edt="44")


@pytest.mark.parametrize("unit_class", [0x027E, 0x02A1])
async def test_pychonet_reads_and_controls_our_simulated_unit(pychonet_at_3: ECHONETAPIClient, unit_class: int):
    clock = Clock(seed=1)
    unit = SimUnit(clock, SimUnitConfig(unit_class=unit_class, plugged=True, handshake_ms=0))
    ports = await start_units_udp({address(4): SimNode(clock, b"peer", [unit])}, clock)
    place = (address(4), *unit_class.to_bytes(2), 1)

    async def read(*epcs: int) -> list[int]:
        assert await pychonet_at_3.echonetMessage(*place, 0x62, [{"EPC": epc} for epc in epcs])
        return [int.from_bytes(known[epc]) for epc in epcs]

    async def order(mode: int) -> None:
        assert await pychonet_at_3.echonetMessage(*place, 0x61, [{"EPC": 0xDA, "PDC": 1, "EDT": mode}])

    try:
        await reaches(pychonet_at_3, address(4))
        await pychonet_at_3.getAllPropertyMaps(*place)
        known = pychonet_at_3._state[address(4)]["instances"][place[1]][place[2]][1]
        assert {0xC7, 0xDA} <= set(known[0x9F])
        plug, charge_level = await read(0xC7, 0xE4)
        assert plug in (0x41, 0x43)
        assert charge_level == 50
        for mode in (0x42, 0x47):
            await order(mode)
            assert await read(0xDA) == [mode]
    finally:
        for port in ports.values():
            await port.close()
