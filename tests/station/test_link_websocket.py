"""The link over real WebSockets on the loopback: handshakes, closings, TLS, and habits of CSMSs."""

import asyncio
import base64
import json
import logging
import ssl
import subprocess
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from bridge.clock import Clock
from bridge.errors import ConfigError
from bridge.station.link import CallTimeout, Link, LinkDown, LinkSettings
from bridge.station.link_websocket import WebSocketDialer, WebSocketSettings
from bridge.station.messages import ClearCacheResponse, ClearCacheStatus, HeartbeatRequest
from bridge.station.messages.v201 import Adapter

HOST = "127.0.0.1"
OFFERED = ("ocpp2.0.1",)
TIME = "2026-01-05T03:17:00.000Z"


class Station:
    """A handler that hurries the link, so that no test waits for a back-off."""

    def __init__(self) -> None:
        self.link: Link
        self.ups = asyncio.Queue()
        self.downs = asyncio.Queue()

    def on_connected(self) -> None:
        self.ups.put_nowait(True)

    def on_disconnected(self, why: str) -> None:
        self.downs.put_nowait(why)
        self.link._hurry.set()

    async def on_call(self, request) -> ClearCacheResponse:
        return ClearCacheResponse(ClearCacheStatus.ACCEPTED)


class HurriedDialer(WebSocketDialer):
    """A dialer that notes why a dial failed, and lets the next one come at once."""

    def __init__(self, settings: WebSocketSettings) -> None:
        super().__init__(settings)
        self.link: Link
        self.failures = asyncio.Queue()

    async def dial(self, subprotocols):
        try:
            return await super().dial(subprotocols)
        except LinkDown as error:
            self.failures.put_nowait(str(error))
            self.link._hurry.set()
            raise


@asynccontextmanager
async def csms(handler, **options):
    """A CSMS on the loopback; gives its URL."""
    options.setdefault("subprotocols", list(OFFERED))
    scheme = "wss" if options.get("ssl") else "ws"
    async with serve(handler, HOST, 0, **options) as server:
        yield f"{scheme}://{HOST}:{server.sockets[0].getsockname()[1]}/ocpp"


@asynccontextmanager
async def linked(settings: WebSocketSettings, **link_settings):
    """A running link and its station."""
    dialer = HurriedDialer(settings)
    link = Link(dialer, Adapter(), Clock(1), settings=LinkSettings(**link_settings))
    station = Station()
    station.link = dialer.link = link
    task = asyncio.create_task(link.run(station))
    try:
        async with asyncio.timeout(20):
            yield link, station
    finally:
        task.cancel()
        await asyncio.wait([task])


async def hold(connection: ServerConnection) -> None:
    """Keep the connection and read what comes."""
    try:
        async for _ in connection:
            pass
    except ConnectionClosed:
        pass


async def answer_all(connection: ServerConnection) -> None:
    async for text in connection:
        message = json.loads(text)
        if message[0] == 2:
            await connection.send(json.dumps([3, message[1], {"currentTime": TIME}]))


async def dial(settings: WebSocketSettings):
    return await WebSocketDialer(settings).dial(OFFERED)


# -- the handshake


async def test_identity_password_and_subprotocol_are_offered():
    seen = {}

    async def note(connection: ServerConnection) -> None:
        seen["path"] = connection.request.path
        seen["headers"] = connection.request.headers
        await hold(connection)

    async with csms(note) as url:
        connection = await dial(WebSocketSettings(url, "RDAM 123/ä", "p:ass=wörd"))
        await connection.close()
    assert seen["path"] == "/ocpp/RDAM%20123%2F%C3%A4"
    assert seen["headers"]["Sec-WebSocket-Protocol"] == "ocpp2.0.1"
    scheme, pair = seen["headers"]["Authorization"].split()
    assert scheme == "Basic"
    assert base64.b64decode(pair).decode() == "RDAM 123/ä:p:ass=wörd"
    assert "permessage-deflate" in seen["headers"]["Sec-WebSocket-Extensions"]


async def test_no_password_and_no_compression_are_not_offered():
    seen = {}

    async def note(connection: ServerConnection) -> None:
        seen.update(connection.request.headers.raw_items())
        await hold(connection)

    async with csms(note) as url:
        connection = await dial(WebSocketSettings(url, "cs", compression=False))
        await connection.close()
    assert "Authorization" not in seen
    assert "Sec-WebSocket-Extensions" not in seen


async def test_a_csms_that_agrees_to_no_subprotocol_is_left():
    closed = asyncio.Queue()

    async def note(connection: ServerConnection) -> None:
        await hold(connection)
        closed.put_nowait(connection.close_code)

    async with csms(note, subprotocols=None) as url:
        with pytest.raises(LinkDown, match=r"none of ocpp2\.0\.1"):
            await dial(WebSocketSettings(url, "cs"))
        assert await asyncio.wait_for(closed.get(), 5) == CloseCode.PROTOCOL_ERROR


async def test_a_csms_that_picks_what_was_not_offered_is_left():
    async with csms(hold, subprotocols=None, select_subprotocol=lambda connection, offered: "ocpp2.1") as url:
        with pytest.raises(LinkDown, match=r"ocpp2\.1"):
            await dial(WebSocketSettings(url, "cs"))


@pytest.mark.parametrize(
    "status", [HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.BAD_GATEWAY]
)
async def test_a_refusal_does_not_end_the_dialling(status):
    attempts = []

    def refuse_twice(connection, request):
        attempts.append(request.path)
        return connection.respond(status, "no\n") if len(attempts) < 3 else None

    async with csms(answer_all, process_request=refuse_twice) as url:
        with pytest.raises(LinkDown, match=str(status.value)):
            await dial(WebSocketSettings(url, "cs"))
        async with linked(WebSocketSettings(url, "cs")) as (link, station):
            await station.ups.get()
            await link.call(HeartbeatRequest())
    assert attempts == ["/ocpp/cs"] * 3


async def test_a_wrong_password_can_be_mended_without_a_restart():
    def check(connection, request):
        right = base64.b64encode(b"cs:right").decode()
        return None if request.headers.get("Authorization") == f"Basic {right}" else connection.respond(401, "")

    async with csms(answer_all, process_request=check) as url:
        settings = WebSocketSettings(url, "cs", "wrong")
        async with linked(settings) as (link, station):
            assert "401" in await link._dialer.failures.get()
            link._dialer.settings = replace(settings, password="right")
            await station.ups.get()
            await link.call(HeartbeatRequest())


async def test_nothing_listens():
    with pytest.raises(LinkDown, match="cannot be reached"):
        await dial(WebSocketSettings(f"ws://{HOST}:1/ocpp", "cs"))


async def test_a_host_that_does_not_answer_the_handshake():
    async def mute(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, HOST, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(LinkDown, match="timed out"):
            await dial(WebSocketSettings(f"ws://{HOST}:{port}/ocpp", "cs", open_timeout=0.2))


@pytest.mark.parametrize(
    "reply", [b"", b"\x00\xff" * 40, b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"]
)
async def test_a_host_that_speaks_no_websocket(reply):
    async def babble(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(babble, HOST, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(LinkDown):
            await dial(WebSocketSettings(f"ws://{HOST}:{port}/ocpp", "cs"))


async def test_the_environment_s_proxy_is_not_used_unless_asked_for(monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://{HOST}:1")
    monkeypatch.setenv("https_proxy", f"http://{HOST}:1")
    monkeypatch.delenv("no_proxy", raising=False)
    async with csms(hold) as url:
        connection = await dial(WebSocketSettings(url, "cs"))
        await connection.close()
        for proxy in (f"http://{HOST}:1", "socks5://nowhere.invalid:1"):
            with pytest.raises(LinkDown):
                await dial(WebSocketSettings(url, "cs", proxy=proxy))


async def test_the_password_is_in_no_log(caplog):
    caplog.set_level(logging.DEBUG)
    async with csms(hold, logger=logging.getLogger("quiet server")) as url:
        logging.getLogger("quiet server").setLevel(logging.INFO)
        settings = WebSocketSettings(url, "cs", "topsecret")
        connection = await dial(settings)
        await connection.close()
    assert "topsecret" not in repr(settings)
    assert base64.b64encode(b"cs:topsecret").decode() not in caplog.text


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"url": "http://csms.example"}, "ws://"),
        ({"url": "wss:///ocpp"}, "names a host"),
        ({"url": "wss://me:secret@csms.example"}, "no user"),
        ({"identity": ""}, "identity"),
        ({"identity": "a:b"}, "colon"),
        ({"identity": "x" * 49}, "48"),
        ({"password": "x" * 41}, "40"),
        ({"password": ""}, "password"),
    ],
)
def test_settings_that_cannot_work_are_refused(changed, words):
    with pytest.raises(ConfigError, match=words) as caught:
        replace(WebSocketSettings("wss://csms.example/ocpp", "cs", "x" * 40), **changed)
    assert "secret" not in str(caught.value)


# -- closings at any point


async def close_politely(connection: ServerConnection) -> None:
    await connection.close(1001, "restart")


async def close_1011(connection: ServerConnection) -> None:
    await connection.close(1011, "overload")


async def abort(connection: ServerConnection) -> None:
    connection.transport.abort()


async def abort_after_a_message(connection: ServerConnection) -> None:
    await connection.recv()
    connection.transport.abort()


async def half_a_frame(connection: ServerConnection) -> None:
    connection.transport.write(b"\x81\x7e\x01\x00[2,")
    connection.transport.close()


async def a_bad_frame(connection: ServerConnection) -> None:
    connection.transport.write(b"\xff\xff\xff\xff")
    await hold(connection)


async def bad_utf8(connection: ServerConnection) -> None:
    connection.transport.write(b"\x81\x02\xff\xff")
    await hold(connection)


async def too_big(connection: ServerConnection) -> None:
    await connection.send("x" * (2**20 + 1))
    await hold(connection)


ENDS = [
    (close_politely, "1001 restart"),
    (close_1011, "overload"),
    (abort, "no close frame"),
    (abort_after_a_message, "no close frame"),
    (half_a_frame, "no close frame"),
    (a_bad_frame, "1002"),
    (bad_utf8, "1007"),
    (too_big, "1009"),
]


@pytest.mark.parametrize(("end", "words"), ENDS, ids=[end.__name__ for end, _ in ENDS])
async def test_whatever_ends_a_connection_the_link_comes_back(end, words):
    connections = []

    async def first_bad_then_good(connection: ServerConnection) -> None:
        connections.append(connection)
        await (end if len(connections) == 1 else answer_all)(connection)

    async with (
        csms(first_bad_then_good, compression=None) as url,
        linked(WebSocketSettings(url, "cs")) as (link, station),
    ):
        await station.ups.get()
        with pytest.raises(LinkDown):
            await link.call(HeartbeatRequest())
        assert words in await station.downs.get()
        await station.ups.get()
        await link.call(HeartbeatRequest())
    assert len(connections) == 2


async def test_garbage_is_answered_and_calls_go_on():
    answers = asyncio.Queue()

    async def babble(connection: ServerConnection) -> None:
        for garbage in ("{", b"\x00", '[2,"x","Nothing",{}]', "[" * 5_000, '[2,"y","ClearCache",{}]'):
            await connection.send(garbage)
            answers.put_nowait(json.loads(await connection.recv())[:3])
        await answer_all(connection)

    async with csms(babble) as url, linked(WebSocketSettings(url, "cs")) as (link, station):
        await station.ups.get()
        got = [await answers.get() for _ in range(5)]
        assert got[0] == got[1] == got[3] == [4, "-1", "RpcFrameworkError"]
        assert got[2] == [4, "x", "NotImplemented"]
        assert got[4] == [3, "y", {"status": "Accepted"}]
        await link.call(HeartbeatRequest())


async def test_a_dead_peer_is_found_by_pings():
    over = asyncio.Event()

    async def deaf(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await over.wait()
        connection.transport.abort()

    async with csms(deaf) as url:
        settings = WebSocketSettings(url, "cs", ping_interval=0.1, ping_timeout=0.1, close_timeout=0.1)
        try:
            async with linked(settings) as (_, station):
                await station.ups.get()
                assert "ping timeout" in await station.downs.get()
                await station.ups.get()
        finally:
            over.set()


async def test_no_pings_if_the_interval_is_zero():
    connection = None
    async with csms(hold) as url:
        connection = await dial(WebSocketSettings(url, "cs", ping_interval=0))
        assert connection._socket.ping_interval is None
        await connection.close()


async def test_a_csms_that_does_not_answer_costs_one_timeout():
    async with csms(hold) as url, linked(WebSocketSettings(url, "cs"), call_timeout=50) as (link, station):
        await station.ups.get()
        for _ in range(3):
            with pytest.raises(CallTimeout):
                await link.call(HeartbeatRequest())
        assert link.connected


async def test_the_old_connection_is_closed_before_the_next_dial():
    """Some CSMSs break the new connection when an identity appears twice."""
    open_now, most = 0, 0

    async def count(connection: ServerConnection) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        try:
            await hold(connection)
        finally:
            open_now -= 1

    async with csms(count) as url, linked(WebSocketSettings(url, "cs")) as (link, station):
        for _ in range(5):
            await station.ups.get()
            await link.reconnect("test", at_once=True)
        await station.ups.get()
    assert most == 1


# -- TLS


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A root, and what it vouches for: the loopback address, and another host."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test root", "-days", "2")
    for name, subject in (("right", "IP:127.0.0.1"), ("wrong", "DNS:other.example")):
        (folder / f"{name}.ext").write_text(f"subjectAltName={subject}\n")
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", f"{name}.pem", "-days", "2", "-extfile", f"{name}.ext")  # fmt: skip
    return folder


def server_tls(folder, name: str, highest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    if highest:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = highest
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


async def test_tls_with_a_root_of_ones_own(certificates):
    async with csms(answer_all, ssl=server_tls(certificates, "right")) as url:
        assert url.startswith("wss")
        settings = WebSocketSettings(url, "cs", "password", ca_file=certificates / "ca.pem")
        async with linked(settings) as (link, station):
            await station.ups.get()
            await link.call(HeartbeatRequest())


@pytest.mark.parametrize(("name", "root"), [("right", None), ("wrong", "ca.pem"), ("right", "wrong.pem")])
async def test_tls_that_proves_nothing_is_refused(certificates, name, root):
    reached = []

    async def note(connection: ServerConnection) -> None:
        reached.append(connection)

    async with csms(note, ssl=server_tls(certificates, name)) as url:
        with pytest.raises(LinkDown, match="not trusted"):
            await dial(WebSocketSettings(url, "cs", "password", ca_file=root and certificates / root))
    assert not reached


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_tls_before_1_2_is_refused(certificates):
    async with csms(hold, ssl=server_tls(certificates, "right", ssl.TLSVersion.TLSv1_1)) as url:
        with pytest.raises(LinkDown):
            await dial(WebSocketSettings(url, "cs", ca_file=certificates / "ca.pem"))


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_missing_or_broken_root_file_is_no_crash(tmp_path, content):
    root = tmp_path / "root.pem"
    if content:
        root.write_text(content)
    with pytest.raises(LinkDown, match="cannot be reached"):
        await dial(WebSocketSettings(f"wss://{HOST}:1/ocpp", "cs", ca_file=root))
