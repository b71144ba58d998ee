"""Block J: clock-aligned and sampled meter values (J01, J02)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.sim.csms_ledger import parse_time
from tests.octt.harness import DEVIATION, Octt, case

INTERVAL = 60
#: A vehicle on its way, with everything on that could send values beside those of a case.
QUIET = {
    "SampledDataCtrlr.TxUpdatedInterval": 0,
    "SampledDataCtrlr.TxEndedInterval": 0,
    "AlignedDataCtrlr.Interval": 0,
    "AlignedDataCtrlr.TxEndedInterval": 0,
    "AlignedDataCtrlr.TxEndedMeasurands": "",
    "AlignedDataCtrlr.SendDuringIdle": False,
}
REGISTERS = "Energy.Active.Import.Register,Energy.Active.Export.Register"


def times(values: Iterable[dict[str, Any]]) -> list[datetime]:
    """The instants of meter values, each once."""
    return sorted({parse_time(value["timestamp"]) for value in values})


def check_value(value: dict[str, Any], measurands: str, contexts: set[str]) -> None:
    """An element for each measurand that is configured and no other, all of these contexts; only SoC is in the EV."""
    told = value["sampledValue"]
    assert {one.get("measurand", "Energy.Active.Import.Register") for one in told} == set(measurands.split(","))
    assert {one["context"] for one in told} <= contexts, told
    check_locations([value])


def check_locations(values: Iterable[dict[str, Any]]) -> None:
    """Errata 6.2.58."""
    for value in values:
        for one in value["sampledValue"]:
            assert one.get("location") != "EV" or one["measurand"] == "SoC", one


def check_aligned(instants: list[datetime], interval: int, zone: str = "UTC") -> None:
    """Every instant is on a slot of the zone's day, to the millisecond, and they follow each other by the interval."""
    for instant in instants:
        local = instant.astimezone(ZoneInfo(zone))
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        assert (local - midnight) % timedelta(seconds=interval) == timedelta(), local
    assert_apart(instants, interval, 0)


def assert_apart(instants: list[datetime], seconds: int, deviation: float = DEVIATION) -> None:
    """They follow each other by so much."""
    assert len(instants) >= 2, instants
    for one, other in pairwise(instants):
        assert abs((other - one).total_seconds() - seconds) <= deviation, instants


def values_of(calls: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """All meter values of messages."""
    return [value for call in calls for value in call.get("meterValue", [])]


@pytest.mark.covers("TC_J_01_CS")
@case(evses=2, variables=QUIET)
async def test_aligned_values_without_a_transaction(octt: Octt) -> None:
    """MeterValues of each EVSE at every instant of the interval; the instants are the day's slots exactly."""
    wanted = "Energy.Active.Import.Register,Power.Active.Import"
    await octt.configure({"AlignedDataCtrlr.Measurands": wanted, "AlignedDataCtrlr.Interval": INTERVAL})
    for evse in (1, 2):
        for _ in range(3):
            told = await octt.expect("MeterValues", INTERVAL + 5, evse=evse)
            check_value(told["meterValue"][0], wanted, {"Sample.Clock"})
    both = [times(values_of(octt.all_of("MeterValues", evse)))[:3] for evse in (1, 2)]
    assert both[0] == both[1]
    check_aligned(both[0], INTERVAL)


@pytest.mark.covers("TC_J_02_CS")
@case(evses=2, variables=QUIET)
async def test_aligned_values_while_a_transaction_goes_on(octt: Octt) -> None:
    """The EVSE with a transaction tells them with TransactionEvents, the idle one with MeterValues."""
    wanted = "Energy.Active.Import.Register,Power.Active.Import,SoC"
    await octt.energy_transfer_started(1)
    await octt.configure({"AlignedDataCtrlr.Measurands": wanted, "AlignedDataCtrlr.Interval": INTERVAL})
    for _ in range(3):
        event = await octt.event(1, INTERVAL + 5, triggerReason="MeterValueClock", eventType="Updated")
        check_value(event["meterValue"][0], wanted, {"Sample.Clock"})
    clocked = [e for e in octt.all_of("TransactionEvent") if e["triggerReason"] == "MeterValueClock"]
    check_aligned(times(values_of(clocked)), INTERVAL)
    idle = octt.all_of("MeterValues", 2)
    check_aligned(times(values_of(idle)), INTERVAL)
    check_locations(values_of([*clocked, *idle]))
    assert not octt.all_of("MeterValues", 1)


@pytest.mark.covers("TC_J_03_CS")
@case(variables=QUIET)
async def test_aligned_values_for_the_end_of_a_transaction(octt: Octt) -> None:
    """They are collected while it goes on, and all go with its Ended event."""
    await octt.configure(
        {
            "AlignedDataCtrlr.TxEndedInterval": INTERVAL,
            "AlignedDataCtrlr.TxEndedMeasurands": REGISTERS,
            "SampledDataCtrlr.TxEndedMeasurands": "",
        }
    )
    await octt.energy_transfer_started()
    await octt.wait(5 * INTERVAL)
    await octt.parking_bay_unoccupied()
    ended = octt.all_of("TransactionEvent")[-1]
    assert ended["eventType"] == "Ended"
    assert len(ended["meterValue"]) in (5, 6)
    for value in ended["meterValue"]:
        check_value(value, REGISTERS, {"Sample.Clock"})
    check_aligned(times(ended["meterValue"]), INTERVAL)
    energy = [value["sampledValue"][0]["value"] for value in ended["meterValue"]]
    assert energy == sorted(energy)
    assert energy[-1] > energy[0]


@pytest.mark.covers("TC_J_06_CS")
@case(evses=2, variables=QUIET | {"AlignedDataCtrlr.SendDuringIdle": True})
async def test_aligned_values_only_while_nothing_goes_on(octt: Octt) -> None:
    """With SendDuringIdle a transaction silences them, of every EVSE; before and after it they come."""
    wanted = f"{REGISTERS},Power.Active.Import"
    await octt.set_variable("AlignedDataCtrlr.Measurands", wanted)
    for name in ("TxStartedMeasurands", "TxUpdatedMeasurands", "TxEndedMeasurands"):
        await octt.set_variable(f"SampledDataCtrlr.{name}", "")
    await octt.configure({"AlignedDataCtrlr.Interval": INTERVAL, "AlignedDataCtrlr.SendDuringIdle": True})
    for _ in range(2):
        told = await octt.expect("MeterValues", INTERVAL + 5, evse=1)
        check_value(told["meterValue"][0], wanted, {"Sample.Clock"})
    check_aligned(times(values_of(octt.all_of("MeterValues", 1))), INTERVAL)
    await octt.energy_transfer_started(1)
    octt.clear("MeterValues")
    await octt.wait(INTERVAL + 5)
    await octt.never("MeterValues", 2 * INTERVAL)
    await octt.parking_bay_unoccupied(1)
    assert not values_of(octt.all_of("TransactionEvent"))
    later = [await octt.expect("MeterValues", INTERVAL + 5, evse=1) for _ in range(2)]
    for told in later:
        check_value(told["meterValue"][0], wanted, {"Sample.Clock"})
    check_aligned(times(values_of(later)), INTERVAL)


@pytest.mark.covers("TC_J_07_CS")
@pytest.mark.parametrize("point", ["EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer"])
@case(variables=QUIET)
async def test_values_at_the_start(octt: Octt, point: str) -> None:
    """With the EVSE known the Started event carries TxStartedMeasurands with context Transaction.Begin. A unit tells
    the state of charge of a vehicle only once it is there: at its very arrival (EVConnected) nobody knows it."""
    wanted = f"{REGISTERS},Power.Active.Import" + ("" if point == "EVConnected" else ",SoC")
    await octt.set_variable("TxCtrlr.TxStartPoint", point)
    await octt.set_variable("SampledDataCtrlr.TxStartedMeasurands", wanted)
    await octt.ev_connected_pre_session()
    await octt.wait(10)  # the vehicle's state of charge is read
    await octt.energy_transfer_started()
    started = octt.all_of("TransactionEvent")[0]
    assert started["eventType"] == "Started"
    assert len(started["meterValue"]) == 1
    check_value(started["meterValue"][0], wanted, {"Transaction.Begin"})


@pytest.mark.covers("TC_J_08_CS")
@case(variables=QUIET)
async def test_values_as_soon_as_the_evse_is_known(octt: Octt) -> None:
    """A transaction that starts before the vehicle is there has none at first, then those of the start."""
    await octt.set_variable("TxCtrlr.TxStartPoint", "Authorized")
    await octt.set_variable("SampledDataCtrlr.TxStartedMeasurands", REGISTERS)
    await octt.energy_transfer_started()
    started, connected = octt.all_of("TransactionEvent")[:2]
    assert (started["eventType"], started.get("evse"), started.get("meterValue")) == ("Started", None, None)
    assert connected["evse"] == {"id": 1, "connectorId": 1}
    check_value(connected["meterValue"][0], REGISTERS, {"Transaction.Begin"})


@pytest.mark.covers("TC_J_09_CS")
@case(variables=QUIET)
async def test_values_while_it_goes_on(octt: Octt) -> None:
    """At every TxUpdatedInterval an Updated event with TxUpdatedMeasurands and context Sample.Periodic."""
    wanted = f"{REGISTERS},Power.Active.Import,SoC"
    await octt.set_variable("SampledDataCtrlr.TxUpdatedMeasurands", wanted)
    await octt.set_variable("SampledDataCtrlr.TxUpdatedInterval", 20)
    await octt.energy_transfer_started()
    events = [await octt.event(1, 25, triggerReason="MeterValuePeriodic", eventType="Updated") for _ in range(5)]
    values = values_of(events)
    assert len(values) == 5
    for value in values:
        check_value(value, wanted, {"Sample.Periodic"})
    assert_apart(times(values), 20)


@pytest.mark.covers("TC_J_10_CS")
@case(variables=QUIET)
async def test_values_at_the_end(octt: Octt) -> None:
    """Samples since the start at every TxEndedInterval, and one of the end itself, go with the Ended event."""
    await octt.configure(
        {
            "SampledDataCtrlr.TxEndedInterval": 20,
            "SampledDataCtrlr.TxEndedMeasurands": REGISTERS,
            "AlignedDataCtrlr.TxEndedMeasurands": "",
        }
    )
    await octt.energy_transfer_started()
    await octt.wait(100)
    await octt.parking_bay_unoccupied()
    ended = octt.all_of("TransactionEvent")[-1]
    assert ended["eventType"] == "Ended"
    *samples, last = ended["meterValue"]
    for value in samples:
        check_value(value, REGISTERS, {"Sample.Periodic"})
    check_value(last, REGISTERS, {"Transaction.End"})
    assert_apart(times(samples), 20)
    assert parse_time(last["timestamp"]) - parse_time(samples[-1]["timestamp"]) <= timedelta(seconds=20 + DEVIATION)
    check_locations(ended["meterValue"])


# -- beyond Part 6


@case(variables=QUIET)
async def test_without_an_interval_the_end_has_the_values_of_both_ends(octt: Octt) -> None:
    """E06: TxEndedInterval 0 leaves those of the start and of the end, whose difference is what has flowed."""
    await octt.set_variable("SampledDataCtrlr.TxEndedMeasurands", REGISTERS)
    await octt.energy_transfer_started()
    await octt.wait(300)
    await octt.parking_bay_unoccupied()
    first, last = octt.all_of("TransactionEvent")[-1]["meterValue"]
    check_value(first, REGISTERS, {"Transaction.Begin"})
    check_value(last, REGISTERS, {"Transaction.End"})
    assert last["sampledValue"][0]["value"] > first["sampledValue"][0]["value"]


@case(variables=QUIET | {"AlignedDataCtrlr.Measurands": REGISTERS})
async def test_slots_begin_at_midnight_of_the_zone(octt: Octt) -> None:
    """In Japan two-hour slots are odd hours of UTC; whoever counted from UTC's midnight would be an hour off."""
    await octt.set_variable("ClockCtrlr.TimeZone", "Asia/Tokyo")
    await octt.set_variable("AlignedDataCtrlr.Interval", 7200)
    told = [parse_time((await octt.expect("MeterValues", 7205))["meterValue"][0]["timestamp"]) for _ in range(3)]
    check_aligned(told, 7200, "Asia/Tokyo")
    assert {instant.hour % 2 for instant in told} == {1}


@case()
async def test_a_zone_that_is_not_there_is_refused(octt: Octt) -> None:
    """The variable keeps what it was."""
    await octt.set_variable("ClockCtrlr.TimeZone", "Asia/Tokyo")
    await octt.set_variable("ClockCtrlr.TimeZone", "Asia/Edo", status="Rejected")
    assert await octt.get_variable("ClockCtrlr.TimeZone") == "Asia/Tokyo"


@case(variables=QUIET | {"AlignedDataCtrlr.Interval": INTERVAL})
async def test_aligned_instants_follow_the_csms_clock(octt: Octt) -> None:
    """The CSMS's clock jumps by hours, and is corrected a little: the instants are its own, exactly, each once."""
    await octt.expect("MeterValues", 65)
    octt.csms.habits.clock_offset = 3 * 3_600_000 + 17_345
    await octt.call("TriggerMessage", requestedMessage="Heartbeat")
    await octt.wait(3 * INTERVAL)
    octt.csms.habits.clock_offset += 777
    await octt.call("TriggerMessage", requestedMessage="Heartbeat")
    await octt.wait(3 * INTERVAL)
    octt.csms.habits.clock_offset -= 1_555
    await octt.call("TriggerMessage", requestedMessage="Heartbeat")
    await octt.wait(3 * INTERVAL)
    told = [parse_time(value["timestamp"]) for value in values_of(octt.all_of("MeterValues"))]
    assert len(told) == len(set(told)) == 10
    check_aligned(told[1:], INTERVAL)
    assert told[1] - told[0] > timedelta(hours=3)


@case(variables=QUIET | {"SampledDataCtrlr.TxEndedInterval": 20, "SampledDataCtrlr.TxEndedMeasurands": REGISTERS})
async def test_what_is_kept_for_the_end_outlives_a_power_loss(octt: Octt) -> None:
    """The Ended event carries the samples of both lives, in order; the next transaction none of them."""
    await octt.energy_transfer_started()
    await octt.wait(50)
    octt.clear()
    await octt.reboot()
    await octt.seek("StatusNotification", 180, connectorStatus="Occupied")
    await octt.wait(60)
    await octt.call("RequestStopTransaction", transactionId=octt.transaction())
    ended = await octt.seek("TransactionEvent", eventType="Ended")
    instants = [parse_time(value["timestamp"]) for value in ended["meterValue"]]
    assert instants == sorted(instants)
    begun = parse_time(octt.all_of("TransactionEvent")[0]["timestamp"])
    before = [i for i in instants if i - begun < timedelta(seconds=51)]
    assert_apart(before, 20)
    assert all((i - begun) % timedelta(seconds=20) < timedelta(seconds=1) for i in instants[:-1]), instants
    assert len(instants) - len(before) >= 3
    octt.note_event(1, ended)
    octt.bay().authorized, octt.bay().charging = False, False
    await octt.energy_transfer_started()
    await octt.parking_bay_unoccupied()
    again = octt.all_of("TransactionEvent")[-1]
    assert min(times(again["meterValue"])) > max(instants)


@case(variables=QUIET)
async def test_values_that_are_switched_off_do_not_come(octt: Octt) -> None:
    """SampledDataCtrlr.Enabled and AlignedDataCtrlr.Enabled silence all of their kind."""
    await octt.set_variable("SampledDataCtrlr.Enabled", False)
    await octt.set_variable("AlignedDataCtrlr.Enabled", False)
    await octt.set_variable("SampledDataCtrlr.TxUpdatedInterval", 20)
    await octt.set_variable("AlignedDataCtrlr.Interval", INTERVAL)
    await octt.energy_transfer_started()
    await octt.wait(2 * INTERVAL)
    await octt.parking_bay_unoccupied()
    assert not values_of(octt.all_of("TransactionEvent"))
    assert not octt.all_of("MeterValues")


@case(variables=QUIET | {"SampledDataCtrlr.TxEndedInterval": 1, "SampledDataCtrlr.TxEndedMeasurands": REGISTERS})
async def test_a_long_transaction_keeps_a_bounded_number(octt: Octt) -> None:
    """J02.FR.20: past a bound intermediate samples go; the first and the last stay."""
    await octt.energy_transfer_started()
    begun = parse_time(octt.all_of("TransactionEvent")[0]["timestamp"])
    await octt.wait(1_000)
    await octt.parking_bay_unoccupied()
    ended = octt.all_of("TransactionEvent")[-1]
    instants = times(ended["meterValue"])
    assert 60 < len(ended["meterValue"]) <= 130
    assert abs(instants[0] - begun) < timedelta(seconds=1)
    assert abs(instants[-1] - parse_time(ended["timestamp"])) < timedelta(seconds=2)
    assert max(b - a for a, b in pairwise(instants)) <= timedelta(seconds=16)
