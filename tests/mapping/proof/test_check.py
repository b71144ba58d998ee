"""`ocpp-echonet map check`: what it prints in each format, and its exit codes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.main import main
from bridge.mapping.load import default_folder
from tests.tools.changed_tables import changed_folder

GAP = ("{id: unsure,      ", "{id: unsure, when: {contested: false}, ")
TOLD = 'NOT-TOTAL there are situations in which no row of "StatusNotification" holds; this is one'
EXAMPLE = "- {given: [{contested: true}], expect: {connector: keep}}"
TWICE = ("    fresh: [chargeStatus]\n", "    fresh: [chargeStatus, chargeStatus]\n")


def check(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[str]]:
    code = main(["map", "check", *(str(argument) for argument in arguments)])
    return code, capsys.readouterr().out.splitlines()


def test_the_shipped_mappings_are_proved(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = check(capsys)
    assert code == 0
    assert re.fullmatch(
        r"all is well: 2 tables, \d overlays, 2 meters \(\d+ rows, ways and gates\) over \d\.?\d*e\+2\d situations, "
        r"and \d+ examples, in \d+\.\d s",
        lines[-1],
    )
    assert any(line.startswith("mappings/tables/0x027E.yaml: stop: ") for line in lines)
    assert not any(" stop: " in line and "vendors" in line for line in lines)  # as the table's


def test_a_gap_is_shown_with_everything_that_helps(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = changed_folder(tmp_path, "0x02A1.yaml", GAP)
    file = f"{folder}/tables/0x02A1.yaml"
    line = Path(file).read_text()[: Path(file).read_text().index("{id: unsure,")].count("\n") + 1
    code, lines = check(capsys, folder)
    assert code == 1
    at = lines.index(f"{file}:{line}:5: {TOLD}")
    assert lines[at + 1 : at + 5] == [
        "    situation: faultStatus: noFault, chargeStatus: absent, equipmentType: dc_bb_charge, operationMode: "
        "absent, power: unmeasured, contested: yes, reachable: yes",
        "    on the wire: 88=42 CC=31 contested: true",
        '    mend: leave the "when" of the last row out, or add a row for this situation',
        f"    example: {EXAMPLE}",
    ]
    assert lines[-1].startswith("1 thing to mend: 1 table (")


def test_quiet_is_only_what_is_wrong(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = changed_folder(tmp_path, "0x02A1.yaml", GAP, TWICE)
    code, lines = check(capsys, folder, "--quiet")
    assert code == 1
    codes = {line.split(": ")[1].split(" ")[0] for line in lines}
    assert codes - {"EXAMPLE"} == {"NOT-TOTAL", "TOO-MANY"}  # examples that meet the gap are told too
    assert check(capsys, default_folder() / "tables" / "0x02A1.yaml", "--quiet") == (0, [])


def test_json_is_one_document_with_stable_keys(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = changed_folder(tmp_path, "0x02A1.yaml", GAP)
    code = main(["map", "check", str(folder), "--format", "json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert code == 1
    assert found.keys() == {"check", "ok", "problems", "proved"}
    assert found["check"] == 1
    assert found["ok"] is False
    (problem,) = found["problems"]
    assert problem.keys() == {"file", "line", "column", "code", "message", "mend", "rows", "situation"}
    assert problem["situation"] == {
        "values": {
            "faultStatus": "noFault",
            "chargeStatus": "absent",
            "equipmentType": "dc_bb_charge",
            "operationMode": "absent",
            "power": "unmeasured",
            "contested": "yes",
            "reachable": "yes",
        },
        "given": [{"contested": True}],
        "unlike": [],
        "example": EXAMPLE,
    }
    assert found["proved"].keys() == {
        "tables", "overlays", "meters", "rows", "situations", "examples", "seconds", "files",
    }  # fmt: skip
    assert found["proved"]["files"][0].keys() == {"file", "rows", "situations", "times"}


def test_github_gets_annotations(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    strange = tmp_path / "100%, a:b"
    strange.mkdir()
    folder = changed_folder(strange, "0x02A1.yaml", GAP)
    code, lines = check(capsys, folder, "--format", "github")
    assert code == 1
    error, notice = lines
    where, _, message = error.removeprefix("::error ").partition("::")
    told = dict(part.split("=", 1) for part in where.split(","))
    escaped = str(folder).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    assert told["file"] == f"{escaped}/tables/0x02A1.yaml"
    assert (told["col"], told["title"]) == ("5", "NOT-TOTAL")
    assert message.startswith(f"{TOLD.removeprefix('NOT-TOTAL ')}%0Asituation: ")
    assert notice.startswith("::notice title=map check::1 thing to mend: ")


def test_an_example_that_fails_is_told_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    change = ('{chargeStatus: notConnected}, expect: {plug: "no"', '{chargeStatus: notConnected}, expect: {plug: "yes"')
    code, lines = check(capsys, changed_folder(tmp_path, "0x02A1.yaml", change), "--quiet")
    assert code == 1
    assert len(lines) == 1
    assert ": EXAMPLE plug is no, not yes (rows no-vehicle, " in lines[0]


def test_what_cannot_be_loaded_is_told_in_the_same_way(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    change = ("connector: Faulted}", "connector: Fauled}")
    folder = changed_folder(tmp_path, "0x02A1.yaml", change)
    code, lines = check(capsys, folder)
    assert code == 1
    assert ": WRONG-VALUE " in lines[0]
    assert " to mend; nothing was proved in " in lines[-1]
    _, lines = check(capsys, folder, "--format", "github")
    assert ",title=WRONG-VALUE::" in lines[0]
    code, lines = check(capsys, tmp_path / "nothing", "--quiet")
    assert (code, lines) == (1, [f"{tmp_path / 'nothing'}:1:1: FILE no such file or folder"])


def test_a_single_overlay_is_proved_on_its_table(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    overlay = tmp_path / "mine.yaml"
    shipped = (default_folder() / "vendors" / "example-on-off.yaml").read_text()
    overlay.write_text(shipped.replace("id: example-on-off", "id: mine", 1))
    _, lines = check(capsys, overlay)
    assert "1 overlay (" in lines[-1], lines
    assert "table" not in lines[-1].partition("(")[0]


def test_an_overlay_that_breaks_a_law_is_told_where_it_does(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(
        'mapping: 1\nkind: overlay\nid: mine\nclass: "0x02A1"\nmatch: {manufacturer: "0x00ABCD"}\nchanges:\n'
        "  - {override: polling.power.active, with: 100ms, why: to see it refused}\n"
        "  - {override: setpoints.stop.confirm.attempts, with: 2, why: to see it refused}\n"
    )
    code, lines = check(capsys, overlay, "--quiet")
    assert code == 1
    assert [line.partition(": ")[0].rpartition("/")[2] + line.partition(": ")[2][:9] for line in lines] == [
        "mine.yaml:7:44HASTY 100",
        "mine.yaml:8:55GIVES-UP ",
    ]


def test_a_wrong_command_line_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["map", "check", "--format", "xml"])
    assert stopped.value.code == 2
    capsys.readouterr()
