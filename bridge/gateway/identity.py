"""Who an object on a network is, and which unit of the configuration that makes it. No I/O.

An object is known by its own 0x83, else by its node's and its object code, else only by where it is (weak). What was
learnt once binds: a unit is recognised at whatever address it turns up, and nobody else takes its place.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import field
from typing import Final, NamedTuple

from bridge.echonet.turns import address_kind, plain_address, tells_apart
from bridge.echonet.wellknown import class_of
from bridge.records import dataclass

#: A unit with an address of its own in the configuration gives way to another one there after it was gone so long (ms).
EXCHANGED_AFTER: Final = 600_000
#: So many objects are remembered; a flood of forged ones must not grow the process.
REMEMBERED: Final = 4_096


class Place(NamedTuple):
    """Where an object is."""

    network: str
    address: str
    eoj: int

    def __str__(self) -> str:
        return f"{self.address} {self.eoj:06X} ({self.network})"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an object is. `told` is the 0x83 in hex, of the device or its node; '' where neither tells one (weak).

    `key` tells objects apart: nodes exist that give all their objects one 0x83.
    """

    told: str
    key: str

    @property
    def weak(self) -> bool:
        """Whether only its address tells it from others."""
        return not self.told

    @classmethod
    def of(cls, place: Place, answers: Iterable[bytes]) -> Identity:
        """From what the device and its node answer to 0x83, the device first."""
        for edt in answers:
            if tells_apart(edt):
                return cls(edt.hex(), f"{edt.hex()}/{place.eoj:06x}")
        return cls("", f"at {place.network}/{place.address}/{place.eoj:06x}")

    @classmethod
    def from_key(cls, key: str) -> Identity:
        """As it was kept."""
        return cls("" if key.startswith("at ") else key.partition("/")[0], key)

    def __str__(self) -> str:
        return self.told.upper() or "no identity of its own"


@dataclass(frozen=True, slots=True)
class Thing:
    """What the configuration says of a unit or a meter. `networks`: where it may be."""

    name: str
    class_code: int
    networks: tuple[str, ...]
    address: str | None = None
    identity: str | None = None
    instance: int | None = None

    def may_be(self, place: Place) -> bool:
        """Whether class, instance and network fit."""
        fits = self.class_code == class_of(place.eoj) and place.network in self.networks
        return fits and self.instance in (None, place.eoj & 0xFF)

    @property
    def described(self) -> str:
        """What was learnt under another description is void."""
        return f"{self.class_code:04x} {self.instance} {self.address} {self.identity} {','.join(self.networks)}".lower()


@dataclass(slots=True)
class Whereabouts:
    """What is known of a thing: who it is, where it is, where else it is reached, since when it is gone (ms)."""

    known: Identity | None = None
    at: Place | None = None
    others: list[Place] = field(default_factory=list)
    gone_since: int = 0
    trouble: str | None = None


class Register:
    """Which object is which thing. `started`: when the gateway began (ms)."""

    def __init__(self, things: Iterable[Thing], started: int = 0) -> None:
        self.things: Mapping[str, Thing] = {thing.name: thing for thing in things}
        self.of = {name: Whereabouts(gone_since=started) for name in self.things}
        self.conflicts: dict[str, dict[Place, str]] = {}  # by what was told: the claimants, and whose place each is
        self._seen: OrderedDict[Place, Identity] = OrderedDict()
        self._holders: dict[Place, str] = {}

    @property
    def seen(self) -> Mapping[Place, Identity]:
        """All objects that have told who they are."""
        return self._seen

    def holder(self, place: Place) -> str | None:
        """Whose place this is, the other ways to it included."""
        return self._holders.get(place)

    def disputed(self, place: Place) -> bool:
        """Whether the object there claims an identity that another one claims too."""
        return any(place in claimants for claimants in self.conflicts.values())

    def contested(self, name: str) -> bool:
        """Whether a thing must not be controlled because of such a claim."""
        return any(name in claimants.values() for claimants in self.conflicts.values())

    def saw(self, place: Place, identity: Identity) -> None:
        """An object has told who it is."""
        self._seen[place] = identity
        self._seen.move_to_end(place)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    def forget(self, place: Place) -> None:
        """Nobody is there any more, or somebody else."""
        self._seen.pop(place, None)

    def rivals(self, place: Place, identity: Identity) -> list[Place]:
        """Who else has told this identity, at an address that one node would not have besides."""
        if identity.weak:
            return []
        return [
            other for other, seen in self._seen.items() if seen.told == identity.told and not same_node(place, other)
        ]

    def dispute(self, identity: Identity, places: Collection[Place]) -> dict[Place, str]:
        """Several objects claim one identity: none of them is anybody until that is cleared. Whose each would be."""
        claimants = self.conflicts.setdefault(identity.told, {})
        for place in places:
            claimants[place] = self._owner(place, identity) or claimants.get(place, "")
        for name in claimants.values():
            if name and self.things[name].address is not None:
                self.of[name].known = None  # it tells nobody apart, as has been seen; the address does
        return claimants

    def _owner(self, place: Place, identity: Identity) -> str | None:
        """Whose place it is, or would be."""
        things = (thing.name for thing in self.things.values() if thing.may_be(place))
        by_address = (name for name in things if self.things[name].address == place.address)
        return self.holder(place) or next(by_address, None) or self.name_of(place, identity)

    def narrow(self, told: str, claimants: Collection[Place]) -> None:
        """Only these still claim it; a single one may be somebody again."""
        left = {place: name for place, name in self.conflicts.pop(told, {}).items() if place in claimants}
        if len(left) > 1:
            self.conflicts[told] = left

    def name_of(self, place: Place, identity: Identity, gone: Collection[str] = (), now: int = 0) -> str | None:
        """Which thing an object is: by identity, by what was learnt, by address, or the first that is still free.

        `gone`: things that do not answer where they were last.
        """
        things = [thing for thing in self.things.values() if thing.may_be(place)]
        for thing in things:
            if thing.identity is not None and thing.identity.lower() == identity.told:
                return thing.name
        open_things = [thing for thing in things if thing.identity is None]
        for thing in open_things:
            known, at = self.of[thing.name].known, self.of[thing.name].at
            if known is None:
                continue
            if known.key == identity.key and self._reachable_as(thing, known, place):
                return thing.name
            if known.weak and at == place:  # it has told more than before
                return thing.name
        exact_first = sorted(open_things, key=lambda thing: thing.instance is None)
        for thing in exact_first:
            if thing.address == place.address and self._may_take(thing, place, identity, gone, now):
                return thing.name
        for thing in exact_first:
            if thing.address is None and self._is_free(thing.name, gone):
                return thing.name
        return None

    def expects_another(self, place: Place, identity: Identity, now: int) -> bool:
        """Whether a thing that has told who it is is there, or has not been gone for long from there."""
        for thing in self.things.values():
            whereabouts = self.of[thing.name]
            known, at = whereabouts.known, whereabouts.at
            if known is None or known.weak or known.key == identity.key or not thing.may_be(place):
                continue
            absent = at is None and thing.address == place.address and now - whereabouts.gone_since < EXCHANGED_AFTER
            if at == place or absent:
                return True
        return False

    def settle_at(self, name: str, place: Place, identity: Identity) -> None:
        """A thing is there."""
        whereabouts = self.of[name]
        if whereabouts.at != place:
            self._let_go(name)
            whereabouts.at = place
        whereabouts.known = identity
        whereabouts.trouble = None
        self._holders[place] = name

    def also(self, name: str, place: Place) -> None:
        """A thing is reached on another way too."""
        if place not in self.of[name].others:
            self.of[name].others.append(place)
        self._holders[place] = name

    def displace(self, name: str, now: int, trouble: str) -> None:
        """A thing is no longer where it was."""
        self._let_go(name)
        self.of[name].gone_since = now
        self.of[name].trouble = trouble

    def _let_go(self, name: str) -> None:
        whereabouts = self.of[name]
        for place in [place for place, holder in self._holders.items() if holder == name]:
            del self._holders[place]
        whereabouts.at = None
        whereabouts.others.clear()

    @staticmethod
    def _reachable_as(thing: Thing, known: Identity, place: Place) -> bool:
        """A weak identity is an address and no more: the configuration's own address decides about it."""
        return not known.weak or thing.address in (None, place.address)

    def _may_take(self, thing: Thing, place: Place, identity: Identity, gone: Collection[str], now: int) -> bool:
        """At a configured address: whoever is there, unless the one that was known is only away for a while."""
        whereabouts = self.of[thing.name]
        if whereabouts.at is not None and whereabouts.at != place and thing.name not in gone:
            return False
        known = whereabouts.known
        if known is None or known.weak or known.key == identity.key:
            return True
        absent = whereabouts.at is None or thing.name in gone
        return absent and not identity.weak and now - whereabouts.gone_since >= EXCHANGED_AFTER

    def _is_free(self, name: str, gone: Collection[str]) -> bool:
        """Nobody's place yet; a thing that only its address told from others may turn up anywhere."""
        whereabouts = self.of[name]
        if self.contested(name):
            return False
        if whereabouts.known is None:
            return True
        return whereabouts.known.weak and (whereabouts.at is None or name in gone)


def same_node(one: Place, other: Place) -> bool:
    """Whether one node may have both places: the same address, or addresses of different kinds.

    A node has an IPv4 address, a link-local IPv6 address and perhaps a global one; two of one kind are two nodes.
    """
    if plain_address(one.address) == plain_address(other.address):
        return True
    return address_kind(one.address) != address_kind(other.address)
