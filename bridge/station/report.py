"""Reports of the device model (B07, B08): which variables they tell, and how they are cut into messages. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TypeAlias

from bridge.station.device_model import DeviceModel, flag
from bridge.station.device_model_index import Entry
from bridge.station.device_model_table import Key
from bridge.station.messages import (
    Attribute,
    Component,
    ComponentCriterion,
    ComponentVariable,
    Evse,
    Mutability,
    NotifyReportRequest,
    ReportBase,
    ReportData,
    Variable,
    VariableAttribute,
    VariableCharacteristics,
)

#: Whether a component that has no variable of the criterion's name meets it (B08.FR.07 to FR.10).
_MET_WITHOUT: dict[ComponentCriterion, bool] = {
    ComponentCriterion.ACTIVE: True,
    ComponentCriterion.AVAILABLE: True,
    ComponentCriterion.ENABLED: True,
    ComponentCriterion.PROBLEM: False,
}
_AVAILABILITY = frozenset({Key.STATION_AVAILABILITY_STATE, Key.EVSE_AVAILABILITY_STATE})
#: What a summary tells of a component with a problem besides the problem itself, by the variables' names.
_DIAGNOSTIC = frozenset({"problem", "trouble", "hash", "overlays", "why"})
_Where: TypeAlias = tuple[str, int, int]

#: What JSON, the CALL around a payload and the fields besides `reportData` take at most (Part 4, 4.2.1), in bytes.
_AROUND = 300


def base_report(model: DeviceModel, base: ReportBase) -> list[Entry]:
    """The variables of a base report (B07.FR.07 to FR.09)."""
    return [*_BASES[base](model)]


def _configuration(model: DeviceModel) -> Iterator[Entry]:
    return (entry for entry in model.entries() if entry.row.mutability is not Mutability.READ_ONLY)


def _full(model: DeviceModel) -> Iterable[Entry]:
    return model.entries()


def _summary(model: DeviceModel) -> Iterator[Entry]:
    """How available everything is, and what is wrong (B07.FR.09)."""
    with_problem = _Criteria(model, (ComponentCriterion.PROBLEM,))
    for entry in model.entries():
        if entry.row.key is Key.CONNECTOR_AVAILABILITY_STATE:
            tells = entry.value != model.text(Key.EVSE_AVAILABILITY_STATE, entry.evse_id)
        elif entry.row.key in _AVAILABILITY:
            tells = True
        else:
            tells = entry.row.key.variable.lower() in _DIAGNOSTIC and with_problem.met(entry)
        if tells:
            yield entry


_BASES: dict[ReportBase, Callable[[DeviceModel], Iterable[Entry]]] = {
    ReportBase.CONFIGURATION_INVENTORY: _configuration,
    ReportBase.FULL_INVENTORY: _full,
    ReportBase.SUMMARY_INVENTORY: _summary,
}


def custom_report(
    model: DeviceModel, criteria: Sequence[ComponentCriterion], wanted: Sequence[ComponentVariable]
) -> list[Entry]:
    """The variables of a custom report (B08): those named, or all, of the components that meet any criterion."""
    chosen = _named(model, wanted) if wanted else model.entries()
    if not criteria:
        return [*chosen]
    judge = _Criteria(model, criteria)
    return [entry for entry in chosen if judge.met(entry)]


def _named(model: DeviceModel, wanted: Iterable[ComponentVariable]) -> Iterator[Entry]:
    """Each variable once, however often it is named."""
    told: set[tuple[object, int, int]] = set()
    for one in wanted:
        for entry in model.entries(one.component.name.lower()):
            name = (entry.row.key, entry.evse_id, entry.connector_id)
            if name not in told and _is_at(entry, one.component) and _is_called(entry, one.variable):
                told.add(name)
                yield entry


def _is_at(entry: Entry, component: Component) -> bool:
    """B08.FR.22 to FR.25: what is not named may be any; our components have no instances."""
    evse = component.evse
    if component.instance or (evse and evse.id != entry.evse_id):
        return False
    return evse is None or evse.connector_id in (None, entry.connector_id)


def _is_called(entry: Entry, variable: Variable | None) -> bool:
    """B08.FR.20, FR.21: without a variable all of the component, without an instance all of the variable."""
    if variable is None:
        return True
    key = entry.row.key
    if key.variable.lower() != variable.name.lower():
        return False
    return not variable.instance or variable.instance.lower() == (key.instance or "").lower()


class _Criteria:
    """Judges components, each once (B08.FR.13: any of the criteria will do)."""

    def __init__(self, model: DeviceModel, criteria: Collection[ComponentCriterion]) -> None:
        self._model, self._criteria = model, criteria
        self._known: dict[_Where, bool] = {}

    def met(self, entry: Entry) -> bool:
        where = (entry.row.key.component, entry.evse_id, entry.connector_id)
        known = self._known.get(where)
        if known is None:
            component = component_of(entry)
            known = self._known[where] = any(self._meets(component, one) for one in self._criteria)
        return known

    def _meets(self, component: Component, criterion: ComponentCriterion) -> bool:
        found = self._model.find(component, Variable(criterion))
        return found.value == flag(True) if isinstance(found, Entry) else _MET_WITHOUT[criterion]


def component_of(entry: Entry) -> Component:
    """The component that a variable belongs to."""
    evse = Evse(entry.evse_id, entry.connector_id or None) if entry.evse_id else None
    return Component(entry.row.key.component, evse)


def report_data(entry: Entry) -> ReportData:
    """One variable as a report tells it; what may only be written has no value (TC_B_53)."""
    row = entry.row
    attribute = VariableAttribute(
        type=Attribute.ACTUAL,
        value=None if row.mutability is Mutability.WRITE_ONLY else entry.value,
        mutability=row.mutability,
        persistent=not row.live,
        constant=row.mutability is Mutability.READ_ONLY and not row.live,
    )
    characteristics = VariableCharacteristics(
        data_type=row.data,
        supports_monitoring=False,
        unit=row.unit,
        min_limit=row.low,
        max_limit=entry.high,
        values_list=",".join(row.values) or None,
    )
    return ReportData(component_of(entry), Variable(row.key.variable, row.key.instance), (attribute,), characteristics)


def report_messages(
    entries: Iterable[Entry],
    *,
    request_id: int,
    generated_at: datetime,
    items: int,
    most_bytes: int,
    size: Callable[[NotifyReportRequest], int],
) -> list[NotifyReportRequest]:
    """A report in messages of at most `items` variables and `most_bytes`, by `size` of a payload (B07.FR.03, FR.10).

    A variable that is longer alone goes alone.
    """

    def message(rows: tuple[ReportData, ...], seq_no: int = 0, *, tbc: bool = False) -> NotifyReportRequest:
        return NotifyReportRequest(request_id, generated_at, seq_no, rows or None, tbc=tbc)

    parts: list[list[ReportData]] = [[]]
    room = 0
    for entry in entries:
        row = report_data(entry)
        takes = size(message((row,)))
        if parts[-1] and (len(parts[-1]) >= items or takes > room):
            parts.append([])
        if not parts[-1]:
            room = most_bytes - _AROUND
        parts[-1].append(row)
        room -= takes
    last = len(parts) - 1
    return [message(tuple(part), seq_no, tbc=seq_no < last) for seq_no, part in enumerate(parts)]
