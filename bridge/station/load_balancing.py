"""Local load balancing (OCPP 2.1, Q09): what EVSEs charge or discharge so that the load at the site's grid connection
stays between two thresholds.

Pure, in mW and ms: plus is drawn from the grid, and flows into a vehicle. A correction waits until the units have
followed the last one and the meter has had time to show that, and a reading is used once: else the same watts would be
corrected twice, and the load would swing. Several EVSEs behind one meter share each correction.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Final

from bridge.evse import Reading, Source
from bridge.records import dataclass
from bridge.station.composite import share

#: What is smaller than this (mW) is not corrected: house load is never quite still, and settings wear.
DEAD_BAND: Final = 100_000
#: The meter's word is too old after so many ms; then nothing flows.
STALE_AFTER: Final = 30_000
#: A unit that is at its setpoint shows at the meter within so many ms.
METER_SHOWS: Final = 5_000
#: A unit that is not at its setpoint after so many ms does not follow it: what flows counts from then on.
FOLLOWS_WITHIN: Final = 30_000
#: A unit is at its setpoint within this (mW), or within a tenth of it.
NEAR: Final = 300_000

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Band:
    """The thresholds of the load (mW), and how far from them a load that passes one is brought (Q09.FR.04)."""

    upper: int
    lower: int
    upper_offset: int = 0
    lower_offset: int = 0

    def correction(self, load: int) -> int:
        """By how much the load is to be changed. Offsets that aim beyond the other threshold aim at that threshold:
        between the two the load would swing for ever."""
        if load > self.upper:
            return max(self.upper + self.upper_offset, self.lower) - load
        if load < self.lower:
            return min(self.lower + self.lower_offset, self.upper) - load
        return 0


@dataclass(slots=True)
class Balancing:
    """What an EVSE of a site with a grid meter has of this mode: its thresholds, or (`trouble`) why there are none that
    can be followed (Q09.FR.02); and the setpoint of the moment (mW), 0 while it is not in the mode."""

    band: Band | None = None
    trouble: str | None = None
    setpoint: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One EVSE in this mode, as it is now: its `band` (None: it has none that can be followed), what flows as far as
    that is measured, what is `ordered` of it, and between which setpoints it may have one, asked only when needed."""

    band: Band | None
    flow: Reading | None
    ordered: int
    bounds: Callable[[], Range]
    reachable: bool = True


@dataclass(slots=True)
class _Course:
    """What became of the last setpoint: since when it counts, and when the unit was seen to be there."""

    setpoint: int
    since: int
    reached: int | None = None

    def order(self, setpoint: int, now: int) -> None:
        self.setpoint, self.since, self.reached = setpoint, now, None


class Balancer:
    """All EVSEs in this mode behind one grid meter, by name."""

    def __init__(self) -> None:
        self._load: Reading | None = None
        self._used: int | None = None  # when the last reading was taken that was used
        self._busy_since: int | None = None
        self._courses: dict[str, _Course] = {}

    def setpoint(self, name: str) -> int:
        """What is to flow (mW, minus is out of the vehicle); 0 of one that does not take part."""
        course = self._courses.get(name)
        return 0 if course is None else course.setpoint

    def trouble(self, now: int) -> str | None:
        """Why nothing flows, where the grid meter does not tell."""
        if not self._stale(now):
            return None
        return f"the grid meter has told no power for more than {STALE_AFTER // 1000} s: load balancing idles"

    def due(self, now: int) -> int | None:
        """When (ms) the last word of the meter will be too old."""
        if self._busy_since is None or self._stale(now):
            return None
        return self._heard(self._busy_since) + STALE_AFTER + 1

    def join(self, parts: Mapping[str, Part], now: int) -> None:
        """Take in who is in the mode now. One that has come begins with what really flows; a unit that does not answer
        keeps what it had and takes no part."""
        for name in self._courses.keys() - parts.keys():
            del self._courses[name]
        self._busy_since = None if not parts else now if self._busy_since is None else self._busy_since
        if self._stale(now):
            self._courses.clear()
            return
        for name, part in parts.items():
            if part.band is None:
                self._courses.pop(name, None)
            elif part.reachable and name not in self._courses:
                flow = 0 if part.flow is None else part.flow.value
                self._courses[name] = _Course(flow, now, now - METER_SHOWS)

    def hear(self, load: Reading | None, parts: Mapping[str, Part], now: int) -> None:
        """Take what the meter says now, which may be what it said before, and correct by it what has to be."""
        if load is not None and load.source is not Source.LAST_KNOWN:
            self._load = load
        before = set(self._courses)  # of the others nobody knows yet what they have
        self.join(parts, now)
        taking = {n: part for n, part in parts.items() if part.reachable and n in before and n in self._courses}
        for name, part in taking.items():
            self._watch(self._courses[name], part, now)
        at = None if self._load is None else self._load.at
        if self._load is None or at is None or at == self._used or not taking or now - at > STALE_AFTER:
            return
        if all(self._settled(self._courses[name], at) for name in taking):
            self._used = at
            self._correct(self._load.value, taking, now)

    # -- inside

    def _correct(self, load: int, parts: Mapping[str, Part], now: int) -> None:
        bases = {name: self._base(self._courses[name], part) for name, part in parts.items()}
        bounds = {name: part.bounds() for name, part in parts.items()}
        wishes = {name: part.band.correction(load) for name, part in parts.items() if part.band is not None}
        if max(map(abs, wishes.values()), default=0) < DEAD_BAND:
            wishes = {}
        following = frozenset(name for name, base in bases.items() if base == self._courses[name].setpoint)
        for name, setpoint in spread(wishes, bases, bounds, following).items():
            told = 0 if abs(setpoint) < DEAD_BAND else setpoint
            if told != self._courses[name].setpoint:
                self._courses[name].order(told, now)

    @staticmethod
    def _watch(course: _Course, part: Part, now: int) -> None:
        """Whether the unit is where it was ordered. What other limits make of a setpoint is what is ordered."""
        if part.ordered != course.setpoint:
            course.order(part.ordered, now)
        flow = part.flow
        if course.reached is None and flow is not None and flow.at > course.since and _near(flow.value, part.ordered):
            course.reached = flow.at

    @staticmethod
    def _settled(course: _Course, at: int) -> bool:
        if course.reached is not None:
            return at > max(course.since, course.reached + METER_SHOWS)
        return at >= course.since + FOLLOWS_WITHIN

    @staticmethod
    def _base(course: _Course, part: Part) -> int:
        """The setpoint; or what flows, where the unit does not follow: what it cannot do must not add up."""
        flow = part.flow
        if flow is None or flow.at <= course.since or _near(flow.value, course.setpoint):
            return course.setpoint
        return flow.value

    def _heard(self, since: int) -> int:
        return since if self._load is None else max(self._load.at, since)

    def _stale(self, now: int) -> bool:
        """While nobody is in the mode the meter is read seldom, and its last word stands."""
        return self._busy_since is not None and now - self._heard(self._busy_since) > STALE_AFTER


def spread(
    wishes: Mapping[str, int],
    setpoints: Mapping[str, int],
    bounds: Mapping[str, Range],
    following: Container[str] | None = None,
) -> dict[str, int]:
    """Share the correction that EVSEs behind one meter wish (each by its own thresholds) among them; their setpoints.

    Together they correct as much as the one that wishes most. What several wish they share: first those give up what
    flows that works against it, then all that still can take equal parts; those that do not follow their setpoints
    (`following`; None: all do) only what the others leave. Where one wishes more load and another less, nothing is
    changed: they would only feed each other. Nobody leaves its bounds.
    """
    found = {name: max(min(setpoint, bounds[name][1]), bounds[name][0]) for name, setpoint in setpoints.items()}
    asking = {name: wish for name, wish in wishes.items() if wish}
    if not asking or min(asking.values()) < 0 < max(asking.values()):
        return found
    sign = 1 if min(asking.values()) > 0 else -1
    shared = 0
    for level in sorted({abs(wish) for wish in asking.values()}):
        everybody = [name for name, wish in asking.items() if abs(wish) >= level]
        able = [name for name in everybody if following is None or name in following]
        left, shared = level - shared, level
        for names, stop_at_zero in ((everybody, True), (able, False), (everybody, False)):
            room = [_room(found[name], bounds[name], sign, stop_at_zero=stop_at_zero) for name in names]
            parts = share(left, dict(enumerate(room)))
            for number, name in enumerate(names):
                found[name] += sign * parts[number]
            left -= sum(parts.values())
    return found


def _room(setpoint: int, bounds: Range, sign: int, *, stop_at_zero: bool) -> int:
    """How far a setpoint can go in a direction."""
    end = bounds[1] if sign > 0 else -bounds[0]
    return max(0, (min(end, 0) if stop_at_zero else end) - sign * setpoint)


def _near(flow: int, ordered: int) -> bool:
    """Where nothing flows but something was ordered (less than the unit can, say) that is not followed."""
    if abs(flow) < DEAD_BAND <= abs(ordered):
        return False
    return abs(flow - ordered) <= max(NEAR, abs(ordered) // 10)
