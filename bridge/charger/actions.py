"""What the reconciler asks its runner to do next."""

from __future__ import annotations

from typing import Final

from bridge.echonet.session import Priority
from bridge.mapping.decision import Step
from bridge.records import dataclass


@dataclass(frozen=True, slots=True)
class Read:
    """Get these properties, then ask again."""

    epcs: tuple[int, ...]
    priority: Priority = Priority.READBACK


@dataclass(frozen=True, slots=True)
class Write:
    """SetC one property and report with `Reconciler.wrote`."""

    step: Step
    priority: Priority


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Get the property that was written and report with `Reconciler.read_back` (AIF 2.4.5, 3.2)."""

    step: Step
    priority: Priority = Priority.READBACK


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Nothing before this monotonic time (ms), unless something is heard."""

    at: int


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing until something is heard or wanted."""


Action = Read | Write | ReadBack | WaitUntil | Idle

IDLE: Final = Idle()


def sooner(first: Action, second: Action) -> Action:
    """Of two that may both be waits, what comes first."""
    if isinstance(first, WaitUntil) and isinstance(second, WaitUntil):
        return WaitUntil(min(first.at, second.at))
    return first if isinstance(second, Idle) else second
