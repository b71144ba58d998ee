"""A full day of use of the whole gateway, on the virtual clock, before a strict CSMS that we did not write.

Two stations with three EVSEs: DAY-1 has a bidirectional unit (EVSE 1) and a charger with a site token (EVSE 2), DAY-2 a
bidirectional unit. npm's ocpp-rpc validates each frame, both ways; `day_judge.js` judges what schemas cannot say.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from bridge.sim.battery import VehicleConfig
from bridge.sim.unit import SimUnitConfig
from tests.peers.day import GATEWAY, PASSWORD, Day, run_day
from tests.peers.programs import Line
from tests.tools.authorities import foreign_root, old_root

pytestmark = pytest.mark.peers

ONE, TWO = "DAY-1", "DAY-2"
APP: Final = {"idToken": "APP-0001", "type": "Central"}
CARD: Final = {"idToken": "04A2B6C8", "type": "ISO14443"}
HOME: Final = {"idToken": "HOME-0001", "type": "Local"}
UNITS: Final = {
    "garage": ("10.0.0.2", SimUnitConfig(vehicle=VehicleConfig(capacity_wh=60_000))),
    "carport": ("10.0.0.3", SimUnitConfig(unit_class=0x02A1, vehicle=VehicleConfig(capacity_wh=60_000))),
    "barn": ("10.0.0.4", SimUnitConfig(vehicle=VehicleConfig(capacity_wh=60_000))),
}
VARIABLES: Final = {
    "SampledDataCtrlr.TxUpdatedInterval": 60,
    "SampledDataCtrlr.TxEndedInterval": 900,
    "AlignedDataCtrlr.Interval": 900,
    "AlignedDataCtrlr.SendDuringIdle": False,
    "AuthCtrlr.LocalPreAuthorize": True,
    "AuthCtrlr.LocalAuthorizeOffline": True,
    "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": 10,
}


def site(folder: Path, port: int) -> Mapping[str, Any]:
    """Two stations on one gateway."""
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    csms = {"url": f"ws://127.0.0.1:{port}/first", "security_profile": 1, "password_file": str(secret)}
    discharge = {"discharge": ["negative-limit"]}
    token = {"plug_token": {"id": HOME["idToken"], "type": HOME["type"]}}
    return {
        "config": 1,
        "state_dir": str(folder),
        "networks": {"home": {"bind": GATEWAY}},
        "units": {
            name: {"address": address, "class": f"0x{config.unit_class:04X}"}
            for name, (address, config) in UNITS.items()
        },
        "stations": [
            {
                "id": ONE,
                "csms": csms,
                "evses": [{"id": 1, "unit": "garage", **discharge}, {"id": 2, "unit": "carport", **token}],
                "variables": VARIABLES,
            },
            {"id": TWO, "csms": csms, "evses": [{"id": 1, "unit": "barn", **discharge}], "variables": VARIABLES},
        ],
    }


# -- the acts of the day, in order: (hour of their begin, act)

Act = Callable[[Day], Awaitable[None]]
ACTS: list[tuple[float, Act]] = []


def at(hour: float) -> Callable[[Act], Act]:
    """An act that begins at an hour of the day, counted from its begin."""

    def enter(act: Act) -> Act:
        ACTS.append((hour, act))
        return act

    return enter


def accepted(answer: Line) -> None:
    assert answer["status"] == "Accepted", answer


def profile(number: int, watts: float, purpose: str = "TxProfile", **more: Any) -> Line:
    """A charging profile of one limit."""
    unit = more.pop("unit", "W")
    periods = [{"startPeriod": 0, "limit": watts}]
    schedule = {"id": number, "chargingRateUnit": unit, "chargingSchedulePeriod": periods, **more.pop("schedule", {})}
    return {
        "id": number,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
        "chargingSchedule": [schedule],
        **more,
    }


def name(text: str, **more: Any) -> Line:
    """`Component.Variable[Instance]` as a request names it."""
    component, _, rest = text.partition(".")
    variable, _, instance = rest.rstrip("]").partition("[")
    return {
        "component": {"name": component},
        "variable": {"name": variable, **({"instance": instance} if instance else {})},
        **more,
    }


async def start(day: Day, station: str, evse: int, number: int, **more: Any) -> str:
    """A remote start where a vehicle is plugged in."""
    since = day.mark()
    answer = await day.call(station, "RequestStartTransaction", evseId=evse, remoteStartId=number, idToken=APP, **more)
    accepted(answer)
    transaction, _ = await day.transaction(station, "Started", since)
    await day.transaction(station, "Updated", since, chargingState="Charging", transactionId=transaction)
    return transaction


async def stop(day: Day, station: str, transaction: str) -> None:
    """A remote stop."""
    since = day.mark()
    accepted(await day.call(station, "RequestStopTransaction", transactionId=transaction))
    await day.transaction(station, "Ended", since, transactionId=transaction, stoppedReason="Remote")


async def report(day: Day, station: str, number: int, method: str = "GetBaseReport", **more: Any) -> None:
    """A report to its last page."""
    since = day.mark()
    accepted(await day.call(station, method, requestId=number, **more))
    await day.told(
        station, "NotifyReport", lambda page: page["requestId"] == number and not page.get("tbc"), since=since
    )


@at(0)
async def the_gateway_boots(day: Day) -> None:
    for unit, (address, config) in UNITS.items():
        await day.add_unit(unit, address, config)
    await day.power_on()
    for station, evse in ((ONE, 1), (ONE, 2), (TWO, 1)):
        await day.told(station, "BootNotification", lambda boot: boot["reason"] == "PowerUp")
        await day.status(station, evse, "Available", within=180)


@at(0.1)
async def all_reports(day: Day) -> None:
    for number, base in enumerate(("FullInventory", "ConfigurationInventory", "SummaryInventory")):
        await report(day, ONE, number + 1, reportBase=base)
    await report(day, TWO, 4, reportBase="FullInventory")
    await report(day, ONE, 5, "GetReport", componentVariable=[name("TxCtrlr.TxStartPoint")])
    await report(day, ONE, 6, "GetReport", componentCriteria=["Available", "Enabled"])
    nothing = await day.call(ONE, "GetReport", requestId=7, componentCriteria=["Problem"])
    assert nothing["status"] in ("Accepted", "EmptyResultSet"), nothing


@at(0.2)
async def variables(day: Day) -> None:
    asked = (
        "OCPPCommCtrlr.HeartbeatInterval",
        "TxCtrlr.TxStartPoint",
        "ClockCtrlr.DateTime",
        "Nobody.Knows",
        "EVSE.No",
    )
    got = await day.call(ONE, "GetVariables", getVariableData=[name(one) for one in asked])
    statuses = [result["attributeStatus"] for result in got["getVariableResult"]]
    assert statuses[:4] == ["Accepted"] * 3 + ["UnknownComponent"], got
    values = (
        ("OCPPCommCtrlr.HeartbeatInterval", "600"),
        ("ClockCtrlr.TimeZone", "Asia/Tokyo"),
        ("SampledDataCtrlr.TxUpdatedMeasurands", "Energy.Active.Import.Register,Power.Active.Import,SoC,Voltage"),
        ("SampledDataCtrlr.TxUpdatedInterval", "never"),
        ("SecurityCtrlr.BasicAuthPassword", "short"),
        ("ChargingStation.Model", "other"),
    )
    given = [name(one, attributeValue=value) for one, value in values]
    got = await day.call(ONE, "SetVariables", setVariableData=given)
    statuses = [result["attributeStatus"] for result in got["setVariableResult"]]
    assert statuses == ["Accepted"] * 3 + ["Rejected"] * 3, got


@at(0.3)
async def another_network_profile(day: Day) -> None:
    url = next(line["port"] for line in day.csms.lines if line["event"] == "listening")
    data = {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": f"ws://127.0.0.1:{url}/second",
        "messageTimeout": 30,
        "securityProfile": 1,
        "ocppInterface": "Wired0",
    }
    accepted(await day.call(ONE, "SetNetworkProfile", configurationSlot=2, connectionData=data))
    refused = await day.call(ONE, "SetNetworkProfile", configurationSlot=9, connectionData=data)
    assert refused["status"] == "Rejected"
    order = name("OCPPCommCtrlr.NetworkConfigurationPriority", attributeValue="2,1")
    answer = await day.call(ONE, "SetVariables", setVariableData=[order])
    assert answer["setVariableResult"][0]["attributeStatus"] in ("Accepted", "RebootRequired")
    since = day.mark()
    accepted(await day.call(ONE, "Reset", type="OnIdle"))
    await day.csms.event("connected", since, identity=ONE, endpoint="/second")
    await day.told(ONE, "BootNotification", lambda boot: boot["reason"] == "RemoteReset", since=since)
    await day.status(ONE, 2, "Available", since)


@at(0.4)
async def certificates(day: Day) -> None:
    none = await day.call(ONE, "GetInstalledCertificateIds")
    assert none["status"] == "NotFound"
    root = {"certificateType": "CSMSRootCertificate", "certificate": old_root().pem}
    accepted(await day.call(ONE, "InstallCertificate", **root))
    for wrong in ({**root, "certificate": "no certificate"}, {**root, "certificateType": "V2GRootCertificate"}):
        assert (await day.call(ONE, "InstallCertificate", **wrong))["status"] in ("Rejected", "Failed")
    assert (await day.call(ONE, "InstallCertificate", **{**root, "certificate": foreign_root().pem}))["status"]
    found = await day.call(ONE, "GetInstalledCertificateIds", certificateType=["CSMSRootCertificate"])
    accepted(found)
    hashes = found["certificateHashDataChain"][0]["certificateHashData"]
    assert (await day.call(ONE, "DeleteCertificate", certificateHashData=hashes))["status"]
    unknown = {**hashes, "serialNumber": "99"}
    assert (await day.call(ONE, "DeleteCertificate", certificateHashData=unknown))["status"] == "NotFound"


@at(0.5)
async def a_remote_session_in_both_directions(day: Day) -> None:
    since = day.mark()
    day.units["garage"].plug(40)
    await day.status(ONE, 1, "Occupied", since)
    transaction = await start(day, ONE, 1, 1, chargingProfile=profile(1, 3000))
    await day.minutes(10)
    accepted(
        await day.call(
            ONE,
            "SetChargingProfile",
            evseId=1,
            chargingProfile=profile(2, 6, unit="A", stackLevel=1, transactionId=transaction),
        )
    )
    for unit in ("W", "A"):
        composite = await day.call(ONE, "GetCompositeSchedule", evseId=1, duration=3600, chargingRateUnit=unit)
        assert composite["schedule"]["chargingRateUnit"] == unit
    accepted(await day.call(ONE, "GetCompositeSchedule", evseId=0, duration=600))
    accepted(await day.call(ONE, "ClearChargingProfile", chargingProfileId=2))
    unknown = await day.call(ONE, "ClearChargingProfile", chargingProfileCriteria={"evseId": 1, "stackLevel": 7})
    assert unknown["status"] == "Unknown"
    await triggers(day, transaction)
    status = await day.call(ONE, "GetTransactionStatus", transactionId=transaction)
    assert status["ongoingIndicator"]
    await day.call(ONE, "GetTransactionStatus")
    accepted(
        await day.call(
            ONE,
            "SetChargingProfile",
            evseId=1,
            chargingProfile=profile(3, -2000, stackLevel=2, transactionId=transaction),
        )
    )
    await day.units["garage"].until(lambda unit: unit.power_w < -1900)
    await day.minutes(10)
    await stop(day, ONE, transaction)
    since = day.mark()
    day.units["garage"].unplug()
    await day.status(ONE, 1, "Available", since)


#: MessageTriggerEnumType -> the CALL that comes, None where the station has no such message.
TRIGGERS: Final = {
    "Heartbeat": "Heartbeat",
    "MeterValues": "MeterValues",
    "StatusNotification": "StatusNotification",
    "TransactionEvent": "TransactionEvent",
    "LogStatusNotification": None,
    "FirmwareStatusNotification": None,
    "SignChargingStationCertificate": None,
    "SignV2GCertificate": None,
    "SignCombinedCertificate": None,
    "PublishFirmwareStatusNotification": None,
}


async def triggers(day: Day, transaction: str) -> None:
    for kind, action in TRIGGERS.items():
        since = day.mark()
        where = {"evse": {"id": 1, "connectorId": 1}} if kind in ("StatusNotification", "TransactionEvent") else {}
        answer = await day.call(ONE, "TriggerMessage", requestedMessage=kind, **where)
        if action is None:
            assert answer["status"] == "NotImplemented", (kind, answer)
            continue
        accepted(answer)
        told = await day.told(ONE, action, since=since)
        if kind == "TransactionEvent":
            assert told["triggerReason"] == "Trigger"
            assert told["transactionInfo"]["transactionId"] == transaction
    refused = await day.call(ONE, "TriggerMessage", requestedMessage="BootNotification")
    assert refused["status"] == "Rejected", refused


@at(2)
async def plug_and_charge(day: Day) -> None:
    """The site token, asked for the first time, and from the cache the second."""
    for asked in (True, False):
        since = day.mark()
        day.units["carport"].plug(50)
        transaction, _ = await day.transaction(ONE, "Started", since)
        calls = [line["params"] for line in day.csms.lines[since:] if line.get("method") == "Authorize"]
        assert [call["idToken"] for call in calls] == ([HOME] if asked else [])
        await day.transaction(ONE, "Updated", since, chargingState="Charging")
        await day.minutes(12)
        day.units["carport"].unplug()
        await day.transaction(ONE, "Ended", since, transactionId=transaction)
        await day.status(ONE, 2, "Available", since)
        await day.minutes(1)


@at(3)
async def cards_at_the_local_api(day: Day) -> None:
    """A card starts and stops; a second one is refused; the cache answers, and is cleared."""
    day.csms.say("token", idToken="BAD", info={"status": "Blocked"})
    since = day.mark()
    day.units["barn"].plug(50)
    await day.status(TWO, 1, "Occupied", since)
    for round_ in ("asked", "cached", "asked"):
        since = day.mark()
        bad = await day.api("present", station=TWO, evse=1, token={"idToken": "BAD", "type": "ISO14443"})
        assert bad["outcome"] == "denied", bad
        begun = day.mark()
        assert (await day.api("present", station=TWO, evse=1, token=CARD))["outcome"] == "accepted"
        transaction, _ = await day.transaction(TWO, "Started", begun)
        asked = any(line.get("method") == "Authorize" for line in day.csms.lines[begun:])
        assert asked is (round_ == "asked"), round_
        await day.transaction(TWO, "Updated", begun, chargingState="Charging")
        await day.minutes(6)
        assert (await day.api("present", station=TWO, evse=1, token=CARD))["outcome"] == "stopped"
        await day.transaction(TWO, "Ended", since, transactionId=transaction, stoppedReason="Local")
        if round_ == "cached":
            accepted(await day.call(TWO, "ClearCache"))
    day.units["barn"].unplug()


@at(4)
async def availability(day: Day) -> None:
    for where in ({}, {"evse": {"id": 1}}, {"evse": {"id": 2, "connectorId": 1}}):
        for wanted, status in (("Inoperative", "Unavailable"), ("Operative", "Available")):
            since = day.mark()
            accepted(await day.call(ONE, "ChangeAvailability", operationalStatus=wanted, **where))
            await day.status(ONE, where.get("evse", {"id": 1})["id"], status, since)
    day.units["garage"].plug(60)
    transaction = await start(day, ONE, 1, 2)
    scheduled = await day.call(ONE, "ChangeAvailability", operationalStatus="Inoperative", evse={"id": 1})
    assert scheduled["status"] == "Scheduled", scheduled
    since = day.mark()
    await stop(day, ONE, transaction)
    await day.status(ONE, 1, "Unavailable", since)
    accepted(await day.call(ONE, "ChangeAvailability", operationalStatus="Operative", evse={"id": 1}))
    await day.status(ONE, 1, "Occupied", since)
    day.units["garage"].unplug()


@at(5)
async def a_csms_in_trouble(day: Day) -> None:
    """CALLERRORs, answers that come late, too late and never, and a connection that is closed."""
    no, late, too_late, never = {"error": "InternalError"}, {"late": 20_000}, {"late": 75_000}, {"never": True}
    day.habit("StatusNotification", no, late, too_late)
    day.habit("TransactionEvent", None, no, no, None, late, None, too_late, None, never, {"error": "GenericError"})
    day.habit("Heartbeat", no, too_late, None, never)
    day.habit("Authorize", no, late)
    day.habit("MeterValues", no, late)
    since = day.mark()
    day.units["barn"].plug(50)
    assert (await day.api("present", station=TWO, evse=1, token={"idToken": "GUEST-1", "type": "ISO14443"}))[
        "outcome"
    ] == "denied"
    assert (await day.api("present", station=TWO, evse=1, token={"idToken": "GUEST-2", "type": "ISO14443"}))[
        "outcome"
    ] == "accepted"
    transaction, _ = await day.transaction(TWO, "Started", since, within=300)
    await day.minutes(14)
    day.csms.say("close", identity=TWO)
    await day.csms.event("disconnected", since, identity=TWO)
    await day.csms.event("connected", since, identity=TWO)
    day.csms.say("refuse", status=503)
    day.csms.say("close", identity=TWO)
    await day.minutes(5)
    day.csms.say("refuse", status=0)
    await day.csms.event("connected", day.mark(), identity=TWO, within=600)
    since = day.mark()
    await stop(day, TWO, transaction)
    day.units["barn"].unplug()
    await day.status(TWO, 1, "Available", since, within=300)


@at(6)
async def what_the_station_does_not_have(day: Day) -> None:
    answer = await day.call(ONE, "DataTransfer", vendorId="com.example", messageId="greeting", data={"a": [1, None]})
    assert answer["status"] == "UnknownVendorId", answer
    assert (await day.call(ONE, "UnlockConnector", evseId=1, connectorId=1))["status"] == "UnlockFailed"
    assert (await day.call(ONE, "UnlockConnector", evseId=3, connectorId=1))["status"] == "UnknownConnector"
    for method, params in {
        "GetLocalListVersion": {},
        "GetMonitoringReport": {"requestId": 1},
        "CancelReservation": {"reservationId": 1},
        "ClearDisplayMessage": {"id": 1},
        "CertificateSigned": {"certificateChain": "x"},
        "SetMonitoringLevel": {"severity": 5},
        "UnpublishFirmware": {"checksum": "00"},
    }.items():
        assert await day.refused(ONE, method, **params) in ("NotSupported", "NotImplemented")


@at(6.2)
async def resets(day: Day) -> None:
    """Of an EVSE and of the station, at once and when it is idle, with transactions going on."""
    for kind, where in (("Immediate", {"evseId": 1}), ("OnIdle", {"evseId": 1}), ("Immediate", {}), ("OnIdle", {})):
        since = day.mark()
        day.units["garage"].plug(60)
        transaction = await start(day, ONE, 1, 10)
        answer = await day.call(ONE, "Reset", type=kind, **where)
        if kind == "OnIdle":
            assert answer["status"] == "Scheduled", answer
            await stop(day, ONE, transaction)
        else:
            accepted(answer)
            await day.transaction(ONE, "Ended", since, stoppedReason="ImmediateReset")
        if not where:
            reason = "ScheduledReset" if kind == "OnIdle" else "RemoteReset"
            await day.told(ONE, "BootNotification", lambda boot, reason=reason: boot["reason"] == reason, since=since)
        await day.minutes(2)
        since = day.mark()
        day.units["garage"].unplug()
        await day.status(ONE, 1, "Available", since)
    assert (await day.call(ONE, "Reset", type="OnIdle", evseId=7))["status"] == "Rejected"


@at(7)
async def an_outage_of_three_hours(day: Day) -> None:
    """A session goes on through it, one begins in it and one begins and ends in it."""
    day.units["garage"].plug(30)
    through = await start(day, ONE, 1, 20, chargingProfile=profile(20, 1500))
    assert (await day.api("present", station=TWO, evse=1, token=CARD))["outcome"] == "accepted"  # into the cache
    await day.minutes(4)
    begun = day.mark()
    day.csms.say("dark")  # the port is closed, too
    await day.csms.event("disconnected", begun, identity=ONE)
    await day.until(8)
    day.units["barn"].plug(50)
    await day.api("present", station=TWO, evse=1, token=CARD)
    await day.minutes(20)
    await day.api("present", station=TWO, evse=1, token=CARD)
    day.units["barn"].unplug()
    await day.until(9.5)
    day.units["carport"].plug(50)
    await day.until(10.1)
    back = day.mark()
    day.csms.say("light")
    await day.csms.event("connected", back, identity=ONE, within=700)
    await day.csms.event("connected", back, identity=TWO, within=700)
    await day.transaction(TWO, "Started", back)
    await day.transaction(TWO, "Ended", back)
    await day.transaction(ONE, "Started", back)
    await day.minutes(5)
    assert not (await day.call(ONE, "GetTransactionStatus"))["messagesInQueue"]
    await stop(day, ONE, through)
    day.units["garage"].unplug()
    day.units["carport"].unplug()


@at(11)
async def a_power_cut(day: Day) -> None:
    day.units["garage"].plug(30)
    transaction = await start(day, ONE, 1, 30, chargingProfile=profile(30, 2000))
    await day.minutes(5)
    since = day.mark()
    await day.power_off()
    await day.minutes(10)
    await day.power_on()
    await day.told(ONE, "BootNotification", since=since)
    await day.transaction(ONE, "Updated", since, within=300, transactionId=transaction)
    await day.minutes(3)
    await stop(day, ONE, transaction)
    day.units["garage"].unplug()


@at(12)
async def default_profiles(day: Day) -> None:
    """Profiles of the station and of an EVSE that stand without a transaction, absolute and of every day."""
    default = profile(
        40, 2500, "TxDefaultProfile", chargingProfileKind="Absolute", schedule={"startSchedule": day.now.isoformat()}
    )
    ceiling = profile(
        41,
        4000,
        "ChargingStationMaxProfile",
        chargingProfileKind="Recurring",
        recurrencyKind="Daily",
        schedule={"startSchedule": day.now.isoformat()},
    )
    accepted(await day.call(ONE, "SetChargingProfile", evseId=1, chargingProfile=default))
    accepted(await day.call(ONE, "SetChargingProfile", evseId=0, chargingProfile=ceiling))
    wrong = await day.call(
        ONE, "SetChargingProfile", evseId=1, chargingProfile=profile(42, 1000, transactionId="nobody's")
    )
    assert wrong["status"] == "Rejected"
    day.units["garage"].plug(30)
    transaction = await start(day, ONE, 1, 40)
    await day.units["garage"].until(lambda unit: 2400 < unit.power_w <= 2500)
    await day.call(ONE, "GetCompositeSchedule", evseId=1, duration=86_400)
    day.units["garage"].ev_pauses(True)
    await day.transaction(ONE, "Updated", chargingState="SuspendedEV", transactionId=transaction)
    day.units["garage"].ev_pauses(False)
    await day.minutes(10)
    await stop(day, ONE, transaction)
    day.units["garage"].unplug()
    for number in (40, 41):
        accepted(await day.call(ONE, "ClearChargingProfile", chargingProfileId=number))


@at(13)
async def units_in_trouble(day: Day) -> None:
    """A fault and a unit that is silent, with a transaction each."""
    for trouble, over in (
        (lambda unit: unit.fault(), lambda unit: unit.clear_fault()),
        (lambda unit: unit.silence(), lambda unit: unit.silence(False)),
    ):
        since = day.mark()
        day.units["barn"].plug(50)
        await day.status(TWO, 1, "Occupied", since)
        transaction = await start(day, TWO, 1, 50)
        since = day.mark()
        trouble(day.units["barn"])
        await day.told(
            TWO,
            "StatusNotification",
            lambda told: told["connectorStatus"] in ("Faulted", "Unavailable"),
            since=since,
            within=900,
        )
        await day.minutes(5)
        since = day.mark()
        over(day.units["barn"])
        await day.minutes(5)
        status = await day.call(TWO, "GetTransactionStatus", transactionId=transaction)
        if status["ongoingIndicator"]:
            await day.call(TWO, "RequestStopTransaction", transactionId=transaction)
        day.units["barn"].unplug()
        await day.status(TWO, 1, "Available", since, within=300)


@at(14)
async def three_vehicles_at_once(day: Day) -> None:
    """The evening: all three at the same time, until each is stopped in its own way."""
    for unit in day.units.values():
        unit.plug(50)
    since = day.mark()
    await day.transaction(ONE, "Started", since)
    first = await start(day, ONE, 1, 60, chargingProfile=profile(60, 3000))
    assert (await day.api("present", station=TWO, evse=1, token=CARD))["outcome"] == "accepted"
    await day.minutes(16)
    await stop(day, ONE, first)
    await day.minutes(5)
    for unit in day.units.values():
        unit.unplug()


@at(24)
async def the_day_ends(day: Day) -> None:
    assert not (await day.call(ONE, "GetTransactionStatus"))["messagesInQueue"]
    assert not (await day.call(TWO, "GetTransactionStatus"))["messagesInQueue"]


#: Everything that a station tells, and every CALL that it carries out: none may be left out of the day.
TOLD: Final = {
    "Authorize",
    "BootNotification",
    "Heartbeat",
    "MeterValues",
    "NotifyReport",
    "SecurityEventNotification",
    "StatusNotification",
    "TransactionEvent",
}
CARRIED_OUT: Final = {
    "ChangeAvailability",
    "ClearCache",
    "ClearChargingProfile",
    "DataTransfer",
    "DeleteCertificate",
    "GetBaseReport",
    "GetCompositeSchedule",
    "GetInstalledCertificateIds",
    "GetReport",
    "GetTransactionStatus",
    "GetVariables",
    "InstallCertificate",
    "RequestStartTransaction",
    "RequestStopTransaction",
    "Reset",
    "SetChargingProfile",
    "SetNetworkProfile",
    "SetVariables",
    "TriggerMessage",
    "UnlockConnector",
}
TRIGGER_REASONS: Final = {
    "AbnormalCondition",
    "Authorized",
    "CablePluggedIn",
    "ChargingStateChanged",
    "EVCommunicationLost",
    "MeterValueClock",
    "MeterValuePeriodic",
    "RemoteStart",
    "RemoteStop",
    "ResetCommand",
    "StopAuthorized",
    "Trigger",
}


async def play(day: Day, verdict: Line) -> None:
    for hour, act in ACTS:
        await day.until(hour)
        await act(day)
    verdict.update(await day.report())


def test_a_full_day_without_a_complaint(packages: None, tmp_path: Path) -> None:
    verdict: Line = {}
    with capture_logs() as logs:
        run_day(tmp_path, functools.partial(site, tmp_path), functools.partial(play, verdict=verdict))
    assert verdict["complaints"] == []
    counts = verdict["counts"]
    assert set(counts["told"]) == TOLD
    assert {action for action in counts["got"] if " " not in action} == CARRIED_OUT
    refused = {action.partition(" ")[0] for action in counts["answered"] if " " in action}
    assert refused == {"Authorize", "Heartbeat", "MeterValues", "StatusNotification", "TransactionEvent"}
    transactions = verdict["transactions"]
    assert len(transactions) >= 20
    assert {(one["identity"], one["evse"]) for one in transactions} == {(ONE, 1), (ONE, 2), (TWO, 1)}
    assert {one["reason"] for one in transactions} == {"EVDisconnected", "ImmediateReset", "Local", "Remote"}
    assert sum(one["offline"] for one in transactions) > 200
    assert {trigger for one in transactions for trigger in one["triggers"]} >= TRIGGER_REASONS
    # What the gateway saw wrong of the CSMS: that it asked for what is not there, as it was told to.
    bad = {log["why"].partition(" is not")[0] for log in logs if log["event"] == "bad message refused"}
    assert bad == {action.partition(" ")[0] for action in counts["got"] if " " in action}
    assert [log for log in logs if log["log_level"] in ("error", "critical")] == []
