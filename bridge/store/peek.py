"""A look into a store that a gateway may have open: nothing is locked, migrated or changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from bridge.store import schema
from bridge.store.database import explain


def peek_settings(path: Path, station: str) -> Mapping[str, str]:
    """The settings of a station as they are kept now; none where there is no store yet.

    Raises `StoreError` for a file that cannot be read, or is none of ours.
    """
    if not path.exists():
        return {}
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            schema.refuse_foreign(connection, str(path))
            if schema.version_of(connection) == 0:
                return {}
            return dict(connection.execute("SELECT name, value FROM setting WHERE station = ?", (station,)).fetchall())
    except sqlite3.Error as error:
        raise explain(error, str(path)) from error
