"""Gateway and unit on two machines: the unit is found, read, charged and stopped, with real multicast between them.

Runs with `--netns` and needs root. Where namespaces are not allowed it is skipped, and says why.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.netns.cable import PLACES, Cable, within

pytestmark = pytest.mark.netns

UNIT, SESSION = (str(Path(__file__).with_name(name)) for name in ("unit.py", "session.py"))


@pytest.mark.covers("AIF-1-3", "AIF-3.1.2-1")
@pytest.mark.parametrize("unit_class", ["0x027E", "0x02A1"])
@pytest.mark.parametrize("family", PLACES)
async def test_a_session_over_a_cable(cable: Cable, tmp_path: Path, family: str, unit_class: str) -> None:
    """The unit is found by multicast, its news come by multicast before any poll, and it is charged and stopped."""
    ours, theirs = PLACES[family]
    (here, there), (card, its_card) = cable.spaces, cable.cards
    async with (
        within(there, tmp_path / "unit.log", sys.executable, UNIT, theirs, its_card, unit_class) as unit,
        within(
            here, tmp_path / "session.log", sys.executable, SESSION, str(tmp_path), ours, card, unit_class
        ) as session,
    ):
        await unit.until(event="ready")
        await session.do("available")
        await unit.say("plug")
        await session.do("occupied", patience=10)  # polls of an idle unit are 30 s apart
        await session.do("charge")
        await unit.until(event="changed", epc="DA", edt="42")
        await session.do("stop")
        await unit.say("unplug")
        await session.do("available", patience=10)
        await session.say("end")
