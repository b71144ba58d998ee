"""The northern half of a gateway, as a program: python fleet_site.py CONFIG. Every station of a site, without units.

What a gateway does for its stations it does too: the store, the links, the supervision. Behind each EVSE is something
that shows new values every 10 s and does what it is told, at no cost; so what is measured from outside is the north.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from contextlib import suppress
from pathlib import Path

from bridge.clock import Clock
from bridge.gateway.config import load_config
from bridge.gateway.logs import set_up_logs
from bridge.gateway.process import STORE, _give_back
from bridge.gateway.stations import dialer_for, make_station
from bridge.store.keeper import Keeper
from bridge.store.sqlite import open_store
from tests.tools.plain_evse import PlainEvse


async def main(path: Path) -> None:
    """Serve until the program is ended."""
    clock = Clock()
    site = load_config(path)
    set_up_logs(site.log)
    site.state_dir.mkdir(exist_ok=True)
    store = await open_store(site.state_dir / STORE)
    keeper = Keeper(store)
    stations, evses = [], []
    for config in site.stations:
        evse = PlainEvse(clock)
        station = await make_station(
            config, {1: evse}, dialer=dialer_for(config), store=store, keeper=keeper, clock=clock
        )
        stations.append(station)
        evses.append(evse)
    gc.collect()
    gc.freeze()
    _give_back()
    async with asyncio.TaskGroup() as group:
        for each in (*stations, *evses):
            group.create_task(each.run())


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(Path(sys.argv[1])))
