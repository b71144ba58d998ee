"""`ocpp-echonet status`: what a site operator reads, and what a monitor makes of the exit code."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.main import main
from tests.cli.test_present import answering, site

WELL: dict[str, Any] = {
    "stations": {
        "CS-1": {
            "online": True,
            "trouble": None,
            "events_waiting": 0,
            "events_given_up": {"number": 0, "why": ""},
            "limits": [],
            "evses": {
                "1": {
                    "status": "Occupied",
                    "transaction": "T-1",
                    "wanted": "charge",
                    "target_mw": 3_000_000,
                    "hands_off": False,
                }
            },
        }
    },
    "units": {
        "car": {
            "reachable": True,
            "at": {"address": "192.0.2.20"},
            "charging_state": "Charging",
            "connector": "Occupied",
            "power": {"value": 2_990_000},
            "soc": {"value": 54_000},
            "trouble": None,
            "fault": None,
            "not_served": None,
        }
    },
    "store": {"trouble": None, "damaged": None},
    "contract": None,
    "conflicts": [],
}


def said(tmp_path: Path, capsys: pytest.CaptureFixture[str], status: dict[str, Any]) -> tuple[int, str]:
    with answering(tmp_path, {"result": status}):
        code = main(["status", "--config", str(site(tmp_path))])
    return code, capsys.readouterr().out


def test_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(tmp_path, capsys, WELL) == (
        0,
        "  station CS-1: online\n"
        "      EVSE 1: Occupied, transaction T-1, wanted: charge 3000 W\n"
        "  unit car at 192.0.2.20: Charging, 2990 W, 54 %\n",
    )


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("stations/CS-1/online", False, "! station CS-1: its CSMS is away: it has not accepted the station"),
        (
            "stations/CS-1/events_given_up",
            {"number": 2, "why": "InternalError"},
            "!     2 messages were refused for good, the last: InternalError",
        ),
        ("units/car/reachable", False, "! unit car at 192.0.2.20: does not answer"),
        ("units/car/trouble", "it does not start", "!     it does not start"),
        ("units/car/not_served", "two claim its identity", "!     two claim its identity"),
        ("units/car/fault", {"code": "0x0011", "description": "over-current"}, "!     fault 0x0011 over-current"),
        ("store/trouble", "the disk is full: make room", "! store: the disk is full: make room"),
        ("store/damaged", "12 of 14 events were saved", "! store: 12 of 14 events were saved"),
        (
            "contract",
            {"charging_mw": 0, "trouble": "the meter does not tell"},
            "! grid connection: the meter does not tell",
        ),
        (
            "balancing",
            {"setpoints_mw": {"CS-1 1": 0}, "trouble": "the meter does not tell"},
            "! load balancing: the meter does not tell",
        ),
    ],
)
def test_what_is_wrong_is_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, value: Any, line: str
) -> None:
    status = deepcopy(WELL)
    *folders, name = path.split("/")
    place = status
    for folder in folders:
        place = place[folder]
    place[name] = value
    code, text = said(tmp_path, capsys, status)
    assert code == 1
    assert line in text.splitlines()


def test_limits_and_what_waits_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = deepcopy(WELL)
    station = status["stations"]["CS-1"]
    station["events_waiting"] = 7
    station["limits"] = [{"evse": None, "direction": "charge", "watts": 2000.0, "by": "grid"}]
    status["contract"] = {"charging_mw": 2_000_000, "trouble": None}
    status["balancing"] = {"setpoints_mw": {"CS-1 1": -1_500_000}, "trouble": None}
    code, text = said(tmp_path, capsys, status)
    assert code == 0
    assert "  station CS-1: online, 7 messages wait for it\n" in text
    assert "      all EVSEs: charge at most 2000 W (by grid)\n" in text
    assert "  grid connection: 2000 W are left for charging\n" in text
    assert "  load balancing: CS-1 1: -1500 W\n" in text


def test_json_is_what_the_gateway_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(tmp_path, {"result": WELL}):
        assert main(["status", "--config", str(site(tmp_path)), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == WELL


def test_without_a_gateway_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--config", str(site(tmp_path))]) == 1
    assert "no gateway runs with" in capsys.readouterr().err
