"""`map coverage`: what of a class a table uses, ignores or never mentions, and which rows its examples ask for."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

from bridge.authoring.coverage import Coverage, Covered, CoveredProperty, Status, coverage_of
from bridge.authoring.undecoded import undecoded
from bridge.cli.main import main
from bridge.echonet.dump import parse_dump
from bridge.mapping.load import default_folder, load_paths
from bridge.mapping.table import TableSource
from tests.tools.tables import parsed, shipped


@cache
def _source(code: int) -> TableSource:
    return next(source for source in shipped().sources if source.table.class_code == code)


@cache
def _coverage(code: int, release: str) -> Coverage:
    return coverage_of(_source(code), release)


def _property(code: int, release: str, name: str) -> CoveredProperty:
    return next(prop for prop in _coverage(code, release).releases[0].properties if prop.itself.name == name)


def _value(prop: CoveredProperty, name: str) -> Covered:
    return next(value for value in prop.values if value.name == name)


def test_a_property_is_used_where_its_name_stands() -> None:
    prop = _property(0x027E, "R", "vehicleConnectionConfirmation")
    assert (prop.epc, prop.itself.status) == (0xCD, Status.USED)
    sections = {use.section for use in prop.itself.uses}
    assert {"terms/canBeAsked", "StatusNotification/unsure-asked/ask/write"} <= sections
    for use in prop.itself.uses:
        file, _, line = use.place.rpartition(":")
        text = (default_folder() / "tables" / Path(file).name).read_text().splitlines()
        around = "\n".join(text[int(line) - 1 : int(line) + 2])
        assert "vehicleConnectionConfirmation" in around, use


def test_a_value_is_used_where_it_is_named_also_by_a_term_and_as_the_other_one() -> None:
    actual = _property(0x027E, "R", "actualOperationMode")
    assert _value(actual, "preparation").status is Status.USED  # only by the term `mode`
    assert any(use.section == "chargingState/ended" for use in _value(actual, "preparation").uses)
    mode = _property(0x027E, "R", "operationMode")
    assert any(use.section == "setpoints/pause/mode" for use in _value(mode, "idle").uses)  # otherwise: idle
    assert any(use.section.startswith("local/operationMode") for use in _value(mode, "charge").uses)


def test_a_word_of_the_language_is_no_property() -> None:
    prop = _property(0x027E, "R", "id")
    assert [use.section for use in prop.itself.uses] == ["attributes/1/1"]


def test_what_is_ignored_says_why() -> None:
    power_saving = _property(0x027E, "R", "powerSaving").itself
    assert power_saving.status is Status.IGNORED
    assert power_saving.why
    method = _property(0x027E, "P", "chargingMethod")
    assert _value(method, "v2G").status is Status.IGNORED
    assert _value(method, "v2G").why
    assert _value(method, "designatedElectricPower").status is Status.USED


def test_what_is_passed_on_is_told_as_it_is() -> None:
    assert {value.status for value in _property(0x027E, "R", "faultDescription").values} == {Status.TOLD}


def test_releases_differ_by_what_they_define() -> None:
    found = coverage_of(_source(0x027E))
    assert "".join(release.letters for release in found.releases) == "DEFGHIJKLMNPQR"
    by_letter = {letter: release for release in found.releases for letter in release.letters}
    names = {letter: {prop.itself.name for prop in release.properties} for letter, release in by_letter.items()}
    assert "actualOperationMode" in names["Q"] - names["P"]
    assert "chargingMethod" in names["N"] - names["M"]
    for release in found.releases:
        assert sum(release.totals()["properties"].values()) == len(release.properties)
        assert release.totals()["values"][Status.UNMENTIONED] == 0  # the shipped table is complete


def test_a_value_that_nothing_mentions_is_told(tmp_path: Path) -> None:
    text = (default_folder() / "tables" / "0x02A1.yaml").read_text()
    changed = re.sub(r"\bother\b(, |\])", lambda found: found[1] if found[1] == "]" else "", text).replace(", ]", "]")
    path = tmp_path / "0x02A1.yaml"
    path.write_text(changed)
    source = next(each for each in load_paths([path], parsed()).sources if each.document.file == str(path))
    prop = next(p for p in coverage_of(source, "R").releases[0].properties if p.itself.name == "operationMode")
    assert _value(prop, "other").status is Status.UNMENTIONED


def test_rows_are_named_with_the_examples_that_they_answer() -> None:
    rows = {row.label: row for row in _coverage(0x02A1, "R").rows}
    assert len(rows) == len(_coverage(0x02A1, "R").rows)
    assert all(row.examples for label, row in rows.items() if not label.startswith("setpoints"))
    assert rows["setpoints/charge/vehicle"].examples
    source = _source(0x02A1)
    lines = (default_folder() / "tables" / "0x02A1.yaml").read_text().splitlines()
    for row in rows.values():
        assert row.label.rpartition("/")[2] in lines[int(row.place.rpartition(":")[2]) - 1]
    assert rows["plug/blind"].place == source.table.plug_rows[3].answer.rule.rpartition(" ")[0]


def test_an_overlay_is_covered_with_its_parents() -> None:
    overlay = shipped().overlay_sources[0]
    found = coverage_of(overlay)
    assert found.file == overlay.document.file
    assert found.releases


def _run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["map", "coverage", *map(str, arguments)])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_the_command_tells_totals_and_what_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys)
    assert code == 0
    assert out.startswith("mappings/tables/0x027E.yaml: class 0x027E\n  Release D-F ")
    assert "\nmappings/tables/0x02A1.yaml: class 0x02A1\n" in out
    assert re.search(r"\n  DF reInterconnectionPermission: ignored: .+\n", out)


def test_the_command_tells_one_release_with_all_places(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys, "--release", "P", default_folder() / "tables" / "0x027E.yaml")
    assert code == 0
    assert "E1 actualOperationMode" not in out
    assert re.search(r"\n     idle: used: .*setpoints/stop/mode \([^)]*0x027E.yaml:\d+\)", out)


def test_the_command_tells_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys, "--format", "json", "--release", "R", default_folder() / "tables" / "0x02A1.yaml")
    (table,) = json.loads(out)["tables"]
    assert (code, table["class"], table["releases"][0]["releases"]) == (0, "0x02A1", ["R"])
    mode = next(prop for prop in table["releases"][0]["properties"] if prop["name"] == "operationMode")
    assert {value["name"] for value in mode["values"]} == {"charge", "standby", "idle", "other"}


def test_a_release_that_the_class_has_not_is_a_mistake_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = _run(capsys, "--release", "D", default_folder() / "tables" / "0x02A1.yaml")
    assert (code, err) == (2, "class 0x02A1 has no Release D: it has G, H, I, J, K, L, M, N, P, Q, R\n")


_DUMP = """\
{"dump": 1, "class": "0x027E", "object": "027E01", "release": "P", "maps": {"get": ["C7", "DA"]}, "redacted": true}
{"t": 0, "values": {"C7": "43", "DA": "44"}}
{"t": 1500, "values": {"DA": "4F", "E1": "42"}}
{"t": 2500, "values": {"DA": "4F"}}
"""


def test_what_a_dump_tells_and_cannot_be_decoded() -> None:
    found = [(each.text, each.t) for each in undecoded(_source(0x027E), parse_dump(_DUMP.splitlines()))]
    assert found == [
        ("DA=4F: operationMode has no such value", 1500),
        ("E1=42: this release has no such property", 1500),
    ]


def test_the_command_tells_what_a_dump_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump = tmp_path / "unit.jsonl"
    dump.write_text(_DUMP)
    code, out, _ = _run(capsys, "--dump", dump)
    assert code == 1
    assert "2 values that the table cannot decode" in out
    assert "  DA=4F: operationMode has no such value (first 1.500 s from the beginning)\n" in out
    dump.write_text("\n".join(_DUMP.splitlines()[:2]))
    code, out, _ = _run(capsys, "--dump", dump, "--format", "json")
    assert (code, json.loads(out)["dumps"][str(dump)]) == (0, [])
