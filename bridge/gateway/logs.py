"""Structured logs: JSON or for a console, with secrets taken out."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from bridge.gateway.config import LogConfig

#: Whatever stands under such a name is nobody's to read in a log.
_SECRET_WORDS = ("password", "token", "secret", "authorization")
_HIDDEN = "***"


def set_up_logs(config: LogConfig, *, lasting: bool = False) -> None:
    """Write logs to standard error as the configuration says. `lasting`: for good, which makes each line cheaper."""
    renderer: Any = structlog.processors.JSONRenderer(ensure_ascii=False)
    if config.format == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, config.level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=lasting,
    )


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide values whose names say that they are secret, however deep they lie."""
    for name, value in event.items():
        event[name] = _HIDDEN if _secret(name) else _without_secrets(value)
    return event


def _secret(name: object) -> bool:
    return isinstance(name, str) and any(word in name.lower() for word in _SECRET_WORDS)


def _without_secrets(value: Any) -> Any:
    """A copy where something had to be looked into; what is no container is given back as it is."""
    if isinstance(value, dict):
        return {name: _HIDDEN if _secret(name) else _without_secrets(part) for name, part in value.items()}
    if type(value) in (list, tuple):
        return [_without_secrets(part) for part in value]
    return value
