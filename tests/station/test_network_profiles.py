"""Network profiles as data: what stands in the slots, who is let into the list, and what a site is told of it."""

from __future__ import annotations

import pytest

from bridge.station.network_profiles import (
    EMPTY,
    Profile,
    after_upgrade,
    differences,
    parse_priority,
    priority_complaint,
    profiles_of,
    slot_setting,
)

SITE = Profile("ws://site.example/", 1)
OTHER = Profile("wss://other.example/", 2, 45)


def kept(**slots: str) -> dict[str, str]:
    return {slot_setting(int(name[1:])): text for name, text in slots.items()}


def test_the_site_is_in_the_first_slot_until_a_csms_has_set_it() -> None:
    assert profiles_of(SITE, {}) == {1: SITE}
    assert profiles_of(SITE, kept(s1=OTHER.to_text())) == {1: OTHER}
    assert profiles_of(SITE, kept(s2=OTHER.to_text())) == {1: SITE, 2: OTHER}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"url": 1}', '{"url": "ws://x"}'])
def test_what_cannot_be_read_strands_nobody(text: str) -> None:
    assert profiles_of(SITE, kept(s1=text, s2=text)) == {1: SITE}


def test_an_emptied_slot_stays_empty_but_something_is_always_there() -> None:
    assert profiles_of(SITE, kept(s1=EMPTY, s2=OTHER.to_text())) == {2: OTHER}
    assert profiles_of(SITE, kept(s1=EMPTY)) == {1: SITE}


@pytest.mark.parametrize(
    ("order", "security", "has_root", "reason"),
    [
        ("1", 1, False, None),
        ("2,1", 1, False, "InvalidCertificate"),
        ("2,1", 1, True, None),
        ("2,1", 2, True, "NoSecurityDowngrade"),
        ("2", 2, False, None),  # it is in use already
        ("3", 1, True, "InvalidValue"),
    ],
)
def test_who_is_let_into_the_list(order: str, security: int, has_root: bool, reason: str | None) -> None:
    said = priority_complaint(order, {1: SITE, 2: OTHER}, security, has_root=has_root)
    assert (said and said[0].value) == reason


def test_what_a_higher_security_profile_leaves() -> None:
    assert after_upgrade((2, 1), {1: SITE, 2: OTHER}, 2) == ((2,), (1,))
    assert after_upgrade((2, 1), {1: SITE, 2: OTHER}, 1) == ((2, 1), ())


def test_a_list_is_read_as_far_as_it_is_one() -> None:
    assert parse_priority("2, 1") == (2, 1)
    assert parse_priority("") == ()
    assert parse_priority("9,1,x") == (1,)


def test_a_site_is_told_what_its_file_does_not_say() -> None:
    assert differences(SITE, {}, None) == []
    assert differences(SITE, {}, "1") == []
    told = differences(SITE, kept(s1=Profile("ws://elsewhere/", 1).to_text(), s2=OTHER.to_text()), "2,1")
    assert told == [
        "network profile 1: ws://elsewhere/, security profile 1 (set by the CSMS)"
        " in place of the site file's ws://site.example/, security profile 1",
        "network profile 2: wss://other.example/, security profile 2 (set by the CSMS)",
        "network profiles are tried in the order 2, 1 (set by the CSMS)",
    ]
    [gone, *_] = differences(SITE, kept(s1=EMPTY, s2=OTHER.to_text()), "2")
    assert "given up for a higher security profile" in gone
