"""What stands in the way of opening or writing a store, and what the message then says."""

import os
import sqlite3
from pathlib import Path

import pytest

from bridge.errors import StoreError
from bridge.store import schema
from bridge.store.database import Database
from bridge.store.port import TransactionRow
from bridge.store.sqlite import open_store

CS = "CS-1"
SAMPLES = {path.stem: path.read_text() for path in Path(__file__).with_name("samples").glob("*.sql")}


async def test_a_second_gateway_is_kept_out(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    first = await open_store(file)
    with pytest.raises(StoreError, match=rf"another gateway \(process {os.getpid()}\) uses it: stop that one"):
        await open_store(file)
    await first.record(CS, TransactionRow("t", 1, 0, "{}"), "still works")
    await first.close()
    await (await open_store(file)).close()


@pytest.mark.parametrize("inline", [False, True])
async def test_a_refused_opening_lets_go_of_the_lock(tmp_path: Path, inline: bool) -> None:
    file = tmp_path / "store.db"
    file.write_bytes(b"no database at all, but long enough to be looked at " * 40)
    with pytest.raises(StoreError, match="no SQLite file"):
        await open_store(file, inline=inline)
    file.unlink()
    await (await open_store(file, inline=inline)).close()


async def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    await (await open_store(file)).close()
    with sqlite3.connect(file) as db:
        db.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    db.close()
    before = file.read_bytes()
    with pytest.raises(StoreError, match=r"written by a newer gateway .* run that newer version"):
        await open_store(file)
    assert file.read_bytes() == before


async def test_another_programs_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    with pytest.raises(StoreError, match="of another program"):
        await open_store(file)


async def test_a_damaged_page_is_found_at_opening(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    store = await open_store(file)
    for number in range(200):
        await store.record(CS, TransactionRow(f"t{number}", 1, 0, "{}"), "x" * 500)
    await store.close()
    content = bytearray(file.read_bytes())
    for page in range(3, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    file.write_bytes(content)
    with pytest.raises(StoreError, match=r"store\.db: it is damaged .* start the gateway anew"):
        await open_store(file)


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"name a state_dir that the gateway may make"):
        await open_store(tmp_path / "file" / "store.db")


async def test_a_full_disk_is_said_and_nothing_is_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = Database._prepare

    def small_disk(self: Database) -> None:
        prepare(self)
        self._connection.execute("PRAGMA max_page_count = 20")

    monkeypatch.setattr(Database, "_prepare", small_disk)
    store = await open_store(tmp_path / "store.db")
    kept = 0

    async def fill() -> None:
        nonlocal kept
        while True:
            await store.record(CS, TransactionRow("t", 1, kept, "{}"), "x" * 3000)
            kept += 1

    with pytest.raises(StoreError, match=r"store\.db: the disk is full .* free some space"):
        await fill()
    assert kept > 0
    assert [event.seq_no for event in await store.pending(CS)] == list(range(kept))
    assert [row.seq_no for row in await store.transactions(CS)] == [kept]
    for event in await store.pending(CS):
        await store.answered(CS, event.key)
    await store.record(CS, TransactionRow("t", 1, kept, "{}"), "room again")
    await store.close()


async def test_a_read_only_store_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = Database._prepare

    def read_only(self: Database) -> None:
        prepare(self)
        self._connection.execute("PRAGMA query_only = ON")

    monkeypatch.setattr(Database, "_prepare", read_only)
    store = await open_store(tmp_path / "store.db")
    with pytest.raises(StoreError, match=r"it cannot be written .* writable for the gateway's user"):
        await store.put_settings(CS, {"a": "b"})
    assert await store.settings(CS) == {}
    await store.close()


async def test_the_file_is_durable_by_configuration(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "store.db"))
    settings = {name: database._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in
                ("journal_mode", "synchronous", "user_version", "application_id")}  # fmt: skip
    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "user_version": len(schema.MIGRATIONS),
        "application_id": schema.APPLICATION_ID,
    }
    database.close()


def test_a_broken_migration_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "store.db"
    Database(str(file)).close()
    broken = ("CREATE TABLE half (x)", "this is no SQL")
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, broken))
    with pytest.raises(StoreError, match="syntax error"):
        Database(str(file))
    monkeypatch.undo()
    with sqlite3.connect(file) as db:
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'half'").fetchone() == (0,)
        assert schema.version_of(db) == len(schema.MIGRATIONS)
    db.close()


@pytest.mark.parametrize("sample", sorted(SAMPLES))
async def test_every_older_form_is_brought_to_the_newest(tmp_path: Path, sample: str) -> None:
    file = tmp_path / "store.db"
    with sqlite3.connect(file) as db:
        db.executescript(SAMPLES[sample])
    db.close()
    store = await open_store(file)
    assert await store.transactions(CS) == [TransactionRow("t", 1, 2, '{"a":1}')]
    assert [(event.seq_no, event.payload, event.attempts) for event in await store.pending(CS)] == [(1, "second", 3)]
    assert [profile.profile_id for profile in await store.profiles(CS)] == [7]
    assert await store.settings(CS) == {"name": "value"}
    assert await store.authorizations(CS) == ({} if sample == "schema-1" else {"digest": "known"})
    await store.put_authorizations(CS, {"another": "known"})
    assert (await store.record(CS, TransactionRow("t", 1, 2, "{}"), "third")).key == 3
    await store.close()
