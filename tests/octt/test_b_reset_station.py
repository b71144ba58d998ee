"""B11, B12: Reset of the station (TC_B_20 to 23, 41)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.octt.harness import ABSENT, Late, Never, Octt, case

ENDS_ON_STOP = {"TxCtrlr.TxStartPoint": "PowerPathClosed", "TxCtrlr.TxStopPoint": "EVConnected,Authorized"}
ENDS_ON_UNPLUGGING = {"TxCtrlr.TxStartPoint": "EVConnected", "TxCtrlr.TxStopPoint": "EVConnected"}
#: How long (s) a reset may take from its cause to the BootNotification.
AT_ONCE = 20


async def reset(octt: Octt, status: str, **fields: Any) -> None:
    answer = await octt.call("Reset", **fields)
    assert answer["status"] == status, answer


async def rebooted(octt: Octt, reason: str, occupied: tuple[int, ...] = (), within: float = AT_ONCE) -> None:
    """The station boots, tells every connector, and reports the boot as a security event."""
    await octt.expect("BootNotification", within, reason=reason)
    for evse in octt.bays:
        status = "Occupied" if evse in occupied else "Available"
        await octt.seek("StatusNotification", evse=evse, connectorId=1, connectorStatus=status)
    await octt.seek("SecurityEventNotification", type={"StartupOfTheDevice", "ResetOrReboot"}, timestamp=octt.near())


@pytest.mark.covers("TC_B_20_CS")
@pytest.mark.parametrize("kind", ["OnIdle", "Immediate"])
@case(evses=2)
async def test_an_idle_station_resets_at_once(octt: Octt, kind: str) -> None:
    """Nothing goes on: the reset is accepted, the connection is made anew and the station boots as on a first day."""
    dials = len(octt.dials)
    await reset(octt, "Accepted", type=kind)
    await rebooted(octt, "RemoteReset")
    assert len(octt.dials) == dials + 1
    await octt.never("BootNotification", 60)


@pytest.mark.covers("TC_B_21_CS")
@case(evses=2, variables=ENDS_ON_STOP)
async def test_a_reset_on_idle_waits_for_the_transaction(octt: Octt) -> None:
    """A transaction goes on: the reset is scheduled, the transaction ends as ever, and only then the station boots."""
    await octt.energy_transfer_started()
    await reset(octt, "Scheduled", type="OnIdle")
    await octt.never("BootNotification", 120)
    await octt.stop_authorized()
    await octt.ev_connected_post_session()
    await rebooted(octt, "ScheduledReset", occupied=(1,))


@pytest.mark.covers("TC_B_21_CS")
@case(variables=ENDS_ON_UNPLUGGING)
async def test_a_reset_on_idle_waits_until_the_vehicle_has_left(octt: Octt) -> None:
    """Where a transaction ends with the vehicle's leaving, so long is waited."""
    await octt.energy_transfer_started()
    await reset(octt, "Scheduled", type="OnIdle")
    await octt.stop_authorized()
    await octt.never("BootNotification", 60)
    await octt.ev_disconnected()
    await rebooted(octt, "ScheduledReset")


@pytest.mark.covers("TC_B_22_CS")
@case(evses=2)
async def test_an_immediate_reset_ends_the_transaction_first(octt: Octt) -> None:
    """Immediate: energy is stopped, Ended says why and carries no token; only when the CSMS has answered it, which
    takes it some time here, the station boots."""
    await octt.energy_transfer_started()
    octt.answer("TransactionEvent", Late(5_000, {}))
    await reset(octt, "Accepted", type="Immediate")
    await octt.event(
        1,
        eventType="Ended",
        triggerReason="ResetCommand",
        transactionInfo__chargingState="EVConnected",
        transactionInfo__stoppedReason="ImmediateReset",
        idToken=ABSENT,
        offline=ABSENT,
    )
    await octt.never("BootNotification", 4.5)
    await rebooted(octt, "RemoteReset", occupied=(1,))


@pytest.mark.covers("TC_B_22_CS")
@case(evses=2)
async def test_an_immediate_reset_ends_every_transaction(octt: Octt) -> None:
    """B12.FR.04: one Ended for each, all before the boot."""
    for evse in (1, 2):
        await octt.energy_transfer_started(evse)
    await reset(octt, "Accepted", type="Immediate")
    for evse in (1, 2):
        await octt.event(
            evse, eventType="Ended", triggerReason="ResetCommand", transactionInfo__stoppedReason="ImmediateReset"
        )
    assert not octt.waiting("BootNotification")
    await rebooted(octt, "RemoteReset", occupied=(1, 2))


@pytest.mark.covers("TC_B_22_CS")
@case()
async def test_an_ended_that_nobody_answers_is_sent_again_after_the_reset(octt: Octt) -> None:
    """B12.FR.05: the event stays in the queue over the reset, with the same number, and is told as offline then."""
    await octt.energy_transfer_started()
    octt.answer("TransactionEvent", Never(), None)
    await reset(octt, "Accepted", type="Immediate")
    first = await octt.expect("TransactionEvent", eventType="Ended", triggerReason="ResetCommand")
    await octt.expect("BootNotification", 180, reason="RemoteReset")
    again = await octt.expect("TransactionEvent", 120, eventType="Ended", triggerReason="ResetCommand")
    assert (again["seqNo"], again["timestamp"]) == (first["seqNo"], first["timestamp"])


@pytest.mark.covers("TC_B_23_CS")
@pytest.mark.parametrize("connector", [True, False])
@case(evses=2)
async def test_unavailable_persists(octt: Octt, connector: bool) -> None:
    """A connector or an EVSE that was put out of service is so after the reset, and the other is not."""
    await octt.unavailable(1, connector=connector)
    await reset(octt, "Accepted", type="OnIdle")
    await octt.expect("BootNotification", AT_ONCE, reason="RemoteReset")
    await octt.expect("StatusNotification", evse=1, connectorId=1, connectorStatus="Unavailable")
    await octt.expect("StatusNotification", evse=2, connectorId=1, connectorStatus="Available")


@pytest.mark.covers("TC_B_23_CS")
@case(evses=2)
async def test_a_whole_station_out_of_service_persists(octt: Octt) -> None:
    """The same of the station as a whole."""
    await octt.unavailable()
    await reset(octt, "Accepted", type="OnIdle")
    await octt.expect("BootNotification", AT_ONCE, reason="RemoteReset")
    for evse in (1, 2):
        await octt.expect("StatusNotification", evse=evse, connectorStatus="Unavailable")


@pytest.mark.covers("TC_B_41_CS")
@case(evses=2, variables=ENDS_ON_STOP)
async def test_a_reset_on_idle_waits_for_all_transactions(octt: Octt) -> None:
    """Two transactions: the first may end and its vehicle leave; the station boots after the second."""
    for evse in (1, 2):
        await octt.energy_transfer_started(evse)
    await reset(octt, "Scheduled", type="OnIdle")
    await octt.stop_authorized(1)
    await octt.ev_connected_post_session(1)
    await octt.ev_disconnected(1)
    await octt.parking_bay_unoccupied(1)
    await octt.never("BootNotification", 60)
    await octt.stop_authorized(2)
    await octt.ev_connected_post_session(2)
    await rebooted(octt, "ScheduledReset", occupied=(2,))


@case(evses=2, variables=ENDS_ON_STOP)
async def test_nothing_new_begins_while_a_reset_waits(octt: Octt) -> None:
    """B12: else a station with several EVSEs would never come to its reset."""
    await octt.energy_transfer_started(1)
    await reset(octt, "Scheduled", type="OnIdle")
    answer = await octt.call("RequestStartTransaction", evseId=2, remoteStartId=9, idToken=octt.token)
    assert answer["status"] == "Rejected", answer


@case(variables=ENDS_ON_STOP)
async def test_an_immediate_reset_overtakes_one_that_waits(octt: Octt) -> None:
    """A CSMS that does not want to wait any more need not."""
    await octt.energy_transfer_started()
    await reset(octt, "Scheduled", type="OnIdle")
    await reset(octt, "Accepted", type="Immediate")
    await octt.event(1, eventType="Ended", transactionInfo__stoppedReason="ImmediateReset")
    await octt.expect("BootNotification", AT_ONCE)
    await octt.never("BootNotification", 120)


@case(variables=ENDS_ON_STOP)
async def test_a_scheduled_reset_survives_a_power_cut(octt: Octt) -> None:
    """The process dies in between: the transaction goes on, and the reset still comes when it has ended."""
    await octt.energy_transfer_started()
    await reset(octt, "Scheduled", type="OnIdle")
    await octt.reboot()
    await octt.expect("BootNotification", AT_ONCE, reason="PowerUp")
    await octt.wait(30)
    octt.clear("StatusNotification", "SecurityEventNotification", "TransactionEvent")
    octt.bays[1].charging = True
    await octt.call("RequestStopTransaction", transactionId=octt.transaction())
    await octt.seek("TransactionEvent", eventType="Ended", transactionInfo__stoppedReason="Remote")
    await octt.expect("BootNotification", 60, reason="ScheduledReset")


@pytest.mark.parametrize("after", [0.0, 0.05, 0.3, 0.8])
@case(variables=ENDS_ON_STOP, but=lambda one: one.clause == "AIF-2.4.1-1")  # whom it had asked the dead one knew
async def test_a_power_cut_amid_an_immediate_reset_is_that_reset(octt: Octt, after: float) -> None:
    """Whenever the process dies after its answer: it boots as reset, and the transaction ends as promised."""
    await octt.energy_transfer_started()
    await reset(octt, "Accepted", type="Immediate")
    await octt.wait(after)
    await octt.reboot()
    await octt.seek("BootNotification", 60, reason="RemoteReset")
    await octt.until(
        lambda: any(
            event["transactionInfo"].get("stoppedReason") == "ImmediateReset"
            for event in octt.all_of("TransactionEvent")
        ),
        120,
        "Ended by ImmediateReset",
    )
    await octt.never("BootNotification", 120)


@case()
async def test_a_variable_that_waits_for_a_restart_counts_after_a_reset(octt: Octt) -> None:
    """And the boot reason is told once: the next power-up is one."""
    await octt.booted()
    await octt.reboot()
    await octt.expect("BootNotification", 60, reason="PowerUp")
