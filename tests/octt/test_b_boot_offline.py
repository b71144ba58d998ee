"""B04: what a station that was offline tells of its connectors (TC_B_51, 52)."""

from __future__ import annotations

import pytest

from tests.octt.harness import Octt, case

#: The laboratory's OfflineThreshold (s).
THRESHOLD = 30


async def _configure(octt: Octt, wait: int) -> None:
    await octt.configure(
        {
            "OCPPCommCtrlr.OfflineThreshold": THRESHOLD,
            "OCPPCommCtrlr.RetryBackOffWaitMinimum": wait,
            "OCPPCommCtrlr.RetryBackOffRandomRange": 0,
        }
    )


@pytest.mark.covers("TC_B_51_CS")
@case(evses=3)
async def test_after_a_long_time_offline_every_connector_is_reported(octt: Octt) -> None:
    """Longer than OfflineThreshold: all connectors, changed or not, and no BootNotification."""
    await _configure(octt, THRESHOLD + 2)
    octt.clear()
    await octt.offline()
    octt.plug(1)
    await octt.wait(2)
    octt.online()
    await octt.reconnected()
    await octt.expect("StatusNotification", evse=1, connectorStatus="Occupied", connectorId=1, evseId=1)
    for evse in (2, 3):
        await octt.expect("StatusNotification", evse=evse, connectorStatus="Available", connectorId=1)
    await octt.never("BootNotification", 30)
    await octt.never("StatusNotification", 30)


@pytest.mark.covers("TC_B_52_CS")
@case(evses=3)
async def test_after_a_short_time_offline_only_what_changed_is_reported(octt: Octt) -> None:
    """Shorter than OfflineThreshold: the connector that changed, and no other."""
    await _configure(octt, THRESHOLD - 2)
    octt.clear()
    await octt.offline()
    octt.plug(1)
    await octt.wait(2)
    octt.online()
    await octt.reconnected()
    await octt.expect("StatusNotification", evse=1, connectorStatus="Occupied", connectorId=1, evseId=1)
    await octt.never("StatusNotification", 60)
    await octt.never("BootNotification")


@pytest.mark.covers("TC_B_52_CS")
@case()
async def test_what_changed_and_changed_back_is_not_reported(octt: Octt) -> None:
    """B04.FR.02: a connector that is as the CSMS knows it has nothing to tell."""
    await _configure(octt, THRESHOLD - 2)
    octt.clear()
    await octt.offline()
    octt.plug(1)
    await octt.wait(10)
    octt.unplug(1)
    await octt.wait(10)
    octt.online()
    await octt.reconnected()
    await octt.never("StatusNotification", 60)
