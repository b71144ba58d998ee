"""What a CSMS is answered while the store takes nothing, and that nothing is forgotten by it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.clock import Clock, run_virtual
from bridge.errors import StoreError
from bridge.evse import Mode
from bridge.store.keeper import Keeper
from bridge.store.sqlite import open_store
from tests.tools.station_house import STATION, Stage, profile, stage

FULL = "the disk is full"
#: Everything that changes the store.
WRITES = (
    "record",
    "update_transaction",
    "enqueue",
    "put_profile",
    "delete_profiles",
    "put_settings",
    "put_authorizations",
)


@contextmanager
def refusing(scene: Stage, *names: str) -> Iterator[None]:
    """A store whose writes of these kinds (all by default) fail."""

    async def refuse(*_: Any, **__: Any) -> None:
        raise StoreError(FULL)

    for name in names or WRITES:
        setattr(scene.store, name, refuse)
    try:
        yield
    finally:
        for name in names or WRITES:
            delattr(scene.store, name)


def played(act: Callable[[Stage], Coroutine[Any, Any, None]], **variables: Any) -> None:
    async def main() -> None:
        async with stage(**variables) as scene:
            await act(scene)

    run_virtual(main())


def test_a_start_is_refused_when_its_limit_cannot_be_kept() -> None:
    """Energy without the bound that the CSMS has set for it must not flow (F01.FR.26)."""

    async def act(scene: Stage) -> None:
        scene.evse.plug()
        with refusing(scene, "put_profile"):
            answer = await scene.start(chargingProfile=profile(2000))
        assert answer["status"] == "Rejected"
        assert answer["statusInfo"] == {"reasonCode": "OutOfStorage", "additionalInfo": FULL}
        assert all(wish.mode is not Mode.CHARGE for wish in scene.evse.wishes)
        assert not scene.events

    played(act)


def test_a_stop_is_carried_out_and_answered_whatever_the_store_says() -> None:
    """F03: neither the answer nor the unit waits for a disk; what was kept late is kept all the same."""

    async def act(scene: Stage) -> None:
        scene.evse.plug()
        await scene.start()
        started = await scene.wait("TransactionEvent", eventType="Started")
        transaction = started["transactionInfo"]["transactionId"]
        scene.evse.flow(3000)
        with refusing(scene):
            answer = await scene.call("RequestStopTransaction", transactionId=transaction)
            assert answer == {"status": "Accepted"}
            assert scene.evse.wish.mode is Mode.PAUSE  # the transaction goes on until the plug is out
        await scene.clock.sleep(5_000)
        (row,) = await scene.store.transactions(STATION)
        assert '"authorized":false' in row.state

    played(act, TxCtrlr__TxStopPoint="EVConnected")


def test_no_start_is_taken_while_events_wait_for_the_store() -> None:
    async def act(scene: Stage) -> None:
        with refusing(scene, "record"):
            scene.evse.plug()  # TxStartPoint EVConnected: a Started event that cannot be kept
            await scene.clock.sleep(1_000)
            answer = await scene.start()
            assert answer["statusInfo"]["reasonCode"] == "OutOfStorage"
        await scene.clock.sleep(120_000)
        assert (await scene.start())["status"] == "Accepted"
        assert [event["seqNo"] for event in scene.events][:2] == [0, 1]

    played(act, TxCtrlr__TxStartPoint="EVConnected")


def test_an_answer_waits_for_an_unwilling_store_five_seconds_at_most() -> None:
    async def act(scene: Stage) -> None:
        scene.evse.plug()
        began = scene.clock.monotonic()
        with refusing(scene, "record"):
            assert (await scene.start())["status"] == "Accepted"
            assert scene.clock.monotonic() - began == pytest.approx(5_000, abs=200)
        started = await scene.wait("TransactionEvent", eventType="Started")
        assert started["seqNo"] == 0

    played(act)


def test_availability_that_cannot_be_kept_is_not_promised() -> None:
    """G03.FR.08: it would not outlive a restart."""

    async def act(scene: Stage) -> None:
        with refusing(scene, "put_settings"):
            answer = await scene.call("ChangeAvailability", operationalStatus="Inoperative")
        assert answer["status"] == "Rejected"
        assert answer["statusInfo"]["reasonCode"] == "OutOfStorage"
        assert (await scene.start())["status"] == "Accepted"

    played(act)


@pytest.mark.parametrize(
    ("change", "name", "value"),
    [
        (lambda scene: scene.evse.plug(), "evse.1.connected", "True"),
        (lambda scene: scene.evse.plug(), "evse.1.connector", "Occupied"),
        (lambda scene: scene.station.wishes.set_hands_off(1, True), "EVSE.HandsOff", "true"),
    ],
)
def test_what_nobody_waits_for_is_kept_when_the_store_recovers(
    change: Callable[[Stage], None], name: str, value: str
) -> None:
    async def act(scene: Stage) -> None:
        with refusing(scene, "put_settings"):
            change(scene)
            await scene.clock.sleep(60_000)
        await scene.clock.sleep(20_000)
        kept = await scene.store.settings(STATION)
        assert value in [text for key, text in kept.items() if name in key]

    played(act)


def test_meter_values_outside_of_transactions_wait_with_queue_all_messages() -> None:
    """J01, OCPPCommCtrlr.QueueAllMessages: an outage of an hour is told afterwards, in its order."""

    async def act(scene: Stage) -> None:
        scene.evse.show(power=None, energy_in=None)
        scene.evse.flow(0)
        await scene.clock.sleep(1_000)
        await scene.csms.go_dark()
        await scene.clock.sleep(3_600_000)
        before = len(scene.csms.received("MeterValues"))
        scene.csms.come_back()
        await scene.clock.sleep(120_000)
        stamps = [m["meterValue"][0]["timestamp"] for m in scene.csms.received("MeterValues")[before:]]
        assert len(stamps) >= 4
        assert stamps == sorted(stamps)

    played(
        act,
        OCPPCommCtrlr__QueueAllMessages=True,
        AlignedDataCtrlr__Interval=900,
        AlignedDataCtrlr__Measurands="Power.Active.Import",
    )


def test_a_value_that_is_written_now_is_not_overtaken_by_an_older_one() -> None:
    """What waits under the same name is older than what a caller writes; but it comes back if that fails."""

    async def main() -> None:
        store = await open_store(Path(":memory:"), inline=True)
        clock, keeper = Clock(), Keeper(store)
        good = store.put_settings

        async def refuse(owner: str, values: Mapping[str, str | None]) -> None:
            raise StoreError(FULL)

        store.put_settings = refuse  # type: ignore[method-assign]
        keeper.put("a", {"x": "old", "y": "kept"})
        await clock.sleep(1_000)
        with pytest.raises(StoreError):
            await keeper.write("a", {"x": "lost"})
        store.put_settings = good  # type: ignore[method-assign]
        await clock.sleep(11_000)
        assert await store.settings("a") == {"x": "old", "y": "kept"}
        store.put_settings = refuse  # type: ignore[method-assign]
        keeper.put("a", {"x": "older", "y": "later"})
        await clock.sleep(1_000)
        store.put_settings = good  # type: ignore[method-assign]
        await keeper.write("a", {"x": "new"})
        await clock.sleep(30_000)
        assert await store.settings("a") == {"x": "new", "y": "later"}
        await keeper.close()

    run_virtual(main())
