"""Waiting for an event, but not for ever."""

from __future__ import annotations

import asyncio


async def wait_for(event: asyncio.Event, milliseconds: int | None) -> None:
    """Wait until an event is set or so many ms have gone by; None: without an end."""
    try:
        async with asyncio.timeout(None if milliseconds is None else milliseconds / 1000 + 0.0005):
            await event.wait()
    except TimeoutError:
        pass
