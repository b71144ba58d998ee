"""What is measured, by the table's MeterValues section: the first source that tells, with its age and origin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from bridge.evse import Reading, Source
from bridge.mapping.conditions import Conditions
from bridge.mapping.context import Context
from bridge.mapping.decision import Measures
from bridge.mapping.logic import Test, always
from bridge.mapping.measurands import misnamed
from bridge.mapping.model import MeasureModel, MeterValuesModel, SourceModel
from bridge.mapping.yamlfile import Path_
from bridge.records import dataclass

#: The base unit in which each measure is counted in thousandths.
UNITS: Final[Mapping[str, str]] = {
    "power": "W",
    "current": "A",
    "voltage": "V",
    "energy_in": "Wh",
    "energy_out": "Wh",
    "soc": "%",
    "offered": "W",
    "capacity": "Wh",
}
#: What may be taken from a meter, and its name in `Measures`.
_METERED: Final[Mapping[str, str]] = {
    "power": "power",
    "current": "current",
    "voltage": "voltage",
    "energyIn": "energy_in",
    "energyOut": "energy_out",
}
#: What energies are counted up from: the field of the view; its readings say so themselves.
_INTEGRALS: Final[Mapping[str, tuple[str, str]]] = {
    "power": ("from_power", ""),
    "soc": ("from_soc", ""),
}
_FULL: Final = 100_000  # 100 % in 0.001 %
#: Of two sources the one that says less about now.
_WORST: Final = (Source.LAST_KNOWN, Source.NOTIFIED)


class SourceOf(Protocol):
    """One compiled source."""

    def read(self, context: Context) -> Reading | None:
        """The value, if this source tells one."""


@dataclass(frozen=True)
class PropertySource:
    """What the unit tells in one property."""

    epc: int
    origin: str
    within: int | None
    test: Test
    negate: bool

    def read(self, context: Context) -> Reading | None:
        """The value, if the property has one."""
        fact = context.fresh(self.epc, self.within)
        value = context.milli(self.epc) if fact is not None and self.test(context) else None
        if fact is None or value is None:
            return None
        return context.reading(-value if self.negate else value, fact, self.origin)


@dataclass(frozen=True)
class RatioSource:
    """What the unit tells in two properties, as a percentage of the second; it is as old as the older one."""

    part: PropertySource
    whole: PropertySource
    origin: str

    def read(self, context: Context) -> Reading | None:
        """The ratio, if both have a value and the part is no more than the whole."""
        part = self.part.read(context)
        whole = self.whole.read(context) if part is not None else None
        if part is None or whole is None or not 0 <= part.value <= whole.value or whole.value == 0:
            return None
        sources = {part.source, whole.source}
        source = next((source for source in _WORST if source in sources), part.source)
        return Reading(part.value * _FULL // whole.value, min(part.at, whole.at), source, self.origin)


@dataclass(frozen=True)
class SideSource:
    """What is known beside the unit: from a meter, or counted up. `side` and `measure` are fields of the view."""

    side: str
    measure: str
    origin: str  # put before the origin of what is read
    within: int | None
    test: Test
    negate: bool

    def read(self, context: Context) -> Reading | None:
        """The value, if there is such a side and it tells one."""
        measures: Measures | None = getattr(context.view, self.side)
        if measures is None:
            return None
        told: Reading | None = getattr(measures, self.measure)
        if told is None or (self.within is not None and context.view.now - told.at > self.within):
            return None
        if not self.test(context):
            return None
        return Reading(-told.value if self.negate else told.value, told.at, told.source, self.origin + told.origin)


@dataclass(frozen=True)
class Meter:
    """The compiled section."""

    sources: Mapping[str, tuple[SourceOf, ...]]
    identity: tuple[tuple[int, Test], ...]

    def read(self, context: Context) -> Measures:
        """All that can be told now."""
        return Measures(
            **{name: _first(sources, context) for name, sources in self.sources.items()},
            vehicle_id=self._identity(context),
        )

    def soc(self, context: Context, within: int | None, asked: bool) -> Reading | None:
        """The state of charge from the first source that is no older than `within` ms and, if `asked`, from a Get."""
        for source in self.sources.get("soc", ()):
            reading = source.read(context)
            if reading is None or (asked and reading.source is not Source.READ):
                continue
            if within is None or context.view.now - reading.at <= within:
                return reading
        return None

    def _identity(self, context: Context) -> str | None:
        for epc, test in self.identity:
            value = context.value(epc)
            if isinstance(value, bytes) and value and test(context):
                return text_of(value)
        return None


def _first(sources: tuple[SourceOf, ...], context: Context) -> Reading | None:
    for source in sources:
        reading = source.read(context)
        if reading is not None:
            return reading
    return None


def text_of(raw: bytes) -> str:
    """Bytes as text where they are printable, else in hex."""
    stripped = raw.rstrip(b"\0 ")
    printable = bool(stripped) and all(0x21 <= byte <= 0x7E for byte in stripped)
    return stripped.decode("ascii") if printable else raw.hex().upper()


def compile_meter(conditions: Conditions, model: MeterValuesModel) -> Meter:
    """The `MeterValues` section."""
    sources: dict[str, tuple[SourceOf, ...]] = {}
    for name, info in type(model).model_fields.items():
        measure: MeasureModel | None = getattr(model, name)
        path: Path_ = ("MeterValues", info.alias or name, "first")
        if measure is not None and name in UNITS:
            found = (
                compile_source(conditions, source, (*path, i), UNITS[name], name)
                for i, source in enumerate(measure.first)
            )
            sources[name] = tuple(source for source in found if source is not None)
        if measure is not None:
            _check_measurand(conditions, measure, (*path[:-1], "measurand"), name)
    return Meter(sources, _identity(conditions, model))


def _check_measurand(conditions: Conditions, model: MeasureModel, path: Path_, name: str) -> None:
    """The station tells each measure as one measurand, whatever a table says: so the table says that one."""
    for sign, word, known in misnamed(name, model.measurand):
        text = f'"{path[-2]}" is not told as {word} but as {known}'
        conditions.problems.add(conditions.document, (*path, sign) if sign else path, "WRONG-VALUE", text)


def _identity(conditions: Conditions, model: MeterValuesModel) -> tuple[tuple[int, Test], ...]:
    if model.vehicle_id is None:
        return ()
    path: Path_ = ("MeterValues", "vehicleId", "first")
    return tuple(
        (
            conditions.property(source.property, (*path, index, "property")),
            conditions.compile(source.when, (*path, index, "when")) if source.when else always,
        )
        for index, source in enumerate(model.vehicle_id.first)
    )


def compile_source(conditions: Conditions, model: SourceModel, path: Path_, unit: str, measure: str) -> SourceOf | None:
    """One source of a measure that is counted in `unit`; `measure` is its name in `Measures`."""
    kinds = [key for key in ("property", "ratio", "meter", "integral") if getattr(model, key) is not None]
    if len(kinds) != 1:
        said = " and ".join(kinds) or "none of them"
        text = f'a source is one of "property", "ratio", "meter" and "integral", not {said}'
        conditions.problems.add(conditions.document, path, "SOURCE", text)
        return None
    if kinds[0] in ("meter", "integral"):
        return _side(conditions, model, path, unit, measure)
    names = (model.property,) if model.property is not None else (model.ratio or ())
    epcs = tuple(conditions.property(name, (*path, kinds[0])) for name in names)
    expected = unit if model.property else "Wh"
    for name, epc in zip(names, epcs, strict=True):
        if epc >= 0 and conditions.vocabulary.unit(str(name)) != expected:
            conditions.problems.add(conditions.document, (*path, kinds[0]), "UNIT", f'"{name}" is not in {expected}')
    test = _when(conditions, model, path)
    found = [PropertySource(e, str(n), model.within, test, model.negate) for e, n in zip(epcs, names, strict=True)]
    return found[0] if len(found) == 1 else RatioSource(found[0], found[1], "/".join(str(name) for name in names))


def _side(conditions: Conditions, model: SourceModel, path: Path_, unit: str, measure: str) -> SideSource | None:
    test = _when(conditions, model, path)
    if model.meter is not None:
        read = _METERED[model.meter]
        if UNITS[read] != unit:
            conditions.problems.add(conditions.document, (*path, "meter"), "UNIT", f'"{model.meter}" is not in {unit}')
        return SideSource("meter", read, "meter: ", model.within, test, model.negate)
    if unit != "Wh":
        conditions.problems.add(conditions.document, (*path, "integral"), "UNIT", "only energies are counted up")
    side, origin = _INTEGRALS[model.integral or ""]
    return SideSource(side, measure, origin, model.within, test, model.negate)


def _when(conditions: Conditions, model: SourceModel, path: Path_) -> Test:
    return conditions.compile(model.when, (*path, "when")) if model.when else always
