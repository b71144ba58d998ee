"""Whose turn it is where one node may have several addresses: IPv4 and IPv6, on one network or on several. No I/O.

One request at a time is the rule for a node (AIF 2.4.1), and a session knows addresses. So the sessions of all networks
share one `Turns`, in which each address has a seat. Addresses on one side (one network, one kind of address) are
different nodes. Across the sides it is the node profile's 0x83 that tells: the same one is the same node, which takes
turns with itself; and while a newcomer has not told it, it may be anybody, and takes turns with all other sides.

Whoever waits goes by priority and then by age. A stop waits for no more than what is open (`bridge.echonet.session`).
With one side only, which is nearly every house, nothing of this costs anything.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final, NamedTuple

#: Stands for the 0x83 of a node that has none, or keeps it to itself: such nodes take turns with each other for ever.
TELLS_NONE: Final = ""
#: A node that was silent so often before it told who it is does not tell it.
TRIES: Final = 3

#: Priority and age of a request that waits; the least goes first.
Ticket = tuple[int, int]


class Side(NamedTuple):
    """Where different addresses are different nodes: a session, and the kind of the address."""

    session: int
    kind: str


class Seat:
    """One address. `who`: its node's 0x83, None for a newcomer. `since` (ms): when it was asked what is still open."""

    __slots__ = ("_silences", "_spoke", "_stir", "_turns", "asked", "quiet", "side", "since", "ticket", "who")

    def __init__(self, turns: Turns, side: Side, stir: Callable[[], None], spoke: bool) -> None:
        self._turns = turns
        self._stir = stir
        self._silences = 0
        self._spoke = spoke
        self.side = side
        self.who: str | None = None
        self.asked = False  # who it is
        self.quiet = False  # it has never said a word, not even when it was asked: nobody is there
        self.since: int | None = None
        self.ticket: Ticket | None = None

    # What its session does

    def settle(self, since: int | None, ticket: Ticket | None) -> None:
        """Tell what is open at this address, and what waits for it."""
        if since != self.since or ticket != self.ticket:
            self.since, self.ticket = since, ticket
            self._turns.changed(self)

    def leave(self) -> None:
        """Nothing will be asked of this address any more."""
        self.settle(None, None)

    @property
    def several(self) -> bool:
        """Whether other addresses matter at all."""
        return self._turns.several

    @property
    def free(self) -> bool:
        """Whether what waits here may go out as far as other addresses go."""
        return self._turns.lets(self)

    def kept_since(self) -> int | None:
        """Since when (ms) a request is open at another address that may be this node."""
        return self._turns.open_elsewhere(self)

    # What is known of the node

    @property
    def wants_asking(self) -> bool:
        """Whether the node should be asked who it is."""
        return self._turns.several and not self.asked

    def told(self, edt: bytes | None) -> None:
        """The node profile has answered to 0x83; None: with a refusal."""
        self._is(edt.hex() if edt is not None and tells_apart(edt) else TELLS_NONE)

    def heard(self, *, started: bool = False) -> None:
        """Something came from this address; `started`: it may be another node by now (AIF 3.1.1)."""
        self._spoke = True
        if started:
            self.asked = False
            self._is(None)
        elif self.quiet:
            self._is(None)

    def silent(self) -> None:
        """A request to this address was not answered: whoever is there is asked once more who it is."""
        self.asked = False
        self._silences += 1
        if self.who is None and self._silences >= TRIES:
            self._is(TELLS_NONE)
        elif self.who is None and not self._spoke:
            self.quiet = True
            self._turns.changed(self)

    def stir(self) -> None:
        """Have the session look at this address again."""
        self._stir()

    def _is(self, who: str | None) -> None:
        self.quiet = False
        self._silences = 0
        self.who = who
        self._turns.changed(self)


class Turns:
    """All addresses of all networks that somebody is asked at."""

    def __init__(self) -> None:
        self._sessions = 0
        self._sides: set[Side] = set()
        self._active: dict[Seat, None] = {}
        self._free: set[Seat] = set()
        self._numbers: Iterator[int] = count(1)
        self.several = False  # whether one node may have several addresses here

    def join(self) -> int:
        """One more session, which gets its number."""
        self._sessions += 1
        self.several = self._sessions > 1
        return self._sessions

    def number(self) -> int:
        """The next request's age, over all sessions."""
        return next(self._numbers)

    def seat(self, session: int, address: str, stir: Callable[[], None], *, spoke: bool) -> Seat:
        """A seat for an address. `stir` is called when it may be its turn, or when a stop's patience has changed.

        `spoke`: something has come from this address before.
        """
        side = Side(session, address_kind(address))
        self._sides.add(side)
        self.several = self.several or len(self._sides) > 1
        return Seat(self, side, stir, spoke)

    def lets(self, seat: Seat) -> bool:
        """See `Seat.free`."""
        return len(self._sides) < 2 or seat in self._free

    def open_elsewhere(self, seat: Seat) -> int | None:
        """See `Seat.kept_since`."""
        if len(self._sides) < 2:
            return None
        return min((o.since for o in self._active if o.since is not None and _may_be_one(seat, o)), default=None)

    def changed(self, seat: Seat) -> None:
        """Something is new about a seat: look who may go now that could not before."""
        if seat.since is None and seat.ticket is None:
            self._active.pop(seat, None)
        else:
            self._active[seat] = None
        if len(self._sides) < 2:
            return
        before, self._free = self._free, self._who_may_go()
        for other in self._active:
            stops = other.ticket is not None and other.ticket[0] == 0
            if other is not seat and (stops or (other in self._free and other not in before)):
                other.stir()

    def _who_may_go(self) -> set[Seat]:
        """Who waits and has no other address of its node, or of what may be its node, before it."""
        taken = _Taken()
        for seat in self._active:
            if seat.since is not None:
                taken.add(seat)
        waiting = sorted((s.ticket, n, s) for n, s in enumerate(self._active) if s.ticket is not None)
        free = set()
        for _, _, seat in waiting:
            if not taken.bars(seat):
                free.add(seat)
            taken.add(seat)
        return free


class _Taken:
    """The sides on which something is open, or waits before whoever is looked at: in all, and by who it is."""

    def __init__(self) -> None:
        self._sides: set[Side] = set()
        self._by_who: dict[str | None, set[Side]] = {}

    def add(self, seat: Seat) -> None:
        if not seat.quiet:
            self._sides.add(seat.side)
            self._by_who.setdefault(seat.who, set()).add(seat.side)

    def bars(self, seat: Seat) -> bool:
        """`_may_be_one` with any of them."""
        if seat.quiet:
            return False
        sides = self._sides if seat.who is None else self._by_who.get(seat.who, set()) | self._by_who.get(None, set())
        return any(side != seat.side for side in sides)


def _may_be_one(one: Seat, other: Seat) -> bool:
    """Whether two addresses may be one node."""
    if one.side == other.side or one.quiet or other.quiet:
        return False
    return one.who is None or other.who is None or one.who == other.who


def tells_apart(edt: bytes) -> bool:
    """Whether a 0x83 is one: zeros, or any one byte again and again, are what makers leave there who give no number."""
    return len(set(edt[4:])) > 1


def plain_address(address: str) -> str:
    """An address without the network card that a link-local one is written with."""
    return address.partition("%")[0]


def address_kind(address: str) -> str:
    """A node has an IPv4 address, a link-local IPv6 address and perhaps a global one: different kinds."""
    try:
        parsed = ipaddress.ip_address(plain_address(address))
    except ValueError:
        return ""
    return f"{parsed.version} {parsed.version == 6 and parsed.is_link_local}"
