"""Why a table answers as it does: which line decided, what was looked at, what would make it answer otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from bridge.authoring.changes import Candidates, Counterfactual, search, shown
from bridge.authoring.looks import Looks, Walker
from bridge.evse import Mode, Reading
from bridge.mapping.decision import Ask, Decision, Refusal, View
from bridge.mapping.measures import UNITS
from bridge.mapping.model import RowModel, TableModel
from bridge.mapping.table import TableSource
from bridge.mapping.yamlfile import nearest

#: What can be explained besides the modes of `Mode`.
SECTIONS: Final = ("plug", "connector", "chargingState", "setpoint", "measures")
KEEP: Final = "keep"


@dataclass(frozen=True)
class Looked:
    """One value that the conditions of a section look at. `raw` '' where the unit has told none; ages in ms."""

    name: str
    epc: int
    raw: str
    value: str
    age: int | None = None
    announced: bool = False


@dataclass(frozen=True)
class Explained:
    """One answer. `rule` is `file:line id`; `detail` is what goes with it (writes, a reason, an origin)."""

    what: str
    answer: str
    rule: str
    detail: tuple[str, ...] = ()
    looked: tuple[Looked, ...] = ()
    signals: Mapping[str, Any] = field(default_factory=dict)
    otherwise: tuple[Counterfactual, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "what": self.what,
            "answer": self.answer,
            "rule": self.rule,
            "detail": list(self.detail),
            "values": [
                {"name": each.name, "epc": f"{each.epc:02X}", "raw": each.raw or None, "value": each.value}
                | ({} if each.age is None else {"age_ms": each.age, "announced": each.announced})
                for each in self.looked
            ],
            "signals": dict(self.signals),
            "otherwise": [
                {
                    "answer": each.answer,
                    "changes": [[change.text for change in way] for way in each.ways],
                    "searched": each.depth,
                }
                for each in self.otherwise
            ],
        }


class Explainer:
    """Explains one view by one table."""

    def __init__(self, source: TableSource, view: View) -> None:
        self._source = source
        self._table = source.table
        self._view = view
        self._candidates = Candidates(self._table, view)

    def explain(self, what: str) -> list[Explained]:
        """One of `SECTIONS`, or a mode of `Mode` for what would become of that wish now."""
        if what == "measures":
            return self._measures()
        if what in SECTIONS[:3]:
            return [self._row(what)]
        view = self._view
        if what != "setpoint":
            view = replace(view, wanted=replace(view.wanted, mode=Mode(what)))
        return [self._setpoint(what, view)]

    # -- rows

    def _row(self, what: str) -> Explained:
        rows = _rows(self._source.model, what)
        read = _ROW_ANSWERS[what]
        decision = self._table.decide(self._view)
        looks = Walker(self._source.model).rows(rows)
        answers = dict.fromkeys(_written(what, row) for row in rows)
        found = search(
            self._view,
            self._candidates.of(looks),
            answers,
            lambda view: read(self._table.decide(view))[0],
        )
        answer, rule = read(decision)
        detail = []
        if what == "connector" and decision.ask is not None:
            detail.append(f"the unit would be asked with {decision.ask.step.text}")
        hold = {"plug": decision.plug, "connector": decision.connector, "chargingState": decision.charging_state}[what]
        if hold.hold:
            detail.append(f"only once this has held for {hold.hold / 1000:g} s")
        return Explained(what, answer, rule, tuple(detail), self._looked(looks), self._signals(looks), tuple(found))

    # -- setpoints

    def _setpoint(self, what: str, view: View) -> Explained:
        mode = view.wanted.mode
        answer, rule, detail = self._outcome(view)
        if mode is Mode.HANDS_OFF:
            return Explained(what, answer, rule, tuple(detail))
        looks = Walker(self._source.model).setpoint(mode)
        changes = [change for change in Candidates(self._table, view).of(looks) if change.target != "wanted"]
        found = search(view, changes, self._outcomes(mode), lambda each: self._outcome(each)[0])
        return Explained(what, answer, rule, tuple(detail), self._looked(looks), self._signals(looks), tuple(found))

    def _outcome(self, view: View) -> tuple[str, str, list[str]]:
        """In words that are the same for the same answer: the way, the refusal or the question."""
        answer = self._table.recipe(view)
        mode = view.wanted.mode
        if isinstance(answer, Refusal):
            return f"refused: {_id(answer.rule)}", answer.rule, [answer.reason]
        if isinstance(answer, Ask):
            return f"ask: {_id(answer.rule)}", answer.rule, [f"first {answer.step.text}"]
        detail = [_step(view, step.epc, step.edt, step.text) for step in answer.steps]
        if answer.note:
            detail.insert(0, answer.note)
        if answer.mode is not mode:
            return f"{answer.mode} instead", answer.rule, detail
        return f"way: {_id(answer.rule)}", answer.rule, detail

    def _outcomes(self, mode: Mode) -> Iterable[str]:
        model = self._source.model.setpoints.get(mode)
        if model is None:
            return
        for require in model.require:
            yield f"refused: {require.id}" if require.ask is None else f"ask: {require.id}"
        for way in model.ways:
            if way.pause_first is None:
                yield f"way: {way.id}"
        if model.limit is not None:
            yield f"{Mode.PAUSE} instead"

    # -- measures

    def _measures(self) -> list[Explained]:
        measures = self._table.decide(self._view).measures
        found = []
        for name, unit in UNITS.items():
            reading: Reading | None = getattr(measures, name)
            if reading is None:
                found.append(Explained(name, "nothing tells it", ""))
                continue
            age = f"{(self._view.now - reading.at) / 1000:g} s old"
            detail = (f"from {reading.origin}, {reading.source}, {age}",)
            found.append(Explained(name, f"{reading.value / 1000:g} {unit}", "", detail))
        vehicle = measures.vehicle_id
        return [*found, Explained("vehicle_id", vehicle or "nothing tells it", "")]

    # -- what was looked at

    def _looked(self, looks: Looks) -> tuple[Looked, ...]:
        found = []
        for name in looks.properties:
            epc = self._table.device.epc_of(name)
            if epc is None:
                continue
            fact = self._view.facts.get(epc)
            raw, age = ("", None) if fact is None else (fact.edt.hex().upper(), self._view.now - fact.at)
            told = fact is not None and fact.notified
            found.append(Looked(name, epc, raw, shown(self._table, self._view, epc), age, told))
        return tuple(found)

    def _signals(self, looks: Looks) -> dict[str, Any]:
        view = self._view
        found: dict[str, Any] = {"release": view.release or "unknown"} if looks.release else {}
        read = {name: get for name, get in _SIGNAL_VALUES.items() if name in looks.signals}
        return found | {name: get(view) for name, get in read.items()}


def _rows(model: TableModel, what: str) -> Sequence[RowModel]:
    if what == "plug":
        return model.plug
    return model.status if what == "connector" else model.charging


def parts_of(what: str | None) -> list[str]:
    """What to explain; all sections where nothing is named.

    Raises:
        ValueError: there is no such thing, with the nearest.
    """
    if what is None:
        return list(SECTIONS)
    known = (*SECTIONS, *(mode.value for mode in Mode if mode is not Mode.HANDS_OFF))
    if what not in known:
        raise ValueError(f'"{what}" cannot be explained{nearest(what, known)} (one of {", ".join(known)})')
    return [what]


def _written(what: str, row: Any) -> str:
    value = row.plug if what == "plug" else row.connector if what == "connector" else row.state
    return str(value)


def _step(view: View, epc: int, edt: bytes, text: str) -> str:
    fact = view.facts.get(epc)
    return f"stands already: {text}" if fact is not None and fact.edt == edt else f"write {text}"


def _id(rule: str) -> str:
    return rule.rpartition(" ")[2]


def _kept(value: object) -> str:
    return KEEP if value is None else str(value)


_ROW_ANSWERS: Final[Mapping[str, Callable[[Decision], tuple[str, str]]]] = {
    "plug": lambda d: (_kept(d.plug.value), d.plug.rule),
    "connector": lambda d: (_kept(d.connector.value), d.connector.rule),
    "chargingState": lambda d: (_kept(d.charging_state.value), d.charging_state.rule),
}
_SIGNAL_VALUES: Final[Mapping[str, Callable[[View], Any]]] = {
    "reachable": lambda v: v.reachable,
    "lostFor": lambda v: f"{v.lost_for / 1000:g} s",
    "confirmed": lambda v: v.confirmed,
    "contested": lambda v: v.contested,
    "foreign": lambda v: v.foreign,
    "dischargeAllowed": lambda v: v.discharge_allowed,
    "authorized": lambda v: v.wanted.authorized,
    "inTransaction": lambda v: v.wanted.in_transaction,
    "wanted": lambda v: v.wanted.mode.value,
    "urgency": lambda v: v.wanted.urgency.value,
    "amountWanted": lambda v: v.wanted.amount is not None,
    "bounded": lambda v: v.wanted.target is not None,
}
