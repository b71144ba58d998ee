"""What is whole in a damaged store comes along, unchanged and in order; what is not is left out and counted."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bridge.store.database import Database
from bridge.store.port import ProfileRow, TransactionRow
from bridge.store.salvage import salvage
from bridge.store.sqlite import SqliteStore, open_store
from tests.tools.damaged import PAGE, damage, pages_of
from tests.tools.fault_store import seeded

SEED = 20_263
CS = "CS-1"
#: What is kept, table by table, as (columns, order).
TABLES = {
    "event": "key, station, transaction_id, seq_no, payload, attempts",
    "open_transaction": "station, transaction_id, evse_id, seq_no, state",
    "profile": "arrival, station, profile_id, evse_id, transaction_id, payload",
    "setting": "station, name, value",
}


def _payload(number: int) -> str:
    return json.dumps({"seqNo": number, "eventType": "Updated", "filler": "x" * 500})


async def _fill(store: SqliteStore) -> None:
    """A transaction that was delivered, one that waits, one that goes on; and some of all else."""
    for name, count, ends in (("told", 30, True), ("waits", 60, True), ("goes-on", 90, False)):
        for number in range(count):
            row = TransactionRow(name, 1, number, '{"state":1}')
            event = await store.record(CS, row, _payload(number), ends=ends and number == count - 1)
            if name == "told":
                await store.answered(CS, event.key)
        await store.enqueue(CS, '["SecurityEventNotification",{}]')
    for number in range(150):
        await store.put_settings(CS, {f"name.{number}": f"value of {number}, in words 値"})
    for number in range(8):
        await store.put_profile(CS, ProfileRow(number - 2, 1, None, json.dumps({"id": number, "filler": "y" * 900})))
    await store.put_authorizations(CS, {f"token {number}": "{}" for number in range(9)})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The contents of a store's file."""
    import asyncio

    file = tmp_path_factory.mktemp("whole") / "store.db"

    async def main() -> None:
        store = await open_store(file, inline=True)
        await _fill(store)
        await store.close()

    asyncio.run(main())
    return file.read_bytes()


def _rows(file: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(file)) as connection:
        return {
            table: connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2").fetchall()
            for table, columns in TABLES.items()
        }


def _salvaged(folder: Path, content: bytes) -> tuple[dict[str, list[tuple[Any, ...]]], str]:
    damaged, new = folder / "damaged.db", folder / "new.db"
    damaged.write_bytes(content)
    new.unlink(missing_ok=True)
    told = str(salvage(damaged, new))
    assert damaged.read_bytes() == content
    assert sorted(path.name for path in folder.iterdir()) == ["damaged.db", "new.db"]
    Database(str(new)).close()  # its checks say that it is well
    return _rows(new), told


def test_all_of_a_store_that_is_well_comes_along_but_what_is_known_of_tokens(tmp_path: Path, whole: bytes) -> None:
    (tmp_path / "whole.db").write_bytes(whole)
    expected = _rows(tmp_path / "whole.db")
    (tmp_path / "whole.db").unlink()
    rows, told = _salvaged(tmp_path, whole)
    assert rows == expected
    assert told == "saved from it: 153 events, 1 open transactions, 150 settings, 8 profiles"
    with closing(sqlite3.connect(tmp_path / "new.db")) as connection:
        assert connection.execute("SELECT count(*) FROM authorization").fetchone() == (0,)


def _judge(before: dict[str, list[tuple[Any, ...]]], after: dict[str, list[tuple[Any, ...]]]) -> list[str]:
    """What a salvage has made worse: rows that were not there, or numbers that would be given out again."""
    wrong = [f"{table}: {row} was not there" for table, rows in after.items() for row in set(rows) - set(before[table])]
    highest = {row[2]: row[3] for row in before["event"]}
    wrong += [f"{row} would use a number again" for row in after["open_transaction"] if row[3] <= highest[row[1]]]
    return wrong


def _try(folder: Path, whole: bytes, seed: int) -> list[str]:
    """One damage; what came of it."""
    chance = seeded(f"{SEED} {seed}")
    pages = chance.sample(range(pages_of(whole)), chance.choice((1, 1, 2, 3, 8)))
    (folder / "before.db").write_bytes(whole)
    before = _rows(folder / "before.db")
    (folder / "before.db").unlink()
    after, told = _salvaged(folder, damage(whole, pages, chance))
    where = f"seed {SEED} {seed}, pages {sorted(pages)}"
    wrong = [f"{where}: {fault}" for fault in _judge(before, after)]
    lost = len(before["event"]) - len(after["event"])
    if lost and " lost) events" not in told:
        wrong.append(f"{where}: {lost} events are lost, and it says: {told}")
    if lost > 10 * len(pages) and not _leads_to_others(whole, pages):
        wrong.append(f"{where}: {lost} events are lost, more than such pages hold: {told}")
    return wrong


def _leads_to_others(whole: bytes, pages: list[int]) -> bool:
    """Whether one of the pages leads to others (a table's inner page): what is below it cannot be found any more."""
    return any(whole[page * PAGE] in (2, 5) for page in pages)


def test_damage_at_random_pages_costs_no_more_than_is_on_them_and_invents_nothing(tmp_path: Path, whole: bytes) -> None:
    assert [fault for seed in range(25) for fault in _try(tmp_path, whole, seed)] == []


@pytest.mark.soak
def test_damage_at_many_random_pages_invents_nothing(tmp_path: Path, whole: bytes) -> None:
    assert [fault for seed in range(600) for fault in _try(tmp_path, whole, seed)] == []


def test_without_its_first_page_the_tables_are_found_nevertheless(tmp_path: Path, whole: bytes) -> None:
    rows, told = _salvaged(tmp_path, bytes(PAGE) + whole[PAGE:])
    assert len(rows["event"]) == 153
    assert told == "saved from it: 153 events, 1 open transactions, 150 settings, 8 profiles"


def test_of_a_file_that_is_cut_off_the_first_part_is_saved(tmp_path: Path, whole: bytes) -> None:
    rows, told = _salvaged(tmp_path, whole[: pages_of(whole) // 2 * PAGE + 100])
    assert 0 < len(rows["event"]) < 153
    assert "lost) events" in told


@pytest.mark.parametrize("content", [b"", b"no database\n" * 1000, bytes(20 * PAGE), b"SQLite format 3\0"])
def test_of_what_is_no_store_nothing_is_saved(tmp_path: Path, content: bytes) -> None:
    rows, told = _salvaged(tmp_path, content)
    assert not any(rows.values())
    assert told == (
        "saved from it: 0 (nobody knows how many lost) events, 0 (nobody knows how many lost) open transactions, "
        "0 (nobody knows how many lost) settings, 0 (nobody knows how many lost) profiles"
    )


def _changed(folder: Path, whole: bytes, *statements: str) -> bytes:
    """The file after changes that no gateway makes."""
    file = folder / "changed.db"
    file.write_bytes(whole)
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = file.read_bytes()
    for left in folder.iterdir():
        left.unlink()
    return content


@pytest.mark.parametrize(
    ("statement", "table", "lost"),
    [
        ("UPDATE event SET payload = substr(payload, 1, 50) WHERE key = 40", "event", 1),  # no JSON any more
        ("UPDATE event SET payload = '{\"seqNo\":7000}' WHERE key = 40", "event", 1),  # another event's number
        ("UPDATE event SET payload = 'null' WHERE key = 40", "event", 1),
        ("UPDATE event SET payload = x'FFFE' WHERE key = 40", "event", 1),
        ("UPDATE event SET attempts = 'many' WHERE key = 40", "event", 1),
        ("UPDATE event SET key = 1 WHERE seq_no = 50 AND transaction_id = 'waits'", "event", 50),  # before its elders
        ("UPDATE open_transaction SET seq_no = 3", "open_transaction", 1),  # numbers that are given out already
        ("UPDATE open_transaction SET state = 'x'", "open_transaction", 1),
        ("UPDATE profile SET payload = '{' WHERE profile_id = 1", "profile", 1),
        ("UPDATE setting SET value = x'00' WHERE name = 'name.1'", "setting", 1),
    ],
)
def test_a_row_that_is_not_whole_or_contradicts_itself_is_left_out(
    tmp_path: Path, whole: bytes, statement: str, table: str, lost: int
) -> None:
    rows, told = _salvaged(tmp_path, _changed(tmp_path, whole, statement))
    before = {"event": 153, "open_transaction": 1, "profile": 8, "setting": 150}
    assert len(rows[table]) == before[table] - lost
    assert f"{before[table] - lost} ({lost} lost)" in told
    others = [name for name in before if name != table]
    assert [len(rows[name]) for name in others] == [before[name] for name in others]
