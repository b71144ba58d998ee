"""What passes between the demo CSMS and those who use it: frames, connections, errors and switches."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Protocol

from bridge.sim.csms_behaviour import Payload

CALL, RESULT, ERROR = 2, 3, 4


class Connection(Protocol):
    """One open connection to a station. `recv` and `send` raise when it is closed."""

    async def send(self, text: str) -> None:
        """Send one frame."""

    async def recv(self) -> str:
        """The next frame."""

    async def close(self) -> None:
        """Close it."""


class StationCallError(Exception):
    """The station answered a call with a CALLERROR."""

    def __init__(self, code: str, description: str, details: Payload) -> None:
        super().__init__(f"{code}: {description}")
        self.code, self.description, self.details = code, description, details


class StationTimeoutError(Exception):
    """The station did not answer a call in time, or the connection was lost before it did."""


class NotConnectedError(Exception):
    """No connection of that station is open."""


@dataclass(frozen=True, slots=True)
class Message:
    """One frame as it crossed the wire; `direction` is "in" (from the station) or "out"; `t` monotonic ms."""

    t: int
    station_id: str
    direction: str
    frame: list[Any]
    action: str = ""

    @property
    def payload(self) -> Payload:
        """The payload of a CALL or of its result."""
        found = self.frame[3] if self.frame[0] == CALL else self.frame[2]
        return found if isinstance(found, dict) else {}


@dataclass(slots=True)
class Habits:
    """What the CSMS does that a test may want. All times in ms."""

    boot: list[str] = field(default_factory=list)  # statuses of the next BootNotifications, then Accepted
    tokens: dict[str, str | Payload] = field(default_factory=dict)  # idToken -> status or idTokenInfo
    naive_time: bool = False  # currentTime without a zone
    clock_offset: int = 0  # how far its own clock is off
    silent: bool = False  # reads, answers nothing
    hold_while_calling: bool = False  # no answer to a station's CALL while its own CALL is open
    keep_old_connection: bool = False  # a second connection of an identity is closed, instead of the first
    refuses: int = 0  # the HTTP status with which WebSocket handshakes are refused; 0: they are not
    on_boot: list[tuple[str, Payload]] = field(default_factory=list)  # calls made after every accepted boot
    station_timeout: int = 30_000  # after so long a station may take a CALL of its own for lost


def parse_frame(text: str) -> list[Any] | None:
    """An OCPP-J message, or None if it is none (Part 4, 4.2)."""
    try:
        frame = json.loads(text)
    except ValueError:
        return None
    shapes: dict[Any, tuple[type, ...]] = {
        CALL: (int, str, str, dict),
        RESULT: (int, str, dict),
        ERROR: (int, str, str, str, dict),
    }
    if not isinstance(frame, list) or not frame or type(frame[0]) is not int or frame[0] not in shapes:
        return None
    shape = shapes[frame[0]]
    fits = len(frame) == len(shape) and all(isinstance(part, kind) for part, kind in zip(frame, shape, strict=True))
    return frame if fits else None
