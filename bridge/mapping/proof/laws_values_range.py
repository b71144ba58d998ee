"""Law 3, in range: no write leaves the property's range, the unit's own minimum and maximum, or the limit.

What is written is made of `min`, `max`, comparisons and divisions that round toward zero. Between two numbers that are
compared it only grows with the limit; so it is enough to look on both sides of each of them, for every definition of a
release, every voltage that a table may go by, and each way in which a unit may tell its bounds or keep silent. Which
properties are the bounds of which setting is a fact of the dictionary (`limitedBy`): a table that goes by others is
found out because the unit's real bounds are then free of those that the table looks at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain, product
from typing import Any, Final

from bridge.echonet.values import IntegerCodec, Quantity, StructCodec
from bridge.evse import Amount, Mode, Wanted
from bridge.mapping.context import ABSENT, Context
from bridge.mapping.decision import Fact, Recipe, Step, View
from bridge.mapping.proof.diagram import EVERYTHING
from bridge.mapping.proof.finding import Finding, Law
from bridge.mapping.proof.laws_rows import way_taken
from bridge.mapping.proof.meaning import Meaning
from bridge.mapping.proof.situation import Situations
from bridge.mapping.proof.space import UNKNOWN_RELEASE
from bridge.mapping.recipe import Setpoint, Way, trial
from bridge.mapping.steps import ImpossibleError, WriteStep
from bridge.mapping.yamlfile import Path_

CODE: Final = "RANGE"
_WATT: Final = 1000
#: What a unit may tell of itself: the rated power; the least and the most power and current. None: it tells nothing.
#: In W and in 0.1 A; two cases in which the one is lower and two in which the other is.
_RATED: Final = (None, 3000, 6000)
_POWER: Final = (None, (1000, 4000), (2500, 8000))
_CURRENT: Final = (None, (60, 160), (15, 655))
#: What a property says that the dictionary does not name as a bound here, so that it bounds nothing.
_FREE: Final = 900_000
_AMOUNTS: Final = (1, 1000, 7_499_500, 2 * 10**12)  # mWh


@dataclass(frozen=True)
class _Told:
    """What the unit really can do, in mW and mA; None where it does not tell."""

    rated: int | None
    power: tuple[int, int] | None
    current: tuple[int, int] | None

    @property
    def most(self) -> int | None:
        """The most power that any of them allows."""
        return min(self._powers, default=None)

    @property
    def full(self) -> int | None:
        """What may flow while nothing governs it."""
        return max(self._powers, default=None)

    @property
    def _powers(self) -> list[int]:
        return [value for value in (self.rated, self.power[1] if self.power else None) if value is not None]


@dataclass(frozen=True)
class _Bounds:
    """The properties that really bound a setting in one direction, by what they tell."""

    rated: int | None
    power: int | None
    current: int | None

    @property
    def epcs(self) -> frozenset[int]:
        """All that there are."""
        return frozenset(epc for epc in (self.rated, self.power, self.current) if epc is not None)


class _Trial:
    """One way of one setpoint in one release, with everything that bounds it varied."""

    def __init__(self, meaning: Meaning, mode: Mode, place: int, letter: str, view: View, bounds: _Bounds) -> None:
        self.table = meaning.table
        self.device = meaning.table.device
        self.mode = mode
        self.setpoint: Setpoint = meaning.table.setpoints[mode]
        self.way: Way = self.setpoint.ways[place]
        self.letter = letter
        self.bounds = bounds
        self.known = self.device.at(letter).by_epc
        self.view = replace(view, release=letter, settable=frozenset(self.known), gettable=frozenset(self.known))
        self.limits = [step for step in self.way.steps if step.is_limit and letter in step.defined]
        self.by_current = any(step.unit == "A" for step in self.limits)

    def broken(self) -> tuple[str, WriteStep | None, View] | None:
        """The first case in which something is written that must not be, and why."""
        first, *others = self._told()
        everything = chain(
            ((told, {}, None) for told in (first, *others)),
            ((told, now, None) for told in others[-1:] for now in self._now()),
            ((first, {}, amount) for amount in self._amounts()),
        )
        for told, now, amount in everything:
            facts = {**self._facts(told), **now}
            for asked in self._asked(told):
                found = self._one(told, facts, asked, amount)
                if found is not None:
                    return found
        return None

    # Cases

    def _told(self) -> Iterator[_Told]:
        currents = _CURRENT if self.by_current else _CURRENT[:1]
        for rated, power, current in product(_RATED, _POWER, currents):
            yield _Told(
                None if rated is None or self.bounds.rated is None else rated * _WATT,
                None if power is None or self.bounds.power is None else (power[0] * _WATT, power[1] * _WATT),
                None if current is None or self.bounds.current is None else (current[0] * 100, current[1] * 100),
            )

    def _facts(self, told: _Told) -> Mapping[int, Fact]:
        """The unit's bounds, and of what only the table takes for bounds something that allows everything."""
        facts = {epc: fact for epc, fact in self.view.facts.items() if epc not in self._asked_for()}
        for epc in self._asked_for() - self.bounds.epcs:
            self._put(facts, epc, (0, _FREE * _WATT))
        values: tuple[tuple[int | None, tuple[int, int] | None], ...] = (
            (self.bounds.rated, None if told.rated is None else (0, told.rated)),
            (self.bounds.power, told.power),
            (self.bounds.current, told.current),
        )
        for one, pair in values:
            if one is not None and pair is not None:
                self._put(facts, one, pair)
        return facts

    def _asked_for(self) -> frozenset[int]:
        bounds = self.setpoint.bounds
        named = () if bounds is None else (bounds.rated, bounds.power, bounds.current)
        return frozenset(named) | self.bounds.epcs

    def _put(self, facts: dict[int, Fact], epc: int, pair: tuple[int, int]) -> None:
        prop = self.known.get(epc)
        if prop is None:
            return
        codec = prop.codec
        if isinstance(codec, StructCodec):
            parts = [_raw(part, pair[min(place, 1)]) for place, (_, part) in enumerate(codec.fields)]
            edt = b"".join(parts)
        elif isinstance(codec, IntegerCodec):
            edt = _raw(codec, pair[1])
        else:
            return
        facts[epc] = Fact(edt, self.view.now)

    def _now(self) -> Iterator[dict[int, Fact]]:
        """What the setting is now: what is tolerated must still be below the limit."""
        for step in self.limits:
            codec = step.limits[self.letter]
            if step.tolerate:
                for raw in (30, 66, 150):
                    yield {step.epc: Fact(codec.encode(raw * step.sign), self.view.now)}

    def _asked(self, told: _Told) -> Iterator[int | None]:
        """Limits (mW) on both sides of everything that they are compared with."""
        yield None
        edges = {_WATT, 3_000_000_000_000}
        edges |= {value for value in (told.rated, *(told.power or ())) if value is not None}
        if self.by_current and self.setpoint.bounds is not None:
            volts = self.setpoint.bounds.voltage(Context(self.table, self.view))
            edges |= {amperes * volts // 1000 for amperes in told.current or (100, 1000)}
        for edge in sorted(edges):
            yield from (edge + step for step in (-_WATT, -1, 0, 1, 501))

    def _amounts(self) -> Sequence[int]:
        return _AMOUNTS if any(step.is_amount for step in self.way.steps) else ()

    # What comes of one

    def _one(
        self, told: _Told, facts: Mapping[int, Fact], asked: int | None, amount: int | None
    ) -> tuple[str, WriteStep | None, View] | None:
        out = self.mode is Mode.DISCHARGE
        wanted = Wanted(
            self.mode,
            authorized=True,
            in_transaction=True,
            amount=None if amount is None else Amount("proof", energy=amount),
            charge_bound=None if out else asked,
            discharge_bound=asked if out else None,
        )
        view = replace(self.view, facts=facts, wanted=wanted)
        context = Context(self.table, view)
        if asked is not None and asked <= 0:
            return None
        try:
            answer = trial(context, self.setpoint, self.table.setpoints, self.way)
        except ImpossibleError:
            return None
        if not isinstance(answer, Recipe) or answer.mode is not self.mode:
            return None
        wrong = self._wrong(context, told, asked, answer, amount)
        return None if wrong is None else (*wrong, view)

    def _wrong(
        self, context: Context, told: _Told, asked: int | None, answer: Recipe, amount: int | None
    ) -> tuple[str, WriteStep | None] | None:
        if answer.target is not None and asked is not None and abs(answer.target) > asked:
            return f"{_power(abs(answer.target))} are granted, and {_power(asked)} are the limit", None
        if self.way.on_off and asked is not None and (told.full is None or asked < told.full):
            full = "an unknown power" if told.full is None else _power(told.full)
            return f"it is switched on below a limit of {_power(asked)}, and takes {full}", None
        for step in self.way.steps:
            made = next((each for each in answer.steps if each.epc == step.epc), None)
            if step.limits and made is not None and self.letter in step.defined:
                wrong = (
                    self._limited(context, told, asked, step, made) if step.is_limit else _amount(step, made, amount)
                )
                if wrong:
                    return wrong, step
        return None

    def _limited(self, context: Context, told: _Told, asked: int | None, step: WriteStep, made: Step) -> str:
        value = step.limits[self.letter].decode(made.edt)
        if not isinstance(value, Quantity) or value.milli == 0:
            return f"{step.name} is set to 0x{made.edt.hex().upper()}, which is no setting that lets energy flow"
        fact = context.facts.get(step.epc)
        kept = fact is not None and fact.edt == made.edt  # nothing is written then
        amount = abs(value.milli)
        if (value.milli < 0) is not (self.mode is Mode.DISCHARGE) and step.limits[self.letter].minimum < 0:
            return f"{step.name}={value} is in the other direction than to {self.mode.value}"
        if step.unit == "A":
            return self._ampere(context, told, asked, step, amount, kept)
        if asked is not None and amount > asked:
            return f"{step.name}={value} is above the limit of {_power(asked)}"
        if told.most is not None and amount > told.most:
            return f"{step.name}={value} is above what the unit can, {_power(told.most)}"
        if told.power is not None and amount < told.power[0] and not kept:
            return f"{step.name}={value} is below the unit's minimum of {_power(told.power[0])}"
        return ""

    def _ampere(
        self, context: Context, told: _Told, asked: int | None, step: WriteStep, amount: int, kept: bool
    ) -> str:
        bounds = self.setpoint.bounds
        volts = 0 if bounds is None else bounds.voltage(context)
        power, shown = amount * volts // 1000, f"{step.name}={amount / 1000:g} A"
        most = min((each for each in (asked, told.most) if each is not None), default=None)
        if most is not None and power > most:
            return f"{shown} at {volts / 1000:g} V is above {_power(most)}"
        if told.current is not None and amount > told.current[1]:
            return f"{shown} is above what the unit can, {told.current[1] / 1000:g} A"
        if told.current is not None and amount < told.current[0] and not kept:
            return f"{shown} is below the unit's minimum of {told.current[0] / 1000:g} A"
        return ""


def _amount(step: WriteStep, made: Step, amount: int | None) -> str:
    value = next(iter(step.limits.values())).decode(made.edt)
    if amount is None or not isinstance(value, Quantity) or not 0 < value.milli <= amount:
        return f"{step.name} is set to 0x{made.edt.hex().upper()}, more than what is left: {(amount or 0) / 1000:g} Wh"
    return ""


def _raw(codec: object, milli: int) -> bytes:
    assert isinstance(codec, IntegerCodec)
    return codec.encode(min(max(codec.from_milli(milli), codec.minimum), codec.maximum))


def _power(milliwatts: int) -> str:
    return f"{Decimal(milliwatts) / 1000} W"


# The law --------------------------------------------------------------------------------------------------------


def in_range(meaning: Meaning) -> Iterable[Finding]:
    """3: over all limits, all bounds of a unit, all voltages and all releases."""
    for mode, setpoint in meaning.table.setpoints.items():
        for place, way in enumerate(setpoint.ways):
            if setpoint.bounds is not None and way.pause_first is None:
                found = list(_way(meaning, mode, place, way))
                yield from found
                if any(each.path[2] == "limit" for each in found):
                    break  # one bound that is none is told once


def _way(meaning: Meaning, mode: Mode, place: int, way: Way) -> Iterable[Finding]:
    path: Path_ = ("setpoints", mode.value, "ways", place)
    for index, step in enumerate(way.steps):
        if step.is_limit and not any(_limited_by(meaning, step.name, mode)):
            text = f'"{step.name}" does not govern how much is {_DONE[mode]}: the dictionary has no "limitedBy" for it'
            mend = f"write a setting of what is {_DONE[mode]}, or say in the dictionary what limits it"
            yield Finding(CODE, (*path, "ensure", index), text, others=(path,), mend=mend)
            return
    for letters, view in _views(meaning, mode, place):
        bounds = _real_bounds(meaning, mode, way, letters)
        found = _Trial(meaning, mode, place, letters, view, bounds).broken()
        if found is not None:
            yield _finding(meaning, mode, place, letters, found)
            return


_DONE: Final[Mapping[Mode, str]] = {Mode.DISCHARGE: "discharged", **dict.fromkeys((Mode.CHARGE, Mode.AUTO), "charged")}


def _limited_by(meaning: Meaning, name: str, mode: Mode) -> Iterator[str]:
    for prop in meaning.table.device.all_properties:
        if prop.name == name:
            yield from dict(prop.limited_by).get(mode.value, ())


def _real_bounds(meaning: Meaning, mode: Mode, way: Way, letter: str) -> _Bounds:
    """By the dictionary: of the settings that the way writes; of an on/off way those of all settings of power."""
    device = meaning.table.device
    written = {step.name for step in way.steps if step.is_limit}
    names = {
        name
        for prop in device.at(letter).by_epc.values()
        if not written or prop.name in written
        for name in dict(prop.limited_by).get(mode.value, ())
    }
    rated = power = current = None
    for name in sorted(names):
        prop = device.at(letter).by_name.get(name)
        if prop is None:
            continue
        if isinstance(prop.codec, IntegerCodec):
            rated = prop.epc
        elif isinstance(prop.codec, StructCodec):
            units = {part.unit for _, part in prop.codec.fields if isinstance(part, IntegerCodec)}
            power, current = (prop.epc, current) if units == {"W"} else (power, prop.epc)
    return _Bounds(rated, power, current)


def _views(meaning: Meaning, mode: Mode, place: int) -> Iterator[tuple[str, View]]:
    """For each group of releases with the same definitions a view in which the way is taken, for each voltage."""
    sets, situations = meaning.sets, Situations(meaning)
    setpoint = meaning.table.setpoints[mode]
    by_current = any(step.unit == "A" for step in setpoint.ways[place].steps)
    rows = len(setpoint.bounds.volts) if setpoint.bounds is not None and by_current else 1
    for letter in _distinct(meaning, setpoint, setpoint.ways[place]):
        here = sets.both(way_taken(meaning, mode, place), meaning.releases(letter))
        for row in range(rows):
            when = meaning.at(("setpoints", mode.value, "limit", "volts", row, "when")) if by_current else EVERYTHING
            at = situations.nearest(sets.both(here, when))
            if at is not None:
                shown = situations.show(Finding("", (), "", at))
                view = situations.usual_view if shown is None else shown.view
                yield from (
                    (letter, each) for each in _measured(setpoint, row if by_current else None, view, meaning, letter)
                )


def _measured(setpoint: Setpoint, row: int | None, view: View, meaning: Meaning, letter: str) -> Iterator[View]:
    """With each voltage that a row that measures may find."""
    volts = None if row is None or setpoint.bounds is None else setpoint.bounds.volts[row]
    prop = (
        meaning.table.device.at(letter).by_epc.get(volts.epc) if volts is not None and volts.epc is not None else None
    )
    if volts is None or prop is None or not isinstance(prop.codec, IntegerCodec):
        yield view
        return
    for milli in (volts.minimum - 1000, volts.minimum, 351_000):
        yield replace(view, facts={**view.facts, prop.epc: Fact(_raw(prop.codec, milli), view.now)})


def _distinct(meaning: Meaning, setpoint: Setpoint, way: Way) -> list[str]:
    """One letter for each set of definitions of what is written and of what bounds it."""
    bounds = setpoint.bounds
    asked = set() if bounds is None else {bounds.rated, bounds.power, bounds.current, *(v.epc for v in bounds.volts)}
    asked |= {step.epc for step in way.steps if step.limits}
    found: dict[str, str] = {}
    for letters in reversed(meaning.space.groups):
        letter = letters[0]
        if letter != UNKNOWN_RELEASE:
            known = meaning.table.device.at(letter).by_epc
            found.setdefault(repr([known.get(epc) for epc in sorted(e for e in asked if e is not None)]), letter)
    return list(found.values())


def _finding(
    meaning: Meaning, mode: Mode, place: int, letter: str, found: tuple[str, WriteStep | None, View]
) -> Finding:
    text, step, view = found
    path: Path_ = ("setpoints", mode.value, "ways", place)
    steps = meaning.table.setpoints[mode].ways[place].steps
    where: Path_ = (*path, "ensure", steps.index(step)) if step is not None else path
    others: tuple[Path_, ...] = (("setpoints", mode.value, "limit"),)
    mend = "write it so that it stays below what the unit says it can"
    strange = _strange_bound(meaning, mode)
    if strange is not None:
        where, others = strange, (where,)
        mend = "name the property that the dictionary names as the bound of what is written (limitedBy)"
    places = tuple(meaning.space.place(Context(meaning.table, view)))
    return Finding(CODE, where, text, places, others, mend, given=tuple(_given(meaning, letter, view)))


def _strange_bound(meaning: Meaning, mode: Mode) -> Path_ | None:
    """Where a table goes by a property that bounds nothing in this direction."""
    limit = meaning.source.model.setpoints[mode].limit
    known = {name for prop in meaning.table.device.all_properties for name in dict(prop.limited_by).get(mode.value, ())}
    for key in ("rated", "power", "current"):
        if limit is not None and known and getattr(limit, key) not in known:
            return ("setpoints", mode.value, "limit", key)
    return None


def _given(meaning: Meaning, letter: str, view: View) -> Iterator[Any]:
    """A view in the words of examples."""
    usual = Situations(meaning).usual_view
    if letter != usual.release:
        yield f"{meaning.table.release_epc:02X}={meaning.letter([letter])}"
    yield from (f"{epc:02X}={fact.edt.hex().upper()}" for epc, fact in sorted(view.facts.items()))
    names = {prop.epc: prop.name for prop in meaning.table.device.all_properties}
    rest: dict[str, Any] = {names[epc]: ABSENT for epc in usual.facts if epc not in view.facts}
    rest |= {"wanted": view.wanted.mode.value, "authorized": True, "inTransaction": True}
    for key, value in (("chargeBound", view.wanted.charge_bound), ("dischargeBound", view.wanted.discharge_bound)):
        if value is not None:
            rest[key] = _power(value)
    if view.wanted.amount is not None and view.wanted.amount.energy is not None:
        rest["amount"] = f"{Decimal(view.wanted.amount.energy) / 1000} Wh"
    yield rest


def volts(meaning: Meaning) -> Iterable[Finding]:
    """3: a current goes by the highest voltage that can be, or the power would be above the limit."""
    sets, situations = meaning.sets, Situations(meaning)
    for mode, setpoint in meaning.table.setpoints.items():
        rows = setpoint.bounds.volts if setpoint.bounds is not None else ()
        path: Path_ = ("setpoints", mode.value, "limit", "volts")
        wins = [meaning.at((*path, place, "when")) for place in range(len(rows))]
        left = EVERYTHING
        for place, row in enumerate(rows):
            here, left = sets.both(left, wins[place]), sets.without(left, wins[place]) if row.epc is None else left
            if row.epc is not None:
                yield from _measuring(meaning, mode, place)
                continue
            for other, higher in enumerate(rows):
                hidden = sets.both(here, meaning.possible)
                if higher.epc is None and higher.assume > row.assume:
                    unsure = sets.both(hidden, _hides(meaning, hidden, wins[other]))
                    if unsure != EVERYTHING and unsure:
                        text = (f"{row.assume / 1000:g} V is assumed where it is not told whether "
                                f"{higher.assume / 1000:g} V may be: the power could be above its limit")  # fmt: skip
                        mend = f"assume {higher.assume / 1000:g} V wherever what tells them apart may be absent"
                        yield situations.finding(
                            CODE, (*path, place), text, unsure, others=((*path, other),), mend=mend
                        )
                if higher.epc is not None and row.assume < higher.minimum:
                    text = (
                        f"{row.assume / 1000:g} V is assumed, and less than {higher.minimum / 1000:g} V is not believed"
                    )
                    yield Finding(
                        CODE, (*path, place), text, others=((*path, other),), mend="assume the highest that can be"
                    )


def _hides(meaning: Meaning, where: int, when: int) -> int:
    """Where something is not told that could, if it were, make a condition hold."""
    sets, found = meaning.sets, 0
    for index in sets.variables(when):
        variable = meaning.space.variables[index]
        if variable.key[0] == "value":
            told = sets.all((sets.complement(sets.where(index, (0,))), when, meaning.possible))
            silent = sets.both(where, sets.where(index, (0,)))
            found = sets.either(found, sets.both(silent, sets.freed(told, (index,))))
    return found


def _measuring(meaning: Meaning, mode: Mode, place: int) -> Iterable[Finding]:
    setpoint = meaning.source.model.setpoints[mode]
    assert setpoint.limit is not None
    row, path = setpoint.limit.volts[place], ("setpoints", mode.value, "limit", "volts", place)
    for key, value in (("min", row.min), ("within", row.within)):
        if value is None:
            what = "a voltage near zero" if key == "min" else "an old voltage"
            text = f'{what} would be believed, and let the current grow: "{key}" is missing'
            yield Finding(
                CODE, path, text, mend='add "min" (the least that is plausible) and "within" (how old it may be)'
            )


LAWS: Final[tuple[Law, ...]] = (in_range, volts)
