"""What the log hides, and what it looks like."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog

from bridge.gateway.config import LogConfig
from bridge.gateway.logs import redact, set_up_logs


@pytest.fixture
def log() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.parametrize("name", ["password", "id_token", "Authorization", "idToken", "client_secret"])
def test_values_under_secret_names_are_hidden(name: str) -> None:
    assert redact(None, "info", {"event": "e", name: "x"})[name] == "***"


def test_what_is_nested_is_hidden_too() -> None:
    event = redact(None, "info", {"event": "e", "payload": {"idToken": {"idToken": "x"}, "n": [{"password": "x"}, 7]}})
    assert event["payload"] == {"idToken": "***", "n": [{"password": "***"}, 7]}


def test_json_lines_with_level_and_time(log: None, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(LogConfig())
    logger = structlog.get_logger("one of its own")
    logger.debug("unseen")
    logger.bind(station="CS-1").info("seen", token="x", text="日本")
    [line] = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert (entry["event"], entry["level"], entry["station"], entry["token"]) == ("seen", "info", "CS-1", "***")
    assert entry["timestamp"].endswith("Z")
    assert "日本" in line
