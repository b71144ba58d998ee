"""The CSMS's clock jumps by hours, forward and back, within a transaction: what is counted in time goes on as it was.

Time stamps follow the CSMS's clock, as it is the only one that counts; numbers, intervals, relative schedules and the
order of events go by the machine's monotonic clock, which does not jump.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from bridge.clock import Clock
from bridge.sim.csms import CALL, DemoCsms, Message
from bridge.sim.csms_ledger import parse_time
from tests.tools.house import MINUTE, TOKEN, House, profile, run, site

HOUR = 60 * MINUTE
#: How far the CSMS's clock jumps, in ms, one after the other.
JUMPS = [(5 * HOUR,), (-49 * HOUR,), (3 * HOUR, -3 * HOUR)]
#: Only with --soak: over a day's end, there and back, by what is no multiple of a slot, further than any period.
MORE = [
    (HOUR,), (-HOUR,), (-5 * HOUR,), (25 * HOUR,), (-3 * HOUR, 3 * HOUR), (23 * HOUR, -47 * HOUR, 24 * HOUR),
    (7 * MINUTE + 13_000, -(7 * MINUTE + 13_000)), (HOUR // 2, HOUR // 2), (-HOUR // 4, -HOUR // 4), (400 * 24 * HOUR,),
]  # fmt: skip
#: The interval of aligned values, s.
_SLOT = 300
_ON_REQUEST = [pytest.param(jumps, marks=pytest.mark.soak) for jumps in MORE]
ALL = [*JUMPS, *_ON_REQUEST]
#: Hours on the virtual clock take their time: the first one in every run, all of them under --soak.
SOME = [JUMPS[0], *(pytest.param(jumps, marks=pytest.mark.soak) for jumps in JUMPS[1:]), *_ON_REQUEST]


def _csms(clock: Clock) -> DemoCsms:
    return DemoCsms(clock, interval=60)


def _site() -> Any:
    return site(variables={"AlignedDataCtrlr.Interval": _SLOT, "SampledDataCtrlr.TxUpdatedInterval": 60})


def _events(house: House, trigger: str | None = None, since: int = 0) -> list[tuple[int, dict[str, Any]]]:
    """(when it came, the event)."""
    return [
        (message.t, message.payload)
        for message in house.csms.messages[since:]
        if _is_event(message) and trigger in (None, message.payload["triggerReason"])
    ]


def _is_event(message: Message) -> bool:
    return message.direction == "in" and message.frame[0] == CALL and message.action == "TransactionEvent"


async def _begin(house: House, **schedule: Any) -> str:
    house.unit.plug()
    await house.told("StatusNotification", connectorStatus="Occupied")
    wanted = profile(3000)
    wanted["chargingSchedule"][0] |= schedule
    await house.call("RequestStartTransaction", evseId=1, remoteStartId=7, idToken=TOKEN, chargingProfile=wanted)
    event = await house.told("TransactionEvent", transactionInfo__chargingState="Charging")
    await house.settle(5 * MINUTE)
    return str(event["transactionInfo"]["transactionId"])


async def _jump(house: House, jumps: tuple[int, ...], pause: int = 6 * MINUTE) -> list[int]:
    """Jump, with a pause after each; when each was."""
    jumped = []
    for jump in jumps:
        jumped.append(house.clock.monotonic())
        house.csms.habits.clock_offset += jump
        await house.settle(pause)
    return jumped


def _end(house: House, jumped: list[int]) -> None:
    """All numbers, once each, in order; and nothing to blame but the time that went back with the clock.

    What is stamped before the next heartbeat (60 s) has told the station of that has not come yet by the new time.
    """
    numbers = [event["seqNo"] for _, event in _events(house)]
    assert numbers == list(range(len(numbers)))
    kinds = [event["eventType"] for _, event in _events(house)]
    assert kinds == ["Started", *["Updated"] * (len(kinds) - 2), "Ended"]
    faults = [fault for fault in house.csms.violations if "time went back" not in fault]
    early = [fault for fault in faults if "has not come yet" in fault]
    assert faults == early
    assert all(any(0 <= int(fault.split()[0]) - at <= MINUTE for at in jumped) for fault in early), early


@pytest.mark.parametrize("jumps", ALL)
def test_order_numbers_and_intervals_go_on_over_a_jump(jumps: tuple[int, ...]) -> None:
    async def play(house: House) -> None:
        transaction = await _begin(house)
        jumped = await _jump(house, jumps)
        assert house.unit.power_w == 3000
        times = [at for at, _ in _events(house, "MeterValuePeriodic")]
        steps = [later - earlier for earlier, later in pairwise(times)]
        assert all(abs(step - MINUTE) < 2_000 for step in steps), steps
        await house.call("RequestStopTransaction", transactionId=transaction)
        await house.told("TransactionEvent", eventType="Ended")
        _end(house, jumped)

    run(play, csms_of=_csms, config=_site(), strict=False)


@pytest.mark.parametrize("jumps", SOME)
def test_aligned_values_do_not_burst(jumps: tuple[int, ...]) -> None:
    async def play(house: House) -> None:
        transaction = await _begin(house)
        since = house.now
        jumped = await _jump(house, jumps, 2 * _SLOT * 1000)
        clocked = _events(house, "MeterValueClock", since)
        pauses = len(jumps)
        assert 2 * pauses - 1 <= len(clocked) <= 2 * pauses + pauses, [at for at, _ in clocked]
        for at, event in clocked:
            slot = parse_time(event["meterValue"][0]["timestamp"])
            assert slot.timestamp() % _SLOT == 0
            assert abs(parse_time(event["timestamp"]) - slot) <= timedelta(seconds=_SLOT)
            assert sum(abs(other - at) < MINUTE for other, _ in clocked) <= 2
        await house.call("RequestStopTransaction", transactionId=transaction)
        await house.told("TransactionEvent", eventType="Ended")
        _end(house, jumped)

    run(play, csms_of=_csms, config=_site(), strict=False)


@pytest.mark.parametrize("jumps", SOME)
def test_a_relative_schedule_is_as_long_as_it_was(jumps: tuple[int, ...]) -> None:
    """It counts from the moment at which power could flow (K01.FR.41), which has not moved."""

    async def play(house: House) -> None:
        length = 12 * 60 + 360 * len(jumps)
        periods = [{"startPeriod": 0, "limit": 3000}, {"startPeriod": length, "limit": 2000}]
        began = house.clock.monotonic()
        await _begin(house, chargingSchedulePeriod=periods)
        await _jump(house, jumps)
        assert house.unit.power_w == 3000
        await house.settle(began + length * 1000 - house.clock.monotonic() - 2 * MINUTE)
        assert house.unit.power_w == 3000
        await house.settle(4 * MINUTE)
        assert house.unit.power_w == 2000

    run(play, csms_of=_csms, config=_site(), strict=False)


def test_a_vehicle_is_awaited_as_long_as_it_was() -> None:
    async def play(house: House) -> None:
        await house.call("RequestStartTransaction", evseId=1, remoteStartId=7, idToken=TOKEN)
        house.csms.habits.clock_offset += 5 * HOUR
        await house.settle(90_000)
        assert house.station.positions[1].session.state.authorized
        await house.settle(200_000)
        assert not house.station.positions[1].session.state.authorized

    variables = {"TxCtrlr.EVConnectionTimeOut": 240}
    run(play, csms_of=_csms, config=site(variables=variables), strict=False)
