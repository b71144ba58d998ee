"""The site configuration: `config: 1`, YAML, read with positions by the tables' own loader.

The file holds site facts and first values. What a CSMS sets later lives in the store and wins. Secrets come from files.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bridge.errors import ConfigError
from bridge.mapping.yamlfile import Document, Problems, check, load_yaml, nearest
from bridge.policies import Control, DischargeWay, LocalPolicy, OnShutdown


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class NetworkConfig(_Part):
    """A network with ECHONET Lite nodes: our own address in it, and the card's name where the address is not enough."""

    bind: str
    interface: str | None = None
    group: str | None = None


class UnitConfig(_Part):
    """A unit on a network. With neither `identity` nor `address` it is the first of its class that is found."""

    network: str | None = None
    address: str | None = None
    identity: str | None = Field(None, pattern=r"^[0-9A-Fa-f]{34}$")
    unit_class: Annotated[str, Field(alias="class", pattern=r"^0x[0-9A-Fa-f]{4}$")] = "0x027E"
    instance: Annotated[int, Field(ge=1, le=127)] = 1
    control: Control = Control.ON
    soc_floor: Annotated[int, Field(ge=0, le=100)] = 20

    @property
    def class_code(self) -> int:
        """The class group and class."""
        return int(self.unit_class, 16)

    @property
    def eoj(self) -> int:
        """The whole object code."""
        return self.class_code << 8 | self.instance


class CsmsConfig(_Part):
    """Where a station's CSMS is. `security_profile` 1: basic authentication, 2: with TLS, 0: neither (tests only)."""

    url: str
    security_profile: Literal[0, 1, 2] | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    versions: tuple[Literal["2.0.1"], ...] = ("2.0.1",)
    proxy: str | Literal["environment"] | None = None
    compression: bool = True


class GridConfig(_Part):
    """The grid connection of an EVSE: V per phase, and phases; used to turn amperes into watts."""

    voltage: Annotated[int, Field(ge=50, le=500)] = 200
    phases: Annotated[int, Field(ge=1, le=3)] = 1


class EvseConfig(_Part):
    """One EVSE of a station and the unit behind it."""

    id: Annotated[int, Field(ge=1)]
    unit: str
    discharge: tuple[DischargeWay, ...] = ()
    local: LocalPolicy = LocalPolicy.REPORT
    grid: GridConfig = GridConfig()
    on_shutdown: OnShutdown = OnShutdown.PAUSE


class StationConfig(_Part):
    """One OCPP charging station. `variables` are first values of the device model, by Component.Variable."""

    id: Annotated[str, Field(min_length=1, max_length=48, pattern=r"^[A-Za-z0-9*\-_=+|@.]+$")]
    csms: CsmsConfig
    evses: Annotated[tuple[EvseConfig, ...], Field(min_length=1)]
    vendor: Annotated[str, Field(max_length=50)] = "ocpp-echonet"
    model: Annotated[str, Field(max_length=20)] = "V2H gateway"
    variables: dict[str, str | int | float | bool] = {}


class EchonetConfig(_Part):
    """How units are asked: the response timer (s, AIF 2.4.2) and the least gap between requests to a node (ms)."""

    response_timeout: Annotated[int, Field(ge=20, le=300)] = 20
    gap: Annotated[int, Field(ge=0, le=10_000)] = 100


class LogConfig(_Part):
    """How the log is written."""

    format: Literal["json", "console"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"


class SiteConfig(_Part):
    """A whole site."""

    config: Literal[1]
    state_dir: Path
    networks: Annotated[dict[str, NetworkConfig], Field(min_length=1)]
    units: Annotated[dict[str, UnitConfig], Field(min_length=1)]
    stations: Annotated[tuple[StationConfig, ...], Field(min_length=1)]
    mappings: Path | None = None
    echonet: EchonetConfig = EchonetConfig()
    log: LogConfig = LogConfig()

    def network_of(self, unit: UnitConfig) -> str:
        """The network that a unit is on: the one named, else the first."""
        return unit.network or next(iter(self.networks))


def load_config(path: Path) -> SiteConfig:
    """Read and check a site configuration; relative paths in it are relative to the file.

    Raises:
        ConfigError: with every mistake as `file:line:column: CODE message`.
    """
    document = load_yaml(path, error=ConfigError)
    problems = Problems()
    site = check(document, SiteConfig, problems)
    if site is not None:
        _cross_check(document, site, problems)
    problems.raise_as(ConfigError)
    assert site is not None
    return _from(site, path.parent)


def _cross_check(document: Document, site: SiteConfig, problems: Problems) -> None:
    """What one part says of another: names that must exist, things that may stand only once."""
    for name, network in site.networks.items():
        _address(document, ("networks", name, "bind"), network.bind, problems)
    for name, unit in site.units.items():
        if unit.network is not None and unit.network not in site.networks:
            message = f"there is no network {unit.network!r}{nearest(unit.network, site.networks)}"
            problems.add(document, ("units", name, "network"), "CONFIG-NAME", message)
        if unit.address is not None:
            _address(document, ("units", name, "address"), unit.address, problems)
    taken: dict[str, str] = {}
    seen: set[str] = set()
    for s, station in enumerate(site.stations):
        if station.id in seen:
            problems.add(document, ("stations", s, "id"), "CONFIG-TWICE", f"a second station is named {station.id!r}")
        seen.add(station.id)
        _check_csms(document, s, station, problems)
        for e, evse in enumerate(station.evses):
            place = ("stations", s, "evses", e)
            if evse.id != e + 1:
                problems.add(document, (*place, "id"), "CONFIG-EVSE", f"EVSEs count from 1: this one is {e + 1}")
            if evse.unit not in site.units:
                message = f"there is no unit {evse.unit!r}{nearest(evse.unit, site.units)}"
                problems.add(document, (*place, "unit"), "CONFIG-NAME", message)
            if evse.unit in taken:
                message = f"unit {evse.unit!r} belongs to {taken[evse.unit]} already; a unit is one EVSE"
                problems.add(document, (*place, "unit"), "CONFIG-TWICE", message)
            taken[evse.unit] = f"{station.id} EVSE {evse.id}"


def _address(document: Document, path: tuple[str | int, ...], address: str, problems: Problems) -> None:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        problems.add(document, path, "CONFIG-ADDRESS", f"{address!r} is no IPv4 or IPv6 address")


def _check_csms(document: Document, place: int, station: StationConfig, problems: Problems) -> None:
    csms, path = station.csms, ("stations", place, "csms")
    scheme = csms.url.partition("://")[0]
    if scheme not in ("ws", "wss"):
        problems.add(document, (*path, "url"), "CONFIG-URL", f"{csms.url!r} must begin with ws:// or wss://")
    if csms.security_profile == 2 and scheme == "ws":
        problems.add(document, (*path, "url"), "CONFIG-URL", "security profile 2 is TLS: write wss://")
    if csms.security_profile in (1, 2) and csms.password_file is None:
        message = f"security profile {csms.security_profile} authenticates the station: name a password_file"
        problems.add(document, path, "CONFIG-PASSWORD", message)


def _from(site: SiteConfig, folder: Path) -> SiteConfig:
    """The same with absolute paths."""

    def absolute(path: Path | None) -> Path | None:
        return path if path is None else folder.joinpath(path)

    stations = tuple(
        station.model_copy(
            update={
                "csms": station.csms.model_copy(
                    update={
                        "password_file": absolute(station.csms.password_file),
                        "ca_file": absolute(station.csms.ca_file),
                    }
                )
            }
        )
        for station in site.stations
    )
    return site.model_copy(
        update={"state_dir": folder / site.state_dir, "mappings": absolute(site.mappings), "stations": stations}
    )
