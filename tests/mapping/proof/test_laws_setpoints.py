"""Laws about setpoints: the shipped tables keep them, and a small change breaks exactly the law that it should."""

import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from bridge.mapping.load import default_folder, load_mappings
from bridge.mapping.proof.finding import Finding
from bridge.mapping.proof.laws_setpoints import LAWS
from bridge.mapping.proof.laws_setpoints_world import situations
from bridge.mapping.proof.meaning import Meaning
from bridge.mapping.table import TableSource
from tests.tools.tables import parsed, shipped

_CHANGES: dict[str, Any] = {
    change["name"]: change
    for change in YAML(typ="safe").load(Path(__file__).with_name("setpoint_changes.yaml").read_text())
}


@cache
def _shipped() -> dict[str, TableSource]:
    mappings = shipped()
    return {source.document.file: source for source in (*mappings.sources, *mappings.overlay_sources)}


@pytest.mark.parametrize("file", _shipped())
def test_the_shipped_tables_and_overlays_keep_all_laws(file: str) -> None:
    meaning = Meaning(_shipped()[file])
    assert [finding for law in LAWS for finding in law(meaning)] == []


def _changed(folder: Path, table: str, old: str, new: str) -> Meaning:
    """The shipped table with one text in the place of another, that stands in it once."""
    shutil.copytree(default_folder() / "devices", folder / "devices")
    (folder / "tables").mkdir()
    text = (default_folder() / "tables" / table).read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {table}"
    (folder / "tables" / table).write_text(text.replace(old, new))
    return Meaning(load_mappings(folder, cache=parsed()).sources[0])


def _findings(meaning: Meaning) -> list[Finding]:
    return [finding for law in LAWS for finding in law(meaning)]


def _told(finding: Finding) -> str:
    path = "/".join(str(step) for step in finding.path)
    return f"{finding.code} {path} {finding.text.partition(' (once ')[0]}"


@pytest.mark.parametrize("name", _CHANGES)
def test_a_small_change_is_found(name: str, tmp_path: Path) -> None:
    change = _CHANGES[name]
    meaning = _changed(tmp_path, change["table"], change["instead_of"], change["stands"])
    findings = _findings(meaning)
    assert [_told(finding) for finding in findings] == change["finds"]
    for finding in findings:
        assert finding.places is not None
        assert meaning.sets.holds(meaning.possible, finding.places)


def test_a_counter_example_says_what_is_and_what_is_written(tmp_path: Path) -> None:
    change = _CHANGES["a way that its own write pauses"]
    meaning = _changed(tmp_path, change["table"], change["instead_of"], change["stands"])
    finding = _findings(meaning)[0]
    assert "(once operationMode=charge," in finding.text
    assert finding.places is not None
    operation_mode = meaning.space.index[("value", 0xDA)]
    assert meaning.space.variables[operation_mode].values[finding.places[operation_mode]] != "charge"
    shown = situations(meaning).show(finding)
    assert shown is not None
    assert shown.view.wanted.mode.value == "charge"
    assert meaning.table.recipe(shown.view).mode.value == "charge"
