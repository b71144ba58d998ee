"""What a table can tell apart: its variables, and where each view of a unit lies among them.

Every property, signal, offer and term that some condition looks at is a variable with a few values: the names of an
enumeration, the pieces into which the compared numbers cut a range, true and false. Two views that lie at the same
place are the same to the table; so what is proved for all places is proved for all units.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from bridge.echonet.dictionary import RELEASES, DeviceClass
from bridge.echonet.values import IntegerCodec, OneOfCodec
from bridge.evse import Mode
from bridge.mapping.conditions import state_names
from bridge.mapping.context import ABSENT, Context
from bridge.mapping.logic import (
    FLAGS,
    LEAST,
    MOST,
    NUMBERS,
    OFFERS,
    RELEASE,
    WORDS,
    Among,
    Between,
    Kind,
    Leaf,
    Node,
    Subject,
    leaves,
)
from bridge.mapping.recipe import Funds, Room, Setpoint, Way, limit_of, room
from bridge.mapping.table import TableSource

#: What identifies a variable: its sort, then what it is about.
Key = tuple[str, str | int] | tuple[str, str | int, str | int]
Classify = Callable[[Context], int]
#: The release of a unit that tells none that is known.
UNKNOWN_RELEASE: Final = ""
_NO, _YES = "no", "yes"
_BOTH: Final = (_NO, _YES)
#: Words that are worked out by the table itself: they are no variables.
_DERIVED: Final = frozenset({"plug", "comesTo"})


@dataclass(frozen=True)
class Variable:
    """Something that a table looks at. `values` are for people; `bounds` of a number, by value (None: absent)."""

    key: Key
    title: str
    values: tuple[str, ...]
    classify: Classify
    bounds: tuple[tuple[int, int] | None, ...] = ()


class Space:
    """The variables of one table, in an order that keeps diagrams small: first what the unit is, then what it says.

    `also`: another table of the class, whose conditions cut the values too, so that both can be compared.
    """

    def __init__(self, source: TableSource, also: Sequence[TableSource] = ()) -> None:
        self.source = source
        self._sources = (source, *also)
        self.device = source.table.device
        self._cuts: dict[Subject, set[int]] = defaultdict(set)
        self._named: dict[int, str] = {}
        self._withins: dict[int, set[int]] = defaultdict(set)
        self._others: dict[Key, Subject] = {}
        self._letters: list[frozenset[str]] = []
        self._words: dict[str, Subject] = {}
        for each in self._sources:
            self._collect(each.nodes.values())
            self._alias_sources(each)
        self.groups = self._release_groups()
        self.variables = tuple(self._all())
        self.index: Mapping[Key, int] = {variable.key: place for place, variable in enumerate(self.variables)}

    def read_over(self, variables: Sequence[Variable], index: Mapping[Key, int]) -> None:
        """Take the variables of two tables; `index` says where this one's are among them."""
        self.variables = tuple(variables)
        self.index = dict(index)

    def place(self, context: Context) -> list[int]:
        """Where a view lies."""
        return [variable.classify(context) for variable in self.variables]

    def withins(self, epc: int) -> Iterable[int]:
        """The ages (ms) up to which some term believes a property."""
        return self._withins[epc]

    # What conditions look at

    def _collect(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            for leaf in leaves(node):
                self._take(leaf)

    def _take(self, leaf: Leaf) -> None:
        subject = leaf.subject
        if subject.kind is Kind.NAME:
            self._named.setdefault(subject.epc, subject.name)
        elif subject.kind is Kind.OFFER:
            self._others[("offer", subject.word, subject.epc)] = subject
        elif subject.kind is Kind.SEEN:
            self._others[("seen", subject.name)] = subject
        elif subject.kind is Kind.SIGNAL and subject.name == RELEASE:
            if isinstance(leaf, Among):
                self._letters.append(leaf.names)
        elif subject.kind is Kind.SIGNAL and subject.name not in _DERIVED and subject.name not in NUMBERS:
            self._words[subject.name] = subject
        elif subject.kind is Kind.NUMBER or subject.name in NUMBERS or self._is_number(subject):
            cuts = self._cuts[subject]
            if isinstance(leaf, Between):
                cuts |= {cut for cut in (leaf.lowest, leaf.highest + 1) if LEAST < cut <= MOST}

    def _is_number(self, subject: Subject) -> bool:
        term = self.source.model.terms.get(subject.name)
        return subject.kind is Kind.TERM and term is not None and term.measure is not None

    def _alias_sources(self, table: TableSource) -> None:
        """The properties behind terms that stand for the first property that tells, and how old they may be."""
        for term in table.model.terms.values():
            if term.first is None or term.threshold is not None:
                continue
            for source in term.first:
                epc = table.table.device.epc_of(source.property or "")
                if epc is not None:
                    self._named.setdefault(epc, str(source.property))
                    if source.within is not None:
                        self._withins[epc].add(source.within)

    # Releases

    def _release_groups(self) -> tuple[tuple[str, ...], ...]:
        """Letters with the same definitions of all that matters count once; last the release that is not known."""
        groups: dict[object, list[str]] = defaultdict(list)
        for letter in RELEASES:
            if any(letter in each.table.device.releases for each in self._sources):
                groups[self._signature(letter)].append(letter)
        return (*(tuple(letters) for letters in groups.values()), (UNKNOWN_RELEASE,))

    def _signature(self, letter: str) -> object:
        definitions = tuple(
            (epc, prop.name, prop.get, prop.set, prop.codec)
            for each in self._sources
            for epc, prop in sorted(each.table.device.at(letter).by_epc.items())
        )
        return repr(definitions), tuple(letter in letters for letters in self._letters)

    # Variables

    def _all(self) -> Iterable[Variable]:
        yield self._release()
        properties = sorted({*self._named, *(subject.epc for subject in self._cuts if subject.kind is Kind.NUMBER)})
        yield from (self._property(epc) for epc in properties)
        yield from (self._age(epc, withins) for epc, withins in sorted(self._withins.items()))
        yield from (_offer(subject) for key, subject in sorted(self._others.items()) if key[0] == "offer")
        yield from (self._flow(name) for name, term in self.source.model.terms.items() if term.threshold is not None)
        for subject in self._cuts:
            if subject.kind is not Kind.NUMBER:
                yield self._number(subject)
        yield from (_seen(subject) for key, subject in sorted(self._others.items()) if key[0] == "seen")
        yield from (_word(name) for name in sorted(self._words))
        if "wanted" not in self._words:
            yield _word("wanted")
        yield from _recipes(self.source)

    def _release(self) -> Variable:
        places = {letter: place for place, letters in enumerate(self.groups) for letter in letters}
        unknown = places[UNKNOWN_RELEASE]
        titles = tuple(_range(letters) for letters in self.groups)
        return Variable((RELEASE, ""), RELEASE, titles, lambda context: places.get(context.release, unknown))

    def _property(self, epc: int) -> Variable:
        name = self._named.get(epc) or next(s.name for s in self._cuts if s.kind is Kind.NUMBER and s.epc == epc)
        cuts = self._cuts.get(Subject(Kind.NUMBER, name, epc))
        if cuts is not None:
            return _pieces(("value", epc), name, cuts, lambda context: context.milli(epc))
        names = [ABSENT, *sorted(names_of(self.device, epc))]
        places = {known: place for place, known in enumerate(names)}
        #: a form without names (bytes): it is there or not
        there = places.setdefault("value", len(names)) if len(names) == 1 else -1
        values = (*names, "value") if there >= 0 else tuple(names)

        def classify(context: Context) -> int:
            return places.get(context.name(epc), there if there >= 0 else 0)

        return Variable(("value", epc), name, values, classify)

    def _age(self, epc: int, withins: set[int]) -> Variable:
        limits = sorted(withins)

        def classify(context: Context) -> int:
            fact = context.facts.get(epc)
            age = context.view.now - fact.at if fact is not None else 0
            return next((place for place, limit in enumerate(limits) if age <= limit), len(limits))

        titles = (*(f"at most {limit // 1000} s" for limit in limits), "older")
        return Variable(("age", epc), f"age of {self._named[epc]}", titles, classify)

    def _flow(self, name: str) -> Variable:
        words = ("unmeasured", "still", "charging", "discharging")
        return Variable(("term", name), name, words, lambda context: words.index(str(context.term(name))))

    def _number(self, subject: Subject) -> Variable:
        if subject.kind is Kind.TERM:
            return _pieces(("term", subject.name), subject.name, self._cuts[subject], _term_number(subject.name))
        get = NUMBERS[subject.name][1]
        return _pieces(("signal", subject.name), subject.name, self._cuts[subject], get, absent=False)


def names_of(device: DeviceClass, epc: int, release: str | None = None) -> frozenset[str]:
    """The names that a property's values have, in one release or in all."""
    if release is not None:
        prop = device.at(release).by_epc.get(epc)
        return state_names(prop.codec) if prop else frozenset()
    found = (state_names(prop.codec) for prop in device.all_properties if prop.epc == epc)
    return frozenset().union(*found)


def number_range(device: DeviceClass, epc: int, release: str) -> tuple[int, int] | None:
    """What a number may be in a release, in thousandths; None where it has none."""
    prop = device.at(release).by_epc.get(epc)
    codecs = prop.codec.options if prop and isinstance(prop.codec, OneOfCodec) else [prop.codec] if prop else []
    for codec in codecs:
        if isinstance(codec, IntegerCodec):
            return _milli(codec, codec.minimum), _milli(codec, codec.maximum)
    return None


def _milli(codec: IntegerCodec, raw: int) -> int:
    value = codec.decode(codec.encode(raw))
    return int(getattr(value, "milli", raw))


def _range(letters: Sequence[str]) -> str:
    if letters == (UNKNOWN_RELEASE,):
        return "unknown"
    return letters[0] if len(letters) == 1 else f"{letters[0]}-{letters[-1]}"


def _pieces(
    key: Key, title: str, cuts: Iterable[int], get: Callable[[Context], int | None], *, absent: bool = True
) -> Variable:
    """A number, cut where it is compared."""
    limits = sorted(cuts)
    edges = [LEAST, *limits, MOST + 1]
    bounds = [(low, high - 1) for low, high in pairwise(edges)]
    titles = [_piece(low, high) for low, high in bounds]
    first = 1 if absent else 0

    def classify(context: Context) -> int:
        number = get(context)
        return 0 if number is None else first + bisect_right(limits, number)

    return Variable(
        key, title, ((ABSENT,) if absent else ()) + tuple(titles), classify, ((None,) if absent else ()) + tuple(bounds)
    )


def _piece(low: int, high: int) -> str:
    if low <= LEAST and high >= MOST:
        return "any number"
    if low <= LEAST:
        return f"at most {high / 1000:g}"
    return f"at least {low / 1000:g}" if high >= MOST else f"{low / 1000:g} to {high / 1000:g}"


def _term_number(name: str) -> Callable[[Context], int | None]:
    def get(context: Context) -> int | None:
        found = context.term(name)
        return found if isinstance(found, int) else None

    return get


def _offer(subject: Subject) -> Variable:
    test, epc = OFFERS[subject.word], subject.epc
    title = f"{subject.word} {subject.name}"
    return Variable(("offer", subject.word, epc), title, _BOTH, lambda context: int(test(context, epc)))


def _seen(subject: Subject) -> Variable:
    name = subject.name
    return Variable(("seen", name), f"seen {name}", _BOTH, lambda context: int(name in context.view.seen))


def _word(name: str) -> Variable:
    if name in FLAGS:
        test = FLAGS[name]
        return Variable(("signal", name), name, _BOTH, lambda context: int(test(context)))
    words, get = WORDS[name]
    values = tuple(sorted(str(word) for word in words))
    return Variable(("signal", name), name, values, lambda context: values.index(str(get(context))))


# What recipes work out with numbers -----------------------------------------------------------------------------


def _recipes(source: TableSource) -> Iterable[Variable]:
    """For each setpoint with a limit what the limit is, and for each of its ways whether it leaves room to run."""
    for mode, setpoint in source.table.setpoints.items():
        if setpoint.bounds is not None:
            yield _funds(mode, setpoint)
        for place, way in enumerate(setpoint.ways):
            if setpoint.bounds is not None or any(step.is_amount for step in way.steps):
                yield _room(source, mode, setpoint, place, way)


def _funds(mode: Mode, setpoint: Setpoint) -> Variable:
    words = tuple(Funds)
    title = f"limit of {mode.value}"
    values = tuple(word.value for word in words)
    return Variable(
        ("limit", mode.value), title, values, lambda context: words.index(limit_of(context, setpoint).funds)
    )


def _room(source: TableSource, mode: Mode, setpoint: Setpoint, place: int, way: Way) -> Variable:
    words = tuple(Room)
    setpoints = source.table.setpoints
    values = tuple(word.value for word in words)

    def classify(context: Context) -> int:
        return words.index(room(context, setpoint, setpoints, way))

    return Variable(("room", mode.value, place), f"room of {mode.value}/{_id(way)}", values, classify)


def _id(way: Way) -> str:
    return way.rule.rpartition(" ")[2]
