"""The dump's format: what was written is given back, and a broken file is told with the place and the mend."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.echonet.dump import DumpError, Header, frame_line, parse_dump, read_dump, values_line
from bridge.echonet.frame import Frame, Service, encode
from bridge.echonet.wellknown import CONTROLLER
from bridge.gateway.redact import Redactor
from tests.tools.tables import shipped

EOJ = 0x027E01
HEADER = Header(
    0x027E, EOJ, "P", {"get": frozenset({0x80, 0xC7}), "set": frozenset(), "inf": frozenset()}, True, "test"
)
FIRST = json.dumps(HEADER.as_json())
_DEVICE = shipped().classes[0x027E]

epcs = st.integers(0x80, 0xFF)
values = st.dictionaries(epcs, st.binary(min_size=1, max_size=20), min_size=1, max_size=8)


def answer(told: dict[int, bytes], refused: tuple[int, ...] = ()) -> bytes:
    service = Service.GET_SNA if refused else Service.GET_RES
    return encode(Frame(1, EOJ, CONTROLLER, service, (*told.items(), *((epc, b"") for epc in refused))))


@given(st.lists(st.tuples(st.integers(0, 1000), values, st.booleans()), max_size=10))
def test_what_is_written_comes_back(moments: list[tuple[int, dict[int, bytes], bool]]) -> None:
    lines, known, t = [FIRST], {}, 0
    for step, told, framed in moments:
        t += step
        known.update(told)
        line = frame_line(t, "unit", answer(told), "any text") if framed else values_line(t, told)
        lines.append(json.dumps(line))
    dump = parse_dump(lines)
    assert dump.header == HEADER
    assert dump.values_at() == known
    assert [record.t for record in dump.records] == sorted(record.t for record in dump.records)
    assert len(list(dump.frames)) == sum(framed for _, _, framed in moments)


def test_a_refusal_takes_a_value_back_and_other_objects_tell_nothing() -> None:
    other = encode(Frame(1, 0x027E02, CONTROLLER, Service.INF, ((0xC7, b"\x99"),)))
    ask = encode(Frame(1, CONTROLLER, EOJ, Service.SET_C, ((0xDA, b"\x42"),)))
    lines = [
        FIRST,
        json.dumps(frame_line(0, "unit", answer({0xC7: b"\x43", 0x80: b"\x30"}))),
        json.dumps(frame_line(5, "controller", ask)),
        json.dumps(frame_line(6, "unit", other)),
        json.dumps(frame_line(9, "unit", answer({}, (0xC7, 0xE4)))),
    ]
    dump = parse_dump(lines)
    assert dump.values_at(8) == {0xC7: b"\x43", 0x80: b"\x30"}
    assert dump.values_at() == {0x80: b"\x30"}
    assert dump.refused == {0xE4}
    assert [sender for _, sender, _ in dump.frames] == ["unit", "controller", "unit", "unit"]


BROKEN = [
    ([], "is empty"),
    (["{"], ":1: is no JSON"),
    (["[]"], ":1: is no JSON object"),
    (['{"t": 0}'], ':1: has no "dump"'),
    (['{"dump": 2}'], ":1: is dump version 2 - this program reads version 1"),
    (['{"dump": true}'], ":1: is dump version True"),
    (['{"dump": 1, "class": "0x027E", "object": "027E01", "release": "P"}'], ':1: "maps" is missing'),
    ([FIRST.replace('"027E01"', '"02A101"')], "02A101 is not of class 0x027E"),
    ([FIRST.replace('"027E01"', "7")], "7 is no code of 6"),
    ([FIRST.replace('"C7"', '"C7X"')], "'C7X' is no code of 2"),
    ([FIRST.replace('"C7"', '"17"')], "'17' is no property code"),
    ([FIRST.replace('["80", "C7"]', "7")], '"get" is no list'),
    ([FIRST.replace('"release": "P"', '"release": 1')], '"release" is missing or no string'),
    ([FIRST, "{}"], ':2: "t" is missing'),
    ([FIRST, '{"t": "0"}'], ':2: "t" is missing or no whole number'),
    ([FIRST, '{"t": true}'], ':2: "t" is missing or no whole number'),
    ([FIRST, '{"t": 0}'], ':2: has neither "frame" nor "values"'),
    ([FIRST, '{"t": 0, "values": []}'], '"values" is no object'),
    ([FIRST, '{"t": 0, "values": {"80": "3"}}'], "'3' is not hexadecimal"),
    ([FIRST, '{"t": 0, "values": {"80": "30"}, "refused": "C7"}'], '"refused" is no list'),
    ([FIRST, '{"t": 0, "frame": "zz", "from": "unit"}'], "is not hexadecimal"),
    ([FIRST, '{"t": 0, "frame": "1081", "from": "unit"}'], ":2: its frame cannot be read (too short"),
    ([FIRST, '{"t": 0, "frame": "1081", "from": "moon"}'], "\"from\" is 'moon'"),
    ([FIRST, "", '{"t": 9, "values": {}}', '{"t": 3, "values": {}}'], ":4: t = 3 is before the line above it (9)"),
    ([FIRST, '{"t": 0, "values": {"80": "3'], "looks cut off"),
    ([FIRST, "[" * 100_000], "is no JSON"),
]


@pytest.mark.parametrize(("lines", "said"), BROKEN, ids=[said for _, said in BROKEN])
def test_a_broken_dump_is_told_with_its_place(lines: list[str], said: str) -> None:
    with pytest.raises(DumpError) as told:
        parse_dump(lines, "unit.jsonl")
    assert said in str(told.value)
    assert str(told.value).startswith("unit.jsonl:")
    assert " - " in str(told.value)


def test_a_dump_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "unit.jsonl"
    path.write_text(f"{FIRST}\n{json.dumps(values_line(0, {0x80: bytes([0x30])}, [0xE4]))}\n")
    dump = read_dump(path)
    assert (dump.values_at(), dump.refused) == ({0x80: b"\x30"}, {0xE4})
    with pytest.raises(DumpError, match=r"cannot be read.*ocpp-echonet dump"):
        read_dump(tmp_path / "missing")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DumpError, match="cannot be read"):
        read_dump(path)


# -- redaction


@given(st.binary(min_size=13, max_size=13), st.binary(min_size=1, max_size=20), st.binary(min_size=16, max_size=16))
def test_what_is_private_is_replaced_by_the_same_each_time(unique: bytes, vehicle: bytes, place: bytes) -> None:
    redactor = Redactor(b"salt" * 8, _DEVICE)
    private = {0x83: b"\xfe\x00\x00\x77" + unique, 0xE6: bytes((len(vehicle),)) + vehicle, 0x81: b"\x01" + place}
    open_ = {0x8A: b"\x00\x00\x77", 0x8C: b"PRODUCT     ", 0xC7: b"\x43", 0x82: b"\x00\x00P\x00"}
    once, again = redactor.values(private | open_), redactor.values(private | open_)
    assert once == again
    assert {epc: once[epc] for epc in open_} == open_
    assert {epc: len(edt) for epc, edt in once.items()} == {epc: len(edt) for epc, edt in (private | open_).items()}
    assert once[0x83][:4] == private[0x83][:4]
    assert once[0xE6][:1] == private[0xE6][:1]
    if any(unique):
        assert once[0x83] != private[0x83]
    if any(place):
        assert once[0x81] != private[0x81]
    other = Redactor(b"pepper" * 6, _DEVICE).values(private)
    assert other[0x83] != once[0x83] or not any(unique)


def test_serial_numbers_addresses_and_frames_are_replaced_too() -> None:
    redactor = Redactor(bytes(32), _DEVICE)
    serial = redactor.values({0x8D: b"AB12345\x00\x00\x00\x00\x00"})[0x8D]
    assert serial[:7].isdigit()
    assert serial[7:] == bytes(5)
    frame = Frame(1, EOJ, CONTROLLER, Service.SET_GET_RES, ((0x8D, b"AB12345"),), ((0x8D, b"AB12345"),))
    redacted = redactor.frame(frame)
    assert redacted.properties == redacted.second == ((0x8D, serial[:7]),)
    assert redactor.address("10.1.2.3") == redactor.address("10.1.2.3") != "10.1.2.3"
    assert redactor.address("10.1.2.3").startswith("192.0.2.")
    assert redactor.address("fe80::1").startswith("2001:db8::")
    assert redactor.values({0x83: b"", 0xE6: b"\x00"}) == {0x83: b"", 0xE6: b"\x00"}
