"""The messages' sections of a table: what each wish comes to, how it is told, how often contactors may move."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.errors import MappingError
from bridge.evse import Mode, StopReason, Trigger, Variable, Wanted
from bridge.mapping.load import default_folder, load_mappings
from bridge.mapping.table import CompiledTable
from tests.tools.mapping_views import table, view
from tests.tools.tables import parsed

LIMIT = (
    "{rated: ratedChargeElectricPower, power: minimumAndMaximumChargingElectricPower, "
    "current: minimumAndMaximumChargingCurrent, volts: [{assume: 450 V}]}"
)
Changed = Callable[..., CompiledTable]


@pytest.fixture
def changed(tmp_path: Path) -> Changed:
    """The shipped table with some of its text replaced."""

    def make(*changes: tuple[str, str]) -> CompiledTable:
        folder = tmp_path / "m"
        others = shutil.ignore_patterns("0x02A1.yaml", "0x0287.yaml", "0x0288.yaml", "vendors", "dumps", "schema")
        shutil.copytree(default_folder(), folder, dirs_exist_ok=True, ignore=others)
        path = folder / "tables" / "0x027E.yaml"
        text = path.read_text()
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        path.write_text(text)
        return load_mappings(folder, cache=parsed()).table(0x027E)

    return make


@pytest.mark.parametrize(
    ("wanted", "mode"),
    [
        (Wanted(Mode.CHARGE), Mode.CHARGE),
        (Wanted(Mode.CHARGE, charge_bound=3_000_000), Mode.CHARGE),
        (Wanted(Mode.PAUSE), Mode.PAUSE),
        (Wanted(Mode.DISCHARGE, target=-3_000_000), Mode.DISCHARGE),
        (Wanted(Mode.STOP), Mode.STOP),
        (Wanted(Mode.AUTO), Mode.AUTO),
        (Wanted(Mode.HANDS_OFF), Mode.HANDS_OFF),
    ],
)
def test_the_shipped_table_wants_what_is_asked(wanted: Wanted, mode: Mode) -> None:
    assert table().wants(wanted) is mode


def test_a_table_may_make_a_zero_limit_a_stop_and_a_start_a_pause(changed: Changed) -> None:
    other = changed(
        ("{limit: zero, wants: pause}", "{limit: zero, wants: stop}"),
        ("RequestStartTransaction: {wants: charge}", "RequestStartTransaction: {wants: pause}"),
    )
    assert other.wants(Wanted(Mode.PAUSE)) is Mode.STOP
    assert other.wants(Wanted(Mode.CHARGE)) is Mode.PAUSE
    assert other.wants(Wanted(Mode.CHARGE, charge_bound=1)) is Mode.CHARGE


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "RequestStopTransaction: {wants: stop}",
            "RequestStopTransaction: {wants: charge}",
            "WANTS a stop may only want pause or stop",
        ),
        (
            "{limit: zero, wants: pause}",
            "{limit: zero, wants: charge}",
            "WANTS a limit of zero may only want pause or stop",
        ),
        (
            "{limit: positive, wants: charge}",
            "{limit: positive, wants: discharge}",
            "WANTS a limit above zero may only",
        ),
        ("{limit: zero, wants: pause}", "{limit: positive, wants: pause}", "DUPLICATE-ID"),
    ],
)
def test_no_message_may_want_more_than_it_asks(changed: Changed, old: str, new: str, text: str) -> None:
    with pytest.raises(MappingError, match=r"0x027E\.yaml:[0-9]+:[0-9]+: ") as raised:
        changed((old, new))
    assert text in str(raised.value)


def test_how_rows_are_told_stands_in_their_answers(changed: Changed) -> None:
    told = {row.id: row.answer for row in (*table().plug_rows, *table().charging_rows)}
    assert told["no-vehicle"].trigger is Trigger.EV_COMMUNICATION_LOST
    assert told["ended"].stopped is StopReason.STOPPED_BY_EV
    assert told["ended-by-hand"].stopped is StopReason.LOCAL
    assert told["power"].trigger is None
    other = changed(("ended: {stoppedReason: StoppedByEV}", "ended: {stoppedReason: Other}"))
    assert {row.id: row.answer.stopped for row in other.charging_rows}["ended"] is StopReason.OTHER


def test_a_row_that_does_not_exist_cannot_be_told(changed: Changed) -> None:
    with pytest.raises(MappingError, match=r'UNKNOWN-NAME "chargingState" has no row "endet" - did you mean "ended"\?'):
        changed(("ended: {stoppedReason: StoppedByEV}", "endet: {stoppedReason: StoppedByEV}"))


def test_spacing_is_the_first_row_that_holds_and_only_where_energy_may_flow(changed: Changed) -> None:
    other = changed(("- {mode: 10s, setting: 5s}", "- {when: {acType: true}, mode: 60s}\n  - {mode: 20s, setting: 3s}"))
    unit = ("C7=43", "DA=44", "C5=00001770", "E4=50")
    ac = other.recipe(view(*unit, "CC=12", wanted=Wanted(Mode.CHARGE, authorized=True)))
    dc = other.recipe(view(*unit, "CC=32", wanted=Wanted(Mode.CHARGE, authorized=True)))
    stop = other.recipe(view(*unit, "CC=32", wanted=Wanted(Mode.STOP)))
    assert (ac.spacing.mode, ac.spacing.setting) == (60_000, 0)  # type: ignore[union-attr]
    assert (dc.spacing.mode, dc.spacing.setting) == (20_000, 3_000)  # type: ignore[union-attr]
    assert (stop.spacing.mode, stop.spacing.setting) == (0, 0)  # type: ignore[union-attr]


def test_variables_are_what_the_unit_has_told() -> None:
    found = table().variables(view("DA=44", "8A=00000B", "8C=" + b"ABC-1".ljust(12).hex()))
    assert found == (
        Variable("EVSE", "Manufacturer", "00000B"),
        Variable("EVSE", "Model", "ABC-1"),
        Variable("EVSE", "OperationMode", "standby"),
    )


def test_what_others_fall_back_to_does_not_fall_back_itself(changed: Changed) -> None:
    pause = "      - {id: mode, ensure: [{operationMode: standby, otherwise: idle}]}"
    with pytest.raises(MappingError, match="IRREVERSIBLE a pause cannot pause first"):
        changed((pause, f"      - {{id: first, when: {{power: flowing}}, pauseFirst: it flows}}\n{pause}"))
    with pytest.raises(MappingError, match="IRREVERSIBLE a stop has no limit"):
        changed(("  stop:\n    require:", f"  stop:\n    limit: {LIMIT}\n    require:"))
