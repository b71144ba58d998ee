"""Which of many stacked schedules leads when: a sweep over sorted edges.

Knows nothing of OCPP: instants are integers, a value is anything. A `Plan` is compiled once, when its profile is
installed; asking for a stretch of time then touches only what can be seen in it: with `s` times that schedules begin
or end and `v` visible values, the work is O(s log s + v).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import chain, repeat
from operator import itemgetter
from typing import Any, Generic, NamedTuple, TypeVar

from bridge.records import dataclass

V = TypeVar("V")
R = TypeVar("R")
#: So many beginnings of schedules are followed at most; a recurring one has as many as the time asked for is long.
MOST_SPANS = 20_000
#: ... and so many values: more than a thousand profiles of a quarter of an hour's periods have in a day.
MOST_VALUES = 120_000
_NOTHING = object()


class Line(NamedTuple, Generic[V]):
    """From each of the instants `starts` on, until the next one, the value in its place counts. Instants grow.

    Two columns: a day of many profiles has thousands of edges, and a pair for each would be most of the work.
    """

    starts: list[int]
    values: list[V]


class TooManyEdges(ValueError):  # noqa: N818 - what was found
    """A schedule that changes too often in the time asked for to be followed or to be told in one message."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan(Generic[V]):
    """One schedule: `values` from `starts` on (counted from where the schedule begins, in order), for `length` at most,
    anew after each `cycle` (`length` is no longer than that), and all of it only from `valid_from` until before
    `valid_to`."""

    starts: tuple[int, ...]
    values: tuple[V, ...]
    length: int | None = None
    cycle: int | None = None
    valid_from: int | None = None
    valid_to: int | None = None


class Track(NamedTuple, Generic[V]):
    """A plan in the stack: `begin` is where it first begins; a higher `level` leads."""

    level: int
    begin: int
    plan: Plan[V]

    def spans(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """When it says anything from `start` until before `end`: from, until, and where the schedule began for that."""
        plan, begin = self.plan, self.begin
        low = max(start, begin) if plan.valid_from is None else max(start, begin, plan.valid_from)
        high = end if plan.valid_to is None else min(end, plan.valid_to)
        if plan.cycle is None:
            yield from _span(plan, begin, low, high)
            return
        base = low - (low - begin) % plan.cycle
        while base < high:
            yield from _span(plan, base, low, min(high, base + plan.cycle))
            base += plan.cycle

    def next_edge(self, at: int) -> int | None:
        """The first instant after `at` at which its value may differ; None if it never will again."""
        plan = self.plan
        if plan.valid_to is not None and at >= plan.valid_to:
            return None
        bounds = (plan.valid_from, plan.valid_to)
        edges = (*(edge for edge in bounds if edge is not None), *self._schedule_edges(at))
        return min((edge for edge in edges if edge > at), default=None)

    def _schedule_edges(self, at: int) -> Iterator[int]:
        plan = self.plan
        if at < self.begin:
            yield self.begin
            return
        base = at - (at - self.begin) % plan.cycle if plan.cycle else self.begin
        place = bisect_right(plan.starts, at - base)
        if place < len(plan.starts):
            yield base + plan.starts[place]
        if plan.length is not None:
            yield base + plan.length
        if plan.cycle is not None:
            yield base + plan.cycle


def _span(plan: Plan[Any], base: int, low: int, high: int) -> Iterator[tuple[int, int, int]]:
    begin = max(low, base + plan.starts[0])
    end = high if plan.length is None else min(high, base + plan.length)
    if begin < end:
        yield begin, end, base


class _Active(NamedTuple):
    """A span of a track that has begun; `rank` is its place in the stack, 0 leads."""

    rank: int
    end: int
    base: int


def leading(tracks: Sequence[Track[V]], start: int, end: int) -> Line[V | None]:
    """The value of the highest track that says anything, from `start` until before `end`; None where none does.

    Of tracks of one level the first leads. Raises TooManyEdges.
    """
    if not tracks:
        return Line([start], [None])
    ranked = sorted(tracks, key=lambda track: -track.level)
    spans = _sorted_spans(ranked, start, end)
    line: Line[V | None] = Line([], [])
    active: list[_Active] = []
    at, place, count = start, 0, len(spans)
    while at < end:
        while place < count and spans[place][0] <= at:
            heappush(active, spans[place][1])
            place += 1
        while active and active[0].end <= at:
            heappop(active)
        if not active:
            line.starts.append(at)
            line.values.append(None)
            at = spans[place][0] if place < count else end
            continue
        top = active[0]
        until = top.end
        # What begins below the leading one is only kept for later; what begins above it cuts it off.
        while place < count and spans[place][0] < until:
            if spans[place][1].rank < top.rank:
                until = spans[place][0]
                break
            heappush(active, spans[place][1])
            place += 1
        _tell(line, ranked[top.rank].plan, top.base, at, until)
        if len(line.starts) > MOST_VALUES:
            raise TooManyEdges(f"schedules change more than {MOST_VALUES} times in the time asked for: ask for less")
        at = until
    return line


def _sorted_spans(ranked: Sequence[Track[Any]], start: int, end: int) -> list[tuple[int, _Active]]:
    spans: list[tuple[int, _Active]] = []
    for rank, track in enumerate(ranked):
        spans.extend((begin, _Active(rank, until, base)) for begin, until, base in track.spans(start, end))
        if len(spans) > MOST_SPANS:
            raise TooManyEdges(f"schedules begin more than {MOST_SPANS} times in the time asked for: ask for less")
    spans.sort(key=itemgetter(0))
    return spans


def _tell(line: Line[V | None], plan: Plan[V], base: int, begin: int, end: int) -> None:
    """Add what a plan says from `begin` until before `end`."""
    first, last = bisect_right(plan.starts, begin - base), bisect_left(plan.starts, end - base)
    line.starts.append(begin)
    line.starts.extend([base + start for start in plan.starts[first:last]])
    line.values.extend(plan.values[first - 1 : last])


def together(lines: Sequence[Line[Any]], combine: Callable[[Sequence[Any]], R]) -> Line[R]:
    """Several lines that begin at one instant as one: `combine` gets their values of an instant, in the lines' order.

    Values that follow each other differ.
    """
    edges = list(dict.fromkeys(sorted(chain.from_iterable(line.starts for line in lines))))
    found: Line[R] = Line([], [])
    said: object = _NOTHING
    for at, now in zip(edges, zip(*(_followed(line, edges) for line in lines), strict=True), strict=True):
        value = combine(now)
        if value != said:
            said = value
            found.starts.append(at)
            found.values.append(value)
    return found


def _followed(line: Line[V], edges: Sequence[int]) -> Iterable[V]:
    """A line's values at each of the edges, of which all its own are some."""
    if len(line.starts) == 1:
        return repeat(line.values[0], len(edges))
    return line.values if len(line.starts) == len(edges) else _kept(line, edges)


def _kept(line: Line[V], edges: Iterable[int]) -> Iterator[V]:
    place, last = 0, len(line.starts) - 1
    for edge in edges:
        if place < last and line.starts[place + 1] == edge:
            place += 1
        yield line.values[place]


def next_edge(tracks: Iterable[Track[Any]], at: int) -> int | None:
    """The first instant after `at` at which any track's value may differ."""
    return min((edge for track in tracks if (edge := track.next_edge(at)) is not None), default=None)
