"""Matches as sets of units: what they hold, where they meet, and which one lies within which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.echonet.values import IntegerCodec, RawCodec, StateCodec, StructCodec
from bridge.mapping.model import releases
from bridge.mapping.overlaymatch import Match, match_of
from bridge.mapping.overlaymodel import MatchModel
from bridge.mapping.versions import version_of, version_range, version_text

LETTERS = "ABC"
CODES = st.text(LETTERS, min_size=1, max_size=4)
PATTERNS = st.tuples(CODES, st.sampled_from(["", "*"])).map("".join)
NUMBERS = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))


@st.composite
def ranges(draw: st.DrawFn) -> str:
    first, last = draw(NUMBERS), draw(NUMBERS)
    text = draw(st.sampled_from([first, f"{first}-", f"{first}-{last}"]))
    try:
        version_range(text)
    except ValueError:
        return first
    return text


@st.composite
def matches(draw: st.DrawFn) -> Match:
    keys = {
        "manufacturer": st.sampled_from(["0x000001", "0x000002"]),
        "productCode": st.one_of(PATTERNS, st.lists(PATTERNS, min_size=1, max_size=3)),
        "release": st.sampled_from(["D-", "P-", "D-M", "N", "R"]),
        "firmware": ranges(),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(keys)), min_size=1))
    return match_of(MatchModel.model_validate({key: draw(keys[key]) for key in sorted(chosen)}))


@st.composite
def units(draw: st.DrawFn) -> dict[str, object]:
    return {
        "manufacturer": bytes.fromhex(draw(st.sampled_from(["000001", "000002"]))),
        "product_code": draw(CODES),
        "release": draw(st.sampled_from("DMNPR")),
        "firmware": version_of(draw(NUMBERS)),
    }


def holds(match: Match, unit: dict[str, object]) -> bool:
    return all(match.holds(name, unit[name]) for name in match.keys)  # type: ignore[arg-type]


@given(matches(), matches(), units())
def test_what_lies_in_both_is_what_both_hold(one: Match, other: Match, unit: dict[str, object]) -> None:
    both = one.within(other)
    assert holds(both, unit) == (holds(one, unit) and holds(other, unit))
    if both.empty_keys:
        assert not holds(both, unit)
        assert not one.meets(other)


@given(matches(), matches(), units())
def test_what_covers_another_holds_all_of_its_units(one: Match, other: Match, unit: dict[str, object]) -> None:
    if one.covers(other) and holds(other, unit):
        assert holds(one, unit)
    assert one.covers(one.within(other))


@pytest.mark.parametrize(
    ("wanted", "told", "held"),
    [
        ("2.1", "2.1", True),
        ("2.1", "2.1.9", True),
        ("2.1", "2.10", False),
        ("2.1-", "2.1", True),
        ("2.1-", "10.0", True),
        ("2.1-", "2.0.9", False),
        ("2.1-2.4", "2.4.7", True),
        ("2.1-2.4", "2.5", False),
        ("2-3", "V3.9-rc2", True),
        ("2", "Ver. 2", True),
    ],
)
def test_a_bound_of_a_version_says_nothing_of_the_parts_behind_it(wanted: str, told: str, held: bool) -> None:
    version = version_of(told)
    assert version is not None
    assert match_of(MatchModel(firmware=wanted)).holds("firmware", version) is held


@pytest.mark.parametrize("text", ["", "x", "2.", ".2", "2.1 - 2.4", "-2", "2.4-2.3.9", "1.2.3.4.5.6.7", "2.12.4x"])
def test_what_is_no_range_of_versions(text: str) -> None:
    with pytest.raises(ValueError, match=r"version|ends before"):
        version_range(text)


def test_a_version_is_read_from_whatever_form_a_maker_gives_it() -> None:
    assert version_text(RawCodec(1, 8).decode(b"V2.1b\0\0 ")) == "V2.1b"
    assert version_text(RawCodec(1, 8).decode(b"\x00\x02\x01")) == "0.2.1"
    two = StructCodec(
        (("major", IntegerCodec(1, False, 0, 99, 1, 1)), ("minor", IntegerCodec(1, False, 0, 99, 1, 1))), (1, 1)
    )
    assert version_text(two.decode(b"\x02\x0a")) == "2.10"
    assert version_text(StateCodec(1, ((1, 1, "first"),)).decode(b"\x09")) == ""
    assert version_of("beta") is None
    assert version_of("0.2.1") == version_of("0.2.1.0")


@pytest.mark.parametrize(
    ("pattern", "code", "held"),
    [("ABC-1", "ABC-1", True), ("ABC-1", "ABC-12", False), ("ABC-1*", "ABC-12", True), ("ABC-1*", "ABC-1", True),
     ("ABC-1*", "abc-12", False), ("A B*", "A B C", True)],
)  # fmt: skip
def test_a_product_code_is_matched_whole_or_by_its_beginning(pattern: str, code: str, held: bool) -> None:
    assert match_of(MatchModel.model_validate({"productCode": pattern})).holds("product_code", code) is held


def test_releases_are_their_letters() -> None:
    match = match_of(MatchModel(release="M-P"))
    assert match.release == frozenset(releases("M-P")) == frozenset("MNP")
