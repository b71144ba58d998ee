"""What a condition says, as a tree: for run time it becomes a closure, for proofs a set of situations.

The list of forms is closed: a flag, one of some names, a number within bounds, a number that is missing, and what
`all`, `any` and `not` make of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, TypeAlias

from bridge.evse import Mode, Plug, Urgency
from bridge.mapping.context import Context
from bridge.records import dataclass

Test: TypeAlias = Callable[[Context], bool]

#: Beyond every number that is compared: no bound.
LEAST: Final = -(10**18)
MOST: Final = 10**18


class Kind(StrEnum):
    """What sort of thing a condition looks at."""

    NAME = "name"  # of a property's value
    NUMBER = "number"  # of a property, in thousandths
    SIGNAL = "signal"  # what the charger knows: `reachable`, `wanted`
    TERM = "term"  # what the table has a name for
    OFFER = "offer"  # what the unit offers: `settable`
    SEEN = "seen"  # what was once seen


@dataclass(frozen=True, slots=True)
class Subject:
    """What a condition looks at. `epc` of a property; `word` of an offer (`settable`), whose `name` is the property."""

    kind: Kind
    name: str
    epc: int = -1
    word: str = ""


@dataclass(frozen=True, slots=True)
class Always:
    """Holds."""


@dataclass(frozen=True, slots=True)
class Flag:
    """Something that is true."""

    subject: Subject


@dataclass(frozen=True, slots=True)
class Among:
    """A word that is one of some names."""

    subject: Subject
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Between:
    """A number from `lowest` to `highest` (both included); one that is missing lies nowhere."""

    subject: Subject
    lowest: int
    highest: int


@dataclass(frozen=True, slots=True)
class Lacking:
    """A number that is missing."""

    subject: Subject


@dataclass(frozen=True, slots=True)
class All:
    """Everything holds."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one holds."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """It does not hold."""

    part: Node


Node: TypeAlias = Always | Flag | Among | Between | Lacking | All | Some | Not


#: What looks at one thing only.
Leaf: TypeAlias = Flag | Among | Between | Lacking


def leaves(node: Node) -> Iterator[Leaf]:
    """All parts of a condition that look at something, in its order."""
    if isinstance(node, All | Some):
        for part in node.parts:
            yield from leaves(part)
    elif isinstance(node, Not):
        yield from leaves(node.part)
    elif not isinstance(node, Always):
        yield node


# What can be looked at ------------------------------------------------------------------------------------------

FLAGS: Final[Mapping[str, Test]] = {
    "reachable": lambda c: c.view.reachable,
    "confirmed": lambda c: c.view.confirmed,
    "contested": lambda c: c.view.contested,
    "foreign": lambda c: c.view.foreign,
    "dischargeAllowed": lambda c: c.view.discharge_allowed,
    "authorized": lambda c: c.view.wanted.authorized,
    "inTransaction": lambda c: c.view.wanted.in_transaction,
    "amountWanted": lambda c: c.view.wanted.amount is not None and c.view.wanted.amount.energy is not None,
    "bounded": lambda c: any(
        bound is not None for bound in (c.view.wanted.target, c.view.wanted.charge_bound, c.view.wanted.discharge_bound)
    ),
}
NUMBERS: Final[Mapping[str, tuple[str, Callable[[Context], int]]]] = {"lostFor": ("s", lambda c: c.view.lost_for)}
OUTCOMES: Final = frozenset({*(mode.value for mode in Mode), "refused", "ask"})
WORDS: Final[Mapping[str, tuple[frozenset[str], Callable[[Context], str]]]] = {
    "wanted": (frozenset(Mode), lambda c: c.view.wanted.mode),
    "urgency": (frozenset(Urgency), lambda c: c.view.wanted.urgency),
    "plug": (frozenset(Plug), lambda c: c.plug),
    "comesTo": (OUTCOMES, lambda c: c.outcome),
}
RELEASE: Final = "release"


def _read_back(context: Context, epc: int) -> bool:
    fact, wrote = context.facts.get(epc), context.view.wrote.get(epc)
    return fact is not None and wrote is not None and fact.at >= wrote


OFFERS: Final[Mapping[str, Callable[[Context, int], bool]]] = {
    "settable": lambda c, epc: epc in c.view.settable,
    "gettable": lambda c, epc: epc in c.view.gettable,
    "announced": lambda c, epc: epc in c.view.announced,
    "refused": lambda c, epc: epc in c.view.refused,
    "readBack": _read_back,
}


def _flag(subject: Subject) -> Test:
    name, epc = subject.name, subject.epc
    match subject.kind:
        case Kind.SIGNAL:
            return FLAGS[name]
        case Kind.TERM:
            return lambda context: bool(context.term(name))
        case Kind.OFFER:
            offers = OFFERS[subject.word]
            return lambda context: offers(context, epc)
        case _:
            return lambda context: name in context.view.seen


def _word(subject: Subject) -> Callable[[Context], Any]:
    name, epc = subject.name, subject.epc
    if subject.kind is Kind.NAME:
        return lambda context: context.name(epc)
    if subject.kind is Kind.TERM:
        return lambda context: context.term(name)
    return (lambda context: context.release) if name == RELEASE else WORDS[name][1]


def _number(subject: Subject) -> Callable[[Context], int | None]:
    name, epc = subject.name, subject.epc
    if subject.kind is Kind.NUMBER:
        return lambda context: context.milli(epc)
    if subject.kind is Kind.TERM:
        return lambda context: _as_int(context.term(name))
    return NUMBERS[name][1]


def _as_int(value: object) -> int | None:
    return value if isinstance(value, int) else None


# To closures ----------------------------------------------------------------------------------------------------


def always(_: Context) -> bool:
    """The condition of a row without one."""
    return True


def closure(node: Node) -> Test:
    """The condition as a function of a context."""
    match node:
        case Always():
            return always
        case Flag(subject):
            return _flag(subject)
        case Among(subject, names):
            return _among(subject, names)
        case Between(subject, lowest, highest):
            return _between(_number(subject), lowest, highest)
        case Lacking(subject):
            get = _number(subject)
            return lambda context: get(context) is None
        case All(parts):
            return _all_of([closure(part) for part in parts])
        case Some(parts):
            return _any_of([closure(part) for part in parts])
        case Not(part):
            inner = closure(part)
            return lambda context: not inner(context)


def _among(subject: Subject, names: frozenset[str]) -> Test:
    if subject.kind is Kind.NAME:
        epc = subject.epc
        return lambda context: context.name(epc) in names
    get = _word(subject)
    return lambda context: get(context) in names


def _between(get: Callable[[Context], int | None], lowest: int, highest: int) -> Test:
    def test(context: Context) -> bool:
        number = get(context)
        return number is not None and lowest <= number <= highest

    return test


def _all_of(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda context: first(context) and second(context)
    fixed = tuple(tests)

    def test(context: Context) -> bool:
        for part in fixed:  # noqa: SIM110 - a loop is faster here than all() with a generator
            if not part(context):
                return False
        return True

    return test


def _any_of(tests: list[Test]) -> Test:
    fixed = tuple(tests)

    def test(context: Context) -> bool:
        for part in fixed:  # noqa: SIM110 - as above
            if part(context):
                return True
        return False

    return test
