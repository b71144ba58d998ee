"""Our own node as others see it."""

from __future__ import annotations

import pytest

from bridge.echonet.frame import Frame, Service, decode, decode_property_map, encode
from bridge.echonet.node import OwnNode, Reply

NODE_PROFILE, CONTROLLER, ASKER = 0x0EF001, 0x05FF01, 0x05FF01
UNIQUE = bytes(range(13))
FRESH = 0x7777

#: AIF 2.3 and the node profile's own mandatory properties.
MANDATORY = {
    CONTROLLER: {0x80, 0x81, 0x82, 0x83, 0x88, 0x8A, 0x9D, 0x9E, 0x9F},
    NODE_PROFILE: {0x80, 0x82, 0x83, 0x8A, 0x9D, 0x9E, 0x9F, 0xD3, 0xD4, 0xD6, 0xD7},
}


def ask(deoj: int, service: Service, *properties: tuple[int, bytes], second=(), node: OwnNode | None = None):
    frame = decode(encode(Frame(0x1234, ASKER, deoj, service, properties, second)))
    return (node or OwnNode(UNIQUE)).take(frame, lambda: FRESH)


def reply(replies: list[Reply]) -> Frame:
    (only,) = replies
    assert decode(encode(only.frame)) == only.frame
    return only.frame


def read(eoj: int, epc: int, node: OwnNode | None = None) -> bytes:
    frame = reply(ask(eoj, Service.GET, (epc, b""), node=node))
    assert frame.service is Service.GET_RES
    return frame.properties[0][1]


@pytest.mark.covers("AIF-2-1")
@pytest.mark.parametrize("eoj", MANDATORY)
def test_all_mandatory_properties_can_be_read_and_stand_in_the_map(eoj):
    gettable = decode_property_map(read(eoj, 0x9F))
    assert gettable == MANDATORY[eoj]
    frame = reply(ask(eoj, Service.GET, *((epc, b"") for epc in sorted(gettable))))
    assert frame.service is Service.GET_RES
    assert (frame.tid, frame.seoj, frame.deoj) == (0x1234, eoj, ASKER)
    assert [epc for epc, _ in frame.properties] == sorted(gettable)
    for epc in set(range(0x80, 0x100)) - gettable:
        assert reply(ask(eoj, Service.GET, (epc, b""))).service is Service.GET_SNA


@pytest.mark.covers("AIF-2-1")
def test_the_node_profile_says_what_we_are():
    assert read(NODE_PROFILE, 0x80) == b"\x30"
    assert read(NODE_PROFILE, 0x82) == bytes.fromhex("010E0100")
    assert read(NODE_PROFILE, 0x83) == b"\xfe\xff\xff\xff" + UNIQUE
    assert read(NODE_PROFILE, 0xD3) == bytes.fromhex("000001")
    assert read(NODE_PROFILE, 0xD4) == bytes.fromhex("0002")
    assert read(NODE_PROFILE, 0xD6) == bytes.fromhex("0105FF01")
    assert read(NODE_PROFILE, 0xD7) == bytes.fromhex("0105FF")
    assert decode_property_map(read(NODE_PROFILE, 0x9D)) == {0x80, 0xD5}
    assert read(NODE_PROFILE, 0x9E) == b"\x00"


def test_the_controller_says_what_it_is():
    assert read(CONTROLLER, 0x82) == b"\x00\x00R\x00"
    assert read(CONTROLLER, 0x88) == b"\x42"
    assert read(CONTROLLER, 0x83) == read(NODE_PROFILE, 0x83)
    assert decode_property_map(read(CONTROLLER, 0x9E)) == {0x81}
    assert decode_property_map(read(CONTROLLER, 0x9D)) == {0x80, 0x81, 0x88}
    assert read(CONTROLLER, 0x8A, OwnNode(UNIQUE, maker=b"\0\0\x0b")) == b"\0\0\x0b"


@pytest.mark.covers("AIF-3.1.1-0")
def test_the_announcement_is_an_inf_of_the_instance_list():
    assert encode(OwnNode(UNIQUE).announcement(9)).hex().upper() == "108100090EF0010EF0017301D5040105FF01"


def test_a_partly_impossible_get_brings_the_rest():
    frame = reply(ask(CONTROLLER, Service.GET, (0x80, b""), (0xDA, b""), (0x88, b"")))
    assert frame.service is Service.GET_SNA
    assert frame.properties == ((0x80, b"\x30"), (0xDA, b""), (0x88, b"\x42"))


def test_0x81_can_be_written_and_its_change_is_announced_once():
    node = OwnNode(UNIQUE)
    answer, told = ask(CONTROLLER, Service.SET_C, (0x81, b"\x08"), node=node)
    assert (answer.frame.service, answer.frame.properties) == (Service.SET_RES, ((0x81, b""),))
    assert told.multicast
    assert (told.frame.tid, told.frame.seoj, told.frame.service) == (FRESH, CONTROLLER, Service.INF)
    assert told.frame.properties == ((0x81, b"\x08"),)
    assert read(CONTROLLER, 0x81, node) == node.location == b"\x08"
    assert len(ask(CONTROLLER, Service.SET_C, (0x81, b"\x08"), node=node)) == 1
    assert len(ask(CONTROLLER, Service.SET_I, (0x81, b"\x10"), node=node)) == 1  # the notification alone


@pytest.mark.parametrize("edt", [b"", b"\x01\x02", bytes(17), bytes(18)])
def test_0x81_takes_no_other_sizes(edt):
    node = OwnNode(UNIQUE)
    assert reply(ask(CONTROLLER, Service.SET_C, (0x81, edt), node=node)).service is Service.SET_C_SNA
    assert node.location == b"\x00"


def test_a_partly_refused_write_says_which():
    frame = ask(CONTROLLER, Service.SET_C, (0x81, b"\x09"), (0x80, b"\x31"))[0].frame
    assert frame.service is Service.SET_C_SNA
    assert frame.properties == ((0x81, b""), (0x80, b"\x31"))


def test_a_refused_seti_is_said():
    frame = reply(ask(NODE_PROFILE, Service.SET_I, (0x80, b"\x31")))
    assert (frame.service, frame.properties) == (Service.SET_I_SNA, ((0x80, b"\x31"),))


def test_setget_writes_then_reads():
    replies = ask(CONTROLLER, Service.SET_GET, (0x81, b"\x09"), second=((0x81, b""), (0x80, b"")))
    assert replies[0].frame.service is Service.SET_GET_RES
    assert replies[0].frame.properties == ((0x81, b""),)
    assert replies[0].frame.second == ((0x81, b"\x09"), (0x80, b"\x30"))
    refused = reply(ask(CONTROLLER, Service.SET_GET, (0x88, b"\x41"), second=((0xDA, b""),)))
    assert (refused.service, refused.properties, refused.second) == (
        Service.SET_GET_SNA,
        ((0x88, b"\x41"),),
        ((0xDA, b""),),
    )


def test_inf_req_is_answered_to_all_or_refused_to_one():
    (told,) = ask(NODE_PROFILE, Service.INF_REQ, (0xD5, b""))
    assert told.multicast
    assert (told.frame.service, told.frame.properties) == (Service.INF, ((0xD5, bytes.fromhex("0105FF01")),))
    (refused,) = ask(NODE_PROFILE, Service.INF_REQ, (0xD5, b""), (0xDA, b""))
    assert not refused.multicast
    assert refused.frame.service is Service.INF_SNA


def test_infc_is_acknowledged():
    frame = reply(ask(CONTROLLER, Service.INFC, (0xC7, b"\x41"), (0xDA, b"\x42")))
    assert (frame.service, frame.properties) == (Service.INFC_RES, ((0xC7, b""), (0xDA, b"")))


@pytest.mark.parametrize(("deoj", "eoj"), [(0x0EF000, NODE_PROFILE), (0x05FF00, CONTROLLER)])
def test_instance_zero_is_answered_by_the_instance(deoj, eoj):
    assert reply(ask(deoj, Service.GET, (0x80, b""))).seoj == eoj


@pytest.mark.covers("AIF-2.2-1")
def test_what_is_not_for_us_or_no_request_is_ignored():
    for deoj in (0x027E01, 0x05FF02, 0x0EF002, 0x027E00):
        assert ask(deoj, Service.GET, (0x80, b"")) == []
    for service in (Service.INF, Service.GET_RES, Service.SET_C_SNA, Service.INFC_RES):
        assert ask(CONTROLLER, service, (0x80, b"\x30")) == []


def test_the_identity_has_its_sizes():
    with pytest.raises(ValueError, match="13 unique bytes"):
        OwnNode(b"short")
