"""A CSMS that refuses or closes at any point of a session: nothing is lost, and the unit does as ordered."""

from __future__ import annotations

import pytest

from bridge.clock import Clock
from bridge.sim.csms import DemoCsms
from bridge.sim.csms_behaviour import Drop, Never, Refuse
from bridge.sim.csms_parts import NotConnectedError, StationTimeoutError
from tests.tools.house import MINUTE, STATION, TOKEN, House, profile, run

#: A whole session is some twenty messages of the station; each is a point at which the CSMS may close.
MESSAGES = range(1, 19)


async def _session(house: House) -> None:
    """What a CSMS does that begins each request again until it is answered."""
    house.unit.plug()
    await _asked(
        house, "RequestStartTransaction", evseId=1, remoteStartId=7, idToken=TOKEN, chargingProfile=profile(3000)
    )
    await house.unit.until(lambda unit: unit.power_w == 3000, 5 * MINUTE)
    started = await house.told("TransactionEvent", eventType="Started", timeout_ms=10 * MINUTE)
    transaction = started["transactionInfo"]["transactionId"]
    await _asked(house, "SetChargingProfile", evseId=1, chargingProfile=profile(-2000, transactionId=transaction))
    await house.unit.until(lambda unit: unit.power_w == -2000, 5 * MINUTE)
    await _asked(house, "RequestStopTransaction", transactionId=transaction)
    await house.unit.until(lambda unit: unit.power_w == 0, 5 * MINUTE)
    await house.told("TransactionEvent", eventType="Ended", timeout_ms=10 * MINUTE)
    house.unit.unplug()
    await house.told("StatusNotification", since=house.now, connectorStatus="Available", timeout_ms=10 * MINUTE)


async def _asked(house: House, action: str, **payload: object) -> None:
    for _ in range(20):
        await house.csms.wait_for(lambda: house.csms.connected(STATION), 10 * MINUTE)
        try:
            answer = await house.csms.call(STATION, action, dict(payload))
        except (NotConnectedError, StationTimeoutError):
            await house.clock.sleep(5_000)
            if action == "RequestStartTransaction" and house.station.positions[1].session.transaction_id:
                return  # it had been taken; only its answer was lost
            if action == "RequestStopTransaction" and not house.station.positions[1].session.state.authorized:
                return
            continue
        assert answer["status"] == "Accepted", answer
        return
    raise AssertionError(f"{action} was never answered")


def _whole(house: House) -> None:
    """Each event came, in order, and none after its number was answered but another."""
    numbers = list(dict.fromkeys(event["seqNo"] for event in house.csms.events()))
    assert numbers == list(range(len(numbers)))
    assert house.csms.events()[-1]["eventType"] == "Ended"
    assert len({event["transactionInfo"]["transactionId"] for event in house.csms.events()}) == 1


def _closing(at: int):  # type: ignore[no-untyped-def]
    """A CSMS that closes instead of answering the station's message number `at`."""

    def make(clock: Clock) -> DemoCsms:
        csms = DemoCsms(clock)
        count = 0

        def respond(_: object) -> Drop | None:
            nonlocal count
            count += 1
            return Drop() if count == at else None

        for action in ("BootNotification", "StatusNotification", "TransactionEvent", "Heartbeat"):
            csms.respond[action] = respond
        return csms

    return make


@pytest.mark.parametrize("at", MESSAGES)
def test_a_csms_that_closes_instead_of_its_nth_answer_loses_nothing(at: int) -> None:
    async def play(house: House) -> None:
        await _session(house)
        _whole(house)

    run(play, csms_of=_closing(at), strict=False)


@pytest.mark.parametrize("at", MESSAGES)
def test_a_csms_that_closes_after_its_nth_message_of_any_kind_loses_nothing(at: int) -> None:
    async def play(house: House) -> None:
        seen = 0

        def watch(message: object) -> None:
            nonlocal seen
            seen += 1
            if seen == at * 3:
                house.csms._spawn(house.csms.drop(STATION))

        house.csms.on_message.append(watch)
        await _session(house)
        _whole(house)

    run(play, strict=False)


@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_csms_that_refuses_its_nth_event_gets_it_again(at: int) -> None:
    async def play(house: House) -> None:
        count = 0

        def respond(_: object) -> Refuse | None:
            nonlocal count
            count += 1
            return Refuse("InternalError", "try again") if count == at else None

        house.csms.respond["TransactionEvent"] = respond
        await _session(house)
        _whole(house)

    run(play, strict=False)


def test_a_csms_that_never_answers_an_event_gets_it_again_after_the_timeout() -> None:
    async def play(house: House) -> None:
        house.csms.respond["TransactionEvent"] = [Never()]
        await _session(house)
        _whole(house)

    run(play, strict=False)


def test_a_csms_that_takes_no_boot_is_asked_again_and_the_unit_is_read_meanwhile() -> None:
    def pending(clock: Clock) -> DemoCsms:
        csms = DemoCsms(clock, interval=30)
        csms.habits.boot = ["Rejected", "Rejected", "Pending"]
        return csms

    async def play(house: House) -> None:
        await house.settle(10_000)
        assert house.gateway.units.runners["car"].unit.observed.reachable
        assert house.csms.received("StatusNotification") == []
        await house.told("StatusNotification", connectorStatus="Available", timeout_ms=5 * MINUTE)

    run(play, csms_of=pending, wait=False)


def test_a_csms_that_is_dark_from_the_start_is_dialled_until_it_is_there() -> None:
    def dark(clock: Clock) -> DemoCsms:
        csms = DemoCsms(clock)
        csms.dark = True
        return csms

    async def play(house: House) -> None:
        await house.settle(30 * MINUTE)
        house.unit.plug()
        house.csms.come_back()
        await house.told("StatusNotification", connectorStatus="Occupied", timeout_ms=20 * MINUTE)

    run(play, csms_of=dark, wait=False)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "[2]", '[9,"a"]', '[2,"a","Nonsense",{}]', '[3,"b",{}]', "x" * 200_000]
)
def test_bad_messages_of_the_csms_leave_the_session_running(text: str) -> None:
    async def play(house: House) -> None:
        transaction = await house.start(3000)
        for _ in range(5):
            await house.csms.send_raw(STATION, text)
            await house.clock.sleep(100)
        await house.settle(5_000)
        assert house.unit.power_w == 3000
        await house.csms.wait_for(lambda: house.csms.connected(STATION))
        assert (await house.call("RequestStopTransaction", transactionId=transaction))["status"] == "Accepted"
        await house.told("TransactionEvent", eventType="Ended")

    run(play, strict=False)
