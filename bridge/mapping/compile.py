"""From a table's model to a `CompiledTable`: every name is looked up and every condition compiled once.

Mistakes are collected with their places; a table that compiles has nothing left that could fail while it decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from bridge.echonet.dictionary import DeviceClass
from bridge.evse import HappeningKind, Mode
from bridge.mapping.conditions import FLOWS, Conditions, Term, Vocabulary
from bridge.mapping.context import ABSENT, Context, TermTest
from bridge.mapping.decide import FaultRule, Row, Rows, row_of
from bridge.mapping.decision import PollGroup, Spacing
from bridge.mapping.logic import Node, Test, always
from bridge.mapping.measures import SourceOf, compile_meter, compile_source
from bridge.mapping.model import (
    AskModel,
    ChargingRow,
    ConnectorRow,
    LocalWord,
    PlugRow,
    RequireModel,
    RowModel,
    SetpointModel,
    SourceModel,
    TableModel,
    TermModel,
    ToldModel,
    VoltsModel,
    WayModel,
)
from bridge.mapping.recipe import AskStep, Bounds, Require, Setpoint, Volts, Way
from bridge.mapping.steps import WriteStep, compile_steps, compile_write
from bridge.mapping.table import CompiledTable, LocalLimit, LocalMode
from bridge.mapping.wishes import MEANT, Wish
from bridge.mapping.yamlfile import Document, Path_, Problems, nearest

_TOLD: Mapping[str, HappeningKind] = {
    "start_transaction": HappeningKind.LOCAL_START,
    "stop_transaction": HappeningKind.LOCAL_STOP,
}
_WISHES: Mapping[Wish, str] = {
    Wish.START: "a start",
    Wish.STOP: "a stop",
    Wish.POSITIVE: "a limit above zero",
    Wish.ZERO: "a limit of zero",
    Wish.NEGATIVE: "a limit below zero",
}
_AS_USUAL = ToldModel.model_validate({})
_NO_PLUG = frozenset({"plug", "comesTo"})
_NO_OUTCOME = frozenset({"comesTo"})
R = TypeVar("R", bound=RowModel)


def compile_table(
    document: Document,
    model: TableModel,
    device: DeviceClass,
    content_hash: str,
    problems: Problems,
    nodes: dict[Path_, Node] | None = None,
) -> CompiledTable | None:
    """The compiled table; None if there are mistakes, which stand in `problems` then.

    `nodes` is filled with the conditions as trees, by where they stand: the tools of authors look at them.
    """
    before = len(problems.found)
    compiled = _Compiler(document, model, device, problems, nodes).table(content_hash)
    return compiled if len(problems.found) == before else None


def _limits(steps: Sequence[WriteStep]) -> bool:
    return any(step.is_limit for step in steps)


class _Compiler:
    def __init__(
        self,
        document: Document,
        model: TableModel,
        device: DeviceClass,
        problems: Problems,
        nodes: dict[Path_, Node] | None,
    ) -> None:
        self.document = document
        self.model = model
        self.problems = problems
        seen = frozenset(row.sees for row in model.plug if row.sees)
        self.vocabulary = Vocabulary(device, seen=seen, without=_NO_PLUG)
        self.conditions = Conditions(document, self.vocabulary, problems, nodes)
        self.device = device

    def table(self, content_hash: str) -> CompiledTable:
        model = self.model
        terms = self._terms()
        plug_rows = self._rows("plug", model.plug, lambda row: row.plug)
        self.vocabulary.without = _NO_OUTCOME
        status = self._rows("StatusNotification", model.status, lambda row: row.connector)
        setpoints = self._setpoints()
        meter = compile_meter(self.conditions, model.meter_values)
        self.vocabulary.without = frozenset()
        charging = self._rows("chargingState", model.charging, lambda row: row.state)
        self._check_told()
        fault = model.notify_event.fault
        path: Path_ = ("NotifyEvent", "fault")
        return CompiledTable(
            class_code=int(model.class_code, 16),
            content_hash=content_hash,
            max_opc=model.max_properties,
            attributes=self._attributes(),
            device=self.device,
            release_epc=self.conditions.property(model.release, ("release",)),
            terms=terms,
            plug_rows=plug_rows,
            status_rows=status,
            charging_rows=charging,
            setpoints=setpoints,
            meter=meter,
            fault=FaultRule(
                self.conditions.compile(fault.when, (*path, "when")),
                self._epcs(fault.code, (*path, "code")),
                self._epcs(fault.description, (*path, "description")),
                str(next(iter(fault.when.values()), "fault")),
            ),
            direct_current=self.conditions.compile(model.abilities.direct_current, ("abilities", "directCurrent")),
            phases=model.abilities.phases,
            power_term=self._power_term(),
            poll_groups=self._polls(),
            local_modes=self._local_modes(),
            local_limits=self._local_limits(setpoints),
            wishes=self._wishes(),
            spacings=self._spacings(),
            shown=self._shown(),
        )

    # Names

    def _epcs(self, names: Iterable[str], path: Path_) -> tuple[int, ...]:
        return tuple(self.conditions.property(name, (*path, index)) for index, name in enumerate(names))

    def _bounded(self, names: Sequence[str], path: Path_) -> tuple[int, ...]:
        if len(names) > self.model.max_properties:
            text = f"{len(names)} properties are more than a request may hold ({self.model.max_properties})"
            self._wrong(path, "TOO-MANY", text)
        return self._epcs(names, path)

    def _attributes(self) -> tuple[tuple[int, ...], ...]:
        return tuple(self._bounded(names, ("attributes", i)) for i, names in enumerate(self.model.attributes))

    def _polls(self) -> tuple[PollGroup, ...]:
        found = []
        for name, group in self.model.polling.items():
            epcs = self._bounded(group.read, ("polling", name, "read"))
            found.append(PollGroup(name, epcs, group.active, group.idle, group.announced))
        return tuple(found)

    def _shown(self) -> tuple[tuple[str, str, int], ...]:
        return tuple(
            (spec.component, spec.variable, self.conditions.property(spec.property, ("variables", place, "property")))
            for place, spec in enumerate(self.model.variables)
        )

    # What messages want

    def _wishes(self) -> Mapping[Wish, Mode]:
        found = {Wish.START: self.model.start.wants, Wish.STOP: self.model.stop.wants}
        paths: dict[Wish, Path_] = {
            Wish.START: ("RequestStartTransaction", "wants"),
            Wish.STOP: ("RequestStopTransaction", "wants"),
        }
        for place, row in enumerate(self.model.profile):
            wish, path = Wish(row.limit), ("SetChargingProfile", place)
            if wish in found:
                self._wrong(path, "DUPLICATE-ID", f"a row for a limit that is {row.limit} stands above already")
            found[wish], paths[wish] = row.wants, (*path, "wants")
        for wish, mode in found.items():
            if mode not in MEANT[wish]:
                allowed = " or ".join(sorted(each.value for each in MEANT[wish]))
                self._wrong(paths[wish], "WANTS", f"{_WISHES[wish]} may only want {allowed}, not {mode.value}")
        return found

    def _spacings(self) -> tuple[tuple[Test, Spacing], ...]:
        return tuple(
            (self.conditions.compile(row.when, ("spacing", place, "when")), Spacing(row.mode, row.setting))
            for place, row in enumerate(self.model.spacing)
        )

    # Terms

    def _terms(self) -> dict[str, TermTest]:
        compiled: dict[str, TermTest] = {}
        for name, model in self.model.terms.items():
            path: Path_ = ("terms", name)
            self.vocabulary.coming = self.model.terms.keys() - compiled.keys()
            if name in self.vocabulary.words():
                text = f'"{name}" is a property or a signal already; a term needs a name of its own'
                self._wrong(path, "DUPLICATE-NAME", text, at_key=True)
                continue  # where the name is used, what it named before is meant
            compiled[name], self.vocabulary.terms[name] = self._one_term(model, path)
        self.vocabulary.coming = frozenset()
        return compiled

    def _one_term(self, model: TermModel, path: Path_) -> tuple[TermTest, Term]:
        kinds = [key for key in ("first", "when", "measure") if getattr(model, key) is not None]
        if len(kinds) != 1:
            said = " and ".join(kinds) or "none of them"
            self._wrong(path, "TERM", f'a term has one of "first", "when" and "measure", not {said}')
        if model.when is not None:
            return self.conditions.compile(model.when, (*path, "when")), Term(boolean=True)
        if model.measure is not None:
            return self._floor_term(model), Term(unit="%")
        if model.threshold is not None:
            return self._flow_term(model.first or [], model.threshold, path), Term(names=FLOWS)
        return self._alias_term(model.first or [], path)

    def _alias_term(self, sources: Sequence[SourceModel], path: Path_) -> tuple[TermTest, Term]:
        found: list[tuple[int, int | None]] = []
        names: frozenset[str] = frozenset({ABSENT})
        for index, source in enumerate(sources):
            epc = self.conditions.property(source.property, (*path, "first", index, "property"))
            names |= self.vocabulary.values(source.property or "")
            found.append((epc, source.within))
        fixed = tuple(found)

        def alias(context: Context) -> str:
            for epc, within in fixed:
                if context.fresh(epc, within) is not None and (name := context.name(epc)) != ABSENT:
                    return name
            return ABSENT

        return alias, Term(names=names)

    def _flow_term(self, sources: Sequence[SourceModel], threshold: int, path: Path_) -> TermTest:
        compiled: list[SourceOf] = []
        for index, source in enumerate(sources):
            found = compile_source(self.conditions, source, (*path, "first", index), "W", "power")
            if found is not None:
                compiled.append(found)
        fixed = tuple(compiled)

        def flow(context: Context) -> str:
            for source in fixed:
                reading = source.read(context)
                if reading is not None:
                    if abs(reading.value) < threshold:
                        return "still"
                    return "charging" if reading.value > 0 else "discharging"
            return "unmeasured"

        return flow

    def _floor_term(self, model: TermModel) -> TermTest:
        within, asked = model.within, model.asked

        def above_floor(context: Context) -> int | None:
            reading = context.table.meter.soc(context, within, asked)
            return None if reading is None else reading.value - (context.view.soc_floor if model.minus else 0)

        return above_floor

    def _power_term(self) -> str:
        name = self.model.power_term
        term = self.vocabulary.terms.get(name)
        if term is None or term.names != FLOWS:
            hint = nearest(name, self.vocabulary.terms)
            self._wrong(("powerTerm",), "UNKNOWN-NAME", f'there is no term "{name}" with a threshold{hint}')
        return name

    # Rows

    def _rows(self, section: str, models: Sequence[R], value: Callable[[R], Any]) -> Rows:
        rows: list[Row] = []
        for index, model in enumerate(models):
            path: Path_ = (section, index)
            if any(row.id == model.id for row in rows):
                self._wrong((*path, "id"), "DUPLICATE-ID", f'a row "{model.id}" stands above already')
            rows.append(self._row(model, path, value(model)))
        for index, model in enumerate(models[:-1]):
            if not model.when:
                text = f'"{model.id}" always holds and hides the rows below it'
                self._wrong((section, index), "DEAD-ROW", text)
        return tuple(rows)

    def _row(self, model: RowModel, path: Path_, value: Any) -> Row:
        test = self.conditions.compile(model.when, (*path, "when"))
        rule = self._rule(path, model.id)
        at_boot = model.at_boot if isinstance(model, ConnectorRow) else None
        sees = model.sees if isinstance(model, PlugRow) else None
        ask = model.ask if isinstance(model, ConnectorRow) else None
        asking = self._ask(ask, (*path, "ask"), rule) if ask else None
        told = self._told(model)
        return row_of(
            model.id,
            test,
            value,
            rule,
            model.hold,
            at_boot=at_boot,
            trigger=told.trigger,
            stopped=told.stopped,
            sees=sees,
            ask=asking,
        )

    def _told(self, model: RowModel) -> ToldModel:
        """How a row is told in TransactionEvent."""
        told = self.model.told
        words = told.plug if isinstance(model, PlugRow) else told.charging if isinstance(model, ChargingRow) else {}
        return words.get(model.id, _AS_USUAL)

    def _check_told(self) -> None:
        told, model = self.model.told, self.model
        plug, charging = {row.id for row in model.plug}, {row.id for row in model.charging}
        for section, words, known in (("plug", told.plug, plug), ("chargingState", told.charging, charging)):
            for name in words.keys() - known:
                text = f'"{section}" has no row "{name}"{nearest(name, known)}'
                self._wrong(("TransactionEvent", section, name), "UNKNOWN-NAME", text, at_key=True)

    def _rule(self, path: Path_, name: str) -> str:
        return f"{self.document.place(path)} {name}"

    def _ask(self, model: AskModel, path: Path_, rule: str) -> AskStep | None:
        write = compile_write(self.conditions, model.write, (*path, "write"))
        then = self._epcs(model.then, (*path, "then"))
        return AskStep(write, then, model.pause, rule) if write else None

    # Setpoints

    def _told_apart(self, ids: Sequence[str], path: Path_) -> None:
        for index, name in enumerate(ids):
            if name in ids[:index]:
                self._wrong((*path, index, "id"), "DUPLICATE-ID", f'a row "{name}" stands above already')

    def _setpoints(self) -> dict[Mode, Setpoint]:
        for mode in (Mode.PAUSE, Mode.STOP):
            if mode not in self.model.setpoints:
                self._wrong(("setpoints",), "MISSING-KEY", f'every class needs the setpoint "{mode}"')
        return {mode: self._setpoint(mode, model) for mode, model in self.model.setpoints.items()}

    def _setpoint(self, mode: Mode, model: SetpointModel) -> Setpoint:
        path: Path_ = ("setpoints", mode.value)
        for key, ids in (("require", [r.id for r in model.require]), ("ways", [way.id for way in model.ways])):
            self._told_apart(ids, (*path, key))
        if mode in (Mode.PAUSE, Mode.STOP):
            self._check_still(mode, model, path)
        ways = tuple(self._way(way, (*path, "ways", index), model) for index, way in enumerate(model.ways))
        return Setpoint(
            mode=mode,
            requires=tuple(self._require(r, (*path, "require", i)) for i, r in enumerate(model.require)),
            bounds=self._bounds(model, path),
            ways=ways,
            fresh=self._epcs(model.fresh, (*path, "fresh")),
            fresh_for=model.fresh_for,
            confirm=self.conditions.compile(model.confirm.when, (*path, "confirm", "when")),
            confirm_within=model.confirm.within,
            attempts=model.confirm.attempts,
            rule=self._rule(path, mode.value),
        )

    def _check_still(self, mode: Mode, model: SetpointModel, path: Path_) -> None:
        """What every other setpoint falls back to must not fall back itself."""
        if model.limit is not None:
            self._wrong((*path, "limit"), "IRREVERSIBLE", f"a {mode.value} has no limit: leave it out", at_key=True)
        for place, way in enumerate(model.ways):
            if way.pause_first is not None:
                text = f"a {mode.value} cannot pause first: it is what the others pause by"
                self._wrong((*path, "ways", place, "pauseFirst"), "IRREVERSIBLE", text, at_key=True)

    def _require(self, model: RequireModel, path: Path_) -> Require:
        rule = self._rule(path, model.id)
        early = None
        if model.early is not None:
            early = self.conditions.compile(model.early.when, (*path, "early", "when")) if model.early.when else always
        return Require(
            test=self.conditions.compile(model.when, (*path, "when")),
            reason=model.reason,
            rule=rule,
            lasting=model.lasting,
            early=early,
            hold=model.early.hold if model.early else 0,
            read=self._epcs(model.read, (*path, "read")),
            ask=self._ask(model.ask, (*path, "ask"), rule) if model.ask else None,
        )

    def _way(self, model: WayModel, path: Path_, setpoint: SetpointModel) -> Way:
        steps = compile_steps(self.conditions, model.ensure, (*path, "ensure"))
        if setpoint.limit is None and (model.on_off or _limits(steps)):
            text = f'the way "{model.id}" needs "limit" in its setpoint: what the unit can do'
            self._wrong(path, "MISSING-KEY", text)
        whole = len(steps) == len(model.ensure)  # a step that is wrong is told by itself
        if not model.ensure and model.pause_first is None:
            self._wrong(path, "MISSING-KEY", f'the way "{model.id}" ensures nothing')
        elif setpoint.limit is not None and whole and not (model.on_off or model.pause_first or _limits(steps)):
            text = f'nothing in the way "{model.id}" keeps the limit: write it, or say "onOff: true"'
            self._wrong(path, "NO-LIMIT", text)
        when = self.conditions.compile(model.when, (*path, "when"))
        return Way(when, steps, model.on_off, self._rule(path, model.id), model.pause_first)

    def _bounds(self, model: SetpointModel, path: Path_) -> Bounds | None:
        limit = model.limit
        if limit is None:
            return None
        where: Path_ = (*path, "limit")
        if limit.volts[-1].assume is None or limit.volts[-1].when:
            self._wrong((*where, "volts", len(limit.volts) - 1), "NOT-TOTAL", "the last row must assume a voltage")
        return Bounds(
            rated=self.conditions.property(limit.rated, (*where, "rated")),
            power=self.conditions.property(limit.power, (*where, "power")),
            current=self.conditions.property(limit.current, (*where, "current")),
            volts=tuple(self._volts(row, (*where, "volts", i)) for i, row in enumerate(limit.volts)),
        )

    def _volts(self, model: VoltsModel, path: Path_) -> Volts:
        if (model.property is None) == (model.assume is None) or (model.assume is not None and model.assume <= 0):
            self._wrong(path, "VOLTS", 'a row either reads a "property" or assumes a voltage above zero')
        test = self.conditions.compile(model.when, (*path, "when"))
        epc = self.conditions.property(model.property, (*path, "property")) if model.property else None
        if epc is not None and epc >= 0 and self.vocabulary.unit(model.property or "") != "V":
            self._wrong((*path, "property"), "UNIT", f'"{model.property}" is not in V')
        return Volts(test, epc, max(model.min or 1, 1), model.within, model.assume or 0)

    # Local changes

    def _local_modes(self) -> tuple[LocalMode, ...]:
        found = []
        for name, spec in self.model.local.items():
            if isinstance(spec, str):
                continue
            path: Path_ = ("local", name)
            known = self.vocabulary.values(name)
            tells = {}
            for value, word in spec.items():
                if value not in known:
                    text = f'{name} has no value "{value}"{nearest(value, known)}'
                    self._wrong((*path, value), "UNKNOWN-VALUE", text, at_key=True)
                unless = None
                if isinstance(word, LocalWord):
                    unless = self.conditions.compile(word.unless, (*path, value, "unless"))
                tells[value] = (_TOLD[word.tell if isinstance(word, LocalWord) else word], unless)
            found.append(LocalMode(self.conditions.property(name, path), name, tells))
        return tuple(found)

    def _local_limits(self, setpoints: Mapping[Mode, Setpoint]) -> tuple[LocalLimit, ...]:
        found = []
        wrong = any(len(way.steps) < len(model.ensure) for mode, setpoint in setpoints.items()
                    for way, model in zip(setpoint.ways, self.model.setpoints[mode].ways, strict=True))  # fmt: skip
        for name, spec in self.model.local.items():
            if not isinstance(spec, str):
                continue
            for setpoint in setpoints.values():
                step = next((s for way in setpoint.ways for s in way.steps if s.is_limit and s.name == name), None)
                if step is not None and setpoint.bounds is not None:
                    found.append(LocalLimit(step.epc, name, setpoint.sign, step.unit == "A", setpoint.bounds))
                    break
            else:
                if wrong and self.device.epc_of(name) is not None:
                    continue  # perhaps a step writes it that is told already
                written = {s.name for each in setpoints.values() for way in each.ways for s in way.steps if s.is_limit}
                text = f'no setpoint writes a limit to "{name}"{nearest(name, written)}'
                self._wrong(("local", name), "UNKNOWN-PROPERTY", text, at_key=True)
        return tuple(found)

    def _wrong(self, path: Path_, code: str, message: str, *, at_key: bool = False) -> None:
        self.problems.add(self.document, path, code, message, at_key=at_key)
