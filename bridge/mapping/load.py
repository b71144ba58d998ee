"""Loads a folder of mappings: dictionaries and tables, all mistakes at once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.echonet.dictionary import DeviceClass
from bridge.echonet.wellknown import NODE_PROFILE, class_of
from bridge.errors import MappingError
from bridge.mapping.compile import compile_table
from bridge.mapping.devices import build_classes
from bridge.mapping.model import DevicesModel, TableModel
from bridge.mapping.table import CompiledTable, TableSource
from bridge.mapping.yamlfile import Document, Model, Problems, check, load_yaml, nearest

if TYPE_CHECKING:
    from bridge.mapping.meter import CompiledMeter, MeterSource

_PACKAGE: Final = Path(__file__).resolve().parent.parent
_TABLE: Final = "table"
_METER: Final = "meter"
_EXAMPLES: Final = "examples"
#: The node profile: every unit lives on a node.
_ALWAYS: Final = (class_of(NODE_PROFILE),)
_CLASS_LINE: Final = re.compile(rb"""^(class|parent):\s*["']?(0x[0-9A-Fa-f]{4})\b""", re.MULTILINE)
#: In a wheel the mappings lie in the package, in a checkout beside it.
_PLACES: Final = (_PACKAGE / "_mappings", _PACKAGE.parent / "mappings")


@dataclass(frozen=True)
class Mappings:
    """All that a folder holds. `content_hash` changes with any file's content."""

    folder: Path
    classes: Mapping[int, DeviceClass]
    tables: Mapping[int, CompiledTable]
    sources: tuple[TableSource, ...]
    content_hash: str
    meters: Mapping[int, CompiledMeter] = field(default_factory=dict)
    meter_sources: tuple[MeterSource, ...] = ()

    def without_sources(self) -> Mappings:
        """Only what a gateway needs: the files' contents are let go."""
        return replace(self, sources=(), meter_sources=())

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


def default_folder() -> Path:
    """The mappings that are shipped.

    Raises:
        MappingError: they are missing from this installation.
    """
    for place in _PLACES:
        if (place / "tables").is_dir():
            return place
    raise MappingError(f"the shipped mappings are missing: neither {_PLACES[0]} nor {_PLACES[1]} exists")


def load_mappings(folder: Path | None = None, only: Collection[int] | None = None) -> Mappings:
    """Read, check and compile `devices/` and `tables/` of a folder (the shipped one by default).

    `only`: nothing but what these classes need is looked at, and no example, which saves a gateway time and memory.

    Raises:
        MappingError: with every mistake of every file, a line each.
    """
    root = folder if folder is not None else default_folder()
    if not root.is_dir():
        raise MappingError(f"{root}: no such folder")
    problems = Problems()
    failures: list[str] = []
    shown = str(folder) if folder is not None else "mappings"
    device_files = _documents(root, shown, "devices", failures, only)
    table_files = _documents(root, shown, "tables", failures, only)
    devices = _models(device_files, DevicesModel, problems)
    classes = build_classes(devices, problems)
    compiler = _Tables(classes, [document for document, _ in devices], problems)
    for document in table_files:
        compiler.take(document)
    messages = failures + [str(problem) for problem in sorted(set(problems.found))]
    if messages:
        raise MappingError("\n".join(messages))
    return Mappings(
        folder=root,
        classes=classes,
        tables={source.table.class_code: source.table for source in compiler.tables},
        sources=tuple(compiler.tables),
        content_hash=_hash([*device_files, *table_files]),
        meters={source.table.class_code: source.table for source in compiler.meters},
        meter_sources=tuple(compiler.meters),
    )


def _documents(root: Path, shown: str, kind: str, failures: list[str], only: Collection[int] | None) -> list[Document]:
    """All files of a folder that are YAML, in the order of their names; those of other classes are not read."""
    found = []
    without = None if only is None else _EXAMPLES
    paths = sorted((root / kind).glob("*.yaml"))
    for path in paths if only is None else _needed(paths, only):
        try:
            found.append(load_yaml(path, name=f"{shown}/{kind}/{path.name}", without=without))
        except MappingError as reason:
            failures.append(str(reason))
    return found


def _needed(paths: Iterable[Path], only: Collection[int]) -> list[Path]:
    """The files for some classes and those above them, seen without parsing; those where nothing is seen too."""
    told = {path: _at_a_glance(path) for path in paths}
    above = {code: parent for code, parent in told.values() if parent is not None}
    wanted: set[int | None] = {None, *_ALWAYS}
    for each in only:
        code: int | None = each
        while code is not None and code not in wanted:
            wanted.add(code)
            code = above.get(code)
    return [path for path, (code, _) in told.items() if code in wanted]


def _at_a_glance(path: Path) -> tuple[int | None, int | None]:
    """The class that a file is for, and the one above it."""
    try:
        text = path.read_bytes()
    except OSError:
        return None, None
    told = {match[1]: int(match[2], 16) for match in _CLASS_LINE.finditer(text)}
    return told.get(b"class"), told.get(b"parent")


def _models(documents: Iterable[Document], model: type[Model], problems: Problems) -> list[tuple[Document, Model]]:
    """Those without mistakes."""
    checked = ((document, check(document, model, problems)) for document in documents)
    return [(document, found) for document, found in checked if found is not None]


class _Tables:
    """Compiles the tables of one folder, each by its kind."""

    def __init__(self, classes: Mapping[int, DeviceClass], devices: list[Document], problems: Problems) -> None:
        self.tables: list[TableSource] = []
        self.meters: list[MeterSource] = []
        self._classes = classes
        self._devices = devices
        self._problems = problems
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
        table = compile_table(document, model, device, self._content(document, device), self._problems)
        if table is not None:
            self.tables.append(TableSource(table, model, document))

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
            hint = nearest(class_code, (f"0x{known:04X}" for known in self._classes))
            self._problems.add(document, ("class",), "UNKNOWN-CLASS", f"no dictionary describes {class_code}{hint}")
            return None
        if code in self._taken:
            self._problems.add(document, ("class",), "DUPLICATE-CLASS", f"another table is for {class_code} already")
            return None
        self._taken.add(code)
        return self._classes[code]


def _hash(documents: Iterable[Document]) -> str:
    """Of the contents, whatever the files are called."""
    digests = sorted(hashlib.sha256(document.text.encode()).hexdigest() for document in documents)
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16]
