"""The decoders on whatever hypothesis can think of; `atheris_frames.py` does the same guided by coverage."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.echonet.frame import Service
from tests.fuzz import targets
from tests.fuzz.targets import TARGETS, Target, all_definitions, check_value

properties = st.lists(
    st.tuples(st.integers(0x70, 0xFF), st.integers(0, 20), st.binary(max_size=20)).map(
        lambda told: bytes((told[0], told[1])) + told[2]
    ),
    max_size=6,
).map(lambda told: bytes((len(told),)) + b"".join(told))
services = st.sampled_from([int(service) for service in Service]) | st.integers(0, 255)
eojs = st.sampled_from(["027E01", "02A101", "05FF01", "0EF001", "05FF00"]).map(bytes.fromhex) | st.binary(
    min_size=3, max_size=3
)


@st.composite
def nearly_frames(draw: st.DrawFn) -> bytes:
    """What comes close to a frame: its counts and lengths are true by luck only."""
    tid = draw(st.sampled_from([b"\0\0", b"\0\1"]) | st.binary(min_size=2, max_size=2))
    head = b"\x10\x81" + tid + draw(eojs) + draw(eojs) + bytes((draw(services),))
    return head + draw(properties) + draw(st.just(b"") | properties | st.binary(max_size=8))


@settings(max_examples=300)
@given(nearly_frames() | st.binary(max_size=80))
@example(b"")
@example(bytes.fromhex("1081000105FF01027E0161FF"))
def test_a_datagram_is_a_frame_or_a_frame_error_and_nothing_behind_it_raises(data: bytes) -> None:
    targets.frame(data)


@settings(max_examples=300)
@given(st.tuples(services, properties).map(lambda told: bytes((told[0],)) + told[1]))
@example(bytes.fromhex("5101DA01"))
def test_every_answer_is_sorted_by_what_was_asked(data: bytes) -> None:
    targets.answered(data)


@given(st.binary(max_size=20) | st.binary(min_size=16, max_size=16).map(lambda bits: b"\x40" + bits))
def test_a_property_map_is_whole_or_refused(data: bytes) -> None:
    targets.property_map(data)


@given(
    st.binary(max_size=260)
    | st.lists(st.binary(min_size=3, max_size=3), max_size=84).map(lambda told: bytes((len(told),)) + b"".join(told))
)
def test_an_instance_list_is_whole_or_refused(data: bytes) -> None:
    targets.instance_list(data)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=40))
def test_every_definition_of_every_class_reads_any_bytes(edt: bytes) -> None:
    for definition in all_definitions():
        check_value(definition, edt)


@pytest.mark.parametrize("size", [0, 1, 2, 4, 8])
@pytest.mark.parametrize("byte", [0x00, 0x30, 0x41, 0x7F, 0x80, 0xFD, 0xFE, 0xFF])
def test_every_definition_reads_the_extremes_of_its_sizes(byte: int, size: int) -> None:
    for definition in all_definitions():
        check_value(definition, bytes((byte,)) * size)


@given(st.binary(min_size=3, max_size=24))
def test_every_release_of_a_class_reads_any_property(data: bytes) -> None:
    targets.view(data)


def test_each_target_understands_a_seed_of_its_own() -> None:
    begun: set[Target] = set()
    for target, data in targets.seeds():
        target(data)
        begun.add(target)
    assert begun == set(TARGETS)


def test_a_broken_promise_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "encode", lambda frame: b"")
    with pytest.raises(AssertionError):
        targets.frame(bytes.fromhex("10810001027E0105FF017201DA0142"))
