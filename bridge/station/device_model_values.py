"""Whether a text is a value of a variable of the device model (B05.FR.07, B05.FR.08)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from bridge.station.device_model_table import Row
from bridge.station.messages import Data, parse_time
from bridge.station.reason_codes import ReasonCode

Complaint: TypeAlias = tuple[ReasonCode, str] | None

_INTEGER = re.compile(r"[+-]?\d{1,10}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?", re.ASCII)
#: Data.STRING without a limit of its own: SetVariableData.attributeValue's.
_LONGEST = 1000


def members(text: str) -> tuple[str, ...]:
    """The members of a list, without the blanks around them."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def normal(row: Row, text: str) -> str:
    """A right value in the form in which it is kept."""
    return ",".join(members(text)) if row.data in (Data.MEMBER_LIST, Data.SEQUENCE_LIST) else text


def complaint(row: Row, text: str) -> Complaint:
    """What is wrong with a value, or None."""
    return _CHECKS[row.data](row, text)


def _integer(row: Row, text: str) -> Complaint:
    if not _INTEGER.fullmatch(text) or not -(2**31) <= int(text) < 2**31:
        return ReasonCode.INVALID_VALUE, "an integer is needed"
    return _within(row, int(text))


def _decimal(row: Row, text: str) -> Complaint:
    return _within(row, float(text)) if _DECIMAL.fullmatch(text) else (ReasonCode.INVALID_VALUE, "a number is needed")


def _within(row: Row, number: float) -> Complaint:
    if row.low is not None and number < row.low:
        return ReasonCode.VALUE_TOO_LOW, f"the least is {row.low:g}"
    if row.high is not None and number > row.high:
        return ReasonCode.VALUE_TOO_HIGH, f"the most is {row.high:g}"
    return None


def _boolean(_: Row, text: str) -> Complaint:
    return None if text in ("true", "false") else (ReasonCode.INVALID_VALUE, "true or false is needed")


def _string(row: Row, text: str) -> Complaint:
    low, high = row.low or 0, row.high or _LONGEST
    if not low <= len(text) <= high:
        return ReasonCode.VALUE_OUT_OF_RANGE, f"{low:g} to {high:g} characters are needed"
    return None


def _date_time(_: Row, text: str) -> Complaint:
    try:
        parse_time(text)
    except ValueError:
        return ReasonCode.INVALID_VALUE, "a time is needed"
    return None


def _option(row: Row, text: str) -> Complaint:
    return None if text in row.values else (ReasonCode.INVALID_VALUE, f"one of {', '.join(row.values)} is needed")


def _list(row: Row, text: str) -> Complaint:
    found = members(text)
    if strange := [part for part in found if part not in row.values]:
        return ReasonCode.INVALID_VALUE, f"{strange[0][:50]} is not one of {', '.join(row.values)}"
    if len(set(found)) != len(found):
        return ReasonCode.INVALID_VALUE, "a member stands twice"
    return (ReasonCode.INVALID_VALUE, "at least one member is needed") if row.filled and not found else None


_CHECKS: dict[Data, Callable[[Row, str], Complaint]] = {
    Data.INTEGER: _integer,
    Data.DECIMAL: _decimal,
    Data.BOOLEAN: _boolean,
    Data.STRING: _string,
    Data.DATE_TIME: _date_time,
    Data.OPTION_LIST: _option,
    Data.SEQUENCE_LIST: _list,
    Data.MEMBER_LIST: _list,
}
