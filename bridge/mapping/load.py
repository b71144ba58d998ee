"""Loads a folder of mappings: dictionaries and tables, all mistakes at once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.echonet.dictionary import DeviceClass
from bridge.errors import MappingError
from bridge.mapping.compile import compile_table
from bridge.mapping.devices import build_classes
from bridge.mapping.files import Files, VendorFile, default_folder, read_folder, read_paths
from bridge.mapping.identity import Identity, identity_of
from bridge.mapping.logic import Node
from bridge.mapping.model import DevicesModel, TableModel
from bridge.mapping.overlay import Base, BrokenOverlay, Overlays, OverlaySource
from bridge.mapping.overlaycheck import misplaced, ties, twins
from bridge.mapping.overlayheader import read_header
from bridge.mapping.table import CompiledTable, TableSource
from bridge.mapping.yamlfile import Document, Model, Path_, Problems, check, nearest
from bridge.records import dataclass

if TYPE_CHECKING:
    from bridge.mapping.cache import DocumentCache
    from bridge.mapping.meter import CompiledMeter, MeterSource

__all__ = ["Mappings", "default_folder", "load_mappings", "load_paths"]
_TABLE: Final = "table"
_METER: Final = "meter"
_PLACE: Final = re.compile(r"(.+?):(\d+):(\d+): ")


@dataclass(frozen=True)
class Mappings:
    """All that a folder holds. `content_hash` changes with any file's content.

    `asked`: the names of the files that a tool was asked for (`load_paths`); the others are there to read them with.
    `overlays`: laid over their tables when a unit or a tool asks for them; `identities` and `table_files` are of each
    class.
    """

    folder: Path
    classes: Mapping[int, DeviceClass]
    tables: Mapping[int, CompiledTable]
    sources: tuple[TableSource, ...]
    content_hash: str
    meters: Mapping[int, CompiledMeter] = field(default_factory=dict)
    meter_sources: tuple[MeterSource, ...] = ()
    asked: frozenset[str] = frozenset()
    overlays: Overlays = field(default_factory=Overlays)
    identities: Mapping[int, Identity] = field(default_factory=dict)
    table_files: Mapping[int, str] = field(default_factory=dict)

    def without_sources(self) -> Mappings:
        """Only what a gateway needs: the files' contents are let go, or packed where an overlay may need them."""
        return replace(self, sources=(), meter_sources=(), overlays=self.overlays.light())

    @property
    def broken(self) -> Mapping[str, BrokenOverlay]:
        """The overlays that cannot be used, by id."""
        return self.overlays.broken

    @property
    def overlay_sources(self) -> tuple[OverlaySource, ...]:
        """Every overlay on its table, in the order of the files; those that are broken are left out."""
        found = []
        for header in sorted(self.overlays.headers.values(), key=lambda header: header.file):
            with suppress(MappingError):
                found.append(self.overlays.source(header.id))
        return tuple(found)

    def table(self, class_code: int) -> CompiledTable:
        """The table of a class.

        Raises:
            MappingError: there is none.
        """
        found = self.tables.get(class_code)
        if found is None:
            known = ", ".join(f"0x{code:04X}" for code in sorted(self.tables))
            raise MappingError(f"{self.folder}: there is no table for class 0x{class_code:04X} (only for {known})")
        return found

    def meter(self, class_code: int) -> CompiledMeter:
        """The table of a class that is only read.

        Raises:
            MappingError: there is none.
        """
        found = self.meters.get(class_code)
        if found is None:
            known = ", ".join(f"0x{code:04X}" for code in sorted(self.meters))
            raise MappingError(
                f"{self.folder}: there is no meter table for class 0x{class_code:04X} (only for {known})"
            )
        return found


def load_mappings(
    folder: Path | None = None,
    only: Collection[int] | None = None,
    cache: DocumentCache | None = None,
    *,
    lenient: bool = False,
) -> Mappings:
    """Read, check and compile a folder (the shipped one by default): its dictionaries, tables and overlays.

    `only`: nothing but what these classes need is looked at, and no example, which saves a gateway time and memory; of
    an overlay only its head, until a unit needs it. `lenient`: an overlay with mistakes is no error; it stands in
    `Mappings.broken`, and `choose` gives its units no table.

    Raises:
        MappingError: with every mistake of every file, a line each.
    """
    failures: list[str] = []
    files = read_folder(folder, failures, only, cache)
    loading = _Loading(folder or default_folder(), files, failures)
    return loading.mappings(files.names(), eager=only is None, lenient=lenient)


def load_paths(paths: Sequence[Path], cache: DocumentCache | None = None) -> Mappings:
    """What a tool is asked to look at: a folder (complete in itself), or files; without any the shipped folder.

    Files are read with the shipped ones beside them, and take the place of those for the same class or with the same
    id. `Mappings.asked` names those that were asked for. `cache`: the one that tools share, unless another is given.

    Raises:
        MappingError: with every mistake of every file, a line each.
    """
    from bridge.mapping.cache import cache_of_tools

    failures: list[str] = []
    folder, files, asked = read_paths(paths, failures, cache or cache_of_tools())
    loading = _Loading(folder, files, failures)
    if not any(path.is_dir() for path in paths) and paths:
        loading.only_parents_of(asked)
    return loading.mappings(asked, eager=True, lenient=False)


class _Loading:
    """Puts one set of mappings together."""

    def __init__(self, folder: Path, files: Files, failures: list[str]) -> None:
        self._folder = folder
        self._files = files
        self._failures = failures
        self._problems = Problems()
        self._headers = [read_header(file) for file in files.vendors]
        self._known = [header.id for header in self._headers]

    def only_parents_of(self, asked: Collection[str]) -> None:
        """Of the overlays that nobody has asked for only those are needed on which others stand."""
        wanted = {header.id for header in self._headers if header.file in asked}
        parents = {header.id: header.parent for header in self._headers}
        for name in tuple(wanted):
            above = parents.get(name)
            while above is not None and above not in wanted:
                wanted.add(above)
                above = parents.get(above)
        self._headers = [header for header in self._headers if header.id in wanted]
        files = {header.file for header in self._headers}
        self._files.vendors = [file for file in self._files.vendors if file.file in files]

    def mappings(self, asked: frozenset[str], *, eager: bool, lenient: bool) -> Mappings:
        """All of it; `eager`: every overlay is tried."""
        files, problems = self._files, self._problems
        devices = _models(files.devices, DevicesModel, problems)
        classes = build_classes(devices, problems)
        told = {_class_of(document) for document in files.devices} | ({None} if self._failures else set())
        compiler = _Tables(classes, [document for document, _ in devices], problems, told)
        for document in files.tables:
            compiler.take(document)
        overlays = self._overlays(compiler, classes, eager=eager)
        messages = self._failures + [str(problem) for problem in sorted(set(problems.found))]
        if not lenient:
            broken = [error for each in overlays.broken.values() for error in each.errors]
            messages += sorted([*broken, *(str(problem) for problem in ties(overlays, classes))], key=_place)
        if messages:
            raise MappingError("\n".join(dict.fromkeys(messages)))
        return Mappings(
            folder=self._folder,
            classes=classes,
            tables={source.table.class_code: source.table for source in compiler.tables},
            sources=tuple(compiler.tables),
            content_hash=_hash(files),
            meters={source.table.class_code: source.table for source in compiler.meters},
            meter_sources=tuple(compiler.meters),
            asked=asked,
            overlays=overlays,
            identities=compiler.identities,
            table_files={source.table.class_code: source.document.file for source in compiler.tables},
        )

    def _overlays(self, compiler: _Tables, classes: Mapping[int, DeviceClass], *, eager: bool) -> Overlays:
        """All overlays; those of which something is known to be wrong are marked."""
        bases = {
            source.table.class_code: Base(
                source.document.file,
                source.table,
                compiler.identities[source.table.class_code],
                source.document,
            )
            for source in compiler.tables
        }
        twice = twins(self._headers)
        overlays = Overlays(twice.headers, bases)
        for header, problem in (*twice.problems, *misplaced(overlays, classes, self._known)):
            overlays.mark(header.id, [str(problem)])
        blamed = self._problems.found or self._failures  # a table that is missing for that is told of already
        if eager:
            for name in overlays.headers:
                overlays.look_through(name, lay=overlays.headers[name].class_code in bases or not blamed)
        return overlays


def _class_of(document: Document) -> object:
    return document.data.get("class") if isinstance(document.data, Mapping) else None


def _models(documents: Iterable[Document], model: type[Model], problems: Problems) -> list[tuple[Document, Model]]:
    """Those without mistakes."""
    checked = ((document, check(document, model, problems)) for document in documents)
    return [(document, found) for document, found in checked if found is not None]


class _Tables:
    """Compiles the tables of one folder, each by its kind.

    `told`: the classes of all dictionaries, of those with mistakes too; None: one may be of any class.
    """

    def __init__(
        self,
        classes: Mapping[int, DeviceClass],
        devices: list[Document],
        problems: Problems,
        told: Collection[object] = (),
    ) -> None:
        self.tables: list[TableSource] = []
        self.meters: list[MeterSource] = []
        self.identities: dict[int, Identity] = {}
        self._classes = classes
        self._devices = devices
        self._problems = problems
        self._told = told
        self._taken: set[int] = set()

    def take(self, document: Document) -> None:
        """One file."""
        kind = document.data.get("kind") if isinstance(document.data, Mapping) else None
        if kind == _METER:
            self._meter(document)
        elif isinstance(kind, str) and kind != _TABLE:
            text = f'"{kind}" is none of the kinds of tables: {_TABLE}, {_METER}{nearest(kind, (_TABLE, _METER))}'
            self._problems.add(document, ("kind",), "WRONG-VALUE", text)
        else:
            self._table(document)

    def _table(self, document: Document) -> None:
        model = check(document, TableModel, self._problems)
        device = self._device(document, model.class_code) if model else None
        if model is None or device is None:
            return
        code = int(model.class_code, 16)
        self.identities[code] = identity_of(document, model.identity, device, self._problems)
        nodes: dict[Path_, Node] = {}
        table = compile_table(document, model, device, self._content(document, device), self._problems, nodes)
        if table is not None:
            self.tables.append(TableSource(table, model, document, nodes))

    def _meter(self, document: Document) -> None:
        from bridge.mapping.meter import MeterSource  # only a site with meters needs them
        from bridge.mapping.metercompile import compile_meter_table
        from bridge.mapping.metermodel import MeterTableModel

        model = check(document, MeterTableModel, self._problems)
        device = self._device(document, model.class_code) if model else None
        if model is None or device is None:
            return
        table = compile_meter_table(document, model, device, self._content(document, device), self._problems)
        if table is not None:
            self.meters.append(MeterSource(table, model, document))

    def _content(self, document: Document, device: DeviceClass) -> str:
        """Of the table and of the dictionaries that it is read with."""
        codes = set()
        above: DeviceClass | None = device
        while above is not None:
            codes.add(above.code)
            above = above.parent
        return _hash([document, *(d for d in self._devices if int(d.data["class"], 16) in codes)])

    def _device(self, document: Document, class_code: str) -> DeviceClass | None:
        """The dictionary of a table's class, which no other table is for."""
        code = int(class_code, 16)
        if code not in self._classes:
            if class_code in self._told or None in self._told:
                return None  # its dictionary has mistakes of its own, which are told
            known = sorted(f"0x{each:04X}" for each in self._classes)
            hint = nearest(class_code, known) or f" - known here: {', '.join(known) or 'none'}"
            text = f"no dictionary describes {class_code}{hint}"
            self._problems.add(document, ("class",), "UNKNOWN-CLASS", text)
            return None
        if code in self._taken:
            self._problems.add(document, ("class",), "DUPLICATE-CLASS", f"another table is for {class_code} already")
            return None
        self._taken.add(code)
        return self._classes[code]


def _place(message: str) -> tuple[str, int, int]:
    """Where a mistake stands: mistakes are told in the order of the files' lines."""
    found = _PLACE.match(message)
    return (found[1], int(found[2]), int(found[3])) if found else (message, 0, 0)


def _hash(documents: Iterable[Document | VendorFile]) -> str:
    """Of the contents, whatever the files are called."""
    digests = sorted(hashlib.sha256(document.text.encode()).hexdigest() for document in documents)
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16]
