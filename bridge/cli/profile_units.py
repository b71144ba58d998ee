"""The unit of a dry run: a live one as it stands, or a usual one of its class and release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bridge.authoring.profile_writes import ImaginedUnit, assuming, refreshed
from bridge.authoring.tables import source_for, source_of, told_by
from bridge.authoring.viewing import view_of
from bridge.authoring.words import ExampleError, given_view, parse_given
from bridge.errors import ConfigError, MappingError
from bridge.evse import Abilities
from bridge.mapping.decision import View
from bridge.mapping.load import Mappings, default_folder, load_paths
from bridge.mapping.table import TableSource

#: A vehicle that can do all, by class: what edges in the future have to assume.
_VEHICLE: Final[Mapping[int, Mapping[str, Any]]] = {
    0x027E: {"chargeDischargeStatus": "chargeableDischargeable", "faultStatus": "noFault"},
    0x02A1: {"chargeStatus": "chargeable", "faultStatus": "noFault"},
}
_CHARGE: Final = "50 %"
_LEVEL: Final = "remainingCapacity3"
_LEVELS: Final = (_LEVEL, "remainingCapacity1")
_RANGE: Final = {"minimumElectricPower": 500, "maximumElectricPower": 6000}
_CURRENTS: Final = {"minimumCurrent": 15, "maximumCurrent": 300}
#: What a usual home unit tells of itself.
_USUAL: Final[Mapping[int, Mapping[str, Any]]] = {
    0x027E: {
        "ratedChargeElectricPower": "6000 W",
        "ratedDischargeElectricPower": "6000 W",
        "minimumAndMaximumChargingElectricPower": _RANGE,
        "minimumAndMaximumDischargingElectricPower": _RANGE,
        "minimumAndMaximumChargingCurrent": _CURRENTS,
        "minimumAndMaximumDischargingCurrent": _CURRENTS,
        "instantaneousElectricPower": "0 W",
        "operationMode": "idle",
        _LEVEL: _CHARGE,
    },
    0x02A1: {
        "ratedChargeElectricPower": "6000 W",
        "minimumAndMaximumChargingElectricPower": _RANGE,
        "minimumAndMaximumChargingCurrent": _CURRENTS,
        "instantaneousElectricPower": "0 W",
        "operationMode": "idle",
    },
}


@dataclass(frozen=True)
class Subject:
    """What a dry run is about: the unit, what it can do, and in words who it is and what was assumed of it."""

    unit: ImaginedUnit
    abilities: Abilities
    title: str
    assumed: tuple[str, ...]


def usual_unit(
    class_text: str, release: str | None, given: str | None, folders: list[Path], discharge: bool
) -> Subject:
    """A unit that nobody has: as most are, but for the words that are `given`.

    Raises:
        MappingError: there is no such class or release, or a word is wrong.
    """
    try:
        code = int(class_text, 16)
    except ValueError:
        raise MappingError(f'--table: "{class_text}" is no class like 0x027E') from None
    mappings = load_paths(folders)
    source = source_of(mappings, code)
    letters = sorted(source.table.device.releases)
    if release is not None and release not in letters:
        raise MappingError(f'--release: class 0x{code:04X} has no release "{release}" (only {", ".join(letters)})')
    words: list[Any] = [] if release is None else [{"release": release}]
    try:
        view, _ = assuming(source, given_view(source, words), _USUAL.get(code, {}))
        view, _ = assuming(source, view, _VEHICLE.get(code, {}))
        told = given_view(source, [*words, *parse_given(given)]) if given else None
        view = view if told is None else _with(view, told)
        source = source_for(mappings, code, view.release, told_by(view))
    except ExampleError as error:
        raise MappingError(f"--given: {error}") from None
    view = _allowed(view, discharge)
    title = f"a usual unit of class 0x{code:04X}, Release {view.release}"
    return Subject(ImaginedUnit(source, view), source.table.abilities(view), title, ())


def _with(view: View, told: View) -> View:
    """The view with the facts and maps that were given."""
    maps = {name: getattr(told, name) for name in ("gettable", "settable", "refused")}
    return replace(view, facts={**view.facts, **told.facts}, **maps)


def _allowed(view: View, discharge: bool) -> View:
    return replace(view, discharge_allowed=discharge)


def live_unit(told: Mapping[str, Any], folders: list[Path], discharge: bool | None, floor: int | None) -> Subject:
    """A unit as the operation `explain` has told it. `discharge`, `floor` (%): what the site says where no gateway
    does; None: as the gateway has it.

    Raises:
        MappingError: no table is for it.
    """
    mappings = _tables(folders, Path(told["mappings"]))
    code, view = int(told["class"], 16), refreshed(view_of(told["view"]))
    source = source_for(mappings, code, view.release, told_by(view))
    view = view if discharge is None else _allowed(view, discharge)
    view = view if floor is None else replace(view, soc_floor=floor * 1000)
    try:
        view, assumed = assuming(source, view, _VEHICLE.get(code, {}))
        if not _tells_level(source, view):
            view, level = assuming(source, view, {_LEVEL: _CHARGE})
            assumed += level
    except ExampleError as error:
        raise ConfigError(f"{told['unit']}: {error}") from None
    title = f"{told['unit']}: {told['address']} object {told['object']}, Release {view.release or 'unknown'}"
    return Subject(ImaginedUnit(source, view), source.table.abilities(view), title, assumed)


def _tells_level(source: TableSource, view: View) -> bool:
    return any(source.table.device.epc_of(name) in view.facts for name in _LEVELS)


def _tables(own: list[Path], in_use: Path) -> Mappings:
    """The tables of the command line, else those in use there; the shipped ones go by their short name."""
    return load_paths(own or ([] if in_use == default_folder() else [in_use]))
