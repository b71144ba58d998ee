"""`bridge.records.dataclass` does what Python's does; that it takes less is why it exists."""

from __future__ import annotations

import copy
import dataclasses
import gc
import pickle
import tracemalloc
from dataclasses import FrozenInstanceError, field
from typing import Any

import pytest

from bridge.records import dataclass

SHAPES = [
    {},
    {"slots": True},
    {"frozen": True},
    {"frozen": True, "slots": True},
    {"eq": False},
    {"repr": False},
    {"order": True, "frozen": True},
]


def made(by: Any, shape: dict[str, bool]) -> Any:
    """The same class, by our decorator or Python's."""

    class Sample:
        """Doc."""

        one: int
        two: tuple[str, ...] = ()
        hidden: int = field(default=0, repr=False, compare=False)

        @property
        def twice(self) -> int:
            return 2 * self.one

    return by(**shape)(Sample)


def what_happens(act: Any) -> Any:
    """What comes out, or which error."""
    try:
        return act()
    except Exception as error:
        return type(error), str(error)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_instance_does_what_pythons_would(shape: dict[str, bool]) -> None:
    told = []
    for by in (dataclass, dataclasses.dataclass):
        kind = made(by, shape)
        one, same, other = kind(1, ("a",)), kind(1, ("a",), hidden=7), kind(2)
        told.append(
            [
                repr(one).split(" object at ")[0],
                one == same,
                one == other,
                one == 1,
                one != same,
                what_happens(lambda one=one, same=same: hash(one) == hash(same)),
                what_happens(lambda one=one, other=other: one < other),
                what_happens(lambda one=one: setattr(one, "one", 5)),
                what_happens(lambda one=one: delattr(one, "two")),
                # With slots Python's own fails in another way: it asks a class that is no longer there.
                shape == {"frozen": True, "slots": True} or what_happens(lambda one=one: setattr(one, "other", 5)),
                dataclasses.asdict(dataclasses.replace(other, two=("b",))),
                [each.name for each in dataclasses.fields(kind)],
                kind.__match_args__,
                copy.deepcopy(other).two,
                one.twice,
                kind.__doc__,
                what_happens(lambda kind=kind: kind()),
            ]
        )
    assert told[0] == told[1]


def test_methods_of_a_class_itself_stay() -> None:
    @dataclass(frozen=True, slots=True)
    class Own:
        one: int

        def __repr__(self) -> str:
            return "mine"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    assert (repr(Own(1)), Own(1) == Own(2), hash(Own(1))) == ("mine", True, 7)


def test_a_class_with_an_own_equality_is_hashed_as_pythons() -> None:
    for by in (dataclass, dataclasses.dataclass):

        @by(frozen=True)
        class Own:
            one: int

            def __eq__(self, other: object) -> bool:
                return isinstance(other, type(self))

        assert hash(Own(1)) == hash(Own(1))
        assert Own(1) == Own(2)


def test_a_child_adds_fields_and_compares_all() -> None:
    @dataclass(frozen=True)
    class Parent:
        one: int

    @dataclass(frozen=True)
    class Child(Parent):
        two: int = 2

    assert Child(1) == Child(1, 2) != Child(1, 3)
    assert Child(1) != Parent(1)
    assert repr(Child(1)).endswith("Child(one=1, two=2)")
    with pytest.raises(FrozenInstanceError):
        Child(1).one = 2  # type: ignore[misc]


def test_a_class_that_only_inherits_may_have_attributes_of_its_own() -> None:
    @dataclass(frozen=True)
    class Parent:
        one: int

    class Plain(Parent):
        pass

    plain = Plain(1)
    plain.more = 3  # type: ignore[attr-defined]
    del plain.more  # type: ignore[attr-defined]
    with pytest.raises(FrozenInstanceError):
        plain.one = 2  # type: ignore[misc]


def test_without_fields_all_are_equal() -> None:
    @dataclass(frozen=True, slots=True)
    class Nothing:
        pass

    assert Nothing() == Nothing()
    assert hash(Nothing()) == hash(Nothing())
    assert repr(Nothing()).endswith("Nothing()")


def test_one_that_holds_itself_can_be_shown() -> None:
    @dataclass
    class Ring:
        next: Any = None

    ring = Ring()
    ring.next = ring
    assert repr(ring).endswith("Ring(next=...)")


@dataclass(frozen=True, slots=True)
class Packed:
    one: int


def test_one_can_be_packed_though_nobody_may_change_it() -> None:
    assert pickle.loads(pickle.dumps(Packed(3))) == Packed(3)


def test_what_is_not_offered_is_refused() -> None:
    with pytest.raises(TypeError, match="unsafe_hash"):
        dataclass(unsafe_hash=True)
    with pytest.raises(TypeError, match="hash"):

        @dataclass(frozen=True)
        class Odd:
            one: int = field(default=0, hash=False)


def taken(by: Any) -> float:
    """Bytes of memory for a frozen class with slots: the least of some looks, as other threads allocate too,
    and `object` a larger list of its subclasses now and then."""
    return min(taken_once(by) for _ in range(5))


def taken_once(by: Any) -> float:
    kinds = [made(by, {"frozen": True, "slots": True}) for _ in range(5)]
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kinds += [made(by, {"frozen": True, "slots": True}) for _ in range(50)]
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / 50


def test_a_class_takes_less_than_half_of_the_memory() -> None:
    assert taken(dataclass) < taken(dataclasses.dataclass) / 2
