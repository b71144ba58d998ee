"""Which object is which unit: by what it tells, by what was learnt, by address, or as the first that is free."""

from __future__ import annotations

import pytest

from bridge.gateway.identity import EXCHANGED_AFTER, REMEMBERED, Identity, Place, Register, Thing

CLASS, EOJ = 0x027E, 0x027E01
HOME = ("home",)
A, B = bytes([0xFE, 0, 0, 0x77, *range(1, 14)]), bytes([0xFE, 0, 0, 0x77, *range(2, 15)])


def at(address: str, eoj: int = EOJ, network: str = "home") -> Place:
    return Place(network, address, eoj)


def who(place: Place, *answers: bytes) -> Identity:
    return Identity.of(place, answers)


def register(**things: dict[str, object]) -> Register:
    return Register(Thing(name, CLASS, **{"networks": HOME, **of}) for name, of in things.items())  # type: ignore[arg-type]


def found(where: Register, name: str | None, place: Place, *answers: bytes, gone: tuple[str, ...] = ()) -> None:
    """The object there is judged to be `name`, and is put there."""
    identity = who(place, *answers)
    where.saw(place, identity)
    assert where.name_of(place, identity, gone) == name
    if name is not None:
        where.settle_at(name, place, identity)


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([A], A.hex()),
        ([A, B], A.hex()),
        ([b"", B], B.hex()),
        ([A[:4] + bytes(13), B], B.hex()),
        ([A[:4] + b"\xff" * 13, B], B.hex()),
        ([bytes(17)], ""),
        ([b"\xfe\x00\x00\x77"], ""),
        ([], ""),
    ],
)
def test_the_device_before_its_node_before_its_address(answers: list[bytes], told: str) -> None:
    identity = who(at("10.0.0.2"), *answers)
    assert identity.told == told
    assert identity.weak is (told == "")
    assert Identity.from_key(identity.key) == identity


def test_objects_of_one_node_with_one_identity_are_two() -> None:
    here = register(a={"instance": 1}, b={"instance": 2})
    found(here, "a", at("10.0.0.2", 0x027E01), A)
    found(here, "b", at("10.0.0.2", 0x027E02), A)
    found(here, "b", at("10.0.0.9", 0x027E02), A)
    assert here.rivals(at("10.0.0.2", 0x027E01), who(at("10.0.0.2"), A)) == [at("10.0.0.9", 0x027E02)]


def test_the_first_that_is_found_stays_the_first() -> None:
    here = register(car={})
    found(here, "car", at("10.0.0.2"), A)
    found(here, None, at("10.0.0.3"), B)
    here.displace("car", 0, "")
    found(here, None, at("10.0.0.3"), B, gone=("car",))
    found(here, "car", at("10.0.0.4"), A)


def test_a_unit_that_only_its_address_tells_from_others_may_come_back_elsewhere() -> None:
    here = register(car={})
    found(here, "car", at("10.0.0.2"))
    found(here, None, at("10.0.0.3"))
    found(here, "car", at("10.0.0.3"), gone=("car",))


def test_a_weak_identity_becomes_a_strong_one_in_its_place() -> None:
    here = register(car={})
    found(here, "car", at("10.0.0.2"))
    found(here, "car", at("10.0.0.2"), A)
    assert here.of["car"].known == who(at("10.0.0.2"), A)


def test_two_that_have_exchanged_their_addresses() -> None:
    here = register(a={"address": "10.0.0.2"}, b={"address": "10.0.0.3"})
    found(here, "a", at("10.0.0.2"), A)
    found(here, "b", at("10.0.0.3"), B)
    found(here, "a", at("10.0.0.3"), A)
    found(here, "b", at("10.0.0.2"), B)


def test_another_unit_at_a_configured_address_has_to_wait() -> None:
    here = register(a={"address": "10.0.0.2"})
    found(here, "a", at("10.0.0.2"), A)
    here.displace("a", 1_000, "")
    place = at("10.0.0.2")
    assert here.name_of(place, who(place, B), ["a"], EXCHANGED_AFTER + 999) is None
    assert (
        here.name_of(place, who(place), ["a"], EXCHANGED_AFTER + 1_000) is None
    )  # it tells nothing: not for sure another
    assert here.name_of(place, who(place, B), ["a"], EXCHANGED_AFTER + 1_000) == "a"


def test_a_configured_identity_counts_for_more_than_an_address() -> None:
    here = register(a={"address": "10.0.0.2", "identity": B.hex().upper()}, b={})
    found(here, "b", at("10.0.0.2"), A)
    found(here, "a", at("10.0.0.3"), B)


@pytest.mark.parametrize("instance", [1, 2])
def test_an_instance_that_is_named_is_not_taken_by_who_takes_any(instance: int) -> None:
    here = register(any={"address": "10.0.0.2"}, exact={"address": "10.0.0.2", "instance": instance})
    found(here, "exact", at("10.0.0.2", CLASS << 8 | instance))
    found(here, "any", at("10.0.0.2", CLASS << 8 | 3 - instance))
    found(here, None, at("10.0.0.2", 0x027E05))


def test_another_class_or_network_is_nobodys() -> None:
    here = register(car={})
    found(here, None, at("10.0.0.2", 0x02A101))
    found(here, None, at("10.0.0.2", network="other"))


@pytest.mark.parametrize(
    ("one", "other", "rivals"),
    [
        (at("10.0.0.2"), at("10.0.0.3"), True),
        (at("10.0.0.2"), at("10.0.1.3", network="other"), True),
        (at("10.0.0.2"), at("fe80::2%eth0", network="six"), False),
        (at("fe80::2%eth0"), at("fe80::3%eth0"), True),
        (at("fe80::2%eth0"), at("fe80::2%eth1", network="other"), False),
        (at("fe80::2"), at("2001:db8::2"), False),
        (at("10.0.0.2"), at("10.0.0.2", network="other"), False),
    ],
)
def test_who_may_be_one_node_and_who_may_not(one: Place, other: Place, rivals: bool) -> None:
    here = register(car={})
    here.saw(one, who(one, A))
    assert bool(here.rivals(other, who(other, A))) is rivals
    assert here.rivals(other, who(other, B)) == []


def test_claimants_are_named_and_one_that_is_left_is_free_again() -> None:
    here = register(a={"address": "10.0.0.2"}, b={"address": "10.0.0.3"})
    found(here, "a", at("10.0.0.2"), A)
    both = {at("10.0.0.2"): "a", at("10.0.0.3"): "b"}
    assert here.dispute(who(at("10.0.0.3"), A), list(both)) == both
    assert here.contested("a")
    assert here.contested("b")
    assert here.disputed(at("10.0.0.3"))
    here.narrow(A.hex(), [at("10.0.0.3")])
    assert not here.contested("b")
    here.displace("a", 0, "")
    found(here, "b", at("10.0.0.3"), A)


def test_a_flood_of_objects_does_not_grow_without_end() -> None:
    here = register(car={})
    for number in range(REMEMBERED + 10):
        place = at(f"10.1.{number // 256}.{number % 256}")
        here.saw(place, who(place, A))
    assert len(here.seen) == REMEMBERED
