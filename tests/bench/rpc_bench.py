"""How many SetChargingProfile calls of 24 periods go through in a second: ours, and the `ocpp` package's own.

Both do the same for a text: parse it, hold it against the schema, make objects of it, hand it to a trivial handler and
make the text of the answer. `measure()` gives messages per second and their ratio; the target is a ratio of 15.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from ocpp.routing import on
from ocpp.v201 import ChargePoint, call_result
from ocpp.v201.enums import ChargingProfileStatusEnumType

from bridge.clock import Clock
from bridge.station.link import Link
from bridge.station.link_memory import MemoryConnection, MemoryDialer
from bridge.station.messages import ChargingProfileStatus, SetChargingProfileRequest, SetChargingProfileResponse
from bridge.station.messages.v201 import Adapter


def message(message_id: str) -> str:
    """A SetChargingProfile with one limit for every hour of a day."""
    periods = [{"startPeriod": 3600 * hour, "limit": 3000.0 + 100 * hour, "numberPhases": 1} for hour in range(24)]
    schedule = {
        "id": 1,
        "startSchedule": "2026-01-05T00:00:00Z",
        "duration": 86400,
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": periods,
    }
    profile = {
        "id": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [schedule],
    }
    return json.dumps([2, message_id, "SetChargingProfile", {"evseId": 1, "chargingProfile": profile}])


class _Ours:
    """The trivial handler on our link."""

    def __init__(self) -> None:
        self.up = asyncio.Event()

    def on_connected(self) -> None:
        self.up.set()

    def on_disconnected(self, why: str) -> None:
        pass

    async def on_call(self, request: Any) -> SetChargingProfileResponse:
        assert isinstance(request, SetChargingProfileRequest)
        assert len(request.charging_profile.charging_schedule[0].charging_schedule_period) == 24
        return SetChargingProfileResponse(ChargingProfileStatus.ACCEPTED)


async def _ours(texts: list[str]) -> float:
    ends: list[MemoryConnection] = []
    link = Link(MemoryDialer(ends.append), Adapter(), Clock(1))
    handler = _Ours()
    running = asyncio.create_task(link.run(handler))
    await handler.up.wait()
    answers = aiter(ends[0])
    started = time.perf_counter()
    for text in texts:
        await ends[0].send(text)
        assert '"Accepted"' in await anext(answers)
    spent = time.perf_counter() - started
    running.cancel()
    await asyncio.wait([running])
    return len(texts) / spent


@dataclass
class _FakeConnection:
    """What the package's ChargePoint needs of a WebSocket."""

    incoming: asyncio.Queue
    outgoing: asyncio.Queue
    subprotocol: str = "ocpp2.0.1"

    async def recv(self) -> str:
        return await self.incoming.get()

    async def send(self, text: str) -> None:
        self.outgoing.put_nowait(text)


class _Theirs(ChargePoint):
    @on("SetChargingProfile")
    def on_set_charging_profile(self, **_: Any) -> Any:
        return call_result.SetChargingProfile(status=ChargingProfileStatusEnumType.accepted)


async def _theirs(texts: list[str]) -> float:
    logging.getLogger("ocpp").setLevel(logging.ERROR)
    connection = _FakeConnection(asyncio.Queue(), asyncio.Queue())
    running = asyncio.create_task(_Theirs("bench", connection).start())
    started = time.perf_counter()
    for text in texts:
        connection.incoming.put_nowait(text)
        assert '"Accepted"' in await connection.outgoing.get()
    spent = time.perf_counter() - started
    running.cancel()
    await asyncio.wait([running])
    return len(texts) / spent


_numbers = count()


async def _best(run: Callable[[list[str]], Awaitable[float]], amount: int) -> float:
    """The best of three, after a warm-up: the others measure the machine's neighbours."""
    await run([message(str(next(_numbers))) for _ in range(50)])
    return max([await run([message(str(next(_numbers))) for _ in range(amount)]) for _ in range(3)])


async def theirs(amount: int = 1_000) -> float:
    """The `ocpp` package's messages per second."""
    return await _best(_theirs, amount)


async def measure(amount: int = 10_000) -> dict[str, float | str]:
    """Messages per second of each, and ours over theirs."""
    own, package = await _best(_ours, amount), await theirs()
    return {"name": "OCPP call in and answer out", "ours_per_s": own, "peer_per_s": package, "ratio": own / package}
