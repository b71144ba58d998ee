"""Typed property values: what is read, what is kept raw, and that nothing out of range is written."""

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.echonet.values import (
    ArrayCodec,
    CountedCodec,
    DateCodec,
    IntegerCodec,
    OneOfCodec,
    PropertyValueError,
    Quantity,
    RawCodec,
    ReleaseCodec,
    Special,
    State,
    StateCodec,
    StructCodec,
    TimeCodec,
    Unknown,
    scale_toward_zero,
)
from bridge.errors import UnitError

WATTS = IntegerCodec(4, True, -999_999_999, 999_999_999, unit="W")
TENTHS = IntegerCodec(2, False, 0, 32766, 1, 10, "A")
PERCENT = IntegerCodec(1, False, 0, 100, unit="%")
COUNTER = IntegerCodec(4, False, 0, 999_999_999, 1, 1000, "kWh")
MODES = StateCodec(1, ((0x42, 0x42, "charge"), (0x43, 0x43, "discharge")))
FAULTS = StateCodec(2, ((0, 0, "noFault"), (0x1E, 0x3B, "sensorSystem")))


def test_numbers_are_big_endian_and_scaled_in_integers() -> None:
    assert WATTS.decode(bytes.fromhex("FFFFF830")) == Quantity(-2000, "W")
    assert TENTHS.decode(b"\x00\xa5").milli == 16_500  # type: ignore[union-attr]
    assert COUNTER.decode(b"\x00\x00\x00\x07").milli == 7_000  # type: ignore[union-attr]
    assert PERCENT.decode(b"\x50").milli == 80_000  # type: ignore[union-attr]


def test_quantities_read_well() -> None:
    assert str(TENTHS.decode(b"\x00\xa5")) == "16.5 A"
    assert str(WATTS.decode(bytes.fromhex("FFFFF830"))) == "-2000 W"
    assert str(Quantity(-5, "A", 1, 10)) == "-0.5 A"


@pytest.mark.parametrize(
    ("codec", "over", "under"),
    [
        (IntegerCodec(1, False, 0, 253), "FF", "FE"),
        (IntegerCodec(2, False, 0, 65533), "FFFF", "FFFE"),
        (IntegerCodec(4, False, 0, 999_999_999), "FFFFFFFF", "FFFFFFFE"),
        (IntegerCodec(1, True, -127, 126), "7F", "80"),
        (IntegerCodec(2, True, -32767, 32766), "7FFF", "8000"),
        (WATTS, "7FFFFFFF", "80000000"),
    ],
)
def test_codes_for_overflow_and_underflow_are_no_numbers(codec: IntegerCodec, over: str, under: str) -> None:
    assert codec.decode(bytes.fromhex(over)) is Special.OVERFLOW
    assert codec.decode(bytes.fromhex(under)) is Special.UNDERFLOW


@pytest.mark.parametrize("edt", ["", "00", "000001", "0000000001", "3B9ACA00"])
def test_another_length_or_a_number_out_of_range_is_kept_raw(edt: str) -> None:
    assert WATTS.decode(bytes.fromhex(edt)) == Unknown(bytes.fromhex(edt))


@pytest.mark.covers("AIF-2.4.5-1")
@given(st.integers(-(2**40), 2**40))
def test_no_number_out_of_range_is_encoded(number: int) -> None:
    for codec in (WATTS, TENTHS, PERCENT, COUNTER):
        if codec.minimum <= number <= codec.maximum:
            assert codec.decode(codec.encode(number)).raw == number  # type: ignore[union-attr]
        else:
            with pytest.raises(PropertyValueError, match="outside"):
                codec.encode(number)


@pytest.mark.parametrize("value", ["3000", 1.5, True, None, Quantity(3, "A")])
def test_only_whole_numbers_of_the_right_unit_are_encoded(value: object) -> None:
    with pytest.raises(UnitError):
        WATTS.encode(value)


@given(st.integers(-(10**12), 10**12), st.integers(1, 1000), st.integers(1, 1000))
def test_scaling_rounds_toward_zero(value: int, numerator: int, denominator: int) -> None:
    scaled = scale_toward_zero(value, numerator, denominator)
    assert abs(scaled) * denominator <= abs(value) * numerator < (abs(scaled) + 1) * denominator
    assert scaled == 0 or (scaled > 0) == (value > 0)


def test_states_are_named_and_unknown_codes_stay_raw() -> None:
    assert MODES.decode(b"\x42") == State("charge", 0x42)
    assert MODES.decode(b"\x41") == Unknown(b"\x41")
    assert FAULTS.decode(b"\x00\x3b") == State("sensorSystem", 0x3B)
    assert MODES.encode("discharge") == b"\x43"
    assert MODES.encode(State("charge", 0x42)) == b"\x42"


@pytest.mark.covers("AIF-2.4.5-1")
@pytest.mark.parametrize("value", ["standby", 0x44, None, True])
def test_a_state_that_is_not_listed_is_not_encoded(value: object) -> None:
    with pytest.raises(PropertyValueError, match="charge"):
        MODES.encode(value)


def test_a_name_of_many_codes_cannot_be_written_by_name() -> None:
    with pytest.raises(PropertyValueError):
        FAULTS.encode("sensorSystem")


def test_vehicle_id_is_counted_and_may_be_missing() -> None:
    codec = CountedCodec(24)
    assert codec.decode(b"\x00") == b""
    assert codec.decode(b"\x03ABC\x00\x00") == b"ABC"
    assert codec.decode(b"\x04ABC") == Unknown(b"\x04ABC")
    assert codec.decode(b"\x19" + bytes(25)) == Unknown(b"\x19" + bytes(25))
    assert codec.encode(b"ABC") == b"\x03ABC"


def test_release_letter() -> None:
    codec = ReleaseCodec()
    assert codec.decode(bytes((0, 0, ord("Q"), 1))) == State("Q", ord("Q"))
    assert codec.decode(bytes((0, 0, 0, 0))) == Unknown(bytes(4))
    assert codec.encode("P") == b"\x00\x00P\x00"


def test_structures_keep_each_field_apart() -> None:
    power = IntegerCodec(4, False, 0, 999_999_999, unit="W")
    codec = StructCodec((("minimum", power), ("maximum", power)), (4, 4))
    decoded = codec.decode(bytes.fromhex("000003E8FFFFFFFF"))
    assert decoded == {"minimum": Quantity(1000, "W"), "maximum": Special.OVERFLOW}
    assert codec.encode({"minimum": 1, "maximum": 2}) == bytes.fromhex("0000000100000002")
    with pytest.raises(PropertyValueError, match="minimum, maximum"):
        codec.encode({"minimum": 1})


def test_dates_times_arrays_and_alternatives() -> None:
    assert DateCodec().decode(bytes((7, 0xEA, 1, 5))) == date(2026, 1, 5)
    assert DateCodec().decode(bytes((7, 0xEA, 13, 5))) == Unknown(bytes((7, 0xEA, 13, 5)))
    assert TimeCodec().encode(TimeCodec().decode(b"\x17\x3b")) == b"\x17\x3b"
    assert TimeCodec().decode(b"\x18\x00") == Unknown(b"\x18\x00")
    assert time(23, 59) == TimeCodec().decode(b"\x17\x3b")
    instances = ArrayCodec(RawCodec(3, 3), 3, 84)
    assert instances.decode(bytes.fromhex("02027E01027E1F")) == (b"\x02\x7e\x01", b"\x02\x7e\x1f")
    assert instances.encode((b"\x02\x7e\x01",)) == bytes.fromhex("01027E01")
    assert OneOfCodec((RawCodec(1, 1), RawCodec(17, 17))).decode(bytes(17)) == bytes(17)
    with pytest.raises(PropertyValueError):
        OneOfCodec((RawCodec(1, 1), RawCodec(17, 17))).encode(bytes(2))


ALL = (WATTS, TENTHS, MODES, FAULTS, CountedCodec(24), ReleaseCodec(), DateCodec(), TimeCodec(), RawCodec(0, 3))


@given(st.binary(max_size=40))
def test_decoding_never_raises_and_what_is_known_encodes_to_the_same_meaning(edt: bytes) -> None:
    for codec in ALL:
        value = codec.decode(edt)
        if not isinstance(value, Unknown | Special):
            assert codec.decode(codec.encode(value)) == value
