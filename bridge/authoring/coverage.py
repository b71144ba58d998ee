"""What a table makes of a class: which properties and values it uses, ignores or never mentions, and what is tested.

By release of the Appendix, since units of different releases have different properties and values.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from bridge.authoring.tested import Tested, tested_rows
from bridge.echonet.dictionary import RELEASES, Property
from bridge.mapping.conditions import state_names
from bridge.mapping.context import ABSENT
from bridge.mapping.model import Strict
from bridge.mapping.table import TableSource
from bridge.mapping.yamlfile import Path_

#: Sections that decide nothing.
_ASIDE: Final = frozenset({"examples", "exampleUnit", "replays", "ignored", "mapping", "kind", "class", "title"})
#: Sections that pass on whatever a property says.
_PASSING_ON: Final = frozenset({"NotifyEvent", "variables", "identity", "release"})


class Status(StrEnum):
    """What becomes of a property or a value."""

    USED = "used"
    TOLD = "told as it is"
    IGNORED = "ignored"
    UNMENTIONED = "not mentioned"


@dataclass(frozen=True)
class Use:
    """Where a table looks at a property or value, or writes it. `place` is `file:line`."""

    section: str
    place: str

    def as_json(self) -> dict[str, str]:
        """For machines."""
        return {"section": self.section, "place": self.place}


@dataclass(frozen=True)
class Covered:
    """One property or value. `why` is the reason for which it is ignored."""

    name: str
    status: Status
    uses: tuple[Use, ...] = ()
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        found: dict[str, Any] = {"name": self.name, "status": self.status.value}
        found |= {"why": self.why} if self.why else {}
        return found | ({"uses": [use.as_json() for use in self.uses]} if self.uses else {})


@dataclass(frozen=True)
class CoveredProperty:
    """A property with the values that it enumerates."""

    epc: int
    itself: Covered
    values: tuple[Covered, ...]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        values = [value.as_json() for value in self.values]
        return {"epc": f"{self.epc:02X}", **self.itself.as_json(), **({"values": values} if values else {})}


@dataclass(frozen=True)
class Release:
    """Releases for which the same can be said."""

    letters: str
    properties: tuple[CoveredProperty, ...]

    @property
    def name(self) -> str:
        """Like `H-I`."""
        return self.letters if len(self.letters) == 1 else f"{self.letters[0]}-{self.letters[-1]}"

    def totals(self) -> dict[str, dict[str, int]]:
        """How many properties and values, by what becomes of them."""
        properties = Counter(prop.itself.status for prop in self.properties)
        values = Counter(value.status for prop in self.properties for value in prop.values)
        return {
            "properties": {status.value: properties[status] for status in Status},
            "values": {status.value: values[status] for status in Status},
        }

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "releases": list(self.letters),
            "totals": self.totals(),
            "properties": [prop.as_json() for prop in self.properties],
        }


@dataclass(frozen=True)
class Coverage:
    """All of one table."""

    file: str
    class_code: int
    releases: tuple[Release, ...]
    rows: tuple[Tested, ...]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "file": self.file,
            "class": f"0x{self.class_code:04X}",
            "releases": [release.as_json() for release in self.releases],
            "rows": [row.as_json() for row in self.rows],
            "untested": [row.label for row in self.rows if not row.examples],
        }


def coverage_of(source: TableSource, release: str | None = None) -> Coverage:
    """What a table makes of its class; `release`: of one letter only.

    Raises:
        ValueError: the class does not exist in this release.
    """
    known = [letter for letter in RELEASES if letter in source.table.device.releases]
    if release is not None and release not in known:
        raise ValueError(f"class 0x{source.table.class_code:04X} has no Release {release}: it has {', '.join(known)}")
    uses = _Uses(source)
    grouped: dict[tuple[CoveredProperty, ...], str] = {}
    for letter in known if release is None else [release]:
        properties = tuple(uses.covered(prop) for _, prop in sorted(source.table.device.at(letter).by_epc.items()))
        grouped[properties] = grouped.get(properties, "") + letter
    return Coverage(
        source.document.file,
        source.table.class_code,
        tuple(Release(letters, properties) for properties, letters in grouped.items()),
        tuple(tested_rows(source)),
    )


@dataclass
class _Uses:
    """Where properties and values stand in a table."""

    source: TableSource
    names: dict[str, list[Use]] = field(default_factory=lambda: defaultdict(list))
    values: dict[tuple[str, str], list[Use]] = field(default_factory=lambda: defaultdict(list))
    passed_on: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        device = self.source.table.device
        self._known: dict[str, set[str]] = defaultdict(set)
        for prop in device.all_properties:
            self._known[prop.name] |= state_names(prop.codec)
        data = self.source.document.data
        for section, part in data.items():
            if section not in _ASIDE:
                self._walk((section,), part)

    def covered(self, prop: Property) -> CoveredProperty:
        """A property as one release defines it."""
        values = tuple(self._value(prop.name, name) for name in sorted(state_names(prop.codec)))
        ignored = self._ignored.get((prop.name, None))
        uses = tuple(self.names.get(prop.name, ()))
        status = Status.USED if uses else Status.IGNORED if ignored is not None else Status.UNMENTIONED
        return CoveredProperty(prop.epc, Covered(prop.name, status, uses, ignored or ""), values)

    def _value(self, prop: str, name: str) -> Covered:
        uses = tuple(self.values.get((prop, name), ()))
        ignored = self._ignored.get((prop, name), self._ignored.get((prop, None)))
        status = Status.USED if uses else Status.IGNORED if ignored is not None else Status.UNMENTIONED
        if status is Status.UNMENTIONED and prop in self.passed_on and prop not in self._judged:
            status = Status.TOLD
        return Covered(name, status, uses, ignored or "")

    @cached_property
    def _judged(self) -> frozenset[str]:
        """The properties of which some value is named: the others of these are not just passed on."""
        return frozenset(name for name, _ in self.values)

    @cached_property
    def _ignored(self) -> Mapping[tuple[str, str | None], str]:
        """Why a value is left out on purpose; a property where no value is named."""
        return {
            (entry.property, value): entry.why
            for entry in self.source.model.ignored
            for value in entry.values or [None]  # type: ignore[list-item]
        }

    # Looking through the file

    def _walk(self, path: Path_, part: Any) -> None:
        if isinstance(part, Mapping):
            for key, value in part.items():
                self._pair((*path, key), key, value)
                if key != "id":
                    self._walk((*path, key), value)
            if "otherwise" in part:  # another value of the one property that a step writes
                for name in part.keys() & self._known.keys():
                    self._values_of((*path, "otherwise"), name, part["otherwise"])
        elif isinstance(part, list):
            for place, value in enumerate(part):
                self._walk((*path, place), value)
        elif isinstance(part, str) and part in self._known:
            self.names[part].append(self._use(path))
            if path[0] in _PASSING_ON:
                self.passed_on.add(part)

    def _pair(self, path: Path_, key: str, value: Any) -> None:
        """A key that is a property, or a term that stands for some."""
        if key in self._known and key not in _LANGUAGE:
            self.names[key].append(self._use(path))
            self._values_of(path, key, value)
        for name in self._aliases.get(key, ()):
            self._values_of(path, name, value)

    def _values_of(self, path: Path_, name: str, value: Any) -> None:
        listed = list(value) if isinstance(value, list | Mapping) else [value]
        for each in listed:
            if isinstance(each, str) and each != ABSENT and each in self._known[name]:
                self.values[(name, each)].append(self._use(path))

    @cached_property
    def _aliases(self) -> Mapping[str, tuple[str, ...]]:
        """The properties that a term stands for, whose values are called by it."""
        return {
            name: tuple(source.property for source in term.first if source.property)
            for name, term in self.source.model.terms.items()
            if term.first is not None and term.threshold is None
        }

    def _use(self, path: Path_) -> Use:
        return Use(label_of(self.source.document.data, path), self.source.document.place(path))


def label_of(data: Any, path: Iterable[str | int]) -> str:
    """A path for people: rows by their ids, without what stands below them."""
    words: list[str] = []
    for step in path:
        data = data[step]
        if isinstance(step, int):
            words.append(str(data["id"]) if isinstance(data, Mapping) and "id" in data else str(step + 1))
        elif step in ("when", "ensure", "any", "all", "not"):
            break
        elif step not in ("require", "ways"):
            words.append(step)
    return "/".join(words[:4])


def _keys(model: type[Strict]) -> Iterator[str]:
    for name, info in model.model_fields.items():
        yield info.alias or name
    for below in model.__subclasses__():
        yield from _keys(below)


#: Keys of the language, which stand on the left side as properties do: `id` is both.
_LANGUAGE: Final = frozenset(_keys(Strict))


# For people -----------------------------------------------------------------------------------------------------


def as_text(coverage: Coverage, *, detailed: bool) -> Iterator[str]:
    """The totals of every release, what is not mentioned in the newest one, and the rows that no example asks for."""
    yield f"{coverage.file}: class 0x{coverage.class_code:04X}"
    for release in coverage.releases:
        totals = release.totals()
        parts = (f"{what}: {', '.join(f'{n} {name}' for name, n in totals[what].items() if n)}" for what in totals)
        yield f"  Release {release.name:<4} {'; '.join(parts)}"
    newest = coverage.releases[-1]
    yield ""
    yield f"Release {newest.name}"
    for prop in newest.properties:
        yield from _property(prop, detailed=detailed)
    yield ""
    untested = [row for row in coverage.rows if not row.examples]
    yield f"{len(coverage.rows)} rows, gates and ways, {len(coverage.rows) - len(untested)} answered by examples"
    for row in coverage.rows if detailed else untested:
        yield f"  {row.label} ({row.place}): {', '.join(row.examples) or 'no example'}"


def _property(prop: CoveredProperty, *, detailed: bool) -> Iterator[str]:
    itself = prop.itself
    used = sum(value.status is Status.USED for value in prop.values)
    values = f", {used} of {len(prop.values)} values" if prop.values else ""
    why = f": {itself.why}" if itself.why else ""
    yield f"  {prop.epc:02X} {itself.name}: {itself.status}{values if itself.uses else ''}{why}"
    if detailed:
        yield from (f"       {use.section} ({use.place})" for use in itself.uses)
    for value in prop.values if detailed or itself.uses else ():
        if detailed or value.status is not Status.USED:
            places = ", ".join(dict.fromkeys(f"{use.section} ({use.place})" for use in value.uses))
            yield f"     {value.name}: {': '.join(filter(None, (value.status, value.why, places)))}"
