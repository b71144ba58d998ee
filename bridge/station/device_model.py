"""The device model at work: GetVariables, SetVariables, GetBaseReport (B05-B07), and typed values for the station.

Pure: what is to be kept is given back, not written. The variables themselves stand in `device_model_table`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple, TypeAlias

from bridge.errors import ConfigError
from bridge.station.device_model_table import TABLE, ConnectorKind, Key, Row, Scope
from bridge.station.device_model_values import Complaint, complaint, members, normal
from bridge.station.messages import (
    Attribute,
    Component,
    Evse,
    GetVariableData,
    GetVariableResult,
    GetVariableStatus,
    Mutability,
    NotifyReportRequest,
    ReportBase,
    ReportData,
    SetVariableData,
    SetVariableResult,
    SetVariableStatus,
    StatusInfo,
    Variable,
    VariableAttribute,
    VariableCharacteristics,
)
from bridge.station.reason_codes import ReasonCode


@dataclass(frozen=True, slots=True)
class EvseTraits:
    """What the device model tells of an EVSE: `power_max` in mW; AC phases (0 for DC); its connector's kind."""

    power_max: int | None = None
    phases: int = 0
    connector: ConnectorKind = ConnectorKind.CHADEMO


class Place(NamedTuple):
    """A variable and where it stands; 0 where there is none."""

    key: Key
    evse_id: int = 0
    connector_id: int = 0

    def __str__(self) -> str:
        """The name in the store: `Component.Variable[Instance]`, and `@1` or `@1.1` where it is not the station's."""
        at = f"@{self.evse_id}" + (f".{self.connector_id}" if self.connector_id else "") if self.evse_id else ""
        return f"{self.key}{at}"


@dataclass(frozen=True, slots=True)
class Change:
    """A variable that the CSMS has set."""

    place: Place
    value: str


@dataclass(frozen=True, slots=True)
class SetOutcome:
    """The answer to SetVariables, and what must be kept before it is given: settings by name."""

    results: tuple[SetVariableResult, ...]
    settings: Mapping[str, str]
    changes: tuple[Change, ...]


#: Judges a value beyond what the table can say; None: it may be set.
Guard: TypeAlias = Callable[[str], Complaint]
Listener: TypeAlias = Callable[[Change], None]
_ComponentName: TypeAlias = tuple[str, str, int, int]
_VariableName: TypeAlias = tuple[str, str]


@dataclass(slots=True)
class _Cell:
    """One variable's value. `told` is what the CSMS hears; `active` what counts (they differ until a restart)."""

    place: Place
    row: Row
    told: str
    active: str
    source: Callable[[], str] | None = None
    guard: Guard | None = None

    def now(self) -> str:
        return self.source() if self.source else self.told

    def accept(self, value: str) -> None:
        self.told = value
        if not self.row.reboot:
            self.active = value


@dataclass(slots=True)
class _Index:
    """All cells by what a CSMS calls them; names are not case-sensitive (Part 2, ComponentType)."""

    components: dict[_ComponentName, dict[_VariableName, _Cell]] = field(default_factory=dict)

    def add(self, cell: _Cell) -> None:
        key, evse_id, connector_id = cell.place
        variables = self.components.setdefault((key.component.lower(), "", evse_id, connector_id), {})
        variables[key.variable.lower(), (key.instance or "").lower()] = cell

    def find(self, component: Component, variable: Variable) -> _Cell | GetVariableStatus:
        evse = component.evse
        name = (component.name.lower(), component.instance or "", evse.id if evse else 0, _connector(evse))
        variables = self.components.get(name)
        if variables is None:
            return GetVariableStatus.UNKNOWN_COMPONENT
        cell = variables.get((variable.name.lower(), (variable.instance or "").lower()))
        return GetVariableStatus.UNKNOWN_VARIABLE if cell is None else cell


def _connector(evse: Evse | None) -> int:
    return evse.connector_id or 0 if evse else 0


class DeviceModel:
    """All variables of one station.

    `initial` are the site's first values, by the names of `Key` (and `@evse`); a wrong one raises `ConfigError`.
    `stored` is what was kept (other names in it are let go by), and wins; a value in it that an older gateway allowed
    and this one does not is left out and named in `dropped`.
    """

    def __init__(
        self,
        evses: Mapping[int, EvseTraits],
        initial: Mapping[str, str] | None = None,
        stored: Mapping[str, str] | None = None,
        *,
        table: Sequence[Row] = TABLE,
    ) -> None:
        self._cells: dict[Place, _Cell] = {}
        self._index = _Index()
        self._listeners: list[tuple[Key | None, Listener]] = []
        self.dropped: list[str] = []
        for row in table:
            for place in _places(row, evses):
                self._add(place, _fitted(row, place, evses))
        self._take_initial(initial or {})
        self._take_stored(stored or {})

    def _add(self, place: Place, row: Row) -> None:
        cell = self._cells[place] = _Cell(place, row, row.default, row.default)
        self._index.add(cell)

    def _take_initial(self, initial: Mapping[str, str]) -> None:
        by_name = {str(place): cell for place, cell in self._cells.items()}
        faults = []
        for name, value in initial.items():
            cell = by_name.get(name)
            said = (ReasonCode.NOT_FOUND, "there is no such variable") if cell is None else complaint(cell.row, value)
            if said:
                faults.append(f"{name}: {said[1]}")
            elif cell is not None:
                cell.told = cell.active = normal(cell.row, value)
        if faults:
            raise ConfigError("device model: " + "; ".join(faults))

    def _take_stored(self, stored: Mapping[str, str]) -> None:
        for place, cell in self._cells.items():
            value = stored.get(str(place))
            if value is None or cell.row.live or cell.row.mutability is Mutability.READ_ONLY:
                continue
            if said := complaint(cell.row, value):
                self.dropped.append(f"{place}: {said[1]}")
            else:
                cell.told = cell.active = value

    # Values for the station

    def text(self, key: Key, evse_id: int = 0, connector_id: int = 0) -> str:
        """The value that counts now."""
        cell = self._cells[Place(key, evse_id, connector_id)]
        return cell.source() if cell.source else cell.active

    def integer(self, key: Key, evse_id: int = 0, connector_id: int = 0) -> int:
        """An integer, in the table's unit."""
        return int(self.text(key, evse_id, connector_id))

    def decimal(self, key: Key, evse_id: int = 0, connector_id: int = 0) -> float:
        """A number, in the table's unit."""
        return float(self.text(key, evse_id, connector_id))

    def boolean(self, key: Key, evse_id: int = 0, connector_id: int = 0) -> bool:
        """A flag."""
        return self.text(key, evse_id, connector_id) == str(True).lower()

    def members(self, key: Key, evse_id: int = 0, connector_id: int = 0) -> tuple[str, ...]:
        """A list."""
        return members(self.text(key, evse_id, connector_id))

    def bind(self, key: Key, source: Callable[[], str], evse_id: int = 0, connector_id: int = 0) -> None:
        """Take a value from the running gateway whenever it is asked for."""
        self._cells[Place(key, evse_id, connector_id)].source = source

    def publish(self, key: Key, value: str, evse_id: int = 0, connector_id: int = 0) -> None:
        """Set a value from inside; nobody is called and nothing is kept."""
        cell = self._cells[Place(key, evse_id, connector_id)]
        cell.told = cell.active = value

    def guard(self, key: Key, judge: Guard, evse_id: int = 0) -> None:
        """Ask `judge` too before a CSMS's value is taken."""
        self._cells[Place(key, evse_id)].guard = judge

    def on_change(self, listener: Listener, key: Key | None = None) -> None:
        """Be called by `announce` for a variable (None: any) that a CSMS has set."""
        self._listeners.append((key, listener))

    def announce(self, changes: Iterable[Change]) -> None:
        """Tell the listeners; to be called when the settings have been kept."""
        for change in changes:
            for key, listener in self._listeners:
                if key in (None, change.place.key):
                    listener(change)

    def restarted(self) -> None:
        """What waited for a restart counts from now on."""
        for cell in self._cells.values():
            cell.active = cell.told

    # What a CSMS asks

    def get(self, requests: Iterable[GetVariableData]) -> tuple[GetVariableResult, ...]:
        """Answer GetVariables (B06)."""
        return tuple(self._get(request) for request in requests)

    def _get(self, request: GetVariableData) -> GetVariableResult:
        wanted = request.attribute_type or Attribute.ACTUAL
        found = self._index.find(request.component, request.variable)
        value, info = None, None
        if not isinstance(found, _Cell):
            status = found
        elif wanted is not Attribute.ACTUAL:
            status = GetVariableStatus.NOT_SUPPORTED_ATTRIBUTE_TYPE
        elif found.row.mutability is Mutability.WRITE_ONLY:
            status, info = GetVariableStatus.REJECTED, StatusInfo(ReasonCode.WRITE_ONLY)
        else:
            status, value = GetVariableStatus.ACCEPTED, found.now()
        return GetVariableResult(status, request.component, request.variable, info, wanted, value)

    def set(self, requests: Iterable[SetVariableData]) -> SetOutcome:
        """Answer SetVariables (B05). The new values count at once; keep `settings`, then `announce(changes)`."""
        results, changes = [], []
        for request in requests:
            result, change = self._set(request)
            results.append(result)
            if change:
                changes.append(change)
        return SetOutcome(tuple(results), {str(change.place): change.value for change in changes}, tuple(changes))

    def _set(self, request: SetVariableData) -> tuple[SetVariableResult, Change | None]:
        wanted = request.attribute_type or Attribute.ACTUAL
        found = self._index.find(request.component, request.variable)
        change, said = None, None
        if not isinstance(found, _Cell):
            status = SetVariableStatus(found.value)
        elif wanted is not Attribute.ACTUAL:
            status = SetVariableStatus.NOT_SUPPORTED_ATTRIBUTE_TYPE
        elif said := _refusal(found, request.attribute_value):
            status = SetVariableStatus.REJECTED
        else:
            value = normal(found.row, request.attribute_value)
            waits = found.row.reboot and value != found.active
            status = SetVariableStatus.REBOOT_REQUIRED if waits else SetVariableStatus.ACCEPTED
            found.accept(value)
            change = Change(found.place, value)
        info = StatusInfo(*said) if said else None
        return SetVariableResult(status, request.component, request.variable, wanted, info), change

    # Reports

    def report(self, base: ReportBase) -> tuple[ReportData, ...]:
        """The rows of a base report (B07.FR.07-09)."""
        chosen = _REPORTS[base]
        return tuple(_report_data(cell) for cell in self._cells.values() if chosen(cell.row))

    def report_messages(
        self, request_id: int, base: ReportBase, generated_at: datetime
    ) -> tuple[NotifyReportRequest, ...]:
        """A base report in messages of as many rows as ItemsPerMessage allows (B07.FR.03, B07.FR.04, B07.FR.10)."""
        rows = self.report(base)
        size = self.integer(Key.ITEMS_GET_REPORT)
        parts = [rows[start : start + size] for start in range(0, len(rows), size)] or [()]
        return tuple(
            NotifyReportRequest(request_id, generated_at, seq_no, part or None, tbc=seq_no < len(parts) - 1)
            for seq_no, part in enumerate(parts)
        )


def _places(row: Row, evses: Mapping[int, EvseTraits]) -> Iterator[Place]:
    if row.scope is Scope.STATION:
        yield Place(row.key)
        return
    for evse_id in evses:
        yield Place(row.key, evse_id, 1 if row.scope is Scope.CONNECTOR else 0)


def _fitted(row: Row, place: Place, evses: Mapping[int, EvseTraits]) -> Row:
    """A row with what is particular to an EVSE."""
    if place.evse_id == 0:
        return row
    traits = evses[place.evse_id]
    match row.key:
        case Key.EVSE_POWER:
            return replace(row, high=None if traits.power_max is None else traits.power_max / 1000)
        case Key.EVSE_SUPPLY_PHASES | Key.CONNECTOR_SUPPLY_PHASES:
            return replace(row, default=str(traits.phases))
        case Key.CONNECTOR_TYPE:
            return replace(row, default=traits.connector)
    return row


def _refusal(cell: _Cell, value: str) -> Complaint:
    if cell.row.mutability is Mutability.READ_ONLY:
        return ReasonCode.READ_ONLY, f"{cell.place} cannot be set"
    return complaint(cell.row, value) or (cell.guard(value) if cell.guard else None)


_AVAILABILITY = {Key.STATION_AVAILABILITY_STATE, Key.EVSE_AVAILABILITY_STATE, Key.CONNECTOR_AVAILABILITY_STATE}

#: Which rows a base report tells.
_REPORTS: dict[ReportBase, Callable[[Row], bool]] = {
    ReportBase.CONFIGURATION_INVENTORY: lambda row: row.mutability is not Mutability.READ_ONLY,
    ReportBase.FULL_INVENTORY: lambda _: True,
    ReportBase.SUMMARY_INVENTORY: lambda row: row.key in _AVAILABILITY,
}


def _report_data(cell: _Cell) -> ReportData:
    row, place = cell.row, cell.place
    evse = Evse(place.evse_id, place.connector_id or None) if place.evse_id else None
    secret = row.mutability is Mutability.WRITE_ONLY
    return ReportData(
        Component(row.key.component, evse),
        Variable(row.key.variable, row.key.instance),
        (
            VariableAttribute(
                type=Attribute.ACTUAL,
                value=None if secret else cell.now(),
                mutability=row.mutability,
                persistent=not row.live,
                constant=row.mutability is Mutability.READ_ONLY and not row.live,
            ),
        ),
        VariableCharacteristics(
            data_type=row.data,
            supports_monitoring=False,
            unit=row.unit,
            min_limit=row.low,
            max_limit=row.high,
            values_list=",".join(row.values) or None,
        ),
    )
