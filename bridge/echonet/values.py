"""Property values: how the bytes of an EDT are read and written, as data.

A codec never guesses: bytes of another length, a code that the Appendix does not list or a number outside its range
decode to `Unknown`, and only what lies in the property's range is encoded (AIF 2.4.5). Numbers stay integers: a
quantity is its raw integer with an integer scale. All is big-endian.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, time
from enum import Enum
from functools import cached_property
from typing import Protocol, TypeAlias

from bridge.errors import UnitError
from bridge.records import dataclass


class PropertyValueError(UnitError):
    """A value that the property cannot take (AIF 2.4.5)."""


class Special(Enum):
    """What a number says instead of a number (ECHONET Lite, codes for overflow and underflow)."""

    OVERFLOW = "overflow"
    UNDERFLOW = "underflow"


@dataclass(frozen=True, slots=True)
class Unknown:
    """Bytes that the Appendix gives no meaning here; kept as they came."""

    edt: bytes

    def __str__(self) -> str:
        return f"0x{self.edt.hex().upper()}" if self.edt else "(empty)"


#: Thousandths of the base unit in one of these. Wh become mWh, kWh too; percent become 0.001 %.
_MILLI: Mapping[str, int] = {"W": 1000, "A": 1000, "V": 1000, "Wh": 1000, "kWh": 1_000_000, "Ah": 1000, "%": 1000}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit: `raw * numerator / denominator` of `unit`."""

    raw: int
    unit: str = ""
    numerator: int = 1
    denominator: int = 1

    @property
    def milli(self) -> int:
        """In thousandths of the base unit (mW, mA, mV, mWh, 0.001 %), rounded toward zero."""
        return scale_toward_zero(self.raw, self.numerator * _MILLI.get(self.unit, 1000), self.denominator)

    def __str__(self) -> str:
        scaled = self.raw * self.numerator
        whole, rest = divmod(abs(scaled), self.denominator)
        sign = "-" if scaled < 0 else ""
        digits = len(str(self.denominator)) - 1
        fraction = f".{rest * 10**digits // self.denominator:0{digits}d}" if self.denominator > 1 else ""
        return f"{sign}{whole}{fraction} {self.unit}".rstrip()


def scale_toward_zero(value: int, numerator: int, denominator: int) -> int:
    """`value * numerator / denominator` in integers, rounded toward zero: the safe side for every limit."""
    product = abs(value) * numerator // denominator
    return -product if value < 0 else product


@dataclass(frozen=True, slots=True)
class State:
    """One of a property's enumerated values."""

    name: str
    code: int

    def __str__(self) -> str:
        return self.name


Value: TypeAlias = (
    "Quantity | State | Special | Unknown | bytes | date | time | Mapping[str, Value] | tuple[Value, ...]"
)


class Codec(Protocol):
    """How one property's EDT is read and written."""

    def decode(self, edt: bytes) -> Value:
        """The meaning of `edt`; `Unknown` where it has none. Never raises."""

    def encode(self, value: object) -> bytes:
        """The bytes of a value.

        Raises:
            PropertyValueError: the value is of another kind or out of range (AIF 2.4.5).
        """


@dataclass(frozen=True)
class IntegerCodec:
    """A number of 1, 2 or 4 bytes within a range (raw), with an integer scale and a unit."""

    size: int
    signed: bool = False
    minimum: int = 0
    maximum: int = 0
    numerator: int = 1
    denominator: int = 1
    unit: str = ""

    @cached_property
    def _specials(self) -> Mapping[bytes, Special]:
        full = (1 << (8 * self.size)) - 1
        over = full >> 1 if self.signed else full
        under = (full >> 1) + 1 if self.signed else full - 1
        return {
            over.to_bytes(self.size, "big"): Special.OVERFLOW,
            under.to_bytes(self.size, "big"): Special.UNDERFLOW,
        }

    def decode(self, edt: bytes) -> Value:
        """A `Quantity`, a `Special`, or `Unknown` for another length or a number out of range."""
        if len(edt) != self.size:
            return Unknown(edt)
        raw = int.from_bytes(edt, "big", signed=self.signed)
        if self.minimum <= raw <= self.maximum:
            return Quantity(raw, self.unit, self.numerator, self.denominator)
        return self._specials.get(edt, Unknown(edt))

    def encode(self, value: object) -> bytes:
        """From a raw integer or a `Quantity` of this scale."""
        if isinstance(value, Quantity):
            if (value.unit, value.numerator, value.denominator) != (self.unit, self.numerator, self.denominator):
                raise PropertyValueError(f"{value} is not in steps of {self._step} - convert it first")
            value = value.raw
        if not isinstance(value, int) or isinstance(value, bool):
            raise PropertyValueError(f"{value!r} is not a whole number of {self._step}")
        if not self.minimum <= value <= self.maximum:
            raise PropertyValueError(f"{value} is outside {self.minimum}..{self.maximum} ({self._step})")
        return value.to_bytes(self.size, "big", signed=self.signed)

    def from_milli(self, milli: int) -> int:
        """The raw integer for thousandths of the base unit, rounded toward zero; not checked against the range."""
        return scale_toward_zero(milli, self.denominator, self.numerator * _MILLI.get(self.unit, 1000))

    @property
    def _step(self) -> str:
        scale = "" if self.numerator == self.denominator == 1 else f"{self.numerator}/{self.denominator} "
        return f"{scale}{self.unit}".strip() or "1"


@dataclass(frozen=True)
class StateCodec:
    """One of several codes of 1 or 2 bytes; a range of codes may share a name, and is then only read."""

    size: int
    codes: tuple[tuple[int, int, str], ...]  # (first, last, name)

    @cached_property
    def _by_code(self) -> Mapping[int, State]:
        return {code: State(name, code) for first, last, name in self.codes for code in range(first, last + 1)}

    @cached_property
    def _by_name(self) -> Mapping[str, int]:
        found: dict[str, list[int]] = {}
        for code, state in self._by_code.items():
            found.setdefault(state.name, []).append(code)
        return {name: codes[0] for name, codes in found.items() if len(codes) == 1}

    @property
    def names(self) -> frozenset[str]:
        """The names of all values."""
        return frozenset(name for _, _, name in self.codes)

    def decode(self, edt: bytes) -> Value:
        """A `State`, or `Unknown` for a code that is not listed."""
        if len(edt) != self.size:
            return Unknown(edt)
        return self._by_code.get(int.from_bytes(edt, "big")) or Unknown(edt)

    def encode(self, value: object) -> bytes:
        """From a name, a `State` or a code."""
        code = value.code if isinstance(value, State) else value
        if isinstance(code, str):
            code = self._by_name.get(code)
        if not isinstance(code, int) or isinstance(code, bool) or code not in self._by_code:
            raise PropertyValueError(f"{value!r} is none of {', '.join(sorted(self._by_name))}")
        return code.to_bytes(self.size, "big")


@dataclass(frozen=True)
class RawCodec:
    """Bytes without further meaning here, `minimum` to `maximum` of them."""

    minimum: int
    maximum: int

    def decode(self, edt: bytes) -> Value:
        """The bytes, or `Unknown` for another length."""
        return edt if self.minimum <= len(edt) <= self.maximum else Unknown(edt)

    def encode(self, value: object) -> bytes:
        """From bytes."""
        if not isinstance(value, bytes) or not self.minimum <= len(value) <= self.maximum:
            raise PropertyValueError(f"{value!r} is not {self.minimum} to {self.maximum} bytes")
        return value


@dataclass(frozen=True)
class ReleaseCodec:
    """0x82 of a device: two bytes of zero, the release letter of the Appendix, a revision."""

    def decode(self, edt: bytes) -> Value:
        """A `State` named by the letter."""
        if len(edt) != 4 or not 0x41 <= edt[2] <= 0x5A:
            return Unknown(edt)
        return State(chr(edt[2]), edt[2])

    def encode(self, value: object) -> bytes:
        """From a letter; the revision is 0."""
        letter = value.name if isinstance(value, State) else value
        if not isinstance(letter, str) or len(letter) != 1 or not "A" <= letter <= "Z":
            raise PropertyValueError(f"{value!r} is no release letter A-Z")
        return bytes((0, 0, ord(letter), 0))


@dataclass(frozen=True)
class DateCodec:
    """A day: two bytes of year, month, day."""

    def decode(self, edt: bytes) -> Value:
        """A `date`."""
        if len(edt) != 4:
            return Unknown(edt)
        try:
            return date(int.from_bytes(edt[:2], "big"), edt[2], edt[3])
        except ValueError:
            return Unknown(edt)

    def encode(self, value: object) -> bytes:
        """From a `date`."""
        if not isinstance(value, date):
            raise PropertyValueError(f"{value!r} is no date")
        return bytes((*value.year.to_bytes(2, "big"), value.month, value.day))


@dataclass(frozen=True)
class TimeCodec:
    """A time of day: hour, minute."""

    def decode(self, edt: bytes) -> Value:
        """A `time`."""
        if len(edt) != 2 or edt[0] > 23 or edt[1] > 59:
            return Unknown(edt)
        return time(edt[0], edt[1])

    def encode(self, value: object) -> bytes:
        """From a `time`."""
        if not isinstance(value, time):
            raise PropertyValueError(f"{value!r} is no time of day")
        return bytes((value.hour, value.minute))


@dataclass(frozen=True)
class StructCodec:
    """Several values of fixed size one after the other."""

    fields: tuple[tuple[str, Codec], ...]
    sizes: tuple[int, ...]

    def decode(self, edt: bytes) -> Value:
        """A mapping by the fields' names; `Unknown` as a whole only where the length is wrong."""
        if len(edt) != sum(self.sizes):
            return Unknown(edt)
        found: dict[str, Value] = {}
        start = 0
        for (name, codec), size in zip(self.fields, self.sizes, strict=True):
            found[name] = codec.decode(edt[start : start + size])
            start += size
        return found

    def encode(self, value: object) -> bytes:
        """From a mapping with all fields."""
        if not isinstance(value, Mapping) or set(value) != {name for name, _ in self.fields}:
            raise PropertyValueError(
                f"{value!r} has not exactly the fields {', '.join(name for name, _ in self.fields)}"
            )
        return b"".join(codec.encode(value[name]) for name, codec in self.fields)


@dataclass(frozen=True)
class CountedCodec:
    """One byte that counts the bytes which follow (0xE6: 00 means no id)."""

    maximum: int

    def decode(self, edt: bytes) -> Value:
        """The counted bytes; what some units pad behind them is left out."""
        if not edt or edt[0] > self.maximum or len(edt) - 1 < edt[0]:
            return Unknown(edt)
        return edt[1 : 1 + edt[0]]

    def encode(self, value: object) -> bytes:
        """From bytes."""
        if not isinstance(value, bytes) or len(value) > self.maximum:
            raise PropertyValueError(f"{value!r} is not up to {self.maximum} bytes")
        return bytes((len(value), *value))


@dataclass(frozen=True)
class ArrayCodec:
    """A counting byte and as many items of one size (the instance lists of the node profile)."""

    item: Codec
    item_size: int
    maximum: int

    def decode(self, edt: bytes) -> Value:
        """A tuple of items."""
        if not edt or edt[0] > self.maximum or len(edt) != 1 + edt[0] * self.item_size:
            return Unknown(edt)
        return tuple(self.item.decode(edt[i : i + self.item_size]) for i in range(1, len(edt), self.item_size))

    def encode(self, value: object) -> bytes:
        """From a sequence of items."""
        if not isinstance(value, Sequence) or isinstance(value, str | bytes) or len(value) > self.maximum:
            raise PropertyValueError(f"{value!r} is not up to {self.maximum} items")
        return bytes((len(value),)) + b"".join(self.item.encode(item) for item in value)


@dataclass(frozen=True)
class OneOfCodec:
    """The first of several codecs that knows the bytes, or takes the value."""

    options: tuple[Codec, ...]

    def decode(self, edt: bytes) -> Value:
        """By the first codec that knows the bytes; a code that is listed is no code for overflow or underflow."""
        special: Value | None = None
        for codec in self.options:
            value = codec.decode(edt)
            if isinstance(value, Special):
                special = special or value
            elif not isinstance(value, Unknown):
                return value
        return special or Unknown(edt)

    def encode(self, value: object) -> bytes:
        """By the first codec that takes the value."""
        reasons = []
        for codec in self.options:
            try:
                return codec.encode(value)
            except PropertyValueError as reason:
                reasons.append(str(reason))
        raise PropertyValueError("; ".join(reasons))
