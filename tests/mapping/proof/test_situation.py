"""Counter-examples: every set of situations has one that a unit can be in, and that an example can describe."""

from collections.abc import Iterator
from functools import cache

import pytest

from bridge.evse import Mode
from bridge.mapping.context import Context
from bridge.mapping.proof.diagram import NOTHING, Set
from bridge.mapping.proof.meaning import SECTIONS, Meaning
from bridge.mapping.proof.situation import Situations, given_view
from tests.tools.tables import shipped

CODES = (0x027E, 0x02A1)


@cache
def _situations(class_code: int) -> Situations:
    sources = shipped().sources
    return Situations(Meaning(next(source for source in sources if source.table.class_code == class_code)))


def _sets(meaning: Meaning) -> Iterator[tuple[str, Set]]:
    for section in SECTIONS:
        yield from ((f"{section} {place}", win) for place, win in enumerate(meaning.wins(section)))
    for mode in Mode:
        for outcome, where in meaning.outcomes(mode).items():
            yield f"{mode} comes to {outcome}", meaning.sets.both(where, meaning.wanted(mode))
    for mode, setpoint in meaning.table.setpoints.items():
        for place in range(len(setpoint.ways)):
            taken = meaning.sets.all((meaning.taken(mode, place), meaning.passed(mode), meaning.wanted(mode)))
            yield f"{mode} by way {place}", taken


@pytest.mark.parametrize("class_code", CODES)
def test_each_row_outcome_and_way_has_a_situation_that_can_be_made_and_pasted(class_code: int) -> None:
    situations = _situations(class_code)
    meaning = situations.meaning
    made = 0
    for what, where in _sets(meaning):
        finding = situations.finding("X", (), "", where)
        if finding.places is None:
            assert meaning.sets.both(where, meaning.possible) == NOTHING, what
            continue
        found = situations.show(finding)
        assert found is not None
        assert found.unlike == (), what
        assert meaning.sets.holds(where, found.place), what
        again = given_view(meaning.source, found.given)
        assert tuple(meaning.space.place(Context(meaning.table, again))) == found.place, what
        made += 1
    assert made > 45


def test_it_is_shown_as_values_and_on_the_wire_and_as_an_example() -> None:
    situations = _situations(0x027E)
    meaning = situations.meaning
    ways = meaning.source.model.setpoints[Mode.CHARGE].ways
    place = next(index for index, way in enumerate(ways) if way.id == "current")
    where = meaning.sets.all(
        (
            meaning.taken(Mode.CHARGE, place),
            meaning.passed(Mode.CHARGE),
            meaning.releases("N"),
            meaning.at(("setpoints", "charge", "require", 1, "when")),
        )
    )
    found = situations.show(situations.finding("X", (), "", where, wanted=Mode.CHARGE))
    assert found is not None
    assert "release: N" in found.shown
    assert "settable chargingElectricPower: no" in found.shown or "gettable chargingElectricPower: no" in found.shown
    assert found.frames.startswith("82=N ")
    assert found.example("{way: current}").endswith("expect: {way: current}}")
    assert meaning.table.recipe(found.view).rule.endswith(" current")


def test_the_nearest_one_changes_no_more_than_it_has_to() -> None:
    situations = _situations(0x027E)
    meaning = situations.meaning
    fault = next(place for place, row in enumerate(meaning.table.status_rows) if row.id == "fault")
    finding = situations.finding("X", (), "", meaning.wins("StatusNotification")[fault])
    found = situations.show(finding)
    assert found is not None
    assert found.given == ("88=41",)
    assert dict(found.values) == {"faultStatus": "fault", "reachable": "yes"}


def test_of_a_set_without_situations_there_is_none() -> None:
    situations = _situations(0x02A1)
    finding = situations.finding("X", (), "", NOTHING)
    assert finding.places is None
    assert situations.show(finding) is None


def test_the_usual_situation_is_the_example_unit() -> None:
    situations = _situations(0x027E)
    assert situations.usual_view.release == "R"
    assert situations.show(situations.finding("X", (), "", situations.meaning.releases("R"))).given == ()  # type: ignore[union-attr]
