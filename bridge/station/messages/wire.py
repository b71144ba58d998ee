"""Our messages to and from the JSON of one OCPP version. The only module that touches the `ocpp` package.

Of the package only the JSON schemas are used, read as resources: importing its message classes costs memory and time,
and their translation of names also rewrites what vendors put into customData. A payload is first held against the
version's schema (nothing that is not OCPP comes in or goes out), then made into our classes, which check what schemas
cannot say. The classes are the same for every version, so what is kept as text is of no version.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, ClassVar, Final, TypeVar, cast

import jsonschema_rs
from pydantic import TypeAdapter, ValidationError

from bridge.station.messages import csms_calls, station_calls
from bridge.station.messages.base import Request, Response, action_of
from bridge.station.messages.call_error import CallError, ErrorCode

R = TypeVar("R", bound=Request[Any])
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


class VersionedAdapter(ABC):
    """Translates between our messages and the payloads of one version. It has no state; what it compiles is shared.

    A version says its name in the handshake, its folder of schemas, the actions of ours that it does not have, and how
    a message is told that says more than it has words for. `unanswered` as in `bridge.station.rpc.VersionAdapter`.
    """

    subprotocol: ClassVar[str]
    schemas: ClassVar[str]
    without: ClassVar[frozenset[str]] = frozenset()
    unanswered: ClassVar[frozenset[int]] = frozenset()

    @abstractmethod
    def fitted(self, message: Any) -> Any:
        """A message that breaks this version's schema, said as well as this version can."""

    def supports(self, action: str) -> bool:
        """Whether we have words for this action."""
        return action in _ACTIONS and action not in self.without

    def decode_request(self, action: str, payload: Payload) -> Request[Any]:
        """The request in a CALL.

        Raises:
            CallError: the action is unknown or unsupported, or the payload breaks the schema (Part 4, 4.1.7).
        """
        if not self.supports(action):
            if action in _known_actions(self.schemas):
                raise CallError(ErrorCode.NOT_SUPPORTED, f"{action} is not supported")
            raise CallError(ErrorCode.NOT_IMPLEMENTED, f"there is no action {action[:60]!r} in {self.subprotocol}")
        return cast(Request[Any], self._decode(action + _REQUEST, payload))

    def encode_request(self, request: Request[Any]) -> tuple[str, Payload]:
        """The action and payload of a CALL.

        Raises:
            ValueError: the request is not what the schema allows; that is our mistake, or this version has no such
                action.
        """
        action = action_of(request)
        return action, self._encode(action + _REQUEST, request)

    def decode_response(self, action: str, payload: Payload) -> Response:
        """The response in the CALLRESULT of an action that was called.

        Raises:
            CallError: the payload breaks the schema.
        """
        return cast(Response, self._decode(action + _RESPONSE, payload))

    def encode_response(self, response: Response) -> Payload:
        """The payload of a CALLRESULT.

        Raises:
            ValueError: the response is not what the schema allows; that is our mistake.
        """
        return self._encode(action_of(response) + _RESPONSE, response)

    def text_of(self, request: Request[Any]) -> str:
        """The payload of a request as JSON, for what is kept, in no version's words alone: it is checked when it is
        read or sent.

        Raises:
            ValueError: a value is of the wrong type.
        """
        shape = _shape(action_of(request) + _REQUEST)
        return shape.dump_json(request, by_alias=True, exclude_none=True, warnings="error").decode()

    def request_of(self, action: str, payload: Payload) -> Request[Any]:
        """The request whose `text_of` held this payload, whichever version it came with.

        Raises:
            CallError: it is none.
        """
        if action not in _ACTIONS:
            raise CallError(ErrorCode.NOT_IMPLEMENTED, f"there is no action {action[:60]!r}")
        return cast(Request[Any], _formed(action + _REQUEST, payload))

    def schema_of(self, action: str) -> Payload:
        """The JSON schema of a request, for a tool that tells a person where his file breaks it."""
        return cast(Payload, _schema(self.schemas, action + _REQUEST))

    def _decode(self, name: str, payload: Payload) -> Any:
        validator = _validator(self.schemas, name)
        try:
            if not validator.is_valid(payload):
                raise _schema_error(validator.iter_errors(payload))
        except (UnicodeError, RecursionError) as error:
            raise _no_json(error) from None
        return _formed(name, payload)

    def _encode(self, name: str, message: Any) -> Payload:
        if action_of(message) in self.without:
            raise ValueError(f"{self.subprotocol} has no {name}")
        validator = _validator(self.schemas, name)
        payload = _written(name, message)
        if not validator.is_valid(payload):
            payload = _written(name, self.fitted(message))
            if not validator.is_valid(payload):
                raise ValueError(f"{name}: {_schema_error(validator.iter_errors(payload)).description}")
        return payload


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


CLASSES: Final = _message_classes()
_ACTIONS: Final = frozenset(name.removesuffix(_REQUEST) for name in CLASSES if name.endswith(_REQUEST))


def _folder(schemas: str) -> Traversable:
    # Through the top package: importing a version of it would load its whole RPC layer.
    return files("ocpp").joinpath(schemas, "schemas")


@cache
def _known_actions(schemas: str) -> frozenset[str]:
    """Every action of a version, also those that we have no words for."""
    names = (entry.name for entry in _folder(schemas).iterdir())
    return frozenset(name.removesuffix("Request.json") for name in names if name.endswith("Request.json"))


@cache
def _validator(schemas: str, name: str) -> jsonschema_rs.Draft6Validator:
    # Values are masked: what is wrong with a value is told and logged, a password in it is not.
    # Formats are left to our classes, as jsonschema would refuse a time without a zone.
    return jsonschema_rs.Draft6Validator(_schema(schemas, name), validate_formats=False, mask="the value")


def _schema(schemas: str, name: str) -> Any:
    return json.loads(_folder(schemas).joinpath(f"{name}.json").read_text(encoding="utf-8-sig"))


@cache
def _shape(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(CLASSES[name])


def _formed(name: str, payload: Payload) -> Any:
    try:
        return _shape(name).validate_python(payload)
    except ValidationError as error:
        raise _value_error(error) from None
    except (UnicodeError, RecursionError) as error:
        raise _no_json(error) from None


def _written(name: str, message: Any) -> Payload:
    shape = _shape(name)
    return cast(Payload, shape.dump_python(message, mode="json", by_alias=True, exclude_none=True, warnings="error"))


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


def _no_json(error: Exception) -> CallError:
    return CallError(ErrorCode.FORMAT_VIOLATION, f"the payload is no proper JSON: {type(error).__name__}")


def _place(path: Iterable[str | int]) -> str:
    return "/".join(str(part) for part in path) or "payload"
