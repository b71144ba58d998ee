"""What is measured, by the table's MeterValues section: the first source that tells, with its age and origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bridge.evse import Reading, Source
from bridge.mapping.conditions import Conditions, Test, always
from bridge.mapping.context import Context
from bridge.mapping.decision import Fact, Measures
from bridge.mapping.model import MeasureModel, MeterValuesModel, SourceModel
from bridge.mapping.yamlfile import Path_

#: The base unit in which each measure is counted in thousandths.
UNITS: Final[Mapping[str, str]] = {
    "power": "W",
    "current": "A",
    "voltage": "V",
    "energy_in": "Wh",
    "energy_out": "Wh",
    "soc": "%",
    "offered": "W",
}
_FULL: Final = 100_000  # 100 % in 0.001 %


@dataclass(frozen=True)
class SourceOf:
    """One source: a property, or the ratio of two as a percentage."""

    epcs: tuple[int, ...]
    origin: str
    within: int | None
    test: Test
    negate: bool

    def read(self, context: Context) -> Reading | None:
        """The value, if this source tells one."""
        facts = [fact for epc in self.epcs if (fact := context.fresh(epc, self.within)) is not None]
        if len(facts) < len(self.epcs) or not self.test(context):
            return None
        numbers = [number for epc in self.epcs if (number := context.milli(epc)) is not None]
        if len(numbers) < len(self.epcs):
            return None
        value = numbers[0] if len(numbers) == 1 else _ratio(*numbers)
        if value is None:
            return None
        oldest = min(facts, key=lambda fact: fact.at)
        told = Fact(oldest.edt, oldest.at, any(fact.notified for fact in facts))
        return context.reading(-value if self.negate else value, told, self.origin)


def _ratio(part: int, whole: int) -> int | None:
    """Part of whole in 0.001 %; None where it makes no sense."""
    return part * _FULL // whole if 0 <= part <= whole and whole > 0 else None


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
                compile_source(conditions, source, (*path, i), UNITS[name]) for i, source in enumerate(measure.first)
            )
            sources[name] = tuple(source for source in found if source is not None)
    return Meter(sources, _identity(conditions, model))


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


def compile_source(conditions: Conditions, model: SourceModel, path: Path_, unit: str) -> SourceOf | None:
    """One source of a measure that is counted in `unit`."""
    names = (model.property,) if model.property is not None else (model.ratio or ())
    if bool(model.property) == bool(model.ratio):
        conditions.problems.add(conditions.document, path, "SOURCE", "a source is either a property or a ratio")
        return None
    key = "property" if model.property else "ratio"
    epcs = tuple(conditions.property(name, (*path, key)) for name in names)
    expected = unit if model.property else "Wh"
    for name, epc in zip(names, epcs, strict=True):
        if epc >= 0 and conditions.vocabulary.unit(str(name)) != expected:
            conditions.problems.add(conditions.document, (*path, key), "UNIT", f'"{name}" is not in {expected}')
    test = conditions.compile(model.when, (*path, "when")) if model.when else always
    return SourceOf(epcs, "/".join(str(name) for name in names), model.within, test, model.negate)
