"""A strict CSMS for hundreds of stations, as a program: python fleet_csms.py SETTINGS (JSON).

It says where it listens (and with `tls` who vouches for it). Each line on the standard input is a JSON object, answered
by one on the standard output:

    {"start": true}              start a transaction at every station; how many have accepted that
    {"call": ACTION, "with": {"S003": {...}, ...}}  make a CALL at these, one after the other; how many have accepted
    {"told": true}               what has come of every station, and all that was wrong
    {"dark": true}               close every connection and refuse new ones, or (false) take them again
    {"slow": "S003", "ms": 200}  answer this station's CALLs only after so long
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import count
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from tests.bench.strict_csms import StrictStation

ADDRESS = "127.0.0.1"
_SUBPROTOCOL = Subprotocol("ocpp2.0.1")


class FleetCsms:
    """All stations, and who of them is connected."""

    def __init__(self, password: str) -> None:
        self.password = password
        self.stations: dict[str, StrictStation] = {}
        self.sockets: dict[str, ServerConnection] = {}
        self.dark = False
        self.back_at = 0.0
        self.slow: dict[str, float] = {}
        self._numbers = count(1)
        self._answers: dict[str, asyncio.Future[Any]] = {}

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Who is refused is told why; the password is each station's own (A00)."""
        if self.dark:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "dark\n")
        name = request.path.rsplit("/", 1)[-1]
        expected = "Basic " + base64.b64encode(f"{name}:{self.password}{name}".encode()).decode()
        if request.headers.get("Authorization") == expected:
            return None
        return connection.respond(HTTPStatus.UNAUTHORIZED, "wrong password\n")

    async def handle(self, socket: ServerConnection) -> None:
        """Serve one connection."""
        assert socket.request is not None
        name = socket.request.path.rsplit("/", 1)[-1]
        station = self.stations.setdefault(name, StrictStation(name, lambda: datetime.now(UTC), time.monotonic))
        if name in self.sockets:
            station.blame("a second connection beside the first")
        self.sockets[name] = socket
        station.connected()
        try:
            async for text in socket:
                await self._take(station, socket, str(text))
        except ConnectionClosed:
            pass
        finally:
            station.lost()
            del self.sockets[name]

    async def _take(self, station: StrictStation, socket: ServerConnection, text: str) -> None:
        answer = station.take(text)
        if answer is None:
            frame = json.loads(text)
            self._answers.pop(frame[1]).set_result(frame)
            return
        if wait := self.slow.get(station.name):
            await asyncio.sleep(wait)
        station.answered()
        await socket.send(json.dumps(answer))

    async def start(self, name: str) -> bool:
        """A transaction at a station's EVSE."""
        token = {"idToken": f"T-{name}", "type": "Central"}
        return await self.call(name, "RequestStartTransaction", {"evseId": 1, "remoteStartId": 1, "idToken": token})

    async def call(self, name: str, action: str, payload: dict[str, Any]) -> bool:
        """Whether a station accepts a CALL."""
        message_id = str(next(self._numbers))
        answer = self._answers[message_id] = asyncio.get_running_loop().create_future()
        await self.sockets[name].send(json.dumps([2, message_id, action, payload]))
        frame = await answer
        return bool(frame[0] == 3 and frame[2]["status"] == "Accepted")

    async def order(self, order: dict[str, Any]) -> Any:
        """What a line of the standard input asks for."""
        if "start" in order:
            return sum(await asyncio.gather(*(self.start(name) for name in list(self.sockets))))
        if "call" in order:
            return sum([await self.call(name, order["call"], payload) for name, payload in order["with"].items()])
        if "dark" in order:
            self.dark = order["dark"]
            if self.dark:
                await asyncio.gather(*(socket.close() for socket in list(self.sockets.values())))
            else:
                self.back_at = time.monotonic()
            return len(self.sockets)
        if "slow" in order:
            self.slow[order["slow"]] = order["ms"] / 1000
            return len(self.slow)
        return {
            "back_at": self.back_at,
            "connected": len(self.sockets),
            "faults": [fault for station in self.stations.values() for fault in station.faults],
            "stations": {
                name: asdict(station.told)
                | {"booted_at": station.booted_at, "next": [one.next for one in station.transactions.values()]}
                for name, station in self.stations.items()
            },
        }


def tls() -> tuple[ssl.SSLContext, str]:
    """A certificate for our address, and the root that vouches for it."""
    from tests.tools.authorities import authority

    root = authority("bench root")
    return root.server(ADDRESS), root.pem


async def main(settings: dict[str, Any]) -> None:
    """Serve until the standard input ends."""
    csms = FleetCsms(settings["password"])
    context, pem = tls() if settings["tls"] else (None, "")
    reader = asyncio.StreamReader(limit=2**24)  # an order may have a payload for each station
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with serve(
        csms.handle, ADDRESS, 0, ssl=context, subprotocols=[_SUBPROTOCOL], process_request=csms.admit,
        compression="deflate" if settings["compression"] else None, ping_interval=None, backlog=512,
    ) as server:  # fmt: skip
        port = next(iter(server.sockets)).getsockname()[1]
        print(json.dumps({"url": f"{'wss' if context else 'ws'}://{ADDRESS}:{port}", "root": pem}), flush=True)
        while line := await reader.readline():
            print(json.dumps(await csms.order(json.loads(line))), flush=True)
        csms.dark = True


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(json.loads(sys.argv[1])))
