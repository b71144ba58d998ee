"""The northern side put together: a station, its link, its device model, from the site configuration."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from bridge import __version__
from bridge.clock import Clock
from bridge.errors import ConfigError
from bridge.evse import Evse
from bridge.gateway.config import CsmsConfig, EvseConfig, StationConfig
from bridge.station.backoff import BackOffSettings
from bridge.station.device_model import Change, DeviceModel, EvseTraits
from bridge.station.device_model_table import Key
from bridge.station.link import Dialer, Link, LinkSettings
from bridge.station.link_websocket import WebSocketDialer, WebSocketSettings
from bridge.station.messages import ChargingStation, ConnectorStatus
from bridge.station.messages.v201 import Adapter
from bridge.station.position import EvseSettings, Position
from bridge.station.station import Station, StationSettings
from bridge.store.port import Store

_FREEST_FIRST = (
    ConnectorStatus.AVAILABLE,
    ConnectorStatus.OCCUPIED,
    ConnectorStatus.RESERVED,
    ConnectorStatus.UNAVAILABLE,
    ConnectorStatus.FAULTED,
)


def dialer_for(config: StationConfig) -> WebSocketDialer:
    """The WebSocket of a station, with its secrets read from their files."""
    csms = config.csms
    return WebSocketDialer(
        WebSocketSettings(
            url=csms.url,
            identity=config.id,
            password=password_of(csms),
            ca_file=csms.ca_file,
            proxy=True if csms.proxy == "environment" else csms.proxy,
            compression=csms.compression,
        )
    )


async def make_station(
    config: StationConfig, evses: Mapping[int, Evse], *, dialer: Dialer, store: Store, clock: Clock
) -> Station:
    """A station that has taken up its earlier life, ready to run."""
    model = device_model_for(config, await store.settings(config.id))
    adapter = Adapter()
    link = Link(dialer, adapter, clock, settings=link_settings(model))
    settings = StationSettings(
        station_id=config.id,
        evses=tuple(_evse_settings(evse) for evse in config.evses),
        identity=ChargingStation(model=config.model, vendor_name=config.vendor, firmware_version=__version__),
    )
    station = Station(settings, link=link, adapter=adapter, store=store, clock=clock, model=model, evses=evses)
    _bind_link(station)
    _bind_availability(station)
    _bind_hands_off(station)
    _bind_vehicle(station)
    await station.restore()
    return station


def device_model_for(config: StationConfig, stored: Mapping[str, str]) -> DeviceModel:
    """The variables of a station: the site's first values, under what a CSMS has set later."""
    traits = {evse.id: EvseTraits(phases=evse.grid.phases) for evse in config.evses}
    return DeviceModel(traits, {name: _text(value) for name, value in config.variables.items()}, stored)


def link_settings(model: DeviceModel) -> LinkSettings:
    """The link's times, from the device model."""
    back_off = BackOffSettings(
        wait_minimum=model.integer(Key.RETRY_BACK_OFF_WAIT_MINIMUM) * 1000,
        random_range=model.integer(Key.RETRY_BACK_OFF_RANDOM_RANGE) * 1000,
        repeat_times=model.integer(Key.RETRY_BACK_OFF_REPEAT_TIMES),
    )
    return LinkSettings(call_timeout=model.integer(Key.MESSAGE_TIMEOUT) * 1000, back_off=back_off)


def _bind_link(station: Station) -> None:
    """Settings of the link that a CSMS changes take effect there."""

    def relink(_: object) -> None:
        station.link.settings = link_settings(station.model)

    for key in (
        Key.MESSAGE_TIMEOUT,
        Key.RETRY_BACK_OFF_WAIT_MINIMUM,
        Key.RETRY_BACK_OFF_RANDOM_RANGE,
        Key.RETRY_BACK_OFF_REPEAT_TIMES,
    ):
        station.model.on_change(relink, key)


def _bind_availability(station: Station) -> None:
    """AvailabilityState tells what StatusNotification would; of the station, the freest of its EVSEs."""
    model = station.model

    def state(evse_ids: Iterable[int]) -> str:
        known = {station.availability.status(evse_id) or ConnectorStatus.UNAVAILABLE for evse_id in evse_ids}
        return next(status for status in _FREEST_FIRST if status in known)

    model.bind(Key.STATION_AVAILABILITY_STATE, partial(state, tuple(station.positions)))
    for evse_id in station.positions:
        model.bind(Key.EVSE_AVAILABILITY_STATE, partial(state, (evse_id,)), evse_id)
        model.bind(Key.CONNECTOR_AVAILABILITY_STATE, partial(state, (evse_id,)), evse_id, 1)


def _bind_hands_off(station: Station) -> None:
    """The CSMS may have a unit left alone, as the API may; it is kept over a restart."""
    for evse_id, position in station.positions.items():
        position.hands_off = station.model.boolean(Key.EVSE_HANDS_OFF, evse_id)

    def changed(change: Change) -> None:
        evse_id = change.place.evse_id
        station.set_hands_off(evse_id, station.model.boolean(Key.EVSE_HANDS_OFF, evse_id))

    station.model.on_change(changed, Key.EVSE_HANDS_OFF)


def _bind_vehicle(station: Station) -> None:
    """ConnectedEV tells which vehicle it is, as far as the unit or somebody else has said (CEL 4.2 to 4.5)."""
    for evse_id, position in station.positions.items():
        model = station.model
        model.bind(Key.CONNECTED_EV_VEHICLE_ID, partial(_vehicle_of, position), evse_id)


def _vehicle_of(position: Position) -> str:
    return position.seen.vehicle_id or ""


def _evse_settings(evse: EvseConfig) -> EvseSettings:
    return EvseSettings(
        evse_id=evse.id,
        local=evse.local,
        discharge=frozenset(evse.discharge),
        voltage=evse.grid.voltage * 1000,
        phases=evse.grid.phases,
    )


def password_of(csms: CsmsConfig) -> str | None:
    """A station's password, from its file, which nobody else may read. Raises `ConfigError` with the mend."""
    path = csms.password_file
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8").strip()
        open_to_others = stat.S_IMODE(os.stat(path).st_mode) & 0o077
    except OSError as error:
        why = error.strerror or error
        raise ConfigError(f"the password file cannot be read: {why}: write the password into {path}") from error
    if open_to_others:
        raise ConfigError(f"{path.name} can be read by others: chmod 600 {_shown(path)}")
    if not text:
        raise ConfigError(f"{path.name} is empty: write the password into it")
    return text


def _shown(path: Path) -> str:
    return str(path)


def _text(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
