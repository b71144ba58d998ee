"""A storm on one address: python storm_sender.py TARGET UNIT RATE SECONDS

Sends what nobody asked for, all kinds in turns: answers with every TID one after the other (so also with those of open
requests) from wrong addresses and, from the unit's own address, of wrong objects and services; notifications and INFC
of strangers and of the unit, forged instance lists, requests, garbage. Ends with a line: how many, how long it took.
"""

from __future__ import annotations

import itertools
import json
import socket
import sys
import time
from collections.abc import Iterator

PORT, UNIT, CONTROLLER, PROFILE = 3610, "027E01", "05FF01", "0EF001"
STRANGERS = 100
#: Object, to, service and properties; whether it comes from the unit's own address.
KINDS = (
    (UNIT, CONTROLLER, "72", "01DA0142", False),
    ("027E02", CONTROLLER, "71", "01DA00", True),
    (UNIT, CONTROLLER, "7A", "01DA00", True),
    ("013001", PROFILE, "73", "01800130", False),
    (UNIT, PROFILE, "73", "01F00101", True),
    (PROFILE, PROFILE, "73", "01D50401027E01", False),
    (UNIT, CONTROLLER, "74", "01C70143", False),
    (CONTROLLER, PROFILE, "62", "019F00", False),
    (UNIT, CONTROLLER, "72", "01DA09", False),
    ("", "", "", "", False),
)


def datagrams() -> Iterator[tuple[bytes, bool]]:
    """Each datagram, and whether the unit sends it."""
    parts = [tuple(bytes.fromhex(part) for part in kind[:4]) for kind in KINDS]
    for number in itertools.count(1):
        tid = (number // len(KINDS) & 0xFFFF).to_bytes(2)
        for (seoj, deoj, service, rest), kind in zip(parts, KINDS, strict=True):
            yield (b"\x10\x81" + tid + seoj + deoj + service + rest), kind[4]


def bound(address: str) -> socket.socket:
    """A socket that sends from an address, and from whatever port: senders' ports mean nothing."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, 0))
    return made


def main(target: str, unit: str, rate: int, seconds: float) -> None:
    """Send at the rate, evenly, in steps of a millisecond."""
    net = unit.rpartition(".")[0].rpartition(".")[0]
    from_unit, strangers = bound(unit), [bound(f"{net}.200.{number + 1}") for number in range(STRANGERS)]
    sent, source, began = 0, datagrams(), time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        for data, own in itertools.islice(source, max(0, int(passed * rate) - sent)):
            (from_unit if own else strangers[sent % STRANGERS]).sendto(data, (target, PORT))
            sent += 1
        time.sleep(0.001)
    print(json.dumps({"sent": sent, "seconds": time.perf_counter() - began}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
