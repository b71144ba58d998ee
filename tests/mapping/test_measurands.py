"""What a table calls a measure is what the station tells it as."""

from pathlib import Path

import pytest

from bridge.errors import MappingError
from bridge.evse import Observed, Reading
from bridge.mapping.load import default_folder, load_paths
from bridge.mapping.measurands import TOLD_AS
from bridge.station.messages import Measurand, ReadingContext
from bridge.station.metering import SUPPORTED, sample
from tests.tools.tables import parsed


@pytest.mark.parametrize("measure", TOLD_AS)
def test_the_station_tells_each_measure_so(measure: str) -> None:
    """Of each sign the one measurand that the table names, and no other."""
    for sign, value in (("plus", 5000), ("minus", -5000)):
        if sign not in TOLD_AS[measure] and len(TOLD_AS[measure]) > 1:
            continue
        seen = Observed(reachable=True, **{measure: Reading(abs(value) if measure == "energy_out" else value, 0)})
        told = {str(each.measurand): each.value for each in sample(seen, SUPPORTED, ReadingContext.SAMPLE_PERIODIC)}
        moving = {name for name, amount in told.items() if amount}
        if len(TOLD_AS[measure]) > 1:
            assert moving == {TOLD_AS[measure][sign]}
        else:
            assert moving <= set(TOLD_AS[measure].values())
    assert {str(each) for each in TOLD_AS[measure].values()} <= {str(each) for each in Measurand}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("measurand: SoC", "measurand: Voltage", '"soc" is not told as Voltage but as SoC'),
        ("plus: Current.Import", "plus: Current.Export", "plus: Current.Export but as plus: Current.Import, minus: "),
        ("measurand: Voltage", "measurand: {minus: Voltage}", "minus: Voltage but as plus: Voltage"),
    ],
)
def test_a_wrong_one_is_a_mistake(tmp_path: Path, old: str, new: str, told: str) -> None:
    text = (default_folder() / "tables" / "0x02A1.yaml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = tmp_path / "0x02A1.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(MappingError, match=told):
        load_paths([path], parsed())
