"""The JSON schemas of OCPP 2.0.1 and of 2.1, compiled once, as the demo CSMS's own judge of every payload."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

_FOLDERS = {"2.0.1": files("ocpp") / "v201" / "schemas", "2.1": files("ocpp") / "v21" / "schemas"}

#: Part 4, section 4.3 (errata 2025-09 included): what a CALLERROR may carry.
ERROR_CODES = frozenset(
    {
        "FormatViolation",
        "FormationViolation",
        "GenericError",
        "InternalError",
        "MessageTypeNotSupported",
        "NotImplemented",
        "NotSupported",
        "OccurrenceConstraintViolation",
        "PropertyConstraintViolation",
        "ProtocolError",
        "RpcFrameworkError",
        "SecurityError",
        "TypeConstraintViolation",
    }
)


@cache
def _validator(name: str, version: str) -> jsonschema_rs.Validator | None:
    resource = _FOLDERS[version] / f"{name}.json"
    if not resource.is_file():
        return None
    return jsonschema_rs.validator_for(json.loads(resource.read_text(encoding="utf-8-sig")), validate_formats=True)


def known_action(action: str, version: str = "2.0.1") -> bool:
    """Whether this version of OCPP has such an action."""
    return action.isalnum() and _validator(f"{action}Request", version) is not None


def faults(action: str, kind: str, payload: Any, version: str = "2.0.1") -> list[str]:
    """What the schema finds wrong with a payload; `kind` is Request or Response. Empty if it is right."""
    validator = _validator(f"{action}{kind}", version)
    if validator is None:
        return [f"{action} is no action of OCPP {version}"]
    return [
        f"{action}{kind}{''.join(f'.{step}' for step in error.instance_path)}: {error.message}"
        for error in validator.iter_errors(payload)
    ]
