"""What the device model tells of the running station: its states, its units, its clock, and who it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from bridge.evse import Observed, Variable
from bridge.station.device_model import flag
from bridge.station.device_model_table import CONNECTOR, Key
from bridge.station.messages import ConnectorStatus, format_time
from bridge.station.position import Position
from bridge.station.station import Station

#: Of several EVSEs, the station is as the first of these that any of them is.
_FREEST_FIRST = (
    ConnectorStatus.AVAILABLE,
    ConnectorStatus.OCCUPIED,
    ConnectorStatus.RESERVED,
    ConnectorStatus.UNAVAILABLE,
    ConnectorStatus.FAULTED,
)


def bind_live(station: Station) -> None:
    """Let the device model of a station ask it, whenever a CSMS asks the device model."""
    for why in station.model.dropped:
        station.log.warning("a kept variable is not right any more; its first value counts", variable=why)
    _tell_identity(station)
    _bind_clock(station)
    _bind_availability(station)
    model = station.model
    model.bind(Key.SMART_ENTRIES, lambda: str(len(station.charging.installed)))
    phases = max((one.settings.phases for one in station.positions.values()), default=1)
    model.publish(Key.STATION_SUPPLY_PHASES, str(phases))
    model.bind(Key.STATION_PROBLEM, lambda: flag(any(_problem(one) for one in station.positions.values())))
    for position in station.positions.values():
        _bind_evse(station, position)


def _tell_identity(station: Station) -> None:
    """As in the BootNotification (B01)."""
    identity = station.settings.identity
    station.model.publish(Key.IDENTITY, station.id)
    station.model.publish(Key.STATION_MODEL, identity.model)
    station.model.publish(Key.STATION_VENDOR_NAME, identity.vendor_name)
    station.model.publish(Key.STATION_FIRMWARE_VERSION, identity.firmware_version or "")


def _bind_clock(station: Station) -> None:
    """No time is told before the CSMS has told it."""

    def date_time() -> str:
        now = station.time.utc()
        return "" if now is None else format_time(now)

    station.model.bind(Key.DATE_TIME, date_time)


def _bind_availability(station: Station) -> None:
    """AvailabilityState tells what StatusNotification would; of the station, the freest of its EVSEs."""
    model = station.model

    def state(evse_ids: Iterable[int]) -> str:
        known = {station.availability.status(evse_id) or ConnectorStatus.UNAVAILABLE for evse_id in evse_ids}
        return next(status for status in _FREEST_FIRST if status in known)

    model.bind(Key.STATION_AVAILABILITY_STATE, partial(state, tuple(station.positions)))
    for evse_id in station.positions:
        model.bind(Key.EVSE_AVAILABILITY_STATE, partial(state, (evse_id,)), evse_id)
        model.bind(Key.CONNECTOR_AVAILABILITY_STATE, partial(state, (evse_id,)), evse_id, CONNECTOR)


def _bind_evse(station: Station, position: Position) -> None:
    model, evse_id = station.model, position.evse_id

    def tells(what: Callable[[Observed], str]) -> Callable[[], str]:
        return lambda: what(position.seen)

    model.bind(Key.EVSE_POWER, tells(_power), evse_id)
    _bind_most_power(station, position)
    model.bind(Key.CONNECTOR_SUPPLY_PHASES, partial(_phases, position), evse_id, CONNECTOR)
    model.bind(Key.EVSE_PROBLEM, lambda: flag(_problem(position)), evse_id)
    model.bind(Key.EVSE_TROUBLE, tells(_trouble), evse_id)
    model.bind(Key.CONNECTED_EV_VEHICLE_ID, tells(_vehicle), evse_id)
    model.bind(Key.CONNECTED_EV_STATE_OF_CHARGE, tells(_state_of_charge), evse_id)
    model.bind_shown(evse_id, partial(_shown, position))


def _power(seen: Observed) -> str:
    """W; minus while the vehicle discharges. Nothing where it is not known: none is invented."""
    return "" if seen.power is None else _decimal(seen.power.value)


def _bind_most_power(station: Station, position: Position) -> None:
    """What the unit can at most in either direction (W). The limit is required (Part 2, EVSE.Power), also while the
    unit has not answered since the start: what it told last is kept."""
    evse_id = position.evse_id
    known = station.model.limit(Key.EVSE_POWER, evse_id)

    def most_power() -> float | None:
        nonlocal known
        abilities = position.evse.abilities
        most = max(abilities.charge_max or 0, abilities.discharge_max or 0) / 1000
        if most and most != known:
            known = most
            station.notes.put({most_power_name(evse_id): _decimal(most * 1000)})
        return known

    station.model.bind_limit(Key.EVSE_POWER, most_power, evse_id)
    position.evse.listen(lambda seen, happened: _do(most_power))


def _do(work: Callable[[], object]) -> None:
    work()


def most_power_name(evse_id: int) -> str:
    """The name in the store of the power (W) that an EVSE's unit told it can at most."""
    return f"evse.{evse_id}.most_power"


def _decimal(thousandths: float) -> str:
    """A number as OCPP writes it, without an exponent."""
    return f"{thousandths / 1000:.3f}".rstrip("0").rstrip(".")


def _phases(position: Position) -> str:
    """0 where direct current leaves the connector."""
    return "0" if position.evse.abilities.direct_current else str(position.settings.phases)


def _problem(position: Position) -> bool:
    """Whether anything impairs the EVSE: a fault, a unit that cannot be reached, an order that it does not follow."""
    return bool(_trouble(position.seen))


def _trouble(seen: Observed) -> str:
    if not seen.reachable:
        return "the unit cannot be reached"
    if seen.fault is not None:
        return f"{seen.fault.code} {seen.fault.description}".strip()
    return seen.trouble or ""


def _vehicle(seen: Observed) -> str:
    """Which vehicle it is, as far as the unit or somebody else has said (CEL 4.2 to 4.5)."""
    return seen.vehicle_id or ""


def _state_of_charge(seen: Observed) -> str:
    """Percent."""
    return "" if seen.soc is None else _decimal(seen.soc.value)


def _shown(position: Position) -> tuple[Variable, ...]:
    return position.seen.variables
