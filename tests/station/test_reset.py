"""What is answered to a reset, and what a store that takes nothing means for it."""

from __future__ import annotations

import pytest

from bridge.clock import run_virtual
from bridge.errors import StoreError
from bridge.station.messages import BootReason, Reset, ResetRequest
from bridge.station.reset import boot_reason, judge
from tests.tools.station_house import stage


@pytest.mark.parametrize(
    ("kind", "evse", "busy", "status"),
    [
        (Reset.ON_IDLE, None, set(), "Accepted"),
        (Reset.ON_IDLE, None, {2}, "Scheduled"),
        (Reset.ON_IDLE, 1, {2}, "Accepted"),
        (Reset.ON_IDLE, 2, {2}, "Scheduled"),
        (Reset.IMMEDIATE, None, {1, 2}, "Accepted"),
        (Reset.IMMEDIATE, 2, {2}, "Accepted"),
        (Reset.IMMEDIATE, 3, set(), "Rejected"),
        (Reset.ON_IDLE, 0, set(), "Rejected"),
    ],
)
def test_the_answer(kind: Reset, evse: int | None, busy: set[int], status: str) -> None:
    assert judge(ResetRequest(kind, evse), {1, 2}, busy).status == status


def test_the_boot_reason_is_what_was_kept() -> None:
    assert boot_reason({}) is BootReason.POWER_UP
    assert boot_reason({"boot.reason": "ScheduledReset"}) is BootReason.SCHEDULED_RESET
    assert boot_reason({"boot.reason": "of a newer gateway"}) is BootReason.UNKNOWN


def test_a_reset_that_cannot_be_kept_is_not_promised() -> None:
    """B11.FR.06: a full disk would forget it."""

    async def main() -> None:
        async with stage() as scene:

            async def full(*_: object) -> None:
                raise StoreError("the disk is full")

            scene.station.store.put_settings = full
            answer = await scene.call("Reset", type="Immediate")
            assert answer["status"] == "Rejected"
            assert answer["statusInfo"]["reasonCode"] == "OutOfStorage"
            await scene.clock.sleep(60_000)
            assert len(scene.csms.received("BootNotification")) == 1
            network = {
                "messageTimeout": 30,
                "ocppCsmsUrl": "ws://other/",
                "ocppInterface": "Wired0",
                "ocppVersion": "OCPP20",
                "ocppTransport": "JSON",
                "securityProfile": 1,
            }
            answer = await scene.call("SetNetworkProfile", configurationSlot=2, connectionData=network)
            assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Failed", "OutOfStorage")

    run_virtual(main())


def test_a_reset_while_the_connection_breaks_still_happens() -> None:
    """The CSMS closes right after its request: the station boots all the same when it is back."""

    async def main() -> None:
        async with stage() as scene:
            await scene.call("Reset", type="Immediate")
            await scene.csms.drop("CS-1")
            await scene.csms.wait_message("BootNotification", lambda p: p["reason"] == "RemoteReset", timeout_ms=60_000)
            await scene.clock.sleep(60_000)
            assert len(scene.csms.received("BootNotification")) == 2

    run_virtual(main())


def test_a_station_that_has_failed_and_is_begun_again_says_so() -> None:
    """The supervisor runs it anew: ApplicationReset."""
    import asyncio

    async def main() -> None:
        async with stage() as scene:

            async def broken() -> None:
                raise RuntimeError("a bug")

            scene.station.delivery.run = broken
            again = asyncio.ensure_future(scene.station.run())
            await asyncio.gather(again, return_exceptions=True)
            del scene.station.delivery.run
            await scene.csms.wait_message(
                "BootNotification", lambda p: p["reason"] == "ApplicationReset", timeout_ms=60_000
            )

    run_virtual(main())
