"""Small states become durable in their order, without anybody waiting, and survive a store that fails for a while."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.clock import Clock, run_virtual
from bridge.errors import StoreError
from bridge.gateway.keeping import StoreMemory
from bridge.store.keeper import KEEP_EVERY, Keeper
from bridge.store.port import Store
from bridge.store.sqlite import open_store

OWNER = "unit:car"


class Watched:
    """The settings of a store, with every write noted; `down` refuses them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.writes: list[tuple[str, dict[str, str | None]]] = []
        self.down = False

    async def put_settings(self, owner: str, values: Mapping[str, str | None]) -> None:
        if self.down:
            raise StoreError("disk full")
        self.writes.append((owner, dict(values)))
        await self.store.put_settings(owner, values)


def play(scene: Callable[[Clock, Keeper, Watched], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        store = await open_store(Path(":memory:"), inline=True)
        watched = Watched(store)
        await scene(Clock(), Keeper(watched), watched)  # type: ignore[arg-type]
        await store.close()

    run_virtual(main())


def test_what_is_put_soon_is_durable_at_once_and_the_last_value_counts() -> None:
    async def scene(clock: Clock, keeper: Keeper, watched: Watched) -> None:
        keeper.put(OWNER, {"a": "1", "b": "1"})
        keeper.put(OWNER, {"a": "2", "b": None})
        await clock.sleep(1)
        assert await watched.store.settings(OWNER) == {"a": "2"}
        assert watched.writes == [(OWNER, {"a": "2", "b": None})]

    play(scene)


def test_what_changes_all_the_time_is_written_in_rounds() -> None:
    async def scene(clock: Clock, keeper: Keeper, watched: Watched) -> None:
        memory = StoreMemory(keeper, OWNER, {"registers": "0", "identity": "x"})
        for count in range(100):
            memory.keep({"registers": str(count)})
            await clock.sleep(KEEP_EVERY // 10)
        assert memory.load() == {"registers": "99", "identity": "x"}
        await clock.sleep(KEEP_EVERY)
        assert (await watched.store.settings(OWNER))["registers"] == "99"
        assert 9 <= len(watched.writes) <= 12

    play(scene)


def test_the_end_waits_for_what_has_not_been_written() -> None:
    async def scene(clock: Clock, keeper: Keeper, watched: Watched) -> None:
        keeper.put(OWNER, {"a": "1"}, soon=False)
        before = clock.monotonic()
        await keeper.close()
        assert await watched.store.settings(OWNER) == {"a": "1"}
        assert clock.monotonic() - before < KEEP_EVERY
        keeper.put(OWNER, {"a": "2"})
        await keeper.close()
        assert await watched.store.settings(OWNER) == {"a": "2"}

    play(scene)


@pytest.mark.parametrize("newer", [True, False])
def test_a_store_that_fails_is_tried_again_and_never_overwrites_what_is_newer(newer: bool) -> None:
    async def scene(clock: Clock, keeper: Keeper, watched: Watched) -> None:
        watched.down = True
        keeper.put(OWNER, {"a": "1", "b": "1"})
        await clock.sleep(1)
        if newer:
            keeper.put(OWNER, {"a": "2"}, soon=False)
        watched.down = False
        await clock.sleep(60_000)
        assert await watched.store.settings(OWNER) == {"a": "2" if newer else "1", "b": "1"}

    play(scene)


def test_a_store_that_is_gone_does_not_hold_up_the_end() -> None:
    async def scene(clock: Clock, keeper: Keeper, watched: Watched) -> None:
        watched.down = True
        keeper.put(OWNER, {"a": "1"})
        await clock.sleep(1)
        before = clock.monotonic()
        await keeper.close()
        assert clock.monotonic() - before < 1_000

    play(scene)
