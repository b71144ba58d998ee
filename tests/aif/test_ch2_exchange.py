"""AIF chapter 2.4: requests and answers, timers, TIDs, sizes, ranges, refusals."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from bridge.cli.demo_house import GATEWAY_ADDRESS, in_memory
from bridge.clock import Clock, run_virtual
from bridge.sim.battery import VehicleConfig
from bridge.sim.checker import AifChecker
from bridge.sim.codec import REQUESTS, Esv, encode
from bridge.sim.control import SimUnit
from bridge.sim.lan import LanFaults, SimLan
from bridge.sim.node import NodeConfig, SimNode
from bridge.sim.power import PowerConfig
from bridge.sim.scenario import play as evening
from tests.aif.device import BATTERY, BOTH_WAYS, CHARGER, NEWEST, Device, config, name, play
from tests.tools.house import GATEWAY, MINUTE, TOKEN, UNITS, House, profile, run, site
from tests.tools.traffic import Word, after, first, frames, words

USUAL = [(BOTH_WAYS, 0x32, "R"), (CHARGER, 0x31, "R")]
#: The most properties of one request (AIF 2.4.4).
MOST = {BOTH_WAYS: 8, CHARGER: 4}

either = pytest.mark.parametrize("kind", USUAL, ids=name)


def _house(kind: tuple[int, int, str], *, node: NodeConfig | None = None, **sim: Any) -> dict[str, Any]:
    made = site(unit={"class": f"0x{kind[0]:04X}"}, variables={"SampledDataCtrlr.TxUpdatedInterval": 20})
    return {"config": made, "units": {UNITS[0]: config(kind, **sim)}, "node": node}


def _said(house: House) -> list[Word]:
    return words(house.datagrams, GATEWAY, UNITS[0])


def _requests(house: House) -> list[tuple[int, int, int]]:
    """When (ms), TID and number of properties of each request to the unit's node."""
    return [
        (datagram.at, frame.tid, len(frame.props))
        for datagram, frame in frames(house.datagrams)
        if datagram.source == GATEWAY and datagram.destination == UNITS[0] and frame.esv in REQUESTS
    ]


async def _session(house: House, watts: float = 3000) -> str:
    """A vehicle is charged."""
    house.unit.plug()
    await house.told("StatusNotification", connectorStatus="Occupied", timeout_ms=10 * MINUTE)
    answer = await house.call(
        "RequestStartTransaction", evseId=1, remoteStartId=1, idToken=TOKEN, chargingProfile=profile(watts)
    )
    assert answer["status"] == "Accepted"
    event = await house.told("TransactionEvent", transactionInfo__chargingState="Charging", timeout_ms=30 * MINUTE)
    return str(event["transactionInfo"]["transactionId"])


# 2.4.1: one request, one answer, per node ---------------------------------------------------------------------------


@pytest.mark.covers("AIF-2.4.1-1")
@either
def test_the_next_request_to_a_node_goes_out_after_the_answer(kind: tuple[int, int, str]) -> None:
    """With every answer 400 ms late and many wishes at once, never two are open (the checker counts none)."""

    async def scene(house: House) -> None:
        transaction = await _session(house)
        for watts in (2000, 1500, 2500, 1000):
            await house.limit(watts, transaction)
        await house.settle(MINUTE)
        asked = {tid: at for at, tid, _ in _requests(house)}
        answered = {
            frame.tid: datagram.at
            for datagram, frame in frames(house.datagrams)
            if datagram.source == UNITS[0] and frame.esv not in (Esv.INF, Esv.INFC)
        }
        times = sorted(asked.values())
        ends = [answered[tid] for tid in asked if tid in answered]
        assert len(times) > 30
        assert len(set(times)) == len(times)
        for at in times:
            open_then = [tid for tid, sent in asked.items() if sent < at < answered.get(tid, sent)]
            assert open_then == []
        assert ends

    run(scene, **_house(kind, node=NodeConfig(answer_delay_ms=400)))


@pytest.mark.covers("AIF-2.4.1-1")
def test_two_objects_of_one_node_share_its_one_request() -> None:
    """Per NODE, not per object: with two units behind one address no two requests are open at once."""

    async def scene(house: House) -> None:
        sims = [SimUnit(house.clock), SimUnit(house.clock)]
        node = SimNode(house.clock, b"both", sims, NodeConfig(answer_delay_ms=300))
        node.attach(house.lan.join(UNITS[0]))
        await node.start()
        for number in (1, 2):
            await house.told("StatusNotification", evseId=number, connectorStatus="Available")
        await house.settle(3 * MINUTE)
        assert node.ignored == 0
        objects = {frame.deoj for _, frame in frames(house.datagrams) if frame.esv == Esv.GET}
        assert objects >= {0x027E01, 0x027E02}
        await node.close()

    units = {"a": {"address": UNITS[0]}, "b": {"address": UNITS[0], "instance": 2}}
    evses = [{"id": 1, "unit": "a"}, {"id": 2, "unit": "b"}]
    made = site(units=units, stations=[{"id": "CS-1", "csms": {"url": "ws://in.memory/"}, "evses": evses}])
    run(scene, config=made, start_nodes=False, wait=False, units={UNITS[2]: config(USUAL[0])})


@pytest.mark.covers("AIF-2.4.1-1")
def test_a_simulated_unit_ignores_what_comes_before_its_answer() -> None:
    async def scene(device: Device) -> None:
        one, two = (device.controller.frame(Esv.GET, epc, deoj=device.eoj) for epc in (0x80, 0xDA))
        for frame in (one, two):
            device.controller.port.send(encode(frame), device.UNIT_AT)
        await device.clock.sleep(30_000)
        assert [frame.tid for _, frame in device.controller.frames if frame.esv == Esv.GET_RES] == [one.tid]

    play(scene, config(USUAL[0]), node_config=NodeConfig(answer_delay_ms=500))


# 2.4.2, 2.4.3: the timer and the TID --------------------------------------------------------------------------------


@pytest.mark.covers("AIF-2.4.2-1")
@either
def test_a_unit_that_takes_19_seconds_for_each_answer_is_served(kind: tuple[int, int, str]) -> None:
    async def scene(house: House) -> None:
        await house.told("StatusNotification", connectorStatus="Available", timeout_ms=30 * MINUTE)
        await _session(house)
        await house.unit.until(lambda unit: unit.power_w == 3000)
        assert "Unavailable" not in [one["connectorStatus"] for one in house.csms.received("StatusNotification")][1:]

    run(scene, wait=False, **_house(kind, node=NodeConfig(answer_delay_ms=19_000)))


@pytest.mark.covers("AIF-2.4.2-1")
@pytest.mark.parametrize("kind", NEWEST, ids=name)
def test_a_simulated_unit_answers_in_time_one_alone_and_instance_zero(kind: tuple[int, int, str]) -> None:
    async def scene(device: Device) -> None:
        for epc in sorted(device.unit.core.get_map):
            began = device.clock.monotonic()
            await device.read(epc)
            assert device.clock.monotonic() - began < 20_000
        began = device.clock.monotonic()
        await device.ask(Esv.GET, 0x80, deoj=device.eoj)
        frame = device.controller.frame(Esv.GET, 0x80, deoj=device.eoj & 0xFFFF00)
        device.controller.port.send(encode(frame), device.UNIT_AT)
        await device.clock.sleep(19_000)
        assert [answer.seoj for _, answer in device.controller.frames if answer.tid == frame.tid] == [device.eoj]

    play(scene, config(kind))


@pytest.mark.covers("AIF-2.4.3-1", "AIF-2.4.2-1")
@either
def test_a_repeated_request_has_a_new_tid_and_comes_no_sooner_than_the_timer(kind: tuple[int, int, str]) -> None:
    """A third of all datagrams is lost: what is asked again is another request."""

    async def scene(house: House) -> None:
        await house.settle(60 * MINUTE)
        asked = _requests(house)
        assert len(asked) > 40
        tids = [tid for _, tid, _ in asked]
        assert len(set(tids)) == len(tids)
        heard = [
            at
            for datagram, frame in frames(house.datagrams)
            for address, at in datagram.arrivals
            if datagram.source == UNITS[0] and address == GATEWAY
        ]
        for (sooner, _, _), (later, _, _) in itertools.pairwise(asked):
            answered = any(sooner <= at <= later for at in heard)
            assert answered or later - sooner >= 20_000

    run(scene, faults=LanFaults(loss=0.3), wait=False, strict=False, **_house(kind))


# 2.4.4: sizes -------------------------------------------------------------------------------------------------------


@pytest.mark.covers("AIF-2.4.4-1")
@either
def test_no_request_has_more_properties_than_the_class_allows(kind: tuple[int, int, str]) -> None:
    """Not even for a look at everything (a stop that is refused); and requests are not needlessly small."""

    async def scene(house: House) -> None:
        transaction = await _session(house)
        await house.settle(5 * MINUTE)
        house.unit.override_connection(0x40)
        await house.call("RequestStopTransaction", transactionId=transaction)
        await house.settle(MINUTE)
        assert first(_said(house), "refused DA=47")
        house.unit.override_connection(None)
        await house.settle(10 * MINUTE)
        assert house.unit.power_w == 0
        sizes = [count for _, _, count in _requests(house)]
        assert max(sizes) <= MOST[kind[0]]
        assert max(sizes) >= MOST[kind[0]] - 1

    run(scene, **_house(kind))


@pytest.mark.covers("AIF-2.4.4-1")
@pytest.mark.parametrize("most", [1, 2, 3])
@either
def test_a_unit_that_refuses_combinations_is_asked_down_to_one_property(kind: tuple[int, int, str], most: int) -> None:
    async def scene(house: House) -> None:
        await house.told("StatusNotification", connectorStatus="Available", timeout_ms=10 * MINUTE)
        await _session(house)
        await house.unit.until(lambda unit: unit.power_w == 3000)
        assert 1 in [count for _, _, count in _requests(house)]

    run(scene, wait=False, **_house(kind, node=NodeConfig(max_opc=most)))


@pytest.mark.covers("AIF-2.4.4-1")
@pytest.mark.parametrize("kind", NEWEST, ids=name)
def test_a_simulated_unit_answers_in_the_order_asked(kind: tuple[int, int, str]) -> None:
    async def scene(device: Device) -> None:
        asked = (0xDA, 0x9F, 0x80, 0xC7)
        answer = await device.read(*asked)
        assert tuple(prop.epc for prop in answer.props) == asked
        answer = await device.read(*reversed(asked))
        assert tuple(prop.epc for prop in answer.props) == tuple(reversed(asked))

    play(scene, config(kind))


# 2.4.5: ranges, and what Set_Res means ------------------------------------------------------------------------------


@pytest.mark.covers("AIF-2.4.5-1")
@pytest.mark.parametrize("watts", [1, 499, 500, 6_000, 6_001, 99_999, 10_000_000_000])
@either
def test_no_limit_of_the_csms_leaves_the_units_range(kind: tuple[int, int, str], watts: int) -> None:
    """Below the unit's minimum nothing is set and energy pauses, above its maximum the maximum is set."""

    async def scene(house: House) -> None:
        transaction = await _session(house, 3000)
        mark = len(house.writes())
        await house.limit(watts, transaction)
        await house.settle(30_000)
        settings = [int(write[3:], 16) for write in house.writes()[mark:] if write.startswith("EB")]
        assert all(500 <= setting <= min(6_000, watts) for setting in settings)
        assert house.unit.power_w == (min(watts, 6_000) if watts >= 500 else 0)

    run(scene, **_house(kind))


@pytest.mark.covers("AIF-2.4.5-2")
@pytest.mark.parametrize("kind", NEWEST, ids=name)
def test_a_simulated_unit_answers_set_res_whatever_the_value(kind: tuple[int, int, str]) -> None:
    """Out of range and of a wrong size, too; the value stays."""

    async def scene(device: Device) -> None:
        device.unit.plug()
        device.unit.override_connection(0x43 if kind[0] == BOTH_WAYS else 0x41)
        for epc, wrong in ((0xDA, b"\x99"), (0xDA, b""), (0xEB, b"\xff\xff\xff\xff"), (0xEB, b"\x01")):
            before = await device.value(epc)
            assert (await device.write(epc, wrong)).esv == Esv.SET_RES, (epc, wrong)
            assert await device.value(epc) == before

    play(scene, config(kind))


@pytest.mark.covers("AIF-2.4.5-2")
@either
def test_a_write_that_was_taken_and_not_done_is_not_believed(kind: tuple[int, int, str]) -> None:
    """The unit says Set_Res and its mode stays: the CSMS never hears of charging, and is told that it cannot."""

    async def scene(house: House) -> None:
        house.unit.plug()
        await house.told("StatusNotification", connectorStatus="Occupied")
        await house.call("RequestStartTransaction", evseId=1, remoteStartId=1, idToken=TOKEN)
        await house.settle(10 * MINUTE)
        assert first(_said(house), "took DA")
        assert [str(word) for word in after(_said(house), "set DA=42")].count("get DA") >= 1
        assert house.state() != "Charging"
        assert not house.gateway.units.runners["car"].unit.observed.confirmed

    run(scene, **_house(kind, answers={0xDA: b"\x44"}, power=PowerConfig(start_delay_ms=10**9)))


@pytest.mark.covers("AIF-2.4.5-2")
@either
def test_a_setting_that_was_taken_and_not_kept_starts_nothing(kind: tuple[int, int, str]) -> None:
    """Set_Res, and the setting reads as before: without the limit no energy flows."""

    async def scene(house: House) -> None:
        house.unit.plug()
        await house.told("StatusNotification", connectorStatus="Occupied")
        await house.call(
            "RequestStartTransaction", evseId=1, remoteStartId=1, idToken=TOKEN, chargingProfile=profile(1000)
        )
        await house.settle(10 * MINUTE)
        assert "EB=000003E8" in house.writes()
        assert "DA=42" not in house.writes()
        assert house.unit.power_w == 0

    run(scene, **_house(kind, answers={0xEB: (6_000).to_bytes(4, "big")}))


# 2.4.6: the battery, the type, the mode -----------------------------------------------------------------------------

#: Types of direct current: their battery stays unknown while 0xC7 is undetermined.
DIRECT = {BOTH_WAYS: {*range(0x21, 0x24), *range(0x31, 0x34), *range(0x41, 0x44), *range(0x51, 0x54)}}
DIRECT[CHARGER] = {0x21, 0x31, 0x41, 0x51}


@pytest.mark.covers("AIF-2.4.6-1")
@pytest.mark.parametrize("kind", NEWEST, ids=name)
def test_a_simulated_unit_refuses_the_battery_without_a_vehicle(kind: tuple[int, int, str]) -> None:
    """With Get_SNA: not connected with every type, undetermined with the types of direct current."""

    async def scene(device: Device) -> None:
        device.unit.override_connection(0x30)
        assert set((await device.values(*BATTERY[kind[0]])).values()) == {b""}
        assert (await device.read(*BATTERY[kind[0]])).esv == Esv.GET_SNA
        device.unit.plug()
        device.unit.override_connection(0xFF)
        known = any((await device.values(*BATTERY[kind[0]])).values())
        assert not (known and kind[1] in DIRECT[kind[0]])
        device.unit.override_connection(0x41)
        if kind[1] != 0x11:
            assert all((await device.values(*BATTERY[kind[0]])).values())

    play(scene, config(kind))


@pytest.mark.covers("AIF-2.4.6-1")
@either
def test_a_battery_that_is_refused_is_unknown_whatever_it_was_before(kind: tuple[int, int, str]) -> None:
    """The vehicle is charged, then 0xC7 turns undetermined: no state of charge goes on as if it were live."""

    async def scene(house: House) -> None:
        await _session(house)
        await house.settle(MINUTE)
        assert house.gateway.units.runners["car"].unit.observed.soc is not None
        house.unit.override_connection(0xFF)
        await house.settle(2 * MINUTE)
        assert house.gateway.units.runners["car"].unit.observed.soc is None
        house.unit.override_connection(None)
        await house.settle(2 * MINUTE)
        assert house.gateway.units.runners["car"].unit.observed.soc is not None

    run(scene, **_house(kind, vehicle=VehicleConfig(100_000)))


@pytest.mark.covers("AIF-2.4.6-2")
@pytest.mark.parametrize("kind", NEWEST, ids=name)
def test_type_and_mode_are_always_read(kind: tuple[int, int, str]) -> None:
    """At start, before anything is ordered; and the mode for ever, though it is announced."""

    async def scene(house: House) -> None:
        await house.settle(10_000)
        read = [word for word in _said(house) if word.done == "told"]
        assert f"told CC={kind[1]:02X}" in [str(word) for word in read]
        assert [word for word in read if word.epc == 0xDA]
        mark = house.clock.monotonic()
        await house.settle(10 * MINUTE)
        modes = [word.at for word in _said(house) if str(word) == "get DA" and word.at > mark]
        assert len(modes) >= 5

    run(scene, **_house(kind))


# All of it, over the demo's evening ---------------------------------------------------------------------------------


@pytest.mark.covers("AIF-2.4.1-1", "AIF-2.4.3-1", "AIF-2.4.4-1", "AIF-2.4.5-1")
def test_the_evening_of_the_demo_breaks_no_clause(monkeypatch: pytest.MonkeyPatch) -> None:
    """It builds a network of its own: the checker watches that one, too."""
    checker = AifChecker(GATEWAY_ADDRESS)

    class Watched(SimLan):
        def __init__(self, clock: Clock) -> None:
            super().__init__(clock)
            self.tap(checker)

    async def main() -> list[str]:
        async with in_memory(lambda row: None) as scene:
            return await evening(scene)

    monkeypatch.setattr("bridge.sim.lan.SimLan", Watched)
    assert run_virtual(main()) == []
    assert checker.requests > 50
    checker.assert_clean()
