"""Laws 3 (no way without its limit), 4 (allowed), 5 (read back, bounded) and 9 (requests), with the exact words."""

from pathlib import Path

import pytest

from bridge.mapping.decision import Recipe
from bridge.mapping.proof.finding import Finding
from bridge.mapping.proof.laws_writes import LAWS
from bridge.mapping.proof.laws_writes_waits import LAWS as WAITS
from bridge.mapping.proof.laws_writes_waits import times
from bridge.mapping.proof.meaning import Meaning
from bridge.mapping.proof.prove_all import releases_of
from bridge.mapping.proof.situation import Situations
from tests.tools.changed_tables import changed_source
from tests.tools.tables import shipped

CHANGES: dict[str, tuple[str, str, list[str]]] = {
    "an optional write without a guard": (
        "- {chargingMethod: designatedElectricPower, if: settable}",
        "- {chargingMethod: designatedElectricPower}",
        [
            'NOT-ALLOWED "chargingMethod" is written though the unit may not let it be set: nothing asks for '
            '"settable: chargingMethod"'
        ],
    ),
    "a value that a release does not know": (
        "{operationMode: automatic, otherwise: chargingDischarging}",
        "{operationMode: automatic}",
        ['NOT-ALLOWED "operationMode" is set to automatic, which Release N does not know'],
    ),
    "a question to releases without it": (
        "           settable: vehicleConnectionConfirmation}",
        "           reachable: true}",
        [],  # all releases with such a type have to take it
    ),
    "a question to units that may have no such property": (
        "when: {canBeAsked: true, energyMode: false}, ",
        "when: {energyMode: false}, ",
        [
            'NOT-ALLOWED "vehicleConnectionConfirmation" is written, and Releases D to F cannot set it',
            'NOT-ALLOWED "vehicleConnectionConfirmation" is written, and a unit whose release is not known cannot set '
            "it",
        ],
    ),
    "a stop that a unit of an unknown release may not know": (
        "- {id: unknown-release, ensure: [{operationMode: standby}]}",
        "- {id: unknown-release, ensure: [{operationMode: idle}]}",
        ['NOT-ALLOWED "operationMode" is set to idle, which a unit whose release is not known does not know'],
    ),
    "a write that may not be read back": (
        "          gettable: chargingElectricPower\n",
        "",
        [
            'UNVERIFIED "chargingElectricPower" is written though the unit may not let it be read back: nothing asks '
            'for "gettable: chargingElectricPower"'
        ],
    ),
    "a write that can never be read back": (
        "          - {chargingElectricPower: limit}\n",
        "          - {vehicleConnectionConfirmation: confirmation, if: {release: G-}}\n"
        "          - {chargingElectricPower: limit}\n",
        [
            'UNVERIFIED "vehicleConnectionConfirmation" can never be read back: nobody would know whether the write '
            "was taken"
        ],
    ),
    "a question whose answer is not read": (
        "then: [chargeDischargeStatus], pause: 30s}}\n  - {id: unsure-energy",
        "then: [], pause: 30s}}\n  - {id: unsure-energy",
        ['UNVERIFIED the answer to "vehicleConnectionConfirmation" is never read: "then" is empty'],
    ),
    "a question whose answer may not be readable": (
        "then: [chargeDischargeStatus], pause: 30s}}\n  - {id: unsure-energy",
        "then: [instantaneousElectricPower], pause: 30s}}\n  - {id: unsure-energy",
        ['UNVERIFIED nothing that "then" names has to be readable where "vehicleConnectionConfirmation" is written'],
    ),
    "a limit that is not written in some releases": (
        "- {chargingElectricPower: limit}\n",
        "- {chargingElectricPower: limit, if: {release: G-}}\n",
        ['NO-LIMIT the way "power" may charge without any limit: no step that writes it is due'],
    ),
    "a limit behind the order": (
        "          - {chargingElectricPower: limit}\n          - {operationMode: charge}\n",
        "          - {operationMode: charge}\n          - {chargingElectricPower: limit}\n",
        ['LATE-LIMIT "chargingElectricPower" is written last: energy would flow before its limit stands'],
    ),
    "a confirmation that takes for ever": (
        "within: 180s\n      attempts: 3\n\n  discharge",
        "within: 11min\n      attempts: 3\n\n  discharge",
        ["UNBOUNDED 11 min is too long, 10 min is the most: a unit shows a change of its mode within 3 min (AIF 3.2)"],
    ),
    "starts without end": (
        "attempts: 3\n\n  discharge",
        "attempts: 0\n\n  discharge",
        ["UNBOUNDED endless attempts to charge: each start wears the contactors"],
    ),
    "a stop that gives up": (
        "within: 30s\n      attempts: 0\n\nRequestStart",
        "within: 30s\n      attempts: 3\n\nRequestStart",
        ["GIVES-UP after 3 attempts to stop nobody would try again, and energy may still flow"],
    ),
    "a question without a break": (
        "then: [chargeDischargeStatus], pause: 30s}}\n  - {id: unsure-energy",
        "then: [chargeDischargeStatus], pause: 0s}}\n  - {id: unsure-energy",
        ["HASTY 0 s is too short, 1 s is the least: a unit is asked again, but not without a break"],
    ),
    "a status that is held back": (
        "power: still}, hold: 10s,",
        "power: still}, hold: 200s,",
        ["UNBOUNDED 3 min 20 s is too long, 3 min is the most: a status that is true is told soon"],
    ),
    "a poll that floods the node": (
        "    active: 5s\n    idle: 60s\n",
        "    active: 100ms\n    idle: 60s\n",
        [
            "HASTY 100 ms is too short, 1 s is the least: polling and announcements are both needed (AIF 3.2.1), "
            "a node takes one request at a time"
        ],
    ),
    "a charge level that is read too seldom": (
        "    active: 20s\n    idle: 45s\n    announced: 45s\n",
        "    active: 20s\n    idle: 90s\n    announced: 45s\n",
        [
            'UNREAD "remainingCapacity3" counts for 1 min, is read every 1 min 30 s and would often be absent',
            'UNREAD "remainingCapacity1" counts for 1 min, is read every 1 min 30 s and would often be absent',
            'UNREAD "usedCapacity1" counts for 1 min, is read every 1 min 30 s and would often be absent',
        ],
    ),
    "something that is looked at and never read": (
        "powerSystemInterconnectionStatus, targetDischargingElectricEnergy]",
        "targetDischargingElectricEnergy]",
        ['UNREAD "powerSystemInterconnectionStatus" is looked at and never read: it would always be absent'],
    ),
    "something that changes and is read once": (
        "    read: [faultStatus, chargeDischargeStatus, operationMode,",
        "    read: [faultStatus, operationMode,",
        [
            'UNREAD "chargeDischargeStatus" is looked at and read only at start: units announce its changes, and one '
            "may be missed"
        ],
    ),
    "more in a request than the class takes": (
        "maxProperties: 8",
        "maxProperties: 9",
        ["TOO-MANY a request to this class may hold 8 properties, not 9 (AIF 2.4.4)"],
    ),
    "the same twice in a request": (
        "    fresh: [chargeDischargeStatus]\n",
        "    fresh: [chargeDischargeStatus, chargeDischargeStatus]\n",
        ['TOO-MANY "chargeDischargeStatus" stands twice in one request'],
    ),
}


def findings(meaning: Meaning) -> list[Finding]:
    return [finding for law in (*LAWS, *WAITS) for finding in law(meaning)]


@pytest.mark.covers("AIF-2.4.5-2", "AIF-2.4.4-1")
@pytest.mark.parametrize("what", CHANGES)
def test_a_write_or_a_wait_that_must_not_be_is_found(what: str, tmp_path: Path) -> None:
    old, new, expected = CHANGES[what]
    found = findings(Meaning(changed_source(tmp_path, "0x027E.yaml", (old, new))))
    assert [f"{each.code} {each.text}" for each in found] == expected
    assert all(each.mend for each in found)


def test_more_answers_than_a_request_holds(tmp_path: Path) -> None:
    names = "chargeStatus, operationMode, faultStatus, remainingCapacity3, vehicleId"
    change = ("    fresh: [chargeStatus]\n", f"    fresh: [{names}]\n")
    found = findings(Meaning(changed_source(tmp_path, "0x02A1.yaml", change)))
    assert [each.text for each in found] == ["5 properties are more than a request may hold (4)"]


def test_the_counter_example_is_a_recipe_that_does_what_must_not_be(tmp_path: Path) -> None:
    old, new, _ = CHANGES["an optional write without a guard"]
    meaning = Meaning(changed_source(tmp_path, "0x027E.yaml", (old, new)))
    (finding,) = findings(meaning)
    situation = Situations(meaning).show(finding)
    assert situation is not None
    answer = meaning.table.recipe(situation.view)
    assert isinstance(answer, Recipe)
    method = meaning.table.device.epc_of("chargingMethod")
    assert method in [step.epc for step in answer.steps]
    assert method not in situation.view.settable


def test_the_shipped_tables_and_overlays_keep_these_laws() -> None:
    mappings = shipped()
    for source in (*mappings.sources, *mappings.overlay_sources):
        assert findings(Meaning(source, releases=releases_of(mappings, source))) == []


def test_worst_case_times_are_told_beside_the_timers() -> None:
    source = next(source for source in shipped().sources if source.table.class_code == 0x02A1)
    assert list(times(source)) == [
        "charge: 5 requests of at most 20 s (AIF 2.4.2), sent within 1 min 40 s, seen within 3 min, 3 attempts: "
        "at most 14 min",
        "pause: 2 requests of at most 20 s (AIF 2.4.2), sent within 42 s, seen within 30 s; otherwise the other value, "
        "40 s later, then for ever",
        "stop: 2 requests of at most 20 s (AIF 2.4.2), sent within 42 s, seen within 30 s; otherwise the other value, "
        "40 s later, then for ever, Ended is told after 10 s all the same",
        "ask: 40 s to write and read the answer, again after 30 s and then at growing intervals; a change is announced "
        "within 3 min (AIF 3.2.1)",
    ]
