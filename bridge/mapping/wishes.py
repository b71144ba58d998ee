"""Which setpoint a wish stands for: what a table says about the messages that bring it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from bridge.evse import Mode, Wanted


class Wish(StrEnum):
    """What a message asks for: a start without a limit, a stop, or a limit by its sign."""

    START = "start"
    STOP = "stop"
    POSITIVE = "positive"
    ZERO = "zero"
    NEGATIVE = "negative"


#: What a table may make of it: never more than was asked for.
MEANT: Final[Mapping[Wish, frozenset[Mode]]] = {
    Wish.START: frozenset({Mode.CHARGE, Mode.AUTO, Mode.PAUSE}),
    Wish.STOP: frozenset({Mode.STOP, Mode.PAUSE}),
    Wish.POSITIVE: frozenset({Mode.CHARGE, Mode.PAUSE}),
    Wish.ZERO: frozenset({Mode.PAUSE, Mode.STOP}),
    Wish.NEGATIVE: frozenset({Mode.DISCHARGE, Mode.PAUSE}),
}


def wish_of(wanted: Wanted) -> Wish | None:
    """What kind of message stands behind a wish; None where a table has no say."""
    match wanted.mode:
        case Mode.CHARGE if wanted.target is None and wanted.charge_bound is None:
            return Wish.START
        case Mode.CHARGE:
            return Wish.POSITIVE
        case Mode.PAUSE:
            return Wish.ZERO
        case Mode.DISCHARGE:
            return Wish.NEGATIVE
        case Mode.STOP:
            return Wish.STOP
        case _:
            return None
