"""The demo CSMS judges strictly and misbehaves on demand."""

import asyncio
import base64
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from bridge.clock import Clock, run_virtual
from bridge.sim.csms import DemoCsms, NotConnectedError, StationCallError, StationTimeoutError
from bridge.sim.csms_behaviour import Drop, Late, Never, Raw, Refuse, Twice
from bridge.sim.csms_memory import MemoryClosedError, MemoryConnection, MemoryNetwork

BOOT = {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}}


class Scene:
    """A CSMS, a network, and a station that is only a mouth and an ear."""

    def __init__(self, **options) -> None:
        self.clock = Clock(seed=1)
        self.csms = DemoCsms(self.clock, **options)
        self.network = MemoryNetwork(self.clock, self.csms, latency=5)
        self.line: MemoryConnection
        self.ids = 0

    async def dial(self) -> None:
        self.line = await self.network.dial("CS1")

    async def say(self, action, payload, message_id=None) -> None:
        self.ids += 1
        await self.line.send(json.dumps([2, message_id or f"m{self.ids}", action, payload]))

    async def ask(self, action, payload, message_id=None):
        await self.say(action, payload, message_id)
        return await self.hear()

    async def hear(self):
        async with asyncio.timeout(60):
            return json.loads(await self.line.recv())

    async def boot(self):
        await self.dial()
        return await self.ask("BootNotification", BOOT)


def event(seq_no, kind="Updated", at=None, tx="t1", **more):
    event.now += 1
    return {
        "eventType": kind,
        "timestamp": at or f"2026-01-05T03:17:00.{event.now:03d}Z",
        "triggerReason": "Authorized",
        "seqNo": seq_no,
        "transactionInfo": {"transactionId": tx},
        **more,
    }


event.now = 0


@pytest.fixture(autouse=True)
def _first_millisecond():
    event.now = 0


def virtual(test):
    """Run an async test on the virtual clock."""

    def wrapped():
        run_virtual(test())

    wrapped.__name__ = test.__name__
    wrapped.pytestmark = getattr(test, "pytestmark", [])
    return wrapped


@virtual
async def test_a_right_station_hears_no_complaint():
    scene = Scene(interval=77)
    kind, _, answer = await scene.boot()
    assert (kind, answer["status"], answer["interval"]) == (3, "Accepted", 77)
    assert answer["currentTime"] == "2026-01-05T03:17:00.010Z"
    assert (await scene.ask("TransactionEvent", event(0, "Started")))[2] == {}
    token = {"idToken": "AA", "type": "Local"}
    scene.csms.habits.tokens["AA"] = "Blocked"
    assert (await scene.ask("TransactionEvent", event(1, idToken=token)))[2] == {"idTokenInfo": {"status": "Blocked"}}
    await scene.ask("TransactionEvent", event(2, "Ended"))
    assert scene.csms.violations == []
    assert [payload["seqNo"] for payload in scene.csms.events("CS1")] == [0, 1, 2]
    assert scene.csms.station("CS1").ledger.entries().keys() == {("t1", 0), ("t1", 1), ("t1", 2)}


@virtual
async def test_before_the_boot_nothing_else_may_come():
    scene = Scene(interval=10)
    scene.csms.habits.boot = ["Pending", "Rejected"]
    await scene.dial()
    await scene.ask("Heartbeat", {})
    assert "before the BootNotification was accepted" in scene.csms.violations.pop()
    assert (await scene.ask("BootNotification", BOOT))[2]["status"] == "Pending"
    await scene.ask("BootNotification", BOOT)
    assert "before the interval has passed" in scene.csms.violations.pop()
    await scene.clock.sleep(10_000)
    assert (await scene.ask("BootNotification", BOOT))[2]["status"] == "Accepted"
    await scene.ask("Heartbeat", {})
    assert scene.csms.violations == []


@virtual
async def test_while_pending_what_was_triggered_may_come():
    scene = Scene()
    scene.csms.habits.boot = ["Pending"]
    await scene.boot()
    call = asyncio.create_task(scene.csms.call("CS1", "TriggerMessage", {"requestedMessage": "Heartbeat"}))
    _, message_id, *_ = await scene.hear()
    await scene.line.send(json.dumps([3, message_id, {"status": "Accepted"}]))
    assert await call == {"status": "Accepted"}
    await scene.ask("Heartbeat", {})
    assert scene.csms.violations == []
    await scene.ask("Heartbeat", {})
    assert len(scene.csms.violations) == 1


@virtual
async def test_schema_and_frame_errors_are_found():
    scene = Scene()
    await scene.boot()
    assert (await scene.ask("StatusNotification", {"evseId": 1}))[2] == "FormatViolation"
    assert (await scene.ask("Nonsense", {}))[2] == "NotImplemented"
    naive = event(0, "Started", at="2026-01-05T03:17:00.001")
    assert (await scene.ask("TransactionEvent", naive))[0] == 4
    await scene.line.send("garbage")
    await scene.line.send('[3,"unknown",{}]')
    await scene.ask("Heartbeat", {})
    assert len([fault for fault in scene.csms.violations if "StatusNotification" in fault]) == 3
    assert any("no action" in fault for fault in scene.csms.violations)
    assert any("date-time" in fault for fault in scene.csms.violations)
    assert any("no OCPP message" in fault for fault in scene.csms.violations)
    assert any("waits for none" in fault for fault in scene.csms.violations)


@virtual
async def test_ids_and_outstanding_calls_are_watched():
    scene = Scene()
    await scene.boot()
    await scene.ask("Heartbeat", {}, "same")
    await scene.ask("Heartbeat", {}, "same")
    assert "was used before" in scene.csms.violations.pop()
    scene.csms.respond["Heartbeat"] = [Never()]
    await scene.say("Heartbeat", {})
    await scene.clock.sleep(100)
    await scene.ask("Heartbeat", {})
    assert "is unanswered" in scene.csms.violations.pop()
    await scene.clock.sleep(30_000)
    await scene.ask("Heartbeat", {})
    assert scene.csms.violations == []


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        ([event(0, "Started"), event(2)], "seqNo 1 was due"),
        ([event(1, "Started")], "seqNo 0 was due"),
        ([event(0)], "not Started"),
        ([event(0, "Started"), event(1, "Ended"), event(2)], "already ended"),
        ([event(0, "Started"), event(1, "Started")], "a second time"),
        ([event(0, "Started"), event(0, "Started")], "other content"),
        ([event(0, "Started"), event(1, at="2026-01-05T03:16:59Z")], "went back"),
        ([event(0, "Started", at="1970-01-01T00:00:03Z")], "invented"),
        ([event(0, "Started", at="2026-02-05T00:00:03Z")], "not come yet"),
        (
            [event(0, "Started") | {"transactionInfo": {"transactionId": "t1", "chargingState": "Charging"}}],
            "no event has named the EVSE",
        ),
    ],
)
def test_the_ledger_finds(events, fault):
    async def play():
        scene = Scene()
        await scene.boot()
        for payload in events:
            await scene.ask("TransactionEvent", payload)
        return scene.csms.violations

    violations = run_virtual(play())
    assert len(violations) == 1
    assert fault in violations[0]


@virtual
async def test_a_repeat_with_the_same_content_is_no_fault():
    scene = Scene()
    await scene.boot()
    first = event(0, "Started")
    await scene.ask("TransactionEvent", first)
    await scene.ask("TransactionEvent", first)
    assert scene.csms.violations == []
    assert scene.csms.station("CS1").ledger.transactions["t1"].repeats == 1
    await scene.ask("TransactionEvent", event(3))
    assert scene.csms.gaps() == {"t1": [1, 2]}


@virtual
async def test_what_happened_while_cut_off_must_say_so():
    scene = Scene()
    await scene.boot()
    await scene.ask("TransactionEvent", event(0, "Started"))
    await scene.csms.go_dark()
    with pytest.raises(MemoryClosedError):
        await scene.hear()
    with pytest.raises(ConnectionRefusedError):
        await scene.dial()
    await scene.clock.sleep(60_000)
    scene.csms.come_back()
    await scene.dial()
    await scene.ask("TransactionEvent", event(1, at="2026-01-05T03:17:30Z"))
    assert "not marked offline" in scene.csms.violations.pop()
    await scene.ask("TransactionEvent", event(2, at="2026-01-05T03:17:31Z", offline=True))
    assert scene.csms.violations == []


@virtual
async def test_calls_are_answered_refused_or_lost():
    scene = Scene()
    await scene.boot()

    async def station(*answers):
        for answer in answers:
            _, message_id, *_ = await scene.hear()
            await scene.line.send(json.dumps([answer[0], message_id, *answer[1:]]))

    answering = asyncio.create_task(station((3, {"status": "Accepted"}), (4, "NotSupported", "no", {}), (3, {})))
    reset = ("CS1", "Reset", {"type": "Immediate"})
    assert await scene.csms.call(*reset) == {"status": "Accepted"}
    with pytest.raises(StationCallError, match="NotSupported"):
        await scene.csms.call(*reset)
    await scene.csms.call(*reset)
    await answering
    assert '"status" is a required property' in scene.csms.violations.pop()
    with pytest.raises(StationTimeoutError):
        await scene.csms.call(*reset, timeout_ms=1000)
    with pytest.raises(ValueError, match="Nie"):
        await scene.csms.call("CS1", "Reset", {"type": "Nie"})
    lost = asyncio.create_task(scene.csms.call(*reset))
    await scene.clock.sleep(100)
    await scene.csms.drop("CS1")
    with pytest.raises(StationTimeoutError, match="lost"):
        await lost
    with pytest.raises(NotConnectedError):
        await scene.csms.call(*reset)


@virtual
async def test_bad_habits():
    scene = Scene(respond={"Heartbeat": [Late(2000), Twice(), Refuse("GenericError"), Raw('[3,"{id}"'), Drop()]})
    await scene.boot()
    before = scene.clock.monotonic()
    assert (await scene.ask("Heartbeat", {}))[0] == 3
    assert scene.clock.monotonic() - before == 2010
    assert await scene.ask("Heartbeat", {}) == await scene.hear()
    assert (await scene.ask("Heartbeat", {}))[:3] == [4, "m4", "GenericError"]
    await scene.say("Heartbeat", {})
    assert await scene.line.recv() == '[3,"m5"'
    await scene.say("Heartbeat", {})
    with pytest.raises(MemoryClosedError):
        await scene.hear()
    scene.csms.habits.naive_time = True
    await scene.dial()
    assert not (await scene.ask("Heartbeat", {}))[2]["currentTime"].endswith("Z")
    scene.csms.habits.silent = True
    await scene.say("Heartbeat", {})
    with pytest.raises(TimeoutError):
        await scene.hear()


@virtual
async def test_it_may_hold_answers_while_it_calls():
    scene = Scene()
    await scene.boot()
    scene.csms.habits.hold_while_calling = True
    call = asyncio.create_task(scene.csms.call("CS1", "Reset", {"type": "OnIdle"}))
    _, message_id, *_ = await scene.hear()
    await scene.say("Heartbeat", {})
    await scene.clock.sleep(1000)
    await scene.line.send(json.dumps([3, message_id, {"status": "Accepted"}]))
    await call
    assert (await scene.hear())[2].keys() == {"currentTime"}
    assert scene.csms.messages[-1].t >= 1000


@virtual
async def test_a_second_connection_takes_the_place_of_the_first():
    scene = Scene()
    await scene.boot()
    first = scene.line
    await scene.dial()
    await scene.ask("Heartbeat", {})
    with pytest.raises(MemoryClosedError):
        await first.recv()
    scene.csms.habits.keep_old_connection = True
    second = scene.line
    await scene.dial()
    with pytest.raises(MemoryClosedError):
        await scene.hear()
    scene.line = second
    assert (await scene.ask("Heartbeat", {}))[0] == 3


@virtual
async def test_it_greets_after_the_boot_and_keeps_reports():
    scene = Scene()
    scene.csms.habits.on_boot = [("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})]
    await scene.boot()
    _, message_id, action, _ = await scene.hear()
    assert action == "GetBaseReport"
    await scene.line.send(json.dumps([3, message_id, {"status": "Accepted"}]))
    row = {
        "component": {"name": "EVSE", "evse": {"id": 1}},
        "variable": {"name": "Available"},
        "variableAttribute": [{"value": "true"}],
    }
    report = {"requestId": 1, "generatedAt": "2026-01-05T03:17:00Z", "seqNo": 0, "reportData": [row]}
    waiting = asyncio.create_task(scene.csms.wait_message("NotifyReport"))
    await scene.ask("NotifyReport", report)
    assert await waiting == report
    assert scene.csms.station("CS1").report == {("EVSE", "", "1", "", "Available", ""): row}
    assert scene.csms.violations == []


async def test_over_real_sockets_with_basic_authentication():
    csms = DemoCsms(Clock(), password="secret")
    port = await csms.serve("127.0.0.1", 0)
    url = f"ws://127.0.0.1:{port}/ocpp/CS%201"
    header = {"Authorization": "Basic " + base64.b64encode(b"CS 1:secret").decode()}
    try:
        async with asyncio.timeout(20):
            with pytest.raises(InvalidStatus, match="401"):
                await connect(url, subprotocols=["ocpp2.0.1"], proxy=None)
            async with connect(url, subprotocols=["ocpp2.0.1"], additional_headers=header, proxy=None) as socket:
                await socket.send(json.dumps([2, "1", "BootNotification", BOOT]))
                assert json.loads(await socket.recv())[2]["status"] == "Accepted"
                assert csms.connected("CS 1")
            async with connect(url, subprotocols=["ocpp1.6"], additional_headers=header, proxy=None) as socket:
                assert socket.subprotocol is None
                await socket.wait_closed()
            await csms.go_dark()
            with pytest.raises(InvalidStatus, match="503"):
                await connect(url, subprotocols=["ocpp2.0.1"], additional_headers=header, proxy=None)
    finally:
        await csms.close()
    assert csms.violations == []
