"""The composite schedule: what all charging profiles together allow an EVSE at an instant (K01, K08).

Exact, in integers: mW, mA, mV, and ms (UTC since 1970). The same `Composite` answers GetCompositeSchedule and says what
is wanted of the unit now, so the two cannot differ. A limit None means that no profile says anything.

A negative limit of a TxProfile or a TxDefaultProfile is an order to discharge. The bounds of the station's maximum and
of external constraints are about charging: they never go below zero here, so that a bound of one direction never
becomes an order of the other.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bridge.station.messages import (
    ChargingProfile,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingSchedulePeriod,
    RecurrencyKind,
)
from bridge.station.profiles import DEFAULT_PHASES, InstalledProfile

_Purpose = ChargingProfilePurpose
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
#: A limit beyond this (W or A; no grid has it) counts as this: what is computed with it stays an integer of some size.
_MOST_LIMIT = 1e9
#: So many edges of profiles are followed at most; a recurring profile has as many as the time asked for is long.
MOST_EDGES = 4096
_CYCLE = {RecurrencyKind.DAILY: 86_400_000, RecurrencyKind.WEEKLY: 7 * 86_400_000}


def epoch_ms(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return (moment - _EPOCH) // _MILLISECOND


def from_epoch_ms(milliseconds: int) -> datetime:
    """The UTC time of `epoch_ms`."""
    return _EPOCH + milliseconds * _MILLISECOND


class TooManyEdges(ValueError):  # noqa: N818 - what was found
    """A schedule that changes too often in the time asked for to be told in one message."""


@dataclass(frozen=True, slots=True)
class Grid:
    """What an EVSE (or the station) is connected to: the configured voltage of a phase (mV), the real phases, and
    whether the vehicle gets DC. Used to turn amperes into watts (K01.FR.50, K01.FR.51); nothing is measured."""

    voltage: int = 200_000
    phases: int = 1
    direct_current: bool = True

    def power(self, unit: ChargingRateUnit, limit: float, number_phases: int | None = None) -> int:
        """A limit in mW, rounded toward zero. Signed.

        On AC a limit is one per phase, of the phases that the profile presumes (3 if it names none, K01.FR.49); it is
        applied to those that exist. On DC the phases are not looked at (K01.FR.44).
        """
        thousandths = round(max(-_MOST_LIMIT, min(limit, _MOST_LIMIT)) * 1000)
        presumed = self.phases if self.direct_current else number_phases or DEFAULT_PHASES
        used = min(presumed, self.phases)
        if unit is ChargingRateUnit.A:
            return _toward_zero(thousandths * self.voltage * used, 1000)
        return _toward_zero(thousandths * used, presumed)

    def limit(self, unit: ChargingRateUnit, power: int) -> float:
        """A power (mW) in W, or in A per phase, to a tenth and rounded toward zero."""
        if unit is ChargingRateUnit.A:
            return _toward_zero(power * 10, self.voltage * self.phases) / 10
        return _toward_zero(power, 100) / 10


def _toward_zero(number: int, divisor: int) -> int:
    quotient = abs(number) // divisor
    return quotient if number >= 0 else -quotient


@dataclass(frozen=True, slots=True)
class Track:
    """One profile, ready to be asked: `start` of its schedule, its `cycle` if it recurs, and its periods."""

    purpose: ChargingProfilePurpose
    stack_level: int
    start: int
    cycle: int | None
    duration: int | None
    valid_from: int | None
    valid_to: int | None
    starts: tuple[int, ...]  # of the periods, ms from the schedule's start
    limits: tuple[int, ...]  # mW

    def limit_at(self, at: int) -> int | None:
        """The limit (mW), or None while the profile says nothing (K01.FR.11-13, K01.FR.30, K01.FR.36, K01.FR.37)."""
        if self._invalid(at) or at < self.start:
            return None
        offset = (at - self.start) % self.cycle if self.cycle else at - self.start
        if self.duration is not None and offset >= self.duration:
            return None
        place = bisect_right(self.starts, offset) - 1
        return None if place < 0 else self.limits[place]

    def _invalid(self, at: int) -> bool:
        early = self.valid_from is not None and at < self.valid_from
        return early or (self.valid_to is not None and at >= self.valid_to)

    def next_edge(self, at: int) -> int | None:
        """The first instant after `at` at which the limit may differ; None if it never will again."""
        if self.valid_to is not None and at >= self.valid_to:
            return None
        edges = (*(edge for edge in (self.valid_from, self.valid_to) if edge is not None), *self._schedule_edges(at))
        return min((edge for edge in edges if edge > at), default=None)

    def _schedule_edges(self, at: int) -> tuple[int, ...]:
        if at < self.start:
            return (self.start,)
        begin = at - (at - self.start) % self.cycle if self.cycle else self.start
        place = bisect_right(self.starts, at - begin)
        within = [begin + self.starts[place]] if place < len(self.starts) else []
        if self.duration is not None:
            within.append(begin + self.duration)
        if self.cycle is not None:
            within.append(begin + self.cycle)
        return tuple(within)


def make_track(profile: ChargingProfile, grid: Grid, relative_start: int) -> Track:
    """Prepare a profile; a relative one starts at `relative_start` (K01.FR.41, K01.FR.42)."""
    schedule = profile.charging_schedule[0]
    kind, recurrency = profile.charging_profile_kind, profile.recurrency_kind
    absolute = schedule.start_schedule if kind is not ChargingProfileKind.RELATIVE else None
    return Track(
        purpose=profile.charging_profile_purpose,
        stack_level=profile.stack_level,
        start=relative_start if absolute is None else epoch_ms(absolute),
        cycle=_CYCLE[recurrency] if kind is ChargingProfileKind.RECURRING and recurrency else None,
        duration=None if schedule.duration is None else schedule.duration * 1000,
        valid_from=None if profile.valid_from is None else epoch_ms(profile.valid_from),
        valid_to=None if profile.valid_to is None else epoch_ms(profile.valid_to),
        starts=tuple(period.start_period * 1000 for period in schedule.charging_schedule_period),
        limits=tuple(
            grid.power(schedule.charging_rate_unit, period.limit, period.number_phases)
            for period in schedule.charging_schedule_period
        ),
    )


@dataclass(frozen=True, slots=True)
class Piece:
    """From `start` (ms) on, until the next piece, the limit is `limit` (mW, None: no profile says anything)."""

    start: int
    limit: int | None


class Composite:
    """All profiles of one EVSE merged. Build a new one when profiles, the transaction or its power path change.

    `transaction_id` chooses the TxProfiles; those of a start that has not become a transaction carry none and count
    only while `transaction_id` is None and `pending_start` is set. `power_path_closed` (ms) is where relative schedules
    begin; while energy cannot flow yet, that is `now` (K08.FR.06: as if a transaction were going on).
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
    ) -> None:
        begin = now if power_path_closed is None else power_path_closed
        chosen = [
            make_track(item.profile, grid, begin)
            for item in profiles
            if _applies(item, evse_id, transaction_id, pending_start)
        ]
        # Highest first: the first that says anything leads (K01.FR.17).
        chosen.sort(key=lambda track: -track.stack_level)
        self._of = {purpose: tuple(track for track in chosen if track.purpose is purpose) for purpose in _Purpose}
        self._tracks = tuple(chosen)

    def order_at(self, at: int) -> int | None:
        """What the TxProfile says, else the TxDefaultProfile (mW, negative: discharge; K02.FR.04, K02.FR.08)."""
        own = self._leading(_Purpose.TX_PROFILE, at)
        return self._leading(_Purpose.TX_DEFAULT_PROFILE, at) if own is None else own

    def station_bound_at(self, at: int) -> int | None:
        """The bound on charging by ChargingStationMaxProfile (mW), for all EVSEs together."""
        return _bound(self._leading(_Purpose.CHARGING_STATION_MAX_PROFILE, at))

    def external_bound_at(self, at: int) -> int | None:
        """The bound on charging by external constraints (mW)."""
        return _bound(self._leading(_Purpose.CHARGING_STATION_EXTERNAL_CONSTRAINTS, at))

    def limit_at(self, at: int) -> int | None:
        """The lowest of all (K08.FR.04): mW, negative is an order to discharge, None if no profile says anything."""
        said = (self.order_at(at), self.station_bound_at(at), self.external_bound_at(at))
        return min((limit for limit in said if limit is not None), default=None)

    def next_edge(self, at: int) -> int | None:
        """The first instant (ms) after `at` at which any profile's limit may differ."""
        return min((edge for track in self._tracks if (edge := track.next_edge(at)) is not None), default=None)

    def pieces(self, start: int, end: int) -> tuple[Piece, ...]:
        """The limits from `start` until before `end`, each different from the last; always at least one.

        Raises TooManyEdges where the schedule changes too often.
        """
        return cut([self], start, end, self.limit_at)

    def _leading(self, purpose: ChargingProfilePurpose, at: int) -> int | None:
        limits = (track.limit_at(at) for track in self._of[purpose])
        return next((limit for limit in limits if limit is not None), None)


def _applies(item: InstalledProfile, evse_id: int, transaction_id: str | None, pending_start: bool) -> bool:
    """Profiles of EVSE 0 act on every EVSE (K01.FR.14); a TxProfile on its transaction (K01.FR.04)."""
    if item.evse_id not in (0, evse_id):
        return False
    if item.profile.charging_profile_purpose is not _Purpose.TX_PROFILE:
        return True
    given = item.profile.transaction_id
    return pending_start and transaction_id is None if given is None else given == transaction_id


def _bound(limit: int | None) -> int | None:
    return None if limit is None else max(0, limit)


class StationComposite:
    """What the whole station may take (K08.FR.03): the sum over its EVSEs, under the station's own bounds.

    `unlimited` (mW by EVSE) is what an EVSE can draw at most while no profile limits it.
    """

    def __init__(self, evses: Mapping[int, Composite], station: Composite, unlimited: Mapping[int, int]) -> None:
        self._evses = evses
        self._station = station
        self._unlimited = unlimited

    def limit_at(self, at: int) -> int:
        """The expected power (mW, plus is drawn from the grid)."""
        total = sum(self._of_evse(evse_id, composite, at) for evse_id, composite in self._evses.items())
        bounds = (self._station.station_bound_at(at), self._station.external_bound_at(at))
        return min((total, *(bound for bound in bounds if bound is not None)))

    def _of_evse(self, evse_id: int, composite: Composite, at: int) -> int:
        limit, most = composite.limit_at(at), self._unlimited[evse_id]
        return most if limit is None else min(limit, most)

    def pieces(self, start: int, end: int) -> tuple[Piece, ...]:
        """As `Composite.pieces`."""
        return cut([self._station, *self._evses.values()], start, end, self.limit_at)


def cut(
    composites: Sequence[Composite], start: int, end: int, limit_at: Callable[[int], int | None]
) -> tuple[Piece, ...]:
    """Pieces of any function of time that changes only at the edges of some composites. Raises TooManyEdges."""
    found = [Piece(start, limit_at(start))]
    at, edges = _next_of(composites, start), 0
    while at is not None and at < end:
        edges += 1
        if edges > MOST_EDGES:
            raise TooManyEdges(f"the schedule changes more than {MOST_EDGES} times: ask for less than its whole length")
        if (limit := limit_at(at)) != found[-1].limit:
            found.append(Piece(at, limit))
        at = _next_of(composites, at)
    return tuple(found)


def _next_of(composites: Sequence[Composite], at: int) -> int | None:
    return min((edge for composite in composites if (edge := composite.next_edge(at)) is not None), default=None)


def schedule_periods(
    pieces: Sequence[Piece], unit: ChargingRateUnit, grid: Grid, unlimited: int
) -> tuple[ChargingSchedulePeriod, ...]:
    """The periods of a CompositeSchedule that begins with the first piece. `unlimited` (mW) stands for None and bounds
    the rest: what the EVSE can do at most. An edge within a second counts from that second on."""
    begin = pieces[0].start
    periods: dict[int, ChargingSchedulePeriod] = {}
    phases = None if grid.direct_current else grid.phases
    for piece in pieces:
        second = (piece.start - begin) // 1000
        power = unlimited if piece.limit is None else min(piece.limit, unlimited)
        periods[second] = ChargingSchedulePeriod(second, grid.limit(unit, power), phases)
    return _merged(periods.values())


def _merged(periods: Iterable[ChargingSchedulePeriod]) -> tuple[ChargingSchedulePeriod, ...]:
    merged: list[ChargingSchedulePeriod] = []
    for period in periods:
        if not merged or merged[-1].limit != period.limit:
            merged.append(period)
    return tuple(merged)


def share(total: int, wishes: Mapping[int, int]) -> dict[int, int]:
    """Divide a station's bound (mW) among its EVSEs: each gets what it wishes as long as that is no more than its equal
    part; what others leave over goes round again. Never more than `total` together; wishes below zero count as 0."""
    left = max(0, total)
    parts: dict[int, int] = {}
    for place, (evse_id, wish) in enumerate(sorted(wishes.items(), key=lambda item: (item[1], item[0]))):
        parts[evse_id] = min(max(0, wish), left // (len(wishes) - place))
        left -= parts[evse_id]
    return {evse_id: parts[evse_id] for evse_id in wishes}
