"""Law 3 about assumed voltages: on the DC side no less than a battery may have."""

from pathlib import Path

import pytest

from bridge.mapping.proof.laws_values_volts import assumed
from bridge.mapping.proof.meaning import Meaning
from tests.tools.changed_tables import changed_source
from tests.tools.tables import shipped


def test_the_shipped_tables_assume_enough() -> None:
    for source in shipped().sources:
        assert list(assumed(Meaning(source))) == []


@pytest.mark.parametrize(("volts", "wrong"), [("449 V", True), ("1 V", True), ("450 V", False), ("500 V", False)])
def test_too_low_a_voltage_on_the_dc_side_is_found(tmp_path: Path, volts: str, wrong: bool) -> None:
    source = changed_source(tmp_path, "0x027E.yaml", ("- {assume: 450 V}", f"- {{assume: {volts}}}"))
    found = list(assumed(Meaning(source)))
    assert [finding.code for finding in found] == (["RANGE"] if wrong else [])
    for finding in found:
        assert f"{volts} is assumed on the DC side, where a battery may have 450 V" in finding.text
        assert finding.path[:4] == ("setpoints", "charge", "limit", "volts")
        assert finding.places is not None


UNSURE = "{any: [{acType: true}, {equipmentType: absent}]}, assume: 700 V}"


def test_a_unit_that_does_not_tell_its_type_may_be_on_the_dc_side(tmp_path: Path) -> None:
    source = changed_source(tmp_path, "0x027E.yaml", (UNSURE, UNSURE.replace("700", "200")))
    [finding] = assumed(Meaning(source))
    assert finding.path == ("setpoints", "charge", "limit", "volts", 0)


def test_on_the_ac_side_a_table_may_say_what_its_grid_has(tmp_path: Path) -> None:
    source = changed_source(tmp_path, "0x027E.yaml", (UNSURE, "{acType: true}, assume: 200 V}"))
    assert list(assumed(Meaning(source))) == []
