"""Columns as a terminal shows them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.cli.layout import WIDTH, cut, duration, labelled, pad, table, width_of, wrap

texts = st.text(st.sampled_from("aé車両 か-"), max_size=40)


@given(texts, st.integers(1, 60))
def test_cells_have_their_width(text: str, width: int) -> None:
    assert width_of(pad(text, width)) == width_of(pad(text, width, right=True)) == width
    assert width_of(cut(text, width)) <= width
    if width_of(text) <= width:
        assert cut(text, width) == text


@given(texts, st.integers(2, 60))
def test_wrapping_loses_nothing(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(width_of(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_japanese_takes_two_columns() -> None:
    assert width_of("車両 ID") == 7
    assert list(table([("車", "a"), ("ab", "b")], (2, 1))) == ["車  a", "ab  b"]
    assert all(width_of(line) <= WIDTH for line in labelled("label", "車両接続 " * 40))


@pytest.mark.parametrize(
    ("milliseconds", "shown"), [(0, "0 ms"), (21, "21 ms"), (1500, "1.5 s"), (119_000, "119.0 s"), (600_000, "10 min")]
)
def test_times_are_for_people(milliseconds: int, shown: str) -> None:
    assert duration(milliseconds) == shown
