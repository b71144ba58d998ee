"""Law 2 for lists of sources, of which the first that tells is taken: MeterValues, terms, and voltages of a limit.

A source tells where its condition holds and the unit has a value for it. Another one above it hides it only if it is
the same source, believed for at least as long: that one has a value whenever this one has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.mapping.model import MeasureModel, SourceModel, VoltsModel
from bridge.mapping.proof.diagram import EVERYTHING, NOTHING, Set
from bridge.mapping.proof.finding import Finding, Law
from bridge.mapping.proof.laws_rows import Rival, dead
from bridge.mapping.proof.meaning import Meaning
from bridge.mapping.yamlfile import Path_

_FOR_EVER: Final = 10**12


@dataclass(frozen=True)
class _Told:
    """What a source reads, how old it may be (ms), how much it must be at least (mV), and where it is asked."""

    path: Path_
    what: tuple[str, ...]
    within: int
    least: int
    holds: Set

    @property
    def name(self) -> str:
        """As messages name it."""
        return "/".join(self.what)

    def covers(self, other: _Told) -> bool:
        """Whether this one tells whenever the other does, where both are asked."""
        return self.what == other.what and self.within >= other.within and self.least <= other.least


def dead_sources(meaning: Meaning) -> Iterable[Finding]:
    """2: a source that never tells, or whose value is always told above it."""
    for path, sources in _lists(meaning):
        told = [_of_source(meaning, (*path, place), source) for place, source in enumerate(sources)]
        yield from _dead(meaning, told, "source")


def dead_volts(meaning: Meaning) -> Iterable[Finding]:
    """2: a voltage of a limit that is never looked at."""
    for mode, setpoint in meaning.source.model.setpoints.items():
        rows = setpoint.limit.volts if setpoint.limit is not None else []
        path: Path_ = ("setpoints", mode.value, "limit", "volts")
        told = [_of_volts(meaning, (*path, place), row) for place, row in enumerate(rows)]
        yield from _dead(meaning, told, "voltage")


def _lists(meaning: Meaning) -> Iterable[tuple[Path_, Sequence[SourceModel]]]:
    model = meaning.source.model
    for name, info in type(model.meter_values).model_fields.items():
        measure: MeasureModel | None = getattr(model.meter_values, name)
        if measure is not None:
            yield ("MeterValues", info.alias or name, "first"), measure.first
    for name, term in model.terms.items():
        yield ("terms", name, "first"), term.first or []


def _of_source(meaning: Meaning, path: Path_, source: SourceModel) -> _Told:
    names = source.ratio or ((source.property,) if source.property is not None else ())
    what = tuple(str(name) for name in names) or ((f"meter {source.meter}",) if source.meter else ())
    holds = meaning.sets.all([meaning.at((*path, "when")), *(_readable(meaning, str(name)) for name in names)])
    within = _FOR_EVER if source.within is None else source.within
    return _Told(path, what or (f"integral {source.integral}",), within, 0, holds)


def _of_volts(meaning: Meaning, path: Path_, row: VoltsModel) -> _Told:
    holds, within = meaning.at((*path, "when")), _FOR_EVER if row.within is None else row.within
    if row.property is None:
        return _Told(path, (), within, 0, holds)
    return _Told(
        path, (row.property,), within, row.min or 1, meaning.sets.both(holds, _readable(meaning, row.property))
    )


def _readable(meaning: Meaning, name: str) -> Set:
    """The releases in which a property can be read, and has no value that says never."""
    device = meaning.table.device
    letters = [
        letters[0]
        for letters in meaning.space.groups
        for prop in [device.at(letters[0]).by_name.get(name)]
        if prop is not None and prop.get.possible
    ]
    return meaning.releases(letters) if len(letters) < len(meaning.space.groups) else EVERYTHING


def _dead(meaning: Meaning, told: Sequence[_Told], what: str) -> Iterable[Finding]:
    """Each against those above it that would tell the same, and those that always tell (an assumed voltage)."""
    for place, each in enumerate(told):
        above = [
            Rival(other.path, other.name or "the assumed voltage", other.holds, other.holds)
            for other in told[:place]
            if not other.what or other.covers(each)
        ]
        name = each.name or "the assumed voltage"
        rivals = [*above, Rival(each.path, name, each.holds, NOTHING)]
        yield from (found for found in dead(meaning, rivals, what) if found.path == each.path)


LAWS: Final[tuple[Law, ...]] = (dead_sources, dead_volts)
