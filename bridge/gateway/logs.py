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


def set_up_logs(config: LogConfig) -> None:
    """Write logs to standard error as the configuration says."""
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
        cache_logger_on_first_use=True,
    )


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide values whose names say that they are secret."""
    for name in event:
        if any(word in name.lower() for word in _SECRET_WORDS):
            event[name] = _HIDDEN
    return event
