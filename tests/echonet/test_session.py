"""The request session, event by event, without a network and without a clock."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.echonet.frame import Frame, Service, decode
from bridge.echonet.session import (
    LEAST_RESPONSE_TIMEOUT,
    STOP_PATIENCE,
    Answer,
    Done,
    Dropped,
    Heard,
    NoAnswer,
    Priority,
    Request,
    Send,
    Session,
    Stray,
)
from bridge.errors import ConfigError
from tests.tools.wire import UNIT, answer

NODE = "192.0.2.7"
OTHER = "192.0.2.8"
TIMER = LEAST_RESPONSE_TIMEOUT


def get(*epcs: int, address: str = NODE, eoj: int = UNIT, priority: Priority = Priority.POLL) -> Request:
    return Request(address, eoj, Service.GET, tuple((epc, b"") for epc in epcs or (0xDA,)), priority)


def put(*writes: tuple[int, bytes], eoj: int = UNIT, priority: Priority = Priority.COMMAND) -> Request:
    return Request(NODE, eoj, Service.SET_C, writes or ((0xDA, b"\x47"),), priority)


def sends(actions) -> list[tuple[Request, Frame]]:
    return [(action.request, decode(action.data)) for action in actions if isinstance(action, Send)]


def sent(actions) -> Frame:
    ((_, frame),) = sends(actions)
    return frame


def dones(actions) -> list[Done]:
    return [action for action in actions if isinstance(action, Done)]


def outcome(actions) -> Answer | NoAnswer:
    (done,) = dones(actions)
    return done.outcome


def ok(frame: Frame) -> Frame:
    """A full positive answer."""
    if frame.service is Service.GET:
        return answer(frame, Service.GET_RES, *((epc, b"\x01") for epc, _ in frame.properties))
    return answer(frame, Service.SET_RES, *((epc, b"") for epc, _ in frame.properties))


@pytest.mark.covers("AIF-2.4.1-1")
def test_the_next_request_to_a_node_waits_for_the_response():
    session = Session()
    first = sent(session.submit(get(0xDA), 0))
    assert sends(session.submit(get(0xC7), 10)) == []
    assert sends(session.submit(get(0xC7, eoj=0x02A101), 10)) == []  # another object, the same node
    assert sends(session.submit(get(0xC7, address=OTHER), 10)) != []  # another node
    actions = session.receive(NODE, ok(first), 50)
    assert isinstance(outcome(actions), Answer)
    assert sent(actions).properties == ((0xC7, b""),)


@pytest.mark.covers("AIF-2.4.1-1", "AIF-2.4.2-1")
def test_or_for_the_response_timer():
    session = Session()
    session.submit(get(0xDA), 0)
    session.submit(get(0xC7), 10)
    assert session.next_deadline() == TIMER
    assert session.advance(TIMER - 1) == []
    actions = session.advance(TIMER)
    assert outcome(actions) == NoAnswer(0, TIMER)
    assert sent(actions).properties == ((0xC7, b""),)


@pytest.mark.covers("AIF-2.4.2-1")
def test_the_timer_can_only_be_made_longer():
    with pytest.raises(ConfigError, match=r"2\.4\.2"):
        Session(response_timeout=19_999)
    session = Session(response_timeout=45_000)
    session.submit(get(), 5)
    assert session.next_deadline() == 45_005


@pytest.mark.covers("AIF-2.4.3-1")
def test_a_repeated_request_has_a_new_tid():
    session = Session()
    tids = set()
    request = get()
    for turn in range(5):
        tids.add(sent(session.submit(request, turn * TIMER)).tid)
        assert isinstance(outcome(session.advance((turn + 1) * TIMER)), NoAnswer)
    assert len(tids) == 5


@pytest.mark.covers("AIF-2.4.3-1")
def test_tids_wrap_and_skip_those_in_use_and_those_just_timed_out():
    session = Session(first_tid=0xFFFE)
    used = [sent(session.submit(get(address=f"192.0.2.{host}"), 0)).tid for host in range(4)]
    assert used == [0xFFFE, 0xFFFF, 1, 2]
    session.advance(TIMER)
    for _ in range(0xFFFF - 4):
        assert session.fresh_tid() not in used
    assert session.fresh_tid() == 3


def test_urgency_orders_the_queue_and_age_within_it():
    session = Session()
    blocker = sent(session.submit(get(), 0))
    order = [
        get(0xE4, priority=Priority.POLL),
        get(0xDA, priority=Priority.READBACK),
        put((0xDA, b"\x42")),
        put((0xEB, b"\x00")),
        put((0xDC, b"\x03"), priority=Priority.LIMIT),
        put(priority=Priority.STOP),
    ]
    for request in order:
        assert session.submit(request, 1) == []
    seen = []
    actions = session.receive(NODE, ok(blocker), 2)
    while sends(actions):
        ((request, frame),) = sends(actions)
        seen.append(order.index(request))
        actions = session.receive(NODE, ok(frame), 3)
    assert seen == [5, 4, 2, 3, 1, 0]


def test_a_stop_goes_out_behind_a_slow_answer_and_again_in_its_turn():
    session = Session()
    slow = sent(session.submit(get(), 0))
    stop = put(priority=Priority.STOP)
    assert session.submit(stop, 500) == []
    assert session.next_deadline() == STOP_PATIENCE
    ahead = sent(session.advance(STOP_PATIENCE))
    assert ahead.properties == ((0xDA, b"\x47"),)
    assert ahead.tid != slow.tid
    assert sends(session.advance(STOP_PATIENCE + 1)) == []  # once, not again and again
    actions = session.receive(NODE, ok(slow), 5_000)
    again = sent(actions)
    assert again.properties == ahead.properties
    assert again.tid not in (slow.tid, ahead.tid)
    assert [done.request for done in dones(session.receive(NODE, ok(again), 5_100))] == [stop]
    assert session.next_deadline() is None
    assert session.receive(NODE, ok(ahead), 5_200) == [Dropped(NODE, ok(ahead), Stray.DUPLICATE)]


def test_a_stop_is_repeated_at_the_timer_of_the_silent_one_before():
    session = Session()
    session.submit(get(), 0)
    stop = put(priority=Priority.STOP)
    session.submit(stop, 0)
    session.advance(STOP_PATIENCE)
    actions = session.advance(TIMER)
    assert sent(actions).properties == stop.properties
    assert all(done.request is not stop for done in dones(actions))
    assert session.advance(TIMER + STOP_PATIENCE) == []  # the early one's timer: the repetition is still out
    (done,) = dones(session.advance(2 * TIMER))
    assert done.request is stop
    assert done.outcome == NoAnswer(TIMER, 2 * TIMER)


def test_a_stop_that_is_answered_early_is_done_and_not_repeated():
    session = Session()
    slow = sent(session.submit(get(), 0))
    stop = put(priority=Priority.STOP)
    session.submit(stop, 0)
    ahead = sent(session.advance(STOP_PATIENCE))
    (done,) = dones(session.receive(NODE, ok(ahead), 2_300))
    assert done.request is stop
    assert sends(session.receive(NODE, ok(slow), 3_000)) == []


def test_the_early_answer_may_come_while_the_repetition_is_out_which_holds_the_node():
    session = Session()
    slow = sent(session.submit(get(), 0))
    stop = put(priority=Priority.STOP)
    session.submit(stop, 0)
    ahead = sent(session.advance(STOP_PATIENCE))
    again = sent(session.receive(NODE, ok(slow), 3_000))
    (done,) = dones(session.receive(NODE, ok(ahead), 3_100))
    assert done.request is stop
    assert session.submit(get(0xC7), 3_200) == []
    actions = session.receive(NODE, ok(again), 3_300)
    assert stop not in [done.request for done in dones(actions)]
    assert sent(actions).properties == ((0xC7, b""),)


def test_a_stop_behind_a_request_that_is_old_already_goes_out_at_once():
    session = Session()
    session.submit(get(), 0)
    assert sends(session.submit(put(priority=Priority.STOP), 4_000)) != []


def test_what_is_read_for_a_stop_waits_for_its_turn():
    session = Session()
    slow = sent(session.submit(get(), 0))
    look = get(0xDA, priority=Priority.STOP)
    session.submit(get(0xE4), 100)
    session.submit(look, 500)
    assert session.next_deadline() == TIMER
    assert session.advance(STOP_PATIENCE + 500) == []
    ((request, _),) = sends(session.receive(NODE, ok(slow), 5_000))
    assert request is look


def test_a_spacing_per_node_is_kept():
    session = Session(gap=500)
    session.set_gap(OTHER, 0)
    first = sent(session.submit(get(), 1_000))
    session.submit(get(0xC7), 1_000)
    assert sends(session.receive(NODE, ok(first), 1_020)) == []
    assert session.next_deadline() == 1_500
    assert sends(session.advance(1_499)) == []
    assert sends(session.advance(1_500)) != []
    quick = sent(session.submit(get(address=OTHER), 0))
    session.receive(OTHER, ok(quick), 1)
    assert sends(session.submit(get(address=OTHER), 1)) != []


def ask_and_answer(session: Session, now: int, reply=ok, epcs=(0xDA,)) -> int:
    """One Get that is answered 10 ms after it went out; when it went out."""
    actions = session.submit(get(*epcs), now)
    while not sends(actions):
        due = session.next_deadline()
        assert due is not None
        now = max(now, due)
        actions = session.advance(now)
    session.receive(NODE, reply(sent(actions)), now + 10)
    return now


def test_after_a_silence_a_node_is_asked_less_often_and_good_answers_mend_it():
    session = Session(gap=100)
    now = ask_and_answer(session, 0)
    assert ask_and_answer(session, now) == now + 100
    session.submit(get(), 1_000)
    session.advance(1_000 + TIMER)
    now = ask_and_answer(session, 1_000 + TIMER)
    assert session.gap(NODE) == 500
    assert ask_and_answer(session, now) == now + 500
    assert session.gap(OTHER) == 100  # the others are no slower for it
    for _ in range(20):
        now = ask_and_answer(session, now)
    assert session.gap(NODE) == 100
    assert ask_and_answer(session, now) == now + 100


@pytest.mark.parametrize(
    ("reply", "gap"),
    [
        (lambda frame: answer(frame, Service.GET_RES, (0xDA, b"B")), 200),
        (lambda frame: answer(frame, Service.GET_SNA, (0xDA, b""), (0xC7, b"")), 200),
        (lambda frame: answer(frame, Service.GET_SNA, (0xDA, b"B"), (0xC7, b"")), 100),
        (lambda frame: answer(frame, Service.GET_RES, (0xDA, b"B"), (0xC7, b"A")), 100),
    ],
    ids=["half", "refused in whole", "refused in part", "good"],
)
def test_half_and_refused_answers_are_trouble_too(reply, gap):
    session = Session(gap=100)
    ask_and_answer(session, 0, reply, (0xDA, 0xC7))
    assert session.gap(NODE) == gap


def test_the_refusal_of_one_property_is_a_normal_answer():
    session = Session(gap=100)
    ask_and_answer(session, 0, lambda frame: answer(frame, Service.GET_SNA, (0xDA, b"")))
    assert session.gap(NODE) == 100


def test_no_spacing_keeps_a_stop_for_more_than_two_seconds():
    session = Session(gap=10_000)
    first = sent(session.submit(get(), 1_000))
    session.receive(NODE, ok(first), 1_020)
    assert sends(session.submit(put((0xDC, b"\x03"), priority=Priority.LIMIT), 1_100)) == []
    assert session.next_deadline() == 11_000
    assert sends(session.submit(put(priority=Priority.STOP), 1_100)) == []
    assert session.next_deadline() == 1_000 + STOP_PATIENCE
    assert sent(session.advance(1_000 + STOP_PATIENCE)).properties == ((0xDA, b"\x47"),)


def test_a_troubled_node_gets_its_stop_in_two_seconds_even_so():
    session = Session(gap=100)
    now = 0
    for _ in range(4):
        now = ask_and_answer(session, now)
        session.submit(get(), now + 5_000)
        now += 5_000 + TIMER
        session.advance(now)
    assert session.gap(NODE) == 2_000
    session.submit(get(), now + 5_000)
    session.submit(put(priority=Priority.STOP), now + 5_001)
    assert session.next_deadline() == now + 5_000 + STOP_PATIENCE
    assert sent(session.advance(now + 5_000 + STOP_PATIENCE)).properties == ((0xDA, b"\x47"),)


def test_a_poll_delays_a_command_by_no_more_than_the_answer_under_way():
    session = Session()
    poll = sent(session.submit(get(0xE4), 0))
    for epc in (0xD3, 0xD6, 0xC7):
        session.submit(get(epc), 1)
    session.submit(put((0xDA, b"\x42")), 2)
    assert sent(session.receive(NODE, ok(poll), 700)).properties == ((0xDA, b"\x42"),)


def test_addresses_that_nothing_is_asked_of_any_more_are_forgotten_but_not_their_own_gaps():
    session = Session(gap=100)
    session.set_gap(NODE, 700)
    waiting = get(address=OTHER)
    session.submit(waiting, 0)
    for number in range(5_000):
        address = f"10.0.{number >> 8}.{number & 255}"
        frame = sent(session.submit(get(address=address), number))
        session.receive(address, ok(frame), number)
    assert len(session._nodes) <= 1024
    assert session.knows(OTHER)
    assert not session.knows("10.0.0.1")
    assert session.gap(NODE) == 700
    ask_and_answer(session, 10_000)
    assert session.gap(NODE) == 700
    assert [done.request for done in dones(session.advance(TIMER))] == [waiting]


def test_deadlines_are_kept_for_any_number_of_nodes_and_leave_nothing_behind():
    session = Session()
    for number in range(20_000):
        address = f"10.0.0.{number % 200}"
        frame = sent(session.submit(get(address=address), number))
        assert session.next_deadline() == number + TIMER
        session.receive(address, ok(frame), number)
        assert session.next_deadline() is None
    assert len(session._wakes) <= 4 * 200 + 64


def test_values_refusals_and_what_is_missing_are_told_apart():
    session = Session()
    frame = sent(session.submit(get(0xDA, 0xC7, 0xE4, 0xD3), 100))
    reply = answer(frame, Service.GET_SNA, (0xE4, b""), (0xDA, b"\x42"), (0xD3, b"\x00\x00\x05\xdc"), (0x80, b"0"))
    result = outcome(session.receive(NODE, reply, 130))
    assert isinstance(result, Answer)
    assert result.values == {0xDA: b"\x42", 0xD3: b"\x00\x00\x05\xdc"}
    assert (result.refused, result.missing) == ({0xE4}, {0xC7})
    assert (result.sent_at, result.received_at) == (100, 130)


def test_accepted_and_refused_writes_are_told_apart():
    session = Session()
    frame = sent(session.submit(put((0xDC, b"\x03"), (0xEB, b"\0\0\x0b\xb8"), (0xDA, b"\x42")), 0))
    result = outcome(session.receive(NODE, answer(frame, Service.SET_C_SNA, (0xDC, b""), (0xEB, b"\x03")), 1))
    assert isinstance(result, Answer)
    assert (result.accepted, result.refused, result.missing) == ({0xDC}, {0xEB}, {0xDA})


def test_a_refusal_that_refuses_nothing_is_a_refusal_of_all():
    session = Session()
    frame = sent(session.submit(put(), 0))
    result = outcome(session.receive(NODE, answer(frame, Service.SET_C_SNA, (0xDA, b"")), 1))
    assert isinstance(result, Answer)
    assert result.refused == {0xDA}


def stray(session: Session, address: str, frame: Frame, now: int) -> Stray:
    (action,) = session.receive(address, frame, now)
    assert isinstance(action, Dropped)
    return action.why


def test_a_late_answer_is_never_taken_for_the_next():
    session = Session()
    first = sent(session.submit(get(), 0))
    actions = session.advance(TIMER)
    assert sends(actions) == []
    second = sent(session.submit(get(), TIMER))
    assert stray(session, NODE, ok(first), TIMER + 10) is Stray.LATE
    assert isinstance(outcome(session.receive(NODE, ok(second), TIMER + 20)), Answer)
    assert session.strays == {Stray.LATE: 1}


def test_an_answer_at_the_timers_end_is_late():
    session = Session()
    first = sent(session.submit(get(), 0))
    actions = session.receive(NODE, ok(first), TIMER)
    assert outcome(actions) == NoAnswer(0, TIMER)
    assert actions[-1] == Dropped(NODE, ok(first), Stray.LATE)


def test_a_second_answer_is_a_duplicate():
    session = Session()
    first = sent(session.submit(get(), 0))
    session.receive(NODE, ok(first), 1)
    assert stray(session, NODE, ok(first), 2) is Stray.DUPLICATE


@pytest.mark.parametrize(
    "change",
    [
        {"seoj": 0x027E02},
        {"deoj": 0x05FF02},
        {"service": Service.SET_RES},
        {"service": Service.INFC_RES},
    ],
)
def test_an_answer_of_another_object_or_service_is_crossing(change):
    session = Session()
    first = sent(session.submit(get(), 0))
    assert stray(session, NODE, ok(first)._replace(**change), 1) is Stray.CROSSING
    assert isinstance(outcome(session.receive(NODE, ok(first), 2)), Answer)


def test_an_answer_from_another_address_is_crossing_and_one_with_a_foreign_tid_unknown():
    session = Session()
    first = sent(session.submit(get(), 0))
    assert stray(session, OTHER, ok(first), 1) is Stray.CROSSING
    assert stray(session, NODE, ok(first)._replace(tid=first.tid + 9), 1) is Stray.UNKNOWN


def test_instance_zero_is_answered_by_any_instance_of_its_class():
    session = Session()
    first = sent(session.submit(get(eoj=0x027E00), 0))
    assert stray(session, NODE, answer(first, Service.GET_RES, (0xDA, b"\x42"), seoj=0x02A101), 1) is Stray.CROSSING
    reply = answer(first, Service.GET_RES, (0xDA, b"\x42"), seoj=0x027E1F)
    assert isinstance(outcome(session.receive(NODE, reply, 1)), Answer)


def test_answers_to_a_search_come_from_anybody_for_a_while():
    session = Session()
    tid = session.open_search(0)
    frame = Frame(tid, UNIT, 0x05FF01, Service.GET_RES, ((0x80, b"0"),))
    assert session.receive(NODE, frame, 10) == [Heard(NODE, frame)]
    assert session.receive(OTHER, frame, 20) == [Heard(OTHER, frame)]
    assert session.next_deadline() == TIMER
    session.advance(TIMER)
    assert stray(session, NODE, frame, TIMER) is Stray.LATE


def test_a_cancelled_request_waits_no_more_but_its_node_stays_busy():
    session = Session()
    out, waiting, third = get(), get(0xC7), get(0xE4)
    first = sent(session.submit(out, 0))
    session.submit(waiting, 0)
    session.submit(third, 0)
    assert session.cancel(waiting, 1) == []
    assert session.cancel(out, 1) == []
    actions = session.receive(NODE, ok(first), 2)
    assert out not in [done.request for done in dones(actions)]
    assert sent(actions).properties == ((0xE4, b""),)


def test_a_forgotten_node_ends_its_requests():
    session = Session()
    out, waiting = get(), get(0xC7)
    first = sent(session.submit(out, 0))
    session.submit(waiting, 0)
    assert [done.request for done in dones(session.forget(NODE, 5))] == [waiting, out]
    assert stray(session, NODE, ok(first), 6) is Stray.LATE
    assert session.next_deadline() is None
    assert session.forget(OTHER, 7) == []


def test_only_gets_and_setcs_of_something_are_requests():
    for request in (Request(NODE, UNIT, Service.INF, ((0x80, b""),)), Request(NODE, UNIT, Service.GET, ())):
        with pytest.raises(ValueError, match="Get or a SetC"):
            Session().submit(request, 0)


steps = st.lists(
    st.tuples(
        st.sampled_from(["submit", "answer", "replay", "wait", "cancel"]),
        st.integers(0, 3),
        st.sampled_from(list(Priority)),
        st.integers(0, 25_000),
    ),
    max_size=60,
)


@pytest.mark.covers("AIF-2.4.1-1", "AIF-2.4.3-1")
@settings(max_examples=150, deadline=None)
@given(steps)
def test_in_any_history_a_node_has_one_request_and_each_request_one_end(history):
    """Model: per node at most one datagram outstanding, stops after 2 s apart; TIDs never repeat; nothing hangs."""
    session = Session()
    now, requests, ends, tids, cancelled = 0, [], [], [], set()
    open_by_node: dict[str, dict[int, tuple[int, Frame, Request]]] = {}
    last: dict[Request, int] = {}
    answered: list[tuple[str, Frame]] = []

    def carry(actions) -> None:
        for action in actions:
            if isinstance(action, Done):
                ends.append(action.request)
            elif isinstance(action, Send):
                frame = decode(action.data)
                still = open_by_node.setdefault(action.address, {})
                for tid in [tid for tid, (at, _, _) in still.items() if at + TIMER <= now]:
                    del still[tid]
                if action.request.priority is not Priority.STOP:
                    for tid, (_, _, asked) in still.items():
                        # Only a stop's early datagram may be unanswered: superseded by its repetition, or cancelled.
                        assert asked.priority is Priority.STOP
                        assert last[asked] != tid or asked in cancelled
                assert frame.tid not in tids
                tids.append(frame.tid)
                last[action.request] = frame.tid
                still[frame.tid] = (now, frame, action.request)

    for what, which, priority, wait in history:
        if what == "submit":
            address = f"192.0.2.{which}"
            stop = priority is Priority.STOP
            service = Service.SET_C if stop else Service.GET
            request = Request(address, UNIT, service, ((0xDA, b"\x47" if stop else b""),), priority)
            requests.append(request)
            carry(session.submit(request, now))
        elif what == "answer":
            for address, still in open_by_node.items():
                if still and address.endswith(str(which)):
                    tid = next(iter(still))
                    _, frame, _ = still.pop(tid)
                    answered.append((address, ok(frame)))
                    carry(session.receive(address, ok(frame), now))
        elif what == "replay" and answered:
            address, frame = answered[which % len(answered)]
            assert isinstance(session.receive(address, frame, now)[-1], Dropped)
        elif what == "cancel" and requests:
            cancelled.add(requests[which % len(requests)])
            carry(session.cancel(requests[which % len(requests)], now))
        else:
            target = now + wait
            while (due := session.next_deadline()) is not None and due <= target:
                now = max(now, due)
                carry(session.advance(now))
            now = target
    while (due := session.next_deadline()) is not None:
        now = max(now, due)
        carry(session.advance(now))
    for request in requests:
        assert ends.count(request) == (0 if request in cancelled and request not in ends else 1)


@pytest.mark.covers("AIF-2.4.3-1")
def test_the_tids_of_outstanding_requests_and_searches_are_not_given_out_again():
    session = Session(first_tid=7)
    out = sent(session.submit(get(), 0)).tid
    search = session.open_search(0)
    given = {session.fresh_tid() for _ in range(0x10000)}
    assert not given & {0, out, search}
    assert len(given) == 0xFFFF - 2
