"""Tables that differ a little from the shipped ones, for tests that want to see a mistake found."""

import json
import shutil
from pathlib import Path
from typing import Any

from bridge.mapping.load import default_folder, load_mappings
from bridge.mapping.table import TableSource
from tests.tools.tables import parsed


def changed_folder(folder: Path, table: str, *changes: tuple[str, str]) -> Path:
    """A folder with the dictionaries and one table, in which some texts stand in the place of others."""
    shutil.copytree(default_folder() / "devices", folder / "devices")
    (folder / "tables").mkdir()
    text = (default_folder() / "tables" / table).read_text()
    for old, new in changes:
        assert old in text, f"{old!r} does not stand in {table}"
        text = text.replace(old, new, 1)
    (folder / "tables" / table).write_text(text)
    return folder


def changed_source(folder: Path, table: str, *changes: tuple[str, str]) -> TableSource:
    """The same, loaded."""
    return load_mappings(changed_folder(folder, table, *changes), cache=parsed()).sources[0]


def with_rows(folder: Path, table: str, section: str, before: str, rows: list[dict[str, Any]]) -> TableSource:
    """The shipped table with other rows in a section, which is followed by another one."""
    text = (default_folder() / "tables" / table).read_text()
    first, last = text.index(f"\n{section}:"), text.index(f"\n{before}:")
    lines = "".join(f"\n  - {json.dumps(row)}" for row in rows)
    return changed_source(folder, table, (text[first:last], f"\n{section}:{lines}\n"))
