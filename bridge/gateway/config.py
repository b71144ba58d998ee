"""The site configuration: `config: 1`, YAML, read with positions by the tables' own loader.

The file holds site facts and first values. What a CSMS sets later lives in the store and wins. Secrets come from files.
"""

from __future__ import annotations

import ipaddress
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bridge.errors import ConfigError
from bridge.mapping.yamlfile import OF_A_SITE, Document, Path_, Problems, check, load_yaml, nearest
from bridge.policies import AfterDischarge, Control, DischargeWay, LocalPolicy, OnShutdown, PlugSource

#: Power distribution board metering (0x0287): the one class of meters with channels.
BOARD: Final = 0x0287


#: What a contract may be told in, in mW.
_CONTRACT_UNITS: Final = {"A": 100_000, "VA": 1_000, "W": 1_000, "kVA": 1_000_000, "kW": 1_000_000}
_CONTRACT: Final = re.compile(r"(?P<number>[0-9]{1,6}([.][0-9]{1,3})?) ?(?P<unit>A|VA|W|kVA|kW)")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class NetworkConfig(_Part):
    """A network with ECHONET Lite nodes: our own address in it, and the card's name where the address is not enough.

    IPv4 and IPv6 on one LAN are two networks here; a unit that is seen on both is one unit.
    `gap` as in `EchonetConfig`.
    """

    bind: str
    interface: str | None = None
    group: str | None = None
    gap: Annotated[int | None, Field(ge=0, le=10_000)] = None


class ObjectConfig(_Part):
    """A device object on a network. With neither `identity` nor `address` it is the first of its class that is found,
    and remains that one. Without `network` it may be on any of them; without `instance` it may be any of its class."""

    object_class: Annotated[str, Field(alias="class", pattern=r"^0x[0-9A-Fa-f]{4}$")]
    network: str | None = None
    address: str | None = None
    identity: str | None = Field(None, pattern=r"^[0-9A-Fa-f]{34}$")
    instance: Annotated[int | None, Field(ge=1, le=127)] = None
    gap: Annotated[int | None, Field(ge=0, le=10_000)] = None

    @property
    def class_code(self) -> int:
        """The class group and class."""
        return int(self.object_class, 16)

    @property
    def eoj(self) -> int:
        """The whole object code; where the instance is left open, that of the first."""
        return self.class_code << 8 | (self.instance or 1)


class UnitConfig(ObjectConfig):
    """A unit: an EV charger/discharger (0x027E) or an EV charger (0x02A1). Between `soc_floor` and `soc_ceiling` (%)
    its vehicle is discharged and charged; each begins anew only some way inside them."""

    object_class: Annotated[str, Field(alias="class", pattern=r"^0x[0-9A-Fa-f]{4}$")] = "0x027E"
    control: Control = Control.ON
    soc_floor: Annotated[int, Field(ge=0, le=100)] = 20
    soc_ceiling: Annotated[int, Field(ge=10, le=100)] = 100


class MeterConfig(ObjectConfig):
    """A meter that is only read: a smart electric energy meter (0x0288) or a power distribution board (0x0287)."""

    object_class: Annotated[Literal["0x0288", "0x0287"], Field(alias="class")]

    @property
    def has_channels(self) -> bool:
        """Whether it measures many circuits, of which one has to be named."""
        return self.class_code == BOARD


def _version_text(value: object) -> object:
    """YAML takes an unquoted 2.1 for a number."""
    return str(value) if isinstance(value, float) else value


_Version = Annotated[Literal["2.0.1", "2.1"], BeforeValidator(_version_text)]


class CsmsConfig(_Part):
    """Where a station's CSMS is. `security_profile` 1: basic authentication, 2: with TLS, 0: neither (tests only).

    `versions` of OCPP are offered in this order; the CSMS chooses one of them for each connection.
    """

    url: str
    security_profile: Literal[0, 1, 2] | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    versions: Annotated[tuple[_Version, ...], Field(min_length=1)] = ("2.0.1",)
    proxy: str | Literal["environment"] | None = None
    compression: bool = True


class GridConfig(_Part):
    """The grid connection of an EVSE: V per phase, and phases; used to turn amperes into watts."""

    voltage: Annotated[int, Field(ge=50, le=500)] = 200
    phases: Annotated[int, Field(ge=1, le=3)] = 1


class MeterUse(_Part):
    """A meter, by its name in `meters`; of a board the channel, and whether that one is duplex (both directions)."""

    meter: str
    channel: Annotated[int | None, Field(ge=1, le=252)] = None
    duplex: bool = False


class ReceivingPointConfig(MeterUse):
    """The site's own connection to the grid, and the meter in it. What the units discharge follows the house's load.

    `reverse_flow`: whether energy may flow into the grid. `margin` (W): how much of the load discharging leaves.

    `contract`: how much the site may draw, `60 A` (of 100 V) or `6 kVA`: all charging together has what the house
    leaves of it, less `contract_margin` (W), and `without_meter` (W) while the meter does not tell.
    """

    reverse_flow: bool = False
    margin: Annotated[int, Field(ge=0, le=100_000)] = 100
    contract: str | float | None = None
    contract_margin: Annotated[int, Field(ge=0, le=100_000)] = 300
    without_meter: Annotated[int, Field(ge=0, le=1_000_000)] = 0

    @property
    def contract_power(self) -> int | None:
        """The contract in mW. Contract amperes are those of 100 V (single-phase three-wire, Japan)."""
        said = _CONTRACT.fullmatch(str(self.contract))
        return None if said is None else round(Decimal(said["number"]) * _CONTRACT_UNITS[said["unit"]])


class PlugTokenConfig(_Part):
    """An id token of the site's: what it says, and its type in OCPP's words (without: a local one)."""

    id: Annotated[str, Field(max_length=36)]
    type: str | None = None


class ForeignLimitConfig(_Part):
    """What others set at a unit. `hems`: the home's energy management steers it too, so that a limit set there is its
    (else nobody knows whose). `lasts` (s): so long it counts at most, within its transaction; without: to its end."""

    hems: bool = False
    lasts: Annotated[int | None, Field(ge=60, le=30 * 86_400)] = 86_400


class EvseConfig(_Part):
    """One EVSE of a station, the unit behind it, and the meter before it where there is one.

    `plug_token`, for sites without a reader: the token that counts as presented when a vehicle is plugged in, or
    `vehicle-id`, where the vehicle's own id is that token.

    `discharge`: by which words a CSMS may order one. Without a CSMS for `max_offline_discharge` (s; null: no end) it is
    paused. `after_discharge`: what follows when the profile that discharged has ended.
    """

    id: Annotated[int, Field(ge=1)]
    unit: str
    meter: MeterUse | None = None
    discharge: tuple[DischargeWay, ...] = ()
    max_offline_discharge: Annotated[int | None, Field(ge=0, le=30 * 86_400)] = 900
    after_discharge: AfterDischarge = AfterDischarge.FALLBACK
    local: LocalPolicy = LocalPolicy.REPORT
    plug_token: PlugTokenConfig | PlugSource | None = None
    grid: GridConfig = GridConfig()
    foreign_limit: ForeignLimitConfig = ForeignLimitConfig()
    on_shutdown: OnShutdown = OnShutdown.PAUSE


class StationConfig(_Part):
    """One OCPP charging station. `variables` are first values of the device model, by Component.Variable; they go
    before those in `variables_file`, which stations may share."""

    id: Annotated[str, Field(min_length=1, max_length=48, pattern=r"^[A-Za-z0-9*\-_=+|@.]+$")]
    csms: CsmsConfig
    evses: Annotated[tuple[EvseConfig, ...], Field(min_length=1)]
    vendor: Annotated[str, Field(max_length=50)] = "ocpp-echonet"
    model: Annotated[str, Field(max_length=20)] = "V2H gateway"
    variables: dict[str, str | int | float | bool] = {}
    variables_file: Path | None = None


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
    meters: dict[str, MeterConfig] = {}
    receiving_point: ReceivingPointConfig | None = None
    stations: Annotated[tuple[StationConfig, ...], Field(min_length=1)]
    mappings: Path | None = None
    echonet: EchonetConfig = EchonetConfig()
    log: LogConfig = LogConfig()

    @property
    def classes(self) -> frozenset[int]:
        """The classes of everything that the site has."""
        return frozenset(what.class_code for what in (*self.units.values(), *self.meters.values()))

    def networks_of(self, what: ObjectConfig) -> tuple[str, ...]:
        """Where an object may be: on the network named, else on those of its address' family, else on any."""
        if what.network is not None:
            return (what.network,)
        if what.address is None:
            return tuple(self.networks)
        same = tuple(n for n, network in self.networks.items() if family(network.bind) == family(what.address))
        return same or tuple(self.networks)

    def network_of(self, what: ObjectConfig) -> str:
        """The network on which an object is asked first."""
        return self.networks_of(what)[0]

    def gap_of(self, network: str, what: ObjectConfig | None = None) -> int:
        """The least time (ms) between two requests to a node: the object's own, else its network's, else the site's."""
        own = what.gap if what is not None else None
        shared = self.networks[network].gap
        return next(gap for gap in (own, shared, self.echonet.gap) if gap is not None)


def family(address: str) -> int | None:
    """4 or 6; None for what is no address."""
    try:
        return ipaddress.ip_address(address).version
    except ValueError:
        return None


def load_config(path: Path) -> SiteConfig:
    """Read and check a site configuration; relative paths in it are relative to the file.

    Raises:
        ConfigError: with every mistake as `file:line:column: CODE message`.
    """
    return read_config(path)[1]


def read_config(path: Path) -> tuple[Document, SiteConfig]:
    """As `load_config`, with the places of everything in the file, for those who find more mistakes in it."""
    document = load_yaml(path, error=ConfigError, limits=OF_A_SITE)
    problems = Problems()
    site = check(document, SiteConfig, problems)
    if site is not None:
        _cross_check(document, site, problems)
    problems.raise_as(ConfigError)
    assert site is not None
    return document, _from(site, path.parent)


def _cross_check(document: Document, site: SiteConfig, problems: Problems) -> None:
    """What one part says of another: names that must exist, things that may stand only once."""
    for name, network in site.networks.items():
        _address(document, ("networks", name, "bind"), network.bind, problems)
    for name, unit in site.units.items():
        _check_object(document, ("units", name), site, unit, problems)
        if unit.soc_ceiling <= unit.soc_floor:
            message = f"a ceiling of {unit.soc_ceiling} % leaves nothing above the floor of {unit.soc_floor} %"
            problems.add(document, ("units", name), "CONFIG-SOC", message, at_key=True)
    for name, meter in site.meters.items():
        _check_object(document, ("meters", name), site, meter, problems)
        if name in site.units:
            message = f"a unit is named {name!r} already; give the meter a name of its own"
            problems.add(document, ("meters", name), "CONFIG-TWICE", message, at_key=True)
    _check_identities(document, site, problems)
    if site.receiving_point is not None:
        _check_meter_use(document, ("receiving_point",), site, site.receiving_point, problems)
        _check_contract(document, site.receiving_point, problems)
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
            if evse.meter is not None:
                _check_meter_use(document, (*place, "meter"), site, evse.meter, problems)
            if isinstance(evse.plug_token, PlugTokenConfig):
                _check_token(document, (*place, "plug_token"), evse.plug_token, problems)
            if evse.unit in taken:
                message = f"unit {evse.unit!r} belongs to {taken[evse.unit]} already; a unit is one EVSE"
                problems.add(document, (*place, "unit"), "CONFIG-TWICE", message)
            taken[evse.unit] = f"{station.id} EVSE {evse.id}"


def _check_object(document: Document, path: Path_, site: SiteConfig, what: ObjectConfig, problems: Problems) -> None:
    """The network that is named is there, and the address is one that it can have."""
    network = site.networks.get(what.network) if what.network is not None else None
    if what.network is not None and network is None:
        message = f"there is no network {what.network!r}{nearest(what.network, site.networks)}"
        problems.add(document, (*path, "network"), "CONFIG-NAME", message)
    if what.address is None or not _address(document, (*path, "address"), what.address, problems):
        return
    here = [network] if network is not None else list(site.networks.values())
    families = {family(one.bind) for one in here}
    if None not in families and family(what.address) not in families:
        where = f"network {what.network!r}" if network is not None else "every network here"
        message = f"{what.address!r} is an IPv{family(what.address)} address, but {where} is IPv{_one(families)}: "
        problems.add(document, (*path, "address"), "CONFIG-ADDRESS", message + "add a network that has it")


def _check_identities(document: Document, site: SiteConfig, problems: Problems) -> None:
    """An identity, or an object at an address, is named once: two units would be controlled as one."""
    seen: dict[tuple[object, ...], str] = {}
    things: list[tuple[str, str, ObjectConfig]] = [("units", name, unit) for name, unit in site.units.items()]
    things += [("meters", name, meter) for name, meter in site.meters.items()]
    for kind, name, what in things:
        for field in ("identity", "address"):
            value = getattr(what, field)
            if value is None:
                continue
            key = (field, value.lower(), what.network, what.class_code, what.instance)
            if key in seen:
                message = f"{seen[key]!r} has this {field} already; name the instance of each, or another {field}"
                problems.add(document, (kind, name, field), "CONFIG-TWICE", message)
            seen[key] = name


def _check_meter_use(document: Document, path: Path_, site: SiteConfig, use: MeterUse, problems: Problems) -> None:
    """The meter is there, and a channel is named where there are channels, and only there."""
    meter = site.meters.get(use.meter)
    if meter is None:
        known = nearest(use.meter, site.meters) or ("" if site.meters else ": describe it under meters")
        problems.add(document, (*path, "meter"), "CONFIG-NAME", f"there is no meter {use.meter!r}{known}")
    elif meter.has_channels and use.channel is None:
        message = f"{use.meter!r} is a board with many channels: say which one with channel"
        problems.add(document, path, "CONFIG-CHANNEL", message)
    elif not meter.has_channels and (use.channel is not None or use.duplex):
        wrong = "channel" if use.channel is not None else "duplex"
        message = f"{use.meter!r} is a smart meter, which has no channels: leave {wrong} out"
        problems.add(document, (*path, wrong), "CONFIG-CHANNEL", message)


def _check_contract(document: Document, point: ReceivingPointConfig, problems: Problems) -> None:
    """Something is left of it for charging, and what only it gives a meaning is not said without it."""
    power = point.contract_power
    if power is None and point.contract is not None:
        message = f"{point.contract!r} is no contract: write it as 60 A (of 100 V) or as 6 kVA"
        problems.add(document, ("receiving_point", "contract"), "CONFIG-CONTRACT", message)
        return
    if power is not None and power <= point.contract_margin * 1000:
        message = f"{point.contract} less a margin of {point.contract_margin} W leaves nothing for charging"
        problems.add(document, ("receiving_point", "contract"), "CONFIG-CONTRACT", message)
    for name in ("contract_margin", "without_meter"):
        if power is None and name in point.model_fields_set:
            message = f"{name} is about a contract: say which one, as `contract: 60 A`"
            problems.add(document, ("receiving_point", name), "CONFIG-CONTRACT", message)
    if power is not None and point.without_meter * 1000 > power:
        message = f"without its meter, {point.without_meter} W is more than the whole contract of {point.contract}"
        problems.add(document, ("receiving_point", "without_meter"), "CONFIG-CONTRACT", message)


def _check_token(document: Document, path: Path_, token: PlugTokenConfig, problems: Problems) -> None:
    """Its type is one of OCPP's, and only a token of nobody's says nothing."""
    from bridge.station.messages.enums import IdTokenKind  # only where a site names a token

    kinds = [kind.value for kind in IdTokenKind]
    if token.type is not None and token.type not in kinds:
        message = f"{token.type!r} is no type of token{nearest(token.type, kinds)}: it is one of {', '.join(kinds)}"
        problems.add(document, (*path, "type"), "CONFIG-TOKEN", message)
    elif not token.id and token.type != IdTokenKind.NO_AUTHORIZATION:
        problems.add(document, (*path, "id"), "CONFIG-TOKEN", "the token is empty: write what its reader would read")


def _one(families: set[int | None]) -> str:
    return " and IPv".join(str(each) for each in sorted(each for each in families if each is not None))


def _address(document: Document, path: Path_, address: str, problems: Problems) -> bool:
    if family(address) is None:
        problems.add(document, path, "CONFIG-ADDRESS", f"{address!r} is no IPv4 or IPv6 address")
        return False
    return True


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
                "variables_file": absolute(station.variables_file),
                "csms": station.csms.model_copy(
                    update={
                        "password_file": absolute(station.csms.password_file),
                        "ca_file": absolute(station.csms.ca_file),
                    }
                ),
            }
        )
        for station in site.stations
    )
    return site.model_copy(
        update={"state_dir": folder / site.state_dir, "mappings": absolute(site.mappings), "stations": stations}
    )
