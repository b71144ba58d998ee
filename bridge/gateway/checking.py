"""What `check` looks at: the configuration, the tables for its units, the secrets, the device model's first values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bridge.gateway.config import SiteConfig, load_config
from bridge.gateway.stations import device_model_for, dialer_for
from bridge.mapping.load import load_mappings


def check_site(path: Path) -> Iterator[str]:
    """Check a site offline; yields what is found right, raises ConfigError or MappingError for what is wrong."""
    site = load_config(path)
    yield f"{path}: {len(site.stations)} station(s), {len(site.units)} unit(s), {len(site.networks)} network(s)"
    mappings = load_mappings(site.mappings)
    for name, unit in site.units.items():
        table = mappings.table(unit.class_code)
        yield f"unit {name}: class {unit.unit_class}, table {table.content_hash[:12]}, control {unit.control.value}"
    for station in site.stations:
        dialer_for(station)
        device_model_for(station, {})
        yield f"station {station.id}: {len(station.evses)} EVSE(s), {station.csms.url}"
    yield _worst_stop(site)


def _worst_stop(site: SiteConfig) -> str:
    """translation.md, "Stop": the worst case per node is said before it happens."""
    timer = site.echonet.response_timeout
    return (
        f"a stop goes out at once, after 2 s at the latest even where a unit owes an answer; "
        f"it is repeated at that answer, or after {timer} s"
    )
