"""The small buffer of a TLS connection: what is longer than it comes and goes whole."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from bridge.station.link_websocket import TLS_BUFFER, WebSocketDialer, WebSocketSettings
from tests.tools.authorities import authority

HOST = "127.0.0.1"


@pytest.mark.parametrize("length", [1, TLS_BUFFER - 1, TLS_BUFFER, TLS_BUFFER + 1, 16_384, 16_385, 900_000])
async def test_a_message_of_any_length_comes_and_goes_whole(tmp_path: Path, length: int) -> None:
    root = authority("root")
    (tmp_path / "root.pem").write_text(root.pem)

    async def echo(socket: ServerConnection) -> None:
        async for text in socket:
            await socket.send(text)

    async with serve(
        echo, HOST, 0, ssl=root.server(HOST), subprotocols=[Subprotocol("ocpp2.0.1")], compression=None
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        settings = WebSocketSettings(f"wss://{HOST}:{port}", "cs", ca_file=tmp_path / "root.pem", compression=False)
        connection = await WebSocketDialer(settings).dial(("ocpp2.0.1",))
        text = "".join(chr(97 + number % 26) for number in range(length))
        async with asyncio.timeout(10):
            await connection.send(text)
            assert await anext(aiter(connection)) == text
        assert len(_buffer(connection)) <= TLS_BUFFER
        assert connection._socket.request is None  # its headers, the password among them, are not held
        assert not list(connection._socket.response.headers)
        await connection.close()


def _buffer(connection: Any) -> Any:
    """What asyncio holds for a connection."""
    return connection._socket.transport._ssl_protocol._ssl_buffer
