"""What a network and a unit can do wrong, and that the gateway goes on, tells the CSMS, and keeps to the AIF."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bridge.sim.codec import Esv, Prop, SimFrame, encode
from bridge.sim.lan import LanFaults
from bridge.sim.node import NodeConfig
from bridge.sim.unit import SimUnitConfig
from tests.tools.house import GATEWAY, MINUTE, TOKEN, UNITS, House, run, site

UNIT = 0x027E01
CONTROLLER = 0x05FF01

GARBAGE = (
    b"",
    b"\x00",
    b"\x10",
    b"\x10\x81",
    b"\x10\x81\x00\x01\x02\x7e\x01\x05\xff\x01\x72",
    b"\x10\x81\x00\x01\x02\x7e\x01\x05\xff\x01\x72\x01\xda\xff\x42",
    b"\x10\x81\x00\x01\x02\x7e\x01\x05\xff\x01\x73\x02\xda\x01\x42",
    b"\x10\x82" + bytes(200),
    b"\xff" * 1500,
    b"\x10\x81\x00\x01\x02\x7e\x01\x05\xff\x01\x00\x01\xda\x01\x42",
)


def test_garbage_from_the_units_address_changes_nothing() -> None:
    async def play(house: House) -> None:
        transaction = await house.start(3000)
        before = house.now
        for data in GARBAGE * 20:
            house.lan.carry(data, UNITS[0], GATEWAY)
            house.lan.carry(data, UNITS[0], None)
            await house.clock.sleep(50)
        await house.settle()
        assert house.state() == "Charging"
        assert not [m for m in house.csms.messages[before:] if m.action == "StatusNotification"]
        await house.call("RequestStopTransaction", transactionId=transaction)
        await house.told("TransactionEvent", eventType="Ended")

    run(play)


def test_a_notification_with_impossible_values_is_not_believed() -> None:
    async def play(house: House) -> None:
        await house.start(3000)
        for edt in (b"", b"\x00", b"\x42\x42\x42", b"\xff" * 9):
            frame = SimFrame(1, UNIT, 0x0EF001, Esv.INF, (Prop(0xDA, edt), Prop(0x88, edt), Prop(0xC7, edt)))
            house.lan.carry(encode(frame), UNITS[0], None)
            await house.settle()
        assert house.state() == "Charging"
        assert house.unit.power_w == 3000

    run(play)


def test_an_answer_from_another_units_address_is_nobodys() -> None:
    """The neighbour answers each request for the unit with the right TID and another truth."""

    async def play(house: House) -> None:
        neighbour = house.lan.join("10.0.0.99")

        def lie(datagram) -> None:  # type: ignore[no-untyped-def]
            if datagram.source != GATEWAY or datagram.destination != UNITS[0]:
                return
            tid = int.from_bytes(datagram.data[2:4], "big")
            answer = SimFrame(tid, UNIT, CONTROLLER, Esv.GET_RES, (Prop(0xDA, b"\x43"), Prop(0xC7, b"\x30")))
            neighbour.send(encode(answer), GATEWAY)

        house.lan.tap(lie)
        await house.start(3000)
        await house.settle(2 * MINUTE)
        assert house.state() == "Charging"
        statuses = [s["connectorStatus"] for s in house.csms.received("StatusNotification")]
        assert statuses == ["Available", "Occupied"]
        assert house.gateway.units.controllers["home"].strays

    run(play)


def test_a_unit_that_never_answers_is_unavailable_and_no_start_is_taken() -> None:
    async def play(house: House) -> None:
        await house.told("StatusNotification", connectorStatus="Unavailable", timeout_ms=10 * MINUTE)
        answer = await house.call("RequestStartTransaction", evseId=1, remoteStartId=1, idToken=TOKEN)
        assert answer["status"] == "Rejected"
        assert house.writes() == []

    run(play, start_nodes=False, wait=False)


def test_a_unit_that_is_switched_on_much_later_is_found() -> None:
    """Neither at the first searches nor with an announcement: our own search must find it."""

    async def play(house: House) -> None:
        await house.settle(15 * MINUTE)
        node, port = house.nodes[0], house.lan.join(UNITS[0])
        node.attach(port)
        await house.told("StatusNotification", connectorStatus="Available", timeout_ms=11 * MINUTE)
        house.unit.plug()
        await house.start(2000)

    run(play, start_nodes=False, wait=False, config=site(unit={"address": None}))


def test_searches_become_rare_and_stay_within_ten_minutes() -> None:
    async def play(house: House) -> None:
        await house.settle(120 * MINUTE)
        # Every second search goes by class.
        at = [d.at for d in house.datagrams if d.source == GATEWAY and d.destination is None and d.data[10] == Esv.GET]
        pauses = [later - earlier for earlier, later in pairwise(at)]
        assert max(pauses[:10]) <= 30_000  # a cable that was pulled is in again within minutes
        assert max(pauses) <= 10 * MINUTE + 1000
        assert len(at) < 50
        assert pauses[2:] == sorted(pauses[2:])

    run(play, start_nodes=False, wait=False, config=site(unit={"address": None}))


def test_a_unit_that_dies_in_a_session_and_comes_back_goes_on() -> None:
    async def play(house: House) -> None:
        transaction = await house.start(3000)
        house.unit.silence()
        await house.told("StatusNotification", connectorStatus="Unavailable", timeout_ms=10 * MINUTE)
        since = house.now
        house.unit.silence(False)
        await house.told("StatusNotification", since, connectorStatus="Occupied", timeout_ms=10 * MINUTE)
        assert house.unit.power_w == 3000
        await house.call("RequestStopTransaction", transactionId=transaction)
        await house.told("TransactionEvent", eventType="Ended")
        assert house.unit.power_w == 0

    run(play)


def test_a_stop_for_a_dead_unit_is_carried_out_when_it_is_back() -> None:
    async def play(house: House) -> None:
        transaction = await house.start(3000)
        house.unit.silence()
        answer = await house.call("RequestStopTransaction", transactionId=transaction)
        assert answer["status"] == "Accepted"
        await house.settle(3 * MINUTE)
        assert house.unit.power_w == 3000
        house.unit.silence(False)
        await house.unit.until(lambda unit: unit.power_w == 0, 10 * MINUTE)

    # A stop that was sent although another request was open supersedes that request: once the stop is answered, the
    # session goes on, while the checker counts the earlier one as open until its 20 s are over.
    run(play, but=lambda broken: broken.clause == "AIF-2.4.1-1" and "while SETC" in broken.text)


def test_a_unit_that_refuses_everything_but_its_maps_leaves_the_gateway_working() -> None:
    """SNA everywhere: in the map, yet always refused."""
    refused = frozenset(range(0xC0, 0xF0)) - {0xDA}

    async def play(house: House) -> None:
        await house.settle(10 * MINUTE)
        assert await house.call("GetBaseReport", requestId=1, reportBase="SummaryInventory")
        answer = await house.call("RequestStartTransaction", evseId=1, remoteStartId=1, idToken=TOKEN)
        assert answer["status"] in ("Accepted", "Rejected")
        await house.settle(5 * MINUTE)
        assert house.gateway.units.runners["car"].unit.observed.reachable

    run(play, wait=False, units={UNITS[0]: SimUnitConfig(withheld=refused)})


def test_half_an_answer_is_asked_for_again_and_completed() -> None:
    """The node leaves out all but the first two properties of each answer."""

    async def play(house: House) -> None:
        await house.start(3000)
        await house.settle(2 * MINUTE)
        assert house.state() == "Charging"
        assert house.unit.power_w == 3000

    run(play, node=NodeConfig(answer_at_most=2))


@pytest.mark.covers("AIF-2.4.4-1")
def test_a_node_that_takes_only_two_properties_a_request_is_served() -> None:
    async def play(house: House) -> None:
        await house.start(3000)
        await house.unit.until(lambda unit: unit.power_w == 3000)

    run(play, node=NodeConfig(max_opc=2))


def test_a_bad_network_costs_time_and_nothing_else() -> None:
    async def play(house: House) -> None:
        transaction = await house.start(3000)
        await house.limit(1500, transaction)
        await house.unit.until(lambda unit: unit.power_w == 1500, 10 * MINUTE)
        await house.call("RequestStopTransaction", transactionId=transaction)
        await house.unit.until(lambda unit: unit.power_w == 0, 10 * MINUTE)

    run(play, faults=LanFaults(loss=0.05, duplicate=0.1, reorder=0.05, jitter_ms=30))


def test_a_bug_that_one_unit_brings_out_costs_the_others_nothing() -> None:
    config = site(
        units={"car": {"address": UNITS[0]}, "van": {"address": UNITS[1]}},
    )
    second = config.stations[0].evses[0].model_copy(update={"id": 2, "unit": "van"})
    config = config.model_copy(
        update={"stations": (config.stations[0].model_copy(update={"evses": (config.stations[0].evses[0], second)}),)}
    )

    async def play(house: House) -> None:
        van = house.gateway.units.runners["van"]
        real, faults = van._plan.next, []

        def broken(*plan):  # type: ignore[no-untyped-def]
            if len(faults) < 4:  # 10, 20, 40 and 80 s of quarantine: longer than a lost unit is debounced
                faults.append(house.clock.monotonic())
                raise ZeroDivisionError("a bug")
            return real(*plan)

        van._plan.next = broken  # type: ignore[method-assign]
        transaction = await house.start(3000)
        await house.told("StatusNotification", evseId=2, connectorStatus="Unavailable", timeout_ms=10 * MINUTE)
        await house.settle(10 * MINUTE)
        assert len(faults) == 4
        assert van.unit.observed.reachable
        assert house.unit.power_w == 3000
        await house.call("RequestStopTransaction", transactionId=transaction)
        await house.told("TransactionEvent", eventType="Ended")

    run(play, config=config, units={UNITS[0]: SimUnitConfig(), UNITS[1]: SimUnitConfig()})
