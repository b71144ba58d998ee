"""Meters: what scales a register, which circuit of a board, what is asked for, and what is told of mistakes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.echonet.metering import ITEMS, RANGE, START, ChannelListCodec, ScaleCodec
from bridge.echonet.values import IntegerCodec, PropertyValueError, Quantity, Unknown
from bridge.errors import MappingError
from bridge.evse import Source
from bridge.mapping.decision import Fact, MeterTable, View
from bridge.mapping.load import default_folder, load_mappings
from bridge.mapping.meterexamples import run_meter_examples
from tests.tools.tables import parsed, shipped

MAPPINGS = shipped()
SMART, BOARD = MAPPINGS.meter(0x0288), MAPPINGS.meter(0x0287)
NOW = 10_000_000
EVERYTHING = frozenset(range(0x80, 0x100))
SCALES = {0: (1, 1), 1: (1, 10), 2: (1, 100), 3: (1, 1000), 4: (1, 10_000), 10: (10, 1), 13: (10_000, 1)}


def view(*frames: str, release: str = "R", **more: Any) -> View:
    pairs = (frame.split("=") for frame in frames)
    facts = {int(epc, 16): Fact(bytes.fromhex(edt), NOW) for epc, edt in pairs}
    return View(NOW, release, facts, **({"gettable": EVERYTHING, "settable": EVERYTHING} | more))


def test_both_tables_are_meter_tables() -> None:
    tables: list[MeterTable] = [SMART, BOARD]
    assert [table.class_code for table in tables] == [0x0288, 0x0287]
    assert (SMART.has_channels, BOARD.has_channels) == (False, True)
    assert SMART.release(bytes.fromhex("00005200")) == "R"
    assert SMART.release(bytes.fromhex("00004100")) == ""  # the class came with Release F
    assert SMART.content_hash != BOARD.content_hash


def test_a_class_without_a_meter_table_is_named() -> None:
    with pytest.raises(MappingError, match=r"no meter table for class 0x027E \(only for 0x0287, 0x0288\)"):
        MAPPINGS.meter(0x027E)
    assert shipped().without_sources().meter_sources == ()


@given(raw=st.integers(0, 99_999_999), code=st.sampled_from(sorted(SCALES)), coefficient=st.integers(1, 999_999))
def test_registers_are_scaled_exactly(raw: int, code: int, coefficient: int) -> None:
    told = SMART.measures(view(f"E0={raw:08X}", f"E1={code:02X}", f"D3={coefficient:08X}")).energy_in
    assert told is not None
    assert told.value == raw * coefficient * 1_000_000 * Fraction(*SCALES[code]) // 1
    assert told.origin == "normalDirectionCumulativeElectricEnergy"


@given(raw=st.integers(0, 99_999_999), digits=st.integers(1, 8))
def test_a_register_never_shows_more_digits_than_it_counts_with(raw: int, digits: int) -> None:
    told = SMART.measures(view(f"E0={raw:08X}", "E1=00", "D3=00000001", f"D7={digits:02X}")).energy_in
    assert (told is None) is (len(str(raw)) > digits)


def test_a_coefficient_of_zero_or_an_unreadable_one_tells_nothing() -> None:
    assert SMART.measures(view("E0=00000001", "E1=00", "D3=00000000")).energy_in is None
    assert SMART.measures(view("E0=00000001", "E1=00", "D3=FFFFFFFF")).energy_in is None
    assert SMART.measures(view("E0=00000001", "E1=00", "D3=0001")).energy_in is None


def test_a_reading_is_as_old_as_its_own_value_not_as_its_scale() -> None:
    facts = {
        0xE0: Fact(bytes.fromhex("00000064"), NOW - 7_000, notified=True),
        0xE1: Fact(b"\x00", NOW - 3_600_000),
        0xD3: Fact(bytes.fromhex("00000001"), NOW - 3_600_000),
    }
    told = SMART.measures(View(NOW, "R", facts, gettable=EVERYTHING)).energy_in
    assert told is not None
    assert (told.value, told.at, told.source) == (100_000_000, NOW - 7_000, Source.NOTIFIED)
    lost = SMART.measures(View(NOW, "R", facts, gettable=EVERYTHING, reachable=False)).energy_in
    assert lost is not None
    assert lost.source is Source.LAST_KNOWN


@given(
    start=st.integers(1, 252), items=st.lists(st.integers(-10_000, 10_000), min_size=1, max_size=60), at=st.integers(0)
)
def test_a_circuit_is_found_by_its_number_in_the_list(start: int, items: list[int], at: int) -> None:
    edt = bytes((start, len(items))) + b"".join(item.to_bytes(4, "big", signed=True) for item in items)
    at %= len(items)
    seen = view(f"B7={edt.hex()}")
    told = BOARD.measures(seen, start + at).power
    assert told is not None
    assert told.value == items[at] * 1000
    assert BOARD.measures(seen, start + len(items)).power is None
    assert BOARD.measures(seen, start - 1).power is None
    assert BOARD.measures(seen, start + at, duplex=True).power is None
    assert BOARD.measures(seen).power is None


@given(st.binary(max_size=300))
def test_no_bytes_upset_a_board(edt: bytes) -> None:
    seen = view(*(f"{epc:02X}={edt.hex()}" for epc in range(0xB0, 0xF0)))
    for channel in (None, 1, 32, 252):
        for duplex in (False, True):
            BOARD.measures(seen, channel, duplex=duplex)
            BOARD.prepare(seen, channel, duplex=duplex)


def frames(seen: View, channel: int, *, duplex: bool = False) -> list[str]:
    return [f"{step.epc:02X}={step.edt.hex()}" for step in BOARD.prepare(seen, channel, duplex=duplex)]


def test_a_range_is_chosen_only_where_a_list_lacks_the_circuit() -> None:
    nothing = view("B3=FDFD", "B5=FDFD", "B7=FDFD")
    assert frames(nothing, 3) == ["B6=013c", "B4=013c", "B2=013c"]
    assert frames(nothing, 61) == ["B6=3d01", "B4=3d01", "B2=3d01"]
    assert frames(view("B7=010200000064000000C8"), 2) == []  # it holds it, though all ranges are unknown
    assert frames(view("B7=010200000064000000C8"), 3) == ["B6=013c"]
    assert frames(view("B7=FDFD", settable=frozenset()), 3) == []
    assert frames(view("B7=FDFD", "B6=013C"), 3) == []  # chosen already: the list will follow, or not
    assert frames(view("BA=FDFD"), 3, duplex=True) == ["B9=011e"]
    assert frames(view(), 3) == []  # a list that was never read lacks nothing
    assert BOARD.prepare(nothing) == ()


@pytest.mark.parametrize(
    ("channel", "duplex", "expected"),
    [
        (None, False, {0xC0, 0xC1, 0xC2, 0xC6, 0xC7, 0xC8}),
        (2, False, {0xB3, 0xB5, 0xB7, 0xC2, 0xD1}),
        (33, False, {0xB3, 0xB5, 0xB7, 0xC2}),
        (2, True, {0xBA, 0xBC, 0xBE, 0xC2}),
    ],
)
def test_only_what_the_circuit_needs_is_polled(channel: int | None, duplex: bool, expected: set[int]) -> None:
    plan = BOARD.polls(view(), channel, duplex=duplex)
    assert {epc for group in plan for epc in group.epcs} == expected
    few = BOARD.polls(view(gettable=frozenset({0xC2, 0xB7})), channel, duplex=duplex)
    assert {epc for group in few for epc in group.epcs} == expected & {0xC2, 0xB7}


def test_before_the_maps_are_known_only_what_is_required_is_polled() -> None:
    plan = SMART.polls(View(NOW, "R"))
    assert {epc for group in plan for epc in group.epcs} == {0xD7, 0xE0, 0xE1, 0xE7, 0xE8}


# Codecs ----------------------------------------------------------------------------------------------------------


def test_a_scale_is_a_factor_or_unknown() -> None:
    codec = ScaleCodec(((0, 1, 1), (4, 1, 10_000)))
    assert codec.decode(b"\x04") == Quantity(1, "", 1, 10_000)
    assert codec.decode(b"\x05") == Unknown(b"\x05")
    assert codec.decode(b"") == Unknown(b"")
    assert codec.decode(b"\x00\x00") == Unknown(b"\x00\x00")
    assert codec.encode(Quantity(1, "", 1, 10_000)) == b"\x04"
    with pytest.raises(PropertyValueError, match="none of the scales"):
        codec.encode(Quantity(1, "", 1, 3))


def test_a_list_comes_back_as_it_was() -> None:
    byte = IntegerCodec(1, maximum=252)
    codec = ChannelListCodec(byte, byte, IntegerCodec(2, maximum=9999, unit="W"), 2)
    edt = bytes.fromhex("0302000A000B")
    value = codec.decode(edt)
    assert value == {START: Quantity(3), RANGE: Quantity(2), ITEMS: (Quantity(10, "W"), Quantity(11, "W"))}
    assert codec.encode(value) == edt
    for wrong in ("0303000A000B", "0302000A00", "03", "", "0300000A"):
        assert codec.decode(bytes.fromhex(wrong)) == Unknown(bytes.fromhex(wrong))
    with pytest.raises(PropertyValueError, match="do not fit"):
        codec.encode({START: 3, RANGE: 3, ITEMS: (10,)})
    with pytest.raises(PropertyValueError, match="no channel list"):
        codec.encode({START: 3})


# Mistakes --------------------------------------------------------------------------------------------------------

SMART_FILE, BOARD_FILE = "tables/0x0288.yaml", "tables/0x0287.yaml"
DEVICES = "devices/0x0287.yaml"


@pytest.fixture
def broken(tmp_path: Path) -> Callable[[str, str, str], list[str]]:
    """Change a file of a copy of the mappings, and take what is said."""

    def run(file: str, old: str, new: str) -> list[str]:
        others = shutil.ignore_patterns("0x027E.yaml", "0x02A1.yaml", "vendors")
        shutil.copytree(default_folder(), tmp_path / "m", ignore=others)
        text = (tmp_path / "m" / file).read_text(encoding="utf-8")
        assert old in text, old
        (tmp_path / "m" / file).write_text(text.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(MappingError) as raised:
            load_mappings(tmp_path / "m", cache=parsed())
        return [line.removeprefix(f"{tmp_path / 'm'}/") for line in str(raised.value).splitlines()]

    return run


@pytest.mark.parametrize(
    ("file", "old", "new", "code", "message"),
    [
        (
            SMART_FILE,
            "- {property: instantaneousElectricPower}",
            "- {property: instantaneousCurrent}",
            "UNIT",
            "not in W",
        ),
        (SMART_FILE, "property: instantaneousElectricPower}", "propery: x}", "UNKNOWN-KEY", 'did you mean "property"?'),
        (SMART_FILE, "mean: [rPhase, tPhase]", "mean: [rPhase, sPhase]", "UNKNOWN-NAME", 'no part "sPhase"'),
        (SMART_FILE, "mean: [rPhase, tPhase]", "mean: [rPhase], sum: [tPhase]", "SOURCE", "at most one"),
        (SMART_FILE, "coefficient: optional", "coefficient: maybe", "WRONG-VALUE", "none of required, optional"),
        (SMART_FILE, "coefficient: optional", "instantaneousElectricPower: optional", "UNIT", "no factor"),
        (SMART_FILE, "{unitForCumulativeElectricEnergy: req", "{unitFor: req", "UNKNOWN-PROPERTY", "unitFor"),
        (SMART_FILE, "maxProperties: 4", "maxProperties: 2", "TOO-MANY", "more than a request may hold (2)"),
        (SMART_FILE, 'class: "0x0288"', 'class: "0x0287"', "DUPLICATE-CLASS", "another table"),
        (SMART_FILE, 'class: "0x0288"', 'class: "0x0289"', "UNKNOWN-CLASS", 'did you mean "0x0288"?'),
        (SMART_FILE, "kind: meter", "kind: metre", "WRONG-VALUE", 'did you mean "meter"?'),
        (
            BOARD_FILE,
            "{list: instantaneousElectricPowerListSimplex, ",
            "{list: instantaneousCurrent, ",
            "SOURCE",
            "no list",
        ),
        (BOARD_FILE, '"measurementChannel#", mean', "measurementChannel1, mean", "SOURCE", "does not depend"),
        (
            BOARD_FILE,
            "- {property: instantaneousElectricPower}",
            '- {property: "measurementChannel#"}',
            "SOURCE",
            "circuit",
        ),
        (BOARD_FILE, "range: channelRangeForInstantaneousC", "range: instantaneousC", "UNKNOWN-PROPERTY", "has no"),
        (
            BOARD_FILE,
            "range: channelRangeForInstantaneousCurrentSimplex",
            "range: instantaneousCurrent",
            "SOURCE",
            "does not choose",
        ),
        (BOARD_FILE, "voltage:     ", "voltages:     ", "UNKNOWN-KEY", 'did you mean "voltage"?'),
        (DEVICES, 'epc: "0xD0-0xEF"', 'epc: "0xD0"', "EPC", "goes with a #"),
        (DEVICES, 'epc: "0xD0-0xEF"', 'epc: "0xC8-0xE7"', "OVERLAP", "0xC8 in Release"),
        (DEVICES, 'epc: "0xD0-0xEF"', 'epc: "0xEF-0xD0"', "EPC", "range of codes"),
        (DEVICES, '"0x01": 1/10', '"0x01": 0.1', "WRONG-TYPE", 'quote it: "0.1"'),
    ],
)
def test_mistakes_are_told_with_their_place(
    broken: Callable[[str, str, str], list[str]], file: str, old: str, new: str, code: str, message: str
) -> None:
    said = broken(file, old, new)
    assert any(line.startswith(f"{file}:") and f" {code} " in line and message in line for line in said), said


def test_examples_that_fail_and_sources_without_one_are_told(tmp_path: Path) -> None:
    shutil.copytree(
        default_folder(), tmp_path / "m", ignore=shutil.ignore_patterns("0x027E.yaml", "0x02A1.yaml", "vendors")
    )
    path = tmp_path / "m" / SMART_FILE
    text = path.read_text(encoding="utf-8")
    for old, new in (
        ("expect: {power: 3000 W, current: 14.5 A,", "expect: {power: 3001 W, curent: 14.5 A,"),
        ("expect: {current: 15 A}", "expect: {power: null}"),
        ('given: ["82=F", "E7=FFFFF448"]', 'given: ["82=F", {instantaneousPower: 3 kW}]'),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")
    source = next(
        s for s in load_mappings(tmp_path / "m", cache=parsed()).meter_sources if s.table.class_code == 0x0288
    )
    said = [str(problem) for problem in run_meter_examples(source)]
    assert any("EXAMPLE power is 3000000, not 3001000" in line for line in said)
    assert any('UNKNOWN-KEY unknown expectation "curent" - did you mean "current"?' in line for line in said)
    assert any('EXAMPLE "instantaneousPower" is no property' in line for line in said)
    assert any('NO-EXAMPLE no example reads current from "instantaneousCurrent"' in line for line in said)
