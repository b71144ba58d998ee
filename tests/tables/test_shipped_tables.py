"""The shipped mappings load, and every example in them is a test."""

from pathlib import Path

import pytest

from bridge.mapping.examples import outcome_of, run_examples
from bridge.mapping.load import default_folder, load_mappings
from bridge.mapping.model import ExampleModel
from bridge.mapping.table import TableSource

MAPPINGS = load_mappings()
CASES = [
    pytest.param(
        source, example, id=f"{source.model.class_code}-line{source.document.position(('examples', index))[0]}"
    )
    for source in MAPPINGS.sources
    for index, example in enumerate(source.model.examples)
]


def test_the_checkout_s_own_mappings_are_the_default() -> None:
    assert default_folder() == Path(__file__).parents[2] / "mappings"
    assert {0x0000, 0x0EF0, 0x027E} <= set(MAPPINGS.classes)
    assert 0x027E in MAPPINGS.tables


@pytest.mark.parametrize("source", MAPPINGS.sources, ids=lambda source: source.model.class_code)
def test_examples_hold_and_every_row_has_one(source: TableSource) -> None:
    assert [str(problem) for problem in run_examples(source)] == []


@pytest.mark.parametrize(("source", "example"), CASES)
def test_examples_write_only_what_may_be_written(source: TableSource, example: ExampleModel) -> None:
    table, outcome = source.table, outcome_of(source, example)
    for write in outcome.writes:
        epc, edt = write.split("=")
        prop = (table.device.at(outcome.view.release) if outcome.view.release else table.device.latest).by_epc[
            int(epc, 16)
        ]
        assert prop.set.possible
        assert prop.codec.encode(prop.codec.decode(bytes.fromhex(edt))) == bytes.fromhex(edt)


@pytest.mark.parametrize("code", MAPPINGS.tables)
def test_no_request_holds_more_than_the_class_allows(code: int) -> None:
    table = MAPPINGS.table(code)
    allowed = {0x027E: 8, 0x02A1: 4}[code]
    assert table.max_opc == allowed
    assert all(len(request) <= allowed for request in table.attributes)
    assert all(len(group.epcs) <= allowed for group in table.poll_groups)
