"""`ocpp-echonet limit`: a limit for a running gateway, over its socket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.main import main
from tests.cli.test_present import answering, site

ONE = {"evse": 1, "by": "api", "source": "EMS", "direction": "charge", "watts": 2000.0, "seconds_left": 600}
ALL = {"evse": 0, "by": "grid", "source": "EMS", "direction": "charge", "watts": 5500.5, "seconds_left": None}


@pytest.mark.parametrize(
    ("arguments", "request_"),
    [
        (["set", "CS-1", "2000"], {"do": "limit_set", "station": "CS-1", "watts": 2000.0}),
        (
            ["set", "CS-1", "1", "2000", "--for", "600"],
            {"do": "limit_set", "station": "CS-1", "evse": 1, "watts": 2000.0, "seconds": 600},
        ),
        (["clear", "CS-1"], {"do": "limit_clear", "station": "CS-1"}),
        (["clear", "CS-1", "1"], {"do": "limit_clear", "station": "CS-1", "evse": 1}),
    ],
)
def test_it_asks_the_gateway_and_shows_what_is_in_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], request_: dict[str, Any]
) -> None:
    result = {"limits": [ALL, ONE], **({"cleared": True} if arguments[0] == "clear" else {})}
    with answering(tmp_path, {"result": result}) as heard:
        config = str(site(tmp_path))
        assert main(["limit", *arguments, "--config", config]) == 0
        assert capsys.readouterr().out == (
            "station: charge at most 5500.5 W (by grid, EMS)\nEVSE 1: charge at most 2000 W (by api, EMS, 600 s more)\n"
        )
        assert main(["limit", *arguments, "--config", config, "--format", "json"]) == 0
        assert json.loads(capsys.readouterr().out) == result
    assert heard == [{"api": 1, **request_}] * 2


def test_a_limit_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(tmp_path, {"result": {"limits": [], "cleared": False}}):
        assert main(["limit", "clear", "CS-1", "--config", str(site(tmp_path))]) == 1
    assert "no such limit" in capsys.readouterr().out


def test_what_the_gateway_refuses_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(tmp_path, {"error": '"watts" is a number from 0 to 1000000'}):
        assert main(["limit", "set", "CS-1", "-1", "--config", str(site(tmp_path))]) in (1, 2)
        assert main(["limit", "set", "CS-1", "1e9", "--config", str(site(tmp_path))]) == 1
    assert '"watts" is a number' in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["limit"], ["limit", "set", "CS-1"], ["limit", "set", "CS-1", "many"]])
def test_a_wrong_command_line_is_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([*arguments, "--config", "x.yaml"])
    assert left.value.code == 2


def test_without_a_gateway_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["limit", "clear", "CS-1", "--config", str(site(tmp_path))]) == 1
    assert "no gateway runs with" in capsys.readouterr().err
