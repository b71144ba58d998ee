"""Our gateway on one machine and npm's echonet-lite on another, with real multicast: `--netns --peers`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.netns.cable import PLACES, Cable, within
from tests.peers import programs

pytestmark = [pytest.mark.netns, pytest.mark.peers]

SESSION = str(Path(__file__).with_name("session.py"))


@pytest.mark.parametrize("family", PLACES)
async def test_the_device_is_found_read_and_switched(cable: Cable, tmp_path: Path, family: str) -> None:
    """It announces nothing at its start on IPv6, so it is found by our search; its news come by its own multicast."""
    programs.install_packages()
    node = shutil.which("node")
    assert node is not None
    ours, theirs = PLACES[family]
    (here, there), (card, its_card) = cable.spaces, cable.cards
    device_js = str(programs.HERE / "device.js")
    async with (
        within(there, tmp_path / "device.log", node, device_js, theirs, its_card) as device,
        within(here, tmp_path / "session.log", sys.executable, SESSION, str(tmp_path), ours, card, "0x027E") as session,
    ):
        await device.until(event="ready")
        await session.do("available")
        await device.say("plug 50")
        await session.do("occupied", patience=10)  # polls of an idle unit are 30 s apart
        await session.do("charge")
        await device.until(event="changed", epc="da", edt="42")
        await session.do("stop")
        await device.say("unplug")
        await session.do("available", patience=10)
        await session.say("end")
        await device.say("quit")
