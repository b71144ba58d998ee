"""The table that serves one unit: exchanged, kept or quarantined, and never a broken one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bridge.charger.serving import QUARANTINED, Served, Serving
from bridge.errors import MappingError
from bridge.evse import Connector, Mode, Wanted
from bridge.mapping.decision import Decision, Recipe, Refusal, View
from tests.charger.fakes import CHARGE, CHARGEABLE, MODE, PLUG, STOPPED, FakeTable
from tests.tools.mapping_views import facts


@dataclass
class Broken(FakeTable):
    """Fails whatever it is asked."""

    content_hash: str = "broken"

    def decide(self, view: View) -> Decision:
        raise MappingError("a.yaml:7:1: NOT-TOTAL no row holds")


def view(mode: Mode) -> View:
    told = facts(f"{PLUG:02X}={CHARGEABLE.hex()}", f"{MODE:02X}={CHARGE.hex()}")
    return View(now=10_000_000, release="P", facts=told, wanted=Wanted(mode, authorized=True))


def test_another_table_takes_over_and_is_told_once() -> None:
    told: list[Served] = []
    serving = Serving(FakeTable(), told.append)
    other = FakeTable(content_hash="other", max_opc=4)
    assert serving.use(Served(other, "because", ("a",)))
    assert not serving.use(Served(other, "because", ("a",)))
    assert [each.why for each in told] == ["because"]
    assert (serving.max_opc, serving.content_hash) == (4, "other")


def test_the_first_choice_is_told_even_if_it_is_the_classes_table() -> None:
    told: list[Served] = []
    table = FakeTable()
    serving = Serving(table, told.append)
    assert not serving.use(Served(table, "no overlay is for it"))
    assert [each.why for each in told] == ["no overlay is for it"]


def test_a_quarantined_unit_can_only_be_stopped() -> None:
    table = FakeTable()
    serving = Serving(table)
    serving.use(Served(table, quarantine="its overlay is broken"))
    decision = serving.decide(view(Mode.CHARGE))
    assert decision.connector.value is Connector.UNAVAILABLE
    assert decision.charging_state.value is None
    assert "its overlay is broken" in str(decision.trouble)
    refused = serving.recipe(view(Mode.CHARGE))
    assert isinstance(refused, Refusal)
    assert refused.rule == QUARANTINED
    assert "its overlay is broken" in str(serving.refusal(view(Mode.CHARGE), Mode.DISCHARGE))
    stop = serving.recipe(view(Mode.STOP))
    assert isinstance(stop, Recipe)
    assert stop.steps[0].edt == STOPPED
    assert serving.local_changes(view(Mode.STOP), view(Mode.STOP), frozenset()) == ()


def test_the_last_good_table_stays_where_none_is_right() -> None:
    told: list[Served] = []
    serving = Serving(FakeTable(), told.append)
    good = FakeTable(content_hash="good")
    serving.use(Served(good, "it fits", ("a",)))
    assert not serving.use(Served(FakeTable(), quarantine="now it is broken"))
    assert serving.content_hash == "good"
    assert serving.served.quarantine is None
    assert told[-1].why == "the last good table is kept: now it is broken"
    assert isinstance(serving.recipe(view(Mode.CHARGE)), Recipe)


def test_a_table_that_fails_while_it_decides_is_replaced_by_its_classes() -> None:
    serving = Serving(FakeTable(content_hash="class"))
    serving.use(Served(Broken(), "it fits", ("a",)))
    decision = serving.decide(view(Mode.CHARGE))
    assert decision.connector.value is Connector.UNAVAILABLE
    assert serving.content_hash == "class"
    assert "a.yaml:7:1: NOT-TOTAL" in str(serving.served.quarantine)
    assert serving.served.overlays == ("a",)


def test_not_even_the_classes_own_table_may_take_the_gateway_with_it() -> None:
    serving = Serving(Broken())
    decision = serving.decide(view(Mode.CHARGE))
    assert decision.connector.value is Connector.UNAVAILABLE
    assert decision.measures.power is None
    assert "NOT-TOTAL" in str(serving.served.quarantine)
    assert isinstance(serving.recipe(view(Mode.STOP)), Recipe)  # what does not fail still serves


@pytest.mark.parametrize("mode", [Mode.CHARGE, Mode.STOP, Mode.PAUSE])
def test_a_good_table_answers_for_itself(mode: Mode) -> None:
    table = FakeTable()
    serving = Serving(table)
    serving.use(Served(table, "it fits"))
    one = view(mode)
    assert serving.decide(one) == table.decide(one)
    assert serving.recipe(one) == table.recipe(one)
    assert serving.confirmed(one) == table.confirmed(one)
    assert serving.polls(one) == table.polls(one)
    assert serving.abilities(one) == table.abilities(one)
    assert serving.wants(one.wanted) is mode
