"""Part 4, 5.3: how a station comes back (TC_B_57)."""

from __future__ import annotations

import pytest

from tests.octt.harness import Octt, case

WAIT = 4


async def _configure(octt: Octt, *, spread: int = 0, attempts: int = 3, repeats: int = 2, wait: int = WAIT) -> None:
    await octt.configure(
        {
            "OCPPCommCtrlr.NetworkProfileConnectionAttempts": attempts,
            "OCPPCommCtrlr.RetryBackOffRepeatTimes": repeats,
            "OCPPCommCtrlr.RetryBackOffRandomRange": spread,
            "OCPPCommCtrlr.RetryBackOffWaitMinimum": wait,
        }
    )
    octt.clear()


@pytest.mark.covers("TC_B_57_CS")
@case()
async def test_each_failed_attempt_doubles_the_wait_and_a_connection_ends_that(octt: Octt) -> None:
    """The first attempt after the least wait, the second after twice that; after a connection it begins anew."""
    await _configure(octt)
    lost = octt.clock.monotonic()
    await octt.drop()
    await octt.reconnected()
    first = octt.dials[-1].at - lost
    assert WAIT * 1000 <= first < WAIT * 1000 + 500
    await octt.wait(1)

    count = len(octt.dials)
    lost = octt.clock.monotonic()
    await octt.offline()
    await octt.until(lambda: len(octt.dials) > count, 60, "the attempt that fails")
    second = octt.dials[-1].at - lost
    octt.online()
    await octt.reconnected()
    third = octt.dials[-1].at - octt.dials[-2].at
    assert len(octt.dials) == count + 2
    assert WAIT * 1000 <= second < WAIT * 1000 + 500
    assert third >= 2 * second - 10
    await octt.never("BootNotification", 10)  # Part 4, 5.3: nothing in it has changed


@pytest.mark.covers("TC_B_57_CS")
@case()
async def test_the_wait_stops_growing_after_the_repeat_times(octt: Octt) -> None:
    """RetryBackOffRepeatTimes doublings, then the last wait for ever."""
    await _configure(octt, attempts=2)
    count = len(octt.dials)
    await octt.offline(200)
    waits = [b.at - a.at for a, b in zip(octt.dials[count:], octt.dials[count + 1 :], strict=False)]
    assert [round(wait / 1000) for wait in waits[:5]] == [8, 16, 16, 16, 16]


@case()
async def test_every_wait_has_its_random_part(octt: Octt) -> None:
    """RetryBackOffRandomRange at every dial: ten thousand homes do not come back in one second."""
    await _configure(octt, spread=20, repeats=0)
    waits = []
    for _ in range(12):
        lost = octt.clock.monotonic()
        await octt.drop()
        await octt.reconnected()
        waits.append(octt.dials[-1].at - lost)
        await octt.wait(1)
    assert all(WAIT * 1000 <= wait <= (WAIT + 20) * 1000 + 500 for wait in waits)
    assert len({wait // 1000 for wait in waits}) > 5, waits
