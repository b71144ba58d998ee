"""A compiled table: the answers to all that a charger may ask (`bridge.mapping.decision.Table`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Final, Protocol

from bridge.echonet.dictionary import Access, DeviceClass
from bridge.echonet.values import State, Unknown, Value
from bridge.evse import Abilities, HappeningKind, Mode, Plug, Variable, Wanted
from bridge.mapping.context import ABSENT, Context, Decoder, TermTest
from bridge.mapping.decide import FaultRule, Row, Rows, first_row
from bridge.mapping.decision import (
    Ask,
    Decision,
    LocalChange,
    PollGroup,
    Recipe,
    Refusal,
    Spacing,
    View,
)
from bridge.mapping.logic import Node, Test
from bridge.mapping.measures import Meter, text_of
from bridge.mapping.model import TableModel
from bridge.mapping.recipe import Bounds, Setpoints, abilities, confirmed, recipe, refusal
from bridge.mapping.wishes import Wish, wish_of
from bridge.mapping.yamlfile import Document, Path_
from bridge.records import dataclass

#: So many plans are kept: as many as there are kinds of units at a site.
_PLANS: Final = 64
_NO_SPACING: Final = Spacing()


class _Teller(Protocol):
    """Says what a change means."""

    def __call__(self, before: Context, after: Context) -> LocalChange | None:
        """None where it means nothing."""


@dataclass(frozen=True)
class LocalMode:
    """What values of a property mean when somebody else sets them: (start or stop, but not if)."""

    epc: int
    name: str
    tells: Mapping[str, tuple[HappeningKind, Test | None]]


@dataclass(frozen=True)
class LocalLimit:
    """A setting that limits power when somebody else lowers it; `bounds` turn a current into a power."""

    epc: int
    name: str
    sign: int
    current: bool
    bounds: Bounds


@dataclass
class CompiledTable:
    """One class's table; see the protocol for what each method answers."""

    class_code: int
    content_hash: str
    max_opc: int
    attributes: tuple[tuple[int, ...], ...]
    device: DeviceClass
    release_epc: int
    terms: Mapping[str, TermTest]
    plug_rows: Rows
    status_rows: Rows
    charging_rows: Rows
    setpoints: Setpoints
    meter: Meter
    fault: FaultRule
    direct_current: Test
    phases: int
    power_term: str
    poll_groups: tuple[PollGroup, ...]
    local_modes: tuple[LocalMode, ...]
    local_limits: tuple[LocalLimit, ...]
    wishes: Mapping[Wish, Mode] = field(default_factory=dict)
    spacings: tuple[tuple[Test, Spacing], ...] = ()
    shown: tuple[tuple[str, str, int], ...] = ()
    decoder: Decoder = field(init=False)
    _local: tuple[tuple[int, _Teller], ...] = field(init=False)
    _plans: dict[frozenset[int], tuple[PollGroup, ...]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.decoder = Decoder(self.device)
        modes = [(mode.epc, _ModeTeller(mode)) for mode in self.local_modes]
        self._local = (*modes, *((limit.epc, _LimitTeller(limit)) for limit in self.local_limits))

    def release(self, edt_82: bytes) -> str:
        """The release letter, '' where it is none that the dictionary knows."""
        value = self.device.latest.decode(self.release_epc, edt_82)
        return value.name if isinstance(value, State) and self.device.at(value.name).release == value.name else ""

    def wants(self, wanted: Wanted) -> Mode:
        """Which setpoint a wish stands for; its own mode where the table says nothing."""
        wish = wish_of(wanted)
        return wanted.mode if wish is None else self.wishes.get(wish, wanted.mode)

    def spacing(self, context: Context) -> Spacing:
        """How often contactors may be moved now."""
        return next((spacing for test, spacing in self.spacings if test(context)), _NO_SPACING)

    def variables(self, view: View) -> tuple[Variable, ...]:
        """What the unit shows in the device model, as far as it has told."""
        context = Context(self, view)
        told = ((component, variable, context.value(epc)) for component, variable, epc in self.shown)
        return tuple(Variable(component, name, _shown(value)) for component, name, value in told if value is not None)

    def decide(self, view: View) -> Decision:
        """Plug, connector status, charging state, measures (decision tables: plug, A, B)."""
        context = Context(self, view)
        plug = self.plug_answer(context)
        status = first_row(self.status_rows, context, "StatusNotification")
        charging = first_row(self.charging_rows, context, "chargingState")
        power = context.term(self.power_term)
        return Decision(
            plug=plug.answer,
            connector=status.answer,
            charging_state=charging.answer,
            measures=self.meter.read(context),
            fault=self.fault.read(context),
            flowing=None if power == "unmeasured" else power != "still",
            seen=context.seen,
            ask=status.ask.answer(context) if status.ask else None,
        )

    def plug_answer(self, context: Context) -> Row:
        """The row of `plug` that decides; its answer is kept in the context."""
        row = first_row(self.plug_rows, context, "plug")
        context.set_plug(Plug(row.answer.value) if row.answer.value else Plug.UNDETERMINED, row.sees)
        return row

    def outcome(self, context: Context) -> str:
        """What the wanted setpoint comes to, as conditions name it (`comesTo`)."""
        answer = recipe(context, self.setpoints)
        if isinstance(answer, Recipe):
            return answer.mode
        return "ask" if isinstance(answer, Ask) else "refused"

    def recipe(self, view: View) -> Recipe | Ask | Refusal:
        """How to reach the wanted setpoint now (decision tables: C)."""
        return recipe(Context(self, view), self.setpoints)

    def confirmed(self, view: View) -> bool:
        """Whether the settings stand and the unit follows."""
        return confirmed(Context(self, view), self.setpoints)

    def refusal(self, view: View, mode: Mode) -> Refusal | None:
        """Why a mode is known now to be impossible."""
        asked = replace(view, wanted=replace(view.wanted, mode=mode))
        return refusal(Context(self, asked), self.setpoints)

    def abilities(self, view: View) -> Abilities:
        """What the unit can do, as far as it has told."""
        context = Context(self, view)
        return abilities(context, self.setpoints, self.direct_current(context), self.phases)

    def polls(self, view: View) -> tuple[PollGroup, ...]:
        """The plan, with what the unit's Get map holds; before that is known, with what its release requires."""
        known = view.gettable or self._required(view.release)
        plan = self._plans.get(known)
        if plan is None:
            kept = ((group, tuple(epc for epc in group.epcs if epc in known)) for group in self.poll_groups)
            plan = tuple(replace(group, epcs=epcs) for group, epcs in kept if epcs)
            if len(self._plans) >= _PLANS:
                self._plans.clear()
            self._plans[known] = plan  # asked for at every poll of every unit, and the same each time
        return plan

    def _required(self, release: str) -> frozenset[int]:
        properties = self.device.at(release).by_epc.values()
        return frozenset(prop.epc for prop in properties if prop.get is Access.REQUIRED)

    def local_changes(self, before: View, after: View, ours: frozenset[int]) -> tuple[LocalChange, ...]:
        """What others changed. What was not known before has not changed."""
        context, earlier = Context(self, after), Context(self, before)
        changes = [
            change
            for epc, tell in self._local
            if epc not in ours and _differs(epc, earlier, context)
            for change in [tell(earlier, context)]
            if change is not None
        ]
        return tuple(changes)

    def describe(self, epc: int, edt: bytes, release: str) -> str:
        """A property and its value for people."""
        prop = self.device.at(release).by_epc.get(epc)
        value = prop.codec.decode(edt) if prop else Unknown(edt)
        name = prop.name if prop else f"{epc:02X}"
        if not edt:
            return name  # a property that is asked for, or a write that was taken
        if isinstance(value, Mapping):
            return f"{name}={', '.join(str(part) for part in value.values())}"
        return f"{name}={(text_of(value) if value else 'none') if isinstance(value, bytes) else value}"


@dataclass(frozen=True)
class TableSource:
    """A table with the file that it was compiled from: for the tools, a gateway has no use for the file.

    `nodes` are its conditions as trees, by the path at which they stand: `("StatusNotification", 3, "when")`.
    """

    table: CompiledTable
    model: TableModel
    document: Document
    nodes: Mapping[Path_, Node] = field(default_factory=dict)

    def is_for(self, view: View) -> bool | None:
        """Whether an overlay is for a unit; None of a table, which is for all of its class."""
        return None


def _shown(value: Value) -> str:
    return text_of(value) if isinstance(value, bytes) else str(value)


def _differs(epc: int, before: Context, after: Context) -> bool:
    old, new = before.facts.get(epc), after.facts.get(epc)
    return old is not None and new is not None and old.edt != new.edt


@dataclass(frozen=True)
class _ModeTeller:
    """A start is always told, a stop only after something that was no stop."""

    rule: LocalMode

    def __call__(self, before: Context, after: Context) -> LocalChange | None:
        name = after.name(self.rule.epc)
        kind, unless = self.rule.tells.get(name, (None, None))
        old, _ = self.rule.tells.get(before.name(self.rule.epc), (None, None))
        if kind is None or (kind is old and kind is HappeningKind.LOCAL_STOP) or (unless is not None and unless(after)):
            return None
        return LocalChange(kind, f"{self.rule.name}={name}", epc=self.rule.epc)


@dataclass(frozen=True)
class _LimitTeller:
    """A lower value limits, a higher one lifts."""

    rule: LocalLimit

    def __call__(self, before: Context, after: Context) -> LocalChange | None:
        old, new = before.milli(self.rule.epc), after.milli(self.rule.epc)
        if old is None or new is None or before.name(self.rule.epc) == ABSENT:
            return None
        kind = HappeningKind.FOREIGN_LIMIT if new < old else HappeningKind.FOREIGN_LIMIT_CLEARED
        power = new * self.rule.bounds.voltage(after) // 1000 if self.rule.current else new
        text = f"{self.rule.name}={after.name(self.rule.epc)}"
        return LocalChange(kind, text, power * self.rule.sign, self.rule.epc)
