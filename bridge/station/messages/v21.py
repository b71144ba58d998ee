"""OCPP 2.1 on the wire, beside 2.0.1: our classes say it wholly, so almost nothing has to be fitted.

Every message that 2.0.1 allows 2.1 allows too, but for the bounds that 2.1 has set to some numbers; of these only the
phases of a period can be beyond them (on DC nothing looks at them, K01.FR.44).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from bridge.station.messages.datatypes import ChargingSchedulePeriod
from bridge.station.messages.wire import VersionedAdapter

_MOST_PHASES: Final = 3


class Adapter(VersionedAdapter):
    """Translates between our messages and OCPP 2.1's payloads."""

    subprotocol = "ocpp2.1"
    schemas = "v21"
    unanswered = frozenset({5, 6})  # CALLRESULTERROR, SEND (Part 4, 4.1.3)

    def fitted(self, message: Any) -> Any:
        """With numbers of phases that 2.1 allows."""
        return _bounded(message)


def _bounded(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_bounded, value))
    if isinstance(value, ChargingSchedulePeriod):
        return replace(value, number_phases=_phases(value.number_phases), phase_to_use=_phases(value.phase_to_use))
    names = getattr(type(value), "__dataclass_fields__", None)
    return value if names is None else replace(value, **{name: _bounded(getattr(value, name)) for name in names})


def _phases(number: int | None) -> int | None:
    return number if number is not None and 0 <= number <= _MOST_PHASES else None
