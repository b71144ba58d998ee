"""Whether the product's composite schedule and the oracle say the same of a case, at every instant looked at."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from bridge.station.composite import (
    Composite,
    Grid,
    Piece,
    StationComposite,
    UnknownPowerError,
    epoch_ms,
    schedule_periods,
    station_grid,
)
from bridge.station.limits import InstalledProfile
from bridge.station.messages import ChargingRateUnit
from tests.tools.composite_cases import Case, case_of
from tests.tools.composite_oracle import Wires


def disagreements(seed: int, cases: int, first: int = 0) -> Iterator[tuple[int, str, int]]:
    """The number of each case, what disagrees in it (empty: nothing), and how many instants were compared. Any case
    can be made again from the seed and its number alone."""
    for number in range(first, first + cases):
        case = case_of(seed, number)
        yield number, disagreement(case), case.steps * (len(case.house.bays) + 1)


def disagreement(case: Case) -> str:
    """What the two say differently, or nothing."""
    both = _Both(case)
    for evse in case.house.bays:
        if said := both.of_evse(evse) or both.of_schedule(evse) or both.of_instants(evse):
            return f"EVSE {evse}: {said}"
    return both.of_station()


class _Both:
    def __init__(self, case: Case) -> None:
        self._case, self._house = case, case.house
        self._start = epoch_ms(case.house.now)
        self._step = case.step.seconds * 1000 + case.step.microseconds // 1000
        self._end = self._start + self._step * case.steps
        self._installed = [
            InstalledProfile(held.evse, held.profile, since=held.came and epoch_ms(held.came))
            for held in self._house.held
        ]
        self._composites = {evse: self._composite(evse) for evse in self._house.bays}

    def _composite(self, evse: int) -> Composite:
        bay = self._house.bays[evse]
        return Composite(
            self._installed,
            evse,
            _grid(bay.wires),
            now=self._start,
            transaction_id=bay.transaction,
            power_path_closed=bay.ready and epoch_ms(bay.ready),
            pending_start=bay.transaction is None,
            may_discharge=bay.may_discharge,
            balance=bay.balance,
        )

    def of_evse(self, evse: int) -> str:
        pieces = self._composites[evse].pieces(self._start, self._end)
        return self._compared(pieces, [self._house.at(evse, moment) for moment in self._moments()])

    def of_station(self) -> str:
        grid = station_grid(_grid(bay.wires) for bay in self._house.bays.values())
        bounds = Composite(self._installed, 0, grid, now=self._start)
        most = {evse: bay.most for evse, bay in self._house.bays.items()}
        try:
            pieces = StationComposite(self._composites, bounds, most).pieces(self._start, self._end)
        except UnknownPowerError:
            return "" if any(map(self._unknown, self._house.bays)) else "station: its power is known"
        said = self._compared(pieces, [self._house.station_at(moment) for moment in self._moments()])
        return said and f"station: {said}"

    def of_schedule(self, evse: int) -> str:
        """What is told in a message; seconds are all that it knows."""
        if self._step != 1000 or self._start % 1000:
            return ""
        bay = self._house.bays[evse]
        pieces = self._composites[evse].pieces(self._start, self._end)
        for unit in ChargingRateUnit:
            try:
                periods = schedule_periods(pieces, unit, _grid(bay.wires), bay.most)
            except UnknownPowerError:
                return "" if self._unknown(evse) else f"the power of EVSE {evse} is known"
            starts = [period.start_period for period in periods]
            for second, moment in enumerate(self._moments()):
                period = periods[bisect_right(starts, second) - 1]
                shown = self._house.shown_at(evse, moment, unit)
                if (period.limit, period.number_phases) != shown:
                    return f"second {second} in {unit}: told {period}, should be {shown}"
        return ""

    def of_instants(self, evse: int) -> str:
        """Asked for one instant it says the same, and no change comes before the edge that was foretold."""
        composite = self._composites[evse]
        pieces = composite.pieces(self._start, self._end)
        for number, piece in enumerate(pieces):
            if composite.limit_at(piece.start) != piece.limit:
                return f"asked at {piece.start}: {composite.limit_at(piece.start)}, in a row {piece.limit}"
            edge = composite.next_edge(piece.start)
            if number + 1 < len(pieces) and (edge is None or not piece.start < edge <= pieces[number + 1].start):
                return f"the edge after {piece.start} is {pieces[number + 1].start}, foretold was {edge}"
        return ""

    def _unknown(self, evse: int) -> bool:
        """Whether nothing limits an EVSE of which nobody knows what it can do."""
        limits = (self._house.at(evse, moment) for moment in self._moments())
        return not self._house.bays[evse].most and any(limit is None for limit in limits)

    def _moments(self) -> Iterator[object]:
        return (self._house.now + self._case.step * number for number in range(self._case.steps))

    def _compared(self, pieces: Sequence[Piece], expected: Sequence[int | None]) -> str:
        starts = [piece.start for piece in pieces]
        if starts[0] != self._start or starts != sorted(set(starts)) or starts[-1] >= max(self._end, self._start + 1):
            return f"the pieces begin at {starts}"
        for number, truth in enumerate(expected):
            at = self._start + number * self._step
            said = pieces[bisect_right(starts, at) - 1].limit
            if said != truth:
                return f"{at - self._start} ms after now: says {said} mW, should be {truth} mW"
        return ""


def _grid(wires: Wires) -> Grid:
    return Grid(wires.volts * 1000, wires.phases, wires.direct)
