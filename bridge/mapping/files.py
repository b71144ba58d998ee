"""Which files make up a set of mappings: those of a folder, or single ones on top of the shipped folder."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from bridge.echonet.wellknown import NODE_PROFILE, class_of
from bridge.errors import MappingError
from bridge.mapping.rawfile import RawError, lies_in, read_raw
from bridge.mapping.yamlfile import OF_A_TABLE, Document, load_yaml, nearest, parse_yaml, raw_yaml, text_of
from bridge.records import dataclass

if TYPE_CHECKING:
    from bridge.mapping.cache import DocumentCache

_PACKAGE: Final = Path(__file__).resolve().parent.parent
#: In a wheel the mappings lie in the package, in a checkout beside it.
_PLACES: Final = (_PACKAGE / "_mappings", _PACKAGE.parent / "mappings")
_SHIPPED: Final = "mappings"
_EXAMPLES: Final = "examples"
#: The node profile: every unit lives on a node.
_ALWAYS: Final = (class_of(NODE_PROFILE),)
_CLASS_LINE: Final = re.compile(rb"""^(class|parent):\s*["']?(0x[0-9A-Fa-f]{4})\b""", re.MULTILINE)
#: The kinds of files, and the part of a folder in which each lies.
PART_OF_KIND: Final[Mapping[str, str]] = {
    "devices": "devices",
    "table": "tables",
    "meter": "tables",
    "overlay": "vendors",
}


_File = TypeVar("_File", bound="Document | VendorFile")


@dataclass(frozen=True, slots=True)
class VendorFile:
    """An overlay's file. `document` is None where it has not been parsed, or cannot be: then `errors` say why."""

    file: str
    text: str = ""
    document: Document | None = None
    errors: tuple[str, ...] = ()


@dataclass(slots=True)
class Files:
    """The files of one set of mappings, by the part of the folder in which their kind lies."""

    devices: list[Document] = field(default_factory=list)
    tables: list[Document] = field(default_factory=list)
    vendors: list[VendorFile] = field(default_factory=list)

    def __iter__(self) -> Iterator[Document | VendorFile]:
        yield from self.devices
        yield from self.tables
        yield from self.vendors

    def names(self) -> frozenset[str]:
        """What the files are called in messages."""
        return frozenset(each.file for each in self)


def default_folder() -> Path:
    """The mappings that are shipped.

    Raises:
        MappingError: they are missing from this installation.
    """
    for place in _PLACES:
        if (place / "tables").is_dir():
            return place
    raise MappingError(f"the shipped mappings are missing: neither {_PLACES[0]} nor {_PLACES[1]} exists")


def read_folder(
    folder: Path | None,
    failures: list[str],
    only: Collection[int] | None = None,
    cache: DocumentCache | None = None,
) -> Files:
    """All files of a folder (the shipped one by default) in the order of their names; mistakes go to `failures`.

    `only`: nothing but what these classes need, and no example. What is wrong with an overlay stays with it.

    Raises:
        MappingError: there is no such folder.
    """
    root = folder if folder is not None else default_folder()
    if not root.is_dir():
        raise MappingError(f"{root}: no such folder")
    shown = str(folder) if folder is not None else _SHIPPED
    files = Files()
    without = None if only is None else _EXAMPLES
    for part in ("devices", "tables", "vendors"):
        paths = sorted((root / part).glob("*.yaml"))
        for path in paths if only is None else _needed(paths, only):
            name = f"{shown}/{part}/{path.name}"
            outside = _leads_out(root, path, name) if folder is not None else None
            if part == "vendors":
                files.vendors.append(
                    _read_vendor(path, name, cache, glance=only is not None)
                    if outside is None
                    else VendorFile(name, errors=(outside,))
                )
            elif outside is not None:
                failures.append(outside)
            else:
                _read(path, name, getattr(files, part), failures, without, cache)
    return files


def _leads_out(root: Path, path: Path, name: str) -> str | None:
    """What is wrong with a link that leads out of the folder."""
    if lies_in(root, path):
        return None
    text = f"is a link that leads out of the folder, to {path.resolve()} - put a copy of the file here"
    return f"{name}:1:1: FILE {text}"


def _read_vendor(path: Path, name: str, cache: DocumentCache | None, *, glance: bool) -> VendorFile:
    """An overlay's file; at a glance only its text, where nothing has been parsed before."""
    text, document = "", None
    try:
        text = text_of(raw_yaml(path, name, limits=OF_A_TABLE), name)
        if cache is not None:
            document = cache.load(path, name=name)
        elif not glance:
            document = parse_yaml(text, name)
    except MappingError as reason:
        return VendorFile(name, text, None, tuple(str(reason).splitlines()))
    return VendorFile(name, text, document)


def read_paths(
    paths: Sequence[Path], failures: list[str], cache: DocumentCache | None = None
) -> tuple[Path, Files, frozenset[str]]:
    """A folder, or files on top of the shipped one: the folder, all files, and the names of those asked for.

    Raises:
        MappingError: a path does not exist, or there is a second folder.
    """
    missing = [f"{path}: no such file or folder{_beside(path)}" for path in paths if not path.exists()]
    folders = [path for path in paths if path.is_dir()]
    if len(folders) > 1:
        missing.append(f"{folders[1]}: a second folder; one is complete in itself ({folders[0]})")
    if missing:
        raise MappingError("\n".join(missing))
    singles = Files()
    for path in paths:
        if not path.is_dir():
            _sort_in(path, singles, failures, cache)
    folder = folders[0] if folders else None
    base = read_folder(folder, failures, cache=cache)
    asked = singles.names() | (base.names() if folders or not paths else frozenset())
    files = Files(
        _laid_over(base.devices, singles.devices),
        _laid_over(base.tables, singles.tables),
        _laid_over(base.vendors, singles.vendors),
    )
    return folder or default_folder(), files, asked & files.names()


def _beside(path: Path) -> str:
    """The name that may be meant."""
    return nearest(path.name, (each.name for each in path.parent.iterdir())) if path.parent.is_dir() else ""


def _laid_over(base: list[_File], singles: list[_File]) -> list[_File]:
    """Single files take the place of those for the same class, or with the same id."""
    taken = {_what(file) for file in singles}
    return [*(file for file in base if _what(file) not in taken), *singles]


def _what(file: Document | VendorFile) -> tuple[object, object]:
    """What a file is for: an overlay its id, any other its class."""
    document = file.document if isinstance(file, VendorFile) else file
    data = document.data if document is not None and isinstance(document.data, Mapping) else {}
    if isinstance(file, VendorFile):
        return "overlay", str(data.get("id", file.file))
    return PART_OF_KIND.get(str(data.get("kind"))), str(data.get("class"))


def _sort_in(path: Path, files: Files, failures: list[str], cache: DocumentCache | None) -> None:
    """Read a single file, and put it where its kind belongs."""
    found: list[Document] = []
    _read(path, str(path), found, failures, None, cache)
    for document in found:
        data = document.data if isinstance(document.data, Mapping) else {}
        kind = data.get("kind")
        part = PART_OF_KIND.get(kind) if isinstance(kind, str) else None
        if part is None:
            said = f'its "kind" is none of {", ".join(PART_OF_KIND)}{nearest(str(kind), PART_OF_KIND)}'
            text = said if kind is not None else f'the key "kind" is missing: one of {", ".join(PART_OF_KIND)}'
            failures.append(str(document.problem(("kind",), "KIND", text)))
        elif part == "vendors":
            files.vendors.append(VendorFile(document.file, document.text, document))
        else:
            getattr(files, part).append(document)


def _read(
    path: Path,
    name: str,
    into: list[Document],
    failures: list[str],
    without: str | None,
    cache: DocumentCache | None,
) -> None:
    load = load_yaml if cache is None else cache.load
    try:
        into.append(load(path, name=name, without=without))
    except MappingError as reason:
        failures.append(str(reason))


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
        text = read_raw(path, OF_A_TABLE.bytes)
    except RawError:
        return None, None
    told = {match[1]: int(match[2], 16) for match in _CLASS_LINE.finditer(text)}
    return told.get(b"class"), told.get(b"parent")
