"""Sessions with a unit and its vehicle under the whole gateway: scenarios of the ECHONET Consortium, and control."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from bridge.sim.battery import VehicleConfig
from bridge.sim.codec import Esv
from bridge.sim.properties import Epc
from bridge.sim.unit import SimUnitConfig
from tests.tools.house import MINUTE, TOKEN, UNITS, House, dig, profile, run, site


def test_a_dry_run_writes_nothing_and_says_what_it_would() -> None:
    async def play(house: House) -> None:
        house.unit.plug()
        await house.told("StatusNotification", connectorStatus="Occupied")
        with capture_logs() as log:
            await house.call(
                "RequestStartTransaction", evseId=1, remoteStartId=1, idToken=TOKEN, chargingProfile=profile(3000)
            )
            await house.settle()
        would = [entry["write"] for entry in log if entry["event"] == "would write"]
        assert [text.rpartition("(")[2].rstrip(")") for text in would] == ["DC=03", "EB=00000BB8", "DA=42"]
        assert house.writes() == []
        assert house.unit.power_w == 0

    run(play, config=site(unit={"control": "dry-run"}))


def test_a_unit_that_is_only_observed_is_told_of_and_never_written() -> None:
    async def play(house: House) -> None:
        house.unit.plug()
        await house.told("StatusNotification", connectorStatus="Occupied")
        answer = await house.call("RequestStartTransaction", evseId=1, remoteStartId=1, idToken=TOKEN)
        assert answer["status"] == "Rejected"
        house.unit.panel("charge")
        event = await house.told("TransactionEvent", transactionInfo__chargingState="Charging")
        transaction = event["transactionInfo"]["transactionId"]
        await house.call("RequestStopTransaction", transactionId=transaction)
        await house.settle(5 * MINUTE)
        assert house.writes() == []
        assert house.unit.power_w > 0

    run(play, config=site(unit={"control": "observe"}))


@pytest.mark.covers("AIF-1-2")
def test_what_another_controller_writes_is_told_and_not_fought() -> None:
    async def play(house: House) -> None:
        await house.start(3000)
        written = len(house.writes())
        house.unit.foreign_write(Epc.OPERATION_MODE, b"\x44")
        await house.told("TransactionEvent", since=house.now, transactionInfo__chargingState="SuspendedEVSE")
        await house.settle(5 * MINUTE)
        assert house.writes()[written:] == []
        assert house.unit.power_w == 0

    run(play)


def test_a_controller_that_keeps_changing_the_mode_does_not_draw_us_into_a_race() -> None:
    async def play(house: House) -> None:
        await house.start(3000)
        written = len(house.writes())
        for number in range(60):
            house.unit.foreign_write(Epc.OPERATION_MODE, b"\x44" if number % 2 else b"\x42")
            await house.clock.sleep(10_000)
        assert len(house.writes()) - written <= 40

    run(play)


@pytest.mark.covers("AIF-3.3.1-1")
def test_a_fault_in_a_session_and_its_end_reach_the_csms() -> None:
    async def play(house: House) -> None:
        await house.start(3000)
        since = house.now
        house.unit.fault(0x000A)
        await house.told("StatusNotification", since, connectorStatus="Faulted")
        await house.unit.until(lambda unit: unit.power_w == 0)
        await house.settle()
        assert house.state() != "Charging"
        since = house.now
        house.unit.clear_fault()
        await house.told("StatusNotification", since, connectorStatus="Occupied")

    run(play)


@pytest.mark.covers("CEL-3.2", "CEL-3.3", "AIF-3.2.1-1")
def test_with_every_notification_lost_polling_tells_the_same() -> None:
    async def play(house: House) -> None:
        since = house.now
        house.unit.plug()
        await house.told("StatusNotification", since, connectorStatus="Occupied", timeout_ms=10 * MINUTE)
        await house.start(3000)
        since = house.now
        house.unit.panel("stop")
        await house.told("TransactionEvent", since, transactionInfo__chargingState="SuspendedEVSE")
        since = house.now
        house.unit.unplug()
        await house.told("StatusNotification", since, connectorStatus="Available", timeout_ms=10 * MINUTE)
        assert not [
            d for d in house.datagrams if d.source == UNITS[0] and d.data[4:6] == b"\x02\x7e" and d.data[10] == Esv.INF
        ]

    run(play, units={UNITS[0]: SimUnitConfig(inf_copies=0)})


@pytest.mark.covers("CEL-3.8")
def test_a_vehicle_that_is_full_ends_by_itself() -> None:
    async def play(house: House) -> None:
        await house.start()
        since = house.now
        await house.told(
            "TransactionEvent", since, transactionInfo__chargingState="SuspendedEV", timeout_ms=10 * 60 * MINUTE
        )
        assert house.unit.soc >= 99
        written = len(house.writes())
        await house.settle(30 * MINUTE)
        assert len(house.writes()) - written <= 6

    run(play, units={UNITS[0]: SimUnitConfig(soc_percent=97, capacity_wh=10_000)})


def test_a_vehicle_that_takes_nothing_is_told_as_its_own_pause() -> None:
    async def play(house: House) -> None:
        await house.start(3000)
        since = house.now
        house.unit.ev_pauses()
        await house.told(
            "TransactionEvent", since, transactionInfo__chargingState="SuspendedEV", timeout_ms=10 * MINUTE
        )
        since = house.now
        house.unit.ev_pauses(False)
        await house.told("TransactionEvent", since, transactionInfo__chargingState="Charging", timeout_ms=10 * MINUTE)

    run(play)


def test_a_discharge_stops_at_the_sites_floor() -> None:
    async def play(house: House) -> None:
        transaction = await house.start(3000)
        assert (await house.limit(-6000, transaction))["status"] == "Accepted"
        await house.unit.until(lambda unit: unit.power_w < -1000, 5 * MINUTE)
        await house.unit.until(lambda unit: unit.power_w >= 0, 5 * 60 * MINUTE)
        assert 39 <= house.unit.soc <= 40.5
        await house.settle(60 * MINUTE)
        assert 39 <= house.unit.soc <= 40.5

    run(
        play,
        config=site(unit={"soc_floor": 40}),
        units={UNITS[0]: SimUnitConfig(soc_percent=45, vehicle=VehicleConfig(discharge_floor_percent=10))},
    )


def test_discharge_is_refused_where_the_site_does_not_allow_it() -> None:
    async def play(house: House) -> None:
        transaction = await house.start(3000)
        assert (await house.limit(-2000, transaction))["status"] == "Rejected"
        await house.settle()
        assert house.unit.power_w == 3000
        assert not [write for write in house.writes() if write == "DA=43"]

    run(play, config=site(evse={"discharge": []}))


@pytest.mark.covers("CEL-3.9")
def test_a_vehicle_that_leaves_frees_the_place() -> None:
    async def play(house: House) -> None:
        transaction = await house.start(3000)
        await house.call("RequestStopTransaction", transactionId=transaction)
        await house.told("TransactionEvent", eventType="Ended")
        since = house.now
        house.unit.unplug()
        await house.told("StatusNotification", since, connectorStatus="Available")

    run(play)


def test_a_set_res_that_changes_nothing_is_not_believed() -> None:
    """AIF 2.4.5: the unit answers Set_Res and keeps the nearest value that it can; what it kept is what counts."""

    async def play(house: House) -> None:
        await house.start(5900)
        await house.unit.until(lambda unit: unit.power_w == 4000)
        offered = house.station.positions[1].seen.offered
        reads = [d for d in house.datagrams if d.source == UNITS[0] and b"\xeb\x04\x00\x00\x0f\xa0" in d.data]
        assert reads
        assert offered is None or offered.value <= 5_900_000

    run(play, units={UNITS[0]: SimUnitConfig(charge_range_w=(500, 4_000), clamps=True)})


def test_hands_off_over_the_device_model_leaves_the_unit_alone_until_lifted() -> None:
    async def play(house: House) -> None:
        transaction = await house.start(3000)
        assert await _set_hands_off(house, "true") == "Accepted"
        assert house.station.positions[1].hands_off
        written = len(house.writes())
        await house.limit(1000, transaction)
        await house.settle(5 * MINUTE)
        assert house.writes()[written:] == []
        assert house.unit.power_w == 3000
        assert await _set_hands_off(house, "false") == "Accepted"
        await house.unit.until(lambda unit: unit.power_w == 1000)

    run(play)


def test_hands_off_over_the_api_is_what_the_csms_reads() -> None:
    async def play(house: House) -> None:
        house.station.wishes.set_hands_off(1, True)
        assert await _variable(house, "EVSE", "HandsOff", id=1) == "true"
        await house.settle(10)
        assert (await house.store.settings("CS-1"))["EVSE.HandsOff@1"] == "true"
        house.station.wishes.set_hands_off(1, False)
        assert await _variable(house, "EVSE", "HandsOff", id=1) == "false"

    run(play)


def test_availability_state_is_what_the_connector_is_now() -> None:
    async def play(house: House) -> None:
        places = (("ChargingStation", {}), ("EVSE", {"id": 1}), ("Connector", {"id": 1, "connectorId": 1}))
        for status in ("Available", "Occupied"):
            for component, evse in places:
                assert await _variable(house, component, "AvailabilityState", **evse) == status
            house.unit.plug()
            await house.told("StatusNotification", connectorStatus="Occupied")
        house.unit.fault()
        await house.told("StatusNotification", connectorStatus="Faulted")
        assert await _variable(house, "EVSE", "AvailabilityState", id=1) == "Faulted"

    run(play)


async def _variable(house: House, component: str, variable: str, **evse: int) -> str:
    where = {"name": component} | ({"evse": evse} if evse else {})
    data = [{"component": where, "variable": {"name": variable}}]
    [result] = (await house.call("GetVariables", getVariableData=data))["getVariableResult"]
    return str(result["attributeValue"])


async def _set_hands_off(house: House, value: str) -> str:
    data = [
        {
            "attributeValue": value,
            "component": {"name": "EVSE", "evse": {"id": 1}},
            "variable": {"name": "HandsOff"},
        }
    ]
    [result] = (await house.call("SetVariables", setVariableData=data))["setVariableResult"]
    return str(dig(result, "attributeStatus"))
