"""The table that serves one unit: its class's or an overlay's, exchanged while the unit runs, and never a broken one.

A unit for which no table is right is quarantined: it is shown as unavailable with the reason, nothing is started on it,
and what runs is stopped by what its class can do at least.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Final, Protocol, TypeVar

from bridge.errors import MappingError
from bridge.evse import Abilities, Connector, Mode, ValueKind, Variable, Wanted
from bridge.mapping.decision import (
    Answer,
    Ask,
    Decision,
    LocalChange,
    Measures,
    PollGroup,
    Recipe,
    Refusal,
    Table,
    View,
)
from bridge.records import dataclass

#: The component under which a unit shows which table serves it.
MAPPING_TABLE: Final = "MappingTable"
#: Named as the rule of what a quarantined unit is shown as.
QUARANTINED: Final = "quarantined"
#: What may still be ordered of a unit without a table of its own: every unit has to support it.
_STILL: Final = frozenset({Mode.STOP, Mode.PAUSE, Mode.HANDS_OFF})
T = TypeVar("T")


@dataclass(frozen=True)
class Served:
    """A table for a unit: `overlays` by their ids from the class outward, `why` for a person.

    `quarantine` says why none is right; `table` is then the class's, by which the unit can still be stopped.
    """

    table: Table
    why: str = ""
    overlays: tuple[str, ...] = ()
    quarantine: str | None = None


class TableFact(StrEnum):
    """What a unit shows of the table that serves it, as variables of `MAPPING_TABLE`."""

    HASH = "Hash"
    OVERLAYS = "Overlays"
    WHY = "Why"
    TROUBLE = "Trouble"
    PROBLEM = "Problem"


class Chooser(Protocol):
    """Knows all tables of the site."""

    def wanted(self, class_code: int, release: str, facts: Mapping[int, bytes]) -> frozenset[int]:
        """The properties that have to be read before a table can be chosen."""

    async def choose(self, class_code: int, release: str, facts: Mapping[int, bytes]) -> Served:
        """The table for a unit that has told these."""


class Serving:
    """The `Table` of one unit, whichever it is now. `told` is called after each change of it."""

    def __init__(self, table: Table, told: Callable[[Served], None] = lambda served: None) -> None:
        self.served = Served(table)
        self.class_code = table.class_code
        self._table = self._base = table
        self._shown = _shown(self.served)
        self._right = False  # a table was right for this very unit once; the last of these stays
        self._told = told

    def use(self, served: Served) -> bool:
        """Take another table. Where none is right the last good one stays; whether it is another one now."""
        if served.quarantine is not None and self._right:
            kept = replace(self.served, why=f"the last good table is kept: {served.quarantine}")
            self._shown = _shown(kept)
            self._told(kept)
            return False
        before, self.served, self._table = self.served, served, served.table
        self._shown = _shown(served)
        self._right = served.quarantine is None
        changed = _marks(before) != _marks(served)
        if changed or not before.why:
            self._told(served)
        return changed

    # Table

    @property
    def content_hash(self) -> str:
        """Of the table in use."""
        return self._table.content_hash

    @property
    def max_opc(self) -> int:
        """AIF 2.4.4: how many properties a request may hold."""
        return self._table.max_opc

    @property
    def attributes(self) -> tuple[tuple[int, ...], ...]:
        """What is read at start."""
        return self._table.attributes

    def release(self, edt_82: bytes) -> str:
        """The release letter."""
        return self._table.release(edt_82)

    def wants(self, wanted: Wanted) -> Mode:
        """Which setpoint a wish stands for."""
        return self._table.wants(wanted)

    def variables(self, view: View) -> tuple[Variable, ...]:
        """What the unit shows in the device model, and which table serves it."""
        nothing: tuple[Variable, ...] = ()
        return self._ask(lambda table: table.variables(view), nothing) + self._shown

    def decide(self, view: View) -> Decision:
        """Plug, status, state, measures; a quarantined unit is unavailable, whatever it says."""
        decision = self._ask(lambda table: table.decide(view), _SILENT)
        if self.served.quarantine is None:
            return decision
        return replace(
            decision,
            connector=Answer(Connector.UNAVAILABLE, QUARANTINED),
            charging_state=replace(decision.charging_state, value=None, rule=QUARANTINED),
            ask=None,
            trouble=f"no mapping table is right for it: {self.served.quarantine}",
        )

    def recipe(self, view: View) -> Recipe | Ask | Refusal:
        """How to reach what is wanted."""
        if self.served.quarantine is not None and view.wanted.mode not in _STILL:
            return self._refusal()
        answer = self._ask(lambda table: table.recipe(view), None)
        failed = self.served.quarantine is not None and view.wanted.mode not in _STILL  # just now
        return self._refusal() if answer is None or failed else answer

    def confirmed(self, view: View) -> bool:
        """Whether what is wanted has been reached."""
        return self._ask(lambda table: table.confirmed(view), False)

    def refusal(self, view: View, mode: Mode) -> Refusal | None:
        """Why a mode is known now to be impossible."""
        if self.served.quarantine is not None and mode not in _STILL:
            return self._refusal()
        return self._ask(lambda table: table.refusal(view, mode), None)

    def abilities(self, view: View) -> Abilities:
        """What the unit can do."""
        return self._ask(lambda table: table.abilities(view), Abilities())

    def polls(self, view: View) -> tuple[PollGroup, ...]:
        """The polling plan."""
        return self._table.polls(view)

    def local_changes(self, before: View, after: View, ours: frozenset[int]) -> tuple[LocalChange, ...]:
        """What others changed; of a quarantined unit nobody can say what a change means."""
        if self.served.quarantine is not None:
            return ()
        return self._ask(lambda table: table.local_changes(before, after, ours), ())

    def describe(self, epc: int, edt: bytes, release: str) -> str:
        """A property for people."""
        return self._table.describe(epc, edt, release)

    # Failures

    def _refusal(self) -> Refusal:
        return Refusal(f"the unit is quarantined: {self.served.quarantine}", QUARANTINED)

    def _ask(self, question: Callable[[Table], T], otherwise: T) -> T:
        """A table that fails while it decides serves this unit no more: its class's takes over, and if that one fails
        there is nothing left to be said of the unit."""
        try:
            return question(self._table)
        except MappingError as error:
            failed = self._table
            self._right = False
            self.use(Served(self._base, overlays=self.served.overlays, quarantine=f"its table failed: {error}"))
            return otherwise if failed is self._base else self._ask(question, otherwise)


#: What is said of a unit that not even its class's table can say anything of.
_SILENT: Final = Decision(
    plug=Answer(None, QUARANTINED),
    connector=Answer(Connector.UNAVAILABLE, QUARANTINED),
    charging_state=Answer(None, QUARANTINED),
    measures=Measures(),
    fault=None,
    flowing=None,
)


def _shown(served: Served) -> tuple[Variable, ...]:
    """Which table serves the unit, why, and whether it is quarantined, for the device model."""
    texts = {
        TableFact.HASH: served.table.content_hash,
        TableFact.OVERLAYS: ",".join(served.overlays),
        TableFact.WHY: served.why,
        TableFact.TROUBLE: served.quarantine or "",
    }
    problem = str(served.quarantine is not None).lower()
    told = (Variable(MAPPING_TABLE, name, text) for name, text in texts.items())
    return (*told, Variable(MAPPING_TABLE, TableFact.PROBLEM, problem, ValueKind.FLAG))


def _marks(served: Served) -> tuple[str, tuple[str, ...], str | None]:
    return served.table.content_hash, served.overlays, served.quarantine
