"""`ocpp-echonet target`: how far a transaction of a running gateway goes, over its socket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.main import main
from tests.cli.test_present import answering, site

SET = {"do": "target_set", "station": "CS-1", "evse": 1, "direction": "charge"}


def told(direction: str, energy: float | None, soc: float | None) -> dict[str, Any]:
    return {"target": {"direction": direction, "energy": energy, "soc": soc, "moved": None, "reached": False}}


@pytest.mark.parametrize(
    ("arguments", "request_", "result", "line"),
    [
        (["--energy", "5000"], SET | {"energy": 5000.0}, told("charge", 5000.0, None), "charge: 5000 Wh\n"),
        (["--soc", "80"], SET | {"soc": 80.0}, told("charge", None, 80.0), "charge: 80 %\n"),
        (
            ["--soc", "30", "--energy", "2500.5", "--discharge"],
            SET | {"soc": 30.0, "energy": 2500.5, "direction": "discharge"},
            told("discharge", 2500.5, 30.0),
            "discharge: 2500.5 Wh or 30 %\n",
        ),
    ],
)
def test_it_sets_and_shows_a_target(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    request_: dict[str, Any],
    result: dict[str, Any],
    line: str,
) -> None:
    with answering(tmp_path, {"result": result}) as heard:
        config = ["--config", str(site(tmp_path))]
        assert main(["target", "set", "CS-1", "1", *arguments, *config]) == 0
        assert capsys.readouterr().out == line
        assert main(["target", "set", "CS-1", "1", *arguments, *config, "--format", "json"]) == 0
        assert json.loads(capsys.readouterr().out) == result
    assert heard == [{"api": 1, **request_}] * 2


@pytest.mark.parametrize(("cleared", "code", "out"), [(True, 0, ""), (False, 1, "there was no target\n")])
def test_it_ends_a_target(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cleared: bool, code: int, out: str
) -> None:
    with answering(tmp_path, {"result": {"cleared": cleared}}) as heard:
        assert main(["target", "clear", "CS-1", "1", "--config", str(site(tmp_path))]) == code
    assert capsys.readouterr().out == out
    assert heard == [{"api": 1, "do": "target_clear", "station": "CS-1", "evse": 1}]


def test_what_the_gateway_refuses_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(tmp_path, {"error": "EVSE 1 has no transaction that could have a target"}):
        assert main(["target", "set", "CS-1", "1", "--soc", "80", "--config", str(site(tmp_path))]) == 1
    assert "has no transaction" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["target"], ["target", "set", "CS-1"], ["target", "set", "CS-1", "1", "--soc"]])
def test_a_wrong_command_line_is_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
