"""OCPP 2.0.1 on the wire: our messages to and from its JSON. The only module that touches the `ocpp` package.

Of the package only the JSON schemas are used, read as resources: importing its message classes costs memory and time,
and their translation of names also rewrites what vendors put into customData. A payload is first held against the
schema (nothing that is not OCPP comes in or goes out), then made into our classes, which check what schemas cannot say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final, TypeVar, cast

import jsonschema_rs
from pydantic import TypeAdapter, ValidationError

from bridge.station.messages import csms_calls, station_calls
from bridge.station.messages.base import Request, Response, action_of
from bridge.station.messages.call_error import CallError, ErrorCode

R = TypeVar("R", bound=Response)
Payload = dict[str, Any]

#: Which code tells of which broken rule of a schema; the first row that any problem meets decides.
_CODE_OF_RULE: Final[tuple[tuple[str, ErrorCode], ...]] = (
    ("additionalProperties", ErrorCode.FORMAT_VIOLATION),
    ("required", ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION),
    ("minItems", ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION),
    ("maxItems", ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION),
    ("type", ErrorCode.TYPE_CONSTRAINT_VIOLATION),
)

_REQUEST: Final = "Request"
_RESPONSE: Final = "Response"


@dataclass(frozen=True, slots=True)
class _Codec:
    """One message class with its compiled schema."""

    validator: jsonschema_rs.Draft6Validator
    shape: TypeAdapter[Any]


class Adapter:
    """Translates between our messages and OCPP 2.0.1's payloads. It has no state; what it compiles is shared."""

    subprotocol: Final = "ocpp2.0.1"

    def supports(self, action: str) -> bool:
        """Whether we have words for this action."""
        return action in _ACTIONS

    def decode_request(self, action: str, payload: Payload) -> Request[Any]:
        """The request in a CALL.

        Raises:
            CallError: the action is unknown or unsupported, or the payload breaks the schema (Part 4, 4.1.7).
        """
        if action not in _ACTIONS:
            if action in _known_actions():
                raise CallError(ErrorCode.NOT_SUPPORTED, f"{action} is not supported")
            raise CallError(ErrorCode.NOT_IMPLEMENTED, f"there is no action {action[:60]!r} in {self.subprotocol}")
        return cast(Request[Any], _decode(action + _REQUEST, payload))

    def encode_request(self, request: Request[Any]) -> tuple[str, Payload]:
        """The action and payload of a CALL.

        Raises:
            ValueError: the request is not what the schema allows; that is our mistake.
        """
        action = action_of(request)
        return action, _encode(action + _REQUEST, request)

    def text_of(self, request: Request[Any]) -> str:
        """The payload of a request as JSON, for what is kept: it is checked when it is read or sent.

        Raises:
            ValueError: a value is of the wrong type.
        """
        shape = _codec(action_of(request) + _REQUEST).shape
        return shape.dump_json(request, by_alias=True, exclude_none=True, warnings="error").decode()

    def decode_response(self, action: str, payload: Payload) -> Response:
        """The response in the CALLRESULT of an action that was called.

        Raises:
            CallError: the payload breaks the schema.
        """
        return cast(Response, _decode(action + _RESPONSE, payload))

    def encode_response(self, response: Response) -> Payload:
        """The payload of a CALLRESULT.

        Raises:
            ValueError: the response is not what the schema allows; that is our mistake.
        """
        return _encode(action_of(response) + _RESPONSE, response)


def _message_classes() -> dict[str, type[Any]]:
    found: dict[str, type[Any]] = {}
    for module in (csms_calls, station_calls):
        for name, value in vars(module).items():
            if (
                isinstance(value, type)
                and issubclass(value, Request | Response)
                and value.__module__ == module.__name__
            ):
                found[name] = value
    return found


_CLASSES: Final = _message_classes()
_ACTIONS: Final = frozenset(name.removesuffix(_REQUEST) for name in _CLASSES if name.endswith(_REQUEST))


def _schemas() -> Traversable:
    # Through the top package: importing ocpp.v201 would load its whole RPC layer.
    return files("ocpp").joinpath("v201", "schemas")


@cache
def _known_actions() -> frozenset[str]:
    """Every action of OCPP 2.0.1, also those that we have no words for."""
    names = (entry.name for entry in _schemas().iterdir())
    return frozenset(name.removesuffix("Request.json") for name in names if name.endswith("Request.json"))


@cache
def _codec(name: str) -> _Codec:
    text = _schemas().joinpath(f"{name}.json").read_text(encoding="utf-8-sig")
    # Values are masked: what is wrong with a value is told and logged, a password in it is not.
    # Formats are left to our classes, as jsonschema would refuse a time without a zone.
    validator = jsonschema_rs.Draft6Validator(json.loads(text), validate_formats=False, mask="the value")
    return _Codec(validator, TypeAdapter(_CLASSES[name]))


def _decode(name: str, payload: Payload) -> Any:
    codec = _codec(name)
    try:
        if not codec.validator.is_valid(payload):
            raise _schema_error(codec.validator.iter_errors(payload))
        return codec.shape.validate_python(payload)
    except ValidationError as error:
        raise _value_error(error) from None
    except (UnicodeError, RecursionError) as error:
        raise CallError(ErrorCode.FORMAT_VIOLATION, f"the payload is no proper JSON: {type(error).__name__}") from None


def _encode(name: str, message: Any) -> Payload:
    codec = _codec(name)
    payload = codec.shape.dump_python(message, mode="json", by_alias=True, exclude_none=True, warnings="error")
    if not codec.validator.is_valid(payload):
        raise ValueError(f"{name}: {_schema_error(codec.validator.iter_errors(payload)).description}")
    return cast(Payload, payload)


def _schema_error(problems: Iterable[jsonschema_rs.ValidationError]) -> CallError:
    """The error that stands for all that is wrong: its code by the table, its text from the first such problem."""
    by_rule: dict[str, str] = {}
    for problem in problems:
        by_rule.setdefault(problem.kind.name, f"{_place(problem.instance_path)}: {problem.message}")
    for rule, code in _CODE_OF_RULE:
        if rule in by_rule:
            return CallError(code, by_rule[rule])
    return CallError(ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, next(iter(by_rule.values()), "invalid"))


def _value_error(error: ValidationError) -> CallError:
    first = error.errors(include_url=False, include_input=False)[0]
    return CallError(ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, f"{_place(first['loc'])}: {first['msg']}")


def _place(path: Iterable[str | int]) -> str:
    return "/".join(str(part) for part in path) or "payload"
