"""What a section of a table looks at: properties, signals and offers, found by walking its conditions.

Terms are followed to what they are made of, `plug` and `comesTo` to the sections that they depend on. So everything
that could change an answer is found, with the values that the conditions name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.evse import Mode
from bridge.mapping.model import MeasureModel, SetpointModel, SourceModel, TableModel, TermModel
from bridge.mapping.quantity import quantity

#: Signals that stand in a view as true or false, a word or a number.
SIGNALS: Final = frozenset(
    {
        "reachable",
        "confirmed",
        "contested",
        "foreign",
        "dischargeAllowed",
        "authorized",
        "inTransaction",
        "amountWanted",
        "bounded",
        "lostFor",
        "wanted",
        "urgency",
    }
)
#: What a unit offers on a property.
OFFERS: Final = ("settable", "gettable", "announced", "refused", "readBack")
_GROUPS: Final = ("all", "any")
#: Plausible numbers to try where no condition names one: mW of a home charger, mWh in a battery and of all of it.
_RATED: Final = 6_000_000
_HALF_FULL: Final = (20_000_000, 40_000_000)


@dataclass
class Looks:
    """Names by kind, in the order in which they are met; numbers in thousandths of the base unit."""

    properties: dict[str, set[int]] = field(default_factory=dict)  # and the bounds that its number is held against
    ages: dict[str, set[int]] = field(default_factory=dict)  # properties that count only if no older than (ms)
    floors: dict[str, set[int]] = field(default_factory=dict)  # bounds that count from the site's floor of charge
    signals: dict[str, set[int]] = field(default_factory=dict)
    offers: dict[tuple[str, str], None] = field(default_factory=dict)
    seen: dict[str, None] = field(default_factory=dict)
    meters: dict[str, set[int]] = field(default_factory=dict)
    release: bool = False

    def note(self, name: str, bounds: Iterable[int] = (), within: int | None = None) -> None:
        """A property is looked at."""
        self.properties.setdefault(name, set()).update(bounds)
        if within is not None:
            self.ages.setdefault(name, set()).add(within)


class Walker:
    """Walks one table's conditions."""

    def __init__(self, model: TableModel) -> None:
        self._model = model
        self.looks = Looks()
        self._done: set[str] = set()

    def rows(self, rows: Iterable[Any]) -> Looks:
        """The rows of a section."""
        for row in rows:
            self.when(row.when)
        return self.looks

    def setpoint(self, mode: Mode) -> Looks:
        """All that decides what becomes of a setpoint, its pause included."""
        for each in dict.fromkeys((mode, Mode.PAUSE)):
            model = self._model.setpoints.get(each)
            if model is not None and self._first_time(f"setpoint {each}"):
                self._setpoint(model)
        return self.looks

    def when(self, spec: Mapping[str, Any]) -> None:
        """One condition."""
        for key, value in spec.items():
            if key == "not":
                self.when(value)
            elif key in _GROUPS:
                for part in value:
                    self.when(part)
            else:
                self._atom(key, value)

    def _atom(self, key: str, value: Any) -> None:
        looks = self.looks
        if key in self._model.terms:
            self._term(key, value)
        elif key == "plug":
            if self._first_time("plug"):
                self.rows(self._model.plug)
        elif key == "comesTo":
            for mode in self._model.setpoints:
                self.setpoint(mode)
        elif key in SIGNALS:
            looks.signals.setdefault(key, set()).update(_bounds(value))
        elif key in OFFERS:
            for name in value if isinstance(value, list) else [value]:
                looks.offers[key, str(name)] = None
                if key == "readBack":
                    looks.note(str(name))
        elif key == "release":
            looks.release = True
        elif key == "seen":
            looks.seen[str(value)] = None
        else:
            looks.note(key, _bounds(value))

    def _term(self, name: str, value: Any) -> None:
        term = self._model.terms[name]
        bounds = _bounds(value)
        if self._first_time(f"term {name}") or bounds:
            self._term_model(term, bounds)

    def _term_model(self, term: TermModel, bounds: set[int]) -> None:
        if term.when is not None:
            self.when(term.when)
        threshold = {term.threshold, -term.threshold} if term.threshold is not None else set()
        for source in term.first or ():
            self._source(source, threshold | bounds)
        if term.measure is not None:
            measure: MeasureModel | None = getattr(self._model.meter_values, term.measure, None)
            for source in measure.first if measure is not None else ():
                self._source(source, set() if term.minus else bounds, term.within)
                if term.minus and source.property is not None:
                    self.looks.floors.setdefault(source.property, set()).update(bounds)

    def _source(self, source: SourceModel, bounds: set[int], within: int | None = None) -> None:
        if source.property is not None:
            self.looks.note(source.property, bounds, source.within or within)
        for name, amount in zip(source.ratio or (), _HALF_FULL, strict=False):
            self.looks.note(name, {amount}, source.within or within)
        if source.meter is not None:
            self.looks.meters.setdefault(source.meter, set()).update(bounds)
        if source.when is not None:
            self.when(source.when)

    def _setpoint(self, model: SetpointModel) -> None:
        for require in model.require:
            self.when(require.when)
        for way in model.ways:
            self.when(way.when)
            for step in way.ensure:
                condition = step.get("if")
                if isinstance(condition, Mapping):
                    self.when(condition)
        if model.limit is not None:
            self.looks.note(model.limit.rated, {_RATED})
            for name in (model.limit.power, model.limit.current):
                self.looks.note(name)
            for row in model.limit.volts:
                self.when(row.when)
                if row.property is not None:
                    self.looks.note(row.property, {row.min} if row.min else (), row.within)

    def _first_time(self, what: str) -> bool:
        if what in self._done:
            return False
        self._done.add(what)
        return True


def _bounds(value: Any) -> set[int]:
    """The numbers of a range like `{min: 60s}`."""
    if not isinstance(value, Mapping):
        return set()
    found = (quantity(text) for text in value.values() if isinstance(text, str))
    return {each[0] for each in found if each is not None}
