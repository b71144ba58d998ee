"""Versions of firmware: how a unit tells its own, and ranges of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bridge.echonet.values import Unknown, Value

#: The parts of a version; all are compared with as many parts as this, missing ones are zero.
PARTS: Final = 6
Version = tuple[int, ...]
#: From the first version that belongs to it to the first that does not any more.
VersionRange = tuple[Version, Version]

NO_VERSION: Final[Version] = (0,) * PARTS
BEYOND: Final[Version] = (1 << 63,) * PARTS
_RANGE: Final = re.compile(
    rf"([0-9]{{1,9}}(?:\.[0-9]{{1,9}}){{0,{PARTS - 1}}})(-)?([0-9]{{1,9}}(?:\.[0-9]{{1,9}}){{0,{PARTS - 1}}})?"
)
_NUMBER: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})*")


def version_range(text: str) -> VersionRange:
    """`2.1` (any 2.1.x), `2.1-` or `2.1-2.4` (2.4.x included).

    Raises:
        ValueError: it is none.
    """
    found = _RANGE.fullmatch(text)
    if found is None or (found[3] and not found[2]):
        raise ValueError(f'"{text}" is no version or range like 2.1, 2.1- or 2.1-2.4')
    first = _parts(found[1])
    last = _parts(found[3]) if found[3] else None
    if last is None:
        last = None if found[2] else first
    start = _padded(first)
    end = BEYOND if last is None else _padded((*last[:-1], last[-1] + 1))
    if start >= end:
        raise ValueError(f'"{text}" ends before it begins')
    return start, end


def version_text(value: Value) -> str:
    """A property's value as the text of a version: ASCII as it is, other bytes and parts with dots between them."""
    if isinstance(value, Unknown):
        return ""
    if isinstance(value, bytes):
        text = value.rstrip(b"\0 ")
        return text.decode("ascii") if text and _readable(text) else ".".join(str(byte) for byte in value)
    if isinstance(value, Mapping):
        return ".".join(version_text(part) for part in value.values())
    return str(value)


def _readable(text: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in text)


def version_of(text: str) -> Version | None:
    """The first version in a text (`V2.1-rc3` is 2.1); None if there is none."""
    found = _NUMBER.search(text)
    return _padded(_parts(found[0])[:PARTS]) if found else None


def _parts(text: str) -> Version:
    return tuple(int(part) for part in text.split("."))


def _padded(parts: Version) -> Version:
    return parts + (0,) * (PARTS - len(parts))
