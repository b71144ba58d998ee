"""Connections over WebSocket (Part 4, chapter 3), with security profiles 1 and 2 (Part 2, A00)."""

from __future__ import annotations

import asyncio.sslproto
import base64
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import field
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from bridge.errors import ConfigError
from bridge.records import dataclass
from bridge.station.link import LinkDown, NotAuthenticated, UntrustedCsms

#: Part 4, 3.1.1 and Part 2, BasicAuthPassword.
LONGEST_IDENTITY = 48
LONGEST_PASSWORD = 40

#: asyncio holds a buffer of this size for every TLS connection, 256 KiB if it is left alone: more than all the rest of
#: a station takes. A longer record is read in pieces.
TLS_BUFFER: Final = 4 * 1024
asyncio.sslproto.SSLProtocol.max_size = TLS_BUFFER

#: The library logs headers, the password among them, where DEBUG is on: it is off for this logger.
_library_log = logging.getLogger("ocpp_echonet.websockets")
_library_log.setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class WebSocketSettings:
    """Where to dial and how; times in seconds, as the device model has them.

    `url` is the CSMS's endpoint without the station's identity. `ca_file` holds the roots that may vouch for the CSMS
    (None: the system's), `roots` (PEM) more of them, or with `only_roots` all. `proxy` is an address, True for what the
    environment says, None for none. `ping_interval` is OCPPCommCtrlr.WebSocketPingInterval, 0 for no pings.
    """

    url: str
    identity: str
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    roots: tuple[str, ...] = field(default=(), repr=False)
    only_roots: bool = False
    proxy: str | Literal[True] | None = None
    compression: bool = True
    ping_interval: int = 60
    ping_timeout: int = 20
    open_timeout: int = 30
    close_timeout: int = 5
    max_size: int = 2**20

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ConfigError(f"{self.url!r} is no CSMS address: it begins with ws:// or wss:// and names a host")
        if parts.username is not None or parts.query or parts.fragment:
            raise ConfigError("a CSMS address has no user, query or fragment; the password has a place of its own")
        if not 0 < len(self.identity) <= LONGEST_IDENTITY or ":" in self.identity:
            raise ConfigError(f"a station's identity has 1 to {LONGEST_IDENTITY} characters and no colon")
        if self.password is not None and not 0 < len(self.password) <= LONGEST_PASSWORD:
            raise ConfigError(f"a basic authentication password has 1 to {LONGEST_PASSWORD} characters")

    @property
    def connection_url(self) -> str:
        """The URL to dial: the endpoint, a slash and the identity (Part 4, 3.1.1)."""
        return f"{self.url.rstrip('/')}/{quote(self.identity, safe='')}"


class WebSocketDialer:
    """Dials a CSMS. `settings` may be replaced; the next dial takes the new ones."""

    def __init__(self, settings: WebSocketSettings) -> None:
        self.settings = settings

    async def dial(self, subprotocols: tuple[str, ...]) -> WebSocketConnection:
        """A connection on which a subprotocol is agreed. Raises LinkDown, whatever the reason."""
        settings = self.settings
        try:
            socket = await connect(
                settings.connection_url,
                subprotocols=list(subprotocols),  # type: ignore[arg-type]  # a NewType of str
                additional_headers=_authorization(settings),
                ssl=_tls_for(settings),
                proxy=settings.proxy,
                compression="deflate" if settings.compression else None,
                ping_interval=settings.ping_interval or None,
                ping_timeout=settings.ping_timeout,
                open_timeout=settings.open_timeout,
                close_timeout=settings.close_timeout,
                max_size=settings.max_size,
                user_agent_header=None,
                logger=_library_log,
            )
        except InvalidStatus as error:
            raise _refusal(error.response.status_code, settings) from error
        except ssl.SSLCertVerificationError as error:
            raise UntrustedCsms(f"the CSMS's certificate is not trusted: {error.verify_message}") from error
        except (OSError, EOFError, ValueError, ImportError, WebSocketException) as error:
            # TimeoutError and SSLError are OSErrors; ImportError is a kind of proxy that is not installed.
            raise LinkDown(f"the CSMS cannot be reached: {str(error) or type(error).__name__}") from error
        if socket.subprotocol not in subprotocols:
            # The library takes that as success; by 3.2 the connection is of no use.
            await socket.close(1002, "no common subprotocol")
            raise LinkDown(f"the CSMS agrees to none of {', '.join(subprotocols)}")
        # Headers that nobody asks for any more: some KiB of every station, and the password.
        socket.request = None
        if socket.response is not None:
            socket.response.headers.clear()
        return WebSocketConnection(socket)


class WebSocketConnection:
    """A WebSocket as the link sees it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._trouble = ""

    async def send(self, text: str) -> None:
        """Send one text message. Raises LinkDown."""
        try:
            await self._socket.send(text)
        except ConnectionClosed as error:
            raise LinkDown(f"the connection is closed: {error}") from error

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """The messages received, until the connection is closed by either side or is found dead."""
        try:
            async for message in self._socket:
                yield message
        except ConnectionClosed as error:
            self._trouble = str(error)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it with a handshake that may take `close_timeout`."""
        await self._socket.close(code, reason)

    @property
    def subprotocol(self) -> str | None:
        """Which of the subprotocols is agreed."""
        return self._socket.subprotocol

    @property
    def ended(self) -> str:
        """Who closed it with which code and reason; 1006 where no close frame came."""
        return self._trouble or f"{self._socket.close_code} {self._socket.close_reason or ''}".rstrip()


#: What an HTTP status in place of a WebSocket says (Part 4, 3.3; Part 2, A00), and who can mend it.
_REFUSALS: Final[Mapping[int, str]] = {
    401: "it does not take the name {identity!r} with this password: compare password_file (or BasicAuthPassword, if a "
    "CSMS has set it) with what the CSMS has for this station",
    403: "it knows {identity!r} and does not let it in, or wants it to come another way: it has to be allowed there",
    404: "it knows no station {identity!r}, or nothing is at that path: compare the station's id and {url} with what "
    "the CSMS's operator has given",
    429: "too many stations or attempts: nothing is to be done here, the next attempt comes by itself",
    503: "it is out of order: nothing is to be done here, the next attempt comes by itself",
}


def _refusal(status: int, settings: WebSocketSettings) -> LinkDown:
    """What a refused handshake means, for the log, the page and `status`. No refusal ends the dialling."""
    mend = _REFUSALS.get(status, "it takes no WebSocket at {url}: compare that with what its operator has given")
    kind = NotAuthenticated if status == 401 else LinkDown
    said = mend.format(identity=settings.identity, url=settings.connection_url)
    return kind(f"the CSMS answered with HTTP status {status}: {said}")


def _authorization(settings: WebSocketSettings) -> dict[str, str]:
    """HTTP basic authentication (A00.FR.202 to 205): the identity, and the password as UTF-8."""
    if settings.password is None:
        return {}
    pair = f"{settings.identity}:{settings.password}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _tls_for(settings: WebSocketSettings) -> ssl.SSLContext | None:
    if urlsplit(settings.url).scheme != "wss":
        return None
    if settings.only_roots:
        return _tls(None, 0, settings.roots, only_roots=True)
    changed = 0 if settings.ca_file is None else settings.ca_file.stat().st_mtime_ns
    return _tls(settings.ca_file, changed, settings.roots, only_roots=False)


@lru_cache(maxsize=64)
def _tls(ca_file: Path | None, changed: int, roots: tuple[str, ...], *, only_roots: bool) -> ssl.SSLContext:
    """TLS 1.2 or later that verifies the CSMS's certificate and name; made again when the file has changed.

    A root that was signed by the one before it (M05.FR.10) is where its chain ends all the same.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if only_roots else ssl.create_default_context(cafile=ca_file)
    if roots:
        context.load_verify_locations(cadata="\n".join(roots))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
