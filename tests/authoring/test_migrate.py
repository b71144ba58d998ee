"""From an older version of the language to this one."""

from __future__ import annotations

import copy
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from bridge.authoring.codenames import Names, names_of
from bridge.authoring.migrate import LATEST, migrate_file, migrated, version_of, write_migration
from bridge.authoring.migratezero import zero_to_one
from bridge.cli.main import main
from bridge.errors import MappingError
from bridge.evse import ChargingState, Connector, Plug
from bridge.mapping.examples import outcome_of
from bridge.mapping.load import load_paths
from bridge.mapping.model import ExampleModel
from bridge.mapping.yamlfile import load_yaml, parse_yaml
from tests.tools.tables import parsed, shipped

ROOT = Path(__file__).parents[2]
SAMPLE = Path(__file__).parent / "data" / "0x02A1.v0.yaml"


@pytest.fixture(scope="module")
def names() -> Names:
    return names_of(shipped().classes)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "charger.yaml"
    shutil.copy(SAMPLE, path)
    return path


def _main(*arguments: object) -> int:
    return main(["map", "migrate", *map(str, arguments)])


# The step -------------------------------------------------------------------------------------------------------


def test_the_step_changes_nothing_that_it_is_given(names: Names) -> None:
    data = load_yaml(SAMPLE).data
    before = copy.deepcopy(data)
    found = zero_to_one(data, names)
    assert data == before
    assert found["mapping"] == 1
    assert found["polling"] is not data["polling"]


def test_with_comments_and_without_it_comes_to_the_same(names: Names) -> None:
    plain = zero_to_one(load_yaml(SAMPLE).data, names)
    after = migrate_file(SAMPLE, names).after
    assert parse_yaml(after, "after").data == plain


def test_each_thing_of_version_0_has_its_form_in_version_1(names: Names) -> None:
    found: Any = zero_to_one(load_yaml(SAMPLE).data, names)
    assert list(found)[9:11] == ["StatusNotification", "chargingState"]
    assert found["plug"][0] == {
        "id": "yes-1", "when": {"chargeStatus": ["notChargeable", "chargeable"]}, "plug": "yes",
    }  # fmt: skip
    assert found["plug"][2] == {"id": "undetermined-3", "plug": "undetermined"}
    assert found["StatusNotification"][1] == {
        "id": "Faulted-2",
        "when": {"faultStatus": "fault"},
        "connector": "Faulted",
    }
    assert found["StatusNotification"][2]["hold"] == "1500ms"
    stop = found["setpoints"]["stop"]
    assert stop["ways"] == [{"id": "only", "ensure": [{"operationMode": "idle", "otherwise": "standby"}]}]
    assert stop["confirm"] == {"when": {"operationMode": ["standby", "idle"]}, "within": "30s", "attempts": 0}
    assert found["setpoints"]["charge"]["confirm"]["attempts"] == 3
    assert found["local"]["operationMode"] == {"charge": "start_transaction", "standby": "stop_transaction"}
    assert found["polling"]["state"]["announced"] == "30s"
    assert "0x" not in re.sub(r'"?0x02A1"?', "", str(found))


def test_a_code_without_a_name_stays_for_the_loader_to_tell(names: Names) -> None:
    found: Any = zero_to_one({"mapping": 0, "class": "0x02A1", "plug": [[{"0x01": "0x42"}, "yes"]]}, names)
    assert found["plug"][0]["when"] == {"0x01": "0x42"}
    assert zero_to_one({"mapping": 0, "class": "0xFFFF"}, names) == {"mapping": 1, "class": "0xFFFF"}


def test_every_comment_stays(names: Names) -> None:
    migration = migrate_file(SAMPLE, names)
    comments = re.findall(r"#.*", migration.before)
    assert len(comments) == 12
    assert re.findall(r"#.*", migration.after) == comments


def test_what_comes_out_is_a_table_that_decides_as_it_said(table: Path) -> None:
    assert _main("--write", table) == 0
    source = next(each for each in load_paths([table], parsed()).sources if each.document.file == str(table))
    for given, plug, connector, state in (
        (["C7=41", "88=42"], Plug.YES, Connector.OCCUPIED, None),
        (["C7=30", "88=42"], Plug.NO, Connector.AVAILABLE, None),
        (["C7=30", "88=41", "D3=00000BB8"], Plug.NO, Connector.FAULTED, ChargingState.CHARGING),
    ):
        decision = outcome_of(source, ExampleModel(given=given, expect={"plug": str(plug)})).decision
        assert (decision.plug.value, decision.connector.value, decision.charging_state.value) == (
            plug,
            connector,
            state,
        )


# Versions -------------------------------------------------------------------------------------------------------


def _add(key: str) -> Any:
    def step(data: Any, _: Names) -> Any:
        return {**data, "mapping": data["mapping"] + 1, "steps": [*data.get("steps", []), key]}

    return step


def test_steps_follow_each_other() -> None:
    steps = {0: _add("first"), 1: _add("second"), 2: _add("third")}
    assert migrated({"mapping": 0}, Names(), steps, 3) == (
        {"mapping": 3, "steps": ["first", "second", "third"]},
        (0, 1, 2),
    )
    assert migrated({"mapping": 2}, Names(), steps, 3) == ({"mapping": 3, "steps": ["third"]}, (2,))
    assert migrated({"mapping": 3}, Names(), steps, 3) == ({"mapping": 3}, ())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mapping: 2\n", "x.yaml:1:10: VERSION written for a newer version (2): this program knows 1"),
        ("kind: table\nmapping: -1\n", "x.yaml:2:10: VERSION there is no way from version -1: known are 0 and 1"),
        ("kind: table\n", 'x.yaml:1:1: MISSING-KEY the key "mapping" is missing'),
        ("mapping: one\n", "x.yaml:1:10: WRONG-TYPE a version is a whole number"),
        ("mapping: true\n", "x.yaml:1:10: WRONG-TYPE a version is a whole number"),
        ("mapping: 0.0\n", "x.yaml:1:10: WRONG-TYPE a version is a whole number"),
        ("- 1\n", 'x.yaml:1:1: MISSING-KEY the key "mapping" is missing'),
    ],
)
def test_a_version_that_nobody_knows_is_told(text: str, told: str) -> None:
    with pytest.raises(MappingError) as error:
        version_of(parse_yaml(text, "x.yaml"))
    assert str(error.value).startswith(told)


def test_shipped_files_are_current(names: Names) -> None:
    for path in [*ROOT.glob("mappings/*/*.yaml")]:
        migration = migrate_file(path, names)
        assert (migration.steps, migration.diff) == ((), "")
    assert _main("--check", ROOT / "mappings") == 0


# Writing --------------------------------------------------------------------------------------------------------


def test_without_write_a_diff_is_shown_and_nothing_is_written(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(table) == 0
    told = capsys.readouterr().out
    assert f"--- {table} (version 0)\n+++ {table} (version {LATEST})\n" in told
    assert "\n-mapping: 0\n+mapping: 1\n" in told
    assert "\n-states:\n" in told
    assert table.read_text() == SAMPLE.read_text()
    assert list(table.parent.iterdir()) == [table]


def test_with_write_what_it_was_is_kept(table: Path, names: Names) -> None:
    table.chmod(0o640)
    assert _main("--write", table) == 0
    assert table.with_name("charger.yaml.v0").read_text() == SAMPLE.read_text()
    assert table.read_text() == migrate_file(SAMPLE, names).after
    assert table.stat().st_mode & 0o777 == 0o640
    assert _main("--check", table) == 0
    assert sorted(path.name for path in table.parent.iterdir()) == ["charger.yaml", "charger.yaml.v0"]


def test_no_older_copy_is_lost(table: Path, names: Names) -> None:
    table.with_name("charger.yaml.v0").write_text("mine")
    assert write_migration(migrate_file(table, names)).name == "charger.yaml.v0.2"
    assert table.with_name("charger.yaml.v0").read_text() == "mine"


def test_check_tells_what_is_old(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _main("--check", table.parent) == 1
    assert f"{table}: version 0, not 1" in capsys.readouterr().out
    assert table.read_text() == SAMPLE.read_text()


def test_a_file_with_other_mistakes_is_left_alone(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = SAMPLE.read_text().replace("maxProperties: 4", "maxProperties: 400")
    table.write_text(wrong)
    assert _main("--write", table) == 1
    told = capsys.readouterr().err
    assert f"{table} (version 1):6:16: OUT-OF-RANGE" in told
    assert "nothing is written" in told
    assert table.read_text() == wrong
    assert list(table.parent.iterdir()) == [table]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mapping: 0\na: &x 1\nb: *x\n", "YAML-ANCHOR"),
        ("mapping: 0\na: [\n", "YAML-SYNTAX"),
        ("mapping: 7\n", "VERSION written for a newer version"),
        ("mapping: 0\nkind: tabel\n", "KIND"),
        ("mapping: 0\n" + "a: " + "[" * 200 + "]" * 200, "YAML-DEPTH"),
    ],
)
def test_what_is_no_table_is_refused(text: str, told: str, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table.write_text(text)
    assert _main("--write", table) == 1
    assert told in capsys.readouterr().err
    assert table.read_text() == text


def test_a_path_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(tmp_path / "no.yaml") == 1
    assert "no.yaml: no such file or folder" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_told(
    table: Path, names: Names, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    assert _main("--write", table) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert table.read_text() == SAMPLE.read_text()


def test_the_sample_is_yaml_for_others_too() -> None:
    assert YAML(typ="safe", pure=True).load(SAMPLE.read_text())["mapping"] == 0
