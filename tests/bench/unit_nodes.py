"""Many units on the loopback that answer at once with canned values: python unit_nodes.py SETTINGS (JSON).

They are cheap, so that a machine of two cores can show what the gateway costs. Values that a unit measures are others
at every reading. Each line on the standard input is a JSON object; each is answered by one on the standard output:

    {"inform": 50, "seconds": 20}  plug and unplug one unit after the other, so many a second; then how many were told
    {"count": true}                what has been asked since the last such line; when what was last written; and in all,
                                   too early
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections import Counter, defaultdict
from typing import Any

PORT, UNIT, PROFILE = 3610, 0x027E01, 0x0EF001
PLUGGED, FREE, CHARGING = b"\x43", b"\x30", b"\x42"
#: How long (s) a unit of this manner may not be asked anything else (AIF 2.4.1), less what a busy machine loses.
BUSY = {"silent": 19.5, "late": 18.5}


def node_address(number: int) -> str:
    """Where a unit is."""
    return f"127.62.{10 + number // 250}.{1 + number % 250}"


def property_map(epcs: set[int]) -> bytes:
    """Count and list, from 16 properties on count and bitmap."""
    if len(epcs) < 16:
        return bytes((len(epcs), *sorted(epcs)))
    bits = bytearray(16)
    for epc in epcs:
        bits[epc & 15] |= 1 << ((epc >> 4) - 8)
    return bytes((len(epcs), *bits))


def canned(number: int) -> dict[int, bytes]:
    """The properties of a unit of Release P, plugged in and stopped."""
    watts = (6000).to_bytes(4)
    values = {
        0x80: b"0", 0x81: b"\0", 0x82: b"\0\0P\0", 0x88: b"B", 0x8A: b"\0\0w", 0xCC: b"2", 0xC7: PLUGGED,
        0x83: b"\xfe\0\0w" + b"bench" + number.to_bytes(8), 0xC0: (30000).to_bytes(4), 0xC2: (15000).to_bytes(4),
        0xC4: b"2", 0xC5: watts, 0xC6: watts, 0xC8: (500).to_bytes(4) + watts, 0xC9: (500).to_bytes(4) + watts,
        0xCA: bytes.fromhex("000F012C"), 0xCB: bytes.fromhex("000F012C"), 0xCE: (30000).to_bytes(4),
        0xCF: (15000).to_bytes(4), 0xD0: (40000).to_bytes(4), 0xD3: bytes(4), 0xD4: bytes(2), 0xD5: (350).to_bytes(2),
        0xD6: (1000).to_bytes(4), 0xD8: (2000).to_bytes(4), 0xDA: b"G", 0xDB: b"\0", 0xDC: b"\1", 0xDD: b"\1",
        0xE2: (20000).to_bytes(4), 0xE4: b"2", 0xE6: b"\0", 0xEB: watts, 0xEC: watts, 0xED: (150).to_bytes(2),
        0xEE: (150).to_bytes(2), 0x86: bytes(4), 0x89: bytes(2),
    }  # fmt: skip
    values[0x9D] = property_map({0x80, 0x81, 0x88, 0xC7, 0xDA, 0xDC, 0xDD})
    values[0x9E] = property_map({0x81, 0xCD, 0xDA, 0xDC, 0xDD, 0xEB, 0xEC, 0xED, 0xEE})
    values[0x9F] = property_map({*values, 0x9F})
    return values


class Node:
    """One unit. `manner`: `good`, `silent`, `garbage`, or `late`, which answers after 19 s."""

    def __init__(self, number: int, manner: str, group: str) -> None:
        self.address, self.manner = node_address(number), manner
        self.values = canned(number)
        self.asked: Counter[int] = Counter()
        self.sets: dict[int, float] = {}  # when each setting was last written (s since 1970)
        self.reads = 0
        self.too_early = 0
        self._busy_until = 0.0
        self._group = (group, PORT)
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((self.address, PORT))
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(self.address))
        self._loop.add_reader(self._socket, self._readable)

    def _readable(self) -> None:
        data, source = self._socket.recvfrom(4096)
        if data[10] not in (0x61, 0x62):
            return
        self.reads += data[10] == 0x62
        now = self._loop.time()
        self.too_early += now < self._busy_until
        self._busy_until = now + BUSY.get(self.manner, 0.0)
        answer = self._answer(data)
        if self.manner == "good":
            self._socket.sendto(answer, (source[0], PORT))
        elif self.manner == "garbage":
            self._socket.sendto(answer[: 13 + self.reads % 9] + b"\xff" * (self.reads % 5), (source[0], PORT))
        elif self.manner == "late":
            self._loop.call_later(19, self._socket.sendto, answer, (source[0], PORT))

    def _answer(self, data: bytes) -> bytes:
        deoj = int.from_bytes(data[7:10])
        parts, at, refused = [], 12, False
        for _ in range(data[11]):
            epc, size = data[at], data[at + 1]
            edt = b""
            if data[10] == 0x62:
                self.asked[epc] += 1
                edt = self._value(epc) if deoj == UNIT else self.values.get(epc, b"") if epc == 0x83 else b""
                refused |= not edt
            else:
                self.values[epc] = data[at + 2 : at + 2 + size]
                self.sets[epc] = time.time()
            parts.append(bytes((epc, len(edt))) + edt)
            at += 2 + size
        service = {0x61: 0x71, 0x62: 0x52 if refused else 0x72}[data[10]]
        return b"\x10\x81" + data[2:4] + data[7:10] + data[4:7] + bytes((service, data[11])) + b"".join(parts)

    def _value(self, epc: int) -> bytes:
        """What it measures is another at every reading."""
        if epc == 0xD3:
            flowing = 3000 if self.values[0xDA] == CHARGING else 0
            return (flowing + self.reads % 7).to_bytes(4)
        if epc == 0xD5:
            return (340 + self.reads % 20).to_bytes(2)
        if epc == 0xE2:
            return (20000 + self.reads % 100).to_bytes(4)
        return self.values.get(epc, b"")

    def inform(self) -> None:
        """Plug in or unplug, and tell all."""
        plugged = self.values[0xC7] != PLUGGED
        self.values[0xC7] = PLUGGED if plugged else FREE
        frame = b"\x10\x81\0\0" + UNIT.to_bytes(3) + PROFILE.to_bytes(3) + b"\x73\x01\xc7\x01" + self.values[0xC7]
        self._socket.sendto(frame, self._group)


async def inform(nodes: list[Node], rate: float, seconds: float) -> int:
    """One after the other, at the rate; how many."""
    began, count = time.perf_counter(), int(rate * seconds)
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        nodes[number % len(nodes)].inform()
    return count


async def main(settings: dict[str, Any]) -> None:
    """Serve until the standard input ends."""
    manners = defaultdict(lambda: "good", {int(number): manner for number, manner in settings["manners"].items()})
    nodes = [Node(number, manners[number], settings["group"]) for number in range(settings["units"])]
    good = [node for node in nodes if node.manner == "good"]
    print(json.dumps({"ready": len(nodes)}), flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        if "inform" in order:
            print(json.dumps(await inform(good, order["inform"], order["seconds"])), flush=True)
            continue
        told = {node.address: {"reads": node.reads, "asked": {f"{e:02X}": c for e, c in node.asked.items()},
                               "set_at": {f"{e:02X}": at for e, at in node.sets.items()},
                               "too_early": node.too_early}
                for node in nodes}  # fmt: skip
        for node in nodes:
            node.reads = 0
            node.asked.clear()
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
