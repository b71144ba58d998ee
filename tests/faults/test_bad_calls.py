"""CALLs that are against the schema or no CALLs at all: the right CALLERROR, and nothing else happens.

The cases are generated from all schemas of OCPP 2.0.1 (`tests/tools/bad_payloads.py`), and sent to one station with a
transaction going on. What must be the same after each: the device model, sessions, wishes, the store, the connection.
"""

from __future__ import annotations

import json

import pytest

from bridge.clock import run_virtual
from tests.tools import bad_payloads
from tests.tools.bad_payloads import Case
from tests.tools.call_bench import CallBench, call_bench, difference, freeze

#: CALLs of the CSMS that this station has words for are judged by the schema; others are not supported, whatever is
#: in them. What only a station may send is read as any CALL, and then not supported.
ACTIONS = bad_payloads.actions()
#: Sent by a station: from a CSMS they are refused even when they are right.
OURS = {
    "Authorize", "BootNotification", "Heartbeat", "MeterValues", "NotifyReport", "SecurityEventNotification",
    "StatusNotification", "TransactionEvent",
}  # fmt: skip


async def _nothing_but(bench: CallBench, cases: list[Case], action: str) -> None:
    """Each case gets its code and changes nothing."""
    before = freeze(bench.fingerprint)
    supported = (await bench.send(action, {"x": 1})).code != "NotSupported"
    wrong = []
    for case in cases:
        told = await bench.send(action, case.payload)
        code = case.code if supported else "NotSupported"
        if told.code != code:
            wrong.append(f"{case}: {told.code or told.payload} ({told.description}), not {code}")
        if (after := bench.fingerprint()) != before:
            wrong.append(f"{case} has changed: {difference(before, after)}")
            before = freeze(bench.fingerprint)
    assert not wrong, "\n".join(wrong)


def _assert_well(bench: CallBench) -> None:
    assert bench.complaints() == []
    assert bench.up
    assert len(bench.here.csms.received("BootNotification")) == 1


@pytest.mark.parametrize("action", ACTIONS)
def test_every_broken_rule_of_every_call_is_told_and_changes_nothing(action: str) -> None:
    async def main() -> None:
        async with call_bench() as bench:
            await _nothing_but(bench, bad_payloads.broken(action), action)
            _assert_well(bench)

    run_virtual(main())


def test_all_calls_of_the_csms_that_it_may_send_are_tried() -> None:
    cases = {action: bad_payloads.broken(action) for action in ACTIONS}
    assert len(cases) >= 64
    assert sum(map(len, cases.values())) > 7_000
    rules = {case.rule for broken in cases.values() for case in broken}
    assert rules == set(bad_payloads.CODES)


@pytest.mark.parametrize("action", sorted(OURS))
def test_what_only_a_station_may_send_is_refused_even_where_it_is_right(action: str) -> None:
    async def main() -> None:
        async with call_bench() as bench:
            before = freeze(bench.fingerprint)
            for payload in bad_payloads.right(action):
                told = await bench.send(action, payload)
                assert told.code == "NotSupported", told
            assert bench.fingerprint() == before
            _assert_well(bench)

    run_virtual(main())


_DEEP = "[" * 200_000
_WIDE = '{"customData":{"vendorId":"v",' + ",".join(f'"k{n}":{n}' for n in range(50_000)) + "}}"

#: (text, the id that is answered, the code); with why where it is not plain.
FRAMES = [
    ('[2,"a","ClearCache"]', "a", "RpcFrameworkError"),
    ('[2,"a","ClearCache",{},{}]', "a", "RpcFrameworkError"),
    ('[2,"a"]', "a", "RpcFrameworkError"),
    ("[2]", "-1", "RpcFrameworkError"),
    ("[]", "-1", "RpcFrameworkError"),
    ("{}", "-1", "RpcFrameworkError"),
    ("", "-1", "RpcFrameworkError"),
    ("null", "-1", "RpcFrameworkError"),
    ("\x00", "-1", "RpcFrameworkError"),
    ("\ufeff[2]", "-1", "RpcFrameworkError"),
    ('[9,"a","ClearCache",{}]', "a", "MessageTypeNotSupported"),
    ('[-2,"a","ClearCache",{}]', "a", "MessageTypeNotSupported"),
    ('[2.5,"a","ClearCache",{}]', "a", "MessageTypeNotSupported"),
    ('["2","a","ClearCache",{}]', "a", "RpcFrameworkError"),
    ('[true,"a","ClearCache",{}]', "a", "RpcFrameworkError"),
    ('[null,"a","ClearCache",{}]', "a", "RpcFrameworkError"),
    ('[2,1,"ClearCache",{}]', "-1", "RpcFrameworkError"),
    ('[2,null,"ClearCache",{}]', "-1", "RpcFrameworkError"),
    ('[2,["a"],"ClearCache",{}]', "-1", "RpcFrameworkError"),
    ('[2,"","ClearCache",{}]', "-1", "RpcFrameworkError"),
    (f'[2,"{"i" * 37}","ClearCache",{{}}]', "-1", "RpcFrameworkError"),
    ('[2,"a",1,{}]', "a", "RpcFrameworkError"),
    ('[2,"a",null,{}]', "a", "RpcFrameworkError"),
    ('[2,"a","ClearCache",[]]', "a", "FormatViolation"),
    ('[2,"a","ClearCache","x"]', "a", "FormatViolation"),
    ('[2,"a","ClearCache",7]', "a", "FormatViolation"),
    ('[2,"a","ClearCache",{"customData":{"vendorId":"\\ud800"}}]', "a", "RpcFrameworkError"),
    ('[2,"a","ClearCache",{"customData":{"vendorId":NaN}}]', "a", "RpcFrameworkError"),
    ('[2,"a","ClearCache",{]', "a", "RpcFrameworkError"),
    ('[2,"a","NoSuchAction",{}]', "a", "NotImplemented"),
    ('[2,"a","",{}]', "a", "NotImplemented"),
    ('[2,"a","clearcache",{}]', "a", "NotImplemented"),
    ('[2,"a","../ClearCache",{}]', "a", "NotImplemented"),
    (f'[2,"a","{"A" * 5_000}",{{}}]', "a", "NotImplemented"),
    ('[2,"a","ClearCacheResponse",{}]', "a", "NotImplemented"),
    (_DEEP, "-1", "RpcFrameworkError"),  # nesting that would overflow a stack
    (f'[2,"a","ClearCache",{_DEEP}', "a", "RpcFrameworkError"),
    ('[2,"a","ClearCache",' + '{"customData":' * 5_000 + "1" + "}" * 5_001, "a", "RpcFrameworkError"),
    (f'[2,"a","ClearCache",{{"customData":{{"vendorId":"{"v" * 2**20}"}}}}]', "-1", "RpcFrameworkError"),
    (f'[2,"a","Reset",{_WIDE}]', "a", "OccurrenceConstraintViolation"),
]


def test_what_is_no_call_is_told_so_and_changes_nothing() -> None:
    async def main() -> None:
        async with call_bench() as bench:
            before = freeze(bench.fingerprint)
            for text, message_id, code in FRAMES:
                told = await bench.send_text(text, message_id)
                assert told.code == code, (text[:80], told)
                assert bench.fingerprint() == before, text[:80]
            _assert_well(bench)

    run_virtual(main())


@pytest.mark.parametrize(
    "text",
    [
        '[3,"nobody",{}]', '[3,"nobody"]', "[3]", "[4]", '[3,7,{}]', '[3,["x"],{}]', '[4,"nobody","NoCode","",{}]',
        '[4,"nobody","GenericError","x","y","z"]', '[4,{"a":1},1,2,3]', '[3,"nobody",[]]', '[3,"nobody",{]',
    ],
)  # fmt: skip
def test_an_answer_to_nothing_is_answered_by_nothing(text: str) -> None:
    async def main() -> None:
        async with call_bench() as bench:
            before = freeze(bench.fingerprint)
            seen = len(bench.here.csms.messages)
            await bench.here.csms.send_raw("CS-1", text)
            await bench.here.clock.sleep(5_000)
            assert bench.here.csms.messages[seen:] == []
            assert bench.fingerprint() == before
            _assert_well(bench)

    run_virtual(main())


def test_after_all_of_it_the_station_still_serves() -> None:
    async def main() -> None:
        async with call_bench() as bench:
            for action in ACTIONS:
                for case in bad_payloads.broken(action)[:20]:
                    await bench.send(action, case.payload)
            transaction = bench.here.events[0]["transactionInfo"]["transactionId"]
            told = await bench.send("RequestStopTransaction", {"transactionId": transaction})
            assert told.payload == {"status": "Accepted"}
            bench.here.evse.show(confirmed=True)
            bench.here.evse.unplug()
            await bench.here.wait("TransactionEvent", eventType="Ended")
            assert [event["seqNo"] for event in bench.here.events] == list(range(len(bench.here.events)))
            assert json.dumps(bench.here.csms.gaps()) == "{}"
            _assert_well(bench)

    run_virtual(main())
