"""A place among a table's variables as something that a person can use: values, frames, a view, an example.

A counter-example is the situation that differs least from a usual one, which is the table's `exampleUnit`. It is
written in the words of examples (`bridge.mapping.proof.words`), and the view is made of these words: so what is shown
can be pasted into the table, and is the same situation there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bridge.evse import Mode
from bridge.mapping.context import Context
from bridge.mapping.decision import View
from bridge.mapping.examples import ExampleError, view_of
from bridge.mapping.model import ExampleModel
from bridge.mapping.proof.diagram import NOTHING, Set
from bridge.mapping.proof.finding import Finding
from bridge.mapping.proof.meaning import Meaning
from bridge.mapping.proof.words import Words, written
from bridge.mapping.table import TableSource
from bridge.mapping.yamlfile import Path_

#: An example has to expect something; this one is only asked what it gives.
_NOTHING_YET: Final = {"connector": "keep"}


@dataclass(frozen=True)
class Situation:
    """A counter-example for a person.

    `values` by the variables' titles; `given` in the words of examples, as far as it differs from the usual situation;
    `told`: what the unit has told in it, as frames; `unlike`: variables that matter and that no
    unit could be given this value, so that the view lies beside the place.
    """

    values: tuple[tuple[str, str], ...]
    given: tuple[Any, ...]
    view: View
    place: tuple[int, ...]
    unlike: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The values on one line."""
        return ", ".join(f"{title}: {value}" for title, value in self.values)

    @property
    def frames(self) -> str:
        """The same on the wire, and what is no property as words: `82=R C7=41 wanted: charge`."""
        frames = {part for part in self.given if isinstance(part, str)} | set(self.told)
        words = [written(part)[1:-1] for part in self.given if not isinstance(part, str)]
        return " ".join([*sorted(frames), *words]) or "as exampleUnit"

    def example(self, expect: str) -> str:
        """An entry for `examples:` that has this situation; `expect` as it is written in YAML."""
        return f"- {{given: {written(list(self.given))}, expect: {expect}}}"


class Situations:
    """The situations of one table, measured by how far they are from the usual one."""

    def __init__(self, meaning: Meaning) -> None:
        self.meaning = meaning
        self.usual_view = given_view(meaning.source, ())
        self.usual = tuple(meaning.space.place(Context(meaning.table, self.usual_view)))

    # Finding one

    def nearest(self, found: Set) -> tuple[int, ...] | None:
        """Where the most usual possible situation of a set lies; one that a unit can be in, if there is such a one."""
        sets = self.meaning.sets
        can_be = sets.both(found, self.meaning.possible)
        place = sets.nearest(can_be, self.usual)
        if place is None:
            return None
        real = self._words(place, self.critical(found, place)).place
        return real if sets.holds(can_be, real) else tuple(place)

    def critical(self, found: Set, place: Sequence[int]) -> tuple[int, ...]:
        """The variables without whose value a place would not be in a set, though it could be."""
        sets, possible, matters = self.meaning.sets, self.meaning.possible, []
        for index in sorted(sets.variables(found)):
            other = list(place)
            for value in range(sets.sizes[index]):
                other[index] = value
                if sets.holds(possible, other) and not sets.holds(found, other):
                    matters.append(index)
                    break
        return tuple(matters)

    def finding(
        self,
        code: str,
        path: Path_,
        text: str,
        found: Set = NOTHING,
        *,
        others: Iterable[Path_] = (),
        mend: str = "",
        wanted: Mode | None = None,
    ) -> Finding:
        """A finding with the nearest situation of a set as its counter-example; if possible one that wants a mode."""
        if wanted is not None and self.meaning.sets.meets(found, self.meaning.wanted(wanted)):
            found = self.meaning.sets.both(found, self.meaning.wanted(wanted))
        places = self.nearest(found)
        matters = () if places is None else self.critical(found, places)
        return Finding(code, path, text, places, tuple(others), mend, matters)

    # Showing one

    def show(self, finding: Finding) -> Situation | None:
        """A finding's counter-example."""
        if finding.places is None:
            return None
        made = self._made(finding.given) if finding.given else None
        if made is not None:
            return Situation((), made.given, made.view, made.place)
        made = self._words(finding.places, finding.matters)
        return Situation(
            tuple(self._values(finding)),
            made.given,
            made.view,
            made.place,
            tuple(self._title(index) for index in finding.matters if made.place[index] != finding.places[index]),
            tuple(self._told(finding, made.view)),
        )

    def _told(self, finding: Finding, view: View) -> Iterable[str]:
        """The frames behind the values that are shown."""
        for index in finding.matters:
            key = self.meaning.space.variables[index].key
            fact = view.facts.get(int(key[1])) if key[0] == "value" else None
            if fact is not None:
                yield f"{int(key[1]):02X}={fact.edt.hex().upper()}"

    def _values(self, finding: Finding) -> Iterable[tuple[str, str]]:
        for index, variable in enumerate(self.meaning.space.variables):
            value = (finding.places or self.usual)[index]
            if index in finding.matters or value != self.usual[index]:
                yield variable.title, variable.values[value]

    def _title(self, index: int) -> str:
        return self.meaning.space.variables[index].title

    def _words(self, place: Sequence[int], matters: Iterable[int]) -> Made:
        words = Words(self.meaning, self.usual, place, frozenset(matters), self.usual_view.facts.keys())
        best: Made | None = None
        for given in words.attempts():
            made = self._made(given)
            if made is None:
                continue
            missed = sum(
                10 if index in words.matters else 1 for index in words.asked if made.place[index] != place[index]
            )
            if best is None or missed < best.missed:
                best = Made(made.given, made.view, made.place, missed)
            if not missed:
                break
        return best or Made((), self.usual_view, self.usual, 0)

    def _made(self, given: tuple[Any, ...]) -> Made | None:
        try:
            view = given_view(self.meaning.source, given)
        except ExampleError:
            return None
        return Made(given, view, tuple(self.meaning.space.place(Context(self.meaning.table, view))), 0)


@dataclass(frozen=True)
class Made:
    """A view that was made for a place, where it really lies, and how far that is from it."""

    given: tuple[Any, ...]
    view: View
    place: tuple[int, ...]
    missed: int


def given_view(source: TableSource, given: Sequence[Any]) -> View:
    """The view that an example with these words has.

    Raises:
        ExampleError: a word is unknown, or has no such value.
    """
    return view_of(source, ExampleModel(given=list(given), expect=_NOTHING_YET))
