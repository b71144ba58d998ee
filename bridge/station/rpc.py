"""OCPP-J's calls (Part 4, chapter 4) without I/O and without a clock: text in, events out.

One CALL of ours is open at a time (4.1.1); theirs may come meanwhile. Every text that is no proper message is told to
the sender as far as Part 4 asks: a CALLERROR to what is, or may be, a CALL; nothing to a broken answer, as an answer to
an answer would mean nothing to the sender.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import structlog

from bridge.errors import CsmsError
from bridge.records import dataclass
from bridge.station.compact import compact
from bridge.station.messages.base import Request, Response, action_of
from bridge.station.messages.call_error import CallError, ErrorCode

_log = structlog.get_logger()

CALL: Final = 2
CALL_RESULT: Final = 3
CALL_ERROR: Final = 4
CALL_RESULT_ERROR: Final = 5
SEND: Final = 6

#: The message id where none could be read (Part 4, 4.2.3).
NO_ID: Final = "-1"
LONGEST_ID: Final = 36
LONGEST_DESCRIPTION: Final = 255
#: So many CALLs of ours that have ended are remembered: a second answer to them is told from a strange one.
_CLOSED: Final = 16
#: So many of their CALLs may be open; by 4.1.1 it is one, and more only after they have given up some.
MOST_IN_PROGRESS: Final = 64

#: What can still be read of a text that is no JSON: its type and its id.
_HEAD = re.compile(r'\s*\[\s*([234])\s*,\s*"([^"\\]{1,36})"\s*[,\]]')


class VersionAdapter(Protocol):
    """What the calls need of an OCPP version; `bridge.station.messages.v201.Adapter` is one.

    `unanswered` are the further types of messages that it has, none of which is answered: from 2.1 on the complaint
    about an answer of ours (CALLRESULTERROR), and what asks for nothing (SEND; a CSMS has none that we would heed).
    """

    @property
    def subprotocol(self) -> str:
        """The name in the WebSocket handshake."""

    @property
    def unanswered(self) -> frozenset[int]:
        """As above."""

    def decode_request(self, action: str, payload: dict[str, Any]) -> Request[Any]:
        """Raises CallError."""

    def encode_request(self, request: Request[Any]) -> tuple[str, dict[str, Any]]:
        """Raises ValueError."""

    def decode_response(self, action: str, payload: dict[str, Any]) -> Response:
        """Raises CallError."""

    def encode_response(self, response: Response) -> dict[str, Any]:
        """Raises ValueError."""


class BadAnswer(CsmsError):  # noqa: N818 - what came
    """The CSMS answered our CALL with something that is not OCPP."""


class CallErrorReceived(CsmsError):  # noqa: N818 - what came
    """The CSMS answered our CALL with a CALLERROR; an unknown code is a GenericError and stands in the description."""

    def __init__(self, code: ErrorCode, description: str, details: Mapping[str, Any]) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.details = details


@dataclass(frozen=True, slots=True)
class Call:
    """The other side asks; answer with `Rpc.answer` or `Rpc.refuse`."""

    message_id: str
    request: Request[Any]


@dataclass(frozen=True, slots=True)
class Result:
    """Our CALL was answered."""

    request: Request[Any]
    response: Response


@dataclass(frozen=True, slots=True)
class Error:
    """Our CALL failed: a CALLERROR came (CallErrorReceived), or an answer that is not OCPP (BadAnswer)."""

    request: Request[Any]
    error: CsmsError


@dataclass(frozen=True, slots=True)
class Reply:
    """A text that must be sent at once: the CALLERROR to a bad message. `error` is for the log."""

    text: str
    error: CallError


@dataclass(frozen=True, slots=True)
class Stray:
    """A message that belongs to nothing (a late or second answer): for the log only."""

    why: str


Event = Call | Result | Error | Reply | Stray


@dataclass(frozen=True, slots=True)
class _Open:
    message_id: str
    action: str
    request: Request[Any]


class Rpc:
    """The calls of one station. `new_id` makes message ids that no other CALL of the station ever has (4.1.4)."""

    def __init__(self, adapter: VersionAdapter, new_id: Callable[[], str], *, max_size: int = 2**20) -> None:
        self.adapter = adapter
        self.max_size = max_size
        self.longest_calls: dict[str, int] = {}  # bytes, of a CALL of the CSMS by its action, where there is a limit
        self._new_id = new_id
        self._open: _Open | None = None
        self._in_progress: set[str] = set()
        self._closed: tuple[str, ...] = ()

    @property
    def busy(self) -> bool:
        """Whether a CALL of ours is open."""
        return self._open is not None

    # -- our calls

    def call(self, request: Request[Any]) -> str:
        """The text of a new CALL, which is now the open one.

        Raises:
            ValueError: the request is not what the schema allows, or another CALL is open; both are our mistake.
        """
        if self._open is not None:
            raise ValueError(f"{self._open.action} is still open (Part 4, 4.1.1)")
        action, payload = self.adapter.encode_request(request)
        message_id = self._new_id()
        text = compact([CALL, message_id, action, payload])
        self._open = _Open(message_id, action, request)
        return text

    def give_up(self) -> None:
        """The open CALL has timed out, or its connection is gone: an answer that still comes is a stray."""
        if self._open is not None:
            self._closed = (*self._closed, self._open.message_id)[-_CLOSED:]
            self._open = None

    def disconnected(self) -> None:
        """Forget what was open on the connection, ours and theirs."""
        self.give_up()
        self._in_progress.clear()

    # -- their calls

    def answer(self, call: Call, response: Response) -> str:
        """The text of the CALLRESULT.

        Raises:
            ValueError: the response is of another action, or not what the schema allows; both are our mistake.
        """
        if action_of(response) != action_of(call.request):
            raise ValueError(f"{type(response).__name__} does not answer {action_of(call.request)}")
        text = compact([CALL_RESULT, call.message_id, self.adapter.encode_response(response)])
        self._in_progress.discard(call.message_id)
        return text

    def refuse(self, call: Call, error: CallError) -> str:
        """The text of the CALLERROR."""
        self._in_progress.discard(call.message_id)
        return _call_error(call.message_id, error)

    # -- what comes in

    def receive(self, text: str | bytes) -> list[Event]:
        """What a received message means. Never raises: whatever comes in, the connection goes on."""
        if isinstance(text, bytes):
            return [_refuse(NO_ID, "a message must be text (Part 4, 4.1.2)")]
        if len(text) > self.max_size:
            return [_refuse(NO_ID, f"a message may have {self.max_size} characters")]
        try:
            message = _DECODER.decode(text)
        except (ValueError, RecursionError) as error:
            return self._broken(text, f"no JSON: {type(error).__name__}")
        if "\\u" in text and not _is_text(message):
            return self._broken(text, "no Unicode: half a surrogate pair")
        if not isinstance(message, list) or not message:
            return [_refuse(NO_ID, "a message is a JSON array that begins with its type")]
        kind = message[0]
        if isinstance(kind, bool) or not isinstance(kind, int | float):
            return [_refuse(_readable_id(message), "the type of a message is a number")]
        if kind == CALL:
            return [self._on_call(message, text)]
        if kind == CALL_RESULT:
            return [self._on_result(message)]
        if kind == CALL_ERROR:
            return [self._on_error(message)]
        if kind in self.adapter.unanswered:
            return [Stray(_complaint(message) if kind == CALL_RESULT_ERROR else f"not heeded: {message[2:3]}")]
        code = ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED
        return [_refuse(_readable_id(message), f"there is no message type {kind}", code)]

    def _on_call(self, message: list[Any], text: str) -> Event:
        message_id = _readable_id(message)
        if message_id == NO_ID:
            return _refuse(NO_ID, f"a message id is a string of 1 to {LONGEST_ID} characters")
        if message_id in self._in_progress:
            return _refuse(message_id, "a call with this id is being handled already")
        if len(self._in_progress) >= MOST_IN_PROGRESS:
            return _refuse(message_id, "too many calls are open", ErrorCode.GENERIC_ERROR)
        if len(message) != 4 or not isinstance(message[2], str):
            return _refuse(message_id, "a CALL is [2, id, action, payload]")
        payload = {} if message[3] is None else message[3]
        if not isinstance(payload, dict):
            return _refuse(message_id, "a payload is an object", ErrorCode.FORMAT_VIOLATION)
        most = self.longest_calls.get(message[2])
        if most is not None and len(text) * 4 > most and len(text.encode()) > most:  # B06.FR.17, B08.FR.18
            return _refuse(message_id, f"{message[2]} may have {most} bytes", ErrorCode.FORMAT_VIOLATION)
        try:
            request = self.adapter.decode_request(message[2], payload)
        except CallError as error:
            return Reply(_call_error(message_id, error), error)
        except Exception:
            # A mistake of ours; the CSMS shall get its answer all the same.
            _log.exception("a request could not be read", action=message[2])
            return _refuse(message_id, "the request could not be read", ErrorCode.INTERNAL_ERROR)
        self._in_progress.add(message_id)
        return Call(message_id, request)

    def _on_result(self, message: list[Any]) -> Event:
        opened = self._take(message[1] if len(message) > 1 else None)
        if isinstance(opened, Stray):
            return opened
        payload = message[2] if len(message) == 3 else False
        payload = {} if payload is None else payload
        if not isinstance(payload, dict):
            return Error(opened.request, BadAnswer(f"the answer to {opened.action} is not [3, id, payload]"))
        try:
            return Result(opened.request, self.adapter.decode_response(opened.action, payload))
        except CallError as error:
            return Error(opened.request, BadAnswer(f"the answer to {opened.action} is wrong: {error}"))
        except Exception:
            _log.exception("a response could not be read", action=opened.action)
            return Error(opened.request, BadAnswer(f"the answer to {opened.action} could not be read"))

    def _on_error(self, message: list[Any]) -> Event:
        opened = self._take(message[1] if len(message) > 1 else None)
        if isinstance(opened, Stray):
            return opened
        return Error(opened.request, _read_call_error(message[2:5]))

    def _take(self, message_id: object) -> _Open | Stray:
        """The open CALL that an answer belongs to, which is then no longer open."""
        opened = self._open
        if opened is not None and message_id == opened.message_id:
            self.give_up()
            return opened
        known = message_id in self._closed
        return Stray("a late or second answer" if known else f"an answer to no call of ours: {str(message_id)[:40]!r}")

    def _broken(self, text: str, why: str) -> list[Event]:
        """A text that is no JSON may still show what it was meant to be (4.2.3: the id "-1" only if it cannot)."""
        head = _HEAD.match(text)
        if head is None:
            return [_refuse(NO_ID, why)]
        if int(head[1]) == CALL:
            return [_refuse(head[2], why)]
        opened = self._take(head[2])
        if isinstance(opened, Stray):
            return [opened]
        return [Error(opened.request, BadAnswer(f"the answer to {opened.action} is {why}"))]


def _complaint(message: list[Any]) -> str:
    """A CALLRESULTERROR, for the log."""
    return f"the CSMS cannot read our answer {_readable_id(message)}: {_read_call_error(message[2:5])}"


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# Made once: json.loads would make a new decoder for every call that has an option.
_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant)


def _is_text(message: Any) -> bool:
    """Whether all strings could be written as UTF-8: JSON's escapes can make what no store and no wire takes."""
    try:
        json.dumps(message, ensure_ascii=False).encode()
    except UnicodeError:
        return False
    return True


def _readable_id(message: list[Any]) -> str:
    """The message's id, or "-1" where there is none that a CALLERROR may carry (a string of up to 36 characters)."""
    message_id = message[1] if len(message) > 1 else None
    return message_id if isinstance(message_id, str) and 0 < len(message_id) <= LONGEST_ID else NO_ID


def _read_call_error(parts: list[Any]) -> CallErrorReceived:
    """Taken as it comes: an unknown code or a missing text still says that the call has failed."""
    code, description, details = (*parts, None, None, None)[:3]
    description = description if isinstance(description, str) else ""
    details = details if isinstance(details, dict) else {}
    try:
        return CallErrorReceived(ErrorCode(code), description, details)
    except ValueError:
        return CallErrorReceived(ErrorCode.GENERIC_ERROR, f"{str(code)[:40]}: {description}", details)


def _refuse(message_id: str, why: str, code: ErrorCode = ErrorCode.RPC_FRAMEWORK_ERROR) -> Reply:
    error = CallError(code, why)
    return Reply(_call_error(message_id, error), error)


def _call_error(message_id: str, error: CallError) -> str:
    return compact([CALL_ERROR, message_id, error.code, error.description[:LONGEST_DESCRIPTION], error.details])
