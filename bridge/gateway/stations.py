"""The northern side put together: a station, its link, its device model, from the site configuration."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from bridge import __version__
from bridge.clock import Clock
from bridge.errors import ConfigError
from bridge.evse import Evse
from bridge.gateway.config import CsmsConfig, EvseConfig, PlugTokenConfig, ReceivingPointConfig, StationConfig
from bridge.gateway.first_values import read_first_values, value_text
from bridge.policies import PlugSource
from bridge.station.backoff import BackOffSettings
from bridge.station.device_model import Change, DeviceModel, EvseTraits
from bridge.station.device_model_index import Place
from bridge.station.device_model_live import bind_live, most_power_name
from bridge.station.device_model_table import TABLE, TABLE_WITH_METER, Key
from bridge.station.link import Dialer, Link, LinkSettings
from bridge.station.link_websocket import WebSocketDialer, WebSocketSettings
from bridge.station.messages import ChargingStation, IdToken, IdTokenKind
from bridge.station.messages.v201 import Adapter
from bridge.station.network import Aim, Network, SiteAccess
from bridge.station.network_profiles import Profile
from bridge.station.position import EvseSettings
from bridge.station.rpc import VersionAdapter
from bridge.station.station import Station, StationSettings
from bridge.station.v2x_variables import WITH_MODES, bind_balancing, bind_v2x
from bridge.store.keeper import Keeper
from bridge.store.port import Store


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
    config: StationConfig,
    evses: Mapping[int, Evse],
    *,
    dialer: Dialer,
    store: Store,
    keeper: Keeper,
    clock: Clock,
    grid: bool = False,
    point: ReceivingPointConfig | None = None,
) -> Station:
    """A station that has taken up its earlier life, ready to run; `grid`: the site's connection has a limit; `point`:
    that connection, where there is a meter in it."""
    stored = await store.settings(config.id)
    model = device_model_for(config, stored, point)
    adapter = Adapter()
    network = network_for(config, store, model, stored, dialer)
    link = Link(network, adapters_for(config.csms), clock, settings=link_settings(model))
    settings = StationSettings(
        station_id=config.id,
        evses=tuple(_evse_settings(evse) for evse in config.evses),
        identity=ChargingStation(model=config.model, vendor_name=config.vendor, firmware_version=__version__),
    )
    station = Station(
        settings,
        link=link,
        network=network,
        adapter=adapter,
        store=store,
        keeper=keeper,
        clock=clock,
        model=model,
        evses=evses,
    )
    _bind_link(station)
    bind_live(station)
    _bind_hands_off(station)
    bind_v2x(station)
    if point is not None:
        bind_balancing(station)
    station.wishes.targets.bind()
    await station.restore()
    station.wishes.external.restore(stored, grid=grid)
    return station


def adapters_for(csms: CsmsConfig) -> tuple[VersionAdapter, ...]:
    """The OCPP versions that a station offers, in the site's order."""
    return tuple(_adapter(version) for version in dict.fromkeys(csms.versions))


def _adapter(version: str) -> VersionAdapter:
    if version == "2.0.1":
        return Adapter()
    from bridge.station.messages import v21  # only where a site offers it

    return v21.Adapter()


def device_model_for(
    config: StationConfig, stored: Mapping[str, str], point: ReceivingPointConfig | None
) -> DeviceModel:
    """The variables of a station: the site's first values, under what a CSMS has set later. Those of load balancing are
    there where the site has a meter in its connection (`point`) and lets a CSMS say modes."""
    traits = {evse.id: EvseTraits(_most_power(evse.id, stored), phases=evse.grid.phases) for evse in config.evses}
    first = _thresholds(config, point) if point is not None else {}
    table = TABLE_WITH_METER if point is not None and balances(config) else TABLE
    if config.variables_file:
        first |= read_first_values(config.variables_file, traits, table)
    first |= {name: value_text(value) for name, value in config.variables.items()}
    return DeviceModel(traits, first, stored, table=table)


def balances(config: StationConfig) -> bool:
    """Whether an EVSE may be asked to balance the load of the site, if that has a grid meter (Q09)."""
    return any(WITH_MODES & set(evse.discharge) for evse in config.evses)


def _thresholds(config: StationConfig, point: ReceivingPointConfig) -> dict[str, str]:
    """What the site says by itself (W): the contract is not to be passed, nor is anything to flow back into the grid.
    Where it says neither, a CSMS has to."""
    values = {}
    if point.contract_power is not None:
        values[Key.BALANCING_UPPER_THRESHOLD] = point.contract_power // 1000 - point.contract_margin
    if not point.reverse_flow:
        values[Key.BALANCING_LOWER_THRESHOLD] = point.margin
    if not balances(config):
        return {}
    return {str(Place(key, evse.id)): str(value) for key, value in values.items() for evse in config.evses}


def _most_power(evse_id: int, stored: Mapping[str, str]) -> int | None:
    """What the EVSE's unit could at most (mW) when it was last heard."""
    watts = stored.get(most_power_name(evse_id), "")
    return round(float(watts) * 1000) if watts.replace(".", "", 1).isdigit() else None


def network_for(
    config: StationConfig, store: Store, model: DeviceModel, stored: Mapping[str, str], dialer: Dialer
) -> Network:
    """The ways of a station to its CSMSs: the site's own, and those that a CSMS has set."""
    access = SiteAccess(site_profile(config), password_of(config.csms), config.csms.ca_file)
    return Network(config.id, store, model, access, stored, dialer=dialer, aim=_aiming(dialer))


def site_profile(config: StationConfig) -> Profile:
    """The site's own CSMS as a network profile."""
    return Profile(config.csms.url, _security_profile(config.csms))


def _aiming(dialer: Dialer) -> Callable[[Aim], None]:
    """Point a dialer at what a network profile says; one without settings goes where it always goes."""

    def aim(at: Aim) -> None:
        if not isinstance(dialer, Settable):
            return
        dialer.settings = replace(
            dialer.settings,
            url=at.url,
            password=at.password,
            roots=at.trust.roots,
            only_roots=not at.trust.site,
            ping_interval=at.ping_interval,
        )

    return aim


@runtime_checkable
class Settable(Protocol):
    """A dialer whose goal can be set."""

    settings: WebSocketSettings


def _security_profile(csms: CsmsConfig) -> int:
    """The one in force: as the site says, or as the way to the CSMS shows (A00)."""
    if csms.security_profile is not None:
        return csms.security_profile
    if csms.password_file is None:
        return 0
    return 2 if csms.url.startswith("wss:") else 1


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

    station.network.moved = lambda: relink(None)  # a network profile has a time-out of its own

    for key in (
        Key.MESSAGE_TIMEOUT,
        Key.RETRY_BACK_OFF_WAIT_MINIMUM,
        Key.RETRY_BACK_OFF_RANDOM_RANGE,
        Key.RETRY_BACK_OFF_REPEAT_TIMES,
    ):
        station.model.on_change(relink, key)


def _bind_hands_off(station: Station) -> None:
    """The CSMS may have a unit left alone, as the API may; it is kept over a restart."""
    for evse_id, position in station.positions.items():
        position.hands_off = station.model.boolean(Key.EVSE_HANDS_OFF, evse_id)

    def changed(change: Change) -> None:
        evse_id = change.place.evse_id
        station.wishes.set_hands_off(evse_id, station.model.boolean(Key.EVSE_HANDS_OFF, evse_id))

    station.model.on_change(changed, Key.EVSE_HANDS_OFF)


def _evse_settings(evse: EvseConfig) -> EvseSettings:
    return EvseSettings(
        evse_id=evse.id,
        local=evse.local,
        discharge=frozenset(evse.discharge),
        voltage=evse.grid.voltage * 1000,
        phases=evse.grid.phases,
        plug_token=_plug_token(evse.plug_token),
        hems=evse.foreign_limit.hems,
        foreign_limit_lasts=_milliseconds(evse.foreign_limit.lasts),
        max_offline_discharge=_milliseconds(evse.max_offline_discharge),
        after_discharge=evse.after_discharge,
    )


def _milliseconds(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * 1000


def _plug_token(config: PlugTokenConfig | PlugSource | None) -> IdToken | PlugSource | None:
    """What counts as presented when a vehicle is plugged in."""
    if not isinstance(config, PlugTokenConfig):
        return config
    return IdToken(config.id, IdTokenKind.LOCAL if config.type is None else IdTokenKind(config.type))


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
