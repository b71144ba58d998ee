"""A store that is damaged must not keep the gateway from serving: it is set aside, and an empty one takes its place."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import structlog

from bridge.errors import StoreError
from bridge.store.database import StoreDamaged
from bridge.store.sqlite import SqliteStore, open_store

_log = structlog.get_logger(__name__)

#: What SQLite keeps beside a file; it belongs to the damaged one.
_COMPANIONS: Final = ("-wal", "-shm")
#: So many damaged files are kept; then a person has to look.
MOST_ASIDE: Final = 10


async def open_or_set_aside(path: Path, *, inline: bool = False) -> tuple[SqliteStore, Path | None]:
    """Open the store at `path`; one that is damaged is renamed, and a new one made.

    Gives back the store and where the damaged one now is. Only damage is dealt with so: a store that is locked, newer,
    another program's or not to be written raises `StoreError` as `open_store` does, and so does damage when
    `MOST_ASIDE` files were set aside already, for then the disk is at fault.
    """
    try:
        return await open_store(path, inline=inline), None
    except StoreDamaged as error:
        aside = _set_aside(path, error)
        _log.error("the store is damaged: set aside, an empty one is begun", path=str(path), aside=str(aside),
                   why=str(error), lost="open transactions, events not delivered yet, settings, profiles")  # fmt: skip
        return await open_store(path, inline=inline), aside


def _set_aside(path: Path, error: StoreDamaged) -> Path:
    taken = (path.with_name(f"{path.name}.damaged-{number}") for number in range(1, MOST_ASIDE + 1))
    aside = next((place for place in taken if not place.exists()), None)
    if aside is None:
        raise StoreError(f"{error}; {MOST_ASIDE} damaged ones lie beside it already: check the disk") from error
    try:
        for suffix in _COMPANIONS:
            if (beside := path.with_name(path.name + suffix)).exists():
                beside.rename(aside.with_name(aside.name + suffix))
        path.rename(aside)
    except OSError as trouble:
        raise StoreError(f"{error}; it cannot be set aside either ({trouble.strerror})") from error
    return aside
