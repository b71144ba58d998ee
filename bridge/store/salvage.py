"""What can still be read of a damaged store, carried over into a new one, row by row.

Nothing is guessed: a row comes along only if it is whole. Its columns are of their types, its text is text, its JSON
is JSON, and what the file says of it in a second place (the indexes) is the same. What is unreadable or contradicts
itself is left out and counted: a lost event is a gap that a CSMS can see, an invented one is not. What is known of
tokens stays behind, since a CSMS gives it again and nobody shall be let in by a damaged file.

The damaged file itself is only copied; whoever can do more with it still has all of it.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from bridge.errors import StoreError
from bridge.store.database import Database

Row = tuple[Any, ...]

#: So many questions are put to a damaged table before the rest of it is given up: each takes some 20 us.
_MOST_QUESTIONS: Final = 50_000
#: Keys are asked for by so many, or in so many parts.
_RANGE: Final = 4
_MOST_RANGES: Final = 2_000
#: If no question was answered by then, none will be.
_MOST_IN_VAIN: Final = _MOST_RANGES + 100
#: No key is above: an event a second for a thousand years.
_HIGHEST: Final = 2**35
#: The page size of all our files, and where a file's header says how many pages there are (SQLite file format, 1.3).
_PAGE, _PAGES_AT, _FREE_AT = 4096, 28, slice(32, 40)
_TABLES: Final = frozenset({"event", "open_transaction", "profile", "setting"})
#: In an event's payload the number of the event, once more.
_NUMBER: Final = "seqNo"


@dataclass(slots=True)
class Count:
    """Of one table: rows that came along, rows that are known to be lost, and whether more may be lost than known."""

    saved: int = 0
    lost: int = 0
    more: bool = False

    def __str__(self) -> str:
        if not self.lost and not self.more:
            return str(self.saved)
        lost = "nobody knows how many" if not self.lost else f"at least {self.lost}" if self.more else str(self.lost)
        return f"{self.saved} ({lost} lost)"


@dataclass(slots=True)
class Saved:
    """What came of a salvage; `str` tells it in a line."""

    events: Count = field(default_factory=Count)
    transactions: Count = field(default_factory=Count)
    profiles: Count = field(default_factory=Count)
    settings: Count = field(default_factory=Count)

    def __str__(self) -> str:
        return (
            f"saved from it: {self.events} events, {self.transactions} open transactions, {self.settings} settings, "
            f"{self.profiles} profiles"
        )


@dataclass(slots=True)
class _Rows:
    """What was read of one table or index; `whole` if nothing stood in the way."""

    rows: list[Row] = field(default_factory=list)
    whole: bool = True


def salvage(damaged: Path, into: Path) -> Saved:
    """Make a new store at `into` with all that is whole in `damaged` (and in its write-ahead log).

    Raises `StoreError` if the new store cannot be written. Of a file that cannot be read at all nothing is saved.
    """
    copy = into.with_name(into.name + "-reading")
    try:
        found = _read(damaged, copy)
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)
    return _write(into, found)


# -- reading


@dataclass(slots=True)
class _Found:
    """The rows of each table as they stand in the file, and what its indexes say of the events."""

    events: _Rows = field(default_factory=_Rows)
    by_number: _Rows = field(default_factory=_Rows)  # (key, station, transaction_id, seq_no)
    by_station: _Rows = field(default_factory=_Rows)  # (key, station)
    transactions: _Rows = field(default_factory=_Rows)
    profiles: _Rows = field(default_factory=_Rows)
    settings: _Rows = field(default_factory=_Rows)
    tokens: _Rows = field(default_factory=_Rows)  # rows of the same form: a page of theirs may stand in a wrong place


def _read(damaged: Path, copy: Path) -> _Found:
    """Read a copy as it is; where its first page is no good, with the first page of a store that is well."""
    for mend in (_as_it_is, _with_a_first_page):
        try:
            shutil.copyfile(damaged, copy)
            wal = damaged.with_name(damaged.name + "-wal")
            if wal.exists():
                shutil.copyfile(wal, copy.with_name(copy.name + "-wal"))
            mend(copy)
            with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
                connection.execute("PRAGMA writable_schema = ON")  # a file that is cut off is read as far as it goes
                named = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
                if named >= _TABLES:
                    connection.text_factory = bytes  # what is no text shall not keep the other rows from being read
                    return _read_all(connection)
        except (sqlite3.Error, OSError):
            continue
    unread = _Rows(whole=False)
    return _Found(unread, unread, unread, unread, unread, unread, unread)


def _as_it_is(_: Path) -> None:
    """The first try."""


def _with_a_first_page(copy: Path) -> None:
    """Give it the first page, where all tables are named, of a new store: theirs begin at the same pages."""
    new = copy.with_name(copy.name + "-new")
    try:
        Database(str(new)).close()
        page = bytearray(new.read_bytes()[:_PAGE])
    finally:
        new.unlink(missing_ok=True)
    pages = -(-copy.stat().st_size // _PAGE)
    page[_PAGES_AT : _PAGES_AT + 4] = pages.to_bytes(4, "big")
    page[_FREE_AT] = bytes(8)
    with copy.open("r+b") as file:
        file.write(page)
        file.truncate(pages * _PAGE)


def _read_all(connection: sqlite3.Connection) -> _Found:
    number, numbers = "station, transaction_id, seq_no", "event INDEXED BY sqlite_autoindex_event_1"
    stations, transaction = "event INDEXED BY event_by_station", "station, transaction_id, evse_id, seq_no, state"
    profile = "station, profile_id, evse_id, transaction_id, payload"
    by_number = _both_ends(connection, numbers, f"key, {number}", ("station", "transaction_id", "seq_no"))
    by_station = _both_ends(connection, stations, "key, station", ("station", "key"))
    known = {row[0] for row in (*by_number.rows, *by_station.rows)}
    return _Found(
        events=_by_key(connection, "event", "key", f"{number}, payload, attempts", known),
        by_number=by_number,
        by_station=by_station,
        transactions=_both_ends(connection, "open_transaction", transaction, ("station", "transaction_id")),
        profiles=_by_key(connection, "profile", "arrival", profile, ()),
        settings=_both_ends(connection, "setting", "station, name, value", ("station", "name")),
        tokens=_both_ends(connection, "authorization", "station, token, payload", ("station", "token")),
    )


def _both_ends(connection: sqlite3.Connection, source: str, columns: str, order: tuple[str, ...]) -> _Rows:
    """Read until a page fails, then from the other end until one fails: two damaged pages hide what is between them."""
    rows: dict[Row, None] = {}  # each once, in the order in which it came
    for direction in ("ASC", "DESC"):
        places = ", ".join(f"{column} {direction}" for column in order)
        try:
            for row in connection.execute(f"SELECT {columns} FROM {source} ORDER BY {places}"):
                rows[row] = None
        except sqlite3.Error:
            continue
        return _Rows(list(rows), direction == "ASC")
    return _Rows(list(rows), False)


def _by_key(connection: sqlite3.Connection, table: str, key: str, columns: str, known: Iterable[Any]) -> _Rows:
    """Read by ranges of the key; one that fails is halved, so that only what lies on a damaged page is left out.

    A page that was exchanged for another is no failure, only short: what an index knows is asked for by its own key.
    """
    rows, questions, failures = dict[Any, Row](), 0, 0
    query = f"SELECT {key}, {columns} FROM {table} NOT INDEXED WHERE {key} BETWEEN ? AND ? ORDER BY {key}"

    def read(low: int, high: int) -> bool:
        nonlocal questions, failures
        questions += 1
        try:
            rows.update((row[0], row) for row in connection.execute(query, (low, high)).fetchall())
        except sqlite3.Error:
            failures += 1
            return False
        return True

    lowest, highest = _bounds(connection, table, key)
    waiting = deque([(0, lowest), *_ranges(lowest, highest)])
    while waiting and questions < (_MOST_QUESTIONS if failures < questions else _MOST_IN_VAIN):
        low, high = waiting.popleft()
        if not read(low, high) and low < high:
            middle = (low + high) // 2
            waiting += [(low, middle), (middle + 1, high)]
    for missing in {one for one in known if isinstance(one, int)} - rows.keys():
        read(missing, missing)
    return _Rows(sorted(rows.values(), key=lambda row: cast(int, row[0])), not failures and not waiting)


def _ranges(low: int, high: int) -> list[tuple[int, int]]:
    """Short ones, where they are not too many: each is looked up anew."""
    step = max(_RANGE, (high - low) // _MOST_RANGES + 1)
    return [(first, min(first + step - 1, high)) for first in range(low, high + 1, step)]


def _bounds(connection: sqlite3.Connection, table: str, key: str) -> tuple[int, int]:
    """The lowest and the highest key, as far as the file can tell them; the number given out last is above all."""
    queries = (
        (f"SELECT min({key}) FROM {table} NOT INDEXED", ()),
        (f"SELECT max({key}) FROM {table} NOT INDEXED", ()),
        ("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)),
    )
    told: list[int | None] = []
    for query, values in queries:
        try:
            row = connection.execute(query, values).fetchone()
        except sqlite3.Error:
            row = None
        told.append(row[0] if row and isinstance(row[0], int) and 0 <= row[0] < _HIGHEST else None)
    high = max((one for one in told[1:] if one is not None), default=_HIGHEST)
    return min(told[0] or 0, high), high


# -- what is whole


def _whole_events(found: _Found, count: Count) -> list[Row]:
    """Events in their order, each number of a transaction above the one before."""
    numbers = {row[0]: row[1:] for row in found.by_number.rows}
    stations = {row[0]: row[1:] for row in found.by_station.rows}
    listed = found.by_number.whole and found.by_station.whole
    kept: list[Row] = []
    last: dict[tuple[str, str], int] = {}
    for raw in found.events.rows:
        row = _row(raw, int, str, str, int, str, int)
        if row is None or not _agrees(row[3], row[2], row[4]):
            continue
        key, station, transaction_id, seq_no = row[:4]
        contradicted = numbers.get(key, raw[1:4]) != raw[1:4] or stations.get(key, raw[1:2]) != raw[1:2]
        unknown = listed and key not in numbers and key not in stations
        if contradicted or unknown or seq_no <= last.get((station, transaction_id), -1):
            continue
        last[station, transaction_id] = seq_no
        kept.append(row)
    known = {row[0] for row in found.events.rows} | numbers.keys() | stations.keys()
    count.saved, count.lost = len(kept), len(known) - len(kept)
    count.more = not (found.events.whole or found.by_number.whole or found.by_station.whole)
    return kept


def _agrees(seq_no: int, transaction_id: str, payload: str) -> bool:
    """Whether a payload is JSON, and a transaction event's says the number that its row says."""
    try:
        told = json.loads(payload)
    except (ValueError, RecursionError):
        return False
    if not transaction_id:
        return isinstance(told, list)
    return isinstance(told, dict) and told.get(_NUMBER, seq_no) == seq_no


def _whole_transactions(found: _Found, events: Iterable[Row], count: Count) -> list[Row]:
    """Open transactions whose next number is still to be given out."""
    highest: dict[tuple[str, str], int] = {}
    for row in (*events, *found.by_number.rows):
        if isinstance(row[3], int):
            place = _text(row[1]), _text(row[2])
            highest[place] = max(row[3], highest.get(place, -1))

    def fits(row: Row) -> bool:
        return row[3] > highest.get((row[0], row[1]), -1) and _is_json(row[4])

    return _whole(found.transactions, count, (str, str, int, int, str), fits)


def _whole(rows: _Rows, count: Count, kinds: tuple[type, ...], fits: Callable[[Row], bool]) -> list[Row]:
    whole = [row for raw in rows.rows if (row := _row(raw, *kinds)) is not None and fits(row)]
    count.saved, count.lost, count.more = len(whole), len(rows.rows) - len(whole), not rows.whole
    return whole


def _row(raw: Row, *kinds: type) -> Row | None:
    """A row whose columns are of these kinds (`bytes | None` stands for text that may be missing), or None."""
    row = tuple(_text(value) for value in raw)
    for value, kind in zip(row, kinds, strict=True):
        if kind is bytes and value is None:
            continue
        if type(value) is not (str if kind is bytes else kind):
            return None
    return row


def _text(value: Any) -> Any:
    """Bytes as the text that they are; as they stand if they are none."""
    if not isinstance(value, bytes):
        return value
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value
    return value if "\0" in text else text


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


# -- writing


def _write(into: Path, found: _Found) -> Saved:
    """All of it in one commit. What is there when this returns is whole and closed."""
    saved = Saved()
    events = _whole_events(found, saved.events)
    transactions = _whole_transactions(found, events, saved.transactions)
    profiles = _whole(found.profiles, saved.profiles, (int, str, int, int, bytes, str), lambda row: _is_json(row[5]))
    tokens = {tuple(map(_text, row)) for row in found.tokens.rows}
    settings = _whole(found.settings, saved.settings, (str, str, str), lambda row: row not in tokens)
    database = Database(str(into))
    try:
        [error] = database.run([lambda db: _insert(db, events, transactions, profiles, settings)])
    finally:
        database.close()
    if isinstance(error, Exception):
        raise error
    if into.with_name(into.name + "-wal").exists():
        raise StoreError(f"{into}: what was saved could not be brought into the file: look after the disk")
    return saved


def _insert(
    db: sqlite3.Connection, events: list[Row], transactions: list[Row], profiles: list[Row], settings: list[Row]
) -> None:
    for table, rows in _tables(events, transactions, profiles, settings):
        if rows:
            db.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)


def _tables(*rows: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    names = (
        "event (key, station, transaction_id, seq_no, payload, attempts)",
        "open_transaction (station, transaction_id, evse_id, seq_no, state)",
        "profile (arrival, station, profile_id, evse_id, transaction_id, payload)",
        "setting (station, name, value)",
    )
    return zip(names, rows, strict=True)
