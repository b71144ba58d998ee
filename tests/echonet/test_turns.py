"""Sessions that share their turns: one node on two networks is asked one thing at a time, whoever knows what of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.echonet.frame import Frame, Service, decode
from bridge.echonet.session import (
    LEAST_RESPONSE_TIMEOUT,
    STOP_PATIENCE,
    Answer,
    Done,
    NoAnswer,
    Priority,
    Request,
    Send,
    Session,
)
from bridge.echonet.turns import TRIES, Turns
from bridge.echonet.wellknown import IDENTIFICATION, NODE_PROFILE
from tests.tools.wire import UNIT, answer

TIMER = LEAST_RESPONSE_TIMEOUT
FOUR, SIX = "192.0.2.7", "fe80::7"
OTHER_FOUR, OTHER_SIX = "192.0.2.8", "fe80::8"
#: Which node has which addresses.
NODES = {FOUR: "one", SIX: "one", OTHER_FOUR: "two", OTHER_SIX: "three"}


@dataclass
class Sent:
    at: int
    address: str
    frame: Frame
    request: Request


@dataclass
class Site:
    """Two networks, and a session on each; what they do is carried out, nothing is answered by itself."""

    nodes: dict[str, str] = field(default_factory=lambda: dict(NODES))
    now: int = 0
    sent: list[Sent] = field(default_factory=list)
    ended: dict[Request, Answer | NoAnswer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        turns = Turns()
        self.sessions = {4: Session(turns=turns), 6: Session(turns=turns, first_tid=0x8000)}

    def session(self, address: str) -> Session:
        return self.sessions[6 if ":" in address else 4]

    def carry(self, actions) -> None:
        for action in actions:
            if isinstance(action, Send):
                self.sent.append(Sent(self.now, action.address, decode(action.data), action.request))
            elif isinstance(action, Done):
                self.ended[action.request] = action.outcome

    def ask(self, address: str, priority: Priority = Priority.POLL, *, stop: bool = False, epc: int = 0xDA) -> Request:
        service, edt = (Service.SET_C, b"\x47") if stop else (Service.GET, b"")
        eoj = NODE_PROFILE if epc == IDENTIFICATION else UNIT
        request = Request(address, eoj, service, ((epc, edt),), priority)
        self.carry(self.session(address).submit(request, self.now))
        self.until(self.now)
        return request

    def reply(self, sent: Sent, edt: bytes | None = None) -> None:
        """Answer; to a question for 0x83 of its node with its own, unless it is said with what."""
        frame = sent.frame
        if frame.service is Service.SET_C:
            back = answer(frame, Service.SET_RES, *((epc, b"") for epc, _ in frame.properties))
        else:
            own = self.nodes[sent.address].rjust(17).encode() if edt is None else edt
            service = Service.GET_RES if own else Service.GET_SNA
            back = answer(frame, service, *((epc, own) for epc, _ in frame.properties))
        self.carry(self.session(sent.address).receive(sent.address, back, self.now))
        self.until(self.now)

    def until(self, then: int) -> None:
        """Let time pass, as the controllers' timers do."""
        while True:
            dues = [(due, key) for key, one in self.sessions.items() if (due := one.next_deadline()) is not None]
            if not dues or min(dues)[0] > then:
                break
            due, key = min(dues)
            self.now = max(self.now, due)
            self.carry(self.sessions[key].advance(self.now))
        self.now = then

    def at(self, *addresses: str) -> list[Sent]:
        return [sent for sent in self.sent if sent.address in addresses]

    def open(self) -> list[Sent]:
        """What has gone out and is not answered, by its number in `sent`."""
        return [s for s in self.sent if s.request not in self.ended and self.now - s.at < TIMER]

    def known(self, *addresses: str) -> Site:
        """Let these tell who they are."""
        for address in addresses:
            self.ask(address, epc=IDENTIFICATION)
            self.reply(self.sent[-1])
        self.sent.clear()
        return self


@pytest.mark.covers("AIF-2.4.1-1")
def test_two_addresses_that_tell_one_0x83_take_turns() -> None:
    site = Site().known(FOUR, SIX)
    site.ask(FOUR)
    site.ask(SIX)
    assert [sent.address for sent in site.sent] == [FOUR]
    site.reply(site.sent[0])
    assert [sent.address for sent in site.sent] == [FOUR, SIX]


@pytest.mark.covers("AIF-2.4.1-1")
def test_the_timer_of_one_lets_the_other_go() -> None:
    site = Site().known(FOUR, SIX)
    site.ask(FOUR)
    waiting = site.ask(SIX)
    site.until(TIMER - 1)
    assert waiting not in [sent.request for sent in site.sent]
    site.until(TIMER)
    assert waiting in [sent.request for sent in site.sent]


def test_two_that_tell_different_ones_do_not_wait_for_each_other() -> None:
    site = Site().known(FOUR, OTHER_SIX)
    site.ask(FOUR)
    site.ask(OTHER_SIX)
    assert [sent.address for sent in site.sent] == [FOUR, OTHER_SIX]


@pytest.mark.covers("AIF-2.4.1-1")
@pytest.mark.parametrize("newcomer_first", [True, False])
def test_a_newcomer_takes_turns_with_all_of_the_other_side_and_is_asked_who_it_is(newcomer_first: bool) -> None:
    site = Site().known(FOUR, OTHER_FOUR)
    first, second = (SIX, FOUR) if newcomer_first else (FOUR, SIX)
    site.ask(first)
    site.ask(second)
    assert [sent.address for sent in site.sent] == [first]
    while site.open():
        site.reply(site.open()[0])
    assert len(site.at(FOUR)) == 1
    assert [sent.frame.properties[0][0] for sent in site.at(SIX)] == [0xDA, IDENTIFICATION]
    site.sent.clear()
    site.ask(SIX)
    site.ask(OTHER_FOUR)
    assert [sent.address for sent in site.sent] == [SIX, OTHER_FOUR]


def test_those_of_one_side_never_wait_for_each_other() -> None:
    site = Site()
    site.ask(FOUR)
    site.ask(OTHER_FOUR)
    assert [sent.address for sent in site.sent] == [FOUR, OTHER_FOUR]


@pytest.mark.covers("AIF-2.4.1-1")
def test_on_one_network_both_kinds_of_address_may_be_one_node() -> None:
    session = Session()
    requests = [Request(a, UNIT, Service.GET, ((0xDA, b""),)) for a in ("fe80::7", "2001:db8::7", "fe80::8")]
    sends = [[a for a in session.submit(request, 0) if isinstance(a, Send)] for request in requests]
    assert [len(each) for each in sends] == [1, 0, 0]  # the third waits as well: the second was before it
    frame = decode(sends[0][0].data)
    session.receive("fe80::7", answer(frame, Service.GET_RES, (0xDA, b"\x47")), 5)
    assert session.next_deadline() == 0  # at once


@pytest.mark.covers("AIF-2.4.1-1")
def test_priorities_hold_over_both_ways() -> None:
    site = Site().known(FOUR, SIX)
    site.ask(FOUR)
    for address, priority in ((SIX, Priority.POLL), (FOUR, Priority.COMMAND), (SIX, Priority.LIMIT)):
        site.ask(address, priority)
    site.ask(FOUR, Priority.STOP, stop=True)
    while site.open():
        site.reply(site.open()[0])
    assert [sent.request.priority for sent in site.sent] == [
        Priority.POLL,
        Priority.STOP,
        Priority.LIMIT,
        Priority.COMMAND,
        Priority.POLL,
    ]


@pytest.mark.parametrize("known", [True, False])
def test_a_stop_waits_two_seconds_for_the_other_way_and_is_repeated_in_its_turn(known: bool) -> None:
    site = Site().known(FOUR, SIX) if known else Site().known(FOUR)
    blocker = site.ask(SIX)
    site.until(500)
    stop = site.ask(FOUR, Priority.STOP, stop=True)
    site.until(STOP_PATIENCE)
    assert [(sent.at, sent.request) for sent in site.sent] == [(0, blocker), (STOP_PATIENCE, stop)]
    site.ask(FOUR, Priority.LIMIT)
    site.until(3_000)
    assert len(site.sent) == 2
    site.reply(site.sent[0])
    assert [sent.request for sent in site.at(FOUR)] == [stop, stop]


def test_a_stop_that_is_answered_early_is_not_repeated() -> None:
    site = Site().known(FOUR, SIX)
    site.ask(SIX)
    stop = site.ask(FOUR, Priority.STOP, stop=True)
    site.until(STOP_PATIENCE)
    site.reply(site.at(FOUR)[0])
    assert isinstance(site.ended[stop], Answer)
    site.reply(site.at(SIX)[0])
    assert len(site.at(FOUR)) == 1


def test_an_address_at_which_nobody_ever_spoke_is_waited_for_once() -> None:
    site = Site().known(FOUR)
    site.ask(SIX)
    site.ask(FOUR)
    assert site.at(FOUR) == []
    site.until(TIMER)
    assert len(site.at(FOUR)) == 1
    site.reply(site.at(FOUR)[0])
    site.ask(SIX)
    site.ask(FOUR)
    assert len(site.at(FOUR)) == 2


@pytest.mark.covers("AIF-2.4.1-1")
def test_once_something_is_heard_there_it_is_a_newcomer_again() -> None:
    site = Site().known(FOUR)
    site.ask(SIX)
    site.until(2 * TIMER)
    site.sessions[6].heard(SIX)
    site.ask(SIX)
    site.ask(FOUR)
    assert site.at(FOUR) == []


@pytest.mark.covers("AIF-2.4.1-1")
def test_who_was_heard_before_it_was_asked_is_waited_for_although_it_is_silent() -> None:
    site = Site().known(FOUR)
    site.sessions[6].heard(SIX)
    site.ask(SIX)
    site.until(TIMER)
    site.ask(FOUR)
    assert site.at(FOUR) == []


def test_who_does_not_tell_who_it_is_is_given_up_and_delays_only_its_like() -> None:
    site = Site().known(FOUR)
    site.sessions[6].heard(SIX)
    for turn in range(TRIES):
        site.ask(SIX)
        site.until((turn + 1) * TIMER)
    site.ask(SIX)
    site.ask(FOUR)
    assert len(site.at(FOUR)) == 1


@pytest.mark.covers("AIF-2.4.1-1")
@pytest.mark.parametrize("told", [b"", bytes(17), b"\xfe\x00\x00\x77" + b"\xff" * 13], ids=["refused", "zeros", "FF"])
def test_nodes_without_an_identity_take_turns_for_ever(told: bytes) -> None:
    site = Site()
    for address in (FOUR, SIX):
        site.ask(address, epc=IDENTIFICATION)
        site.reply(site.sent[-1], told)
    site.ask(FOUR)
    site.ask(SIX)
    assert len(site.sent) == 3


@pytest.mark.covers("AIF-2.4.1-1")
def test_a_node_that_announces_itself_may_be_another_one() -> None:
    site = Site().known(FOUR, OTHER_SIX)
    site.sessions[6].heard(OTHER_SIX, started=True)
    site.nodes[OTHER_SIX] = "one"
    site.ask(OTHER_SIX)
    site.ask(FOUR)
    assert site.at(FOUR) == []
    while site.open():
        site.reply(site.open()[0])
    site.sent.clear()
    site.ask(OTHER_SIX)
    site.ask(FOUR)
    assert len(site.sent) == 1


def test_a_gateway_on_one_network_asks_nobody_who_it_is() -> None:
    session = Session()
    (sent,) = session.submit(Request(FOUR, UNIT, Service.GET, ((0xDA, b""),)), 0)
    assert isinstance(sent, Send)
    actions = session.receive(FOUR, answer(decode(sent.data), Service.GET_RES, (0xDA, b"\x47")), 5)
    assert not [action for action in actions if isinstance(action, Send)]


def test_a_question_for_the_identity_that_was_cancelled_is_asked_again() -> None:
    site = Site()
    site.ask(OTHER_FOUR, epc=IDENTIFICATION)
    cancelled = site.ask(SIX, epc=IDENTIFICATION)
    site.carry(site.sessions[6].cancel(cancelled, 0))
    site.ask(SIX)
    while site.open():
        site.reply(site.open()[0])
    assert [sent.frame.properties[0][0] for sent in site.at(SIX)] == [0xDA, IDENTIFICATION]


steps = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "answer", "answer", "wait", "cancel", "announce"]),
        st.sampled_from(list(NODES)),
        st.sampled_from(list(Priority)),
        st.integers(0, 25_000),
    ),
    max_size=60,
)


@pytest.mark.covers("AIF-2.4.1-1")
@settings(max_examples=150, deadline=None)
@given(steps)
def test_in_any_history_a_node_has_one_request_over_all_its_addresses(history) -> None:
    """But for stops, which go out 2 s after they were ordered at the latest; and each request comes to an end."""
    site, requests, cancelled, asked_at = Site(), [], set(), {}
    for address in NODES:  # they have all been heard
        site.session(address).heard(address)
    answered: set[int] = set()
    for what, address, priority, wait in history:
        if what == "ask":
            request = site.ask(address, priority, stop=priority is Priority.STOP)
            requests.append(request)
            asked_at[request] = site.now
        elif what == "answer":
            for sent in site.sent:
                if sent.address == address and sent.frame.tid not in answered and site.now - sent.at < TIMER:
                    answered.add(sent.frame.tid)
                    site.reply(sent)
                    break
        elif what == "cancel" and requests:
            cancelled.add(requests[wait % len(requests)])
            request = requests[wait % len(requests)]
            site.carry(site.session(request.address).cancel(request, site.now))
            site.until(site.now)
        elif what == "announce":
            site.session(address).heard(address, started=True)
        else:
            site.until(site.now + wait)
        _judge(site, answered)
    site.until(site.now + (len(requests) + len(history) + 8) * TIMER)
    assert [r for r in requests if r not in site.ended and r not in cancelled] == []
    stop = next((r for r in requests if r.priority is Priority.STOP), None)  # others may wait for its answer
    if stop is not None and stop not in cancelled:
        assert min(s.at for s in site.sent if s.request is stop) - asked_at[stop] <= STOP_PATIENCE


def _judge(site: Site, answered: set[int]) -> None:
    """No two requests of one node are open at once; stops, early or in their turn, are beside the point.

    A way that was asked so often in vain that it has been given up is not waited for.
    """
    for node in set(NODES.values()):
        vain = Counter(s.address for s in site.sent if s.frame.tid not in answered and site.now - s.at >= TIMER)
        if any(NODES[address] == node and count >= TRIES for address, count in vain.items()):
            continue
        still = [
            sent
            for sent in site.sent
            if NODES[sent.address] == node
            and site.now - sent.at < TIMER
            and sent.frame.tid not in answered
            and sent.frame.service is not Service.SET_C
        ]
        assert len(still) <= 1, still
