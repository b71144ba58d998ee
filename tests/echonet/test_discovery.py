"""Which frames tell of which objects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.echonet.discovery import Discovery, Found, Search
from bridge.echonet.frame import Frame, Service
from tests.tools.wire import inform

NODE = "192.0.2.7"
PROFILE = 0x0EF001
EV, CHARGER = 0x027E, 0x02A1


def found(discovery: Discovery, frame: Frame, address: str = NODE) -> list[int]:
    return [each.eoj for each in discovery.take(address, frame)]


@pytest.mark.covers("AIF-3.1.1-1")
@pytest.mark.parametrize(
    ("edt", "eojs"),
    [
        ("01 027E01", [0x027E01]),
        ("03 027E01 027E02 027E1F", [0x027E01, 0x027E02, 0x027E1F]),
        ("04 029001 027E01 05FF01 02A101", [0x027E01, 0x02A101]),
        ("02 029001 05FF01", []),
        ("02 027E01 027E01", [0x027E01]),
        ("01 027E00", []),
        ("00", []),
    ],
)
def test_an_instance_list_notification_names_the_managed_objects(edt, eojs):
    discovery = Discovery({EV, CHARGER})
    assert found(discovery, inform(PROFILE, (0xD5, bytes.fromhex(edt)))) == eojs
    assert discovery.known == tuple((NODE, eoj) for eoj in eojs)


def test_a_broken_list_is_counted_and_costs_nothing_else():
    discovery = Discovery({EV})
    frame = inform(PROFILE, (0xD5, bytes.fromhex("02027E01")), (0xD6, bytes.fromhex("01027E02")))
    assert found(discovery, frame) == [0x027E02]
    assert discovery.bad_lists == 1


def test_a_node_that_starts_again_is_told_as_such():
    discovery = Discovery({EV})
    frame = inform(PROFILE, (0xD5, bytes.fromhex("01027E01")))
    assert discovery.take(NODE, frame) == (Found(NODE, 0x027E01, new=True, started=True),)
    assert discovery.take(NODE, frame) == (Found(NODE, 0x027E01, new=False, started=True),)
    answer = Frame(1, PROFILE, 0x05FF01, Service.GET_RES, ((0xD6, bytes.fromhex("01027E01")),))
    assert discovery.take(NODE, answer) == (Found(NODE, 0x027E01, new=False, started=False),)
    assert discovery.take("192.0.2.9", answer) == (Found("192.0.2.9", 0x027E01, new=True, started=False),)
    discovery.forget(NODE)
    assert discovery.take(NODE, answer)[0].new


@pytest.mark.parametrize("service", [Service.GET_RES, Service.GET_SNA, Service.INF, Service.INFC])
def test_whatever_a_wanted_object_says_shows_it_once(service):
    discovery = Discovery({EV})
    frame = Frame(1, 0x027E1F, 0x05FF01, service, ((0x80, b"\x30"),))
    assert found(discovery, frame) == [0x027E1F]
    assert found(discovery, frame) == []


def test_requests_and_other_classes_show_nothing():
    discovery = Discovery({EV})
    assert found(discovery, Frame(1, 0x027E01, 0x05FF01, Service.GET, ((0x80, b""),))) == []
    assert found(discovery, inform(0x029001, (0x80, b"\x30"))) == []
    assert found(discovery, inform(PROFILE, (0x80, b"\x30"))) == []


@pytest.mark.covers("AIF-3.1.2-1")
def test_searches_go_by_instance_lists_and_by_classes_in_turn():
    discovery = Discovery({CHARGER, EV})
    lists = (Search(PROFILE, ((0xD6, b""),)),)
    assert discovery.searches() == lists
    assert discovery.searches() == (Search(0x027E00, ((0x80, b""),)), Search(0x02A100, ((0x80, b""),)))
    assert discovery.searches() == lists


def test_complete_is_when_every_class_has_been_seen():
    discovery = Discovery({CHARGER, EV})
    discovery.take(NODE, inform(PROFILE, (0xD5, bytes.fromhex("01027E01"))))
    assert not discovery.complete()
    discovery.take(NODE, inform(0x02A101, (0x80, b"\x30")))
    assert discovery.complete()


@given(st.binary(max_size=30), st.sampled_from([0xD5, 0xD6]))
def test_no_list_raises(edt, epc):
    for each in Discovery({EV}).take(NODE, inform(PROFILE, (epc, edt))):
        assert each.eoj >> 8 == EV
