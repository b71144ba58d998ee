"""What is not to be forgotten of a unit over a restart, as a port: the gateway backs it by its store.

Values are short JSON texts that only the charger understands, by names that mean something within one unit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Protocol

import structlog

_log = structlog.get_logger(__name__)

REGISTERS: Final = "registers"
AMOUNT: Final = "amount"
CEILING: Final = "ceiling"
LEFT: Final = "left"
LATCH: Final = "latch"


class Memory(Protocol):
    """The memory of one unit.

    `keep` is called from the middle of the loop, up to once per answer of a unit that is counted by integration, so it
    must not block: it takes the values over at once and makes them durable soon. The last value of a name counts.
    """

    def load(self) -> Mapping[str, str]:
        """What was kept; empty for a unit that is new."""

    def keep(self, values: Mapping[str, str]) -> None:
        """Take these over; names that are not given stay as they are."""


class InMemory:
    """A memory that lasts as long as the process: for tests, and where nothing has to survive."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self.values = dict(values or {})

    def load(self) -> Mapping[str, str]:
        """A copy of what was kept."""
        return dict(self.values)

    def keep(self, values: Mapping[str, str]) -> None:
        """Kept at once."""
        self.values.update(values)


def recall(memory: Memory, name: str) -> dict[str, Any]:
    """One value as an object. What cannot be read is as good as nothing, and is logged: counting begins anew."""
    text = memory.load().get(name)
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        _log.warning("kept counters cannot be read and begin anew", name=name, text=text[:80])
        return {}
    return value


def whole(value: object) -> int | None:
    """A kept number, None where it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def pack(value: Mapping[str, Any]) -> str:
    """An object as it is kept."""
    return json.dumps(value, separators=(",", ":"))
