"""Law 8: what a setpoint ensures, read back, is what was wanted.

`OSCILLATION`: its own writes, or a unit that follows them, make the table want something else. `UNREACHED`: the goal
can never be seen to be reached, or is told to be reached where it is not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.evse import ChargingState, Mode
from bridge.mapping.proof.diagram import NOTHING, Set
from bridge.mapping.proof.finding import Finding, Law
from bridge.mapping.proof.laws_setpoints_course import Course, Marks, Spot, Trace
from bridge.mapping.proof.laws_setpoints_safety import ENERGY, QUIET
from bridge.mapping.proof.laws_setpoints_world import FLOW, STILL, World, known_release, signal, situations
from bridge.mapping.proof.meaning import Meaning
from bridge.mapping.steps import WriteStep
from bridge.mapping.yamlfile import Path_

OSCILLATION: Final = "OSCILLATION"
UNREACHED: Final = "UNREACHED"
#: What may be said of the charging while it is stopped or paused; to keep what was would go on saying Charging.
_AT_REST: Final = frozenset({ChargingState.SUSPENDED_EVSE, ChargingState.EV_CONNECTED, ChargingState.IDLE})
_STOPPED: Final = _AT_REST | {ChargingState.SUSPENDED_EV}


@dataclass(frozen=True)
class _Goal:
    """One setpoint, carried out from every situation in which it can be."""

    meaning: Meaning
    mode: Mode
    course: Course
    trace: Trace

    @property
    def path(self) -> Path_:
        return ("setpoints", self.mode.value)

    def way_path(self, way: int) -> Path_:
        return (*self.path, "ways", way)

    def name(self, way: int) -> str:
        return self.meaning.source.model.setpoints[self.mode].ways[way].id

    def settled(self) -> Iterator[tuple[int, Marks, WriteStep, Set]]:
        """Where a way has nothing left to write, with its last step: the mode's."""
        for (way, marks), where in self.trace.settled.items():
            steps = self.course.ways[way].steps
            if steps:
                yield way, marks, steps[-1], where

    def finding(
        self, code: str, path: Path_, text: str, after: Set, others: Iterable[Path_] = (), reacting: Iterable[int] = ()
    ) -> Finding:
        """With the smallest situation from which the writes lead to one that breaks the law."""
        meaning, sets, shown = self.meaning, self.meaning.sets, situations(self.meaning)
        places = sets.nearest(after, shown.usual)
        assert places is not None  # nobody calls it with nothing
        changed = self.course.touched() | set(reacting)
        same = (sets.where(index, (place,)) for index, place in enumerate(places) if index not in changed)
        before = shown.nearest(sets.all((*same, _start(self)))) or tuple(places)
        matters = shown.critical(sets.both(_start(self), sets.freed(after, changed)), before)
        told = _told(meaning, before, places)
        return Finding(code, path, f"{text}{told}", before, tuple(others), matters=matters)


def _start(goal: _Goal) -> Set:
    sets = goal.meaning.sets
    return sets.any(goal.course.runs(way) for way in range(len(goal.course.ways)))


def _told(meaning: Meaning, before: Sequence[int], after: Sequence[int]) -> str:
    variables = meaning.space.variables
    changes = [
        f"{variable.title}={variable.values[new]}"
        for variable, old, new in zip(variables, before, after, strict=True)
        if old != new
    ]
    return f" (once {', '.join(changes)})" if changes else ""


def _goals(meaning: Meaning, modes: Iterable[Mode]) -> Iterator[_Goal]:
    """Each worked out once for all laws."""
    known: dict[Mode, _Goal] = meaning.shared.setdefault(_Goal, {})
    for mode in modes:
        if mode not in meaning.table.setpoints:
            continue
        if mode not in known:
            inside = meaning.sets.both(meaning.passed(mode), meaning.wanted(mode))
            course = Course(meaning, mode, inside)
            start = meaning.sets.any(course.runs(way) for way in range(len(course.ways)))
            known[mode] = _Goal(meaning, mode, course, course.run({frozenset(): start}))
        yield known[mode]


# Its own writes -------------------------------------------------------------------------------------------------


def orders_stand(meaning: Meaning) -> Iterator[Finding]:
    """(a, d) Neither what a setpoint writes nor a unit that follows makes a gate fail, another way or a pause begin, or
    something be written again."""
    for goal in _goals(meaning, (*QUIET, *ENERGY)):
        told: set[Path_] = set()
        yield from _left(goal, goal.trace, told)
        yield from _turning(goal, goal.trace)
        trace, reacting = _followed(goal)
        yield from _left(goal, trace, told, reacting, "the unit follows, and ")
        yield from _rewriting(goal, trace, reacting)


def _left(
    goal: _Goal, trace: Trace, told: set[Path_], reacting: Collection[int] = (), because: str = ""
) -> Iterator[Finding]:
    """Where a write, or what the unit makes of it, ends the recipe."""
    for (way, place), where in trace.left.items():
        if where == NOTHING:
            continue
        step = goal.course.ways[way].steps[place]
        reason, path = _why_left(goal, where)
        if path in told:
            continue
        told.add(path)
        text = f'{goal.mode} by the way "{goal.name(way)}" writes {step.name}; {because}{reason}'
        spot = (*goal.way_path(way), "ensure", place)
        yield goal.finding(OSCILLATION, spot, text, _there(goal, where, path), (path,), reacting)


def _there(goal: _Goal, where: Set, path: Path_) -> Set:
    """Those situations that one reason is for."""
    meaning, sets = goal.meaning, goal.meaning.sets
    if path[2:3] == ("require",):
        found = sets.both(where, meaning.refusals(goal.mode)[int(path[3])])
    elif path[2:3] == ("ways",) and len(path) > 3:
        found = sets.both(where, meaning.taken(goal.mode, int(path[3])))
    else:
        found = where
    return found if found != NOTHING else where


def _why_left(goal: _Goal, where: Set) -> tuple[str, Path_]:
    meaning, sets = goal.meaning, goal.meaning.sets
    model = meaning.source.model.setpoints[goal.mode]
    for place, denied in enumerate(meaning.refusals(goal.mode)):
        if sets.both(where, denied) != NOTHING:
            return f'then its own gate "{model.require[place].id}" does not hold', (*goal.path, "require", place)
    for place, way in enumerate(goal.course.ways):
        there = sets.both(where, meaning.taken(goal.mode, place))
        if sets.both(there, meaning.pauses(meaning.table.setpoints[goal.mode], place, way)) != NOTHING:
            return f'then the way "{model.ways[place].id}" pauses', goal.way_path(place)
        if there != NOTHING:
            return f'then the way "{model.ways[place].id}" is impossible', goal.way_path(place)
    return "then no way fits any more", (*goal.path, "ways")


def _turning(goal: _Goal, trace: Trace) -> Iterator[Finding]:
    spots = [spot for spot, where in trace.turning.items() if where != NOTHING]
    if spots:
        where = goal.meaning.sets.any(trace.turning[spot] for spot in spots)
        text = f"{goal.mode} writes for ever: {_written(goal, spots)}, and again"
        paths = [_spot_path(goal, spot) for spot in spots]
        yield goal.finding(OSCILLATION, paths[0], text, where, paths[1:])


def _written(goal: _Goal, spots: Iterable[Spot]) -> str:
    return ", ".join(f'{goal.course.ways[way].steps[place].name} by "{goal.name(way)}"' for way, place in spots)


def _spot_path(goal: _Goal, spot: Spot) -> Path_:
    return (*goal.way_path(spot[0]), "ensure", spot[1])


def _followed(goal: _Goal) -> tuple[Trace, set[int]]:
    """What comes of it when energy flows, or has ceased, as was wanted; and the variables in which that is told."""
    meaning, sets = goal.meaning, goal.meaning.sets
    trace, reacting = Trace(), set[int]()
    for way, marks, last, where in goal.settled():
        world = World(meaning, goal.mode, last)
        reacting |= world.variables()
        come = world.flows(sets.either(where, world.follows(where, STILL, *FLOW[goal.mode])))
        stays = sets.both(come, _start(goal))
        spot = (way, len(goal.course.ways[way].steps) - 1)
        trace.left[spot] = sets.either(trace.left[spot], sets.without(come, stays))
        for other, there in goal.course.run({marks: stays}).first.items():
            trace.turning[other] = sets.either(trace.turning[other], there)
    return trace, reacting


def _rewriting(goal: _Goal, trace: Trace, reacting: Collection[int]) -> Iterator[Finding]:
    spots = sorted(spot for spot, where in trace.turning.items() if where != NOTHING)
    if spots:
        text = f"{goal.mode} has been reached, and more is written: {_written(goal, spots)}"
        paths = [_spot_path(goal, spot) for spot in spots]
        yield goal.finding(OSCILLATION, paths[0], text, trace.turning[spots[0]], paths[1:], reacting)


# The goal is seen -----------------------------------------------------------------------------------------------


def goals_can_be_confirmed(meaning: Meaning) -> Iterator[Finding]:
    """(b) From wherever all is written, a unit that follows makes `confirm` hold; with the alternative value too."""
    sets = meaning.sets
    for goal in _goals(meaning, (*QUIET, *ENERGY)):
        missed: dict[tuple[int, int], Set] = {}
        for way, _, last, where in goal.settled():
            follows = World(meaning, goal.mode, last).some(_confirmed(goal))
            for alternative, come in _alternatives(goal, last, where):
                key = (alternative, way)
                missed[key] = sets.either(missed.get(key, NOTHING), sets.without(come, follows))
        for alternative in (0, 1):
            ways = sorted(way for (each, way), where in missed.items() if each == alternative and where != NOTHING)
            if ways:
                value = " with the value that is tried otherwise" if alternative else ""
                text = f"{goal.mode} by {_names(goal, ways)} can never be confirmed{value}"
                path = (*goal.path, "confirm", "when")
                others = [goal.way_path(way) for way in ways]
                yield goal.finding(UNREACHED, path, text, missed[(alternative, ways[0])], others)
                break


def _names(goal: _Goal, ways: Iterable[int]) -> str:
    return ", ".join(f'"{goal.name(way)}"' for way in ways)


def _confirmed(goal: _Goal) -> Set:
    return goal.meaning.at((*goal.path, "confirm", "when"))


def _alternatives(goal: _Goal, last: WriteStep, where: Set) -> Iterator[tuple[int, Set]]:
    """What stands after the last step, with each of its values; of a release that is not known the bytes decide."""
    meaning, sets = goal.meaning, goal.meaning.sets
    known = sets.all((where, known_release(meaning), signal(meaning, "reachable")))
    yield 0, known
    most = max((len(values) for values in last.values.values()), default=0)
    for alternative in range(1, most):
        for letters in meaning.space.groups:
            there = sets.both(known, meaning.releases(letters))
            if there != NOTHING and len(last.values.get(last.key(letters[0]), ())) > alternative:
                yield alternative, goal.course.written(last, letters[0], there, alternative)


def confirmation_is_earned(meaning: Meaning) -> Iterator[Finding]:
    """(b) `confirm` does not hold while the order does not stand, nor where the unit could show and does not."""
    sets = meaning.sets
    for goal in _goals(meaning, ENERGY):
        unordered: dict[int, Set] = {}
        idle: dict[int, Set] = {}
        for way, _, last, _ in goal.settled():
            world = World(meaning, goal.mode, last)
            held = sets.all((goal.course.runs(way), _confirmed(goal), signal(meaning, "reachable")))
            held = sets.without(held, sets.either(world.flowing(), world.told()))
            unordered[way] = sets.without(held, _ordered(goal, last))
            # In the automatic mode the unit may as well do nothing.
            idle[way] = NOTHING if goal.mode is Mode.AUTO else sets.without(held, world.dumb())
        yield from _unearned(goal, unordered, "the order does not stand")
        yield from _unearned(goal, idle, "the unit does not follow")


def _unearned(goal: _Goal, found: Mapping[int, Set], why: str) -> Iterator[Finding]:
    ways = [way for way, where in found.items() if where != NOTHING]
    if ways:
        text = f"{goal.mode} by {_names(goal, ways)} is confirmed although {why}"
        others = [goal.way_path(way) for way in ways]
        path = (*goal.path, "confirm", "when")
        yield situations(goal.meaning).finding(UNREACHED, path, text, found[ways[0]], others=others)


def _ordered(goal: _Goal, last: WriteStep) -> Set:
    """Where the last step has one of its values."""
    meaning, sets = goal.meaning, goal.meaning.sets
    index = meaning.space.index.get(("value", last.epc))
    found = NOTHING
    for letters in meaning.space.groups:
        count = len(last.values.get(last.key(letters[0]), ()))
        places = [place for each in range(count) for place in goal.course.places(last, letters[0], each) or ()]
        if index is not None and places:
            there = sets.both(meaning.releases(letters), sets.where(index, places))
            found = sets.either(found, there)
    return found


# What is told of it ---------------------------------------------------------------------------------------------


def energy_is_told(meaning: Meaning) -> Iterator[Finding]:
    """(b) Where energy was ordered and flows as wanted, chargingState says Charging."""
    sets = meaning.sets
    for goal in _goals(meaning, ENERGY):
        told = set()
        for way, _, last, where in goal.settled():
            world = World(meaning, goal.mode, last)
            come = sets.both(world.flows(world.follows(where)), world.flowing())
            come = sets.all((come, signal(meaning, "reachable")))
            wrong = sets.without(come, _deciding(meaning, come, {ChargingState.CHARGING}))
            if wrong != NOTHING:
                found = _by_row(goal, wrong, f"{goal.mode} has been reached and energy flows", way, world)
                if found.path not in told:
                    told.add(found.path)
                    yield found


def rest_is_told(meaning: Meaning) -> Iterator[Finding]:
    """(b) Where a stop or pause is confirmed, or was ordered and followed, chargingState does not say Charging."""
    sets = meaning.sets
    for goal in _goals(meaning, QUIET):
        rest = sets.both(_confirmed(goal), known_release(meaning))
        ways = list(goal.settled())
        reacting: set[int] = set()
        for _, _, last, where in ways:
            world = World(meaning, goal.mode, last)
            reacting |= world.variables()
            rest = sets.either(rest, world.flows(world.follows(where)))
        rest = sets.all((rest, meaning.possible, meaning.wanted(goal.mode), signal(meaning, "reachable")))
        for wrong in _mistold(meaning, goal.mode, rest):
            if wrong != NOTHING:
                yield _by_row(goal, wrong, f"{goal.mode} stands", ways[0][0] if ways else 0, None, reacting)
                break


def _mistold(meaning: Meaning, mode: Mode, rest: Set) -> Iterator[Set]:
    sets = meaning.sets
    allowed = _AT_REST if mode is Mode.PAUSE else _STOPPED
    yield sets.without(rest, _deciding(meaning, rest, allowed))
    if mode is Mode.PAUSE:
        theirs = sets.both(rest, signal(meaning, "authorized"))
        yield sets.without(theirs, _deciding(meaning, theirs, {ChargingState.SUSPENDED_EVSE, ChargingState.IDLE}))


def _deciding(meaning: Meaning, where: Set, states: Collection[ChargingState]) -> Set:
    """Where of some situations chargingState says one of some states."""
    rows = zip(meaning.table.charging_rows, meaning.wins("chargingState"), strict=True)
    return meaning.sets.any(meaning.sets.both(where, win) for row, win in rows if row.answer.value in states)


def _by_row(goal: _Goal, wrong: Set, when: str, way: int, world: World | None, reacting: Iterable[int] = ()) -> Finding:
    """The row of chargingState that says something else."""
    meaning = goal.meaning
    places = meaning.sets.nearest(wrong, situations(meaning).usual)
    wins = enumerate(meaning.wins("chargingState"))
    row = next((each for each, win in wins if places is not None and meaning.sets.holds(win, places)), 0)
    found = meaning.table.charging_rows[row]
    text = f'{when}, and the row "{found.id}" says {found.answer.value or "keep"}'
    there = meaning.sets.both(wrong, meaning.wins("chargingState")[row])
    changed = world.variables() if world is not None else set(reacting)
    return goal.finding(UNREACHED, ("chargingState", row), text, there, (goal.way_path(way),), changed)


# Over a pause ---------------------------------------------------------------------------------------------------


def pauses_let_go(meaning: Meaning) -> Iterator[Finding]:
    """(c) Where a way pauses first, the pause takes away what it was for, so that the setpoint goes on."""
    sets = meaning.sets
    for mode in ENERGY:
        setpoint = meaning.table.setpoints.get(mode)
        if setpoint is None or Mode.PAUSE not in meaning.table.setpoints:
            continue
        for place, way in enumerate(setpoint.ways):
            if way.pause_first is None:
                continue
            gates = sets.all((meaning.possible, meaning.wanted(mode), meaning.passed(mode)))
            waits = sets.both(gates, meaning.taken(mode, place))
            course = Course(meaning, Mode.PAUSE, waits)
            start = sets.any(course.runs(each) for each in range(len(course.ways)))
            goal = _Goal(meaning, Mode.PAUSE, course, course.run({frozenset(): start}))
            yield from _livelocked(goal, mode, place, waits)


def _livelocked(goal: _Goal, mode: Mode, place: int, waits: Set) -> Iterator[Finding]:
    meaning, sets = goal.meaning, goal.meaning.sets
    name = meaning.source.model.setpoints[mode].ways[place].id
    for way, _, last, where in goal.settled():
        world = World(meaning, Mode.PAUSE, last)
        still = sets.both(world.follows(where), waits)
        if still != NOTHING:
            path: Path_ = ("setpoints", mode.value, "ways", place)
            text = f'{mode} waits in the way "{name}" for a pause that has come already, and never goes on'
            yield goal.finding(OSCILLATION, path, text, still, (goal.way_path(way),), world.variables())
            return


# Rows -----------------------------------------------------------------------------------------------------------


def remembering_decides_the_same(meaning: Meaning) -> Iterator[Finding]:
    """A row of `plug` that remembers something does not make another row answer otherwise because of it."""
    sets = meaning.sets
    rows = meaning.table.plug_rows
    for place, (row, win) in enumerate(zip(rows, meaning.wins("plug"), strict=True)):
        index = meaning.space.index.get(("seen", row.sees or ""))
        if index is None:
            continue
        alike = sets.any(
            other
            for each, other in zip(rows, meaning.wins("plug"), strict=True)
            if each.answer.value == row.answer.value
        )
        where = sets.both(win, meaning.possible)
        turned = sets.without(sets.after(where, {index: (1,)}), alike)
        if turned != NOTHING:
            text = f'what the row "{row.id}" remembers ({row.sees}) makes "plug" answer otherwise the next time'
            yield situations(meaning).finding(OSCILLATION, ("plug", place), text, turned)


LAWS: Final[tuple[Law, ...]] = (
    orders_stand,
    goals_can_be_confirmed,
    confirmation_is_earned,
    energy_is_told,
    rest_is_told,
    pauses_let_go,
    remembering_decides_the_same,
)
