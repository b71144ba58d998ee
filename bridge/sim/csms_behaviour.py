"""How the demo CSMS answers: what it says by default, and the bad habits that a test can switch on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Payload: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Late:
    """Answer `ms` later; without a payload, what the default would have been."""

    ms: int
    payload: Payload | None = None


@dataclass(frozen=True, slots=True)
class Never:
    """Do not answer."""


@dataclass(frozen=True, slots=True)
class Twice:
    """Send the same answer two times."""

    payload: Payload | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with a CALLERROR."""

    code: str = "InternalError"
    description: str = ""


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection instead of answering."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Send this text in place of an answer, `{id}` replaced by the message id."""

    text: str


Behaviour: TypeAlias = Late | Never | Twice | Refuse | Drop | Raw
Answer: TypeAlias = Payload | Behaviour
#: One answer for ever, a function of the request's payload, or a list of which each request takes one
#: (None in a list: the default).
Override: TypeAlias = Answer | Callable[[Payload], Answer | None] | list[Answer | None]


def choose(override: Override | None, payload: Payload) -> Answer | None:
    """What an override says to this request; None: the default."""
    if isinstance(override, list):
        return override.pop(0) if override else None
    return override(payload) if callable(override) else override


def token_info(tokens: Mapping[str, str | Payload], id_token: Payload) -> Payload:
    """The idTokenInfo of a token: its status, or a whole idTokenInfo; Accepted if nothing is said of it."""
    said = tokens.get(str(id_token.get("idToken")), "Accepted")
    return {"status": said} if isinstance(said, str) else dict(said)
