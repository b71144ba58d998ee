"""Keeps parsed documents, so that a file that has not changed need not be parsed again.

An entry is found by what it was made of: the file's bytes, the section left out, and the code that parses (ours, the
parser's, Python's). Nothing else says whether it is still right: no name, no place and no time stamp of the file. What
an entry holds is plain JSON with its own digest; one that is cut off, damaged or of another key is as good as none.
The values are checked and compiled every time, from the cache or not: that takes a twentieth of what parsing takes.

    first line   {"format": 1, "key": SHA-256, "digest": SHA-256 of what follows}
    the rest     {"data": ..., "places": [...], "written": [[number of the value, text], ...]}

`places` are lines and columns in the order of the text: of each value, and of each key before its value. A line is
told as the difference to the one before, which keeps the numbers small.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, Final

from bridge.errors import BridgeError, MappingError
from bridge.mapping import rawfile, yamlfile
from bridge.mapping.rawfile import RawError, read_raw
from bridge.mapping.yamlfile import OF_A_TABLE, Document, Limits, Path_, parse_yaml, raw_yaml, text_of

FORMAT: Final = 1
#: So many entries are kept: those of a few sets of mappings. The oldest go first.
MOST_ENTRIES: Final = 120
_SUFFIX: Final = ".json"
_PARTIAL: Final = ".part"
#: A parsed document takes no more than a few times its text.
_MOST_BYTES: Final = 8 * OF_A_TABLE.bytes
_OURS: Final = (yamlfile.__file__, rawfile.__file__, __file__)
_BUILDER: Final = "yamlbuild.py"
_PARSER: Final = "ruamel.yaml"
_numbers = count()


def cache_of_tools() -> DocumentCache | None:
    """What tools share; a gateway has a cache of its own in its `state_dir`. None for a user without a home."""
    told = os.environ.get("XDG_CACHE_HOME", "")
    try:
        folder = Path(told) if os.path.isabs(told) else Path.home() / ".cache"
    except RuntimeError:
        return None
    return DocumentCache(folder / "ocpp-echonet")


class DocumentCache:
    """Parsed documents in a folder. It never fails: where the folder cannot be used, every file is parsed.

    `trouble` says why the folder cannot be used, once it has turned out; for one line in a log.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trouble: str | None = None
        self._code = _code()
        if self._code is None:
            self.trouble = "the parser's own code cannot be read, so nobody can tell when it has changed"

    def load(
        self,
        path: Path | str,
        *,
        error: type[BridgeError] = MappingError,
        name: str | None = None,
        without: str | None = None,
        limits: Limits = OF_A_TABLE,
    ) -> Document:
        """As `load_yaml`. Files with mistakes are never kept."""
        shown = name or str(path)
        raw = raw_yaml(path, shown, error=error, limits=limits)
        key = self._key(raw, without, limits)
        document = self._kept(key) if key is not None and self.trouble is None else None
        text = text_of(raw, shown, error=error)
        if document is not None:
            document.file, document.text = shown, text
            return document
        document = parse_yaml(text, shown, error=error, without=without, limits=limits)
        if key is not None and self.trouble is None:
            self._keep(key, document)
        return document

    def _key(self, raw: bytes, without: str | None, limits: Limits) -> str | None:
        """Of everything that a parsed document depends on; None where that cannot be said."""
        if self._code is None:
            return None
        told = json.dumps([FORMAT, self._code, without, limits.bytes, limits.nodes, limits.scalar]).encode()
        return hashlib.sha256(hashlib.sha256(told).digest() + raw).hexdigest()

    def _place(self, key: str) -> Path:
        return self.folder / f"{key[:40]}{_SUFFIX}"

    # Reading

    def _kept(self, key: str) -> Document | None:
        """An entry, if there is a sound one."""
        try:
            if not _ours_alone(self.folder):
                self.trouble = f"{self.folder} belongs to another user, or others may write to it"
                return None
            head, _, body = read_raw(self._place(key), _MOST_BYTES).partition(b"\n")
            return _document(head, body, key)
        except FileNotFoundError:
            pass  # no folder yet
        except OSError as reason:
            self.trouble = _why(self.folder, reason)
        except (RawError, ValueError, TypeError, LookupError, AttributeError, StopIteration, RecursionError):
            pass  # there is none, or it is no good: it is made again
        return None

    # Writing

    def _keep(self, key: str, document: Document) -> None:
        """Put an entry into its place at once, so that nobody ever sees half of it."""
        partial = self.folder / f"{key[:40]}.{os.getpid()}-{next(_numbers)}{_PARTIAL}"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _ours_alone(self.folder):  # it was there already
                self.trouble = f"{self.folder} belongs to another user, or others may write to it"
                return
            try:
                with open(partial, "xb") as file:
                    file.writelines(_entry(key, document))
                partial.replace(self._place(key))
            finally:
                partial.unlink(missing_ok=True)
            self._tidy()
        except OSError as reason:  # full, read-only, no folder
            self.trouble = _why(self.folder, reason)

    def _tidy(self) -> None:
        """Let the oldest entries go, and what others left half done. A wrong clock only changes which ones go."""
        with os.scandir(self.folder) as found:
            entries = [entry for entry in found if entry.name.endswith((_SUFFIX, _PARTIAL))]
        if len(entries) <= MOST_ENTRIES:
            return
        for entry in sorted(entries, key=_age)[: len(entries) - MOST_ENTRIES]:
            Path(entry.path).unlink(missing_ok=True)


def _age(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_mtime_ns
    except OSError:
        return 0


def _why(folder: Path, reason: OSError) -> str:
    return f"{folder}: {reason.strerror or reason}"


def _ours_alone(folder: Path) -> bool:
    """Whether nobody else could have put an entry there.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    status = folder.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


# The form of an entry -------------------------------------------------------------------------------------------


def _entry(key: str, document: Document) -> tuple[bytes, bytes]:
    """The first line and the rest."""
    written = [
        [number, document.source[path]] for number, path in enumerate(document.values) if path in document.source
    ]
    places: list[int] = []
    before = 0
    for line, column in _in_order(document):
        places += (line - before, column)
        before = line
    body = json.dumps({"data": document.data, "places": places, "written": written}, separators=(",", ":")).encode()
    head = {"format": FORMAT, "key": key, "digest": hashlib.sha256(body).hexdigest()}
    return json.dumps(head).encode() + b"\n", body


def _in_order(document: Document) -> Iterator[tuple[int, int]]:
    """The places of all values in the order in which they stand, each key's before its value's."""
    for path, place in document.values.items():
        if path in document.keys:
            yield document.keys[path]
        yield place


def _document(head: bytes, body: bytes, key: str) -> Document:
    """A document from an entry.

    Raises:
        ValueError, LookupError, TypeError: it is damaged, or of another key.
    """
    told = json.loads(head)
    if told != {"format": FORMAT, "key": key, "digest": hashlib.sha256(body).hexdigest()}:
        raise ValueError("not this entry")
    kept = json.loads(body)
    document = Document("", data=kept["data"])
    _Placing(document, kept["places"], dict(kept["written"])).place()
    return document


class _Placing:
    """Gives every value its place again, in the order in which `_in_order` told them."""

    def __init__(self, document: Document, places: list[int], written: dict[int, str]) -> None:
        self._document = document
        self._places = iter(places)
        self._written = written
        self._line = 0
        self._number = 0

    def place(self) -> None:
        """All values."""
        first = self._next()
        if first is not None:
            self._put((), self._document.data, first)
        elif self._document.data is not None:  # a file that has nothing but comments has no value
            raise ValueError("fewer places than values")
        if self._next() is not None:
            raise ValueError("more places than values")

    def _put(self, path: Path_, value: Any, place: tuple[int, int]) -> None:
        document = self._document
        document.values[path] = place
        written = self._written.get(self._number)
        if written is not None:
            document.source[path] = written
        self._number += 1
        if isinstance(value, dict):
            for key, part in value.items():
                below = (*path, key)
                document.keys[below] = self._needed()
                self._put(below, part, self._needed())
        elif isinstance(value, list):
            for index, part in enumerate(value):
                self._put((*path, index), part, self._needed())

    def _needed(self) -> tuple[int, int]:
        found = self._next()
        if found is None:
            raise ValueError("fewer places than values")
        return found

    def _next(self) -> tuple[int, int] | None:
        step = next(self._places, None)
        if step is None:
            return None
        self._line += step
        return self._line, next(self._places)


# What parses ----------------------------------------------------------------------------------------------------


@cache
def _code() -> str | None:
    """A digest of all code that makes a document from a text, without importing the parser; None if it is hidden.

    It is taken once, when the program starts: what is replaced later is not what runs.
    """
    try:
        parser = find_spec(_PARSER)
        folders = list(parser.submodule_search_locations or ()) if parser is not None else []
        files = [Path(file) for file in _OURS]
        files.append(files[0].with_name(_BUILDER))
        files += [file for folder in folders for file in sorted(Path(folder).glob("*.py"))]
        if not folders:
            return None
        digest = hashlib.sha256(sys.version.encode())
        for file in files:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    except (OSError, ImportError, ValueError):
        return None
    return digest.hexdigest()
