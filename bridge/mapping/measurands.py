"""What a table may say that a measure is, in the words of OCPP (MeasurandEnumType of OCPP 2.0.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final


class Measurand(StrEnum):
    """What is measured, and in which direction it flows."""

    CURRENT_EXPORT = "Current.Export"
    CURRENT_IMPORT = "Current.Import"
    CURRENT_OFFERED = "Current.Offered"
    ENERGY_ACTIVE_EXPORT_REGISTER = "Energy.Active.Export.Register"
    ENERGY_ACTIVE_IMPORT_REGISTER = "Energy.Active.Import.Register"
    ENERGY_ACTIVE_EXPORT_INTERVAL = "Energy.Active.Export.Interval"
    ENERGY_ACTIVE_IMPORT_INTERVAL = "Energy.Active.Import.Interval"
    ENERGY_ACTIVE_NET = "Energy.Active.Net"
    POWER_ACTIVE_EXPORT = "Power.Active.Export"
    POWER_ACTIVE_IMPORT = "Power.Active.Import"
    POWER_OFFERED = "Power.Offered"
    SOC = "SoC"
    VOLTAGE = "Voltage"


#: What each measure of a table is told as, by the sign of its value; a register only grows, and has one.
TOLD_AS: Final[Mapping[str, Mapping[str, Measurand]]] = {
    "power": {"plus": Measurand.POWER_ACTIVE_IMPORT, "minus": Measurand.POWER_ACTIVE_EXPORT},
    "current": {"plus": Measurand.CURRENT_IMPORT, "minus": Measurand.CURRENT_EXPORT},
    "voltage": {"plus": Measurand.VOLTAGE},
    "energy_in": {"plus": Measurand.ENERGY_ACTIVE_IMPORT_REGISTER},
    "energy_out": {"minus": Measurand.ENERGY_ACTIVE_EXPORT_REGISTER},
    "soc": {"plus": Measurand.SOC},
    "offered": {"plus": Measurand.POWER_OFFERED},
}


def misnamed(measure: str, said: Measurand | Mapping[Any, Measurand] | None) -> Iterator[tuple[str, str, str]]:
    """What a table calls otherwise than it is told: the sign ("" where none is given), the word, and what it is."""
    known = TOLD_AS.get(measure, {})
    if isinstance(said, Measurand):
        if said not in known.values():
            yield "", said, " or ".join(known.values()) or "nothing"
        return
    signs = ", ".join(f"{sign}: {word}" for sign, word in known.items()) or "nothing"
    for sign, word in (said or {}).items():
        if known.get(sign) is not word:
            yield sign, f"{sign}: {word}", signs
