"""A strict OCPP CSMS for the demonstration and the tests, of 2.0.1 or, if so made, of 2.1.

It shares no code with the station: every payload is judged by the JSON schemas of the `ocpp` package, every message by
rules of its own, and what is wrong is collected in `violations`. It speaks over WebSockets (`serve`) and over
connections in memory (`accept`), and has the bad habits that CSMSs have, each behind a switch.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from websockets.asyncio.server import Server

from bridge.clock import Clock
from bridge.sim import csms_schemas, csms_socket
from bridge.sim.csms_behaviour import Drop, Late, Never, Override, Payload, Raw, Refuse, Twice, choose, token_info
from bridge.sim.csms_ledger import parse_time
from bridge.sim.csms_parts import CALL as CALL
from bridge.sim.csms_parts import ERROR as ERROR
from bridge.sim.csms_parts import RESULT as RESULT
from bridge.sim.csms_parts import Connection as Connection
from bridge.sim.csms_parts import Habits as Habits
from bridge.sim.csms_parts import Message as Message
from bridge.sim.csms_parts import NotConnectedError as NotConnectedError
from bridge.sim.csms_parts import StationCallError as StationCallError
from bridge.sim.csms_parts import StationTimeoutError as StationTimeoutError
from bridge.sim.csms_parts import parse_frame
from bridge.sim.csms_rules import StationRecord

#: How long an answer is held back by `hold_while_calling` at most (ms); 30 s have been seen.
_LONGEST_HOLD = 30_000
#: Around a loss the two sides may disagree for so long on whether the station was offline.
_OFFLINE_MARGIN = timedelta(seconds=1)


@dataclass(slots=True)
class _Line:
    """One open connection and what is under way on it."""

    station_id: str
    connection: Connection
    since: datetime
    calling: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: dict[str, tuple[str, asyncio.Future[Payload]]] = field(default_factory=dict)
    unanswered: dict[str, int] = field(default_factory=dict)  # the station's CALLs, since when
    actions: dict[str, str] = field(default_factory=dict)


Observer = Callable[[Message], None]


class DemoCsms:
    """A CSMS for any number of stations. `respond` overrides answers by action; `habits` switches bad ones on."""

    def __init__(
        self,
        clock: Clock,
        *,
        interval: int = 300,
        password: str | None = None,
        respond: Mapping[str, Override] | None = None,
        version: str = "2.0.1",
    ) -> None:
        self._clock = clock
        self.version = version
        self.interval = interval
        self.password = password
        self.respond: dict[str, Override] = dict(respond or {})
        self.habits = Habits()
        self.stations: dict[str, StationRecord] = {}
        self.messages: list[Message] = []
        self.violations: list[str] = []
        self.on_message: list[Observer] = []
        self.dark = False
        self._lines: dict[str, _Line] = {}
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: Server | None = None
        self._defaults: dict[str, Callable[[str, Payload], Payload]] = {
            "BootNotification": self._boot,
            "Heartbeat": lambda _, __: {"currentTime": self.now_text()},
            "Authorize": lambda _, request: {"idTokenInfo": token_info(self.habits.tokens, request["idToken"])},
            "TransactionEvent": self._transaction_event,
            "DataTransfer": lambda _, __: {"status": "UnknownVendorId"},
            "SignCertificate": lambda _, __: {"status": "Rejected"},
            "Get15118EVCertificate": lambda _, __: {"status": "Failed", "exiResponse": ""},
            "GetCertificateStatus": lambda _, __: {"status": "Failed"},
            "NotifyEVChargingNeeds": lambda _, __: {"status": "Rejected"},
            "NotifyEVChargingSchedule": lambda _, __: {"status": "Accepted"},
            "PullDynamicScheduleUpdate": lambda _, __: {"status": "Rejected"},
        }

    # What it is and what it has seen

    def utc(self) -> datetime:
        """The time that this CSMS believes and tells."""
        return self._clock.wall() + timedelta(milliseconds=self.habits.clock_offset)

    def now_text(self) -> str:
        """`utc` as it goes over the wire."""
        return self.utc().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + ("" if self.habits.naive_time else "Z")

    def station(self, station_id: str) -> StationRecord:
        """What is known of a station."""
        return self.stations.setdefault(station_id, StationRecord(station_id))

    def connected(self, station_id: str) -> bool:
        """Whether a connection of that station is open."""
        return station_id in self._lines

    def received(self, action: str, station_id: str | None = None) -> list[Payload]:
        """The payloads of all CALLs of an action, in the order they came."""
        return [
            message.payload
            for message in self.messages
            if (message.direction, message.action, message.frame[0]) == ("in", action, CALL)
            and station_id in (None, message.station_id)
        ]

    def events(self, station_id: str | None = None) -> list[Payload]:
        """All TransactionEvents, repeats included, in the order they came."""
        return self.received("TransactionEvent", station_id)

    def gaps(self) -> dict[str, list[int]]:
        """The missing seqNos by transaction, of all stations."""
        return {key: missing for record in self.stations.values() for key, missing in record.ledger.gaps().items()}

    async def wait_for(self, predicate: Callable[[], Any], timeout_ms: int = 30_000) -> Any:
        """Wait until `predicate` gives something true, and give it back. It is asked after every message.

        Raises:
            TimeoutError: it never did.
        """
        async with asyncio.timeout(timeout_ms / 1000):
            while not (found := predicate()):
                changed = self._changed
                await changed.wait()
        return found

    async def wait_message(
        self,
        action: str,
        match: Callable[[Payload], bool] = lambda _: True,
        *,
        since: int = 0,
        timeout_ms: int = 30_000,
    ) -> Payload:
        """The first CALL of an action that matches, from index `since` of `messages` on."""

        def found() -> list[Message]:
            return [
                message
                for message in self.messages[since:]
                if (message.direction, message.action, message.frame[0]) == ("in", action, CALL)
                and match(message.payload)
            ]

        return (await self.wait_for(found, timeout_ms))[0].payload  # type: ignore[no-any-return]

    # Being there, and not

    async def serve(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> int:
        """Listen for WebSockets; gives back the port."""
        self._server, port = await csms_socket.listen(self, host, port, tls)
        return port

    async def close(self) -> None:
        """Close all connections and stop listening."""
        await self._drop_all()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
        for task in list(self._tasks):
            task.cancel()

    def admit(self, station_id: str, password: str | None) -> None:
        """Raise what a refused dial raises.

        Raises:
            ConnectionRefusedError: dark, or the password is wrong.
        """
        if self.dark:
            raise ConnectionRefusedError("the CSMS is dark")
        if self.password is not None and password != self.password:
            raise ConnectionRefusedError("wrong password")

    async def accept(self, connection: Connection, station_id: str) -> None:
        """Serve one connection until it is closed."""
        if self.dark or (self.habits.keep_old_connection and station_id in self._lines):
            await connection.close()
            return
        old = self._lines.pop(station_id, None)
        if old is not None:
            await self._lost(old)
        line = self._lines[station_id] = _Line(station_id, connection, self.utc())
        self._notify()
        try:
            while True:
                await self._take(line, await connection.recv())
        except (OSError, EOFError):
            pass
        finally:
            await self._lost(line)

    async def drop(self, station_id: str) -> None:
        """Close a station's connection."""
        await self._lost(self._line(station_id))

    async def go_dark(self) -> None:
        """Close all connections and refuse new ones."""
        self.dark = True
        await self._drop_all()

    def come_back(self) -> None:
        """Take connections again."""
        self.dark = False
        self._notify()

    async def _drop_all(self) -> None:
        for line in list(self._lines.values()):
            await self._lost(line)

    async def _lost(self, line: _Line) -> None:
        if self._lines.get(line.station_id) is line:
            del self._lines[line.station_id]
            self.station(line.station_id).lost_at = self._clock.monotonic()
        for _, future in line.waiting.values():
            if not future.done():
                future.set_exception(StationTimeoutError("the connection was lost"))
        await line.connection.close()
        self._notify()

    def _line(self, station_id: str) -> _Line:
        try:
            return self._lines[station_id]
        except KeyError:
            raise NotConnectedError(f"{station_id} is not connected") from None

    # Calling

    async def call(
        self, station_id: str, action: str, payload: Payload, timeout_ms: int = 30_000, *, check: bool = True
    ) -> Payload:
        """Send a CALL and give back the answer's payload. `check` False lets a wrong payload out.

        Raises:
            ValueError: the payload is against the schema.
            NotConnectedError: the station is not there.
            StationCallError: it answered with a CALLERROR.
            StationTimeoutError: it did not answer in time.
        """
        if check and (faults := csms_schemas.faults(action, "Request", payload, self.version)):
            raise ValueError("; ".join(faults))
        line = self._line(station_id)
        async with line.calling:
            return await self._call(line, action, payload, timeout_ms)

    async def _call(self, line: _Line, action: str, payload: Payload, timeout_ms: int) -> Payload:
        message_id = f"{self._clock.random.getrandbits(96):024x}"
        future: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
        line.waiting[message_id] = (action, future)
        self.station(line.station_id).asked(action, payload)
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await self._send(line, [CALL, message_id, action, payload], action)
                return await future
        except TimeoutError:
            raise StationTimeoutError(f"no answer to {action} within {timeout_ms} ms") from None
        except OSError as error:
            raise StationTimeoutError(f"the connection was lost before {action} was answered") from error
        finally:
            line.waiting.pop(message_id, None)
            self._notify()

    async def send_raw(self, station_id: str, text: str) -> None:
        """Send any text at all."""
        await self._line(station_id).connection.send(text)

    async def _send(self, line: _Line, frame: list[Any], action: str) -> None:
        self._record(Message(self._clock.monotonic(), line.station_id, "out", frame, action))
        await line.connection.send(json.dumps(frame, ensure_ascii=False))

    def _record(self, message: Message) -> None:
        self.messages.append(message)
        for observer in self.on_message:
            observer(message)
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _blame(self, line: _Line, *faults: str) -> None:
        self.violations += [f"{self._clock.monotonic()} ms {line.station_id}: {fault}" for fault in faults]
        if faults:
            self._notify()

    # Being called

    async def _take(self, line: _Line, text: str) -> None:
        frame = parse_frame(text)
        if frame is None:
            self._blame(line, f"no OCPP message: {text[:80]!r}")
            return
        if frame[0] == CALL:
            await self._take_call(line, frame)
        else:
            self._take_answer(line, frame)

    async def _take_call(self, line: _Line, frame: list[Any]) -> None:
        _, message_id, action, payload = frame
        self._record(Message(self._clock.monotonic(), line.station_id, "in", frame, action))
        record, now = self.station(line.station_id), self._clock.monotonic()
        self._blame(line, *record.faults_of_call(message_id, action, now), *self._faults_of_waiting(line, action, now))
        line.unanswered[message_id] = now
        line.actions[message_id] = action
        faults = csms_schemas.faults(action, "Request", payload, self.version)
        self._blame(line, *faults)
        if faults:
            code = "FormatViolation" if csms_schemas.known_action(action, self.version) else "NotImplemented"
            await self._answer(line, [ERROR, message_id, code, faults[0][:255], {}])
            return
        self._learn(line, record, action, payload)
        await self._respond(line, message_id, action, payload)

    def _faults_of_waiting(self, line: _Line, action: str, now: int) -> list[str]:
        """Part 4, 4.1.1: no CALL before the last one was answered or has timed out."""
        open_since = [since for since in line.unanswered.values() if now - since < self.habits.station_timeout]
        return [f"{action} although a CALL is unanswered since {open_since[0]} ms"] if open_since else []

    def _learn(self, line: _Line, record: StationRecord, action: str, payload: Payload) -> None:
        # Only now, because this message may be what the permission was for.
        if record.allowed[action] and not (action == "NotifyReport" and payload.get("tbc")):
            record.allowed[action] -= 1
        record.learn(action, payload)
        if action == "TransactionEvent":
            self._blame(line, *record.ledger.take(payload, self.utc()), *self._faults_of_offline(line, payload))

    def _faults_of_offline(self, line: _Line, event: Payload) -> list[str]:
        """E04: what happened while the station was cut off says so."""
        lost_at = self.station(line.station_id).lost_at
        if lost_at is None or event.get("offline"):
            return []
        lost = self.utc() - timedelta(milliseconds=self._clock.monotonic() - lost_at)
        if lost + _OFFLINE_MARGIN < parse_time(event["timestamp"]) < line.since - _OFFLINE_MARGIN:
            return [f"{event['eventType']} of {event['timestamp']} is not marked offline"]
        return []

    async def _respond(self, line: _Line, message_id: str, action: str, payload: Payload) -> None:
        if self.habits.silent:
            return
        said = choose(self.respond.get(action), payload)
        match said:
            case Never():
                return
            case Drop():
                await self._lost(line)
                return
            case Refuse(code, description):
                await self._answer(line, [ERROR, message_id, code, description, {}])
                return
            case Raw(text):
                line.unanswered.pop(message_id, None)
                await line.connection.send(text.replace("{id}", message_id))
                return
            case Late(ms, chosen):
                self._spawn(self._respond_late(line, message_id, action, payload, chosen, ms))
                return
        chosen = said.payload if isinstance(said, Twice) else said
        if self.habits.hold_while_calling and line.waiting:
            self._spawn(self._respond_after_call(line, message_id, action, payload, chosen))
            return
        for _ in range(2 if isinstance(said, Twice) else 1):
            await self._result(line, message_id, action, payload, chosen)

    async def _respond_late(
        self, line: _Line, message_id: str, action: str, payload: Payload, chosen: Payload | None, ms: int
    ) -> None:
        await self._clock.sleep(ms)
        await self._result(line, message_id, action, payload, chosen)

    async def _respond_after_call(
        self, line: _Line, message_id: str, action: str, payload: Payload, chosen: Payload | None
    ) -> None:
        try:
            await self.wait_for(lambda: not line.waiting, _LONGEST_HOLD)
        except TimeoutError:
            pass
        await self._result(line, message_id, action, payload, chosen)

    async def _result(
        self, line: _Line, message_id: str, action: str, request: Payload, chosen: Payload | None
    ) -> None:
        """Answer; what a default answer changes, changes when it goes out and not before."""
        payload = self._default(line.station_id, action, request) if chosen is None else chosen
        accepted = action == "BootNotification" and self._booted(line, payload)
        await self._answer(line, [RESULT, message_id, payload])
        if accepted and self.habits.on_boot:
            self._spawn(self._greet(line.station_id))

    def _default(self, station_id: str, action: str, request: Payload) -> Payload:
        make = self._defaults.get(action)
        return make(station_id, request) if make else {}

    async def _answer(self, line: _Line, frame: list[Any]) -> None:
        line.unanswered.pop(frame[1], None)
        try:
            await self._send(line, frame, line.actions.get(frame[1], ""))
        except (OSError, EOFError):
            pass  # the loop that receives sees it too

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _take_answer(self, line: _Line, frame: list[Any]) -> None:
        action, future = line.waiting.get(frame[1], ("", None))
        self._record(Message(self._clock.monotonic(), line.station_id, "in", frame, action))
        if future is None:
            if frame[:2] != [ERROR, "-1"]:
                self._blame(line, f"an answer to {frame[1]!r}, which waits for none")
            return
        if frame[0] == ERROR:
            if frame[2] not in csms_schemas.ERROR_CODES:
                self._blame(line, f"{frame[2]!r} is no error code")
            _settle(future, StationCallError(frame[2], frame[3], frame[4]))
            return
        self._blame(line, *csms_schemas.faults(action, "Response", frame[2], self.version))
        if not future.done():
            future.set_result(frame[2])

    # Default answers

    def _boot(self, _: str, __: Payload) -> Payload:
        status = self.habits.boot.pop(0) if self.habits.boot else "Accepted"
        return {"currentTime": self.now_text(), "interval": self.interval, "status": status}

    def _booted(self, line: _Line, answer: Payload) -> bool:
        record = self.station(line.station_id)
        record.status = answer.get("status")
        accepted = record.status == "Accepted"
        record.boot_due = None if accepted else self._clock.monotonic() + answer.get("interval", 0) * 1000
        return accepted

    async def _greet(self, station_id: str) -> None:
        for action, payload in self.habits.on_boot:
            try:
                await self.call(station_id, action, payload)
            except (StationCallError, StationTimeoutError, NotConnectedError) as error:
                self.violations.append(f"{self._clock.monotonic()} ms {station_id}: {action}: {error}")

    def _transaction_event(self, _: str, request: Payload) -> Payload:
        token = request.get("idToken")
        return {"idTokenInfo": token_info(self.habits.tokens, token)} if token else {}


def _settle(future: asyncio.Future[Payload], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
