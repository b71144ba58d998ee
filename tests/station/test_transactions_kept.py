"""Transactions over restarts: what is open goes on or ends, ids never come again, nothing waits for ever."""

from __future__ import annotations

from pathlib import Path

from bridge.clock import Clock, run_virtual
from bridge.sim.csms import DemoCsms
from bridge.station.session import SessionState
from bridge.store.port import TransactionRow
from bridge.store.sqlite import open_store
from tests.tools.station_house import STATION, stage


def test_a_transaction_of_an_evse_that_the_site_has_no_more_is_ended() -> None:
    async def play() -> None:
        store = await open_store(Path(":memory:"), inline=True)
        state = '{"transaction_id": "gone"}'
        assert SessionState.from_json({"transaction_id": "gone"}).transaction_id == "gone"
        for number in range(3):
            await store.record(STATION, TransactionRow("gone", 9, number, state), "{}")
        for event in await store.pending(STATION):
            await store.answered(STATION, event.key)
        async with stage(store=store) as scene:
            ended = await scene.wait("TransactionEvent", eventType="Ended")
            assert ended["transactionInfo"] == {"transactionId": "gone", "stoppedReason": "Other"}
            assert (ended["seqNo"], ended["triggerReason"]) == (3, "AbnormalCondition")
            await scene.clock.sleep(1000)
            assert await store.transactions(STATION) == []
            assert await store.pending(STATION) == []

    run_virtual(play())


def test_ids_are_random_and_not_counted() -> None:
    """E01.FR.08: a process that starts anew has other randomness, so no id of an earlier life comes again."""

    async def play() -> None:
        store = await open_store(Path(":memory:"), inline=True)
        csms = DemoCsms(Clock(seed=4))
        async with stage(store=store, csms=csms) as scene:
            ids = {scene.station.sessions._new_id() for _ in range(1000)}
        assert len(ids) == 1000
        assert all(len(one) == 36 for one in ids)
        assert Clock().random.getrandbits(128) != Clock().random.getrandbits(128)

    run_virtual(play())
