"""What would have to be otherwise for another answer: the fewest changes of a view, found by trying them all.

A change is one property with another value (or none), one signal, one offer of the unit, or one age. Which ones are
tried follows from what a section's conditions look at: a change that no condition can see changes no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Final

from bridge.authoring.looks import Looks
from bridge.echonet.dictionary import Property
from bridge.echonet.values import Codec, IntegerCodec, OneOfCodec, PropertyValueError, Special, StateCodec, Value
from bridge.evse import Amount, Mode, Reading, Urgency
from bridge.mapping.context import ABSENT
from bridge.mapping.decision import Fact, Measures, View
from bridge.mapping.measures import text_of
from bridge.mapping.table import CompiledTable

#: So many views are looked at for one section at most: about two seconds.
MOST_TRIED: Final = 30_000
#: Of equally small ways to another answer so many are told.
MOST_TOLD: Final = 3
_ENERGY: Final = 10_000_000  # mWh, for a change that gives an amount
_POWER: Final = 3_000_000  # mW, for a change that gives a bound


@dataclass(frozen=True)
class Change:
    """One thing that is otherwise. `target`: two changes of one target exclude each other. Lower `rank` is told first:
    what the unit says, then what is absent, what is wanted, what the unit offers, how old it is."""

    target: str
    text: str
    rank: int
    apply: Callable[[View], View]


@dataclass(frozen=True)
class Counterfactual:
    """The smallest changes that lead to an answer; empty if none were found within `depth` changes."""

    answer: str
    ways: tuple[tuple[Change, ...], ...]
    depth: int


def search(
    view: View, changes: Iterable[Change], answers: Iterable[str], answer_of: Callable[[View], str]
) -> list[Counterfactual]:
    """For each of these answers that is not the present one, the smallest changes; first one, then two of them."""
    here = answer_of(view)
    missing: dict[str, list[tuple[Change, ...]]] = {answer: [] for answer in answers if answer != here}
    ordered = sorted(changes, key=lambda change: change.rank)
    depth = 0
    tried = 0
    for size in (1, 2):
        open_ = {answer for answer, ways in missing.items() if not ways}
        if not open_:
            break
        depth = size
        for chosen in _combined(ordered, size):
            tried += 1
            if tried > MOST_TRIED:
                break
            after = view
            for change in chosen:
                after = change.apply(after)
            found = answer_of(after)
            if found in open_ and _is_new(chosen, missing[found]):
                missing[found].append(chosen)
                open_ -= {each for each in open_ if len(missing[each]) >= MOST_TOLD}
                if not open_:
                    break
    return [
        Counterfactual(answer, tuple(sorted(ways, key=lambda way: sum(change.rank for change in way))), depth)
        for answer, ways in missing.items()
    ]


def _is_new(chosen: tuple[Change, ...], known: Iterable[tuple[Change, ...]]) -> bool:
    """Whether other things change than in those: of the values of one thing the first that does it is told."""
    targets = {change.target for change in chosen}
    return all({change.target for change in each} != targets for each in known)


def _combined(changes: list[Change], size: int) -> Iterator[tuple[Change, ...]]:
    for chosen in combinations(changes, size):
        if len({change.target for change in chosen}) == size:
            yield chosen


class Candidates:
    """All changes of one view that a section could see."""

    def __init__(self, table: CompiledTable, view: View) -> None:
        self._table = table
        self._view = view
        self._device = table.device.at(view.release)

    def of(self, looks: Looks) -> list[Change]:
        """The changes."""
        found: list[Change] = []
        for name, bounds in looks.properties.items():
            prop = self._device.by_name.get(name)
            if prop is not None:
                floors = {self._view.soc_floor + bound for bound in looks.floors.get(name, ())}
                found += self._values(prop, bounds | floors)
                found += self._ages(prop, looks.ages.get(name, ()))
        for name, bounds in looks.signals.items():
            found += self._signal(name, bounds)
        for offer, name in looks.offers:
            found += self._offer(offer, name)
        found += [self._seen(name) for name in looks.seen]
        for name, bounds in looks.meters.items():
            found += self._meter(name, bounds)
        if looks.release:
            found += self._releases()
        return found

    # -- what the unit tells

    def _values(self, prop: Property, bounds: Iterable[int]) -> Iterator[Change]:
        now = self._view.facts.get(prop.epc)
        before = shown(self._table, self._view, prop.epc)
        told = {} if now is None else {now.edt}
        for edt in dict.fromkeys(_encodings(prop.codec, bounds)):
            if edt in told:
                continue
            after = self._table.decoder.decode(self._view.release, prop.epc, edt)
            text = f"{prop.name}: {before} -> {words_of(after.value)} ({prop.epc:02X}={edt.hex().upper()})"
            yield Change(prop.name, text, 0, _tells(prop.epc, edt))
        if now is not None:
            yield Change(prop.name, f"{prop.name}: {before} -> not told (refused)", 1, _refuses(prop.epc))

    def _ages(self, prop: Property, limits: Iterable[int]) -> Iterator[Change]:
        fact = self._view.facts.get(prop.epc)
        for limit in limits:
            age = self._view.now - fact.at if fact is not None else None
            if age is not None and age <= limit:
                text = f"{prop.name}: older than {limit / 1000:g} s (it is {age / 1000:g} s old)"
                yield Change(prop.name, text, 4, _ages(prop.epc, limit + 1))
            elif age is not None:
                text = f"{prop.name}: read again (it is {age / 1000:g} s old, more than {limit / 1000:g} s)"
                yield Change(prop.name, text, 1, _ages(prop.epc, 0))
        if fact is not None and fact.notified:
            text = f"{prop.name}: read (it was only announced)"
            yield Change(prop.name, text, 2, _tells(prop.epc, fact.edt))

    def _meter(self, name: str, bounds: Iterable[int]) -> Iterator[Change]:
        field = {"energyIn": "energy_in", "energyOut": "energy_out"}.get(name, name)
        for milli in sorted({0, *bounds}):
            yield Change(f"meter {name}", f"a meter tells {name} {milli / 1000:g}", 2, _metered(field, milli))

    def _releases(self) -> Iterator[Change]:
        before = self._view.release or "unknown"
        for letter in sorted(self._table.device.releases):
            if letter != self._view.release:
                change: Callable[[View], View] = _setter("release", letter)
                yield Change("release", f"release: {before} -> {letter}", 5, change)

    # -- what is known beside

    def _signal(self, name: str, bounds: Iterable[int]) -> Iterator[Change]:
        for text, apply in _SIGNALS[name](self._view, sorted(bounds)):
            yield Change(name, f"{name}: {text}", 2, apply)

    def _seen(self, name: str) -> Change:
        if name in self._view.seen:
            return Change("seen", f"{name} has never been seen", 3, _setter("seen", self._view.seen - {name}))
        return Change("seen", f"{name} has been seen before", 3, _setter("seen", self._view.seen | {name}))

    def _offer(self, offer: str, name: str) -> Iterator[Change]:
        epc = self._table.device.epc_of(name)
        if epc is None:
            return
        target = f"{offer} {name}"
        if offer == "readBack":
            fact = self._view.facts.get(epc)
            if fact is not None and epc not in self._view.wrote:
                wrote = _setter("wrote", {**self._view.wrote, epc: fact.at})
                yield Change(target, f"{name}: written by us, and read back", 3, wrote)
            return
        here = epc in getattr(self._view, offer)
        words = {"settable": "the Set map", "gettable": "the Get map", "announced": "the map of announcements"}
        where = words.get(offer, "what the unit has refused")
        text = f"{name} ({epc:02X}) {'not ' if here else ''}in {where}"
        yield Change(target, text, 3, _setter(offer, getattr(self._view, offer) ^ {epc}))


def shown(table: CompiledTable, view: View, epc: int) -> str:
    """A property's value in words."""
    fact = view.facts.get(epc)
    if fact is None:
        return "refused" if epc in view.refused else ABSENT
    decoded = table.decoder.decode(view.release, epc, fact.edt)
    return f"no value of Release {view.release}" if decoded.name == ABSENT else words_of(decoded.value)


def words_of(value: Value) -> str:
    """A decoded value in words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {words_of(part)}" for name, part in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(words_of, value))
    if isinstance(value, Special):
        return f"({value.value})"
    return (text_of(value) if value else "none") if isinstance(value, bytes) else str(value)


def _encodings(codec: Codec, bounds: Iterable[int]) -> Iterator[bytes]:
    """Values that conditions can tell apart: each name, and numbers at, below and above each bound."""
    match codec:
        case StateCodec():
            for first, _, _ in codec.codes:
                yield first.to_bytes(codec.size, "big")
        case OneOfCodec():
            for option in codec.options:
                yield from _encodings(option, bounds)
        case IntegerCodec():
            for milli in (*sorted(bounds, key=lambda each: (abs(each), each < 0)), 0):
                raw = codec.from_milli(milli)
                for near in (raw, raw + 1, raw - 1) if milli else (0,):
                    try:
                        yield codec.encode(near)
                    except PropertyValueError:
                        continue


# -- how a view becomes another


def _tells(epc: int, edt: bytes) -> Callable[[View], View]:
    def apply(view: View) -> View:
        facts = {**view.facts, epc: Fact(edt, view.now)}
        return replace(view, facts=facts, refused=view.refused - {epc})

    return apply


def _refuses(epc: int) -> Callable[[View], View]:
    def apply(view: View) -> View:
        return replace(view, facts={each: fact for each, fact in view.facts.items() if each != epc})

    return apply


def _ages(epc: int, age: int) -> Callable[[View], View]:
    def apply(view: View) -> View:
        return replace(view, facts={**view.facts, epc: replace(view.facts[epc], at=view.now - age)})

    return apply


def _metered(name: str, milli: int) -> Callable[[View], View]:
    def apply(view: View) -> View:
        reading: Any = Reading(milli, view.now, origin="a meter")
        return replace(view, meter=replace(view.meter or Measures(), **{name: reading}))

    return apply


def _setter(name: str, value: Any) -> Callable[[View], View]:
    return lambda view: replace(view, **{name: value})


def _wants(**values: Any) -> Callable[[View], View]:
    return lambda view: replace(view, wanted=replace(view.wanted, **values))


_Options = Iterator[tuple[str, Callable[[View], View]]]


def _flag(field: str) -> Callable[[View, list[int]], _Options]:
    def options(view: View, _: list[int]) -> _Options:
        now: bool = getattr(view, field)
        yield f"{_word(now)} -> {_word(not now)}", _setter(field, not now)

    return options


def _wish(field: str) -> Callable[[View, list[int]], _Options]:
    def options(view: View, _: list[int]) -> _Options:
        now: bool = getattr(view.wanted, field)
        yield f"{_word(now)} -> {_word(not now)}", _wants(**{field: not now})

    return options


def _wished_mode(view: View, _: list[int]) -> _Options:
    for mode in Mode:
        if mode is not view.wanted.mode:
            yield f"{view.wanted.mode} -> {mode}", _wants(mode=mode)


def _wished_urgency(view: View, _: list[int]) -> _Options:
    for urgency in Urgency:
        if urgency is not view.wanted.urgency:
            yield f"{view.wanted.urgency} -> {urgency}", _wants(urgency=urgency)


def _amount(view: View, _: list[int]) -> _Options:
    if view.wanted.amount is None:
        yield "false -> true", _wants(amount=Amount("explain", energy=_ENERGY))
    else:
        yield "true -> false", _wants(amount=None)


def _bounded(view: View, _: list[int]) -> _Options:
    wanted = view.wanted
    if wanted.target is None and wanted.charge_bound is None and wanted.discharge_bound is None:
        yield "false -> true", _wants(charge_bound=_POWER)
    else:
        yield "true -> false", _wants(target=None, charge_bound=None, discharge_bound=None)


def _reachable(view: View, _: list[int]) -> _Options:
    now = view.reachable
    silence: dict[str, Any] = {"reachable": not now, "lost_for": 1 if now else 0}
    yield f"{_word(now)} -> {_word(not now)}", lambda each: replace(each, **silence)


def _lost(view: View, bounds: list[int]) -> _Options:
    for bound in bounds:
        if view.lost_for < bound:
            yield f"no answer for {bound / 1000:g} s", _silent_for(bound)
        else:
            yield f"no answer for less than {bound / 1000:g} s", _silent_for(bound - 1)


def _silent_for(time: int) -> Callable[[View], View]:
    return lambda view: replace(view, reachable=False, lost_for=time)


def _word(value: bool) -> str:
    return "true" if value else "false"


_SIGNALS: Final[Mapping[str, Callable[[View, list[int]], _Options]]] = {
    "reachable": _reachable,
    "lostFor": _lost,
    "confirmed": _flag("confirmed"),
    "contested": _flag("contested"),
    "foreign": _flag("foreign"),
    "dischargeAllowed": _flag("discharge_allowed"),
    "authorized": _wish("authorized"),
    "inTransaction": _wish("in_transaction"),
    "wanted": _wished_mode,
    "urgency": _wished_urgency,
    "amountWanted": _amount,
    "bounded": _bounded,
}
