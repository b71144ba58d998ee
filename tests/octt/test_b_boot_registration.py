"""B01 to B03: the cold boot, accepted, pending and rejected (TC_B_01, 02, 03, 30)."""

from __future__ import annotations

import pytest

from tests.octt.fields import Variable
from tests.octt.harness import ABSENT, CALL, Octt, case

THRESHOLD = "OCPPCommCtrlr.OfflineThreshold"
#: Where nothing else is said, a laboratory's heartbeat interval (s).
INTERVAL = 30


async def connectors(octt: Octt, **of: str) -> None:
    """Post scenario validation: every connector was reported, Available unless said otherwise (`evse1="Occupied"`)."""
    for evse in octt.bays:
        status = of.get(f"evse{evse}", "Available")
        await octt.seek("StatusNotification", evse=evse, connectorId=1, connectorStatus=status, timestamp=octt.near())


def sent_between(octt: Octt, first: int) -> list[str]:
    """The actions of the station's CALLs since the `first` one of them all."""
    return [call.action for call in octt.calls[first:]]


@pytest.mark.covers("TC_B_01_CS")
@case(evses=2, boot=False)
async def test_an_accepted_station_tells_its_connectors(octt: Octt) -> None:
    """After power-up the first thing said is a BootNotification with its reason; then every connector is reported."""
    await octt.power_on()
    who = {"chargingStation__model": "V2H gateway", "chargingStation__vendorName": "ocpp-echonet"}
    await octt.expect("BootNotification", reason="PowerUp", **who)
    assert octt.calls[0].action == "BootNotification"
    await connectors(octt)
    await octt.expect("SecurityEventNotification", type="StartupOfTheDevice")
    await octt.booted()
    await octt.booted(reset=False)


@pytest.mark.covers("TC_B_02_CS")
@case(evses=2, boot=False)
async def test_a_pending_station_may_be_set_up_and_says_nothing_by_itself(octt: Octt) -> None:
    """Pending: variables are set and read, a report is sent, starts and stops are refused; a trigger boots again."""
    octt.boots("Pending", interval=600)
    await octt.power_on()
    await octt.expect("BootNotification", reason="PowerUp")
    await octt.set_variable(THRESHOLD, 300)
    assert await octt.get_variable(THRESHOLD) == "300"
    answer = await octt.call("GetBaseReport", requestId=77, reportBase="FullInventory")
    assert answer["status"] == "Accepted"
    number = 0
    while True:
        report = await octt.expect("NotifyReport", requestId=77, seqNo=number, generatedAt=octt.near())
        number += 1
        if not report.get("tbc"):
            break
    start = {"idToken": octt.token, "remoteStartId": 1, "evseId": 1}
    assert (await octt.call("RequestStartTransaction", start))["status"] == "Rejected"
    assert (await octt.call("RequestStopTransaction", transactionId="none"))["status"] == "Rejected"
    octt.plug(1)  # something to tell: it must wait
    await octt.wait(120)
    octt.unplug(1)
    await octt.wait(60)
    assert set(sent_between(octt, 0)) == {"BootNotification", "NotifyReport"}
    assert (await octt.call("TriggerMessage", requestedMessage="BootNotification"))["status"] == "Accepted"
    await octt.expect("BootNotification", 10, reason="Triggered")
    await connectors(octt)


@pytest.mark.covers("TC_B_02_CS")
@case(boot=False)
async def test_a_pending_station_asks_again_after_the_interval_and_keeps_its_connection(octt: Octt) -> None:
    """B02.FR.04, B02.FR.06, B02.FR.08: not before the interval, on the same connection."""
    octt.boots("Pending", "Pending", interval=40)
    await octt.power_on()
    first = (await octt.expect("BootNotification"), octt.clock.monotonic())[1]
    await octt.never("BootNotification", 39)
    await octt.expect("BootNotification", 3, reason="PowerUp")
    await octt.expect("BootNotification", 42, reason="PowerUp")
    assert octt.clock.monotonic() - first >= 80_000
    assert len(octt.dials) == 1


@pytest.mark.covers("TC_B_02_CS")
@case(boot=False)
async def test_a_connection_lost_while_pending_shortens_no_interval(octt: Octt) -> None:
    """B02.FR.04 holds across connections: who connects anew asks no sooner."""
    octt.boots("Pending", interval=60)
    await octt.power_on()
    await octt.expect("BootNotification")
    await octt.wait(10)
    await octt.drop()
    await octt.reconnected()
    await octt.never("BootNotification", 44)
    await octt.expect("BootNotification", 10)
    await connectors(octt)


@pytest.mark.covers("TC_B_03_CS")
@case(evses=2, boot=False)
async def test_a_rejected_station_is_silent_until_the_interval_has_passed(octt: Octt) -> None:
    """Rejected: nothing is sent before the interval is over, whatever happens at the EVSEs; then it asks again."""
    octt.boots("Rejected", interval=INTERVAL)
    await octt.power_on()
    await octt.expect("BootNotification", reason="PowerUp")
    since, calls = octt.clock.monotonic(), len(octt.calls)
    octt.plug(1)
    await octt.wait(10)
    octt.unplug(1)
    await octt.expect("BootNotification", INTERVAL, reason="PowerUp")
    assert sent_between(octt, calls)[0] == "BootNotification"
    assert octt.clock.monotonic() - since >= INTERVAL * 1000 - 100
    await connectors(octt)


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
@case(boot=False)
async def test_an_interval_of_zero_floods_nobody(octt: Octt, status: str) -> None:
    """B02.FR.07, B03.FR.05: the station chooses an interval of its own."""
    octt.boots(status, status, interval=0)
    await octt.power_on()
    await octt.expect("BootNotification")
    await octt.never("BootNotification", 29)
    await octt.expect("BootNotification", 15)


@pytest.mark.covers("TC_B_30_CS")
@case(boot=False)
async def test_a_csms_that_has_rejected_the_station_may_not_ask(octt: Octt) -> None:
    """Rejected: a report is refused with SecurityError, and none is sent."""
    octt.boots("Rejected", interval=60)
    await octt.power_on()
    await octt.expect("BootNotification")
    assert await octt.call_error("GetBaseReport", requestId=1, reportBase="FullInventory") == "SecurityError"
    await octt.never("NotifyReport", 30)
    first = Variable.parse(THRESHOLD).as_json() | {"attributeValue": "1"}
    assert await octt.call_error("SetVariables", setVariableData=[first]) == "SecurityError"
    await octt.expect("BootNotification", 60)
    assert await octt.get_variable(THRESHOLD) != "1"


@case(boot=False)
async def test_what_happened_before_the_first_answer_has_no_invented_time(octt: Octt) -> None:
    """No time stamp is made before the CSMS has told the time: the first one is its time, hours off the machine's."""
    octt.csms.habits.clock_offset = 5 * 3_600_000
    await octt.offline()
    await octt.power_on()
    await octt.wait(40)
    octt.plug(1)
    await octt.wait(40)
    octt.online()
    await octt.expect("BootNotification", 120, reason="PowerUp")
    await octt.seek("StatusNotification", connectorStatus="Occupied", timestamp=octt.near())
    started = await octt.expect("SecurityEventNotification", type="StartupOfTheDevice", techInfo=ABSENT_OR_TEXT)
    assert octt.near(octt.now(), 300)(started["timestamp"])
    assert not octt.near(octt.now(), 60)(started["timestamp"])  # it is that of the start, not of the telling


def ABSENT_OR_TEXT(value: object) -> bool:  # noqa: N802 - stands where ABSENT and ANY do
    return value is ABSENT or isinstance(value, str)


@case()
async def test_a_csms_whose_clock_jumps_is_followed(octt: Octt) -> None:
    """The CSMS's clock is put right by three hours: what is told from then on has the new time, and it is reported."""
    octt.csms.habits.clock_offset = 3 * 3_600_000
    await octt.expect("Heartbeat", 400)
    await octt.wait(1)
    octt.plug(1)
    await octt.seek("StatusNotification", connectorStatus="Occupied", timestamp=octt.near())
    await octt.seek("SecurityEventNotification", type="SettingSystemTime")
    assert octt.near()(await octt.get_variable("ClockCtrlr.DateTime"))


@case()
async def test_heartbeats_come_at_the_interval_of_the_boot(octt: Octt) -> None:
    """B01.FR.04: the interval of the BootNotification's answer, and later the variable's, counts for heartbeats."""
    assert await octt.get_variable("OCPPCommCtrlr.HeartbeatInterval") == str(octt.csms.interval)
    await octt.expect("Heartbeat", octt.csms.interval + 5)
    await octt.never("Heartbeat", octt.csms.interval - 10)
    await octt.expect("Heartbeat", 15)
    await octt.set_variable("OCPPCommCtrlr.HeartbeatInterval", 20)
    for _ in range(3):
        await octt.expect("Heartbeat", 22)


@case(boot=False)
async def test_a_boot_that_is_not_answered_or_refused_is_tried_again(octt: Octt) -> None:
    """A CALLERROR and a silence both leave the station unaccepted; it asks again by itself, and floods nobody."""
    from tests.octt.harness import Never, Refuse

    octt.answer("BootNotification", Refuse("InternalError"), Never(), None)
    await octt.power_on()
    await octt.expect("BootNotification")
    await octt.never("BootNotification", 29)
    await octt.expect("BootNotification", 15)
    await octt.expect("BootNotification", 120)
    await connectors(octt)
    assert sum(frame.frame[0] == CALL and frame.action == "BootNotification" for frame in octt.frames) == 3
