"""Conditions of tables, checked against what they may name, as trees (`bridge.mapping.logic`).

Equality and membership (`operationMode: [charge, idle]`), comparison and range (`lostFor: {min: 60s}`), `all`, `any`,
`not`, release ranges, and what a unit offers (`settable: chargingMethod`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import field
from typing import Any, Final

from bridge.echonet.dictionary import DeviceClass
from bridge.echonet.values import Codec, IntegerCodec, OneOfCodec, StateCodec
from bridge.mapping.context import ABSENT
from bridge.mapping.logic import (
    FLAGS,
    LEAST,
    MOST,
    NUMBERS,
    OFFERS,
    RELEASE,
    WORDS,
    All,
    Always,
    Among,
    Between,
    Flag,
    Kind,
    Lacking,
    Node,
    Not,
    Some,
    Subject,
    Test,
    closure,
)
from bridge.mapping.model import releases
from bridge.mapping.quantity import none_in, quantity
from bridge.mapping.yamlfile import Document, Path_, Problems, nearest
from bridge.records import dataclass

_GROUPS: Final = ("all", "any", "not")
_BOUNDS: Final = ("min", "max", "above", "below")
#: Terms with a threshold: `flowing` stands for both directions.
FLOWS: Final = frozenset({"charging", "discharging", "still", "unmeasured"})
_FLOWING: Final = frozenset({"charging", "discharging"})


@dataclass(slots=True)
class Term:
    """What a term may say: one of `names`, true or false (`boolean`), or a number in `unit`."""

    names: frozenset[str] = frozenset()
    boolean: bool = False
    unit: str | None = None


@dataclass
class Vocabulary:
    """What the conditions of a table may name."""

    device: DeviceClass
    terms: dict[str, Term] = field(default_factory=dict)
    seen: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()  # signals that a section must not look at: they depend on it
    coming: Set[str] = frozenset()  # terms that are not defined yet

    def __post_init__(self) -> None:
        self._names: dict[str, frozenset[str]] = {}
        self._units: dict[str, str | None] = {}
        for prop in self.device.all_properties:
            self._names[prop.name] = self._names.get(prop.name, frozenset()) | state_names(prop.codec)
            self._units[prop.name] = unit_of(prop.codec)

    def epc(self, name: str) -> int | None:
        """The code of a property."""
        return self.device.epc_of(name)

    def values(self, name: str) -> frozenset[str]:
        """The names of a property's values in all releases."""
        return self._names.get(name, frozenset())

    def unit(self, name: str) -> str | None:
        """The base unit of a property that is a number."""
        return self._units.get(name)

    @property
    def properties(self) -> Iterable[str]:
        """All properties' names."""
        return self._names

    def words(self) -> set[str]:
        """Everything that may stand on the left side."""
        signals = {*FLAGS, *NUMBERS, *WORDS, *OFFERS, *_GROUPS, RELEASE, "seen"} - self.without
        return signals | set(self.terms) | set(self._names)


def state_names(codec: Codec) -> frozenset[str]:
    """The names of an enumerated property's values."""
    if isinstance(codec, StateCodec):
        return codec.names
    if isinstance(codec, OneOfCodec):
        return frozenset().union(*(state_names(option) for option in codec.options))
    return frozenset()


def unit_of(codec: Codec) -> str | None:
    """The base unit of a number (Wh for kWh)."""
    return codec.unit.removeprefix("k") if isinstance(codec, IntegerCodec) else None


class Conditions:
    """Compiles the conditions of one file; mistakes are collected. `nodes` keeps the trees where they are wanted."""

    def __init__(
        self, document: Document, vocabulary: Vocabulary, problems: Problems, nodes: dict[Path_, Node] | None = None
    ) -> None:
        self.document = document
        self.vocabulary = vocabulary
        self.problems = problems
        self.nodes = nodes

    def compile(self, spec: Mapping[str, Any], path: Path_) -> Test:
        """A condition as a closure; all of its keys must hold."""
        node = self.parse(spec, path)
        if self.nodes is not None:
            self.nodes[path] = node
        return closure(node)

    def parse(self, spec: Mapping[str, Any], path: Path_) -> Node:
        """A condition as a tree."""
        if not isinstance(spec, Mapping):
            return self._wrong(path, "WRONG-TYPE", "a condition is a mapping, like {plug: yes}")
        return _all([self._one(key, value, (*path, key)) for key, value in spec.items()])

    def _one(self, key: str, value: Any, path: Path_) -> Node:
        vocabulary = self.vocabulary
        if key in _GROUPS:
            return self._group(key, value, path)
        if key in vocabulary.without:
            text = f'"{key}" depends on this section and cannot be looked at here'
            return self._wrong(path, "CIRCULAR", text, at_key=True)
        signal = Subject(Kind.SIGNAL, key)
        if key in vocabulary.terms:
            return self._term(key, value, path)
        if key in FLAGS:
            return self._boolean(signal, value, path)
        if key in NUMBERS:
            return self._range(signal, NUMBERS[key][0], value, path)
        if key in WORDS:
            return Among(signal, self._names(value, WORDS[key][0], path))
        if key in OFFERS:
            return self._offer(key, value, path)
        if key == RELEASE:
            return self._release(value, path)
        if key == "seen":
            return self._seen(value, path)
        return self._property(key, value, path)

    def _group(self, key: str, value: Any, path: Path_) -> Node:
        if key == "not":
            return Not(self.parse(value, path))
        if not isinstance(value, list) or not value:
            return self._wrong(path, "WRONG-TYPE", f'"{key}" needs a list of conditions')
        parts = [self.parse(part, (*path, index)) for index, part in enumerate(value)]
        return _all(parts) if key == "all" else Some(tuple(parts))

    def _term(self, key: str, value: Any, path: Path_) -> Node:
        term, subject = self.vocabulary.terms[key], Subject(Kind.TERM, key)
        if term.boolean:
            return self._boolean(subject, value, path)
        if term.unit is not None:
            return self._range(subject, term.unit, value, path)
        names = self._names(value, term.names | ({"flowing"} if term.names >= _FLOWING else frozenset()), path)
        return Among(subject, names - {"flowing"} | _FLOWING if "flowing" in names else names)

    def _boolean(self, subject: Subject, value: Any, path: Path_) -> Node:
        if not isinstance(value, bool):
            self._wrong(path, "WRONG-TYPE", "true or false is expected")
        return Flag(subject) if value else Not(Flag(subject))

    def _names(self, value: Any, known: frozenset[str], path: Path_) -> frozenset[str]:
        listed = value if isinstance(value, list) else [value]
        for index, name in enumerate(listed):
            where = (*path, index) if isinstance(value, list) else path
            if not isinstance(name, str) or name not in known:
                hint = nearest(str(name), known) or f" - known here: {', '.join(sorted(known))}"
                self._wrong(where, "UNKNOWN-VALUE", f'unknown value "{name}"{hint}')
        return frozenset(str(name) for name in listed)

    def _offer(self, word: str, value: Any, path: Path_) -> Node:
        listed = value if isinstance(value, list) else [value]
        places = [(*path, index) if isinstance(value, list) else path for index in range(len(listed))]
        found = [(name, self.property(name, where)) for name, where in zip(listed, places, strict=True)]
        return _all([Flag(Subject(Kind.OFFER, str(name), epc, word)) for name, epc in found])

    def _release(self, value: Any, path: Path_) -> Node:
        try:
            letters = frozenset(releases(value))
        except (ValueError, TypeError, AttributeError):
            return self._wrong(path, "RELEASE", f'"{value}" is no release or range like N, D-F or G-')
        return Among(Subject(Kind.SIGNAL, RELEASE), letters)

    def _seen(self, value: Any, path: Path_) -> Node:
        if value not in self.vocabulary.seen:
            hint = nearest(str(value), self.vocabulary.seen)
            self._wrong(path, "UNKNOWN-VALUE", f'no row of "plug" has "sees: {value}"{hint}')
        return Flag(Subject(Kind.SEEN, str(value)))

    def _property(self, key: str, value: Any, path: Path_) -> Node:
        epc = self.vocabulary.epc(key)
        if epc is None and key in self.vocabulary.coming:
            text = f'a term looks only at terms above it, not at itself or those below: "{key}"'
            return self._wrong(path, "CIRCULAR", text, at_key=True)
        if epc is None:
            hint = nearest(key, self.vocabulary.words())
            return self._wrong(path, "UNKNOWN-NAME", f'"{key}" is no property, term or signal{hint}', at_key=True)
        unit = self.vocabulary.unit(key)
        if unit is not None and value != ABSENT:
            return self._range(Subject(Kind.NUMBER, key, epc), unit, value, path)
        known = self.vocabulary.values(key) | {ABSENT}
        return Among(Subject(Kind.NAME, key, epc), self._names(value, known, path))

    def _range(self, subject: Subject, unit: str, value: Any, path: Path_) -> Node:
        """Numbers: a mapping with min, max, above, below; what is absent lies in no range."""
        if value == ABSENT:
            return Lacking(subject)
        if not isinstance(value, Mapping) or not value:
            like = "60 s" if unit == "s" else f"10 {unit}"
            return self._wrong(path, "WRONG-TYPE", f"a range is expected, like {{min: {like}}}")
        lowest, highest = LEAST, MOST
        for key, text in value.items():
            if key not in _BOUNDS:
                hint = nearest(key, _BOUNDS)
                self._wrong((*path, key), "UNKNOWN-KEY", f'unknown bound "{key}"{hint}', at_key=True)
                continue
            found = quantity(text) if isinstance(text, str) else None
            if found is None or found[1] != unit:
                self._wrong((*path, key), "QUANTITY", none_in(text, unit))
            elif key in ("min", "above"):
                lowest = max(lowest, found[0] + (key == "above"))
            else:
                highest = min(highest, found[0] - (key == "below"))
        return Between(subject, lowest, highest)

    def property(self, name: Any, path: Path_) -> int:
        """The code of a property that stands at a path; a mistake if there is none."""
        epc = self.vocabulary.epc(name) if isinstance(name, str) else None
        if epc is None:
            hint = nearest(str(name), self.vocabulary.properties)
            self._wrong(path, "UNKNOWN-PROPERTY", f'class 0x{self.vocabulary.device.code:04X} has no "{name}"{hint}')
            return -1
        return epc

    def _wrong(self, path: Path_, code: str, message: str, *, at_key: bool = False) -> Node:
        self.problems.add(self.document, path, code, message, at_key=at_key)
        return Always()


def _all(parts: list[Node]) -> Node:
    if not parts:
        return Always()
    return parts[0] if len(parts) == 1 else All(tuple(parts))
