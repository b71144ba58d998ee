"""The composite schedule: what all charging profiles together allow an EVSE at an instant (K01, K08).

Exact, in integers: mW, mA, mV, and ms (UTC since 1970). A pure function of the profiles, where the transaction stands,
now and the time asked for; it answers GetCompositeSchedule and says what is wanted of the unit now, so the two cannot
differ. A limit None means that no profile says anything.

Of each purpose the profile with the highest stack level that says anything leads (K01.FR.17; section K 3.5). The
TxProfile overrules the TxDefaultProfile while it says something (K02.FR.04, K02.FR.08); the lowest of what is left
counts (K08.FR.04). External constraints of the station and of an EVSE are two things, and both count.

A negative limit of a TxProfile or a TxDefaultProfile is an order to discharge. Bounds on charging never go below zero
here, so that a bound of one direction never becomes an order of the other, nor makes a discharge larger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from functools import partial
from itertools import repeat
from typing import NamedTuple, TypeAlias, TypeVar

from bridge.records import dataclass
from bridge.station.limits import (
    RATES_IN_MILLIWATT,
    Grid,
    InstalledProfile,
    Terms,
    epoch_ms,
    from_epoch_ms,
    power_of,
    toward_zero,
)
from bridge.station.messages import ChargingProfilePurpose, ChargingRateUnit, ChargingSchedulePeriod
from bridge.station.sweep import Line, TooManyEdges, Track, leading, next_edge, together

__all__ = [
    "MOST_EDGES",
    "Composite",
    "Explained",
    "Grid",
    "Piece",
    "StationComposite",
    "TooManyEdges",
    "UnknownPowerError",
    "epoch_ms",
    "from_epoch_ms",
    "schedule_periods",
    "share",
    "station_grid",
    "toward_zero",
]

#: No message tells more pieces than this.
MOST_EDGES = 4096


class UnknownPowerError(Exception):
    """What is drawn where no profile says anything is not known."""


class _Voice(IntEnum):
    """Who has a say. Within each, stack levels decide; the order is that of `_merge`."""

    OWN = 0  # TxProfile
    DEFAULT = 1
    STATION_MAX = 2
    STATION_EXTERNAL = 3
    EVSE_EXTERNAL = 4


_VOICES = {
    ChargingProfilePurpose.TX_PROFILE: _Voice.OWN,
    ChargingProfilePurpose.TX_DEFAULT_PROFILE: _Voice.DEFAULT,
    ChargingProfilePurpose.CHARGING_STATION_MAX_PROFILE: _Voice.STATION_MAX,
}
_OF_STATION = (_Voice.STATION_MAX, _Voice.STATION_EXTERNAL)
V = TypeVar("V")
_Said: TypeAlias = tuple[int | None, int | None]  # the limit (mW), the phases it is for


class Piece(NamedTuple):
    """From `start` (ms) on, until the next piece, the limit is `limit` (mW, signed, None: no profile says anything), on
    so many `phases` (None: nothing said, or a sum)."""

    start: int
    limit: int | None
    phases: int | None = None


#: A piece of a tuple; what a NamedTuple has for this is written in Python, and would be most of a composite's time.
_piece: Callable[[tuple[int, int | None, int | None]], Piece] = partial(tuple.__new__, Piece)


@dataclass(frozen=True, slots=True)
class Explained:
    """Why the limit is what it is: the TxProfile's or TxDefaultProfile's words that lead (`lead`), all bounds, and
    those words that the limit comes from (`decided`; of several that say the same, the first)."""

    limit: int | None
    lead: Terms | None
    bounds: tuple[Terms, ...]
    decided: Terms | None


class Composite:
    """All profiles of one EVSE merged (of EVSE 0: what bounds the station). Build a new one when profiles, the
    transaction or its power path change; the profiles themselves are compiled only once.

    `transaction_id` chooses the TxProfiles; those of a start that has not become a transaction carry none and count
    only while `transaction_id` is None and `pending_start` is set. `power_path_closed` (ms) is where relative schedules
    begin; while energy cannot flow yet, that is `now` (K08.FR.06: as if a transaction were going on). Where the site
    has withdrawn its leave since the profile came (`may_discharge`), an order to discharge is one to pause. `balance`
    (mW, signed) is the setpoint of the moment where a period leaves it to load balancing (Q09); None: it is not asked
    what flows, and such a period only says how much may be charged.
    """

    def __init__(
        self,
        profiles: Iterable[InstalledProfile],
        evse_id: int,
        grid: Grid,
        *,
        now: int,
        transaction_id: str | None = None,
        power_path_closed: int | None = None,
        pending_start: bool = False,
        may_discharge: bool = True,
        balance: int | None = 0,
    ) -> None:
        ready = now if power_path_closed is None else power_path_closed
        self._may_discharge = may_discharge
        self._balance = balance
        self._voices: tuple[list[Track[Terms]], ...] = tuple([] for _ in _Voice)
        for item in profiles:
            if _applies(item, evse_id, transaction_id, pending_start):
                track = Track(item.profile.stack_level, item.begin(ready), item.plan(grid))
                self._voices[_voice(item)].append(track)

    def limit_at(self, at: int) -> int | None:
        """The lowest of all (K08.FR.04): mW, negative is an order to discharge, None if no profile says anything."""
        return self._merge(self._words_at(at))[0]

    def station_bound_at(self, at: int) -> int | None:
        """The bound (mW) on what all EVSEs take together: ChargingStationMaxProfile (K04.FR.05) and the station's
        external constraints (K12.FR.01)."""
        return self.bound(self._words_at(at))

    def minimum_at(self, at: int) -> int:
        """Below this (mW) charging is of little use (minChargingRate, K01.FR.21); 0 if nobody says so."""
        lead = _lead(self._words_at(at))
        return 0 if lead is None else power_of(lead.efficient, lead.phases)

    def most_discharge_at(self, at: int) -> int | None:
        """What the dischargeLimit of who leads lets flow out (mW, not above zero); None if there is none."""
        lead = _lead(self._words_at(at))
        return None if lead is None or lead.least is None else power_of(lead.least, lead.phases)

    def explain_at(self, at: int) -> Explained:
        """The words that make the limit what it is."""
        words = self._words_at(at)
        limit, _ = self._merge(words)
        lead = _lead(words)
        bounds = tuple(terms for terms in words[_Voice.STATION_MAX :] if terms is not None)
        decided = next((t for t in (lead, *bounds) if t is not None and t.alone[0] == limit), lead)
        return Explained(limit, lead, bounds, decided)

    def next_edge(self, at: int) -> int | None:
        """The first instant (ms) after `at` at which any profile's limit may differ."""
        return next_edge((track for tracks in self._voices for track in tracks), at)

    def pieces(self, start: int, end: int, most: int = MOST_EDGES) -> tuple[Piece, ...]:
        """The limits from `start` until before `end`, each different from the last; always at least one.

        Raises TooManyEdges where the schedule changes too often.
        """
        line = _checked(together(self.lines(start, end), self._merge), most)
        limits, phases = [said[0] for said in line.values], [said[1] for said in line.values]
        return tuple(map(_piece, zip(line.starts, limits, phases, strict=True)))

    def lines(self, start: int, end: int) -> list[Line[Terms | None]]:
        """What each voice says, in their order."""
        return [leading(tracks, start, max(end, start + 1)) for tracks in self._voices]

    def leads(self, start: int, end: int) -> Line[Terms | None]:
        """Whose TxProfile's or TxDefaultProfile's words lead, from `start` until before `end`."""
        return together(self.lines(start, end)[: _Voice.STATION_MAX], _lead)

    @staticmethod
    def bound(words: Sequence[Terms | None]) -> int | None:
        """`station_bound_at`, of the voices' words."""
        said = (words[voice] for voice in _OF_STATION)
        bounds = (power_of(terms.most, terms.phases) for terms in said if terms is not None and terms.most is not None)
        return min(bounds, default=None)

    def _words_at(self, at: int) -> list[Terms | None]:
        return [line.values[0] for line in self.lines(at, at + 1)]

    def _merge(self, words: Sequence[Terms | None]) -> _Said:
        """Import and export bounds are merged apart; an order is clamped into them. The fewest phases that anybody
        presumes are used (errata 2025-09, 2.36)."""
        own, default, station_max, station_external, evse_external = words
        lead = default if own is None else own
        order = most = least = phases = None
        if lead is not None:
            alone = station_max is station_external is evse_external is None
            if alone and not lead.balances and (self._may_discharge or lead.alone[0] >= 0):
                return lead.alone
            order, most, least, phases = lead.order, lead.most, lead.least, lead.phases
        for terms in (station_max, station_external, evse_external):
            if terms is None:
                continue
            phases = terms.phases if phases is None else min(phases, terms.phases)
            most = _lower(most, terms.most)
            least = _higher(least, terms.least)
        if lead is not None and lead.balances and phases is not None and self._balance is not None:
            order = self._balance * RATES_IN_MILLIWATT // phases
        rate = most if order is None else _clamped(order, most, least)
        if rate is None or phases is None:
            return None, phases
        if rate < 0 and not self._may_discharge:
            rate = 0
        return power_of(rate, phases), phases


def _applies(item: InstalledProfile, evse_id: int, transaction_id: str | None, pending_start: bool) -> bool:
    """Profiles of EVSE 0 act on every EVSE (K01.FR.14); a TxProfile on its transaction (K01.FR.04)."""
    if item.evse_id not in (0, evse_id):
        return False
    if item.purpose is not ChargingProfilePurpose.TX_PROFILE:
        return True
    if item.waits:
        return pending_start and transaction_id is None
    return item.profile.transaction_id == transaction_id


def _voice(item: InstalledProfile) -> _Voice:
    if item.external:
        return _Voice.EVSE_EXTERNAL if item.evse_id else _Voice.STATION_EXTERNAL
    return _VOICES[item.purpose]


def _lead(words: Sequence[Terms | None]) -> Terms | None:
    return words[_Voice.DEFAULT] if words[_Voice.OWN] is None else words[_Voice.OWN]


def _lower(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _higher(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


def _clamped(order: int, most: int | None, least: int | None) -> int:
    if most is not None and order > most:
        return most
    return least if least is not None and order < least else order


def _checked(line: Line[V], most: int) -> Line[V]:
    if len(line.starts) > most:
        raise TooManyEdges(f"the schedule changes more than {most} times: ask for less than its whole length")
    return line


class StationComposite:
    """What the whole station may take (K08.FR.03): the sum over its EVSEs, under the station's own bounds.

    `unlimited` (mW by EVSE) is what an EVSE can draw at most while no profile limits it; 0 is unknown. Raises
    UnknownPowerError where that is needed.
    """

    def __init__(self, evses: Mapping[int, Composite], station: Composite, unlimited: Mapping[int, int]) -> None:
        self._evses = evses
        self._station = station
        self._unlimited = unlimited

    def limit_at(self, at: int) -> int:
        """The expected power (mW, plus is drawn from the grid)."""
        return self.pieces(at, at + 1)[0].limit or 0

    def pieces(self, start: int, end: int, most: int = MOST_EDGES) -> tuple[Piece, ...]:
        """As `Composite.pieces`."""
        bounds: Line[int | None] = together(self._station.lines(start, end), Composite.bound)
        evses = [
            _line(composite.pieces(start, end), self._unlimited[evse_id]) for evse_id, composite in self._evses.items()
        ]
        line: Line[int] = together([bounds, *evses], _total)
        return tuple(map(_piece, zip(*_checked(line, most), repeat(None))))


def _line(pieces: Sequence[Piece], unlimited: int) -> Line[int]:
    return Line([piece.start for piece in pieces], [_drawn(piece.limit, unlimited) for piece in pieces])


def _drawn(limit: int | None, most: int) -> int:
    if limit is None:
        if not most:
            raise UnknownPowerError("nothing limits an EVSE of which it is not known yet what it can do at most")
        return most
    return min(limit, most) if most else limit


def _total(now: Sequence[int | None]) -> int:
    bound, *drawn = now
    total = sum(part or 0 for part in drawn)
    return total if bound is None else min(total, bound)


def station_grid(grids: Iterable[Grid]) -> Grid:
    """The grid of a station whose EVSEs may differ: where they do, the one by which a limit gives less power."""
    found = tuple(grids)
    if not found:
        return Grid()
    return Grid(
        voltage=min(grid.voltage for grid in found),
        phases=min(grid.phases for grid in found),
        direct_current=all(grid.direct_current for grid in found),
    )


def schedule_periods(
    pieces: Sequence[Piece], unit: ChargingRateUnit, grid: Grid, unlimited: int
) -> tuple[ChargingSchedulePeriod, ...]:
    """The periods of a CompositeSchedule that begins with the first piece. `unlimited` (mW; 0 is unknown) stands for
    None and bounds the rest: what the EVSE can do at most. An edge within a second counts from that second on.

    Raises UnknownPowerError where it is needed and not known."""
    begin = pieces[0].start
    periods: dict[int, ChargingSchedulePeriod] = {}
    for piece in pieces:
        second = (piece.start - begin) // 1000
        phases = None if grid.direct_current else piece.phases or grid.phases
        limit = grid.limit(unit, _drawn(piece.limit, unlimited), phases)
        periods[second] = ChargingSchedulePeriod(second, limit, phases)
    return _merged(periods.values())


def _merged(periods: Iterable[ChargingSchedulePeriod]) -> tuple[ChargingSchedulePeriod, ...]:
    merged: list[ChargingSchedulePeriod] = []
    for period in periods:
        if not merged or _differ(merged[-1], period):
            merged.append(period)
    return tuple(merged)


def _differ(one: ChargingSchedulePeriod, other: ChargingSchedulePeriod) -> bool:
    return (one.limit, one.number_phases) != (other.limit, other.number_phases)


def share(total: int, wishes: Mapping[int, int], minimums: Mapping[int, int] | None = None) -> dict[int, int]:
    """Divide a station's bound (mW) among its EVSEs (K04.FR.01, K04.FR.05): each gets what it wishes as long as that is
    no more than its equal part; what others leave over goes round again. Never more than `total` together; wishes below
    zero count as 0.

    A part below an EVSE's `minimums` is of little use (minChargingRate, K04.FR.04; the unit's own). While more than one
    EVSE has a part and one of them less than its minimum, the highest such EVSE gets nothing and the others share.
    """
    minimums = minimums or {}
    sharing = dict(wishes)
    while True:
        parts = _equal_parts(total, sharing)
        poor = [i for i, part in parts.items() if 0 < part < minimums.get(i, 0)]
        if not poor or sum(part > 0 for part in parts.values()) < 2:
            return {evse_id: parts[evse_id] for evse_id in wishes}
        sharing[max(poor)] = 0


def _equal_parts(total: int, wishes: Mapping[int, int]) -> dict[int, int]:
    left = max(0, total)
    parts: dict[int, int] = {}
    for place, (evse_id, wish) in enumerate(sorted(wishes.items(), key=lambda item: (item[1], item[0]))):
        parts[evse_id] = min(max(0, wish), left // (len(wishes) - place))
        left -= parts[evse_id]
    return parts
