"""The page of a table: what units it is for, how each message is translated, and what is on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from bridge.authoring.docsexamples import add_examples
from bridge.authoring.docsoverlay import add_overlay
from bridge.authoring.docsproperties import add_properties
from bridge.authoring.docssetpoints import SetpointPages, place
from bridge.authoring.page import Break, Code, Inline, Japanese, Line, Link, Page, Row, joined, line, row
from bridge.authoring.phrases import Phrases, release_text
from bridge.authoring.schemaforms import duration_text
from bridge.echonet.dictionary import RELEASES
from bridge.mapping.model import ConnectorRow, LocalWord, PlugRow, RowModel, SourceModel, TermModel
from bridge.mapping.overlay import OverlaySource
from bridge.mapping.table import TableSource
from bridge.mapping.yamlfile import Path_

_MEASURES: Final[Mapping[str, tuple[str, str]]] = {
    "power": ("power", "Power"),
    "current": ("current", "Current"),
    "voltage": ("voltage", "Electric voltage"),
    "energy_in": ("energyIn", "Energy into the car"),
    "energy_out": ("energyOut", "Energy out of the car"),
    "soc": ("soc", "State of charge"),
    "offered": ("offered", "What was granted"),
    "capacity": ("capacity", "What 100 % are worth"),
    "vehicle_id": ("vehicleId", "Which vehicle it is"),
}
_TOLD: Final[Mapping[str, str]] = {
    "start_transaction": "a start at the unit",
    "stop_transaction": "a stop at the unit",
}


def table_page(source: TableSource, name: str) -> Page:
    """The page of a compiled table; `name` is the page's file without an ending."""
    return _TablePage(source, name).page


class _TablePage:
    def __init__(self, source: TableSource, name: str) -> None:
        self.source, self.model, self.document = source, source.model, source.document
        self.device = source.table.device
        self.page = Page(name, _title(source))
        self.phrases = Phrases(self.device, {name: _alias(term) for name, term in self.model.terms.items()})
        self.setpoints = SetpointPages(self.page, self.document, self.phrases)
        self._introduction()
        if isinstance(source, OverlaySource):
            add_overlay(self.page, source)
        self._terms()
        self._states()
        self._messages()
        self._setpoints()
        self._local()
        self._meter_values()
        self._device_model()
        self._polling()
        self._properties_section()
        add_examples(self.page, source, self.phrases)

    def _introduction(self) -> None:
        device = self.device
        known = "".join(letter for letter in RELEASES if letter in device.releases)
        self.page.paragraph(
            f"For units of class {self.model.class_code}, {device.name_en} (", Japanese(device.name_ja),
            f"), of Release {release_text(known)} of the Appendix; which release a unit follows it tells with ",
            self.phrases.property(self.model.release), ".",
        )  # fmt: skip
        self.page.paragraph(
            "Made from ", Code(self.document.file.rpartition("/")[2]), "; the numbers behind its name are lines of it. "
            "In a table of rows the first row that holds decides. Behind a value stands what is on the wire: ",
            Code("C7=40"), " is the property 0xC7 with the byte 40, and of several bytes each is one that a release "
            f"has. A request holds at most {self.model.max_properties} properties.",
        )  # fmt: skip

    # Terms

    def _terms(self) -> None:
        if not self.model.terms:
            return
        self.page.heading(2, "Words of this table", "terms")
        rows = [
            row(Code(name), self._term(term), place(self.document, ("terms", name)), anchor=f"term-{name}")
            for name, term in self.model.terms.items()
        ]
        self.page.table("Words that rows use", ("Word", "Meaning", "Rule"), rows)

    def _term(self, term: TermModel) -> Line:
        if term.when is not None:
            return line("holds if ", self.phrases.condition(term.when))
        if term.measure is not None:
            minus = " minus its floor" if term.minus else ""
            asked = ", asked for and not announced" if term.asked else ""
            aged = f", no older than {duration_text(term.within)}" if term.within else ""
            return (f"the state of charge{minus}{aged}{asked}",)
        sources = joined([self._source(each) for each in term.first or []], "; else ")
        if term.threshold is None:
            return line("the value of ", sources)
        least = f"{term.threshold / 1000:g} W"
        return line(
            Code("charging"), " or ", Code("discharging"), " (both are ", Code("flowing"), f") from {least} on, ",
            Code("still"), " below, ", Code("unmeasured"), " if nothing tells; by ", sources,
        )  # fmt: skip

    def _source(self, source: SourceModel) -> Line:
        if source.property is not None:
            found = self.phrases.property(source.property)
        elif source.ratio is not None:
            found = line(self.phrases.property(source.ratio[0]), " divided by ", self.phrases.property(source.ratio[1]))
        elif source.meter is not None:
            found = (f"the {_MEASURE_WORDS.get(source.meter, source.meter)} that the meter in front tells",)
        else:
            found = (f"counted up from the {'state of charge' if source.integral == 'soc' else 'measured power'}",)
        sign = " with the other sign" if source.negate else ""
        aged = f", if no older than {duration_text(source.within)}" if source.within else ""
        when = line(", if ", self.phrases.condition(source.when)) if source.when else ()
        return line(found, sign, aged, when)

    # Rows

    def _states(self) -> None:
        self.page.heading(2, line("What is known of a vehicle: ", Code("plug")), "plug")
        self._rows("plug", self.model.plug, "Vehicle", lambda each: Code(str(each.plug)))
        self.page.heading(2, "StatusNotification: the connector's status", "StatusNotification")
        self.page.paragraph("The station lays Reserved and Inoperative over it.")
        self._rows("StatusNotification", self.model.status, "Status", lambda each: _kept(each.connector))
        self.page.heading(2, "TransactionEvent: the charging state", "chargingState")
        self._rows("chargingState", self.model.charging, "Charging state", lambda each: _kept(each.state))
        self._told()

    def _rows(self, section: str, models: Sequence[Any], head: str, answer: Any) -> None:
        rows = []
        for index, each in enumerate(models):
            held = f", for {duration_text(each.hold)}" if each.hold else ""
            when = line(self.phrases.condition(each.when, always="otherwise"), held)
            told = line(answer(each), *(line(Break(), extra) for extra in self._extras(each)))
            rows.append(row(str(index + 1), Code(each.id), when, told, place(self.document, (section, index)),
                            anchor=f"{section}-{each.id}"))  # fmt: skip
        self.page.table(f"{section}: the first row that holds", ("No.", "Row", "When", head, "Rule"), rows)

    def _extras(self, each: RowModel) -> Iterator[Line]:
        if isinstance(each, ConnectorRow):
            if each.at_boot is not None:
                yield line("at start ", Code(str(each.at_boot)))
            if each.ask is not None:
                yield self.setpoints.ask(each.ask)
        if isinstance(each, PlugRow) and each.sees:
            yield line("from then on ", Code(each.sees), " was seen")

    def _told(self) -> None:
        """What TransactionEvent says otherwise than usual."""
        rows = []
        sections = (("plug", self.model.told.plug), ("chargingState", self.model.told.charging))
        for section, told in sections:
            for identity, each in told.items():
                link = Link(f"#{section}-{identity}", f"{section}: {identity}")
                rule = place(self.document, ("TransactionEvent", section, identity))
                rows.append(row(link, _word(each.trigger), _word(each.stopped), rule))
        self.page.table("What TransactionEvent tells when a row begins to decide",
                        ("Row", "triggerReason", "stoppedReason", "Rule"), rows)  # fmt: skip

    # Messages

    def _messages(self) -> None:
        self.page.heading(2, "Messages of the CSMS", "messages")
        rows = [
            self._wants("RequestStartTransaction", "", self.model.start.wants, ("RequestStartTransaction",)),
            self._wants("RequestStopTransaction", "", self.model.stop.wants, ("RequestStopTransaction",)),
        ]
        signs = {"positive": "above zero (into the car)", "zero": "zero", "negative": "below zero (out of the car)"}
        for index, each in enumerate(self.model.profile):
            rows.append(self._wants("SetChargingProfile", f"the composite limit is {signs[each.limit]}", each.wants,
                                    ("SetChargingProfile", index)))  # fmt: skip
        self.page.table("What a message wants", ("Message", "When", "Wants the setpoint", "Rule"), rows)

    def _wants(self, message: str, when: str, mode: str, path: Path_) -> Row:
        known = mode in self.model.setpoints
        target: Inline = Link(f"#setpoint-{mode}", Code(str(mode))) if known else Code(str(mode))
        note = "" if known else " (this class has none: refused)"
        return row(Code(message), when, line(target, note), place(self.document, path))

    def _setpoints(self) -> None:
        self.page.heading(2, "Setpoints: what is written", "setpoints")
        self.page.paragraph(
            "Only what differs is written, in this order, with SetC; each write is read back. What is refused is told "
            "with the reason of the first requirement that does not hold."
        )
        for mode, model in self.model.setpoints.items():
            self.setpoints.add(str(mode), model)
        rows = [
            row(self.phrases.condition(each.when, always="otherwise"), duration_text(each.mode),
                duration_text(each.setting), place(self.document, ("spacing", index)))
            for index, each in enumerate(self.model.spacing)
        ]  # fmt: skip
        if rows:
            self.page.heading(3, "Spacing: how often contactors may be moved", "spacing")
            self.page.paragraph("Stops, pauses and lowerings do not wait for it.")
            self.page.table("The shortest time between two writes of ours",
                            ("When", "Of the mode", "Of a setting that is raised", "Rule"), rows)  # fmt: skip

    # Local changes

    def _local(self) -> None:
        if not self.model.local:
            return
        self.page.heading(2, "Changes made at the unit or by others", "local")
        rows: list[Row] = []
        limits: list[Row] = []
        for name, spec in self.model.local.items():
            if isinstance(spec, str):
                limits.append(row(self.phrases.property(name), "a lower value is told as a limit, a higher one as its "
                                  "end", place(self.document, ("local", name))))  # fmt: skip
                continue
            for value, word in spec.items():
                kind = word.tell if isinstance(word, LocalWord) else word
                unless = line(", unless ", self.phrases.condition(word.unless)) if isinstance(word, LocalWord) else ()
                frames = self.phrases.frames(name, [value])
                rows.append(row(self.phrases.property(name), line(Code(value), " (", Code(frames), ")"),
                                line(_TOLD[kind], unless), place(self.document, ("local", name, value))))  # fmt: skip
        heads = ("Property", "Becomes", "Told as", "Rule")
        self.page.table("Starts and stops", heads, rows)
        if limits:
            self.page.heading(3, "NotifyChargingLimit", "NotifyChargingLimit")
            self.page.table("Limits set by others", ("Property", "Told as", "Rule"), limits)

    # Measures and the device model

    def _meter_values(self) -> None:
        self.page.heading(2, "MeterValues: what is measured", "MeterValues")
        self.page.paragraph("Plus is into the car. The first source that tells counts; which one it was is told too.")
        rows = []
        for field, (key, text) in _MEASURES.items():
            model = getattr(self.model.meter_values, field)
            if model is None:
                continue
            sources = joined([line(f"{number}. ", self._source(each)) for number, each in enumerate(model.first, 1)],
                             Break())  # fmt: skip
            rows.append(row(text, self._measurand(model.measurand), sources,
                            place(self.document, ("MeterValues", key))))  # fmt: skip
        self.page.table("Measured quantities", ("Quantity", "Measurand", "Sources", "Rule"), rows)

    def _measurand(self, measurand: str | Mapping[str, str] | None) -> Line:
        if measurand is None:
            return ("used inside only",)
        if isinstance(measurand, str):
            return (Code(measurand),)
        return joined([line(f"{sign}: ", Code(name)) for sign, name in measurand.items()], Break())

    def _device_model(self) -> None:
        self.page.heading(2, "Device model and events", "variables")
        rows = [
            row(line(Code(f"{each.component}.{each.variable}")), self.phrases.property(each.property),
                place(self.document, ("variables", index)))
            for index, each in enumerate(self.model.variables)
        ]  # fmt: skip
        self.page.table("Variables", ("Variable", "Property", "Rule"), rows)
        fault = self.model.notify_event.fault
        self.page.heading(3, "NotifyEvent", "NotifyEvent")
        self.page.paragraph(
            "A fault is told when ", self.phrases.condition(fault.when), "; its code is the first that tells of ",
            self._properties(fault.code), *(("; described by ", self._properties(fault.description))
                                            if fault.description else ()), ".",
        )  # fmt: skip
        abilities = self.model.abilities
        self.page.paragraph(
            "The unit gives direct current if ", self.phrases.condition(abilities.direct_current),
            f"; phases: {abilities.phases}.",
        )  # fmt: skip

    def _properties(self, names: Iterable[str]) -> Line:
        return joined([self.phrases.property(name) for name in names], ", ", " and ")

    # Reading

    def _polling(self) -> None:
        self.page.heading(2, "Polling: what is read how often", "polling")
        groups = [line("At start: ", self._properties(names)) for names in self.model.attributes]
        self.page.bullets(groups)
        rows = [
            row(Code(name), self._properties(group.read), duration_text(group.active), duration_text(group.idle),
                duration_text(group.announced), place(self.document, ("polling", name)))
            for name, group in self.model.polling.items()
        ]  # fmt: skip
        heads = ("Group", "Reads", "While something changes", "Otherwise", "Where the unit announces all", "Rule")
        self.page.table("Groups, a request each", heads, rows)

    def _properties_section(self) -> None:
        self.page.heading(2, "Properties", "properties")
        words = set(words_in(self.document.data))
        add_properties(self.page, self.device, words, "The properties that this table looks at")
        rows = []
        for index, each in enumerate(self.model.ignored):
            values = joined([(Code(name),) for name in each.values or ()], ", ") or ("all",)
            frames = self.phrases.frames(each.property, each.values or ())
            wire = line(" (", Code(frames), ")") if frames else ()
            rows.append(row(self.phrases.property(each.property), line(values, wire), each.why,
                            place(self.document, ("ignored", index))))  # fmt: skip
        if rows:
            self.page.heading(3, "Left out on purpose", "ignored")
            self.page.table("Values that decide nothing here", ("Property", "Values", "Why", "Rule"), rows)


_MEASURE_WORDS: Final[Mapping[str, str]] = {"energyIn": "energy in", "energyOut": "energy out"}


def _title(source: TableSource) -> str:
    if isinstance(source, OverlaySource):
        return f"{source.overlay.title or source.header.id} (overlay on {source.model.class_code})"
    return f"{source.model.title or source.table.device.name_en} ({source.model.class_code})"


def _alias(term: TermModel) -> tuple[str, ...]:
    """The properties whose values a term tells by their names."""
    return tuple(each.property for each in term.first or [] if each.property) if term.threshold is None else ()


def _word(value: object) -> Line:
    return (Code(str(value)),) if value is not None else ("as usual",)


def _kept(answer: object) -> Inline:
    return "what it was (keep)" if answer == "keep" else Code(str(answer))


def words_in(data: Any) -> Iterator[str]:
    """All words that stand in a file, as keys or values."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield str(key)
            yield from words_in(value)
    elif isinstance(data, list):
        for value in data:
            yield from words_in(value)
    elif isinstance(data, str):
        yield data
