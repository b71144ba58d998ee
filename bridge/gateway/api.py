"""Live control: a versioned JSON API on a Unix socket in the state directory (mode 0600).

One request a line: `{"api": 1, "do": "status"}`. One answer a line: `{"api": 1, "result": ...}`, or what is wrong:
`{"api": 1, "error": "..."}`. What takes its time (`discover`, `probe`, `ramp`, `dump`) says meanwhile what happens, in
lines `{"api": 1, "event": "...", ...}` before its answer; `{"api": 1, "do": "cancel"}` or hanging up ends it early.
A page may later put HTTP and authentication before the same handlers.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from bridge.charger.serving import Served
from bridge.errors import BridgeError
from bridge.evse import Reading
from bridge.gateway.foreseeing import schedule
from bridge.gateway.gateway import Gateway
from bridge.gateway.identity import Identity, Place
from bridge.gateway.limiting import clear_limit, limits_of, set_limit
from bridge.gateway.presenting import present
from bridge.gateway.targeting import clear_target, set_target, shown_target

if TYPE_CHECKING:
    from bridge.gateway.inspect import Ground, Operation

_log = structlog.get_logger(__name__)

VERSION = 1
SOCKET = "control.sock"
_LONGEST_LINE = 65_536
#: So many requests of one connection wait for their turn; one that sends more is cut off.
_MOST_WAITING: Final = 64
#: A client that does not read what it asked for is cut off when so many bytes wait for it.
_MOST_UNREAD: Final = 4_000_000

#: What a request can be wrong by.
_MISTAKES: Final = (ValueError, RecursionError, BridgeError)

#: Says something before the answer.
Tell = Callable[[dict[str, Any]], None]


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
            "vehicles": self._vehicles,
            "schedule": partial(schedule, gateway),
        }
        self._slow: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "bind": self._bind,
            "unbind": self._unbind,
            "reload": self._reload,
            "present": partial(present, gateway.stations),
            "limit_set": partial(set_limit, gateway.stations),
            "limit_clear": partial(clear_limit, gateway.stations),
            "target_set": partial(set_target, gateway.stations),
            "target_clear": partial(clear_target, gateway.stations),
        }
        self._ground: Ground | None = None
        self._server: asyncio.Server | None = None
        self._running: set[asyncio.Task[dict[str, Any]]] = set()

    async def serve(self, path: Path) -> None:
        """Listen. What a killed gateway has left at `path` is replaced (the store's lock says that none runs)."""
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - once, at the start
        mask = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._talk, path, limit=_LONGEST_LINE)
        finally:
            os.umask(mask)

    async def close(self) -> None:
        """Stop listening, and end what still goes on."""
        if self._server:
            self._server.close()
        await self.end_operations()

    async def end_operations(self) -> None:
        """End early what goes on: a ramp stops its unit first. For the gateway's own end, while units still listen."""
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def handle(self, line: str | bytes) -> dict[str, Any]:
        """The answer to one request that needs no time."""
        try:
            return {"api": VERSION, "result": self._handler(_request(line))()}
        except _MISTAKES as error:
            return _wrong(error)

    async def answer(self, line: str | bytes, tell: Tell) -> dict[str, Any]:
        """The answer to any request; `tell` is called with each event before it."""
        try:
            request = _request(line)
            name = str(request.get("do"))
            if name in self._slow:
                result = await self._slow[name](request)
            elif name not in self._handlers and name in _operations():
                result = await self._operate(_operations()[name], request, tell)
            else:
                result = self._handler(request)()
            return {"api": VERSION, "result": result}
        except _MISTAKES as error:
            return _wrong(error)
        except Exception as error:
            _log.exception("a request failed", error=str(error))
            return {"api": VERSION, "error": "this failed by a mistake in the gateway; its log tells more"}

    def _handler(self, request: dict[str, Any]) -> Callable[[], Any]:
        handler = self._handlers.get(str(request.get("do")))
        if handler is None:
            known = ", ".join(sorted({*self._handlers, *self._slow, *_operations(), "cancel"}))
            raise RequestError(f'"do" is one of {known}')
        return partial(handler, request)

    async def _operate(self, operation: Operation, request: Mapping[str, Any], tell: Tell) -> Any:
        """Run an operation in a task of its own, so that the gateway's end can end it first."""
        task = asyncio.ensure_future(operation(self._look_around(), request, lambda e: tell({"api": VERSION, **e})))
        self._running.add(task)
        try:
            while True:
                try:
                    return await asyncio.shield(task)
                except asyncio.CancelledError:
                    if task.done():
                        raise RequestError("it was cancelled") from None
                    # Who asked has gone or cancels: the operation ends in order, and its result is the answer.
                    task.cancel()
                    _take_back()
        finally:
            self._running.discard(task)

    def _look_around(self) -> Ground:
        """The gateway's networks and units, as operations look at them."""
        if self._ground is None:
            from bridge.gateway.inspect import Ground

            gateway = self._gateway
            gateway.before_end.append(self.end_operations)
            self._ground = Ground(
                clock=gateway.clock,
                controllers=gateway.units.controllers,
                mappings=gateway.units.tables.mappings,
                bound={name: network.bind for name, network in gateway.site.networks.items()},
                site=gateway.site,
                runners=gateway.units.runners,
                place_of=self._place_of,
                reserved=self._reserved,
            )
        return self._ground

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Connection(self, reader, writer).serve()

    # -- what can be asked

    def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        return {
            "stations": {station_id: self._station(station_id) for station_id in self._gateway.stations},
            "units": {name: self._unit(name) for name in self._gateway.units.runners},
            "store": {"trouble": self._gateway.store.trouble, "damaged": self._gateway.damage},
            "conflicts": self._conflicts(),
            "contract": self._contract(),
            "balancing": self._balancing(),
            "strangers": self._strangers(),
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
                    "held": position.held,
                    "target": shown_target(station, evse_id),
                }
                for evse_id, position in station.positions.items()
            },
            "events_waiting": station.delivery.waiting,
            "limits": limits_of(station),
            "events_given_up": asdict(station.delivery.given_up),
        }

    def _unit(self, name: str) -> dict[str, Any]:
        """What is seen of a unit, who it is, and why it is not served if it is not."""
        units = self._gateway.units
        seen, whereabouts = units.runners[name].unit.observed, units.whereabouts(name)
        return {
            **{key: _plain(value) for key, value in asdict(seen).items()},
            **_who(whereabouts.known),
            "at": None if whereabouts.at is None else whereabouts.at._asdict(),
            "also_at": [place._asdict() for place in whereabouts.others],
            "not_served": units.trouble(name),
            "table": _served(units.runners[name].served),
        }

    def _contract(self) -> dict[str, Any] | None:
        """What the grid connection leaves for charging, and why that is but a fallback; None without a contract."""
        contract = self._gateway.contract
        return None if contract is None else {"charging_mw": contract.bound, "trouble": contract.trouble}

    def _balancing(self) -> dict[str, Any] | None:
        """What the EVSEs that follow the load of the site have as setpoints, and why they idle; None where none may."""
        balancing = self._gateway.balancing
        return None if balancing is None else {"setpoints_mw": balancing.setpoints, "trouble": balancing.trouble}

    def _conflicts(self) -> list[dict[str, Any]]:
        """Identities that several objects claim; none of those is controlled."""
        return [
            {
                "identity": told,
                "claimed_by": [{**place._asdict(), "unit": name or None} for place, name in all_.items()],
            }
            for told, all_ in self._gateway.units.finder.register.conflicts.items()
        ]

    def _strangers(self) -> list[dict[str, Any]]:
        """Objects of the site's classes that are nobody of the configuration."""
        return [{**place._asdict(), **_who(identity)} for place, identity in self._gateway.units.strangers.items()]

    # -- what can be done

    def _hands_off(self, request: dict[str, Any]) -> dict[str, Any]:
        """`{"do": "hands_off", "station": "...", "evse": 1, "on": true}`: the bridge leaves the unit alone."""
        station, evse_id = self._evse(request)
        on = request.get("on")
        if not isinstance(on, bool):
            raise RequestError('"on" is true or false')
        self._gateway.stations[station].wishes.set_hands_off(evse_id, on)
        return {"hands_off": on}

    def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        """`{"do": "stop", "station": "...", "evse": 1}`: end the transaction as a person at the unit would."""
        station, evse_id = self._evse(request)
        return {"stopped": self._gateway.stations[station].sessions.stop_locally(evse_id)}

    async def _reload(self, _: dict[str, Any]) -> dict[str, Any]:
        """`{"do": "reload"}`: read the mapping tables anew, as at SIGHUP."""
        reloaded = await self._gateway.units.reload()
        if reloaded.error is not None:
            raise RequestError(f"nothing was exchanged, all units go on as they were:\n{reloaded.error}")
        broken = {name: list(errors) for name, errors in reloaded.broken.items()}
        return {"tables": reloaded.content_hash, "broken": broken}

    def _evse(self, request: dict[str, Any]) -> tuple[str, int]:
        """The EVSE that a request names, by station and number or by the vehicle that is at it."""
        if "vehicle" in request:
            return self._evse_of_vehicle(request)
        station, evse_id = request.get("station"), request.get("evse")
        if not isinstance(station, str) or station not in self._gateway.stations:
            raise RequestError(f'"station" is one of {", ".join(sorted(self._gateway.stations))}')
        if type(evse_id) is not int or evse_id not in self._gateway.stations[station].positions:
            raise RequestError(f'"evse" is one of {sorted(self._gateway.stations[station].positions)}')
        return station, evse_id

    def _place_of(self, unit: str) -> Place | None:
        """Where a unit is, None while it has not been found."""
        return self._gateway.units.whereabouts(unit).at

    def _reserved(self, unit: str) -> str | None:
        """Why a unit may not be moved by hand now: a CSMS uses it, or it is to be left alone."""
        for config in self._gateway.site.stations:
            for evse in config.evses:
                if evse.unit != unit:
                    continue
                position = self._gateway.stations[config.id].positions[evse.id]
                place = f"EVSE {evse.id} of station {config.id}"
                if position.session.transaction_id is not None or position.session.state.authorized:
                    return f"{place} has a transaction or awaits one: end it first (stop), then call again"
                if position.hands_off:
                    return f"{place} is to be left alone: lift hands_off first"
        return None

    # -- vehicles (CEL 4.4, 4.5)

    async def _bind(self, request: dict[str, Any]) -> dict[str, Any]:
        """`{"do": "bind", "station": "...", "evse": 1, "vehicle": "..."}`: this vehicle is there, or comes next."""
        vehicle = _vehicle(request)
        station, evse_id = self._evse({name: value for name, value in request.items() if name != "vehicle"})
        await self._gateway.vehicles.bind(station, evse_id, vehicle)
        return {"station": station, "evse": evse_id, "vehicle": vehicle}

    async def _unbind(self, request: dict[str, Any]) -> dict[str, Any]:
        """`{"do": "unbind", "station": "...", "evse": 1}`, or by `"vehicle"`: what was told of a vehicle is void."""
        station, evse_id = self._evse(request)
        await self._gateway.vehicles.unbind(station, evse_id)
        return {"station": station, "evse": evse_id}

    def _vehicles(self, _: dict[str, Any]) -> Any:
        """Which vehicle is at which EVSE, as far as it is known."""
        return {"vehicles": [asdict(row) for row in self._gateway.vehicles.all()]}

    def _evse_of_vehicle(self, request: dict[str, Any]) -> tuple[str, int]:
        vehicle = _vehicle(request)
        if "station" in request or "evse" in request:
            raise RequestError('give either "vehicle", or "station" and "evse"')
        return self._gateway.vehicles.resolve(vehicle)


class _Connection:
    """One client: requests in their order, each answered before the next begins."""

    def __init__(self, api: ControlApi, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._api = api
        self._reader = reader
        self._writer = writer
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._running: asyncio.Task[dict[str, Any]] | None = None

    async def serve(self) -> None:
        """Until the client hangs up. It is read all the time, since hanging up also ends what goes on."""
        reading = asyncio.ensure_future(self._read())
        try:
            while (line := await self._lines.get()) is not None:
                self._running = asyncio.ensure_future(self._api.answer(line, self._tell))
                answer = await self._running
                self._running = None
                self._writer.write(json.dumps(answer).encode() + b"\n")
                await self._writer.drain()
        except (ConnectionError, ValueError) as error:
            _log.info("api client gone", why=str(error))
        finally:
            reading.cancel()
            self._writer.close()

    async def _read(self) -> None:
        try:
            while line := await self._reader.readline():
                if self._running is not None and _cancels(line):
                    self._running.cancel()
                    continue
                if self._lines.qsize() >= _MOST_WAITING:
                    raise ValueError("too many requests at once")
                self._lines.put_nowait(line)
        except (ConnectionError, ValueError) as error:
            _log.info("api client gone", why=str(error))
        finally:
            if self._running is not None:
                self._running.cancel()
            self._lines.put_nowait(None)

    def _tell(self, event: dict[str, Any]) -> None:
        if self._writer.transport.get_write_buffer_size() > _MOST_UNREAD:
            self._writer.transport.abort()  # `_read` sees the end and cancels
        else:
            self._writer.write(json.dumps(event).encode() + b"\n")


def _request(line: str | bytes) -> dict[str, Any]:
    request = json.loads(line)
    if not isinstance(request, dict) or request.get("api") != VERSION:
        raise RequestError(f'a request is one JSON object with "api": {VERSION}')
    return request


def _wrong(error: Exception) -> dict[str, Any]:
    deep = isinstance(error, RecursionError)
    return {"api": VERSION, "error": "the request is nested too deeply" if deep else str(error)}


def _cancels(line: bytes) -> bool:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(request, dict) and request.get("api") == VERSION and request.get("do") == "cancel"


def _operations() -> dict[str, Operation]:
    """What takes its time. Imported when first asked for: a gateway that nobody looks into does without."""
    from bridge.gateway.operations import OPERATIONS

    return OPERATIONS


def _vehicle(request: Mapping[str, Any]) -> str:
    vehicle = request.get("vehicle")
    if not isinstance(vehicle, str) or not 1 <= len(vehicle) <= 255:
        raise RequestError('"vehicle" is the id of a vehicle, a string')
    return vehicle


def _take_back() -> None:
    task = asyncio.current_task()
    if task is not None:
        while task.cancelling():
            task.uncancel()


def _who(identity: Identity | None) -> dict[str, Any]:
    """An identity, and whether only its address tells it from others."""
    return {"identity": (identity.told or None) if identity else None, "weak": identity.weak if identity else None}


def _plain(value: Any) -> Any:
    return asdict(value) if isinstance(value, Reading) else value


def _served(served: Served) -> dict[str, Any]:
    """Which table serves a unit, and why."""
    return {
        "hash": served.table.content_hash,
        "overlays": list(served.overlays),
        "why": served.why,
        "quarantine": served.quarantine,
    }
