"""Nobody may set a variable that nothing in the gateway looks at."""

import re
from pathlib import Path

import bridge
from bridge.station.device_model_table import TABLE, Key
from bridge.station.messages import Mutability

#: What can be set without anything to do, and why that is no pretence.
NOTHING_TO_DO = {
    Key.RESET_RETRIES: "a restart of the station does not fail",
    Key.AUTH_CACHE_POLICY: "it has one choice",
    Key.TIME_SOURCE: "it has one choice",
    Key.ORGANIZATION_NAME: "for client certificates, which are for security profile 3",
    Key.SMART_LIMIT_CHANGE_SIGNIFICANCE: "it allows the station to say less; it may say all",
}


def test_who_reacts_to_what_can_be_set():
    folder = Path(bridge.__file__).parent
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in folder.rglob("*.py") if path.name != "device_model_table.py"
    )
    used = {Key[name] for name in re.findall(r"\bKey\.([A-Z_]+)\b", source)}
    settable = {row.key for row in TABLE if row.mutability is not Mutability.READ_ONLY}
    assert settable - used == set(NOTHING_TO_DO)


def test_one_choice_is_one_choice():
    rows = {row.key: row for row in TABLE}
    assert len(rows[Key.AUTH_CACHE_POLICY].values) == len(rows[Key.TIME_SOURCE].values) == 1
