"""A stop while the start is still on its way: whatever is outstanding at that moment, the unit ends up stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from bridge.sim.codec import Esv, SimFrame, decode
from bridge.sim.lan import Datagram
from bridge.sim.node import NodeConfig
from tests.tools.house import GATEWAY, TOKEN, House, run

MODE = 0xDA
STOPPED = ("44", "47")


async def sent(house: House, match: Callable[[SimFrame], bool]) -> None:
    """The gateway sends something."""
    seen = asyncio.Event()

    def tap(datagram: Datagram) -> None:
        if datagram.source == GATEWAY and match(decode(datagram.data)):
            seen.set()

    leave = house.lan.tap(tap)
    try:
        async with asyncio.timeout(600):
            await seen.wait()
    finally:
        leave()


def polls_the_mode(frame: SimFrame) -> bool:
    return frame.esv is Esv.GET and len(frame.props) > 1 and any(prop.epc == MODE for prop in frame.props)


def charges(frame: SimFrame) -> bool:
    return frame.esv is Esv.SETC and any((prop.epc, prop.edt) == (MODE, b"\x42") for prop in frame.props)


@pytest.mark.parametrize("answer_delay", [20, 700, 3_000])
@pytest.mark.parametrize("stops_after", [0.2, 0.9, 1.1, 1.9, 3.1])
def test_a_stop_behind_a_start_that_waited_behind_a_poll_stops_the_unit(answer_delay: int, stops_after: float) -> None:
    """The poll's answer, in which the unit is still stopped, comes after the start was ordered, but tells of before.

    The stop comes `stops_after` delays of an answer after the write has gone out: before it is taken, before it has
    been read back, and afterwards.
    """

    async def play(house: House) -> None:
        house.unit.plug()
        await house.told("StatusNotification", connectorStatus="Occupied")
        for number in range(4):
            await sent(house, polls_the_mode)  # often after a stop: the state is fresh, and is not asked before a start
            await house.clock.sleep(answer_delay // 3)
            since, writing = house.now, asyncio.ensure_future(sent(house, charges))
            request = {"evseId": 1, "remoteStartId": number + 1, "idToken": TOKEN}
            assert (await house.call("RequestStartTransaction", **request))["status"] == "Accepted"
            started = await house.told("TransactionEvent", since, eventType="Started")
            await writing
            await house.clock.sleep(int(answer_delay * stops_after))
            transaction = started["transactionInfo"]["transactionId"]
            assert (await house.call("RequestStopTransaction", transactionId=transaction))["status"] == "Accepted"
            await house.settle(5_000 + 3 * answer_delay)
            status = house.unit.status()
            assert (number, status["mode"] in STOPPED, status["power_w"]) == (number, True, 0), status

    run(play, node=NodeConfig(answer_delay_ms=answer_delay), strict=False)
