"""For which units an overlay is, as sets: they can be narrowed, compared, and asked about one unit."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
from typing import Final, TypeVar

from bridge.mapping.model import releases
from bridge.mapping.overlaymodel import MatchModel
from bridge.mapping.versions import Version, VersionRange, version_range
from bridge.records import dataclass

_ANY: Final = "*"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Match:
    """A set of units; a key that is None says nothing. An empty collection holds no unit."""

    manufacturer: frozenset[bytes] | None = None
    product_code: tuple[str, ...] | None = None
    release: frozenset[str] | None = None
    firmware: VersionRange | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that say something."""
        return tuple(each.name for each in fields(self) if getattr(self, each.name) is not None)

    @property
    def empty_keys(self) -> tuple[str, ...]:
        """The keys that no unit can hold."""
        return tuple(name for name in self.keys if _is_empty(getattr(self, name)))

    def within(self, other: Match) -> Match:
        """The units of both."""
        return Match(
            _both(self.manufacturer, other.manufacturer),
            _both_codes(self.product_code, other.product_code),
            _both(self.release, other.release),
            _both_ranges(self.firmware, other.firmware),
        )

    def meets(self, other: Match) -> bool:
        """Whether a unit can be in both."""
        return not self.within(other).empty_keys

    def covers(self, other: Match) -> bool:
        """Whether every unit of the other is in this one; in doubt not."""
        return all(self._covers(name, other) for name in self.keys)

    def _covers(self, name: str, other: Match) -> bool:
        mine, theirs = getattr(self, name), getattr(other, name)
        if theirs is None:
            return False
        if name == "product_code":
            return all(any(_both_patterns(code, wide) == code for wide in mine) for code in theirs)
        if name == "firmware":
            return bool(mine[0] <= theirs[0] and theirs[1] <= mine[1])
        return bool(theirs <= mine)

    def holds(self, name: str, value: bytes | str | Version) -> bool:
        """Whether a unit that has told this value holds one of the keys."""
        wanted = getattr(self, name)
        if name == "product_code":
            return any(_fits(pattern, str(value)) for pattern in wanted)
        if name == "firmware":
            return bool(wanted[0] <= value < wanted[1])
        return value in wanted


def match_of(model: MatchModel) -> Match:
    """The set that a file's `match:` describes."""
    codes = model.product_code
    return Match(
        manufacturer=None if model.manufacturer is None else frozenset({bytes.fromhex(model.manufacturer[2:])}),
        product_code=None if codes is None else tuple([codes] if isinstance(codes, str) else codes),
        release=None if model.release is None else frozenset(releases(model.release)),
        firmware=None if model.firmware is None else version_range(model.firmware),
    )


def _is_empty(value: object) -> bool:
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        return bool(value[0] >= value[1])
    return isinstance(value, Collection) and not value


def _both(one: frozenset[_T] | None, other: frozenset[_T] | None) -> frozenset[_T] | None:
    if one is None or other is None:
        return one if other is None else other
    return one & other


def _both_ranges(one: VersionRange | None, other: VersionRange | None) -> VersionRange | None:
    if one is None or other is None:
        return one if other is None else other
    return max(one[0], other[0]), min(one[1], other[1])


def _both_codes(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if one is None or other is None:
        return one if other is None else other
    both = (_both_patterns(mine, theirs) for mine in one for theirs in other)
    return tuple(dict.fromkeys(pattern for pattern in both if pattern is not None))


def _both_patterns(one: str, other: str) -> str | None:
    """The product codes that fit both patterns, None if there are none."""
    if not other.endswith(_ANY):
        return other if _fits(one, other) else None
    if not one.endswith(_ANY):
        return one if _fits(other, one) else None
    short, long = sorted((one[:-1], other[:-1]), key=len)
    return f"{long}{_ANY}" if long.startswith(short) else None


def _fits(pattern: str, code: str) -> bool:
    return code.startswith(pattern[:-1]) if pattern.endswith(_ANY) else code == pattern
