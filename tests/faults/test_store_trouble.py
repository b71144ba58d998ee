"""A store that SQLite itself refuses to write: what the whole gateway does meanwhile, and what its operator reads.

The disk is full as SQLite sees it (`max_page_count`), or the file is not to be written (`query_only`): the errors are
the real ones, at the real places.
"""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest
import structlog

from bridge.clock import run_virtual
from bridge.errors import StoreError
from bridge.gateway.api import ControlApi
from bridge.store.sqlite import InlineWriter, SqliteStore, open_store
from tests.tools.house import MINUTE, House, house, site

#: (what makes the trouble, what ends it, what the operator reads: what is wrong, and the mend)
TROUBLES = {
    "disk full": ("max_page_count = 1", "max_page_count = 1000000", ("the disk is full", "free some space on it")),
    "read-only": ("query_only = 1", "query_only = 0", ("it cannot be written", "writable for the gateway's user")),
}


async def _begin(store: SqliteStore, trouble: str) -> None:
    """A file that may not grow still has room within its pages, so that is filled."""
    _pragma(store, TROUBLES[trouble][0])
    try:
        for number in count():
            await store.enqueue("filler", f'["Filler",{{"number":{number}}}]')
    except StoreError:
        pass
    try:
        for number in count():
            await store.put_settings("*filler", {f"{number}": "1"})
    except StoreError:
        pass


def _end(store: SqliteStore, trouble: str) -> None:
    _pragma(store, TROUBLES[trouble][1])


def _pragma(store: SqliteStore, text: str) -> None:
    cast(InlineWriter, store._writer)._database._connection.execute(f"PRAGMA {text}")


def _told(here: House) -> dict[str, Any]:
    """The part of `status` that speaks of the store."""
    answer = ControlApi(here.gateway).handle(json.dumps({"api": 1, "do": "status"}))
    return cast("dict[str, Any]", answer["result"]["store"])


@pytest.mark.parametrize("trouble", TROUBLES)
def test_events_wait_for_a_store_in_trouble_and_the_operator_is_told(tmp_path: Path, trouble: str) -> None:
    words = TROUBLES[trouble][2]

    async def main() -> None:
        store = await open_store(tmp_path / "gateway.sqlite3", inline=True)
        config = site(variables={"SampledDataCtrlr.TxUpdatedInterval": 20})
        with structlog.testing.capture_logs() as lines:
            async with house(store=store, config=config) as here:
                await here.start(3000)
                assert _told(here) == {"trouble": None, "damaged": None}
                await _begin(store, trouble)
                before = len(here.csms.events())
                await here.settle(2 * MINUTE)
                assert len(here.csms.events()) <= before + 1  # one may have been on its way
                assert here.unit.power_w == 3000
                assert all(word in _told(here)["trouble"] for word in ("gateway.sqlite3", *words))
                _end(store, trouble)
                await here.settle(2 * MINUTE)
                assert _told(here)["trouble"] is None
                numbers = [event["seqNo"] for event in here.csms.events()]
                assert numbers == list(range(len(numbers)))
                assert len(numbers) > before + 6
                assert here.csms.violations == []
        errors = [line for line in lines if line["log_level"] == "error" and line["event"] == "event not kept yet"]
        assert errors
        assert all(word in errors[0]["why"] for word in ("gateway.sqlite3", *words))

    run_virtual(main())


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_gateway_that_cannot_write_its_new_store_says_why_and_ends(tmp_path: Path, trouble: str) -> None:
    words = TROUBLES[trouble][2]
    store = await open_store(tmp_path / "gateway.sqlite3", inline=True)
    await _begin(store, trouble)
    try:
        with pytest.raises(StoreError) as told:
            async with house(store=store, wait=False):
                raise AssertionError("it has been built on a store that it cannot write")
    finally:
        await store.close()
    assert all(word in str(told.value) for word in ("gateway.sqlite3", *words))
