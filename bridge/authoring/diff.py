"""Where two tables of one class decide differently: exactly, over all situations that either can tell apart.

What differs only in words (ids, reasons, order of rows that exclude each other, line numbers) is no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bridge.authoring.answers import Answer, answers_of, sections_of
from bridge.authoring.constants import constants_of
from bridge.authoring.cubes import Cube, as_json, count, cubes_of, lines, share
from bridge.errors import MappingError
from bridge.mapping.proof.diagram import NOTHING, Set
from bridge.mapping.proof.joint import Joint, read_both
from bridge.mapping.proof.situation import Situation, Situations
from bridge.mapping.table import TableSource
from bridge.mapping.yamlfile import Path_

#: So many lines of values are shown of one difference.
CUBES: Final = 4


@dataclass(frozen=True)
class Side:
    """What one table answers, and the lines (`file:line id`) that do."""

    answer: str
    rows: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {"answer": self.answer, "rows": list(self.rows)}


@dataclass(frozen=True)
class Region:
    """Situations in which two tables decide differently. `situations` counts them, `share` is of all that can be."""

    section: str
    one: Side
    other: Side
    situations: int
    share: float
    cubes: tuple[Cube, ...]
    complete: bool
    example: Situation | None


@dataclass(frozen=True)
class Fixed:
    """Something that does not depend on the situation and differs: how often something is read."""

    section: str
    one: Side
    other: Side


@dataclass(frozen=True)
class Diff:
    """All of it. `apart`: what both define in their own way, so that it is told apart."""

    one: str
    other: str
    fixed: tuple[Fixed, ...]
    regions: tuple[Region, ...]
    joint: Joint

    @property
    def same(self) -> bool:
        """Whether they always decide the same."""
        return not self.fixed and not self.regions

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        variables = self.joint.one.space.variables
        return {
            "a": self.one,
            "b": self.other,
            "same": self.same,
            "told_apart": list(self.joint.apart),
            "fixed": [{"section": f.section, "a": f.one.as_json(), "b": f.other.as_json()} for f in self.fixed],
            "regions": [
                {
                    "section": region.section,
                    "a": region.one.as_json(),
                    "b": region.other.as_json(),
                    "situations": region.situations,
                    "share": region.share,
                    "where": as_json(region.cubes, variables),
                    "complete": region.complete,
                    "example": region.example.frames if region.example else None,
                }
                for region in self.regions
            ],
        }

    def as_text(self) -> Iterator[str]:
        """For people."""
        if self.same:
            yield f"{self.one} and {self.other} decide the same in all situations"
            return
        yield f"A: {self.one}"
        yield f"B: {self.other}"
        if self.joint.apart:
            yield f"defined otherwise, and so told apart: {', '.join(self.joint.apart)}"
        for fixed in self.fixed:
            yield from ("", f"{fixed.section}", *_sides(fixed.one, fixed.other))
        for region in self.regions:
            yield from self._region(region)
        yield ""
        count_of = len(self.fixed) + len(self.regions)
        yield f"{count_of} difference{'s' if count_of > 1 else ''}"

    def _region(self, region: Region) -> Iterator[str]:
        yield ""
        yield f"{region.section}: {region.situations} situations, {_percent(region.share)} of all"
        yield from _sides(region.one, region.other)
        for number, line in enumerate(lines(region.cubes, region.complete, self.joint.one.space.variables)):
            yield f"  {'where' if number == 0 else '   or'} {line}"
        if region.example is not None:
            yield f"  as in {region.example.frames}"


def _sides(one: Side, other: Side) -> Iterator[str]:
    for name, side in (("A", one), ("B", other)):
        yield f"  {name}: {side.answer}  ({', '.join(side.rows)})"


def _percent(part: float) -> str:
    return f"{part:.1%}" if part >= 0.001 else "less than 0.1%"


def diff(one: TableSource, other: TableSource) -> Diff:
    """Where two tables decide differently.

    Raises:
        MappingError: they are for different classes.
    """
    if one.table.class_code != other.table.class_code:
        raise MappingError(
            f"{one.document.file} is for class 0x{one.table.class_code:04X} and {other.document.file} for "
            f"0x{other.table.class_code:04X} - only tables of one class can be compared"
        )
    joint = read_both(one, other)
    shown = Situations(joint.one)
    regions = [region for section in sections_of(joint) for region in _regions(joint, section, shown)]
    return Diff(one.document.file, other.document.file, tuple(_fixed(one, other)), tuple(regions), joint)


def _fixed(one: TableSource, other: TableSource) -> Iterator[Fixed]:
    mine, theirs = constants_of(one), constants_of(other)
    for section in dict.fromkeys([*mine, *theirs]):
        (left, path), (right, there) = mine.get(section, ("nothing", ())), theirs.get(section, ("nothing", ()))
        if left != right:
            yield Fixed(section, _constant(one, left, path), _constant(other, right, there))


def _constant(source: TableSource, answer: str, path: Path_) -> Side:
    return Side(answer, (source.document.place(path),))


def _regions(joint: Joint, section: str, shown: Situations) -> Iterator[Region]:
    """Each pair of answers that differ somewhere, with all rows that give them there."""
    sets = joint.one.sets
    mine, theirs = answers_of(joint.one, section), answers_of(joint.other, section)
    differ = sets.without(joint.possible, sets.any(_agreed(joint, mine, theirs)))
    if differ == NOTHING:
        return
    found: dict[tuple[str, str], list[tuple[Answer, Answer, Set]]] = {}
    for answer in mine:
        here = sets.both(answer.where, differ)
        for against in theirs if here != NOTHING else ():
            where = sets.both(here, against.where)
            if where != NOTHING:
                found.setdefault((answer.label, against.label), []).append((answer, against, where))
    for pairs in found.values():
        yield _region(joint, section, pairs, shown)


def _agreed(joint: Joint, mine: Sequence[Answer], theirs: Sequence[Answer]) -> Iterator[Set]:
    """Where both answer the same, by labels."""
    sets = joint.one.sets
    for label in dict.fromkeys(answer.label for answer in mine):
        here, there = (
            sets.any(answer.where for answer in answers if answer.label == label) for answers in (mine, theirs)
        )
        yield sets.both(here, there)


def _region(joint: Joint, section: str, pairs: Sequence[tuple[Answer, Answer, Set]], shown: Situations) -> Region:
    sets = joint.one.sets
    where = sets.any(each for _, _, each in pairs)
    cubes, complete = cubes_of(sets, where, joint.possible, shown.usual, CUBES)
    finding = shown.finding("DIFF", pairs[0][0].path, "", where)
    return Region(
        section,
        _side(joint.one.source, [pair[0] for pair in pairs]),
        _side(joint.other.source, [pair[1] for pair in pairs]),
        count(sets, where),
        share(sets, where, joint.possible),
        tuple(cubes),
        complete,
        shown.show(finding),
    )


def _side(source: TableSource, answers: Sequence[Answer]) -> Side:
    rows = (f"{source.document.place(answer.path)} {answer.row}".strip() for answer in answers)
    return Side(answers[0].label, tuple(dict.fromkeys(rows)))


def pair_of(sources: Sequence[TableSource], others: Iterable[TableSource]) -> list[tuple[TableSource, TableSource]]:
    """The tables of two sets that are for the same class, in the order of the classes.

    Raises:
        MappingError: there is none.
    """
    theirs = {source.table.class_code: source for source in others}
    pairs = [(source, theirs[source.table.class_code]) for source in sources if source.table.class_code in theirs]
    if not pairs:
        mine = ", ".join(f"0x{source.table.class_code:04X}" for source in sources) or "no table"
        yours = ", ".join(f"0x{code:04X}" for code in sorted(theirs)) or "no table"
        raise MappingError(f"A holds {mine} and B {yours}: no class is in both")
    return sorted(pairs, key=lambda pair: pair[0].table.class_code)
