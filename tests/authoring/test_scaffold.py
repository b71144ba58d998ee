"""`map scaffold`: an overlay and a dump of a unit with an unfamiliar quirk, which pass `map test` at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.authoring.findings import look
from bridge.authoring.scaffold import default_id, overlay_text
from bridge.authoring.tables import source_for_dump, source_of
from bridge.cli.main import main
from bridge.echonet.dump import Dump, parse_dump
from bridge.echonet.frame import Service
from bridge.mapping.load import load_paths
from bridge.mapping.yamlfile import load_yaml
from bridge.sim.quirks import QUIRKS
from tests.authoring.test_test import LINES, OBJECT, frame
from tests.cli.test_operations import Street, in_street
from tests.tools.tables import parsed, shipped

MAPPINGS = shipped()
SOURCE = source_of(MAPPINGS, 0x027E)
#: Quirks of the network and the node leave too little to be read, and no overlay could help.
_UNREADABLE = frozenset({"never-answers", "garbage", "slow-answers", "crossing-answers", "flaky-adapter", "chokes"})


def dumped(**unit: Any) -> list[str]:
    """The dump of a simulated unit, as the tool would read it."""
    lines: list[str] = []

    async def play(here: Street) -> None:
        await here.unit(**unit)
        await here.ask("dump", unit="10.0.0.2", seconds=1)
        lines.extend(json.dumps(event["line"]) for event in here.ask.of("line"))

    in_street(play)
    return lines


def scaffolded(folder: Path, lines: list[str], *more: str) -> tuple[int, Path]:
    dump = folder / "raw.jsonl"
    dump.write_text("\n".join(lines) + "\n")
    code = main(["map", "scaffold", "--dump", str(dump), "--out", str(folder / "out"), "--id", "it", *more])
    return code, folder / "out" / "it.yaml"


def texts(lines: list[str]) -> list[str]:
    dump = parse_dump(lines)
    return [finding.text for finding in look(source_for_dump(MAPPINGS, dump), dump)]


@pytest.mark.parametrize("quirk", [name for name in QUIRKS if name not in _UNREADABLE])
def test_what_is_written_passes_at_once_whatever_the_quirk(
    quirk: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, overlay = scaffolded(tmp_path, dumped(quirks={quirk: True}))
    told = capsys.readouterr()
    assert code == 0, told.err
    assert main(["map", "test", str(overlay)]) == 0, capsys.readouterr()


@pytest.mark.parametrize("release", list("DGIMNR"))
def test_every_release_and_the_other_class(release: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, overlay = scaffolded(tmp_path, dumped(release=release))
    assert (code, main(["map", "test", str(overlay)])) == (0, 0), capsys.readouterr()


def test_the_other_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, overlay = scaffolded(tmp_path, dumped(unit_class=0x02A1, release="R"))
    assert (code, main(["map", "test", str(overlay)])) == (0, 0), capsys.readouterr()
    assert 'class: "0x02A1"' in overlay.read_text()


def test_it_asks_for_the_maker_the_product_and_the_release(tmp_path: Path) -> None:
    _, overlay = scaffolded(tmp_path, dumped(release="N"))
    match = load_yaml(overlay).data["match"]
    assert match == {"manufacturer": "0x000077", "productCode": "SIM-027E", "release": "N"}


def test_a_setting_that_is_never_told_loses_its_way(tmp_path: Path) -> None:
    _, overlay = scaffolded(tmp_path, dumped(quirks={"sna-for-ever": frozenset({0xEB})}))
    changes = load_yaml(overlay).data["changes"]
    assert [change["remove"] for change in changes] == ["setpoints.charge.ways.power", "local.chargingElectricPower"]
    assert all("always refused" in change["why"] for change in changes)
    source = load_paths([overlay], parsed()).overlays.source("it")
    assert [way.rule.split()[-1] for way in source.table.setpoints["charge"].ways] == ["reversal", "current", "on-off"]


def test_a_unit_that_never_tells_whether_a_vehicle_is_there_is_found_and_a_mend_proposed(tmp_path: Path) -> None:
    lines = dumped(quirks={"undetermined": True})
    assert texts(lines)[0].startswith("whether a vehicle is there is undetermined (row not-told)")
    _, overlay = scaffolded(tmp_path, lines)
    assert "#        - add: plug.never-told" in overlay.read_text()


def test_the_proposal_works_once_it_is_uncommented(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, overlay = scaffolded(tmp_path, dumped(quirks={"undetermined": True}))
    lines = overlay.read_text().splitlines()
    proposed = [line.removeprefix("#      ") for line in lines if line.startswith("#      ")]
    overlay.write_text("\n".join([*lines, *proposed]) + "\n")
    assert main(["map", "test", str(overlay)]) == 1
    told = capsys.readouterr().out
    assert "plug is blind, not undetermined" in told
    text = overlay.read_text().replace('plug: "undetermined", connector: keep', "plug: blind, connector: Available")
    overlay.write_text(text.replace("{wanted: charge}, refused: vehicle", "{wanted: charge}, mode: charge"))
    assert main(["map", "test", str(overlay)]) == 0, capsys.readouterr()


def test_an_amount_of_two_bytes_is_found() -> None:
    found = texts(dumped(quirks={"short-amount": True}))
    assert any(text.startswith("targetDischargingElectricEnergy (EA) is 0000") and "2 bytes" in text for text in found)


def test_overflows_are_found() -> None:
    found = texts(dumped(quirks={"overflow": True}))
    assert any("instantaneousElectricPower (D3) says (overflow)" in text for text in found)
    assert any(text.startswith("it tells no power") for text in found)


def test_what_is_only_switched_on_and_off_is_found() -> None:
    found = texts(dumped(quirks={"on-off": True}))
    assert any("charge is only switched on and off" in text for text in found)


def test_a_unit_like_any_other_has_little_to_tell() -> None:
    assert all("announcements" in text for text in texts(dumped()))


def own_property() -> Dump:
    lines = [
        *LINES[:1],
        frame(0, Service.GET_RES, (0xF3, b"\x01\x02"), (0xC7, b"\x4f"), (0x8A, b"\0\0\x77")),
        *LINES[1:2],
    ]
    return parse_dump([json.dumps(line) for line in lines])


def test_a_property_of_the_makers_own_becomes_a_definition(tmp_path: Path) -> None:
    dump = own_property()
    (tmp_path / "it.jsonl").write_text("")
    path = tmp_path / "it.yaml"
    path.write_text(overlay_text(SOURCE, dump, "it", "it.jsonl"))
    source = load_paths([path], parsed()).overlays.source("it")
    assert source.table.device.epc_of("makerF3") == 0xF3
    assert source.table.device.at("P").decode(0xF3, b"\x01\x02") == b"\x01\x02"


def test_a_value_that_is_not_defined_is_raw_and_a_proposal() -> None:
    lines = [json.dumps(line) for line in (*LINES[:2], frame(10, Service.GET_RES, (0xC7, b"\x4f")))]
    finding = next(each for each in look(SOURCE, parse_dump(lines)) if "(C7) is 4F" in each.text)
    assert "What does it mean?" in finding.text
    assert any('"0x4F": NAME_IT' in line for line in finding.todo)
    assert not finding.changes


def test_the_id_comes_from_maker_and_product() -> None:
    assert default_id(parse_dump(dumped())) == "maker-000077-sim-027e"
    assert default_id(parse_dump([json.dumps(line) for line in LINES])) == "maker-unknown"
    assert OBJECT >> 8 == 0x027E


def test_nothing_is_overwritten_unless_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = dumped()
    assert scaffolded(tmp_path, lines)[0] == 0
    assert scaffolded(tmp_path, lines)[0] == 1
    assert "exists already" in capsys.readouterr().err
    assert scaffolded(tmp_path, lines, "--force")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--id", "No Good"], "is no id"),
        ([], "name a UNIT, or give --dump"),
        (["--dump", "missing.jsonl"], "is empty"),
    ],
)
def test_mistakes_are_told(arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump = tmp_path / "raw.jsonl"
    dump.write_text("\n".join(json.dumps(line) for line in LINES))
    given = ["--dump", str(dump)] if "--id" in arguments else []
    assert main(["map", "scaffold", *given, *arguments, "--out", str(tmp_path)]) == 1
    assert told in capsys.readouterr().err
