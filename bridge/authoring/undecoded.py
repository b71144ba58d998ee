"""What a dump tells that a table cannot decode: values without a meaning in the unit's release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bridge.echonet.dump import Dump
from bridge.echonet.values import Unknown
from bridge.echonet.wellknown import STANDARD_VERSION
from bridge.mapping.table import TableSource


@dataclass(frozen=True, order=True)
class Undecoded:
    """One value. `t` is when (ms) it was told first; `name` '' where the release has no such property."""

    epc: int
    edt: bytes
    name: str
    t: int

    @property
    def text(self) -> str:
        """For people."""
        what = f"{self.name} has no such value" if self.name else "this release has no such property"
        return f"{self.epc:02X}={self.edt.hex().upper()}: {what}"

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {"epc": f"{self.epc:02X}", "edt": self.edt.hex().upper(), "property": self.name or None, "t": self.t}


def undecoded(source: TableSource, dump: Dump) -> Iterator[Undecoded]:
    """Each value once, by property."""
    table = source.table
    told = dump.values_at().get(STANDARD_VERSION, b"")
    release = table.release(told) or dump.header.release
    view = table.device.at(release)
    found: dict[tuple[int, bytes], int] = {}
    for record in dump.records:
        for epc, edt in record.values.items():
            found.setdefault((epc, edt), record.t)
    for (epc, edt), t in sorted(found.items()):
        if isinstance(view.decode(epc, edt), Unknown):
            prop = view.by_epc.get(epc)
            yield Undecoded(epc, edt, prop.name if prop else "", t)
