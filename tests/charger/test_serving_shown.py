"""A unit shows which mapping table serves it, and why none does."""

from __future__ import annotations

from bridge.charger.serving import MAPPING_TABLE, Served, Serving
from bridge.evse import Mode, ValueKind, Variable, Wanted
from bridge.mapping.decision import View
from tests.charger.fakes import FakeTable
from tests.charger.test_serving import Broken

VIEW = View(now=0, release="P", facts={}, wanted=Wanted(Mode.STOP))


def shown(serving: Serving) -> dict[str, str]:
    return {one.variable: one.value for one in serving.variables(VIEW) if one.component == MAPPING_TABLE}


def test_the_table_that_serves_is_shown_beside_what_it_shows() -> None:
    class Showing(FakeTable):
        def variables(self, view: View) -> tuple[Variable, ...]:
            return (Variable("EVSE", "Model", "X1"),)

    serving = Serving(Showing(content_hash="class"))
    assert serving.variables(VIEW)[0] == Variable("EVSE", "Model", "X1")
    assert shown(serving) == {"Hash": "class", "Overlays": "", "Why": "", "Trouble": "", "Problem": "false"}
    serving.use(Served(FakeTable(content_hash="other"), "the maker is X", ("maker", "model")))
    assert shown(serving) == {
        **{"Hash": "other", "Overlays": "maker,model", "Why": "the maker is X"},
        **{"Trouble": "", "Problem": "false"},
    }


def test_a_quarantined_unit_shows_why() -> None:
    serving = Serving(FakeTable(content_hash="class"))
    serving.use(Served(FakeTable(content_hash="class"), overlays=("maker",), quarantine="its overlay is broken"))
    assert shown(serving)["Trouble"] == "its overlay is broken"
    problem = serving.variables(VIEW)[-1]
    assert problem == Variable(MAPPING_TABLE, "Problem", "true", ValueKind.FLAG)


def test_a_table_that_fails_is_shown_as_a_problem() -> None:
    serving = Serving(Broken())
    serving.decide(VIEW)
    assert shown(serving)["Problem"] == "true"
    assert "NOT-TOTAL" in shown(serving)["Trouble"]


def test_a_good_table_that_is_kept_says_so_and_is_no_problem() -> None:
    serving = Serving(FakeTable())
    serving.use(Served(FakeTable(content_hash="good"), "fits"))
    serving.use(Served(FakeTable(content_hash="class"), quarantine="two overlays fit"))
    now = shown(serving)
    assert (now["Hash"], now["Problem"]) == ("good", "false")
    assert now["Why"] == "the last good table is kept: two overlays fit"
