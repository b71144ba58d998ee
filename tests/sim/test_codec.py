"""The simulation's codec against frames that other stacks made, and against itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.sim.codec import (
    TWO_LISTS,
    Esv,
    Prop,
    SimFrame,
    SimFrameError,
    decode,
    encode,
    eoj,
    property_map,
    read_property_map,
)

CONTROLLER, UNIT, PROFILE = 0x05FF01, 0x027E01, 0x0EF001

#: Made by npm echonet-lite 2.16 (sendOPC1, sendDetails, replyOPC1 with sendBase replaced by one that prints).
NPM_FRAMES = [
    ("1081001105ff01027e016201c700", SimFrame(0x11, CONTROLLER, UNIT, Esv.GET, (Prop(0xC7),))),
    ("1081001205ff01027e016101da0142", SimFrame(0x12, CONTROLLER, UNIT, Esv.SETC, (Prop(0xDA, b"\x42"),))),
    (
        "1081001305ff01027e016101eb0400000bb8",
        SimFrame(0x13, CONTROLLER, UNIT, Esv.SETC, (Prop(0xEB, (3000).to_bytes(4, "big")),)),
    ),
    (
        "108100140ef0010ef0017301d50401027e01",
        SimFrame(0x14, PROFILE, PROFILE, Esv.INF, (Prop(0xD5, bytes.fromhex("01027e01")),)),
    ),
    (
        "10810015027e0105ff017203c70143da0144c808000001f400001770",
        SimFrame(
            0x15,
            UNIT,
            CONTROLLER,
            Esv.GET_RES,
            (Prop(0xC7, b"\x43"), Prop(0xDA, b"\x44"), Prop(0xC8, bytes.fromhex("000001f400001770"))),
        ),
    ),
    (
        "10810016027e0105ff015203c70130e400da0147",
        SimFrame(0x16, UNIT, CONTROLLER, Esv.GET_SNA, (Prop(0xC7, b"\x30"), Prop(0xE4), Prop(0xDA, b"\x47"))),
    ),
    ("1081fffe027e0105ff017101da00", SimFrame(0xFFFE, UNIT, CONTROLLER, Esv.SET_RES, (Prop(0xDA),))),
]


@pytest.mark.parametrize(("text", "frame"), NPM_FRAMES)
def test_npm_echonet_lite_writes_the_same_bytes(text: str, frame: SimFrame) -> None:
    assert decode(bytes.fromhex(text)) == frame
    assert encode(frame) == bytes.fromhex(text)


@pytest.mark.parametrize(
    ("esv", "props"),
    [
        (Esv.GET, (Prop(0xC7), Prop(0xDA), Prop(0xE4))),
        (Esv.SETC, (Prop(0xDA, b"\x43"),)),
        (Esv.SETC, (Prop(0xEB, b"\x00\x00\x17\x70"), Prop(0xDC, b"\x03"))),
    ],
)
def test_pychonet_writes_the_same_bytes(esv: Esv, props: tuple[Prop, ...]) -> None:
    functions = pytest.importorskip("pychonet.lib.functions")
    opc = [
        {"EPC": p.epc, "PDC": len(p.edt), "EDT": int.from_bytes(p.edt, "big")} if p.edt else {"EPC": p.epc}
        for p in props
    ]
    theirs = functions.buildEchonetMsg(functions.preparePayload(0x1234, 0x02, 0x7E, 0x01, int(esv), opc))
    assert decode(bytes(theirs)) == SimFrame(0x1234, CONTROLLER, UNIT, esv, props)
    assert encode(SimFrame(0x1234, CONTROLLER, UNIT, esv, props)) == bytes(theirs)


def test_pychonet_reads_our_bytes() -> None:
    functions = pytest.importorskip("pychonet.lib.functions")
    frame = SimFrame(0x0102, UNIT, CONTROLLER, Esv.GET_RES, (Prop(0xDA, b"\x42"), Prop(0xD3, bytes(4))))
    theirs = functions.decodeEchonetMsg(encode(frame))
    assert (theirs["TID"], theirs["SEOJGC"], theirs["SEOJCC"], theirs["ESV"]) == (0x0102, 0x02, 0x7E, 0x72)
    assert [(p["EPC"], p["EDT"]) for p in theirs["OPC"]] == [(0xDA, b"\x42"), (0xD3, bytes(4))]


def test_pychonet_reads_our_property_maps() -> None:
    epc_functions = pytest.importorskip("pychonet.lib.epc_functions")
    for codes in ({0x80, 0xDA}, set(range(0x80, 0x8F)), set(range(0x80, 0x90)), set(range(0x80, 0x100, 3))):
        assert set(epc_functions._009X(property_map(codes))) == codes


def test_a_storage_batterys_map_is_read() -> None:
    data = bytes.fromhex("10810001027D1F05FF0172019F1140A595D5A7C4C4C5869795A7E471339392")
    codes = read_property_map(decode(data).props[0].edt)
    assert len(codes) == 64
    assert {0x80, 0xDA, 0xE4} <= codes


@given(st.sets(st.integers(0x80, 0xFF)))
def test_maps_survive_the_way_there_and_back(codes: set[int]) -> None:
    assert read_property_map(property_map(codes)) == codes


_PROPS = st.lists(st.builds(Prop, st.integers(0, 255), st.binary(max_size=20)), max_size=9).map(tuple)
_OBJECTS = st.integers(0, 0xFFFFFF)


@given(st.integers(0, 0xFFFF), _OBJECTS, _OBJECTS, st.sampled_from(Esv), _PROPS, _PROPS)
def test_frames_survive_the_way_there_and_back(
    tid: int, seoj: int, deoj: int, esv: Esv, props: tuple[Prop, ...], second: tuple[Prop, ...]
) -> None:
    frame = SimFrame(tid, seoj, deoj, esv, props, second if esv in TWO_LISTS else ())
    assert decode(encode(frame)) == frame


@given(st.binary(max_size=60))
def test_garbage_is_refused_with_a_reason(data: bytes) -> None:
    try:
        frame = decode(data)
    except SimFrameError:
        return
    assert encode(frame) == data


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "too few"),
        ("1082001105ff01027e016201c700", "header"),
        ("1081001105ff01027e01aa01c700", "unknown service"),
        ("1081001105ff01027e016201c7", "within property 1"),
        ("1081001105ff01027e016101da0242", "says 2 bytes"),
        ("1081001105ff01027e016201c700ff", "after the last"),
        ("1081001105ff01027e016e00", "before its number"),
    ],
)
def test_each_malformation_is_named(text: str, reason: str) -> None:
    with pytest.raises(SimFrameError, match=reason):
        decode(bytes.fromhex(text))


def test_what_does_not_fit_is_not_written() -> None:
    with pytest.raises(SimFrameError, match="at most 255"):
        encode(SimFrame(1, UNIT, UNIT, Esv.SETC, (Prop(0xDA, bytes(256)),)))


@pytest.mark.parametrize("edt", [b"", b"\x02\x80", b"\x10\x01", b"\x10" + bytes(16)])
def test_a_map_of_the_wrong_size_is_refused(edt: bytes) -> None:
    with pytest.raises(SimFrameError):
        read_property_map(edt)


def test_an_object_is_class_and_instance() -> None:
    assert eoj(0x027E, 0x1F) == 0x027E1F
