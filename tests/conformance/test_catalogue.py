"""The catalogue is complete and well formed."""

from collections import Counter

from tests.conformance.catalogue import catalogue


def test_the_lists_have_the_sources_numbers() -> None:
    kinds = Counter(one.kind for one in catalogue().values())
    assert kinds == {"echonet-requirement": 41, "echonet-scenario": 17, "ocpp-test-case": 424}


def test_the_profiles_have_the_sources_numbers() -> None:
    profiles = Counter(
        profile for one in catalogue().values() if one.kind == "ocpp-test-case" for profile in one.profile.split(";")
    )
    assert profiles == {
        "Core": 222,
        "Advanced Security": 7,
        "Local Authorization List Management": 22,
        "Smart Charging": 36,
        "Advanced Device Management": 41,
        "Reservation": 22,
        "Advanced User Interface": 33,
        "ISO 15118 Support": 61,
        "unlisted": 15,
    }


def test_every_line_is_filled_in() -> None:
    for one in catalogue().values():
        assert one.title, one
        assert len(one.title) <= 120, one
        assert one.obligation in ("M", "C") or one.profile == "unlisted", one
        assert "|" not in one.title
