"""The device model's variables by the names that a CSMS has for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from bridge.evse import ValueKind
from bridge.evse import Variable as Shown
from bridge.station.device_model_table import CONNECTOR as CONNECTOR
from bridge.station.device_model_table import LONGEST_REPORTED, Key, Row, Scope, ShownName
from bridge.station.messages import Data

#: What a CSMS calls a variable within its component, in small letters: its name and its instance.
VariableName: TypeAlias = tuple[str, str]

_PLACE = re.compile(r"(?P<key>[^@]+)(@(?P<evse>\d{1,9})(\.(?P<connector>\d{1,9}))?)?", re.ASCII)
_DATA = {ValueKind.TEXT: Data.STRING, ValueKind.FLAG: Data.BOOLEAN}
#: The component of mapping tables that stands at a connector; all others stand at the EVSE.
_AT_CONNECTOR = Key.CONNECTOR_TYPE.component.lower()
_NAME_LENGTH = 50
_KEYS = {key.value: key for key in Key}


class Place(NamedTuple):
    """A variable of the table and where it stands; 0 where there is none."""

    key: Key
    evse_id: int = 0
    connector_id: int = 0

    @property
    def scope(self) -> Scope:
        """The kind of place."""
        return scope_of(self.evse_id, self.connector_id)

    def __str__(self) -> str:
        """The name in the store: `Component.Variable[Instance]`, and `@1` or `@1.1` where it is not the station's."""
        at = f"@{self.evse_id}" + (f".{self.connector_id}" if self.connector_id else "") if self.evse_id else ""
        return f"{self.key}{at}"


def place_of(name: str) -> Place | None:
    """The place that is written so, if there is such a variable."""
    found = _PLACE.fullmatch(name)
    key = _KEYS.get(found["key"]) if found else None
    if found is None or key is None:
        return None
    return Place(key, int(found["evse"] or 0), int(found["connector"] or 0))


def scope_of(evse_id: int, connector_id: int) -> Scope:
    """The kind of place that these numbers name."""
    return Scope.CONNECTOR if connector_id else Scope.EVSE if evse_id else Scope.STATION


class Entry(NamedTuple):
    """One variable at one place, as it is told now. `high` is its greatest value where that is known."""

    row: Row
    evse_id: int
    connector_id: int
    value: str
    high: float | None

    @property
    def place(self) -> Place:
        """Where a variable of the table stands; what a unit shows has none."""
        assert isinstance(self.row.key, Key)
        return Place(self.row.key, self.evse_id, self.connector_id)

    @property
    def name(self) -> str:
        """For a person."""
        at = f" of EVSE {self.evse_id}" if self.evse_id else ""
        return f"{self.row.key}{at}"


class Catalogue:
    """A table, looked up by names; shared by all stations that have it."""

    def __init__(self, table: Sequence[Row]) -> None:
        self.table = tuple(table)
        self.rows: dict[Key, Row] = {row.key: row for row in table if isinstance(row.key, Key)}
        self._components: dict[tuple[str, Scope], dict[VariableName, Row]] = {}
        self._named: dict[str, list[Row]] = {}
        for row in table:
            component = row.key.component.lower()
            self._components.setdefault((component, row.scope), {})[variable_name(row)] = row
            self._named.setdefault(component, []).append(row)

    def component(self, name: str, evse_id: int, connector_id: int) -> Mapping[VariableName, Row]:
        """The variables of a component (in small letters) at such a place."""
        return self._components.get((name, scope_of(evse_id, connector_id)), {})

    def named(self, component: str) -> Sequence[Row]:
        """The variables of all components of that name, wherever they stand."""
        return self._named.get(component, ())


class ShownEvse:
    """What a unit's mapping table shows of one EVSE. It is looked at again only when the unit has shown something."""

    def __init__(self, evse_id: int, shown: Callable[[], tuple[Shown, ...]], catalogue: Catalogue) -> None:
        self._evse_id, self._shown, self._catalogue = evse_id, shown, catalogue
        self._seen: tuple[Shown, ...] = ()
        self._components: dict[tuple[str, int], dict[VariableName, Entry]] = {}

    def component(self, name: str, connector_id: int) -> Mapping[VariableName, Entry]:
        """The variables shown of a component (in small letters)."""
        return self._now().get((name, connector_id), {})

    def entries(self, component: str | None = None) -> Iterator[Entry]:
        """All that is shown, or what is shown of components of one name."""
        for (name, _), variables in self._now().items():
            if component in (None, name):
                yield from variables.values()

    def _now(self) -> Mapping[tuple[str, int], Mapping[VariableName, Entry]]:
        shown = self._shown()
        if shown is not self._seen and shown != self._seen:
            self._components = _by_name(self._evse_id, shown, self._catalogue)
        self._seen = shown
        return self._components


def _by_name(
    evse_id: int, shown: Iterable[Shown], catalogue: Catalogue
) -> dict[tuple[str, int], dict[VariableName, Entry]]:
    """The table's own variables win: the gateway knows more of them than one property says."""
    found: dict[tuple[str, int], dict[VariableName, Entry]] = {}
    for one in shown:
        component = one.component.lower()
        connector_id = CONNECTOR if component == _AT_CONNECTOR else 0
        name = (one.variable.lower(), "")
        if name not in catalogue.component(component, evse_id, connector_id):
            entry = Entry(_row(one), evse_id, connector_id, one.value[:LONGEST_REPORTED], None)
            found.setdefault((component, connector_id), {})[name] = entry
    return found


def _row(shown: Shown) -> Row:
    name = ShownName(shown.component[:_NAME_LENGTH], shown.variable[:_NAME_LENGTH])
    return Row(name, _DATA[shown.kind], live=True)


def variable_name(row: Row) -> VariableName:
    """What a CSMS calls a row within its component."""
    return row.key.variable.lower(), (row.key.instance or "").lower()
