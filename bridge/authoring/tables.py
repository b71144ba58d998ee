"""Which table a tool works with: the one of a class, with the overlay that fits a unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bridge.echonet.dump import Dump
from bridge.errors import MappingError
from bridge.mapping.choice import Quarantine, choose
from bridge.mapping.decision import View
from bridge.mapping.load import Mappings
from bridge.mapping.overlay import Overlays
from bridge.mapping.table import CompiledTable, TableSource


def source_of(mappings: Mappings, class_code: int) -> TableSource:
    """The table of a class, or the only overlay for it that was asked for by name.

    Raises:
        MappingError: there is none.
    """
    asked = _asked(mappings, class_code)
    if asked is not None:
        return mappings.overlays.source(asked)
    for source in mappings.sources:
        if source.table.class_code == class_code:
            return source
    known = ", ".join(f"0x{source.table.class_code:04X}" for source in mappings.sources)
    raise MappingError(f"{mappings.folder}: there is no table for class 0x{class_code:04X} (only for {known})")


def source_for(mappings: Mappings, class_code: int, release: str, told: Mapping[int, bytes]) -> TableSource:
    """The table that a gateway would run a unit by, which has told these properties.

    Raises:
        MappingError: there is none, or the overlay for it is broken or not the only one.
    """
    asked = _asked(mappings, class_code)
    if asked is not None:
        return mappings.overlays.source(asked)  # who names one overlay wants to see what it does
    found = choose(mappings, class_code, release, told)
    if isinstance(found, Quarantine):
        raise MappingError(f"no table may run this unit: {found.reason}")
    return mappings.overlays.source(found.overlays[-1]) if found.overlays else source_of(mappings, class_code)


def _asked(mappings: Mappings, class_code: int) -> str | None:
    """The overlay, if a tool was asked for nothing but one."""
    if len(mappings.asked) != 1:
        return None
    found = (header.id for header in mappings.overlays.of_class(class_code) if header.file in mappings.asked)
    return next(found, None)


def told_by(view: View) -> dict[int, bytes]:
    """What a unit has told, by code."""
    return {epc: fact.edt for epc, fact in view.facts.items()}


def source_for_dump(mappings: Mappings, dump: Dump, without: str = "") -> TableSource:
    """The same for a dump's unit; `without`: an overlay that is about to be written, and does not count."""
    asked = _asked(mappings, dump.header.class_code)
    if asked is not None and asked != without:
        return mappings.overlays.source(asked)
    found = choose(mappings, dump.header.class_code, dump.header.release, dump.values_at())
    if isinstance(found, Quarantine):
        raise MappingError(f"no table may run this unit: {found.reason}")
    chosen = [name for name in found.overlays if name != without]
    return mappings.overlays.source(chosen[-1]) if chosen else source_of(mappings, dump.header.class_code)


def with_table(mappings: Mappings, table: CompiledTable) -> Mappings:
    """The same mappings with this table for its class and no overlay: what was chosen is what runs."""
    tables = {**mappings.tables, table.class_code: table}
    return replace(mappings, tables=tables, sources=(), meter_sources=(), overlays=Overlays())
