"""A simulated unit alone on a network, with a controller of a few lines: what the "Device" clauses of the AIF are held
against. The requests are those of the document, written here byte by byte.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bridge.clock import run_virtual
from bridge.sim.codec import Esv, SimFrame
from bridge.sim.unit import SimUnitConfig
from tests.tools.sim_controller import House

BOTH_WAYS, CHARGER = 0x027E, 0x02A1
#: Equipment types that exist, by class (AIF 2.3).
TYPES = {
    BOTH_WAYS: (0x11, 0x12, 0x13, 0x21, 0x22, 0x23, 0x31, 0x32, 0x33, 0x41, 0x42, 0x43, 0x51, 0x52, 0x53),
    CHARGER: (0x11, 0x12, 0x21, 0x31, 0x41, 0x51),
}
#: Groups of releases that differ and have equipment types.
RELEASES = ("J", "M", "N", "P", "Q", "R")
KINDS = [(code, kind, release) for code, kinds in TYPES.items() for kind in kinds for release in RELEASES]
#: The same without releases, where the release does not matter: the newest.
NEWEST = [(code, kind, "R") for code, kinds in TYPES.items() for kind in kinds]

#: Super class properties that the sequences of AIF 3.1 ask for.
SUPER = (0x80, 0x81, 0x82, 0x88, 0x8A, 0x9D, 0x9E, 0x9F)
#: What battery properties each class has (AIF 2.4.6).
BATTERY = {
    BOTH_WAYS: (0xC0, 0xC2, 0xC4, 0xD0, 0xE2, 0xE4, 0xCE, 0xCF),
    CHARGER: (0xD0, 0xE2, 0xE4, 0xCE, 0xCF),
}


def name(kind: tuple[int, int, str]) -> str:
    """As `027E-32-R`."""
    return f"{kind[0]:04X}-{kind[1]:02X}-{kind[2]}"


def config(kind: tuple[int, int, str], **more: Any) -> SimUnitConfig:
    """The simulation of a class, type and release."""
    return SimUnitConfig(unit_class=kind[0], equipment_type=kind[1], release=kind[2], **more)


class Device(House):
    """One unit; its object is `eoj`."""

    @property
    def eoj(self) -> int:
        return self.unit.eoj

    async def read(self, *epcs: int) -> SimFrame:
        """The answer to one Get."""
        return await self.ask(Esv.GET, *epcs, deoj=self.eoj)

    async def values(self, *epcs: int) -> dict[int, bytes]:
        """The data of one Get, empty where it was refused."""
        return {prop.epc: prop.edt for prop in (await self.read(*epcs)).props}

    async def value(self, epc: int) -> bytes:
        """One property."""
        return (await self.values(epc))[epc]

    async def write(self, epc: int, edt: bytes) -> SimFrame:
        """The answer to one SetC."""
        return await self.ask(Esv.SETC, (epc, edt), deoj=self.eoj)


def play(scene: Callable[[Device], Awaitable[None]], unit: SimUnitConfig, **more: Any) -> None:
    """Play with a unit on virtual time."""

    async def main() -> None:
        device = Device(unit, **more)
        try:
            await scene(device)
        finally:
            await device.node.close()

    run_virtual(main())
