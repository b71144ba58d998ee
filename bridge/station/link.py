"""The link of one station to its CSMS: dial, serve the calls of both sides, and dial again, for ever.

What the link sends and receives are messages in our own words. How the texts travel is the dialer's matter: over a
WebSocket (`link_websocket`), or in memory on virtual time (`link_memory`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import field
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

import structlog

from bridge.clock import Clock
from bridge.errors import CsmsError
from bridge.records import dataclass
from bridge.station.backoff import BackOff, BackOffSettings
from bridge.station.messages.base import Request, Response, action_of
from bridge.station.messages.call_error import CallError, ErrorCode
from bridge.station.rpc import BadAnswer as BadAnswer
from bridge.station.rpc import Call, Error, Event, Reply, Result, Rpc, Stray, VersionAdapter
from bridge.station.rpc import CallErrorReceived as CallErrorReceived

_log = structlog.get_logger()

R = TypeVar("R", bound=Response)

#: What a handler may give back: the response, and what is to run right after it has been sent.
Answer = Response | tuple[Response, Callable[[], object]]


class LinkDown(CsmsError):  # noqa: N818 - a state
    """There is no connection, or it was lost before the answer came."""


class UntrustedCsms(LinkDown):
    """The CSMS's certificate was not accepted (A00.FR.309)."""


class NotAuthenticated(LinkDown):
    """The CSMS does not take the station's name and password (HTTP status 401, A00.FR.204)."""


class CallTimeout(CsmsError):  # noqa: N818 - what happened
    """The CSMS did not answer a CALL in time."""


class Connection(Protocol):
    """A way to a CSMS that stands."""

    async def send(self, text: str) -> None:
        """Send one message. Raises LinkDown."""

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """The messages received, until the connection is closed by either side."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it; no harm if it is closed already."""

    @property
    def ended(self) -> str:
        """Why it was closed, for a person."""

    @property
    def subprotocol(self) -> str | None:
        """Which of the subprotocols is agreed."""


class Dialer(Protocol):
    """Makes connections."""

    async def dial(self, subprotocols: tuple[str, ...]) -> Connection:
        """A connection on which one of the subprotocols is agreed. Raises LinkDown."""


class Handler(Protocol):
    """What the link tells the station. None of these is called twice at the same time, except `on_call`."""

    def on_connected(self) -> None:
        """A connection stands."""

    def on_disconnected(self, why: str) -> None:
        """It is gone; calls that were open have failed with LinkDown."""

    async def on_call(self, request: Request[Any]) -> Answer:
        """Answer a CALL. Raises CallError to refuse it; whatever else it raises becomes an InternalError.

        It may take its time and may itself call; but some CSMSs do not answer before they have been answered.
        What it gives along with the response runs right after the answer has been sent (or could not be sent).
        """


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Times in ms. `call_timeout` is OCPPCommCtrlr.MessageTimeout: below 45 s some CSMSs that are slow lose calls."""

    call_timeout: int = 60_000
    back_off: BackOffSettings = field(default_factory=BackOffSettings)
    max_size: int = 2**20


class Link:
    """One station's way to its CSMS. `settings` may be replaced at any time; the next wait or call takes the new ones.

    `adapter` is the OCPP version spoken, or several in the order they are offered: each connection has the one that the
    CSMS has chosen for it. `on_traffic(outgoing, text)` sees every message as it is; what keeps or shows it uses
    `bridge.station.redact`.
    """

    def __init__(
        self,
        dialer: Dialer,
        adapter: VersionAdapter | tuple[VersionAdapter, ...],
        clock: Clock,
        *,
        settings: LinkSettings | None = None,
        on_traffic: Callable[[bool, str], None] | None = None,
    ) -> None:
        self.settings = settings or LinkSettings()
        self.on_traffic = on_traffic
        self.trouble: str | None = "not dialled yet"
        self._dialer, self._clock = dialer, clock
        adapters = adapter if isinstance(adapter, tuple) else (adapter,)
        self._adapters = {one.subprotocol: one for one in adapters}
        self._rpc = Rpc(adapters[0], self._new_message_id, max_size=self.settings.max_size)
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()
        self._awaited: asyncio.Future[Response] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._hurry = asyncio.Event()

    @property
    def longest_calls(self) -> dict[str, int]:
        """The most bytes of a CALL of the CSMS, by its action; to be filled by who knows of limits."""
        return self._rpc.longest_calls

    @property
    def connected(self) -> bool:
        """Whether a connection stands; if not, `trouble` says why."""
        return self._connection is not None

    @property
    def subprotocol(self) -> str:
        """The OCPP version of the connection that stands, or stood last (before any: the first that is offered)."""
        return self._rpc.adapter.subprotocol

    # -- the connection

    async def run(self, handler: Handler) -> None:
        """Dial and serve, for ever (Part 4, 5.3). Cancel it to end the link."""
        back_off = BackOff(self.settings.back_off, self._clock.random.randint)
        try:
            while True:
                self._hurry.clear()
                try:
                    connection = await self._dial()
                except CsmsError as error:
                    before, self.trouble = self.trouble, str(error)
                    (_log.info if self.trouble == before else _log.warning)("dial failed", why=self.trouble)
                else:
                    back_off.reset()
                    await self._serve(connection, handler)
                back_off.settings = self.settings.back_off
                await self._pause(back_off.next())
        finally:
            for task in tuple(self._tasks):
                task.cancel()

    async def _dial(self) -> Connection:
        """A connection, whose version is the one spoken from now on. Raises CsmsError."""
        connection = await self._dialer.dial(tuple(self._adapters))
        adapter = self._adapters.get(connection.subprotocol or "")
        if adapter is None:  # Part 4, 3.2: of no use
            await connection.close(1002, "no common subprotocol")
            raise LinkDown(f"the CSMS agrees to none of {', '.join(self._adapters)}")
        self._rpc.adapter = adapter
        return connection

    async def reconnect(self, why: str, *, at_once: bool = False) -> None:
        """Close the connection, so that the link dials again: `at_once`, or after the usual wait."""
        connection = self._connection
        if connection is not None:
            await connection.close(1000, why)
        if at_once:
            self._hurry.set()

    async def _pause(self, milliseconds: int) -> None:
        try:
            async with asyncio.timeout(milliseconds / 1000):
                await self._hurry.wait()
        except TimeoutError:
            pass

    async def _serve(self, connection: Connection, handler: Handler) -> None:
        self._connection, self.trouble = connection, None
        _guarded(handler.on_connected)
        why = "the gateway closes the link"
        try:
            async for text in connection:
                self._observe(False, text if isinstance(text, str) else repr(text))
                for event in self._rpc.receive(text):
                    await self._take(event, connection, handler)
            why = connection.ended
        finally:
            self._connection, self.trouble = None, why
            self._rpc.disconnected()
            if self._awaited is not None and not self._awaited.done():
                self._awaited.set_exception(LinkDown(f"the connection was lost: {why}"))
                self._awaited.exception()  # one that is still being sent hears of it there, and never asks here
            _log.info("disconnected", why=why)
            _guarded(lambda: handler.on_disconnected(why))
            # Some CSMSs upset both connections of an identity: this one is closed before the next dial.
            await connection.close(1001, why[:100])

    async def _take(self, event: Event, connection: Connection, handler: Handler) -> None:
        match event:
            case Call():
                self._spawn(self._answer(event, connection, handler))
            case Result(response=response):
                if self._awaited is not None and not self._awaited.done():
                    self._awaited.set_result(response)
            case Error(error=error):
                if self._awaited is not None and not self._awaited.done():
                    self._awaited.set_exception(error)
            case Reply(text=text, error=problem):
                _log.warning("bad message refused", code=problem.code, why=problem.description)
                await self._send_if_up(connection, text)
            case Stray(why=why):
                _log.info("message ignored", why=why)

    # -- their calls

    async def _answer(self, call: Call, connection: Connection, handler: Handler) -> None:
        """Answer one CALL, aside from the receive loop, so that a handler can call in turn."""
        action = action_of(call.request)
        after: Callable[[], object] | None = None
        try:
            answer = await handler.on_call(call.request)
            response, after = answer if isinstance(answer, tuple) else (answer, None)
            text = self._rpc.answer(call, response)
        except CallError as error:
            _log.info("call refused", action=action, code=error.code, why=error.description)
            text = self._rpc.refuse(call, error)
        except Exception:
            _log.exception("call failed", action=action)
            text = self._rpc.refuse(call, CallError(ErrorCode.INTERNAL_ERROR, f"{action} could not be carried out"))
        await self._send_if_up(connection, text)
        if after is not None:
            _guarded(after)

    # -- our calls

    async def call(self, request: Request[R]) -> R:
        """Send a CALL and wait for its answer. One is open at a time (Part 4, 4.1.1); others queue in order.

        A queued call belongs to the connection that stood when it was made. One whose caller is cancelled stays open
        until it is answered or has timed out, as the next may not be sent before.

        Raises:
            LinkDown: there is no connection, or it was lost.
            CallTimeout: no answer within `settings.call_timeout`.
            CallErrorReceived: the CSMS refused it.
            BadAnswer: the answer is not OCPP.
            ValueError: the request is not what the schema allows.
        """
        connection = self._connection
        if connection is None:
            raise LinkDown(f"{action_of(request)} cannot be sent: {self.trouble}")
        await self._turn.acquire()
        try:
            if self._connection is not connection:
                raise LinkDown(f"the connection was lost before {action_of(request)} was sent")
            text = self._rpc.call(request)
        except BaseException:
            self._turn.release()
            raise
        return cast(R, await self._exchange(connection, text, action_of(request)))

    async def _exchange(self, connection: Connection, text: str, action: str) -> Response:
        """Send the open CALL's text and wait; the turn is given back, now or when the CALL is no longer open."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.settings.call_timeout / 1000
        self._awaited = loop.create_future()
        still_open = False
        try:
            async with asyncio.timeout_at(deadline):
                await self._send(connection, text)
                return await self._awaited
        except TimeoutError:
            raise CallTimeout(f"no answer to {action} within {self.settings.call_timeout} ms") from None
        except asyncio.CancelledError:
            still_open = self._rpc.busy and self.connected
            raise
        finally:
            if still_open:
                self._awaited = loop.create_future()
                self._spawn(self._outwait(self._awaited, deadline))
            else:
                self._end_turn()

    async def _outwait(self, answer: asyncio.Future[Response], deadline: float) -> None:
        """Keep the turn for a CALL whose caller has gone."""
        try:
            async with asyncio.timeout_at(deadline):
                await answer
        except (TimeoutError, CsmsError):
            pass
        finally:
            self._end_turn()

    def _end_turn(self) -> None:
        self._rpc.give_up()
        self._awaited = None
        self._turn.release()

    # -- small things

    async def _send(self, connection: Connection, text: str) -> None:
        self._observe(True, text)
        await connection.send(text)

    async def _send_if_up(self, connection: Connection, text: str) -> None:
        try:
            await self._send(connection, text)
        except LinkDown as error:
            _log.info("an answer could not be sent", why=str(error))

    def _observe(self, outgoing: bool, text: str) -> None:
        observer = self.on_traffic
        if observer is not None:
            _guarded(lambda: observer(outgoing, text))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _new_message_id(self) -> str:
        return str(UUID(int=self._clock.random.getrandbits(128), version=4))


def _guarded(callback: Callable[[], object]) -> None:
    """A mistake in what is called back is logged; the link goes on."""
    try:
        callback()
    except Exception:
        _log.exception("a callback of the link failed")
