"""The demo CSMS on real WebSockets: the handshake of Part 4, section 3 (path, subprotocol, basic authentication)."""

from __future__ import annotations

import base64
import binascii
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

if TYPE_CHECKING:
    from bridge.sim.csms import DemoCsms


class SocketConnection:
    """A WebSocket as the CSMS sees it: a closed one raises `ConnectionError`."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket

    async def send(self, text: str) -> None:
        """Send a text frame."""
        try:
            await self._socket.send(text)
        except ConnectionClosed as error:
            raise ConnectionError(str(error)) from error

    async def recv(self) -> str:
        """The next frame; a binary one comes as text that is no OCPP message."""
        try:
            frame = await self._socket.recv()
        except ConnectionClosed as error:
            raise ConnectionError(str(error)) from error
        return frame if isinstance(frame, str) else frame.hex()

    async def close(self) -> None:
        """Close it."""
        await self._socket.close()


def station_id_of(path: str) -> str:
    """The identity in the URL's last step (Part 4, 3.1.1)."""
    return unquote(path.split("?", 1)[0].rsplit("/", 1)[-1])


async def listen(csms: DemoCsms, host: str, port: int, tls: ssl.SSLContext | None) -> tuple[Server, int]:
    """Open the server; gives it back with its port."""
    spoken = Subprotocol(f"ocpp{csms.version}")

    def check(connection: ServerConnection, request: Request) -> Response | None:
        if csms.dark:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "dark\n")
        if csms.habits.refuses:
            return connection.respond(HTTPStatus(csms.habits.refuses), "refused\n")
        header = request.headers.get("Authorization", "")
        if csms.password is None or _credentials(header) == (station_id_of(request.path), csms.password):
            return None
        refusal = connection.respond(HTTPStatus.UNAUTHORIZED, "wrong password\n")
        refusal.headers["WWW-Authenticate"] = 'Basic realm="csms"'
        return refusal

    async def handle(socket: ServerConnection) -> None:
        request = socket.request
        if socket.subprotocol != spoken or request is None:
            await socket.close(1002, "no subprotocol in common")
            return
        await csms.accept(SocketConnection(socket), station_id_of(request.path))

    server = await serve(
        handle,
        host,
        port,
        ssl=tls,
        subprotocols=[spoken],
        select_subprotocol=lambda _, offered: spoken if spoken in offered else None,
        process_request=check,
        ping_interval=None,
        compression=None,
    )
    return server, next(iter(server.sockets)).getsockname()[1]


def _credentials(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name, password
