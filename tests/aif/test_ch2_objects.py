"""AIF chapter 2.1 to 2.3: objects, services, properties and what may be done with each."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.clock import run_virtual
from bridge.echonet.dictionary import Access
from bridge.sim.battery import VehicleConfig
from bridge.sim.codec import Esv, encode
from bridge.sim.control import SimUnit
from bridge.sim.node import NodeConfig, SimNode
from bridge.sim.unit import SimUnitConfig
from tests.aif.device import BOTH_WAYS, CHARGER, NEWEST, Device, config, name, play
from tests.tools.house import GATEWAY, MINUTE, TOKEN, UNITS, House, profile, run, site
from tests.tools.sim_controller import House as SimHouse
from tests.tools.tables import shipped
from tests.tools.traffic import Word, words

# 2.1: objects ------------------------------------------------------------------------------------------------------


class Listless(SimNode):
    """A node whose instance lists are empty."""

    def _instance_list(self) -> bytes:
        return b"\x00"


@pytest.mark.covers("AIF-2.1-1")
@pytest.mark.parametrize("instance", [0x01, 0x1F, 0x7F])
def test_a_unit_of_any_instance_is_found_by_the_search_for_its_class_and_served(instance: int) -> None:
    """Its node tells no list: only a question to instance 0x00 of the class reaches it."""

    async def scene(house: House) -> None:
        unit = SimUnit(house.clock, SimUnitConfig(instance=instance))
        node = Listless(house.clock, b"listless", [unit])
        node.attach(house.lan.join(UNITS[0]))
        await house.told("StatusNotification", connectorStatus="Available", timeout_ms=5 * MINUTE)
        since = house.now
        unit.plug()
        await house.told("StatusNotification", since, connectorStatus="Occupied")
        await house.call("RequestStartTransaction", evseId=1, remoteStartId=1, idToken=TOKEN)
        await unit.until(lambda one: one.power_w > 0)
        await node.close()

    run(scene, config=site(unit={"address": None, "instance": instance}), start_nodes=False, wait=False)


@pytest.mark.covers("AIF-2.1-1")
def test_instance_zero_asks_all_of_a_class_and_each_answers_for_itself() -> None:
    async def main() -> None:
        house = SimHouse()
        units = [SimUnit(house.clock), SimUnit(house.clock, SimUnitConfig(instance=0x1F))]
        node = SimNode(house.clock, b"two", units, NodeConfig())
        node.attach(house.lan.join("192.168.1.30"))
        frame = house.controller.frame(Esv.GET, 0x80, deoj=0x027E00)
        house.controller.port.send(encode(frame), "192.168.1.30")
        await house.clock.sleep(1_000)
        answered = [answer.seoj for _, answer in house.controller.frames if answer.tid == frame.tid]
        assert answered == [0x027E01, 0x027E1F]
        await node.close()
        await house.node.close()

    run_virtual(main())


# 2.3: properties and their access ----------------------------------------------------------------------------------

#: AIF 2.3. G read, S written, I announced; small letters: optional.
SUPER = {0x81: "GSI", 0x82: "G", 0x83: "g", 0x88: "GI", 0x8A: "G", 0x9D: "G", 0x9E: "G", 0x9F: "G"}
OWN = {
    BOTH_WAYS: {0x80: "GIs"}
    | dict.fromkeys((0xC0, 0xC2, 0xC4, 0xC5, 0xC6), "G")
    | {0xC7: "GI"}
    | dict.fromkeys((0xC8, 0xC9, 0xCA, 0xCB, 0xCC), "G")
    | {0xCD: "S", 0xCE: "G", 0xCF: "G", 0xD0: "G", 0xDA: "GSI", 0xDC: "GIs", 0xDD: "GIs"}
    | {0xE2: "G", 0xE4: "G", 0xE6: "G"},
    CHARGER: {0x80: "GIs", 0xC5: "G", 0xC7: "GI", 0xCC: "G", 0xCD: "S", 0xCE: "G", 0xCF: "G", 0xD0: "G"}
    | {0xDA: "GSI", 0xE2: "G", 0xE4: "G", 0xE6: "G"},
}


@pytest.mark.covers("AIF-2.3-1", "AIF-2.3-2", "AIF-2.3-3")
@pytest.mark.parametrize(("code", "epc", "rule"), [(code, *row) for code in OWN for row in (SUPER | OWN[code]).items()])
def test_the_dictionary_lets_each_property_be_used_as_the_specification_says(code: int, epc: int, rule: str) -> None:
    """A required access is required there, too; what is only read is never written."""
    prop = shipped().classes[code].latest.by_epc[epc]
    allowed = {"G": prop.get, "S": prop.set, "I": prop.inf}
    for letter, access in allowed.items():
        if letter in rule:
            assert access is Access.REQUIRED, (letter, access)
        elif letter.lower() in rule:
            assert access.possible, (letter, access)
        elif letter != "I":  # any property may be announced
            assert not access.possible, (letter, access)


@pytest.mark.covers("AIF-2.3-1", "AIF-2.3-2", "AIF-2.3-3")
@pytest.mark.parametrize("kind", NEWEST, ids=name)
def test_the_simulated_unit_offers_them_in_its_maps(kind: tuple[int, int, str]) -> None:
    async def scene(device: Device) -> None:
        core = device.unit.core
        for epc, rule in (SUPER | OWN[kind[0]]).items():
            assert (epc in core.get_map) == ("G" in rule.upper()), hex(epc)
            if "S" in rule and epc != 0xCD:
                assert epc in core.set_map, hex(epc)
            if "I" in rule:
                assert epc in core.inf_map, hex(epc)
        assert (0xCD in core.set_map) == (kind[1] >> 4 == 2)  # AIF 2.3: DC_AA alone has to offer it

    play(scene, config(kind))


@pytest.mark.covers("AIF-2.3-1", "AIF-2.3-2", "AIF-2.3-3")
@pytest.mark.parametrize("kind", NEWEST, ids=name)
def test_the_gateway_reads_only_what_is_read_and_writes_only_what_is_written(kind: tuple[int, int, str]) -> None:
    """Over a whole session, whatever the unit offers."""

    async def scene(house: House) -> None:
        house.unit.plug()
        await house.settle(10_000)
        await house.call("RequestStartTransaction", evseId=1, remoteStartId=1, idToken=TOKEN)
        await house.settle(2 * MINUTE)
        rules = SUPER | OWN[kind[0]]
        for word in _said(house):
            if word.epc in rules and word.done in ("get", "set"):
                assert ("G" if word.done == "get" else "S") in rules[word.epc].upper(), str(word)
        read = {word.epc for word in _said(house) if word.done == "get"}
        assert read >= {0x82, 0x83, 0x88, 0x9D, 0x9E, 0x9F, 0xC5, 0xC7, 0xCC, 0xDA}

    run(scene, **_house(kind))


@pytest.mark.covers("AIF-2.3-4")
@pytest.mark.parametrize("code", [BOTH_WAYS, CHARGER], ids=["027E", "02A1"])
@pytest.mark.parametrize("hidden", [0xE2, 0xE4], ids=["without-E2", "without-E4"])
def test_one_of_two_charge_levels_is_enough(code: int, hidden: int) -> None:
    """The other one gives the state of charge; a unit that has both is not needed."""

    async def scene(house: House) -> None:
        transaction = await _charging(house)
        soc = await _sampled(house, transaction, "SoC")
        assert soc is not None
        assert abs(soc - house.unit.soc) <= 2

    run(scene, **_house((code, 0x31, "R"), hidden=frozenset({hidden}), soc_percent=60))


@pytest.mark.covers("AIF-2.3-4")
@pytest.mark.parametrize("hidden", [0xC2, 0xC4], ids=["without-C2", "without-C4"])
def test_one_of_two_dischargeable_amounts_is_enough(hidden: int) -> None:
    """The vehicle that is empty is known for the one that ended the discharge by itself."""

    async def scene(house: House) -> None:
        transaction = await _charging(house)
        limits = profile(-3000) | {"transactionId": transaction}
        assert (await house.call("SetChargingProfile", evseId=1, chargingProfile=limits))["status"] == "Accepted"
        await house.unit.until(lambda unit: unit.power_w == -3000)
        await house.unit.until(lambda unit: unit.power_w == 0, 120 * MINUTE)
        await house.settle()
        assert house.state() == "SuspendedEV"

    more = {"hidden": frozenset({hidden}), "soc_percent": 52, "capacity_wh": 10_000}
    run(scene, **_house((BOTH_WAYS, 0x32, "R"), {"soc_floor": 5}, vehicle=_vehicle(10_000, 50), **more))


@pytest.mark.covers("AIF-2.3-4")
@pytest.mark.parametrize("kind", [(BOTH_WAYS, 0x32, "R"), (CHARGER, 0x31, "R")], ids=name)
def test_what_the_vehicle_does_not_give_is_refused_and_stays_unknown(kind: tuple[int, int, str]) -> None:
    """Refused for ever (SNA): no state of charge is invented, and charging works all the same."""

    async def scene(house: House) -> None:
        transaction = await _charging(house)
        assert await _sampled(house, transaction, "SoC") is None

    battery = frozenset({0xC0, 0xC2, 0xC4, 0xCE, 0xCF, 0xD0, 0xE2, 0xE4})
    run(scene, **_house(kind, withheld=battery))


@pytest.mark.covers("AIF-2.3-5")
@pytest.mark.parametrize("kind", NEWEST, ids=name)
def test_only_a_unit_of_type_aa_is_asked_whether_a_vehicle_is_there(kind: tuple[int, int, str]) -> None:
    """0xC7 stays undetermined with every type: 0xCD goes to DC_AA, and to nobody else, even where it is offered."""

    async def scene(house: House) -> None:
        house.unit.plug()
        house.unit.override_connection(0xFF)
        await house.call("RequestStartTransaction", evseId=1, remoteStartId=1, idToken=TOKEN)
        await house.settle(3 * MINUTE)
        assert ("CD=10" in house.writes()) == (kind[1] >> 4 == 2)

    settable = frozenset({0x81, 0xDA, 0xDC, 0xDD, 0xEB, 0xEC, 0xCD})
    run(scene, **_house(kind, settable=settable))


@pytest.mark.covers("AIF-2.3-6")
def test_the_vehicle_id_is_told_while_the_vehicle_is_there_and_pays_for_nothing() -> None:
    """A driver at the unit starts: the transaction is not the vehicle's, which is known till it leaves."""

    async def scene(house: House) -> None:
        assert _vehicle_id(house) is None
        house.unit.plug(vehicle=_vehicle(40_000, 20, b"CAR-7"))
        await house.told("StatusNotification", connectorStatus="Occupied")
        await house.settle(60_000)
        assert _vehicle_id(house) == "CAR-7"
        house.unit.panel("charge")
        event = await house.told("TransactionEvent", eventType="Started")
        assert "CAR-7" not in str(event)
        house.unit.unplug()
        await house.told("StatusNotification", house.now, connectorStatus="Available")
        await house.settle(60_000)
        assert _vehicle_id(house) is None
        assert "CAR-7" not in str([event.get("idToken") for event in house.csms.events()])

    run(scene)


@pytest.mark.covers("AIF-2.3-6")
@pytest.mark.parametrize("kind", NEWEST, ids=name)
def test_the_simulated_unit_tells_the_vehicle_id_only_while_it_is_valid(kind: tuple[int, int, str]) -> None:
    async def scene(device: Device) -> None:
        assert await device.value(0xE6) in (b"\x00", b"")
        device.unit.plug()
        device.unit.override_connection(0x41)
        told = await device.value(0xE6)
        assert told[0] == len(told) - 1
        device.unit.override_connection(0xFF)
        assert await device.value(0xE6) in (b"\x00", b"")

    play(scene, config(kind))


@pytest.mark.covers("AIF-2.3-7")
@pytest.mark.parametrize("release", ["P", "Q", "R"])
@pytest.mark.parametrize("mode", [0x44, 0x47, 0x42])
def test_prepare_is_taken_and_the_mode_reads_as_before(release: str, mode: int) -> None:
    async def scene(device: Device) -> None:
        device.unit.plug()
        device.unit.panel(mode)
        assert (await device.write(0xDA, b"\x48")).esv == Esv.SET_RES
        assert await device.value(0xDA) == bytes([mode])
        await device.clock.sleep(60_000)
        assert await device.value(0xDA) == bytes([mode])
        assert device.announced(0xDA) in (None, bytes([mode]))

    play(scene, config((BOTH_WAYS, 0x32, release)))


@pytest.mark.covers("AIF-2.3-7")
def test_another_controllers_prepare_is_no_change_of_the_mode() -> None:
    async def scene(house: House) -> None:
        house.unit.plug()
        await house.told("StatusNotification", connectorStatus="Occupied")
        since = house.now
        assert house.unit.foreign_write(0xDA, b"\x48")
        await house.settle(2 * MINUTE)
        assert [one["connectorStatus"] for one in house.csms.received("StatusNotification")][-1] == "Occupied"
        assert not [message for message in house.csms.messages[since:] if message.action == "TransactionEvent"]
        assert house.writes() == []

    run(scene, units={UNITS[0]: SimUnitConfig(release="R")})


# Helpers -----------------------------------------------------------------------------------------------------------


def _house(kind: tuple[int, int, str], unit: dict[str, Any] | None = None, **sim: Any) -> dict[str, Any]:
    named = {"class": f"0x{kind[0]:04X}", **(unit or {})}
    variables = {"SampledDataCtrlr.TxUpdatedInterval": 20}
    return {"config": site(unit=named, variables=variables), "units": {UNITS[0]: config(kind, **sim)}}


def _said(house: House) -> list[Word]:
    return words(house.datagrams, GATEWAY, UNITS[0])


def _vehicle(capacity: int, floor: int, vehicle_id: bytes = b"SIM-EV-0001") -> VehicleConfig:
    return VehicleConfig(capacity, discharge_floor_percent=floor, vehicle_id=vehicle_id)


async def _charging(house: House) -> str:
    house.unit.plug()
    await house.told("StatusNotification", connectorStatus="Occupied")
    answer = await house.call("RequestStartTransaction", evseId=1, remoteStartId=1, idToken=TOKEN)
    assert answer["status"] == "Accepted"
    event = await house.told("TransactionEvent", transactionInfo__chargingState="Charging")
    return str(event["transactionInfo"]["transactionId"])


async def _sampled(house: House, transaction: str, measurand: str) -> float | None:
    event = await house.told("TransactionEvent", house.now, triggerReason="MeterValuePeriodic")
    assert event["transactionInfo"]["transactionId"] == transaction
    values = [one for value in event["meterValue"] for one in value["sampledValue"]]
    return next((float(one["value"]) for one in values if one.get("measurand") == measurand), None)


def _vehicle_id(house: House) -> str | None:
    return house.gateway.units.runners["car"].unit.observed.vehicle_id
