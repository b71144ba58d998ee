"""Overlays: what units of one maker, model or firmware do otherwise than their class.

An overlay changes the table of its class, or what its parent overlay makes of it. It is merged before anything is
checked, so that what comes out is a table like any other, with each rule at the file and line where it was written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import field, replace
from math import inf

from bridge.errors import MappingError
from bridge.mapping.decision import View
from bridge.mapping.identity import Identity, told
from bridge.mapping.overlayheader import Header
from bridge.mapping.overlaymatch import Match
from bridge.mapping.overlaymodel import OverlayModel
from bridge.mapping.packed import pack, unpack
from bridge.mapping.table import CompiledTable, TableSource
from bridge.mapping.yamlfile import Document, Problems, check
from bridge.records import dataclass


@dataclass(frozen=True)
class Base:
    """The table of a class as overlays need it; its file's content may be packed."""

    file: str
    table: CompiledTable
    identity: Identity
    content: Document | bytes

    def document(self) -> Document:
        """The content with its places."""
        if isinstance(self.content, Document):
            return self.content
        return unpack(self.content)

    def packed(self) -> Base:
        """As small as it can be kept."""
        return self if isinstance(self.content, bytes) else replace(self, content=pack(self.content))


@dataclass(frozen=True)
class OverlaySource(TableSource):
    """A table with an overlay on it. `chain`: the overlays from the class outward; `files`: the table's and theirs.

    `document` is a `Layered` one; `own` is the overlay's file alone, `overlay` its model.
    """

    header: Header = field(kw_only=True)
    overlay: OverlayModel = field(kw_only=True)
    own: Document = field(kw_only=True)
    identity: Identity = field(kw_only=True)
    chain: tuple[str, ...] = field(kw_only=True)
    files: tuple[str, ...] = field(kw_only=True)

    def is_for(self, view: View) -> bool:
        """Whether its own `match:` holds for the unit (its parents' besides)."""
        facts, match = {epc: fact.edt for epc, fact in view.facts.items()}, self.header.match
        values = {key: told(key, self.identity, self.table.device, view.release, facts) for key in match.keys}
        return all(value is not None and match.holds(key, value) for key, value in values.items())


@dataclass(frozen=True)
class Applied:
    """What is kept of an overlay at run time."""

    table: CompiledTable
    identity: Identity
    chain: tuple[str, ...]
    files: tuple[str, ...]


@dataclass(frozen=True)
class BrokenOverlay:
    """An overlay that cannot be used: the units that it is for must not be run by another table."""

    id: str
    file: str
    class_code: int | None
    match: Match
    errors: tuple[str, ...]


class Overlays:
    """All overlays of a set of mappings. They are laid over their tables when they are first asked for.

    `keep`: their sources are kept for tools, and so is a parent's work for its children.
    """

    def __init__(self, headers: Iterable[Header] = (), bases: Mapping[int, Base] | None = None, *, keep: bool = True):
        self.headers: dict[str, Header] = {header.id: header for header in headers}
        self.bases: Mapping[int, Base] = bases or {}
        self._keep = keep
        self._sources: dict[str, OverlaySource] = {}
        self._applied: dict[str, Applied] = {}
        self._broken: dict[str, tuple[str, ...]] = {
            header.id: header.errors for header in self.headers.values() if header.errors
        }

    def light(self) -> Overlays:
        """The same for a gateway: every file's content is packed, and read again when it is needed."""
        codes = {header.class_code for header in self.headers.values()}
        bases = {code: base.packed() for code, base in self.bases.items() if code in codes}
        light = Overlays((header.light() for header in self.headers.values()), bases, keep=False)
        light._applied = {name: _applied(source) for name, source in self._sources.items()} | self._applied
        light._broken = dict(self._broken)
        return light

    def of_class(self, class_code: int) -> tuple[Header, ...]:
        """The overlays that may be for units of a class, in the order of their ids."""
        found = (header for header in self.headers.values() if header.class_code in (class_code, None))
        return tuple(sorted(found, key=lambda header: header.id))

    def chain(self, name: str) -> tuple[Header, ...] | None:
        """An overlay behind its parents, from the class outward; None if a parent is missing or is its own."""
        found: list[Header] = []
        parent: str | None = name
        while parent is not None:
            header = self.headers.get(parent)
            if header is None or header in found:
                return None
            found.append(header)
            parent = header.parent
        return tuple(reversed(found))

    def match(self, name: str) -> Match:
        """The units that an overlay is for: those of all its parents, narrowed by its own keys."""
        found = Match()
        for header in self.chain(name) or (self.headers[name],):
            found = found.within(header.match)
        return found

    def rank(self, name: str) -> tuple[float, int]:
        """How specific an overlay is: how deep it stands, then how much it asks for. In doubt it comes first."""
        chain = self.chain(name)
        depth = inf if chain is None or self.headers[name].unsure else len(chain)
        return depth, len(self.match(name).keys)

    @property
    def broken(self) -> dict[str, BrokenOverlay]:
        """Those that are known to be broken, by id. One that nobody has asked for yet may turn out to be."""
        return {name: self._as_broken(name, errors) for name, errors in self._broken.items() if name in self.headers}

    def mark(self, name: str, errors: Iterable[str]) -> None:
        """An overlay cannot be used."""
        known = self._broken.get(name, ())
        self._broken[name] = (*known, *(error for error in errors if error not in known))

    def _as_broken(self, name: str, errors: tuple[str, ...]) -> BrokenOverlay:
        header = self.headers[name]
        return BrokenOverlay(name, header.file, header.class_code, self.match(name), errors)

    def look_through(self, name: str, *, lay: bool = True) -> None:
        """Try an overlay, and note all of its mistakes: in its head, its form and what it makes of its table.

        `lay`: False where the table has mistakes itself.
        """
        header = self.headers[name]
        with suppress(MappingError):
            if (header.errors or not lay) and header.content:  # nothing could be read of it otherwise
                problems = Problems()
                check(header.whole(), OverlayModel, problems)
                self.mark(name, (str(problem) for problem in sorted(set(problems.found))))
            if lay:
                self.source(name)

    def apply(self, name: str) -> Applied:
        """The table with an overlay and its parents.

        Raises:
            MappingError: with every mistake, a line each.
        """
        if name not in self._applied:
            self._applied[name] = _applied(self.source(name))
        return self._applied[name]

    def source(self, name: str) -> OverlaySource:
        """The same with all that tools want to know.

        Raises:
            MappingError: with every mistake, a line each.
        """
        if name in self._sources:
            return self._sources[name]
        if name in self._broken:
            raise MappingError("\n".join(self._broken[name]))
        header = self.headers[name]
        problems = Problems()
        try:
            source = self._lay(header, problems)
            problems.raise_as(MappingError)
        except MappingError as reason:
            self.mark(name, str(reason).splitlines())
            raise
        assert source is not None  # without problems there is one
        if self._keep:
            self._sources[name] = source
        return source

    def _lay(self, header: Header, problems: Problems) -> OverlaySource | None:
        below = self._below(header)
        own = header.whole()
        model = check(own, OverlayModel, problems)
        if model is None:
            return None
        from bridge.mapping.overlaylaying import Laying  # no gateway needs it whose units are all like their class

        return Laying(below, header, own, model, problems).source()

    def _below(self, header: Header) -> Base | OverlaySource:
        if header.parent is None:
            base = self.bases.get(header.class_code or 0)
            if base is None:
                code = f"0x{header.class_code or 0:04X}"
                text = f"there is no table for class {code} that an overlay could change (meters have none)"
                raise MappingError(str(header.problem(("class",), "UNKNOWN-CLASS", text)))
            return base
        if header.parent not in self.headers:
            raise MappingError(str(header.problem(("parent",), "OVERLAY-PARENT", f'no overlay "{header.parent}"')))
        try:
            return self.source(header.parent)
        except MappingError as reason:
            text = f'its parent "{header.parent}" has mistakes ({self.headers[header.parent].file})'
            raise MappingError(str(header.problem(("parent",), "OVERLAY-PARENT", text))) from reason


def _applied(source: OverlaySource) -> Applied:
    return Applied(source.table, source.identity, source.chain, source.files)
