"""What `check` looks at: the configuration, the tables for its units, the secrets, the device model's first values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from bridge.errors import BridgeError, ConfigError, MappingError, StoreError
from bridge.gateway.config import ReceivingPointConfig, SiteConfig, StationConfig, read_config
from bridge.gateway.process import STORE
from bridge.gateway.stations import device_model_for, dialer_for, password_of, site_profile
from bridge.mapping.cache import cache_of_tools
from bridge.mapping.load import Mappings, load_mappings
from bridge.mapping.yamlfile import Document, Path_, Problems
from bridge.station.device_model_table import Key
from bridge.station.network_profiles import differences
from bridge.store.peek import peek_settings


def check_site(path: Path) -> Iterator[str]:
    """Check a site offline; yields what is found right, raises ConfigError or MappingError for what is wrong."""
    document, site = read_config(path)
    yield f"{path}: {len(site.stations)} station(s), {len(site.units)} unit(s), {len(site.networks)} network(s)"
    mappings = load_mappings(site.mappings, cache=cache_of_tools())
    problems = Problems()
    said = [*_objects(document, site, mappings, problems)]
    for number, station in enumerate(site.stations):
        _station(document, number, station, site.receiving_point, problems)
        said.append(f"station {station.id}: {len(station.evses)} EVSE(s), {station.csms.url}")
        said += [f"station {station.id}: {line}" for line in _set_by_csms(site.state_dir / STORE, station)]
    problems.raise_as(ConfigError)
    yield from said
    yield _worst_stop(site)


def _objects(document: Document, site: SiteConfig, mappings: Mappings, problems: Problems) -> Iterator[str]:
    """The tables of all units and meters."""
    for name, unit in site.units.items():
        try:
            table = mappings.table(unit.class_code).content_hash[:12]
        except MappingError as error:
            problems.add(document, ("units", name, "class"), "CONFIG-CLASS", str(error))
        else:
            yield f"unit {name}: class {unit.object_class}, table {table}, control {unit.control.value}"
    for name, meter in site.meters.items():
        try:
            table = mappings.meter(meter.class_code).content_hash[:12]
        except MappingError as error:
            problems.add(document, ("meters", name, "class"), "CONFIG-CLASS", str(error))
        else:
            yield f"meter {name}: class {meter.object_class}, table {table}"


def _station(
    document: Document, number: int, station: StationConfig, point: ReceivingPointConfig | None, problems: Problems
) -> None:
    """The station's secrets and first values, each mistake with its place."""
    csms: Path_ = ("stations", number, "csms")
    try:
        password_of(station.csms)
    except ConfigError as error:
        problems.add(document, (*csms, "password_file"), "CONFIG-PASSWORD", str(error))
    else:
        _try(document, csms, "CONFIG-CSMS", problems, lambda: dialer_for(station))
    first_values: Path_ = ("stations", number, "variables")
    _try(document, first_values, "CONFIG-VARIABLE", problems, lambda: device_model_for(station, {}, point))


def _set_by_csms(store: Path, station: StationConfig) -> list[str]:
    """What a CSMS has set of the way to it, which wins over the site file."""
    try:
        kept = peek_settings(store, station.id)
    except StoreError as error:
        return [f"what its CSMS has set cannot be read: {error}"]
    return differences(site_profile(station), kept, kept.get(Key.NETWORK_CONFIGURATION_PRIORITY))


def _try(document: Document, path: Path_, code: str, problems: Problems, act: Callable[[], object]) -> None:
    try:
        act()
    except BridgeError as error:
        problems.add(document, path, code, str(error))


def _worst_stop(site: SiteConfig) -> str:
    """translation.md, "Stop": the worst case per node is said before it happens."""
    timer = site.echonet.response_timeout
    return (
        f"a stop goes out at once, after 2 s at the latest even where a unit owes an answer; "
        f"it is repeated at that answer, or after {timer} s"
    )
