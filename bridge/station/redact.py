"""Messages for logs and pages: passwords, keys and id tokens are taken out, the rest stays as it was."""

from __future__ import annotations

import json
from typing import Any

HIDDEN = "***"

#: Fields whose value is a secret, or tells who charges.
_SECRET_FIELDS = frozenset(
    {"basicAuthPassword", "apnPassword", "simPin", "password", "key", "idToken", "additionalIdToken"}
)
#: Device model variables whose value is a secret.
_SECRET_VARIABLES = frozenset({"BasicAuthPassword"})
_VALUE_FIELDS = ("attributeValue", "value")


def redact(text: str) -> str:
    """An OCPP-J message without its secrets; a text that is no JSON is hidden as a whole."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return f"({len(text)} characters that are no JSON)"
    return json.dumps(_clean(message), ensure_ascii=False, separators=(",", ":"))


def _clean(part: Any) -> Any:
    if isinstance(part, list):
        return [_clean(item) for item in part]
    if not isinstance(part, dict):
        return part
    hide = _SECRET_FIELDS
    variable = part.get("variable")
    if isinstance(variable, dict) and variable.get("name") in _SECRET_VARIABLES:
        hide = hide.union(_VALUE_FIELDS)
    # An IdTokenType is itself in a field "idToken": only its text is hidden.
    return {
        name: HIDDEN if name in hide and not isinstance(value, dict | list) else _clean(value)
        for name, value in part.items()
    }
