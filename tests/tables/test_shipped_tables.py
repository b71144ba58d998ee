"""The shipped mappings load, and every example in them is a test."""

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.mapping.decision import View
from bridge.mapping.examples import outcome_of, run_examples
from bridge.mapping.load import default_folder
from bridge.mapping.meter import MeterSource
from bridge.mapping.meterexamples import run_meter_examples
from bridge.mapping.model import ExampleModel
from bridge.mapping.table import TableSource
from tests.tools.tables import shipped

MAPPINGS = shipped()
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
    assert set(MAPPINGS.tables) == {0x027E, 0x02A1}
    assert set(MAPPINGS.meters) == {0x0287, 0x0288}


@pytest.mark.parametrize("source", MAPPINGS.sources, ids=lambda source: source.model.class_code)
def test_examples_hold_and_every_row_has_one(source: TableSource) -> None:
    assert [str(problem) for problem in run_examples(source)] == []


@pytest.mark.parametrize("source", MAPPINGS.meter_sources, ids=lambda source: source.model.class_code)
def test_examples_of_meters_hold_and_every_source_has_one(source: MeterSource) -> None:
    assert [str(problem) for problem in run_meter_examples(source)] == []


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


@pytest.mark.covers("AIF-2.4.4-1")
@pytest.mark.parametrize("code", MAPPINGS.tables)
def test_no_request_holds_more_than_the_class_allows(code: int) -> None:
    table = MAPPINGS.table(code)
    allowed = {0x027E: 8, 0x02A1: 4}[code]
    assert table.max_opc == allowed
    assert all(len(request) <= allowed for request in table.attributes)
    assert all(len(group.epcs) <= allowed for group in table.poll_groups)


@pytest.mark.parametrize("code", MAPPINGS.meters)
def test_no_request_to_a_meter_holds_more_than_its_table_says(code: int) -> None:
    meter = MAPPINGS.meter(code)
    channels = (None, 1, 32, 252) if meter.has_channels else (None,)
    everything = View(0, "R", gettable=frozenset(range(0x80, 0x100)))
    for channel in channels:
        for duplex in (False, True):
            plan = meter.polls(everything, channel, duplex=duplex)
            assert all(len(request) <= meter.max_opc for request in (*meter.attributes, *(g.epcs for g in plan)))


# What both tables of EVs say, and where the words of a class differ.
SAME = {"chargeStatus": "chargeDischargeStatus", "notChargeable": "connected", "connection": "confirmation"}
ONLY_DISCHARGERS = {"test", "inferred", "type", "blackout", "reversal"}
CLASS_WORDS = {"chargeDischargeStatus", "operationMode", "actualOperationMode", "mode", "release", "power", "any"}


def rows_by_id(rows: Any) -> dict[str, dict[str, Any]]:
    """Rows with what depends on the class taken out of their conditions."""
    found = {}
    for row in json.loads(renamed(json.dumps(rows))):
        found[row["id"]] = row | {"when": {k: v for k, v in row.get("when", {}).items() if k not in CLASS_WORDS}}
        found[row["id"]].pop("early", None)
        found[row["id"]].pop("ensure", None)
    return found


def renamed(text: str) -> str:
    for own, other in SAME.items():
        text = text.replace(f'"{own}"', f'"{other}"')
    return text


@pytest.mark.parametrize(
    "path",
    [
        ("plug",),
        ("StatusNotification",),
        ("chargingState",),
        ("setpoints", "charge", "require"),
        ("setpoints", "charge", "ways"),
        ("setpoints", "pause", "ways"),
        ("setpoints", "stop", "ways"),
    ],
    ids="-".join,
)
def test_both_classes_of_evs_have_the_same_rows_in_the_same_order(path: tuple[str, ...]) -> None:
    """The two tables are written out, so that each can be read alone: what they share must not drift apart."""
    discharger, charger = (source.document.data for source in MAPPINGS.sources)
    for step in path:
        discharger, charger = discharger[step], charger[step]
    theirs, ours = rows_by_id(discharger), rows_by_id(charger)
    assert [row_id for row_id in theirs if row_id not in ONLY_DISCHARGERS] == list(ours)
    for row_id, row in ours.items():
        assert row == theirs[row_id]


@pytest.mark.parametrize("section", ["RequestStartTransaction", "RequestStopTransaction", "SetChargingProfile"])
def test_both_classes_want_the_same_of_a_message(section: str) -> None:
    discharger, charger = (source.document.data for source in MAPPINGS.sources)
    assert discharger[section] == charger[section]
