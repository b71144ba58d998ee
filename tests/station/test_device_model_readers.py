"""Nobody may set a variable that nothing in the gateway looks at, and the table names who looks."""

import re
from pathlib import Path

import bridge
from bridge.station.device_model_table import NOTHING_TO_DO, TABLE_WITH_METER, Key
from bridge.station.messages import Mutability

FOLDER = Path(bridge.__file__).parent


def used_in(source: str) -> set[Key]:
    """The variables that a module names."""
    return {Key[name] for name in re.findall(r"\bKey\.([A-Z_]+)\b", source)}


def test_who_reacts_to_what_can_be_set():
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.py") if path.name != "device_model_table.py"
    )
    settable = {row.key for row in TABLE_WITH_METER if row.mutability is not Mutability.READ_ONLY}
    assert settable - used_in(source) == set(NOTHING_TO_DO)


def test_the_table_names_who_reacts():
    """The module that a row names reads that variable; a row that nobody can set names none."""
    for row in TABLE_WITH_METER:
        settable = row.mutability is not Mutability.READ_ONLY
        assert bool(row.reacts) is settable, row.key
        if settable and row.key not in NOTHING_TO_DO:
            module = FOLDER / (row.reacts.replace(".", "/") + ".py")
            assert row.key in used_in(module.read_text(encoding="utf-8")), (row.key, row.reacts)
    assert all(row.reacts.startswith("nobody") for row in TABLE_WITH_METER if row.key in NOTHING_TO_DO)


def test_one_choice_is_one_choice():
    rows = {row.key: row for row in TABLE_WITH_METER}
    assert len(rows[Key.AUTH_CACHE_POLICY].values) == len(rows[Key.TIME_SOURCE].values) == 1
