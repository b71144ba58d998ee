"""The shipped mappings load, and every example in them is a test."""

from pathlib import Path

import pytest

from bridge.mapping.examples import outcome_of, run_examples
from bridge.mapping.load import default_folder, load_mappings
from bridge.mapping.model import ExampleModel
from bridge.mapping.table import CompiledTable

MAPPINGS = load_mappings()
DOCUMENTS = {document.data["class"]: document for document in MAPPINGS.documents if document.data["kind"] == "table"}
CASES = [
    pytest.param(table, example, id=f"0x{code:04X}-line{DOCUMENTS[f'0x{code:04X}'].position(('examples', index))[0]}")
    for code, table in MAPPINGS.tables.items()
    for index, example in enumerate(table.model.examples)
]


def test_the_checkout_s_own_mappings_are_the_default() -> None:
    assert default_folder() == Path(__file__).parents[2] / "mappings"
    assert {0x0000, 0x0EF0, 0x027E} <= set(MAPPINGS.classes)
    assert 0x027E in MAPPINGS.tables


@pytest.mark.parametrize("code", MAPPINGS.tables)
def test_examples_hold_and_every_row_has_one(code: int) -> None:
    assert [str(problem) for problem in run_examples(MAPPINGS.table(code), DOCUMENTS[f"0x{code:04X}"])] == []


@pytest.mark.parametrize(("table", "example"), CASES)
def test_examples_write_only_what_may_be_written(table: CompiledTable, example: ExampleModel) -> None:
    outcome = outcome_of(table, example)
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
