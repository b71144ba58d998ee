"""What the charging profiles of an EVSE come to in the next hours, edge by edge, and which of their words decide.

The local API tells it of a running station: `{"do": "schedule", "station": "...", "evse": 1, "hours": 24}`. The pieces
are those of the composite schedule that GetCompositeSchedule tells and that the unit follows; what EVSEs share of the
station's bound is worked out only now, as it hangs on who charges then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from bridge.errors import BridgeError
from bridge.records import dataclass
from bridge.station.composite import Composite, epoch_ms, from_epoch_ms
from bridge.station.limits import InstalledProfile, Terms
from bridge.station.messages import ChargingRateUnit, format_time
from bridge.station.v2x import WordsError, speaks, words_of

if TYPE_CHECKING:
    from bridge.evse import Reading
    from bridge.gateway.gateway import Gateway
    from bridge.station.station import Station

HOUR: Final = 3_600_000
#: What the mode leaves open.
_BALANCED: Final = " (what keeps the load at the grid meter between the EVSE's thresholds)"
#: Two weeks show every recurrence.
LONGEST: Final = 14 * 24
#: What one answer tells at most.
MOST_PIECES: Final = 2_000


class ForesightError(BridgeError):
    """What was asked for cannot be told; the message says why."""


@dataclass(frozen=True, slots=True)
class Said:
    """What one profile says at an instant: in its own `words`, and what that is alone (mW); of one that `balances` the
    load nobody knows what will flow, and that is what may be charged."""

    profile: int
    purpose: str
    stack_level: int
    source: str
    words: str
    alone: int
    balances: bool = False

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "profile": self.profile,
            "purpose": self.purpose,
            "stack_level": self.stack_level,
            "source": self.source,
            "words": self.words,
            "alone_w": self.alone / 1000,
            "balances": self.balances,
        }


@dataclass(frozen=True, slots=True)
class Foreseen:
    """From `start` until before `end` (ms since 1970) the limit is `limit` (mW, signed; None: nobody says anything).

    `lead` is the TxProfile or TxDefaultProfile that is followed, `bounds` what else counts, `decided` whose words the
    limit is, and `efficient` (mW) what minChargingRate says.
    """

    start: int
    end: int
    limit: int | None
    lead: Said | None
    bounds: tuple[Said, ...]
    decided: Said | None
    efficient: int = 0

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "from": format_time(from_epoch_ms(self.start)),
            "until": format_time(from_epoch_ms(self.end)),
            "limit_w": None if self.limit is None else self.limit / 1000,
            "decided_by": None if self.decided is None else self.decided.as_json(),
            "lead": None if self.lead is None else self.lead.as_json(),
            "bounds": [each.as_json() for each in self.bounds],
            "efficient_w": self.efficient / 1000,
        }


def foresee(
    composite: Composite, installed: Iterable[InstalledProfile], start: int, end: int, most: int = MOST_PIECES
) -> tuple[Foreseen, ...]:
    """The pieces from `start` until before `end`; two that follow each other differ in the limit or in who decides.

    Raises:
        ForesightError: there are too many.
    """
    by_id = {item.profile.id: item for item in installed}
    found: list[Foreseen] = []
    at: int | None = start
    while at is not None and at < end:
        then = composite.next_edge(at)
        until = end if then is None else min(then, end)
        piece = _piece(composite, by_id, at, until)
        if found and _same(found[-1], piece):
            last = found.pop()
            piece = _piece(composite, by_id, last.start, until)
        found.append(piece)
        if len(found) > most:
            raise ForesightError(f"the schedule changes more than {most} times in that time: ask for fewer hours")
        at = then
    return tuple(found)


def _piece(composite: Composite, by_id: Mapping[int, InstalledProfile], start: int, end: int) -> Foreseen:
    explained = composite.explain_at(start)
    bounds = tuple(_said(terms, by_id) for terms in explained.bounds)
    lead, decided = _said_of(explained.lead, by_id), _said_of(explained.decided, by_id)
    return Foreseen(start, end, explained.limit, lead, bounds, decided, composite.minimum_at(start))


def _same(one: Foreseen, other: Foreseen) -> bool:
    return (one.limit, one.lead, one.bounds, one.decided) == (other.limit, other.lead, other.bounds, other.decided)


def _said_of(terms: Terms | None, by_id: Mapping[int, InstalledProfile]) -> Said | None:
    return None if terms is None else _said(terms, by_id)


def _said(terms: Terms, by_id: Mapping[int, InstalledProfile]) -> Said:
    item = by_id[terms.profile]
    return Said(
        terms.profile,
        item.purpose.value,
        item.profile.stack_level,
        item.source.value,
        _words(terms, item.profile.charging_schedule[0].charging_rate_unit),
        terms.alone[0],
        terms.balances,
    )


def _words(terms: Terms, unit: ChargingRateUnit) -> str:
    """What the period says, with the phases where they make a difference."""
    on = f" on {terms.phases} phase{'s' if terms.phases > 1 else ''}" if unit is ChargingRateUnit.A else ""
    try:
        words = words_of(terms.period) if speaks(terms.period) else None
    except WordsError as error:  # nobody takes such a profile any more; what cannot be understood moves nothing
        return f"nothing that can be followed ({error})"
    if words is None or not words.steers:
        limit = terms.period.limit if words is None else words.limit
        return "no limit" if limit is None else f"{limit:g} {unit}{on}"
    numbers = {"setpoint": words.setpoint, "limit": words.limit, "dischargeLimit": words.discharge_limit}
    said = [f"{name} {number:g} {unit}{on}" for name, number in numbers.items() if number is not None]
    return ", ".join((f"{words.mode.value}{_BALANCED if words.balances else ''}", *said))


# -- of a running station


def schedule(gateway: Gateway, request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of the local API. Raises `ForesightError`."""
    station, evse_id = _where(gateway.stations, request)
    hours = request.get("hours", 24)
    if isinstance(hours, bool) or not isinstance(hours, int | float) or not 0 < hours <= LONGEST:
        raise ForesightError(f'"hours" is a number above 0, up to {LONGEST}')
    utc = station.time.presumed()
    if utc is None:
        raise ForesightError("the station does not know the CSMS's time yet, by which profiles count")
    position, now = station.positions[evse_id], epoch_ms(utc)
    course = replace(position.course, balance=None)  # what load balancing makes of it then nobody knows
    composite = station.charging.composite(evse_id, {evse_id: course}, now)
    pieces = foresee(composite, station.charging.installed, now, now + int(hours * HOUR))
    seen = position.seen
    return {
        "station": station.id,
        "evse": evse_id,
        "unit": _unit_of(gateway, station.id, evse_id),
        "now": format_time(utc),
        "transaction": position.session.transaction_id,
        "wants_energy": position.session.wants_energy,
        "hands_off": position.hands_off,
        "held": position.held,
        "may_discharge": position.course.may_discharge,
        "limit_in_force_w": None if position.limit is None else position.limit / 1000,
        "offered_w": _watts(seen.offered),
        "measured_w": _watts(seen.power),
        "trouble": seen.trouble,
        "profiles": len(station.charging.installed),
        "pieces": [piece.as_json() for piece in pieces],
    }


def _where(stations: Mapping[str, Station], request: Mapping[str, Any]) -> tuple[Station, int]:
    station = stations.get(str(request.get("station")))
    if station is None:
        raise ForesightError(f'"station" is one of {", ".join(sorted(stations))}')
    evse_id = request.get("evse")
    if type(evse_id) is not int or evse_id not in station.positions:
        raise ForesightError(f'"evse" is one of {sorted(station.positions)}')
    return station, evse_id


def _unit_of(gateway: Gateway, station_id: str, evse_id: int) -> str:
    evses: Sequence[Any] = next(station.evses for station in gateway.site.stations if station.id == station_id)
    return str(next(evse.unit for evse in evses if evse.id == evse_id))


def _watts(reading: Reading | None) -> float | None:
    return None if reading is None else reading.value / 1000
