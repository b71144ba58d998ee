"""The part of a table's page about setpoints: what each requires, writes by release, confirms and refuses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from bridge.authoring.page import Break, Code, Line, Link, Page, Row, joined, line, row
from bridge.authoring.phrases import Phrases, release_text
from bridge.authoring.schemaforms import duration_text
from bridge.echonet.dictionary import RELEASES, Property
from bridge.echonet.values import PropertyValueError
from bridge.mapping.model import AskModel, LimitModel, RequireModel, SetpointModel, WayModel
from bridge.mapping.yamlfile import Document, Path_

_MODIFIERS: Final = ("if", "otherwise", "tolerate")
_FIGURED: Final[Mapping[str, str]] = {
    "limit": "what the limit comes to",
    "amount": "what is left of the wanted energy",
}


def place(document: Document, path: Path_) -> Line:
    """Where a rule stands: `0x027E.yaml:34`."""
    return (Code(document.place(path).rpartition("/")[2]),)


class SetpointPages:
    """Writes the sections of the setpoints onto a page."""

    def __init__(self, page: Page, document: Document, phrases: Phrases) -> None:
        self.page = page
        self.document = document
        self.phrases = phrases

    def add(self, mode: str, model: SetpointModel) -> None:
        """One setpoint."""
        path: Path_ = ("setpoints", mode)
        self.page.heading(3, line("Setpoint ", Code(mode)), f"setpoint-{mode}")
        self._require(model.require, (*path, "require"))
        self._limit(model.limit)
        self._ways(model, (*path, "ways"))
        self._writes(model)
        self._confirm(model)

    def _require(self, requires: list[RequireModel], path: Path_) -> None:
        heads = ("Requirement", "Must hold", "Otherwise refused because", "Known early, asked or read", "Rule")
        rows = [
            row(
                Code(each.id),
                self.phrases.condition(each.when),
                each.reason,
                joined(self._extras(each), Break()),
                place(self.document, (*path, index)),
            )
            for index, each in enumerate(requires)
        ]
        self.page.table("What must hold before anything is written", heads, rows)

    def _extras(self, each: RequireModel) -> Iterable[Line]:
        if each.lasting:
            yield ("depends only on what the unit is",)
        if each.early is not None:
            held = f" for {duration_text(each.early.hold)}" if each.early.hold else ""
            if each.early.when:
                yield line("refused at once if ", self.phrases.condition(each.early.when), held)
            else:
                yield ("refused at once",)
        if each.read:
            yield line("reads ", self._properties(each.read), " first")
        if each.ask is not None:
            yield self.ask(each.ask)

    def ask(self, model: AskModel) -> Line:
        """What is written to make the unit tell, and what is read then."""
        writes = [self._set(name, value) for name, value in model.write.items()]
        return line("asks: writes ", joined(writes, ", "), ", then reads ", self._properties(model.then),
                    f"; not again for {duration_text(model.pause)}")  # fmt: skip

    def _properties(self, names: Iterable[str]) -> Line:
        return joined([self.phrases.property(name) for name in names], ", ", " and ")

    def _set(self, name: str, value: object) -> Line:
        frames = self.phrases.frames(name, [value])
        shown = line(Link(f"#property-{name}", Code(name)), " = ", Code(str(value)))
        return line(shown, " (", Code(frames), ")") if frames else shown

    def _limit(self, limit: LimitModel | None) -> None:
        if limit is None:
            return
        self.page.paragraph(
            "The limit lies within ", self.phrases.property(limit.power), ", or for a current ",
            self.phrases.property(limit.current), "; where they are not known, below ",
            self.phrases.property(limit.rated), ". It is rounded toward zero.",
        )  # fmt: skip
        rows = []
        for each in limit.volts:
            if each.property is not None:
                aged = f", if no older than {duration_text(each.within)}" if each.within else ""
                floor = f" and at least {each.min / 1000:g} V" if each.min else ""
                volts = line(self.phrases.property(each.property), aged, floor)
            else:
                volts = (f"{(each.assume or 0) / 1000:g} V",)
            rows.append(row(self.phrases.condition(each.when, always="otherwise"), volts))
        self.page.table("Which voltage turns a power into a current", ("When", "Volts"), rows)

    def _ways(self, model: SetpointModel, path: Path_) -> None:
        rows = []
        for index, way in enumerate(model.ways):
            rows.append(
                row(
                    Code(way.id),
                    self.phrases.condition(way.when, always="otherwise"),
                    joined(list(self._does(way)), Break()),
                    place(self.document, (*path, index)),
                )
            )
        self.page.table("Ways to do it; the first that holds is taken", ("Way", "When", "What is done", "Rule"), rows)
        if model.below is not None:
            below = Code(model.below)
            self.page.paragraph(
                "A limit below the unit's minimum comes to ", Link(f"#setpoint-{model.below}", below), "."
            )
        if model.fresh:
            self.page.paragraph(
                "Right before, ", self._properties(model.fresh),
                f" must have been read within {duration_text(model.fresh_for)}.",
            )  # fmt: skip

    def _does(self, way: WayModel) -> Iterable[Line]:
        if way.pause_first is not None:
            yield line(Link("#setpoint-pause", Code("pause")), f" first: {way.pause_first}")
        if way.on_off:
            yield ("nothing governs the power: only a limit at or above the unit's maximum lets it run",)
        for number, step in enumerate(way.ensure, 1):
            yield line(f"{number}. ", self._step(step))

    def _step(self, step: Mapping[str, Any]) -> Line:
        name = next((key for key in step if key not in _MODIFIERS), "")
        value = step.get(name)
        link = Link(f"#property-{name}", Code(name))
        if isinstance(value, str) and value in _FIGURED:
            shown = line(link, f" ({self.phrases.epc(name)}) = {_FIGURED[value]}")
        else:
            shown = self._set(name, value)
        if "otherwise" in step:
            shown = line(shown, ", otherwise ", self._set(name, step["otherwise"]))
        if "tolerate" in step:
            shown = line(shown, f", left as it is where at most {step['tolerate']} below")
        condition = step.get("if")
        if isinstance(condition, str):
            words = {"settable": "can be set", "gettable": "can be read", "announced": "is announced"}
            shown = line(shown, f", if it {words.get(condition, condition)}")
        elif isinstance(condition, Mapping):
            shown = line(shown, ", if ", self.phrases.condition(condition))
        return shown

    # By release

    def _writes(self, model: SetpointModel) -> None:
        """What each step is on the wire in each release."""
        rows: list[Row] = []
        for way in model.ways:
            for step in way.ensure:
                name = next((key for key in step if key not in _MODIFIERS), "")
                forms = {letter: self._on_wire(name, step, letter) for letter in RELEASES if letter in self._known}
                for letters, form in grouped(forms):
                    rows.append(row(Code(way.id), Code(name), f"Release {release_text(letters)}", form))
        if rows:
            self.page.table("The writes by release", ("Way", "Property", "Releases", "On the wire"), rows)

    @property
    def _known(self) -> frozenset[str]:
        return self.phrases.device.releases

    def _on_wire(self, name: str, step: Mapping[str, Any], letter: str) -> Line:
        found = next((prop for prop in self.phrases.definitions(name) if letter in prop.releases), None)
        if found is None or not found.set.possible:
            return ("left out: this release does not have it",)
        if isinstance(step[name], str) and step[name] in _FIGURED:
            unit = getattr(found.codec, "unit", "")
            return line(Code(f"{found.epc:02X}=<{step[name]}>"), f", {len(_any_edt(found))} bytes, in {unit}")
        values = [step[name], *([step["otherwise"]] if "otherwise" in step else [])]
        frames: list[Line] = [(Code(f"{found.epc:02X}={edt}"),) for value in values if (edt := _edt(found, value))]
        return joined(frames, ", otherwise ") if frames else ("impossible: this release has no such value",)

    def _confirm(self, model: SetpointModel) -> None:
        confirm = model.confirm
        tries = "and it is tried for ever" if not confirm.attempts else f"and it is tried {_times(confirm.attempts)}"
        self.page.paragraph(
            "It is reached when ", self.phrases.condition(confirm.when),
            f"; that has to be seen within {duration_text(confirm.within)}, {tries}.",
        )  # fmt: skip


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _edt(prop: Property, value: object) -> str:
    try:
        return prop.codec.encode(value).hex().upper()
    except PropertyValueError:
        return ""


def _any_edt(prop: Property) -> bytes:
    return bytes(getattr(prop.codec, "size", 0))


def grouped(forms: Mapping[str, Line]) -> list[tuple[str, Line]]:
    """Releases one after the other with the same form, together."""
    found: list[tuple[str, Line]] = []
    for letter, form in forms.items():
        if found and found[-1][1] == form:
            found[-1] = (found[-1][0] + letter, form)
        else:
            found.append((letter, form))
    return found
