"""Quantities as they are written in tables: `60s`, `100 W`, `3 %`. They become integers in thousandths, times in ms."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

#: How much one of a unit is in what the code counts: ms, mW, mA, mV, mWh, 0.001 %.
UNITS: Final = {
    "ms": 1,
    "s": 1000,
    "min": 60_000,
    "h": 3_600_000,
    "W": 1000,
    "kW": 1_000_000,
    "A": 1000,
    "V": 1000,
    "Wh": 1000,
    "kWh": 1_000_000,
    "Ah": 1000,
    "%": 1000,
}
TIMES: Final = frozenset({"ms", "s", "min", "h"})
_FORM: Final = re.compile(r"([-+]?[0-9]+(?:\.[0-9]+)?) ?([A-Za-z%]+)")


def quantity(text: str) -> tuple[int, str] | None:
    """The amount in thousandths (or ms) and the base unit of `3 kW`; None where it is none."""
    found = _FORM.fullmatch(text)
    if not found or found[2] not in UNITS:
        return None
    amount = Fraction(found[1]) * UNITS[found[2]]
    if amount.denominator != 1:
        return None
    base = "s" if found[2] in TIMES else found[2].removeprefix("k")
    return int(amount), base


def milliseconds(text: str) -> int:
    """A time in ms.

    Raises:
        ValueError: it is no time that is zero or more.
    """
    found = quantity(text)
    if found is None or found[1] != "s" or found[0] < 0:
        raise ValueError(f'"{text}" is no time like 500ms, 10s or 3min')
    return found[0]


def none_in(text: object, unit: str) -> str:
    """What is wrong with what should be a quantity in a base unit."""
    like = "60s or 3min" if unit == "s" else f"100 {unit}"
    found = quantity(text) if isinstance(text, str) else None
    if found is not None:
        return f'"{text}" is not in {unit}, like {like}'
    return f'"{text}" is no quantity like {like}'
