"""The frame codec: whole frames round trip, everything else is refused with its reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pychonet.lib.epc_functions import _009X
from pychonet.lib.functions import buildEchonetMsg, decodeEchonetMsg

from bridge.echonet.frame import (
    ANSWERS,
    NOTIFICATIONS,
    REQUESTS,
    TWO_BLOCKS,
    Defect,
    Frame,
    FrameError,
    Service,
    decode,
    decode_instance_list,
    decode_property_map,
    describe_writes,
    encode,
    encode_instance_list,
    encode_property_map,
    salvage_refusal,
)
from bridge.errors import UnitError

#: A real answer of a storage battery: its Get map of 64 properties.
BATTERY = bytes.fromhex("10810001027D1F05FF0172019F1140A595D5A7C4C4C5869795A7E471339392")

properties = st.lists(st.tuples(st.integers(0x80, 0xFF), st.binary(max_size=255)), min_size=1, max_size=12).map(tuple)


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    service = draw(st.sampled_from(Service))
    eojs = st.integers(0, 0xFFFFFF)
    second = draw(properties) if service in TWO_BLOCKS else ()
    return Frame(draw(st.integers(0, 0xFFFF)), draw(eojs), draw(eojs), service, draw(properties), second)


@given(frames())
def test_every_frame_round_trips(frame):
    assert decode(encode(frame)) == frame


@given(st.binary(max_size=64) | st.binary(max_size=40).map(lambda tail: b"\x10\x81" + tail))
def test_any_bytes_are_a_frame_or_a_frame_error(data):
    try:
        frame = decode(data)
    except FrameError:
        return
    assert encode(frame) == data


@given(frames(), st.data())
def test_a_frame_cut_anywhere_is_refused(frame, data):
    whole = encode(frame)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(FrameError):
        decode(whole[:cut])


@given(frames(), st.binary(min_size=1, max_size=8))
def test_bytes_after_the_end_are_refused(frame, more):
    with pytest.raises(FrameError) as caught:
        decode(encode(frame) + more)
    assert caught.value.defect is Defect.TRAILING_BYTES


@pytest.mark.parametrize(
    ("data", "defect", "says"),
    [
        ("", Defect.TOO_SHORT, "empty"),
        ("1081", Defect.TOO_SHORT, "2 bytes"),
        ("10", Defect.TOO_SHORT, "1 bytes"),
        ("1181000105FF01027E01620180 00", Defect.NOT_ECHONET_LITE, "EHD1 is 11"),
        ("1082000105FF01027E01620180 00", Defect.FREE_FORMAT, "EHD2 is 82"),
        ("1083000105FF01027E01620180 00", Defect.UNKNOWN_FORMAT, "EHD2 is 83"),
        ("1081000105FF01027E01640180 00", Defect.UNKNOWN_SERVICE, "ESV is 64"),
        ("1081000105FF01027E0162 00", Defect.NO_PROPERTIES, "OPC is 0"),
        ("1081000105FF01027E0162 01", Defect.TRUNCATED, "property 1 of 1"),
        ("1081000105FF01027E0162 01 80", Defect.TRUNCATED, "property 1 of 1"),
        ("1081000105FF01027E0162 02 80 00", Defect.TRUNCATED, "property 2 of 2"),
        ("1081027E0105FF01000172 01 80 02 30", Defect.TRUNCATED, "ends at byte 16"),
        ("1081000105FF01027E0162 01 80 00 00", Defect.TRAILING_BYTES, "1 after"),
        ("1081000105FF01027E0162 01 7F 00", Defect.NO_PROPERTY_CODE, "EPC 7F at byte 12"),
        ("1081000105FF01027E016E 01 DA 01 42", Defect.TRUNCATED, "second OPC"),
        ("1081000105FF01027E016E 01 DA 01 42 00", Defect.NO_PROPERTIES, "second OPC"),
        ("1081000105FF01027E016E 01 DA 01 42 01 C7", Defect.TRUNCATED, "property 1 of 1"),
        ("1081000105FF01027E016E 01 DA 01 42 01 07 00", Defect.NO_PROPERTY_CODE, "EPC 07"),
    ],
)
def test_each_defect_has_its_reason(data, defect, says):
    with pytest.raises(FrameError, match=says) as caught:
        decode(bytes.fromhex(data))
    assert caught.value.defect is defect
    assert isinstance(caught.value, UnitError)


def test_a_set_get_carries_two_blocks():
    frame = decode(bytes.fromhex("1081000105FF01027E016E 01 DA0142 02 C700 DA00"))
    assert frame.properties == ((0xDA, b"\x42"),)
    assert frame.second == ((0xC7, b""), (0xDA, b""))


@pytest.mark.covers("AIF-2.2-1")
def test_all_sixteen_services_are_known_and_sorted():
    assert sorted(map(int, Service)) == sorted(bytes.fromhex("606162636E717273747A7E505152535E"))
    assert set(Service) == REQUESTS | NOTIFICATIONS | ANSWERS
    for service in Service:
        second = ((0x80, b"0"),) if service in TWO_BLOCKS else ()
        assert decode(encode(Frame(1, 2, 3, service, ((0x80, b"0"),), second))).service is service


def test_what_cannot_be_a_frame_is_not_encoded():
    for frame in (
        Frame(1, 1, 1, Service.GET, ()),
        Frame(1, 1, 1, Service.GET, ((0x7F, b""),)),
        Frame(1, 1, 1, Service.GET, ((0x80, bytes(256)),)),
        Frame(1, 1, 1, Service.GET, ((0x80, b""),), ((0x80, b""),)),
        Frame(1, 1, 1, Service.SET_GET, ((0x80, b""),)),
    ):
        with pytest.raises(ValueError, match=r"."):
            encode(frame)


@given(frames().filter(lambda frame: frame.service not in TWO_BLOCKS))
def test_pychonet_reads_our_frames_alike(frame):
    theirs = decodeEchonetMsg(encode(frame))
    assert theirs["TID"] == frame.tid
    assert theirs["ESV"] == frame.service
    assert (theirs["SEOJGC"], theirs["SEOJCC"], theirs["SEOJCI"]) == tuple(frame.seoj.to_bytes(3))
    assert (theirs["DEOJGC"], theirs["DEOJCC"], theirs["DEOJCI"]) == tuple(frame.deoj.to_bytes(3))
    assert [(each["EPC"], each["EDT"]) for each in theirs["OPC"]] == list(frame.properties)


def test_we_read_pychonets_frames():
    ask = {"TID": 7, "DEOJGC": 2, "DEOJCC": 0x7E, "DEOJCI": 1, "ESV": 0x61, "OPC": [{"EPC": 0xDA, "PDC": 1, "EDT": 66}]}
    assert decode(bytes(buildEchonetMsg(ask))) == Frame(7, 0x05FF01, 0x027E01, Service.SET_C, ((0xDA, b"\x42"),))


def test_a_real_property_map():
    ((epc, edt),) = decode(BATTERY).properties
    epcs = decode_property_map(edt)
    assert epc == 0x9F
    assert len(epcs) == 64
    assert {0x80, 0x82, 0x9D, 0x9E, 0x9F, 0xDA} <= epcs
    assert encode_property_map(epcs) == edt
    assert epcs == frozenset(_009X(edt))


@given(st.frozensets(st.integers(0x80, 0xFF)))
def test_property_maps_round_trip(epcs):
    edt = encode_property_map(epcs)
    assert decode_property_map(edt) == epcs
    assert len(edt) == (1 + len(epcs) if len(epcs) <= 15 else 17)


@given(st.binary(max_size=20))
def test_any_bytes_are_a_property_map_or_a_frame_error(edt):
    try:
        epcs = decode_property_map(edt)
    except FrameError:
        return
    assert decode_property_map(encode_property_map(epcs)) == epcs


@pytest.mark.parametrize(
    "edt", ["", "02 80", "01 80 81", "02 80 80", "01 7F", "10 01", "10" + "00" * 16, "11" + "FF" * 16]
)
def test_a_property_map_that_contradicts_itself_is_refused(edt):
    with pytest.raises(FrameError):
        decode_property_map(bytes.fromhex(edt))


@given(st.lists(st.integers(0, 0xFFFFFF), max_size=84))
def test_instance_lists_round_trip(eojs):
    assert decode_instance_list(encode_instance_list(eojs)) == tuple(eojs)


@pytest.mark.parametrize("edt", ["", "01", "01 027E", "01 027E01 02", "02 027E01"])
def test_a_broken_instance_list_is_refused(edt):
    with pytest.raises(FrameError):
        decode_instance_list(bytes.fromhex(edt))


def test_writes_are_described_for_people():
    frame = Frame(1, 0x05FF01, 0x027E01, Service.SET_C, ((0xDA, b"\x42"), (0xEB, b"\x00\x00\x0b\xb8")))
    assert describe_writes(frame) == ["DA=42", "EB=00000BB8"]
    assert describe_writes(frame._replace(service=Service.GET)) == []


def test_a_malformed_refusal_is_salvaged():
    data = bytes.fromhex("1081 0007 027E01 05FF01 51 02 DC00 EB04 03")
    with pytest.raises(FrameError):
        decode(data)
    assert salvage_refusal(data) == Frame(7, 0x027E01, 0x05FF01, Service.SET_C_SNA, ((0xDC, b""), (0xEB, b"\x03")))


def test_a_refusal_cut_before_its_value_is_no_acceptance():
    frame = salvage_refusal(bytes.fromhex("1081 0007 027E01 05FF01 51 01 EB04"))
    assert frame is not None
    assert frame.properties[0][1] != b""


@given(st.binary(max_size=40) | st.binary(max_size=30).map(lambda t: bytes.fromhex("10810007027E0105FF0151") + t))
def test_salvaging_never_raises(data):
    frame = salvage_refusal(data)
    assert frame is None or frame.service is Service.SET_C_SNA
