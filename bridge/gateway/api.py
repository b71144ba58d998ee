"""Live control: a versioned JSON API on a Unix socket in the state directory (mode 0600).

One request a line, one answer a line: `{"api": 1, "do": "status"}`. A page may later put HTTP and authentication before
the same handlers. An error is an answer too: `{"api": 1, "error": "..."}`.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from bridge.errors import BridgeError
from bridge.evse import Reading
from bridge.gateway.gateway import Gateway

_log = structlog.get_logger(__name__)

VERSION = 1
SOCKET = "control.sock"
_LONGEST_LINE = 65_536


class RequestError(BridgeError):
    """A request to the API that cannot be carried out; the message goes back to who asked."""


class ControlApi:
    """The handlers, and the socket before them."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._handlers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "status": self._status,
            "hands_off": self._hands_off,
            "stop": self._stop,
        }
        self._server: asyncio.Server | None = None

    async def serve(self, path: Path) -> None:
        """Listen. What a killed gateway has left at `path` is replaced (the store's lock says that none runs)."""
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - once, at the start
        mask = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._talk, path, limit=_LONGEST_LINE)
        finally:
            os.umask(mask)

    async def close(self) -> None:
        """Stop listening."""
        if self._server:
            self._server.close()

    def handle(self, line: str | bytes) -> dict[str, Any]:
        """The answer to one request."""
        try:
            request = json.loads(line)
            if not isinstance(request, dict) or request.get("api") != VERSION:
                raise RequestError(f'a request is one JSON object with "api": {VERSION}')
            handler = self._handlers.get(str(request.get("do")))
            if handler is None:
                raise RequestError(f'"do" is one of {", ".join(sorted(self._handlers))}')
            return {"api": VERSION, "result": handler(request)}
        except RecursionError:
            return {"api": VERSION, "error": "the request is nested too deeply"}
        except (ValueError, RequestError) as error:
            return {"api": VERSION, "error": str(error)}

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self.handle(line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError) as error:
            _log.info("api client gone", why=str(error))
        finally:
            writer.close()

    # -- what can be asked

    def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        return {
            "stations": {station_id: self._station(station_id) for station_id in self._gateway.stations},
            "units": {name: self._unit(name) for name in self._gateway.units.runners},
        }

    def _station(self, station_id: str) -> dict[str, Any]:
        station = self._gateway.stations[station_id]
        return {
            "online": station.online,
            "trouble": station.link.trouble,
            "evses": {
                evse_id: {
                    "status": station.availability.status(evse_id),
                    "transaction": position.session.transaction_id,
                    "wanted": position.wanted.mode,
                    "target_mw": position.wanted.target,
                    "hands_off": position.hands_off,
                }
                for evse_id, position in station.positions.items()
            },
            "events_waiting": station.delivery.waiting,
        }

    def _unit(self, name: str) -> dict[str, Any]:
        seen = self._gateway.units.runners[name].unit.observed
        return {key: _plain(value) for key, value in asdict(seen).items()}

    # -- what can be done

    def _hands_off(self, request: dict[str, Any]) -> dict[str, Any]:
        """`{"do": "hands_off", "station": "...", "evse": 1, "on": true}`: the bridge leaves the unit alone."""
        station, evse_id = self._evse(request)
        on = request.get("on")
        if not isinstance(on, bool):
            raise RequestError('"on" is true or false')
        self._gateway.stations[station].set_hands_off(evse_id, on)
        return {"hands_off": on}

    def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        """`{"do": "stop", "station": "...", "evse": 1}`: end the transaction as a person at the unit would."""
        station, evse_id = self._evse(request)
        return {"stopped": self._gateway.stations[station].stop_locally(evse_id)}

    def _evse(self, request: dict[str, Any]) -> tuple[str, int]:
        station, evse_id = request.get("station"), request.get("evse")
        if not isinstance(station, str) or station not in self._gateway.stations:
            raise RequestError(f'"station" is one of {", ".join(sorted(self._gateway.stations))}')
        if type(evse_id) is not int or evse_id not in self._gateway.stations[station].positions:
            raise RequestError(f'"evse" is one of {sorted(self._gateway.stations[station].positions)}')
        return station, evse_id


def _plain(value: Any) -> Any:
    return asdict(value) if isinstance(value, Reading) else value
