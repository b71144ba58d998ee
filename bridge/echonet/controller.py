"""The ECHONET Lite controller: the cores of this room on a `Lan` and a `Clock`.

Everything that arrives comes in through `_arrived` and everything that goes out leaves by `_send`; what to do about it
is decided by `Session` (answers), `OwnNode` (requests to us) and `Discovery`. Nothing that comes from the network
raises, no storm of it grows the process or stops commands (`bridge.echonet.intake`), and a callback that fails does not
cost the others theirs.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

import structlog

from bridge.clock import Clock
from bridge.echonet.discovery import Discovery, Found
from bridge.echonet.frame import (
    ANSWERS,
    NOTIFICATIONS,
    Defect,
    Frame,
    FrameError,
    Property,
    Service,
    decode,
    encode,
    hexed,
    salvage_refusal,
)
from bridge.echonet.intake import Oddities, Sluice
from bridge.echonet.lan import Lan
from bridge.echonet.node import OwnNode
from bridge.echonet.session import (
    LEAST_RESPONSE_TIMEOUT,
    Action,
    Answer,
    Done,
    Dropped,
    Heard,
    NoAnswer,
    Priority,
    Request,
    Send,
    Session,
)
from bridge.echonet.turns import Turns
from bridge.echonet.wellknown import CONTROLLER, INSTANCE_LIST_NOTIFICATION, NODE_PROFILE, class_of
from bridge.errors import NoAnswerError
from bridge.records import dataclass

__all__ = ["ALL_NODES", "Controller", "Found", "GetAnswer", "Notification", "SetAnswer", "Traffic"]

#: Stands for the address in `Traffic` that goes to all nodes.
ALL_NODES: Final = "*"

T = TypeVar("T")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class GetAnswer:
    """What a Get brought; times in monotonic ms. `refused`: SNA for it; `missing`: asked and not mentioned."""

    values: dict[int, bytes]
    refused: frozenset[int]
    missing: frozenset[int]
    sent_at: int
    received_at: int


@dataclass(frozen=True, slots=True)
class SetAnswer:
    """What became of a SetC. Accepted is not yet done: it must be read back (AIF 2.4.5). Times in monotonic ms."""

    accepted: frozenset[int]
    refused: frozenset[int]
    missing: frozenset[int]
    sent_at: int
    received_at: int


@dataclass(frozen=True, slots=True)
class Notification:
    """What an object told of itself, by INF or INFC."""

    address: str
    eoj: int
    values: dict[int, bytes]
    service: Service
    at: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """One datagram as it passed; `note` says what is odd about it, '' if nothing is."""

    at: int
    outgoing: bool
    address: str
    data: bytes
    note: str = ""


class _Callbacks(Generic[T]):
    """Some callbacks of one kind. One that raises is a bug of its owner's, logged, and not the others' trouble."""

    def __init__(self) -> None:
        self._all: list[Callable[[T], None]] = []

    def __bool__(self) -> bool:
        """Whether anybody listens."""
        return bool(self._all)

    def add(self, callback: Callable[[T], None]) -> None:
        self._all.append(callback)

    def call(self, event: T) -> None:
        for callback in tuple(self._all):
            try:
                callback(event)
            except Exception:
                _log.exception("a callback failed", of=type(event).__name__)


class Controller:
    """One controller (0x05FF01) on one network.

    `unique_id`: 13 bytes for 0x83 that never change. `response_timeout` in ms, at least 20 s (AIF 2.4.2), else
    `ConfigError`. `gap`: least ms between two datagrams to one node; it grows for a node in trouble. `classes`: what to
    search for (0x027E). `turns`: shared by the controllers of all networks, where a node may be on several (AIF 2.4.1).

    `malformed` counts datagrams that are no frames, by defect; `flooded` those that were not let in, as there were too
    many.
    """

    def __init__(
        self,
        lan: Lan,
        clock: Clock,
        *,
        unique_id: bytes,
        response_timeout: int = LEAST_RESPONSE_TIMEOUT,
        gap: int = 0,
        classes: frozenset[int],
        turns: Turns | None = None,
    ) -> None:
        self._lan = lan
        self._clock = clock
        self._session = Session(
            response_timeout=response_timeout,
            gap=gap,
            first_tid=clock.random.randrange(1, 0x10000),
            turns=turns,
            on_stir=self._set_timer,
        )
        self._search_again = response_timeout
        self._node = OwnNode(unique_id)
        self._discovery = Discovery(classes)
        self._waiting: dict[int, tuple[Request, asyncio.Future[Answer]]] = {}
        self._notified = _Callbacks[Notification]()
        self._found = _Callbacks[Found]()
        self._traffic = _Callbacks[Traffic]()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: int | None = None
        self._second_search: asyncio.TimerHandle | None = None
        self._sluice = Sluice(self._session.knows)
        self._oddities = Oddities(_log.warning)
        self._open = False
        self.malformed: Counter[Defect] = Counter()
        self.flooded = 0

    # For the rest of the house

    async def start(self) -> None:
        """Listen, announce our own instance list and search (AIF 3.1.1, 3.1.2).

        While a wanted class is still unknown after the response timer, one more search goes out the other way.
        """
        self._open = True
        self._lan.attach(self._arrived)
        self._send(None, encode(self._node.announcement(self._session.fresh_tid())))
        self.search()
        self._second_search = self._clock.call_at(self._clock.monotonic() + self._search_again, self._search_missing)

    def search(self) -> None:
        """Ask all nodes once more; every second time by classes instead of instance lists."""
        for search in self._discovery.searches():
            tid = self._session.open_search(self._clock.monotonic())
            self._send(None, encode(Frame(tid, CONTROLLER, search.eoj, Service.GET, search.properties)))
        self._set_timer()

    async def get(self, address: str, eoj: int, epcs: Sequence[int], priority: Priority = Priority.POLL) -> GetAnswer:
        """Read properties of an object. Raises `NoAnswerError` when the response timer ends."""
        answer = await self._ask(Request(address, eoj, Service.GET, tuple((epc, b"") for epc in epcs), priority))
        return GetAnswer(answer.values, answer.refused, answer.missing, answer.sent_at, answer.received_at)

    async def set(
        self, address: str, eoj: int, writes: Sequence[Property], priority: Priority = Priority.COMMAND
    ) -> SetAnswer:
        """Write properties of an object (SetC). Raises `NoAnswerError` when the response timer ends."""
        answer = await self._ask(Request(address, eoj, Service.SET_C, tuple(writes), priority))
        return SetAnswer(answer.accepted, answer.refused, answer.missing, answer.sent_at, answer.received_at)

    def on_notification(self, callback: Callable[[Notification], None]) -> None:
        """Be called with every INF and INFC of other nodes, whatever their objects."""
        self._notified.add(callback)

    def on_found(self, callback: Callable[[Found], None]) -> None:
        """Be called with every sighting of an object of a wanted class, known ones (`new` is false) included."""
        self._found.add(callback)

    def on_traffic(self, callback: Callable[[Traffic], None]) -> None:
        """Be called with every datagram in the order in which they pass, but for what a storm brings too much of."""
        self._traffic.add(callback)

    def set_gap(self, address: str, gap: int) -> None:
        """Give one node a spacing (ms) of its own, for adapters that choke."""
        self._session.set_gap(address, gap)

    def gap(self, address: str) -> int:
        """The spacing (ms) of a node as it is now: the configured one, or a longer one after trouble."""
        return self._session.gap(address)

    @property
    def strays(self) -> dict[str, int]:
        """How many answers belonged to no request, by why."""
        return {str(why): count for why, count in self._session.strays.items()}

    async def close(self) -> None:
        """Leave the network; whoever still waits gets `NoAnswerError`."""
        self._open = False
        for timer in (self._timer, self._second_search):
            if timer is not None:
                timer.cancel()
        waiting, self._waiting = self._waiting, {}
        for request, future in waiting.values():
            if not future.done():
                future.set_exception(NoAnswerError(f"{_name(request)}: the controller was closed"))
        await self._lan.close()

    # Asking

    async def _ask(self, request: Request) -> Answer:
        if not self._open:
            raise NoAnswerError(f"{_name(request)}: the controller is not running")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[id(request)] = (request, future)
        try:
            self._carry_out(self._session.submit(request, self._clock.monotonic()))
            return await future
        finally:
            # Still there only if whoever waited was cancelled (or the request was refused as a mistake of ours).
            if self._waiting.pop(id(request), None) is not None:
                self._carry_out(self._session.cancel(request, self._clock.monotonic()))

    def _finish(self, done: Done) -> None:
        _, future = self._waiting.pop(id(done.request), (None, None))
        if future is None or future.done():
            return
        if isinstance(done.outcome, Answer):
            future.set_result(done.outcome)
        else:
            future.set_exception(NoAnswerError(_silence(done.request, done.outcome)))

    # Network and timers

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                self._send(action.address, action.data)
            elif isinstance(action, Done):
                self._finish(action)
        self._set_timer()

    def _send(self, address: str | None, data: bytes) -> None:
        """Send to one node, or (None) to all."""
        if not self._open:
            return
        self._tell_traffic(self._clock.monotonic(), address or ALL_NODES, data, outgoing=True)
        if address is None:
            self._lan.multicast(data)
        else:
            self._lan.send(data, address)

    def _tell_traffic(self, now: int, address: str, data: bytes, note: str = "", *, outgoing: bool = False) -> None:
        if self._traffic:
            self._traffic.call(Traffic(now, outgoing, address, data, note))

    def _arrived(self, data: bytes, address: str) -> None:
        if not self._open:
            return
        now = self._clock.monotonic()
        try:
            frame = decode(data)
        except FrameError as error:
            self._arrived_broken(data, address, error, now)
            return
        if frame.service in ANSWERS:
            self._arrived_answer(data, address, frame, now)
        elif self._let_in(address, now):
            self._arrived_unasked(data, address, frame, now)

    def _let_in(self, address: str, now: int) -> bool:
        """Whether what nobody asked for is taken."""
        if self._sluice.admits(address, now):
            return True
        self.flooded += 1
        self._odd("flood", address, now, "too many datagrams that nobody asked for: the rest is ignored")
        return False

    def _odd(self, kind: str, address: str, now: int, text: str, **details: str) -> None:
        """Log an oddity: once per kind for a node that we know, and once per kind for all strangers."""
        who = address if self._session.knows(address) else ""
        self._oddities.seen((who, kind), now, text, address=address, **details)

    def _arrived_unasked(self, data: bytes, address: str, frame: Frame, now: int) -> None:
        """A notification, or a request to us."""
        self._tell_traffic(now, address, data)
        if frame.service in NOTIFICATIONS:
            self._discover(address, frame)
            values = {epc: edt for epc, edt in frame.properties if edt}
            self._session.heard(address, started=_is_arrival(frame))
            self._notified.call(Notification(address, frame.seoj, values, frame.service, now))
        for reply in self._node.take(frame, self._session.fresh_tid):
            self._send(None if reply.multicast else address, encode(reply.frame))

    def _arrived_answer(self, data: bytes, address: str, frame: Frame, now: int, note: str = "") -> None:
        """What the session makes of an answer; only one that it has waited for is let in whatever else comes."""
        actions = self._session.receive(address, frame, now)
        last = actions[-1] if actions else None
        if isinstance(last, Dropped):
            why = str(last.why)
            if self._let_in(address, now):
                self._tell_traffic(now, address, data, f"{note}; {why}" if note else why)
                self._odd(why, address, now, "answer matched nothing", why=why, data=hexed(data[:64]))
        elif not isinstance(last, Heard) or self._let_in(address, now):
            self._tell_traffic(now, address, data, note)
            self._discover(address, frame)
        self._carry_out(actions)

    def _arrived_broken(self, data: bytes, address: str, error: FrameError, now: int) -> None:
        """Count and log what is no frame; a refusal that can still be understood is used."""
        self.malformed[error.defect] += 1
        frame = salvage_refusal(data)
        if frame is not None:
            self._log_defect(data, address, error, now)
            self._arrived_answer(data, address, frame, now, str(error))
        elif self._let_in(address, now):
            self._log_defect(data, address, error, now)
            self._tell_traffic(now, address, data, str(error))

    def _log_defect(self, data: bytes, address: str, error: FrameError, now: int) -> None:
        self._odd(error.defect, address, now, "datagram ignored", reason=str(error), data=hexed(data[:64]))

    def _discover(self, address: str, frame: Frame) -> None:
        for found in self._discovery.take(address, frame):
            self._found.call(found)

    def _search_missing(self) -> None:
        if self._open and not self._discovery.complete():
            self.search()

    def _set_timer(self) -> None:
        """Keep one timer that runs out no later than the session's next deadline; too early does no harm."""
        at = self._session.next_deadline() if self._open else None
        if at is None or (self._timer_at is not None and self._timer_at <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._clock.call_at(at, self._due)

    def _due(self) -> None:
        self._timer = self._timer_at = None
        self._carry_out(self._session.advance(self._clock.monotonic()))


def _is_arrival(frame: Frame) -> bool:
    """Whether a node says that it is there now (AIF 3.1.1)."""
    from_profile = class_of(frame.seoj) == class_of(NODE_PROFILE)
    return from_profile and any(epc == INSTANCE_LIST_NOTIFICATION for epc, _ in frame.properties)


def _name(request: Request) -> str:
    codes = " ".join(f"{epc:02X}" for epc, _ in request.properties)
    return f"{request.address} {request.eoj:06X} {request.service.name} {codes}"


def _silence(request: Request, outcome: NoAnswer) -> str:
    return (
        f"{_name(request)}: no answer within {outcome.at - outcome.sent_at} ms; "
        f"is the unit switched on and at this address?"
    )
