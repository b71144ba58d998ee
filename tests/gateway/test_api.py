"""The control socket: what it answers, who may reach it, and that bad requests harm nobody."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from bridge.clock import run_virtual
from bridge.gateway.api import ControlApi
from tests.tools.house import STATION, House, house


def _in_house(play: Any) -> None:
    async def main() -> None:
        async with house() as here:
            await play(here, ControlApi(here.gateway))

    run_virtual(main())


def _ask(api: ControlApi, **request: Any) -> Any:
    answer = api.handle(json.dumps({"api": 1, **request}))
    json.dumps(answer)
    return answer.get("result", answer.get("error"))


def test_status_tells_of_stations_and_units() -> None:
    async def play(here: House, api: ControlApi) -> None:
        transaction = await here.start(3000)
        await here.settle()
        status = _ask(api, do="status")
        station = status["stations"][STATION]
        assert station["online"] is True
        assert station["events_waiting"] == 0
        assert station["evses"][1]["transaction"] == transaction
        assert station["evses"][1]["status"] == "Occupied"
        assert station["evses"][1]["target_mw"] == 3_000_000
        assert status["units"]["car"]["reachable"] is True
        assert status["units"]["car"]["power"]["value"] == 3_000_000

    _in_house(play)


def test_hands_off_and_stop() -> None:
    async def play(here: House, api: ControlApi) -> None:
        await here.start(3000)
        assert _ask(api, do="hands_off", station=STATION, evse=1, on=True) == {"hands_off": True}
        assert here.station.positions[1].hands_off
        assert _ask(api, do="hands_off", station=STATION, evse=1, on=False) == {"hands_off": False}
        assert _ask(api, do="stop", station=STATION, evse=1) == {"stopped": True}
        ended = await here.told("TransactionEvent", eventType="Ended")
        assert ended["transactionInfo"]["stoppedReason"] == "Local"
        await here.unit.until(lambda unit: unit.power_w == 0)
        assert _ask(api, do="stop", station=STATION, evse=1) == {"stopped": False}

    _in_house(play)


BAD = [
    "",
    "{",
    "[]",
    "7",
    '"status"',
    '{"do": "status"}',
    '{"api": 2, "do": "status"}',
    '{"api": 1}',
    '{"api": 1, "do": "erase"}',
    '{"api": 1, "do": ["status"]}',
    '{"api": 1, "do": "stop"}',
    '{"api": 1, "do": "stop", "station": ["CS-1"], "evse": 1}',
    '{"api": 1, "do": "stop", "station": "CS-1", "evse": 9}',
    '{"api": 1, "do": "stop", "station": "CS-1", "evse": [1]}',
    '{"api": 1, "do": "stop", "station": "CS-1", "evse": {}}',
    '{"api": 1, "do": "stop", "station": "CS-1", "evse": true}',
    '{"api": 1, "do": "hands_off", "station": "CS-1", "evse": 1, "on": "yes"}',
    b"\xff\xfe",
    "[" * 100_000,
]


def test_bad_requests_are_answered_with_what_is_wrong() -> None:
    async def play(here: House, api: ControlApi) -> None:
        for line in BAD:
            answer = api.handle(line)
            assert set(answer) == {"api", "error"}, (line[:50], answer)
            assert answer["error"]
        assert not here.station.positions[1].hands_off

    _in_house(play)


# -- the socket


@pytest.fixture
def api() -> ControlApi:
    class Nobody:
        stations: dict[str, Any] = {}  # noqa: RUF012

        class units:  # noqa: N801
            runners: dict[str, Any] = {}  # noqa: RUF012

    return ControlApi(Nobody())  # type: ignore[arg-type]


async def _talk(path: Path, *lines: bytes) -> list[dict[str, Any]]:
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_unix_connection(path)
        answers = []
        for line in lines:
            writer.write(line + b"\n")
            await writer.drain()
            answers.append(json.loads(await reader.readline()))
        writer.close()
        return answers


async def test_the_socket_is_its_owners_alone_and_talks_in_lines(api: ControlApi, tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    await api.serve(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    good, bad = await _talk(path, b'{"api": 1, "do": "status"}', b"nonsense")
    assert good == {"api": 1, "result": {"stations": {}, "units": {}}}
    assert "error" in bad
    await api.close()


async def test_what_a_killed_gateway_left_is_replaced(api: ControlApi, tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    dead = await asyncio.start_unix_server(lambda reader, writer: None, path)
    dead.close()
    assert path.exists()
    await api.serve(path)
    assert await _talk(path, b'{"api": 1, "do": "status"}')
    await api.close()


async def test_a_line_without_end_closes_that_client_only(api: ControlApi, tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    await api.serve(path)
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"x" * 200_000)
        assert await reader.read() == b""
        writer.close()
    assert await _talk(path, b'{"api": 1, "do": "status"}')
    await api.close()
