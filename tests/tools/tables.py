"""Mapping tables for tests that do not test how they are read: parsed once, the shipped ones loaded once."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from bridge.mapping.cache import DocumentCache
from bridge.mapping.load import Mappings, load_mappings

#: Beside pytest's own cache: shared by all its processes, and kept from one run to the next. An entry's key says which
#: file's content it is of, and which code has read it.
_SHIPPED = Path(__file__).parents[2] / ".pytest_cache" / "ocpp-echonet"


@cache
def shipped() -> Mappings:
    """The shipped tables, with their sources. Nobody changes them."""
    return load_mappings(cache=DocumentCache(_SHIPPED))


@cache
def parsed() -> DocumentCache:
    """For files that a test has written: of this process alone, and at first with the shipped ones."""
    shipped()
    folder = _scratch() / "parsed"
    if _SHIPPED.is_dir():
        shutil.copytree(_SHIPPED, folder, copy_function=shutil.copyfile)
        folder.chmod(0o700)
    return DocumentCache(folder)


def fill(cache_folder: Path) -> None:
    """Let a gateway find the shipped files parsed: `cache` in its `state_dir`."""
    made = _scratch() / "gateway"
    if not made.is_dir():
        load_mappings(None, {*shipped().tables, *shipped().meters}, DocumentCache(made))
    if not cache_folder.exists():
        shutil.copytree(made, cache_folder, copy_function=shutil.copyfile)
        cache_folder.chmod(0o700)


@cache
def _folder() -> "TemporaryDirectory[str]":
    return TemporaryDirectory(prefix="ocpp-echonet-tables-")


def _scratch() -> Path:
    return Path(_folder().name)
