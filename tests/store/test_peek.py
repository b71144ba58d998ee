"""A look into a store from outside, whether or not a gateway has it open."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from bridge.errors import StoreError
from bridge.store.peek import peek_settings
from bridge.store.sqlite import open_store


def test_what_a_gateway_has_kept_is_seen_while_it_runs_and_after(tmp_path: Path) -> None:
    path = tmp_path / "a ? b.sqlite3"

    async def main() -> None:
        store = await open_store(path, inline=True)
        await store.put_settings("CS-1", {"network.last": "2"})
        assert peek_settings(path, "CS-1") == {"network.last": "2"}
        assert peek_settings(path, "CS-2") == {}
        await store.put_settings("CS-1", {"network.last": "1"})
        await store.close()

    asyncio.run(main())
    assert peek_settings(path, "CS-1") == {"network.last": "1"}


def test_no_store_is_made(tmp_path: Path) -> None:
    assert peek_settings(tmp_path / "none", "CS-1") == {}
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_refused(tmp_path: Path) -> None:
    text, foreign = tmp_path / "text", tmp_path / "foreign"
    text.write_text("no database at all" * 100)
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    for path in (text, foreign):
        with pytest.raises(StoreError, match=path.name):
            peek_settings(path, "CS-1")
