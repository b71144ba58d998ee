"""`map simulate`: a dump or a script in, the same timeline out each time.

The timelines that are expected lie in `tests/dumps/*.txt`, without line numbers and hashes of the tables, which change
with every edit of them. To write them anew: `python tests/authoring/test_simulate.py`.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path

import pytest

from bridge.authoring.course import Tell, course_of_dump, read_course
from bridge.cli.main import main
from bridge.cli.ocpp_words import call_of, summary
from bridge.echonet.dump import parse_dump
from tests.tools.tables import shipped

DUMPS = Path(__file__).parents[1] / "dumps"
GOLDEN = sorted(path for path in DUMPS.iterdir() if path.suffix in (".yaml", ".jsonl"))
MAPPINGS = shipped()
SCRIPT = """\
script: 1
class: "0x027E"
release: P
values: [{operationMode: standby, chargeDischargeStatus: chargeable}, "CC=32"]
"""


def steady(text: str) -> str:
    """Without what changes with every edit of the tables."""
    return re.sub(r"tables [0-9a-f]{16}", "tables -", re.sub(r"\.yaml:\d+ ", ".yaml ", text))


def timeline(path: Path, *more: str) -> tuple[int, str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main(["map", "simulate", str(path), *more])
    return code, out.getvalue()


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_the_timeline_is_as_it_was(path: Path) -> None:
    code, text = timeline(path)
    assert code == 0, text
    assert steady(text) == path.with_suffix(path.suffix + ".txt").read_text("utf-8")


def test_it_is_the_same_each_time_down_to_the_byte() -> None:
    first, second = (timeline(DUMPS / "session.yaml", "--all", "--format", "json") for _ in range(2))
    assert first == second
    assert first[0] == 0


def test_machines_get_whole_frames_and_messages() -> None:
    lines = [json.loads(line) for line in timeline(DUMPS / "session.yaml", "--format", "json")[1].splitlines()]
    head, *lines = lines
    assert head["class"] == "0x027E"
    started = next(line for line in lines if line.get("action") == "TransactionEvent")
    assert started["payload"]["eventType"] == "Started"
    assert started["t"] == 10_000
    written = [line["text"] for line in lines if line["kind"] == "frame" and "SET_C" in line["text"]]
    assert written[0] == "SET_C chargingMethod=designatedElectricPower (DC=03)"
    decided = [line["decided"]["connector"] for line in lines if "connector" in line.get("decided", {})]
    assert [each.split()[0] for each in decided] == ["Available", "Occupied", "Available"]


def test_a_charge_that_is_wanted_reaches_the_unit_as_a_write_and_the_csms_as_a_state() -> None:
    text = timeline(DUMPS / "session.yaml")[1]
    order = [
        "StatusNotification EVSE 1, Available",
        "INF chargeDischargeStatus=chargeable (C7=41)",
        "StatusNotification EVSE 1, Occupied",
        "RequestStartTransaction EVSE 1",
        "SET_C operationMode=charge (DA=42)",
        "chargingState: Charging",
        "SetChargingProfile 2000 W",
        "SET_C chargingElectricPower=2000 W (EB=000007D0)",
        "SET_C operationMode=idle (DA=47)",
        "TransactionEvent Ended, by RemoteStop",
    ]
    at = [text.index(each) for each in order]
    assert at == sorted(at)


def test_polls_and_the_start_are_shown_on_demand() -> None:
    short, long = timeline(DUMPS / "session.yaml")[1], timeline(DUMPS / "session.yaml", "--all")[1]
    assert "BootNotification" in long
    assert "BootNotification" not in short
    assert long.count("GET ") > 20
    assert "LAN ->  GET " not in short


def script(folder: Path, text: str) -> Path:
    path = folder / "script.yaml"
    path.write_text(SCRIPT + text)
    return path


def test_a_unit_that_falls_silent_is_told_as_unavailable(tmp_path: Path) -> None:
    text = timeline(script(tmp_path, "steps: [{at: 5s, silent: true}]\nuntil: 200s\n"))[1]
    assert "StatusNotification EVSE 1, Unavailable" in text


def test_what_is_refused_and_what_a_csms_may_not_ask_is_told(tmp_path: Path) -> None:
    text = timeline(script(tmp_path, "steps: [{at: 5s, csms: {SetChargingProfile: {evseId: one}}}]\n"))[1]
    assert "!       SetChargingProfile: " in text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("steps: [{at: 5s, values: {chargeDischargeStatus: chargable}}]", "6:11: SCRIPT"),
        ("steps: [{at: 5s, values: {chargeStatus: 1}}]", "SCRIPT"),
        ("steps: [{at: 5s}, {at: 1s}]", "SCRIPT-ORDER"),
        ("steps: [{at: five}]", "5:13: QUANTITY"),
        ("stepps: []", 'UNKNOWN-KEY unknown key "stepps" - did you mean "steps"?'),
        ("settable: [operationMod]", 'UNKNOWN-PROPERTY there is no "operationMod" - did you mean "operationMode"?'),
        ("reactions: [{written: {}, values: {}}]", "SCRIPT one written property"),
    ],
)
def test_mistakes_of_a_script_are_told(text: str, told: str, tmp_path: Path) -> None:
    code, found = timeline(script(tmp_path, text + "\n"))
    assert code == 1
    assert told.partition(":")[2].lstrip("0123456789: ") in found or told in found


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    assert timeline(tmp_path / "none.yaml") == (1, f"{tmp_path / 'none.yaml'}: no such file\n")
    (tmp_path / "d.jsonl").write_text("{}\n")
    code, text = timeline(tmp_path / "d.jsonl")
    assert (code, 'has no "dump"' in text) == (1, True)


def test_a_speed_is_above_zero() -> None:
    assert timeline(DUMPS / "session.yaml", "--speed", "0") == (1, "--speed is a number above zero\n")


def test_a_speed_paces_the_lines_and_changes_nothing_else(tmp_path: Path) -> None:
    path = script(tmp_path, "steps: [{at: 1s, values: {chargeDischargeStatus: notConnected}}]\n")
    assert timeline(path, "--speed", "100000", "--after", "1") == timeline(path, "--after", "1")


def test_a_dump_begins_with_what_it_tells_first_and_announces_what_it_announced() -> None:
    lines = (DUMPS / "plugged.jsonl").read_text("utf-8").splitlines()
    course = course_of_dump(parse_dump(lines), "plugged")
    assert course.values[0xC7] == b"\x30"
    changes = [moment for moment in course.moments if 0xC7 in moment.values]
    assert [moment.values[0xC7] for moment in changes][-1] == b"\x43"
    assert changes[-1].tell is Tell.ALL


def test_a_script_lets_be_read_what_it_tells(tmp_path: Path) -> None:
    course = read_course(script(tmp_path, "settable: [operationMode]\nannounced: []\n"), MAPPINGS)
    assert {0xDA, 0xC7, 0xCC, 0x82, 0x9D, 0x9E, 0x9F} <= course.gettable
    assert (course.settable, course.announced) == ({0xDA}, frozenset())
    assert course.values[0x82][2:3] == b"P"


def test_messages_are_short() -> None:
    event = {"eventType": "Updated", "triggerReason": "MeterValuePeriodic", "transactionInfo": {"transactionId": "1"}}
    assert summary("TransactionEvent", event) == "Updated, by MeterValuePeriodic"
    action, payload = call_of("SetChargingProfile", {"limit": -2000, "unit": "W"}, "tx-1")
    assert (action, payload["chargingProfile"]["transactionId"]) == ("SetChargingProfile", "tx-1")
    assert summary(action, payload) == "-2000 W"
    assert call_of("RequestStopTransaction", {}, "tx-1")[1] == {"transactionId": "tx-1"}


if __name__ == "__main__":
    for each in GOLDEN:
        each.with_suffix(each.suffix + ".txt").write_text(steady(timeline(each)[1]), "utf-8")
