"""`map diff`: exactly where two tables decide differently, and nothing where they differ only in words."""

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bridge.authoring.answers import answers_of
from bridge.authoring.cubes import count, cubes_of, weight
from bridge.authoring.diff import Diff, Region, diff
from bridge.cli.main import main
from bridge.mapping.context import Context
from bridge.mapping.decide import first_row
from bridge.mapping.load import default_folder, load_paths
from bridge.mapping.proof.diagram import Diagrams
from bridge.mapping.proof.joint import Joint, read_both
from bridge.mapping.table import TableSource
from tests.tools.random_views import Views
from tests.tools.tables import parsed, shipped

_V2H, _CHARGER = "0x027E.yaml", "0x02A1.yaml"


def _shipped(file: str) -> Path:
    return default_folder() / "tables" / file


@cache
def _mine(file: str) -> TableSource:
    return next(source for source in shipped().sources if source.document.file.endswith(file))


def _other(folder: Path, file: str, *changes: tuple[str, str]) -> TableSource:
    """The shipped table with some texts in the place of others."""
    path = _written(folder, file, *changes)
    mappings = load_paths([path], parsed())
    return next(source for source in mappings.sources if source.document.file == str(path))


def _written(folder: Path, file: str, *changes: tuple[str, str]) -> Path:
    text = _shipped(file).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / file
    path.write_text(text)
    return path


def _said(region: Region) -> tuple[str, str, str]:
    return region.section, region.one.answer, region.other.answer


@pytest.mark.parametrize("file", [_V2H, _CHARGER])
def test_a_table_is_the_same_as_itself_and_as_one_in_other_words(file: str, tmp_path: Path) -> None:
    other = _other(
        tmp_path,
        file,
        ("id: not-told", "id: nothing-told"),
        ("reason: nobody is authorized", "reason: no driver"),
        ("\nplug:", "\n# a line more\nplug:"),
    )
    assert diff(_mine(file), other).same


def test_rows_that_exclude_each_other_may_change_places(tmp_path: Path) -> None:
    rows = re.search(r"  - \{id: no-vehicle, .*\n", _shipped(_CHARGER).read_text())
    blind = "  - {id: blind, when: {acType: true}, plug: blind}\n"
    assert rows is not None
    other = _other(
        tmp_path, _CHARGER, (blind + rows[0], rows[0].replace("{chargeStatus", "{acType: false, chargeStatus") + blind)
    )
    assert diff(_mine(_CHARGER), other).same


def test_one_time_that_differs_is_one_region(tmp_path: Path) -> None:
    found = diff(_mine(_V2H), _other(tmp_path, _V2H, ("lostFor: {min: 60s}", "lostFor: {min: 90s}")))
    assert found.fixed == ()
    (region,) = found.regions
    assert _said(region) == ("StatusNotification", "Unavailable", "keep")
    assert [cube.named(found.joint.one.space.variables) for cube in region.cubes] == [{"lostFor": ["60 to 89.999"]}]
    assert region.complete
    assert region.one.rows[0].endswith(" lost")
    assert region.other.rows[0].endswith(" silent")
    assert region.example is not None
    assert region.example.view.lost_for == 60_000


def test_what_a_setpoint_writes_is_told_with_the_way(tmp_path: Path) -> None:
    change = (
        "{id: mode, ensure: [{operationMode: standby, otherwise: idle}]}",
        "{id: mode, ensure: [{operationMode: idle, otherwise: standby}]}",
    )
    found = diff(_mine(_CHARGER), _other(tmp_path, _CHARGER, change))
    assert {region.section for region in found.regions} == {"setpoints pause", "setpoints charge"}
    pause = next(region for region in found.regions if region.section == "setpoints pause")
    assert _said(pause)[1:] == ("pause: operationMode=standby or idle", "pause: operationMode=idle or standby")
    assert pause.cubes[0].values == {}
    assert pause.share == 1.0
    assert pause.one.rows[0].endswith(" mode")


def test_gates_and_goals_and_times_are_compared(tmp_path: Path) -> None:
    found = diff(
        _mine(_CHARGER),
        _other(
            tmp_path,
            _CHARGER,
            ("      - {id: authorized, when: {authorized: true}, reason: nobody is authorized}\n", ""),
            ("when: {operationMode: charge, power: [charging, unmeasured]}", "when: {operationMode: charge}"),
            ("early: {when: {chargeStatus: notChargeable}, hold: 60s}", "early: {when: {chargeStatus: notChargeable}}"),
            ("      within: 180s\n      attempts: 3", "      within: 120s\n      attempts: 3"),
            ("    active: 5s\n    idle: 60s", "    active: 2s\n    idle: 60s"),
        ),
    )
    said = {_said(region) for region in found.regions}
    assert ("setpoints charge", "refused", "charge: chargingElectricPower=limit, operationMode=charge") in said
    assert ("confirm charge", "not reached", "reached") in said
    assert ("early charge", "refused beforehand after 60 s", "refused beforehand") in said
    fixed = {each.section: (each.one.answer, each.other.answer) for each in found.fixed}
    assert fixed["charge confirm"] == ("within 180 s, attempts 3", "within 120 s, attempts 3")
    assert set(fixed) == {"charge confirm", "polling"}


def test_what_is_measured_and_told_is_compared(tmp_path: Path) -> None:
    found = diff(
        _mine(_CHARGER),
        _other(
            tmp_path,
            _CHARGER,
            (
                "first: [{property: chargingElectricPower, when: {mode: charge}}]",
                "first: [{property: chargingElectricPower}]",
            ),
            ("    standby: {tell: stop_transaction, unless: {endedByVehicle: true}}", "    standby: stop_transaction"),
        ),
    )
    said = {_said(region) for region in found.regions}
    assert said == {
        ("MeterValues offered", "nothing", "chargingElectricPower"),
        ("local operationMode=standby", "nothing is told", "stop_transaction"),
    }


def test_a_threshold_is_told_apart_and_cannot_be_passed_above_and_not_below(tmp_path: Path) -> None:
    found = diff(_mine(_CHARGER), _other(tmp_path, _CHARGER, ("threshold: 100 W", "threshold: 200 W")))
    assert found.joint.apart == ("power",)
    assert [each.section for each in found.fixed] == ["term power"]
    assert found.regions
    for region in found.regions:
        for cube in region.cubes:
            named = cube.named(found.joint.one.space.variables)
            assert "unmeasured" not in named.get("power (A)", [])
            assert named.get("power (B)") == ["still"]


def _rules(table: Any, view: Any, section: str) -> str:
    rows = {"plug": table.plug_rows, "StatusNotification": table.status_rows, "chargingState": table.charging_rows}
    return first_row(rows[section], Context(table, view)).id


def _held(joint: Joint, place: list[int], section: str) -> tuple[Any, Any]:
    found = []
    for meaning in (joint.one, joint.other):
        (answer,) = [each for each in answers_of(meaning, section) if meaning.sets.holds(each.where, place)]
        found.append(answer)
    return found[0], found[1]


_ON_OFF = "      - {id: on-off, onOff: true, ensure: [{operationMode: charge}]}"
_CHANGES: dict[str, tuple[tuple[str, str], ...]] = {
    "threshold": (("threshold: 100 W", "threshold: 200 W"),),
    "rows": (("faultStatus: fault}, ", "faultStatus: [fault, absent]}, "),),
    "ways": ((_ON_OFF, _ON_OFF.replace("onOff", "when: {acType: true}, onOff")),),
}


@pytest.mark.parametrize("change", _CHANGES)
def test_both_readings_agree_with_what_the_tables_decide(change: str, tmp_path: Path) -> None:
    one, other = _mine(_CHARGER), _other(tmp_path, _CHARGER, *_CHANGES[change])
    joint = read_both(one, other)
    views = Views(one.table.device, seed=7)
    for _ in range(400):
        view = views.view()
        place = joint.one.space.place(Context(one.table, view))
        assert joint.one.sets.holds(joint.possible, place)
        assert place == joint.other.space.place(Context(other.table, view))
        for section in ("plug", "StatusNotification", "chargingState"):
            mine, theirs = _held(joint, place, section)
            assert mine.row == _rules(one.table, view, section)
            assert theirs.row == _rules(other.table, view, section)


def test_cubes_cover_a_set_and_nothing_else() -> None:
    sets = Diagrams([2, 3, 4, 2])
    places = [(a, b, c, d) for a in range(2) for b in range(3) for c in range(4) for d in range(2)]
    for seed in range(60):
        one, possible = (
            sets.any(
                sets.all(sets.where(i, (v,)) for i, v in enumerate(place))
                for each, place in enumerate(places)
                if (each * each * 7 + each * seed + seed) % 11 < most
            )
            for most in (seed % 10 + 1, 8)
        )
        cubes, complete = cubes_of(sets, one, possible, (0, 0, 0, 0), 100)
        assert complete
        covered = sets.any(cube.where(sets) for cube in cubes)
        assert sets.both(covered, possible) == sets.both(one, possible)
        assert count(sets, one) == sum(sets.holds(one, place) for place in places)
        assert weight(sets, one) * 48 == count(sets, one)


# The command


def _run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["map", "diff", *map(str, arguments)])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_the_command_says_same_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys, _shipped(_CHARGER))
    assert (code, out.count("\n")) == (0, 1)
    assert "decide the same in all situations" in out


def test_the_command_says_different_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = _written(tmp_path, _CHARGER, ("lostFor: {min: 60s}", "lostFor: {min: 90s}"))
    code, out, _ = _run(capsys, _shipped(_CHARGER), other)
    assert code == 1
    assert "  where lostFor: 60 to 89.999\n" in out
    assert "  as in lostFor: 60000ms, reachable: false\n" in out
    assert out.endswith("\n1 difference\n")
    code, out, _ = _run(capsys, _shipped(_CHARGER), other, "--format", "json")
    (table,) = json.loads(out)["tables"]
    (region,) = table["regions"]
    assert (code, table["same"], region["where"]) == (1, False, [{"lostFor": ["60 to 89.999"]}])


def test_the_command_compares_an_overlay_with_its_parent(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys, default_folder() / "vendors" / "example-on-off.yaml", "--format", "json")
    (table,) = json.loads(out)["tables"]
    assert code == 1
    assert table["a"] == "mappings/tables/0x027E.yaml"
    assert table["regions"] or table["fixed"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (lambda: (_shipped(_V2H), _shipped(_CHARGER)), "no class is in both"),
        (lambda: ("nowhere.yaml",), "nowhere.yaml: no such file or folder"),
    ],
)
def test_what_cannot_be_compared_is_said(
    arguments: Callable[[], tuple[object, ...]], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = _run(capsys, *arguments())
    assert code == 1
    assert told in err


def test_without_a_path_it_is_a_mistake_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["map", "diff"])
    assert left.value.code == 2


def test_a_diff_knows_whether_it_is_one(tmp_path: Path) -> None:
    found: Diff = diff(
        _mine(_CHARGER), _other(tmp_path, _CHARGER, ("    active: 5s\n    idle: 60s", "    active: 2s\n    idle: 60s"))
    )
    assert not found.same
    assert found.regions == ()
