"""Messages as text, for what the store keeps: of no version, so that what was kept under one is told under another."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from bridge.errors import StoreError
from bridge.station.messages.base import Request
from bridge.station.messages.call_error import CallError
from bridge.station.messages.wire import VersionedAdapter

R = TypeVar("R", bound=Request[Any])


def to_text(adapter: VersionedAdapter, request: Request[Any]) -> str:
    """The payload of a request as compact JSON."""
    return adapter.text_of(request)


def from_text(adapter: VersionedAdapter, kind: type[R], text: str) -> R:
    """The request that `to_text` wrote. Raises StoreError where the text is none (a damaged store)."""
    action = kind.__name__.removesuffix("Request")
    try:
        request = adapter.request_of(action, json.loads(text))
    except (ValueError, CallError) as error:
        raise StoreError(f"the store holds a {action} that cannot be read: {error}") from error
    if not isinstance(request, kind):
        raise StoreError(f"the store holds a {type(request).__name__} where a {kind.__name__} should be")
    return request
