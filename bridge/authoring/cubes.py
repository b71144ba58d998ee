"""A set of situations as a few lines that a person can read: values by variable, each line as wide as it can be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from bridge.mapping.proof.diagram import EVERYTHING, NOTHING, Diagrams, Set
from bridge.mapping.proof.space import Variable


@dataclass(frozen=True)
class Cube:
    """All situations in which some variables have one of some values; what is not named may be anything.

    `others`: the values that each of them could have beside these, and has not.
    """

    values: Mapping[int, frozenset[int]]
    others: Mapping[int, frozenset[int]] = field(default_factory=dict)

    def where(self, sets: Diagrams) -> Set:
        """The situations."""
        return sets.all(sets.where(index, values) for index, values in self.values.items())

    def named(self, variables: Sequence[Variable]) -> dict[str, list[str]]:
        """By the variables' titles."""
        return {
            variables[index].title: [variables[index].values[value] for value in sorted(values)]
            for index, values in sorted(self.values.items())
        }

    def text(self, variables: Sequence[Variable]) -> str:
        """On one line, as conditions are written."""
        return ", ".join(self._part(variables[index], index) for index in sorted(self.values)) or "always"

    def _part(self, variable: Variable, index: int) -> str:
        """What a variable is; what it is not, where that takes fewer words."""
        values, others = self.values[index], self.others.get(index, frozenset())
        shorter = others and len(others) < len(values)
        listed = [variable.values[value] for value in sorted(others if shorter else values)]
        text = listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"
        return f"{variable.title}: {'not ' if shorter else ''}{text}"


def cubes_of(sets: Diagrams, found: Set, possible: Set, usual: Sequence[int], most: int) -> tuple[list[Cube], bool]:
    """A few maximal cubes that lie in a set (or where nothing can be); whether they are all of it.

    The first ones hold the most usual situations.
    """
    cubes: list[Cube] = []
    left = sets.both(found, possible)
    allowed = sets.either(found, sets.complement(possible))
    while left != NOTHING and len(cubes) < most:
        place = sets.nearest(left, usual)
        assert place is not None  # there is something left
        cube = _widest(sets, allowed, possible, left, place)
        cubes.append(cube)
        left = sets.without(left, cube.where(sets))
    return cubes, left == NOTHING


def _widest(sets: Diagrams, allowed: Set, possible: Set, left: Set, place: Sequence[int]) -> Cube:
    """From one situation to as many as possible, variable by variable; last what the unit is and says.

    A value that cannot be together with the others is not named.
    """
    matters = sorted(sets.variables(allowed) | sets.variables(left), reverse=True)
    values: dict[int, frozenset[int]] = {}
    left_out: dict[int, frozenset[int]] = {}
    wide = EVERYTHING  # the cube as far as it is done: over the variables behind the one that is looked at
    for index in matters:
        good, real = _given(sets, allowed, place, index), _given(sets, possible, place, index)
        be = [value for value in range(sets.sizes[index]) if sets.meets(_child(sets, real, index, value), wide)]
        fits = frozenset(value for value in be if sets.within(wide, _child(sets, good, index, value)))
        left_out[index] = frozenset(be) - fits
        if left_out[index]:
            values[index] = fits | {place[index]}
            wide = sets.both(wide, sets.where(index, values[index]))
    return Cube(values, left_out)


def _given(sets: Diagrams, node: Set, place: Sequence[int], index: int) -> Set:
    """What is left of a set where all variables before one are as in a situation."""
    while sets.first(node) < index:
        node = sets.children(node)[place[sets.first(node)]]
    return node


def _child(sets: Diagrams, node: Set, index: int, value: int) -> Set:
    return sets.children(node)[value] if sets.first(node) == index else node


def share(sets: Diagrams, found: Set, possible: Set) -> float:
    """How much of what can be a set is, from 0 to 1."""
    whole = weight(sets, possible)
    return float(weight(sets, sets.both(found, possible)) / whole) if whole else 0.0


def weight(sets: Diagrams, found: Set) -> Fraction:
    """The share of all situations that are in a set."""
    known: dict[Set, Fraction] = {NOTHING: Fraction(0), EVERYTHING: Fraction(1)}

    def walk(node: Set) -> Fraction:
        if node not in known:
            children = sets.children(node)
            known[node] = Fraction(sum(map(walk, children), Fraction(0)), len(children))
        return known[node]

    return walk(found)


def count(sets: Diagrams, found: Set) -> int:
    """How many situations there are in a set."""
    whole = 1
    for size in sets.sizes:
        whole *= size
    return int(weight(sets, found) * whole)


def as_json(cubes: Sequence[Cube], variables: Sequence[Variable]) -> list[dict[str, Any]]:
    """For machines."""
    return [dict(cube.named(variables)) for cube in cubes]


def lines(cubes: Sequence[Cube], complete: bool, variables: Sequence[Variable]) -> Iterator[str]:
    """For people."""
    for cube in cubes:
        yield cube.text(variables)
    if not complete:
        yield "... and more"
