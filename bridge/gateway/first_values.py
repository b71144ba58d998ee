"""First values of the device model from a file that several stations may share; the CSMS's later ones win."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from pydantic import RootModel, StrictBool, StrictFloat, StrictInt, StrictStr

from bridge.errors import ConfigError
from bridge.mapping.yamlfile import OF_A_SITE, Problems, check, load_yaml
from bridge.station.device_model import DeviceModel, EvseTraits, FirstValuesError
from bridge.station.device_model_table import TABLE, Row

Scalar: TypeAlias = str | int | float | bool


class _File(RootModel[dict[StrictStr, StrictBool | StrictInt | StrictFloat | StrictStr | list[StrictStr]]]):
    """`Component.Variable[Instance]@evse: value`; a list may be written as one."""


def read_first_values(path: Path, evse_ids: Iterable[int], table: Sequence[Row] = TABLE) -> dict[str, str]:
    """The values in a file, for a station with these EVSEs and variables.

    Raises:
        ConfigError: with every mistake as `file:line:column: CODE message`.
    """
    document = load_yaml(path, error=ConfigError, limits=OF_A_SITE)
    problems = Problems()
    found = check(document, _File, problems)
    problems.raise_as(ConfigError)
    assert found is not None
    values = {name: value_text(value) for name, value in found.root.items()}
    try:
        DeviceModel({evse_id: EvseTraits() for evse_id in evse_ids}, values, table=table)
    except FirstValuesError as error:
        for name, why in error.faults.items():
            problems.add(document, (name,), "CONFIG-VARIABLE", f"{name}: {why}")
    problems.raise_as(ConfigError)
    return values


def value_text(value: Scalar | list[str]) -> str:
    """A value as OCPP writes it."""
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
