"""Conditions of tables, checked against what they may name and compiled to closures once.

The list of forms is closed: equality and membership (`operationMode: [charge, idle]`), comparison and range
(`lostFor: {min: 60s}`), `all`, `any`, `not`, release ranges, and what a unit offers (`settable: chargingMethod`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.echonet.dictionary import DeviceClass
from bridge.echonet.values import Codec, IntegerCodec, OneOfCodec, StateCodec
from bridge.evse import Mode, Plug, Urgency
from bridge.mapping.context import ABSENT, Context
from bridge.mapping.model import releases
from bridge.mapping.quantity import quantity
from bridge.mapping.yamlfile import Document, Path_, Problems, nearest

Test = Callable[[Context], bool]

_BOOLEANS: Final[Mapping[str, Callable[[Context], bool]]] = {
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
_NUMBERS: Final[Mapping[str, tuple[str, Callable[[Context], int]]]] = {"lostFor": ("s", lambda c: c.view.lost_for)}
OUTCOMES: Final = frozenset({*(mode.value for mode in Mode), "refused", "ask"})
_WORDS: Final[Mapping[str, tuple[frozenset[str], Callable[[Context], str]]]] = {
    "wanted": (frozenset(Mode), lambda c: c.view.wanted.mode),
    "urgency": (frozenset(Urgency), lambda c: c.view.wanted.urgency),
    "plug": (frozenset(Plug), lambda c: c.plug),
    "comesTo": (OUTCOMES, lambda c: c.outcome),
}


def _read_back(context: Context, epc: int) -> bool:
    fact, wrote = context.facts.get(epc), context.view.wrote.get(epc)
    return fact is not None and wrote is not None and fact.at >= wrote


_OFFERS: Final[Mapping[str, Callable[[Context, int], bool]]] = {
    "settable": lambda c, epc: epc in c.view.settable,
    "gettable": lambda c, epc: epc in c.view.gettable,
    "announced": lambda c, epc: epc in c.view.announced,
    "refused": lambda c, epc: epc in c.view.refused,
    "readBack": _read_back,
}
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
        signals = {*_BOOLEANS, *_NUMBERS, *_WORDS, *_OFFERS, *_GROUPS, "release", "seen"} - self.without
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


def always(_: Context) -> bool:
    """The condition of a row without one."""
    return True


class Conditions:
    """Compiles the conditions of one file; mistakes are collected."""

    def __init__(self, document: Document, vocabulary: Vocabulary, problems: Problems) -> None:
        self.document = document
        self.vocabulary = vocabulary
        self.problems = problems

    def compile(self, spec: Mapping[str, Any], path: Path_) -> Test:
        """A condition; all of its keys must hold."""
        if not isinstance(spec, Mapping):
            self._wrong(path, "WRONG-TYPE", "a condition is a mapping, like {plug: yes}")
            return always
        tests = [self._one(key, value, (*path, key)) for key, value in spec.items()]
        return all_of(tests)

    def _one(self, key: str, value: Any, path: Path_) -> Test:
        vocabulary = self.vocabulary
        if key in _GROUPS:
            return self._group(key, value, path)
        if key in vocabulary.without:
            self._wrong(path, "CIRCULAR", f'"{key}" depends on this section and cannot be looked at here', at_key=True)
            return always
        if key in vocabulary.terms:
            return self._term(key, value, path)
        if key in _BOOLEANS:
            return self._boolean(_BOOLEANS[key], value, path)
        if key in _NUMBERS:
            unit, get_number = _NUMBERS[key]
            return self._range(get_number, unit, value, path)
        if key in _WORDS:
            names, get_word = _WORDS[key]
            return self._member(get_word, names, value, path)
        if key in _OFFERS:
            return self._offer(_OFFERS[key], value, path)
        if key == "release":
            return self._release(value, path)
        if key == "seen":
            return self._seen(value, path)
        return self._property(key, value, path)

    def _group(self, key: str, value: Any, path: Path_) -> Test:
        if key == "not":
            inner = self.compile(value, path)
            return lambda context: not inner(context)
        if not isinstance(value, list) or not value:
            self._wrong(path, "WRONG-TYPE", f'"{key}" needs a list of conditions')
            return always
        tests = [self.compile(part, (*path, index)) for index, part in enumerate(value)]
        return all_of(tests) if key == "all" else any_of(tests)

    def _term(self, key: str, value: Any, path: Path_) -> Test:
        term = self.vocabulary.terms[key]
        if term.boolean:
            return self._boolean(lambda context: bool(context.term(key)), value, path)
        if term.unit is not None:
            return self._range(lambda context: _as_int(context.term(key)), term.unit, value, path)
        names = self._names(value, term.names | ({"flowing"} if term.names >= _FLOWING else frozenset()), path)
        if "flowing" in names:
            names = names | _FLOWING
        return lambda context: context.term(key) in names

    def _boolean(self, get: Callable[[Context], bool], value: Any, path: Path_) -> Test:
        if not isinstance(value, bool):
            self._wrong(path, "WRONG-TYPE", "true or false is expected")
        if value:
            return get
        return lambda context: not get(context)

    def _member(self, get: Callable[[Context], str], known: frozenset[str], value: Any, path: Path_) -> Test:
        names = self._names(value, known, path)
        return lambda context: get(context) in names

    def _names(self, value: Any, known: frozenset[str], path: Path_) -> frozenset[str]:
        listed = value if isinstance(value, list) else [value]
        for index, name in enumerate(listed):
            where = (*path, index) if isinstance(value, list) else path
            if not isinstance(name, str) or name not in known:
                hint = nearest(str(name), known) or f" - known here: {', '.join(sorted(known))}"
                self._wrong(where, "UNKNOWN-VALUE", f'unknown value "{name}"{hint}')
        return frozenset(str(name) for name in listed)

    def _offer(self, get: Callable[[Context, int], bool], value: Any, path: Path_) -> Test:
        listed = value if isinstance(value, list) else [value]
        places = [(*path, index) if isinstance(value, list) else path for index in range(len(listed))]
        codes = [self.property(name, where) for name, where in zip(listed, places, strict=True)]
        return lambda context: all(get(context, epc) for epc in codes)

    def _release(self, value: Any, path: Path_) -> Test:
        try:
            letters = frozenset(releases(value))
        except (ValueError, TypeError, AttributeError):
            self._wrong(path, "RELEASE", f'"{value}" is no release or range like N, D-F or G-')
            return always
        return lambda context: context.release in letters

    def _seen(self, value: Any, path: Path_) -> Test:
        if value not in self.vocabulary.seen:
            hint = nearest(str(value), self.vocabulary.seen)
            self._wrong(path, "UNKNOWN-VALUE", f'no row of "plug" has "sees: {value}"{hint}')
        return lambda context: value in context.view.seen

    def _property(self, key: str, value: Any, path: Path_) -> Test:
        epc = self.vocabulary.epc(key)
        if epc is None:
            hint = nearest(key, self.vocabulary.words())
            self._wrong(path, "UNKNOWN-NAME", f'"{key}" is no property, term or signal{hint}', at_key=True)
            return always
        if value == ABSENT:
            return lambda context: context.name(epc) == ABSENT
        unit = self.vocabulary.unit(key)
        if unit is not None:
            return self._range(lambda context: context.milli(epc), unit, value, path)
        known = self.vocabulary.values(key) | {ABSENT}
        names = self._names(value, known, path)
        return lambda context: context.name(epc) in names

    def _range(self, get: Callable[[Context], int | None], unit: str, value: Any, path: Path_) -> Test:
        """Numbers: a mapping with min, max, above, below; what is absent lies in no range."""
        if value == ABSENT:
            return lambda context: get(context) is None
        if not isinstance(value, Mapping) or not value:
            self._wrong(path, "WRONG-TYPE", 'a range is expected, like {min: "60 s"}')
            return always
        bounds: dict[str, int] = {}
        for key, text in value.items():
            if key not in _BOUNDS:
                hint = nearest(key, _BOUNDS)
                self._wrong((*path, key), "UNKNOWN-KEY", f'unknown bound "{key}"{hint}', at_key=True)
                continue
            found = quantity(text) if isinstance(text, str) else None
            if found is None or found[1] != unit:
                self._wrong((*path, key), "QUANTITY", f'"{text}" is no quantity in {unit}')
                continue
            bounds[key] = found[0]
        return _in_range(get, bounds)

    def property(self, name: Any, path: Path_) -> int:
        """The code of a property that stands at a path; a mistake if there is none."""
        epc = self.vocabulary.epc(name) if isinstance(name, str) else None
        if epc is None:
            hint = nearest(str(name), self.vocabulary.properties)
            self._wrong(path, "UNKNOWN-PROPERTY", f'class 0x{self.vocabulary.device.code:04X} has no "{name}"{hint}')
            return -1
        return epc

    def _wrong(self, path: Path_, code: str, message: str, *, at_key: bool = False) -> None:
        self.problems.add(self.document, path, code, message, at_key=at_key)


def _in_range(get: Callable[[Context], int | None], bounds: Mapping[str, int]) -> Test:
    lowest = max(bounds.get("min", -(10**18)), bounds.get("above", -(10**18)) + 1)
    highest = min(bounds.get("max", 10**18), bounds.get("below", 10**18) - 1)

    def test(context: Context) -> bool:
        number = get(context)
        return number is not None and lowest <= number <= highest

    return test


def _as_int(value: object) -> int | None:
    return value if isinstance(value, int) else None


def all_of(tests: list[Test]) -> Test:
    """All must hold."""
    if not tests:
        return always
    if len(tests) == 1:
        return tests[0]
    fixed = tuple(tests)

    def test(context: Context) -> bool:
        for part in fixed:  # noqa: SIM110 - a loop is faster here than all() with a generator
            if not part(context):
                return False
        return True

    return test


def any_of(tests: list[Test]) -> Test:
    """One must hold."""
    fixed = tuple(tests)

    def test(context: Context) -> bool:
        for part in fixed:  # noqa: SIM110 - as above
            if part(context):
                return True
        return False

    return test
