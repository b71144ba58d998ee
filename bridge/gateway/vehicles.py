"""Which vehicle is at which EVSE: what the units read (0xE6, CEL 4.2, 4.3), and what was told from outside (4.4, 4.5).

A binding from outside is kept over restarts and ends when the vehicle is unplugged. What a unit reads itself counts for
more; a contradiction is told. Never for billing (AIF 2.3).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

import structlog

from bridge.errors import BridgeError
from bridge.evse import Listener, Observed, Plug
from bridge.records import dataclass

_log = structlog.get_logger(__name__)

#: Settings of the vehicles are kept in the store under this name, one for each EVSE.
VEHICLES: Final = "*vehicles"
_LONGEST: Final = 255  # 0xE6 has one byte for the length

#: An EVSE: the station's id and the EVSE's number in it.
EvseKey = tuple[str, int]


class VehicleError(BridgeError):
    """A command that names a vehicle cannot be carried out; the message goes back to who asked."""


class BindableEvse(Protocol):
    """An EVSE that can be told which vehicle is there; `bridge.charger.unit.ChargerUnit` is one."""

    @property
    def observed(self) -> Observed:
        """What is known now."""

    def listen(self, listener: Listener) -> None:
        """Be called after every change of `observed`."""

    def bind_vehicle(self, vehicle_id: str | None) -> None:
        """It is told from outside which vehicle is there or will be; None takes it back."""

    def on_unbound(self, listener: Callable[[], None]) -> None:
        """Be called when a binding has ended because the vehicle has left."""


@dataclass(frozen=True, slots=True)
class VehicleAt:
    """One EVSE's vehicle. `vehicle_id` is who counts: what the unit `told`, else what is `bound`."""

    station: str
    evse: int
    vehicle_id: str
    told: str | None
    bound: str | None
    contradiction: str | None


@dataclass(frozen=True, slots=True)
class _Binding:
    """`plugged`: a vehicle has been there since; one that was bound before it comes is not ended by its absence."""

    vehicle_id: str
    plugged: bool = False

    def to_text(self) -> str:
        return json.dumps({"vehicle": self.vehicle_id, "plugged": self.plugged})

    @classmethod
    def from_text(cls, text: str | None) -> _Binding | None:
        """From the store; what cannot be read binds nothing, and is logged."""
        if text is None:
            return None
        try:
            data = json.loads(text)
            return cls(str(data["vehicle"]), bool(data["plugged"]))
        except (ValueError, TypeError, KeyError):
            _log.warning("kept binding cannot be read and is dropped", text=text[:80])
            return None


class Vehicles:
    """All bindings of a gateway. `keep` makes one setting durable (None deletes it)."""

    def __init__(
        self,
        evses: Mapping[EvseKey, BindableEvse],
        keep: Callable[[Mapping[str, str | None]], Awaitable[None]],
        keep_soon: Callable[[Mapping[str, str | None]], None],
        kept: Mapping[str, str],
    ) -> None:
        self._evses = evses
        self._keep = keep
        self._keep_soon = keep_soon
        self._bound: dict[EvseKey, _Binding] = {}
        self._contradictions: dict[EvseKey, str] = {}
        for key, evse in evses.items():
            if (binding := _Binding.from_text(kept.get(_setting(key)))) is not None:
                self._bound[key] = binding
                evse.bind_vehicle(binding.vehicle_id)
            evse.on_unbound(self._unbinding(key))
            evse.listen(self._seeing(key))

    # Bindings

    async def bind(self, station: str, evse: int, vehicle_id: str) -> None:
        """A vehicle is at an EVSE, or will be plugged in there next; returns when that is durable.

        A binding of the same vehicle elsewhere, and another one of this EVSE, end. Raises `VehicleError`.
        """
        key, vehicle_id = self._known((station, evse)), _checked(vehicle_id)
        binding = _Binding(vehicle_id, self._plugged(key))
        elsewhere = [other for other in self._bound_to(vehicle_id) if other != key]
        await self._keep({_setting(key): binding.to_text()} | {_setting(other): None for other in elsewhere})
        for other in elsewhere:
            self._forget(other)
            _log.info("vehicle bound elsewhere", vehicle=vehicle_id, station=other[0], evse=other[1])
        self._bound[key] = binding
        self._evses[key].bind_vehicle(vehicle_id)
        _log.info("vehicle bound", vehicle=vehicle_id, station=station, evse=evse)
        self._compare(key)

    async def unbind(self, station: str, evse: int) -> None:
        """Nothing is told from outside about an EVSE any more; returns when that is durable. Raises `VehicleError`."""
        key = self._known((station, evse))
        await self._keep({_setting(key): None})
        self._forget(key)

    # Questions

    def find(self, vehicle_id: str) -> EvseKey | None:
        """The EVSE that a vehicle is at: where a unit reads it, else where it was bound and no other one is read."""
        rows = [row for row in self.all() if _same(row.vehicle_id, vehicle_id)]
        best = sorted(rows, key=lambda row: row.told is None)
        return (best[0].station, best[0].evse) if best else None

    def resolve(self, vehicle_id: str) -> EvseKey:
        """As `find`, for a command that names a vehicle (CEL 2.2). Raises `VehicleError` with the reason."""
        found = self.find(vehicle_id)
        if found is not None:
            return found
        for key in self._bound_to(vehicle_id):
            raise VehicleError(
                f"vehicle {vehicle_id!r} was bound to {_name(key)}, but the unit there reads {self._told(key)!r}: "
                f"name the EVSE, or bind the vehicle where it is"
            )
        known = ", ".join(sorted(repr(row.vehicle_id) for row in self.all())) or "none"
        raise VehicleError(f"vehicle {vehicle_id!r} is at no EVSE (known here: {known}): bind it, or name the EVSE")

    def all(self) -> tuple[VehicleAt, ...]:
        """Every EVSE whose vehicle is known."""
        return tuple(row for key in self._evses if (row := self._row(key)) is not None)

    # Inside

    def _row(self, key: EvseKey) -> VehicleAt | None:
        told, binding = self._told(key), self._bound.get(key)
        bound = binding.vehicle_id if binding is not None else None
        vehicle_id = told or bound
        if vehicle_id is None:
            return None
        return VehicleAt(*key, vehicle_id, told, bound, self._contradiction(key))

    def _told(self, key: EvseKey) -> str | None:
        """What the unit reads itself; it shows what was bound where it reads nothing."""
        seen, bound = self._evses[key].observed.vehicle_id, self._bound.get(key)
        return None if seen is None or (bound is not None and _same(seen, bound.vehicle_id)) else seen

    def _contradiction(self, key: EvseKey) -> str | None:
        told, binding = self._told(key), self._bound.get(key)
        if told is None:
            return None
        if binding is not None:
            return f"the unit reads {told!r}, bound was {binding.vehicle_id!r}: what the unit reads counts"
        for other in self._bound_to(told):
            if self._told(other) is None:
                return f"the unit reads {told!r}, which was bound to {_name(other)}: what the unit reads counts"
        return None

    def _bound_to(self, vehicle_id: str) -> list[EvseKey]:
        return [key for key, binding in self._bound.items() if _same(binding.vehicle_id, vehicle_id)]

    def _plugged(self, key: EvseKey) -> bool:
        """Whether a vehicle is there, or the unit cannot tell."""
        return self._evses[key].observed.plug in (Plug.YES, Plug.BLIND)

    def _seen(self, key: EvseKey) -> None:
        binding = self._bound.get(key)
        if binding is not None and not binding.plugged and self._plugged(key):
            self._bound[key] = _Binding(binding.vehicle_id, True)
            self._keep_soon({_setting(key): self._bound[key].to_text()})
        self._compare(key)

    def _compare(self, key: EvseKey) -> None:
        """Tell a contradiction once."""
        found = self._contradiction(key)
        if found is None:
            self._contradictions.pop(key, None)
        elif self._contradictions.get(key) != found:
            self._contradictions[key] = found
            _log.warning("contradicting vehicle ids", station=key[0], evse=key[1], text=found)

    def _seeing(self, key: EvseKey) -> Listener:
        return lambda seen, happened: self._seen(key)

    def _unbinding(self, key: EvseKey) -> Callable[[], None]:
        def unbound() -> None:
            binding = self._bound.get(key)
            if binding is None:
                return
            if not binding.plugged and not self._plugged(key):
                self._evses[key].bind_vehicle(binding.vehicle_id)  # it has not come yet
                return
            _log.info("binding ended: unplugged", vehicle=binding.vehicle_id, station=key[0], evse=key[1])
            del self._bound[key]
            self._contradictions.pop(key, None)
            self._keep_soon({_setting(key): None})

        return unbound

    def _forget(self, key: EvseKey) -> None:
        self._bound.pop(key, None)
        self._contradictions.pop(key, None)
        self._evses[key].bind_vehicle(None)

    def _known(self, key: EvseKey) -> EvseKey:
        if key not in self._evses:
            known = ", ".join(_name(each) for each in self._evses)
            raise VehicleError(f"there is no {_name(key)}: known are {known}")
        return key


def _checked(vehicle_id: str) -> str:
    stripped = vehicle_id.strip()
    if not stripped or len(stripped) > _LONGEST or not stripped.isprintable():
        raise VehicleError(f"a vehicle id has 1 to {_LONGEST} printable characters, not {vehicle_id!r}")
    return stripped


def _same(one: str, other: str) -> bool:
    """Ids that are no text are shown in hex, which people write in either case."""
    return one.strip().casefold() == other.strip().casefold()


def _name(key: EvseKey) -> str:
    return f"EVSE {key[1]} of {key[0]}"


def _setting(key: EvseKey) -> str:
    return f"{key[1]} {key[0]}"
