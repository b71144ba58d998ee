"""The command: what it prints, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge import __version__
from bridge.cli.main import main

ROOT = Path(__file__).parents[2]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"ocpp-echonet {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["fly"], ["check"], ["run"], ["demo", "--format", "xml"]])
def test_a_wrong_command_line_is_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: ocpp-echonet" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_wrong_configuration_ends_with_its_mistakes(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("config: 1\nstatedir: x\n")
    assert main([command, "--config", str(path)]) == 1
    told = capsys.readouterr()
    assert f'{path}:2:1: UNKNOWN-KEY unknown key "statedir" - did you mean "state_dir"?' in told.err
    assert told.out == ""


def test_check_passes_the_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "site.yaml").write_text((ROOT / "config" / "site.yaml").read_text())
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "csms-password").write_text("x")
    (secrets / "csms-password").chmod(0o600)
    assert main(["check", "--config", str(tmp_path / "site.yaml")]) == 0
    assert "1 station(s)" in capsys.readouterr().out


def test_the_demo_over_real_sockets_sees_every_step() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bridge.cli.main", "demo", "--format", "json"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert all({"t", "step", "from", "to", "frame"} <= set(row) for row in rows)
    assert all(row["seen"] for row in rows if row.get("expected"))
