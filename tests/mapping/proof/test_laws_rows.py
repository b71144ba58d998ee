"""Laws 1 and 2: totals and dead rows, with the exact words, and against plain enumeration on small tables."""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from bridge.clock import Clock
from bridge.errors import MappingError
from bridge.mapping.context import Context
from bridge.mapping.decide import TableGapError
from bridge.mapping.decision import Fact, View
from bridge.mapping.proof.finding import Finding
from bridge.mapping.proof.laws_rows import LAWS, dead_rows, total
from bridge.mapping.proof.laws_rows_sources import LAWS as SOURCES
from bridge.mapping.proof.meaning import Meaning
from bridge.mapping.proof.situation import Situations
from bridge.mapping.table import TableSource
from tests.tools.changed_tables import changed_source, with_rows

TABLE = "0x027E.yaml"


def findings(source: TableSource) -> list[Finding]:
    meaning = Meaning(source)
    return [finding for law in (*LAWS, *SOURCES) for finding in law(meaning)]


_LINE = re.compile(r"\(line (\d+)\)")
# (what is changed, what is found)
CHANGES: dict[str, tuple[str, str, list[str]]] = {
    "a section whose last row has a condition": (
        "- {id: not-told, plug: undetermined}",
        "- {id: not-told, when: {chargeDischargeStatus: undefined}, plug: undetermined}",
        ['NOT-TOTAL there are situations in which no row of "plug" holds; this is one'],
    ),
    "a row that one above it covers": (
        '{id: free,          when: {plug: ["no", blind]}, ',
        "{id: free,          when: {plug: blind, authorized: true}, ",
        ['DEAD-ROW the row "free" can never win: "awaiting" (line N) hides it: it holds wherever this one does'],
    ),
    "a row that two above it cover": (
        "{id: unsure-energy, when: {energyMode: true}, ",
        '{id: unsure-energy, when: {plug: ["yes", "no"]}, ',
        [
            'DEAD-ROW the row "unsure-energy" can never win: "plugged" (line N) and "free" (line N) hide it: '
            "one of them holds wherever this one does"
        ],
    ),
    "a row whose condition is impossible": (
        "{id: test,          when: {mode: test}, ",
        "{id: test,          when: {release: G-, operationMode: test}, ",
        ['DEAD-ROW the row "test" can never hold: nothing that can be meets its condition'],
    ),
    "a way behind one that always fits": (
        "- {id: on-off, onOff: true, ensure: [{operationMode: charge}]}\n    fresh",
        "- {id: on-off, onOff: true, ensure: [{operationMode: charge}]}\n"
        "      - {id: late, when: {faultStatus: noFault}, onOff: true, ensure: [{operationMode: charge}]}\n    fresh",
        ['DEAD-ROW the way "late" can never win: "on-off" (line N) hides it: it holds wherever this one does'],
    ),
    "a gate behind one that is shut whenever it is": (
        "- {id: authorized, when: {authorized: true}, reason: nobody is authorized}\n"
        "      - id: vehicle-asked         ",
        "- {id: authorized, when: {authorized: true}, reason: nobody is authorized}\n"
        "      - {id: again, when: {any: [{authorized: true}, {reachable: false}]}, reason: once more}\n"
        "      - id: vehicle-asked         ",
        [
            'DEAD-ROW the gate "again" of "charge" never refuses: "authorized" (line N) refuses before it wherever '
            "it is shut"
        ],
    ),
    "a gate that is never shut": (
        "- {id: fault, when: {not: {faultStatus: fault}}, early: {}, reason: the unit reports a fault}",
        "- {id: fault, when: {any: [{faultStatus: fault}, {not: {faultStatus: fault}}]}, early: {}, reason: none}",
        ['DEAD-ROW the gate "fault" of "charge" is never shut: its condition always holds'],
    ),
    "a refusal that is never known early": (
        "early: {when: {chargeDischargeStatus: [connected, dischargeable]}, hold: 60s}",
        "early: {when: {chargeDischargeStatus: chargeable}, hold: 60s}",
        ['DEAD-ROW the gate "vehicle" of "charge" is never known to be shut early: "early" cannot hold then'],
    ),
    "a write that is never due": (
        "- {chargingMethod: designatedElectricCurrent, if: settable}",
        "- {chargingMethod: designatedElectricCurrent, if: {release: D-M}}",
        [
            'DEAD-ROW "chargingMethod" is never written: on this way nothing that can be meets its "if" and releases',
        ],
    ),
    "an exception that never holds": (
        "standby: {tell: stop_transaction, unless: {endedByVehicle: true}}",
        "standby: {tell: stop_transaction, unless: {faultStatus: fault, not: {faultStatus: fault}}}",
        ['DEAD-ROW the "unless" of operationMode=standby can never hold'],
    ),
    "a source that is named twice": (
        "voltage: {first: [{property: instantaneousVoltage}, ",
        "voltage: {first: [{property: instantaneousVoltage}, {property: instantaneousVoltage, within: 60s}, ",
        [
            'DEAD-ROW the source "instantaneousVoltage" can never win: "instantaneousVoltage" (line N) hides it: '
            "it holds wherever this one does"
        ],
    ),
    "a source of a term that an older one hides": (
        "      - {property: operationMode}\n",
        "      - {property: operationMode}\n      - {property: actualOperationMode, within: 100s}\n",
        [
            'DEAD-ROW the source "actualOperationMode" can never win: "actualOperationMode" (line N) hides it: '
            "it holds wherever this one does"
        ],
    ),
    "a voltage behind an assumed one": (
        "        - {when: {power: flowing}, property: instantaneousVoltage, within: 60s, min: 150 V}",
        "        - {when: {acType: true}, property: instantaneousVoltage, within: 60s, min: 150 V}",
        [
            'DEAD-ROW the voltage "instantaneousVoltage" can never win: "the assumed voltage" (line N) hides it: '
            "it holds wherever this one does"
        ],
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_can_never_decide_is_found(what: str, tmp_path: Path) -> None:
    old, new, expected = CHANGES[what]
    source = changed_source(tmp_path, TABLE, (old, new))
    found = findings(source)
    assert [f"{each.code} {_LINE.sub('(line N)', each.text)}" for each in found] == expected
    lines = [source.document.position(path)[0] for each in found for path in each.others]
    assert lines == [int(number) for each in found for number in _LINE.findall(each.text)]
    assert all(each.mend for each in found)


def test_it_names_the_line_and_shows_the_situation(tmp_path: Path) -> None:
    old, new, _ = CHANGES["a section whose last row has a condition"]
    source = changed_source(tmp_path, TABLE, (old, new))
    meaning = Meaning(source)
    (finding,) = total(meaning)
    line = source.document.text[: source.document.text.index("{id: not-told")].count("\n") + 1
    assert source.document.position(finding.path)[0] == line
    situation = Situations(meaning).show(finding)
    assert situation is not None
    assert ("chargeDischargeStatus", "absent") in situation.values


def test_a_gap_that_comes_up_at_run_time_is_a_clear_error(tmp_path: Path) -> None:
    old, new, _ = CHANGES["a section whose last row has a condition"]
    source = changed_source(tmp_path, TABLE, (old, new))
    with pytest.raises(TableGapError, match=r'0x027E\.yaml:\d+:1: NOT-TOTAL no row of "plug" holds') as caught:
        source.table.decide(View(now=0, release="R"))
    assert isinstance(caught.value, MappingError)


# Against plain enumeration ---------------------------------------------------------------------------------------

_LOOKED_AT = {
    "chargeStatus": ["absent", "undefined", "notConnected", "notChargeable", "chargeable", "unknown"],
    "faultStatus": ["absent", "fault", "noFault"],
    "operationMode": ["absent", "charge", "standby", "idle", "other"],
}


def _condition(rng: Any, depth: int = 0) -> dict[str, Any]:
    draw = rng.random()
    if depth < 2 and draw < 0.2:
        return {"any": [_condition(rng, depth + 1) for _ in range(2)]}
    if depth < 2 and draw < 0.35:
        return {"not": _condition(rng, depth + 1)}
    names = rng.sample(sorted(_LOOKED_AT), rng.choice((1, 1, 2)))
    return {name: sorted(rng.sample(_LOOKED_AT[name], rng.randint(1, len(_LOOKED_AT[name]) - 1))) for name in names}


def _views(source: TableSource) -> Iterator[View]:
    device = source.table.device
    for values in product(*_LOOKED_AT.values()):
        facts = {}
        for name, value in zip(_LOOKED_AT, values, strict=True):
            epc = device.epc_of(name)
            assert epc is not None
            if value != "absent":
                facts[epc] = Fact(device.latest.by_epc[epc].codec.encode(value), 0)
        yield View(now=0, release="R", facts=facts)


@pytest.mark.parametrize("seed", range(24))
def test_small_tables_agree_with_plain_enumeration(seed: int, tmp_path: Path) -> None:
    rng = Clock(seed).random

    rows: list[dict[str, Any]] = [
        {"id": f"row-{number}", "when": _condition(rng), "connector": "keep"} for number in range(rng.randint(2, 7))
    ]
    if rng.random() < 0.6:
        rows.append({"id": "last", "connector": "keep"})
    source = with_rows(tmp_path, "0x02A1.yaml", "StatusNotification", "chargingState", rows)
    winners, gap = set(), False
    for view in _views(source):
        context = Context(source.table, view)
        won = next((place for place, row in enumerate(source.table.status_rows) if row.test(context)), None)
        gap = gap or won is None
        winners |= set() if won is None else {won}
    meaning = Meaning(source)
    dead = {finding.path[1] for finding in dead_rows(meaning) if finding.path[0] == "StatusNotification"}
    assert dead == set(range(len(source.table.status_rows))) - winners
    assert [finding.path[0] for finding in total(meaning)] == (["StatusNotification"] if gap else [])
