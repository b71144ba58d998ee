"""OCPP-J's calls without I/O (Part 4, chapter 4)."""

import json
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.station import rpc
from bridge.station.messages import (
    BootNotificationRequest,
    BootReason,
    CallError,
    ChargingStation,
    ClearCacheResponse,
    ClearCacheStatus,
    ErrorCode,
    HeartbeatRequest,
    HeartbeatResponse,
    ResetRequest,
    ResetResponse,
    ResetStatus,
    StatusInfo,
)
from bridge.station.messages.v201 import Adapter
from bridge.station.rpc import BadAnswer, Call, CallErrorReceived, Error, Reply, Result, Rpc, Stray

TIME = "2026-01-05T03:17:00.000Z"


def make() -> Rpc:
    numbers = count(1)
    return Rpc(Adapter(), lambda: f"id-{next(numbers)}", max_size=5_000)


def refusal(events: list) -> tuple:
    """The one CALLERROR that is to be sent: (id, code)."""
    (event,) = events
    assert isinstance(event, Reply)
    kind, message_id, code, description, details = json.loads(event.text)
    assert kind == 4
    assert len(description) <= 255
    assert details == {}
    return message_id, code


# -- their calls


def test_a_call_is_read_and_answered():
    box = make()
    (call,) = box.receive('[2,"a","Reset",{"type":"OnIdle","evseId":1}]')
    assert isinstance(call, Call)
    assert call.request == ResetRequest("OnIdle", 1)
    assert box.answer(call, ResetResponse(ResetStatus.ACCEPTED)) == '[3,"a",{"status":"Accepted"}]'


def test_a_call_is_refused():
    box = make()
    (call,) = box.receive('[2,"a","Reset",{"type":"OnIdle"}]')
    text = box.refuse(call, CallError(ErrorCode.SECURITY_ERROR, "no" * 200, {"why": 1}))
    assert json.loads(text) == [4, "a", "SecurityError", ("no" * 200)[:255], {"why": 1}]


@pytest.mark.parametrize("payload", ["{}", "null"])
def test_an_empty_payload_may_be_null(payload):
    (call,) = make().receive(f'[2,"a","ClearCache",{payload}]')
    assert isinstance(call, Call)


@pytest.mark.parametrize(
    ("text", "message_id", "code"),
    [
        # nothing can be read
        ("", "-1", "RpcFrameworkError"),
        ("hello", "-1", "RpcFrameworkError"),
        ("{}", "-1", "RpcFrameworkError"),
        ("[]", "-1", "RpcFrameworkError"),
        ("2", "-1", "RpcFrameworkError"),
        ('"x"', "-1", "RpcFrameworkError"),
        ("null", "-1", "RpcFrameworkError"),
        ("[" * 100_0, "-1", "RpcFrameworkError"),
        ("x" * 6_000, "-1", "RpcFrameworkError"),
        (b"\x00\x01", "-1", "RpcFrameworkError"),
        # no JSON, but the id shows
        ('[2,"a","Reset",{"type":', "a", "RpcFrameworkError"),
        ('[2,"a","Reset",{"type":NaN}]', "a", "RpcFrameworkError"),
        ('[2,"a","Reset",{"evseId":' + "9" * 4_900 + "}]", "a", "RpcFrameworkError"),
        (r'[2,"a","ClearCache",{"customData":{"vendorId":"\ud83d"}}]', "a", "RpcFrameworkError"),
        # JSON, but no message
        ("[2]", "-1", "RpcFrameworkError"),
        ('[2,5,"Reset",{}]', "-1", "RpcFrameworkError"),
        ('[2,null,"Reset",{}]', "-1", "RpcFrameworkError"),
        ('[2,"","Reset",{}]', "-1", "RpcFrameworkError"),
        (f'[2,"{"x" * 37}","Reset",{{}}]', "-1", "RpcFrameworkError"),
        ('[2,"a"]', "a", "RpcFrameworkError"),
        ('[2,"a","Reset"]', "a", "RpcFrameworkError"),
        ('[2,"a","Reset",{"type":"OnIdle"},1]', "a", "RpcFrameworkError"),
        ('[2,"a",5,{}]', "a", "RpcFrameworkError"),
        ('["2","a","Reset",{}]', "a", "RpcFrameworkError"),
        ('[true,"a","Reset",{}]', "a", "RpcFrameworkError"),
        ('[[2],"a","Reset",{}]', "a", "RpcFrameworkError"),
        # message types of other versions
        ('[5,"a","GenericError","",{}]', "a", "MessageTypeNotSupported"),
        ('[6,"a","NotifyPeriodicEventStream",{}]', "a", "MessageTypeNotSupported"),
        ("[99]", "-1", "MessageTypeNotSupported"),
        # payloads
        ('[2,"a","Reset",[]]', "a", "FormatViolation"),
        ('[2,"a","Reset","OnIdle"]', "a", "FormatViolation"),
        ('[2,"a","Reset",{}]', "a", "OccurrenceConstraintViolation"),
        ('[2,"a","Reset",null]', "a", "OccurrenceConstraintViolation"),
        ('[2,"a","Reset",{"type":1}]', "a", "TypeConstraintViolation"),
        ('[2,"a","Reset",{"type":"Soon"}]', "a", "PropertyConstraintViolation"),
        ('[2,"a","Reset",{"type":"OnIdle","evseId":1e400}]', "a", "TypeConstraintViolation"),
        ('[2,"a","Reset",{"type":"OnIdle","when":1}]', "a", "FormatViolation"),
        ('[2,"a","reset",{"type":"OnIdle"}]', "a", "NotImplemented"),
        ('[2,"a","UpdateFirmware",{}]', "a", "NotSupported"),
    ],
)
def test_a_bad_message_is_answered_with_the_code_of_part_4(text, message_id, code):
    assert refusal(make().receive(text)) == (message_id, code)


def test_an_id_that_is_being_handled_is_refused_and_free_again_after_the_answer():
    box = make()
    text = '[2,"a","ClearCache",{}]'
    (call,) = box.receive(text)
    assert refusal(box.receive(text)) == ("a", "RpcFrameworkError")
    box.answer(call, ClearCacheResponse(ClearCacheStatus.ACCEPTED))
    assert isinstance(box.receive(text)[0], Call)


def test_open_calls_are_bounded():
    box = make()
    for number in range(rpc.MOST_IN_PROGRESS):
        assert isinstance(box.receive(f'[2,"{number}","ClearCache",{{}}]')[0], Call)
    assert refusal(box.receive('[2,"more","ClearCache",{}]')) == ("more", "GenericError")
    box.disconnected()
    assert isinstance(box.receive('[2,"more","ClearCache",{}]')[0], Call)


def test_a_wrong_answer_of_ours_is_our_mistake():
    box = make()
    (call,) = box.receive('[2,"a","Reset",{"type":"OnIdle"}]')
    with pytest.raises(ValueError, match="does not answer"):
        box.answer(call, ClearCacheResponse(ClearCacheStatus.ACCEPTED))
    with pytest.raises(ValueError, match="reasonCode"):
        box.answer(call, ResetResponse(ResetStatus.REJECTED, StatusInfo("x" * 50)))
    assert json.loads(box.refuse(call, CallError(ErrorCode.INTERNAL_ERROR, "sorry")))[:3] == [4, "a", "InternalError"]


# -- our calls


def test_a_call_of_ours_and_its_result():
    box = make()
    request = BootNotificationRequest(
        reason=BootReason.POWER_UP, charging_station=ChargingStation(model="m", vendor_name="v")
    )
    assert json.loads(box.call(request)) == [
        2,
        "id-1",
        "BootNotification",
        {"reason": "PowerUp", "chargingStation": {"model": "m", "vendorName": "v"}},
    ]
    assert box.busy
    (result,) = box.receive(f'[3,"id-1",{{"currentTime":"{TIME}","interval":300,"status":"Accepted"}}]')
    assert isinstance(result, Result)
    assert result.request is request
    assert result.response.interval == 300
    assert not box.busy


def test_one_call_at_a_time_and_never_the_same_id():
    box = make()
    first = json.loads(box.call(HeartbeatRequest()))[1]
    with pytest.raises(ValueError, match="still open"):
        box.call(HeartbeatRequest())
    box.give_up()
    assert json.loads(box.call(HeartbeatRequest()))[1] != first


def test_their_call_may_come_while_ours_is_open():
    box = make()
    box.call(HeartbeatRequest())
    assert isinstance(box.receive('[2,"id-1","ClearCache",{}]')[0], Call)
    assert isinstance(box.receive(f'[3,"id-1",{{"currentTime":"{TIME}"}}]')[0], Result)


@pytest.mark.parametrize(
    ("text", "code", "description", "details"),
    [
        ('[4,"id-1","InternalError","sorry",{"a":1}]', "InternalError", "sorry", {"a": 1}),
        ('[4,"id-1","Gone","sorry",{}]', "GenericError", "Gone: sorry", {}),
        ('[4,"id-1",17,null,null]', "GenericError", "17: ", {}),
        ('[4,"id-1"]', "GenericError", "None: ", {}),
        ('[4,"id-1","NotSupported","",{},1,2]', "NotSupported", "", {}),
    ],
)
def test_a_call_error_comes(text, code, description, details):
    box = make()
    request = HeartbeatRequest()
    box.call(request)
    (event,) = box.receive(text)
    assert isinstance(event, Error)
    assert event.request is request
    assert isinstance(event.error, CallErrorReceived)
    assert (event.error.code, event.error.description, event.error.details) == (code, description, details)
    assert not box.busy


@pytest.mark.parametrize(
    "text",
    [
        '[3,"id-1"]',
        '[3,"id-1",{},1]',
        '[3,"id-1",[]]',
        '[3,"id-1",{}]',
        '[3,"id-1",null]',
        '[3,"id-1",{"currentTime":"soon"}]',
        '[3,"id-1",{"currentTime":',
    ],
)
def test_a_bad_answer_fails_the_call_and_is_not_answered(text):
    box = make()
    box.call(HeartbeatRequest())
    (event,) = box.receive(text)
    assert isinstance(event, Error)
    assert isinstance(event.error, BadAnswer)
    assert not box.busy


@pytest.mark.parametrize(
    "text", ['[3,"id-9",{}]', '[4,"-1","RpcFrameworkError","",{}]', "[3]", "[4]", "[3,[1],{}]", "[4,{},1]"]
)
def test_an_answer_to_nothing_is_ignored(text):
    box = make()
    assert isinstance(box.receive(text)[0], Stray)
    box.call(HeartbeatRequest())
    assert isinstance(box.receive(text)[0], Stray)
    assert box.busy


def test_late_and_second_answers_are_known_as_such():
    box = make()
    answer = f'[3,"id-1",{{"currentTime":"{TIME}"}}]'
    box.call(HeartbeatRequest())
    box.give_up()
    box.call(HeartbeatRequest())
    (late,) = box.receive(answer)
    assert isinstance(late, Stray)
    assert "late" in late.why
    assert box.busy
    (result,) = box.receive(answer.replace("id-1", "id-2"))
    assert result.response == HeartbeatResponse(datetime(2026, 1, 5, 3, 17, tzinfo=UTC))
    (second,) = box.receive(answer.replace("id-1", "id-2"))
    assert isinstance(second, Stray)
    assert "late" in second.why


def test_a_naive_time_in_an_answer_is_utc():
    box = make()
    box.call(HeartbeatRequest())
    (result,) = box.receive('[3,"id-1",{"currentTime":"2026-01-05T03:17:00"}]')
    assert result.response.current_time == datetime(2026, 1, 5, 3, 17, tzinfo=UTC)


# -- whatever comes in

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ACTIONS = st.sampled_from(["Reset", "SetChargingProfile", "GetVariables", "DataTransfer", "Nothing"])
NEAR = st.tuples(st.sampled_from([2, 3, 4, 5]), st.sampled_from(["id-1", "a", "-1", 7]), ACTIONS, JSON).map(list)


@settings(max_examples=300, deadline=None)
@given(st.one_of(JSON.map(json.dumps), NEAR.map(json.dumps), st.text(), st.binary()), st.data())
def test_nothing_that_comes_in_raises_and_every_reply_is_a_message(text, data):
    box = make()
    box.call(HeartbeatRequest())
    if isinstance(text, str) and data.draw(st.booleans()):
        text = text[: data.draw(st.integers(0, len(text)))]
    for event in box.receive(text):
        if isinstance(event, Reply):
            kind, message_id, code, description, details = json.loads(event.text)
            assert kind == 4
            assert 1 <= len(message_id) <= 36
            assert code in set(ErrorCode)
            assert isinstance(description, str)
            assert isinstance(details, dict)
