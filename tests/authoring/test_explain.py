"""`map explain`: the row that decided, what was looked at, and changes that really lead to the other answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.authoring.explain import SECTIONS, Explained, Explainer, parts_of
from bridge.authoring.tables import source_of
from bridge.authoring.viewing import view_of
from bridge.authoring.words import ExampleError, changed_view, given_view, outcome_of_view, parse_given
from bridge.cli.main import main
from bridge.evse import Amount, Mode, Reading, Wanted
from bridge.gateway.inspect_view import view_json
from bridge.mapping.decision import Fact, Measures, Recipe, Refusal, View
from tests.cli.test_operations import Street, in_street, through
from tests.tools.house import House, run
from tests.tools.tables import shipped

MAPPINGS = shipped()
SOURCE = source_of(MAPPINGS, 0x027E)
SITUATIONS = (
    "C7=43 DA=44 wanted=charge authorized=true",
    "C7=FF DA=47 CC=22 D3=00000000",
    "C7=FF DA=42 CC=32 D3=00000BB8 authorized=true inTransaction=true wanted=charge",
    "C7=30 CC=11 DA=44 reachable=false lostFor=5s",
    "C7=43 DA=43 E4=50 D3=FFFFF448 authorized=true wanted=discharge confirmed=true",
)


def explained(words: str, what: str, source: Any = SOURCE) -> Explained:
    return Explainer(source, given_view(source, parse_given(words))).explain(what)[0]


def test_the_row_that_decided_is_named_with_its_file_and_line() -> None:
    found = explained("C7=43 DA=44", "connector")
    assert found.answer == "Occupied"
    file, _, rest = found.rule.partition(":")
    assert file == "mappings/tables/0x027E.yaml"
    line, row = rest.split()
    assert row == "plugged"
    text = SOURCE.document.text.splitlines()[int(line) - 1]
    assert "id: plugged" in text


def test_the_values_looked_at_are_shown_raw_and_decoded_and_only_those() -> None:
    found = explained("C7=43 DA=44 D3=00000BB8", "connector")
    looked = {each.name: (each.raw, each.value) for each in found.looked}
    assert looked["chargeDischargeStatus"] == ("43", "chargeableDischargeable")
    assert looked["instantaneousElectricPower"] == ("00000BB8", "3000 W")
    assert looked["actualOperationMode"] == ("", "absent")
    assert "remainingCapacity3" not in looked
    assert found.signals["authorized"] is False


@pytest.mark.parametrize("words", SITUATIONS)
@pytest.mark.parametrize("section", ["plug", "connector", "chargingState"])
def test_every_change_that_is_told_leads_to_its_answer(words: str, section: str) -> None:
    view = given_view(SOURCE, parse_given(words))
    answers = {
        "plug": lambda d: d.plug.value,
        "connector": lambda d: d.connector.value,
        "chargingState": lambda d: d.charging_state.value,
    }
    found = Explainer(SOURCE, view).explain(section)[0]
    assert found.otherwise
    told = 0
    for each in found.otherwise:
        assert each.answer != found.answer
        for way in each.ways:
            after = view
            for change in way:
                after = change.apply(after)
            assert str(answers[section](SOURCE.table.decide(after)) or "keep") == each.answer
            told += 1
            if len(way) > 1:  # the smallest: neither of the two alone does it
                for change in way:
                    alone = SOURCE.table.decide(change.apply(view))
                    assert str(answers[section](alone) or "keep") != each.answer
    assert told


@pytest.mark.parametrize("words", SITUATIONS)
@pytest.mark.parametrize("mode", ["charge", "discharge", "auto", "pause", "stop"])
def test_every_change_of_a_setpoint_leads_there_too(words: str, mode: str) -> None:
    from dataclasses import replace

    view = given_view(SOURCE, parse_given(words))
    view = replace(view, wanted=replace(view.wanted, mode=Mode(mode)))
    for each in Explainer(SOURCE, view).explain(mode)[0].otherwise:
        for way in each.ways:
            after = view
            for change in way:
                after = change.apply(after)
            answer = SOURCE.table.recipe(after)
            kind, _, name = each.answer.partition(": ")
            if kind == "refused":
                assert isinstance(answer, Refusal)
                assert answer.rule.endswith(f" {name}")
            elif kind == "way":
                assert isinstance(answer, Recipe)
                assert (answer.mode.value, answer.rule.split()[-1]) == (mode, name)
            elif each.answer == "pause instead":
                assert isinstance(answer, Recipe)
                assert answer.mode is Mode.PAUSE


def test_the_smallest_change_is_found() -> None:
    found = {each.answer: each for each in explained("C7=43 DA=44", "connector").otherwise}
    assert [change.text for change in found["Available"].ways[0]] == [
        "chargeDischargeStatus: chargeableDischargeable -> notConnected (C7=30)"
    ]
    assert [change.text for change in found["Faulted"].ways[0]] == ["faultStatus: noFault -> fault (88=41)"]


def test_two_changes_are_told_where_one_is_not_enough() -> None:
    found = {each.answer: each for each in explained("C7=43 DA=44 88=41", "connector").otherwise}
    assert {change.target for change in found["Available"].ways[0]} == {"chargeDischargeStatus", "faultStatus"}


def test_it_says_so_where_nothing_was_found() -> None:
    found = {each.answer: each for each in explained("82=P C7=43 DA=44", "stop").otherwise}
    assert found["way: unknown-release"].ways == ()
    assert found["way: unknown-release"].depth == 2


def test_a_floor_is_counted_from_the_sites_floor() -> None:
    found = {each.answer: each for each in explained("C7=43 DA=44 E4=50 authorized=true", "discharge").otherwise}
    assert [change.text for change in found["refused: floor"].ways[0]] == ["remainingCapacity3: 80 % -> 20 % (E4=14)"]


def test_measures_tell_where_they_come_from() -> None:
    view = given_view(SOURCE, ["D3=00000BB8", {"fromPower": {"energy_in": "4 kWh"}}])
    found = {each.what: each for each in Explainer(SOURCE, view).explain("measures")}
    assert found["power"].answer == "3000 W"
    assert "instantaneousElectricPower" in found["power"].detail[0]
    assert found["soc"].answer == "nothing tells it"


def test_both_classes_are_explained() -> None:
    source = source_of(MAPPINGS, 0x02A1)
    for part in (*SECTIONS, "charge", "pause", "stop"):
        for found in Explainer(source, given_view(source, ["C7=41"])).explain(part):
            json.dumps(found.as_json())


def test_what_cannot_be_explained_is_told_with_the_nearest() -> None:
    with pytest.raises(ValueError, match='did you mean "connector"'):
        parts_of("conector")


@pytest.mark.parametrize("words", ["C7", "=43", "chargeDischargeStatus=chargable", "nothing=1", "C7=4"])
def test_wrong_words_are_told(words: str) -> None:
    with pytest.raises(ExampleError):
        given_view(SOURCE, parse_given(words))


# -- views that come from elsewhere


def test_a_view_survives_being_told() -> None:
    reading = Reading(3_000_000, 400, origin="meter: house")
    view = View(
        now=1000,
        release="P",
        facts={0xC7: Fact(b"\x43", 900), 0xE4: Fact(b"\x50", 100, notified=True)},
        refused=frozenset({0xE2}),
        settable=frozenset({0xDA}),
        wanted=Wanted(mode=Mode.CHARGE, target=1000, amount=Amount("a", energy=5), authorized=True),
        wrote={0xDA: 700},
        seen=frozenset({"plugKnown"}),
        meter=Measures(power=reading),
        soc_floor=20_000,
    )
    again = view_of(json.loads(json.dumps(view_json(view))))
    assert again.now - again.facts[0xC7].at == 100
    assert again.facts[0xE4].notified
    assert again.now - again.wrote[0xDA] == 300
    assert again.meter is not None
    assert again.meter.power is not None
    assert (again.meter.power.value, again.now - again.meter.power.at) == (3_000_000, 600)
    assert (again.wanted, again.refused, again.settable, again.seen, again.soc_floor) == (
        view.wanted,
        view.refused,
        view.settable,
        view.seen,
        view.soc_floor,
    )


def test_words_change_a_view_and_leave_the_rest() -> None:
    view = View(now=500_000, release="P", facts={0xC7: Fact(b"\x43", 499_000), 0xDA: Fact(b"\x44", 100_000)})
    after = changed_view(SOURCE, view, [{"chargeDischargeStatus": "notConnected", "authorized": True}])
    assert after.now == 500_000
    assert after.facts[0xC7].edt == b"\x30"
    assert after.facts[0xDA] == view.facts[0xDA]
    assert after.wanted.authorized
    received = changed_view(SOURCE, view, [], {"SetChargingProfile": {"limit": 3000, "unit": "W"}})
    assert (received.wanted.mode, received.wanted.target) == (Mode.CHARGE, 3_000_000)


def test_a_unit_on_the_bench_is_read_without_being_written_to() -> None:
    async def play(here: Street) -> None:
        await here.unit(quirks={"undetermined": True})
        told = await here.ask("explain", unit="10.0.0.2")
        view = view_of(told["view"])
        assert not told["through_gateway"]
        assert view.facts[0xC7].edt == b"\xff"
        assert Explainer(SOURCE, view).explain("plug")[0].answer == "undetermined"
        assert told["hash"] == SOURCE.table.content_hash

    in_street(play)


def test_a_gateways_view_is_explained_as_it_decides() -> None:
    async def play(here: House) -> None:
        await here.start(limit=3000)
        told = await through(here)("explain", unit="car")
        assert told["through_gateway"]
        view = view_of(told["view"])
        observed = here.gateway.units.runners["car"].unit.observed
        outcome = outcome_of_view(SOURCE, view)
        assert (outcome.decision.connector.value, outcome.decision.charging_state.value) == (
            observed.connector,
            observed.charging_state,
        )
        assert view.wanted.mode is Mode.CHARGE
        assert Explainer(SOURCE, view).explain("chargingState")[0].answer == "Charging"

    run(play)


# -- the command


def test_the_command_explains_what_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["map", "explain", "--given", "C7=43 DA=44", "connector"]) == 0
    out = capsys.readouterr().out
    assert "connector: Occupied" in out
    assert "decided by      mappings/tables/0x027E.yaml:" in out
    assert "for Available:" in out
    assert all(len(line) <= 100 for line in out.splitlines())


def test_the_command_tells_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["map", "explain", "--given", "C7=41", "--class", "0x02A1", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {each["what"] for each in told["answers"]} >= {"plug", "connector", "chargingState", "setpoint", "power"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "name a UNIT"),
        (["--given", "C7=43", "conector"], 'did you mean "connector"'),
        (["--given", "C9"], "--given:"),
        (["--given", "C7=43", "--class", "0x9999"], "no table for class 0x9999"),
        (["--given", "C7=43", "--class", "car"], "--class"),
    ],
)
def test_mistakes_are_told(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["map", "explain", *arguments]) == 1
    assert told in capsys.readouterr().err
