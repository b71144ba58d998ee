"""The baseline of the latency: each text of a WebSocket becomes one fixed datagram, and nothing else is done."""

import asyncio
import socket
import sys

from websockets.asyncio.client import connect


async def nothing() -> None:
    """What is done in between."""


async def forward(url, own, unit, port, between=nothing) -> None:
    """Dial, and forward for ever."""
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.bind((own, 0))
    target, datagram = (unit, int(port)), bytes.fromhex("1081000105FF01027E016001DA0142")
    async with connect(url, subprotocols=["ocpp2.0.1"], compression=None) as messages:
        async for _ in messages:
            await between()
            out.sendto(datagram, target)


if __name__ == "__main__":
    asyncio.run(forward(*sys.argv[1:5]))
