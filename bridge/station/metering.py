"""What was observed, as OCPP sampled values. Which measurand comes from where is one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache

from bridge.evse import Observed, Reading
from bridge.records import dataclass
from bridge.station.messages import Location, Measurand, MeterValue, ReadingContext, SampledValue, UnitOfMeasure


@dataclass(frozen=True, slots=True)
class _Row:
    """One measurand: which reading, how many of its units make one of ours, and which sign belongs to it."""

    reading: Callable[[Observed], Reading | None]
    divisor: int
    unit: str | None
    sign: int = 0  # 1: import only, -1: export only (told positive), 0: as it is
    location: Location = Location.OUTLET


def _import(reading: Callable[[Observed], Reading | None], divisor: int, unit: str) -> _Row:
    return _Row(reading, divisor, unit, sign=1)


def _export(reading: Callable[[Observed], Reading | None], divisor: int, unit: str) -> _Row:
    return _Row(reading, divisor, unit, sign=-1)


#: `.Export` values are positive and flow out of the car; the registers only grow (translation.md, "MeterValues").
_ROWS: dict[Measurand, _Row] = {
    Measurand.POWER_ACTIVE_IMPORT: _import(lambda o: o.power, 1000, "W"),
    Measurand.POWER_ACTIVE_EXPORT: _export(lambda o: o.power, 1000, "W"),
    Measurand.POWER_OFFERED: _import(lambda o: o.offered, 1000, "W"),
    Measurand.CURRENT_IMPORT: _import(lambda o: o.current, 1000, "A"),
    Measurand.CURRENT_EXPORT: _export(lambda o: o.current, 1000, "A"),
    Measurand.VOLTAGE: _Row(lambda o: o.voltage, 1000, "V"),
    Measurand.ENERGY_ACTIVE_IMPORT_REGISTER: _Row(lambda o: o.energy_in, 1000, "Wh"),
    Measurand.ENERGY_ACTIVE_EXPORT_REGISTER: _Row(lambda o: o.energy_out, 1000, "Wh"),
    Measurand.SOC: _Row(lambda o: o.soc, 1000, "Percent", location=Location.EV),
}

#: The measurands that this station can give.
SUPPORTED = frozenset(_ROWS)


@lru_cache(maxsize=64)
def parse_measurands(value: str) -> tuple[Measurand, ...]:
    """The measurands of a device-model MemberList; an unknown one raises ValueError."""
    return tuple(Measurand(item.strip()) for item in value.split(",") if item.strip())


def sample(seen: Observed, measurands: Iterable[Measurand], context: ReadingContext) -> list[SampledValue]:
    """The values that are known now. A measurand of which nothing is known is left out, never invented."""
    values = (_one(seen, measurand, context) for measurand in measurands if measurand in _ROWS)
    return [value for value in values if value is not None]


def meter_value(
    seen: Observed, measurands: Iterable[Measurand], context: ReadingContext, stamp: datetime | None
) -> MeterValue | None:
    """All known values as one MeterValue of an instant, or None where nothing is known or the time is not."""
    sampled = sample(seen, measurands, context)
    if stamp is None or not sampled:
        return None
    return MeterValue(timestamp=stamp, sampled_value=tuple(sampled))


def _one(seen: Observed, measurand: Measurand, context: ReadingContext) -> SampledValue | None:
    row = _ROWS[measurand]
    reading = row.reading(seen)
    if reading is None:
        return None
    value = max(reading.value * row.sign, 0) if row.sign else reading.value
    return SampledValue(
        value=value / row.divisor,
        context=context,
        measurand=measurand,
        location=row.location,
        unit_of_measure=UnitOfMeasure(unit=row.unit),
    )
