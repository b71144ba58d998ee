"""A store that is damaged must not keep the gateway from serving: it is set aside, and another takes its place.

The other one holds what could be salvaged. A kill at any point of this leaves a state that the next start goes on from.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

import structlog

from bridge.errors import StoreError
from bridge.records import dataclass
from bridge.store.database import StoreDamaged
from bridge.store.lock import StoreLock
from bridge.store.sqlite import SqliteStore, open_store

_log = structlog.get_logger(__name__)

#: What SQLite keeps beside a file; it belongs to the damaged one.
_COMPANIONS: Final = ("-wal", "-shm")
#: A salvaged store while it is made, and when it is whole and only waits for its name.
_MAKING, _READY = ".salvaging", ".salvaged"
#: So many damaged files are kept; then a person has to look.
MOST_ASIDE: Final = 10


@dataclass(frozen=True, slots=True)
class Damage:
    """What became of a damaged store: where it is now, and what came along from it, in words."""

    aside: Path
    saved: str

    def __str__(self) -> str:
        return f"the store was damaged: {self.saved}; set aside as {self.aside.name}"


async def open_or_set_aside(path: Path, *, inline: bool = False) -> tuple[SqliteStore, Damage | None]:
    """Open the store at `path`; one that is damaged is renamed, and one with what is whole of it takes its place.

    Gives back the store and what became of the damaged one. Only damage is dealt with so: a store that is locked,
    newer, another program's or not to be written raises `StoreError` as `open_store` does, and so does damage when
    `MOST_ASIDE` files were set aside already, for then the disk is at fault.
    """
    damage = _finish(path)
    if damage is None:
        try:
            return await open_store(path, inline=inline), None
        except StoreDamaged as error:
            damage = _replace(path, error)
    _log.error(
        "the store was damaged: what could be read of it is saved, it is set aside",
        path=str(path),
        aside=str(damage.aside),
        saved=damage.saved,
        mend="check the disk, and the system's log for its errors; keep the file for whoever looks for the rest of it",
    )
    return await open_store(path, inline=inline), damage


def _finish(path: Path) -> Damage | None:
    """A kill fell between the salvage and the renaming: go on from there."""
    ready = _beside(path, _READY)
    if not ready.exists():
        return None
    lock = StoreLock(path)
    try:
        aside = _set_aside(path, StoreError(f"{path}: it is damaged")) if path.exists() else _last_aside(path)
        ready.rename(path)
    finally:
        lock.release()
    return Damage(aside, "what could be read was saved, as the log of the start before tells")


def _replace(path: Path, error: StoreDamaged) -> Damage:
    """Salvage, set aside, and put the new store in the place of the damaged one."""
    lock = StoreLock(path)
    try:
        _free_name(path, error)  # before anything is made
        saved = _salvage(path, error)
        aside = _set_aside(path, error)
        if saved is not None:
            _beside(path, _READY).rename(path)
        return Damage(aside, saved or "nothing of it could be saved")
    finally:
        lock.release()


def _salvage(path: Path, error: StoreDamaged) -> str | None:
    """Make the new store beside the damaged one. Where that is not possible the gateway begins with an empty one."""
    from bridge.store.salvage import salvage  # hardly any gateway ever needs it

    making = _beside(path, _MAKING)
    _log.error("the store is damaged: saving what can be read", path=str(path), why=str(error))
    try:
        for suffix in ("", *_COMPANIONS):
            _beside(making, suffix).unlink(missing_ok=True)  # of a start that was killed meanwhile
        saved = salvage(path, making)
        making.rename(_beside(path, _READY))
        return str(saved)
    except (StoreError, sqlite3.Error, OSError) as trouble:
        _log.error("nothing could be saved from the damaged store: an empty one is begun", why=str(trouble))
        return None


def _set_aside(path: Path, error: StoreError) -> Path:
    aside = _free_name(path, error)
    try:
        for suffix in _COMPANIONS:
            if (beside := _beside(path, suffix)).exists():
                beside.rename(_beside(aside, suffix))
        path.rename(aside)
    except OSError as trouble:
        raise StoreError(f"{error}; it cannot be set aside either ({trouble.strerror})") from error
    return aside


def _free_name(path: Path, error: StoreError) -> Path:
    free = next((place for place in _places(path) if not place.exists()), None)
    if free is None:
        raise StoreError(f"{error}; {MOST_ASIDE} damaged ones lie beside it already: check the disk") from error
    return free


def _last_aside(path: Path) -> Path:
    return [place for place in _places(path) if place.exists()][-1]


def _places(path: Path) -> list[Path]:
    return [_beside(path, f".damaged-{number}") for number in range(1, MOST_ASIDE + 1)]


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
