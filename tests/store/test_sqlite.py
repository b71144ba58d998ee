"""The port's promises, on the file and in memory, by the writer thread and inline."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.clock import run_virtual
from bridge.errors import StoreError
from bridge.store.port import ProfileRow, QueuedEvent, TransactionRow
from bridge.store.sqlite import MEMORY, SqliteStore, open_store

CS = "CS-1"


@pytest.fixture(params=["thread", "inline", "memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqliteStore]:
    path = MEMORY if request.param == "memory" else tmp_path / "store.db"
    opened = await open_store(path, inline=request.param != "thread")
    yield opened
    await opened.close()


def row(name: str, seq_no: int, state: str = "{}") -> TransactionRow:
    return TransactionRow(name, 1, seq_no, state)


async def test_record_keeps_event_and_next_number(store: SqliteStore) -> None:
    kept = await store.record(CS, row("t", 0, '{"s":1}'), '"started"')
    assert (kept.transaction_id, kept.seq_no, kept.payload, kept.attempts) == ("t", 0, '"started"', 0)
    assert await store.transactions(CS) == [row("t", 1, '{"s":1}')]
    assert await store.pending(CS) == [kept]


async def test_the_last_event_ends_the_transaction(store: SqliteStore) -> None:
    await store.record(CS, row("t", 0), "a")
    await store.record(CS, row("t", 1), "b", ends=True)
    assert await store.transactions(CS) == []
    assert [event.payload for event in await store.pending(CS)] == ["a", "b"]


async def test_an_event_goes_when_answered_and_not_before(store: SqliteStore) -> None:
    first = await store.record(CS, row("t", 0), "a")
    second = await store.record(CS, row("t", 1), "b")
    await store.attempted(CS, first.key)
    await store.attempted(CS, first.key)
    assert [event.attempts for event in await store.pending(CS)] == [2, 0]
    await store.answered(CS, first.key)
    await store.answered(CS, first.key)
    assert await store.pending(CS) == [second]


@pytest.mark.parametrize("wrong", [0, 2, 7])
async def test_a_number_out_of_turn_is_refused_and_nothing_is_kept(store: SqliteStore, wrong: int) -> None:
    await store.record(CS, row("t", 0), "a")
    with pytest.raises(StoreError, match=f"event number {wrong} where 1 comes next"):
        await store.record(CS, row("t", wrong, "changed"), "b")
    assert await store.transactions(CS) == [row("t", 1)]
    assert len(await store.pending(CS)) == 1


async def test_a_new_transaction_begins_with_zero(store: SqliteStore) -> None:
    with pytest.raises(StoreError, match="0 comes next"):
        await store.record(CS, row("t", 1), "a")
    assert await store.pending(CS) == []


async def test_keys_are_never_given_out_twice(store: SqliteStore) -> None:
    first = await store.record(CS, row("t", 0), "a")
    await store.answered(CS, first.key)
    second = await store.record(CS, row("t", 1), "b")
    assert second.key > first.key


async def test_state_changes_leave_the_numbering_alone(store: SqliteStore) -> None:
    await store.update_transaction(CS, row("t", 0, "before the first event"))
    await store.record(CS, row("t", 0, "one"), "a")
    await store.update_transaction(CS, row("t", 9, "two"))
    assert await store.transactions(CS) == [row("t", 1, "two")]


async def test_an_ended_transaction_is_not_raised_from_the_dead(store: SqliteStore) -> None:
    await store.record(CS, row("t", 0), "a", ends=True)
    with pytest.raises(StoreError, match="is not open"):
        await store.update_transaction(CS, row("t", 1))
    assert await store.transactions(CS) == []


async def test_stations_do_not_see_each_other(store: SqliteStore) -> None:
    kept = await store.record("A", row("t", 0), "a")
    await store.put_profile("A", ProfileRow(1, 0, None, "p"))
    await store.put_settings("A", {"x": "1"})
    await store.answered("B", kept.key)
    await store.attempted("B", kept.key)
    await store.delete_profiles("B", [1])
    await store.put_settings("B", {"x": None})
    await store.record("B", row("t", 0), "b")
    assert await store.pending("A") == [kept]
    assert await store.profiles("A") == [ProfileRow(1, 0, None, "p")]
    assert await store.profiles("B") == []
    assert await store.settings("A") == {"x": "1"}
    assert await store.settings("B") == {}


async def test_profiles_keep_the_order_of_their_coming(store: SqliteStore) -> None:
    for profile_id in (5, 3, 9):
        await store.put_profile(CS, ProfileRow(profile_id, 1, None, "old"))
    await store.put_profile(CS, ProfileRow(5, 2, "t", "new"))
    assert [(p.profile_id, p.payload) for p in await store.profiles(CS)] == [(3, "old"), (9, "old"), (5, "new")]
    await store.put_profile(CS, ProfileRow(7, 1, None, "other"), replaces=[3, 5, 1000])
    assert [p.profile_id for p in await store.profiles(CS)] == [9, 7]
    await store.delete_profiles(CS, [9, 4])
    assert await store.profiles(CS) == [ProfileRow(7, 1, None, "other")]


async def test_settings_are_put_replaced_and_deleted_together(store: SqliteStore) -> None:
    await store.put_settings(CS, {"a": "1", "b": "2"})
    await store.put_settings(CS, {"a": None, "b": "3", "c": "四", "missing": None})
    assert await store.settings(CS) == {"b": "3", "c": "四"}


async def test_what_is_known_of_tokens_is_put_replaced_deleted_and_cleared(store: SqliteStore) -> None:
    await store.put_authorizations(CS, {"a": "1", "b": "2"})
    await store.put_authorizations("CS-2", {"a": "9"})
    await store.put_authorizations(CS, {"a": None, "b": "3", "c": "4", "never there": None})
    assert await store.authorizations(CS) == {"b": "3", "c": "4"}
    await store.clear_authorizations(CS)
    assert await store.authorizations(CS) == {}
    assert await store.authorizations("CS-2") == {"a": "9"}


async def test_everything_outlives_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "er" / "store.db"
    store = await open_store(file)
    kept = await store.record(CS, row("t", 0), "a")
    await store.attempted(CS, kept.key)
    await store.put_profile(CS, ProfileRow(1, 0, "t", "p"))
    await store.put_settings(CS, {"x": "y"})
    await store.close()
    store = await open_store(file)
    assert await store.transactions(CS) == [row("t", 1)]
    assert await store.pending(CS) == [QueuedEvent(kept.key, "t", 0, "a", 1)]
    assert await store.profiles(CS) == [ProfileRow(1, 0, "t", "p")]
    assert await store.settings(CS) == {"x": "y"}
    await store.close()


async def test_waiting_changes_share_a_commit_and_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bridge.store.database import Database

    commits = []
    commit = Database.commit
    monkeypatch.setattr(Database, "commit", lambda self: (commits.append(1), commit(self))[1])
    store = await open_store(tmp_path / "store.db")
    kept = await asyncio.gather(*(store.record(CS, row(f"t{n}", 0), str(n)) for n in range(50)))
    assert [event.key for event in kept] == sorted(event.key for event in kept)
    assert [event.payload for event in await store.pending(CS)] == [str(n) for n in range(50)]
    assert len(commits) < 10
    await store.close()


async def test_one_refused_change_does_not_take_its_neighbours_along(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "store.db")
    changes = [store.record(CS, row(name, seq_no), name) for name, seq_no in (("a", 0), ("b", 4), ("c", 0))]
    results = await asyncio.gather(*changes, return_exceptions=True)
    assert [type(result) for result in results] == [QueuedEvent, StoreError, QueuedEvent]
    assert [event.payload for event in await store.pending(CS)] == ["a", "c"]
    await store.close()


async def test_a_cancelled_caller_does_not_take_its_change_back(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "store.db")
    tasks = [asyncio.create_task(store.record(CS, row(f"t{n}", 0), str(n))) for n in range(3)]
    await asyncio.wait([tasks[0]])
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [event.payload for event in await store.pending(CS)] == ["0", "1", "2"]
    await store.close()


async def test_close_finishes_what_was_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    store = await open_store(file)
    tasks = [asyncio.create_task(store.record(CS, row(f"t{n}", 0), str(n))) for n in range(20)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await store.close()
    await store.close()
    await asyncio.gather(*tasks)
    assert not file.with_name("store.db-wal").exists()
    store = await open_store(file)
    assert len(await store.pending(CS)) == 20
    await store.close()


async def test_a_closed_store_refuses(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "store.db")
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.pending(CS)


def test_inline_runs_on_the_virtual_clock() -> None:
    async def main() -> int:
        store = await open_store(MEMORY, inline=True)
        await store.record(CS, row("t", 0), "a")
        return len(await store.pending(CS))

    assert run_virtual(main()) == 1
