"""Reads a file that a stranger may have put there: only a file, never more than so many bytes, never waiting.

A path may lead to a pipe on which nobody writes, to a device that never ends, or to a file that grows while it is read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

#: What a path may lead to that is no file, as people call it.
_KINDS: Final[tuple[tuple[Callable[[int], bool], str], ...]] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class RawError(Exception):
    """A file that is not read; `code` is stable, the message says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_raw(path: Path, most: int) -> bytes:
    """All bytes of a file.

    Raises:
        RawError: it cannot be read (FILE), is no file (FILE), or has more than `most` bytes (YAML-SIZE).
    """
    try:
        _refuse_what_is_no_file(os.stat(path).st_mode)  # before it is opened: opening a device may do something
        handle = os.open(path, _FLAGS)
        with open(handle, "rb", buffering=0) as file:
            status = os.fstat(handle)
            _refuse_what_is_no_file(status.st_mode)
            found = b"" if status.st_size > most else _read(file.read, most)
    except (OSError, ValueError) as reason:  # ValueError: a NUL in the path
        raise RawError("FILE", f"cannot be read: {getattr(reason, 'strerror', None) or reason}") from None
    if status.st_size > most or len(found) > most:
        raise RawError("YAML-SIZE", f"the file is larger than {most} bytes - no file that a person writes is")
    return found


def _refuse_what_is_no_file(mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for test, name in _KINDS if test(mode)), "something else")
        raise RawError("FILE", f"cannot be read: it is {kind}, not a file")


def _read(read: Callable[[int], bytes | None], most: int) -> bytes:
    """To the end, or until there is one byte too many."""
    parts: list[bytes] = []
    left = most + 1
    while left > 0 and (part := read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def lies_in(folder: Path, path: Path) -> bool:
    """Whether a file of a folder really lies in it; the folder may be a link itself."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # links that lead to each other: reading will tell
        return True
