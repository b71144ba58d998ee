"""The authorization cache (C10, C12), without I/O: what the CSMS has said of tokens, for when it need not be asked.

Tokens are kept as digests (C10.FR.12). An entry lives for AuthCacheLifeTime since the CSMS last told it, or until the
CSMS's own cacheExpiryDateTime (C10.FR.10, C10.FR.13). A full cache gives up what is not Accepted first, then what was
longest unused (C10.FR.07, Policy LRU). Every method says which rows the store has to put or delete.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Final

from bridge.records import dataclass
from bridge.station.authorization import Known, Source
from bridge.station.compact import compact
from bridge.station.messages import AuthorizationStatus

#: What a row costs beside its texts in the store (bytes); counted in AuthCacheCtrlr.Storage.
ROW_COST: Final = 16


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one token. Times are ms since 1970 of the CSMS's clock."""

    status: AuthorizationStatus
    updated: int
    used: int
    group: str | None = None
    evses: tuple[int, ...] = ()
    expires: int | None = None

    def text(self) -> str:
        """As the store keeps it; what is as usual is left out."""
        plain: dict[str, Any] = {"status": self.status, "updated": self.updated, "used": self.used}
        if self.group is not None:
            plain["group"] = self.group
        if self.evses:
            plain["evses"] = self.evses
        if self.expires is not None:
            plain["expires"] = self.expires
        return compact(plain)

    @classmethod
    def of(cls, text: str) -> Entry:
        """From the store. Raises `ValueError` for what this gateway cannot read."""
        try:
            plain = json.loads(text)
            evses = tuple(int(evse) for evse in plain.get("evses", ()))
            times = {name: int(plain[name]) for name in ("updated", "used")}
            status, group, expires = AuthorizationStatus(plain["status"]), plain.get("group"), plain.get("expires")
            end = None if expires is None else int(expires)
            return cls(status, **times, group=None if group is None else str(group), evses=evses, expires=end)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no cache entry: {error}") from error

    @property
    def known(self) -> Known:
        """For the decision table."""
        return Known(Source.CACHE, self.status, self.group, frozenset(self.evses))


@dataclass(frozen=True, slots=True)
class Rows:
    """What the store has to do: rows by digest, None deletes."""

    changed: Mapping[str, str | None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.changed)


class AuthCache:
    """The entries of one station by their token's digest. `limit` is in bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: dict[str, Entry] = {}
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes in use."""
        return self._size

    def __len__(self) -> int:
        return len(self._entries)

    def restore(self, rows: Iterable[tuple[str, str]]) -> Rows:
        """Take up what was kept. Rows that cannot be read, or that no longer fit, are to be deleted."""
        gone: dict[str, str | None] = {}
        for digest, text in rows:
            try:
                self._put(digest, Entry.of(text))
            except ValueError:
                gone[digest] = None
        return Rows({**gone, **self._make_room()})

    def find(self, digest: str, now: int, life_time: int) -> tuple[Known | None, Rows]:
        """What is known of a token that is presented now (ms; `life_time` in ms too), and that it was used."""
        expired = self._expire(now, life_time)
        entry = self._entries.get(digest)
        if entry is None or entry.used == now:
            return (entry.known if entry else None), Rows(expired)
        used = Entry(entry.status, entry.updated, now, entry.group, entry.evses, entry.expires)
        self._put(digest, used)
        return used.known, Rows({**expired, digest: used.text()})

    def learn(self, digest: str, known: Known, now: int, expires: int | None) -> Rows:
        """Take what the CSMS says (C10.FR.04, C10.FR.05, C12.FR.06). One that is over already is forgotten."""
        if expires is not None and expires <= now:
            return Rows({digest: None} if self._drop(digest) else {})
        entry = Entry(known.status, now, now, known.group, tuple(sorted(known.evses)), expires)
        self._put(digest, entry)
        changed = {digest: entry.text(), **self._make_room()}
        return Rows(changed)

    def clear(self) -> None:
        """Forget everything (C11)."""
        self._entries.clear()
        self._size = 0

    def _expire(self, now: int, life_time: int) -> dict[str, str | None]:
        over = [digest for digest, entry in self._entries.items() if _is_over(entry, now, life_time)]
        for digest in over:
            self._drop(digest)
        return dict.fromkeys(over)

    def _make_room(self) -> dict[str, str | None]:
        gone: list[str] = []
        while self._size > self._limit:
            worst = min(self._entries, key=lambda digest: _worth(self._entries[digest]))
            self._drop(worst)
            gone.append(worst)
        return dict.fromkeys(gone)

    def _put(self, digest: str, entry: Entry) -> None:
        self._drop(digest)
        self._entries[digest] = entry
        self._size += _cost(digest, entry)

    def _drop(self, digest: str) -> bool:
        entry = self._entries.pop(digest, None)
        if entry is not None:
            self._size -= _cost(digest, entry)
        return entry is not None


def _is_over(entry: Entry, now: int, life_time: int) -> bool:
    """C10.FR.13 where the CSMS has set an end, else C10.FR.10."""
    return now > entry.expires if entry.expires is not None else now - entry.updated > life_time


def _worth(entry: Entry) -> tuple[bool, int]:
    """What is worth least goes first."""
    return entry.status is AuthorizationStatus.ACCEPTED, entry.used


def _cost(digest: str, entry: Entry) -> int:
    return len(digest) + len(entry.text().encode()) + ROW_COST
