"""This machine's own addresses, for commands that were not told from which to look."""

from __future__ import annotations

import socket
import struct
import sys
from typing import Final

from bridge.echonet.wellknown import PORT

_SIOCGIFADDR: Final = 0x8915  # Linux: the IPv4 address of a network card
_LOOPBACK: Final = "127."


def own_addresses(card: str | None = None) -> list[tuple[str, str]]:
    """Each network card's name and IPv4 address, or one card's; the loopback only where there is nothing else."""
    found = [(name, address) for _, name in socket.if_nameindex() if (address := _address(name)) is not None]
    if card is not None:
        return [each for each in found if each[0] == card]
    return [each for each in found if not each[1].startswith(_LOOPBACK)] or found


def _address(card: str) -> str | None:
    if sys.platform != "linux":
        return None
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            told = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("256s", card.encode()[:15]))
        except OSError:
            return None
    return socket.inet_ntoa(told[20:24])


def way_to(unit: str) -> str | None:
    """Our own IPv4 address on the way to a unit that is named by its address; None if it is not, or there is none."""
    from bridge.gateway.inspect import parse_place

    place = parse_place(unit)
    if place is None or ":" in place[0]:
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((place[0], PORT))  # sends nothing: the system only chooses the way
        except OSError:
            return None
        return str(probe.getsockname()[0])
