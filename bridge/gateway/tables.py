"""The mapping tables of a running site: which one serves a unit, and how they are exchanged while it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import Any, TypeVar

import structlog

from bridge.charger.serving import Served
from bridge.errors import MappingError
from bridge.mapping.choice import Quarantine, choose, facts_wanted
from bridge.mapping.load import Mappings
from bridge.records import dataclass

_log = structlog.get_logger(__name__)
T = TypeVar("T")

#: Runs what takes its time (reading and compiling files) where it holds up nobody.
Aside = Callable[[Callable[[], T]], Awaitable[T]]


async def at_once(work: Callable[[], Any]) -> Any:
    """Nowhere else: on a virtual clock there are no threads."""
    return work()


@dataclass(frozen=True)
class Reloaded:
    """What came of reading the tables anew. `error`: nothing was exchanged. `broken`: overlays that cannot be used."""

    content_hash: str
    error: str | None = None
    broken: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class SiteTables:
    """The `Chooser` of all units. `load` reads the files anew; it and the choosing are done `aside`."""

    def __init__(
        self, mappings: Mappings, load: Callable[[], Mappings] | None = None, aside: Aside[Any] = at_once
    ) -> None:
        self.mappings = mappings
        self._load = load
        self._aside = aside
        _tell_broken(mappings)

    def wanted(self, class_code: int, release: str, facts: Mapping[int, bytes]) -> frozenset[int]:
        """The properties that have to be read before a table can be chosen."""
        return facts_wanted(self.mappings, class_code, release, facts)

    async def choose(self, class_code: int, release: str, facts: Mapping[int, bytes]) -> Served:
        """The table for a unit that has told these. Where none is right, the class's comes with the reason."""
        mappings = self.mappings
        try:
            found = await self._aside(lambda: choose(mappings, class_code, release, facts))
        except MappingError as error:
            return Served(mappings.table(class_code), quarantine=str(error))
        if isinstance(found, Quarantine):
            return Served(mappings.table(class_code), overlays=found.overlays, quarantine=found.reason)
        return Served(found.table, found.why, found.overlays)

    async def reload(self) -> Reloaded:
        """Read the files anew. With a mistake in a dictionary or in a class's table everything stays as it was."""
        before = self.mappings
        if self._load is None:
            return Reloaded(before.content_hash, "this gateway was started without files to read anew")
        try:
            mappings: Mappings = await self._aside(self._load)
            for class_code in before.tables:
                mappings.table(class_code)
        except MappingError as error:
            _log.error("mapping tables not exchanged: they have mistakes", mistakes=str(error).splitlines())
            return Reloaded(before.content_hash, str(error))
        self.mappings = mappings
        _log.info("mapping tables read anew", before=before.content_hash, now=mappings.content_hash)
        _tell_broken(mappings)
        return Reloaded(mappings.content_hash, broken={name: each.errors for name, each in mappings.broken.items()})


def _tell_broken(mappings: Mappings) -> None:
    for name, overlay in mappings.broken.items():
        _log.error("overlay cannot be used", overlay=name, file=overlay.file, mistakes=overlay.errors)
