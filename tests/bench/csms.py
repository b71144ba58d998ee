"""The least CSMS that a benchmark can do with: it answers what a station tells, and notes when a call goes out.

Nothing is validated, so that as little as possible of what is measured is this program's own time.
"""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from itertools import count
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

_SUBPROTOCOL = Subprotocol("ocpp2.0.1")


class BenchCsms:
    """Serves one station; `calls` are the CALLs that it made: action, payload, when (`time.perf_counter`)."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any], float]] = []
        self.connected = asyncio.Event()
        self._socket: ServerConnection | None = None
        self._server: Server | None = None
        self._numbers = count(1)
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._news = asyncio.Event()

    async def serve(self) -> str:
        """Listen; gives back the address to dial."""
        self._server = await serve(
            self._handle, "127.0.0.1", 0, subprotocols=[_SUBPROTOCOL], compression=None, ping_interval=None
        )
        return f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"

    async def close(self) -> None:
        """Stop."""
        if self._server:
            self._server.close()

    async def call(self, action: str, payload: dict[str, Any]) -> tuple[float, dict[str, Any]]:
        """Make a CALL; gives back when it was handed to the socket, and the answer."""
        message_id = str(next(self._numbers))
        answer = self._answers[message_id] = asyncio.get_running_loop().create_future()
        sent = await self._send(message_id, action, payload)
        async with asyncio.timeout(10):
            return sent, await answer

    async def send(self, action: str, payload: dict[str, Any]) -> float:
        """Make a CALL that nobody will answer; gives back when it was handed to the socket."""
        return await self._send(str(next(self._numbers)), action, payload)

    async def _send(self, message_id: str, action: str, payload: dict[str, Any]) -> float:
        assert self._socket is not None
        text = json.dumps([2, message_id, action, payload])
        sent = time.perf_counter()
        await self._socket.send(text)
        return sent

    async def wait(self, action: str, since: int = 0, **fields: Any) -> tuple[dict[str, Any], float]:
        """The first CALL of a station from index `since` on whose payload has these fields, and when it came."""
        async with asyncio.timeout(30):
            while True:
                for name, payload, at in self.calls[since:]:
                    if name == action and all(payload.get(key) == value for key, value in fields.items()):
                        return payload, at
                self._news.clear()
                await self._news.wait()

    async def _handle(self, socket: ServerConnection) -> None:
        self._socket = socket
        self.connected.set()
        try:
            await self._talk(socket)
        except ConnectionClosed:
            pass  # a program that was ended

    async def _talk(self, socket: ServerConnection) -> None:
        async for text in socket:
            at = time.perf_counter()
            message = json.loads(text)
            if message[0] == 2:
                self.calls.append((message[2], message[3], at))
                await socket.send(json.dumps([3, message[1], self._answer(message[2])]))
                self._news.set()
            elif message[1] in self._answers:
                self._answers.pop(message[1]).set_result(message[2])

    @staticmethod
    def _answer(action: str) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if action == "BootNotification":
            return {"currentTime": now, "interval": 3600, "status": "Accepted"}
        return {"currentTime": now} if action == "Heartbeat" else {}
