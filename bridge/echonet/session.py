"""The request session: who may be asked what, when, and which answer belongs to which request. No I/O, no clock.

The rules (AIF 2.4): one request and one response per node at a time; a response timer of at least 20 s; a TID that was
used is never used again for a repetition. An answer counts only if node, TID, both objects and service fit. What other
addresses the node may have, on this network or another, is known to `bridge.echonet.turns`.
The one exception is a stop (the write): after 2 s behind another request it goes out all the same, and again in its
proper turn.
Requests to a node are spaced, wider after trouble (`bridge.echonet.spacing`).

Events (`submit`, `receive`, `advance`, `cancel`) take the time in ms and give back actions; `next_deadline` says when
`advance` is due.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import field
from functools import partial
from heapq import heapify, heappop, heappush
from typing import Final

from bridge.echonet.frame import Frame, Service, encode
from bridge.echonet.requests import (
    ANSWER_TO,
    Action,
    Answer,
    Done,
    Dropped,
    Heard,
    NoAnswer,
    Priority,
    Request,
    Send,
    Stray,
    asks_who,
    sorted_answer,
    speaks_for,
)
from bridge.echonet.spacing import Spacing, Trouble
from bridge.echonet.turns import Seat, Turns
from bridge.echonet.wellknown import CONTROLLER, IDENTIFICATION, NODE_PROFILE
from bridge.errors import ConfigError
from bridge.records import dataclass

__all__ = [
    "LEAST_RESPONSE_TIMEOUT",
    "STOP_PATIENCE",
    "Action",
    "Answer",
    "Done",
    "Dropped",
    "Heard",
    "NoAnswer",
    "Priority",
    "Request",
    "Send",
    "Session",
    "Stray",
]

#: The shortest response timer that a controller may have, in ms (AIF 2.4.2).
LEAST_RESPONSE_TIMEOUT: Final = 20_000
#: How long a stop waits behind another request of its node, in ms.
STOP_PATIENCE: Final = 2_000
#: How many used TIDs are remembered, so that late answers are known for what they are: 20 s at 100 requests/s.
_REMEMBERED: Final = 2048
#: So many addresses are kept apart; beyond them those that nothing is asked of are forgotten.
_NODES: Final = 1024
_TIDS: Final = 0x10000


@dataclass(slots=True, eq=False)
class _Attempt:
    """One datagram that asks; `holds` as long as the node may not be asked anything else because of it."""

    request: Request
    tid: int
    sent_at: int
    holds: bool = True


@dataclass(slots=True, eq=False)
class _Node:
    """One address: what waits for it, what it has been asked, and when (`wake`, ms) it has to be looked at."""

    spacing: Spacing
    seat: Seat = field(init=False)
    queue: list[tuple[Priority, int, Request]] = field(default_factory=list)
    attempts: list[_Attempt] = field(default_factory=list)
    last_sent: int | None = None
    wake: int | None = None

    def holding(self) -> int | None:
        """Since when the node has been busy."""
        return min((attempt.sent_at for attempt in self.attempts if attempt.holds), default=None)

    def busy_since(self) -> int | None:
        """Since when the node, by whatever address, may not be asked."""
        since, elsewhere = self.holding(), self.seat.kept_since() if self.seat.several else None
        return elsewhere if since is None else since if elsewhere is None else min(since, elsewhere)

    def settle(self) -> None:
        """Tell the other addresses how it stands with this one."""
        if self.seat.several:
            self.seat.settle(self.holding(), self.queue[0][:2] if self.queue else None)

    def asked(self, request: Request) -> bool:
        return any(attempt.request is request for attempt in self.attempts)

    def free_at(self, priority: Priority) -> int:
        """When the spacing lets the next datagram go out; no spacing keeps a stop for more than 2 s."""
        if self.last_sent is None:
            return 0
        gap = self.spacing.gap
        return self.last_sent + (min(gap, STOP_PATIENCE) if priority is Priority.STOP else gap)

    @property
    def idle(self) -> bool:
        """Nothing is asked of it, and nothing waits."""
        return not self.queue and not self.attempts


class Session:
    """All outstanding requests of one controller on one network.

    `response_timeout` in ms, never below 20 s (`ConfigError`); `gap` is the least time in ms between two datagrams to
    one node, for adapters that choke, and grows for a node in trouble; `first_tid` should differ from run to run, so
    that answers to an earlier run's requests match nothing. `turns` are those that the sessions of all networks share,
    and `on_stir` is called when another address has brought `next_deadline` forward.
    """

    def __init__(
        self,
        *,
        response_timeout: int = LEAST_RESPONSE_TIMEOUT,
        gap: int = 0,
        first_tid: int = 1,
        own: int = CONTROLLER,
        turns: Turns | None = None,
        on_stir: Callable[[], None] = lambda: None,
    ) -> None:
        if response_timeout < LEAST_RESPONSE_TIMEOUT:
            raise ConfigError(
                f"a response timer of {response_timeout} ms is shorter than AIF 2.4.2 allows: "
                f"make it {LEAST_RESPONSE_TIMEOUT} ms or more"
            )
        self.strays: Counter[Stray] = Counter()
        self._timeout = response_timeout
        self._gap = gap
        self._spoke: dict[str, None] = {}  # addresses that have said something before they were asked
        self._own_gaps: dict[str, int] = {}
        self._own = own
        self._turns = turns or Turns()
        self._number = self._turns.join()
        self._on_stir = on_stir
        self._tid = first_tid % _TIDS
        self._order = 0
        self._nodes: dict[str, _Node] = {}
        self._wakes: list[tuple[int, int, _Node]] = []  # a heap; an entry that is not its node's `wake` is void
        self._in_use: dict[int, str] = {}  # TID of an attempt -> its node
        self._searches: dict[int, int] = {}  # TID -> until when answers are taken
        self._used: OrderedDict[int, tuple[str, Stray]] = OrderedDict()  # ended TIDs: node, what an answer would be

    # Events

    def submit(self, request: Request, now: int) -> list[Action]:
        """Take a request; it goes out when its turn comes. `ValueError` for what is neither Get nor SetC."""
        if request.service not in ANSWER_TO or not request.properties:
            raise ValueError(f"a request is a Get or a SetC of some properties, not {request.service.name}")
        node = self._node(request.address)
        self._enqueue(node, request)
        if node.seat.wants_asking:
            self._introduce(node, request)
        return self._pump(node, now)

    def cancel(self, request: Request, now: int) -> list[Action]:
        """Nobody waits for a request any more. One that has gone out keeps its node busy as before (AIF 2.4.1)."""
        node = self._node(request.address)
        self._unqueue(node, request)
        if asks_who(request):
            node.seat.asked = False
        for attempt in node.attempts:
            if attempt.request is request:
                attempt.request = Request(request.address, request.eoj, request.service, request.properties)
        return self._pump(node, now)

    def receive(self, address: str, frame: Frame, now: int) -> list[Action]:
        """Match an answer from a node to its request, or say why there is none."""
        self.heard(address)
        if self._searches.get(frame.tid, now) > now and frame.deoj == self._own:
            return [Heard(address, frame)]
        node = self._nodes.get(address)
        if node is None:
            return [self._drop(address, frame)]
        # An answer that comes with the timer's end comes too late.
        actions = self._advance(node, now) if node.wake is not None and node.wake <= now else []
        attempt = self._match(node, frame)
        if attempt is None:
            return [*actions, self._drop(address, frame)]
        request = attempt.request
        self._end(node, attempt, Stray.DUPLICATE)
        answer = sorted_answer(request, frame, attempt.sent_at, now)
        _learn(node.spacing, answer)
        _recognise(node.seat, request, answer)
        actions.append(Done(request, answer))
        self._finish(node, request)
        actions += self._pump(node, now)
        return actions

    def heard(self, address: str, *, started: bool = False) -> None:
        """Something came that nobody asked for; `started`: a node has said that it is there now (AIF 3.1.1)."""
        if (node := self._nodes.get(address)) is not None:
            node.seat.heard(started=started)
        elif self._turns.several:
            self._spoke[address] = None
            if len(self._spoke) > _NODES:
                del self._spoke[next(iter(self._spoke))]

    def advance(self, now: int) -> list[Action]:
        """Do what is due: end timers, send what waited."""
        actions: list[Action] = []
        for tid in [tid for tid, until in self._searches.items() if until <= now]:
            del self._searches[tid]
            self._remember(tid, "", Stray.LATE)
        while self._wakes and self._wakes[0][0] <= now:
            at, _, node = heappop(self._wakes)
            if node.wake == at:
                node.wake = None
                actions += self._advance(node, now)
        return actions

    def next_deadline(self) -> int | None:
        """When `advance` has something to do (ms), None if nothing waits."""
        while self._wakes and self._wakes[0][2].wake != self._wakes[0][0]:
            heappop(self._wakes)
        times = list(self._searches.values())
        if self._wakes:
            times.append(self._wakes[0][0])
        return min(times, default=None)

    def open_search(self, now: int) -> int:
        """A TID for a datagram to many: answers with it come back as `Heard` for the length of the timer."""
        tid = self.fresh_tid()
        self._searches[tid] = now + self._timeout
        return tid

    def fresh_tid(self) -> int:
        """A TID that no request has, nor had lately. Never 0, which some nodes give to whatever they send."""
        while not self._tid or self._tid in self._in_use or self._tid in self._searches or self._tid in self._used:
            self._tid = (self._tid + 1) % _TIDS
        tid, self._tid = self._tid, (self._tid + 1) % _TIDS
        return tid

    def set_gap(self, address: str, gap: int) -> None:
        """Give a node a spacing (ms) of its own."""
        self._own_gaps[address] = gap
        if (node := self._nodes.get(address)) is not None:
            node.spacing.configure(gap)
            self._settle(node)

    def gap(self, address: str) -> int:
        """The spacing (ms) that a node has now, grown by its troubles."""
        node = self._nodes.get(address)
        return node.spacing.gap if node is not None else self._own_gaps.get(address, self._gap)

    def knows(self, address: str) -> bool:
        """Whether a node has been asked something, and not long ago been forgotten."""
        return address in self._nodes

    def forget(self, address: str, now: int) -> list[Action]:
        """A node is gone from its address: end all its requests without an answer."""
        node = self._nodes.pop(address, None)
        if node is None:
            return []
        waiting = {id(request): request for _, _, request in node.queue}
        waiting |= {id(attempt.request): attempt.request for attempt in node.attempts}
        for attempt in list(node.attempts):
            self._end(node, attempt, Stray.LATE)
        node.wake = None
        node.seat.leave()
        return [Done(request, NoAnswer(now, now)) for request in waiting.values()]

    # Sending

    def _pump(self, node: _Node, now: int) -> list[Action]:
        """Send what may go out now."""
        actions: list[Action] = []
        node.settle()
        while (request := self._next(node)) is not None and self._due(node, request) <= now:
            actions.append(self._send(node, request, now))
            node.settle()
        self._settle(node)
        return actions

    def _enqueue(self, node: _Node, request: Request) -> None:
        insort(node.queue, (request.priority, self._turns.number(), request), key=lambda entry: entry[:2])

    def _introduce(self, node: _Node, request: Request) -> None:
        """Where a node may have another address too: ask who it is, unless that is what was to be asked."""
        node.seat.asked = True
        if not asks_who(request):
            priority = max(request.priority, Priority.COMMAND)  # nothing urgent waits for it
            who = Request(request.address, NODE_PROFILE, Service.GET, ((IDENTIFICATION, b""),), priority)
            self._enqueue(node, who)

    def _due(self, node: _Node, request: Request) -> int:
        """When the request whose turn it is may go out."""
        spaced = node.free_at(request.priority)
        busy_since = node.busy_since()
        return spaced if busy_since is None else max(busy_since + STOP_PATIENCE, spaced)

    def _settle(self, node: _Node) -> None:
        """Note when a node has to be looked at again, so that nobody looks at all of them."""
        times = [attempt.sent_at + self._timeout for attempt in node.attempts]
        if (request := self._next(node)) is not None:
            times.append(self._due(node, request))
        wake = min(times, default=None)
        if wake != node.wake:
            self._wake(node, wake)

    def _wake(self, node: _Node, wake: int | None) -> None:
        node.wake = wake
        if wake is not None:
            self._order += 1
            heappush(self._wakes, (wake, self._order, node))
            if len(self._wakes) > 4 * len(self._nodes) + 64:
                self._wakes = [entry for entry in self._wakes if entry[2].wake == entry[0]]
                heapify(self._wakes)

    def _stir(self, node: _Node) -> None:
        """Something has changed at another address of the node, or of what may be the node: look at it at once."""
        if node.wake != 0:
            self._wake(node, 0)
            self._on_stir()

    def _next(self, node: _Node) -> Request | None:
        """The request whose turn it is; while the node is busy, a stop that has not yet gone out."""
        if not node.queue:
            return None
        first = node.queue[0][2]
        if node.busy_since() is None and (node.seat.free or first.stops):
            return first
        stops = (request for _, _, request in node.queue if request.stops)
        return next((request for request in stops if not node.asked(request)), None)

    def _send(self, node: _Node, request: Request, now: int) -> Send:
        """Put a request on the wire: in its turn, or (a stop) ahead of it, when it stays in the queue."""
        ahead = node.busy_since() is not None
        if not ahead:
            self._unqueue(node, request)
        tid = self.fresh_tid()
        node.attempts.append(_Attempt(request, tid, now, holds=not ahead))
        node.last_sent = now
        self._in_use[tid] = request.address
        frame = Frame(tid, self._own, request.eoj, request.service, request.properties)
        return Send(request.address, encode(frame), request)

    # Ending

    def _advance(self, node: _Node, now: int) -> list[Action]:
        """End one node's timers and send what waited for that."""
        actions: list[Action] = []
        for attempt in [each for each in node.attempts if each.sent_at + self._timeout <= now]:
            actions += self._expire(node, attempt, now)
        actions += self._pump(node, now)
        return actions

    def _finish(self, node: _Node, request: Request) -> None:
        """A request is answered: no repetition of it waits; what else asks the same is nobody's any more."""
        self._unqueue(node, request)
        for attempt in list(node.attempts):
            if attempt.request is request and not attempt.holds:
                self._end(node, attempt, Stray.DUPLICATE)
            elif attempt.request is request:
                attempt.request = Request(request.address, request.eoj, request.service, request.properties)

    def _expire(self, node: _Node, attempt: _Attempt, now: int) -> Iterator[Action]:
        """The response timer of one datagram has ended."""
        request = attempt.request
        node.spacing.trouble(Trouble.SILENCE)
        node.seat.silent()
        self._end(node, attempt, Stray.LATE)
        if not node.asked(request) and all(waiting is not request for _, _, waiting in node.queue):
            yield Done(request, NoAnswer(attempt.sent_at, now))

    def _end(self, node: _Node, attempt: _Attempt, then: Stray) -> None:
        node.attempts.remove(attempt)
        self._in_use.pop(attempt.tid, None)
        self._remember(attempt.tid, attempt.request.address, then)

    def _remember(self, tid: int, address: str, then: Stray) -> None:
        self._used[tid] = (address, then)
        while len(self._used) > _REMEMBERED:
            self._used.popitem(last=False)

    @staticmethod
    def _unqueue(node: _Node, request: Request) -> None:
        node.queue = [entry for entry in node.queue if entry[2] is not request]

    def _node(self, address: str) -> _Node:
        node = self._nodes.get(address)
        if node is None:
            if len(self._nodes) >= _NODES:
                self._nodes = {known: each for known, each in self._nodes.items() if not each.idle}
            node = self._nodes[address] = _Node(Spacing(self._own_gaps.get(address, self._gap)))
            spoke = address in self._spoke
            self._spoke.pop(address, None)
            alone = not self._turns.several
            node.seat = self._turns.seat(self._number, address, partial(self._stir, node), spoke=spoke)
            if alone and self._turns.several:  # from now on it matters how it stands with all the others
                for each in self._nodes.values():
                    each.settle()
        return node

    # Matching

    def _match(self, node: _Node, frame: Frame) -> _Attempt | None:
        """The datagram that a frame answers: TID, both objects and service must fit (the address does)."""
        for attempt in node.attempts:
            request = attempt.request
            if (
                attempt.tid == frame.tid
                and frame.deoj == self._own
                and speaks_for(frame.seoj, request.eoj)
                and frame.service in ANSWER_TO[request.service]
            ):
                return attempt
        return None

    def _drop(self, address: str, frame: Frame) -> Dropped:
        why = self._why_stray(address, frame)
        self.strays[why] += 1
        return Dropped(address, frame, why)

    def _why_stray(self, address: str, frame: Frame) -> Stray:
        if frame.tid in self._in_use or frame.tid in self._searches:
            return Stray.CROSSING
        whose, why = self._used.get(frame.tid, ("", Stray.UNKNOWN))
        return Stray.CROSSING if whose and whose != address else why


def _learn(spacing: Spacing, answer: Answer) -> None:
    """What an answer tells of how much its node bears."""
    if answer.missing:
        spacing.trouble(Trouble.HALF)
    elif len(answer.refused) > 1 and not answer.values and not answer.accepted:
        spacing.trouble(Trouble.REFUSAL)
    else:
        spacing.good()


def _recognise(seat: Seat, request: Request, answer: Answer) -> None:
    """What an answer of the node profile tells of who the node is; the refusal of several together tells nothing."""
    if not asks_who(request):
        return
    edt = answer.values.get(IDENTIFICATION)
    if edt is not None or len(request.properties) == 1:
        seat.told(edt)
    else:
        seat.asked = False
