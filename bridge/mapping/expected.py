"""What examples may expect: the words, what each is about, and how a table's answer is read for it.

A value that has parts (`measures`, `polls`) is compared only in the parts that an example names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.evse import HappeningKind, Mode, Reading
from bridge.mapping.decision import Ask, Decision, LocalChange, PollGroup, Recipe, Refusal, Step, View
from bridge.mapping.measures import UNITS
from bridge.mapping.meter import CompiledMeter
from bridge.mapping.quantity import quantity
from bridge.mapping.table import CompiledTable

#: What others have changed, in the words of a table's `local`.
_LOCAL: Final[Mapping[HappeningKind, str]] = {
    HappeningKind.LOCAL_START: "start_transaction",
    HappeningKind.LOCAL_STOP: "stop_transaction",
    HappeningKind.FOREIGN_LIMIT: "NotifyChargingLimit",
    HappeningKind.FOREIGN_LIMIT_CLEARED: "ClearedChargingLimit",
}


@dataclass(frozen=True)
class Outcome:
    """What a table says about an example. `before` is the view from which local changes are told; `is_for`: whether an
    overlay is for such a unit; `tells`: who the unit says that it is."""

    view: View
    decision: Decision
    answer: Recipe | Ask | Refusal
    confirmed: bool
    table: CompiledTable
    before: View | None = None
    is_for: bool | None = None
    tells: Mapping[str, str] = field(default_factory=dict)

    @property
    def writes(self) -> list[str]:
        """The writes that would go out: only what differs, and none once a stop or pause stands."""
        if not isinstance(self.answer, Recipe) or (self.confirmed and self.answer.attempts == 0):
            return []
        return frames(step for step in self.answer.steps if not self._stands(step.epc, step.edt))

    def _stands(self, epc: int, edt: bytes) -> bool:
        fact = self.view.facts.get(epc)
        return fact is not None and fact.edt == edt

    @property
    def recipe(self) -> Recipe | None:
        """The recipe, if there is one."""
        return self.answer if isinstance(self.answer, Recipe) else None

    @property
    def refusal(self) -> Refusal | None:
        """The refusal, if it is one."""
        return self.answer if isinstance(self.answer, Refusal) else None

    @property
    def ask(self) -> Ask | None:
        """What the unit is asked before more can be said."""
        return self.answer if isinstance(self.answer, Ask) else self.decision.ask

    def names(self, epcs: Iterable[int]) -> list[str]:
        """Properties by their names."""
        return names_of(self.table, self.view.release, epcs)


def names_of(table: CompiledTable | CompiledMeter, release: str, epcs: Iterable[int]) -> list[str]:
    """Properties by their names in a release; those that it does not have as the newest calls them."""
    known, latest = table.device.at(release).by_epc, table.device.latest.by_epc
    found = [known.get(epc) or latest.get(epc) for epc in epcs]
    return [prop.name for prop in found if prop is not None]


def frames(steps: Iterable[Step]) -> list[str]:
    """Writes as on the wire: `DA=42`."""
    return [f"{step.epc:02X}={step.edt.hex().upper()}" for step in steps]


def id_of(rule: str) -> str:
    """The id of the row, gate or way that a rule (`file:line id`) stands for."""
    return rule.rpartition(" ")[2]


def _word(value: object) -> str:
    return "keep" if value is None else str(value)


def _readings(outcome: Outcome) -> dict[str, Reading]:
    measures = outcome.decision.measures
    return {name: reading for name in UNITS if (reading := getattr(measures, name)) is not None}


def _measures(outcome: Outcome) -> dict[str, Any]:
    vehicle_id = outcome.decision.measures.vehicle_id
    found: dict[str, Any] = {name: reading.value for name, reading in _readings(outcome).items()}
    return found | ({"vehicle_id": vehicle_id} if vehicle_id else {})


def _origins(outcome: Outcome) -> dict[str, str]:
    return {name: reading.origin for name, reading in _readings(outcome).items()}


def _answers(decision: Decision) -> dict[str, Any]:
    """The deciding rows, by the words that expect their values."""
    return {"plug": decision.plug, "connector": decision.connector, "chargingState": decision.charging_state}


def _told(outcome: Outcome) -> dict[str, str]:
    answers = _answers(outcome.decision).items()
    return {name: answer.trigger.value for name, answer in answers if answer.trigger is not None}


def _asking(outcome: Outcome) -> dict[str, Any] | None:
    ask = outcome.ask
    return None if ask is None else {"then": outcome.names(ask.then), "pause": ask.pause}


def _confirm(outcome: Outcome) -> dict[str, int] | None:
    recipe = outcome.recipe
    return None if recipe is None else {"within": recipe.confirm_within, "attempts": recipe.attempts}


def _spacing(outcome: Outcome) -> dict[str, int] | None:
    recipe = outcome.recipe
    return None if recipe is None else {"mode": recipe.spacing.mode, "setting": recipe.spacing.setting}


def _early(outcome: Outcome) -> dict[str, Refusal]:
    found = {mode.value: outcome.table.refusal(outcome.view, mode) for mode in Mode}
    return {mode: refusal for mode, refusal in found.items() if refusal is not None}


def _abilities(outcome: Outcome) -> dict[str, Any]:
    able = outcome.table.abilities(outcome.view)
    return {
        "modes": sorted(able.modes),
        "chargeMax": able.charge_max,
        "dischargeMax": able.discharge_max,
        "chargeAdjustable": able.charge_adjustable,
        "dischargeAdjustable": able.discharge_adjustable,
        "phases": able.phases,
        "directCurrent": able.direct_current,
    }


def _variables(outcome: Outcome) -> dict[str, str]:
    shown = outcome.table.variables(outcome.view)
    return {f"{each.component}.{each.variable}": each.value for each in shown}


def _local(outcome: Outcome) -> dict[str, Any] | None:
    if outcome.before is None:
        return None
    told = outcome.table.local_changes(outcome.before, outcome.view, frozenset())
    return {_LOCAL[change.kind]: _about(change) for change in told} or None


def _about(change: LocalChange) -> int | str:
    """The limit, or what was set."""
    return change.text if change.value is None else change.value


def polls_of(
    table: CompiledTable | CompiledMeter, release: str, groups: Iterable[PollGroup]
) -> dict[str, dict[str, Any]]:
    """A polling plan by the names of its groups."""
    return {
        group.name: {
            "read": names_of(table, release, group.epcs),
            "active": group.active,
            "idle": group.idle,
            "announced": group.announced,
        }
        for group in groups
    }


@dataclass(frozen=True)
class Word:
    """One thing that may be expected: how it is read from an outcome, and what it is about (for docs and editors)."""

    read: Callable[[Outcome], Any]
    about: str


#: What may be expected, and how the table's answer to it is read.
EXPECTED: Final[Mapping[str, Word]] = {
    "tells": Word(lambda o: o.tells, "Who the unit says that it is: `{manufacturer: FFFFFE, productCode: X1}`."),
    "isFor": Word(lambda o: o.is_for, "Whether the overlay is for this unit."),
    "plug": Word(lambda o: _word(o.decision.plug.value), "What is known of a vehicle."),
    "sees": Word(lambda o: sorted(o.decision.seen), "What has been seen once and is remembered."),
    "connector": Word(lambda o: _word(o.decision.connector.value), "The connector's status, or `keep`."),
    "atBoot": Word(
        lambda o: o.decision.connector.at_boot.value if o.decision.connector.at_boot else None,
        "The connector's status where there is none to keep yet.",
    ),
    "chargingState": Word(lambda o: _word(o.decision.charging_state.value), "The charging state, or `keep`."),
    "holds": Word(
        lambda o: {name: answer.hold for name, answer in _answers(o.decision).items()},
        "How long a row must hold before it counts: `{chargingState: 10s}`.",
    ),
    "told": Word(_told, "The triggerReason with which a row is told: `{plug: CablePluggedIn}`."),
    "stoppedReason": Word(
        lambda o: o.decision.charging_state.stopped.value if o.decision.charging_state.stopped else None,
        "Why a transaction ends that ends by this charging state.",
    ),
    "flowing": Word(lambda o: o.decision.flowing, "Whether power flows; null: it cannot be measured."),
    "writes": Word(lambda o: o.writes, "The writes that go out, as on the wire."),
    "otherwise": Word(
        lambda o: frames(o.recipe.otherwise) if o.recipe else [],
        "The writes that are tried where the first are not followed.",
    ),
    "mode": Word(lambda o: o.recipe.mode.value if o.recipe else None, "What the wanted setpoint comes to."),
    "target": Word(lambda o: o.recipe.target if o.recipe else None, "The power that is granted; minus is out."),
    "way": Word(lambda o: id_of(o.recipe.rule) if o.recipe else None, "The way that is taken."),
    "fresh": Word(
        lambda o: o.names(o.recipe.fresh) if o.recipe else [],
        "The properties that must have been read just before the first write.",
    ),
    "freshFor": Word(lambda o: o.recipe.fresh_for if o.recipe else None, "How old they may be."),
    "confirm": Word(_confirm, "How long it may take and how often it is tried: `{within: 180s, attempts: 3}`."),
    "spacing": Word(_spacing, "How long the mode and a higher setting wait after the last write of it."),
    "refused": Word(lambda o: id_of(o.refusal.rule) if o.refusal else None, "The requirement that refuses."),
    "reads": Word(
        lambda o: o.names(o.refusal.read) if o.refusal else [], "The properties whose reading may lift a refusal."
    ),
    "ask": Word(lambda o: frames([o.ask.step])[0] if o.ask else None, "The write that makes the unit tell more."),
    "asking": Word(_asking, "What is read after that, and the pause before it is asked again."),
    "early": Word(
        lambda o: {mode: id_of(refusal.rule) for mode, refusal in _early(o).items()},
        "The requirement by which a mode is known to be impossible, whatever is wanted: `{discharge: type}`.",
    ),
    "earlyAfter": Word(
        lambda o: {mode: refusal.hold for mode, refusal in _early(o).items()},
        "How long that must be so before it counts as known.",
    ),
    "confirmed": Word(lambda o: o.confirmed, "Whether what is wanted has been reached."),
    "fault": Word(lambda o: o.decision.fault.code if o.decision.fault else None, "The fault's code."),
    "faultDescription": Word(
        lambda o: o.decision.fault.description if o.decision.fault else None, "The fault in words."
    ),
    "measures": Word(_measures, "What is measured; plus is into the car."),
    "origins": Word(_origins, "From what it was read."),
    "variables": Word(_variables, "The device model: `{EVSE.Model: X1}`."),
    "abilities": Word(_abilities, "What the unit can do, as far as it has told."),
    "polls": Word(
        lambda o: polls_of(o.table, o.view.release, o.table.polls(o.view)),
        "What is read how often, by the groups of `polling`.",
    ),
    "atStart": Word(
        lambda o: [o.names(request) for request in o.table.attributes], "What is read at start, request by request."
    ),
    "local": Word(_local, "What others have changed since `before`: `{start_transaction: operationMode=charge}`."),
}


def number_of(value: Any) -> Any:
    """A quantity in thousandths (a time in ms), in mappings too; anything else as it is."""
    if isinstance(value, Mapping):
        return {name: number_of(part) for name, part in value.items()}
    found = quantity(value) if isinstance(value, str) else None
    return found[0] if found else value


def narrowed(found: Any, wanted: Any) -> Any:
    """Of a value with parts only those that are wanted."""
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        return {name: narrowed(found.get(name), part) for name, part in wanted.items()}
    return found
