"""What is asked of nodes and what comes of it: the words of `bridge.echonet.session`, and which answer fits. No I/O."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final

from bridge.echonet.frame import Frame, Property, Service
from bridge.echonet.wellknown import IDENTIFICATION, NODE_PROFILE, class_of, instance_of
from bridge.records import dataclass

#: The services that answer to a request.
ANSWER_TO: Final = {
    Service.GET: frozenset({Service.GET_RES, Service.GET_SNA}),
    Service.SET_C: frozenset({Service.SET_RES, Service.SET_C_SNA}),
}


class Priority(IntEnum):
    """Who goes first to a node; the lowest number does."""

    STOP = 0
    LIMIT = 1
    COMMAND = 2
    READBACK = 3
    POLL = 4


@dataclass(slots=True, eq=False)
class Request:
    """One Get or SetC to one object of one node. What happens to it is told by a `Done` with this very object."""

    address: str
    eoj: int
    service: Service
    properties: tuple[Property, ...]
    priority: Priority = Priority.POLL

    @property
    def stops(self) -> bool:
        """Whether it is a stop itself, which goes out early; what is read for a stop waits for its turn."""
        return self.priority is Priority.STOP and self.service is Service.SET_C


@dataclass(frozen=True, slots=True)
class Answer:
    """What a node answered, sorted by what was asked; times in monotonic ms.

    `values`: read (Get). `accepted`: taken over (SetC). `refused`: SNA. `missing`: asked and not mentioned.
    """

    service: Service
    values: dict[int, bytes]
    accepted: frozenset[int]
    refused: frozenset[int]
    missing: frozenset[int]
    sent_at: int
    received_at: int


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The response timer ended first (AIF 2.4.2)."""

    sent_at: int
    at: int


class Stray(StrEnum):
    """Why an answer belongs to no request."""

    LATE = "late"  # its request's timer had ended
    DUPLICATE = "duplicate"  # its request was answered before
    CROSSING = "crossing"  # the TID is ours; node, object or service is another
    UNKNOWN = "unknown"  # the TID was never ours


@dataclass(frozen=True, slots=True)
class Send:
    """To do: send this datagram to this node."""

    address: str
    data: bytes
    request: Request


@dataclass(frozen=True, slots=True)
class Done:
    """A request has come to its end."""

    request: Request
    outcome: Answer | NoAnswer


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer to a search, of which any number may come."""

    address: str
    frame: Frame


@dataclass(frozen=True, slots=True)
class Dropped:
    """An answer that was matched to nothing."""

    address: str
    frame: Frame
    why: Stray


Action = Send | Done | Heard | Dropped


def speaks_for(seoj: int, eoj: int) -> bool:
    """Whether an object answers for the one that was asked; instance 0 asks all of its class (AIF 2.1)."""
    return seoj == eoj or (instance_of(eoj) == 0 and class_of(seoj) == class_of(eoj))


def asks_who(request: Request) -> bool:
    """Whether it is the node profile's 0x83 that is read."""
    return request.eoj == NODE_PROFILE and any(epc == IDENTIFICATION for epc, _ in request.properties)


def sorted_answer(request: Request, frame: Frame, sent_at: int, now: int) -> Answer:
    """Sort an answer's properties by what was asked, whatever their order and number; leave out what was not."""
    asked = frozenset(epc for epc, _ in request.properties)
    told = {epc: edt for epc, edt in frame.properties if epc in asked}
    if request.service is Service.GET:
        values = {epc: edt for epc, edt in told.items() if edt}
        refused = frozenset(told) - frozenset(values)
        return Answer(frame.service, values, frozenset(), refused, asked - frozenset(told), sent_at, now)
    refused = frozenset(epc for epc, edt in told.items() if edt) if frame.service is Service.SET_C_SNA else frozenset()
    if frame.service is Service.SET_C_SNA and told.keys() == asked and not refused:
        refused = asked  # a refusal that refuses nothing: believe its service, not its lengths
    accepted = frozenset(told) - refused
    return Answer(frame.service, {}, accepted, refused, asked - frozenset(told), sent_at, now)
