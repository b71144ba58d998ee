"""Laws 3 (in range) and 6 (complete), with the exact words; counter-examples are played through the real table."""

from pathlib import Path

import pytest

from bridge.mapping.decision import Recipe
from bridge.mapping.load import load_mappings
from bridge.mapping.proof.finding import Finding
from bridge.mapping.proof.laws_values import LAWS as COMPLETE
from bridge.mapping.proof.laws_values_range import LAWS as RANGE
from bridge.mapping.proof.meaning import Meaning
from bridge.mapping.proof.prove_all import releases_of
from bridge.mapping.proof.situation import Situations
from tests.tools.changed_tables import changed_folder, changed_source
from tests.tools.tables import parsed, shipped

CHANGES: dict[str, tuple[str, str, list[str]]] = {
    # 3
    "the bounds of the other direction": (
        "power: minimumAndMaximumChargingElectricPower\n",
        "power: minimumAndMaximumDischargingElectricPower\n",
        ["RANGE chargingElectricPower=900000 W is above what the unit can, 4000 W"],
    ),
    "the rated power of the other direction": (
        "rated: ratedDischargeElectricPower\n",
        "rated: ratedChargeElectricPower\n",
        ["RANGE dischargingElectricPower=900000 W is above what the unit can, 3000 W"],
    ),
    "the currents of the other direction": (
        "current: minimumAndMaximumChargingCurrent\n",
        "current: minimumAndMaximumDischargingCurrent\n",
        ["RANGE chargingCurrent=5.9 A is below the unit's minimum of 6 A"],
    ),
    "a setting that governs something else": (
        "- {chargingElectricPower: limit}\n",
        "- {chargingElectricPower: limit}\n          - {purchasingElectricPower: limit, if: settable}\n",
        [
            'RANGE "purchasingElectricPower" does not govern how much is charged: the dictionary has no "limitedBy" '
            "for it"
        ],
    ),
    "a discharge that is written as a charge": (
        "          - {dischargingElectricPower: limit}\n",
        "          - {dischargingElectricPower: limit}\n          - {chargingDischargingElectricPower: limit}\n",
        ["RANGE chargingDischargingElectricPower=1 W is in the other direction than to discharge"],
    ),
    "a voltage that is believed however low": (
        "within: 60s, min: 150 V}",
        "within: 60s}",
        ['RANGE a voltage near zero would be believed, and let the current grow: "min" is missing'],
    ),
    "a voltage that is believed however old": (
        "property: instantaneousVoltage, within: 60s, min: 150 V}",
        "property: instantaneousVoltage, min: 150 V}",
        ['RANGE an old voltage would be believed, and let the current grow: "within" is missing'],
    ),
    "a voltage below what is believed": (
        "- {assume: 450 V}  ",
        "- {assume: 149 V}  ",
        ["RANGE 149 V is assumed, and less than 150 V is not believed"],
    ),
    "a low voltage where the side is not told": (
        "- {when: {any: [{acType: true}, {equipmentType: absent}]}, assume: 700 V}",
        "- {when: {acType: true}, assume: 700 V}",
        ["RANGE 450 V is assumed where it is not told whether 700 V may be: the power could be above its limit"],
    ),
    # 6
    "a value that is forgotten": (
        "    when: {equipmentType: [dc_aa_discharge, dc_bb_discharge, dc_ee_discharge, dc_ff_discharge]}",
        "    when: {equipmentType: [dc_aa_discharge, dc_bb_discharge, dc_ee_discharge]}",
        ['INCOMPLETE dc_ff_discharge (G-) of "equipmentType" is named nowhere'],
    ),
    "a property that is forgotten": (
        "  - {property: maintenanceStatus, why: a hint for the owner that changes nothing of what the unit does}\n",
        "",
        ['INCOMPLETE "maintenanceStatus" is not used at all: necessary (P-), notNecessary (P-)'],
    ),
    "an entry about what is named": (
        "values: [dc_bb_charge, dc_ee_charge, dc_ff_charge]",
        "values: [dc_bb_charge, dc_ee_charge, dc_ff_charge, ac_cplt]",
        ["IGNORED equipmentType=ac_cplt is named by the table: it is not ignored"],
    ),
    "an entry that stands twice": (
        "ignored:\n",
        "ignored:\n  - {property: powerSaving, values: [saving], why: first}\n",
        ['IGNORED "powerSaving" is ignored above already'],
    ),
    "an entry about a property that is used": (
        "ignored:\n",
        "ignored:\n  - {property: actualOperationMode, why: no reason}\n",
        ['IGNORED "actualOperationMode" is used: ignore single values of it, if any'],
    ),
    "an entry about numbers": (
        "ignored:\n",
        "ignored:\n  - {property: ratedVoltage, why: no reason}\n",
        ['IGNORED "ratedVoltage" has no values with names: there is nothing to ignore'],
    ),
    "an entry about nothing": (
        "ignored:\n",
        "ignored:\n  - {property: powerSavings, why: misspelt}\n",
        ['UNKNOWN-PROPERTY class 0x027E has no "powerSavings" - did you mean "powerSaving"?'],
    ),
    "an entry about no value": (
        "ignored:\n",
        "ignored:\n  - {property: faultStatus, values: [faulty], why: misspelt}\n",
        ['UNKNOWN-VALUE faultStatus has no value "faulty" - did you mean "fault"?'],
    ),
}


def findings(meaning: Meaning) -> list[Finding]:
    return [finding for law in (*RANGE, *COMPLETE) for finding in law(meaning)]


@pytest.mark.covers("AIF-2.4.5-1")
@pytest.mark.parametrize("what", CHANGES)
def test_what_is_out_of_range_or_forgotten_is_found(what: str, tmp_path: Path) -> None:
    old, new, expected = CHANGES[what]
    found = findings(Meaning(changed_source(tmp_path, "0x027E.yaml", (old, new))))
    assert [f"{each.code} {each.text}" for each in found] == expected


def test_the_shipped_tables_and_overlays_keep_these_laws() -> None:
    mappings = shipped()
    for source in (*mappings.sources, *mappings.overlay_sources):
        assert findings(Meaning(source, releases=releases_of(mappings, source))) == []


def test_the_counter_example_really_writes_more_than_the_unit_can(tmp_path: Path) -> None:
    old, new, _ = CHANGES["the bounds of the other direction"]
    meaning = Meaning(changed_source(tmp_path, "0x027E.yaml", (old, new)))
    (finding,) = findings(meaning)
    assert finding.path == ("setpoints", "charge", "limit", "power")
    situation = Situations(meaning).show(finding)
    assert situation is not None
    answer = meaning.table.recipe(situation.view)
    assert isinstance(answer, Recipe)
    bounds = meaning.table.device.epc_of("minimumAndMaximumChargingElectricPower")
    setting = meaning.table.device.epc_of("chargingElectricPower")
    assert bounds is not None
    written = next(step.edt for step in answer.steps if step.epc == setting)
    most = situation.view.facts[bounds].edt[4:]
    assert int.from_bytes(written, "big") > int.from_bytes(most, "big")


@pytest.mark.covers("AIF-2.4.5-1")
def test_a_setting_in_steps_that_miss_the_minimum_is_found(tmp_path: Path) -> None:
    """A dictionary in which the setting counts in tens of watts: rounding toward zero may fall below the minimum."""
    folder = changed_folder(tmp_path, "0x027E.yaml")
    path = folder / "devices" / "0x027E.yaml"
    text = path.read_text()
    start = text.index("name: chargingElectricPower\n")
    old = "{type: uint32, range: [0, 999999999], unit: W}"
    new = "{type: uint32, range: [0, 99999999], scale: 300/1, unit: W}"
    path.write_text(text[:start] + text[start:].replace(old, new, 1))
    meaning = Meaning(load_mappings(folder, cache=parsed()).sources[0])
    texts = [each.text for each in findings(meaning)]
    assert texts == ["chargingElectricPower=900 W is below the unit's minimum of 1000 W"]


def test_a_dictionary_whose_bounds_do_not_exist_is_refused(tmp_path: Path) -> None:
    from bridge.errors import MappingError

    folder = changed_folder(tmp_path, "0x02A1.yaml")
    path = folder / "devices" / "0x02A1.yaml"
    path.write_text(
        path.read_text().replace("charge: [ratedChargeElectricPower", "charge: [ratedChargeElectricPowr", 1)
    )
    with pytest.raises(MappingError, match=r'UNKNOWN-PROPERTY there is no "ratedChargeElectricPowr" in this file'):
        load_mappings(folder, cache=parsed())
