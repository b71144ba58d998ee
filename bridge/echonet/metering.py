"""Property values of meters (smart meters, distribution boards): unit codes and lists of channels, as data.

Like the codecs of `bridge.echonet.values` they never guess: what the Appendix does not list decodes to `Unknown`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Final

from bridge.echonet.values import Codec, PropertyValueError, Quantity, Unknown, Value
from bridge.records import dataclass

#: The parts of a channel list's value.
START: Final = "startChannel"
RANGE: Final = "range"
ITEMS: Final = "items"


@dataclass(frozen=True)
class ScaleCodec:
    """One byte that says what one count of another property is worth (0x00: 1, 0x01: 1/10, 0x0A: 10, ...)."""

    scales: tuple[tuple[int, int, int], ...]  # (code, numerator, denominator)

    @cached_property
    def _by_code(self) -> Mapping[int, Quantity]:
        return {code: Quantity(1, "", numerator, denominator) for code, numerator, denominator in self.scales}

    def decode(self, edt: bytes) -> Value:
        """A `Quantity` whose scale is the factor, or `Unknown` for a code that is not listed."""
        return self._by_code.get(edt[0], Unknown(edt)) if len(edt) == 1 else Unknown(edt)

    def encode(self, value: object) -> bytes:
        """From a `Quantity` as it was decoded."""
        code = next((code for code, known in self._by_code.items() if known == value), None)
        if code is None:
            raise PropertyValueError(f"{value!r} is none of the scales that can be told")
        return bytes((code,))


@dataclass(frozen=True)
class ChannelListCodec:
    """The first channel, how many channels, then an item of one size for each."""

    start: Codec
    range: Codec
    item: Codec
    item_size: int

    def decode(self, edt: bytes) -> Value:
        """A mapping; `Unknown` where the items are not as many as the range says."""
        if len(edt) < 2 or (len(edt) - 2) % self.item_size:
            return Unknown(edt)
        start, count = self.start.decode(edt[:1]), self.range.decode(edt[1:2])
        items = tuple(self.item.decode(edt[i : i + self.item_size]) for i in range(2, len(edt), self.item_size))
        if len(items) != (count.raw if isinstance(count, Quantity) else 0):
            return Unknown(edt)
        return {START: start, RANGE: count, ITEMS: items}

    def encode(self, value: object) -> bytes:
        """From a mapping as it was decoded."""
        if not isinstance(value, Mapping) or set(value) != {START, RANGE, ITEMS}:
            raise PropertyValueError(f"{value!r} is no channel list")
        head = self.start.encode(value[START]) + self.range.encode(value[RANGE])
        edt = head + b"".join(self.item.encode(item) for item in value[ITEMS])
        if isinstance(self.decode(edt), Unknown):
            raise PropertyValueError(f"{len(value[ITEMS])} items do not fit the range {value[RANGE]}")
        return edt
