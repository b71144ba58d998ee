"""Objects that live beside a charger at the same address and are none of the gateway's business."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.sim.codec import property_map
from bridge.sim.device import Announce

_SETTABLE = {0x027D: (0xDA,), 0x0279: (), 0x0130: (0x80, 0xB0, 0xB3)}

#: By class: what each reads as, beside its super class.
_VALUES: dict[int, dict[int, bytes]] = {
    0x027D: {
        0xA0: (5_600).to_bytes(4, "big"),
        0xCF: b"\x44",
        0xD3: bytes(4),
        0xDA: b"\x46",
        0xE2: (2_800).to_bytes(4, "big"),
        0xE4: b"\x32",
        0xE6: b"\x04",
    },
    0x0279: {0xD0: b"\x00", 0xE0: (1_840).to_bytes(2, "big"), 0xE1: (123_456).to_bytes(4, "big")},
    0x0130: {0xB0: b"\x42", 0xB3: b"\x1a", 0xBB: b"\x19"},
}


class Neighbour:
    """A device of another class that answers plainly."""

    def __init__(self, class_code: int, instance: int | None = None) -> None:
        self.class_code = class_code
        self.wanted_instance = instance
        self.silent = False
        self.quirks: Mapping[str, object] = {}
        self._values = {
            0x80: b"\x30",
            0x81: b"\x00",
            0x82: b"\x00\x00M\x00",
            0x88: b"\x42",
            0x8A: b"\x00\x00\x77",
            **_VALUES[class_code],
        }
        self._settable = _SETTABLE[class_code]
        self._values[0x9D] = property_map((0x80, 0x81, 0x88))
        self._values[0x9E] = property_map(self._settable)
        self._values[0x9F] = property_map((*self._values, 0x83, 0x9F))

    def bind(self, own_eoj: int, ident: bytes, announce: Announce) -> None:
        """Told by the node that carries it."""
        self._values[0x83] = ident

    def read(self, epc: int) -> bytes | None:
        """A property's data; None = refused."""
        return self._values.get(epc)

    def write(self, epc: int, edt: bytes, source: str) -> bool:
        """Take a property's data; False = refused."""
        if epc in self._settable:
            self._values[epc] = edt
        return epc in self._settable

    def close(self) -> None:
        """Nothing runs."""


class StrangeObject:
    """An object of no known class: its maps are none, its release has the wrong size, all else is refused."""

    class_code = 0x5AFE
    wanted_instance: int | None = 0x1F
    silent = False
    quirks: Mapping[str, object] = {}

    def bind(self, own_eoj: int, ident: bytes, announce: Announce) -> None:
        """Told by the node that carries it."""

    def read(self, epc: int) -> bytes | None:
        """A property's data; None = refused."""
        return {0x80: b"\x7f\x7f", 0x82: b"\xff", 0x9D: b"\x03", 0x9E: b"\x40\x01", 0x9F: b"\xff" * 20}.get(epc)

    def write(self, epc: int, edt: bytes, source: str) -> bool:
        """Refused."""
        return False

    def close(self) -> None:
        """Nothing runs."""


def neighbours() -> list[Neighbour]:
    """A house's usual ones: a storage battery, solar panels, an air conditioner."""
    return [Neighbour(0x027D, 0x1F), Neighbour(0x0279), Neighbour(0x0130)]
