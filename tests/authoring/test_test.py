"""`map test`: examples and replays, each failure with its place and the rows that decided."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.authoring.replay import START, Playback
from bridge.authoring.tables import source_of
from bridge.cli.main import main
from bridge.echonet.dump import CONTROLLER, UNIT, Header, frame_line, parse_dump, values_line
from bridge.echonet.frame import Frame, Service, encode
from tests.tools.tables import shipped

OBJECT, OURS = 0x027E01, 0x05FF01
SOURCE = source_of(shipped(), 0x027E)


def frame(t: int, service: Service, *properties: tuple[int, bytes], sender: str = UNIT) -> dict[str, Any]:
    way = (OBJECT, OURS) if sender == UNIT else (OURS, OBJECT)
    return frame_line(t, sender, encode(Frame(1, *way, service, properties)))


#: Free, then plugged in (announced), then somebody orders it to charge and it does, then it refuses to tell.
LINES: list[dict[str, Any]] = [
    Header(0x027E, OBJECT, "P", {"get": frozenset({0xC7, 0xDA, 0xD3}), "set": frozenset({0xDA})}, True).as_json(),
    values_line(0, {0x82: b"\0\0P\0", 0x88: b"\x42", 0xCC: b"\x32", 0xC7: b"\x30", 0xDA: b"\x44", 0xD3: bytes(4)}),
    frame(1000, Service.INF, (0xC7, b"\x41")),
    frame(2000, Service.SET_C, (0xDA, b"\x42"), sender=CONTROLLER),
    frame(2100, Service.SET_RES, (0xDA, b"")),
    frame(3000, Service.GET_RES, (0xDA, b"\x42"), (0xD3, b"\0\0\x0b\xb8")),
    frame(9000, Service.GET_SNA, (0xC7, b"")),
]
OVERLAY = """\
mapping: 1
kind: overlay
id: of-a-test
class: "0x027E"
match: {{manufacturer: "0x00FF00"}}
replays:
  - dump: unit.jsonl
{expect}
"""


def written(folder: Path, expect: str, lines: list[dict[str, Any]] = LINES) -> Path:
    (folder / "unit.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    path = folder / "overlay.yaml"
    path.write_text(OVERLAY.format(expect=expect))
    return path


def outcome(path: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    code = main(["map", "test", str(path), *more])
    told = capsys.readouterr()
    return code, told.out + told.err


def test_the_shipped_tables_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["map", "test"]) == 0
    out = capsys.readouterr().out
    assert "ok      mappings/tables/0x027E.yaml: " in out
    assert "ok      mappings/tables/0x0288.yaml: " in out


def test_a_dump_is_replayed_moment_by_moment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expect = """\
    given: {authorized: true, inTransaction: true, wanted: charge}
    expect:
      - {at: 0ms, plug: "no", connector: Available}
      - {at: 500ms, given: {authorized: false}, connector: Available}
      - {at: 1s, plug: "yes", chargingState: EVConnected}
      - {at: 3s, chargingState: Charging, measures: {power: 3000 W}, confirmed: true}
      - {at: 3s, receive: {SetChargingProfile: {limit: 0, unit: W}}, writes: ["DA=44"], mode: pause}
      - {plug: undetermined}"""
    assert outcome(written(tmp_path, expect), capsys) == (
        0,
        f"ok      {tmp_path}/overlay.yaml: 0 examples, 1 replays at 6 moments\n",
    )


def test_a_failure_is_told_with_its_place_what_was_found_and_the_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, "    expect:\n      - {at: 1s, connector: Available}")
    code, told = outcome(path, capsys)
    assert code == 1
    assert f"{path}:9:29: EXAMPLE connector is Occupied, not Available (rows vehicle, plugged, " in told
    assert f"FAILED  {path}: 0 examples, 1 replays at 1 moments, 1 not as expected" in told
    code, told = outcome(path, capsys, "--format", "json")
    files = json.loads(told)
    assert (code, files["failed"]) == (1, 1)
    assert files["files"][0]["problems"][0]["line"] == 9


@pytest.mark.parametrize(
    ("expect", "told"),
    [
        ("    expect: [{at: 2s, plug: 'yes'}, {at: 1s, plug: 'yes'}]", "REPLAY-ORDER 1s is before the moment above"),
        ("    expect: [{at: soon, plug: 'yes'}]", 'QUANTITY "soon" is no time'),
        ("    expect: [{at: 1s, plugg: 'yes'}]", 'UNKNOWN-KEY unknown expectation "plugg" - did you mean "plug"?'),
        ("    expect: [{at: 1s, given: {nothing: 1}, plug: 'yes'}]", "EXAMPLE"),
        ("    expect: [{at: 1s, given: ['C7'], plug: 'yes'}]", "EXAMPLE"),
        ("    expect: [{at: 1s, receive: {Reset: {}}, plug: 'yes'}]", 'no section for the message "Reset"'),
        ("    expect: []", 'WRONG-VALUE "expect" is empty'),
    ],
)
def test_mistakes_are_told(expect: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = outcome(written(tmp_path, expect), capsys)
    assert code == 1
    assert told in found or "SIZE" in found or "at least 1" in found


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("missing.jsonl", "cannot be read"),
        ("below/../../elsewhere.jsonl", "lies outside"),
        ("/etc/passwd", "WRONG-VALUE"),
        ("../elsewhere.jsonl", "WRONG-VALUE"),
    ],
)
def test_a_dump_lies_in_the_files_folder(
    name: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "elsewhere.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    path = written(folder, "    expect: [{plug: 'no'}]")
    path.write_text(path.read_text().replace("unit.jsonl", name))
    code, found = outcome(path, capsys)
    assert code == 1
    assert told in found


def test_a_dump_of_another_class_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [{**LINES[0], "class": "0x02A1", "object": "02A101"}, *LINES[1:2]]
    code, found = outcome(written(tmp_path, "    expect: [{plug: 'no'}]", lines), capsys)
    assert code == 1
    assert "DUMP-CLASS the dump is of class 0x02A1" in found


def test_a_broken_dump_is_told_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "    expect: [{plug: 'no'}]")
    (tmp_path / "unit.jsonl").write_text(json.dumps(LINES[0]) + '\n{"t": 0, "val')
    code, found = outcome(path, capsys)
    assert code == 1
    assert f"DUMP {tmp_path}/unit.jsonl:2: is no JSON" in found


def test_a_whole_dump_can_be_walked_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path, "    expect: [{plug: 'no'}]")
    dump = str(tmp_path / "unit.jsonl")
    assert main(["map", "test", "--dump", dump]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [[*line[:3], line[-1]] for line in lines if line[1] == "connector"] == [
        ["0.000", "connector", "Available", "free"],
        ["1.000", "connector", "Occupied", "plugged"],
        ["9.000", "connector", "Occupied", "power"],
    ]
    assert ["3.000", "chargingState", "Charging"] in [line[:3] for line in lines]
    assert main(["map", "test", "--dump", dump, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["connector"]["answer"] == "Available"


def test_a_playback_tells_how_each_value_came() -> None:
    playback = Playback(SOURCE.table, parse_dump([json.dumps(line) for line in LINES]))
    assert playback.at(500).facts[0xC7].edt == b"\x30"
    view = playback.at(1000)
    assert view.facts[0xC7].notified
    assert view.facts[0xC7].at == START + 1000
    assert not view.wrote
    view = playback.at(3500)
    assert view.wrote == {0xDA: START + 2000}
    assert not view.facts[0xDA].notified
    assert view.release == "P"
    view = playback.at(9000)
    assert 0xC7 not in view.facts
    assert view.refused == {0xC7}
