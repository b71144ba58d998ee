"""A target that comes with RequestStartTransaction, in customData under our vendorId (AIF 5.2)."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.clock import run_virtual
from bridge.evse import Amount, Mode
from tests.tools.station_house import profile, stage


def meant(**words: Any) -> dict[str, Any]:
    return {"customData": {"vendorId": "ocpp-echonet", **words}}


@pytest.mark.parametrize("ask_first", [False, True])
def test_a_start_says_how_far(ask_first: bool) -> None:
    """F01, F02; with AuthorizeRemoteStart the target counts when the token has been accepted."""

    async def main() -> None:
        async with stage(AuthCtrlr__AuthorizeRemoteStart=ask_first) as scene:
            assert (await scene.start(**meant(energy=5000)))["status"] == "Accepted"
            await scene.clock.sleep(1_000)
            scene.evse.plug()
            event = await scene.wait("TransactionEvent", eventType="Started")
            key = event["transactionInfo"]["transactionId"] + "/1"
            assert scene.evse.wish.amount == Amount(key, 5_000_000)

    run_virtual(main())


def test_a_start_that_discharges_says_how_far_down() -> None:
    async def main() -> None:
        async with stage() as scene:
            scene.evse.plug()
            words = meant(soc=30, direction="discharge")
            answer = await scene.start(chargingProfile=profile(-3000), **words)
            assert answer["status"] == "Accepted"
            await scene.wait("TransactionEvent", eventType="Started")
            await scene.clock.sleep(1_000)
            wish = scene.evse.wish
            assert (wish.mode, wish.amount.energy, wish.amount.soc) == (Mode.DISCHARGE, None, 30_000)

    run_virtual(main())


WRONG = [{"energy": 0}, {"soc": 101}, {"direction": "charge"}, {"soc": 80, "direction": "up"}]


@pytest.mark.parametrize("words", WRONG)
def test_a_target_that_is_none_starts_nothing(words: dict[str, Any]) -> None:
    async def main() -> None:
        async with stage() as scene:
            scene.evse.plug()
            answer = await scene.start(**meant(**words))
            assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "InvalidValue")
            await scene.clock.sleep(5_000)
            assert not scene.events
            assert (await scene.start(**meant(soc=80)))["status"] == "Accepted"

    run_virtual(main())


def test_the_target_of_a_start_that_nothing_came_of_is_gone() -> None:
    """C01.FR.26: EVConnectionTimeOut."""

    async def main() -> None:
        async with stage(TxCtrlr__EVConnectionTimeOut=20) as scene:
            assert (await scene.start(**meant(soc=80)))["status"] == "Accepted"
            await scene.clock.sleep(60_000)
            assert (await scene.start())["status"] == "Accepted"
            scene.evse.plug()
            await scene.wait("TransactionEvent", eventType="Started")
            assert scene.evse.wish.amount is None

    run_virtual(main())


def test_data_of_other_vendors_are_no_target() -> None:
    async def main() -> None:
        async with stage() as scene:
            scene.evse.plug()
            assert (await scene.start(customData={"vendorId": "com.example", "energy": 0}))["status"] == "Accepted"
            await scene.wait("TransactionEvent", eventType="Started")
            assert scene.evse.wish.amount is None

    run_virtual(main())
