"""The proofs' reading of a table agrees with what the table really decides, on views that nobody has chosen."""

from functools import cache

import pytest

from bridge.evse import Mode
from bridge.mapping.context import Context
from bridge.mapping.decision import Ask, Recipe
from bridge.mapping.proof.meaning import SECTIONS, Meaning
from tests.tools.random_views import Views
from tests.tools.tables import shipped

#: Views for each part of the work; all together they are 100,000, of which a plain run looks at a quarter.
PART = 6250
PARTS = [pytest.param(part, marks=() if part < 2 else pytest.mark.soak) for part in range(8)]


@cache
def meaning(class_code: int) -> Meaning:
    return next(Meaning(source) for source in shipped().sources if source.table.class_code == class_code)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("class_code", [0x027E, 0x02A1])
def test_the_sets_hold_what_the_table_decides(class_code: int, part: int) -> None:
    found = meaning(class_code)
    views = Views(found.table.device, seed=part)
    for number in range(PART):
        view = views.view()
        context = Context(found.table, view)
        place = found.space.place(context)
        assert found.sets.holds(found.possible, place), number
        for section, field in SECTIONS.items():
            rows = getattr(found.table, field)
            decided = next(row for row in rows if row.test(context))
            held = [row.id for row, win in zip(rows, found.wins(section), strict=True) if found.sets.holds(win, place)]
            assert held == [decided.id], (number, section, view)
        outcomes = found.outcomes(view.wanted.mode)
        held = [name for name, where in outcomes.items() if found.sets.holds(where, place)]
        assert held == [_word(found.table.recipe(view))], (number, view)


def _word(answer: object) -> str:
    return answer.mode.value if isinstance(answer, Recipe) else "ask" if isinstance(answer, Ask) else "refused"


def test_no_two_outcomes_hold_at_once_and_one_always_does() -> None:
    found = meaning(0x027E)
    for mode in Mode:
        outcomes = found.outcomes(mode)
        assert found.sets.within(found.possible, found.sets.any(outcomes.values()))
        for name, where in outcomes.items():
            others = found.sets.any(each for other, each in outcomes.items() if other != name)
            assert found.sets.both(where, others) == 0, (mode, name)
