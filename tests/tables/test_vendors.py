"""The shipped overlays: examples of the language, each with examples that prove it and that the class's table fails."""

from itertools import product

import pytest

from bridge.evse import Mode
from bridge.mapping.choice import Choice, choose
from bridge.mapping.decision import Recipe
from bridge.mapping.examples import run_examples
from bridge.mapping.load import default_folder
from bridge.mapping.overlay import OverlaySource
from bridge.mapping.overlayexamples import run_overlay_examples
from bridge.mapping.table import TableSource
from tests.tools.mapping_views import view, wanted
from tests.tools.random_views import Views
from tests.tools.tables import shipped

MAPPINGS = shipped()
SOURCES = MAPPINGS.overlay_sources
EV = 0x027E


def source_of(name: str) -> OverlaySource:
    return MAPPINGS.overlays.source(name)


def test_the_shipped_overlays_are_those_that_are_promised() -> None:
    assert [source.header.id for source in SOURCES] == [
        "example-on-off",
        "example-signed-power",
        "example-undetermined",
    ]
    assert {path.stem for path in (default_folder() / "vendors").glob("*.yaml")} == set(MAPPINGS.overlays.headers)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.header.id)
def test_their_examples_hold_and_every_change_of_a_row_has_one(source: OverlaySource) -> None:
    assert source.model.examples
    assert [str(problem) for problem in run_overlay_examples(source)] == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.header.id)
def test_the_table_of_the_class_fails_their_examples(source: OverlaySource) -> None:
    """Else the overlay would change nothing that its examples show."""
    [base] = [each for each in MAPPINGS.sources if each.table.class_code == EV]
    model = base.model.model_copy(update={"examples": source.model.examples})
    problems = run_examples(TableSource(base.table, model, source.document, base.nodes))
    assert any(problem.code == "EXAMPLE" for problem in problems)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.header.id)
def test_they_are_for_no_real_product(source: OverlaySource) -> None:
    assert source.header.match.manufacturer == frozenset({b"\xff\xff\xfe"})
    assert source.header.id.startswith("example-")
    assert source.model.title.startswith("Example")
    assert "of no real product" in source.own.text.splitlines()[0]


@pytest.mark.parametrize(
    ("code", "release", "expected"),
    [
        ("EXAMPLE-OO1", "D", ("example-on-off",)),
        ("EXAMPLE-SP1", "P", ("example-signed-power",)),
        ("EXAMPLE-SP1", "N", ()),
        ("EXAMPLE-UD1", "G", ("example-undetermined",)),
        ("EXAMPLE-UD1", "F", ()),
    ],
)
def test_each_is_chosen_for_its_units(code: str, release: str, expected: tuple[str, ...]) -> None:
    facts = {0x8A: b"\xff\xff\xfe", 0x8C: code.encode().ljust(12, b"\0")}
    answer = choose(MAPPINGS, EV, release, facts)
    assert isinstance(answer, Choice)
    assert answer.overlays == expected


def test_a_unit_that_is_only_switched_never_gets_a_setting() -> None:
    table, settings = source_of("example-on-off").table, {0xDC, 0xDD, 0xEB, 0xEC, 0xED, 0xEE}
    run = 0
    for release, mode, watts, all_settable in product(
        "DGNPR", (Mode.CHARGE, Mode.DISCHARGE), (1, 3000, 6000), (False, True)
    ):
        sign = 1 if mode is Mode.CHARGE else -1
        asked = view(
            "C7=43", "E4=50", "88=42", "DA=44", "CC=32", "C5=00000BB8", "C6=00000BB8", "DC=03", "DD=03",
            release=release, wanted=wanted(mode, sign * watts * 1000),
            settable=frozenset(range(0x80, 0x100)) if all_settable else frozenset({0xDA}),
        )  # fmt: skip
        answer = table.recipe(asked)
        if isinstance(answer, Recipe):
            run += answer.mode is mode
            assert not settings & {step.epc for step in answer.steps}
            assert answer.mode is Mode.PAUSE or watts >= 3000
    assert run > 20
    assert not settings & {epc for group in table.poll_groups for epc in group.epcs} - {0xDC, 0xDD}


@pytest.mark.parametrize("mode", [Mode.CHARGE, Mode.DISCHARGE])
def test_the_signed_power_never_passes_the_limit_nor_has_the_wrong_sign(mode: Mode) -> None:
    table = source_of("example-signed-power").table
    sign = 1 if mode is Mode.CHARGE else -1
    for watts in (1, 999, 1000, 1001, 2999, 6000, 999_999_999):
        asked = view(
            "C7=43",
            "E4=50",
            "88=42",
            "DA=44",
            "CC=32",
            "DC=06",
            "DD=06",
            wanted=wanted(mode, sign * watts * 1000 + sign),
        )
        answer = table.recipe(asked)
        assert isinstance(answer, Recipe)
        [power] = [int.from_bytes(step.edt, "big", signed=True) for step in answer.steps if step.epc == 0xE0]
        assert 0 < power * sign <= watts
        assert answer.target == sign * watts * 1000


def test_the_floor_of_a_discharge_stays_for_the_signed_power() -> None:
    """Whenever the class's table would not discharge for what the vehicle is, this one does not either."""
    mine = source_of("example-signed-power").model.setpoints[Mode.DISCHARGE].require
    [base] = [each for each in MAPPINGS.sources if each.table.class_code == EV]
    assert mine == base.model.setpoints[Mode.DISCHARGE].require


def test_a_unit_that_never_tells_is_never_discharged() -> None:
    table = source_of("example-undetermined").table
    views = Views(table.device, seed=2)
    tried = 0
    for _ in range(1500):
        asked = views.view()
        fact = asked.facts.get(0xC7)
        if fact is None or fact.edt != b"\xff":
            continue
        tried += 1
        answer = table.recipe(asked)
        assert not (isinstance(answer, Recipe) and answer.mode is Mode.DISCHARGE)
    assert tried > 20
