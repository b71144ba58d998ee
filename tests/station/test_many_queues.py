"""Many stations in one gateway, one store: nobody's queue waits for somebody else's (200 of them: `tests/bench`)."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from bridge.clock import Clock, run_virtual
from bridge.store.sqlite import open_store
from tests.tools.long_offline import MINUTE, MemoryCsms, life
from tests.tools.plain_evse import PlainEvse

STATIONS, EVENTS = 8, 60
#: One CSMS answers only after so long (ms), one never.
SLOW, NEVER = 20_000, 10**9


async def outage() -> dict[str, float]:
    """The CSMSs of all stations go and come back; when (s, after that) each has heard what happened meanwhile."""
    clock = Clock(seed=7)
    store = await open_store(Path(":memory:"), inline=True)
    csmss = [MemoryCsms(clock, f"CS-{number}") for number in range(STATIONS)]
    async with AsyncExitStack() as stack:
        for csms in csmss:
            evse = PlainEvse(clock, news=MINUTE)
            showing = asyncio.ensure_future(evse.run())
            stack.callback(showing.cancel)
            station = await stack.enter_async_context(life(clock, csms, evse, store))
            station.delivery.attempts = 10**6
            await csms.start()
        await clock.sleep(MINUTE)
        for csms in csmss:
            await csms.go()
        await clock.sleep(EVENTS * MINUTE)
        csmss[2].wait, csmss[5].wait = SLOW, NEVER
        for csms in csmss:
            csms.away = False
        await clock.sleep(40 * MINUTE)
    await store.close()
    assert [fault for csms in csmss for fault in csms.strict.faults] == []
    assert all(csms.strict.told.offline >= EVENTS for number, csms in enumerate(csmss) if number not in (2, 5))
    return {csms.name: csms.strict.told.last_offline_at - csms.strict.booted_at for csms in csmss}


def test_slow_and_dumb_csmss_delay_no_other_station() -> None:
    took = run_virtual(outage())
    assert took.pop("CS-2") >= 10 * MINUTE / 1000
    took.pop("CS-5")
    assert max(took.values()) < 1.0, took
