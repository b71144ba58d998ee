"""Waiting for an event, but not for ever; and how long between two tries to find what is silent."""

from __future__ import annotations

import asyncio
from typing import Final

from bridge.charger.course import growing

#: So many tries to find what is silent are made at the first pause, before the pauses grow: within minutes most cables
#: are in again and most nodes have restarted, and a car may be discharging meanwhile.
OFTEN: Final = 20


def search_pause(tries: int, first: int) -> int:
    """The pause (ms) after so many tries; `first` is the shortest."""
    return growing(tries - OFTEN, first)


async def wait_for(event: asyncio.Event, milliseconds: int | None) -> None:
    """Wait until an event is set or so many ms have gone by; None: without an end."""
    try:
        async with asyncio.timeout(None if milliseconds is None else milliseconds / 1000 + 0.0005):
            await event.wait()
    except TimeoutError:
        pass
