"""`ocpp-echonet present`: a token for a running gateway, over its socket."""

from __future__ import annotations

import io
import json
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.main import main
from bridge.gateway.api import SOCKET

SITE = {
    "config": 1,
    "networks": {"home": {"bind": "192.0.2.10"}},
    "units": {"car": {"address": "192.0.2.20"}},
    "stations": [{"id": "CS-1", "csms": {"url": "ws://x.example"}, "evses": [{"id": 1, "unit": "car"}]}],
}


@contextmanager
def gateway(folder: Path, answer: Callable[[dict[str, Any]], Any]) -> Iterator[list[dict[str, Any]]]:
    """A gateway's socket, in a thread; the requests that came."""
    heard: list[dict[str, Any]] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                heard.append(json.loads(line))
                self.wfile.write(json.dumps(answer(heard[-1])).encode() + b"\n")

    with socketserver.ThreadingUnixStreamServer(str(folder / SOCKET), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield heard
        finally:
            server.shutdown()
            serving.join()


@contextmanager
def answering(folder: Path, answer: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """One that answers every request alike."""
    with gateway(folder, lambda _: {"api": 1, **answer}) as heard:
        yield heard


def site(folder: Path) -> Path:
    path = folder / "site.yaml"
    path.write_text(json.dumps(SITE | {"state_dir": str(folder)}))
    return path


def command(config: Path, *arguments: str) -> int:
    return main(["present", "--config", str(config), "--station", "CS-1", *arguments])


@pytest.mark.parametrize(
    ("outcome", "code", "said"),
    [("accepted", 0, "accepted at EVSE 1: "), ("stopped", 0, "stopped at EVSE 1: "), ("denied", 1, "denied: ")],
)
def test_it_tells_what_came_of_a_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], outcome: str, code: int, said: str
) -> None:
    result = {"outcome": outcome, "reason": "because", "evses": [] if outcome == "denied" else [1]}
    with answering(tmp_path, {"result": result}) as heard:
        assert command(site(tmp_path), "--evse", "1", "AABB", "--type", "Local") == code
        assert capsys.readouterr().out == f"{said}because\n"
        assert command(site(tmp_path), "--format", "json", "AABB") == code
        assert json.loads(capsys.readouterr().out) == result
    first, second = heard
    assert first == {
        "api": 1, "do": "present", "station": "CS-1", "evse": 1, "token": {"idToken": "AABB", "type": "Local"},
    }  # fmt: skip
    assert second == {"api": 1, "do": "present", "station": "CS-1", "token": {"idToken": "AABB", "type": "ISO14443"}}


def test_a_token_may_come_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a PIN stands in no list of processes."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("1234\n"))
    with answering(tmp_path, {"result": {"outcome": "accepted", "reason": "", "evses": [1]}}) as heard:
        assert command(site(tmp_path), "--type", "KeyCode") == 0
    assert heard[0]["token"] == {"idToken": "1234", "type": "KeyCode"}


def test_what_the_gateway_refuses_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(tmp_path, {"error": '"evse" is one of [1]'}):
        assert command(site(tmp_path), "--evse", "9", "AABB") == 1
    assert '"evse" is one of [1]' in capsys.readouterr().err


def test_without_a_gateway_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(site(tmp_path), "AABB") == 1
    assert "no gateway runs with" in capsys.readouterr().err
