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
    '{"api": 1, "do": "hands_off", "vehicle": "nobody", "on": true}',
    '{"api": 1, "do": "hands_off", "vehicle": 7, "on": true}',
    '{"api": 1, "do": "bind", "station": "CS-1", "evse": 1}',
    '{"api": 1, "do": "bind", "station": "CS-1", "evse": 1, "vehicle": ""}',
    '{"api": 1, "do": "bind", "station": "CS-1", "evse": 9, "vehicle": "V"}',
    '{"api": 1, "do": "unbind", "vehicle": "nobody"}',
    '{"api": 1, "do": "probe"}',
    '{"api": 1, "do": "probe", "unit": "nobody"}',
    '{"api": 1, "do": "probe", "unit": ["car"]}',
    '{"api": 1, "do": "discover", "seconds": "long"}',
    '{"api": 1, "do": "discover", "seconds": true}',
    '{"api": 1, "do": "dump", "unit": "car", "raw": 1}',
    '{"api": 1, "do": "ramp", "unit": "car", "yes": "please"}',
    b"\xff\xfe",
    "[" * 100_000,
]


def test_bad_requests_are_answered_with_what_is_wrong() -> None:
    async def play(here: House, api: ControlApi) -> None:
        for line in BAD:
            for answer in (api.handle(line), await api.answer(line, lambda _: None)):
                assert set(answer) == {"api", "error"}, (line[:50], answer)
                assert answer["error"]
        assert not here.station.positions[1].hands_off

    _in_house(play)


# -- who a unit is, and which vehicle is at it


def test_status_tells_who_a_unit_is_and_where() -> None:
    async def play(here: House, api: ControlApi) -> None:
        unit = _ask(api, do="status")["units"]["car"]
        assert (unit["weak"], len(unit["identity"])) == (False, 34)
        assert unit["at"] == {"network": "home", "address": "10.0.0.2", "eoj": 0x027E01}
        assert unit["not_served"] is None
        here.nodes[0].mute()
        await here.settle(300_000)
        assert _ask(api, do="status")["units"]["car"]["not_served"]

    _in_house(play)


async def _do(api: ControlApi, **request: Any) -> Any:
    answer = await api.answer(json.dumps({"api": 1, **request}), lambda _: None)
    json.dumps(answer)
    return answer.get("result", answer.get("error"))


def test_a_vehicle_is_bound_found_commanded_and_unbound() -> None:
    async def play(here: House, api: ControlApi) -> None:
        place = {"station": STATION, "evse": 1}
        assert await _do(api, do="vehicles") == {"vehicles": []}
        assert await _do(api, do="bind", vehicle="CAR-7", **place) == {**place, "vehicle": "CAR-7"}
        [known] = (await _do(api, do="vehicles"))["vehicles"]
        assert known | {"contradiction": None} == {
            **place, "vehicle_id": "CAR-7", "told": None, "bound": "CAR-7", "contradiction": None,
        }  # fmt: skip
        assert await _do(api, do="hands_off", vehicle="CAR-7", on=True) == {"hands_off": True}
        assert here.station.positions[1].hands_off
        assert "CAR-8" in await _do(api, do="hands_off", vehicle="CAR-8", on=True)
        assert "either" in await _do(api, do="stop", vehicle="CAR-7", station=STATION, evse=1)
        assert await _do(api, do="unbind", vehicle="CAR-7") == place
        assert await _do(api, do="vehicles") == {"vehicles": []}

    _in_house(play)


# -- the socket


@pytest.fixture
def api() -> ControlApi:
    class Nobody:
        stations: dict[str, Any] = {}  # noqa: RUF012
        damage = None
        contract = None
        balancing = None

        class store:  # noqa: N801
            trouble = None

        class units:  # noqa: N801
            runners: dict[str, Any] = {}  # noqa: RUF012
            strangers: dict[Any, Any] = {}  # noqa: RUF012

            class finder:  # noqa: N801
                class register:  # noqa: N801
                    conflicts: dict[str, Any] = {}  # noqa: RUF012

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
    store = {"trouble": None, "damaged": None}
    nothing = {"stations": {}, "units": {}, "store": store, "conflicts": [], "contract": None, "strangers": []}
    nothing["balancing"] = None
    assert good == {"api": 1, "result": nothing}
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


# -- what takes its time


class _Slow:
    """An operation that says two things, then waits until it is cancelled, and ends in order."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self, ground: Any, request: Any, tell: Any) -> dict[str, Any]:
        tell({"event": "one"})
        tell({"event": "two"})
        self.begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
        self.ended.set()
        return {"ended": "in order"}


@pytest.fixture
def slow(api: ControlApi, monkeypatch: pytest.MonkeyPatch) -> _Slow:
    operation = _Slow()

    async def quick(ground: Any, request: Any, tell: Any) -> dict[str, Any]:
        tell({"event": "going"})
        return {"done": request["number"]}

    async def broken(ground: Any, request: Any, tell: Any) -> dict[str, Any]:
        raise KeyError("a bug")

    monkeypatch.setattr("bridge.gateway.operations.OPERATIONS", {"slow": operation, "quick": quick, "broken": broken})
    monkeypatch.setattr(ControlApi, "_look_around", lambda self: None)
    return operation


async def _lines(reader: asyncio.StreamReader, count: int) -> list[Any]:
    async with asyncio.timeout(10):
        return [json.loads(await reader.readline()) for _ in range(count)]


async def test_events_come_before_the_result_and_requests_keep_their_order(
    api: ControlApi, slow: _Slow, tmp_path: Path
) -> None:
    await api.serve(tmp_path / "s")
    reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
    writer.write(b'{"api":1,"do":"quick","number":1}\n{"api":1,"do":"status"}\n{"api":1,"do":"quick","number":2}\n')
    first, second, status, third, fourth = await _lines(reader, 5)
    assert first == third == {"api": 1, "event": "going"}
    assert (second, fourth) == ({"api": 1, "result": {"done": 1}}, {"api": 1, "result": {"done": 2}})
    assert "stations" in status["result"]
    writer.close()
    await api.close()


async def test_what_goes_on_is_cancelled_in_order(api: ControlApi, slow: _Slow, tmp_path: Path) -> None:
    await api.serve(tmp_path / "s")
    reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
    writer.write(b'{"api":1,"do":"slow"}\n')
    assert [event["event"] for event in await _lines(reader, 2)] == ["one", "two"]
    writer.write(b'{"api":1,"do":"cancel"}\n')
    assert await _lines(reader, 1) == [{"api": 1, "result": {"ended": "in order"}}]
    writer.write(b'{"api":1,"do":"status"}\n')  # the connection goes on
    assert "result" in (await _lines(reader, 1))[0]
    writer.close()
    await api.close()


async def test_hanging_up_and_the_gateways_end_cancel_too(api: ControlApi, slow: _Slow, tmp_path: Path) -> None:
    await api.serve(tmp_path / "s")
    for end in ("client", "gateway"):
        slow.begun.clear()
        slow.ended.clear()
        _, writer = await asyncio.open_unix_connection(tmp_path / "s")
        writer.write(b'{"api":1,"do":"slow"}\n')
        async with asyncio.timeout(10):
            await slow.begun.wait()
            if end == "client":
                writer.close()
            else:
                await api.end_operations()
            await slow.ended.wait()
        writer.close()
    await api.close()


async def test_a_mistake_of_ours_is_an_answer_and_not_the_end(api: ControlApi, slow: _Slow, tmp_path: Path) -> None:
    await api.serve(tmp_path / "s")
    broken, status = await _talk(tmp_path / "s", b'{"api":1,"do":"broken"}', b'{"api":1,"do":"status"}')
    assert "its log tells more" in broken["error"]
    assert "result" in status
    await api.close()
