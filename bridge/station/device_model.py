"""The device model at work: GetVariables and SetVariables (B05, B06), and typed values for the station.

Pure: what is to be kept is given back, not written. The variables themselves stand in `device_model_table`; what a
unit's mapping table shows besides is asked of the unit. A station holds only what differs from the table, so that
hundreds of them are cheap; every look-up is by name, none goes through a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import TypeAlias

from bridge import evse as port
from bridge.errors import ConfigError
from bridge.records import dataclass
from bridge.station.device_model_index import (
    CONNECTOR,
    Catalogue,
    Entry,
    Place,
    ShownEvse,
    place_of,
)
from bridge.station.device_model_table import TABLE, ConnectorKind, Key, Row
from bridge.station.device_model_values import Complaint, complaint, members, normal
from bridge.station.messages import (
    Attribute,
    Component,
    GetVariableData,
    GetVariableResult,
    GetVariableStatus,
    Mutability,
    SetVariableData,
    SetVariableResult,
    SetVariableStatus,
    StatusInfo,
    Variable,
)
from bridge.station.reason_codes import ReasonCode


class FirstValuesError(ConfigError):
    """The site's first values are wrong: by name, why."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("device model: " + "; ".join(f"{name}: {why}" for name, why in faults.items()))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class EvseTraits:
    """What the device model tells of an EVSE: `power_max` in mW; AC phases (0 for DC); its connector's kind."""

    power_max: int | None = None
    phases: int = 0
    connector: ConnectorKind = ConnectorKind.CHADEMO


@dataclass(frozen=True, slots=True)
class Change:
    """A variable that the CSMS has set."""

    place: Place
    value: str


@dataclass(frozen=True, slots=True)
class SetOutcome:
    """The answer to SetVariables, and what must be kept before it is given: settings by name.

    `before` is what stood there, as told and as counting (None: the table's default), for `DeviceModel.undo`.
    """

    results: tuple[SetVariableResult, ...]
    settings: Mapping[str, str]
    changes: tuple[Change, ...]
    before: Mapping[Place, tuple[str | None, str | None]]


#: Judges a value beyond what the table can say; None: it may be set.
Guard: TypeAlias = Callable[[str], Complaint]
Listener: TypeAlias = Callable[[Change], None]

_CATALOGUE = Catalogue(TABLE)
#: Of other tables, shared by all stations that have them.
_catalogue_of = lru_cache(maxsize=2)(Catalogue)


class DeviceModel:
    """All variables of one station.

    `initial` are the site's first values, by the names of `Key` (and `@evse`, `@evse.connector`); wrong ones raise
    `FirstValuesError`. `stored` is what was kept (other names in it are let go by), and wins; a value in it that an
    older gateway allowed and this one does not is left out and named in `dropped`.
    """

    def __init__(
        self,
        evses: Mapping[int, EvseTraits],
        initial: Mapping[str, str] | None = None,
        stored: Mapping[str, str] | None = None,
        *,
        table: Sequence[Row] = TABLE,
    ) -> None:
        self.catalogue = _CATALOGUE if table is TABLE else _catalogue_of(tuple(table))
        self.evse_ids = tuple(evses)
        self.dropped: list[str] = []
        self._told: dict[Place, str] = {}  # what the CSMS hears, where it is not the table's default
        self._active: dict[Place, str] = {}  # what counts until a restart, where that is something else
        self._sources: dict[Place, Callable[[], str]] = {}
        self._limits: dict[Place, Callable[[], float | None]] = {}
        self._guards: dict[Place, Guard] = {}
        self._shown: dict[int, ShownEvse] = {}
        self._listeners: dict[Key | None, list[Listener]] = {}
        for evse_id, traits in evses.items():
            self._take_traits(evse_id, traits)
        self._take_initial(initial or {})
        self._take_stored(stored or {})

    def _take_traits(self, evse_id: int, traits: EvseTraits) -> None:
        self.publish(Key.EVSE_SUPPLY_PHASES, str(traits.phases), evse_id)
        self.publish(Key.CONNECTOR_SUPPLY_PHASES, str(traits.phases), evse_id, CONNECTOR)
        self.publish(Key.CONNECTOR_TYPE, traits.connector, evse_id, CONNECTOR)
        if traits.power_max is not None:
            most = traits.power_max / 1000
            self.bind_limit(Key.EVSE_POWER, lambda: most, evse_id)

    def _take_initial(self, initial: Mapping[str, str]) -> None:
        faults: dict[str, str] = {}
        for name, value in initial.items():
            row_and_place = self._named(name)
            if row_and_place is None:
                faults[name] = f"there is no such variable{self._nearest(name)}"
                continue
            row, place = row_and_place
            if row.live:
                faults[name] = "it comes from the running gateway and cannot be given"
            elif said := complaint(row, value):
                faults[name] = said[1]
            else:
                self._told[place] = normal(row, value)
        if faults:
            raise FirstValuesError(faults)

    def _take_stored(self, stored: Mapping[str, str]) -> None:
        for name, value in stored.items():
            row_and_place = self._named(name)
            if row_and_place is None:
                continue
            row, place = row_and_place
            if row.live or row.mutability is Mutability.READ_ONLY:
                continue
            if said := complaint(row, value):
                self.dropped.append(f"{place}: {said[1]}")
            else:
                self._told[place] = value

    def _named(self, name: str) -> tuple[Row, Place] | None:
        """The variable that a site or the store calls so."""
        place = place_of(name)
        row = self.catalogue.rows.get(place.key) if place else None
        there = row is not None and place is not None and row.scope is place.scope and self._is_here(place)
        return (row, place) if there and row and place else None

    def _is_here(self, place: Place) -> bool:
        return (place.evse_id == 0 or place.evse_id in self.evse_ids) and place.connector_id in (0, CONNECTOR)

    def _nearest(self, name: str) -> str:
        found = get_close_matches(name.partition("@")[0], [str(key) for key in self.catalogue.rows], 1)
        row = self.catalogue.rows.get(Key(found[0])) if found else None
        return f"; {place_name(row)} is near" if row else ""

    # Values for the station

    def text(self, key: Key, evse_id: int = 0, connector_id: int = 0) -> str:
        """The value that counts now."""
        place = Place(key, evse_id, connector_id)
        source = self._sources.get(place)
        if source:
            return source()
        value = self._active.get(place)
        return self._value(place) if value is None else value

    def _value(self, place: Place) -> str:
        value = self._told.get(place)
        return self.catalogue.rows[place.key].default if value is None else value

    def integer(self, key: Key, evse_id: int = 0, connector_id: int = 0) -> int:
        """An integer, in the table's unit."""
        return int(self.text(key, evse_id, connector_id))

    def decimal(self, key: Key, evse_id: int = 0, connector_id: int = 0) -> float:
        """A number, in the table's unit."""
        return float(self.text(key, evse_id, connector_id))

    def boolean(self, key: Key, evse_id: int = 0, connector_id: int = 0) -> bool:
        """A flag."""
        return self.text(key, evse_id, connector_id) == flag(True)

    def members(self, key: Key, evse_id: int = 0, connector_id: int = 0) -> tuple[str, ...]:
        """A list."""
        return members(self.text(key, evse_id, connector_id))

    def bind(self, key: Key, source: Callable[[], str], evse_id: int = 0, connector_id: int = 0) -> None:
        """Take a value from the running gateway whenever it is asked for."""
        self._sources[Place(key, evse_id, connector_id)] = source

    def bind_limit(self, key: Key, limit: Callable[[], float | None], evse_id: int = 0) -> None:
        """Take a variable's greatest value from the running gateway when it is reported (None: unknown)."""
        self._limits[Place(key, evse_id)] = limit

    def limit(self, key: Key, evse_id: int = 0) -> float | None:
        """A variable's greatest value, in the table's unit, where it is known."""
        found = self._limits.get(Place(key, evse_id))
        return found() if found else self.catalogue.rows[key].high

    def bind_shown(self, evse_id: int, shown: Callable[[], tuple[port.Variable, ...]]) -> None:
        """Take what a unit's mapping table shows of an EVSE, whenever it is asked for."""
        self._shown[evse_id] = ShownEvse(evse_id, shown, self.catalogue)

    def publish(self, key: Key, value: str, evse_id: int = 0, connector_id: int = 0) -> None:
        """Set a value from inside; nobody is called and nothing is kept."""
        place = Place(key, evse_id, connector_id)
        self._active.pop(place, None)
        if value == self.catalogue.rows[key].default:
            self._told.pop(place, None)
        else:
            self._told[place] = str(value)

    def guard(self, key: Key, judge: Guard, evse_id: int = 0) -> None:
        """Ask `judge` too before a CSMS's value is taken."""
        self._guards[Place(key, evse_id)] = judge

    def on_change(self, listener: Listener, key: Key | None = None) -> None:
        """Be called by `announce` for a variable (None: any) that a CSMS has set."""
        self._listeners.setdefault(key, []).append(listener)

    def announce(self, changes: Iterable[Change]) -> None:
        """Tell the listeners; to be called when the settings have been kept."""
        for change in changes:
            for key in (None, change.place.key):
                for listener in self._listeners.get(key, ()):
                    listener(change)

    def restarted(self) -> None:
        """What waited for a restart counts from now on."""
        self._active.clear()

    # What a CSMS asks

    def find(self, component: Component, variable: Variable) -> Entry | GetVariableStatus:
        """The one variable of that name; names are not case-sensitive (Part 2, ComponentType)."""
        evse = component.evse
        evse_id, connector_id = (evse.id, evse.connector_id or 0) if evse else (0, 0)
        if component.instance or (evse and evse_id not in self.evse_ids) or connector_id not in (0, CONNECTOR):
            return GetVariableStatus.UNKNOWN_COMPONENT
        name, wanted = component.name.lower(), (variable.name.lower(), (variable.instance or "").lower())
        variables = self.catalogue.component(name, evse_id, connector_id)
        row = variables.get(wanted)
        if row is not None:
            return self.entry(row, evse_id, connector_id)
        shown = self._shown[evse_id].component(name, connector_id) if evse_id in self._shown else {}
        if not variables and not shown:
            return GetVariableStatus.UNKNOWN_COMPONENT
        return shown.get(wanted, GetVariableStatus.UNKNOWN_VARIABLE)

    def entry(self, row: Row, evse_id: int = 0, connector_id: int = 0) -> Entry:
        """A variable of the table, with what a CSMS is told of it now."""
        assert isinstance(row.key, Key)
        place = Place(row.key, evse_id, connector_id)
        source, limit = self._sources.get(place), self._limits.get(place)
        value = source() if source else self._value(place)
        return Entry(row, evse_id, connector_id, value, limit() if limit else row.high)

    def entries(self, component: str | None = None) -> Iterable[Entry]:
        """All variables of the station, or of the components of one name (in small letters), shown ones last."""
        for row in self.catalogue.table if component is None else self.catalogue.named(component):
            for evse_id, connector_id in row.scope.places(self.evse_ids):
                yield self.entry(row, evse_id, connector_id)
        for shown in self._shown.values():
            yield from shown.entries(component)

    def get(self, requests: Iterable[GetVariableData]) -> tuple[GetVariableResult, ...]:
        """Answer GetVariables (B06)."""
        return tuple(self._get(request) for request in requests)

    def _get(self, request: GetVariableData) -> GetVariableResult:
        wanted = request.attribute_type or Attribute.ACTUAL
        found = self.find(request.component, request.variable)
        value, info = None, None
        if not isinstance(found, Entry):
            status = found
        elif wanted is not Attribute.ACTUAL:
            status = GetVariableStatus.NOT_SUPPORTED_ATTRIBUTE_TYPE
        elif found.row.mutability is Mutability.WRITE_ONLY:
            status, info = GetVariableStatus.REJECTED, StatusInfo(ReasonCode.WRITE_ONLY)
        else:
            status, value = GetVariableStatus.ACCEPTED, found.value
        return GetVariableResult(status, request.component, request.variable, info, wanted, value)

    def set(self, requests: Iterable[SetVariableData]) -> SetOutcome:
        """Answer SetVariables (B05). The new values count at once; keep `settings`, then `announce(changes)`; or, if
        they cannot be kept, `undo` it."""
        results, changes = [], []
        before: dict[Place, tuple[str | None, str | None]] = {}
        for request in requests:
            result, change = self._judge(request)
            results.append(result)
            if change:
                before.setdefault(change.place, (self._told.get(change.place), self._active.get(change.place)))
                self._accept(change)
                changes.append(change)
        settings = {str(change.place): change.value for change in changes}
        return SetOutcome(tuple(results), settings, tuple(changes), before)

    def _judge(self, request: SetVariableData) -> tuple[SetVariableResult, Change | None]:
        wanted = request.attribute_type or Attribute.ACTUAL
        found = self.find(request.component, request.variable)
        change, said = None, None
        if not isinstance(found, Entry):
            status = SetVariableStatus(found.value)
        elif wanted is not Attribute.ACTUAL:
            status = SetVariableStatus.NOT_SUPPORTED_ATTRIBUTE_TYPE
        elif said := self._refusal(found, request.attribute_value):
            status = SetVariableStatus.REJECTED
        else:
            change = Change(found.place, normal(found.row, request.attribute_value))
            waits = found.row.reboot and change.value != self.text(*found.place)
            status = SetVariableStatus.REBOOT_REQUIRED if waits else SetVariableStatus.ACCEPTED
        info = StatusInfo(*said) if said else None
        return SetVariableResult(status, request.component, request.variable, wanted, info), change

    def _refusal(self, entry: Entry, value: str) -> Complaint:
        if entry.row.mutability is Mutability.READ_ONLY:
            return ReasonCode.READ_ONLY, f"{entry.name} cannot be set"
        guard = self._guards.get(entry.place)
        return complaint(entry.row, value) or (guard(value) if guard else None)

    def _accept(self, change: Change) -> None:
        place, counts = change.place, self.text(*change.place)
        self._told[place] = change.value
        if self.catalogue.rows[place.key].reboot and change.value != counts:
            self._active[place] = counts
        else:
            self._active.pop(place, None)

    def undo(self, outcome: SetOutcome) -> tuple[SetVariableResult, ...]:
        """Take back what could not be kept; what was accepted is rejected (B05.FR.09). Nobody may be told before."""
        for place, (told, active) in outcome.before.items():
            _put(self._told, place, told)
            _put(self._active, place, active)
        info = StatusInfo(ReasonCode.OUT_OF_STORAGE, "the value could not be kept")
        taken = (SetVariableStatus.ACCEPTED, SetVariableStatus.REBOOT_REQUIRED)
        return tuple(
            SetVariableResult(SetVariableStatus.REJECTED, one.component, one.variable, one.attribute_type, info)
            if one.attribute_status in taken
            else one
            for one in outcome.results
        )


def flag(value: bool) -> str:
    """A boolean as OCPP writes it."""
    return "true" if value else "false"


def place_name(row: Row) -> str:
    """How a site or the store calls a variable, for a person."""
    return f"{row.key}{row.scope.sign}"


def _put(values: dict[Place, str], place: Place, value: str | None) -> None:
    if value is None:
        values.pop(place, None)
    else:
        values[place] = value
