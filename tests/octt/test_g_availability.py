"""Block G: connector status and availability, by EVSE, connector and station (G01 to G04).

The cases of a connector are those of its EVSE: every EVSE here has one. What Part 6 lets be told in two ways is told by
StatusNotification.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.octt.harness import Octt, case

#: Whom a ChangeAvailability names: an EVSE, an EVSE's connector, or (None) the whole station.
EVSE: dict[str, Any] = {"id": 1}
CONNECTOR: dict[str, Any] = {"id": 1, "connectorId": 1}
STATION: dict[str, Any] | None = None


async def change(octt: Octt, status: str, where: dict[str, Any] | None) -> str:
    """A ChangeAvailability's answer."""
    named = {} if where is None else {"evse": where}
    return str((await octt.call("ChangeAvailability", operationalStatus=status, **named))["status"])


def meant(octt: Octt, where: dict[str, Any] | None) -> tuple[int, ...]:
    """The EVSEs that are named."""
    return tuple(octt.bays) if where is None else (int(where["id"]),)


async def told(octt: Octt, status: str, evses: tuple[int, ...], within: float = 60) -> None:
    """Each of these connectors tells this status, and no other connector tells anything."""
    for evse in evses:
        await octt.expect(
            "StatusNotification", within, evse=evse, connectorId=1, connectorStatus=status, timestamp=octt.near()
        )
    await octt.never("StatusNotification", 5)


async def told_of_all(octt: Octt, where: dict[str, Any] | None, within: float = 60) -> None:
    """Every connector tells its status: those that are meant Unavailable, the others Available."""
    for evse in octt.bays:
        status = "Unavailable" if evse in meant(octt, where) else "Available"
        await octt.expect(
            "StatusNotification", within, evse=evse, connectorId=1, connectorStatus=status, timestamp=octt.near()
        )
    await octt.never("StatusNotification", 5)


@pytest.mark.covers("TC_G_01_CS")
@case(evses=2)
async def test_available_becomes_occupied(octt: Octt) -> None:
    """Plugging in is told of that connector only."""
    await octt.ev_connected_pre_session(2)
    await octt.never("StatusNotification", 20)


@pytest.mark.covers("TC_G_02_CS")
@case(evses=2)
async def test_occupied_becomes_available(octt: Octt) -> None:
    """Unplugging is told of that connector only."""
    await octt.ev_connected_pre_session(2)
    octt.unplug(2)
    await told(octt, "Available", (2,))


@pytest.mark.covers("TC_G_03_CS")
@case(evses=2)
async def test_an_evse_becomes_inoperative(octt: Octt) -> None:
    """Its connector is told Unavailable, that of the other EVSE is left alone."""
    await octt.unavailable(1)
    await octt.never("StatusNotification", 10)


@pytest.mark.covers("TC_G_05_CS")
@case(evses=2)
async def test_the_station_becomes_inoperative(octt: Octt) -> None:
    """All its connectors are told Unavailable, and nobody may start."""
    await octt.unavailable()
    answer = await octt.call("RequestStartTransaction", idToken=octt.token, remoteStartId=1, evseId=2)
    assert answer["status"] == "Rejected"


@pytest.mark.covers("TC_G_07_CS")
@case(evses=2)
async def test_a_connector_becomes_inoperative(octt: Octt) -> None:
    """As its EVSE."""
    await octt.unavailable(1, connector=True)
    await octt.never("StatusNotification", 10)


OPERATIVE_ALREADY = [
    pytest.param(EVSE, marks=pytest.mark.covers("TC_G_09_CS"), id="evse"),
    pytest.param(STATION, marks=pytest.mark.covers("TC_G_12_CS"), id="station"),
    pytest.param(CONNECTOR, marks=pytest.mark.covers("TC_G_15_CS"), id="connector"),
]


@pytest.mark.parametrize("where", OPERATIVE_ALREADY)
@case(evses=2)
async def test_what_is_operative_stays_so(octt: Octt, where: dict[str, Any] | None) -> None:
    """G03.FR.03, G04.FR.04: accepted, nothing changes, and every connector's status is told."""
    assert await change(octt, "Operative", where) == "Accepted"
    await told(octt, "Available", tuple(octt.bays))
    await octt.energy_transfer_started()


INOPERATIVE_TO_OPERATIVE = [
    pytest.param(EVSE, marks=pytest.mark.covers("TC_G_04_CS"), id="evse"),
    pytest.param(STATION, marks=pytest.mark.covers("TC_G_06_CS"), id="station"),
    pytest.param(CONNECTOR, marks=pytest.mark.covers("TC_G_08_CS"), id="connector"),
]


@pytest.mark.parametrize("where", INOPERATIVE_TO_OPERATIVE)
@case(evses=2)
async def test_what_is_inoperative_becomes_operative(octt: Octt, where: dict[str, Any] | None) -> None:
    """Each connector goes back to what it is: Available, and a start is taken again."""
    assert await change(octt, "Inoperative", where) == "Accepted"
    await told(octt, "Unavailable", meant(octt, where))
    assert await change(octt, "Operative", where) == "Accepted"
    await told(octt, "Available", meant(octt, where))
    await octt.energy_transfer_started()


INOPERATIVE_ALREADY = [
    pytest.param(EVSE, marks=pytest.mark.covers("TC_G_10_CS"), id="evse"),
    pytest.param(STATION, marks=pytest.mark.covers("TC_G_13_CS"), id="station"),
    pytest.param(CONNECTOR, marks=pytest.mark.covers("TC_G_16_CS"), id="connector"),
]


@pytest.mark.parametrize("where", INOPERATIVE_ALREADY)
@case(evses=2)
async def test_what_is_inoperative_stays_so(octt: Octt, where: dict[str, Any] | None) -> None:
    """G03.FR.03, G04.FR.04: accepted, nothing changes, and every connector's status is told anew."""
    assert await change(octt, "Inoperative", where) == "Accepted"
    await told(octt, "Unavailable", meant(octt, where))
    assert await change(octt, "Inoperative", where) == "Accepted"
    await told_of_all(octt, where)


WITH_A_TRANSACTION = [
    pytest.param(EVSE, marks=pytest.mark.covers("TC_G_11_CS"), id="evse"),
    pytest.param(STATION, marks=pytest.mark.covers("TC_G_14_CS"), id="station"),
    pytest.param(CONNECTOR, marks=pytest.mark.covers("TC_G_17_CS"), id="connector"),
]


@pytest.mark.parametrize("points", ["Authorized", "EVConnected"])
@pytest.mark.parametrize("where", WITH_A_TRANSACTION)
@case(evses=2)
async def test_a_transaction_is_waited_for(octt: Octt, where: dict[str, Any] | None, points: str) -> None:
    """Scheduled: energy flows on; idle EVSEs change at once, that one at the end of its transaction."""
    await octt.set_variable("TxCtrlr.TxStopPoint", points)
    await octt.energy_transfer_started()
    octt.clear()
    assert await change(octt, "Inoperative", where) == "Scheduled"
    await told(octt, "Unavailable", tuple(set(meant(octt, where)) - {1}))
    await octt.wait(20)
    assert octt.unit().power_w > 0
    await octt.stop_authorized()
    if octt.bay().ended:
        await told(octt, "Unavailable", (1,))
        return
    await octt.ev_connected_post_session()
    await octt.never("StatusNotification", 5)
    octt.unplug()
    await octt.expect("TransactionEvent", evse=1, eventType="Ended")
    octt.note_event(1, octt.all_of("TransactionEvent")[-1])
    await octt.seek("StatusNotification", evse=1, connectorId=1, connectorStatus="Unavailable")


AFTER_A_REBOOT = [
    pytest.param(EVSE, marks=pytest.mark.covers("TC_G_18_CS"), id="evse"),
    pytest.param(CONNECTOR, marks=pytest.mark.covers("TC_G_19_CS"), id="connector"),
    pytest.param(STATION, marks=pytest.mark.covers("TC_G_21_CS"), id="station"),
]


@pytest.mark.parametrize("by_reset", [True, False], ids=["reset", "power"])
@pytest.mark.parametrize("where", AFTER_A_REBOOT)
@case(evses=2)
async def test_inoperative_outlives_a_reboot(octt: Octt, where: dict[str, Any] | None, by_reset: bool) -> None:
    """After a Reset, and after a power loss, the same connectors are told Unavailable and the others Available; asked
    for once more before (as TC_G_18 has it), every connector tells its status too."""
    assert await change(octt, "Inoperative", where) == "Accepted"
    await told(octt, "Unavailable", meant(octt, where))
    assert await change(octt, "Inoperative", where) == "Accepted"
    await told_of_all(octt, where)
    if by_reset:
        assert (await octt.call("Reset", type="Immediate"))["status"] == "Accepted"
    else:
        await octt.reboot()
    await octt.expect("BootNotification", 180)
    await told_of_all(octt, where, 180)
    await octt.expect("SecurityEventNotification", type={"StartupOfTheDevice", "ResetOrReboot"})
    await octt.never("StatusNotification", 30)


@case(evses=2)
async def test_each_way_of_being_inoperative_is_its_own(octt: Octt) -> None:
    """G03.FR.07, note: an EVSE that was made inoperative by itself stays so when the station becomes operative."""
    await octt.unavailable(1)
    assert await change(octt, "Inoperative", STATION) == "Accepted"
    await told(octt, "Unavailable", (2,))
    assert await change(octt, "Operative", STATION) == "Accepted"
    await told(octt, "Available", (2,))
    assert await change(octt, "Operative", EVSE) == "Accepted"
    await told(octt, "Available", (1,))


@case(evses=2)
async def test_what_is_scheduled_outlives_a_power_loss(octt: Octt) -> None:
    """The transaction goes on after the power is back, and its end still makes the EVSE inoperative."""
    await octt.energy_transfer_started()
    assert await change(octt, "Inoperative", EVSE) == "Scheduled"
    octt.clear()
    await octt.reboot()
    await octt.expect("BootNotification", 180)
    await octt.seek("StatusNotification", 180, evse=1, connectorStatus="Occupied")
    await octt.wait(30)
    await octt.never("StatusNotification", 0, evse=1, connectorStatus="Unavailable")
    answer = await octt.call("RequestStopTransaction", transactionId=octt.transaction())
    assert answer["status"] == "Accepted"
    await octt.seek("TransactionEvent", evse=1, eventType="Ended")
    await octt.seek("StatusNotification", evse=1, connectorStatus="Unavailable")


@case(evses=2)
async def test_a_change_that_is_taken_back_before_the_transaction_ends(octt: Octt) -> None:
    """Operative after a scheduled Inoperative: the EVSE stays Available for the next one."""
    await octt.energy_transfer_started()
    assert await change(octt, "Inoperative", EVSE) == "Scheduled"
    assert await change(octt, "Operative", EVSE) == "Accepted"
    await octt.wait(5)
    assert (octt.connector_status(1), octt.connector_status(2)) == ("Occupied", "Available")
    octt.clear("StatusNotification")
    await octt.stop_authorized()
    await octt.ev_disconnected()


@case()
async def test_an_evse_that_is_not_there_cannot_change(octt: Octt) -> None:
    """Rejected, with the reason."""
    for where, reason in (({"id": 5}, "UnknownEvse"), ({"id": 1, "connectorId": 2}, "UnknownConnectorId")):
        answer = await octt.call("ChangeAvailability", operationalStatus="Inoperative", evse=where)
        assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", reason)
    await octt.never("StatusNotification", 5)


@case()
async def test_a_fault_comes_before_inoperative(octt: Octt) -> None:
    """G03.FR.06: a connector that is Faulted stays so, and is Unavailable when the fault is over."""
    octt.unit().fault()
    await octt.seek("StatusNotification", connectorStatus="Faulted")
    assert await change(octt, "Inoperative", EVSE) == "Accepted"
    await octt.never("StatusNotification", 20, connectorStatus="Unavailable")
    octt.clear("StatusNotification")
    octt.unit().clear_fault()
    await octt.expect("StatusNotification", connectorStatus="Unavailable")
