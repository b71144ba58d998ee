"""The page of a meter's table: what is read for each measure, and how it is scaled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bridge.authoring.docsexamples import expected_line, given_line
from bridge.authoring.docsproperties import add_properties
from bridge.authoring.docssetpoints import place
from bridge.authoring.docstable import words_in
from bridge.authoring.page import Break, Code, Japanese, Line, Page, joined, line, row
from bridge.authoring.phrases import Phrases
from bridge.authoring.schemaforms import duration_text
from bridge.mapping.meter import MeterSource
from bridge.mapping.metermodel import MeterMeasuresModel, MeterSourceModel
from bridge.mapping.model import NUMBER
from bridge.mapping.yamlfile import Path_

_MEASURES: Final = (
    ("power", "power", "Power"),
    ("current", "current", "Current"),
    ("voltage", "voltage", "Electric voltage"),
    ("energy_in", "energyIn", "Energy drawn from the grid"),
    ("energy_out", "energyOut", "Energy fed into the grid"),
)


def meter_page(source: MeterSource, name: str) -> Page:
    """The page of a compiled meter table."""
    return _MeterPage(source, name).page


class _MeterPage:
    def __init__(self, source: MeterSource, name: str) -> None:
        self.model, self.document, self.device = source.model, source.document, source.table.device
        self.page = Page(name, f"{self.model.title or self.device.name_en} ({self.model.class_code})")
        self.phrases = Phrases(self.device)
        self._introduction()
        self._all_measures()
        self._polling()
        self._properties_section()
        self._examples()

    def _introduction(self) -> None:
        self.page.paragraph(
            f"For units of class {self.model.class_code}, {self.device.name_en} (", Japanese(self.device.name_ja),
            "). They are only read: no property that sets anything at the site is written.",
        )  # fmt: skip
        self.page.paragraph(
            "Made from ", Code(self.document.file.rpartition("/")[2]), "; the numbers behind its name are lines of it. "
            f"A request holds at most {self.model.max_properties} properties. Plus is drawn from the grid.",
        )  # fmt: skip

    def _all_measures(self) -> None:
        self.page.heading(2, "What is measured", "measures")
        self._measures(self.model.measures, "As a whole", ("measures",))
        channels = self.model.channels
        if channels is None:
            return
        self.page.heading(2, "What is measured of one circuit", "channels")
        if channels.simplex is not None:
            self._measures(channels.simplex, "A circuit in one direction", ("channels", "simplex"))
        if channels.duplex is not None:
            self._measures(channels.duplex, "A circuit in both directions", ("channels", "duplex"))

    def _measures(self, model: MeterMeasuresModel, caption: str, path: Path_) -> None:
        rows = []
        for field, key, text in _MEASURES:
            sources: list[MeterSourceModel] = getattr(model, field)
            if sources:
                told = [line(f"{number}. ", self._source(each)) for number, each in enumerate(sources, 1)]
                rows.append(row(text, joined(told, Break()), place(self.document, (*path, key))))
        self.page.table(caption, ("Quantity", "Sources, the first that tells counts", "Rule"), rows)

    def _source(self, source: MeterSourceModel) -> Line:
        return joined(list(self._parts(source)), ", ")

    def _parts(self, source: MeterSourceModel) -> Iterator[Line]:
        if source.items is not None:
            yield line("the circuit's item in ", self._name(source.items))
        elif source.value is not None:
            yield self._name(source.value)
        if source.part is not None:
            yield line("of it ", Code(source.part))
        for word, parts in (("the sum of", source.sum_of), ("the mean of", source.mean_of)):
            if parts:
                yield line(f"{word} ", joined([(Code(part),) for part in parts], ", ", " and "))
        for name, kind in source.times.items():
            optional = " (1 where it is not offered)" if kind == "optional" else ""
            yield line("times ", self._name(name), optional)
        if source.digits is not None:
            yield line("as many digits as ", self._name(source.digits), " says")
        if source.chosen_by is not None:
            yield line("circuits chosen by ", self._name(source.chosen_by))

    def _name(self, name: str) -> Line:
        if not name.endswith(NUMBER):
            return self.phrases.property(name)
        first = self.phrases.epc(name.replace(NUMBER, "1"))
        return line(Code(name), f" ({first} for circuit 1, and so on)")

    def _polling(self) -> None:
        self.page.heading(2, "Polling: what is read how often", "polling")
        self.page.bullets(line("At start: ", self._names(names)) for names in self.model.attributes)
        rows = [
            row(Code(name), self._names(group.read), duration_text(group.active), duration_text(group.idle),
                duration_text(group.announced), place(self.document, ("polling", name)))
            for name, group in self.model.polling.items()
        ]  # fmt: skip
        heads = ("Group", "Reads", "While something changes", "Otherwise", "Where the unit announces all", "Rule")
        self.page.table("Groups, a request each", heads, rows)

    def _names(self, names: list[str]) -> Line:
        return joined([self._name(name) for name in names], ", ", " and ")

    def _properties_section(self) -> None:
        self.page.heading(2, "Properties", "properties")
        words = set(words_in(self.document.data))
        words |= {word.replace(NUMBER, "1") for word in words if word.endswith(NUMBER)}
        add_properties(self.page, self.device, words, "The properties that this table looks at")

    def _examples(self) -> None:
        if not self.model.examples:
            return
        self.page.heading(2, "Worked cases", "examples")
        rows = []
        for index, each in enumerate(self.model.examples):
            name = (f"{each.name}: ",) if each.name else ()
            given = joined([given_line(part, self.phrases) for part in each.given], ", ")
            circuit = f"{each.channel}{', both directions' if each.duplex else ''}" if each.channel else ""
            rows.append(row(line(name, given), circuit, expected_line(each.expect),
                            place(self.document, ("examples", index))))  # fmt: skip
        self.page.table("Cases, each of them tested", ("Given", "Circuit", "Expected", "Rule"), rows)
