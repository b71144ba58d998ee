"""`run` keeps parsed tables in its `state_dir`, and does without where it cannot."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import structlog

from bridge.cli.run import run
from bridge.gateway import process
from tests.bench.programs import site


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would be served."""
    served: list[Any] = []

    async def serve(_: object, mappings: object, *_others: object) -> None:
        served.append(mappings)

    monkeypatch.setattr(process, "serve", serve)
    monkeypatch.setattr(structlog, "configure", lambda **_: None)
    return served


def start(folder: Path) -> argparse.Namespace:
    config = site(folder, "ws://127.0.0.1:9/ocpp", "127.0.0.1", "127.0.0.2", "239.62.1.9")
    return argparse.Namespace(config=config)


def test_what_was_parsed_is_kept_below_the_state_dir(started: list[Any], tmp_path: Path) -> None:
    options = start(tmp_path)
    assert run(options) == 0
    kept = sorted((tmp_path / "state" / "cache").iterdir())
    assert kept
    assert all(json.loads(entry.read_bytes().splitlines()[0])["format"] == 1 for entry in kept)
    assert run(options) == 0
    assert sorted((tmp_path / "state" / "cache").iterdir()) == kept
    first, second = started
    assert second.content_hash == first.content_hash
    assert set(second.tables) == set(first.tables) == {0x027E}


def test_without_a_place_for_it_one_line_says_so(started: list[Any], tmp_path: Path) -> None:
    options = start(tmp_path)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "cache").write_text("in the way")
    with structlog.testing.capture_logs() as lines:
        assert run(options) == 0
    assert started[0].tables
    [line] = [line for line in lines if "cache" in line["event"]]
    assert line["log_level"] == "debug"
    assert line["reason"].startswith(str(tmp_path / "state" / "cache"))
