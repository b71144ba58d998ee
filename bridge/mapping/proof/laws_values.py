"""Law 6, complete: every value that a unit may tell is thought of, or left out on purpose with a reason (`ignored`).

A table that never names `discharge` does not know that a unit may do it. So each value of each release of each property
that a table looks at or writes has to be named somewhere, and each property with names that it does not use at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from bridge.echonet.dictionary import RELEASES
from bridge.mapping.conditions import state_names
from bridge.mapping.context import ABSENT
from bridge.mapping.logic import Among, Kind, Leaf, leaves
from bridge.mapping.model import IgnoredModel
from bridge.mapping.overlay import OverlaySource
from bridge.mapping.proof.finding import Finding, Law
from bridge.mapping.proof.meaning import Meaning
from bridge.mapping.proof.space import names_of
from bridge.mapping.yamlfile import Path_, nearest

_CODE: Final = "INCOMPLETE"
_MEND: Final = "name it where it matters, or add it to `ignored` with the reason why it does not"


class _Use:
    """What a table does with the properties that have names: which values it names, and which it takes as they are."""

    def __init__(self, meaning: Meaning) -> None:
        self.meaning = meaning
        self.named: dict[int, set[str]] = defaultdict(set)
        self.first: dict[int, Path_] = {}
        self._conditions()
        self._writes()
        self._local()
        self.whole = self._whole()

    def _name(self, epc: int, names: Iterable[str], path: Path_) -> None:
        self.named[epc] |= set(names) - {ABSENT}
        self.first.setdefault(epc, path)

    def _conditions(self) -> None:
        for path, node in self.meaning.source.nodes.items():
            for leaf in leaves(node):
                for epc in self._behind(leaf):
                    self._name(epc, leaf.names if isinstance(leaf, Among) else (), path)

    def _behind(self, leaf: Leaf) -> Iterable[int]:
        """The properties that a part of a condition looks at; through a term, those that the term stands for."""
        subject = leaf.subject
        if subject.kind is Kind.NAME:
            yield subject.epc
        elif subject.kind is Kind.TERM:
            term = self.meaning.source.model.terms[subject.name]
            if term.threshold is None:
                for source in term.first or ():
                    epc = self.meaning.table.device.epc_of(source.property or "")
                    if epc is not None:
                        yield epc

    def _writes(self) -> None:
        model = self.meaning.source.model
        for mode, setpoint in self.meaning.table.setpoints.items():
            for place, way in enumerate(setpoint.ways):
                for index, step in enumerate(way.steps):
                    path: Path_ = ("setpoints", mode.value, "ways", place, "ensure", index)
                    self._name(step.epc, (name for pairs in step.values.values() for _, name in pairs), path)
            for place, require in enumerate(model.setpoints[mode].require):
                if require.ask is not None:
                    self._asked(require.ask.write, ("setpoints", mode.value, "require", place, "ask"))
        for place, row in enumerate(model.status):
            if row.ask is not None:
                self._asked(row.ask.write, ("StatusNotification", place, "ask"))

    def _asked(self, write: Mapping[str, str], path: Path_) -> None:
        for name, value in write.items():
            epc = self.meaning.table.device.epc_of(name)
            if epc is not None:
                self._name(epc, (value,), (*path, "write"))

    def _local(self) -> None:
        for name, words in self.meaning.source.model.local.items():
            epc = self.meaning.table.device.epc_of(name)
            if epc is not None and isinstance(words, dict):
                self._name(epc, words, ("local", name))

    def _whole(self) -> frozenset[int]:
        """Properties that are told as they are, whatever they say."""
        model, device = self.meaning.source.model, self.meaning.table.device
        fault, identity = model.notify_event.fault, model.identity
        names = [*fault.code, *fault.description, *(spec.property for spec in model.variables), model.release]
        names += [name for name in (identity.manufacturer, identity.product_code, identity.firmware) if name]
        return frozenset(epc for name in names if (epc := device.epc_of(name)) is not None)


class _Ignored:
    """What the table says it leaves out."""

    def __init__(self, meaning: Meaning) -> None:
        self.meaning = meaning
        self.all: set[int] = set()
        self.values: dict[int, set[str]] = defaultdict(set)
        self.wrong: list[Finding] = []
        for place, entry in enumerate(meaning.source.model.ignored):
            self._take(("ignored", place), entry)

    def _take(self, path: Path_, entry: IgnoredModel) -> None:
        device = self.meaning.table.device
        epc = device.epc_of(entry.property)
        if epc is None:
            hint = nearest(entry.property, (prop.name for prop in device.all_properties))
            text = f'class 0x{device.code:04X} has no "{entry.property}"{hint}'
            self.wrong.append(Finding("UNKNOWN-PROPERTY", (*path, "property"), text))
            return
        known = names_of(device, epc)
        for index, value in enumerate(entry.values or ()):
            if value not in known:
                text = f'{entry.property} has no value "{value}"{nearest(value, known)}'
                self.wrong.append(Finding("UNKNOWN-VALUE", (*path, "values", index), text))
            self.values[epc].add(value)
        if entry.values is None:
            self.all.add(epc)


def complete(meaning: Meaning) -> Iterable[Finding]:
    """6: every value of every release is named or ignored, and every property with names is used or ignored."""
    use, ignored = _Use(meaning), _Ignored(meaning)
    yield from ignored.wrong
    new = _new_in_overlay(meaning)
    for epc, (name, values) in _named_properties(meaning).items():
        looked_at = epc in use.named
        if (new is not None and name not in new) or epc in ignored.all or (not looked_at and epc in use.whole):
            continue
        missing = [value for value in values if value not in {*use.named.get(epc, ()), *ignored.values[epc]}]
        if missing and not looked_at and len(missing) == len(values):
            text = f'"{name}" is not used at all: {_list(values, missing)}'
            yield Finding(_CODE, ("class",), text, mend=f"use it, or {_entry(name)}")
        elif missing:
            text = f'{_list(values, missing)} of "{name}" {"is" if len(missing) == 1 else "are"} named nowhere'
            yield Finding(_CODE, use.first.get(epc, ("class",)), text, mend=_MEND)


def _new_in_overlay(meaning: Meaning) -> frozenset[str] | None:
    """The properties that an overlay brings along; of all others the table below has said what it thinks of them."""
    source = meaning.source
    if not isinstance(source, OverlaySource):
        return None
    return frozenset(str(each.add or each.override) for each in source.overlay.properties)


def needless(meaning: Meaning) -> Iterable[Finding]:
    """6: an entry of `ignored` about what the table does name is no longer true."""
    use, known = _Use(meaning), _named_properties(meaning)
    seen: dict[int, set[str]] = defaultdict(set)
    for place, entry in enumerate(meaning.source.model.ignored):
        epc = meaning.table.device.epc_of(entry.property)
        path: Path_ = ("ignored", place)
        if epc is None or meaning.source.document.problem(path, "", "").file != meaning.source.document.file:
            continue  # what stands in the table below was true there
        named = use.named.get(epc, set())
        values = list(known[epc][1]) if epc in known else []
        wanted = values if entry.values is None else entry.values
        if not values:
            yield _needless(path, f'"{entry.property}" has no values with names: there is nothing to ignore')
        elif entry.values is None and (epc in use.named or epc in use.whole):
            yield _needless((*path, "property"), f'"{entry.property}" is used: ignore single values of it, if any')
        for index, value in enumerate(wanted if entry.values is not None else ()):
            if value in named:
                yield _needless(
                    (*path, "values", index), f"{entry.property}={value} is named by the table: it is not ignored"
                )
            elif value in seen[epc]:
                yield _needless((*path, "values", index), f"{entry.property}={value} is ignored above already")
        if entry.values is None and seen[epc]:
            yield _needless((*path, "property"), f'"{entry.property}" is ignored above already')
        seen[epc] |= set(wanted)


def _needless(path: Path_, text: str) -> Finding:
    return Finding("IGNORED", path, text, mend="take it out of `ignored`")


def _named_properties(meaning: Meaning) -> dict[int, tuple[str, dict[str, str]]]:
    """The properties with names: their own, and their values with the releases that have them."""
    found: dict[int, tuple[str, dict[str, str]]] = {}
    for prop in meaning.table.device.all_properties:
        for value in sorted(state_names(prop.codec)):
            values = found.setdefault(prop.epc, (prop.name, {}))[1]
            values[value] = "".join(sorted({*values.get(value, ""), *prop.releases}, key=RELEASES.index))
    return found


def _list(values: Mapping[str, str], missing: Iterable[str]) -> str:
    return ", ".join(f"{value} ({_range(values[value])})" for value in missing)


def _range(letters: str) -> str:
    if letters[-1] == RELEASES[-1]:
        return f"{letters[0]}-"
    return letters if len(letters) == 1 else f"{letters[0]}-{letters[-1]}"


def _entry(name: str) -> str:
    return f"add to `ignored`: - {{property: {name}, why: ...}}"


LAWS: Final[tuple[Law, ...]] = (complete, needless)
