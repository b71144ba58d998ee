"""AIF chapters 3 and 4: the standard sequences: start, vehicle, modes, values, faults; for both classes."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.sim.battery import VehicleConfig
from bridge.sim.codec import Esv
from bridge.sim.control import SimUnit
from bridge.sim.node import SimNode
from bridge.sim.unit import SimUnitConfig
from tests.aif.device import BOTH_WAYS, CHARGER, KINDS, NEWEST, Device, config, name, play
from tests.tools.house import GATEWAY, MINUTE, TOKEN, UNITS, House, profile, run, site
from tests.tools.traffic import Word, before, first, frames, words

USUAL = [(BOTH_WAYS, 0x32, "R"), (CHARGER, 0x31, "R")]
either = pytest.mark.parametrize("kind", USUAL, ids=name)
#: Units of direct current that charge and discharge.
two_way = pytest.mark.parametrize("kind", [(BOTH_WAYS, code, "R") for code in (0x22, 0x32, 0x42, 0x52)], ids=name)
AC_CPLT = 0x11

#: Values of 0xC7.
NONE, NEITHER, CHARGEABLE, DISCHARGEABLE, BOTH, UNKNOWN, UNDETERMINED = 0x30, 0x40, 0x41, 0x42, 0x43, 0x44, 0xFF
#: Values of 0xDA.
CHARGE, DISCHARGE, STANDBY, CHARGE_DISCHARGE, STOP, AUTO = 0x42, 0x43, 0x44, 0x46, 0x47, 0x49


def _house(kind: tuple[int, int, str], **sim: Any) -> dict[str, Any]:
    made = site(unit={"class": f"0x{kind[0]:04X}"}, variables={"SampledDataCtrlr.TxUpdatedInterval": 20})
    return {"config": made, "units": {UNITS[0]: config(kind, **sim)}}


def _said(house: House) -> list[Word]:
    return words(house.datagrams, GATEWAY, UNITS[0])


async def _order(house: House, watts: float = 3000) -> dict[str, Any]:
    return await house.call(
        "RequestStartTransaction", evseId=1, remoteStartId=1, idToken=TOKEN, chargingProfile=profile(watts)
    )


# 3: full answers -----------------------------------------------------------------------------------------------------

#: The requests of AIF 3.1 to 3.3 and 4.1 to 4.3.
SEQUENCES = {
    BOTH_WAYS: (
        (0x82, 0x9D, 0x9E, 0x9F),
        (0x83, 0xC5, 0xC6, 0xC8, 0xC9, 0xCA, 0xCB, 0xCC),
        (0xC7,),
        (0xDA,),
        (0xDA, 0xDC, 0xDD),
        (0xE6,),
        (0xD0, 0xE2, 0xE4),
        (0xCE, 0xCF),
        (0xC0, 0xC2, 0xC4),
        (0x88,),
    ),
    CHARGER: (
        (0x82, 0x9D, 0x9E, 0x9F),
        (0x83, 0xC5, 0xCC),
        (0xC7,),
        (0xDA,),
        (0xE6,),
        (0xD0, 0xE2, 0xE4),
        (0xCE, 0xCF),
    ),
}


@pytest.mark.covers("AIF-3-1")
@pytest.mark.parametrize("kind", KINDS, ids=name)
def test_a_simulated_unit_answers_the_standard_requests_in_full(kind: tuple[int, int, str]) -> None:
    """As many properties as were asked, in their order; with a vehicle all of them with data (from Release N on)."""

    async def scene(device: Device) -> None:
        for plugged in (False, True):
            if plugged:
                device.unit.plug()
                device.unit.override_connection(CHARGEABLE)
            for asked in SEQUENCES[kind[0]]:
                answer = await device.read(*asked)
                assert tuple(prop.epc for prop in answer.props) == asked
                complete = all(prop.edt for prop in answer.props)
                assert answer.esv == (Esv.GET_RES if complete else Esv.GET_SNA)
                if plugged and (kind[2] >= "N" or 0xDC not in asked) and kind[1] != AC_CPLT:
                    assert complete, asked

    play(scene, config(kind))


@pytest.mark.covers("AIF-3-1")
@pytest.mark.parametrize("kind", NEWEST, ids=name)
def test_the_gateway_asks_at_start_what_the_standard_sequence_names(kind: tuple[int, int, str]) -> None:
    """And its whole start is answered in full, nothing missing."""

    async def scene(house: House) -> None:
        await house.settle(10_000)
        asked = {word.epc for word in _said(house) if word.done == "get"}
        told = {word.epc for word in _said(house) if word.done == "told"}
        assert told == asked
        for group in SEQUENCES[kind[0]][:4]:
            assert asked >= set(group)

    run(scene, **_house(kind))


# 3.1: start ----------------------------------------------------------------------------------------------------------


@pytest.mark.covers("AIF-3.1.1-0", "AIF-3.1.2-1")
def test_the_first_thing_on_the_network_is_our_instance_list_then_the_search() -> None:
    async def scene(house: House) -> None:
        ours = [(datagram, frame) for datagram, frame in frames(house.datagrams) if datagram.source == GATEWAY]
        (announced, inf), (searched, search) = ours[:2]
        assert (announced.destination, inf.esv, inf.seoj) == (None, Esv.INF, 0x0EF001)
        assert [(prop.epc, prop.edt) for prop in inf.props] == [(0xD5, bytes.fromhex("0105FF01"))]
        assert (searched.destination, search.esv) == (None, Esv.GET)
        assert (search.deoj, search.props[0].epc) in ((0x0EF001, 0xD6), (0x027E00, 0x80))

    run(scene)


@pytest.mark.covers("AIF-3.1.1-1")
@pytest.mark.parametrize("makeup", ["one", "several of one class", "several of different classes"])
def test_units_are_told_apart_in_an_instance_list_notification(makeup: str) -> None:
    """A node is switched on after the gateway has started and says only who is there."""
    made = {"one": ("a",), "several of one class": ("a", "b"), "several of different classes": ("a", "c")}[makeup]
    parts = {"a": (BOTH_WAYS, 1), "b": (BOTH_WAYS, 2), "c": (CHARGER, 1)}

    async def scene(house: House) -> None:
        await house.settle(5_000)
        sims = [SimUnit(house.clock, SimUnitConfig(unit_class=parts[one][0], release="R")) for one in made]
        node = SimNode(house.clock, b"late", sims)
        node.attach(house.lan.join(UNITS[0]))
        await node.start()
        for number, unit in enumerate(sims, 1):
            since = house.now
            await house.told("StatusNotification", evseId=number, connectorStatus="Available", timeout_ms=10_000)
            unit.plug()
            await house.told("StatusNotification", since, evseId=number, connectorStatus="Occupied")
        await node.close()

    units = {one: {"address": None, "class": f"0x{parts[one][0]:04X}", "instance": parts[one][1]} for one in made}
    evses = [{"id": number, "unit": one} for number, one in enumerate(made, 1)]
    config_ = site(units=units, stations=[{"id": "CS-1", "csms": {"url": "ws://in.memory/"}, "evses": evses}])
    run(scene, config=config_, start_nodes=False, wait=False)


@pytest.mark.covers("AIF-3.1.3-1")
@either
def test_release_and_maps_come_first_and_only_what_they_offer_is_asked(kind: tuple[int, int, str]) -> None:
    """Half of the optional properties are missing from the unit's map: none of them is ever asked for."""
    missing = frozenset({0xD4, 0xD5, 0xD6, 0xDB, 0x89, 0x8C, 0xE0, 0xEA, 0xED, 0xEE})

    async def scene(house: House) -> None:
        await house.settle(5 * MINUTE)
        asked = [word.epc for word in _said(house) if word.done == "get"]
        assert set(asked[:5]) >= {0x82, 0x9D, 0x9E, 0x9F}
        assert not missing & set(asked)

    run(scene, **_house(kind, hidden=missing))


@pytest.mark.covers("AIF-3.1.4-1")
@either
def test_a_missing_identification_costs_nothing_else(kind: tuple[int, int, str]) -> None:
    """0x83 is optional; where it is refused, the answer is Get_SNA with all the others in it, and they are used."""

    async def scene(house: House) -> None:
        await house.settle(10_000)
        said = _said(house)
        assert first(said, "told 83=sna")
        assert first(said, "told C5=00001770")
        assert house.gateway.units.runners["car"].unit.abilities.charge_max == 6_000_000

    run(scene, **_house(kind, withheld=frozenset({0x83})))


# 3.2.1: the vehicle --------------------------------------------------------------------------------------------------


@pytest.mark.covers("AIF-3.2.1-1")
@either
def test_the_inf_may_take_three_minutes_and_polling_is_quicker(kind: tuple[int, int, str]) -> None:
    async def scene(house: House) -> None:
        since, came = house.now, house.clock.monotonic()
        house.unit.plug()
        await house.told("StatusNotification", since, connectorStatus="Occupied", timeout_ms=3 * MINUTE)
        assert house.clock.monotonic() - came <= 65_000
        await house.settle(3 * MINUTE)
        assert first(_said(house), "inf C7=4").at - came <= 180_000  # type: ignore[union-attr]

    run(scene, **_house(kind, inf_delay_ms=170_000))


@pytest.mark.covers("AIF-3.2.1-2")
@pytest.mark.parametrize("state", [UNDETERMINED, NONE], ids=["undetermined", "not-connected"])
@pytest.mark.parametrize(
    "kind", [(code, AC_CPLT, release) for code in (BOTH_WAYS, CHARGER) for release in "JMNPQR"], ids=name
)
def test_an_ac_unit_that_never_tells_of_the_vehicle_charges(kind: tuple[int, int, str], state: int) -> None:
    async def scene(house: House) -> None:
        house.unit.plug()
        await house.settle(5_000)
        assert (await _order(house))["status"] == "Accepted"
        await house.told("TransactionEvent", transactionInfo__chargingState="Charging")
        assert house.unit.connection == state

    run(scene, **_house(kind, blind_state=state))


@pytest.mark.covers("AIF-3.2.1-2")
@pytest.mark.parametrize("hlc", [True, False], ids=["hlc-vehicle", "cplt-vehicle"])
@pytest.mark.parametrize("kind", [(BOTH_WAYS, 0x12, "R"), (BOTH_WAYS, 0x13, "R"), (CHARGER, 0x12, "R")], ids=name)
def test_an_hlc_unit_charges_a_vehicle_that_only_has_a_pilot(kind: tuple[int, int, str], hlc: bool) -> None:
    """With an HLC vehicle the state is told, with a CPLT-only one it is as with AC_CPLT: charging works with both."""

    async def scene(house: House) -> None:
        house.unit.plug()
        await house.settle(60_000)
        told = house.csms.received("StatusNotification")[-1]["connectorStatus"]
        assert told == ("Occupied" if hlc else "Available")
        assert (await _order(house))["status"] == "Accepted"
        await house.told("TransactionEvent", transactionInfo__chargingState="Charging")

    run(scene, **_house(kind, vehicle=VehicleConfig(speaks_hlc=hlc)))


@pytest.mark.covers("AIF-3.2.1-3")
@pytest.mark.parametrize("kind", [one for one in NEWEST if one[1] >> 4 > 1], ids=name)
def test_a_dc_unit_tells_the_state_aa_once_it_has_been_asked(kind: tuple[int, int, str]) -> None:
    async def scene(house: House) -> None:
        await house.settle(MINUTE)
        mark, since = house.clock.monotonic(), house.now
        house.unit.plug()
        await house.told("StatusNotification", since, connectorStatus="Occupied")
        fresh = [word for word in _said(house) if word.at >= mark]
        state = first(fresh, "told C7=4") or first(fresh, "inf C7=4")
        asked = first(fresh, "set CD=10")
        assert state is not None
        assert (asked is not None and asked.at < state.at) if kind[1] >> 4 == 2 else asked is None

    run(scene, **_house(kind))


#: AIF 3.2.1(3): what is refused, and when. With 0x02A1: charge, standby and stop (AIF 4.2.1).
GATED = {BOTH_WAYS: (CHARGE, DISCHARGE, STANDBY, CHARGE_DISCHARGE, AUTO, STOP), CHARGER: (CHARGE, STANDBY, STOP)}


@pytest.mark.covers("AIF-3.2.1-4")
@pytest.mark.parametrize("kind", [one for one in NEWEST if one[1] >> 4 > 1], ids=name)
def test_a_simulated_unit_refuses_modes_where_nothing_can_be_charged_or_discharged(kind: tuple[int, int, str]) -> None:
    """SetC_SNA: undetermined (AA alone), not connected, connected with neither; else the mode is taken."""

    async def scene(device: Device) -> None:
        device.unit.plug()
        for state in (UNDETERMINED, NONE, NEITHER, BOTH if kind[0] == BOTH_WAYS else CHARGEABLE):
            device.unit.override_connection(state)
            refuses = state in (NONE, NEITHER) or (state == UNDETERMINED and kind[1] >> 4 == 2)
            for mode in GATED[kind[0]]:
                answer = await device.write(0xDA, bytes([mode]))
                assert answer.esv == (Esv.SETC_SNA if refuses else Esv.SET_RES), (hex(state), hex(mode))
                assert answer.props[0].edt == (bytes([mode]) if refuses else b"")

    play(scene, config(kind))


@pytest.mark.covers("AIF-3.2.1-4")
@either
def test_a_stop_that_is_refused_because_the_vehicle_has_left_counts_as_done(kind: tuple[int, int, str]) -> None:
    """The vehicle leaves unseen, then the CSMS stops: the refusal is no failure, nothing is tried for ever."""

    async def scene(house: House) -> None:
        house.unit.plug()
        await house.told("StatusNotification", connectorStatus="Occupied")
        await _order(house)
        event = await house.told("TransactionEvent", transactionInfo__chargingState="Charging")
        house.unit.unplug()
        await house.call("RequestStopTransaction", transactionId=event["transactionInfo"]["transactionId"])
        await house.told("TransactionEvent", eventType="Ended")
        await house.settle(MINUTE)
        written = len(house.writes())
        await house.settle(30 * MINUTE)
        assert house.writes()[written:] == []

    run(scene, **_house(kind, inf_delay_ms=170_000))


# 3.2.2 to 3.2.4, 4.2: modes by what the vehicle can ------------------------------------------------------------------


def _takes(kind: tuple[int, int, str], state: int, modes: tuple[int, ...]) -> None:
    """The simulated unit takes each of the modes while 0xC7 says so."""

    async def scene(device: Device) -> None:
        device.unit.plug()
        device.unit.override_connection(state)
        for mode in modes:
            assert (await device.write(0xDA, bytes([mode]))).esv == Esv.SET_RES
            assert await device.value(0xDA) == bytes([mode]), hex(mode)

    play(scene, config(kind))


def _orders(kind: tuple[int, int, str], state: int | None, *, charge: bool, discharge: bool) -> None:
    """What the gateway orders of a unit while 0xC7 says so; None leaves it to the unit."""

    async def scene(house: House) -> None:
        house.unit.plug()
        house.unit.override_connection(state)
        await house.settle(5_000)
        for watts, mode, able in ((3000, "DA=42", charge), (-2000, "DA=43", discharge)):
            mark = len(house.writes())
            answer = await _order(house, watts)
            await house.settle(2 * MINUTE)
            assert (mode in house.writes()[mark:]) == able, (answer, mode)
            assert not able or house.unit.mode == int(mode[3:], 16)
            for transaction in {e["transactionInfo"]["transactionId"] for e in house.csms.events()}:
                await house.call("RequestStopTransaction", transactionId=transaction)
            await house.settle(MINUTE)
            assert house.unit.power_w == 0

    run(scene, **_house(kind, soc_percent=70))


@pytest.mark.covers("AIF-3.2.2-1")
@two_way
def test_a_vehicle_that_can_only_be_charged(kind: tuple[int, int, str]) -> None:
    _takes(kind, CHARGEABLE, (CHARGE, CHARGE_DISCHARGE, AUTO, STANDBY, STOP))
    _orders(kind, CHARGEABLE, charge=True, discharge=False)


@pytest.mark.covers("AIF-3.2.2-1")
@pytest.mark.parametrize(
    ("equipment", "state"), [(0x11, None), (0x12, NONE), (0x12, UNDETERMINED), (0x13, UNDETERMINED)]
)
def test_an_ac_unit_is_charged_without_knowing(equipment: int, state: int | None) -> None:
    kind = (BOTH_WAYS, equipment, "R")
    if state is not None:
        _takes(kind, state, (CHARGE, CHARGE_DISCHARGE, AUTO, STANDBY, STOP))
    _orders(kind, state, charge=True, discharge=False)


@pytest.mark.covers("AIF-3.2.3-1")
@two_way
def test_a_vehicle_that_can_only_be_discharged(kind: tuple[int, int, str]) -> None:
    _takes(kind, DISCHARGEABLE, (DISCHARGE, CHARGE_DISCHARGE, AUTO, STANDBY, STOP))
    _orders(kind, DISCHARGEABLE, charge=False, discharge=True)


@pytest.mark.covers("AIF-3.2.4-1")
@two_way
def test_a_vehicle_that_can_do_both(kind: tuple[int, int, str]) -> None:
    _takes(kind, BOTH, (CHARGE, DISCHARGE, CHARGE_DISCHARGE, AUTO, STANDBY, STOP))
    _orders(kind, BOTH, charge=True, discharge=True)


@pytest.mark.covers("AIF-4.2-1")
@pytest.mark.parametrize("kind", [one for one in NEWEST if one[0] == CHARGER], ids=name)
def test_a_charger_takes_charge_standby_and_stop_alone(kind: tuple[int, int, str]) -> None:
    async def scene(device: Device) -> None:
        device.unit.plug()
        device.unit.override_connection(CHARGEABLE)
        for mode in (CHARGE, STANDBY, STOP):
            assert (await device.write(0xDA, bytes([mode]))).esv == Esv.SET_RES
            assert await device.value(0xDA) == bytes([mode])
        for mode in (DISCHARGE, CHARGE_DISCHARGE, AUTO, 0x48):
            await device.write(0xDA, bytes([mode]))
            assert await device.value(0xDA) == bytes([STOP])

    play(scene, config(kind))


@pytest.mark.covers("AIF-4.2-1")
@pytest.mark.parametrize("kind", [one for one in NEWEST if one[0] == CHARGER], ids=name)
def test_a_charger_is_ordered_to_charge_to_pause_and_to_stop_and_nothing_else(kind: tuple[int, int, str]) -> None:
    async def scene(house: House) -> None:
        house.unit.plug()
        await house.settle(10_000)
        await _order(house)
        event = await house.told("TransactionEvent", transactionInfo__chargingState="Charging")
        transaction = event["transactionInfo"]["transactionId"]
        await house.limit(0, transaction)
        await house.unit.until(lambda unit: unit.mode == STANDBY)
        await house.settle(10_000)
        await house.limit(-2000, transaction)
        await house.settle(MINUTE)
        await house.limit(3000, transaction)
        await house.unit.until(lambda unit: unit.mode == CHARGE)
        await house.call("RequestStopTransaction", transactionId=transaction)
        await house.unit.until(lambda unit: unit.mode == STOP)
        modes = [write for write in house.writes() if write.startswith("DA")]
        assert modes == ["DA=42", "DA=44", "DA=42", "DA=47"]

    run(scene, **_house(kind))


# 3.2: reading back, further values, changes by itself ----------------------------------------------------------------


@pytest.mark.covers("AIF-3.2-2")
@either
def test_every_write_is_read_back_before_the_next(kind: tuple[int, int, str]) -> None:
    async def scene(house: House) -> None:
        house.unit.plug()
        await house.settle(10_000)
        await _order(house)
        await house.told("TransactionEvent", transactionInfo__chargingState="Charging")
        said = [word for word in _said(house) if word.done in ("set", "get", "took", "told")]
        sets = [index for index, word in enumerate(said) if word.done == "set"]
        assert len(sets) == (3 if kind[0] == BOTH_WAYS else 2)
        for here, following in zip(sets, [*sets[1:], len(said)], strict=True):
            back = [str(word) for word in said[here + 1 : following]]
            assert f"get {said[here].epc:02X}" in back
            assert f"told {said[here].epc:02X}={said[here].edt.hex().upper()}" in back

    run(scene, **_house(kind))


@pytest.mark.covers("AIF-3.2-3")
@either
def test_further_values_are_read_as_needed_and_refusals_are_normal(kind: tuple[int, int, str]) -> None:
    """While it charges D0, E2 or E4 and CE, CF; while it discharges C0, C2 or C4; E6. Without a vehicle all are SNA."""

    async def scene(house: House) -> None:
        await house.settle(MINUTE)
        assert {word.epc for word in _said(house) if word.done == "told" and not word.edt} >= {0xE4}
        mark = house.clock.monotonic()
        house.unit.plug()
        await house.settle(10_000)
        await _order(house)
        await house.told("TransactionEvent", transactionInfo__chargingState="Charging")
        await house.settle(MINUTE)
        read = {word.epc for word in _said(house) if word.done == "told" and word.edt and word.at > mark}
        assert read & {0xD0, 0xE2, 0xE4}
        assert 0xCF in read
        assert 0xE6 in read
        assert kind[0] == CHARGER or read & {0xC0, 0xC2, 0xC4}

    run(scene, **_house(kind))


@pytest.mark.covers("AIF-3.2-4")
@pytest.mark.parametrize("delay", [0, 60_000, 180_000])
@either
def test_a_mode_that_the_unit_changes_by_itself_is_announced_within_three_minutes(
    kind: tuple[int, int, str], delay: int
) -> None:
    async def scene(device: Device) -> None:
        device.unit.plug()
        device.unit.override_connection(CHARGEABLE)
        await device.write(0xDA, bytes([CHARGE]))
        await device.clock.sleep(200_000)
        mark = device.clock.monotonic()
        device.unit.ev_ends()
        await device.controller.inf(device.UNIT_AT, 0xDA)
        while device.announced(0xDA) == bytes([CHARGE]):
            await device.clock.sleep(100)
        assert device.announced(0xDA) == bytes([STOP])
        assert device.clock.monotonic() - mark <= 180_100

    play(scene, config(kind, inf_delay_ms=delay))


@pytest.mark.covers("AIF-3.2-4")
@either
def test_an_announced_mode_is_told_at_once(kind: tuple[int, int, str]) -> None:
    """The unit does not charge and is polled rarely: a person starts it, and the CSMS hears with the INF."""

    async def scene(house: House) -> None:
        house.unit.plug()
        await house.told("StatusNotification", connectorStatus="Occupied")
        await house.settle(3 * MINUTE)
        since, mark = house.now, house.clock.monotonic()
        house.unit.panel("charge")
        await house.told("TransactionEvent", since, eventType="Started")
        inf = first([word for word in _said(house) if word.at >= mark], "inf DA=42")
        assert inf is not None
        assert house.clock.monotonic() - inf.at <= 1_000
        assert "get DA" not in [str(word) for word in before(_said(house), "inf DA=42") if word.at >= mark]

    run(scene, **_house(kind, inf_delay_ms=0))


# 3.3: faults ---------------------------------------------------------------------------------------------------------


@pytest.mark.covers("AIF-3.3.1-1")
@pytest.mark.parametrize("copies", [1, 0, 2], ids=["inf", "inf-lost", "inf-twice"])
@either
def test_a_fault_and_its_end_reach_the_csms(kind: tuple[int, int, str], copies: int) -> None:
    async def scene(house: House) -> None:
        since = house.now
        house.unit.fault(0x000A)
        await house.told("StatusNotification", since, connectorStatus="Faulted", timeout_ms=65_000)
        since = house.now
        house.unit.clear_fault()
        await house.told("StatusNotification", since, connectorStatus="Available", timeout_ms=65_000)
        told = [one["connectorStatus"] for one in house.csms.received("StatusNotification")]
        assert told.count("Faulted") == 1

    run(scene, **_house(kind, inf_copies=copies))
