"""What all messages have in common: how a class becomes a message, and the primitive types of OCPP.

Messages are plain dataclasses that nobody changes. What comes in is checked when it is decoded (an integer has 32 bits,
a number is finite), what goes out when it is encoded. Building one costs nothing more, and a class that no message in
use contains has no validator. Field names are snake_case here and camelCase on the wire (the alias).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar, dataclass_transform

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from bridge.records import dataclass

T = TypeVar("T")
R = TypeVar("R", bound="Response")

_CONFIG = ConfigDict(alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False)

#: RFC 3339, section 5.6, but the zone may be missing: some CSMSs send naive times and mean UTC.
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)


class Response:
    """The base of all responses."""

    __slots__ = ()


class Request(Generic[R]):
    """The base of all requests; the parameter is the response that answers it."""

    __slots__ = ()


def _repr(self: Any) -> str:
    told = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in fields(self))
    return f"{type(self).__name__}({told})"


def _eq(self: Any, other: object) -> bool:
    return type(self) is type(other) and _values(self) == _values(other)


def _hash(self: Any) -> int:
    return hash((type(self), *_values(self)))


def _values(message: Any) -> tuple[Any, ...]:
    return tuple(getattr(message, name) for name in message.__dataclass_fields__)


@dataclass_transform(frozen_default=True, field_specifiers=(Field,))
def message_type(cls: type[T]) -> type[T]:
    """Make a class a message or part of one. Nobody changes one: the type checker sees to that, and run time is spared
    the code that would (two thirds of the messages' memory, with the methods below)."""
    made = dataclass(slots=True, repr=False, eq=False)(cls)
    for method in (_repr, _eq, _hash):  # one for all classes
        setattr(made, f"_{method.__name__}__", method)
    setattr(made, "__pydantic_config__", _CONFIG)  # noqa: B010 - the message's TypeAdapter looks for it
    return made


def action_of(message: Request[Any] | Response) -> str:
    """The OCPP action that a request or a response belongs to."""
    return type(message).__name__.removesuffix("Request").removesuffix("Response")


def parse_time(text: str) -> datetime:
    """The UTC time of an OCPP dateTime; one without a zone is taken as UTC.

    Raises:
        ValueError: it is no RFC 3339 time.
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no RFC 3339 time")
    moment = datetime.fromisoformat(text.upper())
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is beyond the calendar") from error


def format_time(moment: datetime) -> str:
    """An OCPP dateTime in UTC with three decimals, the most that Part 2 allows.

    Raises:
        ValueError: the time knows no zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} knows no zone")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _aware_time(value: Any) -> datetime:
    if isinstance(value, str):
        return parse_time(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    raise ValueError("a time must be text or a datetime that knows its zone")


_serialize_time: Callable[[datetime], str] = format_time

#: OCPP's dateTime.
DateTime = Annotated[datetime, BeforeValidator(_aware_time), PlainSerializer(_serialize_time, when_used="json")]

#: OCPP's integer (Part 2, primitive data types: 32 bit).
Integer = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]

#: A vendor's own data: passed on as it came, wire names and all.
CustomData = dict[str, Any]

#: A part that nothing here looks into: checked by the schema, passed on as it came.
Opaque = dict[str, Any]
