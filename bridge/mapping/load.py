"""Loads a folder of mappings: dictionaries and tables, all mistakes at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bridge.echonet.dictionary import DeviceClass
from bridge.errors import MappingError
from bridge.mapping.compile import compile_table
from bridge.mapping.devices import build_classes
from bridge.mapping.model import DevicesModel, TableModel
from bridge.mapping.table import CompiledTable, TableSource
from bridge.mapping.yamlfile import Document, Model, Problems, check, load_yaml, nearest

_PACKAGE: Final = Path(__file__).resolve().parent.parent
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

    def without_sources(self) -> Mappings:
        """Only what a gateway needs: the files' contents are let go."""
        return replace(self, sources=())

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


def default_folder() -> Path:
    """The mappings that are shipped.

    Raises:
        MappingError: they are missing from this installation.
    """
    for place in _PLACES:
        if (place / "tables").is_dir():
            return place
    raise MappingError(f"the shipped mappings are missing: neither {_PLACES[0]} nor {_PLACES[1]} exists")


def load_mappings(folder: Path | None = None) -> Mappings:
    """Read, check and compile `devices/` and `tables/` of a folder (the shipped one by default).

    Raises:
        MappingError: with every mistake of every file, a line each.
    """
    root = folder if folder is not None else default_folder()
    if not root.is_dir():
        raise MappingError(f"{root}: no such folder")
    problems = Problems()
    failures: list[str] = []
    shown = str(folder) if folder is not None else "mappings"
    devices = _read(root, shown, "devices", DevicesModel, problems, failures)
    tables = _read(root, shown, "tables", TableModel, problems, failures)
    classes = build_classes(devices, problems)
    total = _hash(document for document, _ in [*devices, *tables])
    compiled: dict[int, CompiledTable] = {}
    sources: list[TableSource] = []
    for document, model in tables:
        table = _compile(document, model, classes, compiled, [d for d, _ in devices], problems)
        if table is not None:
            compiled[table.class_code] = table
            sources.append(TableSource(table, model, document))
    messages = failures + [str(problem) for problem in sorted(set(problems.found))]
    if messages:
        raise MappingError("\n".join(messages))
    return Mappings(root, classes, compiled, tuple(sources), total)


def _read(
    root: Path, shown: str, kind: str, model: type[Model], problems: Problems, failures: list[str]
) -> list[tuple[Document, Model]]:
    """All files of a kind, in the order of their names; those with mistakes are left out."""
    found = []
    for path in sorted((root / kind).glob("*.yaml")):
        try:
            document = load_yaml(path, name=f"{shown}/{kind}/{path.name}")
        except MappingError as reason:
            failures.append(str(reason))
            continue
        checked = check(document, model, problems)
        if checked is not None:
            found.append((document, checked))
    return found


def _compile(
    document: Document,
    model: TableModel,
    classes: Mapping[int, DeviceClass],
    compiled: Mapping[int, CompiledTable],
    devices: list[Document],
    problems: Problems,
) -> CompiledTable | None:
    code = int(model.class_code, 16)
    if code not in classes:
        hint = nearest(model.class_code, (f"0x{known:04X}" for known in classes))
        problems.add(document, ("class",), "UNKNOWN-CLASS", f"no dictionary describes {model.class_code}{hint}")
        return None
    if code in compiled:
        problems.add(document, ("class",), "DUPLICATE-CLASS", f"another table is for {model.class_code} already")
        return None
    return compile_table(document, model, classes[code], _hash([document, *devices]), problems)


def _hash(documents: Iterable[Document]) -> str:
    """Of the contents, whatever the files are called."""
    digests = sorted(hashlib.sha256(document.text.encode()).hexdigest() for document in documents)
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16]
