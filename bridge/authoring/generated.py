"""Files that are made from others and kept beside them: written, or compared with what they should be."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from bridge.errors import MappingError


def outdated(folder: Path, texts: Mapping[str, str], pattern: str) -> list[str]:
    """What is wrong with a folder of generated files, a line each; empty if all are current.

    `pattern`: the files that are all generated, so that one too many is told too; empty where others may be there.
    """
    found = []
    for name, text in texts.items():
        path = folder / name
        if not path.is_file():
            found.append(f"{path}: is missing")
        elif path.read_text(encoding="utf-8") != text:
            found.append(f"{path}: is not current")
    known = {folder / name for name in texts}
    found += [
        f"{path}: nothing makes it any more"
        for path in sorted(folder.glob(pattern) if pattern else ())
        if path not in known
    ]
    return found


def write_all(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write what differs, each file as a whole or not at all; gives back what was written.

    Raises:
        MappingError: the folder or a file cannot be written.
    """
    written = []
    for name, text in texts.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_whole(path, text)
            written.append(path)
    return written


def write_whole(path: Path, text: str) -> None:
    """Write a file beside its place and move it there: nobody ever sees half of it.

    Raises:
        MappingError: it cannot be written; what was there is still there.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        if path.exists():
            beside.chmod(path.stat().st_mode & 0o777)
        os.replace(beside, path)
    except OSError as reason:
        with suppress(OSError):  # its folder may be what is missing
            beside.unlink(missing_ok=True)
        raise MappingError(f"{path}: cannot be written: {reason.strerror or reason}") from reason
