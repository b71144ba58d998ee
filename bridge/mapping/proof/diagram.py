"""Sets of situations as decision diagrams: exact, and small where the plain product would have more than 10^20 members.

A situation gives each variable one of its values (numbers from 0). A set is a node of a shared, ordered, reduced
multi-valued decision diagram, so that two sets are equal if and only if they are the same number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

#: A set of situations: the number of a node.
Set = int
NOTHING: Final[Set] = 0
EVERYTHING: Final[Set] = 1
#: The level of the two ends, below every variable.
_END: Final = 10**9


class Diagrams:
    """All sets over variables with so many values each, in this order."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = tuple(sizes)
        self._nodes: list[tuple[int, tuple[Set, ...]]] = [(_END, ()), (_END, ())]
        self._known: dict[tuple[int, tuple[Set, ...]], Set] = {}
        self._both: dict[tuple[Set, Set], Set] = {}
        self._inverse: dict[Set, Set] = {NOTHING: EVERYTHING, EVERYTHING: NOTHING}

    # Making sets

    def where(self, variable: int, values: Iterable[int]) -> Set:
        """All situations in which a variable has one of some values."""
        allowed = frozenset(values)
        size = self.sizes[variable]
        return self._node(variable, tuple(EVERYTHING if v in allowed else NOTHING for v in range(size)))

    def _node(self, variable: int, below: tuple[Set, ...]) -> Set:
        if all(child == below[0] for child in below):
            return below[0]
        key = (variable, below)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = len(self._nodes)
            self._nodes.append(key)
        return found

    # Algebra

    def complement(self, one: Set) -> Set:
        """What is not in it."""
        found = self._inverse.get(one)
        if found is None:
            variable, below = self._nodes[one]
            found = self._node(variable, tuple(self.complement(child) for child in below))
            self._inverse[one] = found
            self._inverse[found] = one
        return found

    def both(self, one: Set, other: Set) -> Set:
        """What is in both."""
        if one == other or other == EVERYTHING:
            return one
        if one == EVERYTHING:
            return other
        if NOTHING in (one, other):
            return NOTHING
        key = (one, other) if one < other else (other, one)
        found = self._both.get(key)
        if found is None:
            (first, below), (second, beside) = self._nodes[one], self._nodes[other]
            if first == second:
                children = tuple(self.both(a, b) for a, b in zip(below, beside, strict=True))
            elif first < second:
                children = tuple(self.both(child, other) for child in below)
            else:
                children = tuple(self.both(one, child) for child in beside)
            found = self._both[key] = self._node(min(first, second), children)
        return found

    def all(self, sets: Iterable[Set]) -> Set:
        """What is in all of them."""
        found = EVERYTHING
        for each in sets:
            found = self.both(found, each)
        return found

    def either(self, one: Set, other: Set) -> Set:
        """What is in one of the two."""
        return self.complement(self.both(self.complement(one), self.complement(other)))

    def any(self, sets: Iterable[Set]) -> Set:
        """What is in one of them."""
        found = NOTHING
        for each in sets:
            found = self.either(found, each)
        return found

    def without(self, one: Set, other: Set) -> Set:
        """What is in the first and not in the second."""
        return self.both(one, self.complement(other))

    def within(self, one: Set, other: Set) -> bool:
        """Whether all of the first is in the second."""
        return not self.meets(one, self.complement(other))

    def meets(self, one: Set, other: Set) -> bool:
        """Whether there is something in both; found without working out what."""
        apart: set[tuple[Set, Set]] = set()

        def walk(one: Set, other: Set) -> bool:
            if NOTHING in (one, other):
                return False
            if EVERYTHING in (one, other) or one == other:
                return True
            key = (one, other) if one < other else (other, one)
            known = self._both.get(key)
            if known is not None:
                return known != NOTHING
            if key in apart:
                return False
            (first, below), (second, beside) = self._nodes[one], self._nodes[other]
            if first == second:
                found = any(walk(a, b) for a, b in zip(below, beside, strict=True))
            elif first < second:
                found = any(walk(child, other) for child in below)
            else:
                found = any(walk(one, child) for child in beside)
            if not found:
                apart.add(key)
            return found

        return walk(one, other)

    # Change

    def freed(self, one: Set, variables: Iterable[int]) -> Set:
        """The situations that come out of it if these variables may take any value."""
        free = frozenset(variables)
        known: dict[Set, Set] = {NOTHING: NOTHING, EVERYTHING: EVERYTHING}

        def walk(node: Set) -> Set:
            found = known.get(node)
            if found is None:
                variable, below = self._nodes[node]
                children = tuple(walk(child) for child in below)
                found = known[node] = self.any(children) if variable in free else self._node(variable, children)
            return found

        return walk(one)

    def after(self, one: Set, values: Mapping[int, Iterable[int]]) -> Set:
        """The situations that come out of it if these variables change to one of some values each."""
        return self.all(
            [self.freed(one, values), *(self.where(variable, allowed) for variable, allowed in values.items())]
        )

    # Looking

    def holds(self, one: Set, situation: Sequence[int]) -> bool:
        """Whether a situation is in it."""
        node = one
        while node > EVERYTHING:
            variable, below = self._nodes[node]
            node = below[situation[variable]]
        return node == EVERYTHING

    def variables(self, one: Set) -> frozenset[int]:
        """The variables that matter to it."""
        return frozenset(self._nodes[node][0] for node in self._below(one) if node > EVERYTHING)

    def first(self, one: Set) -> int:
        """The first variable that matters to it; beyond all of them for one of the two ends."""
        return self._nodes[one][0]

    def children(self, one: Set) -> tuple[Set, ...]:
        """What is left of it for each value of its first variable; nothing for one of the two ends."""
        return self._nodes[one][1]

    def _below(self, one: Set) -> Iterator[Set]:
        seen, waiting = {one}, [one]
        while waiting:
            node = waiting.pop()
            yield node
            for child in self._nodes[node][1]:
                if child not in seen:
                    seen.add(child)
                    waiting.append(child)

    def nearest(self, one: Set, usual: Sequence[int]) -> list[int] | None:
        """The situation in it that differs least from the usual one; None where there is none at all."""
        if one == NOTHING:
            return None
        best: dict[Set, tuple[int, int]] = {EVERYTHING: (0, 0)}  # the least that has to differ, and by which value

        def cost(node: Set) -> int:
            if node == NOTHING:
                return _END
            found = best.get(node)
            if found is None:
                variable, below = self._nodes[node]
                costs = [cost(child) + (value != usual[variable]) for value, child in enumerate(below)]
                found = best[node] = min((each, value != usual[variable], value) for value, each in enumerate(costs))[
                    ::2
                ]
            return found[0]

        cost(one)
        situation, node = list(usual), one
        while node > EVERYTHING:
            variable, below = self._nodes[node]
            situation[variable] = best[node][1]
            node = below[situation[variable]]
        return situation

    def __len__(self) -> int:
        """How many nodes there are."""
        return len(self._nodes)
